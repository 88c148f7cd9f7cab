/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request and its answer, apart from the connection that it came by: what the files of
 * vmm/control/ share, and what the tests and the fuzzer call.
 */
#pragma once

#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/control/control_origin.h"
#include "vmm/vm/vm.h"

#define CONTROL_ARGS_MAX 2u
#define CONTROL_BODY_MAX (64u << 10) /* bytes */
#define CONTROL_SAID_MAX 400u        /* of a device's message, with the NUL */

/* Statuses of HTTP, as this interface uses them. */
enum control_status {
    CONTROL_OK = 200,
    CONTROL_ACCEPTED = 202,    /* it will be done */
    CONTROL_BAD_REQUEST = 400, /* no such request can succeed */
    CONTROL_FORBIDDEN = 403,   /* another site's page asks */
    CONTROL_NOT_FOUND = 404,
    CONTROL_BAD_METHOD = 405,
    CONTROL_CONFLICT = 409, /* not in this state */
    CONTROL_TOO_LARGE = 413,
    CONTROL_FAILED = 500,
    CONTROL_ENDED = 503, /* the VM or the device is gone */
};

struct control_call;

/* The VM, as the handlers of requests know it. */
struct control_target {
    struct vm *vm;
    const char *name;
    pid_t pid;             /* 0: this process */
    json_t *options;       /* an object, or NULL */
    json_t *saved_options; /* those that a snapshot has, or NULL */
    int64_t started_ns;    /* CLOCK_MONOTONIC */
    void (*kill)(void *opaque);
    void *opaque;
    struct event *tick;           /* while something waits */
    unsigned rest_ms;             /* how long it may wait for the devices to come to rest */
    struct control_call *waiting; /* for the VM to have paused, or to go on */
    bool goes_on;                 /* when it has paused: who asked for that waits no more */
    struct event_base *base;
    struct control_snapshot *snapshot; /* that is being taken, or NULL */
    struct control_stream *streams;    /* answers that go on */
};

/* What is sent for a call. `text` may be NULL; `allow` is the value of that header, or NULL. */
struct control_answer {
    enum control_status status;
    const char *type;
    const char *text;
    size_t size;
    const char *allow;
};

/* A connection that a handler has taken for itself: it answers by writing. */
struct control_connection_ops {
    /* A descriptor of the handler's, which does not block; or -errno. close() is due then. */
    int (*take)(struct control_call *call);
    bool (*is_gone)(const struct control_call *call); /* the client is */
    void (*close)(struct control_call *call);         /* ends the call */
};

struct control_call {
    struct control_target *target;
    enum evhttp_cmd_type method;
    const char *path;  /* as it was sent, without the query */
    const char *query; /* NULL: none */
    const char *body;  /* NULL if size is 0 */
    size_t body_size;
    bool from_browser;          /* it would rather have HTML */
    struct control_origin from; /* what a browser says of the page that asks */
    void (*answered)(struct control_call *call, const struct control_answer *answer);
    const struct control_connection_ops *connection; /* NULL: it cannot be taken */
    void *opaque;

    /* From here on control_route() fills in. */
    char *args[CONTROL_ARGS_MAX]; /* the parts of the path that the route leaves open, decoded */
    const char *subject;          /* begins the message of control_answer_error() */
    const char *hint;             /* what the command of a device takes */
    char said[CONTROL_SAID_MAX];  /* why a device refuses: the error that it has logged; or "" */
    struct control_call *next;    /* in target->waiting */
    int64_t deadline_ms;          /* of its wait there */
    bool resumes;                 /* it waits to go on, not to stand still */
};

/* 0 or -ENOMEM. */
int control_target_init(struct control_target *target, struct event_base *base);

/* What still waits is answered: the VM is gone. */
void control_target_end(struct control_target *target);

/* The part of control_target_end() that ends a snapshot which is being taken. */
void control_snapshot_end(struct control_target *target);

/* The part that ends what clients read from. */
void control_streams_end(struct control_target *target);

/* Call `answered` once: now, or later, but not after control_target_end(). */
void control_route(struct control_call *call);

/* One line for each route, "METHOD /path": an array of strings. */
json_t *control_routes(void);

/*
 * Answers. Each ends the call, which its owner may free meanwhile. `json` is stolen; NULL: there was
 * no memory for it.
 */
void control_answer(struct control_call *call, enum control_status status, json_t *json);
void control_answer_text(struct control_call *call, const char *type, const char *text);

/* The one form of all errors: {"error": {"code": ..., "message": ...}}. */
void control_refuse(struct control_call *call, enum control_status status, const char *code,
                    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/*
 * The same for a -errno. The message begins with `call->subject`; then comes `call->said`, if a device
 * has said something, else the errno's text and `hint`, which may be NULL.
 */
void control_answer_error(struct control_call *call, int error, const char *hint);

/* The body, an object; an empty body is an empty one. NULL: it is none, and the call is answered. */
json_t *control_body(struct control_call *call);

/* A string; what is not UTF-8 in it becomes '?'. */
json_t *control_text(const char *text);

/* What GET /vm and POST /vm/ACTION call the state. */
const char *control_state(struct vm *vm);

/* Time on a physical CPU until now. */
uint64_t control_vcpu_run_ns(const struct vm *vm, unsigned index);

/* As JSON has no more than 63 bits, what is above is cut to that. */
json_t *control_number(uint64_t number);

/* Handlers: control_vm.c, control_devices.c, control_exits.c, control_metrics.c,
   control_page.c, control_trace.c, control_record.c, control_console.c. */
typedef void control_handler(struct control_call *call);
control_handler control_vm_show, control_vm_pause, control_vm_resume, control_vm_stop,
    control_vm_kill, control_vm_reset, control_vm_snapshot, control_vcpus_list;
control_handler control_devices_list, control_devices_show, control_devices_set,
    control_devices_command, control_disks_list, control_networks_list;
control_handler control_exits_list, control_metrics_show, control_page_show, control_trace_show;
control_handler control_record_show, control_record_stop;
control_handler control_console_show, control_console_type;
