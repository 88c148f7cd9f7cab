/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM on a machine that the test plays, whose vmm dies before any store to what outlives it, and
 * whose next vmm goes on: the stub and the guest live through that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/vm/vm.h"

#define WORLD_VCPUS   2u
#define WORLD_PC      (BOARD_RAM_BASE + 0x1000) /* of the one instruction that traps */
#define WORLD_ENTRY   (BOARD_RAM_BASE + 0x2000) /* for CPU_ON */
#define WORLD_INTIDS  256u
#define WORLD_DEVICES 4u

/* The one instruction that the guest executes. */
struct world_exit {
    const char *name;
    unsigned vcpu; /* that executes it */
    uint32_t esr;
    uint64_t ipa;
    uint64_t value;  /* that a store stores */
    uint64_t x[4];   /* x0 to x3 before */
    uint32_t insn;   /* 0: the syndrome tells all */
    bool posted;     /* the stub does not wait for an answer */
    bool second_off; /* vCPU 1 is off before */
    bool masked;     /* the vCPUs take no interrupts before it is over */
    void (*prepare)(struct vm *vm);
    const char *devices[WORLD_DEVICES]; /* beside the board's */
};

/* All that the guest can see in the end. */
struct world_end {
    uint64_t state;                            /* hashes: of the state area, */
    uint64_t pages;                            /* the vCPU pages, */
    uint64_t ram;                              /* guest memory */
    uint32_t taken[WORLD_VCPUS][WORLD_INTIDS]; /* interrupts */
    uint32_t starts[WORLD_VCPUS];              /* at WORLD_ENTRY */
    uint64_t x[WORLD_VCPUS][31];
    uint64_t pc[WORLD_VCPUS];
    uint32_t stores;  /* that the vmm made, if it did not die */
    uint32_t stuck;   /* 1: the guest does not come to its end */
    uint32_t died;    /* 1: the vmm came to the store at which it was to die */
    uint32_t refused; /* 1: the next vmm did not take it over */
};

/*
 * In a process of its own: the vmm dies before its `store`-th store (from 1 on; 0: it does not).
 */
void world_run(const struct world_exit *exit, unsigned store, struct world_end *end);
