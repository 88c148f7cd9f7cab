/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an interrupt from one CPU to another costs: from the write of
 * ICC_SGI1R_EL1 on CPU 1 until it sees the word that CPU 0's handler has
 * written. One line for each: "# ipi TICKS", in ticks of CNTVCT_EL0; between them
 * "# bare-hvc TICKS", the bare trap that the bench build's stub answers.
 */
#include "tests/payloads/gicv3.h"

#ifdef NO_BARE
#define ROUNDS 160u /* KVM takes long for each line that tells of one */
#else
#define ROUNDS 1000u
#endif
#define WARM_UP  100u
#define SGI      3u
#define CPU1     1u         /* its MPIDR affinity */
#define BARE     16u        /* traps, and interrupts between them */
#define PATIENCE (1u << 26) /* looks; a second or more */

static unsigned ticks[ROUNDS], bare[ROUNDS / BARE + 1];
static volatile unsigned taken;
static volatile unsigned done;
static volatile unsigned measured;

static void handler(unsigned intid)
{
    (void)intid;
    taken++;
}

#ifdef NO_BARE
static unsigned bare_hvc(void)
{
    return 0; /* nobody knows it on other machines than the bench build's */
}
#else
static unsigned bare_hvc(void)
{
    uint64_t start = counter();

    for (unsigned i = 0; i < BARE; i++) {
        register uint64_t x0 __asm__("x0") = PSCI_VERSION;
        __asm__ volatile("hvc #0xbe7c" : "+r"(x0)::"x1", "x2", "x3", "memory");
    }
    return (unsigned)((counter() - start) / BARE);
}
#endif

static void second_cpu(uint64_t context)
{
    (void)context;
    gic_init_cpu();
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t start = counter();

        gic_send_sgi(SGI, 1u << 0);
        for (unsigned looks = 0; taken == i && looks < PATIENCE; looks++)
            ;
        if (taken == i)
            break;
        ticks[i] = (unsigned)(counter() - start);
        measured = i + 1;
        if (i % BARE == 0)
            bare[i / BARE] = bare_hvc();
    }
    __asm__ volatile("dsb sy" ::: "memory");
    done = 1;
}

void test_main(void)
{
    gic_init();
    gic_enable(SGI);
    gic_hook = handler;
    cpu1_main = second_cpu;
    check((uint64_t)psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, 0), PSCI_SUCCESS,
          "second_cpu_starts");
    irq_unmask();
    while (!done)
        ;
    irq_mask();
    check(measured, ROUNDS, "each_interrupt_arrives");
    note("frequency %u", (unsigned)READ_SYSREG(cntfrq_el0));
    note("batch %u", 1u);
    for (unsigned i = WARM_UP; i < measured; i++)
        note("ipi %u", ticks[i]);
#ifndef NO_BARE
    for (unsigned i = WARM_UP / BARE + 1; i < measured / BARE; i++)
        note("bare-hvc %u", bare[i]);
#endif
}
