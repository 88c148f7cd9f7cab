/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm PrimeCell real time clock (PL031): Arm DDI 0224. Section numbers are of that
 * manual.
 *
 * It counts the host's seconds since 1970-01-01 UTC, and what the guest has set it
 * off by. Firmware has enabled it: RTCCR reads 1, and cannot be cleared (3.3.4).
 */
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Register offsets, 3.2. */
#define RTCDR        0x000u
#define RTCMR        0x004u
#define RTCLR        0x008u
#define RTCCR        0x00cu
#define RTCIMSC      0x010u
#define RTCRIS       0x014u
#define RTCMIS       0x018u
#define RTCICR       0x01cu
#define RTCPERIPHID0 0xfe0u /* four of RTCPeriphID, four of RTCPCellID */
#define PL031_SIZE   0x1000u

#define RTCINT 1u /* in RTCIMSC, RTCRIS, RTCMIS and RTCICR */

#define NS_PER_S 1000000000ull

/* A match further ahead than this lies behind: it comes when the counter has wrapped. */
#define AHEAD_MAX 0x80000000u

#define PL031_STATE_VERSION 1u

struct pl031_state {
    uint32_t offset; /* 0x00 RTCDR less the host's seconds */
    uint32_t mr;     /* 0x04 */
    uint32_t lr;     /* 0x08 */
    uint32_t imsc;   /* 0x0c */
    uint32_t ris;    /* 0x10 */
    uint32_t armed;  /* 0x14 1: the match lies ahead */
};
_Static_assert(sizeof(struct pl031_state) == 0x18, "state block layout");

struct pl031 {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct pl031_state *s;
    struct rv_timer *timer;
    int steps; /* a timer that is there to be cancelled when the host's clock is set */
    struct rv_watch *steps_watch;
};

static const uint8_t pl031_id[] = {0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

static uint32_t pl031_count(const struct pl031 *p)
{
    return (uint32_t)(p->ops->wall_ns(p->instance) / NS_PER_S) + p->s->offset;
}

static void pl031_update(struct pl031 *p)
{
    p->ops->irq_set(p->instance, 0, p->s->ris & p->s->imsc);
}

/* Look at the match, and when to look again. The host's clock may have been set meanwhile. */
static void pl031_look(struct pl031 *p)
{
    uint64_t wall = p->ops->wall_ns(p->instance);
    uint32_t ahead = p->s->mr - (uint32_t)(wall / NS_PER_S) - p->s->offset;

    p->ops->timer_cancel(p->instance, p->timer);
    if (!p->s->armed)
        return;
    if (ahead == 0 || ahead > AHEAD_MAX) {
        p->s->armed = 0;
        p->s->ris = RTCINT;
        pl031_update(p);
        return;
    }
    p->ops->timer_set(p->instance, p->timer,
                      p->ops->now_ns(p->instance) + ahead * NS_PER_S - wall % NS_PER_S);
}

static void pl031_fired(void *opaque)
{
    pl031_look(opaque);
}

/*
 * The timer of the match counts time that passes. When the host's clock is set, a match may
 * be over that would not come for long.
 */
static int pl031_wait_for_step(const struct pl031 *p)
{
    static const struct itimerspec never = {.it_value.tv_sec = INT32_MAX};

    return timerfd_settime(p->steps, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void pl031_clock_was_set(void *opaque, unsigned events)
{
    struct pl031 *p = opaque;
    uint64_t expirations;

    /* -1 with ECANCELED is the news. */
    if (read(p->steps, &expirations, sizeof(expirations)) >= 0 || pl031_wait_for_step(p))
        p->ops->fd_change(p->instance, p->steps_watch, 0); /* not before 2038: not any more */
    pl031_look(p);
}

/* RTCMR or the counter was written: does the match lie ahead? */
static void pl031_arm(struct pl031 *p)
{
    p->s->armed = p->s->mr - pl031_count(p) <= AHEAD_MAX;
    pl031_look(p);
}

static int pl031_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                      const struct rv_access *access)
{
    struct pl031 *p = device;
    const struct pl031_state *s = p->s;
    uint32_t v = 0;

    if (size > 4)
        return -EINVAL;
    switch (offset & ~3ull) {
    case RTCDR: v = pl031_count(p); break;
    case RTCMR: v = s->mr; break;
    case RTCLR: v = s->lr; break;
    case RTCCR: v = 1; break;
    case RTCIMSC: v = s->imsc; break;
    case RTCRIS: v = s->ris; break;
    case RTCMIS: v = s->ris & s->imsc; break;
    default:
        if (offset >= RTCPERIPHID0 && offset < PL031_SIZE)
            v = pl031_id[(offset - RTCPERIPHID0) / 4];
        break;
    }
    /* An APB read is of the whole register; the bus then picks the bytes. */
    *value = v >> (8 * (offset & 3));
    return 0;
}

static int pl031_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                       const struct rv_access *access)
{
    struct pl031 *p = device;
    struct pl031_state *s = p->s;
    uint32_t v = (uint32_t)value;

    if (size > 4)
        return -EINVAL;
    switch (offset) {
    case RTCMR:
        s->mr = v;
        pl031_arm(p);
        break;
    case RTCLR:
        s->lr = v;
        s->offset += v - pl031_count(p);
        pl031_arm(p);
        break;
    case RTCIMSC: s->imsc = v & RTCINT; break;
    case RTCICR: s->ris &= ~v; break;
    default: return 0;
    }
    pl031_update(p);
    return 0;
}

static void pl031_reset(void *device)
{
    struct pl031 *p = device;

    *p->s = (struct pl031_state){0};
    pl031_look(p);
    pl031_update(p);
}

static void pl031_destroy(void *device)
{
    struct pl031 *p = device;

    if (p->steps_watch)
        p->ops->fd_remove(p->instance, p->steps_watch);
    if (p->steps >= 0)
        close(p->steps);
    if (p->timer)
        p->ops->timer_free(p->instance, p->timer);
    free(p);
}

static int pl031_open(struct pl031 *p)
{
    p->timer = p->ops->timer_new(p->instance, pl031_fired, p);
    if (!p->timer)
        return -ENOMEM;
    p->steps = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (p->steps < 0 || pl031_wait_for_step(p))
        return -errno;
    p->steps_watch = p->ops->fd_watch(p->instance, p->steps, RV_FD_READ, pl031_clock_was_set, p);
    return p->steps_watch ? 0 : -ENOMEM;
}

static int pl031_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    struct pl031 *p = calloc(1, sizeof(*p));
    int error = -ENOMEM;

    if (p) {
        *p = (struct pl031){.instance = instance, .ops = ops, .s = state, .steps = -1};
        p->s->imsc &= RTCINT;
        p->s->ris &= RTCINT;
        error = pl031_open(p);
    }
    if (error) {
        ops->log(instance, RV_LOG_ERROR, "%s", strerror(-error));
        if (p)
            pl031_destroy(p);
        return error;
    }
    pl031_update(p);
    *device = p;
    return 0;
}

/* A match that was waited for may have passed. */
static void pl031_resume(void *device)
{
    pl031_look(device);
}

static const char *const pl031_compatible[] = {"arm,pl031", "arm,primecell", NULL};
static const char *const pl031_clocks[] = {"apb_pclk", NULL};

static const struct rv_fdt_node pl031_fdt = {
    .size = sizeof(pl031_fdt),
    .name = "pl031",
    .compatible = pl031_compatible,
    .clocks = pl031_clocks,
};

static const struct rv_region pl031_regions[] = {
    {
        .bytes = PL031_SIZE,
        .fixed_base = 0x09010000,
        .read = pl031_read,
        .write = pl031_write,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "pl031",
    .description = "Arm PrimeCell real time clock (PL031): the host's time, and an alarm",
    .regions = pl031_regions,
    .place = RV_PLACE_FIXED,
    .fixed_spi = 2,
    .irq_lines = 1,
    .state_size = sizeof(struct pl031_state),
    .state_version = PL031_STATE_VERSION,
    .fdt = &pl031_fdt,
    .create = pl031_create,
    .destroy = pl031_destroy,
    .reset = pl031_reset,
    .resume = pl031_resume,
};
