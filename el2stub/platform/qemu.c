/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's virt machine: PSCI firmware by SMC, a PL011 as the doorbell. What the
 * stub stores there wakes the vmm; each byte that the vmm sends is the number
 * of a pCPU to kick.
 */
#include "arch.h"
#include "el2stub/stub.h"

#define UART_DR        0x00u
#define UART_FR        0x18u
#define UART_FR_RXFE   (1u << 4)
#define UART_LCR_H     0x2cu
#define UART_LCR_H_FEN (1u << 4) /* FIFO */
#define UART_CR        0x30u
#define UART_CR_ENABLE 0x301u /* UARTEN, TXE, RXE */
#define UART_IMSC      0x38u
#define UART_ICR       0x44u
#define UART_RX_INTS   (1u << 4 | 1u << 6) /* receive, receive timeout */
#define UART_BYTES     4096u /* far more than there can be; QEMU refills the FIFO as it is read */

void platform_doorbell_init(void)
{
    mmio32(boot.doorbell_base + UART_LCR_H) = UART_LCR_H_FEN;
    mmio32(boot.doorbell_base + UART_CR) = UART_CR_ENABLE;
    mmio32(boot.doorbell_base + UART_IMSC) = UART_RX_INTS;
}

void platform_doorbell_ring(void)
{
    mmio32(boot.doorbell_base + UART_DR) = '!';
}

/* The pCPUs that the vmm wants kicked, as a mask. */
uint64_t platform_doorbell_kicks(void)
{
    uint64_t mask = 0;

    mmio32(boot.doorbell_base + UART_ICR) = UART_RX_INTS;
    for (uint32_t i = 0; i < UART_BYTES; i++) {
        if (mmio32(boot.doorbell_base + UART_FR) & UART_FR_RXFE)
            break;
        mask |= 1ull << (mmio32(boot.doorbell_base + UART_DR) & 63);
    }
    return mask;
}

/*
 * Another process wrote the range, which is mapped here. QEMU keeps translated code
 * until a store of one of its CPUs hits it, and does not see what another process
 * writes. Storing what is there already makes it look; in one atomic step, since the
 * guest may be writing, too. A real CPU needs the cache maintenance, and only that.
 */
void platform_memory_changed(uint64_t start, uint64_t size)
{
    volatile uint64_t *word = (volatile uint64_t *)start;

    for (uint64_t i = 0; i < size / sizeof(*word); i++)
        __atomic_fetch_or(&word[i], 0, __ATOMIC_RELAXED);
    cache_code_changed(start, size);
}
