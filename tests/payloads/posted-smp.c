/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Posted writes of CPUs that move between pCPUs. Each CPU has a test device of its own,
 * writes to it without waiting, and reads: the read must find all writes, in order,
 * wherever the CPU was when it made them. Needs four CPUs on fewer pCPUs, a short time
 * slice, and a test device for each CPU.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/testdev.h"

#define CPUS         4u
#define TESTDEV_STEP 0x10000ull  /* from one test device to the next */
#define RUN_US       15000000ull /* in this time a CPU has moved some thousand times */
#define STACK_SIZE   4096u

static uint8_t stacks[CPUS][STACK_SIZE] __attribute__((aligned(16)));

/* What a CPU found. Written by that CPU alone. */
static volatile struct {
    uint64_t rounds;
    uint64_t lost;      /* reads that did not see all writes */
    uint64_t reordered; /* of the others: writes arrived in another order */
    bool done;
} found[CPUS];

static void work(unsigned cpu)
{
    uint64_t base = TESTDEV_BASE + cpu * TESTDEV_STEP;
    uint64_t end = counter() + ticks_from_us(RUN_US);
    uint64_t rounds = 0, lost = 0, reordered = 0, hash = 0;
    uint32_t written = 0;

    mmio_write64(base + TESTDEV_LOG_CLEAR, 0);
    while (counter() < end) {
        for (unsigned n = 0; n < 1 + rounds % 7; n++) {
            uint32_t offset = TESTDEV_POSTED + n * 4;

            mmio_write32(base + offset, written);
            hash = testdev_hash(hash, offset, 4, written++);
        }
        if (mmio_read32(base + TESTDEV_POSTED) != written) {
            lost++;
            written = mmio_read32(base + TESTDEV_POSTED);
            hash = mmio_read64(base + TESTDEV_LOG_HASH);
        } else if (mmio_read64(base + TESTDEV_LOG_HASH) != hash) {
            reordered++;
            hash = mmio_read64(base + TESTDEV_LOG_HASH);
        }
        rounds++;
    }
    found[cpu].rounds = rounds;
    found[cpu].lost = lost;
    found[cpu].reordered = reordered;
    __asm__ volatile("dmb sy" ::: "memory");
    found[cpu].done = true;
}

/* x0 is the end of the stack, and the CPU's number is what MPIDR_EL1 says. */
void posted_start(void);
__asm__(".text\nposted_start: msr spsel, #1\n\tmov sp, x0\n\t"
        "ldr x1, =vectors\n\tmsr vbar_el1, x1\n\tisb\n\tbl posted_main\n");

void posted_main(void) __attribute__((noreturn));
void posted_main(void)
{
    work(READ_SYSREG(mpidr_el1) & 0xff);
    psci(PSCI_CPU_OFF, 0, 0, 0);
    for (;;)
        wfi();
}

void test_main(void)
{
    for (unsigned cpu = 1; cpu < CPUS; cpu++)
        check((uint64_t)psci(PSCI_CPU_ON64, cpu, (uint64_t)posted_start,
                             (uint64_t)stacks[cpu] + STACK_SIZE),
              PSCI_SUCCESS, "cpu_%u_starts", cpu);
    work(0);
    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        while (!found[cpu].done)
            ;
        note("CPU %u: %lx rounds", cpu, found[cpu].rounds);
        check_true(found[cpu].rounds > 100, "cpu_%u_makes_progress", cpu);
        check(found[cpu].lost, 0, "each_read_of_cpu_%u_sees_the_writes_before_it", cpu);
        check(found[cpu].reordered, 0, "the_writes_of_cpu_%u_keep_their_order", cpu);
    }
}
