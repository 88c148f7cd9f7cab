/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/board/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

#include "proto/boot.h"
#include "vmm/board/board.h"
#include "vmm/board/fdt_device.h"
#include "vmm/board/fdt_pci.h"
#include "vmm/util/log.h"

/* MPIDR_EL1.Aff3 to Aff0 (Arm ARM, MPIDR_EL1); bits 31:24 are flags. */
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)
#define MPIDR_AFF3     UINT64_C(0xff00000000)

/* Linux on arm64 keeps this much of the command line, with its NUL. */
#define LINUX_COMMAND_LINE_SIZE 2048u

static void device_path(char *path, const struct fdt_device *device)
{
    snprintf(path, NODE_PATH_SIZE, "/%s@%" PRIx64, device->node->name, device->base.v);
}

static void build_chosen(struct fdt_writer *w, const struct fdt_config *config)
{
    char path[NODE_PATH_SIZE];

    fdt_writer_begin(w, "chosen");
    if (config->bootargs != NULL)
        fdt_writer_string(w, "bootargs", config->bootargs);
    for (unsigned i = 0; i < config->nr_devices; i++) {
        if (config->devices[i].node->stdout_path) {
            device_path(path, &config->devices[i]);
            fdt_writer_string(w, "stdout-path", path);
            break;
        }
    }
    if (config->initrd_size != 0) {
        fdt_writer_u64(w, "linux,initrd-start", config->initrd.v);
        fdt_writer_u64(w, "linux,initrd-end", config->initrd.v + config->initrd_size);
    }
    if (config->kaslr_seed != 0)
        fdt_writer_u64(w, "kaslr-seed", config->kaslr_seed);
    if (config->rng_seed_size != 0)
        fdt_writer_bytes(w, "rng-seed", config->rng_seed, config->rng_seed_size);
    fdt_writer_end(w);
}

/* Without these, Linux numbers the ttyAMA devices in the order of probing. */
static void build_aliases(struct fdt_writer *w, const struct fdt_config *config)
{
    char path[NODE_PATH_SIZE], alias[sizeof("serial4294967295")];
    unsigned nr = 0;

    fdt_writer_begin(w, "aliases");
    for (unsigned i = 0; i < config->nr_devices; i++) {
        if (!config->devices[i].node->stdout_path)
            continue;
        device_path(path, &config->devices[i]);
        snprintf(alias, sizeof(alias), "serial%u", nr++);
        fdt_writer_string(w, alias, path);
    }
    fdt_writer_end(w);
}

static void build_memory(struct fdt_writer *w, const struct fdt_config *config)
{
    fdt_writer_begin_at(w, "memory", config->ram_base.v);
    fdt_writer_string(w, "device_type", "memory");
    fdt_writer_reg(w, (const uint64_t[]){config->ram_base.v, config->ram_size}, 1);
    fdt_writer_end(w);
}

/*
 * `reg` is MPIDR's affinity; one cell is enough, and all that older readers know,
 * while every Aff3 is 0 (Linux bindings, arm/cpus).
 */
static void build_cpus(struct fdt_writer *w, const struct fdt_config *config)
{
    bool wide = false;

    for (unsigned i = 0; i < config->nr_vcpus; i++)
        wide |= (config->mpidr[i] & MPIDR_AFF3) != 0;
    fdt_writer_begin(w, "cpus");
    fdt_writer_u32(w, "#address-cells", wide ? 2 : 1);
    fdt_writer_u32(w, "#size-cells", 0);
    for (unsigned i = 0; i < config->nr_vcpus; i++) {
        uint64_t affinity = config->mpidr[i] & MPIDR_AFFINITY;

        fdt_writer_begin_at(w, "cpu", affinity);
        fdt_writer_string(w, "device_type", "cpu");
        fdt_writer_string(w, "compatible", "arm,armv8");
        if (wide)
            fdt_writer_u64(w, "reg", affinity);
        else
            fdt_writer_u32(w, "reg", (uint32_t)affinity);
        fdt_writer_string(w, "enable-method", "psci");
        fdt_writer_end(w);
    }
    fdt_writer_end(w);
}

/* HVC, as the guest runs at EL1 and the stub at EL2 (PSCI, DEN0022, 5.2.1: conduits). */
static void build_psci(struct fdt_writer *w)
{
    fdt_writer_begin(w, "psci");
    fdt_writer_strings(w, "compatible",
                       (const char *const[]){"arm,psci-1.0", "arm,psci-0.2", NULL});
    fdt_writer_string(w, "method", "hvc");
    fdt_writer_end(w);
}

/*
 * always-on: no power state that the guest can ask for stops its timer. A vCPU
 * in WFI or CPU_SUSPEND, to power-down too, has it live in its core, or saved
 * with the deadline kept by the scheduler. Without the property Linux
 * takes the timer for one that stops in deep idle (C3STOP), and as the board has
 * no other timer that could wake it, gives up high resolution and tickless idle.
 */
static void build_timer(struct fdt_writer *w)
{
    const uint32_t interrupts[] = {
        GIC_PPI, BOARD_TIMER_SEC_INTID - BOARD_PPI_INTID,  GIC_LEVEL_HIGH,
        GIC_PPI, BOARD_TIMER_PHYS_INTID - BOARD_PPI_INTID, GIC_LEVEL_HIGH,
        GIC_PPI, BOARD_TIMER_VIRT_INTID - BOARD_PPI_INTID, GIC_LEVEL_HIGH,
        GIC_PPI, BOARD_TIMER_HYP_INTID - BOARD_PPI_INTID,  GIC_LEVEL_HIGH,
    };

    fdt_writer_begin(w, "timer");
    fdt_writer_string(w, "compatible", "arm,armv8-timer");
    fdt_writer_empty(w, "always-on");
    fdt_writer_cells(w, "interrupts", interrupts, sizeof(interrupts) / sizeof(interrupts[0]));
    fdt_writer_end(w);
}

static void build_pmu(struct fdt_writer *w)
{
    const uint32_t interrupts[] = {GIC_PPI, BOARD_PMU_INTID - BOARD_PPI_INTID, GIC_LEVEL_HIGH};

    fdt_writer_begin(w, "pmu");
    fdt_writer_string(w, "compatible", "arm,armv8-pmuv3");
    fdt_writer_cells(w, "interrupts", interrupts, sizeof(interrupts) / sizeof(interrupts[0]));
    fdt_writer_end(w);
}

/* No maintenance interrupt: the guest has no EL2. */
static void build_gic(struct fdt_writer *w, const struct fdt_config *config)
{
    const uint64_t reg[] = {
        BOARD_GICD_BASE,
        BOARD_GICD_SIZE,
        BOARD_GICR_BASE,
        BOARD_GICR_STRIDE * config->nr_vcpus,
    };

    fdt_writer_begin_at(w, "interrupt-controller", BOARD_GICD_BASE);
    fdt_writer_string(w, "compatible", "arm,gic-v3");
    fdt_writer_empty(w, "interrupt-controller");
    fdt_writer_u32(w, "#interrupt-cells", GIC_CELLS);
    /* What an interrupt-map that points here has before the interrupt: an address, if a child has. */
    fdt_writer_u32(w, "#address-cells", config->pci ? 2 : 0);
    if (config->pci) {
        fdt_writer_u32(w, "#size-cells", 2);
        fdt_writer_empty(w, "ranges");
    }
    fdt_writer_u32(w, "#redistributor-regions", 1);
    fdt_writer_reg(w, reg, 2);
    fdt_writer_u32(w, "phandle", PHANDLE_GIC);
    if (config->pci)
        fdt_pci_build_v2m(w);
    fdt_writer_end(w);
}

static void build_clock(struct fdt_writer *w)
{
    fdt_writer_begin(w, "apb-pclk");
    fdt_writer_string(w, "compatible", "fixed-clock");
    fdt_writer_u32(w, "#clock-cells", 0);
    fdt_writer_u32(w, "clock-frequency", BOARD_CLOCK_HZ);
    fdt_writer_string(w, "clock-output-names", "clk24mhz");
    fdt_writer_u32(w, "phandle", PHANDLE_CLOCK);
    fdt_writer_end(w);
}

static void build_root(struct fdt_writer *w, const struct fdt_config *config)
{
    fdt_writer_begin(w, "");
    fdt_writer_strings(w, "compatible",
                       (const char *const[]){BOARD_COMPATIBLE, "linux,dummy-virt", NULL});
    fdt_writer_string(w, "model", BOARD_MODEL);
    fdt_writer_u32(w, "#address-cells", 2);
    fdt_writer_u32(w, "#size-cells", 2);
    fdt_writer_u32(w, "interrupt-parent", PHANDLE_GIC);
    /* Devices reach RAM through the vmm's cached mapping: the guest must not bypass its caches. */
    fdt_writer_empty(w, "dma-coherent");
    build_chosen(w, config);
    build_aliases(w, config);
    build_memory(w, config);
    build_cpus(w, config);
    build_psci(w);
    build_timer(w);
    if (config->pmu)
        build_pmu(w);
    build_gic(w, config);
    build_clock(w);
    if (config->pci)
        fdt_pci_build(w);
    for (unsigned i = 0; i < config->nr_devices; i++)
        fdt_device_build(w, config, i);
    for (unsigned i = 0; i < config->nr_devices; i++)
        fdt_device_build_root(w, config, i);
    fdt_writer_end(w);
}

static int check_vcpus(const struct fdt_config *config)
{
    if (config->nr_vcpus == 0 || config->nr_vcpus > RV_MAX_VCPUS) {
        log_error("device tree: %u vCPUs, but the board has 1 to %u", config->nr_vcpus,
                  RV_MAX_VCPUS);
        return -EINVAL;
    }
    for (unsigned i = 0; i < config->nr_vcpus; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (((config->mpidr[i] ^ config->mpidr[j]) & MPIDR_AFFINITY) == 0) {
                log_error("device tree: vCPUs %u and %u have the same MPIDR affinity", j, i);
                return -EINVAL;
            }
        }
    }
    return 0;
}

/* A plugin wrote these strings: a bad one would make a tree that no kernel can read. */
static int check_device(const struct fdt_config *config, unsigned index)
{
    const struct fdt_device *device = &config->devices[index];
    const char *name = device->node->name;
    size_t length = strlen(name);

    if (length == 0 || length > NODE_NAME_MAX || strspn(name, NODE_NAME_CHARS) != length) {
        log_error("device tree: '%s' cannot be a node name: use 1 to %u letters, digits or ,._+-",
                  name, NODE_NAME_MAX);
        return -EINVAL;
    }
    if (device->node->compatible == NULL || device->node->compatible[0] == NULL) {
        log_error("device tree: device '%s' has no compatible string", name);
        return -EINVAL;
    }
    for (unsigned i = 0; i < device->nr_spis; i++) {
        if (device->spis[i] >= BOARD_SPI_LIMIT) {
            log_error("device tree: device '%s': there is no SPI %" PRIu32, name, device->spis[i]);
            return -EINVAL;
        }
    }
    for (unsigned i = 0; i < index; i++) {
        if (config->devices[i].base.v == device->base.v) {
            log_error("device tree: devices '%s' and '%s' are both at 0x%" PRIx64,
                      config->devices[i].node->name, name, device->base.v);
            return -EINVAL;
        }
    }
    return 0;
}

static int check(const struct fdt_config *config)
{
    int error = check_vcpus(config);

    for (unsigned i = 0; error == 0 && i < config->nr_devices; i++)
        error = check_device(config, i);
    if (error == 0 && config->bootargs != NULL &&
        strlen(config->bootargs) >= LINUX_COMMAND_LINE_SIZE)
        log_warn("device tree: Linux cuts a command line after %u bytes; this one has %zu",
                 LINUX_COMMAND_LINE_SIZE - 1, strlen(config->bootargs));
    return error;
}

/* Two plugins, or two instances of one, may add a node of one name to the root. */
static int check_names(const void *fdt)
{
    int a, b;

    for (a = fdt_first_subnode(fdt, 0); a >= 0; a = fdt_next_subnode(fdt, a)) {
        for (b = fdt_next_subnode(fdt, a); b >= 0; b = fdt_next_subnode(fdt, b)) {
            if (strcmp(fdt_get_name(fdt, a, NULL), fdt_get_name(fdt, b, NULL)) == 0) {
                log_error("device tree: there are two nodes '/%s'", fdt_get_name(fdt, a, NULL));
                return -EINVAL;
            }
        }
    }
    return 0;
}

int fdt_build(const struct fdt_config *config, void *buf, size_t size)
{
    struct fdt_writer w = {.fdt = buf};
    int error = check(config);

    if (error != 0)
        return error;
    w.error = fdt_create(buf, size > INT_MAX ? INT_MAX : (int)size);
    /* No memory reservations: the kernel finds tree and initrd, and reserves them, by itself. */
    if (w.error == 0)
        w.error = fdt_finish_reservemap(buf);
    build_root(&w, config);
    if (w.error == 0)
        w.error = fdt_finish(buf);
    if (w.error == 0)
        return check_names(buf);
    if (w.error == -FDT_ERR_BADSTRUCTURE)
        return -EINVAL; /* a plugin's doing: said already */
    log_error("device tree: cannot build it in %zu bytes: %s", size, fdt_strerror(w.error));
    return w.error == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
}
