/* SPDX-License-Identifier: BSD-2-Clause */
/* What systemd is told, at a socket that is where systemd's would be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/util/service.h"

struct fixture {
    struct event_base *base;
    int fd;
    char text[256];
};

static int setup(void **state)
{
    static struct fixture f;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval limit = {.tv_sec = 5};

    /* An abstract address: no file is left behind. */
    snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "ringvisor-test-%ld",
             (long)getpid());
    f.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                                      strlen(address.sun_path + 1))),
                     0);
    setsockopt(f.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    address.sun_path[0] = '@';
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    f.base = event_base_new();
    assert_non_null(f.base);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    event_base_free(f->base);
    close(f->fd);
    return 0;
}

static const char *received(struct fixture *f)
{
    ssize_t n = recv(f->fd, f->text, sizeof(f->text) - 1, 0);

    f->text[n < 0 ? 0 : n] = '\0';
    return f->text;
}

static void says_ready_and_needs_no_timer_without_a_watchdog(void **state)
{
    struct fixture *f = *state;

    assert_null(service_ready(f->base));
    assert_string_equal(received(f), "READY=1");
}

/* The worker before may have been about to do it. */
static void the_watchdog_is_fed_at_once(void **state)
{
    struct fixture *f = *state;
    struct event *timer;

    setenv("WATCHDOG_USEC", "200000", 1);
    timer = service_ready(f->base);
    assert_string_equal(received(f), "READY=1");
    assert_string_equal(received(f), "WATCHDOG=1");
    event_free(timer);
}

static void the_loop_feeds_the_watchdog_within_half_its_time(void **state)
{
    struct fixture *f = *state;
    struct timeval begin, end, took;
    struct event *timer;

    setenv("WATCHDOG_USEC", "200000", 1);
    timer = service_ready(f->base);
    assert_non_null(timer);
    assert_string_equal(received(f), "READY=1");
    assert_string_equal(received(f), "WATCHDOG=1");
    gettimeofday(&begin, NULL);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
        assert_string_equal(received(f), "WATCHDOG=1");
    }
    gettimeofday(&end, NULL);
    timersub(&end, &begin, &took);
    assert_true(took.tv_sec * 1000000 + took.tv_usec >= 190000);
    event_free(timer);
}

static void another_process_feeds_its_own_watchdog(void **state)
{
    struct fixture *f = *state;

    setenv("WATCHDOG_USEC", "200000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    assert_null(service_ready(f->base));
}

static void asks_for_the_time_that_the_guest_has(void **state)
{
    service_stopping(86410);
    assert_string_equal(received(*state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=86410000000");
}

static void what_was_opened_needs_no_further_socket(void **state)
{
    service_open();
    setenv("NOTIFY_SOCKET", "/no/such/socket", 1);
    service_stopping(1);
    service_close();
    assert_string_equal(received(*state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=1000000");
}

static void nothing_happens_without_systemd(void **state)
{
    struct fixture *f = *state;

    unsetenv("NOTIFY_SOCKET");
    assert_null(service_ready(f->base));
    service_stopping(1);
    assert_int_equal(recv(f->fd, f->text, sizeof(f->text), MSG_DONTWAIT), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_ready_and_needs_no_timer_without_a_watchdog, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_watchdog_is_fed_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_loop_feeds_the_watchdog_within_half_its_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_process_feeds_its_own_watchdog, setup, teardown),
        cmocka_unit_test_setup_teardown(asks_for_the_time_that_the_guest_has, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_opened_needs_no_further_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_happens_without_systemd, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
