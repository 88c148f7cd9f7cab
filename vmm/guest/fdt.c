/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/guest/fdt.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <libfdt.h>

#include "proto/boot.h"
#include "vmm/guest/board.h"
#include "vmm/log.h"

#define PHANDLE_GIC   1u
#define PHANDLE_CLOCK 2u

/* Interrupt specifiers of arm,gic-v3: type, number within the type, flags. */
#define GIC_CELLS      3u
#define GIC_SPI        0u
#define GIC_PPI        1u
#define GIC_LEVEL_HIGH 4u

/* MPIDR_EL1.Aff3 to Aff0 (Arm ARM, MPIDR_EL1); bits 31:24 are flags. */
#define MPIDR_AFFINITY UINT64_C(0xff00ffffff)
#define MPIDR_AFF3     UINT64_C(0xff00000000)

/* Linux on arm64 keeps this much of the command line, with its NUL. */
#define LINUX_COMMAND_LINE_SIZE 2048u

/* Devicetree Specification, 2.2.1: a node name has 1 to 31 characters of these. */
#define NODE_NAME_MAX   31u
#define NODE_NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,._+-"

/* "name@" and 16 digits, and '/' for a path. */
#define NODE_PATH_SIZE (NODE_NAME_MAX + 19u)

/*
 * libfdt's sequential writer, and the first error that it gave. After that every
 * call does nothing, so the tree below reads as the list of what is in it.
 */
struct writer {
    void *fdt;
    int error;
};

static void begin(struct writer *w, const char *name)
{
    if (w->error == 0)
        w->error = fdt_begin_node(w->fdt, name);
}

static void end(struct writer *w)
{
    if (w->error == 0)
        w->error = fdt_end_node(w->fdt);
}

static void begin_at(struct writer *w, const char *name, uint64_t address)
{
    char full[NODE_PATH_SIZE];

    snprintf(full, sizeof(full), "%s@%" PRIx64, name, address);
    begin(w, full);
}

static void put_bytes(struct writer *w, const char *name, const void *data, size_t size)
{
    if (w->error == 0)
        w->error = size > INT_MAX ? -FDT_ERR_NOSPACE : fdt_property(w->fdt, name, data, (int)size);
}

static void put_empty(struct writer *w, const char *name)
{
    put_bytes(w, name, NULL, 0);
}

static void put_u32(struct writer *w, const char *name, uint32_t value)
{
    if (w->error == 0)
        w->error = fdt_property_u32(w->fdt, name, value);
}

static void put_u64(struct writer *w, const char *name, uint64_t value)
{
    if (w->error == 0)
        w->error = fdt_property_u64(w->fdt, name, value);
}

static void put_string(struct writer *w, const char *name, const char *value)
{
    put_bytes(w, name, value, strlen(value) + 1);
}

/* `size` bytes to be filled in by the caller, or NULL after an error. */
static void *put_space(struct writer *w, const char *name, size_t size)
{
    void *space = NULL;

    if (w->error == 0)
        w->error = size > INT_MAX ? -FDT_ERR_NOSPACE
                                  : fdt_property_placeholder(w->fdt, name, (int)size, &space);
    return w->error == 0 ? space : NULL;
}

/* A NULL-terminated list as a stringlist. */
static void put_strings(struct writer *w, const char *name, const char *const *list)
{
    size_t size = 0;
    char *to;

    for (unsigned i = 0; list[i] != NULL; i++)
        size += strlen(list[i]) + 1;
    to = put_space(w, name, size);
    for (unsigned i = 0; to != NULL && list[i] != NULL; i++)
        to = stpcpy(to, list[i]) + 1;
}

/* Big-endian cells, as the format has them. */
static void put_cells(struct writer *w, const char *name, const uint32_t *cells, unsigned count)
{
    fdt32_t *to = put_space(w, name, count * sizeof(*cells));

    for (unsigned i = 0; to != NULL && i < count; i++)
        fdt32_st(&to[i], cells[i]);
}

/* (address, size) pairs with two cells each, which is what the root node declares. */
static void put_reg(struct writer *w, const uint64_t *pairs, unsigned count)
{
    fdt64_t *to = put_space(w, "reg", count * 2 * sizeof(*pairs));

    for (unsigned i = 0; to != NULL && i < count * 2; i++)
        fdt64_st(&to[i], pairs[i]);
}

static void device_path(char *path, const struct fdt_device *device)
{
    snprintf(path, NODE_PATH_SIZE, "/%s@%" PRIx64, device->node->name, device->base.v);
}

static void build_chosen(struct writer *w, const struct fdt_config *config)
{
    char path[NODE_PATH_SIZE];

    begin(w, "chosen");
    if (config->bootargs != NULL)
        put_string(w, "bootargs", config->bootargs);
    for (unsigned i = 0; i < config->nr_devices; i++) {
        if (config->devices[i].node->stdout_path) {
            device_path(path, &config->devices[i]);
            put_string(w, "stdout-path", path);
            break;
        }
    }
    if (config->initrd_size != 0) {
        put_u64(w, "linux,initrd-start", config->initrd.v);
        put_u64(w, "linux,initrd-end", config->initrd.v + config->initrd_size);
    }
    if (config->kaslr_seed != 0)
        put_u64(w, "kaslr-seed", config->kaslr_seed);
    if (config->rng_seed_size != 0)
        put_bytes(w, "rng-seed", config->rng_seed, config->rng_seed_size);
    end(w);
}

/* Without these, Linux numbers the ttyAMA devices in the order of probing. */
static void build_aliases(struct writer *w, const struct fdt_config *config)
{
    char path[NODE_PATH_SIZE], alias[sizeof("serial4294967295")];
    unsigned nr = 0;

    begin(w, "aliases");
    for (unsigned i = 0; i < config->nr_devices; i++) {
        if (!config->devices[i].node->stdout_path)
            continue;
        device_path(path, &config->devices[i]);
        snprintf(alias, sizeof(alias), "serial%u", nr++);
        put_string(w, alias, path);
    }
    end(w);
}

static void build_memory(struct writer *w, const struct fdt_config *config)
{
    begin_at(w, "memory", config->ram_base.v);
    put_string(w, "device_type", "memory");
    put_reg(w, (const uint64_t[]){config->ram_base.v, config->ram_size}, 1);
    end(w);
}

/*
 * `reg` is MPIDR's affinity; one cell is enough, and all that older readers know,
 * while every Aff3 is 0 (Linux bindings, arm/cpus).
 */
static void build_cpus(struct writer *w, const struct fdt_config *config)
{
    bool wide = false;

    for (unsigned i = 0; i < config->nr_vcpus; i++)
        wide |= (config->mpidr[i] & MPIDR_AFF3) != 0;
    begin(w, "cpus");
    put_u32(w, "#address-cells", wide ? 2 : 1);
    put_u32(w, "#size-cells", 0);
    for (unsigned i = 0; i < config->nr_vcpus; i++) {
        uint64_t affinity = config->mpidr[i] & MPIDR_AFFINITY;

        begin_at(w, "cpu", affinity);
        put_string(w, "device_type", "cpu");
        put_string(w, "compatible", "arm,armv8");
        if (wide)
            put_u64(w, "reg", affinity);
        else
            put_u32(w, "reg", (uint32_t)affinity);
        put_string(w, "enable-method", "psci");
        end(w);
    }
    end(w);
}

/* HVC, as the guest runs at EL1 and the stub at EL2 (PSCI, DEN0022, 5.2.1: conduits). */
static void build_psci(struct writer *w)
{
    begin(w, "psci");
    put_strings(w, "compatible", (const char *const[]){"arm,psci-1.0", "arm,psci-0.2", NULL});
    put_string(w, "method", "hvc");
    end(w);
}

/*
 * always-on: no power state that the guest can ask for stops its timer. A vCPU
 * in WFI or CPU_SUSPEND, to power-down too, has it live in its core, or saved
 * with the deadline kept by whoever took the core. Without the property Linux
 * takes the timer for one that stops in deep idle (C3STOP), and as the board has
 * no other timer that could wake it, gives up high resolution and tickless idle.
 */
static void build_timer(struct writer *w)
{
    const uint32_t interrupts[] = {
        GIC_PPI, BOARD_TIMER_SEC_INTID - BOARD_PPI_INTID,  GIC_LEVEL_HIGH,
        GIC_PPI, BOARD_TIMER_PHYS_INTID - BOARD_PPI_INTID, GIC_LEVEL_HIGH,
        GIC_PPI, BOARD_TIMER_VIRT_INTID - BOARD_PPI_INTID, GIC_LEVEL_HIGH,
        GIC_PPI, BOARD_TIMER_HYP_INTID - BOARD_PPI_INTID,  GIC_LEVEL_HIGH,
    };

    begin(w, "timer");
    put_string(w, "compatible", "arm,armv8-timer");
    put_empty(w, "always-on");
    put_cells(w, "interrupts", interrupts, sizeof(interrupts) / sizeof(interrupts[0]));
    end(w);
}

static void build_pmu(struct writer *w)
{
    const uint32_t interrupts[] = {GIC_PPI, BOARD_PMU_INTID - BOARD_PPI_INTID, GIC_LEVEL_HIGH};

    begin(w, "pmu");
    put_string(w, "compatible", "arm,armv8-pmuv3");
    put_cells(w, "interrupts", interrupts, sizeof(interrupts) / sizeof(interrupts[0]));
    end(w);
}

/* No maintenance interrupt: the guest has no EL2. */
static void build_gic(struct writer *w, const struct fdt_config *config)
{
    const uint64_t reg[] = {
        BOARD_GICD_BASE,
        BOARD_GICD_SIZE,
        BOARD_GICR_BASE,
        BOARD_GICR_STRIDE * config->nr_vcpus,
    };

    begin_at(w, "interrupt-controller", BOARD_GICD_BASE);
    put_string(w, "compatible", "arm,gic-v3");
    put_empty(w, "interrupt-controller");
    put_u32(w, "#interrupt-cells", GIC_CELLS);
    /* What an interrupt-map that points here would put before the interrupt: nothing. */
    put_u32(w, "#address-cells", 0);
    put_u32(w, "#redistributor-regions", 1);
    put_reg(w, reg, 2);
    put_u32(w, "phandle", PHANDLE_GIC);
    end(w);
}

static void build_clock(struct writer *w)
{
    begin(w, "apb-pclk");
    put_string(w, "compatible", "fixed-clock");
    put_u32(w, "#clock-cells", 0);
    put_u32(w, "clock-frequency", BOARD_CLOCK_HZ);
    put_string(w, "clock-output-names", "clk24mhz");
    put_u32(w, "phandle", PHANDLE_CLOCK);
    end(w);
}

static void build_device(struct writer *w, const struct fdt_device *device)
{
    const struct rv_fdt_node *node = device->node;
    unsigned nr_clocks = 0;

    begin_at(w, node->name, device->base.v);
    put_strings(w, "compatible", node->compatible);
    put_reg(w, (const uint64_t[]){device->base.v, device->size}, 1);
    if (device->nr_spis != 0) {
        fdt32_t *to = put_space(w, "interrupts", device->nr_spis * GIC_CELLS * sizeof(*to));

        for (unsigned i = 0; to != NULL && i < device->nr_spis; i++) {
            fdt32_st(&to[i * GIC_CELLS], GIC_SPI);
            fdt32_st(&to[i * GIC_CELLS + 1], device->spis[i]);
            fdt32_st(&to[i * GIC_CELLS + 2], GIC_LEVEL_HIGH);
        }
    }
    while (node->clocks != NULL && node->clocks[nr_clocks] != NULL)
        nr_clocks++;
    if (nr_clocks != 0) {
        fdt32_t *to = put_space(w, "clocks", nr_clocks * sizeof(*to));

        for (unsigned i = 0; to != NULL && i < nr_clocks; i++)
            fdt32_st(&to[i], PHANDLE_CLOCK);
        put_strings(w, "clock-names", node->clocks);
    }
    end(w);
}

static void build_root(struct writer *w, const struct fdt_config *config)
{
    begin(w, "");
    put_strings(w, "compatible", (const char *const[]){BOARD_COMPATIBLE, "linux,dummy-virt", NULL});
    put_string(w, "model", BOARD_MODEL);
    put_u32(w, "#address-cells", 2);
    put_u32(w, "#size-cells", 2);
    put_u32(w, "interrupt-parent", PHANDLE_GIC);
    /* Devices reach RAM through the vmm's cached mapping: the guest must not bypass its caches. */
    put_empty(w, "dma-coherent");
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
    for (unsigned i = 0; i < config->nr_devices; i++)
        build_device(w, &config->devices[i]);
    end(w);
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
    int err = check_vcpus(config);

    for (unsigned i = 0; err == 0 && i < config->nr_devices; i++)
        err = check_device(config, i);
    if (err == 0 && config->bootargs != NULL && strlen(config->bootargs) >= LINUX_COMMAND_LINE_SIZE)
        log_warn("device tree: Linux cuts a command line after %u bytes; this one has %zu",
                 LINUX_COMMAND_LINE_SIZE - 1, strlen(config->bootargs));
    return err;
}

int fdt_build(const struct fdt_config *config, void *buf, size_t size)
{
    struct writer w = {.fdt = buf};
    int err = check(config);

    if (err != 0)
        return err;
    w.error = fdt_create(buf, size > INT_MAX ? INT_MAX : (int)size);
    /* No memory reservations: the kernel finds tree and initrd, and reserves them, by itself. */
    if (w.error == 0)
        w.error = fdt_finish_reservemap(buf);
    build_root(&w, config);
    if (w.error == 0)
        w.error = fdt_finish(buf);
    if (w.error == 0)
        return 0;
    log_error("device tree: cannot build it in %zu bytes: %s", size, fdt_strerror(w.error));
    return w.error == -FDT_ERR_NOSPACE ? -ENOSPC : -EINVAL;
}
