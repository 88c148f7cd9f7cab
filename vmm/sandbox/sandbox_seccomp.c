/* SPDX-License-Identifier: BSD-2-Clause */
/* The vmm's allow list of system calls. QEMU's and the helpers' is a list of refusals: child.c. */
#include <errno.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/device.h"
#include "vmm/sandbox/sandbox_internal.h"

/* Calls that only older processors have are negative numbers elsewhere: libseccomp leaves them out. */
static const int always[] = {
    /* Descriptors that are open */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(preadv2),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(pwritev),
    SCMP_SYS(pwritev2),
    SCMP_SYS(close),
    SCMP_SYS(close_range),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(fcntl),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(flock),
    SCMP_SYS(fstatfs),
    SCMP_SYS(io_uring_enter),
    /* What a path is, but not what is in it */
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    /* Waiting, and descriptors of this process alone */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(pipe2),
    SCMP_SYS(memfd_create),
    /* Connections that are there, and those to listening sockets that are */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    /* Memory: never executable, see below */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mincore),
    /* Threads, signals, time */
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(get_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    /* Questions */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(getpgrp),
    SCMP_SYS(getpgid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrusage),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    /* By a pidfd, of which this process can get no further one */
    SCMP_SYS(pidfd_send_signal),
};

/* Opening: Landlock says what. */
static const int for_files[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(openat2),
    SCMP_SYS(getdents64), SCMP_SYS(statfs),     SCMP_SYS(access),
    SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(getcwd),
};

static const int for_listen[] = {
    SCMP_SYS(bind),   SCMP_SYS(listen),   SCMP_SYS(link),   SCMP_SYS(linkat),
    SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(fchmod),
};

static const int for_snapshot[] = {
    SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(rmdir), SCMP_SYS(unlinkat), SCMP_SYS(renameat2),
};

static const int for_tree[] = {
    SCMP_SYS(chmod),           SCMP_SYS(fchmod),       SCMP_SYS(fchmodat),
    SCMP_SYS(chown),           SCMP_SYS(fchown),       SCMP_SYS(fchownat),
    SCMP_SYS(utimensat),       SCMP_SYS(unlinkat),     SCMP_SYS(renameat),
    SCMP_SYS(renameat2),       SCMP_SYS(linkat),       SCMP_SYS(symlinkat),
    SCMP_SYS(mkdirat),         SCMP_SYS(mknodat),      SCMP_SYS(truncate),
    SCMP_SYS(setxattr),        SCMP_SYS(lsetxattr),    SCMP_SYS(fsetxattr),
    SCMP_SYS(getxattr),        SCMP_SYS(lgetxattr),    SCMP_SYS(fgetxattr),
    SCMP_SYS(listxattr),       SCMP_SYS(llistxattr),   SCMP_SYS(flistxattr),
    SCMP_SYS(removexattr),     SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr),
    SCMP_SYS(copy_file_range), SCMP_SYS(syncfs),       SCMP_SYS(umask),
};

/* No TIOCSTI and TIOCLINUX: who can type for the terminal can do all that its user can. */
static const unsigned long ioctls[] = {
    TCGETS,     TCSETS,       TCSETSW,       TCSETSF,     TIOCGWINSZ, TIOCSWINSZ,     TIOCGPGRP,
    FIONREAD,   FIONBIO,      FIOCLEX,       BLKROGET,    BLKSSZGET,  BLKPBSZGET,     BLKDISCARD,
    BLKZEROOUT, BLKGETSIZE64, TUNSETOFFLOAD, TUNSETQUEUE, TUNGETIFF,  RV_DEVICE_KICK, RV_DEVICE_MAP,
};

static const int prctls[] = {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE,
                             0x53564d41 /* PR_SET_VMA */};

/* The C library and others try these and go on without: no report, no end in the strict mode. */
static const struct {
    int call, error;
} refused_quietly[] = {
    {SCMP_SYS(open), EACCES},   {SCMP_SYS(openat), EACCES},    {SCMP_SYS(openat2), EACCES},
    {SCMP_SYS(access), EACCES}, {SCMP_SYS(faccessat), EACCES}, {SCMP_SYS(faccessat2), EACCES},
    {SCMP_SYS(clone3), ENOSYS},
};

/* LeakSanitizer's thread stops the others by ptrace() and looks for pointers in all memory. */
static const int for_sanitizer[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(clone),
    SCMP_SYS(prctl),
    SCMP_SYS(tgkill),
    SCMP_SYS(openat),
    SCMP_SYS(open),
    SCMP_SYS(getdents64),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(personality),
    SCMP_SYS(access),
    SCMP_SYS(getdents),
    SCMP_SYS(arch_prctl),
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int allow_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
    int error = 0;

    for (size_t i = 0; i < count && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    return error;
}

/* Conditions on the argument `n`. */

static struct scmp_arg_cmp is(unsigned n, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){.arg = n, .op = SCMP_CMP_EQ, .datum_a = value};
}

static struct scmp_arg_cmp is_not(unsigned n, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){.arg = n, .op = SCMP_CMP_NE, .datum_a = value};
}

static struct scmp_arg_cmp masked(unsigned n, scmp_datum_t mask, scmp_datum_t value)
{
    return (struct scmp_arg_cmp){
        .arg = n, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};
}

static int allow_if(scmp_filter_ctx filter, int call, struct scmp_arg_cmp condition)
{
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, condition);
}

/* Calls that depend on their arguments. */
static int allow_some(scmp_filter_ctx filter, const struct sandbox_needs *needs)
{
    int error = allow_if(filter, SCMP_SYS(mmap), masked(2, PROT_EXEC, 0));

    if (!error)
        error = allow_if(filter, SCMP_SYS(mprotect), masked(2, PROT_EXEC, 0));
    if (!error)
        error = allow_if(filter, SCMP_SYS(clone), masked(0, CLONE_THREAD, CLONE_THREAD));
    if (!error)
        error = allow_if(filter, SCMP_SYS(rt_sigaction), is_not(0, SIGSYS));
    if (!error)
        error = allow_if(filter, SCMP_SYS(tgkill), is(0, (scmp_datum_t)getpid()));
    /* Its own thread's CPUs: see vmm/cpu/placement.h. */
    if (!error)
        error = allow_if(filter, SCMP_SYS(sched_setaffinity), is(0, 0));
    /* Its own limits, to read. */
    if (!error)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, is(0, 0), is(2, 0));
    /* A datagram socket of a pair could send to others than its peer. */
    if (!error)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 2, is(0, AF_UNIX),
                             masked(1, ~(scmp_datum_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM));
    for (size_t i = 0; i < COUNT(ioctls) && !error; i++)
        error = allow_if(filter, SCMP_SYS(ioctl), is(1, ioctls[i]));
    for (size_t i = 0; i < COUNT(prctls) && !error; i++)
        error = allow_if(filter, SCMP_SYS(prctl), is(0, (scmp_datum_t)prctls[i]));
    for (unsigned i = 0; i < needs->nr_children && !error; i++)
        error = allow_if(filter, SCMP_SYS(kill), is(0, (scmp_datum_t)needs->children[i]));
    return error;
}

static int allow_socket(scmp_filter_ctx filter, int family)
{
    return allow_if(filter, SCMP_SYS(socket), is(0, (scmp_datum_t)family));
}

static int allow_needs(scmp_filter_ctx filter, unsigned needs)
{
    int error = 0;

    if (needs & (SANDBOX_UNIX | SANDBOX_INET))
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
    if (!error && needs & (SANDBOX_UNIX | SANDBOX_RESOLVE))
        error = allow_socket(filter, AF_UNIX);
    if (!error && needs & SANDBOX_RESOLVE)
        error = allow_socket(filter, AF_NETLINK);
    if (!error && needs & SANDBOX_INET)
        error = allow_socket(filter, AF_INET);
    if (!error && needs & SANDBOX_INET)
        error = allow_socket(filter, AF_INET6);
    if (!error && needs & SANDBOX_INET)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(bind), 0);
    if (!error && needs & SANDBOX_INET)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(listen), 0);
    if (!error && needs & (SANDBOX_FILES | SANDBOX_RESOLVE))
        error = allow_all(filter, for_files, COUNT(for_files));
    if (!error && needs & SANDBOX_LISTEN)
        error = allow_all(filter, for_listen, COUNT(for_listen));
    if (!error && needs & SANDBOX_SNAPSHOT)
        error = allow_all(filter, for_snapshot, COUNT(for_snapshot));
    if (!error && needs & SANDBOX_SNAPSHOT)
        error = allow_if(filter, SCMP_SYS(ioctl), is(1, FICLONE));
    if (!error && needs & SANDBOX_TREE)
        error = allow_all(filter, for_tree, COUNT(for_tree));
    if (!error && needs & SANDBOX_TREE)
        error = allow_if(filter, SCMP_SYS(unshare), is(0, CLONE_FS));
    return error;
}

static int refuse_quietly(scmp_filter_ctx filter, unsigned needs)
{
    int error = 0;

    for (size_t i = 0; i < COUNT(refused_quietly) && !error; i++) {
        bool is_open = refused_quietly[i].error == EACCES;

        if (is_open && (needs & (SANDBOX_FILES | SANDBOX_RESOLVE) || SANDBOX_SANITIZED))
            continue;
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO((unsigned)refused_quietly[i].error),
                                 refused_quietly[i].call, 0);
    }
    return error;
}

int sandbox_seccomp_load(bool strict, const struct sandbox_needs *needs)
{
    scmp_filter_ctx filter = seccomp_init(strict ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_TRAP);
    int error = filter ? 0 : -ENOMEM;

    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!error)
        error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (!error)
        error = allow_all(filter, always, COUNT(always));
    if (!error && SANDBOX_SANITIZED)
        error = allow_all(filter, for_sanitizer, COUNT(for_sanitizer));
    if (!error)
        error = allow_some(filter, needs);
    if (!error)
        error = allow_needs(filter, needs->needs);
    if (!error)
        error = refuse_quietly(filter, needs->needs);
    if (!error)
        error = seccomp_load(filter);
    if (filter)
        seccomp_release(filter);
    return error;
}

const char *sandbox_call_name(int number, char *text, size_t size)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    snprintf(text, size, "%s", name ? name : "?");
    free(name);
    return text;
}
