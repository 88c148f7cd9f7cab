/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers of virtio-mmio, and the life of a device as they tell it: virtio 1.2, 4.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/virtio_driver.h"

#define QUEUES 2u
#define OWN    (1ull << 5 | 1ull << 50) /* features of the device type */

#define OFFERED (VIRTIO_RING_FEATURES | OWN | 1ull << 38)
#define SPLIT   (1ull << 32)
#define CONFIG  12u

struct setup {
    struct driver_world world;
    struct virtio_device virtio;
    struct driver_queue q;
    struct virtqueue_limits limits[QUEUES];
    struct virtio_device_config config;
    void *state;
    uint8_t space[CONFIG];
    bool refuse_features;
    bool reset_later;
    unsigned notified[QUEUES], resets, queue_resets, driver_oks;
};

static void on_notify(void *device, struct virtqueue *vq)
{
    ((struct setup *)device)->notified[vq->index]++;
}

static bool on_features(void *device, uint64_t features)
{
    return !((struct setup *)device)->refuse_features;
}

static void on_driver_ok(void *device)
{
    ((struct setup *)device)->driver_oks++;
}

static bool on_reset(void *device)
{
    struct setup *s = device;

    s->resets++;
    return !s->reset_later;
}

static bool on_queue_reset(void *device, struct virtqueue *vq)
{
    struct setup *s = device;

    s->queue_resets++;
    return !s->reset_later;
}

static void on_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    struct setup *s = device;

    assert_true(len != 0 && offset < CONFIG && len <= CONFIG - offset);
    memcpy(data, s->space + offset, len);
}

static void on_config_write(void *device, uint32_t offset, const void *data, size_t len)
{
    struct setup *s = device;

    assert_true(len != 0 && offset < CONFIG && len <= CONFIG - offset);
    memcpy(s->space + offset, data, len);
}

static const struct virtio_device_class device_class = {
    .id = 4,
    .notify = on_notify,
    .features_ok = on_features,
    .driver_ok = on_driver_ok,
    .reset = on_reset,
    .queue_reset = on_queue_reset,
    .config_read = on_config_read,
    .config_write = on_config_write,
};

static int setup(void **state)
{
    struct setup *s = calloc(1, sizeof(*s));
    struct virtio_env env;

    s->limits[0] = (struct virtqueue_limits){.size = 64};
    s->limits[1] = (struct virtqueue_limits){.size = 16};
    s->config = (struct virtio_device_config){OFFERED, CONFIG, QUEUES, s->limits};
    for (unsigned i = 0; i < CONFIG; i++)
        s->space[i] = (uint8_t)(0x10 + i);
    driver_world_init(&s->world);
    env = driver_env(&s->world);
    s->state = calloc(1, virtio_device_state_size(&s->config));
    assert_int_equal(virtio_device_init(&s->virtio, &device_class, s, &s->config, &env, s->state),
                     0);
    virtio_device_resume(&s->virtio);
    driver_queue_init(&s->q, &s->world, 0, 32, SPLIT);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct setup *s = *state;

    virtio_device_destroy(&s->virtio);
    driver_world_destroy(&s->world);
    free(s->state);
    free(s);
    return 0;
}

static uint32_t rd(struct setup *s, uint32_t reg)
{
    return driver_read(&s->virtio, reg);
}

static void wr(struct setup *s, uint32_t reg, uint32_t value)
{
    driver_write(&s->virtio, reg, value);
}

static void go(struct setup *s, uint64_t features)
{
    driver_queue_init(&s->q, &s->world, 0, 32, features);
    assert_true(driver_negotiate(&s->virtio, features));
    assert_true(driver_queue_enable(&s->virtio, &s->q));
    driver_ok(&s->virtio);
    assert_int_equal(rd(s, 0x070), 0xf);
}

static void pop_one(struct setup *s, struct virtq_chain *chain)
{
    struct driver_seg seg = {DRIVER_DATA, 8, true};

    assert_true(driver_add(&s->q, &seg, 1, false, s));
    assert_true(virtqueue_pop(virtio_device_queue(&s->virtio, 0), chain));
}

static void registers_after_reset_read_as_table_4_1_says(void **state)
{
    static const struct {
        uint32_t reg;
        uint32_t value;
    } regs[] = {
        {0x000, 0x74726976}, {0x004, 2},          {0x008, 4},          {0x010, (uint32_t)OFFERED},
        {0x014, 0},          {0x020, 0},          {0x024, 0},          {0x030, 0},
        {0x034, 64},         {0x038, 0},          {0x044, 0},          {0x050, 0},
        {0x060, 0},          {0x064, 0},          {0x070, 0},          {0x080, 0},
        {0x0a4, 0},          {0x0b0, 0xffffffff}, {0x0b4, 0xffffffff}, {0x0b8, 0xffffffff},
        {0x0bc, 0xffffffff}, {0x0c0, 0},          {0x0f0, 0},
    };
    struct setup *s = *state;

    for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++)
        if (rd(s, regs[i].reg) != regs[i].value)
            fail_msg("register 0x%x is 0x%x", regs[i].reg, rd(s, regs[i].reg));
    assert_int_not_equal(rd(s, 0x00c), 0);
}

static void selectors_select(void **state)
{
    struct setup *s = *state;

    wr(s, 0x014, 1);
    assert_int_equal(rd(s, 0x010), (uint32_t)(OFFERED >> 32));
    wr(s, 0x014, 2);
    assert_int_equal(rd(s, 0x010), 0);
    wr(s, 0x014, 0xffffffff);
    assert_int_equal(rd(s, 0x010), 0);
    wr(s, 0x030, 1);
    assert_int_equal(rd(s, 0x034), 16);
    wr(s, 0x030, QUEUES);
    assert_int_equal(rd(s, 0x034), 0);
    wr(s, 0x030, 0xffffffff);
    assert_int_equal(rd(s, 0x034), 0);
    /* And nothing happens to a queue that is not there. */
    for (uint32_t reg = 0x038; reg <= 0x0c0; reg += 4)
        if (reg != 0x050 && reg != 0x064 && reg != 0x070)
            wr(s, reg, 1);
    assert_int_equal(rd(s, 0x044), 0);
}

static void registers_take_no_width_but_32_bits(void **state)
{
    static const unsigned widths[] = {1, 2, 8};
    struct setup *s = *state;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(virtio_mmio_read(&s->virtio, 0x000, widths[i]), 0);
        virtio_mmio_write(&s->virtio, 0x070, widths[i], 1);
    }
    assert_int_equal(virtio_mmio_read(&s->virtio, 0x002, 4), 0);
    virtio_mmio_write(&s->virtio, 0x06e, 4, 0x10000);
    assert_int_equal(rd(s, 0x070), 0);
    assert_int_equal(s->world.logs, 1);
}

/* EDK2's driver writes the legacy QueueAlign to modern devices, too: no reason to warn anybody. */
static void queue_align_of_legacy_devices_is_ignored_in_silence(void **state)
{
    struct setup *s = *state;

    wr(s, 0x03c, 4096);
    assert_int_equal(rd(s, 0x03c), 0);
    assert_int_equal(s->world.logs, 0);
    wr(s, 0x040, 1); /* QueuePFN means something else there */
    assert_int_equal(s->world.logs, 1);
}

static void config_space_takes_any_width_and_alignment(void **state)
{
    static const unsigned widths[] = {1, 2, 4, 8};
    struct setup *s = *state;

    for (unsigned i = 0; i < 4; i++) {
        for (unsigned at = 0; at <= CONFIG + 8; at++) {
            uint64_t want = 0;

            for (unsigned k = 0; k < widths[i]; k++)
                want |= at + k < CONFIG ? (uint64_t)(0x10 + at + k) << 8 * k : 0;
            assert_true(virtio_mmio_read(&s->virtio, 0x100 + at, widths[i]) == want);
        }
    }
    virtio_mmio_write(&s->virtio, 0x103, 2, 0xbbaa);
    virtio_mmio_write(&s->virtio, 0x10a, 8, 0x1122334455667788);
    virtio_mmio_write(&s->virtio, 0x10c, 4, 0xffffffff);
    virtio_mmio_write(&s->virtio, 0x1f8, 8, ~0ull);
    assert_memory_equal(s->space, "\x10\x11\x12\xaa\xbb\x15\x16\x17\x18\x19\x88\x77", CONFIG);
}

static void config_change_interrupts_once_the_driver_is_ok(void **state)
{
    struct setup *s = *state;
    uint32_t generation = rd(s, 0x0fc);

    virtio_device_config_changed(&s->virtio);
    assert_int_not_equal(rd(s, 0x0fc), generation);
    assert_int_equal(rd(s, 0x060), 0);
    go(s, SPLIT);
    generation = rd(s, 0x0fc);
    virtio_device_config_changed(&s->virtio);
    assert_int_not_equal(rd(s, 0x0fc), generation);
    assert_int_equal(rd(s, 0x060), 2);
    assert_true(s->world.irq);
}

static void interrupt_line_is_high_until_all_is_acknowledged(void **state)
{
    struct setup *s = *state;
    struct virtqueue *vq = virtio_device_queue(&s->virtio, 0);
    struct virtq_chain chain;
    unsigned rises;

    go(s, SPLIT);
    pop_one(s, &chain);
    virtqueue_push(vq, &chain, 8);
    assert_int_equal(rd(s, 0x060), 0);
    virtqueue_flush_notify(vq);
    assert_int_equal(rd(s, 0x060), 1);
    virtio_device_config_changed(&s->virtio);
    assert_int_equal(rd(s, 0x060), 3);
    wr(s, 0x064, 0xfffffffc);
    assert_true(s->world.irq);
    rises = s->world.rises;
    wr(s, 0x064, 1);
    assert_int_equal(rd(s, 0x060), 2);
    assert_true(s->world.irq);
    assert_int_equal(s->world.rises, rises + 1); /* an edge for what is left */
    wr(s, 0x064, 2);
    assert_int_equal(rd(s, 0x060), 0);
    assert_false(s->world.irq);
    virtqueue_flush_notify(vq);
    assert_false(s->world.irq);
}

/* Each row: what is written to Status in turn, and what it reads then. */
static void status_moves_in_the_order_of_3_1_1(void **state)
{
    static const struct {
        unsigned count;
        uint32_t writes[5];
        uint32_t reads;
    } rows[] = {
        {4, {1, 3, 0xb, 0xf}, 0xf},
        {2, {3, 0xf}, 0xf},       /* several steps at once */
        {1, {0xf}, 0xf},          /* and all of them */
        {3, {2, 0xa, 0xe}, 0xe},  /* without ACKNOWLEDGE, as U-Boot does */
        {2, {1, 9}, 1},           /* FEATURES_OK without DRIVER */
        {3, {1, 3, 7}, 3},        /* DRIVER_OK without FEATURES_OK */
        {4, {1, 3, 0xb, 3}, 0xb}, /* takes back */
        {5, {1, 3, 0xb, 0xf, 1}, 0xf},
        {2, {1, 0x43}, 3}, /* NEEDS_RESET is the device's */
        {3, {1, 3, 0xffffff30}, 3},
        {2, {1, 0x31}, 1}, /* bits that are not defined */
        {1, {0x80}, 0x80}, /* FAILED at any time */
        {3, {1, 3, 0x83}, 0x83},
        {4, {1, 3, 0x83, 0}, 0},
        {1, {0x100}, 0},
    };
    struct setup *s = *state;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        wr(s, 0x070, 0);
        wr(s, 0x024, 1);
        wr(s, 0x020, 1);
        for (unsigned k = 0; k < rows[i].count; k++)
            wr(s, 0x070, rows[i].writes[k]);
        if (rd(s, 0x070) != rows[i].reads)
            fail_msg("row %u: status 0x%x", i, rd(s, 0x070));
    }
}

static void features_that_were_not_offered_are_refused(void **state)
{
    struct setup *s = *state;

    assert_false(driver_negotiate(&s->virtio, SPLIT | 1));
    assert_int_equal(rd(s, 0x070), 3);
    assert_false(driver_negotiate(&s->virtio, SPLIT | 1ull << 63));
    assert_false(driver_negotiate(&s->virtio, OFFERED & ~SPLIT)); /* a legacy driver */
    assert_int_equal(s->world.logs, 1);
    /* The driver may think again. */
    wr(s, 0x024, 1);
    wr(s, 0x020, 1);
    wr(s, 0x024, 0);
    wr(s, 0x020, 1u << 5);
    wr(s, 0x024, 7);
    wr(s, 0x020, 0xffffffff);
    wr(s, 0x070, 0xb);
    assert_int_equal(rd(s, 0x070), 0xb);
    assert_true(virtio_device_features(&s->virtio) == (SPLIT | 1u << 5));
    /* But not after that. */
    wr(s, 0x024, 0);
    wr(s, 0x020, 0);
    assert_true(virtio_device_features(&s->virtio) == (SPLIT | 1u << 5));
    s->refuse_features = true;
    assert_false(driver_negotiate(&s->virtio, SPLIT));
    assert_true(virtio_device_features(&s->virtio) == 0);
}

static void all_that_is_offered_may_be_accepted(void **state)
{
    struct setup *s = *state;

    go(s, OFFERED);
    assert_true(virtio_device_features(&s->virtio) == OFFERED);
}

static void queue_is_not_ready_before_features_ok(void **state)
{
    struct setup *s = *state;

    assert_false(driver_queue_enable(&s->virtio, &s->q));
    wr(s, 0x070, 1);
    wr(s, 0x070, 3);
    assert_false(driver_queue_enable(&s->virtio, &s->q));
    assert_int_equal(rd(s, 0x070), 3);
}

static void queue_size_over_the_maximum_is_refused(void **state)
{
    static const uint32_t bad[] = {65, 0, 128, 0x10010, 0xffffffff};
    struct setup *s = *state;
    struct virtq_state *queue = virtio_device_queue(&s->virtio, 0)->state;

    assert_int_equal(queue->size, 64); /* what a driver gets that does not say */
    wr(s, 0x038, 16);
    for (unsigned i = 0; i < 5; i++) {
        wr(s, 0x038, bad[i]);
        assert_int_equal(queue->size, 16);
    }
}

static void registers_of_a_ready_queue_do_not_change(void **state)
{
    struct setup *s = *state;
    struct virtq_state before;

    go(s, SPLIT);
    wr(s, 0x030, 0);
    before = *virtio_device_queue(&s->virtio, 0)->state;
    wr(s, 0x038, 8);
    for (uint32_t reg = 0x080; reg <= 0x0a4; reg += 4)
        wr(s, reg, 0x50000000);
    wr(s, 0x044, 1);
    assert_memory_equal(&before, virtio_device_queue(&s->virtio, 0)->state, sizeof(before));
}

static void rings_that_cannot_be_break_the_device(void **state)
{
    static const struct {
        uint64_t desc, avail, used;
        uint32_t size;
        uint64_t features;
    } rows[] = {
        {0x40000008, 0x40005000, 0x40008000, 32, SPLIT}, /* alignment: table in 2.7 */
        {0x40000000, 0x40005001, 0x40008000, 32, SPLIT},
        {0x40000000, 0x40005000, 0x40008002, 32, SPLIT},
        {0x40000000, 0x40005002, 0x40008000, 32, SPLIT | 1ull << 34},
        {0x40000000, 0x40005000, 0x40008000, 24, SPLIT}, /* not a power of two */
        {0x3ffffff0, 0x40005000, 0x40008000, 32, SPLIT}, /* not in RAM */
        {0x40000000, 0, 0x40008000, 32, SPLIT},
        {0x40000000, 0x40005000, 0x40400000 - 4, 32, SPLIT},
        {0x40000000, 0x40400000 - 68, 0x40008000, 32, SPLIT}, /* used_event is over the end */
        {0x40400000 - 496, 0x40005000, 0x40008000, 32, SPLIT | 1ull << 34},
        {0xfffffffffffffff0, 0x40005000, 0x40008000, 32, SPLIT},
        {0x40000000, 0x40005000, 0xfffffffffffffffc, 32, SPLIT | 1ull << 34},
    };
    struct setup *s = *state;

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        driver_queue_init(&s->q, &s->world, 0, rows[i].size, rows[i].features);
        s->q.desc = rows[i].desc;
        s->q.avail = rows[i].avail;
        s->q.used = rows[i].used;
        assert_true(driver_negotiate(&s->virtio, rows[i].features));
        if (driver_queue_enable(&s->virtio, &s->q))
            fail_msg("row %u is ready", i);
        assert_int_equal(rd(s, 0x070), 0x4b);
        assert_int_equal(rd(s, 0x060), 0); /* not before DRIVER_OK */
        driver_ok(&s->virtio);
        assert_int_equal(rd(s, 0x070), 0x4f);
        wr(s, 0x050, 0);
        assert_int_equal(s->notified[0], 0);
    }
    assert_int_equal(s->driver_oks, 0);
    assert_int_equal(s->world.logs, 1);
}

static void notifications_reach_queues_that_run(void **state)
{
    struct setup *s = *state;

    assert_true(driver_negotiate(&s->virtio, SPLIT));
    assert_true(driver_queue_enable(&s->virtio, &s->q));
    wr(s, 0x050, 0);
    assert_int_equal(s->notified[0], 0);
    assert_false(virtqueue_pop(virtio_device_queue(&s->virtio, 0), &(struct virtq_chain){0}));
    driver_ok(&s->virtio);
    assert_int_equal(s->driver_oks, 1);
    assert_int_equal(s->notified[0], 1); /* for what was there already */
    wr(s, 0x050, 0);
    assert_int_equal(s->notified[0], 2);
    wr(s, 0x050, 1); /* not ready */
    wr(s, 0x050, 2); /* not there */
    wr(s, 0x050, 0x10000);
    wr(s, 0x050, 0xffffffff);
    assert_int_equal(s->notified[0] + s->notified[1], 2);
}

static void notification_data_is_taken_apart(void **state)
{
    struct setup *s = *state;

    go(s, SPLIT | 1ull << 38);
    wr(s, 0x050, 0xabcd0000);
    assert_int_equal(s->notified[0], 2);
}

static void reset_at_every_step_gives_a_new_device(void **state)
{
    struct setup *s = *state;

    for (unsigned steps = 0; steps < 8; steps++) {
        struct virtqueue *vq = virtio_device_queue(&s->virtio, 0);
        struct virtq_chain chain = {0};
        unsigned resets = s->resets;

        driver_queue_init(&s->q, &s->world, 0, 32, SPLIT);
        if (steps > 0)
            wr(s, 0x070, 1);
        if (steps > 1)
            wr(s, 0x070, 3);
        if (steps > 2)
            assert_true(driver_negotiate(&s->virtio, SPLIT));
        if (steps > 3)
            assert_true(driver_queue_enable(&s->virtio, &s->q));
        if (steps > 4)
            driver_ok(&s->virtio);
        if (steps > 5)
            pop_one(s, &chain);
        if (steps > 6) {
            virtio_device_config_changed(&s->virtio);
            virtio_device_broken(&s->virtio, 0, "a test", 0);
            assert_true(s->world.irq);
        }
        resets = s->resets;
        wr(s, 0x070, 0);
        assert_int_equal(s->resets, resets + 1);
        assert_int_equal(rd(s, 0x070), 0);
        assert_int_equal(rd(s, 0x060), 0);
        assert_false(s->world.irq);
        wr(s, 0x030, 0);
        assert_int_equal(rd(s, 0x044), 0);
        assert_int_equal(vq->state->size, 64);
        assert_int_equal(vq->state->desc | vq->state->driver | vq->state->device, 0);
        assert_true(virtio_device_features(&s->virtio) == 0);
        assert_int_equal(virtqueue_inflight(vq), 0);
        /* A completion that comes late does nothing, then and in the device's next life. */
        memset(driver_at(&s->world, DRIVER_RINGS(0)), 0x55, 0x10000);
        virtqueue_push(vq, &chain, 8);
        virtqueue_flush_notify(vq);
        for (unsigned i = 0; i < 0x10000; i++)
            assert_int_equal(*(uint8_t *)driver_at(&s->world, DRIVER_RINGS(0) + i), 0x55);
        if (steps > 5) {
            struct virtq_chain next;

            go(s, SPLIT);
            pop_one(s, &next);
            virtqueue_push(vq, &chain, 8);
            virtqueue_flush_notify(vq);
            assert_false(driver_pending(&s->q));
            assert_int_equal(virtqueue_inflight(vq), 1);
            wr(s, 0x070, 0);
        }
    }
}

static void status_reads_0_only_when_a_reset_is_done(void **state)
{
    struct setup *s = *state;
    struct virtq_chain chain;
    unsigned resets;

    go(s, SPLIT);
    pop_one(s, &chain);
    resets = s->resets;
    s->reset_later = true;
    wr(s, 0x070, 0);
    assert_int_equal(rd(s, 0x070), 0xf);
    /* Nothing counts until then. */
    wr(s, 0x070, 1);
    wr(s, 0x070, 0);
    wr(s, 0x030, 1);
    wr(s, 0x050, 0);
    virtio_mmio_write(&s->virtio, 0x100, 1, 0xff);
    assert_int_equal(s->resets, resets + 1);
    assert_int_equal(rd(s, 0x034), 64);
    assert_int_equal(s->space[0], 0x10);
    virtqueue_push(virtio_device_queue(&s->virtio, 0), &chain, 8);
    virtqueue_flush_notify(virtio_device_queue(&s->virtio, 0));
    assert_false(driver_pending(&s->q));
    virtio_device_reset_done(&s->virtio);
    assert_int_equal(rd(s, 0x070), 0);
    virtio_device_reset_done(&s->virtio);
    s->reset_later = false;
    go(s, SPLIT);
}

/* The process ends, and another one goes on with what is left. */
static void another_process(struct setup *s)
{
    struct virtio_env env = driver_env(&s->world);

    virtio_device_destroy(&s->virtio);
    assert_int_equal(virtio_device_init(&s->virtio, &device_class, s, &s->config, &env, s->state),
                     0);
    virtio_device_resume(&s->virtio);
}

/* The device type has state of its own, which has to be that of a device after a reset, too. */
static void a_reset_that_was_not_done_is_made_anew_by_another_process(void **state)
{
    struct setup *s = *state;

    go(s, SPLIT);
    s->reset_later = true;
    wr(s, 0x030, 0);
    wr(s, 0x044, 0);
    assert_int_equal(s->queue_resets, 1);
    s->reset_later = false;
    another_process(s);
    assert_int_equal(s->queue_resets, 2);
    assert_int_equal(rd(s, 0x044), 0);
    assert_int_equal(rd(s, 0x070), 0xf);

    s->reset_later = true;
    s->resets = 0;
    wr(s, 0x070, 0);
    assert_int_equal(s->resets, 1);
    another_process(s); /* nothing that it could wait for is left */
    assert_int_equal(s->resets, 2);
    assert_int_equal(rd(s, 0x070), 0);
}

static void queue_reset_ends_one_queue(void **state)
{
    struct setup *s = *state;
    struct virtq_chain chain;

    go(s, SPLIT);
    wr(s, 0x0c0, 1); /* without VIRTIO_F_RING_RESET */
    assert_int_equal(s->queue_resets, 0);
    go(s, SPLIT | 1ull << 40);
    pop_one(s, &chain);
    wr(s, 0x030, 0);
    wr(s, 0x0c0, 0);
    assert_int_equal(s->queue_resets, 0);
    s->reset_later = true;
    wr(s, 0x0c0, 1);
    assert_int_equal(rd(s, 0x0c0), 1);
    assert_int_equal(rd(s, 0x044), 1);
    wr(s, 0x0c0, 1);
    wr(s, 0x044, 0);
    assert_int_equal(s->queue_resets, 1);
    virtqueue_push(virtio_device_queue(&s->virtio, 0), &chain, 8);
    virtio_device_queue_reset_done(&s->virtio, virtio_device_queue(&s->virtio, 0));
    assert_int_equal(rd(s, 0x0c0), 0);
    assert_int_equal(rd(s, 0x044), 0);
    assert_int_equal(rd(s, 0x070), 0xf);
    /* On again, with another size. */
    driver_queue_init(&s->q, &s->world, 0, 16, SPLIT);
    assert_true(driver_queue_enable(&s->virtio, &s->q));
    assert_int_equal(rd(s, 0x0c0), 0);
    virtqueue_push(virtio_device_queue(&s->virtio, 0), &chain, 8);
    assert_int_equal(virtqueue_inflight(virtio_device_queue(&s->virtio, 0)), 0);
    pop_one(s, &chain);
}

static void queue_ready_0_ends_one_queue(void **state)
{
    struct setup *s = *state;
    struct virtq_chain chain;

    go(s, SPLIT);
    pop_one(s, &chain);
    wr(s, 0x044, 0);
    assert_int_equal(rd(s, 0x044), 0);
    assert_int_equal(s->queue_resets, 1);
    virtqueue_push(virtio_device_queue(&s->virtio, 0), &chain, 8);
    virtqueue_flush_notify(virtio_device_queue(&s->virtio, 0));
    assert_false(driver_pending(&s->q));
    wr(s, 0x050, 0);
    assert_int_equal(s->notified[0], 1);
}

static void a_held_device_pushes_but_does_not_pop(void **state)
{
    struct setup *s = *state;
    struct driver_seg seg = {DRIVER_DATA, 8, true};
    struct virtqueue *vq = virtio_device_queue(&s->virtio, 0);
    struct virtq_chain chain;
    uint32_t len;

    go(s, SPLIT);
    pop_one(s, &chain);
    virtio_device_hold(&s->virtio);
    assert_true(driver_add(&s->q, &seg, 1, false, &len));
    assert_false(virtqueue_pop(vq, &chain));
    virtqueue_push(vq, &chain, 8);
    virtqueue_flush_notify(vq);
    assert_ptr_equal(driver_get(&s->q, &len), s);
    s->notified[0] = 0;
    virtio_device_resume(&s->virtio);
    assert_int_equal(s->notified[0], 1);
    assert_true(virtqueue_pop(vq, &chain));
}

/* ringvisor/device.h, "Quiet". It may be saved then, so the state has to say it. */
static void a_held_device_tells_of_its_configuration_when_it_goes_on(void **state)
{
    struct setup *s = *state;
    uint32_t generation;

    go(s, SPLIT);
    generation = rd(s, 0x0fc);
    virtio_device_hold(&s->virtio);
    assert_true(virtio_device_is_held(&s->virtio));
    virtio_device_config_changed(&s->virtio);
    assert_false(s->world.irq);
    assert_int_equal(rd(s, 0x060), 2);
    assert_int_not_equal(rd(s, 0x0fc), generation);
    virtio_device_resume(&s->virtio);
    assert_true(s->world.irq);
    assert_false(virtio_device_is_held(&s->virtio));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(registers_after_reset_read_as_table_4_1_says),
        TEST(selectors_select),
        TEST(registers_take_no_width_but_32_bits),
        TEST(queue_align_of_legacy_devices_is_ignored_in_silence),
        TEST(config_space_takes_any_width_and_alignment),
        TEST(config_change_interrupts_once_the_driver_is_ok),
        TEST(interrupt_line_is_high_until_all_is_acknowledged),
        TEST(status_moves_in_the_order_of_3_1_1),
        TEST(features_that_were_not_offered_are_refused),
        TEST(all_that_is_offered_may_be_accepted),
        TEST(queue_is_not_ready_before_features_ok),
        TEST(queue_size_over_the_maximum_is_refused),
        TEST(registers_of_a_ready_queue_do_not_change),
        TEST(rings_that_cannot_be_break_the_device),
        TEST(notifications_reach_queues_that_run),
        TEST(notification_data_is_taken_apart),
        TEST(reset_at_every_step_gives_a_new_device),
        TEST(status_reads_0_only_when_a_reset_is_done),
        TEST(a_reset_that_was_not_done_is_made_anew_by_another_process),
        TEST(queue_reset_ends_one_queue),
        TEST(queue_ready_0_ends_one_queue),
        TEST(a_held_device_pushes_but_does_not_pop),
        TEST(a_held_device_tells_of_its_configuration_when_it_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
