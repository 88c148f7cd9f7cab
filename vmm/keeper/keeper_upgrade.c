/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another vmm for a guest that runs. `vmm upgrade` connects to the keeper, not to the worker: a
 * worker that its guest has taken over must not be able to have a program started.
 *
 * The successor first only looks: can it take the guest? Meanwhile the worker goes on. Then the
 * worker is told to leave, and the successor takes over. It does so on a copy of the state, up to
 * the point of no return (KEEPER_TAKES). If it fails before that, the program that ran before
 * takes the guest back.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define MESSAGE_MS 1000  /* for a client to say what it wants */
#define CHECK_MS   30000 /* for the successor to look */
#define LEAVE_MS   60000 /* for the worker: disks may be slow, or a snapshot is being taken */

void keeper_upgrade_init(struct keeper_upgrade *upgrade)
{
    *upgrade = (struct keeper_upgrade){
        .listener = -1, .client = -1, .another = -1, .program = -1, .socket = -1};
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void enter(struct keeper_upgrade *upgrade, enum keeper_upgrade_phase phase, int limit_ms)
{
    upgrade->phase = phase;
    upgrade->deadline_ms = limit_ms ? clock_now_ms() + limit_ms : 0;
}

/* The answer, of which `fmt` makes the text. Then there is no upgrade any more. */
static void answer(struct keeper_upgrade *upgrade, int error, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void answer(struct keeper_upgrade *upgrade, int error, const char *fmt, ...)
{
    static struct keeper_message message;
    va_list ap;

    message = (struct keeper_message){.op = KEEPER_UPGRADE, .result = error};
    va_start(ap, fmt);
    vsnprintf(message.text, sizeof(message.text), fmt, ap);
    va_end(ap);
    message.length = (uint32_t)strlen(message.text) + 1;
    if (error)
        log_warn("the vmm is not replaced: %s", message.text);
    if (upgrade->client >= 0)
        keeper_send(upgrade->client, &message, NULL);
    close_fd(&upgrade->client);
    close_fd(&upgrade->program);
    close_fd(&upgrade->socket);
    enter(upgrade, UPGRADE_NONE, 0);
}

/* The successor does not get the guest. It is reaped as any process that is nobody's. */
static void drop_successor(struct keeper_upgrade *upgrade)
{
    if (upgrade->pid)
        kill(upgrade->pid, SIGKILL);
    upgrade->pid = 0;
}

/*
 * The client
 */

/* Of this user, and not the worker, which might get hold of the socket. */
static bool may_ask(const struct keeper *keeper, int client)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    return (peer.uid == geteuid() || peer.uid == 0) && peer.pid != keeper->worker;
}

/* Its request is read first: closed with a message unread, it would not get the answer. */
static void refuse_another(struct keeper_upgrade *upgrade)
{
    static const char why[] = "another upgrade of this VM is going on";
    static struct keeper_message message;
    struct keeper_fds fds = {.count = 0};

    if (keeper_receive(upgrade->another, &message, &fds) == 1) {
        keeper_fds_close(&fds);
        message =
            (struct keeper_message){.op = KEEPER_UPGRADE, .result = -EBUSY, .length = sizeof(why)};
        memcpy(message.text, why, sizeof(why));
        keeper_send(upgrade->another, &message, NULL);
    }
    close_fd(&upgrade->another);
}

static void connected(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    int client = accept4(upgrade->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (client < 0)
        return;
    if (!may_ask(keeper, client)) {
        close(client);
        return;
    }
    if (upgrade->phase != UPGRADE_NONE) {
        close_fd(&upgrade->another);
        upgrade->another = client;
        return;
    }
    upgrade->client = client;
    enter(upgrade, UPGRADE_ASKED, MESSAGE_MS);
}

/* `fds`: the program, and where its messages go until it has the guest. */
static void begin(struct keeper *keeper, const struct keeper_fds *fds)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    pid_t pid;

    if (!keeper->serving) {
        answer(upgrade, -EAGAIN,
               "the guest has not started yet, or its vmm has just been replaced");
        return;
    }
    upgrade->program = fcntl(fds->fd[0], F_DUPFD_CLOEXEC, 0);
    pid = upgrade->program < 0 ? -errno
                               : keeper_start_worker(keeper, upgrade->program, "successor",
                                                     fds->fd[1], &upgrade->socket);
    if (pid < 0) {
        answer(upgrade, pid, "it cannot be started: %s", strerror(-pid));
        return;
    }
    upgrade->pid = pid;
    enter(upgrade, UPGRADE_CHECKING, CHECK_MS);
}

static void asked(struct keeper *keeper)
{
    static struct keeper_message message;
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    struct keeper_fds fds = {.count = 0};
    int received = keeper_receive(upgrade->client, &message, &fds);

    if (received == 1 && message.op == KEEPER_UPGRADE && fds.count == 2)
        begin(keeper, &fds);
    else if (received != -EAGAIN)
        answer(upgrade, -EPROTO, "the request is not of this version");
    keeper_fds_close(&fds);
}

/*
 * The successor
 */

/* It may ask for what is kept, to look at it, and say that all is well. */
static void heard(struct keeper *keeper)
{
    static struct keeper_message message;
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    struct keeper_fds fds = {.count = 0};
    int received = keeper_receive(upgrade->socket, &message, &fds), fd = -1;

    keeper_fds_close(&fds);
    if (received == -EAGAIN)
        return;
    if (received != 1 || upgrade->phase != UPGRADE_CHECKING) {
        close_fd(&upgrade->socket); /* its end is reported by SIGCHLD */
        if (received > 0 || received == -EPROTO)
            kill(upgrade->pid, SIGKILL);
        return;
    }
    if (message.op == KEEPER_READY) {
        enter(upgrade, UPGRADE_LEAVING, LEAVE_MS);
        kill(keeper->worker, KEEPER_SIGNAL_LEAVE);
        return;
    }
    message.result = -EPERM;
    if (message.op == KEEPER_GET) {
        fd = keeper_store_get(&keeper->store, message.name);
        message.result = fd < 0 ? -ENOENT : 0;
    }
    message.length = 0;
    fds = (struct keeper_fds){.fd = {fd}, .count = fd >= 0};
    keeper_send(upgrade->socket, &message, &fds);
}

bool keeper_upgrade_is_leaving(const struct keeper *keeper, int status)
{
    return keeper->upgrade.phase == UPGRADE_LEAVING && !keeper->forwarded && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}

bool keeper_upgrade_worker_left(struct keeper *keeper, int status)
{
    static struct keeper_message go = {.op = KEEPER_READY};
    struct keeper_fds errors = {.fd = {STDERR_FILENO}, .count = 1};
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    int program = keeper->program;

    switch (upgrade->phase) {
    case UPGRADE_LEAVING:
        if (!WIFSIGNALED(status) || keeper->forwarded) /* the run is over */
            break;
        keeper->worker = upgrade->pid;
        keeper->socket = upgrade->socket;
        keeper->serving = false;
        keeper->program = upgrade->program;
        upgrade->program = program;
        upgrade->pid = 0;
        upgrade->socket = -1;
        enter(upgrade, UPGRADE_TAKING, 0);
        keeper_send(keeper->socket, &go, &errors);
        return true;
    case UPGRADE_TAKING: /* it has failed, however it ended */
        keeper->program = upgrade->program;
        upgrade->program = program;
        if (keeper->forwarded)
            break;
        keeper->worker =
            keeper_start_worker(keeper, keeper->program, "worker", STDERR_FILENO, &keeper->socket);
        answer(upgrade, -ECANCELED,
               "the new one could not take the guest over, and has said why where the VM was "
               "started: the one before goes on");
        return keeper->worker > 0;
    case UPGRADE_TAKEN: answer(upgrade, -EIO, "the new one took the guest over, and ended"); break;
    case UPGRADE_CHECKING:
        drop_successor(upgrade);
        answer(upgrade, -ECANCELED, "the one that runs has ended meanwhile");
        break;
    default: break;
    }
    return false;
}

void keeper_upgrade_reap(struct keeper *keeper, pid_t pid, int status)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    if (!pid || pid != upgrade->pid)
        return;
    upgrade->pid = 0;
    if (upgrade->phase == UPGRADE_LEAVING && keeper->worker > 0)
        kill(keeper->worker, KEEPER_SIGNAL_STAY);
    if (WIFSIGNALED(status))
        answer(upgrade, -ECANCELED, "the new one was killed by signal %d before it could take over",
               WTERMSIG(status));
    else
        answer(upgrade, -ECANCELED, "the new one does not take the guest (its exit status was %d)",
               WEXITSTATUS(status));
}

void keeper_upgrade_taken(struct keeper *keeper)
{
    if (keeper->upgrade.phase == UPGRADE_TAKING)
        enter(&keeper->upgrade, UPGRADE_TAKEN, 0);
}

void keeper_upgrade_done(struct keeper *keeper, int64_t pause_us)
{
    if (keeper->upgrade.phase == UPGRADE_TAKEN)
        answer(&keeper->upgrade, 0, "%" PRId64, pause_us);
}

/*
 * The loop
 */

void keeper_upgrade_poll(struct keeper *keeper, struct pollfd *fds, int *timeout_ms)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    int64_t left = upgrade->deadline_ms - clock_now_ms();

    upgrade->listener = keeper_store_get(&keeper->store, KEEPER_UPGRADES);
    left = left > 0 ? left : 0;
    if (upgrade->deadline_ms && (*timeout_ms < 0 || left < *timeout_ms))
        *timeout_ms = (int)left;
    fds[0] = (struct pollfd){.fd = upgrade->listener, .events = POLLIN};
    /* Later on only its end is looked for, which poll() always tells. */
    fds[1] = (struct pollfd){.fd = upgrade->phase <= UPGRADE_CHECKING ? upgrade->client : -1,
                             .events = upgrade->phase == UPGRADE_ASKED ? POLLIN : 0};
    fds[2] = (struct pollfd){.fd = upgrade->socket, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = upgrade->another, .events = POLLIN};
}

static void takes_too_long(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    drop_successor(upgrade);
    switch (upgrade->phase) {
    case UPGRADE_CHECKING:
        answer(upgrade, -ETIMEDOUT,
               "the new one has not said within %d s whether it can take the "
               "guest",
               CHECK_MS / 1000);
        break;
    case UPGRADE_LEAVING:
        kill(keeper->worker, KEEPER_SIGNAL_STAY);
        answer(upgrade, -ETIMEDOUT,
               "requests of the guest, or a snapshot, have not ended within %d s", LEAVE_MS / 1000);
        break;
    default: answer(upgrade, -ETIMEDOUT, "there was no request"); break;
    }
}

/* Who has asked for it has gone. Once the worker has been told to leave, it is done all the same. */
static void interrupted(struct keeper_upgrade *upgrade)
{
    drop_successor(upgrade);
    answer(upgrade, -ECANCELED, "who has asked for it has gone");
}

void keeper_upgrade_polled(struct keeper *keeper, const struct pollfd *fds)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;

    if (fds[1].revents && upgrade->phase == UPGRADE_ASKED)
        asked(keeper);
    else if (fds[1].revents & (POLLHUP | POLLERR) && upgrade->phase == UPGRADE_CHECKING)
        interrupted(upgrade);
    if (fds[2].revents && upgrade->socket >= 0)
        heard(keeper);
    if (fds[3].revents)
        refuse_another(upgrade);
    if (fds[0].revents)
        connected(keeper);
    if (upgrade->deadline_ms && clock_now_ms() >= upgrade->deadline_ms)
        takes_too_long(keeper);
}

void keeper_upgrade_end(struct keeper *keeper)
{
    struct keeper_upgrade *upgrade = &keeper->upgrade;
    int listener = keeper_store_get(&keeper->store, KEEPER_UPGRADES);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t size = sizeof(address) - 1;

    drop_successor(upgrade);
    close_fd(&upgrade->another);
    if (upgrade->phase != UPGRADE_NONE)
        answer(upgrade, -ECANCELED, "the VM has ended");
    if (listener >= 0 && getsockname(listener, (struct sockaddr *)&address, &size) == 0 &&
        size > offsetof(struct sockaddr_un, sun_path))
        unlink(address.sun_path);
}
