/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/net_frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A frame is one piece behind its length; WRAP instead of a length: the next is at 0. */
#define FRAMES_WRAP  UINT32_MAX
#define FRAMES_ALIGN 8u

static size_t frames_record(size_t len)
{
    return (sizeof(uint32_t) + len + FRAMES_ALIGN - 1) & ~(size_t)(FRAMES_ALIGN - 1);
}

static uint32_t frames_length(const struct net_frames *frames, size_t at)
{
    uint32_t len;

    memcpy(&len, frames->bytes + at, sizeof(len));
    return len;
}

int net_frames_init(struct net_frames *frames, size_t size)
{
    *frames = (struct net_frames){.size = size & ~(size_t)(FRAMES_ALIGN - 1)};
    frames->bytes = malloc(frames->size);
    return frames->bytes ? 0 : -ENOMEM;
}

void net_frames_free(struct net_frames *frames)
{
    free(frames->bytes);
    frames->bytes = NULL;
}

bool net_frames_push(struct net_frames *frames, const void *frame, size_t len)
{
    size_t record = frames_record(len);
    size_t to_end = frames->size - frames->tail;
    size_t skip = record > to_end ? to_end : 0;
    uint32_t word = (uint32_t)len;

    if (record > frames->size || skip + record > frames->size - frames->used)
        return false;
    if (skip != 0) {
        const uint32_t wrap = FRAMES_WRAP;

        memcpy(frames->bytes + frames->tail, &wrap, sizeof(wrap));
        frames->tail = 0;
    }
    memcpy(frames->bytes + frames->tail, &word, sizeof(word));
    memcpy(frames->bytes + frames->tail + sizeof(word), frame, len);
    frames->tail += record;
    if (frames->tail == frames->size)
        frames->tail = 0;
    frames->used += skip + record;
    return true;
}

uint8_t *net_frames_peek(const struct net_frames *frames, size_t *len)
{
    size_t at = frames->head;

    if (frames->used == 0)
        return NULL;
    if (frames_length(frames, at) == FRAMES_WRAP)
        at = 0;
    *len = frames_length(frames, at);
    return frames->bytes + at + sizeof(uint32_t);
}

void net_frames_pop(struct net_frames *frames)
{
    size_t record;

    if (frames->used == 0)
        return;
    if (frames_length(frames, frames->head) == FRAMES_WRAP) {
        frames->used -= frames->size - frames->head;
        frames->head = 0;
    }
    record = frames_record(frames_length(frames, frames->head));
    frames->used -= record;
    frames->head += record;
    if (frames->head == frames->size)
        frames->head = 0;
    if (frames->used == 0) /* the memory that is in the cache */
        frames->head = frames->tail = 0;
}
