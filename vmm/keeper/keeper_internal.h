/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What passes between the keeper and its worker: requests of the worker, each answered by one
 * message, over a socket of type SOCK_SEQPACKET. Descriptors travel along (SCM_RIGHTS). The
 * worker may be of another version than the keeper: all of it is fixed, and both sides compare
 * KEEPER_PROTOCOL.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "vmm/keeper/kept.h"
#include "vmm/util/fd_message.h"

#define KEEPER_NAME_MAX 256u   /* with its NUL */
#define KEEPER_TEXT_MAX 16384u /* START: the program's arguments, each with its NUL */
#define KEEPER_FDS_MAX  FD_MESSAGE_MAX
#define KEEPER_ENTRIES  512u /* descriptors that are kept */
#define KEEPER_PROTOCOL 1u

/* The name of the socket on which `vmm upgrade` asks for another vmm. */
#define KEEPER_UPGRADES "upgrades"

enum keeper_op {
    KEEPER_KEEP = 1, /* one descriptor, by the name; it replaces one of that name */
    KEEPER_GET,      /* the answer brings it; -ENOENT: none is kept by that name */
    KEEPER_DROP,
    KEEPER_START,   /* a process: `text` is its command line, descriptors are its 3, 4, ... */
    KEEPER_SERVING, /* from here on another worker can take over */
    KEEPER_READY,   /* a successor would take the guest; the answer comes once it may */
    KEEPER_TAKES,   /* KEEP by a successor, after which no other one can have the guest */
    KEEPER_UPGRADE, /* of `vmm upgrade`: a program and where its messages go; see keeper_upgrade.c */
    KEEPER_OPS,
};

/* Everything from `text` on is sent as far as it is used. */
struct keeper_message {
    uint32_t op;     /* request */
    int32_t result;  /* answer: 0 or -errno; of START, the process's number. START: its TCP port */
    uint32_t length; /* bytes of text */
    uint32_t protocol;
    char name[KEEPER_NAME_MAX];
    char text[KEEPER_TEXT_MAX];
};

/* The descriptors of a message. Those of a received one are the receiver's, and close on exec. */
struct keeper_fds {
    int fd[KEEPER_FDS_MAX];
    unsigned count;
};

/* 0 or -errno. The protocol is filled in. */
int keeper_send(int socket, struct keeper_message *message, const struct keeper_fds *fds);

/*
 * 1; 0: the other side has gone; -errno; -EPROTO: not a message, or not of this protocol: its
 * descriptors are closed.
 */
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

/*
 * The keeper itself
 */

#define KEEPER_CRASHES_MAX  5u
#define KEEPER_CHILDREN_MAX 72u /* the machine, and a helper for each device */

struct keeper_child {
    pid_t pid;  /* 0: free */
    int status; /* where the worker reads how it ended */
};

/* What becomes of a request for another vmm. */
enum keeper_upgrade_phase {
    UPGRADE_NONE,
    UPGRADE_ASKED,    /* a client has connected: its message is to come */
    UPGRADE_CHECKING, /* the successor looks whether it can take the guest; it runs on */
    UPGRADE_LEAVING,  /* it can: the worker has been told to leave */
    UPGRADE_TAKING,   /* the successor is the worker, and has not taken the guest yet */
    UPGRADE_TAKEN,    /* it has, and does not serve it yet */
};

struct keeper_upgrade {
    enum keeper_upgrade_phase phase;
    int listener; /* the keeper's store has it, too */
    int client;
    int another; /* a client that is refused, once it has said what it wants */
    int program; /* of the successor; from UPGRADE_TAKING on the program before */
    int socket;  /* to the successor, as long as it is not the worker */
    pid_t pid;
    int64_t deadline_ms;
};

struct keeper {
    int argc;
    char **argv;
    int signals; /* signalfd */
    sigset_t inherited;
    bool has_terminal;
    struct termios terminal;
    struct keeper_store store;
    struct keeper_child children[KEEPER_CHILDREN_MAX];

    int program; /* what the next worker executes */
    pid_t worker;
    int socket;
    bool serving;  /* this worker has everything that the guest needs */
    bool begun;    /* one has had: the guest runs */
    int forwarded; /* the last signal that it was sent, or 0 */
    int64_t died_ns;
    int64_t serving_ms;                  /* since when it is */
    int64_t served_ms;                   /* how long all workers before it were */
    int64_t gone_ms;                     /* when it closed its socket, or 0 */
    bool dismissed;                      /* it is killed, since it did not end then */
    int64_t crashes[KEEPER_CRASHES_MAX]; /* in ms of service; the oldest is overwritten */
    unsigned nr_crashes;
    struct keeper_upgrade upgrade;
};

/*
 * Executes `program` as `vmm WORD SOCKET ...`, with the keeper's command line behind it and
 * `errors` as its standard error. Its process and the keeper's end of the socket, or -errno.
 */
pid_t keeper_start_worker(const struct keeper *keeper, int program, const char *word, int errors,
                          int *socket);

/*
 * keeper_upgrade.c: an upgrade, of which there is one at a time.
 */
void keeper_upgrade_init(struct keeper_upgrade *upgrade);

/* What poll() is to wait for, KEEPER_UPGRADE_POLLS descriptors, and how long; and after it. */
#define KEEPER_UPGRADE_POLLS 4u
struct pollfd;
void keeper_upgrade_poll(struct keeper *keeper, struct pollfd *fds, int *timeout_ms);
void keeper_upgrade_polled(struct keeper *keeper, const struct pollfd *fds);

/* The worker has ended as it was told to, so that the successor can have the guest. */
bool keeper_upgrade_is_leaving(const struct keeper *keeper, int status);

/* The worker has ended. True: the successor is the worker now. */
bool keeper_upgrade_worker_left(struct keeper *keeper, int status);

/* A process has ended: the successor, if it is one. */
void keeper_upgrade_reap(struct keeper *keeper, pid_t pid, int status);

/* The worker, which is the successor, has taken the guest; and serves it. */
void keeper_upgrade_taken(struct keeper *keeper);
void keeper_upgrade_done(struct keeper *keeper, int64_t pause_us);

/* The run ends. */
void keeper_upgrade_end(struct keeper *keeper);
