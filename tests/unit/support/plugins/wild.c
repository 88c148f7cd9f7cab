/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device that does everything wrong which a plugin can do without writing to
 * memory that is not its own. Nothing of it may harm the vmm.
 */
#include "tests/unit/support/plugins/template.h"

#include <fcntl.h>
#include <unistd.h>

#define RAM 0x40000000u

static void never(void *opaque)
{
    abort();
}

static void ready(void *opaque, uint32_t events)
{
}

static void wrong_lines(const struct rv_vmm_ops *ops, struct rv_instance *instance)
{
    ops->irq_set(instance, 2, true);
    ops->irq_set(instance, UINT32_MAX, true);
    ops->irq_set(instance, 1, true); /* an edge */
    ops->irq_pulse(instance, 0);     /* a level */
    ops->irq_pulse(instance, 1u << 31);
}

/* All of these are refused; only mem_dirty is a bug, as a guest can ask for the others. */
static void wrong_memory(const struct rv_vmm_ops *ops, struct rv_instance *instance)
{
    static const struct {
        uint64_t ipa, len;
    } ranges[] = {
        {0, 1},
        {RAM - 1, 2},
        {RAM, UINT64_MAX},
        {UINT64_MAX, 2},
        {UINT64_MAX - 7, 8},
        {RAM, 1ull << 45},
        {1ull << 63, 1ull << 63},
    };
    char byte[8] = {0};

    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (ops->mem_map(instance, ranges[i].ipa, ranges[i].len, RV_MEM_READ) ||
            ops->mem_read(instance, ranges[i].ipa, byte, (size_t)ranges[i].len) != -EFAULT ||
            ops->mem_write(instance, ranges[i].ipa, byte, (size_t)ranges[i].len) != -EFAULT)
            abort();
        ops->mem_dirty(instance, ranges[i].ipa, ranges[i].len);
        if (ops->mem_discard(instance, ranges[i].ipa, ranges[i].len) != -EFAULT)
            abort();
    }
    if (ops->mem_map(instance, RAM, 0, RV_MEM_READ) || ops->mem_map(instance, RAM, 1, 0))
        abort();
    ops->mem_unmap(instance, NULL, 1);
}

static void wrong_timers(const struct rv_vmm_ops *ops, struct rv_instance *instance)
{
    struct rv_timer *timer = ops->timer_new(instance, never, NULL);
    struct rv_timer *other = ops->timer_new(instance, never, NULL);

    ops->timer_set(instance, timer, UINT64_MAX); /* forgotten: the vmm's to free */
    ops->timer_cancel(instance, timer);
    ops->timer_cancel(instance, timer); /* that is allowed */
    ops->timer_set(instance, other, 0);
    ops->timer_free(instance, other);
    ops->timer_free(instance, other);
    ops->timer_cancel(instance, other);
    ops->timer_set(instance, other, 0);
    ops->timer_set(instance, NULL, 0);
    ops->timer_new(instance, NULL, NULL);
}

static void wrong_watches(const struct rv_vmm_ops *ops, struct rv_instance *instance)
{
    int fds[2];
    struct rv_watch *watch;

    if (pipe(fds))
        abort();
    watch = ops->fd_watch(instance, fds[0], RV_FD_READ, ready, NULL);
    close(fds[0]);
    close(fds[1]);
    if (ops->fd_watch(instance, fds[0], RV_FD_READ, ready, NULL) ||
        ops->fd_watch(instance, -1, RV_FD_READ, ready, NULL) ||
        ops->fd_watch(instance, 1 << 30, RV_FD_WRITE, ready, NULL) ||
        ops->fd_watch(instance, 0, 0x80, ready, NULL) || ops->fd_watch(instance, 0, 0, NULL, NULL))
        abort();
    ops->fd_change(instance, watch, RV_FD_WRITE); /* which is closed now */
    ops->fd_remove(instance, watch);
    ops->fd_remove(instance, watch);
    if (ops->fd_change(instance, watch, RV_FD_READ) == 0)
        abort();
    ops->fd_remove(instance, (struct rv_watch *)(void *)instance);
}

static void wrong_back_ends(const struct rv_vmm_ops *ops, struct rv_instance *instance)
{
    static const struct rv_chr_callbacks callbacks = {.size = sizeof(callbacks)};
    static const struct rv_chr_callbacks sizeless = {0};
    static const struct rv_disk_options no_path = {.size = sizeof(no_path)};
    struct rv_chr *chr = ops->chr_open(instance, "null", &callbacks, NULL);
    struct rv_disk *disk = NULL;

    if (ops->chr_open(instance, "", &callbacks, NULL) ||
        ops->chr_open(instance, "nul", &callbacks, NULL) ||
        ops->chr_open(instance, "null", &sizeless, NULL) ||
        ops->chr_open(instance, NULL, NULL, NULL))
        abort();
    ops->chr_close(instance, chr);
    ops->chr_close(instance, chr);
    ops->chr_write(instance, chr, (const uint8_t *)"x", 1);
    ops->chr_accept(instance, NULL);
    if (ops->disk_open(instance, NULL, &disk) == 0 ||
        ops->disk_open(instance, &no_path, &disk) == 0)
        abort();
    ops->disk_kick(instance, NULL);
    ops->disk_close(instance, (struct rv_disk *)(void *)chr);
    ops->disk_info(instance, NULL);
}

static void wrong_rest(const struct rv_vmm_ops *ops, struct rv_instance *instance)
{
    ops->quiesced(instance);
    ops->request(instance, &(struct rv_request){.size = sizeof(struct rv_request), .type = 99});
    ops->request(instance, &(struct rv_request){.size = sizeof(struct rv_request),
                                                .type = RV_REQUEST_POWER_OFF,
                                                .code = 256});
    ops->request(instance, &(struct rv_request){.type = RV_REQUEST_RESET});
    ops->request(instance, NULL);
    if (ops->property_string(instance, "none") || ops->property_string(instance, NULL) ||
        ops->property_uint(instance, "text") || ops->property_bool(instance, "text") ||
        ops->property_enum(instance, "text"))
        abort();
    ops->counter(instance, NULL, NULL);
    ops->log(instance, 77, "unheard");
}

static const struct {
    const char *name;
    void (*run)(const struct rv_vmm_ops *ops, struct rv_instance *instance);
} wild[] = {
    {"lines", wrong_lines},     {"memory", wrong_memory},       {"timers", wrong_timers},
    {"watches", wrong_watches}, {"back-ends", wrong_back_ends}, {"rest", wrong_rest},
};
static const char *const wild_names[] = {"lines",     "memory", "timers", "watches",
                                         "back-ends", "rest",   NULL};

static void wild_resume(void *device)
{
    struct template *t = device;

    wild[t->ops->property_enum(t->instance, "what")].run(t->ops, t->instance);
    /* Too late for one. */
    if (t->ops->state_block(t->instance, "late", 1, 1))
        abort();
}

static int wild_quiesce(void *device)
{
    return 42;
}

static int wild_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                       uint32_t flags, void **device)
{
    if (ops->state_block(instance, "a-name-that-is-too-long", 1, 1))
        abort();
    return template_create(instance, ops, state, flags, device);
}

static const struct rv_property wild_properties[] = {
    {.name = "what",
     .type = RV_PROPERTY_ENUM,
     .value = "lines",
     .help = "what to do wrong",
     .choices = wild_names},
    {.name = "text", .type = RV_PROPERTY_STRING, .help = "a text"},
    {0},
};

PLUGIN_CLASS(.name = "wild", .properties = wild_properties, .irq_lines = 2, .irq_edge = 2,
             .create = wild_create, .resume = wild_resume, .quiesce = wild_quiesce)
