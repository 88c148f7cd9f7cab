/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options as rows of a table. A row says all that there is to know of an option: its names, what
 * it takes, how often it may be given, its help and where its value goes. The command line and
 * the help text are read from the table here; a configuration file or a control interface finds a
 * row by its name and applies a value to it.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,   /* takes no value; a bool becomes true */
    OPTION_TEXT,   /* a const char * */
    OPTION_NUMBER, /* decimal, `min` to `max`; an unsigned */
    OPTION_LIST,   /* may be repeated; `max` elements of const char *, of which NULL are free */
    OPTION_OWN,    /* set() takes the value */
};

struct option_row {
    const char *name; /* without the dashes */
    char letter;      /* of the short form; 0: none */
    bool repeats;     /* may be given more than once. OPTION_LIST: always */
    bool not_in_file; /* for the command line only */
    enum option_type type;
    const char *argument; /* for the help; NULL: takes no value; in brackets: may have a value */
    const char *help;     /* lines */
    const char *what;     /* for messages: "number of CPUs" */
    size_t offset;        /* of the value in the target */
    unsigned min, max;
    /* Value NULL: none was given. 0; -EINVAL after a message; 1: parse no further. */
    int (*set)(void *target, const struct option_row *row, const char *value);
    const char *device; /* for set(): what the value completes */
};

#define OPTION_ROWS_MAX 64u

/* A table and what has been set by it. */
struct option_set {
    const struct option_row *rows;
    unsigned count; /* at most OPTION_ROWS_MAX */
    void *target;   /* values go here; texts are not copied */
    uint64_t given; /* bit n: row n */
    json_t *record; /* if not NULL, an object that gets what was given: option_json.h */
};

/* NULL: there is none of this name. */
const struct option_row *option_find(const struct option_set *set, const char *name);

/* 0, 1 or -EINVAL after a message: the value is wrong, or the option was given before. */
int option_apply(struct option_set *set, const struct option_row *row, const char *value);

/*
 * The command line from argv[1] on. `command` begins getopt's messages; argv[*rest] is the first
 * word that is no option. 0; 1 as of set(); -EINVAL after a message.
 */
int option_parse(struct option_set *set, const char *command, int argc, char **argv, int *rest);

/* A line or more for each row from `first` to before `end`, on stdout. */
void option_help(const struct option_set *set, unsigned first, unsigned end);
