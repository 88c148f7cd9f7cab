/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/stdio_in.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "vmm/chardev/chardev_tty.h"
#include "vmm/chardev/stdio_fd.h"
#include "vmm/util/log.h"

#define IN_SIZE       0x10000u /* bytes of terminal input that wait for the guest */
#define CHUNK         512u     /* bytes of one read */
#define FOREGROUND_MS 500      /* between looks whether we are in the foreground again */

#define ESCAPE 0x01 /* Ctrl-a */

/*
 * What runs in the loop's next pass is a timer of no time: an event that is
 * made active from its own callback would keep the loop in the same pass.
 */
static const struct timeval at_once;

static size_t queue_used(const struct stdio_in *in)
{
    return evbuffer_get_length(in->bytes);
}

static size_t queue_room(const struct stdio_in *in)
{
    return IN_SIZE - queue_used(in);
}

/* How many of the bytes fit. */
static size_t queue_put(struct stdio_in *in, const uint8_t *data, size_t len)
{
    if (len > queue_room(in))
        len = queue_room(in);
    return evbuffer_add(in->bytes, data, len) ? 0 : len;
}

/* All bytes, the oldest first. */
static size_t queue_peek(const struct stdio_in *in, const uint8_t **data)
{
    *data = evbuffer_pullup(in->bytes, -1);
    return *data ? queue_used(in) : 0;
}

static void queue_drop(struct stdio_in *in, size_t len)
{
    evbuffer_drain(in->bytes, len);
}

static void show_keys(void)
{
    static const char keys[] = "\r\nCtrl-a x   quit\r\n"
                               "Ctrl-a h   show these keys\r\n"
                               "Ctrl-a a   send Ctrl-a (or: Ctrl-a Ctrl-a)\r\n";
    ssize_t n = write(STDERR_FILENO, keys, sizeof(keys) - 1);

    (void)n; /* a stderr that is gone shows nothing */
}

/* One key of the terminal. True: it is for the guest. */
static bool is_for_guest(struct stdio_in *in, uint8_t *key)
{
    if (!in->escaped) {
        in->escaped = *key == ESCAPE;
        return !in->escaped;
    }
    in->escaped = false;
    switch (*key) {
    case 'a':
    case ESCAPE: *key = ESCAPE; return true;
    case 'x': in->quit(in->quit_opaque); return false;
    case 'h':
    case '?': show_keys(); return false;
    default: return false;
    }
}

static void take_keys(struct stdio_in *in, uint8_t *keys, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!is_for_guest(in, &keys[i]) || queue_put(in, &keys[i], 1) == 1)
            continue;
        if (!in->dropped)
            log_warn("console input: the guest does not read it: keys are dropped");
        in->dropped = true;
    }
}

static size_t client_room(struct stdio_in *in)
{
    return in->chardev->client ? in->chardev->client->can_receive(in->chardev->opaque) : 0;
}

static void read_some(struct stdio_in *in)
{
    struct pollfd poll_fd = {.fd = in->fd, .events = POLLIN};
    size_t room = in->is_tty ? CHUNK : client_room(in);
    uint8_t data[CHUNK];
    ssize_t n;

    /* On a description that is shared, someone else may have been quicker. */
    if (room == 0 || (!in->private && poll(&poll_fd, 1, 0) <= 0))
        return;
    n = read(in->fd, data, room < sizeof(data) ? room : sizeof(data));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && errno != EIO) /* EIO: the terminal was hung up */
        log_error("console input: %s: it ends here", strerror(errno));
    if (n <= 0)
        in->eof = true;
    else if (in->is_tty)
        take_keys(in, data, (size_t)n);
    else
        queue_put(in, data, (size_t)n);
}

static void deliver(struct stdio_in *in)
{
    while (queue_used(in) > 0) {
        const uint8_t *data;
        size_t len = queue_peek(in, &data);
        size_t room = client_room(in);

        if (room == 0 || len == 0) /* 0 bytes: out of memory for now */
            return;
        if (len > room)
            len = room;
        in->chardev->client->receive(in->chardev->opaque, data, len);
        queue_drop(in, len);
    }
}

/* Hand over what waits, and go on reading if there is someone to read for. */
static void pump(struct stdio_in *in)
{
    deliver(in);
    if (in->eof || (!in->is_tty && client_room(in) == 0))
        event_del(in->ready);
    else if (in->pollable)
        event_add(in->ready, NULL);
    else
        event_add(in->next, &at_once);
}

/*
 * To read or to change the terminal's mode in the background would stop us
 * (SIGTTIN, SIGTTOU): both are the shell's. It need not tell when it gives the
 * terminal to a job that runs, so there is no way but to look again.
 */
static bool wait_foreground(struct stdio_in *in)
{
    static const struct timeval look_again = {.tv_usec = FOREGROUND_MS * 1000};

    if (!in->is_tty || !chardev_tty_is_background(in->fd))
        return false;
    event_del(in->ready);
    event_add(in->foreground, &look_again);
    return true;
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct stdio_in *in = arg;

    if (wait_foreground(in))
        return;
    read_some(in);
    pump(in);
}

static void on_next(evutil_socket_t fd, short what, void *arg)
{
    struct stdio_in *in = arg;

    if (!in->pollable && !in->eof && queue_used(in) == 0)
        read_some(in);
    pump(in);
}

/* SIGCONT, the look from the background, and the start: is the terminal ours now? */
static void on_foreground(evutil_socket_t fd, short what, void *arg)
{
    struct stdio_in *in = arg;

    if (wait_foreground(in))
        return;
    chardev_tty_raw();
    pump(in);
}

/* Stop as the user expects of any program: with the terminal as the shell knows it. */
static void on_tstp(evutil_socket_t fd, short what, void *arg)
{
    chardev_restore();
    raise(SIGSTOP);
}

static int job_control_start(struct stdio_in *in, struct event_base *base, int fd)
{
    int error = chardev_tty_take(fd);

    if (error)
        return error;
    in->owns_tty = true;
    in->foreground = event_new(base, -1, 0, on_foreground, in);
    in->signal_cont = evsignal_new(base, SIGCONT, on_foreground, in);
    in->signal_tstp = evsignal_new(base, SIGTSTP, on_tstp, in);
    if (!in->foreground || !in->signal_cont || !in->signal_tstp)
        return -ENOMEM;
    event_add(in->signal_cont, NULL);
    event_add(in->signal_tstp, NULL);
    event_add(in->foreground, &at_once);
    return 0;
}

int stdio_in_open(struct stdio_in *in, struct event_base *base, int fd, struct chardev *chardev)
{
    int own = fd >= 0 ? stdio_fd_reopen(fd, O_RDONLY) : -1;

    in->chardev = chardev;
    in->private = own >= 0;
    in->fd = in->private ? own : fd;
    in->is_tty = fd >= 0 && isatty(fd);
    in->eof = fcntl(in->fd, F_GETFD) < 0; /* none, or closed */
    in->pollable = !in->eof && stdio_fd_is_pollable(in->fd);
    in->bytes = evbuffer_new();
    in->next = event_new(base, -1, 0, on_next, in);
    in->ready = event_new(base, in->fd, EV_READ | EV_PERSIST, on_ready, in);
    if (!in->bytes || !in->next || !in->ready)
        return -ENOMEM;
    return in->is_tty ? job_control_start(in, base, fd) : 0;
}

void stdio_in_accept(struct stdio_in *in)
{
    event_add(in->next, &at_once);
}

void stdio_in_attached(struct stdio_in *in)
{
    if (in->chardev->client)
        stdio_in_accept(in);
    else
        pump(in);
}

void stdio_in_close(struct stdio_in *in)
{
    struct event *const events[] = {in->next, in->ready, in->foreground, in->signal_cont,
                                    in->signal_tstp};

    if (in->owns_tty)
        chardev_tty_leave();
    for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        if (events[i])
            event_free(events[i]);
    if (in->private)
        close(in->fd);
    if (in->bytes)
        evbuffer_free(in->bytes);
}
