/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers of the test device (tests/plugins/testdev.c), offsets from its start.
 * Page 0 is the scratch memory, page 1 has the registers, all of page 2 is
 * posted, page 3 looks at what arrived there.
 *
 * "Recorded" accesses are those to page 0, to page 2, and to PATTERN,
 * FAIL_READ and FAIL_WRITE: LAST_* then tell of them.
 */
#pragma once

#define TESTDEV_SIZE  0x4000u
#define TESTDEV_LINES 2u /* SPI 112 and 113 when it is the first --device */
#define TESTDEV_INTID 144u

#define TESTDEV_SCRATCH      0x0000u
#define TESTDEV_SCRATCH_SIZE 0x1000u /* memory of all widths */

#define TESTDEV_ID         0x1000u /* reads TESTDEV_ID_VALUE */
#define TESTDEV_LAST_OFF   0x1010u /* offset of the last recorded access */
#define TESTDEV_LAST_SIZE  0x1018u /* its bytes */
#define TESTDEV_LAST_VALUE 0x1020u /* the value as the device saw or gave it, not masked */
#define TESTDEV_LAST_WRITE 0x1028u /* 1: it was a write */
#define TESTDEV_COUNT      0x1030u /* recorded accesses; a write sets it */
#define TESTDEV_PATTERN    0x1040u /* reads TESTDEV_PATTERN_VALUE, all of it, at any size */
#define TESTDEV_FAIL_READ  0x1048u /* a read fails (external abort); a write does nothing */
#define TESTDEV_FAIL_WRITE 0x1050u /* a write fails (external abort); reads 0 */
#define TESTDEV_LINE0      0x1058u /* level of interrupt line 0: bit 0 */
#define TESTDEV_LINE1      0x1060u /* level of interrupt line 1: bit 0 */
#define TESTDEV_PULSE      0x1068u /* write: the lines of this mask go up and down again */
#define TESTDEV_STICKY     0x1070u /* 0 at power on; a reset does not change it */
#define TESTDEV_DMA_FROM   0x1078u /* address of what DMA_LEN copies */
#define TESTDEV_DMA_TO     0x1080u /* and where to */
#define TESTDEV_DMA_LEN    0x1088u /* write: copy so many bytes; read: 1 if the last was refused */
#define TESTDEV_DELAY      0x1090u /* write: line 0 goes up after so many microseconds */
#define TESTDEV_REQUEST    0x1098u /* write: enum rv_request, and from bit 8 on its code */
#define TESTDEV_LATE       0x10a0u /* write: in so many ms 8 bytes of ones come at DMA_TO */
#define TESTDEV_EVENTS     0x10a8u /* power buttons pressed */

#define TESTDEV_POSTED      0x2000u /* writes: counted and logged; any read: the count */
#define TESTDEV_POSTED_SIZE 0x1000u

#define TESTDEV_LOG_COUNT  0x3000u /* entries since CLEAR: posted writes and marks */
#define TESTDEV_LOG_HASH   0x3008u /* testdev_hash() over all of them, in order */
#define TESTDEV_LOG_CLEAR  0x3010u /* a write clears the log */
#define TESTDEV_LOG_INDEX  0x3018u /* selects the entry of the next three */
#define TESTDEV_LOG_OFF    0x3020u
#define TESTDEV_LOG_SIZE   0x3028u
#define TESTDEV_LOG_VALUE  0x3030u
#define TESTDEV_LOG_MARK   0x3038u /* a blocking write that is logged as posted ones are */
#define TESTDEV_LOG_LENGTH 1024u   /* entries that are kept: the first ones */

#define TESTDEV_ID_VALUE      0x3144545652ull /* "RVTD1" */
#define TESTDEV_PATTERN_VALUE 0x8182838485868788ull

/* Folds one log entry into the hash; it depends on the order. */
static inline unsigned long long testdev_hash(unsigned long long hash, unsigned long long offset,
                                              unsigned size, unsigned long long value)
{
    return (hash ^ value ^ offset << 8 ^ size) * 0x100000001b3ull + 1u;
}
