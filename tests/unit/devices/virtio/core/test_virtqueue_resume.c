/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that ends between any two of its stores, and another that goes on
 * with what it left: each buffer is used once. The stores that were not made are
 * taken back by hand in the state block and in the ring.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/virtio_driver.h"

#define SIZE 4u

#define SPLIT  (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))
#define PACKED (SPLIT | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED))

struct setup {
    struct driver_world world;
    struct virtio_device virtio;
    struct driver_queue q;
    struct virtqueue_limits limits;
    struct virtio_device_config config;
    struct virtio_state *state;
    struct virtq_chain again[SIZE];
    unsigned again_count;
    unsigned notified;
};

static void on_notify(void *device, struct virtqueue *vq)
{
    struct setup *s = device;

    s->notified++;
}

static void on_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    struct setup *s = device;

    assert_true(s->again_count < SIZE);
    s->again[s->again_count++] = *chain;
}

static const struct virtio_device_class device_class = {
    .id = 4, .notify = on_notify, .resubmit = on_resubmit};

static struct virtqueue *queue(struct setup *s)
{
    return virtio_device_queue(&s->virtio, 0);
}

static struct virtq_state *queue_state(struct setup *s)
{
    return (struct virtq_state *)(s->state + 1);
}

static struct virtq_inflight *slots(struct setup *s)
{
    return (struct virtq_inflight *)(queue_state(s) + 1);
}

static int init(struct setup *s)
{
    struct virtio_env env = driver_env(&s->world);

    return virtio_device_init(&s->virtio, &device_class, s, &s->config, &env, s->state);
}

static void begin(struct setup *s, uint64_t features)
{
    *s = (struct setup){.limits = {.size = SIZE}};
    s->config = (struct virtio_device_config){VIRTIO_RING_FEATURES, 0, 1, &s->limits};
    driver_world_init(&s->world);
    s->state = calloc(1, virtio_device_state_size(&s->config));
    assert_int_equal(init(s), 0);
    virtio_device_resume(&s->virtio);
    driver_queue_init(&s->q, &s->world, 0, SIZE, features);
    assert_true(driver_negotiate(&s->virtio, features));
    assert_true(driver_queue_enable(&s->virtio, &s->q));
    driver_ok(&s->virtio);
    s->notified = 0;
}

static void end(struct setup *s)
{
    virtio_device_destroy(&s->virtio);
    driver_world_destroy(&s->world);
    free(s->state);
}

static void die_and_go_on(struct setup *s)
{
    virtio_device_destroy(&s->virtio);
    s->again_count = 0;
    assert_int_equal(init(s), 0);
    /* Nothing of the guest's begins before the resume. */
    assert_false(virtqueue_pop(queue(s), &(struct virtq_chain){0}));
    assert_int_equal(s->notified, 0);
    virtio_device_resume(&s->virtio);
    assert_int_equal(s->notified, 1);
    s->notified = 0;
    assert_true(s->world.irq);
}

static int tokens[64];

/* Buffer `i` has i + 1 writable bytes, by which it is known again. */
static void add(struct setup *s, int i)
{
    struct driver_seg segs[2] = {{DRIVER_DATA + 64ull * (unsigned)i, (uint32_t)i + 1, true},
                                 {0, 0, true}};

    assert_true(driver_add(&s->q, segs, i % 2 ? 1 : 2, false, &tokens[i]));
}

static void pop(struct setup *s, int i, struct virtq_chain *chain)
{
    assert_true(virtqueue_pop(queue(s), chain));
    assert_int_equal(chain->writable_bytes, i + 1);
}

static void expect_used(struct setup *s, int i)
{
    uint32_t len;

    assert_ptr_equal(driver_get(&s->q, &len), &tokens[i]);
    assert_int_equal(len, i + 1);
}

static void for_both(void (*test)(struct setup *s))
{
    static const uint64_t formats[] = {SPLIT, PACKED};

    for (unsigned i = 0; i < 2; i++) {
        struct setup s;

        begin(&s, formats[i]);
        /* Not at the start of the ring, and past its end later. */
        for (int k = 0; k < 5; k++) {
            struct virtq_chain chain;

            add(&s, 1);
            pop(&s, 1, &chain);
            virtqueue_push(queue(&s), &chain, 2);
            virtqueue_flush_notify(queue(&s));
            expect_used(&s, 1);
        }
        test(&s);
        assert_int_equal(driver_read(&s.virtio, 0x070), 0xf);
        assert_int_equal(s.world.logs, 0);
        end(&s);
    }
}

static void not_taken(struct setup *s)
{
    uint64_t taken = queue_state(s)->taken;
    struct virtq_chain chain;

    add(s, 2);
    pop(s, 2, &chain);
    queue_state(s)->taken = taken;
    die_and_go_on(s);
    assert_int_equal(s->again_count, 0);
    pop(s, 2, &chain);
    virtqueue_push(queue(s), &chain, 3);
    virtqueue_flush_notify(queue(s));
    expect_used(s, 2);
}

static void a_chain_that_was_not_taken_is_popped_again(void **state)
{
    for_both(not_taken);
}

static void taken(struct setup *s)
{
    struct virtq_chain chain[3];

    /* Popped 2, 3, 5; 3 is done before, so the ring of a packed queue is overwritten. */
    add(s, 2);
    pop(s, 2, &chain[0]);
    add(s, 3);
    pop(s, 3, &chain[1]);
    add(s, 5);
    pop(s, 5, &chain[2]);
    virtqueue_push(queue(s), &chain[1], 4);
    virtqueue_flush_notify(queue(s));
    expect_used(s, 3);
    add(s, 7);
    die_and_go_on(s);
    assert_int_equal(s->again_count, 2);
    assert_int_equal(s->again[0].writable_bytes, 3);
    assert_int_equal(s->again[1].writable_bytes, 6);
    pop(s, 7, &chain[1]);
    virtqueue_push(queue(s), &s->again[1], 6);
    virtqueue_push(queue(s), &chain[1], 8);
    virtqueue_push(queue(s), &s->again[0], 3);
    virtqueue_flush_notify(queue(s));
    expect_used(s, 5);
    expect_used(s, 7);
    expect_used(s, 2);
    assert_int_equal(virtqueue_inflight(queue(s)), 0);
}

static void chains_in_flight_come_again_in_their_order(void **state)
{
    for_both(taken);
}

/* Marked done; the index or position does not count it, the driver cannot see it. */
static void done_not_counted(struct setup *s, bool published)
{
    uint32_t used = queue_state(s)->used;
    struct virtq_chain chain;
    uint16_t *flags;
    uint16_t before;

    add(s, 2);
    flags = driver_at(&s->world, s->q.desc + 16ull * s->q.next_used + 14);
    before = *flags;
    pop(s, 2, &chain);
    virtqueue_push(queue(s), &chain, 3);
    if (s->q.packed && !published)
        *flags = before;
    if (!s->q.packed && published)
        return; /* no such moment: a split ring is published after it is counted */
    queue_state(s)->used = used;
    slots(s)[chain.slot].mark = VIRTQ_SLOT_DONE | used << 16;
    die_and_go_on(s);
    assert_int_equal(s->again_count, 0);
    expect_used(s, 2);
    add(s, 3);
    pop(s, 3, &chain);
    virtqueue_push(queue(s), &chain, 4);
    virtqueue_flush_notify(queue(s));
    expect_used(s, 3);
    assert_false(driver_pending(&s->q));
}

static void done_unpublished(struct setup *s)
{
    done_not_counted(s, false);
}

static void done_published(struct setup *s)
{
    if (s->q.packed)
        done_not_counted(s, true);
}

static void a_push_that_was_not_published_is(void **state)
{
    for_both(done_unpublished);
}

static void a_push_that_was_published_is_not_repeated(void **state)
{
    for_both(done_published);
}

/* The descriptor that was published may by then be the driver's again. */
static void done_and_reused(struct setup *s)
{
    uint32_t used = queue_state(s)->used;
    struct virtq_chain chain;

    if (!s->q.packed)
        return;
    for (int i = 0; i < 4; i++)
        add(s, 1);
    for (int i = 0; i < 3; i++) {
        pop(s, 1, &chain);
        virtqueue_push(queue(s), &chain, 2);
    }
    used = queue_state(s)->used;
    pop(s, 1, &chain);
    virtqueue_push(queue(s), &chain, 2);
    virtqueue_flush_notify(queue(s));
    for (int i = 0; i < 4; i++)
        expect_used(s, 1);
    queue_state(s)->used = used;
    slots(s)[chain.slot].mark = VIRTQ_SLOT_DONE | used << 16;
    for (int i = 0; i < 2; i++)
        add(s, 3);
    add(s, 5);
    add(s, 7); /* this one is where the last was */
    die_and_go_on(s);
    for (int i = 0; i < 2; i++)
        pop(s, 3, &chain);
    pop(s, 5, &chain);
    pop(s, 7, &chain);
    virtqueue_push(queue(s), &chain, 8);
    virtqueue_flush_notify(queue(s));
    expect_used(s, 7);
}

static void a_descriptor_that_is_the_drivers_again_is_left_alone(void **state)
{
    for_both(done_and_reused);
}

/* Several buffers of one frame: a driver that looks between two pushes finds none. */
static void batch_pushed(struct setup *s, bool flushed)
{
    static const int buffers[] = {1, 3, 5};
    struct virtq_chain chain[3];

    for (int i = 0; i < 3; i++)
        add(s, buffers[i]);
    for (int i = 0; i < 3; i++)
        pop(s, buffers[i], &chain[i]);
    for (int i = 0; i < 3; i++) {
        virtqueue_push(queue(s), &chain[i], (size_t)buffers[i] + 1);
        assert_false(driver_pending(&s->q));
    }
    if (flushed)
        virtqueue_flush_notify(queue(s));
    else
        die_and_go_on(s);
    for (int i = 0; i < 3; i++)
        expect_used(s, buffers[i]);
    assert_false(driver_pending(&s->q));
    assert_int_equal(queue_state(s)->held, 0);
}

static void batch_flushed(struct setup *s)
{
    batch_pushed(s, true);
}

static void batch_left(struct setup *s)
{
    batch_pushed(s, false);
}

static void a_batch_is_seen_at_once(void **state)
{
    for_both(batch_flushed);
}

static void a_batch_that_was_not_flushed_is_seen_by_the_next_process(void **state)
{
    for_both(batch_left);
}

/* Counted; the slot's mark was not cleared, and the index not published. */
static void done_counted(struct setup *s)
{
    uint32_t used = queue_state(s)->used;
    struct virtq_chain chain;

    add(s, 2);
    pop(s, 2, &chain);
    virtqueue_push(queue(s), &chain, 3);
    slots(s)[chain.slot].mark = VIRTQ_SLOT_DONE | used << 16;
    die_and_go_on(s);
    assert_int_equal(s->again_count, 0);
    expect_used(s, 2);
    assert_false(driver_pending(&s->q));
    add(s, 3);
    pop(s, 3, &chain);
    virtqueue_push(queue(s), &chain, 4);
    virtqueue_flush_notify(queue(s));
    expect_used(s, 3);
}

static void a_push_that_was_counted_is_not_counted_again(void **state)
{
    for_both(done_counted);
}

static void a_reset_that_was_waiting_is_done(void **state)
{
    struct setup s;

    begin(&s, SPLIT);
    s.state->resetting = 1;
    virtio_device_destroy(&s.virtio);
    assert_int_equal(init(&s), 0);
    virtio_device_resume(&s.virtio);
    assert_int_equal(driver_read(&s.virtio, 0x070), 0);
    assert_int_equal(driver_read(&s.virtio, 0x060), 0);
    assert_int_equal(queue_state(&s)->ready, 0);
    end(&s);
}

static void a_broken_device_stays_broken(void **state)
{
    struct setup s;

    begin(&s, SPLIT);
    virtio_device_broken(&s.virtio, 0, "a test", 0);
    virtio_device_destroy(&s.virtio);
    assert_int_equal(init(&s), 0);
    virtio_device_resume(&s.virtio);
    assert_int_equal(driver_read(&s.virtio, 0x070), 0x4f);
    assert_int_equal(driver_read(&s.virtio, 0x060) & 2, 2);
    add(&s, 1);
    assert_false(virtqueue_pop(queue(&s), &(struct virtq_chain){0}));
    end(&s);
}

/* A state block that no device of this shape can have left. */

static void damage_magic(struct setup *s)
{
    s->state->magic++;
}

static void damage_version(struct setup *s)
{
    s->state->version++;
}

static void damage_queues(struct setup *s)
{
    s->state->queues = 2;
}

static void damage_offered(struct setup *s)
{
    s->state->device_features |= 1ull << 50;
}

static void damage_accepted(struct setup *s)
{
    s->state->driver_features |= 1ull << 50;
}

static void damage_status(struct setup *s)
{
    s->state->status |= 0x100;
}

static void damage_max(struct setup *s)
{
    queue_state(s)->max = 2 * SIZE;
}

static void damage_size(struct setup *s)
{
    queue_state(s)->size = 2 * SIZE;
}

static void damage_size_zero(struct setup *s)
{
    queue_state(s)->size = 0;
}

static void damage_address(struct setup *s)
{
    queue_state(s)->device = ~0ull - 3;
}

static void damage_used(struct setup *s)
{
    queue_state(s)->used = 0x10000;
}

static void damage_mark(struct setup *s)
{
    slots(s)[1].mark = 3;
}

static void damage_last_mark(struct setup *s)
{
    slots(s)[SIZE - 1].mark = 3;
}

/* A packed queue's chain, and where it is in the ring. */

static void damage_position(struct setup *s)
{
    queue_state(s)->taken |= SIZE;
}

static void damage_used_position(struct setup *s)
{
    queue_state(s)->used |= SIZE;
}

static void damage_no_descs(struct setup *s)
{
    slots(s)[0].mark = VIRTQ_SLOT_INFLIGHT;
    slots(s)[0].order = 0;
    slots(s)[0].descs = 0;
    queue_state(s)->taken |= 1ull << 32;
}

static void damage_link(struct setup *s)
{
    damage_no_descs(s);
    slots(s)[0].descs = 2;
    slots(s)[0].next = SIZE;
}

static void damage_loop(struct setup *s)
{
    damage_no_descs(s);
    slots(s)[0].descs = 0xffff;
    slots(s)[0].next = 0;
}

static void a_damaged_state_is_refused(void **state)
{
    static const struct {
        void (*damage)(struct setup *s);
        bool packed;
    } cases[] = {
        {damage_magic, false},    {damage_version, false},      {damage_queues, false},
        {damage_offered, false},  {damage_accepted, false},     {damage_status, false},
        {damage_max, false},      {damage_size, false},         {damage_size_zero, false},
        {damage_address, false},  {damage_address, true},       {damage_used, false},
        {damage_used, true},      {damage_mark, false},         {damage_mark, true},
        {damage_position, true},  {damage_used_position, true}, {damage_no_descs, true},
        {damage_link, true},      {damage_loop, true},          {damage_last_mark, false},
        {damage_last_mark, true},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup s;

        begin(&s, cases[i].packed ? PACKED : SPLIT);
        virtio_device_destroy(&s.virtio);
        cases[i].damage(&s);
        if (init(&s) != -EINVAL)
            fail_msg("case %u was taken", i);
        assert_true(s.world.logs >= 1);
        driver_world_destroy(&s.world);
        free(s.state);
    }
}

static bool is_dirty(const struct setup *s, uint64_t ipa, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        if (!s->world.dirty[ipa + i - DRIVER_RAM_BASE])
            return false;
    return true;
}

/* It may have written to its rings, and died before it said so. */
static void what_the_process_before_wrote_last_is_told(struct setup *s)
{
    bool packed = s->state->driver_features & VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
    const struct virtq_state *state = queue_state(s);

    memset(s->world.dirty, 0, DRIVER_RAM_SIZE);
    die_and_go_on(s);
    if (packed)
        assert_true(is_dirty(s, state->desc, 16 * SIZE) && is_dirty(s, state->device, 4));
    else
        assert_true(is_dirty(s, state->device, 4 + 8 * SIZE + 2));
}

static void rings_count_as_written_by_the_next_process(void **unused)
{
    for_both(what_the_process_before_wrote_last_is_told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_that_was_not_taken_is_popped_again),
        cmocka_unit_test(chains_in_flight_come_again_in_their_order),
        cmocka_unit_test(a_push_that_was_not_published_is),
        cmocka_unit_test(a_push_that_was_published_is_not_repeated),
        cmocka_unit_test(a_descriptor_that_is_the_drivers_again_is_left_alone),
        cmocka_unit_test(a_push_that_was_counted_is_not_counted_again),
        cmocka_unit_test(a_batch_is_seen_at_once),
        cmocka_unit_test(a_batch_that_was_not_flushed_is_seen_by_the_next_process),
        cmocka_unit_test(rings_count_as_written_by_the_next_process),
        cmocka_unit_test(a_reset_that_was_waiting_is_done),
        cmocka_unit_test(a_broken_device_stays_broken),
        cmocka_unit_test(a_damaged_state_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
