/* SPDX-License-Identifier: BSD-2-Clause */
/* Network device: the control queue. Sections without a name are of virtio 1.2. */
#include <endian.h>
#include <string.h>

#include "devices/virtio/net/virtio_net.h"

/* In one turn. Few: a system call may stand behind each, and the kernel may take its time. */
#define NET_COMMANDS 4u

/* `data`: what follows class and command, `len` bytes, checked to be at least as long. */
static uint8_t net_set_mac(struct net *net, const uint8_t *data, size_t len)
{
    if (len != sizeof(net->state->mac))
        return VIRTIO_NET_ERR;
    memcpy(net->state->mac, data, len);
    virtio_device_changed(&net->plugin->virtio);
    return VIRTIO_NET_OK;
}

static uint8_t net_set_pairs(struct net *net, const uint8_t *data, size_t len)
{
    uint16_t pairs;

    if (len != sizeof(pairs))
        return VIRTIO_NET_ERR;
    memcpy(&pairs, data, sizeof(pairs));
    pairs = le16toh(pairs);
    if (pairs < 1 || pairs > net->nr_pairs)
        return VIRTIO_NET_ERR;
    if (net->plugin->ops->net_set_pairs(net->plugin->instance, net->backend, pairs))
        return VIRTIO_NET_ERR;
    net->state->pairs = pairs;
    for (unsigned i = 0; i < net->nr_pairs; i++) {
        net_receive(&net->pair[i]);
        net_send(&net->pair[i]); /* what an idle one still had is dropped */
    }
    return VIRTIO_NET_OK;
}

static uint8_t net_set_offloads(struct net *net, const uint8_t *data, size_t len)
{
    uint64_t offloads, features = virtio_device_features(&net->plugin->virtio);

    if (len != sizeof(offloads))
        return VIRTIO_NET_ERR;
    memcpy(&offloads, data, sizeof(offloads));
    offloads = le64toh(offloads);
    if (offloads & ~(features & NET_GUEST_OFFLOADS))
        return VIRTIO_NET_ERR;
    net->state->offloads = offloads;
    net->plugin->ops->net_set_offloads(net->plugin->instance, net->backend, offloads);
    return VIRTIO_NET_OK;
}

static const struct {
    uint8_t class, command;
    unsigned feature; /* without which the driver may not */
    uint8_t (*set)(struct net *net, const uint8_t *data, size_t len);
} net_commands[] = {
    {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_F_CTRL_MAC_ADDR, net_set_mac},
    {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_F_MQ, net_set_pairs},
    {VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET,
     VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, net_set_offloads},
};

void net_control_one(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct net *net = device;
    uint64_t features = virtio_device_features(&net->plugin->virtio);
    struct {
        struct virtio_net_ctrl_hdr header;
        uint8_t data[16];
    } command;
    uint8_t ack = VIRTIO_NET_ERR;
    size_t len = iov_read(chain->readable, chain->readable_count, 0, &command, sizeof(command));

    if (len < sizeof(command.header) || chain->writable_bytes < sizeof(ack)) {
        virtio_device_broken(&net->plugin->virtio, vq->index,
                             "a command without a header or room for the answer, of bytes",
                             chain->readable_bytes + chain->writable_bytes);
        return;
    }
    for (size_t i = 0; i < sizeof(net_commands) / sizeof(net_commands[0]); i++) {
        if (net_commands[i].class == command.header.class &&
            net_commands[i].command == command.header.cmd &&
            features & VIRTIO_FEATURE(net_commands[i].feature) &&
            chain->readable_bytes <= sizeof(command))
            ack = net_commands[i].set(net, command.data, len - sizeof(command.header));
    }
    iov_write(chain->writable, chain->writable_count, 0, &ack, sizeof(ack));
    virtqueue_push(vq, chain, sizeof(ack));
}

void net_control(struct net *net, struct virtqueue *vq)
{
    virtio_plugin_serve(net->plugin, vq, NET_COMMANDS, net_control_one);
}
