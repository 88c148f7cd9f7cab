/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared folder's device: its queues, its threads, and other processes before it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

#define IN          DRIVER_DATA
#define OUT         (DRIVER_DATA + 0x1000)
#define STATUS      0x070u
#define QUEUE_SEL   0x030u
#define QUEUE_RESET 0x0c0u

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[2];
    struct plugin_host_property properties[3];
    char folder[40], file[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/test-virtio-fs-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof(f->file), "%s/a", f->folder);
    assert_int_equal(mknod(f->file, S_IFREG | 0644, 0), 0);
    driver_host_init(&f->host, &f->world);
    f->properties[0] = (struct plugin_host_property){"path", f->folder};
    f->properties[1] = (struct plugin_host_property){"tag", "t"};
    f->host.properties = f->properties;
    f->host.quiet = true;
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(
        driver_host_begin(&f->host, &f->world, f->q, 2, 256, VIRTIO_FEATURE(VIRTIO_F_RING_RESET)));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    driver_host_end(&f->host, &f->world);
    unlink(f->file);
    rmdir(f->folder);
    free(f);
    return 0;
}

static void send(struct fixture *f, uint32_t opcode, uint64_t node, const void *args, size_t len)
{
    const struct fuse_in_header header = {
        .len = (uint32_t)(sizeof(header) + len),
        .opcode = opcode,
        .unique = 5,
        .nodeid = node,
    };
    struct driver_seg seg[] = {{IN, header.len, false}, {OUT, 4096, true}};
    uint8_t *in = driver_at(&f->world, IN);

    memcpy(in, &header, sizeof(header));
    memcpy(in + sizeof(header), args, len);
    assert_true(driver_add(&f->q[1], seg, 2, false, f));
    driver_write(plugin_host_virtio(&f->host), 0x050, 1);
}

static bool is_answered(struct fixture *f)
{
    uint32_t used;

    plugin_host_turn(&f->host, 1000);
    return driver_get(&f->q[1], &used) != NULL;
}

static void ask(struct fixture *f, uint32_t opcode, uint64_t node, const void *args, size_t len)
{
    send(f, opcode, node, args, len);
    while (!is_answered(f))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* An OPEN of the file that waits until the descriptor that is returned is closed; -1: not possible here. */
static int open_what_waits(struct fixture *f, const char *path, const char *name)
{
    const struct fuse_open_in in = {.flags = O_WRONLY | O_TRUNC};
    const struct fuse_entry_out *entry =
        (const void *)((const uint8_t *)driver_at(&f->world, OUT) + sizeof(struct fuse_out_header));
    uint64_t node;
    int fd = open(path, O_RDONLY);

    signal(SIGIO, SIG_IGN); /* by which a lease's holder is told */
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
        close(fd);
        return -1;
    }
    ask(f, FUSE_LOOKUP, 1, name, strlen(name) + 1);
    node = entry->nodeid;
    assert_int_not_equal(node, 0);
    send(f, FUSE_OPEN, node, &in, sizeof(in));
    assert_false(is_answered(f));
    return fd;
}

/* The file system's first, and it waits. */
static int begin_what_waits(struct fixture *f)
{
    const struct fuse_init_in init = {.major = 7, .minor = 36};

    ask(f, FUSE_INIT, 0, &init, sizeof(init));
    return open_what_waits(f, f->file, "a");
}

static void a_queues_reset_ends_when_no_thread_has_a_request_of_it(void **state)
{
    struct fixture *f = *state;
    struct virtio_device *virtio = plugin_host_virtio(&f->host);
    int fd = begin_what_waits(f);

    if (fd < 0)
        skip();
    driver_write(virtio, QUEUE_SEL, 1);
    driver_write(virtio, QUEUE_RESET, 1);
    assert_int_equal(driver_read(virtio, QUEUE_RESET), 1);
    plugin_host_turn(&f->host, 1000);
    assert_int_equal(driver_read(virtio, QUEUE_RESET), 1);
    /* The other one has nothing to wait for. */
    driver_write(virtio, QUEUE_SEL, 0);
    driver_write(virtio, QUEUE_RESET, 1);
    assert_int_equal(driver_read(virtio, QUEUE_RESET), 0);
    close(fd);
    driver_write(virtio, QUEUE_SEL, 1);
    while (driver_read(virtio, QUEUE_RESET))
        plugin_host_turn(&f->host, 1000);
    /* It can be used again. */
    driver_queue_init(&f->q[1], &f->world, 1, 64,
                      VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET));
    assert_true(driver_queue_enable(virtio, &f->q[1]));
    ask(f, FUSE_LOOKUP, 1, "a", 2);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_reset_ends_when_no_thread_has_a_request_and_the_loop_goes_on(void **state)
{
    struct fixture *f = *state;
    struct virtio_device *virtio = plugin_host_virtio(&f->host);
    int fd = begin_what_waits(f);
    double begin = seconds();

    if (fd < 0)
        skip();
    driver_write(virtio, STATUS, 0);
    plugin_host_turn(&f->host, 1000);
    assert_true(seconds() - begin < 2);
    assert_int_not_equal(driver_read(virtio, STATUS), 0);
    close(fd);
    while (driver_read(virtio, STATUS))
        plugin_host_turn(&f->host, 1000);
    /* A driver can begin anew. */
    assert_true(driver_negotiate(virtio, VIRTIO_FEATURE(VIRTIO_F_VERSION_1)));
    driver_queue_init(&f->q[1], &f->world, 1, 64, VIRTIO_FEATURE(VIRTIO_F_VERSION_1));
    assert_true(driver_queue_enable(virtio, &f->q[1]));
    driver_ok(virtio);
    ask(f, FUSE_INIT, 0, &(struct fuse_init_in){.major = 7, .minor = 36},
        sizeof(struct fuse_init_in));
    ask(f, FUSE_LOOKUP, 1, "a", 2);
}

static void it_stands_still_when_all_threads_do(void **state)
{
    struct fixture *f = *state;
    int fd = begin_what_waits(f);

    if (fd < 0)
        skip();
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    plugin_host_turn(&f->host, 1000);
    assert_int_equal(f->host.quiesced, 0);
    close(fd);
    while (!f->host.quiesced)
        plugin_host_turn(&f->host, 1000);
}

/*
 * Another process
 */

static const struct fuse_entry_out *entry(struct fixture *f)
{
    return (const void *)((const uint8_t *)driver_at(&f->world, OUT) +
                          sizeof(struct fuse_out_header));
}

static int error(struct fixture *f)
{
    return ((const struct fuse_out_header *)driver_at(&f->world, OUT))->error;
}

static void resume(struct fixture *f)
{
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
}

static void numbers_of_another_process_are_stale(void **state)
{
    struct fixture *f = *state;
    const struct fuse_init_in init = {.major = 7, .minor = 36};
    const struct fuse_open_in open_in = {.flags = O_RDWR};
    struct {
        struct fuse_write_in in;
        char byte;
    } write_in = {.in = {.size = 1}, .byte = 'x'};
    uint64_t before, after;
    struct stat st;

    ask(f, FUSE_INIT, 0, &init, sizeof(init));
    ask(f, FUSE_LOOKUP, 1, "a", 2);
    before = entry(f)->nodeid;
    ask(f, FUSE_OPEN, before, &open_in, sizeof(open_in));
    assert_int_equal(error(f), 0);
    write_in.in.fh = ((const struct fuse_open_out *)(const void *)entry(f))->fh;
    for (unsigned n = 0; n < 2; n++) {
        resume(f);
        /* The place in the tables is taken by the same file, as it could be by another. */
        ask(f, FUSE_LOOKUP, 1, "a", 2);
        assert_int_equal(error(f), 0);
        after = entry(f)->nodeid;
        assert_int_not_equal(after, before);
        ask(f, FUSE_OPEN, after, &open_in, sizeof(open_in));
        assert_int_equal(error(f), 0);
        ask(f, FUSE_OPEN, before, &open_in, sizeof(open_in));
        assert_int_equal(error(f), -ESTALE);
        ask(f, FUSE_WRITE, before, &write_in, sizeof(write_in.in) + 1);
        assert_int_equal(error(f), -EBADF);
        assert_int_equal(stat(f->file, &st), 0);
        assert_int_equal(st.st_size, 0);
    }
    /* Nor is one that the driver got before it mounted again. */
    ask(f, FUSE_INIT, 0, &init, sizeof(init));
    ask(f, FUSE_LOOKUP, 1, "a", 2);
    assert_int_not_equal(entry(f)->nodeid, after);
    ask(f, FUSE_OPEN, after, &open_in, sizeof(open_in));
    assert_int_equal(error(f), -ESTALE);
}

/* Each with 120 KiB of arguments, while all threads wait. */
#define LONG_SIZE (120u << 10)

static unsigned requests_in_rings(struct fixture *f, unsigned sent)
{
    plugin_host_turn(&f->host, 1000);
    return sent - (unsigned)plugin_host_counter(&f->host, "requests");
}

/* The request that was sent last, `count` times more. */
static void repeat(struct fixture *f, unsigned count)
{
    while (count--) {
        struct driver_seg seg[] = {{IN, 0, false}, {OUT, 4096, true}};

        seg[0].len = ((const struct fuse_in_header *)driver_at(&f->world, IN))->len;
        assert_true(driver_add(&f->q[1], seg, 2, false, f));
        driver_write(plugin_host_virtio(&f->host), 0x050, 1);
    }
}

/* Fills the ring with long requests, and lets the device take what it takes. How many. */
static unsigned send_long_ones(struct fixture *f)
{
    const struct fuse_setxattr_in in = {.size = LONG_SIZE - 200};
    const struct fuse_in_header header = {
        .len = LONG_SIZE, .opcode = FUSE_SETXATTR, .unique = 6, .nodeid = 1};
    uint8_t *data = driver_at(&f->world, IN + 0x4000);
    unsigned sent = 0;

    memset(data, 0, LONG_SIZE);
    memcpy(data, &header, sizeof(header));
    memcpy(data + sizeof(header), &in, FUSE_COMPAT_SETXATTR_IN_SIZE);
    strcpy((char *)data + sizeof(header) + FUSE_COMPAT_SETXATTR_IN_SIZE, "user.x");
    for (;; sent++) {
        struct driver_seg seg[] = {{IN + 0x4000, LONG_SIZE, false},
                                   {OUT + 0x40000 + 64 * sent, 64, true}};

        if (!driver_add(&f->q[1], seg, 2, false, f))
            break;
    }
    driver_write(plugin_host_virtio(&f->host), 0x050, 1);
    for (unsigned turn = 0; turn < 20; turn++)
        plugin_host_turn(&f->host, 1000);
    return sent;
}

/* The loop goes on until so many are answered. */
static void wait_for_answers(struct fixture *f, unsigned count)
{
    for (unsigned n = 0; n < 20000 && count; n++) {
        uint32_t used;

        plugin_host_turn(&f->host, 1000);
        while (count && driver_get(&f->q[1], &used))
            count--;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    assert_int_equal(count, 0);
}

static void long_requests_that_wait_stay_in_their_ring(void **state)
{
    struct fixture *f = *state;
    unsigned before, sent;
    int fd = begin_what_waits(f);

    if (fd < 0)
        skip();
    before = (unsigned)plugin_host_counter(&f->host, "requests") + 3;
    repeat(f, 3); /* all four threads wait for the lease */
    sent = send_long_ones(f);
    /* 4 MiB of copies, and what is left stays with the driver. */
    assert_in_range(sent - requests_in_rings(f, before + sent), 1, (4u << 20) / LONG_SIZE + 2);
    close(fd);
    wait_for_answers(f, sent + 4);
    assert_int_equal(requests_in_rings(f, before + sent), 0);
}

/* A ring could go on as soon as some are done, but the device is about to stand still. */
static void it_stands_still_although_rings_wait_for_room(void **state)
{
    struct fixture *f = *state;
    char other[64];
    unsigned before, sent, taken;
    int fd = begin_what_waits(f), last;

    if (fd < 0)
        skip();
    repeat(f, 2);
    snprintf(other, sizeof(other), "%s/b", f->folder);
    assert_int_equal(mknod(other, S_IFREG | 0644, 0), 0);
    last = open_what_waits(f, other, "b");
    before = (unsigned)plugin_host_counter(&f->host, "requests");
    sent = send_long_ones(f);
    taken = sent - requests_in_rings(f, before + sent);
    assert_true(taken < sent);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    close(fd);
    wait_for_answers(f, 3 + taken);
    for (unsigned n = 0; n < 3; n++)
        plugin_host_turn(&f->host, 1000);
    assert_int_equal(f->host.quiesced, 0);
    close(last);
    wait_for_answers(f, 1);
    assert_int_equal(f->host.quiesced, 1);
    assert_int_equal(requests_in_rings(f, before + sent), sent - taken);
    ringvisor_device.resume(f->host.device);
    wait_for_answers(f, sent - taken);
    unlink(other);
}

/*
 * Tags
 */

static void two_shares_with_one_tag_are_refused(void **state)
{
    struct fixture *f = *state;
    struct plugin_host_property properties[3] = {{"path", f->folder}, {"tag", "t"}};
    struct rv_instance other;

    plugin_host_init(&other, f->world.ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
    other.properties = properties;
    other.quiet = true;
    assert_int_equal(plugin_host_start(&other, 0), -EEXIST);
    assert_non_null(strstr(other.log, "tag 't'"));
    properties[1].value = "tt";
    assert_int_equal(plugin_host_start(&other, 0), 0);
    plugin_host_stop(&other);
    /* The tag of one that has gone is free. */
    plugin_host_stop(&f->host);
    properties[1].value = "t";
    assert_int_equal(plugin_host_start(&other, 0), 0);
    plugin_host_stop(&other);
    plugin_host_free(&other);
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queues_reset_ends_when_no_thread_has_a_request_of_it),
        TEST(a_reset_ends_when_no_thread_has_a_request_and_the_loop_goes_on),
        TEST(it_stands_still_when_all_threads_do),
        TEST(numbers_of_another_process_are_stale),
        TEST(long_requests_that_wait_stay_in_their_ring),
        TEST(it_stands_still_although_rings_wait_for_room),
        TEST(two_shares_with_one_tag_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
