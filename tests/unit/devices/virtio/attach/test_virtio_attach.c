/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmm dies before each store to what outlives it while a virtio device handles requests;
 * another one takes over. The driver sees each request done once, and the contents are right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/devices/virtio/attach/attach_cases.h"

#define NEVER  0u
#define DEATHS 24u /* where there are more stores, some are passed over */

static const struct attach_case *case_of(unsigned i)
{
    const struct attach_case *more[] = {&attach_console, &attach_net, &attach_net_merged,
                                        &attach_vsock, &attach_fs};

    return i < attach_nr_cases ? &attach_cases[i] : more[i - attach_nr_cases];
}

#define NR_CASES (attach_nr_cases + 5)

static unsigned kill_in(const struct attach_case *of, bool packed)
{
    struct attach_end must, is;
    unsigned noticed = 0, deaths = 0, step;

    attach_run(of, packed, NEVER, &must);
    assert_false(must.failed || must.died);
    assert_true(must.stores > 10);
    step = getenv("ATTACH_ALL") ? 1 : 1 + must.stores / DEATHS;
    for (unsigned store = 1; store <= must.stores; store += step, deaths++) {
        attach_run(of, packed, store, &is);
        if (!is.failed && memcmp(is.state, must.state, sizeof(is.state)) != 0) {
            print_error("%s, death before store %u: the device's state\n", of->name, store);
            is.failed = true;
        }
        noticed += is.failed || !is.died;
    }
    print_message("%s%s: %u stores, %u deaths, %u noticed\n", of->name, packed ? ", packed" : "",
                  must.stores, deaths, noticed);
    return noticed;
}

static void driver_does_not_notice_a_death_before_any_store(void **state)
{
    const char *only = getenv("ATTACH_CASE"); /* a part of its name */
    unsigned noticed = 0;

    for (unsigned i = 0; i < NR_CASES; i++)
        for (unsigned packed = 0; packed < 2 && (!only || strstr(case_of(i)->name, only)); packed++)
            noticed += kill_in(case_of(i), packed);
    assert_int_equal(noticed, 0);
}

static void state_with_any_byte_wrong_is_refused_or_goes_on(void **state)
{
    const char *only = getenv("ATTACH_CASE");

    for (unsigned i = 0; i < NR_CASES; i++)
        for (unsigned packed = 0; packed < 2 && (!only || strstr(case_of(i)->name, only)); packed++)
            if (!attach_damaged(case_of(i), packed))
                fail_msg("%s%s: a byte that was wrong ended the vmm", case_of(i)->name,
                         packed ? ", packed" : "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(driver_does_not_notice_a_death_before_any_store),
        cmocka_unit_test(state_with_any_byte_wrong_is_refused_or_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
