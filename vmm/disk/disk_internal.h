/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of the disk back end share. disk_open.c opens a disk; disk.c keeps the life of a
 * request; a driver (raw.c, nbd.c) carries it out, piece by piece.
 */
#pragma once

#include "vmm/disk/disk.h"
#include "vmm/disk/disk_kept.h"
#include "vmm/util/soon.h"

/* Requests in the order of arrival; each is in one list at most. Zeroed: empty. */
struct disk_list {
    struct disk_request *first, *last;
};

void disk_list_push(struct disk_list *list, struct disk_request *request);
/* NULL: it is empty. */
struct disk_request *disk_list_pop(struct disk_list *list);
/* False: the request is not in the list, or it came there by an assignment of the whole list. */
bool disk_list_remove(struct disk_list *list, struct disk_request *request);

struct disk_driver {
    /* Begin a request whose arguments are right. Ends in disk_finish(). */
    void (*issue)(struct disk *disk, struct disk_request *request);
    /*
     * End a request that was issued by disk_finish(-ECANCELED), unless a call of it is under way
     * or over. False: it is, and the request goes on.
     */
    bool (*cancel)(struct disk *disk, struct disk_request *request);
    /* Send what issue() has collected. */
    void (*kick)(struct disk *disk);
    /*
     * Handle what is over already, without a wait: what the page cache has, the kernel answers
     * within kick(). (disk_handling() is in force.) May be NULL.
     */
    void (*reap)(struct disk *disk);
    /*
     * Sleep until something has happened, for at most `timeout_ms` (-1: no
     * limit), and handle it. (disk_handling() is in force.)
     */
    void (*wait)(struct disk *disk, int timeout_ms);
    /* A parked request: try again (`error` 0), or end it with this error. */
    void (*unpark)(struct disk *disk, struct disk_request *request, int error);
    /*
     * As disk_resize(); the new size in `*new_size`. NULL: the size cannot change.
     */
    int (*resize)(struct disk *disk, uint64_t size, uint64_t *new_size);
    /* Nothing is in flight any more: end it in order, and free it. */
    void (*close)(struct disk *disk);
    /* What disk_close() waits for requests in flight; -1: for as long as it takes. */
    int close_timeout_ms;
};

enum disk_cache { DISK_WRITEBACK, DISK_NONE, DISK_WRITETHROUGH, DISK_UNSAFE };

/* First member of a driver's own structure. */
struct disk {
    const struct disk_driver *driver;
    struct event_base *base;
    char *path;
    struct disk_info info;
    enum disk_cache cache;
    bool discard;                  /* the user lets us deallocate */
    bool guards_format;            /* of raw images whose format was found out: see format.h */
    bool pause_when_full;          /* see struct disk_config */
    struct disk_list parked;       /* wait for room on the host */
    struct event *retry;           /* of these */
    bool full;                     /* said that they wait, and not yet that they go on */
    int64_t full_said_ms;          /* when; 0: never */
    void (*changed)(void *opaque); /* the size is another; may be NULL */
    void *changed_opaque;
    struct soon *pass;               /* in the loop's next pass: kick, and tell what is finished */
    bool handling;                   /* a handler is at work: it ends in disk_handled() */
    struct disk_list finished;       /* done() is due */
    void (*round_end)(void *opaque); /* may be NULL */
    void *round_opaque;
    unsigned in_flight;
    unsigned said;              /* what has been said, see disk_io_error() */
    uint64_t writes;            /* changes that were acknowledged without being stable */
    uint64_t stable;            /* of those, how many a FLUSH has made stable since */
    struct disk_record *record; /* what is lost */
    unsigned number;            /* of the disk: disk_kept.h */
};

/* The driver has opened it: its requests can come. 0; -ENOMEM, with what was made in `pass` and `retry`. */
int disk_begin(struct disk *disk);

/* The request is over; done() comes later. `error` is 0 or -errno. */
void disk_finish(struct disk_request *request, int error);

/* Around what a driver's event handlers do. disk_handled() calls done(). */
void disk_handling(struct disk *disk);
void disk_handled(struct disk *disk);

/* Call kick again in a while: the kernel was short of something. */
void disk_kick_later(struct disk *disk);

/*
 * The next piece of a READ or WRITE, as work.iov, of whole elements where that
 * is possible: at most `max` bytes, and then what the call did of it.
 */
void disk_next_piece(struct disk_request *request, uint64_t max);
void disk_advance(struct disk_request *request, uint64_t bytes);

/* Copy the piece between the caller's memory and `buffer`. */
void disk_gather(const struct disk_request *request, void *buffer, uint64_t bytes);
void disk_scatter(const struct disk_request *request, const void *buffer, uint64_t bytes);
/* Fill the caller's memory, from `progress` on, with zeros: at most 64 KiB. */
void disk_clear(const struct disk_request *request, uint64_t bytes);

/* The piece of a WRITE_ZEROES as a write of zeros: at most 1 MiB. */
void disk_next_zeros(struct disk_request *request);

#define DISK_SHORT_READ (-1000) /* for disk_io_error: the file ends inside the disk */

/*
 * The host has no room for this request: false if that is not what `error` says, or if requests
 * are to fail then. Else it waits until the driver's unpark() is called.
 */
bool disk_park(struct disk_request *request, int error);

/* Say that this write would make a raw image look like one of another format. */
void disk_refuse_header(struct disk_request *request);

/* Say what went wrong, once for each kind; what the guest is to be told. */
int disk_io_error(struct disk_request *request, int error);

/* Acknowledged changes would be lost with the memory of who serves the disk. */
bool disk_is_dirty(const struct disk *disk);

struct disk_format;

/*
 * The drivers: `common` is what disk.c has filled in, for them to copy. 0 or
 * -errno after a message. raw_open takes `fd` over; nbd_open's format NULL: the
 * path is a URI.
 */
int raw_open(struct disk *common, const struct disk_config *config, int fd, struct disk **disk);
int nbd_open(struct disk *common, const struct disk_config *config,
             const struct disk_format *format, bool is_block, struct disk **disk);
