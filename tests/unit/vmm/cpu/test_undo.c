/* SPDX-License-Identifier: BSD-2-Clause */
/* The undo log: what it puts back, what waits in it, and what damage it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/gic.h"
#include "vmm/cpu/undo.h"

#define SIZE  256u
#define GUARD 64u

static struct undo *undo;
static uint8_t memory[GUARD + SIZE + GUARD], before[sizeof(memory)];
static uint8_t *const state = memory + GUARD;

static int setup(void **unused)
{
    undo = calloc(1, sizeof(*undo));
    assert_non_null(undo);
    undo_init(undo);
    undo_place(undo, UNDO_STATE, state, SIZE);
    for (unsigned i = 0; i < sizeof(memory); i++)
        memory[i] = (uint8_t)i;
    memcpy(before, memory, sizeof(memory));
    undo_begin(undo, 1, 7);
    return 0;
}

static int teardown(void **unused)
{
    free(undo);
    return 0;
}

static void change(unsigned at, unsigned size, uint8_t value)
{
    undo_note(undo, state + at, size);
    memset(state + at, value, size);
}

static void bytes_are_put_back_as_they_were_first(void **unused)
{
    change(10, 3, 0xaa);
    change(10, 3, 0xbb); /* noted already */
    change(8, 16, 0xcc); /* a part of it is */
    change(100, 1, 0xdd);
    assert_true(undo_is_whole(undo));
    undo_apply(undo);
    assert_memory_equal(memory, before, sizeof(memory));
    undo_apply(undo); /* a process that died in the first */
    assert_memory_equal(memory, before, sizeof(memory));
}

static void log_is_of_one_event(void **unused)
{
    change(0, 8, 0xaa);
    assert_true(undo_is_of(undo, 1, 7));
    assert_false(undo_is_of(undo, 1, 8));
    assert_false(undo_is_of(undo, 0, 7));
    undo_begin(undo, 0, 7);
    undo_apply(undo); /* nothing is in it */
    assert_int_equal(state[0], 0xaa);
}

static void nothing_is_noted_while_no_event_is_handled(void **unused)
{
    undo_end(undo);
    change(0, 8, 0xaa);
    assert_int_equal(undo->log->used, 0);
    undo_note(NULL, state, 8);
}

static void commands_wait_in_their_order_for_each_pcpu(void **unused)
{
    struct rv_command command;

    for (unsigned i = 0; i < UNDO_COMMANDS; i++) {
        command = (struct rv_command){.op = RV_COMMAND_INJECT, .arg = {i}};
        assert_true(undo_defer(undo, i % 2, &command));
    }
    assert_false(undo_defer(undo, 0, &command));
    assert_int_equal(undo_commands(undo, 1), UNDO_COMMANDS / 2);
    for (unsigned i = 1; i < UNDO_COMMANDS; i += 2) {
        assert_true(undo_take(undo, 1, &command));
        assert_int_equal(command.arg[0], i);
    }
    assert_false(undo_take(undo, 1, &command));
    assert_int_equal(undo_commands(undo, 0), UNDO_COMMANDS / 2);
}

#define LR_40 (40 | LR_GROUP1 | LR_EOI)

static void retract_is_known_by_its_answer_alone(void **unused)
{
    const struct undo_log *log = undo->log;

    undo_retract(undo, 1, 99, 2, LR_40 | LR_STATES);
    assert_int_equal(log->nr_retracts, 1);
    undo_answered(undo, 0, 99, RV_LR_PENDING); /* of another pCPU, and of another command */
    undo_answered(undo, 1, 98, RV_LR_PENDING);
    assert_int_equal(log->retracts[0].known, 0);
    undo_answered(undo, 1, 99, RV_LR_PENDING);
    assert_int_equal(log->retracts[0].known, 1);
    assert_int_equal(log->retracts[0].vcpu, 2);
    assert_int_equal(log->retracts[0].lr, LR_40 | LR_PENDING);
    undo_answered(undo, 1, 99, 0); /* the answer is seen once more */
    assert_int_equal(log->retracts[0].lr, LR_40 | LR_PENDING);
}

static void retract_that_took_nothing_needs_no_room(void **unused)
{
    for (unsigned i = 0; i < 2 * UNDO_RETRACTS; i++) {
        undo_retract(undo, 1, i, 0, LR_40 | LR_PENDING);
        undo_answered(undo, 1, i, RV_LR_ACTIVE); /* which was not asked for */
    }
    assert_int_equal(undo->log->nr_retracts, 0);
    for (unsigned i = 0; i < 2 * UNDO_RETRACTS; i++) {
        undo_retract(undo, 1, i, 0, LR_40 | LR_PENDING);
        undo_answered(undo, 1, i, RV_LR_PENDING);
    }
    assert_int_equal(undo->log->nr_retracts, UNDO_RETRACTS);
    undo_begin(undo, 1, 8);
    assert_int_equal(undo->log->nr_retracts, 0);
    undo_end(undo);
    undo_retract(undo, 1, 1, 0, LR_40 | LR_PENDING);
    assert_int_equal(undo->log->nr_retracts, 0);
}

/* Whatever a log says, nothing beyond the regions is written: the sanitizer watches the log. */
static void damaged_log_is_refused_or_stays_in_its_region(void **unused)
{
    unsigned refused = 0;

    srand(1);
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t *log = (uint8_t *)undo->log;

        undo_begin(undo, 1, 7);
        for (unsigned n = 0; n < 4; n++)
            change(n * 40, 24, (uint8_t)i);
        if (i % 2)
            log[offsetof(struct undo_log, used) + (unsigned)rand() % 8] ^=
                (uint8_t)(1 + rand() % 255);
        else
            undo->log->bytes[(unsigned)rand() % undo->log->used] ^= (uint8_t)(1 + rand() % 255);
        if (undo_is_whole(undo))
            undo_apply(undo);
        else
            refused++;
        assert_memory_equal(memory, before, GUARD);
        assert_memory_equal(state + SIZE, before + GUARD + SIZE, GUARD);
    }
    assert_in_range(refused, 2000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_are_put_back_as_they_were_first, setup, teardown),
        cmocka_unit_test_setup_teardown(log_is_of_one_event, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_noted_while_no_event_is_handled, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(commands_wait_in_their_order_for_each_pcpu, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(retract_is_known_by_its_answer_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(retract_that_took_nothing_needs_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_log_is_refused_or_stays_in_its_region, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
