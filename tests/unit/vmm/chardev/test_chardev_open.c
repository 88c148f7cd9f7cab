/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back ends by name: files, pseudo-terminals, sockets, with real ones of each. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/kept_fake.h"
#include "vmm/chardev/chardev.h"

#define BIG 1000000u

struct fixture {
    struct event_base *base;
    struct chardev *chardev;
    char dir[64], path[128], spec[160];
    size_t room; /* what the device takes */
    uint8_t *got;
    size_t got_len;
    unsigned writables, connects, disconnects;
    bool connected;
    uint16_t columns, rows;
    unsigned resizes;
    int saved_stderr, messages;
};

static size_t device_room(void *opaque)
{
    const struct fixture *f = opaque;

    return f->room;
}

static void device_receive(void *opaque, const uint8_t *data, size_t len)
{
    struct fixture *f = opaque;

    assert_true(len != 0 && len <= f->room && f->got_len + len <= BIG);
    memcpy(f->got + f->got_len, data, len);
    f->got_len += len;
    f->room -= len;
}

static void device_writable(void *opaque)
{
    ((struct fixture *)opaque)->writables++;
}

static void device_connected(void *opaque, bool connected)
{
    struct fixture *f = opaque;

    assert_true(connected != f->connected);
    f->connected = connected;
    f->connects += connected;
    f->disconnects += !connected;
}

static void device_resized(void *opaque, uint16_t columns, uint16_t rows)
{
    struct fixture *f = opaque;

    f->columns = columns;
    f->rows = rows;
    f->resizes++;
}

static const struct chardev_client client = {
    .can_receive = device_room,
    .receive = device_receive,
    .writable = device_writable,
    .connected = device_connected,
    .resized = device_resized,
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->base = event_base_new();
    f->got = malloc(BIG);
    strcpy(f->dir, "/tmp/chardev.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/it", f->dir);
    f->messages = memfd_create("messages", 0);
    f->saved_stderr = dup(STDERR_FILENO);
    dup2(f->messages, STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[96];

    chardev_free(f->chardev);
    event_base_free(f->base);
    dup2(f->saved_stderr, STDERR_FILENO);
    close(f->saved_stderr);
    close(f->messages);
    snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f->got);
    free(f);
    return 0;
}

/* What was said so far, forgotten with it. */
static bool said(struct fixture *f, const char *text)
{
    char all[2048];
    ssize_t n = pread(f->messages, all, sizeof(all) - 1, 0);

    all[n > 0 ? n : 0] = '\0';
    assert_int_equal(ftruncate(f->messages, 0), 0);
    lseek(f->messages, 0, SEEK_SET);
    return strstr(all, text) != NULL;
}

static int open_spec(struct fixture *f, const char *kind, const char *path)
{
    int error;

    snprintf(f->spec, sizeof(f->spec), "%s:%s", kind, path);
    error = chardev_open(f->base, f->spec, &f->chardev);
    if (error)
        f->chardev = NULL;
    return error;
}

static void attach(struct fixture *f)
{
    f->connected = true; /* as a client takes it to be */
    assert_int_equal(chardev_attach(f->chardev, &client, f), 0);
}

/* The loop, until `*value` is at least `least`. */
static void run_until(struct fixture *f, const size_t *value, size_t least)
{
    for (unsigned i = 0; i < 3000 && *value < least; i++) {
        struct timeval tick = {.tv_usec = 1000};

        event_base_loopexit(f->base, &tick);
        event_base_dispatch(f->base);
    }
    assert_true(*value >= least);
}

static void run_for(struct fixture *f, unsigned ms)
{
    struct timeval time = {.tv_usec = ms * 1000};

    event_base_loopexit(f->base, &time);
    event_base_dispatch(f->base);
}

static void run_until_count(struct fixture *f, const unsigned *count, unsigned least)
{
    for (unsigned i = 0; i < 3000 && *count < least; i++)
        run_for(f, 1);
    assert_true(*count >= least);
}

static size_t write_text(struct fixture *f, const char *text)
{
    return chardev_write(f->chardev, (const uint8_t *)text, strlen(text));
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void assert_reads(int fd, const char *text)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    char got[64] = "";

    assert_int_equal(poll(&poll_fd, 1, 2000), 1);
    assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
    assert_string_equal(got, text);
}

static void words_that_name_nothing_are_refused_with_those_that_do(void **state)
{
    static const struct {
        const char *spec;
        const char *said;
    } cases[] = {{"stdout", "there are stdio, null, file:PATH, pty"},
                 {"", "there are stdio"},
                 {"file", "give a path"},
                 {"file:", "give a path"},
                 {"pty:", "give a path"},
                 {"socket", "give a path"},
                 {"socket:", "give a path"},
                 {"null:x", "takes nothing"},
                 {"log:/tmp/x", "give a size"},
                 {"log:4K:", "give a size"},
                 {"log:1K:/tmp/x", "give a size"},
                 {"log:4K:/dev/null", "no regular file"},
                 {"file:/nowhere/at/all", "No such file"},
                 {"file:/tmp", "Is a directory"},
                 {"socket:/nowhere/at/all", "No such file"},
                 {"pty:/nowhere/at/all", "No such file"}};
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(chardev_open(f->base, cases[i].spec, &f->chardev) < 0);
        assert_true(said(f, cases[i].said));
        f->chardev = NULL;
    }
    assert_int_equal(chardev_open(f->base, "null", &f->chardev), 0);
    assert_null(f->chardev);
}

static void file_is_appended_to(void **state)
{
    struct fixture *f = *state;
    char got[64] = "";
    int fd = open(f->path, O_RDWR | O_CREAT, 0600);

    assert_int_equal(write(fd, "old ", 4), 4);
    assert_int_equal(open_spec(f, "file", f->path), 0);
    attach(f);
    assert_int_equal(write_text(f, "new"), 3);
    for (unsigned i = 0; i < 3000 && lseek(fd, 0, SEEK_END) < 7; i++)
        run_for(f, 1);
    assert_int_equal(f->disconnects, 0); /* a file is always there */
    assert_int_equal(pread(fd, got, sizeof(got), 0), 7);
    assert_string_equal(got, "old new");
    close(fd);
}

/* What the file and the one before it hold, each within the limit of 8 KiB. */
static size_t read_log(const struct fixture *f, char *text, size_t size)
{
    char old[160];
    size_t len = 0;

    snprintf(old, sizeof(old), "%s.1", f->path);
    for (unsigned i = 0; i < 2; i++) {
        int fd = open(i ? f->path : old, O_RDONLY);
        ssize_t n = fd < 0 ? 0 : read(fd, text + len, size - 1 - len);

        assert_true(n <= 8192);
        len += n > 0 ? (size_t)n : 0;
        if (fd >= 0)
            close(fd);
    }
    text[len] = '\0';
    return len;
}

static void log_keeps_its_limit_and_the_last_lines_whole(void **state)
{
    struct fixture *f = *state;
    static char text[40000];
    unsigned number = 0, first;
    const char *line;

    assert_int_equal(open_spec(f, "log:8K", f->path), 0);
    attach(f);
    for (unsigned i = 0; i < 3000; i++) {
        char out[40];
        int len = snprintf(out, sizeof(out), "this is line %u\n", i);

        for (int done = 0; done < len; run_for(f, done < len ? 1 : 0))
            done +=
                (int)chardev_write(f->chardev, (const uint8_t *)out + done, (size_t)(len - done));
    }
    chardev_free(f->chardev); /* all is written then */
    f->chardev = NULL;
    assert_true(read_log(f, text, sizeof(text)) > 8192);
    assert_int_equal(sscanf(text, "this is line %u", &first), 1);
    number = first;
    for (line = text; *line; line = strchr(line, '\n') + 1) {
        unsigned got;

        assert_int_equal(sscanf(line, "this is line %u", &got), 1);
        assert_int_equal(got, number++);
    }
    assert_int_equal(number, 3000);
    assert_true(3000 - first > 400);
}

static void log_without_lines_keeps_its_limit_too(void **state)
{
    struct fixture *f = *state;
    static uint8_t data[100000];
    static char text[40000];

    memset(data, 'x', sizeof(data));
    assert_int_equal(open_spec(f, "log:8192", f->path), 0);
    attach(f);
    assert_int_equal(chardev_write(f->chardev, data, sizeof(data)), sizeof(data));
    chardev_free(f->chardev);
    f->chardev = NULL;
    assert_true(read_log(f, text, sizeof(text)) > 8192);
}

/* The file is a disk that hangs: the thread's write is ours, and waits. */
static pthread_mutex_t hanging = PTHREAD_MUTEX_INITIALIZER;
static int hanging_fd = -1;

ssize_t write(int fd, const void *data, size_t len)
{
    struct stat st, hangs;

    if (hanging_fd >= 0 && fstat(fd, &st) == 0 && fstat(hanging_fd, &hangs) == 0 &&
        st.st_ino == hangs.st_ino && st.st_dev == hangs.st_dev) {
        pthread_mutex_lock(&hanging);
        pthread_mutex_unlock(&hanging);
    }
    return syscall(SYS_write, fd, data, len);
}

static void file_on_a_disk_that_hangs_holds_nobody_up(void **state)
{
    struct fixture *f = *state;
    static uint8_t data[1000];
    size_t taken = 0, n;

    hanging_fd = open(f->path, O_RDWR | O_CREAT, 0600);
    pthread_mutex_lock(&hanging);
    assert_int_equal(open_spec(f, "file", f->path), 0);
    attach(f);
    for (unsigned i = 0; i < 2; i++) { /* the thread may take its first bytes late */
        while ((n = chardev_write(f->chardev, data, sizeof(data))) == sizeof(data))
            taken += n;
        taken += n;
        run_for(f, 50);
    }
    assert_true(taken >= 0x40000);
    f->writables = 0;
    run_for(f, 50);
    assert_int_equal(f->writables, 0);
    pthread_mutex_unlock(&hanging);
    run_until_count(f, &f->writables, 1);
    chardev_free(f->chardev);
    f->chardev = NULL;
    assert_int_equal(lseek(hanging_fd, 0, SEEK_END), taken);
    close(hanging_fd);
    hanging_fd = -1;
}

static void full_disk_is_said_once_and_goes_on_when_there_is_room(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(open_spec(f, "file", "/dev/full"), 0);
    attach(f);
    assert_int_equal(write_text(f, "lost"), 4);
    assert_true(said(f, "No space left on device: output is discarded until there is room"));
    assert_int_equal(write_text(f, "lost"), 4);
    assert_false(said(f, "No space"));
}

static void fifo_without_a_reader_is_refused_and_one_that_leaves_is_said(void **state)
{
    struct fixture *f = *state;
    int reader;

    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_int_equal(open_spec(f, "file", f->path), -ENXIO);
    assert_true(said(f, "start the reader first"));
    reader = open(f->path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(open_spec(f, "file", f->path), 0);
    attach(f);
    write_text(f, "hello");
    assert_reads(reader, "hello");
    close(reader);
    assert_int_equal(write_text(f, "nobody"), 6);
    assert_true(said(f, "discarded from here on"));
    run_for(f, 5);
    assert_int_equal(f->disconnects, 1);
}

static void socket_serves_one_after_the_other(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    int first, second;

    assert_int_equal(open_spec(f, "socket", f->path), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700 & 0777);
    attach(f);
    run_until_count(f, &f->disconnects, 1); /* nobody is there */
    assert_int_equal(write_text(f, "lost"), 4);
    first = connect_to(f->path);
    run_until_count(f, &f->connects, 1);
    second = connect_to(f->path); /* waits */
    write_text(f, "one");
    assert_reads(first, "one");
    f->room = 100;
    chardev_accept(f->chardev);
    assert_int_equal(write(second, "2", 1), 1);
    assert_int_equal(write(first, "in", 2), 2);
    run_until(f, &f->got_len, 2);
    run_for(f, 5);
    assert_int_equal(f->got_len, 2);
    assert_memory_equal(f->got, "in", 2);
    close(first);
    run_until(f, &f->got_len, 3); /* the second's turn */
    assert_int_equal(f->got[2], '2');
    write_text(f, "two");
    assert_reads(second, "two");
    close(second);
    run_until_count(f, &f->disconnects, 2);
    chardev_free(f->chardev);
    f->chardev = NULL;
    assert_int_equal(stat(f->path, &st), -1); /* and the file is gone */
}

static void peer_that_has_written_all_still_reads(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->room = 100;
    assert_int_equal(open_spec(f, "socket", f->path), 0);
    attach(f);
    fd = connect_to(f->path);
    assert_int_equal(write(fd, "cmd", 3), 3);
    shutdown(fd, SHUT_WR);
    run_until(f, &f->got_len, 3);
    run_for(f, 300);
    assert_true(f->connected);
    write_text(f, "answer");
    assert_reads(fd, "answer");
    close(fd);
    run_until_count(f, &f->disconnects, 1);
    fd = connect_to(f->path); /* the next may come */
    run_until_count(f, &f->connects, 1);
    close(fd);
}

/* A guest that reads nothing: it gets what was said, and the next peer its turn after that. */
static void peer_that_leaves_unread_is_seen_to_leave(void **state)
{
    struct fixture *f = *state;
    int fd;

    assert_int_equal(open_spec(f, "socket", f->path), 0);
    attach(f);
    fd = connect_to(f->path);
    run_for(f, 20);
    close(fd);
    run_until_count(f, &f->disconnects, 1); /* it had said nothing */
    fd = connect_to(f->path);
    run_until_count(f, &f->connects, 1);
    assert_int_equal(write(fd, "last", 4), 4);
    close(fd);
    run_for(f, 300);
    assert_true(f->connected);
    f->room = 100;
    chardev_accept(f->chardev);
    run_until(f, &f->got_len, 4);
    run_until_count(f, &f->disconnects, 2);
}

static void slow_peer_loses_nothing_and_blocks_nobody(void **state)
{
    struct fixture *f = *state;
    uint8_t *data = malloc(BIG), *got = malloc(BIG);
    size_t written = 0, read_len = 0;
    unsigned shorts = 0;
    int fd;

    for (size_t i = 0; i < BIG; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    assert_int_equal(open_spec(f, "socket", f->path), 0);
    attach(f);
    fd = connect_to(f->path);
    run_until_count(f, &f->disconnects, 0);
    run_for(f, 10);
    while (written < BIG) {
        size_t n = chardev_write(f->chardev, data + written, BIG - written);
        unsigned before = f->writables;

        written += n;
        if (written == BIG)
            break;
        shorts++;
        run_for(f, 2);
        assert_int_equal(f->writables, before); /* not until there is room */
        while (f->writables == before) {
            ssize_t got_now = read(fd, got + read_len, 50000);

            if (got_now > 0)
                read_len += (size_t)got_now;
            run_for(f, 1);
        }
        assert_int_equal(f->writables, before + 1);
    }
    assert_true(shorts > 1);
    while (read_len < BIG) {
        ssize_t n = read(fd, got + read_len, BIG - read_len);

        assert_true(n > 0);
        read_len += (size_t)n;
    }
    assert_memory_equal(data, got, BIG);
    close(fd);
    free(data);
    free(got);
}

static void peer_that_leaves_lets_a_writer_go_on(void **state)
{
    struct fixture *f = *state;
    static uint8_t data[BIG];
    int fd;

    assert_int_equal(open_spec(f, "socket", f->path), 0);
    attach(f);
    fd = connect_to(f->path);
    run_for(f, 10);
    assert_true(chardev_write(f->chardev, data, BIG) < BIG);
    close(fd);
    run_until_count(f, &f->writables, 1);
    while (chardev_write(f->chardev, data, BIG) < BIG)
        run_for(f, 1);
    run_until_count(f, &f->disconnects, 1);
}

static void input_waits_for_a_device_that_has_no_room(void **state)
{
    struct fixture *f = *state;
    int fd;

    assert_int_equal(open_spec(f, "socket", f->path), 0);
    attach(f);
    fd = connect_to(f->path);
    assert_int_equal(write(fd, "abcdefgh", 8), 8);
    run_for(f, 20);
    assert_int_equal(f->got_len, 0);
    f->room = 3;
    chardev_accept(f->chardev);
    run_until(f, &f->got_len, 3);
    run_for(f, 20);
    assert_int_equal(f->got_len, 3);
    f->room = 100;
    chardev_accept(f->chardev);
    run_until(f, &f->got_len, 8);
    assert_memory_equal(f->got, "abcdefgh", 8);
    close(fd);
}

static void socket_of_the_dead_is_replaced_and_nothing_else_is(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    struct chardev *other;

    strcpy(address.sun_path, f->path);
    assert_int_equal(bind(stale, (const struct sockaddr *)&address, sizeof(address)), 0);
    close(stale);
    assert_int_equal(open_spec(f, "socket", f->path), 0);
    assert_int_equal(chardev_open(f->base, f->spec, &other), -EADDRINUSE);
    assert_true(said(f, "another program listens"));
    chardev_free(f->chardev);
    f->chardev = NULL;
    close(open(f->path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(open_spec(f, "socket", f->path), -EEXIST);
    assert_true(said(f, "something else of this name"));
    assert_int_equal(open_spec(f, "pty", f->path), -EEXIST);
    assert_true(said(f, "something else of this name"));
    assert_int_equal(access(f->path, F_OK), 0);
}

static void pty_is_opened_and_closed_as_its_user_likes(void **state)
{
    struct fixture *f = *state;
    struct termios mode;
    char target[64] = "";

    f->room = 100;
    assert_int_equal(open_spec(f, "pty", f->path), 0);
    assert_true(said(f, "is /dev/pts/"));
    assert_true(readlink(f->path, target, sizeof(target) - 1) > 0);
    attach(f);
    run_until_count(f, &f->disconnects, 1);
    for (unsigned round = 1; round <= 3; round++) {
        int fd;

        assert_int_equal(write_text(f, "lost"), 4); /* nobody is there */
        fd = open(f->path, O_RDWR | O_NOCTTY | O_NONBLOCK);
        assert_true(fd >= 0);
        assert_int_equal(tcgetattr(fd, &mode), 0);
        assert_int_equal(mode.c_lflag & (ICANON | ECHO | ISIG), 0);
        assert_int_equal(mode.c_oflag & OPOST, 0);
        run_until_count(f, &f->connects, round);
        assert_int_equal(write_text(f, "out\n"), 4);
        assert_reads(fd, "out\n");
        assert_int_equal(write(fd, "\x03\r", 2), 2);
        run_until(f, &f->got_len, 2 * round);
        assert_memory_equal(f->got + 2 * round - 2, "\x03\r", 2);
        close(fd);
        run_until_count(f, &f->disconnects, round + 1);
    }
    chardev_free(f->chardev);
    f->chardev = NULL;
    assert_int_equal(readlink(f->path, target, sizeof(target)), -1);
}

static void size_of_a_pty_s_terminal_is_told(void **state)
{
    struct fixture *f = *state;
    struct winsize size = {.ws_col = 100, .ws_row = 30};
    int fd;

    assert_int_equal(open_spec(f, "pty", f->path), 0);
    attach(f);
    run_until_count(f, &f->disconnects, 1);
    fd = open(f->path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
    run_until_count(f, &f->resizes, 1);
    assert_int_equal(f->columns, 100);
    assert_int_equal(f->rows, 30);
    size.ws_col = 90;
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
    run_until_count(f, &f->resizes, 2);
    assert_int_equal(f->columns, 90);
    close(fd);
}

static void link_of_an_earlier_pty_is_replaced(void **state)
{
    struct fixture *f = *state;
    char target[64] = "";

    assert_int_equal(symlink("/dev/pts/4711", f->path), 0);
    assert_int_equal(open_spec(f, "pty", f->path), 0);
    assert_true(readlink(f->path, target, sizeof(target) - 1) > 0);
    assert_string_not_equal(target, "/dev/pts/4711");
    unlink(f->path);
    assert_int_equal(symlink("/dev/pts/4712", f->path), 0);
    chardev_free(f->chardev); /* it is another's now */
    f->chardev = NULL;
    memset(target, 0, sizeof(target));
    assert_true(readlink(f->path, target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "/dev/pts/4712");
}

/* A file system may give a new link the inode of one that is gone. */
static void link_of_another_with_the_same_inode_stays(void **state)
{
    static const struct timespec other[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = 1}};
    struct fixture *f = *state;
    char target[64];

    assert_int_equal(open_spec(f, "pty", f->path), 0);
    assert_int_equal(utimensat(AT_FDCWD, f->path, other, AT_SYMLINK_NOFOLLOW), 0);
    chardev_free(f->chardev);
    f->chardev = NULL;
    assert_true(readlink(f->path, target, sizeof(target)) > 0);
}

/* The link of the process before may go late: not that of the next one, which has the same target. */
static void user_of_a_pty_does_not_notice_another_process(void **state)
{
    struct fixture *f = *state;
    char target[64] = "", again[64] = "";
    struct chardev *before;
    int fd;

    kept_fake_begin();
    assert_int_equal(open_spec(f, "pty", f->path), 0);
    assert_true(readlink(f->path, target, sizeof(target) - 1) > 0);
    fd = open(f->path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    assert_true(fd >= 0);
    before = f->chardev;
    kept_fake_next();
    assert_int_equal(open_spec(f, "pty", f->path), 0);
    chardev_free(before);
    assert_true(readlink(f->path, again, sizeof(again) - 1) > 0);
    assert_string_equal(again, target);
    assert_int_equal(write(fd, "in\r", 3), 3);
    f->room = 100;
    attach(f);
    run_until(f, &f->got_len, 3);
    assert_int_equal(write_text(f, "out\n"), 4);
    assert_reads(fd, "out\n");
    close(fd);
    kept_fake_end();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(words_that_name_nothing_are_refused_with_those_that_do),
        TEST(file_is_appended_to),
        TEST(full_disk_is_said_once_and_goes_on_when_there_is_room),
        TEST(fifo_without_a_reader_is_refused_and_one_that_leaves_is_said),
        TEST(log_keeps_its_limit_and_the_last_lines_whole),
        TEST(log_without_lines_keeps_its_limit_too),
        TEST(file_on_a_disk_that_hangs_holds_nobody_up),
        TEST(socket_serves_one_after_the_other),
        TEST(peer_that_has_written_all_still_reads),
        TEST(peer_that_leaves_unread_is_seen_to_leave),
        TEST(slow_peer_loses_nothing_and_blocks_nobody),
        TEST(peer_that_leaves_lets_a_writer_go_on),
        TEST(input_waits_for_a_device_that_has_no_room),
        TEST(socket_of_the_dead_is_replaced_and_nothing_else_is),
        TEST(pty_is_opened_and_closed_as_its_user_likes),
        TEST(size_of_a_pty_s_terminal_is_told),
        TEST(link_of_an_earlier_pty_is_replaced),
        TEST(link_of_another_with_the_same_inode_stays),
        TEST(user_of_a_pty_does_not_notice_another_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
