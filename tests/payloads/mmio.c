/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loads and stores of one general-purpose register without writeback: the ones
 * whose syndrome has ISV=1. Against the test device's scratch memory; without
 * the device against RAM, which says whether the expectations are right.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/testdev.h"

#define PATTERN TESTDEV_PATTERN_VALUE
#define STALE   0xdeadbeefcafef00dull
#define FILL    0x1111111111111111ull

static uint8_t ram[0x2000] __attribute__((aligned(4096)));
static uint64_t scratch; /* the device's page 0, or ram */
static uint64_t pattern; /* the device's register, or ram */

struct load {
    const char *name;
    uint64_t (*run)(uint64_t addr);
    unsigned size;
    uint64_t expected; /* of PATTERN */
};

/* %0 starts with STALE, so that a write of too few bits shows. */
#define LOAD(fn, insn)                                                                          \
    static uint64_t load_##fn(uint64_t addr)                                                    \
    {                                                                                           \
        uint64_t value = STALE;                                                                 \
        uint64_t minus_8 = addr - 8;                                                            \
        uint64_t eight = 8;                                                                     \
        __asm__ volatile(insn : "+&r"(value) : "r"(addr), "r"(minus_8), "r"(eight) : "memory"); \
        return value;                                                                           \
    }

#define LOADS(X)                                               \
    X(ldrb_w, "ldrb %w0, [%1]", 1, 0x88)                       \
    X(ldrh_w, "ldrh %w0, [%1]", 2, 0x8788)                     \
    X(ldr_w, "ldr %w0, [%1]", 4, 0x85868788)                   \
    X(ldr_x, "ldr %x0, [%1]", 8, PATTERN)                      \
    X(ldrsb_w, "ldrsb %w0, [%1]", 1, 0xffffff88)               \
    X(ldrsb_x, "ldrsb %x0, [%1]", 1, 0xffffffffffffff88)       \
    X(ldrsh_w, "ldrsh %w0, [%1]", 2, 0xffff8788)               \
    X(ldrsh_x, "ldrsh %x0, [%1]", 2, 0xffffffffffff8788)       \
    X(ldrsw_x, "ldrsw %x0, [%1]", 4, 0xffffffff85868788)       \
    X(ldr_imm, "ldr %x0, [%2, #8]", 8, PATTERN)                \
    X(ldur_w, "ldur %w0, [%2, #8]", 4, 0x85868788)             \
    X(ldursh_x, "ldursh %x0, [%2, #8]", 2, 0xffffffffffff8788) \
    X(ldr_reg, "ldr %w0, [%2, %3]", 4, 0x85868788)             \
    X(ldrb_reg, "ldrb %w0, [%2, %w3, uxtw]", 1, 0x88)          \
    X(ldtr_x, "ldtr %x0, [%1]", 8, PATTERN)                    \
    X(ldtrsw_x, "ldtrsw %x0, [%1]", 4, 0xffffffff85868788)     \
    X(ldarb_w, "ldarb %w0, [%1]", 1, 0x88)                     \
    X(ldarh_w, "ldarh %w0, [%1]", 2, 0x8788)                   \
    X(ldar_w, "ldar %w0, [%1]", 4, 0x85868788)                 \
    X(ldar_x, "ldar %x0, [%1]", 8, PATTERN)

#define LOAD_FUNCTION(fn, insn, size, expected) LOAD(fn, insn)
#define LOAD_ENTRY(fn, insn, size, expected)    {#fn, load_##fn, size, expected},
LOADS(LOAD_FUNCTION)
static const struct load loads[] = {LOADS(LOAD_ENTRY)};

struct store {
    const char *name;
    void (*run)(uint64_t addr, uint64_t value);
    unsigned size;
};

#define STORE(fn, insn)                                                                      \
    static void store_##fn(uint64_t addr, uint64_t value)                                    \
    {                                                                                        \
        uint64_t minus_8 = addr - 8;                                                         \
        uint64_t eight = 8;                                                                  \
        __asm__ volatile(insn ::"r"(value), "r"(addr), "r"(minus_8), "r"(eight) : "memory"); \
    }

#define STORES(X)                               \
    X(strb_w, "strb %w0, [%1]", 1)              \
    X(strh_w, "strh %w0, [%1]", 2)              \
    X(str_w, "str %w0, [%1]", 4)                \
    X(str_x, "str %x0, [%1]", 8)                \
    X(str_imm, "str %x0, [%2, #8]", 8)          \
    X(stur_w, "stur %w0, [%2, #8]", 4)          \
    X(str_reg, "str %w0, [%2, %3]", 4)          \
    X(strh_reg, "strh %w0, [%2, %w3, sxtw]", 2) \
    X(sttr_x, "sttr %x0, [%1]", 8)              \
    X(sttrb_w, "sttrb %w0, [%1]", 1)            \
    X(stlrb_w, "stlrb %w0, [%1]", 1)            \
    X(stlrh_w, "stlrh %w0, [%1]", 2)            \
    X(stlr_w, "stlr %w0, [%1]", 4)              \
    X(stlr_x, "stlr %x0, [%1]", 8)

#define STORE_FUNCTION(fn, insn, size) STORE(fn, insn)
#define STORE_ENTRY(fn, insn, size)    {#fn, store_##fn, size},
STORES(STORE_FUNCTION)
static const struct store stores[] = {STORES(STORE_ENTRY)};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static uint64_t mask_of(unsigned size)
{
    return size == 8 ? ~0ull : (1ull << size * 8) - 1u;
}

/* What the device saw of the last access: exactly one of the right offset, size, value. */
static void check_record(const char *name, uint64_t offset, unsigned size, uint64_t value,
                         bool write)
{
    uint64_t seen;

    if (!testdev_present())
        return;
    check(mmio_read64(TESTDEV_BASE + TESTDEV_COUNT), 1, "%s_is_one_access", name);
    check(mmio_read64(TESTDEV_BASE + TESTDEV_LAST_OFF), offset, "%s_offset", name);
    check(mmio_read64(TESTDEV_BASE + TESTDEV_LAST_SIZE), size, "%s_size", name);
    check(mmio_read64(TESTDEV_BASE + TESTDEV_LAST_WRITE), write, "%s_direction", name);
    seen = mmio_read64(TESTDEV_BASE + TESTDEV_LAST_VALUE);
    check(seen & mask_of(size), value & mask_of(size), "%s_value", name);
}

static void clear_record(void)
{
    if (testdev_present())
        mmio_write64(TESTDEV_BASE + TESTDEV_COUNT, 0);
}

static void test_loads(void)
{
    for (unsigned i = 0; i < COUNT(loads); i++) {
        const struct load *load = &loads[i];

        clear_record();
        check(load->run(pattern), load->expected, "%s_reads", load->name);
        check_record(load->name, TESTDEV_PATTERN, load->size, PATTERN, false);
    }
}

/* A load of each form from the last bytes of the page, and from each of its offsets in a word. */
static void test_load_offsets(void)
{
    uint64_t end = scratch + TESTDEV_SCRATCH_SIZE;

    mmio_write64(end - 8, PATTERN);
    for (unsigned i = 0; i < COUNT(loads); i++) {
        const struct load *load = &loads[i];
        uint64_t got = load->run(end - load->size);
        uint64_t want = PATTERN >> (64 - load->size * 8);

        check(got & mask_of(load->size), want, "%s_at_the_page_end", load->name);
    }
    for (unsigned i = 0; i < 8; i++)
        check(mmio_read8(end - 8 + i), PATTERN >> i * 8 & 0xff, "ldrb_at_byte_%u", i);
}

/* The stored bytes and no others; the register's upper bits go nowhere. */
static void test_stores(void)
{
    for (unsigned i = 0; i < COUNT(stores); i++) {
        const struct store *store = &stores[i];
        uint64_t mask = mask_of(store->size);
        uint64_t at = scratch + 0x108;

        mmio_write64(at - 8, FILL);
        mmio_write64(at, FILL);
        mmio_write64(at + 8, FILL);
        clear_record();
        store->run(at, PATTERN);
        check_record(store->name, 0x108, store->size, PATTERN, true);
        check(mmio_read64(at), (FILL & ~mask) | (PATTERN & mask), "%s_writes", store->name);
        check(mmio_read64(at - 8), FILL, "%s_leaves_what_is_before", store->name);
        check(mmio_read64(at + 8), FILL, "%s_leaves_what_is_after", store->name);

        at = scratch + TESTDEV_SCRATCH_SIZE - store->size;
        store->run(at, ~PATTERN);
        check(mmio_read8(at), ~PATTERN & 0xff, "%s_at_the_page_end", store->name);
    }
}

/* The core, not the device, cuts what a register has above the access. */
static void test_device_sees_no_upper_bits(void)
{
    static const struct {
        const char *name;
        unsigned size;
    } sizes[] = {{"strb_w", 1}, {"strh_w", 2}, {"str_w", 4}};

    if (!testdev_present()) {
        skip("device_sees_no_upper_bits", "no test device");
        return;
    }
    for (unsigned i = 0; i < COUNT(sizes); i++) {
        stores[i].run(scratch, PATTERN);
        check(mmio_read64(TESTDEV_BASE + TESTDEV_LAST_VALUE), PATTERN & mask_of(sizes[i].size),
              "%s_device_sees_no_upper_bits", sizes[i].name);
    }
}

/* Register 31 is the zero register in all of these, never SP. */
static void test_zero_register(void)
{
    uint64_t sp_before;
    uint64_t sp_after;
    uint64_t zero;

    __asm__ volatile("mov %0, sp\n\t"
                     "ldrb wzr, [%3]\n\t"
                     "ldrh wzr, [%3]\n\t"
                     "ldr wzr, [%3]\n\t"
                     "ldr xzr, [%3]\n\t"
                     "ldrsw xzr, [%3]\n\t"
                     "ldar xzr, [%3]\n\t"
                     "mov %1, sp\n\t"
                     "mov %2, xzr"
                     : "=&r"(sp_before), "=&r"(sp_after), "=&r"(zero)
                     : "r"(pattern)
                     : "memory");
    check(sp_after, sp_before, "load_to_xzr_leaves_sp");
    check(zero, 0, "load_to_xzr_leaves_xzr");

    mmio_write64(scratch, FILL);
    __asm__ volatile("strb wzr, [%0]" ::"r"(scratch) : "memory");
    check(mmio_read64(scratch), FILL & ~0xffull, "strb_wzr_writes_zero");
    __asm__ volatile("strh wzr, [%0]" ::"r"(scratch) : "memory");
    check(mmio_read64(scratch), FILL & ~0xffffull, "strh_wzr_writes_zero");
    __asm__ volatile("str wzr, [%0]" ::"r"(scratch) : "memory");
    check(mmio_read64(scratch), FILL & ~0xffffffffull, "str_wzr_writes_zero");
    __asm__ volatile("stlr xzr, [%0]" ::"r"(scratch) : "memory");
    check(mmio_read64(scratch), 0, "stlr_xzr_writes_zero");
}

/* Each register as source and as destination: its number is in the syndrome (SRT). */
#define SRT_ONE(n)                                                                             \
    {                                                                                          \
        uint64_t got;                                                                          \
        __asm__ volatile("str x" #n ", [sp, #-16]!\n\t" /* keep what the compiler has in it */ \
                         "mov x16, %1\n\t"                                                     \
                         "mov x17, #" #n "\n\t"                                                \
                         "str x17, [x16]\n\t"                                                  \
                         "mov x" #n ", #0\n\t"                                                 \
                         "ldr x" #n ", [x16]\n\t"                                              \
                         "add x" #n ", x" #n ", #0x40\n\t"                                     \
                         "str x" #n ", [x16]\n\t"                                              \
                         "ldr x17, [x16]\n\t"                                                  \
                         "ldr x" #n ", [sp], #16\n\t"                                          \
                         "mov %0, x17"                                                         \
                         : "=r"(got)                                                           \
                         : "r"(scratch)                                                        \
                         : "x16", "x17", "memory");                                            \
        wrong |= (uint32_t)(got != 0x40u + n) << n;                                            \
    }

static void test_each_register(void)
{
    uint32_t wrong = 0;

    SRT_ONE(0)
    SRT_ONE(1)
    SRT_ONE(2)
    SRT_ONE(3)
    SRT_ONE(4)
    SRT_ONE(5)
    SRT_ONE(6)
    SRT_ONE(7)
    SRT_ONE(8)
    SRT_ONE(9)
    SRT_ONE(10)
    SRT_ONE(11)
    SRT_ONE(12)
    SRT_ONE(13)
    SRT_ONE(14)
    SRT_ONE(15)
    SRT_ONE(18)
    SRT_ONE(19)
    SRT_ONE(20)
    SRT_ONE(21)
    SRT_ONE(22)
    SRT_ONE(23)
    SRT_ONE(24)
    SRT_ONE(25)
    SRT_ONE(26)
    SRT_ONE(27)
    SRT_ONE(28)
    SRT_ONE(29)
    SRT_ONE(30)
    check(wrong, 0, "each_register_is_source_and_destination");
}

static void test_memory(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < TESTDEV_SCRATCH_SIZE; i += 4)
        mmio_write32(scratch + i, i * 0x9e3779b1u);
    for (unsigned i = 0; i < TESTDEV_SCRATCH_SIZE; i += 4)
        wrong += mmio_read32(scratch + i) != i * 0x9e3779b1u;
    check(wrong, 0, "scratch_keeps_1024_words");
}

void test_main(void)
{
    if (testdev_present()) {
        scratch = TESTDEV_BASE + TESTDEV_SCRATCH;
        pattern = TESTDEV_BASE + TESTDEV_PATTERN;
    } else {
        skip("access_record", "no test device: RAM stands in for it");
        scratch = (uint64_t)ram;
        pattern = (uint64_t)ram + TESTDEV_PATTERN;
        mmio_write64(pattern, PATTERN);
    }
    test_loads();
    test_load_offsets();
    test_stores();
    test_device_sees_no_upper_bits();
    test_zero_register();
    test_each_register();
    test_memory();
}
