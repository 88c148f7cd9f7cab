/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands. Each handler gets a private copy of the command, checks all of it,
 * and then acts. It returns 0; RV_REFUSED_*: the command is illegal, changes
 * nothing, and stops the VM that it names; or -1: there is no room for it.
 */
#include "arch.h"
#include "el2stub/stub.h"

/* What must exist before a handler is called. */
enum need { NOTHING, A_VM, A_VCPU_HERE };

/* One lock for what several cores may change: VMs, their tables, which vCPU is where. */
static uint8_t lock;

/* The vCPU that the command names, if it exists and its VM may run. */
static struct vcpu *vcpu_named(const struct rv_command *c)
{
    struct vcpu *vcpu = c->vcpu < RV_MAX_VCPUS ? &vcpus[c->vcpu] : NULL;

    return vcpu && vcpu->vm && !vcpu->vm->stopped ? vcpu : NULL;
}

static int reply(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->flags & ~(RV_REPLY_ADVANCE | RV_REPLY_REG | RV_REPLY_WAIT | RV_COMMAND_FLAG_ACK))
        return RV_REFUSED_FLAGS;
    if (!pcpu->blocked)
        return RV_REFUSED_STATE;
    if (c->flags & RV_REPLY_REG && c->reg < 31)
        pcpu->vcpu->page->x[c->reg] = c->arg[0];
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
    struct vcpu *vcpu = vcpu_named(c);

    if (!vcpu)
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

static int move(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->arg[0] & ~(uint64_t)RV_GROUPS_ALL)
        return RV_REFUSED_GROUPS;
    if (c->op == RV_COMMAND_LOAD)
        return world_load(pcpu->vcpu, (uint32_t)c->arg[0]);
    world_save(pcpu->vcpu, (uint32_t)c->arg[0]);
    return 0;
}

static int vm_create(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->vm >= RV_MAX_VMS || vms[c->vm].exists)
        return RV_REFUSED_VM;
    return stage2_create(&vms[c->vm], c->vm, c->arg[0], c->arg[1]);
}

static int vcpu_create(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    struct rv_vcpu_page *pages = (struct rv_vcpu_page *)(boot.mem_base + boot.vcpus_offset);
    struct vcpu *vcpu = &vcpus[c->vcpu % RV_MAX_VCPUS];

    if (c->vcpu >= boot.nr_vcpus || vcpu->vm)
        return RV_REFUSED_VCPU;
    vcpu->index = c->vcpu;
    vcpu->page = &pages[c->vcpu];
    vcpu->vm = &vms[c->vm];
    return 0;
}

static int map(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    return stage2_map(&vms[c->vm], (ipa_t){c->arg[0]}, c->arg[1], c->arg[2], c->arg[3]);
}

static int protect(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    return stage2_protect(&vms[c->vm], (ipa_t){c->arg[0]}, c->arg[1], c->arg[2]);
}

static int inject(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    const uint64_t states = RV_IRQ_ACTIVE | RV_IRQ_PENDING;

    if (c->arg[0] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[1] & ~(states | RV_IRQ_PRIORITY | RV_IRQ_GROUP1 | RV_IRQ_EOI) ||
        !(c->arg[1] & states))
        return RV_REFUSED_FLAGS;
    return lr_inject(pcpu->vcpu, rv_gic_irq(c->arg[0], c->arg[1]));
}

static int retract(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    if (c->arg[0] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[1] & ~(uint64_t)(RV_LR_PENDING | RV_LR_ACTIVE))
        return RV_REFUSED_FLAGS;
    *value = lr_retract(pcpu->vcpu, (uint32_t)c->arg[0], (uint32_t)c->arg[1]);
    return 0;
}

static int set_posted(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    uint64_t i = c->arg[0], *size = &vms[c->vm].posted_size[i % RV_MAX_POSTED];

    if (i >= RV_MAX_POSTED || c->arg[1] + c->arg[2] < c->arg[1])
        return RV_REFUSED_RANGE;
    if (*size)
        return RV_REFUSED_STATE;
    vms[c->vm].posted_start[i] = c->arg[1];
    /* Another core may be looking, but not at a window without a size. */
    __atomic_store_n(size, c->arg[2], __ATOMIC_RELEASE);
    return 0;
}

/* The vCPU is live here, or nowhere: only this core's PPIs can be reached from here. */
static int set_direct(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    struct vcpu *vcpu = vcpu_named(c);
    uint32_t ppi = 1u << c->arg[0] % 32, i = 0;

    if (!vcpu || (vcpu->pcpu && vcpu->pcpu != pcpu))
        return RV_REFUSED_VCPU;
    if (c->arg[0] < 16 || c->arg[0] > 31 || c->arg[0] == boot.maintenance_intid || c->arg[1] < 16 ||
        c->arg[1] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[2] & ~(uint64_t)(RV_IRQ_PRIORITY | RV_IRQ_GROUP1 | RV_IRQ_ENABLED))
        return RV_REFUSED_FLAGS;
    while (vcpu->direct[i].pintid && vcpu->direct[i].pintid != c->arg[0]) {
        if (++i == RV_MAX_DIRECT)
            return -1;
    }
    vcpu->direct[i] = (struct direct_entry){c->arg[0], c->arg[1], c->arg[2]};
    if (vcpu->pcpu)
        GICR(pcpu, c->arg[2] & RV_IRQ_ENABLED ? GICR_ISENABLER0 : GICR_ICENABLER0) = ppi;
    return 0;
}

static int flush(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    const struct vm *vm = &vms[c->vm];

    if ((c->arg[0] | c->arg[1]) % RV_PAGE_SIZE)
        return RV_REFUSED_ALIGN;
    if (!range_inside(c->arg[0], c->arg[1], vm->ram_offset, vm->ram_size))
        return RV_REFUSED_RANGE;
    platform_memory_changed(boot.mem_base + c->arg[0], c->arg[1]);
    return 0;
}

static const struct {
    int (*handle)(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value);
    enum need need;
} commands[RV_COMMAND_COUNT] = {
    [RV_COMMAND_REPLY] = {reply, A_VCPU_HERE},       [RV_COMMAND_RUN] = {run, NOTHING},
    [RV_COMMAND_STOP] = {stop, A_VCPU_HERE},         [RV_COMMAND_LOAD] = {move, A_VCPU_HERE},
    [RV_COMMAND_SAVE] = {move, A_VCPU_HERE},         [RV_COMMAND_VM_CREATE] = {vm_create, NOTHING},
    [RV_COMMAND_VCPU_CREATE] = {vcpu_create, A_VM},  [RV_COMMAND_MAP] = {map, A_VM},
    [RV_COMMAND_PROTECT] = {protect, A_VM},          [RV_COMMAND_INJECT] = {inject, A_VCPU_HERE},
    [RV_COMMAND_RETRACT] = {retract, A_VCPU_HERE},   [RV_COMMAND_SET_POSTED] = {set_posted, A_VM},
    [RV_COMMAND_SET_DIRECT] = {set_direct, NOTHING}, [RV_COMMAND_FLUSH] = {flush, A_VM},
};

static int dispatch(struct pcpu *pcpu, const struct rv_command *c, uint64_t *value)
{
    int error = RV_REFUSED_VM;

    if (c->op >= RV_COMMAND_COUNT || !commands[c->op].handle)
        return RV_REFUSED_OP;
    if (commands[c->op].need == A_VCPU_HERE && (!pcpu->vcpu || pcpu->vcpu->index != c->vcpu))
        return RV_REFUSED_STATE;
    if (c->op == RV_COMMAND_REPLY || c->op == RV_COMMAND_STOP)
        return commands[c->op].handle(pcpu, c, value); /* fast; may wait for the vmm */
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        cpu_relax();
    if (commands[c->op].need != A_VM ||
        (c->vm < RV_MAX_VMS && vms[c->vm].exists && !vms[c->vm].stopped))
        error = commands[c->op].handle(pcpu, c, value);
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    return error;
}

/* Tell why, and stop the VM that it was about; a core is never stopped. */
void command_refuse(struct pcpu *pcpu, uint32_t tag, uint8_t op, int reason, struct vm *vm)
{
    event_send(pcpu, RV_EVENT_REFUSED, tag, op, (uint64_t)reason);
    __atomic_store_n(&vm->stopped, vm->exists, __ATOMIC_RELEASE);
    gic_kick(~0ull); /* the cores that run it look, and let it go */
}

void command_execute(struct pcpu *pcpu, const struct rv_command *c)
{
    bool by_vcpu = c->op < RV_COMMAND_COUNT && commands[c->op].need == A_VCPU_HERE && pcpu->vcpu;
    struct vm *vm = by_vcpu ? pcpu->vcpu->vm : &vms[c->vm < RV_MAX_VMS ? c->vm : RV_MAX_VMS];
    uint64_t value = 0;
    int error = dispatch(pcpu, c, &value);

    if (error > 0)
        command_refuse(pcpu, c->tag, c->op, error, vm);
    else if (c->flags & RV_COMMAND_FLAG_ACK)
        event_send(pcpu, RV_EVENT_ACK, c->tag, error ? RV_STATUS_NO_ROOM : RV_STATUS_OK, value);
}
