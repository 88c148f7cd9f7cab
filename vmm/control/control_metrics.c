/* SPDX-License-Identifier: BSD-2-Clause */
/* Resource /metrics: all numbers as Prometheus reads them (text format 0.0.4). */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"
#include "vmm/device/device.h"
#include "vmm/util/clock.h"
#include "vmm/vm/vm_pause.h"

static const char text_type[] = "text/plain; version=0.0.4; charset=utf-8";

/* A help text, or a label's value: what would end it is escaped. */
static void put_text(FILE *out, const char *text, bool is_label)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '\\' || (*text == '"' && is_label))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void begin(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s ", name);
    put_text(out, help, false);
    fprintf(out, "\n# TYPE %s %s\n", name, type);
}

static double seconds(uint64_t ns)
{
    return (double)ns / CLOCK_NS_PER_S;
}

static void put_vm(FILE *out, const struct control_target *target)
{
    const struct vm *vm = target->vm;

    begin(out, "ringvisor_uptime_seconds", "gauge", "time since the vmm started");
    fprintf(out, "ringvisor_uptime_seconds %.3f\n",
            seconds((uint64_t)(clock_now_ns() - target->started_ns)));
    begin(out, "ringvisor_paused", "gauge", "1: the guest is paused, or about to be");
    fprintf(out, "ringvisor_paused %d\n", vm_is_pausing(vm));
    begin(out, "ringvisor_memory_bytes", "gauge", "memory of the guest");
    fprintf(out, "ringvisor_memory_bytes %" PRIu64 "\n", vm->config.ram_size);
    begin(out, "ringvisor_vcpu_run_seconds_total", "counter",
          "time that a virtual CPU ran, as the scheduler counts it");
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        fprintf(out, "ringvisor_vcpu_run_seconds_total{vcpu=\"%u\"} %.6f\n", i,
                seconds(control_vcpu_run_ns(vm, i)));
    begin(out, "ringvisor_vcpu_stolen_seconds_total", "counter",
          "time that it was ready to run without a physical CPU");
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        fprintf(out, "ringvisor_vcpu_stolen_seconds_total{vcpu=\"%u\"} %.6f\n", i,
                seconds(vm->vcpus[i].stolen_ns));
}

/*
 * The loop and the rings
 */

static void put_rings(FILE *out, const struct cores *cores)
{
    begin(out, "ringvisor_loop_polls_total", "counter", "looks at the rings that found nothing");
    fprintf(out, "ringvisor_loop_polls_total %" PRIu64 "\n", cores->counts.polls);
    begin(out, "ringvisor_loop_sleeps_total", "counter", "sleeps of the vmm's loop");
    fprintf(out, "ringvisor_loop_sleeps_total %" PRIu64 "\n", cores->counts.sleeps);
    begin(out, "ringvisor_loop_early_sleeps_total", "counter",
          "those of them that came early, since CPUs of the host were scarce");
    fprintf(out, "ringvisor_loop_early_sleeps_total %" PRIu64 "\n", cores->counts.short_polls);
    begin(out, "ringvisor_pcpu_kicks_total", "counter", "doorbells that a physical CPU got");
    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        fprintf(out, "ringvisor_pcpu_kicks_total{pcpu=\"%u\"} %" PRIu64 "\n", i,
                cores->pcpus[i].kicks);
    begin(out, "ringvisor_ring_events", "gauge", "events that wait for the vmm in the ring");
    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        fprintf(out, "ringvisor_ring_events{pcpu=\"%u\"} %u\n", i,
                pcpu_depth(&cores->pcpus[i]).events);
    begin(out, "ringvisor_ring_commands", "gauge", "commands that wait for the stub in the ring");
    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        fprintf(out, "ringvisor_ring_commands{pcpu=\"%u\"} %u\n", i,
                pcpu_depth(&cores->pcpus[i]).commands);
}

/*
 * Exits
 */

static void put_count(void *opaque, const struct exit_stats_row *row)
{
    fprintf(opaque, "ringvisor_exits_total{kind=\"%s\"} %" PRIu64 "\n", row->name, row->count);
}

static void put_times(void *opaque, const struct exit_stats_row *row)
{
    static const char name[] = "ringvisor_exit_answer_seconds";
    uint64_t sum = 0;

    for (unsigned i = 0; i < EXIT_STATS_BUCKETS - 1; i++) {
        sum += row->stat->bucket[i];
        fprintf(opaque, "%s_bucket{kind=\"%s\",le=\"%g\"} %" PRIu64 "\n", name, row->name,
                seconds(UINT64_C(1) << (i + EXIT_STATS_SHIFT)), sum);
    }
    fprintf(opaque, "%s_bucket{kind=\"%s\",le=\"+Inf\"} %" PRIu64 "\n", name, row->name,
            row->stat->timed);
    fprintf(opaque, "%s_sum{kind=\"%s\"} %.9f\n", name, row->name, seconds(row->stat->ns));
    fprintf(opaque, "%s_count{kind=\"%s\"} %" PRIu64 "\n", name, row->name, row->stat->timed);
}

static void put_exits(FILE *out, const struct exit_stats *stats)
{
    begin(out, "ringvisor_exits_total", "counter", "exits of the guest, by kind");
    exit_stats_each(stats, put_count, out);
    begin(out, "ringvisor_exit_answer_seconds", "histogram",
          "from the event to the reply; every 16th exit of a kind is timed");
    exit_stats_each(stats, put_times, out);
}

/*
 * Counters of devices: all devices that have one of a name make one metric
 */

struct counter {
    FILE *out;
    const char *name; /* the one that is put; NULL: put nothing */
    bool begun;
    bool found; /* it is there */
};

static void put_name(FILE *out, const char *name)
{
    fputs("ringvisor_device_", out);
    for (; *name; name++)
        fputc(isalnum((unsigned char)*name) ? *name : '_', out);
    fputs("_total", out);
}

static void put_counter(void *opaque, const char *device, const char *name, const char *help,
                        uint64_t value)
{
    struct counter *counter = opaque;

    if (strcmp(name, counter->name) != 0)
        return;
    counter->found = true;
    if (!counter->out)
        return;
    if (!counter->begun) {
        fputs("# HELP ", counter->out);
        put_name(counter->out, name);
        fputc(' ', counter->out);
        put_text(counter->out, help, false);
        fputs("\n# TYPE ", counter->out);
        put_name(counter->out, name);
        fputs(" counter\n", counter->out);
    }
    counter->begun = true;
    put_name(counter->out, name);
    fputs("{device=\"", counter->out);
    put_text(counter->out, device, true);
    fprintf(counter->out, "\"} %" PRIu64 "\n", value);
}

struct walk {
    FILE *out;
    const struct vm *vm;
    unsigned index; /* of the device whose counters are looked at */
};

/* A counter that no device before this one has: that of all devices from here on. */
static void put_metric(void *opaque, const char *device, const char *name, const char *help,
                       uint64_t value)
{
    const struct walk *walk = opaque;
    struct counter counter = {.name = name};

    for (unsigned i = 0; i < walk->index; i++)
        device_counters(walk->vm->devices[i], put_counter, &counter);
    if (counter.found)
        return;
    counter.out = walk->out;
    for (unsigned i = walk->index; i < walk->vm->nr_devices; i++)
        device_counters(walk->vm->devices[i], put_counter, &counter);
}

static void put_devices(FILE *out, const struct vm *vm)
{
    struct walk walk = {.out = out, .vm = vm};

    for (; walk.index < vm->nr_devices; walk.index++)
        device_counters(vm->devices[walk.index], put_metric, &walk);
}

void control_metrics_show(struct control_call *call)
{
    const struct control_target *target = call->target;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (out) {
        put_vm(out, target);
        put_rings(out, target->vm->cores);
        put_exits(out, &target->vm->exits.stats);
        put_devices(out, target->vm);
    }
    if (!out || fclose(out))
        control_answer(call, CONTROL_FAILED, NULL);
    else
        control_answer_text(call, text_type, text);
    free(text);
}
