/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm console`: this terminal becomes a console of a VM that runs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/vm_command.h"
#include "vmm/util/log.h"
#include "vmm/util/write_all.h"

#define ESCAPE    0x01 /* Ctrl-a, as in `vmm run` */
#define CHUNK     4096u
#define MAX_FOUND 16u

/* How long the VM's socket may be away while its vmm is replaced. */
#define AGAIN_TRIES 20u
#define AGAIN_US    100000u

/* A back end that can be attached to. */
struct found {
    char device[64];
    char property[16];
    char path[PATH_MAX];
    bool is_socket;
};

/*
 * Which consoles there are
 */

/* "socket:PATH" or "pty:LINK". A path that is not absolute is the vmm's. */
static bool parse_back_end(const char *value, uint64_t pid, struct found *found)
{
    const char *path;

    found->is_socket = strncmp(value, "socket:", 7) == 0;
    if (!found->is_socket && strncmp(value, "pty:", 4) != 0)
        return false;
    path = strchr(value, ':') + 1;
    if (path[0] == '/')
        snprintf(found->path, sizeof(found->path), "%s", path);
    else
        snprintf(found->path, sizeof(found->path), "/proc/%llu/cwd/%s", (unsigned long long)pid,
                 path);
    return true;
}

/* Those of a device: its properties whose names begin with "chardev". */
static unsigned find_in(const json_t *device, uint64_t pid, struct found *found, unsigned count)
{
    const char *name;
    json_t *property;

    json_object_foreach(json_object_get(device, "properties"), name, property)
    {
        const char *value = vm_string(property, "value");

        if (strncmp(name, "chardev", 7) != 0 || !value || count == MAX_FOUND ||
            !parse_back_end(value, pid, &found[count]))
            continue;
        snprintf(found[count].device, sizeof(found[count].device), "%s", vm_string(device, "name"));
        snprintf(found[count].property, sizeof(found[count].property), "%s", name);
        count++;
    }
    return count;
}

/* -1 after a message. */
static int find_all(const char *vm, struct found *found)
{
    json_t *info = client_get(vm, "/vm"), *list = info ? client_get(vm, "/devices") : NULL, *device;
    unsigned count = 0;
    size_t i;

    json_array_foreach(json_object_get(list, "devices"), i, device)
    {
        json_t *details = client_get_device(vm, vm_string(device, "name"));

        count = find_in(details, vm_number(info, "pid"), found, count);
        json_decref(details);
    }
    json_decref(info);
    if (!list)
        return -1;
    json_decref(list);
    return (int)count;
}

/* The device that is on standard input and output. 1; 0: none is; -1 after a message. */
static int find_main(const char *vm, char *device, size_t size)
{
    json_t *info = client_get(vm, "/vm");
    const char *name = vm_string(info, "console");
    int found = !info ? -1 : name != NULL;

    if (found > 0)
        snprintf(device, size, "%s", name);
    json_decref(info);
    return found;
}

static const struct found *choose(const char *vm, const char *word, const struct found *found,
                                  unsigned count)
{
    char *end;
    unsigned long number = word ? strtoul(word, &end, 10) : 0;

    if (count == 0) {
        log_error("VM '%s' has no console to attach to: start it with --console socket:PATH, or "
                  "--device pl011,chardev=socket:PATH",
                  vm);
        return NULL;
    }
    if (!word && count == 1)
        return found;
    if (word && *word && !*end && number < count)
        return &found[number];
    for (unsigned i = 0; i < count && word; i++) {
        if (strcmp(found[i].device, word) == 0)
            return &found[i];
    }
    if (word)
        log_error("VM '%s' has no console '%s'. It has:", vm, word);
    else
        log_error("VM '%s' has several consoles: say which of", vm);
    for (unsigned i = 0; i < count; i++)
        log_error("  %u  %s %s %s", i, found[i].device, found[i].property, found[i].path);
    return NULL;
}

/*
 * Being one
 */

/* A descriptor or -errno. A socket's path has a slash, so client_connect() takes it for a path. */
static int attach(const struct found *found)
{
    int fd;

    if (found->is_socket)
        return client_connect(found->path);
    fd = open(found->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static struct termios tty_mode;
static bool tty_is_raw;

static void restore_tty(void)
{
    if (tty_is_raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &tty_mode);
    tty_is_raw = false;
}

static void make_tty_raw(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &tty_mode))
        return; /* it is no terminal */
    raw = tty_mode;
    cfmakeraw(&raw);
    tty_is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    atexit(restore_tty);
}

/* What is typed, without the escapes, goes to `out`. True: Ctrl-a d. */
static bool take_keys(const char *in, size_t size, char *out, size_t *out_size, bool *escaped)
{
    *out_size = 0;
    for (size_t i = 0; i < size; i++) {
        if (tty_is_raw && !*escaped && in[i] == ESCAPE) {
            *escaped = true;
            continue;
        }
        if (*escaped && in[i] == 'd')
            return true;
        /* Ctrl-a a and Ctrl-a Ctrl-a are Ctrl-a; another key is itself. */
        out[(*out_size)++] = *escaped && in[i] == 'a' ? (char)ESCAPE : in[i];
        *escaped = false;
    }
    return false;
}

/* Where keys go to: the descriptor, or the VM of this name. */
struct keys {
    int fd;
    const char *vm;
};

static int send_keys(const struct keys *to, const char *data, size_t size)
{
    if (!to->vm)
        return write_all(to->fd, data, size);
    return size ? client_post(to->vm, "/console", data, size) : 0;
}

/* Until the other end, or the user, has enough. True: the user. */
static bool relay(int fd, const struct keys *to)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    char in[CHUNK], out[CHUNK];
    bool escaped = false;
    size_t size;

    for (;;) {
        ssize_t n;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return true;
        if (fds[1].revents) {
            n = read(fd, in, sizeof(in));
            if (n <= 0)
                return false;
            if (write_all(STDOUT_FILENO, in, (size_t)n))
                return true;
        }
        if (fds[0].revents) {
            n = read(STDIN_FILENO, in, sizeof(in));
            if (n <= 0)
                fds[0].fd = -1; /* the output may go on */
            else if (take_keys(in, (size_t)n, out, &size, &escaped) || send_keys(to, out, size))
                return true;
        }
    }
}

static void say_how_to_detach(const char *device, const char *vm)
{
    if (tty_is_raw)
        fprintf(stderr, "%s of VM '%s'; Ctrl-a d detaches, Ctrl-a a is Ctrl-a\r\n", device, vm);
}

/* The vmm may have been replaced: its successor listens soon. */
static bool listens_again(const char *vm)
{
    for (unsigned i = 0; i < AGAIN_TRIES; i++) {
        int fd = client_connect(vm);

        if (fd >= 0) {
            close(fd);
            return true;
        }
        usleep(AGAIN_US);
    }
    return false;
}

/* The console that `vmm run` has on its standard input and output. */
static int main_console(const char *vm, const char *device)
{
    const struct keys keys = {.vm = vm};
    static char body[CLIENT_HEAD_MAX];
    bool enough = false, told = false;
    size_t size;

    while (!enough) {
        int fd = client_stream_open(vm, "/console", body, &size);

        if (fd < 0) {
            restore_tty();
            return STATUS_VMM;
        }
        if (!told) {
            make_tty_raw();
            say_how_to_detach(device, vm);
        }
        told = true;
        enough = write_all(STDOUT_FILENO, body, size) || relay(fd, &keys);
        close(fd);
        enough = enough || !listens_again(vm);
    }
    restore_tty();
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    return STATUS_OK;
}

static int console(const struct vm_options *o)
{
    static struct found found[MAX_FOUND];
    char device[64];
    const struct found *one;
    struct keys keys;
    int count, fd;

    count = find_main(o->args[0], device, sizeof(device));
    if (count > 0 &&
        (!o->args[1] || strcmp(o->args[1], device) == 0 || strcmp(o->args[1], "stdio") == 0))
        return main_console(o->args[0], device);
    if (count >= 0)
        count = find_all(o->args[0], found);
    if (count < 0)
        return STATUS_VMM;
    one = choose(o->args[0], o->args[1], found, (unsigned)count);
    if (!one)
        return STATUS_VMM;
    fd = attach(one);
    if (fd < 0) {
        log_error("console '%s': %s", one->path, strerror(-fd));
        return STATUS_VMM;
    }
    make_tty_raw();
    say_how_to_detach(one->device, o->args[0]);
    keys = (struct keys){.fd = fd};
    relay(fd, &keys);
    restore_tty();
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    close(fd);
    return STATUS_OK;
}

static const struct option_row rows[] = {VM_OPTION_HELP};

static const struct vm_command console_command = {
    .usage = "NAME [CONSOLE]",
    .text = "Attach this terminal to a console of a VM: to the one that is on the vmm's standard "
            "input\n"
            "and output, with its last lines. Several can be attached, and all of them type; "
            "Ctrl-C is\n"
            "the guest's, and Ctrl-a d detaches. CONSOLE is another one, whose back end is a "
            "socket or\n"
            "a pty with a link: the name of its device, or a number from 0. A socket has one user "
            "at a\n"
            "time: a second one waits.",
    VM_ROWS(rows),
    .min_args = 1,
    .max_args = 2,
    .run = console,
};

const struct command command_console = {
    .name = "console", .summary = "attach to a VM's console", .vm = &console_command};
