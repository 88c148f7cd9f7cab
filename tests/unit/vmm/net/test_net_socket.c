/* SPDX-License-Identifier: BSD-2-Clause */
/* The cable between two guests: both ends of ours, and peers that are not. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/net/net_backend.h"
#include "tests/unit/support/plugin_host.h"

#define SECOND 1000000000ull
#define ENDS   3u

static char folder[32], path[48];
static struct event_base *base;

static struct end {
    struct rv_instance host;
    struct net_context context;
    struct net_backend *cable; /* NULL: not open */
    bool up, writable;
    uint8_t frame[RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX + 1];
    ssize_t frame_len; /* of one that came in the loop; not positive: none */
} ends[ENDS];

/*
 * A device that is nothing but its back end
 */

static ssize_t end_take(struct end *end)
{
    struct iovec iov = {end->frame, sizeof(end->frame)};

    memset(end->frame, 0xaa, sizeof(end->frame));
    return end->cable->ops->receive(end->cable, 0, &iov, 1);
}

/* Only by trying to receive does an end learn that the other one has gone. */
static void end_readable(void *opaque, unsigned pair)
{
    struct end *end = opaque;

    if (end->frame_len <= 0)
        end->frame_len = end_take(end);
}

static void end_writable(void *opaque, unsigned pair)
{
    ((struct end *)opaque)->writable = true;
}

static void end_link(void *opaque, bool up)
{
    ((struct end *)opaque)->up = up;
}

static int end_create(struct rv_instance *host, const struct rv_vmm_ops *ops, void *state,
                      uint32_t flags, void **device)
{
    struct end *end = (struct end *)(void *)host;
    const struct net_callbacks callbacks = {end, end_readable, end_writable, end_link};

    end->context = (struct net_context){.ops = ops, .instance = host, .base = base};
    end->up = true;
    end->frame_len = 0;
    end->cable = net_socket_open(&end->context, &callbacks, 1);
    *device = end;
    return end->cable ? 0 : -EINVAL;
}

static void end_nothing(void *device)
{
}

static void end_destroy(void *device)
{
    struct end *end = device;

    end->cable->ops->destroy(end->cable);
    end->cable = NULL;
}

static const struct rv_property properties[] = {
    {.name = "path", .type = RV_PROPERTY_PATH, .help = "Unix socket"},
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,      .name = "cable",       .properties = properties, .create = end_create,
    .reset = end_nothing, .resume = end_nothing, .destroy = end_destroy,
};

static const struct plugin_host_property given[] = {{"path", path}, {0}};

static int end_open(unsigned n)
{
    plugin_host_init(&ends[n].host, NULL, 0, 0);
    ends[n].host.properties = given;
    return plugin_host_start(&ends[n].host, 0);
}

static void end_close(unsigned n)
{
    plugin_host_stop(&ends[n].host);
}

/* The loops of all ends, long enough for whatever they wait for. */
static void turn(void)
{
    for (unsigned i = 0; i < 8; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        for (unsigned n = 0; n < ENDS; n++)
            if (ends[n].cable)
                plugin_host_turn(&ends[n].host, SECOND / 4);
    }
}

static int setup(void **context)
{
    memset(ends, 0, sizeof(ends));
    strcpy(folder, "/tmp/test-cable-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof(path), "%s/cable", folder);
    base = event_base_new();
    return base ? 0 : -1;
}

static int teardown(void **context)
{
    for (unsigned n = 0; n < ENDS; n++)
        if (ends[n].cable)
            end_close(n);
    event_base_free(base);
    unlink(path);
    return rmdir(folder);
}

/*
 * Frames
 */

static uint8_t scratch[RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX];

/* `len` bytes that tell of `seed`. */
static void fill(uint8_t *frame, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        frame[i] = (uint8_t)(seed * 31 + i + i / 251);
}

static int send_frame(unsigned n, size_t len, unsigned seed)
{
    struct iovec iov = {scratch, RV_NET_HEADER_BYTES + len};

    memset(scratch, 0, RV_NET_HEADER_BYTES);
    fill(scratch + RV_NET_HEADER_BYTES, len, seed);
    return ends[n].cable->ops->send(ends[n].cable, 0, &iov, 1);
}

/* The frame's bytes, header not included; -EAGAIN: none. */
static ssize_t receive(unsigned n, unsigned seed)
{
    static uint8_t expected[RV_NET_FRAME_MAX];
    struct end *end = &ends[n];
    ssize_t len = end->frame_len > 0 ? end->frame_len : end_take(end);

    end->frame_len = 0;
    if (len < 0)
        return len;
    assert_true(len >= (ssize_t)RV_NET_HEADER_BYTES);
    len -= (ssize_t)RV_NET_HEADER_BYTES;
    fill(expected, (size_t)len, seed);
    assert_memory_equal(end->frame + RV_NET_HEADER_BYTES, expected, (size_t)len);
    for (size_t i = 0; i < RV_NET_HEADER_BYTES; i++)
        assert_int_equal(end->frame[i], 0);
    return len;
}

static void want(unsigned n)
{
    ends[n].cable->ops->want(ends[n].cable, 0, true);
}

/* A peer that is not ours: its descriptor, or -errno. */
static int raw_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int error, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

static void two_ends(void)
{
    assert_int_equal(end_open(0), 0);
    turn();
    assert_false(ends[0].up); /* nobody is there yet */
    assert_int_equal(end_open(1), 0);
    turn();
    assert_true(ends[0].up && ends[1].up);
    want(0);
    want(1);
}

static void frames_of_all_lengths_arrive_in_order_both_ways(void **context)
{
    static const size_t lengths[] = {RV_NET_FRAME_MIN, 60, 1514, 9014, RV_NET_FRAME_MAX};

    two_ends();
    for (unsigned from = 0; from < 2; from++) {
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(send_frame(from, lengths[i], i), 0);
        for (unsigned i = 0; i < 5; i++) {
            assert_int_equal(receive(!from, i), lengths[i]);
        }
        assert_int_equal(receive(!from, 0), -EAGAIN);
    }
}

/* As with QEMU's -netdev stream: the length in network order, then the frame. */
static void a_frame_may_come_in_pieces(void **context)
{
    uint8_t bytes[4 + 60] = {0, 0, 0, 60};
    int peer;

    assert_int_equal(end_open(0), 0);
    peer = raw_connect();
    assert_true(peer >= 0);
    turn();
    want(0);
    fill(bytes + 4, 60, 7);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        assert_int_equal(receive(0, 7), -EAGAIN);
        assert_int_equal(send(peer, bytes + i, 1, MSG_NOSIGNAL), 1);
    }
    assert_int_equal(receive(0, 7), 60);
    close(peer);
}

static void the_wire_has_the_length_and_no_virtio_header(void **context)
{
    uint8_t bytes[128], frame[60];
    uint32_t length;
    int peer;

    assert_int_equal(end_open(0), 0);
    peer = raw_connect();
    turn();
    assert_int_equal(send_frame(0, 60, 3), 0);
    assert_int_equal(recv(peer, bytes, sizeof(bytes), 0), 64);
    memcpy(&length, bytes, 4);
    assert_int_equal(ntohl(length), 60);
    fill(frame, 60, 3);
    assert_memory_equal(bytes + 4, frame, 60);
    close(peer);
}

static void lengths_that_cannot_be_end_the_connection_with_one_message(void **context)
{
    static const uint32_t lengths[] = {0, RV_NET_FRAME_MIN - 1, RV_NET_FRAME_MAX + 1, 1u << 31,
                                       UINT32_MAX};
    uint8_t byte;

    assert_int_equal(end_open(0), 0);
    ends[0].host.quiet = true;
    for (unsigned i = 0; i < 5; i++) {
        uint32_t length = htonl(lengths[i]);
        int peer = raw_connect();

        assert_true(peer >= 0);
        turn();
        assert_true(ends[0].up);
        want(0);
        assert_int_equal(send(peer, &length, 4, MSG_NOSIGNAL), 4);
        assert_int_equal(receive(0, 0), -EAGAIN);
        turn();
        assert_false(ends[0].up);
        assert_int_equal(recv(peer, &byte, 1, 0), 0);
        close(peer);
    }
    assert_int_equal(ends[0].host.warnings, 1);
}

static void a_frame_that_is_cut_off_is_not_joined_to_the_next_peers(void **context)
{
    uint8_t bytes[4 + 60] = {0, 0, 0, 60};
    int peer;

    assert_int_equal(end_open(0), 0);
    for (unsigned i = 0; i < 2; i++) {
        peer = raw_connect();
        turn();
        want(0);
        fill(bytes + 4, 60, i);
        assert_int_equal(send(peer, bytes, i ? sizeof(bytes) : 30, MSG_NOSIGNAL), i ? 64 : 30);
        assert_int_equal(receive(0, i), i ? 60 : -EAGAIN);
        close(peer);
        assert_int_equal(receive(0, 0), -EAGAIN);
        turn();
    }
}

static void what_a_slow_peer_does_not_take_yet_is_offered_again_and_whole(void **context)
{
    unsigned sent = 0, got = 0;

    two_ends();
    while (send_frame(0, RV_NET_FRAME_MAX, sent) == 0)
        assert_true(++sent < 10000);
    assert_true(sent > 0);
    assert_false(ends[0].writable);
    while (got < sent) {
        ssize_t len = receive(1, got);

        if (len > 0)
            got++;
        else
            assert_int_equal(len, -EAGAIN);
        plugin_host_turn(&ends[0].host, 1); /* sends the rest of the one that was cut */
    }
    assert_int_equal(receive(1, 0), -EAGAIN);
    assert_true(ends[0].writable);
    assert_int_equal(send_frame(0, 60, 1), 0);
    assert_int_equal(receive(1, 1), 60);
}

static void without_a_peer_frames_are_lost_and_nothing_waits(void **context)
{
    assert_int_equal(end_open(0), 0);
    turn();
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(send_frame(0, 1514, i), 0);
}

/*
 * Coming and going
 */

static void either_end_may_go_and_another_has_its_place(void **context)
{
    two_ends();
    for (unsigned goes = 0; goes < 2; goes++) {
        end_close(goes);
        turn();
        assert_false(ends[!goes].up);
        assert_int_equal(end_open(goes), 0);
        turn();
        assert_true(ends[0].up && ends[1].up);
        assert_int_equal(send_frame(0, 100, goes), 0);
        assert_int_equal(receive(1, goes), 100);
        want(0);
        want(1);
    }
}

static void a_third_waits_until_one_has_gone(void **context)
{
    two_ends();
    assert_int_equal(end_open(2), 0);
    turn();
    assert_int_equal(send_frame(0, 100, 1), 0);
    assert_int_equal(receive(1, 1), 100);
    end_close(1);
    turn();
    want(2);
    assert_int_equal(send_frame(0, 100, 2), 0);
    assert_int_equal(receive(2, 2), 100);
}

static ino_t inode(void)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_ino;
}

/* Who cannot connect because too many wait there may not take the socket for a dead one. */
static void a_socket_that_is_listened_on_is_never_replaced(void **context)
{
    int waiting[16], count = 0;
    ino_t first;

    two_ends();
    first = inode();
    while (count < 16 && (waiting[count] = raw_connect()) >= 0)
        count++;
    assert_int_equal(waiting[count], -EAGAIN);
    assert_int_equal(end_open(2), 0);
    turn();
    assert_int_equal(inode(), first);
    assert_false(ends[2].up);
    while (count > 0)
        close(waiting[--count]);
    end_close(1);
    want(0);
    turn();
    turn();
    assert_true(ends[0].up && ends[2].up);
}

/* Anybody may lock a folder that he can read, /tmp for example. */
static void a_lock_on_the_folder_stops_nobody(void **context)
{
    int lock;

    lock = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    two_ends();
    assert_int_equal(send_frame(0, 100, 1), 0);
    assert_int_equal(receive(1, 1), 100);
    close(lock);
}

/* No descriptor is left: the listener rests for a while instead of keeping the loop busy. */
static void without_descriptors_who_comes_waits(void **context)
{
    struct rlimit old, none;
    unsigned watched = 0;
    int peer;

    assert_int_equal(end_open(0), 0);
    turn();
    peer = raw_connect();
    assert_true(peer >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    event_base_loop(base, EVLOOP_NONBLOCK); /* the attempt that fails */
    plugin_host_turn(&ends[0].host, 1);
    for (unsigned i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE), 0);
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++)
        watched += ends[0].host.watch[i].ready && ends[0].host.watch[i].events;
    assert_int_equal(watched, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_false(ends[0].up);
    usleep(150000);
    turn();
    assert_true(ends[0].up);
    close(peer);
}

static void a_socket_that_was_left_behind_is_replaced(void **context)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    two_ends();
    end_close(1);
    end_close(0);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_no_socket_is_refused_and_left_alone(void **context)
{
    struct stat st;
    int fd = open(path, O_CREAT | O_WRONLY, 0600);

    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    plugin_host_init(&ends[0].host, NULL, 0, 0);
    ends[0].host.properties = given;
    ends[0].host.quiet = true;
    assert_int_equal(plugin_host_start(&ends[0].host, 0), -EINVAL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 8);
}

static void a_folder_that_is_not_there_is_refused(void **context)
{
    plugin_host_init(&ends[0].host, NULL, 0, 0);
    ends[0].host.properties =
        (const struct plugin_host_property[]){{"path", "/tmp/no such folder/cable"}, {0}};
    ends[0].host.quiet = true;
    assert_int_equal(plugin_host_start(&ends[0].host, 0), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(frames_of_all_lengths_arrive_in_order_both_ways),
        TEST(a_frame_may_come_in_pieces),
        TEST(the_wire_has_the_length_and_no_virtio_header),
        TEST(lengths_that_cannot_be_end_the_connection_with_one_message),
        TEST(a_frame_that_is_cut_off_is_not_joined_to_the_next_peers),
        TEST(what_a_slow_peer_does_not_take_yet_is_offered_again_and_whole),
        TEST(without_a_peer_frames_are_lost_and_nothing_waits),
        TEST(either_end_may_go_and_another_has_its_place),
        TEST(a_third_waits_until_one_has_gone),
        TEST(a_socket_that_is_listened_on_is_never_replaced),
        TEST(a_lock_on_the_folder_stops_nobody),
        TEST(without_descriptors_who_comes_waits),
        TEST(a_socket_that_was_left_behind_is_replaced),
        TEST(what_is_no_socket_is_refused_and_left_alone),
        TEST(a_folder_that_is_not_there_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
