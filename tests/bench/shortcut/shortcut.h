/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bench build's stub answers these exits at once. What they cost the guest
 * is the bare trap: the limit that an exit through the ring is compared with.
 */
#pragma once

#include "arch.h"
#include "el2stub/stub.h"

#define SHORTCUT_HVC 0xbe7cu     /* HVC #0xbe7c */
#define SHORTCUT_IPA 0x0bad0000u /* loads from this page read 0 */

static inline bool shortcut(struct pcpu *pcpu, uint64_t esr)
{
    if (esr >> 26 == 0x16 && (esr & 0xffff) == SHORTCUT_HVC)
        return true;
    if (esr >> 26 != 0x24 || read_sysreg(hpfar_el2) << 8 != SHORTCUT_IPA)
        return false;
    if (!(esr & 1u << 6) && (esr >> 16 & 31) != 31)
        pcpu->vcpu->page->x[esr >> 16 & 31] = 0;
    exit_advance();
    return true;
}
