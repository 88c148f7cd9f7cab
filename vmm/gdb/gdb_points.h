/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A debugger's breakpoints and watchpoints. A software breakpoint is a BRK in guest memory; it is
 * there only while the guest may run, so that at each stop the memory is the guest's own. The
 * others are in the vCPUs' breakpoint and watchpoint registers, beside those of the guest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/vcpu.h"
#include "vmm/exit/decode.h"
#include "vmm/gdb/gdb_memory.h"

#define GDB_POINTS_MAX 256u

/* With the numbers that they have in the packets `Z` and `z`. */
enum gdb_point_kind {
    GDB_POINT_SOFTWARE = 0,
    GDB_POINT_HARDWARE = 1,
    GDB_POINT_WRITE = 2, /* watchpoints */
    GDB_POINT_READ = 3,
    GDB_POINT_ACCESS = 4,
    GDB_POINT_KINDS,
};

struct gdb_point {
    enum gdb_point_kind kind;
    uint64_t address;
    uint64_t size;
    bool in_register; /* no memory was mapped there, or it is no SOFTWARE */
    ipa_t where;      /* not in_register */
    bool in_memory;   /* the BRK is there, and `word` was */
    uint32_t word;
};

struct gdb_points {
    struct gdb_point points[GDB_POINTS_MAX];
    unsigned count;
    unsigned nr_breakpoints, nr_watchpoints; /* registers of a vCPU, at most 16 each */
};

/* `id_aa64dfr0` tells how many registers there are. */
void gdb_points_init(struct gdb_points *points, uint64_t id_aa64dfr0);

/*
 * `page`: the vCPU whose tables tell where the address is. Where no memory is mapped yet, a
 * software breakpoint becomes a hardware one. Once more is no error. 0; -ENOSPC: no register is
 * free, or there are GDB_POINTS_MAX; -EINVAL: size or alignment.
 */
int gdb_points_insert(struct gdb_points *points, enum gdb_point_kind kind, uint64_t address,
                      uint64_t size, const struct gdb_memory *memory,
                      const struct rv_vcpu_page *page);

/* Can these bytes, which another process has left, be unset? */
bool gdb_points_are_valid(const struct gdb_points *points, const struct guest_ram *ram);

/* 0 or -ENOENT. */
int gdb_points_remove(struct gdb_points *points, enum gdb_point_kind kind, uint64_t address,
                      uint64_t size);

/*
 * Write the BRKs, and take them out where they still are. `written` is called for each word
 * that was changed. No vCPU runs.
 */
void gdb_points_set(struct gdb_points *points, const struct guest_ram *ram,
                    void (*written)(void *opaque, ipa_t where, uint64_t size), void *opaque);
void gdb_points_unset(struct gdb_points *points, const struct guest_ram *ram,
                      void (*written)(void *opaque, ipa_t where, uint64_t size), void *opaque);

/*
 * The debug registers of a vCPU whose own are `guest`, while debug exceptions go to EL2. The
 * guest's breakpoints and watchpoints stay, for EL0 only, where the debugger needs no register.
 */
void gdb_points_merge(const struct gdb_points *points, const struct rv_debug *guest, bool step,
                      struct rv_debug *merged);

/* Which one a BRK at `where`, a breakpoint or a watchpoint exception is of; NULL: the guest's. */
const struct gdb_point *gdb_points_hit(const struct gdb_points *points,
                                       const struct exit_info *info, const ipa_t *where);
