/* SPDX-License-Identifier: BSD-2-Clause */
/* List registers, with a guest that takes and ends interrupts. */
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/guest_gic.h"
#include "tests/unit/stub/test.h"

#define DIRECT 27u

static struct pcpu *core;
static struct vcpu *vcpu;
static struct guest_gic guest;

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    core = fake_use(0);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    FAKE_DIRECT(0, DIRECT) = LR_PENDING | LR_GROUP1 | 0x80ull << LR_PRIORITY_SHIFT;
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    vcpu = &vcpus[0];
    assert_ptr_equal(vcpu->pcpu, core);
    memset(&guest, 0, sizeof(guest));
    return 0;
}

static uint64_t software(uint32_t intid, uint64_t flags)
{
    return rv_gic_irq(intid, flags | RV_IRQ_GROUP1);
}

static uint64_t direct(uint64_t priority)
{
    return software(DIRECT, RV_IRQ_PENDING | priority) | LR_HW | (uint64_t)DIRECT << 32;
}

static unsigned eoi_events(uint32_t intid)
{
    struct rv_event event;
    unsigned n = 0;

    while (fake_event(core, &event)) {
        if (event.type == RV_EVENT_REFILL)
            continue;
        assert_int_equal(event.type, RV_EVENT_EOI);
        assert_int_equal(event.value, intid);
        n++;
    }
    return n;
}

/* The maintenance interrupt. */
static void maintain(void)
{
    core->ppis |= 1u << FAKE_MAINTENANCE;
    lr_take_ppis(core);
}

/* How many list registers have it. */
static unsigned copies(uint32_t intid)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < cpu.nr_lrs; i++)
        n += *fake_lr(i) >> 62 && (uint32_t)*fake_lr(i) == intid;
    return n;
}

static void end_is_reported_once(void **state)
{
    (void)state;
    lr_inject(core, software(40, RV_IRQ_PENDING | RV_IRQ_EOI));
    assert_false(guest_gic_maintenance());
    assert_int_equal(guest_gic_ack(&guest), 40);
    maintain();
    assert_int_equal(eoi_events(40), 0);
    guest_gic_eoi(&guest, false);
    assert_true(guest_gic_maintenance());
    maintain();
    assert_int_equal(eoi_events(40), 1);
    assert_false(guest_gic_maintenance());
    maintain();
    assert_int_equal(eoi_events(40), 0);
}

/* The list register of an end that is not reported yet is not a free one. */
static void injecting_does_not_overwrite_an_end_that_is_not_reported(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) { /* 40 to 43 nest */
        lr_inject(core, software(40 + i, RV_IRQ_PENDING | RV_IRQ_EOI | (0x80 - 8 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    assert_int_equal(guest_gic_eoi(&guest, false), 43);
    /* Of the rest, make none as little urgent as what was ended. */
    for (uint32_t i = 0; i < 3; i++)
        guest.depth = 0;
    for (uint32_t n = 0; n < 4; n++) {
        if (*fake_lr(n) >> 62 == 0)
            *fake_lr(n) |= 0xffull << LR_PRIORITY_SHIFT;
    }
    lr_inject(core, software(50, RV_IRQ_PENDING));
    maintain();
    assert_int_equal(eoi_events(43), 1);
}

static void software_entry_that_becomes_direct_keeps_no_bit_of_it(void **state)
{
    static const uint64_t flags[] = {RV_IRQ_PENDING, RV_IRQ_PENDING | RV_IRQ_EOI,
                                     RV_IRQ_ACTIVE | RV_IRQ_EOI};

    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        setup(state);
        lr_inject(core, software(DIRECT, flags[i]));
        lr_inject(core, direct(0x80));
        for (uint32_t n = 0; n < 4; n++) {
            if (!(*fake_lr(n) & LR_HW))
                continue;
            assert_int_equal(LR_PINTID(*fake_lr(n)), DIRECT);
            assert_int_equal(*fake_lr(n) >> 62, 1); /* IHI 0069: not active and pending */
        }
        assert_int_equal(copies(DIRECT), 1);
    }
}

static void software_does_not_touch_a_direct_entry(void **state)
{
    (void)state;
    lr_inject(core, direct(0x80));
    lr_inject(core, software(DIRECT, RV_IRQ_PENDING | RV_IRQ_EOI | 8));
    assert_int_equal(copies(DIRECT), 1);
    assert_int_equal(*fake_lr(0), direct(0x80));
}

/* The vmm has it then, and all that comes after, until the next LOAD. */
static void interrupt_without_a_list_register_is_reported(void **state)
{
    struct rv_event event;

    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        lr_inject(core, software(40 + i, RV_IRQ_PENDING | 0x80));
    assert_false(fake_event(core, &event));
    lr_inject(core, software(50, RV_IRQ_PENDING | RV_IRQ_EOI | 8));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_REFILL);
    assert_int_equal(event.value, software(50, RV_IRQ_PENDING | RV_IRQ_EOI | 8));
    *fake_lr(2) = 0; /* the guest has made room */
    lr_inject(core, software(51, RV_IRQ_PENDING));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.value, software(51, RV_IRQ_PENDING));
    lr_inject(core, software(40, RV_IRQ_PENDING | 0x40)); /* one that is there is none of them */
    assert_false(fake_event(core, &event));
    lr_save(vcpu);
    assert_int_equal(lr_load(vcpu), 0);
    lr_inject(core, software(51, RV_IRQ_PENDING));
    assert_false(fake_event(core, &event));
    assert_int_equal(copies(51), 1);
}

/* The bits of ICH_HCR_EL2 that the vmm may set, and no others. */
static void vmm_is_told_of_room_once_if_it_wants_to_know(void **state)
{
    struct rv_event event;

    (void)state;
    for (unsigned bit = 0; bit < 32; bit++) {
        bool allowed = bit == 1 || bit == 2 || bit == 3 || bit == 10 || bit == 14;

        fake_pages[0].gic.hcr = 1ull << bit;
        assert_int_equal(lr_load(vcpu), 0);
        assert_int_equal(REG(ich_hcr_el2), 1 | (allowed ? 1ull << bit : 0));
        maintain();
        assert_int_equal(fake_event(core, &event), bit >= 1 && bit <= 3);
        if (bit <= 3)
            assert_int_equal(REG(ich_hcr_el2), 1);
        maintain();
        assert_false(fake_event(core, &event));
    }
}

/* What the guest has ended is told to the vmm in one SAVE, and not again in the next. */
static void save_takes_the_count_of_ends(void **state)
{
    (void)state;
    REG(ich_hcr_el2) = 1 | 3ull << 27 | 1u << 14;
    lr_save(vcpu);
    assert_int_equal(fake_pages[0].gic.hcr, 3ull << 27 | 1u << 14);
    assert_int_equal(REG(ich_hcr_el2), 1 | 1u << 14);
    lr_save(vcpu);
    assert_int_equal(fake_pages[0].gic.hcr, 1u << 14);
}

static void pending_is_what_the_guest_could_take(void **state)
{
    (void)state;
    assert_false(lr_pending());
    lr_inject(core, software(40, RV_IRQ_ACTIVE));
    assert_false(lr_pending());
    lr_inject(core, software(41, RV_IRQ_PENDING));
    assert_true(lr_pending());
}

static void save_tells_which_ppis_are_pending(void **state)
{
    (void)state;
    fake_core->gicr.pending = 1u << 26 | 1u << DIRECT;
    lr_save(vcpu);
    assert_int_equal(fake_pages[0].gic.ppi_pending, 1u << 26 | 1u << DIRECT);
}

static void direct_entry_that_is_loaded_is_active_at_the_physical_gic(void **state)
{
    (void)state;
    fake_pages[0].gic.irq[0] = direct(0x80);
    fake_pages[0].gic.ppi_active = 1u << DIRECT | 1u << FAKE_MAINTENANCE;
    assert_int_equal(fake_core->gicr.active, 0);
    assert_int_equal(lr_load(vcpu), 0);
    fake_use(0);
    assert_int_equal(fake_core->gicr.active, 1u << DIRECT);
    assert_int_equal(lr_retract(DIRECT, RV_LR_PENDING), RV_LR_PENDING);
    assert_int_equal(fake_core->gicr.active, 0);
}

/* What a page has in it, and whether it may be loaded. */
static void duplicate_virtual_intid_is_refused(void **state)
{
    static const struct {
        const char *name;
        uint64_t irq[3];
        int want;
    } cases[] = {
        {"one_of_each", {LR_PENDING | 40, LR_PENDING | 41, LR_ACTIVE | 42}, 0},
        {"next_to_each_other", {LR_PENDING | 40, LR_PENDING | 40, LR_PENDING | 41}, 1},
        {"apart", {LR_PENDING | 40, LR_PENDING | 41, LR_ACTIVE | 40}, 1},
        {"the_first_intid", {LR_PENDING, LR_PENDING | 64, LR_ACTIVE}, 1},
        {"the_last_intid", {LR_PENDING | 1019, LR_PENDING | 955, LR_ACTIVE | 1019}, 1},
        {"same_bit_of_another_word", {LR_PENDING | 40, LR_PENDING | 104, LR_PENDING | 168}, 0},
        {"direct_and_software",
         {LR_PENDING | LR_HW | (uint64_t)DIRECT << 32 | DIRECT, LR_ACTIVE | DIRECT, LR_PENDING},
         1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        memcpy(fake_pages[0].gic.irq, cases[i].irq, sizeof(cases[i].irq));
        int want = cases[i].want ? RV_REFUSED_REGISTER : 0;
        int got = lr_load(vcpu);

        if (got != want)
            fail_msg("%s: %d, not %d", cases[i].name, got, want);
    }
}

/*
 * A guest's EOI may overtake a store to the redistributor, unless that was read back; and a
 * PPI may still come until GICR_CTLR.RWP is clear (fake.c: ICACTIVER0 must wait for it).
 */
static void stores_to_the_redistributor_are_done_before_the_guest_runs(void **state)
{
    struct rv_event event;

    (void)state;
    fake_pages[0].gic.ppi_active = 1u << DIRECT;
    fake_pages[0].gic.irq[0] = direct(0x80);
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_LOAD, .arg = {RV_GROUP_GIC}});
    assert_int_equal(fake_core->gicr.active, 1u << DIRECT);
    assert_false(fake_core->gicr.active_is_due);
    world_leave(core);
    assert_true(fake_event(core, &event));
    assert_int_equal(fake_core->gicr.active, 0);
    assert_false(fake_core->gicr.active_is_due);
    assert_int_equal(fake_core->gicr.masking, 0);
    /* Masked, as it is not enabled any more. */
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    FAKE_DIRECT(0, DIRECT) = 0;
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_LOAD, .arg = {RV_GROUP_DIRECT}});
    assert_int_equal(fake_core->gicr.enabled >> DIRECT & 1, 0);
    assert_int_equal(fake_core->gicr.masking, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(end_is_reported_once, setup),
        cmocka_unit_test_setup(injecting_does_not_overwrite_an_end_that_is_not_reported, setup),
        cmocka_unit_test_setup(software_entry_that_becomes_direct_keeps_no_bit_of_it, setup),
        cmocka_unit_test_setup(software_does_not_touch_a_direct_entry, setup),
        cmocka_unit_test_setup(interrupt_without_a_list_register_is_reported, setup),
        cmocka_unit_test_setup(vmm_is_told_of_room_once_if_it_wants_to_know, setup),
        cmocka_unit_test_setup(save_takes_the_count_of_ends, setup),
        cmocka_unit_test_setup(pending_is_what_the_guest_could_take, setup),
        cmocka_unit_test_setup(save_tells_which_ppis_are_pending, setup),
        cmocka_unit_test_setup(direct_entry_that_is_loaded_is_active_at_the_physical_gic, setup),
        cmocka_unit_test_setup(duplicate_virtual_intid_is_refused, setup),
        cmocka_unit_test_setup(stores_to_the_redistributor_are_done_before_the_guest_runs, setup),
    };

    return cmocka_run_group_tests_name("stub_lr", tests, NULL, NULL);
}
