/* SPDX-License-Identifier: BSD-2-Clause */
/* Who asks for a piece gets it next; each is read once, and by one thread at a time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/snapshot/read_ahead.c"

#define PIECES 64u
#define BAD    40u

static atomic_uint reads[PIECES], readers, order;
static unsigned order_of[PIECES];
static atomic_bool held; /* piece 0 is not over before this goes */

static int read_one(void *opaque, uint64_t index)
{
    assert_ptr_equal(opaque, reads);
    if (atomic_fetch_add(&readers, 1) != 0)
        abort();
    while (index == 0 && held)
        usleep(100);
    reads[index]++;
    order_of[index] = atomic_fetch_add(&order, 1);
    atomic_fetch_sub(&readers, 1);
    return index == BAD ? -EBADMSG : 0;
}

static int setup(void **state)
{
    memset(reads, 0, sizeof(reads));
    order = readers = 0;
    held = false;
    return 0;
}

static void each_piece_is_read_once_whoever_asks(void **state)
{
    struct read_ahead *ahead;

    srand(1);
    for (unsigned round = 0; round < 50; round++) {
        setup(state);
        assert_int_equal(read_ahead_start(BAD, read_one, reads, &ahead), 0);
        for (unsigned n = 0; n < BAD; n++) {
            unsigned index = (unsigned)rand() % BAD;

            assert_int_equal(read_ahead_need(ahead, index), 0);
            assert_int_equal(reads[index], 1);
            assert_true(read_ahead_has(ahead, index));
        }
        for (unsigned i = 0; i < BAD; i++)
            assert_int_equal(read_ahead_need(ahead, i), 0);
        read_ahead_end(ahead);
        for (unsigned i = 0; i < BAD; i++)
            assert_int_equal(reads[i], 1);
    }
}

/* Piece 0, as soon as the owner waits for another one, or for the end. */
static void *let_go(void *opaque)
{
    struct read_ahead *ahead = opaque;
    bool waits = false;

    while (!waits) {
        pthread_mutex_lock(&ahead->lock);
        waits = ahead->waiting || ahead->over;
        pthread_mutex_unlock(&ahead->lock);
        usleep(100);
    }
    held = false;
    return NULL;
}

static void *end(void *opaque)
{
    read_ahead_end(opaque);
    return NULL;
}

static void who_asks_comes_before_the_rest(void **state)
{
    struct read_ahead *ahead;
    pthread_t thread;

    held = true;
    assert_int_equal(read_ahead_start(PIECES, read_one, reads, &ahead), 0);
    while (!readers)
        usleep(100);
    assert_false(read_ahead_has(ahead, 0));
    assert_int_equal(pthread_create(&thread, NULL, let_go, ahead), 0);
    assert_int_equal(read_ahead_need(ahead, 30), 0);
    pthread_join(thread, NULL);
    assert_int_equal(order_of[30], 1);
    read_ahead_end(ahead);
}

static void end_does_not_wait_for_what_nobody_has_begun(void **state)
{
    struct read_ahead *ahead;
    pthread_t thread;
    unsigned n = 0;

    held = true;
    assert_int_equal(read_ahead_start(PIECES, read_one, reads, &ahead), 0);
    while (!readers)
        usleep(100);
    assert_int_equal(pthread_create(&thread, NULL, end, ahead), 0);
    /* What is read then ends nothing but itself. */
    let_go(ahead);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < PIECES; i++)
        n += reads[i];
    assert_int_equal(n, 1);
    read_ahead_end(NULL);
}

static void error_is_of_its_piece_and_ends_the_thread(void **state)
{
    struct read_ahead *ahead;

    assert_int_equal(read_ahead_start(PIECES, read_one, reads, &ahead), 0);
    while (!read_ahead_has(ahead, BAD))
        usleep(100);
    assert_int_equal(read_ahead_need(ahead, BAD), -EBADMSG);
    assert_int_equal(read_ahead_need(ahead, BAD - 1), 0);
    assert_false(read_ahead_has(ahead, PIECES - 1));
    assert_int_equal(read_ahead_need(ahead, PIECES - 1), 0);
    read_ahead_end(ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_piece_is_read_once_whoever_asks, setup),
        cmocka_unit_test_setup(who_asks_comes_before_the_rest, setup),
        cmocka_unit_test_setup(end_does_not_wait_for_what_nobody_has_begun, setup),
        cmocka_unit_test_setup(error_is_of_its_piece_and_ends_the_thread, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
