/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of system registers and of what is on the guest's board. */
#include <inttypes.h>
#include <stdio.h>

#include "vmm/explain/describe_internal.h"
#include "vmm/board/board.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEY      EXIT_SYSREG_KEY

/* Sorted by what a guest traps on, not by key: a person reads it, a machine just scans. */
static const struct {
    uint16_t key;
    char name[18];
} sysreg_names[] = {
    {KEY(3, 0, 12, 11, 1), "ICC_DIR_EL1"},     {KEY(3, 0, 12, 11, 3), "ICC_RPR_EL1"},
    {KEY(3, 0, 12, 11, 5), "ICC_SGI1R_EL1"},   {KEY(3, 0, 12, 11, 6), "ICC_ASGI1R_EL1"},
    {KEY(3, 0, 12, 11, 7), "ICC_SGI0R_EL1"},   {KEY(3, 0, 4, 6, 0), "ICC_PMR_EL1"},
    {KEY(3, 0, 12, 8, 0), "ICC_IAR0_EL1"},     {KEY(3, 0, 12, 8, 1), "ICC_EOIR0_EL1"},
    {KEY(3, 0, 12, 8, 3), "ICC_BPR0_EL1"},     {KEY(3, 0, 12, 9, 0), "ICC_AP1R0_EL1"},
    {KEY(3, 0, 12, 12, 0), "ICC_IAR1_EL1"},    {KEY(3, 0, 12, 12, 1), "ICC_EOIR1_EL1"},
    {KEY(3, 0, 12, 12, 2), "ICC_HPPIR1_EL1"},  {KEY(3, 0, 12, 12, 3), "ICC_BPR1_EL1"},
    {KEY(3, 0, 12, 12, 4), "ICC_CTLR_EL1"},    {KEY(3, 0, 12, 12, 5), "ICC_SRE_EL1"},
    {KEY(3, 0, 12, 12, 6), "ICC_IGRPEN0_EL1"}, {KEY(3, 0, 12, 12, 7), "ICC_IGRPEN1_EL1"},
    {KEY(3, 0, 0, 0, 0), "MIDR_EL1"},          {KEY(3, 0, 0, 0, 5), "MPIDR_EL1"},
    {KEY(3, 0, 0, 0, 6), "REVIDR_EL1"},        {KEY(3, 0, 0, 1, 0), "ID_PFR0_EL1"},
    {KEY(3, 0, 0, 1, 1), "ID_PFR1_EL1"},       {KEY(3, 0, 0, 1, 2), "ID_DFR0_EL1"},
    {KEY(3, 0, 0, 1, 3), "ID_AFR0_EL1"},       {KEY(3, 0, 0, 1, 4), "ID_MMFR0_EL1"},
    {KEY(3, 0, 0, 1, 5), "ID_MMFR1_EL1"},      {KEY(3, 0, 0, 1, 6), "ID_MMFR2_EL1"},
    {KEY(3, 0, 0, 1, 7), "ID_MMFR3_EL1"},      {KEY(3, 0, 0, 2, 0), "ID_ISAR0_EL1"},
    {KEY(3, 0, 0, 2, 1), "ID_ISAR1_EL1"},      {KEY(3, 0, 0, 2, 2), "ID_ISAR2_EL1"},
    {KEY(3, 0, 0, 2, 3), "ID_ISAR3_EL1"},      {KEY(3, 0, 0, 2, 4), "ID_ISAR4_EL1"},
    {KEY(3, 0, 0, 2, 5), "ID_ISAR5_EL1"},      {KEY(3, 0, 0, 2, 6), "ID_MMFR4_EL1"},
    {KEY(3, 0, 0, 2, 7), "ID_ISAR6_EL1"},      {KEY(3, 0, 0, 3, 0), "MVFR0_EL1"},
    {KEY(3, 0, 0, 3, 1), "MVFR1_EL1"},         {KEY(3, 0, 0, 3, 2), "MVFR2_EL1"},
    {KEY(3, 0, 0, 3, 4), "ID_PFR2_EL1"},       {KEY(3, 0, 0, 3, 5), "ID_DFR1_EL1"},
    {KEY(3, 0, 0, 3, 6), "ID_MMFR5_EL1"},      {KEY(3, 0, 0, 4, 0), "ID_AA64PFR0_EL1"},
    {KEY(3, 0, 0, 4, 1), "ID_AA64PFR1_EL1"},   {KEY(3, 0, 0, 4, 2), "ID_AA64PFR2_EL1"},
    {KEY(3, 0, 0, 4, 4), "ID_AA64ZFR0_EL1"},   {KEY(3, 0, 0, 4, 5), "ID_AA64SMFR0_EL1"},
    {KEY(3, 0, 0, 4, 7), "ID_AA64FPFR0_EL1"},  {KEY(3, 0, 0, 5, 0), "ID_AA64DFR0_EL1"},
    {KEY(3, 0, 0, 5, 1), "ID_AA64DFR1_EL1"},   {KEY(3, 0, 0, 5, 4), "ID_AA64AFR0_EL1"},
    {KEY(3, 0, 0, 5, 5), "ID_AA64AFR1_EL1"},   {KEY(3, 0, 0, 6, 0), "ID_AA64ISAR0_EL1"},
    {KEY(3, 0, 0, 6, 1), "ID_AA64ISAR1_EL1"},  {KEY(3, 0, 0, 6, 2), "ID_AA64ISAR2_EL1"},
    {KEY(3, 0, 0, 6, 3), "ID_AA64ISAR3_EL1"},  {KEY(3, 0, 0, 7, 0), "ID_AA64MMFR0_EL1"},
    {KEY(3, 0, 0, 7, 1), "ID_AA64MMFR1_EL1"},  {KEY(3, 0, 0, 7, 2), "ID_AA64MMFR2_EL1"},
    {KEY(3, 0, 0, 7, 3), "ID_AA64MMFR3_EL1"},  {KEY(3, 0, 0, 7, 4), "ID_AA64MMFR4_EL1"},
    {KEY(3, 1, 0, 0, 0), "CCSIDR_EL1"},        {KEY(3, 1, 0, 0, 1), "CLIDR_EL1"},
    {KEY(3, 2, 0, 0, 0), "CSSELR_EL1"},        {KEY(3, 3, 0, 0, 1), "CTR_EL0"},
    {KEY(3, 0, 1, 0, 0), "SCTLR_EL1"},         {KEY(3, 0, 1, 0, 1), "ACTLR_EL1"},
    {KEY(3, 0, 1, 0, 2), "CPACR_EL1"},         {KEY(3, 0, 2, 0, 0), "TTBR0_EL1"},
    {KEY(3, 0, 2, 0, 1), "TTBR1_EL1"},         {KEY(3, 0, 2, 0, 2), "TCR_EL1"},
    {KEY(3, 0, 5, 2, 0), "ESR_EL1"},           {KEY(3, 0, 6, 0, 0), "FAR_EL1"},
    {KEY(3, 0, 10, 2, 0), "MAIR_EL1"},         {KEY(3, 0, 12, 0, 0), "VBAR_EL1"},
    {KEY(3, 0, 12, 1, 1), "DISR_EL1"},         {KEY(3, 0, 5, 3, 0), "ERRIDR_EL1"},
    {KEY(3, 0, 5, 3, 1), "ERRSELR_EL1"},       {KEY(3, 0, 5, 4, 0), "ERXFR_EL1"},
    {KEY(3, 0, 5, 4, 1), "ERXCTLR_EL1"},       {KEY(3, 0, 5, 4, 2), "ERXSTATUS_EL1"},
    {KEY(3, 0, 5, 4, 3), "ERXADDR_EL1"},       {KEY(3, 0, 5, 5, 0), "ERXMISC0_EL1"},
    {KEY(3, 0, 5, 5, 1), "ERXMISC1_EL1"},      {KEY(3, 0, 9, 9, 0), "PMSCR_EL1"},
    {KEY(3, 0, 9, 10, 0), "PMBLIMITR_EL1"},    {KEY(3, 0, 9, 14, 1), "PMINTENSET_EL1"},
    {KEY(3, 0, 9, 14, 2), "PMINTENCLR_EL1"},   {KEY(3, 0, 10, 4, 3), "LORC_EL1"},
    {KEY(3, 0, 10, 4, 7), "LORID_EL1"},        {KEY(3, 3, 9, 12, 0), "PMCR_EL0"},
    {KEY(3, 3, 9, 12, 1), "PMCNTENSET_EL0"},   {KEY(3, 3, 9, 12, 2), "PMCNTENCLR_EL0"},
    {KEY(3, 3, 9, 12, 3), "PMOVSCLR_EL0"},     {KEY(3, 3, 9, 12, 5), "PMSELR_EL0"},
    {KEY(3, 3, 9, 13, 0), "PMCCNTR_EL0"},      {KEY(3, 3, 9, 14, 0), "PMUSERENR_EL0"},
    {KEY(3, 3, 14, 15, 7), "PMCCFILTR_EL0"},   {KEY(3, 3, 13, 2, 0), "AMCR_EL0"},
    {KEY(3, 3, 13, 2, 3), "AMUSERENR_EL0"},    {KEY(3, 3, 14, 0, 0), "CNTFRQ_EL0"},
    {KEY(3, 3, 14, 0, 1), "CNTPCT_EL0"},       {KEY(3, 3, 14, 0, 2), "CNTVCT_EL0"},
    {KEY(3, 3, 14, 2, 0), "CNTP_TVAL_EL0"},    {KEY(3, 3, 14, 2, 1), "CNTP_CTL_EL0"},
    {KEY(3, 3, 14, 2, 2), "CNTP_CVAL_EL0"},    {KEY(3, 3, 14, 3, 1), "CNTV_CTL_EL0"},
    {KEY(3, 3, 14, 3, 2), "CNTV_CVAL_EL0"},    {KEY(2, 0, 0, 2, 2), "MDSCR_EL1"},
    {KEY(2, 0, 1, 0, 0), "MDRAR_EL1"},         {KEY(2, 0, 1, 0, 4), "OSLAR_EL1"},
    {KEY(2, 0, 1, 1, 4), "OSLSR_EL1"},         {KEY(2, 0, 1, 3, 4), "OSDLR_EL1"},
    {KEY(2, 0, 1, 4, 4), "DBGPRCR_EL1"},       {KEY(1, 0, 7, 6, 2), "DC ISW"},
    {KEY(1, 0, 7, 10, 2), "DC CSW"},           {KEY(1, 0, 7, 14, 2), "DC CISW"},
    {KEY(1, 0, 7, 1, 0), "IC IALLUIS"},        {KEY(1, 0, 7, 5, 0), "IC IALLU"},
    {KEY(1, 0, 7, 6, 1), "DC IVAC"},           {KEY(1, 3, 7, 4, 1), "DC ZVA"},
    {KEY(1, 3, 7, 5, 1), "IC IVAU"},           {KEY(1, 3, 7, 10, 1), "DC CVAC"},
    {KEY(1, 3, 7, 11, 1), "DC CVAU"},          {KEY(1, 3, 7, 14, 1), "DC CIVAC"},
    {KEY(1, 0, 8, 3, 0), "TLBI VMALLE1IS"},    {KEY(1, 0, 8, 7, 0), "TLBI VMALLE1"},
};

struct describe_name describe_sysreg_name(uint16_t key)
{
    struct describe_name name;

    for (size_t i = 0; i < COUNT(sysreg_names); i++) {
        if (sysreg_names[i].key == key) {
            snprintf(name.s, sizeof(name.s), "%s", sysreg_names[i].name);
            return name;
        }
    }
    snprintf(name.s, sizeof(name.s), "S%u_%u_C%u_C%u_%u", key >> 14 & 3u, key >> 11 & 7u,
             key >> 7 & 15u, key >> 3 & 15u, key & 7u);
    return name;
}

/* A register, or an array of them `step` bytes apart. */
struct place_reg {
    uint16_t first, last;
    uint8_t step; /* 0: one register */
    const char *name;
};

/* IHI 0069, 12.8: the GICD register map. INTIDs 0-31 are the redistributors'. */
static const struct place_reg gicd[] = {
    {0x0000, 0x0003, 0, "GICD_CTLR"},      {0x0004, 0x0007, 0, "GICD_TYPER"},
    {0x0008, 0x000b, 0, "GICD_IIDR"},      {0x000c, 0x000f, 0, "GICD_TYPER2"},
    {0x0080, 0x00ff, 4, "GICD_IGROUPR"},   {0x0100, 0x017f, 4, "GICD_ISENABLER"},
    {0x0180, 0x01ff, 4, "GICD_ICENABLER"}, {0x0200, 0x027f, 4, "GICD_ISPENDR"},
    {0x0280, 0x02ff, 4, "GICD_ICPENDR"},   {0x0300, 0x037f, 4, "GICD_ISACTIVER"},
    {0x0380, 0x03ff, 4, "GICD_ICACTIVER"}, {0x0400, 0x07ff, 4, "GICD_IPRIORITYR"},
    {0x0c00, 0x0cff, 4, "GICD_ICFGR"},     {0x0d00, 0x0d7f, 4, "GICD_IGRPMODR"},
    {0x6000, 0x7fff, 8, "GICD_IROUTER"},   {0xffe8, 0xffeb, 0, "GICD_PIDR2"},
};

/* IHI 0069, 12.10: RD_base. */
static const struct place_reg gicr_rd[] = {
    {0x0000, 0x0003, 0, "GICR_CTLR"},      {0x0004, 0x0007, 0, "GICR_IIDR"},
    {0x0008, 0x000f, 0, "GICR_TYPER"},     {0x0014, 0x0017, 0, "GICR_WAKER"},
    {0x0070, 0x0077, 0, "GICR_PROPBASER"}, {0x0078, 0x007f, 0, "GICR_PENDBASER"},
    {0xffe8, 0xffeb, 0, "GICR_PIDR2"},
};

/* The same: SGI_base. */
static const struct place_reg gicr_sgi[] = {
    {0x0080, 0x0083, 0, "GICR_IGROUPR0"},   {0x0100, 0x0103, 0, "GICR_ISENABLER0"},
    {0x0180, 0x0183, 0, "GICR_ICENABLER0"}, {0x0200, 0x0203, 0, "GICR_ISPENDR0"},
    {0x0280, 0x0283, 0, "GICR_ICPENDR0"},   {0x0300, 0x0303, 0, "GICR_ISACTIVER0"},
    {0x0380, 0x0383, 0, "GICR_ICACTIVER0"}, {0x0400, 0x041f, 4, "GICR_IPRIORITYR"},
    {0x0c00, 0x0c07, 4, "GICR_ICFGR"},      {0x0d00, 0x0d03, 0, "GICR_IGRPMODR0"},
};

/* PL011 (DDI 0183), 3.2. */
static const struct place_reg uart[] = {
    {0x00, 0x03, 0, "UARTDR"},    {0x04, 0x07, 0, "UARTRSR"},  {0x18, 0x1b, 0, "UARTFR"},
    {0x24, 0x27, 0, "UARTIBRD"},  {0x28, 0x2b, 0, "UARTFBRD"}, {0x2c, 0x2f, 0, "UARTLCR_H"},
    {0x30, 0x33, 0, "UARTCR"},    {0x34, 0x37, 0, "UARTIFLS"}, {0x38, 0x3b, 0, "UARTIMSC"},
    {0x3c, 0x3f, 0, "UARTRIS"},   {0x40, 0x43, 0, "UARTMIS"},  {0x44, 0x47, 0, "UARTICR"},
    {0x48, 0x4b, 0, "UARTDMACR"},
};

/* Virtio 1.2, 4.2.2: MMIO device register layout. */
static const struct place_reg virtio[] = {
    {0x000, 0x003, 0, "MagicValue"},       {0x004, 0x007, 0, "Version"},
    {0x008, 0x00b, 0, "DeviceID"},         {0x00c, 0x00f, 0, "VendorID"},
    {0x010, 0x013, 0, "DeviceFeatures"},   {0x014, 0x017, 0, "DeviceFeaturesSel"},
    {0x020, 0x023, 0, "DriverFeatures"},   {0x024, 0x027, 0, "DriverFeaturesSel"},
    {0x030, 0x033, 0, "QueueSel"},         {0x034, 0x037, 0, "QueueNumMax"},
    {0x038, 0x03b, 0, "QueueNum"},         {0x044, 0x047, 0, "QueueReady"},
    {0x050, 0x053, 0, "QueueNotify"},      {0x060, 0x063, 0, "InterruptStatus"},
    {0x064, 0x067, 0, "InterruptACK"},     {0x070, 0x073, 0, "Status"},
    {0x080, 0x083, 0, "QueueDescLow"},     {0x084, 0x087, 0, "QueueDescHigh"},
    {0x090, 0x093, 0, "QueueDriverLow"},   {0x094, 0x097, 0, "QueueDriverHigh"},
    {0x0a0, 0x0a3, 0, "QueueDeviceLow"},   {0x0a4, 0x0a7, 0, "QueueDeviceHigh"},
    {0x0fc, 0x0ff, 0, "ConfigGeneration"}, {0x100, 0x1ff, 0, "Config"},
};

static void place_reg(const struct place_reg *regs, size_t count, uint64_t offset, struct text *t)
{
    for (size_t i = 0; i < count; i++) {
        if (offset < regs[i].first || offset > regs[i].last)
            continue;
        text_put(t, ", %s", regs[i].name);
        if (regs[i].step)
            text_put(t, "%" PRIu64, (offset - regs[i].first) / regs[i].step);
        return;
    }
}

/* `step`: the place is an array of devices, so many bytes apart. */
static const struct {
    uint64_t base, size, step;
    const char *name;
    const struct place_reg *regs;
    size_t count;
} places[] = {
    {BOARD_FLASH_BASE, BOARD_FLASH_SIZE, 0, "flash", NULL, 0},
    {BOARD_GICD_BASE, BOARD_GICD_SIZE, 0, "GICv3 distributor", gicd, COUNT(gicd)},
    {BOARD_GICR_BASE, BOARD_GICR_END - BOARD_GICR_BASE, BOARD_GICR_STRIDE, "GICv3 redistributor",
     NULL, 0},
    {BOARD_UART_BASE, BOARD_UART_SIZE, 0, "UART (PL011)", uart, COUNT(uart)},
    {BOARD_RTC_BASE, BOARD_RTC_SIZE, 0, "RTC (PL031)", NULL, 0},
    {BOARD_FW_CFG_BASE, BOARD_FW_CFG_SIZE, 0, "fw_cfg", NULL, 0},
    {BOARD_GPIO_BASE, BOARD_GPIO_SIZE, 0, "GPIO (PL061)", NULL, 0},
    {BOARD_VIRTIO_BASE, BOARD_VIRTIO_STEP *BOARD_VIRTIO_COUNT, BOARD_VIRTIO_STEP, "virtio-mmio",
     virtio, COUNT(virtio)},
    {BOARD_PLATFORM_BASE, BOARD_PLATFORM_SIZE, 0, "platform bus", NULL, 0},
    {BOARD_RAM_BASE, BOARD_RAM_SIZE_MAX, 0, "RAM", NULL, 0},
};

void describe_place(uint64_t ipa, struct text *t)
{
    for (size_t i = 0; i < COUNT(places); i++) {
        uint64_t offset = ipa - places[i].base;

        if (ipa < places[i].base || offset >= places[i].size)
            continue;
        text_put(t, "%s", places[i].name);
        if (places[i].step) {
            text_put(t, " %" PRIu64, offset / places[i].step);
            offset %= places[i].step;
        }
        text_put(t, " + 0x%" PRIx64, offset);
        if (places[i].base == BOARD_GICR_BASE) {
            /* RD_base and, 64 KiB behind it, SGI_base. */
            if (offset < 0x10000)
                place_reg(gicr_rd, COUNT(gicr_rd), offset, t);
            else
                place_reg(gicr_sgi, COUNT(gicr_sgi), offset - 0x10000, t);
        }
        place_reg(places[i].regs, places[i].count, offset, t);
        return;
    }
    text_put(t, ipa < BOARD_RAM_LIMIT ? "nothing of the board is there"
                                      : "beyond the guest's physical addresses");
}
