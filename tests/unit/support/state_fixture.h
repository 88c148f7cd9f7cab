/* SPDX-License-Identifier: BSD-2-Clause */
/* A state area of its own for each test. */
#pragma once

#include <unistd.h>

#include "vmm/vm/state.h"

static struct state_area area;

static int setup(void **state)
{
    *state = &area;
    return state_create(&area);
}

static int teardown(void **state)
{
    state_close(*state);
    return 0;
}

/* As a vmm that comes after this one. */
static int attach_again(void)
{
    int fd = dup(area.fd);

    state_close(&area);
    return state_attach(&area, fd);
}
