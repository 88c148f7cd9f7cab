/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of saving share: save.c begins it in the loop's thread, save_disks.c finds the
 * disks there, and save_files.c writes all of it in a thread of its own.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/snapshot/folder.h"
#include "vmm/snapshot/manifest.h"
#include "vmm/snapshot/ram_image.h"
#include "vmm/snapshot/save.h"

#define WHY_MAX 512u

enum snapshot_phase { PHASE_COPIES, PHASE_COPIED, PHASE_ENDED };

struct snapshot {
    struct snapshot_calls calls;
    struct manifest manifest;
    struct ram_memory memory;
    struct vm *vm;            /* the loop's thread's */
    bool tracks;              /* vm_dirty_end() is due */
    uint64_t *pages;          /* what was written since the base: memory.pages */
    char digest[DIGEST_TEXT]; /* of the manifest, at PHASE_ENDED */
    struct snapshot_folder folder;
    void *state, *cpus;
    size_t state_size, cpus_size;
    bool copies_disks;
    bool told_copied;
    int disk_fds[MANIFEST_DISKS_MAX]; /* the sources; -1: not copied */

    pthread_t thread;
    bool has_thread;
    atomic_bool cancelled;
    atomic_uint phase; /* enum snapshot_phase */
    int wake;          /* eventfd: the phase has changed */
    struct event *woken;
    char why[WHY_MAX]; /* empty: no error. The thread's until PHASE_ENDED */
    uint64_t bytes;    /* of the folder */
};

/* What is to be added to an error of a path: it may be the sandbox's. */
const char *snapshot_hint(int error);

/* Says why in `why`, of WHY_MAX bytes. Returns `error`. */
int snapshot_complain(char *why, int error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * save_base.c: the base that the manifest names, and what has changed since. 0; or -errno, and `why` says
 * why.
 */
int snapshot_take_base(struct snapshot *s, struct vm *vm, const char *folder, const char *base,
                       char *why);

/* The disks that the guest writes to, into the manifest. 0; or -errno, and `why` says why. */
int snapshot_find_disks(struct snapshot *s, struct vm *vm, char *why);

/* The thread, with the snapshot. It touches nothing of the VM but its memory, until PHASE_COPIED. */
void *snapshot_write(void *opaque);

/* The loop's thread, woken by s->wake: the phase by now. What comes later wakes it again. */
enum snapshot_phase snapshot_told(struct snapshot *s);
