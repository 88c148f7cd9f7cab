/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/util/fd_message.h"

static int ends[2];

static int setup(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* How many descriptors are open. */
static unsigned count_open(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void send_files(const char *text, unsigned nr_fds)
{
    int fds[FD_MESSAGE_MAX] = {-1};

    for (unsigned i = 0; i < nr_fds; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(fd_message_send(ends[0], text, 4, fds, nr_fds), 0);
    for (unsigned i = 0; i < nr_fds; i++)
        close(fds[i]);
}

static void bytes_and_descriptors_arrive_closed_on_exec(void **state)
{
    char text[8];
    int fds[3];
    unsigned nr = 3;

    send_files("abc", 2);
    assert_int_equal(fd_message_receive(ends[1], text, sizeof(text), fds, &nr), 4);
    assert_string_equal(text, "abc");
    assert_int_equal(nr, 2);
    for (unsigned i = 0; i < nr; i++) {
        assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        close(fds[i]);
    }
}

static void message_without_descriptors_has_none(void **state)
{
    char text[8];
    int fds[1];
    unsigned nr = 1;

    send_files("abc", 0);
    assert_int_equal(fd_message_receive(ends[1], text, sizeof(text), fds, &nr), 4);
    assert_int_equal(nr, 0);
}

static void descriptors_that_nobody_wants_are_closed(void **state)
{
    unsigned before = count_open(), nr = 1;
    char text[8];
    int fds[1];

    send_files("abc", 2);
    assert_int_equal(fd_message_receive(ends[1], text, sizeof(text), fds, &nr), -EMSGSIZE);
    assert_int_equal(nr, 0);
    assert_int_equal(count_open(), before);
}

static void message_that_is_too_long_is_refused_with_its_descriptors(void **state)
{
    unsigned before = count_open(), nr = 1;
    char text[2];
    int fds[1];

    send_files("abc", 1);
    assert_int_equal(fd_message_receive(ends[1], text, sizeof(text), fds, &nr), -EMSGSIZE);
    assert_int_equal(nr, 0);
    assert_int_equal(count_open(), before);
}

static void end_of_the_other_side_is_no_error(void **state)
{
    char text[8];
    int fds[1];
    unsigned nr = 1;

    close(ends[0]);
    assert_int_equal(fd_message_receive(ends[1], text, sizeof(text), fds, &nr), 0);
    assert_int_equal(nr, 0);
    assert_int_equal(fd_message_send(ends[1], "abc", 4, NULL, 0), -EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_and_descriptors_arrive_closed_on_exec),
        TEST(message_without_descriptors_has_none),
        TEST(descriptors_that_nobody_wants_are_closed),
        TEST(message_that_is_too_long_is_refused_with_its_descriptors),
        TEST(end_of_the_other_side_is_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
