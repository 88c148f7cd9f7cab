/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots that build on each other: three of them, in folders "0" to "2" of one folder. */
#include "vmm/snapshot/chain.h"

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

#define CHUNKS 3u
#define SIZE   (CHUNKS * RAM_IMAGE_CHUNK)
#define PAGE   4096u
#define DIGEST "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static char home[32];
static uint8_t *memory;
static char digests[CHAIN_MAX + 2][DIGEST_TEXT];

static void command(const char *text)
{
    char line[256];

    snprintf(line, sizeof(line), "cd %s && %s", home, text);
    assert_int_equal(system(line), 0);
}

/* Snapshot `n`, of `size` bytes of the memory; see save(). */
static void save_size(int n, int base, const uint64_t *pages, uint64_t size)
{
    struct ram_memory of = {
        .at = memory, .size = size, .fd = -1, .pages = pages, .overlay = base >= 0};
    struct manifest m = {
        .name = "web",
        .folder = "/",
        .options = json_object(),
        .memory = size,
        .vcpus = 1,
        .cpus = {"registers", 1, DIGEST},
        .state = {"state", 1, DIGEST},
    };
    char path[64], name[32];
    int folder;

    snprintf(path, sizeof(path), "%s/%d", home, n);
    assert_int_equal(mkdir(path, 0700), 0);
    folder = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(ram_image_write(folder, &of, NULL, &m.ram), 0);
    if (base >= 0) {
        snprintf(name, sizeof(name), "../%d", base);
        m.base = name;
        strcpy(m.base_digest, digests[base]);
    }
    assert_int_equal(manifest_write_file(&m, folder, digests[n]), 0);
    json_decref(m.options);
    close(folder);
}

/* Snapshot `n` of the memory, of `pages` since snapshot `base`, or whole if that is negative. */
static void save(int n, int base, const uint64_t *pages)
{
    save_size(n, base, pages, SIZE);
}

static int setup(void **state)
{
    uint64_t pages[CHUNKS * 4] = {0};

    strcpy(home, "/tmp/chain.XXXXXX");
    assert_non_null(mkdtemp(home));
    memory = malloc(SIZE);
    memset(memory, 1, SIZE);
    save(0, -1, NULL);
    memset(memory, 2, 10 * PAGE);
    memset(memory + SIZE - PAGE, 0, PAGE);
    pages[0] = 0x3ff;
    pages[CHUNKS * 4 - 1] = 1ull << 63;
    save(1, 0, pages);
    memset(memory + 4 * PAGE, 3, PAGE);
    memset(pages, 0, sizeof(pages));
    pages[0] = 1u << 4;
    save(2, 1, pages);
    return 0;
}

static int teardown(void **state)
{
    char line[64];

    snprintf(line, sizeof(line), "rm -r %s", home);
    free(memory);
    return system(line);
}

static int open_chain(int n, struct chain **chain)
{
    char path[64];
    struct manifest m;
    int folder, fd, error;

    *chain = NULL;
    log_fake.error[0] = '\0';
    snprintf(path, sizeof(path), "%s/%d", home, n);
    fd = manifest_open(AT_FDCWD, path, &folder);
    error = manifest_read_file(&m, fd, "snap");
    if (!error)
        error = chain_open(chain, folder, "snap", &m);
    manifest_free(&m);
    close(fd);
    close(folder);
    return error;
}

static void chain_is_refused(int error, const char *words)
{
    struct chain *chain;

    assert_int_equal(open_chain(2, &chain), error);
    assert_null(chain);
    if (!strstr(log_fake.error, words))
        fail_msg("said '%s'", log_fake.error);
}

static void memory_is_put_together_from_all_of_them(void **state)
{
    struct ram_memory whole = {.at = calloc(1, SIZE), .size = SIZE, .fd = -1};
    struct ram_memory pieces = {.at = calloc(1, SIZE), .size = SIZE, .fd = -1};
    struct chain *chain;

    assert_int_equal(open_chain(2, &chain), 0);
    assert_int_equal(chain_length(chain), 3);
    assert_int_equal(chain_load(chain, &whole), 0);
    assert_memory_equal(whole.at, memory, SIZE);
    assert_int_equal(chain_begin(chain, &pieces), 0);
    for (unsigned i = CHUNKS; i-- > 0;)
        assert_int_equal(chain_load_piece(chain, i * RAM_IMAGE_CHUNK, RAM_IMAGE_CHUNK), 0);
    assert_memory_equal(pieces.at, memory, SIZE);
    chain_close(chain);
    free(whole.at);
    free(pieces.at);
}

static void their_folder_may_be_moved(void **state)
{
    struct chain *chain;

    command("mkdir x && mv 0 1 2 x && mv x/* . && rmdir x");
    assert_int_equal(open_chain(2, &chain), 0);
    chain_close(chain);
}

static void a_chain_that_misses_one_is_refused(void **state)
{
    command("mv 0 away");
    chain_is_refused(-ENOENT, "snapshot '../1': its base '../0': No such file");
    command("mv 1 gone");
    chain_is_refused(-ENOENT, "snapshot 'snap': its base '../1': No such file");
}

static void a_base_that_is_another_one_is_refused(void **state)
{
    command("rm -r 1 && cp -r 0 1");
    chain_is_refused(-ESTALE, "is not the snapshot that it was made from");
}

/* Whoever edits a manifest can make its checksum right, but not that which the next one has of it. */
static void a_loop_is_refused(void **state)
{
    command("rm -r 1 && cp -r 2 1");
    chain_is_refused(-ESTALE, "is not the snapshot that it was made from");
}

static void a_base_of_another_vm_is_refused(void **state)
{
    uint64_t pages[CHUNKS * 4] = {1};

    command("rm -r 1 2");
    save_size(1, -1, NULL, RAM_IMAGE_CHUNK);
    save(2, 1, pages);
    chain_is_refused(-ESTALE, "is of another VM");
}

static void damage_is_told_with_the_one_that_has_it(void **state)
{
    struct ram_memory of = {.at = calloc(1, SIZE), .size = SIZE, .fd = -1};
    struct chain *chain;

    command("truncate -s -1 1/ram");
    assert_int_equal(open_chain(2, &chain), 0);
    assert_int_equal(chain_load(chain, &of), -EBADMSG);
    assert_non_null(strstr(log_fake.error, "snapshot '../1': its part 'ram' is damaged"));
    log_fake.error[0] = '\0';
    assert_int_equal(chain_begin(chain, &of), -EBADMSG);
    assert_non_null(strstr(log_fake.error, "snapshot '../1': its part 'ram' is damaged"));
    chain_close(chain);
    free(of.at);
}

static void too_many_are_refused(void **state)
{
    uint64_t pages[CHUNKS * 4] = {0};
    struct chain *chain;

    for (int n = 3; n <= (int)CHAIN_MAX; n++)
        save(n, n - 1, pages);
    assert_int_equal(open_chain(CHAIN_MAX - 1, &chain), 0);
    assert_int_equal(chain_length(chain), CHAIN_MAX);
    chain_close(chain);
    assert_int_equal(open_chain(CHAIN_MAX, &chain), -ELOOP);
    assert_null(chain);
    assert_non_null(strstr(log_fake.error, "more than 256 snapshots"));
}

static void check_name(const char *folder, const char *base, const char *name)
{
    char *is = chain_name_base(folder, base);

    assert_string_equal(is, name);
    free(is);
}

static void a_base_beside_it_is_named_from_there(void **state)
{
    check_name("/snap/two", "/snap/one", "../one");
    check_name("/two", "/one", "../one");
    check_name("/snap/two", "/snaq/one", "/snaq/one");
    check_name("/snap/two", "/snap/x/one", "/snap/x/one");
    check_name("/snap/x/two", "/snap/one", "/snap/one");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(memory_is_put_together_from_all_of_them),
        TEST(their_folder_may_be_moved),
        TEST(a_chain_that_misses_one_is_refused),
        TEST(a_base_that_is_another_one_is_refused),
        TEST(a_loop_is_refused),
        TEST(a_base_of_another_vm_is_refused),
        TEST(damage_is_told_with_the_one_that_has_it),
        TEST(too_many_are_refused),
        TEST(a_base_beside_it_is_named_from_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
