/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 16u

int gdb_text_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

char gdb_text_hex(unsigned value)
{
    return "0123456789abcdef"[value & 0xf];
}

bool gdb_in_word(struct gdb_in *in, const char *word)
{
    size_t length = strlen(word);

    if (gdb_in_left(in) < length || memcmp(in->at, word, length) != 0)
        return false;
    in->at += length;
    return true;
}

bool gdb_in_number(struct gdb_in *in, uint64_t *value)
{
    unsigned digits = 0;

    *value = 0;
    for (; in->at < in->end && gdb_text_digit(*in->at) >= 0; in->at++, digits++)
        *value = *value << 4 | (unsigned)gdb_text_digit(*in->at);
    return digits >= 1 && digits <= DIGITS_MAX;
}

bool gdb_in_bytes(struct gdb_in *in, void *data, size_t size)
{
    uint8_t *bytes = data;

    if (gdb_in_left(in) / 2 < size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = gdb_text_digit(*in->at++), low = gdb_text_digit(*in->at++);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void gdb_out_bytes(struct gdb_out *out, const void *data, size_t size)
{
    if (out->room - out->size < size) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

void gdb_out_hex(struct gdb_out *out, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    if ((out->room - out->size) / 2 < size) {
        out->full = true;
        return;
    }
    for (size_t i = 0; i < size; i++) {
        out->data[out->size++] = gdb_text_hex(bytes[i] >> 4);
        out->data[out->size++] = gdb_text_hex(bytes[i]);
    }
}

void gdb_out_format(struct gdb_out *out, const char *format, ...)
{
    char text[256];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof(text))
        out->full = true;
    else
        gdb_out_bytes(out, text, (size_t)length);
}
