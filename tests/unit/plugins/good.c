/* SPDX-License-Identifier: BSD-2-Clause */
/* A device with a property of each type, whose registers show what it was given. */
#include "tests/unit/plugins/template.h"

/* Registers. */
#define GOOD_FLAG   0x00u /* property "flag" */
#define GOOD_NUMBER 0x08u /* property "number" */
#define GOOD_LENGTH 0x10u /* length of property "text", or -1 */
#define GOOD_RESETS 0x18u /* 1: was reset */
#define GOOD_IRQ    0x20u /* write: line in bits 7..1, level in bit 0 */
#define GOOD_CHAR   0x28u /* write: a character for the back end */

static void good_reset(void *device)
{
    struct template *t = device;
    const char *text = t->ops->property_string(t->host, "text");
    uint64_t values[] = {
        t->ops->property_bool(t->host, "flag"),
        t->ops->property_uint(t->host, "number"),
        text ? strlen(text) : UINT64_MAX,
        1,
    };

    template_reset(device);
    memcpy(t->registers, values, sizeof(values));
}

static int good_create(struct rv_host *host, const struct rv_host_ops *ops, void *state,
                       void **device)
{
    if (ops->property_uint(host, "number") == 13) {
        ops->log(host, RV_LOG_ERROR, "13 is %s", "unlucky");
        return -EDOM;
    }
    return template_create(host, ops, state, device);
}

static int good_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct template *t = device;
    uint8_t c = (uint8_t)value;

    if (offset == GOOD_IRQ)
        t->ops->irq_set(t->host, (unsigned)value >> 1, value & 1);
    else if (offset == GOOD_CHAR)
        t->ops->chr_write(t->host, &c, 1);
    return template_write(device, offset, size, value);
}

static size_t good_can_receive(void *device)
{
    (void)device;
    return 1;
}

static void good_receive(void *device, const uint8_t *data, size_t len)
{
    template_write(device, GOOD_CHAR, 1, data[len - 1]);
}

static const struct rv_property good_properties[] = {
    {"flag", RV_PROPERTY_BOOL, "off", "a switch"},
    {"number", RV_PROPERTY_UINT, "4K", "how many"},
    {"text", RV_PROPERTY_STRING, NULL, "any text"},
    {NULL, RV_PROPERTY_BOOL, NULL, NULL},
};

PLUGIN_CLASS(.name = "good", .properties = good_properties, .irq_lines = 2, .reset = good_reset,
             .create = good_create, .write = good_write, .chr_can_receive = good_can_receive,
             .chr_receive = good_receive)
