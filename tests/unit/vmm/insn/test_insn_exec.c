/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Execution of loads and stores: what the bus sees, and what is left after a
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

#define RAM_SIZE 0x4000u
#define PAGE     0x1000u
#define NOWHERE  ~0ull

struct machine {
    uint64_t x[31], sp, v[32][2];
    uint8_t ram[RAM_SIZE];
    uint64_t map[4]; /* IPA of each page of gva 0 to 0x3fff; NOWHERE: fault */
    bool read_only[4];
    bool device;       /* stage 1 says Device */
    uint64_t refused;  /* IPA where the bus says -ENXIO */
    bool unprivileged; /* the last translation was */
    unsigned writes;
    unsigned x_read, x_written, v_read, v_written, translated; /* calls, by the last run */
    char log[2048];                                            /* "r8:1000 w4:2000 " */
};

struct registers {
    uint64_t x[31], sp, v[32][2];
};

static uint64_t get_x(void *opaque, unsigned reg)
{
    assert_true(reg < 31);
    ((struct machine *)opaque)->x_read++;
    return ((struct machine *)opaque)->x[reg];
}

static void set_x(void *opaque, unsigned reg, uint64_t value)
{
    assert_true(reg < 31);
    ((struct machine *)opaque)->x_written++;
    ((struct machine *)opaque)->x[reg] = value;
}

static uint64_t get_sp(void *opaque)
{
    return ((struct machine *)opaque)->sp;
}

static void set_sp(void *opaque, uint64_t value)
{
    ((struct machine *)opaque)->sp = value;
}

static void get_v(void *opaque, unsigned reg, uint64_t value[2])
{
    assert_true(reg < 32);
    ((struct machine *)opaque)->v_read++;
    memcpy(value, ((struct machine *)opaque)->v[reg], 16);
}

static void set_v(void *opaque, unsigned reg, const uint64_t value[2])
{
    assert_true(reg < 32);
    ((struct machine *)opaque)->v_written++;
    memcpy(((struct machine *)opaque)->v[reg], value, 16);
}

static int translate(void *opaque, gva_t addr, bool write, bool unprivileged,
                     struct insn_page *page, uint32_t *fsc)
{
    struct machine *m = opaque;
    uint64_t n = addr.v / PAGE;

    m->unprivileged = unprivileged;
    m->translated++;
    if (n >= COUNT(m->map) || m->map[n] == NOWHERE) {
        *fsc = ESR_FSC_TRANSLATION | 3u;
        return -EFAULT;
    }
    if (write && m->read_only[n]) {
        *fsc = ESR_FSC_PERMISSION | 3u;
        return -EFAULT;
    }
    *page = (struct insn_page){ipa(m->map[n] + addr.v % PAGE), m->device, !m->device};
    return 0;
}

static void note(struct machine *m, char what, unsigned size, uint64_t addr)
{
    size_t used = strlen(m->log);

    assert_true(size == 1 || size == 2 || size == 4 || size == 8);
    assert_int_equal(addr % size, 0);
    snprintf(m->log + used, sizeof(m->log) - used, "%c%u:%llx ", what, size,
             (unsigned long long)addr);
}

static int read_bus(void *opaque, ipa_t addr, unsigned size, uint64_t *value)
{
    struct machine *m = opaque;

    note(m, 'r', size, addr.v);
    if (addr.v == m->refused || addr.v > RAM_SIZE - size)
        return -ENXIO;
    *value = ~0ull; /* what is above the size must not be used */
    memcpy(value, m->ram + addr.v, size);
    return 0;
}

static int write_bus(void *opaque, ipa_t addr, unsigned size, uint64_t value)
{
    struct machine *m = opaque;

    note(m, 'w', size, addr.v);
    assert_true(size == 8 || value >> 8 * size == 0);
    m->writes++;
    if (addr.v == m->refused || addr.v > RAM_SIZE - size)
        return -ENXIO;
    memcpy(m->ram + addr.v, &value, size);
    return 0;
}

static const struct insn_ops ops = {
    .get_x = get_x,
    .set_x = set_x,
    .get_sp = get_sp,
    .set_sp = set_sp,
    .get_v = get_v,
    .set_v = set_v,
    .translate = translate,
    .read = read_bus,
    .write = write_bus,
};

static struct machine m;
static struct insn_ctx ctx;
static struct insn_fault fault;

static int setup(void **state)
{
    memset(&m, 0, sizeof(m));
    for (unsigned n = 0; n < RAM_SIZE; n++)
        m.ram[n] = (uint8_t)(n * 7 + (n >> 8));
    for (unsigned n = 0; n < COUNT(m.map); n++)
        m.map[n] = n * PAGE;
    for (unsigned n = 0; n < 31; n++)
        m.x[n] = 0xaaaabbbbccccdd00ull + n;
    for (unsigned n = 0; n < 64; n++)
        m.v[n / 2][n % 2] = 0x5555666677778800ull + n;
    m.sp = 0x800;
    m.refused = NOWHERE;
    ctx = (struct insn_ctx){.ops = &ops, .opaque = &m, .zva_size = 64};
    return 0;
}

static int run(uint32_t word)
{
    struct insn insn;

    insn_decode(word, &insn);
    m.log[0] = 0;
    m.x_read = m.x_written = m.v_read = m.v_written = m.translated = 0;
    return insn_exec(&ctx, &insn, &fault);
}

static struct registers registers(void)
{
    struct registers r;

    memcpy(r.x, m.x, sizeof(r.x));
    memcpy(r.v, m.v, sizeof(r.v));
    r.sp = m.sp;
    return r;
}

static void assert_registers_are(struct registers before)
{
    struct registers now = registers();

    assert_memory_equal(&now, &before, sizeof(now));
}

static uint64_t ram(unsigned at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, m.ram + at, size);
    return value;
}

#define LDR_X0_X1        0xf9400020u
#define LDR_W0_X1        0xb9400020u
#define LDR_X0_X1_POST8  0xf8408420u
#define STR_X0_X1_PRE8   0xf8008c20u
#define LDRSB_X0_X1      0x39800020u
#define LDRSB_W0_X1      0x39c00020u
#define LDRB_W0_X1       0x39400020u
#define LDR_B0_X1        0x3d400020u
#define LDR_Q0_X1        0x3dc00020u
#define STR_Q0_X1        0x3d800020u
#define LDP_X2_X3_POST16 0xa8c10c22u /* [x1], #16 */
#define STP_X2_X3_POST16 0xa8810c22u
#define STP_W2_W3_X1     0x29000c22u
#define STP_X2_X3_SP     0xa9000fe2u
#define LDTR_X0_X1       0xf8400820u
#define LDR_XZR_X1       0xf940003fu
#define STR_XZR_X1       0xf900003fu
#define LDXR_X0_X1       0xc85f7c20u
#define STXR_W2_X0_X1    0xc8027c20u
#define LDXP_W0_W2_X1    0x887f0820u
#define LDADD_X2_X0_X1   0xf8220020u
#define LDADDB_W2_W0_X1  0x38220020u
#define CAS_X2_X0_X1     0xc8a27c20u
#define CASP_W2_W4_X1    0x08227c24u
#define LDAR_X0_X1       0xc8dffc20u
#define LD1_16B_V0_X1    0x4c407020u
#define LD4_16B_V0_X1    0x4c400020u
#define LD2_4H_V0_POST   0x0cdf8420u /* {v0.4h, v1.4h}, [x1], #16 */
#define DC_ZVA_X1        0xd50b7421u
#define PRFM_X1          0xf9800020u
#define LDP_X2_X2_X1     0xa9400822u

static void exec_splits_into_naturally_aligned_accesses(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t address;
        const char *log;
    } cases[] = {
        {LDR_X0_X1, 0x100, "r8:100 "},
        {LDR_X0_X1, 0x104, "r4:104 r4:108 "},
        {LDR_X0_X1, 0x101, "r1:101 r2:102 r4:104 r1:108 "},
        {LDR_W0_X1, 0x106, "r2:106 r2:108 "},
        {LDR_Q0_X1, 0x110, "r8:110 r8:118 "},
        {STR_Q0_X1, 0x108, "w8:108 w8:110 "},
        {STR_Q0_X1, 0x10c, "w4:10c w8:110 w4:118 "},
        {LDP_X2_X3_POST16, 0x100, "r8:100 r8:108 "},
        {LDP_X2_X3_POST16, 0x104, "r4:104 r4:108 r4:10c r4:110 "},
        {CASP_W2_W4_X1, 0x100, "r8:100 "},
        {LDADD_X2_X0_X1, 0x100, "r8:100 w8:100 "},
        {LD2_4H_V0_POST, 0x100, "r2:100 r2:102 r2:104 r2:106 r2:108 r2:10a r2:10c r2:10e "},
        {PRFM_X1, 0x123456789abcdefull, ""},
    };

    for (size_t n = 0; n < COUNT(cases); n++) {
        setup(NULL);
        m.x[1] = cases[n].address;
        assert_int_equal(run(cases[n].word), 0);
        assert_string_equal(m.log, cases[n].log);
    }
}

static void exec_translates_the_second_page_on_its_own(void **state)
{
    m.map[0] = 0x3000;
    m.map[1] = 0x1000;
    m.x[1] = 0xffc;
    assert_int_equal(run(LDR_X0_X1), 0);
    assert_string_equal(m.log, "r4:3ffc r4:1000 ");
    assert_int_equal(m.x[0], ram(0x3ffc, 4) | ram(0x1000, 4) << 32);
    m.x[1] = 0xffd;
    assert_int_equal(run(STR_Q0_X1), 0);
    assert_string_equal(m.log, "w1:3ffd w2:3ffe w8:1000 w4:1008 w1:100c ");
}

static void exec_load_leaves_no_stale_upper_bits(void **state)
{
    m.x[1] = 0x100;
    m.ram[0x100] = 0x80;
    assert_int_equal(run(LDRB_W0_X1), 0);
    assert_int_equal(m.x[0], 0x80);
    assert_int_equal(run(LDRSB_W0_X1), 0);
    assert_int_equal(m.x[0], 0xffffff80u);
    assert_int_equal(run(LDRSB_X0_X1), 0);
    assert_int_equal(m.x[0], 0xffffffffffffff80ull);
    assert_int_equal(run(LDR_B0_X1), 0);
    assert_int_equal(m.v[0][0], 0x80);
    assert_int_equal(m.v[0][1], 0);
    assert_int_equal(run(LD2_4H_V0_POST), 0);
    assert_int_equal(m.v[0][1] | m.v[1][1], 0);
}

static void exec_store_of_register_31_is_zero(void **state)
{
    m.x[1] = 0x100;
    assert_int_equal(run(STR_XZR_X1), 0);
    assert_int_equal(ram(0x100, 8), 0);
}

static void exec_second_page_fault_leaves_all_as_it_was(void **state)
{
    static const uint32_t words[] = {STP_X2_X3_POST16, LDP_X2_X3_POST16, LDR_X0_X1_POST8,
                                     LD4_16B_V0_X1, LD2_4H_V0_POST};

    for (size_t n = 0; n < COUNT(words); n++) {
        struct registers before;

        setup(NULL);
        m.map[1] = NOWHERE;
        m.x[1] = 0xffc;
        before = registers();
        assert_int_equal(run(words[n]), -EFAULT);
        assert_int_equal(fault.kind, INSN_FAULT_TRANSLATE);
        assert_int_equal(fault.far.v, 0x1000);
        assert_int_equal(fault.write, words[n] == STP_X2_X3_POST16);
        assert_int_equal(fault.fsc, ESR_FSC_TRANSLATION | 3u);
        assert_string_equal(m.log, "");
        assert_registers_are(before);
    }
}

static void exec_first_page_fault_is_at_the_access(void **state)
{
    m.map[0] = NOWHERE;
    m.x[1] = 0xffc - 8;
    assert_int_equal(run(STR_X0_X1_PRE8), -EFAULT);
    assert_int_equal(fault.far.v, 0xffc);
    assert_int_equal(m.x[1], 0xffc - 8);
}

static void exec_bus_error_leaves_registers_as_they_were(void **state)
{
    struct registers before;

    m.x[1] = 0x100;
    m.refused = 0x108;
    before = registers();
    assert_int_equal(run(LDP_X2_X3_POST16), -EFAULT);
    assert_int_equal(fault.kind, INSN_FAULT_BUS);
    assert_int_equal(fault.far.v, 0x108);
    assert_int_equal(fault.ipa.v, 0x108);
    assert_int_equal(fault.error, -ENXIO);
    assert_int_equal(fault.fsc, ESR_FSC_EXTERNAL);
    assert_false(fault.write);
    assert_registers_are(before);
}

static void exec_atomic_needs_both_permissions_and_faults_as_a_read_if_a_read_would(void **state)
{
    struct registers before;

    m.x[1] = 0x100;
    m.read_only[0] = true;
    before = registers();
    assert_int_equal(run(LDADD_X2_X0_X1), -EFAULT);
    assert_true(fault.write);
    assert_int_equal(fault.fsc, ESR_FSC_PERMISSION | 3u);
    assert_int_equal(run(CAS_X2_X0_X1), -EFAULT);
    assert_true(fault.write);
    m.map[0] = NOWHERE;
    assert_int_equal(run(LDADD_X2_X0_X1), -EFAULT);
    assert_false(fault.write);
    assert_registers_are(before);
}

static void exec_atomic_wraps_in_its_size(void **state)
{
    m.x[1] = 0x100;
    m.x[2] = 0x7701;
    m.ram[0x100] = 0xff;
    m.ram[0x101] = 0x11;
    assert_int_equal(run(LDADDB_W2_W0_X1), 0);
    assert_int_equal(m.x[0], 0xff);
    assert_int_equal(ram(0x100, 2), 0x1100);
}

static void exec_cas_writes_only_if_equal(void **state)
{
    m.x[1] = 0x100;
    m.x[2] = ram(0x100, 8);
    assert_int_equal(run(CAS_X2_X0_X1), 0);
    assert_string_equal(m.log, "r8:100 w8:100 ");
    assert_int_equal(ram(0x100, 8), m.x[0]);
    m.x[2] = 1;
    assert_int_equal(run(CAS_X2_X0_X1), 0);
    assert_string_equal(m.log, "r8:100 ");
    assert_int_equal(m.x[2], m.x[0]);
}

/* The core's monitor is cleared by the exit: a store-exclusive could never pass. */
static void exec_exclusive_is_a_fault_of_its_own_behind_all_others(void **state)
{
    static const uint32_t words[] = {LDXR_X0_X1, STXR_W2_X0_X1, LDXP_W0_W2_X1};

    for (size_t n = 0; n < COUNT(words); n++) {
        struct registers before;

        setup(NULL);
        m.x[1] = 0x100;
        before = registers();
        assert_int_equal(run(words[n]), -EFAULT);
        assert_int_equal(fault.kind, INSN_FAULT_EXCLUSIVE);
        assert_int_equal(fault.fsc, ESR_FSC_ATOMIC);
        assert_int_equal(fault.far.v, 0x100);
        assert_int_equal(fault.write, words[n] == STXR_W2_X0_X1);
        assert_string_equal(m.log, "");
        m.map[0] = NOWHERE;
        assert_int_equal(run(words[n]), -EFAULT);
        assert_int_equal(fault.kind, INSN_FAULT_TRANSLATE);
        m.x[1] = 0x10d;
        assert_int_equal(run(words[n]), -EFAULT);
        assert_int_equal(fault.kind, INSN_FAULT_ALIGNMENT);
        m.x[1] = before.x[1];
        assert_registers_are(before);
    }
}

static void exec_authenticated_load_is_at_the_address_that_aborted(void **state)
{
    struct registers before;

    ctx.far = 0x108;
    m.x[1] = 0x00ab000000000100ull;       /* signed: the upper bits differ */
    assert_int_equal(run(0xf8201c20), 0); /* ldraa x0, [x1, #8]! */
    assert_int_equal(m.x[0], ram(0x108, 8));
    assert_int_equal(m.x[1], 0x108);
    m.x[1] = 0x00ab000000000100ull;
    assert_int_equal(run(0xf8201420), 0); /* ldraa x0, [x1, #8] */
    assert_int_equal(m.x[1], 0x00ab000000000100ull);
    before = registers();
    ctx.far = 0x110; /* the code was changed, or the registers: not what aborted */
    assert_int_equal(run(0xf8201420), -EOPNOTSUPP);
    ctx.far = 0x10b; /* inside of the 8 bytes, where no page begins */
    assert_int_equal(run(0xf8201420), -EOPNOTSUPP);
    assert_registers_are(before);
}

static void exec_authenticated_load_may_abort_on_its_second_page(void **state)
{
    m.x[1] = 0x00ab000000000ffcull;
    ctx.far = 0x1000;
    assert_int_equal(run(0xf8200c20), 0); /* ldraa x0, [x1]! */
    assert_int_equal(m.x[0], ram(0xffc, 8));
    assert_int_equal(m.x[1], 0xffc);
    m.x[1] = 0x00ab000000000ff8ull; /* ends before it */
    assert_int_equal(run(0xf8200c20), -EOPNOTSUPP);
}

static void exec_load_of_a_simd_register_clears_the_rest_of_its_z_register(void **state)
{
    static const uint32_t words[] = {LDR_B0_X1, LDR_Q0_X1, LD1_16B_V0_X1, 0x0d400020 /* lane */,
                                     0x4d40c020 /* replicate */};
    static uint8_t area[32 * 64 + 17 * 8];

    for (size_t n = 0; n < COUNT(words); n++) {
        struct insn_sve sve = insn_sve_at(area, 64, 32);

        memset(area, 0xcc, sizeof(area));
        ctx.sve = &sve;
        m.x[1] = 0x100;
        assert_int_equal(run(words[n]), 0);
        assert_memory_equal(area, m.v[0], 16);
        for (unsigned b = 16; b < 64; b++)
            assert_int_equal(area[b], 0);
        assert_int_equal(area[64], 0xcc);
        assert_true(sve.written);
        sve.written = false;
        assert_int_equal(run(STR_Q0_X1), 0);
        assert_false(sve.written);
    }
}

static void exec_big_endian_swaps_each_element(void **state)
{
    ctx.big_endian = true;
    m.x[1] = 0x100;
    assert_int_equal(run(LDP_X2_X3_POST16), 0);
    assert_int_equal(m.x[2], __builtin_bswap64(ram(0x100, 8)));
    assert_int_equal(m.x[3], __builtin_bswap64(ram(0x108, 8)));
    m.x[1] = 0x100;
    assert_int_equal(run(LDR_Q0_X1), 0);
    assert_int_equal(m.v[0][1], __builtin_bswap64(ram(0x100, 8)));
    assert_int_equal(m.v[0][0], __builtin_bswap64(ram(0x108, 8)));
    assert_int_equal(run(LD1_16B_V0_X1), 0);
    assert_int_equal(m.v[0][0], ram(0x100, 8));
    assert_int_equal(run(LDRB_W0_X1), 0);
    assert_int_equal(m.x[0], ram(0x100, 1));
    m.x[2] = 1;
    assert_int_equal(run(LDADD_X2_X0_X1), 0);
    assert_int_equal(__builtin_bswap64(ram(0x100, 8)), m.x[0] + 1);
}

static void exec_overlapping_registers_are_as_documented(void **state)
{
    m.x[1] = 0x100;
    assert_int_equal(run(0xf8408421), 0); /* ldr x1, [x1], #8 */
    assert_int_equal(m.x[1], 0x108);
    assert_int_equal(run(0xf8008c21), 0); /* str x1, [x1, #8]! */
    assert_int_equal(ram(0x110, 8), 0x108);
    assert_int_equal(m.x[1], 0x110);
    assert_int_equal(run(LDP_X2_X2_X1), 0);
    assert_int_equal(m.x[2], ram(0x118, 8));
    assert_int_equal(run(0xf9400021), 0); /* ldr x1, [x1] */
    assert_int_equal(m.x[1], 0x108);
}

static void exec_checks_alignment(void **state)
{
    static const struct {
        const char *what;
        uint32_t word;
        uint64_t address;
        bool aligned, device;
        enum insn_fault_kind kind;
    } cases[] = {
        {"normal memory", LDR_X0_X1, 0x104, false, false, INSN_FAULT_NONE},
        {"SCTLR_EL1.A", LDR_X0_X1, 0x104, true, false, INSN_FAULT_ALIGNMENT},
        {"SCTLR_EL1.A, aligned", LDR_X0_X1, 0x108, true, false, INSN_FAULT_NONE},
        {"SCTLR_EL1.A, element aligned", LDP_X2_X3_POST16, 0x108, true, false, INSN_FAULT_NONE},
        {"device", LDR_X0_X1, 0x104, false, true, INSN_FAULT_ALIGNMENT},
        {"device, aligned", LDR_X0_X1, 0x108, false, true, INSN_FAULT_NONE},
        {"ordered inside of 16 bytes", LDAR_X0_X1, 0x104, false, false, INSN_FAULT_NONE},
        {"ordered across 16 bytes", LDAR_X0_X1, 0x10c, false, false, INSN_FAULT_ALIGNMENT},
        {"exclusive across 16 bytes", LDXR_X0_X1, 0x10c, false, false, INSN_FAULT_ALIGNMENT},
        {"atomic across 16 bytes", LDADD_X2_X0_X1, 0x10c, false, false, INSN_FAULT_ALIGNMENT},
        {"DC ZVA of normal memory", DC_ZVA_X1, 0x123, true, false, INSN_FAULT_NONE},
        {"DC ZVA of a device", DC_ZVA_X1, 0x100, false, true, INSN_FAULT_ALIGNMENT},
    };

    for (size_t n = 0; n < COUNT(cases); n++) {
        setup(NULL);
        ctx.aligned = cases[n].aligned;
        m.device = cases[n].device;
        m.x[1] = cases[n].address;
        if ((run(cases[n].word) == 0) != (cases[n].kind == INSN_FAULT_NONE) ||
            fault.kind != cases[n].kind)
            fail_msg("%s: fault %d", cases[n].what, fault.kind);
        if (fault.kind != INSN_FAULT_NONE) {
            assert_int_equal(fault.fsc, ESR_FSC_ALIGNMENT);
            assert_int_equal(fault.far.v, cases[n].address);
            assert_string_equal(m.log, "");
        }
    }
}

static void exec_checks_the_stack_pointer_if_it_is_to(void **state)
{
    m.sp = 0x808;
    assert_int_equal(run(STP_X2_X3_SP), 0);
    ctx.sp_aligned = true;
    assert_int_equal(run(STP_X2_X3_SP), -EFAULT);
    assert_int_equal(fault.kind, INSN_FAULT_SP);
    assert_string_equal(m.log, "");
}

static void exec_unprivileged_is_translated_as_such(void **state)
{
    m.x[1] = 0x100;
    assert_int_equal(run(LDTR_X0_X1), 0);
    assert_true(m.unprivileged);
    assert_int_equal(run(LDR_X0_X1), 0);
    assert_false(m.unprivileged);
}

static void exec_zva_clears_the_block_around_the_address(void **state)
{
    m.x[1] = 0x17f;
    m.ram[0x13f] = m.ram[0x180] = 0xee;
    m.map[0] = 0x2000;
    m.ram[0x213f] = m.ram[0x2180] = 0xee;
    assert_int_equal(run(DC_ZVA_X1), 0);
    for (unsigned n = 0x2140; n < 0x2180; n++)
        assert_int_equal(m.ram[n], 0);
    assert_int_equal(m.ram[0x213f], 0xee);
    assert_int_equal(m.ram[0x2180], 0xee);
    assert_int_equal(m.writes, 8);
    m.refused = 0x2160;
    assert_int_equal(run(DC_ZVA_X1), -EFAULT);
    assert_int_equal(fault.far.v, 0x17f);
    assert_true(fault.write);
}

static void exec_refuses_what_it_does_not_know(void **state)
{
    static const uint16_t sizes[] = {0, 4, 12, 4096};

    assert_int_equal(run(0xa400a000), -EOPNOTSUPP); /* ld1b of SVE: this CPU has none */
    assert_int_equal(run(0xd503201f), -EOPNOTSUPP);
    for (size_t n = 0; n < COUNT(sizes); n++) {
        ctx.zva_size = sizes[n];
        assert_int_equal(run(DC_ZVA_X1), -EOPNOTSUPP);
    }
}

static void exec_zva_takes_blocks_of_8_to_2048_bytes(void **state)
{
    static const uint16_t sizes[] = {8, 16, 2048};

    for (size_t n = 0; n < COUNT(sizes); n++) {
        setup(NULL);
        ctx.zva_size = sizes[n];
        m.x[1] = 0x87f;
        assert_int_equal(run(DC_ZVA_X1), 0);
        assert_int_equal(m.writes, sizes[n] / 8);
    }
}

/* The fake bus ends the test when a value has more bits than its access. */
static void exec_takes_no_byte_more_than_its_access(void **state)
{
    uint64_t value = ((m.x[3] & 0xffffffff) << 32) | (m.x[2] & 0xffffffff);

    m.x[1] = 0x100;
    assert_int_equal(run(STP_W2_W3_X1), 0);
    assert_string_equal(m.log, "w4:100 w4:104 ");
    assert_int_equal(ram(0x100, 8), value);
    m.x[1] = 0x101;
    assert_int_equal(run(STP_W2_W3_X1), 0);
    assert_int_equal(ram(0x101, 8), value);
    /* Up to the last byte of a page: the next one is not translated. */
    m.x[1] = PAGE - 8;
    m.map[1] = NOWHERE;
    assert_int_equal(run(LDR_X0_X1), 0);
    assert_int_equal(m.translated, 1);
    /* The zero register is none of the CPU's registers. */
    m.x[1] = 0x100;
    assert_int_equal(run(STR_XZR_X1), 0);
    assert_int_equal(ram(0x100, 8), 0);
    assert_int_equal(m.x_read, 1);
    assert_int_equal(run(LDR_XZR_X1), 0);
    assert_int_equal(m.x_written, 0);
}

static void exec_refuses_a_class_that_there_is_not(void **state)
{
    struct insn insn = {.class = INSN_CLASSES, .regs = 1, .size = 8};

    assert_int_equal(insn_exec(&ctx, &insn, &fault), -EOPNOTSUPP);
}

static void exec_address_wraps(void **state)
{
    m.x[1] = ~0ull - 7u;
    assert_int_equal(run(0xf9400420), 0); /* ldr x0, [x1, #8] */
    assert_string_equal(m.log, "r8:0 ");
    m.x[1] = ~0ull - 3u; /* its second page is page 0; its first is mapped nowhere */
    assert_int_equal(run(LDR_X0_X1), -EFAULT);
    assert_int_equal(fault.far.v, ~0ull - 3u);
}

/* One register too many is in bounds of the array, mostly: so they are counted. */
static void exec_touches_its_own_registers_and_pages_only(void **state)
{
    static const struct {
        uint32_t word;
        uint64_t address;
        unsigned x_read, x_written, v_read, v_written, translated;
    } cases[] = {
        {0xf9400020, 0x800, 1, 1, 0, 0, 1}, /* ldr x0, [x1] */
        {0xf9400020, 0xffc, 1, 1, 0, 0, 2}, /* the same over the end of a page */
        {0xf9000020, 0x800, 2, 0, 0, 0, 1}, /* str x0, [x1] */
        {0x29000c22, 0x800, 3, 0, 0, 0, 1}, /* stp w2, w3, [x1] */
        {0xa9400c22, 0x800, 1, 2, 0, 0, 1}, /* ldp x2, x3, [x1] */
        {0xad000c22, 0x800, 1, 0, 2, 0, 1}, /* stp q2, q3, [x1] */
        {0xad000c22, 0xff0, 1, 0, 2, 0, 2}, /* the same over the end of a page */
        {0xad400c22, 0x800, 1, 0, 0, 2, 1}, /* ldp q2, q3, [x1] */
        {0x4c007022, 0x800, 1, 0, 1, 0, 1}, /* st1 {v2.16b}, [x1] */
        {0x4c000022, 0x800, 1, 0, 4, 0, 1}, /* st4 {v2.16b-v5.16b}, [x1] */
        {0x4c400022, 0x800, 1, 0, 0, 4, 1}, /* ld4 {v2.16b-v5.16b}, [x1] */
        {0x0d209022, 0x800, 1, 0, 2, 0, 1}, /* st2 {v2.s-v3.s}[1], [x1] */
        {0x0d609022, 0x800, 1, 0, 2, 2, 1}, /* ld2 {v2.s-v3.s}[1], [x1] */
        {0x0d40c022, 0x800, 1, 0, 0, 1, 1}, /* ld1r {v2.8b}, [x1] */
        {0x48227c24, 0x800, 5, 2, 0, 0, 2}, /* casp x2, x3, x4, x5, [x1]: for both ways */
    };

    for (size_t n = 0; n < COUNT(cases); n++) {
        setup(state);
        m.x[1] = cases[n].address;
        assert_int_equal(run(cases[n].word), 0);
        if (m.x_read != cases[n].x_read || m.x_written != cases[n].x_written ||
            m.v_read != cases[n].v_read || m.v_written != cases[n].v_written ||
            m.translated != cases[n].translated)
            fail_msg("%08x at %#llx: %u and %u X, %u and %u V, %u translations", cases[n].word,
                     (unsigned long long)cases[n].address, m.x_read, m.x_written, m.v_read,
                     m.v_written, m.translated);
    }
}

static void exec_structures_have_all_their_elements(void **state)
{
    m.x[1] = 0x800;
    assert_int_equal(run(0x4c400022), 0); /* ld4 {v2.16b-v5.16b}, [x1] */
    for (unsigned n = 0; n < 64; n++)
        assert_int_equal(((uint8_t *)m.v[2 + n % 4])[n / 4], ram(0x800 + n, 1));
    m.x[1] = 0xc00;
    memset(m.ram + 0xc00, 0, 65);
    assert_int_equal(run(0x4c000022), 0); /* st4 {v2.16b-v5.16b}, [x1] */
    assert_memory_equal(m.ram + 0xc00, m.ram + 0x800, 64);
    assert_int_equal(ram(0xc40, 1), 0);
}

static void exec_replicated_load_of_half_a_vector_clears_the_other_half(void **state)
{
    m.x[1] = 0x800;
    assert_int_equal(run(0x0d40c022), 0); /* ld1r {v2.8b}, [x1] */
    assert_int_equal(m.v[2][0], ram(0x800, 1) * 0x0101010101010101ull);
    assert_int_equal(m.v[2][1], 0);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(exec_splits_into_naturally_aligned_accesses),
        TEST(exec_translates_the_second_page_on_its_own),
        TEST(exec_load_leaves_no_stale_upper_bits),
        TEST(exec_store_of_register_31_is_zero),
        TEST(exec_second_page_fault_leaves_all_as_it_was),
        TEST(exec_first_page_fault_is_at_the_access),
        TEST(exec_bus_error_leaves_registers_as_they_were),
        TEST(exec_atomic_needs_both_permissions_and_faults_as_a_read_if_a_read_would),
        TEST(exec_atomic_wraps_in_its_size),
        TEST(exec_cas_writes_only_if_equal),
        TEST(exec_exclusive_is_a_fault_of_its_own_behind_all_others),
        TEST(exec_authenticated_load_is_at_the_address_that_aborted),
        TEST(exec_authenticated_load_may_abort_on_its_second_page),
        TEST(exec_load_of_a_simd_register_clears_the_rest_of_its_z_register),
        TEST(exec_big_endian_swaps_each_element),
        TEST(exec_overlapping_registers_are_as_documented),
        TEST(exec_checks_alignment),
        TEST(exec_checks_the_stack_pointer_if_it_is_to),
        TEST(exec_unprivileged_is_translated_as_such),
        TEST(exec_zva_clears_the_block_around_the_address),
        TEST(exec_zva_takes_blocks_of_8_to_2048_bytes),
        TEST(exec_takes_no_byte_more_than_its_access),
        TEST(exec_refuses_a_class_that_there_is_not),
        TEST(exec_refuses_what_it_does_not_know),
        TEST(exec_address_wraps),
        TEST(exec_touches_its_own_registers_and_pages_only),
        TEST(exec_structures_have_all_their_elements),
        TEST(exec_replicated_load_of_half_a_vector_clears_the_other_half),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
