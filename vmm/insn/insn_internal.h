/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the decoder share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/insn/insn.h"

/* Bits high..low of the word: the Arm ARM's notation. */
#define BITS(word, high, low)   (((word) >> (low)) & (~0u >> (31u - ((high) - (low)))))
#define BIT(word, bit)          (((word) >> (bit)) & 1u)
#define SIGNED(word, high, low) ((int32_t)((word) << (31u - (high))) >> (31u - ((high) - (low))))

/* A word of the SVE memory encodings (insn_sve.c). False: not allocated. */
bool insn_sve_decode(uint32_t word, struct insn *insn);
