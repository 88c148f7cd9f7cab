/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the case generator (make_cases.py), the program that runs the cases on an
 * AArch64 CPU (oracle_guest.c) and the comparison (oracle_exec.c) hand on.
 */
#pragma once

#include <stdint.h>

#define ORACLE_MEMORY      0x10000000ull /* where the cases load and store */
#define ORACLE_MEMORY_SIZE 0x2000u
#define ORACLE_CODE        0x10002000ull
#define ORACLE_PC          0x10002800ull /* of the instruction under test */
#define ORACLE_STATE       0x10003000ull

struct oracle_state {
    uint64_t x[31];
    uint64_t sp;
    uint64_t v[64];
    uint64_t nzcv;
    uint64_t fpsr;
};
_Static_assert(sizeof(struct oracle_state) == 0x310, "oracle_guest_run.S and make_cases.py know");

/* Cases file: header, memory as it is before each case, cases. */
struct oracle_header {
    uint64_t count;
    uint64_t zva_size; /* results file: bytes of a DC ZVA block */
};

struct oracle_case {
    struct oracle_state state;
    uint64_t word;
};

/* Results file: header, then for each case this. */
struct oracle_result {
    struct oracle_state state;
    uint8_t memory[ORACLE_MEMORY_SIZE];
};
