/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Posted writes: the guest goes on before they are done, so a later read must
 * still find all of them, in order. Blocking writes keep their place among them.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/testdev.h"

#define POSTED       (TESTDEV_BASE + TESTDEV_POSTED)
#define RING_ENTRIES 256u /* of the event ring: bursts go well beyond */

static uint64_t hash;

static uint64_t get(unsigned reg)
{
    return mmio_read64(TESTDEV_BASE + reg);
}

static void clear(void)
{
    mmio_write64(TESTDEV_BASE + TESTDEV_LOG_CLEAR, 0);
    hash = 0;
}

static void post32(unsigned offset, uint32_t value)
{
    mmio_write32(POSTED + offset, value);
    hash = testdev_hash(hash, TESTDEV_POSTED + offset, 4, value);
}

static void mark(uint64_t value)
{
    mmio_write64(TESTDEV_BASE + TESTDEV_LOG_MARK, value);
    hash = testdev_hash(hash, TESTDEV_LOG_MARK, 8, value);
}

static void test_bursts(void)
{
    static const unsigned lengths[] = {
        1, 2, 100, RING_ENTRIES - 1, RING_ENTRIES, RING_ENTRIES + 1, 4 * RING_ENTRIES, 5000};

    for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        clear();
        for (unsigned n = 0; n < lengths[i]; n++)
            post32(n * 4 % TESTDEV_POSTED_SIZE, n ^ 0x5a5a0000u);
        check(mmio_read32(POSTED), lengths[i], "burst_of_%u_is_seen_by_a_read", lengths[i]);
        check(get(TESTDEV_LOG_HASH), hash, "burst_of_%u_is_in_order", lengths[i]);
    }
}

static void test_mixed(void)
{
    unsigned entries = 0;

    clear();
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned n = 0; n < i % 5; n++, entries++)
            post32(n * 4, i << 8 | n);
        mark(i);
        entries++;
    }
    check(get(TESTDEV_LOG_COUNT), entries, "posted_and_blocking_all_arrive");
    check(get(TESTDEV_LOG_HASH), hash, "posted_and_blocking_keep_their_order");
}

/* The read between must neither overtake nor lose: it sees each count. */
static void test_reads_between(void)
{
    unsigned wrong = 0;

    clear();
    for (unsigned i = 1; i <= 500; i++) {
        post32(0, i);
        wrong += mmio_read32(POSTED) != i;
    }
    check(wrong, 0, "each_read_sees_the_write_before_it");
}

struct width {
    const char *name;
    unsigned size;
    void (*post)(uint64_t addr, uint64_t value);
};

static void post_b(uint64_t addr, uint64_t value)
{
    __asm__ volatile("strb %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}
static void post_h(uint64_t addr, uint64_t value)
{
    __asm__ volatile("strh %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}
static void post_w(uint64_t addr, uint64_t value)
{
    __asm__ volatile("str %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}
static void post_x(uint64_t addr, uint64_t value)
{
    __asm__ volatile("str %x0, [%1]" ::"r"(value), "r"(addr) : "memory");
}
static void post_lw(uint64_t addr, uint64_t value)
{
    __asm__ volatile("stlr %w0, [%1]" ::"r"(value), "r"(addr) : "memory");
}
static void post_zr(uint64_t addr, uint64_t value)
{
    (void)value;
    __asm__ volatile("str xzr, [%0]" ::"r"(addr) : "memory");
}

static const struct width widths[] = {{"strb", 1, post_b},    {"strh", 2, post_h},
                                      {"str_w", 4, post_w},   {"str_x", 8, post_x},
                                      {"stlr_w", 4, post_lw}, {"str_xzr", 8, post_zr}};

static void test_widths(void)
{
    const uint64_t value = TESTDEV_PATTERN_VALUE;

    for (unsigned i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        const struct width *width = &widths[i];
        uint64_t mask = width->size == 8 ? ~0ull : (1ull << width->size * 8) - 1u;
        unsigned offset = TESTDEV_POSTED_SIZE - 8u;

        clear();
        width->post(POSTED + offset, value);
        check(get(TESTDEV_LOG_COUNT), 1, "posted_%s_arrives_once", width->name);
        check(get(TESTDEV_LOG_OFF), TESTDEV_POSTED + offset, "posted_%s_offset", width->name);
        check(get(TESTDEV_LOG_SIZE), width->size, "posted_%s_size", width->name);
        check(get(TESTDEV_LOG_VALUE), width->post == post_zr ? 0 : value & mask, "posted_%s_value",
              width->name);
    }
}

/* The step over a posted write is the stub's own: count the instructions around it. */
static void test_pc(void)
{
    uint64_t steps;

    clear();
    __asm__ volatile("mov x20, #0\n\t"
                     ".rept 8\n\t"
                     "add x20, x20, #1\n\t"
                     "str w20, [%1]\n\t"
                     "add x20, x20, #0x100\n\t"
                     "str w20, [%1]\n\t"
                     "str w20, [%1]\n\t"
                     "add x20, x20, #0x10, lsl #12\n\t"
                     ".endr\n\t"
                     "mov %0, x20"
                     : "=r"(steps)
                     : "r"(POSTED)
                     : "x20", "memory");
    check(steps, 0x80808u, "posted_goes_on_at_the_next_instruction");
    check(get(TESTDEV_LOG_COUNT), 24, "posted_back_to_back_all_arrive");
}

void test_main(void)
{
    if (!testdev_present()) {
        skip("posted", "no test device");
        return;
    }
    test_widths();
    test_pc();
    test_bursts();
    test_mixed();
    test_reads_between();
}
