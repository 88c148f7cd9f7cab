/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/virtio_driver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AVAIL (1u << 7)
#define USED  (1u << 15)

/*
 * The world
 */

static void *world_span(void *opaque, uint64_t ipa, uint64_t len, bool write)
{
    struct driver_world *world = opaque;

    world->spans++;
    assert_true(len != 0);
    if (ipa < DRIVER_RAM_BASE || ipa - DRIVER_RAM_BASE > DRIVER_RAM_SIZE ||
        len > DRIVER_RAM_SIZE - (ipa - DRIVER_RAM_BASE))
        return NULL;
    return world->ram + (ipa - DRIVER_RAM_BASE);
}

static void world_dirty(void *opaque, uint64_t ipa, uint64_t len)
{
    struct driver_world *world = opaque;

    assert_non_null(world_span(world, ipa, len, true));
    memset(world->dirty + (ipa - DRIVER_RAM_BASE), 1, len);
}

static void world_irq(void *opaque, bool level)
{
    struct driver_world *world = opaque;

    world->rises += level && !world->irq;
    world->irq = level;
}

static void world_log(void *opaque, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void world_log(void *opaque, const char *fmt, ...)
{
    struct driver_world *world = opaque;

    world->logs++;
}

void driver_world_init(struct driver_world *world)
{
    *world = (struct driver_world){0};
    /* Blocks of their own: an access past the end is one of the address sanitizer's. */
    world->ram = aligned_alloc(4096, DRIVER_RAM_SIZE);
    world->dirty = calloc(1, DRIVER_RAM_SIZE);
    assert_non_null(world->ram);
    assert_non_null(world->dirty);
    memset(world->ram, 0, DRIVER_RAM_SIZE);
}

void driver_world_destroy(struct driver_world *world)
{
    free(world->ram);
    free(world->dirty);
}

struct virtio_env driver_env(struct driver_world *world)
{
    return (struct virtio_env){
        .opaque = world,
        .span = world_span,
        .dirty = world_dirty,
        .irq = world_irq,
        .log = world_log,
    };
}

void *driver_at(struct driver_world *world, uint64_t ipa)
{
    return world->ram + (ipa - DRIVER_RAM_BASE);
}

static uint16_t get16(struct driver_queue *q, uint64_t ipa)
{
    return __atomic_load_n((uint16_t *)driver_at(q->world, ipa), __ATOMIC_ACQUIRE);
}

static void put16(struct driver_queue *q, uint64_t ipa, uint32_t value)
{
    __atomic_store_n((uint16_t *)driver_at(q->world, ipa), (uint16_t)value, __ATOMIC_RELEASE);
}

static uint32_t get32(struct driver_queue *q, uint64_t ipa)
{
    return __atomic_load_n((uint32_t *)driver_at(q->world, ipa), __ATOMIC_RELAXED);
}

/*
 * The registers
 */

bool driver_on_pci;

uint32_t driver_read(struct virtio_device *virtio, uint32_t reg)
{
    return (uint32_t)virtio_mmio_read(virtio, reg, 4);
}

void driver_write(struct virtio_device *virtio, uint32_t reg, uint32_t value)
{
    virtio_mmio_write(virtio, reg, 4, value);
}

/* One register by the transport that is in use. */
static uint32_t get_register(struct virtio_device *virtio, uint32_t mmio, uint32_t pci,
                             unsigned width)
{
    return driver_on_pci ? (uint32_t)virtio_pci_read(virtio, pci, width)
                         : driver_read(virtio, mmio);
}

static void set_register(struct virtio_device *virtio, uint32_t mmio, uint32_t pci, unsigned width,
                         uint32_t value)
{
    if (driver_on_pci)
        virtio_pci_write(virtio, pci, width, value);
    else
        driver_write(virtio, mmio, value);
}

uint32_t driver_status(struct virtio_device *virtio)
{
    return get_register(virtio, 0x070, 0x14, 1);
}

void driver_set_status(struct virtio_device *virtio, uint32_t value)
{
    set_register(virtio, 0x070, 0x14, 1, value);
}

uint32_t driver_acknowledge(struct virtio_device *virtio)
{
    uint32_t causes = get_register(virtio, 0x060, 0x1000, 1);

    if (!driver_on_pci)
        driver_write(virtio, 0x064, causes);
    return causes;
}

void driver_notify(struct virtio_device *virtio, uint32_t queue)
{
    set_register(virtio, 0x050, 0x3000 + 4 * queue, 2, queue);
}

bool driver_negotiate(struct virtio_device *virtio, uint64_t features)
{
    driver_set_status(virtio, 0);
    assert_int_equal(driver_status(virtio), 0);
    driver_set_status(virtio, 1);
    driver_set_status(virtio, 3);
    for (uint32_t i = 0; i < 2; i++) {
        set_register(virtio, 0x024, 0x08, 4, i);
        set_register(virtio, 0x020, 0x0c, 4, (uint32_t)(features >> 32 * i));
    }
    driver_set_status(virtio, 0xb);
    return driver_status(virtio) == 0xb;
}

void driver_queue_init(struct driver_queue *q, struct driver_world *world, unsigned index,
                       unsigned size, uint64_t features)
{
    *q = (struct driver_queue){
        .world = world,
        .index = index,
        .size = size,
        .packed = features >> 34 & 1,
        .event_idx = features >> 29 & 1,
        .desc = DRIVER_RINGS(index),
        .avail = DRIVER_RINGS(index) + 0x5000,
        .used = DRIVER_RINGS(index) + 0x8000,
        .avail_wrap = true,
        .used_wrap = true,
        .room = size,
    };
    memset(driver_at(world, q->desc), 0, 0x10000);
    for (unsigned i = size; i-- > 0;)
        q->free[q->free_count++] = (uint16_t)i;
}

bool driver_queue_enable(struct virtio_device *virtio, const struct driver_queue *q)
{
    const uint64_t areas[] = {q->desc, q->avail, q->used};

    set_register(virtio, 0x030, 0x16, 2, q->index);
    set_register(virtio, 0x038, 0x18, 2, q->size);
    for (uint32_t i = 0; i < 3; i++) {
        set_register(virtio, 0x080 + 0x10 * i, 0x20 + 8 * i, 4, (uint32_t)areas[i]);
        set_register(virtio, 0x084 + 0x10 * i, 0x24 + 8 * i, 4, (uint32_t)(areas[i] >> 32));
    }
    set_register(virtio, 0x044, 0x1c, 2, 1);
    return get_register(virtio, 0x044, 0x1c, 2) == 1;
}

void driver_ok(struct virtio_device *virtio)
{
    driver_set_status(virtio, 0xf);
}

/*
 * Making buffers available
 */

/* `w12` and `w14` are flags and next of a split ring, ID and flags of a packed one. */
static void put_desc(struct driver_queue *q, uint64_t at, uint64_t addr, uint32_t len, uint32_t w12)
{
    uint8_t *desc = driver_at(q->world, at);

    memcpy(desc, &addr, 8);
    memcpy(desc + 8, &len, 4);
    put16(q, at + 12, w12);
}

static uint64_t put_table(struct driver_queue *q, uint16_t id, const struct driver_seg *segs,
                          unsigned count)
{
    uint64_t table = DRIVER_TABLES(q->index) + (uint64_t)DRIVER_TABLE * id;

    for (unsigned i = 0; i < count; i++) {
        uint64_t at = table + 16 * i;

        if (q->packed) {
            put_desc(q, at, segs[i].addr, segs[i].len, 0);
            put16(q, at + 14, segs[i].write ? 2 : 0);
        } else {
            put_desc(q, at, segs[i].addr, segs[i].len,
                     (segs[i].write ? 2u : 0u) | (i + 1 < count ? 1u : 0u));
            put16(q, at + 14, i + 1);
        }
    }
    return table;
}

/* 2.7.13 */
static void add_split(struct driver_queue *q, const struct driver_seg *segs, unsigned count,
                      bool indirect, void *token)
{
    uint16_t head = q->free[q->free_count - 1];
    unsigned descs = indirect ? 1 : count;

    for (unsigned i = 0; i < descs; i++)
        q->buffer[head].taken[i] = q->free[--q->free_count];
    if (indirect) {
        put_desc(q, q->desc + 16ull * head, put_table(q, head, segs, count), 16 * count, 4);
    } else {
        for (unsigned i = 0; i < count; i++) {
            uint64_t at = q->desc + 16ull * q->buffer[head].taken[i];
            bool more = i + 1 < count;

            put_desc(q, at, segs[i].addr, segs[i].len,
                     (segs[i].write ? 2u : 0u) | (more ? 1u : 0u));
            put16(q, at + 14, more ? q->buffer[head].taken[i + 1] : 0xdead);
        }
    }
    q->buffer[head].descs = (uint16_t)descs;
    q->buffer[head].token = token;
    put16(q, q->avail + 4 + 2ull * (q->next_avail % q->size), head);
    put16(q, q->avail + 2, ++q->next_avail);
    q->since_kick++;
}

/* 2.8.21 */
static void add_packed(struct driver_queue *q, const struct driver_seg *segs, unsigned count,
                       bool indirect, void *token)
{
    uint16_t id = q->free[--q->free_count];
    unsigned descs = indirect ? 1 : count;
    uint16_t first = q->next_avail, first_flags = 0;

    for (unsigned i = 0; i < descs; i++) {
        uint64_t at = q->desc + 16ull * q->next_avail;
        uint32_t flags = q->avail_wrap ? AVAIL : USED;

        if (indirect) {
            put_desc(q, at, put_table(q, id, segs, count), 16 * count, id);
            flags |= 4;
        } else {
            put_desc(q, at, segs[i].addr, segs[i].len, i + 1 < count ? 0xdead : id);
            flags |= (segs[i].write ? 2u : 0u) | (i + 1 < count ? 1u : 0u);
        }
        if (i == 0)
            first_flags = (uint16_t)flags;
        else
            put16(q, at + 14, flags);
        if (++q->next_avail == q->size) {
            q->next_avail = 0;
            q->avail_wrap = !q->avail_wrap;
        }
    }
    q->buffer[id].descs = (uint16_t)descs;
    q->buffer[id].token = token;
    q->room -= descs;
    q->since_kick += descs;
    put16(q, q->desc + 16ull * first + 14, first_flags);
}

bool driver_add(struct driver_queue *q, const struct driver_seg *segs, unsigned count,
                bool indirect, void *token)
{
    unsigned descs = indirect ? 1 : count;

    assert_true(count != 0 && count <= DRIVER_TABLE / 16);
    if (q->packed ? descs > q->room : descs > q->free_count)
        return false;
    (q->packed ? add_packed : add_split)(q, segs, count, indirect, token);
    return true;
}

bool driver_kick(struct driver_queue *q)
{
    uint32_t passed = q->since_kick;
    uint16_t flags, event;

    if (passed == 0)
        return false;
    q->since_kick = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!q->packed) {
        if (!q->event_idx)
            return !(get16(q, q->used) & 1);
        /* 2.7.10: the event's entry is among those that were added. */
        event = get16(q, q->used + 4 + 8ull * q->size);
        for (uint32_t i = 1; i <= passed; i++)
            if ((uint16_t)(q->next_avail - i) == event)
                return true;
        return false;
    }
    flags = get16(q, q->used + 2);
    event = get16(q, q->used);
    if (flags == 0 || flags == 1)
        return flags == 0;
    assert_int_equal(flags, 2);
    assert_true(q->event_idx);
    for (uint32_t i = 1, at = q->next_avail, wrap = q->avail_wrap; i <= passed; i++) {
        if (at == 0) {
            at = q->size;
            wrap = !wrap;
        }
        at--;
        if (event == (at | wrap << 15))
            return true;
    }
    return false;
}

/*
 * Receiving used buffers
 */

bool driver_pending(struct driver_queue *q)
{
    if (q->packed) {
        uint16_t flags = get16(q, q->desc + 16ull * q->next_used + 14);

        return !!(flags & USED) == q->used_wrap && !!(flags & AVAIL) == q->used_wrap;
    }
    return get16(q, q->used + 2) != q->next_used;
}

void *driver_get(struct driver_queue *q, uint32_t *len)
{
    uint64_t at;
    uint32_t id;
    void *token;

    if (!driver_pending(q))
        return NULL;
    if (q->packed) {
        at = q->desc + 16ull * q->next_used;
        id = get16(q, at + 12);
        *len = get32(q, at + 8);
        assert_true(id < q->size && q->buffer[id].token);
        assert_int_equal(!!(get16(q, at + 14) & 2), *len != 0);
        q->room += q->buffer[id].descs;
        q->next_used = (uint16_t)(q->next_used + q->buffer[id].descs);
        if (q->next_used >= q->size) {
            q->next_used = (uint16_t)(q->next_used - q->size);
            q->used_wrap = !q->used_wrap;
        }
        q->free[q->free_count++] = (uint16_t)id;
    } else {
        at = q->used + 4 + 8ull * (q->next_used % q->size);
        id = get32(q, at);
        *len = get32(q, at + 4);
        assert_true(id < q->size && q->buffer[id].token);
        q->next_used++;
        for (unsigned i = 0; i < q->buffer[id].descs; i++)
            q->free[q->free_count++] = q->buffer[id].taken[i];
    }
    token = q->buffer[id].token;
    q->buffer[id].token = NULL;
    return token;
}

bool driver_irq_enable(struct driver_queue *q)
{
    if (q->packed) {
        put16(q, q->avail, q->next_used | (uint32_t)q->used_wrap << 15);
        put16(q, q->avail + 2, q->event_idx ? 2 : 0);
    } else if (q->event_idx) {
        put16(q, q->avail + 4 + 2ull * q->size, q->next_used);
    } else {
        put16(q, q->avail, 0);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return driver_pending(q);
}

void driver_irq_disable(struct driver_queue *q)
{
    if (q->packed)
        put16(q, q->avail + 2, 1);
    else if (!q->event_idx)
        put16(q, q->avail, 1);
}
