/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers that stand in for a caller's memory which the transport cannot use
 * as it is. There are few, and they are kept: a request that finds none waits.
 */
#pragma once

#include <stdbool.h>

#include "vmm/disk/disk_internal.h"

#define BOUNCE_SIZE (256u * 1024u)
#define BOUNCE_MAX  16u

struct bounce {
    void *free[BOUNCE_MAX];
    unsigned nr_free;
    unsigned nr_made;
    struct disk_list waiting;
};

/* One is made at once, so that there is always progress. 0, or -ENOMEM. */
int bounce_init(struct bounce *bounce);
void bounce_free(struct bounce *bounce);

/* Sees to it that work.bounce is there. False: the request waits for bounce_put(). */
bool bounce_get(struct bounce *bounce, struct disk_request *request);

/* Gives it back, if there is one. Who has waited for it: with it, to go on; or NULL. */
struct disk_request *bounce_put(struct bounce *bounce, struct disk_request *request);
