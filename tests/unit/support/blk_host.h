/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core for virtio-blk, for tests and the fuzzer: a disk in memory whose
 * requests end when the test says so, in what order and with what error it
 * likes. What a device must not do with a request ends the program.
 */
#pragma once

#include <ringvisor/device.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define BLK_HOST_PENDING 2048u
#define BLK_HOST_BLOCKS  2u

struct rv_instance {
    uint8_t *ram;
    uint64_t ram_base, ram_size;
    unsigned rises; /* interrupts */
    char log[256];  /* the last message */

    /* Properties: the text, or NULL for the default of the class. */
    const char *queue_size, *queues, *serial;

    struct rv_disk_info info;
    uint8_t *image; /* info.capacity bytes */
    uint8_t last_discarded;
    int open_error;
    struct rv_disk_options options; /* as given */
    struct rv_disk_request *pending[BLK_HOST_PENDING];
    unsigned nr_pending;
    unsigned submitted, flushes;
    bool open;

    uint8_t state[64]; /* the class's block */
    void *block;       /* the transport's */
    size_t block_size;
    uint64_t counter;
    void (*fired)(void *opaque);
    void *opaque;
    bool timer_set;
    unsigned quiesced;
    void *device;
};

/* `ram` stays the caller's. The disk has `sectors` of 512 bytes, each filled with its number. */
void blk_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base, uint64_t size,
                   uint64_t sectors);
void blk_host_free(struct rv_instance *host);

/* create() of a device; then reset() and resume(), unless it takes another's state over. */
int blk_host_start(struct rv_instance *host, uint32_t flags);
void blk_host_stop(struct rv_instance *host);

/* Does the request `index` of those in flight, or fails it with `error`; `last`: of this round. */
void blk_host_complete(struct rv_instance *host, unsigned index, int error, bool last);
void blk_host_complete_all(struct rv_instance *host);
