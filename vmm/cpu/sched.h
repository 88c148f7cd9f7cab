/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduler: which vCPU has which pCPU, and for how long. This is policy only; the
 * scheduler acts through struct sched_ops and reads the time from there.
 *
 * While there are as many pCPUs as vCPUs, no vCPU moves. With more vCPUs, a pCPU goes
 * to the vCPU that has run least. A vCPU that waits for an interrupt keeps its pCPU until
 * another vCPU wants it, so that it wakes up quickly and without the scheduler. A running
 * vCPU is stopped at the end of its time slice, or after a quarter of the slice when the
 * other vCPU has run much less.
 *
 * vCPUs and pCPUs are numbers: those of the stub.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/boot.h"

#define SCHED_NEVER UINT64_MAX

enum sched_state {
    SCHED_OFF,    /* must not run: it is off, or does not exist */
    SCHED_READY,  /* wants a pCPU */
    SCHED_LIVE,   /* has one */
    SCHED_ASLEEP, /* has none and waits for an interrupt */
};

struct sched_ops {
    /* Make a vCPU live on a free pCPU. 0, or negative: the machine is lost. */
    int (*run)(void *opaque, unsigned vcpu, unsigned pcpu);
    /*
     * Take a live vCPU off its pCPU. If it still waited for an interrupt,
     * `*wake_at` is when one of its timers will fire (ns as now() gives them,
     * or SCHED_NEVER), else 0. 0, or negative: the machine is lost.
     */
    int (*stop)(void *opaque, unsigned vcpu, uint64_t *wake_at);
    /*
     * It is off its pCPU now. Handles its events that nobody has handled yet, before
     * it runs elsewhere. May call sched_wake().
     */
    void (*left)(void *opaque, unsigned vcpu);
    /* It was ready for `ns` and had no pCPU. */
    void (*stolen)(void *opaque, unsigned vcpu, uint64_t ns);
    uint64_t (*now)(void *opaque);
};

/* Who keeps a vCPU from running (sched_hold()); more than one may. */
#define SCHED_HOLD_DEBUGGER 1u
#define SCHED_HOLD_PAUSE    2u
#define SCHED_HOLD_LEAVE    4u
#define SCHED_HOLD_RECORD   8u

struct sched_vcpu {
    enum sched_state state;
    unsigned held;    /* SCHED_HOLD_*: if not 0, it does not run, whatever its state */
    bool waits;       /* LIVE: for an interrupt, as far as the scheduler knows */
    bool renew;       /* LIVE: to be stopped, and to run again at once */
    unsigned pcpu;    /* where it is, or was last */
    uint64_t since;   /* READY, LIVE: when that began */
    uint64_t charged; /* LIVE, not waiting: `runtime` has its time up to here */
    uint64_t runtime; /* ns that it ran; raised when it returns after a long time */
    uint64_t wake_at; /* ASLEEP */
};

#define SCHED_NOBODY RV_MAX_VCPUS

struct sched {
    const struct sched_ops *ops;
    void *opaque;
    uint64_t slice; /* ns */
    unsigned nr_pcpus;
    unsigned nr_vcpus;           /* the highest number in use, plus 1 */
    bool due;                    /* something changed: sched_turn() has work */
    uint64_t deadline;           /* when it has work again */
    uint64_t floor;              /* the least runtime of the vCPUs that compete, or did last */
    unsigned live[RV_MAX_PCPUS]; /* the vCPU of each pCPU, or SCHED_NOBODY */
    struct sched_vcpu vcpu[RV_MAX_VCPUS];
};

void sched_init(struct sched *sched, unsigned nr_pcpus, uint64_t slice_ns,
                const struct sched_ops *ops, void *opaque);

/* Let a vCPU run that is OFF. Its registers are in its page. */
void sched_start(struct sched *sched, unsigned vcpu);

/* Take it off its pCPU, if it has one; it is OFF then. 0, or what op stop returned. */
int sched_stop(struct sched *sched, unsigned vcpu);

/*
 * Take it off its pCPU, if it has one, and keep it from running until each `holder` has
 * released it. Its state goes on: it can be started, stopped and woken meanwhile. 0, or what
 * op stop returned.
 */
int sched_hold(struct sched *sched, unsigned vcpu, unsigned holder);

/*
 * The holder lets it run. The time until now is not stolen from it. A vCPU that waited for an
 * interrupt runs, as WFI allows: its registers may have been changed.
 */
void sched_release(struct sched *sched, unsigned vcpu, unsigned holder);

/* A live vCPU waits for an interrupt from now on. */
void sched_wait(struct sched *sched, unsigned vcpu);

/* It does not wait (any more): it got an interrupt, or is seen to run. */
void sched_wake(struct sched *sched, unsigned vcpu);

/*
 * A live vCPU is to be stopped at the next sched_turn(), and to run again on the same pCPU
 * within the same time slice: for what only RUN gives to it, such as list registers.
 */
void sched_renew(struct sched *sched, unsigned vcpu);

/*
 * Assign the pCPUs anew. Do not call it while an exit is handled: it may move any vCPU.
 * It does nothing before `due` or `deadline`. 0, or what an op returned.
 */
int sched_turn(struct sched *sched);
