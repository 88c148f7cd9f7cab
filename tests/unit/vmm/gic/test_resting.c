/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/gic.h"
#include "proto/message.h"
#include "vmm/gic/resting.h"

static void inject_makes_a_list_register_of_the_flags(void **state)
{
    struct rv_gic gic = {0};

    (void)state;
    assert_int_equal(resting_inject(&gic, 34, RV_IRQ_PENDING | RV_IRQ_GROUP1 | RV_IRQ_EOI | 0xa0),
                     0);
    assert_int_equal(gic.nr_irqs, 1);
    assert_int_equal(gic.irq[0],
                     LR_PENDING | LR_GROUP1 | LR_EOI | 0xa0ull << LR_PRIORITY_SHIFT | 34);
}

static void inject_adds_states_to_the_entry_that_is_there(void **state)
{
    struct rv_gic gic = {.irq = {LR_ACTIVE | LR_EOI | 5}, .nr_irqs = 1};

    (void)state;
    assert_int_equal(resting_inject(&gic, 5, RV_IRQ_PENDING | 0x20), 0);
    assert_int_equal(gic.nr_irqs, 1);
    assert_int_equal(gic.irq[0], LR_STATES | LR_EOI | 0x20ull << LR_PRIORITY_SHIFT | 5);
}

static void inject_leaves_a_hardware_entry_alone(void **state)
{
    const uint64_t hw = LR_ACTIVE | LR_HW | 27ull << LR_PINTID_SHIFT | 27;
    struct rv_gic gic = {.irq = {hw}, .nr_irqs = 1};

    (void)state;
    assert_int_equal(resting_inject(&gic, 27, RV_IRQ_PENDING), 0);
    assert_int_equal(gic.irq[0], hw);
}

static void inject_refuses_when_all_places_are_taken(void **state)
{
    struct rv_gic gic = {0};

    (void)state;
    for (unsigned i = 0; i < RV_VCPU_IRQS; i++)
        assert_int_equal(resting_inject(&gic, i, RV_IRQ_PENDING), 0);
    assert_int_equal(resting_inject(&gic, 200, RV_IRQ_PENDING), -ENOSPC);
    assert_int_equal(gic.nr_irqs, RV_VCPU_IRQS);
}

static void retract_takes_states_and_then_the_entry(void **state)
{
    struct rv_gic gic = {0};

    (void)state;
    resting_inject(&gic, 40, RV_IRQ_PENDING | RV_IRQ_ACTIVE);
    resting_inject(&gic, 41, RV_IRQ_PENDING);
    assert_int_equal(resting_retract(&gic, 40, RV_LR_PENDING), RV_LR_PENDING | RV_LR_ACTIVE);
    assert_int_equal(gic.nr_irqs, 2);
    assert_int_equal(resting_retract(&gic, 40, RV_LR_PENDING | RV_LR_ACTIVE), RV_LR_ACTIVE);
    assert_int_equal(gic.nr_irqs, 1);
    assert_int_equal(LR_VINTID(gic.irq[0]), 41);
    assert_int_equal(resting_retract(&gic, 40, RV_LR_PENDING), 0);
}

static void an_impossible_count_in_the_page_is_bounded(void **state)
{
    struct rv_gic gic = {.nr_irqs = 0xffffffff};

    (void)state;
    assert_int_equal(resting_retract(&gic, 99, RV_LR_PENDING), 0);
    assert_int_equal(resting_inject(&gic, 99, RV_IRQ_PENDING), -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inject_makes_a_list_register_of_the_flags),
        cmocka_unit_test(inject_adds_states_to_the_entry_that_is_there),
        cmocka_unit_test(inject_leaves_a_hardware_entry_alone),
        cmocka_unit_test(inject_refuses_when_all_places_are_taken),
        cmocka_unit_test(retract_takes_states_and_then_the_entry),
        cmocka_unit_test(an_impossible_count_in_the_page_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
