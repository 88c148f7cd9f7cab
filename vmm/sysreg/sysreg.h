/* SPDX-License-Identifier: BSD-2-Clause */
/* System registers and instructions that trap with EC 0x18. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exit/decode.h"
#include "vmm/gic/sgi.h"
#include "vmm/sysreg/idregs.h"

/*
 * What one vCPU's emulated registers hold: guest-visible state, plain bytes, in the state area.
 */
struct sysreg_cpu {
    uint8_t os_lock; /* OSLSR_EL1.OSLK */
    uint8_t dbgprcr; /* DBGPRCR_EL1.CORENPDRQ */
    uint8_t claim;   /* DBGCLAIMSET_EL1: the tags that are set */
    uint8_t mdccint; /* MDCCINT_EL1: RX, TX */
    uint8_t pad[4];
};
_Static_assert(sizeof(struct sysreg_cpu) == 8, "sysreg state layout");

struct rv_gic;
struct rv_debug;

/* What all vCPUs of a VM share. */
struct sysreg {
    uint64_t id[IDREGS_COUNT]; /* made by idregs_filter */
    /*
     * A write of ICC_SGI0R_EL1, ICC_SGI1R_EL1 or ICC_ASGI1R_EL1: the vCPUs to kick. `reached`: see
     * struct sysreg_access.
     */
    uint64_t (*sgi)(void *opaque, unsigned vcpu, enum vgic_sgi_reg which, uint64_t value,
                    uint64_t reached);
    /* A write of ICC_DIR_EL1, which traps while the stub has more interrupts than list registers. */
    void (*deactivate)(void *opaque, unsigned vcpu, uint32_t intid);
    /* The vCPU's CPU interface (RV_GROUP_GIC). 0 or -errno: the machine is lost. */
    int (*gic)(void *opaque, unsigned vcpu, struct rv_gic *out);
    /* In the vCPU's ICH_VMCR_EL2 `bits` replace those of `mask`. 0 or -errno, as above. */
    int (*set_vmcr)(void *opaque, unsigned vcpu, uint64_t mask, uint64_t bits);
    /* The guest's debug registers (NULL: the machine is lost); and one of them was changed. */
    struct rv_debug *(*debug)(void *opaque, unsigned vcpu);
    void (*debug_written)(void *opaque, unsigned vcpu);
    /* Cache maintenance by set and way, its key and operand. NULL: there is nothing to do. */
    void (*set_way)(void *opaque, unsigned vcpu, uint16_t key, uint64_t operand);
    void *opaque;
};

struct sysreg_access {
    const struct exit_sysreg *reg;
    unsigned vcpu;    /* index of the vCPU that does it */
    uint64_t pc;      /* for the log */
    uint64_t value;   /* in: what is written; out: what is read */
    uint64_t reached; /* in: vCPUs, by the stub's number, that got this SGI from the stub */
    uint64_t kick;    /* out: vCPUs to kick */
    bool lost;        /* out: the machine is lost, and the guest cannot go on */
    bool undefined;   /* out: this CPU does not have the register */
};

/* The state after a cold reset. */
void sysreg_reset(struct sysreg_cpu *cpu);

/* False: the access is UNDEFINED. */
bool sysreg_emulate(const struct sysreg *sysreg, struct sysreg_cpu *cpu,
                    struct sysreg_access *access);

/*
 * What sysreg_emulate() does for the access, in words. Not `defined`: why it is
 * UNDEFINED, or NULL where there is no more to say than that.
 */
const char *sysreg_effect(const struct exit_sysreg *reg, bool *defined);

/* The name of a register or instruction, or of the group that it belongs to. NULL: unknown. */
const char *sysreg_name(uint16_t key);
