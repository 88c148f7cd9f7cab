/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/stdio_out.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/chardev/chardev_output.h"
#include "vmm/chardev/stdio_fd.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define OUT_SIZE 0x1000u /* bytes of output that wait to be written */
#define CLOSE_MS 1000    /* for the last output to go */
#define RETRY_MS 20      /* for a descriptor that cannot be waited for */

/* A timer of no time is the loop's next pass: see stdio_in.c. */
static const struct timeval at_once;

static enum stdio_out_kind find_kind(int fd, bool private)
{
    struct stat st;

    if (private || fstat(fd, &st) != 0)
        return STDIO_OUT_PLAIN;
    if (S_ISSOCK(st.st_mode))
        return STDIO_OUT_SOCKET;
    return S_ISFIFO(st.st_mode) || isatty(fd) ? STDIO_OUT_POLL : STDIO_OUT_PLAIN;
}

/* One attempt. Bytes written, or -1 with errno: EAGAIN when the reader is slow. */
static ssize_t try_write(const struct stdio_out *out, const uint8_t *data, size_t len)
{
    struct pollfd poll_fd = {.fd = out->fd, .events = POLLOUT};

    switch (out->kind) {
    case STDIO_OUT_PLAIN: return write(out->fd, data, len);
    case STDIO_OUT_SOCKET: return send(out->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case STDIO_OUT_POLL:
        /*
         * A terminal or a pipe that is ready has room for one byte, and a
         * blocking write of more would wait for the rest of the room.
         */
        if (poll(&poll_fd, 1, 0) > 0)
            return write(out->fd, data, 1);
        break;
    }
    errno = EAGAIN;
    return -1;
}

/* Output failed for good or for now: what waits is discarded, the guest goes on. */
static void failed(struct stdio_out *out, int error)
{
    chardev_output_drop(out->bytes, chardev_output_used(out->bytes));
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        if (!out->full)
            log_error("console output: %s: it is discarded until there is room", strerror(error));
        out->full = true;
        return;
    }
    log_error("console output: %s: it is discarded from here on", strerror(error));
    out->dead = true;
}

/* As much as goes now. True: nothing is left. */
static bool push(struct stdio_out *out)
{
    while (chardev_output_used(out->bytes) > 0) {
        const uint8_t *data;
        size_t len = chardev_output_peek(out->bytes, &data);
        ssize_t n = try_write(out, data, len);

        if (n > 0) {
            chardev_output_drop(out->bytes, (size_t)n);
            out->full = false;
        } else if (n == 0 || errno == EAGAIN) {
            return false;
        } else if (errno != EINTR) {
            failed(out, errno);
        }
    }
    return true;
}

/* In the next pass, or when the reader read: push, wait for more room, wake the client. */
static void on_next(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval retry = {.tv_usec = RETRY_MS * 1000};
    struct stdio_out *out = arg;

    if (!push(out)) {
        if (out->pollable)
            event_add(out->ready, NULL);
        else
            event_add(out->next, &retry);
    }
    if (out->is_short && out->chardev->client && chardev_output_room(out->bytes) > 0) {
        out->is_short = false;
        if (out->chardev->client->writable)
            out->chardev->client->writable(out->chardev->opaque);
    }
}

size_t stdio_out_write(struct stdio_out *out, const uint8_t *data, size_t len)
{
    size_t taken;

    if (out->dead)
        return len;
    if (chardev_output_used(out->bytes) == 0 && len > 0)
        event_add(out->next, &at_once);
    taken = chardev_output_put(out->bytes, data, len);
    out->is_short |= taken < len;
    return taken;
}

static void on_winch(evutil_socket_t fd, short what, void *arg)
{
    struct stdio_out *out = arg;

    chardev_tell_size(out->chardev, out->fd);
}

static void write_last(struct stdio_out *out)
{
    int64_t end = clock_now_ms() + CLOSE_MS;

    while (!push(out)) {
        struct pollfd poll_fd = {.fd = out->fd, .events = POLLOUT};
        int64_t left = end - clock_now_ms();

        if (left <= 0) {
            log_warn("console output: the reader is too slow: its last %zu bytes are lost",
                     chardev_output_used(out->bytes));
            return;
        }
        poll(&poll_fd, 1, (int)left);
    }
}

int stdio_out_open(struct stdio_out *out, struct event_base *base, int fd, struct chardev *chardev)
{
    int own = stdio_fd_reopen(fd, O_WRONLY);

    out->chardev = chardev;
    out->private = own >= 0;
    out->fd = out->private ? own : fd;
    out->kind = find_kind(out->fd, out->private);
    out->pollable = stdio_fd_is_pollable(out->fd);
    out->bytes = chardev_output_new(OUT_SIZE);
    out->next = event_new(base, -1, 0, on_next, out);
    out->ready = event_new(base, out->fd, EV_WRITE, on_next, out);
    if (!out->bytes || !out->next || !out->ready)
        return -ENOMEM;
    if (chardev_output_used(out->bytes) > 0) /* of the process before */
        event_add(out->next, &at_once);
    if (isatty(out->fd)) {
        out->signal_winch = evsignal_new(base, SIGWINCH, on_winch, out);
        if (!out->signal_winch || event_add(out->signal_winch, NULL))
            return -ENOMEM;
    }
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

void stdio_out_attached(struct stdio_out *out)
{
    if (!out->chardev->client) {
        out->is_short = false;
        return;
    }
    if (out->is_short)
        event_add(out->next, &at_once);
    if (out->signal_winch)
        event_active(out->signal_winch, EV_SIGNAL, 1);
}

void stdio_out_close(struct stdio_out *out)
{
    if (out->bytes)
        write_last(out);
    if (out->next)
        event_free(out->next);
    if (out->ready)
        event_free(out->ready);
    if (out->signal_winch)
        event_free(out->signal_winch);
    if (out->private)
        close(out->fd);
    chardev_output_free(out->bytes);
}
