/* SPDX-License-Identifier: BSD-2-Clause */
/* Instances of plugins/good.c. TEST_PLUGIN_DIR names the directory with good.so. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/device_fixture.h"
#include "vmm/device/device_internal.h"

static int setup(void **state)
{
    *state = fixture_new("good");
    return 0;
}

static int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

static int create(struct fixture *f, const char *spec, uint64_t base, uint32_t spi,
                  struct rv_instance **device)
{
    f->next_base = ipa(base);
    f->next_spi = spi;
    return device_create(&f->env, spec, device);
}

static int create_captured(struct fixture *f, const char *spec, uint64_t base, uint32_t spi)
{
    struct rv_instance *device = NULL;
    int error;

    capture();
    error = create(f, spec, base, spi, &device);
    release();
    if (!error)
        device_destroy(device);
    else
        assert_null(device);
    fixture_forget(f);
    return error;
}

static uint64_t get(struct fixture *f, uint64_t offset)
{
    uint64_t value = 0;

    assert_int_equal(bus_read(f->bus, ipa(BASE + offset), 8, &value), 0);
    return value;
}

static void instance_is_on_the_bus_with_its_state_and_reset(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;
    struct state_found block;
    uint64_t value;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    assert_string_equal(device_name(device), "good@9000000");
    assert_true(state_lookup(&f->state, "good@9000000", &block));
    assert_int_equal(block.version, 1);
    assert_int_equal(block.size, 0x1000);
    assert_true(state_lookup(&f->state, "good@9000000/extra", &block));
    assert_int_equal(block.version, 7);
    assert_int_equal(block.size, 16);
    assert_int_equal(get(f, GOOD_EXTRA), 1);
    assert_int_equal(get(f, GOOD_FLAGS), 0);
    assert_int_equal(device_base(device, 0).v, BASE);
    assert_int_equal(device_first_spi(device), 1);
    assert_string_equal(device_class(device)->name, "good");
    assert_int_equal(get(f, GOOD_RESETS), 1);
    assert_int_equal(bus_write(f->bus, ipa(BASE + 0x800), 4, 0xcafe), 0);
    assert_int_equal(get(f, 0x800), 0xcafe);
    device_reset(device);
    assert_int_equal(get(f, 0x800), 0);
    device_destroy(device);
    assert_int_equal(bus_read(f->bus, ipa(BASE), 4, &value), -ENXIO);
}

static void instance_that_resumes_keeps_its_state(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    *(uint8_t *)state_alloc(&f->state, "good@9000000", 1, 0x1000) = 42;
    *(uint8_t *)state_alloc(&f->state, "good@9000000/extra", 7, 16) = 3;
    f->env.resume = true;
    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    assert_int_equal(get(f, GOOD_FLAG), 42);
    assert_int_equal(get(f, GOOD_RESETS), 0);
    assert_int_equal(get(f, GOOD_FLAGS), RV_CREATE_RESUME);
    assert_int_equal(get(f, GOOD_EXTRA), 4);
    device_destroy(device);
}

static void properties_reach_the_device_by_their_types(void **state)
{
    static const struct {
        const char *spec;
        uint64_t flag, number, length, size, shape;
    } cases[] = {
        {"good", 0, 10, UINT64_MAX, 4096, 1},
        {"good,flag", 1, 10, UINT64_MAX, 4096, 1},
        {"good,flag=on,number=0x20", 1, 32, UINT64_MAX, 4096, 1},
        {"good,size=1M,shape=flat", 0, 10, UINT64_MAX, 1 << 20, 2},
        {"good,shape=round,size=7", 0, 10, UINT64_MAX, 7, 0},
        {"good,text=", 0, 10, 0, 4096, 1},
        {"good,text=a=b,number=1", 0, 1, 3, 4096, 1},
        {"good,text=a,,b,flag", 1, 10, 3, 4096, 1},
        {"good,text=,,", 0, 10, 1, 4096, 1},
        {"good,text=,,,flag", 1, 10, 1, 4096, 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rv_instance *device;

        assert_int_equal(create(f, cases[i].spec, BASE, 1, &device), 0);
        assert_true(get(f, GOOD_FLAG) == cases[i].flag);
        assert_true(get(f, GOOD_NUMBER) == cases[i].number);
        assert_true(get(f, GOOD_LENGTH) == cases[i].length);
        assert_true(get(f, GOOD_SIZE) == cases[i].size);
        assert_true(get(f, GOOD_SHAPE) == cases[i].shape);
        device_destroy(device);
        fixture_forget(f);
    }
}

static void bad_spec_is_refused_with_a_message_that_lists_what_there_is(void **state)
{
    static const struct {
        const char *spec;
        int result;
        const char *message;
    } cases[] = {
        {"goo", -ENOENT, "no device 'goo': there are good"},
        {"", -ENOENT, "no device ''"},
        {",flag", -ENOENT, "no device ''"},
        {"good,speed=1", -EINVAL,
         "no property 'speed': there are flag, number, text, size, shape, chardev"},
        {"good,", -EINVAL, "no property ''"},
        {"good,fla=on", -EINVAL, "no property 'fla'"},
        {"good,flag=maybe", -EINVAL, "property 'flag' is on or off, not 'maybe'"},
        {"good,number", -EINVAL, "property 'number' needs a value"},
        {"good,number=", -EINVAL, "property 'number' is a number"},
        {"good,number=-1", -EINVAL, "not '-1'"},
        {"good,number=0", -EINVAL, "'number' is a number (decimal or 0x...), 1 to 256, not '0'"},
        {"good,number=257", -EINVAL, "1 to 256, not '257'"},
        {"good,number=1K", -EINVAL, "not '1K'"},
        {"good,size=1X", -EINVAL, "property 'size' is a size"},
        {"good,shape=oval", -EINVAL, "'shape' is one of round, square, flat, not 'oval'"},
        {"good,flag,flag=off", -EINVAL, "property 'flag' is given twice"},
        {"good,chardev=tty", -ENODEV, "chardev 'tty': there are stdio, null"},
        {"good,chardev=null:x", -ENODEV, "chardev 'null': it takes nothing"},
        {"good,chardev=stdio", -ENODEV, "this vmm has no console"},
        {"good,text", -EINVAL, "property 'text' needs a value"},
        {"good,number=13", -EDOM, "device 'good@9000000': 13 is unlucky"},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(create_captured(f, cases[i].spec, BASE, 1), cases[i].result);
        if (!strstr(messages, cases[i].message))
            fail_msg("'%s' is not in:\n%s", cases[i].message, messages);
    }
}

static void failed_creation_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    assert_int_equal(create_captured(f, "good", BASE + 0x800, 3), -EEXIST);
    assert_int_equal(create_captured(f, "good", UINT64_MAX - 5, 3), -EINVAL);
    /* Its block is taken. */
    assert_non_null(state_alloc(&f->state, "good@9001000", 1, 1));
    assert_int_equal(create_captured(f, "good", BASE + 0x1000, 3), -ENOMEM);
    device_destroy(device);
    assert_int_equal(create_captured(f, "good", BASE, 1), 0);
}

static void line_drives_its_intid_on_changes_only(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;
    static const uint8_t writes[] = {0x0, 0x0, 0x1, 0x1, 0x3, 0x2, 0x0};

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    for (size_t i = 0; i < sizeof(writes); i++)
        assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_IRQ), 1, writes[i]), 0);
    assert_string_equal(f->irqs, "33- 33+ 34+ 34- 33- ");
    device_destroy(device);
}

static void pulse_is_an_edge_each_time(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    for (int i = 0; i < 2; i++)
        assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_PULSE), 1, 2), 0);
    assert_string_equal(f->irqs, "35+ 35- 35+ 35- ");
    device_destroy(device);
}

/* The plugin ABI's own calls, on an instance whose plugin makes none of them. */
static void memory_is_given_to_others_and_given_back(void **state)
{
    struct fixture *f = *state;
    struct rv_mem_region region = {.size = sizeof(region)}, older = {.size = 16, .fd = 77};
    struct rv_instance *device;
    uint8_t byte;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    f->dirty[0] = '\0';
    assert_int_equal(device_ops.mem_region(device, 0, &region), 0);
    assert_int_equal(region.ipa, RAM_BASE);
    assert_int_equal(region.bytes, RAM_SIZE);
    assert_int_equal(device_ops.mem_region(device, 1, &region), -ENOENT);
    assert_int_equal(device_ops.mem_region(device, 0, &older), 0);
    assert_int_equal(older.fd, 77); /* a device that does not know the field yet */
    f->ram.host[0x2000] = 0x5a;
    assert_int_equal(pread(region.fd, &byte, 1, (off_t)region.offset + 0x2000), 1);
    assert_int_equal(byte, 0x5a);

    f->ram.host[0x1fff] = f->ram.host[0x3000] = 0x77;
    assert_int_equal(device_ops.mem_discard(device, RAM_BASE + 0x2000, 0x1000), 0);
    assert_int_equal(f->ram.host[0x2000], 0);
    assert_int_equal(f->ram.host[0x1fff], 0x77);
    assert_int_equal(f->ram.host[0x3000], 0x77);
    assert_string_equal(f->dirty, "40002000+4096 ");
    assert_int_equal(device_ops.mem_discard(device, RAM_BASE + 0x2001, 0x1000), -EINVAL);
    assert_int_equal(device_ops.mem_discard(device, RAM_BASE + 0x2000, 0x800), -EINVAL);
    assert_int_equal(device_ops.mem_discard(device, RAM_BASE + RAM_SIZE, 0x1000), -EFAULT);
    assert_int_equal(device_ops.mem_discard(device, RAM_BASE, 0), 0);
    device_destroy(device);
}

/* The guest would go on with the page that it has, and the devices with a new one. */
static void memory_that_is_pinned_is_not_given_back(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    f->env.pinned = true;
    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    f->ram.host[0x2000] = 0x5a;
    assert_int_equal(device_ops.mem_discard(device, RAM_BASE + 0x2000, 0x1000), -EOPNOTSUPP);
    assert_int_equal(f->ram.host[0x2000], 0x5a);
    device_destroy(device);
}

static uint8_t rom[0x1000];
static char rom_calls[128];

static int rom_new(void *opaque, ipa_t base, uint64_t bytes, bool data, unsigned *index,
                   uint8_t **memory)
{
    if (bytes != sizeof(rom))
        return -ENOSPC;
    snprintf(rom_calls, sizeof(rom_calls), "new %llx ", (unsigned long long)base.v);
    *index = 7;
    *memory = rom;
    return 0;
}

static void rom_show(void *opaque, unsigned index, uint64_t offset, uint64_t size, bool shown)
{
    size_t len = strlen(rom_calls);

    snprintf(rom_calls + len, sizeof(rom_calls) - len, "show %u %llu+%llu %d ", index,
             (unsigned long long)offset, (unsigned long long)size, shown);
}

static void rom_written(void *opaque, unsigned index, uint64_t offset, uint64_t size)
{
    size_t len = strlen(rom_calls);

    snprintf(rom_calls + len, sizeof(rom_calls) - len, "written %u %llu+%llu ", index,
             (unsigned long long)offset, (unsigned long long)size);
}

static void region_with_memory_is_the_vms_to_show(void **state)
{
    struct fixture *f = fixture_new("memory");
    struct rv_instance *device;

    f->env.rom_new = rom_new;
    f->env.rom_show = rom_show;
    f->env.rom_written = rom_written;
    assert_int_equal(create(f, "memory", BASE, 1, &device), 0);
    assert_int_equal(rom[5], 0x55);
    device_ops.region_show(device, 1, true);
    device_ops.region_dirty(device, 1, 0xff0, 0x10);
    assert_string_equal(rom_calls, "new 9010000 written 7 5+1 show 7 0+4096 1 written 7 4080+16 ");
    capture();
    device_ops.region_dirty(device, 1, 0xff0, 0x11);
    device_ops.region_dirty(device, 1, UINT64_MAX, 2);
    device_ops.region_show(device, 0, true);
    device_ops.region_show(device, 2, true);
    assert_null(device_ops.region_memory(device, 1));
    release();
    assert_string_equal(rom_calls, "new 9010000 written 7 5+1 show 7 0+4096 1 written 7 4080+16 ");
    assert_non_null(strstr(messages, "region_dirty beyond region 1"));
    assert_non_null(strstr(messages, "region_show of region 0, which has no memory"));
    assert_non_null(strstr(messages, "region_show of region 2, which has no memory"));
    assert_non_null(strstr(messages, "region_memory outside of create(), or twice"));
    device_destroy(device);
    fixture_free(f);
}

static char posts[64];

static void post(void *opaque, ipa_t start, uint64_t size)
{
    size_t len = strlen(posts);

    snprintf(posts + len, sizeof(posts) - len, "%llx+%llx ", (unsigned long long)start.v,
             (unsigned long long)size);
}

static void region_names_what_is_posted_for_a_while(void **state)
{
    struct fixture *f = fixture_new("memory");
    struct rv_instance *device;
    uint64_t bytes;

    f->env.rom_new = rom_new;
    f->env.rom_show = rom_show;
    f->env.rom_written = rom_written;
    f->env.post = post;
    assert_int_equal(create(f, "memory", BASE, 1, &device), 0);
    bytes = device_class(device)->regions[1].bytes;
    device_ops.region_post(device, 1, 0x10, 8);
    device_ops.region_post(device, 1, 0, 0);
    assert_string_equal(posts, "9010010+8 9010000+0 ");
    capture();
    device_ops.region_post(device, 1, bytes - 4, 8);
    device_ops.region_post(device, 1, 8, UINT64_MAX);
    device_ops.region_post(device, 2, 0, 4);
    release();
    assert_string_equal(posts, "9010010+8 9010000+0 ");
    assert_non_null(strstr(messages, "region_post beyond region 1"));
    assert_non_null(strstr(messages, "region_post of region 2"));
    f->env.post = NULL;
    device_destroy(device);
    fixture_free(f);
}

static uint32_t writes_pending(void *opaque, ipa_t start, uint64_t size)
{
    return start.v == BASE + 0x10010 && size == 4 ? 3 : 0;
}

static void device_asks_how_many_writes_to_its_registers_are_pending(void **state)
{
    struct fixture *f = fixture_new("memory");
    struct rv_instance *device;

    f->env.rom_new = rom_new;
    f->env.rom_show = rom_show;
    f->env.rom_written = rom_written;
    f->env.writes_pending = writes_pending;
    assert_int_equal(create(f, "memory", BASE, 1, &device), 0);
    assert_int_equal(device_ops.writes_pending(device, 1, 0x10, 4), 3);
    assert_int_equal(device_ops.writes_pending(device, 1, 0x14, 4), 0);
    capture();
    assert_int_equal(device_ops.writes_pending(device, 1, UINT64_MAX, 4), 0);
    assert_int_equal(device_ops.writes_pending(device, 2, 0x10, 4), 0);
    release();
    assert_non_null(strstr(messages, "writes_pending beyond region 1"));
    assert_non_null(strstr(messages, "writes_pending of region 2"));
    f->env.writes_pending = NULL;
    device_destroy(device);
    fixture_free(f);
}

static void vm_without_memory_for_a_region_refuses_the_device(void **state)
{
    struct fixture *f = fixture_new("memory");
    struct rv_instance *device;

    capture();
    assert_int_equal(create(f, "memory", BASE, 1, &device), -ENOMEM);
    release();
    assert_non_null(strstr(messages, "no memory for its region 1"));
    fixture_free(f);
}

static void device_copies_within_ram_and_the_vmm_knows_what_is_dirty(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    memcpy(f->ram.host + RAM_SIZE - 16, "wellknow", 8);
    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_DMA), 8, RAM_BASE + RAM_SIZE - 16), 0);
    assert_memory_equal(f->ram.host + RAM_SIZE - 8, "wellknow", 8);
    assert_string_equal(f->dirty, "4000fff8+8 ");
    /* One byte further is outside, by the span and by the write. */
    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_DMA), 8, RAM_BASE + RAM_SIZE - 15), 0);
    assert_string_equal(f->dirty, "4000fff8+8 ");
    device_destroy(device);
}

static void instance_is_quiet_until_it_is_resumed_and_after_what_is_in_flight(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    assert_true(device_is_quiet(device));
    assert_int_equal(get(f, GOOD_PHASE), 0);
    device_resume(device);
    device_resume(device);
    assert_int_equal(get(f, GOOD_PHASE), 1);
    assert_false(device_is_quiet(device));
    assert_int_equal(device_quiesce(device), 0);
    assert_int_equal(get(f, GOOD_PHASE), 2);
    assert_true(device_is_quiet(device));

    device_resume(device);
    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_DONE), 1, 1), 0);
    assert_int_equal(device_quiesce(device), -EINPROGRESS);
    assert_int_equal(device_quiesce(device), -EINPROGRESS);
    assert_false(device_is_quiet(device));
    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_DONE), 1, 0), 0);
    assert_true(device_is_quiet(device));
    device_destroy(device);
}

static void take_counter(void *opaque, const char *device, const char *name, const char *help,
                         uint64_t value)
{
    assert_string_equal(help, "register writes");
    assert_string_equal(device, "good@9000000");
    assert_string_equal(name, "writes");
    *(uint64_t *)opaque = value;
}

static void event_and_counter_reach_the_other_side(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;
    uint64_t value = 0;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    assert_true(device_event(device, RV_EVENT_POWER_BUTTON));
    assert_int_equal(get(f, GOOD_EVENTS), 1);
    assert_int_equal(bus_write(f->bus, ipa(BASE + 0x800), 4, 1), 0);
    assert_int_equal(bus_write(f->bus, ipa(BASE + 0x800), 4, 2), 0);
    device_counters(device, take_counter, &value);
    assert_int_equal(value, 2);
    device_destroy(device);
}

static void spis_beyond_the_last_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create_captured(f, "good", BASE, 985), 0);
    assert_int_equal(create_captured(f, "good", BASE, 986), -EINVAL);
    assert_int_equal(create_captured(f, "good", BASE, 988), -EINVAL);
    assert_int_equal(create_captured(f, "good", BASE, UINT32_MAX), -EINVAL);
}

static void quit(void *opaque)
{
}

static void console_is_the_first_ones_that_asks(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device, *other;
    int in[2], out[2];
    char c = 0;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    f->console.chardev = chardev_stdio_new(f->base, in[0], out[1], quit, NULL);
    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    device_resume(device);
    /* By default the others have none; who asks for it is told who has it. */
    assert_int_equal(create(f, "good", BASE + 0x1000, 4, &other), 0);
    assert_int_equal(bus_write(f->bus, ipa(BASE + 0x1000 + GOOD_CHAR), 1, 'x'), 0);
    assert_int_equal(create_captured(f, "good,chardev=stdio", BASE + 0x2000, 7), -ENODEV);
    assert_non_null(strstr(messages, "'stdio' is used by 'good@9000000'"));

    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_CHAR), 1, 'o'), 0);
    assert_int_equal(write(in[1], "i", 1), 1);
    for (int i = 0; i < 10; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
    assert_int_equal(read(out[0], &c, 1), 1);
    assert_int_equal(c, 'o');
    assert_int_equal(get(f, GOOD_CHAR), 'i');

    device_destroy(device);
    assert_int_equal(create_captured(f, "good,chardev=stdio", BASE, 1), 0);
    device_destroy(other);
    chardev_free(f->console.chardev);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
}

static void device_without_a_back_end_writes_to_nowhere(void **state)
{
    struct fixture *f = *state;
    struct rv_instance *device;

    assert_int_equal(create(f, "good", BASE, 1, &device), 0);
    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_CHAR), 1, 'o'), 0);
    device_destroy(device);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(instance_is_on_the_bus_with_its_state_and_reset),
        TEST(instance_that_resumes_keeps_its_state),
        TEST(properties_reach_the_device_by_their_types),
        TEST(bad_spec_is_refused_with_a_message_that_lists_what_there_is),
        TEST(failed_creation_leaves_nothing_behind),
        TEST(line_drives_its_intid_on_changes_only),
        TEST(pulse_is_an_edge_each_time),
        TEST(device_copies_within_ram_and_the_vmm_knows_what_is_dirty),
        TEST(memory_is_given_to_others_and_given_back),
        TEST(memory_that_is_pinned_is_not_given_back),
        TEST(region_with_memory_is_the_vms_to_show),
        TEST(region_names_what_is_posted_for_a_while),
        TEST(device_asks_how_many_writes_to_its_registers_are_pending),
        TEST(vm_without_memory_for_a_region_refuses_the_device),
        TEST(instance_is_quiet_until_it_is_resumed_and_after_what_is_in_flight),
        TEST(event_and_counter_reach_the_other_side),
        TEST(spis_beyond_the_last_are_refused),
        TEST(console_is_the_first_ones_that_asks),
        TEST(device_without_a_back_end_writes_to_nowhere),
    };

    if (!getenv("TEST_PLUGIN_DIR")) {
        fprintf(stderr, "TEST_PLUGIN_DIR must be the absolute path of the test plugins\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
