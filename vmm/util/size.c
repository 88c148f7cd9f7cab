/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/size.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/* Value of a digit in any base up to 16, or 16: no digit. Not strtoull(), which takes signs. */
static unsigned digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    if (c >= 'A' && c <= 'F')
        return (unsigned)(c - 'A') + 10;
    return 16;
}

/* log2 of the unit, or -1: not a unit. No unit letter is a hexadecimal digit. */
static int unit_shift(char c)
{
    switch (c) {
    case '\0': return 0;
    case 'k':
    case 'K': return 10;
    case 'm':
    case 'M': return 20;
    case 'g':
    case 'G': return 30;
    case 't':
    case 'T': return 40;
    default: return -1;
    }
}

int size_parse(const char *text, uint64_t *bytes)
{
    unsigned base = 10;
    uint64_t value = 0;
    bool overflow = false;
    size_t digits = 0;
    int shift;

    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    for (; digit_value(*text) < base; text++, digits++) {
        overflow |= __builtin_mul_overflow(value, base, &value);
        overflow |= __builtin_add_overflow(value, digit_value(*text), &value);
    }
    shift = unit_shift(*text);
    /* Garbage is garbage even behind a number that is too big. */
    if (digits == 0 || shift < 0 || (shift > 0 && text[1] != '\0'))
        return -EINVAL;
    if (overflow || __builtin_mul_overflow(value, UINT64_C(1) << shift, &value))
        return -ERANGE;
    *bytes = value;
    return 0;
}
