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
 * - CAS that finds another value does not write; but it must be permitted to.
 *
 * Exclusives fault, after all that other accesses can fault by: a Device need not
 * support them (Arm ARM B2.9, "Load-Exclusive and Store-Exclusive"). An exit and its
 * ERET clear the core's monitor; the store-exclusive that follows then fails in the
 * core, mostly without an exit, so that to emulate the load would make a loop of
 * both an endless one.
 *
 * SVE: only active elements are accessed, in ascending order. LDFF1 and LDNF1 access
 * the elements that may not fault only in RAM: a Device is not accessed by them, and
 * any of them may be left out (Arm ARM, MemSingleNF). From the first one on that was
 * left out, FFR is cleared and the elements are zero.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/insn/insn.h"
#include "vmm/util/types.h"

#define INSN_ZVA_MAX 2048u /* DCZID_EL0.BS is at most 9 */

#define INSN_VL_MAX 256u /* bytes of a Z register */

/* What a page's translation says. */
struct insn_page {
    ipa_t ipa;
    bool device; /* stage 1 says a Device type: accesses must be aligned, DC ZVA faults */
    bool ram;    /* an access has no effect but on memory */
};

/*
 * The SVE registers, which are read and written in place. Byte 0 is the least
 * significant. Z[n] is at z + n * stride, P[n] at p + n * stride / 8; FFR is at ffr.
 * Of each the first `vl` bytes, or vl / 8, are in effect; a write clears the others.
 */
struct insn_sve {
    unsigned vl;     /* bytes: a multiple of 16, at most `stride` */
    unsigned stride; /* bytes: a multiple of 16, at most INSN_VL_MAX */
    uint8_t *z;
    uint8_t *p;
    uint8_t *ffr;
    bool written;
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
    uint64_t far;         /* FAR_EL2 of the exit: where LDRAA accessed */
    struct insn_sve *sve; /* NULL: the CPU has no SVE, or `class` is not SVE* nor loads a V */
    bool big_endian;      /* SCTLR_EL1.EE at EL1, E0E at EL0 */
    bool aligned;         /* SCTLR_EL1.A */
    bool sp_aligned;      /* SCTLR_EL1.SA at EL1, SA0 at EL0 */
    uint16_t zva_size;    /* bytes, from DCZID_EL0; 0: DC ZVA is not emulated */
};

enum insn_fault_kind {
    INSN_FAULT_NONE,
    INSN_FAULT_SP,        /* SP alignment: an exception class of its own */
    INSN_FAULT_ALIGNMENT, /* data abort, ESR_FSC_ALIGNMENT */
    INSN_FAULT_TRANSLATE, /* data abort, `fsc` as translate() gave it */
    INSN_FAULT_EXCLUSIVE, /* data abort, ESR_FSC_ATOMIC */
    INSN_FAULT_BUS,       /* the bus said `error` at `ipa`: external abort */
};

struct insn_fault {
    enum insn_fault_kind kind;
    gva_t far;
    bool write; /* ESR_ELx.WnR */
    uint32_t fsc;
    ipa_t ipa; /* BUS */
    int error; /* BUS */
};

/*
 * 0: done, step the PC. -EFAULT: `*fault` says what the guest takes. -EOPNOTSUPP:
 * `insn` is OTHER or UNSUPPORTED, or DC ZVA without a block size, or SVE without a
 * CPU that has it, or the LDRAA is not what accessed `far`. Other: from translate().
 * Bounded by 64 bytes of accesses, or one DC ZVA block; SVE: 4 * INSN_VL_MAX bytes
 * or INSN_VL_MAX / 4 elements anywhere.
 */
int insn_exec(const struct insn_ctx *ctx, const struct insn *insn, struct insn_fault *fault);

/* `vl`: of an SVE that has the lengths of `lengths` (bit n: (n + 1) * 16 bytes), by ZCR_EL1. */
unsigned insn_sve_vl(uint32_t lengths, uint64_t zcr);

/* What `area` holds when all of it is from a CPU whose longest vector is `stride` bytes. */
struct insn_sve insn_sve_at(uint8_t *area, unsigned stride, unsigned vl);
