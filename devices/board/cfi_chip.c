/* SPDX-License-Identifier: BSD-2-Clause */
#include "cfi_chip.h"

#include <string.h>

/* Commands: first and second cycles. */
#define CFI_PROGRAM_ALT  0x10u
#define CFI_ERASE        0x20u
#define CFI_PROGRAM      0x40u
#define CFI_CLEAR_STATUS 0x50u
#define CFI_LOCK         0x60u
#define CFI_READ_STATUS  0x70u
#define CFI_READ_ID      0x90u
#define CFI_QUERY        0x98u
#define CFI_SUSPEND      0xb0u
#define CFI_RESUME       0xd0u
#define CFI_BUFFER       0xe8u
#define CFI_READ_ARRAY   0xffu
#define CFI_LOCK_SET     0x01u
#define CFI_LOCK_DOWN    0x2fu
#define CFI_CONFIRM      0xd0u

/* Status register, SR.7 to SR.1. */
#define CFI_STATUS_READY     0x80u
#define CFI_STATUS_ERASE     0x20u /* erase failed; with PROGRAM: a wrong sequence of commands */
#define CFI_STATUS_PROGRAM   0x10u
#define CFI_STATUS_PROTECTED 0x02u

#define CFI_ID_MANUFACTURER 0x89u /* Intel */
#define CFI_ID_DEVICE       0x18u

#define CFI_CHIPS       2u /* of a bank */
#define CFI_ERASE_BYTE  0xffu
#define CFI_LOG2(bytes) ((uint8_t)__builtin_ctz(bytes))

/* What one chip answers a query with: the bytes from 0x10 on. Others are 0. */
#define CFI_QUERY_START 0x10u
static const uint8_t cfi_query[] = {
    'Q',
    'R',
    'Y',
    0x01,
    0x00, /* 0x10 Intel's extended command set */
    0x31,
    0x00, /* 0x15 where its table is */
    0x00,
    0x00,
    0x00,
    0x00, /* 0x17 no alternative */
    0x45,
    0x55,
    0x00,
    0x00, /* 0x1b supply: 4.5 V to 5.5 V; no programming voltage */
    0x07,
    0x07,
    0x0a,
    0x00, /* 0x1f typical times, log2: word, buffer (us), erase (ms) */
    0x04,
    0x04,
    0x04,
    0x00,                                /* 0x23 at most so many times that, log2 */
    CFI_LOG2(CFI_BANK_SIZE / CFI_CHIPS), /* 0x27 size */
    0x02,
    0x00, /* 0x28 x8 and x16 */
    CFI_LOG2(CFI_BUFFER_SIZE / CFI_CHIPS),
    0x00,                                        /* 0x2a bytes of the buffer */
    0x01,                                        /* 0x2c one region of blocks: */
    (CFI_BANK_SIZE / CFI_BLOCK_SIZE - 1) & 0xff, /* 0x2d how many, less 1 */
    (CFI_BANK_SIZE / CFI_BLOCK_SIZE - 1) >> 8,
    CFI_BLOCK_SIZE / CFI_CHIPS / 256 & 0xff, /* 0x2f of how many times 256 bytes */
    CFI_BLOCK_SIZE / CFI_CHIPS / 256 >> 8,
    'P',
    'R',
    'I',
    '1',
    '0', /* 0x31 Intel's table, version 1.0 */
    0x00,
    0x00,
    0x00,
    0x00, /* 0x36 no optional features */
    0x00,
    0x00,
    0x00, /* 0x3a nothing while suspended, no locks */
    0x00,
    0x00, /* 0x3d supply: not told */
    0x01, /* 0x3f one protection field */
};

void cfi_chip_reset(struct cfi_chip *chip)
{
    memset(chip, 0, sizeof(*chip));
    chip->buffer_start = CFI_BANK_SIZE;
}

void cfi_chip_sanitize(struct cfi_chip *chip, bool writable)
{
    if (chip->mode >= CFI_MODES)
        chip->mode = CFI_MODE_ARRAY;
    if (chip->cycle >= CFI_CYCLES)
        chip->cycle = CFI_CYCLE_COMMAND;
    if (chip->buffer_start % CFI_BUFFER_SIZE || chip->buffer_start > CFI_BANK_SIZE)
        chip->buffer_start = CFI_BANK_SIZE;
    if (chip->words_left == 0 || chip->words_left > CFI_BUFFER_SIZE / 4)
        chip->words_left = 1;
    if (chip->cycle == CFI_CYCLE_BUFFER_CONFIRM && chip->buffer_start == CFI_BANK_SIZE)
        chip->cycle = CFI_CYCLE_COMMAND;
    chip->status &= (uint8_t)~CFI_STATUS_READY;
    if (!writable || chip->change_offset >= CFI_BANK_SIZE || chip->change_length == 0 ||
        chip->change_length > CFI_BANK_SIZE - chip->change_offset)
        chip->busy = 0;
    chip->busy = chip->busy != 0;
}

/*
 * Reads
 */

/* What one of the chips has at a word. */
static uint16_t chip_word(const struct cfi_chip *chip, uint32_t word)
{
    uint32_t query = (word & 0xff) - CFI_QUERY_START;

    switch (chip->mode) {
    case CFI_MODE_STATUS: return chip->status | (chip->busy ? 0 : CFI_STATUS_READY);
    case CFI_MODE_ID:
        if ((word & 0xff) == 0)
            return CFI_ID_MANUFACTURER;
        return (word & 0xff) == 1 ? CFI_ID_DEVICE : 0; /* 2: the block is not locked */
    default: return query < sizeof(cfi_query) ? cfi_query[query] : 0;
    }
}

uint64_t cfi_chip_read(const struct cfi_chip *chip, const uint8_t *array, uint32_t offset,
                       uint32_t width)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < width; i++) {
        uint32_t at = offset + i;
        uint64_t byte = array[at];

        if (chip->mode != CFI_MODE_ARRAY)
            byte = chip_word(chip, at / 4) >> 8 * (at % 2) & 0xff;
        value |= byte << 8 * i;
    }
    return value;
}

/*
 * Writes
 */

/* After it the guest reads the status, with `bits` in it. */
static bool fail(struct cfi_chip *chip, unsigned bits)
{
    chip->cycle = CFI_CYCLE_COMMAND;
    chip->mode = CFI_MODE_STATUS;
    chip->status |= (uint8_t)bits;
    return false;
}

static bool fail_sequence(struct cfi_chip *chip)
{
    return fail(chip, CFI_STATUS_ERASE | CFI_STATUS_PROGRAM);
}

/* Something of the array has changed. */
static bool change(struct cfi_chip *chip, uint32_t offset, uint32_t length, bool erases)
{
    chip->cycle = CFI_CYCLE_COMMAND;
    chip->mode = CFI_MODE_STATUS;
    chip->busy = 1;
    chip->change_offset = offset;
    chip->change_length = length;
    chip->erases = erases;
    return true;
}

/* Programming clears bits. Only an erase sets them. */
static bool program(struct cfi_chip *chip, uint8_t *array, bool writable, uint32_t offset,
                    const uint8_t *data, uint32_t length)
{
    if (!writable)
        return fail(chip, CFI_STATUS_PROGRAM | CFI_STATUS_PROTECTED);
    for (uint32_t i = 0; i < length; i++)
        array[offset + i] &= data[i];
    return change(chip, offset, length, false);
}

static bool erase(struct cfi_chip *chip, uint8_t *array, bool writable, uint32_t offset)
{
    uint32_t start = offset - offset % CFI_BLOCK_SIZE;

    if (!writable)
        return fail(chip, CFI_STATUS_ERASE | CFI_STATUS_PROTECTED);
    memset(array + start, CFI_ERASE_BYTE, CFI_BLOCK_SIZE);
    return change(chip, start, CFI_BLOCK_SIZE, true);
}

static void to_bytes(uint8_t bytes[4], uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> 8 * i);
}

/* The buffer is where its first word goes; what is not written stays as erased. */
static bool buffer_data(struct cfi_chip *chip, uint32_t offset, uint32_t width, uint32_t value)
{
    uint32_t start = offset - offset % CFI_BUFFER_SIZE;
    uint8_t bytes[4];

    if (chip->buffer_start == CFI_BANK_SIZE) {
        chip->buffer_start = start;
        memset(chip->buffer, CFI_ERASE_BYTE, sizeof(chip->buffer));
    }
    if (chip->buffer_start != start)
        return fail_sequence(chip);
    to_bytes(bytes, value);
    memcpy(chip->buffer + offset % CFI_BUFFER_SIZE, bytes, width);
    if (--chip->words_left == 0)
        chip->cycle = CFI_CYCLE_BUFFER_CONFIRM;
    return false;
}

static bool buffer_count(struct cfi_chip *chip, uint32_t count)
{
    if (count >= CFI_BUFFER_SIZE / 4)
        return fail_sequence(chip);
    chip->words_left = count + 1;
    chip->buffer_start = CFI_BANK_SIZE;
    chip->cycle = CFI_CYCLE_BUFFER_DATA;
    return false;
}

static bool command(struct cfi_chip *chip, uint8_t what)
{
    static const uint8_t cycles[256] = {
        [CFI_PROGRAM] = CFI_CYCLE_PROGRAM,     [CFI_PROGRAM_ALT] = CFI_CYCLE_PROGRAM,
        [CFI_ERASE] = CFI_CYCLE_ERASE,         [CFI_LOCK] = CFI_CYCLE_LOCK,
        [CFI_BUFFER] = CFI_CYCLE_BUFFER_COUNT,
    };

    chip->cycle = cycles[what];
    switch (what) {
    case CFI_PROGRAM:
    case CFI_PROGRAM_ALT:
    case CFI_ERASE:
    case CFI_LOCK:
    case CFI_BUFFER:
    case CFI_SUSPEND: /* nothing takes long enough for it */
    case CFI_RESUME:
    case CFI_READ_STATUS: chip->mode = CFI_MODE_STATUS; break;
    case CFI_READ_ID: chip->mode = CFI_MODE_ID; break;
    case CFI_QUERY: chip->mode = CFI_MODE_QUERY; break;
    case CFI_CLEAR_STATUS: chip->status = 0; break;
    default: chip->mode = CFI_MODE_ARRAY; break; /* CFI_READ_ARRAY, and what is no command */
    }
    return false;
}

bool cfi_chip_write(struct cfi_chip *chip, uint8_t *array, bool writable, uint32_t offset,
                    uint32_t width, uint32_t value)
{
    uint8_t what = (uint8_t)value, bytes[4];

    switch (chip->cycle) {
    case CFI_CYCLE_PROGRAM:
        to_bytes(bytes, value);
        return program(chip, array, writable, offset, bytes, width);
    case CFI_CYCLE_ERASE:
        return what == CFI_CONFIRM ? erase(chip, array, writable, offset) : fail_sequence(chip);
    case CFI_CYCLE_LOCK:
        if (what != CFI_LOCK_SET && what != CFI_CONFIRM && what != CFI_LOCK_DOWN)
            return fail_sequence(chip);
        chip->cycle = CFI_CYCLE_COMMAND;
        return false;
    case CFI_CYCLE_BUFFER_COUNT: return buffer_count(chip, value & 0xffff);
    case CFI_CYCLE_BUFFER_DATA: return buffer_data(chip, offset, width, value);
    case CFI_CYCLE_BUFFER_CONFIRM:
        if (what != CFI_CONFIRM)
            return fail_sequence(chip);
        return program(chip, array, writable, chip->buffer_start, chip->buffer, CFI_BUFFER_SIZE);
    default: return command(chip, what);
    }
}

void cfi_chip_done(struct cfi_chip *chip, bool failed)
{
    chip->busy = 0;
    if (failed)
        chip->status |= chip->erases ? CFI_STATUS_ERASE : CFI_STATUS_PROGRAM;
}
