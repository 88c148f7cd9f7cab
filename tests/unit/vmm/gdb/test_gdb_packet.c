/* SPDX-License-Identifier: BSD-2-Clause */
/* The frames of packets, byte by byte as they come, and the numbers in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/gdb/gdb_packet.h"
#include "vmm/gdb/gdb_text.h"

static struct gdb_reader reader;

/* What the last byte gave; all before it gave nothing. */
static enum gdb_input feed(const char *bytes, size_t size)
{
    for (size_t i = 0; i + 1 < size; i++)
        assert_int_equal(gdb_packet_feed(&reader, (uint8_t)bytes[i]), GDB_INPUT_NOTHING);
    return gdb_packet_feed(&reader, (uint8_t)bytes[size - 1]);
}

static enum gdb_input feed_text(const char *text)
{
    return feed(text, strlen(text));
}

static int setup(void **state)
{
    memset(&reader, 0, sizeof(reader));
    return 0;
}

static void a_packet_is_its_data_if_the_checksum_is_right(void **state)
{
    assert_int_equal(feed_text("$m1000,4#8e"), GDB_INPUT_PACKET);
    assert_string_equal(reader.data, "m1000,4");
    assert_int_equal(feed_text("$m1000,4#8E"), GDB_INPUT_PACKET);
    assert_int_equal(feed_text("$#00"), GDB_INPUT_PACKET);
    assert_int_equal(reader.size, 0);
}

static void a_wrong_checksum_is_damage_and_the_next_packet_is_not(void **state)
{
    assert_int_equal(feed_text("$m1000,4#8c"), GDB_INPUT_DAMAGED);
    assert_int_equal(feed_text("$m1000,4#8x"), GDB_INPUT_DAMAGED);
    assert_int_equal(feed_text("$m1000,4##8"), GDB_INPUT_DAMAGED);
    assert_int_equal(feed_text("$?#3f"), GDB_INPUT_PACKET);
    assert_string_equal(reader.data, "?");
}

static void bytes_between_packets_are_signs_or_nothing(void **state)
{
    assert_int_equal(gdb_packet_feed(&reader, '+'), GDB_INPUT_ACK);
    assert_int_equal(gdb_packet_feed(&reader, '-'), GDB_INPUT_NAK);
    assert_int_equal(gdb_packet_feed(&reader, 3), GDB_INPUT_INTERRUPT);
    for (unsigned i = 0; i < 256; i++) {
        if (!memchr("+-$\3", (int)i, 4))
            assert_int_equal(gdb_packet_feed(&reader, (uint8_t)i), GDB_INPUT_NOTHING);
    }
    assert_int_equal(feed_text("$g#67"), GDB_INPUT_PACKET);
}

static void inside_of_a_packet_the_signs_are_data(void **state)
{
    assert_int_equal(feed("$+-\3#5b", 7), GDB_INPUT_PACKET);
    assert_int_equal(reader.size, 3);
    assert_memory_equal(reader.data, "+-\3", 3);
}

static void a_new_packet_begins_where_the_end_of_one_was_lost(void **state)
{
    assert_int_equal(feed_text("$m1000$g#67"), GDB_INPUT_PACKET);
    assert_string_equal(reader.data, "g");
}

static void any_bytes_survive_the_frame(void **state)
{
    char data[512], frame[GDB_FRAME_SIZE(sizeof(data))];
    size_t size;

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 7);
    size = gdb_packet_frame(data, sizeof(data), frame);
    assert_true(size > sizeof(data) + 4 && size <= sizeof(frame));
    assert_null(memchr(frame + 1, '$', size - 1));
    assert_null(memchr(frame, '*', size)); /* it would begin a run */
    assert_int_equal(feed(frame, size), GDB_INPUT_PACKET);
    assert_int_equal(reader.size, sizeof(data));
    assert_memory_equal(reader.data, data, sizeof(data));
}

static void a_packet_that_is_too_long_is_read_to_its_end(void **state)
{
    char *frame = malloc(GDB_FRAME_SIZE(GDB_PACKET_MAX + 1));
    char *data = malloc(GDB_PACKET_MAX + 1);
    size_t size;

    memset(data, 'x', GDB_PACKET_MAX + 1);
    size = gdb_packet_frame(data, GDB_PACKET_MAX, frame);
    assert_int_equal(feed(frame, size), GDB_INPUT_PACKET);
    assert_int_equal(reader.size, GDB_PACKET_MAX);
    size = gdb_packet_frame(data, GDB_PACKET_MAX + 1, frame);
    assert_int_equal(feed(frame, size), GDB_INPUT_TOO_LONG);
    frame[size - 1] ^= 1;
    assert_int_equal(feed(frame, size), GDB_INPUT_DAMAGED);
    assert_int_equal(feed_text("$?#3f"), GDB_INPUT_PACKET);
    free(frame);
    free(data);
}

static struct gdb_in in_of(const char *text)
{
    return (struct gdb_in){text, text + strlen(text)};
}

static void a_number_has_1_to_16_digits(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
        size_t left;
    } cases[] = {
        {"0", true, 0, 0},
        {"fFfF,", true, 0xffff, 1},
        {"0123456789abcdef", true, 0x123456789abcdef, 0},
        {"", false, 0, 0},
        {"-1", false, 0, 2},
        {"x", false, 0, 1},
        {"00123456789abcdef", false, 0, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct gdb_in in = in_of(cases[i].text);
        uint64_t value;

        assert_int_equal(gdb_in_number(&in, &value), cases[i].good);
        if (cases[i].good)
            assert_int_equal(value, cases[i].value);
        assert_int_equal(gdb_in_left(&in), cases[i].left);
    }
}

static void bytes_have_two_digits_each_and_none_is_read_behind_the_end(void **state)
{
    struct gdb_in in = in_of("12aBc");
    uint8_t bytes[3];

    assert_true(gdb_in_bytes(&in, bytes, 2));
    assert_int_equal(bytes[0], 0x12);
    assert_int_equal(bytes[1], 0xab);
    assert_false(gdb_in_bytes(&in, bytes, 1));
    in = in_of("1g");
    assert_false(gdb_in_bytes(&in, bytes, 1));
    in = in_of("12");
    assert_false(gdb_in_bytes(&in, bytes, SIZE_MAX));
}

static void a_reply_is_not_written_over_its_end(void **state)
{
    char room[8] = "........";
    struct gdb_out out = {.data = room, .room = 6};

    gdb_out_format(&out, "T%02x", 5);
    assert_false(out.full);
    gdb_out_hex(&out, "\x1f\x2e", 2);
    assert_true(out.full);
    assert_int_equal(out.size, 3);
    gdb_out_hex(&out, "\x1f", 1);
    gdb_out_bytes(&out, "xy", 2);
    assert_memory_equal(room, "T051f...", 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_packet_is_its_data_if_the_checksum_is_right, setup),
        cmocka_unit_test_setup(a_wrong_checksum_is_damage_and_the_next_packet_is_not, setup),
        cmocka_unit_test_setup(bytes_between_packets_are_signs_or_nothing, setup),
        cmocka_unit_test_setup(inside_of_a_packet_the_signs_are_data, setup),
        cmocka_unit_test_setup(a_new_packet_begins_where_the_end_of_one_was_lost, setup),
        cmocka_unit_test_setup(any_bytes_survive_the_frame, setup),
        cmocka_unit_test_setup(a_packet_that_is_too_long_is_read_to_its_end, setup),
        cmocka_unit_test(a_number_has_1_to_16_digits),
        cmocka_unit_test(bytes_have_two_digits_each_and_none_is_read_behind_the_end),
        cmocka_unit_test(a_reply_is_not_written_over_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
