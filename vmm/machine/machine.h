/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where EL2 is. A machine gives shared memory with a running stub in it, and
 * doorbells in both directions. What runs on it is not its business.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/boot.h"
#include "proto/ring.h"
#include "proto/vcpu.h"
#include "vmm/machine/layout.h"

struct machine_config {
    const char *options; /* what follows "qemu," on the command line, or NULL */
    const char *stub;    /* path of the stub's image */
    unsigned nr_pcpus;
    unsigned nr_vcpus;
    uint64_t ram_size;
    bool timestamps;
};

struct machine;

struct machine_ops {
    /* Send the kick to a pCPU. */
    void (*kick)(struct machine *machine, unsigned pcpu);
    /* Has it ended by itself? Says why, once. */
    bool (*is_dead)(struct machine *machine);
    /* End it and free everything. */
    void (*stop)(struct machine *machine);
};

struct machine {
    const struct machine_ops *ops;
    unsigned nr_pcpus;
    unsigned nr_vcpus; /* of all VMs */
    struct layout layout;
    uint8_t *memory; /* layout.total bytes, shared with the stub */
    int memory_fd;   /* what it is a mapping of, from offset 0; -1: none */
    struct rv_boot_page *boot;
    struct rv_channel *channels;
    struct rv_vcpu_page *vcpus;
    uint8_t *ram;
    int doorbell;         /* readable when the stub has rung: read it empty */
    uint64_t kick_ns;     /* what a kick of a guest that runs costs, about */
    bool blind;           /* cores do not see code that we write until they are told: FLUSH */
    bool is_ready;        /* machine_wait_ready() has succeeded */
    uint64_t stub_id[64]; /* copies of what the stub found out: see struct rv_boot_page */
    uint64_t cntfrq;
    uint64_t dczid;
    uint64_t sve;
};

/*
 * Create the machine and start its stub. Does not wait for the stub to come
 * up: machine_wait_ready() does, so that loading the guest can go on meanwhile.
 * NULL after a message.
 */
struct machine *machine_qemu_start(const struct machine_config *config, struct event_base *base,
                                   void (*died)(void *ctx), void *ctx);

/* Are these options (see struct machine_config) right? 0, or -EINVAL after a message. */
int machine_qemu_check(const char *options);

/*
 * Wait until the stub says that it is there; the event loop turns meanwhile. 0;
 * -EINTR: `*over` became true; other: after a message that says why not.
 */
int machine_wait_ready(struct machine *machine, struct event_base *base, const bool *over);

/* For the machines: fill in the boot page but for the addresses of devices and pCPUs. */
void machine_boot_page(struct machine *machine, const struct machine_config *config,
                       uint64_t mem_base);
