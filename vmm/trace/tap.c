/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/trace/tap.h"

struct tap *tap_first;

void tap_add(struct tap *tap)
{
    tap->next = tap_first;
    tap_first = tap;
}

void tap_remove(struct tap *tap)
{
    struct tap **link = &tap_first;

    while (*link && *link != tap)
        link = &(*link)->next;
    if (*link)
        *link = tap->next;
}
