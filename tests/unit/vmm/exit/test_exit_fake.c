/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/vmm/exit/test_exit_fake.h"
#include "vmm/util/log.h"

struct rv_vcpu_page page;
struct vcpu vcpu;
struct sysreg_cpu sysreg_cpus[2];
struct fake_bus bus;
struct fake_core core;
struct exit_ctx ctx;
unsigned lines, fetches;
int fetch_result;

static struct psci_cpu psci_cpus[2];

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

static uint64_t sgi(void *opaque, unsigned index, enum vgic_sgi_reg which, uint64_t value,
                    uint64_t reached)
{
    assert_int_equal(index, 1);
    return value << 4;
}

static int gic(void *opaque, unsigned index, struct rv_gic *out)
{
    assert_int_equal(index, 1);
    *out = page.gic;
    return fetch_result;
}

static int set_vmcr(void *opaque, unsigned index, uint64_t mask, uint64_t bits)
{
    assert_int_equal(index, 1);
    page.gic.vmcr = (page.gic.vmcr & ~mask) | bits;
    return fetch_result;
}

static int core_on(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    return 0;
}

static void core_cpu_off(void *opaque, unsigned index)
{
    core.cpu_off++;
}

static void core_system_off(void *opaque)
{
    core.system_off++;
}

static void core_reset(void *opaque, enum psci_reset kind)
{
}

static bool core_is_memory(void *opaque, ipa_t addr)
{
    return addr.v >= 0x40000000;
}

static int core_restart(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    assert_int_equal(index, 1);
    core.restart++;
    core.entry = entry;
    core.context_id = context_id;
    return core.restart_result;
}

static const struct psci_ops psci_ops = {core_on,    core_cpu_off,   core_system_off,
                                         core_reset, core_is_memory, core_restart};
int setup(void **state)
{
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
        .sysreg = {.id = {[RV_ID_INDEX(4, 0)] = 0x1122334455667788},
                   .sgi = sgi,
                   .gic = gic,
                   .set_vmcr = set_vmcr},
        .sysreg_cpus = sysreg_cpus,
        .insn_mmio = {.pa_bits = 40},
    };
    smccc_init(&ctx.smccc, &ctx.psci, ctx.sysreg.id);
    return 0;
}

struct exit_reply handle(uint64_t ec, uint64_t iss, uint64_t value, uint64_t addr)
{
    return handle_at(ec, iss, value, addr, FAR);
}

struct exit_reply handle_at(uint64_t ec, uint64_t iss, uint64_t value, uint64_t addr, uint64_t far)
{
    struct rv_event event = {
        .type = RV_EVENT_SYNC,
        .flags = RV_EVENT_FLAG_BLOCKING,
        .vcpu = 1,
        .esr = ec << 26 | 1ull << 25 | iss,
        .far = far,
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
uint64_t dabt(unsigned sas, unsigned sse, unsigned sf, unsigned srt, unsigned wnr)
{
    return 1u << 24 | sas << 22 | sse << 21 | srt << 16 | sf << 15 | wnr << 6 | 7;
}

void assert_injected_at(const struct exit_reply *reply, uint64_t esr, uint64_t pc)
{
    assert_int_equal(reply->flags, 0);
    assert_false(reply->hold);
    assert_int_equal(page.el1.esr_el1, esr);
    assert_int_equal(page.el1.elr_el1, pc);
    assert_int_equal(page.pc, VBAR + 0x200);
    assert_int_equal(vcpu.dirty, RV_GROUP_CORE | RV_GROUP_EL1);
}

void assert_injected(const struct exit_reply *reply, uint64_t esr)
{
    assert_injected_at(reply, esr, PC);
}
