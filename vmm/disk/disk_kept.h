/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of the disks outlives this process, if there is a keeper (vmm/keeper/kept.h). Of a raw
 * image, a second description: it keeps the image locked while no process has it, it leads to the
 * same file whatever has become of the name, and a write-back error that the kernel told a process
 * which died of it is told once more by its fdatasync. And of each disk, what is lost.
 *
 * Disks are known by their numbers: kept_number().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Shared with the next process. */
struct disk_record {
    uint32_t known;        /* a process has had the disk */
    uint32_t flush_broken; /* no FLUSH can succeed any more */
    uint32_t broken;       /* no request can */
};

/* The record of the disk that is opened now. `*number`: the disk's. */
struct disk_record *disk_kept_record(unsigned *number);

/* The image that an earlier process had, or -1: there was none. */
int disk_kept_image(unsigned number);

/*
 * This process makes its requests on `fd`, and the next one gets another description of it.
 * Waits until none of an earlier process is under way. 0, or -EBUSY after a message.
 */
int disk_keep_image(unsigned number, int fd, const char *path, bool read_only, bool lock);
