/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory balloon, a driver, and somebody at its control channel. */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

#define F(name) VIRTIO_FEATURE(VIRTIO_BALLOON_F_##name)
#define LIST    (DRIVER_DATA + 0x100000)
#define PAGE    4096u

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[4];
};

static const struct plugin_host_property usual[] = {{"control", "null"}, {"size", "2M"}, {0}};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    driver_host_init(&f->host, &f->world);
    f->host.properties = usual;
    f->host.quiet = true;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    driver_host_end(&f->host, &f->world);
    free(f);
    return 0;
}

static void start(struct fixture *f, uint64_t features, unsigned queues)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(driver_host_begin(&f->host, &f->world, f->q, queues, 64, features));
}

static bool gives(struct fixture *f, unsigned q, uint64_t addr, uint32_t len, bool write)
{
    struct driver_seg seg = {addr, len, write};
    uint32_t used;

    assert_true(driver_add(&f->q[q], &seg, 1, false, f));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, q, NULL);
    return driver_get(&f->q[q], &used) != NULL;
}

static bool inflates(struct fixture *f, const uint32_t *pages, uint32_t bytes)
{
    memcpy(driver_at(&f->world, LIST), pages, bytes);
    return gives(f, 0, LIST, bytes, false);
}

static const char *says(struct fixture *f, const char *text)
{
    plugin_host_chr_clear(&f->host.chr[0]);
    plugin_host_chr_input(&f->host.chr[0], text, strlen(text));
    return (const char *)f->host.chr[0].got;
}

static void neighbours_are_discarded_together_in_whatever_order(void **state)
{
    const uint32_t first = (uint32_t)(DRIVER_DATA / PAGE);
    const uint32_t pages[] = {first + 3, first + 1, first + 2, first + 2, first + 8};
    struct fixture *f = *state;

    start(f, 0, 2);
    memset(driver_at(&f->world, DRIVER_DATA), 0x77, 16 * PAGE);
    assert_true(inflates(f, pages, sizeof(pages)));
    assert_int_equal(f->host.discards, 2);
    assert_int_equal(f->host.discarded, 4 * PAGE);
    assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_DATA), 0x77);
    assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_DATA + PAGE), 0);
    assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_DATA + 4 * PAGE), 0x77);
    assert_int_equal(plugin_host_counter(&f->host, "inflated"), 4 * PAGE);
    assert_true(gives(f, 1, LIST, sizeof(pages), false));
    assert_int_equal(plugin_host_counter(&f->host, "deflated"), 5 * PAGE);
}

static void pages_that_are_no_ram_are_ignored_and_said_once(void **state)
{
    const uint32_t last = (uint32_t)((DRIVER_RAM_BASE + DRIVER_RAM_SIZE) / PAGE);
    const uint32_t pages[] = {0, 0xffffffff, 0xfffffffe, last, 0x9000, last - 1};
    struct fixture *f = *state;

    start(f, 0, 2);
    assert_true(inflates(f, pages, sizeof(pages)));
    assert_true(inflates(f, pages, sizeof(pages)));
    assert_true(inflates(f, pages, 3)); /* less than a number */
    assert_int_equal(f->host.warnings, 1);
    assert_int_equal(f->host.discarded, 2 * PAGE); /* the last page of RAM, twice */
}

static void a_wrong_number_among_neighbours_does_not_spoil_them(void **state)
{
    const uint32_t end = (uint32_t)((DRIVER_RAM_BASE + DRIVER_RAM_SIZE) / PAGE);
    const uint32_t pages[] = {end + 1, end - 1, end, end - 3, end - 2};
    struct fixture *f = *state;

    start(f, 0, 2);
    assert_true(inflates(f, pages, sizeof(pages)));
    assert_int_equal(f->host.discarded, 3 * PAGE);
    assert_int_equal(plugin_host_counter(&f->host, "inflated"), 3 * PAGE);
    assert_int_equal(f->host.warnings, 1);
}

static void the_page_behind_a_wrong_number_and_its_neighbours_is_kept(void **state)
{
    const uint32_t first = (uint32_t)(DRIVER_RAM_BASE / PAGE);
    const uint32_t pages[] = {first - 1, first, first + 1};
    struct fixture *f = *state;

    start(f, 0, 2);
    *(uint8_t *)driver_at(&f->world, DRIVER_RAM_BASE + 2 * PAGE) = 0x77;
    assert_true(inflates(f, pages, sizeof(pages)));
    assert_int_equal(f->host.discarded, 2 * PAGE);
    assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_RAM_BASE + 2 * PAGE), 0x77);
}

static void a_list_without_end_breaks_the_device(void **state)
{
    struct fixture *f = *state;

    start(f, 0, 2);
    assert_false(gives(f, 0, LIST, 4100, false));
    assert_true(driver_read(plugin_host_virtio(&f->host), 0x070) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* The queue's place depends on the statistics': 5.5.2. */
static void reported_pages_are_discarded_but_not_parts_of_them(void **state)
{
    struct fixture *f = *state;

    for (unsigned stats = 0; stats <= 1; stats++) {
        start(f, F(REPORTING) | (stats ? F(STATS_VQ) : 0), 3 + stats);
        memset(driver_at(&f->world, DRIVER_DATA), 0x77, 8 * PAGE);
        f->host.discarded = 0;
        assert_true(gives(f, 2 + stats, DRIVER_DATA + 100, 3 * PAGE, true));
        assert_int_equal(f->host.discarded, 2 * PAGE);
        assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_DATA + 100), 0x77);
        assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_DATA + PAGE), 0);
        assert_int_equal(*(uint8_t *)driver_at(&f->world, DRIVER_DATA + 3 * PAGE), 0x77);
        assert_true(gives(f, 2 + stats, DRIVER_DATA + 100, 200, true));
        assert_int_equal(f->host.discarded, 2 * PAGE);
        plugin_host_stop(&f->host);
    }
}

/* `vmm restore --lazy`: nobody waits for all of it. */
static void memory_that_is_read_late_is_not_asked_for_at_once(void **state)
{
    struct fixture *f = *state;

    f->host.ram_flags = RV_MEM_LATE;
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_int_equal(f->host.needed, 0);
    assert_true(driver_host_begin(&f->host, &f->world, f->q, 3, 64, F(REPORTING)));
    assert_true(gives(f, 2, DRIVER_DATA, 2 * PAGE, true));
    assert_int_equal(f->host.discarded, 2 * PAGE);
    assert_in_range(f->host.needed, 1, DRIVER_RAM_SIZE / 2);
}

static void size_is_the_users_and_actual_the_drivers(void **state)
{
    struct fixture *f = *state;
    uint64_t value;

    start(f, 0, 2);
    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    assert_int_equal(value, (DRIVER_RAM_SIZE - (2u << 20)) / PAGE);
    assert_string_equal(says(f, "size 3M\n"), "ok\n");
    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    assert_int_equal(value, (1u << 20) / PAGE);
    assert_int_equal(driver_read(plugin_host_virtio(&f->host), 0x060), 2);
    ringvisor_device.regions[0].write(f->host.device, 0x104, 4, 77, NULL);
    ringvisor_device.regions[0].write(f->host.device, 0x105, 1, 1, NULL); /* any width */
    ringvisor_device.regions[0].read(f->host.device, 0x104, 4, &value, NULL);
    assert_int_equal(value, 77 + 256);
    ringvisor_device.regions[0].write(f->host.device, 0x104, 4, 0xffffffff, NULL);
    ringvisor_device.regions[0].read(f->host.device, 0x104, 4, &value, NULL);
    assert_int_equal(value, DRIVER_RAM_SIZE / PAGE); /* more than there is cannot be */
    ringvisor_device.regions[0].write(f->host.device, 0x100, 4, 5, NULL); /* not the driver's */
    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    assert_int_equal(value, (1u << 20) / PAGE);
    ringvisor_device.regions[0].write(f->host.device, 0x070, 4, 0, NULL);
    ringvisor_device.regions[0].read(f->host.device, 0x104, 4, &value, NULL);
    assert_int_equal(value, 0); /* the balloon is flat after a reset */
}

static void wrong_words_are_answered(void **state)
{
    static const struct {
        const char *line, *answer;
    } cases[] = {
        {"size 5M\n", "error: size '5M': give 1M to 4M\n"},
        {"size 0\n", "error: size '0': give 1M to 4M\n"},
        {"size -1\n", "error: size '-1': give 1M to 4M\n"},
        {"size 2MB\n", "error: size '2MB': give 1M to 4M\n"},
        {"size 99999999999999T\n", "error: size '99999999999999T': give 1M to 4M\n"},
        {"size 2097152\r\n", "ok\n"},
        {"help\n", "error: 'help': there are 'size SIZE' and 'stats'\n"},
        {"\n", ""},
    };
    struct fixture *f = *state;

    start(f, 0, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(says(f, cases[i].line), cases[i].answer);
    for (unsigned i = 0; i < 20; i++)
        says(f, "0123456789abcdef");
    assert_non_null(strstr(says(f, "\nsize 2M\n"), "ok\n"));
}

static void stats_are_asked_for_and_told_when_they_come(void **state)
{
    const struct virtio_balloon_stat stats[] = {
        {VIRTIO_BALLOON_S_MEMFREE, 1234}, {99, 1}, {VIRTIO_BALLOON_S_MEMTOT, 5678}};
    struct fixture *f = *state;

    start(f, F(STATS_VQ), 3);
    assert_non_null(strstr(says(f, "stats\n"), "\"size\": 2097152")); /* what there is */
    memcpy(driver_at(&f->world, LIST), stats, sizeof(stats));
    assert_false(gives(f, 2, LIST, sizeof(stats), false)); /* it is kept */
    assert_string_equal(says(f, "stats\n"), "");
    assert_true(driver_pending(&f->q[2])); /* and given back for news */
    assert_true(gives(f, 2, LIST, sizeof(stats), false));
    assert_non_null(strstr((const char *)f->host.chr[0].got, "\"free\": 1234, \"total\": 5678}\n"));
    assert_string_equal(says(f, "stats\n"), "");
    plugin_host_turn(&f->host, 2000000000); /* the guest does not answer */
    assert_non_null(strstr((const char *)f->host.chr[0].got, "\"free\": 1234"));
}

static uint32_t wanted_pages(struct fixture *f)
{
    uint64_t value = 0;

    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    return (uint32_t)value;
}

static void the_command_size_does_what_the_control_channel_does(void **state)
{
    struct fixture *f = *state;
    const struct rv_reply *reply;

    start(f, 0, 2);
    reply = plugin_host_command(&f->host, "size", "{\"size\": 3145728}");
    assert_true(reply->answered);
    assert_int_equal(reply->error, 0);
    assert_int_equal(wanted_pages(f), (1u << 20) / PAGE);
    assert_int_equal(driver_read(plugin_host_virtio(&f->host), 0x060), 2);
    assert_non_null(strstr(says(f, "stats\n"), "\"size\": 3145728"));
}

static void commands_refuse_what_makes_no_sense(void **state)
{
    static const struct {
        const char *name, *json;
        int error;
    } cases[] = {
        {"size", "{}", -EINVAL},
        {"size", "{\"size\": 0}", -EINVAL},
        {"size", "{\"size\": 1048575}", -EINVAL},
        {"size", "{\"size\": 4194305}", -EINVAL},
        {"size", "{\"size\": \"2M\"}", -EINVAL},
        {"size", "{\"size\": 2097152, \"unit\": 1}", -EINVAL},
        {"size", "2097152", -EINVAL},
        {"stats", "{\"size\": 2097152}", -EINVAL},
        {"stats", "no", -EINVAL},
        {"grow", "{}", -ENOENT},
    };
    struct fixture *f = *state;

    start(f, F(STATS_VQ), 3);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct rv_reply *reply = plugin_host_command(&f->host, cases[i].name, cases[i].json);

        assert_true(reply->answered);
        assert_int_equal(reply->error, cases[i].error);
    }
    assert_int_equal(wanted_pages(f), (DRIVER_RAM_SIZE - (2u << 20)) / PAGE);
}

/* The driver is asked once, and all who wait have its news. */
static void the_command_stats_waits_for_the_driver(void **state)
{
    const struct virtio_balloon_stat stat = {VIRTIO_BALLOON_S_MEMFREE, 1234};
    struct fixture *f = *state;
    const struct rv_reply *first, *second;

    f->host.properties = NULL; /* no control channel */
    start(f, F(STATS_VQ), 3);
    first = plugin_host_command(&f->host, "stats", NULL);
    assert_true(first->answered); /* the driver has given no buffer: what there is */
    assert_non_null(strstr(first->json, "\"size\": 4194304"));
    memcpy(driver_at(&f->world, LIST), &stat, sizeof(stat));
    assert_false(gives(f, 2, LIST, sizeof(stat), false));
    first = plugin_host_command(&f->host, "stats", NULL);
    second = plugin_host_command(&f->host, "stats", "{}");
    assert_false(first->answered || second->answered);
    assert_true(driver_pending(&f->q[2]));
    assert_true(gives(f, 2, LIST, sizeof(stat), false));
    assert_true(first->answered && second->answered);
    assert_int_equal(first->error, 0);
    assert_non_null(strstr(first->json, "\"free\": 1234}"));
    assert_string_equal(second->json, first->json);
    first = plugin_host_command(&f->host, "stats", NULL);
    assert_false(first->answered);
    plugin_host_turn(&f->host, 2000000000); /* the guest does not answer */
    assert_true(first->answered);
    assert_int_equal(first->error, 0);
}

static void each_who_asks_for_stats_has_one_answer(void **state)
{
    const struct virtio_balloon_stat stat = {VIRTIO_BALLOON_S_MEMFREE, 1234};
    struct fixture *f = *state;
    const struct rv_reply *reply;
    const char *said;

    start(f, F(STATS_VQ), 3);
    memcpy(driver_at(&f->world, LIST), &stat, sizeof(stat));
    assert_false(gives(f, 2, LIST, sizeof(stat), false));
    assert_string_equal(says(f, "stats\nstats\n"), "");
    reply = plugin_host_command(&f->host, "stats", NULL);
    assert_false(reply->answered);
    assert_true(driver_pending(&f->q[2]));
    assert_true(gives(f, 2, LIST, sizeof(stat), false));
    assert_true(reply->answered);
    said = strchr((const char *)f->host.chr[0].got, '\n');
    assert_non_null(said);
    assert_non_null(strstr(said, "\"free\": 1234}\n")); /* the second line is as long */
    assert_memory_equal(f->host.chr[0].got, reply->json, strlen(reply->json));
}

static void more_who_wait_for_stats_than_there_is_room_for_are_refused(void **state)
{
    const struct virtio_balloon_stat stat = {VIRTIO_BALLOON_S_MEMFREE, 1234};
    const struct rv_reply *replies[9];
    struct fixture *f = *state;

    start(f, F(STATS_VQ), 3);
    memcpy(driver_at(&f->world, LIST), &stat, sizeof(stat));
    assert_false(gives(f, 2, LIST, sizeof(stat), false));
    for (unsigned i = 0; i < 9; i++)
        replies[i] = plugin_host_command(&f->host, "stats", NULL);
    assert_int_equal(replies[8]->error, -EBUSY);
    for (unsigned i = 0; i < 8; i++)
        assert_string_equal(says(f, "stats\n"), "");
    assert_string_equal(says(f, "stats\n"), "error: stats: 8 of them wait for their answers\n");
    plugin_host_turn(&f->host, 2000000000);
    for (unsigned i = 0; i < 8; i++)
        assert_true(replies[i]->answered && replies[i]->error == 0);
}

/* ringvisor/device.h, "Quiet": no interrupt and no guest memory before resume(). */
static void a_quiet_balloon_takes_commands(void **state)
{
    const struct virtio_balloon_stat stat = {VIRTIO_BALLOON_S_MEMFREE, 1234};
    struct fixture *f = *state;
    const struct rv_reply *reply;
    unsigned rises;
    uint64_t dirty;

    start(f, F(STATS_VQ), 3);
    memcpy(driver_at(&f->world, LIST), &stat, sizeof(stat));
    assert_false(gives(f, 2, LIST, sizeof(stat), false));
    ringvisor_device.regions[0].write(f->host.device, 0x064, 4, 3, NULL);
    rises = f->host.rises;
    dirty = f->host.dirty_bytes;
    assert_int_equal(ringvisor_device.quiesce(f->host.device), 0);
    assert_int_equal(plugin_host_command(&f->host, "size", "{\"size\": 3145728}")->error, 0);
    reply = plugin_host_command(&f->host, "stats", NULL);
    assert_true(reply->answered); /* the driver is not asked now */
    assert_non_null(strstr(reply->json, "\"size\": 3145728"));
    assert_non_null(strstr(reply->json, "\"free\": 1234"));
    assert_int_equal(f->host.rises, rises);
    assert_int_equal(f->host.dirty_bytes, dirty);
    ringvisor_device.resume(f->host.device);
    assert_int_equal(f->host.rises, rises + 1);
    assert_int_equal(driver_read(plugin_host_virtio(&f->host), 0x060) & 2, 2);
}

static void a_size_that_cannot_be_is_refused(void **state)
{
    static const struct plugin_host_property cases[][2] = {{{"size", "5M"}}, {{"size", "4K"}}};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        f->host.properties = cases[i];
        assert_int_equal(plugin_host_start(&f->host, 0), -EINVAL);
    }
    assert_int_equal(f->host.errors, 2);
}

static void another_vmm_goes_on(void **state)
{
    const struct virtio_balloon_stat stat = {VIRTIO_BALLOON_S_MEMFREE, 1234};
    struct fixture *f = *state;
    uint64_t value;

    start(f, F(STATS_VQ), 3);
    says(f, "size 3M\n");
    memcpy(driver_at(&f->world, LIST), &stat, sizeof(stat));
    assert_false(gives(f, 2, LIST, sizeof(stat), false));
    plugin_host_stop(&f->host);
    assert_int_equal(plugin_host_start(&f->host, RV_CREATE_RESUME), 0);
    ringvisor_device.regions[0].read(f->host.device, 0x100, 4, &value, NULL);
    assert_int_equal(value, (1u << 20) / PAGE);
    says(f, "stats\n");
    assert_true(driver_pending(&f->q[2])); /* it has the driver's buffer */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(neighbours_are_discarded_together_in_whatever_order),
        TEST(pages_that_are_no_ram_are_ignored_and_said_once),
        TEST(a_wrong_number_among_neighbours_does_not_spoil_them),
        TEST(the_page_behind_a_wrong_number_and_its_neighbours_is_kept),
        TEST(a_list_without_end_breaks_the_device),
        TEST(reported_pages_are_discarded_but_not_parts_of_them),
        TEST(memory_that_is_read_late_is_not_asked_for_at_once),
        TEST(size_is_the_users_and_actual_the_drivers),
        TEST(wrong_words_are_answered),
        TEST(stats_are_asked_for_and_told_when_they_come),
        TEST(the_command_size_does_what_the_control_channel_does),
        TEST(commands_refuse_what_makes_no_sense),
        TEST(the_command_stats_waits_for_the_driver),
        TEST(each_who_asks_for_stats_has_one_answer),
        TEST(more_who_wait_for_stats_than_there_is_room_for_are_refused),
        TEST(a_quiet_balloon_takes_commands),
        TEST(a_size_that_cannot_be_is_refused),
        TEST(another_vmm_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
