/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmm dies before each store to what outlives it, from the moment when a guest's exit comes
 * to the one when the guest goes on; another vmm takes over. In the end registers, memory, devices
 * and the interrupts that the guest took are those of a run without a death.
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/vm/attach_world.h"
#include "vmm/board/board.h"

#define NEVER  0u
#define DEATHS 24u /* in an exit that has more stores, some are passed over */

/* Data aborts: w5, by its size; and of an instruction that the syndrome does not describe. */
#define ESR_READ(sas)  (0x93050007u | (uint32_t)(sas) << 22)
#define ESR_WRITE(sas) (0x93050047u | (uint32_t)(sas) << 22)
#define ESR_ISV0       0x92000007u
#define ESR_HVC        0x5a000000u
#define ESR_SMC        0x5e000000u
#define ESR_WFI        0x06000000u
#define ESR_SGI1R      (0x62000000u | 3u << 20 | 5u << 17 | 12u << 10 | 3u << 5 | 11u << 1) /* x3 */
#define LDP_W0_W1      0x29400440u /* ldp w0, w1, [x2] */
#define LDP_W2_W1      0x29400442u /* ldp w2, w1, [x2] */

#define SGI_FRAME  (BOARD_GICR_BASE + GICR_SGI)
#define UART_INTID 33u

static void put(struct vm *vm, uint64_t at, unsigned size, uint64_t value)
{
    assert_int_equal(bus_write(vm->bus, ipa(at), size, value), 0);
}

/* Group 1 on, SGIs and the UART's interrupt enabled. */
static void gic(struct vm *vm)
{
    put(vm, BOARD_GICD_BASE, 4, 2);
    put(vm, BOARD_GICD_BASE + 0x84, 4, ~0u);
    put(vm, BOARD_GICD_BASE + 0x104, 4, 1u << (UART_INTID - 32));
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        put(vm, SGI_FRAME + i * BOARD_GICR_STRIDE + 0x80, 4, ~0u);
        put(vm, SGI_FRAME + i * BOARD_GICR_STRIDE + 0x100, 4, 0xffff);
    }
}

/* Characters in the receiver, and an interrupt for them: in loopback mode. */
static void uart(struct vm *vm)
{
    gic(vm);
    put(vm, BOARD_UART_BASE + 0x2c, 4, 0x70); /* FEN */
    put(vm, BOARD_UART_BASE + 0x30, 4, 0x381);
    for (unsigned i = 0; i < 3; i++)
        put(vm, BOARD_UART_BASE, 4, 'a' + i);
    put(vm, BOARD_UART_BASE + 0x38, 4, 0x10); /* RX: not at once */
}

static void fw_cfg(struct vm *vm)
{
    put(vm, BOARD_FW_CFG_BASE + 8, 2, 0); /* the signature */
}

/* Four bytes of the item that is selected. */
static void fw_cfg_dma(struct vm *vm)
{
    const uint32_t control = htobe32(2), length = htobe32(2);
    const uint64_t address = htobe64(BOARD_RAM_BASE + 0x4000);
    uint8_t *at = guest_ram_to_write(&vm->ram, BOARD_RAM_BASE + 0x3000, 16);

    fw_cfg(vm);
    memcpy(at, &control, 4);
    memcpy(at + 4, &length, 4);
    memcpy(at + 8, &address, 8);
}

/* An SPI is pending, and not enabled; or enabled, and its group is not. */
static void pending(struct vm *vm)
{
    gic(vm);
    put(vm, BOARD_GICD_BASE + 0x204, 4, 1u << 8);
    put(vm, BOARD_GICD_BASE + 0xc08, 4, 2u << 16);
}

/* Two edges are pending in list registers: an SPI of each vCPU, and the other one has an SGI. */
static void edges(struct vm *vm)
{
    gic(vm);
    put(vm, BOARD_GICD_BASE + 0x104, 4, 3u << 8);
    put(vm, BOARD_GICD_BASE + 0xc08, 4, 0xau << 16);
    put(vm, BOARD_GICD_BASE + 0x6000 + 8 * 41, 8, 1);
    put(vm, BOARD_GICD_BASE + 0x204, 4, 3u << 8);
    put(vm, SGI_FRAME + BOARD_GICR_STRIDE + 0x200, 4, 1u << 3);
}

#define MMIO_READ(sas, at)        .esr = ESR_READ(sas), .ipa = (at)
#define MMIO_WRITE(sas, at, word) .esr = ESR_WRITE(sas), .ipa = (at), .value = (word)

static const struct world_exit exits[] = {
    {.name = "a read of a register of the UART",
     MMIO_READ(2, BOARD_UART_BASE + 0x18),
     .prepare = uart},
    {.name = "a character is read from the UART", MMIO_READ(2, BOARD_UART_BASE), .prepare = uart},
    {.name = "a character is written to the UART",
     MMIO_WRITE(2, BOARD_UART_BASE, 'x'),
     .prepare = uart},
    {.name = "a character is posted to the UART",
     MMIO_WRITE(2, BOARD_UART_BASE, 'x'),
     .posted = true,
     .prepare = uart},
    {.name = "the UART's interrupt is enabled",
     MMIO_WRITE(2, BOARD_UART_BASE + 0x38, 0x50),
     .prepare = uart},
    {.name = "the UART's interrupt is cleared",
     MMIO_WRITE(2, BOARD_UART_BASE + 0x44, 0x7ff),
     .prepare = uart},
    {.name = "a pin of the GPIO", MMIO_WRITE(2, BOARD_GPIO_BASE + 0x3fc, 0xff)},
    {.name = "the clock's interrupt mask", MMIO_WRITE(2, BOARD_RTC_BASE + 0x10, 1)},
    {.name = "a byte of fw_cfg",
     MMIO_READ(0, BOARD_FW_CFG_BASE),
     .prepare = fw_cfg,
     .devices = {"fw-cfg"}},
    {.name = "two registers from fw_cfg",
     .esr = ESR_ISV0,
     .ipa = BOARD_FW_CFG_BASE,
     .x = {0, 0, BOARD_FW_CFG_BASE},
     .insn = LDP_W0_W1,
     .prepare = fw_cfg,
     .devices = {"fw-cfg"}},
    {.name = "two registers from fw_cfg, one of them that of the address",
     .esr = ESR_ISV0,
     .ipa = BOARD_FW_CFG_BASE,
     .x = {0, 0, BOARD_FW_CFG_BASE},
     .insn = LDP_W2_W1,
     .prepare = fw_cfg,
     .devices = {"fw-cfg"}},
    {.name = "a DMA request of fw_cfg",
     MMIO_WRITE(3, BOARD_FW_CFG_BASE + 16, __builtin_bswap64(BOARD_RAM_BASE + 0x3000)),
     .prepare = fw_cfg_dma,
     .devices = {"fw-cfg"}},
    {.name = "nobody is at the address", MMIO_READ(2, 0x20000000)},
    {.name = "GICD_TYPER", MMIO_READ(2, BOARD_GICD_BASE + 4)},
    {.name = "GICD_ISPENDR is read", MMIO_READ(2, BOARD_GICD_BASE + 0x204), .prepare = pending},
    {.name = "GICD_CTLR", MMIO_WRITE(2, BOARD_GICD_BASE, 0), .prepare = gic},
    {.name = "GICD_ISENABLER of one that is pending",
     MMIO_WRITE(2, BOARD_GICD_BASE + 0x104, 1u << 8),
     .prepare = pending},
    {.name = "GICD_ISPENDR",
     MMIO_WRITE(2, BOARD_GICD_BASE + 0x204, 1u << (UART_INTID - 32)),
     .prepare = gic},
    {.name = "GICD_SETSPI_NSR", MMIO_WRITE(2, BOARD_GICD_BASE + 0x40, UART_INTID), .prepare = gic},
    {.name = "GICD_IROUTER",
     MMIO_WRITE(3, BOARD_GICD_BASE + 0x6000 + 8 * UART_INTID, 1),
     .prepare = gic},
    {.name = "GICD_ICENABLER of edges that are pending",
     MMIO_WRITE(2, BOARD_GICD_BASE + 0x184, 3u << 8),
     .masked = true,
     .prepare = edges},
    {.name = "GICD_IPRIORITYR of edges that are pending",
     MMIO_WRITE(2, BOARD_GICD_BASE + 0x428, 0x8080),
     .masked = true,
     .prepare = edges},
    {.name = "GICD_CTLR with edges that are pending",
     MMIO_WRITE(2, BOARD_GICD_BASE, 0),
     .masked = true,
     .prepare = edges},
    {.name = "GICD_IROUTER of an edge that is pending",
     MMIO_WRITE(3, BOARD_GICD_BASE + 0x6000 + 8 * 40, 1),
     .masked = true,
     .prepare = edges},
    {.name = "GICR_ICENABLER0 of the other vCPU's SGI",
     MMIO_WRITE(2, SGI_FRAME + BOARD_GICR_STRIDE + 0x180, 1u << 3),
     .masked = true,
     .prepare = edges},
    {.name = "GICR_ISPENDR0 of the other vCPU",
     MMIO_WRITE(2, SGI_FRAME + BOARD_GICR_STRIDE + 0x200, 1u << 3),
     .prepare = gic},
    {.name = "GICR_WAKER", MMIO_WRITE(2, BOARD_GICR_BASE + 0x14, 0), .prepare = gic},
    {.name = "an SGI to the other vCPU",
     .esr = ESR_SGI1R,
     .x = {0, 0, 0, 1u << 24 | 2},
     .prepare = gic},
    {.name = "an SGI to all", .esr = ESR_SGI1R, .x = {0, 0, 0, 1u << 24 | 3}, .prepare = gic},
    {.name = "an SGI to a vCPU that is off",
     .esr = ESR_SGI1R,
     .x = {0, 0, 0, 1u << 24 | 2},
     .second_off = true,
     .prepare = gic},
    {.name = "PSCI_VERSION", .esr = ESR_HVC, .x = {PSCI_VERSION}},
    {.name = "CPU_ON",
     .esr = ESR_HVC,
     .x = {PSCI_CPU_ON | CALL_SMC64, 1, WORLD_ENTRY, 7},
     .second_off = true,
     .prepare = gic},
    {.name = "CPU_ON by SMC",
     .esr = ESR_SMC,
     .x = {PSCI_CPU_ON | CALL_SMC64, 1, WORLD_ENTRY, 7},
     .second_off = true},
    {.name = "CPU_OFF", .vcpu = 1, .esr = ESR_HVC, .x = {PSCI_CPU_OFF}},
    {.name = "CPU_SUSPEND to a standby", .esr = ESR_HVC, .x = {PSCI_CPU_SUSPEND}},
    {.name = "SYSTEM_OFF", .esr = ESR_HVC, .x = {PSCI_SYSTEM_OFF}},
    {.name = "SYSTEM_RESET", .esr = ESR_HVC, .x = {PSCI_SYSTEM_RESET}},
    {.name = "a call that nobody knows", .esr = ESR_HVC, .x = {0x86001234}},
    {.name = "an UNDEFINED instruction", .esr = 0x02000000u},
    {.name = "WFI", .esr = ESR_WFI},
};

static bool differs(const char *exit, unsigned store, const char *what, bool same)
{
    if (!same)
        print_error("%s, death before store %u: %s\n", exit, store, what);
    return !same;
}

#define SAME(field) memcmp(&is.field, &must->field, sizeof(is.field)) == 0

/* The guest notices that the vmm dies before that store. */
static bool is_noticed(const struct world_exit *exit, unsigned store, const struct world_end *must)
{
    struct world_end is;
    bool b = false;

    world_run(exit, store, &is);
    b |= differs(exit->name, store, "the vmm did not come there", is.died);
    b |= differs(exit->name, store, "it was not taken over", !is.refused);
    b |= differs(exit->name, store, "the guest is stuck", !is.stuck);
    if (b)
        return true;
    b |= differs(exit->name, store, "the state of the devices", SAME(state));
    b |= differs(exit->name, store, "the vCPU pages", SAME(pages));
    b |= differs(exit->name, store, "guest memory", SAME(ram));
    b |= differs(exit->name, store, "the interrupts that the guest took", SAME(taken));
    b |= differs(exit->name, store, "the starts of vCPUs", SAME(starts));
    b |= differs(exit->name, store, "registers", SAME(x));
    b |= differs(exit->name, store, "PCs", SAME(pc));
    return b;
}

/* How many deaths the guest notices. $ATTACH_ALL: at each store, however many there are. */
static unsigned kill_in(const struct world_exit *exit)
{
    struct world_end must;
    unsigned noticed = 0, deaths = 0, step;

    world_run(exit, NEVER, &must);
    assert_false(must.stuck || must.refused || must.died);
    assert_true(must.stores > 10);
    step = getenv("ATTACH_ALL") ? 1 : 1 + must.stores / DEATHS;
    for (unsigned store = 1; store <= must.stores; store += step, deaths++)
        noticed += is_noticed(exit, store, &must);
    print_message("%s: %u stores, %u deaths, %u noticed\n", exit->name, must.stores, deaths,
                  noticed);
    return noticed;
}

static void guest_does_not_notice_a_death_before_any_store(void **state)
{
    const char *only = getenv("ATTACH_EXIT"); /* a part of its name */
    unsigned noticed = 0;

    for (unsigned i = 0; i < sizeof(exits) / sizeof(exits[0]); i++)
        if (!only || strstr(exits[i].name, only))
            noticed += kill_in(&exits[i]);
    assert_int_equal(noticed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_does_not_notice_a_death_before_any_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
