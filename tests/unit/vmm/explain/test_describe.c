/* SPDX-License-Identifier: BSD-2-Clause */
/* What people read about an exit. ESR values are put together from the Arm ARM's bit numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/vcpu.h"
#include "vmm/exit/decode.h"
#include "vmm/explain/describe.h"
#include "vmm/explain/describe_internal.h"
#include "vmm/sysreg/sysreg.h"
#include "vmm/util/log.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define ALL (DESCRIBE_FAR | DESCRIBE_IPA | DESCRIBE_PC | DESCRIBE_PSTATE | DESCRIBE_INSN)

/* To be freed. */
static char *text_of(const struct describe_input *in)
{
    struct description d;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    describe(in, &d);
    describe_print(in, &d, f);
    fclose(f);
    return text;
}

static uint64_t esr(unsigned ec, uint32_t iss)
{
    return (uint64_t)ec << 26 | 1u << 25 | iss;
}

/* Blanks are one blank, for they are layout. */
static void squeeze(char *s)
{
    char *to = s;

    for (char *from = s; *from; from++) {
        if (*from != ' ' || to == s || to[-1] != ' ')
            *to++ = *from;
    }
    *to = '\0';
}

static void describe_tells_each_class_and_its_fields(void **state)
{
    static const struct {
        unsigned ec;
        uint32_t iss;
        const char *words[5];
    } rows[] = {
        {0x00, 0, {"unknown reason", "0x00 Unknown reason", "vmm inject UNDEFINED"}},
        {0x01, 0x1e00000, {": WFI\n", "TI 0b00 WFI", "COND 0b1110 al", "vmm wait"}},
        {0x01, 0x1e00001, {": WFE\n", "TI 0b01 WFE", "vmm emulate goes on"}},
        {0x01, 0x1e000a6, {": WFIT\n", "RV 1", "RN 5 x5", "vmm emulate"}},
        {0x03, 0x1e0eca9, {"mrc p15, 3, r5, c11, c4, 0", "encoding Opc1=3 Opc2=0", "CRn 11 c11"}},
        {0x04, 0x1e10844, {"mcrr p15, 1, r2, r2, c2", "Rt2 2 r2", "Direction 0 write"}},
        {0x05, 0x1e00001, {"mrc p14, 0, r0, c0, c0, 0"}},
        {0x06, 0x1e050b5, {"imm8 5 offset of 20 bytes", "Rn 5 r5", "STC", "added", "AM 0b010"}},
        {0x07, 0x1e00000, {"floating-point access", "CV 1", "vmm inject UNDEFINED"}},
        {0x08, 0x1ef0001, {"mrc p10"}},
        {0x09, 0, {"pointer authentication instruction"}},
        {0x0a, 1, {"ISS 0x0000001 ST64BV0"}},
        {0x0c, 0x1e00001, {"mrrc p14"}},
        {0x0d, 2, {"BTYPE 0b10", "the same exception"}},
        {0x0e, 0, {"illegal execution state", "the same exception"}},
        {0x11, 5, {"SVC in AArch32, #5", "imm16 0x0005 immediate"}},
        {0x12, 0, {"HVC in AArch32", "vmm inject UNDEFINED"}},
        {0x13, 0x1e80000, {"CCKNOWNPASS 1 the condition may have failed"}},
        {0x14, 0x300001, {"128-bit system register access", "read: MRRS", "vmm inject UNDEFINED"}},
        {0x15, 1, {"SVC, #1", "the same exception"}},
        {0x16, 0, {"HVC, #0", "SMC Calling Convention", "vmm emulate PSCI or SMCCC"}},
        {0x17, 7, {"SMC, #7", "imm16 0x0007", "NOT_SUPPORTED"}},
        {0x18,
         0x3a3256,
         {"write of ICC_SGI1R_EL1 from x18", "Op0=3 Op1=0 CRn=12 CRm=11 Op2=5", "Rt 18 x18",
          "vmm emulate the SGI is sent"}},
        {0x18, 0x3003e9, {"read of ID_AA64PFR0_EL1 into xzr", "vmm emulate an ID register"}},
        {0x18, 0x141fcc, {"DC ISW with x30", "Direction 0 SYS"}},
        {0x18, 0x323c65, {"read of S3_0_C15_C2_1 into x3", "vmm inject UNDEFINED: the CPU's own"}},
        {0x19, 0, {"SVE access"}},
        {0x1a, 3, {"ERET 1 ERETAA or ERETAB", "ERETA 1 ERETAB"}},
        {0x1b, 0xe0, {"Rd 7 x7"}},
        {0x1c, 2, {"Data 1 data key", "BKey 0 A key"}},
        {0x1d, 3, {"SMTC 0b011 needs PSTATE.ZA"}},
        {0x1e, 0x100028, {"xFSC 0b101000 granule protection fault", "InD 1 instruction fetch"}},
        {0x1f, 0, {"IMPLEMENTATION DEFINED"}},
        {0x20,
         0x87,
         {"instruction abort", "IFSC 0b000111 translation fault, level 3", "S1PTW 1",
          "instruction abort, external abort on a table walk"}},
        {0x21, 0x07, {"without a change in Exception level", "no memory is there"}},
        {0x22, 0, {"PC alignment fault"}},
        {0x24, 0x1450046, {"2-byte write of w5", "WnR 1 write", "SAS 0b01 2 bytes", "level 2"}},
        {0x24,
         0x12aa505,
         {"1-byte read into x10, sign-extended", "SSE 1", "VNCR 1", "FnV 1", "CM 1"}},
        {0x24, 0x1df0046, {"8-byte write of wzr", "SAS 0b11 8 bytes"}},
        {0x24, 0x46, {"data abort, write", "ISV 0", "fetches the instruction"}},
        {0x24, 0x146, {"cache maintenance", "CM 1", "vmm emulate nothing to do"}},
        {0x24, 0x87, {"S1PTW 1 on the walk", "external abort on a table walk"}},
        {0x24, 0x1010, {"SET 0b10 uncontainable", "external abort", "vmm inject"}},
        {0x24, 0x21, {"alignment fault", "the same fault status"}},
        {0x24, 0x3f, {"DFSC 0b111111 reserved fault"}},
        {0x25, 0x05, {"Data Abort taken without a change"}},
        {0x26, 0, {"SP alignment fault"}},
        {0x27, 0x1000c22, {"MemInst 1 SET*", "Rd 3 x3", "Rs 1 x1", "Rn 2 x2"}},
        {0x28, 0x800001, {"IOF 1 invalid operation"}},
        {0x2c, 0x800088, {"IDF 1 input denormal", "UFF 1 underflow"}},
        {0x2d, 0x200000, {"ExType 0b0010 GCSSTR or GCSSTTR trap"}},
        {0x2f,
         0x11,
         {"SError", "asynchronous SError", "AET 0b000 uncontainable", "vmm inject SError"}},
        {0x2f, 0x1811, {"AET 0b110 corrected", "vmm account an error message"}},
        {0x2f, 0x1000000, {"IDS 1"}},
        {0x30, 0x22, {"breakpoint", "IFSC 0b100010 debug exception"}},
        {0x32, 0x1000062, {"software step", "EX 1 a load-exclusive"}},
        {0x34, 0x0e0062, {"WPT 3 watchpoint 3", "WnR 1 write"}},
        {0x38, 9, {"BKPT in AArch32, #9"}},
        {0x3a, 0x22, {"vector catch"}},
        {0x3c, 0x800, {"BRK, #2048", "Comment 0x0800 immediate"}},
        {0x3d, 1, {"SYNC 1 synchronous", "FSC 0b00000", "not expected"}},
        {0x3f, 0x123, {"reserved exception class", "EC 0x3f reserved", "ISS 0x0000123"}},
    };

    unsigned missing = 0;

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct describe_input in = {.event.esr = esr(rows[i].ec, rows[i].iss)};
        char *text = text_of(&in);

        squeeze(text);
        for (size_t n = 0; n < COUNT(rows[i].words) && rows[i].words[n]; n++) {
            if (strstr(text, rows[i].words[n]))
                continue;
            missing++;
            print_error("EC 0x%02x, ISS 0x%x: no '%s' in:\n%s", rows[i].ec, rows[i].iss,
                        rows[i].words[n], text);
        }
        free(text);
    }
    assert_int_equal(missing, 0);
}

static void describe_names_what_is_at_an_address(void **state)
{
    static const struct {
        uint64_t ipa;
        const char *place;
    } rows[] = {
        {0x0, "flash + 0x0"},
        {0x8000004, "GICv3 distributor + 0x4, GICD_TYPER"},
        {0x8000110, "GICv3 distributor + 0x110, GICD_ISENABLER4"},
        {0x8006100, "GICv3 distributor + 0x6100, GICD_IROUTER32"},
        {0x80a0014, "GICv3 redistributor 0 + 0x14, GICR_WAKER"},
        {0x80d0100, "GICv3 redistributor 1 + 0x10100, GICR_ISENABLER0"},
        {0x9000018, "UART (PL011) + 0x18, UARTFR"},
        {0x9001000, "nothing of the board is there"},
        {0xa000650, "virtio-mmio 3 + 0x50, QueueNotify"},
        {0xc010008, "platform bus + 0x10008"},
        {0x40000000, "RAM + 0x0"},
        {0xffffffffff, "RAM + 0xffbfffffff"},
        {0x10000000000, "beyond the guest's physical addresses"},
        {UINT64_MAX, "beyond the guest's physical addresses"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct describe_input in = {.event = {.esr = esr(0x24, 0x1800046), .ipa = rows[i].ipa},
                                    .given = DESCRIBE_IPA};
        struct description d;

        describe(&in, &d);
        assert_string_equal(d.place, rows[i].place);
        in.given = 0;
        describe(&in, &d);
        assert_string_equal(d.place, "");
    }
}

/* Texts that the GNU assembler turned into the words. */
static void describe_writes_an_instruction_as_the_assembler_reads_it(void **state)
{
    static const struct {
        uint32_t word;
        const char *text;
    } rows[] = {
        {0xb9400438, "ldr w24, [x1, #4]"},
        {0x39000002, "strb w2, [x0]"},
        {0xb8808fe3, "ldrsw x3, [sp, #8]!"},
        {0x38dff483, "ldrsb w3, [x4], #-1"},
        {0x785fd0c5, "ldurh w5, [x6, #-3]"},
        {0xf8695907, "ldr x7, [x8, w9, uxtw #3]"},
        {0xb8296907, "str w7, [x8, x9]"},
        {0x78400841, "ldtrh w1, [x2]"},
        {0xa9ff07e0, "ldp x0, x1, [sp, #-16]!"},
        {0x69410440, "ldpsw x0, x1, [x2, #8]"},
        {0x28000440, "stnp w0, w1, [x2]"},
        {0xc8dffc41, "ldar x1, [x2]"},
        {0x089ffc41, "stlrb w1, [x2]"},
        {0xb8bfc041, "ldapr w1, [x2]"},
        {0x19405041, "ldapurb w1, [x2, #5]"},
        {0xc85f7c41, "ldxr x1, [x2]"},
        {0x4803fc41, "stlxrh w3, w1, [x2]"},
        {0xc87f8861, "ldaxp x1, x2, [x3]"},
        {0x88200be1, "stxp w0, w1, w2, [sp]"},
        {0xf8e10062, "ldaddal x1, x2, [x3]"},
        {0x38218062, "swpb w1, w2, [x3]"},
        {0xb861407f, "ldsmaxl w1, wzr, [x3]"},
        {0xc8e1fc62, "casal x1, x2, [x3]"},
        {0x08627cc4, "caspa w2, w3, w4, w5, [x6]"},
        {0x3dc00883, "ldr q3, [x4, #32]"},
        {0x6c810420, "stp d0, d1, [x1], #16"},
        {0x3c5ff041, "ldur b1, [x2, #-1]"},
        {0x4cdfa03f, "ld1 {v31.16b, v0.16b}, [x1], #32"},
        {0x4d209001, "st2 {v1.s, v2.s}[3], [x0]"},
        {0x0dc8e4e4, "ld3r {v4.4h, v5.4h, v6.4h}, [x7], x8"},
        {0xd50b7423, "dc zva, x3"},
        {0xf8e00c41, "ldrab x1, [x2, #-4096]!"},
        {0xa50670a3, "sve first-fault load of 2-byte elements, 1 of {z3}, p4, [x5, ...]"},
        {0xe4a4c861, "sve store of 2-byte elements, 1 of {z1}, p2, [x3 + elements]"},
        {0xe59f1fe3, "sve str p3, [sp, ...]"},
        {0xd4000002, "hvc #0"},
        {0xd40000e3, "smc #7"},
        {0xd503207f, "wfi"},
        {0xd5031025, "wfit x5"},
        {0xd518cbb2, "msr ICC_SGI1R_EL1, x18"},
        {0xd5380500, "mrs x0, ID_AA64DFR0_EL1"},
        {0xd69f03e0, "eret"},
        {0xd503201f, "nop"},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct describe_input in = {
            .event.esr = esr(0x24, 0x46), .given = DESCRIBE_INSN, .word = rows[i].word};
        struct description d;

        describe(&in, &d);
        assert_string_equal(d.insn, rows[i].text);
    }
}

static uint64_t no_sgi(void *opaque, unsigned vcpu, enum vgic_sgi_reg which, uint64_t value,
                       uint64_t reached)
{
    return 0;
}

static void no_deactivate(void *opaque, unsigned vcpu, uint32_t intid)
{
}

static int no_gic(void *opaque, unsigned vcpu, struct rv_gic *out)
{
    *out = (struct rv_gic){0};
    return 0;
}

static int no_set_vmcr(void *opaque, unsigned vcpu, uint64_t mask, uint64_t bits)
{
    return 0;
}

static void describe_says_what_the_emulation_does_for_each_register(void **state)
{
    struct sysreg sysreg = {
        .id = {[RV_ID_INDEX(5, 0)] = 0xf0f000}, /* 16 breakpoints, 16 watchpoints */
        .sgi = no_sgi,
        .deactivate = no_deactivate,
        .gic = no_gic,
        .set_vmcr = no_set_vmcr};
    struct sysreg_cpu cpu;

    log_set_level("error");
    sysreg_reset(&cpu);
    for (uint32_t n = 0; n < 0x20000; n++) {
        uint32_t key = n >> 1;
        struct exit_sysreg reg = {.key = (uint16_t)key,
                                  .op0 = key >> 14 & 3u,
                                  .op1 = key >> 11 & 7u,
                                  .crn = key >> 7 & 15u,
                                  .crm = key >> 3 & 15u,
                                  .op2 = key & 7u,
                                  .read = n & 1u};
        struct sysreg_access access = {.reg = &reg};

        bool defined;

        (void)sysreg_effect(&reg, &defined);
        if (defined != sysreg_emulate(&sysreg, &cpu, &access))
            fail_msg("S%u_%u_C%u_C%u_%u: %s", reg.op0, reg.op1, reg.crn, reg.crm, reg.op2,
                     reg.read ? "read" : "write");
    }
}

static void describe_tells_of_a_failed_condition_and_of_a_wide_address(void **state)
{
    struct describe_input in = {.event.esr = esr(0x03, 0x1000001), .given = DESCRIBE_PSTATE};
    struct description d;

    in.event.pstate = 0x10; /* AArch32, Z clear: EQ fails */
    describe(&in, &d);
    assert_string_equal(d.action, "emulate");
    in.event.pstate = 0x40000010;
    describe(&in, &d);
    assert_string_equal(d.action, "inject");
    assert_string_equal(d.pstate, "AArch32 mode 0x10, A32, nZcv, daif");
    in = (struct describe_input){.event = {.esr = esr(0x24, 0x1800046), .ipa = 1ull << 40},
                                 .given = DESCRIBE_IPA};
    describe(&in, &d);
    assert_string_equal(d.action, "inject");
}

static void describe_cuts_a_text_that_does_not_fit(void **state)
{
    char small[8];
    struct text *t = TEXT(small);

    text_put(t, "%s", "01234");
    text_put(t, "%s", "56789");
    text_put(t, "%s", "more");
    assert_string_equal(small, "0123456");
}

/* Each field named once, or JSON loses one; all texts end. */
static void describe_takes_any_value(void **state)
{
    uint64_t x = 88172645463325252ull;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    for (unsigned i = 0; i < 200000; i++) {
        struct describe_input in = {.given = i & 1u ? ALL : i & ALL};
        struct description d;
        uint64_t v[5];

        for (unsigned n = 0; n < COUNT(v); n++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            v[n] = x;
        }
        in.event = (struct rv_event){.esr = v[0],
                                     .far = v[1],
                                     .ipa = v[2] >> (v[4] & 63u),
                                     .pc = v[3],
                                     .pstate = (uint32_t)v[4]};
        in.word = (uint32_t)(v[4] >> 32);
        if (i & 2u) /* loads and stores */
            in.word = (in.word & ~0x0a000000u) | 0x08000000u;
        describe(&in, &d);
        assert_true(d.nr_fields >= 2 && d.nr_fields < DESCRIBE_FIELDS);
        for (unsigned n = 0; n < d.nr_fields; n++) {
            assert_true(strlen(d.fields[n].text) < sizeof(d.fields[n].text) - 1);
            for (unsigned m = 0; m < n; m++)
                assert_string_not_equal(d.fields[n].name, d.fields[m].name);
        }
        assert_true(d.kind && d.term && d.action);
        assert_true(strlen(d.summary) < sizeof(d.summary) - 1);
        assert_true(strlen(d.place) < sizeof(d.place) - 1);
        assert_true(strlen(d.insn) < sizeof(d.insn) - 1);
        assert_true(strlen(d.effect) < sizeof(d.effect) - 1);
        rewind(f);
        describe_print(&in, &d, f);
    }
    fclose(f);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describe_tells_each_class_and_its_fields),
        cmocka_unit_test(describe_names_what_is_at_an_address),
        cmocka_unit_test(describe_writes_an_instruction_as_the_assembler_reads_it),
        cmocka_unit_test(describe_says_what_the_emulation_does_for_each_register),
        cmocka_unit_test(describe_tells_of_a_failed_condition_and_of_a_wide_address),
        cmocka_unit_test(describe_cuts_a_text_that_does_not_fit),
        cmocka_unit_test(describe_takes_any_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
