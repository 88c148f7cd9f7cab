/* SPDX-License-Identifier: BSD-2-Clause */
/* Where devices go on the guest's board: addresses and SPIs that are free. */
#pragma once

#include <ringvisor/device.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/board/board.h"
#include "vmm/util/types.h"

/* In the order of asking, so that a command line gives the same board each time. */
struct vm_place {
    bool spi_used[BOARD_SPI_LIMIT];
    bool transport_used[BOARD_VIRTIO_COUNT];
    uint64_t platform_used; /* bytes of the platform bus, from its base on */
    unsigned nr_fixed;
    struct vm_place_range {
        uint64_t base;
        uint64_t size;
    } fixed[16]; /* the fixed places that were given away */
};

/* The address of each of the class's regions, and the SPI of line 0. 0, or -ENOSPC after a message. */
int vm_place(struct vm_place *place, const struct rv_device_class *class, ipa_t *bases,
             uint32_t *first_spi);
