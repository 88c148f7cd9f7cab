/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual CPU as the vmm sees it. Its registers are live in the core that
 * runs it; what the vmm needs of them it fetches into the vCPU page, and what
 * it changed goes back before the guest resumes.
 *
 * All of this may be used only while the vCPU is stopped in a blocking exit (or
 * has never run): that is when exit handlers run.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/vcpu.h"
#include "vmm/util/types.h"

struct pcpu;
struct pvtime_region;

struct vcpu {
    struct pcpu *pcpu;            /* where it is live; NULL: nowhere, all of it is in the page */
    unsigned number;              /* the stub's: among all vCPUs of the machine */
    unsigned index;               /* 0 .. the VM's count - 1 */
    unsigned vm_id;               /* the stub's */
    void *vm;                     /* the struct vm that handles its events */
    uint64_t mpidr, midr;         /* what MPIDR_EL1 and MIDR_EL1 read */
    uint64_t hcr;                 /* RV_HCR_BITS that it always has */
    uint32_t direct_enabled;      /* bit n: the physical PPI n is injected directly */
    uint64_t stolen_ns;           /* since its VM's reset: it was ready to run, and had no pCPU */
    struct pvtime_region *pvtime; /* where the guest reads that, or NULL */
    struct rv_vcpu_page *page;    /* shared with the stub: nothing in it is trusted */
    uint32_t fetched;             /* RV_GROUP_*: current in the page */
    uint32_t dirty;               /* RV_GROUP_*: changed in the page, to be loaded */
};

/* x0-x30; register 31 reads as zero and ignores writes. */
uint64_t vcpu_get_x(const struct vcpu *vcpu, unsigned reg);
void vcpu_set_x(struct vcpu *vcpu, unsigned reg, uint64_t value);

/*
 * Make the groups current in the page. They come by a command if they are not
 * there yet. 0, or -EIO when the stub does not answer (the machine is lost).
 */
int vcpu_fetch(struct vcpu *vcpu, uint32_t groups);

/* The groups were changed in the page: they are loaded before the guest resumes. */
void vcpu_mark_dirty(struct vcpu *vcpu, uint32_t groups);

/* Push the command that loads what is dirty; the reply follows it in the ring. 0 or -EIO. */
int vcpu_flush(struct vcpu *vcpu);

/*
 * All registers as after power-on, in the page of a vCPU that is live nowhere:
 * EL1h at `entry`, MMU off, interrupts masked, `x0` in x0, the rest 0.
 */
void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t x0, uint64_t cntvoff);

/*
 * The same for a vCPU in a blocking exit, whose core comes out of power-down:
 * but its timers go on, and its pending and active interrupts stay. All but the
 * timers is dirty then. The GIC group in the page may not get out of date before
 * it is loaded: see vgic_cpu_restart_begin(). 0 or -EIO.
 */
int vcpu_restart(struct vcpu *vcpu, uint64_t entry, uint64_t x0);

/*
 * In ICH_VMCR_EL2 of a vCPU in a blocking exit, `bits` replace those of `mask`. All of the
 * GIC group is saved and loaded for it: vgic_cpu_restart_begin() comes before, and
 * vgic_cpu_restart_end() after. 0 or -EIO.
 */
int vcpu_set_vmcr(struct vcpu *vcpu, uint64_t mask, uint64_t bits);
