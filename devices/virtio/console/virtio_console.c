/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Console device: virtio 1.2, 5.3. One to four ports, each with a back end of its
 * own. A port without a name is a console (hvc0 in Linux); one with a name is a
 * channel for a program, found by that name (/dev/vport0p1).
 *
 * Nothing is buffered here. A chain of the driver's that the back end does not take
 * whole is kept until it does; input is asked for when there is a chain to put it in.
 * Both may so be in flight for ever, and are taken up again after a restart: output goes on
 * behind what the back end took, so that only the write of a process that dies within it may come
 * twice; each control message to the driver counts once, and each of the driver's is obeyed.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ringvisor/chr.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define CONSOLE_PORTS      4u
#define CONSOLE_QUEUE_SIZE 64u
#define CONSOLE_BATCH      64u        /* chains of a queue in one go: then others have their turn */
#define CONSOLE_BYTES      (1u << 20) /* the same of its output */
#define CONSOLE_NAME_MAX   64u

/* 5.3.2: port 0's queues, the control queues, then those of the other ports. */
#define CONSOLE_CONTROL_IN  2u
#define CONSOLE_CONTROL_OUT 3u
#define CONSOLE_QUEUES(n)   (2 * (n) + 2)

/* What the driver is yet to be told of a port, in the order in which it is told. */
enum console_news {
    NEWS_ADD = 1,
    NEWS_CONSOLE = 2,
    NEWS_NAME = 4,
    NEWS_OPEN = 8,
    NEWS_SIZE = 16,
};

struct console_port_state {
    uint8_t news;
    uint8_t ready; /* the driver has the port */
    uint8_t open;  /* ... and somebody in the guest uses it */
    uint8_t pad;
};

struct console_state {
    struct console_port_state port[CONSOLE_PORTS];
    uint32_t written[CONSOLE_PORTS]; /* bytes that the back end took of the chain in flight */
    /*
     * CONSOLE_TELLING, the port's number in bits 15:8 and the news: this message is in the chain
     * that is in flight or, if none is, the driver has it.
     */
    uint32_t telling;
    uint32_t pad;
};
_Static_assert(sizeof(struct console_state) == 40, "state layout");

#define CONSOLE_STATE_VERSION 2u
#define CONSOLE_STATE_1       16u /* bytes of version 1: the ports */

#define CONSOLE_TELLING (1u << 31)

struct console;

struct console_port {
    struct console *console;
    unsigned index;
    struct rv_chr *chr;
    const char *name;       /* NULL: a console */
    bool connected;         /* somebody is at the other end */
    uint16_t columns, rows; /* of his terminal; 0: unknown */
    struct virtq_chain out;
    bool out_held;
    struct virtq_chain in;
    bool in_held;
};

struct console {
    struct virtio_plugin *plugin;
    struct console_state *state;
    struct rv_timer *timer;
    uint64_t *bytes_in, *bytes_out, *bad_messages;
    unsigned nr_ports;
    bool still;              /* quiesced */
    bool catching_up;        /* a message that an earlier process may have obeyed is obeyed first */
    uint32_t again;          /* queues that have had their turn and may have more */
    struct virtq_chain news; /* for the next control message */
    bool news_held;
    struct console_port port[CONSOLE_PORTS];
};

static struct virtqueue *console_queue(struct console *c, unsigned index)
{
    return virtio_device_queue(&c->plugin->virtio, index);
}

static unsigned console_in_queue(unsigned port)
{
    return port == 0 ? 0 : CONSOLE_QUEUES(port);
}

static bool console_multiport(const struct console *c)
{
    return virtio_device_features(&c->plugin->virtio) & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
}

/* A driver without MULTIPORT has one port, which is always open. */
static bool console_port_is_open(const struct console_port *p)
{
    const struct console *c = p->console;

    return console_multiport(c) ? c->state->port[p->index].open : p->index == 0;
}

/*
 * Control messages, 5.3.6.2
 */

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

    c->news_held = c->news_held || virtqueue_pop(vq, &c->news);
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

/* As much of the news as the driver has buffers for. */
static void console_tell(struct console *c)
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

static void console_accept(struct console_port *p)
{
    p->console->plugin->ops->chr_accept(p->console->plugin->instance, p->chr);
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

/* False: there may be more. */
static bool console_control_out(struct console *c, struct virtqueue *vq)
{
    struct virtq_chain chain;
    unsigned n = 0;

    do {
        virtqueue_notify_disable(vq);
        for (; n < CONSOLE_BATCH && virtqueue_pop(vq, &chain); n++) {
            console_control(c, &chain);
            virtqueue_push(vq, &chain, 0);
        }
    } while (n < CONSOLE_BATCH && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    console_tell(c);
    return n < CONSOLE_BATCH;
}

/*
 * Output
 */

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

/* False: there may be more, and nobody else will tell. */
static bool console_out(struct console_port *p)
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

/*
 * The queues
 */

/* A queue has had its turn: it goes on in the loop's next pass. */
static void console_later(struct console *c, unsigned index)
{
    c->again |= 1u << index;
    c->plugin->ops->timer_set(c->plugin->instance, c->timer, 0);
}

static void console_serve(struct console *c, unsigned index)
{
    bool all = true;

    if (index == CONSOLE_CONTROL_IN)
        console_tell(c);
    else if (index == CONSOLE_CONTROL_OUT)
        all = console_control_out(c, console_queue(c, index));
    else if (index % 2)
        all = console_out(&c->port[index < CONSOLE_CONTROL_IN ? 0 : index / 2 - 1]);
    else
        console_accept(&c->port[index < CONSOLE_CONTROL_IN ? 0 : index / 2 - 1]);
    if (!all)
        console_later(c, index);
}

static void console_notify(void *device, struct virtqueue *vq)
{
    struct console *c = device;

    c->still = false; /* it has been resumed, if it stood still */
    if (vq->index == CONSOLE_CONTROL_OUT)
        c->catching_up = false;
    console_serve(c, vq->index);
}

static void console_go_on(void *opaque)
{
    struct console *c = opaque;
    uint32_t again = c->again;

    c->again = 0;
    for (unsigned i = 0; i < CONSOLE_QUEUES(c->nr_ports); i++) {
        if (again >> i & 1)
            console_serve(c, i);
    }
}

/*
 * After a restart: what was held is held again; there is never more than one. A message of the
 * driver's is obeyed, once more if it was: nothing that follows from it has been told yet.
 */
static void console_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct console *c = device;
    bool out = vq->index % 2;
    bool is_control = vq->index == CONSOLE_CONTROL_IN || vq->index == CONSOLE_CONTROL_OUT;
    struct console_port *p = &c->port[vq->index < CONSOLE_CONTROL_IN ? 0 : vq->index / 2 - 1];
    struct virtq_chain *to = out ? &p->out : is_control ? &c->news : &p->in;
    bool *held = out ? &p->out_held : is_control ? &c->news_held : &p->in_held;

    if (vq->index == CONSOLE_CONTROL_OUT)
        console_control(c, chain);
    if (vq->index == CONSOLE_CONTROL_OUT || *held) {
        virtqueue_push(vq, chain, 0);
        return;
    }
    *to = *chain;
    *held = true;
    if (out)
        iov_advance(&to->readable, &to->readable_count, c->state->written[p->index]);
}

static void console_forget(struct console_port *p)
{
    p->out_held = p->in_held = false;
    p->console->state->port[p->index] = (struct console_port_state){0};
}

/* Nothing works on a chain but the loop: no reset waits. */
static bool console_reset(void *device)
{
    struct console *c = device;

    for (unsigned i = 0; i < c->nr_ports; i++)
        console_forget(&c->port[i]);
    c->news_held = c->catching_up = false;
    c->state->telling = 0;
    c->again = 0;
    return true;
}

static bool console_queue_reset(void *device, struct virtqueue *vq)
{
    struct console *c = device;
    struct console_port *p = &c->port[vq->index < CONSOLE_CONTROL_IN ? 0 : vq->index / 2 - 1];

    if (vq->index == CONSOLE_CONTROL_IN)
        c->news_held = false;
    if (vq->index == CONSOLE_CONTROL_IN || vq->index == CONSOLE_CONTROL_OUT)
        return true;
    if (vq->index % 2)
        p->out_held = false;
    else
        p->in_held = false;
    return true;
}

static int console_quiesce(void *device)
{
    struct console *c = device;

    c->still = true;
    c->plugin->ops->timer_cancel(c->plugin->instance, c->timer);
    return 0;
}

static void console_driver_ok(void *device)
{
    struct console *c = device;

    c->still = false;
    for (unsigned i = 0; i < c->nr_ports; i++)
        console_accept(&c->port[i]);
}

/*
 * The other ends
 */

/* Have a buffer to put input in. False: there is none. */
static bool console_hold_buffer(struct console_port *p)
{
    struct virtqueue *vq = console_queue(p->console, console_in_queue(p->index));

    for (unsigned n = 0; n < CONSOLE_BATCH; n++) {
        virtqueue_notify_disable(vq);
        if (!virtqueue_pop(vq, &p->in)) {
            if (!virtqueue_notify_enable(vq))
                return false;
        } else if (p->in.writable_bytes) {
            return true;
        } else { /* with room for nothing: useless, but no crime */
            virtqueue_push(vq, &p->in, 0);
            virtqueue_flush_notify(vq);
        }
    }
    console_later(p->console, vq->index);
    return false;
}

static size_t console_chr_can_receive(void *opaque)
{
    struct console_port *p = opaque;

    if (p->console->still || !console_port_is_open(p))
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

    if (!p->console->still) /* or when it is resumed */
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
    if (!s->ready || p->name)
        return;
    s->news |= NEWS_SIZE;
    console_tell(c);
}

static const struct rv_chr_callbacks console_chr = {
    .size = sizeof(console_chr),
    .can_receive = console_chr_can_receive,
    .receive = console_chr_receive,
    .writable = console_chr_writable,
    .connected = console_chr_connected,
    .resized = console_chr_resized,
};

/*
 * Configuration space
 */

static void console_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct console *c = device;
    struct virtio_console_config config = {
        .cols = htole16(c->port[0].columns),
        .rows = htole16(c->port[0].rows),
        .max_nr_ports = htole32(c->nr_ports),
    };

    memcpy(data, (const uint8_t *)&config + offset, len);
}

/* 5.3.4: a character without queues, for a kernel that can do nothing else. */
static void console_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    const struct console *c = device;
    const struct virtio_plugin *plugin = c->plugin;

    if (offset == offsetof(struct virtio_console_config, emerg_wr) && len != 0)
        plugin->ops->chr_write(plugin->instance, c->port[0].chr, data, 1);
}

/*
 * The instance
 */

#define PORT_PROPERTIES(n, chardev_help, name_help)                          \
    {.name = "chardev" n, .type = RV_PROPERTY_STRING, .help = chardev_help}, \
    {                                                                        \
        .name = "name" n, .type = RV_PROPERTY_STRING, .help = name_help      \
    }

static const struct rv_property console_properties[] = {
    PORT_PROPERTIES("", "stdio, null, file:PATH, log:SIZE:PATH, pty[:LINK] or socket:PATH",
                    "a port for programs, found by this name, and not a console"),
    PORT_PROPERTIES("1", "back end of a second port", "its name, if it is not a console"),
    PORT_PROPERTIES("2", "back end of a third port", "its name, if it is not a console"),
    PORT_PROPERTIES("3", "back end of a fourth port", "its name, if it is not a console"),
    VIRTIO_PLUGIN_PROPERTIES,
    {0},
};

/* The property of a port: "name", "name1" ... */
static const char *console_property(const struct console *c, const char *what, unsigned port)
{
    char name[16];

    snprintf(name, sizeof(name), port ? "%s%u" : "%s", what, port);
    return c->plugin->ops->property_string(c->plugin->instance, name);
}

static int console_read_properties(struct console *c)
{
    const struct virtio_plugin *plugin = c->plugin;

    c->nr_ports = 1;
    for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
        const char *name = console_property(c, "name", i);
        bool there = i == 0 || console_property(c, "chardev", i);

        if ((name && !there) || (i > 0 && there && c->nr_ports != i)) {
            plugin->ops->log(plugin->instance, RV_LOG_ERROR,
                             "there is no chardev%u for port %u: give chardev1 before chardev2, "
                             "and one for each name",
                             there ? c->nr_ports : i, there ? c->nr_ports : i);
            return -EINVAL;
        }
        if (name && (!*name || strlen(name) > CONSOLE_NAME_MAX)) {
            plugin->ops->log(plugin->instance, RV_LOG_ERROR, "name '%s': give 1 to %u characters",
                             name, CONSOLE_NAME_MAX);
            return -EINVAL;
        }
        if (there)
            c->nr_ports = i + 1;
        c->port[i] =
            (struct console_port){.console = c, .index = i, .name = name, .connected = true};
    }
    return 0;
}

static int console_open(struct console *c)
{
    const struct virtio_plugin *plugin = c->plugin;

    for (unsigned i = 0; i < c->nr_ports; i++) {
        c->port[i].chr = plugin->ops->chr_open(plugin->instance, console_property(c, "chardev", i),
                                               &console_chr, &c->port[i]);
        if (!c->port[i].chr)
            return -EINVAL;
    }
    c->timer = plugin->ops->timer_new(plugin->instance, console_go_on, c);
    return c->timer ? 0 : -ENOMEM;
}

static void console_destroy(void *device)
{
    struct console *c = device;
    const struct rv_vmm_ops *ops = c->plugin->ops;

    for (unsigned i = 0; i < c->nr_ports; i++) {
        if (c->port[i].chr)
            ops->chr_close(c->plugin->instance, c->port[i].chr);
    }
    if (c->timer)
        ops->timer_free(c->plugin->instance, c->timer);
    free(c);
}

static int console_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                          struct virtio_device_config *config, void **device)
{
    static const struct virtqueue_limits limits[CONSOLE_QUEUES(CONSOLE_PORTS)] = {
        [0 ... CONSOLE_QUEUES(CONSOLE_PORTS) - 1] = {.size = CONSOLE_QUEUE_SIZE}};
    const struct rv_vmm_ops *ops = plugin->ops;
    struct console *c = calloc(1, sizeof(*c));
    int error;

    if (!c)
        return -ENOMEM;
    c->plugin = plugin;
    c->state = state;
    error = console_read_properties(c);
    if (!error)
        error = console_open(c);
    if (error) {
        console_destroy(c);
        return error;
    }
    c->bytes_in = ops->counter(plugin->instance, "bytes-in", "bytes to the guest");
    c->bytes_out = ops->counter(plugin->instance, "bytes-out", "bytes from the guest");
    c->bad_messages =
        ops->counter(plugin->instance, "bad-messages", "control messages that made no sense");
    c->catching_up = flags & RV_CREATE_RESUME;
    /* Who is at the other end now need not be who was there for an earlier vmm. */
    for (unsigned i = 0; i < CONSOLE_PORTS && flags & RV_CREATE_RESUME; i++) {
        struct console_port_state *s = &c->state->port[i];

        s->news &= NEWS_ADD | (c->port[i].name ? NEWS_NAME : NEWS_CONSOLE) | NEWS_OPEN;
        s->news |= s->ready ? NEWS_OPEN : 0;
    }
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES | VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) |
                    VIRTIO_FEATURE(VIRTIO_CONSOLE_F_EMERG_WRITE) |
                    VIRTIO_FEATURE(VIRTIO_CONSOLE_F_SIZE),
        .config_size = sizeof(struct virtio_console_config),
        .queues = CONSOLE_QUEUES(c->nr_ports),
        .limits = limits,
    };
    *device = c;
    return 0;
}

/* Version 1 has just the ports. What was half written of a chain is not known: it comes again. */
static int console_upgrade(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                           const struct rv_state_upgrade *upgrade)
{
    if (upgrade->block || upgrade->from_size != CONSOLE_STATE_1)
        return -EINVAL;
    memcpy(upgrade->to, upgrade->from, CONSOLE_STATE_1);
    return 0;
}

static const struct virtio_plugin_class console = {
    .virtio =
        {
            .id = VIRTIO_ID_CONSOLE,
            .notify = console_notify,
            .driver_ok = console_driver_ok,
            .reset = console_reset,
            .queue_reset = console_queue_reset,
            .config_read = console_config_read,
            .config_write = console_config_write,
            .resubmit = console_resubmit,
        },
    .create = console_create,
    .destroy = console_destroy,
    .quiesce = console_quiesce,
};

VIRTIO_PLUGIN(console, .name = "virtio-console",
              .description = "virtio console: consoles and channels for programs",
              .properties = console_properties, .state_version = CONSOLE_STATE_VERSION,
              .state_size = sizeof(struct console_state), .upgrade = console_upgrade);
