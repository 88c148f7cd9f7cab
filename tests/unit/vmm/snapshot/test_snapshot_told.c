/* SPDX-License-Identifier: BSD-2-Clause */
/* What the thread of a snapshot tells the loop, at the moment at which the loop looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/snapshot/save_internal.h"

static struct snapshot snapshot;
static enum { BEFORE_THE_READ, AFTER_THE_READ, NOT } ends;

const char *snapshot_hint(int error)
{
    return "";
}

int snapshot_complain(char *why, int error, const char *fmt, ...)
{
    return error;
}

static void tell(enum snapshot_phase phase)
{
    atomic_store(&snapshot.phase, phase);
    assert_int_equal(eventfd_write(snapshot.wake, 1), 0);
}

/* In place of the C library's: the thread comes to its end while the loop reads. */
int eventfd_read(int fd, eventfd_t *count)
{
    ssize_t n;

    if (ends == BEFORE_THE_READ)
        tell(PHASE_ENDED);
    n = read(fd, count, sizeof(*count));
    if (ends == AFTER_THE_READ)
        tell(PHASE_ENDED);
    ends = NOT;
    return n == sizeof(*count) ? 0 : -1;
}

/* The last phase that the loop sees: it looks once for each wake. */
static enum snapshot_phase last_seen(void)
{
    enum snapshot_phase seen = PHASE_COPIES;
    eventfd_t count;

    snapshot.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    tell(PHASE_COPIED);
    do {
        seen = snapshot_told(&snapshot);
    } while (read(snapshot.wake, &count, sizeof(count)) > 0 &&
             eventfd_write(snapshot.wake, count) == 0);
    close(snapshot.wake);
    return seen;
}

static void end_that_comes_while_the_loop_looks_is_seen(void **state)
{
    ends = BEFORE_THE_READ;
    assert_int_equal(last_seen(), PHASE_ENDED);
    ends = AFTER_THE_READ;
    assert_int_equal(last_seen(), PHASE_ENDED);
    ends = NOT;
    assert_int_equal(last_seen(), PHASE_COPIED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(end_that_comes_while_the_loop_looks_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
