/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening Unix sockets, with real ones and a real event loop. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/util/clock.h"
#include "vmm/util/listener.h"

#define ACCEPTED_MAX 16u

struct fixture {
    struct event_base *base;
    struct listener *listener;
    struct listener_config config;
    char dir[64], path[96];
    int accepted[ACCEPTED_MAX];
    unsigned nr_accepted;
    bool pauses, closes;
};

static void accepted(void *opaque, int fd)
{
    struct fixture *f = opaque;

    assert_true(f->nr_accepted < ACCEPTED_MAX);
    f->accepted[f->nr_accepted++] = fd;
    if (f->pauses)
        listener_pause(f->listener);
    if (f->closes) {
        listener_close(f->listener);
        f->listener = NULL;
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    strcpy(f->dir, "/tmp/listener-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
    f->base = event_base_new();
    f->config = (struct listener_config){
        .base = f->base, .path = f->path, .what = "test", .accepted = accepted, .opaque = f};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    listener_close(f->listener);
    for (unsigned i = 0; i < f->nr_accepted; i++)
        close(f->accepted[i]);
    event_base_free(f->base);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0); /* nothing else is left behind */
    free(f);
    return 0;
}

static int socket_at(const char *path, bool connects)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int (*call)(int, const struct sockaddr *, socklen_t) = connects ? connect : bind;

    assert_true(fd >= 0);
    strcpy(address.sun_path, path);
    if (call(fd, (const struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        return -errno;
    }
    return fd;
}

/* How often the loop had something to do in this time. */
static unsigned run_for(struct fixture *f, int ms)
{
    int64_t end = clock_now_ms() + ms;
    unsigned passes = 0;

    for (int64_t left = ms; left > 0; left = end - clock_now_ms()) {
        struct timeval limit = {.tv_sec = left / 1000, .tv_usec = (left % 1000) * 1000};

        event_base_loopexit(f->base, &limit);
        event_base_loop(f->base, EVLOOP_ONCE);
        passes++;
    }
    return passes;
}

static void connections_are_handed_over_and_the_file_goes_at_the_end(void **state)
{
    struct fixture *f = *state;
    int first, second;
    struct stat st;

    f->config.mode = 0620;
    assert_int_equal(listener_open(&f->config, &f->listener), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0620 & ~022);
    first = socket_at(f->path, true);
    second = socket_at(f->path, true);
    run_for(f, 20);
    assert_int_equal(f->nr_accepted, 2);
    assert_true(fcntl(f->accepted[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(f->accepted[0], F_GETFD) & FD_CLOEXEC);
    close(first);
    close(second);
    listener_close(f->listener);
    f->listener = NULL;
    assert_int_equal(access(f->path, F_OK), -1);
}

static void only_a_socket_that_nobody_listens_on_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct listener *second;
    int queued[4];

    close(socket_at(f->path, false));
    f->config.backlog = 1;
    f->config.quiet = true;
    assert_int_equal(listener_open(&f->config, &f->listener), 0);
    assert_int_equal(listener_open(&f->config, &second), -EADDRINUSE);
    for (unsigned i = 0; i < 4; i++) /* a full backlog is somebody, too */
        queued[i] = socket_at(f->path, true);
    assert_int_equal(queued[3], -EAGAIN);
    assert_int_equal(listener_open(&f->config, &second), -EADDRINUSE);
    for (unsigned i = 0; i < 3; i++)
        close(queued[i]);
    run_for(f, 20);
    listener_close(f->listener);
    f->listener = NULL;
    close(open(f->path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listener_open(&f->config, &second), -EEXIST);
    assert_int_equal(access(f->path, F_OK), 0);
    unlink(f->path);
    assert_int_equal(symlink("elsewhere", f->path), 0);
    assert_int_equal(listener_open(&f->config, &second), -EEXIST);
}

static void socket_of_another_at_the_path_outlives_the_close(void **state)
{
    struct fixture *f = *state;
    int other;

    assert_int_equal(listener_open(&f->config, &f->listener), 0);
    unlink(f->path);
    other = socket_at(f->path, false);
    listener_close(f->listener);
    f->listener = NULL;
    assert_int_equal(access(f->path, F_OK), 0);
    close(other);
}

/* Each child tries once, and the one that has it holds it until all have tried. */
static void of_many_that_start_at_once_exactly_one_gets_a_stale_path(void **state)
{
    struct fixture *f = *state;
    enum { CHILDREN = 6, ROUNDS = 100 };

    f->config.quiet = true;
    for (unsigned round = 0; round < ROUNDS; round++) {
        int go[2], tried[2], done[2];
        unsigned winners = 0;
        char byte;

        unlink(f->path);
        close(socket_at(f->path, false));
        assert_int_equal(pipe(go) | pipe(tried) | pipe(done), 0);
        for (unsigned i = 0; i < CHILDREN; i++) {
            if (fork() == 0) {
                int error;

                close(go[1]);
                close(done[1]);
                (void)!read(go[0], &byte, 1); /* all go when the parent closes it */
                error = listener_open(&f->config, &f->listener);
                byte = error == 0 ? 'w' : error == -EADDRINUSE ? 'u' : '?';
                (void)!write(tried[1], &byte, 1);
                (void)!read(done[0], &byte, 1);
                /* The winner's name must still lead to the winner. */
                _exit(error == 0 && socket_at(f->path, true) < 0 ? 1 : 0);
            }
        }
        close(go[0]);
        close(go[1]);
        for (unsigned i = 0; i < CHILDREN; i++) {
            assert_int_equal(read(tried[0], &byte, 1), 1);
            assert_int_not_equal(byte, '?');
            winners += byte == 'w';
        }
        close(done[1]);
        for (unsigned i = 0; i < CHILDREN; i++) {
            int status;

            wait(&status);
            assert_int_equal(status, 0);
        }
        close(done[0]);
        close(tried[0]);
        close(tried[1]);
        assert_int_equal(winners, 1);
    }
}

static void paused_listener_lets_connections_wait(void **state)
{
    struct fixture *f = *state;
    int first, second;

    f->pauses = true;
    assert_int_equal(listener_open(&f->config, &f->listener), 0);
    first = socket_at(f->path, true);
    second = socket_at(f->path, true);
    assert_true(run_for(f, 50) < 10);
    assert_int_equal(f->nr_accepted, 1);
    listener_resume(f->listener);
    run_for(f, 20);
    assert_int_equal(f->nr_accepted, 2);
    close(first);
    close(second);
}

static void listener_can_be_closed_from_its_own_callback(void **state)
{
    struct fixture *f = *state;
    int fd;

    f->closes = true;
    assert_int_equal(listener_open(&f->config, &f->listener), 0);
    fd = socket_at(f->path, true);
    run_for(f, 20);
    assert_int_equal(f->nr_accepted, 1);
    assert_null(f->listener);
    close(fd);
}

static void without_descriptors_a_connection_waits_and_the_loop_does_not_spin(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, none;
    int fd, next;

    assert_int_equal(listener_open(&f->config, &f->listener), 0);
    fd = socket_at(f->path, true);
    run_for(f, 1);
    close(f->accepted[--f->nr_accepted]);
    close(fd);
    fd = socket_at(f->path, true);
    next = dup(fd);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = (rlim_t)next; /* the lowest number that is free */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_true(run_for(f, 250) < 20);
    assert_int_equal(f->nr_accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    run_for(f, 250);
    assert_int_equal(f->nr_accepted, 1);
    close(fd);
}

static void path_that_is_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    char path[200];

    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    f->config.path = path;
    assert_int_equal(listener_open(&f->config, &f->listener), -EINVAL);
    f->config.path = "";
    assert_int_equal(listener_open(&f->config, &f->listener), -EINVAL);
    f->config.path = "/nowhere/at/all";
    assert_int_equal(listener_open(&f->config, &f->listener), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(connections_are_handed_over_and_the_file_goes_at_the_end),
        TEST(only_a_socket_that_nobody_listens_on_is_replaced),
        TEST(socket_of_another_at_the_path_outlives_the_close),
        TEST(of_many_that_start_at_once_exactly_one_gets_a_stale_path),
        TEST(paused_listener_lets_connections_wait),
        TEST(listener_can_be_closed_from_its_own_callback),
        TEST(without_descriptors_a_connection_waits_and_the_loop_does_not_spin),
        TEST(path_that_is_too_long_is_refused),
    };

    umask(022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
