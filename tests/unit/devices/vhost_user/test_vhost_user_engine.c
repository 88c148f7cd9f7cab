/* SPDX-License-Identifier: BSD-2-Clause */
/* The protocol without a socket: the order of messages, and replies that no back end may give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/vhost_user/vhost_user_engine.h"

#define BIT(n)   (1ull << (n))
#define PROTOCOL BIT(VHOST_USER_FEATURE_PROTOCOL)
#define V1       BIT(32)
#define ALL                                                                      \
    (BIT(VHOST_USER_PROTOCOL_MQ) | BIT(VHOST_USER_PROTOCOL_REPLY_ACK) |          \
     BIT(VHOST_USER_PROTOCOL_CONFIG) | BIT(VHOST_USER_PROTOCOL_INFLIGHT_SHMFD) | \
     BIT(VHOST_USER_PROTOCOL_BACKEND_REQ) | BIT(VHOST_USER_PROTOCOL_STATUS) |    \
     BIT(VHOST_USER_PROTOCOL_NET_MTU))
#define CONFIG 8u

struct setup {
    struct vhost_user_setup setup;
    struct vhost_user_engine engine;
    struct vhost_user_message sent; /* the last */
    uint64_t features, protocol;    /* the back end's */
    unsigned started, stopped;
};

static void on_starting(void *opaque, unsigned ring)
{
    struct setup *s = opaque;

    s->started++;
    s->engine.rings[ring] = (struct vhost_user_ring){.num = 64,
                                                     .desc = 0x1000 + ring,
                                                     .avail = 0x2000,
                                                     .used = 0x3000,
                                                     .base = (uint16_t)(7 + ring),
                                                     .kick = 40,
                                                     .call = 41,
                                                     .err = 42};
}

static void on_stopped(void *opaque, unsigned ring)
{
    ((struct setup *)opaque)->stopped++;
}

static int setup(void **state)
{
    struct setup *s = calloc(1, sizeof(*s));

    s->setup = (struct vhost_user_setup){
        .queues = 2,
        .queue_size = 128,
        .needs = V1,
        .protocol = ALL,
        .config_size = CONFIG,
        .nr_regions = 1,
        .regions = {{0x40000000, 0x100000, 0x40000000, 0x2000}},
        .region_fds = {30},
    };
    s->features = V1 | PROTOCOL;
    s->protocol = BIT(VHOST_USER_PROTOCOL_MQ) | BIT(VHOST_USER_PROTOCOL_REPLY_ACK) |
                  BIT(VHOST_USER_PROTOCOL_CONFIG) | BIT(VHOST_USER_PROTOCOL_INFLIGHT_SHMFD);
    vhost_user_engine_init(&s->engine, &s->setup);
    s->engine.starting = on_starting;
    s->engine.stopped = on_stopped;
    s->engine.opaque = s;
    s->engine.driver_features = V1;
    vhost_user_engine_begin(&s->engine);
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

/* What a good back end says to `sent`. */
static struct vhost_user_message answer(const struct setup *s)
{
    struct vhost_user_message m = {
        .header = {s->sent.header.request, VHOST_USER_VERSION | VHOST_USER_REPLY, 8}};

    switch (s->sent.header.request) {
    case VHOST_USER_GET_FEATURES: m.payload.u64 = s->features; break;
    case VHOST_USER_GET_PROTOCOL_FEATURES: m.payload.u64 = s->protocol; break;
    case VHOST_USER_GET_QUEUE_NUM: m.payload.u64 = 2; break;
    case VHOST_USER_GET_VRING_BASE:
        m.payload.state = (struct vhost_user_vring_state){s->sent.payload.state.index, 99};
        break;
    case VHOST_USER_GET_CONFIG:
        m.header.size = VHOST_USER_CONFIG_HEADER + CONFIG;
        m.payload.config = (struct vhost_user_config){.size = CONFIG, .region = "1234567"};
        break;
    case VHOST_USER_GET_INFLIGHT_FD:
        m.header.size = sizeof(struct vhost_user_inflight);
        m.payload.inflight = (struct vhost_user_inflight){0x3000, 0x10, 2, 128, 0};
        m.nr_fds = 1;
        m.fds[0] = 50;
        break;
    }
    return m;
}

static bool next(struct setup *s)
{
    return vhost_user_engine_next(&s->engine, &s->sent);
}

static void reply(struct setup *s)
{
    struct vhost_user_message m = answer(s);

    assert_int_equal(s->engine.awaiting, s->sent.header.request);
    assert_false(next(s)); /* one at a time */
    assert_true(vhost_user_engine_reply(&s->engine, &m));
    assert_int_equal(m.nr_fds, 0);
}

/* The next message is `request`; it is answered if an answer is due. */
static void expect(struct setup *s, uint32_t request)
{
    struct vhost_user_message sent;

    assert_true(next(s));
    sent = s->sent;
    assert_int_equal(s->sent.header.request, request);
    assert_int_equal(s->sent.header.flags & 3, 1);
    if (s->engine.awaiting)
        reply(s);
    s->sent = sent;
}

/* All that comes, until nothing does; the requests in `seen`. */
static unsigned run(struct setup *s, uint32_t *seen, unsigned max)
{
    unsigned n = 0;

    while (next(s)) {
        uint32_t request = s->sent.header.request;

        if (seen && n < max)
            seen[n] = request;
        n++;
        assert_true(n < 100);
        if (s->engine.awaiting)
            reply(s);
    }
    assert_null(s->engine.error);
    return n;
}

static void hello(struct setup *s)
{
    run(s, NULL, 0);
    assert_true(vhost_user_engine_ready(&s->engine));
}

static void hello_asks_for_all_that_the_back_end_has(void **state)
{
    struct setup *s = *state;

    expect(s, VHOST_USER_GET_FEATURES);
    expect(s, VHOST_USER_SET_OWNER);
    expect(s, VHOST_USER_GET_PROTOCOL_FEATURES);
    expect(s, VHOST_USER_SET_PROTOCOL_FEATURES);
    assert_int_equal(s->sent.payload.u64, s->protocol);
    expect(s, VHOST_USER_GET_QUEUE_NUM);
    expect(s, VHOST_USER_GET_CONFIG);
    assert_int_equal(s->sent.header.size, VHOST_USER_CONFIG_HEADER + CONFIG);
    assert_false(next(s));
    assert_true(vhost_user_engine_ready(&s->engine));
    assert_memory_equal(s->engine.config, "1234567", CONFIG);
    assert_true(s->engine.config_changed);
}

static void a_back_end_without_protocol_features_gets_none(void **state)
{
    struct setup *s = *state;

    s->features = V1;
    s->setup.config_size = 0;
    vhost_user_engine_begin(&s->engine);
    expect(s, VHOST_USER_GET_FEATURES);
    expect(s, VHOST_USER_SET_OWNER);
    assert_false(next(s));
    s->engine.want = 1;
    expect(s, VHOST_USER_SET_FEATURES);
    assert_int_equal(s->sent.payload.u64, V1);
    assert_int_equal(s->sent.header.flags, VHOST_USER_VERSION); /* no acknowledgement */
    expect(s, VHOST_USER_SET_MEM_TABLE);
    expect(s, VHOST_USER_SET_VRING_NUM);
    expect(s, VHOST_USER_SET_VRING_BASE);
    expect(s, VHOST_USER_SET_VRING_ADDR);
    expect(s, VHOST_USER_SET_VRING_ERR);
    expect(s, VHOST_USER_SET_VRING_CALL);
    expect(s, VHOST_USER_SET_VRING_KICK);
    assert_false(next(s)); /* such a ring is enabled by its start */
    assert_true(vhost_user_engine_settled(&s->engine));
}

static void rings_get_memory_addresses_and_descriptors(void **state)
{
    struct setup *s = *state;

    hello(s);
    s->engine.want = 2;
    expect(s, VHOST_USER_SET_FEATURES);
    assert_int_equal(s->sent.payload.u64, V1 | PROTOCOL);
    assert_true(s->sent.header.flags & VHOST_USER_NEED_REPLY);
    expect(s, VHOST_USER_GET_INFLIGHT_FD);
    assert_int_equal(s->sent.payload.inflight.queues, 2);
    assert_int_equal(s->sent.payload.inflight.queue_size, 128);
    expect(s, VHOST_USER_SET_INFLIGHT_FD);
    assert_int_equal(s->sent.nr_fds, 1);
    assert_int_equal(s->sent.fds[0], 50);
    assert_int_equal(s->sent.payload.inflight.mmap_size, 0x3000);
    expect(s, VHOST_USER_SET_MEM_TABLE);
    assert_int_equal(s->sent.header.size, 8 + 32);
    assert_int_equal(s->sent.fds[0], 30);
    assert_memory_equal(&s->sent.payload.memory.region[0], &s->setup.regions[0], 32);
    expect(s, VHOST_USER_SET_VRING_NUM);
    assert_int_equal(s->sent.payload.state.index, 1);
    assert_int_equal(s->sent.payload.state.num, 64);
    expect(s, VHOST_USER_SET_VRING_BASE);
    assert_int_equal(s->sent.payload.state.num, 8);
    expect(s, VHOST_USER_SET_VRING_ADDR);
    assert_int_equal(s->sent.payload.addr.desc, 0x1001);
    assert_int_equal(s->sent.payload.addr.used, 0x3000);
    assert_int_equal(s->sent.payload.addr.avail, 0x2000);
    expect(s, VHOST_USER_SET_VRING_ERR);
    assert_int_equal(s->sent.fds[0], 42);
    expect(s, VHOST_USER_SET_VRING_CALL);
    assert_int_equal(s->sent.fds[0], 41);
    assert_int_equal(s->engine.begun, 0);
    expect(s, VHOST_USER_SET_VRING_KICK);
    assert_int_equal(s->sent.fds[0], 40);
    assert_int_equal(s->engine.begun, 2);
    expect(s, VHOST_USER_SET_VRING_ENABLE);
    assert_int_equal(s->sent.payload.state.index, 1);
    assert_int_equal(s->sent.payload.state.num, 1);
    assert_false(next(s));
    assert_true(vhost_user_engine_settled(&s->engine));
    assert_int_equal(s->engine.running, 2);
}

static void status_is_told_where_the_back_end_has_it(void **state)
{
    static const uint64_t steps[] = {3, 11, 15, 0};
    struct setup *s = *state;
    unsigned n = 0;

    s->protocol |= BIT(VHOST_USER_PROTOCOL_STATUS) | BIT(VHOST_USER_PROTOCOL_NET_MTU);
    s->setup.mtu = 1400;
    hello(s);
    s->engine.want = 3;
    for (unsigned turn = 0; turn < 2; turn++, s->engine.want = 0) {
        while (next(s)) {
            if (s->sent.header.request == VHOST_USER_SET_STATUS) {
                assert_true(n < 4);
                assert_int_equal(s->sent.payload.u64, steps[n++]);
            } else if (s->sent.header.request == VHOST_USER_NET_SET_MTU) {
                assert_int_equal(s->sent.payload.u64, 1400);
                assert_int_equal(n, 2);
            }
            if (s->engine.awaiting)
                reply(s);
        }
    }
    assert_int_equal(n, 4);
}

static void rings_stop_one_by_one_and_tell_where(void **state)
{
    struct setup *s = *state;

    hello(s);
    s->engine.want = 3;
    run(s, NULL, 0);
    assert_int_equal(s->started, 2);
    s->engine.want = 2;
    expect(s, VHOST_USER_GET_VRING_BASE);
    assert_int_equal(s->sent.payload.state.index, 0);
    assert_int_equal(s->engine.rings[0].base, 99);
    assert_false(next(s));
    assert_int_equal(s->stopped, 1);
    s->engine.want = 0;
    expect(s, VHOST_USER_GET_VRING_BASE);
    assert_false(next(s));
    assert_int_equal(s->engine.begun, 0);
    assert_true(vhost_user_engine_settled(&s->engine));
}

static void a_ring_that_is_given_up_half_way_begins_anew(void **state)
{
    struct setup *s = *state;

    hello(s);
    s->engine.want = 1;
    while (s->engine.begun == 0) {
        assert_true(next(s));
        reply(s);
    }
    s->engine.want = 0;
    expect(s, VHOST_USER_GET_VRING_BASE);
    s->engine.want = 1;
    expect(s, VHOST_USER_SET_VRING_NUM); /* what was negotiated still holds */
    while (s->sent.header.request != VHOST_USER_SET_VRING_ADDR) {
        assert_true(next(s));
        reply(s);
    }
    s->engine.want = 3; /* and the other one meanwhile */
    run(s, NULL, 0);
    assert_int_equal(s->engine.running, 3);
}

static void one_that_is_left_half_way_for_another_is_stopped_first(void **state)
{
    struct setup *s = *state;
    uint32_t seen[40] = {0};

    hello(s);
    s->engine.want = 1;
    run(s, NULL, 0);
    s->engine.want = 3;
    while (s->engine.begun != 3) {
        assert_true(next(s));
        reply(s);
    }
    s->engine.want = 2; /* ring 1 is not enabled yet, and ring 0 is to stop */
    assert_true(run(s, seen, 40) > 2);
    assert_int_equal(seen[0], VHOST_USER_GET_VRING_BASE);
    assert_int_equal(seen[1], VHOST_USER_GET_VRING_BASE);
    assert_int_equal(seen[2], VHOST_USER_SET_VRING_NUM);
    assert_int_equal(s->engine.begun, 2);
    assert_int_equal(s->engine.running, 2);
}

static void a_driver_that_begins_anew_is_negotiated_for_anew(void **state)
{
    struct setup *s = *state;

    hello(s);
    s->engine.want = 3;
    assert_true(next(s));
    assert_int_equal(s->sent.header.request, VHOST_USER_SET_FEATURES);
    /* A reset, and the next driver, before the back end has answered. */
    s->engine.renew = true;
    s->engine.driver_features = V1 | BIT(5);
    s->features |= BIT(5);
    s->engine.features |= BIT(5);
    reply(s);
    expect(s, VHOST_USER_SET_FEATURES);
    assert_int_equal(s->sent.payload.u64, V1 | BIT(5) | PROTOCOL);
    run(s, NULL, 0);
    assert_int_equal(s->engine.running, 3);
}

static void the_next_back_end_gets_the_region_of_the_one_before(void **state)
{
    struct setup *s = *state;
    uint32_t seen[40] = {0};
    unsigned n, set = 0;

    hello(s);
    s->engine.want = 3;
    run(s, NULL, 0);
    vhost_user_engine_begin(&s->engine);
    assert_int_equal(s->engine.begun, 0);
    n = run(s, seen, 40);
    for (unsigned i = 0; i < n; i++) {
        assert_int_not_equal(seen[i], VHOST_USER_GET_INFLIGHT_FD);
        assert_int_not_equal(seen[i], VHOST_USER_GET_VRING_BASE);
        set += seen[i] == VHOST_USER_SET_INFLIGHT_FD;
    }
    assert_int_equal(set, 1);
    assert_int_equal(s->engine.running, 3);
}

static void a_change_of_the_configuration_is_read(void **state)
{
    struct setup *s = *state;
    struct vhost_user_message m = {
        .header = {VHOST_USER_BACKEND_CONFIG_CHANGE, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0},
    };

    hello(s);
    assert_true(vhost_user_engine_request(&s->engine, &m));
    assert_int_equal(m.payload.u64, 0);
    assert_int_equal(m.header.size, 8);
    assert_int_equal(m.header.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
    expect(s, VHOST_USER_GET_CONFIG);
    assert_false(next(s));
    m.header = (struct vhost_user_header){77, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, 0};
    assert_true(vhost_user_engine_request(&s->engine, &m));
    assert_int_not_equal(m.payload.u64, 0);
    assert_false(next(s));
}

static void what_the_driver_writes_is_sent(void **state)
{
    struct setup *s = *state;

    hello(s);
    s->engine.config[5] = 'x';
    s->engine.config_at = 5;
    s->engine.config_len = 1;
    s->engine.config_write = true;
    expect(s, VHOST_USER_SET_CONFIG);
    assert_int_equal(s->sent.header.size, VHOST_USER_CONFIG_HEADER + 1);
    assert_int_equal(s->sent.payload.config.offset, 5);
    assert_int_equal(s->sent.payload.config.size, 1);
    assert_int_equal(s->sent.payload.config.region[0], 'x');
    assert_false(next(s));
}

/*
 * Nonsense, each in the place of a good reply to `request`.
 */

static void shorter(struct vhost_user_message *m)
{
    m->header.size--;
}
static void longer(struct vhost_user_message *m)
{
    m->header.size++;
}
static void empty(struct vhost_user_message *m)
{
    m->header.size = 0;
}
static void other_request(struct vhost_user_message *m)
{
    m->header.request++;
}
static void no_reply(struct vhost_user_message *m)
{
    m->header.flags &= ~VHOST_USER_REPLY;
}
static void version_2(struct vhost_user_message *m)
{
    m->header.flags ^= 3;
}
static void with_a_descriptor(struct vhost_user_message *m)
{
    m->fds[m->nr_fds++] = 60;
}
static void without_descriptor(struct vhost_user_message *m)
{
    m->nr_fds = 0;
}
static void zero(struct vhost_user_message *m)
{
    m->payload.u64 = 0;
}
static void refusal(struct vhost_user_message *m)
{
    m->payload.u64 = 1;
}
static void other_ring(struct vhost_user_message *m)
{
    m->payload.state.index = 63;
}
static void index_of_17_bits(struct vhost_user_message *m)
{
    m->payload.state.num = 0x10000;
}
static void config_elsewhere(struct vhost_user_message *m)
{
    m->payload.config.offset = 4;
}
static void config_that_claims_more(struct vhost_user_message *m)
{
    m->payload.config.size = 4096;
}
static void region_of_all_memory(struct vhost_user_message *m)
{
    m->payload.inflight.mmap_size = UINT64_MAX;
}
static void region_for_one_queue(struct vhost_user_message *m)
{
    m->payload.inflight.queues = 1;
}
static void region_before_the_start(struct vhost_user_message *m)
{
    m->payload.inflight.mmap_offset = UINT64_MAX;
}

static void nonsense_ends_the_connection(void **state)
{
    static const struct {
        uint32_t request;
        void (*spoil)(struct vhost_user_message *m);
    } cases[] = {
        {VHOST_USER_GET_FEATURES, shorter},
        {VHOST_USER_GET_FEATURES, longer},
        {VHOST_USER_GET_FEATURES, empty},
        {VHOST_USER_GET_FEATURES, other_request},
        {VHOST_USER_GET_FEATURES, no_reply},
        {VHOST_USER_GET_FEATURES, version_2},
        {VHOST_USER_GET_FEATURES, with_a_descriptor},
        {VHOST_USER_GET_FEATURES, zero},
        {VHOST_USER_GET_QUEUE_NUM, zero},
        {VHOST_USER_GET_CONFIG, empty},
        {VHOST_USER_GET_CONFIG, longer},
        {VHOST_USER_GET_CONFIG, shorter},
        {VHOST_USER_GET_CONFIG, config_elsewhere},
        {VHOST_USER_GET_CONFIG, config_that_claims_more},
        {VHOST_USER_SET_FEATURES, refusal},
        {VHOST_USER_SET_MEM_TABLE, refusal},
        {VHOST_USER_SET_MEM_TABLE, shorter},
        {VHOST_USER_SET_VRING_ADDR, refusal},
        {VHOST_USER_SET_VRING_ENABLE, other_request},
        {VHOST_USER_GET_INFLIGHT_FD, without_descriptor},
        {VHOST_USER_GET_INFLIGHT_FD, with_a_descriptor},
        {VHOST_USER_GET_INFLIGHT_FD, region_of_all_memory},
        {VHOST_USER_GET_INFLIGHT_FD, region_for_one_queue},
        {VHOST_USER_GET_INFLIGHT_FD, region_before_the_start},
        {VHOST_USER_GET_VRING_BASE, other_ring},
        {VHOST_USER_GET_VRING_BASE, index_of_17_bits},
        {VHOST_USER_GET_VRING_BASE, empty},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct setup *s = *state;
        struct vhost_user_message m;

        teardown(state);
        setup(state);
        s = *state;
        s->engine.want = 3;
        if (cases[i].request == VHOST_USER_GET_VRING_BASE) {
            run(s, NULL, 0);
            s->engine.want = 0;
        }
        while (next(s) && s->sent.header.request != cases[i].request)
            if (s->engine.awaiting)
                reply(s);
        assert_int_equal(s->sent.header.request, cases[i].request);
        m = answer(s);
        cases[i].spoil(&m);
        assert_false(vhost_user_engine_reply(&s->engine, &m));
        assert_non_null(s->engine.error);
        assert_int_equal(s->engine.inflight.fd,
                         cases[i].request > VHOST_USER_GET_CONFIG ? -1 : s->engine.inflight.fd);
        assert_false(next(s));
        assert_false(vhost_user_engine_ready(&s->engine));
        /* The next connection is a new chance. */
        vhost_user_engine_begin(&s->engine);
        s->engine.want = 3;
        run(s, NULL, 0);
        assert_int_equal(s->engine.running, 3);
    }
}

static void a_reply_that_nobody_waits_for_ends_the_connection(void **state)
{
    struct setup *s = *state;
    struct vhost_user_message m;

    hello(s);
    m = answer(s);
    assert_false(vhost_user_engine_reply(&s->engine, &m));
    assert_non_null(s->engine.error);
}

static void a_back_end_must_have_what_the_driver_was_offered(void **state)
{
    struct setup *s = *state;
    struct vhost_user_message m;

    s->setup.needs |= BIT(9);
    assert_true(next(s));
    m = answer(s);
    assert_false(vhost_user_engine_reply(&s->engine, &m));
    assert_int_equal(s->engine.value, BIT(9));
    s->setup.needs = V1;
    s->setup.protocol_needs = BIT(VHOST_USER_PROTOCOL_CONFIG);
    s->protocol &= ~BIT(VHOST_USER_PROTOCOL_CONFIG);
    vhost_user_engine_begin(&s->engine);
    while (!s->engine.error && next(s)) {
        m = answer(s);
        if (s->engine.awaiting)
            vhost_user_engine_reply(&s->engine, &m);
    }
    assert_int_equal(s->engine.value, BIT(VHOST_USER_PROTOCOL_CONFIG));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(hello_asks_for_all_that_the_back_end_has),
        TEST(a_back_end_without_protocol_features_gets_none),
        TEST(rings_get_memory_addresses_and_descriptors),
        TEST(status_is_told_where_the_back_end_has_it),
        TEST(rings_stop_one_by_one_and_tell_where),
        TEST(a_ring_that_is_given_up_half_way_begins_anew),
        TEST(one_that_is_left_half_way_for_another_is_stopped_first),
        TEST(a_driver_that_begins_anew_is_negotiated_for_anew),
        TEST(the_next_back_end_gets_the_region_of_the_one_before),
        TEST(a_change_of_the_configuration_is_read),
        TEST(what_the_driver_writes_is_sent),
        TEST(nonsense_ends_the_connection),
        TEST(a_reply_that_nobody_waits_for_ends_the_connection),
        TEST(a_back_end_must_have_what_the_driver_was_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
