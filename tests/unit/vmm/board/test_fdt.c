/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libfdt.h>

#include "tests/unit/support/log_fake.h"
#include "vmm/board/board.h"
#include "vmm/board/fdt.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define TREE_SIZE     65536u

static uint64_t tree_words[TREE_SIZE / 8];
static void *const tree = tree_words;

static const struct rv_fdt_node pl011 = {
    .name = "pl011",
    .compatible = (const char *const[]){"arm,pl011", "arm,primecell", NULL},
    .clocks = (const char *const[]){"uartclk", "apb_pclk", NULL},
    .stdout_path = true,
};
static const struct rv_fdt_node pl031 = {
    .name = "pl031",
    .compatible = (const char *const[]){"arm,pl031", "arm,primecell", NULL},
    .clocks = (const char *const[]){"apb_pclk", NULL},
};
static const struct rv_fdt_node virtio = {
    .name = "virtio_mmio",
    .compatible = (const char *const[]){"virtio,mmio", NULL},
};
static const struct rv_fdt_node fw_cfg = {
    .name = "fw-cfg",
    .compatible = (const char *const[]){"qemu,fw-cfg-mmio", NULL},
};

static const uint32_t uart_spi[] = {BOARD_UART_SPI};
static const uint32_t rtc_spi[] = {BOARD_RTC_SPI};
static const uint32_t virtio_spi[] = {BOARD_VIRTIO_SPI};
static const uint32_t platform_spi[] = {BOARD_PLATFORM_SPI, BOARD_PLATFORM_SPI + 1};

static const struct fdt_device devices[] = {
    {.node = &pl031,
     .base = {BOARD_RTC_BASE},
     .size = BOARD_RTC_SIZE,
     .spis = rtc_spi,
     .nr_spis = 1},
    {.node = &pl011,
     .base = {BOARD_UART_BASE},
     .size = BOARD_UART_SIZE,
     .spis = uart_spi,
     .nr_spis = 1},
    {.node = &fw_cfg,
     .base = {BOARD_FW_CFG_BASE},
     .size = BOARD_FW_CFG_SIZE,
     .spis = NULL,
     .nr_spis = 0},
    {.node = &virtio,
     .base = {BOARD_VIRTIO_BASE},
     .size = BOARD_VIRTIO_STEP,
     .spis = virtio_spi,
     .nr_spis = 1},
    {.node = &pl011,
     .base = {BOARD_PLATFORM_BASE},
     .size = BOARD_UART_SIZE,
     .spis = platform_spi,
     .nr_spis = 2},
};

static const uint64_t mpidrs[] = {0x80000000, 0x80000001, 0x80000100};
static const uint8_t seed[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static struct fdt_config full_config(void)
{
    return (struct fdt_config){
        .ram_base = {BOARD_RAM_BASE},
        .ram_size = UINT64_C(0x120000000),
        .mpidr = mpidrs,
        .nr_vcpus = ARRAY_SIZE(mpidrs),
        .bootargs = "console=ttyAMA0 root=/dev/vda",
        .initrd = {0x48000000},
        .initrd_size = 0x123456,
        .kaslr_seed = UINT64_C(0x1122334455667788),
        .rng_seed = seed,
        .rng_seed_size = sizeof(seed),
        .devices = devices,
        .nr_devices = ARRAY_SIZE(devices),
    };
}

static void build(const struct fdt_config *config)
{
    memset(tree, 0xa5, TREE_SIZE);
    if (fdt_build(config, tree, TREE_SIZE) != 0)
        fail_msg("%s", log_fake.last);
    assert_int_equal(fdt_check_full(tree, fdt_totalsize(tree)), 0);
}

static int node(const char *path)
{
    int offset = fdt_path_offset(tree, path);

    if (offset < 0)
        fail_msg("%s: %s", path, fdt_strerror(offset));
    return offset;
}

static void expect_bytes(const char *path, const char *name, const void *want, size_t size)
{
    int length;
    const void *got = fdt_getprop(tree, node(path), name, &length);

    if (got == NULL || (size_t)length != size || memcmp(got, want, size) != 0)
        fail_msg("%s: %s is not as expected (length %d)", path, name, length);
}

/* `want` may hold several strings, each with its NUL. */
#define expect_strings(path, name, want) expect_bytes(path, name, want, sizeof(want))

static void expect_cells(const char *path, const char *name, unsigned count, ...)
{
    fdt32_t want[16];
    va_list args;

    va_start(args, count);
    for (unsigned i = 0; i < count; i++)
        want[i] = cpu_to_fdt32(va_arg(args, uint32_t));
    va_end(args);
    expect_bytes(path, name, want, count * sizeof(want[0]));
}

static void expect_absent(const char *path, const char *name)
{
    assert_null(fdt_getprop(tree, node(path), name, NULL));
}

static void fdt_describes_the_board(void **state)
{
    const struct fdt_config config = full_config();

    build(&config);
    expect_strings("/", "compatible", "ringvisor,virt-1\0linux,dummy-virt");
    expect_strings("/", "model", "ringvisor virt-1");
    expect_cells("/", "#address-cells", 1, 2);
    expect_cells("/", "#size-cells", 1, 2);
    expect_cells("/", "interrupt-parent", 1,
                 fdt_get_phandle(tree, node("/interrupt-controller@8000000")));
    expect_bytes("/", "dma-coherent", "", 0);

    expect_strings("/memory@40000000", "device_type", "memory");
    expect_cells("/memory@40000000", "reg", 4, 0, 0x40000000, 1, 0x20000000);

    expect_strings("/psci", "compatible", "arm,psci-1.0\0arm,psci-0.2");
    expect_strings("/psci", "method", "hvc");

    expect_strings("/timer", "compatible", "arm,armv8-timer");
    expect_bytes("/timer", "always-on", "", 0);
    /* Secure, non-secure, virtual, hypervisor: PPIs 29, 30, 27, 26 */
    expect_cells("/timer", "interrupts", 12, 1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4);

    expect_strings("/interrupt-controller@8000000", "compatible", "arm,gic-v3");
    expect_bytes("/interrupt-controller@8000000", "interrupt-controller", "", 0);
    expect_cells("/interrupt-controller@8000000", "#interrupt-cells", 1, 3);
    expect_cells("/interrupt-controller@8000000", "reg", 8, 0, 0x08000000, 0, 0x10000, 0,
                 0x080a0000, 0, 0x60000);
    expect_absent("/interrupt-controller@8000000", "interrupts");

    expect_strings("/apb-pclk", "compatible", "fixed-clock");
    expect_cells("/apb-pclk", "#clock-cells", 1, 0);
    expect_cells("/apb-pclk", "clock-frequency", 1, 24000000);
}

/* Linux's bindings: pci/host-generic-pci, arm,gic-v3, and those of IEEE 1275. */
static void fdt_describes_a_pci_bus(void **state)
{
    struct fdt_config config = full_config();
    const fdt32_t *map;
    int length;

    config.pci = true;
    build(&config);
    expect_strings("/pcie@10000000", "compatible", "pci-host-ecam-generic");
    expect_cells("/pcie@10000000", "reg", 4, 0, 0x3f000000, 0, 0x01000000);
    expect_cells("/pcie@10000000", "bus-range", 2, 0, 15);
    expect_cells("/pcie@10000000", "ranges", 14, 0x01000000, 0, 0, 0, 0x3eff0000, 0, 0x10000,
                 0x02000000, 0, 0x10000000, 0, 0x10000000, 0, 0x2eff0000);
    expect_cells("/pcie@10000000", "interrupt-map-mask", 4, 0x1800, 0, 0, 7);
    map = fdt_getprop(tree, node("/pcie@10000000"), "interrupt-map", &length);
    assert_int_equal(length, 16 * 10 * 4);
    assert_int_equal(fdt32_ld(&map[(1 * 4 + 0) * 10 + 8]), 4); /* INTA of slot 1: SPI 4 */
    assert_int_equal(fdt32_ld(&map[(3 * 4 + 1) * 10 + 8]), 3); /* INTB of slot 3: SPI 3 */
    expect_strings("/interrupt-controller@8000000/v2m@8020000", "compatible", "arm,gic-v2m-frame");
    expect_cells("/interrupt-controller@8000000/v2m@8020000", "reg", 4, 0, 0x08020000, 0, 0x1000);
    expect_cells("/pcie@10000000", "msi-map", 4, 0,
                 fdt_get_phandle(tree, node("/interrupt-controller@8000000/v2m@8020000")), 0,
                 0x10000);
    config.pci = false;
    build(&config);
    assert_true(fdt_path_offset(tree, "/pcie@10000000") < 0);
    expect_cells("/interrupt-controller@8000000", "#address-cells", 1, 0);
}

static void fdt_chosen_says_how_to_boot(void **state)
{
    const struct fdt_config config = full_config();

    build(&config);
    expect_strings("/chosen", "bootargs", "console=ttyAMA0 root=/dev/vda");
    expect_strings("/chosen", "stdout-path", "/pl011@9000000");
    expect_cells("/chosen", "linux,initrd-start", 2, 0, 0x48000000);
    expect_cells("/chosen", "linux,initrd-end", 2, 0, 0x48123456);
    expect_cells("/chosen", "kaslr-seed", 2, 0x11223344, 0x55667788);
    expect_bytes("/chosen", "rng-seed", seed, sizeof(seed));
    expect_strings("/aliases", "serial0", "/pl011@9000000");
    expect_strings("/aliases", "serial1", "/pl011@c000000");
}

static void fdt_leaves_out_what_was_not_given(void **state)
{
    const struct fdt_config config = {
        .ram_base = {BOARD_RAM_BASE},
        .ram_size = 0x8000000,
        .mpidr = mpidrs,
        .nr_vcpus = 1,
    };

    build(&config);
    expect_absent("/chosen", "bootargs");
    expect_absent("/chosen", "stdout-path");
    expect_absent("/chosen", "linux,initrd-start");
    expect_absent("/chosen", "linux,initrd-end");
    expect_absent("/chosen", "kaslr-seed");
    expect_absent("/chosen", "rng-seed");
    expect_cells("/interrupt-controller@8000000", "reg", 8, 0, 0x08000000, 0, 0x10000, 0,
                 0x080a0000, 0, 0x20000);
}

static void fdt_cpus_have_one_cell_without_aff3(void **state)
{
    const struct fdt_config config = full_config();

    build(&config);
    expect_cells("/cpus", "#address-cells", 1, 1);
    expect_cells("/cpus", "#size-cells", 1, 0);
    expect_cells("/cpus/cpu@0", "reg", 1, 0);
    expect_cells("/cpus/cpu@1", "reg", 1, 1);
    expect_cells("/cpus/cpu@100", "reg", 1, 0x100);
    expect_strings("/cpus/cpu@0", "device_type", "cpu");
    expect_strings("/cpus/cpu@0", "compatible", "arm,armv8");
    expect_strings("/cpus/cpu@100", "enable-method", "psci");
}

static void fdt_cpus_have_two_cells_with_aff3(void **state)
{
    static const uint64_t wide[] = {0x80000000, UINT64_C(0x0200000000) | 0xc1000003};
    struct fdt_config config = full_config();

    config.mpidr = wide;
    config.nr_vcpus = ARRAY_SIZE(wide);
    build(&config);
    expect_cells("/cpus", "#address-cells", 1, 2);
    expect_cells("/cpus/cpu@0", "reg", 2, 0, 0);
    expect_cells("/cpus/cpu@200000003", "reg", 2, 2, 3);
}

static void fdt_devices_have_registers_interrupts_and_clocks(void **state)
{
    const struct fdt_config config = full_config();
    uint32_t clock;

    build(&config);
    clock = fdt_get_phandle(tree, node("/apb-pclk"));
    expect_strings("/pl011@9000000", "compatible", "arm,pl011\0arm,primecell");
    expect_cells("/pl011@9000000", "reg", 4, 0, 0x09000000, 0, 0x1000);
    expect_cells("/pl011@9000000", "interrupts", 3, 0, 1, 4);
    expect_cells("/pl011@9000000", "clocks", 2, clock, clock);
    expect_strings("/pl011@9000000", "clock-names", "uartclk\0apb_pclk");
    expect_cells("/pl031@9010000", "clocks", 1, clock);
    expect_cells("/virtio_mmio@a000000", "interrupts", 3, 0, 16, 4);
    expect_absent("/virtio_mmio@a000000", "clocks");
    expect_cells("/fw-cfg@9020000", "reg", 4, 0, 0x09020000, 0, 0x18);
    expect_absent("/fw-cfg@9020000", "interrupts");
    expect_cells("/pl011@c000000", "interrupts", 6, 0, 112, 4, 0, 113, 4);
}

/* Fails the test if `dtc` is missing or says anything at all. */
static void run_dtc(const char *arguments)
{
    char command[512], output[4096];
    size_t length;
    FILE *pipe;
    int status;

    snprintf(command, sizeof(command), "dtc %s 2>&1", arguments);
    pipe = popen(command, "r");
    assert_non_null(pipe);
    length = fread(output, 1, sizeof(output) - 1, pipe);
    output[length] = '\0';
    status = pclose(pipe);
    if (status != 0 || length != 0)
        fail_msg("'%s' ended with status %d and said: %s", command, status, output);
}

static void fdt_passes_the_checks_of_dtc(void **state)
{
    static const uint64_t wide[] = {0, UINT64_C(0x0200000000)};
    char dir[] = "/tmp/ringvisor-fdt-XXXXXX", arguments[256], path[64];
    struct fdt_config configs[3] = {full_config(), full_config(), full_config()};

    configs[0].pci = true;
    configs[1].mpidr = wide;
    configs[1].nr_vcpus = ARRAY_SIZE(wide);
    configs[2] = (struct fdt_config){.ram_base = {BOARD_RAM_BASE},
                                     .ram_size = BOARD_RAM_SIZE_MAX,
                                     .mpidr = mpidrs,
                                     .nr_vcpus = 1};
    assert_non_null(mkdtemp(dir));
    for (unsigned i = 0; i < ARRAY_SIZE(configs); i++) {
        FILE *file;

        build(&configs[i]);
        snprintf(path, sizeof(path), "%s/dtb", dir);
        file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(tree, fdt_totalsize(tree), 1, file), 1);
        assert_int_equal(fclose(file), 0);
        snprintf(arguments, sizeof(arguments), "-I dtb -O dts -o %s/dts %s/dtb", dir, dir);
        run_dtc(arguments);
    }
    snprintf(path, sizeof(path), "%s/dtb", dir);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof(path), "%s/dts", dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void fdt_that_does_not_fit_is_refused(void **state)
{
    const struct fdt_config config = full_config();
    size_t whole;

    build(&config);
    whole = fdt_totalsize(tree);
    for (size_t size = 0; size < whole; size++) {
        /* Of that size exactly, so that the sanitizer sees a write behind the end. */
        void *small = malloc(size);

        assert_int_equal(fdt_build(&config, small, size), -ENOSPC);
        free(small);
    }
}

static void fdt_refuses_what_it_cannot_describe(void **state)
{
    static const uint64_t same[] = {0x80000001, 0xc0000001};
    static const uint64_t many[RV_MAX_VCPUS + 1];
    static const uint32_t high_spi[] = {BOARD_SPI_LIMIT};
    static const char *const some_compatible[] = {"arm,pl011", NULL};
    static const struct rv_fdt_node bad_name = {.name = "a/b", .compatible = some_compatible};
    static const struct rv_fdt_node no_name = {.name = "", .compatible = some_compatible};
    static const struct rv_fdt_node long_name = {.name = "abcdefghijklmnopqrstuvwxyz012345",
                                                 .compatible = some_compatible};
    static const struct rv_fdt_node no_compatible = {.name = "dev"};
    static const struct fdt_device bad_devices[] = {
        {.node = &bad_name, .base = {0xc000000}, .size = 4096, .spis = NULL, .nr_spis = 0},
        {.node = &no_name, .base = {0xc000000}, .size = 4096, .spis = NULL, .nr_spis = 0},
        {.node = &long_name, .base = {0xc000000}, .size = 4096, .spis = NULL, .nr_spis = 0},
        {.node = &no_compatible, .base = {0xc000000}, .size = 4096, .spis = NULL, .nr_spis = 0},
        {.node = &virtio, .base = {0xc000000}, .size = 4096, .spis = high_spi, .nr_spis = 1},
    };
    static const struct fdt_device twice[] = {
        {.node = &virtio, .base = {0xc000000}, .size = 4096, .spis = NULL, .nr_spis = 0},
        {.node = &pl031, .base = {0xc000000}, .size = 4096, .spis = NULL, .nr_spis = 0},
    };
    struct fdt_config config = full_config();

    config.nr_vcpus = 0;
    assert_int_equal(fdt_build(&config, tree, TREE_SIZE), -EINVAL);
    config.mpidr = many;
    config.nr_vcpus = RV_MAX_VCPUS + 1;
    assert_int_equal(fdt_build(&config, tree, TREE_SIZE), -EINVAL);
    config.mpidr = same;
    config.nr_vcpus = 2;
    assert_int_equal(fdt_build(&config, tree, TREE_SIZE), -EINVAL);
    assert_non_null(strstr(log_fake.last, "same MPIDR"));

    for (unsigned i = 0; i < ARRAY_SIZE(bad_devices); i++) {
        config = full_config();
        config.devices = &bad_devices[i];
        config.nr_devices = 1;
        if (fdt_build(&config, tree, TREE_SIZE) != -EINVAL)
            fail_msg("bad device %u was taken", i);
    }
    config = full_config();
    config.devices = twice;
    config.nr_devices = 2;
    assert_int_equal(fdt_build(&config, tree, TREE_SIZE), -EINVAL);
    assert_non_null(strstr(log_fake.last, "both at 0xc000000"));
}

static void fdt_warns_of_a_command_line_that_linux_would_cut(void **state)
{
    char line[2048 + 1];
    struct fdt_config config = full_config();

    memset(line, 'x', sizeof(line));
    line[2047] = '\0';
    config.bootargs = line;
    log_fake.count[LOG_WARN] = 0;
    build(&config);
    assert_int_equal(log_fake.count[LOG_WARN], 0);
    line[2047] = 'x';
    line[2048] = '\0';
    build(&config);
    assert_int_equal(log_fake.count[LOG_WARN], 1);
}

static void fdt_of_all_vcpus_and_platform_devices_fits_in_two_mib(void **state)
{
    enum { NR = BOARD_PLATFORM_SIZE / BOARD_PLATFORM_STEP };
    static struct fdt_device many[NR];
    static uint64_t cpus[RV_MAX_VCPUS];
    struct fdt_config config = full_config();
    void *buf = malloc(2 << 20);

    for (unsigned i = 0; i < NR; i++)
        many[i] = (struct fdt_device){
            .node = &pl011,
            .base = {BOARD_PLATFORM_BASE + i * BOARD_PLATFORM_STEP},
            .size = 4096,
            .spis = platform_spi,
            .nr_spis = 2,
        };
    for (unsigned i = 0; i < RV_MAX_VCPUS; i++)
        cpus[i] = i;
    config.mpidr = cpus;
    config.nr_vcpus = RV_MAX_VCPUS;
    config.devices = many;
    config.nr_devices = NR;
    assert_int_equal(fdt_build(&config, buf, 2 << 20), 0);
    assert_int_equal(fdt_check_full(buf, fdt_totalsize(buf)), 0);
    free(buf);
}

/* As an interrupt controller of buttons adds itself, and the buttons to the root. */
static void power_node(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    assert_ptr_equal(device, power_node);
    ops->empty(fdt, "gpio-controller");
    ops->u32(fdt, "#gpio-cells", 2);
    ops->u64(fdt, "test,u64", UINT64_C(0x100000002));
    ops->string(fdt, "test,string", "text");
    ops->strings(fdt, "test,strings", (const char *const[]){"a", "bc", NULL});
    ops->bytes(fdt, "test,bytes", "xyz", 3);
    ops->begin(fdt, "child@1");
    ops->u32(fdt, "reg", 1);
    ops->end(fdt);
}

static void power_root(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->begin(fdt, "gpio-keys");
    ops->string(fdt, "compatible", "gpio-keys");
    ops->begin(fdt, "power");
    ops->cells(fdt, "gpios", (const uint32_t[]){ops->phandle(fdt, RV_FDT_SELF), 3, 0}, 3);
    ops->cells(fdt, "interrupts-extended",
               (const uint32_t[]){ops->phandle(fdt, RV_FDT_GIC), 0, ops->spi(fdt, 1), 1}, 4);
    ops->end(fdt);
    ops->end(fdt);
}

static const struct rv_fdt_node power = {
    .name = "gpio",
    .compatible = (const char *const[]){"arm,pl061", NULL},
    .dma_coherent = true,
    .wakeup_source = true,
    .phandle = true,
};

static struct fdt_device power_device(void)
{
    return (struct fdt_device){
        .node = &power,
        .base = {BOARD_GPIO_BASE},
        .size = BOARD_GPIO_SIZE,
        .spis = platform_spi,
        .nr_spis = 2,
        .irq_edge = 2,
        .device = (void *)power_node,
        .fdt_node = power_node,
        .fdt_root = power_root,
    };
}

static uint32_t cell(int node, const char *name, unsigned index)
{
    int len;
    const fdt32_t *cells = fdt_getprop(tree, node, name, &len);

    assert_non_null(cells);
    assert_true(len >= (int)((index + 1) * sizeof(*cells)));
    return fdt32_ld(&cells[index]);
}

static void fdt_has_what_a_plugin_adds(void **state)
{
    struct fdt_device added[] = {devices[0], power_device()};
    struct fdt_config config = full_config();
    int node, keys;

    config.devices = added;
    config.nr_devices = 2;
    assert_int_equal(fdt_build(&config, tree, TREE_SIZE), 0);
    assert_int_equal(fdt_check_full(tree, fdt_totalsize(tree)), 0);
    node = fdt_path_offset(tree, "/gpio@9030000");
    assert_true(node > 0);
    assert_int_equal(cell(node, "interrupts", 2), 4); /* level, active high */
    assert_int_equal(cell(node, "interrupts", 5), 1); /* rising edge */
    assert_int_equal(cell(node, "#gpio-cells", 0), 2);
    assert_int_equal(cell(node, "test,u64", 0), 1);
    assert_int_equal(cell(node, "test,u64", 1), 2);
    assert_string_equal(fdt_getprop(tree, node, "test,string", NULL), "text");
    assert_memory_equal(fdt_getprop(tree, node, "test,strings", NULL), "a\0bc", 5);
    assert_memory_equal(fdt_getprop(tree, node, "test,bytes", NULL), "xyz", 3);
    assert_non_null(fdt_getprop(tree, node, "gpio-controller", NULL));
    assert_non_null(fdt_getprop(tree, node, "dma-coherent", NULL));
    assert_non_null(fdt_getprop(tree, node, "wakeup-source", NULL));
    assert_true(fdt_path_offset(tree, "/gpio@9030000/child@1") > 0);

    keys = fdt_path_offset(tree, "/gpio-keys/power");
    assert_true(keys > 0);
    assert_int_equal(fdt_node_offset_by_phandle(tree, cell(keys, "gpios", 0)), node);
    assert_int_equal(fdt_node_offset_by_phandle(tree, cell(keys, "interrupts-extended", 0)),
                     fdt_path_offset(tree, "/interrupt-controller@8000000"));
    assert_int_equal(cell(keys, "interrupts-extended", 2), BOARD_PLATFORM_SPI + 1);
}

static void wrong_name(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->u32(fdt, "a b", 1);
}

static void wrong_order(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->begin(fdt, "child");
    ops->end(fdt);
    ops->u32(fdt, "late", 1);
}

static void wrong_end(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->end(fdt);
}

static void wrong_begin(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->begin(fdt, "child");
}

static void wrong_node(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->begin(fdt, "a/b");
    ops->end(fdt);
}

static void wrong_depth(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    for (unsigned i = 0; i < 1000; i++)
        ops->begin(fdt, "deep");
}

static void wrong_taken(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->u32(fdt, "reg", 1);
}

static void wrong_line(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->u32(fdt, "line", ops->spi(fdt, 2));
}

static void wrong_same_node(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->begin(fdt, "timer");
    ops->end(fdt);
}

static void wrong_root_property(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->u32(fdt, "model", 1);
}

static void wrong_phandle(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops)
{
    ops->u32(fdt, "who", ops->phandle(fdt, (enum rv_fdt_phandle)99));
}

static void fdt_of_a_plugin_that_writes_nonsense_is_refused(void **state)
{
    static const struct {
        bool root;
        void (*add)(void *device, struct rv_fdt *fdt, const struct rv_fdt_ops *ops);
    } cases[] = {
        {false, wrong_name},   {false, wrong_order},    {false, wrong_end},
        {true, wrong_end},     {false, wrong_begin},    {true, wrong_begin},
        {false, wrong_node},   {false, wrong_depth},    {false, wrong_taken},
        {false, wrong_line},   {true, wrong_same_node}, {true, wrong_root_property},
        {true, wrong_phandle},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fdt_device device = power_device();
        struct fdt_config config = full_config();

        device.fdt_node = cases[i].root ? NULL : cases[i].add;
        device.fdt_root = cases[i].root ? cases[i].add : NULL;
        config.devices = &device;
        config.nr_devices = 1;
        assert_int_equal(fdt_build(&config, tree, TREE_SIZE), -EINVAL);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(fdt_describes_the_board),
        cmocka_unit_test(fdt_describes_a_pci_bus),
        cmocka_unit_test(fdt_chosen_says_how_to_boot),
        cmocka_unit_test(fdt_leaves_out_what_was_not_given),
        cmocka_unit_test(fdt_cpus_have_one_cell_without_aff3),
        cmocka_unit_test(fdt_cpus_have_two_cells_with_aff3),
        cmocka_unit_test(fdt_devices_have_registers_interrupts_and_clocks),
        cmocka_unit_test(fdt_passes_the_checks_of_dtc),
        cmocka_unit_test(fdt_has_what_a_plugin_adds),
        cmocka_unit_test(fdt_of_a_plugin_that_writes_nonsense_is_refused),
        cmocka_unit_test(fdt_that_does_not_fit_is_refused),
        cmocka_unit_test(fdt_refuses_what_it_cannot_describe),
        cmocka_unit_test(fdt_warns_of_a_command_line_that_linux_would_cut),
        cmocka_unit_test(fdt_of_all_vcpus_and_platform_devices_fits_in_two_mib),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
