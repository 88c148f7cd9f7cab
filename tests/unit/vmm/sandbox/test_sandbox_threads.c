/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/sandbox/sandbox_internal.h"

/* What the threads give up here: nothing but new privileges. */
static struct sandbox_thread nothing = {.ruleset = -1};

static void signalled(int signal)
{
    sandbox_thread_signalled();
}

/* In each test: cmocka's own handler of SIGSYS is set just before. */
static void prepare(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct sigaction action = {.sa_handler = signalled, .sa_flags = SA_RESTART};

    assert_int_equal(sigaction(SIGSYS, &action, NULL), 0);
    assert_int_equal(syscall(SYS_capget, &header, nothing.caps), 0);
}

struct thread {
    pthread_t thread;
    int wake[2];
    int privileges; /* at its end: PR_GET_NO_NEW_PRIVS */
};

static void *run(void *opaque)
{
    struct thread *thread = opaque;
    char byte;

    if (read(thread->wake[0], &byte, 1) == 1)
        thread->privileges = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    return NULL;
}

static void each_thread_gives_up_its_own(void **state)
{
    struct thread threads[3];

    prepare();
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pipe(threads[i].wake), 0);
        threads[i].privileges = -1;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, run, &threads[i]), 0);
    }
    assert_int_equal(sandbox_threads_apply(&nothing), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(write(threads[i].wake[1], "", 1), 1);
        pthread_join(threads[i].thread, NULL);
        assert_int_equal(threads[i].privileges, 1);
        close(threads[i].wake[0]);
        close(threads[i].wake[1]);
    }
}

static bool has_kernel_worker(void)
{
    DIR *folder = opendir("/proc/self/task");
    unsigned tasks = 0;

    for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        tasks += entry->d_name[0] != '.';
    closedir(folder);
    return tasks > 1;
}

/* A request that the last vmm had not finished is given to the kernel before the sandbox is there. */
static void a_worker_of_io_uring_is_not_waited_for(void **state)
{
    struct io_uring ring;
    struct io_uring_sqe *sqe;
    struct io_uring_cqe *cqe;
    int wake[2];
    char byte;

    prepare();
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(io_uring_queue_init(4, &ring, 0), 0);
    sqe = io_uring_get_sqe(&ring);
    io_uring_prep_read(sqe, wake[0], &byte, 1, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_ASYNC);
    assert_int_equal(io_uring_submit(&ring), 1);
    while (!has_kernel_worker())
        usleep(1000);
    assert_int_equal(sandbox_threads_apply(&nothing), 0);
    assert_int_equal(write(wake[1], "", 1), 1);
    assert_int_equal(io_uring_wait_cqe(&ring, &cqe), 0);
    assert_int_equal(cqe->res, 1);
    io_uring_queue_exit(&ring);
    close(wake[0]);
    close(wake[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_thread_gives_up_its_own),
        cmocka_unit_test(a_worker_of_io_uring_is_not_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
