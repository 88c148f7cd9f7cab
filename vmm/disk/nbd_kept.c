/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/nbd_kept.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/keeper/kept_memory.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define CHANGES  256u
#define WAIT_MS  60000 /* for the server, as after a lost connection */
#define QUIET_MS 1000
#define LOOK_MS  100
#define BUFFER   65536u

/* Shared with the next process. */
struct nbd_record {
    uint32_t connected; /* the keeper's socket is the one that is used */
    uint32_t calling;   /* within libnbd, or something is not sent yet */
    uint32_t untold;    /* changes for which there was no room */
    uint32_t pad;
    uint64_t cookies[CHANGES]; /* of changes without an answer; 0: none */
};

struct nbd_kept {
    struct nbd_record *record;
    unsigned number;
    int socket; /* the one that the keeper has; -1: none, or it is over */
    bool once;  /* there has been a connection */
};

/* NBD's simple reply, which is all that a server sends: nbd_link.c asks for no others. */
struct nbd_reply {
    uint32_t magic;
    uint32_t error;
    uint64_t cookie;
} __attribute__((packed));
#define REPLY_MAGIC 0x67446698u

static bool is_waited_for(const struct nbd_record *record)
{
    for (unsigned i = 0; i < CHANGES; i++)
        if (record->cookies[i])
            return true;
    return record->untold;
}

/*
 * The replies in `bytes`, wherever they begin: the process before may have taken a part of one, or
 * of the data of a read. So data that looks like a reply counts as one: it is the guest's own.
 */
static void take_replies(struct nbd_record *record, const uint8_t *bytes, size_t size)
{
    struct nbd_reply reply;

    for (size_t at = 0; at + sizeof(reply) <= size; at++) {
        memcpy(&reply, bytes + at, sizeof(reply));
        if (be32toh(reply.magic) != REPLY_MAGIC)
            continue;
        for (unsigned i = 0; i < CHANGES; i++)
            if (record->cookies[i] == be64toh(reply.cookie))
                record->cookies[i] = 0;
    }
}

/* -1: the server has hung up; 0: nothing came in time. Bytes before `*have` are of a reply. */
static ssize_t receive(int socket, uint8_t *buffer, size_t *have)
{
    struct pollfd poll_fd = {.fd = socket, .events = POLLIN};
    ssize_t n;

    if (poll(&poll_fd, 1, LOOK_MS) <= 0)
        return 0;
    n = recv(socket, buffer + *have, BUFFER - *have, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -1;
    *have += (size_t)n;
    return n;
}

static bool all_is_sent(int socket)
{
    int left = 0;

    return ioctl(socket, SIOCOUTQ, &left) < 0 || left == 0;
}

/* Until the server has answered, or hung up. */
static void wait_for_replies(struct nbd_record *record, int socket, const char *path)
{
    uint8_t *buffer = malloc(BUFFER);
    int64_t begun = clock_now_ms(), quiet_since = begun;
    size_t have = 0, tail = sizeof(struct nbd_reply) - 1;
    ssize_t n = buffer ? 0 : -1;

    while (n >= 0 && is_waited_for(record)) {
        int64_t now = clock_now_ms();

        n = receive(socket, buffer, &have);
        if (n > 0) {
            take_replies(record, buffer, have);
            if (have > tail)
                memmove(buffer, buffer + have - tail, tail);
            have = have > tail ? tail : have;
            quiet_since = now;
        }
        if (record->calling && now - quiet_since > QUIET_MS && all_is_sent(socket)) {
            shutdown(socket, SHUT_WR);
            record->calling = 0;
        }
        if (now - begun > WAIT_MS) {
            log_warn("disk '%s': the server has not answered requests of the vmm before this one "
                     "for %d s: they may overwrite newer data",
                     path, WAIT_MS / 1000);
            break;
        }
    }
    free(buffer);
}

struct nbd_kept *nbd_kept_open(unsigned number, const char *path)
{
    struct nbd_kept *kept = kept_has_keeper() ? calloc(1, sizeof(*kept)) : NULL;
    int socket;

    if (!kept)
        return NULL;
    kept->number = number;
    kept->socket = -1;
    kept->record = kept_memory(sizeof(*kept->record), "disk-%u-changes", number);
    if (!kept->record) {
        free(kept);
        return NULL;
    }
    socket = kept_get("disk-%u-server", number);
    if (socket >= 0 && kept->record->connected)
        wait_for_replies(kept->record, socket, path);
    if (socket >= 0) {
        shutdown(socket, SHUT_RDWR); /* the server may serve no second one beside it */
        close(socket);
    }
    memset(kept->record, 0, sizeof(*kept->record));
    return kept;
}

void nbd_kept_close(struct nbd_kept *kept)
{
    if (!kept)
        return;
    if (kept->socket >= 0)
        close(kept->socket);
    munmap(kept->record, sizeof(*kept->record));
    free(kept);
}

void nbd_kept_connected(struct nbd_kept *kept, int socket)
{
    if (!kept || kept->once)
        return;
    kept->once = true;
    kept->socket = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (kept->socket >= 0 && kept_put(kept->socket, "disk-%u-server", kept->number) == 0)
        kept->record->connected = 1;
}

void nbd_kept_lost(struct nbd_kept *kept)
{
    if (!kept)
        return;
    kept->record->connected = 0;
    if (kept->socket < 0)
        return;
    shutdown(kept->socket, SHUT_RDWR);
    close(kept->socket);
    kept->socket = -1;
}

static void set_calling(struct nbd_kept *kept, bool calling)
{
    if (kept)
        __atomic_store_n(&kept->record->calling, calling, __ATOMIC_RELEASE);
}

void nbd_kept_calls(struct nbd_kept *kept)
{
    set_calling(kept, true);
}

void nbd_kept_called(struct nbd_kept *kept, bool sends)
{
    set_calling(kept, sends);
}

uint32_t nbd_kept_begin(struct nbd_kept *kept, uint64_t cookie)
{
    if (!kept)
        return NBD_KEPT_NONE;
    for (uint32_t i = 0; i < CHANGES; i++) {
        if (kept->record->cookies[i])
            continue;
        __atomic_store_n(&kept->record->cookies[i], cookie, __ATOMIC_RELEASE);
        return i;
    }
    kept->record->untold++;
    return NBD_KEPT_UNTOLD;
}

void nbd_kept_sent(struct nbd_kept *kept, uint32_t change, uint64_t cookie)
{
    if (kept && change < CHANGES && kept->record->cookies[change])
        __atomic_store_n(&kept->record->cookies[change], cookie, __ATOMIC_RELEASE);
}

void nbd_kept_end(struct nbd_kept *kept, uint32_t change)
{
    if (kept && change < CHANGES)
        __atomic_store_n(&kept->record->cookies[change], 0, __ATOMIC_RELEASE);
    else if (kept && change == NBD_KEPT_UNTOLD)
        kept->record->untold--;
}
