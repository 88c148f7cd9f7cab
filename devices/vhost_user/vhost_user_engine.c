/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/vhost_user/vhost_user_engine.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <string.h>

#define BIT(n) (1ull << (n))

/* A region of more than this is nonsense: 64 queues of 1024 entries are 1 MiB. */
#define INFLIGHT_MAX (64ull << 20)

enum hello {
    HELLO_FEATURES,
    HELLO_OWNER,
    HELLO_PROTOCOL,
    HELLO_SET_PROTOCOL,
    HELLO_QUEUES,
    HELLO_CHANNEL,
    HELLO_CONFIG,
    HELLO_DONE,
};

enum session {
    SESSION_STATUS,
    SESSION_FEATURES,
    SESSION_FEATURES_OK,
    SESSION_MTU,
    SESSION_GET_INFLIGHT,
    SESSION_SET_INFLIGHT,
    SESSION_MEMORY,
    SESSION_DONE, /* the rings follow */
    SESSION_LIVE, /* DRIVER_OK has been sent */
};

enum ring {
    RING_NUM,
    RING_BASE,
    RING_ADDR,
    RING_ERR,
    RING_CALL,
    RING_KICK,
    RING_ENABLE,
    RING_DONE,
};

void vhost_user_engine_init(struct vhost_user_engine *engine, const struct vhost_user_setup *setup)
{
    *engine = (struct vhost_user_engine){
        .setup = setup,
        .back_end_fd = -1,
        .inflight = {.fd = -1},
    };
}

void vhost_user_engine_begin(struct vhost_user_engine *engine)
{
    engine->error = NULL;
    engine->value = 0;
    engine->hello = HELLO_FEATURES;
    engine->session = SESSION_STATUS;
    engine->ring_step = RING_NUM;
    engine->awaiting = 0;
    engine->renew = false;
    engine->begun = 0;
    engine->running = 0;
    engine->features = 0;
    engine->protocol = 0;
    engine->config_stale = engine->setup->config_size != 0;
}

static bool vhost_user_engine_fail(struct vhost_user_engine *engine, const char *what,
                                   uint64_t value)
{
    engine->error = what;
    engine->value = value;
    return false;
}

void vhost_user_engine_refuse(struct vhost_user_engine *engine, const char *what, uint64_t value)
{
    if (!engine->error)
        vhost_user_engine_fail(engine, what, value);
}

bool vhost_user_engine_ready(const struct vhost_user_engine *engine)
{
    return engine->hello == HELLO_DONE && !engine->error;
}

bool vhost_user_engine_settled(const struct vhost_user_engine *engine)
{
    return vhost_user_engine_ready(engine) && engine->awaiting == 0 &&
           engine->begun == engine->want && engine->running == engine->want;
}

/*
 * Messages
 */

static void vhost_user_engine_put(struct vhost_user_message *m, uint32_t request, size_t size)
{
    m->header.request = request;
    m->header.flags = VHOST_USER_VERSION;
    m->header.size = (uint32_t)size;
}

/* A request whose reply has a payload. */
static bool vhost_user_engine_ask(struct vhost_user_engine *engine, struct vhost_user_message *m,
                                  uint32_t request, size_t size)
{
    vhost_user_engine_put(m, request, size);
    engine->awaiting = request;
    engine->acknowledge = false;
    return true;
}

/* One without, which is acknowledged where the back end can do that. */
static bool vhost_user_engine_tell(struct vhost_user_engine *engine, struct vhost_user_message *m,
                                   uint32_t request, size_t size)
{
    vhost_user_engine_put(m, request, size);
    if (vhost_user_engine_has(engine, VHOST_USER_PROTOCOL_REPLY_ACK)) {
        m->header.flags |= VHOST_USER_NEED_REPLY;
        engine->awaiting = request;
        engine->acknowledge = true;
    }
    return true;
}

static bool vhost_user_engine_tell_u64(struct vhost_user_engine *engine,
                                       struct vhost_user_message *m, uint32_t request,
                                       uint64_t value)
{
    m->payload.u64 = value;
    return vhost_user_engine_tell(engine, m, request, sizeof(m->payload.u64));
}

static bool vhost_user_engine_config(struct vhost_user_engine *engine, struct vhost_user_message *m)
{
    uint32_t size = engine->setup->config_size;

    m->payload.config = (struct vhost_user_config){.size = size};
    return vhost_user_engine_ask(engine, m, VHOST_USER_GET_CONFIG, VHOST_USER_CONFIG_HEADER + size);
}

static bool vhost_user_engine_write_config(struct vhost_user_engine *engine,
                                           struct vhost_user_message *m)
{
    struct vhost_user_config *config = &m->payload.config;

    engine->config_write = false;
    *config = (struct vhost_user_config){.offset = engine->config_at, .size = engine->config_len};
    memcpy(config->region, engine->config + engine->config_at, engine->config_len);
    return vhost_user_engine_tell(engine, m, VHOST_USER_SET_CONFIG,
                                  VHOST_USER_CONFIG_HEADER + engine->config_len);
}

/*
 * Hello. Each step sends a message, or is left out (false).
 */

static bool vhost_user_engine_hello(struct vhost_user_engine *engine, struct vhost_user_message *m)
{
    switch (engine->hello++) {
    case HELLO_FEATURES: return vhost_user_engine_ask(engine, m, VHOST_USER_GET_FEATURES, 0);
    case HELLO_OWNER: vhost_user_engine_put(m, VHOST_USER_SET_OWNER, 0); return true;
    case HELLO_PROTOCOL:
        return engine->features & BIT(VHOST_USER_FEATURE_PROTOCOL) &&
               vhost_user_engine_ask(engine, m, VHOST_USER_GET_PROTOCOL_FEATURES, 0);
    case HELLO_SET_PROTOCOL:
        if (!(engine->features & BIT(VHOST_USER_FEATURE_PROTOCOL)))
            return false;
        m->payload.u64 = engine->protocol;
        vhost_user_engine_put(m, VHOST_USER_SET_PROTOCOL_FEATURES, 8);
        return true;
    case HELLO_QUEUES:
        return vhost_user_engine_has(engine, VHOST_USER_PROTOCOL_MQ) &&
               vhost_user_engine_ask(engine, m, VHOST_USER_GET_QUEUE_NUM, 0);
    case HELLO_CHANNEL:
        if (!vhost_user_engine_has(engine, VHOST_USER_PROTOCOL_BACKEND_REQ) ||
            engine->back_end_fd < 0)
            return false;
        m->fds[m->nr_fds++] = engine->back_end_fd;
        return vhost_user_engine_tell(engine, m, VHOST_USER_SET_BACKEND_REQ_FD, 0);
    case HELLO_CONFIG: return engine->config_stale && vhost_user_engine_config(engine, m);
    default: engine->hello = HELLO_DONE; return false;
    }
}

/*
 * Session: what is common to all rings
 */

static bool vhost_user_engine_status(struct vhost_user_engine *engine, struct vhost_user_message *m,
                                     uint32_t status)
{
    return vhost_user_engine_has(engine, VHOST_USER_PROTOCOL_STATUS) &&
           vhost_user_engine_tell_u64(engine, m, VHOST_USER_SET_STATUS, status);
}

static bool vhost_user_engine_memory(struct vhost_user_engine *engine, struct vhost_user_message *m)
{
    const struct vhost_user_setup *setup = engine->setup;
    struct vhost_user_memory *memory = &m->payload.memory;

    *memory = (struct vhost_user_memory){.count = setup->nr_regions};
    for (unsigned i = 0; i < setup->nr_regions; i++) {
        memory->region[i] = setup->regions[i];
        m->fds[m->nr_fds++] = setup->region_fds[i];
    }
    return vhost_user_engine_tell(engine, m, VHOST_USER_SET_MEM_TABLE,
                                  offsetof(struct vhost_user_memory, region) +
                                      setup->nr_regions * sizeof(memory->region[0]));
}

static bool vhost_user_engine_session(struct vhost_user_engine *engine,
                                      struct vhost_user_message *m)
{
    const uint32_t driver = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    bool record = vhost_user_engine_has(engine, VHOST_USER_PROTOCOL_INFLIGHT_SHMFD);

    switch (engine->session++) {
    case SESSION_STATUS: return vhost_user_engine_status(engine, m, driver);
    case SESSION_FEATURES:
        return vhost_user_engine_tell_u64(
            engine, m, VHOST_USER_SET_FEATURES,
            (engine->driver_features & engine->features) |
                (engine->features & BIT(VHOST_USER_FEATURE_PROTOCOL)));
    case SESSION_FEATURES_OK:
        return vhost_user_engine_status(engine, m, driver | VIRTIO_CONFIG_S_FEATURES_OK);
    case SESSION_MTU:
        return engine->setup->mtu && vhost_user_engine_has(engine, VHOST_USER_PROTOCOL_NET_MTU) &&
               vhost_user_engine_tell_u64(engine, m, VHOST_USER_NET_SET_MTU, engine->setup->mtu);
    case SESSION_GET_INFLIGHT:
        if (!record || engine->inflight.fd >= 0)
            return false;
        m->payload.inflight = (struct vhost_user_inflight){
            .queues = (uint16_t)engine->setup->queues, .queue_size = engine->setup->queue_size};
        return vhost_user_engine_ask(engine, m, VHOST_USER_GET_INFLIGHT_FD,
                                     sizeof(m->payload.inflight));
    case SESSION_SET_INFLIGHT:
        if (!record || engine->inflight.fd < 0)
            return false;
        m->payload.inflight = engine->inflight.is;
        m->fds[m->nr_fds++] = engine->inflight.fd;
        return vhost_user_engine_tell(engine, m, VHOST_USER_SET_INFLIGHT_FD,
                                      sizeof(m->payload.inflight));
    case SESSION_MEMORY: return vhost_user_engine_memory(engine, m);
    default: engine->session = SESSION_DONE; return false;
    }
}

/*
 * Rings
 */

static bool vhost_user_engine_ring_fd(struct vhost_user_engine *engine,
                                      struct vhost_user_message *m, uint32_t request, int fd)
{
    m->fds[m->nr_fds++] = fd;
    return vhost_user_engine_tell_u64(engine, m, request, engine->ring);
}

static bool vhost_user_engine_ring_state(struct vhost_user_engine *engine,
                                         struct vhost_user_message *m, uint32_t request,
                                         uint32_t num)
{
    m->payload.state = (struct vhost_user_vring_state){.index = engine->ring, .num = num};
    return vhost_user_engine_tell(engine, m, request, sizeof(m->payload.state));
}

static bool vhost_user_engine_ring(struct vhost_user_engine *engine, struct vhost_user_message *m)
{
    struct vhost_user_ring *ring = &engine->rings[engine->ring];

    switch (engine->ring_step++) {
    case RING_NUM:
        if (engine->starting)
            engine->starting(engine->opaque, engine->ring);
        return vhost_user_engine_ring_state(engine, m, VHOST_USER_SET_VRING_NUM, ring->num);
    case RING_BASE:
        return vhost_user_engine_ring_state(engine, m, VHOST_USER_SET_VRING_BASE, ring->base);
    case RING_ADDR:
        m->payload.addr = (struct vhost_user_vring_addr){
            .index = engine->ring, .desc = ring->desc, .used = ring->used, .avail = ring->avail};
        return vhost_user_engine_tell(engine, m, VHOST_USER_SET_VRING_ADDR,
                                      sizeof(m->payload.addr));
    case RING_ERR: return vhost_user_engine_ring_fd(engine, m, VHOST_USER_SET_VRING_ERR, ring->err);
    case RING_CALL:
        return vhost_user_engine_ring_fd(engine, m, VHOST_USER_SET_VRING_CALL, ring->call);
    case RING_KICK:
        /* From here on the back end may touch the ring. */
        engine->begun |= BIT(engine->ring);
        return vhost_user_engine_ring_fd(engine, m, VHOST_USER_SET_VRING_KICK, ring->kick);
    case RING_ENABLE:
        /* Without the feature a ring is enabled from its start on. */
        return engine->features & BIT(VHOST_USER_FEATURE_PROTOCOL) &&
               vhost_user_engine_ring_state(engine, m, VHOST_USER_SET_VRING_ENABLE, 1);
    default:
        engine->running |= BIT(engine->ring);
        engine->ring_step = RING_NUM;
        return false;
    }
}

static bool vhost_user_engine_stop(struct vhost_user_engine *engine, struct vhost_user_message *m,
                                   unsigned ring)
{
    engine->ring = ring;
    engine->ring_step = RING_NUM;
    engine->running &= ~BIT(ring);
    m->payload.state = (struct vhost_user_vring_state){.index = ring};
    return vhost_user_engine_ask(engine, m, VHOST_USER_GET_VRING_BASE, sizeof(m->payload.state));
}

/* One step of what is to be done. False: it sent nothing; `*idle`: there was none. */
static bool vhost_user_engine_step(struct vhost_user_engine *engine, struct vhost_user_message *m,
                                   bool *idle)
{
    uint64_t missing = engine->want & ~engine->running, surplus, half;

    if (engine->hello != HELLO_DONE)
        return vhost_user_engine_hello(engine, m);
    /* One that was given up half-way begins anew when it is wanted again. */
    if (!(engine->want >> engine->ring & 1))
        engine->ring_step = RING_NUM;
    /* So does one that was left half-way since another had to be stopped. */
    half =
        engine->begun & ~engine->running & ~(engine->ring_step == RING_NUM ? 0 : BIT(engine->ring));
    surplus = (engine->begun & ~engine->want) | half;
    if (surplus)
        return vhost_user_engine_stop(engine, m, (unsigned)__builtin_ctzll(surplus));
    if ((!engine->want || engine->renew) && engine->session != SESSION_STATUS) {
        engine->renew = false;
        engine->session = SESSION_STATUS;
        engine->ring_step = RING_NUM;
        return vhost_user_engine_status(engine, m, 0);
    }
    engine->renew = false;
    if (engine->config_write)
        return vhost_user_engine_write_config(engine, m);
    if (engine->want && engine->session < SESSION_DONE)
        return vhost_user_engine_session(engine, m);
    if (missing) {
        /* A ring that was begun and is not complete comes first: it is the one in `ring`. */
        if (engine->ring_step == RING_NUM || !(missing >> engine->ring & 1)) {
            engine->ring = (unsigned)__builtin_ctzll(missing);
            engine->ring_step = RING_NUM;
        }
        return vhost_user_engine_ring(engine, m);
    }
    if (engine->want && engine->session == SESSION_DONE) {
        engine->session = SESSION_LIVE;
        return vhost_user_engine_status(engine, m,
                                        VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
                                            VIRTIO_CONFIG_S_FEATURES_OK |
                                            VIRTIO_CONFIG_S_DRIVER_OK);
    }
    if (engine->config_stale)
        return vhost_user_engine_config(engine, m);
    *idle = true;
    return false;
}

bool vhost_user_engine_next(struct vhost_user_engine *engine, struct vhost_user_message *message)
{
    bool idle = false;

    while (!idle && !engine->error && engine->awaiting == 0) {
        *message = (struct vhost_user_message){0};
        if (vhost_user_engine_step(engine, message, &idle))
            return true;
    }
    return false;
}

/*
 * Replies
 */

static bool vhost_user_engine_got_features(struct vhost_user_engine *engine, uint64_t features)
{
    engine->features = features;
    if (engine->setup->needs & ~features)
        return vhost_user_engine_fail(engine,
                                      "a back end without features that the device needs, bits",
                                      engine->setup->needs & ~features);
    if (!(features & BIT(VHOST_USER_FEATURE_PROTOCOL)) && engine->setup->protocol_needs)
        return vhost_user_engine_fail(engine, "a back end without protocol features, with features",
                                      features);
    return true;
}

static bool vhost_user_engine_got_protocol(struct vhost_user_engine *engine, uint64_t protocol)
{
    engine->protocol = protocol & engine->setup->protocol;
    if (engine->setup->protocol_needs & ~protocol)
        return vhost_user_engine_fail(
            engine, "a back end without protocol features that the device needs, bits",
            engine->setup->protocol_needs & ~protocol);
    return true;
}

static bool vhost_user_engine_got_queues(struct vhost_user_engine *engine, uint64_t queues)
{
    if (queues < engine->setup->queues)
        return vhost_user_engine_fail(engine,
                                      "a back end with fewer queues than the device:", queues);
    return true;
}

static bool vhost_user_engine_got_config(struct vhost_user_engine *engine,
                                         const struct vhost_user_message *m)
{
    const struct vhost_user_config *config = &m->payload.config;
    uint32_t size = engine->setup->config_size;

    if (config->offset != 0 || config->size != size)
        return vhost_user_engine_fail(engine, "a configuration space that was not asked for, of",
                                      config->size);
    engine->config_stale = false;
    engine->config_changed |= memcmp(engine->config, config->region, size) != 0;
    memcpy(engine->config, config->region, size);
    return true;
}

static bool vhost_user_engine_got_base(struct vhost_user_engine *engine,
                                       const struct vhost_user_vring_state *state)
{
    if (state->index != engine->ring || state->num > UINT16_MAX)
        return vhost_user_engine_fail(engine, "an index that no ring has:", state->num);
    engine->begun &= ~BIT(engine->ring);
    engine->rings[engine->ring].base = (uint16_t)state->num;
    if (engine->stopped)
        engine->stopped(engine->opaque, engine->ring);
    return true;
}

static bool vhost_user_engine_got_inflight(struct vhost_user_engine *engine,
                                           struct vhost_user_message *m)
{
    const struct vhost_user_inflight *is = &m->payload.inflight;

    if (is->mmap_size == 0 || is->mmap_size > INFLIGHT_MAX || is->mmap_offset > INT64_MAX ||
        is->queues < engine->setup->queues || is->queue_size < engine->setup->queue_size)
        return vhost_user_engine_fail(engine, "an in-flight region that does not fit, of",
                                      is->mmap_size);
    if (m->nr_fds != 1)
        return vhost_user_engine_fail(engine, "an in-flight region with descriptors:", m->nr_fds);
    engine->inflight.fd = m->fds[0];
    engine->inflight.is = *is;
    engine->inflight.is.pad = 0;
    m->nr_fds = 0;
    return true;
}

/* Sizes that a reply's payload may have. */
static void vhost_user_engine_sizes(const struct vhost_user_engine *engine, uint32_t *min,
                                    uint32_t *max)
{
    *min = *max = sizeof(uint64_t);
    if (engine->acknowledge)
        return;
    switch (engine->awaiting) {
    case VHOST_USER_GET_CONFIG:
        *min = *max = VHOST_USER_CONFIG_HEADER + engine->setup->config_size;
        break;
    case VHOST_USER_GET_INFLIGHT_FD:
        *min = VHOST_USER_INFLIGHT_MIN;
        *max = sizeof(struct vhost_user_inflight);
        break;
    }
}

bool vhost_user_engine_reply(struct vhost_user_engine *engine, struct vhost_user_message *message)
{
    const struct vhost_user_header *header = &message->header;
    uint32_t awaiting = engine->awaiting, min, max;

    if (engine->error)
        return false;
    if (awaiting == 0 || header->request != awaiting)
        return vhost_user_engine_fail(engine, "a reply that nobody asked for, to request",
                                      header->request);
    if ((header->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
        !(header->flags & VHOST_USER_REPLY))
        return vhost_user_engine_fail(engine, "a reply with flags", header->flags);
    vhost_user_engine_sizes(engine, &min, &max);
    if (header->size < min || header->size > max) {
        /* The specification's way to say no. */
        if (awaiting == VHOST_USER_GET_CONFIG && header->size == 0)
            return vhost_user_engine_fail(engine, "no configuration space of bytes",
                                          engine->setup->config_size);
        return vhost_user_engine_fail(engine, "a reply of the wrong size to request", awaiting);
    }
    if (message->nr_fds != 0 && awaiting != VHOST_USER_GET_INFLIGHT_FD)
        return vhost_user_engine_fail(engine, "descriptors with the reply to request", awaiting);
    engine->awaiting = 0;
    if (engine->acknowledge) {
        if (message->payload.u64 != 0)
            return vhost_user_engine_fail(engine, "a refusal of request", awaiting);
        return true;
    }
    switch (awaiting) {
    case VHOST_USER_GET_FEATURES:
        return vhost_user_engine_got_features(engine, message->payload.u64);
    case VHOST_USER_GET_PROTOCOL_FEATURES:
        return vhost_user_engine_got_protocol(engine, message->payload.u64);
    case VHOST_USER_GET_QUEUE_NUM:
        return vhost_user_engine_got_queues(engine, message->payload.u64);
    case VHOST_USER_GET_CONFIG: return vhost_user_engine_got_config(engine, message);
    case VHOST_USER_GET_VRING_BASE:
        return vhost_user_engine_got_base(engine, &message->payload.state);
    default: return vhost_user_engine_got_inflight(engine, message);
    }
}

bool vhost_user_engine_request(struct vhost_user_engine *engine, struct vhost_user_message *message)
{
    bool known = message->header.request == VHOST_USER_BACKEND_CONFIG_CHANGE;
    bool answer = message->header.flags & VHOST_USER_NEED_REPLY;

    if (known && engine->setup->config_size)
        engine->config_stale = true;
    message->header.flags = VHOST_USER_VERSION | VHOST_USER_REPLY;
    message->header.size = sizeof(message->payload.u64);
    message->payload.u64 = known ? 0 : 1;
    return answer;
}
