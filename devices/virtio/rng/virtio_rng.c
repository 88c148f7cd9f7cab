/* SPDX-License-Identifier: BSD-2-Clause */
/* Entropy device: virtio 1.2, 5.4. What the guest gets is the host's getrandom(). */
#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <sys/random.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define RNG_QUEUE_SIZE 64u
#define RNG_PIECE      4096u /* a buffer gets that much at most: a short one is no error */
#define RNG_BATCH      64u   /* buffers filled before others have their turn */

struct rng {
    struct virtio_plugin *plugin;
    uint64_t *bytes; /* counter */
};

static void rng_fill(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct rng *rng = device;
    uint8_t bytes[RNG_PIECE];
    size_t want = chain->writable_bytes < RNG_PIECE ? chain->writable_bytes : RNG_PIECE;
    ssize_t got = getrandom(bytes, want, GRND_NONBLOCK);
    size_t len =
        got > 0 ? (size_t)got : 0; /* a host without entropy yet: none, and it asks again */

    len = iov_write(chain->writable, chain->writable_count, 0, bytes, len);
    *rng->bytes += len;
    virtqueue_push(vq, chain, len);
}

static void rng_notify(void *device, struct virtqueue *vq)
{
    struct rng *rng = device;

    virtio_plugin_serve(rng->plugin, vq, RNG_BATCH, rng_fill);
}

static int rng_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                      struct virtio_device_config *config, void **device)
{
    static const struct virtqueue_limits limits = {.size = RNG_QUEUE_SIZE};
    struct rng *rng = calloc(1, sizeof(*rng));

    if (!rng)
        return -ENOMEM;
    rng->plugin = plugin;
    rng->bytes = plugin->ops->counter(plugin->instance, "bytes", "random bytes given to the guest");
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES,
        .queues = 1,
        .limits = &limits,
    };
    *device = rng;
    return 0;
}

static const struct virtio_plugin_class rng = {
    .virtio = {.id = VIRTIO_ID_RNG, .notify = rng_notify, .resubmit = rng_fill},
    .create = rng_create,
    .destroy = free,
};

static const struct rv_property rng_properties[] = {VIRTIO_PLUGIN_PROPERTIES, {0}};

VIRTIO_PLUGIN(rng, .name = "virtio-rng",
              .description = "virtio entropy device: the host's random numbers",
              .properties = rng_properties);
