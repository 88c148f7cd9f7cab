/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Channels: each physical CPU has one, with an event ring and a command ring.
 *
 * A ring has one producer and one consumer. The producer publishes an entry by
 * the entry's own `seq` (position + 1, stored with release), so a message moves
 * one cache line between two CPUs, not two. `head` and `tail` count entries since
 * the start, modulo 2^32. `tail` tells the producer which entries are free. `head`
 * is for debuggers and for a restarted producer.
 *
 * Both sides run the functions here. They do not trust the peer: they load every
 * word once and check it before use.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"

#define RV_EVENT_ENTRIES   256u
#define RV_COMMAND_ENTRIES 64u
#define RV_LINE            64u
#define RV_EVENT_BATCH     64u /* at multiples of it in event_tail, the vmm checks event_full */

/* One word, alone on its cache line. */
struct rv_word {
    uint32_t v;       /* 0x00 */
    uint32_t pad[15]; /* 0x04 */
};
_Static_assert(sizeof(struct rv_word) == RV_LINE, "a word has a line of its own");

struct rv_channel {
    struct rv_word command_head;    /* 0x0000 vmm */
    struct rv_word command_tail;    /* 0x0040 stub */
    struct rv_word command_waiting; /* 0x0080 stub sets 1 before it sleeps */
    struct rv_word event_head;      /* 0x00c0 stub */
    struct rv_word event_tail;      /* 0x0100 vmm */
    struct rv_word event_waiting;   /* 0x0140 vmm sets 1 before it sleeps */
    struct rv_word command_polling; /* 0x0180 stub: 1 while it polls or sleeps */
    struct rv_word event_full;      /* 0x01c0 stub sets 1 before it sleeps for room */
    uint8_t pad[0x1000 - 0x200];    /* 0x0200 */
    struct rv_command command[RV_COMMAND_ENTRIES]; /* 0x1000 */
    struct rv_event event[RV_EVENT_ENTRIES];       /* 0x2000 */
    uint8_t pad2[0x10000 - 0x6000]; /* 0x6000: each can be mapped alone, whatever a page is */
};
_Static_assert(sizeof(struct rv_channel) == 0x10000, "channel layout");
_Static_assert(__builtin_offsetof(struct rv_channel, command) == 0x1000, "channel layout");
_Static_assert(__builtin_offsetof(struct rv_channel, event) == 0x2000, "channel layout");

static inline uint32_t rv_load_relaxed(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline uint32_t rv_load_acquire(const uint32_t *p)
{
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void rv_store_relaxed(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static inline void rv_store_release(uint32_t *p, uint32_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

/* Full fence: orders an earlier store before a later load (the wake-up protocol). */
static inline void rv_fence(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * How many entries the producer at position `head` may still write. `tail` is the
 * consumer's, loaded once. -1: the consumer's index is impossible.
 */
static inline int rv_ring_space(uint32_t head, uint32_t tail, uint32_t entries)
{
    uint32_t used = head - tail;

    return used > entries ? -1 : (int)(entries - used);
}

/*
 * Has the entry at position `tail` been published? If so, the rest of it may be
 * read: the acquire pairs with the release in rv_ring_publish. A peer that writes a
 * wrong `seq` delays only its own messages.
 */
static inline bool rv_ring_ready(const uint32_t *entry_seq, uint32_t tail)
{
    return rv_load_acquire(entry_seq) == tail + 1u;
}

/* Publish the entry at position `head`. Pairs with the acquire in rv_ring_ready. */
static inline void rv_ring_publish(uint32_t *entry_seq, uint32_t head)
{
    rv_store_release(entry_seq, head + 1u);
}

/*
 * The wake-up protocol. Consumer: set the word, rv_fence(), check the ring once
 * more, sleep. Producer: publish, call rv_ring_wants_wakeup(), ring the doorbell
 * if it returns true. The two fences pair: either the consumer sees the entry, or
 * the producer sees the word. Because of the exchange, one sleep costs one doorbell.
 */
static inline bool rv_ring_wants_wakeup(uint32_t *waiting)
{
    rv_fence();
    return rv_load_relaxed(waiting) != 0 && __atomic_exchange_n(waiting, 0, __ATOMIC_SEQ_CST) != 0;
}
