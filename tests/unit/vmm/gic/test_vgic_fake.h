/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stand-in for the cores under the vgic: entries of list registers, the
 * guest's acknowledge and end of interrupt, direct interrupts, and EOI events
 * that arrive as late as the test wants.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/gic/vgic.h"

#define FAKE_VCPUS    4u
#define FAKE_ENTRIES  RV_VCPU_IRQS
#define FAKE_STACK    64u
#define FAKE_EVENTS   1024u
#define FAKE_SPURIOUS 1023u

struct fake_entry {
    unsigned intid;
    uint32_t flags;
    uint32_t state; /* RV_LR_* */
    bool hw;
};

struct fake_direct {
    unsigned intid;
    uint32_t flags;
    bool line;
    bool phys_active;
};

struct fake_vcpu {
    struct fake_entry entry[FAKE_ENTRIES];
    unsigned count;
    struct {
        unsigned intid;
        uint32_t priority;
    } running[FAKE_STACK];
    unsigned depth;
    uint32_t vmcr;
    struct fake_direct direct[VGIC_MAX_DIRECT];
    unsigned nr_direct;
};

struct fake_event {
    unsigned vcpu;
    unsigned intid;
};

struct fake {
    struct vgic vgic;
    void *state;
    size_t state_size;
    unsigned nr_vcpus;
    struct fake_vcpu vcpu[FAKE_VCPUS];
    struct fake_event event[FAKE_EVENTS];
    unsigned nr_events;
    unsigned injects;
    unsigned retracts;
    unsigned saves;
    unsigned set_directs;
    int inject_error; /* what inject shall fail with */
    bool swift;       /* the guest ends and takes an interrupt right when it is injected again */
};

extern const uint64_t fake_mpidr[FAKE_VCPUS];
extern const struct vgic_ops fake_ops;

struct fake *fake_new(unsigned nr_vcpus);
void fake_free(struct fake *fake);
/* All commands since the last call. */
unsigned fake_commands(struct fake *fake);

struct fake_entry *fake_find(struct fake *fake, unsigned vcpu, unsigned intid);
/* RV_LR_* of an entry, 0 if there is none. */
uint32_t fake_state(struct fake *fake, unsigned vcpu, unsigned intid);
/* The guest reads ICC_IAR; FAKE_SPURIOUS if nothing is to be taken. */
unsigned fake_ack(struct fake *fake, unsigned vcpu);
/* The guest ends the interrupt that it took last (priority drop and deactivate). */
void fake_eoi(struct fake *fake, unsigned vcpu);
uint32_t fake_running(const struct fake *fake, unsigned vcpu);
/* The oldest EOI event goes to the vgic; all of them. */
void fake_event(struct fake *fake);
void fake_events(struct fake *fake);
void fake_direct_line(struct fake *fake, unsigned vcpu, unsigned intid, bool high);

/* The guest's accesses. */
uint64_t gicd_read(struct fake *fake, uint32_t offset, unsigned size);
void gicd_write(struct fake *fake, uint32_t offset, unsigned size, uint64_t value);
uint64_t gicr_read(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned size);
void gicr_write(struct fake *fake, unsigned vcpu, uint32_t offset, unsigned size, uint64_t value);

#define SGI_BASE 0x10000u
/* Offsets of the banked registers, the same in the distributor and from SGI_base. */
#define IGROUPR    0x080u
#define ISENABLER  0x100u
#define ICENABLER  0x180u
#define ISPENDR    0x200u
#define ICPENDR    0x280u
#define ISACTIVER  0x300u
#define ICACTIVER  0x380u
#define IPRIORITYR 0x400u
#define ICFGR      0xc00u
#define IROUTER    0x6000u
#define SETSPI     0x040u
#define CLRSPI     0x048u
#define WAKER      0x014u

/* One INTID's bit in a banked register of set/clear kind; its priority; edge or level. */
void guest_bit(struct fake *fake, unsigned vcpu, uint32_t bank, unsigned intid);
bool guest_test(struct fake *fake, unsigned vcpu, uint32_t bank, unsigned intid);
void guest_priority(struct fake *fake, unsigned vcpu, unsigned intid, uint8_t priority);
void guest_group(struct fake *fake, unsigned vcpu, unsigned intid, bool group1);
void guest_edge(struct fake *fake, unsigned vcpu, unsigned intid, bool edge);
void guest_route(struct fake *fake, unsigned intid, uint64_t router);
/* Group 1, enabled, this priority. */
void guest_setup(struct fake *fake, unsigned vcpu, unsigned intid, uint8_t priority);
