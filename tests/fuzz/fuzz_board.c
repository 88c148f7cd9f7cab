/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small device of the board, one of five, on plugin_host. The guest makes
 * any access, time passes, the host's clock is set, characters come and go, and the vmm
 * stops, resets, dies and is followed by another one between any two of these, with the
 * state as it was or with a damaged one. Checked: that calls into the vmm make sense, that
 * nothing is left behind, that no guest can keep the loop busy by a timer or fill the log,
 * and that the next vmm shows the guest the same registers and lines.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host.h"

#define FIRED_MAX   64u /* of a timer, in one step */
#define MESSAGE_MAX 4u  /* of one process, and as many in each 10 s that pass */
#define SHOWN       3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each is built with ringvisor_device as its own name. */
extern const struct rv_device_class fuzz_pl011, fuzz_pl031, fuzz_pl061, fuzz_pvpanic, fuzz_sp805;
static const struct rv_device_class *const classes[] = {&fuzz_pl011, &fuzz_pl031, &fuzz_pl061,
                                                        &fuzz_pvpanic, &fuzz_sp805};

/* One device, and what is remembered of it from step to step. */
struct board {
    struct rv_instance host;
    uint64_t began; /* this process, ns */
    bool quiet;     /* the device is quiesced */
};

/*
 * Its life
 */

/* No guest can fill the log. */
static void check_messages(const struct board *b)
{
    CHECK(b->host.errors + b->host.warnings <=
          MESSAGE_MAX * (1 + (b->host.now - b->began) / (10 * NS_PER_S)));
}

static int create(struct board *b, uint32_t flags)
{
    b->host.errors = b->host.warnings = 0;
    b->began = b->host.now;
    return plugin_host_create(&b->host, flags);
}

static void resume(struct board *b)
{
    b->quiet = false;
    if (b->host.class->resume)
        b->host.class->resume(b->host.device);
}

static void quiesce(struct board *b)
{
    const struct rv_device_class *class = b->host.class;

    /* None of them has anything in flight. */
    CHECK(!class->quiesce || b->quiet || class->quiesce(b->host.device) == 0);
    b->quiet = true;
}

static void reset(struct board *b)
{
    b->host.requests = 0;
    b->host.class->reset(b->host.device);
    CHECK(!b->host.irq);
    resume(b);
}

/* Registers whose reads change nothing. A device may have others there, but no FIFO. */
static void show(struct rv_instance *h, uint64_t shown[SHOWN][16])
{
    static const uint64_t starts[SHOWN] = {0, 0x400, 0xc00};

    for (unsigned i = 0; i < SHOWN; i++) {
        for (unsigned r = 0; r < 16; r++) {
            uint64_t offset = starts[i] + 4 * r;

            shown[i][r] = 0;
            if (offset + 4 <= h->class->regions[0].bytes &&
                !(h->class == &fuzz_pl011 && offset == 0))
                CHECK(h->class->regions[0].read(h->device, offset, 4, &shown[i][r], NULL) == 0);
        }
    }
}

/* The vmm dies. The next one takes the device over. */
static void take_over(struct board *b)
{
    uint64_t before[SHOWN][16], after[SHOWN][16];
    bool irq = b->host.irq;

    show(&b->host, before);
    plugin_host_stop(&b->host);
    CHECK(create(b, RV_CREATE_RESUME) == 0);
    show(&b->host, after);
    CHECK(b->host.irq == irq && memcmp(before, after, sizeof(before)) == 0);
    resume(b);
}

/* And finds something else there: it may refuse that, and must say so. */
static void take_over_damaged(struct board *b, struct input *in)
{
    size_t size = b->host.class->state_size;

    plugin_host_stop(&b->host);
    for (unsigned n = (unsigned)take64(in, 1) % 8; size && n; n--) {
        size_t at = take64(in, 1) % size;

        ((uint8_t *)b->host.state)[at] = (uint8_t)take64(in, 1);
    }
    if (create(b, RV_CREATE_RESUME) == 0) {
        resume(b);
        return;
    }
    CHECK(b->host.errors + b->host.warnings);
    plugin_host_stop(&b->host); /* checks that nothing is left behind */
    CHECK(create(b, 0) == 0);
    reset(b);
}

/* What falls due happens, until it is too much: then the vmm has not run for the rest. */
static void pass(struct rv_instance *h, uint64_t ns)
{
    uint64_t start = h->now, end = h->now + ns;
    unsigned fired = 0;

    while (fired < FIRED_MAX && plugin_host_fire_next(h, end)) {
        fired++;
        /* No more often than once in a millisecond, but for what was late. */
        CHECK(fired <= 3 + (h->now - start) / 1000000);
    }
    h->wall += end - h->now;
    h->now = end;
}

static void input_comes(struct rv_instance *h, struct input *in)
{
    uint8_t bytes[64];
    size_t n = take64(in, 1) % sizeof(bytes);

    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)take64(in, 1);
    plugin_host_chr_input_once(&h->chr[0], bytes, n);
}

/*
 * The guest
 */

static uint64_t take_offset(const struct rv_instance *h, struct input *in, unsigned size)
{
    static const uint64_t near[] = {0, 0x400, 0xc00, 0xfc0};
    uint64_t choice = take64(in, 1), offset = near[choice >> 6] + (choice & 0x3f);

    if (choice == 0x3f)
        offset = take64(in, 2);
    if (h->class->regions[0].bytes < size)
        return 0;
    return offset % (h->class->regions[0].bytes - size + 1) / size * size;
}

static uint32_t take_value(struct input *in)
{
    uint64_t choice = take64(in, 1);

    switch (choice) {
    case 0xff: return UINT32_MAX;
    case 0xfe: return 0x1acce551;
    case 0xfd: return (uint32_t)take64(in, 4);
    case 0xfc: return (uint32_t)take64(in, 1) << 24;
    default: return (uint32_t)choice;
    }
}

static void access_registers(struct rv_instance *h, struct input *in, bool is_write, unsigned size)
{
    uint64_t offset = take_offset(h, in, size), value = 0;
    int error;

    if (size > h->class->regions[0].bytes)
        return; /* the bus lets none through that is not inside */
    if (is_write)
        error = h->class->regions[0].write(
            h->device, offset, size,
            size == 8 ? take64(in, 8) : take_value(in) & (UINT64_MAX >> (64 - 8 * size)),
            &plugin_host_access);
    else
        error = h->class->regions[0].read(h->device, offset, size, &value, &plugin_host_access);
    CHECK(error <= 0);
    CHECK(size != 4 || error == 0); /* a whole register is always there, or reads as 0 */
}

static void step(struct board *b, struct input *in)
{
    struct rv_instance *h = &b->host;
    static const uint64_t units[] = {1000, 1000000, NS_PER_S, 60 * NS_PER_S};
    unsigned what = (unsigned)take64(in, 1);

    switch (what & 0xf) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: access_registers(h, in, true, what & 0x10 ? 1u << (what >> 6) : 4); break;
    case 5:
    case 6: access_registers(h, in, false, what & 0x10 ? 1u << (what >> 6) : 4); break;
    case 7:
    case 8: pass(h, take64(in, 1) * units[what >> 6]); break;
    case 9:
        if (h->class->event)
            h->class->event(h->device,
                            &(struct rv_device_event){.size = sizeof(struct rv_device_event),
                                                      .type = RV_EVENT_POWER_BUTTON});
        break;
    case 10:
        quiesce(b);
        pass(h, take64(in, 1) * units[what >> 6]);
        if (what & 0x10)
            take_over(b);
        else
            resume(b);
        break;
    case 11:
        quiesce(b);
        reset(b);
        break;
    case 12: take_over(b); break;
    case 13: take_over_damaged(b, in); break;
    case 14:
        if (what & 0x10)
            input_comes(h, in);
        else
            plugin_host_chr_room(&h->chr[0], take64(in, 1));
        break;
    default: h->wall = take64(in, 4) * NS_PER_S; break;
    }
    check_messages(b);
}

/* Whatever the user can choose: any word of a list, on or off. */
static void choose(struct rv_instance *h, unsigned choice)
{
    for (const struct rv_property *p = h->class->properties; p && p->name; p++) {
        unsigned count = 0;

        while (p->type == RV_PROPERTY_ENUM && p->choices[count])
            count++;
        if (count)
            plugin_host_set(h, p->name, p->choices[choice % count]);
        if (p->type == RV_PROPERTY_BOOL)
            plugin_host_set(h, p->name, choice & 1 ? "on" : "off");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct board b;
    struct input in = {data, size};
    unsigned choice = (unsigned)take64(&in, 1);

    plugin_host_init_class(&b.host, classes[choice % COUNT_OF(classes)], NULL, 0, 0);
    b.host.now = 1000 * NS_PER_S;
    b.host.wall = 1700000000 * NS_PER_S;
    b.host.quiet = true;
    choose(&b.host, choice / 5);
    CHECK(create(&b, 0) == 0);
    plugin_host_chr_room(&b.host.chr[0], 16);
    reset(&b);
    while (in.size) {
        step(&b, &in);
        if (b.host.requests && b.host.request != RV_REQUEST_RESET)
            break; /* the vmm ends */
        if (b.host.requests) {
            quiesce(&b);
            reset(&b);
        }
    }
    plugin_host_stop(&b.host);
    plugin_host_free(&b.host);
    return 0;
}
