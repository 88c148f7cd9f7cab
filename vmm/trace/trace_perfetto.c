/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A trace for Perfetto's UI and for chrome://tracing: an array of events in JSON ("Trace Event
 * Format", of the Chromium project). vCPUs, pCPUs, the vmm and the devices are its processes,
 * and each vCPU, pCPU and device a thread with a track of its own.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/boot.h"
#include "vmm/exit/decode.h"
#include "vmm/trace/trace_internal.h"
#include "vmm/trace/trace_words.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

enum group { GROUP_VCPUS = 1, GROUP_PCPUS, GROUP_VMM, GROUP_DEVICES, GROUPS };

#define TRACKS_MAX 256u /* of a group; what is above is put on the last one */

struct perfetto {
    struct trace_file file;
    int64_t zero;
    uint64_t lost;                    /* before the next record */
    bool begun;                       /* an event is in the file: a comma comes next */
    bool named[GROUPS][TRACKS_MAX];   /* the track has its name */
    char devices[TRACKS_MAX][48];     /* by track; empty: not given out */
    int64_t runs_since[RV_MAX_PCPUS]; /* 0: no vCPU runs there */
};

/* The start of an event: ",\n{" and what all events have. */
static void event(struct perfetto *p, const char *phase, enum group group, unsigned track)
{
    trace_file_print(&p->file, "%s{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u", p->begun ? ",\n" : "[\n",
                     phase, (int)group, track + 1);
    p->begun = true;
}

/* Text in JSON. What it prints is plain ASCII. */
static void string_after(struct perfetto *p, const char *before, const char *key, const char *text)
{
    char quoted[1024];
    size_t used = 0;

    for (; *text && used < sizeof(quoted) - 7; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            quoted[used++] = '\\';
        if (c < 0x20 || c > 0x7e)
            used += (size_t)snprintf(quoted + used, 7, "\\u%04x", c);
        else
            quoted[used++] = (char)c;
    }
    quoted[used] = '\0';
    trace_file_print(&p->file, "%s\"%s\":\"%s\"", before, key, quoted);
}

static void string(struct perfetto *p, const char *key, const char *text)
{
    string_after(p, ",", key, text);
}

/* A time in microseconds with three decimals. */
static void microseconds(struct perfetto *p, const char *key, int64_t ns)
{
    ns = ns > 0 ? ns : 0;
    trace_file_print(&p->file, ",\"%s\":%" PRId64 ".%03" PRId64, key, ns / 1000, ns % 1000);
}

static void name_of(struct perfetto *p, const char *what, enum group group, unsigned track,
                    const char *name)
{
    event(p, "M", group, track);
    string(p, "name", what);
    string_after(p, ",\"args\":{", "name", name);
    trace_file_print(&p->file, "}}");
}

/* A track by its number in its group: named when it is first used. */
static unsigned track_of(struct perfetto *p, enum group group, unsigned number)
{
    static const char *const names[GROUPS] = {
        [GROUP_VCPUS] = "vCPU", [GROUP_PCPUS] = "pCPU", [GROUP_VMM] = "loop"};
    unsigned track = number < TRACKS_MAX ? number : TRACKS_MAX - 1;
    char name[64];

    if (p->named[group][track])
        return track;
    p->named[group][track] = true;
    if (group == GROUP_DEVICES)
        snprintf(name, sizeof(name), "%s", p->devices[track]);
    else if (group == GROUP_VMM)
        snprintf(name, sizeof(name), "%s", names[group]);
    else
        snprintf(name, sizeof(name), "%s %u", names[group], track);
    name_of(p, "thread_name", group, track, name);
    return track;
}

static unsigned device_track(struct perfetto *p, const char *name)
{
    unsigned track = 0;

    while (track < TRACKS_MAX - 1 && p->devices[track][0] && strcmp(p->devices[track], name) != 0)
        track++;
    if (!p->devices[track][0])
        snprintf(p->devices[track], sizeof(p->devices[track]), "%s", name);
    return track_of(p, GROUP_DEVICES, track);
}

static unsigned vcpu_track(struct perfetto *p, const struct trace_record *r)
{
    return track_of(p, GROUP_VCPUS, r->vm == 0 ? r->vcpu : r->vm * 32u + r->vcpu);
}

/* Something that took time, from `begun` on; its "args" and the end of the event are to follow. */
static void slice(struct perfetto *p, enum group group, unsigned track, const char *name,
                  int64_t begun, int64_t ended)
{
    event(p, "X", group, track);
    string(p, "name", name);
    microseconds(p, "ts", begun - p->zero);
    microseconds(p, "dur", ended - begun);
}

static void instant(struct perfetto *p, enum group group, unsigned track, const char *name,
                    int64_t at)
{
    event(p, "i", group, track);
    string(p, "name", name);
    microseconds(p, "ts", at - p->zero);
    trace_file_print(&p->file, ",\"s\":\"t\"}");
}

/* On the vCPU's track, and as the loop's work. */
static void exit_slices(struct perfetto *p, const struct trace_record *r)
{
    char what[320], answer[128], name[64];
    struct exit_info info;

    decode_exit(&r->event, &info);
    snprintf(name, sizeof(name), "%s",
             r->kind == TRACE_POSTED ? "posted write"
             : r->kind == TRACE_EOI  ? "end of interrupt"
                                     : decode_kind_name(info.kind));
    trace_what(r, what, sizeof(what));
    trace_answer(r, answer, sizeof(answer));
    slice(p, GROUP_VCPUS, vcpu_track(p, r), name, r->begun, r->ns);
    trace_file_print(&p->file, ",\"args\":{\"esr\":\"0x%" PRIx64 "\",\"pc\":\"0x%" PRIx64 "\"",
                     r->event.esr, r->event.pc);
    string(p, "what", what);
    string(p, "by", answer);
    trace_file_print(&p->file, "}}");
    slice(p, GROUP_VMM, track_of(p, GROUP_VMM, 0), name, r->begun, r->ns);
    trace_file_print(&p->file, ",\"args\":{\"vcpu\":%u}}", r->vcpu);
}

/* Until when a vCPU has run on a pCPU. */
static void pcpu_slice(struct perfetto *p, const struct trace_record *r)
{
    unsigned pcpu = r->pcpu % RV_MAX_PCPUS;
    char name[32];

    if (p->runs_since[pcpu] == 0)
        return;
    snprintf(name, sizeof(name), "vCPU %u", r->vcpu);
    slice(p, GROUP_PCPUS, track_of(p, GROUP_PCPUS, r->pcpu), name, p->runs_since[pcpu], r->begun);
    trace_file_print(&p->file, "}");
    p->runs_since[pcpu] = 0;
}

static void pcpu_record(struct perfetto *p, const struct trace_record *r)
{
    char what[320];

    if (r->kind == TRACE_EVENT &&
        (r->event.type == RV_EVENT_SYNC || r->event.type == RV_EVENT_SERROR ||
         r->event.type == RV_EVENT_STOPPED))
        pcpu_slice(p, r);
    if (r->kind == TRACE_COMMAND &&
        (r->command.op == RV_COMMAND_REPLY || r->command.op == RV_COMMAND_RUN))
        p->runs_since[r->pcpu % RV_MAX_PCPUS] = r->ns;
    trace_what(r, what, sizeof(what));
    instant(p, GROUP_PCPUS, track_of(p, GROUP_PCPUS, r->pcpu), what, r->ns);
}

static void put(struct perfetto *p, const struct trace_record *r)
{
    char what[320];

    switch ((enum trace_kind)r->kind) {
    case TRACE_EXIT:
    case TRACE_POSTED:
    case TRACE_EOI: exit_slices(p, r); break;
    case TRACE_EVENT:
    case TRACE_COMMAND:
    case TRACE_KICK: pcpu_record(p, r); break;
    case TRACE_INJECT:
        trace_what(r, what, sizeof(what));
        instant(p, GROUP_VCPUS, vcpu_track(p, r), what, r->ns);
        break;
    case TRACE_ACCESS:
        trace_what(r, what, sizeof(what));
        slice(p, GROUP_DEVICES, device_track(p, r->name), r->is_write ? "write" : "read", r->begun,
              r->ns);
        string_after(p, ",\"args\":{", "what", what);
        trace_file_print(&p->file, "}}");
        break;
    case TRACE_LINE:
        trace_what(r, what, sizeof(what));
        instant(p, GROUP_DEVICES, device_track(p, "interrupt lines"), what, r->ns);
        break;
    case TRACE_SLEEP:
        slice(p, GROUP_VMM, track_of(p, GROUP_VMM, 0), "asleep", r->begun, r->ns);
        trace_file_print(&p->file, "}");
        break;
    case TRACE_KINDS: break;
    }
}

static void perfetto_records(void *opaque, const struct trace_record *records, unsigned count,
                             uint64_t lost)
{
    struct perfetto *p = opaque;
    char name[64];

    p->lost += lost;
    if (p->lost && count) {
        snprintf(name, sizeof(name), "%" PRIu64 TRACE_LOST, p->lost);
        instant(p, GROUP_VMM, track_of(p, GROUP_VMM, 0), name, records[0].begun);
        p->lost = 0;
    }
    for (unsigned i = 0; i < count; i++) {
        put(p, &records[i]);
        trace_file_complete(&p->file);
    }
}

static void perfetto_idle(void *opaque)
{
    trace_file_flush(&((struct perfetto *)opaque)->file);
}

static void perfetto_stop(void *opaque)
{
    trace_file_hurry(&((struct perfetto *)opaque)->file);
}

static bool perfetto_is_over(void *opaque)
{
    return ((const struct perfetto *)opaque)->file.failed;
}

static void perfetto_end(void *opaque)
{
    trace_file_close(&((struct perfetto *)opaque)->file);
    free(opaque);
}

static const struct trace_sink_ops perfetto_ops = {
    .records = perfetto_records,
    .idle = perfetto_idle,
    .stop = perfetto_stop,
    .end = perfetto_end,
};

static const struct trace_sink_ops perfetto_stream_ops = {
    .records = perfetto_records,
    .idle = perfetto_idle,
    .stop = perfetto_stop,
    .is_over = perfetto_is_over,
    .end = perfetto_end,
    .tells_lost = true,
};

/* What all of these files begin with. */
static void perfetto_begin(struct perfetto *p)
{
    static const char *const groups[GROUPS] = {[GROUP_VCPUS] = "vCPUs",
                                               [GROUP_PCPUS] = "pCPUs",
                                               [GROUP_VMM] = "vmm",
                                               [GROUP_DEVICES] = "devices"};

    p->file.ending = TRACE_PERFETTO_END;
    for (unsigned group = GROUP_VCPUS; group < GROUPS; group++)
        name_of(p, "process_name", group, 0, groups[group]);
    trace_file_complete(&p->file);
}

int trace_perfetto_start(const char *spec, struct trace_origin *origin, struct trace **trace)
{
    struct perfetto *p = calloc(1, sizeof(*p));
    struct trace_filter filter = {0};
    int error;

    if (!p) {
        log_error("trace: out of memory");
        return -ENOMEM;
    }
    error = trace_file_open(&p->file, spec, TRACE_PERFETTO_END, origin, &filter);
    p->zero = origin->zero;
    p->begun = p->file.goes_on;
    if (error) {
        perfetto_end(p);
        return error;
    }
    perfetto_begin(p);
    trace_file_flush(&p->file);
    return trace_start(&filter, &perfetto_ops, p, trace);
}

int trace_perfetto_stream(int fd, const char *head, const struct trace_filter *filter,
                          struct trace **trace)
{
    struct perfetto *p = calloc(1, sizeof(*p));

    if (!p) {
        close(fd);
        return -ENOMEM;
    }
    p->zero = clock_now_ns();
    trace_file_of_client(&p->file, fd);
    trace_file_print(&p->file, "%s", head);
    perfetto_begin(p);
    return trace_start(filter, &perfetto_stream_ops, p, trace);
}
