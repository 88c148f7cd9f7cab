/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands. Each handler gets a private copy of the command, checks all of it,
 * and then acts. It returns 0, or RV_REFUSED_*: an illegal command changes
 * nothing, and stops the VM that it names.
 */
#include "arch.h"
#include "el2stub/stub.h"

/* What an acknowledgement says: RV_STATUS_* and a value. */
struct result {
    uint32_t status;
    uint64_t value;
};

typedef int (*command_handler)(struct pcpu *pcpu, const struct rv_command *c, struct result *r);

/* One lock for what several cores may change: VMs, their tables, who runs where. */
static uint8_t lock;

static void lock_take(void)
{
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        cpu_relax();
}

static void lock_drop(void)
{
    __atomic_clear(&lock, __ATOMIC_RELEASE);
}

static struct vm *vm_of(const struct rv_command *c)
{
    struct vm *vm = c->vm < RV_MAX_VMS ? &vms[c->vm] : NULL;

    return vm && vm->exists && !vm->stopped ? vm : NULL;
}

/* The vCPU that the command names, if it is live in this core. */
static struct vcpu *vcpu_here(const struct pcpu *pcpu, const struct rv_command *c)
{
    return pcpu->vcpu && pcpu->vcpu->index == c->vcpu ? pcpu->vcpu : NULL;
}

static int reply(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    const unsigned known = RV_REPLY_ADVANCE | RV_REPLY_REG | RV_REPLY_WAIT | RV_COMMAND_FLAG_ACK;

    (void)r;
    if (c->flags & ~known)
        return RV_REFUSED_FLAGS;
    if (!vcpu_here(pcpu, c) || !pcpu->blocked)
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

static int run(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vcpu *vcpu = c->vcpu < RV_MAX_VCPUS ? &vcpus[c->vcpu] : NULL;

    (void)r;
    if (!vcpu || !vcpu->vm || vcpu->vm->stopped)
        return RV_REFUSED_VCPU;
    if (pcpu->vcpu || vcpu->pcpu)
        return RV_REFUSED_STATE;
    return world_enter(pcpu, vcpu);
}

static int stop(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct rv_event *event;

    (void)r;
    if (!vcpu_here(pcpu, c))
        return RV_REFUSED_STATE;
    event = event_begin(pcpu, RV_EVENT_STOPPED);
    world_leave(pcpu);
    event->groups = RV_GROUPS_ALL;
    event_publish(pcpu, event);
    return 0;
}

static int load(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    (void)r;
    if (!vcpu_here(pcpu, c))
        return RV_REFUSED_STATE;
    if (c->arg[0] & ~(uint64_t)RV_GROUPS_ALL)
        return RV_REFUSED_GROUPS;
    return world_load(pcpu->vcpu, (uint32_t)c->arg[0]);
}

static int save(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    if (!vcpu_here(pcpu, c))
        return RV_REFUSED_STATE;
    if (c->arg[0] & ~(uint64_t)RV_GROUPS_ALL)
        return RV_REFUSED_GROUPS;
    world_save(pcpu->vcpu, (uint32_t)c->arg[0]);
    r->value = c->arg[0];
    return 0;
}

static int vm_create(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    (void)pcpu;
    (void)r;
    if (c->vm >= RV_MAX_VMS || vms[c->vm].exists)
        return RV_REFUSED_VM;
    return stage2_create(&vms[c->vm], c->vm, c->arg[0], c->arg[1]);
}

/* Also takes a VM that was stopped: it is the only way on for it. */
static int vm_destroy(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = c->vm < RV_MAX_VMS && vms[c->vm].exists ? &vms[c->vm] : NULL;

    (void)pcpu;
    (void)r;
    if (!vm)
        return RV_REFUSED_VM;
    for (uint32_t i = 0; i < RV_MAX_VCPUS; i++) {
        if (vcpus[i].vm == vm && vcpus[i].pcpu)
            return RV_REFUSED_STATE;
    }
    for (uint32_t i = 0; i < RV_MAX_VCPUS; i++) {
        if (vcpus[i].vm == vm)
            vcpus[i].vm = NULL;
    }
    stage2_destroy(vm);
    return 0;
}

static int vcpu_create(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = vm_of(c);
    uint64_t pages = boot.mem_base + boot.vcpus_offset;

    (void)pcpu;
    (void)r;
    if (!vm)
        return RV_REFUSED_VM;
    if (c->vcpu >= boot.nr_vcpus || vcpus[c->vcpu].vm)
        return RV_REFUSED_VCPU;
    vcpus[c->vcpu] = (struct vcpu){
        .vm = vm,
        .index = c->vcpu,
        .vmpidr = c->arg[0],
        .vpidr = c->arg[1],
        .page = (struct rv_vcpu_page *)(pages + c->vcpu * sizeof(struct rv_vcpu_page)),
    };
    return 0;
}

/* A refusal stays one; -1 from the tables is not the vmm's fault. */
static int no_room(int error, struct result *r)
{
    if (error >= 0)
        return error;
    r->status = RV_STATUS_NO_ROOM;
    return 0;
}

static int map(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = vm_of(c);

    (void)pcpu;
    if (!vm)
        return RV_REFUSED_VM;
    return no_room(stage2_map(vm, (ipa_t){c->arg[0]}, c->arg[1], c->arg[2], c->arg[3]), r);
}

static int unmap(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = vm_of(c);

    (void)pcpu;
    if (!vm)
        return RV_REFUSED_VM;
    return no_room(stage2_unmap(vm, (ipa_t){c->arg[0]}, c->arg[1]), r);
}

static int protect(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = vm_of(c);

    (void)pcpu;
    if (!vm)
        return RV_REFUSED_VM;
    return no_room(stage2_protect(vm, (ipa_t){c->arg[0]}, c->arg[1], c->arg[2]), r);
}

static int inject(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    const uint64_t known = RV_IRQ_PRIORITY | RV_IRQ_GROUP1 | RV_IRQ_EOI | RV_IRQ_ACTIVE | RV_IRQ_PENDING;
    uint64_t flags = c->arg[1];

    if (!vcpu_here(pcpu, c))
        return RV_REFUSED_STATE;
    if (c->arg[0] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (flags & ~known || !(flags & (RV_IRQ_ACTIVE | RV_IRQ_PENDING)))
        return RV_REFUSED_FLAGS;
    return no_room(lr_inject(pcpu->vcpu, c->arg[0] | (flags & RV_IRQ_PRIORITY) << 48 |
                                             (flags & RV_IRQ_GROUP1 ? LR_GROUP1 : 0) |
                                             (flags & RV_IRQ_EOI ? LR_EOI : 0) |
                                             (flags & RV_IRQ_ACTIVE ? LR_ACTIVE : 0) |
                                             (flags & RV_IRQ_PENDING ? LR_PENDING : 0)),
                   r);
}

static int retract(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    if (!vcpu_here(pcpu, c))
        return RV_REFUSED_STATE;
    if (c->arg[0] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[1] & ~(uint64_t)(RV_LR_PENDING | RV_LR_ACTIVE))
        return RV_REFUSED_FLAGS;
    r->value = lr_retract(pcpu->vcpu, (uint32_t)c->arg[0], (uint32_t)c->arg[1]);
    return 0;
}

static int set_posted(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = vm_of(c);

    (void)pcpu;
    (void)r;
    if (!vm)
        return RV_REFUSED_VM;
    if (c->arg[0] >= RV_MAX_POSTED || c->arg[1] + c->arg[2] < c->arg[1])
        return RV_REFUSED_RANGE;
    /* The size is 0 while the start changes: another core may be looking. */
    __atomic_store_n(&vm->posted[c->arg[0]].size, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->posted[c->arg[0]].start, c->arg[1], __ATOMIC_SEQ_CST);
    __atomic_store_n(&vm->posted[c->arg[0]].size, c->arg[2], __ATOMIC_SEQ_CST);
    if (vm->nr_posted <= c->arg[0])
        vm->nr_posted = (uint32_t)c->arg[0] + 1;
    return 0;
}

/* The vCPU is live here, or nowhere: only this core's PPIs can be reached from here. */
static int set_direct(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    const uint64_t known = RV_IRQ_PRIORITY | RV_IRQ_GROUP1 | RV_IRQ_ENABLED;
    struct vcpu *vcpu = c->vcpu < RV_MAX_VCPUS ? &vcpus[c->vcpu] : NULL;
    struct direct_entry *entry = NULL;

    if (!vcpu || !vcpu->vm || (vcpu->pcpu && vcpu->pcpu != pcpu))
        return RV_REFUSED_VCPU;
    if (c->arg[0] < 16 || c->arg[0] > 31 || c->arg[0] == boot.maintenance_intid || c->arg[1] < 16 ||
        c->arg[1] >= INTID_SPECIAL)
        return RV_REFUSED_INTID;
    if (c->arg[2] & ~known)
        return RV_REFUSED_FLAGS;
    for (uint32_t i = RV_MAX_DIRECT; i-- > 0;) {
        struct direct_entry *d = &vcpu->direct[i];

        if (d->pintid == c->arg[0] || (!d->pintid && (!entry || !entry->pintid)))
            entry = d;
    }
    if (!entry)
        return no_room(-1, r);
    *entry = (struct direct_entry){(uint32_t)c->arg[0], (uint32_t)c->arg[1], (uint32_t)c->arg[2]};
    if (vcpu->pcpu)
        gic_ppi_enable(pcpu, entry->pintid, (entry->flags & RV_IRQ_ENABLED) != 0);
    return 0;
}

static int flush(struct pcpu *pcpu, const struct rv_command *c, struct result *r)
{
    struct vm *vm = vm_of(c);
    uint64_t offset = c->arg[0], size = c->arg[1];

    (void)pcpu;
    (void)r;
    if (!vm)
        return RV_REFUSED_VM;
    if ((offset | size) % RV_PAGE_SIZE)
        return RV_REFUSED_ALIGN;
    if (size > vm->ram_size || offset < vm->ram_offset ||
        offset - vm->ram_offset > vm->ram_size - size)
        return RV_REFUSED_RANGE;
    platform_memory_changed((pa_t){vm->ram.v + (offset - vm->ram_offset)}, size);
    return 0;
}

static const struct {
    command_handler handle;
    bool locked;
} commands[RV_COMMAND_COUNT] = {
    [RV_COMMAND_REPLY] = {reply, false},
    [RV_COMMAND_RUN] = {run, true},
    [RV_COMMAND_STOP] = {stop, true},
    [RV_COMMAND_LOAD] = {load, false},
    [RV_COMMAND_SAVE] = {save, false},
    [RV_COMMAND_VM_CREATE] = {vm_create, true},
    [RV_COMMAND_VM_DESTROY] = {vm_destroy, true},
    [RV_COMMAND_VCPU_CREATE] = {vcpu_create, true},
    [RV_COMMAND_MAP] = {map, true},
    [RV_COMMAND_UNMAP] = {unmap, true},
    [RV_COMMAND_PROTECT] = {protect, true},
    [RV_COMMAND_INJECT] = {inject, false},
    [RV_COMMAND_RETRACT] = {retract, false},
    [RV_COMMAND_SET_POSTED] = {set_posted, true},
    [RV_COMMAND_SET_DIRECT] = {set_direct, true},
    [RV_COMMAND_FLUSH] = {flush, true},
};

/* Tell why, and stop the VM that it was about; a core is never stopped. */
static void refuse(struct pcpu *pcpu, const struct rv_command *c, int reason, struct vm *vm)
{
    struct rv_event *event = event_begin(pcpu, RV_EVENT_REFUSED);

    event->esr = c->tag;
    event->ipa = c->op;
    event->far = c->arg[0];
    event->value = (uint64_t)reason;
    event_publish(pcpu, event);
    if (!vm || !vm->exists)
        return;
    __atomic_store_n(&vm->stopped, true, __ATOMIC_RELEASE);
    gic_kick(boot.nr_pcpus < 64 ? (1ull << boot.nr_pcpus) - 1 : ~0ull);
}

/* The VM that a command is about: by its vCPU here, else by its VM number. */
static struct vm *vm_named(const struct pcpu *pcpu, const struct rv_command *c)
{
    if (vcpu_here(pcpu, c))
        return pcpu->vcpu->vm;
    return c->vm < RV_MAX_VMS ? &vms[c->vm] : NULL;
}

void command_execute(struct pcpu *pcpu, const struct rv_command *c)
{
    struct result result = {RV_STATUS_OK, 0};
    int reason = RV_REFUSED_OP;

    if (c->op < RV_COMMAND_COUNT && commands[c->op].handle) {
        if (commands[c->op].locked)
            lock_take();
        reason = commands[c->op].handle(pcpu, c, &result);
        if (commands[c->op].locked)
            lock_drop();
    }
    if (reason) {
        refuse(pcpu, c, reason, vm_named(pcpu, c));
    } else if (c->flags & RV_COMMAND_FLAG_ACK) {
        struct rv_event *event = event_begin(pcpu, RV_EVENT_ACK);

        event->esr = c->tag;
        event->ipa = result.status;
        event->value = result.value;
        event_publish(pcpu, event);
    }
}

/* The vmm's index of the event ring is impossible: whose vCPU is here, is stopped. */
void command_refuse_ring(struct pcpu *pcpu)
{
    static const struct rv_command none = {.vm = RV_MAX_VMS};

    pcpu->ring_broken = false;
    refuse(pcpu, &none, RV_REFUSED_RING, pcpu->vcpu ? pcpu->vcpu->vm : NULL);
}
