/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection to the back end. It is made, and hello said, before the guest starts.
 * From then on it may be lost at any time, for any time: it is tried again for ever,
 * and the guest waits. Nothing here blocks but the first hello.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "devices/vhost_user/vhost_user.h"

#define MS             1000000ull
#define DELAY_MIN_NS   (100 * MS)
#define DELAY_MAX_NS   (1000 * MS)
#define SAY_NS         (10000 * MS)
#define REPLY_NS       (5000 * MS)
#define STOP_NS        (20000 * MS) /* with requests that have to end first; quiesce() has 30 s */
#define RESET_NS       (1000 * MS)  /* a reset's wait for requests, and then for the rings */
#define FIRST_RETRY_MS 20
#define FIRST_HELLO_MS 5000

static int64_t vhost_user_clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void vhost_user_say(struct vhost_user *vu, enum vhost_user_message_kind kind, const char *fmt, ...)
{
    const struct virtio_plugin *plugin = vu->plugin;
    uint64_t now = plugin->ops->now_ns(plugin->instance);
    char text[256];
    va_list ap;

    if (vu->said_ns[kind] && now - vu->said_ns[kind] < SAY_NS)
        return;
    vu->said_ns[kind] = now | 1;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    plugin->ops->log(plugin->instance, kind == VHOST_USER_SAYS_BACK ? RV_LOG_INFO : RV_LOG_WARN,
                     "%s", text);
}

/* The transport is there only after create(). */
static struct virtio_device *vhost_user_virtio(struct vhost_user *vu)
{
    return vu->plugin->made ? &vu->plugin->virtio : NULL;
}

/*
 * The guest sees a buffer that was used as soon as the index is in its memory, with or
 * without an interrupt. What the back end wrote for it was written before.
 */
void vhost_user_look(struct vhost_user *vu)
{
    struct virtio_device *virtio = vu->relayed ? NULL : vhost_user_virtio(vu);

    for (unsigned i = 0; virtio && i < vu->nr_queues; i++) {
        const struct virtqueue *vq = virtio_device_queue(virtio, i);
        struct vhost_user_queue *q = &vu->queues[i];
        uint16_t used;

        if (!vq->state->ready)
            continue;
        used = virtqueue_used_index(vq);
        vu->moved |= used != q->seen;
        q->seen = used;
    }
}

/*
 * One timer: for a reply while there is a connection, for the next attempt while not.
 */

static void vhost_user_timer(struct vhost_user *vu, uint64_t in_ns)
{
    const struct virtio_plugin *plugin = vu->plugin;

    plugin->ops->timer_set(plugin->instance, vu->timer,
                           plugin->ops->now_ns(plugin->instance) + in_ns);
    vu->timed = true;
}

static void vhost_user_timer_off(struct vhost_user *vu)
{
    if (vu->timed)
        vu->plugin->ops->timer_cancel(vu->plugin->instance, vu->timer);
    vu->timed = false;
}

/* The other timer bounds what a reset, or a device that is to stand still, waits for. */
static void vhost_user_limit(struct vhost_user *vu)
{
    const struct virtio_plugin *plugin = vu->plugin;

    plugin->ops->timer_set(plugin->instance, vu->limit,
                           plugin->ops->now_ns(plugin->instance) + RESET_NS);
    vu->limited = true;
}

static void vhost_user_limit_off(struct vhost_user *vu)
{
    if (vu->limited)
        vu->plugin->ops->timer_cancel(vu->plugin->instance, vu->limit);
    vu->limited = false;
}

/* Ends the resets whose rings have stopped, and says when the device stands still. */
static void vhost_user_quiet(struct vhost_user *vu)
{
    uint64_t done = vu->stopping & ~vu->engine.begun;

    /* A reset of the device is one of all rings at once. */
    if (done && (!vu->resetting || done == vu->stopping)) {
        vu->stopping &= ~done;
        vhost_user_reset_done(vu, done);
    }
    if (!vu->draining && !vu->stopping)
        vhost_user_limit_off(vu);
    if (vu->waited_for && vu->engine.begun == 0) {
        vu->waited_for = false;
        virtio_plugin_quiesced(vu->plugin);
    }
}

static void vhost_user_unwatch(struct vhost_user *vu, struct rv_watch **watch)
{
    if (*watch)
        vu->plugin->ops->fd_remove(vu->plugin->instance, *watch);
    *watch = NULL;
}

void vhost_user_link_close(struct vhost_user *vu)
{
    vhost_user_unwatch(vu, &vu->watch);
    vhost_user_unwatch(vu, &vu->channel_watch);
    vhost_user_socket_close(&vu->socket);
    vhost_user_socket_close(&vu->channel);
    if (vu->engine.back_end_fd >= 0)
        close(vu->engine.back_end_fd);
    vu->engine.back_end_fd = -1;
    vhost_user_timer_off(vu);
    vhost_user_engine_begin(&vu->engine);
    vu->introduced = false;
}

void vhost_user_link_later(struct vhost_user *vu)
{
    if (vu->delay_ns < DELAY_MIN_NS)
        vu->delay_ns = DELAY_MIN_NS;
    vhost_user_timer(vu, vu->delay_ns);
    vu->delay_ns = vu->delay_ns * 2 < DELAY_MAX_NS ? vu->delay_ns * 2 : DELAY_MAX_NS;
}

/* The connection is of no use any more. What was under way comes again. */
static void vhost_user_hang_up(struct vhost_user *vu)
{
    struct virtio_device *virtio = vhost_user_virtio(vu);

    /* It may have used buffers and died before it said so. */
    vhost_user_look(vu);
    for (unsigned i = 0; virtio && vu->relayed && i < vu->nr_queues; i++) {
        vhost_user_collect(vu, i);
        vhost_user_relay_end(&vu->relay, i);
    }
    vhost_user_link_close(vu);
    vu->lost = true;
    if (!virtio)
        return; /* the first hello: who waits for it sees that the socket is closed */
    if (vu->up && !vu->relayed)
        virtio_device_used(virtio, vu->up);
    vu->up = 0;
    vhost_user_link_later(vu);
    vu->engine.want &= ~vu->draining; /* its requests went with the connection */
    vu->draining = 0;
    vhost_user_quiet(vu);
}

static void vhost_user_wrong(struct vhost_user *vu, const char *what, uint64_t value)
{
    vhost_user_say(vu, VHOST_USER_SAYS_WRONG, "the back end at '%s' is of no use: %s 0x%" PRIx64,
                   vu->path, what, value);
    vhost_user_hang_up(vu);
}

static void vhost_user_gone(struct vhost_user *vu, int error)
{
    /* At the start it is tried again, and said if that is in vain. */
    if (vu->plugin->made)
        vhost_user_say(
            vu, VHOST_USER_SAYS_LOST,
            "the connection to the back end at '%s' is lost (%s): the guest waits until it "
            "is there again",
            vu->path, error == -ECONNRESET ? "closed" : strerror(-error));
    vhost_user_hang_up(vu);
}

/*
 * What follows from the engine's state
 */

/* A new configuration space: the guest's, corrected; and told of if it is another one. */
static void vhost_user_config_new(struct vhost_user *vu)
{
    uint8_t before[VHOST_USER_CONFIG_MAX];
    uint8_t *config = vu->state->config;
    uint32_t at = vu->type->writable;
    uint8_t mine = config[at];

    memcpy(before, config, sizeof(before));
    memcpy(config, vu->engine.config, vu->type->config_size);
    if (vu->state->written)
        config[at] = mine;
    vu->type->config(vu);
    vu->engine.config_changed = false;
    if (vhost_user_virtio(vu) && memcmp(before, config, sizeof(before)) != 0)
        virtio_device_config_changed(vhost_user_virtio(vu));
}

/* Hello is over. False: with this back end it does not go on. */
static bool vhost_user_introduce(struct vhost_user *vu)
{
    const char *wrong = vu->type->check ? vu->type->check(vu) : NULL;

    if (wrong) {
        vhost_user_wrong(vu, wrong, vu->engine.features);
        return false;
    }
    vu->introduced = true;
    (*vu->connects)++;
    if (vu->lost)
        vhost_user_say(vu, VHOST_USER_SAYS_BACK, "the back end at '%s' is there again", vu->path);
    vu->lost = false;
    if (vu->type->config_remote)
        vhost_user_config_new(vu);
    if (vu->state->written) {
        vu->engine.config[vu->type->writable] = vu->state->config[vu->type->writable];
        vu->engine.config_at = vu->type->writable;
        vu->engine.config_len = 1;
        vu->engine.config_write = true;
    }
    return true;
}

/* Rings that have come up: both sides look at them once, whatever was lost before. */
static void vhost_user_came_up(struct vhost_user *vu)
{
    uint64_t fresh = vu->engine.running & ~vu->up;
    struct virtio_device *virtio = vhost_user_virtio(vu);

    vu->up = vu->engine.running;
    for (unsigned i = 0; i < vu->nr_queues; i++)
        if (fresh >> i & 1)
            eventfd_write(vu->queues[i].kick, 1);
    if (fresh) {
        vu->delay_ns = 0;
        if (!vu->relayed)
            virtio_device_used(virtio, fresh);
    }
}

static void vhost_user_arm(struct vhost_user *vu)
{
    const struct virtio_plugin *plugin = vu->plugin;
    bool sending = vhost_user_socket_sending(&vu->socket);

    if (!sending && vu->engine.awaiting == 0)
        vhost_user_timer_off(vu);
    else if (!vu->timed)
        vhost_user_timer(vu, vu->engine.awaiting == VHOST_USER_GET_VRING_BASE ? STOP_NS : REPLY_NS);
    if (vu->watch)
        plugin->ops->fd_change(plugin->instance, vu->watch,
                               sending ? RV_FD_READ | RV_FD_WRITE : RV_FD_READ);
}

/* One step further, or -EAGAIN: something must come first. */
static int vhost_user_send(struct vhost_user *vu)
{
    struct vhost_user_message message;
    int error = vhost_user_socket_flush(&vu->socket);

    if (error)
        return error;
    return vhost_user_engine_next(&vu->engine, &message)
               ? vhost_user_socket_send(&vu->socket, &message)
               : -EAGAIN;
}

/* Does the back end still have requests of the relayed rings `mask`? */
static bool vhost_user_in_flight(struct vhost_user *vu, uint64_t mask)
{
    bool busy = false;

    for (unsigned i = 0; i < vu->nr_queues; i++) {
        if (!(mask >> i & 1))
            continue;
        vhost_user_collect(vu, i);
        busy |= vhost_user_relay_busy(&vu->relay, i);
    }
    return busy && !vu->engine.error;
}

/* The requests have ended, or their time is over: stop the rings. */
static void vhost_user_drained(struct vhost_user *vu)
{
    vu->engine.want &= ~vu->draining;
    vu->draining = 0;
    if (vu->stopping)
        vhost_user_limit(vu);
}

void vhost_user_link_pump(struct vhost_user *vu)
{
    int error = 0;

    if (vu->draining && !vhost_user_in_flight(vu, vu->draining))
        vhost_user_drained(vu);
    while (vu->socket.fd >= 0 && !error) {
        error = vhost_user_send(vu);
        if (vu->engine.error)
            vhost_user_wrong(vu, vu->engine.error, vu->engine.value);
        else if (error && error != -EAGAIN)
            vhost_user_gone(vu, error);
        else if (vhost_user_engine_ready(&vu->engine) && !vu->introduced)
            error = vhost_user_introduce(vu) ? 0 : -EAGAIN;
    }
    if (vu->socket.fd < 0)
        return;
    if (vu->introduced && vu->engine.config_changed)
        vhost_user_config_new(vu);
    vhost_user_came_up(vu);
    vhost_user_quiet(vu);
    vhost_user_arm(vu);
}

/* One message: others in the loop have their turn. */
static void vhost_user_receive(struct vhost_user *vu)
{
    int error = vhost_user_socket_receive(&vu->socket);

    if (error == -EAGAIN)
        return;
    if (error == -EBADMSG) {
        vhost_user_wrong(vu, "a message of bytes", vu->socket.in.header.size);
        return;
    }
    if (error) {
        vhost_user_gone(vu, error);
        return;
    }
    if (vhost_user_engine_reply(&vu->engine, &vu->socket.in))
        vhost_user_timer_off(vu);
    vhost_user_socket_done(&vu->socket);
    vhost_user_link_pump(vu);
}

static void vhost_user_ready(void *opaque, unsigned events)
{
    struct vhost_user *vu = opaque;

    if (events & RV_FD_READ)
        vhost_user_receive(vu);
    else
        vhost_user_link_pump(vu);
}

static void vhost_user_channel_receive(struct vhost_user *vu)
{
    struct vhost_user_message answer;
    int error = vhost_user_socket_receive(&vu->channel);

    if (error == -EAGAIN)
        return;
    /* Without it the device works, only not all news comes. A back end that has gone is seen above. */
    if (error || vhost_user_socket_flush(&vu->channel)) {
        vhost_user_unwatch(vu, &vu->channel_watch);
        vhost_user_socket_close(&vu->channel);
        return;
    }
    answer = vu->channel.in;
    answer.nr_fds = 0;
    /* One that does not fit now is dropped with the channel, by the next that comes. */
    if (vhost_user_engine_request(&vu->engine, &answer))
        (void)vhost_user_socket_send(&vu->channel, &answer);
    vhost_user_socket_done(&vu->channel);
    vhost_user_link_pump(vu);
}

static void vhost_user_channel_ready(void *opaque, unsigned events)
{
    vhost_user_channel_receive(opaque);
}

/*
 * Connecting
 */

static void vhost_user_watch(struct vhost_user *vu)
{
    const struct virtio_plugin *plugin = vu->plugin;

    vu->watch =
        plugin->ops->fd_watch(plugin->instance, vu->socket.fd, RV_FD_READ, vhost_user_ready, vu);
    if (vu->channel.fd >= 0)
        vu->channel_watch = plugin->ops->fd_watch(plugin->instance, vu->channel.fd, RV_FD_READ,
                                                  vhost_user_channel_ready, vu);
    /* Without a watch it would be deaf: hang up, and try again later. */
    if (!vu->watch)
        vhost_user_hang_up(vu);
}

static int vhost_user_connect(struct vhost_user *vu)
{
    int pair[2], fd;
    int error = vhost_user_socket_connect(vu->path, &fd);

    if (error)
        return error;
    vhost_user_socket_init(&vu->socket, fd);
    vhost_user_engine_begin(&vu->engine);
    if (vu->setup.protocol >> VHOST_USER_PROTOCOL_BACKEND_REQ & 1 &&
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0) {
        vhost_user_socket_init(&vu->channel, pair[0]);
        vu->engine.back_end_fd = pair[1];
    }
    return 0;
}

static void vhost_user_fired(void *opaque);
static void vhost_user_expired(void *opaque);

int vhost_user_link_init(struct vhost_user *vu)
{
    vhost_user_socket_init(&vu->socket, -1);
    vhost_user_socket_init(&vu->channel, -1);
    vu->timer = vu->plugin->ops->timer_new(vu->plugin->instance, vhost_user_fired, vu);
    vu->limit = vu->plugin->ops->timer_new(vu->plugin->instance, vhost_user_expired, vu);
    return vu->timer && vu->limit ? 0 : -ENOMEM;
}

static void vhost_user_fired(void *opaque)
{
    struct vhost_user *vu = opaque;

    vu->timed = false;
    if (vu->socket.fd >= 0) {
        vhost_user_say(vu, VHOST_USER_SAYS_LATE,
                       "the back end at '%s' does not answer request %" PRIu32
                       ": the connection is made anew",
                       vu->path, vu->engine.awaiting);
        vhost_user_hang_up(vu);
        return;
    }
    if (vhost_user_connect(vu)) {
        vhost_user_link_later(vu);
        return;
    }
    vhost_user_watch(vu);
    vhost_user_link_pump(vu);
}

/*
 * Stopping rings
 */

/* The back end does not stop: close the connection. */
static void vhost_user_give_up(struct vhost_user *vu)
{
    vhost_user_say(vu, VHOST_USER_SAYS_LATE,
                   "the back end at '%s' does not stop a queue within %llu ms: the guest's reset "
                   "goes on without it, and the connection is made anew",
                   vu->path, RESET_NS / MS);
    vhost_user_hang_up(vu);
}

static void vhost_user_expired(void *opaque)
{
    struct vhost_user *vu = opaque;

    vu->limited = false;
    if (vu->draining) {
        vhost_user_drained(vu);
        vhost_user_link_pump(vu);
    } else if (vu->stopping) {
        vhost_user_give_up(vu);
    }
}

/* Not every back end waits for its requests before it says that a ring has stopped. */
void vhost_user_link_drain(struct vhost_user *vu, uint64_t mask)
{
    if (vu->relayed && vu->type->ends)
        vu->draining |= mask & vu->engine.want & vu->engine.running;
    vu->engine.want &= ~mask | vu->draining;
    if (vu->draining && !vu->limited)
        vhost_user_limit(vu);
    vhost_user_link_pump(vu);
}

void vhost_user_link_stop(struct vhost_user *vu, uint64_t mask)
{
    vu->stopping |= mask;
    if (!vu->limited)
        vhost_user_limit(vu);
    vhost_user_link_drain(vu, mask);
    /* No answer is read while the device stands still. */
    if (vu->engine.begun & vu->stopping && virtio_device_is_held(&vu->plugin->virtio))
        vhost_user_give_up(vu);
    vhost_user_quiet(vu);
}

/*
 * Waiting
 */

/* Turns the connection alone, for `ms` at most. False: interrupted, or time is up. */
static bool vhost_user_turn(struct vhost_user *vu, int64_t until)
{
    struct pollfd fds[] = {{.fd = vu->socket.fd, .events = POLLIN},
                           {.fd = vu->channel.fd, .events = POLLIN}};
    int64_t left = until - vhost_user_clock_ms();

    if (vhost_user_socket_sending(&vu->socket))
        fds[0].events |= POLLOUT;
    if (left <= 0 || poll(fds, 2, (int)left) <= 0)
        return false;
    if (fds[1].revents)
        vhost_user_channel_receive(vu);
    if (vu->socket.fd >= 0 && fds[0].revents & ~POLLOUT)
        vhost_user_receive(vu);
    else if (vu->socket.fd >= 0 && fds[0].revents)
        vhost_user_link_pump(vu);
    return true;
}

/* Hello, with whoever is connected. 0; -EAGAIN: it went away; or another -errno after a message. */
static int vhost_user_first_hello(struct vhost_user *vu)
{
    const struct virtio_plugin *plugin = vu->plugin;
    int64_t until = vhost_user_clock_ms() + FIRST_HELLO_MS;

    vhost_user_link_pump(vu);
    while (vu->socket.fd >= 0 && !vu->introduced && vhost_user_turn(vu, until))
        ;
    if (vu->introduced)
        return 0;
    if (vu->socket.fd < 0)
        return vu->said_ns[VHOST_USER_SAYS_WRONG] ? -EPROTO : -EAGAIN;
    vhost_user_link_close(vu);
    plugin->ops->log(plugin->instance, RV_LOG_ERROR,
                     "the back end at '%s' does not answer: is it one for vhost-user, and free? It "
                     "serves one front end at a time",
                     vu->path);
    return -ETIMEDOUT;
}

static void vhost_user_first_failed(struct vhost_user *vu, int error, uint64_t seconds)
{
    const struct virtio_plugin *plugin = vu->plugin;
    const char *why = error == -EAGAIN ? "it hangs up" : strerror(-error);

    if (error == -ENOTSOCK)
        plugin->ops->log(plugin->instance, RV_LOG_ERROR, "'%s' is not a socket", vu->path);
    else if (error == -ENAMETOOLONG)
        plugin->ops->log(plugin->instance, RV_LOG_ERROR,
                         "'%s': the path is too long for a socket: give one of 107 characters at "
                         "most",
                         vu->path);
    else
        plugin->ops->log(plugin->instance, RV_LOG_ERROR,
                         "no back end at '%s' within %" PRIu64 " s (%s): start it first, or let "
                         "wait= be longer",
                         vu->path, seconds, why);
}

int vhost_user_link_first(struct vhost_user *vu, uint64_t seconds)
{
    int64_t until = vhost_user_clock_ms() + (int64_t)seconds * 1000;
    int error;

    for (;;) {
        error = vhost_user_connect(vu);
        if (!error) {
            error = vhost_user_first_hello(vu);
            if (error != -EAGAIN)
                break;
        }
        if (error == -ENOTSOCK || error == -ENAMETOOLONG || error == -EACCES ||
            vhost_user_clock_ms() >= until || poll(NULL, 0, FIRST_RETRY_MS) < 0) {
            vhost_user_first_failed(vu, error, seconds);
            break;
        }
    }
    vu->lost = false;
    memset(vu->said_ns, 0, sizeof(vu->said_ns));
    if (!error)
        vhost_user_watch(vu);
    return error;
}
