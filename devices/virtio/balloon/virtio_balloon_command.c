/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory balloon: the user's commands, and the statistics that are also the control channel's. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "devices/virtio/balloon/virtio_balloon.h"
#include "devices/virtio/command_size.h"

static const char *const balloon_names[BALLOON_STATS_TAGS] = {
    [VIRTIO_BALLOON_S_SWAP_IN] = "swap-in",
    [VIRTIO_BALLOON_S_SWAP_OUT] = "swap-out",
    [VIRTIO_BALLOON_S_MAJFLT] = "major-faults",
    [VIRTIO_BALLOON_S_MINFLT] = "minor-faults",
    [VIRTIO_BALLOON_S_MEMFREE] = "free",
    [VIRTIO_BALLOON_S_MEMTOT] = "total",
    [VIRTIO_BALLOON_S_AVAIL] = "available",
    [VIRTIO_BALLOON_S_CACHES] = "caches",
    [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "huge-pages-made",
    [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "huge-pages-failed",
};

/* JSON's numbers are signed here: what the guest said beyond that is told as the most. */
static void balloon_put(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name,
                        json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX));
}

/* One line, to be freed; NULL when out of memory. */
static char *balloon_describe(const struct balloon *b)
{
    const struct balloon_state *state = b->state;
    json_t *answer = json_object();
    struct stat st = {0};
    char *text;

    balloon_put(answer, "size", b->ram.bytes - (uint64_t)state->num_pages * BALLOON_PAGE);
    balloon_put(answer, "actual", b->ram.bytes - (uint64_t)state->actual * BALLOON_PAGE);
    if (fstat(b->ram.fd, &st) == 0)
        balloon_put(answer, "host", (uint64_t)st.st_blocks * 512);
    for (unsigned i = 0; i < BALLOON_STATS_TAGS; i++)
        if (state->have >> i & 1)
            balloon_put(answer, balloon_names[i], state->stats[i]);
    text = json_dumps(answer, 0);
    json_decref(answer);
    return text;
}

void balloon_tell(struct balloon *b)
{
    const struct rv_vmm_ops *ops = b->plugin->ops;
    char *text;

    b->asked = false;
    ops->timer_cancel(b->plugin->instance, b->patience);
    if (!b->lines && !b->nr_replies)
        return;
    text = balloon_describe(b);
    balloon_control_tell(b, text ? text : "{}");
    while (b->nr_replies)
        ops->reply(b->plugin->instance, b->replies[--b->nr_replies], text ? 0 : -ENOMEM, text);
    free(text);
}

void balloon_want_stats(struct balloon *b)
{
    const struct rv_vmm_ops *ops = b->plugin->ops;
    struct rv_instance *instance = b->plugin->instance;

    if (b->asked && !virtio_device_is_held(&b->plugin->virtio))
        return; /* its answer is for this one as well */
    b->asked = balloon_ask(b);
    if (b->asked)
        ops->timer_set(instance, b->patience, ops->now_ns(instance) + BALLOON_STATS_NS);
    else
        balloon_tell(b);
}

static int balloon_command_size(struct balloon *b, const struct rv_device_command *command)
{
    const struct rv_vmm_ops *ops = b->plugin->ops;
    struct rv_instance *instance = b->plugin->instance;
    uint64_t size;

    if (command_size(command->json, &size) || balloon_resize(b, size)) {
        ops->log(instance, RV_LOG_ERROR, "size: give {\"size\": BYTES}, 1 MiB to %llu MiB",
                 (unsigned long long)(b->ram.bytes >> 20));
        return -EINVAL;
    }
    ops->reply(instance, command->reply, 0, NULL);
    return 0;
}

static int balloon_command_stats(struct balloon *b, const struct rv_device_command *command)
{
    uint64_t size;

    if (command_size(command->json, &size) || size) {
        b->plugin->ops->log(b->plugin->instance, RV_LOG_ERROR, "stats: it takes no arguments");
        return -EINVAL;
    }
    if (b->nr_replies == BALLOON_REPLIES)
        return -EBUSY;
    b->replies[b->nr_replies++] = command->reply;
    balloon_want_stats(b);
    return 0;
}

int balloon_command(void *device, const struct rv_device_command *command)
{
    return strcmp(command->name, "size") == 0 ? balloon_command_size(device, command)
                                              : balloon_command_stats(device, command);
}
