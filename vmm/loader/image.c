/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/image.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/boot.h"
#include "vmm/loader/bytes_internal.h"
#include "vmm/loader/pe.h"

/* The header's fields, all little-endian since Linux 3.17. */
#define IMAGE_HEADER_SIZE 64u
#define IMAGE_TEXT_OFFSET 8u
#define IMAGE_IMAGE_SIZE  16u
#define IMAGE_FLAGS       24u
#define IMAGE_MAGIC       56u

#define IMAGE_FLAG_BIG_ENDIAN 0x1u

/* A kernel before 3.17 has image_size 0: booting.rst says which text_offset to assume. */
#define IMAGE_OLD_TEXT_OFFSET UINT64_C(0x80000)

/* Early EFI kernels claim up to a page of .data padding that is not in the file. */
#define PE_SLACK 4096u

bool image_match(const uint8_t *data, size_t size)
{
    return size >= IMAGE_HEADER_SIZE && memcmp(data + IMAGE_MAGIC, "ARM\x64", 4) == 0;
}

/*
 * Bytes that the file must have by its PE header, which kernels with an EFI stub
 * carry; 0: it has none. The arm64 header alone cannot show that a file was cut
 * off, as image_size counts .bss; such a kernel would die without a word.
 */
static uint64_t image_pe_end(const uint8_t *data, size_t size)
{
    struct pe pe;
    int64_t missing = pe_open(&pe, data, size);
    uint64_t end = 0;

    if (missing != 0)
        return missing > 0 ? (uint64_t)missing : 0;
    for (unsigned i = 0; i < pe.nr; i++) {
        struct pe_section section = pe_section(&pe, i);

        if (section.start + section.size > end)
            end = section.start + section.size;
    }
    return end > PE_SLACK ? end - PE_SLACK : 0;
}

static int image_check(const struct input *input, const uint8_t *data, size_t size)
{
    uint64_t pe_end = image_pe_end(data, size);

    if ((bytes_le64(data + IMAGE_FLAGS) & IMAGE_FLAG_BIG_ENDIAN) != 0) {
        input_error(input, "a big-endian arm64 Image: build the kernel with "
                           "CONFIG_CPU_LITTLE_ENDIAN=y");
        return -ENOTSUP;
    }
    if (size < pe_end) {
        input_error(input,
                    "truncated: an arm64 Image of %zu bytes that should have at least %" PRIu64
                    "; copy the file again",
                    size, pe_end);
        return -EBADMSG;
    }
    return 0;
}

int image_load(const struct input *input, const uint8_t *data, size_t size,
               const struct guest_ram *ram, struct kernel *kernel)
{
    uint64_t text_offset = bytes_le64(data + IMAGE_TEXT_OFFSET);
    uint64_t image_size = bytes_le64(data + IMAGE_IMAGE_SIZE);
    /* Kernels before 4.6 cannot use RAM below themselves: the lowest 2 MiB boundary suits all. */
    uint64_t base = (ram->ipa + RV_BLOCK_SIZE - 1) & ~(RV_BLOCK_SIZE - 1);
    uint64_t need = size, room = 0;
    bool old = image_size == 0;
    int error = image_check(input, data, size);

    if (error != 0)
        return error;
    if (old)
        text_offset = IMAGE_OLD_TEXT_OFFSET;
    else if (image_size > need)
        need = image_size;
    /* The first instruction is at the image's first byte. */
    if (text_offset % 4 != 0) {
        input_error(input, "corrupt: an arm64 Image with the odd text_offset 0x%" PRIx64,
                    text_offset);
        return -EBADMSG;
    }
    if (text_offset < ram->size && guest_ram_has(ram, base, text_offset))
        room = guest_ram_end(ram) - (base + text_offset);
    if (need > room) {
        input_error(input,
                    "an arm64 Image that needs %" PRIu64 " KiB from text_offset 0x%" PRIx64
                    " on, but RAM has %" PRIu64 " KiB: give more RAM",
                    need / 1024 + 1, text_offset, ram->size / 1024);
        return -ENOSPC;
    }
    kernel->start = ipa(base + text_offset);
    kernel->entry = kernel->start;
    memcpy(guest_ram_to_write(ram, kernel->start.v, size), data, size);
    if (old)
        need += kernel_tail(room - need);
    kernel->end = ipa(kernel->start.v + need);
    return 0;
}
