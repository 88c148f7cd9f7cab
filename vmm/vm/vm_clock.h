/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VM's clock: nanoseconds that never go backwards, neither over a restart of the vmm nor
 * over a boot of the host. It is the host's monotonic clock and an offset, and the offset is
 * state.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/vm/state.h"

struct vm_clock_state;

struct vm_clock {
    struct vm_clock_state *state;
    bool stopped;
    uint64_t stopped_at; /* the VM's time then */
};

/*
 * Makes the clock's state block, or with `resume` takes over the one that is there: a vmm that
 * died on this host has left a clock that ran on; after another boot, and from a snapshot, the
 * clock goes on from when it was saved last. 0 or -errno after a message.
 */
int vm_clock_init(struct vm_clock *clock, struct state_area *area, bool resume);

uint64_t vm_clock_now(const struct vm_clock *clock);

/* The VM is paused: its time stands; and goes on from there. */
void vm_clock_stop(struct vm_clock *clock);
void vm_clock_go_on(struct vm_clock *clock);

/* The state block is about to be copied; and that is over, and the VM goes on here. */
void vm_clock_save(struct vm_clock *clock);
void vm_clock_saved(struct vm_clock *clock);
