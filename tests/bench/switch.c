/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * World switches between two CPUs that share one pCPU: a token goes back and forth, and
 * who has it sends an SGI to the other and waits in WFI. Each pass is an SGI, a WFI and a
 * switch. Beside it the bare trap (HVC #0xbe7c), which the bench build's stub answers.
 * One line for each: "# switch TICKS" and "# bare-hvc TICKS" for BATCH of them.
 */
#include "tests/payloads/gicv3.h"

#define BATCHES  40u
#define BATCH    16u
#define WARM_UP  4u
#define SGI      3u
#define GICR_CPU 0x20000ull

static volatile unsigned token;

static void await(unsigned at)
{
    while (token != at) {
        uint32_t intid;

        wfi();
        intid = (uint32_t)ICC_READ(ICC_IAR1);
        if (intid != GIC_SPURIOUS)
            ICC_WRITE(ICC_EOIR1, intid);
    }
}

static void pass(unsigned self, unsigned at)
{
    await(at);
    token = at + 1;
    gic_send_sgi(SGI, 1u << (1 - self));
}

static void second_cpu(uint64_t context)
{
    (void)context;
    mmio_write32(GICR_BASE + GICR_CPU + GICR_WAKER, 0);
    mmio_write32(SGI_BASE + GICR_CPU + GIC_IGROUPR, ~0u);
    mmio_write32(SGI_BASE + GICR_CPU + GIC_ISENABLER, 1u << SGI);
    gic_init_cpu();
    for (unsigned n = 0; n < BATCHES * BATCH / 2; n++)
        pass(1, 2 * n + 1);
}

static uint64_t bare_batch(void)
{
    uint64_t start = counter();

    for (unsigned i = 0; i < BATCH; i++) {
        register uint64_t x0 __asm__("x0") = PSCI_VERSION;
        __asm__ volatile("hvc #0xbe7c" : "+r"(x0)::"x1", "x2", "x3", "memory");
    }
    return counter() - start;
}

void test_main(void)
{
    static uint64_t switches[BATCHES], bare[BATCHES];

    gic_init();
    gic_enable(SGI);
    cpu1_main = second_cpu;
    check((uint64_t)psci(PSCI_CPU_ON64, 1, (uint64_t)&cpu1_start, 0), PSCI_SUCCESS,
          "second_cpu_starts");
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t start = counter();

        for (unsigned n = 0; n < BATCH / 2; n++)
            pass(0, batch * BATCH + 2 * n);
        await((batch + 1) * BATCH); /* the last pass of a batch is the other's */
        switches[batch] = counter() - start;
        bare[batch] = bare_batch();
    }
    note("frequency %u", (unsigned)READ_SYSREG(cntfrq_el0));
    note("batch %u", BATCH);
    for (unsigned i = WARM_UP; i < BATCHES; i++) {
        note("switch %u", (unsigned)switches[i]);
        note("bare-hvc %u", (unsigned)bare[i]);
    }
}
