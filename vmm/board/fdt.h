/* SPDX-License-Identifier: BSD-2-Clause */
/* The device tree of the guest's board (Devicetree Specification 0.4; Linux's bindings). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <ringvisor/device.h>

#include "vmm/util/types.h"

#define FDT_MORE_MAX 7u

struct fdt_region {
    ipa_t base;
    uint64_t size;
};

/* One device on the board: what the plugin says of itself, and where it is. */
struct fdt_device {
    const struct rv_fdt_node *node;
    ipa_t base; /* of the first region of registers, after which the node is named */
    uint64_t size;
    const struct fdt_region *more; /* further ones */
    unsigned nr_more;              /* FDT_MORE_MAX at most */
    const uint32_t *spis;          /* SPI numbers (INTID - 32) */
    unsigned nr_spis;
    uint64_t irq_edge; /* bit n: the n-th is edge-triggered, others are level, active high */

    /* What the plugin adds: see struct rv_device_class. NULL: nothing. */
    void *device;
    void (*fdt_node)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);
    void (*fdt_root)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);
};

struct fdt_config {
    ipa_t ram_base;
    uint64_t ram_size;

    const uint64_t *mpidr; /* of each vCPU: Aff3 to Aff0 are used */
    unsigned nr_vcpus;     /* 1 to RV_MAX_VCPUS */
    bool pmu;              /* they have a PMUv3 */
    bool pci;              /* there is a PCI bus, and a frame for its messages */

    const char *bootargs; /* or NULL */
    ipa_t initrd;
    uint64_t initrd_size; /* 0: none */

    /* Fresh random bytes for each boot: the guest trusts them. */
    uint64_t kaslr_seed; /* 0: none */
    const uint8_t *rng_seed;
    size_t rng_seed_size; /* 0: none */

    const struct fdt_device *devices;
    unsigned nr_devices;
};

/*
 * Builds the tree into `buf`, which is 8-byte aligned; fdt_totalsize() tells how
 * much of it is used. The first device with `stdout_path` becomes
 * /chosen/stdout-path; all of these have an alias serialN, in order. 0; -EINVAL:
 * something in `config` cannot be described; -ENOSPC: `size` is too small. A
 * message is written.
 */
int fdt_build(const struct fdt_config *config, void *buf, size_t size);
