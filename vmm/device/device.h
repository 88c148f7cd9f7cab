/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Device instances: a class from a plugin, its properties, and its wires to
 * the bus, the interrupt controller, guest memory and the loop.
 */
#pragma once

#include <event2/event.h>
#include <ringvisor/device.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/pci/pci_host.h"
#include "vmm/vm/bus.h"
#include "vmm/chardev/chardev.h"
#include "vmm/vm/ram.h"
#include "vmm/vm/state.h"
#include "vmm/vm/vm_clock.h"
#include "vmm/cpu/undo.h"
#include "vmm/device/plugin.h"
#include "vmm/util/types.h"

/*
 * An event base whose timers go by the precise clock: by default they go by one
 * that ticks some hundred times a second. NULL: out of memory.
 */
struct event_base *device_event_base(void);

/* The vmm's standard input and output, which one device has at a time. */
struct device_console {
    struct chardev *chardev; /* NULL: there is none, and "stdio" is refused */
    const char *user;        /* the name of the instance that has it, or NULL */
};

struct net_cards;

/* What the vmm gives a device. The struct is copied. */
struct device_env {
    const struct plugins *plugins;
    struct bus *bus;
    struct pci_host *pci; /* NULL: there is no PCI bus */
    struct event_base *base;
    const struct guest_ram *ram;
    int ram_fd; /* shared memory in which the guest's RAM begins at ram_offset; -1: none */
    uint64_t ram_offset;
    bool report_writes; /* RV_MEM_REPORT: see machine.h, `blind` */
    bool pinned;        /* see machine.h */
    struct device_console *console;
    struct net_cards *cards;      /* the guest's */
    struct state_area *state;     /* outlives the instance */
    const struct vm_clock *clock; /* the VM's time */
    struct undo *undo; /* is told before an access changes what the guest sees; or NULL */
    /* The state blocks hold a guest that runs: devices take it over, they are not reset. */
    bool resume;
    bool restored; /* also: they are of a snapshot */
    bool check; /* only that, of blocks that are a copy: no device is made, and none may be used */

    void *opaque;
    /*
     * Where the instance's regions go, in order, and the SPI of its first line. 0 or -errno
     * after a message.
     */
    int (*place)(void *opaque, const struct rv_device_class *class, ipa_t *bases,
                 uint32_t *first_spi);
    /* Called for each change of a line, and once for its first level. */
    void (*irq_set)(void *opaque, uint32_t intid, bool level);
    /* A range of guest RAM was written by a device; the guest does not know it yet. */
    void (*mem_dirty)(void *opaque, ipa_t ipa, uint64_t size);
    void (*request)(void *opaque, const char *device, const struct rv_request *request);
    /*
     * Memory in place of registers: see vmm/vm/vm_rom.h. If it is less than a page, it is a part
     * of one, and offsets count from the page's start. NULL: the VM has none.
     */
    int (*rom_new)(void *opaque, ipa_t base, uint64_t bytes, bool data, unsigned *index,
                   uint8_t **memory);
    void (*rom_show)(void *opaque, unsigned index, uint64_t offset, uint64_t size, bool shown);
    void (*rom_written)(void *opaque, unsigned index, uint64_t offset, uint64_t size);
    /* Writes to [start, start + size) may be posted from now on; size 0: none. NULL: never. */
    void (*post)(void *opaque, ipa_t start, uint64_t size);
    /* See writes_pending in <ringvisor/vmm.h>. NULL: none. */
    uint32_t (*writes_pending)(void *opaque, ipa_t start, uint64_t size);
};

/* The instance, by its name in the plugin ABI. */
struct rv_instance;

/*
 * `spec` is "name" or "name,property=value,..."; a bool's "=on" may be left
 * out, and two commas stand for one in a value. Line n of the device is SPI
 * first_spi + n as the device tree counts them, INTID 32 + first_spi + n.
 * 0, or after a message: -ENOENT: no such device; -EINVAL: bad property or
 * SPI; -EEXIST: the address is taken; -ENOMEM; what place() or the device said.
 */
int device_create(const struct device_env *env, const char *spec, struct rv_instance **device);

/* NULL is no device. */
void device_destroy(struct rv_instance *device);

/* Stop taking new work. 0: nothing is in flight; -EINPROGRESS: wait for device_is_quiet(). */
int device_quiesce(struct rv_instance *device);
bool device_is_quiet(const struct rv_instance *device);

/* Begin, or go on after device_quiesce(). */
void device_resume(struct rv_instance *device);

/* The guest's system reset, of a device that is quiet. */
void device_reset(struct rv_instance *device);

/*
 * Around the copying of the state blocks of a device that is quiet. device_before_save: 0, or
 * -errno after a message; then device_after_save is not called.
 */
int device_before_save(struct rv_instance *device);
void device_after_save(struct rv_instance *device, int error);

/* Did the device take the event? `type` is an enum rv_device_event_type. */
bool device_event(struct rv_instance *device, uint32_t type);

/* Guest memory comes or goes (enum rv_mem_change); before it goes, the device is quiet. */
void device_mem_changed(struct rv_instance *device, uint32_t change,
                        const struct rv_mem_region *region);

/* Calls `show` for each of the device's counters, in the order in which it made them. */
void device_counters(const struct rv_instance *device,
                     void (*show)(void *opaque, const char *device, const char *name,
                                  const char *help, uint64_t value),
                     void *opaque);

/*
 * Run time. device_get: the property's value as text: free() it; several values of a list are
 * separated by '\n'. NULL: no such property, or no value. device_set: 0; or, after a message,
 * -ENOENT (no such property), -EPERM (not at run time), -EINVAL (the value), or what the
 * device said.
 */
char *device_get(struct rv_instance *device, const char *name);
int device_set(struct rv_instance *device, const char *name, const char *value);

/*
 * A command with its arguments, a JSON object as text or NULL. `answer` is called once, from
 * inside of here or later: `error` is 0 or -errno, `json` an object or NULL. -ENOENT: the class
 * has no such command; -ECANCELED: the device has gone.
 */
void device_command(struct rv_instance *device, const char *name, const char *json,
                    void (*answer)(void *opaque, int error, const char *json), void *opaque);

/* "pl011@9000000", the unit name in the device tree; "virtio-blk@pci.1", by the slot. Unique. */
const char *device_name(const struct rv_instance *device);
const struct rv_device_class *device_class(const struct rv_instance *device);
void *device_opaque(const struct rv_instance *device); /* what the class's callbacks take */
ipa_t device_base(const struct rv_instance *device, unsigned region);
uint32_t device_first_spi(const struct rv_instance *device);
/* 0: it is not on the PCI bus, so device_base() and device_first_spi() say where it is. */
unsigned device_pci_slot(const struct rv_instance *device);
