/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/util/log.h"

#define DEVICE_SPIS 988u /* INTIDs 32 to 1019 */

/* Its place on the board and its name. */
static int device_place(struct rv_instance *instance)
{
    const struct rv_device_class *class = instance->class;
    int err = instance->env.place(instance->env.ctx, class, &instance->base, &instance->first_spi);

    if (err)
        return err;
    if (instance->first_spi >= DEVICE_SPIS ||
        class->irq_lines > DEVICE_SPIS - instance->first_spi) {
        log_error("device '%s': there are SPIs 0 to %u, not %u", class->name, DEVICE_SPIS - 1,
                  instance->first_spi);
        return -EINVAL;
    }
    if (asprintf(&instance->name, "%s@%" PRIx64, class->name, instance->base.v) < 0) {
        instance->name = NULL;
        return -ENOMEM;
    }
    return 0;
}

static struct rv_instance *device_alloc(const struct device_env *env,
                                        const struct rv_device_class *class)
{
    struct rv_instance *instance = calloc(1, sizeof(*instance));
    size_t properties = 0;

    if (!instance)
        return NULL;
    while (class->properties && class->properties[properties].name)
        properties++;
    *instance = (struct rv_instance){
        .env = *env,
        .class = class,
        /* The bus calls the plugin itself: the signatures are the same. */
        .bus_ops = {.read = class->read, .write = class->write},
        /* One more than there are, since calloc may give NULL for none. */
        .values = calloc(properties + 1, sizeof(char *)),
        .lines = calloc(class->irq_lines + 1, sizeof(enum device_line)),
    };
    if (!instance->values || !instance->lines) {
        device_destroy(instance);
        return NULL;
    }
    return instance;
}

/* Makes the plugin's device and connects it. */
static int device_start(struct rv_instance *instance)
{
    const struct rv_device_class *class = instance->class;
    void *state = NULL;
    int err;

    if (class->state_size > 0) {
        state = instance->env.state_alloc(instance->env.ctx, instance->name, class->state_version,
                                          class->state_size);
        if (!state)
            return -ENOMEM;
    }
    instance->creating = true;
    err = class->create(instance, &device_ops, state, instance->env.resume ? RV_CREATE_RESUME : 0,
                        &instance->device);
    instance->creating = false;
    if (err) {
        if (err > 0) {
            device_bug(instance, "create() returned %d, which is no -errno", err);
            err = -EINVAL;
        }
        log_error("device '%s': cannot be made: %s", instance->name, strerror(-err));
        return err;
    }
    instance->created = true;
    if (!instance->env.resume)
        class->reset(instance->device);
    err = bus_add(instance->env.bus, instance->name, instance->base, class->mmio_size,
                  &instance->bus_ops, instance->device);
    instance->on_bus = err == 0;
    return err;
}

int device_create(const struct device_env *env, const char *spec, struct rv_instance **device)
{
    size_t len = strcspn(spec, ",");
    char *name = strndup(spec, len);
    const struct plugin *plugin;
    struct rv_instance *instance = NULL;
    int err;

    if (!name)
        return -ENOMEM;
    plugin = plugin_find(env->plugins, name);
    if (!plugin)
        plugin_unknown(env->plugins, name);
    free(name);
    if (!plugin)
        return -ENOENT;
    instance = device_alloc(env, &plugin->class);
    err = instance ? device_properties_parse(instance, spec + len) : -ENOMEM;
    if (!err)
        err = device_place(instance);
    if (!err)
        err = device_start(instance);
    if (err == -ENOMEM)
        log_error("device '%s': out of memory", plugin->class.name);
    if (err) {
        device_destroy(instance);
        return err;
    }
    *device = instance;
    return 0;
}

/* A network back end has timers and watches of the instance: it goes before them. */
static struct device_handle *device_first_handle(struct rv_instance *instance)
{
    for (struct device_handle *handle = instance->handles; handle; handle = handle->next)
        if (handle->kind == DEVICE_HANDLE_NET)
            return handle;
    return instance->handles;
}

/* What the plugin has not freed itself. */
static void device_free_handles(struct rv_instance *instance)
{
    while (instance->handles) {
        struct device_handle *handle = device_first_handle(instance);

        switch (handle->kind) {
        case DEVICE_HANDLE_TIMER:
            device_timer_free(instance, (struct rv_timer *)(void *)handle);
            break;
        case DEVICE_HANDLE_WATCH:
            device_fd_remove(instance, (struct rv_watch *)(void *)handle);
            break;
        case DEVICE_HANDLE_CHR: device_chr_close(instance, (struct rv_chr *)(void *)handle); break;
        case DEVICE_HANDLE_DISK:
            device_disk_close(instance, (struct rv_disk *)(void *)handle);
            break;
        case DEVICE_HANDLE_NET: device_net_close(instance, (struct rv_net *)(void *)handle); break;
        }
    }
}

void device_destroy(struct rv_instance *instance)
{
    if (!instance)
        return;
    if (instance->on_bus)
        bus_remove(instance->env.bus, instance->base);
    if (instance->created)
        instance->class->destroy(instance->device);
    device_free_handles(instance);
    while (instance->counters) {
        struct device_counter *counter = instance->counters;

        instance->counters = counter->next;
        free(counter);
    }
    device_properties_free(instance);
    free(instance->lines);
    free(instance->name);
    free(instance);
}

int device_quiesce(struct rv_instance *instance)
{
    int err;

    if (instance->phase != DEVICE_RUNS)
        return instance->phase == DEVICE_STOPPED ? 0 : -EINPROGRESS;
    if (!instance->class->quiesce) {
        instance->phase = DEVICE_STOPPED;
        return 0;
    }
    instance->phase = DEVICE_QUIESCING; /* before: what ends at once may say so from in there */
    err = instance->class->quiesce(instance->device);
    if (err && err != -EINPROGRESS)
        device_bug(instance, "quiesce() returned %d", err);
    if (err != -EINPROGRESS)
        instance->phase = DEVICE_STOPPED;
    return device_is_quiet(instance) ? 0 : -EINPROGRESS;
}

bool device_is_quiet(const struct rv_instance *instance)
{
    return instance->phase == DEVICE_STOPPED;
}

void device_resume(struct rv_instance *instance)
{
    if (instance->phase == DEVICE_RUNS)
        return;
    instance->phase = DEVICE_RUNS;
    if (instance->class->resume)
        instance->class->resume(instance->device);
}

void device_reset(struct rv_instance *instance)
{
    instance->class->reset(instance->device);
}

bool device_event(struct rv_instance *instance, enum rv_device_event event)
{
    return instance->class->event && instance->class->event(instance->device, event);
}

void device_sync(struct rv_instance *instance)
{
    if (instance->class->sync)
        instance->class->sync(instance->device);
}

void device_counters(const struct rv_instance *instance,
                     void (*show)(void *ctx, const char *device, const char *name, uint64_t value),
                     void *ctx)
{
    for (const struct device_counter *c = instance->counters; c; c = c->next)
        show(ctx, instance->name, c->name, c->value);
}

const char *device_name(const struct rv_instance *instance)
{
    return instance->name;
}

const struct rv_device_class *device_class(const struct rv_instance *instance)
{
    return instance->class;
}

void *device_opaque(const struct rv_instance *instance)
{
    return instance->device;
}

ipa_t device_base(const struct rv_instance *instance)
{
    return instance->base;
}

uint32_t device_first_spi(const struct rv_instance *instance)
{
    return instance->first_spi;
}
