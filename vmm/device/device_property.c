/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user gave a device, and what the device asks of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/log.h"
#include "vmm/device/property.h"

static const struct rv_property *device_property(struct rv_instance *instance, const char *name,
                                                 unsigned types, const char **value)
{
    const struct rv_property *all = instance->class->properties;
    int i = name ? property_find(all, name, strlen(name)) : -1;

    if (i < 0 || !(types >> all[i].type & 1)) {
        device_bug(instance, "property '%s', which it does not declare so", name ? name : "");
        return NULL;
    }
    *value = instance->values[i] ? instance->values[i] : all[i].value;
    return &all[i];
}

const char *device_property_string(struct rv_instance *instance, const char *name)
{
    const char *value = NULL;

    device_property(instance, name, 1u << RV_PROPERTY_STRING | 1u << RV_PROPERTY_PATH, &value);
    return value;
}

uint64_t device_property_uint(struct rv_instance *instance, const char *name)
{
    const char *value;

    return device_property(instance, name, 1u << RV_PROPERTY_UINT | 1u << RV_PROPERTY_SIZE, &value)
               ? property_uint(value)
               : 0;
}

bool device_property_bool(struct rv_instance *instance, const char *name)
{
    const char *value;

    return device_property(instance, name, 1u << RV_PROPERTY_BOOL, &value) && property_bool(value);
}

unsigned device_property_enum(struct rv_instance *instance, const char *name)
{
    const char *value;
    const struct rv_property *p = device_property(instance, name, 1u << RV_PROPERTY_ENUM, &value);

    return p ? property_enum(p, value) : 0;
}

static void device_property_unknown(const struct rv_device_class *class, const char *name,
                                    size_t len)
{
    char *names = property_names(class->properties);

    if (names)
        log_error("device '%s': no property '%.*s': there are %s", class->name, (int)len, name,
                  names);
    else
        log_error("device '%s': no property '%.*s': it has none", class->name, (int)len, name);
    free(names);
}

/* `value` NULL: there is none where one is needed. */
static void device_property_wrong(const struct rv_device_class *class, const struct rv_property *p,
                                  const char *value)
{
    char *help = property_help_text(p);

    if (value)
        log_error("device '%s': property '%s' is %s, not '%s'", class->name, p->name,
                  help ? help : "something else", value);
    else
        log_error("device '%s': property '%s' needs a value: %s", class->name, p->name,
                  help ? help : "a text");
    free(help);
}

/*
 * Copies a value up to the comma that ends it; two commas are one of the value.
 * `*text` moves on to the ending comma or the end. NULL: out of memory.
 */
static char *device_property_copy(const char **text)
{
    const char *p = *text;
    char *value = malloc(strlen(p) + 1);
    size_t len = 0;

    if (!value)
        return NULL;
    for (; *p != '\0'; p++) {
        if (*p == ',' && *++p != ',') {
            p--;
            break;
        }
        value[len++] = *p;
    }
    value[len] = '\0';
    *text = p;
    return value;
}

/* One "property=value" or "property". `*text` moves on behind it. */
static int device_property_parse(struct rv_instance *instance, const char **text)
{
    const struct rv_property *p;
    const char *name = *text;
    size_t len = strcspn(name, ",=");
    int i = property_find(instance->class->properties, name, len);
    char *value;

    if (i < 0) {
        device_property_unknown(instance->class, name, len);
        return -EINVAL;
    }
    p = &instance->class->properties[i];
    *text = name + len;
    if (**text == '=') {
        ++*text;
        value = device_property_copy(text);
    } else if (p->type == RV_PROPERTY_BOOL) {
        value = strdup("on");
    } else {
        device_property_wrong(instance->class, p, NULL);
        return -EINVAL;
    }
    if (!value)
        return -ENOMEM;
    if (!property_valid(p, value)) {
        device_property_wrong(instance->class, p, value);
        free(value);
        return -EINVAL;
    }
    if (instance->values[i]) {
        log_error("device '%s': property '%s' is given twice", instance->class->name, p->name);
        free(value);
        return -EINVAL;
    }
    instance->values[i] = value;
    return 0;
}

int device_properties_parse(struct rv_instance *instance, const char *text)
{
    const struct rv_property *p = instance->class->properties;
    int err = 0;

    while (!err && *text == ',') {
        text++;
        err = device_property_parse(instance, &text);
    }
    for (int i = 0; !err && p && p[i].name; i++) {
        if (p[i].required && !instance->values[i]) {
            log_error("device '%s': property '%s' must be given: %s", instance->class->name,
                      p[i].name, p[i].help);
            err = -EINVAL;
        }
    }
    return err;
}

void device_properties_free(struct rv_instance *instance)
{
    const struct rv_property *p = instance->class->properties;

    for (int i = 0; instance->values && p && p[i].name; i++)
        free(instance->values[i]);
    free(instance->values);
}
