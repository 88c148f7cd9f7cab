/* SPDX-License-Identifier: BSD-2-Clause */
/* A virtual machine: its memory, vCPUs, interrupt controller and devices, on a machine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/vm/bus.h"
#include "vmm/cpu/cores.h"
#include "vmm/device/device.h"
#include "vmm/exit/exit.h"
#include "vmm/gic/v2m.h"
#include "vmm/gic/vgic.h"
#include "vmm/loader/loader.h"
#include "vmm/machine/machine.h"
#include "vmm/net/net_address.h"
#include "vmm/device/plugin.h"
#include "vmm/pci/pci_host.h"
#include "vmm/sysreg/set_way.h"
#include "vmm/vm/code_pages.h"
#include "vmm/vm/state.h"
#include "vmm/vm/vm_core.h"
#include "vmm/cpu/vcpu.h"
#include "vmm/vm/vm_debugger.h"
#include "vmm/vm/vm_dirty.h"
#include "vmm/vm/vm_lazy.h"
#include "vmm/vm/vm_place.h"
#include "vmm/vm/vm_rom.h"

#define VM_MAX_VCPUS   32u
#define VM_MAX_DEVICES 64u
#define VM_MAX_LINES   64u /* interrupt lines of one device */

/* Where a VM's state comes from. */
enum vm_origin {
    VM_NEW,        /* it is made */
    VM_TAKEN_OVER, /* a vmm on this machine has left it: its time has run on */
    VM_RESTORED,   /* from a snapshot: its time goes on where it was saved */
    VM_REPLAYED,   /* from a recording of a guest that ran: without devices and their time */
};

struct vm_config {
    const char *name; /* or NULL */
    unsigned nr_vcpus;
    uint64_t ram_size;
    uint64_t rom_size;    /* of all devices' memory that the guest can read: vm_devices_rom() */
    const char *bootargs; /* or NULL */
    struct loader_config files;
    bool firmware; /* it is in the flash, starts at its beginning and loads the files */
    const char *const *devices; /* what --device gave, nr_devices of them */
    unsigned nr_devices;
    const char *dump_dtb; /* or NULL: file to write the device tree to */
    bool no_reboot;
    bool no_devices; /* not even those of the board: for a replay */
    enum vm_origin origin;
    const struct vm_lazy_source *lazy; /* or NULL: all of RAM is there */
    const char *tracks; /* VM_RESTORED: the snapshot since which writes are tracked; or NULL */
    int state_fd; /* not VM_NEW: the memory object of the state area, which becomes the VM's */
};

/* What of the machine is a VM's: no two VMs share any of it. Offsets and sizes in bytes. */
struct vm_share {
    unsigned id;         /* the stub's number, below RV_MAX_VMS */
    uint64_t ram_offset; /* in the machine's RAM; vm_memory_size() bytes */
};

/* vm_pause.c */
struct vm_pause {
    bool on;
    bool settled; /* the devices are quiet, and their clock stands */
    bool kept;    /* a snapshot is being copied: neither vm_resume() nor a reset */
};

/* vm_counter.c */
struct vm_counter {
    unsigned stops;
    int64_t since_ns; /* CLOCK_MONOTONIC: when it stopped */
};

struct vm {
    struct vm_config config;
    struct vm_share share;
    struct cores *cores;
    struct machine *machine;
    struct state_area state;
    struct vm_core *core; /* in `state` */
    struct vm_clock clock;
    struct bus *bus;
    struct event_base *base;
    struct guest_ram ram;
    struct device_console console;
    struct net_cards cards;
    struct vgic vgic;
    struct rv_posted posted[RV_MAX_POSTED]; /* for the pages of all vCPUs */
    struct pci_host pci;
    struct v2m v2m; /* where PCI functions send their messages */
    struct exit_ctx exits;
    struct code_pages code;
    struct vm_dirty dirty;
    struct set_way set_way[VM_MAX_VCPUS];
    struct guest_roms roms;
    struct vm_rom rom_state[GUEST_ROMS_MAX]; /* of the same index */
    uint64_t rom_code_used, rom_data_used;   /* bytes of config.rom_size */
    uint64_t rom_parts_used;                 /* bytes of those behind the stolen time */
    bool rom_data_hidden;                    /* see vm_rom_show_data() */
    struct pvtime_region pvtime;
    struct loader loader;
    struct vcpu vcpus[VM_MAX_VCPUS];
    uint64_t mpidr[VM_MAX_VCPUS];
    struct vm_place place;
    struct rv_instance *devices[VM_MAX_DEVICES];
    const struct vm_debugger *debugger; /* or NULL */
    struct event *patience;             /* the devices have been quiescing for long */
    unsigned nr_devices;
    struct vm_lazy *lazy; /* or NULL */
    struct vm_pause pause;
    struct vm_counter counter;
    bool loaded;    /* `loader` has the guest's files */
    bool running;   /* the stub knows the VM, and vCPUs may run */
    bool resetting; /* vm_reset() waits for the devices */
    bool leaving;   /* from vm_leave() to vm_stay() */
    bool failed;    /* the guest cannot go on: it switched off its last vCPU */
    bool broken;    /* the stub refused a command, panicked, or was lost */
};

/* What a VM takes of the machine's RAM: its own, its ROMs, and what the vmm shows it. */
uint64_t vm_memory_size(uint64_t ram_size, uint64_t rom_size);

/* Where stolen time is, in the VM's share. */
uint64_t vm_pvtime_offset(const struct vm *vm);

/*
 * Make the VM on a machine whose stub may not be up yet: devices, interrupt
 * controller, files. 0 or -errno after a message.
 *
 * Of a VM that is not VM_NEW, guest memory and vCPU pages must be in place before: its devices
 * may change interrupt lines, and then the pages.
 */
int vm_create(struct vm *vm, const struct vm_config *config, const struct vm_share *share,
              struct cores *cores, struct event_base *base, const struct plugins *plugins,
              struct chardev *console);

/*
 * Load the guest, wait for the stub, tell it of the VM, start vCPU 0. The event
 * loop turns meanwhile; when `*over` becomes true it gives up. 0 or -errno.
 */
int vm_start(struct vm *vm, const bool *over);

/*
 * Instead of vm_start(), for a VM_TAKEN_OVER that vm_create() has made: let it go on. 0 or -errno.
 */
int vm_take_over(struct vm *vm);

/* A part of vm_create() for it: all vCPUs are off their cores, and their pages are whole. */
int vm_take_cores(struct vm *vm);

/* The parts of vm_start() that come after the guest's files, for a replay. */
void vm_know_cpus(struct vm *vm); /* the machine is ready */
int vm_announce(struct vm *vm);   /* the stub knows the VM; vm_begin() does this */
int vm_begin(struct vm *vm, const struct loader_layout *layout);

/*
 * vm_map.c: a part of the guest's RAM, or all of it, gets into stage 2: by pages of 4 KiB where
 * vm_ram_has_pages(), else by blocks of 2 MiB. There, on the machine `linux`, the stub has no memory
 * for tables of all pages. With all permissions, unless vm_dirty.h has a page there that may not be
 * written: then for reading. 0 or -errno.
 */
bool vm_ram_has_pages(const struct vm *vm);
int vm_map_ram(struct vm *vm, uint64_t offset, uint64_t size);
int vm_map_all_ram(struct vm *vm);

/* The pages [page, end) get the permissions that code_pages.h and vm_dirty.h say. It cuts no block. */
int vm_protect_ram(struct vm *vm, uint64_t page, uint64_t end);

/*
 * System reset: every vCPU and device as after vm_start(), and the guest's files loaded
 * again; the rest of RAM keeps its contents. It waits for what the devices have in flight,
 * however long that takes: while `request` stays VM_RESET, call it again, from the loop.
 * 0 or -errno after a message.
 */
int vm_reset(struct vm *vm);

/* Take all vCPUs off their cores, for good. 0 or -EIO. */
int vm_stop(struct vm *vm);

void vm_destroy(struct vm *vm);

/* Handle one event of a vCPU of the VM: answer the exit, and notify the other vCPUs that it concerns. */
void vm_event(struct vm *vm, struct vcpu *vcpu, const struct rv_event *event);

/*
 * cores.handle_left. The vCPU is live nowhere: all of its registers are in its page, and
 * nobody waits for a reply.
 */
void vm_event_left(struct vcpu *vcpu, const struct rv_event *event);

/* Switch the vCPU off: its registers are in its page then. 0 or -EIO. */
int vm_stop_vcpu(struct vm *vm, struct vcpu *vcpu);

/*
 * This process or a device wrote these IPAs, which are in RAM: call it before the guest can
 * learn of the write. If the stub refuses, the VM is broken.
 */
void vm_code_written(struct vm *vm, ipa_t start, uint64_t size);

/* The state block of it, new or taken over. 0 or -EINVAL. */
int vm_code_open(struct vm *vm);

/* What an earlier vmm was telling the stub, it is told. 0 or a negative value. */
int vm_code_take_over(struct vm *vm);

/* Did the guest try to execute a page that vm_code_written() has taken its permission from? */
bool vm_code_is_fetch(const struct vm *vm, const struct rv_event *event);

/* The guest may execute the page at `addr`, and does not find old code there. */
void vm_code_fetched(struct vm *vm, ipa_t addr);

/* A struct sysreg's `set_way`: clean all of the guest's memory, once for each loop of these. */
void vm_code_set_way(void *opaque, unsigned vcpu, uint16_t key, uint64_t operand);

extern const struct psci_ops vm_psci_ops;
