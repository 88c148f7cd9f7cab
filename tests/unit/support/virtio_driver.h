/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of virtio, for tests: RAM, the negotiation over the
 * registers, and both ring formats, written from the driver's sections of
 * virtio 1.2 and sharing no code with the device's side.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <ringvisor/virtio/virtio_mmio.h>
#include <ringvisor/virtio/virtio_pci.h>

#define DRIVER_RAM_BASE 0x40000000ull
#define DRIVER_RAM_SIZE 0x400000ull
#define DRIVER_RING_MAX 1024u
#define DRIVER_TABLE    0x100u /* bytes for an indirect table of each buffer */

/* Where the rings and the tables of queue `i` are; what is above `DRIVER_DATA` is data. */
#define DRIVER_RINGS(i)  (DRIVER_RAM_BASE + 0x10000ull * (i))
#define DRIVER_TABLES(i) (DRIVER_RAM_BASE + 0x100000ull + 0x40000ull * (i))
#define DRIVER_DATA      (DRIVER_RAM_BASE + 0x200000ull)

/* RAM and the world around the device. */
struct driver_world {
    uint8_t *ram;   /* DRIVER_RAM_SIZE bytes */
    uint8_t *dirty; /* the same: 1 for each that was said to be written */
    bool irq;
    unsigned rises; /* of the line */
    unsigned logs;
    unsigned spans;
};

void driver_world_init(struct driver_world *world);
void driver_world_destroy(struct driver_world *world);
struct virtio_env driver_env(struct driver_world *world);
void *driver_at(struct driver_world *world, uint64_t ipa);

/* One element of a buffer. */
struct driver_seg {
    uint64_t addr;
    uint32_t len;
    bool write;
};

struct driver_queue {
    struct driver_world *world;
    unsigned index;
    unsigned size;
    bool packed;
    bool event_idx;
    uint64_t desc;
    uint64_t avail;
    uint64_t used;

    uint16_t next_avail; /* split: index; packed: position */
    uint16_t next_used;
    bool avail_wrap;
    bool used_wrap;
    uint32_t since_kick;            /* entries (packed: descriptors) since the last driver_kick */
    uint16_t free[DRIVER_RING_MAX]; /* split: descriptors; packed: IDs */
    unsigned free_count;
    unsigned room; /* packed: descriptors */
    struct {
        void *token;
        uint16_t descs;
        uint16_t taken[DRIVER_TABLE / 16]; /* split */
    } buffer[DRIVER_RING_MAX];
};

/* The calls below go by the registers of virtio-pci; at first by those of virtio-mmio. */
extern bool driver_on_pci;

/* virtio-mmio's registers. */
uint32_t driver_read(struct virtio_device *virtio, uint32_t reg);
void driver_write(struct virtio_device *virtio, uint32_t reg, uint32_t value);

uint32_t driver_status(struct virtio_device *virtio);
void driver_set_status(struct virtio_device *virtio, uint32_t value);
void driver_notify(struct virtio_device *virtio, uint32_t queue);
/* The interrupt's causes, which are over then. */
uint32_t driver_acknowledge(struct virtio_device *virtio);

/* 3.1.1 up to FEATURES_OK; false if the device refuses. */
bool driver_negotiate(struct virtio_device *virtio, uint64_t features);
void driver_queue_init(struct driver_queue *q, struct driver_world *world, unsigned index,
                       unsigned size, uint64_t features);
/* 4.2.3.2, 4.1.5.1.3; true: the queue reads as ready. */
bool driver_queue_enable(struct virtio_device *virtio, const struct driver_queue *q);
void driver_ok(struct virtio_device *virtio);

/* At most DRIVER_TABLE / 16 segments. False: no room. */
bool driver_add(struct driver_queue *q, const struct driver_seg *segs, unsigned count,
                bool indirect, void *token);
bool driver_kick(struct driver_queue *q);                /* has the device to be notified? */
void *driver_get(struct driver_queue *q, uint32_t *len); /* a token, or NULL */
bool driver_pending(struct driver_queue *q);

/* Ask for an interrupt. True: there is something already. */
bool driver_irq_enable(struct driver_queue *q);
void driver_irq_disable(struct driver_queue *q);
