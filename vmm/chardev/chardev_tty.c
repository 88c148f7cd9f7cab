/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_tty.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/chardev/chardev.h"
#include "vmm/util/log.h"

/*
 * The terminal's own mode, for chardev_restore: outside of any heap object
 * because a signal handler uses it. The descriptor is set last, cleared first.
 */
static struct termios tty_mode;
static volatile sig_atomic_t tty_fd = -1;

/*
 * A foreign terminal, or none at all, is no obstacle: job control is only for
 * the terminal of our session. To touch that one from the background would
 * stop this process and the guest with it.
 */
bool chardev_tty_is_background(int fd)
{
    pid_t foreground = tcgetpgrp(fd);

    return foreground > 0 && foreground != getpgrp();
}

void chardev_restore(void)
{
    int saved_errno = errno;
    int fd = tty_fd;

    /* In the background the terminal is the shell's, and is in the shell's mode. */
    if (fd >= 0 && !chardev_tty_is_background(fd))
        tcsetattr(fd, TCSANOW, &tty_mode);
    errno = saved_errno;
}

void chardev_tty_raw(void)
{
    struct termios raw = tty_mode;

    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(tty_fd, TCSANOW, &raw);
}

int chardev_tty_take(int fd)
{
    static bool at_exit;

    if (tty_fd >= 0) {
        log_error("console: there is one already on a terminal");
        return -EBUSY;
    }
    if (tcgetattr(fd, &tty_mode) != 0) {
        int error = -errno;

        log_error("console: the terminal does not tell its mode: %s", strerror(-error));
        return error;
    }
    tty_fd = fd;
    if (!at_exit && atexit(chardev_restore) == 0)
        at_exit = true;
    return 0;
}

void chardev_tty_leave(void)
{
    chardev_restore();
    tty_fd = -1;
}
