/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests that are taken back: what waits ends without being done, what is under way goes on. Some
 * calls of libc are ours here, to hold them, and to have a host that is full.
 */
#include "tests/unit/support/disk_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB     (1024u * 1024u)
#define THREADS 8u /* of the engine, at most */
#define MOST    24u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hold;     /* calls do not return, */
static unsigned held; /* and how many these are */
static atomic_int write_error, syncs;

static void maybe_hold(void)
{
    pthread_mutex_lock(&lock);
    held++;
    pthread_cond_broadcast(&changed);
    while (hold)
        pthread_cond_wait(&changed, &lock);
    held--;
    pthread_mutex_unlock(&lock);
}

static void hold_calls(bool on)
{
    pthread_mutex_lock(&lock);
    hold = on;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static void wait_until_held(unsigned n)
{
    pthread_mutex_lock(&lock);
    while (held < n)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

int fdatasync(int fd)
{
    maybe_hold();
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
    maybe_hold();
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return syscall(SYS_pwritev, fd, iov, count, offset, 0);
}

static int setup(void **state)
{
    hold = false;
    write_error = syncs = 0;
    return disk_setup(state);
}

struct one {
    struct disk_request request;
    struct iovec iov;
    unsigned times; /* done() was called */
    int error;
};

static struct one ones[MOST];
static uint8_t data[512 + 1] __attribute__((aligned(4096)));

static void one_done(struct disk_request *request, int error)
{
    struct one *one = (struct one *)request;

    one->times++;
    one->error = error;
}

static void submit(struct disk *disk, unsigned n, enum disk_op op, uint64_t offset, void *from)
{
    ones[n] = (struct one){.iov = {from, 512}};
    ones[n].request = (struct disk_request){
        .op = op, .offset = offset, .iov = &ones[n].iov, .iov_count = 1, .done = one_done};
    disk_submit(disk, &ones[n].request);
}

static void turn_until_over(unsigned from, unsigned to)
{
    for (unsigned n = from; n < to; n++)
        while (!ones[n].times)
            assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

/* Cancels it, and the loop tells. */
static void check_cancelled(struct disk *disk, unsigned n)
{
    assert_int_equal(disk_cancel(disk, &ones[n].request), 0);
    assert_int_equal(ones[n].times, 0); /* not from inside */
    assert_int_equal(disk_cancel(disk, &ones[n].request), -EBUSY);
    turn_until_over(n, n + 1);
    assert_int_equal(ones[n].times, 1);
    assert_int_equal(ones[n].error, -ECANCELED);
}

static bool file_has(unsigned sector, uint8_t byte)
{
    uint8_t got[512];
    FILE *file = fopen(file_path("a.img"), "re");

    assert_int_equal(fseek(file, 512L * sector, SEEK_SET), 0);
    assert_int_equal(fread(got, 512, 1, file), 1);
    fclose(file);
    return got[0] == byte && got[511] == byte;
}

static struct disk *open_with(const char *aio, const char *cache)
{
    file_make("a.img", MIB, "", 0);
    memset(data, 'w', sizeof(data));
    return open_disk((struct disk_config){.path = file_path("a.img"),
                                          .format = "raw",
                                          .aio = aio,
                                          .cache = cache,
                                          .pause_when_full = true});
}

static void what_io_uring_was_not_given_yet_is_not_written(void **state)
{
    struct disk *disk = open_with("io_uring", "writeback");

    for (unsigned n = 0; n < 3; n++)
        submit(disk, n, DISK_WRITE, n * 512, data);
    check_cancelled(disk, 1);
    turn_until_over(0, 3);
    assert_int_equal(ones[0].error, 0);
    assert_int_equal(ones[2].error, 0);
    assert_true(file_has(0, 'w'));
    assert_true(file_has(1, 0));
    assert_true(file_has(2, 'w'));
    assert_int_equal(disk_in_flight(disk), 0);
    disk_close(disk);
}

static void what_no_thread_has_begun_is_not_written_and_the_rest_is(void **state)
{
    struct disk *disk = open_with("threads", "writeback");

    hold_calls(true);
    for (unsigned n = 0; n < THREADS + 4; n++)
        submit(disk, n, DISK_WRITE, n * 512, data);
    wait_until_held(THREADS);
    for (unsigned n = 0; n < THREADS; n++)
        assert_int_equal(disk_cancel(disk, &ones[n].request), -EBUSY);
    check_cancelled(disk, THREADS + 1); /* in the middle, */
    check_cancelled(disk, THREADS + 3); /* the last, */
    check_cancelled(disk, THREADS);     /* the first */
    submit(disk, THREADS + 4, DISK_WRITE, (THREADS + 4) * 512, data);
    hold_calls(false);
    turn_until_over(0, THREADS + 5);
    for (unsigned n = 0; n < THREADS + 5; n++) {
        bool cancelled = n == THREADS || n == THREADS + 1 || n == THREADS + 3;

        assert_int_equal(ones[n].times, 1);
        assert_int_equal(ones[n].error, cancelled ? -ECANCELED : 0);
        assert_true(file_has(n, cancelled ? 0 : 'w'));
    }
    disk_close(disk);
}

/* One fdatasync is for all flushes that came before it. */
static void flushes_are_cancelled_and_those_beside_them_are_not(void **state)
{
    struct disk *disk = open_with("threads", "writeback");

    hold_calls(true);
    for (unsigned n = 0; n < 4; n++)
        submit(disk, n, DISK_FLUSH, 0, NULL);
    wait_until_held(1);
    assert_int_equal(disk_cancel(disk, &ones[0].request), -EBUSY);
    check_cancelled(disk, 2); /* of three that wait for the next one */
    hold_calls(false);
    turn_until_over(0, 4);
    assert_int_equal(ones[0].error, 0);
    assert_int_equal(ones[1].error, 0);
    assert_int_equal(ones[3].error, 0);
    assert_int_equal(syncs, 2);

    /* The one whose call it was, before a thread had time for it: its neighbours get one. */
    hold_calls(true);
    for (unsigned n = 0; n < THREADS; n++)
        submit(disk, n, DISK_WRITE, n * 512, data);
    wait_until_held(THREADS);
    for (unsigned n = THREADS; n < THREADS + 3; n++)
        submit(disk, n, DISK_FLUSH, 0, NULL);
    check_cancelled(disk, THREADS);
    check_cancelled(disk, THREADS + 2);
    hold_calls(false);
    turn_until_over(0, THREADS + 3);
    assert_int_equal(ones[THREADS + 1].error, 0);
    assert_int_equal(syncs, 3);
    disk_close(disk);
}

/* Of 16 buffers that stand in for memory which O_DIRECT cannot use, none is left for the last. */
static void what_waits_for_a_buffer_is_cancelled(void **state)
{
    struct disk *disk = open_with("threads", "none");

    hold_calls(true);
    for (unsigned n = 0; n < 18; n++)
        submit(disk, n, DISK_WRITE, n * 4096, data + 1);
    wait_until_held(THREADS);
    check_cancelled(disk, 16);
    check_cancelled(disk, 12); /* it had one, */
    hold_calls(false);
    turn_until_over(0, 18); /* which the one behind it gets */
    for (unsigned n = 0; n < 18; n++)
        assert_int_equal(ones[n].error, n == 16 || n == 12 ? -ECANCELED : 0);
    disk_close(disk);
}

static void what_waits_for_room_on_the_host_is_cancelled(void **state)
{
    struct disk *disk = open_with("threads", "writeback");

    write_error = ENOSPC;
    messages_begin();
    submit(disk, 0, DISK_WRITE, 0, data);
    submit(disk, 1, DISK_WRITE, 512, data);
    while (disk_cancel(disk, &ones[0].request) == -EBUSY) /* until the write has failed */
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    turn_until_over(0, 1);
    assert_int_equal(ones[0].error, -ECANCELED);
    assert_int_equal(ones[1].times, 0);
    write_error = 0;
    turn_until_over(1, 2);
    assert_int_equal(ones[1].error, 0);
    messages_end();
    assert_true(file_has(0, 0));
    assert_true(file_has(1, 'w'));
    disk_close(disk);
}

static void what_is_over_is_told_as_it_went(void **state)
{
    struct disk *disk = open_with("threads", "writeback");

    submit(disk, 0, DISK_WRITE, 2 * MIB, data); /* outside of the disk: refused at once */
    assert_int_equal(disk_cancel(disk, &ones[0].request), -EBUSY);
    turn_until_over(0, 1);
    assert_int_equal(ones[0].error, -EINVAL);
    disk_close(disk);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, disk_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_io_uring_was_not_given_yet_is_not_written),
        TEST(what_no_thread_has_begun_is_not_written_and_the_rest_is),
        TEST(flushes_are_cancelled_and_those_beside_them_are_not),
        TEST(what_waits_for_a_buffer_is_cancelled),
        TEST(what_waits_for_room_on_the_host_is_cancelled),
        TEST(what_is_over_is_told_as_it_went),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
