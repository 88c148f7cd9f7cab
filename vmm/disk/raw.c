/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Raw images and block devices: requests as system calls of an engine.
 *
 * One fdatasync is under way at a time, and all FLUSHes that come meanwhile
 * share the next. The kernel tells a write-back error to one fdatasync of a
 * description only (errseq_t): were two under way, the other could claim that
 * all is well.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "vmm/disk/format.h"
#include "vmm/disk/raw_internal.h"
#include "vmm/util/log.h"

static void raw_step(struct raw *raw, struct disk_request *request);
static void raw_start(struct raw *raw, struct disk_request *request);

static void call(struct raw *raw, struct disk_request *request, enum engine_call call)
{
    bool blocking = call == ENGINE_BLKDISCARD && raw->engines[LANE_BLOCKING];
    struct engine *engine = raw->engines[blocking ? LANE_BLOCKING : LANE_MAIN];

    request->work.call = call;
    request->work.calling = true;
    engine->ops->submit(engine, request);
}

/* The whole of it in one call: DISCARD and WRITE_ZEROES. */
static void call_range(struct raw *raw, struct disk_request *request, enum engine_call kind)
{
    request->work.at = request->offset;
    request->work.piece = request->work.total;
    call(raw, request, kind);
}

static void finish(struct raw *raw, struct disk_request *request, int error)
{
    struct disk_request *next = bounce_put(&raw->bounce, request);
    struct disk_list go_on = {0};

    raw_release(raw, request, &go_on);
    disk_finish(request, error);
    if (next)
        raw_step(raw, next);
    while ((next = disk_list_pop(&go_on)))
        raw_start(raw, next);
}

/* The call failed, with -errno or DISK_SHORT_READ. */
static void fail(struct raw *raw, struct disk_request *request, int error)
{
    if (!disk_park(request, error))
        finish(raw, request, disk_io_error(request, error));
}

/* May what is left of the request be handed to O_DIRECT as it is? */
static bool is_aligned(const struct raw *raw, const struct disk_request *request)
{
    const struct disk_work *work = &request->work;

    if (raw->memory_align == 1)
        return true;
    if (work->skip % raw->direct_align)
        return false;
    for (unsigned i = work->index; i < request->iov_count; i++) {
        if ((uintptr_t)request->iov[i].iov_base % raw->memory_align ||
            request->iov[i].iov_len % raw->direct_align)
            return false;
    }
    return true;
}

/* A piece that is in the bounce buffer. */
static void use_bounce(struct disk_work *work, uint64_t at, uint64_t piece)
{
    work->at = at;
    work->piece = piece;
    work->part = (struct iovec){.iov_base = work->bounce, .iov_len = piece};
    work->iov = &work->part;
    work->iov_count = 1;
}

/* Is it a write of the sector whose content tells a format, where that must not change? */
static bool is_guarded(const struct raw *raw, const struct disk_request *request)
{
    return raw->disk.guards_format && request->op == DISK_WRITE && request->offset == 0 &&
           request->work.progress == 0;
}

/* What is in the bounce buffer is what will be written: the guest cannot change it any more. */
static bool is_refused(const struct raw *raw, struct disk_request *request)
{
    if (!is_guarded(raw, request) || !disk_format_is_foreign(request->work.bounce, RAW_BLOCK_MIN))
        return false;
    disk_refuse_header(request);
    return true;
}

static void transfer(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;

    if (work->bounce || !is_aligned(raw, request) || is_guarded(raw, request)) {
        uint64_t left = work->total - work->progress;

        if (!bounce_get(&raw->bounce, request))
            return;
        use_bounce(work, request->offset + work->progress, left < BOUNCE_SIZE ? left : BOUNCE_SIZE);
        if (request->op == DISK_WRITE)
            disk_gather(request, work->bounce, work->piece);
        if (is_refused(raw, request)) {
            finish(raw, request, -EPERM);
            return;
        }
    } else {
        disk_next_piece(request, DISK_TRANSFER_MAX);
    }
    call(raw, request, request->op == DISK_READ ? ENGINE_READ : ENGINE_WRITE);
}

/*
 * What lies between two of the host's blocks: the blocks around it go through a bounce buffer.
 */

/* Of the piece, the part that the request wants: where it begins in the buffer, and its bytes. */
static uint64_t wanted(const struct disk_request *request, uint64_t piece, uint64_t *from)
{
    const struct disk_work *work = &request->work;
    uint64_t start = request->offset + work->progress, end = request->offset + work->total;

    *from = start - work->at;
    if (end > work->at + piece)
        end = work->at + piece;
    return end > start ? end - start : 0;
}

static void read_around(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    uint64_t start = request->offset + work->progress, end = request->offset + work->total;
    uint64_t at = start - start % raw->direct_align;

    if (!bounce_get(&raw->bounce, request))
        return;
    if (end > at + BOUNCE_SIZE)
        end = at + BOUNCE_SIZE;
    end = (end + raw->direct_align - 1) / raw->direct_align * raw->direct_align;
    use_bounce(work, at, end - at);
    call(raw, request, ENGINE_READ);
}

/* What the disk holds is in the buffer: put what is written over it. */
static void merge(struct raw *raw, struct disk_request *request, uint64_t piece)
{
    struct disk_work *work = &request->work;
    uint64_t from, bytes = wanted(request, piece, &from);
    uint8_t *to = (uint8_t *)work->bounce + from;

    if (request->op == DISK_WRITE)
        disk_gather(request, to, bytes);
    else
        memset(to, 0, bytes);
    if (is_refused(raw, request)) {
        finish(raw, request, -EPERM);
        return;
    }
    use_bounce(work, work->at, piece);
    work->step = STEP_WRITE_MERGE;
    call(raw, request, ENGINE_WRITE);
}

static void around_over(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    uint64_t done = (uint64_t)work->result - (uint64_t)work->result % raw->direct_align;
    uint64_t from, bytes = wanted(request, done, &from);

    if (bytes == 0) {
        fail(raw, request, work->step == STEP_WRITE_MERGE ? -EIO : DISK_SHORT_READ);
        return;
    }
    if (work->step == STEP_READ_MERGE) {
        merge(raw, request, done);
        return;
    }
    if (work->step == STEP_READ_AROUND)
        disk_scatter(request, (uint8_t *)work->bounce + from, bytes);
    else
        work->step = STEP_READ_MERGE;
    disk_advance(request, bytes);
    if (work->progress == work->total)
        finish(raw, request, 0);
    else
        raw_step(raw, request);
}

static void start_sync(struct raw *raw)
{
    struct disk_request *request;

    if (raw->flushing || !raw->flushes.first)
        return;
    raw->flushing = disk_list_pop(&raw->flushes);
    while ((request = disk_list_pop(&raw->flushes)))
        disk_list_push(&raw->sharing, request);
    call(raw, raw->flushing, ENGINE_SYNC);
}

static void sync_over(struct raw *raw)
{
    struct disk_request *request = raw->flushing;
    int error = (int)request->work.result;

    raw->flushing = NULL;
    if (error && !raw->disk.record->flush_broken) {
        raw->disk.record->flush_broken = 1;
        log_error("disk '%s': fdatasync failed: %s. Data that the guest wrote may be lost; all its "
                  "flushes fail from now on",
                  raw->disk.path, strerror(-error));
    }
    /* What is wrong with the data does not get better by asking again. */
    error = raw->disk.record->flush_broken ? -EIO : 0;
    do
        finish(raw, request, error);
    while ((request = disk_list_pop(&raw->sharing)));
    start_sync(raw);
}

static void raw_step(struct raw *raw, struct disk_request *request)
{
    switch (request->work.step) {
    case STEP_TRANSFER: transfer(raw, request); break;
    case STEP_DISCARD:
        call_range(raw, request, raw->is_block ? ENGINE_BLKDISCARD : ENGINE_PUNCH);
        break;
    case STEP_PUNCH: call_range(raw, request, ENGINE_PUNCH); break;
    case STEP_ZERO: call_range(raw, request, ENGINE_ZERO); break;
    case STEP_WRITE_ZEROS:
        disk_next_zeros(request);
        call(raw, request, ENGINE_WRITE);
        break;
    case STEP_SYNC:
        disk_list_push(&raw->flushes, request);
        start_sync(raw);
        break;
    case STEP_READ_AROUND:
    case STEP_READ_MERGE: read_around(raw, request); break;
    case STEP_WRITE_MERGE: call(raw, request, ENGINE_WRITE); break; /* once more */
    }
}

/* The first, or next, way to write zeros that may work here. */
static void next_way_to_zero(struct raw *raw, struct disk_request *request, unsigned after)
{
    bool unmap = (request->flags & DISK_UNMAP) && raw->disk.discard;

    if (after < STEP_PUNCH && unmap && raw->can_punch)
        request->work.step = STEP_PUNCH;
    else if (after < STEP_ZERO && raw->can_zero)
        request->work.step = STEP_ZERO;
    else
        request->work.step = raw_is_between(raw, request) ? STEP_READ_MERGE : STEP_WRITE_ZEROS;
    raw_step(raw, request);
}

/* What it changes is claimed. */
static void raw_start(struct raw *raw, struct disk_request *request)
{
    bool is_between = raw_is_between(raw, request);

    switch (request->op) {
    case DISK_READ: request->work.step = is_between ? STEP_READ_AROUND : STEP_TRANSFER; break;
    case DISK_WRITE: request->work.step = is_between ? STEP_READ_MERGE : STEP_TRANSFER; break;
    case DISK_FLUSH: request->work.step = STEP_SYNC; break;
    case DISK_DISCARD: request->work.step = STEP_DISCARD; break;
    case DISK_WRITE_ZEROES: next_way_to_zero(raw, request, 0); return;
    }
    raw_step(raw, request);
}

static void raw_issue(struct disk *disk, struct disk_request *request)
{
    struct raw *raw = (struct raw *)disk;

    if (raw_claim(raw, request))
        raw_start(raw, request);
}

/* False: its call is made already. */
static bool take_back(struct raw *raw, struct disk_request *request)
{
    for (unsigned i = 0; i < LANES && raw->engines[i]; i++)
        if (raw->engines[i]->ops->cancel(raw->engines[i], request))
            return true;
    return false;
}

/* The fdatasync will not be made for the first of its requests, but for the others. */
static void sync_cancelled(struct raw *raw)
{
    raw->flushing = disk_list_pop(&raw->sharing);
    if (raw->flushing)
        call(raw, raw->flushing, ENGINE_SYNC);
    else
        start_sync(raw);
}

static bool raw_cancel(struct disk *disk, struct disk_request *request)
{
    struct raw *raw = (struct raw *)disk;

    if (request->work.calling ? !take_back(raw, request)
                              : !disk_list_remove(&raw->held, request) &&
                                    !disk_list_remove(&raw->bounce.waiting, request) &&
                                    !disk_list_remove(&raw->flushes, request) &&
                                    !disk_list_remove(&raw->sharing, request))
        return false;
    if (request == raw->flushing)
        sync_cancelled(raw);
    finish(raw, request, -ECANCELED);
    return true;
}

static void raw_unpark(struct disk *disk, struct disk_request *request, int error)
{
    struct raw *raw = (struct raw *)disk;

    if (error)
        finish(raw, request, error);
    else
        raw_step(raw, request);
}

/* The read ended where the file does, inside the disk's last sector: zeros follow. */
static bool ends_in_padding(const struct raw *raw, const struct disk_request *request)
{
    const struct disk_work *work = &request->work;
    uint64_t n = (uint64_t)work->result;

    return raw->is_padded && request->op == DISK_READ && n < work->piece &&
           work->at + n > raw->disk.info.size - RAW_BLOCK_MIN;
}

static void pad(struct disk_request *request)
{
    struct disk_work *work = &request->work;
    uint64_t n = (uint64_t)work->result;

    if (work->bounce) {
        memset((uint8_t *)work->bounce + n, 0, work->piece - n);
    } else {
        disk_advance(request, n);
        disk_clear(request, work->piece - n);
        work->piece -= n;
    }
    work->result = (int64_t)work->piece;
}

/* A READ or WRITE, or zeros that are written, went some way. */
static void transferred(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    uint64_t n;

    if (ends_in_padding(raw, request))
        pad(request);
    n = (uint64_t)work->result;
    /* With O_DIRECT the next call must start at a block; what is half done is done again. */
    if (raw->memory_align > 1)
        n -= n % raw->direct_align;
    else if (is_guarded(raw, request) && n < RAW_BLOCK_MIN && n > 0) {
        raw_step(raw, request); /* the whole sector: as it was looked at */
        return;
    }
    if (n == 0) {
        work->at += (uint64_t)work->result;
        fail(raw, request, request->op == DISK_READ ? DISK_SHORT_READ : -EIO);
        return;
    }
    if (work->bounce && request->op == DISK_READ)
        disk_scatter(request, work->bounce, n);
    disk_advance(request, n);
    if (work->progress == work->total)
        finish(raw, request, 0);
    else
        raw_step(raw, request);
}

static bool is_unsupported(int64_t error)
{
    return error == -EOPNOTSUPP || error == -ENOSYS || error == -ENOTTY || error == -ENODEV;
}

/* A DISCARD or WRITE_ZEROES of a whole range is over. */
static void range_over(struct raw *raw, struct disk_request *request)
{
    int64_t result = request->work.result;
    unsigned step = request->work.step;

    if (result < 0 && step == STEP_DISCARD && is_unsupported(result)) {
        /* A hint that nobody takes. */
        finish(raw, request, 0);
        return;
    }
    if (result < 0 && step != STEP_DISCARD && (is_unsupported(result) || result == -EINVAL)) {
        if (is_unsupported(result))
            *(step == STEP_PUNCH ? &raw->can_punch : &raw->can_zero) = false;
        next_way_to_zero(raw, request, step);
        return;
    }
    if (result < 0) {
        fail(raw, request, (int)result);
        return;
    }
    if (raw->disk.cache != DISK_WRITETHROUGH) {
        finish(raw, request, 0);
        return;
    }
    /* O_DSYNC is for writes. */
    request->work.step = STEP_SYNC;
    raw_step(raw, request);
}

static void over(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;

    work->calling = false;
    if (work->result == -EINTR || work->result == -EAGAIN) {
        call(raw, request, work->call);
        return;
    }
    switch (work->step) {
    case STEP_TRANSFER:
    case STEP_WRITE_ZEROS:
    case STEP_READ_AROUND:
    case STEP_READ_MERGE:
    case STEP_WRITE_MERGE:
        if (work->result >= 0 && work->step >= STEP_READ_AROUND) {
            around_over(raw, request);
            return;
        }
        if (work->result >= 0) {
            transferred(raw, request);
            return;
        }
        /* Its write-back error is told to this O_DSYNC write, and to no fdatasync after it. */
        if (raw->disk.cache == DISK_WRITETHROUGH && request->op != DISK_READ &&
            work->result == -EIO)
            raw->disk.record->flush_broken = 1;
        fail(raw, request, (int)work->result);
        break;
    case STEP_SYNC: sync_over(raw); break;
    default: range_over(raw, request); break;
    }
}

static void raw_kick(struct disk *disk)
{
    struct raw *raw = (struct raw *)disk;

    for (unsigned i = 0; i < LANES && raw->engines[i]; i++) {
        if (!raw->engines[i]->ops->kick(raw->engines[i]))
            disk_kick_later(disk);
    }
}

static void raw_reap(struct disk *disk)
{
    struct raw *raw = (struct raw *)disk;
    struct disk_list list = {0};
    struct disk_request *request;

    for (unsigned i = 0; i < LANES && raw->engines[i]; i++)
        raw->engines[i]->ops->reap(raw->engines[i], &list);
    while ((request = disk_list_pop(&list)))
        over(raw, request);
    /* Before done(), which may take its time: what goes on, goes on. */
    raw_kick(&raw->disk);
}

void raw_ready(evutil_socket_t fd, short what, void *opaque)
{
    struct raw *raw = opaque;

    disk_handling(&raw->disk);
    raw_reap(&raw->disk);
    disk_handled(&raw->disk);
}

static void raw_wait(struct disk *disk, int timeout_ms)
{
    struct raw *raw = (struct raw *)disk;
    struct pollfd fds[LANES];
    nfds_t n = 0;

    for (unsigned i = 0; i < LANES && raw->engines[i]; i++)
        fds[n++] = (struct pollfd){.fd = raw->engines[i]->ready, .events = POLLIN};
    poll(fds, n, timeout_ms);
    raw_reap(disk);
}

static void raw_close(struct disk *disk)
{
    raw_free((struct raw *)disk);
}

const struct disk_driver raw_driver = {
    .issue = raw_issue,
    .cancel = raw_cancel,
    .kick = raw_kick,
    .reap = raw_reap,
    .wait = raw_wait,
    .unpark = raw_unpark,
    .resize = raw_resize,
    .close = raw_close,
    .close_timeout_ms = -1, /* the kernel writes to the guest's memory until it is done */
};
