/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of two guests that look for each other: it fills its RAM with its marker and goes
 * through all that it can address for the other's, reads, writes and executes, with the
 * MMU off and on. Run by tests/e2e/two_vms.c; see neighbour.h.
 */
#include "tests/payloads/neighbour.h"

#include "tests/payloads/guest.h"
#include "tests/payloads/mmu.h"

#define RAM_END    (RAM_BASE + NEIGHBOUR_RAM)
#define FILL       (RAM_BASE + NEIGHBOUR_FILL)
#define IPA_END    (1ull << 40)
#define STEP       0x20000ull /* between looks where nothing is */
#define ASID_SHIFT 48u

static volatile struct neighbour_page *const page =
    (volatile struct neighbour_page *)(RAM_BASE + NEIGHBOUR_PAGE);
static uint64_t l1[512] __attribute__((aligned(4096)));

static void wrong(uint64_t addr)
{
    if (page->wrong == 0)
        page->first_wrong = addr;
    page->wrong = page->wrong + 1;
}

static void look(uint64_t addr, uint64_t value)
{
    page->looked = page->looked + 1;
    if (value == ~page->other_inverted)
        wrong(addr);
}

/* All of RAM that is not the program, by an alias whose first byte is at `base`. */
static void scan_ram(uint64_t base)
{
    uint64_t own = page->marker, other = ~page->other_inverted;
    const volatile uint64_t *words = (const volatile uint64_t *)(base + NEIGHBOUR_FILL);

    for (uint64_t i = 0; i < (NEIGHBOUR_PAGE - NEIGHBOUR_FILL) / 8; i += 8) {
        if (words[i] != own || words[i] == other)
            wrong((uint64_t)&words[i]);
    }
    page->looked = page->looked + (NEIGHBOUR_PAGE - NEIGHBOUR_FILL) / 64;
}

static void fill_ram(void)
{
    uint64_t own = page->marker;

    for (uint64_t addr = FILL; addr < RAM_BASE + NEIGHBOUR_PAGE; addr += 8)
        *(volatile uint64_t *)addr = own;
}

/* Where nothing of the guest's may be: a read, a write, a jump. `ipa` is what `va` maps to. */
static void try_all(uint64_t va, uint64_t ipa)
{
    uint64_t before = fault.count;

    if (ipa >= RAM_BASE && ipa < RAM_END)
        return;
    look(va, mmio_read64(va));
    if (fault.count == before)
        wrong(va);
    before = fault.count;
    mmio_write64(va, page->marker);
    if (fault.count == before)
        wrong(va);
    before = fault.count;
    fault_expect(FAULT_RETURN);
    ((void (*)(void))va)();
    if (fault.count != 1)
        wrong(va);
    fault_expect(FAULT_SKIP);
    page->aborted = page->aborted + 3;
}

/* With the MMU off a virtual address is an IPA. */
static void try_everywhere(void)
{
    for (unsigned i = 0; i < page->nr_addrs && i < NEIGHBOUR_MAX_ADDRS; i++)
        try_all(page->addrs[i], page->addrs[i]);
    for (uint64_t ipa = RAM_END; ipa < RAM_END + NEIGHBOUR_RAM; ipa += 64 * STEP)
        try_all(ipa, ipa);
    for (uint64_t ipa = 0x100000000ull; ipa < IPA_END; ipa <<= 1)
        try_all(ipa, ipa);
    try_all(IPA_END - 8, IPA_END - 8);
    try_all(IPA_END, IPA_END); /* beyond what a translation can give */
    /* Devices: what is there may be read, and is not the other's. */
    for (uint64_t ipa = 0; ipa < RAM_BASE; ipa += 16 * STEP)
        look(ipa, mmio_read32(ipa));
}

/*
 * A map in which each GiB of addresses is a GiB of the IPA space from `first` on, and
 * which uses the ASID that the other guest uses, too.
 */
static void map_from(uint64_t first, uint64_t asid)
{
    for (unsigned i = 2; i < 512; i++)
        l1[i] = 0;
    l1[0] = 0x0060000000000405ull;              /* devices */
    l1[1] = 0x0040000000000701ull | 0x40000000; /* the program and its RAM */
    for (unsigned i = 0; i < 64; i++)
        l1[2 + i] = ((first + i * 0x40000000ull) & 0xffffc0000000ull) | 0x0000000000000701ull;
    __asm__ volatile("dsb sy" ::: "memory");
    WRITE_SYSREG(ttbr0_el1, (uint64_t)l1 | asid << ASID_SHIFT);
    __asm__ volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
}

static void round_with_mmu(uint64_t number)
{
    mmu_on();
    scan_ram(RAM_BASE);
    scan_ram(MMU_EL0_RAM_ALIAS);
    for (uint64_t first = 0; first < 0x4000000000ull; first += 0x1000000000ull) {
        map_from(first, number % 4 + 1);
        for (unsigned i = 0; i < 64; i += i < 2 ? 1 : 8) {
            uint64_t va = (2 + i) * 0x40000000ull, ipa = first + i * 0x40000000ull;

            if (ipa >= 0x80000000ull)
                try_all(va + NEIGHBOUR_RAM / 2, ipa + NEIGHBOUR_RAM / 2);
            else if (ipa >= RAM_BASE)
                scan_ram(va);
        }
    }
    mmu_off();
}

void test_main(void)
{
    fault_expect(FAULT_SKIP);
    fill_ram();
    for (uint64_t n = 0; n < page->rounds; n++) {
        scan_ram(RAM_BASE);
        try_everywhere();
        round_with_mmu(n);
        page->done = n + 1;
    }
}
