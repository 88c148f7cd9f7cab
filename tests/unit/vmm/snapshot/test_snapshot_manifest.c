/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/snapshot/manifest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"

#define DIGEST "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static struct manifest read_back;

static struct manifest sample(void)
{
    struct manifest m = {
        .name = "web",
        .folder = "/home/someone",
        .options = json_pack("{s:s, s:i}", "memory", "1G", "cpus", 2),
        .memory = 1u << 30,
        .rom = 0x8000000,
        .vcpus = 2,
        .cpu = {.frequency = 62500000, .dczid = 4, .sve = 0xffff},
        .counter = UINT64_MAX - 5,
        .physical = 77,
        .ram = {"ram", 12345, DIGEST},
        .cpus = {"registers", 32768, DIGEST},
        .state = {"state", 9000, DIGEST},
        .disks = {{"virtio-blk@a000000", "/d/disk.img", {"disk-0", 4096, DIGEST}, 4096, 1234567890},
                  {"virtio-blk@a000200", "/d/ro.img", {"", 0, ""}, 512, 99}},
        .nr_disks = 2,
    };

    for (unsigned i = 0; i < MANIFEST_IDS; i++)
        m.cpu.id[i] = 0x1111111111111111ull * (i % 16);
    return m;
}

static char written[DIGEST_TEXT];
static bool in_overlay;

static char *text_of_sample(void)
{
    struct manifest m = sample();
    char base[] = "../one";
    char *text;

    m.base = in_overlay ? base : NULL;
    strcpy(m.base_digest, DIGEST);
    text = manifest_write(&m, written);
    json_decref(m.options);
    assert_non_null(text);
    return text;
}

static int read_text(const char *text, size_t size)
{
    manifest_free(&read_back);
    return manifest_read(&read_back, text, size, "snap");
}

static void what_was_written_is_read(void **state)
{
    struct manifest m = sample();
    char *text = manifest_write(&m, written);

    assert_int_equal(read_text(text, strlen(text)), 0);
    assert_string_equal(read_back.digest, written);
    assert_null(read_back.base);
    assert_string_equal(read_back.name, "web");
    assert_string_equal(read_back.folder, "/home/someone");
    assert_true(json_equal(read_back.options, m.options));
    assert_int_equal(read_back.memory, m.memory);
    assert_int_equal(read_back.rom, m.rom);
    assert_int_equal(read_back.vcpus, 2);
    assert_memory_equal(&read_back.cpu, &m.cpu, sizeof(m.cpu));
    assert_true(read_back.counter == m.counter);
    assert_int_equal(read_back.physical, 77);
    assert_memory_equal(&read_back.ram, &m.ram, sizeof(m.ram));
    assert_int_equal(read_back.nr_disks, 2);
    assert_string_equal(read_back.disks[0].path, "/d/disk.img");
    assert_string_equal(read_back.disks[0].part.file, "disk-0");
    assert_int_equal(read_back.disks[0].mtime_ns, 1234567890);
    assert_int_equal(read_back.disks[1].part.file[0], 0);
    manifest_free(&read_back);
    json_decref(m.options);
    free(text);
}

/* An older version does not read it: it would take an overlay for all of the memory. */
static void one_with_a_base_has_another_format(void **state)
{
    struct manifest m = sample();
    char base[] = "../one", *text;

    m.base = base;
    strcpy(m.base_digest, DIGEST);
    text = manifest_write(&m, written);
    assert_non_null(strstr(text, "\"ringvisor_snapshot\": 2"));
    assert_int_equal(read_text(text, strlen(text)), 0);
    assert_string_equal(read_back.base, "../one");
    assert_string_equal(read_back.base_digest, DIGEST);
    assert_string_equal(read_back.digest, written);
    manifest_free(&read_back);
    json_decref(m.options);
    free(text);
}

static void a_manifest_that_is_cut_at_any_length_is_refused(void **state)
{
    char *text = text_of_sample();

    for (size_t size = 0; size < strlen(text); size++) {
        log_fake.error[0] = '\0';
        assert_int_equal(read_text(text, size), -EINVAL);
        assert_non_null(strstr(log_fake.error, "snapshot 'snap'"));
    }
    manifest_free(&read_back);
    free(text);
}

/* White space may change: it means nothing. */
static void a_manifest_that_was_edited_is_refused(void **state)
{
    char *text = text_of_sample();
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        char was = text[i];

        if (was == ' ' || was == '\n')
            continue;
        text[i] = was == '1' ? '2' : '1';
        assert_int_equal(read_text(text, size), -EINVAL);
        text[i] = was;
    }
    assert_int_equal(read_text(text, size), 0);
    manifest_free(&read_back);
    free(text);
}

static void refused_saying(const char *text, const char *words)
{
    assert_int_equal(read_text(text, strlen(text)), -EINVAL);
    if (!strstr(log_fake.error, words))
        fail_msg("said '%s'", log_fake.error);
    manifest_free(&read_back);
}

static void the_reason_of_a_refusal_is_said(void **state)
{
    char *text = text_of_sample(), *at = strstr(text, "\"web\"");

    refused_saying("", "no JSON object");
    refused_saying("[]", "no JSON object");
    refused_saying("{\"kernel\": \"Image\"}", "not one of ringvisor's");
    refused_saying("{\"ringvisor_snapshot\": 3, \"version\": \"9.9\", \"abi\": 1}",
                   "ringvisor 9.9 wrote it");
    refused_saying("{\"ringvisor_snapshot\": 2, \"version\": \"9.9\"}", "ringvisor 9.9 wrote it");
    refused_saying("{\"ringvisor_snapshot\": 1, \"version\": \"9.9\", \"abi\": 1}",
                   "ringvisor 9.9 wrote it");
    memcpy(at, "\"wab\"", 5);
    refused_saying(text, "was changed after it was written");
    free(text);
}

/* The text with another member, and the checksum that it has to have. */
static void refused_with(const char *key, json_t *value)
{
    char *text = text_of_sample(), digest[DIGEST_TEXT], *dump;
    json_t *root = json_loads(text, 0, NULL);
    unsigned char bytes[DIGEST_SIZE];

    free(text);
    json_object_set_new(root, key, value);
    json_object_del(root, "sha256");
    dump = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    digest_bytes(dump, strlen(dump), bytes);
    digest_text(bytes, digest);
    free(dump);
    json_object_set_new(root, "sha256", json_string(digest));
    text = json_dumps(root, 0);
    refused_saying(text, "has no such value");
    free(text);
    json_decref(root);
}

static void no_value_leads_out_of_the_folder_or_the_arrays(void **state)
{
    static const char *const files[] = {
        "", "..", ".x", "a/b", "/etc/passwd", "0123456789012345678901234567890123456789"};
    json_t *many = json_array();

    for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        refused_with("ram",
                     json_pack("{s:s, s:i, s:s}", "file", files[i], "size", 1, "sha256", DIGEST));
    refused_with("ram", json_pack("{s:s, s:i, s:s}", "file", "ram", "size", -1, "sha256", DIGEST));
    refused_with("ram", json_pack("{s:s, s:i, s:s}", "file", "ram", "size", 1, "sha256", "12"));
    refused_with("vcpus", json_string("0x1ffffffffffffffff"));
    refused_with("counter", json_string("77"));
    refused_with("options", json_string("--memory"));
    refused_with("cpu", json_object());
    refused_with("disks", json_object());
    for (unsigned i = 0; i <= MANIFEST_DISKS_MAX; i++)
        json_array_append_new(many, json_object());
    refused_with("disks", many);
}

static void a_base_that_is_not_one_is_refused(void **state)
{
    static const char *const digests[] = {
        "", "12", DIGEST "0",
        "../../../../../../../../../../../../../../../../../../../etc/passwd1"};
    json_t *base = json_pack("{s:s, s:s}", "directory", "../one", "sha256", DIGEST);

    /* The format says whether there is one. */
    refused_with("base", base);
    refused_with("ringvisor_snapshot", json_integer(2));
    in_overlay = true;
    refused_with("ringvisor_snapshot", json_integer(1));
    refused_with("base", json_string("../one"));
    refused_with("base", json_pack("{s:s}", "directory", "../one"));
    refused_with("base", json_pack("{s:s}", "sha256", DIGEST));
    refused_with("base", json_pack("{s:s, s:s}", "directory", "", "sha256", DIGEST));
    for (unsigned i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
        refused_with("base", json_pack("{s:s, s:s}", "directory", "../one", "sha256", digests[i]));
    in_overlay = false;
}

static void another_cpu_is_refused_by_what_differs(void **state)
{
    struct manifest m = sample();
    struct manifest_cpu here = m.cpu;

    json_decref(m.options);
    assert_int_equal(manifest_check_cpu(&m.cpu, &here), 0);
    here.id[5] ^= 1; /* the host's MPIDR_EL1 is nobody's business */
    assert_int_equal(manifest_check_cpu(&m.cpu, &here), 0);
    here.id[0] ^= 1;
    assert_int_equal(manifest_check_cpu(&m.cpu, &here), -EINVAL);
    assert_non_null(strstr(log_fake.error, "MIDR_EL1"));
    assert_non_null(
        strstr(log_fake.error, "where the CPU is the same")); /* a real one has no MODEL */
    here = m.cpu;
    here.id[4 * 8 + 1] ^= 1;
    assert_int_equal(manifest_check_cpu(&m.cpu, &here), -EINVAL);
    assert_non_null(strstr(log_fake.error, "S3_0_C0_C4_1"));
    here = m.cpu;
    here.frequency++;
    assert_int_equal(manifest_check_cpu(&m.cpu, &here), -EINVAL);
    assert_null(strstr(log_fake.error, "MODEL")); /* no model has another */
    here = m.cpu;
    here.sve = 1;
    assert_int_equal(manifest_check_cpu(&m.cpu, &here), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(one_with_a_base_has_another_format),
        cmocka_unit_test(a_base_that_is_not_one_is_refused),
        cmocka_unit_test(a_manifest_that_is_cut_at_any_length_is_refused),
        cmocka_unit_test(a_manifest_that_was_edited_is_refused),
        cmocka_unit_test(the_reason_of_a_refusal_is_said),
        cmocka_unit_test(no_value_leads_out_of_the_folder_or_the_arrays),
        cmocka_unit_test(another_cpu_is_refused_by_what_differs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
