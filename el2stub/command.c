/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands. Each handler gets a private copy of the command, checks all of it,
 * and then acts. It returns 0; RV_REFUSED_*: the command is illegal, changes
 * nothing, and stops the VM that it names; or NO_ROOM: it changes nothing either.
 */
#include "arch.h"
#include "el2stub/stub.h"
#include "shortcut.h"

/* What must exist before a handler is called. */
enum need { NOTHING, A_VM, A_VCPU_HERE };

#define COMMANDS_AT_ONCE 8u

/*
 * One lock for what several cores may change: VMs, their tables, which vCPU is where. What is
 * live in this core is changed here alone, so commands to it need no lock.
 */
static uint8_t lock;

/* The VM that the command names; out of range: the one that does not exist. */
static struct vm *vm_named(const struct rv_command *c)
{
    return c->vm < RV_MAX_VMS ? &vms[index_nospec(c->vm, RV_MAX_VMS)] : &vms[RV_MAX_VMS];
}

static int reply(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->flags & ~(RV_REPLY_ADVANCE | RV_REPLY_REG | RV_REPLY_WAIT | RV_COMMAND_FLAG_ACK))
        return RV_REFUSED_FLAGS;
    if (!pcpu->blocked)
        return RV_REFUSED_STATE;
    if (c->flags & RV_REPLY_REG && c->reg < 31)
        pcpu->vcpu->page->x[index_nospec(c->reg, 31)] = c->arg[0];
    if (c->flags & RV_REPLY_ADVANCE)
        exit_advance();
    pcpu->waits = (c->flags & RV_REPLY_WAIT) != 0;
    pcpu->blocked = false;
    if (c->arg[1])
        gic_kick(c->arg[1]);
    return 0;
}

static int run(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    struct vcpu *vcpu = &vcpus[index_nospec(c->vcpu, RV_MAX_VCPUS)];

    if (c->vcpu >= RV_MAX_VCPUS || !vcpu->vm || vcpu->vm->stopped)
        return RV_REFUSED_VCPU;
    if (pcpu->vcpu || __atomic_load_n(&vcpu->pcpu, __ATOMIC_ACQUIRE))
        return RV_REFUSED_STATE;
    return world_enter(pcpu, vcpu);
}

static int stop(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    world_leave(pcpu);
    return 0;
}

static int load(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->arg[0] & ~(uint64_t)RV_GROUPS_ALL)
        return RV_REFUSED_GROUPS;
    return world_load(pcpu->vcpu, (uint32_t)c->arg[0]);
}

static int save(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->arg[0] & ~(uint64_t)RV_GROUPS_ALL)
        return RV_REFUSED_GROUPS;
    world_save(pcpu->vcpu, (uint32_t)c->arg[0]);
    return 0;
}

static int vm_create(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    struct vm *vm = vm_named(c);

    if (c->vm >= RV_MAX_VMS || vm->exists)
        return RV_REFUSED_VM;
    return stage2_create(vm, (unsigned)(vm - vms), c->arg[0], c->arg[1]);
}

static int vcpu_create(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    struct vcpu *vcpu = &vcpus[index_nospec(c->vcpu, RV_MAX_VCPUS)];

    if (c->vcpu >= boot.nr_vcpus || vcpu->vm)
        return RV_REFUSED_VCPU;
    vcpu->page = (struct rv_vcpu_page *)(boot.mem_base + boot.vcpus_offset) + (vcpu - vcpus);
    vcpu->affinity = c->arg[0];
    vcpu->vm = vm_named(c);
    return 0;
}

static int map(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    return stage2_map(vm_named(c), (ipa_t){c->arg[0]}, c->arg[1], c->arg[2], c->arg[3]);
}

static int protect(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    return stage2_protect(vm_named(c), (ipa_t){c->arg[0]}, c->arg[1], c->arg[2]);
}

static int inject(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    const uint64_t states = RV_IRQ_ACTIVE | RV_IRQ_PENDING;
    const uint64_t known = states | RV_IRQ_PRIORITY | RV_IRQ_GROUP1 | RV_IRQ_EOI;

    if (c->arg[0] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[1] & ~known || !(c->arg[1] & states))
        return RV_REFUSED_FLAGS;
    lr_inject(pcpu, rv_gic_irq(c->arg[0], c->arg[1]));
    return 0;
}

static int retract(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->arg[0] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[1] & ~(uint64_t)(RV_LR_PENDING | RV_LR_ACTIVE))
        return RV_REFUSED_FLAGS;
    *value = lr_retract((uint32_t)c->arg[0], (uint32_t)c->arg[1]);
    return 0;
}

static int flush(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    const struct vm *vm = vm_named(c);

    if ((c->arg[0] | c->arg[1]) % RV_PAGE_SIZE)
        return RV_REFUSED_ALIGN;
    if (!range_inside(c->arg[0], c->arg[1], vm->ram_offset, vm->ram_size) ||
        c->arg[1] > RV_MAX_FLUSH)
        return RV_REFUSED_RANGE;
    platform_memory_changed(boot.mem_base + c->arg[0], c->arg[1]);
    return 0;
}

static const struct command {
    int (*handle)(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value);
    enum need need;
} commands[RV_COMMAND_COUNT] = {
    [RV_COMMAND_REPLY] = {.handle = reply, .need = A_VCPU_HERE},
    [RV_COMMAND_RUN] = {.handle = run, .need = NOTHING},
    [RV_COMMAND_STOP] = {.handle = stop, .need = A_VCPU_HERE},
    [RV_COMMAND_LOAD] = {.handle = load, .need = A_VCPU_HERE},
    [RV_COMMAND_SAVE] = {.handle = save, .need = A_VCPU_HERE},
    [RV_COMMAND_VM_CREATE] = {.handle = vm_create, .need = NOTHING},
    [RV_COMMAND_VCPU_CREATE] = {.handle = vcpu_create, .need = A_VM},
    [RV_COMMAND_MAP] = {.handle = map, .need = A_VM},
    [RV_COMMAND_PROTECT] = {.handle = protect, .need = A_VM},
    [RV_COMMAND_INJECT] = {.handle = inject, .need = A_VCPU_HERE},
    [RV_COMMAND_RETRACT] = {.handle = retract, .need = A_VCPU_HERE},
    [RV_COMMAND_FLUSH] = {.handle = flush, .need = A_VM},
};

static int dispatch(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    /* A command that does not exist has no handler. */
    const struct command *command = &commands[index_nospec(c->op, RV_COMMAND_COUNT)];
    const struct vm *vm = vm_named(c);
    bool is_here = pcpu->vcpu && pcpu->vcpu - vcpus == c->vcpu;
    int error = RV_REFUSED_VM;

    if (!command->handle)
        return RV_REFUSED_OP;
    if (command->need == A_VCPU_HERE)
        return is_here ? command->handle(pcpu, c, value) : (int)RV_REFUSED_STATE;
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        cpu_relax();
    pcpu->locks = true;
    if (command->need != A_VM || (vm->exists && !vm->stopped))
        error = command->handle(pcpu, c, value);
    pcpu->locks = false;
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    return error;
}

/* Tell why, and stop the VM that it was about; a core is never stopped. */
void command_refuse(struct pcpu *pcpu, uint32_t tag, uint8_t op, int reason, struct vm *vm)
{
    event_send(pcpu, RV_EVENT_REFUSED, tag, op, (uint64_t)reason);
    __atomic_store_n(&vm->stopped, vm->exists, __ATOMIC_RELEASE);
    gic_kick(platform_cpus(pcpu)); /* the cores that run it look, and let it go */
}

void command_execute(struct pcpu *pcpu, const struct rv_command *c)
{
    uint64_t value = 0;
    int error = dispatch(pcpu, c, &value);

    if (error > 0)
        command_refuse(pcpu, c->tag, c->op, error, vm_named(c));
    else if (c->flags & RV_COMMAND_FLAG_ACK)
        event_send(pcpu, RV_EVENT_ACK, c->tag, error ? RV_STATUS_NO_ROOM : RV_STATUS_OK, value);
}

/* Execute some commands. True: there may be more, after interrupts had their turn. */
bool command_serve(struct pcpu *pcpu)
{
    struct rv_command command;

    for (uint32_t i = 0; i < COMMANDS_AT_ONCE; i++) {
        if (!command_ready(pcpu))
            return false;
        command_take(pcpu, &command);
        sgi_take(pcpu); /* what other cores left before the command was sent */
        platform_confine(pcpu, &command);
        command_execute(pcpu, &command);
    }
    return true;
}

/* This core is lost: nobody is to wait for it. */
void command_abandon(struct pcpu *pcpu)
{
    if (pcpu->locks)
        __atomic_clear(&lock, __ATOMIC_RELEASE);
}
