/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Panic notifier: QEMU's pvpanic, MMIO variant (docs/specs/pvpanic.rst there). One
 * byte: a read tells which events are known, a write is an event.
 */
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>

#define PVPANIC_SIZE     2u
#define PVPANIC_PANICKED 1u /* the guest cannot go on */
#define PVPANIC_CRASHED  2u /* it has panicked, and its own crash kernel takes over */

struct pvpanic {
    struct rv_host *host;
    const struct rv_host_ops *ops;
};

static int pvpanic_read(void *device, uint64_t offset, unsigned size, uint64_t *value)
{
    (void)device;
    (void)size;
    *value = offset == 0 ? PVPANIC_PANICKED | PVPANIC_CRASHED : 0;
    return 0;
}

static int pvpanic_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    const struct pvpanic *p = device;

    (void)size;
    if (offset != 0)
        return 0;
    if (value & PVPANIC_PANICKED)
        p->ops->request(p->host, RV_REQUEST_PANIC, (int)(value & 0xff));
    else if (value & PVPANIC_CRASHED)
        p->ops->log(p->host, RV_LOG_WARN, "the guest has panicked: its crash kernel takes over");
    return 0;
}

static int pvpanic_create(struct rv_host *host, const struct rv_host_ops *ops, void *state,
                          uint32_t flags, void **device)
{
    struct pvpanic *p = calloc(1, sizeof(*p));

    (void)state;
    (void)flags;
    if (!p) {
        ops->log(host, RV_LOG_ERROR, "out of memory");
        return -ENOMEM;
    }
    *p = (struct pvpanic){.host = host, .ops = ops};
    *device = p;
    return 0;
}

static void pvpanic_destroy(void *device)
{
    free(device);
}

static void pvpanic_reset(void *device)
{
    (void)device;
}

static const char *const pvpanic_compatible[] = {"qemu,pvpanic-mmio", NULL};

static const struct rv_fdt_node pvpanic_fdt = {
    .size = sizeof(pvpanic_fdt),
    .name = "pvpanic",
    .compatible = pvpanic_compatible,
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "pvpanic",
    .description = "panic notifier: the vmm ends with status 3 when the guest's kernel panics",
    .mmio_size = PVPANIC_SIZE,
    .place = RV_PLACE_PLATFORM,
    .fdt = &pvpanic_fdt,
    .create = pvpanic_create,
    .destroy = pvpanic_destroy,
    .reset = pvpanic_reset,
    .read = pvpanic_read,
    .write = pvpanic_write,
};
