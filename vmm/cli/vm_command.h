/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands for VMs that run have in common: their command lines, and how they print. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "vmm/cli/option.h"

#define VM_COMMAND_ARGS_MAX    4u
#define VM_COMMAND_FILTERS_MAX 8u

/* What was typed. */
struct vm_options {
    const char *args[VM_COMMAND_ARGS_MAX]; /* NULL: not given */
    unsigned nr_args;
    bool json;
    bool kill;
    bool stop;
    bool track;
    bool merge;
    const char *base;
    unsigned seconds;
    unsigned rounds;
    const char *binary;
    const char *file;
    const char *filters[VM_COMMAND_FILTERS_MAX];
    const struct command *command; /* whose options these are */
};

struct vm_command {
    const char *usage; /* what follows the name: "NAME [SIZE]" */
    const char *text;  /* help, lines */
    const struct option_row *rows;
    unsigned nr_rows;
    unsigned min_args, max_args;
    unsigned seconds;                       /* the default of vm_options.seconds */
    int (*run)(const struct vm_options *o); /* returns enum exit_status */
};

#define VM_AT(member) .offset = offsetof(struct vm_options, member)

/* Rows that most commands have. */
#define VM_OPTION_JSON                                                                       \
    {                                                                                        \
        .name = "json", .type = OPTION_FLAG, VM_AT(json), .help = "print the answer as JSON" \
    }
#define VM_OPTION_HELP                                                                 \
    {                                                                                  \
        .name = "help", .letter = 'h', .type = OPTION_OWN, .set = vm_command_set_help, \
        .help = "show this"                                                            \
    }
#define VM_ROWS(table) .rows = table, .nr_rows = sizeof(table) / sizeof(table[0])

int vm_command_set_help(void *target, const struct option_row *row, const char *value);

void vm_command_help(const struct command *command);
/* `argv[0]`: what messages of the options begin with. */
int vm_command_run(const struct command *command, int argc, char **argv);

/*
 * The VMs of this user that run, as /vm has them; of one that does not answer only name and state.
 * NULL after a message: nobody can tell.
 */
json_t *vm_list(void);

/* Print the JSON and drop it. */
void vm_print_json(json_t *json);

/*
 * The end of a command that has nothing to show but the answer, which is dropped: with --json it
 * is printed. NULL: it failed, after a message. Returns enum exit_status.
 */
int vm_command_end(const struct vm_options *o, json_t *answer);

/* Members of objects that the server sends; NULL and 0 if they are not there. */
const char *vm_string(const json_t *object, const char *key);
uint64_t vm_number(const json_t *object, const char *key);

/* "1.5 GiB", "250 us", "3d 04:05:06": one of some static texts, good for a few calls. */
const char *vm_bytes(uint64_t bytes);
const char *vm_time(uint64_t ns);
const char *vm_uptime(uint64_t ms);
