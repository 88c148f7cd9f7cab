/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the areas of the shared memory lie (proto/PROTOCOL.md, "Memory"). */
#pragma once

#include <stdint.h>

/* Offsets and sizes in bytes from the start of the shared memory object. */
struct layout {
    uint64_t stub; /* from the stub's link address */
    uint64_t stub_size;
    uint64_t boot;
    uint64_t channels;
    uint64_t vcpus;
    uint64_t own_end; /* the end of the areas that are not guest RAM */
    uint64_t ram;
    uint64_t ram_size;
    uint64_t total;
};

/*
 * Lay out the memory. The stub's image of `image_size` bytes goes to offset `stub`. The
 * stub gets as many table pages as it needs to map `ram_size` bytes in 4 KiB pages.
 */
void layout_make(struct layout *layout, uint64_t stub, uint64_t image_size, unsigned nr_pcpus,
                 unsigned nr_vcpus, uint64_t ram_size);
