/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_points.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define INSN_SIZE 4u
#define INSN_BRK  0xd4200000u /* BRK #0, as debuggers use it */

/* ID_AA64DFR0_EL1 (Arm ARM D24.2.68): one less than the registers. */
#define DFR0_BRPS(dfr0) ((unsigned)((dfr0) >> 12 & 0xf) + 1)
#define DFR0_WRPS(dfr0) ((unsigned)((dfr0) >> 20 & 0xf) + 1)

/* MDSCR_EL1 (D24.3.20). */
#define MDSCR_SS  (1ull << 0)
#define MDSCR_KDE (1ull << 13)
#define MDSCR_MDE (1ull << 15)

/* DBGBCR<n>_EL1, DBGWCR<n>_EL1 (D24.3.2, D24.3.11): E, and for which Exception levels. */
#define CR_E          (1ull << 0)
#define CR_EL1        (1ull << 1) /* PMC or PAC, with HMC and SSC at 0 */
#define CR_EL0        (1ull << 2)
#define CR_HMC        (1ull << 13)
#define CR_SSC        (3ull << 14)
#define BCR_BAS_A64   (0xfull << 5)
#define WCR_LOAD      (1ull << 3)
#define WCR_STORE     (2ull << 3)
#define WCR_BAS(mask) ((uint64_t)(mask) << 5)
#define WCR_MASK(log) ((uint64_t)(log) << 24)

#define DOUBLEWORD 8u
/* An access that begins so far before a watched address may still touch it: an SVE register. */
#define ACCESS_MAX 256u

void gdb_points_init(struct gdb_points *points, uint64_t id_aa64dfr0)
{
    memset(points, 0, sizeof(*points));
    points->nr_breakpoints = DFR0_BRPS(id_aa64dfr0);
    points->nr_watchpoints = DFR0_WRPS(id_aa64dfr0);
}

static bool is_watch(enum gdb_point_kind kind)
{
    return kind >= GDB_POINT_WRITE;
}

/* What one watchpoint register covers from `address` on: a power of two, or a part of 8 bytes. */
static uint64_t watch_piece(uint64_t address, uint64_t size)
{
    uint64_t in_doubleword = DOUBLEWORD - address % DOUBLEWORD;

    if (size >= DOUBLEWORD && (size & (size - 1)) == 0 && size <= 1ull << 31 && address % size == 0)
        return size;
    return size < in_doubleword ? size : in_doubleword;
}

/* How many registers a point needs: more than there are in any CPU for a size out of bounds. */
static unsigned registers_for(const struct gdb_point *point)
{
    uint64_t address = point->address, left = point->size;
    unsigned n = 0;

    if (!is_watch(point->kind))
        return point->in_register ? 1 : 0;
    for (; left && n <= 16; n++) {
        uint64_t piece = watch_piece(address, left);

        address += piece;
        left -= piece;
    }
    return n;
}

static unsigned registers_used(const struct gdb_points *points, bool watch)
{
    unsigned n = 0;

    for (unsigned i = 0; i < points->count; i++) {
        if (is_watch(points->points[i].kind) == watch)
            n += registers_for(&points->points[i]);
    }
    return n;
}

static struct gdb_point *find(struct gdb_points *points, enum gdb_point_kind kind, uint64_t address,
                              uint64_t size)
{
    for (unsigned i = 0; i < points->count; i++) {
        struct gdb_point *point = &points->points[i];

        if (point->kind == kind && point->address == address && point->size == size)
            return point;
    }
    return NULL;
}

int gdb_points_insert(struct gdb_points *points, enum gdb_point_kind kind, uint64_t address,
                      uint64_t size, const struct gdb_memory *memory,
                      const struct rv_vcpu_page *page)
{
    struct gdb_point point = {.kind = kind, .address = address, .size = size};
    bool watch = is_watch(kind);
    size_t length = INSN_SIZE;

    if (!size || (!watch && (size != INSN_SIZE || address % INSN_SIZE)))
        return -EINVAL;
    if (find(points, kind, address, size))
        return 0;
    if (points->count == GDB_POINTS_MAX)
        return -ENOSPC;
    point.in_register =
        kind != GDB_POINT_SOFTWARE || !gdb_memory_at(memory, page, address, &length, &point.where);
    if (registers_used(points, watch) + registers_for(&point) >
        (watch ? points->nr_watchpoints : points->nr_breakpoints))
        return -ENOSPC;
    points->points[points->count++] = point;
    return 0;
}

bool gdb_points_are_valid(const struct gdb_points *points, const struct guest_ram *ram)
{
    bool valid = points->count <= GDB_POINTS_MAX;

    for (unsigned i = 0; i < points->count && valid; i++) {
        const struct gdb_point *point = &points->points[i];

        valid = !point->in_memory ||
                (point->where.v % INSN_SIZE == 0 && guest_ram_at(ram, point->where.v, INSN_SIZE));
    }
    return valid;
}

int gdb_points_remove(struct gdb_points *points, enum gdb_point_kind kind, uint64_t address,
                      uint64_t size)
{
    struct gdb_point *point = find(points, kind, address, size);

    if (!point)
        return -ENOENT;
    *point = points->points[--points->count];
    return 0;
}

/* It is in RAM and aligned: gdb_points_insert() has seen to it. */
static uint32_t *word_of(const struct gdb_point *point, const struct guest_ram *ram)
{
    return (uint32_t *)(void *)guest_ram_to_write(ram, point->where.v, INSN_SIZE);
}

static bool is_taken(const struct gdb_points *points, ipa_t where)
{
    for (unsigned i = 0; i < points->count; i++) {
        if (points->points[i].in_memory && points->points[i].where.v == where.v)
            return true;
    }
    return false;
}

void gdb_points_set(struct gdb_points *points, const struct guest_ram *ram,
                    void (*written)(void *opaque, ipa_t where, uint64_t size), void *opaque)
{
    for (unsigned i = 0; i < points->count; i++) {
        struct gdb_point *point = &points->points[i];

        /* Two addresses of one word: one BRK serves both. */
        if (point->in_register || is_taken(points, point->where))
            continue;
        point->word = __atomic_load_n(word_of(point, ram), __ATOMIC_RELAXED);
        point->in_memory = true;
        /* Release: a vmm that dies here leaves no BRK that is not known. */
        __atomic_store_n(word_of(point, ram), htole32(INSN_BRK), __ATOMIC_RELEASE);
        written(opaque, point->where, INSN_SIZE);
    }
}

void gdb_points_unset(struct gdb_points *points, const struct guest_ram *ram,
                      void (*written)(void *opaque, ipa_t where, uint64_t size), void *opaque)
{
    for (unsigned i = 0; i < points->count; i++) {
        struct gdb_point *point = &points->points[i];
        uint32_t brk = htole32(INSN_BRK);

        /* What the guest has written there since then stays. */
        if (point->in_memory &&
            __atomic_compare_exchange_n(word_of(point, ram), &brk, point->word, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            written(opaque, point->where, INSN_SIZE);
        point->in_memory = false;
    }
}

/* The guest's own control register: EL1's exceptions are hard to give back, EL0's are not. */
static uint64_t for_el0(uint64_t control)
{
    return control & CR_EL0 ? control & ~(CR_EL1 | CR_HMC | CR_SSC) : 0;
}

static uint64_t watch_control(enum gdb_point_kind kind, uint64_t address, uint64_t piece)
{
    uint64_t control = CR_E | CR_EL1 | CR_EL0;

    control |= kind == GDB_POINT_READ    ? WCR_LOAD
               : kind == GDB_POINT_WRITE ? WCR_STORE
                                         : WCR_LOAD | WCR_STORE;
    if (piece > DOUBLEWORD)
        return control | WCR_BAS(0xff) | WCR_MASK(__builtin_ctzll(piece));
    return control | WCR_BAS(((1u << piece) - 1) << address % DOUBLEWORD);
}

/* The debugger's registers are the last ones: guests use theirs from the first on. */
void gdb_points_merge(const struct gdb_points *points, const struct rv_debug *guest, bool step,
                      struct rv_debug *merged)
{
    bool enabled = guest->mdscr & MDSCR_MDE;
    unsigned bp = points->nr_breakpoints, wp = points->nr_watchpoints;

    *merged = *guest;
    for (unsigned i = 0; i < 16; i++) {
        merged->bcr[i] = enabled ? for_el0(guest->bcr[i]) : 0;
        merged->wcr[i] = enabled ? for_el0(guest->wcr[i]) : 0;
    }
    for (unsigned i = 0; i < points->count; i++) {
        const struct gdb_point *point = &points->points[i];
        uint64_t address = point->address, left = point->size;

        if (!point->in_register)
            continue;
        if (!is_watch(point->kind)) {
            merged->bvr[--bp] = address;
            merged->bcr[bp] = CR_E | CR_EL1 | CR_EL0 | BCR_BAS_A64;
            continue;
        }
        while (left) {
            uint64_t piece = watch_piece(address, left);

            merged->wvr[--wp] = address & ~(uint64_t)(DOUBLEWORD - 1);
            merged->wcr[wp] = watch_control(point->kind, address, piece);
            address += piece;
            left -= piece;
        }
    }
    merged->mdscr &= ~(MDSCR_SS | MDSCR_KDE);
    merged->mdscr |= MDSCR_MDE | (step ? MDSCR_SS : 0);
}

/* FAR is anywhere in the access, whose first byte may be before the watched ones. */
static const struct gdb_point *watch_hit(const struct gdb_points *points, uint64_t far)
{
    const struct gdb_point *best = NULL;
    uint64_t least = ACCESS_MAX;

    for (unsigned i = 0; i < points->count; i++) {
        const struct gdb_point *point = &points->points[i];
        uint64_t distance = point->address - far;

        if (!is_watch(point->kind))
            continue;
        if (far - point->address < point->size)
            return point;
        if (distance < least) {
            least = distance;
            best = point;
        }
    }
    return best;
}

const struct gdb_point *gdb_points_hit(const struct gdb_points *points,
                                       const struct exit_info *info, const ipa_t *where)
{
    if (info->kind == EXIT_WATCHPOINT)
        return watch_hit(points, info->u.debug.far.v);
    for (unsigned i = 0; i < points->count; i++) {
        const struct gdb_point *point = &points->points[i];

        if (info->kind == EXIT_BREAKPOINT && point->in_register && !is_watch(point->kind) &&
            point->address == info->pc)
            return point;
        if (info->kind == EXIT_BRK64 && where && point->in_memory && point->where.v == where->v)
            return point;
    }
    return NULL;
}
