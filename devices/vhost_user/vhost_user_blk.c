/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block device of another process: virtio 1.2, 5.2. The configuration space is the back
 * end's, but for the number of queues.
 */
#include <endian.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <string.h>

#include "devices/vhost_user/vhost_user.h"

/* Up to the fields of WRITE_ZEROES: what follows is for features that are not passed on. */
#define CONFIG_SIZE 60u

#define BIT(name) VIRTIO_FEATURE(VIRTIO_BLK_F_##name)

static const struct rv_property blk_properties[] = {
    VHOST_USER_PROPERTIES("128"),
    RV_PROPERTY_BOOT_INDEX,
    {.name = "queues",
     .type = RV_PROPERTY_UINT,
     .value = "1",
     .min = 1,
     .max = VHOST_USER_QUEUES_MAX,
     .help = "number of queues: the back end must have as many"},
    {0},
};

static int blk_prepare(struct vhost_user *vu)
{
    vu->nr_queues = (unsigned)vu->plugin->ops->property_uint(vu->plugin->instance, "queues");
    return 0;
}

static const char *blk_check(const struct vhost_user *vu)
{
    /* A back end of one queue does not offer it, and then the driver would not look for more. */
    return vu->nr_queues > 1 && !(vu->engine.features & BIT(MQ))
               ? "several queues are asked for, but it has one; its features are"
               : NULL;
}

/*
 * What a back end says of itself, corrected. QEMU's leaves some fields at 0 without
 * meaning it: a segment may have any size, and it has a cache. So the driver flushes
 * until it has chosen to write through, and then the back end is told.
 */
static void blk_config(struct vhost_user *vu)
{
    struct virtio_blk_config config;

    memcpy(&config, vu->state->config, CONFIG_SIZE);
    if (config.size_max == 0)
        config.size_max = UINT32_MAX;
    if (!vu->state->written)
        config.wce = 1;
    config.num_queues = htole16((uint16_t)vu->nr_queues);
    memcpy(vu->state->config, &config, CONFIG_SIZE);
}

static const struct vhost_user_type blk_type = {
    .brings_code = true,
    .features = BIT(SIZE_MAX) | BIT(SEG_MAX) | BIT(GEOMETRY) | BIT(RO) | BIT(BLK_SIZE) |
                BIT(FLUSH) | BIT(TOPOLOGY) | BIT(CONFIG_WCE) | BIT(MQ) | BIT(DISCARD) |
                BIT(WRITE_ZEROES),
    .protocol_needs = VIRTIO_FEATURE(VHOST_USER_PROTOCOL_CONFIG),
    .config_size = CONFIG_SIZE,
    .config_remote = true,
    .ends = true,
    .writable = offsetof(struct virtio_blk_config, wce),
    .writes = BIT(CONFIG_WCE),
    .prepare = blk_prepare,
    .check = blk_check,
    .config = blk_config,
};

static int blk_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                      struct virtio_device_config *config, void **device)
{
    return vhost_user_create(plugin, &blk_type, state, flags, config, device);
}

static const struct virtio_plugin_class blk = {
    .virtio = VHOST_USER_VIRTIO(VIRTIO_ID_BLOCK),
    .create = blk_create,
    .destroy = vhost_user_destroy,
    .quiesce = vhost_user_quiesce,
};

VIRTIO_PLUGIN(blk, .name = "vhost-user-blk",
              .description = "virtio block device that another process serves (vhost-user)",
              .properties = blk_properties, .state_version = VHOST_USER_STATE_VERSION,
              .state_size = sizeof(struct vhost_user_state), .sync = vhost_user_sync);
