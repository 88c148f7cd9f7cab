/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal at which a command is typed. It has a mode of the command's until the command ends,
 * also by a signal that can be caught, or is stopped (SIGTSTP); then it is as it was found.
 */
#pragma once

#include <stdbool.h>

enum terminal_mode {
    TERMINAL_RAW, /* all keys are the command's, and its output is not changed */
    TERMINAL_KEYS, /* keys come at once and are not shown, but Ctrl-C and others; no cursor is shown */
};

/* Changes that of standard input. False: it is no terminal. Once for each process. */
bool terminal_take(enum terminal_mode mode);

/* Has it been taken, and not left? */
bool terminal_is_taken(void);

/* It is as it was found. */
void terminal_leave(void);
