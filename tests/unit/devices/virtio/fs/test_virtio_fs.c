/* SPDX-License-Identifier: BSD-2-Clause */
/* The shared folder's device: requests that are with a thread while its queue goes away. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support/plugin_host.h"
#include "tests/unit/support/virtio_driver.h"

#define IN          DRIVER_DATA
#define OUT         (DRIVER_DATA + 0x1000)
#define QUEUE_SEL   0x030u
#define QUEUE_RESET 0x0c0u

struct fixture {
    struct driver_world world;
    struct rv_host host;
    struct driver_queue q[2];
    struct plugin_host_property properties[3];
    char folder[40], file[64];
};

static int setup(void **state)
{
    const uint64_t features =
        VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET);
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->folder, "/tmp/test-virtio-fs-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof(f->file), "%s/a", f->folder);
    assert_int_equal(mknod(f->file, S_IFREG | 0644, 0), 0);
    driver_world_init(&f->world);
    plugin_host_init(&f->host, f->world.ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
    f->properties[0] = (struct plugin_host_property){"path", f->folder};
    f->properties[1] = (struct plugin_host_property){"tag", "t"};
    f->host.properties = f->properties;
    f->host.quiet = true;
    assert_int_equal(plugin_host_start(&f->host, 0), 0);
    assert_true(driver_negotiate(plugin_host_mmio(&f->host), features));
    for (unsigned i = 0; i < 2; i++) {
        driver_queue_init(&f->q[i], &f->world, i, 64, features);
        assert_true(driver_queue_enable(plugin_host_mmio(&f->host), &f->q[i]));
    }
    driver_ok(plugin_host_mmio(&f->host));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    plugin_host_stop(&f->host);
    plugin_host_free(&f->host);
    driver_world_destroy(&f->world);
    unlink(f->file);
    rmdir(f->folder);
    free(f);
    return 0;
}

static void send(struct fixture *f, uint32_t opcode, uint64_t node, const void *args, size_t len)
{
    const struct fuse_in_header header = {
        .len = (uint32_t)(sizeof(header) + len),
        .opcode = opcode,
        .unique = 5,
        .nodeid = node,
    };
    struct driver_seg seg[] = {{IN, header.len, false}, {OUT, 4096, true}};
    uint8_t *in = driver_at(&f->world, IN);

    memcpy(in, &header, sizeof(header));
    memcpy(in + sizeof(header), args, len);
    assert_true(driver_add(&f->q[1], seg, 2, false, f));
    driver_write(plugin_host_mmio(&f->host), 0x050, 1);
}

static bool is_answered(struct fixture *f)
{
    uint32_t used;

    plugin_host_turn(&f->host, 1000);
    return driver_get(&f->q[1], &used) != NULL;
}

static void ask(struct fixture *f, uint32_t opcode, uint64_t node, const void *args, size_t len)
{
    send(f, opcode, node, args, len);
    while (!is_answered(f))
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* An OPEN that waits until the descriptor that is returned is closed; -1: not possible here. */
static int begin_what_waits(struct fixture *f)
{
    const struct fuse_init_in init = {.major = 7, .minor = 36};
    const struct fuse_open_in in = {.flags = O_WRONLY | O_TRUNC};
    const struct fuse_entry_out *entry =
        (const void *)((const uint8_t *)driver_at(&f->world, OUT) + sizeof(struct fuse_out_header));
    uint64_t node;
    int fd = open(f->file, O_RDONLY);

    signal(SIGIO, SIG_IGN); /* by which a lease's holder is told */
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
        close(fd);
        return -1;
    }
    ask(f, FUSE_INIT, 0, &init, sizeof(init));
    ask(f, FUSE_LOOKUP, 1, "a", 2);
    node = entry->nodeid;
    assert_int_not_equal(node, 0);
    send(f, FUSE_OPEN, node, &in, sizeof(in));
    assert_false(is_answered(f));
    return fd;
}

static void a_queues_reset_ends_when_no_thread_has_a_request_of_it(void **state)
{
    struct fixture *f = *state;
    struct virtio_mmio *mmio = plugin_host_mmio(&f->host);
    int fd = begin_what_waits(f);

    if (fd < 0)
        skip();
    driver_write(mmio, QUEUE_SEL, 1);
    driver_write(mmio, QUEUE_RESET, 1);
    assert_int_equal(driver_read(mmio, QUEUE_RESET), 1);
    plugin_host_turn(&f->host, 1000);
    assert_int_equal(driver_read(mmio, QUEUE_RESET), 1);
    /* The other one has nothing to wait for. */
    driver_write(mmio, QUEUE_SEL, 0);
    driver_write(mmio, QUEUE_RESET, 1);
    assert_int_equal(driver_read(mmio, QUEUE_RESET), 0);
    close(fd);
    driver_write(mmio, QUEUE_SEL, 1);
    while (driver_read(mmio, QUEUE_RESET))
        plugin_host_turn(&f->host, 1000);
    /* It can be used again. */
    driver_queue_init(&f->q[1], &f->world, 1, 64,
                      VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET));
    assert_true(driver_queue_enable(mmio, &f->q[1]));
    ask(f, FUSE_LOOKUP, 1, "a", 2);
}

static void it_stands_still_when_all_threads_do(void **state)
{
    struct fixture *f = *state;
    int fd = begin_what_waits(f);

    if (fd < 0)
        skip();
    assert_int_equal(ringvisor_device.quiesce(f->host.device), -EINPROGRESS);
    plugin_host_turn(&f->host, 1000);
    assert_int_equal(f->host.quiesced, 0);
    close(fd);
    while (!f->host.quiesced)
        plugin_host_turn(&f->host, 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_queues_reset_ends_when_no_thread_has_a_request_of_it),
        TEST(it_stands_still_when_all_threads_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
