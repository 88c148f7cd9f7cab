/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/util/log.h"
#include "vmm/device/plugin_check.h"
#include "vmm/device/property.h"

#define PLUGIN_ENV    "VMM_PLUGIN_PATH"
#define PLUGIN_SUFFIX ".so"

#define PLUGIN_LIST_MAX 256u

struct plugins {
    struct plugin **all; /* pointers, because devices keep theirs */
    size_t count;
    struct plugin_object *objects;
};

struct plugins *plugin_new(void)
{
    return calloc(1, sizeof(struct plugins));
}

static void plugin_release(struct plugin *plugin)
{
    free(plugin->properties);
    free(plugin->commands);
    free(plugin->regions);
    free(plugin->pci_regions);
    for (unsigned i = 0; i < PLUGIN_REGIONS_MAX; i++)
        free(plugin->posted[i]);
    free(plugin);
}

static void plugin_object_release(struct plugin_object *object)
{
    if (object->handle)
        dlclose(object->handle);
    free(object->file);
    free(object);
}

void plugin_free(struct plugins *plugins)
{
    if (!plugins)
        return;
    for (size_t i = 0; i < plugins->count; i++)
        plugin_release(plugins->all[i]);
    free(plugins->all);
    while (plugins->objects) {
        struct plugin_object *object = plugins->objects;

        plugins->objects = object->next;
        plugin_object_release(object);
    }
    free(plugins);
}

size_t plugin_count(const struct plugins *plugins)
{
    return plugins->count;
}

const struct plugin *plugin_at(const struct plugins *plugins, size_t index)
{
    return plugins->all[index];
}

const struct plugin *plugin_find(const struct plugins *plugins, const char *name)
{
    for (size_t i = 0; i < plugins->count; i++)
        if (strcmp(plugins->all[i]->class.name, name) == 0)
            return plugins->all[i];
    return NULL;
}

static size_t plugin_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * The plugin's header may have been older or newer than ours, so the structs that its class
 * points to shorter or longer: from here on they are as we know them. A list ends with an
 * element whose first 8 bytes are 0, or whose 8 bytes at `end` are.
 */
struct plugin_list {
    const char *what; /* for messages */
    size_t theirs, ours, least, end;
};

/* 0, with NULL for no list; or -errno after a message. */
static int plugin_take_list(const struct plugin *plugin, const struct plugin_list *list,
                            const void *from, void **to)
{
    const uint8_t *theirs = from;
    size_t count = 0;
    uint8_t *ours;

    *to = NULL;
    if (!from)
        return 0;
    if (list->theirs < list->least) {
        log_error("plugin '%s': a %s has %zu bytes, at least %zu are needed: begin the "
                  "class with RV_CLASS_HEADER",
                  plugin->file, list->what, list->theirs, list->least);
        return -EPROTO;
    }
    while (*(const uint64_t *)(const void *)(theirs + count * list->theirs + list->end)) {
        if (++count == PLUGIN_LIST_MAX) {
            log_error("plugin '%s': its list of %s elements does not end with {0}", plugin->file,
                      list->what);
            return -EINVAL;
        }
    }
    ours = calloc(count + 1, list->ours);
    if (!ours)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        memcpy(ours + i * list->ours, theirs + i * list->theirs,
               plugin_min(list->theirs, list->ours));
    *to = ours;
    return 0;
}

/* The list of regions, without what they point to. */
static int plugin_take_region_list(const struct plugin *plugin, const struct rv_region *from,
                                   struct rv_region **to)
{
    const struct plugin_list regions = {"region", plugin->class.region_size,
                                        sizeof(struct rv_region), PLUGIN_REGION_MIN,
                                        offsetof(struct rv_region, bytes)};
    unsigned count = 0;
    void *list;
    int error = plugin_take_list(plugin, &regions, from, &list);

    *to = list;
    while (!error && list && (*to)[count].bytes)
        count++;
    if (count <= PLUGIN_REGIONS_MAX)
        return error;
    log_error("plugin '%s': it has more than %u regions", plugin->file, PLUGIN_REGIONS_MAX);
    return -EINVAL;
}

static int plugin_take_regions(struct plugin *plugin)
{
    struct rv_device_class *class = &plugin->class;
    const struct plugin_list ranges = {"range", class->range_size, sizeof(struct rv_range),
                                       PLUGIN_RANGE_MIN, offsetof(struct rv_range, size)};
    int error = plugin_take_region_list(plugin, class->regions, &plugin->regions);

    class->regions = plugin->regions;
    for (unsigned i = 0; !error && plugin->regions && plugin->regions[i].bytes; i++) {
        void *posted;

        error = plugin_take_list(plugin, &ranges, plugin->regions[i].posted, &posted);
        plugin->regions[i].posted = plugin->posted[i] = posted;
    }
    if (!error)
        error = plugin_take_region_list(plugin, class->pci_regions, &plugin->pci_regions);
    class->pci_regions = plugin->pci_regions;
    return error;
}

static int plugin_take_parts(struct plugin *plugin)
{
    struct rv_device_class *class = &plugin->class;
    const struct plugin_list properties = {"property", class->property_size,
                                           sizeof(struct rv_property), PLUGIN_PROPERTY_MIN, 0};
    const struct plugin_list commands = {"command", class->command_size,
                                         sizeof(struct rv_command_info), PLUGIN_COMMAND_MIN, 0};
    void *list;
    int error = plugin_take_list(plugin, &properties, class->properties, &list);

    class->properties = plugin->properties = list;
    if (error)
        return error;
    error = plugin_take_list(plugin, &commands, class->commands, &list);
    class->commands = plugin->commands = list;
    if (error)
        return error;
    if (class->fdt && class->fdt->size >= PLUGIN_FDT_MIN) {
        memcpy(&plugin->fdt, class->fdt, plugin_min(class->fdt->size, sizeof(plugin->fdt)));
        class->fdt = &plugin->fdt;
    }
    return plugin_take_regions(plugin);
}

/* Copies the class. Nothing behind `size` is read before it is known. */
static int plugin_take_class(struct plugin *plugin, const struct rv_device_class *theirs)
{
    const char *wrong;
    int error;

    if (theirs->abi_min > theirs->abi_max || theirs->abi_min > RV_DEVICE_ABI ||
        theirs->abi_max < RV_DEVICE_ABI_MIN) {
        log_error("plugin '%s': is too %s: it speaks device ABI %" PRIu32 " to %" PRIu32
                  ", this vmm %u to %u: build it with this vmm's ringvisor/device.h",
                  plugin->file, theirs->abi_min > RV_DEVICE_ABI ? "new" : "old", theirs->abi_min,
                  theirs->abi_max, RV_DEVICE_ABI_MIN, RV_DEVICE_ABI);
        return -EPROTO;
    }
    if (theirs->size < PLUGIN_CLASS_MIN) {
        log_error("plugin '%s': its device class has %" PRIu32 " bytes, at least %zu are needed: "
                  "begin it with RV_CLASS_HEADER",
                  plugin->file, theirs->size, PLUGIN_CLASS_MIN);
        return -EPROTO;
    }
    memcpy(&plugin->class, theirs, plugin_min(theirs->size, sizeof(plugin->class)));
    error = plugin_take_parts(plugin);
    if (error)
        return error;
    wrong = plugin_check(&plugin->class);
    if (wrong) {
        log_error("plugin '%s': %s", plugin->file, wrong);
        return -EINVAL;
    }
    return 0;
}

static int plugin_register(struct plugins *plugins, struct plugin *plugin)
{
    const struct plugin *other = plugin_find(plugins, plugin->class.name);
    struct plugin **all;

    if (other) {
        log_error("plugin '%s': '%s' has a device '%s' already: this one is left out", plugin->file,
                  other->file, plugin->class.name);
        return -EEXIST;
    }
    all = reallocarray(plugins->all, plugins->count + 1, sizeof(struct plugin *));
    if (!all)
        return -ENOMEM;
    plugins->all = all;
    all[plugins->count++] = plugin;
    return 0;
}

static int plugin_add(struct plugins *plugins, const struct plugin_object *object,
                      const struct rv_device_class *class)
{
    struct plugin *plugin = calloc(1, sizeof(*plugin));
    int error;

    if (!plugin)
        return -ENOMEM;
    plugin->object = object;
    plugin->file = object->file;
    error = plugin_take_class(plugin, class);
    if (!error)
        error = plugin_register(plugins, plugin);
    if (error)
        plugin_release(plugin);
    return error;
}

/* All classes of an object. The first error, but the others are there. */
static int plugin_add_all(struct plugins *plugins, const struct plugin_object *object)
{
    const struct rv_device_class *const *several = dlsym(object->handle, RV_DEVICES_SYMBOL);
    const struct rv_device_class *one = dlsym(object->handle, RV_DEVICE_SYMBOL);
    int first = 0;

    if (!several && !one) {
        log_error("plugin '%s': has no symbol '" RV_DEVICE_SYMBOL "' or '" RV_DEVICES_SYMBOL
                  "': not a ringvisor device",
                  object->file);
        return -EPROTO;
    }
    if (one)
        first = plugin_add(plugins, object, one);
    for (; several && *several; several++) {
        int error = plugin_add(plugins, object, *several);

        first = first ? first : error;
    }
    return first;
}

static bool plugin_loaded(const struct plugins *plugins, const struct stat *st)
{
    for (const struct plugin_object *o = plugins->objects; o; o = o->next)
        if (o->dev == st->st_dev && o->ino == st->st_ino)
            return true;
    return false;
}

static int plugin_open(const char *file, struct plugin_object *object)
{
    /* A path with a slash in it: a bare name would be looked for in the system's libraries. */
    if (asprintf(&object->file, "%s%s", strchr(file, '/') ? "" : "./", file) < 0) {
        object->file = NULL;
        return -ENOMEM;
    }
    /* NOW: a symbol that is missing is found here, not when the guest first gets there. */
    object->handle = dlopen(object->file, RTLD_NOW | RTLD_LOCAL);
    if (!object->handle) {
        log_error("plugin '%s': cannot be loaded: %s", object->file, dlerror());
        return -ENOENT;
    }
    return 0;
}

int plugin_load(struct plugins *plugins, const char *file)
{
    struct plugin_object *object;
    size_t count = plugins->count;
    struct stat st;
    int error;

    if (stat(file, &st) != 0) {
        log_error("plugin '%s': %s", file, strerror(errno));
        return -ENOENT;
    }
    if (plugin_loaded(plugins, &st))
        return 0;
    object = calloc(1, sizeof(*object));
    if (!object)
        return -ENOMEM;
    object->dev = st.st_dev;
    object->ino = st.st_ino;
    error = plugin_open(file, object);
    if (!error)
        error = plugin_add_all(plugins, object);
    if (error == -ENOMEM)
        log_error("plugin '%s': out of memory", file);
    if (plugins->count == count) {
        plugin_object_release(object);
        return error;
    }
    object->next = plugins->objects;
    plugins->objects = object;
    return error;
}

static int plugin_is_object(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    size_t suffix = strlen(PLUGIN_SUFFIX);

    return len > suffix && strcmp(entry->d_name + len - suffix, PLUGIN_SUFFIX) == 0;
}

/* How many failed. */
static unsigned plugin_load_dir(struct plugins *plugins, const char *dir)
{
    struct dirent **entries;
    unsigned failed = 0;
    int count = scandir(dir, &entries, plugin_is_object, alphasort);

    if (count < 0) {
        log_warn("plugin directory '%s': %s: it is left out", dir, strerror(errno));
        return 1;
    }
    for (int i = 0; i < count; i++) {
        char *file;

        if (asprintf(&file, "%s/%s", dir, entries[i]->d_name) < 0) {
            failed++;
        } else {
            failed += plugin_load(plugins, file) != 0;
            free(file);
        }
        free(entries[i]);
    }
    free(entries);
    return failed;
}

unsigned plugin_load_path(struct plugins *plugins, const char *const *path, const char *builtin)
{
    /* Not in a process with privileges that the caller does not have. */
    const char *env = secure_getenv(PLUGIN_ENV);
    char *list = env ? strdup(env) : NULL;
    char *save = NULL;
    unsigned failed = 0;

    for (; path && *path; path++)
        failed += plugin_load_dir(plugins, *path);
    if (list)
        for (char *dir = strtok_r(list, ":", &save); dir; dir = strtok_r(NULL, ":", &save))
            failed += plugin_load_dir(plugins, dir);
    free(list);
    if (builtin)
        failed += plugin_load_dir(plugins, builtin);
    return failed;
}
