/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's pCPUs and all vCPUs that run on them, of whatever VM. The stub
 * knows a vCPU by its number here.
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
     * Set before a vCPU runs. Handles an event of a vCPU that was taken off its pCPU:
     * a posted write, the end of an interrupt, an SError.
     */
    void (*handle_left)(struct vcpu *vcpu, const struct rv_event *event);
    struct pcpu *in_exit; /* whose exit is being handled: it answers calls at once; or NULL */
};

/* `slice_ns`: how long a vCPU has a pCPU that another wants. */
void cores_init(struct cores *cores, struct machine *machine, uint64_t slice_ns);

/* Give a vCPU its number. */
int cores_add(struct cores *cores, struct vcpu *vcpu);

/* A command that any pCPU may do: as pcpu_call(), on one that answers soon. */
int cores_call(struct cores *cores, struct rv_command *command, uint64_t *value);
