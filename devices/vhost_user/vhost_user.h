/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device whose buffers another process serves: the vhost-user front end. The
 * transport (devices/virtio) has registers, negotiation and queue addresses; the back
 * end has RAM, and the guest's rings or ours; between them are two eventfds for each
 * queue, a notification (kick) and an interrupt (call).
 *
 *   vhost_user.c         the instance: what the transport and the vmm ask of it
 *   vhost_user_create.c  making one
 *   vhost_user_link.c    the connection: made, lost, made again
 *   vhost_user_engine.c  the protocol
 *   vhost_user_relay.c   rings of ours
 *   vhost_user_socket.c  the messages
 */
#pragma once

#include "devices/vhost_user/vhost_user_engine.h"
#include "devices/vhost_user/vhost_user_relay.h"
#include "devices/vhost_user/vhost_user_socket.h"
#include <ringvisor/virtio/virtio_plugin.h>

/* What the rings may be: a packed one's position cannot be found again after a crash. */
#define VHOST_USER_RING_FEATURES                                                    \
    (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
     VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

#define VHOST_USER_STATE_VERSION 1u

enum { VHOST_USER_DIRECT = 1, VHOST_USER_RELAYED = 2 };

struct vhost_user_state {
    uint64_t features; /* 0x00 of the back end's, those offered to the driver */
    uint32_t made;     /* 0x08 VHOST_USER_DIRECT or _RELAYED: the rest is there */
    uint32_t written;  /* 0x0c the driver has changed the byte `type->writable` of `config` */
    uint8_t config[VHOST_USER_CONFIG_MAX]; /* 0x10 configuration space */
    /* Where a ring goes on, if `stands`; else the back end has not said, and it is the used index. */
    uint16_t base[VHOST_USER_QUEUES_MAX];  /* 0x110 */
    uint8_t stands[VHOST_USER_QUEUES_MAX]; /* 0x190 */
};
_Static_assert(sizeof(struct vhost_user_state) == 0x1d0, "state layout");

struct vhost_user;

/* A device type. */
struct vhost_user_type {
    uint64_t features;       /* besides those of the rings: offered if the back end has them */
    uint64_t protocol_needs; /* protocol features without which it does not work */
    uint32_t config_size;
    bool config_remote; /* the back end has the configuration space */
    bool brings_code;   /* the guest may execute what the back end writes */
    bool ends;          /* requests end by themselves, soon: a reset waits for that */
    uint32_t writable;  /* offset of the one byte that the driver may write; 0: none */
    uint64_t writes;    /* the feature with which it may */

    /* Reads the properties; sets `nr_queues`, `own_features`, `setup.mtu`. 0 or -errno. */
    int (*prepare)(struct vhost_user *vu);
    /* What is wrong with a back end that has said hello, or NULL. */
    const char *(*check)(const struct vhost_user *vu);
    /* Fills in, or corrects, state->config. */
    void (*config)(struct vhost_user *vu);
};

struct vhost_user_queue {
    struct vhost_user *vu;
    unsigned index;
    int kick, call;
    struct rv_watch *watch;
    uint16_t seen; /* the used index as we last saw it */
};

enum vhost_user_message_kind {
    VHOST_USER_SAYS_LOST,
    VHOST_USER_SAYS_BACK,
    VHOST_USER_SAYS_WRONG,
    VHOST_USER_SAYS_LATE,
    VHOST_USER_SAYS_FAILED,
    VHOST_USER_SAYS_KINDS,
};

struct vhost_user {
    struct virtio_plugin *plugin;
    const struct vhost_user_type *type;
    struct vhost_user_state *state;
    const char *path;
    uint64_t own_features; /* offered, whatever the back end says */
    unsigned nr_queues;
    uint16_t queue_size;
    uint8_t mac[6]; /* of a network card */

    struct vhost_user_setup setup;
    struct vhost_user_engine engine;
    struct vhost_user_relay relay;

    struct vhost_user_socket socket;
    struct vhost_user_socket channel; /* what the back end asks for */
    struct rv_watch *watch, *channel_watch;
    struct rv_timer *timer; /* connected: a reply is late; else: try again */
    bool timed;
    struct rv_timer *limit; /* a reset has waited for long enough */
    bool limited;
    uint64_t draining; /* relayed rings that are stopped when their requests have ended */
    uint64_t stopping; /* rings that a reset waits for */
    bool resetting;    /* it is a reset of the device, and `stopping` are all rings */
    uint64_t delay_ns;
    uint64_t up;     /* queues that run, as the guest was told */
    bool relayed;    /* the back end has rings of ours, not the guest's */
    bool reports;    /* what the back end writes must be told before the guest can know */
    bool introduced; /* hello is over, and was found to be good */
    bool lost;       /* it was said that it is gone */
    bool waited_for; /* virtio_plugin_quiesced() is due when the back end stands still */
    bool moved;      /* the back end has used buffers since the last sync */
    uint64_t said_ns[VHOST_USER_SAYS_KINDS];

    int err; /* the eventfd of all rings for errors */
    struct rv_watch *err_watch;
    struct virtqueue_limits limits[VHOST_USER_QUEUES_MAX];
    struct vhost_user_queue queues[VHOST_USER_QUEUES_MAX];
    uint64_t *kicks, *calls, *connects, *marks; /* counters */
};

/*
 * The instance
 */

int vhost_user_create(struct virtio_plugin *plugin, const struct vhost_user_type *type, void *state,
                      uint32_t flags, struct virtio_device_config *config, void **device);
void vhost_user_destroy(void *device);
void vhost_user_notify(void *device, struct virtqueue *vq);
void vhost_user_driver_ok(void *device);
bool vhost_user_reset(void *device);
bool vhost_user_queue_reset(void *device, struct virtqueue *vq);
void vhost_user_config_read(void *device, uint32_t offset, void *data, size_t len);
void vhost_user_config_write(void *device, uint32_t offset, const void *data, size_t len);
int vhost_user_quiesce(void *device);
void vhost_user_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain);

/* rv_device_class.sync: `device` is the plugin. */
void vhost_user_sync(void *device, uint32_t mode);

/* The engine's callbacks. */
void vhost_user_starting(void *opaque, unsigned index);
void vhost_user_stopped(void *opaque, unsigned index);

/* Of an eventfd: the back end has called the queue `opaque`; or says that a queue failed. */
void vhost_user_called(void *opaque, unsigned events);
void vhost_user_failed(void *opaque, unsigned events);

void vhost_user_close(int fd); /* -1 is allowed */

#define VHOST_USER_VIRTIO(device_id)                                                       \
    {                                                                                      \
        .id = (device_id), .notify = vhost_user_notify, .driver_ok = vhost_user_driver_ok, \
        .reset = vhost_user_reset, .queue_reset = vhost_user_queue_reset,                  \
        .config_read = vhost_user_config_read, .config_write = vhost_user_config_write,    \
        .config_told = true, .resubmit = vhost_user_resubmit                               \
    }

/* Properties of every type, queues apart. */
#define VHOST_USER_PROPERTIES(size)                                                    \
    {.name = "socket",                                                                 \
     .type = RV_PROPERTY_PATH,                                                         \
     .required = true,                                                                 \
     .help = "Unix socket that the back end listens on"},                              \
        {.name = "queue-size",                                                         \
         .type = RV_PROPERTY_UINT,                                                     \
         .value = (size),                                                              \
         .min = 4,                                                                     \
         .max = VIRTQUEUE_SIZE_MAX,                                                    \
         .help = "entries of a queue, a power of two"},                                \
    {                                                                                  \
        .name = "wait", .type = RV_PROPERTY_UINT, .value = "10", .max = 3600,          \
        .help = "seconds to wait for the back end at the start, before it is an error" \
    }

/*
 * The connection
 */

/* Before all others. 0 or -ENOMEM. */
int vhost_user_link_init(struct vhost_user *vu);

/* Look at the rings, which tell what the back end has written. */
void vhost_user_look(struct vhost_user *vu);

/* Give the guest what the back end has used of a relayed queue. Nonsense: the engine's `error`. */
void vhost_user_collect(struct vhost_user *vu, unsigned index);

/* Connect, and wait until the back end is known: `seconds` for one to be there. 0 or -errno. */
int vhost_user_link_first(struct vhost_user *vu, uint64_t seconds);

/* Connect soon. */
void vhost_user_link_later(struct vhost_user *vu);

/* Send what is due. */
void vhost_user_link_pump(struct vhost_user *vu);

/*
 * Begin to stop the rings `mask`. Those of a relay stop when their requests have ended, or after
 * a second.
 */
void vhost_user_link_drain(struct vhost_user *vu, uint64_t mask);

/*
 * The same for a reset: a back end that has not stopped them a second later is hung up on. Then,
 * or sooner, vhost_user_reset_done() is called; while the device stands still, before this returns.
 */
void vhost_user_link_stop(struct vhost_user *vu, uint64_t mask);

/* The rings `mask` of a reset have stopped: the driver has their memory back. */
void vhost_user_reset_done(struct vhost_user *vu, uint64_t mask);

void vhost_user_link_close(struct vhost_user *vu);

/* A message, unless one of this kind came less than 10 s ago. */
void vhost_user_say(struct vhost_user *vu, enum vhost_user_message_kind kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
