/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_packet.h"

#include "vmm/gdb/gdb_text.h"

#define BYTE_INTERRUPT 0x03
#define BYTE_ESCAPE    '}'
#define ESCAPE_XOR     0x20

static void begin(struct gdb_reader *reader)
{
    reader->state = GDB_READER_DATA;
    reader->escaped = reader->too_long = reader->sum_is_bad = false;
    reader->sum = reader->given = 0;
    reader->size = 0;
}

static enum gdb_input feed_idle(struct gdb_reader *reader, uint8_t byte)
{
    switch (byte) {
    case '$': begin(reader); return GDB_INPUT_NOTHING;
    case '+': return GDB_INPUT_ACK;
    case '-': return GDB_INPUT_NAK;
    case BYTE_INTERRUPT: return GDB_INPUT_INTERRUPT;
    default: return GDB_INPUT_NOTHING;
    }
}

static void feed_data(struct gdb_reader *reader, uint8_t byte)
{
    if (byte == '$') { /* the end of the packet before was lost */
        begin(reader);
        return;
    }
    if (byte == '#') {
        reader->state = GDB_READER_SUM;
        return;
    }
    reader->sum = (uint8_t)(reader->sum + byte);
    if (byte == BYTE_ESCAPE && !reader->escaped) {
        reader->escaped = true;
        return;
    }
    if (reader->escaped)
        byte ^= ESCAPE_XOR;
    reader->escaped = false;
    if (reader->size == GDB_PACKET_MAX)
        reader->too_long = true;
    else
        reader->data[reader->size++] = (char)byte;
}

static void feed_sum(struct gdb_reader *reader, uint8_t byte)
{
    int digit = gdb_text_digit((char)byte);

    if (digit < 0)
        reader->sum_is_bad = true;
    reader->given = (uint8_t)(reader->given << 4 | (digit & 0xf));
}

enum gdb_input gdb_packet_feed(struct gdb_reader *reader, uint8_t byte)
{
    switch (reader->state) {
    case GDB_READER_IDLE: return feed_idle(reader, byte);
    case GDB_READER_DATA: feed_data(reader, byte); return GDB_INPUT_NOTHING;
    case GDB_READER_SUM:
        feed_sum(reader, byte);
        reader->state = GDB_READER_SUM_LOW;
        return GDB_INPUT_NOTHING;
    case GDB_READER_SUM_LOW: break;
    }
    feed_sum(reader, byte);
    reader->state = GDB_READER_IDLE;
    reader->data[reader->size] = 0;
    if (reader->sum_is_bad || reader->given != reader->sum)
        return GDB_INPUT_DAMAGED;
    return reader->too_long ? GDB_INPUT_TOO_LONG : GDB_INPUT_PACKET;
}

size_t gdb_packet_frame(const char *data, size_t size, char *frame)
{
    size_t n = 0;
    uint8_t sum = 0;

    frame[n++] = '$';
    for (size_t i = 0; i < size; i++) {
        char byte = data[i];

        if (byte == '#' || byte == '$' || byte == '*' || byte == BYTE_ESCAPE) {
            frame[n++] = BYTE_ESCAPE;
            sum = (uint8_t)(sum + BYTE_ESCAPE);
            byte ^= ESCAPE_XOR;
        }
        frame[n++] = byte;
        sum = (uint8_t)(sum + (uint8_t)byte);
    }
    frame[n++] = '#';
    frame[n++] = gdb_text_hex(sum >> 4);
    frame[n++] = gdb_text_hex(sum);
    return n;
}
