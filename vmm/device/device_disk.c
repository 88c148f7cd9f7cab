/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's disks: the plugin ABI's disk operations on vmm/disk/. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/disk/disk.h"
#include "vmm/util/log.h"

struct rv_disk {
    struct device_handle handle;
    struct disk *disk;
    struct rv_disk_info info;
    void (*changed)(void *opaque);
    void *opaque;
};

/* The back end's request, in the part of the device's that is the core's. */
struct device_disk_request {
    struct disk_request request; /* first */
    struct rv_disk_request *of;
};
_Static_assert(sizeof(struct device_disk_request) <= sizeof(((struct rv_disk_request *)0)->core),
               "the core's part of a request");
_Static_assert(_Alignof(struct device_disk_request) <= _Alignof(struct rv_disk_request),
               "the core's part of a request");

_Static_assert((int)RV_DISK_READ == DISK_READ && (int)RV_DISK_WRITE == DISK_WRITE &&
                   (int)RV_DISK_FLUSH == DISK_FLUSH && (int)RV_DISK_DISCARD == DISK_DISCARD &&
                   (int)RV_DISK_WRITE_ZEROES == DISK_WRITE_ZEROES && RV_DISK_UNMAP == DISK_UNMAP,
               "the same numbers");

static void device_disk_fill_info(struct rv_disk *disk)
{
    const struct disk_info *info = disk_info(disk->disk);

    disk->info = (struct rv_disk_info){
        .size = sizeof(struct rv_disk_info),
        .capacity = info->size,
        .block_size = info->block_size,
        .physical_block_size = info->physical_block_size,
        .discard_granularity = info->discard_granularity,
        .iov_max = DISK_IOV_MAX,
        .transfer_max = DISK_TRANSFER_MAX,
        .read_only = info->read_only,
        .can_discard = info->can_discard,
        .write_cache = info->write_cache,
    };
}

static void device_disk_changed(void *opaque)
{
    struct rv_disk *disk = opaque;

    device_disk_fill_info(disk);
    if (disk->changed)
        disk->changed(disk->opaque);
}

int device_disk_open(struct rv_instance *instance, const struct rv_disk_options *options,
                     struct rv_disk **result)
{
    struct rv_disk_options known = {0};
    struct rv_disk *disk;
    int err;

    if (!options || options->size < offsetof(struct rv_disk_options, round_end) || !options->path) {
        device_bug(instance, "disk_open without options, their size or a path");
        return -EINVAL;
    }
    memcpy(&known, options, options->size < sizeof(known) ? options->size : sizeof(known));
    disk = calloc(1, sizeof(*disk));
    if (!disk) {
        log_error("device '%s': out of memory", instance->name);
        return -ENOMEM;
    }
    err = disk_open(instance->env.base,
                    &(struct disk_config){
                        .path = known.path,
                        .format = known.format,
                        .cache = known.cache,
                        .aio = known.aio,
                        .helper = known.helper,
                        .read_only = known.read_only,
                        .no_discard = known.no_discard,
                        .no_lock = known.no_lock,
                        .pause_when_full = known.pause_when_full,
                    },
                    &disk->disk);
    if (err) {
        free(disk);
        return err;
    }
    disk->changed = known.changed;
    disk->opaque = known.opaque;
    disk_on_round(disk->disk, known.round_end, known.opaque);
    disk_on_change(disk->disk, device_disk_changed, disk);
    device_disk_fill_info(disk);
    device_handle_add(instance, &disk->handle, DEVICE_HANDLE_DISK);
    *result = disk;
    return 0;
}

const struct rv_disk_info *device_disk_info(struct rv_instance *instance, struct rv_disk *disk)
{
    return device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_info") ? &disk->info
                                                                                : NULL;
}

static void device_disk_done(struct disk_request *request, int error)
{
    struct rv_disk_request *of = ((struct device_disk_request *)(void *)request)->of;

    of->done(of, error);
}

void device_disk_submit(struct rv_instance *instance, struct rv_disk *disk,
                        struct rv_disk_request *request)
{
    struct device_disk_request *core = (struct device_disk_request *)(void *)request->core;

    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_submit"))
        return;
    core->of = request;
    core->request.op = request->op;
    core->request.flags = request->flags;
    core->request.offset = request->offset;
    core->request.length = request->length;
    core->request.iov = request->iov;
    /* As many as are too many for the back end, whatever a size_t has above. */
    core->request.iov_count =
        request->iov_count > DISK_IOV_MAX ? UINT_MAX : (unsigned)request->iov_count;
    core->request.done = device_disk_done;
    disk_submit(disk->disk, &core->request);
}

void device_disk_kick(struct rv_instance *instance, struct rv_disk *disk)
{
    if (device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_kick"))
        disk_kick(disk->disk);
}

/* A plugin that leaves this to the core must not have freed its requests: they may be in flight. */
void device_disk_close(struct rv_instance *instance, struct rv_disk *disk)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_close"))
        return;
    device_handle_remove(instance, &disk->handle);
    disk_close(disk->disk);
    free(disk);
}

int device_disk_drain(struct rv_instance *instance, struct rv_disk *disk, int timeout_ms)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_drain"))
        return -EINVAL;
    return disk_drain(disk->disk, timeout_ms);
}

int device_disk_resize(struct rv_instance *instance, struct rv_disk *disk, uint64_t capacity)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_resize"))
        return -EINVAL;
    return disk_resize(disk->disk, capacity);
}
