/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/sched.h"

#include <string.h>

static uint64_t now(const struct sched *sched)
{
    return sched->ops->now(sched->opaque);
}

void sched_init(struct sched *sched, unsigned nr_pcpus, uint64_t slice_ns,
                const struct sched_ops *ops, void *opaque)
{
    memset(sched, 0, sizeof(*sched));
    sched->ops = ops;
    sched->opaque = opaque;
    sched->slice = slice_ns;
    sched->nr_pcpus = nr_pcpus;
    sched->deadline = SCHED_NEVER;
    for (unsigned i = 0; i < RV_MAX_PCPUS; i++)
        sched->live[i] = SCHED_NOBODY;
    for (unsigned i = 0; i < RV_MAX_VCPUS; i++)
        sched->vcpu[i].pcpu = i % nr_pcpus;
}

/* Put the time that a live vCPU ran since the last time into its account. */
static void charge(const struct sched *sched, struct sched_vcpu *v)
{
    uint64_t t = now(sched);

    if (!v->waits)
        v->runtime += t - v->charged;
    v->charged = t;
}

static bool is_ready(const struct sched_vcpu *v)
{
    return v->state == SCHED_READY && !v->held;
}

/* All that compete now have had at least this much. */
static void raise_floor(struct sched *sched)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < sched->nr_vcpus; i++) {
        struct sched_vcpu *v = &sched->vcpu[i];

        if (v->state == SCHED_LIVE)
            charge(sched, v);
        if ((is_ready(v) || (v->state == SCHED_LIVE && !v->waits)) && v->runtime < least)
            least = v->runtime;
    }
    if (least != UINT64_MAX && least > sched->floor)
        sched->floor = least;
}

/*
 * A vCPU that slept long gets at most one slice of credit: its run time is raised to a
 * slice less than that of the vCPUs which compete now, or which did last.
 */
static void catch_up(struct sched *sched, struct sched_vcpu *v)
{
    raise_floor(sched);
    if (sched->floor > sched->slice && v->runtime < sched->floor - sched->slice)
        v->runtime = sched->floor - sched->slice;
}

static void make_ready(struct sched *sched, struct sched_vcpu *v)
{
    catch_up(sched, v);
    v->state = SCHED_READY;
    v->since = now(sched);
    sched->due = true;
}

void sched_start(struct sched *sched, unsigned vcpu)
{
    if (vcpu >= sched->nr_vcpus)
        sched->nr_vcpus = vcpu + 1;
    make_ready(sched, &sched->vcpu[vcpu]);
}

/* Off its pCPU. It is READY or ASLEEP then: before op left, which may wake it. */
static int take_off(struct sched *sched, unsigned vcpu)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];
    uint64_t wake_at = 0;
    int error;

    raise_floor(sched);
    error = sched->ops->stop(sched->opaque, vcpu, &wake_at);
    sched->live[v->pcpu] = SCHED_NOBODY;
    v->state = wake_at ? SCHED_ASLEEP : SCHED_READY;
    v->wake_at = wake_at;
    v->since = now(sched);
    v->waits = false;
    v->renew = false;
    sched->due = true;
    if (!error)
        sched->ops->left(sched->opaque, vcpu);
    return error;
}

int sched_stop(struct sched *sched, unsigned vcpu)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];
    int error = v->state == SCHED_LIVE ? take_off(sched, vcpu) : 0;

    v->state = SCHED_OFF;
    return error;
}

int sched_hold(struct sched *sched, unsigned vcpu, unsigned holder)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];

    v->held |= holder;
    return v->state == SCHED_LIVE ? take_off(sched, vcpu) : 0;
}

void sched_release(struct sched *sched, unsigned vcpu, unsigned holder)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];

    if (!v->held)
        return;
    v->held &= ~holder;
    if (!v->held && (v->state == SCHED_READY || v->state == SCHED_ASLEEP))
        make_ready(sched, v);
}

void sched_wait(struct sched *sched, unsigned vcpu)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];

    if (v->state != SCHED_LIVE || v->waits)
        return;
    raise_floor(sched);
    v->waits = true;
    sched->due = true;
}

void sched_wake(struct sched *sched, unsigned vcpu)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];

    if (v->state == SCHED_ASLEEP) {
        make_ready(sched, v);
    } else if (v->state == SCHED_LIVE && v->waits) {
        catch_up(sched, v);
        v->waits = false;
    }
}

/* The ready vCPU that has run least; SCHED_NOBODY: none is ready. */
static unsigned next_ready(const struct sched *sched)
{
    unsigned next = SCHED_NOBODY;

    for (unsigned i = 0; i < sched->nr_vcpus; i++) {
        const struct sched_vcpu *v = &sched->vcpu[i];

        if (is_ready(v) && (next == SCHED_NOBODY || v->runtime < sched->vcpu[next].runtime))
            next = i;
    }
    return next;
}

/* A pCPU that nobody uses, first the one that `v` had last; nr_pcpus: none. */
static unsigned find_idle(const struct sched *sched, const struct sched_vcpu *v, bool waiting)
{
    for (unsigned i = 0; i < sched->nr_pcpus; i++) {
        unsigned pcpu = (v->pcpu + i) % sched->nr_pcpus;
        unsigned live = sched->live[pcpu];

        if (waiting ? live != SCHED_NOBODY && sched->vcpu[live].waits : live == SCHED_NOBODY)
            return pcpu;
    }
    return sched->nr_pcpus;
}

/* When `v`, which runs, may be taken off for one that has had `runtime`. */
static uint64_t slice_end(const struct sched *sched, const struct sched_vcpu *v, uint64_t runtime)
{
    bool early = v->runtime > runtime + sched->slice / 2;

    return v->since + (early ? sched->slice / 4 : sched->slice);
}

/* The pCPU whose time slice ended first; nr_pcpus: none yet, and `deadline` is when. */
static unsigned find_expired(struct sched *sched, uint64_t runtime)
{
    unsigned best = sched->nr_pcpus;
    uint64_t first = SCHED_NEVER;

    for (unsigned i = 0; i < sched->nr_pcpus; i++) {
        struct sched_vcpu *v = &sched->vcpu[sched->live[i]];
        uint64_t end;

        charge(sched, v);
        end = slice_end(sched, v, runtime);
        if (end < first) {
            first = end;
            best = i;
        }
    }
    if (first <= now(sched))
        return best;
    if (first < sched->deadline)
        sched->deadline = first;
    return sched->nr_pcpus;
}

static int run(struct sched *sched, unsigned vcpu, unsigned pcpu)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];
    uint64_t t = now(sched);
    int error;

    sched->ops->stolen(sched->opaque, vcpu, t - v->since);
    error = sched->ops->run(sched->opaque, vcpu, pcpu);
    sched->live[pcpu] = vcpu;
    v->state = SCHED_LIVE;
    v->pcpu = pcpu;
    v->since = t;
    v->charged = t;
    return error;
}

/* Wake those whose timers have fired; `deadline` is when the next one does. */
static void wake_sleepers(struct sched *sched)
{
    uint64_t t = now(sched);

    sched->deadline = SCHED_NEVER;
    for (unsigned i = 0; i < sched->nr_vcpus; i++) {
        struct sched_vcpu *v = &sched->vcpu[i];

        if (v->state != SCHED_ASLEEP)
            continue;
        if (v->wake_at <= t)
            make_ready(sched, v);
        else if (v->wake_at < sched->deadline)
            sched->deadline = v->wake_at;
    }
}

void sched_renew(struct sched *sched, unsigned vcpu)
{
    struct sched_vcpu *v = &sched->vcpu[vcpu];

    if (v->state != SCHED_LIVE)
        return;
    v->renew = true;
    sched->due = true;
}

/* Stop and run again those that sched_renew() named. */
static int renew(struct sched *sched)
{
    int error = 0;

    for (unsigned i = 0; i < sched->nr_vcpus && !error; i++) {
        struct sched_vcpu *v = &sched->vcpu[i];
        uint64_t since = v->since;

        if (!v->renew)
            continue;
        error = take_off(sched, i);
        if (!error)
            error = run(sched, i, v->pcpu);
        v->since = since; /* else one that is renewed again and again would keep its pCPU */
    }
    return error;
}

int sched_turn(struct sched *sched)
{
    int error = 0;

    while (!error &&
           (sched->due || (sched->deadline != SCHED_NEVER && now(sched) >= sched->deadline))) {
        unsigned next, pcpu;

        sched->due = false;
        error = renew(sched);
        if (error)
            break;
        wake_sleepers(sched);
        next = next_ready(sched);
        if (next == SCHED_NOBODY)
            continue;
        pcpu = find_idle(sched, &sched->vcpu[next], false);
        if (pcpu == sched->nr_pcpus)
            pcpu = find_idle(sched, &sched->vcpu[next], true);
        if (pcpu == sched->nr_pcpus)
            pcpu = find_expired(sched, sched->vcpu[next].runtime);
        if (pcpu == sched->nr_pcpus)
            continue;
        if (sched->live[pcpu] != SCHED_NOBODY)
            error = take_off(sched, sched->live[pcpu]);
        if (!error)
            error = run(sched, next, pcpu);
        sched->due = true; /* there may be more of them */
    }
    return error;
}
