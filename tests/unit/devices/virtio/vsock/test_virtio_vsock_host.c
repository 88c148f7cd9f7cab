/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: programs of the host that are slow, silent, many, or say nonsense. */
#include "tests/unit/support/vsock_fixture.h"

/* A host that does not read: the guest gets no more credit than there is room for. */
static void a_slow_host_is_the_guests_credit(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 5, 99);
    uint32_t sent = 0, forwarded = 0;
    static uint8_t bytes[1 << 20];
    size_t read = 0;
    ssize_t n;
    int fd;

    start(f, 32);
    fd = connect_out(f, 99);
    h.len = 0x8000;
    while (sent - forwarded + h.len <= CREDIT) {
        struct virtio_vsock_hdr answer;

        assert_true(send_packet(f, &h, h.len));
        sent += h.len;
        assert_true(sent < sizeof(bytes));
        if (got(f, &answer, NULL) == OP(CREDIT_UPDATE))
            forwarded = answer.fwd_cnt;
    }
    assert_true(sent > CREDIT); /* some is in the socket */
    for (unsigned turns = 0; turns < 1000 && read < sent; turns++) {
        n = recv(fd, bytes, sizeof(bytes), 0);
        read += n > 0 ? (size_t)n : 0;
        plugin_host_turn(&f->host, 1000);
    }
    assert_int_equal(read, sent);
    close(fd);
}

static unsigned timers_set(const struct fixture *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS; i++)
        n += f->host.timer[i].set && f->host.timer[i].at < f->host.now + 1000000000;
    return n;
}

static void half_a_line_costs_nothing(void **state)
{
    struct fixture *f = *state;
    int fd;

    start(f, 8);
    fd = dial(f);
    for (const char *c = "CONNECT 7"; *c; c++) {
        assert_int_equal(send(fd, c, 1, 0), 1);
        for (unsigned i = 0; i < 3; i++)
            plugin_host_turn(&f->host, 1000);
        assert_int_equal(timers_set(f), 0);
    }
    assert_int_equal(send(fd, "\n", 1, 0), 1);
    assert_int_equal(got(f, NULL, NULL), OP(REQUEST));
    close(fd);
}

static void lines_that_are_none_close_the_door(void **state)
{
    static const struct {
        const char *text;
        size_t len;
    } lines[] = {
        {"\n", 1},
        {"CONNECT\n", 8},
        {"CONNECT \n", 9},
        {"CONNECT -1\n", 11},
        {"CONNECT 0\n", 10},
        {"CONNECT 4294967296\n", 19},
        {"CONNECT 99999999999999999999999\n", 32},
        {"CONNECT 7 \n", 11},
        {"CONNECT 7\0\n", 11},
        {"CONNECT 7\0 and more\n", 20},
        {"connect 7\n", 10},
        {"CONNECT 000000000000000000000000000000000007\n", 45},
        {"GET / HTTP/1.1 and so on, for ever and ever", 43},
    };
    struct fixture *f = *state;

    start(f, 8);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        int fd = dial(f);
        ssize_t n;
        char byte;

        assert_int_equal(send(fd, lines[i].text, lines[i].len, MSG_NOSIGNAL), lines[i].len);
        assert_int_equal(got(f, NULL, NULL), 0);
        n = recv(fd, &byte, 1, 0); /* an error, if it was closed with bytes that nobody read */
        if (n > 0 || (n < 0 && errno == EAGAIN))
            fail_msg("%s", lines[i].text);
        close(fd);
    }
}

/* Whoever says nothing takes no place from the guest, and not for ever. */
static void silent_peers_are_few_and_end(void **state)
{
    struct fixture *f = *state;
    int silent[140];
    unsigned open = 0;
    int fd;

    start(f, 8);
    for (unsigned i = 0; i < 140; i++) {
        silent[i] = dial(f);
        plugin_host_turn(&f->host, 1000);
        plugin_host_turn(&f->host, 1000);
    }
    for (unsigned i = 0; i < 140; i++)
        open += !is_closed(silent[i]);
    assert_int_equal(open, 128);
    fd = connect_out(f, 99);
    assert_true(fd >= 0);
    plugin_host_turn(&f->host, 31000000000);
    for (unsigned i = 0; i < 140; i++) {
        assert_true(is_closed(silent[i]));
        close(silent[i]);
    }
    assert_false(is_closed(fd));
    close(fd);
}

static void a_guest_that_does_not_answer_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h;
    int fd;

    start(f, 8);
    fd = dial(f);
    assert_int_equal(send(fd, "CONNECT 7\n", 10, 0), 10);
    assert_int_equal(got(f, &h, NULL), OP(REQUEST));
    plugin_host_turn(&f->host, 31000000000);
    assert_int_equal(got(f, &h, NULL), OP(RST));
    assert_int_equal(h.dst_port, 7);
    assert_true(is_closed(fd));
    close(fd);
}

static void without_a_driver_the_door_is_shut(void **state)
{
    struct fixture *f = *state;
    int fd;

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    fd = dial(f);
    assert_int_equal(send(fd, "CONNECT 7\n", 10, 0), 10);
    for (unsigned i = 0; i < 4; i++)
        plugin_host_turn(&f->host, 1000);
    assert_true(is_closed(fd));
    close(fd);
}

/*
 * The guest has sent all that its credit allows, and then its last word. Its driver waits
 * for the answer for some seconds, then resets; the host reads still later.
 */
static void what_was_sent_before_the_end_arrives_after_it(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 5, 99);
    static uint8_t bytes[1 << 20];
    uint32_t sent = 0, forwarded = 0;
    size_t read = 0;
    ssize_t n = -1;
    int fd;

    start(f, 32);
    fd = connect_out(f, 99);
    h.len = 0x8000;
    while (sent - forwarded + h.len <= CREDIT) {
        struct virtio_vsock_hdr answer;

        assert_true(send_packet(f, &h, h.len));
        sent += h.len;
        if (got(f, &answer, NULL) == OP(CREDIT_UPDATE))
            forwarded = answer.fwd_cnt;
    }
    h = header(OP(SHUTDOWN), 5, 99);
    h.flags = 3;
    assert_true(send_packet(f, &h, 0));
    assert_int_equal(got(f, NULL, NULL), 0);
    sends(f, OP(RST), 5, 99);
    /* The number is free for another connection meanwhile. */
    sends(f, OP(REQUEST), 5, 99);
    assert_int_equal(got(f, NULL, NULL), OP(RESPONSE));
    for (unsigned turns = 0; turns < 1000 && n != 0; turns++) {
        n = recv(fd, bytes, sizeof(bytes), 0);
        read += n > 0 ? (size_t)n : 0;
        plugin_host_turn(&f->host, 1000);
    }
    assert_int_equal(n, 0);
    assert_int_equal(read, sent);
    close(fd);
}

/* It has what it needs of the number of connections. One that reads slowly is waited for. */
static void a_reader_that_never_reads_is_not_waited_for(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 5, 99);
    static uint8_t bytes[1 << 20];
    uint32_t sent = 0, forwarded = 0;
    size_t read = 0;
    ssize_t n;
    int fd;

    start(f, 32);
    f->host.quiet = true;
    fd = connect_out(f, 99);
    h.len = 0x8000;
    for (; sent - forwarded + h.len <= CREDIT; sent += h.len) {
        struct virtio_vsock_hdr answer;

        assert_true(send_packet(f, &h, h.len));
        if (got(f, &answer, NULL) == OP(CREDIT_UPDATE))
            forwarded = answer.fwd_cnt;
    }
    h = header(OP(SHUTDOWN), 5, 99);
    h.flags = 3;
    assert_true(send_packet(f, &h, 0));
    sends(f, OP(RST), 5, 99);
    plugin_host_turn(&f->host, 50 * UINT64_C(1000000000));
    for (n = 1; n > 0; read += n > 0 ? (size_t)n : 0)
        n = recv(fd, bytes, sizeof(bytes), 0);
    assert_true(n < 0 && errno == EAGAIN);
    plugin_host_turn(&f->host, 1); /* more goes into the socket */
    plugin_host_turn(&f->host, 50 * UINT64_C(1000000000));
    assert_int_equal(plugin_host_counter(&f->host, "lost-bytes"), 0);
    plugin_host_turn(&f->host, 11 * UINT64_C(1000000000));
    for (n = 1; n > 0; read += n > 0 ? (size_t)n : 0)
        n = recv(fd, bytes, sizeof(bytes), 0);
    assert_int_equal(n, 0);
    assert_true(read < sent);
    assert_int_equal(plugin_host_counter(&f->host, "lost-bytes"), sent - read);
    assert_int_equal(f->host.warnings, 1);
    close(fd);
}

/* The host's listener takes two at a time, and accepts later: nobody is refused. */
static void a_burst_of_connections_waits_for_the_backlog(void **state)
{
    struct fixture *f = *state;
    unsigned answered = 0, accepted = 0;
    struct virtio_vsock_hdr h;
    int fd[10];

    assert_int_equal(listen(f->listener, 1), 0);
    start(f, 32);
    for (unsigned i = 0; i < 10; i++)
        sends(f, OP(REQUEST), 5, 100 + i);
    for (unsigned turns = 0; turns < 200 && accepted < 10; turns++) {
        uint16_t op = got(f, &h, NULL);

        assert_true(op == 0 || op == OP(RESPONSE));
        answered += op == OP(RESPONSE);
        if (op)
            continue;
        fd[accepted] = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
        accepted += fd[accepted] >= 0;
        plugin_host_turn(&f->host, 10000000);
    }
    assert_int_equal(accepted, 10);
    assert_int_equal(answered, 10);
    assert_int_equal(plugin_host_counter(&f->host, "refused"), 0);
    while (accepted--)
        close(fd[accepted]);
}

static void a_backlog_that_stays_full_refuses_in_the_end(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h;
    unsigned resets = 0;

    assert_int_equal(listen(f->listener, 0), 0);
    start(f, 32);
    for (unsigned i = 0; i < 4; i++)
        sends(f, OP(REQUEST), 5, 100 + i);
    assert_int_equal(got(f, &h, NULL), OP(RESPONSE));
    assert_int_equal(h.dst_port, 100);
    assert_int_equal(got(f, NULL, NULL), 0);
    sends(f, OP(RST), 5, 101); /* the guest does not wait */
    for (unsigned i = 0; i < 29; i++)
        plugin_host_turn(&f->host, 1000000000);
    assert_int_equal(got(f, NULL, NULL), 0);
    plugin_host_turn(&f->host, 2000000000);
    while (got(f, &h, NULL) == OP(RST)) {
        assert_true(h.dst_port == 102 || h.dst_port == 103);
        resets++;
    }
    assert_int_equal(resets, 2);
}

/* As if nobody had listened from the beginning. */
static void a_listener_that_ends_while_it_is_full_refuses(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h;

    assert_int_equal(listen(f->listener, 0), 0);
    start(f, 32);
    for (unsigned i = 0; i < 2; i++)
        sends(f, OP(REQUEST), 5, 100 + i);
    assert_int_equal(got(f, NULL, NULL), OP(RESPONSE));
    assert_int_equal(got(f, NULL, NULL), 0);
    close(f->listener);
    f->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    plugin_host_turn(&f->host, 30000000);
    for (unsigned i = 0; i < 4; i++) /* that of the first, which was in the backlog, as well */
        if (got(f, &h, NULL) == OP(RST) && h.dst_port == 101)
            return;
    fail();
}

/* The host learns of an end at once, whether the guest can or not. */
static void an_end_does_not_wait_for_the_guests_buffers(void **state)
{
    struct fixture *f = *state;
    int fd;

    start(f, 1);
    sends(f, OP(REQUEST), 5, 99);
    fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
    sends(f, OP(INVALID), 5, 99);
    assert_true(is_closed(fd));
    close(fd);
}

/* It is never given all descriptors that the process may have. */
static void connections_leave_descriptors_to_others(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, few;
    struct virtio_vsock_hdr h;
    int fd[40];
    unsigned n = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = old;
    few.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    start(f, 60);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (; n < 40; n++) {
        sends(f, OP(REQUEST), 5, 100 + n);
        if (got(f, &h, NULL) == OP(RST))
            break;
        fd[n] = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
    }
    assert_int_equal(n, 32);
    while (n--)
        close(fd[n]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_slow_host_is_the_guests_credit),
        TEST(half_a_line_costs_nothing),
        TEST(lines_that_are_none_close_the_door),
        TEST(silent_peers_are_few_and_end),
        TEST(a_guest_that_does_not_answer_is_not_waited_for),
        TEST(without_a_driver_the_door_is_shut),
        TEST(what_was_sent_before_the_end_arrives_after_it),
        TEST(a_reader_that_never_reads_is_not_waited_for),
        TEST(a_burst_of_connections_waits_for_the_backlog),
        TEST(a_backlog_that_stays_full_refuses_in_the_end),
        TEST(a_listener_that_ends_while_it_is_full_refuses),
        TEST(an_end_does_not_wait_for_the_guests_buffers),
        TEST(connections_leave_descriptors_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
