/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plugin ABI, version 1. A device is a shared object that exports one
 * symbol, `ringvisor_device`, of type struct rv_device_class. docs/plugins.md
 * leads through a first one.
 *
 * Threads. Everything runs on the vmm's one loop: no callback of any instance
 * is entered while another one runs on a second thread, and none may block. No
 * core call but disk_drain ever calls back into the device from inside of
 * itself. A device keeps nothing in globals: there may be several instances of
 * it.
 *
 * Growth. Structs that cross the ABI carry their size and grow at the end, so
 * that either side may be older than the other; a field is there if it lies
 * inside of `size`. What is appended is 0 or NULL to those who do not know it.
 *
 * State. All that the guest can see is in the state block that the core hands
 * out: plain bytes, zeroed at first, no pointers. A vmm that is restarted,
 * upgraded or moved finds it there. What can be made again from it (buffers,
 * descriptors, registrations) belongs in create().
 *
 * Life of an instance:
 *
 *   fresh         create(0)                reset  resume ... run
 *   taken over    create(RV_CREATE_RESUME)        resume ... run
 *   stop          quiesce  (quiesced)    then resume, or reset and resume, or destroy
 *   guest reset   as stop, with the vCPUs stopped; RAM keeps its contents
 *   end           destroy, at any time after create
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ringvisor/chr.h>
#include <ringvisor/disk.h>
#include <ringvisor/fdt.h>
#include <ringvisor/net.h>

#define RV_DEVICE_ABI_MIN 1u /* oldest version that this header's structs serve */
#define RV_DEVICE_ABI     1u

#define RV_DEVICE_SYMBOL "ringvisor_device"

struct rv_instance; /* the core's side of one instance */
struct rv_timer;    /* a timer of it */
struct rv_watch;    /* a file descriptor that it watches */

enum rv_log_level { RV_LOG_ERROR, RV_LOG_WARN, RV_LOG_INFO, RV_LOG_DEBUG };

/* For fd_watch and fd_change. */
#define RV_FD_READ  0x1u
#define RV_FD_WRITE 0x2u

/* A piece of guest RAM as another process can map it. */
struct rv_mem_region {
    size_t size;     /* of this struct in the device */
    uint64_t ipa;    /* its first guest physical address */
    uint64_t bytes;  /* how long it is */
    uint64_t offset; /* where it begins in `fd` */
    int fd;          /* shared memory; the core's, open until destroy() */
};

enum rv_request {
    RV_REQUEST_RESET,     /* system reset, as PSCI's SYSTEM_RESET */
    RV_REQUEST_POWER_OFF, /* the guest is done: the vmm ends with status `code` (0 to 125) */
    RV_REQUEST_PANIC,     /* the guest said that it cannot go on; `code` is for the message */
};

/*
 * What the core offers. Each call takes the `host` that create() was given, and
 * may be made from create() on until destroy() returns. A handle that is not
 * the instance's, or no longer, is refused with a message. What an instance
 * has not freed when destroy() returns, the core frees.
 */
struct rv_vmm_ops {
    size_t size;  /* of this struct in the core that runs: see RV_HAS_OP */
    uint32_t abi; /* RV_DEVICE_ABI of that core */
    uint32_t reserved;

    void (*log)(struct rv_instance *instance, enum rv_log_level level, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));

    /* "pl011@9000000": unique in the VM, the same in each run. */
    const char *(*name)(struct rv_instance *instance);

    /*
     * Interrupts. Line 0 is the device's first. irq_set gives a line's level
     * and may be called as often as one likes. irq_pulse is for the lines in
     * `irq_edge`: one edge, one interrupt.
     */
    void (*irq_set)(struct rv_instance *instance, unsigned line, bool level);
    void (*irq_pulse)(struct rv_instance *instance, unsigned line);

    /*
     * Guest memory: `len` bytes from guest physical address `ipa`, any
     * alignment. Nothing but RAM is reached. mem_read and mem_write copy all or
     * nothing: 0, or -EFAULT if not every byte is RAM.
     *
     * mem_span gives the address of `len` bytes (at least 1) that are
     * contiguous in this process, valid until destroy(); NULL if they are not,
     * or not all RAM. The guest may change them at any time: load once into a
     * local, check the local, use the local. After a write through a span call
     * mem_dirty for what was written, before the guest can learn of it. Without
     * that the guest may run stale instructions and a migration lose the write.
     */
    int (*mem_read)(struct rv_instance *instance, uint64_t ipa, void *to, size_t len);
    int (*mem_write)(struct rv_instance *instance, uint64_t ipa, const void *from, size_t len);
    void *(*mem_span)(struct rv_instance *instance, uint64_t ipa, uint64_t len);
    void (*mem_dirty)(struct rv_instance *instance, uint64_t ipa, uint64_t len);

    /*
     * Time. now_ns never goes backwards, over a restart of the vmm neither, so
     * that a deadline may be kept in the state block; wall_ns is since
     * 1970-01-01 UTC and may be set. A timer is one-shot: it fires once, in the
     * loop, at or soon after `at_ns` of now_ns (a time that has passed: in the
     * next pass). timer_set moves one that is set already; timer_cancel of one
     * that is not set does nothing. timer_new: NULL when out of memory.
     */
    uint64_t (*now_ns)(struct rv_instance *instance);
    uint64_t (*wall_ns)(struct rv_instance *instance);
    struct rv_timer *(*timer_new)(struct rv_instance *instance, void (*fired)(void *opaque),
                                  void *opaque);
    void (*timer_set)(struct rv_instance *instance, struct rv_timer *timer, uint64_t at_ns);
    void (*timer_cancel)(struct rv_instance *instance, struct rv_timer *timer);
    void (*timer_free)(struct rv_instance *instance, struct rv_timer *timer);

    /*
     * A descriptor of the device's own in the loop: `ready` is called as long as
     * one of `events` (RV_FD_READ, RV_FD_WRITE; 0: none for now) holds, with
     * those that do; an error or hang-up counts as both. Remove the watch
     * before the descriptor is closed. fd_watch: NULL after a message.
     * fd_change: 0 or -errno.
     */
    struct rv_watch *(*fd_watch)(struct rv_instance *instance, int fd, unsigned events,
                                 void (*ready)(void *opaque, unsigned events), void *opaque);
    int (*fd_change)(struct rv_instance *instance, struct rv_watch *watch, unsigned events);
    void (*fd_remove)(struct rv_instance *instance, struct rv_watch *watch);

    /*
     * The instance's value of a declared property: what the user gave, or the
     * default, checked against the declaration. property_string serves STRING
     * and PATH and gives NULL if there is neither; the text lives as long as
     * the instance. property_uint serves UINT and SIZE, property_enum gives the
     * index in `choices`.
     */
    const char *(*property_string)(struct rv_instance *instance, const char *name);
    uint64_t (*property_uint)(struct rv_instance *instance, const char *name);
    bool (*property_bool)(struct rv_instance *instance, const char *name);
    unsigned (*property_enum)(struct rv_instance *instance, const char *name);

    /*
     * A further state block, for what depends on properties (as many queues as
     * the user wants). Only in create(). `name` is of at most 12 characters,
     * unique in the instance. Zeroed, or what was there before when the
     * instance is taken over. NULL after a message: no room, or another version
     * or size than it was.
     */
    void *(*state_block)(struct rv_instance *instance, const char *name, uint32_t version,
                         size_t size);

    /* The end of a quiesce() that returned -EINPROGRESS. */
    void (*quiesced)(struct rv_instance *instance);

    /* Asks the machine for something; it is done after the callback has returned. */
    void (*request)(struct rv_instance *instance, enum rv_request what, int code);

    /*
     * A counter that the vmm shows by this name: "requests", "bytes-read". The
     * device adds to it. Never NULL. Lives as long as the instance.
     */
    uint64_t *(*counter)(struct rv_instance *instance, const char *name, const char *help);

    /*
     * Character back ends: see ringvisor/chr.h. `spec` is what the user typed,
     * NULL the board's default: the vmm's standard input and output for the
     * first that asks for it, none for others. NULL after a message.
     */
    struct rv_chr *(*chr_open)(struct rv_instance *instance, const char *spec,
                               const struct rv_chr_callbacks *callbacks, void *opaque);
    size_t (*chr_write)(struct rv_instance *instance, struct rv_chr *chr, const uint8_t *data,
                        size_t len);
    void (*chr_accept)(struct rv_instance *instance, struct rv_chr *chr);
    void (*chr_close)(struct rv_instance *instance, struct rv_chr *chr);

    /*
     * Disks: see ringvisor/disk.h. disk_open: 0, or -errno after a message;
     * -ENOSYS from a core without disks.
     */
    int (*disk_open)(struct rv_instance *instance, const struct rv_disk_options *options,
                     struct rv_disk **disk);
    const struct rv_disk_info *(*disk_info)(struct rv_instance *instance, struct rv_disk *disk);
    void (*disk_submit)(struct rv_instance *instance, struct rv_disk *disk,
                        struct rv_disk_request *request);
    void (*disk_kick)(struct rv_instance *instance, struct rv_disk *disk);
    void (*disk_close)(struct rv_instance *instance, struct rv_disk *disk);
    /* 0, or -ETIMEDOUT when requests are still in flight after `timeout_ms` (-1: no limit). */
    int (*disk_drain)(struct rv_instance *instance, struct rv_disk *disk, int timeout_ms);

    /*
     * More of guest memory. mem_region: the `index`th piece of RAM, for a process
     * that serves the device (vhost-user): 0, or -ENOENT behind the last. What such a
     * process writes is for the device to mark by mem_dirty.
     *
     * mem_discard: the guest does not need these bytes, which are whole pages of 4
     * KiB: the host has their memory back, and they read as zero from now on. 0, -EFAULT (not
     * RAM), -EINVAL (not whole pages), or another -errno of the host's.
     */
    int (*mem_region)(struct rv_instance *instance, unsigned index, struct rv_mem_region *region);
    int (*mem_discard)(struct rv_instance *instance, uint64_t ipa, uint64_t len);

    /*
     * The image has another size (`capacity` 0: look how long it is), or is to get one. 0, and
     * changed() of the disk's options has been called if it is a new one; or -errno after a
     * message.
     */
    int (*disk_resize)(struct rv_instance *instance, struct rv_disk *disk, uint64_t capacity);
    /* Network back ends: see ringvisor/net.h. */
    int (*net_open)(struct rv_instance *instance, const struct rv_net_options *options,
                    struct rv_net **net);
    const struct rv_net_info *(*net_info)(struct rv_instance *instance, struct rv_net *net);
    int (*net_send)(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                    const struct iovec *iov, uint32_t count);
    int64_t (*net_receive)(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                           const struct iovec *iov, uint32_t count);
    void (*net_want)(struct rv_instance *instance, struct rv_net *net, uint32_t pair, bool want);
    void (*net_set_offloads)(struct rv_instance *instance, struct rv_net *net, uint64_t features);
    int (*net_set_pairs)(struct rv_instance *instance, struct rv_net *net, uint32_t pairs);
    void (*net_close)(struct rv_instance *instance, struct rv_net *net);
    int (*net_address)(struct rv_instance *instance, const char *text, uint8_t address[6]);
};

/* Has the core that runs this operation? For those that version 1 did not have. */
#define RV_HAS_OP(ops, op) \
    ((ops)->size >= offsetof(struct rv_vmm_ops, op) + sizeof((ops)->op) && (ops)->op != NULL)

enum rv_property_type {
    RV_PROPERTY_BOOL,   /* on, off, yes, no, true, false, 1, 0 */
    RV_PROPERTY_UINT,   /* decimal or 0x..., `min` to `max` */
    RV_PROPERTY_SIZE,   /* the same with K, M, G, T for units of 1024 */
    RV_PROPERTY_STRING, /* any text */
    RV_PROPERTY_ENUM,   /* one of `choices` */
    RV_PROPERTY_PATH,   /* text that is not empty */
};

struct rv_property {
    const char *name; /* a-z, 0-9, '-', '_', '.'; NULL ends the list */
    enum rv_property_type type;
    bool required;     /* there is no default: the user must give it */
    const char *value; /* default, as a user would type it; NULL: none (STRING and PATH only) */
    const char *help;
    const char *const *choices; /* ENUM: NULL-terminated */
    uint64_t min;               /* UINT, SIZE */
    uint64_t max;               /* 0: no limit */
};

/* A range of registers; offsets from the device's start. */
struct rv_range {
    uint64_t start;
    uint64_t size; /* 0 ends the list */
};

/* Where on the guest's board. */
enum rv_place {
    RV_PLACE_PLATFORM, /* anywhere on the platform bus: the next free addresses and SPIs */
    /*
     * At `fixed_base`, with SPIs from `fixed_spi` on, where guests look for it
     * without being told. If that is taken, on the platform bus.
     */
    RV_PLACE_FIXED,
    RV_PLACE_VIRTIO_MMIO, /* the next free virtio-mmio transport: 0x200 bytes, one line */
};

enum rv_device_event {
    RV_EVENT_POWER_BUTTON, /* the user wants the guest to shut itself down */
};

/* flags of create() */
#define RV_CREATE_RESUME 0x1u /* the state block is that of an earlier vmm's instance */

struct rv_device_class {
    /* RV_CLASS_HEADER fills these in. */
    uint32_t abi_min;
    uint32_t abi_max;
    size_t size;          /* sizeof(struct rv_device_class) at the time of building */
    size_t property_size; /* sizeof(struct rv_property) at the time of building */

    const char *name;        /* what --device takes: characters as in a property's name, 32 */
    const char *description; /* one line for `vmm devices` */
    const struct rv_property *properties;

    uint64_t mmio_size; /* bytes */
    enum rv_place place;
    uint32_t fixed_spi;
    uint64_t fixed_base;
    unsigned irq_lines; /* 64 at most */
    uint32_t state_version;
    uint64_t irq_edge; /* bit n: line n is edge-triggered; others are level, active high */
    size_t state_size; /* bytes of guest-visible state; may be 0: `state` is NULL then */

    const struct rv_fdt_node *fdt; /* NULL: not in the device tree */

    /*
     * Registers whose writes may be posted: the CPU that writes goes on at once
     * and the device is told a little later, still in order before anything
     * that this CPU does to devices afterwards. So only registers whose writes
     * have no effect that the guest could miss at once: a doorbell, a
     * transmit register; not one that lowers an interrupt line, not one whose
     * write can fail. Most important first: windows are few, each device gets
     * its first before any gets its second, and a range without one works as
     * well, only slower.
     */
    const struct rv_range *posted;

    /*
     * `*device` is handed to every other callback. 0, or -errno after saying why
     * by log(). With RV_CREATE_RESUME `state` holds what an instance before
     * left, perhaps in the middle of a callback, perhaps damaged: check it,
     * change no more of it than is needed to make it consistent, and drive the
     * interrupt lines as it says. Without, it is zeroed and reset() comes next.
     * Start no work on requests of the guest before resume().
     */
    int (*create)(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                  uint32_t flags, void **device);
    void (*destroy)(void *device);

    /*
     * All that the guest can see as after power-on. The vCPUs are stopped, and
     * the device is quiesced if it has been started before.
     */
    void (*reset)(void *device);

    /*
     * An access of `size` 1, 2, 4 or 8, aligned to it, inside of the registers.
     * 0; -errno: the guest gets an external abort. A read's bits above `size`
     * are ignored. -EINVAL to an access of 8 bytes: the registers are narrower and
     * nothing was done; the core then makes two accesses of 4 bytes.
     * A write that is not posted may give -EAGAIN: what it asks for is
     * not done yet. Its CPU then executes the instruction again, takes interrupts in
     * between, and comes here again until it is; all else goes on meanwhile.
     */
    int (*read)(void *device, uint64_t offset, unsigned size, uint64_t *value);
    int (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);

    /* The rest may be NULL. */

    /*
     * Take no new work and let what is in flight end. 0: nothing is in flight
     * now; -EINPROGRESS: quiesced() will be called. No access comes until
     * resume(), which may come before quiesced() was called. NULL: nothing is
     * ever in flight.
     */
    int (*quiesce)(void *device);

    /*
     * Begin, or go on: take new work. What the state block says is in flight is
     * submitted again: after a quiesce that is nothing, after
     * RV_CREATE_RESUME it is what the earlier vmm did not see the end of.
     */
    void (*resume)(void *device);

    /* Was the event taken? The first device that takes it is the last that is asked. */
    bool (*event)(void *device, enum rv_device_event event);

    /*
     * More of the device tree: `fdt_node` adds properties and then child nodes
     * to the instance's own node, `fdt_root` adds nodes to the root. Called for
     * each start of the guest, and they must give the same each time.
     */
    void (*fdt_node)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);
    void (*fdt_root)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);

    /*
     * For a device whose memory accesses are another process's (mem_region): call
     * mem_dirty now for all that may have been written since the last time and that
     * the guest can already know of. The core asks before it looks at what is dirty.
     */
    void (*sync)(void *device);
};

/*
 * The first line of a class: the versions that it can run with, from the oldest
 * on whose operations it is content with to the one that it is built with. A
 * device that needs what version N brought says RV_CLASS_HEADER_SINCE(N).
 */
#define RV_CLASS_HEADER_SINCE(n)                                                      \
    .abi_min = (n), .abi_max = RV_DEVICE_ABI, .size = sizeof(struct rv_device_class), \
    .property_size = sizeof(struct rv_property)
#define RV_CLASS_HEADER RV_CLASS_HEADER_SINCE(RV_DEVICE_ABI_MIN)

/* What a plugin defines. */
extern const struct rv_device_class ringvisor_device __attribute__((visibility("default")));
