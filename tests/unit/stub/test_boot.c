/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start, from the header to the first sleep: boot_main() as a core runs it, in memory
 * at the addresses that it has on the machine. What is wrong with a boot page is
 * refused with its reason; of a good one, the stub's own map has what it says.
 */
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"

/* The linker script's symbols, for mmu.c, which is a part of this file. */
#define MEM       0x40000000ull
#define IMAGE     (MEM + 0x200000)
#define TEXT_END  (IMAGE + 0x6000)
#define DATA      (IMAGE + 0x8000)
#define IMAGE_END (IMAGE + 0x20000)

#define image_start      ((char *)IMAGE)
#define image_text_end   ((char *)TEXT_END)
#define image_rodata_end ((char *)DATA)
#include "el2stub/mmu.c"

#define MEM_SIZE   0x4000000ull
#define STUB_SIZE  0x60000ull
#define BOOT_PAGE  (IMAGE + STUB_SIZE)
#define CHANNELS   (BOOT_PAGE + 0x1000)
#define VCPUS      (CHANNELS + FAKE_CORES * sizeof(struct rv_channel))
#define RAM        (MEM + 0x1000000)
#define RAM_SIZE   0x2000000ull
#define DOORBELL   0x09000000ull
#define EL2_LIMIT  (1ull << 39)
#define REDIST(n)  (FAKE_GICR + (n)*FAKE_GICR_STEP)
#define GICV3      (1ull << 24) /* ID_AA64PFR0_EL1.GIC */
#define PAGE_OF(a) ((struct rv_boot_page *)(a))

static struct rv_stub_header *header;

static int setup(void **state)
{
    struct rv_boot_page *page = PAGE_OF(BOOT_PAGE);

    (void)state;
    if (!header) {
        header = mmap((void *)IMAGE, RAM - IMAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        assert_ptr_equal(header, IMAGE);
    }
    fake_reset(4);
    memset(header, 0, RAM - IMAGE);
    memset(mmu_root, 0, sizeof(mmu_root));
    memset(&boot, 0, sizeof(boot));
    memset(pcpus, 0, sizeof(pcpus));
    memset(&cpu, 0, sizeof(cpu));
    header->image_size = IMAGE_END - IMAGE;
    header->boot_page = BOOT_PAGE;
    page->magic = RV_BOOT_MAGIC;
    page->abi_major = RV_ABI_MAJOR;
    page->abi_minor = RV_ABI_MINOR;
    page->nr_pcpus = FAKE_CORES;
    page->mem_base = MEM;
    page->mem_size = MEM_SIZE;
    page->stub_offset = IMAGE - MEM;
    page->stub_size = STUB_SIZE;
    page->channels_offset = CHANNELS - MEM;
    page->vcpus_offset = VCPUS - MEM;
    page->nr_vcpus = FAKE_VCPUS;
    page->poll_limit = 16;
    page->ram_offset = RAM - MEM;
    page->ram_size = RAM_SIZE;
    page->gicd_base = FAKE_GICD;
    page->doorbell_base = DOORBELL;
    page->doorbell_intid = FAKE_DOORBELL;
    page->maintenance_intid = FAKE_MAINTENANCE;
    for (uint32_t i = 0; i < FAKE_CORES; i++) {
        page->pcpu[i].mpidr = 0x80000000u | i;
        page->pcpu[i].gicr_base = REDIST(i);
    }
    for (uint32_t i = 0; i < FAKE_CORES; i++) {
        fake_use(i);
        REG(currentel) = 2u << 2;
        REG(ich_vtr_el2) = 4ull << 26 | 3; /* 5 bits of preemption, 4 list registers */
        REG(icc_sre_el2) = 0;
        REG(id_aa64pfr0_el1) = 1ull << 24 | 0x22;
        REG(id_aa64mmfr0_el1) = 2;  /* 40 bits of physical address */
        REG(midr_el1) = 0x410fd083; /* Cortex-A72 r0p3 */
        REG(cntfrq_el0) = 1000;
    }
    fake_use(0);
    return 0;
}

/* The same on all CPUs. */
#define SET_ALL(name, value)                     \
    for (uint32_t i_ = 0; i_ < FAKE_CORES; i_++) \
    fake.core[i_].reg[REG_##name] = (value)

static void start(struct pcpu *unused)
{
    (void)unused;
    boot_main(header);
}

/* Up to where the boot CPU first sleeps. */
static const struct rv_boot_page *run_boot(void)
{
    assert_false(fake_run(NULL, start));
    return PAGE_OF(header->boot_page);
}

/* Refusals */

#define FIELD(name) offsetof(struct rv_boot_page, name), sizeof(((struct rv_boot_page *)0)->name)

static const struct {
    const char *name;
    size_t offset, size;
    uint64_t value;
    uint32_t reason;
    uint64_t detail;
} refused[] = {
    {"magic", FIELD(magic), RV_BOOT_MAGIC + 1, RV_BOOT_BAD_MAGIC, 0},
    {"older_major", FIELD(abi_major), RV_ABI_MAJOR - 1, RV_BOOT_BAD_ABI, 0},
    {"newer_major", FIELD(abi_major), RV_ABI_MAJOR + 1, RV_BOOT_BAD_ABI, 0},
    {"newer_minor", FIELD(abi_minor), RV_ABI_MINOR + 1, RV_BOOT_BAD_ABI, 0},
    {"unknown_feature", FIELD(features), RV_FEATURES_KNOWN + 1, RV_BOOT_BAD_FEATURES, 0},
    {"unknown_feature_63", FIELD(features), 1ull << 63, RV_BOOT_BAD_FEATURES, 0},
    {"no_pcpu", FIELD(nr_pcpus), 0, RV_BOOT_BAD_PCPUS, 0},
    {"too_many_pcpus", FIELD(nr_pcpus), RV_MAX_PCPUS + 1, RV_BOOT_BAD_PCPUS, 0},
    {"no_vcpu", FIELD(nr_vcpus), 0, RV_BOOT_BAD_PCPUS, 0},
    {"too_many_vcpus", FIELD(nr_vcpus), RV_MAX_VCPUS + 1, RV_BOOT_BAD_PCPUS, 0},
    {"memory_above_the_image", FIELD(mem_base), IMAGE + 0x1000, RV_BOOT_BAD_LAYOUT, 0},
    {"memory_elsewhere", FIELD(mem_base), MEM - 0x1000, RV_BOOT_BAD_LAYOUT, 0},
    {"image_elsewhere", FIELD(stub_offset), IMAGE - MEM + 0x1000, RV_BOOT_BAD_LAYOUT, 0},
    {"memory_too_big", FIELD(mem_size), (1ull << 38) + 1, RV_BOOT_BAD_LAYOUT, 0},
    {"stub_less_than_its_image", FIELD(stub_size), IMAGE_END - IMAGE - 1, RV_BOOT_BAD_LAYOUT, 0},

    {"memory_ends_in_the_stub", FIELD(mem_size), IMAGE - MEM + STUB_SIZE - 1, RV_BOOT_BAD_LAYOUT,
     1},
    {"memory_ends_in_the_ram", FIELD(mem_size), RAM - MEM + RAM_SIZE - 0x1000, RV_BOOT_BAD_LAYOUT,
     1},
    {"no_memory", FIELD(mem_size), 0, RV_BOOT_BAD_LAYOUT, 1},
    {"stub_unaligned", FIELD(stub_size), STUB_SIZE - 8, RV_BOOT_BAD_LAYOUT, 1},
    {"stub_over_the_boot_page", FIELD(stub_size), STUB_SIZE + 0x1000, RV_BOOT_BAD_LAYOUT, 1},
    {"stub_without_room_for_tables", FIELD(stub_size), IMAGE_END - IMAGE + 0x1000,
     RV_BOOT_BAD_LAYOUT, 1},
    {"stub_beyond_the_memory", FIELD(stub_size), MEM_SIZE, RV_BOOT_BAD_LAYOUT, 1},
    {"stub_wraps", FIELD(stub_size), 0 - 0x1000ull, RV_BOOT_BAD_LAYOUT, 1},

    {"channels_unaligned", FIELD(channels_offset), CHANNELS - MEM + 64, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_in_the_stub", FIELD(channels_offset), DATA - MEM, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_in_the_text", FIELD(channels_offset), IMAGE - MEM, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_on_the_boot_page", FIELD(channels_offset), BOOT_PAGE - MEM, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_end_in_the_vcpu_pages", FIELD(channels_offset), CHANNELS - MEM + 0x1000,
     RV_BOOT_BAD_LAYOUT, 1},
    {"channels_beyond", FIELD(channels_offset), MEM_SIZE, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_end_beyond", FIELD(channels_offset), MEM_SIZE - 0x1000, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_below", FIELD(channels_offset), 0 - 0x12000ull, RV_BOOT_BAD_LAYOUT, 1},
    {"channels_wrap", FIELD(channels_offset), 0 - MEM - 0x1000, RV_BOOT_BAD_LAYOUT, 1},

    {"vcpus_unaligned", FIELD(vcpus_offset), VCPUS - MEM + 0x800, RV_BOOT_BAD_LAYOUT, 1},
    {"vcpus_on_the_channels", FIELD(vcpus_offset), VCPUS - MEM - 0x1000, RV_BOOT_BAD_LAYOUT, 1},
    {"vcpus_in_the_ram", FIELD(vcpus_offset), RAM - MEM + 0x200000, RV_BOOT_BAD_LAYOUT, 1},
    {"vcpus_end_in_the_ram", FIELD(vcpus_offset), RAM - MEM - 0xf000, RV_BOOT_BAD_LAYOUT, 1},
    {"vcpus_beyond", FIELD(vcpus_offset), MEM_SIZE, RV_BOOT_BAD_LAYOUT, 1},
    {"vcpus_far_beyond", FIELD(vcpus_offset), 1ull << 38, RV_BOOT_BAD_LAYOUT, 1},

    {"ram_unaligned", FIELD(ram_offset), RAM - MEM + 1, RV_BOOT_BAD_LAYOUT, 1},
    {"ram_size_unaligned", FIELD(ram_size), RAM_SIZE + 0x200, RV_BOOT_BAD_LAYOUT, 1},
    {"ram_empty", FIELD(ram_size), 0, RV_BOOT_BAD_LAYOUT, 1},
    {"ram_over_all", FIELD(ram_offset), 0x200000, RV_BOOT_BAD_LAYOUT, 1},
    {"ram_larger_than_the_memory", FIELD(ram_size), MEM_SIZE, RV_BOOT_BAD_LAYOUT, 1},
    {"ram_wraps", FIELD(ram_size), 0 - 0x1000ull, RV_BOOT_BAD_LAYOUT, 1},
    {"ram_wraps_to_its_size", FIELD(ram_offset), 0 - RAM_SIZE, RV_BOOT_BAD_LAYOUT, 1},

    {"gicd_unaligned", FIELD(gicd_base), FAKE_GICD + 4, RV_BOOT_BAD_LAYOUT, 1},
    {"gicd_in_the_memory", FIELD(gicd_base), RAM, RV_BOOT_BAD_LAYOUT, 1},
    {"gicd_reaches_the_channels", FIELD(gicd_base), CHANNELS, RV_BOOT_BAD_LAYOUT, 1},
    {"gicd_beyond_el2s_addresses", FIELD(gicd_base), EL2_LIMIT, RV_BOOT_BAD_LAYOUT, 1},
    {"gicd_ends_beyond_el2s_addresses", FIELD(gicd_base), EL2_LIMIT - 0x1000, RV_BOOT_BAD_LAYOUT,
     1},
    {"gicd_far_beyond", FIELD(gicd_base), 1ull << 52, RV_BOOT_BAD_LAYOUT, 1},
    {"gicd_wraps", FIELD(gicd_base), 0 - 0x1000ull, RV_BOOT_BAD_LAYOUT, 1},
    {"doorbell_on_the_gicd", FIELD(doorbell_base), FAKE_GICD + 0xf000, RV_BOOT_BAD_LAYOUT, 1},
    {"doorbell_beyond", FIELD(doorbell_base), EL2_LIMIT, RV_BOOT_BAD_LAYOUT, 1},
    {"doorbell_on_the_boot_page", FIELD(doorbell_base), BOOT_PAGE, RV_BOOT_BAD_LAYOUT, 1},
    {"gicr_twice", FIELD(pcpu[2].gicr_base), REDIST(1), RV_BOOT_BAD_LAYOUT, 1},
    {"gicr_reaches_the_next", FIELD(pcpu[1].gicr_base), REDIST(0) + 0x1f000, RV_BOOT_BAD_LAYOUT, 1},
    {"gicr_beyond", FIELD(pcpu[2].gicr_base), EL2_LIMIT - 0x1f000, RV_BOOT_BAD_LAYOUT, 1},
    {"gicr_unaligned", FIELD(pcpu[0].gicr_base), REDIST(0) + 0x10, RV_BOOT_BAD_LAYOUT, 1},

    {"firmware_does_not_know_the_cpu", FIELD(pcpu[2].mpidr), 0x80000000u | FAKE_CORES,
     RV_BOOT_NO_PCPU, 2},
};

static void bad_boot_pages_are_refused_with_their_reason(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const struct rv_boot_page *page;

        setup(state);
        memcpy((uint8_t *)BOOT_PAGE + refused[i].offset, &refused[i].value, refused[i].size);
        page = run_boot();
        if (page->stub_state != RV_STUB_REFUSED || page->stub_reason != refused[i].reason ||
            page->stub_detail != refused[i].detail)
            fail_msg("%s: state %u, reason %u, detail %llu", refused[i].name, page->stub_state,
                     page->stub_reason, (unsigned long long)page->stub_detail);
    }
}

static void boot_page_of_its_own_must_be_in_the_memory(void **state)
{
    static struct rv_boot_page outside __attribute__((aligned(4096)));
    static const uint64_t inside[] = {BOOT_PAGE + 8, IMAGE_END - 0x1000};

    setup(state);
    outside = *PAGE_OF(BOOT_PAGE);
    header->boot_page = (uint64_t)&outside;
    assert_int_equal(run_boot()->stub_reason, RV_BOOT_BAD_LAYOUT);
    for (size_t i = 0; i < COUNT_OF(inside); i++) {
        setup(state);
        memmove((void *)inside[i], PAGE_OF(BOOT_PAGE), sizeof(struct rv_boot_page));
        header->boot_page = inside[i];
        assert_int_equal(run_boot()->stub_reason, RV_BOOT_BAD_LAYOUT);
    }
}

static void assert_refused(uint32_t reason, uint64_t detail)
{
    const struct rv_boot_page *page = run_boot();

    assert_int_equal(page->stub_state, RV_STUB_REFUSED);
    assert_int_equal(page->stub_reason, reason);
    assert_int_equal(page->stub_detail, detail);
}

static void wrong_level_and_gic_are_refused(void **state)
{
    setup(state);
    REG(currentel) = 1u << 2;
    assert_refused(RV_BOOT_BAD_EL, 0);
    setup(state);
    REG(ich_vtr_el2) = 6ull << 26 | 3; /* 7 bits of preemption */
    assert_refused(RV_BOOT_NO_GICV3, 6ull << 26 | 3);
    setup(state);
    fake.core[0].gicr.waker = GICR_WAKER_CHILDREN_ASLEEP;
    fake.core[0].gicr.sleepless = true;
    assert_refused(RV_BOOT_NO_GICV3, 0);
}

static bool touched_gicv3;

static void watch_gicv3(enum fake_register reg, uint64_t value)
{
    (void)value;
    touched_gicv3 |= reg == REG_icc_sre_el2 || reg == REG_icc_sre_el1;
}

/* There, ICC_SRE_EL2 and ICH_VTR_EL2 are UNDEFINED, and nobody would learn why. */
static void machine_without_gicv3_is_refused_before_its_registers_are_touched(void **state)
{
    setup(state);
    REG(id_aa64pfr0_el1) = 0x22;
    fake.on_write = watch_gicv3;
    touched_gicv3 = false;
    assert_refused(RV_BOOT_NO_GICV3, 0x22);
    assert_false(touched_gicv3);
}

static void cpus_that_are_only_hosts_are_refused(void **state)
{
    setup(state);
    REG(hcr_el2) = 1ull << 34 | 1ull << 31; /* E2H, which boot.S wrote as 0 */
    assert_refused(RV_BOOT_E2H, 1ull << 34 | 1ull << 31);
    setup(state);
    REG(hcr_el2) = 1ull << 31;
    REG(s3_0_c0_c7_4) = 0xfull << 24; /* ID_AA64MMFR4_EL1.E2H0: -1 */
    assert_refused(RV_BOOT_E2H, 1ull << 31);
    setup(state);
    REG(hcr_el2) = 1ull << 31;
    REG(s3_0_c0_c7_4) = 0xeull << 24; /* -2 */
    assert_refused(RV_BOOT_E2H, 1ull << 31);
}

/* The vmm compares them: see machine_wait_ready(). */
static void every_cpu_says_what_it_is_as_it_gets_ready(void **state)
{
    struct rv_event event;

    setup(state);
    for (uint32_t i = 0; i < FAKE_CORES; i++) {
        fake.core[i].reg[REG_midr_el1] = 0x410fd080 + i;
        fake.core[i].reg[REG_id_aa64dfr0_el1] = 0x5000 + i;
        fake.core[i].reg[REG_ich_vtr_el2] = 4ull << 26 | (3 + i);
    }
    assert_int_equal(run_boot()->stub_state, RV_STUB_READY);
    assert_int_equal(cpu.nr_lrs, 4);
    for (uint32_t i = 0; i < FAKE_CORES; i++) {
        assert_true(fake_event(&pcpus[i], &event));
        assert_int_equal(event.type, RV_EVENT_READY);
        assert_int_equal(event.esr, 0x410fd080 + i);
        assert_int_equal(event.ipa, 0x5000 + i);
        assert_int_equal(event.value, 4ull << 26 | (3 + i));
    }
}

static void take_exception(struct pcpu *pcpu)
{
    boot_page_address = BOOT_PAGE;
    panic(4, pcpu);
}

static void exception_during_the_start_is_the_reason_that_the_vmm_reads(void **state)
{
    setup(state);
    REG(esr_el2) = 0x2000000;
    assert_false(fake_run(&pcpus[0], take_exception));
    assert_int_equal(PAGE_OF(BOOT_PAGE)->stub_state, RV_STUB_REFUSED);
    assert_int_equal(PAGE_OF(BOOT_PAGE)->stub_reason, RV_BOOT_EXCEPTION);
    assert_int_equal(PAGE_OF(BOOT_PAGE)->stub_detail, 0x2000000);
}

/*
 * Caches. Until the MMU is on, this CPU stores past them. `memory` is what is there for
 * a reader with its caches on: a line as it was when it was last cleaned.
 */

#define AREA_SIZE (BOOT_PAGE + RV_PAGE_SIZE - IMAGE)
#define LINE      64u

static struct {
    uint8_t memory[AREA_SIZE];
    bool cleaned[AREA_SIZE / LINE];
    bool mmu_is_on;
} cache;

static void watch_clean(uint64_t va)
{
    uint64_t at = va - IMAGE;

    if (va < IMAGE || at >= AREA_SIZE)
        return;
    assert_int_equal(at % LINE, 0);
    cache.cleaned[at / LINE] = true;
    memcpy(cache.memory + at, (void *)va, LINE);
}

static void watch_mmu_on(void)
{
    for (size_t i = 0; i < (IMAGE + STUB_SIZE - IMAGE) / LINE; i++)
        assert_true(cache.cleaned[i]);
    assert_memory_equal(cache.memory, (void *)IMAGE, STUB_SIZE);
    cache.mmu_is_on = true;
}

static void start_with_caches(void **state)
{
    setup(state);
    memset(&cache, 0, sizeof(cache));
    fake.on_clean = watch_clean;
    fake.on_mmu_on = watch_mmu_on;
}

static void assert_answer_is_seen(void)
{
    assert_memory_equal(cache.memory + (BOOT_PAGE - IMAGE), (void *)BOOT_PAGE, RV_PAGE_SIZE);
}

static void stores_with_the_caches_off_are_seen_when_they_are_on(void **state)
{
    start_with_caches(state);
    assert_int_equal(run_boot()->stub_state, RV_STUB_READY);
    assert_true(cache.mmu_is_on);
    assert_answer_is_seen();
}

static void refusal_with_the_caches_off_is_seen_by_the_vmm(void **state)
{
    start_with_caches(state);
    PAGE_OF(BOOT_PAGE)->magic = 0;
    assert_refused(RV_BOOT_BAD_MAGIC, 0);
    assert_answer_is_seen();
}

/* The map of a good one. */

/* Stage 1 of EL2 as Arm ARM D8.3 has it: 39 bits, 4 KiB granule. 0: not mapped. */
static uint64_t descriptor(uint64_t va, uint64_t *size)
{
    const uint64_t *table = mmu_root;

    for (unsigned shift = 30;; shift -= 9) {
        uint64_t entry = table[va >> shift & 511];

        *size = 1ull << shift;
        if (!(entry & 1))
            return 0;
        if (shift == 12 || !(entry & 2)) {
            assert_true(shift != 12 || (entry & 2)); /* reserved */
            assert_int_equal(entry & 0xfffffffff000 & -*size, va & -*size);
            return entry & ~0xfffffffff000ull;
        }
        table = (const uint64_t *)(entry & 0xfffffffff000);
    }
}

#define ATTR_AF     (1ull << 10)
#define ATTR_INNER  (3ull << 8)
#define ATTR_RO     (1ull << 7)
#define ATTR_RES1   (1ull << 6)
#define ATTR_DEVICE (1ull << 2)
#define ATTR_XN     (1ull << 54)
#define MEMORY      (ATTR_AF | ATTR_INNER | ATTR_RES1)
#define DEVICES     (ATTR_AF | ATTR_RES1 | ATTR_DEVICE | ATTR_XN)

static const struct {
    uint64_t start, end, attr;
} areas[] = {
    {FAKE_GICD, FAKE_GICD + 0x10000, DEVICES},
    {REDIST(0), REDIST(FAKE_CORES), DEVICES},
    {DOORBELL, DOORBELL + 0x1000, DEVICES},
    {IMAGE, TEXT_END, MEMORY | ATTR_RO},
    {TEXT_END, DATA, MEMORY | ATTR_RO | ATTR_XN},
    {DATA, VCPUS + FAKE_VCPUS * 0x4000, MEMORY | ATTR_XN},
    {RAM, RAM + RAM_SIZE, MEMORY | ATTR_XN},
};

static uint64_t wanted(uint64_t va)
{
    for (size_t i = 0; i < COUNT_OF(areas); i++) {
        if (va >= areas[i].start && va < areas[i].end)
            return areas[i].attr;
    }
    return 0;
}

static void good_boot_page_is_mapped_as_it_says_and_nothing_else(void **state)
{
    uint64_t size;

    setup(state);
    assert_int_equal(run_boot()->stub_state, RV_STUB_READY);
    for (uint64_t va = 0; va < EL2_LIMIT; va += size) {
        uint64_t got = descriptor(va, &size);

        /* Bits 1 and 0 are the descriptor's type. */
        if ((got & ~3ull) != wanted(va) || (got & ~3ull) != wanted(va + size - 1))
            fail_msg("0x%llx, size 0x%llx: 0x%llx", (unsigned long long)va,
                     (unsigned long long)size, (unsigned long long)got);
    }
}

static void areas_up_to_the_last_page_are_accepted(void **state)
{
    setup(state);
    PAGE_OF(BOOT_PAGE)->ram_size = MEM_SIZE - (RAM - MEM);
    assert_int_equal(run_boot()->stub_state, RV_STUB_READY);
    setup(state);
    PAGE_OF(BOOT_PAGE)->doorbell_base = EL2_LIMIT - 0x1000; /* the last page that EL2 can name */
    assert_int_equal(run_boot()->stub_state, RV_STUB_READY);
}

/* What the CPU has */

static void features_are_what_the_id_registers_say(void **state)
{
    static const struct {
        uint64_t isar1, isar2, pfr0, dfr0;
        uint32_t groups;
        bool ras;
        uint64_t sve;
    } cpus[] = {
        /* Cortex-A57: PMUv3, nothing else */
        {0, 0, 0x2222, 0x10305106, RV_GROUP_PMU, false, 0},
        {0, 0, 0x2222, 0x10305f06, 0, false, 0}, /* PMUVer 15: not PMUv3 */
        {0, 0, 0x2222, 0x10305006, 0, false, 0},
        {0x10, 0, 0x2222, 0, RV_GROUP_PAUTH, false, 0},
        {0x100, 0, 0x2222, 0, RV_GROUP_PAUTH, false, 0},
        {0, 0x1000, 0x2222, 0, RV_GROUP_PAUTH, false, 0},
        {0x00f000, 0x0f0, 0x2222, 0, 0, false, 0}, /* JSCVT, RPRES: others */
        {0, 0, 1ull << 32 | 0x2222, 0, RV_GROUP_SVE, false, FAKE_SVE_LENGTHS},
        {0, 0, 2ull << 28 | 0x2222, 0, 0, true, 0},
    };
    const uint32_t optional = RV_GROUP_PAUTH | RV_GROUP_SVE | RV_GROUP_PMU;
    struct rv_event event;

    for (size_t i = 0; i < COUNT_OF(cpus); i++) {
        setup(state);
        SET_ALL(s3_0_c0_c6_1, cpus[i].isar1);
        SET_ALL(s3_0_c0_c6_2, cpus[i].isar2);
        SET_ALL(id_aa64pfr0_el1, cpus[i].pfr0 | GICV3);
        SET_ALL(id_aa64dfr0_el1, cpus[i].dfr0);
        REG(s3_0_c0_c4_0) = 0x1234;
        assert_int_equal(run_boot()->stub_state, RV_STUB_READY);
        assert_int_equal(cpu.groups & optional, cpus[i].groups);
        assert_int_equal(cpu.groups | optional, RV_GROUPS_ALL);
        assert_int_equal(cpu.ras, cpus[i].ras);
        assert_int_equal(PAGE_OF(BOOT_PAGE)->stub_sve, cpus[i].sve);
        assert_int_equal(PAGE_OF(BOOT_PAGE)->stub_id[RV_ID_INDEX(4, 0)], 0x1234);
        /* The longest vectors are what stays. */
        if (cpus[i].sve)
            assert_int_equal(REG(s3_4_c1_c2_0), ZCR_LEN);
        assert_true(fake_event(&pcpus[0], &event));
        assert_int_equal(event.type, RV_EVENT_READY);
        assert_int_equal(event.value & 0x1f, 3); /* ICH_VTR_EL2.ListRegs */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_boot_pages_are_refused_with_their_reason),
        cmocka_unit_test(boot_page_of_its_own_must_be_in_the_memory),
        cmocka_unit_test(wrong_level_and_gic_are_refused),
        cmocka_unit_test(machine_without_gicv3_is_refused_before_its_registers_are_touched),
        cmocka_unit_test(cpus_that_are_only_hosts_are_refused),
        cmocka_unit_test(every_cpu_says_what_it_is_as_it_gets_ready),
        cmocka_unit_test(exception_during_the_start_is_the_reason_that_the_vmm_reads),
        cmocka_unit_test(stores_with_the_caches_off_are_seen_when_they_are_on),
        cmocka_unit_test(refusal_with_the_caches_off_is_seen_by_the_vmm),
        cmocka_unit_test(good_boot_page_is_mapped_as_it_says_and_nothing_else),
        cmocka_unit_test(areas_up_to_the_last_page_are_accepted),
        cmocka_unit_test(features_are_what_the_id_registers_say),
    };

    return cmocka_run_group_tests_name("stub_boot", tests, NULL, NULL);
}
