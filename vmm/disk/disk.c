/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/disk/disk_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define RETRY_MS    10 /* until the kernel is asked again that was short of memory */
#define SAY_FULL_MS 60000
#define ROOM_MS     500 /* until it is tried again to write what the host had no room for */

void disk_list_push(struct disk_list *list, struct disk_request *request)
{
    request->work.list = list;
    request->work.next = NULL;
    request->work.prev = list->first ? list->last : NULL;
    if (list->first)
        list->last->work.next = request;
    else
        list->first = request;
    list->last = request;
}

struct disk_request *disk_list_pop(struct disk_list *list)
{
    struct disk_request *request = list->first;

    if (request) {
        list->first = request->work.next;
        request->work.list = NULL;
        if (list->first)
            list->first->work.prev = NULL;
    }
    return request;
}

bool disk_list_remove(struct disk_list *list, struct disk_request *request)
{
    struct disk_work *work = &request->work;

    if (work->list != list)
        return false;
    *(work->prev ? &work->prev->work.next : &list->first) = work->next;
    *(work->next ? &work->next->work.prev : &list->last) = work->prev;
    work->list = NULL;
    return true;
}

void disk_kick_later(struct disk *disk)
{
    soon_arm_in(disk->pass, RETRY_MS);
}

/*
 * done() of those that are over by now. What is over because of these calls is
 * left for the next pass: a guest that floods its queue does not hold the loop.
 */
static void deliver(struct disk *disk)
{
    struct disk_list now = disk->finished;
    bool any = now.first != NULL;
    struct disk_request *request;

    disk->finished = (struct disk_list){0};
    while ((request = disk_list_pop(&now))) {
        disk->in_flight--;
        request->done(request, (int)request->work.result);
    }
    if (any && disk->round_end)
        disk->round_end(disk->round_opaque);
    if (disk->finished.first)
        soon_arm(disk->pass);
}

void disk_handling(struct disk *disk)
{
    disk->handling = true;
}

void disk_handled(struct disk *disk)
{
    disk->handling = false;
    deliver(disk);
}

static void pass(void *opaque)
{
    struct disk *disk = opaque;

    disk->driver->kick(disk);
    disk_handling(disk);
    if (disk->driver->reap)
        disk->driver->reap(disk);
    disk_handled(disk);
}

static bool changes_data(const struct disk_request *request)
{
    return request->op == DISK_WRITE || request->op == DISK_DISCARD ||
           request->op == DISK_WRITE_ZEROES;
}

void disk_finish(struct disk_request *request, int error)
{
    struct disk_work *work = &request->work;
    struct disk *disk = work->disk;

    if (!error && work->parked && disk->full) {
        log_warn("disk '%s': there is room again: the guest's writes go on", disk->path);
        disk->full = false;
    }
    if (!error && work->total && changes_data(request) && disk->cache != DISK_WRITETHROUGH)
        disk->writes++;
    if (!error && request->op == DISK_FLUSH && work->writes > disk->stable)
        disk->stable = work->writes;
    work->result = error;
    disk_list_push(&disk->finished, request);
    if (!disk->handling)
        soon_arm(disk->pass);
}

bool disk_park(struct disk_request *request, int error)
{
    static const struct timeval later = {.tv_usec = ROOM_MS * 1000};
    struct disk *disk = request->work.disk;

    if (!disk->pause_when_full || (error != -ENOSPC && error != -EDQUOT))
        return false;
    /* A guest can fill the host's disk again and again: not each time with a message. */
    if (!disk->full && (!disk->full_said_ms || clock_now_ms() - disk->full_said_ms > SAY_FULL_MS)) {
        disk->full = true;
        disk->full_said_ms = clock_now_ms();
        log_error("disk '%s': no room on the host: %s. The guest's writes wait until there is some",
                  disk->path, strerror(-error));
    }
    request->work.parked = true;
    disk_list_push(&disk->parked, request);
    event_add(disk->retry, &later);
    return true;
}

/* Those that wait now; what does not fit again waits anew. */
static void unpark(struct disk *disk, int error)
{
    struct disk_list parked = disk->parked;
    struct disk_request *request;

    disk->parked = (struct disk_list){0};
    while ((request = disk_list_pop(&parked)))
        disk->driver->unpark(disk, request, error);
}

static void try_again(evutil_socket_t fd, short what, void *opaque)
{
    struct disk *disk = opaque;

    unpark(disk, 0);
    disk->driver->kick(disk);
}

int disk_begin(struct disk *disk)
{
    disk->pass = soon_new(disk->base, pass, disk);
    disk->retry = event_new(disk->base, -1, 0, try_again, disk);
    return disk->pass && disk->retry ? 0 : -ENOMEM;
}

bool disk_is_dirty(const struct disk *disk)
{
    return disk->writes != disk->stable;
}

/* Bytes that the iov names; UINT64_MAX: too many, or of too many elements. */
static uint64_t iov_total(const struct iovec *iov, unsigned count)
{
    uint64_t total = 0;

    if (count > DISK_IOV_MAX)
        return UINT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (iov[i].iov_len > DISK_TRANSFER_MAX)
            return UINT64_MAX;
        total += iov[i].iov_len;
    }
    return total <= DISK_TRANSFER_MAX ? total : UINT64_MAX;
}

static int check(const struct disk *disk, const struct disk_request *request, uint64_t total)
{
    const struct disk_info *info = &disk->info;

    if (disk->record->broken)
        return -EIO;
    if (request->op > DISK_WRITE_ZEROES || (request->flags & ~DISK_UNMAP))
        return -EINVAL;
    if (request->op == DISK_FLUSH)
        return 0;
    if (request->offset % info->block_size || total % info->block_size ||
        request->offset > info->size || total > info->size - request->offset)
        return -EINVAL;
    if (info->read_only && request->op != DISK_READ)
        return -EROFS;
    if (request->op == DISK_DISCARD && !info->can_discard)
        return -EOPNOTSUPP;
    return 0;
}

/* Nothing has to be done for it, or nothing is wanted. */
static bool is_empty(const struct disk *disk, const struct disk_request *request)
{
    if (request->op == DISK_FLUSH)
        return disk->cache == DISK_UNSAFE || disk->info.read_only;
    return request->work.total == 0;
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
    uint64_t total = 0;
    int error;

    if (request->op == DISK_READ || request->op == DISK_WRITE)
        total = iov_total(request->iov, request->iov_count);
    else if (request->op != DISK_FLUSH)
        total = request->length;
    request->work = (struct disk_work){.disk = disk, .total = total, .writes = disk->writes};
    disk->in_flight++;
    error = check(disk, request, total);
    if (error || is_empty(disk, request)) {
        disk_finish(request, error);
    } else {
        disk->driver->issue(disk, request);
        soon_arm(disk->pass);
    }
}

void disk_kick(struct disk *disk)
{
    disk->driver->kick(disk);
}

void disk_on_round(struct disk *disk, void (*end)(void *opaque), void *opaque)
{
    disk->round_end = end;
    disk->round_opaque = opaque;
}

void disk_on_change(struct disk *disk, void (*changed)(void *opaque), void *opaque)
{
    disk->changed = changed;
    disk->changed_opaque = opaque;
}

int disk_cancel(struct disk *disk, struct disk_request *request)
{
    if (disk_list_remove(&disk->parked, request)) {
        disk->driver->unpark(disk, request, -ECANCELED);
        return 0;
    }
    return disk->driver->cancel(disk, request) ? 0 : -EBUSY;
}

unsigned disk_in_flight(const struct disk *disk)
{
    return disk->in_flight;
}

const struct disk_info *disk_info(const struct disk *disk)
{
    return &disk->info;
}

/* One step of disk_drain or disk_close. False: the time is over. */
static bool wait_once(struct disk *disk, long long end_ms)
{
    int left = -1;

    disk->driver->kick(disk);
    if (end_ms >= 0) {
        long long ms = end_ms - clock_now_ms();

        if (ms <= 0)
            return false;
        left = (int)ms;
    }
    /* The loop's timer for what the kernel did not take does not run meanwhile. */
    if (soon_is_timed(disk->pass) && (left < 0 || left > RETRY_MS))
        left = RETRY_MS;
    disk->handling = true;
    disk->driver->wait(disk, left);
    disk->handling = false;
    return true;
}

int disk_drain(struct disk *disk, int timeout_ms)
{
    long long end = timeout_ms < 0 ? -1 : clock_now_ms() + timeout_ms;

    unpark(disk, -ENOSPC);
    deliver(disk);
    while (disk->in_flight) {
        if (!disk->finished.first && !wait_once(disk, end))
            return -ETIMEDOUT;
        unpark(disk, -ENOSPC);
        deliver(disk);
    }
    return 0;
}

/* What is over, without telling. */
static void drop_finished(struct disk *disk)
{
    while (disk_list_pop(&disk->finished))
        disk->in_flight--;
}

void disk_close(struct disk *disk)
{
    long long end =
        disk->driver->close_timeout_ms < 0 ? -1 : clock_now_ms() + disk->driver->close_timeout_ms;
    struct event *retry = disk->retry;
    struct soon *pass = disk->pass;
    char *path = disk->path;

    unpark(disk, -ENOSPC);
    drop_finished(disk);
    while (disk->in_flight && wait_once(disk, end)) {
        unpark(disk, -ENOSPC);
        drop_finished(disk);
    }
    disk->driver->close(disk);
    soon_free(pass);
    event_free(retry);
    free(path);
}

int disk_resize(struct disk *disk, uint64_t size)
{
    uint64_t new_size;
    int error = -EOPNOTSUPP;

    if (disk->driver->resize)
        error = disk->driver->resize(disk, size, &new_size);
    else
        log_error("disk '%s': its size cannot change while it is open", disk->path);
    if (error || new_size == disk->info.size)
        return error;
    disk->info.size = new_size;
    if (disk->changed)
        disk->changed(disk->changed_opaque);
    return 0;
}

enum {
    SAID_EIO = 1u << 0,
    SAID_FULL = 1u << 1,
    SAID_SHORT = 1u << 2,
    SAID_OTHER = 1u << 3,
    SAID_HEADER = 1u << 4,
};

static bool first_time(struct disk *disk, unsigned what)
{
    bool first = !(disk->said & what);

    disk->said |= what;
    return first;
}

void disk_refuse_header(struct disk_request *request)
{
    struct disk *disk = request->work.disk;

    if (first_time(disk, SAID_HEADER))
        log_error("disk '%s': the guest writes the header of another image format to its start, "
                  "which is refused: the next start would take the image for one of that format. "
                  "With format=raw it can be written",
                  disk->path);
}

int disk_io_error(struct disk_request *request, int error)
{
    static const char *const names[] = {"read", "write", "flush", "discard", "write of zeros"};
    struct disk *disk = request->work.disk;
    unsigned long long at = (unsigned long long)request->work.at;
    const char *name = names[request->op];

    switch (error) {
    case DISK_SHORT_READ:
        if (first_time(disk, SAID_SHORT))
            log_error("disk '%s': the file ends inside the disk (at byte %llu or before): has it "
                      "been truncated? The guest gets I/O errors",
                      disk->path, at);
        return -EIO;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG: /* RLIMIT_FSIZE, or the file system's largest file */
        if (first_time(disk, SAID_FULL))
            log_error("disk '%s': no room for a %s at byte %llu: %s. The guest gets I/O errors",
                      disk->path, name, at, strerror(-error));
        return -ENOSPC;
    case -EIO:
        if (first_time(disk, SAID_EIO))
            log_error("disk '%s': a %s at byte %llu failed: %s. The guest gets I/O errors",
                      disk->path, name, at, strerror(EIO));
        return -EIO;
    default:
        if (first_time(disk, SAID_OTHER))
            log_error("disk '%s': a %s at byte %llu failed: %s. The guest gets I/O errors",
                      disk->path, name, at, strerror(-error));
        return -EIO;
    }
}
