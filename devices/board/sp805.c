/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm watchdog module (SP805): Arm DDI 0270. Section numbers are of that manual.
 *
 * A counter that raises an interrupt at 0 and begins again; if it gets there a second
 * time and the interrupt was not cleared, the guest is reset. It runs on the host's
 * monotonic clock, which stands still while the host sleeps. When the vmm itself had
 * no CPU for long the guest could not be served either, and gets its time anew.
 */
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>

/* Register offsets, 3.2. */
#define WDOGLOAD      0x000u
#define WDOGVALUE     0x004u
#define WDOGCONTROL   0x008u
#define WDOGINTCLR    0x00cu
#define WDOGRIS       0x010u
#define WDOGMIS       0x014u
#define WDOGLOCK      0xc00u
#define WDOGPERIPHID0 0xfe0u /* four of WdogPeriphID, four of WdogPCellID */
#define SP805_SIZE    0x1000u

#define INTEN  1u /* in WdogControl: count, and interrupt */
#define RESEN  2u
#define UNLOCK 0x1acce551u

#define CLOCK_HZ 24000000ull /* WDOGCLK: the board's fixed clock */
#define NS_PER_S 1000000000ull

#define QUIET_NS (10 * NS_PER_S) /* from one message to the next */
#define LATE_NS  NS_PER_S        /* more than this behind its time, the vmm was not running */
#define LEAST_NS 1000000ull /* a guest that counts less than this must not keep the loop busy */

#define SP805_STATE_VERSION 1u

struct sp805_state {
    uint32_t load;     /* 0x00 */
    uint32_t control;  /* 0x04 */
    uint32_t ris;      /* 0x08 */
    uint32_t locked;   /* 0x0c */
    uint32_t value;    /* 0x10 of a counter that stands */
    uint32_t pad;      /* 0x14 */
    uint64_t deadline; /* 0x18 now_ns at which a counter that runs is 0 */
};
_Static_assert(sizeof(struct sp805_state) == 0x20, "state block layout");

enum sp805_action { SP805_RESET, SP805_POWEROFF, SP805_EXIT, SP805_NONE };

struct sp805 {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct sp805_state *s;
    struct rv_timer *timer;
    enum sp805_action action;
    uint64_t quiet_until; /* now_ns */
};

static const uint8_t sp805_id[] = {0x05, 0x18, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

/* How long from a value to 0 and beyond. 2^32 ticks are 179 s. */
static uint64_t sp805_ns(uint32_t value)
{
    uint64_t ns = ((uint64_t)value + 1) * NS_PER_S / CLOCK_HZ;

    return ns < LEAST_NS ? LEAST_NS : ns;
}

static void sp805_update(struct sp805 *p)
{
    p->ops->irq_set(p->instance, 0, p->s->ris && p->s->control & INTEN);
}

static uint32_t sp805_value(const struct sp805 *p)
{
    uint64_t now = p->ops->now_ns(p->instance), ticks;

    if (!(p->s->control & INTEN))
        return p->s->value;
    if (p->s->deadline <= now)
        return 0;
    ticks = (p->s->deadline - now) * (CLOCK_HZ / 1000000) / 1000;
    return ticks > p->s->load ? p->s->load : (uint32_t)ticks;
}

/* Count down from WdogLoad, beginning now. */
static void sp805_start(struct sp805 *p)
{
    p->s->value = p->s->load;
    if (!(p->s->control & INTEN))
        return;
    p->s->deadline = p->ops->now_ns(p->instance) + sp805_ns(p->s->load);
    p->ops->timer_set(p->instance, p->timer, p->s->deadline);
}

static void sp805_expired(struct sp805 *p)
{
    static const struct {
        const char *text;
        bool asks;
        uint32_t request;
    } actions[] = {
        [SP805_RESET] = {"it is reset", true, RV_REQUEST_RESET},
        [SP805_POWEROFF] = {"it is switched off", true, RV_REQUEST_POWER_OFF},
        [SP805_EXIT] = {"it is taken for one that cannot go on", true, RV_REQUEST_PANIC},
        [SP805_NONE] = {"nothing is done", false, 0},
    };
    uint64_t now = p->ops->now_ns(p->instance);

    /* A guest may let it expire a thousand times a second, or be reset as often as it boots. */
    if (now >= p->quiet_until) {
        p->ops->log(p->instance, RV_LOG_WARN, "the guest's watchdog has expired: %s",
                    actions[p->action].text);
        p->quiet_until = now + QUIET_NS;
    }
    if (actions[p->action].asks) {
        const struct rv_request request = {.size = sizeof(request),
                                           .type = actions[p->action].request};

        p->ops->request(p->instance, &request);
    }
}

static void sp805_zero(void *opaque)
{
    struct sp805 *p = opaque;
    bool second = p->s->ris && p->s->control & RESEN;

    if (p->ops->now_ns(p->instance) - p->s->deadline < LATE_NS) {
        p->s->ris = 1;
        sp805_update(p);
        if (second)
            sp805_expired(p);
    }
    sp805_start(p);
}

static void sp805_control(struct sp805 *p, uint32_t v)
{
    struct sp805_state *s = p->s;
    bool ran = s->control & INTEN, runs = v & INTEN;

    if (ran && !runs) {
        s->value = sp805_value(p);
        p->ops->timer_cancel(p->instance, p->timer);
    }
    s->control = v & (INTEN | RESEN);
    if (runs && !ran)
        sp805_start(p); /* 3.3.3: from WdogLoad */
}

static int sp805_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                      const struct rv_access *access)
{
    struct sp805 *p = device;
    const struct sp805_state *s = p->s;
    uint32_t v = 0;

    if (size > 4)
        return -EINVAL;
    switch (offset & ~3ull) {
    case WDOGLOAD: v = s->load; break;
    case WDOGVALUE: v = sp805_value(p); break;
    case WDOGCONTROL: v = s->control; break;
    case WDOGRIS: v = s->ris; break;
    case WDOGMIS: v = s->ris && s->control & INTEN; break;
    case WDOGLOCK: v = s->locked; break;
    default:
        if (offset >= WDOGPERIPHID0 && offset < SP805_SIZE)
            v = sp805_id[(offset - WDOGPERIPHID0) / 4];
        break;
    }
    /* An APB read is of the whole register; the bus then picks the bytes. */
    *value = v >> (8 * (offset & 3));
    return 0;
}

static int sp805_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                       const struct rv_access *access)
{
    struct sp805 *p = device;
    struct sp805_state *s = p->s;
    uint32_t v = (uint32_t)value;

    if (size > 4)
        return -EINVAL;
    if (offset == WDOGLOCK)
        s->locked = v != UNLOCK;
    else if (s->locked)
        return 0;
    switch (offset) {
    case WDOGLOAD:
        s->load = v;
        sp805_start(p);
        break;
    case WDOGCONTROL: sp805_control(p, v); break;
    case WDOGINTCLR:
        s->ris = 0;
        sp805_start(p);
        break;
    }
    sp805_update(p);
    return 0;
}

static void sp805_reset(void *device)
{
    struct sp805 *p = device;

    *p->s = (struct sp805_state){.load = UINT32_MAX, .value = UINT32_MAX};
    p->ops->timer_cancel(p->instance, p->timer);
    sp805_update(p);
}

static const char *const sp805_actions[] = {"reset", "poweroff", "exit", "none", NULL};

/* A state that is zeroed is one that is taken over, until reset(): `flags` do not matter. */
static int sp805_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    struct sp805 *p = calloc(1, sizeof(*p));

    if (p)
        *p = (struct sp805){.instance = instance,
                            .ops = ops,
                            .s = state,
                            .action = ops->property_enum(instance, "action")};
    if (!p || !(p->timer = ops->timer_new(instance, sp805_zero, p))) {
        ops->log(instance, RV_LOG_ERROR, "out of memory");
        free(p);
        return -ENOMEM;
    }
    p->s->control &= INTEN | RESEN;
    sp805_update(p);
    *device = p;
    return 0;
}

/* The guest has stood still: it does not count. */
static int sp805_quiesce(void *device)
{
    struct sp805 *p = device;

    p->s->value = sp805_value(p);
    p->ops->timer_cancel(p->instance, p->timer);
    return 0;
}

static void sp805_resume(void *device)
{
    struct sp805 *p = device;

    if (!(p->s->control & INTEN))
        return;
    p->s->deadline = p->ops->now_ns(p->instance) + sp805_ns(p->s->value);
    p->ops->timer_set(p->instance, p->timer, p->s->deadline);
}

static void sp805_destroy(void *device)
{
    struct sp805 *p = device;

    p->ops->timer_free(p->instance, p->timer);
    free(p);
}

static const struct rv_property sp805_properties[] = {
    {.name = "action",
     .type = RV_PROPERTY_ENUM,
     .value = "reset",
     .choices = sp805_actions,
     .help = "what happens to a guest that does not serve its watchdog; exit: the vmm ends "
             "with status 3"},
    {0},
};

static const char *const sp805_compatible[] = {"arm,sp805", "arm,primecell", NULL};
static const char *const sp805_clocks[] = {"wdog_clk", "apb_pclk", NULL};

static const struct rv_fdt_node sp805_fdt = {
    .size = sizeof(sp805_fdt),
    .name = "watchdog",
    .compatible = sp805_compatible,
    .clocks = sp805_clocks,
};

static const struct rv_region sp805_regions[] = {
    {
        .bytes = SP805_SIZE,
        .read = sp805_read,
        .write = sp805_write,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "sp805",
    .description = "Arm watchdog (SP805): resets a guest that hangs",
    .regions = sp805_regions,
    .properties = sp805_properties,
    .place = RV_PLACE_PLATFORM,
    .irq_lines = 1,
    .state_size = sizeof(struct sp805_state),
    .state_version = SP805_STATE_VERSION,
    .fdt = &sp805_fdt,
    .create = sp805_create,
    .destroy = sp805_destroy,
    .reset = sp805_reset,
    .quiesce = sp805_quiesce,
    .resume = sp805_resume,
};
