/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <ringvisor/virtio/iov.h>

/* "abc", "", "defgh", "i" */
struct lists {
    char bytes[9];
    struct iovec iov[4];
};

static void fill(struct lists *l)
{
    memcpy(l->bytes, "abcdefghi", 9);
    l->iov[0] = (struct iovec){l->bytes, 3};
    l->iov[1] = (struct iovec){NULL, 0};
    l->iov[2] = (struct iovec){l->bytes + 3, 5};
    l->iov[3] = (struct iovec){l->bytes + 8, 1};
}

static void reads_stop_at_the_end(void **state)
{
    static const struct {
        size_t offset, len, got;
        const char *text;
    } rows[] = {
        {0, 9, 9, "abcdefghi"}, {0, 0, 0, ""},     {0, 3, 3, "abc"}, {2, 3, 3, "cde"},
        {3, 5, 5, "defgh"},     {7, 100, 2, "hi"}, {8, 1, 1, "i"},   {9, 1, 0, ""},
        {SIZE_MAX, 5, 0, ""},   {4, 4, 4, "efgh"},
    };
    struct lists l;

    fill(&l);
    assert_int_equal(iov_size(l.iov, 4), 9);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char to[16] = {0};

        assert_int_equal(iov_read(l.iov, 4, rows[i].offset, to, rows[i].len), rows[i].got);
        assert_string_equal(to, rows[i].text);
    }
}

static void writes_and_fills_stop_at_the_end(void **state)
{
    struct lists l;

    fill(&l);
    assert_int_equal(iov_write(l.iov, 4, 2, "123456", 6), 6);
    assert_memory_equal(l.bytes, "ab123456i", 9);
    assert_int_equal(iov_write(l.iov, 4, 8, "XYZ", 3), 1);
    assert_memory_equal(l.bytes, "ab123456X", 9);
    assert_int_equal(iov_fill(l.iov, 4, 1, '-', 4), 4);
    assert_memory_equal(l.bytes, "a----456X", 9);
    assert_int_equal(iov_fill(l.iov, 4, 0, '+', SIZE_MAX), 9);
    assert_memory_equal(l.bytes, "+++++++++", 9);
}

static void advance_and_trim_drop_bytes(void **state)
{
    for (size_t front = 0; front <= 10; front++) {
        for (size_t back = 0; back <= 10; back++) {
            struct lists l;
            struct iovec *iov = l.iov;
            unsigned count = 4;
            size_t left, drop;
            char to[16] = {0};

            fill(&l);
            drop = front < 9 ? front : 9;
            assert_int_equal(iov_advance(&iov, &count, front), drop);
            left = 9 - drop;
            assert_int_equal(iov_trim(iov, &count, back), back < left ? back : left);
            left -= back < left ? back : left;
            assert_int_equal(iov_size(iov, count), left);
            assert_int_equal(iov_read(iov, count, 0, to, sizeof(to)), left);
            assert_memory_equal(to, &"abcdefghi"[drop], left);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_stop_at_the_end),
        cmocka_unit_test(writes_and_fills_stop_at_the_end),
        cmocka_unit_test(advance_and_trim_drop_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
