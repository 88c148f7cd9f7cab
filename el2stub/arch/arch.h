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
#define dsb_nsh()     ORDERED("dsb nsh")
#define dsb_sy()      ORDERED("dsb sy")
#define cpu_relax()   ORDERED("yield")

/* Interrupts are masked at EL2: one that ends the wait stays pending. */
#define wait_for_interrupt() ORDERED("dsb sy; wfi")

/* Of the VMID in VTTBR_EL2: all entries on all CPUs; stage 1 entries on this CPU. */
#define tlbi_vm_all_cpus() ORDERED("tlbi vmalls12e1is")
#define tlbi_vm_stage1()   ORDERED("tlbi vmalle1")

/* Instruction caches: of all CPUs, of this CPU. Data: the line of an address, to all CPUs' eyes. */
#define ic_invalidate_all()     ORDERED("ic ialluis")
#define ic_invalidate_own()     ORDERED("ic iallu")
#define dc_clean_invalidate(va) __asm__ volatile("dc civac, %0" : : "r"(va) : "memory")

/* A device's register. EL2 takes no aborts on them: any load or store will do. */
#define mmio32(pa) (*(volatile uint32_t *)(pa))
#define mmio64(pa) (*(volatile uint64_t *)(pa))
