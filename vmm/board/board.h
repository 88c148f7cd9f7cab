/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's board, `ringvisor,virt-1`: IPAs and interrupt numbers. It is laid
 * out like QEMU's "virt" machine, so that kernels and firmware which carry that
 * board's addresses run unchanged; the platform bus is ours in the sense that
 * any plugin may be put there. `vmm/board/fdt.c` describes all of it to the guest.
 *
 * Interrupts: INTID as in GICv3 (IHI 0069, 2.2). PPIs are given as INTIDs,
 * SPIs as SPI numbers, which is INTID - 32.
 */
#pragma once

#include <stdint.h>

#include "proto/boot.h"

#define BOARD_COMPATIBLE "ringvisor,virt-1"
#define BOARD_MODEL      "ringvisor virt-1"

#define BOARD_FLASH_BASE UINT64_C(0x00000000)
#define BOARD_FLASH_SIZE UINT64_C(0x08000000)

/* GICv3: one distributor, and one redistributor (RD and SGI frame, 64 KiB each) per vCPU. */
#define BOARD_GICD_BASE   UINT64_C(0x08000000)
#define BOARD_GICD_SIZE   UINT64_C(0x00010000)
#define BOARD_GICR_BASE   UINT64_C(0x080a0000)
#define BOARD_GICR_STRIDE UINT64_C(0x00020000)
#define BOARD_GICR_END    UINT64_C(0x09000000)

/* The GICv2m frame: what PCI functions write their messages to. Its SPIs are no others'. */
#define BOARD_V2M_BASE  UINT64_C(0x08020000)
#define BOARD_V2M_SIZE  UINT64_C(0x00001000)
#define BOARD_V2M_SPI   48u
#define BOARD_V2M_COUNT 64u

#define BOARD_UART_BASE   UINT64_C(0x09000000) /* PL011 */
#define BOARD_UART_SIZE   UINT64_C(0x00001000)
#define BOARD_UART_SPI    1u
#define BOARD_RTC_BASE    UINT64_C(0x09010000) /* PL031 */
#define BOARD_RTC_SIZE    UINT64_C(0x00001000)
#define BOARD_RTC_SPI     2u
#define BOARD_FW_CFG_BASE UINT64_C(0x09020000)
#define BOARD_FW_CFG_SIZE UINT64_C(0x00000018)
#define BOARD_GPIO_BASE   UINT64_C(0x09030000) /* PL061 */
#define BOARD_GPIO_SIZE   UINT64_C(0x00001000)
#define BOARD_GPIO_SPI    7u

/* Memory that the guest reads and the vmm writes: stolen time (DEN0057), 64 bytes a vCPU. */
#define BOARD_PVTIME_BASE UINT64_C(0x090a0000)
#define BOARD_PVTIME_SIZE UINT64_C(0x00010000)

/* virtio-mmio transport n is at BASE + n * STEP and has SPI + n. */
#define BOARD_VIRTIO_BASE  UINT64_C(0x0a000000)
#define BOARD_VIRTIO_STEP  UINT64_C(0x00000200)
#define BOARD_VIRTIO_COUNT 32u
#define BOARD_VIRTIO_SPI   16u

/*
 * Platform bus: devices that have no fixed place. A device starts at a multiple
 * of STEP and takes as many steps as it is big; SPIs are dealt out from SPI on.
 */
#define BOARD_PLATFORM_BASE UINT64_C(0x0c000000)
#define BOARD_PLATFORM_SIZE UINT64_C(0x02000000)
#define BOARD_PLATFORM_STEP UINT64_C(0x00010000)
#define BOARD_PLATFORM_SPI  112u

/*
 * PCI, if there is a function: ECAM of 16 buses, the window for BARs, one for I/O ports, and the
 * four lines INTA to INTD.
 */
#define BOARD_PCI_MMIO_BASE UINT64_C(0x10000000)
#define BOARD_PCI_MMIO_SIZE UINT64_C(0x2eff0000)
#define BOARD_PCI_IO_BASE   UINT64_C(0x3eff0000)
#define BOARD_PCI_IO_SIZE   UINT64_C(0x00010000)
#define BOARD_PCI_ECAM_BASE UINT64_C(0x3f000000)
#define BOARD_PCI_ECAM_SIZE UINT64_C(0x01000000)
#define BOARD_PCI_BUSES     16u
#define BOARD_PCI_SPI       3u
#define BOARD_PCI_LINES     4u

/* SPI 0 is INTID 32. There are as many SPIs as the vgic has, which is as many as on "virt". */
#define BOARD_SPI_INTID 32u
#define BOARD_SPI_LIMIT 256u

/* The PMU's and the generic timer's PPIs: INTIDs that BSA (DEN0094, PPI assignments) gives them. */
#define BOARD_PPI_INTID        16u
#define BOARD_PMU_INTID        23u /* overflow of a counter */
#define BOARD_TIMER_HYP_INTID  26u /* CNTHP */
#define BOARD_TIMER_VIRT_INTID 27u /* CNTV */
#define BOARD_TIMER_SEC_INTID  29u /* CNTPS */
#define BOARD_TIMER_PHYS_INTID 30u /* CNTP, non-secure EL1 */

/* What the devices' apb_pclk and uartclk run at. Not the generic timer's frequency. */
#define BOARD_CLOCK_HZ 24000000u

/* RAM grows from its base up to the end of the IPA space that stage 2 translates. */
#define BOARD_RAM_BASE     UINT64_C(0x40000000)
#define BOARD_RAM_LIMIT    (UINT64_C(1) << RV_IPA_BITS)
#define BOARD_RAM_SIZE_MAX (BOARD_RAM_LIMIT - BOARD_RAM_BASE)

_Static_assert(BOARD_GICD_BASE + BOARD_GICD_SIZE <= BOARD_GICR_BASE, "GICD overlaps GICR");
_Static_assert(BOARD_GICR_BASE + RV_MAX_VCPUS * BOARD_GICR_STRIDE <= BOARD_GICR_END,
               "redistributors of all vCPUs must fit below the UART");
_Static_assert(BOARD_VIRTIO_BASE + BOARD_VIRTIO_COUNT * BOARD_VIRTIO_STEP <= BOARD_PLATFORM_BASE,
               "virtio-mmio overlaps the platform bus");
_Static_assert(BOARD_VIRTIO_SPI + BOARD_VIRTIO_COUNT <= BOARD_PLATFORM_SPI,
               "virtio-mmio shares SPIs with the platform bus");
_Static_assert(BOARD_PLATFORM_BASE + BOARD_PLATFORM_SIZE <= BOARD_PCI_MMIO_BASE,
               "the platform bus overlaps PCI");
_Static_assert(BOARD_PCI_ECAM_BASE + BOARD_PCI_ECAM_SIZE <= BOARD_RAM_BASE, "PCI overlaps RAM");
_Static_assert(BOARD_VIRTIO_SPI + BOARD_VIRTIO_COUNT <= BOARD_V2M_SPI &&
                   BOARD_V2M_SPI + BOARD_V2M_COUNT <= BOARD_PLATFORM_SPI,
               "messages share SPIs with lines");
_Static_assert(BOARD_RAM_BASE % RV_BLOCK_SIZE == 0, "RAM slots are 2 MiB aligned");
