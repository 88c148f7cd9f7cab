/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"
#include "vmm/sandbox/child.h"

#define FIRST_FD 3
#define ABOVE    64 /* no descriptor that is put in place is up there */

/* In the child, between fork and exec. */
static _Noreturn void become(char *const argv[], const struct keeper_fds *fds, int output,
                             const struct sandbox_child *sandbox, pid_t parent)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int high[KEEPER_FDS_MAX];
    sigset_t none;

    /* The terminal's Ctrl-C and Ctrl-Z are for the vmm to handle. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    /* One of them may lie where another is to go. */
    for (unsigned i = 0; i < fds->count; i++)
        high[i] = fcntl(fds->fd[i], F_DUPFD_CLOEXEC, ABOVE);
    for (unsigned i = 0; i < fds->count; i++)
        dup2(high[i], FIRST_FD + (int)i);
    if (sandbox_child_enter(sandbox) == 0)
        execvp(argv[0], argv);
    dprintf(STDERR_FILENO, "%s\n", strerror(errno));
    _exit(127);
}

pid_t keeper_process_start(char *const argv[], const struct keeper_fds *fds, int output,
                           uint16_t port)
{
    const struct sandbox_child_config confine = {.program = argv[0], .port = port};
    struct sandbox_child sandbox;
    pid_t parent = getpid(), pid;
    int error = sandbox_child_prepare(&sandbox, &confine);

    if (error)
        return error;
    pid = fork();
    if (pid == 0)
        become(argv, fds, output, &sandbox, parent);
    error = -errno;
    sandbox_child_free(&sandbox);
    return pid < 0 ? error : pid;
}
