/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of describe.c share: texts of bounded size, and names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/exit/decode.h"
#include "vmm/explain/describe.h"

/* A text that grows at its end; what does not fit is cut. */
struct text {
    char *at;
    size_t left; /* never 0 */
};

#define TEXT(array) (&(struct text){(array), sizeof(array)})

void text_put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* EC, IL, and the fields of the class; the title of the class, and a summary. */
void describe_fields(const struct exit_info *info, struct description *d);

struct describe_name {
    char s[24];
};

/* "x5", "w5"; register 31 is "xzr" or "wzr". */
struct describe_name describe_reg(unsigned n, bool x);

/* "ICC_SGI1R_EL1"; "S3_0_C1_C0_1" for one that has no name here. */
struct describe_name describe_sysreg_name(uint16_t key);

/* "GICv3 distributor + 0x4, GICD_TYPER". */
void describe_place(uint64_t ipa, struct text *t);

/* "ldr w24, [x1]": load, store or a system instruction; else says that it is neither. */
void describe_insn(uint32_t word, struct text *t);
