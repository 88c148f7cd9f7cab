/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One bank of NOR flash as QEMU's virt has it: two x16 chips side by side on a bus of 32 bits,
 * that take Intel's command set (Intel "Common Flash Interface (CFI) and Command Sets", AP-646;
 * StrataFlash P30 datasheet). A command in the low byte counts for both chips. No locking of
 * blocks: a bank is writable or not.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CFI_BANK_SIZE   0x4000000u
#define CFI_BLOCK_SIZE  0x40000u /* is erased at once */
#define CFI_BUFFER_SIZE 0x1000u  /* is programmed at once; aligned */

/* What reads give. */
enum cfi_mode {
    CFI_MODE_ARRAY,
    CFI_MODE_STATUS,
    CFI_MODE_ID,
    CFI_MODE_QUERY,
    CFI_MODES,
};

/* What the next write is. */
enum cfi_cycle {
    CFI_CYCLE_COMMAND,
    CFI_CYCLE_PROGRAM,        /* the word to program */
    CFI_CYCLE_ERASE,          /* the confirmation */
    CFI_CYCLE_LOCK,           /* which kind of lock */
    CFI_CYCLE_BUFFER_COUNT,   /* how many words, less 1 */
    CFI_CYCLE_BUFFER_DATA,    /* one of these words */
    CFI_CYCLE_BUFFER_CONFIRM, /* the confirmation */
    CFI_CYCLES,
};

/* Plain bytes of the state block. */
struct cfi_chip {
    uint8_t mode;           /* 0x00 enum cfi_mode */
    uint8_t cycle;          /* 0x01 enum cfi_cycle */
    uint8_t status;         /* 0x02 status register without its ready bit */
    uint8_t busy;           /* 0x03 1: the change is not done yet */
    uint32_t words_left;    /* 0x04 of CFI_CYCLE_BUFFER_DATA */
    uint32_t buffer_start;  /* 0x08 offset of the buffer in the bank; CFI_BANK_SIZE: none yet */
    uint32_t change_offset; /* 0x0c what the last program or erase has changed */
    uint32_t change_length; /* 0x10 */
    uint32_t erases;        /* 0x14 1: that was an erase */
    uint8_t buffer[CFI_BUFFER_SIZE]; /* 0x18 */
};
_Static_assert(sizeof(struct cfi_chip) == 0x18 + CFI_BUFFER_SIZE, "state block layout");

void cfi_chip_reset(struct cfi_chip *chip);

/*
 * Of a state block that may be damaged: no value that the functions below cannot bear. One that is
 * not writable is never busy.
 */
void cfi_chip_sanitize(struct cfi_chip *chip, bool writable);

/* `width` bytes, 1 to 8, from `offset` on. */
uint64_t cfi_chip_read(const struct cfi_chip *chip, const uint8_t *array, uint32_t offset,
                       uint32_t width);

/*
 * A write of 1, 2 or 4 bytes to a chip that is not busy. True: change_offset and change_length
 * tell what of `array` has changed; the chip is busy until cfi_chip_done().
 */
bool cfi_chip_write(struct cfi_chip *chip, uint8_t *array, bool writable, uint32_t offset,
                    uint32_t width, uint32_t value);

/* The change is where it has to be, or could not be brought there. */
void cfi_chip_done(struct cfi_chip *chip, bool failed);
