/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's GICv3 (IHI 0069). The vgic emulates distributor and redistributors. The
 * CPU interface and the list registers are the CPU's; the vgic reaches them only
 * through `struct vgic_ops`.
 *
 * Architecture seen by the guest: one security state (GICD_CTLR.DS and ARE are
 * RAO/WI), both groups, 16 SGIs and 16 PPIs per vCPU, 256 SPIs, message-based
 * SPIs, affinity and 1-of-N routing, 5 bits of priority. No LPIs, no extended
 * ranges, no NMIs.
 *
 * The vgic is single-threaded. Its functions block only in the ops.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/boot.h"
#include "proto/message.h"
#include "proto/vcpu.h"
#include "vmm/gic/sgi.h"
#include "vmm/vm/bus.h"

#define VGIC_NR_PRIVATE 32u  /* SGIs 0-15 and PPIs 16-31 */
#define VGIC_NR_SPIS    256u /* INTID 32 and up */
#define VGIC_NR_INTIDS  (VGIC_NR_PRIVATE + VGIC_NR_SPIS)
#define VGIC_MAX_DIRECT 8u /* PPIs and SPIs that the stub injects by itself */

#define VGIC_DIST_SIZE   0x10000u /* GICD, one */
#define VGIC_REDIST_SIZE 0x20000u /* GICR, each vCPU: RD_base, then SGI_base */

/*
 * Operations on a vCPU's list registers. Every vCPU accepts them at any time, even
 * if it was never started. Operations on one vCPU take effect in the order of the
 * calls. An "entry" is an INTID's list register, or its place among those that wait
 * for one; a vCPU has at most one entry for an INTID.
 */
struct vgic_ops {
    /*
     * RV_COMMAND_INJECT. `flags`: RV_IRQ_PENDING and/or RV_IRQ_ACTIVE,
     * priority, RV_IRQ_GROUP1, RV_IRQ_EOI. An existing entry gets these states
     * and RV_IRQ_EOI in addition to its own, and the new priority and group.
     * With RV_IRQ_EOI, vgic_eoi() must follow when the guest has deactivated
     * the entry and it is neither pending nor active any more. 0, or -errno if
     * nothing changed: the vgic retries later. The vgic never has more than
     * VGIC_MAX_HELD entries of its own in one vCPU.
     */
    int (*inject)(void *ctx, unsigned vcpu, unsigned intid, uint32_t flags);
    /*
     * RV_COMMAND_RETRACT: removes the states of `mask` (RV_LR_*) from the entry.
     * When none is left, the entry ends (without vgic_eoi). Returns the states
     * that it had before, 0 if there is no entry, or -errno. When a direct entry
     * (HW=1) ends, this also deactivates the physical interrupt, so that a line
     * that is still high, and enabled, signals it again.
     */
    int (*retract)(void *ctx, unsigned vcpu, unsigned intid, uint32_t mask);
    /* RV_COMMAND_SAVE of RV_GROUP_GIC. 0 or -errno. The copy is not trusted. */
    int (*save)(void *ctx, unsigned vcpu, struct rv_gic *out);
    /*
     * RV_GROUP_DIRECT of the vCPU. `flags`: priority, RV_IRQ_GROUP1, VGIC_DIRECT_ENABLED
     * (else the physical interrupt is masked). 0 or -errno.
     */
    int (*set_direct)(void *ctx, unsigned vcpu, unsigned pintid, unsigned vintid, uint32_t flags);
};

/* Besides list registers (16 at most), direct PPIs, and SGIs. */
#define VGIC_MAX_HELD (RV_VCPU_IRQS - 16u - VGIC_MAX_DIRECT - 16u)

#define VGIC_DIRECT_ENABLED 0x0400u /* set_direct() */

struct vgic_state;

/* The handle. All state that the guest can see is in `state`. */
struct vgic {
    const struct vgic_ops *ops;
    void *ctx;
    struct vgic_state *state;
    struct undo *undo; /* is told before `state` changes; or NULL */
};

/* Bytes of state for `nr_vcpus` vCPUs; 0 if that is 0 or more than RV_MAX_VCPUS. */
size_t vgic_state_size(unsigned nr_vcpus);

/*
 * Makes a GIC in its reset state in `state` (vgic_state_size() bytes, 8-byte
 * aligned). `mpidr[n]` is the value of vCPU n's MPIDR_EL1. Calls no op.
 * 0; -EINVAL: bad count, size or alignment, or two vCPUs with the same affinity.
 */
int vgic_init(struct vgic *vgic, void *state, size_t size, unsigned nr_vcpus, const uint64_t *mpidr,
              const struct vgic_ops *ops, void *ctx);

/*
 * Takes over the state that another vgic left (a restart of the vmm, a snapshot),
 * and checks its bytes. Calls no op. Call vgic_resync() next, once the vCPUs can
 * take commands. 0, or -EINVAL.
 */
int vgic_attach(struct vgic *vgic, void *state, size_t size, const struct vgic_ops *ops, void *ctx);

/* Is what was attached the GIC of these vCPUs, as vgic_init() was given them? */
bool vgic_has_vcpus(const struct vgic *vgic, unsigned nr_vcpus, const uint64_t *mpidr);

/*
 * Compares the state with the contents of the list registers and makes both agree, so
 * that interrupts in flight when the former vmm ended are neither lost nor stuck. 0, or
 * what op save returned.
 */
int vgic_resync(struct vgic *vgic);

/*
 * The flags, but for states, with which op inject would make the interrupt's entry anew: it reports
 * its end. False: it is of a direct interrupt other than an SGI, and its line tells.
 */
bool vgic_entry_flags(struct vgic *vgic, unsigned vcpu, unsigned intid, uint32_t *flags);

/* Resets the GIC. Wires keep their level: the devices' own reset lowers them. */
void vgic_reset(struct vgic *vgic);

/*
 * Lets the stub inject `intid` (PPI or SPI) itself, from the physical interrupt with the
 * same number; the vgic has only its configuration. Call it at set-up, before the guest
 * runs. 0; -EINVAL: not a PPI or SPI; -ENOSPC: more than VGIC_MAX_DIRECT; or what op
 * set_direct returned.
 */
int vgic_set_direct(struct vgic *vgic, unsigned intid);

/*
 * Lets the stub deliver SGIs that one running vCPU sends to others, without telling. Call it as
 * vgic_set_direct().
 */
void vgic_set_direct_sgis(struct vgic *vgic);

/*
 * Sets the wire of a PPI (of that vCPU) or SPI (`vcpu` has no meaning) high or low. 0;
 * -EINVAL: no such wire, or it is direct.
 */
int vgic_set_line(struct vgic *vgic, unsigned vcpu, unsigned intid, bool high);

/* On RV_EVENT_EOI. 0; -EINVAL: no such vCPU or INTID. Late and extra calls are harmless. */
int vgic_eoi(struct vgic *vgic, unsigned vcpu, unsigned intid);

/*
 * A write of `intid` to ICC_DIR_EL1 by vCPU `vcpu` trapped (ICH_HCR_EL2.TDIR or TC). The
 * vgic ignores an INTID that is not active there, as the architecture allows.
 */
void vgic_dir(struct vgic *vgic, unsigned vcpu, uint32_t intid);

/*
 * vCPU `vcpu`, in an exit, loses its CPU interface (a power-down), or the vmm changes a
 * register of it (ICC_PMR_EL1, ICC_CTLR_EL1): between these two calls the stub saves and
 * loads its GIC group. _begin keeps direct interrupts from coming between save and load.
 * _end lets them come again, and finds the interrupts whose end the stub has forgotten
 * because of the load.
 */
void vgic_cpu_restart_begin(struct vgic *vgic, unsigned vcpu);
void vgic_cpu_restart_end(struct vgic *vgic, unsigned vcpu);

/*
 * vCPU `source` wrote `value` to the register `which`. The vCPUs in `except` have the SGI already.
 * Returns the vCPUs (bit n: vCPU n) into which an interrupt was injected.
 */
uint64_t vgic_sgi(struct vgic *vgic, unsigned source, enum vgic_sgi_reg which, uint64_t value,
                  uint64_t except);

/*
 * Bus regions; their opaque pointer is the struct vgic. The second region covers the
 * redistributors of all vCPUs, VGIC_REDIST_SIZE each, in the order of the vCPUs.
 * Accesses that the GIC does not define are RAZ/WI, never an abort.
 */
extern const struct bus_ops vgic_dist_bus_ops;
extern const struct bus_ops vgic_redist_bus_ops;
