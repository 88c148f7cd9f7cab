/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A data abort whose syndrome does not tell the access (ISV=0): fetch the
 * instruction from the guest's memory through its own page tables, and do what
 * it says, on devices and RAM alike.
 */
#pragma once

#include <stdint.h>

#include "proto/message.h"
#include "vmm/vm/bus.h"
#include "vmm/insn/insn_exec.h"
#include "vmm/vm/ram.h"
#include "vmm/cpu/vcpu.h"

/* What is the same for all exits of a VM. */
struct insn_mmio {
    struct bus *bus;
    struct guest_ram ram;
    const struct guest_roms *roms; /* where instructions and tables may be, too; or NULL */
    unsigned pa_bits;              /* of ID_AA64MMFR0_EL1.PARange as the guest reads it: 32 to 48 */
    uint16_t zva_size;             /* bytes, from DCZID_EL0; 0: DC ZVA is prohibited */
    uint16_t sve; /* bit n: SVE has vectors of (n + 1) * 16 bytes; 0: there is none */
};

enum insn_mmio_end {
    INSN_MMIO_DONE,        /* step the PC */
    INSN_MMIO_FAULT,       /* the guest takes `fault` */
    INSN_MMIO_FETCH,       /* no instruction at the PC (any more) */
    INSN_MMIO_UNSUPPORTED, /* `word` is an instruction that is not emulated */
    INSN_MMIO_LOST,        /* the machine is lost */
};

struct insn_mmio_result {
    struct insn_fault fault;
    uint32_t word; /* the instruction, unless FETCH or LOST */
};

/*
 * Emulates the instruction at event->pc. Groups that it changes in the vCPU's
 * page are marked dirty. Bounded work, whatever is in the guest's memory.
 */
enum insn_mmio_end insn_mmio_run(const struct insn_mmio *mmio, struct vcpu *vcpu,
                                 const struct rv_event *event, struct insn_mmio_result *result);

/*
 * 8 bytes of memory that the guest's MMU can read: in RAM or a ROM, in one load, little-endian.
 * 0 or -ENXIO.
 */
int insn_mmio_word(const struct insn_mmio *mmio, ipa_t addr, uint64_t *word);

/* What `mmio.pa_bits` and `mmio.zva_size` are for these registers' values. */
unsigned insn_mmio_pa_bits(uint64_t id_aa64mmfr0);
uint16_t insn_mmio_zva_size(uint64_t dczid);
