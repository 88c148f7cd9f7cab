/* SPDX-License-Identifier: BSD-2-Clause */
/* Console device: what goes from a port's queue to its back end, and back. */
#include "virtio_console.h"

#define CONSOLE_BYTES (1u << 20) /* of output of a queue in one go */

/* A driver without MULTIPORT has one port, which is always open. */
static bool console_port_is_open(const struct console_port *p)
{
    const struct console *c = p->console;

    return console_multiport(c) ? c->state->port[p->index].open : p->index == 0;
}

/* The back end's turn, ours, or the driver's: who has to do something before more goes out. */
enum console_next { NEXT_BACK_END, NEXT_LOOP, NEXT_DRIVER };

/* What there is of the chain, `*budget` bytes at most. */
static enum console_next console_write(struct console_port *p, size_t *budget)
{
    const struct virtio_plugin *plugin = p->console->plugin;
    uint32_t *written = &p->console->state->written[p->index];
    struct virtq_chain *chain = &p->out;

    while (chain->readable_count) {
        size_t len = chain->readable->iov_len < *budget ? chain->readable->iov_len : *budget;
        size_t taken;

        if (len == 0)
            return NEXT_LOOP;
        taken = plugin->ops->chr_write(plugin->instance, p->chr, chain->readable->iov_base, len);
        __atomic_store_n(written, *written + (uint32_t)taken, __ATOMIC_RELEASE);
        *p->console->bytes_out += taken;
        *budget -= taken;
        iov_advance(&chain->readable, &chain->readable_count, taken);
        if (taken < len)
            return NEXT_BACK_END;
    }
    return NEXT_DRIVER;
}

static bool console_next_out(struct console_port *p, struct virtqueue *vq)
{
    /* Before the pop: it is of the chain that is in flight. */
    __atomic_store_n(&p->console->state->written[p->index], 0, __ATOMIC_RELEASE);
    return virtqueue_pop(vq, &p->out);
}

bool console_out(struct console_port *p)
{
    struct virtqueue *vq = console_queue(p->console, console_in_queue(p->index) + 1);
    enum console_next next = NEXT_DRIVER;
    size_t budget = CONSOLE_BYTES;
    unsigned n = 0;

    do {
        virtqueue_notify_disable(vq);
        while (n < CONSOLE_BATCH && next == NEXT_DRIVER &&
               (p->out_held || console_next_out(p, vq))) {
            next = console_write(p, &budget);
            p->out_held = next != NEXT_DRIVER;
            if (!p->out_held)
                virtqueue_push(vq, &p->out, 0);
            n++;
        }
    } while (n < CONSOLE_BATCH && next == NEXT_DRIVER && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    return n < CONSOLE_BATCH && next != NEXT_LOOP;
}

void console_accept(struct console_port *p)
{
    p->console->plugin->ops->chr_accept(p->console->plugin->instance, p->chr);
}

/* Have a buffer to put input in. False: there is none. */
static bool console_hold_buffer(struct console_port *p)
{
    struct virtqueue *vq = console_queue(p->console, console_in_queue(p->index));

    for (unsigned n = 0; n < CONSOLE_BATCH; n++) {
        virtqueue_notify_disable(vq);
        if (!virtqueue_pop_or_ask(vq, &p->in))
            return false;
        if (p->in.writable_bytes)
            return true;
        /* With room for nothing: useless, but no crime. */
        virtqueue_push(vq, &p->in, 0);
        virtqueue_flush_notify(vq);
    }
    virtio_plugin_later(p->console->plugin, vq);
    return false;
}

static bool console_is_held(const struct console_port *p)
{
    return virtio_device_is_held(&p->console->plugin->virtio);
}

static size_t console_chr_can_receive(void *opaque)
{
    struct console_port *p = opaque;

    if (console_is_held(p) || !console_port_is_open(p))
        return 0;
    p->in_held = p->in_held || console_hold_buffer(p);
    return p->in_held ? p->in.writable_bytes : 0;
}

static void console_chr_receive(void *opaque, const uint8_t *data, size_t len)
{
    struct console_port *p = opaque;
    struct virtqueue *vq = console_queue(p->console, console_in_queue(p->index));

    *p->console->bytes_in += len;
    p->in_held = false;
    len = iov_write(p->in.writable, p->in.writable_count, 0, data, len);
    virtqueue_push(vq, &p->in, len);
    virtqueue_flush_notify(vq);
}

static void console_chr_writable(void *opaque)
{
    struct console_port *p = opaque;

    if (!console_is_held(p)) /* or when it goes on */
        console_serve(p->console, console_in_queue(p->index) + 1);
}

static void console_chr_connected(void *opaque, bool connected)
{
    struct console_port *p = opaque;
    struct console_port_state *s = &p->console->state->port[p->index];

    p->connected = connected;
    if (!s->ready)
        return;
    s->news |= NEWS_OPEN;
    console_tell(p->console);
}

/* A channel for a program has no size. Without MULTIPORT the configuration space tells port 0's. */
static void console_chr_resized(void *opaque, uint16_t columns, uint16_t rows)
{
    struct console_port *p = opaque;
    struct console *c = p->console;
    struct console_port_state *s = &c->state->port[p->index];

    p->columns = columns;
    p->rows = rows;
    if (p->index == 0 &&
        virtio_device_features(&c->plugin->virtio) & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE))
        virtio_device_config_changed(&c->plugin->virtio);
    else
        virtio_device_changed(&c->plugin->virtio);
    if (!s->ready || p->name)
        return;
    s->news |= NEWS_SIZE;
    console_tell(c);
}

const struct rv_chr_callbacks console_chr = {
    .size = sizeof(console_chr),
    .can_receive = console_chr_can_receive,
    .receive = console_chr_receive,
    .writable = console_chr_writable,
    .connected = console_chr_connected,
    .resized = console_chr_resized,
};
