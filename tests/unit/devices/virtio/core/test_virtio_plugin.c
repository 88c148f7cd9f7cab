/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device made into a plugin, seen through its struct rv_device_class: an
 * echo that copies what is readable to what is writable, at once or later.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ringvisor/virtio/virtio_plugin.h>
#include "tests/unit/support/virtio_driver.h"

/*
 * The device
 */

struct echo {
    struct virtio_plugin *plugin;
    struct virtq_chain held;
    bool later; /* the property: keep one until echo_done() */
    bool holding;
    bool waited_for;
};

static unsigned echos; /* that exist */
static struct echo *echo_last;

static void echo_copy(struct virtqueue *vq, const struct virtq_chain *chain)
{
    uint8_t bytes[64];
    size_t len = iov_read(chain->readable, chain->readable_count, 0, bytes, sizeof(bytes));

    virtqueue_push(vq, chain, iov_write(chain->writable, chain->writable_count, 0, bytes, len));
}

static void echo_notify(void *device, struct virtqueue *vq)
{
    struct echo *echo = device;
    struct virtq_chain chain;

    do {
        virtqueue_notify_disable(vq);
        while (!echo->holding && virtqueue_pop(vq, &chain)) {
            if (echo->later) {
                echo->held = chain;
                echo->holding = true;
            } else {
                echo_copy(vq, &chain);
            }
        }
    } while (virtqueue_notify_enable(vq) && !echo->holding);
    virtqueue_flush_notify(vq);
}

static void echo_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    (void)device;
    echo_copy(vq, chain);
}

static bool echo_reset(void *device)
{
    ((struct echo *)device)->holding = false;
    return true;
}

static int echo_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                       struct virtio_device_config *config, void **device)
{
    static const struct virtqueue_limits limits = {.size = 16};
    struct echo *echo;

    (void)state;
    (void)flags;
    if (plugin->ops->property_bool(plugin->instance, "broken"))
        return -ENXIO;
    echo = calloc(1, sizeof(*echo));
    echo->plugin = plugin;
    echo->later = plugin->ops->property_bool(plugin->instance, "later");
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES, .queues = 1, .limits = &limits};
    *device = echo;
    echo_last = echo;
    echos++;
    return 0;
}

static void echo_destroy(void *device)
{
    free(device);
    echos--;
}

static int echo_quiesce(void *device)
{
    struct echo *echo = device;

    echo->waited_for = echo->holding;
    return echo->holding ? -EINPROGRESS : 0;
}

static void echo_done(struct echo *echo)
{
    struct virtqueue *vq = virtio_mmio_queue(&echo->plugin->mmio, 0);

    echo->holding = false;
    echo_copy(vq, &echo->held);
    virtqueue_flush_notify(vq);
    if (echo->waited_for)
        virtio_plugin_quiesced(echo->plugin);
}

static const struct virtio_plugin_class echo = {
    .virtio = {.id = 42, .notify = echo_notify, .reset = echo_reset, .resubmit = echo_resubmit},
    .create = echo_create,
    .destroy = echo_destroy,
    .quiesce = echo_quiesce,
};

static const struct rv_property echo_properties[] = {
    {.name = "later", .type = RV_PROPERTY_BOOL, .value = "off", .help = "keep a request"},
    {.name = "broken", .type = RV_PROPERTY_BOOL, .value = "off", .help = "cannot be made"},
    VIRTIO_PLUGIN_PROPERTIES,
    {.name = NULL},
};

VIRTIO_PLUGIN(echo, .name = "virtio-echo", .description = "a test", .properties = echo_properties);

/*
 * The core
 */

struct rv_instance {
    const char *off; /* one of the rings' properties */
    struct driver_world world;
    struct virtio_env env; /* of `world` */
    void *block;
    size_t block_size;
    bool later, broken, full;
    unsigned seen_rises;
    unsigned quiesced;
    unsigned logs;
    void *device;
};

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    (void)fmt;
    assert_true(level <= RV_LOG_DEBUG);
    host->logs++;
}

static void host_irq_pulse(struct rv_instance *host, unsigned line)
{
    assert_int_equal(line, 0);
    host->env.irq(host->env.ctx, true);
    host->env.irq(host->env.ctx, false);
}

static void *host_mem_span(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    return host->env.span(host->env.ctx, ipa, len, true);
}

static void host_mem_dirty(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    host->env.dirty(host->env.ctx, ipa, len);
}

static bool host_property_bool(struct rv_instance *host, const char *name)
{
    if (strcmp(name, "later") == 0)
        return host->later;
    if (strcmp(name, "broken") == 0)
        return host->broken;
    return !host->off || strcmp(name, host->off) != 0;
}

static void *host_state_block(struct rv_instance *host, const char *name, uint32_t version,
                              size_t size)
{
    assert_true(strlen(name) <= 12);
    assert_int_not_equal(version, 0);
    if (host->full)
        return NULL;
    if (!host->block)
        host->block = calloc(1, size);
    else
        assert_int_equal(size, host->block_size);
    host->block_size = size;
    return host->block;
}

static void host_quiesced(struct rv_instance *host)
{
    host->quiesced++;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .irq_pulse = host_irq_pulse,
    .mem_span = host_mem_span,
    .mem_dirty = host_mem_dirty,
    .property_bool = host_property_bool,
    .state_block = host_state_block,
    .quiesced = host_quiesced,
};

static int setup(void **state)
{
    struct rv_instance *host = calloc(1, sizeof(*host));

    driver_world_init(&host->world);
    host->env = driver_env(&host->world);
    *state = host;
    return 0;
}

static int teardown(void **state)
{
    struct rv_instance *host = *state;

    if (host->device)
        ringvisor_device.destroy(host->device);
    driver_world_destroy(&host->world);
    free(host->block);
    free(host);
    return echos == 0 ? 0 : -1;
}

static void begin(struct rv_instance *host)
{
    assert_int_equal(ringvisor_device.create(host, &ops, NULL, 0, &host->device), 0);
    ringvisor_device.reset(host->device);
    ringvisor_device.resume(host->device);
}

static void take_over(struct rv_instance *host)
{
    ringvisor_device.destroy(host->device);
    assert_int_equal(ringvisor_device.create(host, &ops, NULL, RV_CREATE_RESUME, &host->device), 0);
}

static uint32_t rd(struct rv_instance *host, uint64_t reg)
{
    uint64_t value = ~0ull;

    assert_int_equal(ringvisor_device.read(host->device, reg, 4, &value), 0);
    assert_true(value <= UINT32_MAX);
    return (uint32_t)value;
}

static void bring_up(struct rv_instance *host, struct driver_queue *q)
{
    struct virtio_mmio *mmio = &((struct virtio_plugin *)host->device)->mmio;
    uint64_t features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

    driver_queue_init(q, &host->world, 0, 16, features);
    assert_true(driver_negotiate(mmio, features));
    assert_true(driver_queue_enable(mmio, q));
    driver_ok(mmio);
}

static void ask(struct rv_instance *host, struct driver_queue *q)
{
    struct driver_seg segs[2] = {{DRIVER_DATA, 5, false}, {DRIVER_DATA + 64, 16, true}};

    memcpy(driver_at(&host->world, DRIVER_DATA), "hello", 5);
    memset(driver_at(&host->world, DRIVER_DATA + 64), 0, 16);
    assert_true(driver_add(q, segs, 2, false, host));
    assert_int_equal(ringvisor_device.write(host->device, 0x050, 4, 0), 0);
}

static void expect_answer(struct rv_instance *host, struct driver_queue *q)
{
    uint32_t len = 0;

    assert_ptr_equal(driver_get(q, &len), host);
    assert_int_equal(len, 5);
    assert_string_equal(driver_at(&host->world, DRIVER_DATA + 64), "hello");
    assert_true(host->world.rises > host->seen_rises); /* an edge */
    host->seen_rises = host->world.rises;
    assert_int_equal(host->world.dirty[DRIVER_DATA + 64 - DRIVER_RAM_BASE], 1);
    assert_int_equal(rd(host, 0x060) & 1, 1);
    assert_int_equal(ringvisor_device.write(host->device, 0x064, 4, 1), 0);
}

static void class_is_one_of_a_virtio_transport(void **state)
{
    (void)state;
    assert_int_equal(ringvisor_device.size, sizeof(struct rv_device_class));
    assert_int_equal(ringvisor_device.mmio_size, 0x200);
    assert_int_equal(ringvisor_device.place, RV_PLACE_VIRTIO_MMIO);
    assert_int_equal(ringvisor_device.irq_lines, 1);
    assert_int_equal(ringvisor_device.irq_edge, 1);
    assert_string_equal(ringvisor_device.fdt->compatible[0], "virtio,mmio");
    assert_int_equal(ringvisor_device.posted[0].start, 0x050);
    assert_int_equal(ringvisor_device.posted[0].size, 4);
    assert_int_equal(ringvisor_device.posted[1].size, 0);
}

static void device_answers(void **state)
{
    struct rv_instance *host = *state;
    struct driver_queue q;

    begin(host);
    assert_int_equal(rd(host, 0x008), 42);
    bring_up(host, &q);
    ask(host, &q);
    expect_answer(host, &q);
    assert_int_equal(ringvisor_device.quiesce(host->device), 0);
    ringvisor_device.reset(host->device);
    assert_int_equal(rd(host, 0x070), 0);
    ringvisor_device.resume(host->device);
    bring_up(host, &q);
    ask(host, &q);
    expect_answer(host, &q);
    assert_int_equal(host->logs, 0);
}

static void quiesce_waits_for_what_is_in_flight(void **state)
{
    struct rv_instance *host = *state;
    struct driver_queue q;

    host->later = true;
    begin(host);
    bring_up(host, &q);
    ask(host, &q);
    assert_false(driver_pending(&q));
    assert_int_equal(ringvisor_device.quiesce(host->device), -EINPROGRESS);
    assert_int_equal(host->quiesced, 0);
    echo_done(echo_last);
    assert_int_equal(host->quiesced, 1);
    expect_answer(host, &q);
    ringvisor_device.resume(host->device);
    ask(host, &q);
    echo_done(echo_last);
    expect_answer(host, &q);
}

static void an_earlier_vmms_request_is_answered(void **state)
{
    struct rv_instance *host = *state;
    struct driver_queue q;

    host->later = true;
    begin(host);
    bring_up(host, &q);
    ask(host, &q);
    take_over(host);
    assert_int_equal(rd(host, 0x070), 0xf);
    assert_false(driver_pending(&q)); /* not before the resume */
    ringvisor_device.resume(host->device);
    expect_answer(host, &q);
}

static void what_cannot_be_made_leaves_nothing(void **state)
{
    struct rv_instance *host = *state;

    host->broken = true;
    assert_int_equal(ringvisor_device.create(host, &ops, NULL, 0, &host->device), -ENXIO);
    host->broken = false;
    host->full = true;
    assert_int_equal(ringvisor_device.create(host, &ops, NULL, 0, &host->device), -ENOSPC);
    host->full = false;
    begin(host);
    ((uint8_t *)host->block)[5] ^= 1; /* the version */
    ringvisor_device.destroy(host->device);
    host->device = NULL;
    assert_int_equal(ringvisor_device.create(host, &ops, NULL, RV_CREATE_RESUME, &host->device),
                     -EINVAL);
    assert_int_equal(host->logs, 1);
    assert_null(host->device);
}

static void what_the_user_switches_off_is_not_offered(void **state)
{
    static const struct {
        const char *property;
        unsigned bit;
    } cases[] = {{"packed", VIRTIO_F_RING_PACKED},
                 {"event-idx", VIRTIO_RING_F_EVENT_IDX},
                 {"indirect", VIRTIO_RING_F_INDIRECT_DESC}};
    struct rv_instance *host = *state;

    for (unsigned i = 0; i < 3; i++) {
        host->off = cases[i].property;
        begin(host);
        assert_int_equal(((struct virtio_plugin *)host->device)->mmio.state->device_features,
                         VIRTIO_RING_FEATURES & ~VIRTIO_FEATURE(cases[i].bit));
        ringvisor_device.destroy(host->device);
        host->device = NULL;
        free(host->block);
        host->block = NULL;
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(class_is_one_of_a_virtio_transport),  TEST(device_answers),
        TEST(quiesce_waits_for_what_is_in_flight), TEST(an_earlier_vmms_request_is_answered),
        TEST(what_cannot_be_made_leaves_nothing),  TEST(what_the_user_switches_off_is_not_offered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
