/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/linux_cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CPUS 0x10000ul /* more than any kernel has */

static int number(const char **at, unsigned long *n)
{
    char *end;

    if (!isdigit((unsigned char)**at))
        return -EINVAL;
    *n = strtoul(*at, &end, 10);
    *at = end;
    return *n < CPUS ? 0 : -EINVAL;
}

/* The CPUs of the kernel from `first` to `last`: how many of them have the stub. */
static unsigned long add(const struct linux_cpus *cpus, unsigned long first, unsigned long last,
                         uint64_t *mask)
{
    unsigned long found = 0;

    for (unsigned i = 0; cpus && i < cpus->nr; i++) {
        if (cpus->number[i] < first || cpus->number[i] > last)
            continue;
        *mask |= 1ull << i;
        found++;
    }
    return found;
}

int linux_cpus_parse(const char *list, const struct linux_cpus *cpus, uint64_t *mask)
{
    int error = 0;

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
        if (add(cpus, first, last, mask) != last - first + 1)
            error = -ENODEV;
        if (!*list || (*list == '\n' && !list[1]))
            return cpus ? error : 0;
        if (*list++ != ',')
            return -EINVAL;
    }
}

void linux_cpus_print(const struct linux_cpus *cpus, uint64_t mask, char *text, size_t size)
{
    size_t at = 0;

    *text = 0;
    for (unsigned i = 0; i < cpus->nr; i++) {
        if (mask >> i & 1 && at < size)
            at += (size_t)snprintf(text + at, size - at, "%s%u", at ? "," : "", cpus->number[i]);
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
