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
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio_console.h"

#define CONSOLE_STATE_VERSION 2u
#define CONSOLE_STATE_1       16u /* bytes of version 1: the ports */

struct virtqueue *console_queue(struct console *c, unsigned index)
{
    return virtio_device_queue(&c->plugin->virtio, index);
}

unsigned console_in_queue(unsigned port)
{
    return port == 0 ? 0 : CONSOLE_QUEUES(port);
}

bool console_multiport(const struct console *c)
{
    return virtio_device_features(&c->plugin->virtio) & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
}

/* Whose queue it is; port 0 for a control queue. */
static struct console_port *console_port_of(struct console *c, unsigned index)
{
    return &c->port[index < CONSOLE_CONTROL_IN ? 0 : index / 2 - 1];
}

/*
 * The queues
 */

void console_serve(struct console *c, unsigned index)
{
    bool all = true;

    if (index == CONSOLE_CONTROL_IN)
        console_tell(c);
    else if (index == CONSOLE_CONTROL_OUT)
        console_control_out(c, console_queue(c, index));
    else if (index % 2)
        all = console_out(console_port_of(c, index));
    else
        console_accept(console_port_of(c, index));
    if (!all)
        virtio_plugin_later(c->plugin, console_queue(c, index));
}

static void console_notify(void *device, struct virtqueue *vq)
{
    struct console *c = device;

    if (vq->index == CONSOLE_CONTROL_OUT)
        c->catching_up = false;
    console_serve(c, vq->index);
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
    struct console_port *p = console_port_of(c, vq->index);
    struct virtq_chain *to = out ? &p->out : is_control ? &c->news : &p->in;
    bool *held = out ? &p->out_held : is_control ? &c->news_held : &p->in_held;

    if (vq->index == CONSOLE_CONTROL_OUT) {
        console_control_one(c, vq, chain);
        return;
    }
    if (*held) {
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
    return true;
}

static bool console_queue_reset(void *device, struct virtqueue *vq)
{
    struct console *c = device;
    struct console_port *p = console_port_of(c, vq->index);

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

static void console_driver_ok(void *device)
{
    struct console *c = device;

    for (unsigned i = 0; i < c->nr_ports; i++)
        console_accept(&c->port[i]);
}

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
    return 0;
}

static void console_destroy(void *device)
{
    struct console *c = device;
    const struct rv_vmm_ops *ops = c->plugin->ops;

    for (unsigned i = 0; i < c->nr_ports; i++) {
        if (c->port[i].chr)
            ops->chr_close(c->plugin->instance, c->port[i].chr);
    }
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
            .config_told = true,
            .config_write = console_config_write,
            .resubmit = console_resubmit,
        },
    .create = console_create,
    .destroy = console_destroy,
};

VIRTIO_PLUGIN(console, .name = "virtio-console",
              .description = "virtio console: consoles and channels for programs",
              .properties = console_properties, .state_version = CONSOLE_STATE_VERSION,
              .state_size = sizeof(struct console_state), .upgrade = console_upgrade);
