/* SPDX-License-Identifier: BSD-2-Clause */
/* Where loops of cache maintenance by set and way begin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/sysreg/set_way.h"

#define CISW 0x43f2
#define CSW  0x43d2
#define STEP 3000 /* ns from one operation to the next */

static int64_t now = 5000000;

/* What DC CISW is given for a cache of 4 ways with 64 sets of 64 bytes, level 1. */
static unsigned loop_begins(struct set_way *loop, uint16_t key)
{
    unsigned begins = 0;

    for (uint64_t way = 4; way-- > 0;)
        for (uint64_t set = 64; set-- > 0; now += STEP)
            begins += set_way_begins(loop, key, way << 30 | set << 6, now);
    return begins;
}

static void a_loop_begins_once(void **state)
{
    struct set_way loop = {0};

    assert_int_equal(loop_begins(&loop, CISW), 1);
}

static void the_same_loop_again_begins_at_once(void **state)
{
    struct set_way loop = {0};

    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(loop_begins(&loop, CISW), 1);
}

static void another_instruction_is_another_loop(void **state)
{
    struct set_way loop = {0};

    assert_true(set_way_begins(&loop, CISW, 1, now));
    assert_false(set_way_begins(&loop, CISW, 2, now));
    assert_true(set_way_begins(&loop, CSW, 3, now));
}

static void a_loop_that_was_left_does_not_go_on_later(void **state)
{
    struct set_way loop = {0};

    assert_true(set_way_begins(&loop, CISW, 1, now));
    assert_false(set_way_begins(&loop, CISW, 2, now + 900000));
    assert_false(set_way_begins(&loop, CISW, 3, now + 1800000));
    assert_true(set_way_begins(&loop, CISW, 4, now + 3000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_begins_once),
        cmocka_unit_test(the_same_loop_again_begins_at_once),
        cmocka_unit_test(another_instruction_is_another_loop),
        cmocka_unit_test(a_loop_that_was_left_does_not_go_on_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
