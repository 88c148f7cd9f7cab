/* SPDX-License-Identifier: BSD-2-Clause */
/* The seed of a cloud image: what may be given, and what mtools find on the disk. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "vmm/cli/cloud_init.h"

#define TEXT_MAX 4096u

/* Within the folder of the test. */
static char folder[] = "/tmp/test_cloud_init.XXXXXX";

static char *write_file(const char *name, const char *text)
{
    static char path[64];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    return path;
}

static int setup(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* What a command of mtools prints of the image `fd`. */
static char *mtools(int fd, const char *tool, const char *file)
{
    static char text[TEXT_MAX];
    char command[128];
    FILE *out;
    size_t n;

    snprintf(command, sizeof(command), "%s -i /proc/%ld/fd/%d ::%s", tool, (long)getpid(), fd,
             file);
    out = popen(command, "r");
    assert_non_null(out);
    n = fread(text, 1, sizeof(text) - 1, out);
    text[n] = '\0';
    assert_int_equal(pclose(out), 0);
    return text;
}

static const char *string_of(json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void takes_files_and_a_name_each_once(void **state)
{
    static const struct {
        const char *text;
        int result;
    } cases[] = {
        {"user-data=a", 0},
        {"user-data=a,,b,ssh-key=c,hostname=d-1.example", 0},
        {"hostname=web", 0},
        {"", -EINVAL},
        {"user-data", -EINVAL},
        {"user-data=", -EINVAL},
        {"user-data=a,user-data=b", -EINVAL},
        {"userdata=a", -EINVAL},
        {"hostname=-web", -EINVAL},
        {"hostname=web-", -EINVAL},
        {"hostname=web.", -EINVAL},
        {"hostname=.web", -EINVAL},
        {"hostname=a-.b", -EINVAL},
        {"hostname=a b", -EINVAL},
        {"hostname=a\nb", -EINVAL},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct cloud_init config = {0};

        assert_int_equal(cloud_init_parse(cases[i].text, &config), cases[i].result);
        if (i == 1)
            assert_string_equal(config.user_data, "a,b");
        cloud_init_free(&config);
    }
}

static void labels_longer_than_dns_has_are_refused(void **state)
{
    char text[96] = "hostname=";
    struct cloud_init config = {0}, longer = {0};

    memset(text + strlen(text), 'a', 63);
    assert_int_equal(cloud_init_parse(text, &config), 0);
    strcat(text, "a");
    assert_int_equal(cloud_init_parse(text, &longer), -EINVAL);
    cloud_init_free(&config);
    cloud_init_free(&longer);
}

static void the_seed_has_the_files_and_the_label_that_cloud_init_looks_for(void **state)
{
    static const char user[] = "#cloud-config\npackages: [hello]\n";
    struct cloud_init config = {.hostname = strdup("web")};
    json_t *meta, *keys;
    int fd;

    config.user_data = strdup(write_file("user", user));
    config.ssh_key =
        strdup(write_file("keys", "# mine\nssh-ed25519 AAAA \"me\"\r\n\nssh-rsa BBBB\n"));
    fd = cloud_init_seed(&config, "guest-1");
    assert_true(fd >= 0);
    assert_string_equal(mtools(fd, "mtype", "user-data"), user);
    meta = json_loads(mtools(fd, "mtype", "meta-data"), 0, NULL);
    assert_string_equal(string_of(meta, "instance-id"), "guest-1");
    assert_string_equal(string_of(meta, "local-hostname"), "web");
    keys = json_object_get(meta, "public-keys");
    assert_int_equal(json_array_size(keys), 2);
    assert_string_equal(json_string_value(json_array_get(keys, 0)), "ssh-ed25519 AAAA \"me\"");
    assert_string_equal(json_string_value(json_array_get(keys, 1)), "ssh-rsa BBBB");
    json_decref(meta);
    assert_non_null(strcasestr(mtools(fd, "mlabel -s", ""), "cidata"));
    close(fd);
    cloud_init_free(&config);
}

static void the_seed_has_no_partitions(void **state)
{
    static const char none[64];
    struct cloud_init config = {.hostname = strdup("web")};
    char table[64];
    int fd = cloud_init_seed(&config, NULL);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, table, sizeof(table), 446), sizeof(table));
    assert_memory_equal(table, none, sizeof(table));
    close(fd);
    cloud_init_free(&config);
}

static void a_seed_without_user_data_has_an_empty_configuration(void **state)
{
    struct cloud_init config = {.hostname = strdup("web")};
    int fd = cloud_init_seed(&config, NULL);

    assert_true(fd >= 0);
    assert_string_equal(mtools(fd, "mtype", "user-data"), "#cloud-config\n");
    close(fd);
    cloud_init_free(&config);
}

static void user_data_of_megabytes_fits(void **state)
{
    struct cloud_init config = {0};
    size_t size = 7u << 20;
    char *text = malloc(size + 1);
    int fd;

    memset(text, '#', size);
    text[size] = '\0';
    config.user_data = strdup(write_file("large", text));
    fd = cloud_init_seed(&config, NULL);
    assert_true(fd >= 0);
    close(fd);
    cloud_init_free(&config);
    free(text);
}

static void what_cannot_be_read_is_refused(void **state)
{
    struct cloud_init none = {.user_data = strdup("/nonexistent")},
                      directory = {.user_data = strdup("/")};
    struct cloud_init key = {.ssh_key = strdup("/nonexistent")}, private = {0}, binary = {0},
                      large = {0};
    size_t size = (8u << 20) + 1;
    char *text = malloc(size + 1);

    assert_true(cloud_init_seed(&none, NULL) < 0);
    assert_true(cloud_init_seed(&directory, NULL) < 0);
    assert_true(cloud_init_seed(&key, NULL) < 0);
    private.ssh_key = strdup(write_file("id", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"));
    assert_true(cloud_init_seed(&private, NULL) < 0);
    binary.ssh_key = strdup(write_file("binary", "\xff\xfe\n"));
    assert_true(cloud_init_seed(&binary, NULL) < 0);
    memset(text, '#', size);
    text[size] = '\0';
    large.user_data = strdup(write_file("larger", text));
    assert_true(cloud_init_seed(&large, NULL) < 0);
    free(text);
    cloud_init_free(&none);
    cloud_init_free(&directory);
    cloud_init_free(&key);
    cloud_init_free(&private);
    cloud_init_free(&binary);
    cloud_init_free(&large);
}

static void without_mtools_it_says_so(void **state)
{
    struct cloud_init config = {.hostname = strdup("web")};
    char *path = strdup(getenv("PATH"));

    setenv("PATH", "/nonexistent", 1);
    assert_int_equal(cloud_init_seed(&config, NULL), -ENOENT);
    setenv("PATH", path, 1);
    free(path);
    cloud_init_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_files_and_a_name_each_once),
        cmocka_unit_test(labels_longer_than_dns_has_are_refused),
        cmocka_unit_test(the_seed_has_the_files_and_the_label_that_cloud_init_looks_for),
        cmocka_unit_test(the_seed_has_no_partitions),
        cmocka_unit_test(a_seed_without_user_data_has_an_empty_configuration),
        cmocka_unit_test(user_data_of_megabytes_fits),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(without_mtools_it_says_so),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
