/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console device: a driver that does anything to registers, control messages and
 * a RAM of four pages, back ends that are slow, come and go, resets, standing still,
 * and a new process that goes on with the old one's state.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_console.h>

#include "tests/fuzz/fuzz_driver.h"

#define RAM_BASE 0x1000u
#define RAM_SIZE 0x4000u
#define QUEUES   6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The driver, where it wants to get somewhere: all queues are there, of 8 entries. */
static void bring_up(struct rv_instance *host, uint32_t how)
{
    uint64_t features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1);

    features |= how & 0x80 ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0;
    features |= how & 0x40 ? 0 : VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT);
    features |= how & 0x20 ? VIRTIO_FEATURE(VIRTIO_F_RING_RESET) : 0;
    driver_negotiates(host, features);
    for (uint32_t q = 0; q < QUEUES; q++)
        driver_adds_queue(host, q, 8, RAM_BASE + 0x200 * q, RAM_BASE + 0x200 * q + 0x80,
                          RAM_BASE + 0x200 * q + 0x100);
    write32(host, VIRTIO_MMIO_STATUS, 0xf);
}

/* A buffer of one descriptor in a split ring; on the control queue, a message. */
static void buffer(struct rv_instance *host, struct input *in)
{
    uint8_t where = (uint8_t)take(in, 1), what = (uint8_t)take(in, 1);
    unsigned q = (where & 7u) % QUEUES, slot = where >> 5;
    uint8_t *ring = host->ram + 0x200 * q;
    uint64_t addr = RAM_BASE + 0x1000 + 0x200 * q;
    uint32_t len = what & 0x7fu;
    uint16_t flags = q % 2 ? 0 : 2, index, head = (uint16_t)slot;

    if (q == 3) {
        struct virtio_console_control c = {
            .id = what & 3u, .event = what >> 2 & 7u, .value = what >> 5 & 1u};

        memcpy(host->ram + addr - RAM_BASE, &c, sizeof(c));
        len = sizeof(c);
    }
    memcpy(ring + 16 * slot, &addr, 8);
    memcpy(ring + 16 * slot + 8, &len, 4);
    memcpy(ring + 16 * slot + 12, &flags, 2);
    memcpy(&index, ring + 0x82, 2);
    memcpy(ring + 0x84 + 2 * (index % 8), &head, 2);
    index++;
    memcpy(ring + 0x82, &index, 2);
    write32(host, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

static void step(struct rv_instance *host, struct input *in, bool *still)
{
    static const uint8_t typed[64];
    uint8_t op = (uint8_t)take(in, 1), choice = op >> 4;
    unsigned port = choice & 1u;
    uint32_t where;

    switch (op & 15u) {
    case 0:
    case 1:
        where = take(in, 1) * 4 + (choice & 3u);
        if (!*still)
            driver_accesses(host, in, where, choice >> 2);
        break;
    case 2: driver_scribbles(host, in); break;
    case 3:
        if (!*still)
            bring_up(host, take(in, 1));
        break;
    case 4:
    case 5:
    case 6:
    case 7:
        if (!*still)
            buffer(host, in);
        break;
    case 8: plugin_host_chr_room(&host->chr[port], choice * 8u); break;
    case 9: plugin_host_chr_room(&host->chr[port], SIZE_MAX); break;
    case 10: plugin_host_chr_input(&host->chr[port], typed, choice * 4u); break;
    case 11: plugin_host_chr_connected(&host->chr[port], choice & 2u); break;
    case 12: plugin_host_turn(host, 0); break;
    case 13:
        if (*still)
            ringvisor_device.resume(host->device);
        else if (ringvisor_device.quiesce(host->device) == 0 && choice & 1u)
            ringvisor_device.reset(host->device);
        *still = !*still;
        break;
    case 14: write32(host, VIRTIO_MMIO_QUEUE_NOTIFY, choice & 7u); break;
    default:
        plugin_host_stop(host);
        if (plugin_host_start(host, RV_CREATE_RESUME))
            abort();
        *still = false;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct plugin_host_property properties[] = {
        {"chardev1", "second"}, {"name1", "name"}, {0}};
    static struct rv_instance host;
    struct input in = {data, size};
    uint8_t *ram = aligned_alloc(4096, RAM_SIZE);
    bool still = false;

    if (!ram)
        abort();
    memset(ram, 0, RAM_SIZE);
    plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
    host.properties = properties;
    host.quiet = true;
    if (plugin_host_start(&host, 0))
        abort();
    while (in.size != 0)
        step(&host, &in, &still);
    plugin_host_stop(&host);
    plugin_host_free(&host);
    free(ram);
    return 0;
}
