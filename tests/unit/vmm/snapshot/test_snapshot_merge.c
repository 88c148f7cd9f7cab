/* SPDX-License-Identifier: BSD-2-Clause */
/* One whole snapshot of two, "0" and "1" of one folder, of which the second builds on the first. */
#include "vmm/snapshot/merge.h"

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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/board/board.h"
#include "vmm/snapshot/chain.h"
#include "vmm/snapshot/disk_copy.h"

#define PAGE  4096u
#define RAM   (3u * RAM_IMAGE_CHUNK)
#define SIZE  (RAM + BOARD_PVTIME_SIZE)
#define WORDS (SIZE / PAGE / 64 + 1)
#define DISK  (2u << 20)

static char home[32];
static uint8_t *memory;
static char digests[2][DIGEST_TEXT];
static const atomic_bool goes_on, is_cancelled = true;

static void command(const char *text)
{
    char line[256];

    snprintf(line, sizeof(line), "cd %s && %s", home, text);
    assert_int_equal(system(line), 0);
}

static const char *path_of(const char *name)
{
    static char paths[2][64];
    static unsigned next;
    char *path = paths[next++ % 2];

    snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
    return path;
}

static void save_disk(int folder, struct manifest_disk *disk)
{
    int fd = part_create(folder, "disk-0");

    assert_int_equal(ftruncate(fd, DISK), 0);
    assert_int_equal(pwrite(fd, "blocks", 6, DISK / 2), 6);
    *disk = (struct manifest_disk){.device = "virtio-blk@a000000",
                                   .path = "/srv/disk",
                                   .part = {.file = "disk-0", .size = DISK},
                                   .size = DISK};
    assert_int_equal(disk_copy_digest(fd, DISK, NULL, disk->part.digest), 0);
    close(fd);
}

/* Snapshot `n` of the memory, of `pages` since the first, or whole. */
static void save(int n, const uint64_t *pages)
{
    struct ram_memory of = {
        .at = memory, .size = SIZE, .fd = -1, .pages = pages, .overlay = pages != NULL};
    struct manifest m = {.name = "web", .folder = "/", .memory = RAM, .vcpus = 1, .nr_disks = 1};
    const char *path = path_of(n ? "1" : "0");
    int folder;

    assert_int_equal(mkdir(path, 0700), 0);
    folder = open(path, O_RDONLY | O_DIRECTORY);
    m.options = json_object();
    assert_int_equal(ram_image_write(folder, &of, NULL, &m.ram), 0);
    assert_int_equal(part_write(folder, "registers", "x0", 2, &m.cpus), 0);
    assert_int_equal(part_write(folder, "state", "gic", 3, &m.state), 0);
    save_disk(folder, &m.disks[0]);
    if (pages) {
        m.base = "../0";
        strcpy(m.base_digest, digests[0]);
    }
    assert_int_equal(manifest_write_file(&m, folder, digests[n]), 0);
    json_decref(m.options);
    close(folder);
}

static int setup(void **state)
{
    uint64_t pages[WORDS] = {1u << 4};

    strcpy(home, "/tmp/merge.XXXXXX");
    assert_non_null(mkdtemp(home));
    memory = calloc(1, SIZE);
    memset(memory, 1, RAM_IMAGE_CHUNK);
    memset(memory + RAM - PAGE, 2, 2 * PAGE);
    save(0, NULL);
    memset(memory + 4 * PAGE, 3, PAGE);
    save(1, pages);
    return 0;
}

static int teardown(void **state)
{
    char line[64];

    snprintf(line, sizeof(line), "rm -r %s", home);
    free(memory);
    return system(line);
}

static int merge(const atomic_bool *cancelled)
{
    uint64_t bytes;

    log_fake.error[0] = '\0';
    return snapshot_merge(path_of("1"), path_of("whole"), cancelled, &bytes);
}

static void nothing_is_left(void)
{
    command("test \"$(ls)\" = \"$(printf '0\\n1')\"");
}

static void one_whole_snapshot_has_what_the_two_have(void **state)
{
    struct ram_memory whole = {.at = calloc(1, SIZE), .size = SIZE, .fd = -1};
    struct chain *chain;
    struct manifest m;
    int folder, fd;

    assert_int_equal(merge(&goes_on), 0);
    command("rm -r 0");
    command(
        "cmp 1/registers whole/registers && cmp 1/state whole/state && cmp 1/disk-0 whole/disk-0");
    fd = manifest_open(AT_FDCWD, path_of("whole"), &folder);
    assert_int_equal(manifest_read_file(&m, fd, "whole"), 0);
    assert_null(m.base);
    assert_string_equal(m.disks[0].path, "/srv/disk");
    assert_int_equal(chain_open(&chain, folder, "whole", &m), 0);
    assert_int_equal(chain_length(chain), 1);
    assert_int_equal(chain_load(chain, &whole), 0);
    assert_memory_equal(whole.at, memory, SIZE);
    chain_close(chain);
    manifest_free(&m);
    close(fd);
    close(folder);
    free(whole.at);
}

static void what_is_interrupted_leaves_nothing(void **state)
{
    assert_int_equal(merge(&is_cancelled), -ECANCELED);
    assert_non_null(strstr(log_fake.error, "interrupted"));
    nothing_is_left();
}

static void what_is_damaged_is_not_copied(void **state)
{
    static const struct {
        const char *damage, *words;
    } cases[] = {
        {"printf y | dd of=1/registers conv=notrunc status=none", "'registers' is damaged"},
        {"printf y | dd of=1/state conv=notrunc status=none", "'state' is damaged"},
        {"printf y | dd of=1/disk-0 bs=1 seek=5 conv=notrunc status=none", "'disk-0' is damaged"},
        {"truncate -s -1 1/disk-0", "'disk-0' is damaged"},
        {"printf y | dd of=0/ram bs=1 seek=300 conv=notrunc status=none", "'../0': its part 'ram'"},
        {"rm -r 0", "its base '../0'"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        command("cp -r . ../$(basename $PWD).good");
        command(cases[i].damage);
        assert_true(merge(&goes_on) < 0);
        if (!strstr(log_fake.error, cases[i].words))
            fail_msg("case %zu: '%s'", i, log_fake.error);
        command("test ! -e whole -a \"$(ls | grep -c whole)\" = 0");
        command("rm -r * && mv ../$(basename $PWD).good/* . && rmdir ../$(basename $PWD).good");
    }
}

static void nothing_is_replaced(void **state)
{
    command("mkdir whole");
    assert_int_equal(merge(&goes_on), -EEXIST);
    assert_non_null(strstr(log_fake.error, "File exists"));
    command("rmdir whole");
    nothing_is_left();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_whole_snapshot_has_what_the_two_have),
        TEST(what_is_interrupted_leaves_nothing),
        TEST(what_is_damaged_is_not_copied),
        TEST(nothing_is_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
