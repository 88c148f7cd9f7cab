/* SPDX-License-Identifier: BSD-2-Clause */
/* The disks of a snapshot that is restored. */
#pragma once

#include <stdbool.h>

#include "vmm/snapshot/manifest.h"

struct restore_disk {
    int copy;   /* what is to replace the disk; -1: the disk stays */
    char *name; /* of that file, beside the disk; NULL: it has none yet */
    int lock;   /* of the disk until then; -1: there was none */
};

/* See snapshot_prepare_disks(). `folder` is the snapshot's. 0 or -errno after a message. */
int restore_disk_prepare(const struct manifest_disk *disk, int folder, bool revert,
                         struct restore_disk *restore);

/* The copy takes the disk's place. 0 or -errno after a message. */
int restore_disk_commit(const struct manifest_disk *disk, struct restore_disk *restore);

/* What was not committed is removed. */
void restore_disk_free(struct restore_disk *restore);
