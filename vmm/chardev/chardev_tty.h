/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal that this process is typed at. It is raw while it is ours, and the shell's again, in
 * the mode in which it was found, when this process stops or ends: see chardev_restore(). There is
 * one at most.
 */
#pragma once

#include <stdbool.h>

/* Have chardev_restore() restore this one. 0, or -errno after a message. Its mode stays as it is. */
int chardev_tty_take(int fd);

/* Restore it, and have none. */
void chardev_tty_leave(void);

void chardev_tty_raw(void);

/* Does the terminal belong to another job of our session? */
bool chardev_tty_is_background(int fd);
