/* SPDX-License-Identifier: BSD-2-Clause */
/* File system of another process, as virtiofsd: virtio 1.2, 5.11. */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "devices/vhost_user/vhost_user.h"

#define HIGH_PRIORITY_QUEUES 1u
#define DEVICE_FEATURES      0xffffffull /* those that depend on the device type: 2.2 */

static const struct rv_property fs_properties[] = {
    VHOST_USER_PROPERTIES("128"),
    {.name = "tag",
     .type = RV_PROPERTY_STRING,
     .required = true,
     .help = "name that the guest mounts it by, 36 bytes at most"},
    {.name = "queues",
     .type = RV_PROPERTY_UINT,
     .value = "1",
     .min = 1,
     .max = VHOST_USER_QUEUES_MAX - HIGH_PRIORITY_QUEUES,
     .help = "number of request queues"},
    {0},
};

static int fs_prepare(struct vhost_user *vu)
{
    const struct rv_vmm_ops *ops = vu->plugin->ops;
    struct rv_instance *instance = vu->plugin->instance;
    size_t len = strlen(ops->property_string(instance, "tag"));

    vu->nr_queues = (unsigned)ops->property_uint(instance, "queues") + HIGH_PRIORITY_QUEUES;
    if (len != 0 && len <= sizeof(((struct virtio_fs_config *)0)->tag))
        return 0;
    ops->log(instance, RV_LOG_ERROR, "a tag of %zu bytes: give 1 to 36", len);
    return -EINVAL;
}

static const char *fs_check(const struct vhost_user *vu)
{
    return vu->engine.features & DEVICE_FEATURES
               ? "it has features that a file system has not, so it serves something else:"
               : NULL;
}

static void fs_config(struct vhost_user *vu)
{
    const char *tag = vu->plugin->ops->property_string(vu->plugin->instance, "tag");
    struct virtio_fs_config config = {.num_request_queues =
                                          htole32(vu->nr_queues - HIGH_PRIORITY_QUEUES)};

    memcpy(config.tag, tag, strlen(tag));
    memcpy(vu->state->config, &config, sizeof(config));
}

static const struct vhost_user_type fs_type = {
    .brings_code = true,
    .config_size = sizeof(struct virtio_fs_config),
    .prepare = fs_prepare,
    .check = fs_check,
    .config = fs_config,
};

static int fs_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                     struct virtio_device_config *config, void **device)
{
    return vhost_user_create(plugin, &fs_type, state, flags, config, device);
}

static const struct virtio_plugin_class fs = {
    .virtio = VHOST_USER_VIRTIO(VIRTIO_ID_FS),
    .create = fs_create,
    .destroy = vhost_user_destroy,
    .quiesce = vhost_user_quiesce,
};

VIRTIO_PLUGIN(fs, .name = "vhost-user-fs",
              .description = "virtio file system that another process serves (virtiofsd)",
              .properties = fs_properties, .state_version = VHOST_USER_STATE_VERSION,
              .state_size = sizeof(struct vhost_user_state), .sync = vhost_user_sync);
