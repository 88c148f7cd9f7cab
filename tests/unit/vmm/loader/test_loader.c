/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/support/kernel_files.h"
#include "tests/unit/support/log_fake.h"
#include "vmm/loader/image.h"
#include "vmm/loader/loader.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define RAM_SIZE      (UINT64_C(16) << 20)
#define MIB           (UINT64_C(1) << 20)
#define FILL          0xa5

static char dir[] = "/tmp/ringvisor-loader-XXXXXX";
static char kernel_path[64], initrd_path[64];

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* One machine: its RAM is a heap block, so that the sanitizer guards its ends. */
struct machine {
    struct guest_ram ram;
    struct loader_layout layout;
};

static void machine_init(struct machine *m, uint64_t size)
{
    *m = (struct machine){.ram = {malloc(size), RAM_IPA, size}};
    assert_non_null(m->ram.host);
    memset(m->ram.host, FILL, size);
    log_fake.error[0] = '\0';
}

static int machine_load_config(struct machine *m, const struct loader_config *config)
{
    struct loader loader;
    int error = loader_open(&loader, config, m->ram.size);

    if (error == 0) {
        error = loader_load(&loader, &m->ram, &m->layout);
        loader_close(&loader);
    }
    return error;
}

static int machine_load(struct machine *m)
{
    const struct loader_config config = {.kernel = kernel_path};

    return machine_load_config(m, &config);
}

static bool disjoint(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a + a_size <= b || b + b_size <= a;
}

/* What booting.rst asks of the places, whatever they are. */
static void expect_sound_layout(const struct machine *m)
{
    const struct loader_layout *l = &m->layout;

    assert_true(guest_ram_has(&m->ram, l->kernel.v, l->kernel_size));
    assert_true(l->entry.v >= l->kernel.v && l->entry.v < l->kernel.v + l->kernel_size);
    assert_true(l->dtb_size >= 0x40000 && l->dtb_size <= LOADER_DTB_SIZE);
    assert_true(guest_ram_has(&m->ram, l->dtb.v, l->dtb_size));
    assert_int_equal(l->dtb.v % 8, 0);
    assert_true(disjoint(l->kernel.v, l->kernel_size, l->dtb.v, l->dtb_size));
    if (l->initrd_size != 0) {
        assert_true(guest_ram_has(&m->ram, l->initrd.v, l->initrd_size));
        assert_true(disjoint(l->kernel.v, l->kernel_size, l->initrd.v, l->initrd_size));
        assert_true(disjoint(l->dtb.v, l->dtb_size, l->initrd.v, l->initrd_size));
    }
}

static const uint8_t *at(const struct machine *m, uint64_t ipa)
{
    return m->ram.host + (ipa - m->ram.ipa);
}

static void expect_image_at(const struct machine *m, uint64_t start, uint64_t size)
{
    assert_int_equal(m->layout.entry.v, start);
    assert_int_equal(m->layout.kernel.v, start);
    assert_int_equal(m->layout.kernel_size, size);
    assert_memory_equal(at(m, start), image, IMAGE_SIZE);
    expect_sound_layout(m);
}

static void loader_puts_an_image_where_its_header_says(void **state)
{
    static const struct {
        uint64_t text_offset, image_size;
        uint64_t start, size; /* expected; start counts from RAM */
    } table[] = {
        {0, 2 * MIB, 0, 2 * MIB},
        {0x80000, 2 * MIB, 0x80000, 2 * MIB},
        {0x123000, IMAGE_SIZE, 0x123000, IMAGE_SIZE},
        {0, 100, 0, IMAGE_SIZE}, /* image_size smaller than the file */
        {0, 14 * MIB, 0, 14 * MIB},
        /* Before 3.17: text_offset is not to be trusted, .bss of unknown size */
        {0xdead, 0, 0x80000, IMAGE_SIZE + (RAM_SIZE - 0x80000 - IMAGE_SIZE) / 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct machine m;

        machine_init(&m, RAM_SIZE);
        make_image(table[i].text_offset, table[i].image_size, 0xa);
        write_file(kernel_path, image, IMAGE_SIZE);
        if (machine_load(&m) != 0)
            fail_msg("%zu: %s", i, log_fake.error);
        expect_image_at(&m, RAM_IPA + table[i].start, table[i].size);
        free(m.ram.host);
    }
}

static void loader_unpacks_compressed_images(void **state)
{
    struct bytes files[6];

    make_image(0, MIB, 0xa);
    files[0] = gzip(image, IMAGE_SIZE);
    files[1] = zstd(image, IMAGE_SIZE);
    files[2] = zboot(gzip(image, IMAGE_SIZE), "gzip");
    files[3] = zboot(zstd(image, IMAGE_SIZE), "zstd22");
    /* Members and frames follow each other; what comes behind them is not ours. */
    for (unsigned i = 4; i < 6; i++) {
        struct bytes (*pack)(const void *, size_t) = i == 4 ? gzip : zstd;
        struct bytes a = pack(image, 1000), b = pack(image + 1000, IMAGE_SIZE - 1000);

        files[i] = (struct bytes){malloc(a.size + b.size + 7), a.size + b.size + 7};
        memcpy(files[i].data, a.data, a.size);
        memcpy(files[i].data + a.size, b.data, b.size);
        memcpy(files[i].data + a.size + b.size, "trailer", 7);
        free(a.data);
        free(b.data);
    }
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct machine m;

        machine_init(&m, RAM_SIZE);
        write_file(kernel_path, files[i].data, files[i].size);
        if (machine_load(&m) != 0)
            fail_msg("%zu: %s", i, log_fake.error);
        expect_image_at(&m, RAM_IPA, MIB);
        free(m.ram.host);
        free(files[i].data);
    }
}

static void loader_puts_elf_segments_at_their_physical_addresses(void **state)
{
    static const uint64_t entries[] = {0xffff000000000010, RAM_IPA + 0x80010};

    for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
        uint64_t start = RAM_IPA + 0x80000, data = RAM_IPA + 0x90000;
        struct machine m;

        machine_init(&m, RAM_SIZE);
        make_elf();
        ehdr->e_entry = entries[i];
        write_file(kernel_path, elf, sizeof(elf));
        if (machine_load(&m) != 0)
            fail_msg("%s", log_fake.error);
        expect_sound_layout(&m);
        assert_int_equal(m.layout.entry.v, start + 0x10);
        assert_int_equal(m.layout.kernel.v, start);
        assert_int_equal(m.layout.kernel_size, 0x10000 + 16 + 4096);
        assert_memory_equal(at(&m, start), elf + 512, 256);
        assert_memory_equal(at(&m, data), elf + 768, 16);
        for (unsigned j = 0; j < 4096; j++)
            assert_int_equal(at(&m, data + 16)[j], 0);
        assert_int_equal(at(&m, start)[256], FILL);
        assert_int_equal(at(&m, start)[-1], FILL);
        assert_int_equal(at(&m, data + 16)[4096], FILL);
        free(m.ram.host);
    }
}

static void loader_puts_raw_bytes_where_told_as_they_are(void **state)
{
    struct bytes file;
    const struct loader_config config = {
        .kernel = kernel_path, .raw = true, .raw_address = {RAM_IPA + 0x100004}};
    struct machine m;

    make_image(0, MIB, 0);
    file = gzip(image, IMAGE_SIZE);
    write_file(kernel_path, file.data, file.size);
    machine_init(&m, RAM_SIZE);
    assert_int_equal(machine_load_config(&m, &config), 0);
    expect_sound_layout(&m);
    assert_int_equal(m.layout.entry.v, RAM_IPA + 0x100004);
    assert_memory_equal(at(&m, RAM_IPA + 0x100004), file.data, file.size);
    free(file.data);
    free(m.ram.host);
}

static void loader_refuses_a_raw_address_that_cannot_be(void **state)
{
    static const struct {
        uint64_t address;
        int error;
        const char *message;
    } table[] = {
        {RAM_IPA + 2, -EINVAL, "not a multiple of 4"},
        {RAM_IPA - 4, -ENOSPC, "not in RAM"},
        {0, -ENOSPC, "not in RAM"},
        {RAM_IPA + RAM_SIZE, -ENOSPC, "not in RAM"},
        {UINT64_MAX - 3, -ENOSPC, "not in RAM"},
        {RAM_IPA + RAM_SIZE - 4, -EFBIG, "bigger than"},
        {RAM_IPA + 2 * MIB - 4096, 0, ""},  /* device tree above */
        {RAM_IPA + RAM_SIZE - 4096, 0, ""}, /* device tree below */
    };

    write_file(kernel_path, "just bytes", 10);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct loader_config config = {
            .kernel = kernel_path, .raw = true, .raw_address = {table[i].address}};
        struct machine m;
        int error;

        machine_init(&m, RAM_SIZE);
        error = machine_load_config(&m, &config);
        if (error != table[i].error || strstr(log_fake.error, table[i].message) == NULL)
            fail_msg("%zu: %d, '%s'", i, error, log_fake.error);
        if (error == 0)
            expect_sound_layout(&m);
        free(m.ram.host);
    }
}

/* Where programs for QEMU's virt look for it; a kernel there has it behind itself. */
static void loader_puts_the_device_tree_at_the_start_of_ram_if_that_is_free(void **state)
{
    static const struct {
        uint64_t raw_at, dtb, dtb_size; /* from RAM's start */
    } table[] = {
        {2 * MIB, 0, 2 * MIB},
        {3 * MIB, 0, 2 * MIB},
        {0x80000, 0, 0x80000}, /* 512 KiB, where payloads are linked */
        {0x40000, 0, 0x40000},
        {0x3fffc, 10 * MIB, 2 * MIB}, /* too little: behind the kernel and its .bss */
        {0, 10 * MIB, 2 * MIB},
    };

    write_file(kernel_path, "kernel", 6);
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct loader_config config = {
            .kernel = kernel_path, .raw = true, .raw_address = {RAM_IPA + table[i].raw_at}};
        struct machine m;

        machine_init(&m, RAM_SIZE);
        assert_int_equal(machine_load_config(&m, &config), 0);
        expect_sound_layout(&m);
        assert_int_equal(m.layout.dtb.v, RAM_IPA + table[i].dtb);
        assert_int_equal(m.layout.dtb_size, table[i].dtb_size);
        free(m.ram.host);
    }
}

/* booting.rst, 4: within 32 GiB, aligned to 1 GiB, of which the kernel is a part. */
static void loader_keeps_the_initrd_in_the_window_of_the_kernel(void **state)
{
    static const uint64_t gib = UINT64_C(1) << 30;
    const struct loader_config config = {
        .kernel = kernel_path,
        .initrds = {initrd_path},
        .raw = true,
        .raw_address = {RAM_IPA + 39 * gib},
    };
    struct machine m = {.ram = {NULL, RAM_IPA, 40 * gib}};

    write_file(kernel_path, "kernel", 6);
    write_file(initrd_path, "initrd", 6);
    /* Address space only: no more pages than the files have are touched. */
    m.ram.host = mmap(NULL, m.ram.size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(m.ram.host != MAP_FAILED);
    assert_int_equal(machine_load_config(&m, &config), 0);
    expect_sound_layout(&m);
    assert_true(m.layout.initrd.v >= RAM_IPA + 8 * gib);
    assert_memory_equal(at(&m, m.layout.initrd.v), "initrd", 6);
    assert_int_equal(munmap(m.ram.host, m.ram.size), 0);
}

/* `raw_at` is where a raw kernel goes, in MiB from RAM's start; -1: an Image. */
static void loader_puts_the_initrd_beside_kernel_and_tree(void **state)
{
    static const struct {
        uint64_t image_size;
        int raw_at;
        size_t initrd_size;
        uint64_t ram_size;
        int error;
    } table[] = {
        {MIB, -1, 1, RAM_SIZE, 0},
        {3 * MIB, -1, 5 * MIB, RAM_SIZE, 0},
        {2 * MIB, -1, 12 * MIB, RAM_SIZE, 0}, /* fits to the byte */
        {2 * MIB, -1, 12 * MIB + 1, RAM_SIZE, -EFBIG},
        {14 * MIB, -1, 1, RAM_SIZE, -EFBIG}, /* the device tree has the rest */
        {0, 12, 9 * MIB, RAM_SIZE, 0},       /* kernel high: below it */
        {0, 15, 12 * MIB, RAM_SIZE, 0},      /* and the tree is there too */
        {0, 4, 4 * MIB, RAM_SIZE, 0},
    };
    uint8_t *initrd = malloc(RAM_SIZE);

    for (size_t i = 0; i < RAM_SIZE; i++)
        initrd[i] = (uint8_t)(i * 7 + (i >> 9));
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct loader_config config = {
            .kernel = kernel_path,
            .initrds = {initrd_path},
            .raw = table[i].raw_at >= 0,
            .raw_address = {RAM_IPA + (uint64_t)table[i].raw_at * MIB},
        };
        struct machine m;
        int error;

        machine_init(&m, table[i].ram_size);
        make_image(0, table[i].image_size, 0xa);
        write_file(kernel_path, image, IMAGE_SIZE);
        write_file(initrd_path, initrd, table[i].initrd_size);
        error = machine_load_config(&m, &config);
        if (error != table[i].error)
            fail_msg("%zu: %d, %s", i, error, log_fake.error);
        if (error == 0) {
            expect_sound_layout(&m);
            assert_int_equal(m.layout.initrd_size, table[i].initrd_size);
            assert_memory_equal(at(&m, m.layout.initrd.v), initrd, table[i].initrd_size);
            assert_memory_equal(at(&m, m.layout.kernel.v), image, IMAGE_SIZE);
        } else {
            assert_non_null(strstr(log_fake.error, "initrd '"));
            assert_non_null(strstr(log_fake.error, "give more RAM"));
        }
        free(m.ram.host);
    }
    free(initrd);
}

static void loader_puts_several_initrds_together_at_multiples_of_4(void **state)
{
    char second[80];
    const struct loader_config config = {
        .kernel = kernel_path,
        .initrds = {initrd_path, second, initrd_path},
    };
    struct loader_config too_big = config;
    struct machine m;

    snprintf(second, sizeof(second), "%s-2", initrd_path);
    machine_init(&m, RAM_SIZE);
    make_image(0, MIB, 0xa);
    write_file(kernel_path, image, IMAGE_SIZE);
    write_file(initrd_path, "first", 5);
    write_file(second, "2nd.", 4);
    assert_int_equal(machine_load_config(&m, &config), 0);
    expect_sound_layout(&m);
    assert_int_equal(m.layout.initrd_size, 17);
    assert_memory_equal(at(&m, m.layout.initrd.v),
                        "first\0\0\0"
                        "2nd."
                        "first",
                        17);
    write_file(second, image, sizeof(image));
    for (unsigned i = 1; i < LOADER_INITRDS_MAX; i++)
        too_big.initrds[i] = second;
    if (sizeof(image) * (LOADER_INITRDS_MAX - 1) > RAM_SIZE)
        assert_int_equal(machine_load_config(&m, &too_big), -EFBIG);
    too_big.initrds[LOADER_INITRDS_MAX - 1] = "/nonexistent/initrd";
    assert_int_equal(machine_load_config(&m, &too_big), -ENOENT);
    assert_non_null(strstr(log_fake.error, "initrd '/nonexistent/initrd'"));
    unlink(second);
    free(m.ram.host);
}

static void loader_says_what_it_refuses(void **state)
{
    static uint8_t big[0x9000];
    static const struct {
        const char *message;
        size_t offset;
        const char *bytes;
        size_t size;
    } table[] = {
        {"looks like an x86 bzImage", 0x202, "HdrS", 4},
        {"looks like a RISC-V kernel Image", 56, "RSC\x05", 4},
        {"looks like a 32-bit Arm zImage", 0x24, "\x18\x28\x6f\x01", 4},
        {"looks like a U-Boot uImage", 0, "\x27\x05\x19\x56", 4},
        {"looks like a device tree blob", 0, "\xd0\x0d\xfe\xed", 4},
        {"looks like an xz file: unpack it first", 0, "\xfd\x37zXZ\0", 6},
        {"looks like a cpio archive: an initrd, not a kernel", 0, "070701", 6},
        {"looks like a qcow2 disk image", 0, "QFI\xfb", 4},
        {"looks like a CD or DVD image", 0x8001, "CD001", 5},
        {"looks like a disk image", 510, "\x55\xaa", 2},
        {"looks like a script", 0, "#!/bin/sh\n", 10},
        {"looks like a DOS executable", 0, "MZ\x90", 3},
        {"looks like an ELF file for x86-64", 0,
         "\x7f"
         "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\x3e\0",
         20},
        {"looks like an ELF file for RISC-V", 0,
         "\x7f"
         "ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\xf3\0",
         20},
        {"looks like a big-endian ELF file for AArch64", 0,
         "\x7f"
         "ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\2\0\xb7",
         20},
        {"looks like a 32-bit (ILP32) ELF file for AArch64", 0,
         "\x7f"
         "ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\xb7\0",
         20},
        {"looks like unknown data; a bare binary needs --raw ADDRESS", 0, "\x01\x02\x03", 3},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct machine m;
        int error;

        memset(big, 0, sizeof(big));
        memcpy(big + table[i].offset, table[i].bytes, table[i].size);
        write_file(kernel_path, big, sizeof(big));
        machine_init(&m, RAM_SIZE);
        error = machine_load(&m);
        if (error != -ENOEXEC || strstr(log_fake.error, table[i].message) == NULL ||
            strstr(log_fake.error, kernel_path) == NULL ||
            strstr(log_fake.error, "not an arm64 Image, ELF, gzip or zstd file") == NULL)
            fail_msg("'%s': %d, '%s'", table[i].message, error, log_fake.error);
        free(m.ram.host);
    }
}

static void expect_refusal(const void *data, size_t size, int want, const char *message)
{
    struct machine m;
    int error;

    write_file(kernel_path, data, size);
    machine_init(&m, RAM_SIZE);
    error = machine_load(&m);
    if (error != want || strstr(log_fake.error, message) == NULL)
        fail_msg("for '%s': %d, '%s'", message, error, log_fake.error);
    free(m.ram.host);
}

static void loader_tells_kinds_of_short_files_apart(void **state)
{
    static const char text[] = "dear kernel,\nhow are you?\n";
    uint8_t pe[0x100] = "MZ";

    expect_refusal("", 0, -ENODATA, "empty");
    expect_refusal(text, strlen(text), -ENOEXEC, "looks like a text file");
    expect_refusal("\x7f"
                   "ELF",
                   4, -ENOEXEC, "looks like a truncated ELF file");
    put32(pe + 0x3c, 0x80);
    memcpy(pe + 0x80, "PE\0\0\x64\x86", 6);
    expect_refusal(pe, sizeof(pe), -ENOEXEC, "looks like a PE (EFI) executable for x86-64");
    put16(pe + 0x84, 0xaa64);
    expect_refusal(pe, sizeof(pe), -ENOEXEC, "for AArch64 that is no Linux kernel");
}

static void loader_refuses_bad_images(void **state)
{
    make_image(0, MIB, 0xb);
    expect_refusal(image, IMAGE_SIZE, -ENOTSUP, "big-endian");
    make_image(0, RAM_SIZE + 1, 0xa);
    expect_refusal(image, IMAGE_SIZE, -ENOSPC, "give more RAM");
    make_image(0, UINT64_MAX, 0xa);
    expect_refusal(image, IMAGE_SIZE, -ENOSPC, "give more RAM");
    make_image(RAM_SIZE - 4096, MIB, 0xa);
    expect_refusal(image, IMAGE_SIZE, -ENOSPC, "give more RAM");
    make_image(UINT64_MAX - 3, 4, 0xa);
    expect_refusal(image, IMAGE_SIZE, -ENOSPC, "give more RAM");
    make_image(UINT64_MAX - 0x3fffffff - 4, 4, 0xa);
    expect_refusal(image, IMAGE_SIZE, -ENOSPC, "give more RAM");
    make_image(0x80001, MIB, 0xa);
    expect_refusal(image, IMAGE_SIZE, -EBADMSG, "odd text_offset");
    make_image(0, RAM_SIZE - MIB, 0xa);
    expect_refusal(image, IMAGE_SIZE, -ENOSPC, "no 2 MiB of RAM for the device tree");
}

static void loader_sees_by_the_pe_header_that_an_image_was_cut_off(void **state)
{
    static const size_t cuts[] = {64, 65, 0x100 + 23, 0x100 + 24, 0x100 + 24 + 240 + 79, 50000};
    struct machine m;

    make_image(0, MIB, 0xa);
    put32(image + 60, 0x100);
    memset(image + 0x100, 0, 400);
    memcpy(image + 0x100, "PE\0\0", 4);
    put16(image + 0x100 + 6, 2);
    put16(image + 0x100 + 20, 240);
    put32(image + 0x100 + 24 + 240 + 16, 0x1000);
    put32(image + 0x100 + 24 + 240 + 20, 0x10000);
    put32(image + 0x100 + 24 + 240 + 40 + 16, IMAGE_SIZE - 0x11000);
    put32(image + 0x100 + 24 + 240 + 40 + 20, 0x11000);
    for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
        const struct input input = {"kernel", kernel_path, -1};
        /* Of that size exactly, so that the sanitizer sees a read behind the end. */
        uint8_t *exact = malloc(cuts[i]);
        struct kernel kernel;

        memcpy(exact, image, cuts[i]);
        machine_init(&m, RAM_SIZE);
        assert_int_equal(image_load(&input, exact, cuts[i], &m.ram, &kernel), -EBADMSG);
        assert_non_null(strstr(log_fake.error, "truncated: an arm64 Image"));
        free(m.ram.host);
        free(exact);
    }
    write_file(kernel_path, image, IMAGE_SIZE);
    machine_init(&m, RAM_SIZE);
    assert_int_equal(machine_load(&m), 0);
    expect_image_at(&m, RAM_IPA, MIB);
    free(m.ram.host);
}

/* One field of the good executable of make_elf() set to something else. */
struct poke {
    size_t offset;
    size_t size;
    uint64_t value;
};

#define EHDR(field, value)                                      \
    {                                                           \
        offsetof(Elf64_Ehdr, field), sizeof(ehdr->field), value \
    }
#define PHDR(index, field, value)                                                        \
    {                                                                                    \
        sizeof(Elf64_Ehdr) + (index) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field), \
            sizeof(phdr->field), value                                                   \
    }

static void loader_refuses_bad_elf_files_and_leaves_ram_alone(void **state)
{
    static const struct {
        struct poke poke[2];
        int error;
        const char *message;
    } table[] = {
        {{EHDR(e_type, ET_REL)}, -ENOTSUP, "not an executable"},
        {{EHDR(e_phnum, 0)}, -EBADMSG, "without usable program headers"},
        {{EHDR(e_phnum, PN_XNUM)}, -EBADMSG, "without usable program headers"},
        {{EHDR(e_phentsize, 32)}, -EBADMSG, "without usable program headers"},
        {{EHDR(e_phoff, UINT64_MAX - 8)}, -EBADMSG, "truncated"},
        {{EHDR(e_phoff, sizeof(elf) - 100)}, -EBADMSG, "truncated"},
        {{PHDR(0, p_type, PT_INTERP)}, -ENOTSUP, "dynamic linker"},
        {{PHDR(1, p_type, PT_NOTE), PHDR(2, p_type, PT_NOTE)}, -EBADMSG, "nothing to load"},
        {{PHDR(2, p_filesz, 16 + 4096 + 1)}, -EBADMSG, "more bytes in the file"},
        {{PHDR(2, p_offset, sizeof(elf) - 15)}, -EBADMSG, "truncated"},
        {{PHDR(2, p_offset, UINT64_MAX - 7)}, -EBADMSG, "truncated"},
        {{PHDR(1, p_paddr, RAM_IPA - 1)}, -ENOSPC, "not lie in RAM, which is 0x40000000 to 0x40ff"},
        {{PHDR(2, p_paddr, RAM_IPA + RAM_SIZE - 4096)}, -ENOSPC, "does not lie in RAM"},
        {{PHDR(2, p_memsz, UINT64_MAX - 16)}, -ENOSPC, "does not lie in RAM"},
        {{PHDR(1, p_paddr, 0xffff000000000000)}, -ENOSPC, "arch/arm64/boot/Image, not vmlinux"},
        {{PHDR(1, p_paddr, RAM_IPA), PHDR(1, p_memsz, RAM_SIZE)}, -EBADMSG, "overlap"},
        {{EHDR(e_entry, 0xffff000000000012)}, -EBADMSG, "entry point"},
        {{EHDR(e_entry, 0)}, -EBADMSG, "entry point"},
        {{EHDR(e_entry, 0xffff000000000100)}, -EBADMSG, "entry point"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        struct machine m;
        int error;

        make_elf();
        for (unsigned j = 0; j < 2; j++)
            memcpy(elf + table[i].poke[j].offset, &table[i].poke[j].value, table[i].poke[j].size);
        write_file(kernel_path, elf, sizeof(elf));
        machine_init(&m, RAM_SIZE);
        error = machine_load(&m);
        if (error != table[i].error || strstr(log_fake.error, table[i].message) == NULL)
            fail_msg("%zu, '%s': %d, '%s'", i, table[i].message, error, log_fake.error);
        for (size_t j = 0; j < RAM_SIZE; j++) {
            if (m.ram.host[j] != FILL)
                fail_msg("%zu, '%s': wrote at 0x%zx", i, table[i].message, j);
        }
        free(m.ram.host);
    }
    make_elf();
    expect_refusal(elf, 40, -EBADMSG, "truncated");
}

static void loader_refuses_corrupt_and_truncated_compression(void **state)
{
    struct bytes file, inner;
    uint8_t saved;

    make_image(0, MIB, 0xa);
    for (unsigned i = 0; i < 2; i++) {
        file = i == 0 ? gzip(image, IMAGE_SIZE) : zstd(image, IMAGE_SIZE);
        for (size_t cut = 4; cut < file.size; cut += 1 + file.size / 50)
            expect_refusal(file.data, cut, -EBADMSG, "truncated");
        expect_refusal(file.data, file.size - 1, -EBADMSG, "truncated");
        saved = file.data[file.size / 2];
        memset(file.data + file.size / 2, saved ^ 0xff, 64);
        expect_refusal(file.data, file.size, -EBADMSG, i == 0 ? "corrupt gzip" : "corrupt zstd");
        free(file.data);
    }
    /* The checksum alone is wrong. */
    file = gzip(image, IMAGE_SIZE);
    file.data[file.size - 8] ^= 1;
    expect_refusal(file.data, file.size, -EBADMSG, "corrupt gzip");
    free(file.data);

    inner = gzip(image, IMAGE_SIZE);
    file = zstd(inner.data, inner.size);
    expect_refusal(file.data, file.size, -ENOEXEC, "a gzip file inside of a compressed file");
    free(inner.data);
    free(file.data);

    file = zboot(gzip(image, IMAGE_SIZE), "gzip");
    expect_refusal(file.data, file.size / 2, -EBADMSG, "truncated: an EFI zboot image");
    put32(file.data + 12, UINT32_MAX);
    expect_refusal(file.data, file.size, -EBADMSG, "truncated: an EFI zboot image");
    put32(file.data + 12, 0);
    expect_refusal(file.data, file.size, -EBADMSG, "without a payload");
    put32(file.data + 12, 1000);
    put32(file.data + 8, 0);
    expect_refusal(file.data, file.size, -EBADMSG, "without a payload");
    put32(file.data + 8, 640);
    expect_refusal(file.data, file.size, -ENOTSUP, "not gzip or zstd");
    free(file.data);
}

static void loader_stops_a_decompression_bomb_at_the_size_of_ram(void **state)
{
    size_t size = 4 * RAM_SIZE;
    uint8_t *zeroes = calloc(1, size);
    struct bytes file;

    for (unsigned i = 0; i < 2; i++) {
        file = i == 0 ? gzip(zeroes, size) : zstd(zeroes, size);
        expect_refusal(file.data, file.size, -EFBIG, "unpacks to more than the 16384 KiB of RAM");
        free(file.data);
        /* One that fits to the byte is only no kernel. */
        file = i == 0 ? gzip(zeroes, RAM_SIZE) : zstd(zeroes, RAM_SIZE);
        expect_refusal(file.data, file.size, -ENOEXEC, "unknown data");
        free(file.data);
    }
    free(zeroes);
}

static void loader_open_names_the_file_that_cannot_be_opened(void **state)
{
    struct machine m;
    struct loader_config config = {.kernel = "/nonexistent/kernel"};

    machine_init(&m, RAM_SIZE);
    assert_int_equal(machine_load_config(&m, &config), -ENOENT);
    assert_non_null(strstr(log_fake.error, "kernel '/nonexistent/kernel'"));
    make_image(0, MIB, 0xa);
    write_file(kernel_path, image, IMAGE_SIZE);
    config.kernel = kernel_path;
    config.initrds[0] = "/nonexistent/initrd";
    assert_int_equal(machine_load_config(&m, &config), -ENOENT);
    assert_non_null(strstr(log_fake.error, "initrd '/nonexistent/initrd'"));
    write_file(initrd_path, "", 0);
    config.initrds[0] = initrd_path;
    assert_int_equal(machine_load_config(&m, &config), -ENODATA);
    assert_non_null(strstr(log_fake.error, "empty"));
    free(m.ram.host);
}

static void loader_loads_the_same_bytes_at_each_reset(void **state)
{
    const struct loader_config config = {.kernel = kernel_path};
    struct loader loader;
    struct machine m;

    make_image(0, MIB, 0xa);
    write_file(kernel_path, image, IMAGE_SIZE);
    assert_int_equal(loader_open(&loader, &config, RAM_SIZE), 0);
    assert_int_equal(unlink(kernel_path), 0);
    write_file(kernel_path, "something else", 14);
    for (unsigned i = 0; i < 3; i++) {
        machine_init(&m, RAM_SIZE);
        assert_int_equal(loader_load(&loader, &m.ram, &m.layout), 0);
        expect_image_at(&m, RAM_IPA, MIB);
        free(m.ram.host);
    }
    loader_close(&loader);
}

static int setup(void **state)
{
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(kernel_path, sizeof(kernel_path), "%s/kernel", dir);
    snprintf(initrd_path, sizeof(initrd_path), "%s/initrd", dir);
    return 0;
}

static int teardown(void **state)
{
    unlink(kernel_path);
    unlink(initrd_path);
    return rmdir(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(loader_puts_an_image_where_its_header_says),
        cmocka_unit_test(loader_unpacks_compressed_images),
        cmocka_unit_test(loader_puts_elf_segments_at_their_physical_addresses),
        cmocka_unit_test(loader_puts_raw_bytes_where_told_as_they_are),
        cmocka_unit_test(loader_refuses_a_raw_address_that_cannot_be),
        cmocka_unit_test(loader_puts_the_initrd_beside_kernel_and_tree),
        cmocka_unit_test(loader_puts_the_device_tree_at_the_start_of_ram_if_that_is_free),
        cmocka_unit_test(loader_puts_several_initrds_together_at_multiples_of_4),
        cmocka_unit_test(loader_keeps_the_initrd_in_the_window_of_the_kernel),
        cmocka_unit_test(loader_says_what_it_refuses),
        cmocka_unit_test(loader_tells_kinds_of_short_files_apart),
        cmocka_unit_test(loader_refuses_bad_images),
        cmocka_unit_test(loader_sees_by_the_pe_header_that_an_image_was_cut_off),
        cmocka_unit_test(loader_refuses_bad_elf_files_and_leaves_ram_alone),
        cmocka_unit_test(loader_refuses_corrupt_and_truncated_compression),
        cmocka_unit_test(loader_stops_a_decompression_bomb_at_the_size_of_ram),
        cmocka_unit_test(loader_open_names_the_file_that_cannot_be_opened),
        cmocka_unit_test(loader_loads_the_same_bytes_at_each_reset),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
