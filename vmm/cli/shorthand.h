/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of `vmm run` that stand for a --device. */
#pragma once

/* The numbers are those of getopt_long's has_arg. */
enum shorthand_value { SHORTHAND_NONE, SHORTHAND_REQUIRED, SHORTHAND_OPTIONAL };

struct shorthand {
    const char *option; /* without the dashes */
    enum shorthand_value value;
    const char *device; /* what --device would get, before the value */
    const char *usage;  /* the value, for the help text */
    const char *help;
};

/* Ends with one whose option is NULL. */
extern const struct shorthand shorthands[];

/*
 * What --device would get, to be freed; NULL when out of memory. `value`: NULL
 * if there is none.
 */
char *shorthand_device(const struct shorthand *shorthand, const char *value);
