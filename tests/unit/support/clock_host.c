/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/clock_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(holds)                                                    \
    do {                                                                \
        if (!(holds)) {                                                 \
            fprintf(stderr, "%s:%d: " #holds "\n", __FILE__, __LINE__); \
            abort();                                                    \
        }                                                               \
    } while (0)

struct rv_instance host;

static void host_log(struct rv_instance *h, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *h, enum rv_log_level level, const char *fmt, ...)
{
    (void)fmt;
    h->warnings += level <= RV_LOG_WARN;
}

static void host_irq_set(struct rv_instance *h, unsigned line, bool level)
{
    CHECK(line < ringvisor_device.irq_lines);
    h->irq = level;
}

static uint64_t host_now(struct rv_instance *h)
{
    return h->now;
}

static uint64_t host_wall(struct rv_instance *h)
{
    return h->wall;
}

static struct rv_timer *host_timer_new(struct rv_instance *h, void (*fired)(void *), void *opaque)
{
    if (h->no_timer)
        return NULL;
    h->timers++;
    h->fired = fired;
    h->opaque = opaque;
    return (struct rv_timer *)(void *)h;
}

static void host_timer_set(struct rv_instance *h, struct rv_timer *timer, uint64_t at)
{
    CHECK((void *)timer == h && h->timers == 1);
    h->timer_at = at;
}

static void host_timer_cancel(struct rv_instance *h, struct rv_timer *timer)
{
    CHECK((void *)timer == h);
    h->timer_at = 0;
}

static void host_timer_free(struct rv_instance *h, struct rv_timer *timer)
{
    CHECK((void *)timer == h);
    h->timers--;
    h->timer_at = 0;
}

static unsigned host_property_enum(struct rv_instance *h, const char *name)
{
    (void)name;
    return h->choice;
}

static void host_request(struct rv_instance *h, enum rv_request what, int code)
{
    h->requests++;
    h->request = what;
    h->code = code;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(ops),
    .log = host_log,
    .irq_set = host_irq_set,
    .now_ns = host_now,
    .wall_ns = host_wall,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
    .property_enum = host_property_enum,
    .request = host_request,
};

int clock_host_create(uint32_t flags)
{
    int error;

    CHECK(ringvisor_device.state_size <= sizeof(host.state));
    error = ringvisor_device.create(&host, &ops, host.state, flags, &host.device);
    if (error)
        return error;
    if (!(flags & RV_CREATE_RESUME))
        ringvisor_device.reset(host.device);
    if (ringvisor_device.resume)
        ringvisor_device.resume(host.device);
    return 0;
}

void clock_host_start(void)
{
    unsigned choice = host.choice;

    memset(&host, 0, sizeof(host));
    host.choice = choice;
    host.wall = 1700000000 * S + S / 4;
    host.now = 5 * S;
    CHECK(clock_host_create(0) == 0);
}

bool clock_host_stop(void)
{
    ringvisor_device.destroy(host.device);
    return host.timers == 0;
}

void pass(uint64_t ns)
{
    uint64_t end = host.now + ns;

    while (host.timer_at && host.timer_at <= end) {
        if (host.timer_at > host.now) {
            host.wall += host.timer_at - host.now;
            host.now = host.timer_at;
        }
        host.timer_at = 0;
        host.fired(host.opaque);
    }
    host.wall += end - host.now;
    host.now = end;
}

uint64_t get(uint64_t offset)
{
    uint64_t value = ~0ull;

    CHECK(ringvisor_device.read(host.device, offset, 4, &value) == 0);
    return value;
}

void put(uint64_t offset, uint32_t value)
{
    CHECK(ringvisor_device.write(host.device, offset, 4, value) == 0);
}

void every_access(uint64_t size)
{
    uint64_t value;

    for (uint64_t offset = 0; offset < size; offset++) {
        for (unsigned width = 1; width <= 8; width *= 2) {
            if (offset % width || offset + width > size)
                continue;
            ringvisor_device.read(host.device, offset, width, &value);
            ringvisor_device.write(host.device, offset, width, ~0ull);
            ringvisor_device.write(host.device, offset, width, 0);
        }
    }
}
