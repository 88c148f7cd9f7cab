/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the handling of an event is taken back when the vmm's process dies within it. What the
 * handler is about to change (a state block, a page of a vCPU, a word of guest memory) is copied
 * to a log first, and the commands that it gives to the stub wait until it has decided
 * everything. Then one store in the journal makes all of it count: until then the next process
 * undoes what was done and the event is handled again, and from then on it only pushes those
 * commands that are missing. So nothing that the guest can see happens twice.
 *
 * Commands that the stub answers go out at once. Of these, a RETRACT takes states of an interrupt
 * from a vCPU, and only its answer tells which: the log has the interrupt before the command goes
 * out, and the answer before its place in the ring is given back. The next process puts the states
 * back.
 *
 * Not taken back: what leaves the machine, and rings of virtio (they have records of their own).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/boot.h"
#include "proto/message.h"

/*
 * All interrupts of 32 vCPUs, one by one and then together, and a device. A device of somebody
 * else that writes thousands of words to guest memory in one access is undone in part.
 */
#define UNDO_BYTES    (128u << 10)
#define UNDO_COMMANDS 64u
#define UNDO_RETRACTS 512u /* that have taken something; more are not taken back */

/* Where the bytes are that a log has: the same place has another address in each process. */
enum undo_region {
    UNDO_STATE, /* the state area */
    UNDO_PAGES, /* the vCPU pages */
    UNDO_RAM,   /* guest memory */
    UNDO_REGIONS,
};

struct undo_command {
    uint32_t pcpu; /* whose ring it is for */
    uint32_t pad;
    struct rv_command command;
};

/* A RETRACT. */
struct undo_retract {
    uint32_t pcpu;
    uint32_t tag;   /* of the command, and its answer */
    uint32_t vcpu;  /* its number */
    uint32_t known; /* 1: the answer has come */
    uint64_t lr;    /* as a list register; LR_STATES: what was asked for, then what was taken */
};

/* In the journal. It is of one event: that of `seq` on the pCPU `owner`. */
struct undo_log {
    uint32_t owner;
    uint32_t seq;
    uint32_t used; /* of `bytes` */
    uint32_t nr_commands;
    uint32_t at[RV_MAX_PCPUS]; /* JOURNAL_REPLYING: the positions of the first of `commands` */
    uint32_t nr_retracts;
    uint32_t pad;
    struct undo_command commands[UNDO_COMMANDS];
    struct undo_retract retracts[UNDO_RETRACTS]; /* all but the last one are known */
    uint8_t bytes[UNDO_BYTES]; /* struct undo_entry and its bytes, again and again */
};

struct undo {
    struct undo_log *log; /* in the journal, or `own` */
    bool open;            /* from undo_begin() to undo_end() */
    struct {
        uint8_t *base;
        uint64_t size;
    } region[UNDO_REGIONS];
    struct undo_log own; /* where nothing outlives this process */
};

void undo_init(struct undo *undo);

/* This is the region's memory in this process. */
void undo_place(struct undo *undo, enum undo_region region, void *base, uint64_t size);

/* The event at `seq` of the pCPU is handled from now on. */
void undo_begin(struct undo *undo, unsigned pcpu, uint32_t seq);

/* Before these bytes are changed. Does nothing while no event is handled, and with NULL. */
void undo_note(struct undo *undo, const void *at, size_t size);

/* Keep the command for later. False: there is no room. */
bool undo_defer(struct undo *undo, unsigned pcpu, const struct rv_command *command);

/* Take the oldest command that waits for the pCPU. False: there is none. */
bool undo_take(struct undo *undo, unsigned pcpu, struct rv_command *command);

/* How many commands wait for the pCPU. */
unsigned undo_commands(const struct undo *undo, unsigned pcpu);

/*
 * Before a RETRACT with this tag is pushed. `lr`: the interrupt as it is in a list register, with
 * the states that are asked for. Does nothing while no event is handled.
 */
void undo_retract(struct undo *undo, unsigned pcpu, uint32_t tag, unsigned vcpu, uint64_t lr);

/* An answer of the stub, before its place in the ring is given back. `states`: RV_LR_*. */
void undo_answered(struct undo *undo, unsigned pcpu, uint32_t tag, uint64_t states);

/* What the RETRACTs have taken counts, or was put back. */
void undo_forget_retracts(struct undo *undo);

/* It is over. */
void undo_end(struct undo *undo);

/* Is the log one of this event? */
bool undo_is_of(const struct undo *undo, unsigned pcpu, uint32_t seq);

/* Does the log make sense? It was left by another process, and nothing of it is believed. */
bool undo_is_whole(const struct undo *undo);

/* Put everything back. The log is whole. */
void undo_apply(const struct undo *undo);
