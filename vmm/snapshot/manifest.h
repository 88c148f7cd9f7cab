/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manifest of a snapshot, manifest.json: what it is of, what can run it, and the checksum of
 * each of its parts. It has a checksum of its own, so that a change is noticed.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "vmm/snapshot/part.h"

#define MANIFEST_FILE      "manifest.json"
#define MANIFEST_FORMAT    1 /* of the manifest and all parts */
#define MANIFEST_OVERLAY   2 /* the same, of a snapshot that has a base: its "ram" is an overlay */
#define MANIFEST_DISKS_MAX 64u
#define MANIFEST_IDS       64u /* RV_ID_INDEX */

/* The CPU and what the guest knows of it. */
struct manifest_cpu {
    uint64_t id[MANIFEST_IDS]; /* as the guest reads them, but MIDR_EL1 as it is */
    uint64_t frequency;        /* of the counter, Hz */
    uint64_t dczid;
    uint64_t sve; /* vector lengths */
};

struct manifest_disk {
    char *device;              /* "virtio-blk@a000000" */
    char *path;                /* absolute */
    struct snapshot_part part; /* no file: the snapshot has no copy, and the disk must not change */
    uint64_t size;             /* of the file at `path`, when the snapshot was taken */
    int64_t mtime_ns;
};

struct manifest {
    char *name;           /* of the VM */
    char *version;        /* of ringvisor */
    char *folder;         /* where relative paths in the options begin */
    json_t *options;      /* as for vmm run --config */
    uint64_t memory, rom; /* bytes */
    uint64_t vcpus;
    struct manifest_cpu cpu;
    uint64_t counter;  /* CNTVCT_EL0 while the guest stands */
    uint64_t physical; /* CNTPCT_EL0 then */
    struct snapshot_part ram, cpus, state;
    /* The snapshot that memory builds on: its folder, as seen from this one's or absolute. NULL: none. */
    char *base;
    char base_digest[DIGEST_TEXT]; /* of that manifest */
    char digest[DIGEST_TEXT];      /* of this one, once it was read */
    struct manifest_disk disks[MANIFEST_DISKS_MAX];
    unsigned nr_disks;
};

/* The text of the file: free() it. `digest` is what it is called by. NULL: out of memory. */
char *manifest_write(const struct manifest *manifest, char digest[DIGEST_TEXT]);

/* The same into the folder, on stable storage as part_write() has it. 0 or -errno. */
int manifest_write_file(const struct manifest *manifest, int folder, char digest[DIGEST_TEXT]);

/*
 * Takes the text apart and checks it. 0; or -EINVAL after a message that begins with `where`:
 * no manifest, damaged, changed, of another format or version of the ABI. manifest_free() is due
 * in any case.
 */
int manifest_read(struct manifest *manifest, const char *text, size_t size, const char *where);

/*
 * Opens the file of the snapshot whose folder is `path`, as seen from the folder `at`: its descriptor
 * or -errno. `*folder` is open as well, and the caller's, unless it is -1.
 */
int manifest_open(int at, const char *path, int *folder);

/* The same as manifest_read() with the contents of a file. 0 or -errno after a message. */
int manifest_read_file(struct manifest *manifest, int fd, const char *where);

void manifest_free(struct manifest *manifest);

/* Can the guest go on on this CPU? 0, or -EINVAL after a message that says what differs. */
int manifest_check_cpu(const struct manifest_cpu *saved, const struct manifest_cpu *here);
