/* SPDX-License-Identifier: BSD-2-Clause */
/* The flash: Intel's command set as firmware uses it, what is shown to the guest, and the file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/board_device.h"
#include "devices/board/cfi_chip.h"
#include "tests/unit/support/check.h"

#define BANK    0x4000000u
#define BLOCK   0x40000u
#define BUFFER  0x1000u
#define SECTORS (BANK / 512)
#define USED    (3 * BLOCK)

#define READY     0x00800080u
#define BUSY      0x00000000u
#define PROGRAM   0x00100010u /* failed */
#define ERASE     0x00200020u
#define PROTECTED 0x00020002u
#define SEQUENCE  (PROGRAM | ERASE)

static char folder[] = "/tmp/cfi_flash-XXXXXX";
static char code_file[64], vars_file[64], template_file[64];

static uint32_t read_bank(unsigned bank, uint64_t offset)
{
    const struct rv_access access = {.size = sizeof(access), .region = bank};
    uint64_t value = ~0ull;

    CHECK(ringvisor_device.regions[bank].read(host.device, offset, 4, &value, &access) == 0);
    return (uint32_t)value;
}

static int write_bank(unsigned bank, uint64_t offset, unsigned width, uint64_t value)
{
    const struct rv_access access = {.size = sizeof(access), .region = bank};

    return ringvisor_device.regions[bank].write(host.device, offset, width, value, &access);
}

/* To both chips of the bank of the variables, as EDK2 does. */
static void command(uint64_t offset, uint16_t what)
{
    assert_int_equal(write_bank(1, offset, 4, what | (uint32_t)what << 16), 0);
}

static void data(uint64_t offset, uint32_t value)
{
    assert_int_equal(write_bank(1, offset, 4, value), 0);
}

static uint32_t get_vars(uint64_t offset)
{
    return read_bank(1, offset);
}

static void done(void)
{
    plugin_host_disk_complete_all(&host.disk);
}

static uint32_t in_file(uint64_t offset)
{
    uint32_t value;

    memcpy(&value, host.disk.image + offset, 4);
    return value;
}

static void init(const char *vars, const char *template)
{
    plugin_host_init(&host, NULL, 0, 0);
    plugin_host_set(&host, "code", code_file);
    plugin_host_set(&host, "vars", vars);
    plugin_host_set(&host, "template", template);
}

/* One that takes no time: only its first blocks are as erased. */
static void make_disk(uint64_t sectors)
{
    plugin_host_disk_init(&host, 1);
    free(host.disk.image);
    host.disk.image = calloc(sectors, 512);
    CHECK(host.disk.image);
    host.disk.info.capacity = sectors * 512;
    memset(host.disk.image, 0xff, USED);
}

/* The bytes of the file are those of plugin_host's disk. */
static void start(void)
{
    init(vars_file, NULL);
    make_disk(SECTORS);
    CHECK(plugin_host_start(&host, 0) == 0);
    memset(host.region[1].bytes, 0xff, USED);
}

static int teardown(void **state)
{
    plugin_host_stop(&host);
    plugin_host_free(&host);
    unlink(vars_file);
    return 0;
}

static void firmware_is_what_the_guest_reads(void **state)
{
    start();
    assert_true(host.region[0].shown);
    assert_true(host.region[1].shown);
    assert_memory_equal(host.region[0].bytes, "firmware", 8);
    assert_int_equal(read_bank(0, 4), 0x65726177); /* "ware" */
    assert_int_equal(read_bank(0, 8), 0);
}

/* What EDK2 and U-Boot look at. */
static void query_describes_the_bank(void **state)
{
    static const struct {
        unsigned word;
        uint8_t value;
    } cases[] = {
        {0x10, 'Q'}, {0x11, 'R'}, {0x12, 'Y'}, {0x13, 1},    {0x14, 0}, {0x15, 0x31}, {0x27, 25},
        {0x28, 2},   {0x2a, 11},  {0x2c, 1},   {0x2d, 0xff}, {0x2e, 0}, {0x2f, 0},    {0x30, 2},
        {0x31, 'P'}, {0x32, 'R'}, {0x33, 'I'}, {0x40, 0},    {0x0f, 0}, {0xff, 0},
    };

    start();
    command(0x55 * 4, 0x98);
    assert_false(host.region[1].shown);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(get_vars(cases[i].word * 4), cases[i].value | cases[i].value << 16);
    command(0, 0xff);
    assert_true(host.region[1].shown);
    assert_int_equal(get_vars(0x40), 0xffffffff);
}

static void identification_tells_maker_and_locks(void **state)
{
    start();
    command(BLOCK, 0x90);
    assert_int_equal(get_vars(BLOCK), 0x00890089);
    assert_int_equal(get_vars(BLOCK + 4), 0x00180018);
    assert_int_equal(get_vars(BLOCK + 8), 0); /* not locked */
}

static void programming_clears_bits_only(void **state)
{
    start();
    command(0x100, 0x40);
    data(0x100, 0xffff0f0f);
    assert_int_equal(get_vars(0), BUSY);
    done();
    assert_int_equal(get_vars(0), READY);
    command(0x100, 0x10);
    data(0x100, 0x00fff0ff);
    done();
    assert_int_equal(get_vars(0), READY);
    command(0, 0xff);
    assert_int_equal(get_vars(0x100), 0x00ff000f);
    assert_int_equal(get_vars(0x104), 0xffffffff);
    assert_int_equal(in_file(0x100), 0x00ff000f);
    assert_int_equal(host.region[1].dirty, 8);
}

static void erase_sets_a_block(void **state)
{
    start();
    memset(host.region[1].bytes, 0, USED);
    command(BLOCK + 0x1234 * 4, 0x20);
    command(BLOCK + 0x1234 * 4, 0xd0);
    assert_int_equal(get_vars(0), BUSY);
    done();
    assert_int_equal(get_vars(0), READY);
    command(0, 0xff);
    assert_int_equal(get_vars(BLOCK - 4), 0);
    assert_int_equal(get_vars(BLOCK), 0xffffffff);
    assert_int_equal(get_vars(2 * BLOCK - 4), 0xffffffff);
    assert_int_equal(get_vars(2 * BLOCK), 0);
    assert_int_equal(in_file(BLOCK), 0xffffffff);
}

static void buffer_is_programmed_at_once(void **state)
{
    start();
    command(0x2f80, 0xe8);
    assert_int_equal(get_vars(0x2f80), READY);
    command(0x2f80, 32 - 1);
    for (unsigned i = 0; i < 32; i++)
        data(0x2f80 + 4 * i, i);
    assert_int_equal(host.disk.submitted, 0);
    command(0x2f80, 0xd0);
    assert_int_equal(host.disk.submitted, 1);
    done();
    assert_int_equal(get_vars(0), READY);
    command(0, 0xff);
    assert_int_equal(get_vars(0x2f7c), 0xffffffff);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(get_vars(0x2f80 + 4 * i), i);
    assert_int_equal(in_file(0x2f80 + 124), 31);
}

static int post(uint64_t offset, uint64_t value)
{
    const struct rv_access access = {
        .size = sizeof(access), .region = 1, .flags = RV_ACCESS_POSTED};

    return ringvisor_device.regions[1].write(host.device, offset, 4, value, &access);
}

static void words_of_a_buffer_are_posted_and_nothing_else(void **state)
{
    start();
    command(0x80, 0x40);
    assert_int_equal(host.region[1].posted, 0);
    data(0x80, 0);
    done();
    command(0, 0xe8);
    assert_int_equal(host.region[1].posted, 0);
    command(0, 3 - 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(host.region[1].posted, BANK);
        assert_false(host.region[1].shown);
        assert_int_equal(post(4 * i, i), 0);
    }
    assert_int_equal(host.region[1].posted, 0);
    assert_int_equal(post(0, 0x00d000d0), 0); /* it was on its way */
    assert_int_equal(get_vars(0), BUSY);
    done();
    assert_int_equal(get_vars(0), READY);
    assert_int_equal(in_file(8), 2);
}

/* There is no vCPU that could make the access again. */
static void busy_chip_ignores_a_posted_command(void **state)
{
    start();
    command(0, 0x40);
    data(0, 0x12345678);
    assert_int_equal(post(0, 0x00ff00ff), 0);
    assert_false(host.region[1].shown);
    done();
    assert_int_equal(get_vars(0), READY);
}

static void reset_and_the_next_vmm_decide_what_is_posted(void **state)
{
    start();
    command(0, 0xe8);
    command(0, 2 - 1);
    plugin_host_stop(&host);
    host.region[1].posted = 0;
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_int_equal(host.region[1].posted, BANK);
    assert_int_equal(ringvisor_device.quiesce(host.device), 0);
    ringvisor_device.reset(host.device);
    assert_int_equal(host.region[1].posted, 0);
    plugin_host_stop(&host);
    host.region[1].posted = BANK; /* a vmm that died before it could say so */
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_int_equal(host.region[1].posted, 0);
}

/* The guest may not read that it is done before the file has it. */
static void done_is_told_after_the_file_has_it(void **state)
{
    start();
    command(0, 0x40);
    data(0, 0x12345678);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(get_vars(0), BUSY);
    assert_int_equal(write_bank(1, 0, 4, 0x00ff00ff), -EAGAIN);
    assert_false(host.region[1].shown);
    done();
    assert_int_equal(get_vars(0), READY);
    assert_int_equal(in_file(0), 0x12345678);
    command(0, 0xff);
}

static void file_is_flushed_a_second_later(void **state)
{
    start();
    for (unsigned i = 0; i < 3; i++) {
        command(4 * i, 0x40);
        data(4 * i, 0);
        done();
        pass(S / 2);
    }
    assert_int_equal(host.disk.flushes, 0);
    pass(S);
    assert_int_equal(host.disk.flushes, 1);
    done();
    pass(10 * S);
    assert_int_equal(host.disk.flushes, 1);
}

static void host_without_room_is_a_flash_that_fails(void **state)
{
    start();
    host.quiet = true;
    command(0, 0x40);
    data(0, 0);
    plugin_host_disk_complete(&host.disk, 0, -ENOSPC, true);
    assert_int_equal(get_vars(0), READY | PROGRAM);
    command(0, 0x50);
    command(0, 0x70);
    assert_int_equal(get_vars(0), READY);
    command(0, 0x20);
    command(0, 0xd0);
    plugin_host_disk_complete(&host.disk, 0, -EIO, true);
    assert_int_equal(get_vars(0), READY | ERASE);
    assert_int_equal(host.errors, 1); /* not for each */
}

static void firmware_cannot_be_changed(void **state)
{
    start();
    assert_int_equal(write_bank(0, 0, 4, 0x00400040), 0);
    assert_int_equal(write_bank(0, 0, 4, 0), 0);
    assert_int_equal(read_bank(0, 0), READY | PROGRAM | PROTECTED);
    assert_int_equal(write_bank(0, 0, 4, 0x00500050), 0);
    assert_int_equal(write_bank(0, 0, 4, 0x00200020), 0);
    assert_int_equal(write_bank(0, 0, 4, 0x00d000d0), 0);
    assert_int_equal(read_bank(0, 0), READY | ERASE | PROTECTED);
    assert_false(host.region[0].shown);
    assert_int_equal(write_bank(0, 0, 4, 0x00ff00ff), 0);
    assert_true(host.region[0].shown);
    assert_int_equal(read_bank(0, 0), 0x6d726966); /* "firm" */
    assert_int_equal(host.disk.submitted, 0);
}

static void wrong_sequences_are_told(void **state)
{
    static const struct {
        uint16_t writes[4]; /* 0 ends them */
        uint32_t status;
    } cases[] = {
        {{0x20, 0xff}, SEQUENCE},
        {{0x60, 0x77}, SEQUENCE},
        {{0x60, 0xd0}, 0},
        {{0x60, 0x01}, 0},
        {{0xe8, 1024}, SEQUENCE}, /* more words than the buffer has */
        {{0xe8, 1, 0x1111}, 0},   /* a word is missing: still waiting */
        {{0xb0}, 0},
        {{0x70}, 0},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        for (unsigned j = 0; cases[i].writes[j]; j++)
            command(0, cases[i].writes[j]);
        assert_int_equal(get_vars(0), READY | cases[i].status);
        assert_int_equal(host.disk.submitted, 0);
        if (i + 1 < sizeof(cases) / sizeof(cases[0]))
            teardown(state);
    }
}

static void buffer_that_leaves_its_place_is_refused(void **state)
{
    start();
    command(BUFFER - 4, 0xe8);
    command(BUFFER - 4, 2 - 1);
    data(BUFFER - 4, 0);
    data(BUFFER, 0);
    assert_int_equal(get_vars(0), READY | SEQUENCE);
    command(0, 0xff);
    assert_int_equal(get_vars(BUFFER - 4), 0xffffffff);
}

static void reset_reads_the_array(void **state)
{
    start();
    command(0, 0x98);
    assert_int_equal(write_bank(0, 0, 4, 0x00200020), 0);
    assert_int_equal(ringvisor_device.quiesce(host.device), 0);
    ringvisor_device.reset(host.device);
    ringvisor_device.resume(host.device);
    assert_true(host.region[0].shown);
    assert_true(host.region[1].shown);
    assert_int_equal(get_vars(0), 0xffffffff);
    data(0, 0); /* no cycle is left over */
    assert_int_equal(get_vars(0), 0xffffffff);
}

static void quiesce_waits_for_the_file(void **state)
{
    start();
    command(0, 0x40);
    data(0, 0);
    assert_int_equal(ringvisor_device.quiesce(host.device), -EINPROGRESS);
    assert_int_equal(host.quiesced, 0);
    done();
    assert_int_equal(host.quiesced, 1);
    ringvisor_device.resume(host.device);
    assert_int_equal(get_vars(0), READY);
}

/* It did not see the end of the write: the file may have it or not. */
static void next_vmm_stores_what_was_in_flight(void **state)
{
    start();
    command(0x100, 0x40);
    data(0x100, 0x11223344);
    plugin_host_stop(&host); /* the request is lost */
    assert_int_equal(in_file(0x100), 0xffffffff);
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_false(host.region[1].shown);
    assert_int_equal(get_vars(0), BUSY);
    done();
    assert_int_equal(get_vars(0), READY);
    assert_int_equal(in_file(0x100), 0x11223344);
    command(0, 0xff);
    assert_int_equal(get_vars(0x100), 0x11223344); /* not read from the file again */
}

/* It has nothing that takes time, so that nothing would ever end it. */
static void damaged_state_does_not_make_the_firmware_busy(void **state)
{
    struct cfi_chip *chip = (struct cfi_chip *)host.state; /* of bank 0 */

    start();
    plugin_host_stop(&host);
    chip->busy = 1;
    chip->change_offset = 0;
    chip->change_length = 4;
    assert_int_equal(plugin_host_start(&host, RV_CREATE_RESUME), 0);
    assert_int_equal(write_bank(0, 0, 4, 0x70), 0);
    assert_int_equal(read_bank(0, 0), READY);
}

static void without_a_file_changes_last_as_long_as_the_guest(void **state)
{
    init(NULL, template_file);
    assert_int_equal(plugin_host_start(&host, 0), 0);
    assert_memory_equal(host.region[1].bytes, "template", 8);
    command(0, 0x40);
    data(0, 0);
    assert_int_equal(get_vars(0), READY);
    command(0, 0xff);
    assert_int_equal(get_vars(0), 0);
}

static void missing_file_is_made_from_the_template(void **state)
{
    struct stat info;

    init(vars_file, template_file);
    make_disk(SECTORS);
    assert_int_equal(plugin_host_start(&host, 0), 0);
    assert_int_equal(stat(vars_file, &info), 0);
    assert_int_equal(info.st_size, BANK);
    assert_true(info.st_blocks * 512 < BLOCK); /* what is 0 takes no space */
    assert_memory_equal(host.region[1].bytes, "template", 8);
    assert_string_equal(host.disk.options.path, vars_file);
    assert_string_equal(host.disk.options.format, "raw");
}

static void bad_files_are_refused(void **state)
{
    char directory[sizeof(vars_file)], empty[sizeof(vars_file)], big[sizeof(vars_file)];
    const struct {
        const char *code, *vars, *template;
        uint64_t sectors;
        int open_error;
        const char *words; /* "": the disk says it */
    } cases[] = {
        {"/nonexistent", NULL, NULL, 0, 0, "firmware '/nonexistent': No such file"},
        {folder, NULL, NULL, 0, 0, "Is a directory"},
        {empty, NULL, NULL, 0, 0, "the file is empty"},
        {big, NULL, NULL, 0, 0, "bigger than the flash, which has 64 MiB"},
        {code_file, vars_file, NULL, SECTORS - 1, 0, "has 67108352 bytes, and the flash has 671"},
        {code_file, vars_file, NULL, SECTORS + 1, 0, "and the flash has 67108864"},
        {code_file, vars_file, NULL, SECTORS, -EWOULDBLOCK, ""},
        {code_file, vars_file, "/nonexistent", SECTORS, 0, "template '/nonexistent': No such"},
        {code_file, "/nonexistent/vars", NULL, SECTORS, 0, "cannot make variables"},
        {code_file, vars_file, big, SECTORS, 0, "bigger than the flash"},
    };

    snprintf(directory, sizeof(directory), "%s", folder);
    snprintf(empty, sizeof(empty), "%s/empty", folder);
    snprintf(big, sizeof(big), "%s/big", folder);
    fclose(fopen(empty, "w"));
    fclose(fopen(big, "w"));
    assert_int_equal(truncate(big, BANK + 1), 0);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unlink(vars_file);
        init(cases[i].vars, cases[i].template);
        plugin_host_set(&host, "code", cases[i].code);
        host.quiet = true;
        if (cases[i].sectors)
            make_disk(cases[i].sectors);
        host.disk.open_error = cases[i].open_error;
        assert_true(plugin_host_create(&host, 0) < 0);
        assert_int_equal(host.errors, cases[i].words[0] != '\0');
        assert_non_null(strstr(host.log, cases[i].words));
        plugin_host_stop(&host);
        plugin_host_free(&host);
    }
    unlink(empty);
    unlink(big);
    start();
}

/* Reads and writes of every width, with every command. */
static void accesses_of_every_kind_end(void **state)
{
    const struct rv_access access = {.size = sizeof(access), .region = 1};
    uint64_t value;

    start();
    for (unsigned what = 0; what < 256; what++) {
        for (unsigned width = 1; width <= 8; width *= 2) {
            int error = write_bank(1, BANK - 8, width, what | what << 16);

            assert_int_equal(error, width == 8 ? -EINVAL : 0);
            done();
            assert_int_equal(
                ringvisor_device.regions[1].read(host.device, BANK - width, width, &value, &access),
                0);
        }
    }
}

static void make_file(char *path, const char *name, const char *text)
{
    FILE *file;

    snprintf(path, sizeof(code_file), "%s/%s", folder, name);
    if (!text)
        return;
    file = fopen(path, "w");
    CHECK(file && fputs(text, file) > 0 && fclose(file) == 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_teardown(f, teardown)
    const struct CMUnitTest tests[] = {
        TEST(firmware_is_what_the_guest_reads),
        TEST(query_describes_the_bank),
        TEST(identification_tells_maker_and_locks),
        TEST(programming_clears_bits_only),
        TEST(erase_sets_a_block),
        TEST(buffer_is_programmed_at_once),
        TEST(words_of_a_buffer_are_posted_and_nothing_else),
        TEST(busy_chip_ignores_a_posted_command),
        TEST(reset_and_the_next_vmm_decide_what_is_posted),
        TEST(done_is_told_after_the_file_has_it),
        TEST(file_is_flushed_a_second_later),
        TEST(host_without_room_is_a_flash_that_fails),
        TEST(firmware_cannot_be_changed),
        TEST(wrong_sequences_are_told),
        TEST(buffer_that_leaves_its_place_is_refused),
        TEST(reset_reads_the_array),
        TEST(quiesce_waits_for_the_file),
        TEST(next_vmm_stores_what_was_in_flight),
        TEST(damaged_state_does_not_make_the_firmware_busy),
        TEST(without_a_file_changes_last_as_long_as_the_guest),
        TEST(missing_file_is_made_from_the_template),
        TEST(bad_files_are_refused),
        TEST(accesses_of_every_kind_end),
    };
    int failed;

    CHECK(mkdtemp(folder));
    make_file(code_file, "code", "firmware");
    make_file(vars_file, "vars", NULL);
    make_file(template_file, "template", "template");
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(code_file);
    unlink(template_file);
    rmdir(folder);
    return failed;
}
