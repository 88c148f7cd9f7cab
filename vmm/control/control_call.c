/* SPDX-License-Identifier: BSD-2-Clause */
/* What all handlers need: bodies, and answers of each kind. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"

#define MESSAGE_MAX 512u

static const char type_json[] = "application/json";
static const char no_memory[] =
    "{\"error\": {\"code\": \"failed\", \"message\": \"out of memory\"}}\n";

/* The owner may free the call in `answered`. */
static void finish(struct control_call *call, const struct control_answer *answer)
{
    for (unsigned i = 0; i < CONTROL_ARGS_MAX; i++)
        free(call->args[i]);
    memset(call->args, 0, sizeof(call->args));
    call->answered(call, answer);
}

static void send_json(struct control_call *call, enum control_status status, json_t *json,
                      const char *allow)
{
    struct control_answer answer = {.status = status, .type = type_json, .allow = allow};
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL, *line = NULL;
    int len = text ? asprintf(&line, "%s\n", text) : -1;

    if (len < 0) {
        answer.status = CONTROL_FAILED;
        answer.text = no_memory;
        answer.size = sizeof(no_memory) - 1;
    } else {
        answer.text = line;
        answer.size = (size_t)len;
    }
    json_decref(json);
    free(text);
    finish(call, &answer);
    if (len >= 0)
        free(line);
}

void control_answer(struct control_call *call, enum control_status status, json_t *json)
{
    send_json(call, status, json, NULL);
}

void control_answer_text(struct control_call *call, const char *type, const char *text)
{
    struct control_answer answer = {
        .status = CONTROL_OK, .type = type, .text = text, .size = strlen(text)};

    finish(call, &answer);
}

static json_t *error_object(const char *code, const char *message)
{
    return json_pack("{s:{s:s,s:o}}", "error", "code", code, "message", control_text(message));
}

void control_refuse(struct control_call *call, enum control_status status, const char *code,
                    const char *fmt, ...)
{
    char message[MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    /* Only an answer to a wrong method has that header: the message names the right ones. */
    send_json(call, status, error_object(code, message),
              status == CONTROL_BAD_METHOD ? strrchr(message, ':') + 2 : NULL);
}

static const struct {
    int error;
    enum control_status status;
    const char *code;
} errors[] = {
    {EINVAL, CONTROL_BAD_REQUEST, "bad-value"},  {ERANGE, CONTROL_BAD_REQUEST, "bad-value"},
    {ENOENT, CONTROL_NOT_FOUND, "not-found"},    {EPERM, CONTROL_CONFLICT, "not-possible"},
    {ENOTSUP, CONTROL_CONFLICT, "not-possible"}, {EROFS, CONTROL_CONFLICT, "not-possible"},
    {EBUSY, CONTROL_CONFLICT, "busy"},           {EAGAIN, CONTROL_CONFLICT, "busy"},
    {ETIMEDOUT, CONTROL_CONFLICT, "busy"},       {ECANCELED, CONTROL_ENDED, "ended"},
};

void control_answer_error(struct control_call *call, int error, const char *hint)
{
    enum control_status status = CONTROL_FAILED;
    const char *code = "failed";

    for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].error == -error) {
            status = errors[i].status;
            code = errors[i].code;
        }
    }
    if (call->said[0])
        control_refuse(call, status, code, "%s: %s", call->subject, call->said);
    else
        control_refuse(call, status, code, "%s: %s%s%s", call->subject, strerror(-error),
                       hint ? "; it takes " : "", hint ? hint : "");
}

json_t *control_body(struct control_call *call)
{
    json_error_t error = {0};
    json_t *body = json_object();

    if (call->body_size) {
        json_decref(body);
        body = json_loadb(call->body, call->body_size, JSON_REJECT_DUPLICATES, &error);
    }
    if (body && json_is_object(body))
        return body;
    json_decref(body);
    control_refuse(call, CONTROL_BAD_REQUEST, "bad-body", "the body is no JSON object%s%s",
                   error.text[0] ? ": " : "", error.text);
    return NULL;
}

json_t *control_text(const char *text)
{
    json_t *string = json_string(text);
    char *copy;

    if (string)
        return string;
    copy = strdup(text);
    for (char *c = copy; c && *c; c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    string = copy ? json_string(copy) : NULL;
    free(copy);
    return string;
}

json_t *control_number(uint64_t number)
{
    return json_integer(number < INT64_MAX ? (json_int_t)number : INT64_MAX);
}
