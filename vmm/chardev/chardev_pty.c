/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * "pty" and "pty:LINK": a new pseudo-terminal, raw, whose user may open and close it
 * as often as he likes. Its name is said at the start, and LINK points to it. The keeper has the
 * master as well: who uses the terminal does not notice that another process takes over.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/chardev/chardev_stream.h"
#include "vmm/keeper/kept.h"
#include "vmm/sandbox/outside.h"
#include "vmm/util/log.h"

#define PTY_NAME   64
#define PTY_SIZE_S 1 /* between two looks at the size: nothing tells a master of a change */

struct chardev_pty {
    struct chardev_stream stream; /* first */
    int master;                   /* the stream has duplicates of it, while there is a user */
    char name[PTY_NAME];
    int unlinker; /* the task that removes the link; negative: there is none */
    struct event *resized;
};

static struct chardev_pty *pty_of(struct chardev_stream *stream)
{
    return (struct chardev_pty *)(void *)stream;
}

/* A master tells that nobody has opened the other side by POLLHUP, and tells it all the time. */
static bool pty_has_user(const struct chardev_pty *pty)
{
    struct pollfd poll_fd = {.fd = pty->master, .events = POLLIN};

    return poll(&poll_fd, 1, 0) >= 0 && !(poll_fd.revents & POLLHUP);
}

static void pty_on_resized(evutil_socket_t fd, short what, void *arg)
{
    struct chardev_pty *pty = arg;

    if (pty->stream.fd >= 0)
        chardev_tell_size(&pty->stream.chardev, pty->master);
}

static void pty_lost(struct chardev_stream *s)
{
    event_del(pty_of(s)->resized);
    chardev_stream_disconnect(s);
    chardev_stream_look(s);
}

static void pty_looked(struct chardev_stream *s)
{
    static const struct timeval often = {.tv_sec = PTY_SIZE_S};
    struct chardev_pty *pty = pty_of(s);
    int fd;

    if (s->fd >= 0) {
        if (chardev_stream_is_gone(s))
            pty_lost(s);
        else if (s->stalled)
            chardev_stream_look(s);
        return;
    }
    if (pty_has_user(pty)) {
        fd = fcntl(pty->master, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0 && chardev_stream_connect(s, fd, true) == 0) {
            event_add(pty->resized, &often);
            event_active(pty->resized, EV_TIMEOUT, 0);
            return;
        }
        if (fd < 0)
            log_error("console '%s': %s", s->name, strerror(errno));
    }
    chardev_stream_look(s);
}

/*
 * Which link it is: the next process makes another one, with the same target. An inode's number may
 * be used again at once, so the time of its making counts as well.
 */
struct pty_link {
    dev_t device;
    ino_t inode;
    struct timespec made;
    char path[];
};

static bool pty_is_link(const struct pty_link *link, const struct stat *st)
{
    return st->st_dev == link->device && st->st_ino == link->inode &&
           st->st_mtim.tv_sec == link->made.tv_sec && st->st_mtim.tv_nsec == link->made.tv_nsec;
}

/* A task: remove the link if it is still ours. */
static int pty_unlink(const void *data, size_t size, bool away, struct outside_result *result)
{
    const struct pty_link *link = data;
    struct stat st;

    if (lstat(link->path, &st) || !pty_is_link(link, &st))
        return 0;
    return unlink(link->path) ? -errno : 0;
}

/* The link that is made at `made` will be at `path`. 0 or -errno. */
static int pty_add_unlinker(struct chardev_pty *pty, const char *made, const char *path)
{
    size_t size = sizeof(struct pty_link) + strlen(path) + 1;
    struct pty_link *link = calloc(1, size);
    struct stat st;

    if (!link)
        return -ENOMEM;
    if (lstat(made, &st) == 0) {
        link->device = st.st_dev;
        link->inode = st.st_ino;
        link->made = st.st_mtim;
        strcpy(link->path, path);
        pty->unlinker = outside_add(pty_unlink, link, size, true);
    }
    free(link);
    return pty->unlinker < 0 ? -ENOMEM : 0;
}

static void pty_free(struct chardev_stream *s)
{
    struct chardev_pty *pty = pty_of(s);

    if (pty->unlinker >= 0)
        outside_do(pty->unlinker, NULL);
    if (pty->resized)
        event_free(pty->resized);
    if (pty->master >= 0)
        close(pty->master);
}

static const struct chardev_stream_kind pty_kind = {
    .lost = pty_lost,
    .looked = pty_looked,
    .free = pty_free,
};

/* Raw, and with its first user gone: until then a master does not tell that there is none. */
static int pty_make(struct chardev_pty *pty)
{
    struct termios mode;
    int slave = -1, error = 0;

    pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (pty->master < 0 || grantpt(pty->master) || unlockpt(pty->master) ||
        ptsname_r(pty->master, pty->name, sizeof(pty->name)))
        goto failed;
    slave = open(pty->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &mode))
        goto failed;
    cfmakeraw(&mode);
    if (tcsetattr(slave, TCSANOW, &mode))
        goto failed;
    close(slave);
    return 0;
failed:
    error = -errno;
    log_error("console '%s': no pseudo-terminal: %s", pty->stream.name, strerror(-error));
    if (slave >= 0)
        close(slave);
    return error;
}

/* In one step, and in place of nothing but a link to a pseudo-terminal. */
static int pty_make_link(struct chardev_pty *pty, const char *link)
{
    char target[PTY_NAME] = "", *temporary = NULL;
    struct stat st;
    int error = 0;

    if (lstat(link, &st) == 0 &&
        (!S_ISLNK(st.st_mode) || readlink(link, target, sizeof(target) - 1) < 0 ||
         strncmp(target, "/dev/pts/", strlen("/dev/pts/")) != 0)) {
        log_error("console '%s': there is something else of this name: remove it, or give another",
                  pty->stream.name);
        return -EEXIST;
    }
    if (asprintf(&temporary, "%s.%d", link, (int)getpid()) < 0) {
        log_error("console '%s': out of memory", pty->stream.name);
        return -ENOMEM;
    }
    if (symlink(pty->name, temporary))
        error = -errno;
    if (!error)
        error = pty_add_unlinker(pty, temporary, link);
    if (!error && rename(temporary, link))
        error = -errno;
    if (error) {
        log_error("console '%s': the link cannot be made: %s", pty->stream.name, strerror(-error));
        unlink(temporary);
    }
    free(temporary);
    return error;
}

/* That of the process before this one; or a new one. */
static int pty_find(struct chardev_pty *pty)
{
    unsigned number = kept_number("pty");
    int error;

    pty->master = kept_get("pty-%u", number);
    if (pty->master >= 0)
        return ptsname_r(pty->master, pty->name, sizeof(pty->name)) ? -errno : 0;
    error = pty_make(pty);
    if (!error)
        error = kept_put(pty->master, "pty-%u", number);
    if (!error)
        fprintf(stderr, "vmm: console '%s' is %s\n", pty->stream.name, pty->name);
    return error;
}

int chardev_pty_open(struct event_base *base, const char *link, struct chardev **chardev)
{
    struct chardev_pty *pty;
    int error;

    if (link && !*link) {
        log_error("chardev 'pty:': give a path for the link, or just 'pty'");
        return -EINVAL;
    }
    pty = calloc(1, sizeof(*pty));
    if (!pty) {
        log_error("console 'pty': out of memory");
        return -ENOMEM;
    }
    pty->master = pty->unlinker = -1;
    error = chardev_stream_init(&pty->stream, base, &pty_kind, "pty", link);
    pty->resized = event_new(base, -1, EV_PERSIST, pty_on_resized, pty);
    if (!error && !pty->resized)
        error = -ENOMEM;
    if (!error)
        error = pty_find(pty);
    if (!error && link)
        error = pty_make_link(pty, link);
    if (error) {
        chardev_free(&pty->stream.chardev);
        return error;
    }
    chardev_stream_look(&pty->stream);
    *chardev = &pty->stream.chardev;
    return 0;
}
