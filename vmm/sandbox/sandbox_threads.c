/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Landlock and capabilities are of a thread, and only the thread itself can give them up. Some
 * threads (of disks, logs, shared folders) are there before the sandbox is. So each gets SIGSYS,
 * whose handler does it there; a thread that one of them makes meanwhile is found in the next
 * round, or has inherited it.
 *
 * The kernel's own workers for io_uring are in the list of threads, too, while a request is in
 * flight that the last vmm had left. They take no signal, and act with what the thread that
 * submits may do.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "vmm/sandbox/sandbox_internal.h"

#define THREADS_MAX 1024u
#define PATIENCE_MS 30000u /* a thread may be in a system call for a slow disk */

#define TASK_IO_WORKER 0x10u /* linux/sched.h: PF_IO_WORKER */

static const struct sandbox_thread *asked;
static atomic_int answer; /* 1: none yet; else 0 or -errno */

static int apply(const struct sandbox_thread *what)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        (what->ruleset >= 0 && syscall(SYS_landlock_restrict_self, what->ruleset, 0)) ||
        syscall(SYS_capset, &header, what->caps))
        return -errno;
    return 0;
}

void sandbox_thread_signalled(void)
{
    if (asked && atomic_load(&answer) == 1)
        atomic_store(&answer, apply(asked));
}

static int apply_in(pid_t thread)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    atomic_store(&answer, 1);
    if (syscall(SYS_tgkill, getpid(), thread, SIGSYS) < 0)
        return errno == ESRCH ? 0 : -errno; /* it has ended */
    for (unsigned ms = 0; ms < PATIENCE_MS; ms++) {
        if (atomic_load(&answer) <= 0)
            return atomic_load(&answer);
        nanosleep(&pause, NULL);
    }
    /* One that has ended since does not answer. */
    return syscall(SYS_tgkill, getpid(), thread, 0) < 0 && errno == ESRCH ? 0 : -ETIMEDOUT;
}

static bool is_known(const pid_t *known, unsigned nr, pid_t thread)
{
    for (unsigned i = 0; i < nr; i++) {
        if (known[i] == thread)
            return true;
    }
    return false;
}

/* By the task's flags, which it has from its start on; its name comes later. proc(5), stat. */
static bool is_of_uring(DIR *folder, pid_t thread)
{
    char path[32], text[512];
    const char *behind_name;
    unsigned flags = 0;
    ssize_t got;
    int fd;

    snprintf(path, sizeof(path), "%d/stat", thread);
    fd = openat(dirfd(folder), path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false; /* it has ended */
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = 0;
    behind_name = strrchr(text, ')');
    return behind_name && sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
           flags & TASK_IO_WORKER;
}

/* One round. How many threads were new, or -errno. */
static int apply_in_new(DIR *folder, pid_t *known, unsigned *nr)
{
    const struct dirent *entry;
    int found = 0, error = 0;

    rewinddir(folder);
    while (!error && (entry = readdir(folder))) {
        pid_t thread = (pid_t)atoi(entry->d_name);

        if (thread <= 0 || is_known(known, *nr, thread))
            continue;
        if (*nr == THREADS_MAX)
            return -ENOSPC;
        known[(*nr)++] = thread;
        found++;
        error = is_of_uring(folder, thread) ? 0 : apply_in(thread);
    }
    return error ? error : found;
}

int sandbox_threads_apply(const struct sandbox_thread *what)
{
    pid_t *known = malloc(THREADS_MAX * sizeof(*known));
    DIR *folder = opendir("/proc/self/task");
    unsigned nr = 1;
    int found = folder ? 1 : -errno;

    if (!known)
        found = -ENOMEM;
    asked = what;
    if (found > 0)
        known[0] = gettid();
    while (found > 0)
        found = apply_in_new(folder, known, &nr);
    if (!found)
        found = apply(what);
    asked = NULL;
    if (folder)
        closedir(folder);
    free(known);
    return found;
}
