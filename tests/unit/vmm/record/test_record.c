/* SPDX-License-Identifier: BSD-2-Clause */
/* Recordings and their replay: the same answers, changed answers, and files that are damaged. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/vmm/record/recorded_guest.h"
#include "vmm/record/record.h"
#include "vmm/record/record_file.h"
#include "vmm/trace/tap.h"

static char folder[] = "/tmp/test_record.XXXXXX";
static char path[64], changed[64];
static uint8_t file[1 << 20];
static size_t file_size;

static size_t slurp(const char *name, uint8_t *to, size_t room)
{
    FILE *in = fopen(name, "rb");
    size_t size;

    assert_non_null(in);
    size = fread(to, 1, room, in);
    fclose(in);
    assert_true(size < room);
    return size;
}

static void a_replay_gives_the_recorded_answers(void **state)
{
    struct replay_result result;
    int differs = replay_run(path, &result);

    assert_string_equal(result.differs, "");
    assert_int_equal(differs, 0);
    assert_int_equal(result.exits, recorded_guest_exits);
    assert_true(result.events > result.exits);
    assert_true(result.commands > result.exits);
    assert_string_equal(result.ending, "the guest has ended");
    assert_null(tap_first);
}

/* Copies the recording; `change` may change an item, and says whether it is in the copy. */
static void copy(bool (*change)(struct record_head *head, uint8_t *data))
{
    static uint8_t data[0x40000];
    struct record_reader *reader = record_reader_open(path);
    struct record_writer *writer = record_writer_open(changed);
    const struct record_item *item;
    struct record_head head;

    assert_non_null(reader);
    assert_non_null(writer);
    do {
        item = record_peek(reader);
        assert_non_null(item);
        head = item->head;
        memcpy(data, item->at, head.size);
        if (change(&head, data))
            record_put(writer, head, data);
        record_next(reader);
    } while (head.type != RECORD_END);
    assert_int_equal(record_writer_close(writer), 0);
    record_reader_close(reader);
}

/* What is changed: of the items of this type that have these bytes, number `nth`. */
static struct {
    enum record_type type;
    unsigned nth, at, size;
    bool remove;
    unsigned seen;
} wanted;

static bool change(struct record_head *head, uint8_t *data)
{
    if (head->type != wanted.type || wanted.at + wanted.size > head->size ||
        wanted.seen++ != wanted.nth)
        return true;
    if (wanted.remove)
        return false;
    for (unsigned i = 0; i < wanted.size; i++)
        data[wanted.at + i] ^= 1;
    return true;
}

static bool keep(struct record_head *head, uint8_t *data)
{
    return true;
}

static void a_copy_is_as_good(void **state)
{
    struct replay_result result;

    copy(keep);
    assert_int_equal(replay_run(changed, &result), 0);
}

#define AT(type, member) offsetof(type, member), sizeof(((type *)0)->member)

/* The recording has another answer than the vmm gives, or another question than it asks. */
static void a_changed_item_is_found_and_told(void **state)
{
    static const struct {
        const char *name;
        enum record_type type;
        unsigned nth;
        size_t at, size;
        const char *told; /* in words; NULL: it may be found damaged */
    } cases[] = {
        {"a reply's value", RECORD_COMMAND, 1, AT(struct rv_command, arg[0]), "REPLY"},
        {"a reply's flags", RECORD_COMMAND, 2, AT(struct rv_command, flags), "REPLY"},
        {"a command's pCPU tag", RECORD_COMMAND, 5, AT(struct rv_command, tag), "tag"},
        {"what is read from RAM", RECORD_LOAD, 0, AT(struct record_load, value), ""},
        {"where it is read", RECORD_LOAD, 0, AT(struct record_load, ipa), "guest RAM"},
        {"an access's address", RECORD_ACCESS, 0, AT(struct record_access, address), "read of"},
        {"a distributor's value", RECORD_ACCESS, 0, AT(struct record_access, value), "read of"},
        {"what a device gave", RECORD_ACCESS, 4, offsetof(struct record_access, value), 4, "REPLY"},
        {"a register in the vCPU's page", RECORD_COMMAND, 0, 64 + 8, 1, "page has"},
        {"a line's number", RECORD_LINE, 0, offsetof(struct record_line, intid), 1, "INJECT"},
        {"an exit", RECORD_EVENT, 2, AT(struct rv_event, ipa), ""},
        {"entropy", RECORD_ENTROPY, 0, sizeof(struct record_entropy), 4, ""},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replay_result result;

        memset(&wanted, 0, sizeof(wanted));
        wanted.type = cases[i].type;
        wanted.nth = cases[i].nth;
        wanted.at = (unsigned)cases[i].at;
        wanted.size = (unsigned)cases[i].size;
        copy(change);
        if (wanted.seen <= wanted.nth)
            fail_msg("%s: the recording has no such item", cases[i].name);
        if (replay_run(changed, &result) != 1 || result.differs[0] == '\0')
            fail_msg("%s: nothing is found", cases[i].name);
        if (!strstr(result.differs, cases[i].told))
            fail_msg("%s: told is '%s'", cases[i].name, result.differs);
        assert_string_not_equal(result.before, "");
        assert_null(tap_first);
    }
}

/* Of each type, one item less. */
static void a_missing_item_is_found(void **state)
{
    for (unsigned type = RECORD_START; type < RECORD_END; type++) {
        struct replay_result result;

        /* Whether a device wrote at all is not seen where the guest executes nothing. */
        if (type == RECORD_REQUEST || type == RECORD_NOTIFIED)
            continue;
        memset(&wanted, 0, sizeof(wanted));
        wanted.type = (enum record_type)type;
        wanted.remove = true;
        copy(change);
        if (wanted.seen == 0)
            fail_msg("type %u does not occur", type);
        if (replay_run(changed, &result) == 0)
            fail_msg("type %u: nothing is found", type);
    }
}

static void a_recording_without_its_end_is_cut(void **state)
{
    struct replay_result result;

    for (size_t size = 0; size < file_size; size += 1 + size / 64)
        assert_int_equal(replay_memory(file, size ? size : 1, "cut", &result), -EINVAL);
    assert_int_equal(replay_memory(file, file_size - 1, "cut", &result), -EINVAL);
}

static void a_changed_byte_is_damage_wherever_it_is(void **state)
{
    struct replay_result result;

    for (size_t at = 0; at < file_size; at += 1 + at / 64) {
        file[at] ^= 0xff;
        if (replay_memory(file, file_size, "changed", &result) != -EINVAL)
            fail_msg("byte %zu", at);
        file[at] ^= 0xff;
    }
    assert_int_equal(replay_memory(file, file_size, "as it was", &result), 0);
}

static void what_is_no_recording_is_refused(void **state)
{
    static const char text[] = "This is no recording, but long enough to be one.";
    struct replay_result result;

    assert_true(replay_run("/nonexistent/recording", &result) < 0);
    assert_true(replay_run(folder, &result) < 0);
    assert_true(replay_run("/dev/null", &result) < 0);
    assert_true(replay_memory(text, sizeof(text), "text", &result) < 0);
}

static void a_recording_that_cannot_be_written_is_refused(void **state)
{
    struct record *record;

    assert_true(record_start("/nonexistent/recording", &record) < 0);
    assert_null(tap_first);
}

/* Neither waits for the other end of a pipe. */
static void only_a_file_can_be_written(void **state)
{
    unlink(changed);
    assert_int_equal(mkfifo(changed, 0600), 0);
    assert_null(record_writer_open(changed));
    assert_null(record_writer_open("/dev/null"));
    assert_null(record_writer_open(folder));
    unlink(changed);
}

/* The kernel refuses to write more, as a full disk does. */
static void a_full_disk_is_told_at_the_end(void **state)
{
    static const uint8_t bytes[1000];
    const struct record_head head = {.type = RECORD_END, .size = sizeof(bytes)};
    struct record_writer *writer = record_writer_open(changed);
    struct rlimit before, small;
    int error;

    assert_non_null(writer);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){20, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    record_put(writer, head, bytes);
    error = record_writer_close(writer);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(error, -EFBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_gives_the_recorded_answers),
        cmocka_unit_test(a_copy_is_as_good),
        cmocka_unit_test(a_changed_item_is_found_and_told),
        cmocka_unit_test(a_missing_item_is_found),
        cmocka_unit_test(a_recording_without_its_end_is_cut),
        cmocka_unit_test(a_changed_byte_is_damage_wherever_it_is),
        cmocka_unit_test(what_is_no_recording_is_refused),
        cmocka_unit_test(a_recording_that_cannot_be_written_is_refused),
        cmocka_unit_test(only_a_file_can_be_written),
        cmocka_unit_test(a_full_disk_is_told_at_the_end),
    };
    int failed;

    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/recording", folder);
    snprintf(changed, sizeof(changed), "%s/changed", folder);
    recorded_guest(path);
    file_size = slurp(path, file, sizeof(file));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    unlink(changed);
    rmdir(folder);
    return failed;
}
