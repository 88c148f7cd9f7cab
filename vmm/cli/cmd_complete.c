/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `vmm complete`: what may follow, for the shells' completion (tools/completion). The words of the
 * command line are its arguments, the last one as far as it has been typed; a candidate a line.
 * Nothing: a file, or nothing that is known.
 */
#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/run_options.h"
#include "vmm/cli/vm_command.h"
#include "vmm/control/control_path.h"

#define WORD_MAX 32u

/* A table of options; `run` has one of its own. */
static struct option_set options_of(const struct command *command)
{
    static struct run_options run; /* its texts and objects live until the end of the process */
    struct option_set set = {0};

    if (command->vm)
        return (struct option_set){.rows = command->vm->rows, .count = command->vm->nr_rows};
    if (command == &command_run)
        run_options_init(&run, &set);
    else if (command == &command_restore)
        run_options_init_restore(&run, &set);
    run_options_free(&run);
    return set;
}

static void offer(const char *candidate, const char *typed)
{
    if (strncmp(candidate, typed, strlen(typed)) == 0)
        puts(candidate);
}

static void offer_commands(const char *typed)
{
    for (unsigned i = 0; command_all[i]; i++)
        offer(command_all[i]->name, typed);
    offer("help", typed);
}

static void offer_options(const struct command *command, const char *typed)
{
    const struct option_set set = options_of(command);
    char option[WORD_MAX + 2];

    for (unsigned i = 0; i < set.count; i++) {
        snprintf(option, sizeof(option), "--%s", set.rows[i].name);
        offer(option, typed);
    }
    for (const struct option *o = command->options; o && o->name; o++) {
        snprintf(option, sizeof(option), "--%s", o->name);
        offer(option, typed);
    }
}

/* VMs that somebody listens for. */
static void offer_vms(const char *typed)
{
    char folder[PATH_MAX];
    DIR *dir = control_folder(folder, sizeof(folder)) == 0 ? opendir(folder) : NULL;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name), suffix = strlen(CONTROL_SUFFIX);
        char name[NAME_MAX + 1];
        int fd;

        if (len <= suffix || strcmp(entry->d_name + len - suffix, CONTROL_SUFFIX) != 0)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)(len - suffix), entry->d_name);
        fd = client_connect(name);
        if (fd < 0)
            continue;
        close(fd);
        offer(name, typed);
    }
    if (dir)
        closedir(dir);
}

/* Is the word this option, by its name or by its letter? */
static bool is_option(const char *word, const char *name, int letter)
{
    if (strncmp(word, "--", 2) == 0)
        return strcmp(word + 2, name) == 0;
    return word[0] == '-' && word[1] && word[1] == letter && !word[2];
}

/* Does this word take the next one as its value? */
static bool takes_value(const struct command *command, const char *word)
{
    const struct option_set set = options_of(command);

    for (unsigned i = 0; i < set.count; i++) {
        const struct option_row *row = &set.rows[i];

        if (is_option(word, row->name, row->letter))
            return row->argument && row->argument[0] != '[';
    }
    for (const struct option *o = command->options; o && o->name; o++) {
        if (is_option(word, o->name, o->val))
            return o->has_arg == required_argument;
    }
    return false;
}

/*
 * A word of the usage: NAME is a VM, a word in small letters is itself, with '|' between
 * alternatives, and what else is in capitals is not known.
 */
static void offer_words(const char *usage, const char *typed)
{
    char word[WORD_MAX];
    size_t len = strcspn(usage, " ");

    if (strncmp(usage, "NAME", len) == 0 && len == 4) {
        offer_vms(typed);
        return;
    }
    for (const char *end = usage + len; usage < end; usage += len + 1) {
        len = strcspn(usage, "| ");
        snprintf(word, sizeof(word), "%.*s", (int)len, usage);
        if (word[0] >= 'a' && word[0] <= 'z')
            offer(word, typed);
    }
}

/*
 * The n-th positional argument: the n-th word of the usage, or a later one if one in brackets was
 * left out.
 */
static void offer_argument(const char *usage, unsigned n, const char *typed)
{
    unsigned left_out = 0;

    for (unsigned i = 0; *usage; i++) {
        left_out += *usage == '[' && i <= n;
        if (i >= n && i <= n + left_out)
            offer_words(usage, typed);
        usage += strcspn(usage, " ");
        usage += strspn(usage, " ");
    }
}

static const struct command *find(const char *name)
{
    for (unsigned i = 0; command_all[i]; i++) {
        if (strcmp(command_all[i]->name, name) == 0)
            return command_all[i];
    }
    return NULL;
}

/* words[0] is the command, the last one is not complete. */
static void offer_for(const struct command *command, char **words, int count)
{
    const char *typed = words[count - 1];
    unsigned positional = 0;

    if (takes_value(command, words[count - 2]))
        return;
    if (typed[0] == '-') {
        offer_options(command, typed);
        return;
    }
    for (int i = 1; i < count - 1; i++) {
        if (takes_value(command, words[i]))
            i++;
        else if (words[i][0] != '-')
            positional++;
    }
    if (command->vm)
        offer_argument(command->vm->usage, positional, typed);
}

static int run(int argc, char **argv)
{
    const struct command *command;

    if (argc < 2)
        return STATUS_USAGE;
    command = find(argv[1]);
    if (argc == 2 || (argc == 3 && strcmp(argv[1], "help") == 0))
        offer_commands(argv[argc - 1]);
    else if (command)
        offer_for(command, argv + 1, argc - 1);
    return STATUS_OK;
}

static void help(void)
{
    printf("usage: vmm complete WORD...\n\n"
           "Say what the last WORD of a command line of vmm may become, one candidate a line: for\n"
           "the shells' completion.\n");
}

const struct command command_complete = {
    .name = "complete", .summary = "for the shells' completion", .help = help, .run = run};
