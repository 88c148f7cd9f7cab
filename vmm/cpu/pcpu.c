/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/pcpu_internal.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "proto/arm/esr.h"
#include "proto/arm/gic.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/cpu/vcpu.h"
#include "vmm/gic/page_irqs.h"
#include "vmm/trace/tap.h"

/*
 * A stub that does not answer for so long never will. While this process does not run itself, on a host
 * that is overloaded or was frozen, the stub may not run either: no more than LOOK_MAX_NS counts of such
 * a time.
 */
#define ANSWER_TIMEOUT_S 5
#define LOOK_MAX_NS      20000000
#define LOOKS_PER_CLOCK  1024u

/* A tag tells acknowledged commands apart, and says of the others which VM they named. */
#define TAG_POSTED (1u << 31)

void pcpu_init(struct pcpu *pcpu, struct machine *machine, unsigned index)
{
    memset(pcpu, 0, offsetof(struct pcpu, own)); /* that is large, and pages nobody uses */
    pcpu->machine = machine;
    pcpu->index = index;
    pcpu->channel = &machine->channels[index];
    pcpu->journal = &pcpu->own;
    pcpu_journal_init(pcpu->journal);
    /* Answers to a process that had the machine before may still be in the ring. */
    if (getrandom(&pcpu->tag, sizeof(pcpu->tag), 0) != sizeof(pcpu->tag))
        pcpu->tag = (uint32_t)getpid();
}

int pcpu_lose(struct pcpu *pcpu, const char *why)
{
    if (!pcpu->lost)
        log_error("pCPU %u is lost: %s", pcpu->index, why);
    pcpu->lost = true;
    return -EIO;
}

/* For loops that wait for the stub: -EIO when it took too long or the machine is gone. */
struct patience {
    unsigned looks;
    int64_t looked_ns, waited_ns;
};

static int wait_more(struct pcpu *pcpu, struct patience *patience)
{
    int64_t now, took;

    if (++patience->looks % LOOKS_PER_CLOCK)
        return 0;
    now = clock_now_ns();
    took = patience->looked_ns ? now - patience->looked_ns : 0;
    patience->looked_ns = now;
    patience->waited_ns += took < LOOK_MAX_NS ? took : LOOK_MAX_NS;
    if (pcpu->machine->ops->is_dead(pcpu->machine))
        return pcpu_lose(pcpu, "the machine ended");
    if (patience->waited_ns > ANSWER_TIMEOUT_S * (int64_t)CLOCK_NS_PER_S)
        return pcpu_lose(pcpu, "the stub does not answer");
    sched_yield(); /* the stub's thread, or who wakes it, may want this CPU */
    return 0;
}

static void kick(struct pcpu *pcpu)
{
    pcpu->kicks++;
    tap_kick(pcpu);
    pcpu->machine->ops->kick(pcpu->machine, pcpu->index);
}

/* After such an event the guest does not run until the vmm says so. */
static bool ends_guest_run(const struct rv_event *event)
{
    return event->type == RV_EVENT_SYNC || event->type == RV_EVENT_SERROR ||
           event->type == RV_EVENT_STOPPED;
}

/* What the rest of the vmm relies on. */
static bool is_legal(const struct pcpu *pcpu, const struct rv_event *event)
{
    switch (event->type) {
    case RV_EVENT_SYNC:
    case RV_EVENT_SERROR:
        return pcpu->vcpu && event->vcpu == pcpu->vcpu->number && pcpu->guest_runs &&
               event->flags == RV_EVENT_FLAG_BLOCKING;
    case RV_EVENT_POSTED:
    case RV_EVENT_EOI:
    case RV_EVENT_REFILL:
    case RV_EVENT_STOPPED: return pcpu->vcpu && event->vcpu == pcpu->vcpu->number;
    case RV_EVENT_READY:
    case RV_EVENT_ACK:
    case RV_EVENT_REFUSED:
    case RV_EVENT_PANIC:
    case RV_EVENT_STRAY: return true;
    default: return false;
    }
}

/* The stub's own numbers of CPUs in the mask. */
static uint64_t cpu_mask(const struct machine *machine, uint64_t mask)
{
    uint64_t numbers = 0;

    if (!machine->cpu_numbers)
        return mask;
    for (; mask; mask &= mask - 1)
        numbers |= 1ull << machine->cpu_numbers[__builtin_ctzll(mask)];
    return numbers;
}

/* The next event of the ring, copied. False: there is none. */
static bool look(const struct pcpu *pcpu, struct rv_event *event)
{
    const struct rv_event *next = &pcpu->channel->event[pcpu->event_tail % RV_EVENT_ENTRIES];

    if (pcpu->lost || !rv_ring_ready(&next->seq, pcpu->event_tail))
        return false;
    memcpy(event, next, sizeof(*event));
    __asm__ volatile("" : "+m"(*event)); /* the copy is what is looked at from here on */
    if (event->vcpu != RV_NO_VCPU)
        event->vcpu = (uint16_t)(event->vcpu - pcpu->machine->first_vcpu);
    event->seq = pcpu->event_tail + 1;
    return true;
}

/*
 * The event that look() gave is ours now: checked, what it says of the guest noted, and its entry
 * given back. The caller has put it where it is not lost.
 */
static bool take_it(struct pcpu *pcpu, const struct rv_event *event)
{
    bool legal = is_legal(pcpu, event);

    /* At once, even if the event is handled later: a RETRACT that follows must find it. */
    if (legal && event->type == RV_EVENT_REFILL && event->value & LR_STATES &&
        page_irqs_add(&pcpu->vcpu->page->gic, pcpu->machine->nr_lrs, event->value)) {
        pcpu_lose(pcpu, "the stub sent more interrupts than a vCPU can have");
        return false;
    }
    pcpu->event_tail++;
    /* Release: the copy is made before the stub may write the entry again. */
    rv_store_release(&pcpu->channel->event_tail.v, pcpu->event_tail);
    /* A stub that sleeps since its ring was full: the fence pairs with event_begin()'s. */
    if (pcpu->event_tail % RV_EVENT_BATCH == 0 &&
        rv_ring_wants_wakeup(&pcpu->channel->event_full.v))
        kick(pcpu);
    if (!legal) {
        pcpu_lose(pcpu, "the stub sent an illegal event");
        return false;
    }
    if (ends_guest_run(event))
        pcpu->guest_runs = false;
    tap_event(pcpu, event);
    return true;
}

struct rv_event *pcpu_slot(const struct pcpu *pcpu, uint32_t at)
{
    return &pcpu->journal->deferred[at % JOURNAL_DEFERRED];
}

/* Put an event aside until pcpu_next_event(). 0, or -EIO: there is no room. */
static int defer(struct pcpu *pcpu, const struct rv_event *event)
{
    struct pcpu_journal *journal = pcpu->journal;

    if (journal->last - journal->first >= JOURNAL_DEFERRED)
        return pcpu_lose(pcpu, "the stub sends events without end");
    *pcpu_slot(pcpu, journal->last) = *event;
    __atomic_store_n(&journal->last, journal->last + 1, __ATOMIC_RELEASE);
    pcpu->nr_deferred++;
    return 0;
}

/*
 * Take an event while something else is going on. 1: it is an answer to this process, in
 * `event`; 0: there was none, or it was put aside; -EIO.
 */
static int take_aside(struct pcpu *pcpu, struct rv_event *event)
{
    bool is_answer;

    if (!look(pcpu, event))
        return 0;
    is_answer = event->type == RV_EVENT_ACK || event->type == RV_EVENT_REFUSED;
    if (!is_answer && defer(pcpu, event))
        return -EIO;
    if (pcpu->undo && event->type == RV_EVENT_ACK)
        undo_answered(pcpu->undo, pcpu->index, (uint32_t)event->esr, event->value);
    if (!take_it(pcpu, event))
        return -EIO;
    return is_answer;
}

/* The command ring is full: wait until the stub has taken a command. 0 or -EIO. */
static __attribute__((noinline)) int make_room(struct pcpu *pcpu)
{
    struct patience patience = {0};
    struct rv_event event;

    while (pcpu->command_head - pcpu->command_tail >= RV_COMMAND_ENTRIES) {
        /* Acquire: the stub has copied the entries that it gives back. */
        uint32_t tail = rv_load_acquire(&pcpu->channel->command_tail.v);

        if (rv_ring_space(pcpu->command_head, tail, RV_COMMAND_ENTRIES) < 0)
            return pcpu_lose(pcpu, "the stub wrote an impossible index of the command ring");
        if (tail == pcpu->command_tail) {
            /* The stub may wait for room for its events in turn. */
            int taken = take_aside(pcpu, &event);

            if (taken < 0 || (taken && defer(pcpu, &event)))
                return -EIO;
            pcpu_notify(pcpu);
            if (wait_more(pcpu, &patience))
                return -EIO;
        }
        pcpu->command_tail = tail;
    }
    return 0;
}

static int push(struct pcpu *pcpu, const struct rv_command *command)
{
    struct rv_channel *channel = pcpu->channel;
    uint32_t head = pcpu->command_head;
    struct rv_command *slot = &channel->command[head % RV_COMMAND_ENTRIES];

    if (pcpu->lost)
        return -EIO;
    if (head - pcpu->command_tail >= RV_COMMAND_ENTRIES && make_room(pcpu))
        return -EIO;
    tap_command(pcpu, command);
    memcpy((uint8_t *)slot + sizeof(slot->seq), (const uint8_t *)command + sizeof(slot->seq),
           sizeof(*slot) - sizeof(slot->seq));
    slot->vcpu = (uint16_t)(command->vcpu + pcpu->machine->first_vcpu);
    if (command->op == RV_COMMAND_REPLY)
        slot->arg[1] = cpu_mask(pcpu->machine, command->arg[1]);
    rv_ring_publish(&slot->seq, head);
    pcpu->command_head = head + 1;
    rv_store_relaxed(&channel->command_head.v, head + 1);
    if (!pcpu->notify_due)
        pcpu->kick_at = 0;
    pcpu->notify_due = true;
    return 0;
}

static int push_tagged(struct pcpu *pcpu, const struct rv_command *command)
{
    struct rv_command tagged = *command;

    tagged.tag = TAG_POSTED | command->vm;
    return push(pcpu, &tagged);
}

/* Before a command that is answered: what waits comes first. */
static void push_waiting(struct pcpu *pcpu)
{
    struct rv_command command;

    while (pcpu->undo && pcpu->undo->open && undo_take(pcpu->undo, pcpu->index, &command))
        push_tagged(pcpu, &command);
}

int pcpu_push(struct pcpu *pcpu, const struct rv_command *command)
{
    if (!pcpu->undo || !pcpu->undo->open)
        return push_tagged(pcpu, command);
    if (undo_defer(pcpu->undo, pcpu->index, command)) {
        if (!pcpu->notify_due)
            pcpu->kick_at = 0;
        pcpu->notify_due = true;
        return pcpu->lost ? -EIO : 0;
    }
    push_waiting(pcpu);
    return push_tagged(pcpu, command);
}

/* Will the stub not look at its ring before its guest exits? */
static bool looks_away(const struct pcpu *pcpu)
{
    return pcpu->guest_runs && !rv_load_relaxed(&pcpu->channel->command_polling.v);
}

bool pcpu_notify(struct pcpu *pcpu)
{
    bool asleep;

    if (!pcpu->notify_due)
        return false;
    pcpu->notify_due = false;
    asleep = rv_ring_wants_wakeup(&pcpu->channel->command_waiting.v);
    if (asleep || looks_away(pcpu))
        kick(pcpu);
    return asleep;
}

bool pcpu_notify_soon(struct pcpu *pcpu, uint64_t now)
{
    if (!pcpu->notify_due)
        return false;
    if (rv_ring_wants_wakeup(&pcpu->channel->command_waiting.v)) {
        pcpu->notify_due = false;
        kick(pcpu);
        return false;
    }
    if (!looks_away(pcpu) ||
        rv_load_relaxed(&pcpu->channel->command_tail.v) == pcpu->command_head) {
        pcpu->notify_due = false;
        return false;
    }
    if (!pcpu->kick_at)
        pcpu->kick_at = now + pcpu->machine->kick_ns;
    if (now < pcpu->kick_at)
        return true;
    pcpu->notify_due = false;
    kick(pcpu);
    return false;
}

/* The position of the n-th event that was put aside; `last`: there are not so many. */
static uint32_t nth(const struct pcpu *pcpu, unsigned n)
{
    const struct pcpu_journal *journal = pcpu->journal;
    uint32_t at = journal->first;

    while (at != journal->last && (!pcpu_slot(pcpu, at)->type || n--))
        at++;
    return at;
}

const struct rv_event *pcpu_deferred(const struct pcpu *pcpu, unsigned n)
{
    return pcpu_slot(pcpu, nth(pcpu, n));
}

void pcpu_strike(struct pcpu *pcpu, uint32_t at)
{
    struct pcpu_journal *journal = pcpu->journal;
    uint32_t first = journal->first;

    __atomic_store_n(&pcpu_slot(pcpu, at)->type, 0, __ATOMIC_RELEASE);
    pcpu->nr_deferred--;
    while (first != journal->last && !pcpu_slot(pcpu, first)->type)
        first++;
    __atomic_store_n(&journal->first, first, __ATOMIC_RELEASE);
}

/* How far the write goes is not looked at: no access has more than 8 bytes. */
static bool is_posted_to(const volatile struct rv_event *event, uint64_t start, uint64_t size)
{
    uint64_t ipa = event->ipa;

    return event->type == RV_EVENT_POSTED && (ipa - start < size || start - ipa < sizeof(uint64_t));
}

unsigned pcpu_posted(const struct pcpu *pcpu, uint64_t start, uint64_t size)
{
    const struct pcpu_journal *journal = pcpu->journal;
    uint32_t at = pcpu->event_tail;
    unsigned posted = 0;

    for (uint32_t i = journal->first; pcpu->nr_deferred && i != journal->last; i++)
        posted += is_posted_to(pcpu_slot(pcpu, i), start, size);
    for (; at - pcpu->event_tail < RV_EVENT_ENTRIES; at++) {
        const struct rv_event *event = &pcpu->channel->event[at % RV_EVENT_ENTRIES];

        if (!rv_ring_ready(&event->seq, at))
            break;
        posted += is_posted_to(event, start, size);
    }
    return posted;
}

/* The event is in the journal before it is nowhere else. */
static void set_current(struct pcpu *pcpu, const struct rv_event *event)
{
    struct pcpu_journal *journal = pcpu->journal;

    journal->current.type = 0;
    __atomic_store_n(&journal->phase, JOURNAL_TAKEN, __ATOMIC_RELEASE);
    memcpy((uint8_t *)&journal->current + 8, (const uint8_t *)event + 8, sizeof(*event) - 8);
    journal->current.seq = event->seq;
    journal->current.flags = event->flags;
    journal->current.vcpu = event->vcpu;
    __atomic_store_n(&journal->current.type, event->type, __ATOMIC_RELEASE);
}

bool pcpu_next_event(struct pcpu *pcpu, struct rv_event *event)
{
    uint32_t at;

    if (!pcpu->nr_deferred) {
        if (!look(pcpu, event))
            return false;
        set_current(pcpu, event);
        return take_it(pcpu, event);
    }
    at = nth(pcpu, 0);
    *event = *pcpu_slot(pcpu, at);
    set_current(pcpu, event);
    pcpu_strike(pcpu, at);
    return true;
}

void pcpu_handled(struct pcpu *pcpu)
{
    __atomic_store_n(&pcpu->journal->current.type, 0, __ATOMIC_RELEASE);
}

void pcpu_handling(struct pcpu *pcpu, const uint64_t x[31])
{
    memcpy(pcpu->journal->x, x, sizeof(pcpu->journal->x));
    __atomic_store_n(&pcpu->journal->phase, JOURNAL_HANDLING, __ATOMIC_RELEASE);
}

void pcpu_replying(struct pcpu *pcpu, const struct rv_command *reply, uint32_t dirty)
{
    struct pcpu_journal *journal = pcpu->journal;

    journal->reply = *reply;
    journal->dirty = dirty;
    journal->reply_at = pcpu->command_head;
    if (pcpu->undo)
        journal->reply_at += undo_commands(pcpu->undo, pcpu->index);
    __atomic_store_n(&journal->phase, JOURNAL_REPLYING, __ATOMIC_RELEASE);
}

void pcpu_running(struct pcpu *pcpu, const struct vcpu *vcpu)
{
    pcpu->journal->run_at = pcpu->command_head;
    __atomic_store_n(&pcpu->journal->vcpu, vcpu->number, __ATOMIC_RELEASE);
}

uint32_t pcpu_next_tag(const struct pcpu *pcpu)
{
    return (pcpu->tag + 1) & ~TAG_POSTED;
}

int pcpu_call(struct pcpu *pcpu, struct rv_command *command, uint64_t *value)
{
    struct patience patience = {0};
    struct rv_event event;

    command->flags |= RV_COMMAND_FLAG_ACK;
    command->tag = pcpu->tag = pcpu_next_tag(pcpu);
    push_waiting(pcpu);
    if (push(pcpu, command))
        return -EIO;
    pcpu_notify(pcpu);
    for (;;) {
        int taken;

        while ((taken = take_aside(pcpu, &event)) == 0) {
            if (pcpu->lost || wait_more(pcpu, &patience))
                return -EIO;
        }
        if (taken < 0)
            return -EIO;
        if (event.type == RV_EVENT_ACK && (uint32_t)event.esr == command->tag) {
            if (value)
                *value = event.value;
            return event.ipa == RV_STATUS_OK ? 0 : -ENOMEM;
        }
        if (event.type == RV_EVENT_REFUSED && (uint32_t)event.esr == command->tag) {
            pcpu_log_refusal(pcpu, &event);
            return -EPERM;
        }
        if (defer(pcpu, &event))
            return -EIO;
    }
}

unsigned pcpu_refused_vm(const struct rv_event *event)
{
    uint32_t tag = (uint32_t)event->esr;

    return tag & TAG_POSTED && (tag & ~TAG_POSTED) < RV_MAX_VMS ? tag & ~TAG_POSTED : RV_MAX_VMS;
}

static const char *const reasons[] = {
    [RV_REFUSED_OP] = "no such command",
    [RV_REFUSED_VM] = "no such VM, it exists already, or it was stopped",
    [RV_REFUSED_VCPU] = "no such vCPU, it exists already, or it is of another VM",
    [RV_REFUSED_RANGE] = "memory that is not the VM's",
    [RV_REFUSED_ALIGN] = "not a multiple of the page size",
    [RV_REFUSED_STATE] = "not possible in this state",
    [RV_REFUSED_GROUPS] = "unknown register group",
    [RV_REFUSED_REGISTER] = "a register value that may not be loaded",
    [RV_REFUSED_INTID] = "an INTID that the VM may not have",
    [RV_REFUSED_FLAGS] = "unknown flags",
    [RV_REFUSED_RING] = "an impossible ring index",
    [RV_REFUSED_OVERLAP] = "a range that is taken already, not mapped, or cuts a block",
};

void pcpu_log_refusal(const struct pcpu *pcpu, const struct rv_event *event)
{
    const char *reason = NULL;

    if (event->value < sizeof(reasons) / sizeof(*reasons))
        reason = reasons[event->value];
    log_error("the stub refused command %llu on pCPU %u: %s", (unsigned long long)event->ipa,
              pcpu->index, reason ? reason : "unknown reason");
}
