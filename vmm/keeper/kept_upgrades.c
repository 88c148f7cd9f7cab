/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket by which `vmm upgrade` finds the keeper: the keeper has it, and a worker makes it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/keeper/keeper_internal.h"
#include "vmm/sandbox/outside.h"
#include "vmm/util/log.h"

#define BACKLOG 8

/* 0 or -errno. */
static int listen_at(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return -errno;
    unlink(
        address
            ->sun_path); /* the control socket beside it is this VM's, so nobody else has this one */
    if (fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)address, sizeof(*address)) ||
        listen(fd, BACKLOG))
        error = -errno;
    if (!error)
        error = kept_put(fd, KEEPER_UPGRADES);
    close(fd);
    return error;
}

/*
 * A task of the process outside of the sandbox, when this one has ended: a keeper that was killed
 * has not removed its socket. connect() with another type than the socket's tells a dead one from
 * one that is bound (EPROTOTYPE), and a keeper that lives does not notice.
 */
static int remove_dead(const void *data, size_t size, bool away, struct outside_result *result)
{
    const struct sockaddr_un *address = data;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)address, (socklen_t)size) && errno == ECONNREFUSED &&
        unlink(address->sun_path))
        error = -errno;
    close(fd);
    return error;
}

/* Each vmm has such a process of its own. 0 or -errno. */
static int remove_at_end(const struct sockaddr_un *address)
{
    int task = outside_add(remove_dead, address, sizeof(*address), true);

    return task < 0 ? task : 0;
}

void kept_open_upgrades(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, error = 0;

    if (!kept_has_keeper())
        return;
    fd = kept_get(KEEPER_UPGRADES);
    if (strlen(path) >= sizeof(address.sun_path))
        error = -ENAMETOOLONG;
    else
        strcpy(address.sun_path, path);
    if (!error && fd < 0)
        error = listen_at(&address);
    if (!error)
        error = remove_at_end(&address);
    if (fd >= 0)
        close(fd);
    if (error)
        log_warn("this VM cannot be upgraded: '%s': %s", path, strerror(-error));
}
