/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM as the target of a debugger: its vCPUs stop and go on, its registers are in the vCPUs'
 * pages while they are stopped.
 *
 * While the guest may run and there are breakpoints, watchpoints or a step, the debug exceptions
 * of all vCPUs come to the vmm (MDCR_EL2.TDE), and the guest's own debug registers are a copy
 * here. Otherwise the guest has its debug registers for itself, attached or not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gdb/gdb_memory.h"
#include "vmm/gdb/gdb_points.h"
#include "vmm/gdb/gdb_registers.h"
#include "vmm/gdb/gdb_session.h"
#include "vmm/vm/vm.h"

#define GDB_STATE_NAME    "gdb"
#define GDB_STATE_VERSION 1u

/*
 * What a debugger has changed in the guest, and what was there before: the state block "gdb", by
 * which another worker, to which no debugger is attached, makes the guest its own again.
 */
struct gdb_state {
    struct gdb_points points;
    bool armed; /* the points are set, or are about to be */
    struct gdb_target_vcpu {
        bool armed;            /* its debug exceptions come to us */
        struct rv_debug guest; /* armed: the guest's own debug registers */
        struct gdb_action action;
        uint64_t masked; /* of ICH_VMCR_EL2: what a step has taken away from the guest */
    } vcpus[VM_MAX_VCPUS];
};

struct gdb_target {
    struct vm *vm;
    struct vm_debugger hooks;
    struct gdb_registers registers;
    struct gdb_memory memory;
    struct gdb_state *state;
    bool stopped; /* all vCPUs are held */
    void (*on_stop)(void *opaque, const struct gdb_stop *stop);
    void *opaque;
};

/*
 * The VM has been started, or was taken over: then what a debugger of the process before has left
 * in the guest goes. `on_stop` is called when it stops by itself after a resume.
 * 0, or -errno after a message.
 */
int gdb_target_init(struct gdb_target *target, struct vm *vm,
                    void (*on_stop)(void *opaque, const struct gdb_stop *stop), void *opaque);
void gdb_target_free(struct gdb_target *target);

/* All vCPUs. 0, or -EIO: the machine is lost. Also for a target that is stopped. */
int gdb_target_stop(struct gdb_target *target);

extern const struct gdb_target_ops gdb_target_ops;
