/* SPDX-License-Identifier: BSD-2-Clause */
/* Traces: what gets into the ring, what is dropped, and what the sinks make of it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"
#include "vmm/exit/decode.h"
#include "vmm/exit/exit.h"
#include "vmm/trace/tap.h"
#include "vmm/trace/trace.h"

/* An 8-byte write of x0, and a 4-byte read into w5, to the UART. */
#define ESR_WRITE 0x93c08047u
#define ESR_READ  0x93850007u
#define ESR_HVC   0x5a000000u

bool log_first(unsigned kind, uint64_t key)
{
    return false;
}

static struct rv_vcpu_page page;
static struct pcpu pcpu = {.index = 3};
static struct vcpu vcpu = {.pcpu = &pcpu, .index = 1, .page = &page};

/* A guest's read of UARTFR at `pc`. */
/* Of a trace that begins. */
static struct trace_origin *none(void)
{
    static struct trace_origin origin;

    origin = (struct trace_origin){.fd = -1};
    return &origin;
}

static void one_exit(uint64_t pc)
{
    const struct rv_event event = {
        .type = RV_EVENT_SYNC, .esr = ESR_READ, .ipa = 0x9000018, .pc = pc};
    const struct exit_reply reply = {.flags = RV_REPLY_REG, .reg = 5, .value = 0x90};

    tap_exit_begin(&vcpu, &event);
    tap_access_begin("pl011@9000000", 0x9000018, 4, false, 0);
    tap_access_end("pl011@9000000", 0x9000018, 4, false, 0x90, 0);
    tap_exit_end(&vcpu, &event, &reply);
}

/* A sink that keeps what it gets, and can be made to wait. */
static struct {
    struct trace_record records[64];
    unsigned count;
    uint64_t lost;
    bool ended;
    bool held; /* atomic */
} kept;

static void keep(void *opaque, const struct trace_record *records, unsigned count, uint64_t lost)
{
    while (__atomic_load_n(&kept.held, __ATOMIC_ACQUIRE))
        usleep(100);
    kept.lost += lost;
    for (unsigned i = 0; i < count; i++)
        kept.records[kept.count++ % 64] = records[i];
}

static void keep_end(void *opaque)
{
    kept.ended = true;
}

static const struct trace_sink_ops keeper = {.records = keep, .end = keep_end};

static struct trace *start(const struct trace_filter *filter)
{
    struct trace *trace;

    memset(&kept, 0, sizeof(kept));
    assert_int_equal(trace_start(filter, &keeper, NULL, &trace), 0);
    return trace;
}

static void a_trace_has_an_exit_with_its_answer_and_time(void **state)
{
    const struct trace_filter exits = {.kinds = 1u << TRACE_EXIT};
    struct trace *trace = start(&exits);

    page.x[0] = 0x1234;
    one_exit(0x4000);
    trace_stop(trace);
    assert_true(kept.ended);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.records[0].kind, TRACE_EXIT);
    assert_int_equal(kept.records[0].vcpu, 1);
    assert_int_equal(kept.records[0].pcpu, 3);
    assert_int_equal(kept.records[0].event.pc, 0x4000);
    assert_int_equal(kept.records[0].reply_value, 0x90);
    assert_int_equal(kept.records[0].x0, 0x1234);
    assert_string_equal(kept.records[0].name, "pl011@9000000");
    assert_true(kept.records[0].ns >= kept.records[0].begun);
    assert_true(kept.records[0].begun > 0);
}

static void nothing_is_tapped_after_the_stop(void **state)
{
    const struct trace_filter all = {0};
    struct trace *trace = start(&all);

    one_exit(0);
    trace_stop(trace);
    assert_int_equal(kept.count, 2); /* the access and the exit */
    one_exit(0);
    assert_null(tap_first);
    assert_int_equal(kept.count, 2);
}

static void two_traces_have_what_their_filters_let_through(void **state)
{
    const struct trace_filter all = {0};
    struct trace_filter none = {0};
    struct trace *first = start(&all), *second;

    assert_int_equal(trace_filter_set(&none, "kind", "hvc"), 0);
    assert_int_equal(trace_start(&none, &keeper, NULL, &second), 0);
    one_exit(0);
    trace_stop(first);
    trace_stop(second);
    assert_int_equal(kept.count, 2);
}

/* More than the ring has: the loop does not wait, and what is missing is counted. */
static void a_slow_sink_loses_records_and_is_told_how_many(void **state)
{
    const struct trace_filter exits = {.kinds = 1u << TRACE_EXIT};
    struct trace *trace = start(&exits);
    uint64_t lost;

    kept.held = true;
    for (unsigned i = 0; i < 100000; i++)
        one_exit(i);
    lost = trace_lost(trace);
    __atomic_store_n(&kept.held, false, __ATOMIC_RELEASE);
    trace_stop(trace);
    assert_true(lost > 0);
    assert_int_equal(kept.lost, lost);
    assert_int_equal(kept.count, 100000 - lost);
    assert_non_null(strstr(log_fake.last, "lacks"));
}

static void a_trace_that_starts_in_the_middle_of_an_exit_leaves_it_out(void **state)
{
    const struct trace_filter all = {0};
    const struct rv_event event = {.type = RV_EVENT_SYNC, .esr = ESR_READ};
    const struct exit_reply reply = {0};
    struct trace *trace = start(&all);

    tap_access_end("pl011", 0, 4, false, 0, 0);
    tap_exit_end(&vcpu, &event, &reply);
    tap_sleep_end();
    trace_stop(trace);
    assert_int_equal(kept.count, 0);
}

/*
 * Filters
 */

static struct trace_record record(enum trace_kind kind, uint32_t esr, uint64_t ipa)
{
    return (struct trace_record){.kind = (uint8_t)kind,
                                 .vcpu = 1,
                                 .name = "pl011@9000000",
                                 .event = {.type = RV_EVENT_SYNC, .esr = esr, .ipa = ipa}};
}

static void a_filter_lets_through_what_all_of_its_elements_do(void **state)
{
    static const struct {
        const char *key, *value;
        bool read, hvc, posted; /* let through */
    } cases[] = {
        {"vcpu", "1", true, true, true},
        {"vcpu", "0+2", false, false, false},
        {"vcpu", "0+1", true, true, true},
        {"kind", "exit", true, true, false},
        {"kind", "posted", false, false, true},
        {"kind", "hvc", false, true, false},
        {"kind", "data-abort+posted", true, false, true},
        {"kind", "hvc+exit", true, true, false},
        {"device", "pl011", true, true, true},
        {"device", "pl011@9000000", true, true, true},
        {"device", "pl01", false, false, false},
        {"address", "9000018", true, false, false},
        {"address", "0x9000000-0x9000fff", true, false, true},
        {"address", "9000019-9001000", false, false, false},
    };
    const struct trace_record read = record(TRACE_EXIT, ESR_READ, 0x9000018);
    const struct trace_record hvc = record(TRACE_EXIT, ESR_HVC, 0x9000018);
    const struct trace_record posted = record(TRACE_POSTED, ESR_WRITE, 0x9000000);

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trace_filter filter = {0};

        assert_int_equal(trace_filter_set(&filter, cases[i].key, cases[i].value), 0);
        if (trace_filter_match(&filter, &read) != cases[i].read ||
            trace_filter_match(&filter, &hvc) != cases[i].hvc ||
            trace_filter_match(&filter, &posted) != cases[i].posted)
            fail_msg("%s=%s", cases[i].key, cases[i].value);
    }
}

static void a_filter_refuses_what_it_does_not_know(void **state)
{
    static const char *const bad[][2] = {
        {"vcpu", ""},      {"vcpu", "x"},     {"vcpu", "64"},           {"vcpu", "-1"},
        {"kind", ""},      {"kind", "exits"}, {"device", ""},           {"address", ""},
        {"address", "g"},  {"address", "1-"}, {"address", "2-1"},       {"address", "1-2-3"},
        {"address", "1 "}, {"colour", "red"}, {"kind", "exit+nothing"}, {"", ""},
        {"address", "-1"}, {"vcpu", "1+"},
    };
    struct trace_filter filter = {0};
    unsigned refused = 0;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]) - 1; i++) {
        if (trace_filter_set(&filter, bad[i][0], bad[i][1]) == -EINVAL)
            refused++;
        else
            print_error("%s=%s was taken\n", bad[i][0], bad[i][1]);
    }
    assert_int_equal(refused, sizeof(bad) / sizeof(bad[0]) - 1);
    assert_int_equal(log_fake.count[LOG_ERROR] >= refused, true);
}

/*
 * Text and Perfetto
 */

static char folder[] = "/tmp/test_trace.XXXXXX";
static char path[64];

static char *contents(void)
{
    static char text[16 << 20];
    FILE *file = fopen(path, "r");
    size_t n;

    assert_non_null(file);
    n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    return text;
}

static void text_tells_the_exit_and_what_answered_it(void **state)
{
    struct trace *trace;
    const char *text;

    assert_int_equal(trace_text_start(path, none(), &trace), 0);
    one_exit(0xffff800080012345);
    trace_stop(trace);
    text = contents();
    assert_non_null(strstr(text, "vCPU 1"));
    assert_non_null(strstr(text, "data abort, 4-byte read into w5, UART (PL011) + 0x18, UARTFR"));
    assert_non_null(strstr(text, "pc 0xffff800080012345"));
    assert_non_null(strstr(text, "by pl011@9000000: x5 = 0x90"));
    assert_non_null(strstr(text, " ns "));
    /* A line, and only for the exit. */
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void text_names_a_call_and_a_register(void **state)
{
    struct trace_record r = record(TRACE_EXIT, ESR_HVC, 0);
    char text[256];

    r.name[0] = '\0';
    r.x0 = 0xc4000003;
    trace_words(&r, 0, text, sizeof(text));
    assert_non_null(strstr(text, "PSCI_CPU_ON"));
    assert_non_null(strstr(text, "by firmware"));
    r.event.esr = 0x62300065; /* mrs x3, ID_AA64PFR0_EL1 and the like: any row will do */
    trace_words(&r, 0, text, sizeof(text));
    assert_non_null(strstr(text, "system register access"));
    assert_non_null(strstr(text, "by sysreg"));
    /* What does not fit is cut. */
    trace_words(&r, 0, text, 8);
    assert_int_equal(strlen(text), 7);
}

static void text_tells_what_was_written(void **state)
{
    const struct rv_event write = {.type = RV_EVENT_SYNC, .esr = ESR_WRITE, .ipa = 0x9000000};
    const struct rv_event msr = {.type = RV_EVENT_SYNC, .esr = 0x62300064}; /* of x3 */
    const struct exit_reply reply = {0};
    struct trace *trace;
    const char *text;

    assert_int_equal(trace_text_start(path, none(), &trace), 0);
    tap_exit_begin(&vcpu, &write);
    tap_access_begin("pl011@9000000", 0x9000000, 8, true, 0x57);
    tap_access_end("pl011@9000000", 0x9000000, 8, true, 0x57, 0);
    tap_exit_end(&vcpu, &write, &reply);
    page.x[3] = 0x1357;
    tap_exit_begin(&vcpu, &msr);
    tap_exit_end(&vcpu, &msr, &reply);
    one_exit(0);
    trace_stop(trace);
    text = contents();
    assert_non_null(strstr(text, "UARTDR = 0x57; pc 0x0; by pl011@9000000\n"));
    assert_non_null(strstr(text, " = 0x1357; pc"));
    assert_non_null(strstr(text, "UARTFR; pc")); /* and a read has none */
}

static void a_trace_without_a_file_or_with_a_bad_filter_is_refused(void **state)
{
    struct trace *trace;
    char spec[128];

    assert_int_equal(trace_text_start("", none(), &trace), -EINVAL);
    assert_int_equal(trace_text_start("kind=exit", none(), &trace), -EINVAL);
    snprintf(spec, sizeof(spec), "%s,kind=nothing", path);
    assert_int_equal(trace_text_start(spec, none(), &trace), -EINVAL);
    assert_int_equal(trace_perfetto_start(spec, none(), &trace), -EINVAL);
    assert_int_equal(trace_text_start("/nonexistent/file", none(), &trace), -ENOENT);
    assert_null(tap_first);
}

static json_t *find(json_t *events, const char *phase, const char *name)
{
    size_t i;
    json_t *event;

    json_array_foreach(events, i, event)
    {
        if (strcmp(json_string_value(json_object_get(event, "ph")), phase) == 0 &&
            strcmp(json_string_value(json_object_get(event, "name")), name) == 0)
            return event;
    }
    return NULL;
}

static void perfetto_gets_json_with_a_track_for_each(void **state)
{
    struct rv_command reply = {.op = RV_COMMAND_REPLY};
    struct rv_event sync = {.type = RV_EVENT_SYNC};
    struct trace *trace;
    json_t *events, *slice;

    assert_int_equal(trace_perfetto_start(path, none(), &trace), 0);
    pcpu.vcpu = &vcpu;
    tap_command(&pcpu, &reply);
    tap_event(&pcpu, &sync);
    one_exit(0x4000);
    tap_kick(&pcpu);
    tap_inject(&vcpu, 27, RV_IRQ_PENDING | 0xa0);
    tap_line(33, true);
    tap_sleep_begin();
    tap_sleep_end();
    trace_stop(trace);
    events = json_loads(contents(), 0, NULL);
    assert_true(json_is_array(events));
    slice = find(events, "X", "data abort");
    assert_non_null(slice);
    assert_int_equal(json_integer_value(json_object_get(slice, "pid")), 1);
    assert_int_equal(json_integer_value(json_object_get(slice, "tid")), 2);
    assert_true(json_real_value(json_object_get(slice, "ts")) > 0);
    assert_non_null(find(events, "X", "vCPU 1")); /* on its pCPU, from the reply to the event */
    assert_non_null(find(events, "X", "read"));
    assert_non_null(find(events, "X", "asleep"));
    assert_non_null(find(events, "i", "kick"));
    assert_non_null(find(events, "i", "interrupt 27, priority 0xa0, pending"));
    assert_non_null(find(events, "i", "line 33 is high"));
    assert_non_null(find(events, "M", "process_name"));
    assert_non_null(find(events, "M", "thread_name"));
    json_decref(events);
}

/*
 * The events of a file whose writer was killed. The format lets the end of the array be missing,
 * and the kernel may have ended the last write at any page: the last line does not count then.
 */
static json_t *events_of_killed(void)
{
    char *text = contents();
    json_t *events = json_loads(text, 0, NULL);
    char *end = text + strlen(text);

    if (events)
        return events;
    while (end > text && *--end != '\n')
        ;
    while (end > text && (*end == '\n' || *end == ','))
        end--;
    memcpy(end + 1, "]", 2);
    return json_loads(text, 0, NULL);
}

/* As by a keeper: the descriptor outlives the trace. `tail` is what a killed process had begun. */
static void goes_on(int (*start)(const char *, struct trace_origin *, struct trace **),
                    const char *tail)
{
    struct trace_origin origin = *none();
    struct trace *trace;
    int kept;

    unlink(path);
    assert_int_equal(start(path, &origin, &trace), 0);
    kept = dup(origin.fd);
    one_exit(0x4000);
    trace_stop(trace);
    if (*tail) {
        struct stat is;

        assert_int_equal(fstat(kept, &is), 0);
        assert_int_equal(ftruncate(kept, is.st_size - 3), 0); /* the ending, or a part of a line */
        assert_int_equal(pwrite(kept, tail, strlen(tail), is.st_size - 3), (ssize_t)strlen(tail));
    }
    origin.fd = kept;
    assert_int_equal(start(path, &origin, &trace), 0);
    one_exit(0x8000);
    trace_stop(trace);
}

#define ABORTS 2 /* of one_exit(): on the track of the vCPU, and on that of the vmm */

static void a_trace_goes_on_in_another_process(void **state)
{
    static const char *const tails[] = {"", ",\n{\"ph\":\"X", "\n"};
    json_t *events, *event;
    unsigned aborts;
    size_t n;

    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        goes_on(trace_perfetto_start, tails[i]);
        events = json_loads(contents(), 0, NULL);
        assert_true(json_is_array(events));
        aborts = 0;
        json_array_foreach(events, n, event)
        {
            const char *name = json_string_value(json_object_get(event, "name"));

            aborts += name && strcmp(name, "data abort") == 0;
        }
        assert_int_equal(aborts, 2 * ABORTS);
        json_decref(events);
    }
    goes_on(trace_text_start, "");
    assert_non_null(strstr(contents(), "pc 0x4000"));
    assert_non_null(strstr(contents(), "pc 0x8000"));
}

/* A process that traces without end is killed: the file that it leaves can be read. */
static void a_perfetto_file_can_be_read_whenever_the_process_is_killed(void **state)
{
    unlink(path);
    for (useconds_t after = 5000; after < 50000; after += 5000) {
        struct trace *trace;
        json_t *events;
        struct stat is;
        pid_t child = fork();

        if (child == 0) {
            if (trace_perfetto_start(path, none(), &trace))
                _exit(1);
            for (uint64_t i = 0;; i++)
                one_exit(i);
        }
        while (stat(path, &is) || is.st_size == 0)
            usleep(1000);
        usleep(after);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        events = events_of_killed();
        assert_true(json_is_array(events));
        assert_non_null(find(events, "M", "process_name"));
        json_decref(events);
        unlink(path);
    }
}

/* Nobody reads the pipe. The loop does not wait, and neither does the end. */
static void a_pipe_that_is_not_read_holds_nothing_up(void **state)
{
    struct trace *trace;

    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(trace_text_start(path, none(), &trace), 0);
    for (unsigned i = 0; i < 5000; i++)
        one_exit(i);
    trace_stop(trace);
    unlink(path);
}

static int setup(void **state)
{
    memset(&log_fake, 0, sizeof(log_fake));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_trace_has_an_exit_with_its_answer_and_time, setup),
        cmocka_unit_test_setup(nothing_is_tapped_after_the_stop, setup),
        cmocka_unit_test_setup(two_traces_have_what_their_filters_let_through, setup),
        cmocka_unit_test_setup(a_slow_sink_loses_records_and_is_told_how_many, setup),
        cmocka_unit_test_setup(a_trace_that_starts_in_the_middle_of_an_exit_leaves_it_out, setup),
        cmocka_unit_test_setup(a_filter_lets_through_what_all_of_its_elements_do, setup),
        cmocka_unit_test_setup(a_filter_refuses_what_it_does_not_know, setup),
        cmocka_unit_test_setup(a_trace_goes_on_in_another_process, setup),
        cmocka_unit_test_setup(text_tells_the_exit_and_what_answered_it, setup),
        cmocka_unit_test_setup(text_names_a_call_and_a_register, setup),
        cmocka_unit_test_setup(text_tells_what_was_written, setup),
        cmocka_unit_test_setup(a_trace_without_a_file_or_with_a_bad_filter_is_refused, setup),
        cmocka_unit_test_setup(perfetto_gets_json_with_a_track_for_each, setup),
        cmocka_unit_test_setup(a_perfetto_file_can_be_read_whenever_the_process_is_killed, setup),
        cmocka_unit_test_setup(a_pipe_that_is_not_read_holds_nothing_up, setup),
    };
    int failed;

    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof(path), "%s/trace", folder);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    rmdir(folder);
    return failed;
}
