/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/payloads/guest.h"

#include <stdarg.h>

#include "tests/payloads/testdev.h"

/* PL011 (DDI 0183). */
#define UART_DR      0x00u
#define UART_FR      0x18u
#define UART_LCR_H   0x2cu
#define UART_CR      0x30u
#define UART_IMSC    0x38u
#define UART_FR_TXFF 0x20u

void guest_start(void) __attribute__((noreturn));
void guest_start_cpu1(uint64_t context) __attribute__((noreturn));
void guest_exception(struct frame *frame, unsigned slot);
void *memset(void *to, int value, size_t len);
void *memcpy(void *restrict to, const void *restrict from, size_t len);
void el0_return(void);

struct boot_state boot_state;
volatile struct fault fault;
void (*volatile irq_handler)(bool is_fiq);
void (*volatile cpu1_main)(uint64_t context);

static volatile enum fault_policy fault_policy;
static unsigned tests;

/* The compiler may call these even in a freestanding program. */
void *memset(void *to, int value, size_t len)
{
    volatile uint8_t *p = to;

    while (len-- != 0)
        *p++ = (uint8_t)value;
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
    volatile uint8_t *p = to;
    const uint8_t *q = from;

    while (len-- != 0)
        *p++ = *q++;
    return to;
}

void uart_init(void)
{
    mmio_write32(UART_BASE + UART_CR, 0);
    mmio_write32(UART_BASE + UART_IMSC, 0);
    mmio_write32(UART_BASE + UART_LCR_H, 0x70); /* 8 bits, FIFO */
    mmio_write32(UART_BASE + UART_CR, 0x301);   /* receive, transmit, enable */
}

static void put_char(char c)
{
    while ((mmio_read32(UART_BASE + UART_FR) & UART_FR_TXFF) != 0)
        ;
    mmio_write32(UART_BASE + UART_DR, (uint8_t)c);
}

static void put_string(const char *s)
{
    while (*s != '\0')
        put_char(*s++);
}

static void put_number(uint64_t n, unsigned base)
{
    char digits[24];
    unsigned i = sizeof(digits);

    digits[--i] = '\0';
    do {
        digits[--i] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n != 0);
    put_string(&digits[i]);
}

static void put_formatted(const char *fmt, va_list args)
{
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            put_char(*fmt);
            continue;
        }
        switch (*++fmt) {
        case 's': put_string(va_arg(args, const char *)); break;
        case 'u': put_number(va_arg(args, unsigned), 10); break;
        case 'x': put_number(va_arg(args, unsigned), 16); break;
        case 'l':
            fmt++; /* lx */
            put_number(va_arg(args, uint64_t), 16);
            break;
        default: put_char('?'); return;
        }
    }
}

static void put_line(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    put_formatted(fmt, args);
    va_end(args);
    put_char('\n');
}

static void put_verdict(bool good, const char *fmt, va_list args)
{
    tests++;
    put_string(good ? "ok " : "not ok ");
    put_formatted(fmt, args);
}

void check(uint64_t got, uint64_t expected, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    put_verdict(got == expected, fmt, args);
    va_end(args);
    if (got == expected)
        put_char('\n');
    else
        put_line(": expected 0x%lx got 0x%lx", expected, got);
}

void check_true(bool good, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    put_verdict(good, fmt, args);
    va_end(args);
    put_line(good ? "" : ": expected true got false");
}

void skip(const char *name, const char *reason)
{
    tests++;
    put_line("skip %s %s", name, reason);
}

void note(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    put_string("# ");
    put_formatted(fmt, args);
    va_end(args);
    put_char('\n');
}

static void power_off(void) __attribute__((noreturn));
static void power_off(void)
{
    psci(PSCI_SYSTEM_OFF, 0, 0, 0);
    put_line("not ok system_off: it returned");
    for (;;)
        wfi();
}

void finish(void)
{
    put_line("1..%u", tests);
    put_line("DONE");
    power_off();
}

void guest_start(void)
{
    uart_init();
    test_main();
    finish();
}

void guest_start_cpu1(uint64_t context)
{
    cpu1_main(context);
    psci(PSCI_CPU_OFF, 0, 0, 0);
    for (;;)
        wfi();
}

void fault_expect(enum fault_policy policy)
{
    fault_policy = policy;
    fault.count = 0;
    fault.slot = 0;
    fault.esr = 0;
    fault.far = 0;
    fault.elr = 0;
    fault.spsr = 0;
    fault.daif = 0;
}

static void panic(const struct frame *frame, unsigned slot) __attribute__((noreturn));
static void panic(const struct frame *frame, unsigned slot)
{
    put_line("not ok unexpected_exception: slot %u ESR 0x%lx ELR 0x%lx FAR 0x%lx x30 0x%lx", slot,
             READ_SYSREG(esr_el1), frame->elr, READ_SYSREG(far_el1), frame->x[30]);
    power_off();
}

static void exception_sync(struct frame *frame, unsigned slot)
{
    uint64_t esr = READ_SYSREG(esr_el1);

    if (slot == SLOT_EL0_SYNC && esr >> ESR_EC_SHIFT == EC_SVC64) {
        frame->elr = (uint64_t)&el0_return;
        frame->spsr = PSTATE_EL1H | PSTATE_DAIF;
        return;
    }
    if (fault_policy == FAULT_PANIC || (slot != SLOT_EL1_SYNC && slot != SLOT_EL0_SYNC))
        panic(frame, slot);
    fault.count++;
    fault.slot = slot;
    fault.esr = esr;
    fault.far = READ_SYSREG(far_el1);
    fault.elr = frame->elr;
    fault.spsr = frame->spsr;
    fault.daif = READ_SYSREG(daif);
    frame->elr = fault_policy == FAULT_SKIP ? frame->elr + 4 : frame->x[30];
}

void guest_exception(struct frame *frame, unsigned slot)
{
    switch (slot & 3) {
    case 0: exception_sync(frame, slot); break;
    case 1:
    case 2:
        if (irq_handler == NULL)
            panic(frame, slot);
        irq_handler((slot & 3) == 2);
        break;
    default: panic(frame, slot);
    }
}

uint64_t random64(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15ull;

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dull;
}

bool testdev_present(void)
{
    static enum { UNKNOWN, ABSENT, PRESENT } presence;

    if (presence == UNKNOWN) {
        enum fault_policy before = fault_policy;
        uint64_t id;

        fault_expect(FAULT_SKIP);
        id = mmio_read64(TESTDEV_BASE + TESTDEV_ID);
        presence = fault.count == 0 && id == TESTDEV_ID_VALUE ? PRESENT : ABSENT;
        fault_expect(before);
    }
    return presence == PRESENT;
}

uint64_t counter(void)
{
    __asm__ volatile("isb" ::: "memory");
    return READ_SYSREG(cntvct_el0);
}

uint64_t ticks_from_us(uint64_t us)
{
    return us * (READ_SYSREG(cntfrq_el0) & 0xffffffffu) / 1000000u;
}

void delay_us(uint64_t us)
{
    uint64_t start = counter();
    uint64_t ticks = ticks_from_us(us);

    while (counter() - start < ticks)
        ;
}

#define WAIT_US 20000000u /* a busy host may not run a vCPU for seconds */

bool wait_for(const volatile unsigned *word, unsigned value)
{
    uint64_t start = counter();
    uint64_t ticks = ticks_from_us(WAIT_US);

    while (*word < value) {
        if (counter() - start > ticks)
            return false;
    }
    return true;
}

int64_t psci(uint32_t function, uint64_t x1, uint64_t x2, uint64_t x3)
{
    uint64_t x[18] = {function, x1, x2, x3};

    call_hvc(x);
    return (function & 0x40000000u) != 0 ? (int64_t)x[0] : (int32_t)x[0];
}
