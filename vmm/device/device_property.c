/* SPDX-License-Identifier: BSD-2-Clause */
/* What the user gave a device, what the device asks of it, and what is changed at run time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/device/property.h"
#include "vmm/util/keyval.h"
#include "vmm/util/log.h"

#define PROPERTY_TEXT_MAX 4096u

static const char *device_value(const struct rv_instance *instance, int index, uint32_t item)
{
    const struct device_value *value = &instance->values[index];

    if (value->count)
        return item < value->count ? value->items[item] : NULL;
    return item == 0 ? instance->class->properties[index].value : NULL;
}

/* The declaration, if it is of one of the types, which are bits. -1 after a message. */
static int device_declared(struct rv_instance *instance, const char *name, unsigned types)
{
    const struct rv_property *all = instance->class->properties;
    int i = name ? property_find(all, name, strlen(name)) : -1;

    if (i >= 0 && types >> all[i].type & 1)
        return i;
    device_bug(instance, "property '%s', which it does not declare so", name ? name : "");
    return -1;
}

const char *device_property_string(struct rv_instance *instance, const char *name)
{
    int i = device_declared(instance, name, 1u << RV_PROPERTY_STRING | 1u << RV_PROPERTY_PATH);

    return i < 0 ? NULL : device_value(instance, i, 0);
}

uint64_t device_property_uint(struct rv_instance *instance, const char *name)
{
    int i = device_declared(instance, name, 1u << RV_PROPERTY_UINT | 1u << RV_PROPERTY_SIZE);

    return i < 0 ? 0 : property_uint(device_value(instance, i, 0));
}

bool device_property_bool(struct rv_instance *instance, const char *name)
{
    int i = device_declared(instance, name, 1u << RV_PROPERTY_BOOL);

    return i >= 0 && property_bool(device_value(instance, i, 0));
}

uint32_t device_property_enum(struct rv_instance *instance, const char *name)
{
    int i = device_declared(instance, name, 1u << RV_PROPERTY_ENUM);

    return i < 0 ? 0 : property_enum(&instance->class->properties[i], device_value(instance, i, 0));
}

uint32_t device_property_count(struct rv_instance *instance, const char *name)
{
    int i = device_declared(instance, name, UINT32_MAX);
    uint32_t count = 0;

    while (i >= 0 && device_value(instance, i, count))
        count++;
    return count;
}

const char *device_property_item(struct rv_instance *instance, const char *name, uint32_t index)
{
    int i = device_declared(instance, name, UINT32_MAX);

    return i < 0 ? NULL : device_value(instance, i, index);
}

/*
 * What the user gave
 */

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

/* Takes `text` over. 0 or -ENOMEM. */
static int device_value_add(struct device_value *value, char *text)
{
    char **items = reallocarray(value->items, value->count + 1, sizeof(*items));

    if (!items) {
        free(text);
        return -ENOMEM;
    }
    items[value->count++] = text;
    value->items = items;
    return 0;
}

static int device_property_parse(struct rv_instance *instance, const struct keyval *keyval)
{
    size_t len = strlen(keyval->key);
    int i = property_find(instance->class->properties, keyval->key, len);
    const char *value = keyval->value;
    const struct rv_property *p;
    char *copy;

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
    if (instance->values[i].count && !p->list) {
        log_error("device '%s': property '%s' is given twice", instance->class->name, p->name);
        return -EINVAL;
    }
    copy = strdup(value);
    return copy ? device_value_add(&instance->values[i], copy) : -ENOMEM;
}

int device_properties_parse(struct rv_instance *instance, const char *text)
{
    const struct rv_property *p = instance->class->properties;
    const char *list = *text == ',' ? text + 1 : NULL;
    struct keyval keyval;
    int error = 0, found;

    while (!error && (found = keyval_next(&list, &keyval)) != 0) {
        error = found < 0 ? found : device_property_parse(instance, &keyval);
        if (found > 0)
            keyval_free(&keyval);
    }
    for (int i = 0; !error && p && p[i].name; i++) {
        if (p[i].required && !instance->values[i].count) {
            log_error("device '%s': property '%s' must be given: %s", instance->class->name,
                      p[i].name, p[i].help);
            error = -EINVAL;
        }
    }
    return error;
}

static void device_value_free(struct device_value *value)
{
    for (unsigned i = 0; i < value->count; i++)
        free(value->items[i]);
    free(value->items);
    *value = (struct device_value){0};
}

void device_properties_free(struct rv_instance *instance)
{
    const struct rv_property *p = instance->class->properties;

    for (int i = 0; instance->values && p && p[i].name; i++)
        device_value_free(&instance->values[i]);
    free(instance->values);
}

/*
 * Run time
 */

/* All that the vmm knows of the property, a line each. NULL: nothing, or no memory. */
static char *device_known(const struct rv_instance *instance, int index)
{
    char *text = NULL;
    size_t size;
    FILE *out;

    if (!device_value(instance, index, 0))
        return NULL;
    out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (uint32_t i = 0; device_value(instance, index, i); i++)
        fprintf(out, "%s%s", i ? "\n" : "", device_value(instance, index, i));
    fclose(out);
    return text;
}

char *device_get(struct rv_instance *instance, const char *name)
{
    int i = property_find(instance->class->properties, name, strlen(name));
    char text[PROPERTY_TEXT_MAX] = "";
    int64_t len;

    if (i < 0)
        return NULL;
    if (!instance->class->get || !instance->created)
        return device_known(instance, i);
    len = instance->class->get(instance->device, name, text, sizeof(text));
    if (len == -ENOENT)
        return device_known(instance, i);
    if (len < 0 || len >= (int64_t)sizeof(text))
        return NULL;
    return strndup(text, (size_t)len);
}

int device_set(struct rv_instance *instance, const char *name, const char *value)
{
    const struct rv_device_class *class = instance->class;
    int i = property_find(class->properties, name, strlen(name));
    const struct rv_property *p = i < 0 ? NULL : &class->properties[i];
    struct device_value new = {0};
    int error;

    if (!p) {
        device_property_unknown(class, name, strlen(name));
        return -ENOENT;
    }
    if (!p->runtime || !class->set) {
        log_error("device '%s': property '%s' cannot be changed while the guest runs",
                  instance->name, name);
        return -EPERM;
    }
    if (!property_valid(p, value)) {
        device_property_wrong(class, p, value);
        return -EINVAL;
    }
    new.items = calloc(1, sizeof(*new.items));
    if (new.items)
        new.items[0] = strdup(value);
    new.count = new.items &&new.items[0];
    error = new.count ? class->set(instance->device, name, value) : -ENOMEM;
    if (error) {
        log_error("device '%s': property '%s' is not set to '%s': %s", instance->name, name, value,
                  strerror(-error));
        device_value_free(&new);
        return error;
    }
    device_value_free(&instance->values[i]);
    instance->values[i] = new;
    return 0;
}
