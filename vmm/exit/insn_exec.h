/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Executing a load or store that trapped, as bus accesses one after another.
 *
 * Two phases. First all that may fault by address is found out: alignment, then
 * the translation of each page. Then the bus is accessed, in ascending order.
 * Registers, writeback included, are written last, when nothing can fail any
 * more. So after a fault the instruction has done nothing but, when a device
 * refused one of several accesses, the accesses before that one; that much the
 * architecture allows (Arm ARM B2.2, "Atomicity in the Arm architecture").
 *
 * An element that is aligned to its size is one access, except that 16 bytes are
 * two. One that is not goes in the largest naturally aligned pieces.
 *
 * Where the architecture leaves a choice (CONSTRAINED UNPREDICTABLE), this is it:
 * - writeback to a register that is also loaded: the written-back address stays;
 * - one that is also stored: its value from before the instruction is stored;
 * - a load pair into one register: that keeps the second value;
 * - a store-exclusive whose status register is also its base or data: works;
 * - should-be-one register fields: ignored.
 * - A store-exclusive fails: status 1, no access. An exit and the return from it
 *   clear the local monitor, so the load-exclusive before it left nothing.
 * - CAS that finds another value does not write; but it must be permitted to.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exit/insn.h"
#include "vmm/types.h"

#define INSN_ZVA_MAX 2048u /* DCZID_EL0.BS is at most 9 */

/* What a page's translation says. */
struct insn_page {
    ipa_t ipa;
    bool device; /* stage 1 says a Device type: accesses must be aligned, DC ZVA faults */
};

/*
 * The machine that executes. Registers: X 0 to 30 only, V 0 to 31 with the low
 * half first. `read` gives a value with the bits above `size` zero or not, as it
 * likes; byte 0 of memory is in bits 7 to 0 whatever the guest's byte order.
 */
struct insn_ops {
    uint64_t (*get_x)(void *opaque, unsigned reg);
    void (*set_x)(void *opaque, unsigned reg, uint64_t value);
    uint64_t (*get_sp)(void *opaque);
    void (*set_sp)(void *opaque, uint64_t value);
    void (*get_v)(void *opaque, unsigned reg, uint64_t value[2]);
    void (*set_v)(void *opaque, unsigned reg, const uint64_t value[2]);
    /*
     * 0; -EFAULT: the guest takes a data abort with fault status `*fsc`; other:
     * the machine is lost. Called for the first byte accessed in each 4 KiB.
     */
    int (*translate)(void *opaque, gva_t addr, bool write, bool unprivileged,
                     struct insn_page *page, uint32_t *fsc);
    /* One aligned access of 1, 2, 4 or 8 bytes. 0 or -errno. */
    int (*read)(void *opaque, ipa_t addr, unsigned size, uint64_t *value);
    int (*write)(void *opaque, ipa_t addr, unsigned size, uint64_t value);
};

struct insn_ctx {
    const struct insn_ops *ops;
    void *opaque;
    uint64_t pc;
    bool big_endian;   /* SCTLR_EL1.EE at EL1, E0E at EL0 */
    bool aligned;      /* SCTLR_EL1.A */
    bool sp_aligned;   /* SCTLR_EL1.SA at EL1, SA0 at EL0 */
    uint16_t zva_size; /* bytes, from DCZID_EL0; 0: DC ZVA is not emulated */
};

enum insn_fault_kind {
    INSN_FAULT_NONE,
    INSN_FAULT_SP,        /* SP alignment: an exception class of its own */
    INSN_FAULT_ALIGNMENT, /* data abort, ESR_FSC_ALIGNMENT */
    INSN_FAULT_TRANSLATE, /* data abort, `fsc` as translate() gave it */
    INSN_FAULT_BUS,       /* the bus said `err` at `ipa`: external abort */
};

struct insn_fault {
    enum insn_fault_kind kind;
    gva_t far;
    bool write; /* ESR_ELx.WnR */
    uint32_t fsc;
    ipa_t ipa; /* BUS */
    int err;   /* BUS */
};

/*
 * 0: done, step the PC. -EFAULT: `*fault` says what the guest takes. -EOPNOTSUPP:
 * `insn` is OTHER or UNSUPPORTED, or DC ZVA without a block size. Other: from
 * translate(). Bounded by 64 bytes of accesses, or one DC ZVA block.
 */
int insn_exec(const struct insn_ctx *ctx, const struct insn *insn, struct insn_fault *fault);
