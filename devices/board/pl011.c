/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arm PrimeCell UART (PL011), with the 16-character FIFOs of r1p1: Arm DDI 0183.
 * Section numbers are of that manual.
 *
 * There is no wire: a character takes no time. That decides three things which
 * the manual gives in bit times:
 * - The transmitter hands the TX FIFO to the host at once. What the host does
 *   not take stays in the FIFO (TXFF and BUSY show it) until it does.
 * - The receive timeout (32 bit times of silence) has always passed: RTRIS is
 *   set while there is data in the RX FIFO, whatever the trigger level. One
 *   that is cleared with data left comes back at once, as on the silicon it
 *   does after the next 32 bit times.
 * - The transmit interrupt marks a downward passage of the trigger level. A
 *   driver that refills the FIFO from its interrupt handler relies on a passage
 *   to follow, which on a wire it does as the burst drains. Here the burst may
 *   drain character by character as it is written, so that the FIFO never gets
 *   above the level; so every drain that ends at or below it is a passage.
 * Baud rate, word length, parity, break and flow control shape the wire only:
 * the registers keep what is written and nothing else follows.
 *
 * A driver looks at UARTFR before each character that it sends. So the guest
 * reads the registers from memory, without an exit, while no read of them
 * changes anything: while nothing has come in.
 */
#include <endian.h>
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>

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

#define PL011_FIFO  16u
#define PL011_LATE  4080u /* characters that were posted before the guest could see TXFF */
#define PL011_QUIET 32u   /* reads of UARTFR that found nothing: the guest only sends */

/* The far end: a terminal that is there and ready. */
#define PL011_MODEM_READY (UARTFR_CTS | UARTFR_DSR | UARTFR_DCD)

static const uint8_t pl011_id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};

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

/*
 * State block "late", a ring: characters behind those in the TX FIFO, which is full then. The
 * guest has posted them while it read a UARTFR in which the FIFO was not full yet.
 */
struct pl011_late {
    uint32_t head;  /* 0x00 index of the oldest */
    uint32_t count; /* 0x04 */
    uint64_t reserved;
    uint8_t data[PL011_LATE]; /* 0x10 */
};
_Static_assert(sizeof(struct pl011_late) == 0x1000, "state layout");

struct pl011 {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct pl011_state *s;
    struct pl011_late *late;
    uint32_t *shadow; /* the registers in the region's memory, little-endian */
    struct rv_chr *chr;
    uint32_t quiet; /* up to PL011_QUIET */
    bool shown;     /* the guest reads `shadow` */
    bool starved;   /* the host was told that there is no room: tell it when there is */
};

/* With FEN=0 the FIFOs are one-character holding registers, 3.3.7. */
static uint32_t pl011_depth(const struct pl011_state *s)
{
    return s->lcr_h & UARTLCR_H_FEN ? PL011_FIFO : 1;
}

/* UARTIFLS: 1/8, 1/4, 1/2, 3/4, 7/8; the reserved codes act as the last. */
static uint32_t pl011_level(uint32_t select)
{
    static const uint8_t level[8] = {2, 4, 8, 12, 14, 14, 14, 14};

    return level[select & 7];
}

/* UARTTXINTR comes when the FIFO gets down to this. */
static uint32_t pl011_tx_level(const struct pl011_state *s)
{
    return s->lcr_h & UARTLCR_H_FEN ? pl011_level(s->ifls) : 0;
}

/* UARTRXINTR comes when the FIFO gets up to this. */
static uint32_t pl011_rx_level(const struct pl011_state *s)
{
    return s->lcr_h & UARTLCR_H_FEN ? pl011_level(s->ifls >> 3) : 1;
}

static bool pl011_enabled(const struct pl011_state *s, uint32_t direction)
{
    return (s->cr & UARTCR_UARTEN) && (s->cr & direction);
}

static uint32_t pl011_read_fr(const struct pl011_state *s)
{
    uint32_t depth = pl011_depth(s);

    return s->modem | (s->tx.count == 0 ? UARTFR_TXFE : UARTFR_BUSY) |
           (s->tx.count >= depth ? UARTFR_TXFF : 0) | (s->rx.count == 0 ? UARTFR_RXFE : 0) |
           (s->rx.count >= depth ? UARTFR_RXFF : 0);
}

/* Each register but UARTDR. */
static uint32_t pl011_value(const struct pl011_state *s, uint64_t offset)
{
    switch (offset) {
    case UARTRSR: return s->rsr;
    case UARTFR: return pl011_read_fr(s);
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

/* Bring one register in memory up to date. */
static void pl011_shadow(struct pl011 *p, uint32_t offset)
{
    uint32_t value = htole32(pl011_value(p->s, offset));

    if (p->shadow[offset / 4] == value)
        return;
    __atomic_store_n(&p->shadow[offset / 4], value, __ATOMIC_RELAXED);
    p->ops->region_dirty(p->instance, 0, offset, sizeof(value));
}

/*
 * The memory, and whether the guest reads it: not in loopback either, where a character that
 * is sent has come in at once. UARTDR is 0 there, so it is hidden before UARTFR tells of a character.
 */
static void pl011_show(struct pl011 *p)
{
    bool shown = p->s->rx.count == 0 && !(p->s->cr & UARTCR_LBE) && p->quiet >= PL011_QUIET;

    if (p->shown && !shown)
        p->ops->region_show(p->instance, 0, false);
    for (uint32_t offset = UARTRSR; offset <= UARTDMACR; offset += 4)
        pl011_shadow(p, offset);
    if (shown && !p->shown)
        p->ops->region_show(p->instance, 0, true);
    p->shown = shown;
}

/*
 * After each change: the receive timeout, what the guest reads without exits, and then the one
 * line for all interrupts.
 */
static void pl011_update(struct pl011 *p)
{
    struct pl011_state *s = p->s;

    s->ris = (s->ris & ~UARTINT_RT) | (s->rx.count > 0 ? UARTINT_RT : 0);
    if (s->rx.count > 0)
        p->quiet = 0;
    pl011_show(p);
    p->ops->irq_set(p->instance, 0, (s->ris & s->imsc) != 0);
}

static void pl011_push(struct pl011_fifo *fifo, uint8_t c)
{
    fifo->data[(fifo->head + fifo->count) % PL011_FIFO] = c;
    fifo->count++;
}

static void pl011_drop(struct pl011_fifo *fifo, uint32_t n)
{
    fifo->head = (fifo->head + n) % PL011_FIFO;
    fifo->count -= n;
}

/* A character came in. */
static void pl011_rx(struct pl011_state *s, uint8_t c)
{
    if (s->rx.count >= pl011_depth(s)) {
        /* The FIFO stays as it is, the new character is lost: 3.3.2. */
        s->rsr |= UARTRSR_OE;
        s->overrun = 1;
        s->ris |= UARTINT_OE;
        return;
    }
    pl011_push(&s->rx, c);
    s->overrun = 0;
    if (s->rx.count == pl011_rx_level(s))
        s->ris |= UARTINT_RX;
}

/* Where the transmitter's characters go; returns how many of `len` went. */
static uint32_t pl011_send(struct pl011 *p, const uint8_t *data, uint32_t len)
{
    struct pl011_state *s = p->s;

    if (!(s->cr & UARTCR_LBE)) {
        size_t taken = p->ops->chr_write(p->instance, p->chr, data, len);

        return taken < len ? (uint32_t)taken : len;
    }
    for (uint32_t i = 0; i < len && pl011_enabled(s, UARTCR_RXE); i++)
        pl011_rx(s, data[i]);
    return len;
}

/* The TX FIFO has room again. */
static void pl011_refill(struct pl011 *p)
{
    struct pl011_late *late = p->late;

    while (late->count > 0 && p->s->tx.count < pl011_depth(p->s)) {
        pl011_push(&p->s->tx, late->data[late->head]);
        late->head = (late->head + 1) % PL011_LATE;
        late->count--;
    }
}

/* Transmit what is in the TX FIFO, as far as the host takes it. */
static void pl011_drain(struct pl011 *p)
{
    struct pl011_state *s = p->s;
    uint32_t sent = 0;

    while (s->tx.count > 0 && pl011_enabled(s, UARTCR_TXE)) {
        uint32_t len = PL011_FIFO - s->tx.head; /* up to where the ring wraps */
        uint32_t n;

        if (len > s->tx.count)
            len = s->tx.count;
        n = pl011_send(p, &s->tx.data[s->tx.head], len);
        pl011_drop(&s->tx, n);
        pl011_refill(p);
        sent += n;
        if (n < len)
            break;
    }
    if (sent > 0 && s->tx.count <= pl011_tx_level(s))
        s->ris |= UARTINT_TX;
}

static void pl011_write_dr(struct pl011 *p, uint8_t c, bool posted)
{
    struct pl011_state *s = p->s;
    struct pl011_late *late = p->late;

    if (s->tx.count >= pl011_depth(s)) {
        /* TXFF told the guest not to, unless it has seen it too late: the character is lost. */
        if (posted && late->count < PL011_LATE)
            late->data[(late->head + late->count++) % PL011_LATE] = c;
        return;
    }
    pl011_push(&s->tx, c);
    if (s->tx.count > pl011_tx_level(s))
        s->ris &= ~UARTINT_TX;
    pl011_drain(p);
}

static size_t pl011_room(const struct pl011_state *s)
{
    uint32_t depth = pl011_depth(s);

    /* A receiver that is off keeps the host's characters waiting rather than lose them. */
    if (!pl011_enabled(s, UARTCR_RXE) || (s->cr & UARTCR_LBE) || s->rx.count >= depth)
        return 0;
    return depth - s->rx.count;
}

static void pl011_accept(struct pl011 *p)
{
    if (p->starved && pl011_room(p->s) > 0) {
        p->starved = false;
        p->ops->chr_accept(p->instance, p->chr);
    }
}

static uint32_t pl011_read_dr(struct pl011 *p)
{
    struct pl011_state *s = p->s;
    uint32_t value;

    if (s->rx.count == 0)
        return 0;
    value = s->rx.data[s->rx.head] | (s->overrun ? UARTDR_OE : 0);
    pl011_drop(&s->rx, 1);
    if (s->rx.count < pl011_rx_level(s))
        s->ris &= ~UARTINT_RX;
    return value;
}

static void pl011_write_lcr_h(struct pl011 *p, uint32_t value)
{
    struct pl011_state *s = p->s;
    bool fen_cleared = (s->lcr_h & ~value & UARTLCR_H_FEN) != 0;

    s->lcr_h = value & UARTLCR_H_MASK;
    /*
     * FEN=0 flushes; 3.3.8 says to stop the UART first. While it runs, a wire
     * would have taken what is here long ago, so a slow host costs nothing:
     * the characters stay and go out.
     */
    if (fen_cleared && !(s->cr & UARTCR_UARTEN)) {
        s->tx.count = 0;
        p->late->count = 0;
        s->rx.count = 0;
        s->ris &= ~UARTINT_RX;
    }
    pl011_refill(p);
}

/* The modem status inputs: the far end's, or in loopback our own outputs (3.3.8). */
static uint32_t pl011_modem(const struct pl011_state *s)
{
    if (!(s->cr & UARTCR_LBE))
        return PL011_MODEM_READY;
    return (s->cr & UARTCR_RTS ? UARTFR_CTS : 0) | (s->cr & UARTCR_DTR ? UARTFR_DSR : 0) |
           (s->cr & UARTCR_OUT1 ? UARTFR_DCD : 0) | (s->cr & UARTCR_OUT2 ? UARTFR_RI : 0);
}

static void pl011_write_cr(struct pl011 *p, uint32_t value)
{
    struct pl011_state *s = p->s;
    uint32_t changed;

    s->cr = value & UARTCR_MASK;
    changed = s->modem ^ pl011_modem(s);
    s->modem ^= changed;
    s->ris |= (changed & UARTFR_RI ? UARTINT_RI : 0) | (changed & UARTFR_CTS ? UARTINT_CTS : 0) |
              (changed & UARTFR_DCD ? UARTINT_DCD : 0) | (changed & UARTFR_DSR ? UARTINT_DSR : 0);
    pl011_drain(p);
}

static int pl011_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                      const struct rv_access *access)
{
    struct pl011 *p = device;
    uint64_t at = offset & ~3ull;
    uint32_t v;

    if (size > 4)
        return -EINVAL;
    if (at == UARTDR) {
        v = pl011_read_dr(p);
        pl011_update(p);
        pl011_accept(p);
    } else {
        v = pl011_value(p->s, at);
    }
    if (at == UARTFR && p->s->rx.count == 0 && p->quiet < PL011_QUIET) {
        p->quiet++;
        pl011_show(p);
    }
    /* An APB read is of the whole register; the bus then picks the bytes. */
    *value = v >> (8 * (offset & 3));
    return 0;
}

static int pl011_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                       const struct rv_access *access)
{
    struct pl011 *p = device;
    struct pl011_state *s = p->s;
    uint32_t v = (uint32_t)value;

    if (size > 4)
        return -EINVAL;
    /* An offset inside of a register is no case here: APB has no such write. */
    switch (offset) {
    case UARTDR: pl011_write_dr(p, (uint8_t)v, access->flags & RV_ACCESS_POSTED); break;
    case UARTRSR: s->rsr = 0; break; /* UARTECR: any value, 3.3.2 */
    case UARTILPR: s->ilpr = v & UARTILPR_MASK; break;
    case UARTIBRD: s->ibrd = v & UARTIBRD_MASK; break;
    case UARTFBRD: s->fbrd = v & UARTFBRD_MASK; break;
    case UARTLCR_H: pl011_write_lcr_h(p, v); break;
    case UARTCR: pl011_write_cr(p, v); break;
    case UARTIFLS: s->ifls = v & UARTIFLS_MASK; break;
    case UARTIMSC: s->imsc = v & UARTINT_MASK; break;
    case UARTICR: s->ris &= ~v; break;
    case UARTDMACR: s->dmacr = v & UARTDMACR_MASK; break;
    default: return 0;
    }
    pl011_update(p);
    pl011_accept(p);
    return 0;
}

static size_t pl011_chr_can_receive(void *opaque)
{
    struct pl011 *p = opaque;
    size_t room = pl011_room(p->s);

    p->starved = room == 0;
    return room;
}

static void pl011_chr_receive(void *opaque, const uint8_t *data, size_t len)
{
    struct pl011 *p = opaque;

    for (size_t i = 0; i < len; i++)
        pl011_rx(p->s, data[i]);
    pl011_update(p);
}

static void pl011_chr_writable(void *opaque)
{
    struct pl011 *p = opaque;

    pl011_drain(p);
    pl011_update(p);
}

static const struct rv_chr_callbacks pl011_chr = {
    .size = sizeof(pl011_chr),
    .can_receive = pl011_chr_can_receive,
    .receive = pl011_chr_receive,
    .writable = pl011_chr_writable,
};

static void pl011_reset(void *device)
{
    struct pl011 *p = device;

    *p->s = (struct pl011_state){
        .cr = UARTCR_RESET,
        .ifls = UARTIFLS_RESET,
        .modem = PL011_MODEM_READY,
    };
    p->late->count = 0;
    p->quiet = PL011_QUIET;
    /* As a board's firmware leaves it: an early console writes without setting it up. */
    if (p->ops->property_bool(p->instance, "enabled"))
        p->s->cr |= UARTCR_UARTEN;
    pl011_update(p);
    pl011_accept(p);
}

/* A state that is zeroed is one that is taken over, until reset(): `flags` do not matter. */
static int pl011_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    struct pl011_state *s = state;
    struct pl011 *p;

    if (s->rx.count > PL011_FIFO || s->rx.head >= PL011_FIFO || s->tx.count > PL011_FIFO ||
        s->tx.head >= PL011_FIFO) {
        ops->log(instance, RV_LOG_ERROR, "the saved state is damaged: start the guest anew");
        return -EINVAL;
    }
    p = calloc(1, sizeof(*p));
    if (!p) {
        ops->log(instance, RV_LOG_ERROR, "out of memory");
        return -ENOMEM;
    }
    *p = (struct pl011){.instance = instance, .ops = ops, .s = s};
    p->late = ops->state_block(instance, "late", 1, sizeof(*p->late));
    p->shadow = ops->region_memory(instance, 0);
    if (!p->late || !p->shadow) {
        free(p);
        return -ENOMEM;
    }
    if (p->late->head >= PL011_LATE || p->late->count > PL011_LATE) {
        ops->log(instance, RV_LOG_ERROR, "the saved state is damaged: start the guest anew");
        free(p);
        return -EINVAL;
    }
    ops->state_undone(instance, p->late, offsetof(struct pl011_late, data));
    for (uint32_t offset = UARTPERIPHID0; offset < PL011_SIZE; offset += 4)
        pl011_shadow(p, offset);
    ops->region_show(instance, 0, false); /* whatever another vmm had shown */
    p->chr = ops->chr_open(instance, ops->property_string(instance, "chardev"), &pl011_chr, p);
    if (!p->chr) {
        free(p);
        return -ENODEV;
    }
    pl011_update(p);
    *device = p;
    return 0;
}

/* A state that was taken over may have characters to send. */
static void pl011_resume(void *device)
{
    struct pl011 *p = device;

    pl011_drain(p);
    pl011_update(p);
}

static void pl011_destroy(void *device)
{
    struct pl011 *p = device;

    p->ops->chr_close(p->instance, p->chr);
    free(p);
}

static const struct rv_property pl011_properties[] = {
    {
        .name = "chardev",
        .type = RV_PROPERTY_STRING,
        .help = "where its characters go: stdio, null, file:PATH, pty[:LINK] or socket:PATH "
                "(default: stdio for the board's first, null for others)",
    },
    {
        .name = "enabled",
        .type = RV_PROPERTY_BOOL,
        .value = "on",
        .help = "UARTEN is set at reset, as firmware would leave it",
    },
    {0},
};

static const char *const pl011_compatible[] = {"arm,pl011", "arm,primecell", NULL};
static const char *const pl011_clocks[] = {"uartclk", "apb_pclk", NULL};

static const struct rv_fdt_node pl011_fdt = {
    .size = sizeof(pl011_fdt),
    .name = "pl011",
    .compatible = pl011_compatible,
    .clocks = pl011_clocks,
    .stdout_path = true,
};

/*
 * UARTDR alone: what follows from sending a character comes some time later on
 * any UART, the interrupt included. The others act at once: after a write of
 * UARTIMSC or UARTICR the line must be low before the handler's EOI, or the
 * interrupt is taken again; UARTCR and UARTLCR_H decide what happens to the
 * next character, and are rare.
 */
static const struct rv_range pl011_posted[] = {{UARTDR, 4}, {0, 0}};

static const struct rv_region pl011_regions[] = {
    {
        .bytes = PL011_SIZE,
        .fixed_base = 0x09000000,
        .read = pl011_read,
        .write = pl011_write,
        .posted = pl011_posted,
        .flags = RV_REGION_MEMORY | RV_REGION_DATA,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "pl011",
    .description = "Arm PrimeCell UART (PL011): serial console",
    .regions = pl011_regions,
    .properties = pl011_properties,
    .place = RV_PLACE_FIXED,
    .fixed_spi = 1,
    .irq_lines = 1,
    .state_size = sizeof(struct pl011_state),
    .state_version = PL011_STATE_VERSION,
    .fdt = &pl011_fdt,
    .create = pl011_create,
    .destroy = pl011_destroy,
    .reset = pl011_reset,
    .resume = pl011_resume,
};
