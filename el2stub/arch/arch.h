/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stub's C needs of the processor beyond C. The tests on the host
 * have a header of the same name with the same macros.
 */
#pragma once

#include <stdint.h>

#define read_sysreg(name)                                  \
    ({                                                     \
        uint64_t value_;                                   \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)); \
        value_;                                            \
    })
#define write_sysreg(value, name) __asm__ volatile("msr " #name ", %x0" : : "rZ"((uint64_t)(value)))

#define ORDERED(code) __asm__ volatile(code : : : "memory")
#define isb()         ORDERED("isb")
#define dsb_ish()     ORDERED("dsb ish")
#define dsb_sy()      ORDERED("dsb sy")
#define cpu_relax()   ORDERED("yield")

/*
 * The index, or 0 if it is not below the size, also in what the CPU does by speculation
 * beyond a check that a peer's value will fail (Arm ARM C6.2, CSDB).
 */
static inline uint64_t index_nospec(uint64_t index, uint64_t size)
{
    uint64_t mask;

    __asm__ volatile("cmp %1, %2; sbc %0, xzr, xzr; hint #20"
                     : "=r"(mask)
                     : "r"(index), "Ir"(size)
                     : "cc");
    return index & mask;
}

/* Interrupts are masked at EL2: one that ends the wait stays pending. */
#define wait_for_interrupt() ORDERED("dsb sy; wfi")

/* Take the SError that is pending at EL2, by its vector. PSTATE.A masks it everywhere else. */
#define take_serror() ORDERED("msr daifclr, #4; isb; msr daifset, #4")

/*
 * Guests' TLB entries (Arm ARM D8, "TLB maintenance instructions"), and instructions. All of
 * all VMs on all CPUs, whatever VTTBR_EL2 is. Twice: on some CPUs the completion of one does
 * not cover all accesses by old entries (errata 1286807 of Cortex-A76, 2441007 of A55, 2441009
 * of A510).
 */
#define TLBI_GUESTS        "tlbi alle1is; dsb ish;"
#define tlb_flush_guests() ORDERED("dsb ish;" TLBI_GUESTS TLBI_GUESTS "ic ialluis; dsb ish; isb")
/*
 * All entries of the VMID in VTTBR_EL2 on this CPU. Those of stage 2 alone, too: a speculative AT may
 * walk while HCR_EL2, VTCR_EL2 and VTTBR_EL2 are of different guests or of the host (Arm ARM D8.1.5,
 * "Out-of-context translation regimes").
 */
#define tlb_flush_vcpu() ORDERED("tlbi vmalls12e1; ic iallu; dsb nsh; isb")

/* Stage 1 of the guest's EL1 for a read, into PAR_EL1. */
#define at_s1e1r(va) __asm__ volatile("at s1e1r, %0; isb" : : "r"(va) : "memory")

/* Instruction caches of all CPUs; the data cache line of an address, in all CPUs. */
#define ic_invalidate_all()     ORDERED("ic ialluis")
#define dc_clean_invalidate(va) __asm__ volatile("dc civac, %0" : : "r"(va) : "memory")

/* A device's register. EL2 takes no aborts on them: any load or store will do. */
#define mmio32(pa) (*(volatile uint32_t *)(pa))
#define mmio64(pa) (*(volatile uint64_t *)(pa))
#define mmio8(pa)  (*(volatile uint8_t *)(pa))
/* A load that is wanted for what it waits for. */
#define mmio_load32(pa) (*(const volatile uint32_t *)(pa))
