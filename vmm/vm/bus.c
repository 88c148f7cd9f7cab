/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/bus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/trace/tap.h"
#include "vmm/util/log.h"

struct bus_region {
    uint64_t start;
    uint64_t last; /* of its bytes, so that a region may end where the address space does */
    const struct bus_ops *ops;
    void *opaque;
    char *name;
};

/*
 * Sorted by address, without overlaps. A device driver goes on with the device
 * that it is at, so the region of the last access is tried first.
 */
struct bus {
    struct bus_region *regions;
    size_t count;
    size_t hit;
    struct bus_access access;
};

struct bus *bus_new(void)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (bus)
        bus->access.vcpu = BUS_NOBODY;
    return bus;
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    for (size_t i = 0; i < bus->count; i++)
        free(bus->regions[i].name);
    free(bus->regions);
    free(bus);
}

/* Index of the first region that ends at or after `addr`; `count` if there is none. */
static size_t bus_search(const struct bus *bus, uint64_t addr)
{
    size_t low = 0, high = bus->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (bus->regions[mid].last < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

int bus_add(struct bus *bus, const char *name, ipa_t start, uint64_t size,
            const struct bus_ops *ops, void *opaque)
{
    uint64_t last = start.v + size - 1;
    struct bus_region *regions;
    char *copy;
    size_t at;

    if (size == 0 || last < start.v) {
        log_error("device '%s' at 0x%" PRIx64 ": 0x%" PRIx64 " bytes are no address range", name,
                  start.v, size);
        return -EINVAL;
    }
    at = bus_search(bus, start.v);
    if (at < bus->count && bus->regions[at].start <= last) {
        log_error("device '%s' at 0x%" PRIx64 "-0x%" PRIx64 " overlaps '%s' at 0x%" PRIx64
                  "-0x%" PRIx64 ": move one of them",
                  name, start.v, last, bus->regions[at].name, bus->regions[at].start,
                  bus->regions[at].last);
        return -EEXIST;
    }
    copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    regions = reallocarray(bus->regions, bus->count + 1, sizeof(*regions));
    if (!regions) {
        free(copy);
        return -ENOMEM;
    }
    bus->regions = regions;
    memmove(&regions[at + 1], &regions[at], (bus->count - at) * sizeof(*regions));
    regions[at] = (struct bus_region){
        .start = start.v, .last = last, .ops = ops, .opaque = opaque, .name = copy};
    bus->count++;
    bus->hit = at;
    return 0;
}

void bus_each(const struct bus *bus,
              void (*each)(void *opaque, const char *name, ipa_t start, uint64_t size),
              void *opaque)
{
    for (size_t i = 0; i < bus->count; i++)
        each(opaque, bus->regions[i].name, ipa(bus->regions[i].start),
             bus->regions[i].last - bus->regions[i].start + 1);
}

int bus_remove(struct bus *bus, ipa_t start)
{
    size_t at = bus_search(bus, start.v);

    if (at == bus->count || bus->regions[at].start != start.v)
        return -ENOENT;
    free(bus->regions[at].name);
    bus->count--;
    memmove(&bus->regions[at], &bus->regions[at + 1], (bus->count - at) * sizeof(*bus->regions));
    bus->hit = 0;
    return 0;
}

static bool bus_contains(const struct bus_region *region, uint64_t addr)
{
    return addr >= region->start && addr <= region->last;
}

const char *bus_name(const struct bus *bus, ipa_t addr, uint64_t *offset)
{
    size_t at = bus_search(bus, addr.v);

    *offset = addr.v;
    if (at == bus->count || !bus_contains(&bus->regions[at], addr.v))
        return NULL;
    *offset -= bus->regions[at].start;
    return bus->regions[at].name;
}

/*
 * Where an access goes: a copy of the region's fields, since the device may change the
 * bus in a callback.
 */
struct bus_target {
    const struct bus_ops *ops;
    void *opaque;
    uint64_t offset;
    const char *name;
};

static int bus_find(struct bus *bus, uint64_t addr, unsigned size, struct bus_target *target)
{
    const struct bus_region *region;

    if ((size != 1 && size != 2 && size != 4 && size != 8) || (addr & (size - 1)) != 0)
        return -EINVAL;
    if (bus->hit >= bus->count || !bus_contains(&bus->regions[bus->hit], addr)) {
        size_t at = bus_search(bus, addr);

        if (at == bus->count || !bus_contains(&bus->regions[at], addr))
            return -ENXIO;
        bus->hit = at;
    }
    region = &bus->regions[bus->hit];
    if (region->last - addr < size - 1)
        return -ENXIO;
    *target = (struct bus_target){
        .ops = region->ops,
        .opaque = region->opaque,
        .offset = addr - region->start,
        .name = region->name,
    };
    /* The device is promised an aligned offset too, wherever its region starts. */
    return target->offset & (size - 1) ? -EINVAL : 0;
}

static int read_halves(const struct bus_target *to, uint64_t *value)
{
    uint64_t low = 0, high = 0;
    int error = to->ops->read(to->opaque, to->offset, 4, &low);

    if (!error)
        error = to->ops->read(to->opaque, to->offset + 4, 4, &high);
    *value = (low & UINT32_MAX) | high << 32;
    return error;
}

static int write_halves(const struct bus_target *to, uint64_t value)
{
    int error = to->ops->write(to->opaque, to->offset, 4, value & UINT32_MAX);

    return error ? error : to->ops->write(to->opaque, to->offset + 4, 4, value >> 32);
}

int bus_read(struct bus *bus, ipa_t addr, unsigned size, uint64_t *value)
{
    struct bus_target to;
    int error = bus_find(bus, addr.v, size, &to);

    if (error)
        return error;
    if (!to.ops->read)
        return -ENXIO;
    *value = 0;
    tap_access_begin(to.name, addr.v, size, false, 0);
    error = to.ops->read(to.opaque, to.offset, size, value);
    if (error == -EINVAL && size == 8)
        error = read_halves(&to, value);
    if (!error)
        *value &= UINT64_MAX >> (64 - 8 * size);
    tap_access_end(to.name, addr.v, size, false, *value, error);
    return error;
}

int bus_write(struct bus *bus, ipa_t addr, unsigned size, uint64_t value)
{
    struct bus_target to;
    int error = bus_find(bus, addr.v, size, &to);

    if (error)
        return error;
    if (!to.ops->write)
        return -ENXIO;
    value &= UINT64_MAX >> (64 - 8 * size);
    tap_access_begin(to.name, addr.v, size, true, value);
    error = to.ops->write(to.opaque, to.offset, size, value);
    if (error == -EINVAL && size == 8)
        error = write_halves(&to, value);
    tap_access_end(to.name, addr.v, size, true, value, error);
    return error;
}

void bus_set_access(struct bus *bus, struct bus_access access)
{
    bus->access = access;
}

struct bus_access bus_access(const struct bus *bus)
{
    return bus->access;
}
