/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CPU that floods the hypervisor must not starve another one. CPU 1 makes posted writes,
 * kicks, timer interrupts or SGIs without end; meanwhile CPU 0 reads a register and writes a
 * line, which is what a driver and a console do. Counted is how much of the flood goes by
 * during one read: a figure that depends on the order in which messages are served, and hardly
 * on how busy the host is. The times are for tools/bench. Needs two CPUs, and
 * a register whose writes are posted: the test device's, or the first of a second PL011.
 */
#include "tests/payloads/gicv3.h"
#include "tests/payloads/testdev.h"

#define CPU1             1ull
#define SPI              40u
#define SGI              5u
#define ROUNDS           101u
#define WARM_UP          8u
#define UARTDR           (UART_BASE + 0x00)
#define GICD_SPI_PENDING (GICD_BASE + GIC_ISPENDR + SPI / 32 * 4)

/* Its reads wait for the vmm. Those of a UART may not: its page is memory while nothing happens there. */
#define WAITED_FOR (GICD_BASE + GICD_TYPER)

/*
 * The vmm takes at most 64 messages of one ring before it looks at the next, and 256 wait in
 * a ring. Between a read and its answer it comes to both.
 */
#define MOST 1024u

static uint64_t posted_register;
static volatile unsigned stop, running;
static volatile uint64_t floods; /* CPU 1's, of the kind that runs */

static void posted(void)
{
    mmio_write32(posted_register, 0);
    floods++;
}

/* Each has the vmm inject into CPU 0, which has to be kicked for it. */
static void kicks(void)
{
    mmio_write32(GICD_SPI_PENDING, 1u << SPI % 32);
    floods++;
}

static void sgis(void)
{
    gic_send_sgi(SGI, 1u << 0);
    floods++;
}

static void handler(unsigned intid)
{
    if (intid == PPI_TIMER_VIRT)
        WRITE_SYSREG(cntv_ctl_el0, 0);
}

/* Fires as soon as it is unmasked. */
static void timers(void)
{
    WRITE_SYSREG(cntv_cval_el0, 0);
    WRITE_SYSREG(cntv_ctl_el0, 1);
    irq_unmask();
    irq_mask();
    floods++;
}

static const struct {
    const char *name;
    void (*once)(void);
} kinds[] = {{"posted", posted}, {"kicks", kicks}, {"timers", timers}, {"sgis", sgis}};

static void flood(uint64_t kind)
{
    gic_init_cpu();
    mmio_write32(SGI_BASE + 0x20000 + GIC_ISENABLER, 1u << PPI_TIMER_VIRT);
    running = 1;
    while (!stop)
        kinds[kind].once();
    WRITE_SYSREG(cntv_ctl_el0, 0);
    __asm__ volatile("dsb sy" ::: "memory");
    running = 0;
    psci(PSCI_CPU_OFF, 0, 0, 0);
}

static void sort(uint64_t *values)
{
    for (unsigned i = 1; i < ROUNDS; i++) {
        uint64_t value = values[i];
        unsigned at = i;

        for (; at > 0 && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

static void line(void)
{
    static const char text[] = "# a line of the console, written while another CPU floods\n";

    for (const char *c = text; *c; c++)
        mmio_write32(UARTDR, (uint32_t)*c);
    mmio_read32(WAITED_FOR); /* all of it has arrived */
}

/* How long one takes, and how much of the flood goes by: medians, and the longest. */
static uint64_t measure(const char *name, const char *what, void (*once)(void))
{
    static uint64_t ticks[ROUNDS], passed[ROUNDS];

    for (unsigned i = 0; i < ROUNDS + WARM_UP; i++) {
        unsigned at = i < WARM_UP ? 0 : i - WARM_UP;
        uint64_t before = floods, start = counter();

        once();
        ticks[at] = counter() - start;
        passed[at] = floods - before;
        irq_unmask(); /* what the flood sent */
        irq_mask();
    }
    sort(ticks);
    sort(passed);
    note("%s-%s %u", name, what, (unsigned)ticks[ROUNDS / 2]);
    note("%s-%s-longest %u", name, what, (unsigned)ticks[ROUNDS - 1]);
    return passed[ROUNDS / 2];
}

/* The flooding CPU is not starved either. How fast it is, beside this one, is the host's. */
static bool floods_on(void)
{
    uint64_t enough = floods + ROUNDS, start = counter();

    while (floods < enough) {
        irq_unmask();
        irq_mask();
        if (counter() - start > ticks_from_us(10000000))
            return false;
    }
    return true;
}

static void read_once(void)
{
    mmio_read32(WAITED_FOR);
}

void test_main(void)
{
    note("frequency %u", (unsigned)READ_SYSREG(cntfrq_el0));
    note("batch %u", 1u);
    posted_register = testdev_present() ? TESTDEV_BASE + TESTDEV_POSTED : TESTDEV_BASE;
    gic_init();
    gic_hook = handler;
    gic_enable(SPI);
    gic_set_edge(SPI, true);
    gic_enable(SGI);
    check(measure("quiet", "read", read_once), 0, "nothing_floods_at_first");
    measure("quiet", "line", line);
    cpu1_main = flood;
    for (unsigned kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
        const char *name = kinds[kind].name;
        uint64_t passed;

        stop = 0;
        floods = 0;
        check((uint64_t)psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, kind), PSCI_SUCCESS,
              "the_cpu_starts_that_floods_with_%s", name);
        check_true(wait_for(&running, 1), "it_floods_with_%s", name);
        passed = measure(name, "read", read_once);
        note("%u %s go by during a read", (unsigned)passed, name);
        check_true(passed < MOST, "a_read_is_answered_while_another_cpu_floods_with_%s", name);
        measure(name, "line", line);
        check_true(floods > 0, "it_floods_meanwhile_with_%s", name);
        check_true(floods_on(), "it_goes_on_with_%s", name);
        stop = 1;
        while (psci(PSCI_AFFINITY_INFO64, CPU1, 0, 0) != PSCI_AFFINITY_OFF)
            ;
    }
}
