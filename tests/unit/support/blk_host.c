/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/blk_host.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u

#define CHECK(holds)                                               \
    do {                                                           \
        if (!(holds)) {                                            \
            fprintf(stderr, "%s:%d: " #holds, __FILE__, __LINE__); \
            abort();                                               \
        }                                                          \
    } while (0)

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    vsnprintf(host->log, sizeof(host->log), fmt, ap);
    va_end(ap);
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

static uint64_t host_now(struct rv_instance *host)
{
    (void)host;
    return 1000;
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

static const struct rv_property *property(const char *name, enum rv_property_type type)
{
    const struct rv_property *p = ringvisor_device.properties;

    while (p->name && strcmp(p->name, name) != 0)
        p++;
    CHECK(p->name &&
          (p->type == type || (type == RV_PROPERTY_STRING && p->type == RV_PROPERTY_PATH)));
    return p;
}

static const char *host_property_string(struct rv_instance *host, const char *name)
{
    const char *value = property(name, RV_PROPERTY_STRING)->value;

    if (strcmp(name, "path") == 0)
        return "/disk";
    return strcmp(name, "serial") == 0 && host->serial ? host->serial : value;
}

static uint64_t host_property_uint(struct rv_instance *host, const char *name)
{
    const char *value = property(name, RV_PROPERTY_UINT)->value;

    if (strcmp(name, "queues") == 0 && host->queues)
        value = host->queues;
    if (strcmp(name, "queue-size") == 0 && host->queue_size)
        value = host->queue_size;
    return strtoull(value, NULL, 0);
}

static bool host_property_bool(struct rv_instance *host, const char *name)
{
    (void)host;
    return strcmp(property(name, RV_PROPERTY_BOOL)->value, "on") == 0;
}

static unsigned host_property_enum(struct rv_instance *host, const char *name)
{
    const struct rv_property *p = property(name, RV_PROPERTY_ENUM);
    unsigned i = 0;

    (void)host;
    while (strcmp(p->choices[i], p->value) != 0)
        i++;
    return i;
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

static void host_quiesced(struct rv_instance *host)
{
    host->quiesced++;
}

static uint64_t *host_counter(struct rv_instance *host, const char *name, const char *help)
{
    (void)name;
    (void)help;
    return &host->counter;
}

static int host_disk_open(struct rv_instance *host, const struct rv_disk_options *options,
                          struct rv_disk **disk)
{
    host->options = *options;
    if (host->open_error)
        return host->open_error;
    CHECK(!host->open && host->nr_pending == 0);
    host->open = true;
    *disk = (struct rv_disk *)(void *)host;
    return 0;
}

static const struct rv_disk_info *host_disk_info(struct rv_instance *host, struct rv_disk *disk)
{
    CHECK((void *)disk == host && host->open);
    return &host->info;
}

static void host_disk_submit(struct rv_instance *host, struct rv_disk *disk,
                             struct rv_disk_request *request)
{
    CHECK((void *)disk == host && host->open && request->op <= RV_DISK_WRITE_ZEROES);
    CHECK(host->nr_pending < BLK_HOST_PENDING);
    for (unsigned i = 0; i < host->nr_pending; i++)
        CHECK(host->pending[i] != request);
    if (request->op == RV_DISK_READ || request->op == RV_DISK_WRITE) {
        for (size_t i = 0; i < request->iov_count; i++) {
            const uint8_t *at = request->iov[i].iov_base;

            CHECK(request->iov[i].iov_len != 0 && at >= host->ram);
            CHECK(request->iov[i].iov_len <= host->ram_size);
            CHECK((size_t)(at - host->ram) <= host->ram_size - request->iov[i].iov_len);
        }
    }
    host->submitted++;
    host->flushes += request->op == RV_DISK_FLUSH;
    host->pending[host->nr_pending++] = request;
}

static void host_disk_kick(struct rv_instance *host, struct rv_disk *disk)
{
    CHECK((void *)disk == host && host->open);
}

static void host_disk_close(struct rv_instance *host, struct rv_disk *disk)
{
    CHECK((void *)disk == host && host->open);
    host->open = false;
    host->nr_pending = 0;
}

static int host_disk_drain(struct rv_instance *host, struct rv_disk *disk, int timeout_ms)
{
    /* The device must not wait in the loop. */
    CHECK((void *)disk == host && host->open && timeout_ms == 0);
    return host->nr_pending ? -ETIMEDOUT : 0;
}

static const struct rv_vmm_ops ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .irq_pulse = host_irq_pulse,
    .mem_span = host_mem_span,
    .mem_dirty = host_mem_dirty,
    .now_ns = host_now,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
    .property_string = host_property_string,
    .property_uint = host_property_uint,
    .property_bool = host_property_bool,
    .property_enum = host_property_enum,
    .state_block = host_state_block,
    .quiesced = host_quiesced,
    .counter = host_counter,
    .disk_open = host_disk_open,
    .disk_info = host_disk_info,
    .disk_submit = host_disk_submit,
    .disk_kick = host_disk_kick,
    .disk_close = host_disk_close,
    .disk_drain = host_disk_drain,
};

/* What vmm/disk does with a request: it checks the range, whatever the device did. */
static int perform(struct rv_instance *host, const struct rv_disk_request *r)
{
    uint64_t length = r->length, at = r->offset;

    if (r->op == RV_DISK_FLUSH)
        return 0;
    if (r->op == RV_DISK_READ || r->op == RV_DISK_WRITE) {
        length = 0;
        for (size_t i = 0; i < r->iov_count; i++)
            length += r->iov[i].iov_len;
    }
    if (length % SECTOR || at % SECTOR || at > host->info.capacity ||
        length > host->info.capacity - at)
        return -EINVAL;
    if (r->op != RV_DISK_READ && host->info.read_only)
        return -EROFS;
    if (r->op == RV_DISK_DISCARD || r->op == RV_DISK_WRITE_ZEROES) {
        memset(host->image + at, r->op == RV_DISK_DISCARD ? 0xdd : 0, length);
        host->last_discarded = (uint8_t)r->flags;
        return 0;
    }
    for (size_t i = 0; i < r->iov_count; at += r->iov[i++].iov_len) {
        if (r->op == RV_DISK_READ)
            memcpy(r->iov[i].iov_base, host->image + at, r->iov[i].iov_len);
        else
            memcpy(host->image + at, r->iov[i].iov_base, r->iov[i].iov_len);
    }
    return 0;
}

void blk_host_complete(struct rv_instance *host, unsigned index, int error, bool last)
{
    struct rv_disk_request *r = host->pending[index];

    memmove(&host->pending[index], &host->pending[index + 1],
            (--host->nr_pending - index) * sizeof(host->pending[0]));
    if (!error)
        error = perform(host, r);
    memset(r->core, 0xa5, sizeof(r->core));
    r->done(r, error);
    if (last && host->open && host->options.round_end)
        host->options.round_end(host->options.opaque);
}

void blk_host_complete_all(struct rv_instance *host)
{
    while (host->nr_pending)
        blk_host_complete(host, 0, 0, host->nr_pending == 1);
}

void blk_host_init(struct rv_instance *host, uint8_t *ram, uint64_t base, uint64_t size,
                   uint64_t sectors)
{
    *host = (struct rv_instance){
        .ram = ram,
        .ram_base = base,
        .ram_size = size,
        .image = malloc(sectors * SECTOR),
        .info =
            {
                .size = sizeof(struct rv_disk_info),
                .capacity = sectors * SECTOR,
                .block_size = 512,
                .physical_block_size = 4096,
                .discard_granularity = 4096,
                .iov_max = 1024,
                .transfer_max = 64u << 20,
                .can_discard = true,
                .write_cache = true,
            },
    };
    CHECK(host->image);
    for (uint64_t i = 0; i < sectors; i++)
        memset(host->image + i * SECTOR, (int)i, SECTOR);
}

void blk_host_free(struct rv_instance *host)
{
    free(host->block);
    free(host->image);
}

int blk_host_start(struct rv_instance *host, uint32_t flags)
{
    int error = ringvisor_device.create(host, &ops, host->state, flags, &host->device);

    CHECK(ringvisor_device.state_size <= sizeof(host->state));
    if (error)
        return error;
    if (!(flags & RV_CREATE_RESUME))
        ringvisor_device.reset(host->device);
    ringvisor_device.resume(host->device);
    return 0;
}

void blk_host_stop(struct rv_instance *host)
{
    ringvisor_device.destroy(host->device);
    CHECK(!host->open && !host->fired);
}
