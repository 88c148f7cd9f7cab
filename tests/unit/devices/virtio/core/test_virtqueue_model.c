/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver and a device that do what they like in any order, over more buffers
 * than the indices can count: each buffer arrives whole and once, in order, and
 * comes back whole and once; who sleeps is woken; and now and then the device's
 * process ends and another goes on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ringvisor/virtio/iov.h>
#include "tests/unit/support/virtio_driver.h"

#define BUFFERS   (2u * 65536u + 500u)
#define SEGS_MAX  6u
#define SEG_MAX   48u
#define DATA      0x200u /* bytes of data for each token */
#define UNTOUCHED 0xee

struct token {
    uint64_t seq;
    uint64_t data;
    struct driver_seg segs[SEGS_MAX];
    unsigned count;
    bool busy;
};

struct held {
    struct virtq_chain chain;
    uint64_t seq;
};

struct model {
    struct driver_world world;
    struct virtio_device virtio;
    struct driver_queue q;
    struct virtio_device_config config;
    struct virtqueue_limits limits;
    void *state;
    uint64_t seed;
    struct token tokens[DRIVER_RING_MAX];
    struct held held[DRIVER_RING_MAX];
    unsigned held_count;
    unsigned resubmitted;
    uint64_t added, popped, got;
    bool device_awake;
    bool driver_awake;
    unsigned kicks, suppressed, crashes;
};

static uint32_t rnd(struct model *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(m->seed >> 33) % below;
}

static uint8_t pattern(uint64_t seq, size_t i)
{
    return (uint8_t)(seq * 31 + i * 7 + 1);
}

static void on_notify(void *device, struct virtqueue *vq)
{
    struct model *m = device;

    m->device_awake = true;
}

/* The same buffer as before, in the order of the pops, and with what it held. */
static void on_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct model *m = device;
    struct held *h = &m->held[m->resubmitted++];
    uint64_t seq = 0;

    assert_true(m->resubmitted <= m->held_count);
    assert_int_equal(iov_read(chain->readable, chain->readable_count, 0, &seq, 8), 8);
    assert_int_equal(seq, h->seq);
    assert_int_equal(chain->readable_bytes, h->chain.readable_bytes);
    assert_int_equal(chain->writable_bytes, h->chain.writable_bytes);
    h->chain = *chain;
}

static const struct virtio_device_class device_class = {
    .id = 4, .notify = on_notify, .resubmit = on_resubmit};

static struct virtqueue *queue(struct model *m)
{
    return virtio_device_queue(&m->virtio, 0);
}

static void start(struct model *m)
{
    struct virtio_env env = driver_env(&m->world);

    assert_int_equal(virtio_device_init(&m->virtio, &device_class, m, &m->config, &env, m->state),
                     0);
    m->resubmitted = 0;
    virtio_device_resume(&m->virtio);
}

static void crash(struct model *m)
{
    virtio_device_destroy(&m->virtio);
    start(m);
    assert_int_equal(m->resubmitted, m->held_count);
    assert_int_equal(virtqueue_inflight(queue(m)), m->held_count);
    assert_true(m->device_awake); /* a notification may have been lost */
    assert_true(m->world.irq);    /* and an interrupt */
    m->crashes++;
}

/*
 * The driver
 */

static struct token *idle_token(struct model *m)
{
    for (unsigned i = 0; i < m->q.size; i++)
        if (!m->tokens[i].busy)
            return &m->tokens[i];
    return NULL;
}

static void fill(struct model *m, struct token *t)
{
    unsigned readable = 1 + rnd(m, 3), writable = rnd(m, SEGS_MAX - 2);
    uint64_t at = t->data;

    t->seq = m->added;
    t->count = readable + writable;
    memset(driver_at(&m->world, t->data), UNTOUCHED, DATA);
    memset(m->world.dirty + (t->data - DRIVER_RAM_BASE), 0, DATA);
    for (unsigned i = 0; i < t->count; i++) {
        uint32_t len = i == 0 ? 8 + rnd(m, SEG_MAX - 8) : rnd(m, SEG_MAX);
        uint8_t *bytes = driver_at(&m->world, at);

        /* Empty elements, whose address means nothing, are part of it. */
        t->segs[i] = (struct driver_seg){len ? at : ~0ull, len, i >= readable};
        for (uint32_t k = 0; k < len && i < readable; k++)
            bytes[k] = pattern(t->seq, at + k);
        if (i == 0)
            memcpy(bytes, &t->seq, 8);
        at += len + rnd(m, 2);
    }
}

static void driver_adds(struct model *m)
{
    bool any = false;

    for (unsigned n = 1 + rnd(m, 4); n != 0; n--) {
        struct token *t = idle_token(m);

        if (!t)
            break;
        fill(m, t);
        if (!driver_add(&m->q, t->segs, t->count, rnd(m, 3) == 0, t))
            break;
        t->busy = true;
        m->added++;
        any = true;
    }
    if (driver_kick(&m->q)) {
        m->kicks++;
        driver_notify(&m->virtio, 0);
        assert_true(m->device_awake);
    } else if (any) {
        m->suppressed++;
        assert_true(m->device_awake); /* or the device would never know */
    }
}

static void check_used(struct model *m, const struct token *t, uint32_t len)
{
    uint32_t done = 0;

    for (unsigned i = 0; i < t->count; i++) {
        const struct driver_seg *seg = &t->segs[i];

        for (uint32_t k = 0; k < seg->len; k++) {
            uint8_t byte = *(uint8_t *)driver_at(&m->world, seg->addr + k);
            bool dirty = m->world.dirty[seg->addr + k - DRIVER_RAM_BASE];

            if (seg->write) {
                assert_int_equal(byte, done < len ? pattern(t->seq, done) : UNTOUCHED);
                assert_int_equal(dirty, done < len);
                done++;
            } else {
                assert_false(dirty);
            }
        }
    }
    assert_true(len <= done);
}

static void driver_gets(struct model *m)
{
    struct token *t;
    uint32_t len;

    driver_irq_disable(&m->q);
    do {
        while ((t = driver_get(&m->q, &len)) != NULL) {
            assert_true(t->busy);
            check_used(m, t, len);
            t->busy = false;
            m->got++;
        }
        if (rnd(m, 4) == 0)
            return; /* goes on without interrupts */
    } while (driver_irq_enable(&m->q));
    m->driver_awake = false;
    driver_acknowledge(&m->virtio);
    assert_false(m->world.irq);
}

/*
 * The device
 */

static void device_pops(struct model *m)
{
    struct virtqueue *vq = queue(m);
    unsigned budget = 1 + rnd(m, 6);

    if (rnd(m, 2))
        virtqueue_notify_disable(vq);
    do {
        struct held *h = &m->held[m->held_count];

        while (budget-- != 0 && virtqueue_pop(vq, &h->chain)) {
            assert_int_equal(iov_read(h->chain.readable, h->chain.readable_count, 0, &h->seq, 8),
                             8);
            assert_int_equal(h->seq, m->popped++);
            assert_int_equal(iov_size(h->chain.readable, h->chain.readable_count),
                             h->chain.readable_bytes);
            h = &m->held[++m->held_count];
        }
        if (budget == UINT32_MAX)
            return; /* had enough, awake still */
        /* The race that notify_enable() is there for: nobody is told of these. */
        if (rnd(m, 4) == 0)
            driver_adds(m);
    } while (virtqueue_notify_enable(vq));
    m->device_awake = false;
    assert_int_equal(m->popped, m->added); /* or it sleeps on what nobody tells it of */
}

static void device_pushes(struct model *m)
{
    struct virtqueue *vq = queue(m);
    bool asleep = !m->driver_awake;
    unsigned rises;

    for (unsigned n = rnd(m, 5); n != 0 && m->held_count != 0; n--) {
        unsigned i = rnd(m, 2) ? 0 : rnd(m, m->held_count);
        struct held h = m->held[i];
        size_t written = rnd(m, (uint32_t)h.chain.writable_bytes + 1);

        for (size_t k = 0; k < written; k++)
            iov_write(h.chain.writable, h.chain.writable_count, k, &(uint8_t){pattern(h.seq, k)},
                      1);
        virtqueue_push(vq, &h.chain, written);
        memmove(&m->held[i], &m->held[i + 1], (--m->held_count - i) * sizeof(h));
    }
    if (rnd(m, 3) == 0)
        return;
    rises = m->world.rises;
    virtqueue_flush_notify(vq);
    if (asleep && driver_pending(&m->q))
        assert_true(m->world.irq); /* or the driver would never know */
    if (m->world.rises != rises)
        m->driver_awake = true;
}

static void run(uint64_t features, unsigned size, uint64_t seed)
{
    struct model *m = calloc(1, sizeof(*m));
    uint64_t limit = size >= 64 ? BUFFERS : BUFFERS / 8;

    assert_non_null(m);
    features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
    m->seed = seed;
    m->limits = (struct virtqueue_limits){.size = 256, .segs = 16};
    m->config = (struct virtio_device_config){VIRTIO_RING_FEATURES, 0, 1, &m->limits};
    m->state = calloc(1, virtio_device_state_size(&m->config));
    driver_world_init(&m->world);
    for (unsigned i = 0; i < DRIVER_RING_MAX; i++)
        m->tokens[i].data = DRIVER_DATA + (uint64_t)DATA * i;
    start(m);
    driver_queue_init(&m->q, &m->world, 0, size, features);
    assert_true(driver_negotiate(&m->virtio, features));
    assert_true(driver_queue_enable(&m->virtio, &m->q));
    driver_ok(&m->virtio);
    m->driver_awake = true;

    while (m->got < limit) {
        switch (rnd(m, 4)) {
        case 0: driver_adds(m); break;
        case 1:
            if (m->device_awake)
                device_pops(m);
            break;
        case 2: device_pushes(m); break;
        case 3:
            if (m->driver_awake)
                driver_gets(m);
            break;
        }
        if (rnd(m, 2000) == 0) {
            crash(m);
            m->driver_awake = true;
        }
        assert_int_equal(driver_status(&m->virtio), 0xf);
    }
    assert_int_equal(m->world.logs, 0);
    assert_true(m->kicks > 100 && m->suppressed > 100 && m->crashes > 2);

    virtio_device_destroy(&m->virtio);
    driver_world_destroy(&m->world);
    free(m->state);
    free(m);
}

#define PACKED VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define EVENT  VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX)

static void split_ring_loses_nothing(void **state)
{
    run(0, 64, 1);
    run(0, 8, 2);
}

static void split_ring_with_event_index_loses_nothing(void **state)
{
    run(EVENT, 128, 3);
    run(EVENT, 8, 4);
}

static void packed_ring_loses_nothing(void **state)
{
    run(PACKED, 64, 5);
    run(PACKED, 7, 6);
}

static void packed_ring_with_event_index_loses_nothing(void **state)
{
    run(PACKED | EVENT, 100, 7);
    run(PACKED | EVENT, 9, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_ring_loses_nothing),
        cmocka_unit_test(split_ring_with_event_index_loses_nothing),
        cmocka_unit_test(packed_ring_loses_nothing),
        cmocka_unit_test(packed_ring_with_event_index_loses_nothing),
    };

    int failed = cmocka_run_group_tests_name("virtio-mmio", tests, NULL, NULL);

    driver_on_pci = true;
    return failed + cmocka_run_group_tests_name("virtio-pci", tests, NULL, NULL);
}
