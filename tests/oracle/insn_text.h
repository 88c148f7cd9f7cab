/* SPDX-License-Identifier: BSD-2-Clause */
/* A decoded load or store in assembler's words, as capstone writes them. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmm/insn/insn.h"

/* `pc`: a literal's address is printed. OTHER and UNSUPPORTED give an empty text. */
void insn_text(const struct insn *insn, uint32_t word, uint64_t pc, char *text, size_t size);

/* The same of a word of SVE's memory encodings, as binutils writes it; a prefetch is "prf". */
void insn_sve_text(const struct insn *insn, char *text, size_t size);
