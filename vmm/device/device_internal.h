/* SPDX-License-Identifier: BSD-2-Clause */
/* The vmm's side of one device instance: what the files vmm/device/device*.c share. */
#pragma once

#include "vmm/device/device.h"

#define DEVICE_SPI_BASE 32u /* INTID of SPI 0: IHI 0069, 2.2 */

/*
 * An access to a device that has no rings is undone, and made again, when the vmm dies within it:
 * its state blocks, if they are not larger than this, and words that it wrote to guest memory.
 */
#define DEVICE_UNDONE_MAX    4096u
#define DEVICE_UNDONE_BLOCKS 4u
#define DEVICE_WORD_MAX      16u

enum device_line { DEVICE_LINE_UNKNOWN, DEVICE_LINE_LOW, DEVICE_LINE_HIGH };
enum device_phase { DEVICE_STOPPED, DEVICE_RUNS, DEVICE_QUIESCING };

/*
 * What an instance has of the vmm is in one list, whatever it is: so a plugin
 * that frees something twice is found out, and what it forgets is freed.
 */
enum device_handle_kind {
    DEVICE_HANDLE_TIMER,
    DEVICE_HANDLE_WATCH,
    DEVICE_HANDLE_WORK,
    DEVICE_HANDLE_LISTENER,
    DEVICE_HANDLE_REPLY,
    DEVICE_HANDLE_CHR,
    DEVICE_HANDLE_DISK,
    DEVICE_HANDLE_NET,
    DEVICE_HANDLE_KINDS,
};

struct device_handle {
    struct device_handle *next;
    struct rv_instance *instance;
    enum device_handle_kind kind;
};

/*
 * How each kind behaves. While the instance is quiet nothing of it calls the device: what
 * happens is held, and comes in the loop's next passes after release(), which does not call the
 * device from inside.
 */
struct device_handle_ops {
    void (*free)(struct rv_instance *instance, void *handle);
    void (*hold)(void *handle);    /* the instance has become quiet; may be NULL */
    void (*release)(void *handle); /* it runs again; may be NULL */
};

struct device_counter {
    struct device_counter *next;
    uint64_t value;
    char *help;
    char name[];
};

/* The values of a property. None: its default counts. */
struct device_value {
    char **items;
    unsigned count;
};

/* A region of registers on the bus. */
struct device_region {
    struct rv_instance *instance;
    const struct rv_region *region;
    ipa_t base;
    uint32_t index;
    bool on_bus;
    uint8_t *memory; /* NULL: none, or not asked for yet */
    unsigned rom;    /* its index in the VM */
};

struct rv_instance {
    struct device_env env;
    const struct rv_device_class *class;
    void *device; /* the plugin's */
    struct {
        const void *at; /* NULL: no more */
        uint64_t size;
    } undone[DEVICE_UNDONE_BLOCKS]; /* what an access can change */
    char *name;
    struct device_region regions[PLUGIN_REGIONS_MAX];
    unsigned nr_regions;
    struct pci_function *pci; /* NULL: it is not on the PCI bus */
    unsigned pci_slot;
    uint32_t first_spi;
    struct device_value *values; /* one for each of the class's properties */
    enum device_line *lines;
    struct device_handle *handles;
    struct device_counter *counters;
    uint64_t lost_counter; /* for those that there was no memory for */
    uint64_t mappings;     /* mem_map without its mem_unmap */
    enum device_phase phase;
    unsigned bugs;
    bool creating;
    bool created;
    bool may_act; /* inside of a callback that may act although the instance is quiet */
};

/* The device says so: the end of a quiesce() that waited. */
void device_is_quiesced(struct rv_instance *instance);

/* device.c: a region's registers, which are the opaque pointer. */
extern const struct bus_ops device_bus_ops;

/* A device that is quiet touches nothing that the guest can see: finds out one that does. */
void device_check_act(struct rv_instance *instance, const char *what);

/* device_ops.c: all of it as the plugin gets it. */
extern const struct rv_vmm_ops device_ops;

/* "device 'x': ...: a bug of the plugin". Goes quiet after some: the guest may cause them. */
void device_bug(struct rv_instance *instance, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts a new handle, which is zeroed but for the caller's fields, into the list. */
void device_handle_add(struct rv_instance *instance, struct device_handle *handle,
                       enum device_handle_kind kind);

/* Is it one of this instance, of that kind? Says that it is not, for the call `what`. */
bool device_handle_check(struct rv_instance *instance, const void *handle,
                         enum device_handle_kind kind, const char *what);

/* Takes it out of the list. */
void device_handle_remove(struct rv_instance *instance, const struct device_handle *handle);

/* device_state.c */
void *device_state_open(struct rv_instance *instance, const char *block, uint32_t version,
                        uint64_t size);
void *device_state_block(struct rv_instance *instance, const char *name, uint32_t version,
                         uint64_t size);
void *device_state_resize(struct rv_instance *instance, void *block, uint64_t size);
uint64_t device_state_size(struct rv_instance *instance, const void *block);
/* Only the first bytes of the block are put back. */
void device_state_undone(struct rv_instance *instance, const void *block, uint64_t size);
bool device_has_rings(const struct rv_instance *instance);

/* device_region.c */
void *device_region_memory(struct rv_instance *instance, uint32_t region);
void device_region_show(struct rv_instance *instance, uint32_t region, bool shown);
uint32_t device_writes_pending(struct rv_instance *instance, uint32_t region, uint64_t offset,
                               uint64_t size);
void device_region_post(struct rv_instance *instance, uint32_t region, uint64_t offset,
                        uint64_t size);
void device_region_dirty(struct rv_instance *instance, uint32_t region, uint64_t offset,
                         uint64_t len);

/* device_pci.c */
/* The BARs; NULL: it is not a PCI function. */
const struct rv_region *device_pci_regions(struct rv_instance *instance);
int device_pci_place(struct rv_instance *instance);
int device_pci_connect(struct rv_instance *instance);
void device_pci_free(struct rv_instance *instance);
int device_pci_function(struct rv_instance *instance, const struct rv_pci_function *function);
int device_irq_message(struct rv_instance *instance, uint32_t vector);

/* device_property.c */
int device_properties_parse(struct rv_instance *instance, const char *text);
void device_properties_free(struct rv_instance *instance);
const char *device_property_string(struct rv_instance *instance, const char *name);
uint64_t device_property_uint(struct rv_instance *instance, const char *name);
bool device_property_bool(struct rv_instance *instance, const char *name);
uint32_t device_property_enum(struct rv_instance *instance, const char *name);
uint32_t device_property_count(struct rv_instance *instance, const char *name);
const char *device_property_item(struct rv_instance *instance, const char *name, uint32_t index);

/* device_command.c */
void device_reply(struct rv_instance *instance, struct rv_reply *reply, int error,
                  const char *json);
extern const struct device_handle_ops device_reply_handle;

/* device_loop.c */
uint64_t device_now_ns(struct rv_instance *instance);
uint64_t device_wall_ns(struct rv_instance *instance);
struct rv_timer *device_timer_new(struct rv_instance *instance, void (*fired)(void *opaque),
                                  void *opaque);
void device_timer_set(struct rv_instance *instance, struct rv_timer *timer, uint64_t at_ns);
void device_timer_cancel(struct rv_instance *instance, struct rv_timer *timer);
void device_timer_free(struct rv_instance *instance, struct rv_timer *timer);
struct rv_watch *device_fd_watch(struct rv_instance *instance, int fd, uint32_t events,
                                 void (*ready)(void *opaque, uint32_t events), void *opaque);
int device_fd_change(struct rv_instance *instance, struct rv_watch *watch, uint32_t events);
void device_fd_remove(struct rv_instance *instance, struct rv_watch *watch);
extern const struct device_handle_ops device_timer_handle, device_watch_handle;

/* device_listener.c */
int device_listener_open(struct rv_instance *instance, const char *path,
                         void (*accepted)(void *opaque, int fd), void *opaque,
                         struct rv_listener **listener);
void device_listener_close(struct rv_instance *instance, struct rv_listener *listener);
extern const struct device_handle_ops device_listener_handle;

/* device_work.c */
struct rv_work *device_work_new(struct rv_instance *instance, void (*run)(void *opaque),
                                void *opaque);
void device_post(struct rv_instance *instance, struct rv_work *work);
void device_work_free(struct rv_instance *instance, struct rv_work *work);
extern const struct device_handle_ops device_work_handle;

/* device_chr.c */
struct rv_chr *device_chr_open(struct rv_instance *instance, const char *spec,
                               const struct rv_chr_callbacks *callbacks, void *opaque);
uint64_t device_chr_write(struct rv_instance *instance, struct rv_chr *chr, const uint8_t *data,
                          uint64_t len);
void device_chr_accept(struct rv_instance *instance, struct rv_chr *chr);
void device_chr_close(struct rv_instance *instance, struct rv_chr *chr);
extern const struct device_handle_ops device_chr_handle;

/* device_disk.c */
int device_disk_open(struct rv_instance *instance, const struct rv_disk_options *options,
                     struct rv_disk **disk);
const struct rv_disk_info *device_disk_info(struct rv_instance *instance, struct rv_disk *disk);
void device_disk_submit(struct rv_instance *instance, struct rv_disk *disk,
                        struct rv_disk_request *request);
void device_disk_kick(struct rv_instance *instance, struct rv_disk *disk);
int device_disk_cancel(struct rv_instance *instance, struct rv_disk *disk,
                       struct rv_disk_request *request);
void device_disk_drain_begin(struct rv_instance *instance, struct rv_disk *disk,
                             void (*drained)(void *opaque), void *opaque);
int device_disk_drain(struct rv_instance *instance, struct rv_disk *disk, int32_t timeout_ms);
int device_disk_resize(struct rv_instance *instance, struct rv_disk *disk, uint64_t size);
void device_disk_close(struct rv_instance *instance, struct rv_disk *disk);
extern const struct device_handle_ops device_disk_handle;

/* device_net.c: its timers and watches are the instance's, which holds them while it is quiet */
int device_net_open(struct rv_instance *instance, const struct rv_net_options *options,
                    struct rv_net **net);
const struct rv_net_info *device_net_info(struct rv_instance *instance, struct rv_net *net);
int device_net_send(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                    const struct iovec *iov, uint32_t count);
int64_t device_net_receive(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                           const struct iovec *iov, uint32_t count);
void device_net_want(struct rv_instance *instance, struct rv_net *net, uint32_t pair, bool want);
void device_net_set_offloads(struct rv_instance *instance, struct rv_net *net, uint64_t features);
int device_net_set_pairs(struct rv_instance *instance, struct rv_net *net, uint32_t pairs);
void device_net_close(struct rv_instance *instance, struct rv_net *net);
int device_net_address(struct rv_instance *instance, const char *text, uint8_t address[6]);
extern const struct device_handle_ops device_net_handle;
