/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core for one instance of any device, for tests and fuzzers: properties as text,
 * timers on a clock that the test moves, watched descriptors, state blocks, RAM. What a
 * device must not do ends the program.
 */
#pragma once

#include <ringvisor/device.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define PLUGIN_HOST_TIMERS  16u
#define PLUGIN_HOST_WATCHES 300u
#define PLUGIN_HOST_STATE   4096u

struct rv_timer {
    void (*fired)(void *opaque); /* NULL: free */
    void *opaque;
    bool set;
    uint64_t at;
};

struct rv_watch {
    void (*ready)(void *opaque, unsigned events); /* NULL: free */
    void *opaque;
    int fd;
    unsigned events;
};

struct plugin_host_property {
    const char *name, *value;
};

struct rv_instance {
    uint8_t *ram; /* of which the device's memory is part, or its own */
    uint64_t ram_base, ram_size;
    const struct plugin_host_property *properties; /* what the user gave; ends with {0} */

    unsigned rises; /* interrupts */
    unsigned errors, warnings;
    char log[512];      /* the last of these */
    bool quiet;         /* do not print them */
    uint64_t now;       /* ns */
    uint64_t discarded; /* bytes */
    unsigned discards;

    struct rv_timer timer[PLUGIN_HOST_TIMERS];
    struct rv_watch watch[PLUGIN_HOST_WATCHES];
    uint64_t state[PLUGIN_HOST_STATE / 8];
    struct {
        char name[16];
        void *block;
        size_t size;
    } block[3];
    struct {
        char name[32];
        uint64_t value;
    } counter[16];
    unsigned quiesced;
    void *device;

    /* chr_open: what the device has, and what it wrote. */
    struct rv_chr_callbacks chr;
    void *chr_opaque;
    char chr_got[4096];
};

void plugin_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base, uint64_t size);

/* create(), then reset() and resume() if it does not take another's state over. */
int plugin_host_start(struct rv_instance *host, uint32_t flags);
void plugin_host_stop(struct rv_instance *host);
void plugin_host_free(struct rv_instance *host);

/* One turn of the loop, after `ns` have passed: timers that are due, descriptors that are ready. */
void plugin_host_turn(struct rv_instance *host, uint64_t ns);

uint64_t plugin_host_counter(const struct rv_instance *host, const char *name);
struct virtio_mmio *plugin_host_mmio(struct rv_instance *host);
