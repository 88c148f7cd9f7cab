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
    (void)opaque;
    abort();
}

static void ready(void *opaque, unsigned events)
{
    (void)opaque;
    (void)events;
}

static void wrong_lines(const struct rv_host_ops *ops, struct rv_host *host)
{
    ops->irq_set(host, 2, true);
    ops->irq_set(host, UINT32_MAX, true);
    ops->irq_set(host, 1, true); /* an edge */
    ops->irq_pulse(host, 0);     /* a level */
    ops->irq_pulse(host, 1u << 31);
}

/* All of these are refused; only mem_dirty is a bug, as a guest can ask for the others. */
static void wrong_memory(const struct rv_host_ops *ops, struct rv_host *host)
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
        if (ops->mem_span(host, ranges[i].ipa, ranges[i].len) ||
            ops->mem_read(host, ranges[i].ipa, byte, (size_t)ranges[i].len) != -EFAULT ||
            ops->mem_write(host, ranges[i].ipa, byte, (size_t)ranges[i].len) != -EFAULT)
            abort();
        ops->mem_dirty(host, ranges[i].ipa, ranges[i].len);
        if (ops->mem_discard(host, ranges[i].ipa, ranges[i].len) != -EFAULT)
            abort();
    }
    if (ops->mem_span(host, RAM, 0))
        abort();
}

static void wrong_timers(const struct rv_host_ops *ops, struct rv_host *host)
{
    struct rv_host_timer *timer = ops->timer_new(host, never, NULL);
    struct rv_host_timer *other = ops->timer_new(host, never, NULL);

    ops->timer_set(host, timer, UINT64_MAX); /* forgotten: the core's to free */
    ops->timer_cancel(host, timer);
    ops->timer_cancel(host, timer); /* that is allowed */
    ops->timer_set(host, other, 0);
    ops->timer_free(host, other);
    ops->timer_free(host, other);
    ops->timer_cancel(host, other);
    ops->timer_set(host, other, 0);
    ops->timer_set(host, NULL, 0);
    ops->timer_new(host, NULL, NULL);
}

static void wrong_watches(const struct rv_host_ops *ops, struct rv_host *host)
{
    int fds[2];
    struct rv_host_watch *watch;

    if (pipe(fds))
        abort();
    watch = ops->fd_watch(host, fds[0], RV_FD_READ, ready, NULL);
    close(fds[0]);
    close(fds[1]);
    if (ops->fd_watch(host, fds[0], RV_FD_READ, ready, NULL) ||
        ops->fd_watch(host, -1, RV_FD_READ, ready, NULL) ||
        ops->fd_watch(host, 1 << 30, RV_FD_WRITE, ready, NULL) ||
        ops->fd_watch(host, 0, 0x80, ready, NULL) || ops->fd_watch(host, 0, 0, NULL, NULL))
        abort();
    ops->fd_change(host, watch, RV_FD_WRITE); /* which is closed now */
    ops->fd_remove(host, watch);
    ops->fd_remove(host, watch);
    if (ops->fd_change(host, watch, RV_FD_READ) == 0)
        abort();
    ops->fd_remove(host, (struct rv_host_watch *)(void *)host);
}

static void wrong_back_ends(const struct rv_host_ops *ops, struct rv_host *host)
{
    static const struct rv_chr_callbacks callbacks = {.size = sizeof(callbacks)};
    static const struct rv_chr_callbacks sizeless = {0};
    static const struct rv_disk_options no_path = {.size = sizeof(no_path)};
    struct rv_chr *chr = ops->chr_open(host, "null", &callbacks, NULL);
    struct rv_disk *disk = NULL;

    if (ops->chr_open(host, "", &callbacks, NULL) || ops->chr_open(host, "nul", &callbacks, NULL) ||
        ops->chr_open(host, "null", &sizeless, NULL) || ops->chr_open(host, NULL, NULL, NULL))
        abort();
    ops->chr_close(host, chr);
    ops->chr_close(host, chr);
    ops->chr_write(host, chr, (const uint8_t *)"x", 1);
    ops->chr_accept(host, NULL);
    if (ops->disk_open(host, NULL, &disk) == 0 || ops->disk_open(host, &no_path, &disk) == 0)
        abort();
    ops->disk_kick(host, NULL);
    ops->disk_close(host, (struct rv_disk *)(void *)chr);
    ops->disk_info(host, NULL);
}

static void wrong_rest(const struct rv_host_ops *ops, struct rv_host *host)
{
    ops->quiesced(host);
    ops->request(host, (enum rv_request)99, 0);
    ops->request(host, RV_REQUEST_POWER_OFF, 256);
    if (ops->property_string(host, "none") || ops->property_string(host, NULL) ||
        ops->property_uint(host, "text") || ops->property_bool(host, "text") ||
        ops->property_enum(host, "text"))
        abort();
    ops->counter(host, NULL, NULL);
    ops->log(host, (enum rv_log_level)77, "unheard");
}

static const struct {
    const char *name;
    void (*run)(const struct rv_host_ops *ops, struct rv_host *host);
} wild[] = {
    {"lines", wrong_lines},     {"memory", wrong_memory},       {"timers", wrong_timers},
    {"watches", wrong_watches}, {"back-ends", wrong_back_ends}, {"rest", wrong_rest},
};
static const char *const wild_names[] = {"lines",     "memory", "timers", "watches",
                                         "back-ends", "rest",   NULL};

static void wild_resume(void *device)
{
    struct template *t = device;

    wild[t->ops->property_enum(t->host, "what")].run(t->ops, t->host);
    /* Too late for one. */
    if (t->ops->state_block(t->host, "late", 1, 1))
        abort();
}

static int wild_quiesce(void *device)
{
    (void)device;
    return 42;
}

static int wild_create(struct rv_host *host, const struct rv_host_ops *ops, void *state,
                       uint32_t flags, void **device)
{
    if (ops->state_block(host, "a-name-that-is-too-long", 1, 1))
        abort();
    return template_create(host, ops, state, flags, device);
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
