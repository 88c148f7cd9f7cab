/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A folder of the host as a FUSE file system (<linux/fuse.h>): requests in, replies out.
 * The driver is hostile: every length, name, node and handle is checked.
 *
 * A node is an O_PATH descriptor. It is opened by its parent's descriptor and one name, and
 * the name is never followed, so nothing outside of the folder is reached. Contents are
 * opened by /proc/self/fd, and only of regular files and directories: FIFOs, devices and
 * sockets are handled by the guest alone.
 *
 * fs_handle() may be called from several threads.
 */
#pragma once

#include <linux/fuse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define FS_ROOT      FUSE_ROOT_ID
#define FS_MINOR_MIN 31u
#define FS_MINOR     36u          /* the version that this speaks; the driver may say less */
#define FS_WRITE_MAX (1u << 20)   /* bytes in a READ or WRITE */
#define FS_ARGS_MAX  (128u << 10) /* of any request but WRITE: two names, or a value */
#define FS_NODES_MAX (1u << 20)
#define FS_FILES_MAX (1u << 14)

struct fs;

struct fs_options {
    int root; /* O_PATH descriptor of the folder; fs_new() makes a copy */
    bool read_only;
    bool writeback;      /* the driver may delay writes */
    uint32_t timeout;    /* s for which the driver may trust names and attributes */
    uint32_t open_flags; /* FOPEN_x of each file */
    /* Part of each number that the driver gets: another one for each fs of a device. */
    uint16_t epoch;
    /* How many file systems share the descriptors of this process. NULL: one. */
    const atomic_uint *sharers;
};

struct fs_request {
    struct fuse_in_header header; /* a copy */
    uint8_t *args;                /* a copy of what follows; one more byte, which is 0 */
    size_t args_len;
    struct iovec *data; /* WRITE: the payload, in the guest's memory */
    unsigned data_count;
    struct iovec *out; /* the reply, in the guest's memory: fuse_out_header first */
    unsigned out_count;
    size_t out_bytes;
    size_t done;    /* WRITE: bytes that were written before the request had to wait */
    bool may_wait;  /* for a disk or a server: never set in the loop */
    size_t written; /* the result: bytes of the reply; 0: there is none */
};

/* NULL, with errno set: out of memory, or the folder cannot be read. */
struct fs *fs_new(const struct fs_options *options);

/* Closes all descriptors, which may take long. No request is in progress. */
void fs_free(struct fs *fs);

/* 0: done. -EAGAIN: the request would have to wait, and may_wait is false: nothing was done. */
int fs_handle(struct fs *fs, struct fs_request *r);

/* The driver sent INIT, or has to be taken as if it had: another process saw it. */
bool fs_has_begun(const struct fs *fs);
void fs_begin(struct fs *fs, bool writeback);
bool fs_delays_writes(const struct fs *fs);

/*
 * In a thread that handles requests and nothing else: modes of new files are the guest's to
 * mask, not this thread's umask. Without it, or where a policy refuses, modes are corrected
 * after the fact.
 */
void fs_thread_begin(void);
