/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPUs that the host has turned off and given away: pCPUs, each with a channel. All of it is
 * seen by the host as "off". The host's memory of a channel is set to zero before TAKE.
 */
#include "arch.h"
#include "el2stub/host/host.h"
#include "shortcut.h"

/* The CPU of this index goes from one state to another; RV_HOST_BUSY: it is in a third. */
int host_change(uint64_t index, uint32_t from, uint32_t to)
{
    struct host_cpu *host = &host_cpus[index_nospec(index, RV_MAX_PCPUS)];

    if (index >= boot.nr_pcpus)
        return RV_HOST_UNKNOWN;
    /* Release: what the caller stored before. Pairs with the acquires of the CPU in question. */
    if (!__atomic_compare_exchange_n(&host->state, &from, to, false, __ATOMIC_RELEASE,
                                     __ATOMIC_RELAXED))
        return RV_HOST_BUSY;
    gic_kick(1ull << index);
    return 0;
}

int host_state(uint64_t index)
{
    const struct host_cpu *host = &host_cpus[index_nospec(index, RV_MAX_PCPUS)];

    if (index >= boot.nr_pcpus)
        return RV_HOST_UNKNOWN;
    return (int)__atomic_load_n(&host->state, __ATOMIC_ACQUIRE);
}

/* A parked CPU that was taken: from its first event on as on any machine. */
_Noreturn void host_serve(struct pcpu *pcpu)
{
    pcpu->command_tail = 0;
    pcpu->event_head = 0;
    pcpu->event_tail = 0;
    pcpu->ring_broken = false;
    pcpu->ppis = 0;
    pcpu->poll_limit = boot.poll_limit;
    write_sysreg(vectors, vbar_el2);
    isb();
    pcpu_main(pcpu);
}

/*
 * gic.c: an interrupt of the host's was on its way to a CPU that the host has turned off meanwhile. The
 * distributor is the host's: an SPI is not masked, but goes where the doorbell goes, which is a CPU
 * that the host has, and pends there again, as the edge is used up. Of an LPI there is nothing to give
 * back. It is no fault of the guest that runs here.
 */
bool platform_stray(uint32_t intid)
{
    const uint64_t gicd = boot.gicd_base;
    uint64_t route = mmio64(gicd + GICD_IROUTER(boot.doorbell_intid));

    if (intid < INTID_SPECIAL) {
        mmio64(gicd + GICD_IROUTER(intid)) = route;
        mmio32(gicd + GICD_ISPENDR(intid)) = 1u << intid % 32;
    }
    return true;
}

/* exit.c: between two commands. Does not return when the host wants the CPU back. */
void platform_check(struct pcpu *pcpu)
{
    if (__atomic_load_n(&host_of(pcpu)->state, __ATOMIC_ACQUIRE) != HOST_RETURNS)
        return;
    /* Nobody takes events any more: there is always room for the last one. */
    pcpu->event_tail = pcpu->event_head;
    if (pcpu->vcpu)
        world_leave(pcpu);
    write_sysreg(host_vectors, vbar_el2);
    isb();
    host_repark(pcpu);
}
