/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/qemu_command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/machine/machine.h"
#include "vmm/machine/qemu_program.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"

#define MIB (1ull << 20)

static bool is_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    return *text >= '0' && *text <= '9' && !*end && port >= 1 && port <= 65535;
}

static void set_text(char **text, const char *value)
{
    free(*text);
    *text = strdup(value);
}

static int option_set(struct qemu_options *options, const char *option, const char *value)
{
    const char *wanted = NULL;

    if (strcmp(option, "cpu") == 0) {
        set_text(&options->cpu, value);
        wanted = *value ? NULL : "the name of a CPU model";
    } else if (strcmp(option, "path") == 0) {
        set_text(&options->path, value);
        wanted = *value ? NULL : "the program's path";
    } else if (strcmp(option, "gdb") == 0) {
        set_text(&options->gdb, value);
        wanted = is_port(value) ? NULL : "a port, 1 to 65535";
    } else {
        log_error("--machine qemu: no option '%s'; there are cpu=MODEL, path=PROGRAM, gdb=PORT",
                  option);
        return -EINVAL;
    }
    if (!wanted)
        return 0;
    log_error("--machine qemu: option '%s': '%s': give %s", option, value, wanted);
    return -EINVAL;
}

void qemu_options_free(struct qemu_options *options)
{
    free(options->cpu);
    free(options->path);
    free(options->gdb);
}

int qemu_options_parse(struct qemu_options *options, const char *text)
{
    const char *list = text && *text ? text : NULL;
    struct keyval keyval;
    int error = 0, found;

    *options = (struct qemu_options){.cpu = strdup("max,pauth=off"),
                                     .path = strdup("qemu-system-aarch64")};
    while (!error && (found = keyval_next(&list, &keyval)) != 0) {
        error =
            found < 0 ? found : option_set(options, keyval.key, keyval.value ? keyval.value : "");
        if (found > 0)
            keyval_free(&keyval);
    }
    if (!error && (!options->cpu || !options->path))
        error = -ENOMEM;
    return error;
}

int machine_qemu_check(const char *text)
{
    struct qemu_options options;
    int error = qemu_options_parse(&options, text);

    qemu_options_free(&options);
    return error;
}

static void add(struct qemu_command *line, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void add(struct qemu_command *line, const char *fmt, ...)
{
    size_t room = sizeof(line->text) - line->used;
    va_list ap;
    int n;

    if (line->argc + 1 >= QEMU_ARGS_MAX)
        return;
    line->argv[line->argc++] = line->text + line->used;
    line->argv[line->argc] = NULL;
    va_start(ap, fmt);
    n = vsnprintf(line->text + line->used, room, fmt, ap);
    va_end(ap);
    line->used += n >= 0 && (size_t)n < room ? (size_t)n + 1 : 0;
}

void qemu_command_make(struct qemu_command *line, const struct qemu_options *options,
                       uint64_t memory, unsigned nr_pcpus, uint64_t entry)
{
    unsigned long long mib = memory / MIB;

    add(line, "%s", options->path);
    add(line, "-nodefaults");
    add(line, "-no-user-config");
    add(line, "-display");
    add(line, "none");
    add(line, "-monitor");
    add(line, "none");
    add(line, "-machine");
    add(line, "virt,virtualization=on,gic-version=3,its=off,acpi=off,memory-backend=ram");
    add(line, "-object");
    add(line, "memory-backend-file,id=ram,share=on,mem-path=/proc/self/fd/%d,size=%lluM",
        QEMU_MEMORY_AT, mib);
    add(line, "-m");
    add(line, "%lluM", mib);
    add(line, "-cpu");
    add(line, "%s", options->cpu);
    add(line, "-accel");
    add(line, "tcg,thread=multi");
    add(line, "-smp");
    /* With one CPU at most, QEMU before 8.0 leaves out all memory barriers. */
    add(line, "%u,maxcpus=%u", nr_pcpus, nr_pcpus > 1 ? nr_pcpus : 2);
    add(line, "-device");
    add(line, "loader,addr=0x%llx,cpu-num=0", (unsigned long long)entry);
    add(line, "-chardev");
    add(line, "socket,id=doorbell,fd=%d", QEMU_DOORBELL_AT);
    add(line, "-serial");
    add(line, "chardev:doorbell");
    if (qemu_program_has_sandbox(options->path)) {
        add(line, "-sandbox");
        add(line, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    }
    if (options->gdb) {
        add(line, "-gdb");
        add(line, "tcp:127.0.0.1:%s", options->gdb);
    }
}
