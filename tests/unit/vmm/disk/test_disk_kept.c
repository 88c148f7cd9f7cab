/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks whose vmm is gone and which another one takes over, with a keeper. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/support/disk_fixture.h"
#include "tests/unit/support/kept_fake.h"
#include "vmm/disk/lock.h"

#define MIB (1u << 20)

static int sync_error;
static unsigned looks;         /* for what is waited for */
static struct disk *lingering; /* of the process before: goes at the third look, */
static int holder = -1;        /* as does this description */

int fdatasync(int fd)
{
    if (sync_error) {
        errno = sync_error;
        sync_error = 0;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

int nanosleep(const struct timespec *time, struct timespec *rest)
{
    if (++looks == 3 && lingering) {
        disk_close(lingering);
        lingering = NULL;
    }
    if (looks == 3 && holder >= 0) {
        close(holder);
        holder = -1;
    }
    return 0;
}

static int setup(void **state)
{
    kept_fake_begin();
    looks = 0;
    return disk_setup(state);
}

static int teardown(void **state)
{
    kept_fake_end();
    return disk_teardown(state);
}

static struct disk *open_again(void)
{
    return open_disk((struct disk_config){.path = file_path("a.img"), .aio = "threads"});
}

static struct disk *open_first(void)
{
    file_make("a.img", MIB, "", 0);
    return open_again();
}

/* The process is gone, and the kernel has let go of all that it had. */
static void die(struct disk *disk)
{
    disk_close(disk);
    kept_fake_next();
}

static void flushes_fail_in_the_next_process_once_one_has_failed(void **state)
{
    struct disk *disk = open_first();

    messages_begin();
    sync_error = EIO;
    assert_int_equal(do_flush(disk), -EIO);
    for (unsigned n = 0; n < 2; n++) {
        die(disk);
        disk = open_again();
        assert_int_equal(do_flush(disk), -EIO);
    }
    messages_end();
    /* Not for those who open it anew. */
    die(disk);
    kept_fake_begin();
    disk = open_again();
    assert_int_equal(do_flush(disk), 0);
    disk_close(disk);
}

static void next_process_waits_until_the_kernel_is_done_with_the_one_before(void **state)
{
    struct disk *disk;

    lingering = open_first();
    kept_fake_next();
    disk = open_again();
    assert_null(lingering);
    assert_int_equal(looks, 3);
    die(disk);
    disk_close(open_again());
    assert_int_equal(looks, 3);
}

static void nobody_gets_the_image_between_two_processes(void **state)
{
    struct disk *disk = open_first();

    for (unsigned n = 0; n < 2; n++) {
        int fd = open(file_path("a.img"), O_RDWR | O_CLOEXEC);

        die(disk);
        messages_begin();
        assert_int_equal(disk_lock(fd, "a.img", false), -EBUSY);
        assert_non_null(strstr(messages_end(), "in use by another program"));
        close(fd);
        disk = open_again();
    }
    disk_close(disk);
}

static void next_process_has_the_same_file_whatever_is_at_its_path(void **state)
{
    struct disk *disk = open_first();
    uint8_t data[512] = {1, 2, 3}, got[512] = {0};
    char path[128];

    assert_int_equal(do_write(disk, 4096, data, sizeof(data)), 0);
    die(disk);
    file_make("b.img", MIB, "", 0);
    snprintf(path, sizeof(path), "%s", file_path("b.img"));
    assert_int_equal(rename(path, file_path("a.img")), 0);
    disk = open_again();
    assert_int_equal(do_read(disk, 4096, got, sizeof(got)), 0);
    assert_memory_equal(got, data, sizeof(got));
    disk_close(disk);
}

static void helper_of_the_process_before_is_waited_for(void **state)
{
    int fd;

    file_make("a.img", MIB, "", 0);
    holder = open(file_path("a.img"), O_RDWR | O_CLOEXEC);
    fd = open(file_path("a.img"), O_RDWR | O_CLOEXEC);
    assert_int_equal(disk_lock(holder, "a.img", false), 0);
    assert_int_equal(disk_lock_after(fd, "a.img", false), 0);
    assert_int_equal(looks, 3);
    close(fd);
}

/* A server that makes writes wait: 64 KiB in a second, after the first ones. */
static pid_t serve_slowly(char uri[300])
{
    char command[700];
    pid_t pid;

    snprintf(command, sizeof(command),
             "exec qemu-nbd -t -e 3 -k '%s' --object throttle-group,id=slow,x-bps-write=65536 "
             "--image-opts driver=throttle,throttle-group=slow,file.driver=raw,"
             "file.file.driver=file,file.file.filename='%s'",
             file_path("socket"), file_path("a.img"));
    snprintf(uri, 300, "nbd+unix:///?socket=%s", file_path("socket"));
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    while (access(file_path("socket"), F_OK) && waitpid(pid, NULL, WNOHANG) == 0)
        usleep(10000);
    return pid;
}

static void never(struct disk_request *request, int error)
{
}

/* Without that it could overwrite what the next process writes. */
static void change_that_an_nbd_server_still_has_is_waited_for(void **state)
{
    static uint8_t first[256 << 10], data[512] = {1, 2, 3}, got[512];
    struct iovec iov = {data, sizeof(data)};
    struct disk_request late = {.op = DISK_WRITE, .iov = &iov, .iov_count = 1, .done = never};
    struct disk_config config = {0};
    struct disk *before, *disk;
    char uri[300];
    pid_t pid;

    file_make("a.img", MIB, "", 0);
    pid = serve_slowly(uri);
    config.path = uri;
    before = open_disk(config);
    assert_int_equal(do_write(before, 4096, first, sizeof(first)), 0);
    disk_submit(before, &late);
    event_base_loop(base, EVLOOP_NONBLOCK);
    kept_fake_next();
    disk = open_disk(config);
    assert_int_equal(do_read(disk, 0, got, sizeof(got)), 0);
    assert_memory_equal(got, data, sizeof(got));
    /* There is no more to wait for, and the server takes the next one. */
    die(disk);
    disk_close(open_disk(config));
    messages_begin();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    disk_close(before);
    messages_end();
}

#define KEPT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT_TEST(flushes_fail_in_the_next_process_once_one_has_failed),
        KEPT_TEST(next_process_waits_until_the_kernel_is_done_with_the_one_before),
        KEPT_TEST(nobody_gets_the_image_between_two_processes),
        KEPT_TEST(next_process_has_the_same_file_whatever_is_at_its_path),
        KEPT_TEST(change_that_an_nbd_server_still_has_is_waited_for),
        KEPT_TEST(helper_of_the_process_before_is_waited_for),
    };

    return cmocka_run_group_tests_name("disk_kept", tests, NULL, NULL);
}
