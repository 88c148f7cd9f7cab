/* SPDX-License-Identifier: BSD-2-Clause */
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host_internal.h"

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    va_list ap;

    CHECK(level <= RV_LOG_DEBUG && fmt[0]);
    host->logs++;
    host->errors += level == RV_LOG_ERROR;
    host->warnings += level == RV_LOG_WARN;
    va_start(ap, fmt);
    vsnprintf(host->log, sizeof(host->log), fmt, ap);
    va_end(ap);
    if (!host->quiet && level <= RV_LOG_WARN)
        fprintf(stderr, "# %s\n", host->log);
}

static const char *host_name(struct rv_instance *host)
{
    CHECK(host);
    return "device@a000000";
}

static void host_irq_set(struct rv_instance *host, unsigned line, bool level)
{
    CHECK(line == 0 && line < host->class->irq_lines && !(host->class->irq_edge & 1));
    host->irq = level;
}

void plugin_host_check_shown(struct rv_instance *host)
{
    const uint32_t *shown = (const uint32_t *)(const void *)host->region[0].bytes;

    if (host->class->place != RV_PLACE_VIRTIO_MMIO || !host->device || !host->region[0].shown)
        return;
    for (uint64_t offset = 0; offset < host->class->regions[0].bytes; offset += 4)
        CHECK(le32toh(shown[offset / 4]) == plugin_host_get(host, offset));
}

static void host_irq_pulse(struct rv_instance *host, unsigned line)
{
    CHECK(line == 0 && line < host->class->irq_lines && host->class->irq_edge & 1);
    plugin_host_check_shown(host);
    host->rises++;
}

/* NULL: not all of it is RAM. */
static void *host_ram(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    if (ipa < host->ram_base || ipa - host->ram_base > host->ram_size ||
        len > host->ram_size - (ipa - host->ram_base))
        return NULL;
    return host->ram + (ipa - host->ram_base);
}

static void *host_mem_map(struct rv_instance *host, uint64_t ipa, uint64_t len, uint32_t access)
{
    void *at = host_ram(host, ipa, len);

    CHECK(len != 0 && access & (RV_MEM_READ | RV_MEM_WRITE) &&
          !(access & ~(RV_MEM_READ | RV_MEM_WRITE | (host->ram_flags & RV_MEM_LATE))));
    host->mappings += at != NULL;
    return at;
}

static void host_mem_unmap(struct rv_instance *host, void *at, uint64_t len)
{
    CHECK(at && len != 0 && host->mappings != 0);
    host->mappings--;
}

static void host_mem_dirty(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    CHECK(host_ram(host, ipa, len));
    if (host->dirty)
        memset(host->dirty + (ipa - host->ram_base), 1, len);
    host->dirty_bytes += len;
}

static int host_mem_read(struct rv_instance *host, uint64_t ipa, void *to, size_t len)
{
    const void *from = host_ram(host, ipa, len);

    if (!from)
        return -EFAULT;
    memcpy(to, from, len);
    return 0;
}

static int host_mem_write(struct rv_instance *host, uint64_t ipa, const void *from, size_t len)
{
    void *to = host_ram(host, ipa, len);

    if (!to)
        return -EFAULT;
    memcpy(to, from, len);
    host_mem_dirty(host, ipa, len);
    return 0;
}

static int host_mem_discard(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    void *at = len ? host_ram(host, ipa, len) : NULL;

    CHECK((ipa | len) % 4096 == 0);
    if (!at)
        return -EFAULT;
    memset(at, 0, len);
    host->discarded += len;
    host->discards++;
    return 0;
}

static void host_mem_need(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    CHECK(host->ram_flags & RV_MEM_LATE && host_ram(host, ipa, len));
    host->needed += len;
}

static int host_mem_region(struct rv_instance *host, unsigned index, struct rv_mem_region *region)
{
    CHECK(region->size == sizeof(*region));
    if (index || host->ram_size == 0)
        return -ENOENT;
    region->flags = host->ram_flags;
    region->ipa = host->ram_base;
    region->bytes = host->ram_size;
    region->offset = host->ram_offset;
    region->fd = host->ram_fd;
    return 0;
}

static void *host_region_memory(struct rv_instance *host, uint32_t region)
{
    CHECK(region < PLUGIN_HOST_REGIONS && !host->device);
    CHECK(host->class->regions[region].flags & RV_REGION_MEMORY);
    if (!host->region[region].bytes) {
        host->region[region].bytes =
            mmap(NULL, host->class->regions[region].bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(host->region[region].bytes != MAP_FAILED);
    }
    return host->region[region].bytes;
}

static void host_region_show(struct rv_instance *host, uint32_t region, bool shown)
{
    CHECK(region < PLUGIN_HOST_REGIONS && host->region[region].bytes);
    host->region[region].shown = shown;
}

static void host_region_post(struct rv_instance *host, uint32_t region, uint64_t offset,
                             uint64_t size)
{
    CHECK(region < PLUGIN_HOST_REGIONS && host->class->regions[region].bytes);
    CHECK(offset <= host->class->regions[region].bytes &&
          size <= host->class->regions[region].bytes - offset);
    host->region[region].posted = size;
}

static uint32_t host_writes_pending(struct rv_instance *host, uint32_t region, uint64_t offset,
                                    uint64_t size)
{
    const struct rv_range *posted = host->class->regions[region].posted;

    CHECK(region < PLUGIN_HOST_REGIONS && posted && size != 0);
    CHECK(offset >= posted->start && offset + size <= posted->start + posted->size);
    return host->pending;
}

static void host_region_dirty(struct rv_instance *host, uint32_t region, uint64_t offset,
                              uint64_t len)
{
    CHECK(region < PLUGIN_HOST_REGIONS && host->region[region].bytes);
    CHECK(offset <= host->class->regions[region].bytes &&
          len <= host->class->regions[region].bytes - offset);
    host->region[region].dirty += len;
    if (host->region[region].shown && host->shown_changed)
        host->shown_changed(host);
}

static void *host_state_block(struct rv_instance *host, const char *name, uint32_t version,
                              size_t size)
{
    CHECK(version != 0 && strlen(name) <= 12);
    if (host->no_state)
        return NULL;
    for (unsigned i = 0; i < COUNT_OF(host->block); i++) {
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

static void host_state_undone(struct rv_instance *host, const void *block, uint64_t size)
{
    unsigned i = 0;

    while (i < COUNT_OF(host->block) && host->block[i].block != block)
        i++;
    CHECK(block && i < COUNT_OF(host->block) && size > 0 && size <= host->block[i].size);
}

static void host_quiesced(struct rv_instance *host)
{
    host->quiesced++;
}

static void host_request(struct rv_instance *host, const struct rv_request *request)
{
    CHECK(request->size == sizeof(*request) && request->type <= RV_REQUEST_PANIC);
    CHECK(request->type != RV_REQUEST_POWER_OFF || (request->code >= 0 && request->code <= 125));
    host->requests++;
    host->request = request->type;
    host->code = request->code;
}

static uint64_t *host_counter(struct rv_instance *host, const char *name, const char *help)
{
    unsigned i = 0;

    CHECK(name && help && strlen(name) < sizeof(host->counter[0].name));
    while (host->counter[i].name[0] && strcmp(host->counter[i].name, name) != 0) {
        i++;
        CHECK(i < COUNT_OF(host->counter));
    }
    strcpy(host->counter[i].name, name);
    return &host->counter[i].value;
}

static int host_net_address(struct rv_instance *host, const char *text, uint8_t address[6])
{
    net_cards_next(&host->cards, address);
    if (!text || net_address_parse(text, address))
        return 0;
    host_log(host, RV_LOG_ERROR, "'%s' is no address of a network card", text);
    return -EINVAL;
}

static const struct rv_vmm_ops host_ops = {
    .size = sizeof(struct rv_vmm_ops),
    .net_address = host_net_address,
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .name = host_name,
    .irq_set = host_irq_set,
    .irq_pulse = host_irq_pulse,
    .mem_read = host_mem_read,
    .mem_write = host_mem_write,
    .mem_map = host_mem_map,
    .mem_unmap = host_mem_unmap,
    .mem_dirty = host_mem_dirty,
    .mem_region = host_mem_region,
    .mem_discard = host_mem_discard,
    .mem_need = host_mem_need,
    .now_ns = plugin_host_now_ns,
    .wall_ns = plugin_host_wall_ns,
    .timer_new = plugin_host_timer_new,
    .timer_set = plugin_host_timer_set,
    .timer_cancel = plugin_host_timer_cancel,
    .timer_free = plugin_host_timer_free,
    .fd_watch = plugin_host_fd_watch,
    .fd_change = plugin_host_fd_change,
    .fd_remove = plugin_host_fd_remove,
    .property_string = plugin_host_property_string,
    .property_uint = plugin_host_property_uint,
    .property_bool = plugin_host_property_bool,
    .property_enum = plugin_host_property_enum,
    .property_count = plugin_host_property_count,
    .property_item = plugin_host_property_item,
    .listener_open = plugin_host_listener_open,
    .listener_close = plugin_host_listener_close,
    .work_new = plugin_host_work_new,
    .post = plugin_host_post,
    .work_free = plugin_host_work_free,
    .reply = plugin_host_reply,
    .state_block = host_state_block,
    .state_undone = host_state_undone,
    .quiesced = host_quiesced,
    .request = host_request,
    .counter = host_counter,
    .chr_open = plugin_host_chr_open,
    .chr_write = plugin_host_chr_write,
    .chr_accept = plugin_host_chr_accept,
    .chr_close = plugin_host_chr_close,
    .region_memory = host_region_memory,
    .region_show = host_region_show,
    .region_post = host_region_post,
    .region_dirty = host_region_dirty,
    .writes_pending = host_writes_pending,
    .disk_open = plugin_host_disk_open,
    .disk_info = plugin_host_disk_info,
    .disk_submit = plugin_host_disk_submit,
    .disk_kick = plugin_host_disk_kick,
    .disk_close = plugin_host_disk_close,
    .disk_cancel = plugin_host_disk_cancel,
    .disk_drain = plugin_host_disk_drain,
    .disk_resize = plugin_host_disk_resize,
};

void plugin_host_init_class(struct rv_instance *host, const struct rv_device_class *class,
                            uint8_t *ram, uint64_t base, uint64_t size)
{
    memset(host, 0, sizeof(*host));
    host->class = class;
    host->ops = host_ops;
    net_cards_init(&host->cards, "test");
    host->ram = ram;
    host->ram_base = base;
    host->ram_size = size;
    host->ram_fd = -1;
    host->now = 5 * NS_PER_S;
    host->wall = 1700000000 * NS_PER_S + NS_PER_S / 4;
}

/* As the vmm does before it makes a device that takes nothing over. */
static void forget_state(struct rv_instance *host)
{
    memset(host->state, 0, sizeof(host->state));
    for (unsigned i = 0; i < PLUGIN_HOST_REGIONS; i++) {
        if (host->region[i].bytes)
            munmap(host->region[i].bytes, host->class->regions[i].bytes);
        host->region[i].bytes = NULL;
    }
    memset(host->counter, 0, sizeof(host->counter));
    for (unsigned i = 0; i < COUNT_OF(host->block); i++) {
        free(host->block[i].block);
        host->block[i].block = NULL;
    }
}

void plugin_host_free(struct rv_instance *host)
{
    forget_state(host);
    free(host->disk.image);
}

int plugin_host_create(struct rv_instance *host, uint32_t flags)
{
    int error;

    CHECK(host->class->state_size <= sizeof(host->state) && !host->device);
    if (!(flags & RV_CREATE_RESUME))
        forget_state(host);
    host->irq = false;
    error = host->class->create(host, &host->ops, host->class->state_size ? host->state : NULL,
                                flags, &host->device);
    if (error)
        host->device = NULL;
    return error;
}

int plugin_host_start(struct rv_instance *host, uint32_t flags)
{
    int error = plugin_host_create(host, flags);

    if (error)
        return error;
    if (!(flags & RV_CREATE_RESUME))
        host->class->reset(host->device);
    if (host->class->resume)
        host->class->resume(host->device);
    return 0;
}

static void check_nothing_left(const struct rv_instance *host)
{
    for (unsigned i = 0; i < PLUGIN_HOST_TIMERS; i++)
        CHECK(!host->timer[i].fired);
    for (unsigned i = 0; i < PLUGIN_HOST_WATCHES; i++)
        CHECK(!host->watch[i].ready);
    for (unsigned i = 0; i < PLUGIN_HOST_WORKS; i++)
        CHECK(!host->work[i].run);
    for (unsigned i = 0; i < PLUGIN_HOST_CHRS; i++)
        CHECK(!host->chr[i].open);
    CHECK(!host->disk.open);
    CHECK(host->mappings == 0);
}

void plugin_host_stop(struct rv_instance *host)
{
    plugin_host_check_shown(host);
    if (host->device)
        host->class->destroy(host->device);
    host->device = NULL;
    plugin_host_commands_cancel(host);
    check_nothing_left(host);
}

static void nobody(void *opaque)
{
}

void plugin_host_die(struct rv_instance *host)
{
    host->device = NULL;
    memset(host->timer, 0, sizeof(host->timer));
    memset(host->watch, 0, sizeof(host->watch));
    memset(host->reply, 0, sizeof(host->reply));
    /* A thread of the device may live on here, and post. */
    for (unsigned i = 0; i < PLUGIN_HOST_WORKS; i++)
        if (host->work[i].run)
            host->work[i].run = nobody;
    for (unsigned i = 0; i < PLUGIN_HOST_CHRS; i++)
        host->chr[i].open = false;
    if (host->listener.watch)
        host->listener.watch = NULL;
    host->disk.open = false;
    host->disk.nr_pending = host->disk.nr_waiting = host->disk.nr_cancelled = 0;
    host->mappings = 0;
}

const struct rv_access plugin_host_access = {
    .size = sizeof(plugin_host_access),
    .vcpu = RV_VCPU_NONE,
};

uint32_t plugin_host_get(struct rv_instance *host, uint64_t offset)
{
    uint64_t value = ~0ull;

    CHECK(host->class->regions[0].read(host->device, offset, 4, &value, NULL) == 0);
    return (uint32_t)value;
}

void plugin_host_put(struct rv_instance *host, uint64_t offset, uint32_t value)
{
    CHECK(host->class->regions[0].write(host->device, offset, 4, value, &plugin_host_access) == 0);
}

uint64_t plugin_host_counter(const struct rv_instance *host, const char *name)
{
    unsigned i = 0;

    while (i < COUNT_OF(host->counter) && strcmp(host->counter[i].name, name) != 0)
        i++;
    CHECK(i < COUNT_OF(host->counter));
    return host->counter[i].value;
}

struct virtio_device *plugin_host_virtio(struct rv_instance *host)
{
    return &((struct virtio_plugin *)host->device)->virtio;
}
