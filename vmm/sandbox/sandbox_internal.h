/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <linux/capability.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/sandbox/needs.h"
#include "vmm/sandbox/sandbox.h"

/* With a sanitizer the process needs more at its end: LeakSanitizer stops it by ptrace(). */
#if defined(__SANITIZE_ADDRESS__)
#define SANDBOX_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(leak_sanitizer)
#define SANDBOX_SANITIZED true
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED false
#endif

/* sandbox_landlock.c */

#define LANDLOCK_READ    0x1u
#define LANDLOCK_WRITE   0x2u
#define LANDLOCK_CHANGE  0x4u
#define LANDLOCK_EXECUTE 0x8u

struct landlock {
    int fd;
    uint64_t handled;
};

/* The version of its interface; 0: the kernel has none. */
int landlock_version(void);

/* All file accesses are refused, TCP unless `tcp`, abstract Unix sockets unless `abstract`. */
int landlock_new(struct landlock *landlock, bool tcp, bool abstract);

/* Allow it at a file or below a folder. A descriptor, which stays open, or a path. 0 or -errno. */
int landlock_allow(const struct landlock *landlock, int fd, unsigned access);
int landlock_allow_path(const struct landlock *landlock, const char *path, unsigned access);
int landlock_allow_listen(const struct landlock *landlock, uint16_t port);

/* sandbox_threads.c */

/* What each thread gives up for itself. */
struct sandbox_thread {
    int ruleset; /* of Landlock; -1: none */
    struct __user_cap_data_struct caps[2];
};

/* In all threads of the process. SIGSYS must not be blocked in them. 0 or -errno. */
int sandbox_threads_apply(const struct sandbox_thread *what);

/* Of a SIGSYS that is no refused call: do it in this thread. */
void sandbox_thread_signalled(void);

/* sandbox_seccomp.c: in all threads at once. 0 or -errno. */
int sandbox_seccomp_load(bool strict, const struct sandbox_needs *needs);
const char *sandbox_call_name(int number, char *text, size_t size);
