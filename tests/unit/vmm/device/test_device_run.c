/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device is given while its guest runs: accesses with their vCPU, commands, work from
 * threads, state of older versions, and quiet. On plugins/several.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/support/device_fixture.h"
#include "vmm/device/device_internal.h"

#define SECOND       (BASE + 0x10000u) /* the second region of "second" */
#define SECOND_VCPU  0x00u
#define SECOND_FLAGS 0x08u
#define SECOND_ITEMS 0x10u
#define SECOND_SIZE  0x18u
#define SECOND_SAVES 0x20u
#define SECOND_EXTRA 0x28u
#define SECOND_GROWN 0x30u
#define SECOND_PART  0x38u

static struct fixture *f;
static struct rv_instance *device;

static int setup(void **state)
{
    f = fixture_new("several");
    device = NULL;
    return 0;
}

static int teardown(void **state)
{
    device_destroy(device);
    fixture_free(f);
    return 0;
}

static void make(const char *spec)
{
    assert_int_equal(device_create(&f->env, spec, &device), 0);
}

static uint64_t get(uint64_t address)
{
    uint64_t value = 0;

    assert_int_equal(bus_read(f->bus, ipa(address), 8, &value), 0);
    return value;
}

static void turn(void)
{
    for (unsigned i = 0; i < 20; i++)
        event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void object_of_several_classes_has_them_all(void **state)
{
    assert_int_equal(plugin_count(f->plugins), 2);
    assert_non_null(plugin_find(f->plugins, "first"));
    assert_non_null(plugin_find(f->plugins, "second"));
    assert_string_equal(plugin_find(f->plugins, "first")->file,
                        plugin_find(f->plugins, "second")->file);
}

static void each_region_has_its_callbacks_and_is_told_the_vcpu(void **state)
{
    make("second");
    assert_int_equal(device_base(device, 1).v, SECOND);
    assert_int_equal(bus_write(f->bus, ipa(BASE), 8, 1), 0);
    assert_int_equal(get(SECOND + SECOND_VCPU), RV_VCPU_NONE);
    bus_set_access(f->bus, (struct bus_access){.vcpu = 3, .posted = true});
    assert_int_equal(bus_write(f->bus, ipa(BASE), 8, 1), 0);
    assert_int_equal(get(SECOND + SECOND_VCPU), 3);
    assert_int_equal(get(SECOND + SECOND_FLAGS), RV_ACCESS_POSTED | 1);
    device_destroy(device);
    device = NULL;
    assert_int_equal(bus_write(f->bus, ipa(BASE), 8, 1), -ENXIO);
    assert_int_equal(bus_write(f->bus, ipa(SECOND), 8, 1), -ENXIO);
}

static void property_that_is_a_list_has_each_value_in_order(void **state)
{
    make("second,item=a,item=b,,c,item=");
    assert_int_equal(get(SECOND + SECOND_ITEMS), 3);
    assert_string_equal(device_ops.property_item(device, "item", 1), "b,c");
    assert_string_equal(device_ops.property_item(device, "item", 2), "");
    assert_null(device_ops.property_item(device, "item", 3));
    assert_string_equal(device_ops.property_string(device, "item"), "a");
    assert_int_equal(device_ops.property_count(device, "size"), 1);
    assert_int_equal(device_ops.property_count(device, "now"), 0);
}

static void check_get(const char *name, const char *expected)
{
    char *text = device_get(device, name);

    if (expected)
        assert_string_equal(text, expected);
    else
        assert_null(text);
    free(text);
}

static void properties_are_read_and_set_while_the_guest_runs(void **state)
{
    make("second,item=x,item=y");
    check_get("size", "5");
    check_get("item", "x\ny");
    check_get("now", "computed");
    check_get("none", NULL);
    assert_int_equal(device_set(device, "size", "0x20"), 0);
    assert_int_equal(get(SECOND + SECOND_SIZE), 0x20);
    check_get("size", "0x20");
    assert_int_equal(device_ops.property_uint(device, "size"), 0x20);
    capture();
    assert_int_equal(device_set(device, "size", "13"), -ERANGE);
    assert_int_equal(device_set(device, "size", "100"), -EINVAL);
    assert_int_equal(device_set(device, "fixed", "8"), -EPERM);
    assert_int_equal(device_set(device, "none", "8"), -ENOENT);
    release();
    assert_non_null(strstr(messages, "property 'fixed' cannot be changed while the guest runs"));
    check_get("size", "0x20");
    check_get("fixed", "7");
}

struct answer {
    unsigned count;
    int error;
    char json[64];
};

static void answered(void *opaque, int error, const char *json)
{
    struct answer *answer = opaque;

    answer->count++;
    answer->error = error;
    snprintf(answer->json, sizeof(answer->json), "%s", json ? json : "");
}

static void command_is_answered_once_now_or_later(void **state)
{
    struct answer now = {0}, later = {0}, never = {0}, lost = {0};

    make("second");
    device_command(device, "echo", "{\"a\": 1}", answered, &now);
    assert_int_equal(now.count, 1);
    assert_string_equal(now.json, "{\"a\": 1}");
    device_command(device, "echo", NULL, answered, &now);
    assert_string_equal(now.json, "{}");
    device_command(device, "fail", NULL, answered, &now);
    assert_int_equal(now.count, 3);
    assert_int_equal(now.error, -EPERM);
    device_command(device, "fly", NULL, answered, &never);
    assert_int_equal(never.error, -ENOENT);

    device_command(device, "later", NULL, answered, &later);
    assert_int_equal(later.count, 0);
    device_command(device, "answer", NULL, answered, &now);
    assert_int_equal(later.count, 1);
    assert_string_equal(later.json, "{\"late\": true}");
    device_command(device, "later", NULL, answered, &lost);
    device_destroy(device);
    device = NULL;
    assert_int_equal(lost.count, 1);
    assert_int_equal(lost.error, -ECANCELED);
    assert_int_equal(later.count, 1);
}

static void state_of_an_older_version_is_upgraded(void **state)
{
    uint32_t *old = state_alloc(&f->state, "second@9000000", 1, 4);
    uint32_t *extra = state_alloc(&f->state, "second@9000000/extra", 1, 4);
    struct state_found found;

    *old = 0x1234;
    *extra = 41;
    f->env.resume = true;
    make("second");
    assert_int_equal(get(BASE), 0x123400000000);
    assert_int_equal(get(SECOND + SECOND_EXTRA), 42);
    assert_true(state_lookup(&f->state, "second@9000000", &found));
    assert_int_equal(found.version, 2);
    /* And another vmm of the new version finds it so. */
    device_destroy(device);
    make("second");
    assert_int_equal(get(BASE), 0x123400000000);
    assert_int_equal(get(SECOND + SECOND_EXTRA), 42);
}

static void state_of_a_version_that_is_too_old_or_too_new_is_kept_and_refused(void **state)
{
    static const uint32_t versions[] = {0, 3};

    f->env.resume = true;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t *old = state_alloc(&f->state, "second@9000000", versions[i], 8);
        struct state_found found;

        *old = 77;
        capture();
        assert_int_not_equal(device_create(&f->env, "second", &device), 0);
        release();
        assert_true(state_lookup(&f->state, "second@9000000", &found));
        assert_int_equal(found.version, versions[i]);
        assert_int_equal(*(uint64_t *)found.at, 77);
        fixture_forget(f);
    }
    device = NULL;
}

static void check_of_a_state_upgrades_it_and_makes_no_device(void **state)
{
    uint32_t *old = state_alloc(&f->state, "second@9000000", 1, 4);
    struct state_found found;

    *old = 0x1234;
    state_alloc(&f->state, "second@9000000/extra", 1, 4);
    f->env.resume = f->env.check = true;
    make("second");
    assert_true(state_lookup(&f->state, "second@9000000", &found));
    assert_int_equal(found.version, 2);
    assert_null(state_unclaimed(&f->state));
    assert_int_not_equal(bus_read(f->bus, ipa(BASE), 8, &(uint64_t){0}), 0);
    assert_non_null(device_class(device));
    free(device_get(device, "level")); /* asks no device */
    device_destroy(device);
    device = NULL;

    fixture_forget(f);
    state_alloc(&f->state, "second@9000000", 3, 8);
    capture();
    assert_int_not_equal(device_create(&f->env, "second", &device), 0);
    release();
    device = NULL;
}

static unsigned needed;

static void count_need(void *opaque, uint64_t offset, uint64_t size)
{
    needed++;
    assert_int_equal(offset, 8);
    assert_int_equal(size, 16);
}

static void all_memory_is_mapped_late_and_a_part_is_there_when_it_is_needed(void **state)
{
    struct rv_mem_region region = {.size = sizeof(region)};
    void *all, *part;

    f->ram.need = count_need;
    needed = 0;
    make("second");
    assert_int_equal(device_ops.mem_region(device, 0, &region), 0);
    assert_true(region.flags & RV_MEM_LATE);
    all = device_ops.mem_map(device, RAM_BASE, RAM_SIZE, RV_MEM_READ | RV_MEM_LATE);
    assert_ptr_equal(all, f->ram.host);
    assert_int_equal(needed, 0);
    device_ops.mem_need(device, RAM_BASE + 8, 16);
    assert_int_equal(needed, 1);
    part = device_ops.mem_map(device, RAM_BASE + 8, 16, RV_MEM_READ);
    assert_ptr_equal(part, f->ram.host + 8);
    assert_int_equal(needed, 2);
    device_ops.mem_unmap(device, part, 16);
    device_ops.mem_unmap(device, all, RAM_SIZE);
    f->ram.need = NULL;
    assert_int_equal(device_ops.mem_region(device, 0, &region), 0);
    assert_false(region.flags & RV_MEM_LATE);
}

static void state_block_may_grow_and_is_taken_over_as_it_is(void **state)
{
    make("second");
    assert_int_equal(bus_write(f->bus, ipa(SECOND + SECOND_GROWN), 8, 100000), 0);
    assert_int_equal(get(SECOND + SECOND_GROWN), 100000);
    assert_int_equal(bus_write(f->bus, ipa(SECOND + SECOND_GROWN), 8, 16), 0);
    device_destroy(device);
    f->env.resume = true;
    make("second");
    assert_int_equal(get(SECOND + SECOND_GROWN), 16);
}

static void only_what_a_device_names_of_a_block_is_put_back(void **state)
{
    static struct undo undo;

    undo_init(&undo);
    undo_place(&undo, UNDO_STATE, f->env.state->base, f->env.state->size);
    f->env.undo = &undo;
    make("second");
    undo_begin(&undo, 0, 0);
    assert_int_equal(bus_write(f->bus, ipa(SECOND + SECOND_PART), 8, 0x55), 0);
    assert_int_equal(get(SECOND + SECOND_PART), 0x555555);
    undo_apply(&undo);
    undo_end(&undo);
    assert_int_equal(get(SECOND + SECOND_PART), 0x550000);
}

static void a_device_names_only_what_is_in_the_block(void **state)
{
    make("second");
    capture();
    device_ops.state_undone(device, device->undone[0].at, 1);
    release();
    assert_non_null(strstr(messages, "outside of create()"));
}

static void save_is_announced_before_and_after(void **state)
{
    make("second");
    assert_int_equal(device_before_save(device), 0);
    assert_int_equal(get(SECOND + SECOND_SAVES), 1);
    device_after_save(device, 0);
    assert_int_equal(get(SECOND + SECOND_SAVES), 3);
    device_after_save(device, -EIO);
    capture();
    assert_int_equal(device_before_save(device), -EBUSY);
    release();
    assert_non_null(strstr(messages, "cannot be saved now"));
}

static unsigned runs;
static unsigned seen, written;

static void work_runs(void *opaque)
{
    runs++;
    seen = written;
}

static void *work_thread(void *opaque)
{
    written = 5;
    for (unsigned i = 0; i < 1000; i++)
        device_ops.post(device, opaque);
    return NULL;
}

static void work_of_a_thread_runs_in_the_loop_and_posts_become_one(void **state)
{
    struct rv_work *work;
    pthread_t thread;

    make("first");
    device_resume(device);
    runs = seen = written = 0;
    work = device_ops.work_new(device, work_runs, NULL);
    turn();
    assert_int_equal(runs, 0);
    assert_int_equal(pthread_create(&thread, NULL, work_thread, work), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(runs, 0);
    turn();
    assert_int_equal(runs, 1);
    assert_int_equal(seen, 5);
    device_ops.post(device, work);
    turn();
    assert_int_equal(runs, 2);
    device_ops.post(device, work);
    device_ops.work_free(device, work);
    turn();
    assert_int_equal(runs, 2);
}

static void count_call(void *opaque)
{
    ++*(unsigned *)opaque;
}

static void count_ready(void *opaque, uint32_t events)
{
    ++*(unsigned *)opaque;
}

/* Timers, descriptors and work of a device that is quiet wait; none of it is lost. */
static void nothing_calls_a_device_that_is_quiet(void **state)
{
    unsigned fired = 0, ready = 0, ran = 0;
    struct rv_timer *timer;
    struct rv_work *work;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    make("first");
    timer = device_ops.timer_new(device, count_call, &fired);
    work = device_ops.work_new(device, count_call, &ran);
    assert_non_null(device_ops.fd_watch(device, fds[0], RV_FD_READ, count_ready, &ready));
    for (unsigned round = 0; round < 2; round++) {
        fired = ready = ran = 0;
        device_ops.timer_set(device, timer, 0);
        device_ops.post(device, work);
        turn();
        assert_int_equal(fired + ready + ran, 0);
        device_resume(device);
        assert_int_equal(fired + ready + ran, 0); /* not from inside */
        turn();
        assert_int_equal(fired, 1);
        assert_int_equal(ran, 1);
        assert_true(ready > 0);
        assert_int_equal(device_quiesce(device), 0);
    }
    close(fds[0]);
    close(fds[1]);
}

static void device_that_acts_while_it_is_quiet_is_found_out(void **state)
{
    unsigned found = 0;

    make("first");
    capture();
    device_resume(device);
    device_ops.mem_dirty(device, RAM_BASE, 8);
    device_quiesce(device);
    device_ops.mem_write(device, RAM_BASE, "x", 1);
    device_ops.mem_dirty(device, RAM_BASE, 8);
    release();
    for (const char *at = messages; (at = strstr(at, "a write to guest memory while it is quiet"));
         at++)
        found++;
    assert_int_equal(found, 2);
}

static void time_goes_on_where_the_snapshot_was_taken(void **state)
{
    struct vm_clock clock = f->clock;
    uint64_t before, after;

    before = vm_clock_now(&clock);
    vm_clock_save(&clock);
    usleep(20000);
    assert_int_equal(vm_clock_init(&clock, &f->state, true), 0);
    after = vm_clock_now(&clock);
    assert_true(after >= before);
    assert_true(after - before < 20000000);
    /* A vmm that died on this host has left a clock that ran on. */
    usleep(20000);
    assert_int_equal(vm_clock_init(&clock, &f->state, true), 0);
    assert_true(vm_clock_now(&clock) >= after + 20000000);
}

/* A paused VM: a timer has as long to go afterwards as it had before. */
static void timer_stands_still_while_the_clock_does(void **state)
{
    unsigned fired = 0;
    struct rv_timer *timer;
    uint64_t now;

    make("first");
    device_resume(device);
    timer = device_ops.timer_new(device, count_call, &fired);
    device_ops.timer_set(device, timer, vm_clock_now(&f->clock) + 30000000);
    assert_int_equal(device_quiesce(device), 0);
    vm_clock_stop(&f->clock);
    now = vm_clock_now(&f->clock);
    usleep(60000);
    turn();
    assert_int_equal(vm_clock_now(&f->clock), now);
    vm_clock_go_on(&f->clock);
    device_resume(device);
    turn();
    assert_int_equal(fired, 0);
    usleep(40000);
    turn();
    assert_int_equal(fired, 1);
}

/* The host has booted again: its monotonic clock is anywhere. */
static void time_goes_on_after_another_boot_of_the_host(void **state)
{
    struct vm_clock clock = f->clock;
    struct state_found found;
    uint64_t before;

    vm_clock_save(&clock);
    vm_clock_saved(&clock);
    before = vm_clock_now(&clock);
    assert_true(state_lookup(&f->state, "clock", &found));
    memset(found.at, 'x', 36);                             /* the host's boot */
    *(int64_t *)(void *)((uint8_t *)found.at + 0x28) = -1; /* the offset there */
    assert_int_equal(vm_clock_init(&clock, &f->state, true), 0);
    assert_in_range(vm_clock_now(&clock), before - 1000000000, before + 10000000000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(object_of_several_classes_has_them_all),
        TEST(each_region_has_its_callbacks_and_is_told_the_vcpu),
        TEST(property_that_is_a_list_has_each_value_in_order),
        TEST(properties_are_read_and_set_while_the_guest_runs),
        TEST(command_is_answered_once_now_or_later),
        TEST(state_of_an_older_version_is_upgraded),
        TEST(state_of_a_version_that_is_too_old_or_too_new_is_kept_and_refused),
        TEST(check_of_a_state_upgrades_it_and_makes_no_device),
        TEST(all_memory_is_mapped_late_and_a_part_is_there_when_it_is_needed),
        TEST(state_block_may_grow_and_is_taken_over_as_it_is),
        TEST(only_what_a_device_names_of_a_block_is_put_back),
        TEST(a_device_names_only_what_is_in_the_block),
        TEST(save_is_announced_before_and_after),
        TEST(work_of_a_thread_runs_in_the_loop_and_posts_become_one),
        TEST(nothing_calls_a_device_that_is_quiet),
        TEST(device_that_acts_while_it_is_quiet_is_found_out),
        TEST(time_goes_on_where_the_snapshot_was_taken),
        TEST(timer_stands_still_while_the_clock_does),
        TEST(time_goes_on_after_another_boot_of_the_host),
    };

    if (!getenv("TEST_PLUGIN_DIR")) {
        fprintf(stderr, "TEST_PLUGIN_DIR must be the absolute path of the test plugins\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
