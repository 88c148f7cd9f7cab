/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that execute instructions share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/insn/insn_exec.h"

#define PAGE_SIZE 4096u /* the smallest granule: what is contiguous for all of them */
#define MAX_BYTES 64u   /* LD4 of 16-byte vectors */

/* One instruction on its way. */
struct insn_run {
    const struct insn_ctx *ctx;
    const struct insn *i;
    struct insn_fault *fault;
    uint64_t address;
    uint64_t next_base; /* what writeback writes */
    struct insn_page page[2];
    uint8_t bytes[MAX_BYTES]; /* as in memory, from `address` on */
};

/* Of an instruction's vectors no more than this. */
typedef struct {
    uint64_t half[2];
} insn_v;

/* Register 31 is zero. */
uint64_t insn_get_x(const struct insn_run *run, unsigned reg);

/* X[rn] or SP. 0, or -EFAULT: SP is to be aligned and is not. */
int insn_base(struct insn_run *run, uint64_t *base);

/* Arm ARM J1.1, ExtendReg. */
uint64_t insn_extend_index(const struct insn *i, uint64_t value);

/* Fills in run->fault; -EFAULT. */
int insn_fault(struct insn_run *run, enum insn_fault_kind kind, uint64_t far, bool write);

/* page[n] becomes that of `address`. 0, -EFAULT or what translate() said. */
int insn_translate_page(struct insn_run *run, unsigned n, uint64_t address, bool write);

/*
 * `unit` bytes at `bytes[at]`, in naturally aligned pieces: none of them crosses a
 * page. page[0] is that of run->address, page[1] of the page behind it.
 */
int insn_transfer(struct insn_run *run, unsigned at, unsigned unit, bool write);

/* The `n`th element in memory, in the guest's byte order. */
insn_v insn_element(const struct insn_run *run, unsigned n);
void insn_set_element(struct insn_run *run, unsigned n, insn_v v);

/* insn_sve_exec.c: an instruction of which insn_is_sve() holds; as insn_exec(). */
int insn_sve_exec(struct insn_run *run);
void insn_sve_set_v(struct insn_sve *sve, unsigned reg, const uint64_t value[2]);
