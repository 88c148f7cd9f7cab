/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an event to the reply that ends the exit. The path of an MMIO access
 * with a valid syndrome, and of a call that powers nothing down, allocates
 * nothing, logs nothing, and fetches no register group.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/boot.h"
#include "proto/message.h"
#include "vmm/exit/exit_stats.h"
#include "vmm/vm/bus.h"
#include "vmm/insn/insn_mmio.h"
#include "vmm/firmware/psci.h"
#include "vmm/firmware/smccc.h"
#include "vmm/sysreg/sysreg.h"
#include "vmm/cpu/vcpu.h"

/* What the guest's write to an address was that stage 2 does not let it write. */
enum exit_ram_write {
    EXIT_RAM_WRITE_ELSEWHERE, /* not to RAM */
    EXIT_RAM_WRITE_GIVEN,     /* to RAM that it may write from now on */
    EXIT_RAM_WRITE_HAD,       /* to RAM that it could write already */
};

/* What a VM's exits need; vm_create() makes it once. */
struct exit_ctx {
    struct bus *bus;
    struct psci psci;
    struct smccc smccc; /* psci is one of its services */
    struct sysreg sysreg;
    struct sysreg_cpu *sysreg_cpus; /* by vCPU index */
    struct insn_mmio insn_mmio;
    /* Exits in a row for which the guest's tables were not as they were at the fault. */
    uint8_t tries[RV_MAX_VCPUS];
    /* The guest wrote there; RV_NO_IPA: to RAM, but nobody knows where. NULL: all RAM can be written. */
    enum exit_ram_write (*ram_write)(void *opaque, ipa_t where);
    void *opaque;
    uint64_t written[RV_MAX_VCPUS]; /* the last such address (FAR) */
    struct exit_stats stats;
};

/* vm.c makes RV_COMMAND_REPLY of it; RV_REPLY_REG comes with reg 0 to 30 only. */
struct exit_reply {
    uint8_t flags; /* RV_REPLY_* */
    uint16_t reg;
    bool hold; /* do not reply: the vCPU is off, or the VM goes down, or the machine is lost */
    uint64_t value;
    uint64_t kick_vcpus; /* bit n: vCPU n has something new to see */
};

/*
 * A blocking exit (RV_EVENT_SYNC, RV_EVENT_SERROR) of `vcpu`. Always gives the
 * guest an architectural answer; groups that it changed are marked dirty in the
 * vCPU and must be loaded before the reply.
 */
void exit_handle(struct exit_ctx *ctx, struct vcpu *vcpu, const struct rv_event *event,
                 struct exit_reply *reply);

/* RV_EVENT_POSTED: the guest has gone on, so there is no reply and no vCPU state to touch. */
void exit_handle_posted(struct exit_ctx *ctx, const struct rv_event *event);
