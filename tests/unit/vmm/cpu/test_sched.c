/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who gets which pCPU, against a clock and vCPUs that this test simulates: the
 * policy has neither stub nor guest. Each vCPU computes for `burst` ns and then
 * waits for a timer for `nap` ns; one without a nap only computes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/cpu/sched.h"

#define MS      1000000ull
#define SECOND  (1000 * MS)
#define SLICE   (4 * MS)
#define NOWHERE 1000u

struct guest {
    uint64_t burst, nap;
    uint64_t left;  /* of the burst */
    uint64_t wake;  /* when the nap ends */
    bool on;        /* between sched_start() and sched_stop() */
    bool waits;     /* in WFI, as the CPU sees it */
    unsigned pcpu;  /* where it is live */
    unsigned moves; /* how often it was made live */
    uint64_t ran, waited, unserved, stolen;
    uint64_t wanted;  /* since when it could run and does not */
    uint64_t latency; /* the longest time from the end of a nap until it ran */
};

static struct sched sched;
static struct guest guests[RV_MAX_VCPUS];
static unsigned nr_guests, nr_pcpus;
static unsigned owner[RV_MAX_PCPUS]; /* who is live on a pCPU, as the machine sees it */
static uint64_t clock_ns;
static unsigned ops_left; /* sched_turn() ends: it may do so many things only */
static int run_result, stop_result;
static unsigned leavings; /* calls of op left */
static bool left_wakes;   /* which wake the vCPU then */

static uint64_t sim_now(void *opaque)
{
    return clock_ns;
}

static int sim_run(void *opaque, unsigned vcpu, unsigned pcpu)
{
    struct guest *g = &guests[vcpu];

    assert_true(ops_left-- > 0);
    assert_true(vcpu < nr_guests && pcpu < nr_pcpus);
    assert_true(g->on);
    assert_int_equal(g->pcpu, NOWHERE);
    assert_int_equal(owner[pcpu], NOWHERE);
    if (run_result)
        return run_result;
    owner[pcpu] = vcpu;
    g->pcpu = pcpu;
    g->moves++;
    if (!g->waits && clock_ns - g->wanted > g->latency)
        g->latency = clock_ns - g->wanted;
    return 0;
}

static int sim_stop(void *opaque, unsigned vcpu, uint64_t *wake_at)
{
    struct guest *g = &guests[vcpu];

    assert_true(ops_left-- > 0);
    assert_int_not_equal(g->pcpu, NOWHERE);
    assert_int_equal(owner[g->pcpu], vcpu);
    if (stop_result)
        return stop_result;
    owner[g->pcpu] = NOWHERE;
    g->pcpu = NOWHERE;
    g->wanted = clock_ns;
    *wake_at = g->waits ? g->wake : 0;
    return 0;
}

/* As cores.c: what the vCPU did last is handled here, and may be an interrupt for itself. */
static void sim_left(void *opaque, unsigned vcpu)
{
    assert_int_equal(guests[vcpu].pcpu, NOWHERE);
    assert_int_not_equal(sched.vcpu[vcpu].state, SCHED_LIVE);
    leavings++;
    if (left_wakes)
        sched_wake(&sched, vcpu);
}

static void sim_stolen(void *opaque, unsigned vcpu, uint64_t ns)
{
    guests[vcpu].stolen += ns;
}

static const struct sched_ops ops = {
    .run = sim_run,
    .stop = sim_stop,
    .left = sim_left,
    .stolen = sim_stolen,
    .now = sim_now,
};

static void begin(unsigned pcpus)
{
    memset(guests, 0, sizeof(guests));
    nr_guests = 0;
    nr_pcpus = pcpus;
    clock_ns = 123456789;
    ops_left = 1000;
    run_result = stop_result = 0;
    leavings = 0;
    left_wakes = false;
    for (unsigned i = 0; i < RV_MAX_PCPUS; i++)
        owner[i] = NOWHERE;
    sched_init(&sched, pcpus, SLICE, &ops, NULL);
}

/* A vCPU more; it is not started. */
static unsigned add(uint64_t burst, uint64_t nap)
{
    guests[nr_guests] = (struct guest){.burst = burst, .nap = nap, .left = burst, .pcpu = NOWHERE};
    return nr_guests++;
}

static void start(unsigned vcpu)
{
    guests[vcpu].on = true;
    guests[vcpu].waits = false;
    guests[vcpu].left = guests[vcpu].burst;
    guests[vcpu].wanted = clock_ns;
    sched_start(&sched, vcpu);
}

static void stop(unsigned vcpu)
{
    assert_int_equal(sched_stop(&sched, vcpu), 0);
    assert_int_equal(guests[vcpu].pcpu, NOWHERE);
    assert_int_equal(sched.vcpu[vcpu].state, SCHED_OFF);
    guests[vcpu].on = false;
}

/* What must hold after each sched_turn(). */
static void check_invariants(void)
{
    bool ready = false, idle = false, keeps_idle = false;

    assert_false(sched.due);
    for (unsigned p = 0; p < nr_pcpus; p++) {
        unsigned v = sched.live[p];

        assert_int_equal(v == SCHED_NOBODY ? NOWHERE : v, owner[p]);
        if (v == SCHED_NOBODY) {
            idle = true;
        } else {
            assert_int_equal(sched.vcpu[v].state, SCHED_LIVE);
            assert_int_equal(sched.vcpu[v].pcpu, p);
            keeps_idle |= sched.vcpu[v].waits;
        }
    }
    for (unsigned v = 0; v < nr_guests; v++) {
        const struct sched_vcpu *s = &sched.vcpu[v];

        assert_int_equal(s->state != SCHED_OFF, guests[v].on);
        assert_int_equal(s->state == SCHED_LIVE, guests[v].pcpu != NOWHERE);
        assert_false(s->held && s->state == SCHED_LIVE);
        ready |= s->state == SCHED_READY && !s->held;
        if (s->state == SCHED_ASLEEP) { /* not later than it is to be woken */
            assert_true(s->wake_at > clock_ns);
            assert_true(sched.deadline <= s->wake_at);
        }
    }
    assert_false(ready && (idle || keeps_idle));
    if (ready) { /* somebody's time is over at some time, and not in more than a slice */
        assert_true(sched.deadline > clock_ns);
        assert_true(sched.deadline <= clock_ns + SLICE);
    }
}

static void turn(void)
{
    ops_left = 4 * RV_MAX_VCPUS;
    assert_int_equal(sched_turn(&sched), 0);
    check_invariants();
}

/* Time passes in which nothing is decided; nobody's burst or nap ends in the middle of it. */
static void pass(uint64_t ns)
{
    for (unsigned i = 0; i < nr_guests; i++) {
        struct guest *g = &guests[i];

        if (!g->on)
            continue;
        if (g->waits) {
            g->waited += ns;
        } else if (g->pcpu != NOWHERE) {
            g->ran += ns;
            g->left -= g->nap ? ns : 0;
        } else {
            g->unserved += ns;
        }
    }
    clock_ns += ns;
}

/* When something happens next: a burst or nap ends, or the scheduler wants its turn. */
static uint64_t next_event(uint64_t end)
{
    uint64_t next = sched.deadline < end ? sched.deadline : end;

    for (unsigned i = 0; i < nr_guests; i++) {
        const struct guest *g = &guests[i];
        uint64_t at = next;

        if (g->on && g->waits)
            at = g->wake;
        else if (g->on && g->nap && g->pcpu != NOWHERE)
            at = clock_ns + g->left;
        if (at < next)
            next = at;
    }
    return next > clock_ns ? next : clock_ns;
}

/* What the CPUs do by themselves at this time; WFI is an exit, the end of a nap is none. */
static void step_guests(void)
{
    for (unsigned i = 0; i < nr_guests; i++) {
        struct guest *g = &guests[i];

        if (g->on && g->waits && g->wake <= clock_ns) {
            g->waits = false;
            g->wanted = clock_ns;
            g->left = g->burst;
        }
        if (g->on && !g->waits && g->nap && g->left == 0 && g->pcpu != NOWHERE) {
            sched_wake(&sched, i); /* an exit shows that it runs */
            g->waits = true;
            g->wake = clock_ns + g->nap;
            sched_wait(&sched, i);
        }
    }
}

static void simulate(uint64_t ns)
{
    uint64_t end = clock_ns + ns;

    turn();
    while (clock_ns < end) {
        uint64_t next = next_event(end);

        pass(next - clock_ns);
        step_guests();
        turn();
    }
}

static void forget_times(void)
{
    for (unsigned i = 0; i < nr_guests; i++) {
        guests[i].ran = guests[i].waited = guests[i].unserved = guests[i].stolen = 0;
        guests[i].latency = guests[i].moves = 0;
    }
}

/* The largest difference between what the vCPUs from `first` on had. */
static uint64_t spread(unsigned first)
{
    uint64_t least = UINT64_MAX, most = 0;

    for (unsigned i = first; i < nr_guests; i++) {
        least = guests[i].ran < least ? guests[i].ran : least;
        most = guests[i].ran > most ? guests[i].ran : most;
    }
    return most - least;
}

static void vcpus_that_compute_get_equal_time(void **state)
{
    static const struct {
        unsigned vcpus, pcpus;
    } cases[] = {{2, 1}, {3, 1}, {8, 1}, {3, 2}, {4, 2}, {7, 2}, {5, 4}, {9, 4}, {32, 3}, {64, 7}};

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        begin(cases[i].pcpus);
        for (unsigned v = 0; v < cases[i].vcpus; v++)
            start(add(0, 0));
        simulate(20 * SECOND);
        assert_true(spread(0) <= SLICE);
    }
}

static void one_that_is_started_late_is_owed_no_more_than_a_slice(void **state)
{
    unsigned late;

    begin(1);
    start(add(0, 0));
    start(add(0, 0));
    late = add(0, 0);
    simulate(10 * SECOND);
    forget_times();
    start(late);
    simulate(3 * SECOND);
    assert_true(guests[late].ran <= SECOND + 2 * SLICE);
    assert_true(guests[late].ran >= SECOND - 2 * SLICE);
}

static void nobody_moves_while_there_is_a_pcpu_for_each(void **state)
{
    begin(4);
    start(add(0, 0));
    start(add(MS, 3 * MS));
    start(add(100000, 20 * MS));
    start(add(0, 0));
    simulate(5 * SECOND);
    for (unsigned i = 0; i < nr_guests; i++) {
        assert_int_equal(guests[i].moves, 1);
        assert_int_equal(guests[i].stolen, 0);
    }
    assert_true(sched.deadline == SCHED_NEVER);
}

static void a_sleeper_keeps_its_pcpu_until_another_wants_it(void **state)
{
    unsigned other;

    begin(1);
    start(add(MS, 2 * SECOND));
    other = add(0, 0);
    simulate(SECOND);
    assert_int_equal(owner[0], 0);
    start(other);
    turn();
    assert_int_equal(owner[0], other);
    assert_int_equal(sched.vcpu[0].state, SCHED_ASLEEP);
}

static void a_timer_wakes_a_sleeper_that_has_no_pcpu(void **state)
{
    begin(1);
    start(add(MS, 50 * MS));
    start(add(MS, 70 * MS));
    simulate(10 * SECOND);
    /* Both want less than there is: nobody waits for longer than for the other's burst. */
    for (unsigned i = 0; i < 2; i++) {
        assert_true(guests[i].ran >= 10 * SECOND / (guests[i].nap + 3 * MS) * MS);
        assert_true(guests[i].latency <= MS);
    }
}

static void a_waking_sleeper_runs_soon_beside_any_number_that_compute(void **state)
{
    for (unsigned spinners = 1; spinners <= 16; spinners *= 2) {
        begin(1);
        start(add(50000, 20717171));
        for (unsigned i = 0; i < spinners; i++)
            start(add(0, 0));
        simulate(SECOND); /* the first nap is not from the start on */
        forget_times();
        simulate(10 * SECOND);
        assert_true(guests[0].ran > 0);
        assert_true(guests[0].latency <= SLICE / 4);
        assert_true(spread(1) <= 2 * SLICE);
    }
}

static void sleepers_that_wake_together_wait_for_each_other_only(void **state)
{
    begin(1);
    for (unsigned i = 0; i < 4; i++)
        start(add(100000, 20717171));
    start(add(0, 0));
    simulate(SECOND);
    forget_times();
    simulate(10 * SECOND);
    for (unsigned i = 0; i < 4; i++)
        assert_true(guests[i].latency <= SLICE / 4 + 3 * 100000);
}

/* A burst of any length against short naps: sleeping earns no more than one's share. */
static void a_sleeper_cannot_take_more_than_its_share(void **state)
{
    static const uint64_t bursts[] = {100000, MS, 2 * MS, 3 * MS, SLICE, 6 * MS, 20 * MS, 100 * MS};
    static const uint64_t naps[] = {1000, 100000, MS, SLICE};

    for (unsigned b = 0; b < sizeof(bursts) / sizeof(*bursts); b++) {
        for (unsigned n = 0; n < sizeof(naps) / sizeof(*naps); n++) {
            begin(1);
            start(add(bursts[b], naps[n]));
            start(add(0, 0));
            simulate(10 * SECOND);
            assert_true(guests[1].ran >= 5 * SECOND - SLICE);
        }
    }
}

static void a_long_sleep_is_not_paid_back(void **state)
{
    unsigned a, b;

    begin(1);
    a = add(SECOND, 100 * SECOND);
    b = add(SECOND, 10 * MS);
    start(a);
    start(b);
    simulate(60 * SECOND); /* A sleeps nearly all the time, B computes */
    /* Now both compute, while nobody was there with whom either could be compared. */
    simulate(clock_ns % SECOND);
    for (unsigned i = 0; i < 2; i++) {
        stop(i);
        turn();
    }
    guests[a].burst = guests[b].burst = 0;
    guests[a].nap = guests[b].nap = 0;
    start(a);
    simulate(MS);
    start(b);
    forget_times();
    simulate(SECOND);
    assert_true(spread(0) <= 2 * SLICE);
}

/* The same without a stop: A is woken while B waits on the pCPU that both share. */
static void a_sleeper_woken_beside_one_that_waits_is_not_paid_back(void **state)
{
    unsigned a, b;

    begin(1);
    a = add(MS, 20 * SECOND);
    b = add(10 * SECOND, 30 * SECOND);
    start(a);
    start(b);
    simulate(12 * SECOND);
    assert_true(guests[a].waits && guests[b].waits);
    simulate(8 * SECOND); /* A's nap ends at 20 s, B still sleeps */
    guests[a].nap = 0;    /* from now on it computes */
    simulate(3 * SECOND);
    guests[b].wake = clock_ns;
    guests[b].waits = false;
    guests[b].nap = 0;
    guests[b].wanted = clock_ns;
    sched_wake(&sched, b);
    forget_times();
    simulate(2 * SECOND);
    assert_true(spread(0) <= 2 * SLICE);
}

static void an_interrupt_wakes_a_sleeper_before_its_timer(void **state)
{
    unsigned sleeper;

    begin(1);
    sleeper = add(MS, 3600 * SECOND);
    start(sleeper);
    start(add(0, 0));
    simulate(SECOND);
    assert_int_equal(sched.vcpu[sleeper].state, SCHED_ASLEEP);
    guests[sleeper].waits = false;
    guests[sleeper].wanted = clock_ns;
    guests[sleeper].latency = 0;
    guests[sleeper].left = MS;
    sched_wake(&sched, sleeper);
    simulate(SLICE);
    assert_true(guests[sleeper].latency <= SLICE / 4);
    assert_true(guests[sleeper].moves >= 2);
}

static void one_without_a_timer_sleeps_until_an_interrupt(void **state)
{
    begin(1);
    start(add(MS, SCHED_NEVER / 2));
    start(add(0, 0));
    simulate(10 * SECOND);
    assert_int_equal(sched.vcpu[0].state, SCHED_ASLEEP);
    assert_true(guests[1].ran >= 10 * SECOND - 2 * MS);
    assert_true(sched.deadline > clock_ns + SECOND); /* nothing to do for one that runs alone */
}

static void time_adds_up_to_what_passed(void **state)
{
    begin(2);
    start(add(0, 0));
    start(add(3 * MS, 5 * MS));
    start(add(MS, 9 * MS));
    start(add(0, 0));
    start(add(7 * MS, MS));
    simulate(10 * SECOND);
    for (unsigned i = 0; i < nr_guests; i++) {
        uint64_t open = sched.vcpu[i].state == SCHED_READY ? clock_ns - sched.vcpu[i].since : 0;

        assert_int_equal(guests[i].ran + guests[i].waited + guests[i].unserved, 10 * SECOND);
        assert_int_equal(guests[i].stolen + open, guests[i].unserved);
    }
}

static void stop_in_every_state(void **state)
{
    unsigned live, ready, asleep, waiting;

    begin(1);
    asleep = add(1000, 100 * SECOND);
    start(asleep);
    simulate(MS);
    live = add(0, 0);
    start(live);
    turn();
    ready = add(0, 0);
    start(ready);
    turn();
    assert_int_equal(sched.vcpu[asleep].state, SCHED_ASLEEP);
    assert_int_equal(sched.vcpu[live].state, SCHED_LIVE);
    assert_int_equal(sched.vcpu[ready].state, SCHED_READY);
    stop(asleep);
    turn();
    stop(ready);
    turn();
    stop(live);
    turn();
    stop(live); /* once more is no error */
    turn();
    assert_int_equal(owner[0], NOWHERE);
    assert_true(sched.deadline == SCHED_NEVER);
    waiting = add(1000, 100 * SECOND);
    start(waiting);
    simulate(MS);
    assert_true(sched.vcpu[waiting].waits);
    stop(waiting);
    turn();
    start(waiting); /* it can run again, and is not taken for one that waits */
    turn();
    assert_int_equal(sched.vcpu[waiting].state, SCHED_LIVE);
    assert_false(sched.vcpu[waiting].waits);
}

static void a_pcpu_that_is_left_goes_to_one_that_is_ready(void **state)
{
    begin(1);
    start(add(0, 0));
    start(add(0, 0));
    turn();
    stop(sched.live[0]);
    turn();
    assert_int_not_equal(owner[0], NOWHERE);
}

static void what_an_op_says_is_what_the_caller_gets(void **state)
{
    begin(1);
    start(add(0, 0));
    run_result = -5;
    assert_int_equal(sched_turn(&sched), -5);
    begin(1);
    start(add(0, 0));
    turn();
    stop_result = -5;
    assert_int_equal(sched_stop(&sched, 0), -5);
    assert_int_equal(sched.vcpu[0].state, SCHED_OFF);
}

static void what_a_vcpu_did_last_can_wake_it(void **state)
{
    for (unsigned wakes = 0; wakes < 2; wakes++) {
        begin(1);
        left_wakes = wakes;
        start(add(0, 0));
        turn();
        guests[0].waits = true;
        guests[0].wake = SCHED_NEVER;
        sched_wait(&sched, 0);
        start(add(0, 0));
        turn();
        assert_int_equal(owner[0], 1);
        assert_int_equal(leavings, 1);
        assert_int_equal(sched.vcpu[0].state, wakes ? SCHED_READY : SCHED_ASLEEP);
        stop(1);
        assert_int_equal(leavings, 2);
    }
}

static void a_held_vcpu_does_not_run_before_each_holder_has_released_it(void **state)
{
    (void)state;
    begin(1);
    start(add(0, 0));
    start(add(0, 0));
    turn();
    assert_int_equal(owner[0], 0);
    assert_int_equal(sched_hold(&sched, 0, 1), 0);
    assert_int_equal(guests[0].pcpu, NOWHERE);
    assert_int_equal(sched_hold(&sched, 0, 2), 0);
    assert_int_equal(sched_hold(&sched, 1, 1), 0); /* it was ready and has no pCPU */
    turn();
    simulate(SECOND);
    assert_int_equal(owner[0], NOWHERE);
    sched_release(&sched, 0, 1);
    turn();
    assert_int_equal(owner[0], NOWHERE);
    sched_release(&sched, 0, 2);
    turn();
    assert_int_equal(owner[0], 0);
    assert_int_equal(guests[0].stolen, 0);
    assert_int_equal(guests[1].ran, 0);
}

static void a_held_vcpu_can_be_started_stopped_and_woken(void **state)
{
    unsigned asleep, off;

    (void)state;
    begin(1);
    asleep = add(1000, 100 * SECOND);
    off = add(0, 0);
    start(asleep);
    simulate(MS);
    assert_int_equal(sched_hold(&sched, asleep, 1), 0);
    assert_int_equal(sched_hold(&sched, off, 1), 0);
    turn();
    assert_int_equal(sched.vcpu[asleep].state, SCHED_ASLEEP);
    sched_wake(&sched, asleep);
    start(off);
    turn();
    assert_int_equal(sched.vcpu[asleep].state, SCHED_READY);
    assert_int_equal(sched.vcpu[off].state, SCHED_READY);
    assert_int_equal(owner[0], NOWHERE);
    stop(off);
    sched_release(&sched, off, 1);
    turn();
    assert_int_equal(owner[0], NOWHERE); /* it is off, held or not */
}

static void a_sleeper_runs_when_it_is_released(void **state)
{
    (void)state;
    begin(1);
    start(add(1000, 100 * SECOND));
    simulate(MS);
    assert_int_equal(sched_hold(&sched, 0, 1), 0);
    sched_release(&sched, 0, 2); /* somebody else's hold stays */
    turn();
    assert_int_equal(sched.vcpu[0].state, SCHED_ASLEEP);
    sched_release(&sched, 0, 1);
    turn();
    assert_int_equal(sched.vcpu[0].state, SCHED_LIVE);
    assert_false(sched.vcpu[0].waits);
}

/* The vmm comes late now and then, guests do anything at any time; all holds after each turn. */
static void any_sequence_keeps_the_rules(void **state)
{
    srandom(20240711);
    for (unsigned round = 0; round < 300; round++) {
        begin(1 + (unsigned)random() % 5);
        for (unsigned n = 1 + (unsigned)random() % 12; n-- > 0;)
            add((uint64_t)(random() % 3) * MS + 1000,
                random() % 3 ? (uint64_t)random() % SECOND : 0);
        for (unsigned n = 0; n < 500; n++) {
            unsigned v = (unsigned)random() % nr_guests;
            struct guest *g = &guests[v];

            switch (random() % 9) {
            case 7: assert_int_equal(sched_hold(&sched, v, 1u << random() % 2), 0); break;
            case 8:
                sched_release(&sched, v, 1u << random() % 2);
                if (g->on && g->waits && sched.vcpu[v].state == SCHED_READY) {
                    g->waits = false; /* WFI ends without an interrupt */
                    g->left = g->burst;
                    g->wanted = clock_ns;
                }
                break;
            case 0:
                if (!g->on)
                    start(v);
                break;
            case 1:
                if (random() % 4 == 0)
                    stop(v);
                break;
            case 2: /* an interrupt; perhaps for one that does not wait */
                if (g->on && g->waits) {
                    g->waits = false;
                    g->left = g->burst;
                    g->wanted = clock_ns;
                }
                sched_wake(&sched, v);
                break;
            case 3: /* the vmm believes that it waits, but something was pending */
                sched_wait(&sched, v);
                break;
            case 4: sched_renew(&sched, v); break;
            default: simulate((uint64_t)random() % (random() % 2 ? 10 * MS : 10000)); break;
            }
            if (random() % 2)
                turn();
        }
    }
}

/* Its pCPU is not free in between, and its time slice does not begin anew. */
static void renewed_vcpu_runs_again_at_once_in_its_slice(void **state)
{
    begin(1);
    for (unsigned i = 0; i < 2; i++)
        start(add(SECOND, 0));
    turn();
    assert_int_equal(owner[0], 0);
    for (unsigned i = 0; i < 20 && owner[0] == 0; i++) {
        unsigned moves = guests[0].moves;

        simulate(SLICE / 10);
        sched_renew(&sched, 0);
        turn();
        if (owner[0] == 0)
            assert_int_equal(guests[0].moves, moves + 1);
        assert_in_range(i, 0, 11);
    }
    assert_int_equal(owner[0], 1);
    /* One that has no pCPU has nothing to renew. */
    sched_renew(&sched, 0);
    turn();
    assert_int_equal(owner[0], 1);
}

/* It was in WFI: it runs on, as WFI may end at any time, and does not sleep. */
static void renewed_vcpu_that_waited_runs(void **state)
{
    begin(1);
    start(add(MS, SECOND));
    turn();
    simulate(2 * MS);
    assert_true(guests[0].waits);
    sched_wait(&sched, 0);
    sched_renew(&sched, 0);
    turn();
    assert_int_equal(owner[0], 0);
    assert_int_equal(guests[0].moves, 2);
    assert_int_equal(leavings, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vcpus_that_compute_get_equal_time),
        cmocka_unit_test(one_that_is_started_late_is_owed_no_more_than_a_slice),
        cmocka_unit_test(nobody_moves_while_there_is_a_pcpu_for_each),
        cmocka_unit_test(a_sleeper_keeps_its_pcpu_until_another_wants_it),
        cmocka_unit_test(a_timer_wakes_a_sleeper_that_has_no_pcpu),
        cmocka_unit_test(a_waking_sleeper_runs_soon_beside_any_number_that_compute),
        cmocka_unit_test(sleepers_that_wake_together_wait_for_each_other_only),
        cmocka_unit_test(a_sleeper_cannot_take_more_than_its_share),
        cmocka_unit_test(a_long_sleep_is_not_paid_back),
        cmocka_unit_test(a_sleeper_woken_beside_one_that_waits_is_not_paid_back),
        cmocka_unit_test(an_interrupt_wakes_a_sleeper_before_its_timer),
        cmocka_unit_test(one_without_a_timer_sleeps_until_an_interrupt),
        cmocka_unit_test(time_adds_up_to_what_passed),
        cmocka_unit_test(stop_in_every_state),
        cmocka_unit_test(a_pcpu_that_is_left_goes_to_one_that_is_ready),
        cmocka_unit_test(what_an_op_says_is_what_the_caller_gets),
        cmocka_unit_test(what_a_vcpu_did_last_can_wake_it),
        cmocka_unit_test(renewed_vcpu_runs_again_at_once_in_its_slice),
        cmocka_unit_test(renewed_vcpu_that_waited_runs),
        cmocka_unit_test(a_held_vcpu_does_not_run_before_each_holder_has_released_it),
        cmocka_unit_test(a_held_vcpu_can_be_started_stopped_and_woken),
        cmocka_unit_test(a_sleeper_runs_when_it_is_released),
        cmocka_unit_test(any_sequence_keeps_the_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
