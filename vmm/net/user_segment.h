/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Large TCP segments between the guest and libslirp, if the driver takes them
 * (VIRTIO_NET_F_GUEST_TSO4, TSO6). libslirp sends as much in one segment as the guest's
 * SYN said that it takes. So the SYN is made to say more, and what then comes is given to
 * the guest as a card would that has joined segments.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USER_MTU 32768u /* libslirp's; two such segments fill its window of 64 KiB */

/* `frame` with a checksum still to be completed from `start` on: if it is a SYN. */
void user_segment_syn(uint8_t *frame, size_t len, size_t start, size_t offset);

/*
 * The header of a frame of libslirp's for a guest that knows of checksums. `large`: it
 * takes segments that are longer than its MTU, `mtu`. Their checksum is altered, to one that
 * is still to be completed.
 */
void user_segment_header(uint8_t *frame, size_t len, size_t mtu, bool large,
                         struct virtio_net_hdr_mrg_rxbuf *header);
