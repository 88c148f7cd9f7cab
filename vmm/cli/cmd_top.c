/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm top`: what the VMs of this user do now, a line each, again and again. */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/terminal.h"
#include "vmm/cli/vm_command.h"
#include "vmm/util/clock.h"

#define MAX_SECONDS 3600
#define MAX_ROUNDS  1000000

/* A VM's counters at one time, and the names of those that a sample has. */
enum value { RUN_NS, EXITS, READ_BYTES, WRITTEN_BYTES, RECEIVED_BYTES, SENT_BYTES, VALUES };

static const char *const value_names[VALUES] = {
    [RUN_NS] = "run_ns",
    [EXITS] = "exits",
    [READ_BYTES] = "read-bytes",
    [WRITTEN_BYTES] = "written-bytes",
    [RECEIVED_BYTES] = "received-bytes",
    [SENT_BYTES] = "sent-bytes",
};

/*
 * Sampling
 */

/* The sum of a counter over the devices of a list. */
static uint64_t sum_counters(const json_t *devices, const char *name)
{
    uint64_t sum = 0;
    json_t *device;
    size_t i;

    json_array_foreach((json_t *)devices, i, device) sum +=
        vm_number(json_object_get(json_object_get(device, "counters"), name), "value");
    return sum;
}

static void set_number(json_t *sample, enum value which, uint64_t number)
{
    json_object_set_new(sample, value_names[which], json_integer((json_int_t)number));
}

/* NULL: the VM has gone meanwhile. */
static json_t *take_sample(const char *vm)
{
    json_t *cpus = client_get(vm, "/vcpus"), *exits = cpus ? client_get(vm, "/exits") : NULL;
    json_t *disks = exits ? client_get(vm, "/disks") : NULL;
    json_t *cards = disks ? client_get(vm, "/networks") : NULL, *sample = NULL, *cpu;
    uint64_t run_ns = 0;
    size_t i;

    if (cards) {
        sample = json_pack("{s:I}", "at_ns", (json_int_t)clock_now_ns());
        json_array_foreach(json_object_get(cpus, "vcpus"), i, cpu) run_ns +=
            vm_number(cpu, "run_ns");
        set_number(sample, RUN_NS, run_ns);
        set_number(sample, EXITS, vm_number(exits, "total"));
        for (enum value v = READ_BYTES; v <= WRITTEN_BYTES; v++)
            set_number(sample, v, sum_counters(json_object_get(disks, "disks"), value_names[v]));
        for (enum value v = RECEIVED_BYTES; v <= SENT_BYTES; v++)
            set_number(sample, v, sum_counters(json_object_get(cards, "networks"), value_names[v]));
    }
    json_decref(cpus);
    json_decref(exits);
    json_decref(disks);
    json_decref(cards);
    return sample;
}

/*
 * Showing
 */

/* Per second, since the sample before. */
static double rate(const json_t *now, const json_t *before, enum value which)
{
    double seconds =
        ((double)vm_number(now, "at_ns") - (double)vm_number(before, "at_ns")) / CLOCK_NS_PER_S;
    double change =
        (double)vm_number(now, value_names[which]) - (double)vm_number(before, value_names[which]);

    return seconds > 0 && change > 0 ? change / seconds : 0;
}

static void print_header(void)
{
    printf("%-20s %-9s %6s %9s %10s %10s %10s %10s\n", "NAME", "STATE", "CPU %", "EXITS/s",
           "READ/s", "WRITE/s", "NET IN/s", "NET OUT/s");
}

static void print_row(const json_t *vm, const json_t *now, const json_t *before)
{
    printf("%-20s %-9s %6.1f %9.0f", vm_string(vm, "name"), vm_string(vm, "state"),
           100 * rate(now, before, RUN_NS) / CLOCK_NS_PER_S, rate(now, before, EXITS));
    for (enum value v = READ_BYTES; v < VALUES; v++)
        printf(" %10s", vm_bytes((uint64_t)rate(now, before, v)));
    putchar('\n');
}

/* One round: a row for each VM that was there in the round before. The samples of this one, or NULL. */
static json_t *show_round(const json_t *before, bool is_first)
{
    json_t *vms = vm_list(), *samples, *vm;
    size_t i;

    if (!vms)
        return NULL;
    samples = json_object();
    if (!is_first)
        print_header();
    json_array_foreach(vms, i, vm)
    {
        const char *name = vm_string(vm, "name");
        json_t *sample = strcmp(vm_string(vm, "state"), "unknown") == 0 ? NULL : take_sample(name);
        const json_t *last = json_object_get(before, name);

        if (sample && last)
            print_row(vm, sample, last);
        json_object_set_new(samples, name, sample ? sample : json_object());
    }
    json_decref(vms);
    fflush(stdout);
    return samples;
}

/* Until the next round. True: the user has had enough. */
static bool wait_for_key(unsigned seconds)
{
    struct pollfd keys = {.fd = terminal_is_taken() ? STDIN_FILENO : -1, .events = POLLIN};
    char key = 0;

    if (poll(&keys, 1, (int)seconds * 1000) > 0 && read(STDIN_FILENO, &key, 1) != 1)
        key = 'q';
    return key == 'q';
}

static int top(const struct vm_options *o)
{
    json_t *samples = show_round(NULL, true), *next;

    if (samples && isatty(STDOUT_FILENO))
        terminal_take(TERMINAL_KEYS);
    for (unsigned round = 0; samples && (!o->rounds || round < o->rounds); round++) {
        if (wait_for_key(o->seconds))
            break;
        if (terminal_is_taken())
            fputs("\033[H\033[2J", stdout); /* to the top left, and all is empty */
        next = show_round(samples, false);
        json_decref(samples);
        samples = next;
        if (ferror(stdout)) /* main() says so */
            break;
    }
    terminal_leave();
    if (!samples)
        return STATUS_VMM;
    json_decref(samples);
    return STATUS_OK;
}

static const struct option_row rows[] = {
    {.name = "delay",
     .letter = 'd',
     .type = OPTION_NUMBER,
     .argument = "SECONDS",
     .what = "delay",
     VM_AT(seconds),
     .min = 1,
     .max = MAX_SECONDS,
     .help = "between two looks (default 2)"},
    {.name = "rounds",
     .letter = 'n',
     .type = OPTION_NUMBER,
     .argument = "N",
     .what = "number of rounds",
     VM_AT(rounds),
     .min = 1,
     .max = MAX_ROUNDS,
     .help = "end after so many looks (default: go on)"},
    VM_OPTION_HELP,
};

static const struct vm_command top_command = {
    .usage = "",
    .text =
        "Show what the VMs of this user do now: CPU time, exits, bytes of disks and networks per\n"
        "second. On a terminal, q ends it.",
    VM_ROWS(rows),
    .seconds = 2,
    .run = top,
};

const struct command command_top = {
    .name = "top", .summary = "show what the VMs do now", .vm = &top_command};
