/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's GICv3 (IHI 0069): distributor and redistributors, emulated. The
 * CPU interface and the list registers are real; the vgic reaches them only by
 * `struct vgic_ops`.
 *
 * Architecture seen by the guest: one security state (GICD_CTLR.DS and ARE are
 * RAO/WI), both groups, 16 SGIs and 16 PPIs per vCPU, 256 SPIs, message-based
 * SPIs, affinity and 1-of-N routing, 5 bits of priority. No LPIs, no extended
 * ranges, no NMIs.
 *
 * Single-threaded. No function blocks other than in the ops.
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

#define VGIC_DIST_SIZE   0x10000u /* GICD, one */
#define VGIC_REDIST_SIZE 0x20000u /* GICR, each vCPU: RD_base, then SGI_base */

/*
 * What the vgic asks of a vCPU's list registers. Every vCPU takes these at any
 * time, also one that was never started. Commands to one vCPU take effect in
 * the order of the calls. An "entry" is an INTID's list register, or its place
 * in the queue for one; a vCPU has at most one entry for an INTID.
 */
struct vgic_ops {
    /*
     * RV_COMMAND_INJECT. `flags`: RV_IRQ_PENDING and/or RV_IRQ_ACTIVE,
     * priority, RV_IRQ_GROUP1, RV_IRQ_EOI. An existing entry gets these states
     * and RV_IRQ_EOI in addition to its own, and the new priority and group.
     * With RV_IRQ_EOI, vgic_eoi() must follow when the guest has deactivated
     * the entry and it is neither pending nor active any more. 0 or -errno:
     * nothing was changed, and the vgic tries again later. The vgic never has
     * more than VGIC_MAX_HELD entries of its own in one vCPU.
     */
    int (*inject)(void *ctx, unsigned vcpu, unsigned intid, uint32_t flags);
    /*
     * RV_COMMAND_RETRACT: takes the states of `mask` (RV_LR_*) from the entry,
     * which ends when none is left (without vgic_eoi). Returns the states that
     * it had before, 0 if there is none, or -errno. For a direct entry (HW=1)
     * it also deactivates the physical interrupt, so that a line which is still
     * high, and enabled, comes again.
     */
    int (*retract)(void *ctx, unsigned vcpu, unsigned intid, uint32_t mask);
    /* RV_COMMAND_SAVE of RV_GROUP_GIC. 0 or -errno. The copy is not trusted. */
    int (*save)(void *ctx, unsigned vcpu, struct rv_gic *out);
    /*
     * RV_COMMAND_SET_DIRECT. `flags`: priority, RV_IRQ_GROUP1, RV_IRQ_ENABLED
     * (else the physical interrupt is masked). The n-th different `pintid` of a
     * vCPU is its direct entry n; the vgic announces
     * them to all vCPUs in the same order. 0 or -errno.
     */
    int (*set_direct)(void *ctx, unsigned vcpu, unsigned pintid, unsigned vintid, uint32_t flags);
};

#define VGIC_MAX_HELD (RV_VCPU_IRQS - 16u - RV_MAX_DIRECT) /* 16: list registers, at most */

struct vgic_state;

/* The handle. All that the guest can see is in `state`; nothing of it is here. */
struct vgic {
    const struct vgic_ops *ops;
    void *ctx;
    struct vgic_state *state;
};

/* Bytes of state for so many vCPUs; 0: more than RV_MAX_VCPUS, or none. */
size_t vgic_state_size(unsigned nr_vcpus);

/*
 * Makes a GIC in its reset state in `state` (vgic_state_size() bytes, 8-byte
 * aligned). `mpidr[n]` is what vCPU n's MPIDR_EL1 reads. Calls no op.
 * 0; -EINVAL: bad count, size or alignment, or two vCPUs of one affinity.
 */
int vgic_init(struct vgic *vgic, void *state, size_t size, unsigned nr_vcpus, const uint64_t *mpidr,
              const struct vgic_ops *ops, void *ctx);

/*
 * Takes over the state that another vgic left (a restart of the vmm, a
 * snapshot). The bytes are checked. Calls no op: vgic_resync() comes next, when
 * the vCPUs can take commands. 0, or -EINVAL.
 */
int vgic_attach(struct vgic *vgic, void *state, size_t size, const struct vgic_ops *ops, void *ctx);

/*
 * Compares with what the list registers really hold, and brings both in
 * agreement: interrupts on their way when the former vmm ended are neither lost
 * nor stuck. 0, or what op save said.
 */
int vgic_resync(struct vgic *vgic);

/* GIC reset. Wires keep their level: the devices' own reset lowers them. */
void vgic_reset(struct vgic *vgic);

/*
 * `intid` (PPI or SPI) is injected by the stub itself, from the physical
 * interrupt of the same number; here is only its configuration. At set-up,
 * before the guest runs. 0; -EINVAL: not a PPI or SPI; -ENOSPC: more than
 * RV_MAX_DIRECT; or what op set_direct said.
 */
int vgic_set_direct(struct vgic *vgic, unsigned intid);

/*
 * The wire of a PPI (of that vCPU) or SPI (`vcpu` does not count) is high or
 * low. 0; -EINVAL: no such wire, or it is direct.
 */
int vgic_set_line(struct vgic *vgic, unsigned vcpu, unsigned intid, bool high);

/* RV_EVENT_EOI came. 0; -EINVAL: no such vCPU or INTID. Late and extra calls do no harm. */
int vgic_eoi(struct vgic *vgic, unsigned vcpu, unsigned intid);

/*
 * vCPU `vcpu` wrote `intid` to ICC_DIR_EL1 and it trapped (ICH_HCR_EL2.TDIR). An
 * INTID that is not active there is ignored, as the architecture allows.
 */
void vgic_dir(struct vgic *vgic, unsigned vcpu, uint32_t intid);

/*
 * vCPU `vcpu`, in an exit, loses its CPU interface (a power-down), or the vmm changes a
 * register of it (ICC_PMR_EL1, ICC_CTLR_EL1): between these two calls the core saves the
 * GIC group and loads it again. _begin keeps direct interrupts from coming between save
 * and load; _end lets them come, and looks for the ends of interrupts that the load has
 * made the stub forget.
 */
void vgic_cpu_restart_begin(struct vgic *vgic, unsigned vcpu);
void vgic_cpu_restart_end(struct vgic *vgic, unsigned vcpu);

/*
 * vCPU `source` wrote `value` to ICC_SGI0R_EL1, ICC_SGI1R_EL1 or ICC_ASGI1R_EL1.
 * Returns the vCPUs (bit n: vCPU n) into which an interrupt was injected.
 */
uint64_t vgic_sgi(struct vgic *vgic, unsigned source, enum vgic_sgi_reg which, uint64_t value);

/*
 * Bus regions; the opaque pointer is the struct vgic. The second covers the
 * redistributors of all vCPUs, VGIC_REDIST_SIZE each, in the order of the vCPUs.
 * Accesses that the GIC does not define are RAZ/WI, never an abort.
 */
extern const struct bus_ops vgic_dist_bus_ops;
extern const struct bus_ops vgic_redist_bus_ops;
