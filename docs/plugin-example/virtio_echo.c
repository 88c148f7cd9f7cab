/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device for a ringvisor guest, built from the installed library alone: see
 * docs/plugins.md. It has one queue and copies what is readable of a buffer to what is
 * writable of it. Its configuration space holds the number of buffers that it has echoed.
 */
#include <endian.h>
#include <errno.h>
#include <ringvisor/virtio/virtio_plugin.h>
#include <stdlib.h>
#include <string.h>

#define ECHO_ID         63u /* of no device in virtio 1.2, so that no driver takes it */
#define ECHO_QUEUE_SIZE 64u
#define ECHO_BATCH      64u /* buffers in one go, before others have their turn */
#define ECHO_BYTES      4096u

/* All that the guest can see beside the transport: plain bytes. */
struct echo_state {
    uint64_t echoed;
};

struct echo {
    struct virtio_plugin *plugin;
    struct echo_state *state;
    uint64_t *bytes; /* counter */
};

static void echo_buffer(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct echo *echo = device;
    uint8_t copy[ECHO_BYTES];
    size_t len = iov_read(chain->readable, chain->readable_count, 0, copy, sizeof(copy));

    len = iov_write(chain->writable, chain->writable_count, 0, copy, len);
    echo->state->echoed++;
    *echo->bytes += len;
    virtqueue_push(vq, chain, len);
}

static void echo_notify(void *device, struct virtqueue *vq)
{
    struct echo *echo = device;

    virtio_plugin_serve(echo->plugin, vq, ECHO_BATCH, echo_buffer);
}

static void echo_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    const struct echo *echo = device;
    uint64_t echoed = htole64(echo->state->echoed);

    memcpy(data, (const uint8_t *)&echoed + offset, len);
}

static bool echo_reset(void *device)
{
    struct echo *echo = device;

    echo->state->echoed = 0;
    return true; /* nothing is ever in flight */
}

static int echo_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                       struct virtio_device_config *config, void **device)
{
    static const struct virtqueue_limits limits = {.size = ECHO_QUEUE_SIZE};
    struct echo *echo = calloc(1, sizeof(*echo));

    if (!echo)
        return -ENOMEM;
    echo->plugin = plugin;
    echo->state = state;
    echo->bytes = plugin->ops->counter(plugin->instance, "bytes", "bytes echoed to the guest");
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES,
        .config_size = sizeof(struct echo_state),
        .queues = 1,
        .limits = &limits,
    };
    *device = echo;
    return 0;
}

static const struct virtio_plugin_class echo = {
    .virtio =
        {
            .id = ECHO_ID,
            .notify = echo_notify,
            .reset = echo_reset,
            .config_read = echo_config_read,
            .resubmit = echo_buffer, /* of an earlier vmm that took it and did not give it back */
        },
    .create = echo_create,
    .destroy = free,
};

static const struct rv_property echo_properties[] = {VIRTIO_PLUGIN_PROPERTIES, {0}};

VIRTIO_PLUGIN(echo, .name = "virtio-echo",
              .description = "virtio device that echoes: the second example of docs/plugins.md",
              .properties = echo_properties, .state_version = 1,
              .state_size = sizeof(struct echo_state));
