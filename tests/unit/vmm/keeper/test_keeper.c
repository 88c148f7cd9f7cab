/* SPDX-License-Identifier: BSD-2-Clause */
/* What passes between the keeper and its worker, and what the keeper keeps. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/keeper/keeper_internal.h"

static int ends[2];
static struct keeper_message sent, got;

static int setup(void **state)
{
    memset(&sent, 0, sizeof(sent));
    memset(&got, 0xa5, sizeof(got));
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int teardown(void **state)
{
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static int file(char byte)
{
    int fd = memfd_create("kept", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
    return fd;
}

static char content(int fd)
{
    char byte = 0;

    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    return byte;
}

static void message_arrives_with_its_text_and_descriptors(void **state)
{
    struct keeper_fds fds = {.fd = {file('a'), file('b')}, .count = 2}, received;

    sent.op = KEEPER_START;
    sent.result = -ENOENT;
    strcpy(sent.name, "disk");
    memcpy(sent.text, "program\0-x", 11);
    sent.length = 11;
    assert_int_equal(keeper_send(ends[0], &sent, &fds), 0);
    assert_int_equal(keeper_receive(ends[1], &got, &received), 1);
    assert_int_equal(got.op, KEEPER_START);
    assert_int_equal(got.result, -ENOENT);
    assert_string_equal(got.name, "disk");
    assert_int_equal(got.length, 11);
    assert_memory_equal(got.text, "program\0-x", 11);
    assert_int_equal(received.count, 2);
    assert_int_equal(content(received.fd[0]), 'a');
    assert_int_equal(content(received.fd[1]), 'b');
    assert_int_equal(fcntl(received.fd[0], F_GETFD), FD_CLOEXEC);
    keeper_fds_close(&received);
    keeper_fds_close(&fds);
}

static void end_of_the_other_side_is_no_message(void **state)
{
    struct keeper_fds fds;

    close(ends[0]);
    assert_int_equal(keeper_receive(ends[1], &got, &fds), 0);
}

/* Bytes that are no message, each with a descriptor, which must not stay open. */
static void what_is_no_message_is_refused_and_its_descriptors_are_closed(void **state)
{
    static const struct {
        uint32_t length;
        size_t size;
        char name, text;
        uint32_t protocol; /* added to the right one */
    } cases[] = {
        {0, 1, 0, 0, 0},                                         /* too short for a head */
        {0, offsetof(struct keeper_message, text) - 1, 0, 0, 0}, /* by one byte */
        {7, offsetof(struct keeper_message, text), 0, 0, 0},     /* text that is not there */
        {0, offsetof(struct keeper_message, text) + 3, 0, 0, 0}, /* more than its length */
        {UINT32_MAX, offsetof(struct keeper_message, text), 0, 0, 0},
        {0, offsetof(struct keeper_message, text), 'x', 0, 0},     /* a name without an end */
        {4, offsetof(struct keeper_message, text) + 4, 0, 'x', 0}, /* a text without an end */
        {0, offsetof(struct keeper_message, text), 0, 0, 1},       /* of another version */
    };
    unsigned before = open_descriptors();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char control[CMSG_SPACE(sizeof(int))] = {0};
        struct iovec iov = {&sent, cases[i].size};
        struct msghdr header = {.msg_iov = &iov,
                                .msg_iovlen = 1,
                                .msg_control = control,
                                .msg_controllen = sizeof(control)};
        struct cmsghdr *rights = CMSG_FIRSTHDR(&header);
        struct keeper_fds fds;
        int fd = file('x');

        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
        memset(sent.name, cases[i].name, sizeof(sent.name));
        memset(sent.text, cases[i].text, sizeof(sent.text));
        sent.length = cases[i].length;
        sent.protocol = KEEPER_PROTOCOL + cases[i].protocol;
        assert_true(sendmsg(ends[0], &header, 0) >= 0);
        close(fd);
        if (keeper_receive(ends[1], &got, &fds) != -EPROTO)
            fail_msg("case %zu was taken for a message", i);
        assert_int_equal(fds.count, 0);
        assert_int_equal(open_descriptors(), before);
    }
}

static void descriptor_is_found_by_its_name_and_replaced(void **state)
{
    static struct keeper_store store;
    unsigned before = open_descriptors();

    assert_int_equal(keeper_store_get(&store, "memory"), -1);
    assert_int_equal(keeper_store_put(&store, "memory", file('1')), 0);
    assert_int_equal(keeper_store_put(&store, "state", file('2')), 0);
    assert_int_equal(content(keeper_store_get(&store, "memory")), '1');
    assert_int_equal(keeper_store_put(&store, "memory", file('3')), 0);
    assert_int_equal(content(keeper_store_get(&store, "memory")), '3');
    assert_int_equal(content(keeper_store_get(&store, "state")), '2');
    assert_int_equal(open_descriptors(), before + 2);
    keeper_store_drop(&store, "memory");
    assert_int_equal(keeper_store_get(&store, "memory"), -1);
    keeper_store_free(&store);
    assert_int_equal(open_descriptors(), before);
}

static void store_that_is_full_closes_what_it_does_not_take(void **state)
{
    static struct keeper_store store;
    unsigned before = open_descriptors();
    char name[16];

    for (unsigned i = 0; i < KEEPER_ENTRIES; i++) {
        snprintf(name, sizeof(name), "%u", i);
        assert_int_equal(keeper_store_put(&store, name, dup(ends[0])), 0);
    }
    assert_int_equal(keeper_store_put(&store, "one more", dup(ends[0])), -ENOSPC);
    assert_int_equal(open_descriptors(), before + KEEPER_ENTRIES);
    keeper_store_free(&store);
    assert_int_equal(open_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(message_arrives_with_its_text_and_descriptors, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(end_of_the_other_side_is_no_message, setup, teardown),
        cmocka_unit_test_setup_teardown(
            what_is_no_message_is_refused_and_its_descriptors_are_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(descriptor_is_found_by_its_name_and_replaced, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(store_that_is_full_closes_what_it_does_not_take, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
