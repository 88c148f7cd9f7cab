/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits from event to reply, with a bus, a vCPU and a log of our own below. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/exit/exit.h"
#include "vmm/log.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DEVICE   0x09000000ull
#define PC       0xffff800008123454ull
#define FAR      0xffff80001badf018ull
#define VBAR     0xffff800010081000ull

static struct rv_vcpu_page page;
static struct vcpu vcpu;
static struct sysreg_cpu sysreg_cpus[2];
static struct psci_cpu psci_cpus[2];
static unsigned lines, fetches;
static int fetch_result;

static struct {
    unsigned reads, writes, size;
    uint64_t addr, value;
    int result;
} bus;

static struct {
    unsigned system_off, cpu_off, restart;
    uint64_t entry, context_id;
    int restart_result;
} core;

/* What is seen once is seen for good, so each test uses its own addresses or looks at `lines`. */
bool log_first(unsigned kind, uint64_t key)
{
    static uint64_t seen[256];
    static unsigned count;
    uint64_t mark = key * 8 + kind;

    for (unsigned i = 0; i < count; i++)
        if (seen[i] == mark)
            return false;
    assert_true(count < COUNT(seen));
    seen[count++] = mark;
    return true;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
    lines++;
}

void vcpu_set_x(struct vcpu *vcpu, unsigned reg, uint64_t value)
{
    if (reg < 31)
        vcpu->page->x[reg] = value;
}

uint64_t vcpu_get_x(const struct vcpu *v, unsigned reg)
{
    return reg < 31 ? v->page->x[reg] : 0;
}

int vcpu_fetch(struct vcpu *v, uint32_t groups)
{
    v->fetched |= groups;
    fetches++;
    return fetch_result;
}

void vcpu_mark_dirty(struct vcpu *v, uint32_t groups)
{
    v->dirty |= groups;
}

int bus_read(struct bus *b, ipa_t addr, unsigned size, uint64_t *value)
{
    assert_ptr_equal(b, &bus);
    bus.reads++;
    bus.addr = addr.v;
    bus.size = size;
    if (!bus.result)
        *value = bus.value & (~0ull >> (64 - 8 * size));
    return bus.result;
}

int bus_write(struct bus *b, ipa_t addr, unsigned size, uint64_t value)
{
    assert_ptr_equal(b, &bus);
    bus.writes++;
    bus.addr = addr.v;
    bus.size = size;
    bus.value = value;
    return bus.result;
}

static uint64_t sgi(void *opaque, unsigned index, enum sysreg_sgi which, uint64_t value)
{
    (void)opaque;
    (void)which;
    assert_int_equal(index, 1);
    return value << 4;
}

static int core_on(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    (void)opaque;
    (void)index;
    (void)entry;
    (void)context_id;
    return 0;
}

static void core_cpu_off(void *opaque, unsigned index)
{
    (void)opaque;
    (void)index;
    core.cpu_off++;
}

static void core_system_off(void *opaque)
{
    (void)opaque;
    core.system_off++;
}

static void core_reset(void *opaque, enum psci_reset kind)
{
    (void)opaque;
    (void)kind;
}

static bool core_is_memory(void *opaque, ipa_t addr)
{
    (void)opaque;
    return addr.v >= 0x40000000;
}

static int core_restart(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    (void)opaque;
    assert_int_equal(index, 1);
    core.restart++;
    core.entry = entry;
    core.context_id = context_id;
    return core.restart_result;
}

static const struct psci_ops psci_ops = {core_on,    core_cpu_off,   core_system_off,
                                         core_reset, core_is_memory, core_restart};
static struct exit_ctx ctx;

static int setup(void **state)
{
    (void)state;
    memset(&page, 0, sizeof(page));
    memset(&bus, 0, sizeof(bus));
    memset(&core, 0, sizeof(core));
    page.pc = PC;
    page.pstate = 0x3c5;
    page.el1.vbar_el1 = VBAR;
    page.el1.sctlr_el1 = 1ull << 23;
    for (unsigned i = 0; i < 31; i++)
        page.x[i] = 0x100 + i;
    vcpu = (struct vcpu){.index = 1, .page = &page};
    lines = fetches = 0;
    fetch_result = 0;
    for (unsigned i = 0; i < 2; i++) {
        sysreg_cpus[i] = (struct sysreg_cpu){0};
        psci_cpu_reset(&psci_cpus[i], i, true);
    }
    ctx = (struct exit_ctx){
        .bus = (struct bus *)&bus,
        .psci = {&psci_ops, NULL, psci_cpus, 2},
        .sysreg = {.id = {[RV_ID_INDEX(4, 0)] = 0x1122334455667788}, .sgi = sgi},
        .sysreg_cpus = sysreg_cpus,
    };
    smccc_init(&ctx.smccc, &ctx.psci, ctx.sysreg.id);
    return 0;
}

static struct exit_reply handle(uint64_t ec, uint64_t iss, uint64_t value, uint64_t addr)
{
    struct rv_event event = {
        .type = RV_EVENT_SYNC,
        .flags = RV_EVENT_FLAG_BLOCKING,
        .vcpu = 1,
        .esr = ec << 26 | 1ull << 25 | iss,
        .far = FAR,
        .ipa = addr,
        .pc = PC,
        .pstate = (uint32_t)page.pstate,
        .value = value,
    };
    struct exit_reply reply;

    memset(&reply, 0xff, sizeof(reply));
    exit_handle(&ctx, &vcpu, &event, &reply);
    return reply;
}

/* Data abort, ISV=1, translation fault at level 3. */
static uint64_t dabt(unsigned sas, unsigned sse, unsigned sf, unsigned srt, unsigned wnr)
{
    return 1u << 24 | sas << 22 | sse << 21 | srt << 16 | sf << 15 | wnr << 6 | 7;
}

static void assert_injected_at(const struct exit_reply *reply, uint64_t esr, uint64_t pc)
{
    assert_int_equal(reply->flags, 0);
    assert_false(reply->hold);
    assert_int_equal(page.el1.esr_el1, esr);
    assert_int_equal(page.el1.elr_el1, pc);
    assert_int_equal(page.pc, VBAR + 0x200);
    assert_int_equal(vcpu.dirty, RV_GROUP_CORE | RV_GROUP_EL1);
}

static void assert_injected(const struct exit_reply *reply, uint64_t esr)
{
    assert_injected_at(reply, esr, PC);
}

static void exit_mmio_read_extends_into_the_register(void **state)
{
    static const struct {
        unsigned sas, sse, sf;
        uint64_t device, reg;
    } cases[] = {
        {0, 0, 0, 0x80, 0x80},
        {0, 1, 0, 0x80, 0xffffff80},
        {0, 1, 1, 0x80, 0xffffffffffffff80},
        {1, 1, 1, 0x8000, 0xffffffffffff8000},
        {2, 0, 0, 0xdeadbeef, 0xdeadbeef},
        {2, 1, 1, 0xdeadbeef, 0xffffffffdeadbeef},
        {3, 0, 1, 0xdeadbeefcafef00d, 0xdeadbeefcafef00d},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct exit_reply r;

        bus.value = cases[i].device;
        r = handle(0x24, dabt(cases[i].sas, cases[i].sse, cases[i].sf, 7, 0), 0, DEVICE + 0x18);
        assert_int_equal(r.flags, RV_REPLY_ADVANCE | RV_REPLY_REG);
        assert_int_equal(r.reg, 7);
        assert_int_equal(r.value, cases[i].reg);
        assert_false(r.hold);
        assert_int_equal(r.kick_vcpus, 0);
        assert_int_equal(bus.addr, DEVICE + 0x18);
        assert_int_equal(bus.size, 1u << cases[i].sas);
    }
    assert_int_equal(bus.reads, COUNT(cases));
    assert_int_equal(fetches + lines, 0);
}

static void exit_mmio_read_to_the_zero_register_still_reads_the_device(void **state)
{
    struct exit_reply r;

    (void)state;
    r = handle(0x24, dabt(2, 0, 0, 31, 0), 0, DEVICE);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.reads, 1);
}

static void exit_mmio_write_carries_the_bits_of_its_size(void **state)
{
    static const uint64_t want[] = {0x88, 0x7788, 0x55667788, 0x1122334455667788};

    (void)state;
    for (unsigned sas = 0; sas < 4; sas++) {
        struct exit_reply r = handle(0x24, dabt(sas, 0, 1, 3, 1), 0x1122334455667788, DEVICE);

        assert_int_equal(r.flags, RV_REPLY_ADVANCE);
        assert_int_equal(bus.value, want[sas]);
        assert_int_equal(bus.size, 1u << sas);
    }
    handle(0x24, dabt(3, 0, 1, 31, 1), 0x1122334455667788, DEVICE);
    assert_int_equal(bus.value, 0);
    assert_int_equal(bus.writes, 5);
    assert_int_equal(fetches + lines, 0);
}

static void exit_mmio_write_to_read_only_memory_reaches_the_bus(void **state)
{
    (void)state;
    /* A permission fault of stage 2: flash in its command mode. */
    assert_int_equal(handle(0x24, (dabt(2, 0, 0, 1, 1) & ~0x3full) | 0xf, 0x98, 0x55).flags,
                     RV_REPLY_ADVANCE);
    assert_int_equal(bus.writes, 1);
}

static void exit_mmio_that_fails_is_an_external_abort_logged_once(void **state)
{
    struct exit_reply r;

    (void)state;
    bus.result = -ENXIO;
    r = handle(0x24, dabt(2, 0, 0, 5, 0), 0, 0x0b001000);
    assert_injected(&r, 0x96000010);
    assert_int_equal(page.el1.far_el1, FAR);
    assert_int_equal(lines, 1);
    setup(NULL);
    bus.result = -EIO;
    r = handle(0x24, dabt(2, 0, 0, 5, 1), 0, 0x0b001000);
    assert_injected(&r, 0x96000050); /* WnR */
    assert_int_equal(lines, 0);
}

static void exit_mmio_beyond_the_guests_physical_addresses_is_an_address_size_fault(void **state)
{
    struct exit_reply r;

    (void)state;
    bus.result = -ENXIO;
    r = handle(0x24, dabt(2, 0, 0, 5, 0), 0, 1ull << 40);
    assert_injected(&r, 0x96000000);
    assert_int_equal(lines, 0);
}

/* The MMU is off and the PC in RAM: the instruction is what `word` says. */
static struct exit_reply handle_instruction(uint32_t word, uint64_t addr)
{
    static uint64_t ram[2];
    struct rv_event event = {
        .type = RV_EVENT_SYNC,
        .flags = RV_EVENT_FLAG_BLOCKING,
        .vcpu = 1,
        .esr = 0x24ull << 26 | 1ull << 25 | 7,
        .far = addr,
        .ipa = addr,
        .pc = 0x40000004,
        .pstate = 0x3c5,
    };
    struct exit_reply reply;

    ram[0] = (uint64_t)word << 32;
    ctx.insn_mmio.bus = ctx.bus;
    ctx.insn_mmio.ram = (struct guest_ram){(uint8_t *)ram, 0x40000000, sizeof(ram)};
    ctx.insn_mmio.pa_bits = 40;
    page.pc = event.pc;
    memset(&reply, 0xff, sizeof(reply));
    exit_handle(&ctx, &vcpu, &event, &reply);
    return reply;
}

static void exit_mmio_without_syndrome_is_done_from_the_instruction(void **state)
{
    struct exit_reply r;

    (void)state;
    page.x[1] = DEVICE;
    bus.value = 0x1122334455667788;
    r = handle_instruction(0xa8c10c22, DEVICE); /* ldp x2, x3, [x1], #16 */
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_false(r.hold);
    assert_int_equal(bus.reads, 2);
    assert_int_equal(page.x[2], 0x1122334455667788);
    assert_int_equal(page.x[1], DEVICE + 16);
    r = handle_instruction(0xa93f7c23, DEVICE + 8); /* stp x3, xzr, [x1, #-16] */
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.writes, 2);
    assert_int_equal(lines, 0);
}

static void exit_exclusive_access_to_a_device_is_an_unsupported_exclusive_fault(void **state)
{
    struct exit_reply r;

    (void)state;
    page.x[1] = 0x0b007000;
    r = handle_instruction(0x885f7c20, 0x0b007000); /* ldxr w0, [x1] */
    assert_injected_at(&r, 0x96000035, 0x40000004);
    assert_int_equal(page.el1.far_el1, 0x0b007000);
    assert_int_equal(lines, 1);
    setup(NULL);
    page.x[1] = 0x0b007000;
    r = handle_instruction(0x88027c20, 0x0b007000); /* stxr w2, w0, [x1] */
    assert_injected_at(&r, 0x96000075, 0x40000004);
    assert_int_equal(page.x[2], 0x102);
    assert_int_equal(bus.reads + bus.writes + lines, 0);
}

/* User mode, T32, Z set; the first of ITT EQ. */
#define T32_ITT 0x40000430ull

static void exit_of_thumb_steps_its_it_block_too(void **state)
{
    (void)state;
    page.pstate = T32_ITT;
    assert_int_equal(handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE).flags,
                     RV_REPLY_ADVANCE | RV_REPLY_REG);
    assert_int_equal(page.pstate, 0x40000830);
    assert_int_equal(vcpu.dirty, RV_GROUP_CORE);
    assert_true(vcpu.fetched & RV_GROUP_CORE);
    vcpu.dirty = 0;
    handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE);
    assert_int_equal(page.pstate, 0x40000030); /* that was the last one */
    vcpu.dirty = vcpu.fetched = 0;
    handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE);
    assert_int_equal(page.pstate, 0x40000030);
    assert_int_equal(vcpu.dirty | vcpu.fetched, 0);
}

static void exit_of_thumb_that_takes_an_exception_stays_in_its_it_block(void **state)
{
    (void)state;
    page.pstate = T32_ITT;
    bus.result = -ENXIO;
    handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE + 0x7c);
    assert_int_equal(page.el1.spsr_el1, T32_ITT);
}

static void exit_of_thumb_without_a_machine_is_held(void **state)
{
    (void)state;
    page.pstate = T32_ITT;
    fetch_result = -EIO;
    assert_true(handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE).hold);
}

static void exit_mmio_by_instruction_that_the_bus_refuses_is_an_external_abort(void **state)
{
    struct exit_reply r;

    (void)state;
    page.x[1] = 0x0b005000;
    bus.result = -ENXIO;
    r = handle_instruction(0xa8c10c22, 0x0b005000);
    assert_injected_at(&r, 0x96000010, 0x40000004);
    assert_int_equal(page.el1.far_el1, 0x0b005000);
    assert_int_equal(page.x[1], 0x0b005000); /* no writeback */
    assert_int_equal(lines, 1);
}

static void exit_mmio_by_instruction_that_is_not_emulated_is_an_external_abort(void **state)
{
    struct exit_reply r = handle_instruction(0xd503201f, 0x0b006000); /* nop */

    (void)state;
    assert_injected_at(&r, 0x96000010, 0x40000004);
    assert_int_equal(page.el1.far_el1, 0x0b006000);
    assert_int_equal(lines, 1);
}

static void exit_mmio_whose_instruction_is_gone_is_tried_again_but_not_for_ever(void **state)
{
    struct exit_reply r;

    (void)state;
    for (unsigned i = 0; i < 15; i++) {
        r = handle(0x24, 0x47, 0, 0x0b002000); /* the PC is not in RAM */
        assert_int_equal(r.flags, 0);
        assert_false(r.hold);
        assert_int_equal(page.pc, PC);
    }
    r = handle(0x24, 0x47, 0, 0x0b002000);
    assert_injected(&r, 0x96000050);
    assert_int_equal(lines, 1);
    assert_int_equal(bus.reads + bus.writes, 0);
}

static void exit_cache_maintenance_on_a_device_is_done(void **state)
{
    (void)state;
    assert_int_equal(handle(0x24, 1u << 8 | 1u << 6 | 7, 0, DEVICE).flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.reads + bus.writes + fetches, 0);
}

static void exit_page_table_outside_of_ram_is_an_external_abort_on_the_walk(void **state)
{
    struct exit_reply r = handle(0x24, 1u << 7 | 7, 0, DEVICE);

    (void)state;
    assert_injected(&r, 0x96000014);
    setup(NULL);
    r = handle(0x20, 1u << 7 | 7, 0, DEVICE);
    assert_injected(&r, 0x86000014);
}

static void exit_other_data_aborts_reach_the_guest(void **state)
{
    static const struct {
        uint64_t iss, esr;
    } cases[] = {
        {0x00, 0x96000000},           /* address size fault: as stage 1 would give it */
        {0x10, 0x96000010},           /* external abort */
        {0x10 | 1 << 10, 0x96000410}, /* ... without an address */
        {0x14, 0x96000010},           /* on a stage 2 table: not the guest's tables */
        {0x18, 0x96000010},           {0x21, 0x96000021}, /* alignment */
        {0x30, 0x96000010},                               /* TLB conflict */
        {0x35, 0x96000035}, /* exclusive or atomic access, unsupported */
        {0x3f, 0x96000010}, /* reserved */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct exit_reply r;

        setup(NULL);
        r = handle(0x24, cases[i].iss, 0, DEVICE);
        assert_injected(&r, cases[i].esr);
        assert_int_equal(page.el1.far_el1, cases[i].iss & 1 << 10 ? 0 : FAR);
        assert_int_equal(bus.reads + bus.writes, 0);
    }
}

static void exit_fetch_from_a_device_is_an_instruction_abort(void **state)
{
    struct exit_reply r = handle(0x20, 0x7, 0, DEVICE);

    (void)state;
    assert_injected(&r, 0x86000010);
    assert_int_equal(page.el1.far_el1, FAR);
    setup(NULL);
    r = handle(0x20, 0x4, 0, 1ull << 47);
    assert_injected(&r, 0x86000000);
}

static void exit_hvc_answers_in_x0_and_smc_steps_too(void **state)
{
    struct exit_reply r;

    (void)state;
    page.x[0] = 0x84000000;
    r = handle(0x16, 0, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_REG);
    assert_int_equal(r.reg, 0);
    assert_int_equal(r.value, 0x10001);
    r = handle(0x17, 0, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_REG | RV_REPLY_ADVANCE);
    assert_int_equal(r.value, 0x10001);
    r = handle(0x16, 1, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_REG);
    assert_int_equal(r.value, ~0ull);
    r = handle(0x17, 0xffff, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_REG | RV_REPLY_ADVANCE);
    assert_int_equal(r.value, ~0ull);
    assert_int_equal(fetches, 0);
}

static void exit_cpu_suspend_waits_cpu_off_and_system_off_hold(void **state)
{
    struct exit_reply r;

    (void)state;
    page.x[0] = 0xc4000001;
    page.x[1] = 0;
    r = handle(0x16, 0, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_REG | RV_REPLY_WAIT);
    assert_int_equal(r.value, 0);
    page.x[0] = 0x84000002;
    assert_true(handle(0x16, 0, 0, 0).hold);
    assert_int_equal(core.cpu_off, 1);
    page.x[0] = 0x84000008;
    assert_true(handle(0x17, 0, 0, 0).hold);
    assert_int_equal(core.system_off, 1);
}

static void exit_power_down_restarts_and_waits_by_hvc_and_smc(void **state)
{
    static const uint64_t classes[] = {0x16, 0x17};

    (void)state;
    for (size_t i = 0; i < COUNT(classes); i++) {
        struct exit_reply r;

        setup(NULL);
        page.x[0] = 0xc4000001;
        page.x[1] = 0x10000;
        page.x[2] = 0x40001000;
        page.x[3] = 0xfeedface12345678;
        r = handle(classes[i], 0, 0, 0);
        /* Neither is the PC, which is the entry now, stepped, nor is x0 written. */
        assert_int_equal(r.flags, RV_REPLY_WAIT);
        assert_false(r.hold);
        assert_int_equal(core.restart, 1);
        assert_int_equal(core.entry, 0x40001000);
        assert_int_equal(core.context_id, 0xfeedface12345678);
        /* A machine that is lost is not answered. */
        core.restart_result = -EIO;
        assert_true(handle(classes[i], 0, 0, 0).hold);
    }
}

static void exit_call_writes_x1_to_x3_only_with_results(void **state)
{
    struct rv_vcpu_page before;
    struct exit_reply r;

    (void)state;
    page.x[0] = 0x84000052; /* TRNG_GET_UUID */
    before = page;
    r = handle(0x17, 0, 0, 0);
    assert_int_equal(r.flags, RV_REPLY_REG | RV_REPLY_ADVANCE);
    assert_memory_not_equal(&page.x[1], &before.x[1], 3 * sizeof(page.x[0]));
    assert_memory_equal(&page.x[4], &before.x[4], 27 * sizeof(page.x[0]));
    page = before;
    page.x[0] = 0xbe00beef;
    before = page;
    r = handle(0x16, 0, 0, 0);
    assert_int_equal(r.value, ~0ull);
    assert_memory_equal(&page, &before, sizeof(page));
}

static uint64_t sys(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2,
                    unsigned rt, unsigned read)
{
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read;
}

static void exit_sysreg_reads_writes_and_kicks(void **state)
{
    struct exit_reply r;

    (void)state;
    r = handle(0x18, sys(3, 0, 0, 4, 0, 9, 1), 0, 0);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE | RV_REPLY_REG);
    assert_int_equal(r.reg, 9);
    assert_int_equal(r.value, 0x1122334455667788);
    r = handle(0x18, sys(3, 0, 0, 4, 0, 31, 1), 0, 0);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    page.x[4] = 0x3;
    r = handle(0x18, sys(3, 0, 12, 11, 5, 4, 0), 0, 0);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(r.kick_vcpus, 0x30);
    r = handle(0x18, sys(3, 0, 12, 11, 5, 31, 0), 0, 0);
    assert_int_equal(r.kick_vcpus, 0);
    page.x[4] = 1;
    handle(0x18, sys(2, 0, 1, 0, 4, 4, 0), 0, 0); /* msr OSLAR_EL1 */
    assert_int_equal(sysreg_cpus[1].os_lock, 1);
    assert_int_equal(sysreg_cpus[0].os_lock, 0);
    assert_int_equal(fetches, 0);
    r = handle(0x18, sys(3, 0, 12, 11, 5, 4, 1), 0, 0); /* mrs of a write-only register */
    assert_injected(&r, 0x02000000);
}

static void exit_wfi_waits_and_its_kin_only_step(void **state)
{
    (void)state;
    assert_int_equal(handle(0x01, 0x1e00000, 0, 0).flags, RV_REPLY_ADVANCE | RV_REPLY_WAIT);
    for (unsigned which = 1; which < 4; which++)
        assert_int_equal(handle(0x01, 0x1e00000 | which, 0, 0).flags, RV_REPLY_ADVANCE);
    page.pstate = 0x10; /* AArch32, Z clear; WFIEQ */
    assert_int_equal(handle(0x01, 0x1000000, 0, 0).flags, RV_REPLY_ADVANCE);
}

static void exit_aarch32_traps_are_undefined_unless_their_condition_fails(void **state)
{
    static const unsigned classes[] = {0x03, 0x04, 0x05, 0x06, 0x08, 0x0c, 0x13};

    (void)state;
    for (size_t i = 0; i < COUNT(classes); i++) {
        struct exit_reply r;

        setup(NULL);
        page.pstate = 0x40000010;                          /* User mode, Z set */
        r = handle(classes[i], 1u << 24 | 0u << 20, 0, 0); /* EQ holds */
        assert_int_equal(r.flags, 0);
        assert_int_equal(page.el1.esr_el1, 0x02000000);
        assert_int_equal(page.pc, VBAR + 0x600);
        setup(NULL);
        page.pstate = 0x40000010;
        r = handle(classes[i], 1u << 24 | 1u << 20, 0, 0); /* NE does not */
        assert_int_equal(r.flags, RV_REPLY_ADVANCE);
        assert_int_equal(vcpu.dirty, 0);
    }
}

static void exit_each_other_class_gives_an_architectural_answer(void **state)
{
    static const struct {
        unsigned ec;
        uint64_t esr; /* ESR_EL1 from EL1h, ISS 0x22 */
    } cases[] = {
        {0x00, 0x02000000}, {0x02, 0x02000000}, {0x07, 0x02000000}, {0x09, 0x02000000},
        {0x0a, 0x02000000}, {0x0b, 0x02000000}, {0x0d, 0x36000022}, {0x0e, 0x3a000022},
        {0x12, 0x02000000}, {0x14, 0x02000000}, {0x15, 0x56000022}, {0x11, 0x46000022},
        {0x19, 0x02000000}, {0x1a, 0x02000000}, {0x1b, 0x02000000}, {0x1c, 0x72000022},
        {0x1d, 0x02000000}, {0x1e, 0x02000000}, {0x1f, 0x02000000}, {0x22, 0x8a000022},
        {0x26, 0x9a000022}, {0x27, 0x02000000}, {0x28, 0xa2000022}, {0x2c, 0xb2000022},
        {0x2d, 0x02000000}, {0x30, 0xc6000022}, {0x31, 0xc6000022}, {0x32, 0xce000022},
        {0x33, 0xce000022}, {0x34, 0xd6000022}, {0x35, 0xd6000022}, {0x38, 0xe2000022},
        {0x3a, 0xea000022}, {0x3c, 0xf2000022}, {0x3d, 0x02000000}, {0x3f, 0x02000000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct exit_reply r;

        setup(NULL);
        r = handle(cases[i].ec, 0x22, 0, 0);
        if (page.el1.esr_el1 != cases[i].esr)
            fail_msg("class %#x: ESR_EL1 %#llx", cases[i].ec, (unsigned long long)page.el1.esr_el1);
        assert_injected(&r, cases[i].esr);
        /* FAR_EL1 belongs to PC alignment faults and watchpoints. */
        assert_int_equal(page.el1.far_el1,
                         cases[i].ec == 0x22 || cases[i].ec >> 1 == 0x1a ? FAR : 0);
    }
}

static void exit_serror_is_told_to_people_and_the_guest_goes_on(void **state)
{
    struct exit_reply r = handle(0x2f, 0x11, 0, 0);

    (void)state;
    assert_int_equal(r.flags, 0);
    assert_false(r.hold);
    assert_int_equal(lines, 1);
    assert_int_equal(vcpu.dirty, 0);
}

static void exit_holds_the_vcpu_when_the_machine_is_lost(void **state)
{
    struct exit_reply r;

    (void)state;
    fetch_result = -EIO;
    r = handle(0x00, 0, 0, 0);
    assert_true(r.hold);
    bus.result = -ENXIO;
    assert_true(handle(0x24, dabt(2, 0, 0, 5, 0), 0, 0x0b003000).hold);
}

static void exit_posted_write_reaches_the_bus_and_nothing_else(void **state)
{
    struct rv_event event = {
        .type = RV_EVENT_POSTED,
        .esr = 0x24ull << 26 | dabt(0, 0, 0, 2, 1),
        .ipa = DEVICE,
        .value = 0x1141,
    };

    (void)state;
    exit_handle_posted(&ctx, &event);
    assert_int_equal(bus.writes, 1);
    assert_int_equal(bus.value, 0x41);
    assert_int_equal(bus.addr, DEVICE);

    event.esr = 0x24ull << 26 | dabt(2, 0, 0, 31, 1);
    exit_handle_posted(&ctx, &event);
    assert_int_equal(bus.value, 0);
    assert_int_equal(lines, 0);

    bus.result = -ENXIO;
    event.ipa = 0x0b004000;
    exit_handle_posted(&ctx, &event);
    exit_handle_posted(&ctx, &event);
    assert_int_equal(lines, 1);
    assert_int_equal(fetches + vcpu.dirty, 0);
}

static void exit_posted_event_that_is_no_write_is_dropped(void **state)
{
    const uint64_t bad[] = {0x24ull << 26 | dabt(2, 0, 0, 2, 0), 0x24ull << 26 | 0x47,
                            0x16ull << 26, 0x2bull << 26};

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rv_event event = {.type = RV_EVENT_POSTED, .esr = bad[i], .ipa = DEVICE};

        exit_handle_posted(&ctx, &event);
    }
    assert_int_equal(bus.reads + bus.writes, 0);
    assert_int_equal(lines, COUNT(bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exit_mmio_read_extends_into_the_register, setup),
        cmocka_unit_test_setup(exit_mmio_read_to_the_zero_register_still_reads_the_device, setup),
        cmocka_unit_test_setup(exit_mmio_write_carries_the_bits_of_its_size, setup),
        cmocka_unit_test_setup(exit_mmio_write_to_read_only_memory_reaches_the_bus, setup),
        cmocka_unit_test_setup(exit_mmio_that_fails_is_an_external_abort_logged_once, setup),
        cmocka_unit_test_setup(
            exit_mmio_beyond_the_guests_physical_addresses_is_an_address_size_fault, setup),
        cmocka_unit_test_setup(exit_mmio_without_syndrome_is_done_from_the_instruction, setup),
        cmocka_unit_test_setup(exit_exclusive_access_to_a_device_is_an_unsupported_exclusive_fault,
                               setup),
        cmocka_unit_test_setup(exit_of_thumb_steps_its_it_block_too, setup),
        cmocka_unit_test_setup(exit_of_thumb_that_takes_an_exception_stays_in_its_it_block, setup),
        cmocka_unit_test_setup(exit_of_thumb_without_a_machine_is_held, setup),
        cmocka_unit_test_setup(exit_mmio_by_instruction_that_the_bus_refuses_is_an_external_abort,
                               setup),
        cmocka_unit_test_setup(exit_mmio_by_instruction_that_is_not_emulated_is_an_external_abort,
                               setup),
        cmocka_unit_test_setup(exit_mmio_whose_instruction_is_gone_is_tried_again_but_not_for_ever,
                               setup),
        cmocka_unit_test_setup(exit_cache_maintenance_on_a_device_is_done, setup),
        cmocka_unit_test_setup(exit_page_table_outside_of_ram_is_an_external_abort_on_the_walk,
                               setup),
        cmocka_unit_test_setup(exit_other_data_aborts_reach_the_guest, setup),
        cmocka_unit_test_setup(exit_fetch_from_a_device_is_an_instruction_abort, setup),
        cmocka_unit_test_setup(exit_hvc_answers_in_x0_and_smc_steps_too, setup),
        cmocka_unit_test_setup(exit_power_down_restarts_and_waits_by_hvc_and_smc, setup),
        cmocka_unit_test_setup(exit_call_writes_x1_to_x3_only_with_results, setup),
        cmocka_unit_test_setup(exit_cpu_suspend_waits_cpu_off_and_system_off_hold, setup),
        cmocka_unit_test_setup(exit_sysreg_reads_writes_and_kicks, setup),
        cmocka_unit_test_setup(exit_wfi_waits_and_its_kin_only_step, setup),
        cmocka_unit_test_setup(exit_aarch32_traps_are_undefined_unless_their_condition_fails,
                               setup),
        cmocka_unit_test_setup(exit_each_other_class_gives_an_architectural_answer, setup),
        cmocka_unit_test_setup(exit_serror_is_told_to_people_and_the_guest_goes_on, setup),
        cmocka_unit_test_setup(exit_holds_the_vcpu_when_the_machine_is_lost, setup),
        cmocka_unit_test_setup(exit_posted_write_reaches_the_bus_and_nothing_else, setup),
        cmocka_unit_test_setup(exit_posted_event_that_is_no_write_is_dropped, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
