/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU as the vmm sees it. While it is live, its registers are in the pCPU
 * that runs it. The vmm fetches those that it needs into the vCPU page; those that it
 * changed are loaded before the guest resumes.
 *
 * Use these functions only while the vCPU is in a blocking exit, as exit handlers do,
 * or is live nowhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/vcpu.h"
#include "vmm/util/types.h"

struct pcpu;
struct pvtime_region;

struct vcpu {
    struct pcpu *pcpu;             /* where it is live; NULL: nowhere, the page has all its state */
    unsigned number;               /* the stub's: among all vCPUs of the machine */
    unsigned index;                /* 0 .. the VM's count - 1 */
    unsigned vm_id;                /* the stub's */
    void *vm;                      /* the struct vm that handles its events */
    uint64_t mpidr, midr;          /* what the guest reads in MPIDR_EL1 and MIDR_EL1 */
    uint64_t hcr;                  /* the RV_HCR_BITS that are always set */
    uint64_t direct[RV_NR_DIRECT]; /* as in the page */
    const struct rv_posted *posted; /* RV_MAX_POSTED windows, as in the page; NULL: none */
    uint64_t stolen_ns;             /* time ready to run without a pCPU, since its VM's reset */
    struct pvtime_region *pvtime;   /* where the guest reads `stolen_ns`, or NULL */
    struct rv_vcpu_page *page;      /* shared with the stub: nothing in it is trusted */
    uint32_t fetched;               /* RV_GROUP_*: current in the page */
    uint32_t dirty;                 /* RV_GROUP_*: changed in the page, to be loaded */
    bool renew;                     /* a fetch found what needs sched_renew() */
};

/* Put what the stub only reads there into the page: direct interrupts, posted windows. */
void vcpu_give(struct vcpu *vcpu);

/* x0-x30; register 31 reads as zero and ignores writes. */
uint64_t vcpu_get_x(const struct vcpu *vcpu, unsigned reg);
void vcpu_set_x(struct vcpu *vcpu, unsigned reg, uint64_t value);

/*
 * Make the groups current in the page, by a SAVE of those that are not. 0, or -EIO
 * when the stub does not answer (the machine is lost).
 */
int vcpu_fetch(struct vcpu *vcpu, uint32_t groups);

/* The page's groups were changed: they are loaded before the guest resumes. */
void vcpu_mark_dirty(struct vcpu *vcpu, uint32_t groups);

/* Push the LOAD of the dirty groups; the REPLY follows it in the ring. 0 or -EIO. */
int vcpu_flush(struct vcpu *vcpu);

/*
 * Set all registers in the page of a vCPU that is live nowhere as after power-on: EL1h
 * at `entry`, MMU off, interrupts masked, `x0` in x0, the rest at their reset values or 0.
 */
void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t x0, uint64_t cntvoff);

/*
 * After vcpu_reset(): give it back the interrupts that it had `before`. Only the CPU interface
 * is reset; what is pending and active is the distributor's knowledge.
 */
void vcpu_keep_irqs(struct vcpu *vcpu, const struct rv_gic *before);

/*
 * The same for a vCPU in a blocking exit, which leaves power-down: its timers continue,
 * and its pending and active interrupts remain. All groups but the timers are dirty
 * afterwards. The GIC group in the page must not get out of date before it is loaded: see
 * vgic_cpu_restart_begin(). 0 or -EIO.
 */
int vcpu_restart(struct vcpu *vcpu, uint64_t entry, uint64_t x0);

/*
 * In ICH_VMCR_EL2 of a vCPU in a blocking exit, `bits` replace those of `mask`. All of the
 * GIC group is saved and loaded for it: vgic_cpu_restart_begin() comes before, and
 * vgic_cpu_restart_end() after. 0 or -EIO.
 */
int vcpu_set_vmcr(struct vcpu *vcpu, uint64_t mask, uint64_t bits);
