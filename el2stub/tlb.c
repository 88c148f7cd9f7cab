/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TLB maintenance (Arm ARM D8, "TLB maintenance instructions"), and errata that
 * concern it. Where a workaround costs little it is done on every CPU, so that what
 * runs is what was tested.
 */
#include "arch.h"
#include "el2stub/stub.h"

/*
 * Until EL1's registers and VTTBR_EL2 belong together again: no table walks, and no
 * translation without tables. A speculative AT instruction could otherwise leave a TLB
 * entry that mixes two guests: errata 1165522 (Cortex-A76), 1530923 (A55), 1319367 (A72),
 * 1319537 (A57). Whoever ends this writes SCTLR_EL1 first, and TCR_EL1 after an ISB.
 */
void tlb_walks_off(void)
{
    write_sysreg(read_sysreg(tcr_el1) | TCR_EPD0 | TCR_EPD1, tcr_el1);
    isb();
    write_sysreg(read_sysreg(sctlr_el1) | SCTLR_M, sctlr_el1);
    isb();
}

/*
 * Drop all entries of a VM, stage 1 and stage 2, on all CPUs, and all instruction
 * caches. TLB instructions work on the VMID in VTTBR_EL2, and a vCPU of another VM may
 * be live here. Twice: on some CPUs the completion of one does not cover all accesses
 * by old entries (errata 1286807 of Cortex-A76, 2441007 of A55, 2441009 of A510).
 */
void tlb_flush_vm(uint64_t vttbr)
{
    uint64_t old_tcr = read_sysreg(tcr_el1);
    uint64_t old_sctlr = read_sysreg(sctlr_el1);
    uint64_t old_vttbr = read_sysreg(vttbr_el2);

    tlb_walks_off();
    write_sysreg(vttbr, vttbr_el2);
    isb();
    dsb_ish(); /* the walkers see the changed entries */
    tlbi_vm_all_cpus();
    dsb_ish();
    tlbi_vm_all_cpus();
    dsb_ish();
    ic_invalidate_all();
    dsb_ish();
    write_sysreg(old_vttbr, vttbr_el2);
    isb();
    write_sysreg(old_sctlr, sctlr_el1);
    isb();
    write_sysreg(old_tcr, tcr_el1);
    isb();
}

/* Drop this CPU's stage 1 entries of the VM in VTTBR_EL2, and its instruction cache. */
void tlb_flush_vcpu(void)
{
    tlbi_vm_stage1();
    ic_invalidate_own();
    dsb_nsh();
    isb();
}
