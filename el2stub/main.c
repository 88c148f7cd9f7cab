/* SPDX-License-Identifier: BSD-2-Clause */
/* Start: check the boot page, bring up all CPUs, serve. And the end: panic. */
#include "arch.h"
#include "el2stub/stub.h"

struct rv_boot_page boot;
uint64_t boot_page_address;
struct cpu_features cpu;
struct pcpu pcpus[RV_MAX_PCPUS];
struct vcpu vcpus[RV_MAX_VCPUS];
struct vm vms[RV_MAX_VMS + 1];
struct stack stacks[RV_MAX_PCPUS] __attribute__((aligned(4096)));

/* Answer in the boot page; the state is what the vmm looks at, so it is last. */
static void answer(uint32_t state, uint32_t reason, uint64_t detail)
{
    struct rv_boot_page *page = (struct rv_boot_page *)boot_page_address;

    page->stub_reason = reason;
    page->stub_detail = detail;
    page->stub_features = boot.features & RV_FEATURES_KNOWN;
    page->stub_dczid = read_sysreg(dczid_el0);
    page->stub_cntfrq = read_sysreg(cntfrq_el0);
    rv_store_release(&page->stub_state, state);
    /* Stored past this CPU's caches, as they may be off: not in those of the vmm's CPU. */
    cache_clean(boot_page_address, RV_PAGE_SIZE);
}

static _Noreturn void give_up(uint32_t reason, uint64_t detail)
{
    answer(RV_STUB_REFUSED, reason, detail);
    for (;;)
        wait_for_interrupt();
}

static uint32_t boot_page_check(uint64_t image, uint64_t image_size)
{
    if (read_sysreg(currentel) != CURRENT_EL_2)
        return RV_BOOT_BAD_EL;
    if (boot.magic != RV_BOOT_MAGIC)
        return RV_BOOT_BAD_MAGIC;
    if (boot.abi_major != RV_ABI_MAJOR || boot.abi_minor > RV_ABI_MINOR)
        return RV_BOOT_BAD_ABI;
    if (boot.features & ~(uint64_t)RV_FEATURES_KNOWN)
        return RV_BOOT_BAD_FEATURES;
    if (boot.nr_pcpus == 0 || boot.nr_pcpus > RV_MAX_PCPUS || boot.nr_vcpus == 0 ||
        boot.nr_vcpus > RV_MAX_VCPUS)
        return RV_BOOT_BAD_PCPUS;
    if (boot.mem_base > image || boot.stub_offset != image - boot.mem_base)
        return RV_BOOT_BAD_LAYOUT;
    /* Where the other areas are is checked as they are mapped. */
    if (boot.mem_size > 1ull << 38 || boot.stub_size < image_size)
        return RV_BOOT_BAD_LAYOUT;
    return 0;
}

/* Without these, what follows would trap, or translate wrongly, and nobody learn why. */
static void require_features(void)
{
    uint64_t hcr = read_sysreg(hcr_el2), pfr0 = read_sysreg(id_aa64pfr0_el1);
    uint64_t e2h0 = ID_FIELD(read_sysreg(s3_0_c0_c7_4), 24);

    /* boot.S wrote E2H as 0. ID_AA64MMFR4_EL1.E2H0 is negative where it is always 1. */
    if (hcr & HCR_E2H || e2h0 >= 8)
        give_up(RV_BOOT_E2H, hcr);
    if (ID_FIELD(pfr0, 24) == 0) /* GIC */
        give_up(RV_BOOT_NO_GICV3, pfr0);
}

/* ID register fields (Arm ARM D24.2): which optional registers are there to switch. */
void find_features(void)
{
    uint64_t isar1 = read_sysreg(s3_0_c0_c6_1), isar2 = read_sysreg(s3_0_c0_c6_2);
    uint64_t pfr0 = read_sysreg(id_aa64pfr0_el1), dfr0 = read_sysreg(id_aa64dfr0_el1);
    uint64_t pmuver = ID_FIELD(dfr0, 8);

    cpu.groups = RV_GROUPS_ALL;
    if (ID_FIELD(isar1, 4) == 0 && ID_FIELD(isar1, 8) == 0 && ID_FIELD(isar2, 12) == 0)
        cpu.groups &= ~RV_GROUP_PAUTH; /* APA, API, APA3 */
    if (ID_FIELD(pfr0, 32) == 0)
        cpu.groups &= ~RV_GROUP_SVE;
    if (pmuver == 0 || pmuver == 15) /* 15: a PMU, but not PMUv3 */
        cpu.groups &= ~RV_GROUP_PMU;
    cpu.ras = ID_FIELD(pfr0, 28) != 0;
    cpu.nr_breakpoints = (uint32_t)ID_FIELD(dfr0, 12) + 1;
    cpu.nr_watchpoints = (uint32_t)ID_FIELD(dfr0, 20) + 1;
}

/* What the vmm has no other way to know: ID registers, SVE vector lengths. */
static void publish_features(void)
{
    struct rv_boot_page *page = (struct rv_boot_page *)boot_page_address;

    /* clang-format off */
#define X(m, n) page->stub_id[RV_ID_INDEX(m, n)] = read_sysreg(s3_0_c0_c##m##_##n);
#define ROW(m)  X(m, 0) X(m, 1) X(m, 2) X(m, 3) X(m, 4) X(m, 5) X(m, 6) X(m, 7)
    X(0, 0) X(0, 5) X(0, 6) ROW(1) ROW(2) ROW(3) ROW(4) ROW(5) ROW(6) ROW(7);
    /* clang-format on */
    if (!(cpu.groups & RV_GROUP_SVE))
        return;
    for (uint32_t len = 0; len <= ZCR_LEN; len++) {
        write_sysreg(len, s3_4_c1_c2_0); /* ZCR_EL2; it takes the next shorter one that exists */
        isb();
        page->stub_sve |= 1ull << (sve_length() / 16 - 1);
    }
}

/* What each CPU does once it has its MMU on, for good. */
_Noreturn void pcpu_main(struct pcpu *pcpu)
{
    uint64_t vtr;

    if (gic_init_cpu(pcpu))
        give_up(RV_BOOT_NO_GICV3, pcpu->index);
    vtr = read_sysreg(ich_vtr_el2);
    /* lr.c switches one active priorities register for each group: 5 bits of preemption. */
    if (vtr >> ICH_VTR_PREBITS & 3)
        give_up(RV_BOOT_NO_GICV3, vtr);
    world_init_cpu();
    cpu.nr_lrs = ICH_VTR_LRS(vtr);
    /* Whichever comes first is enough. The vmm looks whether all CPUs are alike. */
    publish_features();
    answer(RV_STUB_READY, 0, 0);
    event_send(pcpu, RV_EVENT_READY, (uint32_t)read_sysreg(midr_el1), read_sysreg(id_aa64dfr0_el1),
               vtr);
    exit_serve(pcpu);
    guest_start(pcpu);
}

/*
 * boot.S: the boot CPU, on a stack, with the MMU off. The image, the stub's other memory and
 * the boot page were cleaned and invalidated by whoever loaded them. What is stored here goes
 * past the caches, and lines that were fetched meanwhile must not be found when they are on.
 */
_Noreturn void boot_main(const struct rv_stub_header *header)
{
    const volatile uint64_t *from = (const volatile uint64_t *)header->boot_page;
    uint32_t error;

    boot_page_address = header->boot_page;
    for (uint32_t i = 0; i < sizeof(boot) / 8; i++)
        ((uint64_t *)&boot)[i] = from[i];
    error = boot_page_check((uint64_t)header, header->image_size);
    if (error)
        give_up(error, 0);
    require_features();
    find_features();
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        pcpus[i].index = i;
        pcpus[i].poll_limit = boot.poll_limit;
        pcpus[i].channel = (struct rv_channel *)(boot.mem_base + boot.channels_offset) + i;
        pcpus[i].stack_top = &stacks[i].top;
        stacks[i].top.pcpu = &pcpus[i];
    }
    pgtable_next = (uint64_t)header + header->image_size;
    pgtable_end = (uint64_t)header + boot.stub_size;
    if (mmu_build())
        give_up(RV_BOOT_BAD_LAYOUT, 1);
    cache_clean((uint64_t)header, boot.stub_size);
    mmu_on();
    if (gic_init())
        give_up(RV_BOOT_NO_GICV3, 0);
    platform_doorbell_init();
    for (uint32_t i = 1; i < boot.nr_pcpus; i++) {
        if (platform_cpu_on(boot.pcpu[i].mpidr & MPIDR_AFFINITY, (uint64_t)stub_secondary,
                            (uint64_t)&pcpus[i]))
            give_up(RV_BOOT_NO_PCPU, i);
    }
    pcpu_main(&pcpus[0]);
}

/* vectors.S: an exception that cannot be. Say all that is known; this CPU is lost. */
_Noreturn void panic(uint64_t slot, struct pcpu *pcpu)
{
    struct rv_event *event;
    bool again = pcpu->panicked;

    pcpu->panicked = true;
    while (again) /* the report below took an exception itself */
        wait_for_interrupt();
    if (cpu.nr_lrs == 0) /* it is the reason why the stub does not start */
        give_up(RV_BOOT_EXCEPTION, read_sysreg(esr_el2));
    command_abandon(pcpu);
    event = event_begin(pcpu, RV_EVENT_PANIC);
    event->flags = (uint8_t)slot;
    event_publish(pcpu, event);
    for (;;)
        wait_for_interrupt();
}
