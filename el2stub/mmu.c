/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stub's own stage 1 at EL2: an identity map of what it needs and of
 * nothing else. No page is writable and executable. Attributes: Arm ARM D8.3;
 * MAIR_EL2 in boot.S: 0 normal, 1 device.
 */
#include "el2stub/stub.h"

#define NORMAL (PTE_AF | PTE_SH_INNER | S1_RES1)
#define RW     (NORMAL | PTE_XN)
#define DEVICE (PTE_AF | S1_RES1 | S1_DEVICE | PTE_XN)

#define VA_SIZE (1ull << 39) /* as TCR_EL2 in boot.S has it */

uint64_t mmu_root[512] __attribute__((aligned(4096)));

static int map(uint64_t start, uint64_t size, uint64_t attr)
{
    uint64_t base = attr == DEVICE ? 0 : boot.mem_base;

    if ((start | size) % RV_PAGE_SIZE ||
        !range_inside(start, size, base, attr == DEVICE ? VA_SIZE : boot.mem_size))
        return RV_REFUSED_RANGE;
    return pgtable_map(mmu_root, 1, start, start, size, attr, false, ~0u);
}

/* 0, or: an area lies outside, areas overlap, or the table pages are too few. */
int mmu_build(void)
{
    const uint64_t image = (uint64_t)image_start, text = (uint64_t)image_text_end;
    const uint64_t rodata = (uint64_t)image_rodata_end;
    const struct {
        uint64_t start, size, attr;
    } areas[] = {
        {image, text - image, NORMAL | S1_RO},
        {text, rodata - text, RW | S1_RO},
        {rodata, image + boot.stub_size - rodata, RW},
        {boot_page_address, RV_PAGE_SIZE, RW},
        {boot.mem_base + boot.channels_offset, boot.nr_pcpus * sizeof(struct rv_channel), RW},
        {boot.mem_base + boot.vcpus_offset, boot.nr_vcpus * sizeof(struct rv_vcpu_page), RW},
        {boot.mem_base + boot.ram_offset, boot.ram_size, RW},
        {boot.gicd_base, 0x10000, DEVICE},
        {boot.doorbell_base, RV_PAGE_SIZE, DEVICE},
    };
    int error = 0;

    /* The machine `linux` has no doorbell device and no guest RAM here: they are at 0. */
    for (uint32_t i = 0; i < sizeof(areas) / sizeof(*areas) && !error; i++)
        error = areas[i].start ? map(areas[i].start, areas[i].size, areas[i].attr) : 0;
    for (uint32_t i = 0; i < boot.nr_pcpus && !error; i++)
        error = map(boot.pcpu[i].gicr_base, 0x20000, DEVICE);
    return error;
}
