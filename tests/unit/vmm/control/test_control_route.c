/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests and their answers, without connections. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/control_fixture.h"

static struct event_base *base;
static struct control_target target;

/* The last answer. */
static unsigned answers, status;
static char *text, *allow;

static void answered(struct control_call *call, const struct control_answer *answer)
{
    answers++;
    status = answer->status;
    free(text);
    free(allow);
    text = strndup(answer->text, answer->size);
    allow = answer->allow ? strdup(answer->allow) : NULL;
    free(call);
}

static int setup(void **state)
{
    control_fixture_init();
    base = event_base_new();
    target = (struct control_target){
        .vm = &control_fixture.vm, .name = "me", .kill = control_fixture_kill};
    answers = status = 0;
    return control_target_init(&target, base);
}

static int teardown(void **state)
{
    control_target_end(&target);
    event_base_free(base);
    free(text);
    free(allow);
    text = allow = NULL;
    return 0;
}

static const struct control_connection_ops *connection; /* of the next request, or NULL */

static void request_with(enum evhttp_cmd_type method, const char *path, const char *body,
                         size_t size)
{
    struct control_call *call = calloc(1, sizeof(*call));

    *call = (struct control_call){.target = &target,
                                  .method = method,
                                  .path = path,
                                  .body = body,
                                  .body_size = size,
                                  .connection = connection,
                                  .answered = answered};
    control_route(call);
}

static void request(enum evhttp_cmd_type method, const char *path, const char *body)
{
    request_with(method, path, body, body ? strlen(body) : 0);
}

/* The answer, which must have come and be an object: json_decref() it. */
static json_t *answer(unsigned expected)
{
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;

    if (answers != 1 || status != expected || !json_is_object(json))
        fail_msg("%u answers, status %u and not %u: %s", answers, status, expected, text);
    answers = 0;
    return json;
}

static json_t *get(const char *path)
{
    request(EVHTTP_REQ_GET, path, NULL);
    return answer(200);
}

/* The request is refused in the one form of all errors. */
static void refused(enum evhttp_cmd_type method, const char *path, const char *body,
                    unsigned expected, const char *code, const char *says)
{
    json_t *json, *error;

    request(method, path, body);
    json = answer(expected);
    error = json_object_get(json, "error");
    assert_int_equal(json_object_size(json), 1);
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    if (!strstr(json_string_value(json_object_get(error, "message")), says))
        fail_msg("'%s' is not said, but: %s", says, text);
    json_decref(json);
}

static void state_is(json_t *json, const char *expected)
{
    assert_string_equal(json_string_value(json_object_get(json, "state")), expected);
    json_decref(json);
}

static const char *string_at(json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void vm_is_shown_with_its_state_and_size(void **state)
{
    json_t *vm = get("/vm");

    assert_string_equal(string_at(vm, "name"), "me");
    assert_string_equal(string_at(vm, "kernel"), "Image?"); /* a path need not be UTF-8 */
    assert_string_equal(string_at(vm, "command_line"), "quiet");
    assert_int_equal(json_integer_value(json_object_get(vm, "memory")), 64 << 20);
    assert_int_equal(json_integer_value(json_object_get(vm, "vcpus")), 2);
    assert_true(json_integer_value(json_object_get(vm, "pid")) > 0);
    state_is(vm, "running");
}

static void vcpus_are_shown_with_what_they_do(void **state)
{
    json_t *json = get("/vcpus"), *list = json_object_get(json, "vcpus");

    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(string_at(json_array_get(list, 0), "state"), "running");
    assert_string_equal(string_at(json_array_get(list, 1), "state"), "off");
    assert_true(json_is_null(json_object_get(json_array_get(list, 1), "pcpu")));
    assert_true(json_integer_value(json_object_get(json_array_get(list, 0), "run_ns")) > 0);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "run_ns")), 0);
    json_decref(json);
}

static void vcpu_that_is_held_says_by_whom(void **state)
{
    struct sched_vcpu *v = control_fixture.cores.sched.vcpu;
    json_t *json;

    v[0].state = SCHED_READY;
    v[0].held = SCHED_HOLD_DEBUGGER;
    v[1].held = SCHED_HOLD_DEBUGGER | SCHED_HOLD_PAUSE;
    json = get("/vcpus");
    state_is(json_incref(json_array_get(json_object_get(json, "vcpus"), 0)), "held");
    state_is(json_incref(json_array_get(json_object_get(json, "vcpus"), 1)), "off");
    json_decref(json);
    v[1].state = SCHED_ASLEEP;
    json = get("/vcpus");
    state_is(json_incref(json_array_get(json_object_get(json, "vcpus"), 1)), "paused");
    json_decref(json);
}

static void pause_is_answered_when_the_devices_are_quiet(void **state)
{
    control_fixture.quiet = false;
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    assert_int_equal(answers, 0);
    state_is(get("/vm"), "pausing");
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(answers, 0);
    control_fixture.quiet = true;
    event_base_loop(base, EVLOOP_ONCE);
    state_is(answer(200), "paused");
    request(EVHTTP_REQ_POST, "/vm/pause", NULL); /* again */
    state_is(answer(200), "paused");
    request(EVHTTP_REQ_POST, "/vm/resume", NULL);
    state_is(answer(200), "running");
    request(EVHTTP_REQ_POST, "/vm/resume", NULL);
    state_is(answer(200), "running");
}

static void pause_that_takes_too_long_is_answered_and_goes_on(void **state)
{
    json_t *json;

    target.rest_ms = 20;
    control_fixture.quiet = false;
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    for (int i = 0; i < 1000 && !answers; i++)
        event_base_loop(base, EVLOOP_ONCE);
    json = answer(409);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "error"), "code")),
                        "busy");
    json_decref(json);
    state_is(get("/vm"), "pausing");
    control_fixture.quiet = true;
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    state_is(answer(200), "paused");
}

static void resume_waits_for_a_pause_that_is_not_over(void **state)
{
    control_fixture.quiet = false;
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    request(EVHTTP_REQ_POST, "/vm/resume", NULL);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(answers, 0);
    assert_true(control_fixture.paused);
    control_fixture.quiet = true;
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(answers, 2);
    assert_false(control_fixture.paused);
}

static void late(const char *says)
{
    json_t *json;

    for (int i = 0; i < 1000 && !answers; i++)
        event_base_loop(base, EVLOOP_ONCE);
    json = answer(409);
    assert_non_null(strstr(
        json_string_value(json_object_get(json_object_get(json, "error"), "message")), says));
    json_decref(json);
}

/* Both are answered before the devices come to rest, which they do next. */
static void pause_and_resume_take_too_long(void)
{
    target.rest_ms = 20;
    control_fixture.quiet = false;
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    late("then it is paused");
    request(EVHTTP_REQ_POST, "/vm/resume", NULL);
    late("then it goes on");
    control_fixture.quiet = true;
}

static void resume_that_takes_too_long_is_answered_and_not_forgotten(void **state)
{
    pause_and_resume_take_too_long();
    for (int i = 0; i < 1000 && control_fixture.paused; i++)
        event_base_loop(base, EVLOOP_ONCE); /* of a VM that is forgotten there is no event */
    assert_false(control_fixture.paused);
    assert_int_equal(answers, 0);
}

/* The last word counts. */
static void pause_after_a_resume_that_took_too_long_leaves_the_vm_paused(void **state)
{
    pause_and_resume_take_too_long();
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    state_is(answer(200), "paused");
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_true(control_fixture.paused);
}

static void pause_that_waits_is_answered_when_the_vm_ends(void **state)
{
    control_fixture.quiet = false;
    request(EVHTTP_REQ_POST, "/vm/pause", NULL);
    control_target_end(&target);
    json_decref(answer(503));
}

static void machine_that_is_lost_is_said(void **state)
{
    control_fixture.pause_fails = true;
    refused(EVHTTP_REQ_POST, "/vm/pause", NULL, 500, "failed", "pause: ");
}

static void stop_presses_the_button_if_somebody_listens(void **state)
{
    refused(EVHTTP_REQ_POST, "/vm/stop", NULL, 409, "not-possible",
            "power button: shut it down from inside, or kill it");
    control_fixture.button = true;
    request(EVHTTP_REQ_POST, "/vm/stop", NULL);
    state_is(answer(202), "running");
    assert_int_equal(control_fixture.buttons, 1);
    control_fixture.paused = true;
    refused(EVHTTP_REQ_POST, "/vm/stop", NULL, 409, "paused", "resume it");
    assert_int_equal(control_fixture.buttons, 1);
}

static void kill_and_reset_are_asked_for(void **state)
{
    request(EVHTTP_REQ_POST, "/vm/reset", NULL);
    state_is(answer(202), "resetting");
    assert_int_equal(control_fixture.core.request, VM_RESET);
    request(EVHTTP_REQ_POST, "/vm/kill", NULL);
    state_is(answer(202), "ending");
    assert_int_equal(control_fixture.kills, 1);
}

static void reset_does_not_take_back_a_power_off(void **state)
{
    control_fixture.core.request = VM_POWER_OFF;
    request(EVHTTP_REQ_POST, "/vm/reset", NULL);
    state_is(answer(202), "ending");
    assert_int_equal(control_fixture.core.request, VM_POWER_OFF);
}

static const char snapshot_body[] = "{\"directory\": \"/tmp/snap\"}";

static void snapshot_pauses_the_vm_until_its_memory_is_copied(void **state)
{
    struct control_fixture *f = &control_fixture;
    json_t *json;

    request(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body);
    assert_int_equal(f->snapshots, 1);
    assert_string_equal(f->snapshot_folder, "/tmp/snap");
    assert_true(f->snapshot_disks);
    assert_false(f->snapshot_tracks);
    assert_string_equal(f->snapshot_base, "");
    assert_true(f->paused && f->vm.pause.kept);
    f->snapshot_calls.copied(f->snapshot_calls.opaque);
    assert_false(f->paused || f->vm.pause.kept);
    f->snapshot_calls.ended(f->snapshot_calls.opaque, NULL, 4096);
    json = answer(200);
    assert_int_equal(json_integer_value(json_object_get(json, "bytes")), 4096);
    assert_string_equal(string_at(json, "directory"), "/tmp/snap");
    state_is(json, "running");
    assert_int_equal(f->snapshots, 0);
}

static void snapshot_that_fails_says_why_and_the_vm_goes_on(void **state)
{
    struct control_fixture *f = &control_fixture;

    request(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body);
    f->snapshot_calls.ended(f->snapshot_calls.opaque, "ram: No space left on device", 0);
    json_decref(answer(500));
    assert_false(f->paused || f->vm.pause.kept);
    f->snapshot_error = -EEXIST;
    refused(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body, 409, "not-possible", "because");
    assert_false(f->paused || f->vm.pause.kept);
    assert_int_equal(f->snapshots, 0);
}

static bool client_is_gone;

static bool is_gone(const struct control_call *call)
{
    return client_is_gone;
}

static const struct control_connection_ops may_go = {.is_gone = is_gone};

/* Its files are written, or its devices are not at rest yet. */
static void snapshot_whose_client_has_gone_is_given_up(void **state)
{
    struct control_fixture *f = &control_fixture;

    client_is_gone = false;
    connection = &may_go;
    request(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body);
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(f->cancelled, 0);
    client_is_gone = true;
    event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(f->cancelled, 1);
    assert_true(f->paused && f->vm.pause.kept);
    f->snapshot_calls.ended(f->snapshot_calls.opaque, "cancelled", 0);
    json_decref(answer(500));
    assert_false(f->paused || f->vm.pause.kept);
    assert_int_equal(f->snapshots, 0);

    f->quiet = false;
    client_is_gone = false;
    request(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body);
    assert_int_equal(f->snapshots, 0);
    client_is_gone = true;
    event_base_loop(base, EVLOOP_ONCE);
    connection = NULL;
    json_decref(answer(409));
    assert_false(f->paused);
    assert_int_equal(f->snapshots, 0);
}

static void snapshot_of_a_paused_vm_leaves_it_paused(void **state)
{
    struct control_fixture *f = &control_fixture;

    f->paused = true;
    request(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body);
    f->snapshot_calls.copied(f->snapshot_calls.opaque);
    f->snapshot_calls.ended(f->snapshot_calls.opaque, NULL, 1);
    state_is(answer(200), "paused");
}

static void snapshot_with_stop_ends_the_vm_where_it_was_saved(void **state)
{
    struct control_fixture *f = &control_fixture;

    request(EVHTTP_REQ_POST, "/vm/snapshot", "{\"directory\": \"/tmp/snap\", \"stop\": true}");
    assert_false(f->snapshot_disks);
    f->snapshot_calls.copied(f->snapshot_calls.opaque);
    assert_true(f->paused);
    f->snapshot_calls.ended(f->snapshot_calls.opaque, NULL, 1);
    state_is(answer(200), "ending");
    assert_int_equal(f->kills, 1);
    assert_true(f->paused);
}

static void snapshot_with_a_base_is_asked_for_and_refused_when_it_is_none(void **state)
{
    struct control_fixture *f = &control_fixture;

    request(EVHTTP_REQ_POST, "/vm/snapshot",
            "{\"directory\": \"/tmp/snap\", \"track\": true, \"base\": \"/tmp/before\"}");
    assert_true(f->snapshot_tracks);
    assert_string_equal(f->snapshot_base, "/tmp/before");
    f->snapshot_calls.copied(f->snapshot_calls.opaque);
    f->snapshot_calls.ended(f->snapshot_calls.opaque, NULL, 1);
    json_decref(answer(200));
    f->snapshot_error = -ESTALE;
    refused(EVHTTP_REQ_POST, "/vm/snapshot",
            "{\"directory\": \"/tmp/snap\", \"base\": \"/tmp/before\"}", 409, "not-possible",
            "because");
    refused(EVHTTP_REQ_POST, "/vm/snapshot", "{\"directory\": \"/tmp/snap\", \"base\": \"before\"}",
            400, "bad-body", "base");
    refused(EVHTTP_REQ_POST, "/vm/snapshot", "{\"directory\": \"/tmp/snap\", \"track\": \"yes\"}",
            400, "bad-body", "track");
    assert_false(f->paused || f->vm.pause.kept);
}

static void snapshot_is_refused_when_it_cannot_be(void **state)
{
    struct control_fixture *f = &control_fixture;

    refused(EVHTTP_REQ_POST, "/vm/snapshot", "{}", 400, "bad-body", "directory");
    refused(EVHTTP_REQ_POST, "/vm/snapshot", "{\"directory\": \"snap\"}", 400, "bad-body", "/PATH");
    f->core.request = VM_RESET;
    refused(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body, 409, "not-possible", "reset");
    f->core.request = VM_RUN_ON;
    f->pause_fails = true;
    refused(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body, 500, "failed", "snapshot: ");
    assert_int_equal(f->snapshots, 0);
}

/* Its answer comes, and its thread ends, before the machine's memory goes. */
static void snapshot_of_a_vm_that_ends_is_answered(void **state)
{
    request(EVHTTP_REQ_POST, "/vm/snapshot", snapshot_body);
    control_target_end(&target);
    json_decref(answer(503));
    assert_int_equal(control_fixture.snapshots, 0);
}

static void device_is_shown_with_properties_counters_and_commands(void **state)
{
    json_t *json = get("/devices/virtio-blk%40a000000"), *counters, *properties;

    assert_string_equal(string_at(json, "class"), "virtio-blk");
    assert_string_equal(string_at(json, "address"), "0x9000200");
    counters = json_object_get(json, "counters");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(counters, "reads"), "value")), 7);
    assert_true(json_integer_value(json_object_get(json_object_get(counters, "bytes-read"),
                                                   "value")) == INT64_MAX);
    properties = json_object_get(json, "properties");
    assert_string_equal(string_at(json_object_get(properties, "path"), "value"), "/tmp/disk.img");
    assert_true(json_is_null(json_object_get(json_object_get(properties, "serial"), "value")));
    assert_int_equal(json_object_size(json_object_get(json, "commands")), 4);
    json_decref(json);
    json = get("/devices/virtio-net@a000200");
    properties = json_object_get(json, "properties");
    assert_int_equal(json_array_size(json_object_get(json_object_get(properties, "dns"), "value")),
                     2);
    assert_true(json_is_true(json_object_get(json_object_get(properties, "link"), "settable")));
    json_decref(json);
}

static void lists_have_the_devices_of_their_kind(void **state)
{
    static const struct {
        const char *path, *key;
        unsigned count;
    } lists[] = {{"/devices", "devices", 3}, {"/disks", "disks", 1}, {"/networks", "networks", 1}};

    for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        json_t *json = get(lists[i].path);

        assert_int_equal(json_array_size(json_object_get(json, lists[i].key)), lists[i].count);
        json_decref(json);
    }
}

static void property_is_set_if_it_may_be(void **state)
{
    const char *card = "/devices/virtio-net@a000200";

    request(EVHTTP_REQ_PATCH, card, "{\"link\": \"down\"}");
    json_decref(answer(200));
    assert_string_equal(control_fixture.link, "down");
    refused(EVHTTP_REQ_PATCH, card, "{\"link\": \"loose\"}", 400, "bad-value", "link: ");
    refused(EVHTTP_REQ_PATCH, card, "{\"dns\": \"1.1.1.1\"}", 409, "not-possible", "dns: ");
    refused(EVHTTP_REQ_PATCH, card, "{\"x\": 1}", 404, "not-found", "x: ");
    refused(EVHTTP_REQ_PATCH, card, "{\"link\": []}", 400, "bad-body", "one property");
    refused(EVHTTP_REQ_PATCH, card, "{\"link\": \"up\", \"dns\": 1}", 400, "bad-body", "one");
    refused(EVHTTP_REQ_PATCH, card, "{}", 400, "bad-body", "one property");
    assert_string_equal(control_fixture.link, "down");
}

static void command_of_a_device_is_answered_with_what_the_device_says(void **state)
{
    json_t *json;

    request(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/resize", "{\"size\": 1}");
    json = answer(200);
    assert_int_equal(json_integer_value(json_object_get(json, "size")), 4096);
    json_decref(json);
    assert_string_equal(control_fixture.json, "{\"size\": 1}");
    request(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/resize", NULL);
    json_decref(answer(200));
    assert_string_equal(control_fixture.json, "{}");
    refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/fail", NULL, 400, "bad-value",
            "fail: Invalid argument; it takes nothing that works");
    refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/fail", "{\"size\": 1}", 400,
            "bad-value", "fail: disk 'a': its size cannot change");
    refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/garbage", NULL, 500, "failed",
            "no JSON");
    refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/fly", NULL, 404, "not-found",
            "no command 'fly'");
    refused(EVHTTP_REQ_POST, "/devices/uart@9000000/commands/fly", NULL, 404, "not-found", "fly");
    refused(EVHTTP_REQ_POST, "/devices/none/commands/fly", NULL, 404, "not-found", "'none'");
}

static void command_may_be_answered_later_or_never(void **state)
{
    request(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/later", NULL);
    assert_int_equal(answers, 0);
    refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/later", NULL, 409, "busy", "");
    control_fixture_reply(0, NULL);
    json_decref(answer(200));
    request(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/later", NULL);
    control_fixture_reply(-ECANCELED, NULL); /* the device goes */
    json_decref(answer(503));
}

static void body_that_is_no_object_is_refused(void **state)
{
    static const char *const bodies[] = {
        "{",     "[]",       "1",          "\"x\"", "{\"a\": 1, \"a\": 2}",         "{\"a\"}",
        "{} {}", "{\"a\":}", "\xff\xfe{}", "null",  "{\"a\": 99999999999999999999}"};
    char *deep = malloc(60001);

    for (unsigned i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/resize", bodies[i], 400,
                "bad-body", "no JSON object");
    memset(deep, '[', 60000);
    deep[60000] = '\0';
    refused(EVHTTP_REQ_POST, "/devices/virtio-blk@a000000/commands/resize", deep, 400, "bad-body",
            "no JSON object");
    free(deep);
}

static void body_that_is_too_large_is_refused(void **state)
{
    size_t size = CONTROL_BODY_MAX + 1;
    char *body = malloc(size);

    memset(body, ' ', size);
    request_with(EVHTTP_REQ_POST, "/vm/pause", body, size);
    json_decref(answer(413));
    assert_false(control_fixture.paused);
    free(body);
}

static void path_that_is_not_there_is_not_found(void **state)
{
    static const char *const paths[] = {"",    "/vm/",      "//vm",        "/vmx",
                                        "/v",  "/devices/", "/devices//",  "/vm/pause/now",
                                        "vm",  "/../vm",    "/devices/{}", "/devices/a/commands",
                                        "/VM", "/%76m",     "/vm%00",      "/devices//commands/x"};

    for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        refused(EVHTTP_REQ_GET, paths[i], NULL, 404, "not-found", "there is no");
    refused(EVHTTP_REQ_GET, "/devices/a%00b", NULL, 400, "bad-path", "malformed");
}

static void method_that_a_path_does_not_have_is_refused_with_those_it_has(void **state)
{
    refused(EVHTTP_REQ_POST, "/vm", NULL, 405, "bad-method", "takes: GET");
    assert_string_equal(allow, "GET");
    refused(EVHTTP_REQ_DELETE, "/devices/x", NULL, 405, "bad-method", "takes: GET, PATCH");
    assert_string_equal(allow, "GET, PATCH");
    refused(EVHTTP_REQ_GET, "/vm/kill", NULL, 405, "bad-method", "takes: POST");
    assert_int_equal(control_fixture.kills, 0);
    request(EVHTTP_REQ_HEAD, "/vm", NULL); /* as GET: the server leaves the body out */
    json_decref(answer(200));
}

static void exits_are_shown_with_their_times(void **state)
{
    struct exit_stat *stat = &control_fixture.vm.exits.stats.kind[EXIT_WFX];
    json_t *json, *kind, *times;

    stat->count = 48;
    stat->timed = 3;
    stat->ns = 30000;
    stat->bucket[0] = 2;
    stat->bucket[2] = 1;
    json = get("/exits");
    assert_int_equal(json_integer_value(json_object_get(json, "total")), 49);
    kind = json_array_get(json_object_get(json, "exits"), 0);
    assert_string_equal(string_at(kind, "kind"), decode_kind_name(EXIT_WFX));
    assert_int_equal(json_integer_value(json_object_get(kind, "mean_ns")), 10000);
    times = json_object_get(kind, "times");
    assert_int_equal(json_array_size(times), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(times, 2), "below_ns")),
                     1024);
    json_decref(json);
}

static void says(const char *line)
{
    if (!strstr(text, line))
        fail_msg("'%s' is not said, but: %s", line, text);
}

static void metrics_have_all_numbers(void **state)
{
    char line[128];

    request(EVHTTP_REQ_GET, "/metrics", NULL);
    assert_int_equal(status, 200);
    says("\nringvisor_paused 0\n");
    says("\nringvisor_memory_bytes 67108864\n");
    says("ringvisor_vcpu_run_seconds_total{vcpu=\"1\"} 0.000000\n");
    says("\nringvisor_loop_sleeps_total 5\n");
    says("\nringvisor_pcpu_kicks_total{pcpu=\"0\"} 2\n");
    says("\nringvisor_ring_events{pcpu=\"0\"} 0\n");
    says("\nringvisor_ring_commands{pcpu=\"0\"} 2\n");
    snprintf(line, sizeof(line), "ringvisor_exits_total{kind=\"%s\"} 1\n",
             decode_kind_name(EXIT_HVC64));
    says(line);
    snprintf(line, sizeof(line), "ringvisor_exit_answer_seconds_count{kind=\"%s\"} 1\n",
             decode_kind_name(EXIT_HVC64));
    says(line);
    says("# HELP ringvisor_device_reads_total requests that read\n"
         "# TYPE ringvisor_device_reads_total counter\n"
         "ringvisor_device_reads_total{device=\"virtio-blk@a000000\"} 7\n"
         "ringvisor_device_reads_total{device=\"virtio-net@a000200\"} 7\n"
         "# HELP ringvisor_device_bytes_read_total");
}

static void index_names_every_route(void **state)
{
    json_t *json = get("/"), *routes = json_object_get(json, "routes");

    assert_true(json_array_size(routes) > 10);
    assert_string_equal(json_string_value(json_array_get(routes, 0)), "GET /");
    json_decref(json);
}

static void index_is_a_page_for_a_browser(void **state)
{
    struct control_call *call = calloc(1, sizeof(*call));

    *call = (struct control_call){.target = &target,
                                  .method = EVHTTP_REQ_GET,
                                  .path = "/",
                                  .from_browser = true,
                                  .answered = answered};
    control_route(call);
    assert_int_equal(status, 200);
    says("<!DOCTYPE html>");
    says("</html>");
    assert_null(strstr(text, "http://")); /* nothing from elsewhere */
    assert_null(strstr(text, "https://"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(vm_is_shown_with_its_state_and_size),
        TEST(vcpus_are_shown_with_what_they_do),
        TEST(vcpu_that_is_held_says_by_whom),
        TEST(pause_is_answered_when_the_devices_are_quiet),
        TEST(pause_that_takes_too_long_is_answered_and_goes_on),
        TEST(resume_waits_for_a_pause_that_is_not_over),
        TEST(resume_that_takes_too_long_is_answered_and_not_forgotten),
        TEST(pause_after_a_resume_that_took_too_long_leaves_the_vm_paused),
        TEST(pause_that_waits_is_answered_when_the_vm_ends),
        TEST(machine_that_is_lost_is_said),
        TEST(stop_presses_the_button_if_somebody_listens),
        TEST(kill_and_reset_are_asked_for),
        TEST(reset_does_not_take_back_a_power_off),
        TEST(snapshot_pauses_the_vm_until_its_memory_is_copied),
        TEST(snapshot_that_fails_says_why_and_the_vm_goes_on),
        TEST(snapshot_whose_client_has_gone_is_given_up),
        TEST(snapshot_of_a_paused_vm_leaves_it_paused),
        TEST(snapshot_with_stop_ends_the_vm_where_it_was_saved),
        TEST(snapshot_with_a_base_is_asked_for_and_refused_when_it_is_none),
        TEST(snapshot_is_refused_when_it_cannot_be),
        TEST(snapshot_of_a_vm_that_ends_is_answered),
        TEST(device_is_shown_with_properties_counters_and_commands),
        TEST(lists_have_the_devices_of_their_kind),
        TEST(property_is_set_if_it_may_be),
        TEST(command_of_a_device_is_answered_with_what_the_device_says),
        TEST(command_may_be_answered_later_or_never),
        TEST(body_that_is_no_object_is_refused),
        TEST(body_that_is_too_large_is_refused),
        TEST(path_that_is_not_there_is_not_found),
        TEST(method_that_a_path_does_not_have_is_refused_with_those_it_has),
        TEST(exits_are_shown_with_their_times),
        TEST(metrics_have_all_numbers),
        TEST(index_names_every_route),
        TEST(index_is_a_page_for_a_browser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
