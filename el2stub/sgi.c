/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SGIs from a guest's vCPU to others that are live, without a message (ICC_SGI1R_EL1, IHI 0069,
 * 12.2.19).
 *
 * Each vCPU has a word, `sgis`. Its low half has the SGIs that other cores have left for it, its
 * high half those that it accepts: the ones that are enabled, while it is live. A sender leaves an
 * SGI in one atomic step, and only if it is accepted; then it kicks the vCPU's core. All else is
 * done by that core. No SGI is lost, whatever the core does meanwhile:
 *
 * - The kick is sent after the SGI is in the word (release, DSB), and stays pending until gic_irq()
 *   acknowledges it. Pending, it ends the guest's run, also one that is about to begin, and each
 *   wait (poll() looks at ISR_EL1; WFI). Once it is acknowledged, exit_serve() looks at the word
 *   before the guest runs, or the core waits, again.
 * - A vCPU that leaves first accepts no more, and then takes what is there: it goes with the list
 *   registers. So a word whose vCPU is live nowhere is 0.
 * - A command to the vCPU that asks for its interrupts finds in list registers what was left before.
 * - What is not accepted is the vmm's to deliver: the sender's exit says who has the SGI already.
 *   So is an SGI to oneself. If there are more of them than list registers, the vmm has arranged
 *   all by priority when the guest goes on.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define ACCEPTED_SHIFT 16

static bool is_target(const struct vcpu *from, const struct vcpu *vcpu, uint64_t value)
{
    if (vcpu->vm != from->vm)
        return false;
    if (value & SGIR_IRM)
        return vcpu != from;
    if ((value ^ vcpu->affinity) & SGIR_CLUSTER)
        return false;
    return (value & vcpu->affinity & SGIR_LIST) != 0;
}

/* Leave an SGI for the vCPU's core. False: it does not accept it. Others may do so, too. */
static bool leave(struct vcpu *vcpu, uint32_t sgi)
{
    uint32_t old = __atomic_load_n(&vcpu->sgis, __ATOMIC_RELAXED);

    do {
        if (!(old >> ACCEPTED_SHIFT & sgi))
            return false;
        /* Acquire: the release in sgi_accept(); release: the acquire in sgi_take(). */
    } while (!__atomic_compare_exchange_n(&vcpu->sgis, &old, old | sgi, true, __ATOMIC_ACQ_REL,
                                          __ATOMIC_RELAXED));
    return true;
}

/*
 * The vCPU that is live here writes `value` to ICC_SGI1R_EL1. False: not all targets have got it.
 * Those that have are added to `*reached`, a bit for each vCPU.
 */
bool sgi_send(struct pcpu *pcpu, uint64_t value, uint64_t *reached)
{
    uint64_t kick = 0;
    bool all = true;

    for (uint32_t i = 0; i < boot.nr_vcpus; i++) {
        const struct pcpu *target;

        if (!is_target(pcpu->vcpu, &vcpus[i], value))
            continue;
        if (&vcpus[i] == pcpu->vcpu || !leave(&vcpus[i], 1u << SGIR_INTID(value))) {
            all = false;
            continue;
        }
        *reached |= 1ull << i;
        target = __atomic_load_n(&vcpus[i].pcpu, __ATOMIC_RELAXED);
        if (target) /* else it has left since, and taken the SGI with it */
            kick |= 1ull << target->index;
    }
    gic_kick(kick);
    return all;
}

/* Which SGIs the vCPU that is live here, or about to be, accepts from now on. */
void sgi_accept(struct vcpu *vcpu, uint32_t sgis)
{
    __atomic_fetch_and(&vcpu->sgis, SGIS, __ATOMIC_RELAXED);
    __atomic_fetch_or(&vcpu->sgis, sgis << ACCEPTED_SHIFT, __ATOMIC_RELEASE);
}

/*
 * Put what was left for the vCPU that is live here into list registers. One that was disabled
 * since is the vmm's to take back. False: there was nothing.
 */
bool sgi_take(struct pcpu *pcpu)
{
    struct vcpu *vcpu = pcpu->vcpu;
    uint32_t sgis;

    if (!vcpu || !(__atomic_load_n(&vcpu->sgis, __ATOMIC_RELAXED) & SGIS))
        return false;
    sgis = __atomic_fetch_and(&vcpu->sgis, ~SGIS, __ATOMIC_ACQUIRE) & SGIS;
    for (; sgis; sgis &= sgis - 1)
        lr_inject(pcpu, vcpu->direct[__builtin_ctz(sgis)] | LR_PENDING);
    return true;
}
