/* SPDX-License-Identifier: BSD-2-Clause */
/* The server: real sockets, in the event loop of this process. */
#include "vmm/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/control_fixture.h"
#include "vmm/exit/exit.h"
#include "vmm/trace/tap.h"
#include "vmm/trace/trace.h"
#include "vmm/util/clock.h"

#define CONNECTIONS 2000
#define BLK         "/devices/virtio-blk@a000000/commands/"

struct fixture {
    struct event_base *base;
    struct control *control;
    struct control_config config;
    char dir[32], path[64];
    char answer[1 << 20]; /* of ask() */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    control_fixture_init();
    strcpy(f->dir, "/tmp/control-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/me.sock", f->dir);
    f->base = event_base_new();
    f->config = (struct control_config){.base = f->base,
                                        .path = f->path,
                                        .name = "me",
                                        .kill = control_fixture_kill,
                                        .patience_ms = 100};
    assert_int_equal(control_open(&f->config, &f->control), 0);
    control_start(f->control, &control_fixture.vm);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    control_fixture_reply(-ECANCELED, NULL);
    control_close(f->control);
    event_base_free(f->base);
    assert_int_equal(rmdir(f->dir), 0); /* nothing is left behind */
    free(f);
    return 0;
}

static void turn(struct fixture *f, int ms)
{
    int64_t end = clock_now_ms() + ms;

    do {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        usleep(200);
    } while (clock_now_ms() < end);
}

/* -1: the backlog is full. */
static int connect_to(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    strcpy(address.sun_path, f->path);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    assert_int_equal(errno, EAGAIN);
    close(fd);
    return -1;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until the server closes the connection; NULL: it does not within two seconds. */
static const char *hear(struct fixture *f, int fd)
{
    int64_t end = clock_now_ms() + 2000;
    size_t len = 0;

    while (clock_now_ms() < end) {
        ssize_t n = recv(fd, f->answer + len, sizeof(f->answer) - 1 - len, 0);

        if (n > 0)
            len += (size_t)n;
        else if (n == 0 || errno != EAGAIN) {
            f->answer[len] = '\0';
            return f->answer;
        }
        turn(f, 0);
    }
    return NULL;
}

static const char *ask(struct fixture *f, const char *text)
{
    int fd = connect_to(f);
    const char *answer;

    assert_true(fd >= 0);
    say(fd, text);
    answer = hear(f, fd);
    close(fd);
    return answer;
}

static bool begins(const char *text, const char *with)
{
    return text && strncmp(text, with, strlen(with)) == 0;
}

/* Another client is served as ever. */
static void serves(struct fixture *f)
{
    const char *answer = ask(f, "GET /vm HTTP/1.0\r\n\r\n");

    if (!begins(answer, "HTTP/1.0 200 OK\r\n") || !strstr(answer, "\"state\": \"running\""))
        fail_msg("not served, but: %s", answer ? answer : "(nothing)");
}

static void request_is_answered_with_json(void **state)
{
    struct fixture *f = *state;
    const char *answer = ask(f, "POST " BLK "resize HTTP/1.1\r\nConnection: close\r\n"
                                "Content-Length: 12\r\n\r\n{\"size\": 17}");

    assert_true(begins(answer, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(answer, "\"size\": 4096"));
    assert_string_equal(control_fixture.json, "{\"size\": 17}");
    serves(f);
}

static void connection_can_be_used_again(void **state)
{
    struct fixture *f = *state;
    const char *answer = ask(f, "GET /vm HTTP/1.1\r\n\r\nDELETE /vm HTTP/1.1\r\n\r\n"
                                "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");

    assert_true(begins(answer, "HTTP/1.1 200 OK"));
    answer = strstr(answer, "HTTP/1.1 405");
    assert_non_null(answer);
    assert_non_null(strstr(answer, "Allow: GET\r\n"));
    answer = strstr(answer, "HTTP/1.1 200");
    assert_non_null(answer);
    assert_null(strchr(answer, '{'));
}

static void socket_is_the_users_only_and_goes_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    control_close(f->control);
    f->control = NULL;
    assert_int_equal(access(f->path, F_OK), -1);
}

static void second_vm_of_a_name_is_refused_and_the_first_one_stays(void **state)
{
    struct fixture *f = *state;
    struct control *second = NULL;

    assert_int_equal(control_open(&f->config, &second), -EADDRINUSE);
    assert_null(second);
    serves(f);
}

static void socket_of_a_dead_vm_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    control_close(f->control);
    strcpy(address.sun_path, f->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd); /* and the file stays, as after SIGKILL */
    assert_int_equal(control_open(&f->config, &f->control), 0);
    control_start(f->control, &control_fixture.vm);
    serves(f);
}

static void request_before_the_vm_runs_waits(void **state)
{
    struct fixture *f = *state;
    int fd;

    control_close(f->control);
    assert_int_equal(control_open(&f->config, &f->control), 0);
    fd = connect_to(f);
    say(fd, "GET /vm HTTP/1.0\r\n\r\n");
    turn(f, 20);
    assert_int_equal(recv(fd, f->answer, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    control_start(f->control, &control_fixture.vm);
    assert_true(begins(hear(f, fd), "HTTP/1.0 200 OK"));
    close(fd);
}

static void malformed_requests_are_refused_and_harm_nobody(void **state)
{
    static const char *const requests[] = {
        "\r\n\r\n",
        "x\r\n\r\n",
        "GET\r\n\r\n",
        "GET /vm\r\n\r\n",
        "GET /vm HTTP/9.9\r\n\r\n",
        "GET /vm HTTP/1.1 extra\r\nConnection: close\r\n\r\n",
        "FLY /vm HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /vm HTTP/1.1\r\nno colon\r\n\r\n",
        "GET http://[::1/vm HTTP/1.1\r\nConnection: close\r\n\r\n",
        "POST /vm/pause HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /vm/pause HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /vm/pause HTTP/1.1\r\nContent-Length: 1000000000\r\n\r\n{",
        "POST /vm/pause HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{",
        "POST /vm/pause HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n{",
        "POST /vm/pause HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n{",
    };

    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        const char *answer = ask(*state, requests[i]);

        if (!answer)
            fail_msg("request %u: the connection stays", i);
        if (strstr(answer, " 200 ") || control_fixture.paused)
            fail_msg("request %u is obeyed: %s", i, answer);
        serves(*state);
    }
}

/* Sends `first`, and then `filler` for ever, until the server has had enough. */
static const char *flood(struct fixture *f, const char *first, char filler, size_t *sent)
{
    static char block[4096];
    int64_t end = clock_now_ms() + 5000;
    int fd = connect_to(f);
    const char *answer;

    memset(block, filler, sizeof(block));
    say(fd, first);
    for (*sent = 0; clock_now_ms() < end;) {
        ssize_t n = send(fd, block, sizeof(block), MSG_NOSIGNAL);

        if (n > 0)
            *sent += (size_t)n;
        else if (errno != EAGAIN)
            break;
        turn(f, 0);
    }
    answer = hear(f, fd);
    close(fd);
    return answer;
}

static void huge_requests_are_cut_off(void **state)
{
    static const char *const begins_with[] = {
        "", "GET /", "GET /vm HTTP/1.1\r\nX: ",
        "POST /vm/pause HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\n",
        "POST /vm/pause HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\n"};

    for (unsigned i = 0; i < sizeof(begins_with) / sizeof(begins_with[0]); i++) {
        size_t sent;
        const char *answer = flood(*state, begins_with[i], 'a', &sent);

        if (!answer || strstr(answer, " 200 ") || sent > 2u << 20)
            fail_msg("request %u: %zu bytes were taken: %s", i, sent, answer);
        assert_false(control_fixture.paused);
        serves(*state);
    }
}

static void body_a_little_too_large_is_refused_with_json(void **state)
{
    struct fixture *f = *state;
    char *request = malloc(CONTROL_BODY_MAX + 100);
    int head = sprintf(request, "POST /vm/pause HTTP/1.0\r\nContent-Length: %u\r\n\r\n",
                       CONTROL_BODY_MAX + 1);
    const char *answer;

    memset(request + head, ' ', CONTROL_BODY_MAX + 1);
    request[head + (int)CONTROL_BODY_MAX + 1] = '\0';
    answer = ask(f, request);
    assert_true(begins(answer, "HTTP/1.0 413 "));
    assert_non_null(strstr(answer, "\"too-large\""));
    free(request);
}

static void slow_client_is_cut_off(void **state)
{
    struct fixture *f = *state;
    static const char *const begun[] = {"", "GET /vm HT", "GET /vm HTTP/1.1\r\nX: y\r\n",
                                        "POST /vm/pause HTTP/1.1\r\nContent-Length: 2\r\n\r\n{"};

    for (unsigned i = 0; i < sizeof(begun) / sizeof(begun[0]); i++) {
        int64_t start = clock_now_ms();
        const char *answer = ask(f, begun[i]);

        if (!answer || clock_now_ms() - start < 90)
            fail_msg("client %u is not cut off after its time", i);
        assert_false(control_fixture.paused);
    }
    serves(f);
}

/* Each byte is in time, and the request is not. */
static void client_that_drips_is_cut_off(void **state)
{
    struct fixture *f = *state;
    int64_t end = clock_now_ms() + 5000;
    int fd = connect_to(f);

    say(fd, "GET /vm HTTP/1.1\r\nX: ");
    while (clock_now_ms() < end && send(fd, "y", 1, MSG_NOSIGNAL) == 1)
        turn(f, 20);
    assert_true(clock_now_ms() < end);
    close(fd);
    serves(f);
}

static void client_that_reads_nothing_is_cut_off(void **state)
{
    struct fixture *f = *state;
    int64_t end = clock_now_ms() + 5000;
    const char *request = "GET /devices/virtio-blk@a000000 HTTP/1.1\r\n\r\n";
    int fd = connect_to(f);

    while (clock_now_ms() < end) {
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            break;
        turn(f, 0);
    }
    assert_true(clock_now_ms() < end);
    close(fd);
    serves(f);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void thousands_of_connections_take_few_descriptors(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    static int fds[CONNECTIONS];
    unsigned ours = 0, before, most = 0;

    setrlimit(RLIMIT_NOFILE, &limit);
    before = open_descriptors();
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(f);
        ours += fds[i] >= 0;
        if (i % 50 == 0) {
            unsigned now;

            turn(f, 1);
            now = open_descriptors() - ours - before;
            most = now > most ? now : most;
        }
    }
    assert_true(ours > 100 && most <= 32);
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    turn(f, 300);
    serves(f);
}

static void count(evutil_socket_t fd, short what, void *opaque)
{
    ++*(unsigned *)opaque;
}

/* As the eventfd of a snapshot, which is made when a command has just been answered. */
static void descriptor_after_a_connection_is_watched(void **state)
{
    struct fixture *f = *state;
    int client = connect_to(f), wake;
    struct event *event;
    unsigned counted = 0;

    say(client, "GET /vm HTTP/1.0\r\n\r\n");
    assert_true(begins(hear(f, client), "HTTP/1.0 200 OK\r\n"));
    wake = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    event = event_new(f->base, wake, EV_READ, count, &counted);
    assert_int_equal(event_add(event, NULL), 0);
    turn(f, 100);
    assert_int_equal(counted, 1);
    event_free(event);
    close(wake);
    close(client);
}

static void client_that_dies_while_its_command_runs_harms_nobody(void **state)
{
    struct fixture *f = *state;
    static const char *const commands[] = {BLK "later", "/vm/pause"};

    control_fixture.quiet = false;
    for (unsigned i = 0; i < 2; i++) {
        char request[128];
        int fd = connect_to(f);

        snprintf(request, sizeof(request), "POST %s HTTP/1.1\r\n\r\n", commands[i]);
        say(fd, request);
        turn(f, 20);
        close(fd);
        turn(f, 150); /* longer than a client may take for anything else */
    }
    control_fixture_reply(0, NULL);
    control_fixture.quiet = true;
    turn(f, 20);
    control_fixture.paused = false;
    serves(f);
}

static void client_that_waits_for_its_command_is_not_cut_off(void **state)
{
    struct fixture *f = *state;
    int fd = connect_to(f);

    say(fd, "POST " BLK "later HTTP/1.0\r\n\r\n");
    turn(f, 1300);
    control_fixture_reply(0, "{\"done\": true}");
    assert_non_null(strstr(hear(f, fd), "\"done\": true"));
    close(fd);
}

static void answers_get_out_although_the_loop_has_ended(void **state)
{
    struct fixture *f = *state;
    int killer = connect_to(f), waiter = connect_to(f);

    say(waiter, "POST " BLK "later HTTP/1.1\r\n\r\n");
    turn(f, 20);
    say(killer, "POST /vm/kill HTTP/1.1\r\n\r\n");
    while (!control_fixture.kills)
        event_base_loop(f->base, EVLOOP_ONCE);
    control_fixture_reply(-ECANCELED, NULL);
    control_close(f->control);
    f->control = NULL;
    assert_true(begins(hear(f, killer), "HTTP/1.1 202 "));
    assert_non_null(strstr(f->answer, "\"ending\""));
    assert_true(begins(hear(f, waiter), "HTTP/1.1 503 "));
    close(killer);
    close(waiter);
}

/*
 * Traces
 */

static struct rv_vcpu_page page;
static struct pcpu pcpu;
static struct vcpu vcpu = {.pcpu = &pcpu, .page = &page};

/* A guest's write to the UART. */
static void one_exit(void)
{
    const struct rv_event event = {.type = RV_EVENT_SYNC, .esr = 0x93850047, .ipa = 0x9000030};
    const struct exit_reply reply = {0};

    tap_exit_begin(&vcpu, &event);
    tap_access_begin("uart@9000000", 0x9000030, 4, true, 0x301);
    tap_access_end("uart@9000000", 0x9000030, 4, true, 0x301, 0);
    tap_exit_end(&vcpu, &event, &reply);
}

static unsigned nr_taps(void)
{
    unsigned count = 0;

    for (const struct tap *tap = tap_first; tap; tap = tap->next)
        count++;
    return count;
}

/* Until there are so many; false: not in time. */
static bool become_taps(struct fixture *f, unsigned count)
{
    int64_t end = clock_now_ms() + 3000;

    while (nr_taps() != count && clock_now_ms() < end)
        turn(f, 1);
    return nr_taps() == count;
}

static int start_trace(struct fixture *f, const char *query)
{
    char request[128];
    int fd = connect_to(f);

    snprintf(request, sizeof(request), "GET /trace%s HTTP/1.1\r\n\r\n", query);
    say(fd, request);
    turn(f, 20);
    return fd;
}

static void trace_tells_exits_as_they_come_and_ends_with_its_client(void **state)
{
    struct fixture *f = *state;
    int fd = start_trace(f, "?kind=exit+posted&device=uart");
    char text[4096];
    ssize_t n;

    assert_int_equal(nr_taps(), 1);
    one_exit();
    turn(f, 1500); /* longer than other clients have */
    n = recv(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_true(begins(text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"));
    assert_non_null(strstr(text, "4-byte write of w5, uart") ?: strstr(text, "UARTCR = 0x301; pc"));
    assert_non_null(strstr(text, "by uart@9000000\n"));
    assert_int_equal(nr_taps(), 1);
    serves(f);
    close(fd);
    assert_true(become_taps(f, 0)); /* although nothing was to be sent */
    serves(f);
}

static void trace_ends_with_the_vm_and_has_the_last_exit(void **state)
{
    struct fixture *f = *state;
    int fd = start_trace(f, "?format=perfetto");

    one_exit();
    control_close(f->control);
    f->control = NULL;
    assert_int_equal(nr_taps(), 0);
    assert_true(begins(hear(f, fd), "HTTP/1.1 200 OK\r\nContent-Type: application/json"));
    assert_non_null(strstr(f->answer, "\"data abort\""));
    assert_string_equal(f->answer + strlen(f->answer) - 3, "\n]\n");
    close(fd);
}

/* More than the socket, the buffer and the ring have room for. */
static void trace_that_nobody_reads_holds_nothing_up(void **state)
{
    struct fixture *f = *state;
    int64_t start;
    uint64_t lost;
    const char *at;
    int fd = start_trace(f, "?kind=exit");

    start = clock_now_ms();
    for (unsigned i = 0; i < 80000; i++)
        one_exit();
    assert_true(clock_now_ms() - start < 5000);
    serves(f);
    turn(f, 300); /* and the client is not cut off */
    assert_int_equal(nr_taps(), 1);
    /* It begins to read, and learns what it has missed. */
    for (at = NULL, start = clock_now_ms(); !at && clock_now_ms() - start < 5000;) {
        ssize_t n = recv(fd, f->answer, sizeof(f->answer) - 1, 0);

        one_exit();
        turn(f, 1);
        f->answer[n > 0 ? n : 0] = '\0';
        at = strstr(f->answer, TRACE_LOST);
    }
    assert_non_null(at);
    while (at[-1] != '(')
        at--;
    lost = strtoull(at, NULL, 10);
    assert_true(lost > 1000 && lost < 80000);
    /* It leaves while the trace waits for it. */
    for (unsigned i = 0; i < 80000; i++)
        one_exit();
    start = clock_now_ms();
    close(fd);
    assert_true(become_taps(f, 0));
    serves(f);
}

static void traces_are_limited_and_bad_ones_are_refused(void **state)
{
    struct fixture *f = *state;
    int fds[4];

    for (unsigned i = 0; i < 4; i++)
        fds[i] = start_trace(f, "");
    assert_true(begins(ask(f, "GET /trace HTTP/1.0\r\n\r\n"), "HTTP/1.0 409 "));
    assert_int_equal(nr_taps(), 4);
    for (unsigned i = 0; i < 4; i++)
        close(fds[i]);
    assert_true(become_taps(f, 0));
    assert_true(begins(ask(f, "GET /trace?kind=foo HTTP/1.0\r\n\r\n"), "HTTP/1.0 400 "));
    assert_non_null(strstr(f->answer, "kind 'foo': there are exit"));
    assert_true(begins(ask(f, "GET /trace?format=x HTTP/1.0\r\n\r\n"), "HTTP/1.0 400 "));
    assert_true(begins(ask(f, "GET /trace?a=%00 HTTP/1.0\r\n\r\n"), "HTTP/1.0 400 "));
    assert_true(begins(ask(f, "HEAD /trace HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 "));
    assert_int_equal(nr_taps(), 0);
}

/*
 * Recordings
 */

static int start_recording(struct fixture *f)
{
    int fd = connect_to(f);

    say(fd, "GET /record HTTP/1.1\r\n\r\n");
    turn(f, 20);
    return fd;
}

static bool become_recordings(struct fixture *f, unsigned count)
{
    int64_t end = clock_now_ms() + 3000;

    while (control_fixture.records != count && clock_now_ms() < end)
        turn(f, 1);
    return control_fixture.records == count;
}

static void recording_that_is_stopped_comes_whole(void **state)
{
    struct fixture *f = *state;
    int fd = start_recording(f);

    turn(f, 1300); /* longer than other clients have */
    assert_int_equal(control_fixture.records, 1);
    assert_true(begins(ask(f, "POST /record/stop HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 "));
    assert_string_equal(control_fixture.record_end, "a client has stopped it");
    assert_true(begins(hear(f, fd), "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream"));
    assert_string_equal(f->answer + strlen(f->answer) - 12, "\r\n\r\nrecorded");
    assert_true(become_recordings(f, 0));
    assert_true(begins(ask(f, "POST /record/stop HTTP/1.0\r\n\r\n"), "HTTP/1.0 409 "));
    close(fd);
}

static void recording_ends_with_its_client_and_with_the_vm(void **state)
{
    struct fixture *f = *state;
    int fd = start_recording(f);

    close(fd);
    assert_true(become_recordings(f, 0));
    serves(f);
    fd = start_recording(f);
    assert_int_equal(control_fixture.records, 1);
    control_close(f->control);
    f->control = NULL;
    assert_int_equal(control_fixture.records, 0);
    assert_non_null(strstr(hear(f, fd), "\r\n\r\nrecorded"));
    close(fd);
}

static void recording_that_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;

    control_fixture.record_refuses = "the VM is paused";
    assert_true(begins(ask(f, "GET /record HTTP/1.0\r\n\r\n"), "HTTP/1.0 409 "));
    assert_non_null(strstr(f->answer, "record: the VM is paused"));
    assert_true(begins(ask(f, "HEAD /record HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 "));
    assert_int_equal(control_fixture.records, 0);
}

/*
 * The main console
 */

static int start_console(struct fixture *f)
{
    int fd = connect_to(f);

    say(fd, "GET /console HTTP/1.1\r\n\r\n");
    turn(f, 20);
    return fd;
}

/* What has come by now. */
static const char *seen(struct fixture *f, int fd)
{
    ssize_t n;

    turn(f, 20);
    n = recv(fd, f->answer, sizeof(f->answer) - 1, 0);
    f->answer[n > 0 ? n : 0] = '\0';
    return f->answer;
}

static void console_has_several_readers_and_typists(void **state)
{
    struct fixture *f = *state;
    int one, two;

    control_fixture_console(f->base);
    control_fixture_print("Debian\r\nlogin: ");
    one = start_console(f);
    turn(f, 1300); /* longer than other clients have */
    two = start_console(f);
    assert_true(begins(seen(f, one), "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream"));
    assert_non_null(strstr(f->answer, "\r\n\r\nDebian\r\nlogin: "));
    assert_non_null(strstr(seen(f, two), "\r\n\r\nDebian\r\nlogin: "));
    assert_true(begins(ask(f, "POST /console HTTP/1.0\r\nContent-Length: 5\r\n\r\nroot\r"),
                       "HTTP/1.0 200 "));
    turn(f, 10);
    assert_string_equal(control_fixture.typed, "root\r");
    control_fixture_print("root");
    assert_string_equal(seen(f, one), "root");
    assert_string_equal(seen(f, two), "root");
    close(one);
    turn(f, 300);
    control_fixture_print("#");
    assert_string_equal(seen(f, two), "#");
    control_close(f->control); /* the VM ends */
    f->control = NULL;
    control_fixture_end_console();
    assert_string_equal(hear(f, two), "");
    close(two);
}

static void console_that_nobody_reads_holds_nothing_up(void **state)
{
    struct fixture *f = *state;
    char line[1001];
    int fd;

    memset(line, 'x', 1000);
    line[1000] = '\0';
    control_fixture_console(f->base);
    fd = start_console(f);
    for (unsigned i = 0; i < 2000; i++)
        control_fixture_print(line);
    serves(f);
    for (unsigned i = 0; i < 50 && !strstr(f->answer, "bytes were lost here"); i++) {
        seen(f, fd);
        control_fixture_print("more");
    }
    assert_non_null(strstr(f->answer, "bytes were lost here"));
    close(fd);
    turn(f, 300);
    serves(f);
    control_close(f->control);
    f->control = NULL;
    control_fixture_end_console();
}

static void page_of_another_site_steers_nothing(void **state)
{
    struct fixture *f = *state;

    assert_true(begins(ask(f, "POST /vm/kill HTTP/1.0\r\nHost: localhost:8080\r\n"
                              "Origin: http://evil.example\r\n\r\n"),
                       "HTTP/1.0 403 "));
    assert_non_null(strstr(f->answer, "\"forbidden\""));
    assert_true(begins(ask(f, "POST /vm/kill HTTP/1.0\r\nHost: evil.example:8080\r\n\r\n"),
                       "HTTP/1.0 403 "));
    assert_int_equal(control_fixture.kills, 0);
    assert_true(begins(ask(f, "POST /vm/kill HTTP/1.0\r\nHost: localhost:8080\r\n"
                              "Origin: http://localhost:8080\r\n\r\n"),
                       "HTTP/1.0 202 "));
    assert_int_equal(control_fixture.kills, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_is_answered_with_json),
        TEST(connection_can_be_used_again),
        TEST(socket_is_the_users_only_and_goes_at_the_end),
        TEST(second_vm_of_a_name_is_refused_and_the_first_one_stays),
        TEST(socket_of_a_dead_vm_is_replaced),
        TEST(request_before_the_vm_runs_waits),
        TEST(malformed_requests_are_refused_and_harm_nobody),
        TEST(huge_requests_are_cut_off),
        TEST(body_a_little_too_large_is_refused_with_json),
        TEST(slow_client_is_cut_off),
        TEST(client_that_drips_is_cut_off),
        TEST(client_that_reads_nothing_is_cut_off),
        TEST(thousands_of_connections_take_few_descriptors),
        TEST(descriptor_after_a_connection_is_watched),
        TEST(client_that_dies_while_its_command_runs_harms_nobody),
        TEST(client_that_waits_for_its_command_is_not_cut_off),
        TEST(answers_get_out_although_the_loop_has_ended),
        TEST(trace_tells_exits_as_they_come_and_ends_with_its_client),
        TEST(trace_ends_with_the_vm_and_has_the_last_exit),
        TEST(trace_that_nobody_reads_holds_nothing_up),
        TEST(traces_are_limited_and_bad_ones_are_refused),
        TEST(recording_that_is_stopped_comes_whole),
        TEST(recording_ends_with_its_client_and_with_the_vm),
        TEST(recording_that_cannot_be_is_refused),
        TEST(console_has_several_readers_and_typists),
        TEST(console_that_nobody_reads_holds_nothing_up),
        TEST(page_of_another_site_steers_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
