/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks: asynchronous I/O on an image, whatever is behind it: a raw file, a
 * block device, another image format, an NBD server.
 *
 * done() is called from the loop or from inside of disk_drain, never from inside
 * of disk_submit, in any order of the requests. A FLUSH that succeeds means: every WRITE, DISCARD and
 * WRITE_ZEROES whose done(0) came before the FLUSH was submitted is on stable
 * storage. Requests that are in flight at the same time have no order: what
 * needs one waits for done() in between.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct rv_disk;

/*
 * What the user says, as text, which the core checks. NULL is the default. A
 * word that is unknown is refused with a list of those that are known.
 */
struct rv_disk_options {
    size_t size;        /* sizeof(struct rv_disk_options) */
    const char *path;   /* a file, a block device, "nbd://..." or "nbd+unix://..." */
    const char *format; /* "auto" (default), "raw", "qcow2", ... */
    const char *cache;  /* "writeback" (default), "none", "writethrough", "unsafe" */
    const char *aio;    /* "auto" (default), "io_uring", "threads": raw images only */
    const char *helper; /* program for other formats (default "qemu-storage-daemon") */
    bool read_only;
    bool no_discard; /* DISCARD is not offered, WRITE_ZEROES deallocates nothing */
    bool no_lock;    /* let others write to the image at the same time */
    /*
     * Called after the last done() of each round of them, from where done() is
     * called: to tell the guest of all that is over at once. May be NULL.
     */
    void (*round_end)(void *opaque);
    void *opaque;
    bool pause_when_full; /* writes that the host has no room for wait, and do not fail */
    /* disk_info's capacity is another one; from the loop. May be NULL. */
    void (*changed)(void *opaque);
};

/* Only the capacity changes while the disk is open, and changed() tells. */
struct rv_disk_info {
    size_t size;         /* of this struct in the core that runs */
    uint64_t capacity;   /* bytes; a multiple of block_size */
    uint32_t block_size; /* 512 to 64 KiB: offsets and lengths must be multiples of it */
    uint32_t physical_block_size;
    uint32_t discard_granularity; /* bytes; meaningful if can_discard */
    uint32_t iov_max;             /* elements of a request */
    uint64_t transfer_max;        /* bytes of a READ or WRITE */
    bool read_only;
    bool can_discard;
    bool write_cache; /* a write may not be stable when done: FLUSH matters */
};

enum rv_disk_op {
    RV_DISK_READ,
    RV_DISK_WRITE,
    RV_DISK_FLUSH,
    RV_DISK_DISCARD,
    RV_DISK_WRITE_ZEROES,
};

#define RV_DISK_UNMAP 0x1u /* WRITE_ZEROES may deallocate the range */

/*
 * One request: the device's memory, the core's from disk_submit to done(). So
 * are the iov array, which is only read, and what it points to: buffers of the
 * device or spans of guest memory. No element may be empty. After a READ into a
 * span, mem_dirty is the device's to call, in done().
 */
struct rv_disk_request {
    uint32_t op;     /* enum rv_disk_op */
    uint32_t flags;  /* RV_DISK_UNMAP */
    uint64_t offset; /* bytes; unused by FLUSH */
    uint64_t length; /* bytes: DISCARD, WRITE_ZEROES. READ, WRITE: ignored, the iov tells. */
    const struct iovec *iov;
    size_t iov_count;
    /*
     * 0 or -errno: -EINVAL (malformed: outside of the disk, not a multiple of
     * block_size, too long), -EROFS, -EOPNOTSUPP, -ENOSPC, -EIO. After an error
     * the contents of what was to be read or written are undefined. May submit
     * requests, this one included.
     */
    void (*done)(struct rv_disk_request *request, int error);
    void *opaque; /* the device's */

    uint64_t core[48]; /* the core's, while it has the request. Needs no initialisation. */
};

/*
 * disk_submit always takes the request; what is wrong with it is told by done().
 * disk_kick sends what was submitted on its way at once, not in the loop's next
 * pass: for a device that has emptied its queue. disk_close waits until the
 * kernel has let go of all buffers; done() of what was in flight is not called.
 * disk_drain waits until nothing is in flight, and calls done() meanwhile: for a
 * device whose guest resets it and does not wait. What waits for room on the host
 * is not waited for: it fails. Not from within done().
 */
