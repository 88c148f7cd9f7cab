/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM from a snapshot, in a new process on a new machine. Each part is checked against its
 * checksum; the guest does not begin, and no disk is touched, before all of them have been.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "vmm/vm/vm.h"

struct snapshot_source;

/* The snapshot in that folder: its manifest has been checked. 0 or -errno after a message. */
int snapshot_open(const char *path, struct snapshot_source **source);

/* The options of its VM, less those that are not for a second run, and where they were given. */
json_t *snapshot_options(const struct snapshot_source *source);
const char *snapshot_folder(const struct snapshot_source *source);

/*
 * Are the disks what they were? One that is not, and whose contents the snapshot has, gets them
 * back if `revert`: they are checked, and copied beside the disk; snapshot_load() replaces it.
 * 0 or -errno after a message.
 */
int snapshot_prepare_disks(struct snapshot_source *source, bool revert);

/*
 * The keeper, if there is one, keeps the manifest, so that snapshot_open() finds it there in a
 * later worker, whatever has become of the folder. 0 or -errno after a message.
 */
int snapshot_keep(const struct snapshot_source *source);

/* Is `config` of the snapshot's VM? A part of snapshot_load(). 0 or -EINVAL after a message. */
int snapshot_check_config(const struct snapshot_source *source, struct vm_config *config);

/*
 * snapshot_load() does not read the guest's RAM: it is read while the guest runs (vm_lazy.h), and
 * checked only then. `loaded` is called when all of it is there.
 */
void snapshot_be_lazy(struct snapshot_source *source, void (*loaded)(void *opaque), void *opaque);

/* The snapshot will be the base of the VM's next one: what is written is tracked from the start. */
void snapshot_track(struct snapshot_source *source);

/*
 * Memory, registers and state for the VM that `config` describes, on a machine that was just
 * started; `config` then says to vm_create() that it is restored. Waits for the machine's stub,
 * to see its CPU. 0 or -errno after a message.
 */
int snapshot_load(struct snapshot_source *source, struct machine *machine, struct event_base *base,
                  const bool *over, const struct vm_share *share, struct vm_config *config);

/* Before the machine's memory goes: nothing is written to it any more. */
void snapshot_end_reading(struct snapshot_source *source);

/* Instead of vm_start(): the guest goes on. 0 or -errno after a message. */
int snapshot_start(struct snapshot_source *source, struct vm *vm);

/* NULL is allowed. */
void snapshot_close(struct snapshot_source *source);
