/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmm's one loop. While exits flow it looks at the rings and gives the
 * event loop a short turn now and then; when they stop it arms the doorbell
 * and sleeps there.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "vmm/cpu/cores.h"
#include "vmm/cpu/polling.h"
#include "vmm/vm/vm.h"

enum loop_end {
    LOOP_POWER_OFF, /* the guest switched itself off */
    LOOP_QUIT,      /* the user ended it */
    LOOP_RESET,     /* the guest asked for a reset, and is not to have one */
    LOOP_SIGNAL,    /* SIGINT, SIGTERM or SIGHUP */
    LOOP_LEFT,      /* the guest goes on with another process */
    LOOP_GUEST_FAILED,
    LOOP_VMM_FAILED,
};

struct loop {
    struct event_base *base;
    struct cores *cores;
    struct vm *vms[RV_MAX_VMS];
    unsigned nr_vms;
    struct event *doorbell;
    struct event *alarm; /* when sched_turn() has work */
    uint64_t alarm_at;
    bool ended;
    enum loop_end end;
    struct polling polling;
    unsigned exits; /* since somebody last looked at the clock for a turn */
};

/* 0 or -ENOMEM after a message. */
int loop_init(struct loop *loop, struct event_base *base, struct cores *cores);
void loop_free(struct loop *loop);

/* Serve this VM, which runs on the cores. */
void loop_add(struct loop *loop, struct vm *vm);

/* End loop_run() with this result, from any callback in it. The first one counts. */
void loop_end(struct loop *loop, enum loop_end end);

/* Hand one event of a pCPU to whom it concerns. True: somebody asks for something. */
bool loop_handle(struct loop *loop, struct pcpu *pcpu, const struct rv_event *event);

/* Serve the VMs until all have ended. The result is that of the last one. */
enum loop_end loop_run(struct loop *loop);
