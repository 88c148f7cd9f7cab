/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libslirp's sockets in the loop. libslirp wants to be asked before each sleep what it
 * waits for. The answers are kept in an epoll set of our own, of which only differences
 * are told to the kernel, and which is one watch in the loop.
 */
#pragma once

#include <ringvisor/device.h>
#include <slirp/libslirp.h>
#include <stdbool.h>
#include <stdint.h>

struct user_poll_fd {
    uint32_t events; /* EPOLLx in the set; 0: not in it */
    uint32_t ready;  /* EPOLLx of this round */
    uint32_t wanted; /* as libslirp said in round `wanted_in` */
    uint32_t wanted_in;
    bool open; /* libslirp has it */
};

struct user_poll {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    Slirp *slirp;
    int epoll;
    struct rv_watch *watch;
    struct rv_timer *timer;
    struct user_poll_fd *fds; /* by descriptor */
    int nr_fds;
    unsigned open;     /* descriptors that libslirp has */
    unsigned open_max; /* with as many, no connection from the host is accepted */
    uint32_t round;
    uint64_t due;            /* when libslirp has timers to look at; 0: never */
    bool kicked;             /* the timer is set for now */
    bool throttled;          /* read nothing from sockets: the guest is behind */
    unsigned clock_ahead_ms; /* for libslirp's clock, while user_evict() works */
    uint64_t evict_again;    /* not before this is it tried again to end idle flows */

    /* In the loop, after libslirp has worked: deliver what it has sent. */
    void (*worked)(void *opaque);
    void *opaque;
};

/* As many descriptors as there may be. */
static inline bool user_poll_full(const struct user_poll *poll)
{
    return poll->open >= poll->open_max;
}

int user_poll_init(struct user_poll *poll); /* host, ops, worked, opaque are set; 0 or -errno */
void user_poll_start(struct user_poll *poll, Slirp *slirp);
void user_poll_free(struct user_poll *poll); /* after slirp_cleanup() */

/* Something was given to libslirp, or `throttled` is another: look in the next pass. */
void user_poll_kick(struct user_poll *poll);

/* For register_poll_fd and unregister_poll_fd. */
void user_poll_opened(struct user_poll *poll, int fd);
void user_poll_closed(struct user_poll *poll, int fd);
