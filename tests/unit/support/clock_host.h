/* SPDX-License-Identifier: BSD-2-Clause */
/* A core for small devices of the board, whose clocks are the test's. */
#pragma once

#include <ringvisor/device.h>

#define S 1000000000ull /* ns */

struct rv_instance {
    void *device;
    uint64_t wall, now; /* ns */
    uint64_t timer_at;  /* 0: not set */
    void (*fired)(void *opaque);
    void *opaque;
    bool irq;
    bool no_timer; /* out of memory */
    unsigned timers;
    unsigned choice; /* of the class's only RV_PROPERTY_ENUM */
    unsigned requests;
    enum rv_request request; /* the last */
    int code;
    unsigned warnings;
    uint64_t state[8];
};

extern struct rv_instance host;

/* A zeroed host (but for `choice`), its clocks not at 0, and the device on it, running. */
void clock_host_start(void);
/* create(), reset() unless it takes a state over, resume(). The result is create()'s. */
int clock_host_create(uint32_t flags);
/* False: it has left a timer behind. */
bool clock_host_stop(void);

/* Time passes; what falls due on the way, happens. */
void pass(uint64_t ns);

/* A register. Accesses that must go well end the program if they do not. */
uint64_t get(uint64_t offset);
void put(uint64_t offset, uint32_t value);

/* Reads and writes of every width and offset inside of `size` bytes. */
void every_access(uint64_t size);
