/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gic/deliver.h"
#include "vmm/gic/state.h"
#include "vmm/gic/vgic.h"

/* ICC_SGI0R_EL1, ICC_SGI1R_EL1, ICC_ASGI1R_EL1 (IHI 0069, 12.2.19) have one format. */
#define SGIR_TARGET_LIST(v) ((uint32_t)(v)&0xffffu)
#define SGIR_AFF1(v)        ((uint32_t)((v) >> 16) & 0xffu)
#define SGIR_INTID(v)       ((unsigned)((v) >> 24) & 0xfu)
#define SGIR_AFF2(v)        ((uint32_t)((v) >> 32) & 0xffu)
#define SGIR_IRM            (1ull << 40)
#define SGIR_RS(v)          ((uint32_t)((v) >> 44) & 0xfu)
#define SGIR_AFF3(v)        ((uint32_t)((v) >> 48) & 0xffu)

static bool is_target(uint32_t affinity, uint64_t value)
{
    uint32_t cluster = SGIR_AFF3(value) << 24 | SGIR_AFF2(value) << 16 | SGIR_AFF1(value) << 8;
    uint32_t aff0 = affinity & 0xffu;

    return (affinity & ~0xffu) == cluster && aff0 >> 4 == SGIR_RS(value) &&
           (SGIR_TARGET_LIST(value) >> (aff0 & 0xfu) & 1u);
}

uint64_t vgic_sgi(struct vgic *vgic, unsigned source, enum vgic_sgi_reg which, uint64_t value,
                  uint64_t except)
{
    const struct vgic_state *state = vgic->state;
    uint64_t injected = 0;

    for (unsigned vcpu = 0; vcpu < state->nr_vcpus; vcpu++) {
        struct vgic_ref ref = state_ref(vgic, vcpu, SGIR_INTID(value));

        if (value & SGIR_IRM ? vcpu == source : !is_target(state->vcpu[vcpu].affinity, value))
            continue;
        if (except >> vcpu & 1)
            continue;
        /*
         * With GICD_CTLR.DS=1, ICC_SGI1R_EL1 generates an SGI of whichever group it
         * is configured to; the other two generate only group 0: there is no
         * second security state for ICC_ASGI1R_EL1 to mean.
         */
        if (which != VGIC_SGI1R && (ref.irq->bits & IRQ_GROUP1))
            continue;
        ref.irq->bits |= IRQ_LATCH;
        if (deliver_update(vgic, ref))
            injected |= 1ull << vcpu;
    }
    deliver_backlog(vgic);
    return injected;
}
