/* SPDX-License-Identifier: BSD-2-Clause */
/* A core for devices under test: what vm_devices.c gives them, with a record of what they did. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/support/messages.h"
#include "vmm/device/device.h"

#define BASE      0x9000000u
#define RAM_BASE  0x40000000u
#define RAM_SIZE  0x10000u
#define FD_OFFSET 0x3000u /* of RAM in its shared memory */

/* Registers of plugins/good.c. */
#define GOOD_FLAG   0x00u
#define GOOD_NUMBER 0x08u
#define GOOD_LENGTH 0x10u
#define GOOD_RESETS 0x18u
#define GOOD_IRQ    0x20u
#define GOOD_CHAR   0x28u
#define GOOD_SIZE   0x30u
#define GOOD_SHAPE  0x38u
#define GOOD_PULSE  0x40u
#define GOOD_FLAGS  0x48u
#define GOOD_EVENTS 0x50u
#define GOOD_PHASE  0x58u
#define GOOD_DONE   0x60u
#define GOOD_DMA    0x68u
#define GOOD_EXTRA  0x70u

struct fixture {
    struct device_env env;
    struct device_console console;
    struct guest_ram ram;
    struct bus *bus;
    struct plugins *plugins;
    struct event_base *base;
    ipa_t next_base; /* where the next device goes */
    uint32_t next_spi;
    struct state_area state;
    struct vm_clock clock;
    char irqs[256];            /* "33+ 33- ..." */
    char dirty[256];           /* "40000000+8 ..." */
    struct rv_request request; /* the last of these: */
    unsigned requests;
};

static inline int fixture_place(void *opaque, const struct rv_device_class *class, ipa_t *bases,
                                uint32_t *first_spi)
{
    struct fixture *f = opaque;

    for (unsigned i = 0; class->regions[i].bytes; i++)
        bases[i] = ipa(f->next_base.v + i * 0x10000);
    *first_spi = f->next_spi;
    return 0;
}

static inline void fixture_irq(void *opaque, uint32_t intid, bool level)
{
    struct fixture *f = opaque;
    size_t len = strlen(f->irqs);

    snprintf(f->irqs + len, sizeof(f->irqs) - len, "%u%c ", intid, level ? '+' : '-');
}

static inline void fixture_dirty(void *opaque, ipa_t ipa, uint64_t size)
{
    struct fixture *f = opaque;
    size_t len = strlen(f->dirty);

    snprintf(f->dirty + len, sizeof(f->dirty) - len, "%llx+%llu ", (unsigned long long)ipa.v,
             (unsigned long long)size);
}

static inline void fixture_request(void *opaque, const char *device,
                                   const struct rv_request *request)
{
    struct fixture *f = opaque;

    f->request = *request;
    f->requests++;
}

static inline struct fixture *fixture_new(const char *plugin)
{
    struct fixture *f = calloc(1, sizeof(*f));
    char file[4096];

    f->bus = bus_new();
    f->plugins = plugin_new();
    f->base = device_event_base();
    f->env.ram_fd = memfd_create("ram", 0);
    if (ftruncate(f->env.ram_fd, FD_OFFSET + RAM_SIZE))
        abort();
    f->ram = (struct guest_ram){
        .host = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->env.ram_fd, FD_OFFSET),
        .ipa = RAM_BASE,
        .size = RAM_SIZE};
    if (state_create(&f->state) || vm_clock_init(&f->clock, &f->state, false))
        abort();
    f->next_base = ipa(BASE);
    f->next_spi = 1;
    f->env = (struct device_env){
        .plugins = f->plugins,
        .bus = f->bus,
        .base = f->base,
        .ram = &f->ram,
        .ram_fd = f->env.ram_fd,
        .ram_offset = FD_OFFSET,
        .console = &f->console,
        .state = &f->state,
        .clock = &f->clock,
        .opaque = f,
        .place = fixture_place,
        .irq_set = fixture_irq,
        .mem_dirty = fixture_dirty,
        .request = fixture_request,
    };
    snprintf(file, sizeof(file), "%s/%s.so", getenv("TEST_PLUGIN_DIR"), plugin);
    if (plugin_load(f->plugins, file))
        abort();
    return f;
}

/* As after the end of the VM: the blocks are gone, so that a device can be made there anew. */
static inline void fixture_forget(struct fixture *f)
{
    state_close(&f->state);
    if (state_create(&f->state) || vm_clock_init(&f->clock, &f->state, false))
        abort();
}

static inline void fixture_free(struct fixture *f)
{
    state_close(&f->state);
    bus_free(f->bus);
    plugin_free(f->plugins);
    event_base_free(f->base);
    munmap(f->ram.host, RAM_SIZE);
    close(f->env.ram_fd);
    free(f);
}
