/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM generation ID: 128 bits that are others each time the guest begins anew from a snapshot, and an
 * interrupt that says so. The guest then knows that its random numbers may also be somebody else's.
 * The interface is Microsoft's ("Virtual Machine Generation ID", 2012), found by the device tree
 * binding microsoft,vmgenid of Linux.
 *
 * A vmm that takes over a guest that runs does not change it: nobody else has that guest.
 */
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define VMGENID_BYTES 16u

struct vmgenid_state {
    uint8_t id[VMGENID_BYTES];
    uint32_t changed; /* 1: the guest is to get an interrupt */
    uint32_t pad[3];
};

struct vmgenid {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct vmgenid_state *state;
};

static int vmgenid_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                        const struct rv_access *access)
{
    const struct vmgenid *v = device;

    *value = 0;
    for (uint32_t i = 0; i < size && offset + i < VMGENID_BYTES; i++)
        *value |= (uint64_t)v->state->id[offset + i] << 8 * i;
    return 0;
}

static int vmgenid_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                         const struct rv_access *access)
{
    return 0;
}

static int vmgenid_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                          uint32_t flags, void **device)
{
    struct vmgenid *v = calloc(1, sizeof(*v));
    struct vmgenid_state *s = state;

    if (!v) {
        ops->log(instance, RV_LOG_ERROR, "out of memory");
        return -ENOMEM;
    }
    *v = (struct vmgenid){.instance = instance, .ops = ops, .state = s};
    if (!(flags & RV_CREATE_RESUME) || flags & RV_CREATE_RESTORED) {
        if (getrandom(s->id, sizeof(s->id), 0) != sizeof(s->id)) {
            ops->log(instance, RV_LOG_ERROR, "no random numbers from the host");
            free(v);
            return -EIO;
        }
        s->changed = (flags & RV_CREATE_RESUME) != 0;
    }
    *device = v;
    return 0;
}

static void vmgenid_destroy(void *device)
{
    free(device);
}

static void vmgenid_resume(void *device)
{
    struct vmgenid *v = device;

    if (v->state->changed)
        v->ops->irq_pulse(v->instance, 0);
    v->state->changed = 0;
}

/* The same guest begins again: the number stays. */
static void vmgenid_reset(void *device)
{
}

static const char *const vmgenid_compatible[] = {"microsoft,vmgenid", NULL};

static const struct rv_fdt_node vmgenid_fdt = {
    .size = sizeof(vmgenid_fdt),
    .name = "rng",
    .compatible = vmgenid_compatible,
};

static const struct rv_region vmgenid_regions[] = {
    {
        .bytes = 0x1000,
        .read = vmgenid_read,
        .write = vmgenid_write,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "vmgenid",
    .description = "VM generation ID: a guest that is restored makes new random numbers",
    .regions = vmgenid_regions,
    .place = RV_PLACE_PLATFORM,
    .fdt = &vmgenid_fdt,
    .irq_lines = 1,
    .irq_edge = 1,
    .state_version = 1,
    .state_size = sizeof(struct vmgenid_state),
    .create = vmgenid_create,
    .destroy = vmgenid_destroy,
    .resume = vmgenid_resume,
    .reset = vmgenid_reset,
};
