/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits from event to reply: MMIO, calls, registers, classes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/arm/esr.h"
#include "tests/unit/vmm/exit/test_exit_fake.h"
#include "vmm/util/log.h"

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

    r = handle(0x24, dabt(2, 0, 0, 31, 0), 0, DEVICE);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.reads, 1);
}

static void exit_mmio_write_carries_the_bits_of_its_size(void **state)
{
    static const uint64_t want[] = {0x88, 0x7788, 0x55667788, 0x1122334455667788};

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

static void exit_mmio_that_fails_is_an_external_abort_logged_once(void **state)
{
    struct exit_reply r;

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

/* A device that is being reset: nothing but this vCPU waits for it. */
static void exit_mmio_write_that_a_device_cannot_take_now_is_made_again(void **state)
{
    struct exit_reply r;

    bus.result = -EAGAIN;
    for (unsigned i = 0; i < 1000; i++) {
        r = handle(0x24, dabt(2, 0, 0, 5, 1), 0, DEVICE);
        assert_int_equal(r.flags, 0);
        assert_false(r.hold);
    }
    bus.result = 0;
    r = handle(0x24, dabt(2, 0, 0, 5, 1), 0, DEVICE);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.writes, 1001);
    assert_int_equal(lines, 0);
    /* A read has no such answer. */
    bus.result = -EAGAIN;
    r = handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE);
    assert_injected(&r, 0x96000010);
}

static void exit_mmio_beyond_the_guests_physical_addresses_is_an_address_size_fault(void **state)
{
    struct exit_reply r;

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
    ctx.insn_mmio.ram =
        (struct guest_ram){.host = (uint8_t *)ram, .ipa = 0x40000000, .size = sizeof(ram)};
    ctx.insn_mmio.pa_bits = 40;
    page.pc = event.pc;
    memset(&reply, 0xff, sizeof(reply));
    exit_handle(&ctx, &vcpu, &event, &reply);
    return reply;
}

static void exit_mmio_without_syndrome_is_done_from_the_instruction(void **state)
{
    struct exit_reply r;

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

static void exit_mmio_by_instruction_that_the_bus_refuses_is_an_external_abort(void **state)
{
    struct exit_reply r;

    page.x[1] = 0x0b005000;
    bus.result = -ENXIO;
    r = handle_instruction(0xa8c10c22, 0x0b005000);
    assert_injected_at(&r, 0x96000010, 0x40000004);
    assert_int_equal(page.el1.far_el1, 0x0b005000);
    assert_int_equal(page.x[1], 0x0b005000); /* no writeback */
    assert_int_equal(lines, 1);
}

static void exit_mmio_by_instruction_that_a_device_cannot_take_now_is_made_again(void **state)
{
    struct exit_reply r;

    page.x[1] = DEVICE;
    bus.result = -EAGAIN;
    r = handle_instruction(0xa8810c22, DEVICE); /* stp x2, x3, [x1], #16 */
    assert_int_equal(r.flags, 0);
    assert_int_equal(page.x[1], DEVICE);
    assert_int_equal(lines, 0);
}

static void exit_mmio_by_instruction_takes_the_faults_of_its_own(void **state)
{
    struct exit_reply r;

    page.el1.sctlr_el1 |= 1u << 3; /* SA */
    page.el1.sp_el1 = DEVICE + 8;
    r = handle_instruction(0xa9400fe2, DEVICE + 8); /* ldp x2, x3, [sp] */
    assert_injected_at(&r, 0x9a000000, 0x40000004);
    assert_int_equal(page.el1.far_el1, 0);

    setup(NULL);
    page.el1.sctlr_el1 |= 1u << 1; /* A */
    page.x[1] = DEVICE + 4;
    r = handle_instruction(0xa9000c22, DEVICE + 4); /* stp x2, x3, [x1] */
    assert_injected_at(&r, 0x96000061, 0x40000004);
    assert_int_equal(page.el1.far_el1, DEVICE + 4);

    setup(NULL);
    page.x[1] = 1ull << 41;
    r = handle_instruction(0xa9400c22, DEVICE); /* ldp x2, x3, [x1]: not what aborted */
    assert_injected_at(&r, 0x96000000, 0x40000004);
    assert_int_equal(page.el1.far_el1, 1ull << 41);
    assert_int_equal(bus.reads + bus.writes, 0);

    setup(NULL);
    fetch_result = -EIO;
    assert_true(handle_instruction(0xa9400c22, DEVICE).hold);
}

static void exit_mmio_by_instruction_that_is_not_emulated_is_an_external_abort(void **state)
{
    struct exit_reply r = handle_instruction(0xd503201f, 0x0b006000); /* nop */

    assert_injected_at(&r, 0x96000010, 0x40000004);
    assert_int_equal(page.el1.far_el1, 0x0b006000);
    assert_int_equal(lines, 1);
}

static void exit_mmio_whose_instruction_is_gone_is_tried_again_but_not_for_ever(void **state)
{
    struct exit_reply r;

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
    assert_int_equal(handle(0x24, 1u << 8 | 1u << 6 | 7, 0, DEVICE).flags, RV_REPLY_ADVANCE);
    assert_int_equal(bus.reads + bus.writes + fetches, 0);
}

static void exit_fetch_from_a_device_is_an_instruction_abort(void **state)
{
    struct exit_reply r = handle(0x20, 0x7, 0, DEVICE);

    assert_injected(&r, 0x86000010);
    assert_int_equal(page.el1.far_el1, FAR);
    setup(NULL);
    r = handle(0x20, 0x4, 0, 1ull << 47);
    assert_injected(&r, 0x86000000);
}

static void exit_hvc_answers_in_x0_and_smc_steps_too(void **state)
{
    struct exit_reply r;

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

static uint64_t sys(unsigned op0, unsigned op1, unsigned crn, unsigned crm, unsigned op2,
                    unsigned rt, unsigned read)
{
    return op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read;
}

static void exit_sysreg_reads_writes_and_kicks(void **state)
{
    struct exit_reply r;

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

static void exit_sysreg_of_the_cpu_interface_holds_a_vcpu_of_a_lost_machine(void **state)
{
    struct exit_reply r;

    page.x[4] = 0xf0;
    r = handle(0x18, sys(3, 0, 4, 6, 0, 4, 0), 0, 0); /* msr ICC_PMR_EL1 */
    assert_int_equal(r.flags, RV_REPLY_ADVANCE);
    assert_false(r.hold);
    r = handle(0x18, sys(3, 0, 4, 6, 0, 9, 1), 0, 0);
    assert_int_equal(r.flags, RV_REPLY_ADVANCE | RV_REPLY_REG);
    assert_int_equal(r.value, 0xf0);
    assert_false(r.hold);
    fetch_result = -EIO;
    assert_true(handle(0x18, sys(3, 0, 4, 6, 0, 4, 0), 0, 0).hold);
    assert_true(handle(0x18, sys(3, 0, 4, 6, 0, 9, 1), 0, 0).hold);
}

static void exit_wfi_waits_and_its_kin_only_step(void **state)
{
    assert_int_equal(handle(0x01, 0x1e00000, 0, 0).flags, RV_REPLY_ADVANCE | RV_REPLY_WAIT);
    for (unsigned which = 1; which < 4; which++)
        assert_int_equal(handle(0x01, 0x1e00000 | which, 0, 0).flags, RV_REPLY_ADVANCE);
    page.pstate = 0x10; /* AArch32, Z clear; WFIEQ */
    assert_int_equal(handle(0x01, 0x1000000, 0, 0).flags, RV_REPLY_ADVANCE);
}

static void exit_aarch32_traps_are_undefined_unless_their_condition_fails(void **state)
{
    static const unsigned classes[] = {0x03, 0x04, 0x05, 0x06, 0x08, 0x0c, 0x13};

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

static void exit_holds_the_vcpu_when_the_machine_is_lost(void **state)
{
    struct exit_reply r;

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

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct rv_event event = {.type = RV_EVENT_POSTED, .esr = bad[i], .ipa = DEVICE};

        exit_handle_posted(&ctx, &event);
    }
    assert_int_equal(bus.reads + bus.writes, 0);
    assert_int_equal(lines, COUNT(bad));
}

static void exit_exclusive_access_to_a_device_is_an_unsupported_exclusive_fault(void **state)
{
    struct exit_reply r;

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
    page.pstate = T32_ITT;
    bus.result = -ENXIO;
    handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE + 0x7c);
    assert_int_equal(page.el1.spsr_el1, T32_ITT);
}

static void exit_of_thumb_without_a_machine_is_held(void **state)
{
    page.pstate = T32_ITT;
    fetch_result = -EIO;
    assert_true(handle(0x24, dabt(2, 0, 0, 5, 0), 0, DEVICE).hold);
}

static void exit_power_down_restarts_and_waits_by_hvc_and_smc(void **state)
{
    static const uint64_t classes[] = {0x16, 0x17};

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

static void exit_is_counted_by_its_kind(void **state)
{
    const struct rv_event posted = {
        .type = RV_EVENT_POSTED,
        .vcpu = 1,
        .esr = ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | dabt(2, 0, 0, 3, 1),
        .ipa = 0x9000000,
    };

    handle(ESR_EC_DABT_LOWER, dabt(2, 0, 0, 3, 1), 5, 0x9000000);
    handle(ESR_EC_DABT_LOWER, dabt(2, 0, 0, 3, 0), 5, 0x9000000);
    handle(ESR_EC_UNKNOWN, 0, 0, 0);
    exit_handle_posted(&ctx, &posted);
    assert_int_equal(ctx.stats.kind[EXIT_DATA_ABORT].count, 2);
    assert_int_equal(ctx.stats.kind[EXIT_DATA_ABORT].timed, 1);
    assert_int_equal(ctx.stats.kind[EXIT_UNKNOWN].count, 1);
    assert_int_equal(ctx.stats.kind[EXIT_STATS_POSTED].count, 1);
    assert_int_equal(exit_stats_total(&ctx.stats), 4);
}

static void exit_is_counted_by_what_it_accessed(void **state)
{
    const struct rv_event posted = {
        .type = RV_EVENT_POSTED,
        .vcpu = 1,
        .esr = ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | dabt(2, 0, 0, 3, 1),
        .ipa = 0x9000000,
    };
    struct exit_stats_place places[4];

    ctx.stats.by_place = true;
    page.x[0] = 0xffffffff84000000; /* PSCI_VERSION: 32 bits count */
    for (unsigned i = 0; i < 4; i++) {
        exit_handle_posted(&ctx, &posted);
        if (i < 3)
            handle(ESR_EC_DABT_LOWER, dabt(2, 0, 0, 3, 0), 5, 0x9000018);
        if (i < 2)
            handle(ESR_EC_SYSREG, 0x300c16 | 5u << 5, 0, 0);
    }
    handle(ESR_EC_HVC64, 0, 0, 0);
    assert_int_equal(exit_stats_places(&ctx.stats, places, 4), 4);
    assert_int_equal(places[0].kind, EXIT_STATS_POSTED);
    assert_int_equal(places[0].what, 0x9000000);
    assert_int_equal(places[0].count, 4);
    assert_int_equal(places[1].kind, EXIT_DATA_ABORT);
    assert_int_equal(places[1].what, 0x9000018);
    assert_false(places[1].write);
    assert_int_equal(places[2].kind, EXIT_SYSREG);
    assert_int_equal(places[2].count, 2);
    assert_int_equal(places[3].kind, EXIT_HVC64);
    assert_int_equal(places[3].what, 0x84000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exit_is_counted_by_its_kind, setup),
        cmocka_unit_test_setup(exit_is_counted_by_what_it_accessed, setup),
        cmocka_unit_test_setup(exit_exclusive_access_to_a_device_is_an_unsupported_exclusive_fault,
                               setup),
        cmocka_unit_test_setup(exit_of_thumb_steps_its_it_block_too, setup),
        cmocka_unit_test_setup(exit_of_thumb_that_takes_an_exception_stays_in_its_it_block, setup),
        cmocka_unit_test_setup(exit_of_thumb_without_a_machine_is_held, setup),
        cmocka_unit_test_setup(exit_power_down_restarts_and_waits_by_hvc_and_smc, setup),
        cmocka_unit_test_setup(exit_call_writes_x1_to_x3_only_with_results, setup),
        cmocka_unit_test_setup(exit_mmio_read_extends_into_the_register, setup),
        cmocka_unit_test_setup(exit_mmio_read_to_the_zero_register_still_reads_the_device, setup),
        cmocka_unit_test_setup(exit_mmio_write_carries_the_bits_of_its_size, setup),
        cmocka_unit_test_setup(exit_mmio_that_fails_is_an_external_abort_logged_once, setup),
        cmocka_unit_test_setup(exit_mmio_write_that_a_device_cannot_take_now_is_made_again, setup),
        cmocka_unit_test_setup(exit_mmio_by_instruction_that_a_device_cannot_take_now_is_made_again,
                               setup),
        cmocka_unit_test_setup(
            exit_mmio_beyond_the_guests_physical_addresses_is_an_address_size_fault, setup),
        cmocka_unit_test_setup(exit_mmio_without_syndrome_is_done_from_the_instruction, setup),
        cmocka_unit_test_setup(exit_mmio_by_instruction_that_the_bus_refuses_is_an_external_abort,
                               setup),
        cmocka_unit_test_setup(exit_mmio_by_instruction_takes_the_faults_of_its_own, setup),
        cmocka_unit_test_setup(exit_mmio_by_instruction_that_is_not_emulated_is_an_external_abort,
                               setup),
        cmocka_unit_test_setup(exit_mmio_whose_instruction_is_gone_is_tried_again_but_not_for_ever,
                               setup),
        cmocka_unit_test_setup(exit_cache_maintenance_on_a_device_is_done, setup),
        cmocka_unit_test_setup(exit_fetch_from_a_device_is_an_instruction_abort, setup),
        cmocka_unit_test_setup(exit_hvc_answers_in_x0_and_smc_steps_too, setup),
        cmocka_unit_test_setup(exit_cpu_suspend_waits_cpu_off_and_system_off_hold, setup),
        cmocka_unit_test_setup(exit_sysreg_reads_writes_and_kicks, setup),
        cmocka_unit_test_setup(exit_sysreg_of_the_cpu_interface_holds_a_vcpu_of_a_lost_machine,
                               setup),
        cmocka_unit_test_setup(exit_wfi_waits_and_its_kin_only_step, setup),
        cmocka_unit_test_setup(exit_aarch32_traps_are_undefined_unless_their_condition_fails,
                               setup),
        cmocka_unit_test_setup(exit_each_other_class_gives_an_architectural_answer, setup),
        cmocka_unit_test_setup(exit_holds_the_vcpu_when_the_machine_is_lost, setup),
        cmocka_unit_test_setup(exit_posted_write_reaches_the_bus_and_nothing_else, setup),
        cmocka_unit_test_setup(exit_posted_event_that_is_no_write_is_dropped, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
