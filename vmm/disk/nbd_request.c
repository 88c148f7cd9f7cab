/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The requests of a disk behind an NBD server: cut into pieces that the server takes, sent, and
 * gone on with when their answers come. What cannot be sent waits for a server that is ready.
 */
#include <errno.h>

#include "vmm/disk/nbd_internal.h"

#define RANGE_MAX (1u << 30) /* of a discard or zeros: the protocol has 32 bits */
/* An element of this size goes by itself: copying several into one message does not pay. */
#define ALONE_MIN 65536u

enum nbd_step { STEP_MAIN, STEP_WRITE_ZEROS, STEP_SYNC };

static void step(struct nbd *nbd, struct disk_request *request);

/*
 * Both are called by libnbd from within any of its functions, and only take
 * note. forget() comes for every command, also for one that could not be sent,
 * and for those that are in flight when the handle is closed.
 */
static int answer(void *opaque, int *error)
{
    struct disk_request *request = opaque;

    request->work.result = -*error;
    return 1; /* libnbd can forget the command */
}

static void forget(void *opaque)
{
    struct disk_request *request = opaque;
    struct nbd *nbd = (struct nbd *)request->work.disk;

    nbd_kept_end(nbd->kept, request->work.change);
    disk_list_push(&nbd->answered, request);
}

static void finish(struct nbd *nbd, struct disk_request *request, int error)
{
    struct disk_request *next = bounce_put(&nbd->bounce, request);

    disk_finish(request, error);
    if (next)
        step(nbd, next);
}

/* To be sent from its beginning, to a server that is ready. */
static void put_back(struct nbd *nbd, struct disk_request *request)
{
    struct disk_request *next = bounce_put(&nbd->bounce, request);

    request->work.progress = request->work.skip = 0;
    request->work.index = request->work.step = 0;
    disk_list_push(&nbd->waiting, request);
    if (next)
        step(nbd, next);
}

/* The memory of the next piece, in one part: the protocol has no lists. NULL: wait. */
static void *next_buffer(struct nbd *nbd, struct disk_request *request)
{
    struct disk_work *work = &request->work;

    disk_next_piece(request, nbd->piece_max);
    if (work->iov_count > 1 && work->iov[0].iov_len >= ALONE_MIN) {
        work->iov_count = 1;
        work->piece = work->iov[0].iov_len;
    }
    /* Once it has a buffer it keeps to that: succeeded() goes by whether there is one. */
    if (work->iov_count == 1 && !work->bounce)
        return work->iov[0].iov_base;
    if (!bounce_get(&nbd->bounce, request))
        return NULL;
    work->piece = work->total - work->progress;
    if (work->piece > BOUNCE_SIZE)
        work->piece = BOUNCE_SIZE;
    if (work->piece > nbd->piece_max)
        work->piece = nbd->piece_max;
    if (request->op == DISK_WRITE)
        disk_gather(request, work->bounce, work->piece);
    return work->bounce;
}

/* Send the next piece. libnbd's answer: -1, or its cookie. */
static int64_t command_piece(struct nbd *nbd, struct disk_request *request, void *buffer)
{
    struct disk_work *work = &request->work;
    nbd_completion_callback done = {.callback = answer, .user_data = request, .free = forget};
    bool stable = nbd->disk.cache == DISK_WRITETHROUGH && nbd->can_fua;
    uint32_t flags = stable ? LIBNBD_CMD_FLAG_FUA : 0;
    bool unmap = (request->flags & DISK_UNMAP) && nbd->disk.discard;

    if (work->step == STEP_SYNC || request->op == DISK_FLUSH)
        return nbd_aio_flush(nbd->handle, done, 0);
    switch (request->op) {
    case DISK_READ: return nbd_aio_pread(nbd->handle, buffer, work->piece, work->at, done, 0);
    case DISK_DISCARD: return nbd_aio_trim(nbd->handle, work->piece, work->at, done, flags);
    case DISK_WRITE_ZEROES:
        if (work->step == STEP_MAIN)
            return nbd_aio_zero(nbd->handle, work->piece, work->at, done,
                                flags | (unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE));
        break;
    }
    return nbd_aio_pwrite(nbd->handle, buffer, work->piece, work->at, done, flags);
}

/* The same, so that the next process knows of it. */
static int64_t send_piece(struct nbd *nbd, struct disk_request *request, void *buffer)
{
    struct disk_work *work = &request->work;
    bool changes = request->op != DISK_READ && request->op != DISK_FLUSH && work->step != STEP_SYNC;
    uint32_t change = changes ? nbd_kept_begin(nbd->kept, nbd->cookie + 1) : NBD_KEPT_NONE;
    int64_t cookie;

    work->change = change;
    nbd_link_calls(nbd);
    cookie = command_piece(nbd, request, buffer);
    if (cookie > 0) {
        nbd->cookie = (uint64_t)cookie;
        nbd_kept_sent(nbd->kept, change, nbd->cookie);
    }
    nbd_link_called(nbd);
    return cookie;
}

static void step(struct nbd *nbd, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    void *buffer = NULL;

    if (!nbd->ready) {
        put_back(nbd, request);
        return;
    }
    if (work->step == STEP_MAIN && (request->op == DISK_READ || request->op == DISK_WRITE)) {
        buffer = next_buffer(nbd, request);
        if (!buffer)
            return;
    } else if (work->step == STEP_WRITE_ZEROS) {
        disk_next_zeros(request);
        buffer = work->iov[0].iov_base;
        work->piece = work->iov[0].iov_len;
    } else {
        work->at = request->offset + work->progress;
        work->piece = work->total - work->progress;
        if (work->piece > RANGE_MAX)
            work->piece = RANGE_MAX;
    }
    work->result = -ENOTCONN; /* until there is an answer */
    if (send_piece(nbd, request, buffer) < 0 && !nbd_aio_is_dead(nbd->handle) &&
        !nbd_aio_is_closed(nbd->handle))
        work->result = nbd_get_errno() ? -nbd_get_errno() : -EIO;
}

void nbd_request_issue(struct disk *disk, struct disk_request *request)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (request->op == DISK_FLUSH && !nbd->can_flush) {
        disk_finish(request, 0);
        return;
    }
    if (request->op == DISK_DISCARD && !nbd->can_discard) {
        disk_finish(request, 0); /* a hint, which the server took before it was started again */
        return;
    }
    if (request->op == DISK_WRITE_ZEROES && !nbd->can_zero)
        request->work.step = STEP_WRITE_ZEROS;
    step(nbd, request);
    nbd_link_settle(nbd);
}

/* What the server has been sent it may do at any time. */
bool nbd_request_cancel(struct disk *disk, struct disk_request *request)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (!disk_list_remove(&nbd->waiting, request) &&
        !disk_list_remove(&nbd->bounce.waiting, request))
        return false;
    finish(nbd, request, -ECANCELED);
    return true;
}

void nbd_request_unpark(struct disk *disk, struct disk_request *request, int error)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (!error && disk->record->broken)
        error = -EIO;
    if (error)
        finish(nbd, request, error);
    else
        step(nbd, request);
    nbd_link_settle(nbd);
}

static void failed(struct nbd *nbd, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    int error = (int)work->result;

    if (error == -ENOTCONN || error == -ESHUTDOWN) {
        nbd->lost = nbd->lost || error == -ESHUTDOWN;
        put_back(nbd, request);
        return;
    }
    if (error == -EOPNOTSUPP && request->op == DISK_WRITE_ZEROES && work->step == STEP_MAIN) {
        work->step = STEP_WRITE_ZEROS;
        step(nbd, request);
        return;
    }
    if (error == -EOPNOTSUPP && request->op == DISK_DISCARD) {
        finish(nbd, request, 0);
        return;
    }
    if (disk_park(request, error))
        return;
    /* Full is no loss: the server still has what it could not write. Anything else may be one. */
    if ((request->op == DISK_FLUSH || work->step == STEP_SYNC) && error != -ENOSPC)
        nbd->disk.record->flush_broken = 1;
    finish(nbd, request, disk_io_error(request, error));
}

static void succeeded(struct nbd *nbd, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    bool is_flush = request->op == DISK_FLUSH || work->step == STEP_SYNC;

    if (is_flush) {
        finish(nbd, request, nbd->disk.record->flush_broken ? -EIO : 0);
        return;
    }
    if (request->op == DISK_READ && work->bounce)
        disk_scatter(request, work->bounce, work->piece);
    if (request->op == DISK_DISCARD)
        work->progress += work->piece;
    else
        disk_advance(request, work->piece);
    if (work->progress < work->total) {
        step(nbd, request);
    } else if (request->op != DISK_READ && nbd->disk.cache == DISK_WRITETHROUGH && !nbd->can_fua &&
               nbd->can_flush) {
        work->step = STEP_SYNC;
        step(nbd, request);
    } else {
        finish(nbd, request, 0);
    }
}

void nbd_request_take_answers(struct nbd *nbd)
{
    struct disk_request *request;

    while ((request = disk_list_pop(&nbd->answered))) {
        if (request->work.result)
            failed(nbd, request);
        else
            succeeded(nbd, request);
    }
}

void nbd_request_send_waiting(struct nbd *nbd)
{
    struct disk_list waiting = nbd->waiting;
    struct disk_request *request;

    nbd->waiting = (struct disk_list){0};
    while ((request = disk_list_pop(&waiting))) {
        if (request->op == DISK_WRITE_ZEROES && !nbd->can_zero)
            request->work.step = STEP_WRITE_ZEROS;
        step(nbd, request);
    }
}

void nbd_request_fail_waiting(struct nbd *nbd)
{
    struct disk_request *request;

    while ((request = disk_list_pop(&nbd->waiting)))
        disk_finish(request, -EIO);
}
