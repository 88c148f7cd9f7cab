/* SPDX-License-Identifier: BSD-2-Clause */
/* A bounded queue of Ethernet frames: what comes while the guest has no buffers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct net_frames {
    uint8_t *bytes;
    size_t size;
    size_t head; /* where the oldest frame's length is */
    size_t tail; /* where the next goes */
    size_t used; /* bytes, with what is left over at the end; 0: empty */
};

int net_frames_init(struct net_frames *frames, size_t size); /* 0 or -ENOMEM */
void net_frames_free(struct net_frames *frames);

/* False: no room; the frame is not in the queue. */
bool net_frames_push(struct net_frames *frames, const void *frame, size_t len);

/* The oldest frame, which stays where it is until net_frames_pop; NULL: none. */
uint8_t *net_frames_peek(const struct net_frames *frames, size_t *len);
void net_frames_pop(struct net_frames *frames);
