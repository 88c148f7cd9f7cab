/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/sandbox/child.h"
#include "vmm/sandbox/outside.h"
#include "vmm/util/log.h"

#define HELPER_PROGRAM "qemu-storage-daemon"
#define MESSAGE_MAX    1024u
#define ARGS_MAX       16u
#define LISTENER_FD    3 /* in the helper */
#define LAST_WORDS_MS  100
#define KILL_WAIT_MS   5000 /* for a killed process that the kernel does not let go of */

/* Exit statuses of a child that could not become the helper: as a shell has them. */
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND  127

struct helper {
    const struct helper_config *config;
    pid_t pid;
    int pidfd;
    int messages; /* what it prints */
    struct event *event;
    char line[MESSAGE_MAX]; /* of it, the line that is not complete */
    size_t line_len;
};

static const char *program(const struct helper_config *config)
{
    return config->program ? config->program : HELPER_PROGRAM;
}

/*
 * A socket that listens in a directory of our own, and one connected to it.
 * Then the directory goes away: nobody else can connect, and nothing is left
 * behind however this ends. UNIX connections need no accept() to be made.
 */
static int make_sockets(int *listener, int *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *tmp = getenv("TMPDIR");
    char dir[sizeof(address.sun_path) - sizeof("/nbd")];
    int error = 0;

    *listener = *client = -1;
    /* A socket's path is short; /tmp is. */
    if (!tmp || strlen(tmp) > sizeof(dir) - sizeof("/ringvisor-XXXXXX"))
        tmp = "/tmp";
    snprintf(dir, sizeof(dir), "%s/ringvisor-XXXXXX", tmp);
    if (!mkdtemp(dir)) { /* mode 0700 */
        error = -errno;
        log_error("cannot make a directory in '%s': %s", tmp, strerror(-error));
        return error;
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/nbd", dir);
    *listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*listener < 0 || *client < 0 ||
        bind(*listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(*listener, 1) < 0 ||
        connect(*client, (struct sockaddr *)&address, sizeof(address)) < 0) {
        error = -errno;
        log_error("cannot make a socket in '%s': %s", dir, strerror(-error));
        close(*listener);
        close(*client);
    }
    unlink(address.sun_path);
    rmdir(dir);
    return error;
}

/* In QEMU's options a comma in a value is written twice. */
static void print_escaped(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ',')
            fputc(',', out);
        fputc(*text, out);
    }
}

/* One layer of the image: the options that both have. NULL: out of memory. */
static char *layer_option(const struct helper_config *config, bool is_format)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    if (is_format) {
        fprintf(out, "driver=%s,node-name=disk,file=file", config->driver);
    } else {
        fprintf(out, "driver=%s,node-name=file,locking=%s,filename=",
                config->is_block ? "host_device" : "file", config->lock ? "on" : "off");
        print_escaped(out, config->path);
    }
    fprintf(out, ",read-only=%s,discard=%s,cache.direct=%s,cache.no-flush=%s",
            config->read_only ? "on" : "off", config->discard ? "unmap" : "ignore",
            config->cache == DISK_NONE ? "on" : "off", config->cache == DISK_UNSAFE ? "on" : "off");
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* In the child: become the helper. Only what is safe between fork and exec. */
static void __attribute__((noreturn)) run(char *const *argv, const struct sandbox_child *sandbox,
                                          pid_t parent, int listener, int messages)
{
    sigset_t none;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    /* The terminal's Ctrl-C is for the vmm, which then ends this in order. */
    setpgid(0, 0);
    /* However the vmm ends, this ends too; SIGTERM lets it write out what it holds. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EXIT_CANNOT_RUN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN);
    dup2(null, STDIN_FILENO);
    dup2(messages, STDOUT_FILENO);
    dup2(messages, STDERR_FILENO);
    dup2(listener, LISTENER_FD);
    fcntl(LISTENER_FD, F_SETFD, 0);
    if (sandbox_child_enter(sandbox) == 0)
        execvp(argv[0], argv);
    _exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN);
}

/* A line of it starts with its name. */
static void say_line(struct helper *helper)
{
    helper->line[helper->line_len] = '\0';
    if (helper->line_len)
        log_error("disk '%s': %s", helper->config->path, helper->line);
    helper->line_len = 0;
}

static void say(struct helper *helper, const char *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n')
            say_line(helper);
        else if (helper->line_len < sizeof(helper->line) - 1)
            helper->line[helper->line_len++] = data[i];
    }
}

static void read_messages(evutil_socket_t fd, short what, void *opaque)
{
    struct helper *helper = opaque;
    char data[MESSAGE_MAX];
    ssize_t n = read(fd, data, sizeof(data));

    if (n > 0)
        say(helper, data, (size_t)n);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        event_del(helper->event);
}

static void helper_free(struct helper *helper)
{
    if (helper->event)
        event_free(helper->event);
    if (helper->messages >= 0)
        close(helper->messages);
    if (helper->pidfd >= 0)
        close(helper->pidfd);
    free(helper);
}

/* What a task gives: its descriptors in this order, and the process as its value. */
enum { GOT_CLIENT, GOT_MESSAGES, GOT_PIDFD, GOT_ALL };

/* As fork(), but from the process outside of the sandbox the child is the vmm's. */
static pid_t fork_for_vmm(bool away)
{
    return away ? (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0) : fork();
}

/* Runs it on `listener`. The process, or -errno. */
static pid_t spawn(char *const *argv, const char *image, bool away, int listener, int *messages)
{
    char *folder = strdup(image);
    struct sandbox_child sandbox;
    struct sandbox_child_config confine = {.program = argv[0]};
    pid_t parent = away ? getppid() : getpid(), pid;
    int pipe[2] = {-1, -1}, error;

    if (!folder)
        return -ENOMEM;
    confine.write = dirname(folder);
    error = sandbox_child_prepare(&sandbox, &confine);
    free(folder);
    if (error)
        return error;
    if (pipe2(pipe, O_CLOEXEC) < 0) {
        pid = -errno;
        goto out;
    }
    pid = fork_for_vmm(away);
    if (pid == 0)
        run(argv, &sandbox, parent, listener, pipe[1]);
    if (pid < 0)
        pid = -errno;
    close(pipe[1]);
    fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    *messages = pipe[0];
out:
    sandbox_child_free(&sandbox);
    return pid;
}

/* A task: start the helper. The data are texts: the image, the program and its arguments. */
static int start(const void *data, size_t size, bool away, struct outside_result *result)
{
    const char *image = data, *end = image + size, *text = image + strlen(image) + 1;
    char *argv[ARGS_MAX + 1] = {0};
    int listener, error;
    pid_t pid;

    for (unsigned i = 0; i < ARGS_MAX && text < end; i++, text += strlen(text) + 1)
        argv[i] = (char *)text;
    error = make_sockets(&listener, &result->fds[GOT_CLIENT]);
    if (error)
        return error;
    result->fds[GOT_MESSAGES] = result->fds[GOT_PIDFD] = -1;
    pid = spawn(argv, image, away, listener, &result->fds[GOT_MESSAGES]);
    close(listener);
    if (pid > 0)
        result->fds[GOT_PIDFD] = pidfd_open(pid, 0);
    if (pid < 0)
        error = pid;
    else if (result->fds[GOT_PIDFD] < 0)
        error = -errno;
    if (pid > 0 && error)
        kill(pid, SIGKILL);
    for (unsigned i = 0; i < GOT_ALL && error; i++) {
        if (result->fds[i] >= 0)
            close(result->fds[i]);
    }
    result->value = pid;
    result->nr_fds = error ? 0 : GOT_ALL;
    return error;
}

/* 0 or -errno. */
static int add_task(struct helper_config *config)
{
    char *file = layer_option(config, false), *format = layer_option(config, true);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int error = file && format && out ? 0 : -ENOMEM;

    if (!error)
        fprintf(out,
                "%s%c%s%c--blockdev%c%s%c--blockdev%c%s%c"
                "--nbd-server%caddr.type=fd,addr.str=%d,max-connections=1%c"
                "--export%ctype=nbd,id=disk,node-name=disk,name=%s,writable=%s%c",
                config->path, 0, program(config), 0, 0, file, 0, 0, format, 0, 0, LISTENER_FD, 0, 0,
                HELPER_EXPORT, config->read_only ? "off" : "on", 0);
    if (out && fclose(out))
        error = -ENOMEM;
    if (!error)
        config->task = outside_add(start, text, size, false);
    free(text);
    free(file);
    free(format);
    return error ? error : config->task < 0 ? config->task : 0;
}

int helper_start(struct event_base *base, struct helper_config *config, struct helper **result,
                 int *client)
{
    struct helper *helper = calloc(1, sizeof(*helper));
    struct outside_result got;
    int error = 0;

    if (!helper)
        return -ENOMEM;
    helper->config = config;
    helper->messages = helper->pidfd = -1;
    if (config->task < 0)
        error = add_task(config);
    if (!error)
        error = outside_do(config->task, &got);
    if (error) {
        log_error("disk '%s': cannot start '%s': %s", config->path, program(config),
                  strerror(-error));
        helper_free(helper);
        return error;
    }
    *client = got.fds[GOT_CLIENT];
    helper->messages = got.fds[GOT_MESSAGES];
    helper->pidfd = got.fds[GOT_PIDFD];
    helper->pid = got.value;
    helper->event = event_new(base, helper->messages, EV_READ | EV_PERSIST, read_messages, helper);
    if (!helper->event || event_add(helper->event, NULL)) {
        log_error("disk '%s': cannot watch '%s'", config->path, program(config));
        close(*client);
        helper_stop(helper, 0);
        return -ENOMEM;
    }
    *result = helper;
    return 0;
}

void helper_forget(struct helper_config *config)
{
    outside_forget(config->task);
    config->task = -1;
}

/* Has it ended, after at most `ms`? */
static bool wait_for_end(const struct helper *helper, int ms, int *status)
{
    struct pollfd fd = {.fd = helper->pidfd, .events = POLLIN};

    while (poll(&fd, 1, ms) < 0 && errno == EINTR)
        ;
    return waitpid(helper->pid, status, WNOHANG) == helper->pid;
}

static void explain_end(const struct helper *helper, int status, bool asked)
{
    const struct helper_config *config = helper->config;

    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
        log_error("disk '%s': '%s' is not there, which images in format %s need; install it (on "
                  "Debian: apt-get install qemu-system-common)",
                  config->path, program(config), config->driver);
    else if (WIFEXITED(status) && (WEXITSTATUS(status) != 0 || !asked))
        log_error("disk '%s': '%s' ended with status %d", config->path, program(config),
                  WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        log_error("disk '%s': '%s' was killed by signal %d (%s)", config->path, program(config),
                  WTERMSIG(status), strsignal(WTERMSIG(status)));
}

void helper_stop(struct helper *helper, int grace_ms)
{
    int status = 0;
    char data[MESSAGE_MAX];
    ssize_t n;
    /* One that has closed its socket by itself is about to say why. */
    bool ended = wait_for_end(helper, grace_ms ? 0 : LAST_WORDS_MS, &status), killed = false;

    if (!ended && grace_ms) {
        pidfd_send_signal(helper->pidfd, SIGTERM, NULL, 0);
        ended = wait_for_end(helper, grace_ms, &status);
        if (!ended)
            log_error("disk '%s': '%s' does not end: killing it", helper->config->path,
                      program(helper->config));
    }
    if (!ended) {
        killed = true;
        pidfd_send_signal(helper->pidfd, SIGKILL, NULL, 0);
        ended = wait_for_end(helper, KILL_WAIT_MS, &status);
    }
    while (helper->messages >= 0 && (n = read(helper->messages, data, sizeof(data))) > 0)
        say(helper, data, (size_t)n);
    say_line(helper);
    if (ended && !killed)
        explain_end(helper, status, grace_ms != 0);
    helper_free(helper);
}
