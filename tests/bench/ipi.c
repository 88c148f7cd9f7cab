/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an interrupt from one CPU to another costs: from the write of
 * ICC_SGI1R_EL1 on CPU 1 until it sees the word that CPU 0's handler has
 * written. One line for each: "# ipi TICKS", in ticks of CNTVCT_EL0.
 */
#include "tests/guest/gicv3.h"

#define ROUNDS   1000u
#define WARM_UP  100u
#define SGI      3u
#define CPU1     1u         /* its MPIDR affinity */
#define PATIENCE (1u << 26) /* looks; a second or more */

static unsigned ticks[ROUNDS];
static volatile unsigned taken;
static volatile unsigned done;
static volatile unsigned measured;

static void handler(unsigned intid)
{
    (void)intid;
    taken++;
}

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
}
