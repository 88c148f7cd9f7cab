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

#include "pl011_uart.h"

#define PL011_LATE  4080u /* characters that were posted before the guest could see TXFF */
#define PL011_QUIET 32u   /* reads of UARTFR that found nothing: the guest only sends */

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

/* Bring one register in memory up to date. */
static void pl011_shadow(struct pl011 *p, uint32_t offset)
{
    uint32_t value = htole32(pl011_uart_read(p->s, offset));

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

/* Where the transmitter's characters go; returns how many of `len` went. */
static uint32_t pl011_send(struct pl011 *p, const uint8_t *data, uint32_t len)
{
    struct pl011_state *s = p->s;

    if (!(s->cr & UARTCR_LBE)) {
        size_t taken = p->ops->chr_write(p->instance, p->chr, data, len);

        return taken < len ? (uint32_t)taken : len;
    }
    for (uint32_t i = 0; i < len && pl011_uart_enabled(s, UARTCR_RXE); i++)
        pl011_uart_receive(s, data[i]);
    return len;
}

/* The TX FIFO has room again. */
static void pl011_refill(struct pl011 *p)
{
    struct pl011_late *late = p->late;

    while (late->count > 0 && p->s->tx.count < pl011_uart_depth(p->s)) {
        pl011_fifo_push(&p->s->tx, late->data[late->head]);
        late->head = (late->head + 1) % PL011_LATE;
        late->count--;
    }
}

/* Transmit what is in the TX FIFO, as far as the host takes it. */
static void pl011_drain(struct pl011 *p)
{
    struct pl011_state *s = p->s;
    uint32_t sent = 0;

    while (s->tx.count > 0 && pl011_uart_enabled(s, UARTCR_TXE)) {
        uint32_t len = PL011_FIFO - s->tx.head; /* up to where the ring wraps */
        uint32_t n;

        if (len > s->tx.count)
            len = s->tx.count;
        n = pl011_send(p, &s->tx.data[s->tx.head], len);
        pl011_fifo_drop(&s->tx, n);
        pl011_refill(p);
        sent += n;
        if (n < len)
            break;
    }
    if (sent > 0 && s->tx.count <= pl011_uart_tx_level(s))
        s->ris |= UARTINT_TX;
}

static void pl011_write_dr(struct pl011 *p, uint8_t c, bool posted)
{
    struct pl011_state *s = p->s;
    struct pl011_late *late = p->late;

    if (s->tx.count >= pl011_uart_depth(s)) {
        /* TXFF told the guest not to, unless it has seen it too late: the character is lost. */
        if (posted && late->count < PL011_LATE)
            late->data[(late->head + late->count++) % PL011_LATE] = c;
        return;
    }
    pl011_fifo_push(&s->tx, c);
    if (s->tx.count > pl011_uart_tx_level(s))
        s->ris &= ~UARTINT_TX;
    pl011_drain(p);
}

static void pl011_accept(struct pl011 *p)
{
    if (p->starved && pl011_uart_room(p->s) > 0) {
        p->starved = false;
        p->ops->chr_accept(p->instance, p->chr);
    }
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
        v = pl011_uart_take(p->s);
        pl011_update(p);
        pl011_accept(p);
    } else {
        v = pl011_uart_read(p->s, at);
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
    case UARTLCR_H:
        if (pl011_uart_write_lcr_h(s, v))
            p->late->count = 0;
        pl011_refill(p);
        break;
    case UARTCR:
        pl011_uart_write_cr(s, v);
        pl011_drain(p);
        break;
    default:
        if (!pl011_uart_write(s, offset, v))
            return 0;
        break;
    }
    pl011_update(p);
    pl011_accept(p);
    return 0;
}

static size_t pl011_chr_can_receive(void *opaque)
{
    struct pl011 *p = opaque;
    size_t room = pl011_uart_room(p->s);

    p->starved = room == 0;
    return room;
}

static void pl011_chr_receive(void *opaque, const uint8_t *data, size_t len)
{
    struct pl011 *p = opaque;

    for (size_t i = 0; i < len; i++)
        pl011_uart_receive(p->s, data[i]);
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

    /* As a board's firmware leaves it: an early console writes without setting it up. */
    pl011_uart_reset(p->s, p->ops->property_bool(p->instance, "enabled"));
    p->late->count = 0;
    p->quiet = PL011_QUIET;
    pl011_update(p);
    pl011_accept(p);
}

/* A state that is zeroed is one that is taken over, until reset(): `flags` do not matter. */
static int pl011_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                        uint32_t flags, void **device)
{
    struct pl011_state *s = state;
    struct pl011 *p;

    if (!pl011_uart_is_sound(s)) {
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
