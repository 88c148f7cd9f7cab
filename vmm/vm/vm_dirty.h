/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which pages of the VM's memory were written since a snapshot (dirty_map.h), found by write
 * protection in stage 2.
 *
 * Nothing is tracked, and nothing of it costs the guest anything, until the first vm_dirty_cut(), unless
 * the VM was restored from a snapshot that is to be the base of the next (vm_config.tracks). At a cut
 * all of RAM loses its write permission. The guest's first write to a page is a permission fault:
 * the page is added to the map, with some around it, gets the permission back, and the guest makes
 * the write again. Where stage 2 has RAM in blocks, all pages of one are written when one is. That
 * holds for every instruction that writes, and for the MMU when it sets a flag in the guest's tables.
 * What this process writes is added by vm_dirty_written().
 *
 * Offsets are in the VM's share: RAM, ROMs, stolen time. Only RAM is written by the guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/util/types.h"
#include "vmm/vm/dirty_map.h"

struct vm;

struct vm_dirty {
    struct dirty_map map; /* in the state block "dirty" */
    uint64_t next;        /* the page behind those that got their permission last */
    uint64_t grant;       /* how many these were */
};

/*
 * Of a VM_TAKEN_OVER that was tracked, or a VM_RESTORED that is to be: before its devices are made, and
 * before its RAM is mapped. 0, -ENOMEM, or -EINVAL after a message.
 */
int vm_dirty_open(struct vm *vm);

static inline bool vm_dirty_is_on(const struct vm_dirty *dirty)
{
    return dirty->map.head != NULL;
}

/*
 * The VM is paused, and a snapshot of it is being made: the cut. Tracking starts, unless it is on. 0,
 * -ENOMEM, or -EIO: the stub refuses it, and the VM is broken. Then vm_dirty_end() is due: `base` is
 * the name of the snapshot, or NULL if it failed.
 */
int vm_dirty_cut(struct vm *vm);
void vm_dirty_end(struct vm *vm, const char *base);

/* The map, up to date; call it before the cut. */
const struct dirty_map *vm_dirty_map(struct vm *vm);

/* Of a copy of the state area: a snapshot has no map. */
void vm_dirty_omit(void *state);

/* This process or a device wrote there, or will. */
void vm_dirty_written(struct vm *vm, uint64_t offset, uint64_t size);

/* May the guest write this page of RAM? */
static inline bool vm_dirty_may_write(const struct vm_dirty *dirty, uint64_t page)
{
    return !vm_dirty_is_on(dirty) || dirty_map_has(&dirty->map, page);
}
