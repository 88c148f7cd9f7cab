/* SPDX-License-Identifier: BSD-2-Clause */
#include "pl011_uart.h"

/* Writable bits. */
#define UARTILPR_MASK  0xffu
#define UARTIBRD_MASK  0xffffu
#define UARTFBRD_MASK  0x3fu
#define UARTLCR_H_MASK 0xffu
#define UARTCR_MASK    0xff87u
#define UARTIFLS_MASK  0x3fu
#define UARTINT_MASK   0x7ffu
#define UARTDMACR_MASK 0x7u

/* Reset values, table 3-1. */
#define UARTCR_RESET   (UARTCR_TXE | UARTCR_RXE)
#define UARTIFLS_RESET 0x12u /* both at 1/2 */

/* The far end: a terminal that is there and ready. */
#define PL011_MODEM_READY (UARTFR_CTS | UARTFR_DSR | UARTFR_DCD)

static const uint8_t pl011_id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

void pl011_uart_reset(struct pl011_state *s, bool enabled)
{
    *s = (struct pl011_state){
        .cr = UARTCR_RESET | (enabled ? UARTCR_UARTEN : 0),
        .ifls = UARTIFLS_RESET,
        .modem = PL011_MODEM_READY,
    };
}

bool pl011_uart_is_sound(const struct pl011_state *s)
{
    return s->rx.count <= PL011_FIFO && s->rx.head < PL011_FIFO && s->tx.count <= PL011_FIFO &&
           s->tx.head < PL011_FIFO;
}

/* With FEN=0 the FIFOs are one-character holding registers, 3.3.7. */
uint32_t pl011_uart_depth(const struct pl011_state *s)
{
    return s->lcr_h & UARTLCR_H_FEN ? PL011_FIFO : 1;
}

/* UARTIFLS: 1/8, 1/4, 1/2, 3/4, 7/8; the reserved codes act as the last. */
static uint32_t trigger_level(uint32_t select)
{
    static const uint8_t level[8] = {2, 4, 8, 12, 14, 14, 14, 14};

    return level[select & 7];
}

uint32_t pl011_uart_tx_level(const struct pl011_state *s)
{
    return s->lcr_h & UARTLCR_H_FEN ? trigger_level(s->ifls) : 0;
}

/* UARTRXINTR comes when the FIFO gets up to this. */
static uint32_t rx_level(const struct pl011_state *s)
{
    return s->lcr_h & UARTLCR_H_FEN ? trigger_level(s->ifls >> 3) : 1;
}

bool pl011_uart_enabled(const struct pl011_state *s, uint32_t direction)
{
    return (s->cr & UARTCR_UARTEN) && (s->cr & direction);
}

static uint32_t read_fr(const struct pl011_state *s)
{
    uint32_t depth = pl011_uart_depth(s);

    return s->modem | (s->tx.count == 0 ? UARTFR_TXFE : UARTFR_BUSY) |
           (s->tx.count >= depth ? UARTFR_TXFF : 0) | (s->rx.count == 0 ? UARTFR_RXFE : 0) |
           (s->rx.count >= depth ? UARTFR_RXFF : 0);
}

uint32_t pl011_uart_read(const struct pl011_state *s, uint64_t offset)
{
    switch (offset) {
    case UARTRSR: return s->rsr;
    case UARTFR: return read_fr(s);
    case UARTILPR: return s->ilpr;
    case UARTIBRD: return s->ibrd;
    case UARTFBRD: return s->fbrd;
    case UARTLCR_H: return s->lcr_h;
    case UARTCR: return s->cr;
    case UARTIFLS: return s->ifls;
    case UARTIMSC: return s->imsc;
    case UARTRIS: return s->ris;
    case UARTMIS: return s->ris & s->imsc;
    case UARTDMACR: return s->dmacr;
    default:
        return offset >= UARTPERIPHID0 && offset < PL011_SIZE
                   ? pl011_id[(offset - UARTPERIPHID0) / 4]
                   : 0;
    }
}

void pl011_fifo_push(struct pl011_fifo *fifo, uint8_t c)
{
    fifo->data[(fifo->head + fifo->count) % PL011_FIFO] = c;
    fifo->count++;
}

void pl011_fifo_drop(struct pl011_fifo *fifo, uint32_t n)
{
    fifo->head = (fifo->head + n) % PL011_FIFO;
    fifo->count -= n;
}

void pl011_uart_receive(struct pl011_state *s, uint8_t c)
{
    if (s->rx.count >= pl011_uart_depth(s)) {
        /* The FIFO stays as it is, the new character is lost: 3.3.2. */
        s->rsr |= UARTRSR_OE;
        s->overrun = 1;
        s->ris |= UARTINT_OE;
        return;
    }
    pl011_fifo_push(&s->rx, c);
    s->overrun = 0;
    if (s->rx.count == rx_level(s))
        s->ris |= UARTINT_RX;
}

size_t pl011_uart_room(const struct pl011_state *s)
{
    uint32_t depth = pl011_uart_depth(s);

    /* A receiver that is off keeps the host's characters waiting rather than lose them. */
    if (!pl011_uart_enabled(s, UARTCR_RXE) || (s->cr & UARTCR_LBE) || s->rx.count >= depth)
        return 0;
    return depth - s->rx.count;
}

uint32_t pl011_uart_take(struct pl011_state *s)
{
    uint32_t value;

    if (s->rx.count == 0)
        return 0;
    value = s->rx.data[s->rx.head] | (s->overrun ? UARTDR_OE : 0);
    pl011_fifo_drop(&s->rx, 1);
    if (s->rx.count < rx_level(s))
        s->ris &= ~UARTINT_RX;
    return value;
}

bool pl011_uart_write_lcr_h(struct pl011_state *s, uint32_t value)
{
    bool fen_cleared = (s->lcr_h & ~value & UARTLCR_H_FEN) != 0;

    s->lcr_h = value & UARTLCR_H_MASK;
    /*
     * FEN=0 flushes; 3.3.8 says to stop the UART first. While it runs, a wire
     * would have taken what is here long ago, so a slow host costs nothing:
     * the characters stay and go out.
     */
    if (!fen_cleared || (s->cr & UARTCR_UARTEN))
        return false;
    s->tx.count = 0;
    s->rx.count = 0;
    s->ris &= ~UARTINT_RX;
    return true;
}

/* The modem status inputs: the far end's, or in loopback our own outputs (3.3.8). */
static uint32_t modem(const struct pl011_state *s)
{
    if (!(s->cr & UARTCR_LBE))
        return PL011_MODEM_READY;
    return (s->cr & UARTCR_RTS ? UARTFR_CTS : 0) | (s->cr & UARTCR_DTR ? UARTFR_DSR : 0) |
           (s->cr & UARTCR_OUT1 ? UARTFR_DCD : 0) | (s->cr & UARTCR_OUT2 ? UARTFR_RI : 0);
}

void pl011_uart_write_cr(struct pl011_state *s, uint32_t value)
{
    uint32_t changed;

    s->cr = value & UARTCR_MASK;
    changed = s->modem ^ modem(s);
    s->modem ^= changed;
    s->ris |= (changed & UARTFR_RI ? UARTINT_RI : 0) | (changed & UARTFR_CTS ? UARTINT_CTS : 0) |
              (changed & UARTFR_DCD ? UARTINT_DCD : 0) | (changed & UARTFR_DSR ? UARTINT_DSR : 0);
}

bool pl011_uart_write(struct pl011_state *s, uint64_t offset, uint32_t value)
{
    switch (offset) {
    case UARTRSR: s->rsr = 0; break; /* UARTECR: any value, 3.3.2 */
    case UARTILPR: s->ilpr = value & UARTILPR_MASK; break;
    case UARTIBRD: s->ibrd = value & UARTIBRD_MASK; break;
    case UARTFBRD: s->fbrd = value & UARTFBRD_MASK; break;
    case UARTIFLS: s->ifls = value & UARTIFLS_MASK; break;
    case UARTIMSC: s->imsc = value & UARTINT_MASK; break;
    case UARTICR: s->ris &= ~value; break;
    case UARTDMACR: s->dmacr = value & UARTDMACR_MASK; break;
    default: return false;
    }
    return true;
}
