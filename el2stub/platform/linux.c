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

/* The CPUs see what the vmm writes: it is one of them. FLUSH is for other CPUs' caches of code. */
void platform_memory_changed(uint64_t start, uint64_t size)
{
    cache_code_changed(start, size);
}
