/* SPDX-License-Identifier: BSD-2-Clause */
/* The world switch: nothing of the guest is lost, and nothing that is illegal gets in. */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"

static struct pcpu *core;
static struct rv_vcpu_page *page;

#define EL2H 9u

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    core = fake_use(0);
    fake_create_vm(0);
    fake_create_vcpu(0, 0);
    fake_create_vcpu(1, 0);
    FAKE_DIRECT(0, 27) = LR_PENDING;
    page = &fake_pages[0];
    fake_ok(core, (struct rv_command){.op = RV_COMMAND_RUN});
    return 0;
}

/* Registers */

#define ENTRY(name) REG_##name,
static const enum fake_register guest_registers[] = {
    /* clang-format off */
    FAKE_EL1_REGISTERS(ENTRY) FAKE_RAS_REGISTERS(ENTRY) FAKE_FP_REGISTERS(ENTRY)
    FAKE_PAUTH_REGISTERS(ENTRY) FAKE_TIMER_REGISTERS(ENTRY) FAKE_DEBUG_REGISTERS(ENTRY)
    FAKE_GIC_REGISTERS(ENTRY)
    REG_elr_el2, REG_s3_0_c1_c2_0,
    REG_pmccntr_el0, REG_pmccfiltr_el0, REG_pmuserenr_el0, REG_pmselr_el0,
    REG_pmcntenset_el0, REG_pmintenset_el1, REG_pmovsset_el0, REG_pmcr_el0,
    /* clang-format on */
};

static uint64_t canary(enum fake_register reg)
{
    switch (reg) {
    /* Those of which not every bit can be written: only the guest's own value is legal. */
    case REG_pmselr_el0: return 3;
    case REG_pmcntenset_el0: return 0x80000015;
    case REG_pmintenset_el1: return 0x8000000b;
    case REG_pmovsset_el0: return 0x00000022;
    case REG_pmcr_el0: return 0x59;
    default: return 0xca9a000000000000ull + reg * 0x10001u;
    }
}

/* All that a guest has in a core, made from a seed. */
static void fill_core(uint8_t seed)
{
    uint8_t value = seed;

    for (size_t i = 0; i < COUNT_OF(guest_registers); i++)
        fake_core->reg[guest_registers[i]] = canary(guest_registers[i]);
    for (uint32_t n = 0; n < fake.nr_counters; n++) {
        fake_core->evcntr[n] = 0xe000000000000000ull + n + seed;
        fake_core->evtyper[n] = 0x0200u + n + seed;
    }
    for (size_t i = 0; i < sizeof(fake_core->z); i++)
        ((uint8_t *)fake_core->z)[i] = value = (uint8_t)(value * 5 + 1);
    for (size_t i = 0; i < sizeof(fake_core->p); i++)
        ((uint8_t *)fake_core->p)[i] = value = (uint8_t)(value * 5 + 3);
}

/* What does not exist: above the vector length. */
static void cut_vectors(struct fake_core *c, size_t length)
{
    for (unsigned n = 0; n < 32; n++)
        memset(c->z[n] + length, 0, sizeof(c->z[n]) - length);
    for (unsigned n = 0; n < 17; n++)
        memset(c->p[n] + length / 8, 0, sizeof(c->p[n]) - length / 8);
}

/* A vCPU leaves core 0 with canaries in all registers, and goes to core 1. */
static void migrate(struct fake_core *before)
{
    struct rv_event event;

    REG(spsr_el2) = PSTATE_EL0t | PSTATE_NZCV;
    *before = *fake_core;
    world_leave(core);
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_STOPPED);
    /* Another core has it next, whose registers are somebody else's. */
    core = fake_use(1);
    for (size_t i = 0; i < COUNT_OF(guest_registers); i++)
        fake_core->reg[guest_registers[i]] = 0x5a5a5a5a5a5a5a5aull;
    memset(fake_core->evcntr, 0x5a, sizeof(fake_core->evcntr));
    memset(fake_core->evtyper, 0x5a, sizeof(fake_core->evtyper));
    memset(fake_core->z, 0x5a, sizeof(fake_core->z));
    memset(fake_core->p, 0x5a, sizeof(fake_core->p));
    cut_vectors(fake_core, sve_length());
    assert_int_equal(world_enter(core, &vcpus[0]), 0);
}

static void assert_same_guest(const struct fake_core *before)
{
    for (size_t i = 0; i < COUNT_OF(guest_registers); i++) {
        if (fake_core->reg[guest_registers[i]] != before->reg[guest_registers[i]])
            fail_msg("register %zu did not come back", i);
    }
    for (uint32_t n = 0; n < fake.nr_counters; n++) {
        assert_int_equal(fake_core->evcntr[n], before->evcntr[n]);
        assert_int_equal(fake_core->evtyper[n], before->evtyper[n]);
    }
    assert_memory_equal(fake_core->z, before->z, sizeof(before->z));
    assert_memory_equal(fake_core->p, before->p, sizeof(before->p));
}

static void every_register_comes_back_with_its_own_value(void **state)
{
    static struct fake_core before;

    setup(state);
    fill_core(1);
    cut_vectors(fake_core, sve_length());
    migrate(&before);
    assert_same_guest(&before);
    assert_int_equal(REG(spsr_el2), PSTATE_EL0t | PSTATE_NZCV);
    assert_int_equal(REG(vttbr_el2), vms[0].vttbr);
    assert_ptr_equal(core->stack_top->gpr, page->x);
}

/* CPUs differ in their number of counters and in their vector lengths. */
static void counters_and_vectors_of_any_cpu_come_back(void **state)
{
    static const uint32_t counters[] = {0, 1, 30, 31};
    static const uint64_t lengths[] = {0x1, 0x3, 0x4b, 0x808b, 0x7fff, 0xffff};
    static struct fake_core before;

    for (size_t i = 0; i < COUNT_OF(counters) * COUNT_OF(lengths); i++) {
        setup(state);
        fake.nr_counters = counters[i % COUNT_OF(counters)];
        fake.sve_lengths = lengths[i / COUNT_OF(counters)];
        for (unsigned c = 0; c < 2; c++) {
            fake_use(c);
            world_init_cpu();
            assert_int_equal(REG(mdcr_el2) & 0x1f, fake.nr_counters);
        }
        core = fake_use(0);
        fill_core((uint8_t)i);
        REG(pmcntenset_el0) = REG(pmintenset_el1) = REG(pmovsset_el0) =
            ((1ull << fake.nr_counters) - 1) | 1ull << 31;
        cut_vectors(fake_core, sve_length());
        migrate(&before);
        assert_same_guest(&before);
    }
}

static void group_moves_its_registers_and_no_other(void **state)
{
    static const struct {
        uint32_t group;
        enum fake_register one;
    } groups[] = {
        {RV_GROUP_EL1, REG_ttbr0_el1},       {RV_GROUP_PAUTH, REG_s3_0_c2_c1_0},
        {RV_GROUP_TIMER, REG_cntv_cval_el0}, {RV_GROUP_DEBUG, REG_mdscr_el1},
        {RV_GROUP_CORE, REG_elr_el2},        {RV_GROUP_GIC, REG_ich_vmcr_el2},
        {RV_GROUP_PMU, REG_pmccntr_el0},     {RV_GROUP_FP, REG_fpsr},
    };

    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        setup(state);
        for (size_t j = 0; j < COUNT_OF(groups); j++)
            fake_core->reg[groups[j].one] = 77;
        fake_core->p[3][1] = 77;
        assert_int_equal(world_load(&vcpus[0], groups[i].group), 0);
        for (size_t j = 0; j < COUNT_OF(groups); j++)
            assert_int_equal(fake_core->reg[groups[j].one] == 77, i != j);
        assert_int_equal(fake_core->p[3][1], 77);
    }
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_SVE), 0);
    assert_int_equal(fake_core->p[3][1], 0);
    assert_int_equal(REG(ttbr0_el1), 77);
}

/*
 * The other way: an access to a register that does not exist ends the test (fake.c).
 * The page keeps what it had where the CPU has nothing.
 */
static void registers_that_the_cpu_does_not_have_are_not_touched(void **state)
{
    static const uint32_t missing[] = {RV_GROUP_PAUTH, RV_GROUP_SVE, RV_GROUP_PMU,
                                       RV_GROUP_PAUTH | RV_GROUP_SVE | RV_GROUP_PMU};
    struct rv_event event;

    for (size_t i = 0; i < COUNT_OF(missing); i++) {
        setup(state);
        cpu.groups &= ~missing[i];
        cpu.ras = false;
        cpu.nr_breakpoints = 2;
        cpu.nr_watchpoints = 1;
        world_init_cpu();
        assert_int_equal((REG(cptr_el2) & CPTR_TZ) != 0, (missing[i] & RV_GROUP_SVE) != 0);
        assert_int_equal((REG(mdcr_el2) & MDCR_PMU) != 0, (missing[i] & RV_GROUP_PMU) != 0);
        assert_int_equal((REG(hcr_el2) & HCR_PAUTH) != 0, (missing[i] & RV_GROUP_PAUTH) == 0);
        REG(dbgbvr2_el1) = REG(dbgwcr1_el1) = REG(dbgbvr1_el1) = REG(dbgwcr0_el1) = 77;
        memset(page->sve, 0x5a, sizeof(page->sve));
        memset(&page->pmu, 0x5a, sizeof(page->pmu));
        page->el1.zcr_el1 = page->el1.disr_el1 = page->el1.vsesr_el2 = 0x5a;
        assert_int_equal(world_load(&vcpus[0], RV_GROUPS_ALL), 0);
        assert_int_equal(REG(dbgbvr2_el1), 77);
        assert_int_equal(REG(dbgwcr1_el1), 77);
        assert_int_equal(REG(dbgbvr1_el1), 0);
        assert_int_equal(REG(dbgwcr0_el1), 0);
        world_leave(core);
        assert_true(fake_event(core, &event));
        assert_int_equal(page->el1.disr_el1, 0x5a);
        assert_int_equal(page->el1.vsesr_el2, 0x5a);
        assert_int_equal(page->el1.zcr_el1, 0x5a);
        if (missing[i] & RV_GROUP_SVE)
            assert_int_equal(page->sve[0], 0x5a);
        if (missing[i] & RV_GROUP_PMU)
            assert_int_equal(page->pmu.evcntr[0], 0x5a5a5a5a5a5a5a5aull);
    }
}

/* Of HCR_EL2 the page has VSE, TWI and TWE: all else keeps the guest below EL2. */
static void no_other_bit_of_hcr_gets_in(void **state)
{
    uint64_t before;

    setup(state);
    before = REG(hcr_el2);
    /* VM; FMO, IMO, AMO; TSC; RW. */
    assert_int_equal(before & 0x80080039, 0x80080039);
    assert_int_equal(RV_HCR_BITS, 0x6100);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int on = 0; on <= 1; on++) {
            page->el1.hcr_el2 = on ? 1ull << bit : ~(1ull << bit);
            assert_int_equal(world_load(&vcpus[0], RV_GROUP_EL1), 0);
            assert_int_equal(REG(hcr_el2), before | (page->el1.hcr_el2 & RV_HCR_BITS));
        }
    }
    page->el1.hcr_el2 = 0;
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_EL1), 0);
    assert_int_equal(REG(hcr_el2), before);
}

/* The guest has taken its virtual SError: the core cleared the bit, and so does SAVE. */
static void save_has_the_hcr_bits_and_only_these(void **state)
{
    setup(state);
    page->el1.hcr_el2 = HCR_VSE | HCR_TWI;
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_EL1), 0);
    REG(hcr_el2) &= ~HCR_VSE;
    world_save(&vcpus[0], RV_GROUP_EL1);
    assert_int_equal(page->el1.hcr_el2, HCR_TWI);
}

/* Of MDCR_EL2 the page has TDE: all else keeps the guest off what is not its own. */
static void no_other_bit_of_mdcr_gets_in(void **state)
{
    uint64_t before;

    setup(state);
    before = REG(mdcr_el2);
    assert_int_equal(RV_MDCR_BITS, 0x100);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int on = 0; on <= 1; on++) {
            page->debug.mdcr = on ? 1ull << bit : ~(1ull << bit);
            assert_int_equal(world_load(&vcpus[0], RV_GROUP_DEBUG), 0);
            assert_int_equal(REG(mdcr_el2), before | (page->debug.mdcr & RV_MDCR_BITS));
        }
    }
    page->debug.mdcr = RV_MDCR_BITS;
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_DEBUG), 0);
    page->debug.mdcr = 0;
    world_save(&vcpus[0], RV_GROUP_DEBUG); /* which does not touch it */
    assert_int_equal(page->debug.mdcr, 0);
    assert_int_equal(REG(mdcr_el2), before | RV_MDCR_BITS);
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_DEBUG), 0);
    assert_int_equal(REG(mdcr_el2), before);
}

/* Controls of features that may or may not be there; the fake refuses to touch what is not. */

static void fine_grained_traps_are_set_where_they_exist(void **state)
{
    /* clang-format off */
    static const enum fake_register traps[] = {
        FAKE_FGT_REGISTERS(ENTRY) FAKE_FGT_AMU_REGISTERS(ENTRY)
    };
    /* clang-format on */
    static const struct {
        uint64_t fgt, amu;
        size_t set; /* the first so many of `traps` */
    } cpus[] = {{0, 0, 0}, {0, 1, 0}, {1, 0, 5}, {1, 1, 6}, {2, 1, 6}};

    for (size_t i = 0; i < COUNT_OF(cpus); i++) {
        setup(state);
        for (size_t j = 0; j < COUNT_OF(traps); j++)
            fake_core->reg[traps[j]] = ~0ull; /* as firmware may have left them */
        REG(id_aa64mmfr0_el1) = cpus[i].fgt << 56;
        REG(id_aa64pfr0_el1) = cpus[i].amu << 44;
        world_init_cpu();
        for (size_t j = 0; j < COUNT_OF(traps); j++) {
            uint64_t wanted = j >= cpus[i].set ? ~0ull : 0;

            assert_int_equal(fake_core->reg[traps[j]], wanted);
        }
        /* TDA, TDOSA, TDRA: vCPUs that share a CPU share no debug register. */
        assert_int_equal(REG(mdcr_el2) >> 9 & 7, 7);
    }
}

static void extended_hypervisor_configuration_is_zero_where_it_exists(void **state)
{
    for (uint64_t hcx = 0; hcx <= 1; hcx++) {
        setup(state);
        REG(s3_4_c1_c2_2) = ~0ull;
        REG(id_aa64mmfr1_el1) = hcx << 40;
        world_init_cpu();
        assert_int_equal(REG(s3_4_c1_c2_2), hcx ? 0 : ~0ull);
    }
}

/* MPAM2_EL2: TRAPMPAM1EL1, TRAPMPAM0EL1, TIDR; partition 0. */
static void memory_partitions_are_not_the_guests(void **state)
{
    for (uint64_t mpam = 0; mpam <= 1; mpam++) {
        setup(state);
        REG(s3_4_c10_c5_0) = 0x55;
        REG(id_aa64pfr0_el1) = mpam << 40;
        world_init_cpu();
        assert_int_equal(REG(s3_4_c10_c5_0), mpam ? 3ull << 48 | 1ull << 58 : 0x55);
    }
}

/* The PMU */

static void save_leaves_the_pmu_as_it_is(void **state)
{
    static struct fake_core before;

    setup(state);
    fill_core(1);
    for (unsigned i = 0; i < 32; i++) {
        REG(pmselr_el0) = i;
        before = *fake_core;
        world_save(&vcpus[0], RV_GROUP_PMU);
        assert_int_equal(page->pmu.pmselr, i);
        before.unsynchronized_pmu = fake_core->unsynchronized_pmu; /* ERET synchronizes */
        assert_memory_equal(fake_core, &before, sizeof(before));
    }
}

/* A write to one of the ...SET registers clears no bit: another guest's must not stay. */
static void load_clears_what_the_page_has_not(void **state)
{
    setup(state);
    fill_core(1);
    page->pmu.pmcntenset = 1;
    page->pmu.pmintenset = 2;
    page->pmu.pmovsset = 4;
    page->pmu.pmcr = 0;
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_PMU), 0);
    assert_int_equal(REG(pmcntenset_el0), 1);
    assert_int_equal(REG(pmintenset_el1), 2);
    assert_int_equal(REG(pmovsset_el0), 4);
    assert_int_equal(REG(pmcr_el0) & 0xff, 0);
}

/* The guest counts itself, not the stub: HPMD and HCCD. */
static void counters_do_not_count_at_el2(void **state)
{
    setup(state);
    assert_int_equal(REG(mdcr_el2) & (1u << 17 | 1u << 23), 1u << 17 | 1u << 23);
    assert_int_equal(REG(mdcr_el2) & 0x1f, FAKE_COUNTERS);
}

/* SVE */

static void load_of_fp_keeps_only_the_low_ends_and_sve_is_loaded_after_it(void **state)
{
    setup(state);
    fill_core(1);
    memset(page->fp.v, 0x11, sizeof(page->fp.v));
    memset(page->sve, 0x22, sizeof(page->sve));
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_FP), 0);
    assert_int_equal(fake_core->z[31][15], 0x11);
    assert_int_equal(fake_core->z[31][16], 0);
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_FP | RV_GROUP_SVE), 0);
    assert_int_equal(fake_core->z[31][15], 0x22);
    assert_int_equal(fake_core->z[31][16], 0x22);
}

/* Not even a guest's length of 16 bytes makes the stub save less than there is. */
static void guests_vector_length_does_not_matter(void **state)
{
    static struct fake_core before;

    setup(state);
    fill_core(1);
    cut_vectors(fake_core, sve_length());
    REG(s3_0_c1_c2_0) = 0;
    migrate(&before);
    assert_same_guest(&before);
    assert_int_equal(REG(s3_4_c1_c2_0), ZCR_LEN);
}

static void leaving_stops_timers_and_the_virtual_gic(void **state)
{
    setup(state);
    REG(cntv_ctl_el0) = REG(cntp_ctl_el0) = 1;
    world_leave(core);
    assert_int_equal(REG(cntv_ctl_el0), 0);
    assert_int_equal(REG(cntp_ctl_el0), 0);
    assert_int_equal(REG(ich_hcr_el2), 0);
    assert_int_equal(page->timer.cntv_ctl, 1);
    assert_int_equal(fake_core->gicr.enabled >> 27 & 1, 0);
    assert_null(core->vcpu);
    assert_null(vcpus[0].pcpu);
}

/* What the guest has ended, and no maintenance interrupt has told yet: the page tells. */
static void leaving_keeps_ends_that_were_not_reported(void **state)
{
    struct rv_event event;

    setup(state);
    *fake_lr(2) = LR_EOI | LR_GROUP1 | 40;
    world_leave(core);
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_STOPPED);
    assert_int_equal(page->gic.irq[2], LR_EOI | LR_GROUP1 | 40);
}

static void stage_1_entries_are_flushed_whenever_a_vcpu_is_entered(void **state)
{
    static const struct {
        unsigned vcpu, flushes;
    } steps[] = {{0, 1}, {1, 1}, {1, 1}, {0, 1}};

    setup(state);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        world_leave(core);
        fake.flushes_vcpu = 0;
        assert_int_equal(world_enter(core, &vcpus[steps[i].vcpu]), 0);
        assert_int_equal(fake.flushes_vcpu, steps[i].flushes);
    }
}

/* What is refused */

static bool legal_mode(uint64_t pstate)
{
    unsigned mode = pstate & 0x1f;

    return mode == 0 || mode == 4 || mode == 5 || mode == 0x10;
}

static void every_mode_but_those_below_el2_is_refused(void **state)
{
    for (unsigned mode = 0; mode < 64; mode++) {
        uint64_t pstate = (mode & 31) | (mode & 32 ? PSTATE_NZCV | PSTATE_DAIF : 0);
        int got;

        setup(state);
        page->pstate = pstate;
        page->pc = 0x1234;
        page->el1.ttbr0_el1 = 0x1234;
        got = world_load(&vcpus[0], RV_GROUPS_ALL);
        assert_int_equal(got, legal_mode(pstate) ? 0 : RV_REFUSED_REGISTER);
        assert_int_equal(REG(spsr_el2), got ? PSTATE_EL1h | PSTATE_DAIF : pstate);
        assert_int_equal(REG(elr_el2), got ? 0x40000000 : 0x1234);
        assert_int_equal(REG(ttbr0_el1), got ? 0 : 0x1234);
    }
}

/* Without AArch32 at EL0 a return to it stays at EL2, as an illegal one (Arm ARM D1.4.4). */
static void aarch32_is_refused_where_the_cpu_has_none(void **state)
{
    setup(state);
    REG(id_aa64pfr0_el1) = 0x11;
    page->pstate = PSTATE_nRW;
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_CORE), RV_REFUSED_REGISTER);
}

static const struct {
    const char *name;
    uint64_t lr;
    bool legal;
} entries[] = {
    {"software", LR_PENDING | 40, true},
    {"software_active_and_pending", LR_STATES | LR_EOI | 40, true},
    {"software_1019", LR_PENDING | 1019, true},
    {"software_1020", LR_PENDING | 1020, false},
    {"software_lpi", LR_PENDING | 8192, false},
    {"no_state", 40, true}, /* the place is not in use */
    {"direct", LR_PENDING | LR_HW | 27ull << 32 | 27, true},
    {"direct_active", LR_ACTIVE | LR_HW | 27ull << 32 | 27, true},
    {"direct_no_state", LR_HW | (uint64_t)FAKE_DOORBELL << 32 | 27, true},
    {"hw_of_the_doorbell", LR_PENDING | LR_HW | (uint64_t)FAKE_DOORBELL << 32 | 27, false},
    {"hw_of_the_maintenance_interrupt", LR_PENDING | LR_HW | 25ull << 32 | 27, false},
    {"hw_of_the_maintenance_interrupt_itself", LR_PENDING | LR_HW | 25ull << 32 | 25, false},
    {"hw_of_the_kick", LR_PENDING | LR_HW, false},
    {"hw_of_an_spi", LR_PENDING | LR_HW | 45ull << 32 | 45, false},
    {"hw_of_another_virtual_intid", LR_PENDING | LR_HW | 27ull << 32 | 28, false},
    {"hw_with_eoi_in_its_intid", LR_PENDING | LR_HW | LR_EOI | 27ull << 32 | 27, false},
};

static void list_registers_are_refused_unless_their_own(void **state)
{
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        for (unsigned place = 0; place < cpu.nr_lrs; place++) {
            int got;

            setup(state);
            for (uint32_t n = 0; n < place; n++)
                page->gic.irq[n] = LR_PENDING | (100 + n);
            page->gic.irq[place] = entries[i].lr;
            got = world_load(&vcpus[0], RV_GROUPS_ALL);
            if (got != (entries[i].legal ? 0 : (int)RV_REFUSED_REGISTER))
                fail_msg("%s: %d", entries[i].name, got);
            if (got)
                assert_int_equal(*fake_lr(0), 0);
            else
                assert_int_equal(*fake_lr(place), entries[i].lr >> 62 ? entries[i].lr : 0);
        }
    }
}

/* The places behind those of the list registers are the vmm's own. */
static void places_without_a_list_register_are_not_looked_at(void **state)
{
    setup(state);
    memset(page->gic.irq, 0xff, sizeof(page->gic.irq));
    page->gic.nr_irqs = ~0u;
    for (uint32_t n = 0; n < cpu.nr_lrs; n++)
        page->gic.irq[n] = LR_PENDING | (100 + n);
    assert_int_equal(world_load(&vcpus[0], RV_GROUP_GIC), 0);
    world_save(&vcpus[0], RV_GROUP_GIC);
    for (uint32_t n = cpu.nr_lrs; n < RV_VCPU_IRQS; n++)
        assert_int_equal(page->gic.irq[n], ~0ull);
    assert_int_equal(page->gic.nr_irqs, ~0u);
}

static void refused_run_leaves_core_and_vcpu_free(void **state)
{
    struct rv_event event;

    setup(state);
    world_leave(core);
    assert_true(fake_event(core, &event));
    fake_pages[1].pstate = EL2H;
    event = fake_do(core, (struct rv_command){.op = RV_COMMAND_RUN, .vcpu = 1});
    assert_int_equal(event.value, RV_REFUSED_REGISTER);
    assert_null(core->vcpu);
    assert_null(vcpus[1].pcpu);
}

/*
 * A page that changes while it is loaded. The trap flag stops this processor after
 * each instruction; at the chosen one, the page becomes illegal. Whatever the
 * instruction, what is in the core afterwards must be legal. Once the checks are
 * passed the rest is long, and is only sampled.
 */
#if defined(__x86_64__)
#define TRAP_FLAG 0x100

static volatile unsigned steps, change_at;

static void on_step(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (steps++ == change_at) {
        page->pstate = EL2H;
        page->gic.irq[0] = page->gic.irq[1] = LR_PENDING | LR_HW | (uint64_t)FAKE_DOORBELL << 32;
        /* From here on at full speed. */
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
    }
}

static void single_step(bool on)
{
    if (on)
        __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
}

static void page_that_changes_while_it_is_loaded_gets_nothing_illegal_in(void **state)
{
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO}, old;
    unsigned loaded = 0, refused = 0;
    bool more = true;

    setup(state);
    assert_int_equal(sigaction(SIGTRAP, &action, &old), 0);
    for (change_at = 0; more; change_at += loaded ? 97 : 1) {
        int got;

        page->pstate = PSTATE_EL1h;
        page->gic.irq[0] = LR_PENDING | LR_HW | 27ull << 32 | 27;
        page->gic.irq[1] = LR_PENDING | 40;
        for (uint32_t n = 0; n < 4; n++)
            *fake_lr(n) = 0;
        steps = 0;
        single_step(true);
        got = world_load(&vcpus[0], RV_GROUP_CORE | RV_GROUP_GIC);
        single_step(false);
        more = steps > change_at;
        loaded += got == 0;
        refused += got != 0;
        assert_true(legal_mode(REG(spsr_el2)));
        for (uint32_t n = 0; n < 4; n++) {
            uint64_t lr = *fake_lr(n);

            assert_true(!(lr & LR_HW) || (LR_PINTID(lr) == 27 && LR_VINTID(lr) == 27));
        }
    }
    sigaction(SIGTRAP, &old, NULL);
    assert_true(loaded > 0 && refused > 0);
}
#else
static void page_that_changes_while_it_is_loaded_gets_nothing_illegal_in(void **state)
{
    (void)state;
    skip();
}
#endif

/* Whoever runs it next may be using its registers already. */
static bool was_read_when_released;

static void look_whose_it_is(enum fake_register reg)
{
    if (reg >= REG_ich_lr0_el2 && reg <= REG_ich_lr15_el2 && !vcpus[0].pcpu)
        was_read_when_released = true;
}

static void vcpu_that_was_released_is_not_looked_at(void **state)
{
    setup(state);
    core->waits = true;
    was_read_when_released = false;
    fake.on_read = look_whose_it_is;
    world_leave(core);
    assert_false(was_read_when_released);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_register_comes_back_with_its_own_value),
        cmocka_unit_test(counters_and_vectors_of_any_cpu_come_back),
        cmocka_unit_test(group_moves_its_registers_and_no_other),
        cmocka_unit_test(registers_that_the_cpu_does_not_have_are_not_touched),
        cmocka_unit_test(no_other_bit_of_hcr_gets_in),
        cmocka_unit_test(save_has_the_hcr_bits_and_only_these),
        cmocka_unit_test(no_other_bit_of_mdcr_gets_in),
        cmocka_unit_test(fine_grained_traps_are_set_where_they_exist),
        cmocka_unit_test(extended_hypervisor_configuration_is_zero_where_it_exists),
        cmocka_unit_test(memory_partitions_are_not_the_guests),
        cmocka_unit_test(save_leaves_the_pmu_as_it_is),
        cmocka_unit_test(load_clears_what_the_page_has_not),
        cmocka_unit_test(counters_do_not_count_at_el2),
        cmocka_unit_test(load_of_fp_keeps_only_the_low_ends_and_sve_is_loaded_after_it),
        cmocka_unit_test(guests_vector_length_does_not_matter),
        cmocka_unit_test(leaving_stops_timers_and_the_virtual_gic),
        cmocka_unit_test(leaving_keeps_ends_that_were_not_reported),
        cmocka_unit_test(stage_1_entries_are_flushed_whenever_a_vcpu_is_entered),
        cmocka_unit_test(every_mode_but_those_below_el2_is_refused),
        cmocka_unit_test(aarch32_is_refused_where_the_cpu_has_none),
        cmocka_unit_test(list_registers_are_refused_unless_their_own),
        cmocka_unit_test(places_without_a_list_register_are_not_looked_at),
        cmocka_unit_test(refused_run_leaves_core_and_vcpu_free),
        cmocka_unit_test(page_that_changes_while_it_is_loaded_gets_nothing_illegal_in),
        cmocka_unit_test(vcpu_that_was_released_is_not_looked_at),
    };

    return cmocka_run_group_tests_name("stub_world", tests, NULL, NULL);
}
