/* SPDX-License-Identifier: BSD-2-Clause */
/* A debugger's packets, and what they make of a target that this test plays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/gdb/gdb_session.h"

#define VCPUS 3u
#define BASE  0x40000000ull

static struct gdb_session session;
static struct gdb_registers registers;
static struct rv_vcpu_page pages[VCPUS];
static uint8_t memory[64];
static bool on[VCPUS];
static bool runs, physical_access;
static unsigned stops, resumes, detaches, resets, inserts, removes;
static struct gdb_action actions[GDB_VCPUS_MAX];
static struct gdb_point last_point;
static unsigned last_vcpu;
static int stop_result, resume_result, insert_result, reset_result;
static char sent[4 * GDB_PACKET_MAX];
static size_t sent_size;

static int target_stop(void *opaque)
{
    stops++;
    runs = runs && stop_result;
    return stop_result;
}

static int target_resume(void *opaque, const struct gdb_action *given, struct gdb_stop *stop)
{
    assert_false(runs);
    resumes++;
    memcpy(actions, given, sizeof(actions[0]) * VCPUS);
    *stop = (struct gdb_stop){.vcpu = 2, .signal = GDB_SIGNAL_TRAP};
    runs = resume_result == 0;
    return resume_result;
}

static void target_detach(void *opaque)
{
    detaches++;
    runs = true;
}

static bool target_is_on(void *opaque, unsigned vcpu)
{
    assert_true(vcpu < VCPUS);
    return on[vcpu];
}

static void target_describe(void *opaque, unsigned vcpu, char *text, size_t size)
{
    snprintf(text, size, "v%u", vcpu);
}

static struct rv_vcpu_page *target_page(void *opaque, unsigned vcpu)
{
    assert_true(vcpu < VCPUS);
    assert_false(runs);
    return &pages[vcpu];
}

/* Memory is at BASE. */
static size_t reach(uint64_t address, size_t size)
{
    if (address < BASE || address - BASE >= sizeof(memory))
        return 0;
    return size < sizeof(memory) - (address - BASE) ? size : sizeof(memory) - (address - BASE);
}

static size_t target_read(void *opaque, unsigned vcpu, bool physical, uint64_t address, void *data,
                          size_t size)
{
    size_t n = reach(address, size);

    physical_access = physical;
    last_vcpu = vcpu;
    if (n)
        memcpy(data, memory + (address - BASE), n);
    return n;
}

static size_t target_write(void *opaque, unsigned vcpu, bool physical, uint64_t address,
                           const void *data, size_t size)
{
    size_t n = reach(address, size);

    physical_access = physical;
    if (n)
        memcpy(memory + (address - BASE), data, n);
    return n;
}

static int target_insert(void *opaque, unsigned vcpu, enum gdb_point_kind kind, uint64_t address,
                         uint64_t size)
{
    inserts++;
    last_point = (struct gdb_point){.kind = kind, .address = address, .size = size};
    return insert_result;
}

static int target_remove(void *opaque, enum gdb_point_kind kind, uint64_t address, uint64_t size)
{
    removes++;
    last_point = (struct gdb_point){.kind = kind, .address = address, .size = size};
    return -ENOENT;
}

static int target_reset(void *opaque)
{
    resets++;
    return reset_result;
}

static const struct gdb_target_ops ops = {
    .stop = target_stop,
    .resume = target_resume,
    .detach = target_detach,
    .is_on = target_is_on,
    .describe = target_describe,
    .page = target_page,
    .read = target_read,
    .write = target_write,
    .insert = target_insert,
    .remove = target_remove,
    .reset = target_reset,
};

static void send_bytes(void *opaque, const char *bytes, size_t size)
{
    assert_true(sent_size + size < sizeof(sent));
    memcpy(sent + sent_size, bytes, size);
    sent_size += size;
    sent[sent_size] = 0;
}

static void input(const char *bytes, size_t size)
{
    while (size) {
        size_t taken = gdb_session_input(&session, (const uint8_t *)bytes, size);

        assert_true(taken >= 1 && taken <= size);
        bytes += taken;
        size -= taken;
    }
}

/* The data of the packet that answers `data`, or NULL; it is acknowledged. */
static const char *ask_bytes(const char *data, size_t size)
{
    static char reply[GDB_FRAME_SIZE(GDB_PACKET_MAX)];
    static struct gdb_reader reader;
    char frame[GDB_FRAME_SIZE(GDB_PACKET_MAX)];
    size_t at = 0;

    sent_size = 0;
    input(frame, gdb_packet_frame(data, size, frame));
    if (!session.no_ack || strcmp(data, "QStartNoAckMode") == 0) {
        assert_int_equal(sent[0], '+');
        at = 1;
    }
    if (at == sent_size)
        return NULL;
    memset(&reader, 0, sizeof(reader));
    while (at + 1 < sent_size)
        assert_int_equal(gdb_packet_feed(&reader, (uint8_t)sent[at++]), GDB_INPUT_NOTHING);
    assert_int_equal(gdb_packet_feed(&reader, (uint8_t)sent[at]), GDB_INPUT_PACKET);
    memcpy(reply, reader.data, reader.size + 1);
    return reply;
}

static const char *ask(const char *data)
{
    return ask_bytes(data, strlen(data));
}

#define assert_answer(question, answer) assert_string_equal(ask(question), answer)

static int setup(void **state)
{
    memset(pages, 0, sizeof(pages));
    memset(memory, 0, sizeof(memory));
    stops = resumes = detaches = resets = inserts = removes = 0;
    stop_result = resume_result = insert_result = reset_result = 0;
    on[0] = on[2] = true;
    on[1] = false;
    runs = true;
    for (unsigned i = 0; i < VCPUS; i++) {
        pages[i].pstate = 5; /* EL1h */
        pages[i].pc = 0x1000 * (i + 1);
    }
    gdb_session_init(&session, &ops, NULL, &registers, VCPUS, send_bytes, NULL);
    return 0;
}

static void the_target_stops_at_the_first_packet_and_not_before(void **state)
{
    input("+\3garbage-$?#00", 15);
    assert_int_equal(stops, 0);
    assert_answer("?", "T05thread:1;");
    assert_int_equal(stops, 1);
    assert_false(runs);
    assert_answer("?", "T05thread:1;");
    assert_int_equal(stops, 1);
}

static void a_session_whose_target_is_lost_ends(void **state)
{
    stop_result = -EIO;
    sent_size = 0;
    input("$?#3f", 5);
    assert_string_equal(sent, "+");
    assert_true(session.over);
    gdb_session_end(&session);
    assert_int_equal(detaches, 0);
}

static void a_packet_may_come_in_any_pieces(void **state)
{
    sent_size = 0;
    for (const char *p = "$?#3f$qC#b4"; *p; p++)
        input(p, 1);
    assert_string_equal(sent, "+$T05thread:1;#d7+$QC1#c5");
}

static void one_call_deals_with_one_packet(void **state)
{
    sent_size = 0;
    assert_int_equal(gdb_session_input(&session, (const uint8_t *)"$?#3f$?#3f", 10), 5);
}

static void damage_is_sent_again_and_so_is_what_the_debugger_missed(void **state)
{
    assert_answer("?", "T05thread:1;");
    sent_size = 0;
    input("-", 1);
    assert_string_equal(sent, "$T05thread:1;#d7");
    sent_size = 0;
    input("$c#00", 5);
    assert_string_equal(sent, "-");
    assert_int_equal(resumes, 0);
}

static void without_acknowledgements_damage_is_an_error_and_nothing_is_sent_twice(void **state)
{
    assert_answer("QStartNoAckMode", "OK");
    assert_answer("?", "T05thread:1;");
    sent_size = 0;
    input("-+", 2);
    assert_int_equal(sent_size, 0);
    input("$c#00", 5);
    assert_string_equal(sent, "$E4a#da");
    assert_int_equal(resumes, 0);
}

static void a_packet_beyond_the_limit_is_an_error(void **state)
{
    char *data = malloc(GDB_PACKET_MAX + 1);
    char *frame = malloc(GDB_FRAME_SIZE(GDB_PACKET_MAX + 1));

    memset(data, 'm', GDB_PACKET_MAX + 1);
    sent_size = 0;
    input(frame, gdb_packet_frame(data, GDB_PACKET_MAX + 1, frame));
    assert_string_equal(sent, "+$E5a#db");
    assert_answer("?", "T05thread:1;");
    free(data);
    free(frame);
}

static void what_is_unknown_is_answered_with_nothing(void **state)
{
    static const char *const questions[] = {"",
                                            "!",
                                            "vMustReplyEmpty",
                                            "vFile:open:",
                                            "qOffsets",
                                            "qCRC:0",
                                            "QNonStop:1",
                                            "_",
                                            "qTStatus",
                                            "b",
                                            "vAttach;1",
                                            "R00",
                                            "QThreadEvents:1"};

    for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
        assert_answer(questions[i], "");
    assert_false(session.over);
}

static void garbage_in_a_known_command_is_an_error(void **state)
{
    static const char *const commands[] = {"m",
                                           "mx,1",
                                           "m0",
                                           "m0,",
                                           "M40000000,1",
                                           "M40000000,2:11",
                                           "M40000000,1:zz",
                                           "X40000000,2:1",
                                           "p",
                                           "pffff",
                                           "pffffffffffffffffff",
                                           "P0",
                                           "P0=12",
                                           "P20=zz",
                                           "Gff",
                                           "Hx1",
                                           "Hg4",
                                           "Hgz",
                                           "T4",
                                           "T2",
                                           "Tx",
                                           "Z9,0,4",
                                           "Z0",
                                           "Z0,x,4",
                                           "z0,1",
                                           "vCont;x",
                                           "vCont;s:9",
                                           "vCont;c:2",
                                           "vCont",
                                           "vCont;c;",
                                           "vContx",
                                           "cx",
                                           "C",
                                           "sx",
                                           "vCont;r1",
                                           "vCont;C",
                                           "qXfer:features:read:x.xml:0,1",
                                           "qXfer:features:read:target.xml:",
                                           "qRcmd,1"};

    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        const char *reply = ask(commands[i]);

        assert_non_null(reply);
        if (strcmp(commands[i], "qRcmd,1") != 0)
            assert_int_equal(reply[0], 'E');
    }
    assert_int_equal(resumes, 0);
    assert_int_equal(inserts, 0);
}

static void registers_are_those_of_the_thread(void **state)
{
    const char *g;

    pages[2].x[1] = 0x1122334455667788;
    assert_answer("Hg3", "OK");
    g = ask("g");
    assert_int_equal(strlen(g), 2 * (33 * 8 + 4));
    assert_memory_equal(g + 16, "8877665544332211", 16);
    assert_answer("p20", "0030000000000000");
    assert_answer("P20=0040000000000000", "OK");
    assert_int_equal(pages[2].pc, 0x4000);
    assert_answer("P21=09000000", "E16"); /* EL2h */
    assert_int_equal(pages[2].pstate, 5);
    assert_answer("Hg0", "OK"); /* any thread: the same */
    assert_answer("p20", "0040000000000000");
}

static void all_registers_are_written_or_none(void **state)
{
    char packet[1 + 2 * (33 * 8 + 4) + 1] = "G";

    for (unsigned i = 0; i < 33 * 8 + 4; i++)
        snprintf(packet + 1 + 2 * i, 3, "%02x", i == 33 * 8 ? 5 : i / 8 + 1);
    snprintf(packet + 1 + 2 * (33 * 8), 9, "05000000");
    assert_answer(packet, "OK");
    assert_int_equal(pages[0].x[0], 0x0101010101010101);
    assert_int_equal(pages[0].el1.sp_el1, 0x2020202020202020);
    packet[1] = '7';
    packet[1 + 2 * (33 * 8) + 1] = 'd'; /* EL3 */
    assert_answer(packet, "E16");
    assert_int_equal(pages[0].x[0], 0x0101010101010101);
}

static void memory_is_read_and_written(void **state)
{
    assert_answer("M40000000,3:aabbcc", "OK");
    assert_answer("m40000000,4", "aabbcc00");
    assert_string_equal(ask_bytes("X40000001,3:\x7d#$", 15), "OK");
    assert_answer("m40000000,4", "aa7d2324");
    assert_answer("X40000000,0:", "OK");
    assert_answer("m4000003e,ffff", "0000"); /* to the end */
    assert_answer("m40000040,1", "E0e");
    assert_answer("M4000003f,2:1122", "E0e");
    assert_false(physical_access);
}

static void a_read_of_any_size_fits_into_a_packet(void **state)
{
    assert_int_equal(strlen(ask("m40000000,ffffffffffffffff")), 2 * sizeof(memory));
}

static const char *monitor(const char *command)
{
    static char text[512];
    char packet[256] = "qRcmd,";
    const char *reply;
    size_t n;

    for (n = 0; command[n]; n++)
        snprintf(packet + 6 + 2 * n, 3, "%02x", (unsigned char)command[n]);
    reply = ask(packet);
    for (n = 0; reply[2 * n]; n++)
        text[n] = (char)strtoul((char[]){reply[2 * n], reply[2 * n + 1], 0}, NULL, 16);
    text[n] = 0;
    return text;
}

static void monitor_commands(void **state)
{
    assert_non_null(strstr(monitor("help"), "physical on|off"));
    assert_non_null(strstr(monitor("nonsense"), "physical on|off"));
    monitor("physical on");
    ask("m40000000,1");
    assert_true(physical_access);
    monitor("physical off");
    ask("m40000000,1");
    assert_false(physical_access);
    assert_non_null(strstr(monitor("reset"), "is reset"));
    assert_int_equal(resets, 1);
    reset_result = -EPERM;
    assert_non_null(strstr(monitor("reset"), "--no-reboot"));
}

static void threads_are_the_vcpus_that_are_on(void **state)
{
    assert_answer("qfThreadInfo", "m1,3");
    assert_answer("qsThreadInfo", "l");
    assert_answer("T1", "OK");
    assert_answer("T2", "E03");
    assert_answer("qThreadExtraInfo,3", "7632");
    on[0] = on[2] = false;
    assert_answer("qfThreadInfo", "m1"); /* there is always one */
    assert_answer("T1", "OK");
}

static void the_description_comes_in_pieces(void **state)
{
    char text[GDB_PACKET_MAX] = "";
    char question[64];
    size_t at = 0;

    for (;;) {
        const char *reply;

        snprintf(question, sizeof(question), "qXfer:features:read:target.xml:%zx,3ff", at);
        reply = ask(question);
        assert_true(reply[0] == 'm' || reply[0] == 'l');
        strcpy(text + at, reply + 1);
        at += strlen(reply + 1);
        if (reply[0] == 'l')
            break;
    }
    assert_string_equal(text, registers.description);
    assert_answer("qXfer:features:read:target.xml:ffffffffffffffff,10", "l");
}

static void a_stop_is_told_when_the_target_runs_and_only_then(void **state)
{
    struct gdb_point watch = {.kind = GDB_POINT_READ, .address = 0x1234};
    struct gdb_stop stop = {.vcpu = 2, .signal = GDB_SIGNAL_TRAP, .point = &watch};

    assert_answer("?", "T05thread:1;");
    assert_null(ask("vCont;c"));
    assert_int_equal(resumes, 1);
    runs = false;
    sent_size = 0;
    gdb_session_stopped(&session, &stop);
    assert_string_equal(sent, "$T05thread:3;rwatch:1234;#a1");
    sent_size = 0;
    gdb_session_stopped(&session, &stop);
    assert_int_equal(sent_size, 0);
    assert_answer("p20", "0030000000000000"); /* of the thread that stopped */
}

static void a_breakpoint_is_told_as_such_to_who_understands_it(void **state)
{
    struct gdb_point point = {.kind = GDB_POINT_SOFTWARE};
    struct gdb_stop stop = {.vcpu = 0, .signal = GDB_SIGNAL_TRAP, .point = &point};

    assert_null(ask("c"));
    runs = false;
    sent_size = 0;
    gdb_session_stopped(&session, &stop);
    assert_string_equal(sent, "$T05thread:1;#d7");
    assert_non_null(strstr(ask("qSupported:multiprocess+;swbreak+;hwbreak+"), "PacketSize=8000"));
    assert_null(ask("c"));
    runs = false;
    sent_size = 0;
    gdb_session_stopped(&session, &stop);
    assert_non_null(strstr(sent, "swbreak:;"));
    point.kind = GDB_POINT_HARDWARE;
    assert_null(ask("c"));
    runs = false;
    sent_size = 0;
    gdb_session_stopped(&session, &stop);
    assert_non_null(strstr(sent, "hwbreak:;"));
}

static void ctrl_c_stops_a_target_that_runs(void **state)
{
    assert_null(ask("vCont;c:3"));
    assert_int_equal(actions[0].move, GDB_MOVE_NONE);
    assert_int_equal(actions[2].move, GDB_MOVE_RUN);
    sent_size = 0;
    input("\3\3", 2);
    assert_string_equal(sent, "$T02thread:1;#d4");
    assert_int_equal(stops, 2);
    assert_false(runs);
}

static void while_the_target_runs_other_packets_are_refused(void **state)
{
    assert_null(ask("c"));
    assert_answer("g", "E10");
    assert_answer("m40000000,1", "E10");
    assert_answer("vCont;c", "E10");
    assert_int_equal(resumes, 1);
    assert_true(runs);
}

static void the_leftmost_action_of_a_thread_is_its_own(void **state)
{
    assert_null(ask("vCont;s:3;c"));
    assert_int_equal(actions[0].move, GDB_MOVE_RUN);
    assert_int_equal(actions[2].move, GDB_MOVE_STEP);
    assert_int_equal(actions[2].start, actions[2].end);
    setup(NULL);
    assert_null(ask("vCont;r1000,1010:1;S05:3"));
    assert_int_equal(actions[0].move, GDB_MOVE_STEP);
    assert_int_equal(actions[0].start, 0x1000);
    assert_int_equal(actions[0].end, 0x1010);
    assert_int_equal(actions[2].move, GDB_MOVE_STEP);
    setup(NULL);
    assert_null(ask("vCont;C05:-1"));
    assert_int_equal(actions[0].move, GDB_MOVE_RUN);
    assert_int_equal(actions[1].move, GDB_MOVE_RUN);
}

static void a_step_that_is_done_at_once_is_told_at_once(void **state)
{
    resume_result = 1;
    assert_answer("vCont;s:3", "T05thread:3;");
    assert_answer("p20", "0030000000000000");
    resume_result = -EIO;
    assert_answer("vCont;s:3", "E05");
}

static void step_and_continue_as_old_debuggers_say_it(void **state)
{
    assert_answer("Hc3", "OK");
    assert_null(ask("s5000"));
    assert_int_equal(pages[2].pc, 0x5000);
    assert_int_equal(actions[2].move, GDB_MOVE_STEP);
    assert_int_equal(actions[0].move, GDB_MOVE_RUN);
    setup(NULL);
    assert_null(ask("C05;6000"));
    assert_int_equal(pages[0].pc, 0x6000);
    assert_int_equal(actions[0].move, GDB_MOVE_RUN);
}

static void points_are_passed_on_with_all_they_have(void **state)
{
    assert_answer("Z2,1234,8;X1,22", "OK");
    assert_int_equal(last_point.kind, GDB_POINT_WRITE);
    assert_int_equal(last_point.address, 0x1234);
    assert_int_equal(last_point.size, 8);
    insert_result = -ENOSPC;
    assert_answer("Z1,1234,4", "E1c");
    assert_answer("z0,1234,4", "OK");
    assert_int_equal(removes, 1);
}

static void detach_and_kill_end_the_session_and_the_guest_goes_on(void **state)
{
    static const struct {
        const char *command, *reply;
    } cases[] = {{"D", "OK"}, {"vKill;1", "OK"}, {"k", NULL}, {"D;1", "OK"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *reply;

        setup(NULL);
        ask("?");
        if (i % 2)
            ask("c");
        reply = ask(cases[i].command);
        if (cases[i].reply)
            assert_string_equal(reply, cases[i].reply);
        else
            assert_null(reply);
        assert_true(session.over);
        assert_int_equal(detaches, 1);
        assert_true(runs);
        sent_size = 0;
        input("$?#3f", 5);
        assert_int_equal(sent_size, 0);
    }
}

static void a_lost_connection_is_a_detach_once(void **state)
{
    gdb_session_end(&session);
    assert_int_equal(detaches, 0); /* it had not attached */
    setup(NULL);
    ask("?");
    gdb_session_end(&session);
    gdb_session_end(&session);
    assert_int_equal(detaches, 1);
}

static void a_guest_that_is_gone_has_exited(void **state)
{
    ask("c");
    sent_size = 0;
    gdb_session_exited(&session);
    assert_string_equal(sent, "$W00#b7");
    assert_true(session.over);
    gdb_session_end(&session);
    assert_int_equal(detaches, 0);
}

static int group_setup(void **state)
{
    return gdb_registers_init(&registers, 32, true);
}

static int group_teardown(void **state)
{
    gdb_registers_free(&registers);
    return 0;
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_target_stops_at_the_first_packet_and_not_before),
        CASE(a_session_whose_target_is_lost_ends),
        CASE(a_packet_may_come_in_any_pieces),
        CASE(one_call_deals_with_one_packet),
        CASE(damage_is_sent_again_and_so_is_what_the_debugger_missed),
        CASE(without_acknowledgements_damage_is_an_error_and_nothing_is_sent_twice),
        CASE(a_packet_beyond_the_limit_is_an_error),
        CASE(what_is_unknown_is_answered_with_nothing),
        CASE(garbage_in_a_known_command_is_an_error),
        CASE(registers_are_those_of_the_thread),
        CASE(all_registers_are_written_or_none),
        CASE(memory_is_read_and_written),
        CASE(a_read_of_any_size_fits_into_a_packet),
        CASE(monitor_commands),
        CASE(threads_are_the_vcpus_that_are_on),
        CASE(the_description_comes_in_pieces),
        CASE(a_stop_is_told_when_the_target_runs_and_only_then),
        CASE(a_breakpoint_is_told_as_such_to_who_understands_it),
        CASE(ctrl_c_stops_a_target_that_runs),
        CASE(while_the_target_runs_other_packets_are_refused),
        CASE(the_leftmost_action_of_a_thread_is_its_own),
        CASE(a_step_that_is_done_at_once_is_told_at_once),
        CASE(step_and_continue_as_old_debuggers_say_it),
        CASE(points_are_passed_on_with_all_they_have),
        CASE(detach_and_kill_end_the_session_and_the_guest_goes_on),
        CASE(a_lost_connection_is_a_detach_once),
        CASE(a_guest_that_is_gone_has_exited),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
