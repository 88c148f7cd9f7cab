/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small device of the board, one of five, on a core that is this file's. The guest makes
 * any access, time passes, the host's clock is set, characters come and go, and the vmm
 * stops, resets, dies and is followed by another one between any two of these, with the
 * state as it was or with a damaged one. Checked: that calls into the core make sense, that
 * nothing is left behind, that no guest can keep the loop busy by a timer or fill the log,
 * and that the next vmm shows the guest the same registers and lines.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <ringvisor/device.h>

#define CHECK(holds)    \
    do {                \
        if (!(holds)) { \
            abort();    \
        }               \
    } while (0)

#define NS_PER_S    1000000000ull
#define FIRED_MAX   64u /* of a timer, in one step */
#define MESSAGE_MAX 4u  /* of one process, and as many in each 10 s that pass */
#define STATE_MAX   256u
#define SHOWN       3u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each is built with ringvisor_device as its own name. */
extern const struct rv_device_class fuzz_pl011, fuzz_pl031, fuzz_pl061, fuzz_pvpanic, fuzz_sp805;
static const struct rv_device_class *const classes[] = {&fuzz_pl011, &fuzz_pl031, &fuzz_pl061,
                                                        &fuzz_pvpanic, &fuzz_sp805};

struct input {
    const uint8_t *data;
    size_t size;
};

struct rv_instance {
    const struct rv_device_class *class;
    void *device;
    uint64_t state[STATE_MAX / 8];
    uint64_t now, wall;
    uint64_t began; /* this process */
    uint64_t timer_at;
    bool timer, timer_set;
    void (*fired)(void *opaque);
    void *timer_opaque;
    const struct rv_chr_callbacks *chr;
    void *chr_opaque;
    size_t chr_room; /* of the reader of the output */
    bool chr_full;   /* it took fewer than it was given: writable() is due */
    bool inside;     /* of a chr_ call */
    bool irq;
    bool quiet;
    unsigned choice, messages;
    bool asked;
    enum rv_request request;
};

static uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && in->size != 0; i++, in->size--)
        value |= (uint64_t)*in->data++ << 8 * i;
    return value;
}

/*
 * The core
 */

static void host_log(struct rv_instance *h, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *h, enum rv_log_level level, const char *fmt, ...)
{
    CHECK(fmt[0]);
    if (level <= RV_LOG_WARN)
        CHECK(++h->messages <= MESSAGE_MAX * (1 + (h->now - h->began) / (10 * NS_PER_S)));
}

static void host_irq_set(struct rv_instance *h, unsigned line, bool level)
{
    CHECK(line < h->class->irq_lines && !(h->class->irq_edge >> line & 1));
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
    CHECK(!h->timer);
    h->timer = true;
    h->fired = fired;
    h->timer_opaque = opaque;
    return (struct rv_timer *)(void *)h;
}

static void host_timer_set(struct rv_instance *h, struct rv_timer *timer, uint64_t at)
{
    CHECK((void *)timer == h && h->timer);
    h->timer_at = at;
    h->timer_set = true;
}

static void host_timer_cancel(struct rv_instance *h, struct rv_timer *timer)
{
    CHECK((void *)timer == h && h->timer);
    h->timer_set = false;
}

static void host_timer_free(struct rv_instance *h, struct rv_timer *timer)
{
    CHECK((void *)timer == h && h->timer);
    h->timer = h->timer_set = false;
}

static const char *host_property_string(struct rv_instance *h, const char *name)
{
    (void)h;
    CHECK(name[0]);
    return NULL;
}

static bool host_property_bool(struct rv_instance *h, const char *name)
{
    CHECK(name[0]);
    return h->choice & 1;
}

static unsigned host_property_enum(struct rv_instance *h, const char *name)
{
    unsigned count = 0;

    for (const struct rv_property *p = h->class->properties; strcmp(p->name, name) != 0; p++)
        CHECK(p[1].name);
    while (h->class->properties[0].choices[count])
        count++;
    return h->choice % count;
}

static void host_request(struct rv_instance *h, enum rv_request what, int code)
{
    CHECK((unsigned)what <= RV_REQUEST_PANIC);
    CHECK(what != RV_REQUEST_POWER_OFF || (code >= 0 && code <= 125));
    h->asked = true;
    h->request = what;
}

static struct rv_chr *host_chr_open(struct rv_instance *h, const char *spec,
                                    const struct rv_chr_callbacks *callbacks, void *opaque)
{
    CHECK(!h->chr && !spec);
    h->chr = callbacks;
    h->chr_opaque = opaque;
    return (struct rv_chr *)(void *)h;
}

static size_t host_chr_write(struct rv_instance *h, struct rv_chr *chr, const uint8_t *data,
                             size_t len)
{
    volatile uint8_t sum = 0;
    size_t n = len < h->chr_room ? len : h->chr_room;

    CHECK((void *)chr == h && h->chr);
    for (size_t i = 0; i < len; i++) /* all of it can be read */
        sum = (uint8_t)(sum + data[i]);
    h->chr_room -= n;
    h->chr_full |= n < len;
    return n;
}

static void host_chr_accept(struct rv_instance *h, struct rv_chr *chr)
{
    CHECK((void *)chr == h && h->chr);
}

static void host_chr_close(struct rv_instance *h, struct rv_chr *chr)
{
    CHECK((void *)chr == h && h->chr);
    h->chr = NULL;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .irq_set = host_irq_set,
    .now_ns = host_now,
    .wall_ns = host_wall,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
    .property_string = host_property_string,
    .property_bool = host_property_bool,
    .property_enum = host_property_enum,
    .request = host_request,
    .chr_open = host_chr_open,
    .chr_write = host_chr_write,
    .chr_accept = host_chr_accept,
    .chr_close = host_chr_close,
};

/*
 * Its life
 */

static int create(struct rv_instance *h, uint32_t flags)
{
    void *state = h->class->state_size ? h->state : NULL;

    CHECK(h->class->state_size <= sizeof(h->state));
    return h->class->create(h, &ops, state, flags, &h->device);
}

static void resume(struct rv_instance *h)
{
    h->quiet = false;
    if (h->class->resume)
        h->class->resume(h->device);
}

static void quiesce(struct rv_instance *h)
{
    /* None of them has anything in flight. */
    CHECK(!h->class->quiesce || h->quiet || h->class->quiesce(h->device) == 0);
    h->quiet = true;
}

static void reset(struct rv_instance *h)
{
    h->asked = false;
    h->class->reset(h->device);
    CHECK(!h->irq);
    resume(h);
}

static void destroy(struct rv_instance *h)
{
    h->class->destroy(h->device);
    CHECK(!h->timer && !h->chr);
}

/* Registers whose reads change nothing. A device may have others there, but no FIFO. */
static void show(struct rv_instance *h, uint64_t shown[SHOWN][16])
{
    static const uint64_t starts[SHOWN] = {0, 0x400, 0xc00};

    for (unsigned i = 0; i < SHOWN; i++) {
        for (unsigned r = 0; r < 16; r++) {
            uint64_t offset = starts[i] + 4 * r;

            shown[i][r] = 0;
            if (offset + 4 <= h->class->mmio_size && !(h->class == &fuzz_pl011 && offset == 0))
                CHECK(h->class->read(h->device, offset, 4, &shown[i][r]) == 0);
        }
    }
}

/* The vmm dies. The next one takes the device over. */
static void take_over(struct rv_instance *h)
{
    uint64_t before[SHOWN][16], after[SHOWN][16];
    bool irq = h->irq;

    show(h, before);
    destroy(h);
    h->irq = false;
    h->messages = 0;
    h->began = h->now;
    CHECK(create(h, RV_CREATE_RESUME) == 0);
    show(h, after);
    CHECK(h->irq == irq && memcmp(before, after, sizeof(before)) == 0);
    resume(h);
}

/* And finds something else there: it may refuse that, and must say so. */
static void take_over_damaged(struct rv_instance *h, struct input *in)
{
    size_t size = h->class->state_size;

    destroy(h);
    for (unsigned n = (unsigned)take(in, 1) % 8; size && n; n--) {
        size_t at = take(in, 1) % size;

        ((uint8_t *)h->state)[at] = (uint8_t)take(in, 1);
    }
    h->irq = false;
    h->messages = 0;
    h->began = h->now;
    if (create(h, RV_CREATE_RESUME) == 0) {
        resume(h);
        return;
    }
    CHECK(h->messages && !h->timer && !h->chr);
    memset(h->state, 0, sizeof(h->state));
    CHECK(create(h, 0) == 0);
    reset(h);
}

/* What falls due happens, until it is too much: then the vmm has not run for the rest. */
static void pass(struct rv_instance *h, uint64_t ns)
{
    uint64_t start = h->now, end = h->now + ns;
    unsigned fired = 0;

    while (h->timer_set && h->timer_at <= end && fired < FIRED_MAX) {
        if (h->timer_at > h->now) {
            h->wall += h->timer_at - h->now;
            h->now = h->timer_at;
        }
        h->timer_set = false;
        h->fired(h->timer_opaque);
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
    size_t room, n = take(in, 1) % sizeof(bytes);

    if (!h->chr || !h->chr->receive)
        return;
    room = h->chr->can_receive(h->chr_opaque);
    n = n < room ? n : room;
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)take(in, 1);
    if (n)
        h->chr->receive(h->chr_opaque, bytes, n);
}

static void reader_comes(struct rv_instance *h, struct input *in)
{
    h->chr_room = take(in, 1);
    if (!h->chr || !h->chr_full || !h->chr_room)
        return;
    h->chr_full = false;
    h->chr->writable(h->chr_opaque);
}

/*
 * The guest
 */

static uint64_t take_offset(const struct rv_instance *h, struct input *in, unsigned size)
{
    static const uint64_t near[] = {0, 0x400, 0xc00, 0xfc0};
    uint64_t choice = take(in, 1), offset = near[choice >> 6] + (choice & 0x3f);

    if (choice == 0x3f)
        offset = take(in, 2);
    if (h->class->mmio_size < size)
        return 0;
    return offset % (h->class->mmio_size - size + 1) / size * size;
}

static uint32_t take_value(struct input *in)
{
    uint64_t choice = take(in, 1);

    switch (choice) {
    case 0xff: return UINT32_MAX;
    case 0xfe: return 0x1acce551;
    case 0xfd: return (uint32_t)take(in, 4);
    case 0xfc: return (uint32_t)take(in, 1) << 24;
    default: return (uint32_t)choice;
    }
}

static void access_registers(struct rv_instance *h, struct input *in, bool is_write, unsigned size)
{
    uint64_t offset = take_offset(h, in, size), value = 0;
    int error;

    if (size > h->class->mmio_size)
        return; /* the bus lets none through that is not inside */
    if (is_write)
        error = h->class->write(h->device, offset, size,
                                size == 8 ? take(in, 8)
                                          : take_value(in) & (UINT64_MAX >> (64 - 8 * size)));
    else
        error = h->class->read(h->device, offset, size, &value);
    CHECK(error <= 0);
    CHECK(size != 4 || error == 0); /* a whole register is always there, or reads as 0 */
}

static void step(struct rv_instance *h, struct input *in)
{
    static const uint64_t units[] = {1000, 1000000, NS_PER_S, 60 * NS_PER_S};
    unsigned what = (unsigned)take(in, 1);

    switch (what & 0xf) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: access_registers(h, in, true, what & 0x10 ? 1u << (what >> 6) : 4); break;
    case 5:
    case 6: access_registers(h, in, false, what & 0x10 ? 1u << (what >> 6) : 4); break;
    case 7:
    case 8: pass(h, take(in, 1) * units[what >> 6]); break;
    case 9:
        if (h->class->event)
            h->class->event(h->device, RV_EVENT_POWER_BUTTON);
        break;
    case 10:
        quiesce(h);
        pass(h, take(in, 1) * units[what >> 6]);
        if (what & 0x10)
            take_over(h);
        else
            resume(h);
        break;
    case 11:
        quiesce(h);
        reset(h);
        break;
    case 12: take_over(h); break;
    case 13: take_over_damaged(h, in); break;
    case 14:
        if (what & 0x10)
            input_comes(h, in);
        else
            reader_comes(h, in);
        break;
    default: h->wall = take(in, 4) * NS_PER_S; break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    unsigned choice = (unsigned)take(&in, 1);
    struct rv_instance h = {
        .class = classes[choice % (sizeof(classes) / sizeof(classes[0]))],
        .choice = choice / 5,
        .now = 1000 * NS_PER_S,
        .began = 1000 * NS_PER_S,
        .wall = 1700000000 * NS_PER_S,
        .chr_room = 16,
    };

    CHECK(create(&h, 0) == 0);
    reset(&h);
    while (in.size) {
        step(&h, &in);
        if (h.asked && h.request != RV_REQUEST_RESET)
            break; /* the vmm ends */
        if (h.asked) {
            quiesce(&h);
            reset(&h);
        }
    }
    destroy(&h);
    return 0;
}
