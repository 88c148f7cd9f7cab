/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between tests/e2e/two_vms.c and the guests that it runs, neighbour.c: what each is to
 * do, and what it has seen. It is the last page of the guest's RAM.
 */
#pragma once

#include <stdint.h>

#define NEIGHBOUR_RAM       0x4000000ull /* bytes that each guest has */
#define NEIGHBOUR_PAGE      (NEIGHBOUR_RAM - 0x1000)
#define NEIGHBOUR_FILL      0x1000000ull /* from here to the page, RAM has the marker */
#define NEIGHBOUR_MAX_ADDRS 16u

struct neighbour_page {
    /* The host's: */
    uint64_t marker;         /* what this guest fills its RAM with */
    uint64_t other_inverted; /* ~ of what the other does */
    uint64_t rounds;         /* to make, then power off */
    uint64_t nr_addrs;
    uint64_t addrs[NEIGHBOUR_MAX_ADDRS]; /* of the machine: nothing of the guest's is there */
    /* The guest's: */
    uint64_t done;    /* rounds */
    uint64_t looked;  /* words, in RAM and elsewhere */
    uint64_t aborted; /* accesses that the guest may not make, and could not */
    uint64_t wrong;   /* 0, or how many things were seen that may not be */
    uint64_t first_wrong;
};
