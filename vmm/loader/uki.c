/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/uki.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/loader/pe.h"

/* The bytes of a section; the first of that name counts, as for systemd-stub. */
static int take_section(const struct input *input, const struct pe *pe, const char *name,
                        const uint8_t **data, size_t *size)
{
    char padded[8] = {0};

    memcpy(padded, name, strlen(name));
    for (unsigned i = 0; i < pe->nr; i++) {
        struct pe_section section = pe_section(pe, i);
        uint64_t used = section.size;

        if (memcmp(section.name, padded, sizeof(padded)) != 0)
            continue;
        if (section.memory_size != 0 && section.memory_size < used)
            used = section.memory_size; /* the rest is padding to the file's alignment */
        if (section.start > pe->size || used > pe->size - section.start) {
            input_error(input,
                        "truncated: a unified kernel image (UKI) whose section %s ends at byte "
                        "%" PRIu64 "; copy the file again",
                        name, section.start + used);
            return -EBADMSG;
        }
        *data = pe->data + section.start;
        *size = used;
        break;
    }
    return 0;
}

int uki_find(const struct input *input, const uint8_t *data, size_t size, struct uki *uki)
{
    struct pe pe;
    int error;

    *uki = (struct uki){0};
    /* A kernel's own PE header is for image.c, and all other PE files are for identify.c. */
    if (size < 2 || memcmp(data, "MZ", 2) != 0 || pe_open(&pe, data, size) != 0)
        return 0;
    error = take_section(input, &pe, ".linux", &uki->linux_data, &uki->linux_size);
    if (error == 0 && uki->linux_data == NULL)
        return 0;
    if (error == 0 && pe.machine != PE_MACHINE_ARM64) {
        input_error(input, "a unified kernel image (UKI) for another processor than AArch64");
        error = -ENOTSUP;
    }
    if (error == 0)
        error = take_section(input, &pe, ".initrd", &uki->initrd, &uki->initrd_size);
    if (error == 0)
        error = take_section(input, &pe, ".cmdline", &uki->cmdline, &uki->cmdline_size);
    return error ? error : 1;
}

int uki_cmdline(const struct input *input, const struct uki *uki, char *to, size_t room)
{
    size_t size = uki->cmdline ? strnlen((const char *)uki->cmdline, uki->cmdline_size) : 0;

    while (size > 0 && strchr(" \t\r\n", uki->cmdline[size - 1]) != NULL)
        size--;
    if (size >= room) {
        input_error(input, "its command line of %zu bytes is longer than the %zu that it may have",
                    size, room - 1);
        return -EFBIG;
    }
    if (size > 0)
        memcpy(to, uki->cmdline, size);
    to[size] = '\0';
    return 0;
}
