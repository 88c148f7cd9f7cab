/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/keeper/kept.h"
#include "vmm/keeper/kept_memory.h"

#define OUTPUT_KEPT "output"

/* Both count on. Each is stored after the bytes were written, or were read. */
struct output_ring {
    uint32_t head, tail;
    uint8_t bytes[];
};

struct chardev_output {
    struct output_ring *ring;
    uint32_t size;
};

static size_t bytes_of(uint32_t size)
{
    return sizeof(struct output_ring) + size;
}

struct chardev_output *chardev_output_new(uint32_t size)
{
    struct chardev_output *output = calloc(1, sizeof(*output));

    if (!output)
        return NULL;
    *output = (struct chardev_output){
        kept_memory(bytes_of(size), OUTPUT_KEPT "%u", kept_number(OUTPUT_KEPT)), size};
    if (!output->ring) {
        free(output);
        return NULL;
    }
    if (output->ring->head - output->ring->tail > size)
        output->ring->tail = output->ring->head;
    return output;
}

void chardev_output_free(struct chardev_output *output)
{
    if (!output)
        return;
    munmap(output->ring, bytes_of(output->size));
    free(output);
}

size_t chardev_output_used(const struct chardev_output *output)
{
    return __atomic_load_n(&output->ring->head, __ATOMIC_ACQUIRE) -
           __atomic_load_n(&output->ring->tail, __ATOMIC_ACQUIRE);
}

size_t chardev_output_room(const struct chardev_output *output)
{
    return output->size - chardev_output_used(output);
}

size_t chardev_output_put(struct chardev_output *output, const uint8_t *data, size_t len)
{
    struct output_ring *ring = output->ring;
    size_t at = ring->head % output->size, part;

    if (len > chardev_output_room(output))
        len = chardev_output_room(output);
    part = len < output->size - at ? len : output->size - at;
    memcpy(ring->bytes + at, data, part);
    memcpy(ring->bytes, data + part, len - part);
    __atomic_store_n(&ring->head, ring->head + (uint32_t)len, __ATOMIC_RELEASE);
    return len;
}

size_t chardev_output_peek(const struct chardev_output *output, const uint8_t **data)
{
    size_t at = output->ring->tail % output->size, used = chardev_output_used(output);

    *data = output->ring->bytes + at;
    return used < output->size - at ? used : output->size - at;
}

void chardev_output_drop(struct chardev_output *output, size_t len)
{
    struct output_ring *ring = output->ring;

    __atomic_store_n(&ring->tail, ring->tail + (uint32_t)len, __ATOMIC_RELEASE);
}
