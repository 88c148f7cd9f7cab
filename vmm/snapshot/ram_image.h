/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guest memory as a file: chunks of 1 MiB, each compressed for itself (zstd) by as many threads
 * as the host has CPUs. Chunks of zeros, and holes of the memory object, take no room.
 *
 *   header   64 bytes
 *   table    an entry for each chunk: where it is, its length, and the SHA-256 of what is stored
 *   chunks   in any order
 *
 * An overlay is what has changed since another image: some pages of 4 KiB. A chunk of it begins with
 * 32 bytes that have a bit for each of its pages, and the pages whose bits are set follow one after
 * another, compressed; if nothing follows they are zeros. A chunk that is not stored has no page.
 *
 * The manifest has the SHA-256 of header and table, so every byte of the file is covered.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/snapshot/part.h"

#define RAM_IMAGE_FILE "ram"

struct ram_memory {
    uint8_t *at;
    uint64_t size;
    int fd;          /* the memory object, to find its holes; -1: none */
    uint64_t offset; /* of `at` in it */
    /* The image is an overlay. To write one: of these pages, a bit for each. */
    bool overlay;
    const uint64_t *pages;
    /*
     * To write an image of memory that is not all there: on any thread, before a part of it is looked at
     * (0 or -errno), and when it is not needed any more. NULL: it is there.
     */
    int (*bring)(void *opaque, uint64_t offset, uint64_t size);
    void (*drop)(void *opaque, uint64_t offset, uint64_t size);
    void *opaque;
};

/* Writes the file into the folder; ends early when `*cancelled`. 0 or -errno. */
int ram_image_write(int folder, const struct ram_memory *memory, const atomic_bool *cancelled,
                    struct snapshot_part *part);

/*
 * The same piece by piece. `offset` is a multiple of RAM_IMAGE_CHUNK, and so is `size`, unless the
 * memory ends there. 0 or -errno as from ram_image_read().
 */
#define RAM_IMAGE_CHUNK (1u << 20)
struct ram_image;
int ram_image_open(int folder, const struct snapshot_part *part, const struct ram_memory *memory,
                   struct ram_image **image);
int ram_image_load(struct ram_image *image, uint64_t offset, uint64_t size);
void ram_image_close(struct ram_image *image); /* NULL is allowed */

/*
 * Fills memory that is zeroed; an overlay, memory that has what the image before it has. 0 or -errno, -EBADMSG if the file is not what was written: then
 * the memory has any contents.
 */
int ram_image_read(int folder, const struct snapshot_part *part, const struct ram_memory *memory);
