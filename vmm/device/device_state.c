/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's state blocks: new, taken over, or made from those of an older version. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/log.h"

#define DEVICE_BLOCK_MAX 12u /* characters of a further state block's name */

static char *device_state_name(const struct rv_instance *instance, const char *block)
{
    char *name;

    if (asprintf(&name, "%s%s%s", instance->name, block ? "/" : "", block ? block : "") < 0)
        return NULL;
    return name;
}

/* NULL after a message. The old block stays as it is until the new one is whole. */
static void *device_state_upgrade(struct rv_instance *instance, const char *name, const char *block,
                                  const struct state_found *old, uint32_t version, uint64_t size)
{
    void *to = state_begin(instance->env.state, old->at, version, size);
    const struct rv_state_upgrade upgrade = {
        .size = sizeof(upgrade),
        .from_version = old->version,
        .to_version = version,
        .block = block,
        .from = old->at,
        .from_size = old->size,
        .to = to,
        .to_size = size,
    };
    int error;

    if (!to)
        return NULL;
    error = instance->class->upgrade(instance, &device_ops, &upgrade);
    if (error) {
        state_abort(to);
        log_error("state block '%s': version %" PRIu32 " cannot become %" PRIu32 ": %s", name,
                  old->version, version, strerror(error < 0 ? -error : EINVAL));
        return NULL;
    }
    state_commit(instance->env.state, old->at, to);
    return to;
}

static void *device_state_get(struct rv_instance *instance, const char *name, const char *block,
                              uint32_t version, uint64_t size)
{
    struct state_found old;

    if (!block && instance->env.resume && !state_lookup(instance->env.state, name, &old)) {
        log_error("device '%s' is not in the state that was left: it cannot be taken over", name);
        return NULL;
    }
    /* An older version may have had no such further block. */
    if (!instance->env.resume || !state_lookup(instance->env.state, name, &old))
        return state_alloc(instance->env.state, name, version, size);
    if (old.version == version && (old.size == size || size == 0))
        return old.at;
    if (old.version < version && instance->class->upgrade)
        return device_state_upgrade(instance, name, block, &old, version, size);
    log_error("state block '%s': it is there with version %" PRIu32 " and %zu bytes, not %" PRIu32
              " and %" PRIu64 ": the device cannot be taken over",
              name, old.version, old.size, version, size);
    return NULL;
}

/* They tell by themselves what the guest has seen: that cannot be undone. */
bool device_has_rings(const struct rv_instance *instance)
{
    return instance->pci || instance->class->place == RV_PLACE_VIRTIO_MMIO ||
           instance->class->place == RV_PLACE_PCI;
}

/* The block `old`, or a new one, is at `new` now. */
static void device_state_moved(struct rv_instance *instance, const void *old, const void *new)
{
    unsigned i = 0;

    while (i < DEVICE_UNDONE_BLOCKS && instance->undone[i].at != old)
        i++;
    if (new &&i < DEVICE_UNDONE_BLOCKS && state_size(new) <= DEVICE_UNDONE_MAX &&
        !device_has_rings(instance)) {
        instance->undone[i].at = new;
        instance->undone[i].size = state_size(new);
    }
}

void *device_state_open(struct rv_instance *instance, const char *block, uint32_t version,
                        uint64_t size)
{
    char *name = device_state_name(instance, block);
    void *state = name ? device_state_get(instance, name, block, version, size) : NULL;

    free(name);
    device_state_moved(instance, NULL, state);
    return state;
}

void *device_state_block(struct rv_instance *instance, const char *name, uint32_t version,
                         uint64_t size)
{
    if (!instance->creating) {
        device_bug(instance, "a state block outside of create()");
        return NULL;
    }
    if (!name || !name[0] || strlen(name) > DEVICE_BLOCK_MAX ||
        (size == 0 && !instance->env.resume)) {
        device_bug(instance,
                   "a state block without a size, or whose name is not 1 to %u characters",
                   DEVICE_BLOCK_MAX);
        return NULL;
    }
    return device_state_open(instance, name, version, size);
}

void *device_state_resize(struct rv_instance *instance, void *block, uint64_t size)
{
    void *new;

    if (!block || size == 0) {
        device_bug(instance, "another size for no block, or none for one");
        return NULL;
    }
    new = state_resize(instance->env.state, block, size);
    device_state_moved(instance, block, new);
    return new;
}

uint64_t device_state_size(struct rv_instance *instance, const void *block)
{
    return block ? state_size(block) : 0;
}

void device_state_undone(struct rv_instance *instance, const void *block, uint64_t size)
{
    unsigned i = 0;

    while (i < DEVICE_UNDONE_BLOCKS && (!block || instance->undone[i].at != block))
        i++;
    if (i == DEVICE_UNDONE_BLOCKS)
        return; /* it is not put back at all */
    if (!instance->creating || size == 0 || size > instance->undone[i].size)
        device_bug(instance, "a part of a state block that it has not, or outside of create()");
    else
        instance->undone[i].size = size;
}
