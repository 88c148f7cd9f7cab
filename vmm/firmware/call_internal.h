/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A firmware call by HVC or SMC, in the terms of the SMC Calling Convention
 * (DEN0028): what smccc.c hands to a service, and what it gets back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The function identifier, W0. */
#define CALL_FAST  0x80000000u /* else a yielding call */
#define CALL_SMC64 0x40000000u
#define CALL_HINT  0x00010000u /* the caller has no live SVE state; SMCCC 1.3 */

/* DEN0028, "Return codes": what all services share. */
#define CALL_SUCCESS       0
#define CALL_NOT_SUPPORTED (-1)

/* The call of one vCPU, which waits for its result in a blocking exit. */
struct call {
    unsigned vcpu;     /* index */
    uint32_t function; /* without CALL_HINT */
    uint64_t x[4];     /* x[1] to x[3]: the parameters, cut to 32 bits in a 32-bit call */
};

/* Zeroed: the call returns 0 in x0, and changes nothing else. */
struct call_result {
    uint64_t x[4];       /* x0-x3; what a service does not return is preserved in the guest */
    bool has_x1_to_x3;   /* x[1] to x[3] are results too */
    bool wait;           /* wait for an interrupt before going on */
    bool hold;           /* the call does not return */
    bool restart;        /* the core was powered down: it goes on, from reset, at `entry` */
    uint64_t entry;      /* restart: PC */
    uint64_t context_id; /* restart: x0 */
};

/* Results are signed 32-bit numbers: in W0, and sign-extended, as a 64-bit call wants them, in X0. */
static inline void call_return(struct call_result *result, int32_t value)
{
    result->x[0] = (uint64_t)(int64_t)value;
}
