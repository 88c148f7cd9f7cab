/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vhost-user protocol engine: a back end whose replies are anything, or good ones
 * with something changed, and a driver that starts, stops and resets meanwhile.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "devices/vhost_user/vhost_user_engine.h"
#include "tests/unit/support/check.h"

#define QUEUES 3u
#define FD     1000 /* of the in-flight region: no other descriptor has this number */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *in)
{
    if (in->size == 0)
        return 0;
    in->size--;
    return *in->data++;
}

static void starting(void *opaque, unsigned ring)
{
    struct vhost_user_engine *engine = opaque;

    CHECK(ring < QUEUES && !(engine->begun >> ring & 1) && engine->want >> ring & 1);
    engine->rings[ring] = (struct vhost_user_ring){.num = 16, .kick = 1, .call = 2, .err = 3};
}

static void stopped(void *opaque, unsigned ring)
{
    const struct vhost_user_engine *engine = opaque;

    CHECK(ring < QUEUES && !(engine->begun >> ring & 1));
}

/* What is sent must be well-formed, whatever came before. */
static void check(const struct vhost_user_message *m)
{
    CHECK((m->header.flags & VHOST_USER_VERSION_MASK) == VHOST_USER_VERSION);
    CHECK(!(m->header.flags & VHOST_USER_REPLY));
    CHECK(m->header.size <= sizeof(m->payload) && m->nr_fds <= VHOST_USER_REGIONS_MAX);
    switch (m->header.request) {
    case VHOST_USER_SET_VRING_KICK:
    case VHOST_USER_SET_VRING_CALL:
    case VHOST_USER_SET_VRING_ERR:
        CHECK(m->nr_fds == 1 && m->payload.u64 < QUEUES && m->header.size == 8);
        break;
    case VHOST_USER_SET_INFLIGHT_FD: CHECK(m->nr_fds == 1 && m->fds[0] == FD); break;
    case VHOST_USER_SET_MEM_TABLE: CHECK(m->nr_fds == 1 && m->header.size == 40); break;
    case VHOST_USER_SET_FEATURES: CHECK(m->header.size == 8); break;
    }
}

static void good(const struct vhost_user_engine *engine, const struct vhost_user_message *sent,
                 struct vhost_user_message *m)
{
    *m = (struct vhost_user_message){
        .header = {engine->awaiting, VHOST_USER_VERSION | VHOST_USER_REPLY, 8}};
    if (engine->acknowledge)
        return;
    switch (engine->awaiting) {
    case VHOST_USER_GET_FEATURES:
    case VHOST_USER_GET_PROTOCOL_FEATURES: m->payload.u64 = UINT64_MAX; break;
    case VHOST_USER_GET_QUEUE_NUM: m->payload.u64 = QUEUES; break;
    case VHOST_USER_GET_VRING_BASE: m->payload.state.index = sent->payload.state.index; break;
    case VHOST_USER_GET_CONFIG:
        m->header.size = VHOST_USER_CONFIG_HEADER + engine->setup->config_size;
        m->payload.config.size = engine->setup->config_size;
        break;
    case VHOST_USER_GET_INFLIGHT_FD:
        m->header.size = sizeof(m->payload.inflight);
        m->payload.inflight = sent->payload.inflight;
        m->payload.inflight.mmap_size = 4096;
        m->nr_fds = 1;
        m->fds[0] = FD;
        break;
    }
}

static void deliver(struct vhost_user_engine *engine, struct vhost_user_message *m)
{
    unsigned fds = m->nr_fds;
    int before = engine->inflight.fd;
    bool fine = vhost_user_engine_reply(engine, m);

    CHECK(fine == !engine->error);
    /* A descriptor is the engine's or the caller's: never both, never nobody's. */
    CHECK(m->nr_fds == fds || (m->nr_fds == 0 && before < 0 && engine->inflight.fd == FD));
    CHECK(engine->inflight.fd == before || m->nr_fds == 0);
}

static void step(struct vhost_user_engine *engine, struct vhost_user_message *sent,
                 struct input *in)
{
    struct vhost_user_message m = {0};
    uint8_t op = take(in);

    switch (op & 7u) {
    case 0: engine->want = op >> 3 & 7u; break;
    case 1: vhost_user_engine_begin(engine); break;
    case 2: /* anything */
        m.header = (struct vhost_user_header){take(in), take(in), take(in)};
        m.nr_fds = op >> 3 & 3u;
        for (unsigned i = 0; i < m.nr_fds; i++)
            m.fds[i] = FD;
        for (unsigned i = 0; i < 24; i++)
            ((uint8_t *)&m.payload)[i] = take(in);
        deliver(engine, &m);
        break;
    case 3: /* a good one, with a byte changed */
        good(engine, sent, &m);
        ((uint8_t *)&m)[take(in) % (12 + 32)] ^= take(in);
        if (m.nr_fds <= VHOST_USER_REGIONS_MAX)
            deliver(engine, &m);
        break;
    case 4:
        m.header = (struct vhost_user_header){take(in), take(in), 0};
        vhost_user_engine_request(engine, &m);
        CHECK(m.header.size == 8);
        break;
    case 5:
        engine->config_at = 0;
        engine->config_len = 1;
        engine->config_write = true;
        break;
    case 6: /* the driver resets: what is begun was stopped, or the connection is closed */
        engine->want = 0;
        if (engine->begun)
            vhost_user_engine_begin(engine);
        engine->inflight.fd = -1;
        engine->renew = true;
        break;
    default:
        if (engine->awaiting && !engine->error) {
            good(engine, sent, &m);
            deliver(engine, &m);
        }
        break;
    }
    /* No state may keep it sending for ever. */
    for (unsigned n = 0; vhost_user_engine_next(engine, sent); n++) {
        CHECK(n < 200);
        check(sent);
    }
}

/* From any state, a good back end gets it running. */
static void recover(struct vhost_user_engine *engine, struct vhost_user_message *sent)
{
    struct vhost_user_message m;

    vhost_user_engine_begin(engine);
    engine->want = (1u << QUEUES) - 1;
    for (unsigned n = 0; n < 200; n++) {
        while (vhost_user_engine_next(engine, sent))
            check(sent);
        if (!engine->awaiting)
            break;
        good(engine, sent, &m);
        deliver(engine, &m);
    }
    CHECK(vhost_user_engine_settled(engine));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    uint8_t how = take(&in);
    struct vhost_user_setup setup = {
        .queues = QUEUES,
        .queue_size = 16,
        .needs = how & 1 ? 1ull << 32 : 0,
        .protocol = how & 2 ? UINT64_MAX : 1u << VHOST_USER_PROTOCOL_INFLIGHT_SHMFD,
        .config_size = how & 4 ? 60 : 0,
        .mtu = how & 8 ? 1500 : 0,
        .nr_regions = 1,
    };
    struct vhost_user_engine engine;
    struct vhost_user_message sent = {0};

    vhost_user_engine_init(&engine, &setup);
    engine.starting = starting;
    engine.stopped = stopped;
    engine.opaque = &engine;
    engine.driver_features = 1ull << 32;
    vhost_user_engine_begin(&engine);
    while (in.size != 0)
        step(&engine, &sent, &in);
    recover(&engine, &sent);
    return 0;
}
