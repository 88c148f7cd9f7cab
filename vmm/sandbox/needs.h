/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the vmm has to be able to do after the guest has started: said by those who will do it,
 * while they are set up. The sandbox lets nothing else through.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define SANDBOX_UNIX     0x01u /* connect to Unix sockets */
#define SANDBOX_INET     0x02u /* connect and listen by TCP and UDP */
#define SANDBOX_RESOLVE  0x04u /* look up names of hosts */
#define SANDBOX_FILES    0x08u /* open files below the paths that are told */
#define SANDBOX_TREE     0x10u /* make and remove files, and change their attributes */
#define SANDBOX_LISTEN   0x20u /* listen on a Unix socket in a folder that is told */
#define SANDBOX_SNAPSHOT 0x40u /* write snapshots below a path that is told */

enum sandbox_access {
    SANDBOX_READ,   /* a file, or all below a folder */
    SANDBOX_WRITE,  /* the same, and write to what is there */
    SANDBOX_CHANGE, /* the same, and make, move and remove */
};

#define SANDBOX_PATHS_MAX    64u
#define SANDBOX_CHILDREN_MAX 4u

struct sandbox_needs {
    unsigned needs;
    unsigned nr_paths;
    struct sandbox_path {
        int fd; /* O_PATH */
        enum sandbox_access access;
    } paths[SANDBOX_PATHS_MAX];
    unsigned nr_children;
    pid_t children[SANDBOX_CHILDREN_MAX];
};

/* From now on it counts what is said; before, there is to be no sandbox, and it does not. */
void sandbox_needs_begin(void);
void sandbox_need(unsigned needs);

/* 0 or -errno: the path cannot be opened, or there are too many. Implies SANDBOX_FILES. */
int sandbox_need_path(const char *path, enum sandbox_access access);

/* A process that has to be ended by kill(). */
void sandbox_need_child(pid_t pid);

/* May the vmm do this (SANDBOX_x)? Yes, as long as it is in no sandbox. */
bool sandbox_allows(unsigned need);

/* For vmm/sandbox: what was said, and that it is all from now on. */
struct sandbox_needs *sandbox_needs(void);
void sandbox_needs_end(void);
