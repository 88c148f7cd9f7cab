/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest RAM as the loader sees it: one range of IPAs that the vmm has mapped. And ROMs. */
#pragma once

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/util/types.h"

struct guest_ram {
    uint8_t *host; /* where this process has it */
    uint64_t ipa;  /* 2 MiB aligned; ipa + size does not wrap */
    uint64_t size; /* bytes */
    /* Makes sure that [offset, offset + size) is there, see vm_lazy.h. NULL: all of it is. */
    void (*need)(void *opaque, uint64_t offset, uint64_t size);
    /* This process writes there, see vm_dirty.h. NULL: nobody asks. */
    void (*written)(void *opaque, uint64_t offset, uint64_t size);
    void *opaque;
};

/* All of [ipa, ipa + size) is RAM. An empty range has to lie inside or at the end. */
static inline bool guest_ram_has(const struct guest_ram *ram, uint64_t ipa, uint64_t size)
{
    uint64_t offset = ipa - ram->ipa;

    return ipa >= ram->ipa && offset <= ram->size && size <= ram->size - offset;
}

/* Host address of [ipa, ipa + size), or NULL: not all of it is RAM. */
static inline const uint8_t *guest_ram_at(const struct guest_ram *ram, uint64_t ipa, uint64_t size)
{
    if (!guest_ram_has(ram, ipa, size))
        return NULL;
    if (ram->need)
        ram->need(ram->opaque, ipa - ram->ipa, size);
    return ram->host + (ipa - ram->ipa);
}

/* The same, to write to it. */
static inline uint8_t *guest_ram_to_write(const struct guest_ram *ram, uint64_t ipa, uint64_t size)
{
    if (!guest_ram_at(ram, ipa, size))
        return NULL;
    if (ram->written && size)
        ram->written(ram->opaque, ipa - ram->ipa, size);
    return ram->host + (ipa - ram->ipa);
}

/* Memory of a device, which the guest reads and executes while it is shown. */
struct guest_rom {
    uint8_t *host;
    uint64_t ipa;
    uint64_t size;
    bool shown;
};

#define GUEST_ROMS_MAX 16u

struct guest_roms {
    struct guest_rom rom[GUEST_ROMS_MAX];
    unsigned count;
};

/* Host address of [ipa, ipa + size) in a ROM that is shown, or NULL. `roms` NULL: there are none. */
static inline const uint8_t *guest_rom_at(const struct guest_roms *roms, uint64_t ipa,
                                          uint64_t size)
{
    for (unsigned i = 0; roms && i < roms->count; i++) {
        const struct guest_rom *rom = &roms->rom[i];

        if (rom->shown && ipa >= rom->ipa && ipa - rom->ipa <= rom->size &&
            size <= rom->size - (ipa - rom->ipa))
            return rom->host + (ipa - rom->ipa);
    }
    return NULL;
}

/*
 * 8 bytes that an MMU can read as a word of a table: in RAM or a ROM, aligned, in one load,
 * little-endian. 0 or -ENXIO.
 */
static inline int guest_word(const struct guest_ram *ram, const struct guest_roms *roms, ipa_t addr,
                             uint64_t *word)
{
    const uint64_t *p = (const uint64_t *)guest_ram_at(ram, addr.v, sizeof(*p));

    if (!p)
        p = (const uint64_t *)guest_rom_at(roms, addr.v, sizeof(*p));
    if (!p || addr.v % sizeof(*p))
        return -ENXIO;
    *word = le64toh(__atomic_load_n(p, __ATOMIC_RELAXED));
    return 0;
}

static inline uint64_t guest_ram_end(const struct guest_ram *ram)
{
    return ram->ipa + ram->size;
}
