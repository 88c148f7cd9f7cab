/* SPDX-License-Identifier: BSD-2-Clause */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/boot.h"
#include "proto/ring.h"
#include "proto/vcpu.h"
#include "tests/unit/support/log_fake.h"
#include "vmm/machine/layout.h"
#include "vmm/machine/stub_image.h"

/* The smallest file that is a stub. */
struct file {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[2];
    struct rv_stub_header header;
    uint8_t text[64];
};

static struct file good(void)
{
    struct file f = {
        .ehdr = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_machine = EM_AARCH64,
                 .e_entry = 0x40200020,
                 .e_phoff = offsetof(struct file, phdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = 2},
        .phdr = {{.p_type = PT_LOAD,
                  .p_offset = offsetof(struct file, header),
                  .p_paddr = 0x40200000,
                  .p_filesz = sizeof(struct rv_stub_header) + 64,
                  .p_memsz = sizeof(struct rv_stub_header) + 64},
                 {.p_type = PT_LOAD, .p_paddr = 0x40201000, .p_memsz = 0x1000}},
        .header = {.magic = RV_STUB_MAGIC,
                   .abi_major = RV_ABI_MAJOR,
                   .abi_minor = RV_ABI_MINOR,
                   .image_size = 0x2000},
    };

    memset(f.text, 0x5a, sizeof(f.text));
    return f;
}

static int open_bytes(struct stub_image *image, const void *bytes, size_t size)
{
    char path[] = "/tmp/test_stub_image.XXXXXX";
    int fd = mkstemp(path);
    int result;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    log_fake.last[0] = '\0';
    result = stub_image_open(image, path);
    unlink(path);
    return result;
}

static void a_good_image_is_copied_to_its_place(void **state)
{
    struct file f = good();
    struct stub_image image;
    uint8_t memory[0x2000] = {0};
    uint64_t boot_page;

    assert_int_equal(open_bytes(&image, &f, sizeof(f)), 0);
    assert_int_equal(image.start, 0x40200000);
    assert_int_equal(image.entry, 0x40200020);
    assert_int_equal(image.image_size, 0x2000);
    stub_image_copy(&image, memory, 0x123456789000);
    memcpy(&boot_page, memory + offsetof(struct rv_stub_header, boot_page), 8);
    assert_int_equal(boot_page, 0x123456789000);
    assert_int_equal(memory[sizeof(struct rv_stub_header)], 0x5a);
    assert_int_equal(memory[sizeof(struct rv_stub_header) + 64], 0);
    stub_image_close(&image);
}

/* What one edit of a good file makes of it: refused, after a message with the word. */
static void damaged_images_are_refused_with_the_reason(void **state)
{
    struct file files[12];
    const char *words[12] = {
        "AArch64 ELF",
        "AArch64 ELF",
        "AArch64 ELF",
        "program headers",
        "program headers",
        "outside of the file",
        "outside of the file",
        "no ringvisor stub header",
        "one build",
        "header does not fit",
        "entry",
        "scattered",
    };
    struct stub_image image;

    for (unsigned i = 0; i < 12; i++)
        files[i] = good();
    files[0].ehdr.e_ident[0] = 'X';
    files[1].ehdr.e_machine = EM_X86_64;
    files[2].ehdr.e_ident[EI_DATA] = ELFDATA2MSB;
    files[3].ehdr.e_phoff = UINT64_MAX;
    files[4].ehdr.e_phnum = 60000;
    files[5].phdr[0].p_offset = UINT64_MAX - 4;
    files[6].phdr[1].p_filesz = UINT64_MAX;
    files[7].header.magic++;
    files[8].header.abi_major++;
    files[9].header.image_size = 0x1000;
    files[10].ehdr.e_entry = 0x40300000;
    files[11].phdr[1].p_paddr = 0x80000000;
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(open_bytes(&image, &files[i], sizeof(files[i])), -ENOEXEC);
        if (!strstr(log_fake.last, words[i]))
            fail_msg("case %u: '%s' does not say '%s'", i, log_fake.last, words[i]);
    }
}

static void truncated_images_are_refused_at_every_length(void **state)
{
    struct file f = good();
    struct stub_image image;

    for (size_t size = 0; size < sizeof(f); size++)
        assert_int_equal(open_bytes(&image, &f, size), -ENOEXEC);
}

static void a_missing_file_is_named(void **state)
{
    struct stub_image image;

    assert_int_equal(stub_image_open(&image, "/nonexistent/stub.elf"), -ENOENT);
    assert_non_null(strstr(log_fake.last, "/nonexistent/stub.elf"));
}

static void areas_of_the_layout_do_not_overlap(void **state)
{
    static const uint64_t sizes[] = {2ull << 20, 64ull << 20, 1ull << 30, 3ull << 30, 64ull << 30};
    struct layout l;

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        for (unsigned cpus = 1; cpus <= RV_MAX_PCPUS; cpus += 21) {
            layout_make(&l, 0x200000, 0x70000, cpus, cpus, sizes[i]);
            assert_true(l.stub + l.stub_size <= l.boot);
            assert_true(l.boot + RV_PAGE_SIZE <= l.channels);
            assert_true(l.channels + cpus * sizeof(struct rv_channel) <= l.vcpus);
            assert_true(l.vcpus + cpus * sizeof(struct rv_vcpu_page) <= l.own_end);
            assert_true(l.own_end <= l.ram);
            assert_int_equal(l.ram % RV_BLOCK_SIZE, 0);
            assert_true(l.ram + l.ram_size <= l.total);
            /* 4 KiB pages all the way need one table for each 2 MiB. */
            assert_true(l.stub_size - 0x70000 >= sizes[i] / RV_BLOCK_SIZE * RV_PAGE_SIZE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_image_is_copied_to_its_place),
        cmocka_unit_test(damaged_images_are_refused_with_the_reason),
        cmocka_unit_test(truncated_images_are_refused_at_every_length),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(areas_of_the_layout_do_not_overlap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
