/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control interface of a VM: HTTP on a Unix socket, JSON in the bodies. docs/openapi.json
 * describes it.
 *
 * It runs in the event loop and never waits in it: an action that takes time is answered later.
 * What clients can take is limited: connections, the size of a request, and how long one may take
 * to send a request or to read the answer.
 */
#pragma once

#include <event2/event.h>
#include <jansson.h>
#include <sys/types.h>

struct control;
struct vm;

struct control_config {
    struct event_base *base;
    const char *path;           /* of the socket */
    const char *name;           /* of the VM */
    pid_t pid;                  /* the process that stands for it to users; 0: this one */
    json_t *options;            /* an object for /vm, or NULL */
    json_t *saved_options;      /* those that a snapshot has, or NULL */
    void (*kill)(void *opaque); /* end the VM at once */
    void *opaque;
    unsigned patience_ms; /* for a client to send a request, or to read the answer; 0: 10000 */
};

/*
 * Listens. Connections wait until control_start(). The strings and the object live as long as the interface. 0, or
 * -errno as listener_open() has it, after a message.
 */
int control_open(const struct control_config *config, struct control **control);

/* The VM runs: requests are answered from now on. */
void control_start(struct control *control, struct vm *vm);

/*
 * Removes the socket. Call it when the devices are gone, so that each of their commands has been
 * answered, and before the event base is freed. What was answered last still gets to its client.
 * NULL is allowed.
 */
void control_close(struct control *control);
