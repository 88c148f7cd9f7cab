/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests that a page of another site makes a browser send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/control/control_origin.h"

static void what_no_browser_sends_and_our_own_page_are_served(void **state)
{
    static const struct control_origin served[] = {
        {0},
        {.host = ""},
        {.host = "localhost"},
        {.host = "x"},
        {.host = "localhost:8080"},
        {.host = "web.localhost:8080"},
        {.host = "127.0.0.1:8080"},
        {.host = "[::1]:8080"},
        {.host = "localhost:8080", .origin = "http://localhost:8080"},
        {.host = "127.0.0.1:80", .origin = "http://127.0.0.1:80", .fetch_site = "same-origin"},
        {.host = "localhost:8080", .fetch_site = "none", .fetch_mode = "navigate"},
        /* A link on another site. */
        {.host = "localhost:8080", .fetch_site = "cross-site", .fetch_mode = "navigate"},
    };

    for (unsigned i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
        if (control_origin_refused(&served[i]))
            fail_msg("request %u: %s", i, control_origin_refused(&served[i]));
    }
}

static void what_a_page_of_another_site_sends_is_refused(void **state)
{
    static const struct control_origin refused[] = {
        {.host = "localhost:8080", .origin = "http://evil.example"},
        {.host = "localhost:8080", .origin = "https://evil.example:8080"},
        {.host = "localhost:8080", .origin = "http://localhost:8081"},
        {.host = "localhost:8080", .origin = "http://localhost"},
        {.host = "localhost:8080", .origin = "null"},
        {.host = "localhost:8080", .origin = ""},
        {.host = "localhost:8080", .origin = "file://localhost:8080"},
        {.origin = "http://localhost:8080"},
        /* The stranger's domain means the computer itself. */
        {.host = "evil.example:8080"},
        {.host = "evil.example:8080", .origin = "http://evil.example:8080"},
        {.host = "127.0.0.1.evil.example"},
        {.host = "localhost.evil.example"},
        {.host = "evillocalhost.example"},
        /* Without an origin: an image, a script. */
        {.host = "localhost:8080", .fetch_site = "cross-site", .fetch_mode = "no-cors"},
        {.host = "localhost:8080", .fetch_site = "same-site", .fetch_mode = "no-cors"},
        {.host = "localhost:8080", .fetch_site = "cross-site"},
    };

    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (!control_origin_refused(&refused[i]))
            fail_msg("request %u is served", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_browser_sends_and_our_own_page_are_served),
        cmocka_unit_test(what_a_page_of_another_site_sends_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
