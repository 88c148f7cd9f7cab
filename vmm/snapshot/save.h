/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Taking a snapshot of a VM that is paused.
 *
 * A snapshot is a folder: manifest.json, the vCPU pages ("registers"), the state area ("state"),
 * guest memory ("ram"), and a copy of each disk that the guest can write. It is put together
 * under another name and gets its own at the end, so that it is whole or not there.
 *
 * With `track`, what the VM writes from then on is tracked (vmm/vm/vm_dirty.h), and the snapshot can be
 * the base of a later one, which has only the memory that was written since.
 *
 * Small parts are copied at once. A thread writes the files; the VM may go on when `copied` is
 * called, and the checksums of the disks are made after that.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm;
struct snapshot;

struct snapshot_config {
    const char *folder; /* absolute; there must be nothing of this name */
    const char *name;   /* of the VM */
    json_t *options;
    const char *base; /* absolute, the last snapshot with `track` or a base; or NULL: it is whole */
    bool track;       /* also if it has a base */
    bool disks;       /* copy them; else they are only named, and must not change until a restore */
};

struct snapshot_calls {
    /* Memory and disks are copied: the VM may go on. Not called if that failed. */
    void (*copied)(void *opaque);
    /* It is whole, or `why` says why not (a sentence for the user), and nothing is left of it. */
    void (*ended)(void *opaque, const char *why, uint64_t bytes);
    void *opaque;
};

/*
 * The VM must be paused (vm_is_paused()) and stay so until `copied` or `ended` is called, which
 * happens in the event loop. 0; or -errno, and `why` says why: a device that cannot be saved, or
 * -ESTALE: the base is none for what is tracked.
 */
int snapshot_begin(struct vm *vm, struct event_base *base, const struct snapshot_config *config,
                   const struct snapshot_calls *calls, struct snapshot **snapshot, char *why,
                   size_t why_size);

/* Snapshots will be written below this folder: the sandbox is told. 0, or -errno after a message. */
int snapshot_allow(struct vm *vm, const char *folder);

/* It is not wanted any more: `ended` comes soon, and says why not unless it was whole already. */
void snapshot_cancel(struct snapshot *snapshot);

/* Ends it early, if need be: nothing is left, and no call comes any more. */
void snapshot_free(struct snapshot *snapshot);
