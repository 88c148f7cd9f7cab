/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A physical CPU as the vmm sees it: the two rings of its channel. Events come from the
 * stub, which the vmm does not trust: type and vCPU of each are checked here, once, and
 * the rest of the vmm relies on that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/ring.h"
#include "vmm/machine/machine.h"

struct vcpu;

/*
 * Events that can be put aside. The stub stops its guest at a full ring only, so
 * some rings of them can come until a command is answered; at PCPU_CROWDED the
 * loop handles them before it makes anyone wait again.
 */
#define PCPU_DEFERRED (4 * RV_EVENT_ENTRIES)
#define PCPU_CROWDED  RV_EVENT_ENTRIES

struct pcpu {
    struct machine *machine;
    unsigned index;
    struct rv_channel *channel; /* shared: nothing in it is trusted */
    uint32_t command_head;
    uint32_t command_tail; /* last value seen of the stub's */
    uint32_t event_tail;
    uint32_t tag;      /* of the last command that asked for an acknowledgement; begins anywhere */
    struct vcpu *vcpu; /* which is live there */
    bool guest_runs;   /* not in a blocking exit: only a kick gets its attention */
    bool notify_due;   /* commands were pushed since it was last notified */
    uint64_t kick_at;  /* until then a guest that runs is given time; 0: not decided yet */
    bool lost;         /* it broke the protocol or does not answer; said already */
    unsigned nr_deferred;
    struct rv_event deferred[PCPU_DEFERRED]; /* came while an acknowledgement was awaited */
};

void pcpu_init(struct pcpu *pcpu, struct machine *machine, unsigned index);

/*
 * Append a command. Its `seq` and tag are filled in. Waits while the ring is full.
 * 0, or -EIO: the pCPU is lost.
 */
int pcpu_push(struct pcpu *pcpu, const struct rv_command *command);

/* Make the stub look at what was pushed, by a doorbell only if it needs one. */
void pcpu_notify(struct pcpu *pcpu);

/*
 * The same for what can wait as long as a kick costs (machine.kick_ns): most guests
 * exit by themselves sooner, and see more at once then. `now`: ns of CLOCK_MONOTONIC.
 * True: a kick is due later, so call again.
 */
bool pcpu_notify_soon(struct pcpu *pcpu, uint64_t now);

/*
 * Push a command and wait until it is done. `value` (may be NULL) is what the
 * acknowledgement carries. 0; -ENOMEM: RV_STATUS_NO_ROOM; -EPERM: refused, a
 * message was written; -EIO: the pCPU is lost.
 */
int pcpu_call(struct pcpu *pcpu, struct rv_command *command, uint64_t *value);

/* The next event, if there is one. Its type and vCPU are legal, all else is the stub's word. */
bool pcpu_next_event(struct pcpu *pcpu, struct rv_event *event);

/*
 * After RV_COMMAND_STOP: forget RV_EVENT_STOPPED, and the synchronous exit that the
 * vCPU made before. The exit has not been handled, and the vCPU repeats it when it runs
 * again: the PC in its page is set to that instruction. An SError is not repeated, so it
 * stays. True: the vCPU was waiting for an interrupt.
 */
bool pcpu_drop_stopped(struct pcpu *pcpu);

/*
 * The oldest event that this vCPU, which is off the pCPU, still has here: a posted
 * write, the end of an interrupt, an SError. False: there is none.
 */
bool pcpu_next_left(struct pcpu *pcpu, unsigned vcpu, struct rv_event *event);

/* Is there one? Says nothing about whether it is legal. */
bool pcpu_has_event(const struct pcpu *pcpu);

/*
 * Which VM RV_EVENT_REFUSED is about: the stub has stopped that one. It is the one that
 * the command named. RV_MAX_VMS: it was no command, but the ring itself.
 */
unsigned pcpu_refused_vm(const struct rv_event *event);

/* RV_EVENT_REFUSED in words, to the log. */
void pcpu_log_refusal(const struct pcpu *pcpu, const struct rv_event *event);
