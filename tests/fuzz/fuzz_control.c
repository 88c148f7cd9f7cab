/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests at the control interface, as they come out of the HTTP parser: several of one input, on
 * one VM. An input is requests that end with "\n\n": a letter for the method, the path, "\n", the
 * body. Each must be answered once, with JSON in the one form, or with text.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/control_fixture.h"

struct request {
    struct control_call call;
    char *path;
    char *body;
};

static unsigned asked, answers;

static void expect(bool holds)
{
    if (!holds)
        abort();
}

static void check_answer(const struct control_answer *answer)
{
    json_t *json, *error;

    expect(answer->text && strlen(answer->text) == answer->size);
    expect(answer->status >= 200 && answer->status < 600);
    if (strcmp(answer->type, "application/json") != 0) {
        expect(answer->status == 200);
        return;
    }
    json = json_loads(answer->text, 0, NULL);
    expect(json_is_object(json));
    error = json_object_get(json, "error");
    if (answer->status >= 300) {
        expect(json_object_size(json) == 1);
        expect(json_is_string(json_object_get(error, "code")));
        expect(json_is_string(json_object_get(error, "message")));
    }
    expect((answer->status == 405) == (answer->allow != NULL));
    json_decref(json);
}

static void answered(struct control_call *call, const struct control_answer *answer)
{
    struct request *request = call->opaque;

    answers++;
    check_answer(answer);
    free(request->path);
    free(request->body);
    free(request);
}

static enum evhttp_cmd_type method_of(char letter)
{
    switch (letter) {
    case 'G': return EVHTTP_REQ_GET;
    case 'P': return EVHTTP_REQ_POST;
    case 'A': return EVHTTP_REQ_PATCH;
    case 'H': return EVHTTP_REQ_HEAD;
    default: return EVHTTP_REQ_DELETE;
    }
}

/* `text` without its first letter, which is the method. */
static void send_request(struct control_target *target, const char *text, size_t size)
{
    struct request *request = calloc(1, sizeof(*request));
    const char *line = memchr(text, '\n', size);
    size_t path = line ? (size_t)(line - text) : size, body = line ? size - path - 1 : 0;

    request->path = strndup(path ? text + 1 : "", path ? path - 1 : 0);
    request->body = malloc(body + 1); /* no byte more than its size: it is no text */
    if (body)
        memcpy(request->body, line + 1, body);
    request->call = (struct control_call){
        .target = target,
        .method = method_of(text[0]),
        .path = request->path,
        .body = body ? request->body : NULL,
        .body_size = body,
        .answered = answered,
        .opaque = request,
    };
    asked++;
    control_route(&request->call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_base *base = event_base_new();
    struct control_target target = {
        .vm = &control_fixture.vm, .name = "me", .kill = control_fixture_kill};
    const char *text = (const char *)data;

    control_fixture_init();
    control_fixture.quiet = size && data[0] & 1;
    control_fixture.button = true;
    asked = answers = 0;
    expect(control_target_init(&target, base) == 0);
    while (size) {
        const char *end = memmem(text, size, "\n\n", 2);
        size_t len = end ? (size_t)(end - text) : size;

        if (len)
            send_request(&target, text, len);
        text += end ? len + 2 : len;
        size -= end ? len + 2 : len;
    }
    control_fixture.quiet = true;
    event_base_loop(base, EVLOOP_NONBLOCK);
    control_fixture_reply(-125, NULL);
    control_target_end(&target);
    expect(answers == asked);
    event_base_free(base);
    return 0;
}
