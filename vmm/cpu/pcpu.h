/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A physical CPU as the vmm sees it: the two rings of its channel. The vmm does not trust
 * the stub, which sends the events: this file checks type and vCPU of each event once, and
 * the rest of the vmm relies on that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"
#include "proto/ring.h"
#include "vmm/cpu/journal.h"
#include "vmm/cpu/placement.h"
#include "vmm/machine/machine.h"

struct vcpu;

/*
 * From so many deferred events on, the loop handles them before it waits for an answer again.
 */
#define PCPU_CROWDED RV_EVENT_ENTRIES

struct pcpu {
    struct machine *machine;
    unsigned index;
    struct rv_channel *channel; /* shared: nothing in it is trusted */
    uint32_t command_head;
    uint32_t command_tail; /* last value seen of the stub's */
    uint32_t event_tail;
    uint32_t tag;      /* of the last command that requested an ACK; the first is random */
    struct vcpu *vcpu; /* live there, or NULL */
    bool guest_runs;   /* not in a blocking exit: only a kick makes the stub check its ring */
    bool notify_due;   /* commands were pushed since it was last notified */
    uint64_t kick_at;  /* when a guest that still runs gets a kick; 0: not decided yet */
    uint64_t kicks;    /* how many it got: for people */
    struct placement placement;
    bool lost;            /* it broke the protocol or does not answer; already logged */
    unsigned nr_deferred; /* events that came while an acknowledgement was awaited */
    struct undo *undo;    /* of the event that is being handled; or NULL */
    struct pcpu_journal *journal;
    struct pcpu_journal own; /* where nothing outlives this process */
};

void pcpu_init(struct pcpu *pcpu, struct machine *machine, unsigned index);

/*
 * Append a command. The function fills in `seq` and tag, and waits while the ring is
 * full. While an event is handled the command waits in the undo log, until the event is decided
 * or pcpu_call() comes. 0, or -EIO: the pCPU is lost.
 */
int pcpu_push(struct pcpu *pcpu, const struct rv_command *command);

/* Make the stub execute the pushed commands; kicks it only if needed. True: it slept. */
bool pcpu_notify(struct pcpu *pcpu);

/*
 * The same for commands that can wait as long as a kick takes (machine.kick_ns). Most
 * guests exit by themselves sooner, and the stub then executes more commands at once.
 * `now`: ns of CLOCK_MONOTONIC. True: a kick may be due later, so call again.
 */
bool pcpu_notify_soon(struct pcpu *pcpu, uint64_t now);

/*
 * Push a command and wait until it is done. `value` (may be NULL) gets the value of the
 * ACK. 0; -ENOMEM: RV_STATUS_NO_ROOM; -EPERM after a message: refused; -EIO: the pCPU
 * is lost.
 */
int pcpu_call(struct pcpu *pcpu, struct rv_command *command, uint64_t *value);

/* The tag that the next pcpu_call() gives its command. */
uint32_t pcpu_next_tag(const struct pcpu *pcpu);

/* How full its rings are now: events that wait for the vmm, commands that wait for the stub. */
struct pcpu_depth {
    uint32_t events, commands;
};

static inline struct pcpu_depth pcpu_depth(const struct pcpu *pcpu)
{
    uint32_t done = rv_load_relaxed(&pcpu->channel->command_tail.v);
    struct pcpu_depth depth = {.commands = pcpu->command_head - done};

    while (depth.events < RV_EVENT_ENTRIES &&
           rv_ring_ready(
               &pcpu->channel->event[(pcpu->event_tail + depth.events) % RV_EVENT_ENTRIES].seq,
               pcpu->event_tail + depth.events))
        depth.events++;
    /* The stub's number may be anything. */
    if (depth.commands > RV_COMMAND_ENTRIES)
        depth.commands = RV_COMMAND_ENTRIES;
    return depth;
}

/*
 * The next event, if there is one. Its type and vCPU are checked; its other fields are not. It
 * is in the journal until pcpu_handled(): another process that has the journal begins with it.
 */
bool pcpu_next_event(struct pcpu *pcpu, struct rv_event *event);
void pcpu_handled(struct pcpu *pcpu);

/*
 * For the journal: the event is handled, which may change x0 to x30 in the page, and cannot be
 * repeated from registers that have changed. Then: all of it is done but the commands that wait in
 * the undo log and, after them, a LOAD of `dirty` and this reply; op 0: there is no reply.
 */
void pcpu_handling(struct pcpu *pcpu, const uint64_t x[31]);
void pcpu_replying(struct pcpu *pcpu, const struct rv_command *reply, uint32_t dirty);

/* For the journal: the next command that is pushed is the RUN of this vCPU. */
void pcpu_running(struct pcpu *pcpu, const struct vcpu *vcpu);

/*
 * After RV_COMMAND_STOP: drop the deferred RV_EVENT_STOPPED, RV_EVENT_REFILL, and the
 * synchronous exit that came before it. Nobody has handled that exit, and the vCPU repeats it when it runs again:
 * this function sets the PC in its page to that instruction. It keeps an SError, which the
 * vCPU does not repeat. True: the vCPU was waiting for an interrupt.
 */
bool pcpu_drop_stopped(struct pcpu *pcpu);

/*
 * The oldest deferred event of this vCPU, which is no longer live on the pCPU: a posted
 * write, the end of an interrupt, an SError. False: there is none. pcpu_left_handled() when it
 * has been handled.
 */
bool pcpu_next_left(struct pcpu *pcpu, unsigned vcpu, struct rv_event *event);
void pcpu_left_handled(struct pcpu *pcpu, const struct rv_event *event);

/* The n-th of the `nr_deferred` events. */
const struct rv_event *pcpu_deferred(const struct pcpu *pcpu, unsigned n);

/*
 * Take over the rings, with a journal of another process that had them. The vCPU that is live on
 * the pCPU, by its number, or RV_NO_VCPU. pcpu->vcpu is set by the caller.
 */
unsigned pcpu_recover(struct pcpu *pcpu, struct pcpu_journal *journal);

/* Is this the event that the undo log is about? */
bool pcpu_has_undo(const struct pcpu *pcpu);

/*
 * Then, when pcpu->vcpu is set: push what is missing of the reply that was begun, and true; or put
 * the event back that was being handled, and false.
 */
bool pcpu_finish_reply(struct pcpu *pcpu);

/* Is an RV_EVENT_STOPPED among the deferred events? */
bool pcpu_has_stopped(const struct pcpu *pcpu);

/* Is there an event for pcpu_next_event()? It may still turn out to be illegal. */
static inline bool pcpu_has_event(const struct pcpu *pcpu)
{
    const struct rv_event *next = &pcpu->channel->event[pcpu->event_tail % RV_EVENT_ENTRIES];

    return pcpu->nr_deferred || rv_ring_ready(&next->seq, pcpu->event_tail);
}

/*
 * How many posted writes to these addresses, or within 8 bytes in front of them, are among the events
 * that pcpu_next_event() has not given yet.
 */
unsigned pcpu_posted(const struct pcpu *pcpu, uint64_t start, uint64_t size);

/*
 * The VM that the stub has stopped with this RV_EVENT_REFUSED: the one that the command
 * named. RV_MAX_VMS: unknown, as when the stub refused not a command but a ring index.
 */
unsigned pcpu_refused_vm(const struct rv_event *event);

/* Log an RV_EVENT_REFUSED in words. */
void pcpu_log_refusal(const struct pcpu *pcpu, const struct rv_event *event);
