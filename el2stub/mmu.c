/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stub's own stage 1 at EL2: an identity map of what it needs and of
 * nothing else. No page is writable and executable.
 */
#include "el2stub/stub.h"

uint64_t mmu_root[512] __attribute__((aligned(4096)));

/* Stage 1 EL2 attributes (Arm ARM D8.3.1.1); MAIR_EL2 in boot.S: 0 normal, 1 device. */
#define S1_DEVICE (1ull << 2)
#define S1_RES1   (1ull << 6) /* AP[1], RES1 where there is one exception level */
#define S1_RO     (1ull << 7)
#define S1_XN     (1ull << 54)
#define S1_NORMAL (PTE_AF | PTE_SH_IS | S1_RES1)

static int map(uint64_t start, uint64_t end, uint64_t attr)
{
    return pgtable_map(mmu_root, start, start, end - start, attr, false);
}

/* 0, or an error of pgtable_map: areas overlap, or the table pages are too few. */
int mmu_build(void)
{
    uint64_t image = boot.mem_base + boot.stub_offset;
    uint64_t text_end = (uint64_t)image_text_end;
    uint64_t rodata_end = (uint64_t)image_rodata_end;
    uint64_t channels = boot.mem_base + boot.channels_offset;
    uint64_t vcpu_pages = boot.mem_base + boot.vcpus_offset;
    uint64_t ram = boot.mem_base + boot.ram_offset;
    uint64_t page = boot_page_address;
    const uint64_t rw = S1_NORMAL | S1_XN, device = PTE_AF | S1_RES1 | S1_DEVICE | S1_XN;
    int error;

    error = map(image, text_end, S1_NORMAL | S1_RO);
    if (!error)
        error = map(text_end, rodata_end, S1_NORMAL | S1_RO | S1_XN);
    if (!error)
        error = map(rodata_end, image + boot.stub_size, rw);
    if (!error)
        error = map(page, page + RV_PAGE_SIZE, rw);
    if (!error)
        error = map(channels, channels + boot.nr_pcpus * sizeof(struct rv_channel), rw);
    if (!error)
        error = map(vcpu_pages, vcpu_pages + boot.nr_vcpus * sizeof(struct rv_vcpu_page), rw);
    if (!error)
        error = map(ram, ram + boot.ram_size, rw);
    if (!error)
        error = map(boot.gicd_base, boot.gicd_base + 0x10000, device);
    if (!error)
        error = map(boot.gicr_base, boot.gicr_base + boot.nr_pcpus * 0x20000ull, device);
    if (!error)
        error = map(boot.doorbell_base, boot.doorbell_base + RV_PAGE_SIZE, device);
    return error;
}
