/* SPDX-License-Identifier: BSD-2-Clause */
/* Output that waits, in the order in which it came, for this process or the next one. */
#include "vmm/chardev/chardev_output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/kept_fake.h"

#define SIZE 16u

static void put(struct chardev_output *output, const char *text)
{
    assert_int_equal(chardev_output_put(output, (const uint8_t *)text, strlen(text)), strlen(text));
}

/* All that waits is `text`; afterwards nothing does. */
static void expect(struct chardev_output *output, const char *text)
{
    assert_int_equal(chardev_output_used(output), strlen(text));
    while (*text) {
        const uint8_t *data;
        size_t len = chardev_output_peek(output, &data);

        assert_in_range(len, 1, strlen(text));
        assert_memory_equal(data, text, len);
        chardev_output_drop(output, len);
        text += len;
    }
    assert_int_equal(chardev_output_room(output), SIZE);
}

static void bytes_come_in_order_over_the_end_of_the_ring(void **state)
{
    struct chardev_output *output = chardev_output_new(SIZE);

    for (unsigned i = 0; i < 100; i++) {
        put(output, "abcdefg");
        expect(output, "abcdefg");
    }
    chardev_output_free(output);
}

static void what_does_not_fit_is_not_taken(void **state)
{
    struct chardev_output *output = chardev_output_new(SIZE);

    assert_int_equal(chardev_output_put(output, (const uint8_t *)"0123456789abcdefgh", 18), SIZE);
    assert_int_equal(chardev_output_put(output, (const uint8_t *)"x", 1), 0);
    expect(output, "0123456789abcdef");
    chardev_output_free(output);
}

static void the_next_process_has_what_waits_of_each_console(void **state)
{
    struct chardev_output *first, *second;

    kept_fake_begin();
    first = chardev_output_new(SIZE);
    second = chardev_output_new(SIZE);
    put(first, "written");
    expect(first, "written");
    put(first, "of the first");
    put(second, "of the second");
    /* A process that is killed frees nothing. */
    chardev_output_free(first);
    chardev_output_free(second);

    kept_fake_next();
    first = chardev_output_new(SIZE);
    second = chardev_output_new(SIZE);
    expect(first, "of the first");
    expect(second, "of the second");
    chardev_output_free(first);
    chardev_output_free(second);
    kept_fake_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_in_order_over_the_end_of_the_ring),
        cmocka_unit_test(what_does_not_fit_is_not_taken),
        cmocka_unit_test(the_next_process_has_what_waits_of_each_console),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
