/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_host.h"
#include "vmm/util/log.h"

#define DEVICE_SPIS 988u /* INTIDs 32 to 1019 */

/* Its place on the board and its name. */
static int device_place(struct rv_host *host)
{
    const struct rv_device_class *class = host->class;
    int err = host->env.place(host->env.ctx, class, &host->base, &host->first_spi);

    if (err)
        return err;
    if (host->first_spi >= DEVICE_SPIS || class->irq_lines > DEVICE_SPIS - host->first_spi) {
        log_error("device '%s': there are SPIs 0 to %u, not %u", class->name, DEVICE_SPIS - 1,
                  host->first_spi);
        return -EINVAL;
    }
    if (asprintf(&host->name, "%s@%" PRIx64, class->name, host->base.v) < 0) {
        host->name = NULL;
        return -ENOMEM;
    }
    return 0;
}

static struct rv_host *device_alloc(const struct device_env *env,
                                    const struct rv_device_class *class)
{
    struct rv_host *host = calloc(1, sizeof(*host));
    size_t properties = 0;

    if (!host)
        return NULL;
    while (class->properties && class->properties[properties].name)
        properties++;
    *host = (struct rv_host){
        .env = *env,
        .class = class,
        /* The bus calls the plugin itself: the signatures are the same. */
        .bus_ops = {.read = class->read, .write = class->write},
        /* One more than there are, since calloc may give NULL for none. */
        .values = calloc(properties + 1, sizeof(char *)),
        .lines = calloc(class->irq_lines + 1, sizeof(enum device_line)),
    };
    if (!host->values || !host->lines) {
        device_destroy(host);
        return NULL;
    }
    return host;
}

/* Makes the plugin's device and connects it. */
static int device_start(struct rv_host *host)
{
    const struct rv_device_class *class = host->class;
    void *state = NULL;
    int err;

    if (class->state_size > 0) {
        state = host->env.state_alloc(host->env.ctx, host->name, class->state_version,
                                      class->state_size);
        if (!state)
            return -ENOMEM;
    }
    host->creating = true;
    err = class->create(host, &device_ops, state, host->env.resume ? RV_CREATE_RESUME : 0,
                        &host->device);
    host->creating = false;
    if (err) {
        if (err > 0) {
            device_bug(host, "create() returned %d, which is no -errno", err);
            err = -EINVAL;
        }
        log_error("device '%s': cannot be made: %s", host->name, strerror(-err));
        return err;
    }
    host->created = true;
    if (!host->env.resume)
        class->reset(host->device);
    err = bus_add(host->env.bus, host->name, host->base, class->mmio_size, &host->bus_ops,
                  host->device);
    host->on_bus = err == 0;
    return err;
}

int device_create(const struct device_env *env, const char *spec, struct rv_host **device)
{
    size_t len = strcspn(spec, ",");
    char *name = strndup(spec, len);
    const struct plugin *plugin;
    struct rv_host *host = NULL;
    int err;

    if (!name)
        return -ENOMEM;
    plugin = plugin_find(env->plugins, name);
    if (!plugin)
        plugin_unknown(env->plugins, name);
    free(name);
    if (!plugin)
        return -ENOENT;
    host = device_alloc(env, &plugin->class);
    err = host ? device_properties_parse(host, spec + len) : -ENOMEM;
    if (!err)
        err = device_place(host);
    if (!err)
        err = device_start(host);
    if (err == -ENOMEM)
        log_error("device '%s': out of memory", plugin->class.name);
    if (err) {
        device_destroy(host);
        return err;
    }
    *device = host;
    return 0;
}

/* What the plugin has not freed itself. */
static void device_free_handles(struct rv_host *host)
{
    while (host->handles) {
        struct device_handle *handle = host->handles;

        switch (handle->kind) {
        case DEVICE_HANDLE_TIMER:
            device_timer_free(host, (struct rv_host_timer *)(void *)handle);
            break;
        case DEVICE_HANDLE_WATCH:
            device_fd_remove(host, (struct rv_host_watch *)(void *)handle);
            break;
        case DEVICE_HANDLE_CHR: device_chr_close(host, (struct rv_chr *)(void *)handle); break;
        case DEVICE_HANDLE_DISK: device_disk_close(host, (struct rv_disk *)(void *)handle); break;
        }
    }
}

void device_destroy(struct rv_host *host)
{
    if (!host)
        return;
    if (host->on_bus)
        bus_remove(host->env.bus, host->base);
    if (host->created)
        host->class->destroy(host->device);
    device_free_handles(host);
    while (host->counters) {
        struct device_counter *counter = host->counters;

        host->counters = counter->next;
        free(counter);
    }
    device_properties_free(host);
    free(host->lines);
    free(host->name);
    free(host);
}

int device_quiesce(struct rv_host *host)
{
    int err;

    if (host->phase != DEVICE_RUNS)
        return host->phase == DEVICE_STOPPED ? 0 : -EINPROGRESS;
    if (!host->class->quiesce) {
        host->phase = DEVICE_STOPPED;
        return 0;
    }
    host->phase = DEVICE_QUIESCING; /* before: what ends at once may say so from in there */
    err = host->class->quiesce(host->device);
    if (err && err != -EINPROGRESS)
        device_bug(host, "quiesce() returned %d", err);
    if (err != -EINPROGRESS)
        host->phase = DEVICE_STOPPED;
    return device_is_quiet(host) ? 0 : -EINPROGRESS;
}

bool device_is_quiet(const struct rv_host *host)
{
    return host->phase == DEVICE_STOPPED;
}

void device_resume(struct rv_host *host)
{
    if (host->phase == DEVICE_RUNS)
        return;
    host->phase = DEVICE_RUNS;
    if (host->class->resume)
        host->class->resume(host->device);
}

void device_reset(struct rv_host *host)
{
    host->class->reset(host->device);
}

bool device_event(struct rv_host *host, enum rv_device_event event)
{
    return host->class->event && host->class->event(host->device, event);
}

void device_sync(struct rv_host *host)
{
    if (host->class->sync)
        host->class->sync(host->device);
}

void device_counters(const struct rv_host *host,
                     void (*show)(void *ctx, const char *device, const char *name, uint64_t value),
                     void *ctx)
{
    for (const struct device_counter *c = host->counters; c; c = c->next)
        show(ctx, host->name, c->name, c->value);
}

const char *device_name(const struct rv_host *host)
{
    return host->name;
}

const struct rv_device_class *device_class(const struct rv_host *host)
{
    return host->class;
}

void *device_opaque(const struct rv_host *host)
{
    return host->device;
}

ipa_t device_base(const struct rv_host *host)
{
    return host->base;
}

uint32_t device_first_spi(const struct rv_host *host)
{
    return host->first_spi;
}
