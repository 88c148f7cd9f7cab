/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a VM tells its debugger, if it has one. While the debugger has set RV_MDCR_BITS in a
 * vCPU's page, the vCPU's debug exceptions come to it first, and the guest's accesses to the
 * debug registers trap and mean a copy that the debugger keeps.
 */
#pragma once

#include <stdbool.h>

#include "proto/vcpu.h"
#include "vmm/cpu/vcpu.h"

enum vm_debugger_answer {
    VM_DEBUGGER_PASS,   /* it is the guest's */
    VM_DEBUGGER_RESUME, /* the guest goes on, and notices nothing */
    VM_DEBUGGER_HELD,   /* the vCPU is off its pCPU, and is held */
};

struct vm_debugger {
    /* A debug exception (decode_is_debug()) of a vCPU, in a blocking exit. */
    enum vm_debugger_answer (*exit)(void *opaque, struct vcpu *vcpu, const struct rv_event *event);
    /* The vCPU's page was reset: for CPU_ON, or CPU_SUSPEND with a power-down. It does not run. */
    void (*vcpu_reset)(void *opaque, unsigned index);
    /* It is off. */
    void (*vcpu_off)(void *opaque, unsigned index);
    /* The system is reset: all vCPUs are off; and vCPU 0 is about to run. */
    void (*reset_begins)(void *opaque);
    void (*reset_ends)(void *opaque);
    /* The guest's own debug registers of a vCPU in a blocking exit; and they were written. */
    struct rv_debug *(*registers)(void *opaque, unsigned index);
    void (*registers_written)(void *opaque, unsigned index);
    void *opaque;
};
