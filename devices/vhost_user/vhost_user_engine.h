/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front end's part in the vhost-user protocol, without I/O: which message comes
 * next, and what a reply means. One message is under way at a time.
 *
 *     hello      features, protocol features, number of queues, configuration space
 *     session    what was negotiated, the in-flight region, the memory table
 *     ring       size, base, addresses, descriptors, enable: for each that is wanted
 *     stop       GET_VRING_BASE for each that is not wanted any more
 *
 * The user sets `want` and calls vhost_user_engine_next() until it gives nothing more.
 * After a lost connection the same begins anew, and `base` says where each ring goes on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "devices/vhost_user/vhost_user_msg_internal.h"

#define VHOST_USER_QUEUES_MAX 64u

/* Does not change while the device lives. */
struct vhost_user_setup {
    unsigned queues;         /* the back end's */
    uint16_t queue_size;     /* the largest */
    uint64_t features;       /* those that a driver may be offered */
    uint64_t needs;          /* of them, what the back end must have */
    uint64_t protocol;       /* protocol features that are used if the back end has them */
    uint64_t protocol_needs; /* of them, what it must have */
    uint32_t config_size;    /* bytes of configuration space that the back end keeps; or 0 */
    uint64_t mtu;            /* 0: the back end is not told */
    unsigned nr_regions;
    struct vhost_user_region regions[VHOST_USER_REGIONS_MAX];
    int region_fds[VHOST_USER_REGIONS_MAX];
};

struct vhost_user_ring {
    uint32_t num;
    uint64_t desc, avail, used;
    uint16_t base; /* where the back end takes the first available entry */
    int kick, call, err;
};

/* The in-flight region: the back end's record, kept for the one that comes after it. */
struct vhost_user_region_fd {
    int fd; /* -1: none */
    struct vhost_user_inflight is;
};

struct vhost_user_engine {
    const struct vhost_user_setup *setup;
    const char *error; /* what was wrong; nothing goes on until the next connection */
    uint64_t value;    /* of that */

    /* What the user wants. */
    uint64_t want;            /* bit n: ring n runs */
    uint64_t driver_features; /* accepted by the driver */
    bool renew;        /* the driver begins anew, and no ring is begun: so does the session */
    bool config_stale; /* read the configuration space */
    bool config_write; /* write config_len bytes of `config` at config_at */
    uint32_t config_at, config_len;
    int back_end_fd; /* the other end of the back end's own channel; -1: none */

    /* What there is. */
    unsigned hello;     /* step */
    unsigned session;   /* step */
    unsigned ring_step; /* of ring `ring` */
    unsigned ring;
    uint32_t awaiting;   /* request whose reply is due; 0: none */
    bool acknowledge;    /* that is only an acknowledgement */
    uint64_t features;   /* the back end's */
    uint64_t protocol;   /* negotiated */
    uint64_t begun;      /* rings that the back end may be working on */
    uint64_t running;    /* rings that are all set up */
    bool config_changed; /* `config` was read anew */
    uint8_t config[VHOST_USER_CONFIG_MAX];
    struct vhost_user_region_fd inflight; /* the user closes it */
    struct vhost_user_ring rings[VHOST_USER_QUEUES_MAX];

    /*
     * Ring n is about to be started, or has been stopped with `base` as where it stood.
     */
    void (*starting)(void *opaque, unsigned ring);
    void (*stopped)(void *opaque, unsigned ring);
    void *opaque;
};

void vhost_user_engine_init(struct vhost_user_engine *engine, const struct vhost_user_setup *setup);

/* There is a new connection. */
void vhost_user_engine_begin(struct vhost_user_engine *engine);

/* The next message to send, whose descriptors stay the engine's. False: none for now. */
bool vhost_user_engine_next(struct vhost_user_engine *engine, struct vhost_user_message *message);

/*
 * What came from the back end. A descriptor that the engine keeps is taken out of
 * `message`; the rest is the caller's to close. False: nonsense, and `error` is set.
 */
bool vhost_user_engine_reply(struct vhost_user_engine *engine, struct vhost_user_message *message);

/* What the back end asks for by itself. True: `message` is the answer to send. */
bool vhost_user_engine_request(struct vhost_user_engine *engine,
                               struct vhost_user_message *message);

/* Elsewhere, the back end did what none may: `error` is set. */
void vhost_user_engine_refuse(struct vhost_user_engine *engine, const char *what, uint64_t value);

/* Is the back end known: features and configuration space? */
bool vhost_user_engine_ready(const struct vhost_user_engine *engine);

/* Is all as wanted? */
bool vhost_user_engine_settled(const struct vhost_user_engine *engine);

static inline bool vhost_user_engine_has(const struct vhost_user_engine *engine, unsigned bit)
{
    return engine->protocol >> bit & 1;
}
