/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two classes in one object. "second" has two regions, a list of values, a property and
 * commands for run time, and a state that was of another layout in version 1.
 */
#include "tests/unit/support/plugins/template.h"

PLUGIN_CLASS_AS(first_class, .name = "first")

/* Registers of the second region, which is not the state. */
#define SECOND_VCPU  0x00u /* of the last write to the first region */
#define SECOND_FLAGS 0x08u
#define SECOND_ITEMS 0x10u /* values of "item" */
#define SECOND_SIZE  0x18u /* property "size", as set() left it */
#define SECOND_SAVES 0x20u /* calls of before_save and after_save */
#define SECOND_EXTRA 0x28u /* first byte of the block "extra" */
#define SECOND_GROWN 0x30u /* write: the new size of "extra"; read: its size */
#define SECOND_PART  0x38u /* all bytes of the block "part", of which 8 are put back */

struct second_state {
    uint64_t value; /* version 1 had it in 32 bits */
    uint8_t rest[TEMPLATE_SIZE - 8];
};

struct second {
    struct template t;
    uint64_t vcpu, flags, size, saves;
    uint8_t *extra, *part;
    struct rv_reply *later;
};

static int second_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                         uint32_t flags, void **device)
{
    struct second *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->t = (struct template){instance, ops, state};
    s->size = ops->property_uint(instance, "size");
    s->extra = ops->state_block(instance, "extra", 2, 16);
    s->part = ops->state_block(instance, "part", 1, 16);
    if (!s->extra || !s->part) {
        free(s);
        return -EINVAL;
    }
    ops->state_undone(instance, s->part, 8);
    *device = s;
    return 0;
}

static int second_upgrade(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                          const struct rv_state_upgrade *upgrade)
{
    uint32_t old;

    if (upgrade->from_version != 1 || upgrade->from_size < sizeof(old))
        return -ENOTSUP;
    memcpy(&old, upgrade->from, sizeof(old));
    if (upgrade->block)
        *(uint8_t *)upgrade->to = (uint8_t)(old + 1);
    else
        ((struct second_state *)upgrade->to)->value = (uint64_t)old << 32;
    return 0;
}

static int second_first_write(void *device, uint64_t offset, uint32_t width, uint64_t value,
                              const struct rv_access *access)
{
    struct second *s = device;

    s->vcpu = access->vcpu;
    s->flags = access->flags | (uint64_t)access->region << 32;
    return template_write(device, offset, width, value, access);
}

static int second_read(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                       const struct rv_access *access)
{
    struct second *s = device;

    switch (offset) {
    case SECOND_VCPU: *value = s->vcpu; return 0;
    case SECOND_FLAGS: *value = s->flags | access->region; return 0;
    case SECOND_ITEMS: *value = s->t.ops->property_count(s->t.instance, "item"); return 0;
    case SECOND_SIZE: *value = s->size; return 0;
    case SECOND_SAVES: *value = s->saves; return 0;
    case SECOND_EXTRA: *value = s->extra[0]; return 0;
    case SECOND_PART:
        *value = s->part[0] | (uint64_t)s->part[7] << 8 | (uint64_t)s->part[8] << 16;
        return 0;
    case SECOND_GROWN: *value = s->t.ops->state_size(s->t.instance, s->extra); return 0;
    default: return -EIO;
    }
}

static int second_write(void *device, uint64_t offset, uint32_t width, uint64_t value,
                        const struct rv_access *access)
{
    struct second *s = device;
    uint8_t *extra;

    if (offset == SECOND_PART) {
        memset(s->part, (int)value, 16);
        return 0;
    }
    if (offset != SECOND_GROWN)
        return -EIO;
    extra = s->t.ops->state_resize(s->t.instance, s->extra, value);
    if (extra)
        s->extra = extra;
    return 0;
}

static int second_before_save(void *device)
{
    struct second *s = device;

    s->saves++;
    return s->saves > 10 ? -EBUSY : 0;
}

static void second_after_save(void *device, int error)
{
    struct second *s = device;

    s->saves += error ? 100 : 2;
}

static int second_set(void *device, const char *name, const char *value)
{
    struct second *s = device;
    uint64_t size = strtoull(value, NULL, 0);

    if (size == 13)
        return -ERANGE;
    s->size = size;
    return 0;
}

static int64_t second_get(void *device, const char *name, char *text, uint64_t size)
{
    if (strcmp(name, "now") != 0)
        return -ENOENT;
    memcpy(text, "computed", 8);
    return 8;
}

static int second_command(void *device, const struct rv_device_command *command)
{
    struct second *s = device;

    if (strcmp(command->name, "fail") == 0)
        return -EPERM;
    if (strcmp(command->name, "later") == 0)
        s->later = command->reply;
    else if (strcmp(command->name, "answer") == 0 && s->later)
        s->t.ops->reply(s->t.instance, s->later, 0, "{\"late\": true}");
    if (strcmp(command->name, "later") != 0)
        s->t.ops->reply(s->t.instance, command->reply, 0, command->json);
    return 0;
}

static void second_destroy(void *device)
{
    free(device);
}

static const struct rv_property second_properties[] = {
    {.name = "item", .type = RV_PROPERTY_STRING, .list = 1, .help = "one of several"},
    {.name = "size",
     .type = RV_PROPERTY_UINT,
     .value = "5",
     .runtime = 1,
     .help = "a size",
     .max = 99},
    {.name = "fixed", .type = RV_PROPERTY_UINT, .value = "7", .help = "for ever"},
    {.name = "now", .type = RV_PROPERTY_STRING, .help = "what it is now"},
    {0},
};

static const struct rv_command_info second_commands[] = {
    {.name = "echo", .help = "answers with its arguments"},
    {.name = "later", .help = "answers when it is told to"},
    {.name = "answer", .help = "has it answer"},
    {.name = "fail", .help = "fails"},
    {0},
};

static const struct rv_region second_regions[] = {
    {.bytes = TEMPLATE_SIZE, .read = template_read, .write = second_first_write},
    {.bytes = 0x100, .read = second_read, .write = second_write},
    {0},
};

PLUGIN_CLASS_AS(second_class, .name = "second", .regions = second_regions,
                .properties = second_properties, .commands = second_commands,
                .state_size = sizeof(struct second_state), .state_version = 2,
                .create = second_create, .destroy = second_destroy, .upgrade = second_upgrade,
                .before_save = second_before_save, .after_save = second_after_save,
                .set = second_set, .get = second_get, .command = second_command)

const struct rv_device_class *const ringvisor_devices[] = {&first_class, &second_class, NULL};
