/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What each exit gets for an answer, decided from its syndrome alone. A pure
 * function: exit.c does what it says, describe.c tells it in words.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/exit/decode.h"

enum answer_kind {
    ANSWER_UNEXPECTED, /* no guest of this VM can cause it: UNDEFINED, and a warning */
    ANSWER_UNDEFINED,
    ANSWER_REFLECT, /* the same exception, taken to EL1 */
    ANSWER_STEP,    /* nothing to do: advance the PC past the instruction */
    ANSWER_WAIT,    /* the same, when an interrupt is pending */
    ANSWER_CALL,    /* PSCI, SMCCC */
    ANSWER_SYSREG,  /* as its row in sysreg.c says */
    ANSWER_CP14,    /* the debug ROM's address, in AArch32: there is none, so it reads zero */
    ANSWER_MMIO,    /* one access on the bus */
    ANSWER_INSN,    /* the accesses of the instruction at the PC */
    ANSWER_WALK,    /* a fault of the guest's own tables: a walk of them tells which */
    ANSWER_ABORT,   /* a data or instruction abort with status `fsc` */
    ANSWER_NOTE,    /* an SError that the guest survives: a message for people */
    ANSWER_SERROR,  /* an SError for the guest, and a message for people */
    ANSWER_KINDS,
};

struct answer {
    uint8_t kind; /* enum answer_kind */
    uint8_t fsc;  /* ABORT: the DFSC or IFSC; WALK: if the tables do not tell any more */
};

struct answer answer_to(const struct exit_info *info);
