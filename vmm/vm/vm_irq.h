/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the vgic and the list registers: live ones by command, the others in the page. */
#pragma once

#include "vmm/sysreg/sysreg.h"
#include "vmm/gic/vgic.h"

/* Their context is the struct vm. */
extern const struct vgic_ops vm_irq_ops;
uint64_t vm_irq_sgi(void *opaque, unsigned vcpu, enum vgic_sgi_reg which, uint64_t value,
                    uint64_t reached);
void vm_irq_deactivate(void *opaque, unsigned vcpu, uint32_t intid);
int vm_irq_set_vmcr(void *opaque, unsigned vcpu, uint64_t mask, uint64_t bits);
