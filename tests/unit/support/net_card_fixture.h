/* SPDX-License-Identifier: BSD-2-Clause */
/* A network device and its driver, on a back end in memory. */
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

#define QUEUES       5u /* of two pairs */
#define BUFFER(q, n) (DRIVER_DATA + 0x60000ull * (q) + 0x2000ull * (n))
#define HEADER       ((uint32_t)RV_NET_HEADER_BYTES)

/* The back end: frames that wait for the guest, and the last that came from it. */
struct rv_net {
    struct rv_net_info info;
    struct rv_net_callbacks callbacks;
    void *opaque;
    struct {
        uint8_t bytes[0x10100];
        size_t len;
    } in[8];
    unsigned nr_in;
    uint8_t out[0x10100];
    size_t out_len;
    unsigned sent;
    bool full;
    bool want[RV_NET_PAIRS_MAX];
    uint64_t offloads;
    unsigned pairs; /* in use */
    int pairs_error;
};

static struct rv_net *wire;
static uint64_t wire_features;

static inline int wire_send(struct rv_instance *host, struct rv_net *w, uint32_t pair,
                            const struct iovec *iov, uint32_t count)
{
    if (w->full)
        return -EAGAIN;
    w->out_len = iov_read(iov, count, 0, w->out, sizeof(w->out));
    w->sent++;
    return 0;
}

static inline int64_t wire_receive(struct rv_instance *host, struct rv_net *w, uint32_t pair,
                                   const struct iovec *iov, uint32_t count)
{
    size_t len, done;

    if (w->nr_in == 0)
        return -EAGAIN;
    len = w->in[0].len;
    done = iov_write(iov, count, 0, w->in[0].bytes, len);
    memmove(&w->in[0], &w->in[1], sizeof(w->in[0]) * --w->nr_in);
    return done == len ? (int64_t)len : -EMSGSIZE;
}

static inline void wire_want(struct rv_instance *host, struct rv_net *w, uint32_t pair, bool want)
{
    w->want[pair] = want;
}

static inline void wire_set_offloads(struct rv_instance *host, struct rv_net *w, uint64_t features)
{
    w->offloads = features;
}

static inline int wire_set_pairs(struct rv_instance *host, struct rv_net *w, uint32_t pairs)
{
    if (!w->pairs_error)
        w->pairs = pairs;
    return w->pairs_error;
}

static inline void wire_close(struct rv_instance *host, struct rv_net *w)
{
    assert_ptr_equal(w, wire);
    free(wire);
    wire = NULL;
}

static const struct rv_net_info *wire_info(struct rv_instance *host, struct rv_net *w)
{
    return &w->info;
}

static inline int wire_open(struct rv_instance *host, const struct rv_net_options *options,
                            struct rv_net **net)
{
    assert_int_equal(options->size, sizeof(*options));
    assert_int_equal(options->callbacks->size, sizeof(*options->callbacks));
    wire = calloc(1, sizeof(*wire));
    wire->callbacks = *options->callbacks;
    wire->opaque = options->opaque;
    wire->info = (struct rv_net_info){.size = sizeof(wire->info),
                                      .pairs = options->pairs < 2 ? options->pairs : 2,
                                      .features = wire_features,
                                      .link = 1,
                                      .name = "wire"};
    *net = wire;
    return 0;
}

static inline void wire_init(struct rv_vmm_ops *ops)
{
    PLUGIN_HOST_NET(ops, wire);
}

/*
 * The driver
 */

#define F(name) VIRTIO_FEATURE(VIRTIO_NET_F_##name)
#define PACKED  VIRTIO_FEATURE(VIRTIO_F_RING_PACKED)
#define OFFLOADS                                                                           \
    (F(CSUM) | F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN) | F(GUEST_CSUM) | F(GUEST_TSO4) | \
     F(GUEST_TSO6) | F(GUEST_ECN) | F(GUEST_USO4) | F(GUEST_USO6) | F(HOST_USO))

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[QUEUES];
};

static const struct plugin_host_property usual[] = {
    {"backend", "tap"}, {"mac", "52:54:00:12:34:56"}, {0}};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_host_init(&f->host, &f->world);
    wire_init(&f->host.ops);
    f->host.properties = usual;
    wire_features = OFFLOADS;
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    driver_host_end(&f->host, &f->world);
    assert_null(wire);
    free(f);
    return 0;
}

static inline void negotiate(struct fixture *f, uint64_t features)
{
    unsigned queues = features & F(MQ) ? 5 : features & F(CTRL_VQ) ? 3 : 2;

    assert_true(driver_host_begin(&f->host, &f->world, f->q, queues, 64, features));
}

static inline void start(struct fixture *f, uint64_t features)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    negotiate(f, features);
}

static inline void kick(struct fixture *f, unsigned q)
{
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x050, 4, q, NULL), 0);
}

static inline void *buffer(struct fixture *f, unsigned q, unsigned n)
{
    return driver_at(&f->world, BUFFER(q, n));
}

static inline void add(struct fixture *f, unsigned q, unsigned n, uint32_t len, bool write)
{
    struct driver_seg seg = {BUFFER(q, n), len, write};

    assert_true(driver_add(&f->q[q], &seg, 1, false, (void *)(uintptr_t)(n + 1)));
}

static inline void give_buffers(struct fixture *f, unsigned q, unsigned count, uint32_t len)
{
    for (unsigned n = 0; n < count; n++)
        add(f, q, n, len, true);
    kick(f, q);
}

/* A frame of `len` bytes without its header comes. */
static inline void comes(struct fixture *f, size_t len)
{
    for (size_t i = 0; i < HEADER + len; i++)
        wire->in[wire->nr_in].bytes[i] = i < HEADER ? 0 : (uint8_t)(i * 7);
    wire->in[wire->nr_in++].len = HEADER + len;
    wire->callbacks.readable(wire->opaque, 0);
}

/* Sends a frame whose header is `h`. */
static inline void send(struct fixture *f, const struct virtio_net_hdr *h, uint32_t len)
{
    uint8_t *bytes = buffer(f, 1, 0);
    uint32_t got;

    memset(bytes, 0x5a, HEADER + len);
    memset(bytes, 0, HEADER);
    if (h)
        memcpy(bytes, h, sizeof(*h));
    add(f, 1, 0, HEADER + len, false);
    kick(f, 1);
    assert_non_null(driver_get(&f->q[1], &got));
    assert_int_equal(got, 0);
}

/*
 * Tests
 */
