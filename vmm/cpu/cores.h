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
    struct vcpu *vcpus[RV_MAX_VCPUS]; /* by number; nr_vcpus of them */
    struct sched sched;
    /*
     * Handles an event of a vCPU that was taken off its pCPU: a posted write, the end
     * of an interrupt, an SError. Must be set before a vCPU runs.
     */
    void (*handle_left)(struct vcpu *vcpu, const struct rv_event *event);
    struct {
        uint64_t polls, sleeps,
            short_polls; /* of the loop: looks in vain, and sleeps, for people */
        uint64_t moves;  /* of the loop's thread, see placement.h */
    } counts;
    struct journal *left; /* by another process, or NULL */

    /* Large, and used in part: cores_init() leaves the rest alone. */
    struct undo undo; /* of the event that is being handled */
    struct pcpu pcpus[RV_MAX_PCPUS];
    struct pcpu *in_exit; /* its exit is being handled, so it answers calls at once; or NULL */
};

/* `slice_ns`: how long a vCPU may keep a pCPU that another vCPU wants. */
void cores_init(struct cores *cores, struct machine *machine, uint64_t slice_ns);

/* Give a vCPU its number. */
int cores_add(struct cores *cores, struct vcpu *vcpu);

/*
 * The physical counter (CNTPCT_EL0), which only a CPU can read: a vCPU that is live nowhere goes
 * onto a pCPU that nobody uses and is stopped again before it runs an instruction; its page is
 * what it was afterwards. Not while an exit is handled. 0; -EBUSY: no pCPU is free; -ENOMEM;
 * -EIO: the machine is lost.
 */
int cores_read_counter(struct cores *cores, struct vcpu *vcpu, uint64_t *count);

/* As pcpu_call(), for a command that any pCPU may execute: on one that answers soon. */
int cores_call(struct cores *cores, struct rv_command *command, uint64_t *value);

/*
 * The same for a command that cannot lack room, and of which nothing but that it is done matters to the
 * vCPU whose exit is handled: nobody waits for it, as the stub executes it before the reply. Else, and where
 * the machine does it by itself, as cores_call().
 */
int cores_tell(struct cores *cores, struct rv_command *command);

/*
 * Before the first command: what this process does is in the journal, for another one. `found`: it
 * is what another one has left, for cores_take_over().
 */
void cores_journal(struct cores *cores, struct journal *journal, bool found);

/*
 * Take over cores that another process has left, in the middle of anything, with their vCPUs,
 * which were added in the same order. Afterwards all vCPUs are off, and their pages have their
 * registers: an exit that was not answered is made again. `barrier` is a command that any pCPU
 * executes without effect. 0 or -errno.
 */
int cores_take_over(struct cores *cores, const struct rv_command *barrier);

/*
 * The event that pcpu_next_event() gave is handled from now on: what it changes can be undone, and
 * its commands wait, until cores_decide(). False: it is a part of another event, or not the
 * journal's, and cores_decide() is not to be called.
 */
bool cores_begin(struct cores *cores, struct pcpu *pcpu, const struct rv_event *event);

/*
 * Nothing of the event will be undone from now on, and its commands are pushed. After it the
 * caller pushes a LOAD of `dirty` groups and `reply`, if that has an op. Where an event is decided
 * earlier, the last call only notes the reply.
 */
void cores_decide(struct cores *cores, struct pcpu *pcpu, const struct rv_command *reply,
                  uint32_t dirty);

/* After that, and before a vCPU runs: handle what they have left (`handle_left`). */
void cores_handle_left(struct cores *cores);

/* pcpu_posted() of all pCPUs. */
unsigned cores_posted(const struct cores *cores, uint64_t start, uint64_t size);

/* Is there an event of any pCPU? It may still turn out to be illegal. */
static inline bool cores_have_event(const struct cores *cores)
{
    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        if (pcpu_has_event(&cores->pcpus[i]))
            return true;
    }
    return false;
}
