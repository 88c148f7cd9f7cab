/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every kind of write to RAM, for snapshots that track them. Each key at the UART is a round: each kind
 * writes to memory of its own, 2 MiB from the others, which nothing else writes. It is checked that
 * each write was made, and once. A second CPU adds to one word all the time. The key 'q' ends.
 */
#include "tests/payloads/guest.h"
#include "tests/payloads/mmu.h"
#include "tests/payloads/testdev.h"

#define UART_DR      (UART_BASE + 0x00)
#define UART_FR      (UART_BASE + 0x18)
#define UART_FR_RXFE 0x10u

#define STEP   0x200000ull
#define AREA   (RAM_BASE + 16 * STEP)
#define PIECE  0x10000ull /* a border within a slot */
#define CPU1   1u
#define LSE    (READ_SYSREG(id_aa64isar0_el1) >> 20 & 0xf)
#define SVE    (READ_SYSREG(id_aa64pfr0_el1) >> 32 & 0xf)
#define HAFDBS (READ_SYSREG(id_aa64mmfr1_el1) & 0xf)

/* The slots behind those of the table of writes. */
#define SLOT_SHARED 32u /* both CPUs add to it */
#define SLOT_COUNT  33u /* what the second CPU has added */
#define SLOT_DEVICE 34u /* from here on 2: what a device reads, and writes */
#define SLOT_CODE   36u
#define SLOT_DATA   37u /* behind a table whose dirty state the CPU sets */
#define SLOT_TABLES 38u /* from here on 3 for each of two rounds */

#define ALIAS      0xffff008080600000ull /* TTBR1: indices 1, 2, 3, and then a page's */
#define PAGE_AT(i) (ALIAS + (i)*0x200000ull + 4 * 0x1000)
#define DESC_TABLE 0x3ull
#define DESC_PAGE  0x3ull
#define DESC_RO    (1ull << 7)
#define DESC_INNER (3ull << 8)
#define DESC_AF    (1ull << 10)
#define DESC_DBM   (1ull << 51)
#define DESC_UXN   (1ull << 54)

#define TCR_TTBR0 (25ull | 0x1ull << 8 | 0x1ull << 10 | 0x3ull << 12) /* as mmu.c has it */
#define TCR_TTBR1 (16ull << 16 | 0x1ull << 24 | 0x1ull << 26 | 0x3ull << 28 | 0x2ull << 30)
#define TCR_HA    (1ull << 39)
#define TCR_HD    (1ull << 40)

static uint64_t upper[3][512] __attribute__((aligned(4096)));
static uint64_t added; /* by this CPU */
static volatile unsigned stop;

static uint64_t slot(unsigned i)
{
    return AREA + i * STEP;
}

static uint64_t load(uint64_t p)
{
    return *(volatile uint64_t *)p;
}

/* Each writes `v`, which is different in each round, to `p`, and says whether it is there. */
#define WRITE(name, code, is)                                                               \
    static bool name(uint64_t p, uint64_t v)                                                \
    {                                                                                       \
        uint64_t a = v + 1, b = 0, at = p;                                                  \
        (void)b;                                                                            \
        __asm__ volatile(".arch armv8.2-a+lse+sve\n\t" code                                 \
                         : "+r"(a), "+r"(b), "+r"(at)                                       \
                         : "r"(v), "r"(p)                                                   \
                         : "memory", "cc", "x6", "x7", "x8", "x9", "v0", "v1", "v2", "v3"); \
        return (is);                                                                        \
    }
#define A  "%0"
#define B  "%1"
#define AT "%2"
#define V  "%3"
#define P  "%4"

WRITE(w_str, "str " V ", [" P "]", load(p) == v)
WRITE(w_strb, "strb %w3, [" P "]", (load(p) & 0xff) == (v & 0xff))
WRITE(w_stp, "stp " V ", " A ", [" P "]", load(p) == v && load(p + 8) == a)
WRITE(w_pre, "str " V ", [" AT ", #8]!", load(p + 8) == v && at == p + 8)
WRITE(w_post, "str " V ", [" AT "], #-16", load(p) == v && at == p - 16)
WRITE(w_stlr, "stlr " V ", [" P "]", load(p) == v)
WRITE(w_stnp, "stnp " V ", " A ", [" P ", #16]", load(p + 16) == v && load(p + 24) == a)
WRITE(w_exclusive,
      "1: ldxr x6, [" P "]\n\tadd " B ", x6, #1\n\tstxr w7, " B ", [" P "]\n\tcbnz w7, 1b",
      load(p) == b)
WRITE(w_stxp, "1: ldxp x6, x7, [" P "]\n\tstxp w8, " V ", " A ", [" P "]\n\tcbnz w8, 1b",
      load(p) == v && load(p + 8) == a)
WRITE(w_zva, "dc zva, " P, load(p) == 0 && load(p + 8) == 0)
WRITE(w_q, "fmov d0, " V "\n\tstr q0, [" P "]", load(p) == v && load(p + 8) == 0)
WRITE(w_stp_q, "dup v0.2d, " V "\n\tstp q0, q0, [" P "]", load(p) == v && load(p + 24) == v)
WRITE(w_st1, "dup v0.2d, " V "\n\tdup v1.2d, " A "\n\tst2 {v0.2d, v1.2d}, [" P "]",
      load(p) == v && load(p + 8) == a && load(p + 24) == a)
/* The last bytes of one piece, and the first ones of the next. */
WRITE(w_across, "str " V ", [" AT "]", load(at) == v)
WRITE(w_ldadd, "ldaddal " V ", " B ", [" P "]", load(p) == b + v)
WRITE(w_stadd, "ldr " B ", [" P "]\n\tstadd " V ", [" P "]", load(p) == b + v)
WRITE(w_swp, "swpal " V ", " B ", [" P "]", load(p) == v)
WRITE(w_cas, "ldr " B ", [" P "]\n\tcasal " B ", " V ", [" P "]", load(p) == v)
WRITE(w_casp,
      "ldp x6, x7, [" P "]\n\tmov x8, " V "\n\tmov x9, " A "\n\tcaspal x6, x7, x8, x9, [" P "]",
      load(p) == v && load(p + 8) == a)
WRITE(w_ldset, "ldset " V ", " B ", [" P "]", load(p) == (b | v))
WRITE(w_sve, "ptrue p0.d\n\tmov z0.d, " V "\n\tst1d {z0.d}, p0, [" P "]",
      load(p) == v && load(p + 8) == v)

static bool across(uint64_t p, uint64_t v)
{
    return w_across(p + PIECE - 3, v);
}

/* At EL0, and by EL1 as EL0. */
__asm__(".balign 8\nel0_store: str x0, [x0]\n\tsvc #0\n\t");
extern char el0_store[];

static bool w_el0(uint64_t p, uint64_t v)
{
    uint64_t alias = MMU_EL0_RAM_ALIAS - RAM_BASE, at = p + v % 512 * 8;

    el0_call((uint64_t)el0_store + alias, at + alias);
    return load(at) == at + alias;
}

static bool w_sttr(uint64_t p, uint64_t v)
{
    __asm__ volatile("sttr %0, [%1]" ::"r"(v), "r"(p + MMU_EL0_RAM_ALIAS - RAM_BASE) : "memory");
    return load(p) == v;
}

/* Nothing is in the caches that memory does not have. */
static bool w_ivac(uint64_t p, uint64_t v)
{
    (void)v;
    __asm__ volatile("dc civac, %0\n\tdsb sy\n\tdc ivac, %0\n\tdsb sy" ::"r"(p) : "memory");
    return load(p) == 0;
}

static const struct {
    const char *name;
    bool (*write)(uint64_t p, uint64_t v);
    char needs; /* 'l': LSE, 's': SVE */
} writes[] = {
    {"str", w_str, 0},
    {"strb", w_strb, 0},
    {"stp", w_stp, 0},
    {"str_pre_index", w_pre, 0},
    {"str_post_index", w_post, 0},
    {"stlr", w_stlr, 0},
    {"stnp", w_stnp, 0},
    {"ldxr_stxr", w_exclusive, 0},
    {"stxp", w_stxp, 0},
    {"dc_zva", w_zva, 0},
    {"str_q", w_q, 0},
    {"stp_q", w_stp_q, 0},
    {"st2", w_st1, 0},
    {"str_across_pages", across, 0},
    {"el0", w_el0, 0},
    {"sttr", w_sttr, 0},
    {"dc_ivac", w_ivac, 0},
    {"ldadd", w_ldadd, 'l'},
    {"stadd", w_stadd, 'l'},
    {"swp", w_swp, 'l'},
    {"cas", w_cas, 'l'},
    {"casp", w_casp, 'l'},
    {"ldset", w_ldset, 'l'},
    {"sve_st1", w_sve, 's'},
};
#define NR_WRITES (sizeof(writes) / sizeof(writes[0]))
_Static_assert(NR_WRITES <= SLOT_SHARED, "slots");

static bool is_there(char needs)
{
    return needs == 'l' ? LSE != 0 : needs == 's' ? SVE != 0 : true;
}

/*
 * A round's tables are written before it: then a write of the round is the CPU's own. Table 0 has a page
 * to be read, 1 a page to be written, 2 a page to be executed. Data and code are where they are otherwise.
 */
static void make_tables(unsigned round)
{
    for (unsigned i = 0; i < 3; i++) {
        uint64_t *table = (uint64_t *)slot(SLOT_TABLES + 3 * (round % 2) + i);
        uint64_t page = i == 2 ? slot(SLOT_CODE) : slot(SLOT_DATA);

        table[4] =
            page | DESC_PAGE | DESC_INNER | DESC_UXN | (i == 1 ? DESC_RO | DESC_DBM | DESC_AF : 0);
        upper[2][3 + i] = (uint64_t)table | DESC_TABLE;
    }
    __asm__ volatile("dsb sy\n\ttlbi vmalle1is\n\tdsb sy\n\tisb" ::: "memory");
}

static uint64_t leaf(unsigned round, unsigned i)
{
    return load(slot(SLOT_TABLES + 3 * (round % 2) + i) + 4 * 8);
}

static unsigned call(uint64_t at)
{
    return ((unsigned (*)(void))(uintptr_t)at)();
}

static void check_tables(unsigned round)
{
    if (HAFDBS < 1)
        return;
    (void)mmio_read32(PAGE_AT(0));
    check(leaf(round, 0) & DESC_AF, DESC_AF, "walk_of_a_read_sets_the_access_flag");
    check(call(PAGE_AT(2)), round + 1, "code_of_a_new_page_runs");
    check(leaf(round, 2) & DESC_AF, DESC_AF, "walk_of_a_fetch_sets_the_access_flag");
    if (HAFDBS < 2)
        return;
    mmio_write64(PAGE_AT(1), round);
    check(leaf(round, 1) & DESC_RO, 0, "walk_of_a_write_sets_the_dirty_state");
    check(load(slot(SLOT_DATA)), round, "write_behind_it_is_there");
}

static void copy(uint64_t to, uint64_t from, uint64_t len)
{
    mmio_write64(TESTDEV_BASE + TESTDEV_DMA_TO, to);
    mmio_write64(TESTDEV_BASE + TESTDEV_DMA_FROM, from);
    mmio_write64(TESTDEV_BASE + TESTDEV_DMA_LEN, len);
    check(mmio_read64(TESTDEV_BASE + TESTDEV_DMA_LEN), 0, "device_copies");
}

/* mov w0, #n; ret */
static uint64_t code(unsigned n)
{
    return 0x52800000ull | n << 5 | 0xd65f03c0ull << 32;
}

/* A device brings code, which is not executable then (vmm/vm/code_pages.h), and the CPU changes it. */
static void check_device(unsigned round)
{
    uint64_t from = slot(SLOT_DEVICE), to = slot(SLOT_CODE);

    *(volatile uint64_t *)from = code(1000 + round);
    copy(slot(SLOT_DEVICE + 1), from, 4096);
    check(load(slot(SLOT_DEVICE + 1)), code(1000 + round), "copy_is_there");
    copy(to, from, 4096);
    *(volatile uint64_t *)(to + 0x800) = round;
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(to)
                     : "memory");
    check(call(to), 1000 + round, "code_that_a_device_brings_runs_beside_a_write");
    *(volatile uint64_t *)to = code(round + 1);
    __asm__ volatile("dc cvau, %0\n\tdsb ish\n\tic ivau, %0\n\tdsb ish\n\tisb" ::"r"(to)
                     : "memory");
    check(call(to), round + 1, "code_that_the_cpu_writes_runs");
}

static void add(uint64_t p, uint64_t n)
{
    (void)__atomic_fetch_add((uint64_t *)p, n, __ATOMIC_SEQ_CST);
}

/* Its caches are off, as at reset: only the order of its own accesses is sure. */
static void second_cpu(uint64_t context)
{
    uint64_t count = 0;

    (void)context;
    mmu_on();
    while (!stop) {
        add(slot(SLOT_SHARED), 1);
        *(volatile uint64_t *)slot(SLOT_COUNT) = ++count;
    }
    stop = 2;
    for (;;)
        wfi();
}

static char key(void)
{
    while (mmio_read32(UART_FR) & UART_FR_RXFE)
        ;
    return (char)mmio_read32(UART_DR);
}

static void play(unsigned round)
{
    uint64_t value = 0x0101010101010101ull * (round % 250 + 1);

    for (unsigned i = 0; i < NR_WRITES; i++) {
        if (is_there(writes[i].needs))
            check_true(writes[i].write(slot(i), value), "%s_is_made_once", writes[i].name);
    }
    check_device(round);
    check_tables(round);
    for (unsigned i = 0; i < 1000; i++, added++)
        add(slot(SLOT_SHARED), 1);
    note("round %u", round);
}

void test_main(void)
{
    bool has_second;

    WRITE_SYSREG(cpacr_el1, 3ull << 20 | 3ull << 16);
    upper[0][1] = (uint64_t)upper[1] | DESC_TABLE;
    upper[1][2] = (uint64_t)upper[2] | DESC_TABLE;
    mmu_on();
    WRITE_SYSREG(ttbr1_el1, (uint64_t)upper);
    WRITE_SYSREG(tcr_el1, TCR_TTBR0 | TCR_TTBR1 | 2ull << 32 | (HAFDBS > 0 ? TCR_HA : 0) |
                              (HAFDBS > 1 ? TCR_HD : 0));
    *(volatile uint64_t *)slot(SLOT_SHARED) = 0;
    cpu1_main = second_cpu;
    has_second = psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, 0) == PSCI_SUCCESS;
    for (unsigned round = 0;; round++) {
        make_tables(round);
        note("ready for round %u", round);
        if (key() == 'q')
            break;
        play(round);
    }
    stop = 1;
    while (has_second && stop != 2)
        ;
    check(load(slot(SLOT_SHARED)), added + (has_second ? load(slot(SLOT_COUNT)) : 0),
          "additions_of_both_cpus_are_all_there");
    mmu_off();
}
