/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of the GDB remote serial protocol (GDB manual, appendix E.1): `$data#checksum`, with
 * `+` and `-` as acknowledgements and byte 3 as an interrupt request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most bytes of data of one packet, either way; GDB learns it as PacketSize. */
#define GDB_PACKET_MAX 0x8000u

/* Room for the frame of a packet of `size` bytes, each of which may have to be escaped. */
#define GDB_FRAME_SIZE(size) (2 * (size_t)(size) + 4)

enum gdb_input {
    GDB_INPUT_NOTHING, /* so far; or bytes between packets, which mean nothing */
    GDB_INPUT_PACKET,
    GDB_INPUT_DAMAGED,   /* a packet with a wrong checksum */
    GDB_INPUT_TOO_LONG,  /* a packet of more than GDB_PACKET_MAX bytes; its data is cut */
    GDB_INPUT_INTERRUPT, /* Ctrl-C */
    GDB_INPUT_ACK,
    GDB_INPUT_NAK,
};

enum gdb_reader_state { GDB_READER_IDLE, GDB_READER_DATA, GDB_READER_SUM, GDB_READER_SUM_LOW };

/* Zeroed to begin with. */
struct gdb_reader {
    enum gdb_reader_state state;
    bool escaped; /* the next byte is */
    bool too_long;
    uint8_t sum;   /* of the bytes so far */
    uint8_t given; /* what the packet says it is */
    bool sum_is_bad;
    size_t size;
    char data[GDB_PACKET_MAX + 1]; /* unescaped; after GDB_INPUT_PACKET with a 0 behind it */
};

enum gdb_input gdb_packet_feed(struct gdb_reader *reader, uint8_t byte);

/* The frame around `size` bytes of data: its length. `frame` has GDB_FRAME_SIZE(size) bytes. */
size_t gdb_packet_frame(const char *data, size_t size, char *frame);
