/* SPDX-License-Identifier: BSD-2-Clause */
/* A vsock device, its driver, and programs of the host at its sockets. */
#pragma once

#include <errno.h>
#include <linux/virtio_vsock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/driver_host.h"

#define RX(n)  (DRIVER_DATA + 0x2000ull * (n))
#define TX     (DRIVER_DATA + 0x100000ull)
#define HEADER ((uint32_t)sizeof(struct virtio_vsock_hdr))
#define CREDIT (256u << 10)
#define OP(x)  VIRTIO_VSOCK_OP_##x

struct fixture {
    struct driver_world world;
    struct rv_instance host;
    struct driver_queue q[3];
    char folder[32], path[64];
    struct plugin_host_property properties[3];
    unsigned next_rx;
    int listener; /* of port 5 */
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    driver_host_init(&f->host, &f->world);
    strcpy(f->folder, "/tmp/vsock-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/v", f->folder);
    f->properties[0] = (struct plugin_host_property){"cid", "3"};
    f->properties[1] = (struct plugin_host_property){"path", f->path};
    f->host.properties = f->properties;
    f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s_5", f->path);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;
    char name[80];

    driver_host_end(&f->host, &f->world);
    close(f->listener);
    snprintf(name, sizeof(name), "%s_5", f->path);
    unlink(name);
    assert_int_equal(rmdir(f->folder), 0); /* nothing is left */
    free(f);
    return 0;
}

static inline void add_rx(struct fixture *f)
{
    struct driver_seg seg = {RX(f->next_rx % 64), 0x1000, true};

    assert_true(driver_add(&f->q[0], &seg, 1, false, (void *)(uintptr_t)(f->next_rx % 64 + 1)));
    f->next_rx++;
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 0, NULL);
}

static inline void start(struct fixture *f, unsigned buffers)
{
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(driver_host_begin(&f->host, &f->world, f->q, 3, 128, 0));
    while (buffers--)
        add_rx(f);
}

static inline struct virtio_vsock_hdr header(uint16_t op, uint32_t port, uint32_t guest_port)
{
    return (struct virtio_vsock_hdr){.src_cid = 3,
                                     .dst_cid = 2,
                                     .src_port = guest_port,
                                     .dst_port = port,
                                     .type = VIRTIO_VSOCK_TYPE_STREAM,
                                     .op = op,
                                     .buf_alloc = 0x10000};
}

/* False: the device has not taken it yet. */
static inline bool send_packet(struct fixture *f, const struct virtio_vsock_hdr *h,
                               uint32_t payload)
{
    struct driver_seg segs[2] = {{TX, HEADER, false}, {TX + 0x1000, payload, false}};
    uint32_t len;

    memcpy(driver_at(&f->world, TX), h, sizeof(*h));
    memset(driver_at(&f->world, TX + 0x1000), 0x5a, payload);
    assert_true(driver_add(&f->q[1], segs, payload ? 2 : 1, false, f));
    ringvisor_device.regions[0].write(f->host.device, 0x050, 4, 1, NULL);
    return driver_get(&f->q[1], &len) != NULL;
}

static inline void sends(struct fixture *f, uint16_t op, uint32_t port, uint32_t guest_port)
{
    struct virtio_vsock_hdr h = header(op, port, guest_port);

    assert_true(send_packet(f, &h, 0));
}

/* The next packet to the guest: its op, or 0. The payload's first byte, if there is one. */
static inline uint16_t got(struct fixture *f, struct virtio_vsock_hdr *h, uint8_t *first)
{
    struct virtio_vsock_hdr dummy;
    uintptr_t n;
    uint32_t len;

    for (unsigned i = 0; i < 3; i++)
        plugin_host_turn(&f->host, 1000);
    n = (uintptr_t)driver_get(&f->q[0], &len);
    if (n == 0)
        return 0;
    h = h ? h : &dummy;
    memcpy(h, driver_at(&f->world, RX(n - 1)), sizeof(*h));
    assert_int_equal(len, HEADER + h->len);
    if (first)
        *first = ((uint8_t *)driver_at(&f->world, RX(n - 1)))[HEADER];
    assert_int_equal(h->src_cid, 2);
    assert_int_equal(h->dst_cid, 3);
    add_rx(f);
    return h->op;
}

/* A connection of the guest's to port 5: the host's end. */
static inline int connect_out(struct fixture *f, uint32_t guest_port)
{
    sends(f, OP(REQUEST), 5, guest_port);
    assert_int_equal(got(f, NULL, NULL), OP(RESPONSE));
    return accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);
}

static inline int dial(struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(address.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static inline bool is_closed(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}
