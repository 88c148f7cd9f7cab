/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm PrimeCell GPIO (PL061): Arm DDI 0190. Section numbers are of that manual.
 *
 * Eight lines, of which line 3 is the power button, as on QEMU's "virt". Nothing is
 * at the others: as inputs they read 0, and outputs go nowhere.
 */
#include <errno.h>
#include <linux/input-event-codes.h>
#include <ringvisor/device.h>
#include <stdlib.h>

/* Register offsets, 3.2. */
#define GPIODATA      0x000u /* up to 0x3fc: address bits 9:2 are a mask, 3.3.1 */
#define GPIODIR       0x400u
#define GPIOIS        0x404u
#define GPIOIBE       0x408u
#define GPIOIEV       0x40cu
#define GPIOIE        0x410u
#define GPIORIS       0x414u
#define GPIOMIS       0x418u
#define GPIOIC        0x41cu
#define GPIOAFSEL     0x420u
#define GPIOPERIPHID0 0xfe0u /* four of GPIOPeriphID, four of GPIOPCellID */
#define PL061_SIZE    0x1000u

#define BUTTON_LINE 3u
#define BUTTON      (1u << BUTTON_LINE)

/*
 * Drivers wait some 10 ms for the contact to be still, and then look whether the button
 * is down. A guest that is slow to take the interrupt must find it so: the time counts
 * from there, for as long as a person would keep a finger on it.
 */
#define PRESS_NS   100000000ull
#define UNTAKEN_NS 5000000000ull

#define PL061_STATE_VERSION 1u

struct pl061_state {
    uint8_t out;         /* 0x00 what was written to GPIODATA */
    uint8_t dir;         /* 0x01 1: an output */
    uint8_t is;          /* 0x02 1: level, 0: edge */
    uint8_t ibe;         /* 0x03 1: both edges */
    uint8_t iev;         /* 0x04 1: rising or high */
    uint8_t ie;          /* 0x05 */
    uint8_t edges;       /* 0x06 edges that were seen and not cleared */
    uint8_t afsel;       /* 0x07 */
    uint8_t in;          /* 0x08 what is outside */
    uint8_t pad[7];      /* 0x09 */
    uint64_t release_at; /* 0x10 now_ns at which the button comes up; 0: it is up */
};
_Static_assert(sizeof(struct pl061_state) == 0x18, "state block layout");

struct pl061 {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct pl061_state *s;
    struct rv_timer *timer;
};

static const uint8_t pl061_id[] = {0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

/* The pins: what is driven there, by us or from outside. */
static unsigned pl061_pins(const struct pl061_state *s)
{
    return ((unsigned)s->out & s->dir) | (s->in & ~(unsigned)s->dir);
}

/* GPIORIS, 2.1.4: edges are kept, levels are as they are. Outputs do not interrupt. */
static unsigned pl061_ris(const struct pl061_state *s)
{
    unsigned active = ~((unsigned)s->in ^ s->iev);

    return (s->edges & ~(unsigned)s->is) | (active & s->is & ~(unsigned)s->dir & 0xff);
}

static void pl061_update(struct pl061 *p)
{
    p->ops->irq_set(p->instance, 0, pl061_ris(p->s) & p->s->ie);
}

/* Something outside has changed. */
static void pl061_input(struct pl061 *p, unsigned in)
{
    struct pl061_state *s = p->s;
    unsigned changed = (s->in ^ in) & ~(unsigned)s->dir;

    s->in = (uint8_t)in;
    s->edges |= (uint8_t)(changed & ~(unsigned)s->is & (s->ibe | ~(in ^ s->iev)));
    pl061_update(p);
}

static void pl061_hold(struct pl061 *p, uint64_t ns)
{
    p->s->release_at = p->ops->now_ns(p->instance) + ns;
    p->ops->timer_set(p->instance, p->timer, p->s->release_at);
}

/* In this order, and the other way round in pl061_event: a state in between has a way on. */
static void pl061_released(void *opaque)
{
    struct pl061 *p = opaque;

    pl061_input(p, p->s->in & ~BUTTON);
    p->s->release_at = 0;
}

/* Pressed, if the guest looks at the line: with an interrupt, as all drivers of keys do. */
static bool pl061_event(void *device, const struct rv_device_event *event)
{
    struct pl061 *p = device;
    struct pl061_state *s = p->s;

    if (event->type != RV_EVENT_POWER_BUTTON || !(s->ie & BUTTON) || s->dir & BUTTON)
        return false;
    pl061_hold(p, PRESS_NS);
    pl061_input(p, s->in | BUTTON);
    if (s->edges & BUTTON)
        pl061_hold(p, UNTAKEN_NS);
    return true;
}

/* GPIOIC, 3.3.9. */
static void pl061_clear(struct pl061 *p, unsigned v)
{
    struct pl061_state *s = p->s;
    bool taken = s->edges & v & s->in & BUTTON;

    s->edges &= (uint8_t)~v;
    if (taken)
        pl061_hold(p, PRESS_NS);
}

static int pl061_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                      const struct rv_access *access)
{
    const struct pl061_state *s = ((struct pl061 *)device)->s;
    unsigned v = 0;

    if (size > 4)
        return -EINVAL;
    switch (offset & ~3ull) {
    case GPIODIR: v = s->dir; break;
    case GPIOIS: v = s->is; break;
    case GPIOIBE: v = s->ibe; break;
    case GPIOIEV: v = s->iev; break;
    case GPIOIE: v = s->ie; break;
    case GPIORIS: v = pl061_ris(s); break;
    case GPIOMIS: v = pl061_ris(s) & s->ie; break;
    case GPIOAFSEL: v = s->afsel; break;
    default:
        if (offset < GPIODIR)
            v = pl061_pins(s) & (unsigned)(offset >> 2);
        else if (offset >= GPIOPERIPHID0 && offset < PL061_SIZE)
            v = pl061_id[(offset - GPIOPERIPHID0) / 4];
        break;
    }
    /* An APB read is of the whole register; the bus then picks the bytes. */
    *value = offset & 3 ? 0 : v;
    return 0;
}

static int pl061_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                       const struct rv_access *access)
{
    struct pl061 *p = device;
    struct pl061_state *s = p->s;
    uint8_t v = (uint8_t)value, mask = (uint8_t)(offset >> 2);

    if (size > 4)
        return -EINVAL;
    switch (offset) {
    case GPIODIR: s->dir = v; break;
    case GPIOIS: s->is = v; break;
    case GPIOIBE: s->ibe = v; break;
    case GPIOIEV: s->iev = v; break;
    case GPIOIE: s->ie = v; break;
    case GPIOIC: pl061_clear(p, v); break;
    case GPIOAFSEL: s->afsel = v; break;
    default:
        if (offset < GPIODIR && offset % 4 == 0)
            s->out = (uint8_t)((s->out & ~mask) | (v & mask));
        break;
    }
    pl061_update(p);
    return 0;
}

static void pl061_reset(void *device)
{
    struct pl061 *p = device;

    *p->s = (struct pl061_state){0};
    p->ops->timer_cancel(p->instance, p->timer);
    pl061_update(p);
}

/* A state that is zeroed is one that is taken over, until reset(): `flags` do not matter. */
static int pl061_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    struct pl061 *p = calloc(1, sizeof(*p));

    if (p)
        *p = (struct pl061){.instance = instance, .ops = ops, .s = state};
    if (!p || !(p->timer = ops->timer_new(instance, pl061_released, p))) {
        ops->log(instance, RV_LOG_ERROR, "out of memory");
        free(p);
        return -ENOMEM;
    }
    p->s->in &= BUTTON;
    pl061_update(p);
    *device = p;
    return 0;
}

/* A button that was down comes up: at its time, or in time if the state has lost that. */
static void pl061_resume(void *device)
{
    struct pl061 *p = device;
    uint64_t latest = p->ops->now_ns(p->instance) + UNTAKEN_NS;

    if (!p->s->release_at && !p->s->in)
        return;
    if (!p->s->release_at || p->s->release_at > latest)
        p->s->release_at = latest;
    p->ops->timer_set(p->instance, p->timer, p->s->release_at);
}

static void pl061_destroy(void *device)
{
    struct pl061 *p = device;

    p->ops->timer_free(p->instance, p->timer);
    free(p);
}

static void pl061_fdt_node(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->empty(fdt, "gpio-controller");
    ops->u32(fdt, "#gpio-cells", 2);
    ops->empty(fdt, "interrupt-controller");
    ops->u32(fdt, "#interrupt-cells", 2);
    ops->u32(fdt, "#address-cells", 0);
}

static void pl061_fdt_root(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    uint32_t gpios[] = {ops->phandle(fdt, RV_FDT_SELF), BUTTON_LINE, 0};

    ops->begin(fdt, "gpio-keys");
    ops->string(fdt, "compatible", "gpio-keys");
    ops->begin(fdt, "poweroff");
    ops->string(fdt, "label", "GPIO Key Poweroff");
    ops->u32(fdt, "linux,code", KEY_POWER);
    ops->cells(fdt, "gpios", gpios, 3);
    ops->empty(fdt, "wakeup-source"); /* a guest that sleeps wakes up to shut down */
    ops->end(fdt);
    ops->end(fdt);
}

static const char *const pl061_compatible[] = {"arm,pl061", "arm,primecell", NULL};
static const char *const pl061_clocks[] = {"apb_pclk", NULL};

static const struct rv_fdt_node pl061_fdt = {
    .size = sizeof(pl061_fdt),
    .name = "pl061",
    .compatible = pl061_compatible,
    .clocks = pl061_clocks,
    .phandle = true,
};

static const struct rv_region pl061_regions[] = {
    {
        .bytes = PL061_SIZE,
        .fixed_base = 0x09030000,
        .read = pl061_read,
        .write = pl061_write,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "pl061",
    .description = "Arm PrimeCell GPIO (PL061) with the power button",
    .regions = pl061_regions,
    .place = RV_PLACE_FIXED,
    .fixed_spi = 7,
    .irq_lines = 1,
    .state_size = sizeof(struct pl061_state),
    .state_version = PL061_STATE_VERSION,
    .fdt = &pl061_fdt,
    .create = pl061_create,
    .destroy = pl061_destroy,
    .reset = pl061_reset,
    .resume = pl061_resume,
    .event = pl061_event,
    .fdt_node = pl061_fdt_node,
    .fdt_root = pl061_fdt_root,
};
