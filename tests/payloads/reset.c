/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SYSTEM_RESET: the second start must find the machine as the first did. What
 * tells the two apart is a register of the test device that a reset leaves
 * alone; without the device, a word of RAM, which the bare board leaves alone.
 */
#include "tests/payloads/gicv3.h"
#include "tests/payloads/testdev.h"

#define MARKER        0x5245534554ull
#define MARKER_IN_RAM (RAM_BASE + 0x7000000ull)
#define LOG_IN_RAM    (RAM_BASE + 0x7100000ull) /* as a kernel's crash log: see ramoops */
#define LOG_SIZE      0x2000u
#define FDT_MAGIC     0xedfe0dd0u /* big-endian d00dfeed */

static uint64_t initialised = MARKER; /* in .data: loaded again */

static uint64_t marker_address(void)
{
    return testdev_present() ? TESTDEV_BASE + TESTDEV_STICKY : MARKER_IN_RAM;
}

/* As at each start, the first and the second. */
static void check_start(const char *boot)
{
    check(boot_state.current_el >> 2, 1, "%s_starts_at_el1", boot);
    check(boot_state.spsel, 1, "%s_starts_with_spsel_1", boot);
    check(boot_state.daif, PSTATE_DAIF, "%s_starts_with_daif_set", boot);
    check(boot_state.sctlr & 0x1005, 0, "%s_starts_without_mmu_and_caches", boot);
    check(initialised, MARKER, "%s_has_its_image", boot);
    if (testdev_present()) {
        check(mmio_read32(boot_state.x[0]), FDT_MAGIC, "%s_x0_is_the_device_tree", boot);
        check(boot_state.x[1] | boot_state.x[2] | boot_state.x[3], 0, "%s_x1_to_x3_are_0", boot);
        check(mmio_read64(TESTDEV_BASE + TESTDEV_SCRATCH), 0, "%s_device_is_reset", boot);
        check(mmio_read32(TESTDEV_BASE + TESTDEV_LINE0), 0, "%s_line_is_low", boot);
    } else {
        skip(boot, "no test device: device tree and device state");
    }
    check(READ_SYSREG(oslsr_el1) & 0xa, 0xa, "%s_os_lock_is_set", boot);
    check(READ_SYSREG(cntv_ctl_el0) & 1, 0, "%s_virtual_timer_is_off", boot);
    check(READ_SYSREG(cntp_ctl_el0) & 1, 0, "%s_physical_timer_is_off", boot);
    check(mmio_read32(GICD_BASE + GICD_CTLR) & (GICD_CTLR_GRP0 | GICD_CTLR_GRP1), 0,
          "%s_gicd_is_off", boot);
    check(mmio_read32(GICR_BASE + GICR_WAKER) & 6u, 6, "%s_gicr_sleeps", boot);
    check(mmio_read32(SGI_BASE + GIC_ISENABLER) & 0xffff0000u, 0, "%s_no_ppi_is_enabled", boot);
    check(mmio_read32(SGI_BASE + GIC_ISACTIVER), 0, "%s_no_sgi_or_ppi_is_active", boot);
    check(mmio_read32(SGI_BASE + GIC_ISPENDR), 0, "%s_no_sgi_or_ppi_is_pending", boot);
    for (unsigned intid = 32; intid < 160; intid += 32) {
        check(mmio_read32(GICD_BASE + GIC_ISENABLER + intid / 8), 0, "%s_no_spi_is_enabled_%u",
              boot, intid);
        check(mmio_read32(GICD_BASE + GIC_ISPENDR + intid / 8), 0, "%s_no_spi_is_pending_%u", boot,
              intid);
        check(mmio_read32(GICD_BASE + GIC_ISACTIVER + intid / 8), 0, "%s_no_spi_is_active_%u", boot,
              intid);
    }
    check(mmio_read32(GICD_BASE + GIC_IPRIORITYR + 100), 0, "%s_spi_priority", boot);
    check(ICC_READ(ICC_IGRPEN1) | ICC_READ(ICC_IGRPEN0), 0, "%s_cpu_interface_is_off", boot);
    check(ICC_READ(ICC_PMR), 0, "%s_pmr", boot);
    check(ICC_READ(ICC_RPR), 0xff, "%s_no_active_priority", boot);
}

/* RAM that nothing is loaded to is left alone, on QEMU's virt as well. */
static void write_log(void)
{
    for (unsigned i = 0; i < LOG_SIZE; i += 8)
        mmio_write64(LOG_IN_RAM + i, MARKER * (i + 1));
}

static void check_log(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < LOG_SIZE; i += 8)
        wrong += mmio_read64(LOG_IN_RAM + i) != MARKER * (i + 1);
    check(wrong, 0, "ram_is_kept_over_a_reset");
}

/* All kinds of state that a reset has to undo. */
static void make_a_mess(void)
{
    initialised = 0;
    gic_init();
    gic_enable(1);
    gic_enable(PPI_TIMER_VIRT);
    gic_enable(100);
    gic_set_priority(100, 0x40);
    gic_write_bit(GIC_ISPENDR, 100);
    gic_write_bit(GIC_ISPENDR, 1);
    gic_write_bit(GIC_ISACTIVER, 101);
    (void)ICC_READ(ICC_IAR1); /* one is active, and its priority */
    WRITE_SYSREG(cntv_cval_el0, 0);
    WRITE_SYSREG(cntv_ctl_el0, 1);
    WRITE_SYSREG(cntp_cval_el0, 0);
    WRITE_SYSREG(cntp_ctl_el0, 1);
    WRITE_SYSREG(oslar_el1, 0);
    if (testdev_present()) {
        mmio_write64(TESTDEV_BASE + TESTDEV_SCRATCH, MARKER);
        mmio_write32(TESTDEV_BASE + TESTDEV_LINE0, 1);
    }
}

void test_main(void)
{
    if (mmio_read64(marker_address()) == MARKER) {
        mmio_write64(marker_address(), 0);
        check_start("second");
        check_log();
        return;
    }
    note("first start");
    mmio_write64(marker_address(), MARKER);
    make_a_mess();
    write_log();
    psci(PSCI_SYSTEM_RESET, 0, 0, 0);
    check_true(false, "system_reset_does_not_return");
}
