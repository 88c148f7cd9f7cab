/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/undo.h"

#include <string.h>

#include "proto/arm/gic.h"

#define UNDO_ALIGN 8u

struct undo_entry {
    uint32_t region; /* enum undo_region */
    uint32_t size;
    uint64_t offset;
};

void undo_init(struct undo *undo)
{
    memset(undo, 0, offsetof(struct undo, own));
    undo->log = &undo->own;
}

void undo_place(struct undo *undo, enum undo_region region, void *base, uint64_t size)
{
    undo->region[region].base = base;
    undo->region[region].size = size;
}

void undo_begin(struct undo *undo, unsigned pcpu, uint32_t seq)
{
    struct undo_log *log = undo->log;

    /* Not of the new event before it is empty. */
    log->used = 0;
    log->nr_commands = 0;
    undo_forget_retracts(undo);
    __atomic_store_n(&log->owner, pcpu, __ATOMIC_RELEASE);
    __atomic_store_n(&log->seq, seq, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    undo->open = true;
}

static uint32_t undo_room(uint32_t size)
{
    return (uint32_t)sizeof(struct undo_entry) + (size + UNDO_ALIGN - 1) / UNDO_ALIGN * UNDO_ALIGN;
}

/* A copy of it: the next process does not believe what it finds. */
static struct undo_entry undo_entry_at(const struct undo_log *log, uint32_t at)
{
    struct undo_entry entry;

    memcpy(&entry, &log->bytes[at], sizeof(entry));
    return entry;
}

/* Is it in the log already? The first copy is the one that counts. */
static bool undo_has(const struct undo_log *log, const struct undo_entry *new)
{
    for (uint32_t at = 0; at < log->used;) {
        struct undo_entry entry = undo_entry_at(log, at);

        if (entry.region == new->region &&new->offset >= entry.offset &&new->offset + new->size <=
                                entry.offset + entry.size)
            return true;
        at += undo_room(entry.size);
    }
    return false;
}

/* False: these bytes are in no region, so that no other process will see them. */
static bool undo_find(const struct undo *undo, const void *at, size_t size,
                      struct undo_entry *entry)
{
    for (uint32_t i = 0; i < UNDO_REGIONS; i++) {
        uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)undo->region[i].base);

        if (offset < undo->region[i].size && size <= undo->region[i].size - offset) {
            *entry = (struct undo_entry){i, (uint32_t)size, offset};
            return true;
        }
    }
    return false;
}

void undo_note(struct undo *undo, const void *at, size_t size)
{
    struct undo_entry entry;
    struct undo_log *log;

    if (!undo || !undo->open || size > UNDO_BYTES || !undo_find(undo, at, size, &entry))
        return;
    log = undo->log;
    if (undo_has(log, &entry))
        return;
    if (undo_room(entry.size) > UNDO_BYTES - log->used)
        return;
    memcpy(&log->bytes[log->used], &entry, sizeof(entry));
    memcpy(&log->bytes[log->used + sizeof(entry)], at, size);
    __atomic_store_n(&log->used, log->used + undo_room(entry.size), __ATOMIC_RELEASE);
    /* What the caller changes now, it changes after that store. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

bool undo_defer(struct undo *undo, unsigned pcpu, const struct rv_command *command)
{
    struct undo_log *log = undo->log;

    if (log->nr_commands == UNDO_COMMANDS)
        return false;
    log->commands[log->nr_commands] = (struct undo_command){.pcpu = pcpu, .command = *command};
    log->nr_commands++;
    return true;
}

bool undo_take(struct undo *undo, unsigned pcpu, struct rv_command *command)
{
    struct undo_log *log = undo->log;
    uint32_t i = 0;

    while (i < log->nr_commands && log->commands[i].pcpu != pcpu)
        i++;
    if (i == log->nr_commands)
        return false;
    *command = log->commands[i].command;
    memmove(&log->commands[i], &log->commands[i + 1],
            (log->nr_commands - i - 1) * sizeof(*log->commands));
    log->nr_commands--;
    return true;
}

unsigned undo_commands(const struct undo *undo, unsigned pcpu)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < undo->log->nr_commands; i++)
        n += undo->log->commands[i].pcpu == pcpu;
    return n;
}

void undo_retract(struct undo *undo, unsigned pcpu, uint32_t tag, unsigned vcpu, uint64_t lr)
{
    struct undo_log *log = undo->log;

    if (!undo->open || log->nr_retracts >= UNDO_RETRACTS)
        return;
    log->retracts[log->nr_retracts] =
        (struct undo_retract){.pcpu = pcpu, .tag = tag, .vcpu = vcpu, .lr = lr};
    __atomic_store_n(&log->nr_retracts, log->nr_retracts + 1, __ATOMIC_RELEASE);
}

void undo_answered(struct undo *undo, unsigned pcpu, uint32_t tag, uint64_t states)
{
    struct undo_log *log = undo->log;
    uint32_t nr = log->nr_retracts;
    struct undo_retract *last;

    if (nr == 0 || nr > UNDO_RETRACTS)
        return;
    last = &log->retracts[nr - 1];
    if (last->known || last->pcpu != pcpu || last->tag != tag)
        return;
    last->lr &= states << LR_STATE_SHIFT | ~LR_STATES;
    if (last->lr & LR_STATES)
        __atomic_store_n(&last->known, 1, __ATOMIC_RELEASE);
    else
        __atomic_store_n(&log->nr_retracts, nr - 1, __ATOMIC_RELEASE);
}

void undo_forget_retracts(struct undo *undo)
{
    __atomic_store_n(&undo->log->nr_retracts, 0, __ATOMIC_RELEASE);
}

void undo_end(struct undo *undo)
{
    undo->open = false;
}

bool undo_is_of(const struct undo *undo, unsigned pcpu, uint32_t seq)
{
    return undo->log->owner == pcpu && undo->log->seq == seq;
}

bool undo_is_whole(const struct undo *undo)
{
    const struct undo_log *log = undo->log;
    uint32_t at = 0;

    if (log->used > UNDO_BYTES || log->nr_commands > UNDO_COMMANDS)
        return false;
    while (at < log->used) {
        struct undo_entry entry;

        if (log->used - at < sizeof(entry))
            return false;
        entry = undo_entry_at(log, at);
        if (entry.size > UNDO_BYTES || undo_room(entry.size) > log->used - at ||
            entry.region >= UNDO_REGIONS || entry.offset > undo->region[entry.region].size ||
            entry.size > undo->region[entry.region].size - entry.offset)
            return false;
        at += undo_room(entry.size);
    }
    return true;
}

/* From the newest to the oldest: of two that overlap, the older one has what was there before. */
void undo_apply(const struct undo *undo)
{
    const struct undo_log *log = undo->log;
    uint32_t starts[UNDO_BYTES / sizeof(struct undo_entry)], nr = 0;

    for (uint32_t at = 0; at < log->used; at += undo_room(undo_entry_at(log, at).size))
        starts[nr++] = at;
    while (nr > 0) {
        struct undo_entry entry = undo_entry_at(log, starts[--nr]);

        memcpy(undo->region[entry.region].base + entry.offset,
               &log->bytes[starts[nr] + sizeof(entry)], entry.size);
    }
}
