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

#define isb()       __asm__ volatile("isb" : : : "memory")
#define dsb_ish()   __asm__ volatile("dsb ish" : : : "memory")
#define cpu_relax() __asm__ volatile("yield" : : : "memory")

/* Interrupts are masked at EL2: one that ends the wait stays pending. */
#define wait_for_interrupt() __asm__ volatile("dsb sy; wfi" : : : "memory")

/* All stage 1 and stage 2 entries of the VMID in VTTBR_EL2, on all cores. */
#define tlb_flush_vm()                                                                 \
    __asm__ volatile("dsb ishst; tlbi vmalls12e1is; dsb ish; ic ialluis; dsb ish; isb" \
                     :                                                                 \
                     :                                                                 \
                     : "memory")
/* Stage 1 entries of the VMID in VTTBR_EL2, on this core. */
#define tlb_flush_vcpu() __asm__ volatile("tlbi vmalle1; ic iallu; dsb nsh; isb" : : : "memory")

/* A device's register. EL2 takes no aborts on them: any load or store will do. */
#define mmio32(pa) (*(volatile uint32_t *)(pa))
#define mmio64(pa) (*(volatile uint64_t *)(pa))
