/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/fuzz/command_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/stub/walker.h"

struct model model;

static const struct rv_command *current; /* that is being executed */

_Noreturn void model_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    if (current)
        fprintf(stderr, "op %u flags 0x%x vcpu %u vm %u: 0x%llx 0x%llx 0x%llx 0x%llx\n",
                current->op, current->flags, current->vcpu, current->vm,
                (unsigned long long)current->arg[0], (unsigned long long)current->arg[1],
                (unsigned long long)current->arg[2], (unsigned long long)current->arg[3]);
    abort();
}

static bool inside(uint64_t start, uint64_t size, uint64_t base, uint64_t limit)
{
    unsigned __int128 end = (unsigned __int128)start + size;

    return size && start >= base && end <= (unsigned __int128)base + limit;
}

/* All that a VM's stage 2 maps, and that it is in order: its own RAM and nothing else. */
static uint64_t digest(unsigned vm)
{
    uint64_t sum = 0, base = boot.mem_base + model.vm[vm].ram;

    for (uint64_t ipa = 0; ipa < 1ull << 40;) {
        struct walk w = walker(REG(vtcr_el2), vms[vm].root, ipa);

        if (w.valid) {
            MODEL_CHECK(w.sound && inside(w.pa, w.size, base, model.vm[vm].size));
            sum = sum * 1000003 + (w.pa ^ ipa << 1 ^ w.s2ap ^ (uint64_t)w.xn << 2 ^ w.level << 3);
        }
        ipa += w.size;
    }
    return sum;
}

void model_reset(void)
{
    memset(&model, 0, sizeof(model));
    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        model.vcpu[i].core = -1;
    for (unsigned i = 0; i < FAKE_CORES; i++) {
        struct model_core *core = &model.core[i];

        fake_use(i);
        core->vcpu = -1;
        core->hcr = REG(hcr_el2);
        core->cptr = REG(cptr_el2);
        core->mdcr = REG(mdcr_el2);
        core->vtcr = REG(vtcr_el2);
        core->cnthctl = REG(cnthctl_el2);
    }
}

/* Whose registers: a few of each group. PMU bits and list registers have checks of their own. */

uint64_t model_sign(unsigned vcpu, uint64_t value)
{
    return 0x51600000ull + vcpu + (value << 32);
}

static bool is_of(unsigned vcpu, uint64_t value)
{
    return (uint32_t)value == 0x51600000u + vcpu;
}

void model_sign_page(unsigned vcpu, uint64_t value)
{
    struct rv_vcpu_page *page = &fake_pages[vcpu];
    uint64_t sign = model_sign(vcpu, value);

    page->el1.ttbr0_el1 = page->el1.tpidr_el0 = page->el1.vmpidr_el2 = page->el1.vpidr_el2 = sign;
    page->el1.zcr_el1 = page->el1.vsesr_el2 = page->pauth.key[9] = page->debug.wvr[15] = sign;
    page->timer.cntv_cval = page->timer.cntvoff = page->pmu.pmccntr = sign;
    page->pmu.evcntr[FAKE_COUNTERS - 1] = page->fp.v[62] = page->fp.fpcr = sign;
    page->gic.ap1r0 = page->gic.vmcr = sign;
    for (unsigned i = 0; i < sizeof(page->sve); i += 8)
        memcpy(&page->sve[i], &sign, 8);
}

void model_sign_core(unsigned vcpu, uint64_t value)
{
    uint64_t sign = model_sign(vcpu, value);

    REG(ttbr0_el1) = REG(tpidr_el0) = REG(s3_0_c1_c2_0) = sign;
    REG(s3_0_c2_c3_1) = REG(dbgwvr15_el1) = REG(cntv_cval_el0) = REG(pmccntr_el0) = sign;
    REG(fpcr) = sign;
    fake_core->evcntr[FAKE_COUNTERS - 1] = sign;
    for (unsigned i = 0; i < 128; i += 8)
        memcpy(&fake_core->z[31][i], &sign, 8);
}

static void check_signs(unsigned vcpu, unsigned n)
{
    const struct rv_vcpu_page *page = &fake_pages[vcpu];
    const struct fake_core *core = &fake.core[n];
    uint64_t low, high;

    memcpy(&low, core->z[31], sizeof(low));
    memcpy(&high, &core->z[31][120], sizeof(high));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_ttbr0_el1]) && is_of(vcpu, core->reg[REG_tpidr_el0]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_vmpidr_el2]) && is_of(vcpu, core->reg[REG_vpidr_el2]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_s3_0_c1_c2_0]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_s3_4_c5_c2_3]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_s3_0_c2_c3_1]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_dbgwvr15_el1]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_cntv_cval_el0]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_cntvoff_el2]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_pmccntr_el0]));
    MODEL_CHECK(is_of(vcpu, core->evcntr[FAKE_COUNTERS - 1]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_ich_ap1r0_el2]));
    MODEL_CHECK(is_of(vcpu, core->reg[REG_fpcr]) && is_of(vcpu, low));
    MODEL_CHECK(high == 0 || is_of(vcpu, high)); /* a LOAD of FP alone zeroes it */
    MODEL_CHECK(is_of(vcpu, page->el1.ttbr0_el1) && is_of(vcpu, page->pmu.pmccntr));
}

/* Legality */

static const bool needs_here[RV_COMMAND_COUNT] = {
    [RV_COMMAND_REPLY] = true, [RV_COMMAND_STOP] = true,   [RV_COMMAND_LOAD] = true,
    [RV_COMMAND_SAVE] = true,  [RV_COMMAND_INJECT] = true, [RV_COMMAND_RETRACT] = true,
};
static const bool needs_vm[RV_COMMAND_COUNT] = {
    [RV_COMMAND_VCPU_CREATE] = true,
    [RV_COMMAND_MAP] = true,
    [RV_COMMAND_PROTECT] = true,
    [RV_COMMAND_FLUSH] = true,
};

/* The PPIs that a guest may have. */
#define GUEST_PPIS (0xffff0000u & ~(1u << FAKE_MAINTENANCE))

static bool entry_is_legal(uint64_t lr)
{
    uint32_t vintid = (uint32_t)lr, pintid = (uint32_t)(lr >> 32 & 0x1fff);

    if (lr >> 62 == 0)
        return false;
    if (!(lr >> 61 & 1))
        return vintid < 1020;
    return pintid == vintid && pintid < 32 && GUEST_PPIS >> pintid & 1 && lr >> 62 != 3;
}

static bool page_is_legal(unsigned vcpu, uint64_t groups)
{
    const struct rv_vcpu_page *page = &fake_pages[vcpu];
    unsigned mode = page->pstate & 0x1f;

    if (groups & RV_GROUP_CORE && mode != 0 && mode != 4 && mode != 5 && mode != 0x10)
        return false;
    if (!(groups & RV_GROUP_GIC))
        return true;
    for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
        if (page->gic.irq[i] >> 62 == 0)
            continue;
        if (!entry_is_legal(page->gic.irq[i]))
            return false;
        for (uint32_t j = 0; j < i; j++) {
            if (page->gic.irq[j] >> 62 && (uint32_t)page->gic.irq[j] == (uint32_t)page->gic.irq[i])
                return false;
        }
    }
    return true;
}

enum range { UNMAPPED, MAPPED, EITHER };

/* Is all of [ipa, ipa + size) so? What is mapped of it is mapped by entries inside of it. */
static bool range_is(unsigned vm, uint64_t ipa, uint64_t size, enum range want)
{
    uint32_t entries = 0;

    for (uint64_t at = ipa; at < ipa + size; entries++) {
        struct walk w = walker(REG(vtcr_el2), vms[vm].root, at);
        uint64_t start = at & ~(w.size - 1);

        if (want != UNMAPPED && entries == RV_MAX_ENTRIES)
            return false;
        if (want != EITHER && w.valid != (want == MAPPED))
            return false;
        if (w.valid && (start < ipa || start + w.size > ipa + size))
            return false;
        at = start + w.size;
    }
    return true;
}

/* Entries that a MAP writes: the largest that fit at each place. */
static uint64_t entries_to_map(const struct rv_command *c)
{
    uint64_t n = 0;

    for (uint64_t done = 0; done < c->arg[2]; n++) {
        uint64_t size = c->arg[3] & RV_MAP_PAGES_ONLY ? 4096 : 1ull << 30;

        while (size > 4096 &&
               (c->arg[2] - done < size ||
                ((c->arg[0] + done) | (boot.mem_base + c->arg[1] + done)) & (size - 1)))
            size >>= 9;
        done += size;
    }
    return n;
}

/* Tables count, too, and how many there are depends: near the limit either is right. */
static bool is_near_the_limit(const struct rv_command *c)
{
    uint64_t n;

    if (c->op != RV_COMMAND_MAP || c->arg[2] > 1ull << 40 || c->arg[2] % 4096)
        return false;
    n = entries_to_map(c);
    return n <= RV_MAX_ENTRIES && n > RV_MAX_ENTRIES - RV_MAX_ENTRIES / 64;
}

static bool map_is_legal(const struct rv_command *c)
{
    const struct model_vm *vm = &model.vm[c->vm];

    return (c->arg[0] | c->arg[1] | c->arg[2]) % 4096 == 0 && c->arg[3] < 16 &&
           inside(c->arg[0], c->arg[2], 0, 1ull << 40) &&
           inside(c->arg[1], c->arg[2], vm->ram, vm->size) && entries_to_map(c) <= RV_MAX_ENTRIES &&
           range_is(c->vm, c->arg[0], c->arg[2], UNMAPPED);
}

static bool protect_is_legal(const struct rv_command *c)
{
    return (c->arg[0] | c->arg[1]) % 4096 == 0 && c->arg[2] < 8 &&
           inside(c->arg[0], c->arg[1], 0, 1ull << 40) &&
           range_is(c->vm, c->arg[0], c->arg[1], c->arg[2] ? MAPPED : EITHER);
}

static bool vm_create_is_legal(const struct rv_command *c)
{
    if (c->vm >= RV_MAX_VMS || model.vm[c->vm].exists || (c->arg[0] | c->arg[1]) % 4096 ||
        !inside(c->arg[0], c->arg[1], boot.ram_offset, boot.ram_size))
        return false;
    for (unsigned i = 0; i < RV_MAX_VMS; i++) {
        if (model.vm[i].exists && c->arg[0] < model.vm[i].ram + model.vm[i].size &&
            model.vm[i].ram < c->arg[0] + c->arg[1])
            return false;
    }
    return true;
}

/* The vCPU that RUN names; NULL: it does not exist, or may not run. */
static struct model_vcpu *named(const struct rv_command *c)
{
    struct model_vcpu *vcpu = c->vcpu < FAKE_VCPUS ? &model.vcpu[c->vcpu] : NULL;

    return vcpu && vcpu->exists && !model.vm[vcpu->vm].stopped ? vcpu : NULL;
}

bool model_refuses(unsigned n, const struct rv_command *c)
{
    const struct model_core *core = &model.core[n];

    if (c->op == 0 || c->op >= RV_COMMAND_COUNT)
        return true;
    if (needs_here[c->op] && (core->vcpu < 0 || core->vcpu != c->vcpu))
        return true;
    if (needs_vm[c->op] &&
        (c->vm >= RV_MAX_VMS || !model.vm[c->vm].exists || model.vm[c->vm].stopped))
        return true;
    switch (c->op) {
    case RV_COMMAND_REPLY: return c->flags & 0x78 || !core->blocked;
    case RV_COMMAND_RUN:
        return !named(c) || core->vcpu >= 0 || named(c)->core >= 0 ||
               !page_is_legal(c->vcpu, ~0ull);
    case RV_COMMAND_LOAD: return c->arg[0] > 0x7ff || !page_is_legal(c->vcpu, c->arg[0]);
    case RV_COMMAND_SAVE: return c->arg[0] > 0x7ff;
    case RV_COMMAND_VM_CREATE: return !vm_create_is_legal(c);
    case RV_COMMAND_VCPU_CREATE: return c->vcpu >= FAKE_VCPUS || model.vcpu[c->vcpu].exists;
    case RV_COMMAND_MAP: return !map_is_legal(c);
    case RV_COMMAND_PROTECT: return !protect_is_legal(c);
    case RV_COMMAND_INJECT:
        return c->arg[0] >= 1020 || c->arg[1] & ~0x1bffull || !(c->arg[1] & 0x1800);
    case RV_COMMAND_RETRACT: return c->arg[0] >= 1020 || c->arg[1] > 3;
    case RV_COMMAND_FLUSH:
        return (c->arg[0] | c->arg[1]) % 4096 || c->arg[1] > RV_MAX_FLUSH ||
               !inside(c->arg[0], c->arg[1], model.vm[c->vm].ram, model.vm[c->vm].size);
    default: return false;
    }
}

/* What may come out again. */
static bool entry_is_sound(uint64_t lr)
{
    return lr >> 62 && (lr >> 61 & 1 ? lr >> 62 != 3 : (uint32_t)lr < 1020);
}

/* Effects */

static void stopped(unsigned n, const struct rv_event *event)
{
    struct model_core *core = &model.core[n];
    const struct rv_gic *gic = &fake_pages[event->vcpu].gic;
    bool pending = false;

    MODEL_CHECK(core->vcpu == event->vcpu);
    for (uint32_t i = 0; i < cpu.nr_lrs; i++) {
        MODEL_CHECK(gic->irq[i] >> 62 == 0 || entry_is_sound(gic->irq[i]));
        pending |= (gic->irq[i] >> 62 & 1) != 0;
    }
    MODEL_CHECK(((event->flags & RV_EVENT_FLAG_WAITS) != 0) == (core->waits && !pending));
    model.vcpu[core->vcpu].core = -1;
    core->vcpu = -1;
    core->blocked = core->waits = false;
}

static void load_direct(unsigned vcpu)
{
    model.vcpu[vcpu].direct = 0;
    for (unsigned n = 0; n < 32; n++)
        model.vcpu[vcpu].direct |= (uint32_t)(fake_pages[vcpu].direct[n] >> 62 & 1) << n;
}

/* A command was executed. `flushes`: how often this core's stage 1 entries were dropped. */
static void executed(unsigned n, const struct rv_command *c, unsigned flushes)
{
    struct model_core *core = &model.core[n];
    struct model_vm *vm = &model.vm[c->vm % RV_MAX_VMS];

    switch (c->op) {
    case RV_COMMAND_REPLY:
        core->blocked = false;
        core->waits = (c->flags & RV_REPLY_WAIT) != 0;
        break;
    case RV_COMMAND_RUN:
        MODEL_CHECK(flushes);
        core->vcpu = c->vcpu;
        model.vcpu[c->vcpu].core = (int)n;
        load_direct(c->vcpu);
        break;
    case RV_COMMAND_LOAD:
        if (c->arg[0] & RV_GROUP_DIRECT)
            load_direct(c->vcpu);
        break;
    case RV_COMMAND_VM_CREATE:
        *vm = (struct model_vm){.exists = true, .ram = c->arg[0], .size = c->arg[1]};
        vm->digest = digest(c->vm);
        MODEL_CHECK(vm->digest == 0);
        break;
    case RV_COMMAND_VCPU_CREATE:
        model.vcpu[c->vcpu].exists = true;
        model.vcpu[c->vcpu].vm = c->vm;
        break;
    case RV_COMMAND_PROTECT:
        MODEL_CHECK(fake.flushes_guests != model.flushes_guests);
        model.flushes_guests = fake.flushes_guests;
        vm->digest = digest(c->vm);
        break;
    case RV_COMMAND_MAP: vm->digest = digest(c->vm); break;
    default: break;
    }
}

/* What an accepted MAP or PROTECT did, at both ends of its range. */
static void check_mapped(const struct rv_command *c)
{
    bool map = c->op == RV_COMMAND_MAP;
    uint64_t size = map ? c->arg[2] : c->arg[1], prot = map ? c->arg[3] : c->arg[2];

    for (int end = 0; end <= 1; end++) {
        uint64_t at = end ? size - 4096 : 0;
        struct walk w = walker(REG(vtcr_el2), vms[c->vm].root, c->arg[0] + at);

        MODEL_CHECK(w.valid == (map || prot != 0));
        if (!w.valid)
            continue;
        MODEL_CHECK(w.s2ap == (prot & 3) && w.xn == !(prot & 4));
        MODEL_CHECK(!map || w.pa == boot.mem_base + c->arg[1] + at);
        MODEL_CHECK(!map || !(prot & RV_MAP_PAGES_ONLY) || w.size == 4096);
    }
}

static bool is_in_posted(int vcpu, uint64_t ipa)
{
    for (unsigned i = 0; i < RV_MAX_POSTED; i++) {
        if (ipa - fake_pages[vcpu].posted[i].start < fake_pages[vcpu].posted[i].size)
            return true;
    }
    return false;
}

/* An event that answers no command. */
static void take(unsigned n, const struct rv_event *event)
{
    struct model_core *core = &model.core[n];

    MODEL_CHECK(event->vcpu == (core->vcpu < 0 ? RV_NO_VCPU : (unsigned)core->vcpu));
    switch (event->type) {
    case RV_EVENT_SYNC:
        MODEL_CHECK(core->runs && event->flags == RV_EVENT_FLAG_BLOCKING);
        core->blocked = true;
        break;
    case RV_EVENT_POSTED: MODEL_CHECK(core->runs && is_in_posted(core->vcpu, event->ipa)); break;
    case RV_EVENT_EOI: MODEL_CHECK(core->vcpu >= 0 && event->value < 1020); break;
    case RV_EVENT_REFILL:
        MODEL_CHECK(core->vcpu >= 0 && (!event->value || entry_is_sound(event->value)));
        break;
    case RV_EVENT_STOPPED: stopped(n, event); break;
    case RV_EVENT_STRAY: MODEL_CHECK(event->value >= 32 && event->value != FAKE_DOORBELL); break;
    default: model_fail("an event that nothing asked for", __FILE__, __LINE__);
    }
}

void model_run(unsigned n, void (*call)(struct pcpu *pcpu))
{
    struct pcpu *pcpu = fake_use(n);
    struct rv_event event;
    int was = model.core[n].vcpu;
    bool runs = fake_run(pcpu, call);

    while (fake_event(pcpu, &event)) {
        MODEL_CHECK(event.type != RV_EVENT_STOPPED || model.vm[model.vcpu[was].vm].stopped);
        take(n, &event);
    }
    model.core[n].runs = runs;
    model.core[n].waits = model.core[n].waits && !runs;
}

void model_command(unsigned n, const struct rv_command *c)
{
    struct model_core *core = &model.core[n];
    struct pcpu *pcpu = fake_use(n);
    bool refuse = model_refuses(n, c), answered = false;
    int victim = c->vm < RV_MAX_VMS && model.vm[c->vm].exists ? c->vm : -1;
    unsigned flushes = fake.flushes_vcpu;
    struct rv_event event;
    bool runs;

    current = c;
    fake_command(pcpu, c);
    runs = fake_serve(pcpu);
    while (fake_event(pcpu, &event)) {
        if (is_near_the_limit(c) && !refuse)
            refuse = event.type == RV_EVENT_REFUSED;
        if (event.type == RV_EVENT_ACK) {
            /* MAP may run out of tables before it comes to what is mapped already. */
            MODEL_CHECK((!refuse || (c->op == RV_COMMAND_MAP && event.ipa == RV_STATUS_NO_ROOM)) &&
                        !answered && event.esr == c->tag);
            answered = true;
            if (event.ipa == RV_STATUS_OK) {
                executed(n, c, fake.flushes_vcpu - flushes);
                if (c->op == RV_COMMAND_MAP || c->op == RV_COMMAND_PROTECT)
                    check_mapped(c);
            } else {
                MODEL_CHECK(event.ipa == RV_STATUS_NO_ROOM && c->op != RV_COMMAND_INJECT);
            }
        } else if (event.type == RV_EVENT_REFUSED) {
            MODEL_CHECK(refuse && !answered && event.esr == c->tag && event.ipa == c->op);
            answered = true;
            if (victim >= 0)
                model.vm[victim].stopped = true;
            for (unsigned i = 0; i < FAKE_CORES; i++)
                MODEL_CHECK(fake.core[i].kicks);
        } else {
            MODEL_CHECK(event.type != RV_EVENT_STOPPED || c->op == RV_COMMAND_STOP ||
                        model.vm[model.vcpu[core->vcpu].vm].stopped);
            take(n, &event);
        }
    }
    MODEL_CHECK(answered);
    current = NULL;
    core->runs = runs;
    core->waits = core->waits && !runs;
}

/* Invariants */

/* What is in list registers is legal and there once; the vmm may set only its bits. */
static void check_interrupts(void)
{
    const uint64_t count = 0x1full << 27;

    MODEL_CHECK((REG(ich_hcr_el2) & ~count & ~0x440eull) == 1);
    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t lr = *fake_lr(n);

        MODEL_CHECK(entry_is_sound(lr) || lr >> 62 == 0);
        for (uint32_t m = 0; m < n; m++)
            MODEL_CHECK(lr >> 62 == 0 || *fake_lr(m) >> 62 == 0 ||
                        (uint32_t)lr != (uint32_t)*fake_lr(m));
    }
}

/* HW=1 lets the guest deactivate a physical interrupt: none of the stub's own. */
static void check_hw(uint64_t lr)
{
    if (lr >> 62 && lr >> 61 & 1)
        MODEL_CHECK(entry_is_legal(lr));
}

static void check_core(unsigned n)
{
    const struct model_core *m = &model.core[n];
    const struct pcpu *core = fake_use(n);
    const uint32_t own = 1u | 1u << FAKE_MAINTENANCE;
    uint64_t mode = REG(spsr_el2) & 0x1f;
    uint32_t ppis = 0, enabled = 0;

    /* The guest stays below EL2, and traps. */
    MODEL_CHECK(mode == 0 || mode == 4 || mode == 5 || mode == 0x10);
    MODEL_CHECK((REG(hcr_el2) & ~RV_HCR_BITS) == m->hcr && REG(cptr_el2) == m->cptr);
    MODEL_CHECK(REG(mdcr_el2) == m->mdcr && REG(vtcr_el2) == m->vtcr);
    MODEL_CHECK(REG(cnthctl_el2) == m->cnthctl && REG(s3_4_c1_c2_0) == 15);
    /* Who is here. */
    MODEL_CHECK(core->vcpu == (m->vcpu < 0 ? NULL : &vcpus[m->vcpu]));
    MODEL_CHECK(core->blocked == m->blocked && core->waits == m->waits);
    MODEL_CHECK(m->runs == (m->vcpu >= 0 && !m->blocked && !m->waits));
    if (m->vcpu >= 0) {
        const struct model_vcpu *v = &model.vcpu[m->vcpu];

        MODEL_CHECK(v->core == (int)n && (!model.vm[v->vm].stopped || fake_core->kicks));
        MODEL_CHECK(REG(vttbr_el2) == ((uint64_t)(v->vm + 1) << 48 | (uint64_t)vms[v->vm].root));
        MODEL_CHECK(core->stack_top->gpr == fake_pages[m->vcpu].x);
        check_interrupts();
        for (uint32_t i = 0; i < cpu.nr_lrs; i++)
            check_hw(*fake_lr(i));
        check_signs((unsigned)m->vcpu, n);
        ppis = GUEST_PPIS;
        enabled = v->direct & GUEST_PPIS;
    } else {
        MODEL_CHECK(REG(ich_hcr_el2) == 0 && REG(cntv_ctl_el0) == 0 && REG(cntp_ctl_el0) == 0);
    }
    /* Physical interrupts of the stub are on; others only if the guest here has them. */
    MODEL_CHECK((fake_core->gicr.enabled & own) == own);
    MODEL_CHECK(!(fake_core->gicr.enabled & ~(own | enabled)));
    MODEL_CHECK(!(fake_core->gicr.active & ~ppis));
    MODEL_CHECK(!fake_core->gicr.masking && !fake_core->gicr.active_is_due);
}

void model_check(void)
{
    for (unsigned i = 0; i < FAKE_CORES; i++)
        check_core(i);
    for (unsigned i = 0; i < RV_MAX_VCPUS; i++) {
        const struct model_vcpu *m = i < FAKE_VCPUS ? &model.vcpu[i] : NULL;

        MODEL_CHECK((vcpus[i].vm != NULL) == (m && m->exists));
        if (!m || !m->exists)
            continue;
        MODEL_CHECK(vcpus[i].vm == &vms[m->vm] && vcpus[i].page == &fake_pages[i]);
        MODEL_CHECK(vcpus[i].pcpu == (m->core < 0 ? NULL : &pcpus[m->core]));
    }
    for (unsigned i = 0; i < RV_MAX_VMS; i++) {
        const struct model_vm *m = &model.vm[i];

        MODEL_CHECK(vms[i].exists == m->exists && vms[i].stopped == m->stopped);
        if (!m->exists)
            continue;
        MODEL_CHECK(vms[i].ram_offset == m->ram && vms[i].ram_size == m->size);
    }
}

void model_check_tables(void)
{
    for (unsigned i = 0; i < RV_MAX_VMS; i++)
        MODEL_CHECK(!model.vm[i].exists || digest(i) == model.vm[i].digest);
}
