/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that reaches guest memory: its bounds, code that it brings, its timer,
 * and a request that is in flight when the guest resets.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/testdev.h"

#define PAGE    4096u
#define LATE_MS 300u
#define LATE_AT (RAM_BASE + 0x7000000ull) /* beyond all that is loaded */

static uint8_t code[PAGE] __attribute__((aligned(4096)));
static uint8_t source[PAGE] __attribute__((aligned(4096)));

static uint64_t get(unsigned reg)
{
    return mmio_read64(TESTDEV_BASE + reg);
}

static void set(unsigned reg, uint64_t value)
{
    mmio_write64(TESTDEV_BASE + reg, value);
}

static bool copy(uint64_t to, uint64_t from, uint64_t len)
{
    set(TESTDEV_DMA_TO, to);
    set(TESTDEV_DMA_FROM, from);
    set(TESTDEV_DMA_LEN, len);
    return get(TESTDEV_DMA_LEN) == 0;
}

static void test_bounds(void)
{
    static const uint64_t cases[][2] = {
        {0, 8},
        {RAM_BASE - 1, 2},
        {TESTDEV_BASE, 8},
        {HOLE_HIGH, 1},
        {RAM_BASE, 0},
        {RAM_BASE, 1ull << 40},
        {RAM_BASE, UINT64_MAX},
        {UINT64_MAX, 2},
        {UINT64_MAX - RAM_BASE, RAM_BASE + 16},
    };
    uint64_t here = (uint64_t)source;

    source[0] = 42;
    code[0] = 0;
    check_true(copy((uint64_t)code, here, PAGE), "page_is_copied");
    check(code[0], 42, "copy_is_there");
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_true(!copy(here, cases[i][0], cases[i][1]), "read_of_range_%u_is_refused", i);
        check_true(!copy(cases[i][0], here, cases[i][1]), "write_of_range_%u_is_refused", i);
    }
}

/* mov w0, #n; ret */
static void assemble(uint8_t *page, unsigned n)
{
    volatile uint32_t *at = (uint32_t *)(void *)page;

    at[0] = 0x52800000u | n << 5;
    at[1] = 0xd65f03c0u;
}

static unsigned run(void)
{
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(code)
                     : "memory");
    return ((unsigned (*)(void))(uintptr_t)code)();
}

/* As a kernel that reads a program into a page which held another one. */
static void test_code(void)
{
    bool good = true;

    assemble(code, 1);
    check(run(), 1, "code_runs");
    for (unsigned n = 2; n < 100; n++) {
        assemble(source, n);
        good &= copy((uint64_t)code, (uint64_t)source, PAGE) && run() == n;
    }
    check_true(good, "code_that_a_device_brings_is_what_runs");
}

static void wait_ms(uint64_t ms)
{
    uint64_t end = READ_SYSREG(cntvct_el0) + READ_SYSREG(cntfrq_el0) * ms / 1000;

    while (READ_SYSREG(cntvct_el0) < end)
        ;
}

static void test_timer(void)
{
    uint64_t start = READ_SYSREG(cntvct_el0);
    uint64_t ticks = READ_SYSREG(cntfrq_el0) / 100;

    set(TESTDEV_DELAY, 10000);
    while (get(TESTDEV_LINE0) == 0 && READ_SYSREG(cntvct_el0) - start < 1000 * ticks)
        ;
    check(get(TESTDEV_LINE0), 1, "timer_raises_the_line");
    check_true(READ_SYSREG(cntvct_el0) - start >= ticks, "timer_is_not_early");
    set(TESTDEV_LINE0, 0);
}

void test_main(void)
{
    if (!get(TESTDEV_STICKY)) {
        set(TESTDEV_STICKY, 1);
        set(TESTDEV_DMA_TO, LATE_AT);
        set(TESTDEV_LATE, LATE_MS);
        set(TESTDEV_REQUEST, 0); /* reset */
        wait_ms(10000);
        check_true(false, "reset_comes");
        return;
    }
    check(mmio_read64(LATE_AT), UINT64_MAX, "reset_waits_for_what_is_in_flight");
    mmio_write64(LATE_AT, 0);
    wait_ms(LATE_MS + 200);
    check(mmio_read64(LATE_AT), 0, "nothing_of_the_first_start_arrives_in_the_second");
    test_bounds();
    test_code();
    test_timer();
}
