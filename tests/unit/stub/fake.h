/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processor, the GIC and the machine that the stub runs on in the tests, and
 * what the vmm's side of the rings does in them. All of it starts from
 * fake_reset(). Several cores take turns: fake_core is the one that runs.
 */
#pragma once

#include <setjmp.h>

#include "arch.h"
#include "el2stub/stub.h"

#define FAKE_CORES  3u
#define FAKE_VCPUS  4u
#define FAKE_GB     (1ull << 30)
#define FAKE_TABLES 64u /* table pages in the pool, unless a test wants fewer */
#define FAKE_POOL   (FAKE_TABLES + 16 * RV_MAX_VMS) /* and the VMs' roots */

#define FAKE_LINE 4ull /* CTR_EL0.DminLine: data cache lines of 64 bytes */

#define FAKE_MAINTENANCE 25u
#define FAKE_DOORBELL    40u
#define FAKE_GICD        0x08000000ull
#define FAKE_GICR        0x080a0000ull
#define FAKE_GICR_STEP   0x20000ull

/* The redistributor's registers that the stub uses, one bit for each SGI and PPI. */
struct fake_gicr {
    uint32_t enabled, active, pending, group, waker;
    uint32_t priority[8];
    bool sleepless;     /* ChildrenAsleep does not clear */
    unsigned masking;   /* loads of GICR_CTLR until RWP is clear: what was masked may still come */
    bool active_is_due; /* a store to GICR_ISACTIVER0 or ICACTIVER0 has not taken effect for sure */
};

#define FAKE_COUNTERS    6u    /* event counters of the PMU */
#define FAKE_SVE_LENGTHS 0x8bu /* vector lengths: 16, 32, 64 and 128 bytes; as stub_sve */

struct fake_core {
    uint64_t reg[FAKE_NR_REGISTERS];
    uint64_t evcntr[31], evtyper[31];
    uint8_t z[32][RV_SVE_VL_MAX];     /* V<n> is the low end of Z<n> */
    uint8_t p[17][RV_SVE_VL_MAX / 8]; /* the last: FFR */
    /* One was written, and there was no ISB since: PMSELR_EL0; CPTR_EL2, ZCR_EL2; a list register. */
    bool unsynchronized_pmu, unsynchronized_sve, unsynchronized_lr;
    struct fake_gicr gicr;
    uint32_t kicks;   /* SGIs that were sent to it */
    uint32_t irq[16]; /* physical INTIDs that ICC_IAR1_EL1 gives, in this order */
    uint32_t nr_irqs;
};

struct fake {
    struct fake_core core[FAKE_CORES];
    uint32_t gicd_ctlr, gicd_group, gicd_enable;
    uint8_t gicd_priority;    /* of the doorbell */
    uint32_t gicd_masked[32]; /* what was written to GICD_ICENABLER<n> */
    unsigned clamps[1024];    /* by size: indices that speculation cannot take beyond their array */
    uint64_t gicd_router;
    uint32_t gicd_pended[32];  /* what was written to GICD_ISPENDR<n> */
    uint64_t spi_router[1024]; /* GICD_IROUTER<n> of those that are not the doorbell */
    uint64_t doorbell_kicks;   /* what platform_doorbell_kicks() says, once */
    unsigned doorbells;        /* calls of platform_doorbell_ring() */
    /* Maintenance, one letter each: see arch.h; V, E: writes of VTTBR_EL2, TCR_EL1. */
    char trace[64];
    unsigned traced;
    unsigned flushes_guests, flushes_vcpu;
    unsigned sleeps;
    uint64_t changed_start, changed_size; /* the last platform_memory_changed() */
    unsigned changes;
    unsigned relaxes;
    uint32_t deactivated[16]; /* what was written to ICC_DIR_EL1 */
    unsigned nr_deactivated;
    uint64_t translated, par; /* the last address of AT, and what stage 1 says of any */
    uint32_t nr_counters;
    uint64_t sve_lengths;

    /* Hooks; NULL: nothing. */
    void (*on_relax)(void);
    void (*on_sleep)(void); /* default: back to fake_serve(), which returns false */
    void (*on_read)(enum fake_register reg);
    void (*on_write)(enum fake_register reg, uint64_t value);
    void (*on_clean)(uint64_t va);
    void (*on_mmu_on)(void);
};

extern struct fake fake;
extern struct fake_core *fake_core;
extern struct rv_vcpu_page *fake_pages; /* the shared vCPU pages */

/* Everything as after boot: no VM; nothing in the rings. nr_lrs list registers. */
void fake_reset(uint32_t nr_lrs);

/* The core that runs from here on. Returns its struct pcpu. */
struct pcpu *fake_use(uint32_t core);

/* A register of the running core. */
#define REG(name) (fake_core->reg[REG_##name])

/* The list register `n` of the running core. */
uint64_t *fake_lr(uint32_t n);

/* boot.features from the next fake_reset() on. */
extern uint64_t fake_features;

/* `tables` pages more for the stub's tables, which are all that is left. */
void fake_pool(uint32_t tables);

/* exit_serve(): true: the guest may run; false: the core sleeps. */
bool fake_serve(struct pcpu *pcpu);

/* Call it where the core sleeps: `call` may be any handler. True: it returned. */
bool fake_run(struct pcpu *pcpu, void (*call)(struct pcpu *pcpu));

/* The vmm's side of the rings. */
void fake_command(struct pcpu *pcpu, const struct rv_command *command);
bool fake_event(struct pcpu *pcpu, struct rv_event *event);

/* VM `vm` with RAM [vm GB, vm + 1 GB) behind boot.ram_offset. */
void fake_create_vm(uint16_t vm);

/* A vCPU of a VM, resting in a page that may be loaded. */
void fake_create_vcpu(uint16_t vcpu, uint16_t vm);

/* In the page of a vCPU: the stub injects the SGI or PPI, when it has loaded that. */
#define FAKE_DIRECT(vcpu, intid) fake_pages[vcpu].direct[intid]

/* Do one command on a core and return its only event; type 0: none. */
struct rv_event fake_do(struct pcpu *pcpu, struct rv_command command);

/* The same, and it must be acknowledged: RV_STATUS_OK, the tag. Returns the event. */
struct rv_event fake_ok(struct pcpu *pcpu, struct rv_command command);

/* xorshift: tests that say "random" are the same on each run. */
uint64_t fake_random(void);
void fake_seed(uint64_t seed);
