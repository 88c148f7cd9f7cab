/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_place.h"

#include <errno.h>

#include "vmm/util/log.h"

#define FIXED_MAX (sizeof(((struct vm_place *)0)->fixed) / sizeof(((struct vm_place *)0)->fixed[0]))

static bool spis_free(const struct vm_place *place, uint32_t first, unsigned count)
{
    if (first > BOARD_SPI_LIMIT || count > BOARD_SPI_LIMIT - first)
        return false;
    /* INTA to INTD, which a PCI function may want that comes later. */
    if (first < BOARD_PCI_SPI + BOARD_PCI_LINES && first + count > BOARD_PCI_SPI)
        return false;
    for (unsigned i = 0; i < count; i++)
        if (place->spi_used[first + i])
            return false;
    return true;
}

static void take_spis(struct vm_place *place, uint32_t first, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        place->spi_used[first + i] = true;
}

static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a <= b + (b_size - 1) && b <= a + (a_size - 1); /* may end with the address space */
}

/*
 * A class may choose its place, but none that is taken: by the vmm's own devices, by RAM, or
 * by what the vmm places.
 */
static bool is_free(const struct vm_place *place, uint64_t base, uint64_t size)
{
    static const struct vm_place_range reserved[] = {
        {BOARD_GICD_BASE, BOARD_GICR_END - BOARD_GICD_BASE},
        {BOARD_VIRTIO_BASE, BOARD_VIRTIO_COUNT * BOARD_VIRTIO_STEP},
        {BOARD_PLATFORM_BASE, BOARD_PLATFORM_SIZE},
        {BOARD_PCI_MMIO_BASE, BOARD_RAM_BASE - BOARD_PCI_MMIO_BASE},
        {BOARD_RAM_BASE, BOARD_RAM_SIZE_MAX},
    };
    bool free = true;

    for (unsigned i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        free &= !overlap(base, size, reserved[i].base, reserved[i].size);
    for (unsigned i = 0; i < place->nr_fixed; i++)
        free &= !overlap(base, size, place->fixed[i].base, place->fixed[i].size);
    return free;
}

/* All of its regions, or none. */
static bool place_fixed(struct vm_place *place, const struct rv_device_class *class, ipa_t *bases)
{
    unsigned before = place->nr_fixed;

    /* The SPIs of the virtio transports and the platform bus are dealt out there. */
    if (class->fixed_spi + class->irq_lines > BOARD_VIRTIO_SPI ||
        !spis_free(place, class->fixed_spi, class->irq_lines))
        return false;
    for (const struct rv_region *r = class->regions; r->bytes; r++) {
        if (place->nr_fixed == FIXED_MAX || !is_free(place, r->fixed_base, r->bytes)) {
            place->nr_fixed = before;
            return false;
        }
        place->fixed[place->nr_fixed++] = (struct vm_place_range){r->fixed_base, r->bytes};
        bases[r - class->regions] = ipa(r->fixed_base);
    }
    take_spis(place, class->fixed_spi, class->irq_lines);
    return true;
}

/* Bytes of the platform bus that a region takes; 0: more than there are. */
static uint64_t platform_bytes(const struct vm_place *place, uint64_t size)
{
    if (size > BOARD_PLATFORM_SIZE - place->platform_used)
        return 0;
    return (size + BOARD_PLATFORM_STEP - 1) / BOARD_PLATFORM_STEP * BOARD_PLATFORM_STEP;
}

static int place_platform(struct vm_place *place, const struct rv_device_class *class, ipa_t *bases,
                          uint32_t *first_spi)
{
    uint64_t before = place->platform_used;
    uint32_t spi = BOARD_PLATFORM_SPI;

    for (const struct rv_region *r = class->regions; r->bytes; r++) {
        uint64_t bytes = platform_bytes(place, r->bytes);

        if (!bytes) {
            log_error("device '%s' does not fit on the platform bus, which has 0x%llx bytes left",
                      class->name, (unsigned long long)(BOARD_PLATFORM_SIZE - before));
            place->platform_used = before;
            return -ENOSPC;
        }
        bases[r - class->regions] = ipa(BOARD_PLATFORM_BASE + place->platform_used);
        place->platform_used += bytes;
    }
    while (!spis_free(place, spi, class->irq_lines)) {
        if (++spi >= BOARD_SPI_LIMIT) {
            log_error("device '%s' needs %u SPIs in a row, but the %u of the board are in use: "
                      "give fewer devices",
                      class->name, class->irq_lines, BOARD_SPI_LIMIT);
            place->platform_used = before;
            return -ENOSPC;
        }
    }
    take_spis(place, spi, class->irq_lines);
    *first_spi = spi;
    return 0;
}

/* The board has 32 transports at fixed addresses. Further ones go to the platform bus. */
static int place_virtio(struct vm_place *place, const struct rv_device_class *class, ipa_t *bases,
                        uint32_t *first_spi)
{
    for (unsigned i = 0; i < BOARD_VIRTIO_COUNT; i++) {
        if (place->transport_used[i])
            continue;
        place->transport_used[i] = true;
        bases[0] = ipa(BOARD_VIRTIO_BASE + i * BOARD_VIRTIO_STEP);
        *first_spi = BOARD_VIRTIO_SPI + i;
        return 0;
    }
    return place_platform(place, class, bases, first_spi);
}

int vm_place(struct vm_place *place, const struct rv_device_class *class, ipa_t *bases,
             uint32_t *first_spi)
{
    if (class->place == RV_PLACE_VIRTIO_MMIO)
        return place_virtio(place, class, bases, first_spi);
    if (class->place == RV_PLACE_FIXED && place_fixed(place, class, bases)) {
        *first_spi = class->fixed_spi;
        return 0;
    }
    return place_platform(place, class, bases, first_spi);
}
