/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stage 1 walk on tables built here, with the bit numbers of the Arm ARM and
 * not with walk.c's names, for each granule, start level and half.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/insn/walk.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)   (1ull << (n))

/* Table number n of a walk is at TABLES + n * 64 KiB; a few words of each are used. */
#define TABLES    0x40000000ull
#define MAX_WORDS 32u
#define PAGE_OUT  0x80000000ull /* where the leaf points: aligned for any block but level 1's */

static struct {
    uint64_t addr, value;
} words[MAX_WORDS];
static unsigned nr_words, nr_reads, nr_swaps;
static int swap_says;
static struct walk_regs regs;
static struct walk_result result;

static int read_word(void *opaque, ipa_t addr, uint64_t *word)
{
    nr_reads++;
    assert_int_equal(addr.v % 8, 0);
    for (unsigned n = 0; n < nr_words; n++) {
        if (words[n].addr == addr.v) {
            *word = words[n].value;
            return 0;
        }
    }
    if (addr.v >= TABLES && addr.v < TABLES + 0x100000) {
        *word = 0;
        return 0;
    }
    return -ENXIO;
}

static int swap_word(void *opaque, ipa_t addr, uint64_t old, uint64_t new)
{
    nr_swaps++;
    if (swap_says)
        return swap_says;
    for (unsigned n = 0; n < nr_words; n++) {
        if (words[n].addr == addr.v && words[n].value == old) {
            words[n].value = new;
            return 0;
        }
    }
    return -EAGAIN;
}

static struct walk_memory memory;

static void put(uint64_t addr, uint64_t value)
{
    for (unsigned n = 0; n < nr_words; n++) {
        if (words[n].addr == addr) {
            words[n].value = value;
            return;
        }
    }
    assert_true(nr_words < MAX_WORDS);
    words[nr_words].addr = addr;
    words[nr_words++].value = value;
}

/* T0SZ and T1SZ, TG0 and TG1 for one granule; 48 bits of physical addresses. */
static uint64_t tcr_of(unsigned granule, unsigned tsz)
{
    uint64_t tg0 = granule == 12 ? 0 : granule == 16 ? 1 : 2;
    uint64_t tg1 = granule == 12 ? 2 : granule == 16 ? 3 : 1;

    return tsz | (uint64_t)tsz << 16 | tg0 << 14 | tg1 << 30 | 5ull << 32;
}

static void start(unsigned granule, unsigned tsz)
{
    nr_words = nr_reads = nr_swaps = 0;
    swap_says = 0;
    memory = (struct walk_memory){.read = read_word};
    regs = (struct walk_regs){
        .sctlr = 1,
        .tcr = tcr_of(granule, tsz),
        .ttbr0 = TABLES,
        .ttbr1 = TABLES,
        .mair = 0x00000000000044ffull, /* 0: write-back, 1: non-cacheable, 2: Device-nGnRnE */
        .pstate = 5,                   /* EL1h */
        .pa_bits = 48,
    };
}

static int setup(void **state)
{
    start(12, 25);
    return 0;
}

static int first_level(unsigned granule, unsigned tsz)
{
    static const unsigned shifts[3][4] = {
        {39, 30, 21, 12}, /* 4 KiB: Arm ARM table D8-13 and the like */
        {47, 36, 25, 14},
        {0, 42, 29, 16},
    };
    const unsigned *s = shifts[(granule - 12) / 2];
    int level = 3;

    while (level > 0 && s[level - 1] && s[level - 1] < 64 - tsz)
        level--;
    return level;
}

static unsigned shift_of(unsigned granule, int level)
{
    return granule + (granule - 3) * (3u - (unsigned)level);
}

#define LEAF (BIT(10) | 1u) /* AF, valid */

/* Tables from the start level to a leaf at `level` with the attributes `attr`. */
static void map(unsigned granule, unsigned tsz, uint64_t va, int level, uint64_t attr)
{
    uint64_t table = TABLES, bits = 64 - tsz;
    uint64_t address = va & (BIT(bits) - 1);

    for (int l = first_level(granule, tsz);; l++) {
        unsigned shift = shift_of(granule, l);
        uint64_t index = address >> shift;
        uint64_t next = table + 0x10000;

        address &= BIT(shift) - 1;
        if (l == level) {
            put(table + 8 * index, (PAGE_OUT & ~(BIT(shift) - 1)) | attr | (l == 3 ? 2u : 0));
            return;
        }
        put(table + 8 * index, next | 3u);
        table = next;
    }
}

static enum walk_fault go(uint64_t va, enum walk_access access)
{
    struct walk_request request = {.addr = gva(va), .access = access};

    nr_reads = 0;
    return walk(&regs, &memory, &request, &result);
}

static void walk_translates_with_each_granule_level_and_half(void **state)
{
    static const unsigned granules[] = {12, 14, 16};
    unsigned tried = 0;

    for (size_t g = 0; g < COUNT(granules); g++) {
        unsigned granule = granules[g];

        for (unsigned tsz = 16; tsz <= (granule == 16 ? 47 : 48); tsz++) {
            for (int level = first_level(granule, tsz); level <= 3; level++) {
                uint64_t low = 0x5a5a5a5a5a5a5a5aull & (BIT(64 - tsz) - 1);
                bool block = level == 3 || level == 2 || (level == 1 && granule == 12);
                unsigned shift = shift_of(granule, level);

                for (unsigned upper = 0; upper < 2; upper++) {
                    uint64_t va = upper ? low | ~(BIT(64 - tsz) - 1) : low;

                    start(granule, tsz);
                    map(granule, tsz, va, level, LEAF);
                    tried++;
                    if (!block) {
                        assert_int_equal(go(va, WALK_READ), WALK_TRANSLATION);
                        assert_int_equal(result.level, level);
                        continue;
                    }
                    assert_int_equal(go(va, WALK_WRITE), WALK_OK);
                    assert_int_equal(result.level, level);
                    assert_int_equal(result.bits, shift);
                    assert_int_equal(result.ipa.v,
                                     (PAGE_OUT & ~(BIT(shift) - 1)) | (low & (BIT(shift) - 1)));
                    assert_int_equal(nr_reads, level - first_level(granule, tsz) + 1);
                }
            }
        }
    }
    assert_true(tried > 400);
}

static void walk_refuses_addresses_outside_of_both_halves(void **state)
{
    map(12, 25, 0x1000, 3, LEAF);
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    assert_int_equal(go(BIT(39) | 0x1000, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(result.level, 0);
    assert_int_equal(go(BIT(63) | 0x1000, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(go(BIT(55) | 0x1000, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(go(BIT(56) | 0x1000, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(nr_reads, 0);
}

static void walk_ignores_the_tag_where_tbi_says_so(void **state)
{
    map(12, 25, 0x1008, 3, LEAF);
    regs.tcr |= BIT(37);
    assert_int_equal(go(0xab00000000001008ull, WALK_READ), WALK_OK);
    assert_int_equal(result.ipa.v, PAGE_OUT + 8);
    assert_int_equal(go(0xab00000000001008ull, WALK_EXEC), WALK_OK);
    regs.tcr |= BIT(51); /* TBID0 */
    assert_int_equal(go(0xab00000000001008ull, WALK_EXEC), WALK_TRANSLATION);
    assert_int_equal(go(0xab00000000001008ull, WALK_READ), WALK_OK);
    assert_int_equal(go(0xab80000000001008ull, WALK_READ), WALK_TRANSLATION); /* TTBR1's */
}

static void walk_obeys_epd_and_e0pd(void **state)
{
    map(12, 25, 0x1000, 3, LEAF | BIT(6));
    regs.tcr |= BIT(55); /* E0PD0 */
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    regs.pstate = 0;
    assert_int_equal(go(0x1000, WALK_READ), WALK_TRANSLATION);
    regs.tcr = tcr_of(12, 25) | BIT(7); /* EPD0 */
    assert_int_equal(go(0x1000, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(result.level, 0);
    assert_int_equal(nr_reads, 0);
    regs.tcr = tcr_of(12, 25) | BIT(23); /* EPD1 */
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    assert_int_equal(go(~0xfffull, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(nr_reads, 0);
}

static void walk_refuses_sizes_that_are_hidden_from_the_guest(void **state)
{
    static const struct {
        unsigned granule, tsz;
    } sizes[] = {{12, 15}, {12, 0}, {12, 49}, {14, 49}, {16, 12}, {16, 48}, {16, 63}};

    for (size_t n = 0; n < COUNT(sizes); n++) {
        start(sizes[n].granule, sizes[n].tsz);
        assert_int_equal(go(0, WALK_READ), WALK_TRANSLATION);
        assert_int_equal(nr_reads, 0);
    }
    start(12, 16);
    map(12, 16, 0, 3, LEAF);
    assert_int_equal(go(0, WALK_READ), WALK_OK);
    regs.tcr |= BIT(59); /* DS */
    assert_int_equal(go(0, WALK_READ), WALK_TRANSLATION);
}

/*
 * Arm ARM table D8-62 and its neighbours: AP[2:1], UXN, PXN to what EL1 and EL0
 * may do. EL1 never executes what EL0 may write.
 */
static void walk_permissions_are_as_in_the_table(void **state)
{
    enum { R = WALK_MAY_READ, W = WALK_MAY_WRITE, X = WALK_MAY_EXEC };
    static const struct {
        unsigned ap, uxn, pxn, el1, el0;
    } table[] = {
        {0, 0, 0, R | W | X, X},
        {0, 1, 0, R | W | X, 0},
        {0, 0, 1, R | W, X},
        {0, 1, 1, R | W, 0},
        {1, 0, 0, R | W, R | W | X},
        {1, 1, 0, R | W, R | W},
        {1, 0, 1, R | W, R | W | X},
        {2, 0, 0, R | X, X},
        {2, 1, 1, R, 0},
        {3, 0, 0, R | X, R | X},
        {3, 1, 0, R | X, R},
        {3, 0, 1, R, R | X},
        {3, 1, 1, R, R},
    };

    for (size_t n = 0; n < COUNT(table); n++) {
        for (unsigned el = 0; el < 2; el++) {
            unsigned want = el ? table[n].el1 : table[n].el0;

            start(12, 25);
            regs.pstate = el ? 5 : 0;
            map(12, 25, 0x1000, 3,
                LEAF | (uint64_t)table[n].ap << 6 | (uint64_t)table[n].uxn << 54 |
                    (uint64_t)table[n].pxn << 53);
            assert_int_equal(go(0x1000, WALK_READ), want & R ? WALK_OK : WALK_PERMISSION);
            assert_int_equal(result.may, want);
            assert_int_equal(result.level, 3);
            assert_int_equal(go(0x1000, WALK_WRITE), want & W ? WALK_OK : WALK_PERMISSION);
            assert_int_equal(go(0x1000, WALK_EXEC), want & X ? WALK_OK : WALK_PERMISSION);
        }
    }
}

static void walk_tables_above_restrict_unless_hpd(void **state)
{
    static const struct {
        uint64_t bit;
        uint64_t pstate;
        enum walk_access access;
    } cases[] = {
        {BIT(61), 0, WALK_READ},                           /* APTable[0]: not from EL0 */
        {BIT(62), 5, WALK_WRITE},                          /* APTable[1]: read-only */
        {BIT(62), 0, WALK_WRITE}, {BIT(60), 0, WALK_EXEC}, /* UXNTable */
        {BIT(59), 5, WALK_EXEC},                           /* PXNTable */
    };

    for (size_t n = 0; n < COUNT(cases); n++) {
        uint64_t attr = LEAF | (cases[n].access == WALK_EXEC && cases[n].pstate ? 0 : BIT(6));

        setup(NULL);
        regs.pstate = cases[n].pstate;
        map(12, 25, 0x1000, 3, attr);
        assert_int_equal(go(0x1000, cases[n].access), WALK_OK);
        put(TABLES, (TABLES + 0x10000) | 3u | cases[n].bit);
        assert_int_equal(go(0x1000, cases[n].access), WALK_PERMISSION);
        assert_int_equal(result.level, 3);
        regs.tcr |= BIT(41); /* HPD0 */
        assert_int_equal(go(0x1000, cases[n].access), WALK_OK);
    }
}

static void walk_pan_keeps_el1_off_what_el0_may_use(void **state)
{
    map(12, 25, 0x1000, 3, LEAF | BIT(6));
    map(12, 25, 0x2000, 3, LEAF);
    regs.pstate |= BIT(22);
    assert_int_equal(go(0x1000, WALK_READ), WALK_PERMISSION);
    assert_int_equal(go(0x1000, WALK_WRITE), WALK_PERMISSION);
    assert_int_equal(go(0x2000, WALK_READ), WALK_OK);
    regs.sctlr |= BIT(57); /* EPAN: EL0 may execute 0x2000 */
    assert_int_equal(go(0x2000, WALK_READ), WALK_PERMISSION);
    map(12, 25, 0x2000, 3, LEAF | BIT(54));
    assert_int_equal(go(0x2000, WALK_READ), WALK_OK);
    regs.pstate = BIT(22); /* EL0 does not care */
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
}

static void walk_unprivileged_is_as_el0_unless_uao(void **state)
{
    struct walk_request request = {gva(0x1000), WALK_READ, true};

    map(12, 25, 0x1000, 3, LEAF);
    assert_int_equal(walk(&regs, &memory, &request, &result), WALK_PERMISSION);
    regs.pstate |= BIT(23); /* UAO */
    assert_int_equal(walk(&regs, &memory, &request, &result), WALK_OK);
    map(12, 25, 0x1000, 3, LEAF | BIT(6));
    regs.pstate = 5 | BIT(22); /* PAN, but not UAO */
    assert_int_equal(walk(&regs, &memory, &request, &result), WALK_OK);
    regs.pstate |= BIT(23);
    assert_int_equal(walk(&regs, &memory, &request, &result), WALK_PERMISSION);
}

static void walk_wxn_makes_writable_not_executable(void **state)
{
    map(12, 25, 0x1000, 3, LEAF);
    map(12, 25, 0x2000, 3, LEAF | BIT(7));
    regs.sctlr |= BIT(19);
    assert_int_equal(go(0x1000, WALK_EXEC), WALK_PERMISSION);
    assert_int_equal(go(0x2000, WALK_EXEC), WALK_OK);
}

static void walk_access_flag_faults_or_is_set(void **state)
{
    map(12, 25, 0x1000, 3, 1u);
    assert_int_equal(go(0x1000, WALK_READ), WALK_ACCESS_FLAG);
    assert_int_equal(result.level, 3);
    regs.tcr |= BIT(39); /* HA */
    assert_int_equal(go(0x1000, WALK_READ), WALK_ATOMIC_UPDATE);
    memory.swap = swap_word;
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    assert_int_equal(nr_swaps, 1);
    assert_int_equal(words[nr_words - 1].value & BIT(10), BIT(10));
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    assert_int_equal(nr_swaps, 1);
}

static void walk_write_to_a_clean_page_makes_it_dirty(void **state)
{
    uint64_t clean = LEAF | BIT(51) | BIT(7);

    memory.swap = swap_word;
    map(12, 25, 0x1000, 3, clean);
    assert_int_equal(go(0x1000, WALK_WRITE), WALK_PERMISSION);
    regs.tcr |= BIT(40); /* HD without HA: nothing */
    assert_int_equal(go(0x1000, WALK_WRITE), WALK_PERMISSION);
    regs.tcr |= BIT(39);
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    assert_int_equal(nr_swaps, 0);
    assert_int_equal(go(0x1000, WALK_WRITE), WALK_OK);
    assert_int_equal(nr_swaps, 1);
    assert_int_equal(words[nr_words - 1].value & BIT(7), 0);
    assert_int_equal(result.may & WALK_MAY_WRITE, WALK_MAY_WRITE);
}

static void walk_that_never_wins_the_update_ends(void **state)
{
    memory.swap = swap_word;
    swap_says = -EAGAIN;
    map(12, 25, 0x1000, 3, 1u);
    regs.tcr |= BIT(39);
    assert_int_equal(go(0x1000, WALK_READ), WALK_ATOMIC_UPDATE);
    assert_int_equal(nr_swaps, 8);
    swap_says = -EFAULT;
    assert_int_equal(go(0x1000, WALK_READ), WALK_ATOMIC_UPDATE);
    assert_int_equal(nr_swaps, 9);
}

static void walk_table_outside_of_memory_is_an_external_abort(void **state)
{
    put(TABLES, 0x10000000ull | 3u);
    assert_int_equal(go(0, WALK_READ), WALK_EXTERNAL);
    assert_int_equal(result.level, 2);
    assert_int_equal(walk_fsc(&result), 0x16);
    regs.ttbr0 = 0;
    assert_int_equal(go(0, WALK_READ), WALK_EXTERNAL);
    assert_int_equal(result.level, 1);
    assert_int_equal(walk_fsc(&result), 0x15);
}

static void walk_addresses_wider_than_physical_ones_are_size_faults(void **state)
{
    regs.pa_bits = 40;
    map(12, 25, 0x1000, 3, LEAF | BIT(40));
    assert_int_equal(go(0x1000, WALK_READ), WALK_ADDRESS_SIZE);
    assert_int_equal(result.level, 3);
    regs.pa_bits = 48;
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    regs.tcr &= ~(7ull << 32); /* IPS: 32 bits */
    assert_int_equal(go(0x1000, WALK_READ), WALK_ADDRESS_SIZE);
    put(TABLES, BIT(32) | 3u);
    assert_int_equal(go(0x1000, WALK_READ), WALK_ADDRESS_SIZE);
    assert_int_equal(result.level, 1);
    regs.ttbr0 = BIT(33);
    assert_int_equal(go(0x1000, WALK_READ), WALK_ADDRESS_SIZE);
    assert_int_equal(result.level, 0);
}

static void walk_invalid_descriptors_fault_at_their_level(void **state)
{
    static const int levels[] = {0, 1, 2, 3};

    for (size_t n = 0; n < COUNT(levels); n++) {
        start(12, 16);
        map(12, 16, 0x1000, levels[n], 0);
        assert_int_equal(go(0x1000, WALK_READ), WALK_TRANSLATION);
        assert_int_equal(result.level, levels[n]);
        assert_int_equal(walk_fsc(&result), 4 + levels[n]);
    }
    setup(NULL);
    map(12, 25, 0x1000, 3, LEAF);
    words[nr_words - 1].value &= ~2ull; /* level 3 has no blocks */
    assert_int_equal(go(0x1000, WALK_READ), WALK_TRANSLATION);
    assert_int_equal(result.level, 3);
}

static void walk_reads_tables_in_the_byte_order_of_ee(void **state)
{
    map(12, 25, 0x1000, 3, 1u);
    for (unsigned n = 0; n < nr_words; n++)
        words[n].value = __builtin_bswap64(words[n].value);
    memory.swap = swap_word;
    regs.tcr |= BIT(39);
    regs.sctlr |= BIT(25);
    assert_int_equal(go(0x1234, WALK_READ), WALK_OK);
    assert_int_equal(result.ipa.v, PAGE_OUT + 0x234);
    assert_int_equal(__builtin_bswap64(words[nr_words - 1].value) & BIT(10), BIT(10));
}

static void walk_ignores_asid_cnp_res0_and_the_contiguous_bit(void **state)
{
    map(12, 25, 0x1000, 3, LEAF | BIT(52));
    regs.ttbr0 |= 0x1234ull << 48 | 1u;
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    regs.ttbr0 |= 0xffe; /* RES0: a table of 4 KiB is aligned to that */
    assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
    assert_int_equal(result.ipa.v, PAGE_OUT);
}

static void walk_gives_the_memory_type(void **state)
{
    static const struct {
        unsigned index;
        uint8_t attr;
        bool device;
    } types[] = {{0, 0xff, false}, {1, 0x44, false}, {2, 0, true}, {7, 0, true}};

    for (size_t n = 0; n < COUNT(types); n++) {
        setup(NULL);
        map(12, 25, 0x1000, 3, LEAF | types[n].index << 2);
        assert_int_equal(go(0x1000, WALK_READ), WALK_OK);
        assert_int_equal(result.attr, types[n].attr);
        assert_int_equal(result.device, types[n].device);
    }
}

static void walk_with_the_mmu_off_is_flat(void **state)
{
    regs.sctlr = 0;
    regs.pa_bits = 40;
    regs.pstate = 0;
    assert_int_equal(go(0x9000123, WALK_WRITE), WALK_OK);
    assert_int_equal(result.ipa.v, 0x9000123);
    assert_true(result.device);
    assert_int_equal(go(0x9000123, WALK_EXEC), WALK_OK);
    assert_false(result.device);
    assert_int_equal(go(BIT(40), WALK_READ), WALK_ADDRESS_SIZE);
    assert_int_equal(result.level, 0);
    assert_int_equal(walk_fsc(&result), 0);
    assert_int_equal(go(0x5500000009000000ull, WALK_READ), WALK_ADDRESS_SIZE);
    regs.tcr |= BIT(37);
    assert_int_equal(go(0x5500000009000000ull, WALK_READ), WALK_OK);
    assert_int_equal(result.ipa.v, 0x9000000);
    assert_int_equal(nr_reads, 0);
}

static void walk_fault_status_codes_are_the_architectures(void **state)
{
    static const struct {
        enum walk_fault fault;
        uint32_t fsc;
    } codes[] = {{WALK_ADDRESS_SIZE, 0x02}, {WALK_TRANSLATION, 0x06}, {WALK_ACCESS_FLAG, 0x0a},
                 {WALK_PERMISSION, 0x0e},   {WALK_EXTERNAL, 0x16},    {WALK_ATOMIC_UPDATE, 0x31}};

    for (size_t n = 0; n < COUNT(codes); n++) {
        struct walk_result r = {.fault = codes[n].fault, .level = 2};

        assert_int_equal(walk_fsc(&r), codes[n].fsc);
        r.fault = WALK_OK;
        assert_int_equal(walk_fsc(&r), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(walk_translates_with_each_granule_level_and_half),
        TEST(walk_refuses_addresses_outside_of_both_halves),
        TEST(walk_ignores_the_tag_where_tbi_says_so),
        TEST(walk_obeys_epd_and_e0pd),
        TEST(walk_refuses_sizes_that_are_hidden_from_the_guest),
        TEST(walk_permissions_are_as_in_the_table),
        TEST(walk_tables_above_restrict_unless_hpd),
        TEST(walk_pan_keeps_el1_off_what_el0_may_use),
        TEST(walk_unprivileged_is_as_el0_unless_uao),
        TEST(walk_wxn_makes_writable_not_executable),
        TEST(walk_access_flag_faults_or_is_set),
        TEST(walk_write_to_a_clean_page_makes_it_dirty),
        TEST(walk_that_never_wins_the_update_ends),
        TEST(walk_table_outside_of_memory_is_an_external_abort),
        TEST(walk_addresses_wider_than_physical_ones_are_size_faults),
        TEST(walk_invalid_descriptors_fault_at_their_level),
        TEST(walk_reads_tables_in_the_byte_order_of_ee),
        TEST(walk_ignores_asid_cnp_res0_and_the_contiguous_bit),
        TEST(walk_gives_the_memory_type),
        TEST(walk_with_the_mmu_off_is_flat),
        TEST(walk_fault_status_codes_are_the_architectures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
