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
#define cpu_relax()   ORDERED("yield")

/* Interrupts are masked at EL2: one that ends the wait stays pending. */
#define wait_for_interrupt() ORDERED("dsb sy; wfi")

/* All stage 1 and stage 2 entries of the VMID in VTTBR_EL2, and instructions, on all cores. */
#define tlb_flush_vm() ORDERED("dsb ishst; tlbi vmalls12e1is; dsb ish; ic ialluis; dsb ish; isb")
/* Stage 1 entries of the VMID in VTTBR_EL2, and instructions, on this core. */
#define tlb_flush_vcpu() ORDERED("tlbi vmalle1; ic iallu; dsb nsh; isb")

/* A device's register. EL2 takes no aborts on them: any load or store will do. */
#define mmio32(pa) (*(volatile uint32_t *)(pa))
#define mmio64(pa) (*(volatile uint64_t *)(pa))
