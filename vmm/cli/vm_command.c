/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/vm_command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/command.h"
#include "vmm/util/log.h"

#define TEXTS     8u /* that are good at a time */
#define TEXT_SIZE 32u

int vm_command_set_help(void *target, const struct option_row *row, const char *value)
{
    vm_command_help(((const struct vm_options *)target)->command);
    return 1;
}

void vm_command_help(const struct command *command)
{
    const struct vm_command *vm = command->vm;
    const struct option_set all = {.rows = vm->rows, .count = vm->nr_rows};
    const char *gap = *vm->usage ? " " : "";

    printf("usage: vmm %s [OPTION...]%s%s\n\n%s\n\n", command->name, gap, vm->usage, vm->text);
    option_help(&all, 0, vm->nr_rows);
}

int vm_command_run(const struct command *command, int argc, char **argv)
{
    const struct vm_command *vm = command->vm;
    struct vm_options o = {.command = command, .seconds = vm->seconds};
    struct option_set set = {.rows = vm->rows, .count = vm->nr_rows, .target = &o};
    int rest, parsed = option_parse(&set, argv[0], argc, argv, &rest);

    if (parsed)
        return parsed > 0 ? STATUS_OK : STATUS_USAGE;
    if ((unsigned)(argc - rest) < vm->min_args || (unsigned)(argc - rest) > vm->max_args) {
        log_error("usage: vmm %s [OPTION...]%s%s", command->name, *vm->usage ? " " : "", vm->usage);
        return STATUS_USAGE;
    }
    while (rest < argc)
        o.args[o.nr_args++] = argv[rest++];
    return vm->run(&o);
}

void vm_print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

int vm_command_end(const struct vm_options *o, json_t *answer)
{
    if (!answer)
        return STATUS_VMM;
    if (o->json)
        vm_print_json(answer);
    else
        json_decref(answer);
    return STATUS_OK;
}

const char *vm_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

uint64_t vm_number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static char *next_text(void)
{
    static char texts[TEXTS][TEXT_SIZE];
    static unsigned next;

    return texts[next++ % TEXTS];
}

const char *vm_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    char *text = next_text();
    unsigned unit = 0;
    double value = (double)bytes;

    for (; value >= 1024; unit++)
        value /= 1024;
    snprintf(text, TEXT_SIZE, "%.*f %s", unit && value < 100 ? 1 : 0, value, units[unit]);
    return text;
}

const char *vm_time(uint64_t ns)
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    char *text = next_text();
    unsigned unit = 0;
    double value = (double)ns;

    for (; value >= 1000 && unit < 3; unit++)
        value /= 1000;
    snprintf(text, TEXT_SIZE, "%.*f %s", unit && value < 100 ? 1 : 0, value, units[unit]);
    return text;
}

const char *vm_uptime(uint64_t ms)
{
    unsigned long long s = ms / 1000;
    char *text = next_text();

    if (s >= 86400)
        snprintf(text, TEXT_SIZE, "%llud %02llu:%02llu:%02llu", s / 86400, s / 3600 % 24,
                 s / 60 % 60, s % 60);
    else
        snprintf(text, TEXT_SIZE, "%02llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    return text;
}
