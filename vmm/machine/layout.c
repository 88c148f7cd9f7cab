/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/layout.h"

#include "proto/boot.h"
#include "proto/ring.h"
#include "proto/vcpu.h"

#define GIB (1ull << 30)

static uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) / to * to;
}

/*
 * One page of entries for each 2 MiB, one table for each GiB, a root of 16 tables aligned to its size,
 * some for ends and the stub itself.
 */
static uint64_t table_bytes(uint64_t ram_size)
{
    return (ram_size / RV_BLOCK_SIZE + 2 * (ram_size / GIB) + 2 * 16 + 64) * RV_PAGE_SIZE;
}

void layout_make(struct layout *layout, uint64_t stub, uint64_t image_size, unsigned nr_pcpus,
                 unsigned nr_vcpus, uint64_t ram_size)
{
    /* The guest's RAM can be mapped in blocks of 1 GiB if both sides are aligned to it. */
    uint64_t ram_align = ram_size >= GIB ? GIB : RV_BLOCK_SIZE;

    layout->stub = stub;
    layout->stub_size = align_up(image_size, RV_PAGE_SIZE) + table_bytes(ram_size);
    layout->boot = stub + layout->stub_size;
    layout->channels = layout->boot + RV_PAGE_SIZE;
    layout->vcpus = layout->channels + nr_pcpus * sizeof(struct rv_channel);
    layout->own_end = layout->vcpus + nr_vcpus * sizeof(struct rv_vcpu_page);
    layout->ram = align_up(layout->own_end, ram_align);
    layout->ram_size = ram_size;
    layout->total = layout->ram + ram_size;
}
