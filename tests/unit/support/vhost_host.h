/* SPDX-License-Identifier: BSD-2-Clause */
/* A core for vhost-user devices, for tests: RAM in a memfd, and a loop of its own. */
#pragma once

#include <ringvisor/device.h>

#include "tests/unit/support/virtio_driver.h"

#define VHOST_HOST_WATCHES 16u

struct rv_watch {
    int fd;
    unsigned events;
    void (*ready)(void *opaque, unsigned events);
    void *opaque;
};

struct rv_instance {
    struct driver_world world;
    int ram_fd;
    struct rv_watch watches[VHOST_HOST_WATCHES];
    void (*fired)(void *opaque);
    void *timer_opaque;
    uint64_t timer_at; /* 0: not set */
    uint64_t now_plus; /* clock moved forward */
    bool hasty;        /* a timer of at most a second fires when nothing else is to be done */
    const char *socket, *queues, *queue_size, *wait;
    char log[300];
    unsigned logs;
    uint64_t dirty; /* bytes that were marked */
    uint64_t counter;
    uint64_t state[0x200 / 8];
    void *block;
    unsigned quiesced;
    void *device;
};

void vhost_host_init(struct rv_instance *host, const char *socket);
void vhost_host_free(struct rv_instance *host);

/* create(); then reset() and resume(), unless it takes another's state over. */
int vhost_host_start(struct rv_instance *host, uint32_t flags);
void vhost_host_stop(struct rv_instance *host);

/* One pass of the loop, which sleeps for 5 ms at most. */
void vhost_host_turn(struct rv_instance *host);

struct virtio_mmio *vhost_host_mmio(struct rv_instance *host);
