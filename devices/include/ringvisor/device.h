/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plugin ABI, version 1. A device class is a struct rv_device_class in a shared object.
 * The object exports one class by the symbol `ringvisor_device`, or several by the symbol
 * `ringvisor_devices`, a table of pointers that ends with NULL. docs/plugins.md leads through
 * a first device.
 *
 * Words. The *vmm* is the program that loads the device; what it offers is in
 * ringvisor/vmm.h. An *instance* is one device of one guest.
 *
 * Threads. The calls of one instance are serialised: no callback of it is entered while
 * another one of the same instance runs, and all that the vmm offers but post() is called
 * from within a callback. Two instances may one day run at the same time on two threads, so
 * a device keeps nothing in globals. No callback may block. No operation of the vmm but
 * disk_drain calls back into the device from inside of itself. A device that starts threads
 * of its own brings their results back to the loop by post().
 *
 * Growth. Each struct that crosses the ABI carries its size, or the class carries the size of
 * the elements of a list, and each grows at its end, so that either side may be older than
 * the other; a field is there if it lies inside of `size`. What is appended is 0 or NULL to
 * those who do not know it. Enumerations are numbers of fixed width in structs, and a side
 * refuses a number that it does not know. What can be added so without a break:
 *  - the end of an interrupt: a callback irq_ended(device, line) at the end of the class, which
 *    is called when the guest has completed a level interrupt whose line is still high;
 *  - attributes of an access: fields at the end of struct rv_access;
 *  - more kinds of requests, events, sync modes, changes of memory: new numbers.
 *
 * State. All that the guest can see is in the instance's state blocks: plain bytes, zeroed at
 * first, no pointers. A vmm that is restarted, upgraded or moved finds them there. What can
 * be made again from them (buffers, descriptors, registrations) belongs in create().
 *
 * Life of an instance:
 *
 *   fresh         create(0)                          reset  resume ... run
 *   taken over    (upgrade) create(RV_CREATE_RESUME)        resume ... run
 *   stop          quiesce  (quiesced)     then resume, or reset and resume, or destroy
 *   guest reset   as stop, with the vCPUs stopped; memory keeps its contents
 *   saved         as stop, then before_save, the blocks are copied, after_save, resume
 *   end           destroy, at any time after create
 *
 * Quiet. An instance is quiet from the end of create() to resume(), and from the end of
 * quiesce (0, or quiesced()) to resume(). While it is quiet the vmm calls none of its
 * functions but those of the table above, mem_changed, command, fdt_node and fdt_root: timers
 * that fall due, descriptors that are ready, input of back ends and posted work wait for
 * resume(), and connections wait in a listener's backlog. The device for its part has no disk
 * request in flight, and outside of create(), reset(), sync() and mem_changed() it writes no
 * guest memory and changes no interrupt line. The vmm checks that, and refuses or reports what
 * breaks it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ringvisor/fdt.h>
#include <ringvisor/property.h>
#include <ringvisor/vmm.h>

#define RV_DEVICE_ABI_MIN 1u /* oldest version that this header's structs serve */
#define RV_DEVICE_ABI     1u

#define RV_DEVICE_SYMBOL  "ringvisor_device"
#define RV_DEVICES_SYMBOL "ringvisor_devices"

/* A range of registers; offsets from the region's start. Size of an element: `range_size`. */
struct rv_range {
    uint64_t start;
    uint64_t size; /* 0 ends the list */
};

#define RV_VCPU_NONE UINT32_MAX

/* rv_access.flags */
#define RV_ACCESS_POSTED 0x1u /* a write whose vCPU has gone on already */

/* How an access came. Valid during the callback only. */
struct rv_access {
    uint32_t size;   /* of this struct in the vmm that runs */
    uint32_t region; /* index in `regions` of the class */
    uint32_t vcpu;   /* number of the vCPU that makes it, from 0; RV_VCPU_NONE: no vCPU */
    uint32_t flags;  /* RV_ACCESS_x */
};

/*
 * An access of `width` 1, 2, 4 or 8 bytes, aligned to it, inside of the region. 0; -errno: the
 * guest gets an external abort. A read's bits above `width` are ignored. -EINVAL to an access
 * of 8 bytes: the registers are narrower and nothing was done; the vmm then makes two accesses
 * of 4 bytes. -EAGAIN to a write that is not posted: what it asks for is not done yet. Its
 * vCPU then executes the instruction again, takes interrupts in between, and comes here again
 * until it is; all else goes on meanwhile.
 */
typedef int rv_read_fn(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                       const struct rv_access *access);
typedef int rv_write_fn(void *device, uint64_t offset, uint32_t width, uint64_t value,
                        const struct rv_access *access);

/* rv_region.flags */
#define RV_REGION_MEMORY 0x1u /* has memory that the guest can be shown: whole pages of 4 KiB */
#define RV_REGION_DATA   0x2u /* ... which it reads and never executes: region_dirty is cheap */
/*
 * The memory of a virtio-mmio transport is data, and a part of a page. The guest is shown the page
 * while all transports in it show theirs. There may be none.
 */

/* One piece of the guest's address space that the device answers for. Element: `region_size`. */
struct rv_region {
    uint64_t bytes;      /* 0 ends the list */
    uint64_t fixed_base; /* RV_PLACE_FIXED: its address */
    rv_read_fn *read;
    rv_write_fn *write;
    /*
     * Registers whose writes may be posted: the vCPU that writes goes on at once and the
     * device is told a little later, still in order before anything that this vCPU does to
     * devices afterwards. So only registers whose writes have no effect that the guest could
     * miss at once: a doorbell, a transmit register; not one whose write can fail, and not one
     * that lowers an interrupt line without a look at writes_pending. Most important first:
     * windows are few, each device gets its first before any gets its second, and a range
     * without one works as well, only slower. NULL: none.
     */
    const struct rv_range *posted;
    uint32_t flags; /* RV_REGION_x */
    uint32_t reserved;
};

/* Where on the guest's board. */
enum rv_place {
    RV_PLACE_PLATFORM, /* anywhere on the platform bus: the next free addresses and SPIs */
    /*
     * Each region at its `fixed_base`, with SPIs from `fixed_spi` on, where guests look for it
     * without being told. If one of that is taken, all of it goes to the platform bus.
     */
    RV_PLACE_FIXED,
    RV_PLACE_VIRTIO_MMIO, /* the next free virtio-mmio transport: one region of 0x200, one line */
    /*
     * A function of the PCI bus: `regions` are its BARs in order. A BAR's size is a power of two;
     * there are 5 at most, or 6 of a function without MSI-X. Writes to them are posted, as on
     * any PCI bus.
     */
    RV_PLACE_PCI,
};

enum rv_device_event_type {
    RV_EVENT_POWER_BUTTON, /* the user wants the guest to shut itself down */
};

struct rv_device_event {
    uint32_t size; /* of this struct in the vmm that runs */
    uint32_t type; /* enum rv_device_event_type */
};

/* A command of the user for the instance: one of `commands` of the class. */
struct rv_device_command {
    uint32_t size; /* of this struct in the vmm that runs */
    uint32_t reserved;
    const char *name;
    const char *json;       /* its arguments: an object as text; "{}" if there are none */
    struct rv_reply *reply; /* for the operation reply() */
};

/* A state block of an older version that is to become one of the class's version. */
struct rv_state_upgrade {
    uint32_t size; /* of this struct in the vmm that runs */
    uint32_t from_version;
    uint32_t to_version;
    uint32_t reserved;
    const char *block; /* NULL: the class's own; else the name as for state_block */
    const void *from;
    uint64_t from_size;
    void *to; /* zeroed */
    uint64_t to_size;
};

enum rv_sync_mode {
    /* Mark what the guest can already know of: it may run code from there. */
    RV_SYNC_VISIBLE,
    /* Mark all that may have been written since the last time: it is copied to elsewhere. */
    RV_SYNC_ALL,
    /* From now on marks have to be exact (a log of the other process's), and no longer. */
    RV_SYNC_TRACK_BEGIN,
    RV_SYNC_TRACK_END,
};

enum rv_mem_change {
    RV_MEM_ADDED,   /* the region is there: mem_map reaches it */
    RV_MEM_REMOVED, /* it goes: unmap what lies in it. The device is quiet. */
};

/* flags of create() */
#define RV_CREATE_RESUME   0x1u /* the state blocks are those of an earlier vmm's instance */
#define RV_CREATE_RESTORED 0x2u /* also: of a snapshot, from which other guests may begin, too */

struct rv_device_class {
    /* RV_CLASS_HEADER fills these in: sizes at the time of building. */
    uint32_t abi_min;
    uint32_t abi_max;
    uint32_t size;          /* sizeof(struct rv_device_class) */
    uint32_t property_size; /* sizeof(struct rv_property) */
    uint32_t region_size;   /* sizeof(struct rv_region) */
    uint32_t range_size;    /* sizeof(struct rv_range) */
    uint32_t command_size;  /* sizeof(struct rv_command_info) */
    uint32_t reserved;

    const char *name;        /* what --device takes: characters as in a property's name, 32 */
    const char *description; /* one line for `vmm devices` */
    const struct rv_property *properties;   /* NULL: none */
    const struct rv_command_info *commands; /* NULL: none */
    const struct rv_region *regions;        /* 1 to 8; the first gives the instance its name */
    const struct rv_fdt_node *fdt;          /* NULL: not in the device tree */

    uint32_t place;     /* enum rv_place */
    uint32_t fixed_spi; /* RV_PLACE_FIXED: of line 0 */
    uint32_t irq_lines; /* 64 at most */
    uint32_t state_version;
    uint64_t irq_edge;   /* bit n: line n is edge-triggered; others are level, active high */
    uint64_t state_size; /* bytes of guest-visible state; may be 0: `state` is NULL then */

    /*
     * `*device` is handed to every other callback. 0, or -errno after saying why by log().
     * With RV_CREATE_RESUME `state` holds what an instance before left, perhaps in the middle
     * of a callback, perhaps damaged: check it, change no more of it than is needed to make
     * it consistent, and drive the interrupt lines as it says. Without, it is zeroed and
     * reset() comes next. Start no work on requests of the guest before resume().
     */
    int (*create)(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                  uint32_t flags, void **device);
    void (*destroy)(void *device);

    /*
     * All that the guest can see as after power-on. The vCPUs are stopped, and the device is
     * quiet if it has been started before.
     */
    void (*reset)(void *device);

    /* The rest may be NULL. */

    /*
     * Take no new work and let what is in flight end. 0: nothing is in flight now;
     * -EINPROGRESS: quiesced() will be called. No access comes until resume(), which may come
     * before quiesced() was called. NULL: nothing is ever in flight.
     *
     * In flight is: a disk request, a request of the guest that a thread or another process
     * of the device works on, a mapping that one of these uses. Not in flight, and kept: what
     * waits for the outside (a receive buffer of the guest, input that has not come), armed
     * timers, mappings of rings.
     */
    int (*quiesce)(void *device);

    /*
     * Begin, or go on: take new work. What the state block says is in flight is submitted
     * again: after a quiesce that is nothing, after RV_CREATE_RESUME it is what the earlier
     * vmm did not see the end of.
     */
    void (*resume)(void *device);

    /*
     * The quiet instance's blocks are about to be copied: put into them what is only kept in
     * the device's memory (state_resize is allowed). 0, or -errno: this instance cannot be
     * saved now. after_save: that is over; `error` says whether it went well.
     */
    int (*before_save)(void *device);
    void (*after_save)(void *device, int error);

    /*
     * Before create(RV_CREATE_RESUME), and from inside of its state_block, for each block
     * that an older version of the class has left: fill in `to` from `from`. 0; -errno after
     * log(): this version is too old, and the instance is not made. NULL: only the class's
     * own version is taken over. A newer one never is.
     */
    int (*upgrade)(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                   const struct rv_state_upgrade *upgrade);

    /* Was the event taken? The first device that takes it is the last that is asked. */
    bool (*event)(void *device, const struct rv_device_event *event);

    /*
     * More of the device tree: `fdt_node` adds properties and then child nodes to the
     * instance's own node, `fdt_root` adds nodes to the root. Called for each start of the
     * guest, and they must give the same each time.
     */
    void (*fdt_node)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);
    void (*fdt_root)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);

    /*
     * For a device whose memory accesses are another process's (mem_region): call mem_dirty
     * as `mode` (enum rv_sync_mode) says. An unknown mode is taken for RV_SYNC_ALL. This
     * version of the vmm never asks. One that copies the memory of a guest that runs will, each
     * time before it looks at what is dirty, and it can only copy the memory of guests whose
     * devices were built with an answer: that is why the callback is in version 1.
     */
    void (*sync)(void *device, uint32_t mode);

    /* Guest memory comes or goes: `change` is an enum rv_mem_change. */
    void (*mem_changed)(void *device, uint32_t change, const struct rv_mem_region *region);

    /*
     * Run time. set: the user changes a property that is declared `runtime`; `value` has been
     * checked against the declaration. 0, or -errno: it stays as it was. get: the property's
     * value now, as text into `text` of `size` bytes; the length of the text, or -errno;
     * -ENOENT: the vmm answers with what was given or set. Any property may be asked for.
     */
    int (*set)(void *device, const char *name, const char *value);
    int64_t (*get)(void *device, const char *name, char *text, uint64_t size);

    /* One of `commands`. 0: reply() is called, now or later; -errno: it failed, without one. */
    int (*command)(void *device, const struct rv_device_command *command);

    /*
     * Not NULL: the user may choose the PCI bus for an instance by the property RV_PROPERTY_BUS,
     * which the class declares. These are then its regions, as of RV_PLACE_PCI.
     */
    const struct rv_region *pci_regions;
};

/*
 * The first line of a class: the versions that it can run with, from the oldest on whose
 * operations it is content with to the one that it is built with. A device that needs what
 * version N brought says RV_CLASS_HEADER_SINCE(N).
 */
#define RV_CLASS_HEADER_SINCE(n)                                                          \
    .abi_min = (n), .abi_max = RV_DEVICE_ABI, .size = sizeof(struct rv_device_class),     \
    .property_size = sizeof(struct rv_property), .region_size = sizeof(struct rv_region), \
    .range_size = sizeof(struct rv_range), .command_size = sizeof(struct rv_command_info)
#define RV_CLASS_HEADER RV_CLASS_HEADER_SINCE(RV_DEVICE_ABI_MIN)

/* What a plugin defines: one of the two. */
extern const struct rv_device_class ringvisor_device __attribute__((visibility("default")));
extern const struct rv_device_class *const ringvisor_devices[]
    __attribute__((visibility("default")));
