/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * More interrupts than list registers: the stub's list registers and the vmm's interrupts in
 * the page together, with a guest that takes and ends interrupts, and a model of what each
 * interrupt's state must be. The vmm's part in this is vmm/gic/page_irqs.c, called as
 * vm_irq.c, pcpu.c and cores.c do.
 */
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/guest_gic.h"
#include "tests/unit/stub/test.h"
#include "vmm/gic/page_irqs.h"

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
#define RUN_SLOW     0x40u /* the guest goes on for a while before the vmm fills list registers */

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
static bool renew;    /* the list registers are to be filled */
static uint64_t ends; /* bit n: the end of INTID n was reported */
static bool has_tdir;

static int setup_lrs(uint32_t nr_lrs)
{
    fake_reset(nr_lrs);
    core = fake_use(0);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    FAKE_DIRECT(0, DIRECT) = LR_PENDING | LR_GROUP1 | 0x80ull << LR_PRIORITY_SHIFT;
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    vcpu = &vcpus[0];
    assert_ptr_equal(vcpu->pcpu, core);
    memset(expected, 0, sizeof(expected));
    memset(&guest, 0, sizeof(guest));
    renew = has_tdir = false;
    ends = 0;
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

/* The vmm */

static struct rv_gic *page_gic(void)
{
    return &fake_pages[0].gic;
}

static void reported(uint64_t intid)
{
    assert_true(intid < 64);
    assert_int_equal(ends >> intid & 1, 0);
    ends |= 1ull << intid;
}

static void take_events(void)
{
    struct rv_event event;

    while (fake_event(core, &event)) {
        if (event.type == RV_EVENT_EOI) {
            reported(event.value);
            continue;
        }
        assert_int_equal(event.type, RV_EVENT_REFILL);
        renew = true;
        if (event.value)
            assert_int_equal(page_irqs_add(page_gic(), cpu.nr_lrs, event.value), 0);
    }
}

static void vmm_inject(uint64_t lr)
{
    if (page_irqs_has(page_gic(), cpu.nr_lrs, LR_VINTID(lr)) && !(lr & LR_HW))
        assert_int_equal(page_irqs_add(page_gic(), cpu.nr_lrs, lr), 0);
    else
        lr_inject(core, lr);
    take_events();
}

static uint32_t vmm_retract(uint32_t intid, uint32_t states)
{
    uint32_t found = lr_retract(intid, states);
    uint32_t waited = (uint32_t)page_irqs_retract(page_gic(), cpu.nr_lrs, intid, states);

    renew |= waited != 0;
    return found | waited;
}

/* STOP and RUN, as far as interrupts go. */
static void vmm_refill(void)
{
    unsigned intid;

    renew = false;
    lr_save(vcpu);
    lr_mask_direct(vcpu);
    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        *fake_lr(n) = fake_random(); /* somebody else's */
    page_irqs_saved(page_gic(), cpu.nr_lrs);
    while (page_irqs_next_end(page_gic(), &intid))
        reported(intid);
    page_irqs_arrange(page_gic(), cpu.nr_lrs, has_tdir);
    assert_int_equal(lr_load(vcpu), 0);
    lr_load_direct(vcpu);
    fake_use(0);
}

/* EL2 takes the maintenance interrupt, and the vmm handles what is reported. */
static void vmm_maintain(void)
{
    if (guest_gic_maintenance())
        core->ppis |= 1u << FAKE_MAINTENANCE;
    lr_take_ppis(core);
    take_events();
    if (renew)
        vmm_refill();
}

/* How many list registers and places in the page have it, and all its states. */
static unsigned find_copies(uint32_t intid, uint32_t *states)
{
    unsigned n = 0;

    *states = 0;
    for (uint32_t i = 0; i < RV_VCPU_IRQS; i++) {
        uint64_t lr = i < cpu.nr_lrs ? *fake_lr(i) : page_gic()->irq[i];

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

/* How many interrupts wait for a list register. */
static unsigned waiting(void)
{
    unsigned n = 0;

    for (uint32_t i = cpu.nr_lrs; i < RV_VCPU_IRQS; i++)
        n += page_gic()->irq[i] >> 62 != 0;
    return n;
}

/* Random runs */

static void maintain(void)
{
    vmm_maintain();
    if (guest_gic_maintenance())
        fail_msg("seed %u: the maintenance interrupt stays asserted", (unsigned)seed);
    for (uint32_t i = 16; i < COUNT_OF(expected); i++) {
        unsigned reports = ends >> i & 1;

        if (expected[i].reports != reports)
            fail_msg("seed %u: end of %u: %u reports, not %u", (unsigned)seed, i, reports,
                     expected[i].reports);
        expected[i].reports = 0;
    }
    ends = 0;
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
        vmm_inject(direct(0x80));
        return;
    }
    if (e->active && !(run & RUN_REPEND))
        return;
    /* The guest gives each interrupt one priority; the strict order is what can be checked. */
    e->priority = (uint8_t)((intid * 7 % PRIORITIES) * 8);
    e->pending = true;
    e->eoi |= r & 1;
    vmm_inject(software(intid, flags | e->priority));
}

static void do_retract(void)
{
    uint32_t intid = 16 + (uint32_t)(fake_random() % INTIDS);
    struct expected *e = &expected[intid];
    uint32_t had = (e->pending ? RV_LR_PENDING : 0) | (e->active ? RV_LR_ACTIVE : 0);

    assert_int_equal(vmm_retract(intid, RV_LR_PENDING), had);
    if (renew)
        maintain();
    if (e->direct && e->pending)
        assert_int_equal(fake_core->gicr.active >> DIRECT & 1, 0);
    e->pending = false;
    e->eoi &= e->active;
}

static void do_switch(void)
{
    maintain();
    vmm_refill();
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
    if (!(run & RUN_SLOW) || !(fake_random() & 3))
        maintain(); /* it is asserted: EL2 takes it before the guest goes on */
    intid = guest_gic_ack(&guest);
    if (intid == GUEST_NONE) {
        if (best < running && !(run & RUN_REPEND && lr_pending()) && !(run & RUN_SLOW))
            fail_msg("seed %u: nothing to take, but one of priority 0x%x waits", (unsigned)seed,
                     best);
        return;
    }
    if (!expected[intid].pending || expected[intid].active)
        fail_msg("seed %u: %u taken but not pending", (unsigned)seed, intid);
    if (expected[intid].priority != best && !(run & (RUN_REPEND | RUN_SLOW)))
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

    if (!(run & RUN_SLOW) || !(fake_random() & 3))
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
            assert_true(vmm_retract(intid, RV_LR_ACTIVE) & RV_LR_ACTIVE);
            ended(intid, false);
        }
    } else if (guest.depth) {
        intid = guest_gic_eoi(&guest, (run & RUN_EOIMODE1) != 0);
        if (!(run & RUN_EOIMODE1))
            ended(intid, true);
    }
    if (guest.eoicount && !(run & RUN_SLOW))
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
    has_tdir = seed & 1;
    REG(ich_vmcr_el2) = what & RUN_EOIMODE1 ? ICH_VMCR_VEOIM : 0;
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
        if (!(run & RUN_SLOW)) /* what ended as it waited is known from the next SAVE on */
            check_states();
    }
    /* The guest now takes all there is, and ends it. */
    for (unsigned i = 0; i < 20000 && any_left() != 0; i++)
        fake_random() & 1 ? do_ack() : do_end();
    maintain();
    check_states();
    if (any_left())
        fail_msg("seed %u: %u is left", (unsigned)seed, any_left());
    assert_int_equal(waiting(), 0);
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

/* The vmm takes its time: the guest runs on, and ends interrupts that no list register has. */
static void interrupts_are_not_lost_when_the_vmm_is_slow(void **state)
{
    (void)state;
    random_runs(RUN_SLOW);
    random_runs(RUN_SLOW | RUN_DIRECT | RUN_SWITCH);
}

static void all_at_once(void **state)
{
    (void)state;
    random_runs(RUN_EOIMODE1 | RUN_REPEND | RUN_LATE | RUN_DIRECT | RUN_RETRACT | RUN_SWITCH);
    random_runs(RUN_REPEND | RUN_LATE | RUN_DIRECT | RUN_RETRACT | RUN_SWITCH);
}

/* Single cases */

/* Of the maintenance interrupt's conditions none may be one that filling the list registers cannot end. */
static void all_active_and_pending_does_not_storm(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    for (uint32_t i = 0; i < 4; i++)
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i)));
    vmm_inject(software(50, RV_IRQ_PENDING | 8));
    vmm_maintain();
    assert_false(guest_gic_maintenance());
    assert_int_equal(guest_gic_ack(&guest), 50);
}

/* An active one that lost its list register has one again before the guest ends it. */
static void displaced_active_is_back_before_it_ends(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    /* Less urgent than all of them: they only find room one by one as the guest ends some. */
    for (uint32_t i = 0; i < 3; i++) {
        vmm_inject(software(50 + i, RV_IRQ_PENDING | (0x90 + 8 * i)));
        vmm_maintain();
        assert_int_equal(guest_gic_eoi(&guest, false), 43 - i);
        vmm_maintain();
    }
    assert_int_equal(guest_gic_eoi(&guest, false), 40);
    assert_int_equal(guest.eoicount, 0);
    assert_int_equal(copies(40), 0);
}

/* The guest is faster than the maintenance interrupt: it ends one that waits. */
static void interrupt_that_ends_without_a_list_register_is_not_active_for_ever(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        vmm_inject(software(40 + i, RV_IRQ_PENDING | RV_IRQ_EOI | (0xa0 - 16 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    /* Both take the list registers of the least urgent, 40 and 41. */
    for (uint32_t i = 0; i < 2; i++) {
        vmm_inject(software(50 + i, RV_IRQ_PENDING | (0x40 - 16 * i)));
        vmm_maintain();
        assert_int_equal(guest_gic_ack(&guest), 50 + i);
    }
    assert_int_equal(waiting(), 2);
    for (unsigned i = 0; i < 6; i++)
        guest_gic_eoi(&guest, false);
    assert_int_equal(guest.eoicount, 2);
    assert_true(guest_gic_maintenance());
    vmm_maintain();
    assert_false(guest_gic_maintenance());
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(copies(40 + i), 0);
    assert_int_equal(ends, 0xfull << 40);
    assert_int_equal(waiting(), 0);
    assert_int_equal(REG(ich_hcr_el2), ICH_HCR_EN);
}

/* The one that ended is the most urgent of those that wait: the others stay active. */
static void end_without_a_list_register_is_that_of_the_most_urgent(void **state)
{
    uint32_t states;

    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0xa0 - 16 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    for (uint32_t i = 0; i < 2; i++) {
        vmm_inject(software(50 + i, RV_IRQ_PENDING | (0x40 - 16 * i)));
        vmm_maintain();
        assert_int_equal(guest_gic_ack(&guest), 50 + i);
    }
    REG(ich_hcr_el2) += 1ull << 27; /* EOIcount */
    lr_save(vcpu);
    page_irqs_saved(page_gic(), cpu.nr_lrs);
    assert_int_equal(find_copies(41, &states), 0);
    assert_int_equal(find_copies(40, &states), 1);
    assert_int_equal(states, RV_LR_ACTIVE);
    assert_int_equal(REG(ich_hcr_el2) >> 27, 0);
}

/*
 * With EOImode 1 only ICC_DIR_EL1 ends, and that traps. A bare-metal guest with EOImode 1
 * failed on QEMU 7.2, with 4 of 24 interrupts active, when EOIcount was taken for ends there.
 */
static void priority_drop_of_what_is_without_a_list_register_does_not_end_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0xa0 - 16 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    vmm_inject(software(50, RV_IRQ_PENDING | 8));
    vmm_maintain();
    REG(ich_vmcr_el2) = 1u << 9; /* VEOIM */
    REG(ich_hcr_el2) += 1ull << 27;
    lr_save(vcpu);
    page_irqs_saved(page_gic(), cpu.nr_lrs);
    assert_int_equal(copies(40), 1);
    assert_int_equal(REG(ich_hcr_el2) >> 27, 0);
}

/* ICH_VTR_EL2.TDS: without it TDIR is RES0, and only TC makes ICC_DIR_EL1 trap. */
static void ends_in_any_order_trap_on_each_cpu(void **state)
{
    for (unsigned tds = 0; tds <= 1; tds++) {
        setup(state);
        has_tdir = tds;
        for (uint32_t i = 0; i < 4; i++) {
            vmm_inject(software(40 + i, RV_IRQ_PENDING | 8));
            *fake_lr(i) ^= LR_STATES; /* all of them are taken */
        }
        vmm_inject(software(50, RV_IRQ_PENDING));
        vmm_maintain();
        assert_int_equal(REG(ich_hcr_el2) >> 14 & 1, tds);
        assert_int_equal(REG(ich_hcr_el2) >> 10 & 1, !tds);
    }
}

/* What is pending, or waits, is replaced by a LOAD: it is there once. */
static void load_of_what_is_pending_already_leaves_one_of_it(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        vmm_inject(software(40 + i, RV_IRQ_PENDING | 0x80));
    lr_save(vcpu);
    assert_int_equal(lr_load(vcpu), 0);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(copies(40 + i), 1);
}

/* What waits for room is not in a list register, too, after the guest has made some. */
static void interrupt_that_waits_gets_no_second_place(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0x80 - 8 * i)));
    lr_inject(core, software(50, RV_IRQ_PENDING | 0x10)); /* the vmm has not seen the event yet */
    assert_int_equal(guest_gic_ack(&guest), 43);
    assert_int_equal(guest_gic_eoi(&guest, false), 43);
    lr_inject(core, software(50, RV_IRQ_PENDING | 0x10));
    take_events();
    assert_int_equal(copies(50), 1);
    vmm_maintain();
    assert_int_equal(copies(50), 1);
    assert_int_equal(guest_gic_ack(&guest), 50);
}

/* A direct interrupt stays active at the physical GIC while it waits; it does not come twice. */
static void direct_interrupt_that_waits_stays_active(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        vmm_inject(software(40 + i, RV_IRQ_PENDING | (0xa0 - 8 * i)));
        assert_int_equal(guest_gic_ack(&guest), 40 + i);
    }
    vmm_inject(software(50, RV_IRQ_PENDING | 8));
    fake_core->irq[fake_core->nr_irqs++] = DIRECT;
    gic_irq(core);
    vmm_maintain();
    assert_int_equal(copies(DIRECT), 1);
    assert_int_equal(waiting(), 2); /* one of the active ones, and the direct one */
    assert_int_equal(fake_core->gicr.active, 1u << DIRECT);
    /* Taken back, it is inactive from the next RUN on: a line that is high comes again. */
    assert_int_equal(vmm_retract(DIRECT, RV_LR_PENDING), RV_LR_PENDING);
    assert_true(renew);
    vmm_maintain();
    assert_int_equal(fake_core->gicr.active, 0);
}

/* Each RUN with interrupts that wait would cost a stop at once, and no guest would run. */
static void list_registers_that_were_just_filled_need_no_filling(void **state)
{
    (void)state;
    for (uint32_t nr_lrs = 1; nr_lrs <= 16; nr_lrs++) {
        for (unsigned active = 0; active <= 20; active++) {
            setup_lrs(nr_lrs);
            assert_int_equal(fake_do(core, (struct rv_command){.op = RV_COMMAND_STOP}).type,
                             RV_EVENT_STOPPED);
            for (uint32_t i = 0; i < 20; i++)
                page_gic()->irq[i] = software(20 + i, i < active ? RV_IRQ_ACTIVE : RV_IRQ_PENDING);
            page_gic()->nr_irqs = 20;
            page_irqs_arrange(page_gic(), nr_lrs, true);
            fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
            assert_false(guest_gic_maintenance());
            assert_int_equal(lr_pending(), active < 20);
        }
    }
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
        cmocka_unit_test(interrupts_are_not_lost_when_the_vmm_is_slow),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test_setup(all_active_and_pending_does_not_storm, setup),
        cmocka_unit_test_setup(displaced_active_is_back_before_it_ends, setup),
        cmocka_unit_test_setup(interrupt_that_ends_without_a_list_register_is_not_active_for_ever,
                               setup),
        cmocka_unit_test_setup(end_without_a_list_register_is_that_of_the_most_urgent, setup),
        cmocka_unit_test_setup(priority_drop_of_what_is_without_a_list_register_does_not_end_it,
                               setup),
        cmocka_unit_test_setup(ends_in_any_order_trap_on_each_cpu, setup),
        cmocka_unit_test_setup(load_of_what_is_pending_already_leaves_one_of_it, setup),
        cmocka_unit_test_setup(interrupt_that_waits_gets_no_second_place, setup),
        cmocka_unit_test_setup(direct_interrupt_that_waits_stays_active, setup),
        cmocka_unit_test(list_registers_that_were_just_filled_need_no_filling),
    };

    return cmocka_run_group_tests_name("stub_refill", tests, NULL, NULL);
}
