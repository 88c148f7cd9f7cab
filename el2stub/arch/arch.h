/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stub's C needs of the processor beyond C. The tests on the host
 * have a header of the same name with the same functions.
 */
#pragma once

#include <stdint.h>

#define read_sysreg(name)                                                                          \
    ({                                                                                             \
        uint64_t value_;                                                                           \
        __asm__ volatile("mrs %0, " #name : "=r"(value_));                                         \
        value_;                                                                                    \
    })

#define write_sysreg(value, name) __asm__ volatile("msr " #name ", %x0" : : "rZ"((uint64_t)(value)))

static inline void isb(void)
{
    __asm__ volatile("isb" : : : "memory");
}

static inline void dsb_ish(void)
{
    __asm__ volatile("dsb ish" : : : "memory");
}

/* The kick that ends this WFI may come with interrupts masked: it is only pending then. */
static inline void wait_for_interrupt(void)
{
    __asm__ volatile("dsb sy; wfi" : : : "memory");
}

static inline void cpu_relax(void)
{
    __asm__ volatile("yield" : : : "memory");
}

/* All stage 1 and stage 2 entries of the VMID in VTTBR_EL2, on all cores. */
static inline void tlb_flush_vm(void)
{
    __asm__ volatile("dsb ishst; tlbi vmalls12e1is; dsb ish; ic ialluis; dsb ish; isb" : : : "memory");
}

/* Stage 1 entries of the VMID in VTTBR_EL2, on this core. */
static inline void tlb_flush_vcpu(void)
{
    __asm__ volatile("tlbi vmalle1; ic iallu; dsb nsh; isb" : : : "memory");
}

static inline uint32_t mmio_read32(uint64_t pa)
{
    uint32_t value;

    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(pa) : "memory");
    return value;
}

static inline uint64_t mmio_read64(uint64_t pa)
{
    uint64_t value;

    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(pa) : "memory");
    return value;
}

static inline void mmio_write32(uint64_t pa, uint32_t value)
{
    __asm__ volatile("str %w0, [%1]" : : "rZ"(value), "r"(pa) : "memory");
}

static inline void mmio_write64(uint64_t pa, uint64_t value)
{
    __asm__ volatile("str %x0, [%1]" : : "rZ"(value), "r"(pa) : "memory");
}
