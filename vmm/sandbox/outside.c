/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/sandbox/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/util/fd_message.h"

#define PROGRAM_NAME "vmm-outside"

enum operation { OUTSIDE_ADD, OUTSIDE_DO, OUTSIDE_FORGET, OUTSIDE_SEAL };

/* What is sent there. The function's address is the same in both: one is the fork of the other. */
struct message {
    enum operation operation;
    int number;
    bool at_end;
    outside_task *task;
    size_t size; /* of the data that follow */
};

struct reply {
    int error;
    int value;
};

struct task {
    outside_task *task; /* NULL: free */
    bool at_end;
    size_t size;
    void *data;
};

/* In the process that does the tasks. */
static struct task *tasks;
static int nr_tasks;

static int to_outside = -1; /* -1: the tasks are done here */
static pid_t outside_pid;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * The tasks
 */

static int add(outside_task *task, const void *data, size_t size, bool at_end)
{
    void *copy = malloc(size ? size : 1);
    int number = 0;

    while (number < nr_tasks && tasks[number].task)
        number++;
    if (copy && number == nr_tasks) {
        struct task *more = realloc(tasks, ((size_t)nr_tasks + 1) * sizeof(*tasks));

        if (more) {
            tasks = more;
            nr_tasks++;
        } else {
            free(copy);
            copy = NULL;
        }
    }
    if (!copy)
        return -ENOMEM;
    memcpy(copy, data, size);
    tasks[number] = (struct task){.task = task, .at_end = at_end, .size = size, .data = copy};
    return number;
}

static void forget(int number)
{
    bool last = true;

    if (number < 0 || number >= nr_tasks || !tasks[number].task)
        return;
    free(tasks[number].data);
    tasks[number] = (struct task){0};
    for (int i = 0; i < nr_tasks; i++)
        last = last && !tasks[i].task;
    if (!last)
        return;
    free(tasks);
    tasks = NULL;
    nr_tasks = 0;
}

static int perform(int number, bool away, struct outside_result *result)
{
    int error;

    *result = (struct outside_result){0};
    if (number < 0 || number >= nr_tasks || !tasks[number].task)
        return -ENOENT;
    error = tasks[number].task(tasks[number].data, tasks[number].size, away, result);
    if (tasks[number].at_end)
        forget(number);
    return error;
}

/*
 * The other process
 */

static void send_reply(int fd, int error, const struct outside_result *result)
{
    struct reply reply = {.error = error, .value = result->value};

    fd_message_send(fd, &reply, sizeof(reply), result->fds, result->nr_fds);
    for (unsigned i = 0; i < result->nr_fds; i++)
        close(result->fds[i]);
}

/* A name of its own in ps and pgrep, in place of the vmm's command line. */
static void take_name(void)
{
    static char line[64 << 10];
    int fd = open("/proc/self/cmdline", O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, line, sizeof(line)) : -1;

    if (fd >= 0)
        close(fd);
    prctl(PR_SET_NAME, PROGRAM_NAME);
    if (size <= (ssize_t)sizeof(PROGRAM_NAME) || strcmp(line, program_invocation_name) != 0)
        return;
    memset(program_invocation_name, 0, (size_t)size);
    strcpy(program_invocation_name, PROGRAM_NAME);
}

/* The vmm's signals and terminal are the vmm's. */
static int stand_apart(int fd)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU, SIGPWR};
    int null = open("/dev/null", O_RDWR);

    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    setpgid(0, 0);
    take_name();
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    fd = dup2(fd, STDERR_FILENO + 1);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    syscall(SYS_close_range, STDERR_FILENO + 2, ~0u, 0u);
    return fd;
}

static _Noreturn void outside_main(int fd)
{
    static char data[OUTSIDE_DATA_MAX];
    struct message message;
    struct iovec iov[] = {{&message, sizeof(message)}, {data, sizeof(data)}};
    struct outside_result result;
    bool sealed = false;
    ssize_t n;

    fd = stand_apart(fd);
    while ((n = readv(fd, iov, 2)) > 0 || (n < 0 && errno == EINTR)) {
        int error = -EPERM;

        result = (struct outside_result){0};
        if (n < (ssize_t)sizeof(message))
            continue;
        switch (message.operation) {
        case OUTSIDE_ADD:
            if (!sealed && message.size == (size_t)n - sizeof(message))
                error = add(message.task, data, message.size, message.at_end);
            break;
        case OUTSIDE_DO: error = perform(message.number, true, &result); break;
        case OUTSIDE_FORGET:
            forget(message.number);
            error = 0;
            break;
        case OUTSIDE_SEAL:
            sealed = true;
            error = 0;
            break;
        }
        send_reply(fd, error, &result);
    }
    for (int i = 0; i < nr_tasks; i++) {
        if (tasks[i].at_end)
            perform(i, true, &result);
    }
    _exit(0);
}

/*
 * The vmm's side
 */

/* What it answers: a number or -errno. Under the lock. */
static int ask(const struct message *message, const void *data, struct outside_result *result)
{
    struct iovec parts[] = {{(void *)message, sizeof(*message)}, {(void *)data, message->size}};
    struct msghdr question = {.msg_iov = parts, .msg_iovlen = 2};
    struct reply reply;
    ssize_t n;

    do
        n = sendmsg(to_outside, &question, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    result->nr_fds = OUTSIDE_FDS;
    n = fd_message_receive(to_outside, &reply, sizeof(reply), result->fds, &result->nr_fds);
    if (n != (ssize_t)sizeof(reply))
        return n < 0 ? (int)n : -EPIPE;
    result->value = reply.value;
    return reply.error;
}

static int call(const struct message *message, struct outside_result *result)
{
    int error;

    pthread_mutex_lock(&lock);
    error = ask(message, NULL, result);
    pthread_mutex_unlock(&lock);
    return error;
}

int outside_start(void)
{
    int ends[2], size = 4 * (int)OUTSIDE_DATA_MAX;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    outside_pid = fork();
    if (outside_pid < 0) {
        int error = -errno;

        close(ends[0]);
        close(ends[1]);
        return error;
    }
    if (outside_pid == 0)
        outside_main(ends[1]);
    close(ends[1]);
    to_outside = ends[0];
    return 0;
}

void outside_seal(void)
{
    const struct message message = {.operation = OUTSIDE_SEAL};
    struct outside_result result;

    if (to_outside >= 0)
        call(&message, &result);
}

int outside_add(outside_task *task, const void *data, size_t size, bool at_end)
{
    const struct message message = {
        .operation = OUTSIDE_ADD, .at_end = at_end, .task = task, .size = size};
    struct outside_result result;
    int number;

    if (size > OUTSIDE_DATA_MAX)
        return -E2BIG;
    pthread_mutex_lock(&lock);
    number = to_outside < 0 ? add(task, data, size, at_end) : ask(&message, data, &result);
    pthread_mutex_unlock(&lock);
    return number;
}

int outside_do(int number, struct outside_result *result)
{
    const struct message message = {.operation = OUTSIDE_DO, .number = number};
    struct outside_result unused;
    int error;

    if (!result)
        result = &unused;
    if (to_outside >= 0)
        return call(&message, result);
    pthread_mutex_lock(&lock);
    error = perform(number, false, result);
    pthread_mutex_unlock(&lock);
    return error;
}

void outside_forget(int number)
{
    const struct message message = {.operation = OUTSIDE_FORGET, .number = number};
    struct outside_result result;

    if (number < 0)
        return;
    if (to_outside >= 0) {
        call(&message, &result);
        return;
    }
    pthread_mutex_lock(&lock);
    forget(number);
    pthread_mutex_unlock(&lock);
}

void outside_end(void)
{
    if (to_outside < 0)
        return;
    close(to_outside);
    to_outside = -1;
    while (waitpid(outside_pid, NULL, 0) < 0 && errno == EINTR)
        ;
}
