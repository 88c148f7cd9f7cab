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
#include "vmm/gic/page_irqs.h"

static void inject_makes_a_list_register_of_the_flags(void **state)
{
    struct rv_gic gic = {0};

    (void)state;
    assert_int_equal(
        page_irqs_add(&gic, 0, rv_gic_irq(34, RV_IRQ_PENDING | RV_IRQ_GROUP1 | RV_IRQ_EOI | 0xa0)),
        0);
    assert_int_equal(gic.nr_irqs, 1);
    assert_int_equal(gic.irq[0],
                     LR_PENDING | LR_GROUP1 | LR_EOI | 0xa0ull << LR_PRIORITY_SHIFT | 34);
}

static void inject_adds_states_to_the_entry_that_is_there(void **state)
{
    struct rv_gic gic = {.irq = {LR_ACTIVE | LR_EOI | 5}, .nr_irqs = 1};

    (void)state;
    assert_int_equal(page_irqs_add(&gic, 0, rv_gic_irq(5, RV_IRQ_PENDING | 0x20)), 0);
    assert_int_equal(gic.nr_irqs, 1);
    assert_int_equal(gic.irq[0], LR_STATES | LR_EOI | 0x20ull << LR_PRIORITY_SHIFT | 5);
}

static void inject_leaves_a_hardware_entry_alone(void **state)
{
    const uint64_t hw = LR_ACTIVE | LR_HW | 27ull << LR_PINTID_SHIFT | 27;
    struct rv_gic gic = {.irq = {hw}, .nr_irqs = 1};

    (void)state;
    assert_int_equal(page_irqs_add(&gic, 0, rv_gic_irq(27, RV_IRQ_PENDING)), 0);
    assert_int_equal(gic.irq[0], hw);
}

static void inject_refuses_when_all_places_are_taken(void **state)
{
    struct rv_gic gic = {0};

    (void)state;
    for (unsigned i = 0; i < RV_VCPU_IRQS; i++)
        assert_int_equal(page_irqs_add(&gic, 0, rv_gic_irq(i, RV_IRQ_PENDING)), 0);
    assert_int_equal(page_irqs_add(&gic, 0, rv_gic_irq(200, RV_IRQ_PENDING)), -ENOSPC);
    assert_int_equal(gic.nr_irqs, RV_VCPU_IRQS);
}

static void retract_takes_states_and_then_the_entry(void **state)
{
    struct rv_gic gic = {0};

    (void)state;
    page_irqs_add(&gic, 0, rv_gic_irq(40, RV_IRQ_PENDING | RV_IRQ_ACTIVE));
    page_irqs_add(&gic, 0, rv_gic_irq(41, RV_IRQ_PENDING));
    assert_int_equal(page_irqs_retract(&gic, 0, 40, RV_LR_PENDING), RV_LR_PENDING | RV_LR_ACTIVE);
    assert_true(page_irqs_has(&gic, 0, 40));
    assert_int_equal(page_irqs_retract(&gic, 0, 40, RV_LR_PENDING | RV_LR_ACTIVE), RV_LR_ACTIVE);
    assert_false(page_irqs_has(&gic, 0, 40));
    assert_true(page_irqs_has(&gic, 0, 41));
    assert_int_equal(page_irqs_retract(&gic, 0, 40, RV_LR_PENDING), 0);
}

static void an_impossible_count_in_the_page_is_bounded(void **state)
{
    struct rv_gic gic = {.nr_irqs = 0xffffffff};

    (void)state;
    for (unsigned i = 0; i < RV_VCPU_IRQS; i++)
        gic.irq[i] = LR_PENDING | (100 + i);
    assert_int_equal(page_irqs_retract(&gic, 0, 99, RV_LR_PENDING), 0);
    assert_int_equal(page_irqs_add(&gic, 0, rv_gic_irq(99, RV_IRQ_PENDING)), -ENOSPC);
    page_irqs_saved(&gic, 4);
    page_irqs_arrange(&gic, 4, true);
    assert_int_equal(gic.nr_irqs, RV_VCPU_IRQS);
}

/* While the vCPU is live, what the page says of its list registers is old. */
static void places_of_list_registers_are_left_alone(void **state)
{
    struct rv_gic gic = {.irq = {LR_PENDING | 40}, .nr_irqs = 4};

    (void)state;
    assert_false(page_irqs_has(&gic, 4, 40));
    assert_int_equal(page_irqs_retract(&gic, 4, 40, RV_LR_PENDING), 0);
    assert_int_equal(page_irqs_add(&gic, 4, LR_PENDING | 40), 0);
    assert_int_equal(gic.irq[0], LR_PENDING | 40);
    assert_int_equal(gic.irq[4], LR_PENDING | 40);
    assert_int_equal(gic.nr_irqs, 5);
}

/* Active ones first, then pending ones, each by priority; but one that can be taken. */
static void arrange_gives_list_registers_to_the_most_urgent(void **state)
{
#define IRQ(intid, priority, states) \
    ((states) | (uint64_t)(priority) << LR_PRIORITY_SHIFT | (intid))
    static const struct {
        const char *name;
        uint64_t irq[8];
        uint64_t want[4];
        uint64_t hcr;
    } cases[] = {
        {"all_fit", {IRQ(40, 8, LR_PENDING), 0, IRQ(41, 0, LR_PENDING)}, {41, 40}, 0},
        {"active_ones_come_first",
         {IRQ(40, 8, LR_PENDING), IRQ(41, 16, LR_ACTIVE), IRQ(42, 0, LR_PENDING),
          IRQ(43, 24, LR_STATES), IRQ(44, 32, LR_PENDING)},
         {41, 43, 42, 40},
         ICH_HCR_UIE | ICH_HCR_LRENPIE | ICH_HCR_NPIE | ICH_HCR_TDIR},
        {"one_can_be_taken",
         {IRQ(40, 8, LR_ACTIVE), IRQ(41, 16, LR_ACTIVE), IRQ(42, 0, LR_ACTIVE),
          IRQ(43, 24, LR_STATES), IRQ(44, 32, LR_PENDING)},
         {42, 40, 41, 44},
         ICH_HCR_UIE | ICH_HCR_LRENPIE | ICH_HCR_TDIR},
        {"the_most_urgent_can_be_taken",
         {IRQ(40, 8, LR_ACTIVE), IRQ(41, 16, LR_ACTIVE), IRQ(42, 0, LR_ACTIVE),
          IRQ(43, 24, LR_STATES), IRQ(44, 32, LR_PENDING), IRQ(45, 8, LR_PENDING)},
         {42, 40, 41, 45},
         ICH_HCR_UIE | ICH_HCR_LRENPIE | ICH_HCR_NPIE | ICH_HCR_TDIR},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rv_gic gic = {.nr_irqs = 8, .hcr = ~0ull};

        memcpy(gic.irq, cases[i].irq, sizeof(cases[i].irq));
        page_irqs_arrange(&gic, 4, true);
        for (unsigned n = 0; n < 4; n++) {
            if (LR_VINTID(gic.irq[n]) != cases[i].want[n])
                fail_msg("%s: %u in list register %u", cases[i].name, LR_VINTID(gic.irq[n]), n);
        }
        if (gic.hcr != cases[i].hcr)
            fail_msg("%s: ICH_HCR_EL2 0x%llx", cases[i].name, (unsigned long long)gic.hcr);
        for (unsigned n = 0; n < 8; n++) {
            if (cases[i].irq[n])
                assert_true(page_irqs_has(&gic, 0, LR_VINTID(cases[i].irq[n])));
        }
    }
}

/* ICH_VTR_EL2.TDS: without it TDIR is RES0, and only TC makes ICC_DIR_EL1 trap. */
static void arrange_traps_ends_on_each_cpu(void **state)
{
    (void)state;
    for (unsigned has_tdir = 0; has_tdir <= 1; has_tdir++) {
        struct rv_gic gic = {.irq = {LR_ACTIVE | 40, LR_ACTIVE | 41, LR_ACTIVE | 42}, .nr_irqs = 3};

        page_irqs_arrange(&gic, 2, has_tdir);
        assert_int_equal(gic.hcr & (ICH_HCR_TDIR | ICH_HCR_TC),
                         has_tdir ? ICH_HCR_TDIR : ICH_HCR_TC);
    }
}

/* Also of those that wait: else a line that is high would come again at once. */
static void arrange_marks_direct_interrupts_as_active(void **state)
{
    struct rv_gic gic = {.nr_irqs = 6, .ppi_active = ~0ull};

    (void)state;
    for (unsigned i = 0; i < 6; i++)
        gic.irq[i] =
            LR_PENDING | (i & 1 ? LR_HW | (uint64_t)(20 + i) << LR_PINTID_SHIFT : 0) | (20 + i);
    page_irqs_arrange(&gic, 2, true);
    assert_int_equal(gic.ppi_active, 1u << 21 | 1u << 23 | 1u << 25);
}

static void ends_are_reported_once_wherever_the_interrupt_was(void **state)
{
    struct rv_gic gic = {
        .irq = {LR_EOI | 40, LR_PENDING | LR_EOI | 41, LR_HW | LR_EOI | 27, 0,
                LR_ACTIVE | LR_EOI | 42, LR_ACTIVE | 43},
        .nr_irqs = 6,
        .hcr = 3ull << 27,
    };
    unsigned intid;

    (void)state;
    page_irqs_saved(&gic, 4);
    assert_int_equal(gic.hcr, 0);
    assert_true(page_irqs_next_end(&gic, &intid));
    assert_int_equal(intid, 40);
    assert_true(page_irqs_next_end(&gic, &intid));
    assert_int_equal(intid, 42);
    assert_false(page_irqs_next_end(&gic, &intid));
    assert_true(page_irqs_has(&gic, 0, 41));
    assert_false(page_irqs_has(&gic, 0, 43));
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
        cmocka_unit_test(places_of_list_registers_are_left_alone),
        cmocka_unit_test(arrange_gives_list_registers_to_the_most_urgent),
        cmocka_unit_test(arrange_traps_ends_on_each_cpu),
        cmocka_unit_test(arrange_marks_direct_interrupts_as_active),
        cmocka_unit_test(ends_are_reported_once_wherever_the_interrupt_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
