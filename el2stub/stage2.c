/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2: what of the memory a VM sees, and where. The vmm asks, the stub
 * checks that the range lies in that VM's memory and builds the tables.
 * Each function that returns int: 0, RV_REFUSED_*, or -1 (no table page left,
 * nothing changed). The caller holds the lock of the tables.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define ROOT_ENTRIES 1024u /* two concatenated tables: 40 bits of IPA (Arm ARM D8.2.5) */

/* Stage 2 attributes (Arm ARM D8.3.1.2, D8.4.2): S2AP, XN, normal write-back memory. */
#define S2_READ      (1ull << 6)
#define S2_WRITE     (1ull << 7)
#define S2_XN        (1ull << 54)
#define S2_NORMAL_WB (0xfull << 2)
#define S2_PROT      (S2_READ | S2_WRITE | S2_XN)

/* VTCR_EL2 (Arm ARM D19.2.164): 40-bit IPA from level 1, write-back walks. */
#define VTCR_T0SZ   (64u - RV_IPA_BITS)
#define VTCR_SL0_1  (1u << 6)
#define VTCR_WALKS  (1u << 8 | 1u << 10 | 3u << 12)
#define VTCR_PS_40  (2u << 16)
#define VTCR_RES1   (1ull << 31)

static uint64_t roots[RV_MAX_VMS][ROOT_ENTRIES] __attribute__((aligned(8192)));

void stage2_init_cpu(void)
{
    write_sysreg(VTCR_RES1 | VTCR_PS_40 | VTCR_WALKS | VTCR_SL0_1 | VTCR_T0SZ, vtcr_el2);
}

uint64_t stage2_vttbr(const struct vm *vm)
{
    return (uint64_t)vm->vmid << 48 | (uint64_t)vm->root;
}

static uint64_t attributes(uint64_t prot)
{
    return (prot & RV_MAP_READ ? S2_READ : 0) | (prot & RV_MAP_WRITE ? S2_WRITE : 0) |
           (prot & RV_MAP_EXEC ? 0 : S2_XN);
}

/* Does [start, start + size) lie in [base, base + limit), with no wrap? */
static bool inside(uint64_t start, uint64_t size, uint64_t base, uint64_t limit)
{
    return size != 0 && size <= limit && start >= base && start - base <= limit - size;
}

static int check_ipa(ipa_t ipa, uint64_t size)
{
    if ((ipa.v | size) % RV_PAGE_SIZE != 0)
        return RV_REFUSED_ALIGN;
    return inside(ipa.v, size, 0, 1ull << RV_IPA_BITS) ? 0 : RV_REFUSED_RANGE;
}

int stage2_map(struct vm *vm, ipa_t ipa, uint64_t offset, uint64_t size, uint64_t prot)
{
    int error = check_ipa(ipa, size);

    if (error)
        return error;
    if (prot & ~(uint64_t)(RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC | RV_MAP_PAGES_ONLY))
        return RV_REFUSED_FLAGS;
    if (offset % RV_PAGE_SIZE != 0)
        return RV_REFUSED_ALIGN;
    if (!inside(offset, size, vm->ram_offset, vm->ram_size))
        return RV_REFUSED_RANGE;
    return pgtable_map(vm->root, ipa.v, vm->ram.v + (offset - vm->ram_offset), size,
                       attributes(prot) | S2_NORMAL_WB | PTE_SH_IS | PTE_AF,
                       (prot & RV_MAP_PAGES_ONLY) != 0);
}

/*
 * The TLB instructions work on the VMID in VTTBR_EL2: run `update` with this
 * VM's there. The vCPU of another VM that may be live here gets its own back.
 */
static void update(struct vm *vm, ipa_t ipa, uint64_t size, uint64_t keep, uint64_t set)
{
    uint64_t vttbr = read_sysreg(vttbr_el2);

    write_sysreg(stage2_vttbr(vm), vttbr_el2);
    isb();
    pgtable_update(vm->root, ipa.v, size, keep, set);
    write_sysreg(vttbr, vttbr_el2);
    isb();
}

static int split_ends(struct vm *vm, ipa_t ipa, uint64_t size)
{
    uint64_t vttbr = read_sysreg(vttbr_el2);
    int error;

    write_sysreg(stage2_vttbr(vm), vttbr_el2);
    isb();
    error = pgtable_split(vm->root, ipa.v);
    if (!error && ipa.v + size < 1ull << RV_IPA_BITS)
        error = pgtable_split(vm->root, ipa.v + size);
    write_sysreg(vttbr, vttbr_el2);
    isb();
    return error;
}

/* Holes in the range are left as they are. */
int stage2_unmap(struct vm *vm, ipa_t ipa, uint64_t size)
{
    int error = check_ipa(ipa, size);

    if (!error)
        error = split_ends(vm, ipa, size);
    if (!error)
        update(vm, ipa, size, 0, 0);
    return error;
}

int stage2_protect(struct vm *vm, ipa_t ipa, uint64_t size, uint64_t prot)
{
    int error = check_ipa(ipa, size);

    if (error)
        return error;
    if (prot & ~(uint64_t)(RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC))
        return RV_REFUSED_FLAGS;
    if (!pgtable_covers(vm->root, ipa.v, size))
        return RV_REFUSED_OVERLAP;
    error = split_ends(vm, ipa, size);
    if (!error)
        update(vm, ipa, size, ~S2_PROT, attributes(prot));
    return error;
}

/* Give `vm` the memory [offset, offset + size), which no other VM may have. */
int stage2_create(struct vm *vm, unsigned index, uint64_t offset, uint64_t size)
{
    if ((offset | size) % RV_PAGE_SIZE != 0)
        return RV_REFUSED_ALIGN;
    if (!inside(offset, size, boot.ram_offset, boot.ram_size))
        return RV_REFUSED_RANGE;
    for (unsigned i = 0; i < RV_MAX_VMS; i++) {
        if (vms[i].exists && offset < vms[i].ram_offset + vms[i].ram_size &&
            vms[i].ram_offset < offset + size)
            return RV_REFUSED_OVERLAP;
    }
    *vm = (struct vm){
        .exists = true,
        .vmid = (uint16_t)(index + 1), /* 0 is what the registers have before any VM */
        .ram = {boot.mem_base + offset},
        .ram_offset = offset,
        .ram_size = size,
        .root = roots[index],
    };
    return 0;
}

/* The tables go back to the pool; no TLB may hold their entries when they do. */
void stage2_destroy(struct vm *vm)
{
    update(vm, (ipa_t){0}, 1ull << RV_IPA_BITS, 0, 0);
    pgtable_free(vm->root, ROOT_ENTRIES);
    vm->exists = false;
}
