/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/trace/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/boot.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"
#include "vmm/exit/decode.h"
#include "vmm/exit/exit.h"
#include "vmm/trace/tap.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/util/thread.h"

/* What a burst of some 10,000 exits fills with a trace of everything; 13 MiB. */
#define TRACE_RECORDS 65536u

/* How long the thread sleeps when it has found nothing. */
#define TRACE_IDLE_NS 2000000

/* An access may cause another one, as by a device that reads an instruction's registers. */
#define TRACE_NESTED 4u

struct trace {
    struct tap tap;
    struct trace_filter filter;
    const struct trace_sink_ops *ops;
    void *opaque;
    pthread_t thread;
    struct trace_record *ring;
    uint32_t head; /* the loop's: next record to write */
    uint32_t tail; /* the thread's: next record to read */
    uint64_t lost; /* the loop's, read by the thread */
    bool over;     /* atomic: the sink has no use for records */
    bool stopping; /* atomic */
    bool ended;    /* atomic: the thread's last act */
    /* Of what has begun, in the loop's thread. */
    int64_t exit_begun, sleep_begun;
    int64_t access_begun[TRACE_NESTED];
    unsigned depth;
    uint64_t x0;
    unsigned nr_written;                                 /* accesses that wrote, of this exit */
    uint64_t written;                                    /* the last one's value */
    char name[sizeof(((struct trace_record *)0)->name)]; /* of what answers the exit */
};

/*
 * The ring: one producer, one consumer
 */

static void trace_put(struct trace *trace, const struct trace_record *record)
{
    uint32_t tail;

    if (!trace_filter_match(&trace->filter, record))
        return;
    /* Acquire pairs with the release in trace_drain(): the record there has been read. */
    tail = __atomic_load_n(&trace->tail, __ATOMIC_ACQUIRE);
    if (trace->head - tail >= TRACE_RECORDS) {
        __atomic_fetch_add(&trace->lost, 1, __ATOMIC_RELAXED);
        return;
    }
    trace->ring[trace->head % TRACE_RECORDS] = *record;
    /* Release pairs with the acquire in trace_drain(): the record is complete. */
    __atomic_store_n(&trace->head, trace->head + 1, __ATOMIC_RELEASE);
}

uint64_t trace_lost(const struct trace *trace)
{
    return __atomic_load_n(&trace->lost, __ATOMIC_RELAXED);
}

/* Gives the sink what is there now. False: nothing was. */
static bool trace_drain(struct trace *trace, uint64_t *told)
{
    uint64_t lost = trace_lost(trace);
    uint32_t head = __atomic_load_n(&trace->head, __ATOMIC_ACQUIRE);
    uint32_t tail = trace->tail;

    if (head == tail && lost == *told)
        return false;
    do {
        uint32_t at = tail % TRACE_RECORDS;
        uint32_t count = head - tail < TRACE_RECORDS - at ? head - tail : TRACE_RECORDS - at;

        trace->ops->records(trace->opaque, &trace->ring[at], count, lost - *told);
        *told = lost;
        tail += count;
        __atomic_store_n(&trace->tail, tail, __ATOMIC_RELEASE);
    } while (tail != head);
    return true;
}

static void *trace_main(void *opaque)
{
    static const struct timespec pause = {.tv_nsec = TRACE_IDLE_NS};
    struct trace *trace = opaque;
    uint64_t told = 0;
    bool stopping;

    do {
        if (trace->ops->is_over && trace->ops->is_over(trace->opaque))
            __atomic_store_n(&trace->over, true, __ATOMIC_RELAXED);
        /* Before the last look: what came until trace_stop() is in the ring by then. */
        stopping = __atomic_load_n(&trace->stopping, __ATOMIC_ACQUIRE);
        if ((!trace->over && trace_drain(trace, &told)) || stopping)
            continue;
        if (trace->ops->idle)
            trace->ops->idle(trace->opaque);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    } while (!stopping);
    trace->ops->end(trace->opaque);
    __atomic_store_n(&trace->ended, true, __ATOMIC_RELEASE);
    return NULL;
}

/*
 * The taps
 */

static struct trace_record trace_record(enum trace_kind kind)
{
    return (struct trace_record){
        .kind = (uint8_t)kind, .vm = TRACE_NONE, .vcpu = TRACE_NONE, .pcpu = TRACE_NONE};
}

static void trace_of_vcpu(struct trace_record *record, const struct vcpu *vcpu)
{
    record->vm = (uint16_t)vcpu->vm_id;
    record->vcpu = (uint16_t)vcpu->index;
    if (vcpu->pcpu)
        record->pcpu = (uint16_t)vcpu->pcpu->index;
}

static void trace_of_pcpu(struct trace_record *record, const struct pcpu *pcpu)
{
    if (pcpu->vcpu)
        trace_of_vcpu(record, pcpu->vcpu);
    record->pcpu = (uint16_t)pcpu->index;
}

static void trace_event(void *opaque, const struct pcpu *pcpu, const struct rv_event *event)
{
    struct trace_record record = trace_record(TRACE_EVENT);

    record.ns = record.begun = clock_now_ns();
    trace_of_pcpu(&record, pcpu);
    record.event = *event;
    trace_put(opaque, &record);
}

static void trace_command(void *opaque, const struct pcpu *pcpu, const struct rv_command *command)
{
    struct trace_record record = trace_record(TRACE_COMMAND);

    record.ns = record.begun = clock_now_ns();
    trace_of_pcpu(&record, pcpu);
    record.command = *command;
    trace_put(opaque, &record);
}

static void trace_kick(void *opaque, const struct pcpu *pcpu)
{
    struct trace_record record = trace_record(TRACE_KICK);

    record.ns = record.begun = clock_now_ns();
    trace_of_pcpu(&record, pcpu);
    trace_put(opaque, &record);
}

static void trace_exit_begin(void *opaque, const struct vcpu *vcpu, const struct rv_event *event)
{
    struct trace *trace = opaque;

    trace->exit_begun = clock_now_ns();
    trace->name[0] = '\0';
    trace->nr_written = 0;
    trace->x0 = vcpu->page->x[0];
}

/* What the guest wrote by a blocking exit: the devices know it, or the register that it is in. */
static void trace_written(const struct trace *trace, const struct vcpu *vcpu,
                          struct trace_record *record)
{
    struct exit_info info;

    record->value = trace->written;
    record->has_value = trace->nr_written == 1;
    if (trace->nr_written)
        return;
    decode_exit(&record->event, &info);
    if (info.kind != EXIT_SYSREG || info.u.sysreg.read)
        return;
    record->value = info.u.sysreg.rt < 31 ? vcpu->page->x[info.u.sysreg.rt] : 0;
    record->has_value = true;
}

static void trace_exit_end(void *opaque, const struct vcpu *vcpu, const struct rv_event *event,
                           const struct exit_reply *reply)
{
    struct trace *trace = opaque;
    struct trace_record record = trace_record(event->type == RV_EVENT_POSTED ? TRACE_POSTED
                                              : event->type == RV_EVENT_EOI  ? TRACE_EOI
                                                                             : TRACE_EXIT);

    /* It began before the trace did. */
    if (!trace->exit_begun)
        return;
    record.ns = clock_now_ns();
    record.begun = trace->exit_begun;
    trace_of_vcpu(&record, vcpu);
    record.event = *event;
    record.reply_flags = reply->flags;
    record.reply_reg = reply->reg;
    record.reply_value = reply->value;
    record.hold = reply->hold;
    record.x0 = trace->x0;
    memcpy(record.name, trace->name, sizeof(record.name));
    if (record.kind == TRACE_EXIT)
        trace_written(trace, vcpu, &record);
    trace->exit_begun = 0;
    trace_put(trace, &record);
}

static void trace_inject(void *opaque, const struct vcpu *vcpu, unsigned intid, uint32_t flags)
{
    struct trace_record record = trace_record(TRACE_INJECT);

    record.ns = record.begun = clock_now_ns();
    trace_of_vcpu(&record, vcpu);
    record.intid = intid;
    record.irq_flags = flags;
    trace_put(opaque, &record);
}

static void trace_access_begin(void *opaque, const struct tap_access *access)
{
    struct trace *trace = opaque;

    if (trace->depth < TRACE_NESTED)
        trace->access_begun[trace->depth] = clock_now_ns();
    trace->depth++;
    snprintf(trace->name, sizeof(trace->name), "%s", access->name);
}

static void trace_access_end(void *opaque, const struct tap_access *access)
{
    struct trace *trace = opaque;
    struct trace_record record = trace_record(TRACE_ACCESS);

    if (trace->depth == 0)
        return;
    trace->depth--;
    if (trace->depth >= TRACE_NESTED)
        return;
    record.ns = clock_now_ns();
    record.begun = trace->access_begun[trace->depth];
    record.address = access->address;
    record.value = access->value;
    record.size = access->size;
    record.is_write = access->is_write;
    record.error = access->error;
    if (access->is_write && trace->exit_begun) {
        trace->nr_written++;
        trace->written = access->value;
    }
    snprintf(record.name, sizeof(record.name), "%s", access->name);
    trace_put(trace, &record);
}

static void trace_line(void *opaque, unsigned intid, bool level)
{
    struct trace_record record = trace_record(TRACE_LINE);

    record.ns = record.begun = clock_now_ns();
    record.intid = intid;
    record.level = level;
    trace_put(opaque, &record);
}

static void trace_sleep_begin(void *opaque)
{
    ((struct trace *)opaque)->sleep_begun = clock_now_ns();
}

static void trace_sleep_end(void *opaque)
{
    struct trace *trace = opaque;
    struct trace_record record = trace_record(TRACE_SLEEP);

    if (!trace->sleep_begun)
        return;
    record.ns = clock_now_ns();
    record.begun = trace->sleep_begun;
    trace->sleep_begun = 0;
    trace_put(trace, &record);
}

static const struct tap_ops trace_taps = {
    .event = trace_event,
    .command = trace_command,
    .kick = trace_kick,
    .exit_begin = trace_exit_begin,
    .exit_end = trace_exit_end,
    .inject = trace_inject,
    .access_begin = trace_access_begin,
    .access_end = trace_access_end,
    .line = trace_line,
    .sleep_begin = trace_sleep_begin,
    .sleep_end = trace_sleep_end,
};

/*
 * Starting and stopping
 */

int trace_start(const struct trace_filter *filter, const struct trace_sink_ops *ops, void *opaque,
                struct trace **out)
{
    struct trace *trace = calloc(1, sizeof(*trace));
    int error = -ENOMEM;

    if (trace)
        trace->ring = calloc(TRACE_RECORDS, sizeof(*trace->ring));
    if (trace && trace->ring) {
        trace->filter = *filter;
        trace->ops = ops;
        trace->opaque = opaque;
        trace->tap = (struct tap){.ops = &trace_taps, .opaque = trace};
        error = thread_start(&trace->thread, trace_main, trace);
    }
    if (error) {
        log_error("cannot start a trace: %s", strerror(-error));
        ops->end(opaque);
        if (trace)
            free(trace->ring);
        free(trace);
        return error;
    }
    tap_add(&trace->tap);
    *out = trace;
    return 0;
}

void trace_stop_soon(struct trace *trace)
{
    if (trace->stopping)
        return;
    tap_remove(&trace->tap);
    /* First: when the thread has seen `stopping`, there may be no sink any more. */
    if (trace->ops->stop)
        trace->ops->stop(trace->opaque);
    __atomic_store_n(&trace->stopping, true, __ATOMIC_RELEASE);
}

bool trace_is_over(const struct trace *trace)
{
    return __atomic_load_n(&trace->over, __ATOMIC_RELAXED);
}

bool trace_has_ended(const struct trace *trace)
{
    return __atomic_load_n(&trace->ended, __ATOMIC_ACQUIRE);
}

void trace_stop(struct trace *trace)
{
    uint64_t lost;

    trace_stop_soon(trace);
    pthread_join(trace->thread, NULL);
    lost = trace_lost(trace);
    if (lost && !trace->ops->tells_lost)
        log_warn("the trace lacks %" PRIu64 " records, for which there was no time: a filter, or "
                 "a faster file, helps",
                 lost);
    free(trace->ring);
    free(trace);
}
