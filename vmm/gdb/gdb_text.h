/* SPDX-License-Identifier: BSD-2-Clause */
/* The text inside of packets: hexadecimal numbers and bytes, read and written within bounds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The value of a hexadecimal digit, or -1; and the digit of the low 4 bits of a value. */
int gdb_text_digit(char c);
char gdb_text_hex(unsigned value);

/* What is left of a packet. It ends with a 0, which is not of it. */
struct gdb_in {
    const char *at;
    const char *end;
};

/* If the rest begins with `word`, the word is taken. */
bool gdb_in_word(struct gdb_in *in, const char *word);

/* A number of 1 to 16 digits. */
bool gdb_in_number(struct gdb_in *in, uint64_t *value);

/* `size` bytes, two digits each. */
bool gdb_in_bytes(struct gdb_in *in, void *data, size_t size);

static inline size_t gdb_in_left(const struct gdb_in *in)
{
    return (size_t)(in->end - in->at);
}

/* A reply that grows. What has no room is dropped, and `full` tells. */
struct gdb_out {
    char *data;
    size_t size;
    size_t room;
    bool full;
};

void gdb_out_bytes(struct gdb_out *out, const void *data, size_t size); /* as they are */
void gdb_out_hex(struct gdb_out *out, const void *data, size_t size);   /* two digits each */
void gdb_out_format(struct gdb_out *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
