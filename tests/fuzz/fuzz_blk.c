/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The block device: a driver that does anything to registers and to a RAM of two
 * pages, requests that end in any order and with any error, resets with requests
 * in flight, standing still, and a new process that goes on with the old one's
 * state. plugin_host_disk.c checks what the device asks of the vmm.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_driver.h"

#define RAM_BASE 0x1000u
#define RAM_SIZE 0x2000u
#define SECTORS  64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The driver, where it wants to get somewhere: queue 0 is there. */
static void bring_up(struct rv_instance *host, uint32_t how)
{
    uint64_t features =
        VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);

    features |= how & 0x80 ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0;
    features |= how & 0x40 ? VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) : 0;
    features |= how & 0x20 ? VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE) : 0;
    features |= how & 0x10 ? VIRTIO_FEATURE(VIRTIO_F_RING_RESET) : 0;
    driver_negotiates(host, features);
    driver_adds_queue(host, 0, 16, RAM_BASE, RAM_BASE + 0x400, RAM_BASE + 0x600);
    write32(host, VIRTIO_MMIO_STATUS, 0xf);
}

/* A request as a driver makes it in a split ring, of a type, a sector and a length. */
static void request(struct rv_instance *host, struct input *in)
{
    uint8_t type = (uint8_t)take(in, 1), sector = (uint8_t)take(in, 1),
            parts = (uint8_t)take(in, 1);
    struct virtio_blk_outhdr header = {.type = type & 15u, .sector = sector};
    uint16_t head = (uint16_t)(3 * (parts >> 4)) % 12, index;
    uint8_t *table = host->ram + 16 * head, *avail = host->ram + 0x400;
    struct {
        uint64_t addr;
        uint32_t len;
        uint16_t flags, next;
    } desc[3] = {{RAM_BASE + 0x800, 16, 1, head + 1},
                 {RAM_BASE + 0xa00, 512u * (parts & 3u), parts & 4u ? 3 : 1, head + 2},
                 {RAM_BASE + 0x900, 1, 2, 0}};

    memcpy(host->ram + 0x800, &header, sizeof(header));
    memcpy(table, desc, sizeof(desc));
    memcpy(&index, avail + 2, 2);
    memcpy(avail + 4 + 2 * (index % 16), &head, 2);
    index++;
    memcpy(avail + 2, &index, 2);
    write32(host, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

static void end_one(struct rv_instance *host, uint8_t how)
{
    static const int errors[] = {0, 0, 0, -EIO, -EOPNOTSUPP, -ENOSPC, -EINVAL, -EROFS};

    if (host->disk.nr_pending)
        plugin_host_disk_complete(&host->disk, (how >> 3) % host->disk.nr_pending, errors[how & 7u],
                                  how & 0x80);
}

static void step(struct rv_instance *host, struct input *in, bool *still)
{
    uint8_t op = (uint8_t)take(in, 1), choice = op >> 4;
    uint32_t where;

    switch (op & 15u) {
    case 0: /* registers and configuration space, in all widths */
    case 1:
        where = take(in, 1) * 4 + (choice & 3u);
        if (!*still)
            driver_accesses(host, in, where, choice >> 2);
        break;
    case 2:
    case 3: driver_scribbles(host, in); break;
    case 4: write32(host, VIRTIO_MMIO_QUEUE_NOTIFY, choice & 1u); break;
    case 5:
        if (!*still)
            bring_up(host, take(in, 1));
        break;
    case 6:
    case 7:
    case 8: request(host, in); break;
    case 9:
    case 10: end_one(host, (uint8_t)take(in, 1)); break;
    case 11: plugin_host_disk_complete_all(&host->disk); break;
    case 12: plugin_host_turn(host, 0); break;
    case 13:
        if (*still)
            ringvisor_device.resume(host->device);
        else if (ringvisor_device.quiesce(host->device) == 0 && choice & 1u)
            ringvisor_device.reset(host->device);
        *still = !*still;
        break;
    case 14: plugin_host_disk_complete_all(&host->disk); break;
    default: /* the process ends: what was in flight is submitted again */
        plugin_host_stop(host);
        if (plugin_host_start(host, RV_CREATE_RESUME))
            abort();
        *still = false;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    static const struct plugin_host_property properties[] = {
        {"path", "/disk"}, {"queues", "2"}, {"queue-size", "16"}, {0}};
    static struct rv_instance host;
    uint8_t *ram = aligned_alloc(4096, RAM_SIZE);
    bool still = false;
    uint32_t how = take(&in, 1);

    if (!ram)
        abort();
    memset(ram, 0, RAM_SIZE);
    plugin_host_init(&host, ram, RAM_BASE, RAM_SIZE);
    plugin_host_disk_init(&host, SECTORS);
    host.properties = properties;
    host.quiet = true;
    host.disk.info.read_only = how & 1u;
    host.disk.info.write_cache = how & 2u;
    host.disk.info.can_discard = how & 4u;
    if (plugin_host_start(&host, 0))
        abort();
    while (in.size != 0)
        step(&host, &in, &still);
    if (still)
        ringvisor_device.resume(host.device);
    plugin_host_disk_complete_all(&host.disk);
    plugin_host_stop(&host);
    plugin_host_free(&host);
    free(ram);
    return 0;
}
