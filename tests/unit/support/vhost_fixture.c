/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/vhost_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HIDDEN 0x1000u /* bytes of the RAM's memory before guest RAM */

static void map_ram(struct setup *s)
{
    int fd = memfd_create("ram", MFD_CLOEXEC);

    assert_int_equal(ftruncate(fd, HIDDEN + DRIVER_RAM_SIZE), 0);
    s->world.ram = mmap(NULL, DRIVER_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, HIDDEN);
    assert_ptr_not_equal(s->world.ram, MAP_FAILED);
    plugin_host_init(&s->host, s->world.ram, DRIVER_RAM_BASE, DRIVER_RAM_SIZE);
    s->host.ram_fd = fd;
    s->host.ram_offset = HIDDEN;
}

void turn(struct setup *s)
{
    uint64_t now, at;

    if (plugin_host_wait(&s->host, 5) || !s->hasty)
        return;
    now = plugin_host_now(&s->host);
    at = plugin_host_timer_at(&s->host);
    if (at > now && at - now <= NS_PER_S)
        s->host.now += at - now;
}

int setup(void **state)
{
    struct setup *s = calloc(1, sizeof(*s));

    strcpy(s->folder, "/tmp/vhost-test-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    snprintf(s->path, sizeof(s->path), "%s/s", s->folder);
    s->back_end = (struct back_end){
        .features = V1 | FLUSH | WCE | DISCARD | MQ | PROTOCOL | 1ull << 26, /* and LOG_ALL */
        .protocol = ALL,
        .capacity = 1000,
    };
    map_ram(s);
    s->host.now = 0;
    s->host.real_time = true;
    s->host.quiet = true;
    plugin_host_set(&s->host, "socket", s->path);
    plugin_host_set(&s->host, "wait", "0");
    *state = s;
    return 0;
}

int teardown(void **state)
{
    struct setup *s = *state;

    plugin_host_free(&s->host);
    munmap(s->world.ram, DRIVER_RAM_SIZE);
    close(s->host.ram_fd);
    unlink(s->path);
    rmdir(s->folder);
    free(s);
    return 0;
}

uint32_t rd(struct setup *s, uint32_t reg)
{
    return driver_read(plugin_host_virtio(&s->host), reg);
}

void wr(struct setup *s, uint32_t reg, uint32_t value)
{
    driver_write(plugin_host_virtio(&s->host), reg, value);
}

int ask_for_reset(struct setup *s)
{
    return ringvisor_device.regions[0].write(s->host.device, VIRTIO_MMIO_STATUS, 4, 0, NULL);
}

void reset(struct setup *s)
{
    UNTIL(s, ask_for_reset(s) == 0);
    assert_int_equal(rd(s, VIRTIO_MMIO_STATUS), 0);
}

bool interrupted(struct setup *s)
{
    return rd(s, VIRTIO_MMIO_INTERRUPT_STATUS) != 0 && s->host.rises != 0;
}

bool enabled(struct setup *s)
{
    return back_end_get(&s->back_end.enabled) & 1;
}

bool quiet(struct setup *s)
{
    return enabled(s) && plugin_host_timer_at(&s->host) == PLUGIN_HOST_NEVER;
}

void drive_with(struct setup *s, uint64_t features)
{
    struct virtio_device *virtio = plugin_host_virtio(&s->host);

    driver_queue_init(&s->q, &s->world, 0, 16, V1);
    assert_true(driver_negotiate(virtio, features));
    assert_true(driver_queue_enable(virtio, &s->q));
    driver_ok(virtio);
}

void drive(struct setup *s)
{
    drive_with(s, V1 | FLUSH);
}

void start(struct setup *s)
{
    back_end_start(&s->back_end, s->path);
    assert_int_equal(plugin_host_start(&s->host, 0), 0);
    drive(s);
    UNTIL(s, quiet(s));
    wr(s, VIRTIO_MMIO_INTERRUPT_ACK, 3);
}

void stop(struct setup *s)
{
    plugin_host_stop(&s->host);
    back_end_stop(&s->back_end);
}

bool kicked(struct setup *s)
{
    eventfd_t count;

    return eventfd_read(s->back_end.kick[0], &count) == 0;
}

void make_available(struct setup *s)
{
    struct driver_seg seg = {DRIVER_DATA, 8, true};

    assert_true(driver_add(&s->q, &seg, 1, false, s));
    wr(s, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

void use(struct setup *s, uint16_t n)
{
    uint16_t head, used = (uint16_t)(n + 1);
    uint8_t *ram = mmap(NULL, DRIVER_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                        s->back_end.memory, (off_t)s->back_end.mmap_offset);

    assert_ptr_not_equal(ram, MAP_FAILED);
    memcpy(&head, ram + (s->q.avail - DRIVER_RAM_BASE) + 4 + 2 * (n % 16), 2);
    memcpy(ram + (USED - DRIVER_RAM_BASE) + 4 + 8 * (n % 16), (uint32_t[]){head, 8}, 8);
    memcpy(ram + (USED - DRIVER_RAM_BASE) + 2, &used, 2);
    munmap(ram, DRIVER_RAM_SIZE);
}

void sync_now(struct setup *s)
{
    s->host.dirty_bytes = 0;
    ringvisor_device.sync(s->host.device, RV_SYNC_VISIBLE);
}

void start_relayed(struct setup *s)
{
    s->back_end.features |= INDIRECT;
    s->back_end.protocol &= ~RECORD;
    plugin_host_set(&s->host, "queue-size", "16");
    start(s);
}

struct split relay_ring(struct setup *s)
{
    struct split ring = {.base = s->back_end.rings_base};

    assert_true(s->back_end.rings >= 0);
    ring.map = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED, s->back_end.rings, 0);
    assert_ptr_not_equal(ring.map, MAP_FAILED);
    ring.desc = ring.map + (s->back_end.desc[0] - ring.base);
    ring.avail = ring.map + (s->back_end.avail[0] - ring.base);
    ring.used = ring.map + (s->back_end.used[0] - ring.base);
    return ring;
}

uint16_t ring_available(const struct split *ring)
{
    uint16_t index;

    memcpy(&index, ring->avail + 2, 2);
    return index;
}

uint16_t ring_head(const struct split *ring, uint16_t n, uint64_t *address)
{
    uint64_t table;
    uint16_t head, flags;

    memcpy(&head, ring->avail + 4 + 2 * (n % 16), 2);
    memcpy(&table, ring->desc + 16 * head, 8);
    memcpy(&flags, ring->desc + 16 * head + 12, 2);
    assert_int_equal(flags, 4);
    memcpy(address, ring->map + (table - ring->base), 8);
    return head;
}

void ring_use(const struct split *ring, uint32_t head, uint16_t n)
{
    uint16_t used = (uint16_t)(n + 1);

    memcpy(ring->used + 4 + 8 * (n % 16), (uint32_t[]){head, 8}, 8);
    memcpy(ring->used + 2, &used, 2);
}

void add_at(struct setup *s, uint64_t address, void *token)
{
    struct driver_seg seg = {address, 8, true};

    assert_true(driver_add(&s->q, &seg, 1, false, token));
    wr(s, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}
