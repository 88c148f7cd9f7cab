/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest memory as a file, and the parts that are plain bytes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/snapshot/ram_image.h"
#include "vmm/util/bits.h"

#define MEMORY (8u << 20)
#define ODD    (MEMORY + 4096u) /* the last chunk is short */
#define SMALL  (64u << 10)      /* where there are many images */

struct fixture {
    char path[32];
    int folder;
    struct ram_memory memory;
    uint8_t *copy; /* what it was */
};

static struct fixture f;

static int setup(void **state)
{
    unsigned seed = 1;

    strcpy(f.path, "/tmp/snapshot.XXXXXX");
    assert_non_null(mkdtemp(f.path));
    f.folder = open(f.path, O_RDONLY | O_DIRECTORY);
    f.memory = (struct ram_memory){.fd = memfd_create("memory", 0)};
    assert_int_equal(ftruncate(f.memory.fd, ODD), 0);
    f.memory.size = ODD;
    f.memory.at = mmap(NULL, ODD, PROT_READ | PROT_WRITE, MAP_SHARED, f.memory.fd, 0);
    /* Chunk 0 has noise, 2 text, 3 one byte at its end, 8 is the short one; the rest are holes. */
    for (unsigned i = 0; i < 1u << 20; i++)
        f.memory.at[i] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
    memset(f.memory.at + (2u << 20), 'x', 5000);
    f.memory.at[(4u << 20) - 1] = 1;
    memset(f.memory.at + MEMORY, 7, 4096);
    f.copy = malloc(ODD);
    memcpy(f.copy, f.memory.at, ODD);
    /* Reading has filled the holes: make them again. */
    assert_int_equal(
        fallocate(f.memory.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 << 20, 4 << 20), 0);
    return 0;
}

static int teardown(void **state)
{
    char command[64];

    munmap(f.memory.at, ODD);
    close(f.memory.fd);
    close(f.folder);
    free(f.copy);
    snprintf(command, sizeof(command), "rm -r %s", f.path);
    return system(command);
}

/* Into other memory, which is zeroed. */
static bool overlay;

static int load(const struct snapshot_part *part, uint8_t **at)
{
    struct ram_memory memory = {
        .at = calloc(1, f.memory.size), .size = f.memory.size, .fd = -1, .overlay = overlay};

    *at = memory.at;
    return ram_image_read(f.folder, part, &memory);
}

static blkcnt_t blocks(int fd)
{
    struct stat st;

    fstat(fd, &st);
    return st.st_blocks;
}

static void memory_is_again_what_it_was(void **state)
{
    struct snapshot_part part;
    blkcnt_t before = blocks(f.memory.fd);
    uint8_t *at;

    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    assert_int_equal(blocks(f.memory.fd), before); /* no hole was filled */
    assert_true(part.size < 2u << 20);             /* the noise, and little more */
    assert_int_equal(load(&part, &at), 0);
    assert_memory_equal(at, f.copy, ODD);
    free(at);
}

static void an_image_that_is_cut_at_any_length_is_refused(void **state)
{
    struct snapshot_part part;
    char path[64];
    uint8_t *at;

    f.memory.size = SMALL;
    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    snprintf(path, sizeof(path), "%s/ram", f.path);
    for (uint64_t size = part.size; size > 0; size = size > 2000 ? size - size / 9 - 1 : size - 1) {
        struct snapshot_part told = part;

        assert_int_equal(truncate(path, (off_t)(size - 1)), 0);
        assert_int_equal(load(&told, &at), -EBADMSG);
        free(at);
        told.size = size - 1; /* also if the manifest agrees */
        assert_int_equal(load(&told, &at), -EBADMSG);
        free(at);
    }
}

/* With each of its bytes wrong in turn; and it is taken when all are right again. */
static void is_refused_with_any_byte_wrong(const struct snapshot_part *part)
{
    int fd = openat(f.folder, "ram", O_RDWR);
    uint8_t *at;

    for (uint64_t i = 0; i < part->size; i++) {
        uint8_t byte;

        assert_int_equal(pread(fd, &byte, 1, (off_t)i), 1);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
        assert_int_equal(load(part, &at), -EBADMSG);
        free(at);
        byte ^= 0x40;
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
    }
    assert_int_equal(load(part, &at), 0);
    free(at);
    close(fd);
}

static void an_image_with_any_byte_wrong_is_refused(void **state)
{
    struct snapshot_part part;

    f.memory.size = SMALL;
    memset(f.memory.at, 3, SMALL);
    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    is_refused_with_any_byte_wrong(&part);
}

/* Of SMALL bytes and one chunk more, with a base: text in page 3, zeros in 5, text in the next chunk. */
static struct snapshot_part write_overlay(uint64_t *pages)
{
    struct snapshot_part part;

    f.memory.size = RAM_IMAGE_CHUNK + SMALL;
    f.memory.pages = pages;
    f.memory.overlay = true;
    memset(f.memory.at + 3 * 4096, 'x', 4096);
    memset(f.memory.at + 5 * 4096, 0, 4096);
    memset(f.memory.at + RAM_IMAGE_CHUNK, 'y', SMALL);
    pages[0] = 1u << 3 | 1u << 5;
    pages[4] = 1u << 15; /* the last page */
    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    return part;
}

static void an_overlay_has_some_pages_and_leaves_the_others(void **state)
{
    uint64_t size = RAM_IMAGE_CHUNK + SMALL, pages[BITS_WORDS(ODD / 4096)] = {0};
    struct snapshot_part part = write_overlay(pages);
    struct ram_memory memory = {.at = malloc(size), .size = size, .fd = -1, .overlay = true};

    assert_in_range(part.size, 160, 400);
    memset(memory.at, 9, size);
    assert_int_equal(ram_image_read(f.folder, &part, &memory), 0);
    for (uint64_t page = 0; page < size / 4096; page++) {
        const uint8_t *at = memory.at + page * 4096;

        if (pages[page / 64] >> page % 64 & 1)
            assert_memory_equal(at, f.memory.at + page * 4096, 4096);
        else
            assert_true(at[0] == 9 && memcmp(at, at + 1, 4095) == 0);
    }
    free(memory.at);
}

/* Not even a hole becomes memory by that. */
static void an_overlay_of_what_became_zeros_has_zeros(void **state)
{
    struct ram_memory memory = {.at = malloc(MEMORY), .size = MEMORY, .fd = -1, .overlay = true};
    uint64_t pages[BITS_WORDS(ODD / 4096)] = {0};
    blkcnt_t before = blocks(f.memory.fd);
    struct snapshot_part part;

    memset(pages, 0xff, sizeof(pages));
    f.memory = (struct ram_memory){.at = f.memory.at + MEMORY / 2,
                                   .size = MEMORY / 2,
                                   .fd = f.memory.fd,
                                   .offset = MEMORY / 2,
                                   .pages = pages,
                                   .overlay = true};
    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    assert_int_equal(blocks(f.memory.fd), before);
    memset(memory.at, 9, MEMORY);
    memory.size = MEMORY / 2;
    assert_int_equal(ram_image_read(f.folder, &part, &memory), 0);
    assert_true(memory.at[0] == 0 && memcmp(memory.at, memory.at + 1, MEMORY / 2 - 1) == 0);
    assert_int_equal(memory.at[MEMORY / 2], 9);
    free(memory.at);
    f.memory.at -= MEMORY / 2;
}

static void an_overlay_with_any_byte_wrong_is_refused(void **state)
{
    uint64_t pages[BITS_WORDS(ODD / 4096)] = {0};
    struct snapshot_part part = write_overlay(pages);
    uint8_t *at;

    assert_int_equal(load(&part, &at), -EBADMSG); /* it is not taken for all of the memory */
    free(at);
    overlay = true;
    is_refused_with_any_byte_wrong(&part);
    overlay = false;
    assert_int_equal(load(&part, &at), -EBADMSG);
    free(at);
}

static void memory_of_another_size_is_refused(void **state)
{
    struct ram_memory memory = {.at = calloc(1, MEMORY), .size = MEMORY, .fd = -1};
    struct snapshot_part part;

    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    assert_int_equal(ram_image_read(f.folder, &part, &memory), -EBADMSG);
    free(memory.at);
}

static void writing_ends_when_it_is_cancelled(void **state)
{
    static const atomic_bool cancelled = true;
    struct snapshot_part part;

    assert_int_equal(ram_image_write(f.folder, &f.memory, &cancelled, &part), -ECANCELED);
}

static void a_part_is_what_was_written_or_refused(void **state)
{
    struct snapshot_part part, told;
    void *data;
    int fd;

    assert_int_equal(part_write(f.folder, "state", "hello", 5, &part), 0);
    assert_string_equal(part.digest,
                        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    assert_int_equal(part_write(f.folder, "state", "again", 5, &told), -EEXIST);
    assert_int_equal(part_read(f.folder, &part, &data), 0);
    assert_memory_equal(data, "hello", 5);
    free(data);
    told = part;
    told.size = 4;
    assert_int_equal(part_read(f.folder, &told, &data), -EBADMSG);
    fd = openat(f.folder, "state", O_WRONLY);
    assert_int_equal(pwrite(fd, "j", 1, 0), 1);
    close(fd);
    assert_int_equal(part_read(f.folder, &part, &data), -EBADMSG);
    assert_null(data);
    strcpy(part.file, "none");
    assert_int_equal(part_read(f.folder, &part, &data), -ENOENT);
}

static void an_image_is_loaded_piece_by_piece(void **state)
{
    struct ram_memory memory = {.at = calloc(1, ODD), .size = ODD, .fd = -1};
    struct snapshot_part part;
    struct ram_image *image;

    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    assert_int_equal(ram_image_open(f.folder, &part, &memory, &image), 0);
    assert_int_equal(ram_image_load(image, MEMORY, ODD - MEMORY), 0);
    assert_int_equal(memory.at[0] | memory.at[2u << 20], 0);
    assert_int_equal(memory.at[MEMORY], 7);
    assert_int_equal(ram_image_load(image, 2u << 20, 2u << 20), 0);
    assert_int_equal(memory.at[0], 0);
    assert_int_equal(ram_image_load(image, 0, ODD), 0);
    assert_memory_equal(memory.at, f.copy, ODD);
    ram_image_close(image);
    free(memory.at);
}

/* The chunks of the file are in any order: its last byte is in one of them. */
static void a_damaged_piece_is_found_when_it_is_loaded(void **state)
{
    struct ram_memory memory = {.at = calloc(1, ODD), .size = ODD, .fd = -1};
    struct snapshot_part part;
    struct ram_image *image;
    unsigned damaged = 0;
    int fd;

    assert_int_equal(ram_image_write(f.folder, &f.memory, NULL, &part), 0);
    fd = openat(f.folder, part.file, O_RDWR);
    assert_int_equal(pwrite(fd, "\xa5\xa5", 2, (off_t)part.size - 2), 2);
    close(fd);
    assert_int_equal(ram_image_open(f.folder, &part, &memory, &image), 0);
    for (uint64_t at = 0; at < ODD; at += RAM_IMAGE_CHUNK) {
        int error = ram_image_load(image, at, RAM_IMAGE_CHUNK);

        assert_true(error == 0 || error == -EBADMSG);
        damaged += error != 0;
    }
    assert_int_equal(damaged, 1);
    ram_image_close(image);
    part.digest[0] ^= 1;
    assert_int_equal(ram_image_open(f.folder, &part, &memory, &image), -EBADMSG);
    assert_null(image);
    free(memory.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_is_again_what_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(an_image_that_is_cut_at_any_length_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_image_with_any_byte_wrong_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(an_overlay_has_some_pages_and_leaves_the_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_overlay_of_what_became_zeros_has_zeros, setup, teardown),
        cmocka_unit_test_setup_teardown(an_overlay_with_any_byte_wrong_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_of_another_size_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(writing_ends_when_it_is_cancelled, setup, teardown),
        cmocka_unit_test_setup_teardown(an_image_is_loaded_piece_by_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_piece_is_found_when_it_is_loaded, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_part_is_what_was_written_or_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
