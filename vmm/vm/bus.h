/* SPDX-License-Identifier: BSD-2-Clause */
/* The MMIO bus: which device answers at which IPA. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/util/types.h"

/*
 * A region's two functions. `offset` counts bytes from the region's start;
 * `size` is 1, 2, 4 or 8 and the access lies inside of the region and is
 * aligned to its size. A read stores a value whose bits above `size` bytes are
 * ignored. 0, or -errno: the guest gets an external abort. -EINVAL to an access of
 * 8 bytes says that the registers are narrower and that nothing was done: the bus
 * then makes two accesses of 4 bytes, the lower address first, as the interconnect
 * of a real board does.
 */
struct bus_ops {
    int (*read)(void *opaque, uint64_t offset, unsigned size, uint64_t *value);
    int (*write)(void *opaque, uint64_t offset, unsigned size, uint64_t value);
};

struct bus;

struct bus *bus_new(void);
void bus_free(struct bus *bus);

/* 0; -EEXIST: overlaps another region; -EINVAL: empty or wraps; -ENOMEM. */
int bus_add(struct bus *bus, const char *name, ipa_t start, uint64_t size,
            const struct bus_ops *ops, void *opaque);

/* Calls `each` for each region, in the order of their addresses. */
void bus_each(const struct bus *bus,
              void (*each)(void *opaque, const char *name, ipa_t start, uint64_t size),
              void *opaque);

/* Removes the region that starts at `start`. 0 or -ENOENT. */
int bus_remove(struct bus *bus, ipa_t start);

/*
 * The name of the region that answers at `addr`, and how far into it that is. NULL: nobody
 * is there, and `offset` is the address.
 */
const char *bus_name(const struct bus *bus, ipa_t addr, uint64_t *offset);

/*
 * One access of `size` bytes (1, 2, 4, 8). A read gives a value with all bits
 * above `size` zero. -ENXIO: nobody is there, or the access leaves the region;
 * -EINVAL: not aligned to its size; other: what the device said.
 */
int bus_read(struct bus *bus, ipa_t addr, unsigned size, uint64_t *value);
int bus_write(struct bus *bus, ipa_t addr, unsigned size, uint64_t value);

/* Who makes the accesses from now on, for a region that wants to know. At first: nobody. */
struct bus_access {
    uint32_t vcpu; /* its number in the VM; BUS_NOBODY: none */
    bool posted;   /* it does not wait for its writes */
};
#define BUS_NOBODY UINT32_MAX

void bus_set_access(struct bus *bus, struct bus_access access);
struct bus_access bus_access(const struct bus *bus);
