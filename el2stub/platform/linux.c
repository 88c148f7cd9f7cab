/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A computer whose Linux runs on top of the stub. The doorbell is an SPI that the module has
 * requested: the stub makes it pending, Linux takes it, and never the stub itself.
 */
#include "arch.h"
#include "el2stub/stub.h"

/* The distributor is the host's. A store to ISPENDR concerns only the bits that are set. */
void platform_doorbell_ring(void)
{
    dsb_ish(); /* what the vmm is to see was stored before (IHI 0069, "Observability") */
    mmio32(boot.gicd_base + GICD_ISPENDR(boot.doorbell_intid)) = 1u << boot.doorbell_intid % 32;
}

/* The module kicks by SGI, not by the doorbell. */
uint64_t platform_doorbell_kicks(void)
{
    return 0;
}

/*
 * Between two looks at the command ring: wait for a store to its next entry, and return how many ticks
 * of the counter that took, 1 at least. LDAXR has the global monitor watch the entry. A store of the
 * vmm's before it is in what it loads; one after it clears the monitor, which is an event for this
 * CPU (Arm ARM D1.6, "Wait for Event"). The Event Register keeps an event that comes before the WFE, so none is lost. An
 * interrupt ends no WFE while PSTATE masks it: the caller looks for one, and the counter's event
 * stream (world.c: CNTHCTL_EL2) brings it back to that.
 */
uint32_t platform_pause(const struct pcpu *pcpu)
{
    const struct rv_command *next =
        &pcpu->channel->command[pcpu->command_tail % RV_COMMAND_ENTRIES];
    uint64_t start = read_sysreg(cntpct_el0);
    uint32_t seq;

    __asm__ volatile("ldaxr %w0, %1" : "=r"(seq) : "Q"(next->seq) : "memory");
    if (seq != pcpu->command_tail + 1)
        ORDERED("wfe");
    return (uint32_t)(read_sysreg(cntpct_el0) - start) + 1;
}

/* The CPUs see what the vmm writes: it is one of them. FLUSH is for other CPUs' caches of code. */
void platform_memory_changed(uint64_t start, uint64_t size)
{
    cache_code_changed(start, size);
}
