/* SPDX-License-Identifier: BSD-2-Clause */
/* How a vCPU comes to a pCPU and leaves it, against a stub that this test plays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "proto/arm/gic.h"
#include "tests/unit/support/log_fake.h"
#include "vmm/board/board.h"
#include "vmm/cpu/cores.h"

#define FREQUENCY 62500000ull
#define SECOND    1000000000ull
#define COUNT     0x100000000ull /* CNTPCT_EL0 at the STOP */
#define ON        1u             /* CNT*_CTL_EL0 */
#define MASKED    3u

static struct rv_channel *channel;
static struct rv_vcpu_page *pages;
static struct machine machine;
static struct cores cores;
static struct vcpu vcpus[2];
static uint32_t stub_head, stub_tail;
static bool vcpu_waits, refuses;
static struct rv_event before_stop[4]; /* those with a type: what the stub sends first */
static struct rv_event handled[4];     /* what cores.handle_left was given */
static unsigned nr_handled;
static struct rv_command last_run, taken[4]; /* `taken`: the last commands that the stub took */
static unsigned nr_taken;
static uint64_t run_pc, count_at_stop; /* of the vCPU that RUN named; 0: as it is in the page */

static void stub_sends(struct rv_event event)
{
    struct rv_event *slot = &channel->event[stub_head % RV_EVENT_ENTRIES];

    event.seq = ++stub_head;
    *slot = event;
}

/* The stub: takes all commands; STOP makes the vCPU leave. */
static void kick(struct machine *m, unsigned index)
{
    for (;;) {
        struct rv_command c = channel->command[stub_tail % RV_COMMAND_ENTRIES];

        if (c.seq != stub_tail + 1)
            return;
        channel->command_tail.v = ++stub_tail;
        taken[nr_taken++ % 4] = c;
        if (c.op == RV_COMMAND_RUN)
            last_run = c;
        if (c.op == RV_COMMAND_RUN)
            run_pc = pages[c.vcpu].pc;
        if (c.op == RV_COMMAND_STOP && count_at_stop)
            pages[c.vcpu].timer.cntpct = count_at_stop;
        if (c.op == RV_COMMAND_STOP && refuses) {
            stub_sends(
                (struct rv_event){.type = RV_EVENT_REFUSED, .vcpu = RV_NO_VCPU, .esr = c.tag});
            continue;
        }
        if (c.op == RV_COMMAND_STOP) {
            for (unsigned i = 0; i < 4 && before_stop[i].type; i++)
                stub_sends(before_stop[i]);
            stub_sends((struct rv_event){
                .type = RV_EVENT_STOPPED,
                .vcpu = c.vcpu,
                .flags = vcpu_waits ? RV_EVENT_FLAG_WAITS : 0,
            });
        }
        if (c.flags & RV_COMMAND_FLAG_ACK)
            stub_sends((struct rv_event){.type = RV_EVENT_ACK, .esr = c.tag});
    }
}

static bool is_dead(struct machine *m)
{
    return false;
}

/* The vCPU is off its pCPU, and runs nowhere else yet. */
static void handle_left(struct vcpu *vcpu, const struct rv_event *event)
{
    assert_ptr_equal(vcpu, &vcpus[0]);
    assert_null(vcpu->pcpu);
    assert_null(cores.pcpus[0].vcpu);
    assert_int_equal(vcpu->fetched, RV_GROUPS_ALL);
    assert_int_not_equal(cores.sched.vcpu[0].state, SCHED_LIVE);
    assert_true(nr_handled < 4);
    handled[nr_handled++] = *event;
    sched_wake(&cores.sched, 0); /* an interrupt may come of it */
}

static const struct machine_ops machine_ops = {.kick = kick, .is_dead = is_dead};

static int setup(void **state)
{
    free(channel);
    free(pages);
    channel = aligned_alloc(64, sizeof(*channel));
    pages = aligned_alloc(4096, 2 * sizeof(*pages));
    memset(channel, 0, sizeof(*channel));
    memset(pages, 0, 2 * sizeof(*pages));
    stub_head = stub_tail = 0;
    vcpu_waits = refuses = false;
    count_at_stop = 0;
    memset(before_stop, 0, sizeof(before_stop));
    nr_handled = nr_taken = 0;
    machine = (struct machine){
        .ops = &machine_ops,
        .nr_pcpus = 1,
        .nr_vcpus = 2,
        .channels = channel,
        .vcpus = pages,
        .cntfrq = FREQUENCY,
    };
    cores_init(&cores, &machine, SECOND);
    cores.handle_left = handle_left;
    for (unsigned i = 0; i < 2; i++) {
        vcpus[i] = (struct vcpu){
            .vm_id = i,
            .direct =
                {[BOARD_TIMER_VIRT_INTID] = LR_PENDING, [BOARD_TIMER_PHYS_INTID] = LR_PENDING},
        };
        assert_int_equal(cores_add(&cores, &vcpus[i]), 0);
        pages[i].timer.cntpct = COUNT;
    }
    sched_start(&cores.sched, 0);
    assert_int_equal(sched_turn(&cores.sched), 0);
    assert_ptr_equal(vcpus[0].pcpu, &cores.pcpus[0]);
    kick(&machine, 0);
    return 0;
}

static int teardown(void **state)
{
    free(channel);
    free(pages);
    channel = NULL;
    pages = NULL;
    return 0;
}

/* vCPU 0 waits, vCPU 1 wants the pCPU: 0 is taken off. */
static void displace(void)
{
    sched_wait(&cores.sched, 0);
    sched_start(&cores.sched, 1);
    assert_int_equal(sched_turn(&cores.sched), 0);
    assert_null(vcpus[0].pcpu);
    assert_ptr_equal(vcpus[1].pcpu, &cores.pcpus[0]);
    assert_int_equal(vcpus[0].fetched, RV_GROUPS_ALL);
    kick(&machine, 0);
}

static void counter_is_read_by_a_vcpu_that_runs_nothing(void **state)
{
    struct rv_vcpu_page before;
    uint64_t count;

    assert_int_equal(cores_read_counter(&cores, &vcpus[1], &count), -EBUSY); /* vCPU 0 runs */
    assert_int_equal(sched_hold(&cores.sched, 0, SCHED_HOLD_PAUSE), 0);
    memset(pages[0].x, 0x5a, sizeof(pages[0].x));
    pages[0].pc = 0x40001000;
    pages[0].gic.irq[0] = rv_gic_irq(40, RV_IRQ_PENDING);
    before = pages[0];
    count_at_stop = COUNT + 5;
    before_stop[0] = (struct rv_event){.type = RV_EVENT_SYNC,
                                       .flags = RV_EVENT_FLAG_BLOCKING,
                                       .esr = ESR_SET(ESR_EC_IABT_LOWER, ESR_ELx_EC)};
    assert_int_equal(cores_read_counter(&cores, &vcpus[0], &count), 0);
    assert_int_equal(count, COUNT + 5);
    assert_int_equal(run_pc, BOARD_GICD_BASE); /* where no memory is */
    assert_memory_equal(&pages[0], &before, sizeof(before));
    assert_null(vcpus[0].pcpu);
    assert_null(cores.pcpus[0].vcpu);
    assert_int_equal(cores.sched.vcpu[0].state, SCHED_READY);
    assert_int_equal(nr_handled, 0);
}

static void run_names_the_vcpu_and_its_vm(void **state)
{
    displace();
    assert_int_equal(last_run.vcpu, 1);
    assert_int_equal(last_run.vm, 1);
}

static void there_are_no_more_vcpus_than_the_machine_has_pages_for(void **state)
{
    struct vcpu more = {0};

    assert_int_equal(cores_add(&cores, &more), -ENOSPC);
}

/* What the handler of an exit tells the stub counts with its decision, is there before the reply, and waits for nothing. */
static void what_is_told_in_an_exit_is_done_before_its_reply(void **state)
{
    const struct rv_command reply = {.op = RV_COMMAND_REPLY};
    struct rv_command protect = {.op = RV_COMMAND_PROTECT};
    struct pcpu *pcpu = &cores.pcpus[0];

    undo_begin(&cores.undo, 0, 1);
    cores.in_exit = pcpu;
    nr_taken = 0;
    assert_int_equal(cores_tell(&cores, &protect), 0);
    cores.in_exit = NULL;
    kick(&machine, 0);
    assert_int_equal(nr_taken, 0); /* nothing is decided */
    cores_decide(&cores, pcpu, &reply, 0);
    assert_int_equal(pcpu_push(pcpu, &reply), 0);
    kick(&machine, 0);
    assert_int_equal(nr_taken, 2);
    assert_int_equal(taken[0].op, RV_COMMAND_PROTECT);
    assert_int_equal(taken[0].flags & RV_COMMAND_FLAG_ACK, 0);
    assert_int_equal(taken[1].op, RV_COMMAND_REPLY);
    /* Without an exit it is done when cores_tell() is. */
    nr_taken = 0;
    assert_int_equal(cores_tell(&cores, &protect), 0);
    assert_int_equal(nr_taken, 1);
    assert_int_equal(taken[0].flags & RV_COMMAND_FLAG_ACK, RV_COMMAND_FLAG_ACK);
}

static unsigned machine_calls;

static int machine_memory(struct machine *m, const struct rv_command *command)
{
    machine_calls++;
    return 0;
}

static void what_the_machine_does_is_never_told_to_the_stub(void **state)
{
    static const struct machine_ops its_ops = {
        .kick = kick, .is_dead = is_dead, .memory = machine_memory};
    struct rv_command flush = {.op = RV_COMMAND_FLUSH};

    machine.ops = &its_ops;
    cores.in_exit = &cores.pcpus[0];
    machine_calls = nr_taken = 0;
    assert_int_equal(cores_tell(&cores, &flush), 0);
    kick(&machine, 0);
    assert_int_equal(machine_calls, 1);
    assert_int_equal(nr_taken, 0);
}

static void an_exit_that_was_not_answered_is_made_again(void **state)
{
    static const struct {
        uint64_t ec, pc, again;
    } cases[] = {
        {ESR_EC_HVC64, 0x40001004, 0x40001000},      /* its PC is behind it */
        {ESR_EC_DABT_LOWER, 0x40001004, 0x40001004}, /* the rest: of the instruction */
        {ESR_EC_HVC64, 0, -4ull},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rv_event left;

        setup(state);
        pages[0].pc = cases[i].pc;
        before_stop[0] = (struct rv_event){
            .type = RV_EVENT_SYNC,
            .flags = RV_EVENT_FLAG_BLOCKING,
            .esr = ESR_SET(cases[i].ec, ESR_ELx_EC),
            .pc = cases[i].pc,
        };
        displace();
        assert_int_equal(pages[0].pc, cases[i].again);
        assert_int_equal(cores.sched.vcpu[0].state, SCHED_READY);
        assert_false(pcpu_next_event(&cores.pcpus[0], &left)); /* nothing of it is left */
    }
}

static void what_a_vcpu_did_is_handled_before_it_runs_elsewhere(void **state)
{
    struct rv_event left;

    before_stop[0] = (struct rv_event){.type = RV_EVENT_POSTED, .value = 1};
    before_stop[1] = (struct rv_event){.type = RV_EVENT_EOI, .value = 40};
    before_stop[2] = (struct rv_event){.type = RV_EVENT_POSTED, .value = 2};
    before_stop[3] = (struct rv_event){.type = RV_EVENT_SYNC, .flags = RV_EVENT_FLAG_BLOCKING};
    displace();
    assert_int_equal(nr_handled, 3);
    assert_int_equal(handled[0].value, 1);
    assert_int_equal(handled[1].value, 40);
    assert_int_equal(handled[2].value, 2);
    assert_false(pcpu_next_event(&cores.pcpus[0], &left));
}

static void an_serror_is_not_lost_when_the_vcpu_leaves(void **state)
{
    pages[0].pc = 0x40001004;
    before_stop[0] = (struct rv_event){
        .type = RV_EVENT_SERROR, .flags = RV_EVENT_FLAG_BLOCKING, .esr = 123, .pc = 0x40001004};
    displace();
    assert_int_equal(nr_handled, 1);
    assert_int_equal(handled[0].type, RV_EVENT_SERROR);
    assert_int_equal(handled[0].esr, 123);
    assert_int_equal(pages[0].pc, 0x40001004);
}

static void what_a_vcpu_did_can_wake_it_when_it_waits(void **state)
{
    vcpu_waits = true;
    displace();
    assert_int_equal(cores.sched.vcpu[0].state, SCHED_ASLEEP);
    setup(state);
    vcpu_waits = true;
    before_stop[0] = (struct rv_event){.type = RV_EVENT_POSTED};
    displace();
    assert_int_equal(cores.sched.vcpu[0].state, SCHED_READY);
}

static void what_concerns_the_pcpu_stays_for_the_loop(void **state)
{
    struct rv_event event;

    before_stop[0] = (struct rv_event){.type = RV_EVENT_PANIC};
    displace();
    assert_int_equal(nr_handled, 0);
    assert_true(pcpu_next_event(&cores.pcpus[0], &event));
    assert_int_equal(event.type, RV_EVENT_PANIC);
}

static void one_that_does_not_wait_wants_to_run_on(void **state)
{
    pages[0].timer.cntv_ctl = ON;
    pages[0].timer.cntv_cval = COUNT + FREQUENCY;
    displace();
    assert_int_equal(cores.sched.vcpu[0].state, SCHED_READY);
}

static void a_timer_that_can_interrupt_wakes_one_that_waits(void **state)
{
    const uint64_t never = SCHED_NEVER;
    const struct {
        struct rv_timer timer;
        uint32_t enabled; /* PPIs; 0: both */
        uint64_t in_ns;
    } cases[] = {
        {{0}, 0, never},
        {{.cntv_ctl = ON, .cntv_cval = COUNT + FREQUENCY}, 0, SECOND},
        {{.cntp_ctl = ON, .cntp_cval = COUNT + 2 * FREQUENCY}, 0, 2 * SECOND},
        {{.cntv_ctl = MASKED, .cntv_cval = COUNT + 1}, 0, never},
        {{.cntv_ctl = ON,
          .cntv_cval = COUNT + FREQUENCY,
          .cntp_ctl = ON,
          .cntp_cval = COUNT + 10 * FREQUENCY},
         0,
         SECOND},
        {{.cntv_ctl = ON,
          .cntv_cval = COUNT + 10 * FREQUENCY,
          .cntp_ctl = ON,
          .cntp_cval = COUNT + FREQUENCY},
         0,
         SECOND},
        /* the virtual counter is behind by the offset, and may be anywhere */
        {{.cntv_ctl = ON, .cntv_cval = FREQUENCY, .cntvoff = COUNT}, 0, SECOND},
        {{.cntv_ctl = ON, .cntv_cval = 2 * FREQUENCY, .cntvoff = COUNT - FREQUENCY}, 0, SECOND},
        {{.cntv_ctl = ON, .cntv_cval = 5 * FREQUENCY - FREQUENCY, .cntvoff = COUNT - 2 * FREQUENCY},
         0,
         2 * SECOND},
        /* far away: no overflow */
        {{.cntv_ctl = ON, .cntv_cval = UINT64_MAX}, 0, never},
        {{.cntv_ctl = ON, .cntv_cval = COUNT + (FREQUENCY << 32)}, 0, SECOND << 32},
        /* its interrupt is not enabled at the redistributor */
        {{.cntv_ctl = ON, .cntv_cval = COUNT + FREQUENCY}, 1u << BOARD_TIMER_PHYS_INTID, never},
        {{.cntp_ctl = ON, .cntp_cval = COUNT + FREQUENCY}, 1u << BOARD_TIMER_VIRT_INTID, never},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct timespec t;
        uint64_t now, wake;

        setup(state);
        vcpu_waits = true;
        pages[0].timer = cases[i].timer;
        pages[0].timer.cntpct = COUNT;
        for (unsigned n = 0; cases[i].enabled && n < RV_NR_DIRECT; n++)
            vcpus[0].direct[n] = cases[i].enabled >> n & 1 ? LR_PENDING : 0;
        displace();
        clock_gettime(CLOCK_MONOTONIC, &t);
        now = (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
        wake = cores.sched.vcpu[0].wake_at;
        assert_int_equal(cores.sched.vcpu[0].state, SCHED_ASLEEP);
        if (cases[i].in_ns == never) {
            assert_true(wake == never);
        } else {
            assert_true(wake <= now + cases[i].in_ns);
            assert_true(wake >= now + cases[i].in_ns - SECOND / 2); /* the host is slow */
        }
    }
}

static void a_timer_that_has_passed_wakes_at_once(void **state)
{
    static const uint64_t cvals[] = {0, 1, COUNT - 1, COUNT};

    for (unsigned i = 0; i < sizeof(cvals) / sizeof(*cvals); i++) {
        setup(state);
        vcpu_waits = true;
        pages[0].timer.cntv_ctl = ON;
        pages[0].timer.cntv_cval = cvals[i];
        displace();
        sched_turn(&cores.sched);
        assert_int_equal(cores.sched.vcpu[0].state, SCHED_READY);
    }
}

static void a_vcpu_that_the_stub_let_go_already_is_no_failure(void **state)
{
    refuses = true;
    assert_int_equal(sched_stop(&cores.sched, 0), 0);
    assert_null(vcpus[0].pcpu);
    assert_null(cores.pcpus[0].vcpu);
    assert_false(cores.pcpus[0].lost);
}

/* As the stub saves it: in list registers, and one that waited and that the guest has ended. */
static void ends_that_the_stub_has_not_reported_are_handled(void **state)
{
    machine.nr_lrs = 4;
    pages[0].gic.irq[1] = LR_EOI | 40;
    pages[0].gic.irq[2] = LR_PENDING | LR_EOI | 41;
    pages[0].gic.irq[4] = LR_ACTIVE | LR_EOI | 42;
    pages[0].gic.nr_irqs = 5;
    pages[0].gic.hcr = 1ull << 27; /* EOIcount */
    before_stop[0] = (struct rv_event){.type = RV_EVENT_POSTED, .value = 7};
    assert_int_equal(sched_stop(&cores.sched, 0), 0);
    assert_int_equal(nr_handled, 3);
    assert_int_equal(handled[0].type, RV_EVENT_POSTED);
    for (unsigned i = 1; i < 3; i++) {
        assert_int_equal(handled[i].type, RV_EVENT_EOI);
        assert_int_equal(handled[i].value, i == 1 ? 40 : 42);
    }
    assert_int_equal(pages[0].gic.irq[2], LR_PENDING | LR_EOI | 41);
}

/* The stub takes those of list registers; the others wait, and it tells of room. */
static void run_fills_the_list_registers(void **state)
{
    machine.nr_lrs = 2;
    machine.has_tdir = true;
    assert_int_equal(sched_stop(&cores.sched, 0), 0);
    pages[0].gic.irq[3] = LR_PENDING | 40;
    pages[0].gic.irq[5] = LR_ACTIVE | 41;
    pages[0].gic.irq[6] = LR_PENDING | 42;
    pages[0].gic.nr_irqs = 7;
    sched_start(&cores.sched, 0);
    assert_int_equal(sched_turn(&cores.sched), 0);
    assert_int_equal(pages[0].gic.irq[0], LR_ACTIVE | 41);
    assert_int_equal(pages[0].gic.irq[1], LR_PENDING | 40);
    assert_int_equal(pages[0].gic.irq[2], LR_PENDING | 42);
    assert_int_equal(pages[0].gic.nr_irqs, 3);
    assert_int_equal(pages[0].gic.hcr, RV_ICH_HCR_REFILL | ICH_HCR_TDIR);
}

/* The next vCPU on this pCPU is not the one that they are about. */
static void refills_that_were_not_handled_end_with_the_stop(void **state)
{
    struct rv_event event;

    before_stop[0] = (struct rv_event){.type = RV_EVENT_REFILL, .value = LR_PENDING | 40};
    before_stop[1] = (struct rv_event){.type = RV_EVENT_REFILL};
    assert_int_equal(sched_stop(&cores.sched, 0), 0);
    assert_false(pcpu_next_event(&cores.pcpus[0], &event));
    assert_int_equal(nr_handled, 0);
    assert_int_equal(pages[0].gic.irq[0], LR_PENDING | 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counter_is_read_by_a_vcpu_that_runs_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(run_names_the_vcpu_and_its_vm, setup, teardown),
        cmocka_unit_test_setup_teardown(there_are_no_more_vcpus_than_the_machine_has_pages_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_told_in_an_exit_is_done_before_its_reply, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_the_machine_does_is_never_told_to_the_stub, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_exit_that_was_not_answered_is_made_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_vcpu_did_is_handled_before_it_runs_elsewhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_serror_is_not_lost_when_the_vcpu_leaves, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_vcpu_did_can_wake_it_when_it_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(what_concerns_the_pcpu_stays_for_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_does_not_wait_wants_to_run_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_timer_that_can_interrupt_wakes_one_that_waits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_timer_that_has_passed_wakes_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_vcpu_that_the_stub_let_go_already_is_no_failure, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(ends_that_the_stub_has_not_reported_are_handled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(run_fills_the_list_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(refills_that_were_not_handled_end_with_the_stop, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
