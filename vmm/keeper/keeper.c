/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define CRASHES_MS          10000 /* of service */
#define GONE_MS             2000  /* for a worker to end, once it has closed its socket */
#define EXIT_FAILURE_STATUS 1
#define EXIT_SIGNAL         128

static const int forwarded_signals[] = {SIGINT, SIGHUP, SIGQUIT, SIGTERM, SIGPWR};

static const char *signal_name(int signal)
{
    const char *name = sigabbrev_np(signal);

    return name ? name : "?";
}

/*
 * The worker
 */

static int start_worker(struct keeper *keeper)
{
    pid_t pid =
        keeper_start_worker(keeper, keeper->program, "worker", STDERR_FILENO, &keeper->socket);

    if (pid < 0)
        return pid;
    keeper->serving = false;
    keeper->forwarded = 0;
    keeper->worker = pid;
    return 0;
}

/* It may have left the terminal raw, which would be the mode that the next one restores. */
static void restore_terminal(const struct keeper *keeper)
{
    if (keeper->has_terminal && tcgetpgrp(STDIN_FILENO) == getpgrp())
        tcsetattr(STDIN_FILENO, TCSANOW, &keeper->terminal);
}

/* The worker has ended: how long it has served the guest. That it took over took time does not count. */
static void count_service(struct keeper *keeper)
{
    int64_t end = keeper->gone_ms ? keeper->gone_ms : clock_now_ms();

    if (keeper->serving)
        keeper->served_ms += end - keeper->serving_ms;
}

/* False: too many in a short time. */
static bool may_crash_again(struct keeper *keeper)
{
    int64_t now = keeper->served_ms,
            *oldest = &keeper->crashes[keeper->nr_crashes++ % KEEPER_CRASHES_MAX];
    bool often = keeper->nr_crashes > KEEPER_CRASHES_MAX && now - *oldest < CRASHES_MS;

    *oldest = now;
    return !often;
}

/* The worker has died of a signal. True: another one is to take over. */
static bool outlives(struct keeper *keeper, int signal)
{
    /* Somebody's purpose is no crash. */
    bool killed = signal == SIGKILL && keeper->serving && !keeper->dismissed;

    if (!keeper->begun) {
        log_error("the vmm was killed by signal %d (SIG%s) before the guest ran", signal,
                  signal_name(signal));
        return false;
    }
    if (!killed && !may_crash_again(keeper)) {
        log_error("the vmm was killed by signal %d (SIG%s), the %uth time within %d s of service: "
                  "the guest is ended",
                  signal, signal_name(signal), KEEPER_CRASHES_MAX + 1, CRASHES_MS / 1000);
        return false;
    }
    log_warn("the vmm was killed by signal %d (SIG%s): another one takes over", signal,
             signal_name(signal));
    return true;
}

/* The worker was to take over and has said why it could not. True: another one is to try. */
static bool tries_again(struct keeper *keeper, int status)
{
    if (!keeper->begun || keeper->serving || keeper->forwarded || WEXITSTATUS(status) == 0)
        return false;
    if (!may_crash_again(keeper)) {
        log_error("no vmm can take over: the guest is ended");
        return false;
    }
    log_warn("the vmm that was to take over has ended with status %d: another one tries",
             WEXITSTATUS(status));
    return true;
}

/* The worker has ended. -1: another one goes on; else the exit status of the run. */
static int worker_ended(struct keeper *keeper, int status)
{
    bool another = false;

    count_service(keeper);
    if (keeper_upgrade_is_leaving(keeper, status))
        log_info("the vmm leaves the guest to the new one");
    else if (!WIFSIGNALED(status))
        another = tries_again(keeper, status);
    else
        another = WTERMSIG(status) != keeper->forwarded && outlives(keeper, WTERMSIG(status));

    close(keeper->socket);
    keeper->socket = -1;
    keeper->worker = 0;
    keeper->gone_ms = 0;
    keeper->dismissed = false;
    keeper->died_ns = clock_now_ns();
    restore_terminal(keeper);
    if (keeper_upgrade_worker_left(keeper, status))
        return -1;
    if (another && start_worker(keeper) == 0)
        return -1;
    if (another)
        log_error("cannot start another worker: %s", strerror(errno));
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL + WTERMSIG(status);
}

/*
 * Its requests
 */

static void child_ended(struct keeper_child *child, int status)
{
    if (write(child->status, &status, sizeof(status)) != sizeof(status))
        log_error("the end of process %d cannot be told: %s", (int)child->pid, strerror(errno));
    close(child->status);
    child->pid = 0;
}

static int start_child(struct keeper *keeper, struct keeper_message *message,
                       struct keeper_fds *fds, int *tell)
{
    char *argv[KEEPER_TEXT_MAX / 16];
    unsigned argc = 0, i = 0;
    int ends[2], output;
    pid_t pid;

    for (uint32_t at = 0; at < message->length; at += (uint32_t)strlen(argv[argc - 1]) + 1) {
        if (argc + 1 == sizeof(argv) / sizeof(*argv))
            return -E2BIG;
        argv[argc++] = message->text + at;
    }
    argv[argc] = NULL;
    while (i < KEEPER_CHILDREN_MAX && keeper->children[i].pid)
        i++;
    if (argc == 0 || fds->count == 0)
        return -EINVAL;
    if (i == KEEPER_CHILDREN_MAX)
        return -EAGAIN;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    output = fds->fd[--fds->count];
    pid = keeper_process_start(argv, fds, output, (uint16_t)message->result);
    close(output);
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return pid;
    }
    keeper->children[i] = (struct keeper_child){.pid = pid, .status = ends[1]};
    *tell = ends[0];
    return pid;
}

static void is_serving(struct keeper *keeper)
{
    int64_t pause_us = (clock_now_ns() - keeper->died_ns) / 1000;

    if (keeper->begun)
        log_info("the guest goes on after %" PRId64 " us", pause_us);
    if (!keeper->serving)
        keeper->serving_ms = clock_now_ms();
    keeper->serving = keeper->begun = true;
    keeper_upgrade_done(keeper, pause_us);
}

/* `fds` has one descriptor, which is kept. 0 or -errno. */
static int keep(struct keeper *keeper, const char *name, struct keeper_fds *fds)
{
    if (fds->count != 1)
        return -EINVAL;
    fds->count = 0;
    return keeper_store_put(&keeper->store, name, fds->fd[0]);
}

/* Does what is asked; `fds` are those of the request, and then those of the answer. */
static int serve(struct keeper *keeper, struct keeper_message *message, struct keeper_fds *fds)
{
    int result = 0, fd = -1;

    /* A worker that its guest has taken over gets nothing done outside of its sandbox. */
    if (keeper->serving && message->op != KEEPER_GET)
        return -EPERM;
    switch (message->op) {
    case KEEPER_KEEP: result = keep(keeper, message->name, fds); break;
    case KEEPER_TAKES:
        result = keep(keeper, message->name, fds);
        if (!result)
            keeper_upgrade_taken(keeper);
        break;
    case KEEPER_GET:
        fd = keeper_store_get(&keeper->store, message->name);
        fd = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        result = fd < 0 ? -ENOENT : 0;
        break;
    case KEEPER_DROP: keeper_store_drop(&keeper->store, message->name); break;
    case KEEPER_START: result = start_child(keeper, message, fds, &fd); break;
    case KEEPER_SERVING: is_serving(keeper); break;
    default: return -EINVAL;
    }
    keeper_fds_close(fds);
    if (fd >= 0)
        *fds = (struct keeper_fds){.fd = {fd}, .count = 1};
    return result;
}

/* It is no worker any more: that is as bad as a crash. */
static void dismiss(struct keeper *keeper)
{
    log_warn("the vmm is killed: it does not speak to its keeper any more");
    keeper->dismissed = true;
    kill(keeper->worker, SIGKILL);
}

/* How long the worker may still take to end, in ms; -1: it has not begun to. */
static int left_to_end_ms(const struct keeper *keeper)
{
    int64_t left = keeper->gone_ms + GONE_MS - clock_now_ms();

    if (!keeper->gone_ms || keeper->dismissed)
        return -1;
    return left > 0 ? (int)left : 0;
}

static void answer(struct keeper *keeper)
{
    static struct keeper_message message;
    struct keeper_fds fds;
    int received = keeper_receive(keeper->socket, &message, &fds);

    if (received == 1) {
        message.result = serve(keeper, &message, &fds);
        message.length = 0;
        keeper_send(keeper->socket, &message, &fds);
        keeper_fds_close(&fds);
    } else if (received != -EAGAIN) {
        shutdown(keeper->socket, SHUT_RDWR);
        close(keeper->socket);
        keeper->socket = -1;
        keeper->gone_ms = clock_now_ms();
        if (received < 0)
            dismiss(keeper); /* else it ends, which SIGCHLD reports in a moment */
    }
}

/*
 * Signals
 */

/* -1, or the exit status of the run. */
static int reap(struct keeper *keeper)
{
    int status, end = -1;
    pid_t pid;

    while (end < 0 && (pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == keeper->worker)
            end = worker_ended(keeper, status);
        else
            keeper_upgrade_reap(keeper, pid, status);
        for (unsigned i = 0; i < KEEPER_CHILDREN_MAX; i++)
            if (keeper->children[i].pid == pid)
                child_ended(&keeper->children[i], status);
    }
    return end;
}

/* What the terminal sends, it sends to the worker as well. */
static void forward(struct keeper *keeper, const struct signalfd_siginfo *info)
{
    if (info->ssi_code > 0)
        return;
    keeper->forwarded = (int)info->ssi_signo;
    kill(keeper->worker, keeper->forwarded);
}

static int take_signals(struct keeper *keeper)
{
    struct signalfd_siginfo info;
    int end = -1;

    while (end < 0 && read(keeper->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            end = reap(keeper);
        else
            forward(keeper, &info);
    }
    return end;
}

static int serve_all(struct keeper *keeper)
{
    int status = -1;

    while (status < 0) {
        struct pollfd fds[2 + KEEPER_UPGRADE_POLLS] = {{.fd = keeper->signals, .events = POLLIN},
                                                       {.fd = keeper->socket, .events = POLLIN}};
        int timeout_ms = left_to_end_ms(keeper);

        keeper_upgrade_poll(keeper, fds + 2, &timeout_ms);
        if (poll(fds, 2 + KEEPER_UPGRADE_POLLS, timeout_ms) < 0) {
            if (errno != EINTR)
                return EXIT_FAILURE_STATUS;
            continue;
        }
        if (fds[1].revents)
            answer(keeper);
        keeper_upgrade_polled(keeper, fds + 2);
        if (fds[0].revents)
            status = take_signals(keeper);
        if (left_to_end_ms(keeper) == 0)
            dismiss(keeper);
    }
    return status;
}

static void end_children(struct keeper *keeper)
{
    for (unsigned i = 0; i < KEEPER_CHILDREN_MAX; i++) {
        if (!keeper->children[i].pid)
            continue;
        kill(keeper->children[i].pid, SIGKILL);
        waitpid(keeper->children[i].pid, NULL, 0);
        close(keeper->children[i].status);
    }
}

static int open_all(struct keeper *keeper)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof(forwarded_signals) / sizeof(*forwarded_signals); i++)
        sigaddset(&set, forwarded_signals[i]);
    sigprocmask(SIG_BLOCK, &set, &keeper->inherited);
    signal(SIGTTOU, SIG_IGN);
    keeper->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    keeper->program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    keeper->has_terminal = tcgetattr(STDIN_FILENO, &keeper->terminal) == 0;
    return keeper->signals < 0 || keeper->program < 0 ? -errno : start_worker(keeper);
}

static int take_gift(struct keeper *keeper, const struct keeper_gift *gift)
{
    int fd = gift->fd < 0 ? -1 : fcntl(gift->fd, F_DUPFD_CLOEXEC, 0);

    if (fd >= 0)
        return keeper_store_put(&keeper->store, gift->name, fd);
    return gift->fd < 0 ? 0 : -errno;
}

int keeper_run(int argc, char **argv, const struct keeper_gift *gifts, unsigned nr_gifts)
{
    static struct keeper keeper;
    int error = 0, status = EXIT_FAILURE_STATUS;

    keeper = (struct keeper){.argc = argc, .argv = argv, .socket = -1};
    keeper_upgrade_init(&keeper.upgrade);
    for (unsigned i = 0; i < nr_gifts && !error; i++)
        error = take_gift(&keeper, &gifts[i]);
    if (!error)
        error = open_all(&keeper);
    if (error)
        log_error("cannot start the vmm's worker: %s", strerror(-error));
    else
        status = serve_all(&keeper);
    keeper_upgrade_end(&keeper);
    end_children(&keeper);
    keeper_store_free(&keeper.store);
    return status;
}
