/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: queues, and the instance. virtio 1.2, 5.10. */
#include "devices/virtio/vsock/virtio_vsock.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define VSOCK_QUEUE_SIZE 128u
#define VSOCK_RX         0u
#define VSOCK_TX         1u
#define VSOCK_EVENT      2u

void vsock_wake(struct vsock *v, uint64_t at)
{
    if (at >= v->wake)
        return;
    v->wake = at;
    v->plugin->ops->timer_set(v->plugin->instance, v->timer, at);
}

bool vsock_has_driver(const struct vsock *v)
{
    return v->plugin->made && virtio_device_queue(&v->plugin->virtio, VSOCK_RX)->running;
}

/* Packets for the guest, as long as there are buffers. */
static void vsock_rx(struct vsock *v)
{
    struct virtqueue *vq = virtio_device_queue(&v->plugin->virtio, VSOCK_RX);
    unsigned n = 0;

    if (!vq->running || vq->held)
        return;
    do {
        virtqueue_notify_disable(vq);
        while (n < VSOCK_BATCH && vsock_has_packet(v) &&
               (v->in_held || virtqueue_pop(vq, &v->in))) {
            size_t len;

            if (v->in.writable_bytes <= VSOCK_HEADER) {
                virtio_device_broken(&v->plugin->virtio, vq->index,
                                     "a receive buffer without room for data, of bytes",
                                     v->in.writable_bytes);
                return;
            }
            len = vsock_fill(v, &v->in);
            v->in_held = len == 0; /* a socket had nothing after all: the next has it */
            if (len)
                virtqueue_push(vq, &v->in, len);
            n++;
        }
    } while (n < VSOCK_BATCH && vsock_has_packet(v) && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    if (n == VSOCK_BATCH)
        virtio_plugin_later(v->plugin, vq);
}

/* Packets from the guest. Not more than there is room for answers. */
static void vsock_tx(struct vsock *v)
{
    struct virtqueue *vq = virtio_device_queue(&v->plugin->virtio, VSOCK_TX);
    struct virtq_chain chain;
    unsigned n = 0;

    if (!vq->running || vq->held)
        return;
    do {
        virtqueue_notify_disable(vq);
        while (n < VSOCK_BATCH && v->nr_resets < VSOCK_RESETS && virtqueue_pop(vq, &chain)) {
            vsock_packet(v, &chain);
            virtqueue_push(vq, &chain, 0);
            n++;
        }
    } while (n < VSOCK_BATCH && v->nr_resets < VSOCK_RESETS && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
    if (n == VSOCK_BATCH)
        virtio_plugin_later(v->plugin, vq);
}

/* After another vmm: its connections are gone, and the guest closes its own: 5.10.6.7. */
static void vsock_event(struct vsock *v)
{
    struct virtqueue *vq = virtio_device_queue(&v->plugin->virtio, VSOCK_EVENT);
    const struct virtio_vsock_event event = {.id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET)};
    struct virtq_chain chain;

    if (!v->reset_due || !virtqueue_pop_or_ask(vq, &chain))
        return;
    v->reset_due = false;
    virtqueue_push(vq, &chain,
                   iov_write(chain.writable, chain.writable_count, 0, &event, sizeof(event)));
    virtqueue_flush_notify(vq);
}

/* Answers make room for packets of the guest's, which make answers: by turns. */
void vsock_pump(struct vsock *v)
{
    bool was_full = v->nr_resets == VSOCK_RESETS;

    vsock_rx(v);
    if (was_full && v->nr_resets < VSOCK_RESETS)
        virtio_plugin_later(v->plugin, virtio_device_queue(&v->plugin->virtio, VSOCK_TX));
}

static void vsock_notify(void *device, struct virtqueue *vq)
{
    struct vsock *v = device;

    if (vq->index == VSOCK_EVENT)
        vsock_event(v);
    else if (vq->index == VSOCK_TX)
        vsock_tx(v);
    vsock_pump(v);
}

static void vsock_timer(void *opaque)
{
    struct vsock *v = opaque;

    v->wake = VSOCK_NEVER;
    vsock_conns_expire(v);
    vsock_conns_knock(v);
    vsock_wake(v, v->deadline);
    vsock_wake(v, v->knock_at);
    vsock_pump(v);
}

static void vsock_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct vsock *v = device;

    /* A packet of a connection that is gone with the earlier vmm, or a buffer that it held. */
    if (vq->index == VSOCK_RX && !v->in_held) {
        v->in = *chain;
        v->in_held = true;
    } else {
        virtqueue_push(vq, chain, 0);
    }
}

static bool vsock_queue_reset(void *device, struct virtqueue *vq)
{
    struct vsock *v = device;

    if (vq->index == VSOCK_RX)
        v->in_held = false;
    return true;
}

static bool vsock_reset_all(void *device)
{
    struct vsock *v = device;

    vsock_conns_end(v);
    v->in_held = false;
    v->reset_due = false;
    return true;
}

static void vsock_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct vsock *v = device;
    const struct virtio_vsock_config config = {.guest_cid = htole64(v->cid)};

    memcpy(data, (const uint8_t *)&config + offset, len);
}

/*
 * The instance
 */

static const struct rv_property vsock_properties[] = {
    {.name = "cid",
     .type = RV_PROPERTY_UINT,
     .required = true,
     .min = 3,
     .max = UINT32_MAX - 1,
     .help = "the guest's address; 0 to 2 have a meaning of their own"},
    {.name = "path",
     .type = RV_PROPERTY_PATH,
     .required = true,
     .help = "Unix socket of the host's: say 'CONNECT PORT' to it; the guest's connections to "
             "port N of the host go to PATH_N"},
    VIRTIO_PLUGIN_PROPERTIES,
    {0},
};

static void vsock_destroy(void *device)
{
    struct vsock *v = device;

    vsock_conns_end(v);
    vsock_unlisten(v);
    if (v->timer)
        v->plugin->ops->timer_free(v->plugin->instance, v->timer);
    free(v);
}

/* Each has a descriptor, and other devices need some. */
static unsigned vsock_most_conns(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < VSOCK_CONNS)
        return (unsigned)limit.rlim_cur / 2;
    return VSOCK_CONNS;
}

static int vsock_begin(struct vsock *v)
{
    const struct rv_vmm_ops *ops = v->plugin->ops;
    struct rv_instance *instance = v->plugin->instance;
    const char *path = ops->property_string(instance, "path");
    /* "_4294967295" has to fit behind it. */
    const size_t most = sizeof(v->address.sun_path) - 12;

    if (strlen(path) > most) {
        ops->log(instance, RV_LOG_ERROR, "path: give one of %zu characters at most", most);
        return -ENAMETOOLONG;
    }
    if (RV_HAS_OP(ops, allow))
        ops->allow(instance, RV_ALLOW_UNIX, NULL);
    v->cid = ops->property_uint(instance, "cid");
    v->address.sun_family = AF_UNIX;
    memcpy(v->address.sun_path, path, strlen(path) + 1);
    v->most_conns = vsock_most_conns();
    v->timer = ops->timer_new(instance, vsock_timer, v);
    return v->timer ? vsock_listen(v) : -ENOMEM;
}

static int vsock_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                        struct virtio_device_config *config, void **device)
{
    static const struct virtqueue_limits limits[3] = {
        {.size = VSOCK_QUEUE_SIZE, .segs = VSOCK_SEGS},
        {.size = VSOCK_QUEUE_SIZE, .segs = VSOCK_SEGS},
        {.size = VSOCK_QUEUE_SIZE, .segs = VSOCK_SEGS},
    };
    const struct rv_vmm_ops *ops = plugin->ops;
    struct vsock *v = calloc(1, sizeof(*v));
    int error;

    if (!v)
        return -ENOMEM;
    v->plugin = plugin;
    v->due_last = &v->due_first;
    v->wake = v->deadline = v->knock_at = VSOCK_NEVER;
    v->reset_due = flags & RV_CREATE_RESUME;
    error = vsock_begin(v);
    if (error) {
        vsock_destroy(v);
        return error;
    }
    v->connections = ops->counter(plugin->instance, "connections", "connections that were made");
    v->refused = ops->counter(plugin->instance, "refused", "that nobody on the host listened to");
    v->lost_bytes = ops->counter(plugin->instance, "lost-bytes",
                                 "bytes from the guest that no program on the host read in time");
    v->sent_bytes = ops->counter(plugin->instance, "sent-bytes", "bytes from the guest");
    v->received_bytes = ops->counter(plugin->instance, "received-bytes", "bytes to the guest");
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES,
        .config_size = sizeof(struct virtio_vsock_config),
        .queues = 3,
        .limits = limits,
    };
    *device = v;
    return 0;
}

static const struct virtio_plugin_class vsock = {
    .virtio =
        {
            .id = VIRTIO_ID_VSOCK,
            .notify = vsock_notify,
            .reset = vsock_reset_all,
            .queue_reset = vsock_queue_reset,
            .config_read = vsock_config_read,
            .config_told = true,
            .resubmit = vsock_resubmit,
        },
    .create = vsock_create,
    .destroy = vsock_destroy,
};

VIRTIO_PLUGIN(vsock, .name = "virtio-vsock", .description = "virtio sockets between host and guest",
              .properties = vsock_properties, .state_version = 1);
