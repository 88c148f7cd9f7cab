/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that the vmm starts: QEMU, and the helpers of disks. They are confined between
 * fork() and exec(), so what has to be made is made before.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct sandbox_child {
    bool on;
    bool listens; /* it needs the host's network */
    bool tells;   /* on its standard error, what the host does not let it have */
    int ruleset;  /* of Landlock; -1: none */
    void *filter; /* struct sock_fprog */
};

struct sandbox_child_config {
    const char *program; /* as execvp() takes it: it and the system's folders can be executed */
    const char
        *write; /* a folder whose files it may write, and the whole system can be read; or NULL */
    uint16_t port; /* TCP port on which it listens; 0: it gets no sockets */
};

/* 0, also where the sandbox is off or the host has nothing of it; -errno after a message. */
int sandbox_child_prepare(struct sandbox_child *child, const struct sandbox_child_config *config);

/* In the child: only system calls. 0 or -errno. */
int sandbox_child_enter(const struct sandbox_child *child);

void sandbox_child_free(struct sandbox_child *child);

/* Where execvp() finds it, without links. False: nowhere. */
bool sandbox_find_program(const char *program, char path[PATH_MAX]);
