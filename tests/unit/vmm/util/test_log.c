/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/util/log.h"

static int saved_stderr;

static void capture(int fd)
{
    saved_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void release(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

/* What one message puts on a stderr that is a file. */
static const char *logged(enum log_level level, const char *text)
{
    static char out[8192];
    int fd = memfd_create("log", 0);
    ssize_t n;

    capture(fd);
    log_msg(level, "%s", text);
    release();
    n = pread(fd, out, sizeof(out) - 1, 0);
    assert_true(n >= 0);
    out[n] = '\0';
    close(fd);
    return out;
}

static void message_has_the_prefix_of_its_level(void **state)
{
    assert_int_equal(log_set_level("debug"), 0);
    assert_string_equal(logged(LOG_ERROR, "a"), "vmm: error: a\n");
    assert_string_equal(logged(LOG_WARN, "b"), "vmm: warning: b\n");
    assert_string_equal(logged(LOG_INFO, "c"), "vmm: c\n");
    assert_string_equal(logged(LOG_DEBUG, "d"), "vmm: debug: d\n");
}

static void level_hides_what_is_below_it(void **state)
{
    assert_int_equal(log_set_level("warn"), 0);
    assert_true(log_enabled(LOG_ERROR));
    assert_true(log_enabled(LOG_WARN));
    assert_false(log_enabled(LOG_INFO));
    assert_string_equal(logged(LOG_INFO, "c"), "");
    assert_string_equal(logged(LOG_WARN, "b"), "vmm: warning: b\n");
    assert_int_equal(log_set_level("info"), 0);
}

static void unknown_level_is_refused_and_changes_nothing(void **state)
{
    assert_int_equal(log_set_level("loud"), -EINVAL);
    assert_int_equal(log_set_level(""), -EINVAL);
    assert_true(log_enabled(LOG_INFO));
    assert_false(log_enabled(LOG_DEBUG));
}

static void each_line_has_the_prefix_and_a_last_newline_is_not_doubled(void **state)
{
    assert_string_equal(logged(LOG_INFO, "one\ntwo\n"), "vmm: one\nvmm: two\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
    assert_string_equal(logged(LOG_INFO, "\033[2Jx\ry\tz"), "vmm: ?[2Jx?y\tz\n");
}

static void long_message_is_cut_and_ends_its_line(void **state)
{
    static char text[4096];
    const char *out;

    memset(text, 'x', sizeof(text) - 1);
    out = logged(LOG_ERROR, text);
    assert_in_range(strlen(out), 1000, 1100);
    assert_int_equal(out[strlen(out) - 1], '\n');
}

static void errno_survives_a_message(void **state)
{
    errno = ENOTTY;
    logged(LOG_ERROR, "x");
    capture(open("/dev/full", O_WRONLY));
    errno = EXDEV;
    log_error("nobody can read this");
    release();
    assert_int_equal(errno, EXDEV);
}

/* What one message puts on a terminal. */
static const char *logged_on_tty(bool raw)
{
    static char out[256];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios mode;
    ssize_t n;
    int slave;

    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_int_equal(tcgetattr(slave, &mode), 0);
    if (raw)
        cfmakeraw(&mode);
    tcsetattr(slave, TCSANOW, &mode);
    capture(slave);
    log_info("x");
    release();
    n = read(master, out, sizeof(out) - 1);
    assert_true(n > 0);
    out[n] = '\0';
    close(slave);
    close(master);
    return out;
}

static void line_ends_in_crlf_on_a_terminal_in_either_mode(void **state)
{
    assert_string_equal(logged_on_tty(true), "vmm: x\r\n");
    assert_string_equal(logged_on_tty(false), "vmm: x\r\n"); /* the terminal's own ONLCR */
}

static void first_is_true_once_for_each_kind_and_key(void **state)
{
    assert_true(log_first(LOG_KIND_MMIO, 0));
    assert_false(log_first(LOG_KIND_MMIO, 0));
    assert_true(log_first(LOG_KIND_MMIO, UINT64_MAX));
    assert_false(log_first(LOG_KIND_MMIO, UINT64_MAX));
    assert_true(log_first(LOG_KIND_SYSREG, 0));
    assert_false(log_first(LOG_KIND_SYSREG, 0));
    assert_true(log_first(1000, 0));
    assert_false(log_first(1000, 0));
}

static void guest_that_sweeps_addresses_is_bounded_and_hides_no_other_kind(void **state)
{
    unsigned seen = 0;

    capture(open("/dev/null", O_WRONLY));
    for (uint64_t i = 0; i < 100000; i++)
        seen += log_first(LOG_KIND_MMIO, 0x1000 * i);
    for (unsigned kind = 2000; kind < 4000; kind++)
        seen += log_first(kind, 7);
    release();
    assert_in_range(seen, 200, 500);
    assert_false(log_first(LOG_KIND_MMIO, 1));
    assert_true(log_first(LOG_KIND_CALL, 0x84000000));
    assert_true(log_first(LOG_KIND_EXIT, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_has_the_prefix_of_its_level),
        cmocka_unit_test(level_hides_what_is_below_it),
        cmocka_unit_test(unknown_level_is_refused_and_changes_nothing),
        cmocka_unit_test(each_line_has_the_prefix_and_a_last_newline_is_not_doubled),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(long_message_is_cut_and_ends_its_line),
        cmocka_unit_test(errno_survives_a_message),
        cmocka_unit_test(line_ends_in_crlf_on_a_terminal_in_either_mode),
        cmocka_unit_test(first_is_true_once_for_each_kind_and_key),
        cmocka_unit_test(guest_that_sweeps_addresses_is_bounded_and_hides_no_other_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
