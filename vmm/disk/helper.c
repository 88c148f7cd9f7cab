/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/util/log.h"

#define HELPER_PROGRAM "qemu-storage-daemon"
#define MESSAGE_MAX    1024u
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
static void __attribute__((noreturn))
run(char *const *argv, pid_t parent, int listener, int messages)
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
    fcntl(listener, F_SETFD, 0);
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

/* Runs it on `listener`. 0 or -errno. */
static int spawn(struct helper *helper, int listener)
{
    const struct helper_config *config = helper->config;
    char server[64], *file = layer_option(config, false), *format = layer_option(config, true);
    char export[64];
    char *argv[] = {(char *)program(config), "--blockdev", file,       "--blockdev", format,
                    "--nbd-server",          server,       "--export", export,       NULL};
    pid_t parent = getpid();
    int pipe[2] = {-1, -1};
    int error = 0;

    snprintf(server, sizeof(server), "addr.type=fd,addr.str=%d,max-connections=1", listener);
    snprintf(export, sizeof(export), "type=nbd,id=disk,node-name=disk,name=%s,writable=%s",
             HELPER_EXPORT, config->read_only ? "off" : "on");
    if (!file || !format) {
        error = -ENOMEM;
    } else if (pipe2(pipe, O_CLOEXEC) < 0) {
        error = -errno;
    } else {
        helper->pid = fork();
        if (helper->pid == 0)
            run(argv, parent, listener, pipe[1]);
        error = helper->pid < 0 ? -errno : 0;
        close(pipe[1]);
        helper->messages = pipe[0];
        fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    }
    free(file);
    free(format);
    return error;
}

int helper_start(struct event_base *base, const struct helper_config *config,
                 struct helper **result, int *client)
{
    struct helper *helper = calloc(1, sizeof(*helper));
    int listener, error;

    if (!helper)
        return -ENOMEM;
    helper->config = config;
    helper->messages = helper->pidfd = -1;
    error = make_sockets(&listener, client);
    if (error) {
        helper_free(helper);
        return error;
    }
    error = spawn(helper, listener);
    close(listener);
    if (error) {
        log_error("disk '%s': cannot start '%s': %s", config->path, program(config),
                  strerror(-error));
        close(*client);
        helper_free(helper);
        return error;
    }
    helper->pidfd = pidfd_open(helper->pid, 0);
    helper->event = event_new(base, helper->messages, EV_READ | EV_PERSIST, read_messages, helper);
    if (helper->pidfd < 0 || !helper->event || event_add(helper->event, NULL)) {
        log_error("disk '%s': cannot watch '%s'", config->path, program(config));
        close(*client);
        helper_stop(helper, 0);
        return -ENOMEM;
    }
    *result = helper;
    return 0;
}

/* Has it ended, after at most `ms`? */
static bool wait_for_end(const struct helper *helper, int ms, int *status)
{
    struct pollfd fd = {.fd = helper->pidfd, .events = POLLIN};

    if (helper->pidfd >= 0) {
        while (poll(&fd, 1, ms) < 0 && errno == EINTR)
            ;
        return waitpid(helper->pid, status, WNOHANG) == helper->pid;
    }
    return waitpid(helper->pid, status, 0) == helper->pid;
}

static void explain_end(const struct helper *helper, int status)
{
    const struct helper_config *config = helper->config;

    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_FOUND)
        log_error("disk '%s': '%s' is not there, which images in format %s need; install it (on "
                  "Debian: apt-get install qemu-system-common)",
                  config->path, program(config), config->driver);
    else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
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
        kill(helper->pid, SIGTERM);
        ended = wait_for_end(helper, grace_ms, &status);
        if (!ended)
            log_error("disk '%s': '%s' does not end: killing it", helper->config->path,
                      program(helper->config));
    }
    if (!ended) {
        killed = true;
        kill(helper->pid, SIGKILL);
        ended = wait_for_end(helper, KILL_WAIT_MS, &status);
    }
    while (helper->messages >= 0 && (n = read(helper->messages, data, sizeof(data))) > 0)
        say(helper, data, (size_t)n);
    say_line(helper);
    if (ended && !killed)
        explain_end(helper, status);
    helper_free(helper);
}
