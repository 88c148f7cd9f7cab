/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"

#define DEVICE_SPI_BASE 32u  /* INTID of SPI 0: IHI 0069, 2.2 */
#define DEVICE_SPIS     988u /* INTIDs 32 to 1019 */
#define DEVICE_LOG_MAX  512

enum device_line { DEVICE_LINE_UNKNOWN, DEVICE_LINE_LOW, DEVICE_LINE_HIGH };

struct rv_host {
    struct device_env env;
    const struct rv_device_class *class;
    void *device; /* the plugin's */
    char *name;
    ipa_t base;
    uint32_t first_spi;
    char **values; /* one for each of the class's properties, or NULL: its default */
    enum device_line *lines;
    struct bus_ops bus_ops;
    struct chardev_client client;
    bool created;
    bool on_bus;
    bool on_chardev;
};

/*
 * What the device calls
 */

static void device_log(struct rv_host *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void device_log(struct rv_host *host, enum rv_log_level level, const char *fmt, ...)
{
    static const enum log_level levels[] = {
        [RV_LOG_ERROR] = LOG_ERROR,
        [RV_LOG_WARN] = LOG_WARN,
        [RV_LOG_INFO] = LOG_INFO,
        [RV_LOG_DEBUG] = LOG_DEBUG,
    };
    char text[DEVICE_LOG_MAX];
    va_list ap;

    if ((unsigned)level > RV_LOG_DEBUG || !log_enabled(levels[level]))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_msg(levels[level], "device '%s': %s", host->name, text);
}

static void device_irq_set(struct rv_host *host, unsigned line, bool level)
{
    enum device_line wanted = level ? DEVICE_LINE_HIGH : DEVICE_LINE_LOW;

    if (line >= host->class->irq_lines) {
        log_error("device '%s': set interrupt line %u, but has %u: a bug of the plugin", host->name,
                  line, host->class->irq_lines);
        return;
    }
    /* Devices call this after every register access: most change nothing. */
    if (host->lines[line] == wanted)
        return;
    host->lines[line] = wanted;
    host->env.irq_set(host->env.ctx, DEVICE_SPI_BASE + host->first_spi + line, level);
}

static size_t device_chr_write(struct rv_host *host, const uint8_t *data, size_t len)
{
    return host->env.chardev ? chardev_write(host->env.chardev, data, len) : len;
}

static void device_chr_accept(struct rv_host *host)
{
    if (host->env.chardev)
        chardev_accept(host->env.chardev);
}

/* The index of a property that the class declares, or -1. `len`: of the name in `name`. */
static int device_property_index(const struct rv_device_class *class, const char *name, size_t len)
{
    const struct rv_property *p = class->properties;

    for (int i = 0; p && p[i].name; i++)
        if (strlen(p[i].name) == len && memcmp(p[i].name, name, len) == 0)
            return i;
    return -1;
}

static const char *device_property(struct rv_host *host, const char *name,
                                   enum rv_property_type type)
{
    int i = device_property_index(host->class, name, strlen(name));

    if (i < 0 || host->class->properties[i].type != type) {
        log_error("device '%s': asked for property '%s', which it does not declare so: a bug "
                  "of the plugin",
                  host->name, name);
        return NULL;
    }
    return host->values[i] ? host->values[i] : host->class->properties[i].value;
}

static const char *device_property_string(struct rv_host *host, const char *name)
{
    return device_property(host, name, RV_PROPERTY_STRING);
}

static uint64_t device_property_uint(struct rv_host *host, const char *name)
{
    const char *text = device_property(host, name, RV_PROPERTY_UINT);

    return text ? plugin_value_uint(text) : 0;
}

static bool device_property_bool(struct rv_host *host, const char *name)
{
    const char *text = device_property(host, name, RV_PROPERTY_BOOL);

    return text && plugin_value_bool(text);
}

static const struct rv_host_ops device_ops = {
    .size = sizeof(struct rv_host_ops),
    .log = device_log,
    .irq_set = device_irq_set,
    .chr_write = device_chr_write,
    .chr_accept = device_chr_accept,
    .property_string = device_property_string,
    .property_uint = device_property_uint,
    .property_bool = device_property_bool,
};

/*
 * The user's properties
 */

static void device_unknown_property(const struct rv_device_class *class, const char *name,
                                    size_t len)
{
    char *names = NULL;
    size_t size;
    FILE *out = open_memstream(&names, &size);

    if (out) {
        for (const struct rv_property *p = class->properties; p && p->name; p++)
            fprintf(out, "%s%s", p == class->properties ? "" : ", ", p->name);
        fclose(out);
    }
    if (names && names[0])
        log_error("device '%s': no property '%.*s': there are %s", class->name, (int)len, name,
                  names);
    else
        log_error("device '%s': no property '%.*s': it has none", class->name, (int)len, name);
    free(names);
}

/*
 * Copies a value up to the comma that ends it; two commas are one of the value.
 * `*text` moves on to the ending comma or the end. NULL: out of memory.
 */
static char *device_copy_value(const char **text)
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
static int device_parse_property(struct rv_host *host, const char **text)
{
    const struct rv_property *p;
    const char *name = *text;
    size_t len = strcspn(name, ",=");
    int i = device_property_index(host->class, name, len);
    char *value;

    if (i < 0) {
        device_unknown_property(host->class, name, len);
        return -EINVAL;
    }
    p = &host->class->properties[i];
    *text = name + len;
    if (**text == '=') {
        ++*text;
        value = device_copy_value(text);
    } else if (p->type == RV_PROPERTY_BOOL) {
        value = strdup("on");
    } else {
        log_error("device '%s': property '%s' needs a value: %s", host->class->name, p->name,
                  plugin_value_help(p->type));
        return -EINVAL;
    }
    if (!value)
        return -ENOMEM;
    if (!plugin_value_valid(p->type, value)) {
        log_error("device '%s': property '%s' is %s, not '%s'", host->class->name, p->name,
                  plugin_value_help(p->type), value);
        free(value);
        return -EINVAL;
    }
    free(host->values[i]);
    host->values[i] = value; /* the last one given counts */
    return 0;
}

static int device_parse_properties(struct rv_host *host, const char *text)
{
    int err = 0;

    while (!err && *text == ',') {
        text++;
        err = device_parse_property(host, &text);
    }
    return err;
}

/*
 * Character input
 */

static size_t device_can_receive(void *opaque)
{
    const struct rv_host *host = opaque;

    return host->class->chr_can_receive ? host->class->chr_can_receive(host->device) : 0;
}

static void device_receive(void *opaque, const uint8_t *data, size_t len)
{
    const struct rv_host *host = opaque;

    host->class->chr_receive(host->device, data, len);
}

static void device_writable(void *opaque)
{
    const struct rv_host *host = opaque;

    if (host->class->chr_writable)
        host->class->chr_writable(host->device);
}

/*
 * Making one
 */

static size_t device_property_count(const struct rv_device_class *class)
{
    size_t n = 0;

    while (class->properties && class->properties[n].name)
        n++;
    return n;
}

static int device_alloc(const struct device_env *env, const struct rv_device_class *class,
                        ipa_t base, uint32_t first_spi, struct rv_host **device)
{
    struct rv_host *host = calloc(1, sizeof(*host));

    if (!host)
        return -ENOMEM;
    *host = (struct rv_host){
        .env = *env,
        .class = class,
        .base = base,
        .first_spi = first_spi,
        /* The bus calls the plugin itself: the signatures are the same. */
        .bus_ops = {.read = class->read, .write = class->write},
        .client = {device_can_receive, device_receive, device_writable},
        /* One more than there are, since calloc may give NULL for none. */
        .values = calloc(device_property_count(class) + 1, sizeof(char *)),
        .lines = calloc(class->irq_lines + 1, sizeof(enum device_line)),
    };
    *device = host;
    if (asprintf(&host->name, "%s@%" PRIx64, class->name, base.v) < 0) {
        host->name = NULL;
        return -ENOMEM;
    }
    return host->values && host->lines ? 0 : -ENOMEM;
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
    err = class->create(host, &device_ops, state, &host->device);
    if (err) {
        log_error("device '%s': cannot be made: %s", host->name, strerror(-err));
        return err;
    }
    host->created = true;
    if (!host->env.resume)
        class->reset(host->device);
    err = bus_add(host->env.bus, host->name, host->base, class->mmio_size, &host->bus_ops,
                  host->device);
    if (err)
        return err;
    host->on_bus = true;
    if (host->env.chardev && (class->chr_receive || class->chr_writable)) {
        err = chardev_attach(host->env.chardev, &host->client, host);
        if (err) {
            log_error("device '%s': the console is used by another device", host->name);
            return err;
        }
        host->on_chardev = true;
    }
    return 0;
}

int device_create(const struct device_env *env, const char *spec, ipa_t base, uint32_t first_spi,
                  struct rv_host **device)
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
    if (first_spi >= DEVICE_SPIS || plugin->class.irq_lines > DEVICE_SPIS - first_spi) {
        log_error("device '%s': there are SPIs 0 to %u, not %u", plugin->class.name,
                  DEVICE_SPIS - 1, first_spi);
        return -EINVAL;
    }
    err = device_alloc(env, &plugin->class, base, first_spi, &host);
    if (!err)
        err = device_parse_properties(host, spec + len);
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

void device_destroy(struct rv_host *host)
{
    if (!host)
        return;
    if (host->on_chardev)
        chardev_detach(host->env.chardev);
    if (host->on_bus)
        bus_remove(host->env.bus, host->base);
    if (host->created)
        host->class->destroy(host->device);
    for (size_t i = 0; host->values && i < device_property_count(host->class); i++)
        free(host->values[i]);
    free(host->values);
    free(host->lines);
    free(host->name);
    free(host);
}

void device_reset(struct rv_host *host)
{
    host->class->reset(host->device);
}

const char *device_name(const struct rv_host *host)
{
    return host->name;
}

const struct rv_device_class *device_class(const struct rv_host *host)
{
    return host->class;
}

ipa_t device_base(const struct rv_host *host)
{
    return host->base;
}

uint32_t device_first_spi(const struct rv_host *host)
{
    return host->first_spi;
}
