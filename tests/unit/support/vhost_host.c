/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/vhost_host.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <ringvisor/virtio/virtio_plugin.h>

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void host_log(struct rv_instance *host, enum rv_log_level level, const char *fmt, ...)
{
    va_list ap;

    (void)level;
    va_start(ap, fmt);
    vsnprintf(host->log, sizeof(host->log), fmt, ap);
    va_end(ap);
    host->logs++;
}

static const char *host_name(struct rv_instance *host)
{
    (void)host;
    return "vhost-user@a000000";
}

static void host_irq_pulse(struct rv_instance *host, unsigned line)
{
    assert_int_equal(line, 0);
    host->world.rises++;
    host->world.irq = true;
}

static void *host_mem_span(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    struct virtio_env env = driver_env(&host->world);

    return env.span(env.ctx, ipa, len, true);
}

static void host_mem_dirty(struct rv_instance *host, uint64_t ipa, uint64_t len)
{
    assert_non_null(host_mem_span(host, ipa, len));
    host->dirty += len;
}

static int host_mem_region(struct rv_instance *host, unsigned index, struct rv_mem_region *region)
{
    assert_int_equal(region->size, sizeof(*region));
    if (index > 0)
        return -ENOENT;
    region->ipa = DRIVER_RAM_BASE;
    region->bytes = DRIVER_RAM_SIZE;
    region->offset = 0x1000;
    region->fd = host->ram_fd;
    return 0;
}

static uint64_t host_now(struct rv_instance *host)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec + host->now_plus;
}

static struct rv_timer *host_timer_new(struct rv_instance *host, void (*fired)(void *),
                                       void *opaque)
{
    host->fired = fired;
    host->timer_opaque = opaque;
    return (struct rv_timer *)(void *)host;
}

static void host_timer_set(struct rv_instance *host, struct rv_timer *timer, uint64_t at)
{
    (void)timer;
    host->timer_at = at;
}

static void host_timer_cancel(struct rv_instance *host, struct rv_timer *timer)
{
    (void)timer;
    host->timer_at = 0;
}

static void host_timer_free(struct rv_instance *host, struct rv_timer *timer)
{
    (void)timer;
    host->timer_at = 0;
    host->fired = NULL;
}

static struct rv_watch *host_fd_watch(struct rv_instance *host, int fd, unsigned events,
                                      void (*ready)(void *, unsigned), void *opaque)
{
    struct rv_watch *watch = host->watches;

    while (watch->ready)
        watch++;
    assert_true(watch < host->watches + VHOST_HOST_WATCHES);
    *watch = (struct rv_watch){fd, events, ready, opaque};
    return watch;
}

static int host_fd_change(struct rv_instance *host, struct rv_watch *watch, unsigned events)
{
    (void)host;
    assert_non_null(watch->ready);
    watch->events = events;
    return 0;
}

static void host_fd_remove(struct rv_instance *host, struct rv_watch *watch)
{
    (void)host;
    assert_non_null(watch->ready);
    watch->ready = NULL;
}

static const char *property(struct rv_instance *host, const char *name)
{
    const struct rv_property *p = ringvisor_device.properties;

    if (strcmp(name, "socket") == 0)
        return host->socket;
    if (strcmp(name, "queues") == 0 && host->queues)
        return host->queues;
    if (strcmp(name, "queue-size") == 0 && host->queue_size)
        return host->queue_size;
    if (strcmp(name, "wait") == 0)
        return host->wait;
    while (p->name && strcmp(p->name, name) != 0)
        p++;
    assert_non_null(p->name);
    return p->value;
}

static uint64_t host_property_uint(struct rv_instance *host, const char *name)
{
    return strtoull(property(host, name), NULL, 0);
}

static void *host_state_block(struct rv_instance *host, const char *name, uint32_t version,
                              size_t size)
{
    (void)version;
    assert_string_equal(name, "virtio");
    if (!host->block)
        host->block = calloc(1, size);
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

static const struct rv_vmm_ops ops = {
    .size = sizeof(struct rv_vmm_ops),
    .abi = RV_DEVICE_ABI,
    .log = host_log,
    .name = host_name,
    .irq_pulse = host_irq_pulse,
    .mem_span = host_mem_span,
    .mem_dirty = host_mem_dirty,
    .mem_region = host_mem_region,
    .now_ns = host_now,
    .timer_new = host_timer_new,
    .timer_set = host_timer_set,
    .timer_cancel = host_timer_cancel,
    .timer_free = host_timer_free,
    .fd_watch = host_fd_watch,
    .fd_change = host_fd_change,
    .fd_remove = host_fd_remove,
    .property_string = property,
    .property_uint = host_property_uint,
    .state_block = host_state_block,
    .quiesced = host_quiesced,
    .counter = host_counter,
};

void vhost_host_init(struct rv_instance *host, const char *socket)
{
    *host = (struct rv_instance){.socket = socket, .wait = "0"};
    host->ram_fd = memfd_create("ram", MFD_CLOEXEC);
    assert_int_equal(ftruncate(host->ram_fd, 0x1000 + DRIVER_RAM_SIZE), 0);
    host->world.ram =
        mmap(NULL, DRIVER_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, host->ram_fd, 0x1000);
    assert_ptr_not_equal(host->world.ram, MAP_FAILED);
}

void vhost_host_free(struct rv_instance *host)
{
    munmap(host->world.ram, DRIVER_RAM_SIZE);
    close(host->ram_fd);
    free(host->block);
}

int vhost_host_start(struct rv_instance *host, uint32_t flags)
{
    int error;

    assert_true(ringvisor_device.state_size <= sizeof(host->state));
    error = ringvisor_device.create(host, &ops, host->state, flags, &host->device);
    if (error)
        return error;
    if (!(flags & RV_CREATE_RESUME))
        ringvisor_device.reset(host->device);
    ringvisor_device.resume(host->device);
    return 0;
}

void vhost_host_stop(struct rv_instance *host)
{
    ringvisor_device.destroy(host->device);
    for (unsigned i = 0; i < VHOST_HOST_WATCHES; i++)
        assert_null(host->watches[i].ready);
    assert_null(host->fired);
}

void vhost_host_turn(struct rv_instance *host)
{
    struct pollfd fds[VHOST_HOST_WATCHES];

    for (unsigned i = 0; i < VHOST_HOST_WATCHES; i++) {
        const struct rv_watch *watch = &host->watches[i];

        fds[i] = (struct pollfd){.fd = watch->ready ? watch->fd : -1,
                                 .events = (short)((watch->events & RV_FD_READ ? POLLIN : 0) |
                                                   (watch->events & RV_FD_WRITE ? POLLOUT : 0))};
    }
    if (poll(fds, VHOST_HOST_WATCHES, 5) == 0 && host->hasty && host->timer_at > host_now(host) &&
        host->timer_at - host_now(host) <= 1000000000u)
        host->now_plus += host->timer_at - host_now(host);
    for (unsigned i = 0; i < VHOST_HOST_WATCHES; i++) {
        const struct rv_watch *watch = &host->watches[i];

        /* Gone, or another one, since the poll. */
        if (!fds[i].revents || !watch->ready || watch->fd != fds[i].fd)
            continue;
        watch->ready(watch->opaque, (fds[i].revents & ~POLLOUT ? RV_FD_READ : 0) |
                                        (fds[i].revents & ~POLLIN ? RV_FD_WRITE : 0));
    }
    if (host->timer_at && host->timer_at <= host_now(host)) {
        host->timer_at = 0;
        host->fired(host->timer_opaque);
    }
}

struct virtio_mmio *vhost_host_mmio(struct rv_instance *host)
{
    return &((struct virtio_plugin *)host->device)->mmio;
}
