/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stderr whose reader is slow or has stopped (a pager, a terminal after Ctrl-s, a full pipe)
 * must not hold the guest up, and O_NONBLOCK is not ours to set on a description that we share
 * with others. So pipes and terminals are opened anew, as for the console (chardev.h).
 */
#include "vmm/util/log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/util/clock.h"

#define KEPT_MAX 16384u /* bytes that wait */
#define EXIT_MS  1000   /* for these to go at exit */

static char log_kept[KEPT_MAX];
static size_t log_kept_len;
static unsigned log_lost; /* lines */

/* Our own description of what stderr was when it was opened. */
static struct {
    int fd; /* -1: it cannot be opened anew */
    bool tried;
    struct stat of;
} log_own = {.fd = -1};

static bool log_is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_rdev == b->st_rdev;
}

static void log_forget_own(void)
{
    if (log_own.fd >= 0)
        close(log_own.fd);
    log_own.fd = -1;
    log_own.tried = false;
}

static int log_own_fd(const struct stat *st)
{
    if (log_own.tried && log_is_same(&log_own.of, st))
        return log_own.fd;
    log_forget_own();
    log_own.of = *st;
    log_own.tried = true;
    log_own.fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    return log_own.fd;
}

/* One attempt. Bytes, or -1 with errno: EAGAIN if it would have to wait. */
static ssize_t log_try(const char *text, size_t len)
{
    struct pollfd poll_fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool is_tty = isatty(STDERR_FILENO);
    struct stat st;
    int own;

    if (fstat(STDERR_FILENO, &st))
        return -1;
    if (S_ISSOCK(st.st_mode))
        return send(STDERR_FILENO, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (!S_ISFIFO(st.st_mode) && !is_tty)
        return write(STDERR_FILENO, text, len);
    own = log_own_fd(&st);
    if (own >= 0)
        return write(own, text, len);
    /* A pipe that is ready has room for a page, a terminal for one byte. */
    if (poll(&poll_fd, 1, 0) <= 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(STDERR_FILENO, text, is_tty ? 1 : len < PIPE_BUF ? len : PIPE_BUF);
}

/* How much of it went; all of it, if it can never go. */
static size_t log_write(const char *text, size_t len)
{
    bool fresh = false;
    size_t done = 0;

    while (done < len) {
        ssize_t n = log_try(text + done, len - done);

        if (n > 0) {
            done += (size_t)n;
        } else if (n == 0 || errno == EAGAIN) {
            break;
        } else if (errno != EINTR) {
            /* A terminal that was hung up may be another one of the same number by now. */
            if (fresh || log_own.fd < 0)
                return len;
            log_forget_own();
            fresh = true;
        }
    }
    return done;
}

/* True: nothing waits any more. */
static bool log_flush(void)
{
    size_t done = log_write(log_kept, log_kept_len);

    log_kept_len -= done;
    memmove(log_kept, log_kept + done, log_kept_len);
    return log_kept_len == 0;
}

static void log_at_exit(void)
{
    int64_t end = clock_now_ms() + EXIT_MS;

    while (!log_flush() && clock_now_ms() < end)
        poll(NULL, 0, 10);
}

static void log_keep(const char *text, size_t len)
{
    static bool registered;

    if (len > KEPT_MAX - log_kept_len) {
        log_lost++;
        return;
    }
    memcpy(log_kept + log_kept_len, text, len);
    log_kept_len += len;
    if (!registered && atexit(log_at_exit) == 0)
        registered = true;
}

void log_output(const char *line, size_t len)
{
    char gap[80];
    size_t done = 0;

    if (log_flush() && log_lost) {
        int n = snprintf(gap, sizeof(gap), "vmm: %u lines are lost: nobody read them\n", log_lost);

        log_lost = 0;
        log_keep(gap, (size_t)n);
        log_flush();
    }
    if (log_kept_len == 0)
        done = log_write(line, len);
    if (done < len)
        log_keep(line + done, len - done);
}
