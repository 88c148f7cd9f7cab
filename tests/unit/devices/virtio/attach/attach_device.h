/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device whose vmm dies before any store to what outlives it (state, guest memory), the
 * one that takes over, and the driver that lives through that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/support/plugin_host.h"
#include "tests/unit/support/virtio_driver.h"

#define ATTACH_QUEUES 8u
#define ATTACH_TOKENS 32u
#define ATTACH_TEXT   512u
#define ATTACH_FRAMES 4u
#define ATTACH_STATE  512u

/* Where the buffers of a token are. */
#define ATTACH_AT(token) (DRIVER_DATA + 0x2000ull * (token))

struct attached;

struct attach_case {
    const char *name, *plugin;
    struct plugin_host_property properties[6];
    uint64_t features; /* beside VERSION_1 and the ring's format */
    unsigned queues, size;
    bool data;         /* stores to buffers are the device's own, and count */
    bool state_counts; /* each takeover changes the device's state */
    void (*prepare)(struct attached *a);
    void (*begin)(struct attached *a); /* the driver gives buffers */
    /* All that the device does with them; `kick`: the driver notifies. False: it is stuck. */
    bool (*work)(struct attached *a, bool kick);
    void (*died)(struct attached *a); /* NULL: nothing more than plugin_host_die() */
    void (*check)(struct attached *a);
};

struct attached {
    const struct attach_case *of;
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[ATTACH_QUEUES];
    struct plugin_host_property properties[7];
    unsigned round; /* 1: once more, with the vmm that has taken over */
    bool dead;      /* a vmm has died in this round */
    bool failed;
    unsigned store;
    struct {
        unsigned count; /* how often it was used */
        unsigned order; /* when, among all */
        uint32_t len;
    } done[ATTACH_TOKENS];
    unsigned used;

    /* Of some devices: */
    char text[ATTACH_TEXT]; /* console: output of those that died */
    unsigned typed;
    bool typing;
    uint8_t out[ATTACH_FRAMES], in[ATTACH_FRAMES]; /* net: frames by number, how often */
    unsigned waiting;                              /* net: the next frame that comes in */
    struct rv_net *net;
    char folder[64];
};

struct attach_end {
    uint8_t state[ATTACH_STATE]; /* the device's own */
    unsigned stores;
    bool died, failed;
};

/* In a process of its own: the vmm dies before its `store`-th store (from 1 on; 0: it does not). */
void attach_run(const struct attach_case *of, bool packed, unsigned store, struct attach_end *end);

/*
 * In a process of its own, for each byte of the state that a vmm left, which is wrong: another one
 * refuses it, or goes on with it, whatever the driver sees then. False: it crashed.
 */
bool attach_damaged(const struct attach_case *of, bool packed);

/* False, with a message, is the end of the test. */
void attach_must(struct attached *a, bool is, const char *what);
void attach_give(struct attached *a, unsigned queue, unsigned token, const struct driver_seg *segs,
                 unsigned count);
void attach_kick(struct attached *a, unsigned queue);
/* A token was used once, with at least that many bytes written. */
void attach_used_once(struct attached *a, unsigned token, uint32_t len);
/* Between two vmms: the plugin is loaded anew. */
void attach_load_again(struct attached *a);
void *attach_bytes(struct attached *a, unsigned token);
