/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/plugin_host.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(holds)                                                    \
    do {                                                                \
        if (!(holds)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                    \
        }                                                               \
    } while (0)

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    va_list ap;

    host->errors += level == RV_LOG_ERROR;
    host->warnings += level == RV_LOG_WARN;
    if (level > RV_LOG_WARN)
        return;
    va_start(ap, fmt);
    vsnprintf(host->log, sizeof(host->log), fmt, ap);
    va_end(ap);
    if (!host->quiet)
        fprintf(stderr, "# %s\n", host->log);
}

static const char *host_name(struct rv_instance *host)
{
    (void)host;
    return "device@a000000";
}

static void host_irq_pulse(struct rv_instance *host, unsigned line)
{
    CHECK(line == 0);
    host->rises++;
}

static void *host_mem_span(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    CHECK(len != 0);
    if (ipa < host->ram_base || ipa - host->ram_base > host->ram_size ||
        len > host->ram_size - (ipa - host->ram_base))
        return NULL;
    return host->ram + (ipa - host->ram_base);
}

static void host_mem_dirty(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    CHECK(host_mem_span(host, ipa, len));
}

static int host_mem_discard(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    void *at = len ? host_mem_span(host, ipa, len) : NULL;

    CHECK((ipa | len) % 4096 == 0);
    if (!at)
        return -EFAULT;
    memset(at, 0, len);
    host->discarded += len;
    host->discards++;
    return 0;
}

static int host_mem_region(struct rv_instance *host, unsigned index, struct rv_mem_region *region)
{
    CHECK(region->size == sizeof(*region));
    if (index)
        return -ENOENT;
    region->ipa = host->ram_base;
    region->bytes = host->ram_size;
    region->fd = -1;
    return 0;
}

static uint64_t host_now_ns(struct rv_instance *host)
{
    return host->now;
}

static struct rv_timer *host_timer_new(struct rv_instance *host, void (*fired)(void *),
                                       void *opaque)
{
    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS; i++) {
        if (host->timer[i].fired)
            continue;
        host->timer[i] = (struct rv_timer){.fired = fired, .opaque = opaque};
        return &host->timer[i];
    }
    return NULL;
}

static void host_timer_set(struct rv_instance *host, struct rv_timer *timer, uint64_t at)
{
    (void)host;
    CHECK(timer->fired);
    timer->set = true;
    timer->at = at;
}

static void host_timer_cancel(struct rv_instance *host, struct rv_timer *timer)
{
    (void)host;
    CHECK(timer->fired);
    timer->set = false;
}

static void host_timer_free(struct rv_instance *host, struct rv_timer *timer)
{
    (void)host;
    CHECK(timer->fired);
    *timer = (struct rv_timer){0};
}

static struct rv_watch *host_fd_watch(struct rv_instance *host, int fd, unsigned events,
                                      void (*ready)(void *, unsigned), void *opaque)
{
    CHECK(fd >= 0 && ready);
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++) {
        if (host->watch[i].ready)
            continue;
        host->watch[i] = (struct rv_watch){ready, opaque, fd, events};
        return &host->watch[i];
    }
    return NULL;
}

static int host_fd_change(struct rv_instance *host, struct rv_watch *watch, unsigned events)
{
    (void)host;
    CHECK(watch->ready);
    watch->events = events;
    return 0;
}

static void host_fd_remove(struct rv_instance *host, struct rv_watch *watch)
{
    (void)host;
    CHECK(watch->ready);
    *watch = (struct rv_watch){0};
}

static const struct rv_property *declared(const char *name)
{
    const struct rv_property *p = ringvisor_device.properties;

    while (p && p->name && strcmp(p->name, name) != 0)
        p++;
    CHECK(p && p->name);
    return p;
}

static const char *value_of(struct rv_instance *host, const char *name)
{
    const struct rv_property *property = declared(name);

    for (const struct plugin_host_property *p = host->properties; p && p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p->value;
    return property->value;
}

static const char *host_property_string(struct rv_instance *host, const char *name)
{
    CHECK(declared(name)->type == RV_PROPERTY_STRING || declared(name)->type == RV_PROPERTY_PATH);
    return value_of(host, name);
}

static uint64_t host_property_uint(struct rv_instance *host, const char *name)
{
    const char *value = value_of(host, name);
    char *end;
    uint64_t n;

    CHECK(declared(name)->type == RV_PROPERTY_UINT || declared(name)->type == RV_PROPERTY_SIZE);
    n = strtoull(value, &end, 0);
    return n << (*end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0);
}

static bool host_property_bool(struct rv_instance *host, const char *name)
{
    CHECK(declared(name)->type == RV_PROPERTY_BOOL);
    return strcmp(value_of(host, name), "on") == 0;
}

static unsigned host_property_enum(struct rv_instance *host, const char *name)
{
    const char *value = value_of(host, name);
    unsigned i = 0;

    CHECK(declared(name)->type == RV_PROPERTY_ENUM && value);
    while (strcmp(declared(name)->choices[i], value) != 0)
        CHECK(declared(name)->choices[++i]);
    return i;
}

static void *host_state_block(struct rv_instance *host, const char *name, uint32_t version,
                              size_t size)
{
    CHECK(version != 0 && strlen(name) <= 12);
    for (unsigned i = 0; i < COUNT(host->block); i++) {
        if (host->block[i].block && strcmp(host->block[i].name, name) != 0)
            continue;
        CHECK(!host->block[i].block || host->block[i].size == size);
        if (!host->block[i].block)
            host->block[i].block = calloc(1, size);
        host->block[i].size = size;
        strcpy(host->block[i].name, name);
        return host->block[i].block;
    }
    return NULL;
}

static void host_quiesced(struct rv_instance *host)
{
    host->quiesced++;
}

static uint64_t *host_counter(struct rv_instance *host, const char *name, const char *help)
{
    unsigned i = 0;

    CHECK(name && help && strlen(name) < sizeof(host->counter[0].name));
    while (i + 1 < COUNT(host->counter) && host->counter[i].name[0] &&
           strcmp(host->counter[i].name, name) != 0)
        i++;
    strcpy(host->counter[i].name, name);
    return &host->counter[i].value;
}

static struct rv_chr *host_chr_open(struct rv_instance *host, const char *spec,
                                    const struct rv_chr_callbacks *callbacks, void *opaque)
{
    if (!spec)
        return NULL;
    host->chr = *callbacks;
    host->chr_opaque = opaque;
    return (struct rv_chr *)(void *)host;
}

static size_t host_chr_write(struct rv_instance *host, struct rv_chr *chr, const uint8_t *data,
                             size_t len)
{
    size_t used = strlen(host->chr_got);
    size_t n = len < sizeof(host->chr_got) - 1 - used ? len : sizeof(host->chr_got) - 1 - used;

    CHECK((void *)chr == (void *)host);
    memcpy(host->chr_got + used, data, n);
    host->chr_got[used + n] = '\0';
    return len;
}

static void host_chr_accept(struct rv_instance *host, struct rv_chr *chr)
{
    CHECK((void *)chr == (void *)host);
}

static void host_chr_close(struct rv_instance *host, struct rv_chr *chr)
{
    CHECK((void *)chr == (void *)host);
    host->chr_opaque = NULL;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .name = host_name,
    .irq_pulse = host_irq_pulse,
    .mem_span = host_mem_span,
    .mem_dirty = host_mem_dirty,
    .mem_discard = host_mem_discard,
    .mem_region = host_mem_region,
    .now_ns = host_now_ns,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
    .fd_watch = host_fd_watch,
    .fd_change = host_fd_change,
    .fd_remove = host_fd_remove,
    .property_string = host_property_string,
    .property_uint = host_property_uint,
    .property_bool = host_property_bool,
    .property_enum = host_property_enum,
    .state_block = host_state_block,
    .quiesced = host_quiesced,
    .counter = host_counter,
    .chr_open = host_chr_open,
    .chr_write = host_chr_write,
    .chr_accept = host_chr_accept,
    .chr_close = host_chr_close,
};

void plugin_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base, uint64_t size)
{
    memset(host, 0, sizeof(*host));
    host->ram = ram;
    host->ram_base = base;
    host->ram_size = size;
    host->now = 1000000000;
}

int plugin_host_start(struct rv_instance *host, uint32_t flags)
{
    int error = ringvisor_device.create(host, &ops, host->state, flags, &host->device);

    CHECK(ringvisor_device.state_size <= sizeof(host->state));
    if (error) {
        host->device = NULL;
        return error;
    }
    if (!(flags & RV_CREATE_RESUME))
        ringvisor_device.reset(host->device);
    ringvisor_device.resume(host->device);
    return 0;
}

/* The core would free what is left. Here it is a mistake. */
static void check_nothing_left(const struct rv_instance *host)
{
    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS; i++)
        CHECK(!host->timer[i].fired);
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++)
        CHECK(!host->watch[i].ready);
    CHECK(!host->chr_opaque);
}

void plugin_host_stop(struct rv_instance *host)
{
    if (host->device)
        ringvisor_device.destroy(host->device);
    host->device = NULL;
    check_nothing_left(host);
}

void plugin_host_free(struct rv_instance *host)
{
    for (unsigned i = 0; i < COUNT(host->block); i++)
        free(host->block[i].block);
}

void plugin_host_turn(struct rv_instance *host, uint64_t ns)
{
    host->now += ns;
    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS; i++) {
        struct rv_timer *timer = &host->timer[i];

        if (!timer->fired || !timer->set || timer->at > host->now)
            continue;
        timer->set = false;
        timer->fired(timer->opaque);
    }
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++) {
        struct rv_watch *watch = &host->watch[i];
        struct pollfd fd = {.fd = watch->fd,
                            .events = (short)((watch->events & RV_FD_READ ? POLLIN : 0) |
                                              (watch->events & RV_FD_WRITE ? POLLOUT : 0))};
        unsigned events;

        if (!watch->ready || !watch->events || poll(&fd, 1, 0) <= 0)
            continue;
        CHECK(!(fd.revents & POLLNVAL));
        events = (fd.revents & POLLIN ? RV_FD_READ : 0) | (fd.revents & POLLOUT ? RV_FD_WRITE : 0);
        if (fd.revents & (POLLERR | POLLHUP))
            events = RV_FD_READ | RV_FD_WRITE;
        if (events & watch->events)
            watch->ready(watch->opaque, events & watch->events);
    }
}

uint64_t plugin_host_counter(const struct rv_instance *host, const char *name)
{
    for (unsigned i = 0; i < COUNT(host->counter); i++)
        if (strcmp(host->counter[i].name, name) == 0)
            return host->counter[i].value;
    fprintf(stderr, "no counter '%s'\n", name);
    abort();
}

struct virtio_mmio *plugin_host_mmio(struct rv_instance *host)
{
    return &((struct virtio_plugin *)host->device)->mmio;
}
