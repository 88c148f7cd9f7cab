/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking over a pCPU: the rings and the journal as another process has left them. */
#include "proto/arm/esr.h"
#include "vmm/cpu/pcpu_internal.h"
#include "vmm/cpu/vcpu.h"

/* What comes after a STOP of the vCPU and is over with it. */
static bool ends_with_stop(const struct rv_event *event)
{
    return event->type == RV_EVENT_SYNC || event->type == RV_EVENT_STOPPED ||
           event->type == RV_EVENT_REFILL;
}

/* Of the last event that was taken, the position may not have been told to the stub. */
static void recover_events(struct pcpu *pcpu)
{
    const struct pcpu_journal *journal = pcpu->journal;
    uint32_t next = rv_load_relaxed(&pcpu->channel->event_tail.v) + 1;
    bool deferred = journal->last && pcpu_slot(pcpu, journal->last - 1)->seq == next;
    /* Without a type it was not whole in the journal: it is still in the ring. */
    bool current = journal->current.type && journal->current.seq == next;

    pcpu->event_tail = deferred || current ? next : next - 1;
    rv_store_release(&pcpu->channel->event_tail.v, pcpu->event_tail);
    pcpu->nr_deferred = 0;
    for (uint32_t at = journal->first; at != journal->last; at++)
        pcpu->nr_deferred += pcpu_slot(pcpu, at)->type != 0;
    for (uint32_t at = journal->first; journal->current.type && at != journal->last; at++)
        if (pcpu_slot(pcpu, at)->type && pcpu_slot(pcpu, at)->seq == journal->current.seq)
            pcpu_strike(pcpu, at);
}

/* A command is published by its own `seq`; the head is stored after that. */
static void recover_commands(struct pcpu *pcpu)
{
    struct rv_channel *channel = pcpu->channel;
    uint32_t head = rv_load_relaxed(&channel->command_head.v);

    if (rv_ring_ready(&channel->command[head % RV_COMMAND_ENTRIES].seq, head))
        head++;
    rv_store_relaxed(&channel->command_head.v, head);
    pcpu->command_head = head;
    pcpu->command_tail = rv_load_acquire(&channel->command_tail.v);
    if (rv_ring_space(head, pcpu->command_tail, RV_COMMAND_ENTRIES) < 0)
        pcpu_lose(pcpu, "the index of its command ring is impossible");
}

unsigned pcpu_recover(struct pcpu *pcpu, struct pcpu_journal *journal)
{
    pcpu->journal = journal;
    recover_commands(pcpu);
    recover_events(pcpu);
    if (journal->vcpu != RV_NO_VCPU && (int32_t)(pcpu->command_head - journal->run_at) <= 0)
        journal->vcpu = RV_NO_VCPU;
    for (uint32_t at = journal->first; journal->vcpu == RV_NO_VCPU && at != journal->last; at++)
        if (ends_with_stop(pcpu_slot(pcpu, at)))
            pcpu_strike(pcpu, at);
    pcpu->guest_runs = pcpu->notify_due = true; /* as far as is known: it is kicked */
    return journal->vcpu;
}

bool pcpu_has_undo(const struct pcpu *pcpu)
{
    const struct rv_event *current = &pcpu->journal->current;

    return current->type && undo_is_of(pcpu->undo, pcpu->index, current->seq);
}

/* Push what is missing of a LOAD and the reply. */
static void finish_commands(struct pcpu *pcpu)
{
    const struct pcpu_journal *journal = pcpu->journal;
    uint32_t pushed = pcpu->command_head - journal->reply_at, loads = journal->dirty != 0;
    struct rv_command load = journal->reply;

    load.op = RV_COMMAND_LOAD;
    load.flags = 0;
    load.arg[0] = journal->dirty;
    if (pushed < loads)
        pcpu_push(pcpu, &load);
    if (pushed < loads + 1)
        pcpu_push(pcpu, &journal->reply);
}

/* It comes again, before all others. */
static void put_back(struct pcpu *pcpu)
{
    struct pcpu_journal *journal = pcpu->journal;

    if (journal->last - journal->first >= JOURNAL_DEFERRED) {
        pcpu_lose(pcpu, "it has too many events that were not dealt with");
        return;
    }
    *pcpu_slot(pcpu, journal->first - 1) = journal->current;
    __atomic_store_n(&journal->first, journal->first - 1, __ATOMIC_RELEASE);
    pcpu->nr_deferred++;
}

bool pcpu_finish_reply(struct pcpu *pcpu)
{
    const struct pcpu_journal *journal = pcpu->journal;
    bool replies = journal->reply.op != 0;
    bool decided = journal->phase == JOURNAL_REPLYING && (pcpu->vcpu || !replies);

    if (!decided)
        put_back(pcpu);
    else if (replies)
        finish_commands(pcpu);
    pcpu_handled(pcpu);
    return decided;
}

bool pcpu_has_stopped(const struct pcpu *pcpu)
{
    for (unsigned n = 0; n < pcpu->nr_deferred; n++)
        if (pcpu_deferred(pcpu, n)->type == RV_EVENT_STOPPED)
            return true;
    return false;
}

/*
 * Before the events go: the PC, which they tell, and that the vCPU is off. An exception's PC is
 * that of its instruction, but for HVC: behind it (Arm ARM D1.3.1).
 */
bool pcpu_drop_stopped(struct pcpu *pcpu)
{
    struct pcpu_journal *journal = pcpu->journal;
    bool waited = false;

    for (uint32_t at = journal->first; at != journal->last; at++) {
        const struct rv_event *event = pcpu_slot(pcpu, at);

        if (event->type == RV_EVENT_SYNC && ESR_GET(event->esr, ESR_ELx_EC) == ESR_EC_HVC64)
            pcpu->vcpu->page->pc = event->pc - 4;
        if (event->type == RV_EVENT_STOPPED)
            waited = event->flags & RV_EVENT_FLAG_WAITS;
    }
    __atomic_store_n(&journal->vcpu, RV_NO_VCPU, __ATOMIC_RELEASE);
    for (uint32_t at = journal->first; at != journal->last; at++)
        if (ends_with_stop(pcpu_slot(pcpu, at)))
            pcpu_strike(pcpu, at);
    return waited;
}

bool pcpu_next_left(struct pcpu *pcpu, unsigned vcpu, struct rv_event *event)
{
    for (uint32_t at = pcpu->journal->first; at != pcpu->journal->last; at++) {
        const struct rv_event *e = pcpu_slot(pcpu, at);

        if (e->vcpu == vcpu &&
            (e->type == RV_EVENT_POSTED || e->type == RV_EVENT_EOI || e->type == RV_EVENT_SERROR)) {
            *event = *e;
            return true;
        }
    }
    return false;
}

void pcpu_left_handled(struct pcpu *pcpu, const struct rv_event *event)
{
    for (uint32_t at = pcpu->journal->first; at != pcpu->journal->last; at++) {
        if (pcpu_slot(pcpu, at)->type && pcpu_slot(pcpu, at)->seq == event->seq) {
            pcpu_strike(pcpu, at);
            return;
        }
    }
}
