/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sandbox of `vmm run`: what is left of the process's rights while a guest runs.
 *
 * Layers, each of which holds by itself:
 *   - no new privileges, no capabilities but those that a shared folder needs, no core dump;
 *   - Landlock: no file but those that needs.h was told, no TCP, no abstract Unix socket, no
 *     ptrace() and /proc/PID/mem of a process outside;
 *   - seccomp: an allow list of system calls and of their arguments.
 * QEMU and the helpers get layers of their own before they are executed (child.h).
 *
 * A call that the list does not have fails with EPERM and is reported, once for each call:
 * the guest goes on without what it was for. Firecracker and crosvm end the process instead,
 * and so does SANDBOX_STRICT. Not by default, since nothing that a guest does may end its vmm,
 * and a C library that is newer than the list may need a call that is harmless; the call is
 * not done in either case.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

enum sandbox_mode {
    SANDBOX_ON, /* as far as the host's kernel has it */
    SANDBOX_OFF,
    SANDBOX_STRICT, /* no run without all of it, and a refused call ends the process */
};

/* Before anything is opened and any thread is started. */
void sandbox_begin(enum sandbox_mode mode);
enum sandbox_mode sandbox_mode(void);

/* For a process that stays outside, and starts others (vmm/keeper/): only the mode. */
void sandbox_choose(enum sandbox_mode mode);

/*
 * All is open: give up the rest, in all threads. With SANDBOX_OFF it does nothing. 0, or -errno
 * after a message.
 */
int sandbox_enter(struct event_base *base);

bool sandbox_is_entered(void);

/* Before the event base is freed. The rights do not come back. */
void sandbox_leave(void);
