/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An exit in words, for people: what the CPU said, what the guest did, and what
 * the vmm does with it. Pure functions, for any ESR and any instruction word.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/message.h"

/* What of the event is known besides its ESR. */
#define DESCRIBE_FAR    0x01u
#define DESCRIBE_IPA    0x02u
#define DESCRIBE_PC     0x04u
#define DESCRIBE_PSTATE 0x08u
#define DESCRIBE_INSN   0x10u /* `word` */

struct describe_input {
    struct rv_event event;
    unsigned given; /* DESCRIBE_*; what is not is zero */
    uint32_t word;  /* the instruction at `event.pc` */
};

enum describe_base { DESCRIBE_DEC, DESCRIBE_HEX, DESCRIBE_BIN };

/* A field of the syndrome, by its name in the Arm ARM. */
struct describe_field {
    const char *name;
    uint32_t value;
    uint8_t base;   /* enum describe_base */
    uint8_t digits; /* of HEX and BIN */
    char text[96];  /* what the value means; empty: a flag that is 0, or a bare number */
};

#define DESCRIBE_FIELDS 32u

/* Texts are empty where nothing is known. */
struct description {
    uint64_t esr;
    const char *kind; /* "data abort" */
    const char *term; /* the Arm ARM's title of the exception class */
    struct describe_field fields[DESCRIBE_FIELDS];
    unsigned nr_fields;
    char summary[160];     /* "4-byte read into w5" */
    bool has_far, has_ipa; /* those registers hold for this exit */
    char place[128];       /* of the IPA on the guest's board */
    char pc[96];
    char pstate[96];
    char insn[128];
    const char *action; /* emulate, inject, wait, account */
    char effect[192];   /* the action in words */
};

/* All of `*out` is written. */
void describe(const struct describe_input *in, struct description *out);

/* Some lines of text; the last one is empty. */
void describe_print(const struct describe_input *in, const struct description *d, FILE *file);
