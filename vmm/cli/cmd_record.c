/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm record`: a recording of a VM that runs, for `vmm replay`. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define LOOK_MS     100 /* between looks at the clock, and for a signal */
#define SECONDS_MAX 86400u

static volatile sig_atomic_t enough;

static void interrupted(int signal)
{
    enough = 1;
}

static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = interrupted}; /* poll() ends */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* True after a message that says why not. */
static bool stop(const char *vm)
{
    json_t *answer = client_do(vm, "POST", "/record/stop", NULL, CLIENT_TIMEOUT_MS);
    bool failed = !answer;

    json_decref(answer);
    return failed;
}

/* All that comes, until the VM closes the connection: it is told to when that is wanted. */
static int receive(const struct vm_options *o, int fd, FILE *file, uint64_t *bytes)
{
    int64_t end_ms = o->seconds ? clock_now_ms() + 1000 * (int64_t)o->seconds : INT64_MAX;
    bool told = false;
    char data[65536];

    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        ssize_t n;

        if (!told && (enough || clock_now_ms() >= end_ms)) {
            told = true;
            if (stop(o->args[0]))
                return -ECANCELED;
        }
        if (poll(&wait, 1, LOOK_MS) <= 0)
            continue;
        n = recv(fd, data, sizeof(data), 0);
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        if (fwrite(data, 1, (size_t)n, file) != (size_t)n)
            return -errno;
        *bytes += (uint64_t)n;
    }
}

/* The VM answers: only now is a file of that name lost. */
static int record_to_file(const struct vm_options *o, int fd, const char *first, size_t size)
{
    const char *path = o->args[1];
    FILE *file = fopen(path, "we");
    uint64_t bytes = size;
    int error = file && fwrite(first, 1, size, file) == size ? 0 : -errno;

    if (!error)
        error = receive(o, fd, file, &bytes);
    if (file && fclose(file) && !error)
        error = -errno;
    if (error && error != -ECANCELED)
        log_error("recording '%s': %s: it is not complete", path, strerror(-error));
    else if (!error)
        fprintf(stderr, "%s; 'vmm replay %s' runs the recording\n", vm_bytes(bytes), path);
    return error ? STATUS_VMM : STATUS_OK;
}

static int record(const struct vm_options *o)
{
    static char first[CLIENT_HEAD_MAX];
    size_t size;
    int fd, status;

    if (o->stop != (o->nr_args == 1)) {
        log_error("vmm record: give NAME and FILE, or --stop and NAME");
        return STATUS_USAGE;
    }
    if (o->stop)
        return stop(o->args[0]) ? STATUS_VMM : STATUS_OK;
    catch_signals();
    fd = client_stream_open(o->args[0], "/record", first, &size);
    if (fd < 0)
        return STATUS_VMM;
    status = record_to_file(o, fd, first, size);
    close(fd);
    return status;
}

static const struct option_row rows[] = {
    {.name = "time",
     .letter = 't',
     .type = OPTION_NUMBER,
     .argument = "SECONDS",
     .what = "time",
     VM_AT(seconds),
     .min = 1,
     .max = SECONDS_MAX,
     .help = "end after so many seconds (default: go on)"},
    {.name = "stop",
     .type = OPTION_FLAG,
     VM_AT(stop),
     .help = "end the recording that another command is making"},
    VM_OPTION_HELP,
};

static const struct vm_command record_command = {
    .usage = "NAME [FILE]",
    .text = "Record the exits of a VM from now on, with the vmm's answers and all that they depend "
            "on, for\n"
            "'vmm replay'. Ctrl-C ends it, and so do a pause, a reset and the end of the VM. The "
            "guest\n"
            "waits for no disk: if FILE cannot be written as fast as it makes exits, the recording "
            "ends.",
    VM_ROWS(rows),
    .min_args = 1,
    .max_args = 2,
    .run = record,
};

const struct command command_record = {
    .name = "record", .summary = "record a VM that runs, for replay", .vm = &record_command};
