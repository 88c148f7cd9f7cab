/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device whose driver does anything: register accesses of all widths,
 * and any bytes in a RAM that is small enough for them to mean something. The
 * device reads and writes all that its chains give it, holds some back, resets,
 * and is taken over by another process at any moment. Checked: that chains are
 * inside of RAM and within their limits, that all of it ends, and that the
 * state is always one that can be taken over.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <ringvisor/virtio/iov.h>
#include <ringvisor/virtio/virtio_mmio.h>
#include "tests/fuzz/fuzz_input.h"
#include "tests/unit/support/check.h"

#define RAM_BASE 0x1000u
#define RAM_SIZE 0x2000u
#define QUEUES   2u
#define HELD     8u
#define CONFIG   16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
    uint8_t *ram;
    struct virtio_device virtio;
    void *state;
    struct virtq_chain held[HELD];
    struct virtqueue *held_of[HELD];
    unsigned held_count;
    unsigned work; /* what is left of a step's: a device that ends is one that yields */
    uint8_t choice;
    bool irq;
};

static const struct virtqueue_limits limits[QUEUES] = {{.size = 16}, {.size = 64, .segs = 8}};
static const struct virtio_device_config config = {
    VIRTIO_RING_FEATURES | VIRTIO_FEATURE(VIRTIO_F_NOTIFICATION_DATA), CONFIG, QUEUES, limits};

/* The world */

static void *span(void *opaque, uint64_t ipa, uint64_t len, bool write)
{
    struct fuzz *f = opaque;

    CHECK(len != 0);
    if (ipa < RAM_BASE || ipa - RAM_BASE > RAM_SIZE || len > RAM_SIZE - (ipa - RAM_BASE))
        return NULL;
    return f->ram + (ipa - RAM_BASE);
}

static void dirty(void *opaque, uint64_t ipa, uint64_t len)
{
    CHECK(span(opaque, ipa, len, true));
}

static void irq(void *opaque, bool level)
{
    ((struct fuzz *)opaque)->irq = level;
}

static void message(void *opaque, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void message(void *opaque, const char *fmt, ...)
{
}

/* The device */

static void check_chain(struct fuzz *f, const struct virtqueue *vq, const struct virtq_chain *chain)
{
    unsigned count = chain->readable_count + chain->writable_count;

    CHECK(count <= (limits[vq->index].segs ? limits[vq->index].segs : limits[vq->index].size));
    for (unsigned i = 0; i < count; i++) {
        const struct iovec *iov = &chain->readable[i];
        const uint8_t *base = iov->iov_base;

        CHECK(iov->iov_len != 0 && base >= f->ram && iov->iov_len <= RAM_SIZE);
        CHECK((size_t)(base - f->ram) <= RAM_SIZE - iov->iov_len);
    }
    CHECK(chain->writable == chain->readable + chain->readable_count);
    CHECK(iov_size(chain->readable, chain->readable_count) == chain->readable_bytes);
    CHECK(iov_size(chain->writable, chain->writable_count) == chain->writable_bytes);
}

static void done(struct fuzz *f, struct virtqueue *vq, const struct virtq_chain *chain)
{
    uint8_t bytes[64];
    size_t n;

    n = iov_read(chain->readable, chain->readable_count, 0, bytes, sizeof(bytes));
    CHECK(n <= sizeof(bytes) && n <= chain->readable_bytes);
    n = iov_fill(chain->writable, chain->writable_count, f->choice & 7u, f->choice,
                 f->choice & 8u ? SIZE_MAX : 8);
    CHECK(n <= chain->writable_bytes);
    virtqueue_push(vq, chain, f->choice & 16u ? SIZE_MAX : n);
}

static void take_chain(struct fuzz *f, struct virtqueue *vq, const struct virtq_chain *chain)
{
    check_chain(f, vq, chain);
    if (f->choice & 1u && f->held_count < HELD) {
        f->held[f->held_count] = *chain;
        f->held_of[f->held_count++] = vq;
        return;
    }
    done(f, vq, chain);
}

static void on_notify(void *device, struct virtqueue *vq)
{
    struct fuzz *f = device;
    struct virtq_chain chain;

    do {
        virtqueue_notify_disable(vq);
        while (f->work != 0 && virtqueue_pop(vq, &chain)) {
            f->work--;
            take_chain(f, vq, &chain);
        }
    } while (f->work != 0 && virtqueue_notify_enable(vq));
    virtqueue_flush_notify(vq);
}

static void on_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    take_chain(device, vq, chain);
}

static bool on_reset(void *device)
{
    return !(((struct fuzz *)device)->choice & 2u);
}

static bool on_queue_reset(void *device, struct virtqueue *vq)
{
    return on_reset(device);
}

static void on_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    CHECK(len != 0 && offset < CONFIG && len <= CONFIG - offset);
    memset(data, 0x5a, len);
}

static void on_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    CHECK(len != 0 && offset < CONFIG && len <= CONFIG - offset);
}

static const struct virtio_device_class device_class = {.id = 4,
                                                        .notify = on_notify,
                                                        .reset = on_reset,
                                                        .queue_reset = on_queue_reset,
                                                        .config_read = on_config_read,
                                                        .config_write = on_config_write,
                                                        .resubmit = on_resubmit};

static void start(struct fuzz *f)
{
    struct virtio_env env = {.opaque = f, .span = span, .dirty = dirty, .irq = irq, .log = message};

    CHECK(virtio_device_init(&f->virtio, &device_class, f, &config, &env, f->state) == 0);
    f->held_count = 0;
    virtio_device_resume(&f->virtio);
}

/* The driver, where it wants to get somewhere */

static void write32(struct fuzz *f, uint32_t reg, uint32_t value)
{
    virtio_mmio_write(&f->virtio, reg, 4, value);
}

static void bring_up(struct fuzz *f, uint32_t how)
{
    static const uint32_t areas[] = {VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
                                     VIRTIO_MMIO_QUEUE_USED_LOW};
    uint64_t optional = how & 0x80 ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0;

    optional |= how & 0x40 ? VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0;
    optional |= how & 0x20 ? VIRTIO_FEATURE(VIRTIO_F_RING_RESET) : 0;
    optional |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
    write32(f, VIRTIO_MMIO_STATUS, 0);
    write32(f, VIRTIO_MMIO_STATUS, 3);
    for (uint32_t i = 0; i < 2; i++) {
        write32(f, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
        write32(f, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(optional >> 32 * i));
    }
    write32(f, VIRTIO_MMIO_STATUS, 0xb);
    for (uint32_t q = 0; q < QUEUES; q++) {
        write32(f, VIRTIO_MMIO_QUEUE_SEL, q);
        write32(f, VIRTIO_MMIO_QUEUE_NUM, 1u << (how & 7u));
        for (uint32_t i = 0; i < 3; i++)
            write32(f, areas[i], RAM_BASE + 0x800 * q + 0x400 * (i == 1) + 0x600 * (i == 2));
        write32(f, VIRTIO_MMIO_QUEUE_READY, 1);
    }
    write32(f, VIRTIO_MMIO_STATUS, 0xf);
}

static void step(struct fuzz *f, struct input *in)
{
    static const unsigned sizes[] = {4, 1, 2, 8};
    uint8_t op = (uint8_t)take(in, 1);
    uint32_t where;

    f->choice = op >> 3;
    f->work = 128;
    switch (op & 7u) {
    case 0: /* a register, or the configuration space */
        where = take(in, 1) * 4;
        if (where < VIRTIO_MMIO_SIZE) {
            virtio_mmio_write(&f->virtio, where, 4, take(in, 4));
        } else {
            where %= VIRTIO_MMIO_SIZE - 8;
            virtio_mmio_write(&f->virtio, where, sizes[f->choice & 3u], take(in, 4));
            virtio_mmio_read(&f->virtio, where, sizes[f->choice & 3u]);
        }
        break;
    case 1: /* memory */
        where = take(in, 2) % RAM_SIZE;
        for (unsigned n = take(in, 1); n != 0 && in->size != 0 && where < RAM_SIZE; n--)
            f->ram[where++] = (uint8_t)take(in, 1);
        break;
    case 2: write32(f, VIRTIO_MMIO_QUEUE_NOTIFY, f->choice & 1u); break;
    case 3: bring_up(f, take(in, 1)); break;
    case 4: /* one that was held is done, perhaps long after a reset */
        if (f->held_count != 0) {
            unsigned i = f->choice % f->held_count;
            struct virtq_chain chain = f->held[i];
            struct virtqueue *vq = f->held_of[i];

            f->held[i] = f->held[--f->held_count];
            f->held_of[i] = f->held_of[f->held_count];
            virtqueue_push(vq, &chain, f->choice);
            virtqueue_flush_notify(vq);
        }
        break;
    case 5:
        virtio_device_reset_done(&f->virtio);
        virtio_device_queue_reset_done(&f->virtio, virtio_device_queue(&f->virtio, f->choice & 1u));
        break;
    case 6: virtio_device_config_changed(&f->virtio); break;
    default: /* the process ends */
        virtio_device_destroy(&f->virtio);
        start(f);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct fuzz f = {.ram = aligned_alloc(4096, RAM_SIZE),
                     .state = calloc(1, virtio_device_state_size(&config))};

    CHECK(f.ram && f.state);
    memset(f.ram, 0, RAM_SIZE);
    f.work = 128;
    start(&f);
    while (in.size != 0) {
        step(&f, &in);
        CHECK(f.irq == (virtio_mmio_read(&f.virtio, VIRTIO_MMIO_INTERRUPT_STATUS, 4) != 0));
        for (unsigned i = 0; i < QUEUES; i++)
            CHECK(virtqueue_inflight(virtio_device_queue(&f.virtio, i)) <= limits[i].size);
    }
    virtio_device_destroy(&f.virtio);
    free(f.ram);
    free(f.state);
    return 0;
}
