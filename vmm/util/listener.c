/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/listener.h"

#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/sandbox/outside.h"
#include "vmm/util/log.h"

#define LISTENER_BACKLOG  128
#define LISTENER_MODE     0700
#define LISTENER_RETRY_MS 100 /* after a connection that could not be accepted */
#define LISTENER_TRIES    10  /* at a path that others take and give up meanwhile */

/* Room for what is appended to the path while the socket is made. */
#define LISTENER_PATH_MAX    sizeof(((struct sockaddr_un *)0)->sun_path)
#define LISTENER_SUFFIX_MAX  (sizeof(".2147483647") - 1)
#define LISTENER_PATH_LENGTH (LISTENER_PATH_MAX - 1 - LISTENER_SUFFIX_MAX)

/* A socket's file, and which one it is: another process may have put its own there. */
struct listener_file {
    dev_t device;
    ino_t inode;
    char path[LISTENER_PATH_MAX];
};

struct listener {
    struct listener_config config;
    struct evconnlistener *events;    /* NULL: not listening yet */
    struct evhttp_bound_socket *http; /* evhttp has `events` */
    struct event *retry;
    char *path;
    struct listener_file file;
    int remover;    /* the task that removes its file; negative: this process does it itself */
    bool published; /* there is a file */
    bool paused;
    bool failing; /* the last accept failed: the message has been given */
};

static void listener_accepted(struct evconnlistener *events, evutil_socket_t fd,
                              struct sockaddr *address, int length, void *opaque)
{
    struct listener *listener = opaque;

    listener->failing = false;
    listener->config.accepted(listener->config.opaque, fd);
}

/* Mostly EMFILE. The connection stays in the backlog and would report itself in each pass. */
static void listener_failed(struct evconnlistener *events, void *opaque)
{
    static const struct timeval later = {.tv_usec = LISTENER_RETRY_MS * 1000};
    struct listener *listener = opaque;

    if (!listener->failing)
        log_error("%s: a connection fails: %s", listener->config.what, strerror(errno));
    listener->failing = true;
    evconnlistener_disable(events);
    event_add(listener->retry, &later);
}

static void listener_apply(struct listener *listener)
{
    if (listener->paused || event_pending(listener->retry, EV_TIMEOUT, NULL))
        evconnlistener_disable(listener->events);
    else
        evconnlistener_enable(listener->events);
}

static void listener_retry(evutil_socket_t fd, short what, void *opaque)
{
    listener_apply(opaque);
}

void listener_pause(struct listener *listener)
{
    listener->paused = true;
    listener_apply(listener);
}

void listener_resume(struct listener *listener)
{
    listener->paused = false;
    listener_apply(listener);
}

/* 0: somebody listens at the path; else the errno of connect(). */
static int listener_probe(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return errno;
    strcpy(address.sun_path, path);
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
        error = errno == EAGAIN ? 0 : errno; /* EAGAIN: the backlog is full */
    close(fd);
    return error;
}

/* What is at the path is removed if it is a socket on which nobody listens. Under the lock. */
static int listener_remove_dead(const struct listener *listener)
{
    struct stat st;
    int error;

    if (lstat(listener->path, &st))
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    error = listener_probe(listener->path);
    if (error == 0)
        return -EADDRINUSE;
    if (error == ECONNREFUSED && unlink(listener->path))
        error = errno;
    return error == ECONNREFUSED || error == ENOENT ? 0 : -error;
}

/*
 * The right to remove what is at the path. Without it, of two processes that both saw a dead
 * socket the slower one would remove the new socket of the quicker one. A descriptor, or -errno:
 * -EADDRINUSE if another process has it, which is about to listen there. The file is the user's
 * own, so that no other user can hold it.
 */
static int listener_lock(const char *name)
{
    struct stat ours, now;
    int fd = open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB))
        error = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
    else if (fstat(fd, &ours) || lstat(name, &now) || ours.st_ino != now.st_ino)
        error = -EADDRINUSE; /* the one who had it has removed it meanwhile */
    if (error)
        close(fd);
    return error ? error : fd;
}

static int listener_make_room(const struct listener *listener)
{
    char name[LISTENER_PATH_MAX];
    int lock, error;

    snprintf(name, sizeof(name), "%s.lock", listener->path);
    lock = listener_lock(name);
    if (lock < 0)
        return lock;
    error = listener_remove_dead(listener);
    unlink(name); /* before others can have it */
    close(lock);
    return error;
}

/* A task of the process outside of the sandbox, which also does it when this one was killed. */
static int listener_remove(const void *data, size_t size, bool away, struct outside_result *result)
{
    const struct listener_file *file = data;
    struct stat st;

    if (lstat(file->path, &st) || st.st_dev != file->device || st.st_ino != file->inode)
        return 0;
    return unlink(file->path) ? -errno : 0;
}

/* Give the socket `made` its path, which only one of several processes can do. */
static int listener_publish(struct listener *listener, const char *made)
{
    int error = 0;

    for (unsigned i = 0; i < LISTENER_TRIES && !error; i++) {
        if (link(made, listener->path) == 0) {
            listener->published = true;
            return 0;
        }
        error = errno == EEXIST ? listener_make_room(listener) : -errno;
    }
    return error ? error : -EADDRINUSE;
}

/*
 * A socket that listens, or -errno. It gets its path last: one that is bound and does not listen
 * yet looks like a dead one to other processes.
 */
static int listener_bind(struct listener *listener)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *made = address.sun_path;
    struct listener_file file = {0};
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = 0;

    if (fd < 0)
        return -errno;
    snprintf(made, sizeof(address.sun_path), "%s.%ld", listener->path, (long)getpid());
    unlink(made); /* of an earlier process of this number */
    /* bind() takes the file's mode from the socket. To change the umask would hit all threads. */
    if (fchmod(fd, listener->config.mode) ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
        error = -errno;
        close(fd);
        return error;
    }
    if (listen(fd, listener->config.backlog) || lstat(made, &st))
        error = -errno;
    if (!error) {
        file.device = st.st_dev;
        file.inode = st.st_ino;
        snprintf(file.path, sizeof(file.path), "%s", listener->path);
        listener->file = file;
        listener->remover = outside_add(listener_remove, &file, sizeof(file), true);
        error = listener_publish(listener, made);
    }
    unlink(made);
    if (error)
        close(fd);
    return error ? error : fd;
}

/* The same for a TCP port. */
static int listener_bind_port(const struct listener *listener)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(listener->config.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1, error;

    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
        listen(fd, listener->config.backlog)) {
        error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

static int listener_start(struct listener *listener)
{
    struct event_base *base = listener->config.base;
    int fd = listener->config.path ? listener_bind(listener) : listener_bind_port(listener);

    if (fd < 0)
        return fd;
    listener->retry = evtimer_new(base, listener_retry, listener);
    if (listener->retry)
        listener->events = evconnlistener_new(base, listener_accepted, listener,
                                              LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                              0 /* it listens */, fd);
    if (!listener->events) {
        close(fd);
        return -ENOMEM;
    }
    if (listener->config.http) {
        listener->http = evhttp_bind_listener(listener->config.http, listener->events);
        if (!listener->http)
            return -ENOMEM;
    }
    evconnlistener_set_error_cb(listener->events, listener_failed);
    return 0;
}

static void listener_say(const struct listener_config *config, int error)
{
    if (error == -EEXIST)
        log_error("%s: there is something else of this name: remove it, or give another path",
                  config->what);
    else if (error == -EADDRINUSE && !config->quiet)
        log_error("%s: another program listens there", config->what);
    else if (error != -EADDRINUSE)
        log_error("%s: %s", config->what, strerror(-error));
}

int listener_open(const struct listener_config *config, struct listener **listener)
{
    struct listener *new;
    int error;

    if (config->path && (!*config->path || strlen(config->path) > LISTENER_PATH_LENGTH)) {
        log_error("%s: the path of a socket has 1 to %zu characters", config->what,
                  LISTENER_PATH_LENGTH);
        return -EINVAL;
    }
    new = calloc(1, sizeof(*new));
    if (!new) {
        log_error("%s: out of memory", config->what);
        return -ENOMEM;
    }
    new->config = *config;
    new->remover = -1;
    if (!new->config.backlog)
        new->config.backlog = LISTENER_BACKLOG;
    if (!new->config.mode)
        new->config.mode = LISTENER_MODE;
    if (config->path)
        new->path = strdup(config->path);
    error = config->path && !new->path ? -ENOMEM : listener_start(new);
    if (error) {
        listener_say(config, error);
        listener_close(new);
        return error;
    }
    *listener = new;
    return 0;
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    /* Before the socket is closed: until then nobody else can have its inode's number. */
    if (!listener->published)
        outside_forget(listener->remover);
    else if (listener->remover < 0 || outside_do(listener->remover, NULL))
        listener_remove(&listener->file, sizeof(listener->file), false, NULL);
    if (listener->http)
        evhttp_del_accept_socket(listener->config.http, listener->http);
    else if (listener->events)
        evconnlistener_free(listener->events);
    if (listener->retry)
        event_free(listener->retry);
    free(listener->path);
    free(listener);
}
