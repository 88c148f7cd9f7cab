/* SPDX-License-Identifier: BSD-2-Clause */
/* Debuggers on real sockets in a real event loop; the target is this test's. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/gdb/gdb_server.h"
#include "vmm/gdb/gdb_target.h"
#include "vmm/util/clock.h"

static struct vm vm;
static struct event_base *base;
static struct gdb_server *server;
static char dir[64], path[80], where[96];
static struct rv_vcpu_page page;
static struct gdb_target *target;
static unsigned stops, detaches, reads;
static bool runs;

static int op_stop(void *opaque)
{
    stops++;
    runs = false;
    return 0;
}

static int op_resume(void *opaque, const struct gdb_action *actions, struct gdb_stop *stop)
{
    runs = true;
    return 0;
}

static void op_detach(void *opaque)
{
    detaches++;
    runs = true;
}

static bool op_is_on(void *opaque, unsigned vcpu)
{
    return true;
}

static struct rv_vcpu_page *op_page(void *opaque, unsigned vcpu)
{
    return &page;
}

static size_t op_read(void *opaque, unsigned vcpu, bool physical, uint64_t address, void *data,
                      size_t size)
{
    reads++;
    memset(data, 0x55, size);
    return size;
}

const struct gdb_target_ops gdb_target_ops = {
    .stop = op_stop,
    .resume = op_resume,
    .detach = op_detach,
    .is_on = op_is_on,
    .page = op_page,
    .read = op_read,
};

int gdb_target_init(struct gdb_target *t, struct vm *v,
                    void (*on_stop)(void *opaque, const struct gdb_stop *stop), void *opaque)
{
    target = t;
    t->vm = v;
    t->on_stop = on_stop;
    t->opaque = opaque;
    return gdb_registers_init(&t->registers, 0, false);
}

void gdb_target_free(struct gdb_target *t)
{
    gdb_registers_free(&t->registers);
}

int gdb_target_stop(struct gdb_target *t)
{
    return op_stop(t);
}

static int setup(void **state)
{
    stops = detaches = reads = 0;
    runs = true;
    strcpy(dir, "/tmp/gdb-server-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    snprintf(where, sizeof(where), "unix:%s", path);
    base = event_base_new();
    vm = (struct vm){.base = base, .config.nr_vcpus = 1};
    server = NULL;
    return 0;
}

static int teardown(void **state)
{
    gdb_server_close(server);
    event_base_free(base);
    assert_int_equal(rmdir(dir), 0); /* the socket is gone */
    return 0;
}

static void open_server(void)
{
    assert_int_equal(gdb_server_open(&vm, base, where, false, &server), 0);
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static int connect_to(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that came until `wanted` did, or the end of the connection (""). */
static const char *get(int fd, const char *wanted)
{
    static char text[4096];
    int64_t until = clock_now_ns() + 5 * (int64_t)CLOCK_NS_PER_S;
    size_t size = 0;

    text[0] = 0;
    while (clock_now_ns() < until) {
        ssize_t n;

        turn();
        n = recv(fd, text + size, sizeof(text) - 1 - size, 0);
        if (n == 0)
            return *wanted ? "closed" : "";
        if (n > 0)
            size += (size_t)n;
        text[size] = 0;
        if (*wanted && strstr(text, wanted))
            return wanted;
    }
    return text;
}

static void a_debugger_attaches_and_detaches(void **state)
{
    struct stat st;
    int fd;

    open_server();
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    fd = connect_to();
    for (unsigned i = 0; i < 3; i++)
        turn();
    assert_true(runs); /* it has said nothing yet */
    put(fd, "$?#3f");
    assert_string_equal(get(fd, "+$T05thread:1;#d7"), "+$T05thread:1;#d7");
    assert_false(runs);
    put(fd, "$D#44");
    assert_string_equal(get(fd, "+$OK#9a"), "+$OK#9a");
    assert_string_equal(get(fd, ""), "");
    assert_true(runs);
    close(fd);
}

static void a_second_debugger_is_refused_and_the_first_stays(void **state)
{
    int first, second;

    open_server();
    first = connect_to();
    put(first, "$?#3f");
    assert_string_equal(get(first, "T05"), "T05");
    second = connect_to();
    assert_string_equal(get(second, ""), "");
    put(first, "$?#3f");
    assert_string_equal(get(first, "T05"), "T05");
    assert_int_equal(detaches, 0);
    close(second);
    close(first);
}

static void one_that_dies_in_a_packet_is_detached_and_another_may_come(void **state)
{
    open_server();
    for (unsigned i = 1; i <= 3; i++) {
        int fd = connect_to();

        put(fd, "$?#3f");
        assert_string_equal(get(fd, "T05"), "T05");
        put(fd, "$m4000");
        turn();
        close(fd);
        for (unsigned n = 0; n < 100 && detaches < i; n++)
            turn();
        assert_int_equal(detaches, i);
        assert_true(runs);
    }
}

static void a_flood_of_packets_does_not_keep_the_loop(void **state)
{
    int fd;
    static char flood[1000 * sizeof("+$m0,1#fa")];
    unsigned sent = 0, turns = 0;

    open_server();
    fd = connect_to();
    for (; sent < 1000; sent++)
        strcat(flood, "+$m0,1#fa");
    put(fd, flood);
    while (reads < sent && turns++ < 100000) {
        unsigned before = reads;

        turn();
        assert_true(reads - before <= 3 * 16); /* by each of its callbacks */
    }
    assert_int_equal(reads, sent);
    close(fd);
}

/* Replies of 16 KiB each that nobody reads: the server stops to take requests. */
static void one_that_does_not_read_gets_no_more(void **state)
{
    const char *request = "+$m0,2000#8b";
    unsigned sent = 0, seen = 0;
    char bytes[4096];
    ssize_t n;
    int fd;

    open_server();
    fd = connect_to();
    while (sent < 2000 && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
        sent++;
    for (unsigned i = 0; i < 5000; i++)
        turn();
    assert_true(reads >= 8 && reads < 64);
    assert_true(sent > 200);
    for (unsigned i = 0; i < 200000 && seen < sent; i++) { /* and goes on when it reads */
        turn();
        while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
            for (ssize_t k = 0; k < n; k++)
                seen += bytes[k] == '#';
        }
    }
    assert_int_equal(reads, sent);
    assert_int_equal(seen, sent);
    close(fd);
}

static void a_debugger_learns_that_the_guest_is_gone(void **state)
{
    int fd;

    open_server();
    fd = connect_to();
    put(fd, "$c#63");
    assert_string_equal(get(fd, "+"), "+");
    gdb_server_close(server);
    server = NULL;
    assert_string_equal(get(fd, "$W00#b7"), "$W00#b7");
    assert_string_equal(get(fd, ""), "");
    assert_int_equal(detaches, 0);
    close(fd);
}

static void a_stop_of_the_target_is_sent(void **state)
{
    struct gdb_stop stop = {.vcpu = 0, .signal = GDB_SIGNAL_TRAP};
    int fd;

    open_server();
    fd = connect_to();
    put(fd, "$c#63");
    assert_string_equal(get(fd, "+"), "+");
    target->on_stop(target->opaque, &stop);
    assert_string_equal(get(fd, "$T05thread:1;#d7"), "$T05thread:1;#d7");
    close(fd);
}

static void a_guest_that_waits_for_a_debugger_is_stopped_from_the_start(void **state)
{
    assert_int_equal(gdb_server_open(&vm, base, where, true, &server), 0);
    assert_int_equal(stops, 1);
    assert_false(runs);
}

static int connect_port(uint32_t host, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void a_port_is_reached_from_this_host_alone(void **state)
{
    uint16_t port = free_port();
    int fd;

    snprintf(where, sizeof(where), "tcp:%u", port);
    open_server();
    assert_int_equal(connect_port(INADDR_LOOPBACK + 1, port), -1); /* no other address listens */
    fd = connect_port(INADDR_LOOPBACK, port);
    assert_true(fd >= 0);
    put(fd, "$?#3f");
    assert_string_equal(get(fd, "T05"), "T05");
    close(fd);
}

static void a_place_that_is_taken_or_none_is_an_error(void **state)
{
    static const char *const places[] = {
        "",       "unix:",     "tcp:",  "tcp:0",          "tcp:1x",
        "tcp:-1", "tcp:65536", "udp:1", "localhost:1234", "tcp:99999999999999999999"};
    struct gdb_server *second = NULL;

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        assert_int_equal(gdb_server_open(&vm, base, places[i], false, &second), -EINVAL);
    open_server();
    assert_int_equal(gdb_server_open(&vm, base, where, false, &second), -EADDRINUSE);
    assert_null(second);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_debugger_attaches_and_detaches),
        CASE(a_second_debugger_is_refused_and_the_first_stays),
        CASE(one_that_dies_in_a_packet_is_detached_and_another_may_come),
        CASE(a_flood_of_packets_does_not_keep_the_loop),
        CASE(one_that_does_not_read_gets_no_more),
        CASE(a_debugger_learns_that_the_guest_is_gone),
        CASE(a_stop_of_the_target_is_sent),
        CASE(a_guest_that_waits_for_a_debugger_is_stopped_from_the_start),
        CASE(a_port_is_reached_from_this_host_alone),
        CASE(a_place_that_is_taken_or_none_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
