/* SPDX-License-Identifier: BSD-2-Clause */
/* Firmware by name: what is installed, in a folder of the test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/cli/firmware_files.h"

static char root[] = "/tmp/firmware_files-XXXXXX";

static void shell(const char *command)
{
    char line[512];

    snprintf(line, sizeof(line), "cd %s && %s", root, command);
    assert_int_equal(system(line), 0);
}

/* Of what goes to stderr meanwhile. */
static int find(const char *name, struct firmware_files *files, char *said, size_t size)
{
    int saved = dup(STDERR_FILENO), pair[2], error;
    ssize_t got;

    assert_int_equal(pipe(pair), 0);
    dup2(pair[1], STDERR_FILENO);
    close(pair[1]);
    error = firmware_find(root, name, files);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    got = read(pair[0], said, size - 1);
    said[got > 0 ? got : 0] = '\0';
    close(pair[0]);
    return error;
}

static void file_is_taken_as_it_is(void **state)
{
    struct firmware_files files;
    char said[256];

    assert_int_equal(find("/no/such/file", &files, said, sizeof(said)), 0);
    assert_string_equal(files.code, "/no/such/file");
    assert_null(files.vars);
    assert_string_equal(said, "");
}

static void what_is_not_installed_names_its_package(void **state)
{
    struct firmware_files files;
    char said[256];

    assert_int_equal(find("edk2", &files, said, sizeof(said)), -ENOENT);
    assert_non_null(strstr(said, "install the package qemu-efi-aarch64"));
    assert_int_equal(find("u-boot", &files, said, sizeof(said)), -ENOENT);
    assert_non_null(strstr(said, "install the package u-boot-qemu"));
}

static void name_finds_what_is_installed(void **state)
{
    struct firmware_files files;
    char said[256];

    shell("mkdir -p usr/share/AAVMF usr/lib/u-boot/qemu_arm64");
    shell("touch usr/share/AAVMF/AAVMF_CODE.fd usr/lib/u-boot/qemu_arm64/u-boot.bin");
    assert_int_equal(find("edk2", &files, said, sizeof(said)), -ENOENT); /* its template is not */
    shell("touch usr/share/AAVMF/AAVMF_VARS.fd");
    assert_int_equal(find("edk2", &files, said, sizeof(said)), 0);
    assert_string_equal(files.code, "/usr/share/AAVMF/AAVMF_CODE.fd");
    assert_string_equal(files.vars, "/usr/share/AAVMF/AAVMF_VARS.fd");
    assert_int_equal(find("u-boot", &files, said, sizeof(said)), 0);
    assert_string_equal(files.code, "/usr/lib/u-boot/qemu_arm64/u-boot.bin");
    assert_null(files.vars);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_taken_as_it_is),
        cmocka_unit_test(what_is_not_installed_names_its_package),
        cmocka_unit_test(name_finds_what_is_installed),
    };
    int failed;

    if (!mkdtemp(root))
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    shell("rm -r usr && rmdir ../${PWD##*/}");
    return failed;
}
