/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's disks: the plugin ABI's disk operations on vmm/disk/. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/disk/disk.h"
#include "vmm/util/log.h"

struct rv_disk {
    struct device_handle handle;
    struct disk *disk;
    struct rv_disk_info info;
    struct device_disk_request **all; /* as many as ever were in flight at once */
    size_t count;                     /* of these */
    struct device_disk_request *free; /* of these, by `next` */
    struct rv_disk_request *failed;   /* there was no memory for these: by `vmm` */
    uint32_t in_flight;
    void (*changed)(void *opaque);
    void *opaque;
    void (*drained)(void *opaque); /* NULL: nobody waits */
    void *drained_opaque;
    struct event *later; /* tells in the loop's next pass: */
    bool held_change;    /* the size has changed */
};

/*
 * What serves a request of the device, whose `vmm` is the number of it in `all`: a number can be
 * checked, when the device asks for a request that is not in flight, and a pointer could not.
 */
struct device_disk_request {
    struct disk_request request; /* first */
    struct rv_disk_request *of;  /* NULL: it is free */
    struct rv_disk *disk;
    size_t number;
    struct device_disk_request *next;
};

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

/* disk_drain_begin() and a change of the size, outside of whatever made them so. */
static void device_disk_later(evutil_socket_t fd, short what, void *opaque)
{
    struct rv_disk *disk = opaque;
    void (*drained)(void *);

    while (disk->failed) {
        struct rv_disk_request *request = disk->failed;

        disk->failed = request->vmm;
        request->vmm = NULL;
        disk->in_flight--;
        request->done(request, -ENOMEM);
    }
    if (disk->held_change && !device_is_quiet(disk->handle.instance)) {
        disk->held_change = false;
        if (disk->changed)
            disk->changed(disk->opaque);
    }
    drained = disk->drained;
    if (drained && disk->in_flight == 0) {
        disk->drained = NULL;
        drained(disk->drained_opaque);
    }
}

static void device_disk_changed(void *opaque)
{
    struct rv_disk *disk = opaque;

    device_disk_fill_info(disk);
    disk->held_change = true;
    event_active(disk->later, EV_TIMEOUT, 0);
}

/* What the device must not have any more when it says that it is quiet. */
static void device_disk_hold(void *handle)
{
    const struct rv_disk *disk = handle;

    if (disk->in_flight)
        device_bug(disk->handle.instance, "it is quiet with %" PRIu32 " disk requests in flight",
                   disk->in_flight);
}

static void device_disk_release(void *handle)
{
    struct rv_disk *disk = handle;

    if (disk->held_change)
        event_active(disk->later, EV_TIMEOUT, 0);
}

static void device_disk_free(struct rv_disk *disk)
{
    if (disk->later)
        event_free(disk->later);
    while (disk->count)
        free(disk->all[--disk->count]);
    free(disk->all);
    free(disk);
}

int device_disk_open(struct rv_instance *instance, const struct rv_disk_options *options,
                     struct rv_disk **result)
{
    struct rv_disk_options known = {0};
    struct rv_disk *disk;
    int error;

    if (!options || options->size < sizeof(known) || !options->path) {
        device_bug(instance, "disk_open without options, their size or a path");
        return -EINVAL;
    }
    memcpy(&known, options, options->size < sizeof(known) ? options->size : sizeof(known));
    disk = calloc(1, sizeof(*disk));
    if (disk)
        disk->later = event_new(instance->env.base, -1, 0, device_disk_later, disk);
    if (!disk || !disk->later) {
        free(disk);
        log_error("device '%s': out of memory", instance->name);
        return -ENOMEM;
    }
    error = disk_open(instance->env.base,
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
    if (error) {
        device_disk_free(disk);
        return error;
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
    struct device_disk_request *own = (struct device_disk_request *)(void *)request;
    struct rv_disk_request *of = own->of;
    struct rv_disk *disk = own->disk;

    own->of = NULL;
    own->next = disk->free;
    disk->free = own;
    of->vmm = NULL;
    if (--disk->in_flight == 0 && disk->drained)
        event_active(disk->later, EV_TIMEOUT, 0);
    of->done(of, error);
}

/* One that is free, or a new one. NULL: out of memory. */
static struct device_disk_request *device_disk_take(struct rv_disk *disk)
{
    struct device_disk_request *own = disk->free, **all;

    if (own) {
        disk->free = own->next;
        return own;
    }
    all = realloc(disk->all, (disk->count + 1) * sizeof(*all));
    if (!all)
        return NULL;
    disk->all = all;
    own = calloc(1, sizeof(*own));
    if (own) {
        own->disk = disk;
        own->number = disk->count;
        all[disk->count++] = own;
    }
    return own;
}

void device_disk_submit(struct rv_instance *instance, struct rv_disk *disk,
                        struct rv_disk_request *request)
{
    struct device_disk_request *own;

    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_submit"))
        return;
    if (request->size < sizeof(*request))
        device_bug(instance, "a disk request without its size");
    if (device_is_quiet(instance) && !instance->may_act)
        device_bug(instance, "a disk request while it is quiet");
    disk->in_flight++;
    own = device_disk_take(disk);
    if (!own) {
        request->vmm = disk->failed;
        disk->failed = request;
        event_active(disk->later, EV_TIMEOUT, 0);
        return;
    }
    own->of = request;
    own->request = (struct disk_request){
        /* What is no request the back end refuses in its own time. */
        .op = request->size < sizeof(*request) ? UINT32_MAX : request->op,
        .flags = request->flags,
        .offset = request->offset,
        .length = request->length,
        .iov = request->iov,
        .iov_count = request->iov_count,
        .done = device_disk_done,
    };
    request->vmm = (void *)(uintptr_t)own->number;
    disk_submit(disk->disk, &own->request);
}

int device_disk_cancel(struct rv_instance *instance, struct rv_disk *disk,
                       struct rv_disk_request *request)
{
    size_t number = (uintptr_t)request->vmm;

    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_cancel"))
        return -EINVAL;
    for (const struct rv_disk_request *r = disk->failed; r; r = r->vmm)
        if (r == request)
            return -EBUSY;
    if (number >= disk->count || disk->all[number]->of != request)
        return -ENOENT;
    return disk_cancel(disk->disk, &disk->all[number]->request);
}

void device_disk_drain_begin(struct rv_instance *instance, struct rv_disk *disk,
                             void (*drained)(void *opaque), void *opaque)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_drain_begin"))
        return;
    if (!drained) {
        device_bug(instance, "disk_drain_begin without a function");
        return;
    }
    disk->drained = drained;
    disk->drained_opaque = opaque;
    if (disk->in_flight == 0)
        event_active(disk->later, EV_TIMEOUT, 0);
}

void device_disk_kick(struct rv_instance *instance, struct rv_disk *disk)
{
    if (device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_kick"))
        disk_kick(disk->disk);
}

int device_disk_resize(struct rv_instance *instance, struct rv_disk *disk, uint64_t size)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_resize"))
        return -EINVAL;
    return disk_resize(disk->disk, size);
}

/* A plugin that leaves this to the vmm must not have freed its requests: they may be in flight. */
void device_disk_close(struct rv_instance *instance, struct rv_disk *disk)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_close"))
        return;
    device_handle_remove(instance, &disk->handle);
    disk_close(disk->disk);
    device_disk_free(disk);
}

int device_disk_drain(struct rv_instance *instance, struct rv_disk *disk, int32_t timeout_ms)
{
    if (!device_handle_check(instance, disk, DEVICE_HANDLE_DISK, "disk_drain"))
        return -EINVAL;
    return disk_drain(disk->disk, timeout_ms);
}

static void device_disk_handle_free(struct rv_instance *instance, void *handle)
{
    device_disk_close(instance, handle);
}

const struct device_handle_ops device_disk_handle = {
    .free = device_disk_handle_free,
    .hold = device_disk_hold,
    .release = device_disk_release,
};
