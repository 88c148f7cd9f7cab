/* SPDX-License-Identifier: BSD-2-Clause */
/* The block device: resets, quiet, another vmm, and another size while the guest runs. */
#include "tests/unit/support/blk_fixture.h"

/* The driver frees its buffers after it has written Status: its CPU stays there. */
static void reset_waits_for_what_is_in_flight_and_the_loop_does_not(void **state)
{
    struct fixture *f = *state;
    uint8_t *status;

    start(f, 0);
    memset(at(f, DATA), 0, 512);
    add(f, VIRTIO_BLK_T_IN, 9, 512);
    status = at(f, STATUS);
    *status = 0x5a;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL),
                         -EAGAIN);
        assert_int_not_equal(driver_read(mmio_of(f), 0x070), 0);
        assert_int_equal(f->host.disk.nr_pending, 1);
    }
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 1, NULL),
                     0); /* ignored */
    plugin_host_disk_complete_all(&f->host.disk);
    assert_int_equal(*status, 0x5a);
    assert_int_equal(driver_read(mmio_of(f), 0x070), 0);
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL), 0);
    assert_false(driver_pending(&f->q)); /* it ended, and nobody is told */
    memset(at(f, DATA), 0x11, 512);
    negotiate(f, 0);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(*at(f, DATA), 3);
}

/* A server that is away would hold the reset until it is back. */
static void reset_gives_up_what_nobody_has_begun_with(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    for (unsigned i = 0; i < 3; i++)
        add(f, VIRTIO_BLK_T_IN, i, 512);
    assert_int_equal(f->host.disk.nr_pending, 3);
    f->host.disk.nr_waiting = 2;
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL), -EAGAIN);
    assert_int_equal(f->host.disk.nr_pending, 1);
    plugin_host_disk_complete(&f->host.disk, 0, 0, true);
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL), 0);
    assert_false(driver_pending(&f->q));

    /* Nothing is left to wait for. */
    negotiate(f, 0);
    add(f, VIRTIO_BLK_T_IN, 5, 512);
    f->host.disk.nr_waiting = 1;
    assert_int_equal(ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL), 0);
    assert_int_equal(f->host.disk.nr_pending, 0);
    negotiate(f, 0);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
}

static void reset_that_cannot_wait_goes_on_until_all_is_done(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    add(f, VIRTIO_BLK_T_IN, 9, 512);
    driver_write(mmio_of(f), 0x070, 0);
    assert_int_not_equal(driver_read(mmio_of(f), 0x070), 0);
    plugin_host_disk_complete(&f->host.disk, 0, 0, true);
    assert_int_equal(driver_read(mmio_of(f), 0x070), 0);
    negotiate(f, 0);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
}

static void another_capacity_is_told_and_can_be_used(void **state)
{
    struct fixture *f = *state;
    struct rv_disk *disk = &f->host.disk;
    uint64_t generation;

    start(f, 0);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_IOERR);
    generation = driver_read(mmio_of(f), 0x0fc);
    disk->image = realloc(disk->image, (SECTORS + 1) * 512);
    memset(disk->image + SECTORS * 512, 0x77, 512);
    disk->info.capacity = (SECTORS + 1) * 512;
    disk->options.changed(disk->options.opaque);
    assert_int_equal(driver_read(mmio_of(f), 0x060) & 2, 2); /* configuration change */
    assert_int_not_equal(driver_read(mmio_of(f), 0x0fc), generation);
    assert_int_equal(driver_read(mmio_of(f), 0x100), SECTORS + 1);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, SECTORS, 512), VIRTIO_BLK_S_OK);
    assert_int_equal(*at(f, DATA), 0x77);
}

/* The answer says what size the disk has now; the driver is told from the loop. */
static void resize_gives_the_disk_the_size_and_tells_the_driver(void **state)
{
    struct fixture *f = *state;
    const struct rv_reply *reply;

    start(f, 0);
    reply = plugin_host_command(&f->host, "resize", "{\"size\": 1049600}"); /* 2 sectors more */
    assert_true(reply->answered);
    assert_int_equal(reply->error, 0);
    assert_string_equal(reply->json, "{\"size\": 1049600}");
    plugin_host_disk_tell_size(&f->host.disk);
    assert_int_equal(driver_read(mmio_of(f), 0x060) & 2, 2);
    assert_int_equal(driver_read(mmio_of(f), 0x100), SECTORS + 2);
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, SECTORS + 1, 512), VIRTIO_BLK_S_OK);
}

static void resize_without_a_size_looks_at_the_image(void **state)
{
    struct fixture *f = *state;
    const struct rv_reply *reply;

    start(f, 0);
    reply = plugin_host_command(&f->host, "resize", NULL); /* it is as it was */
    assert_int_equal(reply->error, 0);
    assert_string_equal(reply->json, "{\"size\": 1048576}");
    plugin_host_disk_tell_size(&f->host.disk);
    assert_int_equal(driver_read(mmio_of(f), 0x060) & 2, 0);
    f->host.disk.next_size = (SECTORS + 8) * 512;
    reply = plugin_host_command(&f->host, "resize", "{}");
    assert_int_equal(reply->error, 0);
    plugin_host_disk_tell_size(&f->host.disk);
    assert_int_equal(driver_read(mmio_of(f), 0x060) & 2, 2);
    assert_int_equal(driver_read(mmio_of(f), 0x100), SECTORS + 8);
}

static void resize_refuses_what_is_no_size(void **state)
{
    static const char *const wrong[] = {
        "",
        "7",
        "[]",
        "{",
        "{\"size\": 0}",
        "{\"size\": -512}",
        "{\"size\": \"1G\"}",
        "{\"size\": 1049600.0}",
        "{\"size\": 99999999999999999999}",
        "{\"size\": 1049600, \"size\": 1049600}",
        "{\"size\": 1049600, \"force\": true}",
        "{\"sise\": 1049600}",
        "{\"size\": 1049600} x",
        "{\"size\": 512}",     /* the disk's own refusals: shorter, */
        "{\"size\": 1048577}", /* and no whole sectors */
    };
    struct fixture *f = *state;

    start(f, 0);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const struct rv_reply *reply = plugin_host_command(&f->host, "resize", wrong[i]);

        assert_true(reply->answered);
        assert_int_equal(reply->error, -EINVAL);
        assert_string_equal(reply->json, "");
    }
    assert_int_equal(plugin_host_command(&f->host, "shrink", NULL)->error, -ENOENT);
    assert_int_equal(f->host.disk.info.capacity, SECTORS * 512);
    assert_int_equal(driver_read(mmio_of(f), 0x060) & 2, 0);
}

static void one_queue_is_reset_alone(void **state)
{
    struct fixture *f = *state;
    struct driver_queue other;
    uint64_t features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET) |
                        VIRTIO_FEATURE(VIRTIO_BLK_F_MQ);

    plugin_host_set(&f->host, "queues", "2");
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(driver_negotiate(mmio_of(f), features));
    for (unsigned i = 0; i < 2; i++) {
        driver_queue_init(i ? &other : &f->q, &f->world, i, 64, features);
        assert_true(driver_queue_enable(mmio_of(f), i ? &other : &f->q));
    }
    driver_ok(mmio_of(f));
    add(f, VIRTIO_BLK_T_IN, 9, 512);
    driver_write(mmio_of(f), 0x030, 1);
    driver_write(mmio_of(f), VIRTIO_MMIO_QUEUE_RESET, 1);
    assert_int_equal(driver_read(mmio_of(f), VIRTIO_MMIO_QUEUE_RESET), 0); /* it had nothing */
    driver_write(mmio_of(f), 0x030, 0);
    driver_write(mmio_of(f), VIRTIO_MMIO_QUEUE_RESET, 1);
    assert_int_equal(driver_read(mmio_of(f), VIRTIO_MMIO_QUEUE_RESET), 1);
    plugin_host_disk_complete(&f->host.disk, 0, 0, true);
    assert_int_equal(driver_read(mmio_of(f), VIRTIO_MMIO_QUEUE_RESET), 0);
    driver_queue_init(&f->q, &f->world, 0, 64, features);
    assert_true(driver_queue_enable(mmio_of(f), &f->q));
    assert_int_equal(run(f, VIRTIO_BLK_T_IN, 3, 512), VIRTIO_BLK_S_OK);
}

static void quiesce_lets_end_what_is_in_flight_and_begins_nothing(void **state)
{
    struct fixture *f = *state;

    start(f, usual);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    ringvisor_device.resume(f->host.device);
    add(f, VIRTIO_BLK_T_OUT, 9, 512);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    assert_int_equal(f->host.quiesced, 0);
    plugin_host_disk_complete(&f->host.disk, 0, 0, true);
    assert_int_equal(f->host.quiesced, 1);
    assert_true(f->host.rises > 0); /* and the guest is told, before the device stands still */
    assert_int_equal(got(f), VIRTIO_BLK_S_OK);
    ringvisor_device.reset(f->host.device);
    ringvisor_device.resume(f->host.device);
    negotiate(f, usual);
    ringvisor_device.quiesce(f->host.device);
    add(f, VIRTIO_BLK_T_OUT, 9, 512);
    assert_int_equal(f->host.disk.nr_pending, 0);
    ringvisor_device.resume(f->host.device);
    assert_int_equal(f->host.disk.nr_pending, 1); /* nobody rang for it again */
}

static void quiesce_of_a_write_through_disk_waits_for_the_flush_too(void **state)
{
    struct fixture *f = *state;

    start(f, 0);
    add(f, VIRTIO_BLK_T_OUT, 9, 512);
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    plugin_host_disk_complete(&f->host.disk, 0, 0, true);
    assert_int_equal(f->host.quiesced, 0);
    plugin_host_disk_complete(&f->host.disk, 0, 0, true);
    assert_int_equal(f->host.quiesced, 1);
    assert_int_equal(got(f), VIRTIO_BLK_S_OK);
}

/* A vmm dies: what it had not answered is done by the next one, in what order it came. */
static void another_process_goes_on(void **state)
{
    struct fixture *f = *state;
    uint64_t tokens[3];
    uint32_t len;

    for (unsigned packed = 0; packed <= 1; packed++) {
        start(f, usual | VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) |
                     (packed ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0));
        ringvisor_device.regions[0].write(
            f->host.device, 0x100 + offsetof(struct virtio_blk_config, wce), 1, 0, NULL);
        for (unsigned i = 0; i < 3; i++) {
            struct driver_seg segs[3] = {
                {HEADER + 16 * i, 16, false}, {DATA + 0x200 * i, 512, true}, {STATUS + i, 1, true}};

            put_header(f, HEADER + 16 * i, VIRTIO_BLK_T_IN, 100 + i);
            *at(f, STATUS + i) = NONE;
            assert_true(driver_add(&f->q, segs, 3, i == 1, &tokens[i]));
        }
        kick(f);
        plugin_host_disk_complete(&f->host.disk, 1, 0, true);
        assert_ptr_equal(driver_get(&f->q, &len), &tokens[1]);
        plugin_host_stop(&f->host);
        assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
        assert_int_equal(f->host.disk.nr_pending, 2);
        plugin_host_disk_complete_all(&f->host.disk);
        assert_ptr_equal(driver_get(&f->q, &len), &tokens[0]);
        assert_ptr_equal(driver_get(&f->q, &len), &tokens[2]);
        assert_int_equal(*at(f, DATA), 100);
        assert_int_equal(*at(f, DATA + 0x400), 102);
        /* And the cache mode is as the driver left it. */
        f->host.disk.flushes = 0;
        assert_int_equal(run(f, VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_OK);
        assert_int_equal(f->host.disk.flushes, 1);
        plugin_host_stop(&f->host);
    }
}

/* What fails without I/O is over at once: a driver that refills must not hold the loop. */
static void greedy_driver_waits_for_the_next_pass(void **state)
{
    struct fixture *f = *state;

    plugin_host_set(&f->host, "queue-size", "16");
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    driver_queue_init(&f->q, &f->world, 0, 16, ALWAYS);
    assert_true(driver_negotiate(mmio_of(f), ALWAYS));
    assert_true(driver_queue_enable(mmio_of(f), &f->q));
    driver_ok(mmio_of(f));
    put_header(f, HEADER, 99, 0);
    for (unsigned i = 0; i < 8; i++) {
        struct driver_seg segs[2] = {{HEADER, 16, false}, {STATUS, 1, true}};

        assert_true(driver_add(&f->q, segs, 2, false, f));
    }
    kick(f);
    assert_int_equal(plugin_host_timer_at(&f->host), PLUGIN_HOST_NEVER);
    for (unsigned i = 0; i < 16; i++) {
        struct driver_seg segs[2] = {{HEADER, 16, false}, {STATUS, 1, true}};

        if (i < 8)
            assert_int_equal(got(f), VIRTIO_BLK_S_UNSUPP);
        assert_true(driver_add(&f->q, segs, 2, true, f));
    }
    kick(f);
    assert_int_equal(plugin_host_timer_at(&f->host), 0); /* sixteen in one go: there may be more */
    plugin_host_turn(&f->host, 0);
    assert_int_equal(plugin_host_timer_at(&f->host), PLUGIN_HOST_NEVER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reset_waits_for_what_is_in_flight_and_the_loop_does_not),
        TEST(reset_gives_up_what_nobody_has_begun_with),
        TEST(reset_that_cannot_wait_goes_on_until_all_is_done),
        TEST(another_capacity_is_told_and_can_be_used),
        TEST(resize_gives_the_disk_the_size_and_tells_the_driver),
        TEST(resize_without_a_size_looks_at_the_image),
        TEST(resize_refuses_what_is_no_size),
        TEST(one_queue_is_reset_alone),
        TEST(quiesce_lets_end_what_is_in_flight_and_begins_nothing),
        TEST(quiesce_of_a_write_through_disk_waits_for_the_flush_too),
        TEST(another_process_goes_on),
        TEST(greedy_driver_waits_for_the_next_pass),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
