/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device made into a plugin, seen through its struct rv_device_class: an
 * echo that copies what is readable to what is writable, at once or later.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

/*
 * The device
 */

struct echo {
    struct virtio_plugin *plugin;
    struct virtq_chain held;
    bool later; /* the property: keep one until echo_done() */
    bool turns; /* the property: one in each turn */
    bool holding;
    bool waited_for;
};

static unsigned echos; /* that exist */
static struct echo *echo_last;
static uint32_t echo_words[2]; /* the configuration space that is told of */

static void echo_copy(struct virtqueue *vq, const struct virtq_chain *chain)
{
    uint8_t bytes[64];
    size_t len = iov_read(chain->readable, chain->readable_count, 0, bytes, sizeof(bytes));

    virtqueue_push(vq, chain, iov_write(chain->writable, chain->writable_count, 0, bytes, len));
}

static void echo_resubmit(void *device, struct virtqueue *vq, const struct virtq_chain *chain)
{
    echo_copy(vq, chain);
}

static void echo_notify(void *device, struct virtqueue *vq)
{
    struct echo *echo = device;
    struct virtq_chain chain;

    if (echo->turns) {
        virtio_plugin_serve(echo->plugin, vq, 1, echo_resubmit);
        return;
    }
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

static bool echo_reset(void *device)
{
    ((struct echo *)device)->holding = false;
    return true;
}

static struct virtio_plugin_class echo_class;

static int echo_create(struct virtio_plugin *plugin, void *state, uint32_t flags,
                       struct virtio_device_config *config, void **device)
{
    static const struct virtqueue_limits limits = {.size = 16};
    struct echo *echo;

    if (plugin->ops->property_bool(plugin->instance, "broken"))
        return -ENXIO;
    echo = calloc(1, sizeof(*echo));
    echo->plugin = plugin;
    echo->later = plugin->ops->property_bool(plugin->instance, "later");
    echo->turns = plugin->ops->property_bool(plugin->instance, "turns");
    *config = (struct virtio_device_config){
        .features = VIRTIO_RING_FEATURES, .queues = 1, .limits = &limits};
    if (plugin->ops->property_bool(plugin->instance, "space"))
        config->config_size = 1;
    echo_class.virtio.config_told = plugin->ops->property_bool(plugin->instance, "told");
    if (echo_class.virtio.config_told)
        config->config_size = sizeof(echo_words);
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
    struct virtqueue *vq = virtio_device_queue(&echo->plugin->virtio, 0);

    echo->holding = false;
    echo_copy(vq, &echo->held);
    virtqueue_flush_notify(vq);
    if (echo->waited_for)
        virtio_plugin_quiesced(echo->plugin);
}

/* If nobody is told of it, another value at each look. */
static void echo_config_read(void *device, uint32_t offset, void *data, size_t len)
{
    static uint8_t looks;

    if (((struct echo *)device)->plugin->class->virtio.config_told) {
        memcpy(data, (const uint8_t *)echo_words + offset, len);
        return;
    }
    looks++;
    memset(data, looks, len);
}

static struct virtio_plugin_class echo_class = {
    .virtio = {.id = 42,
               .notify = echo_notify,
               .config_read = echo_config_read,
               .reset = echo_reset,
               .resubmit = echo_resubmit},
    .create = echo_create,
    .destroy = echo_destroy,
    .quiesce = echo_quiesce,
};

static const struct rv_property echo_properties[] = {
    {.name = "later", .type = RV_PROPERTY_BOOL, .value = "off", .help = "keep a request"},
    {.name = "turns", .type = RV_PROPERTY_BOOL, .value = "off", .help = "one in each turn"},
    {.name = "space", .type = RV_PROPERTY_BOOL, .value = "off", .help = "a configuration space"},
    {.name = "told", .type = RV_PROPERTY_BOOL, .value = "off", .help = "and its changes are told"},
    {.name = "broken", .type = RV_PROPERTY_BOOL, .value = "off", .help = "cannot be made"},
    VIRTIO_PLUGIN_PROPERTIES,
    {.name = NULL},
};

VIRTIO_PLUGIN(echo_class, .name = "virtio-echo", .description = "a test",
              .properties = echo_properties);

/*
 * The tests
 */

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q;
    unsigned seen_rises;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_host_init(&f->host, &f->world);
    f->host.dirty = f->world.dirty;
    f->host.quiet = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    driver_host_end(&f->host, &f->world);
    free(f);
    return echos == 0 ? 0 : -1;
}

static void begin(struct fixture *f)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
}

static void take_over(struct fixture *f)
{
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_create(&f->host, RV_CREATE_RESUME), 0);
}

static uint32_t rd(struct fixture *f, uint64_t reg)
{
    return plugin_host_get(&f->host, reg);
}

static void bring_up(struct fixture *f)
{
    struct virtio_device *virtio = plugin_host_virtio(&f->host);
    uint64_t features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);

    driver_queue_init(&f->q, &f->world, 0, 16, features);
    assert_true(driver_negotiate(virtio, features));
    assert_true(driver_queue_enable(virtio, &f->q));
    driver_ok(virtio);
}

static void ask(struct fixture *f)
{
    struct driver_seg segs[2] = {{DRIVER_DATA, 5, false}, {DRIVER_DATA + 64, 16, true}};

    memcpy(driver_at(&f->world, DRIVER_DATA), "hello", 5);
    memset(driver_at(&f->world, DRIVER_DATA + 64), 0, 16);
    assert_true(driver_add(&f->q, segs, 2, false, f));
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 0, NULL), 0);
}

static void expect_answer(struct fixture *f)
{
    uint32_t len = 0;

    assert_ptr_equal(driver_get(&f->q, &len), f);
    assert_int_equal(len, 5);
    assert_string_equal(driver_at(&f->world, DRIVER_DATA + 64), "hello");
    assert_true(f->host.rises > f->seen_rises); /* an edge */
    f->seen_rises = f->host.rises;
    assert_int_equal(f->world.dirty[DRIVER_DATA + 64 - DRIVER_RAM_BASE], 1);
    assert_int_equal(rd(f, 0x060) & 1, 1);
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 1, NULL), 0);
}

static void class_is_one_of_a_virtio_transport(void **state)
{
    assert_int_equal(ringvisor_device.size, sizeof(struct rv_device_class));
    assert_int_equal(ringvisor_device.regions[0].bytes, 0x200);
    assert_int_equal(ringvisor_device.place, RV_PLACE_VIRTIO_MMIO);
    assert_int_equal(ringvisor_device.irq_lines, 1);
    assert_int_equal(ringvisor_device.irq_edge, 1);
    assert_string_equal(ringvisor_device.fdt->compatible[0], "virtio,mmio");
    assert_int_equal(ringvisor_device.regions[0].posted[0].start, 0x050);
    assert_int_equal(ringvisor_device.regions[0].posted[0].size, 0x064 + 4 - 0x050);
    assert_int_equal(ringvisor_device.regions[0].posted[1].size, 0);
}

static void device_answers(void **state)
{
    struct fixture *f = *state;

    begin(f);
    assert_int_equal(rd(f, 0x008), 42);
    bring_up(f);
    ask(f);
    expect_answer(f);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    ringvisor_device.reset(f->host.device);
    assert_int_equal(rd(f, 0x070), 0);
    ringvisor_device.resume(f->host.device);
    bring_up(f);
    ask(f);
    expect_answer(f);
    assert_int_equal(f->host.logs, 0);
}

static void quiesce_waits_for_what_is_in_flight(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "later", "on");
    begin(f);
    bring_up(f);
    ask(f);
    assert_false(driver_pending(&f->q));
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    assert_int_equal(f->host.quiesced, 0);
    echo_done(echo_last);
    assert_int_equal(f->host.quiesced, 1);
    expect_answer(f);
    ringvisor_device.resume(f->host.device);
    ask(f);
    echo_done(echo_last);
    expect_answer(f);
}

/* Who has resumed the device does not wait any more. */
static void a_device_that_goes_on_does_not_say_that_it_stands_still(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "later", "on");
    begin(f);
    bring_up(f);
    ask(f);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    ringvisor_device.resume(f->host.device);
    echo_done(echo_last);
    assert_int_equal(f->host.quiesced, 0);
    expect_answer(f);
}

static unsigned answers(struct fixture *f)
{
    unsigned n = 0;
    uint32_t len;

    while (driver_get(&f->q, &len))
        n++;
    return n;
}

static void a_queue_goes_on_in_the_next_pass(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "turns", "on");
    begin(f);
    bring_up(f);
    for (unsigned i = 0; i < 5; i++)
        ask(f); /* with a notification each */
    assert_int_equal(answers(f), 5);
    for (unsigned i = 0; i < 4; i++) {
        struct driver_seg seg = {DRIVER_DATA, 5, false};

        assert_true(driver_add(&f->q, &seg, 1, false, f));
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(plugin_host_timer_at(&f->host), 0);
        plugin_host_turn(&f->host, 0);
        assert_int_equal(answers(f), 1);
    }
    /* Not while the device stands still: when it goes on it has its turn anyway. */
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    assert_int_equal(plugin_host_timer_at(&f->host), PLUGIN_HOST_NEVER);
    ringvisor_device.resume(f->host.device);
    assert_int_equal(answers(f), 1);
    assert_int_equal(plugin_host_timer_at(&f->host), 0);
    /* Nor one that does not run any more. */
    driver_write(plugin_host_virtio(&f->host), 0x070, 0);
    plugin_host_turn(&f->host, 0);
    assert_int_equal(answers(f), 0);
    assert_int_equal(plugin_host_timer_at(&f->host), PLUGIN_HOST_NEVER);
}

static void an_earlier_vmms_request_is_answered(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "later", "on");
    begin(f);
    bring_up(f);
    ask(f);
    take_over(f);
    assert_int_equal(rd(f, 0x070), 0xf);
    assert_false(driver_pending(&f->q)); /* not before the resume */
    ringvisor_device.resume(f->host.device);
    expect_answer(f);
}

static void what_cannot_be_made_leaves_nothing(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "broken", "on");
    assert_int_equal(plugin_host_create(&f->host, 0), -ENXIO);
    plugin_host_set(&f->host, "broken", "off");
    f->host.no_state = true;
    assert_int_equal(plugin_host_create(&f->host, 0), -ENOSPC);
    f->host.no_state = false;
    begin(f);
    plugin_host_stop(&f->host);
    ((uint8_t *)f->host.block[0].block)[5] ^= 1; /* the version */
    assert_int_equal(plugin_host_create(&f->host, RV_CREATE_RESUME), -EINVAL);
    assert_int_equal(f->host.logs, 1);
    assert_null(f->host.device);
}

static void what_the_user_switches_off_is_not_offered(void **state)
{
    static const struct {
        const char *property;
        unsigned bit;
    } cases[] = {{"packed", VIRTIO_F_RING_PACKED},
                 {"event-idx", VIRTIO_RING_F_EVENT_IDX},
                 {"indirect", VIRTIO_RING_F_INDIRECT_DESC}};
    struct fixture *f = *state;

    for (unsigned i = 0; i < 3; i++) {
        plugin_host_set(&f->host, cases[i].property, "off");
        begin(f);
        assert_int_equal(plugin_host_virtio(&f->host)->state->device_features,
                         VIRTIO_RING_FEATURES & ~VIRTIO_FEATURE(cases[i].bit));
        plugin_host_stop(&f->host);
        plugin_host_set(&f->host, cases[i].property, NULL);
    }
}

/* The vmm asks each class for what it declares only, but a device need not have any of it. */
static void a_device_without_run_time_says_so(void **state)
{
    const struct rv_device_command command = {
        .size = sizeof(command), .name = "jump", .json = "{}"};
    struct fixture *f = *state;
    char text[8];

    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_int_equal(ringvisor_device.set(f->host.device, "later", "on"), -EPERM);
    assert_int_equal(ringvisor_device.get(f->host.device, "later", text, sizeof(text)), -ENOENT);
    assert_int_equal(ringvisor_device.command(f->host.device, &command), -ENOENT);
}

static void acknowledge(struct fixture *f)
{
    static const struct rv_access posted = {.size = sizeof(posted), .flags = RV_ACCESS_POSTED};

    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 1, &posted), 0);
}

/* The device has answered, and interrupted. */
static void begin_with_an_answer(struct fixture *f)
{
    begin(f);
    bring_up(f);
    ask(f);
    assert_int_equal(f->host.rises, 1);
}

/* Two answers. An acknowledgement of the first comes after both. */
static void begin_two_answers(struct fixture *f, uint32_t pending)
{
    begin_with_an_answer(f);
    f->host.pending = pending;
    ask(f);
    f->host.pending = 0;
    assert_int_equal(f->host.rises, 1); /* the line is high already */
}

static void what_may_have_been_acknowledged_too_early_interrupts_again(void **state)
{
    struct fixture *f = *state;

    begin_two_answers(f, 1);
    acknowledge(f);
    assert_int_equal(f->host.rises, 2);
    assert_int_equal(rd(f, 0x060), 1);
    acknowledge(f);
    assert_int_equal(f->host.rises, 2);
    assert_int_equal(rd(f, 0x060), 0);
}

/* Each of them may be older than the answer. One that comes after them is not. */
static void so_many_acknowledgements_on_their_way_so_many_interrupts_more(void **state)
{
    struct fixture *f = *state;

    begin_two_answers(f, 3);
    f->host.pending = 100; /* those that come meanwhile are later */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rd(f, 0x060), 1);
        acknowledge(f);
    }
    assert_int_equal(f->host.rises, 4);
    assert_int_equal(rd(f, 0x060), 0);
}

static void what_was_seen_does_not_interrupt_again(void **state)
{
    struct fixture *f = *state;

    begin_two_answers(f, 0);
    acknowledge(f);
    assert_int_equal(f->host.rises, 1);
    assert_int_equal(rd(f, 0x060), 0);
}

/* A driver may acknowledge twice what it read once. The second is late for what came between. */
static void an_acknowledgement_too_many_takes_no_interrupt(void **state)
{
    struct fixture *f = *state;

    begin_with_an_answer(f);
    acknowledge(f);
    f->host.pending = 1; /* the second one */
    ask(f);
    f->host.pending = 0;
    assert_int_equal(f->host.rises, 2);
    acknowledge(f);
    assert_int_equal(f->host.rises, 3);
    assert_int_equal(rd(f, 0x060), 1);
}

/* One that was made before may still be in a ring. */
static void after_a_take_over_an_acknowledgement_may_be_an_old_one(void **state)
{
    struct fixture *f = *state;

    begin_with_an_answer(f);
    take_over(f);
    f->host.pending = 1;
    ringvisor_device.resume(f->host.device);
    f->host.pending = 0;
    f->host.rises = 0;
    acknowledge(f);
    assert_int_equal(f->host.rises, 1);
    assert_int_equal(rd(f, 0x060), 1);
    acknowledge(f);
    assert_int_equal(f->host.rises, 1);
}

/* plugin_host.c compares what is shown with what is told. */
static void registers_are_shown_and_kept_up_to_date(void **state)
{
    struct fixture *f = *state;
    uint32_t *shown;

    begin(f);
    assert_true(f->host.region[0].shown);
    shown = (uint32_t *)(void *)f->host.region[0].bytes;
    assert_int_equal(le32toh(shown[0x008 / 4]), 42);
    assert_int_equal(le32toh(shown[0x070 / 4]), 0);
    bring_up(f);
    assert_int_equal(le32toh(shown[0x070 / 4]), 0xf);
    ask(f);
    assert_int_equal(le32toh(shown[0x060 / 4]), 1);
    acknowledge(f);
    assert_int_equal(le32toh(shown[0x060 / 4]), 0);
    virtio_device_broken(plugin_host_virtio(&f->host), 0, "something wrong", 1);
    assert_int_equal(le32toh(shown[0x070 / 4]), 0x4f);
    take_over(f);
    assert_int_equal(le32toh(shown[0x070 / 4]), 0x4f);
    ringvisor_device.reset(f->host.device);
    assert_int_equal(le32toh(shown[0x070 / 4]), 0);
}

static void a_configuration_space_that_nobody_tells_of_is_not_shown(void **state)
{
    struct fixture *f = *state;
    uint32_t value;

    plugin_host_set(&f->host, "space", "on");
    begin(f);
    assert_false(f->host.region[0].shown);
    value = rd(f, 0x100);
    assert_int_not_equal(rd(f, 0x100), value);
}

/* The configuration space as it was and as it is, for a driver that reads it at any moment. */
static struct {
    uint32_t before[2];
    uint32_t generation; /* the shown one before */
    unsigned looks;
} change;

static void read_between(struct rv_instance *host)
{
    const uint32_t *shown = (const uint32_t *)(const void *)host->region[0].bytes;
    const uint32_t *words = shown + 0x100 / 4;
    bool is_new = memcmp(words, echo_words, sizeof(echo_words)) == 0;

    change.looks++;
    assert_true(is_new || memcmp(words, change.before, sizeof(change.before)) == 0);
    if (le32toh(shown[0x0fc / 4]) != change.generation)
        assert_true(is_new);
}

static void change_words(struct fixture *f, uint32_t first, uint32_t second)
{
    const uint32_t *shown = (const uint32_t *)(const void *)f->host.region[0].bytes;

    memcpy(change.before, echo_words, sizeof(echo_words));
    change.generation = le32toh(shown[0x0fc / 4]);
    change.looks = 0;
    echo_words[0] = first;
    echo_words[1] = second;
    virtio_device_config_changed(plugin_host_virtio(&f->host));
    plugin_host_check_shown(&f->host);
    assert_true(f->host.region[0].shown);
}

/* It reads ConfigGeneration, the words, and ConfigGeneration again: those that are equal belong together. */
static void a_driver_reads_no_mixture_of_two_configurations(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "told", "on");
    begin(f);
    assert_true(f->host.region[0].shown);
    f->host.shown_changed = read_between;
    change_words(f, 5, 0);
    assert_int_equal(change.looks,
                     2); /* a word, and ConfigGeneration: nothing is hidden for that */
    change_words(f, 6, 7);
    change_words(f, 6, 8);
    f->host.shown_changed = NULL;
}

/* Of a reset, Status is the end. What is shown when it is 0 for the first time: */
static enum { NOT_YET, IN_PART, WHOLE } reset_shown;

static void read_status(struct rv_instance *host)
{
    const uint32_t *shown = (const uint32_t *)(const void *)host->region[0].bytes;

    if (reset_shown == NOT_YET && shown[0x070 / 4] == 0)
        reset_shown = shown[0x100 / 4] == echo_words[0] && shown[0x044 / 4] == 0 ? WHOLE : IN_PART;
}

static void all_else_is_shown_before_status_is_0(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "told", "on");
    begin(f);
    bring_up(f);
    f->host.shown_changed = read_status;
    echo_words[0]++;
    reset_shown = NOT_YET;
    driver_write(plugin_host_virtio(&f->host), 0x070, 0);
    assert_int_equal(reset_shown, WHOLE);
    f->host.shown_changed = NULL;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(class_is_one_of_a_virtio_transport),
        TEST(device_answers),
        TEST(quiesce_waits_for_what_is_in_flight),
        TEST(a_device_that_goes_on_does_not_say_that_it_stands_still),
        TEST(a_queue_goes_on_in_the_next_pass),
        TEST(an_earlier_vmms_request_is_answered),
        TEST(what_cannot_be_made_leaves_nothing),
        TEST(what_the_user_switches_off_is_not_offered),
        TEST(a_device_without_run_time_says_so),
        TEST(what_may_have_been_acknowledged_too_early_interrupts_again),
        TEST(so_many_acknowledgements_on_their_way_so_many_interrupts_more),
        TEST(what_was_seen_does_not_interrupt_again),
        TEST(an_acknowledgement_too_many_takes_no_interrupt),
        TEST(after_a_take_over_an_acknowledgement_may_be_an_old_one),
        TEST(registers_are_shown_and_kept_up_to_date),
        TEST(a_configuration_space_that_nobody_tells_of_is_not_shown),
        TEST(a_driver_reads_no_mixture_of_two_configurations),
        TEST(all_else_is_shown_before_status_is_0),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
