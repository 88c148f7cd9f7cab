/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel module of the machine `linux`: it puts the stub under the running kernel. */
#pragma once

#include <linux/types.h>

#include "proto/boot.h"
#include "proto/host.h"

/*
 * stub.c: the stub's memory. Private memory is what the host cannot reach while the stub is
 * there; shared memory has the boot page, the channels and the vCPU pages.
 */
#define PRIVATE_SIZE (4ul << 20)

struct stub {
    void *private;
    void *shared;
    size_t shared_size;
    phys_addr_t entry;
    struct rv_boot_page *boot; /* at the start of the shared memory */
};

int stub_load(struct stub *stub);
void stub_free(struct stub *stub);
void stub_clean(const struct stub *stub);
void *stub_channel(const struct stub *stub, unsigned int cpu);

/* gic.c: fill in what the boot page says of the GIC. 0, or -errno after a message. */
int gic_find(struct rv_boot_page *boot);

/*
 * cpu.c: the stub on all online CPUs. The caller holds cpus_read_lock(). cpu_check() says why
 * EL2 cannot be had; cpu_install() undoes what it did when it fails.
 */
int cpu_check(void);
int cpu_install(const struct stub *stub);
int cpu_remove(void);
u64 cpu_call(u64 function, u64 x1);
void cpu_kick(const struct rv_boot_page *boot, u64 mask);

/* doorbell.c: an interrupt for the stub to raise; its number goes to the boot page. */
struct eventfd_ctx;
int doorbell_start(struct rv_boot_page *boot);
void doorbell_stop(void);
void doorbell_signal(struct eventfd_ctx *eventfd);

/* device.c: /dev/ringvisor. */
int device_start(struct stub *stub);
void device_stop(void);
void device_give_back(void);
void device_doorbell(void);
