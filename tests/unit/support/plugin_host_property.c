/* SPDX-License-Identifier: BSD-2-Clause */
/* Properties as text: what the user gave, or the default of the class. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host_internal.h"

static const struct rv_property *declared(struct rv_instance *host, const char *name)
{
    const struct rv_property *p = host->class->properties;

    while (p && p->name && strcmp(p->name, name) != 0)
        p++;
    CHECK(p && p->name);
    return p;
}

void plugin_host_set(struct rv_instance *host, const char *name, const char *value)
{
    unsigned i = 0;

    declared(host, name);
    while (host->set[i].name && strcmp(host->set[i].name, name) != 0) {
        i++;
        CHECK(i < PLUGIN_HOST_SET);
    }
    host->set[i] = (struct plugin_host_property){name, value};
}

const char *plugin_host_given(struct rv_instance *host, const char *name)
{
    const struct rv_property *property = declared(host, name);

    for (unsigned i = 0; i < PLUGIN_HOST_SET && host->set[i].name; i++)
        if (strcmp(host->set[i].name, name) == 0 && host->set[i].value)
            return host->set[i].value;
    for (const struct plugin_host_property *p = host->properties; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p->value;
    return property->value;
}

const char *plugin_host_property_string(struct rv_instance *host, const char *name)
{
    enum rv_property_type type = declared(host, name)->type;

    CHECK(type == RV_PROPERTY_STRING || type == RV_PROPERTY_PATH);
    return plugin_host_given(host, name);
}

uint64_t plugin_host_property_uint(struct rv_instance *host, const char *name)
{
    enum rv_property_type type = declared(host, name)->type;
    char *end;
    uint64_t n;

    CHECK(type == RV_PROPERTY_UINT || type == RV_PROPERTY_SIZE);
    n = strtoull(plugin_host_given(host, name), &end, 0);
    return n << (*end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0);
}

bool plugin_host_property_bool(struct rv_instance *host, const char *name)
{
    CHECK(declared(host, name)->type == RV_PROPERTY_BOOL);
    return strcmp(plugin_host_given(host, name), "on") == 0;
}

unsigned plugin_host_property_enum(struct rv_instance *host, const char *name)
{
    const struct rv_property *property = declared(host, name);
    const char *value = plugin_host_given(host, name);
    unsigned i = 0;

    CHECK(property->type == RV_PROPERTY_ENUM && value);
    while (strcmp(property->choices[i], value) != 0)
        CHECK(property->choices[++i]);
    return i;
}

/* Does plugin_host_set say something of it? Then that is the only value. */
static bool is_set(const struct rv_instance *host, const char *name)
{
    for (unsigned i = 0; i < PLUGIN_HOST_SET && host->set[i].name; i++)
        if (strcmp(host->set[i].name, name) == 0 && host->set[i].value)
            return true;
    return false;
}

uint32_t plugin_host_property_count(struct rv_instance *host, const char *name)
{
    uint32_t count = 0;

    if (is_set(host, name))
        return 1;
    for (const struct plugin_host_property *p = host->properties; p && p->name; p++)
        count += strcmp(p->name, name) == 0;
    return count ? count : declared(host, name)->value != NULL;
}

const char *plugin_host_property_item(struct rv_instance *host, const char *name, uint32_t index)
{
    CHECK(declared(host, name)->list || index == 0);
    if (is_set(host, name) || plugin_host_property_count(host, name) <= index)
        return index ? NULL : plugin_host_given(host, name);
    for (const struct plugin_host_property *p = host->properties; p && p->name; p++)
        if (strcmp(p->name, name) == 0 && index-- == 0)
            return p->value;
    return plugin_host_given(host, name);
}
