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

int client_request(const char *vm, const char *method, const char *path, const json_t *body,
                   int timeout_ms, struct client_answer *answer)
{
    int64_t end_ms = clock_now_ms() + timeout_ms;
    char *content = body ? json_dumps(body, 0) : strdup(""), *request = NULL, *text = NULL;
    int fd = client_connect(vm), size, error;

    *answer = (struct client_answer){0};
    if (fd < 0) {
        client_complain(vm, fd);
        free(content);
        return fd;
    }
    size = content ? asprintf(&request, "%s %s HTTP/1.0\r\nContent-Length: %zu\r\n\r\n%s", method,
                              path, strlen(content), content)
                   : -1;
    error = size < 0 ? -ENOMEM : send_all(fd, request, (size_t)size, end_ms);
    if (!error)
        error = receive_all(fd, &text, end_ms);
    if (!error)
        error = parse_answer(text, answer);
    if (error == -ETIMEDOUT)
        log_error("VM '%s' has not answered for %d s", vm, timeout_ms / 1000);
    else if (error == -EPROTO)
        log_error("VM '%s' has ended, or what listens there is no VM", vm);
    else if (error)
        log_error("VM '%s': %s", vm, strerror(-error));
    free(text);
    if (size >= 0)
        free(request);
    free(content);
    close(fd);
    return error;
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
        const char *message =
            json_string_value(json_object_get(json_object_get(answer.json, "error"), "message"));

        log_error("VM '%s': %s", vm, message ? message : "an answer that is not understood");
    }
    client_answer_free(&answer);
    return json;
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
