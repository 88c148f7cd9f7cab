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
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/disk/bounce.h"
#include "vmm/disk/engine.h"
#include "vmm/disk/internal.h"
#include "vmm/util/log.h"

#define BLOCK_MIN 512u
#define BLOCK_MAX 65536u
#define PAGE      4096u

enum raw_step { STEP_TRANSFER, STEP_DISCARD, STEP_PUNCH, STEP_ZERO, STEP_WRITE_ZEROS, STEP_SYNC };

enum { LANE_MAIN, LANE_BLOCKING, LANES };

struct raw {
    struct disk disk;
    int fd;
    bool is_block;
    bool can_punch; /* as far as is known */
    bool can_zero;
    uint32_t memory_align; /* of O_DIRECT; 1 without it */
    /* The engine of all calls, and on a block device one for what io_uring cannot do. */
    struct engine *engines[LANES];
    struct event *events[LANES];
    struct bounce bounce;
    struct disk_request *flushing; /* its fdatasync is under way, */
    struct disk_list sharing;      /* also for these; */
    struct disk_list flushes;      /* the next one will be for these */
};

static void raw_step(struct raw *raw, struct disk_request *request);

static void call(struct raw *raw, struct disk_request *request, enum engine_call call)
{
    bool blocking = call == ENGINE_BLKDISCARD && raw->engines[LANE_BLOCKING];
    struct engine *engine = raw->engines[blocking ? LANE_BLOCKING : LANE_MAIN];

    request->work.call = call;
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

    disk_finish(request, error);
    if (next)
        raw_step(raw, next);
}

/* May what is left of the request be handed to O_DIRECT as it is? */
static bool is_aligned(const struct raw *raw, const struct disk_request *request)
{
    const struct disk_work *work = &request->work;

    if (raw->memory_align == 1)
        return true;
    if (work->skip % raw->disk.info.block_size)
        return false;
    for (unsigned i = work->index; i < request->iov_count; i++) {
        if ((uintptr_t)request->iov[i].iov_base % raw->memory_align ||
            request->iov[i].iov_len % raw->disk.info.block_size)
            return false;
    }
    return true;
}

static void transfer(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;

    if (work->bounce || !is_aligned(raw, request)) {
        if (!bounce_get(&raw->bounce, request))
            return;
        work->at = request->offset + work->progress;
        work->piece = work->total - work->progress;
        if (work->piece > BOUNCE_SIZE)
            work->piece = BOUNCE_SIZE;
        if (request->op == DISK_WRITE)
            disk_gather(request, work->bounce, work->piece);
        work->part = (struct iovec){.iov_base = work->bounce, .iov_len = work->piece};
        work->iov = &work->part;
        work->iov_count = 1;
    } else {
        disk_next_piece(request, DISK_TRANSFER_MAX);
    }
    call(raw, request, request->op == DISK_READ ? ENGINE_READ : ENGINE_WRITE);
}

static void start_sync(struct raw *raw)
{
    if (raw->flushing || !raw->flushes.first)
        return;
    raw->flushing = disk_list_pop(&raw->flushes);
    raw->sharing = raw->flushes;
    raw->flushes = (struct disk_list){0};
    call(raw, raw->flushing, ENGINE_SYNC);
}

static void sync_over(struct raw *raw)
{
    struct disk_request *request = raw->flushing;
    int error = (int)request->work.result;

    raw->flushing = NULL;
    if (error && !raw->disk.flush_broken) {
        raw->disk.flush_broken = true;
        log_error("disk '%s': fdatasync failed: %s. Data that the guest wrote may be lost; all its "
                  "flushes fail from now on",
                  raw->disk.path, strerror(-error));
    }
    /* What is wrong with the data does not get better by asking again. */
    error = raw->disk.flush_broken ? -EIO : 0;
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
        request->work.step = STEP_WRITE_ZEROS;
    raw_step(raw, request);
}

static void raw_issue(struct disk *disk, struct disk_request *request)
{
    struct raw *raw = (struct raw *)disk;

    switch (request->op) {
    case DISK_READ:
    case DISK_WRITE: request->work.step = STEP_TRANSFER; break;
    case DISK_FLUSH: request->work.step = STEP_SYNC; break;
    case DISK_DISCARD: request->work.step = STEP_DISCARD; break;
    case DISK_WRITE_ZEROES: next_way_to_zero(raw, request, 0); return;
    }
    raw_step(raw, request);
}

/* A READ or WRITE, or zeros that are written, went some way. */
static void transferred(struct raw *raw, struct disk_request *request)
{
    struct disk_work *work = &request->work;
    uint64_t n = (uint64_t)work->result;

    /* With O_DIRECT the next call must start at a block; what is half done is done again. */
    if (raw->memory_align > 1)
        n -= n % raw->disk.info.block_size;
    if (n == 0) {
        work->at += (uint64_t)work->result;
        finish(raw, request,
               disk_io_error(request, request->op == DISK_READ ? DISK_SHORT_READ : -EIO));
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
        finish(raw, request, disk_io_error(request, (int)result));
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

    if (work->result == -EINTR || work->result == -EAGAIN) {
        call(raw, request, work->call);
        return;
    }
    switch (work->step) {
    case STEP_TRANSFER:
    case STEP_WRITE_ZEROS:
        if (work->result >= 0) {
            transferred(raw, request);
            return;
        }
        /* Its write-back error is told to this O_DSYNC write, and to no fdatasync after it. */
        if (raw->disk.cache == DISK_WRITETHROUGH && request->op != DISK_READ &&
            work->result == -EIO)
            raw->disk.flush_broken = true;
        finish(raw, request, disk_io_error(request, (int)work->result));
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

static void reap(struct raw *raw)
{
    struct disk_list list = {0};
    struct disk_request *request;

    for (unsigned i = 0; i < LANES && raw->engines[i]; i++)
        raw->engines[i]->ops->reap(raw->engines[i], &list);
    while ((request = disk_list_pop(&list)))
        over(raw, request);
    /* Before done(), which may take its time: what goes on, goes on. */
    raw_kick(&raw->disk);
}

static void ready(evutil_socket_t fd, short what, void *ctx)
{
    struct raw *raw = ctx;

    disk_handling(&raw->disk);
    reap(raw);
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
    reap(raw);
}

static void raw_free(struct raw *raw)
{
    for (unsigned i = 0; i < LANES && raw->engines[i]; i++) {
        if (raw->events[i])
            event_free(raw->events[i]);
        raw->engines[i]->ops->close(raw->engines[i]);
    }
    bounce_free(&raw->bounce);
    if (raw->fd >= 0)
        close(raw->fd);
    free(raw);
}

static void raw_close(struct disk *disk)
{
    raw_free((struct raw *)disk);
}

static const struct disk_driver raw_driver = {
    .issue = raw_issue,
    .kick = raw_kick,
    .wait = raw_wait,
    .close = raw_close,
    .close_timeout_ms = -1, /* the kernel writes to the guest's memory until it is done */
};

/* Does a read of `size` bytes into memory aligned so work? */
static bool can_read(const struct raw *raw, uint32_t align, uint32_t size)
{
    uint8_t *buffer;
    bool can;

    if (posix_memalign((void **)&buffer, BLOCK_MAX, 2 * BLOCK_MAX))
        return false;
    can = pread(raw->fd, buffer + align, size, size) >= 0;
    free(buffer);
    return can;
}

/* What O_DIRECT asks for: statx tells since Linux 6.1; before, trying does. */
static void find_alignment(struct raw *raw)
{
    struct disk_info *info = &raw->disk.info;
    struct statx st;

    raw->memory_align = PAGE;
    if (statx(raw->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN) && st.stx_dio_offset_align) {
        raw->memory_align = st.stx_dio_mem_align > 1 ? st.stx_dio_mem_align : 2;
        if (st.stx_dio_offset_align > info->block_size)
            info->block_size = st.stx_dio_offset_align;
        return;
    }
    while (info->block_size < BLOCK_MAX && !can_read(raw, 0, info->block_size))
        info->block_size *= 2;
    if (can_read(raw, BLOCK_MIN, info->block_size))
        raw->memory_align = BLOCK_MIN;
}

static int find_block_device(struct raw *raw)
{
    struct disk_info *info = &raw->disk.info;
    int logical = 0, read_only = 0;
    unsigned physical = 0;

    if (ioctl(raw->fd, BLKGETSIZE64, &info->size) < 0 || ioctl(raw->fd, BLKSSZGET, &logical) < 0) {
        log_error("disk '%s': not a block device with a size: %s", raw->disk.path, strerror(errno));
        return -EINVAL;
    }
    if (!info->read_only && ioctl(raw->fd, BLKROGET, &read_only) == 0 && read_only) {
        log_error("disk '%s': this block device is read-only; open the disk read-only",
                  raw->disk.path);
        return -EROFS;
    }
    info->block_size = (uint32_t)logical;
    info->physical_block_size = ioctl(raw->fd, BLKPBSZGET, &physical) < 0 ? 0 : physical;
    return 0;
}

/* Fills in what there is to know about the image. */
static int find_geometry(struct raw *raw)
{
    struct disk_info *info = &raw->disk.info;
    struct stat st;
    int error;

    if (fstat(raw->fd, &st) < 0)
        return -errno;
    raw->is_block = S_ISBLK(st.st_mode);
    info->size = (uint64_t)st.st_size;
    info->block_size = BLOCK_MIN;
    info->physical_block_size = (uint32_t)st.st_blksize;
    error = raw->is_block ? find_block_device(raw) : 0;
    if (error)
        return error;
    raw->memory_align = 1;
    if (raw->disk.cache == DISK_NONE)
        find_alignment(raw);
    if (info->block_size < BLOCK_MIN || info->block_size > BLOCK_MAX ||
        (info->block_size & (info->block_size - 1))) {
        log_error("disk '%s': blocks of %u bytes: only powers of two from %u to %u will do",
                  raw->disk.path, info->block_size, BLOCK_MIN, BLOCK_MAX);
        return -EINVAL;
    }
    if (info->physical_block_size < info->block_size || info->physical_block_size > BLOCK_MAX)
        info->physical_block_size = info->block_size;
    info->discard_granularity = info->physical_block_size;
    if (info->size % info->block_size) {
        log_warn("disk '%s': its size is no multiple of %u bytes: the guest does not see the last "
                 "%u",
                 raw->disk.path, info->block_size, (unsigned)(info->size % info->block_size));
        info->size -= info->size % info->block_size;
    }
    if (info->size == 0 || info->size > INT64_MAX) {
        log_error("disk '%s': is empty; give it a size first (truncate -s 1G)", raw->disk.path);
        return -EINVAL;
    }
    info->can_discard = raw->disk.discard && !info->read_only;
    info->write_cache = raw->disk.cache != DISK_WRITETHROUGH && !info->read_only;
    return 0;
}

static int open_engine(struct raw *raw, const char *aio)
{
    bool is_auto = !aio || strcmp(aio, "auto") == 0;
    int error = -ENOSYS;

    if (!is_auto && strcmp(aio, "io_uring") != 0 && strcmp(aio, "threads") != 0) {
        log_error("disk '%s': aio '%s' is not known; it can be " DISK_AIO_HELP, raw->disk.path,
                  aio);
        return -EINVAL;
    }
    if (is_auto || strcmp(aio, "io_uring") == 0) {
        error = engine_uring_open(raw->fd, &raw->engines[LANE_MAIN]);
        if (error && !is_auto) {
            log_error("disk '%s': this kernel has no io_uring for us (%s); aio=threads does "
                      "without",
                      raw->disk.path, strerror(-error));
            return error;
        }
    }
    if (error)
        error = engine_threads_open(raw->fd, &raw->engines[LANE_MAIN]);
    else if (raw->is_block && raw->disk.discard)
        error = engine_threads_open(raw->fd, &raw->engines[LANE_BLOCKING]);
    if (error) {
        log_error("disk '%s': cannot start threads: %s", raw->disk.path, strerror(-error));
        return error;
    }
    raw->disk.info.engine = raw->engines[LANE_MAIN]->ops->name;
    return 0;
}

static int watch(struct raw *raw)
{
    for (unsigned i = 0; i < LANES && raw->engines[i]; i++) {
        raw->events[i] =
            event_new(raw->disk.base, raw->engines[i]->ready, EV_READ | EV_PERSIST, ready, raw);
        if (!raw->events[i] || event_add(raw->events[i], NULL))
            return -ENOMEM;
    }
    return 0;
}

int raw_open(struct disk *common, const struct disk_config *config, int fd, struct disk **disk)
{
    struct raw *raw = calloc(1, sizeof(*raw));
    int error;

    if (!raw) {
        close(fd);
        return -ENOMEM;
    }
    raw->disk = *common;
    raw->disk.driver = &raw_driver;
    raw->fd = fd;
    raw->can_punch = raw->can_zero = true;
    /* A write over RLIMIT_FSIZE is to be an error of that write, not the end of the guest. */
    signal(SIGXFSZ, SIG_IGN);
    error = find_geometry(raw);
    if (!error)
        error = bounce_init(&raw->bounce);
    if (!error)
        error = open_engine(raw, config->aio);
    if (!error)
        error = watch(raw);
    if (error) {
        raw_free(raw);
        return error;
    }
    *disk = &raw->disk;
    return 0;
}
