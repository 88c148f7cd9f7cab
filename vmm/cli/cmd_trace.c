/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm trace`: the exits of a VM that runs, as they come. */
#include <errno.h>
#include <event2/http.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/trace/trace.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"

#define PATH_MAX_SIZE 2048u
#define LINE_MAX_SIZE 8192u
#define COUNT_MAX     1000000000u

struct output {
    FILE *file;       /* NULL: not yet, as there was no answer */
    const char *path; /* perfetto */
    bool perfetto;
    bool can_seek;   /* perfetto: the file has its end at any time */
    bool begun;      /* perfetto: a comma comes before the next event */
    unsigned wanted; /* 0: all */
    int error;       /* of a write; 0: none */
    uint64_t records, lost;
    char line[LINE_MAX_SIZE];
    size_t used;
};

static volatile sig_atomic_t enough;

static void interrupted(int signal)
{
    enough = 1;
}

/* In a line that has them. */
static uint64_t lost_in(const char *line)
{
    const char *at = strstr(line, TRACE_LOST);

    while (at && at > line && at[-1] >= '0' && at[-1] <= '9')
        at--;
    return at ? strtoull(at, NULL, 10) : 0;
}

/* An event, or a bracket of the list. */
static void put_perfetto(struct output *out, char *line)
{
    size_t len = strlen(line);

    if (strcmp(line, "[") == 0 || strcmp(line, "]") == 0)
        return;
    if (len && line[len - 1] == ',')
        line[len - 1] = '\0';
    fprintf(out->file, "%s%s", out->begun ? ",\n" : "[\n", line);
    out->begun = true;
    out->records += strstr(line, "\"ph\":\"M\"") != line + 1;
}

static void put_text(struct output *out, const char *line)
{
    fprintf(out->file, "%s\n", line);
    out->records++;
}

static void put_line(struct output *out, char *line)
{
    uint64_t lost = lost_in(line);

    if (out->perfetto)
        put_perfetto(out, line);
    else
        put_text(out, line);
    out->lost += lost;
    out->records -= lost != 0;
}

/* What is there is a whole file, even if this process is killed. */
static void finish(struct output *out, bool last)
{
    if (out->perfetto && (out->can_seek || last))
        fputs(TRACE_PERFETTO_END, out->file);
    if (fflush(out->file) && !out->error)
        out->error = errno;
    if (ferror(out->file) && !out->error)
        out->error = EIO;
    if (out->perfetto && out->can_seek && !last)
        fseek(out->file, -(long)strlen(TRACE_PERFETTO_END), SEEK_CUR);
}

/* The VM answers: only now is a file of that name lost. */
static bool open_output(struct output *out)
{
    out->file = out->perfetto ? fopen(out->path, "we") : stdout;
    if (!out->file) {
        out->error = errno;
        log_error("trace '%s': %s", out->path, strerror(out->error));
        return false;
    }
    out->can_seek = fseek(out->file, 0, SEEK_CUR) == 0;
    return true;
}

static bool take(void *opaque, const char *data, size_t size)
{
    struct output *out = opaque;

    if (!out->file && !open_output(out))
        return false;
    for (size_t i = 0; i < size; i++) {
        if (data[i] != '\n') {
            if (out->used < LINE_MAX_SIZE - 1)
                out->line[out->used++] = data[i];
            continue;
        }
        out->line[out->used] = '\0';
        out->used = 0;
        put_line(out, out->line);
        if (out->wanted && out->records >= out->wanted)
            break;
    }
    finish(out, false);
    return !out->error && !(out->wanted && out->records >= out->wanted);
}

/* 0, or -errno after a message. */
static int add_filter(char *path, const char *filter)
{
    struct trace_filter checked = {0};
    int error = trace_filter_list(&checked, filter), found;
    struct keyval keyval;

    while (!error && (found = keyval_next(&filter, &keyval)) != 0) {
        char *value = found > 0 && keyval.value ? evhttp_uriencode(keyval.value, -1, false) : NULL;
        size_t len = strlen(path);
        int n = value ? snprintf(path + len, PATH_MAX_SIZE - len, "&%s=%s", keyval.key, value) : -1;

        if (n < 0 || (size_t)n >= PATH_MAX_SIZE - len) {
            log_error("the filter is too long");
            error = -EINVAL;
        }
        free(value);
        if (found > 0)
            keyval_free(&keyval);
    }
    return error;
}

/* 0, or -errno after a message. */
static int close_output(struct output *out, int error)
{
    if (error)
        return error;
    if (!out->file && (out->error || !open_output(out)))
        return -EIO;
    if (out->perfetto && !out->begun)
        fputs("[", out->file);
    finish(out, true);
    fprintf(stderr, "%" PRIu64 " records, %" PRIu64 " lost\n", out->records, out->lost);
    if (out->perfetto && fclose(out->file) && !out->error)
        out->error = errno;
    if (out->perfetto && out->error) /* of standard output main() says it */
        log_error("trace '%s': %s: it is not complete", out->path, strerror(out->error));
    return -out->error;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = interrupted}; /* recv() and poll() end */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int trace(const struct vm_options *o)
{
    static struct output out;
    char path[PATH_MAX_SIZE];
    int error;

    snprintf(path, sizeof(path), "/trace?format=%s", o->file ? "perfetto" : "text");
    for (unsigned i = 0; i < VM_COMMAND_FILTERS_MAX && o->filters[i]; i++) {
        if (add_filter(path, o->filters[i]))
            return STATUS_USAGE;
    }
    out.perfetto = o->file;
    out.wanted = o->rounds;
    out.path = o->file;
    catch_signals();
    error = client_stream(o->args[0], path, take, &out, &enough);
    return close_output(&out, error) ? STATUS_VMM : STATUS_OK;
}

static const struct option_row rows[] = {
    {.name = "filter",
     .letter = 'f',
     .type = OPTION_LIST,
     .argument = "KEY=VALUE[,...]",
     .what = "filters",
     VM_AT(filters),
     .max = VM_COMMAND_FILTERS_MAX,
     .help = "only what matches: vcpu=N, kind=NAME, device=NAME,\n"
             "address=FIRST[-LAST]; values are joined by '+', and all\n"
             "filters must match"},
    {.name = "perfetto",
     .type = OPTION_TEXT,
     .argument = "FILE",
     VM_AT(file),
     .help = "write a file for Perfetto's UI, not text"},
    {.name = "count",
     .letter = 'n',
     .type = OPTION_NUMBER,
     .argument = "N",
     .what = "number of records",
     VM_AT(rounds),
     .min = 1,
     .max = COUNT_MAX,
     .help = "end after so many records (default: go on)"},
    VM_OPTION_HELP,
};

static const struct vm_command trace_command = {
    .usage = "NAME",
    .text = "Show the exits of a VM from now on: when each came, how long the vmm took to answer, "
            "what\n"
            "it was and what answered. Ctrl-C ends it. The guest waits for no reader: what there "
            "is no\n"
            "time to write is lost, and the trace says where and how much.",
    VM_ROWS(rows),
    .min_args = 1,
    .max_args = 1,
    .run = trace,
};

const struct command command_trace = {
    .name = "trace", .summary = "show a VM's exits as they come", .vm = &trace_command};
