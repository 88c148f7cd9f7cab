/* SPDX-License-Identifier: BSD-2-Clause */
/* Unified kernel images: PE files of which a section is a kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support/kernel_files.h"
#include "tests/unit/support/log_fake.h"
#include "vmm/loader/loader.h"
#include "vmm/loader/uki.h"

#define RAM_SIZE (UINT64_C(16) << 20)
#define PE       0x80u /* offset of the PE header */
#define SECTIONS (PE + 24u + 240u)

static char dir[] = "/tmp/ringvisor-uki-XXXXXX";
static char kernel_path[64], initrd_path[64];

/* What follows in uki[] are sections, each at a multiple of 512 bytes. */
static uint8_t uki[4u << 20];
static size_t uki_size;
static unsigned uki_sections;

static void uki_begin(uint16_t machine)
{
    memset(uki, 0, sizeof(uki));
    memcpy(uki, "MZ", 2);
    put32(uki + 0x3c, PE);
    memcpy(uki + PE, "PE\0\0", 4);
    put16(uki + PE + 4, machine);
    put16(uki + PE + 20, 240);
    uki_size = 4096;
    uki_sections = 0;
}

/* Padded in the file, as the format wants it; `memory_size` tells where the contents end. */
static void uki_add(const char *name, const void *data, size_t size)
{
    uint8_t *header = uki + SECTIONS + 40 * uki_sections++;
    uint32_t padded = ((uint32_t)size + 511) / 512 * 512;

    memcpy(header, name, strlen(name));
    put32(header + 8, (uint32_t)size);
    put32(header + 16, padded);
    put32(header + 20, (uint32_t)uki_size);
    memcpy(uki + uki_size, data, size);
    memset(uki + uki_size + size, 0xee, padded - size);
    uki_size += padded;
    put16(uki + PE + 6, (uint16_t)uki_sections);
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static uint8_t *ram;
static struct loader_layout layout;

static int load_with(const char *initrd)
{
    const struct loader_config config = {.kernel = kernel_path, .initrds = {initrd}};
    const struct guest_ram guest = {.host = ram, .ipa = RAM_IPA, .size = RAM_SIZE};
    struct loader loader;
    int error;

    log_fake.error[0] = '\0';
    write_file(kernel_path, uki, uki_size);
    error = loader_open(&loader, &config, RAM_SIZE);
    if (error == 0) {
        error = loader_load(&loader, &guest, &layout);
        loader_close(&loader);
    }
    return error;
}

static const uint8_t *at(ipa_t addr)
{
    return ram + (addr.v - RAM_IPA);
}

/* Some section that is not asked for comes first, as in real ones. */
static void make_uki(const void *kernel, size_t size)
{
    uki_begin(0xaa64);
    uki_add(".text", "code", 4);
    uki_add(".cmdline", "root=/dev/vda quiet\n\0junk", 25);
    uki_add(".initrd", "the initrd", 10);
    uki_add(".linux", kernel, size);
}

static void kernel_initrd_and_command_line_of_a_uki_are_loaded(void **state)
{
    struct bytes files[3];

    make_image(0, 1u << 20, 0xa);
    files[0] = (struct bytes){image, IMAGE_SIZE};
    files[1] = gzip(image, IMAGE_SIZE);
    files[2] = zboot(zstd(image, IMAGE_SIZE), "zstd22");
    for (unsigned i = 0; i < 3; i++) {
        make_uki(files[i].data, files[i].size);
        if (load_with(NULL) != 0)
            fail_msg("%u: %s", i, log_fake.error);
        assert_int_equal(layout.entry.v, RAM_IPA);
        assert_memory_equal(at(layout.kernel), image, IMAGE_SIZE);
        assert_int_equal(layout.initrd_size, 10);
        assert_memory_equal(at(layout.initrd), "the initrd", 10);
        assert_string_equal(layout.cmdline, "root=/dev/vda quiet");
        if (i)
            free(files[i].data);
    }
}

static void an_initrd_that_is_given_takes_the_place_of_the_ukis(void **state)
{
    make_image(0, 1u << 20, 0xa);
    make_uki(image, IMAGE_SIZE);
    write_file(initrd_path, "another", 7);
    assert_int_equal(load_with(initrd_path), 0);
    assert_int_equal(layout.initrd_size, 7);
    assert_memory_equal(at(layout.initrd), "another", 7);
}

static void a_uki_may_be_a_kernel_alone(void **state)
{
    make_image(0, 1u << 20, 0xa);
    uki_begin(0xaa64);
    uki_add(".linux", image, IMAGE_SIZE);
    uki_add(".linux", "the second does not count", 25);
    assert_int_equal(load_with(NULL), 0);
    assert_int_equal(layout.initrd_size, 0);
    assert_string_equal(layout.cmdline, "");
    assert_memory_equal(at(layout.kernel), image, IMAGE_SIZE);
}

static void the_kernel_of_a_uki_may_be_an_elf_file(void **state)
{
    make_elf();
    uki_begin(0xaa64);
    uki_add(".linux", elf, sizeof(elf));
    if (load_with(NULL) != 0)
        fail_msg("%s", log_fake.error);
    assert_memory_equal(at(layout.kernel), elf + 512, 256);
}

static void a_uki_that_cannot_be_booted_says_why(void **state)
{
    static char line[LOADER_CMDLINE_SIZE];
    size_t whole;

    make_image(0, 1u << 20, 0xa);
    make_uki(image, IMAGE_SIZE);
    whole = uki_size;
    for (uki_size = 5120; uki_size < whole; uki_size += 9999) {
        assert_int_equal(load_with(NULL), -EBADMSG);
        assert_non_null(strstr(log_fake.error, "truncated: a unified kernel image (UKI)"));
    }
    make_uki(image, IMAGE_SIZE);
    put32(uki + SECTIONS + 2 * 40 + 20, UINT32_MAX); /* .initrd lies behind the end */
    assert_int_equal(load_with(NULL), -EBADMSG);
    assert_non_null(strstr(log_fake.error, ".initrd"));

    uki_begin(0x8664);
    uki_add(".linux", image, IMAGE_SIZE);
    assert_int_equal(load_with(NULL), -ENOTSUP);
    assert_non_null(strstr(log_fake.error, "(UKI) for another processor"));

    uki_begin(0xaa64);
    uki_add(".linux", "MZ no kernel at all", 20);
    assert_int_equal(load_with(NULL), -ENOEXEC);

    memset(line, 'x', sizeof(line));
    uki_begin(0xaa64);
    uki_add(".linux", image, IMAGE_SIZE);
    uki_add(".cmdline", line, sizeof(line));
    assert_int_equal(load_with(NULL), -EFBIG);
    assert_non_null(strstr(log_fake.error, "command line of 4096 bytes"));
    uki_begin(0xaa64);
    uki_add(".linux", image, IMAGE_SIZE);
    uki_add(".cmdline", line, sizeof(line) - 1);
    assert_int_equal(load_with(NULL), 0);
    assert_int_equal(strlen(layout.cmdline), sizeof(line) - 1);
}

static void a_pe_file_without_a_kernel_is_not_taken_for_a_uki(void **state)
{
    uki_begin(0xaa64);
    uki_add(".text", "code", 4);
    assert_int_equal(load_with(NULL), -ENOEXEC);
    assert_non_null(strstr(log_fake.error, "a PE (EFI) executable for AArch64 that is no Linux"));
}

static int setup(void **state)
{
    ram = malloc(RAM_SIZE);
    if (ram == NULL || mkdtemp(dir) == NULL)
        return -1;
    snprintf(kernel_path, sizeof(kernel_path), "%s/kernel", dir);
    snprintf(initrd_path, sizeof(initrd_path), "%s/initrd", dir);
    return 0;
}

static int teardown(void **state)
{
    free(ram);
    unlink(kernel_path);
    unlink(initrd_path);
    return rmdir(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernel_initrd_and_command_line_of_a_uki_are_loaded),
        cmocka_unit_test(an_initrd_that_is_given_takes_the_place_of_the_ukis),
        cmocka_unit_test(a_uki_may_be_a_kernel_alone),
        cmocka_unit_test(the_kernel_of_a_uki_may_be_an_elf_file),
        cmocka_unit_test(a_uki_that_cannot_be_booted_says_why),
        cmocka_unit_test(a_pe_file_without_a_kernel_is_not_taken_for_a_uki),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
