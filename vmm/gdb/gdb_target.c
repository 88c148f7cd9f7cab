/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/gdb/gdb_target.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/arm/esr.h"
#include "vmm/insn/insn_exec.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_counter.h"

#define RANGE_STEPS_MAX 16u /* waits that are stepped over in a row */

/* ICH_VMCR_EL2 (GICv3 IHI 0069): interrupts of group 0 and 1 are signalled. */
#define VMCR_ENABLES 3ull

/* ID_AA64ISAR1_EL1: APA and API; ID_AA64ISAR2_EL1: APA3. One of them is not 0 with FEAT_PAuth. */
#define ISAR1_PAUTH 0xff0ull
#define ISAR2_PAUTH 0xf000ull

/* WFE, WFI, WFET, WFIT; MSR and MRS of ICC_IGRPEN0_EL1 and ICC_IGRPEN1_EL1. */
#define INSN_SIZE        4u
#define INSN_IS_WAIT(i)  (((i) & ~0x20u) == 0xd503205fu || ((i) & ~0x3fu) == 0xd5031000u)
#define INSN_IS_GRPEN(i) (((i) & ~0x20003fu) == 0xd518ccc0u)

static struct vcpu *vcpu_of(const struct gdb_target *target, unsigned index)
{
    return &target->vm->vcpus[index];
}

static void code_written(void *opaque, ipa_t where, uint64_t size)
{
    vm_code_written(opaque, where, size);
}

/* The instruction at the PC; 0, which is UDF: there is none. */
static uint32_t next_insn(const struct gdb_target *target, unsigned index)
{
    const struct rv_vcpu_page *page = vcpu_of(target, index)->page;
    size_t size = INSN_SIZE;
    uint32_t insn = 0;
    const uint8_t *p = gdb_memory_look(&target->memory, page, page->pc, &size);

    if (p && size == INSN_SIZE)
        memcpy(&insn, p, sizeof(insn));
    return le32toh(insn);
}

/*
 * While a vCPU is stepped, no interrupt is signalled to it: after a stop there nearly always is
 * one, and each step would end in its handler. The group enables of the CPU interface say so,
 * unless it is they that the instruction is about.
 */
static void mask_interrupts(struct gdb_target *target, unsigned index)
{
    struct gdb_target_vcpu *v = &target->state->vcpus[index];
    struct rv_gic *gic = &vcpu_of(target, index)->page->gic;

    uint64_t masked = INSN_IS_GRPEN(next_insn(target, index)) ? 0 : gic->vmcr & VMCR_ENABLES;

    __atomic_store_n(&v->masked, masked, __ATOMIC_RELEASE);
    gic->vmcr &= ~masked;
}

/* The vCPU does not run. Its page gets what makes it do as its action says. */
static void arm_vcpu(struct gdb_target *target, unsigned index)
{
    struct gdb_target_vcpu *v = &target->state->vcpus[index];
    struct rv_vcpu_page *page = vcpu_of(target, index)->page;
    bool step = v->action.move == GDB_MOVE_STEP;

    v->armed = false;
    if (!target->state->points.count && !step)
        return;
    v->guest = page->debug;
    v->masked = 0;
    __atomic_store_n(&v->armed, true, __ATOMIC_RELEASE); /* a vmm that dies here undoes the rest */
    gdb_points_merge(&target->state->points, &v->guest, step, &page->debug);
    page->debug.mdcr = RV_MDCR_BITS;
    if (!step)
        return;
    page->pstate |= PSTATE_SS;
    mask_interrupts(target, index);
}

static void disarm_vcpu(struct gdb_target *target, unsigned index)
{
    struct gdb_target_vcpu *v = &target->state->vcpus[index];
    struct rv_vcpu_page *page = vcpu_of(target, index)->page;

    if (!v->armed)
        return;
    page->debug = v->guest;
    page->gic.vmcr |= v->masked;
    if (v->action.move == GDB_MOVE_STEP)
        page->pstate &= ~(uint64_t)PSTATE_SS;
    v->armed = false;
}

static void arm(struct gdb_target *target)
{
    __atomic_store_n(&target->state->armed, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++)
        arm_vcpu(target, i);
    gdb_points_set(&target->state->points, &target->memory.ram, code_written, target->vm);
}

static void disarm(struct gdb_target *target)
{
    if (!target->state->armed)
        return;
    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++)
        disarm_vcpu(target, i);
    gdb_points_unset(&target->state->points, &target->memory.ram, code_written, target->vm);
    target->state->armed = false;
}

int gdb_target_stop(struct gdb_target *target)
{
    struct vm *vm = target->vm;
    int error = 0;

    if (target->stopped)
        return 0;
    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++)
        error = sched_hold(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_DEBUGGER);
    if (error) {
        vm->broken = true;
        return -EIO;
    }
    disarm(target);
    vm_counter_stop(vm);
    target->stopped = true;
    return 0;
}

static int stop(void *opaque)
{
    return gdb_target_stop(opaque);
}

/*
 * WFI and WFE may end at once, and here they do: a step that waits for an interrupt would not
 * end. True: the step of this vCPU is done with that.
 */
static bool step_over_waits(struct gdb_target *target, unsigned index)
{
    const struct gdb_action *action = &target->state->vcpus[index].action;
    struct rv_vcpu_page *page = vcpu_of(target, index)->page;

    for (unsigned n = 0; n < RANGE_STEPS_MAX; n++) {
        if (page->pstate & PSTATE_nRW || !INSN_IS_WAIT(next_insn(target, index)))
            return false;
        page->pc += INSN_SIZE;
        if (page->pc - action->start >= action->end - action->start)
            return true;
    }
    return true;
}

static void let_run(struct gdb_target *target)
{
    struct vm *vm = target->vm;

    if (!vm->resetting) /* else on_reset_ends() does it */
        arm(target);
    vm_counter_go_on(vm);
    target->stopped = false;
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (target->state->vcpus[i].action.move != GDB_MOVE_NONE)
            sched_release(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_DEBUGGER);
    }
}

static bool is_on(void *opaque, unsigned index)
{
    const struct vm *vm = ((struct gdb_target *)opaque)->vm;

    return vm->exits.psci.cpus[index].state != PSCI_STATE_OFF;
}

static int resume(void *opaque, const struct gdb_action *actions, struct gdb_stop *stop)
{
    struct gdb_target *target = opaque;

    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++)
        target->state->vcpus[i].action = actions[i];
    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++) {
        if (actions[i].move == GDB_MOVE_STEP && is_on(target, i) && step_over_waits(target, i)) {
            *stop = (struct gdb_stop){.vcpu = i, .signal = GDB_SIGNAL_TRAP};
            return 1;
        }
    }
    let_run(target);
    return 0;
}

static void detach(void *opaque)
{
    struct gdb_target *target = opaque;

    if (gdb_target_stop(target))
        return;
    target->state->points.count = 0;
    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++)
        target->state->vcpus[i].action = (struct gdb_action){.move = GDB_MOVE_RUN};
    let_run(target);
}

static void describe(void *opaque, unsigned index, char *text, size_t size)
{
    const struct gdb_target *target = opaque;
    const struct vcpu *vcpu = vcpu_of(target, index);
    const struct sched_vcpu *s = &target->vm->cores->sched.vcpu[vcpu->number];
    uint64_t pstate = vcpu->page->pstate;
    const char *level = pstate & PSTATE_nRW ? "EL0 in AArch32" : pstate & PSTATE_EL ? "EL1" : "EL0";

    if (!is_on(opaque, index))
        snprintf(text, size, "vCPU %u, off", index);
    else
        snprintf(text, size, "vCPU %u, %s%s", index, level,
                 s->state == SCHED_ASLEEP ? ", waits for an interrupt" : "");
}

static struct rv_vcpu_page *page_of(void *opaque, unsigned index)
{
    return vcpu_of(opaque, index)->page;
}

static size_t read_memory(void *opaque, unsigned index, bool physical, uint64_t address, void *data,
                          size_t size)
{
    const struct gdb_target *target = opaque;
    const struct rv_vcpu_page *page = physical ? NULL : vcpu_of(target, index)->page;
    size_t done = 0, piece;

    for (; done < size; done += piece) {
        const uint8_t *p;

        piece = size - done;
        p = gdb_memory_look(&target->memory, page, address + done, &piece);
        if (!p)
            break;
        memcpy((uint8_t *)data + done, p, piece);
    }
    return done;
}

static size_t write_memory(void *opaque, unsigned index, bool physical, uint64_t address,
                           const void *data, size_t size)
{
    struct gdb_target *target = opaque;
    const struct rv_vcpu_page *page = physical ? NULL : vcpu_of(target, index)->page;
    size_t done = 0, piece;

    for (; done < size; done += piece) {
        ipa_t where;
        uint8_t *p;

        piece = size - done;
        p = gdb_memory_at(&target->memory, page, address + done, &piece, &where);
        if (!p)
            break;
        memcpy(p, (const uint8_t *)data + done, piece);
        vm_code_written(target->vm, where, piece);
    }
    return done;
}

static int insert(void *opaque, unsigned index, enum gdb_point_kind kind, uint64_t address,
                  uint64_t size)
{
    struct gdb_target *target = opaque;

    return gdb_points_insert(&target->state->points, kind, address, size, &target->memory,
                             vcpu_of(target, index)->page);
}

static int remove_point(void *opaque, enum gdb_point_kind kind, uint64_t address, uint64_t size)
{
    return gdb_points_remove(&((struct gdb_target *)opaque)->state->points, kind, address, size);
}

static int reset(void *opaque)
{
    struct vm *vm = ((struct gdb_target *)opaque)->vm;

    if (vm->config.no_reboot)
        return -EPERM;
    if (vm->core->request == VM_RUN_ON)
        vm->core->request = VM_RESET;
    return 0;
}

const struct gdb_target_ops gdb_target_ops = {
    .stop = stop,
    .resume = resume,
    .detach = detach,
    .is_on = is_on,
    .describe = describe,
    .page = page_of,
    .read = read_memory,
    .write = write_memory,
    .insert = insert,
    .remove = remove_point,
    .reset = reset,
};

/* The guest has stopped by itself. */
static void stop_by_itself(struct gdb_target *target, const struct gdb_stop *stop)
{
    if (!gdb_target_stop(target))
        target->on_stop(target->opaque, stop);
}

/* One more instruction of the range? Then the vCPU goes on, and nobody else stops. */
static bool step_goes_on(struct gdb_target *target, struct vcpu *vcpu, const struct rv_event *event)
{
    const struct gdb_action *action = &target->state->vcpus[vcpu->index].action;

    if (event->pc - action->start >= action->end - action->start || vcpu_fetch(vcpu, RV_GROUP_CORE))
        return false;
    vcpu->page->pstate |= PSTATE_SS;
    vcpu_mark_dirty(vcpu, RV_GROUP_CORE);
    return true;
}

/* Where the BRK of this exit is. False: its page is not mapped any more. */
static bool brk_at(struct gdb_target *target, struct vcpu *vcpu, uint64_t pc, ipa_t *where)
{
    size_t size = INSN_SIZE;

    return !vcpu_fetch(vcpu, RV_GROUP_EL1) &&
           gdb_memory_at(&target->memory, vcpu->page, pc, &size, where);
}

static enum vm_debugger_answer on_exit(void *opaque, struct vcpu *vcpu,
                                       const struct rv_event *event)
{
    struct gdb_target *target = opaque;
    struct gdb_stop stop = {.vcpu = vcpu->index, .signal = GDB_SIGNAL_TRAP};
    struct exit_info info;
    ipa_t where;

    if (!target->state->vcpus[vcpu->index].armed)
        return VM_DEBUGGER_PASS;
    decode_exit(event, &info);
    if (info.kind == EXIT_STEP) {
        if (target->state->vcpus[vcpu->index].action.move != GDB_MOVE_STEP ||
            step_goes_on(target, vcpu, event))
            return VM_DEBUGGER_RESUME;
    } else {
        bool mapped = info.kind == EXIT_BRK64 && brk_at(target, vcpu, info.pc, &where);

        stop.point = gdb_points_hit(&target->state->points, &info, mapped ? &where : NULL);
        if (!stop.point)
            return VM_DEBUGGER_PASS;
    }
    stop_by_itself(target, &stop);
    return VM_DEBUGGER_HELD;
}

/* Its page is as after a reset: what the guest had in its debug registers is gone as well. */
static void on_vcpu_reset(void *opaque, unsigned index)
{
    struct gdb_target *target = opaque;

    if (target->state->armed)
        arm_vcpu(target, index);
}

/* If no other vCPU may run, or it was to make a step, nothing would stop the guest any more. */
static void on_vcpu_off(void *opaque, unsigned index)
{
    struct gdb_target *target = opaque;
    struct gdb_stop stop = {.vcpu = index, .signal = GDB_SIGNAL_TRAP};
    bool runs = false;

    if (target->stopped)
        return;
    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++) {
        if (!is_on(target, i))
            continue;
        if (!is_on(target, stop.vcpu))
            stop.vcpu = i;
        runs |= target->state->vcpus[i].action.move != GDB_MOVE_NONE;
    }
    if (!runs || target->state->vcpus[index].action.move == GDB_MOVE_STEP)
        stop_by_itself(target, &stop);
}

static void on_reset_begins(void *opaque)
{
    disarm(opaque);
}

/*
 * The points stay: software breakpoints at their places in RAM, where the same kernel is now. If
 * the guest was only let make a step, or not all of it may run, it stops at its first instruction.
 */
static void on_reset_ends(void *opaque)
{
    struct gdb_target *target = opaque;
    struct gdb_stop stop = {.signal = GDB_SIGNAL_TRAP};

    if (target->stopped)
        return;
    for (unsigned i = 0; i < target->vm->config.nr_vcpus; i++) {
        if (target->state->vcpus[i].action.move != GDB_MOVE_RUN) {
            stop_by_itself(target, &stop);
            return;
        }
    }
    arm(target);
}

static struct rv_debug *guest_registers(void *opaque, unsigned index)
{
    struct gdb_target *target = opaque;

    return target->state->vcpus[index].armed ? &target->state->vcpus[index].guest : NULL;
}

/* In a blocking exit: the group is written as a whole, and loaded before the guest goes on. */
static void guest_registers_written(void *opaque, unsigned index)
{
    struct gdb_target *target = opaque;
    struct gdb_target_vcpu *v = &target->state->vcpus[index];
    struct vcpu *vcpu = vcpu_of(target, index);

    gdb_points_merge(&target->state->points, &v->guest, v->action.move == GDB_MOVE_STEP,
                     &vcpu->page->debug);
    vcpu->page->debug.mdcr = RV_MDCR_BITS;
    vcpu_mark_dirty(vcpu, RV_GROUP_DEBUG);
}

static bool has_pauth(const struct vm *vm)
{
    return vm->exits.sysreg.id[RV_ID_INDEX(6, 1)] & ISAR1_PAUTH ||
           vm->exits.sysreg.id[RV_ID_INDEX(6, 2)] & ISAR2_PAUTH;
}

/* What the debugger of another process has left in the guest. 0 or -EINVAL after a message. */
static int clean_up(struct gdb_target *target)
{
    if (!gdb_points_are_valid(&target->state->points, &target->memory.ram)) {
        log_error("state block '" GDB_STATE_NAME "' is damaged: the guest cannot be taken over");
        return -EINVAL;
    }
    if (target->state->armed)
        log_info("what the debugger has set in the guest is gone: attach it again");
    disarm(target);
    return 0;
}

int gdb_target_init(struct gdb_target *target, struct vm *vm,
                    void (*on_stop)(void *opaque, const struct gdb_stop *stop), void *opaque)
{
    bool resume = vm->config.origin == VM_TAKEN_OVER;
    int error = 0;

    memset(target, 0, sizeof(*target));
    target->state =
        state_open(&vm->state, resume, GDB_STATE_NAME, GDB_STATE_VERSION, sizeof(*target->state));
    if (!target->state)
        return resume ? -EINVAL : -ENOMEM;
    target->vm = vm;
    target->on_stop = on_stop;
    target->opaque = opaque;
    target->memory =
        (struct gdb_memory){vm->ram, vm->exits.insn_mmio.roms, vm->exits.insn_mmio.pa_bits};
    if (resume)
        error = clean_up(target);
    if (error)
        return error;
    gdb_points_init(&target->state->points, vm->machine->stub_id[RV_ID_INDEX(5, 0)]);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        target->state->vcpus[i].action.move = GDB_MOVE_RUN;
    target->hooks = (struct vm_debugger){
        .exit = on_exit,
        .vcpu_reset = on_vcpu_reset,
        .vcpu_off = on_vcpu_off,
        .reset_begins = on_reset_begins,
        .reset_ends = on_reset_ends,
        .registers = guest_registers,
        .registers_written = guest_registers_written,
        .opaque = target,
    };
    vm->debugger = &target->hooks;
    error = gdb_registers_init(&target->registers, insn_sve_vl((uint32_t)vm->machine->sve, 15),
                               has_pauth(vm));
    if (error)
        log_error("gdb: out of memory");
    return error;
}

void gdb_target_free(struct gdb_target *target)
{
    if (target->vm)
        target->vm->debugger = NULL;
    gdb_registers_free(&target->registers);
}
