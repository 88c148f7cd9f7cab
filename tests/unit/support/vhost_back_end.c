/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/vhost_back_end.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/support/check.h"

/* The protocol once more, from its specification: nothing here comes from the front end's. */
enum { REPLY = 5, ACK = 8 };

struct request {
    uint32_t header[3];
    uint8_t payload[512];
    int fds[8];
    unsigned nr_fds;
};

unsigned back_end_get(const unsigned *value)
{
    return __atomic_load_n(value, __ATOMIC_ACQUIRE);
}

static void put(unsigned *value, unsigned to)
{
    __atomic_store_n(value, to, __ATOMIC_RELEASE);
}

static bool read_all(int fd, void *to, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t got = recv(fd, (uint8_t *)to + n, len - n, 0);

        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    return true;
}

static bool get_request(int fd, struct request *r)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(r->fds))];
    } control;
    struct iovec iov = {r->header, sizeof(r->header)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *cmsg;

    memset(r, 0, sizeof(*r));
    if (recvmsg(fd, &msg, MSG_WAITALL) != (ssize_t)sizeof(r->header))
        return false;
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg) {
        r->nr_fds = (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(r->fds, CMSG_DATA(cmsg), r->nr_fds * sizeof(int));
    }
    CHECK((r->header[1] & 3) == 1 && r->header[2] <= sizeof(r->payload));
    return r->header[2] == 0 || read_all(fd, r->payload, r->header[2]);
}

static void send_with(int fd, const void *data, size_t len, const int *fds, unsigned nr_fds)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(20 * sizeof(int))];
    } control = {0};
    struct iovec iov = {(void *)(uintptr_t)data, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (nr_fds) {
        struct cmsghdr *cmsg;

        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
        cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
        memcpy(CMSG_DATA(cmsg), fds, nr_fds * sizeof(int));
    }
    (void)!sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void reply(int fd, const struct request *r, const void *payload, uint32_t len, int with)
{
    uint8_t message[600];
    uint32_t header[3] = {r->header[0], REPLY, len};

    memcpy(message, header, 12);
    memcpy(message + 12, payload, len);
    send_with(fd, message, 12 + len, &with, with >= 0);
}

static void reply_u64(int fd, const struct request *r, uint64_t value)
{
    reply(fd, r, &value, 8, -1);
}

/* True: it was. */
static bool evil(struct back_end *b, int fd, const struct request *r)
{
    uint8_t bytes[4096];
    int fds[20];

    if (b->evil == BACK_END_GOOD || r->header[0] != b->evil_at)
        return false;
    memset(bytes, 0x5a, sizeof(bytes));
    memcpy(bytes, (uint32_t[]){r->header[0], REPLY, 8}, 12);
    switch (b->evil) {
    case BACK_END_HANGS_UP: shutdown(fd, SHUT_RDWR); break;
    case BACK_END_SHORT:
        memcpy(bytes + 8, &(uint32_t){4}, 4);
        send_with(fd, bytes, 16, NULL, 0);
        break;
    case BACK_END_LONG:
        memcpy(bytes + 8, &(uint32_t){0xfffffff0}, 4);
        send_with(fd, bytes, 2000, NULL, 0);
        break;
    case BACK_END_WRONG:
        memcpy(bytes, &(uint32_t){r->header[0] + 1}, 4);
        send_with(fd, bytes, 20, NULL, 0);
        break;
    case BACK_END_DESCRIPTORS:
        for (unsigned i = 0; i < 20; i++)
            fds[i] = 0;
        send_with(fd, bytes, 20, fds, 20);
        break;
    case BACK_END_GARBAGE:
        memset(bytes, 0xa5, 12);
        send_with(fd, bytes, sizeof(bytes), NULL, 0);
        break;
    default: break; /* silent */
    }
    return true;
}

static void keep(int *place, struct request *r)
{
    if (*place >= 0)
        close(*place);
    CHECK(r->nr_fds >= 1);
    *place = r->fds[0];
    r->fds[0] = r->fds[--r->nr_fds];
}

static void get_config(struct back_end *b, int fd, const struct request *r)
{
    uint8_t config[12 + 60] = {0};

    CHECK(r->header[2] == sizeof(config));
    memcpy(config, r->payload, 12);
    memcpy(config + 12, &b->capacity, 8);
    reply(fd, r, config, sizeof(config), -1);
}

static void get_inflight(struct back_end *b, int fd, const struct request *r)
{
    uint8_t is[24];
    int memory = memfd_create("inflight", MFD_CLOEXEC);

    CHECK(memory >= 0 && ftruncate(memory, 4096) == 0);
    memcpy(is, r->payload, sizeof(is));
    memcpy(is, &(uint64_t){4096}, 8);
    put(&b->inflight_asked, b->inflight_asked + 1);
    reply(fd, r, is, sizeof(is), memory);
    close(memory);
}

/* True: a reply was sent, or is not due. */
static bool answer(struct back_end *b, int fd, struct request *r)
{
    uint32_t state[2];
    uint64_t value;
    unsigned ring;

    memcpy(state, r->payload, 8);
    memcpy(&value, r->payload, 8);
    ring = state[0] % BACK_END_QUEUES;
    switch (r->header[0]) {
    case 1: reply_u64(fd, r, b->features); return true;
    case 2: b->accepted = value; return false;
    case 5:
        CHECK(state[0] == r->nr_fds && r->header[2] == 8 + 32 * state[0]);
        keep(&b->memory, r);
        if (state[0] == 2) {
            memcpy(&b->rings_base, r->payload + 40, 8);
            keep(&b->rings, r);
        }
        memcpy(&b->region_bytes, r->payload + 16, 8);
        memcpy(&b->mmap_offset, r->payload + 32, 8);
        return false;
    case 9:
        memcpy(&b->desc[ring], r->payload + 8, 8);
        memcpy(&b->used[ring], r->payload + 16, 8);
        memcpy(&b->avail[ring], r->payload + 24, 8);
        return false;
    case 10: b->base[ring] = (uint16_t)state[1]; return false;
    case 11:
        put(&b->stopped, b->stopped + 1);
        put(&b->enabled, b->enabled & ~(1u << ring));
        reply(fd, r, (uint32_t[]){state[0], b->base[ring]}, 8, -1);
        return true;
    case 12: keep(&b->kick[ring], r); return false;
    case 13: keep(&b->call[ring], r); return false;
    case 15: reply_u64(fd, r, b->protocol); return true;
    case 17: reply_u64(fd, r, BACK_END_QUEUES); return true;
    case 18: put(&b->enabled, b->enabled | 1u << ring); return false;
    case 21: keep(&b->channel, r); return false;
    case 24: get_config(b, fd, r); return true;
    case 25: b->wce = r->payload[12]; return false;
    case 31: get_inflight(b, fd, r); return true;
    case 32: put(&b->inflight_given, b->inflight_given + 1); return false;
    default: return false;
    }
}

static void serve(struct back_end *b, int fd)
{
    struct request r;

    while (get_request(fd, &r)) {
        /* No answer may have been seen before what was asked for is. */
        put(&b->requests, b->requests + 1);
        if (!evil(b, fd, &r) && !answer(b, fd, &r) && r.header[1] & ACK)
            reply_u64(fd, &r, 0);
        for (unsigned i = 0; i < r.nr_fds; i++)
            close(r.fds[i]);
    }
}

static void *back_end_thread(void *arg)
{
    struct back_end *b = arg;
    int fd;

    while ((fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        put(&b->enabled, 0);
        __atomic_store_n(&b->connection, fd, __ATOMIC_SEQ_CST);
        put(&b->connections, b->connections + 1);
        serve(b, fd);
        __atomic_store_n(&b->connection, -1, __ATOMIC_SEQ_CST);
        close(fd);
    }
    return NULL;
}

void back_end_start(struct back_end *b, const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    b->path = path;
    b->connection = b->channel = b->memory = b->rings = -1;
    for (unsigned i = 0; i < BACK_END_QUEUES; i++)
        b->kick[i] = b->call[i] = -1;
    b->enabled = 0;
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
    unlink(path);
    b->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(b->listener >= 0);
    CHECK(bind(b->listener, (const struct sockaddr *)&addr, sizeof(addr)) == 0);
    CHECK(listen(b->listener, 4) == 0);
    CHECK(pthread_create(&b->thread, NULL, back_end_thread, b) == 0);
}

void back_end_stop(struct back_end *b)
{
    int fd;

    shutdown(b->listener, SHUT_RDWR);
    fd = __atomic_load_n(&b->connection, __ATOMIC_SEQ_CST);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
    pthread_join(b->thread, NULL);
    close(b->listener);
    unlink(b->path);
    for (unsigned i = 0; i < BACK_END_QUEUES; i++) {
        if (b->kick[i] >= 0)
            close(b->kick[i]);
        if (b->call[i] >= 0)
            close(b->call[i]);
    }
    if (b->memory >= 0)
        close(b->memory);
    if (b->rings >= 0)
        close(b->rings);
    if (b->channel >= 0)
        close(b->channel);
}
