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
    const struct attach_case *more[] = {&attach_console, &attach_net, &attach_vsock, &attach_fs};
    const char *only = getenv("ATTACH_CASE"); /* a part of its name */
    unsigned noticed = 0;

    for (unsigned i = 0; i < attach_nr_cases + 4; i++) {
        const struct attach_case *of =
            i < attach_nr_cases ? &attach_cases[i] : more[i - attach_nr_cases];

        for (unsigned packed = 0; packed < 2 && (!only || strstr(of->name, only)); packed++)
            noticed += kill_in(of, packed);
    }
    assert_int_equal(noticed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(driver_does_not_notice_a_death_before_any_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
