/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks behind an NBD server: what nbd.c (the disk), nbd_link.c (the connection) and
 * nbd_request.c share.
 *
 * When the helper dies, what it had in its memory is gone, and an image format
 * keeps changes of its tables there until a flush. If there were no such
 * changes it is started again, and what it had not answered is sent again:
 * doing that twice does no harm. Otherwise the disk has failed; see disk.h.
 * So it is when the connection to a server of the user's is lost, only that the
 * disk then waits for whoever starts it again. What becomes of it when this process dies:
 * nbd_kept.h.
 */
#pragma once

#include <event2/event.h>
#include <libnbd.h>

#include "vmm/disk/bounce.h"
#include "vmm/disk/disk_internal.h"
#include "vmm/disk/helper.h"
#include "vmm/disk/nbd_kept.h"

struct nbd {
    struct disk disk;
    struct nbd_handle *handle; /* NULL: broken */
    struct nbd_kept *kept;     /* of a server of the user's; or NULL */
    uint64_t cookie;           /* the last one that libnbd gave */
    struct helper_config config;
    struct helper *helper; /* NULL: the server is the user's */
    struct event *readable, *writable;
    bool ready;        /* the handshake is over */
    long long give_up; /* and if not, when it has failed */
    struct event *deadline;
    bool lost;              /* the server has told that it goes away */
    long long away_since;   /* the user's server: when it was lost; 0: it is there */
    long long reconnect_at; /* the next attempt */
    bool settling;
    unsigned starts;
    struct disk_list answered; /* work.result has come */
    struct disk_list waiting;  /* for a server that is ready */
    struct bounce bounce;
    uint64_t piece_max;
    bool can_flush, can_fua, can_zero, can_discard; /* what the server offers */
};

/* Find what the server can do, which may be another one than before. */
void nbd_disk_find_abilities(struct nbd *nbd);

/* Does another server offer the disk that the guest knows? NULL, or what is wrong with it. */
const char *nbd_disk_what_changed(const struct nbd *nbd);

/* Connect, and wait for the end of the handshake. 0, or -errno after a message. */
int nbd_link_open(struct nbd *nbd);

/* The server's disk will do: requests can be sent from here on. 0 or -ENOMEM. */
int nbd_link_go(struct nbd *nbd);

/* End the connection, if there is one. */
void nbd_link_close(struct nbd *nbd);

/* Around each call of libnbd that may send or receive. */
void nbd_link_calls(struct nbd *nbd);
void nbd_link_called(struct nbd *nbd);

/* After whatever may have brought answers or changed the connection. */
void nbd_link_settle(struct nbd *nbd);

/* As struct disk_driver says. */
void nbd_link_wait(struct disk *disk, int timeout_ms);
void nbd_request_issue(struct disk *disk, struct disk_request *request);
bool nbd_request_cancel(struct disk *disk, struct disk_request *request);
void nbd_request_unpark(struct disk *disk, struct disk_request *request, int error);

/* Go on with the requests that were answered, or could not be sent. */
void nbd_request_take_answers(struct nbd *nbd);

/* Those that wait for a server that is ready: there is one, or there will be none. */
void nbd_request_send_waiting(struct nbd *nbd);
void nbd_request_fail_waiting(struct nbd *nbd);
