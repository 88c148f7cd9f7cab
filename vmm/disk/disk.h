/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks: the asynchronous back end of a block device. What is behind it, a raw
 * file, a block device, an image of another format or an NBD server, is
 * disk_open's affair; a device only submits requests.
 *
 * All calls are made on the loop's thread. done() comes from the loop or from
 * disk_drain, never from inside disk_submit, in any order.
 *
 * Durability. A FLUSH that succeeds means: every write, discard and zeroing
 * whose done(0) came before the FLUSH was submitted is on stable storage (but
 * for cache=unsafe). Where that cannot be known any more the back end does not
 * pretend:
 *  - A failed fdatasync is not retried. The kernel may have dropped the pages
 *    that it could not write, and says so only once: this FLUSH and all later
 *    ones fail with EIO until the disk is opened anew.
 *  - When the program that serves the image dies while acknowledged writes are
 *    not flushed, these may be lost. All requests fail with EIO from then on:
 *    a guest is never shown data older than what it wrote. When nothing was at
 *    risk it is started again, and what was in flight is sent again. A server of the user's is
 *    waited for, for a minute.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct disk;

/* What the user says. NULL is the default; an unknown word is refused with the list of all. */
struct disk_config {
    const char *path;   /* a file, a block device, or a URI "nbd://..." or "nbd+unix://..." */
    const char *format; /* "auto" (default), "raw", "qcow2", ...: see DISK_FORMAT_HELP */
    const char *cache;  /* "writeback" (default), "none", "writethrough", "unsafe" */
    const char *aio;    /* "auto" (default), "io_uring", "threads": raw images only */
    const char *helper; /* the program for other formats (default "qemu-storage-daemon") */
    bool read_only;
    bool no_discard; /* DISCARD is not offered, WRITE_ZEROES deallocates nothing */
    bool no_lock;    /* let others write to the image at the same time */
    /* Writes for which the host has no room wait until there is some; else they fail. */
    bool pause_when_full;
};

/* For the option lists of devices. */
#define DISK_FORMAT_HELP "auto (by name and content), raw, qcow2, qed, vdi, vhdx, vmdk or vpc"
#define DISK_CACHE_HELP                                                                           \
    "writeback (host page cache), none (O_DIRECT), writethrough (each write is stable before it " \
    "completes) or unsafe (flushes are ignored: a crash of the host loses data)"
#define DISK_AIO_HELP "auto, io_uring or threads"

/* What a device tells its guest. Only the size changes while the disk is open: disk_resize(). */
struct disk_info {
    uint64_t size;       /* bytes; a multiple of block_size */
    uint32_t block_size; /* 512 to 64 KiB: offsets and lengths must be multiples of it */
    uint32_t physical_block_size;
    uint32_t discard_granularity; /* bytes; meaningful if can_discard */
    bool read_only;
    bool can_discard;
    bool write_cache;   /* a write may not be stable when done: FLUSH matters */
    const char *engine; /* "io_uring", "threads" or "nbd", for messages */
};

/*
 * 0; or, after a message that names the file: -EINVAL (the configuration),
 * -EBUSY (locked by another), -ENOENT, -EACCES, -EIO, -ENOMEM, ...
 * May wait some seconds for a helper or a server.
 */
int disk_open(struct event_base *base, const struct disk_config *config, struct disk **disk);

/*
 * Waits until the kernel has let go of all buffers, then frees everything.
 * done() of what was in flight is not called: the requests are the caller's
 * again when this returns. Not from within done().
 */
void disk_close(struct disk *disk);

const struct disk_info *disk_info(const struct disk *disk);

/*
 * Calls `end` after the last done() of each round of them: where a device tells
 * its guest of all that is over at once. From where done() is called.
 */
void disk_on_round(struct disk *disk, void (*end)(void *opaque), void *opaque);

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

#define DISK_UNMAP 1u /* WRITE_ZEROES may deallocate the range */

#define DISK_IOV_MAX      1024u                 /* elements of a request */
#define DISK_TRANSFER_MAX (64u * 1024u * 1024u) /* bytes of a READ or WRITE */

/*
 * One request: the caller's memory, from disk_submit to done(). So are the iov
 * array, which is only read, and what it points to.
 */
struct disk_request {
    uint32_t op;     /* enum disk_op */
    uint32_t flags;  /* DISK_UNMAP */
    uint64_t offset; /* bytes; unused by FLUSH */
    uint64_t length; /* bytes: DISCARD, WRITE_ZEROES. READ, WRITE: ignored, the iov tells. */
    const struct iovec *iov;
    unsigned iov_count;
    /*
     * 0 or -errno: -EINVAL (malformed: outside of the disk, not a multiple of
     * block_size, too long), -EROFS, -EOPNOTSUPP (DISCARD of a disk that
     * cannot), -EPERM (the header of another format to a raw image, see
     * disk/format.h), -ENOSPC, -EIO. After an error the contents of what was to be
     * read or written are undefined. May submit requests, this one included.
     */
    void (*done)(struct disk_request *request, int error);

    /* The back end's, while it has the request. Needs no initialisation. */
    struct disk_work {
        struct disk *disk;
        struct disk_list *list;    /* of disk/disk_internal.h that it was put into, or NULL */
        struct disk_request *next; /* there, */
        struct disk_request *prev; /* and before it */
        uint64_t total;            /* bytes of the whole request */
        uint64_t progress;         /* bytes of it that are done */
        unsigned index;            /* the caller's iov: the element at `progress`, */
        unsigned iov_count;        /* elements of the piece */
        uint64_t skip;             /* and the bytes of it that are done */
        uint64_t at;               /* the piece under way: byte offset, */
        uint64_t piece;            /* bytes, */
        const struct iovec *iov;   /* memory, */
        struct iovec part;         /* which is this when it is no run of whole elements */
        void *bounce;              /* a buffer that stands in for the caller's */
        uint32_t call;             /* enum engine_call, */
        bool calling;              /* which an engine has */
        uint32_t step;             /* of several ways to do this, the one under way */
        uint32_t change;           /* see disk/nbd_kept.h */
        int64_t result;            /* of the call: bytes, or -errno */
        bool parked;               /* it has waited for room on the host */
        struct disk_request *peer; /* the next of those whose ranges are claimed */
        uint64_t writes;           /* FLUSH: the writes that it makes stable */
    } work;
};

/* Always takes the request; what is wrong with it is told by done(). */
void disk_submit(struct disk *disk, struct disk_request *request);

/*
 * Sends what was submitted on its way, in one system call. Without it this
 * happens in the loop's next pass: for a device that has emptied its queue.
 */
void disk_kick(struct disk *disk);

/*
 * The image has another size, or is to get one. `size` 0: look how long it is now; else make it
 * that long first, which only raw files can be, and not shorter. 0 if the size is the new one, of
 * which `changed` (disk_on_change) has been told; -EINVAL, -EOPNOTSUPP or another -errno after a
 * message.
 */
int disk_resize(struct disk *disk, uint64_t size);

/* Calls `changed` from disk_resize() when the size is another one. */
void disk_on_change(struct disk *disk, void (*changed)(void *opaque), void *opaque);

/*
 * Takes back a request of disk_submit whose done() has not been called: 0, and done(-ECANCELED)
 * follows from the loop. -EBUSY: the kernel or a server has it, or it is over; done() follows as
 * if nothing had been asked. What waits is cancelled: for its turn, for room on the host, for a
 * server that is away.
 */
int disk_cancel(struct disk *disk, struct disk_request *request);

/* Requests that the back end has. */
unsigned disk_in_flight(const struct disk *disk);

/*
 * Waits, without turning the loop, until no request is in flight; done() is
 * called from here. What waits for room on the host is not waited for but fails.
 * 0, or -ETIMEDOUT after `timeout_ms` (-1: no limit). Not from within done().
 */
int disk_drain(struct disk *disk, int timeout_ms);
