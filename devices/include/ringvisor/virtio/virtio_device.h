/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every virtio device has, whatever its transport (virtio_mmio.h, virtio_pci.h): the
 * negotiation, the status and the queues. A device type fills in a struct virtio_device_class.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ringvisor/virtio/virtqueue.h>

#define VIRTIO_DEVICE_QUEUES_MAX 64u

/* Those that <linux/virtio_*.h> may be too old for: virtio 1.2, 6. */
#ifndef VIRTIO_F_NOTIFICATION_DATA
#define VIRTIO_F_NOTIFICATION_DATA 38
#endif

#define VIRTIO_FEATURE(bit) (1ull << (bit))

/*
 * What the library does by itself: offer all of it. VIRTIO_F_NOTIFICATION_DATA may
 * be added; VIRTIO_F_IN_ORDER too by a device that pushes in the order of its
 * pops. VIRTIO_F_VERSION_1 is always offered, and a driver without it refused.
 */
#define VIRTIO_RING_FEATURES                                                              \
    (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) |       \
     VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) | \
     VIRTIO_FEATURE(VIRTIO_F_RING_RESET))

/* A device type. All but `id` and `notify` may be left out. */
struct virtio_device_class {
    uint32_t id; /* virtio 1.2, 5 */

    /*
     * There may be buffers in `vq`. Also once after DRIVER_OK and after a resume. For an
     * external queue (struct virtqueue_limits): tell the process that has it.
     */
    void (*notify)(void *device, struct virtqueue *vq);

    /* Would the device work with these features? They are a subset of those offered. */
    bool (*features_ok)(void *device, uint64_t features);
    void (*driver_ok)(void *device);

    /*
     * The driver resets the device, or one queue. Chains in flight are lost: no
     * push is needed, and one that comes late does nothing. True: from now on
     * nothing touches their memory. False: something does until the device
     * calls virtio_device_reset_done() (virtio_device_queue_reset_done()); until then
     * the driver is told that the reset goes on. Linux's driver of virtio-mmio
     * does not look: therefore the CPU that has written Status stays at that
     * instruction until the reset is done (virtio_plugin.c). Other CPUs and the loop
     * go on, so never wait in here.
     */
    bool (*reset)(void *device);
    bool (*queue_reset)(void *device, struct virtqueue *vq);

    /* Configuration space, little-endian: `len` bytes at `offset`, inside of config_size. */
    void (*config_read)(void *device, uint32_t offset, void *data, size_t len);
    void (*config_write)(void *device, uint32_t offset, const void *data, size_t len);
    /*
     * What config_read() says changes by config_write() and resets only, or the device tells of it:
     * virtio_device_config_changed(), virtio_device_changed(). Then drivers of virtio-mmio read
     * all registers in memory, without an exit, as they do of a device without such a space.
     */
    bool config_told;

    /* After a restart: one that was popped and not pushed, oldest first. NULL: push it empty. */
    void (*resubmit)(void *device, struct virtqueue *vq, const struct virtq_chain *chain);
};

/* What may differ between two devices of a class. */
struct virtio_device_config {
    uint64_t features;                     /* offered */
    uint32_t config_size;                  /* bytes */
    unsigned queues;                       /* at most VIRTIO_DEVICE_QUEUES_MAX */
    const struct virtqueue_limits *limits; /* one for each queue */
};

struct virtio_device {
    const struct virtio_device_class *class;
    void *device;
    struct virtio_env env;
    struct virtqueue_owner owner;
    struct virtio_state *state;
    struct virtqueue *queues;
    unsigned queue_count;
    uint32_t config_size;
    bool held; /* from virtio_device_init() and virtio_device_hold() to virtio_device_resume() */
    uint32_t again; /* so many acknowledgements may be of interrupts before the last one */
    bool logged_violation;
    bool logged_register;
};

/* Bytes of state for such a device. */
size_t virtio_device_state_size(const struct virtio_device_config *config);

/*
 * `state`: virtio_device_state_size() bytes, aligned to 8; zeroed for a new
 * device, else it goes on with what is there. 0; -EINVAL after a message, and
 * then `state` may be changed but not used; -ENOMEM. The queues are held until
 * virtio_device_resume().
 */
int virtio_device_init(struct virtio_device *virtio, const struct virtio_device_class *class,
                       void *device, const struct virtio_device_config *config,
                       const struct virtio_env *env, void *state);
void virtio_device_destroy(struct virtio_device *virtio);

/*
 * These bytes of guest memory go while the device is quiesced. If one of its queues needs them,
 * it is broken from now on: VIRTIO_CONFIG_S_NEEDS_RESET.
 */
void virtio_device_memory_gone(struct virtio_device *virtio, uint64_t ipa, uint64_t len);

/* The driver has asked for a reset of the device, which is not done yet. */
bool virtio_device_is_resetting(const struct virtio_device *virtio);

/* Power-on reset of a device that has nothing in flight. */
void virtio_device_reset(struct virtio_device *virtio);

/* Pop nothing more (what was popped may be pushed); go on. */
void virtio_device_hold(struct virtio_device *virtio);
void virtio_device_resume(struct virtio_device *virtio);
/* The device writes no guest memory of its own accord now. */
bool virtio_device_is_held(const struct virtio_device *virtio);

/*
 * For devices
 */

struct virtqueue *virtio_device_queue(struct virtio_device *virtio, unsigned index);
uint64_t virtio_device_features(const struct virtio_device *virtio); /* negotiated; 0 before */

/* Another process says that it has used buffers of external queues (bit n: n): tell the driver. */
void virtio_device_used(struct virtio_device *virtio, uint64_t queues);

/* The configuration space has changed: tell the driver, of a held device when it goes on. */
void virtio_device_config_changed(struct virtio_device *virtio);

/* The configuration space has changed, and the driver needs no interrupt for that. */
void virtio_device_changed(struct virtio_device *virtio);

/* The driver broke a rule of the device type, as a request without a header. */
void virtio_device_broken(struct virtio_device *virtio, unsigned queue, const char *what,
                          uint64_t value);

/* The end of a reset() or queue_reset() that returned false. */
void virtio_device_reset_done(struct virtio_device *virtio);
void virtio_device_queue_reset_done(struct virtio_device *virtio, struct virtqueue *vq);
