/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/console_host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(holds)                                                    \
    do {                                                                \
        if (!(holds)) {                                                 \
            fprintf(stderr, "%s:%d: " #holds "\n", __FILE__, __LINE__); \
            abort();                                                    \
        }                                                               \
    } while (0)

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    (void)fmt;
    host->errors += level == RV_LOG_ERROR;
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

static struct rv_timer *host_timer_new(struct rv_instance *host, void (*fired)(void *),
                                       void *opaque)
{
    host->fired = fired;
    host->opaque = opaque;
    return (struct rv_timer *)(void *)host;
}

static void host_timer_set(struct rv_instance *host, struct rv_timer *timer, uint64_t at)
{
    (void)timer;
    (void)at;
    host->timer_set = true;
}

static void host_timer_cancel(struct rv_instance *host, struct rv_timer *timer)
{
    (void)timer;
    host->timer_set = false;
}

static void host_timer_free(struct rv_instance *host, struct rv_timer *timer)
{
    (void)timer;
    host->fired = NULL;
}

static const char *host_property_string(struct rv_instance *host, const char *name)
{
    const struct rv_property *p = ringvisor_device.properties;

    while (p->name && strcmp(p->name, name) != 0)
        p++;
    CHECK(p->name && p->type == RV_PROPERTY_STRING);
    return host->property[p - ringvisor_device.properties];
}

/* The rings' properties: as they are when the user says nothing. */
static bool host_property_bool(struct rv_instance *host, const char *name)
{
    (void)host;
    (void)name;
    return true;
}

static void *host_state_block(struct rv_instance *host, const char *name, uint32_t version,
                              size_t size)
{
    (void)version;
    CHECK(strcmp(name, "virtio") == 0 && (!host->block || host->block_size == size));
    if (!host->block)
        host->block = calloc(1, size);
    host->block_size = size;
    return host->block;
}

static uint64_t *host_counter(struct rv_instance *host, const char *name, const char *help)
{
    (void)name;
    (void)help;
    return &host->counter;
}

static struct rv_chr *host_chr_open(struct rv_instance *host, const char *spec,
                                    const struct rv_chr_callbacks *callbacks, void *opaque)
{
    struct rv_chr *chr = &host->chr[host->nr_chr];

    (void)spec;
    CHECK(host->nr_chr < CONSOLE_HOST_PORTS && callbacks->size == sizeof(*callbacks));
    if (host->fail_at && host->fail_at == host->nr_chr + 1)
        return NULL;
    *chr =
        (struct rv_chr){.callbacks = *callbacks, .opaque = opaque, .open = true, .room = SIZE_MAX};
    host->nr_chr++;
    return chr;
}

static size_t host_chr_write(struct rv_instance *host, struct rv_chr *chr, const uint8_t *data,
                             size_t len)
{
    size_t taken = len < chr->room ? len : chr->room;

    (void)host;
    CHECK(chr->open && len != 0);
    for (size_t i = 0; i < taken; i++)
        chr->got[chr->got_len++ % CONSOLE_HOST_BYTES] = data[i];
    if (chr->room != SIZE_MAX)
        chr->room -= taken;
    chr->slow |= taken < len;
    return taken;
}

static void host_chr_accept(struct rv_instance *host, struct rv_chr *chr)
{
    (void)host;
    CHECK(chr->open);
    chr->accepted = true;
}

static void host_chr_close(struct rv_instance *host, struct rv_chr *chr)
{
    CHECK(chr->open);
    chr->open = false;
    host->nr_chr--;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .irq_pulse = host_irq_pulse,
    .mem_span = host_mem_span,
    .mem_dirty = host_mem_dirty,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
    .property_string = host_property_string,
    .property_bool = host_property_bool,
    .state_block = host_state_block,
    .counter = host_counter,
    .chr_open = host_chr_open,
    .chr_write = host_chr_write,
    .chr_accept = host_chr_accept,
    .chr_close = host_chr_close,
};

void console_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base, uint64_t size)
{
    memset(host, 0, sizeof(*host));
    host->ram = ram;
    host->ram_base = base;
    host->ram_size = size;
}

void console_host_free(struct rv_instance *host)
{
    free(host->block);
}

int console_host_start(struct rv_instance *host, uint32_t flags)
{
    int error = ringvisor_device.create(host, &ops, host->state, flags, &host->device);

    CHECK(ringvisor_device.state_size <= sizeof(host->state));
    if (error) {
        CHECK(host->nr_chr == 0);
        return error;
    }
    if (!(flags & RV_CREATE_RESUME))
        ringvisor_device.reset(host->device);
    ringvisor_device.resume(host->device);
    return 0;
}

void console_host_stop(struct rv_instance *host)
{
    ringvisor_device.destroy(host->device);
    CHECK(host->nr_chr == 0 && !host->fired);
}

void console_host_room(struct rv_instance *host, unsigned port, size_t room)
{
    struct rv_chr *chr = &host->chr[port];

    chr->room = room;
    if (!chr->slow)
        return;
    chr->slow = false;
    chr->callbacks.writable(chr->opaque);
}

size_t console_host_input(struct rv_instance *host, unsigned port, const void *data, size_t len)
{
    struct rv_chr *chr = &host->chr[port];
    const uint8_t *bytes = data;
    size_t given = 0;

    chr->accepted = false;
    while (given < len) {
        size_t room = chr->callbacks.can_receive(chr->opaque);
        size_t n = len - given < room ? len - given : room;

        if (n == 0)
            break;
        chr->callbacks.receive(chr->opaque, bytes + given, n);
        given += n;
    }
    return given;
}

void console_host_connected(struct rv_instance *host, unsigned port, bool connected)
{
    host->chr[port].callbacks.connected(host->chr[port].opaque, connected);
}
