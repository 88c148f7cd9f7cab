/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks behind an NBD server: one of our own for images in other formats
 * (helper.c), or one that the user names by its URI. libnbd speaks the protocol;
 * its socket is watched by the loop.
 *
 * When the helper dies, what it had in its memory is gone, and an image format
 * keeps changes of its tables there until a flush. If there were no such
 * changes it is started again, and what it had not answered is sent again:
 * doing that twice does no harm. Otherwise the disk has failed; see disk.h.
 * So it is when the connection to a server of the user's is lost, only that the
 * disk then waits for whoever starts it again. What becomes of it when this process dies:
 * nbd_kept.h.
 */
#include <errno.h>
#include <libnbd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/disk/bounce.h"
#include "vmm/disk/format.h"
#include "vmm/disk/helper.h"
#include "vmm/disk/disk_internal.h"
#include "vmm/disk/nbd_kept.h"
#include "vmm/sandbox/needs.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define CONNECT_MS    10000 /* for the handshake */
#define CLOSE_MS      5000  /* for requests that are in flight when the disk is closed */
#define DISCONNECT_MS 1000
#define HELPER_END_MS 30000 /* for the helper to write out all that it holds */
#define LOOK_MS       100
#define STARTS_MAX    5u    /* of a helper again that has died */
#define SERVER_MS     60000 /* for a server of the user's to come back */
#define RECONNECT_MS  500   /* between two attempts */

#define PIECE_MAX (2u * 1024 * 1024) /* bytes of a read or write; a server takes 32 MiB */
#define RANGE_MAX (1u << 30)         /* of a discard or zeros: the protocol has 32 bits */
/* An element of this size goes by itself: copying several into one message does not pay. */
#define ALONE_MIN 65536u

enum nbd_step { STEP_MAIN, STEP_WRITE_ZEROS, STEP_SYNC };

struct nbd {
    struct disk disk;
    struct nbd_handle *handle; /* NULL: broken */
    struct nbd_kept *kept;     /* of a server of the user's; or NULL */
    uint64_t cookie;           /* the last one that libnbd gave */
    struct helper_config config;
    struct helper *helper; /* NULL: the server is the user's */
    struct event *readable, *writable;
    bool ready;        /* the handshake is over */
    long long give_up; /* and if not, when it has failed */
    struct event *deadline;
    bool lost;              /* the server has told that it goes away */
    long long away_since;   /* the user's server: when it was lost; 0: it is there */
    long long reconnect_at; /* the next attempt */
    bool settling;
    unsigned starts;
    struct disk_list answered; /* work.result has come */
    struct disk_list waiting;  /* for a server that is ready */
    struct bounce bounce;
    uint64_t piece_max;
    bool can_flush, can_fua, can_zero, can_discard; /* what the server offers */
};

static void settle(struct nbd *nbd);
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

static bool is_sending(const struct nbd *nbd)
{
    return nbd_aio_get_direction(nbd->handle) & LIBNBD_AIO_DIRECTION_WRITE;
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
    nbd_kept_calls(nbd->kept);
    cookie = command_piece(nbd, request, buffer);
    if (cookie > 0) {
        nbd->cookie = (uint64_t)cookie;
        nbd_kept_sent(nbd->kept, change, nbd->cookie);
    }
    nbd_kept_called(nbd->kept, is_sending(nbd));
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

static void nbd_issue(struct disk *disk, struct disk_request *request)
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
    settle(nbd);
}

/* What the server has been sent it may do at any time. */
static bool nbd_cancel(struct disk *disk, struct disk_request *request)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (!disk_list_remove(&nbd->waiting, request) &&
        !disk_list_remove(&nbd->bounce.waiting, request))
        return false;
    finish(nbd, request, -ECANCELED);
    return true;
}

static void nbd_unpark(struct disk *disk, struct disk_request *request, int error)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (!error && disk->record->broken)
        error = -EIO;
    if (error)
        finish(nbd, request, error);
    else
        step(nbd, request);
    settle(nbd);
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

static void unwatch(struct nbd *nbd)
{
    if (nbd->readable)
        event_free(nbd->readable);
    if (nbd->writable)
        event_free(nbd->writable);
    nbd->readable = nbd->writable = NULL;
}

static void turned(evutil_socket_t fd, short what, void *opaque)
{
    struct nbd *nbd = opaque;
    unsigned direction = nbd_aio_get_direction(nbd->handle);

    disk_handling(&nbd->disk);
    nbd_kept_calls(nbd->kept);
    if ((what & EV_READ) && (direction & LIBNBD_AIO_DIRECTION_READ))
        nbd_aio_notify_read(nbd->handle);
    else if ((what & EV_WRITE) && (direction & LIBNBD_AIO_DIRECTION_WRITE))
        nbd_aio_notify_write(nbd->handle);
    nbd_kept_called(nbd->kept, is_sending(nbd));
    settle(nbd);
    disk_handled(&nbd->disk);
}

static int watch(struct nbd *nbd)
{
    int fd = nbd_aio_get_fd(nbd->handle);

    nbd->readable = event_new(nbd->disk.base, fd, EV_READ | EV_PERSIST, turned, nbd);
    nbd->writable = event_new(nbd->disk.base, fd, EV_WRITE | EV_PERSIST, turned, nbd);
    return nbd->readable && nbd->writable ? 0 : -ENOMEM;
}

/* What libnbd wants to know of its socket changes with each call. */
static void watch_direction(struct nbd *nbd)
{
    unsigned direction = nbd_aio_get_direction(nbd->handle);

    if (direction & LIBNBD_AIO_DIRECTION_READ)
        event_add(nbd->readable, NULL);
    else
        event_del(nbd->readable);
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        event_add(nbd->writable, NULL);
    else
        event_del(nbd->writable);
}

/* Start the helper if there is to be one, and begin to connect. 0 or -errno after a message. */
static int start_connection(struct nbd *nbd)
{
    int socket, error, result;

    nbd->handle = nbd_create();
    if (!nbd->handle) {
        log_error("disk '%s': %s", nbd->disk.path, nbd_get_error());
        return -ENOMEM;
    }
    /*
     * Of a structured reply the server has sent the beginning before it reads the image: QEMU's
     * hangs up when that fails. Of a simple one the error is all that comes.
     */
    nbd_set_request_structured_replies(nbd->handle, false);
    nbd->give_up = clock_now_ms() + CONNECT_MS;
    if (!nbd->config.driver) {
        result = nbd_aio_connect_uri(nbd->handle, nbd->disk.path);
    } else {
        error = helper_start(nbd->disk.base, &nbd->config, &nbd->helper, &socket);
        if (error) {
            nbd_close(nbd->handle);
            nbd->handle = NULL;
            return error;
        }
        nbd_set_export_name(nbd->handle, HELPER_EXPORT);
        result = nbd_aio_connect_socket(nbd->handle, socket);
    }
    if (result < 0 && !nbd_aio_is_dead(nbd->handle)) {
        log_error("disk '%s': %s", nbd->disk.path, nbd_get_error());
        return -EINVAL;
    }
    return 0;
}

static void end_connection(struct nbd *nbd, int grace_ms)
{
    unwatch(nbd);
    nbd->ready = nbd->lost = false;
    nbd_kept_lost(nbd->kept);
    nbd_close(nbd->handle);
    nbd->handle = NULL;
    nbd->cookie = 0;
    if (nbd->helper)
        helper_stop(nbd->helper, grace_ms);
    nbd->helper = NULL;
}

static void take_answers(struct nbd *nbd)
{
    struct disk_request *request;

    while ((request = disk_list_pop(&nbd->answered))) {
        if (request->work.result)
            failed(nbd, request);
        else
            succeeded(nbd, request);
    }
}

static void fail_all(struct nbd *nbd)
{
    struct disk_request *request;

    nbd->disk.record->broken = 1;
    if (nbd->handle)
        end_connection(nbd, 0);
    take_answers(nbd);
    while ((request = disk_list_pop(&nbd->waiting)))
        disk_finish(request, -EIO);
}

static void wait_for_server(struct nbd *nbd)
{
    static const struct timeval pause = {.tv_usec = RECONNECT_MS * 1000};
    const char *path = nbd->disk.path;
    long long now = clock_now_ms();

    if (!nbd->away_since) {
        nbd->away_since = now;
        log_warn("disk '%s': the connection to the server is lost, and no data with it; waiting "
                 "for the server to come back",
                 path);
    }
    if (now - nbd->away_since >= SERVER_MS) {
        log_error("disk '%s': the server has not come back for %d s; the disk fails from now on",
                  path, SERVER_MS / 1000);
        fail_all(nbd);
        return;
    }
    nbd->reconnect_at = now + RECONNECT_MS;
    event_add(nbd->deadline, &pause);
}

/* It is time for another attempt. */
static void reconnect(struct nbd *nbd)
{
    static const struct timeval limit = {.tv_sec = CONNECT_MS / 1000};

    if (start_connection(nbd)) {
        wait_for_server(nbd);
        return;
    }
    /* One that was refused is dead already, and has no descriptor. */
    if (!nbd_aio_is_dead(nbd->handle) && watch(nbd))
        fail_all(nbd);
    else
        event_add(nbd->deadline, &limit);
}

static void lose(struct nbd *nbd)
{
    const char *path = nbd->disk.path;
    struct timeval wait = {.tv_sec = CONNECT_MS / 1000};

    end_connection(nbd, 0);
    take_answers(nbd); /* none: what was in flight is put back */
    if (disk_is_dirty(&nbd->disk)) {
        log_error("disk '%s': %s with changes that were not flushed; these may be lost, so the "
                  "disk fails from now on",
                  path,
                  nbd->config.driver ? "the program that serves it has died"
                                     : "the connection to the server is lost");
    } else if (!nbd->config.driver) {
        wait_for_server(nbd);
        return;
    } else if (nbd->starts++ == STARTS_MAX) {
        log_error("disk '%s': the program that serves it has died %u times; the disk fails from "
                  "now on",
                  path, nbd->starts);
    } else {
        log_warn("disk '%s': the program that serves it has died; nothing is lost, starting it "
                 "again",
                 path);
        if (start_connection(nbd) == 0 && watch(nbd) == 0) {
            event_add(nbd->deadline, &wait);
            return;
        }
    }
    fail_all(nbd);
}

/* What a server can do, which may be another one than before. */
static void find_abilities(struct nbd *nbd)
{
    const struct disk_info *info = &nbd->disk.info;
    int64_t most = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MAXIMUM);

    nbd->piece_max =
        most > 0 && most < PIECE_MAX ? (uint64_t)(most - most % info->block_size) : PIECE_MAX;
    nbd->can_flush = nbd_can_flush(nbd->handle) > 0;
    nbd->can_fua = nbd_can_fua(nbd->handle) > 0;
    nbd->can_zero = nbd_can_zero(nbd->handle) > 0;
    nbd->can_discard = nbd_can_trim(nbd->handle) > 0;
}

/* Is it the disk that the guest knows? NULL, or what is wrong. */
static const char *what_changed(const struct nbd *nbd, bool could_flush)
{
    const struct disk_info *info = &nbd->disk.info;

    if (nbd_get_size(nbd->handle) < (int64_t)info->size)
        return "is smaller than before";
    if (!info->read_only && nbd_is_read_only(nbd->handle) > 0)
        return "cannot be written to any more";
    if (nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM) > info->block_size)
        return "has larger blocks than before";
    if (could_flush && !info->read_only && nbd_can_flush(nbd->handle) <= 0)
        return "cannot be flushed any more";
    return NULL;
}

/* The handshake with a server that was started again is over: go on. */
static void resume(struct nbd *nbd)
{
    const char *changed = what_changed(nbd, nbd->can_flush);
    struct disk_list waiting = nbd->waiting;
    struct disk_request *request;

    event_del(nbd->deadline);
    if (changed) {
        log_error("disk '%s': %s; it fails from now on", nbd->disk.path, changed);
        fail_all(nbd);
        return;
    }
    if (nbd->away_since)
        log_warn("disk '%s': the server is back", nbd->disk.path);
    nbd->away_since = 0;
    find_abilities(nbd);
    nbd->ready = true;
    nbd->waiting = (struct disk_list){0};
    while ((request = disk_list_pop(&waiting))) {
        if (request->op == DISK_WRITE_ZEROES && !nbd->can_zero)
            request->work.step = STEP_WRITE_ZEROS;
        step(nbd, request);
    }
}

/* After whatever may have brought answers or changed the connection. */
static void settle(struct nbd *nbd)
{
    if (nbd->settling)
        return;
    nbd->settling = true;
    if (!nbd->handle && nbd->away_since && !nbd->disk.record->broken &&
        clock_now_ms() >= nbd->reconnect_at)
        reconnect(nbd);
    while (nbd->handle) {
        take_answers(nbd);
        if (nbd->lost || nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle) ||
            (!nbd->ready && clock_now_ms() >= nbd->give_up))
            lose(nbd);
        else if (!nbd->ready && nbd_aio_is_ready(nbd->handle))
            resume(nbd);
        else if (!nbd->answered.first)
            break;
    }
    if (nbd->handle)
        watch_direction(nbd);
    nbd->settling = false;
}

static void deadline_passed(evutil_socket_t fd, short what, void *opaque)
{
    struct nbd *nbd = opaque;

    /* The timer's clock is coarser than this one: it may say so a little early, and only once. */
    nbd->give_up = nbd->reconnect_at = clock_now_ms();
    disk_handling(&nbd->disk);
    settle(nbd);
    disk_handled(&nbd->disk);
}

/* libnbd sends at once. */
static void nbd_kick(struct disk *disk)
{
}

static void nbd_wait(struct disk *disk, int timeout_ms)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (!nbd->handle) {
        poll(NULL, 0, timeout_ms < 0 || timeout_ms > LOOK_MS ? LOOK_MS : timeout_ms);
        settle(nbd);
        return;
    }
    /* A helper that does not come up says nothing. */
    if (!nbd->ready && (timeout_ms < 0 || timeout_ms > LOOK_MS))
        timeout_ms = LOOK_MS;
    nbd_kept_calls(nbd->kept);
    nbd_poll(nbd->handle, timeout_ms);
    nbd_kept_called(nbd->kept, is_sending(nbd));
    settle(nbd);
}

static void nbd_free(struct nbd *nbd)
{
    if (nbd->handle)
        end_connection(nbd, nbd->ready ? HELPER_END_MS : 0);
    if (nbd->deadline)
        event_free(nbd->deadline);
    helper_forget(&nbd->config);
    bounce_free(&nbd->bounce);
    nbd_kept_close(nbd->kept);
    free(nbd);
}

/* Take leave, so that the server need not wonder. */
static void disconnect(struct nbd *nbd)
{
    long long end = clock_now_ms() + DISCONNECT_MS;

    if (nbd_aio_disconnect(nbd->handle, 0) < 0)
        return;
    while (!nbd_aio_is_closed(nbd->handle) && !nbd_aio_is_dead(nbd->handle)) {
        long long left = end - clock_now_ms();

        if (left <= 0 || nbd_poll(nbd->handle, (int)left) < 0)
            return;
    }
}

static void nbd_driver_close(struct disk *disk)
{
    struct nbd *nbd = (struct nbd *)disk;

    /* What is still in flight has had its time: libnbd forgets it with its handle. */
    if (nbd->handle && nbd->ready && disk->in_flight == 0)
        disconnect(nbd);
    nbd_free(nbd);
}

static const struct disk_driver nbd_driver = {
    .issue = nbd_issue,
    .cancel = nbd_cancel,
    .kick = nbd_kick,
    .wait = nbd_wait,
    .unpark = nbd_unpark,
    .close = nbd_driver_close,
    .close_timeout_ms = CLOSE_MS,
};

/* 0 or -errno, after a message. */
static int wait_for_handshake(struct nbd *nbd)
{
    while (!nbd_aio_is_ready(nbd->handle)) {
        long long left = nbd->give_up - clock_now_ms();

        if (nbd_aio_is_dead(nbd->handle) || nbd_aio_is_closed(nbd->handle) ||
            (left > 0 && nbd_poll(nbd->handle, (int)left) < 0)) {
            /* What a helper says of itself explains more. */
            if (!nbd->helper)
                log_error("disk '%s': %s", nbd->disk.path, nbd_get_error());
            return -EIO;
        }
        if (left <= 0) {
            log_error("disk '%s': the server does not answer", nbd->disk.path);
            return -ETIMEDOUT;
        }
    }
    return 0;
}

static uint32_t power_of_two(int64_t value, uint32_t least, uint32_t most)
{
    uint32_t power = least;

    while (power < most && power < value)
        power *= 2;
    return power;
}

/* What the server offers. */
static int find_features(struct nbd *nbd)
{
    struct disk_info *info = &nbd->disk.info;
    int64_t size = nbd_get_size(nbd->handle);
    int64_t least = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MINIMUM);
    int64_t preferred = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_PREFERRED);
    int64_t most = nbd_get_block_size(nbd->handle, LIBNBD_SIZE_MAXIMUM);

    info->block_size = power_of_two(least, 512, 65536);
    info->physical_block_size = power_of_two(preferred, info->block_size, 65536);
    info->discard_granularity = info->physical_block_size;
    if (least > info->block_size || (most > 0 && most < info->block_size)) {
        log_error("disk '%s': the server's block size of %lld bytes is too large", nbd->disk.path,
                  (long long)least);
        return -EINVAL;
    }
    if (size < (int64_t)info->block_size) {
        log_error("disk '%s': is empty", nbd->disk.path);
        return -EINVAL;
    }
    info->size = (uint64_t)size - (uint64_t)size % info->block_size;
    if (info->size != (uint64_t)size)
        log_warn("disk '%s': its size is no multiple of %u bytes: the guest does not see the last "
                 "%u",
                 nbd->disk.path, info->block_size, (unsigned)((uint64_t)size - info->size));
    if (!info->read_only && nbd_is_read_only(nbd->handle) > 0) {
        log_error("disk '%s': the server gives it for reading only; open the disk read-only",
                  nbd->disk.path);
        return -EROFS;
    }
    find_abilities(nbd);
    if (!nbd->can_flush && !info->read_only && nbd->disk.cache != DISK_UNSAFE)
        log_warn("disk '%s': the server cannot flush: when it stops, data may be lost",
                 nbd->disk.path);
    info->can_discard = nbd->can_discard && nbd->disk.discard && !info->read_only;
    info->write_cache = nbd->disk.cache != DISK_WRITETHROUGH && !info->read_only;
    info->engine = "nbd";
    return 0;
}

int nbd_open(struct disk *common, const struct disk_config *config,
             const struct disk_format *format, bool is_block, struct disk **disk)
{
    struct nbd *nbd = calloc(1, sizeof(*nbd));
    int error;

    if (!nbd)
        return -ENOMEM;
    nbd->disk = *common;
    nbd->disk.driver = &nbd_driver;
    nbd->config = (struct helper_config){
        .program = config->helper,
        .path = common->path,
        .driver = format ? format->driver : NULL,
        .cache = common->cache,
        .is_block = is_block,
        .read_only = config->read_only,
        .discard = common->discard,
        .lock = !config->no_lock,
        .task = -1,
    };
    if (!format) /* to connect again */
        sandbox_need(strstr(common->path, "+unix:") ? SANDBOX_UNIX
                                                    : SANDBOX_INET | SANDBOX_RESOLVE);
    if (!format)
        nbd->kept = nbd_kept_open(common->number, common->path);
    error = bounce_init(&nbd->bounce);
    nbd->deadline = event_new(common->base, -1, 0, deadline_passed, nbd);
    if (!nbd->deadline)
        error = -ENOMEM;
    if (!error)
        error = start_connection(nbd);
    if (!error)
        error = wait_for_handshake(nbd);
    if (!error)
        error = find_features(nbd);
    if (!error)
        error = watch(nbd);
    if (error) {
        nbd_free(nbd);
        return error;
    }
    nbd_kept_connected(nbd->kept, nbd_aio_get_fd(nbd->handle));
    nbd->ready = true;
    watch_direction(nbd);
    *disk = &nbd->disk;
    return 0;
}
