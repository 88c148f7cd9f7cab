/* SPDX-License-Identifier: BSD-2-Clause */
/* PSTATE.IT in SPSR_EL2, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/insn/thumb.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* User mode, T32; all that is not IT and could be mistaken for it. */
#define T32 0xf80f03b0u

/* Arm ARM G8.2, SPSR: IT[7:2] at bit 10, IT[1:0] at bit 25. */
static uint64_t with_it(unsigned it)
{
    return T32 | (uint64_t)(it >> 2) << 10 | (uint64_t)(it & 3u) << 25;
}

/* The states that IT{x{y{z}}} goes through: condition[3:1] and what is left of the mask. */
static void thumb_it_block_ends_after_its_last_instruction(void **state)
{
    static const struct {
        unsigned it;
        unsigned next[5];
    } blocks[] = {
        {0x08, {0}},                   /* IT EQ */
        {0x0c, {0x18, 0}},             /* ITE EQ */
        {0x1c, {0x18, 0}},             /* ITT NE */
        {0x04, {0x08, 0}},             /* ITT EQ */
        {0xa5, {0xaa, 0xb4, 0xa8, 0}}, /* ITTET GE */
        {0xcf, {0xde, 0xdc, 0xd8, 0}}, /* ITEEE GT */
        {0xe1, {0xe2, 0xe4, 0xe8, 0}}, /* ITTTT AL */
    };

    for (size_t n = 0; n < COUNT(blocks); n++) {
        uint64_t pstate = with_it(blocks[n].it);

        for (unsigned k = 0;; k++) {
            assert_true(thumb_in_it_block(pstate));
            pstate = thumb_it_advance(pstate);
            assert_int_equal(pstate, with_it(blocks[n].next[k]));
            if (blocks[n].next[k] == 0)
                break;
        }
        assert_false(thumb_in_it_block(pstate));
    }
}

static void thumb_aarch64_has_no_it_block(void **state)
{
    assert_false(thumb_in_it_block(0x600003c5)); /* Z, C, EL1h */
    assert_false(thumb_in_it_block(0x06000c00)); /* BTYPE and two reserved bits */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thumb_it_block_ends_after_its_last_instruction),
        cmocka_unit_test(thumb_aarch64_has_no_it_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
