/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/device/property.h"

#define PLUGIN_ENV       "VMM_PLUGIN_PATH"
#define PLUGIN_SUFFIX    ".so"
#define PLUGIN_NAME_MAX  32u
#define PLUGIN_IRQS_MAX  64u
#define PLUGIN_STATE_MAX 0x10000000u /* 256 MiB: more is a mistake, not a device */

/* What the structs of version 1 end with: the oldest that are served. */
#define PLUGIN_END(type, field) (offsetof(type, field) + sizeof(((type *)0)->field))
#define PLUGIN_CLASS_MIN        PLUGIN_END(struct rv_device_class, fdt_root)
#define PLUGIN_PROPERTY_MIN     PLUGIN_END(struct rv_property, max)
#define PLUGIN_FDT_MIN          PLUGIN_END(struct rv_fdt_node, phandle)
#define PLUGIN_PROPERTIES_MAX   256u

struct plugins {
    struct plugin **all; /* pointers, because devices keep theirs */
    size_t count;
};

struct plugins *plugin_new(void)
{
    return calloc(1, sizeof(struct plugins));
}

static void plugin_release(struct plugin *plugin)
{
    if (plugin->handle)
        dlclose(plugin->handle);
    free(plugin->properties);
    free(plugin->file);
    free(plugin);
}

void plugin_free(struct plugins *plugins)
{
    if (!plugins)
        return;
    for (size_t i = 0; i < plugins->count; i++)
        plugin_release(plugins->all[i]);
    free(plugins->all);
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

/*
 * Checks. Each gives what is wrong, or NULL. The class is code in our own
 * process, so this is no defence: it is to find a mistake where it was made.
 */

static const char *plugin_check_posted(const struct rv_device_class *class)
{
    for (const struct rv_range *r = class->posted; r && r->size > 0; r++)
        if (r->start >= class->mmio_size || r->size > class->mmio_size - r->start)
            return "a posted range lies outside of its registers";
    return NULL;
}

static const char *plugin_check_place(const struct rv_device_class *class)
{
    switch (class->place) {
    case RV_PLACE_PLATFORM: return NULL;
    case RV_PLACE_FIXED:
        if (class->fixed_base + (class->mmio_size - 1) < class->fixed_base)
            return "its fixed place is not in the address space";
        return NULL;
    case RV_PLACE_VIRTIO_MMIO:
        if (class->mmio_size != BOARD_VIRTIO_STEP || class->irq_lines > 1)
            return "a virtio-mmio transport has 0x200 bytes of registers and one line";
        return NULL;
    }
    return "its place is unknown";
}

static const char *plugin_check_lines(const struct rv_device_class *class)
{
    if (class->irq_lines > PLUGIN_IRQS_MAX)
        return "it has more than 64 interrupt lines";
    if (class->irq_lines < PLUGIN_IRQS_MAX && class->irq_edge >> class->irq_lines)
        return "irq_edge names a line that it does not have";
    return NULL;
}

static const char *plugin_check(const struct rv_device_class *class)
{
    const char *wrong;

    if (!property_name_valid(class->name))
        return "its name is not 1 to 32 of a-z, 0-9, '-', '_' and '.'";
    if (!class->description)
        return "it has no description";
    if (!class->create || !class->destroy || !class->reset)
        return "create, destroy or reset is missing";
    if (!class->read || !class->write)
        return "read or write is missing";
    if (class->mmio_size == 0)
        return "it has no registers (mmio_size is 0)";
    if (class->state_size > PLUGIN_STATE_MAX)
        return "its state is larger than 256 MiB";
    if (!class->fdt && (class->fdt_node || class->fdt_root))
        return "fdt_node and fdt_root need a device tree node (fdt)";
    if (class->fdt && (!class->fdt->name || !class->fdt->compatible || !class->fdt->compatible[0]))
        return "its device tree node lacks name or compatible";
    if (class->fdt && class->fdt->size < PLUGIN_FDT_MIN)
        return "its device tree node has no size: set .size to sizeof(struct rv_fdt_node)";
    wrong = plugin_check_place(class);
    if (!wrong)
        wrong = plugin_check_lines(class);
    if (!wrong)
        wrong = property_check(class->properties);
    return wrong ? wrong : plugin_check_posted(class);
}

/*
 * Loading
 */

static size_t plugin_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * The plugin's header may have been older or newer than ours, so its property
 * and node structs shorter or longer: from here on they are as we know them.
 */
static int plugin_take_parts(struct plugin *plugin)
{
    struct rv_device_class *class = &plugin->class;
    const uint8_t *theirs = (const uint8_t *)class->properties;
    size_t step = class->property_size;
    size_t count = 0;

    if (class->fdt && class->fdt->size >= PLUGIN_FDT_MIN) {
        memcpy(&plugin->fdt, class->fdt, plugin_min(class->fdt->size, sizeof(plugin->fdt)));
        class->fdt = &plugin->fdt;
    }
    if (!theirs)
        return 0;
    if (step < PLUGIN_PROPERTY_MIN) {
        log_error("plugin '%s': a property has %zu bytes, at least %zu are needed: begin the "
                  "class with RV_CLASS_HEADER",
                  plugin->file, step, PLUGIN_PROPERTY_MIN);
        return -EPROTO;
    }
    while (((const struct rv_property *)(const void *)(theirs + count * step))->name) {
        if (++count == PLUGIN_PROPERTIES_MAX) {
            log_error("plugin '%s': its list of properties does not end with {0}", plugin->file);
            return -EINVAL;
        }
    }
    plugin->properties = calloc(count + 1, sizeof(*plugin->properties));
    if (!plugin->properties)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        memcpy(&plugin->properties[i], theirs + i * step,
               plugin_min(step, sizeof(*plugin->properties)));
    class->properties = plugin->properties;
    return 0;
}

/* Copies the class out of the loaded object. Nothing behind `size` is read before it is known. */
static int plugin_take_class(struct plugin *plugin)
{
    const struct rv_device_class *theirs = dlsym(plugin->handle, RV_DEVICE_SYMBOL);
    const char *wrong;
    int err;

    if (!theirs) {
        log_error("plugin '%s': has no symbol '" RV_DEVICE_SYMBOL "': not a ringvisor device",
                  plugin->file);
        return -EPROTO;
    }
    if (theirs->abi_min > theirs->abi_max || theirs->abi_min > RV_DEVICE_ABI ||
        theirs->abi_max < RV_DEVICE_ABI_MIN) {
        log_error("plugin '%s': is too %s: it speaks device ABI %" PRIu32 " to %" PRIu32
                  ", this vmm %u to %u: build it with this vmm's ringvisor/device.h",
                  plugin->file, theirs->abi_min > RV_DEVICE_ABI ? "new" : "old", theirs->abi_min,
                  theirs->abi_max, RV_DEVICE_ABI_MIN, RV_DEVICE_ABI);
        return -EPROTO;
    }
    if (theirs->size < PLUGIN_CLASS_MIN) {
        log_error("plugin '%s': its device class has %zu bytes, at least %zu are needed: "
                  "begin it with RV_CLASS_HEADER",
                  plugin->file, theirs->size, PLUGIN_CLASS_MIN);
        return -EPROTO;
    }
    memcpy(&plugin->class, theirs, plugin_min(theirs->size, sizeof(plugin->class)));
    err = plugin_take_parts(plugin);
    if (err)
        return err;
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

static bool plugin_loaded(const struct plugins *plugins, const struct stat *st)
{
    for (size_t i = 0; i < plugins->count; i++)
        if (plugins->all[i]->dev == st->st_dev && plugins->all[i]->ino == st->st_ino)
            return true;
    return false;
}

int plugin_load(struct plugins *plugins, const char *file)
{
    struct plugin *plugin;
    struct stat st;
    int err;

    if (stat(file, &st) != 0) {
        log_error("plugin '%s': %s", file, strerror(errno));
        return -ENOENT;
    }
    if (plugin_loaded(plugins, &st))
        return 0;
    plugin = calloc(1, sizeof(*plugin));
    if (!plugin)
        return -ENOMEM;
    plugin->dev = st.st_dev;
    plugin->ino = st.st_ino;
    /* A path with a slash in it: a bare name would be looked for in the system's libraries. */
    if (asprintf(&plugin->file, "%s%s", strchr(file, '/') ? "" : "./", file) < 0) {
        plugin->file = NULL;
        err = -ENOMEM;
        goto fail;
    }
    /* NOW: a symbol that is missing is found here, not when the guest first gets there. */
    plugin->handle = dlopen(plugin->file, RTLD_NOW | RTLD_LOCAL);
    if (!plugin->handle) {
        log_error("plugin '%s': cannot be loaded: %s", plugin->file, dlerror());
        err = -ENOENT;
        goto fail;
    }
    err = plugin_take_class(plugin);
    if (!err)
        err = plugin_register(plugins, plugin);
    if (!err)
        return 0;
fail:
    if (err == -ENOMEM)
        log_error("plugin '%s': out of memory", file);
    plugin_release(plugin);
    return err;
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
        log_error("plugin directory '%s': %s", dir, strerror(errno));
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
