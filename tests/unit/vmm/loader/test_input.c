/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/loader/input.h"

#define SIZE  ((size_t)200000) /* more than a pipe holds */
#define LIMIT ((size_t)1 << 20)

static char dir[] = "/tmp/ringvisor-input-XXXXXX";
static char file_path[64];
static uint8_t bytes[SIZE];

static void write_file(const void *data, size_t size)
{
    FILE *file = fopen(file_path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Both ways of reading give `bytes`. */
static void expect_bytes(const struct input *input)
{
    struct buffer buffer = {0};
    uint8_t *data = malloc(SIZE);
    size_t size = 0;

    assert_int_equal(input_slurp(input, LIMIT, &buffer), 0);
    assert_int_equal(buffer.size, SIZE);
    assert_memory_equal(buffer.data, bytes, SIZE);
    buffer_free(&buffer);
    assert_null(buffer.data);
    /* As much room as there are bytes, and no more, is enough. */
    assert_int_equal(input_read(input, data, SIZE, &size), 0);
    assert_int_equal(size, SIZE);
    assert_memory_equal(data, bytes, SIZE);
    assert_int_equal(input_slurp(input, SIZE, &buffer), 0);
    assert_int_equal(buffer.size, SIZE);
    buffer_free(&buffer);
    free(data);
}

static void expect_too_big(const struct input *input, size_t room)
{
    struct buffer buffer = {0};
    uint8_t *data = malloc(room + 1);
    size_t size;

    assert_int_equal(input_slurp(input, room, &buffer), -EFBIG);
    buffer_free(&buffer);
    assert_int_equal(input_read(input, data, room, &size), -EFBIG);
    assert_non_null(strstr(log_fake.last, "bigger than"));
    free(data);
}

static void input_of_a_file_can_be_read_again(void **state)
{
    struct input input;

    write_file(bytes, SIZE);
    assert_int_equal(input_open(&input, "kernel", file_path, LIMIT, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        expect_bytes(&input);
    expect_too_big(&input, SIZE - 1);
    expect_too_big(&input, 0);
    input_close(&input);
    assert_int_equal(input.fd, -1);
    input_close(&input);
}

static void input_refuses_what_is_no_file(void **state)
{
    static const struct {
        const char *path;
        int error;
        const char *message;
    } table[] = {
        {"/nonexistent/file", -ENOENT,
         "kernel '/nonexistent/file': cannot open it: No such file or directory"},
        {"", -ENOENT, "kernel '': cannot open it: No such file or directory"},
        {dir, -EISDIR, "a directory: give a file"},
        {"/dev/zero", -EINVAL, "a device or a socket: give a file or a pipe"},
        {"/dev/null", -EINVAL, "a device or a socket: give a file or a pipe"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct input input;
        int error = input_open(&input, "kernel", table[i].path, LIMIT, NULL);

        if (error != table[i].error || strstr(log_fake.last, table[i].message) == NULL)
            fail_msg("'%s': %d, '%s'", table[i].path, error, log_fake.last);
        assert_int_equal(input.fd, -1);
    }
}

static void input_refuses_an_empty_or_too_big_file(void **state)
{
    struct buffer buffer = {0};
    struct input input;
    uint8_t byte;
    size_t size;

    write_file("", 0);
    assert_int_equal(input_open(&input, "initrd", file_path, LIMIT, NULL), 0);
    assert_int_equal(input_slurp(&input, LIMIT, &buffer), -ENODATA);
    assert_int_equal(input_read(&input, &byte, 1, &size), -ENODATA);
    assert_non_null(strstr(log_fake.last, "initrd '"));
    assert_non_null(strstr(log_fake.last, "empty"));
    buffer_free(&buffer);
    input_close(&input);

    write_file(bytes, SIZE);
    assert_int_equal(input_open(&input, "initrd", file_path, SIZE - 1, NULL), -EFBIG);
    assert_non_null(strstr(log_fake.last, "bigger than the 195 KiB of RAM"));
}

static void input_survives_a_file_that_changes_its_size(void **state)
{
    struct buffer buffer = {0};
    struct input input;
    uint8_t data[100];
    size_t size;

    write_file(bytes, SIZE);
    assert_int_equal(input_open(&input, "kernel", file_path, LIMIT, NULL), 0);
    assert_int_equal(truncate(file_path, 30), 0);
    assert_int_equal(input_read(&input, data, sizeof(data), &size), 0);
    assert_int_equal(size, 30);
    assert_int_equal(truncate(file_path, 0), 0);
    assert_int_equal(input_slurp(&input, LIMIT, &buffer), -ENODATA);
    buffer_free(&buffer);
    assert_int_equal(truncate(file_path, (off_t)LIMIT + 1), 0);
    expect_too_big(&input, LIMIT);
    input_close(&input);
}

/* /proc says 0 for the size of files that have bytes. */
static void input_does_not_believe_the_size_of_a_file(void **state)
{
    struct buffer buffer = {0};
    struct input input;

    assert_int_equal(input_open(&input, "kernel", "/proc/self/status", LIMIT, NULL), 0);
    assert_int_equal(input_slurp(&input, LIMIT, &buffer), 0);
    assert_true(buffer.size > 100);
    buffer_free(&buffer);
    input_close(&input);
}

struct feed {
    int fd;
    size_t size;
};

static void *feed_pipe(void *opaque)
{
    struct feed *feed = opaque;
    size_t done = 0;

    while (done < feed->size) {
        ssize_t n =
            write(feed->fd, bytes + done, feed->size - done < 999 ? feed->size - done : 999);

        if (n < 0)
            break;
        done += (size_t)n;
    }
    close(feed->fd);
    return NULL;
}

/* Opens the reading end of a pipe that a thread feeds with the first `size` of `bytes`. */
static int open_pipe(struct input *input, size_t size, uint64_t limit)
{
    static char path[32];
    struct feed feed = {.size = size};
    pthread_t thread;
    int fds[2], error;

    assert_int_equal(pipe(fds), 0);
    feed.fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, feed_pipe, &feed), 0);
    snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
    error = input_open(input, "kernel", path, limit, NULL);
    close(fds[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return error;
}

static void input_of_a_pipe_can_be_read_again(void **state)
{
    struct input input;

    assert_int_equal(open_pipe(&input, SIZE, LIMIT), 0);
    for (unsigned i = 0; i < 3; i++)
        expect_bytes(&input);
    input_close(&input);
}

static bool is_asked_twice(void *opaque)
{
    return ++*(unsigned *)opaque == 2;
}

static void input_waits_for_a_pipe_until_that_is_enough(void **state)
{
    unsigned asked = 0;
    const struct input_wait wait = {.is_over = is_asked_twice, .opaque = &asked};
    char path[sizeof(file_path) + 8];
    struct input input;

    snprintf(path, sizeof(path), "%s.fifo", file_path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(input_open(&input, "kernel", path, LIMIT, &wait), -ECANCELED);
    assert_int_equal(asked, 2);
    assert_int_equal(input.fd, -1);
    unlink(path);
}

static void input_bounds_what_it_takes_from_a_pipe(void **state)
{
    struct input input;

    assert_int_equal(open_pipe(&input, SIZE, SIZE), 0);
    input_close(&input);
    assert_int_equal(open_pipe(&input, SIZE, SIZE - 1), -EFBIG);
    assert_int_equal(input.fd, -1);
    assert_int_equal(open_pipe(&input, 0, LIMIT), -ENODATA);
    assert_non_null(strstr(log_fake.last, "empty"));
}

static int setup(void **state)
{
    /* The feeding thread outlives a reader that gave up. */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 9));
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(file_path, sizeof(file_path), "%s/file", dir);
    return 0;
}

static int teardown(void **state)
{
    unlink(file_path);
    return rmdir(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(input_of_a_file_can_be_read_again),
        cmocka_unit_test(input_refuses_what_is_no_file),
        cmocka_unit_test(input_refuses_an_empty_or_too_big_file),
        cmocka_unit_test(input_survives_a_file_that_changes_its_size),
        cmocka_unit_test(input_does_not_believe_the_size_of_a_file),
        cmocka_unit_test(input_of_a_pipe_can_be_read_again),
        cmocka_unit_test(input_waits_for_a_pipe_until_that_is_enough),
        cmocka_unit_test(input_bounds_what_it_takes_from_a_pipe),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
