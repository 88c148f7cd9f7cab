/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network device: features, configuration, resets, and the instance. Sections
 * without a name are of virtio 1.2.
 */
#include "devices/virtio/net/virtio_net.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NET_QUEUE_MAX   1024u
#define NET_CONTROL_MAX 64u
#define NET_CONFIG_SIZE offsetof(struct virtio_net_config, speed)

/*
 * Queues
 */

/* 5.1.2: behind the pairs that the driver could have, or behind the only one. */
static bool net_is_control(const struct net *net, unsigned index)
{
    bool several = virtio_device_features(&net->plugin->virtio) & VIRTIO_FEATURE(VIRTIO_NET_F_MQ);

    return index == (several ? 2 * net->nr_pairs : 2);
}

static void net_notify(void *device, struct virtqueue *vq)
{
    struct net *net = device;

    if (net_is_control(net, vq->index))
        net_control(net, vq);
    else if (vq->index % 2)
        net_send(&net->pair[vq->index / 2]);
    else if (vq->index / 2 < net->nr_pairs)
        net_receive(&net->pair[vq->index / 2]);
}

static void net_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct net *net = device;

    if (net_is_control(net, vq->index)) {
        net_control_one(net, vq, chain);
    } else if (vq->index % 2) {
        /* Whether it was sent is not known: a frame may be lost, and must not come twice. */
        virtqueue_push(vq, chain, 0);
    } else {
        net_rx_hold(&net->pair[vq->index / 2], chain);
    }
}

/*
 * The back end's calls
 */

static void net_readable(void *opaque, uint32_t pair)
{
    net_receive(&((struct net *)opaque)->pair[pair]);
}

static void net_writable(void *opaque, uint32_t pair)
{
    net_send(&((struct net *)opaque)->pair[pair]);
}

/* For the guest. */
static bool net_link_is_up(const struct net *net)
{
    return !net->state->link_down && !net->state->unplugged;
}

static void net_link(void *opaque, bool up)
{
    struct net *net = opaque;
    bool was_up = net_link_is_up(net);

    net->state->link_down = !up;
    if (net_link_is_up(net) != was_up)
        virtio_device_config_changed(&net->plugin->virtio);
}

/*
 * Run time
 */

enum { NET_LINK_UP, NET_LINK_DOWN };
static const char *const net_links[] = {
    [NET_LINK_UP] = "up", [NET_LINK_DOWN] = "down", [NET_LINK_DOWN + 1] = NULL};

/* `link` is the only one. What waits for a driver or a back end is dropped when it goes down. */
static int net_set(void *device, const char *name, const char *value)
{
    struct net *net = device;
    bool was_up = net_link_is_up(net);

    if (strcmp(name, "link") != 0)
        return -EPERM;
    net->state->unplugged = strcmp(value, net_links[NET_LINK_DOWN]) == 0;
    if (net_link_is_up(net) != was_up)
        virtio_device_config_changed(&net->plugin->virtio);
    if (virtio_device_is_held(&net->plugin->virtio))
        return 0; /* each queue has its turn when the device goes on */
    for (unsigned i = 0; i < net->nr_pairs; i++) {
        net_send(&net->pair[i]);
        net_receive(&net->pair[i]);
    }
    return 0;
}

/* Of a card that was taken over, the state knows. */
static int64_t net_get(void *device, const char *name, char *text, uint64_t size)
{
    const struct net *net = device;

    if (strcmp(name, "link") != 0)
        return -ENOENT;
    return snprintf(text, size, "%s",
                    net_links[net->state->unplugged ? NET_LINK_DOWN : NET_LINK_UP]);
}

/*
 * Features and configuration space
 */

static uint64_t net_features(const struct net *net)
{
    uint64_t features =
        VIRTIO_RING_FEATURES | net->info->features | VIRTIO_FEATURE(VIRTIO_NET_F_MAC) |
        VIRTIO_FEATURE(VIRTIO_NET_F_STATUS) | VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
        VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_VQ) | VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR);

    if (net->mtu)
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_MTU);
    if (net->nr_pairs > 1)
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_MQ);
    if (net->info->features & NET_GUEST_OFFLOADS)
        features |= VIRTIO_FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
    return features;
}

/* 5.1.3.1: what needs what. */
static bool net_features_ok(void *device, uint64_t features)
{
    static const struct {
        unsigned feature, needs[2];
    } rules[] = {
        {VIRTIO_NET_F_GUEST_TSO4, {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM}},
        {VIRTIO_NET_F_GUEST_TSO6, {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM}},
        {VIRTIO_NET_F_GUEST_ECN, {VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO6}},
        {VIRTIO_NET_F_HOST_TSO4, {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM}},
        {VIRTIO_NET_F_HOST_TSO6, {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM}},
        {VIRTIO_NET_F_HOST_ECN, {VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO6}},
        {VIRTIO_NET_F_GUEST_USO4, {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM}},
        {VIRTIO_NET_F_GUEST_USO6, {VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM}},
        {VIRTIO_NET_F_HOST_USO, {VIRTIO_NET_F_CSUM, VIRTIO_NET_F_CSUM}},
        {VIRTIO_NET_F_MQ, {VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ}},
        {VIRTIO_NET_F_CTRL_MAC_ADDR, {VIRTIO_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ}},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (features & VIRTIO_FEATURE(rules[i].feature) &&
            !(features & (VIRTIO_FEATURE(rules[i].needs[0]) | VIRTIO_FEATURE(rules[i].needs[1]))))
            return false;
    return true;
}

static void net_apply_offloads(struct net *net)
{
    net->plugin->ops->net_set_offloads(net->plugin->instance, net->backend, net->state->offloads);
}

/* What it was before is what it stays where the back end cannot: it has no other way. */
static void net_apply_pairs(struct net *net)
{
    net->plugin->ops->net_set_pairs(net->plugin->instance, net->backend, net->state->pairs);
}

static void net_driver_ok(void *device)
{
    struct net *net = device;

    net->state->offloads = virtio_device_features(&net->plugin->virtio) & NET_GUEST_OFFLOADS;
    net_apply_offloads(net);
}

static void net_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct net *net = device;
    struct virtio_net_config config = {
        .status = htole16(net_link_is_up(net) ? VIRTIO_NET_S_LINK_UP : 0),
        .max_virtqueue_pairs = htole16((uint16_t)net->nr_pairs),
        .mtu = htole16(net->mtu),
    };

    memcpy(config.mac, net->state->mac, sizeof(config.mac));
    memcpy(data, (const uint8_t *)&config + offset, len);
}

/*
 * Resets, and going on. Nothing of the back end's is ever in the guest's memory between two
 * calls, so nothing is waited for. What is held stays so when the device stands still, and is
 * told: the next process holds it as well.
 */

static bool net_reset(void *device)
{
    struct net *net = device;

    for (unsigned i = 0; i < net->nr_pairs; i++)
        net_pair_forget(&net->pair[i]);
    net->state->pairs = 1;
    net->state->offloads = 0;
    memcpy(net->state->mac, net->state->first_mac, sizeof(net->state->mac));
    net_apply_offloads(net);
    net_apply_pairs(net);
    return true;
}

static bool net_queue_reset(void *device, struct virtqueue *vq)
{
    struct net *net = device;
    struct net_pair *pair = &net->pair[vq->index / 2];

    if (vq->index / 2 >= net->nr_pairs || net_is_control(net, vq->index))
        return true;
    if (vq->index % 2) {
        pair->out_held = false;
    } else {
        pair->nr_held = 0;
        pair->held_bytes = 0;
        pair->frame_len = 0; /* its beginning was in the buffers */
    }
    return true;
}

/* The back end of another process is a new one, and up. */
static void net_resume(void *device)
{
    struct net *net = device;

    if (net->link_is_back)
        net_link(net, true);
    net->link_is_back = false;
}

/*
 * The instance
 */

static const struct rv_property net_properties[] = {
    RV_NET_PROPERTIES,
    RV_PROPERTY_BOOT_INDEX,
    RV_NET_CARD_PROPERTIES,
    {.name = "queues",
     .type = RV_PROPERTY_UINT,
     .value = "1",
     .min = 1,
     .max = RV_NET_PAIRS_MAX,
     .help = "pairs of queues: more than one is of use with as many CPUs (tap)"},
    {.name = "queue-size",
     .type = RV_PROPERTY_UINT,
     .value = "256",
     .min = 4,
     .max = NET_QUEUE_MAX,
     .help = "entries of a queue, a power of two"},
    {.name = "link",
     .type = RV_PROPERTY_ENUM,
     .runtime = 1,
     .value = "up",
     .choices = net_links,
     .help = "down: as if no cable were in it"},
    VIRTIO_PLUGIN_PROPERTIES,
    {0},
};

static int net_read_properties(struct net *net, bool fresh)
{
    const struct rv_vmm_ops *ops = net->plugin->ops;
    struct rv_instance *instance = net->plugin->instance;
    uint8_t address[6];
    uint16_t size;

    if (virtio_plugin_queue_size(net->plugin, &size))
        return -EINVAL;
    net->mtu = (uint16_t)ops->property_uint(instance, "mtu");
    if (net->mtu && net->mtu < RV_NET_MTU_MIN) {
        ops->log(instance, RV_LOG_ERROR, "mtu %u: give %u to %u", net->mtu, RV_NET_MTU_MIN,
                 RV_NET_MTU_MAX);
        return -EINVAL;
    }
    net->nr_pairs = (unsigned)ops->property_uint(instance, "queues");
    for (unsigned i = 0; i < 2 * net->nr_pairs; i++)
        net->limits[i] = (struct virtqueue_limits){.size = size, .segs = NET_SEGS_MAX};
    net->limits[2 * net->nr_pairs] =
        (struct virtqueue_limits){.size = NET_CONTROL_MAX, .segs = NET_SEGS_MAX};
    /* Of one that is taken over, the address is in the state. */
    if (ops->net_address(instance, ops->property_string(instance, "mac"), address))
        return -EINVAL;
    if (!fresh)
        return 0;
    memcpy(net->state->first_mac, address, sizeof(address));
    memcpy(net->state->mac, net->state->first_mac, sizeof(net->state->mac));
    net->state->pairs = 1;
    net->state->unplugged = ops->property_enum(instance, "link") == NET_LINK_DOWN;
    return 0;
}

/* A state that another process left: nothing in it may lead outside of what is there. */
static void net_check_state(struct net *net)
{
    net->state->unplugged = net->state->unplugged != 0;
    net->link_is_back = net->state->link_down;
    if (net->state->pairs < 1 || net->state->pairs > net->nr_pairs)
        net->state->pairs = 1;
    net->state->offloads &= NET_GUEST_OFFLOADS;
}

static int net_open(struct net *net)
{
    static const struct rv_net_callbacks callbacks = {
        .size = sizeof(callbacks),
        .readable = net_readable,
        .writable = net_writable,
        .link = net_link,
    };
    const struct rv_net_options options = {
        .size = sizeof(options),
        .pairs = net->nr_pairs,
        .callbacks = &callbacks,
        .opaque = net,
    };
    const struct rv_vmm_ops *ops = net->plugin->ops;
    struct rv_instance *instance = net->plugin->instance;
    int error;

    for (unsigned i = 0; i < net->nr_pairs; i++) {
        net->pair[i].net = net;
        net->pair[i].index = i;
        net->pair[i].rest = malloc(RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX);
        if (!net->pair[i].rest)
            return -ENOMEM;
    }
    error = ops->net_open(instance, &options, &net->backend);
    if (error)
        return error;
    net->info = ops->net_info(instance, net->backend);
    if (net->info->pairs < net->nr_pairs) {
        ops->log(instance, RV_LOG_ERROR, "queues %u: this back end has no more than %u",
                 net->nr_pairs, net->info->pairs);
        return -EINVAL;
    }
    return 0;
}

static void net_destroy(void *device)
{
    struct net *net = device;

    if (net->backend)
        net->plugin->ops->net_close(net->plugin->instance, net->backend);
    for (unsigned i = 0; i < net->nr_pairs; i++)
        free(net->pair[i].rest);
    free(net);
}

static int net_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                      struct virtio_device_config *config, void **device)
{
    const struct rv_vmm_ops *ops = plugin->ops;
    struct net *net = calloc(1, sizeof(*net));
    int error;

    if (!net)
        return -ENOMEM;
    net->plugin = plugin;
    net->state = state;
    error = net_read_properties(net, !(flags & RV_CREATE_RESUME));
    if (!error)
        error = net_open(net);
    if (error) {
        net_destroy(net);
        return error;
    }
    net_check_state(net);
    net_apply_offloads(net);
    net_apply_pairs(net);
    net->count = (struct net_counters){
        .sent = ops->counter(plugin->instance, "sent", "frames from the guest"),
        .received = ops->counter(plugin->instance, "received", "frames to the guest"),
        .sent_bytes = ops->counter(plugin->instance, "sent-bytes", "bytes from the guest"),
        .received_bytes = ops->counter(plugin->instance, "received-bytes", "bytes to the guest"),
        .dropped =
            ops->counter(plugin->instance, "dropped",
                         "frames that were malformed, too long, or met a link that was down"),
    };
    *config = (struct virtio_device_config){
        .features = net_features(net),
        .config_size = NET_CONFIG_SIZE,
        .queues = 2 * net->nr_pairs + 1,
        .limits = net->limits,
    };
    *device = net;
    return 0;
}

static const struct virtio_plugin_class net = {
    .virtio =
        {
            .id = VIRTIO_ID_NET,
            .notify = net_notify,
            .features_ok = net_features_ok,
            .driver_ok = net_driver_ok,
            .reset = net_reset,
            .queue_reset = net_queue_reset,
            .config_read = net_config_read,
            .config_told = true,
            .resubmit = net_resubmit,
        },
    .create = net_create,
    .destroy = net_destroy,
    .resume = net_resume,
    .set = net_set,
    .get = net_get,
};

VIRTIO_PLUGIN(net, .name = "virtio-net", .description = "virtio network device",
              .properties = net_properties, .state_version = 1,
              .state_size = sizeof(struct net_state));
