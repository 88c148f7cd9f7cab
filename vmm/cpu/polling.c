/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/polling.h"

#define BUDGET_MAX_NS 1000000
#define BUDGET_MIN_NS 100000

/* A thread that lost its CPU for so long between two turns shares it with another. */
#define GAP_NS 250000

/* Below this the CPU time is behind because of how the two clocks are read. */
#define NOISE_NS 20000

/*
 * The longest poll in vain before contention is noticed again costs about a time slice (3
 * ms): with the longest hold, less than a hundredth of the time.
 */
#define HOLD_MIN_NS 5000000
#define HOLD_MAX_NS 500000000

void polling_init(struct polling *polling, int64_t now, int64_t cpu, int64_t (*preemptions)(void))
{
    *polling = (struct polling){
        .now = now,
        .cpu = cpu,
        .found = now,
        .budget = BUDGET_MAX_NS,
        .hold = HOLD_MIN_NS,
        .preemptions = preemptions,
        .preempted = preemptions(),
    };
}

static void look_at_clocks(struct polling *polling, int64_t now, int64_t cpu)
{
    int64_t behind = (now - polling->now) - (cpu - polling->cpu);
    bool lost = false;

    polling->now = now;
    polling->cpu = cpu;
    if (behind > NOISE_NS) {
        int64_t preempted = polling->preemptions();

        lost = behind > GAP_NS && preempted != polling->preempted;
        polling->preempted = preempted;
    }
    if (lost) {
        /* Several in a burst are one contention: only one that was not expected tells that it lasts. */
        bool expected = now < polling->hold_until;

        polling->hold_until = now + polling->hold;
        if (!expected && polling->hold < HOLD_MAX_NS)
            polling->hold *= 2;
    } else if (now > polling->hold_until + 2 * polling->hold && polling->hold > HOLD_MIN_NS) {
        /* It was over for twice as long: forget half of it. */
        polling->hold /= 2;
        polling->hold_until = now - 1;
    }
}

bool polling_turn(struct polling *polling, int64_t now, int64_t cpu, bool found, bool quiet)
{
    look_at_clocks(polling, now, cpu);
    if (found)
        polling->found = now;
    return quiet && (polling_contended(polling, now) || now - polling->found > polling->budget);
}

void polling_woke(struct polling *polling, int64_t from, int64_t now, int64_t cpu)
{
    polling->now = polling->found = now;
    polling->cpu = cpu;
    /* When the sleep was shorter than a look would have been, looking longer pays. */
    if (now - from < BUDGET_MAX_NS)
        polling->budget = BUDGET_MAX_NS;
    else if (polling->budget > BUDGET_MIN_NS)
        polling->budget /= 2;
}

bool polling_contended(const struct polling *polling, int64_t now)
{
    return now < polling->hold_until && now >= polling->insist_until;
}

void polling_insist(struct polling *polling, int64_t until)
{
    polling->insist_until = until;
}
