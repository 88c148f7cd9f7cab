/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 1 of the EL1&0 translation regime in software: Arm ARM (DDI 0487) D8.
 * VMSAv8-64 with 4 KiB, 16 KiB and 64 KiB granules and addresses of up to 48 bits.
 * FEAT_LVA, LPA, LPA2, D128, S1PIE and S1POE are hidden from the guest (idregs.c).
 * Registers that ask for more than 48 bits all the same get a translation fault.
 *
 * Left open by the architecture, and chosen here: TnSZ out of range is a level 0
 * translation fault; a reserved TGn is 4 KiB; a reserved IPS is 48 bits; the
 * Contiguous bit and nT are hints and make no difference.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/util/types.h"

/* The guest's registers, as in the vCPU page and PSTATE; TCR_EL1 tells the granules. */
struct walk_regs {
    uint64_t sctlr;
    uint64_t tcr;
    uint64_t ttbr0;
    uint64_t ttbr1;
    uint64_t mair;
    uint64_t pstate;
    unsigned pa_bits; /* what ID_AA64MMFR0_EL1.PARange told the guest: 32 to 48 */
};

#define WALK_TCR_HA (1ull << 39) /* TCR_EL1.HA: the CPU sets access flags */

enum walk_access { WALK_READ, WALK_WRITE, WALK_EXEC };

struct walk_request {
    gva_t addr;
    enum walk_access access;
    bool unprivileged; /* LDTR, STTR: as EL0, unless PSTATE.UAO */
};

/* Where the tables are: 8-byte aligned words of guest memory. */
struct walk_memory {
    void *opaque;
    /* The word as a little-endian load gives it. Not 0: no RAM there. */
    int (*read)(void *opaque, ipa_t addr, uint64_t *word);
    /*
     * Write `new` if the word is still `old`, in one atomic step: how the access
     * flag (TCR_EL1.HA) and dirty state (HD) are updated. 0; -EAGAIN: it is
     * another; other: cannot. May be NULL: then what needs it is a fault.
     */
    int (*swap)(void *opaque, ipa_t addr, uint64_t old, uint64_t new);
};

enum walk_fault {
    WALK_OK,
    WALK_ADDRESS_SIZE,
    WALK_TRANSLATION,
    WALK_ACCESS_FLAG,
    WALK_PERMISSION,
    WALK_EXTERNAL,      /* synchronous external abort on the walk */
    WALK_ATOMIC_UPDATE, /* the table's memory takes no hardware update */
};

/* What the access's Exception level may do there. */
#define WALK_MAY_READ  1u
#define WALK_MAY_WRITE 2u
#define WALK_MAY_EXEC  4u

struct walk_result {
    enum walk_fault fault;
    int level;     /* of the fault or the page; with the MMU off: 0 */
    ipa_t ipa;     /* of the byte */
    unsigned bits; /* log2 of the bytes that this translation is good for */
    unsigned may;  /* WALK_MAY_*, also for WALK_PERMISSION */
    uint8_t attr;  /* as in MAIR_EL1 */
    bool device;   /* a Device memory type */
};

/* At most 4 table words per try and 8 tries, whatever the tables say. */
enum walk_fault walk(const struct walk_regs *regs, const struct walk_memory *memory,
                     const struct walk_request *request, struct walk_result *result);

/* DFSC or IFSC of a fault. */
uint32_t walk_fsc(const struct walk_result *result);
