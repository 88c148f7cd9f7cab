/* SPDX-License-Identifier: BSD-2-Clause */
/* The kinds of registers, and their description. */
#pragma once

#include <stdio.h>

#include "vmm/gdb/gdb_registers.h"

enum gdb_kind {
    GDB_KIND_X,
    GDB_KIND_SP,
    GDB_KIND_PC,
    GDB_KIND_CPSR,
    GDB_KIND_V,
    GDB_KIND_Z,
    GDB_KIND_FPSR,
    GDB_KIND_FPCR,
    GDB_KIND_P,
    GDB_KIND_FFR,
    GDB_KIND_VG,
    GDB_KIND_PAUTH, /* masks of the authentication code's bits in a pointer */
    GDB_KIND_SYSTEM,
};

#define GDB_PAUTH_MASKS 4u

/* 64-bit registers that have a field of their own in the vCPU page. */
struct gdb_system_register {
    const char *name;
    uint16_t offset; /* in struct rv_vcpu_page */
    bool constant;
};

extern const struct gdb_system_register gdb_system_registers[];
extern const unsigned gdb_nr_system_registers;

/* The XML for what `registers->blocks` has. */
void gdb_description_write(const struct gdb_registers *registers, FILE *out);
