/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/chardev/chardev.h"
#include "vmm/chardev/chardev_tty.h"

#define TEXT(literal) literal, sizeof(literal) - 1

/* Set before the signals' handlers are, and not changed then. */
static enum terminal_mode terminal_mode;
static bool is_taken;

/* A terminal that is gone shows nothing. */
static void show(const char *text, size_t size)
{
    if (terminal_mode == TERMINAL_KEYS && write(STDOUT_FILENO, text, size) < 0)
        return;
}

static void change(void)
{
    struct termios mode;

    if (terminal_mode == TERMINAL_RAW) {
        chardev_tty_raw();
    } else if (tcgetattr(STDIN_FILENO, &mode) == 0) {
        mode.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &mode);
    }
    show(TEXT("\033[?25l"));
}

/* Also in a signal's handler. */
static void restore(void)
{
    show(TEXT("\033[?25h"));
    chardev_restore();
}

/* It has no handler any more (SA_RESETHAND), and ends the process when this one returns. */
static void on_end(int signal)
{
    restore();
    raise(signal);
}

static void on_stop(int signal)
{
    int saved_errno = errno;

    restore();
    raise(SIGSTOP);
    change(); /* in the background that stops us again, until the terminal is ours */
    errno = saved_errno;
}

/* A signal that is ignored (nohup) stays so. */
static void handle(int signal, const struct sigaction *action)
{
    struct sigaction old;

    if (sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(signal, action, NULL);
}

bool terminal_take(enum terminal_mode mode)
{
    static const int ends[] = {SIGHUP, SIGINT, SIGPIPE, SIGQUIT, SIGTERM};
    const struct sigaction end = {.sa_handler = on_end, .sa_flags = (int)SA_RESETHAND};
    const struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

    if (!isatty(STDIN_FILENO) || chardev_tty_take(STDIN_FILENO))
        return false;
    terminal_mode = mode;
    is_taken = true;
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        handle(ends[i], &end);
    handle(SIGTSTP, &stop);
    atexit(terminal_leave);
    change();
    return true;
}

bool terminal_is_taken(void)
{
    return is_taken;
}

void terminal_leave(void)
{
    if (!is_taken)
        return;
    is_taken = false;
    show(TEXT("\033[?25h"));
    chardev_tty_leave();
}
