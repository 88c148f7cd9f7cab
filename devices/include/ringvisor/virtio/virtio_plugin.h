/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device as a plugin: what struct rv_device_class calls, made from a
 * struct virtio_plugin_class. A plugin says
 *
 *     static const struct virtio_plugin_class rng = { ... };
 *     VIRTIO_PLUGIN(rng, .name = "virtio-rng", .description = "...", .properties = ...);
 *
 * and includes nothing else of the transport.
 */
#pragma once

#include <ringvisor/device.h>

#include <ringvisor/virtio/iov.h>
#include <ringvisor/virtio/virtio_mmio.h>
#include <ringvisor/virtio/virtio_pci.h>

#define VIRTIO_PLUGIN_REGIONS_MAX 8u

/* A region of guest memory that is mapped for the device. */
struct virtio_plugin_memory {
    uint64_t ipa;
    uint64_t bytes;
    uint8_t *at;
    bool read_only;
    bool late; /* mem_need is due */
};

struct virtio_plugin {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    const struct virtio_plugin_class *class;
    void *device;        /* the device type's */
    bool made;           /* `virtio` is there */
    bool irq;            /* virtio-mmio: level of the transport's interrupt */
    bool pci;            /* a PCI function, not a virtio-mmio transport */
    uint32_t *registers; /* virtio-mmio: in memory for the guest, little-endian; or NULL */
    struct virtio_plugin_memory memory[VIRTIO_PLUGIN_REGIONS_MAX];
    unsigned nr_memory;
    struct rv_timer *later_timer;
    uint64_t later; /* bit n: queue n has had its turn and may have more */
    struct virtio_device virtio;
};

struct virtio_plugin_class {
    struct virtio_device_class virtio;

    /*
     * Read the properties, open what they name, fill in `config` (whose limits
     * stay the device's) and `*device`. The queues come later: nothing uses them
     * before driver_ok(), notify() or resubmit(). `state`, `flags` and the
     * result as in struct rv_device_class.
     */
    int (*create)(struct virtio_plugin *plugin, void *state, uint32_t flags,
                  struct virtio_device_config *config, void **device);
    void (*destroy)(void *device);

    /*
     * Pop gives nothing any more. 0: nothing is in flight; -EINPROGRESS:
     * virtio_plugin_quiesced() will be called. NULL: nothing ever is.
     */
    int (*quiesce)(void *device);
    /* The device goes on, or begins: resubmit() and notify() come next, for queues that run. */
    void (*resume)(void *device);

    /*
     * As in struct rv_device_class. They come also while the device is held
     * (virtio_device_is_held). NULL: nothing can be set, the vmm answers, there are none.
     */
    int (*set)(void *device, const char *name, const char *value);
    int64_t (*get)(void *device, const char *name, char *text, uint64_t size);
    int (*command)(void *device, const struct rv_device_command *command);
};

/* What quiesce() waited for is over. After a resume() that came first it does nothing. */
void virtio_plugin_quiesced(struct virtio_plugin *plugin);

/*
 * notify() has served as much of a queue as is good for others. It is called for it again in the
 * loop's next pass, unless the queue does not run by then.
 */
void virtio_plugin_later(struct virtio_plugin *plugin, const struct virtqueue *vq);

/*
 * notify() of a device that is done with each buffer at once: `one`, of the type of resubmit(), gets up to
 * `most` of the queue, and the rest later.
 */
void virtio_plugin_serve(struct virtio_plugin *plugin, struct virtqueue *vq, unsigned most,
                         void (*one)(void *device, struct virtqueue *vq,
                                     const struct virtq_chain *chain));

/* The property `queue-size`, which is a power of two. 0, or -EINVAL after a message. */
int virtio_plugin_queue_size(const struct virtio_plugin *plugin, uint16_t *size);

/*
 * The address of guest memory [ipa, ipa + len), len not 0, as struct virtio_env's span() has
 * it. NULL: not all of it is memory (that can be written). It holds until the memory goes.
 */
void *virtio_plugin_span(struct virtio_plugin *plugin, uint64_t ipa, uint64_t len, bool write);

/* The way back: the guest's address of memory that is mapped at `host`, as that of a chain. */
uint64_t virtio_plugin_ipa(const struct virtio_plugin *plugin, const void *host);

/*
 * In a device's list of properties: the bus, and what of the rings is offered to the driver. A
 * feature whose property the list does not have is offered if the device says so.
 */
#define VIRTIO_PLUGIN_PROPERTIES                                     \
    RV_PROPERTY_BUS,                                                 \
        {.name = "packed",                                           \
         .type = RV_PROPERTY_BOOL,                                   \
         .value = "on",                                              \
         .help = "offer packed rings, which a driver then uses"},    \
        {.name = "event-idx",                                        \
         .type = RV_PROPERTY_BOOL,                                   \
         .value = "on",                                              \
         .help = "offer to notify only when the other side asks"},   \
    {                                                                \
        .name = "indirect", .type = RV_PROPERTY_BOOL, .value = "on", \
        .help = "offer tables of descriptors outside of the ring"    \
    }

/* The callbacks of struct rv_device_class. */
int virtio_plugin_create(const struct virtio_plugin_class *class,
                         const struct rv_property *properties, struct rv_instance *instance,
                         const struct rv_vmm_ops *ops, void *state, uint32_t flags, void **device);
void virtio_plugin_destroy(void *device);
void virtio_plugin_reset(void *device);
int virtio_plugin_quiesce(void *device);
void virtio_plugin_resume(void *device);
void virtio_plugin_mem_changed(void *device, uint32_t change, const struct rv_mem_region *region);
int virtio_plugin_set(void *device, const char *name, const char *value);
int64_t virtio_plugin_get(void *device, const char *name, char *text, uint64_t size);
int virtio_plugin_command(void *device, const struct rv_device_command *command);

extern const struct rv_fdt_node virtio_plugin_fdt;
extern const struct rv_region virtio_plugin_regions[];
extern const struct rv_region virtio_plugin_pci_regions[];

/*
 * The class `symbol` of an instance of struct virtio_plugin_class; what follows are further
 * fields of struct rv_device_class. For an object of several classes: each is static, and
 * ringvisor_devices has their addresses.
 */
#define VIRTIO_PLUGIN_CLASS(symbol, virtio_class, ...)                                        \
    static int symbol##_create(struct rv_instance *instance, const struct rv_vmm_ops *ops,    \
                               void *state, uint32_t flags, void **device)                    \
    {                                                                                         \
        return virtio_plugin_create(&(virtio_class), symbol.properties, instance, ops, state, \
                                    flags, device);                                           \
    }                                                                                         \
    const struct rv_device_class symbol = {RV_CLASS_HEADER,                                   \
                                           .place = RV_PLACE_VIRTIO_MMIO,                     \
                                           .irq_lines = 1,                                    \
                                           .irq_edge = 1,                                     \
                                           .fdt = &virtio_plugin_fdt,                         \
                                           .regions = virtio_plugin_regions,                  \
                                           .pci_regions = virtio_plugin_pci_regions,          \
                                           .create = symbol##_create,                         \
                                           .destroy = virtio_plugin_destroy,                  \
                                           .reset = virtio_plugin_reset,                      \
                                           .quiesce = virtio_plugin_quiesce,                  \
                                           .resume = virtio_plugin_resume,                    \
                                           .mem_changed = virtio_plugin_mem_changed,          \
                                           .set = virtio_plugin_set,                          \
                                           .get = virtio_plugin_get,                          \
                                           .command = virtio_plugin_command,                  \
                                           __VA_ARGS__}

/* The only class of an object. */
#define VIRTIO_PLUGIN(virtio_class, ...) \
    VIRTIO_PLUGIN_CLASS(ringvisor_device, virtio_class, __VA_ARGS__)
