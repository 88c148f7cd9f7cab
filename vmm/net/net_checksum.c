/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/net_checksum.h"

#include <string.h>

/*
 * RFC 1071: the sum of 16-bit words in any byte order, as long as it is stored in the
 * same. Eight bytes at a time as two halves, whose carries cannot get lost in 64 bits.
 */
static uint16_t checksum_of(const uint8_t *data, size_t len)
{
    uint64_t sum = 0;

    for (; len >= 8; data += 8, len -= 8) {
        uint64_t word;

        memcpy(&word, data, sizeof(word));
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    for (; len >= 2; data += 2, len -= 2) {
        uint16_t word;

        memcpy(&word, data, sizeof(word));
        sum += word;
    }
    if (len != 0) {
        const uint8_t last[2] = {data[0], 0};
        uint16_t word;

        memcpy(&word, last, sizeof(word));
        sum += word;
    }
    while (sum > UINT16_MAX)
        sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)~sum;
}

bool net_checksum_complete(uint8_t *frame, size_t len, size_t start, size_t offset)
{
    uint16_t sum;

    if (start > len || offset > len - start || len - start - offset < sizeof(sum))
        return false;
    sum = checksum_of(frame + start, len - start);
    if (sum == 0)
        sum = UINT16_MAX; /* the same number; 0 says "no checksum" in UDP */
    memcpy(frame + start + offset, &sum, sizeof(sum));
    return true;
}
