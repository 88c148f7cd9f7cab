/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers and descriptors of devices, on a real loop; and devices that do all of it wrong. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "tests/unit/support/device_fixture.h"
#include "vmm/device/device_internal.h"

#define MS UINT64_C(1000000)

static struct rv_instance *host;

/* An instance of good.c; the tests then make its calls themselves. */
static int setup(void **state)
{
    struct fixture *f = fixture_new("good");

    *state = f;
    if (device_create(&f->env, "good", &host))
        return -1;
    device_resume(host);
    return 0;
}

static int teardown(void **state)
{
    device_destroy(host);
    fixture_free(*state);
    return 0;
}

struct shot {
    unsigned count;
    uint64_t at_ns;
    struct rv_timer *again; /* set anew from within, one ms later */
    struct rv_timer *kill;  /* freed from within */
};

static void fired(void *opaque)
{
    struct shot *shot = opaque;

    shot->count++;
    shot->at_ns = device_ops.now_ns(host);
    if (shot->again && shot->count < 3)
        device_ops.timer_set(host, shot->again, shot->at_ns + MS);
    if (shot->kill)
        device_ops.timer_free(host, shot->kill);
    shot->kill = NULL;
}

static void run_for(struct fixture *f, uint64_t ns)
{
    uint64_t end = device_ops.now_ns(host) + ns;

    while (device_ops.now_ns(host) < end)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* A loaded host may be late, so that only what must not be has a limit. */
static void run_until(struct fixture *f, const unsigned *count, unsigned n)
{
    uint64_t end = device_ops.now_ns(host) + 10000 * MS;

    while (*count < n && device_ops.now_ns(host) < end)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    run_for(f, MS);
}

static void timer_fires_once_and_never_early(void **state)
{
    struct shot shot = {0};
    struct rv_timer *timer = device_ops.timer_new(host, fired, &shot);

    for (unsigned i = 0; i < 20; i++) {
        uint64_t at = device_ops.now_ns(host) + i * MS / 7;

        shot.count = 0;
        device_ops.timer_set(host, timer, at);
        assert_int_equal(shot.count, 0); /* not from within, also when it is late */
        run_until(*state, &shot.count, 1);
        assert_int_equal(shot.count, 1);
        assert_true(shot.at_ns >= at);
    }
    device_ops.timer_free(host, timer);
}

static void timer_that_is_set_again_moves(void **state)
{
    struct shot shot = {0};
    struct rv_timer *timer = device_ops.timer_new(host, fired, &shot);
    uint64_t now = device_ops.now_ns(host);

    device_ops.timer_set(host, timer, now + MS);
    device_ops.timer_set(host, timer, now + 20 * MS);
    run_until(*state, &shot.count, 1);
    assert_int_equal(shot.count, 1);
    assert_true(shot.at_ns >= now + 20 * MS);
    device_ops.timer_set(host, timer, UINT64_MAX);
    run_for(*state, 2 * MS);
    assert_int_equal(shot.count, 1);
}

static void timer_that_is_cancelled_does_not_fire(void **state)
{
    struct shot shot = {0};
    struct rv_timer *timer = device_ops.timer_new(host, fired, &shot);

    device_ops.timer_set(host, timer, 0);
    device_ops.timer_cancel(host, timer);
    device_ops.timer_cancel(host, timer);
    run_for(*state, 2 * MS);
    assert_int_equal(shot.count, 0);
}

static void timer_may_be_set_and_freed_from_within(void **state)
{
    struct shot shot = {0};

    shot.again = device_ops.timer_new(host, fired, &shot);
    device_ops.timer_set(host, shot.again, 0);
    run_until(*state, &shot.count, 3);
    assert_int_equal(shot.count, 3);
    shot.kill = shot.again;
    shot.again = NULL;
    device_ops.timer_set(host, shot.kill, 0);
    run_until(*state, &shot.count, 4);
    assert_int_equal(shot.count, 4);
}

struct seen {
    unsigned calls;
    unsigned events;
    struct rv_watch *remove;
};

static void ready(void *opaque, unsigned events)
{
    struct seen *seen = opaque;

    seen->calls++;
    seen->events |= events;
    if (seen->remove)
        device_ops.fd_remove(host, seen->remove);
    seen->remove = NULL;
}

static void descriptor_is_watched_for_what_was_asked(void **state)
{
    struct seen seen = {0};
    struct rv_watch *watch;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    watch = device_ops.fd_watch(host, fds[0], RV_FD_READ, ready, &seen);
    assert_non_null(watch);
    run_for(*state, MS);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    run_for(*state, MS);
    assert_true(seen.calls > 1); /* as long as it holds */
    assert_int_equal(seen.events, RV_FD_READ);

    assert_int_equal(device_ops.fd_change(host, watch, 0), 0);
    seen.calls = 0;
    run_for(*state, MS);
    assert_int_equal(seen.calls, 0);
    assert_int_equal(device_ops.fd_change(host, watch, RV_FD_READ), 0);
    seen.remove = watch;
    run_for(*state, MS);
    assert_int_equal(seen.calls, 1);

    seen = (struct seen){0};
    watch = device_ops.fd_watch(host, fds[1], RV_FD_WRITE, ready, &seen);
    run_for(*state, MS);
    assert_int_equal(seen.events, RV_FD_WRITE);
    device_ops.fd_remove(host, watch);
    close(fds[0]);
    close(fds[1]);
}

static void clocks_go_on(void **state)
{
    uint64_t before = device_ops.now_ns(host);

    usleep(1000);
    assert_true(device_ops.now_ns(host) >= before + MS);
    assert_true(device_ops.wall_ns(host) > UINT64_C(1700000000) * 1000 * MS);
}

static void request_reaches_the_machine(void **state)
{
    struct fixture *f = *state;

    struct rv_request request = {.size = sizeof(request), .type = RV_REQUEST_POWER_OFF, .code = 7};

    device_ops.request(host, &request);
    assert_int_equal(f->request.type, RV_REQUEST_POWER_OFF);
    assert_int_equal(f->request.code, 7);
    request = (struct rv_request){.size = sizeof(request), .type = RV_REQUEST_PANIC, .code = -1};
    device_ops.request(host, &request);
    assert_int_equal(f->request.type, RV_REQUEST_PANIC);
    assert_int_equal(f->requests, 2);
}

/* plugins/wild.c aborts when something that it does is not refused. */
static void device_that_does_everything_wrong_harms_nobody(void **state)
{
    static const struct {
        const char *spec;
        const char *said; /* one of the messages */
    } cases[] = {
        {"wild,what=lines", "interrupt line 4294967295, but it has 2: a bug of the plugin"},
        {"wild,what=memory", "bytes at 0xffffffffffffffff are dirty, which are not RAM: a bug"},
        {"wild,what=timers", "timer_free of something that it does not have (any more): a bug"},
        {"wild,what=watches", "which is not open: a bug of the plugin"},
        {"wild,what=back-ends", "chr_close of something that it does not have (any more): a bug"},
        {"wild,what=rest", "quiesced() without a quiesce() that waits: a bug of the plugin"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *f = fixture_new("wild");
        struct rv_instance *device;
        unsigned count = 0;

        capture();
        assert_int_equal(device_create(&f->env, cases[i].spec, &device), 0);
        device_resume(device);
        for (unsigned pass = 0; pass < 20; pass++)
            event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        assert_int_equal(device_quiesce(device), 0);
        device_destroy(device);
        release();
        if (!strstr(messages, cases[i].said))
            fail_msg("'%s' is not in:\n%s", cases[i].said, messages);
        for (const char *at = messages; (at = strstr(at, "a bug of the plugin")); at++)
            count++;
        /* Not without end either. */
        assert_in_range(count, 3, 8);
        assert_string_equal(f->irqs, "");
        assert_string_equal(f->dirty, "");
        assert_int_equal(f->requests, 0);
        fixture_free(f);
    }
}

static unsigned connections;

static void connected(void *opaque, int fd)
{
    assert_ptr_equal(opaque, &connections);
    connections++;
    close(fd);
}

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(address.sun_path, path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Those that come while the device is quiet wait; a second device cannot have the path. */
static void listener_accepts_while_its_device_runs(void **state)
{
    char path[] = "/tmp/test-device-XXXXXX";
    struct rv_listener *listener, *other;
    struct fixture *f = *state;
    int fd[2];

    close(mkstemp(path));
    unlink(path);
    connections = 0;
    assert_int_equal(device_ops.listener_open(host, path, connected, &connections, &listener), 0);
    capture();
    assert_int_equal(device_ops.listener_open(host, path, connected, &connections, &other),
                     -EADDRINUSE);
    release();
    assert_non_null(strstr(messages, path));
    assert_non_null(strstr(messages, "another program listens there"));
    run_until(f, &connections, 1); /* the other one has knocked */
    connections = 0;
    assert_int_equal(device_quiesce(host), 0);
    fd[0] = dial(path);
    run_for(f, MS);
    assert_int_equal(connections, 0);
    device_resume(host);
    fd[1] = dial(path);
    run_until(f, &connections, 2);
    assert_int_equal(connections, 2);
    device_ops.listener_close(host, listener);
    assert_int_equal(access(path, F_OK), -1);
    close(fd[0]);
    close(fd[1]);

    /* One that the device forgets goes with it, and its file as well. */
    assert_int_equal(device_ops.listener_open(host, path, connected, &connections, &listener), 0);
    device_destroy(host);
    host = NULL;
    assert_int_equal(access(path, F_OK), -1);
}

static void disk_request_done(struct rv_disk_request *request, int error)
{
    *(int *)request->opaque = error;
}

/* Its `vmm` needs no initialisation, so that it may hold anything. */
static void disk_cancel_knows_what_is_in_flight(void **state)
{
    static uint8_t data[512] __attribute__((aligned(512)));
    char path[] = "/tmp/test-device-XXXXXX";
    struct iovec iov = {data, sizeof(data)};
    int fd = mkstemp(path), error[2] = {1, 1};
    struct rv_disk_request requests[2], other;
    struct rv_disk *disk;
    struct fixture *f = *state;

    assert_int_equal(ftruncate(fd, 4096), 0);
    close(fd);
    assert_int_equal(device_ops.disk_open(
                         host,
                         &(struct rv_disk_options){
                             .size = sizeof(struct rv_disk_options), .path = path, .format = "raw"},
                         &disk),
                     0);
    memset(&other, 0xa5, sizeof(other));
    assert_int_equal(device_ops.disk_cancel(host, disk, &other), -ENOENT);
    for (unsigned i = 0; i < 2; i++) {
        requests[i] = (struct rv_disk_request){.size = sizeof(requests[i]),
                                               .op = RV_DISK_READ,
                                               .iov = &iov,
                                               .iov_count = 1,
                                               .done = disk_request_done,
                                               .opaque = &error[i]};
        device_ops.disk_submit(host, disk, &requests[i]);
    }
    other.vmm = requests[1].vmm;
    assert_int_equal(device_ops.disk_cancel(host, disk, &other), -ENOENT);
    assert_int_not_equal(device_ops.disk_cancel(host, disk, &requests[0]), -ENOENT);
    while (error[0] == 1 || error[1] == 1)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_int_equal(error[1], 0);
    assert_int_equal(device_ops.disk_cancel(host, disk, &requests[1]), -ENOENT);
    device_ops.disk_close(host, disk);
    unlink(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(timer_fires_once_and_never_early),
        TEST(timer_that_is_set_again_moves),
        TEST(timer_that_is_cancelled_does_not_fire),
        TEST(disk_cancel_knows_what_is_in_flight),
        TEST(listener_accepts_while_its_device_runs),
        TEST(timer_may_be_set_and_freed_from_within),
        TEST(descriptor_is_watched_for_what_was_asked),
        TEST(clocks_go_on),
        TEST(request_reaches_the_machine),
        cmocka_unit_test(device_that_does_everything_wrong_harms_nobody),
    };

    if (!getenv("TEST_PLUGIN_DIR")) {
        fprintf(stderr, "TEST_PLUGIN_DIR must be the absolute path of the test plugins\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
