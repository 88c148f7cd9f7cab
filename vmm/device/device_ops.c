/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device calls: interrupts, guest memory, state, requests, and the table of it all. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/device/device_internal.h"
#include "vmm/sandbox/needs.h"
#include "vmm/util/log.h"

#define DEVICE_LOG_MAX   512
#define DEVICE_BUGS_MAX  8u
#define DEVICE_PAGE_SIZE 4096u
#define DEVICE_CODE_MAX  125 /* exit statuses from 126 on are the shell's */

static void device_log(struct rv_instance *instance, uint32_t level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void device_log(struct rv_instance *instance, uint32_t level, const char *fmt, ...)
{
    static const enum log_level levels[] = {
        [RV_LOG_ERROR] = LOG_ERROR,
        [RV_LOG_WARN] = LOG_WARN,
        [RV_LOG_INFO] = LOG_INFO,
        [RV_LOG_DEBUG] = LOG_DEBUG,
    };
    char text[DEVICE_LOG_MAX];
    va_list ap;

    if (level > RV_LOG_DEBUG || !log_enabled(levels[level]))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_msg(levels[level], "device '%s': %s", instance->name, text);
}

void device_bug(struct rv_instance *instance, const char *fmt, ...)
{
    char text[DEVICE_LOG_MAX];
    va_list ap;

    if (instance->bugs == DEVICE_BUGS_MAX)
        return;
    instance->bugs++;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_error("device '%s': %s: a bug of the plugin%s", instance->name, text,
              instance->bugs == DEVICE_BUGS_MAX ? "; more of them are not shown" : "");
}

/*
 * Handles
 */

void device_handle_add(struct rv_instance *instance, struct device_handle *handle,
                       enum device_handle_kind kind)
{
    *handle = (struct device_handle){.next = instance->handles, .instance = instance, .kind = kind};
    instance->handles = handle;
}

bool device_handle_check(struct rv_instance *instance, const void *handle,
                         enum device_handle_kind kind, const char *what)
{
    for (const struct device_handle *h = instance->handles; h; h = h->next)
        if (h == handle && h->kind == kind)
            return true;
    device_bug(instance, "%s of something that it does not have (any more)", what);
    return false;
}

void device_handle_remove(struct rv_instance *instance, const struct device_handle *handle)
{
    struct device_handle **link = &instance->handles;

    while (*link != handle)
        link = &(*link)->next;
    *link = handle->next;
}

/*
 * Interrupts
 */

static const char *device_get_name(struct rv_instance *instance)
{
    return instance->name;
}

static void device_drive(struct rv_instance *instance, uint32_t line, bool level)
{
    instance->lines[line] = level ? DEVICE_LINE_HIGH : DEVICE_LINE_LOW;
    instance->env.irq_set(instance->env.opaque, DEVICE_SPI_BASE + instance->first_spi + line,
                          level);
}

/* A PCI function has INTA, which is a level, whatever its class has elsewhere. */
static bool device_line_is(struct rv_instance *instance, uint32_t line, bool edge)
{
    if (instance->pci && line == 0 && !edge)
        return true;
    if (line >= instance->class->irq_lines) {
        device_bug(instance, "interrupt line %u, but it has %u", line, instance->class->irq_lines);
        return false;
    }
    if ((instance->class->irq_edge >> line & 1) != edge) {
        device_bug(instance, "interrupt line %u is %s-triggered: irq_%s is for it", line,
                   edge ? "level" : "edge", edge ? "set" : "pulse");
        return false;
    }
    return true;
}

void device_check_act(struct rv_instance *instance, const char *what)
{
    if (device_is_quiet(instance) && !instance->may_act && !instance->creating)
        device_bug(instance, "%s while it is quiet", what);
}

static void device_irq_set(struct rv_instance *instance, uint32_t line, bool level)
{
    if (!device_line_is(instance, line, false))
        return;
    if (instance->pci) {
        pci_function_set_line(instance->pci, level);
        return;
    }
    /* Devices call this after every register access: most change nothing. */
    if (instance->lines[line] == (level ? DEVICE_LINE_HIGH : DEVICE_LINE_LOW))
        return;
    device_check_act(instance, "an interrupt line changes");
    device_drive(instance, line, level);
}

static void device_irq_pulse(struct rv_instance *instance, uint32_t line)
{
    if (!device_line_is(instance, line, true))
        return;
    device_check_act(instance, "an interrupt");
    device_drive(instance, line, true);
    device_drive(instance, line, false);
}

/*
 * Guest memory
 */

static int device_mem_read(struct rv_instance *instance, uint64_t ipa, void *to, uint64_t len)
{
    const uint8_t *from = guest_ram_at(instance->env.ram, ipa, len);

    if (!from)
        return -EFAULT;
    memcpy(to, from, len);
    return 0;
}

static int device_mem_write(struct rv_instance *instance, uint64_t ipa, const void *from,
                            size_t len)
{
    uint8_t *to = guest_ram_to_write(instance->env.ram, ipa, len);

    if (!to)
        return -EFAULT;
    device_check_act(instance, "a write to guest memory");
    if (len <= DEVICE_WORD_MAX && !device_has_rings(instance))
        undo_note(instance->env.undo, to, len);
    memcpy(to, from, len);
    if (len)
        instance->env.mem_dirty(instance->env.opaque, (ipa_t){ipa}, len);
    return 0;
}

static void *device_mem_map(struct rv_instance *instance, uint64_t ipa, uint64_t len,
                            uint32_t access)
{
    const struct guest_ram *ram = instance->env.ram;
    void *at = NULL;

    if (len && guest_ram_has(ram, ipa, len))
        at = ram->host + (ipa - ram->ipa);
    if (at && !(access & RV_MEM_LATE))
        (void)guest_ram_at(ram, ipa, len);
    access &= ~RV_MEM_LATE;
    if (!access || access & ~(RV_MEM_READ | RV_MEM_WRITE)) {
        device_bug(instance, "a mapping for 0x%" PRIx32, access);
        return NULL;
    }
    instance->mappings += at != NULL;
    return at;
}

static void device_mem_need(struct rv_instance *instance, uint64_t ipa, uint64_t len)
{
    (void)guest_ram_at(instance->env.ram, ipa, len);
}

static void device_mem_unmap(struct rv_instance *instance, void *at, uint64_t len)
{
    const struct guest_ram *ram = instance->env.ram;
    uint64_t offset = (uint64_t)((uintptr_t)at - (uintptr_t)ram->host);

    if (instance->mappings == 0 || offset >= ram->size || len == 0 || len > ram->size - offset)
        device_bug(instance, "the end of a mapping that it does not have");
    else
        instance->mappings--;
}

static void device_mem_dirty(struct rv_instance *instance, uint64_t ipa, uint64_t len)
{
    if (!guest_ram_has(instance->env.ram, ipa, len)) {
        device_bug(instance, "0x%" PRIx64 " bytes at 0x%" PRIx64 " are dirty, which are not RAM",
                   len, ipa);
    } else if (len) {
        device_check_act(instance, "a write to guest memory");
        instance->env.mem_dirty(instance->env.opaque, (ipa_t){ipa}, len);
    }
}

static int device_mem_region(struct rv_instance *instance, unsigned index,
                             struct rv_mem_region *region)
{
    struct rv_mem_region is = {0};

    if (!region || region->size == 0) {
        device_bug(instance, "a memory region to nowhere");
        return -EINVAL;
    }
    if (index > 0 || instance->env.ram_fd < 0)
        return -ENOENT;
    is = (struct rv_mem_region){
        .size = region->size,
        .flags = (instance->env.report_writes ? RV_MEM_REPORT : 0) |
                 (instance->env.ram->need ? RV_MEM_LATE : 0),
        .ipa = instance->env.ram->ipa,
        .bytes = instance->env.ram->size,
        .offset = instance->env.ram_offset,
        .fd = instance->env.ram_fd,
    };
    memcpy(region, &is, is.size < sizeof(is) ? is.size : sizeof(is));
    return 0;
}

static int device_mem_discard(struct rv_instance *instance, uint64_t ipa, uint64_t len)
{
    uint8_t *at = guest_ram_to_write(instance->env.ram, ipa, len);

    if (!at)
        return -EFAULT;
    if ((ipa | len) % DEVICE_PAGE_SIZE)
        return -EINVAL;
    if (!len)
        return 0;
    if (instance->env.pinned)
        return -EOPNOTSUPP;
    device_check_act(instance, "a write to guest memory");
    /* RAM is shared memory: a hole in it, for every process that maps it. */
    if (madvise(at, len, MADV_REMOVE))
        return -errno;
    instance->env.mem_dirty(instance->env.opaque, (ipa_t){ipa}, len);
    return 0;
}

/*
 * Requests and counters
 */

static void device_request(struct rv_instance *instance, const struct rv_request *request)
{
    if (!request || request->size < sizeof(*request) || request->type > RV_REQUEST_PANIC ||
        (request->type == RV_REQUEST_POWER_OFF &&
         (request->code < 0 || request->code > DEVICE_CODE_MAX)))
        device_bug(instance, "a request without a size, of an unknown type, or with a bad code");
    else
        instance->env.request(instance->env.opaque, instance->name, request);
}

static uint64_t *device_counter(struct rv_instance *instance, const char *name, const char *help)
{
    struct device_counter **link = &instance->counters;
    struct device_counter *counter;

    if (!name || !help) {
        device_bug(instance, "a counter without a name or help");
        return &instance->lost_counter;
    }
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    if (*link)
        return &(*link)->value;
    counter = calloc(1, sizeof(*counter) + strlen(name) + 1);
    if (counter)
        counter->help = strdup(help);
    if (!counter || !counter->help) {
        free(counter);
        return &instance->lost_counter;
    }
    strcpy(counter->name, name);
    *link = counter;
    return &counter->value;
}

/*
 * The sandbox
 */

static int device_allow(struct rv_instance *instance, uint32_t what, const char *path)
{
    const uint32_t known = RV_ALLOW_READ | RV_ALLOW_CHANGE | RV_ALLOW_UNIX;

    if (what & ~known || (!path && what & (RV_ALLOW_READ | RV_ALLOW_CHANGE))) {
        device_bug(instance, "allow of %#x with %s path", what, path ? "a" : "no");
        return -EINVAL;
    }
    if (what & RV_ALLOW_UNIX)
        sandbox_need(SANDBOX_UNIX);
    if (what & RV_ALLOW_CHANGE)
        sandbox_need(SANDBOX_TREE);
    if (!path)
        return 0;
    return sandbox_need_path(path, what & RV_ALLOW_CHANGE ? SANDBOX_CHANGE : SANDBOX_READ);
}

const struct rv_vmm_ops device_ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = device_log,
    .name = device_get_name,
    .irq_set = device_irq_set,
    .irq_pulse = device_irq_pulse,
    .mem_read = device_mem_read,
    .mem_write = device_mem_write,
    .mem_map = device_mem_map,
    .mem_unmap = device_mem_unmap,
    .mem_dirty = device_mem_dirty,
    .mem_need = device_mem_need,
    .now_ns = device_now_ns,
    .wall_ns = device_wall_ns,
    .timer_new = device_timer_new,
    .timer_set = device_timer_set,
    .timer_cancel = device_timer_cancel,
    .timer_free = device_timer_free,
    .fd_watch = device_fd_watch,
    .fd_change = device_fd_change,
    .fd_remove = device_fd_remove,
    .work_new = device_work_new,
    .post = device_post,
    .listener_open = device_listener_open,
    .listener_close = device_listener_close,
    .work_free = device_work_free,
    .property_string = device_property_string,
    .property_uint = device_property_uint,
    .property_bool = device_property_bool,
    .property_enum = device_property_enum,
    .property_count = device_property_count,
    .property_item = device_property_item,
    .reply = device_reply,
    .state_block = device_state_block,
    .state_resize = device_state_resize,
    .state_size = device_state_size,
    .state_undone = device_state_undone,
    .quiesced = device_is_quiesced,
    .request = device_request,
    .counter = device_counter,
    .chr_open = device_chr_open,
    .chr_write = device_chr_write,
    .chr_accept = device_chr_accept,
    .chr_close = device_chr_close,
    .disk_open = device_disk_open,
    .disk_info = device_disk_info,
    .disk_submit = device_disk_submit,
    .disk_kick = device_disk_kick,
    .disk_cancel = device_disk_cancel,
    .disk_drain_begin = device_disk_drain_begin,
    .disk_resize = device_disk_resize,
    .net_open = device_net_open,
    .net_info = device_net_info,
    .net_send = device_net_send,
    .net_receive = device_net_receive,
    .net_want = device_net_want,
    .net_set_offloads = device_net_set_offloads,
    .net_set_pairs = device_net_set_pairs,
    .net_close = device_net_close,
    .net_address = device_net_address,
    .disk_close = device_disk_close,
    .disk_drain = device_disk_drain,
    .mem_region = device_mem_region,
    .mem_discard = device_mem_discard,
    .region_memory = device_region_memory,
    .region_show = device_region_show,
    .region_post = device_region_post,
    .writes_pending = device_writes_pending,
    .region_dirty = device_region_dirty,
    .pci_function = device_pci_function,
    .irq_message = device_irq_message,
    .allow = device_allow,
};
