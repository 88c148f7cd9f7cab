/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core for virtio-console, for tests and the fuzzer: back ends in memory that take
 * as much as the test says. What a device must not do ends the program.
 */
#pragma once

#include <ringvisor/chr.h>
#include <ringvisor/device.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define CONSOLE_HOST_PORTS 4u
#define CONSOLE_HOST_BYTES 0x20000u

struct rv_chr {
    struct rv_chr_callbacks callbacks;
    void *opaque;
    bool open;
    size_t room; /* what it takes, until it is slow */
    bool slow;   /* writable() is due */
    bool accepted;
    uint8_t got[CONSOLE_HOST_BYTES]; /* the last of the output */
    size_t got_len;                  /* all of it */
};

struct rv_instance {
    uint8_t *ram;
    uint64_t ram_base, ram_size;
    unsigned rises; /* interrupts */
    unsigned errors;
    const char *property[2 * CONSOLE_HOST_PORTS]; /* chardev, name, chardev1, name1 ... */
    struct rv_chr chr[CONSOLE_HOST_PORTS];
    unsigned nr_chr, fail_at; /* chr_open of this number fails; 0: none */
    uint8_t state[64];        /* the class's block */
    void *block;              /* the transport's */
    size_t block_size;
    uint64_t counter;
    void (*fired)(void *opaque);
    void *opaque;
    bool timer_set;
    void *device;
};

void console_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base, uint64_t size);
void console_host_free(struct rv_instance *host);

/* create() of a device; then reset() and resume(), unless it takes another's state over. */
int console_host_start(struct rv_instance *host, uint32_t flags);
void console_host_stop(struct rv_instance *host);

/* The reader has read: `room` bytes more are taken. */
void console_host_room(struct rv_instance *host, unsigned port, size_t room);

/* Somebody types: how much of it the guest has taken. */
size_t console_host_input(struct rv_instance *host, unsigned port, const void *data, size_t len);

void console_host_connected(struct rv_instance *host, unsigned port, bool connected);
