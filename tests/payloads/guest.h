/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runtime of the bare-metal payloads: console, checks, exceptions, PSCI.
 * A payload defines test_main(); it runs at EL1 with the MMU off and all
 * interrupts masked. Each check prints one line that tests/e2e/run-guest reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The board, as of QEMU's virt machine. The holes are holes there, too. */
#define UART_BASE    0x09000000ull
#define TESTDEV_BASE 0x0c000000ull
#define HOLE         0x0f000000ull /* nothing below RAM */
#define HOLE_HIGH    0x7f000000ull /* nothing above RAM, which is less than 1 GiB */
#define RAM_BASE     0x40000000ull

/* MRS and MSR of a register by its name or S<op0>_<op1>_C<n>_C<m>_<op2>. */
#define READ_SYSREG(name)                                            \
    ({                                                               \
        uint64_t value_;                                             \
        __asm__ volatile("mrs %0, " #name : "=r"(value_)::"memory"); \
        value_;                                                      \
    })
#define WRITE_SYSREG(name, value) \
    __asm__ volatile("msr " #name ", %x0\n\tisb" ::"rZ"((uint64_t)(value)) : "memory")

/* One load or store of the exact width, in a form whose syndrome has ISV=1. */
#define MMIO_ACCESSORS(bits, type, suffix, reg)                                                 \
    static inline type mmio_read##bits(uint64_t addr)                                           \
    {                                                                                           \
        type value;                                                                             \
        __asm__ volatile("ldr" suffix " %" reg "0, [%1]" : "=r"(value) : "r"(addr) : "memory"); \
        return value;                                                                           \
    }                                                                                           \
    static inline void mmio_write##bits(uint64_t addr, type value)                              \
    {                                                                                           \
        __asm__ volatile("str" suffix " %" reg "0, [%1]" ::"r"(value), "r"(addr) : "memory");   \
    }
MMIO_ACCESSORS(8, uint8_t, "b", "w")
MMIO_ACCESSORS(16, uint16_t, "h", "w")
MMIO_ACCESSORS(32, uint32_t, "", "w")
MMIO_ACCESSORS(64, uint64_t, "", "x")

static inline void irq_unmask(void)
{
    __asm__ volatile("msr daifclr, #3\n\tisb" ::: "memory");
}

static inline void irq_mask(void)
{
    __asm__ volatile("msr daifset, #3\n\tisb" ::: "memory");
}

static inline void wfi(void)
{
    __asm__ volatile("dsb sy\n\twfi" ::: "memory");
}

/* What the CPU had at entry; the layout is start.S's. */
struct boot_state {
    uint64_t x[4];
    uint64_t daif;
    uint64_t sctlr;
    uint64_t current_el;
    uint64_t spsel;
};
extern struct boot_state boot_state;

/* The payload's own. */
void test_main(void);

/*
 * Checks. `fmt` names the test; it takes %s, %u (unsigned), %x (unsigned) and
 * %lx (uint64_t).
 */
void check(uint64_t got, uint64_t expected, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void check_true(bool good, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void skip(const char *name, const char *reason);
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Prints the plan and DONE and powers the machine off. test_main's return does it, too. */
void finish(void) __attribute__((noreturn));

void uart_init(void);

/* Numbers that are the same in each run (xorshift64*). */
uint64_t random64(void);

/* Is the test device there? Probed once, by an external abort. */
bool testdev_present(void);

/* Exceptions. The frame's layout is start.S's. */
struct frame {
    uint64_t x[31];
    uint64_t elr;
    uint64_t spsr;
    uint64_t pad;
};

enum slot {
    SLOT_EL1_SYNC = 4,
    SLOT_EL1_IRQ = 5,
    SLOT_EL1_FIQ = 6,
    SLOT_EL0_SYNC = 8,
};

/* What a synchronous exception does after it was noted. */
enum fault_policy {
    FAULT_PANIC,  /* none is expected: report and power off */
    FAULT_SKIP,   /* go on after the instruction */
    FAULT_RETURN, /* go on at x30: for a branch to nowhere by BLR */
};

struct fault {
    unsigned count;
    unsigned slot;
    uint64_t esr;
    uint64_t far;
    uint64_t elr;
    uint64_t spsr;
    uint64_t daif; /* PSTATE.DAIF in the handler */
};
extern volatile struct fault fault;

/* Sets the policy and clears the record. */
void fault_expect(enum fault_policy policy);

/* Called for IRQ (and FIQ) while unmasked; NULL: none is expected. */
extern void (*volatile irq_handler)(bool is_fiq);

/* ESR_ELx: Arm ARM D24.2.40. */
#define ESR_EC_SHIFT          26u
#define ESR_IL                (1ull << 25)
#define ESR_EC(ec)            ((uint64_t)(ec) << ESR_EC_SHIFT)
#define ESR_WNR               (1ull << 6)
#define ESR_EA                (1ull << 9) /* IMPLEMENTATION DEFINED in an external abort */
#define ESR_FSC_EXTERNAL      0x10ull
#define EC_UNKNOWN            0x00u
#define EC_SVC64              0x15u
#define EC_SYSREG             0x18u
#define EC_INSN_ABORT_LOWER   0x20u
#define EC_INSN_ABORT_CURRENT 0x21u
#define EC_DATA_ABORT_LOWER   0x24u
#define EC_DATA_ABORT_CURRENT 0x25u

#define PSTATE_DAIF 0x3c0u
#define PSTATE_EL1H 0x5u

uint64_t el0_call(uint64_t code, uint64_t argument);

/* Time. */
uint64_t counter(void); /* CNTVCT_EL0, after all earlier instructions */
uint64_t ticks_from_us(uint64_t us);
void delay_us(uint64_t us);

/* Waits (without WFI) until `*word` is at least `value`. False after 20 seconds. */
bool wait_for(const volatile unsigned *word, unsigned value);

/* PSCI (DEN0022) and SMCCC (DEN0028). */
#define PSCI_VERSION           0x84000000u
#define PSCI_CPU_SUSPEND       0x84000001u
#define PSCI_CPU_SUSPEND64     0xc4000001u
#define PSCI_CPU_OFF           0x84000002u
#define PSCI_CPU_ON            0x84000003u
#define PSCI_CPU_ON64          0xc4000003u
#define PSCI_AFFINITY_INFO     0x84000004u
#define PSCI_AFFINITY_INFO64   0xc4000004u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_SYSTEM_OFF        0x84000008u
#define PSCI_SYSTEM_RESET      0x84000009u
#define PSCI_FEATURES          0x8400000au
#define PSCI_CPU_FREEZE        0x8400000bu
#define PSCI_CPU_DEF_SUSPEND   0x8400000cu
#define PSCI_CPU_DEF_SUSPEND64 0xc400000cu
#define PSCI_NODE_HW_STATE     0x8400000du
#define PSCI_NODE_HW_STATE64   0xc400000du
#define PSCI_SYSTEM_SUSPEND    0x8400000eu
#define PSCI_SYSTEM_SUSPEND64  0xc400000eu
#define PSCI_SYSTEM_RESET2     0x84000012u
#define PSCI_SYSTEM_RESET2_64  0xc4000012u
#define SMCCC_VERSION          0x80000000u
#define SMCCC_ARCH_FEATURES    0x80000001u
#define SMCCC_WORKAROUND_1     0x80008000u
#define SMCCC_WORKAROUND_2     0x80007fffu
#define SMCCC_WORKAROUND_3     0x80003fffu
#define SMCCC_HINT             0x00010000u
#define TRNG_VERSION           0x84000050u
#define TRNG_FEATURES          0x84000051u
#define TRNG_GET_UUID          0x84000052u
#define TRNG_RND32             0x84000053u
#define TRNG_RND64             0xc4000053u
#define PV_TIME_FEATURES       0xc5000020u

#define PSCI_SUCCESS         0
#define PSCI_NOT_SUPPORTED   (-1)
#define PSCI_INVALID_PARAMS  (-2)
#define PSCI_DENIED          (-3)
#define PSCI_ALREADY_ON      (-4)
#define PSCI_INVALID_ADDRESS (-9)
#define PSCI_AFFINITY_ON     0
#define PSCI_AFFINITY_OFF    1

typedef void (*conduit_t)(uint64_t x[18]);
void call_hvc(uint64_t x[18]);
void call_hvc1(uint64_t x[18]);
void call_smc(uint64_t x[18]);
void call_smc1(uint64_t x[18]);

/* By HVC. The result is x0, sign-extended from 32 bits when the call is of 32 bits. */
int64_t psci(uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3);

/* What a CPU was like when it came out of power-down; the layout is start.S's. */
struct resumed {
    uint64_t x0;
    uint64_t daif;
    uint64_t current_el;
    uint64_t spsel;
    uint64_t sctlr;
    uint64_t vbar;
    uint64_t tpidr;
    uint64_t oslsr;
    uint64_t igrpen1;
    uint64_t pmr;
};

/* A call that powers this CPU down and has power_down_resume as its entry point. */
typedef bool (*power_down_t)(uint64_t x[4], struct resumed *resumed);
bool power_down_hvc(uint64_t x[4], struct resumed *resumed);
bool power_down_smc(uint64_t x[4], struct resumed *resumed);
void power_down_resume(void);

/* A second CPU: CPU_ON at cpu1_start, which calls cpu1_main(context) there. */
void cpu1_start(void);
extern void (*volatile cpu1_main)(uint64_t context);
