/* SPDX-License-Identifier: BSD-2-Clause */
/* TEST_PLUGIN_DIR names the directory with the shared objects made of plugins/. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/messages.h"
#include "vmm/device/plugin.h"
#include "vmm/device/property.h"

static const char *plugin_dir;

static char scratch[] = "/tmp/test_plugin.XXXXXX";

static void assert_said(const char *text)
{
    if (!strstr(messages, text))
        fail_msg("'%s' is not in:\n%s", text, messages);
}

/* As a static array, since each use is short. */
static const char *file_of(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s.so", plugin_dir, name);
    return path;
}

static int setup(void **state)
{
    *state = plugin_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    plugin_free(*state);
    return 0;
}

static void good_plugin_loads_and_is_found_by_name(void **state)
{
    const struct plugin *good;

    assert_int_equal(plugin_load(*state, file_of("good")), 0);
    good = plugin_find(*state, "good");
    assert_non_null(good);
    assert_string_equal(good->class.description, "Device for a test");
    assert_string_equal(good->file, file_of("good"));
    assert_null(plugin_find(*state, "goo"));
    assert_null(plugin_find(*state, ""));
}

static void plugin_of_a_later_abi_that_speaks_ours_loads(void **state)
{
    assert_int_equal(plugin_load(*state, file_of("good_newer")), 0);
    assert_non_null(plugin_find(*state, "newer"));
    /* Its properties are longer structs than ours. */
    assert_string_equal(plugin_find(*state, "newer")->class.properties[1].name, "second");
    assert_int_equal(plugin_find(*state, "newer")->class.properties[1].type, RV_PROPERTY_UINT);
    assert_null(plugin_find(*state, "newer")->class.properties[2].name);
}

static void bad_plugin_is_refused_with_a_message_that_says_why(void **state)
{
    static const struct {
        const char *name;
        int result;
        const char *message;
    } cases[] = {
        {"missing", -ENOENT, "No such file"},
        {"bad_symbol", -EPROTO, "no symbol 'ringvisor_device'"},
        {"bad_undefined", -ENOENT, "function_that_nobody_has"},
        {"bad_abi", -EPROTO, "is too new: it speaks device ABI 2 to 3, this vmm 1 to 1"},
        {"bad_old", -EPROTO, "is too old: it speaks device ABI 0 to 0, this vmm 1 to 1"},
        {"bad_size", -EPROTO, "device class has 16 bytes"},
        {"bad_name", -EINVAL, "its name is not"},
        {"bad_read", -EINVAL, "read or write of a region is missing"},
        {"bad_bar", -EINVAL, "read or write of a BAR is missing"},
        {"bad_edge", -EINVAL, "irq_edge names a line that it does not have"},
        {"bad_place", -EINVAL, "a virtio-mmio transport has one region of 0x200 bytes"},
        {"bad_node", -EINVAL, "its device tree node has no size"},
        {"bad_stride", -EPROTO, "a property has 8 bytes"},
        {"bad_enum", -EINVAL, "a property of type ENUM has no choices"},
        {"bad_required", -EINVAL, "a property is required and has a default"},
        {"bad_memory", -EINVAL, "memory of a region is not whole pages"},
        {"bad_posted", -EINVAL, "posted range lies outside"},
        {"bad_default", -EINVAL, "default is not of its type"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *file = file_of(cases[i].name);
        int result;

        capture();
        result = plugin_load(*state, file);
        release();
        assert_int_equal(result, cases[i].result);
        assert_said(cases[i].message);
        assert_said(file);
    }
    assert_int_equal(plugin_count(*state), 0);
}

static void second_device_of_a_name_is_left_out(void **state)
{
    assert_int_equal(plugin_load(*state, file_of("good")), 0);
    capture();
    assert_int_equal(plugin_load(*state, file_of("zz_duplicate")), -EEXIST);
    release();
    assert_said("has a device 'good' already");
    assert_int_equal(plugin_count(*state), 1);
}

static void same_file_by_another_path_counts_once_and_silently(void **state)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/../%s/good.so", plugin_dir, strrchr(plugin_dir, '/') + 1);
    capture();
    assert_int_equal(plugin_load(*state, file_of("good")), 0);
    assert_int_equal(plugin_load(*state, path), 0);
    release();
    assert_string_equal(messages, "");
    assert_int_equal(plugin_count(*state), 1);
}

static void directory_with_bad_plugins_still_gives_the_good_ones(void **state)
{
    const char *path[] = {plugin_dir, NULL};

    capture();
    assert_int_equal(plugin_load_path(*state, path, NULL), 18);
    release();
    assert_int_equal(plugin_count(*state), 7); /* of six objects */
    assert_string_equal(plugin_find(*state, "good")->file, file_of("good"));
    assert_non_null(plugin_find(*state, "newer"));
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void search_goes_from_the_option_over_the_environment_to_the_builtin(void **state)
{
    char first[256], second[256], third[256], link_path[300], env[600];
    const char *path[2] = {first, NULL};

    snprintf(first, sizeof(first), "%s/1", scratch);
    snprintf(second, sizeof(second), "%s/2", scratch);
    snprintf(third, sizeof(third), "%s/3", scratch);
    assert_true(mkdir(first, 0700) == 0 && mkdir(second, 0700) == 0 && mkdir(third, 0700) == 0);

    snprintf(link_path, sizeof(link_path), "%s/text.so", first);
    write_file(link_path, "not an object\n");
    snprintf(link_path, sizeof(link_path), "%s/readme.txt", first);
    write_file(link_path, "not looked at\n");
    snprintf(link_path, sizeof(link_path), "%s/x.so", second);
    assert_int_equal(symlink(file_of("zz_duplicate"), link_path), 0);
    snprintf(link_path, sizeof(link_path), "%s/x.so", third);
    assert_int_equal(symlink(file_of("good"), link_path), 0);

    snprintf(env, sizeof(env), "/nonexistent/plugins:%s", second);
    setenv("VMM_PLUGIN_PATH", env, 1);
    capture();
    assert_int_equal(plugin_load_path(*state, path, third), 3);
    release();
    unsetenv("VMM_PLUGIN_PATH");
    assert_said("text.so': cannot be loaded");
    assert_said("plugin directory '/nonexistent/plugins'");
    assert_said("has a device 'good' already");
    assert_int_equal(plugin_count(*state), 1);
    assert_string_equal(plugin_find(*state, "good")->class.description, "The second of its name");
}

static void list_and_description_show_what_a_user_needs(void **state)
{
    char expected[8192];
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    plugin_load(*state, file_of("good_newer"));
    plugin_load(*state, file_of("good"));
    plugin_list(*state, out);
    fflush(out);
    snprintf(expected, sizeof(expected), "good   Device for a test (%s/good.so)\n", plugin_dir);
    assert_memory_equal(text, expected, strlen(expected));
    assert_non_null(strstr(text, "\nnewer  Device for a test ("));

    rewind(out);
    assert_int_equal(plugin_describe(*state, "good", out), 0);
    fputc('\0', out);
    fclose(out);
    assert_non_null(strstr(text, "flag: a switch\n      on or off; default: off\n"));
    assert_non_null(strstr(text, "number: how many\n"));
    assert_non_null(strstr(text, "1 to 256; default: 10\n"));
    assert_non_null(strstr(text, "; default: 4K\n"));
    assert_non_null(strstr(text, "one of round, square, flat; default: square\n"));
    assert_non_null(strstr(text, "\ndevice ABI: 1 to 1\n"));
    assert_non_null(strstr(text, "\nplace: platform bus; 0x1000 bytes of registers\n"));
    assert_non_null(strstr(text, "\ninterrupts: 3\n"));
    assert_non_null(strstr(text, "\nstate: 4096 bytes, version 1\n"));
    assert_non_null(strstr(text, "\nposted writes: 0x28+0x8\n"));
    assert_non_null(strstr(text, "text: any text\n      a string; no default\n"));
    free(text);

    capture();
    assert_int_equal(plugin_describe(*state, "godo", stdout), -ENOENT);
    release();
    assert_said("no device 'godo': there are newer, good");
}

static void value_has_the_form_of_its_type(void **state)
{
    static const char *const choices[] = {"round", "square", NULL};
    static const struct {
        enum rv_property_type type;
        const char *text;
        bool valid;
        uint64_t value;
    } cases[] = {
        {RV_PROPERTY_BOOL, "on", true, 1},
        {RV_PROPERTY_BOOL, "off", true, 0},
        {RV_PROPERTY_BOOL, "yes", true, 1},
        {RV_PROPERTY_BOOL, "false", true, 0},
        {RV_PROPERTY_BOOL, "", false, 0},
        {RV_PROPERTY_BOOL, "On", false, 0},
        {RV_PROPERTY_BOOL, "2", false, 0},
        {RV_PROPERTY_UINT, "5", true, 5},
        {RV_PROPERTY_UINT, "0x10", true, 16},
        {RV_PROPERTY_UINT, "4", false, 0},
        {RV_PROPERTY_UINT, "4194304", true, 4 << 20},
        {RV_PROPERTY_UINT, "4194305", false, 0},
        {RV_PROPERTY_UINT, "2M", false, 0},
        {RV_PROPERTY_UINT, "0x1k", false, 0},
        {RV_PROPERTY_UINT, "-1", false, 0},
        {RV_PROPERTY_UINT, "", false, 0},
        {RV_PROPERTY_UINT, "18446744073709551616", false, 0},
        {RV_PROPERTY_SIZE, "2M", true, 2 << 20},
        {RV_PROPERTY_SIZE, "4M", true, 4 << 20},
        {RV_PROPERTY_SIZE, "5M", false, 0},
        {RV_PROPERTY_SIZE, "M", false, 0},
        {RV_PROPERTY_STRING, "", true, 0},
        {RV_PROPERTY_PATH, "", false, 0},
        {RV_PROPERTY_PATH, "x", true, 0},
        {RV_PROPERTY_ENUM, "square", true, 1},
        {RV_PROPERTY_ENUM, "squar", false, 0},
        {RV_PROPERTY_ENUM, "", false, 0},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct rv_property p = {
            .type = cases[i].type, .choices = choices, .min = 5, .max = 4 << 20};

        assert_int_equal(property_valid(&p, cases[i].text), cases[i].valid);
        if (!cases[i].valid)
            continue;
        if (p.type == RV_PROPERTY_BOOL)
            assert_int_equal(property_bool(cases[i].text), cases[i].value);
        if (p.type == RV_PROPERTY_UINT || p.type == RV_PROPERTY_SIZE)
            assert_true(property_uint(cases[i].text) == cases[i].value);
        if (p.type == RV_PROPERTY_ENUM)
            assert_int_equal(property_enum(&p, cases[i].text), cases[i].value);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(good_plugin_loads_and_is_found_by_name),
        TEST(plugin_of_a_later_abi_that_speaks_ours_loads),
        TEST(bad_plugin_is_refused_with_a_message_that_says_why),
        TEST(second_device_of_a_name_is_left_out),
        TEST(same_file_by_another_path_counts_once_and_silently),
        TEST(directory_with_bad_plugins_still_gives_the_good_ones),
        TEST(search_goes_from_the_option_over_the_environment_to_the_builtin),
        TEST(list_and_description_show_what_a_user_needs),
        TEST(value_has_the_form_of_its_type),
    };
    int failed;

    plugin_dir = getenv("TEST_PLUGIN_DIR");
    if (!plugin_dir || plugin_dir[0] != '/' || !mkdtemp(scratch)) {
        fprintf(stderr, "TEST_PLUGIN_DIR must be the absolute path of the test plugins\n");
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (const char *const *p = (const char *const[]){"/1/text.so", "/1/readme.txt", "/2/x.so",
                                                      "/3/x.so", "/1", "/2", "/3", "", NULL};
         *p; p++) {
        char path[300];

        snprintf(path, sizeof(path), "%s%s", scratch, *p);
        remove(path);
    }
    return failed;
}
