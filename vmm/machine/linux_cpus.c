/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/linux_cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#define CPUS 64ul

static int number(const char **at, unsigned long *n)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return -EINVAL;
    *n = strtoul(*at, &end, 10);
    *at = end;
    return *n < CPUS ? 0 : -EINVAL;
}

int linux_cpus_parse(const char *list, uint64_t *mask)
{
    *mask = 0;
    for (;;) {
        unsigned long first, last;

        if (number(&list, &first))
            return -EINVAL;
        last = first;
        if (*list == '-') {
            list++;
            if (number(&list, &last) || last < first)
                return -EINVAL;
        }
        for (unsigned long cpu = first; cpu <= last; cpu++)
            *mask |= 1ull << cpu;
        if (!*list || (*list == '\n' && !list[1]))
            return 0;
        if (*list++ != ',')
            return -EINVAL;
    }
}

uint64_t linux_cpus_pick(uint64_t online, uint64_t taken, unsigned wanted)
{
    uint64_t left = online & ~taken, picked = 0;

    for (; wanted && left & (left - 1); wanted--) {
        uint64_t last = 1ull << (63 - __builtin_clzll(left));

        picked |= last;
        left &= ~last;
    }
    return wanted ? 0 : picked;
}
