/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front end as a device, vhost-user-blk, with a driver that the test plays, and a back end on
 * a socket, in whose place the test uses buffers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Before cmocka.h, which does not include them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/plugin_host.h"
#include "tests/unit/support/vhost_back_end.h"
#include "tests/unit/support/virtio_driver.h"

#define V1       (1ull << 32)
#define FLUSH    (1ull << 9)
#define WCE      (1ull << 11)
#define DISCARD  (1ull << 13)
#define MQ       (1ull << 12)
#define PROTOCOL (1ull << 30)
#define ALL      (1ull << 0 | 1ull << 3 | 1ull << 5 | 1ull << 9 | 1ull << 12)
#define USED     (DRIVER_RINGS(0) + 0x8000)
#define TURNS    4000u /* of 5 ms at most: never reached when all is well */

#define INDIRECT (1ull << 28)
#define RECORD   (1ull << 12)
#define MAPPED   0x100000u

struct setup {
    struct rv_instance host;
    struct driver_world world; /* RAM in a memfd */
    bool hasty;                /* a short wait is over when nothing else is to be done */
    struct back_end back_end;
    struct driver_queue q;
    char folder[32], path[64];
};

#define UNTIL(s, condition)                                                         \
    do {                                                                            \
        unsigned turns_left = TURNS;                                                \
        while (!(condition)) {                                                      \
            if (turns_left-- == 0)                                                  \
                fail_msg("never: " #condition "; last message: %s", (s)->host.log); \
            turn(s);                                                                \
        }                                                                           \
    } while (0)

int setup(void **state);
int teardown(void **state);
/* One turn of the loop, which sleeps for 5 ms at most. */
void turn(struct setup *s);
uint32_t rd(struct setup *s, uint32_t reg);
void wr(struct setup *s, uint32_t reg, uint32_t value);
/* As a CPU does it: -EAGAIN, and the CPU executes the store again later. */
int ask_for_reset(struct setup *s);
void reset(struct setup *s);
/* Is there an interrupt that the driver has not acknowledged? */
bool interrupted(struct setup *s);
bool enabled(struct setup *s);
/* The front end has heard the acknowledgement, too: then all is still. */
bool quiet(struct setup *s);
void drive(struct setup *s);
void drive_with(struct setup *s, uint64_t features);
void start(struct setup *s);
void stop(struct setup *s);
bool kicked(struct setup *s);
void make_available(struct setup *s);
/* In the back end's place: what was added as number `n` of them is used. */
void use(struct setup *s, uint16_t n);
void sync_now(struct setup *s);

/*
 * A back end that keeps no record: a relay does.
 */

struct split {
    uint8_t *map;
    uint64_t base;
    uint8_t *desc, *avail, *used;
};

void start_relayed(struct setup *s);
/* The relay's ring, as the back end maps it. */
struct split relay_ring(struct setup *s);
uint16_t ring_available(const struct split *ring);
/* The number of the `n`th buffer, and where its only part is in the guest. */
uint16_t ring_head(const struct split *ring, uint16_t n, uint64_t *address);
void ring_use(const struct split *ring, uint32_t head, uint16_t n);
void add_at(struct setup *s, uint64_t address, void *token);
