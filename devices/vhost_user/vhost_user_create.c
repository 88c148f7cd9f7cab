/* SPDX-License-Identifier: BSD-2-Clause */
/* Making an instance: memory, descriptors, the first back end or the state that was left. */
#include "devices/vhost_user/vhost_user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static int vhost_user_memory(struct vhost_user *vu)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;
    struct rv_mem_region region = {.size = sizeof(region)};
    unsigned n = 0;

    while (RV_HAS_OP(ops, mem_region) && ops->mem_region(instance, n, &region) == 0) {
        if (n == VHOST_USER_REGIONS_MAX) {
            ops->log(instance, RV_LOG_ERROR, "more than %u pieces of RAM: a back end takes no more",
                     VHOST_USER_REGIONS_MAX);
            return -E2BIG;
        }
        /* An address of ours is of no use to anybody: the guest's serves as "user address". */
        vu->setup.regions[n] = (struct vhost_user_region){.guest = region.ipa,
                                                          .bytes = region.bytes,
                                                          .user = region.ipa,
                                                          .mmap_offset = region.offset};
        vu->setup.region_fds[n++] = region.fd;
        vu->reports |= (region.flags & RV_MEM_REPORT) != 0;
    }
    vu->setup.nr_regions = n;
    if (n)
        return 0;
    ops->log(instance, RV_LOG_ERROR, "this machine's RAM cannot be given to another process");
    return -ENOTSUP;
}

static int vhost_user_properties(struct vhost_user *vu)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;

    vu->path = ops->property_string(instance, "socket");
    if (RV_HAS_OP(ops, allow))
        ops->allow(instance, RV_ALLOW_UNIX, NULL); /* a back end may come back */
    if (virtio_plugin_queue_size(vu->plugin, &vu->queue_size))
        return -EINVAL;
    return vu->type->prepare(vu);
}

static int vhost_user_descriptors(struct vhost_user *vu)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;

    vu->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (vu->err < 0)
        return -errno;
    vu->err_watch = ops->fd_watch(instance, vu->err, RV_FD_READ, vhost_user_failed, vu);
    if (!vu->err_watch)
        return -ENOMEM;
    for (unsigned i = 0; i < vu->nr_queues; i++) {
        struct vhost_user_queue *q = &vu->queues[i];

        q->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        q->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (q->kick < 0 || q->call < 0)
            return -errno;
        q->watch = ops->fd_watch(instance, q->call, RV_FD_READ, vhost_user_called, q);
        if (!q->watch)
            return -ENOMEM;
    }
    return 0;
}

void vhost_user_destroy(void *device)
{
    struct vhost_user *vu = device;
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;

    vhost_user_link_close(vu);
    if (vu->timer)
        ops->timer_free(instance, vu->timer);
    if (vu->limit)
        ops->timer_free(instance, vu->limit);
    if (vu->err_watch)
        ops->fd_remove(instance, vu->err_watch);
    vhost_user_close(vu->err);
    vhost_user_close(vu->engine.inflight.fd);
    vhost_user_relay_destroy(&vu->relay);
    for (unsigned i = 0; i < VHOST_USER_QUEUES_MAX; i++) {
        if (vu->queues[i].watch)
            ops->fd_remove(instance, vu->queues[i].watch);
        vhost_user_close(vu->queues[i].kick);
        vhost_user_close(vu->queues[i].call);
    }
    free(vu);
}

/* What an earlier instance, or damage, left: nothing that leads outside of arrays. */
static int vhost_user_take_over(struct vhost_user *vu)
{
    struct vhost_user_state *state = vu->state;
    uint64_t may = vu->type->features | VHOST_USER_RING_FEATURES;

    if ((state->made != VHOST_USER_DIRECT && state->made != VHOST_USER_RELAYED) ||
        state->features & ~may)
        return -EINVAL;
    for (unsigned i = 0; i < VHOST_USER_QUEUES_MAX; i++)
        state->stands[i] &= 1;
    state->written = state->written && vu->type->writable;
    vu->moved = state->made == VHOST_USER_DIRECT; /* nobody knows since when */
    vu->lost = true;
    vhost_user_link_later(vu);
    return 0;
}

/*
 * Whose rings? The guest's, if the back end keeps a record of requests in flight; without
 * one a relay keeps it, which needs indirect descriptors. A relay sees each buffer before the
 * guest does, so it can tell of what was written (RV_MEM_REPORT); with the guest's own rings
 * that is impossible, and only devices whose data no guest executes in place may have them.
 * 0, or -ENOTSUP after a message.
 */
static int vhost_user_mode(const struct vhost_user *vu, uint32_t *mode)
{
    bool records = vhost_user_engine_has(&vu->engine, VHOST_USER_PROTOCOL_INFLIGHT_SHMFD);
    bool indirect = vu->engine.features & VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
    bool reports = vu->reports && vu->type->brings_code;

    if (reports && !indirect) {
        vu->plugin->ops->log(vu->plugin->instance, RV_LOG_ERROR,
                             "the back end has no indirect descriptors "
                             "(VIRTIO_RING_F_INDIRECT_DESC), which this machine needs");
        return -ENOTSUP;
    }
    *mode = indirect && (reports || !records) ? VHOST_USER_RELAYED : VHOST_USER_DIRECT;
    return 0;
}

static int vhost_user_rings(struct vhost_user *vu)
{
    const uint64_t record = VIRTIO_FEATURE(VHOST_USER_PROTOCOL_INFLIGHT_SHMFD);

    vu->relayed = vu->state->made == VHOST_USER_RELAYED;
    for (unsigned i = 0; i < vu->nr_queues; i++)
        vu->limits[i] = (struct virtqueue_limits){.size = vu->queue_size, .external = !vu->relayed};
    /* One that comes later has to keep the record that there is. */
    if (!vu->relayed) {
        vu->setup.protocol_needs |= vu->engine.protocol & record;
        return 0;
    }
    vu->setup.protocol &= ~record;
    vu->relay.plugin = vu->plugin;
    return vhost_user_relay_init(&vu->relay, &vu->setup);
}

static int vhost_user_begin(struct vhost_user *vu, uint32_t flags)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;
    struct vhost_user_state *state = vu->state;
    uint32_t mode;
    int error;

    if (flags & RV_CREATE_RESUME) {
        error = vhost_user_take_over(vu);
        if (error)
            ops->log(instance, RV_LOG_ERROR,
                     "the state that was left is not that of this device: it cannot go on");
    } else {
        if (!vu->type->config_remote)
            vu->type->config(vu);
        error = vhost_user_link_first(vu, ops->property_uint(instance, "wait"));
        memset(state->stands, 1, sizeof(state->stands));
        state->features = vu->engine.features & (vu->type->features | VHOST_USER_RING_FEATURES);
        if (!error)
            error = vhost_user_mode(vu, &mode);
        if (!error)
            __atomic_store_n(&state->made, mode, __ATOMIC_RELEASE);
    }
    if (!error)
        error = vhost_user_rings(vu);
    /* The driver has been told of these: who comes later must have them as well. */
    vu->setup.needs = state->features;
    return error;
}

static void vhost_user_setup(struct vhost_user *vu)
{
    const uint64_t used = VIRTIO_FEATURE(VHOST_USER_PROTOCOL_MQ) |
                          VIRTIO_FEATURE(VHOST_USER_PROTOCOL_REPLY_ACK) |
                          VIRTIO_FEATURE(VHOST_USER_PROTOCOL_INFLIGHT_SHMFD) |
                          VIRTIO_FEATURE(VHOST_USER_PROTOCOL_STATUS);
    const uint64_t remote = VIRTIO_FEATURE(VHOST_USER_PROTOCOL_CONFIG) |
                            VIRTIO_FEATURE(VHOST_USER_PROTOCOL_BACKEND_REQ);

    vu->setup.queues = vu->nr_queues;
    vu->setup.queue_size = vu->queue_size;
    vu->setup.needs = VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
    vu->setup.protocol = used | (vu->type->config_remote ? remote : 0) |
                         (vu->setup.mtu ? VIRTIO_FEATURE(VHOST_USER_PROTOCOL_NET_MTU) : 0);
    vu->setup.protocol_needs = vu->type->protocol_needs;
    vu->setup.config_size = vu->type->config_remote ? vu->type->config_size : 0;
}

static uint64_t vhost_user_offered(const struct vhost_user *vu)
{
    uint64_t features = vu->state->features | vu->own_features;

    if (vu->relayed)
        features = (features & ~VHOST_USER_RING_FEATURES) | VIRTIO_RING_FEATURES;
    return features;
}

int vhost_user_create(struct virtio_plugin *plugin, const struct vhost_user_type *type, void *state,
                      uint32_t flags, struct virtio_device_config *config, void **device)
{
    const struct rv_vmm_ops *ops = plugin->ops;
    struct vhost_user *vu = calloc(1, sizeof(*vu));
    int error;

    if (!vu)
        return -ENOMEM;
    vu->plugin = plugin;
    vu->type = type;
    vu->state = state;
    vu->err = -1;
    vu->relay.fd = -1;
    for (unsigned i = 0; i < VHOST_USER_QUEUES_MAX; i++)
        vu->queues[i] = (struct vhost_user_queue){.vu = vu, .index = i, .kick = -1, .call = -1};
    vu->kicks = ops->counter(plugin->instance, "kicks", "notifications of the guest");
    vu->calls = ops->counter(plugin->instance, "calls", "interrupts of the back end");
    vu->connects = ops->counter(plugin->instance, "connects", "connections to a back end");
    vu->marks = ops->counter(plugin->instance, "marks", "times that memory was marked as written");
    vhost_user_engine_init(&vu->engine, &vu->setup);
    vu->engine.starting = vhost_user_starting;
    vu->engine.stopped = vhost_user_stopped;
    vu->engine.opaque = vu;
    error = vhost_user_link_init(vu);
    if (!error)
        error = vhost_user_properties(vu);
    if (!error)
        error = vhost_user_memory(vu);
    if (!error)
        error = vhost_user_descriptors(vu);
    if (!error) {
        vhost_user_setup(vu);
        error = vhost_user_begin(vu, flags);
    }
    if (error) {
        vhost_user_destroy(vu);
        return error;
    }
    *config = (struct virtio_device_config){
        .features = vhost_user_offered(vu),
        .config_size = type->config_size,
        .queues = vu->nr_queues,
        .limits = vu->limits,
    };
    *device = vu;
    return 0;
}
