/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/chardev/chardev_internal.h"
#include "vmm/chardev/chardev_output.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define CHARDEV_OUT      0x1000u  /* bytes of output that wait to be written */
#define CHARDEV_IN       0x10000u /* bytes of terminal input that wait for the guest */
#define CHARDEV_CHUNK    512u     /* bytes of one read */
#define CHARDEV_FREE_MS  1000     /* for the last output to go */
#define CHARDEV_RETRY_MS 20       /* for a descriptor that cannot be waited for */
#define CHARDEV_FG_MS    500      /* between looks whether we are in the foreground again */

#define CHARDEV_ESCAPE 0x01 /* Ctrl-a */

/* How to write without blocking. */
enum chardev_out {
    CHARDEV_OUT_PLAIN,  /* write(): a file never blocks; or O_NONBLOCK is ours to set */
    CHARDEV_OUT_SOCKET, /* send(MSG_DONTWAIT) */
    CHARDEV_OUT_POLL,   /* poll(), then little enough to fit for sure */
};

struct chardev_queue {
    struct evbuffer *bytes;
    size_t capacity;
};

struct chardev_stdio {
    struct chardev chardev; /* first */
    void (*quit)(void *opaque);
    void *quit_opaque;

    int out_fd;
    bool out_private; /* opened here */
    bool out_pollable;
    enum chardev_out out_kind;
    bool out_dead;  /* the reader is gone: discard */
    bool out_full;  /* the disk is: discard, said already */
    bool out_short; /* the client waits for room */
    struct chardev_output *out;
    struct event *out_next;  /* run in the loop's next pass */
    struct event *out_ready; /* the descriptor takes output again */

    int in_fd;
    bool in_private;
    bool in_pollable;
    bool in_tty;
    bool in_eof;
    bool in_dropped; /* said already that the terminal is ahead of the guest */
    bool escaped;    /* the last key was Ctrl-a */
    struct chardev_queue in;
    struct event *in_next;       /* run in the loop's next pass */
    struct event *in_ready;      /* the descriptor has input */
    struct event *in_foreground; /* while in the background: look again */
    struct event *signal_tstp;
    struct event *signal_cont;
    struct event *signal_winch; /* the terminal has another size; NULL: output is to none */
};

static struct chardev_stdio *chardev_stdio_of(struct chardev *chardev)
{
    return (struct chardev_stdio *)(void *)chardev;
}

/*
 * The terminal's own mode, for chardev_restore: outside of any heap object
 * because a signal handler uses it. The descriptor is set last, cleared first.
 */
static struct termios chardev_tty_mode;
static volatile sig_atomic_t chardev_tty_fd = -1;

/*
 * What runs in the loop's next pass is a timer of no time: an event that is
 * made active from its own callback would keep the loop in the same pass.
 */
static const struct timeval chardev_now;

static size_t queue_used(const struct chardev_queue *q)
{
    return evbuffer_get_length(q->bytes);
}

static size_t queue_room(const struct chardev_queue *q)
{
    return q->capacity - queue_used(q);
}

/* How many of the bytes fit. */
static size_t queue_put(struct chardev_queue *q, const uint8_t *data, size_t len)
{
    if (len > queue_room(q))
        len = queue_room(q);
    return evbuffer_add(q->bytes, data, len) ? 0 : len;
}

/* All bytes, the oldest first. */
static size_t queue_peek(const struct chardev_queue *q, const uint8_t **data)
{
    *data = evbuffer_pullup(q->bytes, -1);
    return *data ? queue_used(q) : 0;
}

static void queue_drop(struct chardev_queue *q, size_t len)
{
    evbuffer_drain(q->bytes, len);
}

/*
 * A foreign terminal, or none at all, is no obstacle: job control is only for
 * the terminal of our session. To touch that one from the background would
 * stop this process and the guest with it.
 */
static bool chardev_in_background(int fd)
{
    pid_t foreground = tcgetpgrp(fd);

    return foreground > 0 && foreground != getpgrp();
}

void chardev_restore(void)
{
    int saved_errno = errno;
    int fd = chardev_tty_fd;

    /* In the background the terminal is the shell's, and is in the shell's mode. */
    if (fd >= 0 && !chardev_in_background(fd))
        tcsetattr(fd, TCSANOW, &chardev_tty_mode);
    errno = saved_errno;
}

static void chardev_raw(void)
{
    struct termios raw = chardev_tty_mode;

    cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(chardev_tty_fd, TCSANOW, &raw);
}

/*
 * Output
 */

/* One attempt. Bytes written, or -1 with errno: EAGAIN when the reader is slow. */
static ssize_t chardev_try_write(const struct chardev_stdio *c, const uint8_t *data, size_t len)
{
    struct pollfd poll_fd = {.fd = c->out_fd, .events = POLLOUT};

    switch (c->out_kind) {
    case CHARDEV_OUT_PLAIN: return write(c->out_fd, data, len);
    case CHARDEV_OUT_SOCKET: return send(c->out_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case CHARDEV_OUT_POLL:
        /*
         * A terminal or a pipe that is ready has room for one byte, and a
         * blocking write of more would wait for the rest of the room.
         */
        if (poll(&poll_fd, 1, 0) > 0)
            return write(c->out_fd, data, 1);
        break;
    }
    errno = EAGAIN;
    return -1;
}

/* Output failed for good or for now: what waits is discarded, the guest goes on. */
static void chardev_out_failed(struct chardev_stdio *c, int error)
{
    chardev_output_drop(c->out, chardev_output_used(c->out));
    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        if (!c->out_full)
            log_error("console output: %s: it is discarded until there is room", strerror(error));
        c->out_full = true;
        return;
    }
    log_error("console output: %s: it is discarded from here on", strerror(error));
    c->out_dead = true;
}

/* As much as goes now. True: nothing is left. */
static bool chardev_out_push(struct chardev_stdio *c)
{
    while (chardev_output_used(c->out) > 0) {
        const uint8_t *data;
        size_t len = chardev_output_peek(c->out, &data);
        ssize_t n = chardev_try_write(c, data, len);

        if (n > 0) {
            chardev_output_drop(c->out, (size_t)n);
            c->out_full = false;
        } else if (n == 0 || errno == EAGAIN) {
            return false;
        } else if (errno != EINTR) {
            chardev_out_failed(c, errno);
        }
    }
    return true;
}

/* In the next pass, or when the reader read: push, wait for more room, wake the client. */
static void chardev_on_out(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval retry = {.tv_usec = CHARDEV_RETRY_MS * 1000};
    struct chardev_stdio *c = arg;

    if (!chardev_out_push(c)) {
        if (c->out_pollable)
            event_add(c->out_ready, NULL);
        else
            event_add(c->out_next, &retry);
    }
    if (c->out_short && c->chardev.client && chardev_output_room(c->out) > 0) {
        c->out_short = false;
        if (c->chardev.client->writable)
            c->chardev.client->writable(c->chardev.opaque);
    }
}

static size_t chardev_stdio_write(struct chardev *chardev, const uint8_t *data, size_t len)
{
    struct chardev_stdio *c = chardev_stdio_of(chardev);
    size_t taken;

    if (c->out_dead)
        return len;
    if (chardev_output_used(c->out) == 0 && len > 0)
        event_add(c->out_next, &chardev_now);
    taken = chardev_output_put(c->out, data, len);
    c->out_short |= taken < len;
    return taken;
}

/*
 * Input
 */

static void chardev_show_keys(void)
{
    static const char keys[] = "\r\nCtrl-a x   quit\r\n"
                               "Ctrl-a h   show these keys\r\n"
                               "Ctrl-a a   send Ctrl-a (or: Ctrl-a Ctrl-a)\r\n";
    ssize_t n = write(STDERR_FILENO, keys, sizeof(keys) - 1);

    (void)n; /* a stderr that is gone shows nothing */
}

/* One key of the terminal. True: it is for the guest. */
static bool chardev_key(struct chardev_stdio *c, uint8_t *key)
{
    if (!c->escaped) {
        c->escaped = *key == CHARDEV_ESCAPE;
        return !c->escaped;
    }
    c->escaped = false;
    switch (*key) {
    case 'a':
    case CHARDEV_ESCAPE: *key = CHARDEV_ESCAPE; return true;
    case 'x': c->quit(c->quit_opaque); return false;
    case 'h':
    case '?': chardev_show_keys(); return false;
    default: return false;
    }
}

static void chardev_keys(struct chardev_stdio *c, uint8_t *keys, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!chardev_key(c, &keys[i]) || queue_put(&c->in, &keys[i], 1) == 1)
            continue;
        if (!c->in_dropped)
            log_warn("console input: the guest does not read it: keys are dropped");
        c->in_dropped = true;
    }
}

static size_t chardev_client_room(struct chardev_stdio *c)
{
    return c->chardev.client ? c->chardev.client->can_receive(c->chardev.opaque) : 0;
}

static void chardev_read(struct chardev_stdio *c)
{
    struct pollfd poll_fd = {.fd = c->in_fd, .events = POLLIN};
    size_t room = c->in_tty ? CHARDEV_CHUNK : chardev_client_room(c);
    uint8_t data[CHARDEV_CHUNK];
    ssize_t n;

    /* On a description that is shared, someone else may have been quicker. */
    if (room == 0 || (!c->in_private && poll(&poll_fd, 1, 0) <= 0))
        return;
    n = read(c->in_fd, data, room < sizeof(data) ? room : sizeof(data));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 && errno != EIO) /* EIO: the terminal was hung up */
        log_error("console input: %s: it ends here", strerror(errno));
    if (n <= 0)
        c->in_eof = true;
    else if (c->in_tty)
        chardev_keys(c, data, (size_t)n);
    else
        queue_put(&c->in, data, (size_t)n);
}

static void chardev_deliver(struct chardev_stdio *c)
{
    while (queue_used(&c->in) > 0) {
        const uint8_t *data;
        size_t len = queue_peek(&c->in, &data);
        size_t room = chardev_client_room(c);

        if (room == 0 || len == 0) /* 0 bytes: out of memory for now */
            return;
        if (len > room)
            len = room;
        c->chardev.client->receive(c->chardev.opaque, data, len);
        queue_drop(&c->in, len);
    }
}

/* Hand over what waits, and go on reading if there is someone to read for. */
static void chardev_pump(struct chardev_stdio *c)
{
    chardev_deliver(c);
    if (c->in_eof || (!c->in_tty && chardev_client_room(c) == 0))
        event_del(c->in_ready);
    else if (c->in_pollable)
        event_add(c->in_ready, NULL);
    else
        event_add(c->in_next, &chardev_now);
}

/*
 * To read or to change the terminal's mode in the background would stop us
 * (SIGTTIN, SIGTTOU): both are the shell's. It need not tell when it gives the
 * terminal to a job that runs, so there is no way but to look again.
 */
static bool chardev_wait_foreground(struct chardev_stdio *c)
{
    static const struct timeval look_again = {.tv_usec = CHARDEV_FG_MS * 1000};

    if (!c->in_tty || !chardev_in_background(c->in_fd))
        return false;
    event_del(c->in_ready);
    event_add(c->in_foreground, &look_again);
    return true;
}

static void chardev_on_in(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stdio *c = arg;

    if (chardev_wait_foreground(c))
        return;
    chardev_read(c);
    chardev_pump(c);
}

static void chardev_on_next(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stdio *c = arg;

    if (!c->in_pollable && !c->in_eof && queue_used(&c->in) == 0)
        chardev_read(c);
    chardev_pump(c);
}

static void chardev_stdio_accept(struct chardev *chardev)
{
    struct chardev_stdio *c = chardev_stdio_of(chardev);

    event_add(c->in_next, &chardev_now);
}

/*
 * The terminal: job control
 */

/* SIGCONT, the look from the background, and the start: is the terminal ours now? */
static void chardev_on_foreground(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stdio *c = arg;

    if (chardev_wait_foreground(c))
        return;
    chardev_raw();
    chardev_pump(c);
}

/* Stop as the user expects of any program: with the terminal as the shell knows it. */
static void chardev_on_tstp(evutil_socket_t fd, short what, void *arg)
{
    chardev_restore();
    raise(SIGSTOP);
}

static int chardev_tty_init(struct chardev_stdio *c, struct event_base *base, int fd)
{
    static bool at_exit;

    if (chardev_tty_fd >= 0) {
        log_error("console: there is one already on a terminal");
        return -EBUSY;
    }
    if (tcgetattr(fd, &chardev_tty_mode) != 0) {
        int error = -errno;

        log_error("console: the terminal does not tell its mode: %s", strerror(-error));
        return error;
    }
    c->in_foreground = event_new(base, -1, 0, chardev_on_foreground, c);
    c->signal_cont = evsignal_new(base, SIGCONT, chardev_on_foreground, c);
    c->signal_tstp = evsignal_new(base, SIGTSTP, chardev_on_tstp, c);
    if (!c->in_foreground || !c->signal_cont || !c->signal_tstp)
        return -ENOMEM;
    chardev_tty_fd = fd;
    if (!at_exit && atexit(chardev_restore) == 0)
        at_exit = true;
    event_add(c->signal_cont, NULL);
    event_add(c->signal_tstp, NULL);
    event_add(c->in_foreground, &chardev_now);
    return 0;
}

/*
 * Making one
 */

/* A description of our own, where O_NONBLOCK is nobody else's business; or -1. */
static int chardev_reopen(int fd, int flags)
{
    struct stat st;
    char path[32];

    /* A file opened anew would start at its beginning, and never blocks anyway. */
    if (fstat(fd, &st) != 0 || !(S_ISFIFO(st.st_mode) || isatty(fd)))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* Files and some character devices (/dev/null) are always ready: epoll refuses them. */
static bool chardev_pollable(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int probe = epoll_create1(EPOLL_CLOEXEC);
    bool pollable;

    if (probe < 0)
        return true;
    pollable = epoll_ctl(probe, EPOLL_CTL_ADD, fd, &event) == 0;
    close(probe);
    return pollable;
}

static enum chardev_out chardev_out_kind(int fd, bool private)
{
    struct stat st;

    if (private || fstat(fd, &st) != 0)
        return CHARDEV_OUT_PLAIN;
    if (S_ISSOCK(st.st_mode))
        return CHARDEV_OUT_SOCKET;
    return S_ISFIFO(st.st_mode) || isatty(fd) ? CHARDEV_OUT_POLL : CHARDEV_OUT_PLAIN;
}

/* It has a client: begin. Or it has none any more: stop reading, except keys. */
static void chardev_stdio_attached(struct chardev *chardev)
{
    struct chardev_stdio *c = chardev_stdio_of(chardev);

    if (!chardev->client) {
        c->out_short = false;
        chardev_pump(c);
        return;
    }
    event_add(c->in_next, &chardev_now);
    if (c->out_short)
        event_add(c->out_next, &chardev_now);
    if (c->signal_winch)
        event_active(c->signal_winch, EV_SIGNAL, 1);
}

static void chardev_on_winch(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_stdio *c = arg;

    chardev_tell_size(&c->chardev, c->out_fd);
}

static void chardev_last_output(struct chardev_stdio *c)
{
    int64_t end = clock_now_ms() + CHARDEV_FREE_MS;

    while (!chardev_out_push(c)) {
        struct pollfd poll_fd = {.fd = c->out_fd, .events = POLLOUT};
        int64_t left = end - clock_now_ms();

        if (left <= 0) {
            log_warn("console output: the reader is too slow: its last %zu bytes are lost",
                     chardev_output_used(c->out));
            return;
        }
        poll(&poll_fd, 1, (int)left);
    }
}

static void chardev_event_free(struct event *event)
{
    if (event)
        event_free(event);
}

static void chardev_stdio_free(struct chardev *chardev)
{
    struct chardev_stdio *c = chardev_stdio_of(chardev);

    if (c->out)
        chardev_last_output(c);
    if (c->signal_tstp) {
        chardev_restore();
        chardev_tty_fd = -1;
    }
    chardev_event_free(c->out_next);
    chardev_event_free(c->out_ready);
    chardev_event_free(c->in_next);
    chardev_event_free(c->in_ready);
    chardev_event_free(c->in_foreground);
    chardev_event_free(c->signal_cont);
    chardev_event_free(c->signal_tstp);
    chardev_event_free(c->signal_winch);
    if (c->out_private)
        close(c->out_fd);
    if (c->in_private)
        close(c->in_fd);
    chardev_output_free(c->out);
    if (c->in.bytes)
        evbuffer_free(c->in.bytes);
    free(c);
}

static const struct chardev_ops chardev_stdio_ops = {
    .attached = chardev_stdio_attached,
    .write = chardev_stdio_write,
    .accept = chardev_stdio_accept,
    .free = chardev_stdio_free,
};

struct chardev *chardev_stdio_new(struct event_base *base, int in_fd, int out_fd,
                                  void (*quit)(void *opaque), void *opaque)
{
    struct chardev_stdio *c = calloc(1, sizeof(*c));
    int own;

    if (!c) {
        log_error("console: out of memory");
        return NULL;
    }
    c->chardev.ops = &chardev_stdio_ops;
    c->quit = quit;
    c->quit_opaque = opaque;

    own = chardev_reopen(out_fd, O_WRONLY);
    c->out_private = own >= 0;
    c->out_fd = c->out_private ? own : out_fd;
    c->out_kind = chardev_out_kind(c->out_fd, c->out_private);
    c->out_pollable = chardev_pollable(c->out_fd);

    own = in_fd >= 0 ? chardev_reopen(in_fd, O_RDONLY) : -1;
    c->in_private = own >= 0;
    c->in_fd = c->in_private ? own : in_fd;
    c->in_tty = in_fd >= 0 && isatty(in_fd);
    c->in_eof = fcntl(c->in_fd, F_GETFD) < 0; /* none, or closed */
    c->in_pollable = !c->in_eof && chardev_pollable(c->in_fd);

    c->out = chardev_output_new(CHARDEV_OUT);
    c->in.capacity = CHARDEV_IN;
    c->in.bytes = evbuffer_new();
    c->out_next = event_new(base, -1, 0, chardev_on_out, c);
    c->out_ready = event_new(base, c->out_fd, EV_WRITE, chardev_on_out, c);
    c->in_next = event_new(base, -1, 0, chardev_on_next, c);
    c->in_ready = event_new(base, c->in_fd, EV_READ | EV_PERSIST, chardev_on_in, c);
    if (!c->out || !c->in.bytes || !c->out_next || !c->out_ready || !c->in_next || !c->in_ready)
        goto no_memory;

    if (chardev_output_used(c->out) > 0) /* of the process before */
        event_add(c->out_next, &chardev_now);
    if (isatty(c->out_fd)) {
        c->signal_winch = evsignal_new(base, SIGWINCH, chardev_on_winch, c);
        if (!c->signal_winch || event_add(c->signal_winch, NULL))
            goto no_memory;
    }
    signal(SIGPIPE, SIG_IGN);
    if (c->in_tty) {
        int error = chardev_tty_init(c, base, in_fd);

        if (error == -ENOMEM)
            goto no_memory;
        if (error) {
            chardev_free(&c->chardev);
            return NULL;
        }
    }
    return &c->chardev;

no_memory:
    log_error("console: out of memory");
    chardev_free(&c->chardev);
    return NULL;
}
