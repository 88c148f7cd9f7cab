/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual CPU interface of the running fake core, as the guest works with it
 * (GICv3 IHI 0069, "Virtual interrupt handling and prioritization"), on the list
 * registers that the stub wrote. Group enables and the priority mask are not
 * modelled: all are on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GUEST_NONE 1023u

struct guest_gic {
    uint32_t depth; /* interrupts taken and not dropped: their priorities, ICH_AP1R<n>_EL2 */
    struct {
        uint32_t vintid;
        uint8_t priority;
    } running[40];
    uint32_t eoicount; /* ICH_HCR_EL2.EOIcount: ended, but in no list register */
};

/* Take the most urgent pending interrupt that preempts. GUEST_NONE: there is none. */
uint32_t guest_gic_ack(struct guest_gic *gic);

/* Drop the priority of the last one taken, and with EOImode 0 end it. Returns its INTID. */
uint32_t guest_gic_eoi(struct guest_gic *gic, bool eoimode);

/* ICC_DIR_EL1. False: ICH_HCR_EL2.TDIR or TC traps it. */
bool guest_gic_dir(struct guest_gic *gic, uint32_t vintid);

/* Is the maintenance interrupt asserted? ICH_MISR_EL2: EOI, U, LRENP, NP. */
bool guest_gic_maintenance(void);
