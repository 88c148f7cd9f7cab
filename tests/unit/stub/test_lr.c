/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * List registers and the queue behind them, with a guest that takes and ends
 * interrupts, and a model of what each interrupt's state must be.
 */
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/guest_gic.h"
#include "tests/unit/stub/test.h"

#define INTIDS     40u /* 16 to 55 are used */
#define DIRECT     27u
#define PRIORITIES 31u

/* What a run has in it. */
#define RUN_EOIMODE1 0x01u /* priority drop and deactivation are separate */
#define RUN_REPEND   0x02u /* an active interrupt becomes pending again */
#define RUN_LATE     0x04u /* the vmm's commands may come before the maintenance interrupt */
#define RUN_DIRECT   0x08u
#define RUN_RETRACT  0x10u
#define RUN_SWITCH   0x20u /* save all, load all */

struct expected {
    bool pending, active, eoi, direct;
    uint8_t priority;
    unsigned reports; /* EOI events that are still to come */
};

static struct pcpu *core;
static struct vcpu *vcpu;
static struct expected expected[16 + INTIDS];
static struct guest_gic guest;
static unsigned run;
static uint64_t seed;

static int setup_lrs(uint32_t nr_lrs)
{
    fake_reset(nr_lrs);
    core = fake_use(0);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    fake_ok(core, (struct rv_command){
                      .op = RV_COMMAND_SET_DIRECT,
                      .arg = {DIRECT, DIRECT, RV_IRQ_ENABLED | RV_IRQ_GROUP1 | 0x80},
                  });
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    vcpu = &vcpus[0];
    assert_ptr_equal(vcpu->pcpu, core);
    memset(expected, 0, sizeof(expected));
    memset(&guest, 0, sizeof(guest));
    return 0;
}

static int setup(void **state)
{
    (void)state;
    return setup_lrs(4);
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
        assert_int_equal(event.type, RV_EVENT_EOI);
        assert_int_equal(event.value, intid);
        n++;
    }
    return n;
}

/* How many list registers and places in the queue have it, and all its states. */
static unsigned find_copies(uint32_t intid, uint32_t *states)
{
    unsigned n = 0;

    *states = 0;
    for (uint32_t i = 0; i < cpu.nr_lrs + vcpu->nr_queue; i++) {
        uint64_t lr = i < cpu.nr_lrs ? *fake_lr(i) : vcpu->queue[i - cpu.nr_lrs];

        if ((uint32_t)lr != intid || !(lr >> 62))
            continue;
        *states |= (uint32_t)(lr >> 62);
        n++;
    }
    return n;
}

static unsigned copies(uint32_t intid)
{
    uint32_t states;

    return find_copies(intid, &states);
}

/* Random runs */

static void maintain(void)
{
    struct rv_event event;

    if (!guest_gic_maintenance())
        return;
    lr_maintain(core);
    if (guest_gic_maintenance())
        fail_msg("seed %u: the maintenance interrupt stays asserted", (unsigned)seed);
    while (fake_event(core, &event)) {
        assert_int_equal(event.type, RV_EVENT_EOI);
        assert_true(event.value < COUNT_OF(expected));
        if (!expected[event.value].reports)
            fail_msg("seed %u: end of %u reported twice", (unsigned)seed, (unsigned)event.value);
        expected[event.value].reports--;
    }
    for (uint32_t i = 16; i < COUNT_OF(expected); i++) {
        if (expected[i].reports)
            fail_msg("seed %u: end of %u not reported", (unsigned)seed, i);
    }
}

/* No interrupt is lost or there twice; its states are the model's. */
static void check_states(void)
{
    for (uint32_t i = 16; i < COUNT_OF(expected); i++) {
        uint32_t want =
            (expected[i].pending ? RV_LR_PENDING : 0) | (expected[i].active ? RV_LR_ACTIVE : 0);

        uint32_t states;
        unsigned n = find_copies(i, &states);

        if (n != (want != 0) || states != want)
            fail_msg("seed %u: %u is there %u times, states %u, not %u", (unsigned)seed, i, n,
                     states, want);
    }
}

/* All of them fit: the vmm never gives more than that to one vCPU. */
static void do_inject(void)
{
    uint32_t intid = 16 + (uint32_t)(fake_random() % INTIDS);
    struct expected *e = &expected[intid];
    uint64_t r = fake_random();
    uint64_t flags = RV_IRQ_PENDING | (r & 1 ? RV_IRQ_EOI : 0);

    if (intid == DIRECT) {
        if (!(run & RUN_DIRECT) || fake_core->gicr.active >> DIRECT & 1)
            return;
        fake_core->gicr.active |= 1u << DIRECT;
        *e = (struct expected){.pending = true, .direct = true, .priority = 0x80};
        assert_int_equal(lr_inject(vcpu, direct(0x80)), 0);
        return;
    }
    if (e->active && !(run & RUN_REPEND))
        return;
    /* The guest gives each interrupt one priority; the strict order is what can be checked. */
    e->priority = (uint8_t)((intid * 7 % PRIORITIES) * 8);
    e->pending = true;
    e->eoi |= r & 1;
    assert_int_equal(lr_inject(vcpu, software(intid, flags | e->priority)), 0);
}

static void do_retract(void)
{
    uint32_t intid = 16 + (uint32_t)(fake_random() % INTIDS);
    struct expected *e = &expected[intid];
    uint32_t had = (e->pending ? RV_LR_PENDING : 0) | (e->active ? RV_LR_ACTIVE : 0);

    assert_int_equal(lr_retract(vcpu, intid, RV_LR_PENDING), had);
    if (e->direct && e->pending)
        assert_int_equal(fake_core->gicr.active >> DIRECT & 1, 0);
    e->pending = false;
    e->eoi &= e->active;
}

static void do_switch(void)
{
    maintain();
    lr_save(vcpu);
    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        *fake_lr(n) = fake_random(); /* somebody else's */
    assert_int_equal(lr_load(vcpu), 0);
}

/*
 * One that was active and pending stays in its list register when the guest ends
 * it, and may then be taken before a more urgent one that waits: only without such
 * is the order strict. What waits never waits for ever.
 */
static void do_ack(void)
{
    unsigned running = guest.depth ? guest.running[guest.depth - 1].priority : 0x100;
    unsigned best = 0x100;
    uint32_t intid;

    for (uint32_t i = 16; i < COUNT_OF(expected); i++) {
        if (expected[i].pending && !expected[i].active && expected[i].priority < best)
            best = expected[i].priority;
    }
    maintain(); /* it is asserted: EL2 takes it before the guest goes on */
    intid = guest_gic_ack(&guest);
    if (intid == GUEST_NONE) {
        if (best < running && !(run & RUN_REPEND && lr_pending(vcpu)))
            fail_msg("seed %u: nothing to take, but one of priority 0x%x waits", (unsigned)seed,
                     best);
        return;
    }
    if (!expected[intid].pending || expected[intid].active)
        fail_msg("seed %u: %u taken but not pending", (unsigned)seed, intid);
    if (expected[intid].priority != best && !(run & RUN_REPEND))
        fail_msg("seed %u: %u of priority 0x%x taken before 0x%x", (unsigned)seed, intid,
                 expected[intid].priority, best);
    expected[intid].pending = false;
    expected[intid].active = true;
}

/* The guest, or for it the vmm, has deactivated it. */
static void ended(uint32_t intid, bool reported)
{
    struct expected *e = &expected[intid];

    assert_true(e->active);
    e->active = false;
    if (!e->pending && e->eoi && reported)
        e->reports++;
    e->eoi &= e->pending;
}

static void do_end(void)
{
    uint32_t intid;

    maintain();
    if (run & RUN_EOIMODE1 && (guest.depth == 0 || fake_random() & 1)) {
        bool dropped = true;

        intid = 16 + (uint32_t)(fake_random() % INTIDS);
        for (uint32_t i = 0; i < guest.depth; i++)
            dropped &= guest.running[i].vintid != intid;
        if (!dropped || !expected[intid].active)
            return;
        if (guest_gic_dir(&guest, intid)) {
            ended(intid, true);
        } else { /* to the vmm, which does it and knows */
            assert_true(lr_retract(vcpu, intid, RV_LR_ACTIVE) & RV_LR_ACTIVE);
            ended(intid, false);
        }
    } else if (guest.depth) {
        intid = guest_gic_eoi(&guest, (run & RUN_EOIMODE1) != 0);
        if (!(run & RUN_EOIMODE1))
            ended(intid, true);
    }
    if (guest.eoicount)
        fail_msg("seed %u: the guest ended one that no list register has", (unsigned)seed);
}

static uint32_t any_left(void)
{
    for (uint32_t i = 16; i < COUNT_OF(expected); i++) {
        if (expected[i].pending || expected[i].active)
            return i;
    }
    return 0;
}

static void random_run(unsigned what, uint32_t nr_lrs, unsigned busy)
{
    run = what;
    setup_lrs(nr_lrs);
    fake_seed(seed);
    for (unsigned i = 0; i < 400; i++) {
        unsigned choice = (unsigned)(fake_random() % 16);

        if (choice < busy)
            do_inject();
        else if (choice == busy && run & RUN_RETRACT)
            do_retract();
        else if (choice == busy + 1 && run & RUN_SWITCH)
            do_switch();
        else if (choice == busy + 2)
            do_end();
        else if (choice > busy + 2)
            fake_random() & 1 ? do_ack() : do_end();
        if (!(run & RUN_LATE) || fake_random() & 1 || choice > busy)
            maintain();
        check_states();
    }
    /* The guest now takes all there is, and ends it. */
    for (unsigned i = 0; i < 20000 && any_left() != 0; i++)
        fake_random() & 1 ? do_ack() : do_end();
    maintain();
    check_states();
    if (any_left())
        fail_msg("seed %u: %u is left", (unsigned)seed, any_left());
    assert_int_equal(vcpu->nr_queue, 0);
    assert_int_equal(REG(ich_hcr_el2), ICH_HCR_EN);
}

static void random_runs(unsigned what)
{
    static const struct {
        uint32_t nr_lrs;
        unsigned busy;
    } machines[] = {{4, 3}, {4, 8}, {2, 4}, {16, 9}, {5, 6}};

    for (size_t m = 0; m < COUNT_OF(machines); m++) {
        for (seed = 1; seed <= 12; seed++)
            random_run(what, machines[m].nr_lrs, machines[m].busy);
    }
}

static void nested_interrupts_are_taken_by_priority_and_all_end(void **state)
{
    (void)state;
    random_runs(0);
}

static void interrupts_that_end_late_are_not_lost(void **state)
{
    (void)state;
    random_runs(RUN_EOIMODE1);
}

static void interrupts_that_are_active_and_pending_are_not_lost(void **state)
{
    (void)state;
    random_runs(RUN_REPEND);
}

static void interrupts_that_are_active_and_pending_and_end_late_are_not_lost(void **state)
{
    (void)state;
    random_runs(RUN_REPEND | RUN_EOIMODE1);
}

static void commands_before_the_maintenance_interrupt_lose_no_end(void **state)
{
    (void)state;
    random_runs(RUN_LATE);
}

static void direct_interrupts_mix_with_others(void **state)
{
    (void)state;
    random_runs(RUN_DIRECT | RUN_RETRACT | RUN_SWITCH);
}

static void all_at_once(void **state)
{
    (void)state;
    random_runs(RUN_EOIMODE1 | RUN_REPEND | RUN_LATE | RUN_DIRECT | RUN_RETRACT | RUN_SWITCH);
    random_runs(RUN_REPEND | RUN_LATE | RUN_DIRECT | RUN_RETRACT | RUN_SWITCH);
}

/* Single cases */

static void end_is_reported_once(void **state)
{
    (void)state;
    assert_int_equal(lr_inject(vcpu, software(40, RV_IRQ_PENDING | RV_IRQ_EOI)), 0);
    assert_false(guest_gic_maintenance());
    assert_int_equal(guest_gic_ack(&guest), 40);
    lr_maintain(core);
    assert_int_equal(eoi_events(40), 0);
    guest_gic_eoi(&guest, false);
    assert_true(guest_gic_maintenance());
    lr_maintain(core);
    assert_int_equal(eoi_events(40), 1);
    assert_false(guest_gic_maintenance());
    lr_maintain(core);
    assert_int_equal(eoi_events(40), 0);
}

/* The list register of an end that is not reported yet is not a free one. */
static void injecting_does_not_overwrite_an_end_that_is_not_reported(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) { /* 40 to 43 nest */
        assert_int_equal(
            lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | RV_IRQ_EOI | (0x80 - 8 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    assert_int_equal(guest_gic_eoi(&guest, false), 43);
    /* Of the rest, make none as little urgent as what was ended. */
    for (uint32_t i = 0; i < 3; i++)
        guest.depth = 0;
    for (uint32_t n = 0; n < 4; n++) {
        if (*fake_lr(n) >> 62 == 0)
            *fake_lr(n) |= LR_PRIORITY_MASK;
    }
    assert_int_equal(lr_inject(vcpu, software(50, RV_IRQ_PENDING)), 0);
    lr_maintain(core);
    assert_int_equal(eoi_events(43), 1);
}

static void software_entry_that_becomes_direct_keeps_no_bit_of_it(void **state)
{
    static const uint64_t flags[] = {RV_IRQ_PENDING, RV_IRQ_PENDING | RV_IRQ_EOI,
                                     RV_IRQ_ACTIVE | RV_IRQ_EOI};

    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        setup(state);
        assert_int_equal(lr_inject(vcpu, software(DIRECT, flags[i])), 0);
        lr_inject(vcpu, direct(0x80));
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
    assert_int_equal(lr_inject(vcpu, direct(0x80)), 0);
    assert_int_equal(lr_inject(vcpu, software(DIRECT, RV_IRQ_PENDING | RV_IRQ_EOI | 8)), 0);
    assert_int_equal(copies(DIRECT), 1);
    assert_int_equal(*fake_lr(0), direct(0x80));
}

static void full_queue_refuses_and_changes_nothing(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RV_VCPU_IRQS; i++)
        assert_int_equal(lr_inject(vcpu, software(100 + i, RV_IRQ_PENDING | 0x80)), 0);
    assert_int_equal(vcpu->nr_queue, RV_VCPU_IRQS - 4);
    assert_int_equal(lr_inject(vcpu, software(99, RV_IRQ_PENDING)), -1);
    assert_int_equal(copies(99), 0);
    assert_int_equal(vcpu->nr_queue, RV_VCPU_IRQS - 4);
    /* One that is there takes a new state all the same. */
    assert_int_equal(lr_inject(vcpu, software(100 + 79, RV_IRQ_PENDING | 0x40)), 0);
    lr_save(vcpu);
    assert_int_equal(fake_pages[0].gic.nr_irqs, RV_VCPU_IRQS);
}

/* A full page loads, and all of it is in a list register or waits. */
static void load_takes_as_many_as_the_page_has_room_for(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < RV_VCPU_IRQS; i++)
        fake_pages[0].gic.irq[i] =
            software(200 + i, (i & 1 ? RV_IRQ_ACTIVE : RV_IRQ_PENDING) | (i & 31) << 3);
    fake_pages[0].gic.nr_irqs = RV_VCPU_IRQS;
    assert_int_equal(lr_load(vcpu), 0);
    assert_int_equal(vcpu->nr_queue, RV_VCPU_IRQS - 4);
    for (uint32_t i = 0; i < RV_VCPU_IRQS; i++)
        assert_int_equal(copies(200 + i), 1);
}

static void pending_is_what_the_guest_could_take(void **state)
{
    (void)state;
    assert_false(lr_pending(vcpu));
    assert_int_equal(lr_inject(vcpu, software(40, RV_IRQ_ACTIVE)), 0);
    assert_false(lr_pending(vcpu));
    assert_int_equal(lr_inject(vcpu, software(41, RV_IRQ_PENDING)), 0);
    assert_true(lr_pending(vcpu));
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
    fake_pages[0].gic.nr_irqs = 1;
    assert_int_equal(fake_core->gicr.active, 0);
    assert_int_equal(lr_load(vcpu), 0);
    fake_use(0);
    assert_int_equal(fake_core->gicr.active, 1u << DIRECT);
    assert_int_equal(lr_retract(vcpu, DIRECT, RV_LR_PENDING), RV_LR_PENDING);
    assert_int_equal(fake_core->gicr.active, 0);
}

/* Of the maintenance interrupt's conditions none may be one that settle cannot end. */
static void all_active_and_pending_does_not_storm(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i))), 0);
    assert_int_equal(lr_inject(vcpu, software(50, RV_IRQ_PENDING | 8)), 0);
    lr_maintain(core);
    assert_false(guest_gic_maintenance());
    assert_int_equal(guest_gic_ack(&guest), 50);
}

/* An active one that lost its list register has one again before the guest ends it. */
static void displaced_active_is_back_before_it_ends(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    /* Less urgent than all of them: they only find room one by one as the guest ends some. */
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(lr_inject(vcpu, software(50 + i, RV_IRQ_PENDING | (0x90 + 8 * i))), 0);
        assert_int_equal(guest_gic_eoi(&guest, false), 43 - i);
        if (guest_gic_maintenance())
            lr_maintain(core);
    }
    assert_int_equal(guest_gic_eoi(&guest, false), 40);
    assert_int_equal(guest.eoicount, 0);
    assert_int_equal(copies(40), 0);
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
        fake_pages[0].gic.nr_irqs = 3;
        int want = cases[i].want ? RV_REFUSED_REGISTER : 0;
        int got = lr_load(vcpu);

        if (got != want)
            fail_msg("%s: %d, not %d", cases[i].name, got, want);
    }
}

/* What is pending, or waits, is replaced by a LOAD: it is there once. */
static void load_of_what_is_pending_already_leaves_one_of_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | 0x80)), 0);
    lr_save(vcpu);
    assert_int_equal(lr_load(vcpu), 0);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(copies(40 + i), 1);
}

/* The guest is faster than the maintenance interrupt: it ends one that is in the queue. */
static void interrupt_that_ends_in_the_queue_is_not_active_for_ever(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(
            lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | RV_IRQ_EOI | (0xa0 - 16 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    /* Both take the list registers of the least urgent, 40 and 41. */
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(lr_inject(vcpu, software(50 + i, RV_IRQ_PENDING | (0x40 - 16 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 50 + i);
    }
    assert_int_equal(vcpu->nr_queue, 2);
    for (unsigned i = 0; i < 6; i++)
        guest_gic_eoi(&guest, false);
    assert_int_equal(guest.eoicount, 2);
    assert_true(guest_gic_maintenance());
    lr_maintain(core);
    assert_false(guest_gic_maintenance());
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(copies(40 + i), 0);
    struct rv_event event;
    uint32_t reported = 0;

    while (fake_event(core, &event)) {
        assert_int_equal(event.type, RV_EVENT_EOI);
        reported |= 1u << (event.value - 40);
    }
    assert_int_equal(reported, 0xf);
    assert_int_equal(vcpu->nr_queue, 0);
    assert_int_equal(REG(ich_hcr_el2), ICH_HCR_EN);
}

/* The one that ended is the most urgent of the queue: the others stay active. */
static void end_in_the_queue_is_that_of_the_most_urgent(void **state)
{
    uint32_t states;

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | (0xa0 - 16 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(lr_inject(vcpu, software(50 + i, RV_IRQ_PENDING | (0x40 - 16 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 50 + i);
    }
    REG(ich_hcr_el2) += 1ull << 27; /* EOIcount */
    lr_save(vcpu);
    assert_int_equal(find_copies(41, &states), 0);
    assert_int_equal(find_copies(40, &states), 1);
    assert_int_equal(states, RV_LR_ACTIVE);
    assert_int_equal(REG(ich_hcr_el2) >> 27, 0);
}

/*
 * With EOImode 1 only ICC_DIR_EL1 ends, and that traps. A bare-metal guest with EOImode 1
 * failed on QEMU 7.2, with 4 of 24 interrupts active, when EOIcount was taken for ends there.
 */
static void priority_drop_of_what_is_in_the_queue_does_not_end_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | (0xa0 - 16 * i))), 0);
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    assert_int_equal(lr_inject(vcpu, software(50, RV_IRQ_PENDING | 8)), 0);
    REG(ich_vmcr_el2) = 1u << 9; /* VEOIM */
    REG(ich_hcr_el2) += 1ull << 27;
    lr_save(vcpu);
    assert_int_equal(copies(40), 1);
    assert_int_equal(REG(ich_hcr_el2) >> 27, 0);
}

/* ICH_VTR_EL2.TDS: without it TDIR is RES0, and only TC makes ICC_DIR_EL1 trap. */
static void ends_in_any_order_trap_on_each_cpu(void **state)
{
    for (unsigned tds = 0; tds <= 1; tds++) {
        setup(state);
        REG(ich_vtr_el2) = (uint64_t)tds << 19;
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(lr_inject(vcpu, software(40 + i, RV_IRQ_PENDING | 8)), 0);
            *fake_lr(i) ^= LR_STATES; /* all of them are taken */
        }
        assert_int_equal(lr_inject(vcpu, software(50, RV_IRQ_PENDING)), 0);
        assert_int_equal(REG(ich_hcr_el2) >> 14 & 1, tds);
        assert_int_equal(REG(ich_hcr_el2) >> 10 & 1, !tds);
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
    fake_pages[0].gic.nr_irqs = 1;
    fake_pages[0].gic.irq[0] = direct(0x80);
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_LOAD, .arg = {RV_GROUP_GIC}});
    assert_int_equal(fake_core->gicr.active, 1u << DIRECT);
    assert_false(fake_core->gicr.active_is_due);
    world_leave(core);
    assert_true(fake_event(core, &event));
    assert_int_equal(fake_core->gicr.active, 0);
    assert_false(fake_core->gicr.active_is_due);
    assert_int_equal(fake_core->gicr.masking, 0);
    /* Masked by SET_DIRECT. */
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_SET_DIRECT, .arg = {DIRECT, DIRECT, 0}});
    assert_int_equal(fake_core->gicr.enabled >> DIRECT & 1, 0);
    assert_int_equal(fake_core->gicr.masking, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_interrupts_are_taken_by_priority_and_all_end),
        cmocka_unit_test(interrupts_that_end_late_are_not_lost),
        cmocka_unit_test(interrupts_that_are_active_and_pending_are_not_lost),
        cmocka_unit_test(interrupts_that_are_active_and_pending_and_end_late_are_not_lost),
        cmocka_unit_test(commands_before_the_maintenance_interrupt_lose_no_end),
        cmocka_unit_test(direct_interrupts_mix_with_others),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test_setup(end_is_reported_once, setup),
        cmocka_unit_test_setup(injecting_does_not_overwrite_an_end_that_is_not_reported, setup),
        cmocka_unit_test_setup(software_entry_that_becomes_direct_keeps_no_bit_of_it, setup),
        cmocka_unit_test_setup(software_does_not_touch_a_direct_entry, setup),
        cmocka_unit_test_setup(full_queue_refuses_and_changes_nothing, setup),
        cmocka_unit_test_setup(load_takes_as_many_as_the_page_has_room_for, setup),
        cmocka_unit_test_setup(pending_is_what_the_guest_could_take, setup),
        cmocka_unit_test_setup(save_tells_which_ppis_are_pending, setup),
        cmocka_unit_test_setup(direct_entry_that_is_loaded_is_active_at_the_physical_gic, setup),
        cmocka_unit_test_setup(all_active_and_pending_does_not_storm, setup),
        cmocka_unit_test_setup(displaced_active_is_back_before_it_ends, setup),
        cmocka_unit_test_setup(duplicate_virtual_intid_is_refused, setup),
        cmocka_unit_test_setup(load_of_what_is_pending_already_leaves_one_of_it, setup),
        cmocka_unit_test_setup(interrupt_that_ends_in_the_queue_is_not_active_for_ever, setup),
        cmocka_unit_test_setup(end_in_the_queue_is_that_of_the_most_urgent, setup),
        cmocka_unit_test_setup(priority_drop_of_what_is_in_the_queue_does_not_end_it, setup),
        cmocka_unit_test_setup(ends_in_any_order_trap_on_each_cpu, setup),
        cmocka_unit_test_setup(stores_to_the_redistributor_are_done_before_the_guest_runs, setup),
    };

    return cmocka_run_group_tests_name("stub_lr", tests, NULL, NULL);
}
