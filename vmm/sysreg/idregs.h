/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The identification registers that the guest sees: the CPU's, less what the
 * stub and the vmm do not keep, save or emulate for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/boot.h"

#define IDREGS_COUNT 64u /* indexed by RV_ID_INDEX(CRm, op2); row 0 is unused */

enum idregs_rule {
    IDREGS_PASS,       /* as the CPU has it */
    IDREGS_MAX,        /* unsigned: at most `value` */
    IDREGS_MAX_SIGNED, /* signed: at most `value` */
    IDREGS_PMU,        /* at most `value`; 15 is a PMU of the CPU's own kind: none */
    IDREGS_FIXED,      /* `value`, whatever the CPU has */
    IDREGS_HIDE,       /* 0 */
};

struct idregs_field {
    uint8_t crm, op2; /* op0=3, op1=0, CRn=0 */
    uint8_t shift, width;
    uint8_t rule; /* enum idregs_rule */
    uint8_t value;
    const char *name;
    const char *why; /* NULL for what passes because it needs no state of its own */
};

/* The rules, by register. A field without a rule reads as zero. */
extern const struct idregs_field idregs_fields[];
extern const size_t idregs_field_count;

/* Do these registers, as the guest sees them, say that there is a PMUv3? */
bool idregs_has_pmu(const uint64_t guest[IDREGS_COUNT]);

/* From the boot page's stub_id to what the guest reads. Each input word is read once. */
void idregs_filter(const uint64_t cpu[IDREGS_COUNT], uint64_t guest[IDREGS_COUNT]);
