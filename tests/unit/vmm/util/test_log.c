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

#include "vmm/util/clock.h"
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

static void first_error_is_kept_for_who_wants_it(void **state)
{
    char kept[8] = "before";

    log_keep_error(kept, sizeof(kept));
    assert_string_equal(kept, "");
    logged(LOG_WARN, "w");
    assert_string_equal(kept, "");
    logged(LOG_ERROR, "the cause");
    logged(LOG_ERROR, "later");
    assert_string_equal(kept, "the cau");
    log_keep_error(NULL, 0);
    logged(LOG_ERROR, "not kept");
    assert_string_equal(kept, "the cau");
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

/*
 * `count` lines of 1000 bytes while nobody reads the pipe `fds`; then what was written is read.
 */
static void fill_and_read(int fds[2], unsigned count, char *out, size_t size)
{
    static char text[980];
    int64_t start = clock_now_ms();
    size_t len = 0;
    ssize_t n;

    memset(text, 'x', sizeof(text) - 1);
    capture(fds[1]);
    for (unsigned i = 0; i < count; i++)
        log_info("%u %s", i, text);
    assert_true(clock_now_ms() - start < 2000);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_NONBLOCK, 0); /* that is not ours to change */
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    do {
        while ((n = read(fds[0], out + len, size - 1 - len)) > 0)
            len += (size_t)n;
        if (n < 0 && strstr(out, "the last"))
            break;
        log_info("the last");
        n = read(fds[0], out + len, size - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        out[len] = '\0';
    } while (!strstr(out, "the last"));
    release();
}

static void full_pipe_holds_nobody_up_and_what_is_lost_is_told(void **state)
{
    static char out[300000];
    const char *line = out, *end;
    unsigned seen = 0, lost = 0;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    fill_and_read(fds, 200, out, sizeof(out));
    for (; (end = strchr(line, '\n')); line = end + 1) {
        unsigned number;

        if (sscanf(line, "vmm: %u lines are lost", &number) == 1 && strstr(line, "lost") < end)
            lost = number;
        else if (sscanf(line, "vmm: %u x", &number) == 1)
            assert_int_equal(number, seen++); /* in order, and whole */
    }
    assert_true(seen >= 64 && lost > 0);
    assert_int_equal(seen + lost, 200);
    close(fds[0]);
    close(fds[1]);
}

static void terminal_that_was_stopped_holds_nobody_up(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    int64_t start = clock_now_ms();

    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    tcflow(slave, TCOOFF);
    capture(slave);
    for (unsigned i = 0; i < 20; i++)
        log_info("nobody sees this");
    release();
    assert_true(clock_now_ms() - start < 1000);
    tcflow(slave, TCOON);
    close(slave);
    close(master);
    /* And the next stderr gets what was kept, and what is new. */
    assert_non_null(strstr(logged(LOG_INFO, "new"), "vmm: new\n"));
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
        cmocka_unit_test(first_error_is_kept_for_who_wants_it),
        cmocka_unit_test(level_hides_what_is_below_it),
        cmocka_unit_test(unknown_level_is_refused_and_changes_nothing),
        cmocka_unit_test(each_line_has_the_prefix_and_a_last_newline_is_not_doubled),
        cmocka_unit_test(control_characters_do_not_reach_the_terminal),
        cmocka_unit_test(long_message_is_cut_and_ends_its_line),
        cmocka_unit_test(errno_survives_a_message),
        cmocka_unit_test(line_ends_in_crlf_on_a_terminal_in_either_mode),
        cmocka_unit_test(full_pipe_holds_nobody_up_and_what_is_lost_is_told),
        cmocka_unit_test(terminal_that_was_stopped_holds_nobody_up),
        cmocka_unit_test(first_is_true_once_for_each_kind_and_key),
        cmocka_unit_test(guest_that_sweeps_addresses_is_bounded_and_hides_no_other_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
