/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the case generator (make_cases.py), the program that runs the cases on an
 * AArch64 CPU (oracle_guest.c) and the comparison (oracle_exec.c) hand on.
 */
#pragma once

#include <stdint.h>

#define ORACLE_MEMORY       0x10000000ull /* where the cases load and store; nothing around it */
#define ORACLE_MEMORY_SIZE  0x2000u
#define ORACLE_CODE         0x10004000ull
#define ORACLE_PC           0x10004800ull /* of the instruction under test */
#define ORACLE_STATE        0x10005000ull
#define ORACLE_SVE          0x10006000ull /* Z0-Z31, P0-P15, FFR, one behind the other */
#define ORACLE_SVE_MAX      (32u * 256u + 17u * 32u)
#define ORACLE_SVE_SIZE(vl) ((uint32_t)(vl)*32u + (uint32_t)(vl) / 8u * 17u)

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
    uint64_t vl;       /* bytes of a Z register; 0: there is no SVE state */
};

/* If `vl` is not 0, ORACLE_SVE_SIZE bytes are behind each case, and behind each result. */
struct oracle_case {
    struct oracle_state state;
    uint64_t word;
};

/* Results file: header, then for each case this. */
struct oracle_result {
    struct oracle_state state;
    uint8_t memory[ORACLE_MEMORY_SIZE];
};
