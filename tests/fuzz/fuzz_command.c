/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libFuzzer: any stream of commands, on two cores, with pages and exits as the vmm
 * and the guest please. The stub's C runs on the processor of tests/stub/. What
 * must hold after each step is what keeps the stub and the VMs apart.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/stub/fake.h"
#include "tests/stub/walker.h"

#define CHECK(holds)    \
    do {                \
        if (!(holds)) { \
            abort();    \
        }               \
    } while (0)

/* A step: what it is, where, and 64 bytes that it takes from. */
struct step {
    uint8_t kind;
    uint8_t place;
    uint8_t bytes[62];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Wild values are of little use as they are: most are brought near to what is legal. */
static uint64_t near_legal(uint64_t value, unsigned op, unsigned arg)
{
    uint64_t small = value >> 8 & 0xffffff;

    switch (value & 7) {
    case 0: return value;
    case 1: return boot.ram_offset + small * RV_PAGE_SIZE % boot.ram_size;
    case 2: return boot.ram_offset + (small & 7) * FAKE_GB;
    case 3: return (small & 0xfff) * RV_BLOCK_SIZE;
    case 4: return (small & 0xff) * RV_PAGE_SIZE;
    case 5: return small & 0x3f;
    case 6: return small & 0x1fff;
    default: return op == RV_COMMAND_INJECT && arg == 1 ? (small & 0x3ff) | RV_IRQ_PENDING : small;
    }
}

static void push(struct pcpu *core, const struct step *step)
{
    struct rv_command command;

    memcpy(&command, step->bytes, sizeof(step->bytes));
    command.op = step->bytes[4] % 20;
    command.vcpu = step->bytes[6] & 0xe0 ? step->bytes[6] & 3 : command.vcpu;
    command.vm = step->bytes[8] & 0xe0 ? step->bytes[8] & 3 : command.vm;
    for (unsigned i = 0; i < 6; i++)
        command.arg[i] = near_legal(command.arg[i], command.op, i);
    fake_command(core, &command);
}

static void write_page(const struct step *step)
{
    struct rv_vcpu_page *page = &fake_pages[step->place & 3];
    uint64_t value;

    memcpy(&value, step->bytes, sizeof(value));
    switch (step->bytes[8] & 3) {
    case 0: page->pstate = value & 0x1f; break;
    case 1: page->gic.nr_irqs = (uint32_t)value & (value >> 32 & 1 ? 0xffffffff : 0x7f); break;
    case 2: page->gic.irq[step->bytes[9] % 8] = value; break;
    default:
        page->gic.irq[step->bytes[9] % 8] =
            (value & LR_STATES) | LR_HW | (16 + (value & 15)) << 32 | (16 + (value >> 8 & 15));
        break;
    }
}

static void check_tables(void)
{
    for (unsigned i = 0; i < RV_MAX_VMS; i++) {
        uint64_t start = boot.mem_base + vms[i].ram_offset;

        if (!vms[i].exists)
            continue;
        CHECK(range_inside(vms[i].ram_offset, vms[i].ram_size, boot.ram_offset, boot.ram_size));
        for (uint64_t ipa = 0; ipa < 1ull << RV_IPA_BITS;) {
            struct walk w = walker(vms[i].root, ipa);

            CHECK(!w.valid || (w.sound && range_inside(w.pa, w.size, start, vms[i].ram_size)));
            ipa += w.size;
        }
        for (unsigned j = 0; j < i; j++)
            CHECK(!vms[j].exists || vms[j].ram_offset >= vms[i].ram_offset + vms[i].ram_size ||
                  vms[i].ram_offset >= vms[j].ram_offset + vms[j].ram_size);
    }
}

/* HW=1 lets the guest deactivate a physical interrupt: only one that was tied to it. */
static bool may_deactivate(const struct vcpu *vcpu, uint32_t pintid)
{
    for (unsigned i = 0; i < RV_MAX_DIRECT; i++) {
        if (vcpu->direct[i].pintid == pintid)
            return true;
    }
    return false;
}

static void check_core(const struct pcpu *core, bool runs)
{
    const struct vcpu *vcpu = core->vcpu;
    uint64_t mode = REG(spsr_el2) & 0x1f;

    CHECK(mode == 0 || mode == 4 || mode == 5 || mode == 0x10);
    CHECK(!runs || (vcpu && !vcpu->vm->stopped && !core->blocked));
    if (!vcpu)
        return;
    CHECK(vcpu->pcpu == core && vcpu->nr_queue <= RV_VCPU_IRQS - cpu.nr_lrs);
    CHECK(REG(vttbr_el2) == stage2_vttbr(vcpu->vm));
    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t lr = *fake_lr(n);

        CHECK(!(lr & LR_STATES) || LR_VINTID(lr) < 1020);
        CHECK(!(lr & LR_STATES) || !(lr & LR_HW) || may_deactivate(vcpu, LR_PINTID(lr)));
    }
}

static void drain(struct pcpu *core)
{
    struct rv_event event;

    while (fake_event(core, &event))
        CHECK(event.type >= RV_EVENT_READY && event.type <= RV_EVENT_STOPPED);
}

static bool do_step(struct pcpu *core, const struct step *step)
{
    switch (step->kind % 8) {
    case 0: write_page(step); return fake_serve(core);
    case 1: /* the guest traps */
        memcpy(&REG(esr_el2), step->bytes, 8);
        memcpy(&REG(hpfar_el2), step->bytes + 8, 8);
        return core->vcpu && !core->blocked ? fake_run(core, exit_sync) : fake_serve(core);
    case 2: /* a physical interrupt */
        fake_core->irq[fake_core->nr_irqs++] = step->bytes[0] % 64;
        return core->vcpu && !core->blocked ? fake_run(core, exit_irq) : fake_serve(core);
    case 3: /* the guest takes or ends something */
        for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
            if (step->bytes[0] >> n & 1 && *fake_lr(n) & LR_STATES)
                *fake_lr(n) ^= *fake_lr(n) & LR_PENDING ? LR_STATES : LR_ACTIVE;
        }
        return fake_serve(core);
    default: push(core, step); return fake_serve(core);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fake_reset(4);
    for (uint16_t i = 0; i < 2; i++) {
        fake_use(i);
        fake_create_vm(i);
        fake_create_vcpu(i, i);
        fake_ok(&pcpus[i], (struct rv_command){.op = RV_COMMAND_RUN, .vcpu = i, .vm = i});
    }
    for (size_t n = 0; n < 64 && size >= sizeof(struct step); n++) {
        struct step step;
        struct pcpu *core;
        bool runs;

        memcpy(&step, data, sizeof(step));
        data += sizeof(step);
        size -= sizeof(step);
        core = fake_use(step.place >> 4 & 1);
        runs = do_step(core, &step);
        drain(core);
        check_core(core, runs);
    }
    check_tables();
    return 0;
}
