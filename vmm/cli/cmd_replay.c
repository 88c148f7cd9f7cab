/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm replay`: a recording through the vmm's own code, without a guest. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmm/cli/command.h"
#include "vmm/record/record.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

static void help(void)
{
    printf("usage: vmm replay FILE\n\n"
           "Run the vmm's code on what `vmm record` or `vmm run --record` has recorded in FILE,\n"
           "without a guest, and compare its answers with the recorded ones. The first difference\n"
           "is shown.\n\n"
           "  -h, --help            show this\n\n"
           "Exit status: 0 all answers are the same; 1 one is not, or the file cannot be read, is\n"
           "cut or damaged; 2 wrong usage.\n");
}

static void show(const struct replay_result *result)
{
    uint64_t us = result->ns / 1000 + 1;

    printf("%" PRIu64 " events, of them %" PRIu64 " exits, and %" PRIu64 " commands in %" PRIu64
           ".%03" PRIu64 " s: %" PRIu64 " events a second\n",
           result->events, result->exits, result->commands, us / 1000000, us / 1000 % 1000,
           result->events * 1000000 / us);
    if (result->differs[0])
        printf("the first difference, at %s:\n  %s\n", result->before, result->differs);
    else
        printf("no difference until the end of the recording: %s\n", result->ending);
}

static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};

static int run(int argc, char **argv)
{
    struct replay_result result;
    int opt, error;

    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt != 'h')
            return STATUS_USAGE;
        help();
        return STATUS_OK;
    }
    if (argc - optind != 1) {
        log_error("replay: give one FILE");
        return STATUS_USAGE;
    }
    error = replay_run(argv[optind], &result);
    if (error >= 0)
        show(&result);
    return error ? STATUS_VMM : STATUS_OK;
}

const struct command command_replay = {.name = "replay",
                                       .summary = "run a recording, and compare",
                                       .help = help,
                                       .run = run,
                                       .options = options};
