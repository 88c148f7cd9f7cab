/* SPDX-License-Identifier: BSD-2-Clause */
/* What a network card does for a driver that leaves checksums to it (VIRTIO_NET_F_CSUM). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Complete the checksum of a frame: over all from `start` to its end, stored `offset`
 * bytes behind `start`, where the driver has put the sum of the pseudo header. False:
 * these do not lie in the frame.
 */
bool net_checksum_complete(uint8_t *frame, size_t len, size_t start, size_t offset);
