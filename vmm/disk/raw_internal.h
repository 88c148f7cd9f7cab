/* SPDX-License-Identifier: BSD-2-Clause */
/* Raw images: what raw.c (requests), raw_claim.c and raw_open.c share. */
#pragma once

#include "vmm/disk/bounce.h"
#include "vmm/disk/disk_internal.h"
#include "vmm/disk/engine_internal.h"

#define RAW_BLOCK_MIN 512u
#define RAW_BLOCK_MAX 65536u

enum raw_step {
    STEP_TRANSFER,
    STEP_DISCARD,
    STEP_PUNCH,
    STEP_ZERO,
    STEP_WRITE_ZEROS,
    STEP_SYNC,
    /* Of what O_DIRECT cannot do as it is, with whole host blocks around it: */
    STEP_READ_AROUND, /* a READ of more than is wanted */
    STEP_READ_MERGE,  /* first half of a write: what is there now */
    STEP_WRITE_MERGE, /* second half */
};

enum { LANE_MAIN, LANE_BLOCKING, LANES };

struct raw {
    struct disk disk;
    int fd;
    bool is_block;
    bool is_padded; /* the file may end inside the disk's last sector: the rest reads as zeros */
    bool can_punch; /* as far as is known */
    bool can_zero;
    uint32_t memory_align; /* of O_DIRECT; 1 without it */
    /* O_DIRECT's, of offsets and lengths. May be more than the disk's block size, which is the
       guest's: an image does not change its block size with the cache mode. */
    uint32_t direct_align;
    /* The engine of all calls, and on a block device one for what io_uring cannot do. */
    struct engine *engines[LANES];
    struct event *events[LANES];
    struct bounce bounce;
    struct disk_request *flushing; /* its fdatasync is under way, */
    struct disk_list sharing;      /* also for these; */
    struct disk_list flushes;      /* the next one will be for these */
    struct disk_request *claims;   /* whose ranges must not be changed by others, */
    struct disk_list held;         /* and who waits for them */
};

extern const struct disk_driver raw_driver;

/* The engine's descriptor is readable. */
void raw_ready(evutil_socket_t fd, short what, void *opaque);

void raw_free(struct raw *raw);

/* As struct disk_driver says. */
int raw_resize(struct disk *disk, uint64_t size, uint64_t *new_size);

/*
 * Where O_DIRECT wants larger blocks than the guest has, a write may be a read, a change in memory
 * and a write of the host's whole blocks. Nobody else may change these meanwhile, so each change
 * claims its range. False: it waits for another, and raw_release() gives it back.
 */
bool raw_claim(struct raw *raw, struct disk_request *request);
/* The request is over. Those that may go on now are in `go_on`. */
void raw_release(struct raw *raw, struct disk_request *request, struct disk_list *go_on);

/* Do the request's ends lie between two of the host's blocks? */
bool raw_is_between(const struct raw *raw, const struct disk_request *request);
