/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits: what is posted, what an event says, how an instruction is stepped over. */
#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"

#define WINDOW 0x0a000000ull
#define STORE                                                                                    \
    (ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ELx_IL | ESR_ISS_DABT_ISV | ESR_ISS_DABT_WNR | \
     ESR_SET(5, ESR_ISS_DABT_SRT) | ESR_FSC_TRANSLATION | 3)

static struct pcpu *core;

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    core = fake_use(0);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    fake_pages[0].posted[0] = (struct rv_posted){WINDOW, 0x200};
    fake_pages[0].posted[3] = (struct rv_posted){0x1000, 1};
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    fake_pages[0].x[5] = 0x5555;
    return 0;
}

/* An abort of the guest at an IPA. True: the guest went on at once. */
static bool take(uint64_t esr, uint64_t ipa, struct rv_event *event)
{
    REG(esr_el2) = esr;
    REG(far_el2) = 0xffff000000000000ull | (ipa & 0xfff);
    REG(hpfar_el2) = ipa >> 12 << 4;
    REG(elr_el2) = 0x40001000;
    REG(spsr_el2) = PSTATE_EL1h | PSTATE_Z | PSTATE_SS | PSTATE_BTYPE;
    bool went_on = fake_run(core, exit_sync);

    assert_true(fake_event(core, event));
    return went_on;
}

static void writes_are_posted_in_their_windows_and_nowhere_else(void **state)
{
    static const struct {
        uint64_t esr, ipa;
        bool posted;
    } cases[] = {
        {STORE, WINDOW, true},
        {STORE, WINDOW + 0x1ff, true},
        {STORE, WINDOW + 0x200, false},
        {STORE, WINDOW - 1, false},
        {STORE, 0x1000, true},
        {STORE, 0x1001, false},
        {STORE, 0xfff, false},
        {STORE, 0, false},
        {STORE, WINDOW | 1ull << 40, false},
        {STORE & ~(uint64_t)ESR_ISS_DABT_WNR, WINDOW, false},
        {STORE & ~(uint64_t)ESR_ISS_DABT_ISV, WINDOW, false},
        {STORE ^ (ESR_FSC_TRANSLATION ^ ESR_FSC_ACCESS_FLAG), WINDOW, false},
        {STORE ^ ESR_SET(4, ESR_ELx_EC), WINDOW, false},    /* instruction abort */
        {STORE ^ ESR_SET(1, ESR_ELx_EC), WINDOW, false},    /* of the same EL */
        {STORE ^ ESR_SET(0x32, ESR_ELx_EC), WINDOW, false}, /* HVC */
    };
    struct rv_event event;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        bool went_on = take(cases[i].esr, cases[i].ipa, &event);

        if (went_on != cases[i].posted)
            fail_msg("case %zu: %sposted", i, went_on ? "" : "not ");
        assert_int_equal(event.type, went_on ? RV_EVENT_POSTED : RV_EVENT_SYNC);
        assert_int_equal(event.flags, went_on ? 0 : RV_EVENT_FLAG_BLOCKING);
        assert_int_equal(core->blocked, !went_on);
        assert_int_equal(REG(elr_el2), went_on ? 0x40001004 : 0x40001000);
        assert_int_equal(event.ipa, cases[i].ipa);
        assert_int_equal(event.pc, 0x40001000); /* of the instruction itself */
    }
}

/* HPFAR_EL2 says nothing then. */
static void place_of_a_store_to_read_only_memory_is_what_stage_1_says(void **state)
{
    const uint64_t denied = STORE ^ (ESR_FSC_TRANSLATION ^ ESR_FSC_PERMISSION);
    static const struct {
        uint64_t esr, par, ipa;
        bool posted;
    } cases[] = {
        {0, 0xff00000000000b80ull | WINDOW, WINDOW | 0x18, true},
        {0, 0xff00000000000b80ull | (WINDOW + 0x1000), WINDOW + 0x1018, false},
        {0, WINDOW | 0x809, RV_NO_IPA, false},   /* another core took it away */
        {ESR_ISS_DABT_WNR, WINDOW, 0x18, false}, /* a load: as the CPU left it */
        {ESR_ISS_DABT_ISV, WINDOW, 0x18, false},
    };
    struct rv_event event;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        REG(par_el1) = 0x1234;
        fake.par = cases[i].par;
        assert_int_equal(take(denied & ~cases[i].esr, 0x18, &event), cases[i].posted);
        assert_int_equal(event.ipa, cases[i].ipa);
        assert_int_equal(fake.translated, cases[i].esr ? 0 : 0xffff000000000018ull);
        assert_int_equal(REG(par_el1), 0x1234); /* the guest's */
    }
}

static void window_is_the_vcpus_own(void **state)
{
    struct rv_event event;

    setup(state);
    fake_create_vcpu(1, 0);
    fake_run(core, world_leave);
    assert_true(fake_event(core, &event));
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN, .vcpu = 1});
    assert_false(take(STORE, WINDOW, &event));
}

/* Whatever the vmm writes there: no window has an end beyond the address space. */
static void window_that_wraps_goes_around(void **state)
{
    struct rv_event event;

    setup(state);
    fake_pages[0].posted[7] = (struct rv_posted){~0ull, 0x101};
    assert_true(take(STORE, 0xff, &event));
    setup(state);
    fake_pages[0].posted[7] = (struct rv_posted){~0ull, 0x101};
    assert_false(take(STORE, 0x100, &event));
}

static void event_has_all_of_the_exit(void **state)
{
    struct rv_event event;

    setup(state);
    boot.features = RV_FEATURE_TIMESTAMP;
    REG(cntpct_el0) = 99;
    assert_false(take(STORE, 0xabcde123, &event));
    assert_int_equal(event.vcpu, 0);
    assert_int_equal(event.esr, STORE);
    assert_int_equal(event.far, 0xffff000000000123ull);
    assert_int_equal(event.ipa, 0xabcde123);
    assert_int_equal(event.pstate, PSTATE_EL1h | PSTATE_Z | PSTATE_SS | PSTATE_BTYPE);
    assert_int_equal(event.value, 0x5555);
    assert_int_equal(event.timestamp, 99);
}

static void store_of_xzr_is_zero(void **state)
{
    struct rv_event event;

    setup(state);
    assert_true(take(STORE | ESR_ISS_DABT_SRT, WINDOW, &event));
    assert_int_equal(event.value, 0);
}

static void load_says_nothing_of_its_register(void **state)
{
    struct rv_event event;

    setup(state);
    assert_false(take(STORE & ~(uint64_t)ESR_ISS_DABT_WNR, WINDOW, &event));
    assert_int_equal(event.value, 0);
}

static void serror_blocks_even_if_it_looks_like_a_store(void **state)
{
    struct rv_event event;

    setup(state);
    REG(esr_el2) = STORE;
    REG(far_el2) = 0;
    REG(hpfar_el2) = WINDOW >> 8;
    assert_false(fake_run(core, exit_serror));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_SERROR);
    assert_int_equal(event.flags, RV_EVENT_FLAG_BLOCKING);
    assert_true(core->blocked);
}

/* AArch32: bits 11 and 10 are IT[3:2] there, not BTYPE. */
static void advance_steps_over_one_instruction(void **state)
{
    static const struct {
        uint64_t esr, spsr, pc, want_pc, want_spsr;
    } cases[] = {
        {ESR_ELx_IL, PSTATE_EL1h, 0x1000, 0x1004, PSTATE_EL1h},
        {0, PSTATE_EL1h, 0x1000, 0x1002, PSTATE_EL1h},
        {ESR_ELx_IL, PSTATE_EL0t | PSTATE_SS | PSTATE_BTYPE | PSTATE_NZCV | PSTATE_DAIF, 8, 12,
         PSTATE_NZCV | PSTATE_DAIF},
        {ESR_ELx_IL, PSTATE_EL1h | PSTATE_IL | PSTATE_PAN | PSTATE_UAO, ~3ull, 0,
         PSTATE_EL1h | PSTATE_IL | PSTATE_PAN | PSTATE_UAO},
        {ESR_ELx_IL, PSTATE_nRW | PSTATE_SS, 0x1000, 0x1004, PSTATE_nRW},
        {0, PSTATE_nRW | PSTATE32_T, 0x1000, 0x1002, PSTATE_nRW | PSTATE32_T},
        {0, PSTATE_nRW | 0xc00, 0x1000, 0x1002, PSTATE_nRW | 0xc00},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        REG(esr_el2) = cases[i].esr;
        REG(spsr_el2) = cases[i].spsr;
        REG(elr_el2) = cases[i].pc;
        exit_advance();
        assert_int_equal(REG(elr_el2), cases[i].want_pc);
        assert_int_equal(REG(spsr_el2), cases[i].want_spsr);
    }
}

/* Replies */

static void reply_is_refused_when_nothing_waits_for_it(void **state)
{
    struct rv_event event;

    setup(state);
    core->blocked = false;
    command_execute(core, &(struct rv_command){.op = RV_COMMAND_REPLY,
                                               .tag = 7,
                                               .flags = RV_REPLY_REG | RV_REPLY_ADVANCE,
                                               .reg = 5,
                                               .arg = {1, 7}});
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_REFUSED);
    assert_int_equal(event.value, RV_REFUSED_STATE);
    assert_int_equal(event.esr, 7);
    assert_true(vms[0].stopped);
    assert_int_equal(fake_pages[0].x[5], 0x5555);
    assert_int_equal(REG(elr_el2), 0x40000000);
}

static void second_reply_is_refused(void **state)
{
    struct rv_command reply = {.op = RV_COMMAND_REPLY};
    struct rv_event event;

    setup(state);
    assert_false(take(ESR_ELx_IL, 0, &event));
    fake_command(core, &reply);
    fake_command(core, &reply);
    assert_false(fake_serve(core));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.value, RV_REFUSED_STATE);
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_STOPPED);
}

static void reply_does_what_its_flags_say_and_no_more(void **state)
{
    for (unsigned flags = 0; flags < 8; flags++) {
        struct rv_event event;
        bool runs;

        setup(state);
        assert_false(take(ESR_ELx_IL, 0, &event));
        fake_command(core, &(struct rv_command){.op = RV_COMMAND_REPLY,
                                                .flags = (uint8_t)flags,
                                                .reg = 5,
                                                .arg = {0x77, 1u << 1}});
        runs = fake_serve(core);
        assert_int_equal(runs, !(flags & RV_REPLY_WAIT));
        assert_false(core->blocked);
        assert_int_equal(REG(elr_el2), flags & RV_REPLY_ADVANCE ? 0x40001004 : 0x40001000);
        assert_int_equal(fake_pages[0].x[5], flags & RV_REPLY_REG ? 0x77 : 0x5555);
        assert_int_equal(fake.core[1].kicks, 1);
        assert_int_equal(fake.core[0].kicks + fake.core[2].kicks, 0);
    }
}

static void reply_to_no_register_writes_none(void **state)
{
    static const uint16_t regs[] = {31, 32, 0xffff};

    for (size_t i = 0; i < COUNT_OF(regs); i++) {
        struct rv_event event;

        setup(state);
        fake_pages[0].pc = 0x1111;
        assert_false(take(ESR_ELx_IL, 0, &event));
        fake_command(core, &(struct rv_command){.op = RV_COMMAND_REPLY,
                                                .flags = RV_REPLY_REG,
                                                .reg = regs[i],
                                                .arg = {0x77}});
        assert_true(fake_serve(core));
        for (unsigned x = 0; x < 31; x++)
            assert_int_not_equal(fake_pages[0].x[x], 0x77);
        assert_int_equal(fake_pages[0].pc, 0x1111); /* what lies behind x30 */
    }
}

static void wait_ends_with_an_interrupt_that_the_guest_can_take(void **state)
{
    struct rv_event event;

    setup(state);
    assert_false(take(ESR_ELx_IL, 0, &event));
    fake_command(core, &(struct rv_command){.op = RV_COMMAND_REPLY, .flags = RV_REPLY_WAIT});
    assert_false(fake_serve(core));
    assert_true(core->waits);
    fake_command(core, &(struct rv_command){.op = RV_COMMAND_INJECT, .arg = {40, RV_IRQ_ACTIVE}});
    assert_false(fake_serve(core));
    fake_command(core, &(struct rv_command){.op = RV_COMMAND_INJECT, .arg = {41, RV_IRQ_PENDING}});
    assert_true(fake_serve(core));
    assert_false(core->waits);
}

/* With RV_FEATURE_IDLE a WFI is the stub's own affair, and nothing else is. */
static void idle_guest_waits_without_a_message(void **state)
{
    static const struct {
        uint64_t esr, pstate;
        bool idles;
    } cases[] = {
        {ESR_SET(ESR_EC_WFX, ESR_ELx_EC) | ESR_ELx_IL, PSTATE_EL1h, true},
        {ESR_SET(ESR_EC_WFX, ESR_ELx_EC) | ESR_ELx_IL, PSTATE_EL0t, true},
        {ESR_SET(ESR_EC_WFX, ESR_ELx_EC) | ESR_ELx_IL | ESR_WFX_WFE, PSTATE_EL1h, false},
        {ESR_SET(ESR_EC_WFX, ESR_ELx_EC) | ESR_ELx_IL | ESR_WFX_WFIT, PSTATE_EL1h, false},
        {ESR_SET(ESR_EC_WFX, ESR_ELx_EC) | ESR_ELx_IL, PSTATE_nRW, false}, /* an IT block */
        {ESR_SET(ESR_EC_HVC64, ESR_ELx_EC) | ESR_ELx_IL, PSTATE_EL1h, false},
    };
    struct rv_event event;

    for (unsigned on = 0; on <= 1; on++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            bool idles = on && cases[i].idles;

            setup(state);
            boot.features = on ? RV_FEATURE_IDLE : 0;
            REG(esr_el2) = cases[i].esr;
            REG(elr_el2) = 0x40001000;
            REG(spsr_el2) = cases[i].pstate;
            assert_false(fake_run(core, exit_sync));
            assert_int_equal(fake_event(core, &event), !idles);
            assert_int_equal(core->waits, idles);
            assert_int_equal(core->blocked, !idles);
            assert_int_equal(REG(elr_el2), idles ? 0x40001004 : 0x40001000);
            if (!idles)
                continue;
            fake_command(
                core, &(struct rv_command){.op = RV_COMMAND_INJECT, .arg = {41, RV_IRQ_PENDING}});
            assert_true(fake_serve(core));
        }
    }
}

static void inject_while_it_polls(void)
{
    assert_int_equal(core->channel->command_polling.v, 1);
    fake_command(core, &(struct rv_command){.op = RV_COMMAND_INJECT, .arg = {41, RV_IRQ_PENDING}});
    fake.on_relax = NULL;
}

static void polling_is_set_while_the_core_waits_and_not_when_the_guest_runs(void **state)
{
    setup(state);
    fake.on_relax = inject_while_it_polls;
    core->poll_limit = 8;
    core->waits = true;
    assert_true(fake_serve(core));
    assert_int_equal(core->channel->command_polling.v, 0);
}

/* WFI ends at once while an SError is pending: the core would look again and again. */
static void serror_that_is_pending_wakes_the_guest_that_waits(void **state)
{
    setup(state);
    REG(isr_el1) = 1u << 8;
    core->waits = true;
    fake.sleeps = 0;
    assert_true(fake_serve(core)); /* it is taken from the guest then: exit_serror() */
    assert_int_equal(fake.sleeps, 0);
    assert_false(core->waits);
}

static void serror_on_a_core_without_a_guest_is_reported_once(void **state)
{
    struct rv_event event;

    setup(state);
    world_leave(core);
    assert_true(fake_event(core, &event));
    REG(isr_el1) = 1u << 8;
    assert_false(fake_serve(core));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_PANIC);
    assert_int_equal(event.flags, 7); /* the vector: an SError at EL2 */
    assert_false(fake_event(core, &event));
    assert_int_equal(REG(isr_el1), 0);
}

static void interrupt_ends_the_poll(void **state)
{
    setup(state);
    REG(isr_el1) = 1u << 7;
    core->poll_limit = 8;
    core->waits = true;
    fake.relaxes = 0;
    assert_false(fake_serve(core));
    assert_int_equal(fake.relaxes, 0);
    assert_int_equal(core->poll_limit, 8); /* it was not in vain */
}

/* STOPPED says whether the guest still waited: who was woken must not be taken for asleep. */
static void stopped_says_waits_exactly_if_it_still_waited(void **state)
{
    static const struct {
        const char *name;
        bool wait, exit;
        uint64_t inject; /* RV_IRQ_*, in the same batch as STOP */
        uint32_t ppi;    /* comes while it waits */
        bool waits;
    } cases[] = {
        {"runs", false, false, 0, 0, false},
        {"in_an_exit", false, true, 0, 0, false},
        {"in_an_exit_with_an_interrupt", false, true, RV_IRQ_PENDING, 0, false},
        {"waits", true, true, 0, 0, true},
        {"waits_with_an_active_one", true, true, RV_IRQ_ACTIVE, 0, true},
        {"was_just_woken_by_a_command", true, true, RV_IRQ_PENDING, 0, false},
        {"was_just_woken_by_both", true, true, RV_IRQ_PENDING | RV_IRQ_ACTIVE, 0, false},
        {"was_just_woken_by_its_timer", true, true, 0, 27, false},
    };
    struct rv_event event;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        FAKE_DIRECT(0, 27) = LR_PENDING;
        fake_ok(core, (struct rv_command){.op = RV_COMMAND_LOAD, .arg = {RV_GROUP_DIRECT}});
        if (cases[i].exit)
            assert_false(take(ESR_ELx_IL, 0, &event));
        if (cases[i].wait) {
            fake_command(core,
                         &(struct rv_command){.op = RV_COMMAND_REPLY, .flags = RV_REPLY_WAIT});
            assert_false(fake_serve(core));
        }
        if (cases[i].ppi) {
            fake_core->irq[fake_core->nr_irqs++] = cases[i].ppi;
            gic_irq(core); /* as where command_wait() ends; the command came meanwhile */
        }
        if (cases[i].inject)
            fake_command(
                core, &(struct rv_command){.op = RV_COMMAND_INJECT, .arg = {40, cases[i].inject}});
        fake_command(core, &(struct rv_command){.op = RV_COMMAND_STOP});
        assert_false(fake_serve(core));
        assert_true(fake_event(core, &event));
        assert_int_equal(event.type, RV_EVENT_STOPPED);
        if (event.flags != (cases[i].waits ? RV_EVENT_FLAG_WAITS : 0))
            fail_msg("%s: flags %u", cases[i].name, event.flags);
        /* The next guest here does not begin with the wait of the last. */
        assert_false(core->waits);
    }
}

/* Physical interrupts */

static void direct_interrupt_goes_to_the_guest_without_a_message(void **state)
{
    struct rv_event event;

    setup(state);
    FAKE_DIRECT(0, 27) = LR_PENDING | LR_GROUP1 | 0x40ull << LR_PRIORITY_SHIFT;
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_LOAD, .arg = {RV_GROUP_DIRECT}});
    fake_core->irq[fake_core->nr_irqs++] = 27;
    assert_true(fake_run(core, exit_irq));
    assert_false(fake_event(core, &event));
    assert_int_equal(*fake_lr(0),
                     LR_PENDING | LR_HW | LR_GROUP1 | 0x40ull << 48 | 27ull << 32 | 27);
    assert_int_equal(fake_core->gicr.active, 1u << 27); /* until the guest's EOI */
    assert_int_equal(fake.nr_deactivated, 0);
}

static void interrupt_of_nobody_is_masked(void **state)
{
    setup(state);
    fake_core->gicr.enabled |= 1u << 30;
    fake_core->irq[fake_core->nr_irqs++] = 30;
    assert_true(fake_run(core, exit_irq));
    assert_int_equal(fake_core->gicr.enabled >> 30 & 1, 0);
    assert_int_equal(fake_core->gicr.active, 0);
}

static void doorbell_kicks_the_others_that_it_names(void **state)
{
    setup(state);
    fake.doorbell_kicks = ~0ull;
    fake_core->irq[fake_core->nr_irqs++] = FAKE_DOORBELL;
    assert_true(fake_run(core, exit_irq));
    assert_int_equal(fake.core[0].kicks, 0); /* it is awake */
    assert_int_equal(fake.core[1].kicks, 1);
    assert_int_equal(fake.core[2].kicks, 1);
}

static void interrupts_that_do_not_end_do_not_hold_the_core(void **state)
{
    setup(state);
    for (unsigned i = 0; i < 16; i++)
        fake_core->irq[fake_core->nr_irqs++] = 0;
    assert_true(fake_run(core, exit_irq));
    assert_int_equal(fake_core->nr_irqs, 8);
}

/* INTIDs 1020 to 1023 are no interrupts; all others need the priority drop. */
static void every_interrupt_that_was_acknowledged_gets_its_priority_drop(void **state)
{
    static const struct {
        uint32_t intid;
        bool drop, deactivate;
    } cases[] = {
        {0, true, true},         {30, true, true},     {50, true, true},     {1019, true, true},
        {1020, false, false},    {1021, false, false}, {1022, false, false}, {1023, false, false},
        {1056, true, false},     {4096, true, false},  {8192, true, false}, /* the first LPI */
        {0xffffff, true, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        REG(icc_eoir1_el1) = ~0ull;
        fake_core->irq[fake_core->nr_irqs++] = cases[i].intid;
        assert_true(fake_run(core, exit_irq));
        if (REG(icc_eoir1_el1) != (cases[i].drop ? cases[i].intid : ~0ull))
            fail_msg("%u: EOIR is 0x%llx", cases[i].intid, (unsigned long long)REG(icc_eoir1_el1));
        assert_int_equal(fake.nr_deactivated, cases[i].deactivate);
    }
}

static bool next_stray(struct rv_event *event)
{
    while (fake_event(core, event)) {
        if (event->type == RV_EVENT_STRAY)
            return true;
    }
    return false;
}

static void spi_of_nobody_is_masked_and_reported_once(void **state)
{
    struct rv_event event;

    setup(state);
    fake_core->irq[fake_core->nr_irqs++] = 50;
    assert_true(fake_run(core, exit_irq));
    assert_int_equal(fake.gicd_masked[1], 1u << 18);
    assert_true(next_stray(&event));
    assert_int_equal(event.value, 50);
    assert_false(next_stray(&event));
    assert_int_equal(fake.deactivated[0], 50); /* who unmasks it finds it as usual */
    /* Another is news. */
    fake_core->irq[fake_core->nr_irqs++] = 1019;
    assert_true(fake_run(core, exit_irq));
    assert_int_equal(fake.gicd_masked[31], 1u << 27);
    assert_true(next_stray(&event));
    assert_int_equal(event.value, 1019);
}

static void lpi_of_nobody_is_reported(void **state)
{
    struct rv_event event;

    setup(state);
    fake_core->irq[fake_core->nr_irqs++] = 8192;
    assert_true(fake_run(core, exit_irq));
    assert_true(next_stray(&event));
    assert_int_equal(event.value, 8192);
}

/* One that comes while the core waits for room must not wait for it, too. */
static void stray_interrupt_does_not_wait_for_room(void **state)
{
    setup(state);
    for (uint32_t i = 0; i < RV_EVENT_ENTRIES; i++)
        event_send(core, RV_EVENT_ACK, 0, 0, i);
    fake_core->irq[fake_core->nr_irqs++] = 50;
    assert_true(fake_run(core, gic_irq));
    assert_int_equal(fake.gicd_masked[1], 1u << 18);
}

/* Commands that never end must not keep out interrupts, nor the stop of the VM. */
static uint32_t taken_at_first_interrupt;

static void note_first_interrupt(enum fake_register reg)
{
    if (reg == REG_icc_iar1_el1 && !taken_at_first_interrupt) {
        taken_at_first_interrupt = core->command_tail;
        vms[0].stopped = true; /* as another core does it, with a kick */
    }
}

static void interrupts_and_the_vm_stop_come_between_commands(void **state)
{
    struct rv_event event;
    uint32_t start;

    setup(state);
    start = core->command_tail;
    for (unsigned i = 0; i < RV_COMMAND_ENTRIES; i++)
        fake_command(core, &(struct rv_command){.op = RV_COMMAND_INJECT,
                                                .arg = {40, RV_IRQ_PENDING | RV_IRQ_GROUP1}});
    taken_at_first_interrupt = 0;
    fake.on_read = note_first_interrupt;
    assert_false(fake_serve(core));
    assert_in_range(taken_at_first_interrupt - start, 1, 16);
    assert_true(fake_event(core, &event)); /* and not after the rest of them was refused */
    assert_int_equal(event.type, RV_EVENT_STOPPED);
}

/* No two cores write to one cache line, or to two that are fetched together. */
static void cores_share_no_cache_line(void **state)
{
    (void)state;
    assert_int_equal((uintptr_t)&pcpus[0] % 128, 0);
    assert_int_equal(sizeof(struct pcpu) % 128, 0);
}

/* The distributor may have other users. */
static void only_own_bits_and_bytes_of_the_distributor_are_written(void **state)
{
    setup(state);
    fake.gicd_ctlr = GICD_CTLR_GRP0 | 1u << 6; /* group 0, and DS */
    assert_int_equal(gic_init(), 0);
    fake_isb();
    assert_int_equal(fake.gicd_ctlr, GICD_CTLR_GRP0 | 1u << 6 | GICD_CTLR_ARE | GICD_CTLR_GRP1);
    assert_int_equal(fake.gicd_priority, 0xa0); /* fake.c: of one interrupt, by a byte */
    assert_int_equal(fake.gicd_enable, 1u << FAKE_DOORBELL % 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_are_posted_in_their_windows_and_nowhere_else),
        cmocka_unit_test(place_of_a_store_to_read_only_memory_is_what_stage_1_says),
        cmocka_unit_test(window_is_the_vcpus_own),
        cmocka_unit_test(window_that_wraps_goes_around),
        cmocka_unit_test(event_has_all_of_the_exit),
        cmocka_unit_test(store_of_xzr_is_zero),
        cmocka_unit_test(load_says_nothing_of_its_register),
        cmocka_unit_test(serror_blocks_even_if_it_looks_like_a_store),
        cmocka_unit_test(advance_steps_over_one_instruction),
        cmocka_unit_test(reply_is_refused_when_nothing_waits_for_it),
        cmocka_unit_test(second_reply_is_refused),
        cmocka_unit_test(reply_does_what_its_flags_say_and_no_more),
        cmocka_unit_test(reply_to_no_register_writes_none),
        cmocka_unit_test(wait_ends_with_an_interrupt_that_the_guest_can_take),
        cmocka_unit_test(idle_guest_waits_without_a_message),
        cmocka_unit_test(polling_is_set_while_the_core_waits_and_not_when_the_guest_runs),
        cmocka_unit_test(serror_that_is_pending_wakes_the_guest_that_waits),
        cmocka_unit_test(serror_on_a_core_without_a_guest_is_reported_once),
        cmocka_unit_test(interrupt_ends_the_poll),
        cmocka_unit_test(stopped_says_waits_exactly_if_it_still_waited),
        cmocka_unit_test(direct_interrupt_goes_to_the_guest_without_a_message),
        cmocka_unit_test(interrupt_of_nobody_is_masked),
        cmocka_unit_test(doorbell_kicks_the_others_that_it_names),
        cmocka_unit_test(interrupts_that_do_not_end_do_not_hold_the_core),
        cmocka_unit_test(every_interrupt_that_was_acknowledged_gets_its_priority_drop),
        cmocka_unit_test(spi_of_nobody_is_masked_and_reported_once),
        cmocka_unit_test(lpi_of_nobody_is_reported),
        cmocka_unit_test(stray_interrupt_does_not_wait_for_room),
        cmocka_unit_test(interrupts_and_the_vm_stop_come_between_commands),
        cmocka_unit_test(cores_share_no_cache_line),
        cmocka_unit_test(only_own_bits_and_bytes_of_the_distributor_are_written),
    };

    return cmocka_run_group_tests_name("stub_exit", tests, NULL, NULL);
}
