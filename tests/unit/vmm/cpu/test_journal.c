/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that has a pCPU dies, in the middle of anything, and another one takes the pCPU over
 * with the journal and the channel as they were. The test plays the stub.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"

#define NUMBER 3u /* the vCPU's */

static struct rv_channel *channel;
static struct pcpu_journal *journal;
static struct machine machine;
static struct pcpu pcpu;
static struct vcpu vcpu;
static struct rv_vcpu_page page;
static bool dead;

static void kick(struct machine *m, unsigned index)
{
}

static bool is_dead(struct machine *m)
{
    return dead;
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};

static void bind_vcpu(void)
{
    vcpu = (struct vcpu){.pcpu = &pcpu, .number = NUMBER, .page = &page};
    pcpu.vcpu = &vcpu;
}

static void begin_at(uint32_t start)
{
    free(channel);
    free(journal);
    channel = aligned_alloc(64, sizeof(*channel));
    journal = calloc(1, sizeof(*journal));
    memset(channel, 0, sizeof(*channel));
    /* Positions of long ago. */
    memset(channel->event, 0x5a, sizeof(channel->event));
    memset(channel->command, 0x5a, sizeof(channel->command));
    channel->command_head.v = channel->command_tail.v = channel->event_tail.v = start;
    machine = (struct machine){.ops = &ops, .channels = channel};
    pcpu_init(&pcpu, &machine, 0);
    pcpu_journal_init(journal);
    pcpu.journal = journal;
    pcpu.command_head = pcpu.command_tail = pcpu.event_tail = start;
    bind_vcpu();
    pcpu.guest_runs = true;
}

static int setup(void **state)
{
    begin_at(100);
    return 0;
}

/* The stub publishes an event at this position. */
static void publish(uint32_t at, uint8_t type, uint64_t value)
{
    struct rv_event *event = &channel->event[at % RV_EVENT_ENTRIES];

    *event = (struct rv_event){
        .type = type,
        .flags = type == RV_EVENT_SYNC ? RV_EVENT_FLAG_BLOCKING : 0,
        .vcpu = NUMBER,
        .value = value,
    };
    rv_ring_publish(&event->seq, at);
}

/* The process is gone, and all that it knew. The number of the vCPU that the next one finds. */
static unsigned die(void)
{
    unsigned number;

    pcpu_init(&pcpu, &machine, 0);
    number = pcpu_recover(&pcpu, journal);
    bind_vcpu();
    return number;
}

static void expect_event(uint64_t value)
{
    struct rv_event event;

    assert_true(pcpu_next_event(&pcpu, &event));
    assert_int_equal(event.value, value);
    pcpu_handled(&pcpu);
}

static void expect_no_event(void)
{
    struct rv_event event;

    assert_false(pcpu_next_event(&pcpu, &event));
    assert_false(pcpu.lost);
}

static void event_that_was_not_handled_comes_again_and_one_that_was_does_not(void **state)
{
    struct rv_event event;

    publish(100, RV_EVENT_POSTED, 1);
    publish(101, RV_EVENT_POSTED, 2);
    publish(102, RV_EVENT_POSTED, 3);
    expect_event(1);
    assert_true(pcpu_next_event(&pcpu, &event)); /* 2, and it is not handled */
    die();
    assert_int_equal(channel->event_tail.v, 102);
    assert_false(pcpu_finish_reply(&pcpu));
    expect_event(2);
    expect_event(3);
    expect_no_event();
}

/* It is in the journal, but its place in the ring is not given back yet. */
static void event_in_journal_and_ring_is_one(void **state)
{
    struct rv_event event;

    publish(100, RV_EVENT_POSTED, 1);
    assert_true(pcpu_next_event(&pcpu, &event));
    channel->event_tail.v = 100; /* as if the process had died before this store */
    die();
    assert_int_equal(channel->event_tail.v, 101);
    assert_false(pcpu_finish_reply(&pcpu));
    expect_event(1);
    expect_no_event();
}

/* Put aside while an answer was awaited, which does not come. */
static void defer_some(unsigned count)
{
    struct rv_command command = {.op = RV_COMMAND_SAVE};

    for (unsigned i = 0; i < count; i++)
        publish(100 + i, RV_EVENT_POSTED, i);
    dead = true;
    assert_int_equal(pcpu_call(&pcpu, &command, NULL), -EIO);
    dead = pcpu.lost = false;
    assert_int_equal(pcpu.nr_deferred, count);
}

static void deferred_events_come_again_in_their_order(void **state)
{
    defer_some(5);
    expect_event(0);
    expect_event(1);
    die();
    assert_int_equal(pcpu.nr_deferred, 3);
    for (unsigned i = 2; i < 5; i++)
        expect_event(i);
    expect_no_event();
}

static void deferred_event_that_is_being_handled_is_not_there_twice(void **state)
{
    struct rv_event event;

    defer_some(3);
    assert_true(pcpu_next_event(&pcpu, &event));
    /* As if it had died between the copy and the removal. */
    journal->first = 0;
    journal->deferred[0] = event;
    die();
    assert_int_equal(pcpu.nr_deferred, 2);
    assert_false(pcpu_finish_reply(&pcpu));
    for (unsigned i = 0; i < 3; i++)
        expect_event(i);
    expect_no_event();
}

static void command_whose_head_was_not_stored_is_found(void **state)
{
    const struct rv_command command = {.op = RV_COMMAND_INJECT, .vcpu = NUMBER};

    assert_int_equal(pcpu_push(&pcpu, &command), 0);
    assert_int_equal(pcpu_push(&pcpu, &command), 0);
    channel->command_head.v = 101;
    die();
    assert_int_equal(pcpu.command_head, 102);
    assert_int_equal(channel->command_head.v, 102);
}

static void command_that_was_not_published_is_none(void **state)
{
    channel->command[100 % RV_COMMAND_ENTRIES] = (struct rv_command){.op = RV_COMMAND_INJECT};
    die();
    assert_int_equal(pcpu.command_head, 100);
}

static void vcpu_is_live_from_its_published_run_on(void **state)
{
    const struct rv_command run = {.op = RV_COMMAND_RUN, .vcpu = NUMBER};

    assert_int_equal(die(), RV_NO_VCPU);
    pcpu_running(&pcpu, &vcpu);
    assert_int_equal(die(), RV_NO_VCPU);
    pcpu_running(&pcpu, &vcpu);
    assert_int_equal(pcpu_push(&pcpu, &run), 0);
    assert_int_equal(die(), NUMBER);
    publish(100, RV_EVENT_STOPPED, 0);
    assert_true(pcpu.journal->vcpu == NUMBER && !pcpu_has_stopped(&pcpu));
    (void)pcpu_drop_stopped(&pcpu);
    assert_int_equal(die(), RV_NO_VCPU);
}

/* In an exit, with the reply in the journal; `pushed` of its two commands are in the ring. */
static void reply_after(unsigned pushed, uint32_t dirty)
{
    const struct rv_command reply = {
        .op = RV_COMMAND_REPLY,
        .flags = RV_REPLY_ADVANCE,
        .vcpu = NUMBER,
        .arg = {42},
    };
    const struct rv_command load = {.op = RV_COMMAND_LOAD, .vcpu = NUMBER, .arg = {dirty}};
    unsigned all = dirty ? 2 : 1;
    struct rv_event event;

    begin_at(UINT32_MAX - 1); /* positions wrap */
    pcpu_running(&pcpu, &vcpu);
    journal->run_at -= 1; /* published long ago */
    publish(UINT32_MAX - 1, RV_EVENT_SYNC, 7);
    assert_true(pcpu_next_event(&pcpu, &event));
    pcpu_handling(&pcpu, page.x);
    pcpu_replying(&pcpu, &reply, dirty);
    for (unsigned i = 0; i < pushed; i++)
        assert_int_equal(pcpu_push(&pcpu, dirty && i == 0 ? &load : &reply), 0);
    assert_int_equal(die(), NUMBER);
    assert_true(pcpu_finish_reply(&pcpu));
    assert_int_equal(pcpu.command_head, UINT32_MAX - 1 + all);
    for (unsigned i = 0; i < all; i++) {
        const struct rv_command *c = &channel->command[(UINT32_MAX - 1 + i) % RV_COMMAND_ENTRIES];

        assert_int_equal(c->op, dirty && i == 0 ? RV_COMMAND_LOAD : RV_COMMAND_REPLY);
        assert_int_equal(c->arg[0], dirty && i == 0 ? dirty : 42);
        assert_int_equal(c->flags, c->op == RV_COMMAND_REPLY ? RV_REPLY_ADVANCE : 0);
    }
    expect_no_event();
}

static void reply_that_was_begun_is_finished_once(void **state)
{
    for (unsigned pushed = 0; pushed <= 1; pushed++)
        reply_after(pushed, 0);
    for (unsigned pushed = 0; pushed <= 2; pushed++)
        reply_after(pushed, RV_GROUP_CORE);
}

static void exit_without_a_reply_is_put_back(void **state)
{
    struct rv_event event;

    pcpu_running(&pcpu, &vcpu);
    journal->run_at -= 1;
    publish(100, RV_EVENT_SYNC, 7);
    assert_true(pcpu_next_event(&pcpu, &event));
    pcpu_handling(&pcpu, page.x);
    die();
    assert_false(pcpu_finish_reply(&pcpu));
    assert_int_equal(pcpu.command_head, 100);
    assert_int_equal(pcpu_deferred(&pcpu, 0)->type, RV_EVENT_SYNC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(event_that_was_not_handled_comes_again_and_one_that_was_does_not,
                               setup),
        cmocka_unit_test_setup(event_in_journal_and_ring_is_one, setup),
        cmocka_unit_test_setup(deferred_events_come_again_in_their_order, setup),
        cmocka_unit_test_setup(deferred_event_that_is_being_handled_is_not_there_twice, setup),
        cmocka_unit_test_setup(command_whose_head_was_not_stored_is_found, setup),
        cmocka_unit_test_setup(command_that_was_not_published_is_none, setup),
        cmocka_unit_test_setup(vcpu_is_live_from_its_published_run_on, setup),
        cmocka_unit_test_setup(reply_that_was_begun_is_finished_once, setup),
        cmocka_unit_test_setup(exit_without_a_reply_is_put_back, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(channel);
    free(journal);
    return failed;
}
