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
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/vmm/record/recorded_guest.h"
#include "vmm/record/record.h"
#include "vmm/record/record_file.h"
#include "vmm/trace/tap.h"

static char folder[] = "/tmp/test_record.XXXXXX";
static char path[64], middle[64], changed[64];
static unsigned path_exits, middle_exits;
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

static void replays(const char *name, unsigned exits, const char *ending)
{
    struct replay_result result;
    int differs = replay_run(name, &result);

    assert_string_equal(result.differs, "");
    assert_int_equal(differs, 0);
    assert_int_equal(result.exits, exits);
    assert_true(exits > 0 && result.events > exits && result.commands > exits);
    assert_string_equal(result.ending, ending);
    assert_null(tap_first);
}

static void a_replay_gives_the_recorded_answers(void **state)
{
    replays(path, path_exits, "the guest has ended");
}

static void a_guest_that_ran_is_replayed_from_there(void **state)
{
    replays(middle, middle_exits, "enough");
}

/* Copies a recording; `change` may change an item, and says whether it is in the copy. */
static void copy(const char *from, bool (*change)(struct record_head *head, uint8_t *data))
{
    static uint8_t data[0x40000];
    struct record_reader *reader = record_reader_open(from);
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

/* Bytes of the nth item of the type are others in the copy. */
static void copy_changed(const char *from, enum record_type type, unsigned nth, size_t at,
                         size_t size)
{
    memset(&wanted, 0, sizeof(wanted));
    wanted.type = type;
    wanted.nth = nth;
    wanted.at = (unsigned)at;
    wanted.size = (unsigned)size;
    copy(from, change);
}

static bool keep(struct record_head *head, uint8_t *data)
{
    return true;
}

static void a_copy_is_as_good(void **state)
{
    struct replay_result result;

    copy(path, keep);
    assert_int_equal(replay_run(changed, &result), 0);
    copy(middle, keep);
    assert_int_equal(replay_run(changed, &result), 0);
}

/* Some items only come at the start of a guest that ran. */
static const char *that_has(enum record_type type)
{
    return type == RECORD_VCPU || type == RECORD_STATE ? middle : path;
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
        const char *told; /* in words */
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
        {"a vCPU that was on", RECORD_VCPU, 1, offsetof(struct record_vcpu, is_on), 1, ""},
        {"GICD_CTLR", RECORD_STATE, 1, sizeof(struct record_state) + 12, 1, ""},
        {"PSCI's state of a vCPU", RECORD_STATE, 2, sizeof(struct record_state) + 32 + 24, 1, ""},
        {"code that was written", RECORD_STATE, 3, sizeof(struct record_state) + 16, 8, ""},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replay_result result;

        copy_changed(that_has(cases[i].type), cases[i].type, cases[i].nth, cases[i].at,
                     cases[i].size);
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
        copy(that_has(wanted.type), change);
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

/* The parts of the start must be all there, in order, and fit together. */
static void a_damaged_start_of_a_guest_that_ran_is_refused(void **state)
{
    static const struct {
        enum record_type type;
        unsigned nth;
        size_t at, size;
    } cases[] = {
        {RECORD_START, 0, AT(struct record_start, nr_vcpus)},
        {RECORD_VCPU, 0, offsetof(struct record_vcpu, pcpu) + 1, 1},
        {RECORD_STATE, 0, 0, 1}, /* the name */
        {RECORD_STATE, 0, AT(struct record_state, version)},
        {RECORD_STATE, 1, offsetof(struct record_state, size), 1},
        {RECORD_STATE, 1, offsetof(struct record_state, size) + 7, 1},
        {RECORD_STATE, 1, offsetof(struct record_state, offset), 1},
        {RECORD_STATE, 1, sizeof(struct record_state), 4}, /* the vgic's magic */
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replay_result result;

        copy_changed(middle, cases[i].type, cases[i].nth, cases[i].at, cases[i].size);
        if (replay_run(changed, &result) >= 0)
            fail_msg("case %u: it is not refused", i);
        assert_null(tap_first);
    }
}

/* Nobody reads what is sent: nothing waits, and it is known. */
static void a_client_that_does_not_read_is_noticed(void **state)
{
    static const uint8_t bytes[RECORD_PIECE_MAX];
    const struct record_head head = {.type = RECORD_STATE, .size = sizeof(bytes)};
    static uint8_t noise[sizeof(bytes)];
    struct record_writer *writer;
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    writer = record_writer_to_client(ends[0], "head");
    assert_non_null(writer);
    assert_false(record_writer_lags(writer));
    for (unsigned i = 0; i < 1000 && !record_writer_lags(writer); i++) {
        for (size_t at = 0; at < sizeof(noise); at++)
            noise[at] = (uint8_t)rand();
        record_put(writer, head, noise);
    }
    assert_true(record_writer_lags(writer));
    for (unsigned i = 0; i < 1000; i++) /* far more than there is room for */
        record_put(writer, head, bytes);
    record_writer_end(writer);
    assert_false(record_writer_has_ended(writer));
    record_writer_hurry(writer);
    assert_int_equal(record_writer_close(writer), -EAGAIN);
    close(ends[1]);
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
        cmocka_unit_test(a_guest_that_ran_is_replayed_from_there),
        cmocka_unit_test(a_copy_is_as_good),
        cmocka_unit_test(a_changed_item_is_found_and_told),
        cmocka_unit_test(a_missing_item_is_found),
        cmocka_unit_test(a_recording_without_its_end_is_cut),
        cmocka_unit_test(a_changed_byte_is_damage_wherever_it_is),
        cmocka_unit_test(a_damaged_start_of_a_guest_that_ran_is_refused),
        cmocka_unit_test(a_client_that_does_not_read_is_noticed),
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
    snprintf(middle, sizeof(middle), "%s/middle", folder);
    recorded_guest(path);
    path_exits = recorded_guest_exits;
    recorded_guest_that_ran(middle);
    middle_exits = recorded_guest_exits;
    file_size = slurp(path, file, sizeof(file));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    unlink(middle);
    unlink(changed);
    rmdir(folder);
    return failed;
}
