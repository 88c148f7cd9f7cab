/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports of the host that lead into the guest, on libslirp itself: who connects to them. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/virtio/net/net_backend.h"
#include "tests/unit/support/plugin_host.h"

#define DESCRIPTORS 100u /* that the vmm may have: the user network takes half of them */
#define CLIENTS     200u

static char forward[64];
static struct rv_host host;
static struct virtio_plugin plugin;
static struct net_backend *network;

static void guest_readable(void *ctx, unsigned pair)
{
    (void)ctx;
    (void)pair;
}

static void guest_link(void *ctx, bool up)
{
    (void)ctx;
    (void)up;
}

static int guest_create(struct rv_host *h, const struct rv_host_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    static const struct net_callbacks callbacks = {NULL, guest_readable, guest_readable,
                                                   guest_link};

    (void)state;
    (void)flags;
    plugin.host = h;
    plugin.ops = ops;
    network = net_user_open(&plugin, &callbacks, 1);
    *device = network;
    return network ? 0 : -EINVAL;
}

static void guest_nothing(void *device)
{
    (void)device;
}

static void guest_destroy(void *device)
{
    (void)device;
    network->ops->destroy(network);
}

static const struct rv_property properties[] = {
    {.name = "restrict", .type = RV_PROPERTY_BOOL, .value = "off", .help = ""},
    {.name = "ipv6", .type = RV_PROPERTY_BOOL, .value = "on", .help = ""},
    {.name = "mtu", .type = RV_PROPERTY_UINT, .value = "0", .help = ""},
    {.name = "net", .type = RV_PROPERTY_STRING, .value = "10.0.2.0/24", .help = ""},
    {.name = "dns", .type = RV_PROPERTY_STRING, .help = ""},
    {.name = "hostname", .type = RV_PROPERTY_STRING, .help = ""},
    {.name = "hostfwd", .type = RV_PROPERTY_STRING, .help = ""},
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,          .name = "user-network", .properties = properties,
    .create = guest_create,   .reset = guest_nothing, .resume = guest_nothing,
    .destroy = guest_destroy,
};

/* A socket at a port of the loopback that nobody has, or connected to `port`. */
static int client(uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    if (*port) {
        if (connect(fd, (struct sockaddr *)&address, len) < 0)
            assert_int_equal(errno, EINPROGRESS);
        return fd;
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static unsigned descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void turns(void)
{
    for (unsigned i = 0; i < 400; i++)
        plugin_host_turn(&host, 1);
}

static void a_flood_of_connections_leaves_the_vmm_its_descriptors(void **context)
{
    const struct plugin_host_property given[] = {{"hostfwd", forward}, {0}};
    struct rlimit limit, small;
    int clients[CLIENTS];
    unsigned before;
    uint16_t port = 0;

    (void)context;
    close(client(&port));
    snprintf(forward, sizeof(forward), "tcp:127.0.0.1:%u-:22", port);
    plugin_host_init(&host, NULL, 0, 0);
    host.properties = given;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    small = (struct rlimit){DESCRIPTORS, limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    assert_int_equal(plugin_host_start(&host, 0), 0);
    small.rlim_cur = 1024; /* for the clients, which are in this process too */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
    turns();
    before = descriptors();
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = client(&port);
        plugin_host_turn(&host, 1);
    }
    turns();
    assert_true(descriptors() > before + CLIENTS); /* some were taken */
    assert_true(descriptors() <= before + CLIENTS + DESCRIPTORS / 2);
    for (unsigned i = 0; i < CLIENTS; i++)
        close(clients[i]);
    plugin_host_stop(&host);
    plugin_host_free(&host);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_of_connections_leaves_the_vmm_its_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
