/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands' side of the control interface (vmm/control/control.h): requests that wait for their answer. */
#pragma once

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#define CLIENT_TIMEOUT_MS 10000

struct client_answer {
    unsigned status; /* of HTTP */
    json_t *json;    /* the body; NULL: it is no JSON */
    char *text;      /* the body */
};

/*
 * The VM's socket: `vm` is its name, or a path if a slash is in it. A descriptor; or -errno without
 * a message: -ENOENT or -ECONNREFUSED if no such VM runs; -ENXIO: as of control_folder().
 */
int client_connect(const char *vm);

/* The same, of its keeper. */
int client_connect_keeper(const char *vm);

/* Says what a -errno of client_connect() means. */
void client_complain(const char *vm, int error);

/*
 * One request. `body` may be NULL. 0, and client_answer_free() is due, whatever the status; or
 * -errno after a message.
 */
int client_request(const char *vm, const char *method, const char *path, const json_t *body,
                   int timeout_ms, struct client_answer *answer);

/* The same, and a status other than 2xx is -EREMOTEIO after a message that says why. NULL: an error. */
json_t *client_get(const char *vm, const char *path);
json_t *client_do(const char *vm, const char *method, const char *path, const json_t *body,
                  int timeout_ms);

/* A POST whose body is no JSON. 0; -EBUSY without a message: not now; -errno after a message. */
int client_post(const char *vm, const char *path, const void *data, size_t size);

/* The details of a device. NULL: an error. */
json_t *client_get_device(const char *vm, const char *name);

void client_answer_free(struct client_answer *answer);

/*
 * An answer that goes on: a descriptor from which its body is read, of which *size bytes are in
 * `body` already; or -errno after a message.
 */
#define CLIENT_HEAD_MAX 8192u /* bytes */
int client_stream_open(const char *vm, const char *path, char body[CLIENT_HEAD_MAX], size_t *size);

/*
 * The same for as long as both want: `take` gets the pieces of the body. False ends it, as does
 * *enough, which a signal's handler may set. 0; -errno after a message.
 */
int client_stream(const char *vm, const char *path,
                  bool (*take)(void *opaque, const char *data, size_t size), void *opaque,
                  const volatile sig_atomic_t *enough);
