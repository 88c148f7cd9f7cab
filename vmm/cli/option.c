/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/option.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cli/option_json.h"
#include "vmm/util/log.h"

#define HELP_COLUMN 25
#define FIRST_ROW   256 /* getopt_long's value of row 0: above all letters */

static int option_argument(const struct option_row *row)
{
    if (!row->argument)
        return no_argument;
    return row->argument[0] == '[' ? optional_argument : required_argument;
}

static int option_number(const struct option_row *row, const char *text, unsigned *number)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < row->min || n > row->max) {
        log_error("%s '%s': give %u to %u", row->what, text, row->min, row->max);
        return -EINVAL;
    }
    *number = (unsigned)n;
    return 0;
}

static int option_add(const struct option_row *row, const char *text, const char **list)
{
    for (unsigned i = 0; i < row->max; i++) {
        if (!list[i]) {
            list[i] = text;
            return 0;
        }
    }
    log_error("%s '%s': too many; %u can be given", row->what, text, row->max);
    return -EINVAL;
}

const struct option_row *option_find(const struct option_set *set, const char *name)
{
    for (unsigned i = 0; i < set->count; i++) {
        if (strcmp(set->rows[i].name, name) == 0)
            return &set->rows[i];
    }
    return NULL;
}

static int option_set_value(const struct option_set *set, const struct option_row *row,
                            const char *value)
{
    void *at = (char *)set->target + row->offset;

    switch (row->type) {
    case OPTION_FLAG: *(bool *)at = true; return 0;
    case OPTION_TEXT: *(const char **)at = value; return 0;
    case OPTION_NUMBER: return option_number(row, value, at);
    case OPTION_LIST: return option_add(row, value, at);
    case OPTION_OWN: return row->set(set->target, row, value);
    }
    return -EINVAL;
}

int option_apply(struct option_set *set, const struct option_row *row, const char *value)
{
    uint64_t bit = UINT64_C(1) << (row - set->rows);
    int result;

    if (set->given & bit && !row->repeats && row->type != OPTION_LIST) {
        log_error("--%s is given more than once: which is meant?", row->name);
        return -EINVAL;
    }
    set->given |= bit;
    result = option_set_value(set, row, value);
    if (result == 0 && set->record && !row->not_in_file)
        option_json_record(set->record, row, value);
    return result;
}

/* The row of what getopt_long() found: a letter, or a number from FIRST_ROW on. */
static const struct option_row *option_found(const struct option_set *set, int found)
{
    if (found >= FIRST_ROW)
        return &set->rows[found - FIRST_ROW];
    for (unsigned i = 0; i < set->count; i++) {
        if (set->rows[i].letter == found)
            return &set->rows[i];
    }
    return NULL; /* '?': getopt_long has said what is wrong */
}

int option_parse(struct option_set *set, const char *command, int argc, char **argv, int *rest)
{
    struct option long_options[OPTION_ROWS_MAX + 1] = {0};
    char letters[2 * OPTION_ROWS_MAX + 1], *letter = letters;
    static char name[32]; /* what getopt_long's messages begin with */
    int found, result;

    for (unsigned i = 0; i < set->count; i++) {
        const struct option_row *row = &set->rows[i];

        long_options[i] =
            (struct option){row->name, option_argument(row), NULL, FIRST_ROW + (int)i};
        if (row->letter)
            *letter++ = row->letter;
        if (row->letter && row->argument)
            *letter++ = ':';
    }
    *letter = '\0';
    snprintf(name, sizeof(name), "%s", command);
    argv[0] = name;
    optind = 0; /* start anew, also if somebody parsed before */
    while ((found = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
        const struct option_row *row = option_found(set, found);

        result = row ? option_apply(set, row, optarg) : -EINVAL;
        if (result)
            return result;
    }
    *rest = optind;
    return 0;
}

/* The names and, from HELP_COLUMN on, the help: on the same line if the names leave room. */
static void option_help_row(const struct option_row *row)
{
    const char *argument = row->argument ? row->argument : "";
    const char *gap = row->argument && argument[0] != '[' ? " " : "";
    const char *line = row->help, *end;
    char letter[] = "  -x, ";
    int used;

    letter[3] = row->letter;
    used = printf("%s--%s%s%s", row->letter ? letter : "      ", row->name, gap, argument);
    if (used >= HELP_COLUMN - 1) {
        putchar('\n');
        used = 0;
    }
    for (; *line; line = *end ? end + 1 : end) {
        end = strchrnul(line, '\n');
        printf("%*s%.*s\n", HELP_COLUMN - used, "", (int)(end - line), line);
        used = 0;
    }
}

void option_help(const struct option_set *set, unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++)
        option_help_row(&set->rows[i]);
}
