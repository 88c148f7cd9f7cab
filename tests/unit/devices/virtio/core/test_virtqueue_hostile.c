/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a driver must not put into a ring. Each case ends in DEVICE_NEEDS_RESET,
 * with a configuration change interrupt and one message, and a reset makes the
 * device whole again. The address sanitizer watches that nothing else is touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/virtio_driver.h"

#define SIZE 8u

#define NEXT     1u
#define WRITE    2u
#define INDIRECT 4u
#define AVAIL    (1u << 7)
#define USED     (1u << 15)

#define RAM_END (DRIVER_RAM_BASE + DRIVER_RAM_SIZE)
#define TABLE   DRIVER_TABLES(0)
#define DATA    DRIVER_DATA

#define BASIC          (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
#define SPLIT          BASIC
#define PACKED         (BASIC | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED))
#define NO_INDIRECT(f) ((f) & ~VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

struct setup {
    struct driver_world world;
    struct virtio_device virtio;
    struct driver_queue q;
    struct virtqueue_limits limits;
    struct virtio_device_config config;
    void *state;
    uint64_t features;
};

static void on_notify(void *device, struct virtqueue *vq)
{
}

static const struct virtio_device_class device_class = {.id = 4, .notify = on_notify};

static void bring_up(struct setup *s)
{
    driver_queue_init(&s->q, &s->world, 0, SIZE, s->features);
    assert_true(driver_negotiate(&s->virtio, s->features));
    assert_true(driver_queue_enable(&s->virtio, &s->q));
    driver_ok(&s->virtio);
}

static void begin(struct setup *s, uint64_t features)
{
    struct virtio_env env;

    *s = (struct setup){.limits = {.size = 16, .segs = 12}, .features = features};
    s->config = (struct virtio_device_config){VIRTIO_RING_FEATURES, 0, 1, &s->limits};
    driver_world_init(&s->world);
    env = driver_env(&s->world);
    s->state = calloc(1, virtio_device_state_size(&s->config));
    assert_int_equal(virtio_device_init(&s->virtio, &device_class, s, &s->config, &env, s->state),
                     0);
    virtio_device_resume(&s->virtio);
    bring_up(s);
}

static void end(struct setup *s)
{
    virtio_device_destroy(&s->virtio);
    driver_world_destroy(&s->world);
    free(s->state);
}

static struct virtqueue *queue(struct setup *s)
{
    return virtio_device_queue(&s->virtio, 0);
}

static void put16(struct setup *s, uint64_t at, uint32_t value)
{
    memcpy(driver_at(&s->world, at), &(uint16_t){(uint16_t)value}, 2);
}

/* A descriptor of 16 bytes, wherever. */
static void put(struct setup *s, uint64_t at, uint64_t addr, uint32_t len, uint32_t w12,
                uint32_t w14)
{
    memcpy(driver_at(&s->world, at), &addr, 8);
    memcpy(driver_at(&s->world, at + 8), &len, 4);
    put16(s, at + 12, w12);
    put16(s, at + 14, w14);
}

/* Descriptor `i` of the ring. */
static void desc(struct setup *s, unsigned i, uint64_t addr, uint32_t len, uint32_t flags,
                 uint32_t next)
{
    put(s, s->q.desc + 16 * i, addr, len, flags, next);
}

static void pdesc(struct setup *s, unsigned i, uint64_t addr, uint32_t len, uint32_t flags)
{
    put(s, s->q.desc + 16 * i, addr, len, i, flags);
}

/* The chain from `head` is the next available one. */
static void avail(struct setup *s, uint32_t head)
{
    put16(s, s->q.avail + 4 + 2ull * (s->q.next_avail % SIZE), head);
    put16(s, s->q.avail + 2, ++s->q.next_avail);
}

/* Split */

static void index_jumps(struct setup *s)
{
    put16(s, s->q.avail + 2, SIZE + 1);
}

static void index_goes_back(struct setup *s)
{
    put16(s, s->q.avail + 2, 0xffff);
}

static void head_past_the_queue(struct setup *s)
{
    avail(s, SIZE);
}

static void head_twice(struct setup *s)
{
    desc(s, 3, DATA, 16, 0, 0);
    avail(s, 3);
    avail(s, 3);
}

static void next_past_the_queue(struct setup *s)
{
    desc(s, 0, DATA, 16, NEXT, SIZE);
    avail(s, 0);
}

static void next_past_everything(struct setup *s)
{
    desc(s, 0, DATA, 16, NEXT, 0xffff);
    avail(s, 0);
}

static void descriptor_loops_to_itself(struct setup *s)
{
    desc(s, 5, DATA, 16, NEXT, 5);
    avail(s, 5);
}

static void descriptors_loop(struct setup *s)
{
    for (unsigned i = 0; i < SIZE; i++)
        desc(s, i, DATA, 0, NEXT, (i + 1) % SIZE);
    avail(s, 2);
}

static void buffer_below_ram(struct setup *s)
{
    desc(s, 0, DRIVER_RAM_BASE - 1, 2, 0, 0);
    avail(s, 0);
}

static void buffer_over_the_end(struct setup *s)
{
    desc(s, 0, RAM_END - 8, 9, WRITE, 0);
    avail(s, 0);
}

static void buffer_wraps(struct setup *s)
{
    desc(s, 0, ~0ull - 7, 0x10, WRITE, 0);
    avail(s, 0);
}

static void buffer_longer_than_all(struct setup *s)
{
    desc(s, 0, DRIVER_RAM_BASE, 0xffffffff, WRITE, 0);
    avail(s, 0);
}

static void readable_after_writable(struct setup *s)
{
    desc(s, 0, DATA, 16, WRITE | NEXT, 1);
    desc(s, 1, DATA, 16, 0, 0);
    avail(s, 0);
}

static void readable_after_empty_writable(struct setup *s)
{
    desc(s, 0, DATA, 0, WRITE | NEXT, 1);
    desc(s, 1, DATA, 16, 0, 0);
    avail(s, 0);
}

static void indirect_with_next(struct setup *s)
{
    put(s, TABLE, DATA, 16, 0, 0);
    desc(s, 0, TABLE, 16, INDIRECT | NEXT, 1);
    desc(s, 1, DATA, 16, 0, 0);
    avail(s, 0);
}

static void indirect_empty(struct setup *s)
{
    desc(s, 0, TABLE, 0, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_of_odd_length(struct setup *s)
{
    desc(s, 0, TABLE, 24, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_outside(struct setup *s)
{
    desc(s, 0, RAM_END, 16, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_over_the_end(struct setup *s)
{
    desc(s, 0, RAM_END - 16, 32, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_in_indirect(struct setup *s)
{
    put(s, TABLE, TABLE, 16, INDIRECT, 0);
    desc(s, 0, TABLE, 16, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_next_past_table(struct setup *s)
{
    put(s, TABLE, DATA, 16, NEXT, 2);
    put(s, TABLE + 32, DATA, 16, 0, 0);
    desc(s, 0, TABLE, 32, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_loops(struct setup *s)
{
    put(s, TABLE, DATA, 0, NEXT, 1);
    put(s, TABLE + 16, DATA, 0, NEXT, 0);
    desc(s, 0, TABLE, 32, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_too_many(struct setup *s)
{
    for (unsigned i = 0; i < 13; i++)
        put(s, TABLE + 16 * i, DATA, 1, i < 12 ? NEXT : 0, i + 1);
    desc(s, 0, TABLE, 13 * 16, INDIRECT, 0);
    avail(s, 0);
}

static void direct_and_indirect_too_many(struct setup *s)
{
    for (unsigned i = 0; i < 12; i++)
        put(s, TABLE + 16 * i, DATA, 1, i < 11 ? NEXT : 0, i + 1);
    desc(s, 0, DATA, 1, NEXT, 1);
    desc(s, 1, TABLE, 12 * 16, INDIRECT, 0);
    avail(s, 0);
}

static void indirect_not_negotiated(struct setup *s)
{
    put(s, TABLE, DATA, 16, 0, 0);
    desc(s, 0, TABLE, 16, INDIRECT, 0);
    avail(s, 0);
}

/* Packed */

static void packed_goes_on_into_nothing(struct setup *s)
{
    pdesc(s, 0, DATA, 16, AVAIL | NEXT);
}

static void packed_goes_on_into_used(struct setup *s)
{
    pdesc(s, 1, DATA, 16, AVAIL | USED);
    pdesc(s, 0, DATA, 16, AVAIL | NEXT);
}

/* All NEXT, with the wrap flags of each lap. */
static void packed_loops(struct setup *s)
{
    for (unsigned i = 0; i < SIZE; i++)
        pdesc(s, i, DATA, 0, AVAIL | NEXT);
}

/* The wrapped part claims descriptors of the first lap, which are in flight. */
static void packed_more_than_the_ring(struct setup *s)
{
    struct virtq_chain chain;

    for (unsigned i = 0; i < SIZE; i++)
        pdesc(s, i, DATA, 16, AVAIL);
    for (unsigned i = 0; i < SIZE; i++)
        assert_true(virtqueue_pop(queue(s), &chain));
    pdesc(s, 0, DATA, 16, USED);
}

static void packed_list_longer_than_free(struct setup *s)
{
    struct virtq_chain chain;

    for (unsigned i = 0; i < 4; i++)
        pdesc(s, i, DATA, 16, AVAIL);
    for (unsigned i = 0; i < 4; i++)
        assert_true(virtqueue_pop(queue(s), &chain));
    pdesc(s, 0, DATA, 16, USED);
    for (unsigned i = 4; i < 8; i++)
        pdesc(s, i, DATA, 16, AVAIL | NEXT);
}

static void packed_buffer_outside(struct setup *s)
{
    pdesc(s, 0, RAM_END - 1, 2, AVAIL);
}

static void packed_buffer_wraps(struct setup *s)
{
    pdesc(s, 0, ~0ull, 2, AVAIL);
}

static void packed_readable_after_writable(struct setup *s)
{
    pdesc(s, 1, DATA, 16, AVAIL);
    pdesc(s, 0, DATA, 16, AVAIL | WRITE | NEXT);
}

static void packed_indirect_in_list(struct setup *s)
{
    put(s, TABLE, DATA, 16, 0, 0);
    pdesc(s, 1, TABLE, 16, AVAIL | INDIRECT);
    pdesc(s, 0, DATA, 16, AVAIL | NEXT);
}

static void packed_indirect_with_next(struct setup *s)
{
    put(s, TABLE, DATA, 16, 0, 0);
    pdesc(s, 1, DATA, 16, AVAIL);
    pdesc(s, 0, TABLE, 16, AVAIL | INDIRECT | NEXT);
}

static void packed_indirect_empty(struct setup *s)
{
    pdesc(s, 0, TABLE, 0, AVAIL | INDIRECT);
}

static void packed_indirect_of_odd_length(struct setup *s)
{
    pdesc(s, 0, TABLE, 17, AVAIL | INDIRECT);
}

static void packed_indirect_outside(struct setup *s)
{
    pdesc(s, 0, RAM_END - 16, 32, AVAIL | INDIRECT);
}

static void packed_indirect_too_many(struct setup *s)
{
    for (unsigned i = 0; i < 13; i++)
        put(s, TABLE + 16 * i, DATA, 1, 0, 0);
    pdesc(s, 0, TABLE, 13 * 16, AVAIL | INDIRECT);
}

static void packed_indirect_whole_of_ram(struct setup *s)
{
    pdesc(s, 0, DRIVER_RAM_BASE, DRIVER_RAM_SIZE, AVAIL | INDIRECT);
}

static const struct {
    const char *name;
    void (*put)(struct setup *s);
    uint64_t features;
    unsigned good; /* chains that may be popped before */
} cases[] = {
    {"index_jumps", index_jumps, SPLIT, 0},
    {"index_goes_back", index_goes_back, SPLIT, 0},
    {"head_past_the_queue", head_past_the_queue, SPLIT, 0},
    {"head_twice", head_twice, SPLIT, 1},
    {"next_past_the_queue", next_past_the_queue, SPLIT, 0},
    {"next_past_everything", next_past_everything, SPLIT, 0},
    {"descriptor_loops_to_itself", descriptor_loops_to_itself, SPLIT, 0},
    {"descriptors_loop", descriptors_loop, SPLIT, 0},
    {"buffer_below_ram", buffer_below_ram, SPLIT, 0},
    {"buffer_over_the_end", buffer_over_the_end, SPLIT, 0},
    {"buffer_wraps", buffer_wraps, SPLIT, 0},
    {"buffer_longer_than_all", buffer_longer_than_all, SPLIT, 0},
    {"readable_after_writable", readable_after_writable, SPLIT, 0},
    {"readable_after_empty_writable", readable_after_empty_writable, SPLIT, 0},
    {"indirect_with_next", indirect_with_next, SPLIT, 0},
    {"indirect_empty", indirect_empty, SPLIT, 0},
    {"indirect_of_odd_length", indirect_of_odd_length, SPLIT, 0},
    {"indirect_outside", indirect_outside, SPLIT, 0},
    {"indirect_over_the_end", indirect_over_the_end, SPLIT, 0},
    {"indirect_in_indirect", indirect_in_indirect, SPLIT, 0},
    {"indirect_next_past_table", indirect_next_past_table, SPLIT, 0},
    {"indirect_loops", indirect_loops, SPLIT, 0},
    {"indirect_too_many", indirect_too_many, SPLIT, 0},
    {"direct_and_indirect_too_many", direct_and_indirect_too_many, SPLIT, 0},
    {"indirect_not_negotiated", indirect_not_negotiated, NO_INDIRECT(SPLIT), 0},
    {"packed_goes_on_into_nothing", packed_goes_on_into_nothing, PACKED, 0},
    {"packed_goes_on_into_used", packed_goes_on_into_used, PACKED, 0},
    {"packed_loops", packed_loops, PACKED, 0},
    {"packed_more_than_the_ring", packed_more_than_the_ring, PACKED, 0},
    {"packed_list_longer_than_free", packed_list_longer_than_free, PACKED, 0},
    {"packed_buffer_outside", packed_buffer_outside, PACKED, 0},
    {"packed_buffer_wraps", packed_buffer_wraps, PACKED, 0},
    {"packed_readable_after_writable", packed_readable_after_writable, PACKED, 0},
    {"packed_indirect_in_list", packed_indirect_in_list, PACKED, 0},
    {"packed_indirect_with_next", packed_indirect_with_next, PACKED, 0},
    {"packed_indirect_empty", packed_indirect_empty, PACKED, 0},
    {"packed_indirect_of_odd_length", packed_indirect_of_odd_length, PACKED, 0},
    {"packed_indirect_outside", packed_indirect_outside, PACKED, 0},
    {"packed_indirect_too_many", packed_indirect_too_many, PACKED, 0},
    {"packed_indirect_whole_of_ram", packed_indirect_whole_of_ram, PACKED, 0},
    {"packed_indirect_not_negotiated", packed_indirect_too_many, NO_INDIRECT(PACKED), 0},
};

/* A chain in flight before the case does its work: its push must do nothing after. */
static void check_stopped(struct setup *s, const char *name)
{
    struct virtqueue *vq = queue(s);
    struct virtq_chain chain;
    uint8_t *rings = driver_at(&s->world, DRIVER_RINGS(0));
    uint8_t *before = malloc(0x10000);

    assert_non_null(before);
    memcpy(before, rings, 0x10000);
    if (driver_status(&s->virtio) != 0x4f)
        fail_msg("%s: status 0x%x", name, driver_status(&s->virtio));
    assert_true(s->world.irq);
    assert_int_equal(driver_acknowledge(&s->virtio), 2);
    assert_false(s->world.irq);
    assert_int_equal(s->world.logs, 1);

    /* Nothing moves any more, and nobody is told again. */
    assert_false(virtqueue_pop(vq, &chain));
    assert_false(virtqueue_notify_enable(vq));
    virtqueue_notify_disable(vq);
    virtqueue_flush_notify(vq);
    driver_notify(&s->virtio, 0);
    assert_false(s->world.irq);
    assert_memory_equal(before, rings, 0x10000);
    free(before);
}

static void each_violation_stops_the_device_until_reset(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct virtq_chain chain, late;
        struct driver_seg seg = {DATA, 8, true};
        unsigned got = 0;
        struct setup s;

        begin(&s, cases[i].features);
        cases[i].put(&s);
        while (virtqueue_pop(queue(&s), &chain)) {
            late = chain;
            got++;
        }
        if (got != cases[i].good)
            fail_msg("%s: %u chains were popped", cases[i].name, got);
        if (got != 0)
            virtqueue_push(queue(&s), &late, 0);
        check_stopped(&s, cases[i].name);

        /* And on again. */
        bring_up(&s);
        assert_true(driver_add(&s.q, &seg, 1, false, &s));
        assert_true(virtqueue_pop(queue(&s), &chain));
        if (got != 0)
            virtqueue_push(queue(&s), &late, 0);
        assert_int_equal(virtqueue_inflight(queue(&s)), 1);
        virtqueue_push(queue(&s), &chain, 8);
        virtqueue_flush_notify(queue(&s));
        assert_ptr_equal(driver_get(&s.q, &(uint32_t){0}), &s);
        assert_int_equal(s.world.logs, 1);
        end(&s);
    }
}

/* Allowed, if unusual. */

static void split_chain_may_end_in_a_table(void **state)
{
    struct virtq_chain chain;
    struct setup s;

    begin(&s, SPLIT);
    desc(&s, 0, DATA, 10, NEXT, 4);
    /* WRITE means nothing beside INDIRECT; the table may have any address. */
    desc(&s, 4, TABLE + 3, 48, INDIRECT | WRITE, 0xffff);
    put(&s, TABLE + 3, DATA + 100, 20, NEXT, 2);
    put(&s, TABLE + 3 + 32, DATA + 200, 30, WRITE, 0xffff);
    avail(&s, 0);
    assert_true(virtqueue_pop(queue(&s), &chain));
    assert_int_equal(chain.readable_count, 2);
    assert_int_equal(chain.readable_bytes, 30);
    assert_int_equal(chain.writable_count, 1);
    assert_int_equal(chain.writable_bytes, 30);
    assert_ptr_equal(chain.writable[0].iov_base, driver_at(&s.world, DATA + 200));
    end(&s);
}

static void empty_buffers_may_be_anywhere(void **state)
{
    struct virtq_chain chain;
    struct setup s;

    begin(&s, SPLIT);
    desc(&s, 0, 0, 0, NEXT, 1);
    desc(&s, 1, ~0ull, 0, WRITE, 0);
    avail(&s, 0);
    assert_true(virtqueue_pop(queue(&s), &chain));
    assert_int_equal(chain.readable_count + chain.writable_count, 0);
    virtqueue_push(queue(&s), &chain, 100);
    end(&s);
}

/* 2.8.7: only WRITE counts in a packed ring's table. */
static void packed_table_ignores_other_flags(void **state)
{
    struct virtq_chain chain;
    struct setup s;

    begin(&s, PACKED);
    put(&s, TABLE, DATA, 16, 77, INDIRECT | NEXT | AVAIL);
    put(&s, TABLE + 16, DATA, 16, 77, WRITE | USED);
    pdesc(&s, 0, TABLE, 32, AVAIL | INDIRECT | WRITE);
    assert_true(virtqueue_pop(queue(&s), &chain));
    assert_int_equal(chain.readable_count, 1);
    assert_int_equal(chain.writable_count, 1);
    end(&s);
}

static void packed_garbage_in_reserved_flags_is_ignored(void **state)
{
    struct virtq_chain chain;
    struct setup s;

    begin(&s, PACKED);
    pdesc(&s, 0, DATA, 16, AVAIL | 0x7f78);
    assert_true(virtqueue_pop(queue(&s), &chain));
    /* Reserved event flags: an interrupt too many is better than one too few. */
    put16(&s, s.q.avail, 0xffff);
    put16(&s, s.q.avail + 2, 0xffff);
    virtqueue_push(queue(&s), &chain, 0);
    virtqueue_flush_notify(queue(&s));
    assert_true(s.world.irq);
    end(&s);
}

/* The device's bug must not become the guest's memory corruption. */
static void a_second_push_does_nothing(void **state)
{
    struct driver_seg seg = {DATA, 8, true};
    uint64_t formats[] = {SPLIT, PACKED};

    for (unsigned i = 0; i < 2; i++) {
        struct virtq_chain chain;
        struct setup s;
        uint32_t len;

        begin(&s, formats[i]);
        assert_true(driver_add(&s.q, &seg, 1, false, &s));
        assert_true(virtqueue_pop(queue(&s), &chain));
        virtqueue_push(queue(&s), &chain, 1000);
        virtqueue_push(queue(&s), &chain, 8);
        virtqueue_flush_notify(queue(&s));
        assert_ptr_equal(driver_get(&s.q, &len), &s);
        assert_int_equal(len, 8); /* never more than there is room for */
        assert_null(driver_get(&s.q, &len));
        assert_int_equal(s.world.logs, 1);
        end(&s);
    }
}

/*
 * A driver that makes a head available again before it sees it used: more is used in one go than
 * the ring has entries.
 */
static void what_is_said_to_be_written_is_never_more_than_the_ring(void **state)
{
    const unsigned area = 4 + 8 * SIZE + 2;
    struct setup s;

    begin(&s, SPLIT);
    desc(&s, 3, DATA, 16, WRITE, 0);
    for (unsigned i = 0; i < 3 * SIZE + 1; i++) {
        struct virtq_chain chain;

        avail(&s, 3);
        assert_true(virtqueue_pop(queue(&s), &chain));
        virtqueue_push(queue(&s), &chain, 1);
    }
    virtqueue_flush_notify(queue(&s));
    for (unsigned i = 0; i < 0x1000; i++)
        assert_int_equal(s.world.dirty[s.q.used - DRIVER_RAM_BASE + i],
                         i >= 2 && i < area - 2); /* the index and all elements */
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_violation_stops_the_device_until_reset),
        cmocka_unit_test(split_chain_may_end_in_a_table),
        cmocka_unit_test(empty_buffers_may_be_anywhere),
        cmocka_unit_test(packed_table_ignores_other_flags),
        cmocka_unit_test(packed_garbage_in_reserved_flags_is_ignored),
        cmocka_unit_test(a_second_push_does_nothing),
        cmocka_unit_test(what_is_said_to_be_written_is_never_more_than_the_ring),
    };

    int failed = cmocka_run_group_tests_name("virtio-mmio", tests, NULL, NULL);

    driver_on_pci = true;
    return failed + cmocka_run_group_tests_name("virtio-pci", tests, NULL, NULL);
}
