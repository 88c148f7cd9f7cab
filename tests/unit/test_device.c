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

#include "vmm/device.h"

#define BASE 0x9000000u

/* Registers of plugins/good.c. */
#define GOOD_FLAG   0x00u
#define GOOD_NUMBER 0x08u
#define GOOD_LENGTH 0x10u
#define GOOD_RESETS 0x18u
#define GOOD_IRQ    0x20u
#define GOOD_CHAR   0x28u

struct fixture {
    struct device_env env;
    struct bus *bus;
    struct plugins *plugins;
    uint8_t state[0x1000];
    char state_name[64];
    uint32_t state_version;
    size_t state_size;
    bool no_memory;
    char irqs[256]; /* "33+ 33- ..." */
};

static void *fixture_state(void *ctx, const char *name, uint32_t version, size_t size)
{
    struct fixture *f = ctx;

    snprintf(f->state_name, sizeof(f->state_name), "%s", name);
    f->state_version = version;
    f->state_size = size;
    assert_true(size <= sizeof(f->state));
    return f->no_memory ? NULL : f->state;
}

static void fixture_irq(void *ctx, uint32_t intid, bool level)
{
    struct fixture *f = ctx;
    size_t len = strlen(f->irqs);

    snprintf(f->irqs + len, sizeof(f->irqs) - len, "%u%c ", intid, level ? '+' : '-');
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char file[4096];

    *state = f;
    f->bus = bus_new();
    f->plugins = plugin_new();
    f->env = (struct device_env){
        .plugins = f->plugins,
        .bus = f->bus,
        .ctx = f,
        .state_alloc = fixture_state,
        .irq_set = fixture_irq,
    };
    snprintf(file, sizeof(file), "%s/good.so", getenv("TEST_PLUGIN_DIR"));
    return plugin_load(f->plugins, file);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    bus_free(f->bus);
    plugin_free(f->plugins);
    free(f);
    return 0;
}

static char messages[16384];

static int create_captured(struct fixture *f, const char *spec, uint64_t base, uint32_t spi)
{
    int fd = memfd_create("messages", 0);
    int saved = dup(STDERR_FILENO);
    struct rv_host *device = NULL;
    ssize_t n;
    int err;

    dup2(fd, STDERR_FILENO);
    err = device_create(&f->env, spec, ipa(base), spi, &device);
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = pread(fd, messages, sizeof(messages) - 1, 0);
    messages[n < 0 ? 0 : n] = '\0';
    close(fd);
    if (!err)
        device_destroy(device);
    else
        assert_null(device);
    return err;
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
    struct rv_host *device;
    uint64_t value;

    assert_int_equal(device_create(&f->env, "good", ipa(BASE), 1, &device), 0);
    assert_string_equal(device_name(device), "good@9000000");
    assert_string_equal(f->state_name, "good@9000000");
    assert_int_equal(f->state_version, 1);
    assert_int_equal(f->state_size, 0x1000);
    assert_int_equal(device_base(device).v, BASE);
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
    struct rv_host *device;

    f->state[GOOD_FLAG] = 42;
    f->env.resume = true;
    assert_int_equal(device_create(&f->env, "good", ipa(BASE), 1, &device), 0);
    assert_int_equal(get(f, GOOD_FLAG), 42);
    assert_int_equal(get(f, GOOD_RESETS), 0);
    device_destroy(device);
}

static void properties_reach_the_device_by_their_types(void **state)
{
    static const struct {
        const char *spec;
        uint64_t flag, number, length;
    } cases[] = {
        {"good", 0, 4096, UINT64_MAX},
        {"good,flag", 1, 4096, UINT64_MAX},
        {"good,flag=on,number=0x20", 1, 32, UINT64_MAX},
        {"good,flag=yes,flag=off", 0, 4096, UINT64_MAX},
        {"good,text=", 0, 4096, 0},
        {"good,text=a=b,number=1", 0, 1, 3},
        {"good,text=a,,b,flag", 1, 4096, 3},
        {"good,text=,,", 0, 4096, 1},
        {"good,text=,,,flag", 1, 4096, 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rv_host *device;

        assert_int_equal(device_create(&f->env, cases[i].spec, ipa(BASE), 1, &device), 0);
        assert_true(get(f, GOOD_FLAG) == cases[i].flag);
        assert_true(get(f, GOOD_NUMBER) == cases[i].number);
        assert_true(get(f, GOOD_LENGTH) == cases[i].length);
        device_destroy(device);
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
        {"good,speed=1", -EINVAL, "no property 'speed': there are flag, number, text"},
        {"good,", -EINVAL, "no property ''"},
        {"good,fla=on", -EINVAL, "no property 'fla'"},
        {"good,flag=maybe", -EINVAL, "property 'flag' is on or off, not 'maybe'"},
        {"good,number", -EINVAL, "property 'number' needs a value"},
        {"good,number=", -EINVAL, "property 'number' is a number"},
        {"good,number=-1", -EINVAL, "not '-1'"},
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
    struct rv_host *device;

    assert_int_equal(device_create(&f->env, "good", ipa(BASE), 1, &device), 0);
    assert_int_equal(create_captured(f, "good", BASE + 0x800, 3), -EEXIST);
    assert_int_equal(create_captured(f, "good", UINT64_MAX - 5, 3), -EINVAL);
    f->no_memory = true;
    assert_int_equal(create_captured(f, "good", BASE + 0x1000, 3), -ENOMEM);
    device_destroy(device);
    f->no_memory = false;
    assert_int_equal(create_captured(f, "good", BASE, 1), 0);
}

static void line_drives_its_intid_on_changes_only(void **state)
{
    struct fixture *f = *state;
    struct rv_host *device;
    static const uint8_t writes[] = {0x0, 0x0, 0x1, 0x1, 0x3, 0x2, 0x0};

    assert_int_equal(device_create(&f->env, "good", ipa(BASE), 1, &device), 0);
    for (size_t i = 0; i < sizeof(writes); i++)
        assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_IRQ), 1, writes[i]), 0);
    assert_string_equal(f->irqs, "33- 33+ 34+ 34- 33- ");
    /* A line that the class does not have drives nobody's. */
    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_IRQ), 1, 0x5), 0);
    assert_string_equal(f->irqs, "33- 33+ 34+ 34- 33- ");
    device_destroy(device);
}

static void spis_beyond_the_last_are_refused(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(create_captured(f, "good", BASE, 986), 0);
    assert_int_equal(create_captured(f, "good", BASE, 987), -EINVAL);
    assert_int_equal(create_captured(f, "good", BASE, 988), -EINVAL);
    assert_int_equal(create_captured(f, "good", BASE, UINT32_MAX), -EINVAL);
}

static void quit(void *ctx)
{
    (void)ctx;
}

static void character_back_end_serves_one_device(void **state)
{
    struct event_base *base = event_base_new();
    struct fixture *f = *state;
    struct rv_host *device;
    int in[2], out[2];
    char c = 0;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    f->env.chardev = chardev_stdio_new(base, in[0], out[1], quit, NULL);
    assert_int_equal(device_create(&f->env, "good", ipa(BASE), 1, &device), 0);
    assert_int_equal(create_captured(f, "good", BASE + 0x1000, 3), -EBUSY);

    assert_int_equal(bus_write(f->bus, ipa(BASE + GOOD_CHAR), 1, 'o'), 0);
    assert_int_equal(write(in[1], "i", 1), 1);
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(read(out[0], &c, 1), 1);
    assert_int_equal(c, 'o');
    assert_int_equal(get(f, GOOD_CHAR), 'i');

    device_destroy(device);
    assert_int_equal(create_captured(f, "good", BASE + 0x1000, 3), 0);
    chardev_free(f->env.chardev);
    event_base_free(base);
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
}

static void device_without_a_back_end_writes_to_nowhere(void **state)
{
    struct fixture *f = *state;
    struct rv_host *device;

    assert_int_equal(device_create(&f->env, "good", ipa(BASE), 1, &device), 0);
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
        TEST(spis_beyond_the_last_are_refused),
        TEST(character_back_end_serves_one_device),
        TEST(device_without_a_back_end_writes_to_nowhere),
    };

    if (!getenv("TEST_PLUGIN_DIR")) {
        fprintf(stderr, "TEST_PLUGIN_DIR must be the absolute path of the test plugins\n");
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
