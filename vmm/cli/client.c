/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/control/control_path.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define ANSWER_MAX (16u << 20) /* bytes */
#define CHUNK      65536u
#define PATH_SIZE  256u
#define HEAD_MAX   CLIENT_HEAD_MAX
#define LOOK_MS    100 /* between looks for a signal */

/* `suffix` is what follows the path of the control socket. A descriptor or -errno. */
static int connect_to(const char *vm, const char *suffix, int type)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t room = sizeof(address.sun_path) - strlen(suffix);
    int fd, error = 0;

    if (strchr(vm, '/') == NULL) {
        if (!control_name_valid(vm))
            return -ENOENT;
        error = control_path(vm, address.sun_path, room);
    } else if (strlen(vm) < room) {
        strcpy(address.sun_path, vm);
    } else {
        error = -ENAMETOOLONG;
    }
    if (error)
        return error;
    strcat(address.sun_path, suffix);
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    error = -errno;
    close(fd);
    return error;
}

int client_connect(const char *vm)
{
    return connect_to(vm, "", SOCK_STREAM);
}

int client_connect_keeper(const char *vm)
{
    return connect_to(vm, CONTROL_KEEPER_SUFFIX, SOCK_SEQPACKET);
}

void client_complain(const char *vm, int error)
{
    if (error == -ENOENT || error == -ECONNREFUSED)
        log_error("there is no VM '%s'; 'vmm ps' lists those that run", vm);
    else if (error == -ENXIO)
        log_error("VM '%s': " CONTROL_NO_FOLDER, vm);
    else
        log_error("VM '%s': %s", vm, strerror(-error));
}

/* Wait for the descriptor; 0, or -ETIMEDOUT. */
static int wait_until(int fd, short events, int64_t end_ms)
{
    struct pollfd wait = {.fd = fd, .events = events};
    int64_t left = end_ms - clock_now_ms();

    return left > 0 && poll(&wait, 1, (int)left) > 0 ? 0 : -ETIMEDOUT;
}

static int send_all(int fd, const char *text, size_t size, int64_t end_ms)
{
    while (size) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0) {
            text += n;
            size -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        } else if (wait_until(fd, POLLOUT, end_ms)) {
            return -ETIMEDOUT;
        }
    }
    return 0;
}

/* Up to the end of the connection: free() it. */
static int receive_all(int fd, char **text, int64_t end_ms)
{
    char *all = NULL;
    size_t size = 0;
    ssize_t n;
    int error;

    do {
        char *more = realloc(all, size + CHUNK + 1);

        error = !more || size > ANSWER_MAX ? -ENOMEM : wait_until(fd, POLLIN, end_ms);
        if (more)
            all = more;
        n = error ? -1 : recv(fd, all + size, CHUNK, 0);
        if (n < 0 && !error)
            error = -errno;
        if (n > 0)
            size += (size_t)n;
    } while (n > 0);
    if (error) {
        free(all);
        return error;
    }
    all[size] = '\0';
    *text = all;
    return 0;
}

/* "HTTP/1.0 200 OK", headers, an empty line, and the body. */
static int parse_answer(const char *text, struct client_answer *answer)
{
    const char *body = strstr(text, "\r\n\r\n");

    if (!body || sscanf(text, "HTTP/1.%*1[01] %3u", &answer->status) != 1)
        return -EPROTO;
    answer->text = strdup(body + 4);
    if (!answer->text)
        return -ENOMEM;
    answer->json = json_loads(answer->text, 0, NULL);
    return 0;
}

/* A connection on which the request is sent; or -errno without a message, as client_connect(). */
static int send_request(const char *vm, const char *method, const char *path, const void *content,
                        size_t content_size, int64_t end_ms)
{
    char head[PATH_SIZE + 2048];
    int fd = client_connect(vm), size, error = fd < 0 ? fd : 0;

    size = snprintf(head, sizeof(head), "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n", method,
                    path, content_size);
    if (!error)
        error = (size_t)size < sizeof(head) ? send_all(fd, head, (size_t)size, end_ms) : -E2BIG;
    if (!error)
        error = send_all(fd, content, content_size, end_ms);
    if (error && fd >= 0)
        close(fd);
    return error ? error : fd;
}

static void complain(const char *vm, int error, int timeout_ms)
{
    if (error == -ETIMEDOUT)
        log_error("VM '%s' has not answered for %d s", vm, timeout_ms / 1000);
    else if (error == -EPROTO)
        log_error("VM '%s' has ended, or what listens there is no VM", vm);
    else
        client_complain(vm, error);
}

/* A request with its answer. 0 or -errno after a message. */
static int ask(const char *vm, const char *method, const char *path, const void *content,
               size_t content_size, int timeout_ms, struct client_answer *answer)
{
    int64_t end_ms = clock_now_ms() + timeout_ms;
    char *text = NULL;
    int fd = send_request(vm, method, path, content, content_size, end_ms);
    int error = fd < 0 ? fd : 0;

    *answer = (struct client_answer){0};
    if (!error)
        error = receive_all(fd, &text, end_ms);
    if (!error)
        error = parse_answer(text, answer);
    if (error)
        complain(vm, error, timeout_ms);
    free(text);
    if (fd >= 0)
        close(fd);
    return error;
}

int client_request(const char *vm, const char *method, const char *path, const json_t *body,
                   int timeout_ms, struct client_answer *answer)
{
    char *content = body ? json_dumps(body, 0) : strdup("");
    int error = -ENOMEM;

    *answer = (struct client_answer){0};
    if (content)
        error = ask(vm, method, path, content, strlen(content), timeout_ms, answer);
    else
        complain(vm, error, timeout_ms);
    free(content);
    return error;
}

static void refused(const char *vm, const struct client_answer *answer)
{
    const char *message =
        json_string_value(json_object_get(json_object_get(answer->json, "error"), "message"));

    log_error("VM '%s': %s", vm, message ? message : "an answer that is not understood");
}

/* It may do later what it is asked for. */
static bool is_busy(const struct client_answer *answer)
{
    const char *code =
        json_string_value(json_object_get(json_object_get(answer->json, "error"), "code"));

    return answer->status / 100 != 2 && code && strcmp(code, "busy") == 0;
}

json_t *client_do(const char *vm, const char *method, const char *path, const json_t *body,
                  int timeout_ms)
{
    struct client_answer answer;
    json_t *json = NULL;

    if (client_request(vm, method, path, body, timeout_ms, &answer))
        return NULL;
    if (answer.status / 100 == 2 && answer.json) {
        json = json_incref(answer.json);
    } else {
        refused(vm, &answer);
    }
    client_answer_free(&answer);
    return json;
}

/*
 * Streams
 */

/* More of it, behind what is there. 1; 0: it has ended; -errno. */
static int receive_more(int fd, char *data, size_t *size, size_t room, int64_t end_ms)
{
    int error = wait_until(fd, POLLIN, end_ms);
    ssize_t n = error ? 0 : recv(fd, data + *size, room - *size, 0);

    if (n > 0)
        *size += (size_t)n;
    return error ? error : n < 0 ? -errno : n > 0;
}

/* The answer's head, and what came with it of its body: at *body. 0 or -errno. */
static int receive_head(int fd, char *data, size_t *size, char **body, int64_t end_ms)
{
    do {
        int got = *size < HEAD_MAX ? receive_more(fd, data, size, HEAD_MAX, end_ms) : -EPROTO;

        if (got <= 0)
            return got ? got : -EPROTO;
        data[*size] = '\0';
        *body = strstr(data, "\r\n\r\n");
    } while (!*body);
    *body += 4;
    return 0;
}

/* What is not 2xx ends, and says why. */
static int receive_refusal(const char *vm, int fd, char *data, size_t size, int64_t end_ms)
{
    struct client_answer answer = {0};

    while (size < HEAD_MAX && receive_more(fd, data, &size, HEAD_MAX, end_ms) > 0)
        ;
    data[size] = '\0';
    if (parse_answer(data, &answer))
        return -EPROTO;
    refused(vm, &answer);
    client_answer_free(&answer);
    return -EREMOTEIO;
}

static int relay(int fd, bool (*take)(void *opaque, const char *data, size_t size), void *opaque,
                 const volatile sig_atomic_t *enough)
{
    static char data[CHUNK];

    while (!*enough) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n;

        /* A signal may come just before poll(). */
        if (poll(&wait, 1, LOOK_MS) <= 0)
            continue;
        n = recv(fd, data, sizeof(data), 0);
        if (n < 0 && errno != ECONNRESET)
            return -errno;
        if (n <= 0 || !take(opaque, data, (size_t)n))
            return 0;
    }
    return 0;
}

int client_stream_open(const char *vm, const char *path, char body[CLIENT_HEAD_MAX], size_t *size)
{
    static char data[HEAD_MAX + 1];
    int64_t end_ms = clock_now_ms() + CLIENT_TIMEOUT_MS;
    int fd = send_request(vm, "GET", path, "", 0, end_ms), error = fd < 0 ? fd : 0;
    unsigned status = 0;
    size_t got = 0;
    char *begin;

    if (!error)
        error = receive_head(fd, data, &got, &begin, end_ms);
    if (!error && sscanf(data, "HTTP/1.%*1[01] %3u", &status) != 1)
        error = -EPROTO;
    if (!error && status / 100 != 2)
        error = receive_refusal(vm, fd, data, got, end_ms);
    if (error && error != -EREMOTEIO)
        complain(vm, error, CLIENT_TIMEOUT_MS);
    if (error && fd >= 0)
        close(fd);
    if (error)
        return error;
    *size = got - (size_t)(begin - data);
    memcpy(body, begin, *size);
    return fd;
}

int client_stream(const char *vm, const char *path,
                  bool (*take)(void *opaque, const char *data, size_t size), void *opaque,
                  const volatile sig_atomic_t *enough)
{
    static char body[CLIENT_HEAD_MAX];
    size_t size;
    int fd = client_stream_open(vm, path, body, &size), error = 0;

    if (fd < 0)
        return fd;
    if (!size || take(opaque, body, size))
        error = relay(fd, take, opaque, enough);
    if (error)
        complain(vm, error, CLIENT_TIMEOUT_MS);
    close(fd);
    return error;
}

int client_post(const char *vm, const char *path, const void *data, size_t size)
{
    struct client_answer answer;
    int error = ask(vm, "POST", path, data, size, CLIENT_TIMEOUT_MS, &answer);

    if (!error && is_busy(&answer)) {
        error = -EBUSY;
    } else if (!error && answer.status / 100 != 2) {
        refused(vm, &answer);
        error = -EREMOTEIO;
    }
    client_answer_free(&answer);
    return error;
}

json_t *client_get(const char *vm, const char *path)
{
    return client_do(vm, "GET", path, NULL, CLIENT_TIMEOUT_MS);
}

json_t *client_get_device(const char *vm, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "/devices/%s", name);
    return client_get(vm, path);
}

void client_answer_free(struct client_answer *answer)
{
    json_decref(answer->json);
    free(answer->text);
}
