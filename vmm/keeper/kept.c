/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/keeper/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"
#include "vmm/util/log.h"

#define KINDS 8u /* of things that are numbered */

static int kept_socket = -1;
static bool may_fail;

void kept_init(int socket)
{
    kept_socket = socket;
    fcntl(socket, F_SETFD, FD_CLOEXEC);
}

bool kept_has_keeper(void)
{
    return kept_socket >= 0;
}

pid_t kept_pid(void)
{
    return kept_has_keeper() ? getppid() : getpid();
}

unsigned kept_number(const char *kind)
{
    static struct {
        const char *kind;
        unsigned next;
    } numbers[KINDS];
    unsigned i = 0;

    while (numbers[i].kind && strcmp(numbers[i].kind, kind) != 0 && i < KINDS - 1)
        i++;
    numbers[i].kind = kind;
    return numbers[i].next++;
}

/* A request and its answer, whose descriptors replace those of the request. 0 or -errno. */
static int ask(struct keeper_message *message, struct keeper_fds *fds)
{
    int error = keeper_send(kept_socket, message, fds);

    if (!error)
        error = keeper_receive(kept_socket, message, fds);
    if (error <= 0)
        return error ? error : -EPIPE;
    return message->result < 0 ? message->result : 0;
}

/* One message at a time: this process has one thread that asks. */
static struct keeper_message *request(enum keeper_op op)
{
    static struct keeper_message message;

    message.op = op;
    message.length = 0;
    memset(message.name, 0, sizeof(message.name));
    return &message;
}

int kept_get(const char *fmt, ...)
{
    struct keeper_fds fds = {.count = 0};
    struct keeper_message *message;
    va_list ap;

    if (!kept_has_keeper())
        return -1;
    va_start(ap, fmt);
    message = request(KEEPER_GET);
    vsnprintf(message->name, sizeof(message->name), fmt, ap);
    va_end(ap);
    if (ask(message, &fds) == 0 && fds.count == 1)
        return fds.fd[0];
    keeper_fds_close(&fds);
    return -1;
}

int kept_put(int fd, const char *fmt, ...)
{
    struct keeper_fds fds = {.fd = {fd}, .count = 1};
    struct keeper_message *message;
    va_list ap;
    int error;

    if (!kept_has_keeper())
        return 0;
    va_start(ap, fmt);
    message = request(KEEPER_KEEP);
    vsnprintf(message->name, sizeof(message->name), fmt, ap);
    va_end(ap);
    error = ask(message, &fds);
    if (error)
        log_error("the keeper does not take '%s': %s", message->name, strerror(-error));
    return error;
}

int kept_ready(void)
{
    struct keeper_fds fds = {.count = 0};
    int error = ask(request(KEEPER_READY), &fds);

    may_fail = !error;
    if (!error && fds.count == 1)
        dup2(fds.fd[0], STDERR_FILENO);
    keeper_fds_close(&fds);
    return error;
}

bool kept_may_fail(void)
{
    return may_fail;
}

int kept_takes(int fd, const char *name)
{
    struct keeper_fds fds = {.fd = {fd}, .count = 1};
    struct keeper_message *message = request(KEEPER_TAKES);
    int error;

    snprintf(message->name, sizeof(message->name), "%s", name);
    error = ask(message, &fds);
    if (error)
        log_error("the keeper does not give the guest: %s", strerror(-error));
    may_fail = error;
    return error;
}

void kept_drop(const char *fmt, ...)
{
    struct keeper_fds fds = {.count = 0};
    struct keeper_message *message;
    va_list ap;

    if (!kept_has_keeper())
        return;
    va_start(ap, fmt);
    message = request(KEEPER_DROP);
    vsnprintf(message->name, sizeof(message->name), fmt, ap);
    va_end(ap);
    ask(message, &fds);
}

static int put_arguments(struct keeper_message *message, char *const argv[])
{
    for (; *argv; argv++) {
        size_t size = strlen(*argv) + 1;

        if (size > sizeof(message->text) - message->length)
            return -E2BIG;
        memcpy(message->text + message->length, *argv, size);
        message->length += (uint32_t)size;
    }
    return 0;
}

pid_t kept_start(char *const argv[], const int *fds, unsigned nr_fds, int output, uint16_t port,
                 int *status)
{
    struct keeper_fds passed = {.count = nr_fds};
    struct keeper_message *message;
    int error;

    *status = -1;
    if (nr_fds >= KEEPER_FDS_MAX)
        return -EINVAL;
    memcpy(passed.fd, fds, nr_fds * sizeof(*fds));
    if (!kept_has_keeper())
        return keeper_process_start(argv, &passed, output, port);
    message = request(KEEPER_START);
    message->result = port;
    error = put_arguments(message, argv);
    if (error)
        return error;
    passed.fd[passed.count++] = output;
    error = ask(message, &passed);
    if (error)
        return error;
    if (passed.count != 1) {
        keeper_fds_close(&passed);
        return -EPROTO;
    }
    *status = passed.fd[0];
    return message->result;
}

void kept_serving(void)
{
    struct keeper_fds none = {.count = 0};

    if (kept_has_keeper())
        ask(request(KEEPER_SERVING), &none);
}
