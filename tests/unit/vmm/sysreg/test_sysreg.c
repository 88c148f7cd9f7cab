/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trapped system registers, named by the A64 instruction words that the GNU
 * assembler gives for them, and the rules for identification registers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/vcpu.h"
#include "vmm/sysreg/sysreg.h"
#include "vmm/util/log.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static unsigned warnings, debugs;

bool log_first(unsigned kind, uint64_t key)
{
    assert_int_equal(kind, LOG_KIND_SYSREG);
    return true;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    *(level == LOG_WARN ? &warnings : &debugs) += 1;
}

/* What the CPU reports with EC 0x18 for an instruction: its fields, moved. */
static struct exit_sysreg trap(uint32_t insn)
{
    struct rv_event event = {
        .esr = 0x18ull << 26 | 1u << 25 | (insn >> 19 & 3) << 20 | (insn >> 5 & 7) << 17 |
               (insn >> 16 & 7) << 14 | (insn >> 12 & 15) << 10 | (insn & 31) << 5 |
               (insn >> 8 & 15) << 1 | (insn >> 21 & 1),
    };
    struct exit_info info;

    decode_exit(&event, &info);
    return info.u.sysreg;
}

static struct {
    unsigned calls, vcpu;
    enum vgic_sgi_reg which;
    uint64_t value;
} sgi;

static uint64_t sgi_hook(void *opaque, unsigned vcpu, enum vgic_sgi_reg which, uint64_t value,
                         uint64_t reached)
{
    assert_ptr_equal(opaque, &sgi);
    sgi.calls++;
    sgi.vcpu = vcpu;
    sgi.which = which;
    sgi.value = value;
    return 0xa5;
}

static struct {
    unsigned calls, vcpu;
    uint32_t intid;
} dir;

static void dir_hook(void *opaque, unsigned vcpu, uint32_t intid)
{
    assert_ptr_equal(opaque, &sgi);
    dir.calls++;
    dir.vcpu = vcpu;
    dir.intid = intid;
}

static struct rv_gic gic;
static unsigned gic_fetches, vmcr_writes;
static int gic_result;

static int gic_hook(void *opaque, unsigned vcpu, struct rv_gic *out)
{
    assert_ptr_equal(opaque, &sgi);
    assert_int_equal(vcpu, 3);
    gic_fetches++;
    memset(out, 0xa5, sizeof(*out));
    if (!gic_result)
        *out = gic;
    return gic_result;
}

static int vmcr_hook(void *opaque, unsigned vcpu, uint64_t mask, uint64_t bits)
{
    assert_ptr_equal(opaque, &sgi);
    assert_int_equal(vcpu, 3);
    assert_int_equal(bits & ~mask, 0);
    vmcr_writes++;
    if (!gic_result)
        gic.vmcr = (gic.vmcr & ~mask) | bits;
    return gic_result;
}

static struct sysreg sysreg = {.sgi = sgi_hook,
                               .deactivate = dir_hook,
                               .gic = gic_hook,
                               .set_vmcr = vmcr_hook,
                               .opaque = &sgi};
static bool lost; /* of the last access */

static bool access_register(struct sysreg_cpu *cpu, uint32_t insn, uint64_t *value, uint64_t *kick)
{
    struct exit_sysreg reg = trap(insn);
    struct sysreg_access access = {
        .reg = &reg, .vcpu = 3, .value = *value, .kick = 77, .lost = true};
    bool defined = sysreg_emulate(&sysreg, cpu, &access);

    *value = access.value;
    *kick = access.kick;
    lost = access.lost;
    return defined;
}

static void sysreg_answers_each_row_as_its_table_says(void **state)
{
    enum { UNDEF, DONE };
    static const struct {
        uint32_t insn;
        int want;
        uint64_t read; /* for MRS */
        unsigned warns;
        const char *text;
    } rows[] = {
        {0xd5380405, DONE, 0x1100 + 32, 0, "mrs x5, ID_AA64PFR0_EL1"},
        {0xd5380645, DONE, 0x1100 + 50, 0, "mrs x5, ID_AA64ISAR2_EL1"},
        {0xd5380105, DONE, 0x1100 + 8, 0, "mrs x5, ID_PFR0_EL1"},
        {0xd53807ff, DONE, 0x1100 + 63, 0, "mrs xzr, S3_0_C0_C7_7"},
        {0xd5180405, UNDEF, 0, 0, "msr ID_AA64PFR0_EL1, x5"},
        {0xd5380007, UNDEF, 0, 1, "mrs x7, MIDR_EL1: never traps"},
        {0xd538cba1, UNDEF, 0, 0, "mrs x1, ICC_SGI1R_EL1: write-only"},
        {0xd538cbc1, UNDEF, 0, 0, "mrs x1, ICC_ASGI1R_EL1: write-only"},
        {0xd538cbe1, UNDEF, 0, 0, "mrs x1, ICC_SGI0R_EL1: write-only"},
        {0xd5381022, DONE, 0, 0, "mrs x2, ACTLR_EL1"},
        {0xd5181022, DONE, 0, 0, "msr ACTLR_EL1, x2"},
        {0xd5087643, DONE, 0, 0, "dc isw, x3"},
        {0xd5087a43, DONE, 0, 0, "dc csw, x3"},
        {0xd5087e43, DONE, 0, 0, "dc cisw, x3"},
        {0xd5087683, UNDEF, 0, 0, "dc igsw, x3: MTE"},
        {0xd5301004, DONE, 0, 0, "mrs x4, MDRAR_EL1"},
        {0xd5101004, UNDEF, 0, 0, "msr MDRAR_EL1, x4: read-only"},
        {0xd5301084, UNDEF, 0, 0, "mrs x4, OSLAR_EL1: write-only"},
        {0xd5301184, DONE, 0x8, 0, "mrs x4, OSLSR_EL1"},
        {0xd5101184, UNDEF, 0, 0, "msr OSLSR_EL1, x4: read-only"},
        {0xd5301384, DONE, 0, 0, "mrs x4, OSDLR_EL1"},
        {0xd5101384, DONE, 0, 0, "msr OSDLR_EL1, x4"},
        {0xd5301484, DONE, 0, 0, "mrs x4, DBGPRCR_EL1"},
        {0xd538cca4, DONE, 7, 0, "mrs x4, ICC_SRE_EL1"},
        {0xd518cca4, DONE, 0, 0, "msr ICC_SRE_EL1, x4"},
        {0xd5384604, DONE, 0, 0, "mrs x4, ICC_PMR_EL1"},
        {0xd5184604, DONE, 0, 0, "msr ICC_PMR_EL1, x4"},
        {0xd538cc84, DONE, 0x400, 0, "mrs x4, ICC_CTLR_EL1"},
        {0xd518cc84, DONE, 0, 0, "msr ICC_CTLR_EL1, x4"},
        {0xd538cb64, DONE, 0xff, 0, "mrs x4, ICC_RPR_EL1"},
        {0xd518cb64, UNDEF, 0, 0, "msr ICC_RPR_EL1, x4: read-only"},
        {0xd53078c4, DONE, 0xff, 0, "mrs x4, DBGCLAIMSET_EL1"},
        {0xd51078c4, DONE, 0, 0, "msr DBGCLAIMSET_EL1, x4"},
        {0xd53079c4, DONE, 0, 0, "mrs x4, DBGCLAIMCLR_EL1"},
        {0xd51079c4, DONE, 0, 0, "msr DBGCLAIMCLR_EL1, x4"},
        {0xd5300644, DONE, 0, 0, "mrs x4, OSECCR_EL1"},
        {0xd5100644, DONE, 0, 0, "msr OSECCR_EL1, x4"},
        {0xd5300044, DONE, 0, 0, "mrs x4, OSDTRRX_EL1"},
        {0xd5100044, DONE, 0, 0, "msr OSDTRRX_EL1, x4"},
        {0xd5300344, DONE, 0, 0, "mrs x4, OSDTRTX_EL1"},
        {0xd5100344, DONE, 0, 0, "msr OSDTRTX_EL1, x4"},
        {0xd5300204, DONE, 0, 0, "mrs x4, MDCCINT_EL1"},
        {0xd5100204, DONE, 0, 0, "msr MDCCINT_EL1, x4"},
        {0xd5330404, DONE, 0, 0, "mrs x4, DBGDTR_EL0"},
        {0xd5130404, DONE, 0, 0, "msr DBGDTR_EL0, x4"},
        {0xd5330504, DONE, 0, 0, "mrs x4, DBGDTRRX_EL0"},
        {0xd5130504, DONE, 0, 0, "msr DBGDTRRX_EL0, x4"},
        {0xd5330104, DONE, 0, 0, "mrs x4, MDCCSR_EL0"},
        {0xd5130104, UNDEF, 0, 0, "msr MDCCSR_EL0, x4: read-only"},
        {0xd5385300, DONE, 0, 0, "mrs x0, ERRIDR_EL1: no error records"},
        {0xd5185300, UNDEF, 0, 0, "msr ERRIDR_EL1, x0: read-only"},
        {0xd5185320, DONE, 0, 0, "msr ERRSELR_EL1, x0"},
        {0xd5385400, DONE, 0, 0, "mrs x0, ERXFR_EL1"},
        {0xd5185400, UNDEF, 0, 0, "msr ERXFR_EL1, x0: read-only"},
        {0xd5185420, DONE, 0, 0, "msr ERXCTLR_EL1, x0"},
        {0xd5385460, DONE, 0, 0, "mrs x0, ERXADDR_EL1"},
        {0xd5385480, UNDEF, 0, 0, "mrs x0, ERXPFGF_EL1: RAS 1.1"},
        {0xd5185520, DONE, 0, 0, "msr ERXMISC1_EL1, x0"},
        {0xd5385540, UNDEF, 0, 0, "mrs x0, ERXMISC2_EL1: RAS 1.1"},
        {0xd53bd200, UNDEF, 0, 0, "mrs x0, AMCR_EL0"},
        {0xd538a4e6, UNDEF, 0, 0, "mrs x6, LORID_EL1"},
        {0xd518a466, UNDEF, 0, 0, "msr LORC_EL1, x6"},
        {0xd53b9c06, UNDEF, 0, 0, "mrs x6, PMCR_EL0"},
        {0xd53b9d06, UNDEF, 0, 0, "mrs x6, PMCCNTR_EL0"},
        {0xd5389e26, UNDEF, 0, 0, "mrs x6, PMINTENSET_EL1"},
        {0xd53be806, UNDEF, 0, 0, "mrs x6, PMEVCNTR0_EL0"},
        {0xd53befe6, UNDEF, 0, 0, "mrs x6, PMCCFILTR_EL0"},
        {0xd53899e6, UNDEF, 0, 0, "mrs x6, PMSIDR_EL1"},
        {0xd5389a06, UNDEF, 0, 0, "mrs x6, PMBLIMITR_EL1"},
        {0xd5389b06, UNDEF, 0, 0, "mrs x6, TRBLIMITR_EL1"},
        {0xd53108e6, UNDEF, 0, 0, "mrs x6, TRCIDR0"},
        {0xd539b046, UNDEF, 0, 0, "mrs x6, S3_1_C11_C0_2"},
        {0xd539f226, UNDEF, 0, 0, "mrs x6, S3_1_C15_C2_1"},
        {0xd53fffe6, UNDEF, 0, 0, "mrs x6, S3_7_C15_C15_7"},
        {0xd50bf140, UNDEF, 0, 0, "sys #3, c15, c1, #2, x0"},
        {0xd508b140, UNDEF, 0, 0, "sys #0, c11, c1, #2, x0"},
        {0xd538d0e6, UNDEF, 0, 0, "mrs x6, SCXTNUM_EL1"},
        {0xd5181086, UNDEF, 0, 1, "msr S3_0_C1_C0_4, x6"},
    };

    for (unsigned i = 0; i < IDREGS_COUNT; i++)
        sysreg.id[i] = 0x1100 + i;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sysreg_cpu cpu = {0};
        uint64_t value = 0xdead, kick;
        bool read = rows[i].insn >> 21 & 1;

        warnings = debugs = 0;
        gic = (struct rv_gic){0};
        if (access_register(&cpu, rows[i].insn, &value, &kick) != rows[i].want)
            fail_msg("%s: wrongly %s", rows[i].text, rows[i].want ? "undefined" : "defined");
        if (rows[i].want && read && value != rows[i].read)
            fail_msg("%s: reads %#llx", rows[i].text, (unsigned long long)value);
        assert_int_equal(kick, 0);
        assert_false(lost);
        /* Unlisted registers are worth a warning, hidden features are not. */
        assert_int_equal(warnings, rows[i].warns);
        assert_int_equal(warnings + debugs, rows[i].want == UNDEF);
    }
}

static void sysreg_sgi_writes_reach_the_vgic_and_bring_its_kick_mask(void **state)
{
    static const struct {
        uint32_t insn;
        enum vgic_sgi_reg which;
    } cases[] = {{0xd518cba1, VGIC_SGI1R}, {0xd518cbc1, VGIC_ASGI1R}, {0xd518cbe1, VGIC_SGI0R}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sysreg_cpu cpu = {0};
        uint64_t value = 0x0000010002000003 + i, kick;

        sgi.calls = 0;
        assert_true(access_register(&cpu, cases[i].insn, &value, &kick));
        assert_int_equal(sgi.calls, 1);
        assert_int_equal(sgi.vcpu, 3);
        assert_int_equal(sgi.which, cases[i].which);
        assert_int_equal(sgi.value, 0x0000010002000003 + i);
        assert_int_equal(kick, 0xa5);
    }
}

static void sysreg_dir_writes_reach_the_vgic_with_24_bits_of_intid(void **state)
{
    struct sysreg_cpu cpu = {0};
    uint64_t value = 0xffffffff01000022, kick = 1;

    dir.calls = 0;
    assert_true(access_register(&cpu, 0xd518cb21, &value, &kick)); /* msr icc_dir_el1, x1 */
    assert_int_equal(dir.calls, 1);
    assert_int_equal(dir.vcpu, 3);
    assert_int_equal(dir.intid, 0x22);
    assert_int_equal(kick, 0);
    assert_false(access_register(&cpu, 0xd538cb21, &value, &kick)); /* write-only */
}

#define MRS_PMR  0xd5384604u
#define MSR_PMR  0xd5184604u
#define MRS_CTLR 0xd538cc84u
#define MSR_CTLR 0xd518cc84u
#define MRS_RPR  0xd538cb64u

/* IHI 0069: VPMR is ICH_VMCR_EL2[31:24], VEOIM bit 9, VCBPR bit 4; 5 bits of preemption. */
static void sysreg_cpu_interface_is_read_from_the_gic_group(void **state)
{
    static const struct {
        uint32_t insn;
        uint64_t vmcr, ap0r0, ap1r0, want;
    } cases[] = {
        {MRS_PMR, 0, ~0ull, ~0ull, 0},
        {MRS_PMR, 0xf8000000, 0, 0, 0xf8},
        {MRS_PMR, 0x80ffffff, 0, 0, 0x80},
        {MRS_PMR, ~0ull, 0, 0, 0xf8},
        {MRS_CTLR, 0, ~0ull, ~0ull, 0x400},
        {MRS_CTLR, 0x200, 0, 0, 0x402},
        {MRS_CTLR, 0x010, 0, 0, 0x401},
        {MRS_CTLR, 0xfffffdef, 0, 0, 0x400},
        {MRS_CTLR, ~0ull, 0, 0, 0x403},
        {MRS_RPR, ~0ull, 0, 0, 0xff},
        {MRS_RPR, 0, 1, 0, 0x00},
        {MRS_RPR, 0, 0, 1, 0x00},
        {MRS_RPR, 0, 0, 0x80000000, 0xf8},
        {MRS_RPR, 0, 0x80000000, 0, 0xf8},
        {MRS_RPR, 0, 0x00100000, 0x00f00000, 0xa0},
        {MRS_RPR, 0, 0x00800000, 0x00010000, 0x80},
        {MRS_RPR, 0, 0x00000020, 0xffff0000, 0x28},
        /* 63: a non-maskable interrupt, where the CPU has FEAT_GICv3_NMI; the guest has none. */
        {MRS_RPR, 0, 0, 1ull << 63, 0xff},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sysreg_cpu cpu = {0};
        uint64_t value = 0xdead, kick;

        gic = (struct rv_gic){
            .vmcr = cases[i].vmcr, .ap0r0 = cases[i].ap0r0, .ap1r0 = cases[i].ap1r0};
        gic_fetches = vmcr_writes = 0;
        assert_true(access_register(&cpu, cases[i].insn, &value, &kick));
        if (value != cases[i].want)
            fail_msg("case %zu: reads %#llx", i, (unsigned long long)value);
        assert_false(lost);
        assert_int_equal(vmcr_writes, 0);
    }
}

static void sysreg_cpu_interface_is_written_to_its_fields_of_vmcr(void **state)
{
    static const struct {
        uint32_t insn;
        uint64_t before, value, after;
    } cases[] = {
        {MSR_PMR, 0, 0xf0, 0xf0000000},
        {MSR_PMR, 0, 0xff, 0xf8000000}, /* three bits are not there */
        {MSR_PMR, 0, 0x07, 0},
        {MSR_PMR, 0xf84c021f, 0xffffffffffffff80, 0x804c021f},
        {MSR_PMR, 0xf84c021f, 0, 0x004c021f},
        {MSR_CTLR, 0, 2, 0x200},
        {MSR_CTLR, 0, 1, 0x010},
        {MSR_CTLR, 0, ~0ull, 0x210}, /* all else is read-only or not there */
        {MSR_CTLR, 0xf84c021f, 0, 0xf84c000f},
        {MSR_CTLR, 0xf84c000f, 0xfffffffffffffffc, 0xf84c000f},
        {MSR_CTLR, 0xf84c021f, 2, 0xf84c020f},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sysreg_cpu cpu = {0};
        uint64_t value = cases[i].value, kick;

        gic = (struct rv_gic){.vmcr = cases[i].before};
        vmcr_writes = 0;
        assert_true(access_register(&cpu, cases[i].insn, &value, &kick));
        if (gic.vmcr != cases[i].after)
            fail_msg("case %zu: VMCR %#llx", i, (unsigned long long)gic.vmcr);
        assert_int_equal(vmcr_writes, 1);
        assert_int_equal(kick, 0);
        assert_false(lost);
    }
}

static void sysreg_cpu_interface_of_a_lost_machine_is_reported(void **state)
{
    static const uint32_t accesses[] = {MRS_PMR, MSR_PMR, MRS_CTLR, MSR_CTLR, MRS_RPR};

    gic_result = -EIO;
    for (size_t i = 0; i < COUNT(accesses); i++) {
        struct sysreg_cpu cpu = {0};
        uint64_t value = 0, kick;

        assert_true(access_register(&cpu, accesses[i], &value, &kick));
        assert_true(lost);
    }
    gic_result = 0;
}

static void sysreg_os_lock_is_locked_at_reset_and_follows_oslar(void **state)
{
    struct sysreg_cpu cpu, other;
    uint64_t value, kick;

    sysreg_reset(&cpu);
    sysreg_reset(&other);
    assert_true(access_register(&cpu, 0xd5301184, &value, &kick));
    assert_int_equal(value, 0xa);
    value = 0xfffffffffffffffe;
    assert_true(access_register(&cpu, 0xd5101084, &value, &kick)); /* msr OSLAR_EL1 */
    assert_true(access_register(&cpu, 0xd5301184, &value, &kick));
    assert_int_equal(value, 0x8);
    assert_true(access_register(&other, 0xd5301184, &value, &kick));
    assert_int_equal(value, 0xa);
}

static void sysreg_dbgprcr_keeps_its_one_bit(void **state)
{
    struct sysreg_cpu cpu;
    uint64_t value = ~0ull, kick;

    sysreg_reset(&cpu);
    assert_true(access_register(&cpu, 0xd5101484, &value, &kick));
    value = 0;
    assert_true(access_register(&cpu, 0xd5301484, &value, &kick));
    assert_int_equal(value, 1);
}

static void sysreg_claim_tags_are_set_and_cleared_one_by_one(void **state)
{
    const uint32_t set = 0xd51078c4, clear = 0xd51079c4, read = 0xd53079c4;
    struct sysreg_cpu cpu, other;
    uint64_t value, kick;

    sysreg_reset(&cpu);
    sysreg_reset(&other);
    value = 0xfa5;
    assert_true(access_register(&cpu, set, &value, &kick));
    value = 0x0a;
    assert_true(access_register(&cpu, set, &value, &kick));
    value = 0x21;
    assert_true(access_register(&cpu, clear, &value, &kick));
    assert_true(access_register(&cpu, read, &value, &kick));
    assert_int_equal(value, 0x8e);
    assert_true(access_register(&other, read, &value, &kick));
    assert_int_equal(value, 0);
}

static struct rv_debug debug;
static bool has_debugger;
static unsigned debug_writes;

static struct rv_debug *debug_hook(void *opaque, unsigned vcpu)
{
    assert_ptr_equal(opaque, &sgi);
    assert_int_equal(vcpu, 3);
    return has_debugger ? &debug : NULL;
}

static void debug_written_hook(void *opaque, unsigned vcpu)
{
    assert_int_equal(vcpu, 3);
    debug_writes++;
}

static void sysreg_debug_registers_are_the_copy_that_the_debugger_keeps(void **state)
{
    static const struct {
        uint32_t read; /* a write is bit 21 less */
        uint64_t *field;
    } cases[] = {
        {0xd5300080, &debug.bvr[0]},  {0xd53005a0, &debug.bcr[5]}, {0xd53000c0, &debug.wvr[0]},
        {0xd5300fe0, &debug.wcr[15]}, {0xd5300240, &debug.mdscr},
    };
    struct sysreg_cpu cpu = {0};
    uint64_t value, kick;

    sysreg.debug = debug_hook;
    sysreg.debug_written = debug_written_hook;
    sysreg.id[RV_ID_INDEX(5, 0)] = 0xf0f000; /* 16 breakpoints, 16 watchpoints */
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        memset(&debug, 0, sizeof(debug));
        debug_writes = 0;
        has_debugger = true;
        value = 0x1234 + i;
        assert_true(access_register(&cpu, cases[i].read & ~(1u << 21), &value, &kick));
        assert_int_equal(*cases[i].field, 0x1234 + i);
        assert_int_equal(debug_writes, 1);
        value = 0;
        assert_true(access_register(&cpu, cases[i].read, &value, &kick));
        assert_int_equal(value, 0x1234 + i);
        has_debugger = false;
        value = 1;
        assert_true(access_register(&cpu, cases[i].read & ~(1u << 21), &value, &kick));
        assert_int_equal(*cases[i].field, 0x1234 + i);
        assert_true(access_register(&cpu, cases[i].read, &value, &kick));
        assert_int_equal(value, 0);
        assert_true(lost);
    }
    /* Six breakpoints and four watchpoints: the others are UNDEFINED. */
    sysreg.id[RV_ID_INDEX(5, 0)] = 0x305000;
    has_debugger = true;
    for (uint32_t n = 0; n < 16; n++) {
        for (uint32_t op2 = 4; op2 < 8; op2++)
            assert_int_equal(access_register(&cpu, 0xd5300000 | n << 8 | op2 << 5, &value, &kick),
                             n < (op2 < 6 ? 6 : 4));
    }
    sysreg.debug = NULL;
}

static void sysreg_mdccint_keeps_its_value(void **state)
{
    struct sysreg_cpu cpu = {0};
    uint64_t value = ~0ull, kick;

    assert_true(access_register(&cpu, 0xd5100203, &value, &kick)); /* msr mdccint_el1, x3 */
    value = 0;
    assert_true(access_register(&cpu, 0xd5300203, &value, &kick));
    assert_int_equal(value, 3u << 29);
}

static void sysreg_never_goes_out_of_bounds_for_any_encoding(void **state)
{
    for (uint32_t key = 0; key < 0x10000; key++) {
        for (uint32_t read = 0; read < 2; read++) {
            struct sysreg_cpu cpu = {0};
            uint64_t value = 0, kick;

            (void)access_register(&cpu, 0xd5000000 | read << 21 | key << 5, &value, &kick);
        }
    }
}

static uint64_t filtered(unsigned crm, unsigned op2, uint64_t cpu)
{
    uint64_t in[IDREGS_COUNT] = {0}, out[IDREGS_COUNT];

    in[RV_ID_INDEX(4, 0)] = 2; /* AArch32 at EL0 */
    in[RV_ID_INDEX(crm, op2)] = cpu;
    idregs_filter(in, out);
    return out[RV_ID_INDEX(crm, op2)];
}

static void idregs_apply_each_rule_to_each_value(void **state)
{
    for (size_t i = 0; i < idregs_field_count; i++) {
        const struct idregs_field *f = &idregs_fields[i];
        uint64_t mask = ~0ull >> (64 - f->width);

        for (uint64_t v = 0; v < 16; v++) {
            uint64_t got, want = v;

            /* All other bits set: the rules of neighbours must not leak in. */
            got = filtered(f->crm, f->op2, ~(mask << f->shift) | v << f->shift);
            got = got >> f->shift & mask;
            switch ((enum idregs_rule)f->rule) {
            case IDREGS_PASS: break;
            case IDREGS_MAX: want = v > f->value ? f->value : v; break;
            case IDREGS_MAX_SIGNED: want = v < 8 && v > f->value ? f->value : v; break;
            case IDREGS_PMU: want = v == 15 ? 0 : v > f->value ? f->value : v; break;
            case IDREGS_FIXED: want = f->value; break;
            case IDREGS_HIDE: want = 0; break;
            }
            if (got != want) {
                fail_msg("%s: %llu became %llu", f->name, (unsigned long long)v,
                         (unsigned long long)got);
            }
        }
        assert_true(f->rule == IDREGS_PASS || f->why);
    }
}

static void idregs_rules_do_not_overlap_and_name_existing_registers(void **state)
{
    uint64_t taken[IDREGS_COUNT] = {0};

    for (size_t i = 0; i < idregs_field_count; i++) {
        const struct idregs_field *f = &idregs_fields[i];
        uint64_t mask = (~0ull >> (64 - f->width)) << f->shift;
        unsigned index = RV_ID_INDEX(f->crm, f->op2);

        assert_in_range(f->crm, 1, 7);
        assert_in_range(f->op2, 0, 7);
        assert_true(f->shift + f->width <= 64);
        if (taken[index] & mask)
            fail_msg("%s: two rules", f->name);
        taken[index] |= mask;
    }
}

static void idregs_read_zero_where_no_rule_is(void **state)
{
    uint64_t in[IDREGS_COUNT], out[IDREGS_COUNT];

    memset(in, 0xff, sizeof(in));
    idregs_filter(in, out);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(out[i], 0); /* row 0: MIDR and company do not come through here */
    assert_int_equal(out[RV_ID_INDEX(3, 3)], 0);
    assert_int_equal(out[RV_ID_INDEX(4, 3)], 0);
    assert_int_equal(out[RV_ID_INDEX(4, 6)], 0);
    assert_int_equal(out[RV_ID_INDEX(7, 7)], 0);
    assert_int_equal(out[RV_ID_INDEX(6, 0)] & 0xf, 0);
}

static void idregs_without_aarch32_hide_all_of_it(void **state)
{
    uint64_t in[IDREGS_COUNT], out[IDREGS_COUNT];

    memset(in, 0x11, sizeof(in));
    idregs_filter(in, out);
    for (unsigned i = RV_ID_INDEX(1, 0); i < RV_ID_INDEX(4, 0); i++)
        assert_int_equal(out[i], 0);
}

/* Whole registers worked out by hand. */
static void idregs_of_a_full_cpu_show_what_the_vmm_can_keep(void **state)
{
    static const struct {
        unsigned crm, op2;
        uint64_t cpu, guest;
    } cases[] = {
        /* CSV3 CSV2 RME DIT AMU MPAM SEL2 SVE | RAS GIC AdvSIMD FP EL3 EL2 EL1 EL0 */
        {4, 0, 0x1211111131111122, 0x1101000111110012},
        /* no FP, no AdvSIMD, no GIC registers: negative fields pass, the GIC is the vgic */
        {4, 0, 0x0000000000ff0012, 0x0000000001ff0012},
        /* GCS NMI CSV2_frac RNDR SME - MPAM_frac RAS_frac MTE SSBS BT */
        {4, 1, 0x0000111231011321, 0x0000000100000021},
        /* DebugVer 9, PMUVer 6, 6 breakpoints, 4 watchpoints, 2 context; DoubleLock 0 */
        {5, 0, 0x0f00010110305609, 0x000000f010305609},
        /* ECV 2 FGT 1 ExS 0 TGran4_2.. 2 2 2, TGran4 1 TGran64 0 TGran16 2, BigEnds, 52 bits */
        {7, 0, 0x2100022210211126, 0x1000011100100022},
        {7, 0, 0x00000000ff000001, 0x00000111ff000001}, /* no 4K, no 64K granule; 36 bits */
        /* MOPS hidden, pointer authentication and WFxT kept */
        {6, 2, 0x0000000000115502, 0x0000000000105502},
        {6, 1, 0x1011111111211052, 0x0011111111211052}, /* LS64 */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t got = filtered(cases[i].crm, cases[i].op2, cases[i].cpu);

        if (got != cases[i].guest) {
            fail_msg("case %zu: %#llx, not %#llx", i, (unsigned long long)got,
                     (unsigned long long)cases[i].guest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sysreg_answers_each_row_as_its_table_says),
        cmocka_unit_test(sysreg_sgi_writes_reach_the_vgic_and_bring_its_kick_mask),
        cmocka_unit_test(sysreg_dir_writes_reach_the_vgic_with_24_bits_of_intid),
        cmocka_unit_test(sysreg_cpu_interface_is_read_from_the_gic_group),
        cmocka_unit_test(sysreg_cpu_interface_is_written_to_its_fields_of_vmcr),
        cmocka_unit_test(sysreg_cpu_interface_of_a_lost_machine_is_reported),
        cmocka_unit_test(sysreg_os_lock_is_locked_at_reset_and_follows_oslar),
        cmocka_unit_test(sysreg_dbgprcr_keeps_its_one_bit),
        cmocka_unit_test(sysreg_claim_tags_are_set_and_cleared_one_by_one),
        cmocka_unit_test(sysreg_debug_registers_are_the_copy_that_the_debugger_keeps),
        cmocka_unit_test(sysreg_mdccint_keeps_its_value),
        cmocka_unit_test(sysreg_never_goes_out_of_bounds_for_any_encoding),
        cmocka_unit_test(idregs_apply_each_rule_to_each_value),
        cmocka_unit_test(idregs_rules_do_not_overlap_and_name_existing_registers),
        cmocka_unit_test(idregs_read_zero_where_no_rule_is),
        cmocka_unit_test(idregs_without_aarch32_hide_all_of_it),
        cmocka_unit_test(idregs_of_a_full_cpu_show_what_the_vmm_can_keep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
