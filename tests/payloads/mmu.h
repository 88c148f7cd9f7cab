/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stage 1 for the tests: 1 GiB blocks in a 39-bit space.
 *   0 GiB  device   identity, EL1
 *   1 GiB  normal   identity, EL1 (RAM)
 *   2 GiB  normal   IPA 0, EL1: to fetch instructions where there is no memory
 *   3 GiB  normal   IPA 1 GiB, EL0 (RAM, for EL0's code)
 *   4 GiB  device   IPA 0, EL0
 */
#pragma once

#include <stdint.h>

#define MMU_FETCH_ALIAS    0x080000000ull
#define MMU_EL0_RAM_ALIAS  0x0c0000000ull
#define MMU_EL0_MMIO_ALIAS 0x100000000ull

void mmu_on(void);
void mmu_off(void);
