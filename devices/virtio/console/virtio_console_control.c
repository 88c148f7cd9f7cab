/* SPDX-License-Identifier: BSD-2-Clause */
/* Console device: control messages, virtio 1.2, 5.3.6.2. */
#include <endian.h>
#include <string.h>

#include "virtio_console.h"

/*
 * What follows the header of VIRTIO_CONSOLE_RESIZE: 5.3.6.2. Linux does not agree with itself:
 * 6.15, 6.16 and the stable kernels since January 2026 read it so (6.1.192 was tried), older ones
 * and 6.17 have the rows first.
 */
struct console_size {
    uint16_t columns;
    uint16_t rows;
};

static size_t
console_message(const struct console_port *p, enum console_news news,
                uint8_t message[static sizeof(struct virtio_console_control) + CONSOLE_NAME_MAX])
{
    struct virtio_console_control control = {.id = htole32(p->index)};
    struct console_size size = {.rows = htole16(p->rows), .columns = htole16(p->columns)};
    const void *more = "";
    size_t more_len = 0;

    switch (news) {
    case NEWS_ADD: control.event = htole16(VIRTIO_CONSOLE_PORT_ADD); break;
    case NEWS_CONSOLE:
        control.event = htole16(VIRTIO_CONSOLE_CONSOLE_PORT);
        control.value = htole16(1);
        break;
    case NEWS_NAME:
        control.event = htole16(VIRTIO_CONSOLE_PORT_NAME);
        control.value = htole16(1);
        more = p->name;
        more_len = strlen(p->name);
        break;
    case NEWS_OPEN:
        control.event = htole16(VIRTIO_CONSOLE_PORT_OPEN);
        control.value = htole16(p->connected);
        break;
    case NEWS_SIZE:
        control.event = htole16(VIRTIO_CONSOLE_RESIZE);
        more = &size;
        more_len = sizeof(size);
        break;
    }
    memcpy(message, &control, sizeof(control));
    memcpy(message + sizeof(control), more, more_len);
    return sizeof(control) + more_len;
}

/*
 * An earlier process may have died while it told something. If its chain is not in flight, the
 * driver has it. Only that the other end is there is told again: it may be another one now.
 */
static void console_settle(struct console *c)
{
    uint32_t telling = c->state->telling, port = telling >> 8 & 0xff;

    if (!(telling & CONSOLE_TELLING))
        return;
    if (!c->news_held && port < c->nr_ports)
        c->state->port[port].news &= (uint8_t) ~(telling & ~(uint32_t)NEWS_OPEN);
    __atomic_store_n(&c->state->telling, 0, __ATOMIC_RELEASE);
}

/* The message is told once, wherever this process dies. False: there is no buffer for it. */
static bool console_tell_one(struct console *c, unsigned port, enum console_news what)
{
    struct virtqueue *vq = console_queue(c, CONSOLE_CONTROL_IN);
    uint8_t message[sizeof(struct virtio_console_control) + CONSOLE_NAME_MAX];
    uint8_t *news = &c->state->port[port].news;
    size_t len = console_message(&c->port[port], what, message);

    c->news_held = c->news_held || virtqueue_pop_or_ask(vq, &c->news);
    if (!c->news_held)
        return false;
    __atomic_store_n(&c->state->telling, CONSOLE_TELLING | port << 8 | what, __ATOMIC_RELEASE);
    /* One that does not fit is cut: the driver has said how long a name it takes. */
    len = iov_write(c->news.writable, c->news.writable_count, 0, message, len);
    c->news_held = false;
    virtqueue_push(vq, &c->news, len);
    __atomic_store_n(news, (uint8_t)(*news & ~what), __ATOMIC_RELEASE);
    __atomic_store_n(&c->state->telling, 0, __ATOMIC_RELEASE);
    return true;
}

void console_tell(struct console *c)
{
    const struct console_port_state *port = c->state->port;
    bool told = true;

    if (!console_multiport(c) || c->catching_up)
        return;
    console_settle(c);
    for (unsigned i = 0; i < c->nr_ports; i++)
        while (told && port[i].news)
            told = console_tell_one(c, i, port[i].news & -port[i].news);
    virtqueue_flush_notify(console_queue(c, CONSOLE_CONTROL_IN));
}

static void console_port_ready(struct console_port *p, bool ready)
{
    struct console_port_state *s = &p->console->state->port[p->index];

    s->ready = ready;
    s->news &= NEWS_ADD;
    if (ready)
        s->news |= (p->name ? NEWS_NAME : NEWS_CONSOLE) | NEWS_OPEN;
    if (ready && !p->name && p->columns)
        s->news |= NEWS_SIZE;
}

static void console_control(struct console *c, const struct virtq_chain *chain)
{
    struct virtio_console_control control;
    uint32_t id;
    uint16_t event, value;

    if (iov_read(chain->readable, chain->readable_count, 0, &control, sizeof(control)) !=
        sizeof(control)) {
        ++*c->bad_messages;
        return;
    }
    id = le32toh(control.id);
    event = le16toh(control.event);
    value = le16toh(control.value);
    if (event == VIRTIO_CONSOLE_DEVICE_READY) { /* `id` has no meaning */
        for (unsigned i = 0; i < c->nr_ports && value == 1; i++)
            c->state->port[i].news |= NEWS_ADD;
        return;
    }
    if (id >= c->nr_ports ||
        (event != VIRTIO_CONSOLE_PORT_READY && event != VIRTIO_CONSOLE_PORT_OPEN)) {
        ++*c->bad_messages;
        return;
    }
    if (event == VIRTIO_CONSOLE_PORT_READY) {
        console_port_ready(&c->port[id], value == 1);
    } else {
        c->state->port[id].open = value == 1;
        if (value == 1)
            console_accept(&c->port[id]);
    }
}

void console_control_one(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    console_control(device, chain);
    virtqueue_push(vq, chain, 0);
}

void console_control_out(struct console *c, struct virtqueue *vq)
{
    virtio_plugin_serve(c->plugin, vq, CONSOLE_BATCH, console_control_one);
    console_tell(c);
}
