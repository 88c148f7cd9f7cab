/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/util/memfile.h"

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

/* MAP_FAILED: there is none. */
static struct output_ring *map(uint32_t size)
{
    unsigned number = kept_number(OUTPUT_KEPT);
    int fd = kept_get(OUTPUT_KEPT "%u", number);
    bool found = fd >= 0;
    void *ring = MAP_FAILED;
    struct stat st;

    if (!found)
        fd = memfile_create("ringvisor output", bytes_of(size));
    if (fd < 0)
        return ring;
    if ((found || kept_put(fd, OUTPUT_KEPT "%u", number) == 0) && fstat(fd, &st) == 0 &&
        (size_t)st.st_size >= bytes_of(size))
        ring = mmap(NULL, bytes_of(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return ring;
}

struct chardev_output *chardev_output_new(uint32_t size)
{
    struct chardev_output *output = calloc(1, sizeof(*output));

    if (!output)
        return NULL;
    *output = (struct chardev_output){map(size), size};
    if (output->ring == MAP_FAILED) {
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
