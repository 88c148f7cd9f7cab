/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/vcpu.h"

#include <errno.h>
#include <string.h>

#include "vmm/cpu/pcpu.h"
#include "vmm/gic/page_irqs.h"

uint64_t vcpu_get_x(const struct vcpu *vcpu, unsigned reg)
{
    return reg < 31 ? vcpu->page->x[reg] : 0;
}

void vcpu_set_x(struct vcpu *vcpu, unsigned reg, uint64_t value)
{
    if (reg < 31)
        vcpu->page->x[reg] = value;
}

int vcpu_fetch(struct vcpu *vcpu, uint32_t groups)
{
    uint32_t missing = groups & ~vcpu->fetched;
    struct rv_command save = {
        .op = RV_COMMAND_SAVE,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .arg[0] = missing,
    };

    if (!missing)
        return 0;
    if (!vcpu->pcpu || pcpu_call(vcpu->pcpu, &save, NULL))
        return -EIO;
    if (missing & RV_GROUP_GIC && page_irqs_saved(&vcpu->page->gic, vcpu->pcpu->machine->nr_lrs))
        vcpu->renew = true;
    vcpu->fetched |= missing;
    return 0;
}

void vcpu_give(struct vcpu *vcpu)
{
    struct rv_vcpu_page *page = vcpu->page;

    memcpy(page->direct, vcpu->direct, sizeof(page->direct));
    if (vcpu->posted)
        memcpy(page->posted, vcpu->posted, sizeof(page->posted));
}

void vcpu_mark_dirty(struct vcpu *vcpu, uint32_t groups)
{
    vcpu->dirty |= groups & ~RV_GROUP_GPR;
}

int vcpu_flush(struct vcpu *vcpu)
{
    struct rv_command load;

    if (!vcpu->dirty || !vcpu->pcpu)
        return 0;
    load = (struct rv_command){
        .op = RV_COMMAND_LOAD,
        .vcpu = (uint16_t)vcpu->number,
        .vm = (uint16_t)vcpu->vm_id,
        .arg[0] = vcpu->dirty,
    };
    vcpu->dirty = 0;
    return pcpu_push(vcpu->pcpu, &load);
}

/* The values that the architecture gives a reset, and where it gives none, zero. */
#define PSTATE_EL1H_DAIF 0x3c5u
#define SCTLR_EL1_RES1   0x30d00980ull /* Arm ARM D19.2.120: as an Armv8.0 CPU has it */

void vcpu_reset(struct vcpu *vcpu, uint64_t entry, uint64_t x0, uint64_t cntvoff)
{
    struct rv_vcpu_page *page = vcpu->page;

    memset(page, 0, sizeof(*page));
    vcpu_give(vcpu);
    page->x[0] = x0;
    page->pc = entry;
    page->pstate = PSTATE_EL1H_DAIF;
    page->el1.sctlr_el1 = SCTLR_EL1_RES1;
    page->el1.vmpidr_el2 = vcpu->mpidr;
    page->el1.vpidr_el2 = vcpu->midr;
    page->el1.hcr_el2 = vcpu->hcr;
    page->timer.cntvoff = cntvoff;
    vcpu->fetched = RV_GROUPS_ALL;
    vcpu->dirty = 0;
}

void vcpu_keep_irqs(struct vcpu *vcpu, const struct rv_gic *before)
{
    struct rv_gic *gic = &vcpu->page->gic;

    *gic = *before;
    gic->vmcr = gic->ap0r0 = gic->ap1r0 = 0;
}

int vcpu_restart(struct vcpu *vcpu, uint64_t entry, uint64_t x0)
{
    struct rv_vcpu_page *page = vcpu->page;
    uint32_t lost = RV_GROUPS_ALL & ~RV_GROUP_TIMER;
    struct rv_timer timer;
    struct rv_gic gic;
    int error;

    vcpu->fetched &= ~RV_GROUP_GIC; /* an earlier copy may lack what came since */
    error = vcpu_fetch(vcpu, RV_GROUP_GIC);
    if (error)
        return error;
    timer = page->timer;
    gic = page->gic;
    vcpu_reset(vcpu, entry, x0, 0);
    page->timer = timer;
    vcpu_keep_irqs(vcpu, &gic);
    vcpu->fetched = lost; /* the timer group of the page was not fetched */
    vcpu_mark_dirty(vcpu, lost);
    return 0;
}

int vcpu_set_vmcr(struct vcpu *vcpu, uint64_t mask, uint64_t bits)
{
    struct rv_gic *gic = &vcpu->page->gic;
    int error;

    vcpu->fetched &= ~RV_GROUP_GIC; /* an earlier copy may lack what came since */
    error = vcpu_fetch(vcpu, RV_GROUP_GIC);
    if (error)
        return error;
    gic->vmcr = (gic->vmcr & ~mask) | bits;
    vcpu_mark_dirty(vcpu, RV_GROUP_GIC);
    error = vcpu_flush(vcpu);
    vcpu->fetched &= ~RV_GROUP_GIC; /* more may come before the guest resumes */
    return error;
}
