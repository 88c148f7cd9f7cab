/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must not be lost when the vmm's process dies: events that were taken out of a ring and are
 * not dealt with, which vCPU is live where, and how far the answer to an exit is. It lies in a
 * memory object that the keeper has, which the stub never sees.
 *
 * Each change is one store, or is ordered so that the one that counts is the last: a process that
 * is killed between any two leaves what pcpu_recover() understands. An event is known by its
 * position in the ring (`seq`), so that one which is in two places is seen to be one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/boot.h"
#include "proto/message.h"
#include "proto/ring.h"
#include "vmm/cpu/undo.h"

/*
 * How many events can be deferred. The stub stops its guest only when the ring is full,
 * so several rings of events can come before a command is answered.
 */
#define JOURNAL_DEFERRED (4 * RV_EVENT_ENTRIES)

enum journal_phase {
    JOURNAL_TAKEN,    /* what was done about the event is in the undo log: no x register changed */
    JOURNAL_HANDLING, /* `x` is what x0 to x30 were before */
    /*
     * All is done but the commands of the undo log, and then, if `reply` has an op, a LOAD of
     * `dirty` and `reply`.
     */
    JOURNAL_REPLYING,
};

struct pcpu_journal {
    uint32_t vcpu;     /* number of the one that is live, or RV_NO_VCPU ... */
    uint32_t run_at;   /* ... once the command at this position, its RUN, was published */
    uint32_t phase;    /* enum journal_phase: of `current` */
    uint32_t dirty;    /* RV_GROUP_* */
    uint32_t reply_at; /* position of that LOAD or, without one, of the reply */
    uint32_t first;    /* of `deferred`: both count on, modulo its size */
    uint32_t last;     /* behind the newest */
    uint32_t pad;
    struct rv_event current; /* is being dealt with; type 0: none, but `seq` was the last */
    struct rv_command reply;
    uint64_t x[31];
    struct rv_event deferred[JOURNAL_DEFERRED]; /* type 0: dealt with */
};

#define JOURNAL_MAGIC   0x314e524a4e5652ull /* "RVNJRN1" */
#define JOURNAL_VERSION 3u

struct journal {
    uint64_t magic;
    uint32_t version;
    uint32_t size; /* of the struct */
    struct pcpu_journal pcpu[RV_MAX_PCPUS];
    struct undo_log undo;
};

static inline void pcpu_journal_init(struct pcpu_journal *journal)
{
    journal->first = journal->last = 0; /* so nothing of `deferred` counts, whatever it is */
    journal->phase = JOURNAL_TAKEN;
    journal->current.type = 0;
    journal->current.seq = 0;
    journal->vcpu = RV_NO_VCPU;
}

/*
 * The journal of an earlier worker, or a new one that the keeper has as well. `*found`: which.
 * NULL after a message. Unmapped at the end of the process.
 */
struct journal *journal_open(bool *found);

/* Is it of this version, and does it make sense? What it says of memory is the undo log's. */
bool journal_is_whole(const struct journal *journal);

/* Would journal_open() take the one that is kept, and in use? 0, or -EINVAL after a message. */
int journal_check(void);
