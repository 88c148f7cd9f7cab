/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks: asynchronous I/O on an image, whatever is behind it: a raw file, a block device,
 * another image format, an NBD server.
 *
 * done() is called from the loop or from inside of disk_drain, never from inside of
 * disk_submit or disk_cancel, in any order of the requests. A FLUSH that succeeds means:
 * every WRITE, DISCARD and WRITE_ZEROES whose done(0) came before the FLUSH was submitted is
 * on stable storage. Requests that are in flight at the same time have no order: what needs
 * one waits for done() in between.
 */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

struct rv_disk;

/*
 * What the user says, as text, which the vmm checks. NULL is the default. An unknown word is
 * refused with a list of those that are known.
 */
struct rv_disk_options {
    uint32_t size;           /* sizeof(struct rv_disk_options) */
    uint8_t read_only;       /* 0 or 1, as the next three */
    uint8_t no_discard;      /* DISCARD is not offered, WRITE_ZEROES deallocates nothing */
    uint8_t no_lock;         /* let others write to the image at the same time */
    uint8_t pause_when_full; /* writes that the host has no room for wait, and do not fail */
    const char *path;        /* a file, a block device, "nbd://..." or "nbd+unix://..." */
    const char *format;      /* "auto" (default), "raw", "qcow2", ... */
    const char *cache;       /* "writeback" (default), "none", "writethrough", "unsafe" */
    const char *aio;         /* "auto" (default), "io_uring", "threads": raw images only */
    const char *helper;      /* program for other formats (default "qemu-storage-daemon") */
    /*
     * Called after the last done() of each round of them, from where done() is called: to
     * tell the guest of all that is over at once. May be NULL.
     */
    void (*round_end)(void *opaque);
    /* The disk's capacity has changed: look at disk_info. From the loop. May be NULL. */
    void (*changed)(void *opaque);
    void *opaque;
};

/* Only `capacity` changes while the disk is open, and changed() tells. */
struct rv_disk_info {
    uint32_t size;       /* of this struct in the vmm that runs */
    uint32_t block_size; /* 512 to 64 KiB: offsets and lengths must be multiples of it */
    uint64_t capacity;   /* bytes; a multiple of block_size */
    uint32_t physical_block_size;
    uint32_t discard_granularity; /* bytes; meaningful if can_discard */
    uint64_t transfer_max;        /* bytes of a READ or WRITE */
    uint32_t iov_max;             /* elements of a request */
    uint8_t read_only;
    uint8_t can_discard;
    uint8_t write_cache; /* a write may not be stable when done: FLUSH matters */
    uint8_t reserved;
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
 * One request: the device's memory, left alone from disk_submit to done(). So are the iov
 * array, which is only read, and what it points to: buffers of the device or mapped guest
 * memory. No element may be empty. After a READ into guest memory, mem_dirty is the device's
 * to call, in done(). What the vmm needs beside this to serve a request is its own memory.
 */
struct rv_disk_request {
    uint32_t size;      /* sizeof(struct rv_disk_request) */
    uint32_t op;        /* enum rv_disk_op */
    uint32_t flags;     /* RV_DISK_UNMAP */
    uint32_t iov_count; /* READ, WRITE */
    const struct iovec *iov;
    uint64_t offset; /* bytes; unused by FLUSH */
    uint64_t length; /* bytes: DISCARD, WRITE_ZEROES. READ, WRITE: ignored, the iov tells. */
    /*
     * 0 or -errno: -EINVAL (malformed: outside of the disk, not a multiple of block_size,
     * too long, no size), -EROFS, -EOPNOTSUPP, -ENOSPC, -EIO, -ECANCELED, -ENOMEM. After an
     * error the contents of what was to be read or written are undefined. May submit
     * requests, this one included.
     */
    void (*done)(struct rv_disk_request *request, int error);
    void *opaque; /* the device's */
    void *vmm;    /* the vmm's, from disk_submit to done(). Needs no initialisation. */
};

/*
 * disk_submit always takes the request; done() tells what is wrong with it.
 *
 * disk_kick starts what was submitted at once, not in the loop's next pass: for a device that
 * has emptied its queue.
 *
 * disk_cancel asks for the end of a request that is in flight. 0: nothing touches its buffers any
 * more, and done(-ECANCELED) follows. So ends what waits: for its turn, for room on the host, for
 * a server that is away. -EBUSY: the kernel or a server is at work on it, or it is over; done()
 * follows as if it had not been asked. -ENOENT: it is not in flight.
 *
 * disk_drain_begin calls drained() from the loop, once, as soon as nothing is in flight: at
 * the latest in the pass after the last done(). A second call before that replaces the first.
 *
 * disk_drain waits for the same without returning to the loop and calls done() meanwhile: 0,
 * or -ETIMEDOUT when requests are still in flight after `timeout_ms` (-1: no limit). What waits
 * for room on the host is not waited for: it fails. Only for
 * a device whose guest resets it and does not wait, as it stops the whole vmm. Not from
 * within done().
 *
 * disk_resize: the user wants another size, of `size` bytes, or 0: has seen to it that the image
 * has one, which is looked at now. 0, and changed() follows from the loop if it is another;
 * -EINVAL, -EOPNOTSUPP or another -errno after a message.
 *
 * disk_close waits until the kernel has let go of all buffers; done() of what was in flight is
 * not called.
 */
