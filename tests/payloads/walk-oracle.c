/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the CPU itself makes of translation tables, for tests/oracle/oracle_walk.c:
 * random regimes and tables, and PAR_EL1 after AT. Lines, all numbers in hex:
 *   i PABITS ACCESSES              once: from the ID registers; 4 or 6 kinds of AT
 *   g SCTLR TCR TTBR0 TTBR1 MAIR PSTATE   a regime; forgets the tables of the last
 *   m ADDRESS FIRST STEP COUNT     words of tables; before the first g: for all regimes
 *   a ADDRESS RESULT...            one result for each AT of S1E1R S1E1W S1E0R S1E0W
 *                                  S1E1RP S1E1WP: PAR_EL1; xESR if it was an exception
 *                                  (external abort on the walk); =: as the one before
 *
 * One half of the address space is random, the other has fixed tables, which map
 * the code that runs meanwhile: the upper half for a random lower one and the
 * other way round. So nothing in the random half has to be right. Not random:
 * SCTLR_EL1.EE, TCR_EL1.DS, IPS above what PARange says (the CPU may have
 * more than it is said to have), and TnSZ below 16 with 64 KiB
 * pages: the machine may have LVA and LPA, which the vmm hides. Walks are non-cacheable,
 * because the tables are written with the MMU off.
 */
#include "tests/payloads/guest.h"

#define RECORDS    0x42000000ull /* far from the image, the device tree and the end of RAM */
#define POOL       0x42200000ull
#define POOL_END   0x43000000ull
#define FIXED_L1   POOL
#define FIXED_L2   (POOL + 0x1000)
#define POOL_FIRST (POOL + 0x10000)
#define UPPER      0xffffff8000000000ull /* the fixed upper half's first address */

#define SCTLR_M    (1ull << 0)
#define SCTLR_C    (1ull << 2)
#define SCTLR_I    (1ull << 12)
#define SCTLR_WXN  (1ull << 19)
#define SCTLR_EPAN (1ull << 57)
#define PSTATE_PAN (1ull << 22)

/* 39 bits in both halves, 4 KiB, non-cacheable inner-shareable walks. */
#define FIXED_TCR  (25ull | 3ull << 12 | 25ull << 16 | 3ull << 28 | 2ull << 30)
#define FIXED_MAIR (0xffull << 56)

/* Descriptors, Arm ARM D8.3. The fixed blocks use MAIR_EL1's byte 7. */
#define DESC_BLOCK  1ull
#define DESC_TABLE  3ull
#define DESC_IDX7   (7ull << 2)
#define DESC_RO     (1ull << 7)
#define DESC_SH     (3ull << 8)
#define DESC_AF     (1ull << 10)
#define DESC_CONTIG (1ull << 52)
#define DESC_PXN    (1ull << 53)
#define DESC_UXN    (1ull << 54)
/* What may be anything in a leaf: AttrIndx, AP, SH, nG; GP, DBM, PXN, UXN and ignored ones. */
#define LEAF_RANDOM  0xffec000000000bfcull
#define TABLE_RANDOM 0x7800000000000000ull

#define REGIMES 110u
#define PATHS   12u

/* Offsets are known to the assembly below. */
struct regime {
    uint64_t sctlr, tcr, ttbr0, ttbr1, mair, pan;
    uint64_t alias; /* from the code's physical address to where it runs */
    uint64_t records, count, more;
    uint64_t sctlr_on, sctlr_off, fixed_tcr, fixed_ttbr, fixed_mair, has_pan;
};

struct record {
    uint64_t address;
    struct {
        uint64_t par, esr;
    } result[6];
    uint64_t pad;
};

void walk_oracle_run(const struct regime *regime);

/*
 * walk_oracle_run(x0 = regime), MMU off: no stack, x0-x17 only. An exception in
 * the regime leaves ESR_EL1 in x2 and goes on after the AT.
 */
__asm__(".pushsection .text.walk_oracle, \"ax\"\n"
        "    .macro translate n, op\n"
        "    mov     x2, #0\n"
        "    sys     \\op, x1\n"
        "    isb\n"
        "    mrs     x3, par_el1\n"
        "    stp     x3, x2, [x11, #8 + 16 * \\n]\n"
        "    .endm\n"
        "    .macro flush\n"
        "    dsb     sy\n"
        "    isb\n"
        "    tlbi    vmalle1\n"
        "    dsb     sy\n"
        "    isb\n"
        "    .endm\n"
        "    .global walk_oracle_run\n"
        "walk_oracle_run:\n"
        "    mrs     x17, vbar_el1\n"
        "    ldp     x4, x5, [x0]\n"        /* sctlr, tcr */
        "    ldp     x6, x7, [x0, #16]\n"   /* ttbr0, ttbr1 */
        "    ldp     x8, x9, [x0, #32]\n"   /* mair, pan */
        "    ldp     x10, x11, [x0, #48]\n" /* alias, records */
        "    ldp     x12, x13, [x0, #64]\n" /* count, more */
        "    ldp     x14, x16, [x0, #80]\n" /* sctlr_on, sctlr_off */
        "    ldp     x1, x2, [x0, #96]\n"   /* fixed_tcr, fixed_ttbr */
        "    ldp     x3, x0, [x0, #112]\n"  /* fixed_mair, has_pan */
        "    msr     tcr_el1, x1\n"
        "    msr     ttbr0_el1, x2\n"
        "    msr     ttbr1_el1, x2\n"
        "    msr     mair_el1, x3\n"
        "    ic      iallu\n"
        "    flush\n"
        "    msr     sctlr_el1, x14\n"
        "    isb\n"
        "    adr     x15, 1f\n"
        "    add     x15, x15, x10\n"
        "    br      x15\n"
        "1:  adr     x15, walk_oracle_vectors\n"
        "    msr     vbar_el1, x15\n"
        "    msr     tcr_el1, x5\n"
        "    msr     ttbr0_el1, x6\n"
        "    msr     ttbr1_el1, x7\n"
        "    msr     mair_el1, x8\n"
        "    msr     sctlr_el1, x4\n"
        "    flush\n"
        "    mov     x5, x1\n"
        "    mov     x6, x2\n"
        "    mov     x7, x3\n"
        "    cbz     x0, 2f\n"
        "    msr     S3_0_C4_C2_3, x9\n" /* PAN */
        "2:  ldr     x1, [x11]\n"
        "    translate 0, \"#0, c7, c8, #0\"\n"
        "    translate 1, \"#0, c7, c8, #1\"\n"
        "    translate 2, \"#0, c7, c8, #2\"\n"
        "    translate 3, \"#0, c7, c8, #3\"\n"
        "    cbz     x13, 3f\n"
        "    translate 4, \"#0, c7, c9, #0\"\n"
        "    translate 5, \"#0, c7, c9, #1\"\n"
        "3:  add     x11, x11, #112\n"
        "    subs    x12, x12, #1\n"
        "    b.ne    2b\n"
        "    cbz     x0, 4f\n"
        "    msr     S3_0_C4_C2_3, xzr\n"
        "4:  msr     sctlr_el1, x14\n"
        "    msr     tcr_el1, x5\n"
        "    msr     ttbr0_el1, x6\n"
        "    msr     ttbr1_el1, x6\n"
        "    msr     mair_el1, x7\n"
        "    flush\n"
        "    adr     x15, 5f\n"
        "    sub     x15, x15, x10\n"
        "    br      x15\n"
        "5:  msr     sctlr_el1, x16\n"
        "    msr     vbar_el1, x17\n"
        "    flush\n"
        "    ret\n"
        "    .balign 0x800\n"
        "walk_oracle_vectors:\n"
        "    .space  0x200\n" /* zeros: undefined */
        "    mrs     x2, elr_el1\n"
        "    add     x2, x2, #4\n"
        "    msr     elr_el1, x2\n"
        "    mrs     x2, esr_el1\n"
        "    eret\n"
        "    .balign 0x800\n"
        ".popsection\n");

struct space {
    bool upper;
    unsigned granule, stride, tsz, ia_bits, ips_bits;
    int start;
    uint64_t top; /* table */
    uint64_t next;
};

static struct record *const records = (struct record *)RECORDS;
static unsigned count;
static uint64_t mmfr0, mmfr1, mmfr2;
static const uint8_t pa_sizes[8] = {32, 36, 40, 42, 44, 48, 48, 48}; /* by PARange or IPS */

static bool one_in(unsigned n)
{
    return random64() % n == 0;
}

static unsigned id_field(uint64_t reg, unsigned shift)
{
    return reg >> shift & 0xfu;
}

static uint64_t low_bits(unsigned bits)
{
    return (1ull << bits) - 1u;
}

static void words(uint64_t address, uint64_t first, uint64_t step, unsigned n)
{
    note("m %lx %lx %lx %x", address, first, step, n);
    for (unsigned i = 0; i < n; i++)
        mmio_write64(address + 8u * i, first + i * step);
}

static uint64_t new_table(struct space *s)
{
    uint64_t table = (s->next + low_bits(s->granule)) & ~low_bits(s->granule);

    s->next = table + (1ull << s->granule);
    if (s->next > POOL_END) {
        check_true(false, "table_pool_is_large_enough");
        finish();
    }
    for (uint64_t p = table; p < s->next; p += 8)
        mmio_write64(p, 0);
    return table;
}

static uint64_t leaf(const struct space *s, unsigned bits, int level)
{
    uint64_t desc = random64() & LEAF_RANDOM;
    uint64_t out = random64() & low_bits(one_in(8) ? 48 : s->ips_bits) & ~low_bits(bits);

    desc |= out | (level == 3 ? 3u : 1u);
    return one_in(8) ? desc : desc | DESC_AF;
}

/* How many entries the Contiguous bit is about: Arm ARM D8.7.1. 0: not at this level. */
static unsigned contiguous(const struct space *s, int level)
{
    if (level < 2)
        return 0;
    if (s->granule == 14u)
        return level == 3 ? 128u : 32u;
    return s->granule == 12u ? 16u : 32u;
}

/* All of a group of leaves, as the Contiguous bit demands it. False: it is in use. */
static bool put_group(struct space *s, uint64_t table, uint64_t index, unsigned bits, int level)
{
    unsigned n = contiguous(s, level);
    uint64_t desc;

    if (n == 0)
        return false;
    index &= ~(uint64_t)(n - 1u);
    for (unsigned i = 0; i < n; i++) {
        if (mmio_read64(table + 8u * (index + i)) != 0)
            return false;
    }
    desc = leaf(s, bits, level) | DESC_CONTIG;
    desc &= ~((uint64_t)(n - 1u) << bits);
    words(table + 8u * index, desc, 1ull << bits, n);
    return true;
}

/* What a table address is: mostly a new table; no RAM; beyond what IPS allows. */
static uint64_t table_address(struct space *s)
{
    if (one_in(24))
        return HOLE_HIGH + (random64() & 0xff0000u);
    if (one_in(24) && s->ips_bits < 48u)
        return 1ull << s->ips_bits | POOL_FIRST;
    return new_table(s);
}

/* Tables down to some end for this address. */
static void map_path(struct space *s, uint64_t address)
{
    uint64_t table = s->top;
    unsigned high = s->ia_bits;

    for (int level = s->start;; level++) {
        unsigned low = s->granule + s->stride * (3u - (unsigned)level);
        uint64_t index = (address & low_bits(high)) >> low;
        uint64_t at = table + 8u * index, desc = mmio_read64(at);

        if (desc != 0) {
            if ((desc & 3u) != 3u || level == 3)
                return;
        } else if (one_in(16)) {
            words(at, random64() << 2 | (level == 3 && one_in(2) ? 1u : 0u), 0, 1);
            return;
        } else if (level == 3 || one_in(level == 2 ? 3 : 10)) {
            if (one_in(6) && put_group(s, table, index, low, level))
                return;
            words(at, leaf(s, low, level), 0, 1);
            return;
        } else {
            desc = table_address(s) | DESC_TABLE;
            if (one_in(2))
                desc |= random64() & random64() & TABLE_RANDOM;
            words(at, desc, 0, 1);
        }
        table = desc & low_bits(48) & ~low_bits(s->granule);
        if (table < POOL_FIRST || table >= POOL_END)
            return;
        high = low;
    }
}

static void ask(uint64_t address)
{
    records[count].address = address;
    count++;
}

/* Around an address of a path: in it, in its neighbours, with other top bits. */
static void ask_around(const struct space *s, uint64_t address)
{
    unsigned bits = s->granule + s->stride * (unsigned)(random64() % 3u);
    uint64_t half = s->upper ? ~low_bits(s->ia_bits) : 0;

    ask(half | address);
    ask((half | address) ^ (random64() & 0xff) << 56);
    if (one_in(2))
        ask(half | ((address & ~low_bits(s->granule)) - 1u));
    if (one_in(2))
        ask(half | ((address + (1ull << s->granule)) & low_bits(s->ia_bits)));
    if (one_in(2) && bits < s->ia_bits)
        ask(half | (address ^ (random64() & low_bits(bits))));
    if (one_in(4))
        ask((half | address) ^ 1ull << random64() % 64u);
}

static void ask_edges(const struct space *s)
{
    ask(0);
    ask(~0ull);
    ask(low_bits(s->ia_bits));
    ask(~low_bits(s->ia_bits));
    ask(1ull << s->ia_bits);
    ask(~(1ull << s->ia_bits));
    ask(1ull << 55);
    /* Inside of the half for all but the largest TnSZ. */
    ask((s->upper ? ~low_bits(13) : 0) | (random64() & low_bits(13)));
    /* The fixed half's. */
    ask((s->upper ? 0 : UPPER) + 0x40000000u + random64() % 0x4000000u);
    ask(random64());
}

static uint64_t random_mair(void)
{
    static const uint8_t good[] = {0x00, 0x04, 0x08, 0x0c, 0x44, 0xff, 0xbb, 0x4f,
                                   0xf4, 0x77, 0x33, 0xee, 0xaa, 0x99, 0xdf, 0x14};
    uint64_t mair = FIXED_MAIR;

    for (unsigned i = 0; i < 7; i++)
        mair |= (uint64_t)good[random64() % sizeof(good)] << 8u * i;
    return mair;
}

static unsigned random_granule(void)
{
    for (;;) {
        switch (random64() % 3u) {
        case 0: return 12; /* the fixed tables need it, too */
        case 1:
            if (id_field(mmfr0, 20) != 0)
                return 14;
            break;
        default:
            if (id_field(mmfr0, 24) == 0)
                return 16;
        }
    }
}

/* The random half's TCR_EL1 bits and the shared ones. */
static uint64_t random_tcr(struct space *s)
{
    unsigned most = id_field(mmfr0, 0) < 5 ? id_field(mmfr0, 0) : 5;
    unsigned ips = one_in(2) ? most : (unsigned)(random64() % (most + 1u));
    unsigned last = id_field(mmfr2, 28) == 0 ? 39 : s->granule == 16u ? 47 : 48;
    uint64_t tg = s->upper ? (s->granule == 12u   ? 2
                              : s->granule == 14u ? 1
                                                  : 3)
                           : (s->granule == 12u   ? 0
                              : s->granule == 14u ? 2
                                                  : 1);
    uint64_t tcr, mine = s->upper ? 0x3f0000ull : 0x3full;
    unsigned tsz;

    s->ips_bits = pa_sizes[ips];
    if (one_in(4))
        s->tsz = 16; /* as Linux */
    else
        s->tsz = 16u + (unsigned)(random64() % (last - 15u));
    s->ia_bits = 64u - s->tsz;
    s->stride = s->granule - 3u;
    s->start = 4 - (int)((s->ia_bits - s->granule + s->stride - 1u) / s->stride);
    tsz = s->tsz;
    if (one_in(10)) /* out of range */
        tsz = s->granule != 16u && one_in(2) ? 15u : 49u + (unsigned)(random64() % 15u);
    tcr = FIXED_TCR & ~mine & ~(3ull << (s->upper ? 30 : 14));
    tcr |= (uint64_t)tsz << (s->upper ? 16 : 0) | tg << (s->upper ? 30 : 14);
    tcr |= (uint64_t)ips << 32 | (random64() & (1ull << 22 | 1ull << 36)); /* A1, AS */
    tcr |= random64() & 1ull << (s->upper ? 38 : 37);                      /* TBI */
    if (one_in(16))
        tcr |= 1ull << (s->upper ? 23 : 7); /* EPD */
    if (id_field(mmfr1, 12) != 0)
        tcr |= random64() & 1ull << (s->upper ? 42 : 41); /* HPD */
    if (id_field(mmfr2, 60) != 0 && one_in(16))
        tcr |= 1ull << (s->upper ? 56 : 55); /* E0PD */
    if (id_field(mmfr1, 0) != 0)
        tcr |= random64() & 1ull << 39; /* HA */
    if (id_field(mmfr1, 0) > 1 && (tcr >> 39 & 1u))
        tcr |= random64() & 1ull << 40; /* HD */
    return tcr;
}

/* The top table, which lies anywhere in its page that its own size allows. */
static uint64_t random_ttbr(struct space *s)
{
    unsigned top_low = s->granule + s->stride * (3u - (unsigned)s->start);
    unsigned size = s->ia_bits - top_low + 3u;

    if (size < 6u) /* TTBR's lowest address bit */
        size = 6;
    s->top = new_table(s) + (random64() & low_bits(s->granule) & ~low_bits(size));
    if (one_in(32))
        return HOLE_HIGH;
    if (one_in(32) && s->ips_bits < 48u)
        return 1ull << s->ips_bits | s->top;
    return s->top;
}

static void clean_records(void)
{
    for (uint64_t va = RECORDS; va < (uint64_t)&records[count]; va += 64)
        __asm__ volatile("dc civac, %0" ::"r"(va) : "memory");
    __asm__ volatile("dsb sy" ::: "memory");
}

static char *put_hex(char *p, uint64_t n)
{
    unsigned shift = 60;

    while (shift != 0 && n >> shift == 0)
        shift -= 4;
    for (;; shift -= 4) {
        *p++ = "0123456789abcdef"[n >> shift & 0xfu];
        if (shift == 0)
            return p;
    }
}

static void print_record(const struct record *r, unsigned accesses)
{
    char line[6 * 20], *p = line;

    for (unsigned i = 0; i < accesses; i++) {
        uint64_t par = r->result[i].par, esr = r->result[i].esr;

        *p++ = ' ';
        if (i != 0 && esr == r->result[i - 1].esr && (esr != 0 || par == r->result[i - 1].par)) {
            *p++ = '=';
            continue;
        }
        if (esr != 0)
            *p++ = 'x';
        p = put_hex(p, esr != 0 ? esr : par);
    }
    *p = '\0';
    note("a %lx%s", r->address, line);
}

static void fixed_tables(void)
{
    const uint64_t block = DESC_BLOCK | DESC_IDX7 | DESC_SH | DESC_AF | DESC_UXN;

    for (uint64_t p = POOL; p < POOL_FIRST; p += 8)
        mmio_write64(p, 0);
    words(FIXED_L1 + 8, FIXED_L2 | DESC_TABLE, 0, 1);
    words(FIXED_L2, RAM_BASE | block | DESC_RO, 0, 1);
    words(FIXED_L2 + 8 * ((RECORDS - RAM_BASE) >> 21), RECORDS | block | DESC_PXN, 0, 1);
}

static void one_regime(bool upper, unsigned accesses)
{
    struct space s = {.upper = upper, .next = POOL_FIRST, .granule = random_granule()};
    unsigned pan = id_field(mmfr1, 20);
    struct regime r = {.mair = random_mair(), .more = accesses > 4, .has_pan = pan != 0};
    uint64_t paths[PATHS], ttbr;

    r.tcr = random_tcr(&s);
    ttbr = random_ttbr(&s);
    r.ttbr0 = upper ? FIXED_L1 : ttbr;
    r.ttbr1 = upper ? ttbr : FIXED_L1;
    r.alias = upper ? 0 : UPPER;
    r.records = RECORDS + r.alias;
    r.sctlr_off = READ_SYSREG(sctlr_el1);
    r.sctlr_on = (r.sctlr_off & ~SCTLR_WXN) | SCTLR_M | SCTLR_C | SCTLR_I;
    r.sctlr = r.sctlr_on | (random64() & SCTLR_WXN);
    if (pan != 0)
        r.pan = random64() & PSTATE_PAN;
    if (pan > 2)
        r.sctlr |= random64() & SCTLR_EPAN;
    r.fixed_tcr = FIXED_TCR;
    r.fixed_ttbr = FIXED_L1;
    r.fixed_mair = FIXED_MAIR;
    note("g %lx %lx %lx %lx %lx %lx", r.sctlr, r.tcr, r.ttbr0, r.ttbr1, r.mair, r.pan);

    count = 0;
    for (unsigned i = 0; i < PATHS; i++) {
        paths[i] = random64() & low_bits(s.ia_bits);
        if (i != 0 && one_in(2)) { /* most tables in common with another */
            unsigned same = s.granule + s.stride * (unsigned)(1u + random64() % 2u);

            if (same < s.ia_bits)
                paths[i] = (paths[i] & low_bits(same)) | (paths[i - 1] & ~low_bits(same));
        }
        map_path(&s, paths[i]);
        ask_around(&s, paths[i]);
    }
    ask_edges(&s);
    r.count = count;
    clean_records();
    walk_oracle_run(&r);
    clean_records();
    for (unsigned i = 0; i < count; i++)
        print_record(&records[i], accesses);
}

void test_main(void)
{
    unsigned accesses;

    mmfr0 = READ_SYSREG(id_aa64mmfr0_el1);
    mmfr1 = READ_SYSREG(id_aa64mmfr1_el1);
    mmfr2 = READ_SYSREG(S3_0_C0_C7_2);
    if (id_field(mmfr0, 28) == 0xfu) {
        skip("walk_oracle", "no_4_KiB_pages");
        return;
    }
    accesses = id_field(mmfr1, 20) > 1 ? 6 : 4;
    note("i %x %x", (unsigned)pa_sizes[id_field(mmfr0, 0) & 7u], accesses);
    fixed_tables();
    for (unsigned i = 0; i < REGIMES; i++)
        one_regime(i % 2u != 0, accesses);
    check_true(true, "address_translation_of_%u_regimes_ends", REGIMES);
}
