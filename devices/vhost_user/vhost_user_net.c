/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network device of another process, as a switch: virtio 1.2, 5.1. One pair of queues;
 * the configuration space is made here.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "devices/vhost_user/vhost_user.h"

#define QUEUES      2u
#define CONFIG_SIZE offsetof(struct virtio_net_config, speed)

#define BIT(name) VIRTIO_FEATURE(VIRTIO_NET_F_##name)

static const struct rv_property net_properties[] = {
    VHOST_USER_PROPERTIES("256"),
    RV_NET_CARD_PROPERTIES,
    {0},
};

static int net_prepare(struct vhost_user *vu)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;

    vu->nr_queues = QUEUES;
    vu->own_features = BIT(MAC);
    vu->setup.mtu = ops->property_uint(instance, "mtu");
    if (vu->setup.mtu != 0 && vu->setup.mtu < RV_NET_MTU_MIN) {
        ops->log(instance, RV_LOG_ERROR, "mtu %llu: give %u to %u",
                 (unsigned long long)vu->setup.mtu, RV_NET_MTU_MIN, RV_NET_MTU_MAX);
        return -EINVAL;
    }
    vu->own_features |= vu->setup.mtu ? BIT(MTU) : 0;
    return ops->net_address(instance, ops->property_string(instance, "mac"), vu->mac);
}

static void net_config(struct vhost_user *vu)
{
    struct virtio_net_config config = {.mtu = htole16((uint16_t)vu->setup.mtu)};

    memcpy(config.mac, vu->mac, sizeof(config.mac));
    memcpy(vu->state->config, &config, CONFIG_SIZE);
}

static const struct vhost_user_type net_type = {
    .features = BIT(CSUM) | BIT(GUEST_CSUM) | BIT(GUEST_TSO4) | BIT(GUEST_TSO6) | BIT(GUEST_ECN) |
                BIT(GUEST_UFO) | BIT(HOST_TSO4) | BIT(HOST_TSO6) | BIT(HOST_ECN) | BIT(HOST_UFO) |
                BIT(MRG_RXBUF),
    .config_size = CONFIG_SIZE,
    .prepare = net_prepare,
    .config = net_config,
};

static int net_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                      struct virtio_device_config *config, void **device)
{
    return vhost_user_create(plugin, &net_type, state, flags, config, device);
}

static const struct virtio_plugin_class net = {
    .virtio = VHOST_USER_VIRTIO(VIRTIO_ID_NET),
    .create = net_create,
    .destroy = vhost_user_destroy,
    .quiesce = vhost_user_quiesce,
};

VIRTIO_PLUGIN(net, .name = "vhost-user-net",
              .description = "virtio network device that another process serves (vhost-user)",
              .properties = net_properties, .state_version = VHOST_USER_STATE_VERSION,
              .state_size = sizeof(struct vhost_user_state), .sync = vhost_user_sync);
