/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk in memory. What a device must not do with a request ends the program. */
#include <errno.h>
#include <string.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host_internal.h"

#define SECTOR 512u

void plugin_host_disk_init(struct rv_instance *host, uint64_t sectors)
{
    host->disk.image = malloc(sectors * SECTOR);
    CHECK(host->disk.image);
    for (uint64_t i = 0; i < sectors; i++)
        memset(host->disk.image + i * SECTOR, (int)i, SECTOR);
    host->disk.info = (struct rv_disk_info){
        .size = sizeof(struct rv_disk_info),
        .capacity = sectors * SECTOR,
        .block_size = SECTOR,
        .physical_block_size = 4096,
        .discard_granularity = 4096,
        .iov_max = 1024,
        .transfer_max = 64u << 20,
        .can_discard = true,
        .write_cache = true,
    };
}

int plugin_host_disk_open(struct rv_instance *host, const struct rv_disk_options *options,
                          struct rv_disk **disk)
{
    host->disk.options = *options;
    if (host->disk.open_error)
        return host->disk.open_error;
    CHECK(host->disk.image && !host->disk.open && host->disk.nr_pending == 0);
    host->disk.open = true;
    *disk = &host->disk;
    return 0;
}

static void check_disk(const struct rv_instance *host, const struct rv_disk *disk)
{
    CHECK(disk == &host->disk && disk->open);
}

const struct rv_disk_info *plugin_host_disk_info(struct rv_instance *host, struct rv_disk *disk)
{
    check_disk(host, disk);
    return &disk->info;
}

static bool inside(const uint8_t *at, uint64_t len, const uint8_t *start, uint64_t size)
{
    return start && at >= start && len <= size && (uint64_t)(at - start) <= size - len;
}

/* RAM, or a region's memory. */
static bool in_guest_memory(const struct rv_instance *host, const uint8_t *at, uint64_t len)
{
    bool found = inside(at, len, host->ram, host->ram_size);

    for (unsigned i = 0; i < PLUGIN_HOST_REGIONS && host->region[i].bytes; i++)
        found |= inside(at, len, host->region[i].bytes, host->class->regions[i].bytes);
    return len != 0 && found;
}

void plugin_host_disk_submit(struct rv_instance *host, struct rv_disk *disk,
                             struct rv_disk_request *request)
{
    check_disk(host, disk);
    CHECK(request->op <= RV_DISK_WRITE_ZEROES && disk->nr_pending < PLUGIN_HOST_PENDING);
    for (unsigned i = 0; i < disk->nr_pending; i++)
        CHECK(disk->pending[i] != request);
    if (request->op == RV_DISK_READ || request->op == RV_DISK_WRITE) {
        for (size_t i = 0; i < request->iov_count; i++) {
            CHECK(in_guest_memory(host, request->iov[i].iov_base, request->iov[i].iov_len));
        }
    }
    disk->submitted++;
    disk->flushes += request->op == RV_DISK_FLUSH;
    disk->pending[disk->nr_pending++] = request;
}

void plugin_host_disk_kick(struct rv_instance *host, struct rv_disk *disk)
{
    check_disk(host, disk);
}

void plugin_host_disk_close(struct rv_instance *host, struct rv_disk *disk)
{
    check_disk(host, disk);
    disk->open = false;
    disk->nr_pending = 0;
}

static void remove_pending(struct rv_disk *disk, unsigned index)
{
    memmove(&disk->pending[index], &disk->pending[index + 1],
            (--disk->nr_pending - index) * sizeof(disk->pending[0]));
}

int plugin_host_disk_cancel(struct rv_instance *host, struct rv_disk *disk,
                            struct rv_disk_request *request)
{
    unsigned i = 0;

    check_disk(host, disk);
    while (i < disk->nr_pending && disk->pending[i] != request)
        i++;
    CHECK(i < disk->nr_pending); /* the device knows what is in flight */
    if (i < disk->nr_pending - disk->nr_waiting)
        return -EBUSY;
    remove_pending(disk, i);
    disk->nr_waiting--;
    disk->cancelled[disk->nr_cancelled++] = request;
    return 0;
}

static void end(struct rv_disk_request *request, int error)
{
    memset(&request->vmm, 0xa5, sizeof(request->vmm)); /* it is not the device's */
    request->done(request, error);
}

void plugin_host_disk_end_cancelled(struct rv_disk *disk)
{
    while (disk->nr_cancelled)
        end(disk->cancelled[--disk->nr_cancelled], -ECANCELED);
}

int plugin_host_disk_drain(struct rv_instance *host, struct rv_disk *disk, int timeout_ms)
{
    check_disk(host, disk);
    CHECK(timeout_ms == 0); /* the device must not wait in the loop */
    plugin_host_disk_end_cancelled(disk);
    return disk->nr_pending ? -ETIMEDOUT : 0;
}

/* As vmm/disk's for raw images: longer only, in whole sectors, and told from the loop. */
int plugin_host_disk_resize(struct rv_instance *host, struct rv_disk *disk, uint64_t size)
{
    uint8_t *image;

    check_disk(host, disk);
    if (size == 0)
        size = disk->next_size ? disk->next_size : disk->info.capacity;
    if (size < disk->info.capacity || size % SECTOR)
        return -EINVAL;
    if (size == disk->info.capacity)
        return 0;
    image = realloc(disk->image, size);
    CHECK(image);
    memset(image + disk->info.capacity, 0, size - disk->info.capacity);
    disk->image = image;
    disk->info.capacity = size;
    disk->size_changed = true;
    return 0;
}

void plugin_host_disk_tell_size(struct rv_disk *disk)
{
    if (disk->size_changed && disk->options.changed)
        disk->options.changed(disk->options.opaque);
    disk->size_changed = false;
}

/* What vmm/disk does with a request: it checks the range, whatever the device did. */
static int perform(struct rv_disk *disk, const struct rv_disk_request *r)
{
    uint64_t length = r->length, at = r->offset;

    if (r->op == RV_DISK_FLUSH)
        return 0;
    if (r->op == RV_DISK_READ || r->op == RV_DISK_WRITE) {
        length = 0;
        for (size_t i = 0; i < r->iov_count; i++)
            length += r->iov[i].iov_len;
    }
    if (length % SECTOR || at % SECTOR || at > disk->info.capacity ||
        length > disk->info.capacity - at)
        return -EINVAL;
    if (r->op != RV_DISK_READ && disk->info.read_only)
        return -EROFS;
    if (r->op == RV_DISK_DISCARD || r->op == RV_DISK_WRITE_ZEROES) {
        memset(disk->image + at, r->op == RV_DISK_DISCARD ? 0xdd : 0, length);
        disk->discard_flags = r->flags;
        return 0;
    }
    for (size_t i = 0; i < r->iov_count; at += r->iov[i++].iov_len) {
        if (r->op == RV_DISK_READ)
            memcpy(r->iov[i].iov_base, disk->image + at, r->iov[i].iov_len);
        else
            memcpy(disk->image + at, r->iov[i].iov_base, r->iov[i].iov_len);
    }
    return 0;
}

void plugin_host_disk_complete(struct rv_disk *disk, unsigned index, int error, bool last)
{
    struct rv_disk_request *r = disk->pending[index];

    remove_pending(disk, index);
    if (!error)
        error = perform(disk, r);
    end(r, error);
    if (last && disk->open && disk->options.round_end)
        disk->options.round_end(disk->options.opaque);
}

void plugin_host_disk_complete_all(struct rv_disk *disk)
{
    while (disk->nr_pending)
        plugin_host_disk_complete(disk, 0, 0, disk->nr_pending == 1);
}
