/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"
#include "vmm/util/log.h"

/* In the child. */
static _Noreturn void become(const struct keeper *keeper, int program, const char *word, int errors,
                             int socket, pid_t parent)
{
    char **argv = calloc((size_t)keeper->argc + 4, sizeof(*argv));
    char number[16];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!argv || getppid() != parent)
        _exit(EXIT_FAILURE);
    snprintf(number, sizeof(number), "%d", socket);
    argv[0] = "vmm";
    argv[1] = (char *)(uintptr_t)word;
    argv[2] = number;
    memcpy(argv + 3, keeper->argv, (size_t)keeper->argc * sizeof(*argv));
    if (errors != STDERR_FILENO)
        dup2(errors, STDERR_FILENO);
    fcntl(socket, F_SETFD, 0);
    unsetenv("WATCHDOG_PID"); /* systemd's: it is the worker that has to be alive */
    sigprocmask(SIG_SETMASK, &keeper->inherited, NULL);
    fexecve(program, argv, environ);
    log_error("cannot start the vmm's %s: %s", word, strerror(errno));
    _exit(EXIT_FAILURE);
}

pid_t keeper_start_worker(const struct keeper *keeper, int program, const char *word, int errors,
                          int *socket)
{
    pid_t parent = getpid(), pid;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid = fork();
    if (pid == 0)
        become(keeper, program, word, errors, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        pid = -errno;
        close(ends[0]);
        return pid;
    }
    *socket = ends[0];
    return pid;
}
