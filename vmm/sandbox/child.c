/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sandbox/child.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/sandbox/sandbox_internal.h"
#include "vmm/util/log.h"

/*
 * A list of what neither needs, not of what they need: these programs are of many versions. With
 * io_uring a filter could be gone round, so there is none.
 */
static const int refusals[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(open_tree),
    SCMP_SYS(move_mount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsmount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(syslog),
    SCMP_SYS(chmod),
    SCMP_SYS(fchmodat),
    SCMP_SYS(chown),
    SCMP_SYS(lchown),
    SCMP_SYS(fchownat),
    SCMP_SYS(setxattr),
    SCMP_SYS(lsetxattr),
    SCMP_SYS(removexattr),
    SCMP_SYS(lremovexattr),
    SCMP_SYS(kill),
    SCMP_SYS(tkill),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(rt_sigqueueinfo),
    SCMP_SYS(rt_tgsigqueueinfo),
};

/* Where programs and their libraries are. Those that are not there are left out. */
static const char *const system_folders[] = {"/usr", "/bin",       "/lib",      "/lib64",
                                             "/opt", "/nix/store", "/gnu/store"};
static const char *const read_files[] = {
    "/etc/ld.so.cache",    "/etc/ld.so.preload", "/etc/localtime", "/proc/self",
    "/sys/devices/system", "/proc/cpuinfo",      "/proc/meminfo",  "/proc/sys/vm",
    "/dev/urandom",        "/dev/zero",          "/sys/kernel/mm", "/etc/qemu"};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static int make_filter(bool sockets, void **result)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    struct sock_fprog *program = calloc(1, sizeof(*program));
    int fd = memfd_create("filter", MFD_CLOEXEC), error = 0;
    off_t size = 0;

    if (!filter || !program || fd < 0)
        error = -ENOMEM;
    for (size_t i = 0; i < COUNT(refusals) && !error; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refusals[i], 0);
    if (!error && !sockets)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 0);
    if (!error && !sockets)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(connect), 0);
    if (!error)
        error = seccomp_export_bpf(filter, fd);
    if (!error)
        size = lseek(fd, 0, SEEK_END);
    if (!error) {
        program->len = (unsigned short)((size_t)size / sizeof(*program->filter));
        program->filter = malloc((size_t)size);
        if (!program->filter || pread(fd, program->filter, (size_t)size, 0) != size)
            error = -ENOMEM;
    }
    if (filter)
        seccomp_release(filter);
    if (fd >= 0)
        close(fd);
    if (error && program) {
        free(program->filter);
        free(program);
        program = NULL;
    }
    *result = program;
    return error;
}

bool sandbox_find_program(const char *program, char path[PATH_MAX])
{
    char *folders = getenv("PATH") ? strdup(getenv("PATH")) : NULL, *rest = folders, *folder;
    bool found = false;

    if (strchr(program, '/')) {
        found = realpath(program, path) != NULL;
    } else {
        while (!found && rest && (folder = strsep(&rest, ":"))) {
            char name[PATH_MAX];

            found = snprintf(name, sizeof(name), "%s/%s", *folder ? folder : ".", program) <
                        (int)sizeof(name) &&
                    access(name, X_OK) == 0 && realpath(name, path);
        }
    }
    free(folders);
    return found;
}

/* The program's own folder as well: it may have been built there, its libraries beside it. */
static void allow_program(const struct landlock *landlock, const char *program)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < COUNT(system_folders); i++)
        landlock_allow_path(landlock, system_folders[i], LANDLOCK_READ | LANDLOCK_EXECUTE);
    for (size_t i = 0; i < COUNT(read_files); i++)
        landlock_allow_path(landlock, read_files[i], LANDLOCK_READ);
    landlock_allow_path(landlock, "/dev/null", LANDLOCK_READ | LANDLOCK_WRITE);
    if (!sandbox_find_program(program, path))
        return; /* exec() says so */
    landlock_allow_path(landlock, dirname(path), LANDLOCK_READ | LANDLOCK_EXECUTE);
}

static int make_ruleset(const struct sandbox_child_config *config, int *ruleset)
{
    struct landlock landlock;
    int error = landlock_new(&landlock, false, false);

    if (error)
        return error;
    allow_program(&landlock, config->program);
    if (config->port)
        landlock_allow_listen(&landlock, config->port);
    if (config->write)
        error = landlock_allow_path(&landlock, "/", LANDLOCK_READ);
    if (!error && config->write)
        error = landlock_allow_path(&landlock, config->write, LANDLOCK_READ | LANDLOCK_WRITE);
    *ruleset = landlock.fd;
    return error;
}

int sandbox_child_prepare(struct sandbox_child *child, const struct sandbox_child_config *config)
{
    int error = 0;

    *child = (struct sandbox_child){.ruleset = -1,
                                    .on = sandbox_mode() != SANDBOX_OFF,
                                    .listens = config->port != 0,
                                    .tells = log_enabled(LOG_DEBUG)};
    if (!child->on)
        return 0;
    if (landlock_version() > 0)
        error = make_ruleset(config, &child->ruleset);
    if (!error)
        error = make_filter(config->port != 0, &child->filter);
    if (error)
        log_error("cannot confine '%s': %s; --sandbox off runs without", config->program,
                  strerror(-error));
    if (error)
        sandbox_child_free(child);
    return error;
}

/*
 * A network without devices, and no System V objects of others. Who is not root needs a user
 * namespace for that, which many hosts refuse: the filter and Landlock are there all the same.
 */
static void enter_namespaces(const struct sandbox_child *child)
{
    int flags = CLONE_NEWIPC | CLONE_NEWUTS | (child->listens ? 0 : CLONE_NEWNET);

    if (unshare(flags) && unshare(CLONE_NEWUSER | flags) && child->tells)
        dprintf(STDERR_FILENO, "sandbox: the host gives it no namespaces of its own: %s\n",
                strerror(errno));
}

int sandbox_child_enter(const struct sandbox_child *child)
{
    if (!child->on)
        return 0;
    enter_namespaces(child);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        (child->ruleset >= 0 && syscall(SYS_landlock_restrict_self, child->ruleset, 0)) ||
        (child->filter && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, child->filter)))
        return -errno;
    return 0;
}

void sandbox_child_free(struct sandbox_child *child)
{
    struct sock_fprog *program = child->filter;

    if (program)
        free(program->filter);
    free(program);
    if (child->ruleset >= 0)
        close(child->ruleset);
    *child = (struct sandbox_child){.ruleset = -1};
}
