/* SPDX-License-Identifier: BSD-2-Clause */
/* The vmm's side of the rings, against a stub that this test plays, and plays badly. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/arm/gic.h"
#include "tests/unit/support/log_fake.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"

static struct rv_channel *channel;
static struct machine machine;
static struct pcpu pcpu;
static struct vcpu vcpu;
static unsigned kicks;
static bool dead;
static uint32_t stub_head, stub_tail;

static void stub_answers(void);
static void (*on_kick)(void);
static void (*on_look)(void); /* now and then, while somebody waits for the stub */

static void kick(struct machine *m, unsigned index)
{
    assert_ptr_equal(m, &machine);
    assert_int_equal(index, 0);
    kicks++;
    if (on_kick)
        on_kick();
}

static bool is_dead(struct machine *m)
{
    if (on_look)
        on_look();
    return dead;
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};

static void setup_at(uint32_t start)
{
    free(channel);
    channel = aligned_alloc(64, sizeof(*channel));
    memset(channel, 0, sizeof(*channel));
    machine = (struct machine){.ops = &ops, .channels = channel};
    pcpu_init(&pcpu, &machine, 0);
    pcpu.command_head = pcpu.command_tail = pcpu.event_tail = start;
    channel->command_tail.v = start;
    stub_head = stub_tail = start;
    vcpu = (struct vcpu){.pcpu = &pcpu};
    pcpu.vcpu = &vcpu;
    kicks = 0;
    dead = false;
    on_kick = on_look = NULL;
}

static int setup(void **state)
{
    setup_at(0);
    return 0;
}

static void stub_sends(struct rv_event event)
{
    struct rv_event *slot = &channel->event[stub_head % RV_EVENT_ENTRIES];

    event.seq = stub_head + 1;
    *slot = event;
    stub_head++;
}

/* Takes all the commands, and acknowledges those that ask for it. */
static void stub_answers(void)
{
    for (;;) {
        struct rv_command c = channel->command[stub_tail % RV_COMMAND_ENTRIES];

        if (c.seq != stub_tail + 1)
            return;
        channel->command_tail.v = ++stub_tail;
        if (c.flags & RV_COMMAND_FLAG_ACK)
            stub_sends(
                (struct rv_event){.type = RV_EVENT_ACK, .esr = c.tag, .value = c.arg[0] + 1});
    }
}

static void commands_arrive_in_order_over_the_wrap_of_the_index(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    setup_at(0xffffffe0u);
    for (uint64_t i = 0; i < 200; i++) {
        const struct rv_command *slot = &channel->command[stub_tail % RV_COMMAND_ENTRIES];

        c.arg[0] = i;
        assert_int_equal(pcpu_push(&pcpu, &c), 0);
        assert_int_equal(slot->seq, stub_tail + 1);
        assert_int_equal(slot->arg[0], i);
        channel->command_tail.v = ++stub_tail;
    }
}

static void a_full_ring_waits_until_the_stub_takes_some(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    pcpu.guest_runs = true;
    for (unsigned i = 0; i < RV_COMMAND_ENTRIES; i++)
        assert_int_equal(pcpu_push(&pcpu, &c), 0);
    on_kick = stub_answers;
    assert_int_equal(pcpu_push(&pcpu, &c), 0);
    assert_true(kicks > 0);
}

static void a_stub_that_waits_for_room_itself_is_drained_meanwhile(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};
    struct rv_event event;

    for (unsigned i = 0; i < 3; i++)
        stub_sends((struct rv_event){.type = RV_EVENT_EOI, .value = 40 + i});
    for (unsigned i = 0; i < RV_COMMAND_ENTRIES; i++)
        assert_int_equal(pcpu_push(&pcpu, &c), 0);
    pcpu.guest_runs = true;
    on_kick = stub_answers;
    assert_int_equal(pcpu_push(&pcpu, &c), 0);
    assert_true(channel->event_tail.v > 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pcpu_next_event(&pcpu, &event));
        assert_int_equal(event.value, 40 + i);
    }
    assert_false(pcpu_next_event(&pcpu, &event));
}

static void an_impossible_command_index_loses_the_pcpu_not_the_vmm(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    for (unsigned i = 0; i < RV_COMMAND_ENTRIES; i++)
        assert_int_equal(pcpu_push(&pcpu, &c), 0);
    channel->command_tail.v = 12345;
    assert_int_equal(pcpu_push(&pcpu, &c), -EIO);
    assert_true(pcpu.lost);
    assert_int_equal(pcpu_push(&pcpu, &c), -EIO);
}

static void a_machine_that_ends_is_noticed_while_waiting(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    dead = true;
    assert_int_equal(pcpu_call(&pcpu, &c, NULL), -EIO);
    assert_true(pcpu.lost);
}

static unsigned looks;

/* The whole host stands still, and the stub answers a little later. */
static void stand_still(void)
{
    if (looks++ == 0)
        sleep(6);
    else if (looks == 100)
        stub_answers();
}

static void a_host_that_stood_still_is_no_stub_that_does_not_answer(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_RETRACT, .arg[0] = 40};

    looks = 0;
    on_look = stand_still;
    assert_int_equal(pcpu_call(&pcpu, &c, NULL), 0);
    assert_false(pcpu.lost);
}

static void a_call_returns_its_own_answer_and_keeps_other_events(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_RETRACT, .arg[0] = 40};
    struct rv_event event;
    uint64_t value = 0;

    pcpu.guest_runs = true;
    on_kick = stub_answers;
    stub_sends((struct rv_event){.type = RV_EVENT_EOI, .value = 33});
    stub_sends((struct rv_event){.type = RV_EVENT_ACK, .esr = 77});
    assert_int_equal(pcpu_call(&pcpu, &c, &value), 0);
    assert_int_equal(value, 41);
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_int_equal(event.type, RV_EVENT_EOI);
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_int_equal(event.esr, 77);
    assert_false(pcpu_next_event(&pcpu, &event));
}

static void refuse(void)
{
    stub_sends((struct rv_event){.type = RV_EVENT_REFUSED, .esr = pcpu.tag, .value = 250});
}

/* What a process before this one was told, under the tags that a new one might begin with. */
static void an_answer_to_an_earlier_process_is_not_taken_for_ours(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_RETRACT, .arg[0] = 40};
    uint64_t value = 0;

    pcpu.guest_runs = true;
    on_kick = stub_answers;
    for (uint32_t tag = 0; tag < 16; tag++)
        stub_sends((struct rv_event){.type = RV_EVENT_ACK, .esr = tag, .value = 99});
    assert_int_equal(pcpu_call(&pcpu, &c, &value), 0);
    assert_int_equal(value, 41);
}

static void tags_of_calls_never_look_like_those_of_posted_commands(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    pcpu.guest_runs = true;
    on_kick = stub_answers;
    pcpu.tag = 0x7ffffffeu;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pcpu_call(&pcpu, &c, NULL), 0);
        assert_true(c.tag < 0x80000000u);
    }
}

static void a_refused_call_says_so(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_MAP};

    pcpu.guest_runs = true;
    on_kick = refuse;
    assert_int_equal(pcpu_call(&pcpu, &c, NULL), -EPERM);
}

static void no_room(void)
{
    stub_sends((struct rv_event){.type = RV_EVENT_ACK, .esr = pcpu.tag, .ipa = RV_STATUS_NO_ROOM});
}

static void a_call_without_room_says_so(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_MAP};

    pcpu.guest_runs = true;
    on_kick = no_room;
    assert_int_equal(pcpu_call(&pcpu, &c, NULL), -ENOMEM);
}

static void the_doorbell_rings_only_when_it_must(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    assert_false(pcpu_notify(&pcpu));
    assert_int_equal(kicks, 0); /* nothing was pushed */
    pcpu_push(&pcpu, &c);
    assert_false(pcpu_notify(&pcpu));
    assert_int_equal(kicks, 0); /* the stub looks by itself */
    channel->command_waiting.v = 1;
    pcpu_push(&pcpu, &c);
    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify(&pcpu));
    assert_false(pcpu_notify(&pcpu));
    assert_int_equal(kicks, 1); /* once for a sleep */
    assert_int_equal(channel->command_waiting.v, 0);
    pcpu.guest_runs = true;
    pcpu_push(&pcpu, &c);
    assert_false(pcpu_notify(&pcpu));
    assert_int_equal(kicks, 2); /* the guest runs: nothing else reaches the stub */
    channel->command_polling.v = 1;
    pcpu_push(&pcpu, &c);
    pcpu_notify(&pcpu);
    assert_int_equal(kicks, 2); /* it waits, and the stub looks by itself */
    channel->command_waiting.v = 1;
    pcpu_push(&pcpu, &c);
    pcpu_notify(&pcpu);
    assert_int_equal(kicks, 3); /* it waits, and the stub is asleep */
}

/* A guest that runs has machine.kick_ns to come by itself. */
static void a_kick_that_can_wait_is_spared_if_the_guest_exits(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};

    machine.kick_ns = 100;
    assert_false(pcpu_notify_soon(&pcpu, 1000)); /* nothing was pushed */
    pcpu.guest_runs = true;
    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify_soon(&pcpu, 1000));
    assert_true(pcpu_notify_soon(&pcpu, 1099));
    assert_int_equal(kicks, 0);
    assert_false(pcpu_notify_soon(&pcpu, 1100));
    assert_int_equal(kicks, 1);
    assert_false(pcpu_notify_soon(&pcpu, 2000)); /* once */
    assert_int_equal(kicks, 1);

    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify_soon(&pcpu, 3000)); /* each has its time anew */
    channel->command_tail.v = pcpu.command_head;
    assert_false(pcpu_notify_soon(&pcpu, 3050)); /* it has taken the command */
    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify_soon(&pcpu, 4000));
    channel->command_polling.v = 1;
    assert_false(pcpu_notify_soon(&pcpu, 4050)); /* it looks by itself now */
    channel->command_polling.v = 0;
    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify_soon(&pcpu, 5000));
    pcpu.guest_runs = false;
    assert_false(pcpu_notify_soon(&pcpu, 5050)); /* in an exit it looks, too */
    assert_int_equal(kicks, 1);

    pcpu.guest_runs = true;
    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify_soon(&pcpu, 6000));
    channel->command_waiting.v = 1;
    assert_false(pcpu_notify_soon(&pcpu, 6001)); /* asleep: at once */
    assert_int_equal(kicks, 2);
    pcpu_push(&pcpu, &c);
    assert_true(pcpu_notify_soon(&pcpu, 7000));
    pcpu_push(&pcpu, &c); /* does not put the first off */
    assert_false(pcpu_notify_soon(&pcpu, 7100));
    assert_int_equal(kicks, 3);
}

static void illegal_events_lose_the_pcpu(void **state)
{
    static const struct {
        struct rv_event event;
        bool guest_runs, has_vcpu;
    } table[] = {
        {{.type = 0}, true, true},
        {{.type = 200}, true, true},
        {{.type = RV_EVENT_SYNC, .flags = 0}, true, true},
        {{.type = RV_EVENT_SYNC, .flags = 0xff}, true, true},
        {{.type = RV_EVENT_SYNC, .flags = 1, .vcpu = 1}, true, true},
        {{.type = RV_EVENT_SYNC, .flags = 1, .vcpu = RV_NO_VCPU}, true, true},
        {{.type = RV_EVENT_SYNC, .flags = 1}, false, true},
        {{.type = RV_EVENT_SYNC, .flags = 1}, true, false},
        {{.type = RV_EVENT_SERROR, .flags = 1}, false, true},
        {{.type = RV_EVENT_POSTED, .vcpu = 9}, true, true},
        {{.type = RV_EVENT_EOI, .vcpu = 9}, true, true},
        {{.type = RV_EVENT_STOPPED}, true, false},
    };
    struct rv_event event;

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        setup(state);
        pcpu.guest_runs = table[i].guest_runs;
        pcpu.vcpu = table[i].has_vcpu ? &vcpu : NULL;
        stub_sends(table[i].event);
        assert_false(pcpu_next_event(&pcpu, &event));
        assert_true(pcpu.lost);
        stub_sends((struct rv_event){.type = RV_EVENT_READY});
        assert_false(pcpu_next_event(&pcpu, &event));
    }
}

static void an_event_with_a_wrong_sequence_is_not_there(void **state)
{
    struct rv_event event;

    channel->event[0].type = RV_EVENT_READY;
    channel->event[0].seq = 257;
    assert_false(pcpu_has_event(&pcpu));
    assert_false(pcpu_next_event(&pcpu, &event));
    channel->event[0].seq = 1;
    assert_true(pcpu_has_event(&pcpu));
    assert_true(pcpu_next_event(&pcpu, &event));
}

static void a_blocking_exit_stops_the_guest(void **state)
{
    struct rv_event event;

    pcpu.guest_runs = true;
    stub_sends((struct rv_event){.type = RV_EVENT_SYNC, .flags = RV_EVENT_FLAG_BLOCKING});
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_false(pcpu.guest_runs);
}

static void take_events(unsigned n)
{
    struct rv_event event;

    for (unsigned i = 0; i < n; i++)
        assert_true(pcpu_next_event(&pcpu, &event));
}

/* The stub sleeps while its ring is full: as soon as there is room for some, it is woken. */
static void a_stub_that_sleeps_for_room_is_woken_once(void **state)
{
    for (unsigned i = 0; i < RV_EVENT_ENTRIES; i++)
        stub_sends((struct rv_event){.type = RV_EVENT_ACK, .vcpu = RV_NO_VCPU});
    channel->event_full.v = 1;
    take_events(RV_EVENT_BATCH - 1);
    assert_int_equal(kicks, 0);
    take_events(1);
    assert_int_equal(kicks, 1);
    assert_int_equal(channel->event_full.v, 0);
    take_events(RV_EVENT_BATCH);
    assert_int_equal(kicks, 1);
    channel->event_full.v = 1;
    take_events(RV_EVENT_BATCH);
    assert_int_equal(kicks, 2);
}

static void interrupt_of_nobody_is_no_fault_of_the_stub(void **state)
{
    struct rv_event event;

    stub_sends((struct rv_event){.type = RV_EVENT_STRAY, .vcpu = RV_NO_VCPU});
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_false(pcpu.lost);
}

static struct rv_vcpu_page page;

/* A RETRACT that waits for its answer must find the interrupt, though nobody handled the event. */
static void interrupt_without_a_list_register_is_in_the_page_at_once(void **state)
{
    struct rv_command retract = {.op = RV_COMMAND_RETRACT};
    struct rv_event event;

    memset(&page, 0, sizeof(page));
    vcpu.page = &page;
    machine.nr_lrs = 4;
    page.gic.nr_irqs = 4;
    pcpu.guest_runs = true;
    on_kick = stub_answers;
    stub_sends((struct rv_event){.type = RV_EVENT_REFILL, .value = LR_PENDING | LR_EOI | 40});
    stub_sends((struct rv_event){.type = RV_EVENT_REFILL, .value = 0});
    assert_int_equal(pcpu_call(&pcpu, &retract, NULL), 0);
    assert_int_equal(page.gic.irq[4], LR_PENDING | LR_EOI | 40);
    assert_int_equal(page.gic.nr_irqs, 5);
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_int_equal(event.type, RV_EVENT_REFILL);
    assert_int_equal(page.gic.nr_irqs, 5);
}

static void more_interrupts_than_a_vcpu_can_have_lose_the_pcpu(void **state)
{
    struct rv_event event;

    memset(&page, 0, sizeof(page));
    vcpu.page = &page;
    machine.nr_lrs = 4;
    for (uint32_t i = 0; i < RV_VCPU_IRQS - 4; i++) {
        stub_sends((struct rv_event){.type = RV_EVENT_REFILL, .value = LR_PENDING | (40 + i)});
        assert_true(pcpu_next_event(&pcpu, &event));
    }
    stub_sends((struct rv_event){.type = RV_EVENT_REFILL, .value = LR_PENDING | 200});
    assert_false(pcpu_next_event(&pcpu, &event));
    assert_true(pcpu.lost);
}

static void a_session_has_the_stubs_numbers_in_the_rings(void **state)
{
    static const uint8_t numbers[] = {2, 5, 3};
    struct rv_command c = {.op = RV_COMMAND_REPLY, .vcpu = 1, .arg = {7, 0x5}};
    struct rv_event event;

    machine.first_vcpu = 12;
    machine.cpu_numbers = numbers;
    vcpu.number = 1;
    pcpu.guest_runs = true;
    assert_int_equal(pcpu_push(&pcpu, &c), 0);
    assert_int_equal(channel->command[0].vcpu, 13);
    assert_int_equal(channel->command[0].arg[0], 7);
    assert_int_equal(channel->command[0].arg[1], 1u << 2 | 1u << 3);
    c.op = RV_COMMAND_INJECT;
    assert_int_equal(pcpu_push(&pcpu, &c), 0);
    assert_int_equal(channel->command[1].arg[1], 5);
    stub_sends((struct rv_event){.type = RV_EVENT_EOI, .vcpu = 13});
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_int_equal(event.vcpu, 1);
    stub_sends((struct rv_event){.type = RV_EVENT_ACK, .vcpu = RV_NO_VCPU});
    assert_true(pcpu_next_event(&pcpu, &event));
    assert_int_equal(event.vcpu, RV_NO_VCPU);
    stub_sends((struct rv_event){.type = RV_EVENT_EOI, .vcpu = 1}); /* of another session */
    assert_false(pcpu_next_event(&pcpu, &event));
    assert_true(pcpu.lost);
}

static unsigned posted(uint64_t start, uint64_t size)
{
    return pcpu_posted(&pcpu, start, size);
}

static void posted_write_counts_until_it_is_given(void **state)
{
    struct rv_event event;

    assert_int_equal(posted(0, UINT64_MAX), 0);
    stub_sends((struct rv_event){.type = RV_EVENT_EOI, .ipa = 0x1064});
    stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x1050});
    assert_int_equal(posted(0x1064, 4), 0);
    assert_int_equal(posted(0x1050, 4), 1);
    stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x1064});
    stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x1064});
    assert_int_equal(posted(0x1068, 4), 2); /* 64 bits have that, too */
    assert_int_equal(posted(0x106c, 4), 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(posted(0x1064, 4), i < 3 ? 2 : 1);
        assert_true(pcpu_next_event(&pcpu, &event));
    }
    assert_int_equal(event.ipa, 0x1064);
    assert_int_equal(posted(0x1064, 4), 0); /* it is being handled */
}

static void posted_write_that_was_put_aside_counts(void **state)
{
    struct rv_command c = {.op = RV_COMMAND_SAVE};
    struct rv_event event;

    stub_sends((struct rv_event){.type = RV_EVENT_EOI});
    stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x1064});
    pcpu.guest_runs = true;
    on_kick = stub_answers;
    assert_int_equal(pcpu_call(&pcpu, &c, NULL), 0);
    stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x1064});
    for (unsigned left = 3; left-- > 0;) {
        assert_int_equal(posted(0x1064, 4), left < 2 ? left + 1 : 2);
        assert_true(pcpu_next_event(&pcpu, &event));
    }
    assert_int_equal(posted(0, UINT64_MAX), 0); /* nor what its slot in the journal was */
}

/* A guest that writes faster than the vmm takes it. */
static void posted_write_at_the_end_of_a_full_ring_counts(void **state)
{
    setup_at(0xffffffc0u);
    for (unsigned i = 1; i < RV_EVENT_ENTRIES; i++)
        stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x2000});
    assert_int_equal(posted(0x1064, 4), 0);
    stub_sends((struct rv_event){.type = RV_EVENT_POSTED, .ipa = 0x1064});
    assert_int_equal(posted(0x1064, 4), 1);
    assert_int_equal(posted(0x2000, 4), RV_EVENT_ENTRIES - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(commands_arrive_in_order_over_the_wrap_of_the_index, setup),
        cmocka_unit_test_setup(a_full_ring_waits_until_the_stub_takes_some, setup),
        cmocka_unit_test_setup(a_stub_that_waits_for_room_itself_is_drained_meanwhile, setup),
        cmocka_unit_test_setup(an_impossible_command_index_loses_the_pcpu_not_the_vmm, setup),
        cmocka_unit_test_setup(a_machine_that_ends_is_noticed_while_waiting, setup),
        cmocka_unit_test_setup(a_host_that_stood_still_is_no_stub_that_does_not_answer, setup),
        cmocka_unit_test_setup(a_call_returns_its_own_answer_and_keeps_other_events, setup),
        cmocka_unit_test_setup(an_answer_to_an_earlier_process_is_not_taken_for_ours, setup),
        cmocka_unit_test_setup(tags_of_calls_never_look_like_those_of_posted_commands, setup),
        cmocka_unit_test_setup(a_refused_call_says_so, setup),
        cmocka_unit_test_setup(a_call_without_room_says_so, setup),
        cmocka_unit_test_setup(the_doorbell_rings_only_when_it_must, setup),
        cmocka_unit_test_setup(a_kick_that_can_wait_is_spared_if_the_guest_exits, setup),
        cmocka_unit_test_setup(illegal_events_lose_the_pcpu, setup),
        cmocka_unit_test_setup(an_event_with_a_wrong_sequence_is_not_there, setup),
        cmocka_unit_test_setup(a_blocking_exit_stops_the_guest, setup),
        cmocka_unit_test_setup(a_stub_that_sleeps_for_room_is_woken_once, setup),
        cmocka_unit_test_setup(interrupt_of_nobody_is_no_fault_of_the_stub, setup),
        cmocka_unit_test_setup(interrupt_without_a_list_register_is_in_the_page_at_once, setup),
        cmocka_unit_test_setup(a_session_has_the_stubs_numbers_in_the_rings, setup),
        cmocka_unit_test_setup(more_interrupts_than_a_vcpu_can_have_lose_the_pcpu, setup),
        cmocka_unit_test_setup(posted_write_counts_until_it_is_given, setup),
        cmocka_unit_test_setup(posted_write_that_was_put_aside_counts, setup),
        cmocka_unit_test_setup(posted_write_at_the_end_of_a_full_ring_counts, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(channel);
    return failed;
}
