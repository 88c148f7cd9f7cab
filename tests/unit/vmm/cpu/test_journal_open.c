/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of exits, from one worker to the next. */
#include "vmm/cpu/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/unit/support/kept_fake.h"
#include "tests/unit/support/log_fake.h"

static struct journal *open_one(bool was_there)
{
    bool found = !was_there;
    struct journal *journal = journal_open(&found);

    assert_non_null(journal);
    assert_int_equal(found, was_there);
    assert_true(journal_is_whole(journal));
    return journal;
}

/* The worker that has it dies. */
static void end(struct journal *journal)
{
    munmap(journal, sizeof(*journal));
}

static void is_refused(const char *words)
{
    bool found;

    log_fake.error[0] = '\0';
    assert_null(journal_open(&found));
    assert_non_null(strstr(log_fake.error, words));
}

static int setup(void **state)
{
    kept_fake_begin();
    return 0;
}

static int teardown(void **state)
{
    kept_fake_end();
    return 0;
}

static void the_next_worker_has_what_the_one_before_wrote(void **state)
{
    struct journal *journal = open_one(false);

    journal->pcpu[3].vcpu = 7;
    end(journal);
    journal = open_one(true);
    assert_int_equal(journal->pcpu[3].vcpu, 7);
    assert_int_equal(journal->pcpu[4].vcpu, RV_NO_VCPU);
    end(journal);
}

static void without_a_keeper_each_worker_begins_its_own(void **state)
{
    kept_fake_end();
    end(open_one(false));
    end(open_one(false));
}

static void one_that_was_not_begun_is_begun_by_the_next_worker(void **state)
{
    struct journal *journal = open_one(false);

    memset(journal, 0, sizeof(*journal));
    end(journal);
    end(open_one(false));
}

static void one_that_is_damaged_or_of_another_version_is_refused(void **state)
{
    struct journal *journal = open_one(false);

    journal->pcpu[0].last = journal->pcpu[0].first + JOURNAL_DEFERRED + 1;
    is_refused("not of this version, or damaged");
    journal->pcpu[0].last = journal->pcpu[0].first;
    journal->version++;
    is_refused("not of this version, or damaged");
    journal->version--;
    journal->magic = 0;
    is_refused("not of this version, or damaged");
    end(journal);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_next_worker_has_what_the_one_before_wrote),
        TEST(without_a_keeper_each_worker_begins_its_own),
        TEST(one_that_was_not_begun_is_begun_by_the_next_worker),
        TEST(one_that_is_damaged_or_of_another_version_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
