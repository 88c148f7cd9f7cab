/* SPDX-License-Identifier: BSD-2-Clause */
/* The PL011 register by register, and in the flows of a driver. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support/plugin_host.h"

#define DR    0x00
#define RSR   0x04
#define FR    0x18
#define ILPR  0x20
#define IBRD  0x24
#define FBRD  0x28
#define LCR_H 0x2c
#define CR    0x30
#define IFLS  0x34
#define IMSC  0x38
#define RIS   0x3c
#define MIS   0x40
#define ICR   0x44
#define DMACR 0x48

#define FR_BUSY 0x08
#define FR_RXFE 0x10
#define FR_TXFF 0x20
#define FR_RXFF 0x40
#define FR_TXFE 0x80

#define CR_UARTEN 0x001
#define CR_LBE    0x080
#define CR_TXE    0x100
#define CR_RXE    0x200
#define CR_ON     (CR_UARTEN | CR_TXE | CR_RXE)
#define FEN       0x10

#define INT_RX 0x010
#define INT_TX 0x020
#define INT_RT 0x040
#define INT_OE 0x400

static const struct rv_device_class *const pl011 = &ringvisor_device;

static int setup(void **state)
{
    struct rv_instance *host = calloc(1, sizeof(*host));

    *state = host;
    plugin_host_init(host, NULL, 0, 0);
    return plugin_host_start(host, 0);
}

static int teardown(void **state)
{
    struct rv_instance *host = *state;

    plugin_host_stop(host);
    plugin_host_free(host);
    free(host);
    return 0;
}

static uint32_t get(struct rv_instance *host, uint64_t offset)
{
    return plugin_host_get(host, offset);
}

static void set(struct rv_instance *host, uint64_t offset, uint32_t value)
{
    plugin_host_put(host, offset, value);
}

static void put(struct rv_instance *host, const char *text)
{
    for (; *text; text++)
        set(host, DR, (uint8_t)*text);
}

static size_t type(struct rv_instance *host, const char *text)
{
    return plugin_host_chr_input_once(&host->chr[0], text, strlen(text));
}

static void host_takes(struct rv_instance *host, size_t room)
{
    plugin_host_chr_room(&host->chr[0], room);
}

static void assert_out(struct rv_instance *host, const char *text)
{
    assert_int_equal(host->chr[0].got_len, strlen(text));
    assert_memory_equal(host->chr[0].got, text, host->chr[0].got_len);
}

static void reset_gives_the_values_of_the_manual(void **state)
{
    static const struct {
        uint64_t offset;
        uint32_t value;
    } cases[] = {
        {RSR, 0},     {FR, 0x97}, {ILPR, 0}, {IBRD, 0}, {FBRD, 0},  {LCR_H, 0}, {CR, 0x300},
        {IFLS, 0x12}, {IMSC, 0},  {RIS, 0},  {MIS, 0},  {DMACR, 0}, {ICR, 0},
    };
    struct rv_instance *host = *state;

    for (uint64_t offset = 0; offset < 0xfe0; offset += 4)
        set(host, offset, UINT32_MAX);
    plugin_host_set(host, "enabled", "off");
    pl011->reset(host->device);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(get(host, cases[i].offset), cases[i].value);
    assert_false(host->irq);
}

static void enabled_property_leaves_the_uart_on_at_reset(void **state)
{
    struct rv_instance *host = *state;

    assert_int_equal(get(host, CR), CR_ON);
    put(host, "early");
    assert_out(host, "early");
}

static void identification_is_that_of_the_primecell(void **state)
{
    static const uint8_t id[8] = {0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1};
    struct rv_instance *host = *state;

    for (unsigned i = 0; i < 8; i++) {
        set(host, 0xfe0 + 4 * i, UINT32_MAX);
        assert_int_equal(get(host, 0xfe0 + 4 * i), id[i]);
    }
}

static void register_keeps_its_writable_bits_only(void **state)
{
    static const struct {
        uint64_t offset;
        uint32_t mask;
    } cases[] = {
        {ILPR, 0xff}, {IBRD, 0xffff}, {FBRD, 0x3f},  {LCR_H, 0xff}, {CR, 0xff87},
        {IFLS, 0x3f}, {IMSC, 0x7ff},  {DMACR, 0x07}, {RIS, 0},      {0x4c, 0},
        {0x80, 0},    {0x8c, 0},      {0xfdc, 0},    {0x08, 0},
    };
    struct rv_instance *host = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        set(host, cases[i].offset, UINT32_MAX);
        /* CR with all ones is in loopback, where modem inputs change and raise RIS. */
        if (cases[i].offset == CR)
            assert_int_equal(get(host, CR), cases[i].mask);
        else if (cases[i].offset != RIS)
            assert_int_equal(get(host, cases[i].offset), cases[i].mask);
        set(host, cases[i].offset, 0);
        if (cases[i].offset != RIS)
            assert_int_equal(get(host, cases[i].offset), 0);
    }
}

static void narrow_access_sees_its_bytes(void **state)
{
    struct rv_instance *host = *state;
    uint64_t value;

    assert_int_equal(pl011->regions[0].write(host->device, IBRD, 2, 0x1234, &plugin_host_access),
                     0);
    assert_int_equal(pl011->regions[0].read(host->device, IBRD, 1, &value, &plugin_host_access), 0);
    assert_int_equal(value & 0xff, 0x34);
    assert_int_equal(pl011->regions[0].read(host->device, IBRD + 1, 1, &value, &plugin_host_access),
                     0);
    assert_int_equal(value & 0xff, 0x12);
    assert_int_equal(pl011->regions[0].read(host->device, IBRD + 2, 2, &value, &plugin_host_access),
                     0);
    assert_int_equal(value & 0xffff, 0);
    assert_int_equal(pl011->regions[0].write(host->device, DR, 1, 'x', &plugin_host_access), 0);
    assert_out(host, "x");
    /* Not at a register's start: no register takes it. */
    assert_int_equal(pl011->regions[0].write(host->device, DR + 1, 1, 'y', &plugin_host_access), 0);
    assert_int_equal(pl011->regions[0].write(host->device, IBRD + 1, 1, 0xff, &plugin_host_access),
                     0);
    assert_out(host, "x");
    assert_int_equal(get(host, IBRD), 0x1234);
}

static void access_of_eight_bytes_is_refused(void **state)
{
    struct rv_instance *host = *state;
    uint64_t value;

    assert_int_equal(pl011->regions[0].read(host->device, DR, 8, &value, &plugin_host_access),
                     -EINVAL);
    assert_int_equal(pl011->regions[0].write(host->device, DR, 8, 'x', &plugin_host_access),
                     -EINVAL);
    assert_out(host, "");
}

static void slow_reader_loses_nothing_and_the_guest_sees_a_full_fifo(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    host->chr[0].room = 3;
    put(host, "abcdefghijklmnopqr"); /* 3 go, 15 wait */
    assert_int_equal(get(host, FR) & (FR_BUSY | FR_TXFF | FR_TXFE), FR_BUSY);
    put(host, "s");
    assert_int_equal(get(host, FR) & (FR_BUSY | FR_TXFF | FR_TXFE), FR_BUSY | FR_TXFF);
    put(host, "!"); /* TXFF was set: lost, as on the wire */
    host_takes(host, 10);
    assert_out(host, "abcdefghijklm");
    put(host, "tuvwxyz"); /* over the ring's end */
    host_takes(host, SIZE_MAX);
    assert_out(host, "abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(get(host, FR) & (FR_BUSY | FR_TXFF | FR_TXFE), FR_TXFE);
}

static const struct rv_access posted = {
    .size = sizeof(posted),
    .vcpu = 0,
    .flags = RV_ACCESS_POSTED,
};

static void post(struct rv_instance *host, char c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pl011->regions[0].write(host->device, DR, 4, (uint8_t)c, &posted), 0);
}

/* Each pCPU's ring may be full of them. */
static void what_was_posted_before_the_guest_saw_a_full_fifo_is_not_lost(void **state)
{
    struct rv_instance *host = *state;
    char want[16 + 4080 + 1 + 1] = "";

    set(host, LCR_H, FEN);
    host->chr[0].room = 0;
    post(host, 'a', 16);
    post(host, 'b', 4080);
    post(host, '!', 1); /* no ring has so many */
    host_takes(host, 100);
    assert_int_equal(get(host, FR) & FR_TXFF, FR_TXFF); /* it filled up from those */
    post(host, 'c', 1);
    memset(want, 'a', 16);
    memset(want + 16, 'b', 4080);
    want[16 + 4080] = 'c';
    host->chr[0].got_len = 0;
    plugin_host_stop(host);
    assert_int_equal(plugin_host_create(host, RV_CREATE_RESUME), 0);
    pl011->resume(host->device);
    assert_out(host, want + 100);
    assert_int_equal(get(host, FR) & FR_TXFE, FR_TXFE);
}

static void late_characters_keep_their_place_when_the_fifo_grows(void **state)
{
    struct rv_instance *host = *state;

    host->chr[0].room = 0;
    post(host, 'a', 2); /* one in the holding register, one late */
    set(host, LCR_H, FEN);
    post(host, 'b', 1);
    host_takes(host, SIZE_MAX);
    assert_out(host, "aab");
}

static uint32_t shadow(struct rv_instance *host, uint64_t offset)
{
    uint32_t value;

    memcpy(&value, host->region[0].bytes + offset, sizeof(value));
    return value;
}

/* Until `n` reads of UARTFR, the guest's do not come from memory. */
static void assert_shown_after(struct rv_instance *host, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_false(host->region[0].shown);
        get(host, FR);
    }
    assert_true(host->region[0].shown);
}

static void guest_that_only_sends_reads_the_registers_from_memory(void **state)
{
    struct rv_instance *host = *state;

    assert_true(host->region[0].shown);
    type(host, "x");
    assert_false(host->region[0].shown);
    for (unsigned i = 0; i < 100; i++)
        get(host, FR);
    assert_false(host->region[0].shown);
    assert_int_equal(get(host, DR), 'x');
    assert_shown_after(host, 32);
    set(host, CR, CR_ON | CR_LBE);
    assert_false(host->region[0].shown);
    set(host, CR, CR_ON);
    assert_true(host->region[0].shown);
    plugin_host_stop(host);
    assert_int_equal(plugin_host_create(host, RV_CREATE_RESUME), 0);
    assert_shown_after(host, 32);
    pl011->reset(host->device);
    assert_true(host->region[0].shown);
}

static void assert_no_character_to_be_seen(struct rv_instance *host)
{
    assert_int_equal(shadow(host, FR) & FR_RXFE, FR_RXFE);
}

/* Another vCPU, or this one, reads on meanwhile, and UARTDR is not in memory. */
static void memory_never_tells_of_a_character(void **state)
{
    struct rv_instance *host = *state;

    host->shown_changed = assert_no_character_to_be_seen;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(host->region[0].shown);
        type(host, "x");
        assert_int_equal(get(host, DR), 'x');
        assert_shown_after(host, 32);
    }
    set(host, CR, CR_ON | CR_LBE);
    set(host, DR, 'y');
    assert_int_equal(get(host, DR), 'y');
}

/* Whatever the guest does: each register reads alike by an exit and from memory. */
static void memory_has_what_a_read_would_give(void **state)
{
    struct rv_instance *host = *state;
    uint32_t seed = 7;

    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1664525u + 1013904223u;
        host->chr[0].got_len = 0;
        host->chr[0].room = seed >> 29;
        pl011->regions[0].write(host->device, (seed >> 12) & 0x7c, 4, seed >> 3,
                                seed & 0x80 ? &posted : &plugin_host_access);
        if ((seed & 0x70) == 0x70)
            type(host, "in");
        if ((seed & 0x70) == 0x60)
            host_takes(host, host->chr[0].room);
        for (uint64_t offset = RSR; offset < 0x1000; offset += offset < DMACR ? 4 : 0xc)
            assert_int_equal(shadow(host, offset), get(host, offset));
        if (get(host, FR) & FR_RXFE)
            assert_int_equal(shadow(host, DR), get(host, DR));
    }
}

static void without_fifos_one_character_waits(void **state)
{
    struct rv_instance *host = *state;

    host->chr[0].room = 0;
    put(host, "a");
    assert_int_equal(get(host, FR) & (FR_BUSY | FR_TXFF), FR_BUSY | FR_TXFF);
    put(host, "!");
    host_takes(host, 5);
    assert_out(host, "a");
    assert_int_equal(type(host, "xy"), 1);
    assert_int_equal(get(host, FR) & (FR_RXFF | FR_RXFE), FR_RXFF);
    assert_int_equal(get(host, RIS) & INT_RX, INT_RX);
    assert_int_equal(get(host, DR), 'x');
    assert_int_equal(get(host, RIS) & (INT_RX | INT_RT), 0);
}

static void transmit_interrupt_comes_when_the_fifo_falls_to_its_level(void **state)
{
    static const uint8_t level[8] = {2, 4, 8, 12, 14, 14, 14, 14};
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_TX);
    for (uint32_t select = 0; select < 8; select++) {
        host->chr[0].got_len = 0;
        host->chr[0].room = 0;
        set(host, IFLS, select);
        set(host, ICR, INT_TX);
        put(host, "0123456789abcdef");
        host_takes(host, (size_t)(16 - level[select] - 1));
        assert_false(host->irq);
        host_takes(host, 1);
        assert_true(host->irq);
        host_takes(host, SIZE_MAX);
        assert_out(host, "0123456789abcdef");
    }
}

static void transmit_interrupt_marks_a_passage_not_a_level(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_TX);
    assert_false(host->irq); /* empty, but nothing was ever written */
    put(host, "a");
    assert_true(host->irq);
    set(host, ICR, INT_TX);
    assert_false(host->irq); /* still empty: no second passage */
    set(host, IMSC, 0);
    set(host, IMSC, INT_TX);
    assert_false(host->irq);
}

static void filling_above_the_level_ends_the_transmit_interrupt(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_TX);
    put(host, "a");
    host->chr[0].room = 0;
    put(host, "12345678");
    assert_true(host->irq);
    put(host, "9");
    assert_false(host->irq);
}

/* What Linux's driver does: up to half a FIFO per interrupt, nothing else to start it. */
static void driver_that_writes_from_its_interrupt_always_gets_the_next(void **state)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog 0123456789";
    struct rv_instance *host = *state;
    const char *p = text;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_TX);
    host->chr[0].room = 0;
    while (!(get(host, FR) & FR_TXFF))
        set(host, DR, (uint8_t)*p++);
    host_takes(host, SIZE_MAX);
    for (unsigned rounds = 0; *p && rounds < 100; rounds++) {
        assert_true(host->irq);
        for (unsigned i = 0; i < 8 && *p; i++)
            set(host, DR, (uint8_t)*p++);
    }
    assert_out(host, text);
}

static void receive_interrupt_comes_when_the_fifo_rises_to_its_level(void **state)
{
    static const uint8_t level[8] = {2, 4, 8, 12, 14, 14, 14, 14};
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_RX);
    for (uint32_t select = 0; select < 8; select++) {
        set(host, IFLS, select << 3);
        for (unsigned i = 0; i < level[select]; i++) {
            assert_false(host->irq);
            assert_int_equal(type(host, "x"), 1);
        }
        assert_true(host->irq);
        assert_int_equal(get(host, DR), 'x');
        assert_false(host->irq); /* below the level again */
        while (!(get(host, FR) & FR_RXFE))
            get(host, DR);
    }
}

static void cleared_receive_interrupt_waits_for_the_next_passage(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_RX);
    type(host, "12345678");
    assert_true(host->irq);
    set(host, ICR, INT_RX);
    assert_false(host->irq);
    type(host, "9");
    assert_false(host->irq);
    get(host, DR);
    get(host, DR);
    type(host, "a");
    assert_true(host->irq);
}

static void input_below_the_level_raises_the_timeout_until_it_is_read(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_RX | INT_RT);
    assert_int_equal(type(host, "ab"), 2);
    assert_int_equal(get(host, MIS), INT_RT);
    assert_true(host->irq);
    set(host, ICR, 0x7ff); /* the silence goes on */
    assert_true(host->irq);
    assert_int_equal(get(host, DR), 'a');
    assert_true(host->irq);
    assert_int_equal(get(host, DR), 'b');
    assert_false(host->irq);
    assert_int_equal(get(host, DR), 0);
    assert_int_equal(get(host, RIS), 0);
}

static void mask_decides_the_line_at_once(void **state)
{
    struct rv_instance *host = *state;

    type(host, "a");
    assert_false(host->irq);
    assert_int_equal(get(host, MIS), 0);
    set(host, IMSC, INT_RX);
    assert_true(host->irq);
    assert_int_equal(get(host, MIS), INT_RX);
    set(host, IMSC, 0);
    assert_false(host->irq);
}

static void room_is_told_and_the_host_is_called_when_there_is_room_again(void **state)
{
    struct rv_instance *host = *state;
    unsigned before;

    set(host, LCR_H, FEN);
    assert_int_equal(host->chr[0].callbacks.can_receive(host->chr[0].opaque), 16);
    assert_int_equal(type(host, "0123456789abcdefgh"), 16);
    assert_int_equal(get(host, FR) & (FR_RXFF | FR_RXFE), FR_RXFF);
    before = host->chr[0].accepts;
    get(host, DR);
    assert_int_equal(host->chr[0].accepts, before); /* the host never asked in vain */
    assert_int_equal(type(host, "g"), 1);
    assert_int_equal(type(host, "h"), 0);
    get(host, DR);
    assert_int_equal(host->chr[0].accepts, before + 1);
    get(host, DR);
    assert_int_equal(host->chr[0].accepts, before + 1);
    for (const char *p = "3456789abcdefg"; *p; p++)
        assert_int_equal(get(host, DR), *p);
}

static void input_waits_for_a_receiver_that_is_off(void **state)
{
    static const uint32_t off[] = {0, CR_UARTEN | CR_TXE, CR_TXE | CR_RXE, CR_ON | CR_LBE};
    struct rv_instance *host = *state;

    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        unsigned before;

        set(host, CR, off[i]);
        before = host->chr[0].accepts;
        assert_int_equal(type(host, "a"), 0);
        set(host, CR, CR_ON);
        assert_int_equal(host->chr[0].accepts, before + 1);
        assert_int_equal(type(host, "a"), 1);
        assert_int_equal(get(host, DR), 'a');
    }
}

static void output_waits_for_a_transmitter_that_is_off(void **state)
{
    static const uint32_t off[] = {0, CR_UARTEN | CR_RXE, CR_TXE | CR_RXE};
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
        host->chr[0].got_len = 0;
        set(host, CR, off[i]);
        put(host, "abc");
        assert_out(host, "");
        assert_int_equal(get(host, FR) & FR_BUSY, FR_BUSY);
        set(host, CR, CR_ON);
        assert_out(host, "abc");
    }
}

static void loopback_returns_what_is_sent_and_sends_nothing(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, CR, CR_ON | CR_LBE);
    put(host, "loop");
    for (const char *p = "loop"; *p; p++)
        assert_int_equal(get(host, DR), *p);
    assert_out(host, "");
}

static void loopback_feeds_the_modem_outputs_to_the_inputs(void **state)
{
    static const struct {
        uint32_t out, in; /* UARTCR and UARTFR */
    } cases[] = {
        {0x0800, 0x001}, /* RTS, CTS */
        {0x0400, 0x002}, /* DTR, DSR */
        {0x1000, 0x004}, /* Out1, DCD */
        {0x2000, 0x100}, /* Out2, RI */
    };
    static const uint32_t interrupt[] = {0x2, 0x8, 0x4, 0x1};
    struct rv_instance *host = *state;

    for (size_t i = 0; i < 4; i++) {
        set(host, CR, CR_ON | CR_LBE);
        set(host, ICR, 0x7ff);
        assert_int_equal(get(host, FR) & 0x107, 0);
        set(host, CR, CR_ON | CR_LBE | cases[i].out);
        assert_int_equal(get(host, FR) & 0x107, cases[i].in);
        assert_int_equal(get(host, RIS), interrupt[i]);
    }
}

static void overrun_is_told_in_each_of_its_places_and_clears_as_each_does(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, CR, CR_ON | CR_LBE);
    set(host, IMSC, INT_OE);
    put(host, "0123456789abcdef");
    assert_false(host->irq);
    put(host, "!");
    assert_true(host->irq);
    assert_int_equal(get(host, RSR), 0x8);
    assert_int_equal(get(host, DR), 0x800 | '0');
    put(host, "g"); /* one that fits ends the condition */
    assert_int_equal(get(host, DR), '1');
    assert_int_equal(get(host, RSR), 0x8);
    set(host, RSR, 0);
    assert_int_equal(get(host, RSR), 0);
    assert_true(host->irq);
    set(host, ICR, INT_OE);
    assert_false(host->irq);
    for (const char *p = "23456789abcdefg"; *p; p++)
        assert_int_equal(get(host, DR), *p);
}

static void fifos_are_flushed_when_they_go_off_while_the_uart_is_off(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    host->chr[0].room = 0;
    put(host, "lost");
    type(host, "lost");
    set(host, CR, 0);
    set(host, LCR_H, 0);
    host->chr[0].room = SIZE_MAX;
    set(host, CR, CR_ON);
    assert_out(host, "");
    assert_int_equal(get(host, FR) & (FR_TXFE | FR_RXFE), FR_TXFE | FR_RXFE);
    assert_int_equal(get(host, RIS) & (INT_RX | INT_RT), 0);
}

static void fifos_that_go_off_while_the_uart_runs_lose_nothing(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    host->chr[0].room = 0;
    put(host, "kept");
    assert_int_equal(type(host, "too"), 3);
    set(host, LCR_H, 0);
    assert_int_equal(get(host, FR) & (FR_TXFF | FR_RXFF), FR_TXFF | FR_RXFF);
    assert_int_equal(type(host, "x"), 0);
    host_takes(host, SIZE_MAX);
    assert_out(host, "kept");
    for (const char *p = "too"; *p; p++)
        assert_int_equal(get(host, DR), *p);
}

static void line_settings_do_not_change_the_characters(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, 0xff & ~0x60u); /* break, parity, five bits */
    set(host, DR, 0x1ff);
    assert_out(host, "\xff");
}

static void state_block_is_all_that_a_new_instance_needs(void **state)
{
    struct rv_instance *host = *state;

    set(host, LCR_H, FEN);
    set(host, IMSC, INT_RT);
    set(host, IBRD, 13);
    host->chr[0].room = 0;
    put(host, "pending");
    type(host, "in");
    plugin_host_stop(host);
    assert_int_equal(plugin_host_create(host, RV_CREATE_RESUME), 0);
    assert_true(host->irq);
    assert_out(host, "");
    pl011->resume(host->device);
    assert_out(host, "pending");
    assert_int_equal(get(host, IBRD), 13);
    assert_int_equal(get(host, DR), 'i');
    assert_int_equal(get(host, DR), 'n');
}

static void damaged_state_is_refused(void **state)
{
    static const size_t fields[] = {0x40, 0x44, 0x58, 0x5c}; /* head and count, RX and TX */
    struct rv_instance *host = *state;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        plugin_host_stop(host);
        memset(host->state, 0, sizeof(host->state));
        ((uint32_t *)host->state)[fields[i] / 4] = 17;
        assert_int_equal(plugin_host_create(host, RV_CREATE_RESUME), -EINVAL);
        assert_int_equal(host->errors, i + 1);
    }
}

static void chardev_is_what_the_user_said_and_without_it_there_is_no_uart(void **state)
{
    struct rv_instance *host = *state;

    assert_null(host->chr[0].spec);
    plugin_host_stop(host);
    plugin_host_set(host, "chardev", "file:/tmp/x");
    host->chr_fail_at = 1;
    assert_int_equal(plugin_host_create(host, 0), -ENODEV);
    host->chr_fail_at = 0;
    assert_int_equal(plugin_host_create(host, 0), 0);
    assert_string_equal(host->chr[0].spec, "file:/tmp/x");
}

/* Any guest: nothing that it writes or reads may trip the sanitizers or overfill a FIFO. */
static void random_accesses_stay_inside(void **state)
{
    struct rv_instance *host = *state;
    uint32_t seed = 1;

    for (unsigned i = 0; i < 200000; i++) {
        uint64_t value;

        seed = seed * 1664525u + 1013904223u;
        host->chr[0].got_len = 0;
        host->chr[0].room = seed >> 30;
        unsigned size = 1u << ((seed >> 8) & 3);
        uint64_t offset = (seed >> 12) & (i & 1 ? 0xfffu : 0x3fu) & ~(size - 1);

        if (seed & 0x80)
            (void)pl011->regions[0].read(host->device, offset, size, &value, &plugin_host_access);
        else
            (void)pl011->regions[0].write(host->device, offset, size, seed >> 3,
                                          &plugin_host_access);
        if ((seed & 0x70) == 0x70)
            type(host, "0123456789abcdef");
        if ((seed & 0x70) == 0x60)
            host_takes(host, host->chr[0].room);
        assert_true(host->chr[0].callbacks.can_receive(host->chr[0].opaque) <= 16);
        assert_int_equal(host->irq, get(host, MIS) != 0);
    }
}

static void data_register_alone_is_posted(void **state)
{
    assert_int_equal(pl011->regions[0].posted[0].start, DR);
    assert_int_equal(pl011->regions[0].posted[0].size, 4);
    assert_int_equal(pl011->regions[0].posted[1].size, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reset_gives_the_values_of_the_manual),
        TEST(enabled_property_leaves_the_uart_on_at_reset),
        TEST(identification_is_that_of_the_primecell),
        TEST(register_keeps_its_writable_bits_only),
        TEST(narrow_access_sees_its_bytes),
        TEST(access_of_eight_bytes_is_refused),
        TEST(slow_reader_loses_nothing_and_the_guest_sees_a_full_fifo),
        TEST(what_was_posted_before_the_guest_saw_a_full_fifo_is_not_lost),
        TEST(late_characters_keep_their_place_when_the_fifo_grows),
        TEST(guest_that_only_sends_reads_the_registers_from_memory),
        TEST(memory_never_tells_of_a_character),
        TEST(memory_has_what_a_read_would_give),
        TEST(without_fifos_one_character_waits),
        TEST(transmit_interrupt_comes_when_the_fifo_falls_to_its_level),
        TEST(transmit_interrupt_marks_a_passage_not_a_level),
        TEST(filling_above_the_level_ends_the_transmit_interrupt),
        TEST(driver_that_writes_from_its_interrupt_always_gets_the_next),
        TEST(receive_interrupt_comes_when_the_fifo_rises_to_its_level),
        TEST(cleared_receive_interrupt_waits_for_the_next_passage),
        TEST(input_below_the_level_raises_the_timeout_until_it_is_read),
        TEST(mask_decides_the_line_at_once),
        TEST(room_is_told_and_the_host_is_called_when_there_is_room_again),
        TEST(input_waits_for_a_receiver_that_is_off),
        TEST(output_waits_for_a_transmitter_that_is_off),
        TEST(loopback_returns_what_is_sent_and_sends_nothing),
        TEST(loopback_feeds_the_modem_outputs_to_the_inputs),
        TEST(overrun_is_told_in_each_of_its_places_and_clears_as_each_does),
        TEST(fifos_are_flushed_when_they_go_off_while_the_uart_is_off),
        TEST(fifos_that_go_off_while_the_uart_runs_lose_nothing),
        TEST(line_settings_do_not_change_the_characters),
        TEST(state_block_is_all_that_a_new_instance_needs),
        TEST(damaged_state_is_refused),
        TEST(chardev_is_what_the_user_said_and_without_it_there_is_no_uart),
        TEST(random_accesses_stay_inside),
        TEST(data_register_alone_is_posted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
