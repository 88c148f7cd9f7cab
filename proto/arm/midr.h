/* SPDX-License-Identifier: BSD-2-Clause */
/* MIDR_EL1 (Arm ARM DDI 0487, D24.2): which CPU it is. */
#pragma once

#include <stdint.h>

#define MIDR_IMPLEMENTER(midr) ((uint32_t)(midr) >> 24)
#define MIDR_PART(midr)        ((uint32_t)(midr) >> 4 & 0xfffu)
#define MIDR_KIND(midr)        ((uint32_t)(midr)&0xff00fff0u) /* both of them: no variant, no revision */
#define MIDR_ARM(part)         (0x41u << 24 | (uint32_t)(part) << 4)
