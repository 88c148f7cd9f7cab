/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers and FIFOs of an Arm PrimeCell UART (PL011): Arm DDI 0183, whose section numbers
 * are meant here. What a register reads as, and what a write or a character changes. It knows no
 * host: pl011.c takes what is in the TX FIFO to the character back end, and brings what comes in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Register offsets, 3.2. */
#define UARTDR        0x000u
#define UARTRSR       0x004u /* read: UARTRSR, write: UARTECR */
#define UARTFR        0x018u
#define UARTILPR      0x020u
#define UARTIBRD      0x024u
#define UARTFBRD      0x028u
#define UARTLCR_H     0x02cu
#define UARTCR        0x030u
#define UARTIFLS      0x034u
#define UARTIMSC      0x038u
#define UARTRIS       0x03cu
#define UARTMIS       0x040u
#define UARTICR       0x044u
#define UARTDMACR     0x048u
#define UARTPERIPHID0 0xfe0u /* four of UARTPeriphID, four of UARTPCellID */
#define PL011_SIZE    0x1000u

#define UARTDR_OE   0x800u
#define UARTRSR_OE  0x8u
#define UARTFR_CTS  0x001u
#define UARTFR_DSR  0x002u
#define UARTFR_DCD  0x004u
#define UARTFR_BUSY 0x008u
#define UARTFR_RXFE 0x010u
#define UARTFR_TXFF 0x020u
#define UARTFR_RXFF 0x040u
#define UARTFR_TXFE 0x080u
#define UARTFR_RI   0x100u

#define UARTLCR_H_FEN 0x10u

#define UARTCR_UARTEN 0x0001u
#define UARTCR_LBE    0x0080u
#define UARTCR_TXE    0x0100u
#define UARTCR_RXE    0x0200u
#define UARTCR_DTR    0x0400u
#define UARTCR_RTS    0x0800u
#define UARTCR_OUT1   0x1000u
#define UARTCR_OUT2   0x2000u

/* UARTIMSC, UARTRIS, UARTMIS and UARTICR have one layout. */
#define UARTINT_RI  0x001u
#define UARTINT_CTS 0x002u
#define UARTINT_DCD 0x004u
#define UARTINT_DSR 0x008u
#define UARTINT_RX  0x010u
#define UARTINT_TX  0x020u
#define UARTINT_RT  0x040u
#define UARTINT_OE  0x400u

#define PL011_FIFO 16u

struct pl011_fifo {
    uint8_t data[PL011_FIFO]; /* 0x00 */
    uint32_t head;            /* 0x10 index of the oldest */
    uint32_t count;           /* 0x14 */
};

/* All that the guest can see. */
struct pl011_state {
    uint32_t rsr;         /* 0x00 */
    uint32_t ilpr;        /* 0x04 */
    uint32_t ibrd;        /* 0x08 */
    uint32_t fbrd;        /* 0x0c */
    uint32_t lcr_h;       /* 0x10 */
    uint32_t cr;          /* 0x14 */
    uint32_t ifls;        /* 0x18 */
    uint32_t imsc;        /* 0x1c */
    uint32_t ris;         /* 0x20 */
    uint32_t dmacr;       /* 0x24 */
    uint32_t modem;       /* 0x28 UARTFR's CTS, DSR, DCD and RI */
    uint32_t overrun;     /* 0x2c 1: a character was lost since the last that came in */
    struct pl011_fifo rx; /* 0x30 */
    struct pl011_fifo tx; /* 0x48 */
};
_Static_assert(sizeof(struct pl011_state) == 0x60, "state layout");
#define PL011_STATE_VERSION 1u

/* The state after reset. `enabled`: with UARTEN set, as firmware would leave it. */
void pl011_uart_reset(struct pl011_state *s, bool enabled);

/* Of a state that may be damaged: can the functions below bear it? */
bool pl011_uart_is_sound(const struct pl011_state *s);

void pl011_fifo_push(struct pl011_fifo *fifo, uint8_t c); /* there is room */
void pl011_fifo_drop(struct pl011_fifo *fifo, uint32_t n);

/* Characters that each FIFO holds. */
uint32_t pl011_uart_depth(const struct pl011_state *s);

/* UARTTXINTR comes when the TX FIFO gets down to this. */
uint32_t pl011_uart_tx_level(const struct pl011_state *s);

/* Is this direction on: UARTCR_TXE or UARTCR_RXE? */
bool pl011_uart_enabled(const struct pl011_state *s, uint32_t direction);

/* Characters of the host's that the receiver takes now. */
size_t pl011_uart_room(const struct pl011_state *s);

/* A character came in. */
void pl011_uart_receive(struct pl011_state *s, uint8_t c);

/* A read of UARTDR. */
uint32_t pl011_uart_take(struct pl011_state *s);

/* A read of any other register, which changes nothing. 0: there is none. */
uint32_t pl011_uart_read(const struct pl011_state *s, uint64_t offset);

/* A write of UARTLCR_H. True: the FIFOs were flushed. */
bool pl011_uart_write_lcr_h(struct pl011_state *s, uint32_t value);

/* A write of UARTCR: characters in the TX FIFO may have to go. */
void pl011_uart_write_cr(struct pl011_state *s, uint32_t value);

/* A write of any other register but UARTDR. False: there is none. */
bool pl011_uart_write(struct pl011_state *s, uint64_t offset, uint32_t value);
