/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user gave a device, and what the device asks of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/keyval.h"
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

static int device_property_set(struct rv_instance *instance, const struct keyval *keyval)
{
    size_t len = strlen(keyval->key);
    int i = property_find(instance->class->properties, keyval->key, len);
    const char *value = keyval->value;
    const struct rv_property *p;

    if (i < 0) {
        device_property_unknown(instance->class, keyval->key, len);
        return -EINVAL;
    }
    p = &instance->class->properties[i];
    if (!value && p->type == RV_PROPERTY_BOOL)
        value = "on";
    if (!value || !property_valid(p, value)) {
        device_property_wrong(instance->class, p, value);
        return -EINVAL;
    }
    if (instance->values[i]) {
        log_error("device '%s': property '%s' is given twice", instance->class->name, p->name);
        return -EINVAL;
    }
    instance->values[i] = strdup(value);
    return instance->values[i] ? 0 : -ENOMEM;
}

int device_properties_parse(struct rv_instance *instance, const char *text)
{
    const struct rv_property *p = instance->class->properties;
    const char *list = *text == ',' ? text + 1 : NULL;
    struct keyval keyval;
    int err = 0, found;

    while (!err && (found = keyval_next(&list, &keyval)) != 0) {
        err = found < 0 ? found : device_property_set(instance, &keyval);
        if (found > 0)
            keyval_free(&keyval);
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
