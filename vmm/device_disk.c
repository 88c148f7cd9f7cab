/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's disks. This core has none yet: a device that opens one gets a message. */
#include <errno.h>

#include "vmm/device_host.h"
#include "vmm/log.h"

struct rv_disk {
    struct device_handle handle;
};

int device_disk_open(struct rv_host *host, const struct rv_disk_options *options,
                     struct rv_disk **disk)
{
    (void)disk;
    if (!options || options->size < offsetof(struct rv_disk_options, no_lock) || !options->path) {
        device_bug(host, "disk_open without options, their size or a path");
        return -EINVAL;
    }
    log_error("device '%s': disk '%s': this vmm is built without disks", host->name, options->path);
    return -ENOSYS;
}

const struct rv_disk_info *device_disk_info(struct rv_host *host, struct rv_disk *disk)
{
    device_handle_check(host, disk, DEVICE_HANDLE_DISK, "disk_info");
    return NULL;
}

void device_disk_submit(struct rv_host *host, struct rv_disk *disk, struct rv_disk_request *request)
{
    (void)request;
    device_handle_check(host, disk, DEVICE_HANDLE_DISK, "disk_submit");
}

void device_disk_kick(struct rv_host *host, struct rv_disk *disk)
{
    device_handle_check(host, disk, DEVICE_HANDLE_DISK, "disk_kick");
}

void device_disk_close(struct rv_host *host, struct rv_disk *disk)
{
    device_handle_check(host, disk, DEVICE_HANDLE_DISK, "disk_close");
}
