/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's pCPUs, and the vCPUs of all VMs that run on them. A vCPU's number
 * here is its number in the stub.
 */
#pragma once

#include "vmm/machine/machine.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/sched.h"
#include "vmm/cpu/vcpu.h"

struct cores {
    struct machine *machine;
    unsigned nr_pcpus;
    unsigned nr_vcpus;
    struct pcpu pcpus[RV_MAX_PCPUS];
    struct vcpu *vcpus[RV_MAX_VCPUS]; /* by number; nr_vcpus of them */
    struct sched sched;
    /*
     * Handles an event of a vCPU that was taken off its pCPU: a posted write, the end
     * of an interrupt, an SError. Must be set before a vCPU runs.
     */
    void (*handle_left)(struct vcpu *vcpu, const struct rv_event *event);
    struct pcpu *in_exit; /* its exit is being handled, so it answers calls at once; or NULL */
};

/* `slice_ns`: how long a vCPU may keep a pCPU that another vCPU wants. */
void cores_init(struct cores *cores, struct machine *machine, uint64_t slice_ns);

/* Give a vCPU its number. */
int cores_add(struct cores *cores, struct vcpu *vcpu);

/* As pcpu_call(), for a command that any pCPU may execute: on one that answers soon. */
int cores_call(struct cores *cores, struct rv_command *command, uint64_t *value);
