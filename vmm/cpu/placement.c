/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/placement.h"

#define STAY_NS  5000000    /* at least so long on the others: a move costs some microseconds */
#define RELAX_NS 1000000000 /* so long after the last move any CPU will do again */

void placement_init(struct placement *placement)
{
    *placement = (struct placement){.last = -RELAX_NS};
}

void placement_leave(struct placement *placement, int64_t now)
{
    int cpu = sched_getcpu();
    cpu_set_t set;

    if (now - placement->last < STAY_NS || cpu < 0 || sched_getaffinity(0, sizeof(set), &set))
        return;
    /* Somebody may have set another one meanwhile. */
    if (!placement->narrowed || !CPU_EQUAL(&set, &placement->chosen))
        placement->allowed = set;
    placement->last = now;
    placement->chosen = placement->allowed;
    CPU_CLR((size_t)cpu, &placement->chosen);
    if (CPU_COUNT(&placement->chosen) == 0 ||
        sched_setaffinity(0, sizeof(placement->chosen), &placement->chosen))
        return;
    placement->narrowed = true;
    placement->moves++;
}

void placement_relax(struct placement *placement, int64_t now)
{
    cpu_set_t set;

    if (!placement->narrowed || now - placement->last < RELAX_NS)
        return;
    placement->narrowed = false;
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_EQUAL(&set, &placement->chosen))
        sched_setaffinity(0, sizeof(placement->allowed), &placement->allowed);
}
