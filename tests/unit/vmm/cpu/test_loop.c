/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the vmm's loop looks at the rings while no event is there. The stub is this test, which has its
 * turn at each look.
 */
#include "vmm/util/relax.h"

static void looked(void);
#undef relax
#define relax() looked()
#include "vmm/loop.c"
#undef relax

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>

static struct machine machine;
static struct cores cores;
static struct loop loop;
static uint32_t event_head[2];
static unsigned looks, kicks, turns, turned_at, kicked_at;
static void (*at_look)(void);

static void looked(void)
{
    looks++;
    at_look();
}

static void end(void)
{
    loop_end(&loop, LOOP_QUIT);
}

static void kick(struct machine *m, unsigned pcpu)
{
    kicks++;
    kicked_at = looks;
    end();
}

static bool is_dead(struct machine *m)
{
    return false;
}

/* Something that is no guest's: the loop has nothing to do for it. */
static void publish(unsigned pcpu)
{
    struct rv_event *slot = &machine.channels[pcpu].event[event_head[pcpu] % RV_EVENT_ENTRIES];

    slot->type = RV_EVENT_READY;
    slot->vcpu = RV_NO_VCPU;
    rv_ring_publish(&slot->seq, event_head[pcpu]);
    event_head[pcpu]++;
}

static uint32_t taken(void)
{
    return cores.pcpus[0].event_tail + cores.pcpus[1].event_tail;
}

static int setup(void **state)
{
    static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};
    struct event_base *base = event_base_new();

    machine = (struct machine){
        .ops = &ops,
        .nr_pcpus = 2,
        .channels = aligned_alloc(64, 2 * sizeof(struct rv_channel)),
        .doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
    };
    memset(machine.channels, 0, 2 * sizeof(struct rv_channel));
    memset(event_head, 0, sizeof(event_head));
    looks = kicks = turns = turned_at = kicked_at = 0;
    cores_init(&cores, &machine, 4000000);
    return loop_init(&loop, base, &cores);
}

static int teardown(void **state)
{
    loop_free(&loop);
    event_base_free(loop.base);
    close(machine.doorbell);
    free(machine.channels);
    return 0;
}

static void turned(evutil_socket_t fd, short what, void *opaque)
{
    turns++;
    turned_at = looks;
    if (opaque)
        end();
}

/* The event loop has work, in each of its turns. Whether the first one ends the test. */
static struct event *work_for_turns(bool ends)
{
    struct event *event =
        event_new(loop.base, machine.doorbell, EV_WRITE | EV_PERSIST, turned, ends ? &turns : NULL);

    event_add(event, NULL);
    return event;
}

static void nothing_comes(void)
{
}

static void looks_in_vain_end_with_a_turn_of_the_event_loop(void **state)
{
    struct event *work = work_for_turns(true);

    at_look = nothing_comes;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_in_range(turned_at, LOOKS_PER_PASS, LOOKS_PER_PASS + 1);
    event_free(work);
}

/* By turns on both pCPUs, after more looks each time, but never so many that the event loop has a turn. */
static void an_event_every_n_looks(void)
{
    static unsigned wait;
    uint32_t published = event_head[0] + event_head[1];

    if (looks == 1)
        wait = 0;
    assert_in_range(published - taken(), 0, 0); /* what came at a look is taken before the next */
    if (wait-- > 0)
        return;
    wait = published;
    publish(published % 2);
    if (published == 40)
        end();
}

static void an_event_is_taken_at_the_next_look(void **state)
{
    struct event *work = work_for_turns(false);

    at_look = an_event_every_n_looks;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_int_equal(event_head[0] + event_head[1], 41);
    assert_int_equal(turns, 0);
    event_free(work);
}

static void an_event_at_each_look(void)
{
    publish(0);
}

/* A turn costs system calls, and so TLB entries: not for every few exits; but it comes. */
static void exits_without_end_leave_the_event_loop_a_turn_now_and_then(void **state)
{
    struct event *work = work_for_turns(true);
    int64_t begun = clock_now_ns();

    at_look = an_event_at_each_look;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_true(clock_now_ns() - begun >= TURN_NS);
    assert_true(taken() >= EVENTS_PER_PASS);
    event_free(work);
}

static struct soon *disk_pass;

static void passed(void *opaque)
{
    turned_at = looks;
    end();
}

/* As an exit that submits a request to a disk. */
static void an_exit_with_work(void)
{
    if (looks != 1)
        return;
    soon_arm(disk_pass);
    publish(0);
}

static void what_an_exit_leaves_for_soon_needs_no_turn(void **state)
{
    struct event *work = work_for_turns(false);

    disk_pass = soon_new(loop.base, passed, NULL);
    at_look = an_exit_with_work;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_in_range(turned_at, 1, 2);
    assert_int_equal(turns, 0);
    soon_free(disk_pass);
    event_free(work);
}

static void a_command_for_a_guest_that_runs(void)
{
    static const struct rv_command command = {.op = RV_COMMAND_SAVE};

    if (looks != 1)
        return;
    cores.pcpus[0].guest_runs = true;
    assert_int_equal(pcpu_push(&cores.pcpus[0], &command), 0);
}

/* Nobody would look at the clock. */
static void no_kick_waits_for_looks_in_vain(void **state)
{
    machine.kick_ns = 1;
    at_look = a_command_for_a_guest_that_runs;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_int_equal(kicks, 1);
    assert_in_range(kicked_at, 1, LOOKS_PER_PASS / 4);
}

static bool moves;

/* Handling it has moved this thread, or not. */
static void one_event(void)
{
    if (looks == 1) {
        cores.counts.moves += moves;
        publish(0);
    } else {
        end();
    }
}

static void after_a_move_the_loop_insists_on_polling(void **state)
{
    at_look = one_event;
    moves = false;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_int_equal(loop.polling.insist_until, 0);
    loop.ended = false;
    looks = 0;
    moves = true;
    assert_int_equal(loop_run(&loop), LOOP_QUIT);
    assert_true(loop.polling.insist_until > loop.polling.now);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(looks_in_vain_end_with_a_turn_of_the_event_loop),
        TEST(exits_without_end_leave_the_event_loop_a_turn_now_and_then),
        TEST(an_event_is_taken_at_the_next_look),
        TEST(what_an_exit_leaves_for_soon_needs_no_turn),
        TEST(no_kick_waits_for_looks_in_vain),
        TEST(after_a_move_the_loop_insists_on_polling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
