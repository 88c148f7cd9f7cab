/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: connections, and a driver that also lies. */
#include "tests/unit/support/vsock_fixture.h"

static void guest_connects_sends_and_closes(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 5, 99);
    uint8_t bytes[200];
    int fd;

    start(f, 8);
    fd = connect_out(f, 99);
    assert_true(fd >= 0);
    h.len = 100;
    assert_true(send_packet(f, &h, 100));
    assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), 100);
    assert_int_equal(bytes[99], 0x5a);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_int_equal(got(f, &h, bytes), OP(RW));
    assert_int_equal(h.len, 1);
    assert_int_equal(h.fwd_cnt, 100);
    assert_int_equal(h.buf_alloc, CREDIT);
    assert_int_equal(bytes[0], 'x');
    h = header(OP(SHUTDOWN), 5, 99);
    h.flags = 3;
    h.fwd_cnt = 1;
    assert_true(send_packet(f, &h, 0));
    assert_int_equal(got(f, NULL, NULL), OP(RST));
    assert_int_equal(recv(fd, bytes, 1, 0), 0);
    close(fd);
}

static void host_connects_by_port(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h;
    char line[64] = "";
    char want[64];
    uint8_t first;
    int fd;

    start(f, 8);
    fd = dial(f);
    assert_int_equal(send(fd, "CONN", 4, 0), 4);
    assert_int_equal(got(f, &h, NULL), 0);
    assert_int_equal(send(fd, "ECT 77\nearly", 12, 0), 12); /* and it cannot wait */
    plugin_host_turn(&f->host, 2000000);
    assert_int_equal(got(f, &h, NULL), OP(REQUEST));
    assert_int_equal(h.dst_port, 77);
    sends(f, OP(RESPONSE), h.src_port, 77);
    assert_true(recv(fd, line, sizeof(line), 0) > 0);
    snprintf(want, sizeof(want), "OK %u\n", h.src_port);
    assert_string_equal(line, want);
    assert_int_equal(got(f, &h, &first), OP(RW));
    assert_int_equal(h.len, 5);
    assert_int_equal(first, 'e');
    close(fd);
    assert_int_equal(got(f, &h, NULL), OP(SHUTDOWN));
    assert_int_equal(h.flags, 3);
    plugin_host_turn(&f->host, 3000000000); /* the guest does not answer */
    assert_int_equal(got(f, &h, NULL), OP(RST));
}

static void half_closed_connections_go_on(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h;
    uint8_t byte;
    int fd;

    start(f, 8);
    fd = connect_out(f, 99);
    shutdown(fd, SHUT_WR);
    assert_int_equal(got(f, &h, NULL), OP(SHUTDOWN));
    assert_int_equal(h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
    h = header(OP(RW), 5, 99);
    h.len = 1;
    assert_true(send_packet(f, &h, 1));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    h = header(OP(SHUTDOWN), 5, 99);
    h.flags = VIRTIO_VSOCK_SHUTDOWN_SEND;
    assert_true(send_packet(f, &h, 0));
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    assert_int_equal(got(f, NULL, NULL), OP(RST));
    close(fd);
}

static void a_guest_without_room_gets_no_more_than_its_credit(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(REQUEST), 5, 99);
    static uint8_t bytes[0x4000];
    int fd;

    start(f, 16);
    h.buf_alloc = 1000;
    assert_true(send_packet(f, &h, 0));
    assert_int_equal(got(f, NULL, NULL), OP(RESPONSE));
    fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_int_equal(send(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(got(f, &h, NULL), OP(RW));
    assert_int_equal(h.len, 1000);
    assert_int_equal(got(f, &h, NULL), OP(CREDIT_REQUEST)); /* once */
    assert_int_equal(got(f, &h, NULL), 0);
    h = header(OP(CREDIT_UPDATE), 5, 99);
    h.buf_alloc = 1000;
    h.fwd_cnt = 400;
    assert_true(send_packet(f, &h, 0));
    assert_int_equal(got(f, &h, NULL), OP(RW));
    assert_int_equal(h.len, 400);
    assert_int_equal(got(f, &h, NULL), OP(CREDIT_REQUEST));
    assert_int_equal(got(f, &h, NULL), 0);
    close(fd);
}

/* Each ends the connection, if there is one, and nothing else. */
static void packets_that_cannot_be_are_reset(void **state)
{
    static const struct {
        const char *what;
        bool connected;
        uint16_t op, type;
        uint32_t len, payload, fwd;
        bool answered;
    } cases[] = {
        {"data for nobody", false, OP(RW), 1, 4, 4, 0, true},
        {"a reset for nobody", false, OP(RST), 1, 0, 0, 0, false},
        {"a response to nothing", false, OP(RESPONSE), 1, 0, 0, 0, true},
        {"another type", false, OP(REQUEST), 2, 0, 0, 0, true},
        {"type 65535", false, OP(RW), 65535, 0, 0, 0, true},
        {"an operation of no meaning", true, 0x1234, 1, 0, 0, 0, true},
        {"operation 0", true, OP(INVALID), 1, 0, 0, 0, true},
        {"a second request", true, OP(REQUEST), 1, 0, 0, 0, true},
        {"a response to its own request", true, OP(RESPONSE), 1, 0, 0, 0, true},
        {"more bytes than there are", true, OP(RW), 1, 5, 4, 0, true},
        {"4 GiB of them", true, OP(RW), 1, 0xffffffff, 4, 0, true},
        {"a shutdown with a payload", true, OP(SHUTDOWN), 1, 4, 4, 0, true},
        {"more forwarded than was sent", true, OP(CREDIT_UPDATE), 1, 0, 0, 1, true},
        {"the same, wrapped", true, OP(CREDIT_UPDATE), 1, 0, 0, 0xffffffff, true},
    };
    struct fixture *f = *state;

    start(f, 32);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint32_t guest_port = 1000 + (uint32_t)i;
        int fd = cases[i].connected ? connect_out(f, guest_port) : -1;
        struct virtio_vsock_hdr h = header(cases[i].op, 5, guest_port);

        h.type = cases[i].type;
        h.len = cases[i].len;
        h.fwd_cnt = cases[i].fwd;
        assert_true(send_packet(f, &h, cases[i].payload));
        if (got(f, &h, NULL) != (cases[i].answered ? OP(RST) : 0))
            fail_msg("%s", cases[i].what);
        if (cases[i].answered)
            assert_int_equal(h.dst_port, guest_port);
        if (fd >= 0) {
            char byte;

            assert_int_equal(recv(fd, &byte, 1, 0), 0); /* it is over */
            close(fd);
        }
    }
    assert_int_equal(f->host.warnings, 0);
}

static void packets_of_others_are_ignored(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(REQUEST), 5, 99);

    start(f, 4);
    h.src_cid = 4;
    assert_true(send_packet(f, &h, 0));
    h = header(OP(REQUEST), 5, 99);
    h.dst_cid = 1;
    assert_true(send_packet(f, &h, 0));
    h.dst_cid = 2ull << 32 | 2;
    assert_true(send_packet(f, &h, 0));
    assert_int_equal(got(f, &h, NULL), 0);
    assert_int_equal(accept4(f->listener, NULL, NULL, SOCK_NONBLOCK), -1);
}

static void more_than_its_credit_ends_a_connection(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 5, 99);
    unsigned n = 0;
    int fd;

    start(f, 60);
    fd = connect_out(f, 99);
    h.len = 0xf000;
    while (got(f, NULL, NULL) != OP(RST)) {
        assert_true(send_packet(f, &h, h.len));
        assert_true(n++ < 100); /* 6 MB */
    }
    close(fd);
}

/* Answers need buffers of the guest's: without any, no more questions are taken. */
static void a_flood_without_receive_buffers_waits(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 1, 1);
    unsigned taken = 0, answered = 0;

    start(f, 0);
    while (send_packet(f, &h, 0))
        assert_true(++taken < 2000);
    assert_int_equal(taken, 1024);
    add_rx(f);
    for (unsigned i = 0; i < 1100; i++)
        answered += got(f, NULL, NULL) == OP(RST);
    assert_int_equal(answered, 1025); /* the one that waited as well */
}

static void another_vmm_tells_that_connections_are_gone(void **state)
{
    struct fixture *f = *state;
    struct driver_seg seg = {RX(70), 8, true};
    uint32_t len = 0;
    int fd;

    start(f, 4);
    fd = connect_out(f, 99);
    assert_true(driver_add(&f->q[2], &seg, 1, false, f));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 2, NULL);
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    assert_ptr_equal(driver_get(&f->q[2], &len), f);
    assert_int_equal(len, 4);
    assert_int_equal(*(uint32_t *)driver_at(&f->world, RX(70)), 0);
    sends(f, OP(RW), 5, 99);
    assert_int_equal(got(f, NULL, NULL), OP(RST));
    close(fd);
}

/* The guest's packets do not wait for another timer of the device's. */
static void a_connection_that_closes_does_not_put_off_the_rest(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(CREDIT_UPDATE), 5, 99);
    struct driver_seg seg = {TX, HEADER, false}, in = {RX(1), 0x1000, true};
    uint32_t len;
    int fd;

    start(f, 1);
    sends(f, OP(REQUEST), 5, 99);
    fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
    close(fd);
    plugin_host_turn(&f->host, 1000); /* and there is no buffer to tell of it */
    assert_true(driver_add(&f->q[0], &in, 1, false, f));
    memcpy(driver_at(&f->world, TX), &h, sizeof(h));
    for (unsigned i = 0; i < 128; i++)
        assert_true(driver_add(&f->q[1], &seg, 1, false, f));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 1, NULL);
    for (unsigned i = 0; i < 128; i++)
        assert_ptr_equal(driver_get(&f->q[1], &len), f);
    /* The device has asked for no notification, and has to look by itself. */
    assert_true(driver_add(&f->q[1], &seg, 1, false, f));
    plugin_host_turn(&f->host, 1000);
    assert_ptr_equal(driver_get(&f->q[1], &len), f);
}

static void a_reset_in_the_middle_drops_what_was_sent(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h = header(OP(RW), 5, 99);
    static uint8_t bytes[1 << 20];
    ssize_t n = -1;
    int fd;

    start(f, 32);
    fd = connect_out(f, 99);
    h.len = 0x8000;
    for (unsigned i = 0; i < 8; i++)
        assert_true(send_packet(f, &h, h.len));
    sends(f, OP(RST), 5, 99);
    for (unsigned turns = 0; turns < 100 && n != 0; turns++) {
        n = recv(fd, bytes, sizeof(bytes), 0);
        plugin_host_turn(&f->host, 1000);
    }
    assert_int_equal(n, 0);
    close(fd);
}

static void nothing_is_written_while_it_is_quiesced(void **state)
{
    struct fixture *f = *state;
    struct virtio_vsock_hdr h;
    uint32_t len;
    int fd, other;

    start(f, 4);
    fd = connect_out(f, 99);
    other = connect_out(f, 98);
    /* A buffer is popped for what is not there after all, and held. */
    assert_int_equal(send(fd, "a", 1, 0), 1);
    assert_int_equal(got(f, NULL, NULL), OP(RW));
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    assert_int_equal(send(fd, "b", 1, 0), 1);
    close(other);
    for (unsigned i = 0; i < 4; i++)
        plugin_host_turn(&f->host, 3000000000);
    assert_null(driver_get(&f->q[0], &len));
    ringvisor_device.resume(f->host.device);
    assert_int_equal(got(f, &h, NULL), OP(RW));
    assert_int_equal(got(f, &h, NULL), OP(SHUTDOWN));
    plugin_host_turn(&f->host, 3000000000);
    assert_int_equal(got(f, &h, NULL), OP(RST)); /* the guest did not answer */
    close(fd);
}

static void a_buffer_for_a_header_alone_is_a_drivers_fault(void **state)
{
    struct fixture *f = *state;
    struct driver_seg in = {RX(1), HEADER, true};

    start(f, 0);
    f->host.quiet = true;
    assert_true(driver_add(&f->q[0], &in, 1, false, f));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 0, NULL);
    sends(f, OP(REQUEST), 5, 99);
    assert_int_equal(f->host.warnings + f->host.errors, 1);
}

static void data_before_the_guest_has_accepted_is_reset(void **state)
{
    static const uint16_t ops[] = {OP(RW), OP(SHUTDOWN), OP(CREDIT_UPDATE), OP(CREDIT_REQUEST),
                                   OP(REQUEST)};
    struct fixture *f = *state;

    start(f, 32);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        struct virtio_vsock_hdr h;
        int fd = dial(f);

        assert_int_equal(send(fd, "CONNECT 7\n", 10, 0), 10);
        assert_int_equal(got(f, &h, NULL), OP(REQUEST));
        sends(f, ops[i], h.src_port, 7);
        assert_int_equal(got(f, NULL, NULL), OP(RST));
        assert_true(is_closed(fd));
        close(fd);
    }
}

/* The next process's event, after that of the one before took the only buffer. */
static void an_event_waits_for_a_buffer_and_the_driver_is_asked_to_tell(void **state)
{
    const struct driver_seg seg = {RX(0), 8, true};
    struct fixture *f = *state;
    uint32_t len;

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(driver_host_begin(&f->host, &f->world, f->q, 3, 128,
                                  VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)));
    assert_true(driver_add(&f->q[2], &seg, 1, false, f));
    assert_true(driver_kick(&f->q[2]));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 2, NULL);
    for (unsigned n = 0; n < 2; n++) {
        plugin_host_stop(&f->host);
        assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
        assert_int_equal(driver_get(&f->q[2], &len) == f, n == 0);
    }
    assert_true(driver_add(&f->q[2], &seg, 1, false, f));
    assert_true(driver_kick(&f->q[2]));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 2, NULL);
    assert_ptr_equal(driver_get(&f->q[2], &len), f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(guest_connects_sends_and_closes),
        TEST(host_connects_by_port),
        TEST(half_closed_connections_go_on),
        TEST(a_guest_without_room_gets_no_more_than_its_credit),
        TEST(packets_that_cannot_be_are_reset),
        TEST(packets_of_others_are_ignored),
        TEST(more_than_its_credit_ends_a_connection),
        TEST(a_flood_without_receive_buffers_waits),
        TEST(another_vmm_tells_that_connections_are_gone),
        TEST(an_event_waits_for_a_buffer_and_the_driver_is_asked_to_tell),
        TEST(a_connection_that_closes_does_not_put_off_the_rest),
        TEST(a_reset_in_the_middle_drops_what_was_sent),
        TEST(nothing_is_written_while_it_is_quiesced),
        TEST(a_buffer_for_a_header_alone_is_a_drivers_fault),
        TEST(data_before_the_guest_has_accepted_is_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
