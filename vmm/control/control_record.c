/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /record: a recording from now on, as `vmm replay` reads it; POST /record/stop ends it. */
#include "vmm/control/control_stream.h"
#include "vmm/record/record.h"

static void hurry(void *opaque)
{
    record_hurry(opaque);
}

static bool is_over(void *opaque, bool gone)
{
    if (gone)
        record_hurry(opaque);
    return record_has_ended(opaque);
}

static void end(void *opaque)
{
    record_stop(opaque);
}

static const struct control_stream_ops record_ops = {
    .is_over = is_over, .hurry = hurry, .free = end};

static int start(struct control_call *call)
{
    struct control_stream *stream;
    struct record *record;
    int fd, error = control_stream_new(call, &stream, &fd);

    if (error)
        return error;
    error = record_running(call->target->vm, fd, CONTROL_STREAM_HEAD("application/octet-stream"),
                           &record);
    if (error)
        control_stream_cancel(stream);
    else
        control_stream_start(stream, &record_ops, record);
    return error;
}

void control_record_show(struct control_call *call)
{
    const char *refused = record_refuses(call->target->vm);
    int error;

    call->subject = "record";
    if (call->method == EVHTTP_REQ_HEAD || !call->connection)
        control_answer_text(call, "application/octet-stream", "");
    else if (refused)
        control_refuse(call, CONTROL_CONFLICT, "not-possible", "record: %s", refused);
    else if ((error = start(call)))
        control_answer_error(call, error, NULL);
}

void control_record_stop(struct control_call *call)
{
    struct record *record = control_stream_find(call->target, &record_ops);

    if (!record) {
        control_refuse(call, CONTROL_CONFLICT, "not-possible",
                       "record: no client is recording this VM");
        return;
    }
    record_end(record, "a client has stopped it");
    control_answer(call, CONTROL_OK, json_pack("{s:s}", "name", call->target->name));
}
