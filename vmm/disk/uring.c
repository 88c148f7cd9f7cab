/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * System calls by io_uring. What is submitted in one pass of the loop goes out
 * in one io_uring_enter; the ring's own descriptor is readable while there are
 * completions, so that none costs a read of an eventfd.
 */
#include <errno.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/disk/engine_internal.h"
#include "vmm/util/log.h"

#define URING_ENTRIES 128u

struct uring {
    struct engine engine;
    struct io_uring ring;
    struct disk_list waiting;
    unsigned under_way; /* the kernel has them, or will in the next kick */
    bool said;
};

static void uring_submit(struct engine *engine, struct disk_request *request)
{
    struct uring *u = (struct uring *)engine;

    disk_list_push(&u->waiting, request);
}

static void prepare(struct io_uring_sqe *sqe, int fd, struct disk_request *request)
{
    struct disk_work *work = &request->work;

    switch (work->call) {
    case ENGINE_READ: io_uring_prep_readv(sqe, fd, work->iov, work->iov_count, work->at); break;
    case ENGINE_WRITE: io_uring_prep_writev(sqe, fd, work->iov, work->iov_count, work->at); break;
    case ENGINE_SYNC: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
    case ENGINE_PUNCH:
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                (off_t)work->at, (off_t)work->piece);
        break;
    case ENGINE_ZERO:
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                (off_t)work->at, (off_t)work->piece);
        break;
    default: /* answered by the kernel with EINVAL */
        io_uring_prep_rw(IORING_OP_LAST, sqe, fd, NULL, 0, 0);
        break;
    }
    io_uring_sqe_set_data(sqe, request);
}

static bool uring_kick(struct engine *engine)
{
    struct uring *u = (struct uring *)engine;
    int n;

    /* Never more under way than the completion queue holds (twice the entries). */
    while (u->waiting.first && u->under_way < URING_ENTRIES) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

        if (!sqe)
            break;
        prepare(sqe, engine->fd, disk_list_pop(&u->waiting));
        u->under_way++;
    }
    while (io_uring_sq_ready(&u->ring)) {
        n = io_uring_submit(&u->ring);
        if (n == -EINTR)
            continue;
        if (n > 0)
            continue;
        /* EAGAIN, EBUSY: short of memory. They stay in the queue. */
        if (n != 0 && n != -EAGAIN && n != -EBUSY && !u->said) {
            u->said = true;
            log_error("io_uring_enter: error %d; trying again and again", -n);
        }
        return u->under_way > io_uring_sq_ready(&u->ring);
    }
    return true;
}

/* What the kernel has is not asked for: of a file's reads and writes it takes none back. */
static bool uring_cancel(struct engine *engine, struct disk_request *request)
{
    return disk_list_remove(&((struct uring *)engine)->waiting, request);
}

static void uring_reap(struct engine *engine, struct disk_list *over)
{
    struct uring *u = (struct uring *)engine;
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        struct disk_request *request = io_uring_cqe_get_data(cqe);

        request->work.result = cqe->res;
        io_uring_cqe_seen(&u->ring, cqe);
        u->under_way--;
        disk_list_push(over, request);
    }
}

static void uring_close(struct engine *engine)
{
    struct uring *u = (struct uring *)engine;

    io_uring_queue_exit(&u->ring);
    free(u);
}

static const struct engine_ops uring_ops = {
    .name = "io_uring",
    .submit = uring_submit,
    .kick = uring_kick,
    .cancel = uring_cancel,
    .reap = uring_reap,
    .close = uring_close,
};

static const int needed[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
                             IORING_OP_FALLOCATE};

/* An early io_uring does not know all the calls. */
static bool knows_all(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool all = probe != NULL;

    for (size_t i = 0; all && i < sizeof(needed) / sizeof(needed[0]); i++)
        all = io_uring_opcode_supported(probe, needed[i]);
    io_uring_free_probe(probe);
    return all;
}

/*
 * Nothing but that, ever: what goes through a ring goes past the sandbox's filter of system calls.
 * Linux 5.10.
 */
static int restrict_ring(struct io_uring *ring)
{
    struct io_uring_restriction allowed[4] = {0};

    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[i].sqe_op = (uint8_t)needed[i];
    }
    /* liburing has functions for both in its header, but not in each of its versions. */
    if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed, 4) ||
        syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0))
        return -errno;
    return 0;
}

int engine_uring_open(int fd, struct engine **engine)
{
    struct uring *u = calloc(1, sizeof(*u));
    int error;

    if (!u)
        return -ENOMEM;
    error = io_uring_queue_init(URING_ENTRIES, &u->ring, IORING_SETUP_R_DISABLED);
    if (error) {
        free(u);
        return error;
    }
    /* Without it the iov of a piece would have to live until its completion. */
    if (!(u->ring.features & IORING_FEAT_SUBMIT_STABLE) || !knows_all(&u->ring) ||
        restrict_ring(&u->ring)) {
        uring_close(&u->engine);
        return -ENOSYS;
    }
    u->engine.ops = &uring_ops;
    u->engine.fd = fd;
    u->engine.ready = u->ring.ring_fd;
    *engine = &u->engine;
    return 0;
}
