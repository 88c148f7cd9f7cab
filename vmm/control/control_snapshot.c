/* SPDX-License-Identifier: BSD-2-Clause */
/* POST /vm/snapshot: the VM is paused, saved, and goes on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"
#include "vmm/sandbox/needs.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/snapshot/save.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_pause.h"

#define WHY_MAX 512u

/* How soon it is noticed that the devices have come to rest, and that nobody wants it any more. */
static const struct timeval tick_time = {.tv_usec = 2000}, look_time = {.tv_usec = 100000};

/* One at a time. */
struct control_snapshot {
    struct control_target *target;
    struct control_call *call; /* NULL: it has been answered */
    struct snapshot *snapshot; /* NULL: the VM has not come to rest */
    struct event *tick;
    char *folder;
    char *base;      /* or NULL */
    bool track;      /* what is written from then on, for a later snapshot */
    bool stop;       /* the VM ends with it */
    bool was_paused; /* and stays so */
    int64_t since_ns, paused_ns;
};

static void forget(struct control_snapshot *s)
{
    s->target->snapshot = NULL;
    snapshot_free(s->snapshot);
    if (s->tick)
        event_free(s->tick);
    free(s->folder);
    free(s->base);
    free(s);
}

/* The VM goes on, if nobody else has paused it. */
static void let_go(struct control_snapshot *s)
{
    struct vm *vm = s->target->vm;

    if (!vm->pause.kept)
        return;
    vm->pause.kept = false;
    s->paused_ns = clock_now_ns() - s->since_ns;
    if (!s->was_paused)
        vm_resume(vm);
}

static void copied(void *opaque)
{
    struct control_snapshot *s = opaque;

    if (!s->stop)
        let_go(s);
}

static void ended(void *opaque, const char *why, uint64_t bytes)
{
    struct control_snapshot *s = opaque;
    struct control_target *target = s->target;

    if (!why && s->stop) {
        s->paused_ns = clock_now_ns() - s->since_ns;
        target->kill(target->opaque);
    } else {
        let_go(s);
    }
    if (why)
        control_refuse(s->call, CONTROL_FAILED, "failed", "snapshot: %s", why);
    else
        control_answer(s->call, CONTROL_OK,
                       json_pack("{s:s,s:s,s:s,s:o,s:o}", "name", target->name, "state",
                                 s->stop ? "ending" : control_state(target->vm), "directory",
                                 s->folder, "bytes", control_number(bytes), "paused_ms",
                                 control_number((uint64_t)s->paused_ns / CLOCK_NS_PER_MS)));
    forget(s);
}

static void refuse(struct control_snapshot *s, int error, const char *why)
{
    bool conflict = error == -EEXIST || error == -ENOTSUP || error == -ESTALE;

    let_go(s);
    control_refuse(s->call, conflict ? CONTROL_CONFLICT : CONTROL_FAILED,
                   conflict ? "not-possible" : "failed", "snapshot: %s", why);
    forget(s);
}

static void begin(struct control_snapshot *s)
{
    const struct snapshot_config config = {
        .folder = s->folder,
        .base = s->base,
        .track = s->track,
        .name = s->target->name,
        .options = s->target->saved_options,
        .disks = !s->stop,
    };
    const struct snapshot_calls calls = {copied, ended, s};
    char why[WHY_MAX];
    int error;

    s->target->vm->pause.kept = true;
    error = snapshot_begin(s->target->vm, s->target->base, &config, &calls, &s->snapshot, why,
                           sizeof(why));
    if (error)
        refuse(s, error, why);
    else
        event_add(s->tick, &look_time);
}

/* Who has asked for it may have been interrupted. */
static bool is_wanted(const struct control_snapshot *s)
{
    const struct control_connection_ops *connection = s->call->connection;

    return !connection || !connection->is_gone(s->call);
}

/* Before it has begun: the VM was to pause for it, or has. */
static void give_up(struct control_snapshot *s)
{
    s->target->vm->pause.kept = true;
    refuse(s, -ENOTSUP, "it is not wanted any more");
}

static void tick(evutil_socket_t fd, short what, void *opaque)
{
    struct control_snapshot *s = opaque;
    bool wanted = is_wanted(s);

    if (!wanted)
        log_info("the snapshot '%s' is given up: who has asked for it has gone", s->folder);
    if (!wanted && s->snapshot)
        snapshot_cancel(s->snapshot);
    else if (s->snapshot)
        event_add(s->tick, &look_time);
    else if (!wanted)
        give_up(s);
    else if (!vm_is_pausing(s->target->vm))
        refuse(s, -ENOTSUP, "the VM was resumed before it had paused");
    else if (vm_is_paused(s->target->vm))
        begin(s);
    else
        event_add(s->tick, &tick_time);
}

void control_snapshot_end(struct control_target *target)
{
    struct control_snapshot *s = target->snapshot;

    if (!s)
        return;
    control_refuse(s->call, CONTROL_ENDED, "ended", "the VM has ended");
    forget(s);
}

/* NULL: it cannot be now, and the call is answered. */
static const char *why_not(const struct control_target *target)
{
    const struct vm *vm = target->vm;

    if (target->snapshot)
        return "a snapshot of this VM is being taken";
    if (vm->debugger)
        return "the VM was started with --gdb, and its memory may have breakpoints";
    if (vm->core->request != VM_RUN_ON)
        return "the VM is being reset or ends";
    if (!sandbox_allows(SANDBOX_SNAPSHOT))
        return "the sandbox lets the VM write none: start it with --snapshots DIR, and give a "
               "folder in DIR, or with --sandbox off";
    return NULL;
}

/* What the body asks for. */
struct request {
    const char *folder, *base;
    bool stop, track;
};

static bool is_path(const json_t *value)
{
    const char *path = json_string_value(value);

    return path && path[0] == '/';
}

static bool read_request(const json_t *body, struct request *request)
{
    const json_t *base = json_object_get(body, "base"), *stop = json_object_get(body, "stop");
    const json_t *track = json_object_get(body, "track");

    *request = (struct request){
        .folder = json_string_value(json_object_get(body, "directory")),
        .base = json_string_value(base),
        .stop = json_is_true(stop),
        .track = json_is_true(track),
    };
    return is_path(json_object_get(body, "directory")) && (!base || is_path(base)) &&
           (!stop || json_is_boolean(stop)) && (!track || json_is_boolean(track));
}

static void start(struct control_call *call, const struct request *request)
{
    struct control_target *target = call->target;
    struct control_snapshot *s = calloc(1, sizeof(*s));
    int error;

    if (!s) {
        control_answer(call, CONTROL_FAILED, NULL);
        return;
    }
    *s = (struct control_snapshot){
        .target = target,
        .call = call,
        .stop = request->stop,
        .track = request->track,
        .was_paused = vm_is_pausing(target->vm),
        .folder = strdup(request->folder),
        .base = request->base ? strdup(request->base) : NULL,
        .tick = evtimer_new(target->base, tick, s),
        .since_ns = clock_now_ns(),
    };
    target->snapshot = s;
    error = s->folder && s->tick && !s->base == !request->base ? vm_pause(target->vm) : -ENOMEM;
    if (error)
        refuse(s, error, strerror(-error));
    else
        tick(-1, 0, s);
}

void control_vm_snapshot(struct control_call *call)
{
    const char *conflict = why_not(call->target);
    json_t *body = conflict ? NULL : control_body(call);
    struct request request;

    if (conflict)
        control_refuse(call, CONTROL_CONFLICT, call->target->snapshot ? "busy" : "not-possible",
                       "snapshot: %s", conflict);
    else if (body && !read_request(body, &request))
        control_refuse(call, CONTROL_BAD_REQUEST, "bad-body",
                       "give {\"directory\": \"/PATH\"}, and if wanted \"base\": \"/PATH\", "
                       "\"track\" or \"stop\": true or false");
    else if (body)
        start(call, &request);
    json_decref(body);
}
