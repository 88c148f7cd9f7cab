/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SVE loads and stores: what the bus sees, what FFR tells, and what is left after a
 * fault. What the instructions compute is compared with a CPU in tests/oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "vmm/insn/insn_exec.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define PAGE    0x1000u
#define PAGES   4u
#define NOWHERE ~0ull
#define STRIDE  64u /* the CPU's longest vector; 32 bytes are in effect */
#define VL      32u
#define AREA    (32u * STRIDE + 17u * STRIDE / 8u)

enum kind { RAM, UNMAPPED, DEVICE, NORMAL_MMIO };

static struct machine {
    uint64_t x[31], sp;
    uint8_t ram[PAGES * PAGE];
    enum kind kind[PAGES];
    uint64_t refused; /* where the bus says -ENXIO */
    unsigned translations;
    char log[8192]; /* "r8:1000 w4:2000 " */
} m;

static uint8_t area[AREA];
static struct insn_sve sve;
static struct insn_ctx ctx;
static struct insn_fault fault;

static uint64_t get_x(void *opaque, unsigned reg)
{
    assert_true(reg < 31);
    return m.x[reg];
}

static uint64_t get_sp(void *opaque)
{
    return m.sp;
}

static int translate(void *opaque, gva_t addr, bool write, bool unprivileged,
                     struct insn_page *page, uint32_t *fsc)
{
    uint64_t n = addr.v / PAGE;

    assert_false(unprivileged);
    m.translations++;
    if (n >= PAGES || m.kind[n] == UNMAPPED) {
        *fsc = ESR_FSC_TRANSLATION | 3u;
        return -EFAULT;
    }
    *page = (struct insn_page){ipa(addr.v), m.kind[n] == DEVICE, m.kind[n] == RAM};
    return 0;
}

static void note(char what, unsigned size, uint64_t addr)
{
    size_t used = strlen(m.log);

    assert_int_equal(addr % size, 0);
    snprintf(m.log + used, sizeof(m.log) - used, "%c%u:%llx ", what, size,
             (unsigned long long)addr);
}

static int read_bus(void *opaque, ipa_t addr, unsigned size, uint64_t *value)
{
    note('r', size, addr.v);
    if (addr.v == m.refused)
        return -ENXIO;
    *value = ~0ull; /* what is above the size must not be used */
    memcpy(value, m.ram + addr.v, size);
    return 0;
}

static int write_bus(void *opaque, ipa_t addr, unsigned size, uint64_t value)
{
    note('w', size, addr.v);
    assert_true(size == 8 || value >> 8 * size == 0);
    if (addr.v == m.refused)
        return -ENXIO;
    memcpy(m.ram + addr.v, &value, size);
    return 0;
}

/* No SVE load or store writes X registers or touches V: there is nothing to call. */
static const struct insn_ops ops = {
    .get_x = get_x,
    .get_sp = get_sp,
    .translate = translate,
    .read = read_bus,
    .write = write_bus,
};

/* Bit n: byte n of the vector. */
static void set_p(unsigned reg, uint32_t bits)
{
    memcpy(sve.p + reg * STRIDE / 8, &bits, sizeof(bits));
}

static uint32_t ffr(void)
{
    uint32_t bits;

    memcpy(&bits, sve.ffr, sizeof(bits));
    return bits;
}

static int setup(void **state)
{
    memset(&m, 0, sizeof(m));
    for (unsigned n = 0; n < sizeof(m.ram); n++)
        m.ram[n] = (uint8_t)(n * 7 + (n >> 8) + 1);
    for (unsigned n = 0; n < AREA; n++)
        area[n] = (uint8_t)(n * 13 + (n >> 5));
    m.sp = 0x800;
    m.refused = NOWHERE;
    m.x[1] = 0x100;
    sve = insn_sve_at(area, STRIDE, VL);
    set_p(0, ~0u);
    memset(sve.ffr, 0xff, STRIDE / 8);
    ctx = (struct insn_ctx){.ops = &ops, .opaque = &m, .sve = &sve};
    return 0;
}

static int run(uint32_t word)
{
    struct insn insn;

    insn_decode(word, &insn);
    assert_true(insn_is_sve(&insn));
    m.log[0] = 0;
    m.translations = 0;
    return insn_exec(&ctx, &insn, &fault);
}

#define LD1B_B   0xa400a020u /* {z0.b}, p0/z, [x1] */
#define LD1H_D   0xa4e0a020u
#define LD1W_SP  0xa540a3e0u /* {z0.s}, p0/z, [sp] */
#define ST1W     0xe540e020u
#define ST2D     0xe5b0e020u
#define LDFF1W   0xa55f6020u
#define LDFF1D_Z 0xc5c2e020u /* {z0.d}, p0/z, [x1, z2.d] */
#define LDNF1W   0xa550a020u
#define LDR_Z    0x85804020u
#define STR_Z    0xe5804020u
#define LDR_P1   0x85800021u
#define STR_P1   0xe5800021u
#define LD1RQW   0xa5002020u
#define LD1ROH   0xa4a02020u
#define LD1RW_D  0x8540e020u
#define LD1D_Z   0xc5c2c020u
#define ST1D_Z   0xe582a020u
#define LDFF1B_B 0xa41f6020u

static void sve_accesses_active_elements_only_each_in_its_size(void **state)
{
    static const struct {
        uint32_t word, predicate;
        uint64_t address;
        const char *log;
    } cases[] = {
        {LD1H_D, ~0u, 0x100, "r2:100 r2:102 r2:104 r2:106 "},
        {LD1H_D, 1u << 8 | 1u << 25, 0x100, "r2:102 "},
        {LD1B_B, 0x80000001, 0x101, "r1:101 r1:120 "},
        {ST1W, 0x11, 0x100, "w4:100 w4:104 "},
        {ST1W, 0x11, 0x102, "w2:102 w2:104 w2:106 w2:108 "},
        {ST2D, 0x00010100, 0x100, "w8:110 w8:118 w8:120 w8:128 "},
        {LDR_Z, 0, 0x100, "r8:100 r8:108 r8:110 r8:118 "},
        {STR_Z, 0, 0x104, "w4:104 w8:108 w4:110 w4:114 w8:118 w4:120 "},
        {STR_P1, 0, 0x102, "w2:102 w2:104 "},
        {LD1RQW, 0x1010, 0x100, "r4:104 r4:10c "},
        {LD1ROH, 0x40000000, 0x100, "r2:11e "},
        {LD1RW_D, 1u << 16, 0x100, "r4:100 "},
        {LD1RW_D, 0, 0x100, ""},
        {LDFF1W, 1u << 20, 0x100, "r4:114 "},
        {LD1B_B, 0, 0xfffffffffff, ""},
    };

    for (size_t n = 0; n < COUNT(cases); n++) {
        setup(NULL);
        set_p(0, cases[n].predicate);
        m.x[1] = cases[n].address;
        assert_int_equal(run(cases[n].word), 0);
        assert_string_equal(m.log, cases[n].log);
    }
}

static void sve_load_zeroes_inactive_elements_and_what_is_beyond_the_length(void **state)
{
    set_p(0, 0x00000100);
    assert_int_equal(run(LD1H_D), 0);
    for (unsigned b = 0; b < STRIDE; b++)
        assert_int_equal(sve.z[b], b == 8 || b == 9 ? m.ram[0x102 + b - 8] : 0);
    assert_int_equal(sve.z[STRIDE], (uint8_t)(STRIDE * 13 + (STRIDE >> 5))); /* z1 stays */
    assert_true(sve.written);
    assert_int_equal(run(LDR_P1), 0);
    assert_memory_equal(sve.p + STRIDE / 8, m.ram + 0x100, VL / 8);
    assert_int_equal(sve.p[STRIDE / 8 + VL / 8], 0);
}

static void sve_store_changes_no_register(void **state)
{
    static uint8_t before[AREA];

    memcpy(before, area, AREA);
    assert_int_equal(run(ST2D), 0);
    assert_int_equal(run(STR_P1), 0);
    assert_memory_equal(area, before, AREA);
    assert_false(sve.written);
}

static void sve_pages_are_translated_once_and_only_if_an_active_element_is_there(void **state)
{
    m.x[1] = 0xff0;
    assert_int_equal(run(LD1B_B), 0);
    assert_int_equal(m.translations, 2);
    m.kind[1] = UNMAPPED;
    set_p(0, 0xffff);
    assert_int_equal(run(LD1B_B), 0);
    assert_int_equal(m.translations, 1);
    set_p(0, 0x1ffff);
    assert_int_equal(run(LD1B_B), -EFAULT);
    assert_int_equal(fault.kind, INSN_FAULT_TRANSLATE);
    assert_int_equal(fault.far.v, 0x1000);
}

static void sve_fault_leaves_all_as_it_was(void **state)
{
    static uint8_t before[AREA];
    static const uint32_t words[] = {LD1B_B, LDR_Z, ST1W, ST2D, LDR_P1};

    for (size_t n = 0; n < COUNT(words); n++) {
        setup(NULL);
        memcpy(before, area, AREA);
        m.kind[1] = UNMAPPED;
        m.x[1] = 0xffd;
        assert_int_equal(run(words[n]), -EFAULT);
        assert_int_equal(fault.far.v, 0x1000);
        assert_int_equal(fault.write, words[n] == ST1W || words[n] == ST2D);
        assert_string_equal(m.log, "");
        assert_memory_equal(area, before, AREA);
    }
}

static void sve_bus_error_leaves_registers_as_they_were(void **state)
{
    static uint8_t before[AREA];

    memcpy(before, area, AREA);
    m.refused = 0x102;
    assert_int_equal(run(LD1H_D), -EFAULT);
    assert_int_equal(fault.kind, INSN_FAULT_BUS);
    assert_int_equal(fault.far.v, 0x102);
    assert_int_equal(fault.error, -ENXIO);
    assert_memory_equal(area, before, AREA);
}

/* Arm ARM, MemSingleNF: a Device is not accessed by what may not fault. */
static void sve_first_fault_does_the_first_and_leaves_out_what_is_not_ram(void **state)
{
    static const enum kind kinds[] = {UNMAPPED, DEVICE, NORMAL_MMIO};

    for (size_t n = 0; n < COUNT(kinds); n++) {
        setup(NULL);
        m.x[1] = 0xff8;
        m.kind[1] = kinds[n];
        assert_int_equal(run(LDFF1W), 0);
        assert_string_equal(m.log, "r4:ff8 r4:ffc ");
        assert_int_equal(ffr(), 0x000000ff);
        assert_memory_equal(sve.z, m.ram + 0xff8, 8);
        for (unsigned b = 8; b < STRIDE; b++)
            assert_int_equal(sve.z[b], 0);
        assert_int_equal(fault.kind, INSN_FAULT_NONE);
    }
    setup(NULL);
    m.kind[0] = DEVICE;
    set_p(0, 0x00011000);
    assert_int_equal(run(LDFF1W), 0);
    assert_string_equal(m.log, "r4:10c ");
    assert_int_equal(ffr(), 0x0000ffff);
    m.kind[0] = UNMAPPED;
    assert_int_equal(run(LDFF1W), -EFAULT);
    assert_int_equal(fault.far.v, 0x10c);
}

static void sve_first_fault_clears_ffr_and_never_sets_it(void **state)
{
    memset(sve.ffr, 0, STRIDE / 8);
    assert_int_equal(run(LDFF1W), 0);
    assert_int_equal(ffr(), 0);
    assert_string_equal(m.log, "r4:100 r4:104 r4:108 r4:10c r4:110 r4:114 r4:118 r4:11c ");
}

/* Wherever the first active element is: what the oracle's CPU gets wrong. */
static void sve_first_fault_takes_the_first_active_element_for_it(void **state)
{
    for (unsigned first = 0; first < VL; first++) {
        setup(NULL);
        m.kind[0] = NORMAL_MMIO;
        set_p(0, ~0u << first);
        assert_int_equal(run(LDFF1B_B), 0);
        for (unsigned b = 0; b < VL; b++)
            assert_int_equal(sve.z[b], b == first ? m.ram[0x100 + first] : 0);
        assert_int_equal(ffr(), (uint32_t)((2ull << first) - 1));
    }
}

static void sve_non_fault_does_not_access_a_device(void **state)
{
    m.kind[0] = DEVICE;
    assert_int_equal(run(LDNF1W), 0);
    assert_string_equal(m.log, "");
    assert_int_equal(ffr(), 0);
    setup(NULL);
    m.refused = 0x108;
    assert_int_equal(run(LDNF1W), 0);
    assert_int_equal(ffr(), 0xff);
    assert_int_equal(fault.kind, INSN_FAULT_NONE);
}

static void set_z2(uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t values[] = {a, b, c, d};

    memcpy(sve.z + 2 * STRIDE, values, sizeof(values));
}

static void sve_gather_reads_each_address(void **state)
{
    set_z2(0x2000, 0x10, ~0ull - 7, 0xefc);
    assert_int_equal(run(LD1D_Z), 0);
    assert_string_equal(m.log, "r8:2100 r8:110 r8:f8 r4:ffc r4:1000 ");
    assert_memory_equal(sve.z + 24, m.ram + 0xffc, 8);
    set_z2(0, 0, NOWHERE, 0);
    set_p(0, 0x01000101);
    assert_int_equal(run(ST1D_Z), 0);
    assert_string_equal(m.log, "w8:100 w8:100 w8:100 ");
    assert_memory_equal(m.ram + 0x100, sve.z + 24, 8); /* the last one's */
}

static void sve_gather_between_two_pages_translates_each_once(void **state)
{
    set_z2(0, 0x1000, 8, 0x1008);
    assert_int_equal(run(LD1D_Z), 0);
    assert_string_equal(m.log, "r8:100 r8:1100 r8:108 r8:1108 ");
    assert_int_equal(m.translations, 2);
}

static void sve_gather_of_first_fault_stops_at_the_first_bad_address(void **state)
{
    m.kind[2] = UNMAPPED;
    set_z2(0, 8, 0x2000, 16);
    assert_int_equal(run(LDFF1D_Z), 0);
    assert_string_equal(m.log, "r8:100 r8:108 ");
    assert_int_equal(ffr(), 0xffff);
}

static void sve_big_endian_swaps_elements_but_not_whole_registers(void **state)
{
    ctx.big_endian = true;
    assert_int_equal(run(LD1H_D), 0);
    assert_int_equal(sve.z[0], m.ram[0x101]);
    assert_int_equal(sve.z[1], m.ram[0x100]);
    assert_int_equal(run(LDR_Z), 0);
    assert_memory_equal(sve.z, m.ram + 0x100, VL);
}

static void sve_checks_alignment(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t address;
        bool aligned, device;
        enum insn_fault_kind kind;
    } cases[] = {
        {ST1W, 0x102, false, false, INSN_FAULT_NONE},
        {ST1W, 0x102, true, false, INSN_FAULT_ALIGNMENT},
        {ST1W, 0x102, false, true, INSN_FAULT_ALIGNMENT},
        {ST1W, 0x104, true, true, INSN_FAULT_NONE},
        {STR_Z, 0x108, false, false, INSN_FAULT_NONE},
        {STR_Z, 0x108, true, false, INSN_FAULT_ALIGNMENT},
        {STR_Z, 0x108, false, true, INSN_FAULT_ALIGNMENT},
        {STR_P1, 0x102, true, true, INSN_FAULT_NONE},
    };

    for (size_t n = 0; n < COUNT(cases); n++) {
        setup(NULL);
        ctx.aligned = cases[n].aligned;
        m.kind[0] = cases[n].device ? DEVICE : RAM;
        m.x[1] = cases[n].address;
        assert_int_equal(run(cases[n].word), cases[n].kind ? -EFAULT : 0);
        assert_int_equal(fault.kind, cases[n].kind);
        if (cases[n].kind)
            assert_int_equal(fault.far.v, cases[n].address);
    }
}

static void sve_stack_pointer_is_checked_if_something_is_accessed(void **state)
{
    ctx.sp_aligned = true;
    m.sp = 0x808;
    assert_int_equal(run(LD1W_SP), -EFAULT);
    assert_int_equal(fault.kind, INSN_FAULT_SP);
    set_p(0, 0);
    assert_int_equal(run(LD1W_SP), 0);
}

static void sve_refuses_lengths_that_no_cpu_has(void **state)
{
    static const struct {
        unsigned vl, stride;
    } bad[] = {{0, 64}, {8, 64}, {80, 64}, {16, 272}, {16, 24}, {~0u & ~15u, 64}};

    for (size_t n = 0; n < COUNT(bad); n++) {
        sve.vl = bad[n].vl;
        sve.stride = bad[n].stride;
        assert_int_equal(run(LD1B_B), -EOPNOTSUPP);
    }
    sve.vl = 16;
    sve.stride = 64;
    assert_int_equal(run(LD1ROH), -EOPNOTSUPP); /* 32 bytes do not fit */
    assert_int_equal(run(LD1RQW), 0);
}

static void sve_length_is_what_zcr_allows_of_what_there_is(void **state)
{
    static const struct {
        uint32_t lengths;
        uint64_t zcr;
        unsigned vl;
    } cases[] = {
        {0, 15, 0},           {1, 0, 16},         {1, 15, 16},       {0x8b, 15, 128},
        {0x8b, 6, 64},        {0x8b, 2, 32},      {0xffff, 15, 256}, {0xffff, 7, 128},
        {0xffff, ~0ull, 256}, {0x8b, ~7ull, 128},
    };

    for (size_t n = 0; n < COUNT(cases); n++)
        assert_int_equal(insn_sve_vl(cases[n].lengths, cases[n].zcr), cases[n].vl);
}

/* The predicate's bits beyond the vector length belong to no element. */
static void sve_elements_beyond_the_length_are_not_there(void **state)
{
    set_p(0, 0);
    memset(sve.p + VL / 8, 0xff, (STRIDE - VL) / 8);
    assert_int_equal(run(0x84408020), 0); /* ld1rb {z0.b}, p0/z, [x1] */
    assert_string_equal(m.log, "");
    assert_int_equal(run(0xa400a020), 0); /* ld1b {z0.b}, p0/z, [x1] */
    assert_string_equal(m.log, "");
    memset(sve.p, 0xff, STRIDE / 8);
    assert_int_equal(run(0x84408020), 0);
    for (unsigned n = 0; n < STRIDE; n++)
        assert_int_equal(sve.z[n], n < VL ? m.ram[0x100] : 0);
}

/* The longest vectors fill the emulation's tables: what is behind each must not be reached. */
static void sve_longest_vectors_reach_nothing_behind_them(void **state)
{
    static uint8_t longest[32 * INSN_VL_MAX + 17 * INSN_VL_MAX / 8 + 16];

    memset(longest, 0xff, sizeof(longest));
    sve = insn_sve_at(longest, INSN_VL_MAX, INSN_VL_MAX);
    memset(sve.p, 0, INSN_VL_MAX / 8);
    sve.p[0] = 1;                         /* element 0 alone */
    assert_int_equal(run(0xa400a020), 0); /* ld1b {z0.b}, p0/z, [x1] */
    assert_int_equal(sve.z[0], m.ram[0x100]);
    for (unsigned n = 1; n < INSN_VL_MAX; n++)
        assert_int_equal(sve.z[n], 0);
    /* A first-faulting load that leaves out all but the first element clears FFR, to its end. */
    memset(sve.p, 0xff, INSN_VL_MAX / 8);
    m.x[1] = PAGE - 1;
    m.kind[1] = UNMAPPED;
    assert_int_equal(run(0xa41f6020), 0); /* ldff1b {z0.b}, p0/z, [x1, xzr] */
    assert_int_equal(sve.ffr[0], 1);
    for (unsigned n = 1; n < INSN_VL_MAX / 8; n++)
        assert_int_equal(sve.ffr[n], 0);
    for (const uint8_t *guard = sve.ffr + INSN_VL_MAX / 8; guard < longest + sizeof(longest);
         guard++)
        assert_int_equal(*guard, 0xff);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sve_accesses_active_elements_only_each_in_its_size),
        TEST(sve_load_zeroes_inactive_elements_and_what_is_beyond_the_length),
        TEST(sve_store_changes_no_register),
        TEST(sve_pages_are_translated_once_and_only_if_an_active_element_is_there),
        TEST(sve_fault_leaves_all_as_it_was),
        TEST(sve_bus_error_leaves_registers_as_they_were),
        TEST(sve_first_fault_does_the_first_and_leaves_out_what_is_not_ram),
        TEST(sve_first_fault_clears_ffr_and_never_sets_it),
        TEST(sve_first_fault_takes_the_first_active_element_for_it),
        TEST(sve_non_fault_does_not_access_a_device),
        TEST(sve_gather_reads_each_address),
        TEST(sve_gather_between_two_pages_translates_each_once),
        TEST(sve_gather_of_first_fault_stops_at_the_first_bad_address),
        TEST(sve_big_endian_swaps_elements_but_not_whole_registers),
        TEST(sve_checks_alignment),
        TEST(sve_stack_pointer_is_checked_if_something_is_accessed),
        TEST(sve_elements_beyond_the_length_are_not_there),
        TEST(sve_longest_vectors_reach_nothing_behind_them),
        TEST(sve_refuses_lengths_that_no_cpu_has),
        TEST(sve_length_is_what_zcr_allows_of_what_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
