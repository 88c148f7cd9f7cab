/* SPDX-License-Identifier: BSD-2-Clause */
/* A core for devices under test: what vm_devices.c gives them, with a record of what they did. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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
    uint8_t state[2][0x1000];
    char state_name[2][64];
    uint32_t state_version[2];
    size_t state_size[2];
    bool no_memory;
    char irqs[256];  /* "33+ 33- ..." */
    char dirty[256]; /* "40000000+8 ..." */
    enum rv_request request;
    int code;
    unsigned requests;
};

static inline int fixture_place(void *ctx, const struct rv_device_class *class, ipa_t *base,
                                uint32_t *first_spi)
{
    struct fixture *f = ctx;

    (void)class;
    *base = f->next_base;
    *first_spi = f->next_spi;
    return 0;
}

/* Block 0 is the device's, block 1 a further one. */
static inline void *fixture_state(void *ctx, const char *name, uint32_t version, size_t size)
{
    struct fixture *f = ctx;
    unsigned i = strchr(name, '/') != NULL;

    snprintf(f->state_name[i], sizeof(f->state_name[i]), "%s", name);
    f->state_version[i] = version;
    f->state_size[i] = size;
    return f->no_memory || size > sizeof(f->state[i]) ? NULL : f->state[i];
}

static inline void fixture_irq(void *ctx, uint32_t intid, bool level)
{
    struct fixture *f = ctx;
    size_t len = strlen(f->irqs);

    snprintf(f->irqs + len, sizeof(f->irqs) - len, "%u%c ", intid, level ? '+' : '-');
}

static inline void fixture_dirty(void *ctx, ipa_t ipa, uint64_t size)
{
    struct fixture *f = ctx;
    size_t len = strlen(f->dirty);

    snprintf(f->dirty + len, sizeof(f->dirty) - len, "%llx+%llu ", (unsigned long long)ipa.v,
             (unsigned long long)size);
}

static inline void fixture_request(void *ctx, const char *device, enum rv_request what, int code)
{
    struct fixture *f = ctx;

    (void)device;
    f->request = what;
    f->code = code;
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
        mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->env.ram_fd, FD_OFFSET),
        RAM_BASE, RAM_SIZE};
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
        .ctx = f,
        .place = fixture_place,
        .state_alloc = fixture_state,
        .irq_set = fixture_irq,
        .mem_dirty = fixture_dirty,
        .request = fixture_request,
    };
    snprintf(file, sizeof(file), "%s/%s.so", getenv("TEST_PLUGIN_DIR"), plugin);
    if (plugin_load(f->plugins, file))
        abort();
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    bus_free(f->bus);
    plugin_free(f->plugins);
    event_base_free(f->base);
    munmap(f->ram.host, RAM_SIZE);
    close(f->env.ram_fd);
    free(f);
}

/* What goes to stderr between these two. */
static char messages[16384];
static int saved_stderr, messages_fd;

static inline void capture(void)
{
    messages_fd = memfd_create("messages", 0);
    saved_stderr = dup(STDERR_FILENO);
    dup2(messages_fd, STDERR_FILENO);
}

static inline void release(void)
{
    ssize_t n = pread(messages_fd, messages, sizeof(messages) - 1, 0);

    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(messages_fd);
    messages[n < 0 ? 0 : n] = '\0';
}
