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

static const struct device_handle_ops *const device_handle_kinds[DEVICE_HANDLE_KINDS] = {
    [DEVICE_HANDLE_TIMER] = &device_timer_handle,
    [DEVICE_HANDLE_WATCH] = &device_watch_handle,
    [DEVICE_HANDLE_WORK] = &device_work_handle,
    [DEVICE_HANDLE_REPLY] = &device_reply_handle,
    [DEVICE_HANDLE_CHR] = &device_chr_handle,
    [DEVICE_HANDLE_DISK] = &device_disk_handle,
    [DEVICE_HANDLE_LISTENER] = &device_listener_handle,
    [DEVICE_HANDLE_NET] = &device_net_handle,
};

/*
 * Registers: from the bus to the plugin
 */

static struct rv_access device_access(const struct device_region *region)
{
    struct bus_access access = bus_access(region->instance->env.bus);

    return (struct rv_access){
        .size = sizeof(struct rv_access),
        .region = region->index,
        .vcpu = access.vcpu,
        .flags = access.posted ? RV_ACCESS_POSTED : 0,
    };
}

/* Before an access. */
static void device_note(const struct rv_instance *instance)
{
    for (unsigned i = 0; i < DEVICE_UNDONE_BLOCKS && instance->undone[i].at; i++)
        undo_note(instance->env.undo, instance->undone[i].at, instance->undone[i].size);
}

static int device_bus_read(void *opaque, uint64_t offset, unsigned width, uint64_t *value)
{
    const struct device_region *region = opaque;
    const struct rv_access access = device_access(region);

    device_note(region->instance);
    return region->region->read(region->instance->device, offset, width, value, &access);
}

static int device_bus_write(void *opaque, uint64_t offset, unsigned width, uint64_t value)
{
    const struct device_region *region = opaque;
    const struct rv_access access = device_access(region);

    device_note(region->instance);
    return region->region->write(region->instance->device, offset, width, value, &access);
}

const struct bus_ops device_bus_ops = {.read = device_bus_read, .write = device_bus_write};

static int device_connect(struct rv_instance *instance)
{
    int error = instance->pci ? device_pci_connect(instance) : 0;

    for (unsigned i = 0; !instance->pci && i < instance->nr_regions && !error; i++) {
        struct device_region *region = &instance->regions[i];

        error = bus_add(instance->env.bus, instance->name, region->base, region->region->bytes,
                        &device_bus_ops, region);
        region->on_bus = error == 0;
    }
    return error;
}

static void device_disconnect(struct rv_instance *instance)
{
    for (unsigned i = 0; i < instance->nr_regions; i++)
        if (instance->regions[i].on_bus)
            bus_remove(instance->env.bus, instance->regions[i].base);
}

/*
 * Making one
 */

/* The BARs of a PCI function, or the class's regions. */
static void device_take_regions(struct rv_instance *instance)
{
    const struct rv_region *bars = device_pci_regions(instance);

    for (const struct rv_region *r = bars ? bars : instance->class->regions; r->bytes; r++) {
        instance->regions[instance->nr_regions] = (struct device_region){
            .instance = instance, .region = r, .index = instance->nr_regions};
        instance->nr_regions++;
    }
}

static int device_set_name(struct rv_instance *instance, const char *place, uint64_t number)
{
    if (asprintf(&instance->name, "%s@%s%" PRIx64, instance->class->name, place, number) >= 0)
        return 0;
    instance->name = NULL;
    return -ENOMEM;
}

/* Its place on the board and its name. */
static int device_place(struct rv_instance *instance)
{
    const struct rv_device_class *class = instance->class;
    ipa_t bases[PLUGIN_REGIONS_MAX];
    int error;

    device_take_regions(instance);
    if (device_pci_regions(instance)) {
        error = device_pci_place(instance);
        return error ? error : device_set_name(instance, "pci.", instance->pci_slot);
    }
    error = instance->env.place(instance->env.opaque, class, bases, &instance->first_spi);

    if (error)
        return error;
    if (instance->first_spi >= DEVICE_SPIS ||
        class->irq_lines > DEVICE_SPIS - instance->first_spi) {
        log_error("device '%s': there are SPIs 0 to %u, not %u", class->name, DEVICE_SPIS - 1,
                  instance->first_spi);
        return -EINVAL;
    }
    for (unsigned i = 0; i < instance->nr_regions; i++)
        instance->regions[i].base = bases[i];
    return device_set_name(instance, "", bases[0].v);
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
    instance->env = *env;
    instance->class = class;
    /* One more than there are, since calloc may give NULL for none. */
    instance->values = calloc(properties + 1, sizeof(*instance->values));
    instance->lines = calloc(class->irq_lines + 1, sizeof(enum device_line));
    if (!instance->values || !instance->lines) {
        device_destroy(instance);
        return NULL;
    }
    return instance;
}

/* Would it take its state over? Of further blocks only the device itself knows. */
static int device_check(struct rv_instance *instance)
{
    const struct rv_device_class *class = instance->class;
    char *below;

    if (class->state_size > 0 &&
        !device_state_open(instance, NULL, class->state_version, class->state_size))
        return -EINVAL;
    if (asprintf(&below, "%s/", instance->name) < 0)
        return -ENOMEM;
    state_claim(instance->env.state, below);
    free(below);
    return 0;
}

/* Makes the plugin's device and connects it. */
static int device_start(struct rv_instance *instance)
{
    const struct rv_device_class *class = instance->class;
    void *state = NULL;
    uint32_t flags = 0;
    int error;

    if (class->state_size > 0) {
        state = device_state_open(instance, NULL, class->state_version, class->state_size);
        if (!state)
            return -ENOMEM;
    }
    instance->creating = true;
    if (instance->env.resume)
        flags = instance->env.restored ? RV_CREATE_RESUME | RV_CREATE_RESTORED : RV_CREATE_RESUME;
    error = class->create(instance, &device_ops, state, flags, &instance->device);
    instance->creating = false;
    if (error) {
        if (error > 0) {
            device_bug(instance, "create() returned %d, which is no -errno", error);
            error = -EINVAL;
        }
        log_error("device '%s': cannot be made: %s", instance->name, strerror(-error));
        return error;
    }
    instance->created = true;
    if (!instance->env.resume)
        device_reset(instance);
    return device_connect(instance);
}

int device_create(const struct device_env *env, const char *spec, struct rv_instance **device)
{
    size_t len = strcspn(spec, ",");
    char *name = strndup(spec, len);
    const struct plugin *plugin;
    struct rv_instance *instance = NULL;
    int error;

    if (!name)
        return -ENOMEM;
    plugin = plugin_find(env->plugins, name);
    if (!plugin)
        plugin_unknown(env->plugins, name);
    free(name);
    if (!plugin)
        return -ENOENT;
    instance = device_alloc(env, &plugin->class);
    error = instance ? device_properties_parse(instance, spec + len) : -ENOMEM;
    if (!error)
        error = device_place(instance);
    if (!error)
        error = env->check ? device_check(instance) : device_start(instance);
    if (error == -ENOMEM)
        log_error("device '%s': out of memory", plugin->class.name);
    if (error) {
        device_destroy(instance);
        return error;
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

        device_handle_kinds[handle->kind]->free(instance, handle);
    }
}

void device_destroy(struct rv_instance *instance)
{
    if (!instance)
        return;
    device_disconnect(instance);
    instance->may_act = true;
    if (instance->created)
        instance->class->destroy(instance->device);
    device_pci_free(instance);
    device_free_handles(instance);
    while (instance->counters) {
        struct device_counter *counter = instance->counters;

        instance->counters = counter->next;
        free(counter->help);
        free(counter);
    }
    device_properties_free(instance);
    free(instance->lines);
    free(instance->name);
    free(instance);
}

/*
 * Standing still and going on
 */

static void device_quieten(struct rv_instance *instance)
{
    instance->phase = DEVICE_STOPPED;
    for (struct device_handle *h = instance->handles; h; h = h->next)
        if (device_handle_kinds[h->kind]->hold)
            device_handle_kinds[h->kind]->hold(h);
}

void device_is_quiesced(struct rv_instance *instance)
{
    if (instance->phase == DEVICE_QUIESCING)
        device_quieten(instance);
    else
        device_bug(instance, "quiesced() without a quiesce() that waits");
}

int device_quiesce(struct rv_instance *instance)
{
    int error;

    if (instance->phase != DEVICE_RUNS)
        return instance->phase == DEVICE_STOPPED ? 0 : -EINPROGRESS;
    instance->phase = DEVICE_QUIESCING; /* before: what ends at once may say so from in there */
    error = instance->class->quiesce ? instance->class->quiesce(instance->device) : 0;
    if (error && error != -EINPROGRESS)
        device_bug(instance, "quiesce() returned %d", error);
    if (error != -EINPROGRESS && instance->phase == DEVICE_QUIESCING)
        device_quieten(instance);
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
    for (struct device_handle *h = instance->handles; h; h = h->next)
        if (device_handle_kinds[h->kind]->release)
            device_handle_kinds[h->kind]->release(h);
}

void device_reset(struct rv_instance *instance)
{
    instance->may_act = true;
    if (instance->pci && instance->pci->state)
        pci_function_reset(instance->pci);
    instance->class->reset(instance->device);
    instance->may_act = false;
}

int device_before_save(struct rv_instance *instance)
{
    int error = instance->class->before_save ? instance->class->before_save(instance->device) : 0;

    if (error)
        log_error("device '%s': cannot be saved now: %s", instance->name, strerror(-error));
    return error;
}

void device_after_save(struct rv_instance *instance, int error)
{
    if (instance->class->after_save)
        instance->class->after_save(instance->device, error);
}

bool device_event(struct rv_instance *instance, uint32_t type)
{
    const struct rv_device_event event = {.size = sizeof(event), .type = type};

    return instance->class->event && !device_is_quiet(instance) &&
           instance->class->event(instance->device, &event);
}

void device_mem_changed(struct rv_instance *instance, uint32_t change,
                        const struct rv_mem_region *region)
{
    bool may_act = instance->may_act;

    if (!instance->class->mem_changed)
        return;
    instance->may_act = true;
    instance->class->mem_changed(instance->device, change, region);
    instance->may_act = may_act;
}

void device_counters(const struct rv_instance *instance,
                     void (*show)(void *opaque, const char *device, const char *name,
                                  const char *help, uint64_t value),
                     void *opaque)
{
    for (const struct device_counter *c = instance->counters; c; c = c->next)
        show(opaque, instance->name, c->name, c->help, c->value);
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

ipa_t device_base(const struct rv_instance *instance, unsigned region)
{
    return instance->regions[region].base;
}

uint32_t device_first_spi(const struct rv_instance *instance)
{
    return instance->first_spi;
}

unsigned device_pci_slot(const struct rv_instance *instance)
{
    return instance->pci_slot;
}
