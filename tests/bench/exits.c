/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an exit costs the guest. Each kind is timed in batches, and the batches
 * of all kinds take turns, so that what disturbs the host disturbs all of them.
 * One line for each batch: "# KIND TICKS", in ticks of CNTVCT_EL0. A second CPU, if there is one, is
 * busy with work of its own meanwhile.
 */
#include "tests/payloads/guest.h"

#define CPU1 1u /* its MPIDR affinity */

#ifdef NO_BARE
#define ROUNDS 30u  /* KVM takes a hundred times as long for each */
#define BATCH  256u /* so many that each has its share of what the vmm does now and then */
#else
#define ROUNDS 200u
#define BATCH  64u
#endif

/* tests/bench/shortcut: what the bench build's stub answers by itself. */
#define BARE_HVC 0xbe7c
#define BARE_IPA 0x0bad0000ull

#define UART_DR    (UART_BASE + 0x00u)
#define UART_FR    (UART_BASE + 0x18u)
#define UART_LCR_H (UART_BASE + 0x2cu)
#define UART_CR    (UART_BASE + 0x30u)

/* Of the PL031: reads have no effect, and are never answered by memory. */
#define RTC_MIS 0x09010018ull

#define GICD_TYPER 0x08000004ull

/* By SMCCC 1.1 a call changes x0-x3 alone. PSCI_VERSION: for who does not know the immediate. */
#define HVC_LOOP(imm)                                                                    \
    for (unsigned i = 0; i < BATCH; i++) {                                               \
        register uint64_t x0 __asm__("x0") = PSCI_VERSION;                               \
        __asm__ volatile("hvc #%c1" : "+r"(x0) : "i"(imm) : "x1", "x2", "x3", "memory"); \
    }

static void psci_version(void)
{
    HVC_LOOP(0)
}

static void read_loop(uint64_t addr)
{
    for (unsigned i = 0; i < BATCH; i++)
        (void)mmio_read32(addr);
}

static void rtc_read(void)
{
    read_loop(RTC_MIS);
}

static void gicd_read(void)
{
    read_loop(GICD_TYPER);
}

/* To a transmitter that is off: nothing comes of it but the exit. */
static void posted_write(void)
{
    for (unsigned i = 0; i < BATCH; i++)
        mmio_write32(UART_DR, 0);
}

static void uart_off(void)
{
    while ((mmio_read32(UART_FR) & 0x80u) == 0) /* TXFE: all before was sent */
        ;
    mmio_write32(UART_CR, 0);
}

/* Also empties the FIFO: FEN=0 does, while the UART is off (DDI 0183, 3.3.7). */
static void uart_on(void)
{
    mmio_write32(UART_LCR_H, 0);
    uart_init();
}

#ifndef NO_BARE
static void bare_hvc(void)
{
    HVC_LOOP(BARE_HVC)
}

static void bare_read(void)
{
    read_loop(BARE_IPA);
}
#endif

/* On other machines than the bench build's nobody knows the bare exits. */
static const struct kind {
    const char *name;
    void (*batch)(void);
} kinds[] = {
#ifndef NO_BARE
    {"bare-hvc", bare_hvc},        {"bare-mmio-read", bare_read},
#endif
    {"hvc", psci_version},         {"mmio-read-rtc", rtc_read},
    {"mmio-read-gicd", gicd_read}, {"posted-write", posted_write},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static unsigned ticks[KINDS][ROUNDS];

static void spin(uint64_t context)
{
    (void)context;
    for (;;)
        __asm__ volatile("");
}

void test_main(void)
{
    cpu1_main = spin;
    psci(PSCI_CPU_ON64, CPU1, (uint64_t)&cpu1_start, 0); /* fails where there is one CPU */
    uart_off();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned k = 0; k < KINDS; k++) {
            uint64_t start;

            read_loop(RTC_MIS); /* the vmm is awake, and has done all that was posted */
            start = counter();
            kinds[k].batch();
            ticks[k][round] = (unsigned)(counter() - start);
        }
    }
    uart_on();
    note("frequency %u", (unsigned)READ_SYSREG(cntfrq_el0));
    note("batch %u", BATCH);
    for (unsigned k = 0; k < KINDS; k++) {
        for (unsigned round = 1; round < ROUNDS; round++) /* the first is the warm-up */
            note("%s %u", kinds[k].name, ticks[k][round]);
    }
    check_true(true, "measured");
}
