/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IP fragments. libslirp gives packets of up to 64 KiB; what is no TCP segment that the guest
 * takes as a large one goes to it in fragments, as from a real network: a bridge in the guest
 * drops a frame that is longer than its MTU.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define USER_FRAGMENT_HEAD 128u /* Ethernet, IP and fragment headers */

struct user_fragment {
    size_t done;  /* bytes of the packet's payload that earlier fragments had; 0: none */
    uint32_t id6; /* of the last packet of IPv6 that was cut */
};

/*
 * The next fragment of `frame`, which is longer than RV_NET_FRAME_MIN + `mtu`: its headers in
 * `head`, `*head_len` bytes, and behind them `*part_len` bytes of the frame from `*part` on.
 * With the last one, `done` is 0 again. 0; -EINVAL: not an IP packet, or not a sound one.
 */
int user_fragment_next(struct user_fragment *fragment, const uint8_t *frame, size_t len, size_t mtu,
                       uint8_t head[USER_FRAGMENT_HEAD], size_t *head_len, const uint8_t **part,
                       size_t *part_len);
