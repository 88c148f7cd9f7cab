/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device on a vmm in memory: a driver that does anything to registers, rings
 * and a RAM of 16 pages, and mostly what brings it far: negotiates, makes chains of one
 * to three descriptors with contents of its choice, notifies. Resets, standing still, a
 * new process that goes on with the old one's state, time, and the device's other side.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_driver.h"
#include "tests/fuzz/plugin_fuzzer.h"

#define RAM_BASE 0x10000u
#define RAM_SIZE 0x10000u
#define QUEUES   5u
#define ENTRIES  16u
#define RING(q)  (RAM_BASE + 0x400u * (q)) /* descriptors, available at 0x200, used at 0x300 */
#define DATA     0x2000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t take_bytes(struct input *in, uint8_t *to, size_t len)
{
    len = len < in->size ? len : in->size;
    if (len)
        memcpy(to, in->data, len);
    in->data += len;
    in->size -= len;
    return len;
}

static uint64_t offered(struct rv_instance *host)
{
    uint64_t low, high;

    write32(host, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    ringvisor_device.regions[0].read(host->device, VIRTIO_MMIO_DEVICE_FEATURES, 4, &low, NULL);
    write32(host, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    ringvisor_device.regions[0].read(host->device, VIRTIO_MMIO_DEVICE_FEATURES, 4, &high, NULL);
    return low | high << 32;
}

/* All queues are there, with the features that the input leaves of those offered. */
static void bring_up(struct rv_instance *host, uint32_t without)
{
    uint64_t features = offered(host) & ~(uint64_t)without;

    if (without >> 31)
        features &= ~VIRTIO_FEATURE(VIRTIO_F_RING_PACKED);
    driver_negotiates(host, features);
    for (uint32_t q = 0; q < QUEUES; q++) {
        memset(host->ram + RING(q) - RAM_BASE, 0, 0x400);
        driver_adds_queue(host, q, ENTRIES, RING(q), RING(q) + 0x200, RING(q) + 0x300);
    }
    write32(host, VIRTIO_MMIO_STATUS, 0xf);
}

/* A chain in a split ring. The readable part comes first and has what the input says. */
static void chain(struct rv_instance *host, struct input *in)
{
    uint32_t shape = take(in, 2);
    unsigned q = (shape & 7u) % QUEUES, slot = shape >> 3 & 3u;
    uint8_t *ring = host->ram + RING(q) - RAM_BASE;
    unsigned readable = shape >> 5 & 3u, writable = shape >> 7 & 3u;
    uint16_t index, head = (uint16_t)(4 * slot);

    if (readable + writable == 0 || readable + writable > 3)
        return;
    for (unsigned i = 0; i < readable + writable; i++) {
        uint32_t at = DATA + (q * 4 + slot) * 0x800u + i * 0x200u;
        uint64_t addr = RAM_BASE + at;
        uint32_t len = i < readable ? take(in, 1) : 1u << (shape >> 9 & 15u);
        uint16_t flags = (uint16_t)((i < readable ? 0 : 2) | (i + 1 < readable + writable));
        uint16_t next = (uint16_t)(head + i + 1);
        uint8_t *desc = ring + 16 * (head + i);

        if (i < readable)
            plugin_fuzzer_sent(q, host->ram + at, take_bytes(in, host->ram + at, len));
        memcpy(desc, &addr, 8);
        memcpy(desc + 8, &len, 4);
        memcpy(desc + 12, &flags, 2);
        memcpy(desc + 14, &next, 2);
    }
    memcpy(&index, ring + 0x202, 2);
    memcpy(ring + 0x204 + 2 * (index % ENTRIES), &head, 2);
    index++;
    memcpy(ring + 0x202, &index, 2);
    if (shape >> 13 & 1u)
        write32(host, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

static void step(struct rv_instance *host, struct input *in)
{
    uint8_t bytes[256];
    uint32_t where;

    switch (take(in, 1) % 12) {
    case 0:
        where = take(in, 2);
        driver_accesses(host, in, where % VIRTIO_MMIO_SIZE, where >> 14);
        break;
    case 1:
        where = take(in, 2) % RAM_SIZE;
        take_bytes(in, bytes, take(in, 1));
        host->ram[where] = bytes[0];
        break;
    case 2: bring_up(host, take(in, 4)); break;
    case 3: /* a new process, which may find the old one in the middle of something */
        plugin_host_stop(host);
        if (plugin_host_start(host, RV_CREATE_RESUME))
            abort();
        break;
    case 4:
        ringvisor_device.quiesce(host->device);
        plugin_host_turn(host, 1000000);
        ringvisor_device.resume(host->device);
        break;
    case 5:
        ringvisor_device.quiesce(host->device);
        ringvisor_device.reset(host->device);
        ringvisor_device.resume(host->device);
        break;
    case 6:
    case 7: plugin_host_turn(host, (uint64_t)take(in, 1) << 22); break;
    case 8: {
        size_t len = take_bytes(in, bytes, take(in, 1));

        plugin_fuzzer_peer(host, bytes, len);
        break;
    }
    default: chain(host, in); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rv_instance host;
    struct input in = {data, size};
    uint8_t *ram = aligned_alloc(4096, RAM_SIZE);

    memset(ram, 0, RAM_SIZE);
    plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
    host.quiet = true;
    host.properties = plugin_fuzzer_properties;
    plugin_fuzzer_begin(&host);
    if (plugin_host_start(&host, 0))
        abort();
    bring_up(&host, take(&in, 4) | 1u << 31);
    while (in.size)
        step(&host, &in);
    for (unsigned i = 0; i < 4; i++)
        plugin_host_turn(&host, 1000000000);
    plugin_host_stop(&host);
    plugin_fuzzer_end(&host);
    plugin_host_free(&host);
    free(ram);
    /* Each kind of fault is said once, so messages have a bound that the input cannot move. */
    if (host.warnings > 64 + size / 8)
        abort();
    return 0;
}
