/* SPDX-License-Identifier: BSD-2-Clause */
/* Resources /devices, /disks and /networks: properties, counters, commands. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/control/control_internal.h"
#include "vmm/device/device.h"
#include "vmm/util/log.h"

/* NULL, and the call is answered: there is no device of that name. */
static struct rv_instance *find(struct control_call *call)
{
    const struct vm *vm = call->target->vm;

    for (unsigned i = 0; i < vm->nr_devices; i++) {
        if (strcmp(device_name(vm->devices[i]), call->args[0]) == 0)
            return vm->devices[i];
    }
    control_refuse(call, CONTROL_NOT_FOUND, "not-found",
                   "there is no device '%s'; GET /devices lists them", call->args[0]);
    return NULL;
}

/* The first register's; of a PCI function its place on the bus, as lspci writes it. */
static json_t *address(const struct rv_instance *device)
{
    unsigned slot = device_pci_slot(device);

    return slot ? json_sprintf("00:%02x.0", slot)
                : json_sprintf("0x%" PRIx64, device_base(device, 0).v);
}

static json_t *summary(const struct rv_instance *device)
{
    const struct rv_device_class *class = device_class(device);
    json_t *object = json_pack("{s:o,s:o,s:o,s:o}", "name", control_text(device_name(device)),
                               "class", control_text(class->name), "description",
                               control_text(class->description), "address", address(device));

    if (class->irq_lines && !device_pci_slot(device))
        json_object_set_new(object, "spi", json_integer(device_first_spi(device)));
    return object;
}

/* As text; each value of a list. */
static json_t *property_value(const struct rv_property *property, char *text)
{
    json_t *list;

    if (!text)
        return property->list ? json_array() : json_null();
    if (!property->list)
        return control_text(text);
    list = json_array();
    for (char *save, *item = strtok_r(text, "\n", &save); item; item = strtok_r(NULL, "\n", &save))
        json_array_append_new(list, control_text(item));
    return list;
}

static json_t *properties(struct rv_instance *device)
{
    json_t *object = json_object();

    for (const struct rv_property *p = device_class(device)->properties; p && p->name; p++) {
        char *text = device_get(device, p->name);

        json_object_set_new(object, p->name,
                            json_pack("{s:o,s:b,s:o}", "value", property_value(p, text), "settable",
                                      p->runtime != 0, "help", control_text(p->help)));
        free(text);
    }
    return object;
}

static json_t *commands(const struct rv_instance *device)
{
    json_t *object = json_object();

    for (const struct rv_command_info *c = device_class(device)->commands; c && c->name; c++)
        json_object_set_new(object, c->name, json_pack("{s:o}", "help", control_text(c->help)));
    return object;
}

static void add_counter(void *opaque, const char *device, const char *name, const char *help,
                        uint64_t value)
{
    json_object_set_new(
        opaque, name,
        json_pack("{s:o,s:o}", "value", control_number(value), "help", control_text(help)));
}

static json_t *counters(const struct rv_instance *device)
{
    json_t *object = json_object();

    device_counters(device, add_counter, object);
    return object;
}

static json_t *details(struct rv_instance *device)
{
    json_t *object = summary(device);

    json_object_set_new(object, "properties", properties(device));
    json_object_set_new(object, "counters", counters(device));
    json_object_set_new(object, "commands", commands(device));
    return object;
}

void control_devices_list(struct control_call *call)
{
    const struct vm *vm = call->target->vm;
    json_t *list = json_array();

    for (unsigned i = 0; i < vm->nr_devices; i++)
        json_array_append_new(list, summary(vm->devices[i]));
    control_answer(call, CONTROL_OK, json_pack("{s:o}", "devices", list));
}

void control_devices_show(struct control_call *call)
{
    struct rv_instance *device = find(call);

    if (device)
        control_answer(call, CONTROL_OK, details(device));
}

/*
 * Disks and networks: views of the devices of some classes
 */

static void answer_class(struct control_call *call, const char *key, const char *const *classes)
{
    const struct vm *vm = call->target->vm;
    json_t *list = json_array();

    for (unsigned i = 0; i < vm->nr_devices; i++) {
        const char *class = device_class(vm->devices[i])->name;

        for (const char *const *c = classes; *c; c++) {
            if (strcmp(class, *c) == 0)
                json_array_append_new(list, details(vm->devices[i]));
        }
    }
    control_answer(call, CONTROL_OK, json_pack("{s:o}", key, list));
}

void control_disks_list(struct control_call *call)
{
    static const char *const classes[] = {"virtio-blk", "vhost-user-blk", NULL};

    answer_class(call, "disks", classes);
}

void control_networks_list(struct control_call *call)
{
    static const char *const classes[] = {"virtio-net", "vhost-user-net", NULL};

    answer_class(call, "networks", classes);
}

/*
 * Changes
 */

/* A property's value as a user would type it; `text` has room for a number. NULL: it has none. */
static const char *value_text(const json_t *value, char text[32])
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_boolean(value))
        return json_is_true(value) ? "on" : "off";
    if (!json_is_integer(value))
        return NULL;
    snprintf(text, 32, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return text;
}

/* One property, so that a change is made or is not. */
void control_devices_set(struct control_call *call)
{
    struct rv_instance *device = find(call);
    json_t *body = device ? control_body(call) : NULL;
    void *member = json_object_iter(body);
    const char *text;
    char number[32];
    int error;

    if (!body)
        return;
    text = member ? value_text(json_object_iter_value(member), number) : NULL;
    if (!text || json_object_size(body) != 1) {
        control_refuse(call, CONTROL_BAD_REQUEST, "bad-body",
                       "give one property: {\"NAME\": \"VALUE\"}");
    } else {
        call->subject = json_object_iter_key(member);
        log_keep_error(call->said, sizeof(call->said));
        error = device_set(device, call->subject, text);
        log_keep_error(NULL, 0);
        if (error)
            control_answer_error(call, error, NULL);
        else
            control_answer(call, CONTROL_OK, details(device));
    }
    json_decref(body);
}

static const char *command_help(const struct rv_instance *device, const char *name)
{
    const struct rv_command_info *c = device_class(device)->commands;

    while (c && c->name && strcmp(c->name, name) != 0)
        c++;
    return c && c->name ? c->help : NULL;
}

static void command_answered(void *opaque, int error, const char *json)
{
    struct control_call *call = opaque;
    json_t *result = json ? json_loads(json, 0, NULL) : json_object();

    log_keep_error(NULL, 0); /* the call is about to go away */
    if (error) {
        control_answer_error(call, error, error == -EINVAL ? call->hint : NULL);
        json_decref(result);
    } else if (json_is_object(result)) {
        control_answer(call, CONTROL_OK, result);
    } else {
        json_decref(result);
        control_refuse(call, CONTROL_FAILED, "failed", "the device's answer is no JSON object");
    }
}

void control_devices_command(struct control_call *call)
{
    struct rv_instance *device = find(call);
    json_t *body = device ? control_body(call) : NULL;
    char *text;

    if (!body)
        return;
    call->hint = command_help(device, call->args[1]);
    call->subject = call->args[1];
    text = json_dumps(body, 0);
    json_decref(body);
    if (!call->hint)
        control_refuse(call, CONTROL_NOT_FOUND, "not-found", "device '%s' has no command '%s'",
                       call->args[0], call->args[1]);
    else if (text) {
        log_keep_error(call->said, sizeof(call->said));
        device_command(device, call->args[1], text, command_answered, call);
        log_keep_error(NULL, 0);
    } else
        control_answer(call, CONTROL_FAILED, NULL);
    free(text);
}
