/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The load/store decoder on words as binutils makes them. tests/oracle compares many
 * more; here are one of each form, and what must not be taken for a load or store.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/insn/insn.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void insn_decodes_each_form(void **state)
{
    static const struct {
        uint32_t word;
        struct insn insn;
        unsigned length;
    } words[] = {
        /* ldrab x1, [x2, #-4096]! */
        {0xf8e00c41,
         {.class = INSN_GENERAL,
          .mode = INSN_MODE_PRE,
          .load = true,
          .size = 8,
          .regs = 1,
          .rt = 1,
          .rn = 2,
          .imm = -4096,
          .wide = true,
          .authenticated = true},
         8},
        /* ldraa x1, [sp, #4088] */
        {0xf83ff7e1,
         {.class = INSN_GENERAL,
          .load = true,
          .size = 8,
          .regs = 1,
          .rt = 1,
          .rn = 31,
          .imm = 4088,
          .wide = true,
          .authenticated = true},
         8},
        /* ldp x0, x1, [x2, #-16]! */
        {0xa9ff0440,
         {.class = INSN_GENERAL,
          .mode = INSN_MODE_PRE,
          .load = true,
          .size = 8,
          .regs = 2,
          .rt = 0,
          .rt2 = 1,
          .rn = 2,
          .imm = -16,
          .wide = true},
         16},
        /* stp w3, wzr, [sp], #8 */
        {0x28817fe3,
         {.class = INSN_GENERAL,
          .mode = INSN_MODE_POST,
          .store = true,
          .size = 4,
          .regs = 2,
          .rt = 3,
          .rt2 = 31,
          .rn = 31,
          .imm = 8},
         8},
        /* ldpsw x4, x5, [x6] */
        {0x694014c4,
         {.class = INSN_GENERAL,
          .load = true,
          .size = 4,
          .regs = 2,
          .rt = 4,
          .rt2 = 5,
          .rn = 6,
          .sign = true,
          .wide = true},
         8},
        /* ldnp q0, q1, [x2, #32] */
        {0xac410440,
         {.class = INSN_FP,
          .load = true,
          .size = 16,
          .regs = 2,
          .rt = 0,
          .rt2 = 1,
          .rn = 2,
          .imm = 32,
          .no_allocate = true},
         32},
        /* ldrsb w1, [x2, #4095] */
        {0x39fffc41,
         {.class = INSN_GENERAL,
          .load = true,
          .size = 1,
          .regs = 1,
          .rt = 1,
          .rn = 2,
          .imm = 4095,
          .sign = true},
         1},
        /* sturh w1, [x2, #-1] */
        {0x781ff041,
         {.class = INSN_GENERAL,
          .store = true,
          .size = 2,
          .regs = 1,
          .rt = 1,
          .rn = 2,
          .imm = -1,
          .unscaled = true},
         2},
        /* ldtr x7, [x8] */
        {0xf8400907,
         {.class = INSN_GENERAL,
          .load = true,
          .size = 8,
          .regs = 1,
          .rt = 7,
          .rn = 8,
          .wide = true,
          .unprivileged = true},
         8},
        /* ldr x0, [x1, w2, uxtw #3] */
        {0xf8625820,
         {.class = INSN_GENERAL,
          .mode = INSN_MODE_REGISTER,
          .load = true,
          .size = 8,
          .regs = 1,
          .rt = 0,
          .rn = 1,
          .rm = 2,
          .extend = INSN_UXTW,
          .shift = 3,
          .wide = true},
         8},
        /* str q9, [x10, x11, lsl #4] */
        {0x3cab7949,
         {.class = INSN_FP,
          .mode = INSN_MODE_REGISTER,
          .store = true,
          .size = 16,
          .regs = 1,
          .rt = 9,
          .rn = 10,
          .rm = 11,
          .extend = INSN_LSL,
          .shift = 4},
         16},
        /* ldrsw x3, . - 4 */
        {0x98ffffe3,
         {.class = INSN_GENERAL,
          .mode = INSN_MODE_LITERAL,
          .load = true,
          .size = 4,
          .regs = 1,
          .rt = 3,
          .imm = -4,
          .sign = true,
          .wide = true},
         4},
        /* stlrb w1, [x2] */
        {0x089ffc41,
         {.class = INSN_GENERAL,
          .store = true,
          .size = 1,
          .regs = 1,
          .rt = 1,
          .rn = 2,
          .release = true},
         1},
        /* ldlarb w1, [x2] */
        {0x08df7c41,
         {.class = INSN_GENERAL,
          .load = true,
          .size = 1,
          .regs = 1,
          .rt = 1,
          .rn = 2,
          .acquire = true,
          .limited = true},
         1},
        /* ldapr w1, [x2] */
        {0xb8bfc041,
         {.class = INSN_GENERAL,
          .load = true,
          .size = 4,
          .regs = 1,
          .rt = 1,
          .rn = 2,
          .acquire = true,
          .rcpc = true},
         4},
        /* stlxp w3, x1, x4, [x2] */
        {0xc8239041,
         {.class = INSN_EXCLUSIVE,
          .store = true,
          .size = 8,
          .regs = 2,
          .rt = 1,
          .rt2 = 4,
          .rs = 3,
          .rn = 2,
          .wide = true,
          .release = true},
         16},
        /* ldsminalb w1, w2, [x3] */
        {0x38e15062,
         {.class = INSN_ATOMIC,
          .load = true,
          .store = true,
          .size = 1,
          .regs = 1,
          .rt = 2,
          .rs = 1,
          .rn = 3,
          .acquire = true,
          .release = true,
          .op = INSN_SMIN},
         1},
        /* caspa w2, w3, w4, w5, [x6] */
        {0x08627cc4,
         {.class = INSN_CAS,
          .load = true,
          .store = true,
          .size = 4,
          .regs = 2,
          .rt = 4,
          .rt2 = 5,
          .rs = 2,
          .rn = 6,
          .acquire = true},
         8},
        /* ld3 {v31.4h, v0.4h, v1.4h}, [x2], #24 */
        {0x0cdf445f,
         {.class = INSN_STRUCT,
          .mode = INSN_MODE_POST,
          .load = true,
          .size = 2,
          .regs = 3,
          .rt = 31,
          .rn = 2,
          .imm = 24,
          .structure = 3,
          .vector = 8},
         24},
        /* st2 {v3.s, v4.s}[3], [x5], x6 */
        {0x4da690a3,
         {.class = INSN_LANE,
          .mode = INSN_MODE_POST_REG,
          .store = true,
          .size = 4,
          .regs = 2,
          .rt = 3,
          .rn = 5,
          .rm = 6,
          .structure = 2,
          .lane = 3},
         8},
        /* ld4r {v0.16b-v3.16b}, [x1] */
        {0x4d60e020,
         {.class = INSN_REPLICATE,
          .load = true,
          .size = 1,
          .regs = 4,
          .rt = 0,
          .rn = 1,
          .structure = 4,
          .vector = 16},
         4},
        /* dc zva, x9 */
        {0xd50b7429, {.class = INSN_ZERO, .store = true, .rt = 9}, 0},
        /* ldff1sh {z3.d}, p4/z, [x5, x6, lsl #1] */
        {0xa50670a3,
         {.class = INSN_SVE,
          .mode = INSN_MODE_REGISTER,
          .load = true,
          .size = 2,
          .element = 8,
          .regs = 1,
          .rt = 3,
          .rn = 5,
          .rm = 6,
          .extend = INSN_LSL,
          .shift = 1,
          .sign = true,
          .pg = 4,
          .faulting = INSN_FAULTING_FIRST},
         0},
        /* st3w {z30.s, z31.s, z0.s}, p1, [sp, #-6, mul vl] */
        {0xe55ee7fe,
         {.class = INSN_SVE,
          .mode = INSN_MODE_VL,
          .store = true,
          .size = 4,
          .element = 4,
          .regs = 3,
          .rt = 30,
          .rn = 31,
          .imm = -6,
          .pg = 1},
         0},
        /* st1h {z1.d}, p2, [x3, z4.d, sxtw #1] */
        {0xe4a4c861,
         {.class = INSN_SVE_GATHER,
          .mode = INSN_MODE_VECTOR_INDEX,
          .store = true,
          .size = 2,
          .element = 8,
          .regs = 1,
          .rt = 1,
          .rn = 3,
          .rm = 4,
          .extend = INSN_SXTW,
          .shift = 1,
          .pg = 2},
         0},
        /* str p3, [sp, #255, mul vl] */
        {0xe59f1fe3,
         {.class = INSN_SVE_WHOLE,
          .mode = INSN_MODE_VL,
          .store = true,
          .size = 2,
          .element = 2,
          .regs = 1,
          .rt = 3,
          .rn = 31,
          .imm = 255,
          .predicate = true},
         0},
    };

    for (size_t n = 0; n < COUNT(words); n++) {
        struct insn insn;

        insn_decode(words[n].word, &insn);
        if (memcmp(&insn, &words[n].insn, sizeof(insn)) != 0)
            fail_msg("word %08x is decoded wrongly", words[n].word);
        assert_int_equal(insn_length(&insn), words[n].length);
    }
}

static void insn_prefetch_is_no_access(void **state)
{
    /* prfm literal, unsigned, unscaled, register; rprfm; prfb, prfd of SVE */
    static const uint32_t words[] = {0xd8000001, 0xf9800020, 0xf8801020, 0xf8a26820,
                                     0xf8a26838, 0x85c30020, 0xc400e020};

    for (size_t n = 0; n < COUNT(words); n++) {
        struct insn insn;

        insn_decode(words[n], &insn);
        assert_int_equal(insn.class, INSN_PREFETCH);
        assert_false(insn.load || insn.store);
        assert_int_equal(insn_length(&insn), 0);
    }
}

static void insn_refuses_what_is_not_a_load_or_store(void **state)
{
    static const uint32_t words[] = {
        0x00000000, /* udf */
        0xd503201f, /* nop */
        0xd50b7a29, /* dc cvac */
        0x8b020020, /* add */
        0x14000000, /* b */
        0x4e221c20, /* SIMD and */
        0xf8c00400, /* opc 3 of 8 bytes */
        0xb8c00400, /* opc 3 of 4 bytes */
        0xf8800400, /* prfm with writeback */
        0x3c400820, /* ldtr of a SIMD&FP register */
        0xf8620820, /* register offset with option 0 */
        0x08617c42, /* casp with odd Rs */
        0x08607c43, /* casp with odd Rt */
        0x08a07802, /* cas with Rt2 not 31 */
        0x68400000, /* ldpsw without allocation */
        0xdc000000, /* literal of SIMD&FP opc 3 */
        0x0c400c00, /* ld4 of .1d */
        0x0c409000, /* structures, opcode 9 */
        0x0d404400, /* lane of 2 bytes with an odd size field */
        0x0d00c000, /* a store that replicates */
        0x0d40d000, /* replicate with S */
        0x0c410000, /* structures without writeback and with Rm */
        0xa41f4020, /* ld1b of SVE with X[31] as offset */
        0xa5008020, /* ld1w of 128-bit elements: SVE2.1 */
        0xe4804020, /* st1h into elements of a byte */
        0x85808014, /* prfd with bit 4 */
        0x85800010, /* ldr p16 */
    };

    for (size_t n = 0; n < COUNT(words); n++) {
        static const struct insn none = {.class = INSN_OTHER};
        struct insn insn;

        memset(&insn, 0xff, sizeof(insn));
        insn_decode(words[n], &insn);
        if (memcmp(&insn, &none, sizeof(insn)) != 0)
            fail_msg("word %08x is taken for a load or store", words[n]);
    }
}

static void insn_names_accesses_that_are_not_emulated(void **state)
{
    static const uint32_t words[] = {
        0xe0000000, /* ld1b, SME */
        0xd9200800, /* stg */
        0x69000000, /* stgp */
        0xf83fd000, /* ld64b */
        0x19001400, /* cpyfp */
        0x19208000, /* swpp */
        0x99411840, /* ldiapp */
        0x0d018400, /* stl1 */
        0x3c200000, /* ldfadd */
        0xd50b7460, /* dc gva */
    };

    for (size_t n = 0; n < COUNT(words); n++) {
        struct insn insn;

        insn_decode(words[n], &insn);
        if (insn.class != INSN_UNSUPPORTED)
            fail_msg("word %08x is class %u", words[n], insn.class);
    }
}

/* What insn_exec.c relies on, for a walk through all words with a prime stride. */
static void insn_fields_are_in_range_for_any_word(void **state)
{
    uint32_t word = 0;

    for (unsigned n = 0; n < 2000000; n++, word += 2654435761u) {
        struct insn i;

        insn_decode(word, &i);
        assert_true(i.class < INSN_CLASSES && i.mode <= INSN_MODE_VECTOR_REG);
        assert_true(i.rt < 32 && i.rt2 < 32 && i.rs < 32 && i.rn < 32 && i.rm < 32);
        assert_true(insn_length(&i) <= 64 && i.shift <= 4 && i.regs <= 4 && i.op <= INSN_SWP);
        if (insn_length(&i) != 0) {
            assert_true(i.size >= 1 && i.size <= 16 && (i.size & (i.size - 1)) == 0);
            assert_true(i.load || i.store);
        }
        if (i.class == INSN_LANE)
            assert_true(i.lane < 16 / i.size);
        if (insn_is_sve(&i)) {
            assert_true(i.load != i.store && i.regs >= 1 && i.pg < 8);
            assert_true(i.size >= 1 && (i.size & (i.size - 1)) == 0);
            assert_true((i.element & (i.element - 1)) == 0 && i.element >= i.size);
            assert_true(i.class == INSN_SVE_WHOLE || i.element <= 8);
            assert_true((i.block == 16 || i.block == 32) == (i.class == INSN_SVE_BLOCK));
        } else {
            assert_true(i.mode <= INSN_MODE_LITERAL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(insn_decodes_each_form),
        cmocka_unit_test(insn_prefetch_is_no_access),
        cmocka_unit_test(insn_refuses_what_is_not_a_load_or_store),
        cmocka_unit_test(insn_names_accesses_that_are_not_emulated),
        cmocka_unit_test(insn_fields_are_in_range_for_any_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
