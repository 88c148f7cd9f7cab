/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connection to an NBD server, from its beginning to its end, and what becomes of it when it
 * is lost. The loop watches libnbd's socket.
 */
#include <errno.h>
#include <poll.h>

#include "vmm/disk/nbd_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define CONNECT_MS    10000 /* for the handshake */
#define DISCONNECT_MS 1000
#define HELPER_END_MS 30000 /* for the helper to write out all that it holds */
#define LOOK_MS       100
#define STARTS_MAX    5u    /* of a helper again that has died */
#define SERVER_MS     60000 /* for a server of the user's to come back */
#define RECONNECT_MS  500   /* between two attempts */

void nbd_link_calls(struct nbd *nbd)
{
    nbd_kept_calls(nbd->kept);
}

void nbd_link_called(struct nbd *nbd)
{
    nbd_kept_called(nbd->kept, nbd_aio_get_direction(nbd->handle) & LIBNBD_AIO_DIRECTION_WRITE);
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
    nbd_link_calls(nbd);
    if ((what & EV_READ) && (direction & LIBNBD_AIO_DIRECTION_READ))
        nbd_aio_notify_read(nbd->handle);
    else if ((what & EV_WRITE) && (direction & LIBNBD_AIO_DIRECTION_WRITE))
        nbd_aio_notify_write(nbd->handle);
    nbd_link_called(nbd);
    nbd_link_settle(nbd);
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

static void fail_all(struct nbd *nbd)
{
    nbd->disk.record->broken = 1;
    if (nbd->handle)
        end_connection(nbd, 0);
    nbd_request_take_answers(nbd);
    nbd_request_fail_waiting(nbd);
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
    nbd_request_take_answers(nbd); /* none: what was in flight is put back */
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

/* The handshake with a server that was started again is over: go on. */
static void resume(struct nbd *nbd)
{
    const char *changed = nbd_disk_what_changed(nbd);

    event_del(nbd->deadline);
    if (changed) {
        log_error("disk '%s': %s; it fails from now on", nbd->disk.path, changed);
        fail_all(nbd);
        return;
    }
    if (nbd->away_since)
        log_warn("disk '%s': the server is back", nbd->disk.path);
    nbd->away_since = 0;
    nbd_disk_find_abilities(nbd);
    nbd->ready = true;
    nbd_request_send_waiting(nbd);
}

void nbd_link_settle(struct nbd *nbd)
{
    if (nbd->settling)
        return;
    nbd->settling = true;
    if (!nbd->handle && nbd->away_since && !nbd->disk.record->broken &&
        clock_now_ms() >= nbd->reconnect_at)
        reconnect(nbd);
    while (nbd->handle) {
        nbd_request_take_answers(nbd);
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
    nbd_link_settle(nbd);
    disk_handled(&nbd->disk);
}

void nbd_link_wait(struct disk *disk, int timeout_ms)
{
    struct nbd *nbd = (struct nbd *)disk;

    if (!nbd->handle) {
        poll(NULL, 0, timeout_ms < 0 || timeout_ms > LOOK_MS ? LOOK_MS : timeout_ms);
        nbd_link_settle(nbd);
        return;
    }
    /* A helper that does not come up says nothing. */
    if (!nbd->ready && (timeout_ms < 0 || timeout_ms > LOOK_MS))
        timeout_ms = LOOK_MS;
    nbd_link_calls(nbd);
    nbd_poll(nbd->handle, timeout_ms);
    nbd_link_called(nbd);
    nbd_link_settle(nbd);
}

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

int nbd_link_open(struct nbd *nbd)
{
    int error;

    nbd->deadline = event_new(nbd->disk.base, -1, 0, deadline_passed, nbd);
    if (!nbd->deadline)
        return -ENOMEM;
    error = start_connection(nbd);
    return error ? error : wait_for_handshake(nbd);
}

int nbd_link_go(struct nbd *nbd)
{
    int error = watch(nbd);

    if (error)
        return error;
    nbd_kept_connected(nbd->kept, nbd_aio_get_fd(nbd->handle));
    nbd->ready = true;
    watch_direction(nbd);
    return 0;
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

void nbd_link_close(struct nbd *nbd)
{
    /* What is still in flight has had its time: libnbd forgets it with its handle. */
    if (nbd->handle && nbd->ready && nbd->disk.in_flight == 0)
        disconnect(nbd);
    if (nbd->handle)
        end_connection(nbd, nbd->ready ? HELPER_END_MS : 0);
    if (nbd->deadline)
        event_free(nbd->deadline);
}
