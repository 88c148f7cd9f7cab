/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine that has EL2. It provides shared memory with a running stub in it, and
 * doorbells in both directions. It knows nothing of the guests.
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
    bool linux_host;     /* the machine `linux`, else `qemu` */
    const char *options; /* what follows its name and a comma on the command line, or NULL */
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
    /* Has it ended by itself? Logs why, once. */
    bool (*is_dead)(struct machine *machine);
    /* End it and free everything. */
    void (*stop)(struct machine *machine);
    /*
     * NULL, or what does VM_CREATE, MAP and FLUSH, which then are no commands of the rings.
     * 0 or -errno.
     */
    int (*memory)(struct machine *machine, const struct rv_command *command);
};

struct machine {
    const struct machine_ops *ops;
    unsigned nr_pcpus;
    unsigned nr_vcpus; /* of all VMs */
    struct layout layout;
    uint8_t *memory; /* layout.total bytes, shared with the stub */
    int memory_fd;   /* `memory` maps this file from offset 0; -1: none */
    struct rv_boot_page *boot;
    struct rv_channel *channels;
    struct rv_vcpu_page *vcpus;
    uint8_t *ram;
    int doorbell;               /* readable after the stub has rung: read all of it */
    uint64_t kick_ns;           /* about what the kick of a running guest costs */
    uint16_t vm;                /* the stub's number of the first VM, */
    uint16_t first_vcpu;        /* and of the first vCPU */
    const uint8_t *cpu_numbers; /* the stub's number of each pCPU; NULL: the same as ours */
    bool threads;               /* pCPUs are threads on the CPUs of this process */
    bool blind;                 /* CPUs do not see code that this process writes until a FLUSH */
    bool pinned;                /* the guest's memory stays where it is: none can be given back */
    unsigned nr_lrs;            /* list registers of each CPU */
    bool has_tdir;              /* the CPUs have ICH_HCR_EL2.TDIR */
    bool is_ready;              /* machine_wait_ready() has succeeded */
    uint64_t stub_id[64];       /* from here on, copies of the stub's answers in the boot page */
    uint64_t cntfrq;
    uint64_t dczid;
    uint64_t sve;
};

/*
 * Create the machine and start its stub. The guest can be loaded while the stub
 * starts: only machine_wait_ready() waits for it. NULL after a message.
 */
struct machine *machine_qemu_start(const struct machine_config *config, struct event_base *base,
                                   void (*died)(void *opaque), void *opaque);

/* The machine that an earlier worker has left with the keeper. NULL after a message. */
struct machine *machine_qemu_take_over(const struct machine_config *config, struct event_base *base,
                                       void (*died)(void *opaque), void *opaque);

/* Check the options (see struct machine_config). 0, or -EINVAL after a message. */
int machine_qemu_check(const char *options);

/* CPUs of this computer, by /dev/ringvisor; those of an earlier worker. NULL after a message. */
struct machine *machine_linux_start(const struct machine_config *config);
struct machine *machine_linux_take_over(const struct machine_config *config);
int machine_linux_check(const char *options);
bool machine_linux_is_there(void); /* and this user may open it */

/*
 * Wait until all CPUs run the stub; the event loop runs meanwhile. 0; -EINTR: `*over`
 * became true; another -errno after a message that says why.
 */
int machine_wait_ready(struct machine *machine, struct event_base *base, const bool *over);

/* For machines: fill in the boot page, except the addresses and INTIDs of devices, and `pcpu`. */
void machine_boot_page(struct machine *machine, const struct machine_config *config,
                       uint64_t mem_base);

/* For machines: the areas of `memory`, by the layout. */
void machine_place(struct machine *machine);

/* For machines: copy the stub's answers out of the boot page. */
void machine_answers(struct machine *machine);

/* What only the first worker knows of a machine that is ready goes to the keeper. 0 or -errno. */
int machine_keep(const struct machine *machine);

/* Has an earlier worker kept one? */
bool machine_is_kept(void);

/* Would this vmm and these options take over the one that is kept? 0, or -errno after a message. */
int machine_check(const struct machine_config *config);

/*
 * For machines: fill in what machine_keep() has kept, and map the memory object `memory_fd`, which
 * is the machine's from here on. The areas in it, and the stub's answers, are the caller's to
 * find. 0, or -errno after a message.
 */
int machine_take_over(struct machine *machine, const struct machine_config *config, int memory_fd);
