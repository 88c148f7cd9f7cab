/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm stat`: what a VM has done so far, in numbers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"

static const struct option_row rows[] = {VM_OPTION_JSON, VM_OPTION_HELP};

/* All of it in one object; NULL after a message. */
static json_t *collect(const char *vm)
{
    static const char *const lists[] = {"vcpus", "exits"};
    json_t *all = client_get(vm, "/vm"), *devices = all ? client_get(vm, "/devices") : NULL;
    json_t *details = json_array(), *device;
    size_t i;

    for (i = 0; devices && i < sizeof(lists) / sizeof(lists[0]); i++) {
        char path[32];
        json_t *answer;

        snprintf(path, sizeof(path), "/%s", lists[i]);
        answer = client_get(vm, path);
        json_object_set(all, i == 0 ? "cpus" : "exits", json_object_get(answer, lists[i]));
        json_decref(answer);
    }
    json_array_foreach(json_object_get(devices, "devices"), i, device)
        json_array_append_new(details, client_get_device(vm, vm_string(device, "name")));
    if (!devices) {
        json_decref(all);
        all = NULL;
    }
    json_decref(devices);
    if (all)
        json_object_set_new(all, "devices", details);
    else
        json_decref(details);
    return all;
}

static void print_cpus(const json_t *cpus)
{
    json_t *cpu;
    size_t i;

    printf("\n%-6s %-8s %5s %10s %10s\n", "vCPU", "state", "pCPU", "ran", "stolen");
    json_array_foreach((json_t *)cpus, i, cpu)
    {
        const json_t *pcpu = json_object_get(cpu, "pcpu");
        char number[24] = "-";

        if (json_is_integer(pcpu))
            snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(pcpu));
        printf("%-6zu %-8s %5s %10s %10s\n", i, vm_string(cpu, "state"), number,
               vm_time(vm_number(cpu, "run_ns")), vm_time(vm_number(cpu, "stolen_ns")));
    }
}

/* What so many percent of the times are less than; NULL: not known. */
static const char *quantile(const json_t *exit, unsigned percent)
{
    uint64_t wanted = vm_number(exit, "timed") * percent / 100, sum = 0;
    json_t *bucket;
    size_t i;

    json_array_foreach(json_object_get(exit, "times"), i, bucket)
    {
        sum += vm_number(bucket, "count");
        if (sum > wanted || (sum == wanted && percent == 100))
            return json_is_integer(json_object_get(bucket, "below_ns"))
                       ? vm_time(vm_number(bucket, "below_ns"))
                       : NULL;
    }
    return NULL;
}

static void print_exits(const json_t *exits)
{
    uint64_t total = 0;
    json_t *exit;
    size_t i;

    json_array_foreach((json_t *)exits, i, exit) total += vm_number(exit, "count");
    printf("\n%12s %7s %9s %9s %9s  %s\n", "exits", "share", "mean", "half <", "99 % <", "kind");
    json_array_foreach((json_t *)exits, i, exit)
    {
        uint64_t count = vm_number(exit, "count");
        const char *half = quantile(exit, 50), *most = quantile(exit, 99);

        printf("%12" PRIu64 " %5.1f %% %9s %9s %9s  %s\n", count,
               100 * (double)count / (double)total, vm_time(vm_number(exit, "mean_ns")),
               half ? half : "-", most ? most : "-", vm_string(exit, "kind"));
    }
}

static void print_devices(const json_t *devices)
{
    json_t *device, *counter;
    const char *name;
    size_t i;

    json_array_foreach((json_t *)devices, i, device)
    {
        json_t *counters = json_object_get(device, "counters");

        if (json_object_size(counters) == 0)
            continue;
        printf("\n%s\n", vm_string(device, "name"));
        json_object_foreach(counters, name, counter)
            printf("%12" PRIu64 "  %-16s %s\n", vm_number(counter, "value"), name,
                   vm_string(counter, "help"));
    }
}

static int stat(const struct vm_options *o)
{
    json_t *all = collect(o->args[0]);

    if (!all)
        return STATUS_VMM;
    if (o->json) {
        vm_print_json(all);
        return STATUS_OK;
    }
    printf("%s: %s for %s, %s of memory\n", vm_string(all, "name"), vm_string(all, "state"),
           vm_uptime(vm_number(all, "uptime_ms")), vm_bytes(vm_number(all, "memory")));
    print_cpus(json_object_get(all, "cpus"));
    print_exits(json_object_get(all, "exits"));
    print_devices(json_object_get(all, "devices"));
    json_decref(all);
    return STATUS_OK;
}

static const struct vm_command stat_command = {
    .usage = "NAME",
    .text =
        "Show what a VM's CPUs and devices have done so far, and its exits by kind: how many, the\n"
        "mean time from the event to the vmm's reply, and what half of the times and 99 of 100\n"
        "are less than.",
    VM_ROWS(rows),
    .min_args = 1,
    .max_args = 1,
    .run = stat,
};

const struct command command_stat = {
    .name = "stat", .summary = "show a VM's counters", .vm = &stat_command};
