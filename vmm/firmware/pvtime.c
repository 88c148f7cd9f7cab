/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/firmware/pvtime.h"

#include <errno.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the guest reads little-endian");

int pvtime_region_init(struct pvtime_region *region, void *memory, size_t size, unsigned nr_vcpus)
{
    if ((uintptr_t)memory % sizeof(struct pvtime_stolen) ||
        size / sizeof(struct pvtime_stolen) < nr_vcpus)
        return -EINVAL;
    memset(memory, 0, nr_vcpus * sizeof(struct pvtime_stolen));
    *region = (struct pvtime_region){memory, nr_vcpus};
    return 0;
}

/*
 * DEN0057A: the value is updated atomically with respect to the guest's 64-bit
 * read. One aligned store is (Arm ARM B2.2.1), if the compiler may not split it.
 * It orders nothing: the guest looks at no other field of the structure.
 */
void pvtime_account(struct pvtime_region *region, unsigned vcpu, uint64_t stolen_ns)
{
    __atomic_store_n(&region->stolen[vcpu].stolen_ns, stolen_ns, __ATOMIC_RELAXED);
}

uint64_t pvtime_stolen_ns(const struct pvtime_region *region, unsigned vcpu)
{
    return __atomic_load_n(&region->stolen[vcpu].stolen_ns, __ATOMIC_RELAXED);
}

bool pvtime_call(const struct pvtime *pvtime, const struct call *call, struct call_result *result)
{
    uint32_t asked = (uint32_t)call->x[1];

    if (!pvtime->available)
        return false;
    switch (call->function) {
    case PVTIME_FEATURES:
        call_return(result, asked == PVTIME_FEATURES || asked == PVTIME_ST ? CALL_SUCCESS
                                                                           : CALL_NOT_SUPPORTED);
        return true;
    case PVTIME_ST:
        result->x[0] = pvtime->base + call->vcpu * sizeof(struct pvtime_stolen);
        return true;
    default: return false;
    }
}
