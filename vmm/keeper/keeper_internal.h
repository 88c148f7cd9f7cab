/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What passes between the keeper and its worker: requests of the worker, each answered by one
 * message, over a socket of type SOCK_SEQPACKET. Descriptors travel along (SCM_RIGHTS).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_NAME_MAX 256u   /* with its NUL */
#define KEEPER_TEXT_MAX 16384u /* START: the program's arguments, each with its NUL */
#define KEEPER_FDS_MAX  8u
#define KEEPER_ENTRIES  512u /* descriptors that are kept */

enum keeper_op {
    KEEPER_KEEP = 1, /* one descriptor, by the name; it replaces one of that name */
    KEEPER_GET,      /* the answer brings it; -ENOENT: none is kept by that name */
    KEEPER_DROP,
    KEEPER_START,   /* a process: `text` is its command line, descriptors are its 3, 4, ... */
    KEEPER_SERVING, /* from here on another worker can take over */
    KEEPER_OPS,
};

/* Everything from `text` on is sent as far as it is used. */
struct keeper_message {
    uint32_t op;     /* request */
    int32_t result;  /* answer: 0 or -errno; of START, the process's number. START: its TCP port */
    uint32_t length; /* bytes of text */
    uint32_t pad;
    char name[KEEPER_NAME_MAX];
    char text[KEEPER_TEXT_MAX];
};

/* The descriptors of a message. Those of a received one are the receiver's, and close on exec. */
struct keeper_fds {
    int fd[KEEPER_FDS_MAX];
    unsigned count;
};

/* 0 or -errno. */
int keeper_send(int socket, const struct keeper_message *message, const struct keeper_fds *fds);

/* 1; 0: the other side has gone; -errno; -EPROTO: not a message, its descriptors are closed. */
int keeper_receive(int socket, struct keeper_message *message, struct keeper_fds *fds);

void keeper_fds_close(struct keeper_fds *fds);

/* The descriptors that are kept, by name. */
struct keeper_store {
    struct {
        char *name; /* NULL: free */
        int fd;
    } entry[KEEPER_ENTRIES];
};

/* `fd` is taken over, also when it fails. 0 or -errno. */
int keeper_store_put(struct keeper_store *store, const char *name, int fd);
int keeper_store_get(const struct keeper_store *store, const char *name); /* or -1 */
void keeper_store_drop(struct keeper_store *store, const char *name);
void keeper_store_free(struct keeper_store *store);

/*
 * A child that is killed when this process ends. `argv` is executed with `fds` as its
 * descriptors 3, 4, ...; standard input is /dev/null, and output goes to `output`. It is confined
 * (vmm/sandbox/child.h), but for `port`. The number of the process, or -errno.
 */
pid_t keeper_process_start(char *const argv[], const struct keeper_fds *fds, int output,
                           uint16_t port);
