/* SPDX-License-Identifier: BSD-2-Clause */
/* A block device, its driver, and a disk that ends requests when the test says so. */
#pragma once

#include <errno.h>
#include <linux/virtio_blk.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

#define SECTORS 2048u
#define HEADER  (DRIVER_DATA)
#define STATUS  (DRIVER_DATA + 0x100)
#define RANGES  (DRIVER_DATA + 0x200)
#define DATA    (DRIVER_DATA + 0x1000)
#define NONE    0xee /* a status that was not written */

#define NEEDS_RESET 0x40u
#define ALWAYS      (VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

static const struct plugin_host_property usual_properties[] = {{"path", "/disk"}, {0}};

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q;
};

static inline struct virtio_device *mmio_of(struct fixture *f)
{
    return plugin_host_virtio(&f->host);
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_host_init(&f->host, &f->world);
    plugin_host_disk_init(&f->host, SECTORS);
    f->host.properties = usual_properties;
    f->host.quiet = true;
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    driver_host_end(&f->host, &f->world);
    free(f);
    return 0;
}

/* The driver has agreed to `features`; queue 0 is there. */
static inline void negotiate(struct fixture *f, uint64_t features)
{
    features |= ALWAYS;
    driver_queue_init(&f->q, &f->world, 0, 64, features);
    assert_true(driver_negotiate(mmio_of(f), features));
    assert_true(driver_queue_enable(mmio_of(f), &f->q));
    driver_ok(mmio_of(f));
}

static inline void start(struct fixture *f, uint64_t features)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    negotiate(f, features);
}

static const uint64_t usual = VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
                              VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD) |
                              VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);

static inline void kick(struct fixture *f)
{
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 0, NULL), 0);
}

static inline uint8_t *at(struct fixture *f, uint64_t ipa)
{
    return driver_at(&f->world, ipa);
}

static inline void put_header(struct fixture *f, uint64_t ipa, uint32_t type, uint64_t sector)
{
    struct virtio_blk_outhdr header = {.type = type, .sector = sector};

    memcpy(at(f, ipa), &header, sizeof(header));
}

/* A request of three parts. The status is that of STATUS afterwards. */
static inline void add(struct fixture *f, uint32_t type, uint64_t sector, uint32_t bytes)
{
    bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
    struct driver_seg segs[3] = {{HEADER, 16, false}, {DATA, bytes, in}, {STATUS, 1, true}};

    if (bytes == 0)
        segs[1] = segs[2];
    put_header(f, HEADER, type, sector);
    *at(f, STATUS) = NONE;
    assert_true(driver_add(&f->q, segs, bytes ? 3 : 2, false, f));
    kick(f);
}

/* The status of the request that was added, which is over. */
static inline uint8_t got(struct fixture *f)
{
    uint32_t len = 0;

    assert_ptr_equal(driver_get(&f->q, &len), f);
    assert_int_equal(len, *at(f, STATUS) == NONE ? 0 : len);
    assert_int_not_equal(*at(f, STATUS), NONE);
    return *at(f, STATUS);
}

static inline uint8_t run(struct fixture *f, uint32_t type, uint64_t sector, uint32_t bytes)
{
    add(f, type, sector, bytes);
    plugin_host_disk_complete_all(&f->host.disk);
    return got(f);
}
