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

#define QUIET_NS 10000000000ull /* from one message to the next */

enum pvpanic_action { PVPANIC_EXIT, PVPANIC_RESET, PVPANIC_NONE };

struct pvpanic {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    enum pvpanic_action action;
    uint64_t quiet_until[2]; /* now_ns, of each event */
};

static int pvpanic_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                        const struct rv_access *access)
{
    *value = offset == 0 ? PVPANIC_PANICKED | PVPANIC_CRASHED : 0;
    return 0;
}

/* A guest may write for ever, or whenever it boots. */
static void pvpanic_say(struct pvpanic *p, unsigned event, const char *what)
{
    uint64_t *quiet_until = &p->quiet_until[event == PVPANIC_CRASHED];
    uint64_t now = p->ops->now_ns(p->instance);

    if (now < *quiet_until)
        return;
    p->ops->log(p->instance, RV_LOG_WARN, "the guest has panicked: %s", what);
    *quiet_until = now + QUIET_NS;
}

static void pvpanic_ask(struct pvpanic *p, uint32_t type, int32_t code)
{
    const struct rv_request request = {.size = sizeof(request), .type = type, .code = code};

    p->ops->request(p->instance, &request);
}

static int pvpanic_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                         const struct rv_access *access)
{
    struct pvpanic *p = device;

    if (offset != 0)
        return 0;
    if (!(value & PVPANIC_PANICKED)) {
        if (value & PVPANIC_CRASHED)
            pvpanic_say(p, PVPANIC_CRASHED, "its crash kernel takes over");
    } else if (p->action == PVPANIC_RESET) {
        pvpanic_say(p, PVPANIC_PANICKED, "it is reset");
        pvpanic_ask(p, RV_REQUEST_RESET, 0);
    } else if (p->action == PVPANIC_NONE) {
        pvpanic_say(p, PVPANIC_PANICKED, "nothing is done");
    } else {
        pvpanic_say(p, PVPANIC_PANICKED, "it is ended");
        pvpanic_ask(p, RV_REQUEST_PANIC, (int32_t)(value & 0xff));
    }
    return 0;
}

static const char *const pvpanic_actions[] = {"exit", "reset", "none", NULL};

static int pvpanic_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                          uint32_t flags, void **device)
{
    struct pvpanic *p = calloc(1, sizeof(*p));

    if (!p) {
        ops->log(instance, RV_LOG_ERROR, "out of memory");
        return -ENOMEM;
    }
    *p = (struct pvpanic){
        .instance = instance, .ops = ops, .action = ops->property_enum(instance, "action")};
    *device = p;
    return 0;
}

static void pvpanic_destroy(void *device)
{
    free(device);
}

/* What it remembers is the log's, not the guest's. */
static void pvpanic_reset(void *device)
{
}

static const struct rv_property pvpanic_properties[] = {
    {.name = "action",
     .type = RV_PROPERTY_ENUM,
     .value = "exit",
     .choices = pvpanic_actions,
     .help = "what happens to a guest that has panicked; exit: the vmm ends with status 3"},
    {0},
};

static const char *const pvpanic_compatible[] = {"qemu,pvpanic-mmio", NULL};

static const struct rv_fdt_node pvpanic_fdt = {
    .size = sizeof(pvpanic_fdt),
    .name = "pvpanic",
    .compatible = pvpanic_compatible,
};

static const struct rv_region pvpanic_regions[] = {
    {
        .bytes = PVPANIC_SIZE,
        .read = pvpanic_read,
        .write = pvpanic_write,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "pvpanic",
    .description = "panic notifier: the vmm ends with status 3 when the guest's kernel panics",
    .regions = pvpanic_regions,
    .properties = pvpanic_properties,
    .place = RV_PLACE_PLATFORM,
    .fdt = &pvpanic_fdt,
    .create = pvpanic_create,
    .destroy = pvpanic_destroy,
    .reset = pvpanic_reset,
};
