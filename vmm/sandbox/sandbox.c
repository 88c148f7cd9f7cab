/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sandbox/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "vmm/sandbox/outside.h"
#include "vmm/sandbox/sandbox_internal.h"
#include "vmm/util/log.h"

#define REFUSED_BY_FILTER 1 /* si_code of SIGSYS: SYS_SECCOMP, which the C library lacks */

#define CALLS_MAX 1024u /* numbers of system calls are below */

/* What a shared folder needs to serve files of all users as root. */
#define CAPS_TREE                                                                              \
    (1u << CAP_CHOWN | 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH | 1u << CAP_FOWNER | \
     1u << CAP_FSETID | 1u << CAP_MKNOD | 1u << CAP_SETFCAP)

static enum sandbox_mode chosen = SANDBOX_OFF;
static bool entered;
static struct event *report; /* of refused calls */
static int report_fd = -1;
static atomic_uchar refused[CALLS_MAX]; /* 1: to be reported; 2: has been */

/*
 * Refused calls
 */

static void fail_call(ucontext_t *context)
{
#if defined(__x86_64__)
    context->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    context->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
#error "where a system call's result is"
#endif
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
    const uint64_t one = 1;
    int saved = errno, number = info->si_syscall;
    unsigned char none = 0;

    if (info->si_code != REFUSED_BY_FILTER) {
        sandbox_thread_signalled();
        errno = saved;
        return;
    }
    fail_call(context);
    if (number >= 0 && number < (int)CALLS_MAX &&
        atomic_compare_exchange_strong(&refused[number], &none, 1) &&
        write(report_fd, &one, sizeof(one)) < 0)
        refused[number] = 0;
    errno = saved;
}

static void report_refused(evutil_socket_t fd, short what, void *opaque)
{
    uint64_t count;
    char name[64];

    while (read(fd, &count, sizeof(count)) > 0)
        ;
    for (int i = 0; i < (int)CALLS_MAX; i++) {
        unsigned char due = 1;

        if (atomic_compare_exchange_strong(&refused[i], &due, 2))
            log_warn("sandbox: refused the system call %s (%d), which no part of the vmm should "
                     "need: report it; --sandbox off runs without",
                     sandbox_call_name(i, name, sizeof(name)), i);
    }
}

static int watch_refused(struct event_base *base)
{
    struct sigaction action = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO | SA_RESTART};

    report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (report_fd < 0)
        return -errno;
    report = event_new(base, report_fd, EV_READ | EV_PERSIST, report_refused, NULL);
    if (!report || event_add(report, NULL))
        return -ENOMEM;
    return sigaction(SIGSYS, &action, NULL) ? -errno : 0;
}

/*
 * Entering
 */

void sandbox_choose(enum sandbox_mode mode)
{
    chosen = mode;
}

void sandbox_begin(enum sandbox_mode mode)
{
    int error;

    sandbox_choose(mode);
    error = outside_start(); /* with the mode: it starts helpers */
    if (mode != SANDBOX_OFF)
        sandbox_needs_begin();
    if (error)
        log_warn("sandbox: no process outside of it: %s", strerror(-error));
}

enum sandbox_mode sandbox_mode(void)
{
    return chosen;
}

bool sandbox_is_entered(void)
{
    return entered;
}

static void limit(void)
{
    const struct rlimit none = {0, 0};
    struct rlimit files;

    setrlimit(RLIMIT_CORE, &none); /* the guest's memory is in it */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_max = files.rlim_cur;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* The capabilities that are left, of those that there are. */
static int keep_caps(struct sandbox_thread *thread, uint32_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

    if (syscall(SYS_capget, &header, thread->caps) < 0)
        return -errno;
    for (unsigned i = 0; i < 2; i++) {
        thread->caps[i].permitted &= i == 0 ? keep : 0;
        thread->caps[i].effective &= i == 0 ? keep : 0;
        thread->caps[i].inheritable = 0;
    }
    return 0;
}

static int make_ruleset(struct landlock *landlock, const struct sandbox_needs *needs)
{
    static const unsigned access[] = {
        [SANDBOX_READ] = LANDLOCK_READ,
        [SANDBOX_WRITE] = LANDLOCK_READ | LANDLOCK_WRITE,
        [SANDBOX_CHANGE] = LANDLOCK_READ | LANDLOCK_WRITE | LANDLOCK_CHANGE,
    };
    static const char *const names[] = {"/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf",
                                        "/etc/gai.conf", "/etc/host.conf"};
    int error = landlock_new(landlock, needs->needs & SANDBOX_INET, needs->needs & SANDBOX_UNIX);

    for (unsigned i = 0; i < needs->nr_paths && !error; i++)
        error = landlock_allow(landlock, needs->paths[i].fd, access[needs->paths[i].access]);
    /* Those that are not there are not needed. */
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!error && needs->needs & SANDBOX_RESOLVE)
            landlock_allow_path(landlock, names[i], LANDLOCK_READ);
    }
    if (!error && SANDBOX_SANITIZED)
        error = landlock_allow_path(landlock, "/proc/self", LANDLOCK_READ);
    return error;
}

static int enter(struct event_base *base)
{
    const struct sandbox_needs *needs = sandbox_needs();
    struct sandbox_thread thread = {.ruleset = -1};
    struct landlock landlock = {.fd = -1};
    int error = 0;

    if (landlock_version() > 0)
        error = make_ruleset(&landlock, needs);
    else if (chosen == SANDBOX_STRICT)
        error = -EOPNOTSUPP;
    else
        log_info("sandbox: the host's kernel has no Landlock; only system calls are filtered");
    thread.ruleset = landlock.fd;
    if (!error)
        error = keep_caps(&thread, needs->needs & SANDBOX_TREE ? CAPS_TREE : 0);
    if (!error)
        error = watch_refused(base);
    if (!error)
        limit();
    if (!error)
        error = sandbox_threads_apply(&thread);
    if (landlock.fd >= 0)
        close(landlock.fd);
    if (!error)
        error = sandbox_seccomp_load(chosen == SANDBOX_STRICT, needs);
    return error;
}

int sandbox_enter(struct event_base *base)
{
    int error;

    outside_seal();
    if (chosen == SANDBOX_OFF)
        return 0;
    error = enter(base);
    sandbox_needs_end();
    if (error)
        log_error("cannot enter the sandbox: %s; --sandbox off runs without", strerror(-error));
    entered = !error;
    if (entered && SANDBOX_SANITIZED)
        log_debug(
            "sandbox: this build has a sanitizer, for which ptrace() and clone() are allowed");
    return error;
}

void sandbox_leave(void)
{
    if (report) {
        report_refused(report_fd, EV_READ, NULL);
        event_free(report);
    }
    report = NULL;
    outside_end();
}
