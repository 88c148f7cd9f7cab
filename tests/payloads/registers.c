/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Canaries: x0-x30, SP and the flags around one exit of each kind. What the
 * exit itself changes is in the table; all else must be as it was.
 */
#include "tests/payloads/gicv3.h"
#include "tests/payloads/testdev.h"

#define ROUNDS      32u
#define ADDRESS_REG 9u  /* the instruction's base register */
#define RESULT_REG  20u /* and its destination, or source */

struct canary {
    uint64_t x[31]; /* 0x000 */
    uint64_t nzcv;  /* 0x0f8 */
    uint64_t sp[2]; /* 0x100 before and after */
};
_Static_assert(offsetof(struct canary, sp) == 0x100, "the code below has the offsets");

/*
 * void canary_<name>(x0 = struct canary *): loads all of it, runs the
 * instructions, stores all of it.
 */
#define CANARY_BEGIN                 \
    "stp x29, x30, [sp, #-112]!\n\t" \
    "stp x19, x20, [sp, #16]\n\t"    \
    "stp x21, x22, [sp, #32]\n\t"    \
    "stp x23, x24, [sp, #48]\n\t"    \
    "stp x25, x26, [sp, #64]\n\t"    \
    "stp x27, x28, [sp, #80]\n\t"    \
    "stp x0, x18, [sp, #96]\n\t"     \
    "mov x1, sp\n\t"                 \
    "str x1, [x0, #0x100]\n\t"       \
    "ldr x1, [x0, #0xf8]\n\t"        \
    "msr nzcv, x1\n\t"               \
    "ldp x29, x30, [x0, #232]\n\t"   \
    "ldp x27, x28, [x0, #216]\n\t"   \
    "ldp x25, x26, [x0, #200]\n\t"   \
    "ldp x23, x24, [x0, #184]\n\t"   \
    "ldp x21, x22, [x0, #168]\n\t"   \
    "ldp x19, x20, [x0, #152]\n\t"   \
    "ldp x17, x18, [x0, #136]\n\t"   \
    "ldp x15, x16, [x0, #120]\n\t"   \
    "ldp x13, x14, [x0, #104]\n\t"   \
    "ldp x11, x12, [x0, #88]\n\t"    \
    "ldp x9, x10, [x0, #72]\n\t"     \
    "ldp x7, x8, [x0, #56]\n\t"      \
    "ldp x5, x6, [x0, #40]\n\t"      \
    "ldp x3, x4, [x0, #24]\n\t"      \
    "ldp x1, x2, [x0, #8]\n\t"       \
    "ldr x0, [x0]\n\t"
#define CANARY_END                    \
    "\n\tstp x0, x1, [sp, #-16]!\n\t" \
    "ldr x0, [sp, #112]\n\t"          \
    "stp x2, x3, [x0, #16]\n\t"       \
    "stp x4, x5, [x0, #32]\n\t"       \
    "stp x6, x7, [x0, #48]\n\t"       \
    "stp x8, x9, [x0, #64]\n\t"       \
    "stp x10, x11, [x0, #80]\n\t"     \
    "stp x12, x13, [x0, #96]\n\t"     \
    "stp x14, x15, [x0, #112]\n\t"    \
    "stp x16, x17, [x0, #128]\n\t"    \
    "stp x18, x19, [x0, #144]\n\t"    \
    "stp x20, x21, [x0, #160]\n\t"    \
    "stp x22, x23, [x0, #176]\n\t"    \
    "stp x24, x25, [x0, #192]\n\t"    \
    "stp x26, x27, [x0, #208]\n\t"    \
    "stp x28, x29, [x0, #224]\n\t"    \
    "str x30, [x0, #240]\n\t"         \
    "mrs x1, nzcv\n\t"                \
    "str x1, [x0, #0xf8]\n\t"         \
    "ldp x1, x2, [sp], #16\n\t"       \
    "stp x1, x2, [x0]\n\t"            \
    "mov x1, sp\n\t"                  \
    "str x1, [x0, #0x108]\n\t"        \
    "ldp x27, x28, [sp, #80]\n\t"     \
    "ldp x25, x26, [sp, #64]\n\t"     \
    "ldp x23, x24, [sp, #48]\n\t"     \
    "ldp x21, x22, [sp, #32]\n\t"     \
    "ldp x19, x20, [sp, #16]\n\t"     \
    "ldr x18, [sp, #104]\n\t"         \
    "ldp x29, x30, [sp], #112\n\t"    \
    "ret\n"

#define CANARY(fn, insn)                                                \
    __asm__(".text\ncanary_" #fn ":\n\t" CANARY_BEGIN insn CANARY_END); \
    void canary_##fn(struct canary *canary);

CANARY(nothing, "nop")
CANARY(load, "ldr w20, [x9]")
CANARY(load_signed, "ldrsb x20, [x9]")
CANARY(store, "str w20, [x9]")
CANARY(hvc, "hvc #0")
CANARY(smc, "smc #0")
CANARY(id_register, "mrs x20, id_aa64mmfr0_el1")
CANARY(os_lock, "msr oslar_el1, xzr")
CANARY(undefined, "mrs x20, S3_0_C15_C15_7")
CANARY(wfi, "wfi")
CANARY(sgi, "msr S3_0_C12_C11_5, x9\n\tisb")
CANARY(interrupt, "msr daifclr, #2\n\tnop\n\tnop\n\tmsr daifset, #2")

#define BIT(n) (1u << (n))

struct kind {
    const char *name;
    void (*run)(struct canary *canary);
    uint64_t address; /* x9 */
    uint64_t x0;      /* 0: a pattern */
    uint32_t changes; /* registers that the exit writes */
    bool needs_testdev;
};

static const struct kind kinds[] = {
    {"nothing", canary_nothing, 0, 0, 0, false},
    {"load", canary_load, GICD_BASE + GICD_TYPER, 0, BIT(RESULT_REG), false},
    {"load_signed", canary_load_signed, GICD_BASE + GIC_IPRIORITYR + 32, 0, BIT(RESULT_REG), false},
    {"store", canary_store, GICD_BASE + GIC_ICPENDR + 4, 0, 0, false},
    {"posted_store", canary_store, TESTDEV_BASE + TESTDEV_POSTED, 0, 0, true},
    {"aborted_load", canary_load, HOLE, 0, 0, false},
    {"aborted_store", canary_store, HOLE, 0, 0, false},
    {"hvc", canary_hvc, 0, PSCI_VERSION, BIT(0), false},
    {"smc", canary_smc, 0, PSCI_VERSION, BIT(0), true},
    {"id_register", canary_id_register, 0, 0, BIT(RESULT_REG), false},
    {"os_lock", canary_os_lock, 0, 0, 0, false},
    {"undefined", canary_undefined, 0, 0, 0, false},
    {"wfi", canary_wfi, 0, 0, 0, false},
    {"sgi", canary_sgi, 1u << 24 | 1u, 0, 0, false},
    {"interrupt", canary_interrupt, 0, 0, 0, false},
};

static void test_kind(const struct kind *kind)
{
    bool hvc_or_smc = kind->x0 != 0;
    unsigned changed = 0;
    unsigned flags = 0;
    unsigned sps = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct canary before;
        struct canary canary;

        for (unsigned i = 0; i < 31; i++)
            before.x[i] = random64();
        before.x[ADDRESS_REG] = kind->address;
        if (hvc_or_smc)
            before.x[0] = kind->x0;
        before.nzcv = (uint64_t)round << 28 & 0xf0000000u;
        canary = before;
        /* Something to end the WFI, and for the interrupt to be; it has to be there by then. */
        gic_send_sgi(1, 1);
        for (unsigned tries = 0; ICC_READ(ICC_HPPIR1) != 1 && tries < 1000; tries++)
            delay_us(1);
        kind->run(&canary);
        for (unsigned i = 0; i < 31; i++) {
            if (canary.x[i] != before.x[i])
                changed |= BIT(i);
        }
        /* DEN0028 lets a call use x1-x3 for results. */
        if (hvc_or_smc)
            changed &= ~(BIT(1) | BIT(2) | BIT(3));
        flags += canary.nzcv != before.nzcv;
        sps += canary.sp[0] != canary.sp[1];
    }
    check(changed & ~kind->changes, 0, "%s_changes_no_other_register", kind->name);
    check(flags, 0, "%s_keeps_the_flags", kind->name);
    check(sps, 0, "%s_keeps_sp", kind->name);
}

void test_main(void)
{
    gic_init();
    gic_enable(1);
    fault_expect(FAULT_SKIP);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].needs_testdev && !testdev_present())
            skip(kinds[i].name, "not on the bare board");
        else
            test_kind(&kinds[i]);
    }
    check(gic_log.count, ROUNDS, "interrupts_came_in_between");
}
