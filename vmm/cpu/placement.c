/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/placement.h"

#include <sched.h>

/* So many in that time are exits without a pause: a guest that waits for a disk has fewer. */
#define LATE_MANY    16u
#define LATE_SPAN_NS 2000000

/* What an exit costs where two threads share a CPU and sleep. */
#define LATE_COST_NS 30000

/* Long enough for a lost time slice and one of its own. A guest without exits for ten times that says nothing. */
#define TRIAL_NS     (PLACEMENT_NS / 2ll)
#define TRIAL_MAX_NS (10 * TRIAL_NS)

#define PAUSE_MIN_NS (PLACEMENT_NS / 2ll)
#define PAUSE_MAX_NS (100ll * PLACEMENT_NS)

static bool leave_cpu(void)
{
    int cpu = sched_getcpu();
    cpu_set_t allowed, others;

    if (cpu < 0 || sched_getaffinity(0, sizeof(allowed), &allowed))
        return false;
    others = allowed;
    CPU_CLR((size_t)cpu, &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof(others), &others))
        return false;
    sched_setaffinity(0, sizeof(allowed), &allowed);
    return true;
}

/* Has the last move paid? If not, the next one waits, longer each time. */
static void judge(struct placement *placement, int64_t now)
{
    int64_t took = now - placement->moved;

    if (!placement->tried || took < TRIAL_NS)
        return;
    placement->tried = false;
    if (took > TRIAL_MAX_NS)
        return;
    if (placement->answers * (int64_t)LATE_COST_NS > took)
        placement->pause = 0;
    else if (placement->pause == 0)
        placement->pause = PAUSE_MIN_NS;
    else if (placement->pause < PAUSE_MAX_NS)
        placement->pause *= 2;
    placement->next = placement->moved + placement->pause;
}

bool placement_late(struct placement *placement, int64_t now)
{
    placement->answers++;
    judge(placement, now);
    if (placement->late == 0 || now - placement->since > LATE_SPAN_NS) {
        placement->late = 0;
        placement->since = now;
    }
    if (++placement->late < LATE_MANY)
        return false;
    placement->late = 0;
    if (placement->tried || now < placement->next || !leave_cpu())
        return false;
    placement->tried = true;
    placement->moved = now;
    placement->answers = 0;
    return true;
}
