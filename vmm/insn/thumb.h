/* SPDX-License-Identifier: BSD-2-Clause */
/* The IT block of T32 code at EL0: Arm ARM F1.2, PSTATE.IT, and its place in SPSR_EL2. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* An SPSR_EL2 of AArch32 whose instruction is in an IT block. */
bool thumb_in_it_block(uint64_t pstate);

/* That of the instruction after it: ITAdvance(). */
uint64_t thumb_it_advance(uint64_t pstate);
