/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/kept_fake.h"
#include "tests/unit/support/messages.h"
#include "vmm/chardev/chardev.h"

/* A device that takes `room` characters and keeps them. */
struct device {
    uint16_t columns, rows;
    unsigned resizes;
    size_t room;
    char in[300000];
    size_t in_len;
    unsigned writable;
    unsigned quits;
};

struct fixture {
    struct event_base *base;
    struct chardev *chardev;
    struct device device;
};

static size_t device_can_receive(void *opaque)
{
    struct device *d = opaque;

    return d->room;
}

static void device_receive(void *opaque, const uint8_t *data, size_t len)
{
    struct device *d = opaque;

    assert_in_range(len, 1, d->room);
    assert_true(d->in_len + len <= sizeof(d->in));
    memcpy(d->in + d->in_len, data, len);
    d->in_len += len;
    d->room -= len;
}

static void device_writable(void *opaque)
{
    struct device *d = opaque;

    d->writable++;
}

static void device_resized(void *opaque, uint16_t columns, uint16_t rows)
{
    struct device *d = opaque;

    d->columns = columns;
    d->rows = rows;
    d->resizes++;
}

static const struct chardev_client client = {
    .can_receive = device_can_receive,
    .receive = device_receive,
    .writable = device_writable,
    .resized = device_resized,
};

static void on_quit(void *opaque)
{
    struct device *d = opaque;

    d->quits++;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    f->base = event_base_new();
    f->device.room = sizeof(f->device.in);
    return f->base ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    chardev_free(f->chardev);
    event_base_free(f->base);
    free(f);
    return 0;
}

static void open_chardev(struct fixture *f, int in, int out)
{
    f->chardev = chardev_stdio_new(f->base, in, out, on_quit, &f->device);
    assert_non_null(f->chardev);
    assert_int_equal(chardev_attach(f->chardev, &client, &f->device), 0);
}

static void free_chardev(struct fixture *f)
{
    chardev_free(f->chardev);
    f->chardev = NULL;
}

static void run(struct fixture *f)
{
    for (int i = 0; i < 50; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void make_pipe(int fd[2])
{
    assert_int_equal(pipe(fd), 0);
}

static size_t write_text(struct fixture *f, const char *text)
{
    return chardev_write(f->chardev, (const uint8_t *)text, strlen(text));
}

static void assert_in(struct fixture *f, const char *text)
{
    assert_int_equal(f->device.in_len, strlen(text));
    assert_memory_equal(f->device.in, text, f->device.in_len);
}

static int tty_master, tty_slave;

static void open_tty(void)
{
    tty_master = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(tty_master >= 0 && grantpt(tty_master) == 0 && unlockpt(tty_master) == 0);
    tty_slave = open(ptsname(tty_master), O_RDWR | O_NOCTTY);
    assert_true(tty_slave >= 0);
}

static void close_tty(void)
{
    close(tty_master);
    close(tty_slave);
}

/* The kernel hands input from one end of a terminal to the other when it gets to it. */
static void type(struct fixture *f, const char *keys)
{
    int len = (int)strlen(keys), pending = 0;

    assert_int_equal(write(tty_master, keys, (size_t)len), len);
    for (int i = 0; i < 1000 && pending < len; i++) {
        usleep(1000);
        assert_int_equal(ioctl(tty_slave, FIONREAD, &pending), 0);
    }
    run(f);
}

/* Everything that is there to read. */
static size_t read_all(int fd, char *data, size_t size)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    while (len < size && poll(&poll_fd, 1, 0) > 0) {
        ssize_t n = read(fd, data + len, size - len);

        if (n <= 0)
            break;
        len += (size_t)n;
    }
    return len;
}

static unsigned count_of(const char *text)
{
    unsigned n = 0;

    for (const char *p = messages; (p = strstr(p, text)); p++)
        n++;
    return n;
}

static void output_reaches_a_pipe_in_the_next_pass(void **state)
{
    struct fixture *f = *state;
    char data[64];
    int out[2];

    make_pipe(out);
    open_chardev(f, -1, out[1]);
    assert_int_equal(write_text(f, "hel"), 3);
    assert_int_equal(write_text(f, "lo"), 2);
    event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(read_all(out[0], data, sizeof(data)), 5);
    assert_memory_equal(data, "hello", 5);
    close(out[0]);
    close(out[1]);
}

/* Writes numbered bytes through a reader that sleeps, and checks that all of them come. */
static void check_slow_reader(struct fixture *f, int write_fd, int read_fd)
{
    static uint8_t sent[400000], got[400000];
    size_t done = 0, len = 0;
    unsigned stalls = 0;

    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (uint8_t)(i * 7 + i / 256);
    open_chardev(f, -1, write_fd);
    while (done < sizeof(sent)) {
        size_t chunk = sizeof(sent) - done < 1000 ? sizeof(sent) - done : 1000;
        size_t n = chardev_write(f->chardev, sent + done, chunk);
        unsigned writable = f->device.writable;

        done += n;
        run(f);
        if (n == chunk || f->device.writable > writable)
            continue;
        /* Full: nobody is told until someone reads. */
        stalls++;
        for (int i = 0; i < 1000 && f->device.writable == writable; i++) {
            usleep(i == 0 ? 0 : 1000);
            len += read_all(read_fd, (char *)got + len, sizeof(got) - len);
            run(f);
        }
        assert_int_equal(f->device.writable, writable + 1);
    }
    assert_true(stalls > 0);
    while (len < sizeof(sent)) {
        run(f);
        len += read_all(read_fd, (char *)got + len, sizeof(got) - len);
    }
    assert_memory_equal(sent, got, sizeof(sent));
}

static void slow_reader_of_a_pipe_loses_nothing_and_blocks_nobody(void **state)
{
    int out[2];

    make_pipe(out);
    check_slow_reader(*state, out[1], out[0]);
    assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
    close(out[0]);
    close(out[1]);
}

static void slow_reader_of_a_socket_loses_nothing_and_blocks_nobody(void **state)
{
    int out[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
    check_slow_reader(*state, out[1], out[0]);
    assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
    close(out[0]);
    close(out[1]);
}

static void slow_terminal_loses_nothing_and_blocks_nobody(void **state)
{
    struct termios mode;

    open_tty();
    tcgetattr(tty_slave, &mode);
    cfmakeraw(&mode);
    tcsetattr(tty_slave, TCSANOW, &mode);
    check_slow_reader(*state, tty_slave, tty_master);
    assert_int_equal(fcntl(tty_slave, F_GETFL) & O_NONBLOCK, 0);
    close_tty();
}

static void file_takes_output_and_keeps_what_was_there(void **state)
{
    char path[] = "/tmp/test_chardev.XXXXXX";
    int fd = mkstemp(path);
    struct fixture *f = *state;
    char data[64];

    assert_int_equal(write(fd, "log: ", 5), 5);
    open_chardev(f, -1, fd);
    write_text(f, "text");
    free_chardev(f); /* writes what is left without a pass */
    assert_int_equal(pread(fd, data, sizeof(data), 0), 9);
    assert_memory_equal(data, "log: text", 9);
    close(fd);
    unlink(path);
}

static void reader_that_goes_away_is_told_once_and_the_guest_goes_on(void **state)
{
    struct fixture *f = *state;
    int out[2];

    make_pipe(out);
    open_chardev(f, -1, out[1]);
    close(out[0]);
    capture();
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(write_text(f, "x"), 1);
        if (i % 100 == 0)
            run(f);
    }
    release();
    assert_int_equal(count_of("console output: Broken pipe"), 1);
    close(out[1]);
}

static void full_disk_is_told_once_and_the_guest_goes_on(void **state)
{
    struct fixture *f = *state;
    int fd = open("/dev/full", O_WRONLY);

    open_chardev(f, -1, fd);
    capture();
    for (int i = 0; i < 100; i++) {
        assert_int_equal(write_text(f, "x"), 1);
        run(f);
    }
    release();
    assert_int_equal(count_of("console output: No space left"), 1);
    close(fd);
}

static void pipe_gives_what_the_device_has_room_for_and_not_more(void **state)
{
    struct fixture *f = *state;
    int in[2], pending;

    make_pipe(in);
    f->device.room = 4;
    open_chardev(f, in[0], STDOUT_FILENO);
    assert_int_equal(write(in[1], "abc\001xdef", 8), 8); /* no escape keys on a pipe */
    run(f);
    assert_in(f, "abc\001");
    assert_int_equal(ioctl(in[0], FIONREAD, &pending), 0);
    assert_int_equal(pending, 4);
    f->device.room = 100;
    run(f);
    assert_in(f, "abc\001"); /* not asked again before it says so */
    chardev_accept(f->chardev);
    run(f);
    assert_in(f, "abc\001xdef");
    assert_int_equal(f->device.quits, 0);
    close(in[0]);
    close(in[1]);
}

static void end_of_a_pipe_ends_the_input_and_not_the_console(void **state)
{
    struct fixture *f = *state;
    int in[2], out[2];
    char data[8];

    make_pipe(in);
    make_pipe(out);
    open_chardev(f, in[0], out[1]);
    assert_int_equal(write(in[1], "last", 4), 4);
    close(in[1]);
    run(f);
    chardev_accept(f->chardev);
    run(f);
    assert_in(f, "last");
    write_text(f, "on");
    run(f);
    assert_int_equal(read_all(out[0], data, sizeof(data)), 2);
    close(in[0]);
    close(out[0]);
    close(out[1]);
}

static void file_is_read_as_the_device_takes_it(void **state)
{
    struct fixture *f = *state;
    int fd = memfd_create("input", 0);
    char text[2000];

    memset(text, 'x', sizeof(text));
    assert_int_equal(write(fd, text, sizeof(text)), sizeof(text));
    lseek(fd, 0, SEEK_SET);
    f->device.room = 16;
    open_chardev(f, fd, STDOUT_FILENO);
    for (size_t got = 16; got < sizeof(text); got += 16) {
        run(f);
        assert_int_equal(f->device.in_len, got);
        f->device.room = 16;
        chardev_accept(f->chardev);
    }
    run(f);
    assert_int_equal(f->device.in_len, sizeof(text));
    close(fd);
}

static void input_that_is_not_there_is_no_error(void **state)
{
    static const char *const kinds[] = {"none", "closed", "/dev/null"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int fd = -1;

        if (i > 0)
            fd = open("/dev/null", O_RDONLY);
        if (i == 1)
            close(fd);
        capture();
        open_chardev(f, fd, STDOUT_FILENO);
        run(f);
        chardev_accept(f->chardev);
        run(f);
        free_chardev(f);
        release();
        assert_string_equal(messages, "");
        assert_in(f, "");
        if (i == 2)
            close(fd);
    }
}

static void escape_keys_do_what_they_say(void **state)
{
    static const struct {
        const char *keys;
        const char *guest;
        unsigned quits;
        bool help;
    } cases[] = {
        {"abc", "abc", 0, false},
        {"\001x", "", 1, false},
        {"\001h", "", 0, true},
        {"\001?", "", 0, true},
        {"\001a", "\001", 0, false},
        {"\001\001", "\001", 0, false},
        {"\001\001x", "\001x", 0, false},
        {"\001a\001x", "\001", 1, false},
        {"a\001zb", "ab", 0, false},                /* no such key: neither goes to the guest */
        {"\003\032\034", "\003\032\034", 0, false}, /* no signals: these are the guest's */
        {"x\001xy", "xy", 1, false},
        {"\r\n\177", "\r\n\177", 0, false},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->device.in_len = 0;
        f->device.quits = 0;
        open_tty();
        open_chardev(f, tty_slave, STDOUT_FILENO);
        run(f); /* raw mode */
        capture();
        type(f, cases[i].keys);
        release();
        assert_in(f, cases[i].guest);
        assert_int_equal(f->device.quits, cases[i].quits);
        assert_int_equal(strstr(messages, "Ctrl-a x   quit") != NULL, cases[i].help);
        free_chardev(f);
        close_tty();
    }
}

static void escape_key_works_over_two_reads(void **state)
{
    struct fixture *f = *state;

    open_tty();
    open_chardev(f, tty_slave, STDOUT_FILENO);
    run(f);
    type(f, "\001");
    type(f, "x");
    assert_int_equal(f->device.quits, 1);
    free_chardev(f);
    close_tty();
}

static void user_can_quit_when_the_guest_reads_nothing(void **state)
{
    struct fixture *f = *state;
    char page[1024];

    memset(page, 'x', sizeof(page));
    f->device.room = 0;
    open_tty();
    open_chardev(f, tty_slave, STDOUT_FILENO);
    run(f);
    capture();
    /* A write that waits would wait for this very thread to read. */
    fcntl(tty_master, F_SETFL, O_NONBLOCK);
    for (size_t sent = 0; sent < 80 * sizeof(page);) {
        ssize_t n = write(tty_master, page, sizeof(page));

        sent += n > 0 ? (size_t)n : 0;
        usleep(n > 0 ? 0 : 1000);
        run(f);
    }
    for (const char *key = "\001x"; *key;) {
        usleep(1000);
        key += write(tty_master, key, 1) == 1;
        run(f);
    }
    for (int i = 0; i < 1000 && f->device.quits == 0; i++) {
        usleep(1000);
        run(f);
    }
    release();
    assert_int_equal(f->device.quits, 1);
    assert_int_equal(count_of("keys are dropped"), 1);
    f->device.room = sizeof(f->device.in);
    chardev_accept(f->chardev);
    run(f);
    assert_int_equal(f->device.in_len, 0x10000);
    free_chardev(f);
    close_tty();
}

static void assert_same_mode(const struct termios *a, const struct termios *b)
{
    assert_int_equal(a->c_iflag, b->c_iflag);
    assert_int_equal(a->c_oflag, b->c_oflag);
    assert_int_equal(a->c_cflag, b->c_cflag);
    assert_int_equal(a->c_lflag, b->c_lflag);
    assert_memory_equal(a->c_cc, b->c_cc, sizeof(a->c_cc));
}

static void terminal_is_raw_while_in_use_and_as_before_after(void **state)
{
    struct fixture *f = *state;
    struct termios before, during, after;

    open_tty();
    tcgetattr(tty_slave, &before);
    open_chardev(f, tty_slave, tty_slave);
    run(f);
    tcgetattr(tty_slave, &during);
    assert_int_equal(during.c_lflag & (ISIG | ICANON | ECHO), 0);
    assert_int_equal(during.c_oflag & OPOST, 0);
    assert_int_equal(fcntl(tty_slave, F_GETFL) & O_NONBLOCK, 0);

    chardev_restore(); /* as a handler of a fatal signal does */
    tcgetattr(tty_slave, &after);
    assert_same_mode(&before, &after);
    chardev_restore();

    free_chardev(f);
    tcgetattr(tty_slave, &after);
    assert_same_mode(&before, &after);
    close_tty();
}

static void size_of_the_terminal_is_told_at_the_start_and_with_each_change(void **state)
{
    struct fixture *f = *state;
    struct winsize size = {.ws_col = 132, .ws_row = 43};

    open_tty();
    assert_int_equal(ioctl(tty_master, TIOCSWINSZ, &size), 0);
    open_chardev(f, tty_slave, tty_slave);
    run(f);
    assert_int_equal(f->device.columns, 132);
    assert_int_equal(f->device.rows, 43);
    raise(SIGWINCH); /* it is as it was */
    run(f);
    assert_int_equal(f->device.resizes, 1);
    size.ws_row = 50;
    assert_int_equal(ioctl(tty_master, TIOCSWINSZ, &size), 0);
    raise(SIGWINCH);
    run(f);
    assert_int_equal(f->device.resizes, 2);
    assert_int_equal(f->device.rows, 50);
    free_chardev(f);
    close_tty();
}

static void terminal_that_hangs_up_ends_the_input_quietly(void **state)
{
    struct fixture *f = *state;

    open_tty();
    open_chardev(f, tty_slave, -1);
    run(f);
    capture();
    close(tty_master);
    run(f);
    release();
    assert_string_equal(messages, "");
    free_chardev(f);
    close(tty_slave);
}

static void second_client_is_refused_until_the_first_leaves(void **state)
{
    struct fixture *f = *state;

    open_chardev(f, -1, STDOUT_FILENO);
    assert_int_equal(chardev_attach(f->chardev, &client, &f->device), -EBUSY);
    chardev_detach(f->chardev);
    assert_int_equal(chardev_attach(f->chardev, &client, &f->device), 0);
}

/*
 * Job control needs a session of its own whose terminal this is: the parent
 * (a shell would be) stops, puts in the background and continues the child.
 */
static void child_console(void)
{
    static struct fixture f;

    setsid();
    if (ioctl(tty_slave, TIOCSCTTY, 0) != 0)
        _exit(10);
    /* A group that is a job: its leader's parent is in the session, and waits below. */
    pid_t job = fork();

    if (job == 0) {
        setpgid(0, 0);
        f.base = event_base_new();
        f.device.room = sizeof(f.device.in);
        f.chardev = chardev_stdio_new(f.base, tty_slave, tty_slave, on_quit, &f.device);
        chardev_attach(f.chardev, &client, &f.device);
        while (f.device.quits == 0)
            event_base_loop(f.base, EVLOOP_ONCE);
        chardev_free(f.chardev);
        event_base_free(f.base);
        exit(0);
    }

    struct termios shell, mode;
    int status;

    tcgetattr(tty_slave, &shell);
    signal(SIGTTOU, SIG_IGN);
    setpgid(job, job);

#define CHECK(condition, code)  \
    do {                        \
        if (!(condition)) {     \
            kill(job, SIGKILL); \
            _exit(code);        \
        }                       \
    } while (0)

    /* Started in the background: the mode is left alone. */
    usleep(200000);
    tcgetattr(tty_slave, &mode);
    CHECK(mode.c_lflag == shell.c_lflag, 11);
    CHECK(waitpid(job, &status, WNOHANG | WUNTRACED) == 0, 12);

    /* In the foreground, without a SIGCONT, as it never stopped. */
    tcsetpgrp(tty_slave, job);
    usleep(700000);
    tcgetattr(tty_slave, &mode);
    CHECK(!(mode.c_lflag & ICANON), 13);

    /* SIGTSTP: it stops, with the shell's mode. */
    kill(job, SIGTSTP);
    CHECK(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status), 14);
    tcgetattr(tty_slave, &mode);
    CHECK(mode.c_lflag == shell.c_lflag && mode.c_oflag == shell.c_oflag, 15);

    /* "bg", then a line for the shell: it must neither stop nor take it. */
    tcsetpgrp(tty_slave, getpgrp());
    kill(job, SIGCONT);
    CHECK(write(tty_master, "line\n", 5) == 5, 16);
    usleep(200000);
    tcgetattr(tty_slave, &mode);
    CHECK(mode.c_lflag == shell.c_lflag, 17);
    CHECK(waitpid(job, &status, WNOHANG | WUNTRACED) == 0, 18);

    /* "fg", and quit. */
    tcsetpgrp(tty_slave, job);
    kill(job, SIGCONT);
    usleep(200000);
    tcgetattr(tty_slave, &mode);
    CHECK(!(mode.c_lflag & ICANON), 19);
    CHECK(write(tty_master, "\001x", 2) == 2, 20);
    CHECK(waitpid(job, &status, 0) == job && WIFEXITED(status) && WEXITSTATUS(status) == 0, 21);
    tcgetattr(tty_slave, &mode);
    CHECK(mode.c_lflag == shell.c_lflag && mode.c_oflag == shell.c_oflag, 22);
    _exit(0);
}

static void job_control_works_as_the_shell_expects(void **state)
{
    int status;
    pid_t child;

    open_tty();
    child = fork();
    if (child == 0)
        child_console();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close_tty();
}

/* It was taken from the device, and the loop had not had its turn. */
static void next_process_writes_what_one_that_died_had_taken(void **state)
{
    struct fixture *f = *state;
    struct event_base *base = f->base;
    struct chardev *dead;
    char got[16] = "";
    int out[2];

    kept_fake_begin();
    make_pipe(out);
    open_chardev(f, -1, out[1]);
    assert_int_equal(write_text(f, "same"), 4);
    dead = f->chardev;
    f->base = event_base_new();
    kept_fake_next();
    open_chardev(f, -1, out[1]);
    run(f);
    assert_int_equal(read(out[0], got, sizeof(got)), 4);
    assert_string_equal(got, "same");
    chardev_free(dead); /* nothing is left for it to write */
    event_base_free(base);
    free_chardev(f);
    close(out[0]);
    close(out[1]);
    kept_fake_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(output_reaches_a_pipe_in_the_next_pass),
        TEST(next_process_writes_what_one_that_died_had_taken),
        TEST(slow_reader_of_a_pipe_loses_nothing_and_blocks_nobody),
        TEST(slow_reader_of_a_socket_loses_nothing_and_blocks_nobody),
        TEST(slow_terminal_loses_nothing_and_blocks_nobody),
        TEST(file_takes_output_and_keeps_what_was_there),
        TEST(reader_that_goes_away_is_told_once_and_the_guest_goes_on),
        TEST(full_disk_is_told_once_and_the_guest_goes_on),
        TEST(pipe_gives_what_the_device_has_room_for_and_not_more),
        TEST(end_of_a_pipe_ends_the_input_and_not_the_console),
        TEST(file_is_read_as_the_device_takes_it),
        TEST(input_that_is_not_there_is_no_error),
        TEST(escape_keys_do_what_they_say),
        TEST(escape_key_works_over_two_reads),
        TEST(user_can_quit_when_the_guest_reads_nothing),
        TEST(terminal_is_raw_while_in_use_and_as_before_after),
        TEST(size_of_the_terminal_is_told_at_the_start_and_with_each_change),
        TEST(terminal_that_hangs_up_ends_the_input_quietly),
        TEST(second_client_is_refused_until_the_first_leaves),
        TEST(job_control_works_as_the_shell_expects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
