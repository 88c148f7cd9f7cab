/* SPDX-License-Identifier: BSD-2-Clause */
/* `vmm console`: this terminal becomes a console of a VM that runs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cli/client.h"
#include "vmm/cli/command.h"
#include "vmm/cli/terminal.h"
#include "vmm/cli/vm_command.h"
#include "vmm/util/log.h"
#include "vmm/util/write_all.h"

#define ESCAPE    0x01 /* Ctrl-a, as in `vmm run` */
#define CHUNK     4096u
#define MAX_FOUND 16u
#define BUSY_MS   50 /* between attempts to send keys to a guest that has no room for them */

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

/* What is typed, without the escapes, goes to `out`. True: Ctrl-a d. */
static bool take_keys(const char *in, size_t size, char *out, size_t *out_size, bool *escaped)
{
    *out_size = 0;
    for (size_t i = 0; i < size; i++) {
        if (terminal_is_taken() && !*escaped && in[i] == ESCAPE) {
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

/* Keys, and where they go to: the descriptor, or the VM of this name. */
struct keys {
    int fd;
    const char *vm;
    bool escaped; /* the last one was Ctrl-a */
    bool dropped; /* some, and that has been said */
    char left[CHUNK];
    size_t size; /* of what is left to be sent */
};

/* How a relay has ended. */
enum relayed {
    RELAYED_ALL,    /* the other end has closed it */
    RELAYED_ENOUGH, /* the user has */
    RELAYED_PARTLY, /* after a message */
};

static enum relayed show(const char *data, size_t size)
{
    int error = write_all(STDOUT_FILENO, data, size);

    if (!error)
        return RELAYED_ALL;
    terminal_leave();
    log_error("standard output: %s", strerror(-error));
    return RELAYED_PARTLY;
}

/*
 * A guest that does not read its console has room for so much. A file waits until it has again; a
 * person does not, who wants to detach.
 */
static enum relayed send_keys(struct keys *keys)
{
    int error = !keys->size ? 0
                : keys->vm  ? client_post(keys->vm, "/console", keys->left, keys->size)
                            : write_all(keys->fd, keys->left, keys->size);

    if (error == -EBUSY && !terminal_is_taken())
        return RELAYED_ALL;
    if (error == -EBUSY && !keys->dropped)
        log_warn("console input: the guest does not read it: keys are dropped");
    keys->dropped |= error == -EBUSY;
    keys->size = 0;
    if (!error || error == -EBUSY)
        return RELAYED_ALL;
    if (!keys->vm)
        log_error("console input: %s", strerror(-error));
    return RELAYED_PARTLY;
}

/* RELAYED_ALL: there may be more. */
static enum relayed read_keys(struct keys *keys, bool *is_end)
{
    char in[CHUNK];
    ssize_t n = read(STDIN_FILENO, in, sizeof(in));

    *is_end = n <= 0;
    if (n > 0 && take_keys(in, (size_t)n, keys->left, &keys->size, &keys->escaped))
        return RELAYED_ENOUGH;
    return send_keys(keys);
}

/* Until the other end, or the user, has enough. */
static enum relayed relay(int fd, struct keys *keys)
{
    enum relayed relayed = RELAYED_ALL;
    bool is_end = false; /* of the input: the output may go on */
    char in[CHUNK];

    while (relayed == RELAYED_ALL) {
        struct pollfd fds[] = {
            {.fd = is_end || keys->size ? -1 : STDIN_FILENO, .events = POLLIN},
            {.fd = fd, .events = POLLIN},
        };
        int ready = poll(fds, 2, keys->size ? BUSY_MS : -1);

        if (ready > 0 && fds[1].revents) {
            ssize_t n = read(fd, in, sizeof(in));

            if (n <= 0)
                break;
            relayed = show(in, (size_t)n);
        }
        if (relayed == RELAYED_ALL && keys->size)
            relayed = send_keys(keys);
        else if (relayed == RELAYED_ALL && ready > 0 && fds[0].revents)
            relayed = read_keys(keys, &is_end);
    }
    return relayed;
}

static void say_how_to_detach(const char *device, const char *vm)
{
    if (terminal_is_taken())
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

static int leave(enum relayed relayed)
{
    terminal_leave();
    if (isatty(STDERR_FILENO))
        fputc('\n', stderr);
    return relayed == RELAYED_PARTLY ? STATUS_VMM : STATUS_OK;
}

/* The console that `vmm run` has on its standard input and output. */
static int main_console(const char *vm, const char *device)
{
    struct keys keys = {.vm = vm};
    static char body[CLIENT_HEAD_MAX];
    enum relayed relayed;
    bool told = false;
    size_t size;

    do {
        int fd = client_stream_open(vm, "/console", body, &size);

        if (fd < 0) {
            terminal_leave();
            return STATUS_VMM;
        }
        if (!told) {
            terminal_take(TERMINAL_RAW);
            say_how_to_detach(device, vm);
        }
        told = true;
        relayed = show(body, size);
        if (relayed == RELAYED_ALL)
            relayed = relay(fd, &keys);
        close(fd);
    } while (relayed == RELAYED_ALL && listens_again(vm));
    return leave(relayed);
}

static int console(const struct vm_options *o)
{
    static struct found found[MAX_FOUND];
    char device[64];
    const struct found *one;
    enum relayed relayed;
    struct keys keys = {0};
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
    terminal_take(TERMINAL_RAW);
    say_how_to_detach(one->device, o->args[0]);
    keys.fd = fd;
    relayed = relay(fd, &keys);
    close(fd);
    return leave(relayed);
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
