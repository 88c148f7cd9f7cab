/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The kernel module of the machine `linux`: it puts the stub under the running kernel. */
#pragma once

#include <linux/list.h>
#include <linux/types.h>

#include "proto/boot.h"
#include "proto/host.h"

/*
 * stub.c: the stub's memory. Private memory is what the host cannot reach while the stub is
 * there. Shared memory has the boot page and the vCPU pages; the channels of 64 CPUs are another
 * 4 MiB, as much as the kernel gives in one piece.
 */
#define PRIVATE_SIZE (4ul << 20)

/* EL2's own translation has 39 bits of address (el2stub/mmu_on.S). */
#define STUB_PA_LIMIT (1ull << 39)

struct stub {
    void *private;
    void *shared;
    size_t shared_size;
    void *channels;
    size_t channels_size;
    phys_addr_t entry;
    struct rv_boot_page *boot; /* at the start of the shared memory */
    u16 number[RV_MAX_PCPUS];  /* what the kernel calls each CPU that has the stub; ascending */
};

int stub_load(struct stub *stub);
void stub_free(struct stub *stub);
void stub_clean(const struct stub *stub);
void stub_clean_range(const void *start, size_t size);
void *stub_channel(const struct stub *stub, unsigned int index);
void *stub_vcpu_page(const struct stub *stub, unsigned int vcpu);
int stub_index(const struct stub *stub, unsigned int cpu); /* -1: the CPU has no stub */

/* memory.c: memory of a process, in blocks of RV_BLOCK_SIZE. */
struct page;
struct memory {
    struct page **block; /* the first page of each */
    u64 nr_blocks;
};

/* 0, or -errno, and then nothing is pinned. */
int memory_pin(struct memory *memory, u64 address, u64 size);
void memory_release(struct memory *memory);
phys_addr_t memory_at(const struct memory *memory, u64 offset, u64 *left);

/* gic.c: fill in what the boot page says of the GIC. 0, or -errno after a message. */
int gic_find(struct rv_boot_page *boot);

/*
 * cpu.c: the stub on all online CPUs. The caller holds cpus_read_lock(). cpu_check() says why
 * EL2 cannot be had; cpu_install() undoes what it did when it fails.
 */
int cpu_check(void);
int cpu_install(const struct stub *stub);
int cpu_remove(void);
u64 cpu_call(u64 function, u64 x1, u64 x2, u64 x3, u64 x4);
void cpu_kick(const struct rv_boot_page *boot, u64 mask);

/* doorbell.c: an interrupt for the stub to raise; its number goes to the boot page. */
struct eventfd_ctx;
int doorbell_start(struct rv_boot_page *boot);
void doorbell_stop(void);
void doorbell_signal(struct eventfd_ctx *eventfd);

/*
 * session.c: what an open file of the device has: a VM, CPUs, memory. All of it under one lock:
 * to take a CPU is slow anyhow. The functions that return int: 0 or -errno (proto/device.h).
 */
struct session {
    struct list_head list;        /* changed under both locks */
    struct eventfd_ctx *doorbell; /* under the lock of device.c */
    u64 cpus;                     /* changed under the lock of session.c, like what follows */
    s32 vm;                       /* -1: none */
    u32 first_vcpu, nr_vcpus;
    struct memory memory;
};

void session_start(struct stub *stub);
void session_init(struct session *session);
void session_end(struct session *session);
int session_create(struct session *session, u32 nr_vcpus);
int session_take(struct session *session, u64 mask);
int session_lend(struct session *session, u64 address, u64 size);
int session_map(struct session *session, u64 ipa, u64 offset, u64 size, u32 prot);
void session_give_back(struct session *session); /* the CPUs alone */
u64 session_taken(void);

/* device.c: /dev/ringvisor. */
int device_start(struct stub *stub);
void device_stop(void);
void device_give_back(void);
void device_doorbell(void);
