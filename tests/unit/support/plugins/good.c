/* SPDX-License-Identifier: BSD-2-Clause */
/* A device with a property of each type, whose registers show what it was given. */
#include "tests/unit/support/plugins/template.h"

/* Registers. */
#define GOOD_FLAG   0x00u /* property "flag" */
#define GOOD_NUMBER 0x08u /* property "number" */
#define GOOD_LENGTH 0x10u /* length of property "text", or -1 */
#define GOOD_RESETS 0x18u /* 1: was reset */
#define GOOD_IRQ    0x20u /* write: line in bits 7..1, level in bit 0 */
#define GOOD_CHAR   0x28u /* write: a character for the back end */
#define GOOD_SIZE   0x30u /* property "size" */
#define GOOD_SHAPE  0x38u /* property "shape" */
#define GOOD_PULSE  0x40u /* write: a pulse on this line */
#define GOOD_FLAGS  0x48u /* what create() was given */
#define GOOD_EVENTS 0x50u /* events that came */
#define GOOD_PHASE  0x58u /* 1: resumed, 2: quiesced */
#define GOOD_DONE   0x60u /* write: what is in flight ends; 1: further quiesce() wait */
#define GOOD_DMA    0x68u /* write: copies 8 bytes from this address to the next */
#define GOOD_EXTRA  0x70u /* first byte of a further state block */

struct good {
    struct template t;
    struct rv_chr *chr;
    uint8_t *extra;
    uint64_t *writes; /* a counter */
    bool slow;        /* requests take a while to end */
};

static void good_set(struct good *g, uint64_t offset, uint64_t value)
{
    template_write(&g->t, offset, 8, value, NULL);
}

static void good_reset(void *device)
{
    struct good *g = device;
    struct template *t = &g->t;
    const char *text = t->ops->property_string(t->instance, "text");

    template_reset(t);
    good_set(g, GOOD_FLAG, t->ops->property_bool(t->instance, "flag"));
    good_set(g, GOOD_NUMBER, t->ops->property_uint(t->instance, "number"));
    good_set(g, GOOD_LENGTH, text ? strlen(text) : UINT64_MAX);
    good_set(g, GOOD_RESETS, 1);
    good_set(g, GOOD_SIZE, t->ops->property_uint(t->instance, "size"));
    good_set(g, GOOD_SHAPE, t->ops->property_enum(t->instance, "shape"));
}

static uint64_t good_can_receive(void *opaque)
{
    return 1;
}

static void good_receive(void *opaque, const uint8_t *data, uint64_t len)
{
    good_set(opaque, GOOD_CHAR, data[len - 1]);
}

static const struct rv_chr_callbacks good_chr = {
    .size = sizeof(good_chr),
    .can_receive = good_can_receive,
    .receive = good_receive,
};

static int good_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                       uint32_t flags, void **device)
{
    struct good *g;

    if (ops->property_uint(instance, "number") == 13) {
        ops->log(instance, RV_LOG_ERROR, "13 is %s", "unlucky");
        return -EDOM;
    }
    g = calloc(1, sizeof(*g));
    if (!g)
        return -ENOMEM;
    g->t = (struct template){instance, ops, state};
    g->chr = ops->chr_open(instance, ops->property_string(instance, "chardev"), &good_chr, g);
    g->extra = ops->state_block(instance, "extra", 7, 16);
    g->writes = ops->counter(instance, "writes", "register writes");
    if (!g->chr || !g->extra) {
        free(g); /* and the back end is left to the vmm */
        return -ENODEV;
    }
    g->extra[0]++;
    good_set(g, GOOD_FLAGS, flags);
    *device = g;
    return 0;
}

static void good_destroy(void *device)
{
    free(device); /* the back end is left to the vmm */
}

static int good_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                     const struct rv_access *access)
{
    struct good *g = device;

    if (offset == GOOD_EXTRA)
        *value = g->extra[0];
    else
        template_read(&g->t, offset, size, value, access);
    return 0;
}

static void good_dma(struct template *t, uint64_t ipa)
{
    uint64_t value;
    void *at = t->ops->mem_map(t->instance, ipa, 16, RV_MEM_READ | RV_MEM_WRITE);

    if (at && t->ops->mem_read(t->instance, ipa, &value, 8) == 0)
        t->ops->mem_write(t->instance, ipa + 8, &value, 8);
    if (at)
        t->ops->mem_unmap(t->instance, at, 16);
}

static int good_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                      const struct rv_access *access)
{
    struct good *g = device;
    struct template *t = &g->t;
    uint8_t c = (uint8_t)value;

    ++*g->writes;
    switch (offset) {
    case GOOD_IRQ: t->ops->irq_set(t->instance, (unsigned)value >> 1, value & 1); break;
    case GOOD_PULSE: t->ops->irq_pulse(t->instance, (unsigned)value); break;
    case GOOD_CHAR: t->ops->chr_write(t->instance, g->chr, &c, 1); break;
    case GOOD_DMA: good_dma(t, value); break;
    case GOOD_DONE:
        if (!value)
            t->ops->quiesced(t->instance);
        g->slow = value & 1;
        break;
    default: break;
    }
    return template_write(t, offset, size, value, access);
}

static int good_quiesce(void *device)
{
    struct good *g = device;

    good_set(g, GOOD_PHASE, 2);
    return g->slow ? -EINPROGRESS : 0;
}

static void good_resume(void *device)
{
    good_set(device, GOOD_PHASE, 1);
}

static bool good_event(void *device, const struct rv_device_event *event)
{
    good_set(device, GOOD_EVENTS, 1);
    return true;
}

static const char *const good_shapes[] = {"round", "square", "flat", NULL};

static const struct rv_property good_properties[] = {
    {.name = "flag", .type = RV_PROPERTY_BOOL, .value = "off", .help = "a switch"},
    {.name = "number",
     .type = RV_PROPERTY_UINT,
     .value = "10",
     .help = "how many",
     .min = 1,
     .max = 0x100},
    {.name = "text", .type = RV_PROPERTY_STRING, .help = "any text"},
    {.name = "size", .type = RV_PROPERTY_SIZE, .value = "4K", .help = "how big"},
    {.name = "shape",
     .type = RV_PROPERTY_ENUM,
     .value = "square",
     .help = "which one",
     .choices = good_shapes},
    {.name = "chardev", .type = RV_PROPERTY_STRING, .help = "its back end"},
    {0},
};

static const struct rv_range good_posted[] = {{GOOD_CHAR, 8}, {0, 0}};

static const struct rv_region good_regions[] = {
    {.bytes = TEMPLATE_SIZE, .read = good_read, .write = good_write, .posted = good_posted},
    {0},
};

PLUGIN_CLASS(.name = "good", .properties = good_properties, .irq_lines = 3, .irq_edge = 4,
             .regions = good_regions, .reset = good_reset, .create = good_create,
             .destroy = good_destroy, .quiesce = good_quiesce, .resume = good_resume,
             .event = good_event)
