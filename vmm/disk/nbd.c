/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks behind an NBD server: one of our own for images in other formats
 * (helper.c), or one that the user names by its URI. libnbd speaks the protocol.
 * Here is what a server offers, and the disk that this makes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/disk/format.h"
#include "vmm/disk/nbd_internal.h"
#include "vmm/sandbox/needs.h"
#include "vmm/util/log.h"

#define CLOSE_MS  5000               /* for requests that are in flight when the disk is closed */
#define PIECE_MAX (2u * 1024 * 1024) /* bytes of a read or write; a server takes 32 MiB */

/* libnbd sends at once. */
static void nbd_kick(struct disk *disk)
{
}

static void nbd_driver_close(struct disk *disk)
{
    struct nbd *nbd = (struct nbd *)disk;

    nbd_link_close(nbd);
    helper_forget(&nbd->config);
    bounce_free(&nbd->bounce);
    nbd_kept_close(nbd->kept);
    free(nbd);
}

static const struct disk_driver nbd_driver = {
    .issue = nbd_request_issue,
    .cancel = nbd_request_cancel,
    .kick = nbd_kick,
    .wait = nbd_link_wait,
    .unpark = nbd_request_unpark,
    .close = nbd_driver_close,
    .close_timeout_ms = CLOSE_MS,
};

void nbd_disk_find_abilities(struct nbd *nbd)
{
    const struct disk_info *info = &nbd->disk.info;
    int64_t most = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MAXIMUM);

    nbd->piece_max =
        most > 0 && most < PIECE_MAX ? (uint64_t)(most - most % info->block_size) : PIECE_MAX;
    nbd->can_flush = nbd_can_flush(nbd->handle) > 0;
    nbd->can_fua = nbd_can_fua(nbd->handle) > 0;
    nbd->can_zero = nbd_can_zero(nbd->handle) > 0;
    nbd->can_discard = nbd_can_trim(nbd->handle) > 0;
}

const char *nbd_disk_what_changed(const struct nbd *nbd)
{
    const struct disk_info *info = &nbd->disk.info;

    if (nbd_get_size(nbd->handle) < (int64_t)info->size)
        return "is smaller than before";
    if (!info->read_only && nbd_is_read_only(nbd->handle) > 0)
        return "cannot be written to any more";
    if (nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM) > info->block_size)
        return "has larger blocks than before";
    if (nbd->can_flush && !info->read_only && nbd_can_flush(nbd->handle) <= 0)
        return "cannot be flushed any more";
    return NULL;
}

static uint32_t power_of_two(int64_t value, uint32_t least, uint32_t most)
{
    uint32_t power = least;

    while (power < most && power < value)
        power *= 2;
    return power;
}

/* What the server offers. */
static int find_features(struct nbd *nbd)
{
    struct disk_info *info = &nbd->disk.info;
    int64_t size = nbd_get_size(nbd->handle);
    int64_t least = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);
    int64_t preferred = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_PREFERRED);
    int64_t most = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MAXIMUM);

    info->block_size = power_of_two(least, 512, 65536);
    info->physical_block_size = power_of_two(preferred, info->block_size, 65536);
    info->discard_granularity = info->physical_block_size;
    if (least > info->block_size || (most > 0 && most < info->block_size)) {
        log_error("disk '%s': the server's block size of %lld bytes is too large", nbd->disk.path,
                  (long long)least);
        return -EINVAL;
    }
    if (size < (int64_t)info->block_size) {
        log_error("disk '%s': is empty", nbd->disk.path);
        return -EINVAL;
    }
    info->size = (uint64_t)size - (uint64_t)size % info->block_size;
    if (info->size != (uint64_t)size)
        log_warn("disk '%s': its size is no multiple of %u bytes: the guest does not see the last "
                 "%u",
                 nbd->disk.path, info->block_size, (unsigned)((uint64_t)size - info->size));
    if (!info->read_only && nbd_is_read_only(nbd->handle) > 0) {
        log_error("disk '%s': the server gives it for reading only; open the disk read-only: "
                  "property 'ro'",
                  nbd->disk.path);
        return -EROFS;
    }
    nbd_disk_find_abilities(nbd);
    if (!nbd->can_flush && !info->read_only && nbd->disk.cache != DISK_UNSAFE)
        log_warn("disk '%s': the server cannot flush: when it stops, data may be lost",
                 nbd->disk.path);
    info->can_discard = nbd->can_discard && nbd->disk.discard && !info->read_only;
    info->write_cache = nbd->disk.cache != DISK_WRITETHROUGH && !info->read_only;
    info->engine = "nbd";
    return 0;
}

int nbd_open(struct disk *common, const struct disk_config *config,
             const struct disk_format *format, bool is_block, struct disk **disk)
{
    struct nbd *nbd = calloc(1, sizeof(*nbd));
    int error;

    if (!nbd)
        return -ENOMEM;
    nbd->disk = *common;
    nbd->disk.driver = &nbd_driver;
    nbd->config = (struct helper_config){
        .program = config->helper,
        .path = common->path,
        .driver = format ? format->driver : NULL,
        .cache = common->cache,
        .is_block = is_block,
        .read_only = config->read_only,
        .discard = common->discard,
        .lock = !config->no_lock,
        .task = -1,
    };
    if (!format) /* to connect again */
        sandbox_need(strstr(common->path, "+unix:") ? SANDBOX_UNIX
                                                    : SANDBOX_INET | SANDBOX_RESOLVE);
    if (!format)
        nbd->kept = nbd_kept_open(common->number, common->path);
    error = bounce_init(&nbd->bounce);
    if (!error)
        error = nbd_link_open(nbd);
    if (!error)
        error = find_features(nbd);
    if (!error)
        error = nbd_link_go(nbd);
    if (error) {
        nbd_driver_close(&nbd->disk);
        return error;
    }
    *disk = &nbd->disk;
    return 0;
}
