/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of exit.c share: one exit on its way. */
#pragma once

#include "vmm/exit/answer.h"
#include "vmm/exit/exit.h"
#include "vmm/insn/walk.h"

struct exit_run {
    struct exit_ctx *ctx;
    struct vcpu *vcpu;
    const struct rv_event *event;
    const struct exit_info *info;
    struct answer answer;
    struct exit_reply *reply; /* zeroed: back to the guest at its PC */
};

/* X[reg] gets `value` with the reply. Register 31 is the zero register: what goes there is gone. */
void exit_set_reg(struct exit_run *run, unsigned reg, uint64_t value);

/* Advance the PC past the trapped instruction. */
void exit_step(struct exit_run *run);

/* What an inject_*() returned. One that failed has said why: the guest cannot go on. */
void exit_injected(struct exit_run *run, int error);

/* Stage 1 of an address, which is not changed. False: the machine is lost. */
bool exit_translate(struct exit_run *run, const struct walk_request *request,
                    struct walk_result *result);

/*
 * Where stage 1 has the address for whoever may access it; RV_NO_IPA: nowhere. False: the machine is
 * lost.
 */
bool exit_look_up(struct exit_run *run, gva_t addr, ipa_t *where);

/* Was it a write to RAM that is write-protected for a while? Then the guest makes it again. */
bool exit_write(struct exit_run *run);

/* ANSWER_MMIO, ANSWER_INSN, ANSWER_WALK, ANSWER_ABORT. */
void exit_mmio(struct exit_run *run);
void exit_insn(struct exit_run *run);
void exit_walk(struct exit_run *run);
void exit_abort(struct exit_run *run);
