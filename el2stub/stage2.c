/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 2: what of the memory a VM sees, and where. The vmm asks, the stub
 * checks that the range lies in that VM's memory and builds the tables.
 * Each function that returns int: 0, RV_REFUSED_*, or NO_ROOM: no table page left,
 * nothing changed. The caller holds the lock of the commands.
 */
#include "arch.h"
#include "el2stub/stub.h"

/* Does [start, start + size) lie in [base, base + limit), is it not empty, and does it not wrap? */
bool range_inside(uint64_t start, uint64_t size, uint64_t base, uint64_t limit)
{
    return size != 0 && size <= limit && start >= base && start - base <= limit - size;
}

/* Of a page or block of guest memory that has these RV_MAP_* permissions. */
uint64_t stage2_attributes(uint64_t prot)
{
    uint64_t attr = S2_NORMAL_WB | PTE_SH_INNER | PTE_AF;

    if (prot & RV_MAP_READ)
        attr |= S2_READ;
    if (prot & RV_MAP_WRITE)
        attr |= S2_WRITE;
    if (!(prot & RV_MAP_EXEC))
        attr |= PTE_XN;
    return attr;
}

static int check(ipa_t ipa, uint64_t size, uint64_t flags)
{
    if ((ipa.v | size) % RV_PAGE_SIZE != 0)
        return RV_REFUSED_ALIGN;
    if (!range_inside(ipa.v, size, 0, 1ull << IPA_BITS))
        return RV_REFUSED_RANGE;
    return flags & ~(uint64_t)(RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC) ? RV_REFUSED_FLAGS : 0;
}

int stage2_map(struct vm *vm, ipa_t ipa, uint64_t offset, uint64_t size, uint64_t prot)
{
    int error = check(ipa, size, prot & ~(uint64_t)RV_MAP_PAGES_ONLY);

    if (error)
        return error;
    if (offset % RV_PAGE_SIZE != 0)
        return RV_REFUSED_ALIGN;
    if (!range_inside(offset, size, vm->ram_offset, vm->ram_size))
        return RV_REFUSED_RANGE;
    return pgtable_map(vm->root, STAGE2_FIRST, ipa.v, boot.mem_base + offset, size,
                       stage2_attributes(prot), (prot & RV_MAP_PAGES_ONLY) != 0, RV_MAX_ENTRIES);
}

/*
 * The range is mapped, and its ends cut no block. Without any permission what is mapped of it is
 * unmapped.
 */
int stage2_protect(struct vm *vm, ipa_t ipa, uint64_t size, uint64_t prot)
{
    int error = check(ipa, size, prot);

    if (error)
        return error;
    error =
        pgtable_protect(vm->root, STAGE2_FIRST, ipa.v, size, prot ? stage2_attributes(prot) : 0);
    tlb_flush_guests();
    return error;
}

/* Give a new VM the memory [offset, offset + size), which no other VM may have. */
int stage2_create(struct vm *vm, unsigned index, uint64_t offset, uint64_t size)
{
    if ((offset | size) % RV_PAGE_SIZE != 0)
        return RV_REFUSED_ALIGN;
    if (!range_inside(offset, size, boot.ram_offset, boot.ram_size))
        return RV_REFUSED_RANGE;
    for (unsigned i = 0; i < RV_MAX_VMS; i++) {
        const struct vm *other = &vms[i];
        bool apart =
            offset + size <= other->ram_offset || other->ram_offset + other->ram_size <= offset;

        if (other->exists && !apart)
            return RV_REFUSED_OVERLAP;
    }
    vm->ram_offset = offset;
    vm->ram_size = size;
    vm->root = pgtable_alloc(STAGE2_ROOT);
    if (!vm->root)
        return NO_ROOM;
    vm->vttbr = (uint64_t)(index + 1) << 48 | (uint64_t)vm->root; /* VMID 0 is no VM's */
    vm->exists = true;
    return 0;
}
