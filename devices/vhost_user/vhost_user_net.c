/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network device of another process, as a switch: virtio 1.2, 5.1. One pair of queues;
 * the configuration space is made here.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>

#include "devices/vhost_user/vhost_user.h"

#define QUEUES      2u
#define MTU_MIN     68u
#define CONFIG_SIZE offsetof(struct virtio_net_config, speed)

#define BIT(name) VIRTIO_FEATURE(VIRTIO_NET_F_##name)

static const struct rv_property net_properties[] = {
    VHOST_USER_PROPERTIES("256"),
    {.name = "mac",
     .type = RV_PROPERTY_STRING,
     .help = "the guest's address, as 52:54:00:12:34:56 (default: made from the device's name)"},
    {.name = "mtu",
     .type = RV_PROPERTY_UINT,
     .value = "0",
     .max = 65535,
     .help = "what the guest is told of the largest frame, 68 or more; 0: nothing"},
    {0},
};

/* Unicast and locally administered, the same in each run. */
static void net_default_mac(const char *name, uint8_t mac[6])
{
    uint32_t hash = 2166136261u;

    while (*name)
        hash = (hash ^ (uint8_t)*name++) * 16777619u;
    memcpy(mac, "\x52\x54\x00", 3);
    mac[3] = (uint8_t)(hash >> 16);
    mac[4] = (uint8_t)(hash >> 8);
    mac[5] = (uint8_t)hash;
}

/* Six bytes in hexadecimal, colons between them, a unicast address that is not 0. */
static bool net_parse_mac(const char *text, uint8_t mac[6])
{
    unsigned sum = 0;
    int end = 0;

    if (strlen(text) != 17 ||
        sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
               &mac[4], &mac[5], &end) != 6 ||
        end != 17)
        return false;
    for (unsigned i = 0; i < 6; i++)
        sum += mac[i];
    return sum != 0 && !(mac[0] & 1);
}

static int net_mac(const struct vhost_user *vu, uint8_t mac[6])
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;
    const char *text = ops->property_string(instance, "mac");

    if (!text) {
        net_default_mac(ops->name(instance), mac);
        return 0;
    }
    if (net_parse_mac(text, mac))
        return 0;
    ops->log(instance, RV_LOG_ERROR, "mac '%s': give a unicast address as 52:54:00:12:34:56", text);
    return -EINVAL;
}

static int net_prepare(struct vhost_user *vu)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;
    uint8_t mac[6];

    vu->nr_queues = QUEUES;
    vu->own_features = BIT(MAC);
    vu->setup.mtu = ops->property_uint(instance, "mtu");
    if (vu->setup.mtu != 0 && vu->setup.mtu < MTU_MIN) {
        ops->log(instance, RV_LOG_ERROR, "mtu %llu: give 0 or at least %u",
                 (unsigned long long)vu->setup.mtu, MTU_MIN);
        return -EINVAL;
    }
    vu->own_features |= vu->setup.mtu ? BIT(MTU) : 0;
    return net_mac(vu, mac);
}

static void net_config(struct vhost_user *vu)
{
    struct virtio_net_config config = {.mtu = htole16((uint16_t)vu->setup.mtu)};

    net_mac(vu, config.mac);
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
