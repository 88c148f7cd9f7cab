/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_output.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/util/memfile.h"

#define OUTPUT_BYTES 4096u /* a power of two */
#define OUTPUT_KEPT  "output"

/* Both count on. Each is stored after the bytes were written, or were read. */
struct chardev_output {
    uint32_t head, tail;
    uint8_t bytes[OUTPUT_BYTES];
};

struct chardev_output *chardev_output_new(void)
{
    int fd = kept_get(OUTPUT_KEPT);
    bool found = fd >= 0;
    struct chardev_output *output = MAP_FAILED;

    if (!found)
        fd = memfile_create("ringvisor output", sizeof(*output));
    if (fd >= 0 && (found || kept_put(fd, OUTPUT_KEPT) == 0))
        output = mmap(NULL, sizeof(*output), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (output == MAP_FAILED)
        return NULL;
    if (output->head - output->tail > OUTPUT_BYTES)
        output->tail = output->head;
    return output;
}

void chardev_output_free(struct chardev_output *output)
{
    if (output)
        munmap(output, sizeof(*output));
}

size_t chardev_output_used(const struct chardev_output *output)
{
    return output->head - output->tail;
}

size_t chardev_output_room(const struct chardev_output *output)
{
    return OUTPUT_BYTES - chardev_output_used(output);
}

size_t chardev_output_put(struct chardev_output *output, const uint8_t *data, size_t len)
{
    size_t at = output->head % OUTPUT_BYTES, part;

    if (len > chardev_output_room(output))
        len = chardev_output_room(output);
    part = len < OUTPUT_BYTES - at ? len : OUTPUT_BYTES - at;
    memcpy(output->bytes + at, data, part);
    memcpy(output->bytes, data + part, len - part);
    __atomic_store_n(&output->head, output->head + (uint32_t)len, __ATOMIC_RELEASE);
    return len;
}

size_t chardev_output_peek(const struct chardev_output *output, const uint8_t **data)
{
    size_t at = output->tail % OUTPUT_BYTES, used = chardev_output_used(output);

    *data = output->bytes + at;
    return used < OUTPUT_BYTES - at ? used : OUTPUT_BYTES - at;
}

void chardev_output_drop(struct chardev_output *output, size_t len)
{
    __atomic_store_n(&output->tail, output->tail + (uint32_t)len, __ATOMIC_RELEASE);
}
