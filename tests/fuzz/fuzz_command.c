/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: the stub's commands, exits and pages, on three cores. The stub's C runs
 * on the processor of tests/unit/stub/; command_model.c says what each command must do,
 * and what must hold after each step.
 *
 * A run is a sequence of legal commands, some of them with one field changed: what is
 * wild in all its fields is refused for the first of them, and stops the VM. The
 * input decides all; where it ends, numbers made from it go on.
 */
#include <string.h>

#include "tests/fuzz/command_model.h"

#define STEPS  160
#define TABLES 20u /* table pages: few, so that they are used up */
#define BASE   0x40000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
    const uint8_t *data;
    size_t size;
    uint64_t more;
} input;

/* 0 to limit - 1. */
static uint64_t pick(uint64_t limit)
{
    uint16_t value = 0;

    if (input.size >= sizeof(value)) {
        memcpy(&value, input.data, sizeof(value));
        input.data += sizeof(value);
        input.size -= sizeof(value);
        input.more = (input.more ^ value) * 0x100000001b3ull;
        return value % limit;
    }
    input.more ^= input.more << 13;
    input.more ^= input.more >> 7;
    input.more ^= input.more << 17;
    return (input.more >> 16) % limit;
}

static uint64_t wild(void)
{
    static const uint64_t interesting[] = {
        0,          1,          2,          15,         16,         31,         32,
        63,         64,         1019,       1020,       4095,       4096,       0x200000,
        1ull << 30, 1ull << 31, 1ull << 32, 1ull << 39, 1ull << 40, 1ull << 61, 1ull << 63,
        ~0ull,      ~4095ull,   0xffffffff, 0x7ff,      0x800};

    if (pick(2))
        return interesting[pick(sizeof(interesting) / sizeof(*interesting))];
    return pick(0x10000) << (pick(4) * 16) | pick(0x10000);
}

/* Where things are mapped: few places, so that they meet. */
static uint64_t place(void)
{
    return BASE + pick(3) * FAKE_GB * pick(2) + pick(4) * RV_BLOCK_SIZE * pick(2) +
           pick(4) * RV_PAGE_SIZE * pick(2);
}

static uint64_t length(void)
{
    static const uint64_t lengths[] = {RV_PAGE_SIZE,      2 * RV_PAGE_SIZE,
                                       RV_BLOCK_SIZE,     RV_BLOCK_SIZE + RV_PAGE_SIZE,
                                       2 * RV_BLOCK_SIZE, FAKE_GB};

    return lengths[pick(sizeof(lengths) / sizeof(*lengths))];
}

/* A command that has a good chance to be legal here. */
static struct rv_command generate(unsigned core)
{
    int live = model.core[core].vcpu;
    struct rv_command c = {.vcpu = (uint16_t)(live < 0 ? pick(FAKE_VCPUS) : (uint64_t)live)};

    c.op = (uint8_t)(1 + pick(RV_COMMAND_COUNT - 1));
    if (c.op == RV_COMMAND_RUN || c.op == RV_COMMAND_VCPU_CREATE)
        c.vcpu = (uint16_t)pick(FAKE_VCPUS);
    c.vm = (uint16_t)(model.vcpu[c.vcpu].exists ? model.vcpu[c.vcpu].vm : pick(4));
    switch (c.op) {
    case RV_COMMAND_REPLY:
        c.flags = (uint8_t)pick(8);
        c.reg = (uint16_t)pick(32);
        c.arg[0] = wild();
        c.arg[1] = pick(16) ? 0 : wild();
        break;
    case RV_COMMAND_LOAD:
    case RV_COMMAND_SAVE: c.arg[0] = pick(RV_GROUPS_ALL + 1); break;
    case RV_COMMAND_VM_CREATE:
        c.vm = (uint16_t)pick(RV_MAX_VMS);
        c.arg[0] = boot.ram_offset + pick(RV_MAX_VMS) * FAKE_GB;
        c.arg[1] = FAKE_GB * (1 + pick(2));
        break;
    case RV_COMMAND_VCPU_CREATE: c.vm = (uint16_t)pick(4); break;
    case RV_COMMAND_MAP:
        c.arg[0] = place();
        c.arg[1] = model.vm[c.vm].ram + (place() - BASE) % FAKE_GB;
        c.arg[2] = length();
        c.arg[3] = pick(16);
        break;
    case RV_COMMAND_PROTECT:
        c.arg[0] = place();
        c.arg[1] = length();
        c.arg[2] = pick(8);
        break;
    case RV_COMMAND_INJECT:
        c.arg[0] = pick(4) ? 16 + pick(24) : pick(1020);
        c.arg[1] = (pick(32) << 3) | (1 + pick(3)) << 11 | pick(4) << 8;
        break;
    case RV_COMMAND_RETRACT:
        c.arg[0] = 16 + pick(24);
        c.arg[1] = pick(4);
        break;
    case RV_COMMAND_FLUSH:
        c.arg[0] = model.vm[c.vm].ram + (place() - BASE) % FAKE_GB;
        c.arg[1] = RV_PAGE_SIZE * (1 + pick(3));
        break;
    default: break;
    }
    return c;
}

static void mutate(struct rv_command *c)
{
    unsigned field = (unsigned)pick(11);

    switch (field) {
    case 0: c->op = (uint8_t)wild(); break;
    case 1: c->flags ^= (uint8_t)(1u << pick(8)); break;
    case 2: c->vcpu = (uint16_t)wild(); break;
    case 3: c->vm = (uint16_t)wild(); break;
    case 4: c->vm = (uint16_t)pick(RV_MAX_VMS + 1); break;
    case 5: c->vcpu = (uint16_t)pick(FAKE_VCPUS + 1); break;
    case 6: c->arg[pick(4)] ^= 1ull << pick(64); break;
    case 7: c->arg[pick(4)] += pick(2) ? 1 : RV_PAGE_SIZE; break;
    case 8: c->arg[pick(4)] -= pick(2) ? 1 : RV_PAGE_SIZE; break;
    case 9: c->arg[pick(2)] = boot.ram_offset + pick(RV_MAX_VMS) * FAKE_GB; break;
    default: c->arg[pick(4)] = wild(); break;
    }
}

static void command(unsigned core)
{
    bool any = pick(24) == 0;

    for (unsigned tries = 0; tries < 8; tries++) {
        struct rv_command c = generate(core);

        if (any && pick(3))
            mutate(&c); /* else it is the page, or the state, that may be illegal */
        else if (!any && model_refuses(core, &c))
            continue;
        c.flags |= RV_COMMAND_FLAG_ACK;
        c.tag = (uint32_t)pick(0x10000);
        model_command(core, &c);
        return;
    }
}

/* The vmm writes a page: what it may, and what it may not. Its vCPU may be live. */
static void write_page(unsigned vcpu)
{
    static const uint8_t modes[] = {0, 4, 5, 0x10};
    struct rv_vcpu_page *page = &fake_pages[vcpu];
    bool any = pick(16) == 0;

    switch (pick(8)) {
    case 0: page->pstate = (any ? pick(32) : modes[pick(4)]) | pick(16) << 28; break;
    case 1: page->el1.hcr_el2 = any ? wild() : pick(8) << 12 | pick(2) << 8; break;
    case 2:
        page->gic.hcr = any ? wild() : pick(8) << 1 | pick(2) << 14;
        page->gic.ppi_active = pick(2) ? wild() : 0;
        break;
    case 3:
        page->gic.irq[pick(3)] =
            any        ? wild() << 48 | wild()
            : !pick(4) ? 0
            : pick(3)  ? (1 + pick(3)) << 62 | pick(32) << 51 | (16 + pick(24))
                       : (1 + pick(2)) << 62 | LR_HW | (26 + pick(5)) * (1ull << 32 | 1);
        break;
    case 5:
        page->direct[pick(32)] = any ? wild() << 48 | wild() : pick(2) << 62 | pick(32) << 51;
        break;
    case 6:
        page->posted[pick(RV_MAX_POSTED)] =
            (struct rv_posted){pick(8) * 0x1000, any ? wild() : pick(2) * 0x1000 + pick(8)};
        break;
    case 4:
        page->pmu.pmselr = pick(32);
        page->pmu.pmcntenset = wild();
        page->pmu.pmcr = pick(2);
        break;
    default: model_sign_page(vcpu, pick(0x10000)); break;
    }
}

/* What a guest does without an exit. */
static void run_guest(unsigned n)
{
    static const uint8_t modes[] = {0, 4, 5, 0x10};
    uint32_t lr = (uint32_t)pick(cpu.nr_lrs);
    uint64_t old = *fake_lr(lr);

    switch (pick(5)) {
    case 0: model_sign_core((unsigned)model.core[n].vcpu, pick(0x10000)); break;
    case 1:
        REG(spsr_el2) = modes[pick(4)];
        REG(elr_el2) = wild();
        REG(pmselr_el0) = pick(32);
        REG(hcr_el2) &= ~HCR_VSE; /* it has taken its virtual SError */
        break;
    case 2: /* takes one */
        if (old >> 62 == 1)
            *fake_lr(lr) = old ^ 3ull << 62;
        break;
    case 3: /* ends one that no list register has: EOIcount */
        if ((REG(ich_hcr_el2) >> 27 & 31) < 4)
            REG(ich_hcr_el2) += 1ull << 27;
        break;
    default: /* ends one */
        *fake_lr(lr) = old & ~LR_ACTIVE;
        if (old & LR_ACTIVE && old & LR_HW)
            fake_core->gicr.active &= ~(1u << LR_PINTID(old) % 32);
        break;
    }
}

static void trap(unsigned n)
{
    static const uint64_t esr[] = {
        ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ISS_DABT_ISV | ESR_ISS_DABT_WNR | 7,
        ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ISS_DABT_ISV | 7,
        ESR_SET(ESR_EC_WFX, ESR_ELx_EC),
        ESR_SET(ESR_EC_HVC64, ESR_ELx_EC),
    };

    REG(esr_el2) = pick(8) ? esr[pick(4)] | ESR_SET(pick(32), ESR_ISS_DABT_SRT) : wild();
    REG(hpfar_el2) = pick(10) << 4;
    REG(far_el2) = pick(0x1000);
    model_run(n, exit_sync);
}

/* A physical interrupt of this core that is enabled and not active; SGI 0 is the kick. */
static void interrupt(unsigned n)
{
    uint32_t ppi = (uint32_t)(25 + pick(6));

    if (fake_core->kicks) {
        fake_core->kicks = 0;
        fake_core->irq[fake_core->nr_irqs++] = 0;
    }
    if ((fake_core->gicr.enabled & ~fake_core->gicr.active) >> ppi & 1)
        fake_core->irq[fake_core->nr_irqs++] = ppi;
    if (n == 0 && pick(8) == 0) {
        fake.doorbell_kicks = wild();
        fake_core->irq[fake_core->nr_irqs++] = FAKE_DOORBELL;
    }
    if (pick(8) == 0) { /* one that nobody expects */
        uint32_t stray = 32 + (uint32_t)pick(9000);

        if (stray != FAKE_DOORBELL && (stray < 1020 || stray > 1023))
            fake_core->irq[fake_core->nr_irqs++] = stray;
    }
    if (fake_core->nr_irqs)
        model_run(n, exit_irq);
}

static void step(void)
{
    unsigned n = (unsigned)pick(FAKE_CORES);

    fake_use(n);
    switch (pick(12)) {
    case 0:
    case 1: write_page((unsigned)pick(FAKE_VCPUS)); break;
    case 2:
    case 3:
        if (model.core[n].runs)
            run_guest(n);
        break;
    case 4:
    case 5:
        if (model.core[n].runs)
            trap(n);
        break;
    case 6: interrupt(n); break;
    default: command(n); break;
    }
    model_check();
}

/* Two VMs, three vCPUs, of which each VM has one that runs. */
static void start(void)
{
    static const uint16_t vm_of[] = {0, 0, 1};

    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        model_sign_page(i, 0);
    for (uint16_t i = 0; i < 2; i++)
        model_command(0, &(struct rv_command){.op = RV_COMMAND_VM_CREATE,
                                              .flags = RV_COMMAND_FLAG_ACK,
                                              .vm = i,
                                              .arg = {boot.ram_offset + i * FAKE_GB, FAKE_GB}});
    for (uint16_t i = 0; i < 3; i++) {
        struct rv_command c = {
            .op = RV_COMMAND_VCPU_CREATE, .flags = RV_COMMAND_FLAG_ACK, .vcpu = i, .vm = vm_of[i]};

        model_command(1, &c);
        c.op = RV_COMMAND_RUN;
        if (i != 1)
            model_command(i / 2, &c);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input.data = data;
    input.size = size;
    input.more = 0xcbf29ce484222325ull;
    fake_features = size % 2 ? RV_FEATURE_SMALL_IPA : 0;
    fake_reset(4);
    model_reset();
    start();
    fake_pool(TABLES);
    model_check();
    for (unsigned i = 0; i < STEPS; i++) {
        step();
        if (i % 32 == 0)
            model_check_tables();
    }
    /* The kicks arrive: nobody runs a VM that is stopped. */
    for (unsigned i = 0; i < FAKE_CORES; i++) {
        fake_use(i);
        fake_core->kicks++;
        interrupt(i);
        MODEL_CHECK(model.core[i].vcpu < 0 || !model.vm[model.vcpu[model.core[i].vcpu].vm].stopped);
    }
    model_check();
    model_check_tables();
    return 0;
}
