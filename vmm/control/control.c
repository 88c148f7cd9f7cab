/* SPDX-License-Identifier: BSD-2-Clause */
/* The server: connections and their limits. What is asked is control_route.c's. */
#include "vmm/control/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vmm/control/control_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/listener.h"
#include "vmm/util/log.h"

#define CLIENTS_MAX 32u   /* more wait in the backlog */
#define PATIENCE_MS 10000 /* for a client to send a request, or to read the answer */

/*
 * evhttp answers a request beyond these itself, and not with JSON. So its limit is above ours,
 * which control_route() checks.
 */
#define HEADERS_MAX (16u << 10)
#define BODY_MAX    (4 * CONTROL_BODY_MAX)

#define ALL_METHODS                                                                            \
    (EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | \
     EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH)

/* A connection. Our reference keeps the bufferevent until we have seen that evhttp has freed it. */
struct client {
    struct client *next;
    struct bufferevent *buffer;
    int64_t deadline_ms;
    bool busy; /* it waits for our answer: no deadline counts */
};

struct control {
    struct control_target target;
    struct event_base *base;
    struct evhttp *http;
    struct listener *listener;
    struct event *sweep; /* while there are clients */
    struct client *clients;
    unsigned nr_clients;
    unsigned patience_ms;
    char *what; /* for messages */
};

struct request {
    struct control_call call;
    struct evhttp_request *http;
    struct control *control;
};

/*
 * Connections
 */

/* evhttp tells nobody when it frees a connection, but a bufferevent that is freed has no callbacks. */
static bool is_gone(const struct client *client)
{
    bufferevent_data_cb write_callback;
    bufferevent_event_cb event_callback;

    bufferevent_getcb(client->buffer, NULL, &write_callback, &event_callback, NULL);
    return !write_callback && !event_callback;
}

static void forget(struct control *control, struct client **at)
{
    struct client *client = *at;

    *at = client->next;
    control->nr_clients--;
    bufferevent_decref(client->buffer);
    free(client);
}

static void sweep_soon(struct control *control)
{
    unsigned ms = control->patience_ms / 4 < 1000 ? control->patience_ms / 4 : 999;
    struct timeval wait = {.tv_usec = 1000 * (control->nr_clients < CLIENTS_MAX ? ms : 20)};

    if (control->nr_clients)
        event_add(control->sweep, &wait);
}

static void sweep(evutil_socket_t fd, short what, void *opaque)
{
    struct control *control = opaque;
    int64_t now = clock_now_ms();

    for (struct client **at = &control->clients; *at;) {
        struct client *client = *at;

        if (is_gone(client)) {
            forget(control, at);
            continue;
        }
        if (!client->busy && now > client->deadline_ms)
            shutdown(bufferevent_getfd(client->buffer), SHUT_RDWR); /* evhttp sees the end of it */
        at = &client->next;
    }
    if (control->nr_clients < CLIENTS_MAX)
        listener_resume(control->listener);
    sweep_soon(control);
}

/*
 * evhttp has accepted a connection and wants the buffers for it. They close it, not evhttp: until forget()
 * libevent watches the descriptor, and would watch no other file that gets its number meanwhile.
 */
static struct bufferevent *new_client(struct event_base *base, void *opaque)
{
    struct control *control = opaque;
    struct client *client = calloc(1, sizeof(*client));
    struct bufferevent *buffer = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (!client || !buffer) {
        free(client);
        return buffer;
    }
    /* Input is also read while a client takes no answer: no more of it than one request has. */
    bufferevent_setwatermark(buffer, EV_READ, 0, HEADERS_MAX + BODY_MAX);
    bufferevent_incref(buffer);
    *client = (struct client){.next = control->clients,
                              .buffer = buffer,
                              .deadline_ms = clock_now_ms() + control->patience_ms};
    control->clients = client;
    if (++control->nr_clients >= CLIENTS_MAX)
        listener_pause(control->listener);
    sweep_soon(control);
    return buffer;
}

/* NULL: it is gone, or there was no memory for it. */
static struct client *client_of(const struct control *control, struct evhttp_request *http)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(http);
    struct bufferevent *buffer = connection ? evhttp_connection_get_bufferevent(connection) : NULL;
    struct client *client = control->clients;

    while (client && client->buffer != buffer)
        client = client->next;
    return client;
}

static void set_busy(const struct control *control, struct evhttp_request *http, bool busy)
{
    struct client *client = client_of(control, http);

    if (!client)
        return;
    client->busy = busy;
    client->deadline_ms = clock_now_ms() + control->patience_ms;
}

/*
 * Requests
 */

static void answered(struct control_call *call, const struct control_answer *answer)
{
    struct request *request = call->opaque;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request->http);
    struct evbuffer *body = evbuffer_new();
    char length[32];

    set_busy(request->control, request->http, false);
    snprintf(length, sizeof(length), "%zu", answer->size);
    if (request->call.method == EVHTTP_REQ_HEAD)
        evhttp_add_header(headers, "Content-Length", length);
    else if (body)
        evbuffer_add(body, answer->text, answer->size);
    evhttp_add_header(headers, "Content-Type", answer->type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    if (answer->allow)
        evhttp_add_header(headers, "Allow", answer->allow);
    evhttp_send_reply(request->http, (int)answer->status, NULL, body);
    if (body)
        evbuffer_free(body);
    free(request);
}

/*
 * Connections that handlers take. evhttp is still told when the client goes, which it drops from
 * the request, and reads what a client goes on to send, up to the buffer's limit.
 */

static int take(struct control_call *call)
{
    struct request *request = call->opaque;
    const struct client *client = client_of(request->control, request->http);
    int fd = client ? fcntl(bufferevent_getfd(client->buffer), F_DUPFD_CLOEXEC, 0) : -ENOTCONN;

    return fd == -1 ? -errno : fd;
}

static bool is_client_gone(const struct control_call *call)
{
    const struct request *request = call->opaque;
    const struct client *client = client_of(request->control, request->http);
    struct pollfd fd = {.events = POLLRDHUP};

    if (!client)
        return true;
    fd.fd = bufferevent_getfd(client->buffer);
    return poll(&fd, 1, 0) > 0 && fd.revents & (POLLHUP | POLLERR);
}

static void close_connection(struct control_call *call)
{
    struct request *request = call->opaque;
    struct evhttp_connection *connection = evhttp_request_get_connection(request->http);

    if (connection)
        evhttp_connection_free(connection); /* and the request */
    else
        evhttp_request_free(request->http);
    free(request);
}

static const struct control_connection_ops connection_ops = {
    .take = take, .is_gone = is_client_gone, .close = close_connection};

static void requested(struct evhttp_request *http, void *opaque)
{
    struct control *control = opaque;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(http);
    const char *path = evhttp_uri_get_path(uri);
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(http);
    const char *accept = evhttp_find_header(headers, "Accept");
    struct evbuffer *body = evhttp_request_get_input_buffer(http);
    struct request *request = calloc(1, sizeof(*request));

    if (!request) {
        evhttp_send_error(http, HTTP_SERVUNAVAIL, NULL);
        return;
    }
    request->http = http;
    request->control = control;
    request->call = (struct control_call){
        .target = &control->target,
        .method = evhttp_request_get_command(http),
        .path = path && *path ? path : "/",
        .query = evhttp_uri_get_query(uri),
        .from_browser = accept && strstr(accept, "text/html"),
        .from = {.host = evhttp_find_header(headers, "Host"),
                 .origin = evhttp_find_header(headers, "Origin"),
                 .fetch_site = evhttp_find_header(headers, "Sec-Fetch-Site"),
                 .fetch_mode = evhttp_find_header(headers, "Sec-Fetch-Mode")},
        .body_size = evbuffer_get_length(body),
        .body = (const char *)evbuffer_pullup(body, -1),
        .answered = answered,
        .connection = &connection_ops,
        .opaque = request,
    };
    set_busy(control, http, true);
    control_route(&request->call);
}

/*
 * Life
 */

static int start_http(struct control *control)
{
    control->sweep = evtimer_new(control->base, sweep, control);
    control->http = evhttp_new(control->base);
    if (!control->sweep || !control->http)
        return -ENOMEM;
    evhttp_set_allowed_methods(control->http, ALL_METHODS);
    evhttp_set_max_headers_size(control->http, HEADERS_MAX);
    evhttp_set_max_body_size(control->http, BODY_MAX);
    evhttp_set_bevcb(control->http, new_client, control);
    evhttp_set_gencb(control->http, requested, control);
    return control_target_init(&control->target, control->base);
}

int control_open(const struct control_config *config, struct control **control)
{
    struct control *new = calloc(1, sizeof(*new));
    struct listener_config listener = {
        .base = config->base, .path = config->path, .mode = 0600, .quiet = true};
    int error = -ENOMEM;

    if (!new || asprintf(&new->what, "control socket '%s'", config->path) < 0)
        goto out;
    signal(SIGPIPE, SIG_IGN); /* a client may go at any time */
    new->base = config->base;
    new->patience_ms = config->patience_ms ? config->patience_ms : PATIENCE_MS;
    new->target.name = config->name;
    new->target.pid = config->pid;
    new->target.options = config->options;
    new->target.saved_options = config->saved_options;
    new->target.kill = config->kill;
    new->target.opaque = config->opaque;
    error = start_http(new);
    if (error)
        goto out;
    listener.what = new->what;
    listener.http = new->http;
    error = listener_open(&listener, &new->listener);
    if (error == -EADDRINUSE)
        log_error("a VM of the name '%s' runs already (control socket '%s'): give this one another "
                  "--name, or another socket by --control",
                  config->name, config->path);
    if (error)
        goto out;
    listener_pause(new->listener);
    *control = new;
    return 0;
out:
    if (error == -ENOMEM)
        log_error("no memory for the control interface");
    control_close(new);
    return error;
}

void control_start(struct control *control, struct vm *vm)
{
    control->target.vm = vm;
    listener_resume(control->listener);
}

/* No turn of the loop comes any more that could send what is left of the answers. */
static void flush(const struct client *client)
{
    struct evbuffer *output = bufferevent_get_output(client->buffer);

    if (is_gone(client))
        return;
    evbuffer_unfreeze(output, 1);
    evbuffer_write(output, bufferevent_getfd(client->buffer));
}

void control_close(struct control *control)
{
    if (!control)
        return;
    listener_close(control->listener);
    control_target_end(&control->target);
    while (control->clients) {
        flush(control->clients);
        forget(control, &control->clients);
    }
    if (control->http)
        evhttp_free(control->http);
    if (control->sweep)
        event_free(control->sweep);
    free(control->what);
    free(control);
}
