/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/plugin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/log.h"
#include "vmm/size.h"

#define PLUGIN_ENV       "VMM_PLUGIN_PATH"
#define PLUGIN_SUFFIX    ".so"
#define PLUGIN_NAME_MAX  32u
#define PLUGIN_IRQS_MAX  64u
#define PLUGIN_STATE_MAX 0x10000000u /* 256 MiB: more is a mistake, not a device */

/* The oldest struct that we serve ends with its last callback. */
#define PLUGIN_CLASS_MIN                              \
    (offsetof(struct rv_device_class, chr_writable) + \
     sizeof(((struct rv_device_class *)0)->chr_writable))

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
 * Values
 */

static const struct {
    const char *text;
    bool value;
} plugin_bools[] = {
    {"on", true},   {"off", false},   {"yes", true}, {"no", false},
    {"true", true}, {"false", false}, {"1", true},   {"0", false},
};

#define PLUGIN_BOOLS (sizeof(plugin_bools) / sizeof(plugin_bools[0]))

static size_t plugin_bool_index(const char *text)
{
    size_t i = 0;

    while (i < PLUGIN_BOOLS && strcmp(text, plugin_bools[i].text) != 0)
        i++;
    return i;
}

bool plugin_value_valid(enum rv_property_type type, const char *text)
{
    uint64_t number;

    switch (type) {
    case RV_PROPERTY_BOOL: return plugin_bool_index(text) < PLUGIN_BOOLS;
    case RV_PROPERTY_UINT: return size_parse(text, &number) == 0;
    case RV_PROPERTY_STRING: return true;
    }
    return false;
}

bool plugin_value_bool(const char *text)
{
    size_t i = plugin_bool_index(text);

    return i < PLUGIN_BOOLS && plugin_bools[i].value;
}

uint64_t plugin_value_uint(const char *text)
{
    uint64_t number = 0;

    (void)size_parse(text, &number); /* 0 then */
    return number;
}

const char *plugin_value_help(enum rv_property_type type)
{
    switch (type) {
    case RV_PROPERTY_BOOL: return "on or off";
    case RV_PROPERTY_UINT: return "a number (decimal or 0x..., with K, M, G, T for units)";
    case RV_PROPERTY_STRING: return "a string";
    }
    return NULL;
}

/*
 * Checks. Each gives what is wrong, or NULL. The class is code in our own
 * process, so this is no defence: it is to find a mistake where it was made.
 */

/* A name is typed in "--device name,property=value". */
static bool plugin_name_valid(const char *name)
{
    size_t len;

    if (!name)
        return false;
    len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.");
    return len > 0 && len <= PLUGIN_NAME_MAX && name[len] == '\0';
}

static const char *plugin_check_properties(const struct rv_property *properties)
{
    for (const struct rv_property *p = properties; p && p->name; p++) {
        if (!plugin_name_valid(p->name))
            return "a property's name is not made of a-z, 0-9, '-', '_' and '.'";
        if (!plugin_value_help(p->type))
            return "a property's type is unknown";
        if (!p->help)
            return "a property has no help text";
        if (!p->value ? p->type != RV_PROPERTY_STRING : !plugin_value_valid(p->type, p->value))
            return "a property's default is not of its type";
        for (const struct rv_property *q = properties; q < p; q++)
            if (strcmp(p->name, q->name) == 0)
                return "a property is there twice";
    }
    return NULL;
}

static const char *plugin_check_posted(const struct rv_device_class *class)
{
    for (const struct rv_range *r = class->posted; r && r->size > 0; r++)
        if (r->start >= class->mmio_size || r->size > class->mmio_size - r->start)
            return "a posted range lies outside of its registers";
    return NULL;
}

static const char *plugin_check(const struct rv_device_class *class)
{
    const char *wrong;

    if (!plugin_name_valid(class->name))
        return "its name is not 1 to 32 of a-z, 0-9, '-', '_' and '.'";
    if (!class->description)
        return "it has no description";
    if (!class->create || !class->destroy || !class->reset)
        return "create, destroy or reset is missing";
    if (!class->read || !class->write)
        return "read or write is missing";
    if (!class->chr_can_receive != !class->chr_receive)
        return "chr_can_receive and chr_receive go together";
    if (class->mmio_size == 0)
        return "it has no registers (mmio_size is 0)";
    if (class->irq_lines > PLUGIN_IRQS_MAX)
        return "it has more than 64 interrupt lines";
    if (class->state_size > PLUGIN_STATE_MAX)
        return "its state is larger than 256 MiB";
    if (class->fdt && (!class->fdt->name || !class->fdt->compatible || !class->fdt->compatible[0]))
        return "its device tree node lacks name or compatible";
    wrong = plugin_check_properties(class->properties);
    return wrong ? wrong : plugin_check_posted(class);
}

/*
 * Loading
 */

/* Copies the class out of the loaded object. Nothing behind `size` is read before it is known. */
static int plugin_take_class(struct plugin *plugin)
{
    const struct rv_device_class *theirs = dlsym(plugin->handle, RV_DEVICE_SYMBOL);
    const char *wrong;

    if (!theirs) {
        log_error("plugin '%s': has no symbol '" RV_DEVICE_SYMBOL "': not a ringvisor device",
                  plugin->file);
        return -EPROTO;
    }
    if (theirs->abi_min > theirs->abi_max || theirs->abi_min > RV_DEVICE_ABI ||
        theirs->abi_max < RV_DEVICE_ABI_MIN) {
        log_error("plugin '%s': speaks device ABI %" PRIu32 " to %" PRIu32
                  ", this vmm %u to %u: build it with this vmm's ringvisor/device.h",
                  plugin->file, theirs->abi_min, theirs->abi_max, RV_DEVICE_ABI_MIN, RV_DEVICE_ABI);
        return -EPROTO;
    }
    if (theirs->size < PLUGIN_CLASS_MIN) {
        log_error("plugin '%s': its device class has %zu bytes, at least %zu are needed: set "
                  ".size to sizeof(struct rv_device_class)",
                  plugin->file, theirs->size, PLUGIN_CLASS_MIN);
        return -EPROTO;
    }
    memcpy(&plugin->class, theirs,
           theirs->size < sizeof(plugin->class) ? theirs->size : sizeof(plugin->class));
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

/*
 * Showing them
 */

static int plugin_compare(const void *a, const void *b)
{
    const struct plugin *const *pa = a;
    const struct plugin *const *pb = b;

    return strcmp((*pa)->class.name, (*pb)->class.name);
}

void plugin_list(const struct plugins *plugins, FILE *out)
{
    struct plugin **sorted = calloc(plugins->count + 1, sizeof(struct plugin *));
    int width = 0;

    if (!sorted)
        return;
    for (size_t i = 0; i < plugins->count; i++) {
        int len = (int)strlen(plugins->all[i]->class.name);

        sorted[i] = plugins->all[i];
        width = len > width ? len : width;
    }
    qsort(sorted, plugins->count, sizeof(struct plugin *), plugin_compare);
    for (size_t i = 0; i < plugins->count; i++)
        fprintf(out, "%-*s  %s (%s)\n", width, sorted[i]->class.name, sorted[i]->class.description,
                sorted[i]->file);
    free(sorted);
}

int plugin_describe(const struct plugins *plugins, const char *name, FILE *out)
{
    const struct plugin *plugin = plugin_find(plugins, name);
    const struct rv_property *p;

    if (!plugin) {
        plugin_unknown(plugins, name);
        return -ENOENT;
    }
    p = plugin->class.properties;
    fprintf(out, "%s: %s\nfile: %s\n", plugin->class.name, plugin->class.description, plugin->file);
    fprintf(out, p && p->name ? "properties:\n" : "properties: none\n");
    for (; p && p->name; p++) {
        fprintf(out, "  %s: %s\n", p->name, p->help);
        fprintf(out, "      %s; ", plugin_value_help(p->type));
        if (p->value)
            fprintf(out, "default: %s\n", p->value);
        else
            fprintf(out, "no default\n");
    }
    return 0;
}

void plugin_unknown(const struct plugins *plugins, const char *name)
{
    char *names = NULL;
    size_t size;
    FILE *out = open_memstream(&names, &size);

    if (out) {
        for (size_t i = 0; i < plugins->count; i++)
            fprintf(out, "%s%s", i == 0 ? "" : ", ", plugins->all[i]->class.name);
        fclose(out);
    }
    if (plugins->count == 0)
        log_error("no device '%s': no plugins were found (see --plugin-path)", name);
    else
        log_error("no device '%s': there are %s", name, names ? names : "others");
    free(names);
}
