/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A countdown for a ringvisor guest: the example of docs/plugins.md.
 *
 *   0x00 ID      read: 0x31544443
 *   0x04 TICKS   write n: start, expire after n ticks; 0: stop
 *   0x08 STATUS  bit 0: expired, and the interrupt is up; write 1 to clear
 *   0x0c COUNT   read: how often it has expired
 */
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>

#define ID     0x00u
#define TICKS  0x04u
#define STATUS 0x08u
#define COUNT  0x0cu

#define ID_VALUE 0x31544443u

/* All that the guest can see: plain bytes, no pointers. */
struct countdown_state {
    uint64_t deadline_ns; /* 0: it is stopped */
    uint32_t expired;
    uint32_t count;
};

/* All that can be made again. */
struct countdown {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct countdown_state *state;
    struct rv_timer *timer;
    uint64_t tick_ns;
};

static void countdown_fired(void *opaque)
{
    struct countdown *c = opaque;

    c->state->deadline_ns = 0;
    c->state->expired = 1;
    c->state->count++;
    c->ops->irq_set(c->instance, 0, true);
}

static void countdown_start(struct countdown *c, uint64_t ticks)
{
    if (ticks == 0) {
        c->state->deadline_ns = 0;
        c->ops->timer_cancel(c->instance, c->timer);
        return;
    }
    c->state->deadline_ns = c->ops->now_ns(c->instance) + ticks * c->tick_ns;
    c->ops->timer_set(c->instance, c->timer, c->state->deadline_ns);
}

static int countdown_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                          const struct rv_access *access)
{
    const struct countdown *c = device;

    if (size != 4)
        return -EINVAL;
    switch (offset) {
    case ID: *value = ID_VALUE; return 0;
    case STATUS: *value = c->state->expired; return 0;
    case COUNT: *value = c->state->count; return 0;
    default: *value = 0; return 0;
    }
}

static int countdown_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                           const struct rv_access *access)
{
    struct countdown *c = device;

    if (size != 4)
        return -EINVAL;
    if (offset == TICKS)
        countdown_start(c, value);
    if (offset == STATUS && (value & 1)) {
        c->state->expired = 0;
        c->ops->irq_set(c->instance, 0, false);
    }
    return 0;
}

static void countdown_reset(void *device)
{
    struct countdown *c = device;

    *c->state = (struct countdown_state){0};
    c->ops->timer_cancel(c->instance, c->timer);
    c->ops->irq_set(c->instance, 0, false);
}

static int countdown_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                            uint32_t flags, void **device)
{
    struct countdown *c = calloc(1, sizeof(*c));

    (void)flags; /* a state of zeros is a valid one: fresh or taken over is the same here */
    if (!c)
        return -ENOMEM;
    c->instance = instance;
    c->ops = ops;
    c->state = state;
    c->tick_ns = ops->property_uint(instance, "tick-us") * 1000;
    c->timer = ops->timer_new(instance, countdown_fired, c);
    if (!c->timer) {
        free(c);
        return -ENOMEM;
    }
    ops->irq_set(instance, 0, c->state->expired != 0);
    *device = c;
    return 0;
}

/* An earlier vmm may have left a countdown that runs. */
static void countdown_resume(void *device)
{
    struct countdown *c = device;

    if (c->state->deadline_ns)
        c->ops->timer_set(c->instance, c->timer, c->state->deadline_ns);
}

static void countdown_destroy(void *device)
{
    struct countdown *c = device;

    c->ops->timer_free(c->instance, c->timer);
    free(c);
}

static const struct rv_property countdown_properties[] = {
    {
        .name = "tick-us",
        .type = RV_PROPERTY_UINT,
        .value = "1000",
        .help = "length of a tick in microseconds",
        .min = 1,
        .max = 1000000,
    },
    {0},
};

static const char *const countdown_compatible[] = {"example,countdown", NULL};
static const struct rv_fdt_node countdown_fdt = {
    .size = sizeof(countdown_fdt),
    .name = "countdown",
    .compatible = countdown_compatible,
};

/* TICKS: that the countdown has started is nothing which the guest could miss at once. */
static const struct rv_range countdown_posted[] = {{TICKS, 4}, {0, 0}};

static const struct rv_region countdown_regions[] = {
    {
        .bytes = 0x1000,
        .read = countdown_read,
        .write = countdown_write,
        .posted = countdown_posted,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "countdown",
    .description = "countdown with an interrupt: the example of docs/plugins.md",
    .properties = countdown_properties,
    .regions = countdown_regions,
    .irq_lines = 1,
    .state_size = sizeof(struct countdown_state),
    .state_version = 1,
    .fdt = &countdown_fdt,
    .create = countdown_create,
    .destroy = countdown_destroy,
    .reset = countdown_reset,
    .resume = countdown_resume,
};
