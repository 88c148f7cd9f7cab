/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets between host and guest: a driver that also lies, and programs of the host's. */
#include <errno.h>
#include <linux/virtio_vsock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/plugin_host.h"
#include "tests/unit/support/virtio_driver.h"

#define RX(n)  (DRIVER_DATA + 0x2000ull * (n))
#define TX     (DRIVER_DATA + 0x100000ull)
#define HEADER ((uint32_t)sizeof(struct virtio_vsock_hdr))
#define CREDIT (256u << 10)
#define OP(x)  VIRTIO_VSOCK_OP_##x

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[3];
    char folder[32], path[64];
    struct plugin_host_property properties[3];
    unsigned next_rx;
    int listener; /* of port 5 */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    driver_world_init(&f->world);
    plugin_host_init(&f->host, f->world.ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
    strcpy(f->folder, "/tmp/vsock-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/v", f->folder);
    f->properties[0] = (struct plugin_host_property){"cid", "3"};
    f->properties[1] = (struct plugin_host_property){"path", f->path};
    f->host.properties = f->properties;
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s_5", f->path);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char name[80];

    plugin_host_stop(&f->host);
    plugin_host_free(&f->host);
    driver_world_destroy(&f->world);
    close(f->listener);
    snprintf(name, sizeof(name), "%s_5", f->path);
    unlink(name);
    assert_int_equal(rmdir(f->folder), 0); /* nothing is left */
    free(f);
    return 0;
}

static void add_rx(struct fixture *f)
{
    struct driver_seg seg = {RX(f->next_rx % 64), 0x1000, true};

    assert_true(driver_add(&f->q[0], &seg, 1, false, (void *)(uintptr_t)(f->next_rx % 64 + 1)));
    f->next_rx++;
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 0, NULL);
}

static void start(struct fixture *f, unsigned buffers)
{
    uint64_t features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1);

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(driver_negotiate(plugin_host_mmio(&f->host), features));
    for (unsigned i = 0; i < 3; i++) {
        driver_queue_init(&f->q[i], &f->world, i, 128, features);
        assert_true(driver_queue_enable(plugin_host_mmio(&f->host), &f->q[i]));
    }
    driver_ok(plugin_host_mmio(&f->host));
    while (buffers--)
        add_rx(f);
}

static struct virtio_vsock_hdr header(uint16_t op, uint32_t port, uint32_t guest_port)
{
    return (struct virtio_vsock_hdr){.src_cid = 3,
                                     .dst_cid = 2,
                                     .src_port = guest_port,
                                     .dst_port = port,
                                     .type = VIRTIO_VSOCK_TYPE_STREAM,
                                     .op = op,
                                     .buf_alloc = 0x10000};
}

/* False: the device has not taken it yet. */
static bool send_packet(struct fixture *f, const struct virtio_vsock_hdr *h, uint32_t payload)
{
    struct driver_seg segs[2] = {{TX, HEADER, false}, {TX + 0x1000, payload, false}};
    uint32_t len;

    memcpy(driver_at(&f->world, TX), h, sizeof(*h));
    memset(driver_at(&f->world, TX + 0x1000), 0x5a, payload);
    assert_true(driver_add(&f->q[1], segs, payload ? 2 : 1, false, f));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 1, NULL);
    return driver_get(&f->q[1], &len) != NULL;
}

static void sends(struct fixture *f, uint16_t op, uint32_t port, uint32_t guest_port)
{
    struct virtio_vsock_hdr h = header(op, port, guest_port);

    assert_true(send_packet(f, &h, 0));
}

/* The next packet to the guest: its op, or 0. The payload's first byte, if there is one. */
static uint16_t got(struct fixture *f, struct virtio_vsock_hdr *h, uint8_t *first)
{
    struct virtio_vsock_hdr dummy;
    uintptr_t n;
    uint32_t len;

    for (unsigned i = 0; i < 3; i++)
        plugin_host_turn(&f->host, 1000);
    n = (uintptr_t)driver_get(&f->q[0], &len);
    if (n == 0)
        return 0;
    h = h ? h : &dummy;
    memcpy(h, driver_at(&f->world, RX(n - 1)), sizeof(*h));
    assert_int_equal(len, HEADER + h->len);
    if (first)
        *first = ((uint8_t *)driver_at(&f->world, RX(n - 1)))[HEADER];
    assert_int_equal(h->src_cid, 2);
    assert_int_equal(h->dst_cid, 3);
    add_rx(f);
    return h->op;
}

/* A connection of the guest's to port 5: the host's end. */
static int connect_out(struct fixture *f, uint32_t guest_port)
{
    sends(f, OP(REQUEST), 5, guest_port);
    assert_int_equal(got(f, NULL, NULL), OP(RESPONSE));
    return accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
}

static int dial(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

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

static bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
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
        char byte;

        assert_int_equal(send(fd, lines[i].text, lines[i].len, MSG_NOSIGNAL), lines[i].len);
        assert_int_equal(got(f, NULL, NULL), 0);
        if (recv(fd, &byte, 1, 0) > 0 || errno == EAGAIN)
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

/* No descriptor is left: the listener rests, and does not keep the loop busy. */
static void without_descriptors_it_waits(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, none;
    unsigned watched = 0;
    int fd;

    start(f, 8);
    fd = dial(f);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    plugin_host_turn(&f->host, 1000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++)
        watched += f->host.watch[i].ready && f->host.watch[i].events;
    assert_int_equal(watched, 0);
    assert_int_equal(send(fd, "CONNECT 7\n", 10, 0), 10);
    plugin_host_turn(&f->host, 1000000000);
    assert_int_equal(got(f, NULL, NULL), OP(REQUEST));
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
        TEST(guest_connects_sends_and_closes),
        TEST(host_connects_by_port),
        TEST(half_closed_connections_go_on),
        TEST(a_slow_host_is_the_guests_credit),
        TEST(a_guest_without_room_gets_no_more_than_its_credit),
        TEST(packets_that_cannot_be_are_reset),
        TEST(packets_of_others_are_ignored),
        TEST(more_than_its_credit_ends_a_connection),
        TEST(a_flood_without_receive_buffers_waits),
        TEST(another_vmm_tells_that_connections_are_gone),
        TEST(a_connection_that_closes_does_not_put_off_the_rest),
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
        TEST(a_reset_in_the_middle_drops_what_was_sent),
        TEST(nothing_is_written_while_it_is_quiesced),
        TEST(a_buffer_for_a_header_alone_is_a_drivers_fault),
        TEST(data_before_the_guest_has_accepted_is_reset),
        TEST(an_end_does_not_wait_for_the_guests_buffers),
        TEST(without_descriptors_it_waits),
        TEST(connections_leave_descriptors_to_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
