/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/guest/board.h"
#include "vmm/log.h"
#include "vmm/vm_devices.h"
#include "vmm/vm_irq.h"
#include "vmm/vm_load.h"

#define MPIDR_RES1    (1ull << 31)
#define CPUS_PER_AFF1 16u /* a target list of ICC_SGI1R_EL1 has 16 bits */
#define STATE_VERSION 1u
#define FLUSH_PIECE   (16ull << 20)

int vm_run_vcpu(struct vm *vm, struct vcpu *vcpu)
{
    struct pcpu *pcpu = &vm->pcpus[vcpu->index];
    struct rv_command run = {.op = RV_COMMAND_RUN, .vcpu = (uint16_t)vcpu->index};

    if (pcpu_push(pcpu, &run))
        return -EIO;
    pcpu_notify(pcpu);
    pcpu->vcpu = vcpu;
    pcpu->guest_runs = true;
    vcpu->pcpu = pcpu;
    vcpu->fetched = 0;
    return 0;
}

int vm_stop_vcpu(struct vm *vm, struct vcpu *vcpu)
{
    struct rv_command stop = {.op = RV_COMMAND_STOP, .vcpu = (uint16_t)vcpu->index};

    if (!vcpu->pcpu)
        return 0;
    if (pcpu_call(vcpu->pcpu, &stop, NULL)) {
        vm->broken = true;
        return -EIO;
    }
    pcpu_drop_stopped(vcpu->pcpu);
    vcpu->pcpu->vcpu = NULL;
    vcpu->pcpu = NULL;
    return 0;
}

static int create_gic(struct vm *vm)
{
    unsigned n = vm->config.nr_vcpus;
    size_t size = vgic_state_size(n);
    void *state = state_alloc(&vm->state, "gic", STATE_VERSION, size);
    int error;

    if (!state)
        return -ENOMEM;
    error = vgic_init(&vm->vgic, state, size, n, vm->mpidr, &vm_irq_ops, vm);
    if (!error)
        error = bus_add(vm->bus, "gicd", ipa(BOARD_GICD_BASE), VGIC_DIST_SIZE, &vgic_dist_bus_ops,
                        &vm->vgic);
    if (!error)
        error = bus_add(vm->bus, "gicr", ipa(BOARD_GICR_BASE), n * (uint64_t)VGIC_REDIST_SIZE,
                        &vgic_redist_bus_ops, &vm->vgic);
    if (error)
        log_error("cannot make the interrupt controller: %s", strerror(-error));
    return error;
}

static int create_exits(struct vm *vm)
{
    unsigned n = vm->config.nr_vcpus;

    vm->exits.bus = vm->bus;
    vm->exits.psci.ops = &vm_psci_ops;
    vm->exits.psci.opaque = vm;
    vm->exits.psci.nr_cpus = n;
    vm->exits.psci.cpus =
        state_alloc(&vm->state, "psci", STATE_VERSION, n * sizeof(*vm->exits.psci.cpus));
    vm->exits.sysreg_cpus =
        state_alloc(&vm->state, "sysreg", STATE_VERSION, n * sizeof(*vm->exits.sysreg_cpus));
    vm->exits.sysreg.sgi = vm_irq_sgi;
    vm->exits.sysreg.deactivate = vm_irq_deactivate;
    vm->exits.sysreg.opaque = vm;
    return vm->exits.psci.cpus && vm->exits.sysreg_cpus ? 0 : -ENOMEM;
}

int vm_create(struct vm *vm, const struct vm_config *config, struct machine *machine,
              const struct plugins *plugins, struct chardev *chardev)
{
    int error;

    memset(vm, 0, sizeof(*vm));
    vm->config = *config;
    vm->machine = machine;
    state_init(&vm->state, machine->state, machine->layout.state_size);
    for (unsigned i = 0; i < config->nr_vcpus; i++) {
        vm->mpidr[i] = MPIDR_RES1 | (uint64_t)(i / CPUS_PER_AFF1) << 8 | i % CPUS_PER_AFF1;
        vm->vcpus[i] = (struct vcpu){.index = i, .page = &machine->vcpus[i]};
        pcpu_init(&vm->pcpus[i], machine, i);
    }
    vm->bus = bus_new();
    if (!vm->bus) {
        log_error("out of memory");
        return -ENOMEM;
    }
    error = create_gic(vm);
    if (!error)
        error = create_exits(vm);
    if (!error)
        error = vm_devices_create(vm, plugins, chardev);
    return error;
}

void vm_destroy(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_devices; i++)
        device_destroy(vm->devices[i]);
    if (vm->bus)
        bus_free(vm->bus);
}

static void reset_vcpus(struct vm *vm, const struct loader_layout *layout)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        vcpu_reset(&vm->vcpus[i], layout->entry.v, i == 0 ? layout->dtb.v : 0, 0);
        psci_cpu_reset(&vm->exits.psci.cpus[i], vm->mpidr[i], i == 0);
        sysreg_reset(&vm->exits.sysreg_cpus[i]);
    }
}

/* Tell the stub of the VM: its memory, its vCPUs, its windows. */
static int announce(struct vm *vm)
{
    struct pcpu *pcpu = &vm->pcpus[0];
    const struct layout *layout = &vm->machine->layout;
    struct rv_command create = {
        .op = RV_COMMAND_VM_CREATE,
        .vm = VM_ID,
        .arg = {layout->ram, layout->ram_size},
    };
    struct rv_command map = {
        .op = RV_COMMAND_MAP,
        .vm = VM_ID,
        .arg = {BOARD_RAM_BASE, layout->ram, layout->ram_size,
                RV_MAP_READ | RV_MAP_WRITE | RV_MAP_EXEC |
                    (vm->machine->pages_only ? RV_MAP_PAGES_ONLY : 0)},
    };
    int error = pcpu_call(pcpu, &create, NULL);

    if (!error)
        error = pcpu_call(pcpu, &map, NULL);
    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++) {
        struct rv_command vcpu = {
            .op = RV_COMMAND_VCPU_CREATE,
            .vm = VM_ID,
            .vcpu = (uint16_t)i,
            .arg = {vm->mpidr[i], vm->machine->stub_id[RV_ID_INDEX(0, 0)]},
        };

        error = pcpu_call(pcpu, &vcpu, NULL);
    }
    if (!error)
        error = vm_devices_post(vm);
    if (!error)
        error = vgic_set_direct(&vm->vgic, BOARD_TIMER_VIRT_INTID);
    if (!error)
        error = vgic_set_direct(&vm->vgic, BOARD_TIMER_PHYS_INTID);
    if (error)
        log_error("the stub does not take the VM: %s", strerror(-error));
    return error;
}

int vm_start(struct vm *vm, struct event_base *base, const bool *over)
{
    struct loader_layout layout;
    int error = loader_open(&vm->loader, &vm->config.files, vm->config.ram_size);

    if (!error)
        error = vm_load_guest(vm, &layout);
    if (!error)
        error = machine_wait_ready(vm->machine, base, over);
    if (error)
        return error;
    idregs_filter(vm->machine->stub_id, vm->exits.sysreg.id);
    vm->exits.insn_mmio = (struct insn_mmio){
        .bus = vm->bus,
        .ram = {vm->machine->ram, BOARD_RAM_BASE, vm->config.ram_size},
        .pa_bits = insn_mmio_pa_bits(vm->exits.sysreg.id[RV_ID_INDEX(7, 0)]),
        .zva_size = insn_mmio_zva_size(vm->machine->dczid),
    };
    error = announce(vm);
    if (error)
        return error;
    reset_vcpus(vm, &layout);
    return vm_run_vcpu(vm, &vm->vcpus[0]);
}

/*
 * What another process wrote where a core has executed before must be made
 * known to the cores. In pieces: each is answered in time, and other commands
 * get their turn.
 */
static int flush(struct vm *vm, ipa_t start, uint64_t size)
{
    uint64_t from = start.v / RV_PAGE_SIZE * RV_PAGE_SIZE;
    uint64_t to = (start.v + size + RV_PAGE_SIZE - 1) / RV_PAGE_SIZE * RV_PAGE_SIZE;
    int error = 0;

    for (; size && from < to && !error; from += FLUSH_PIECE) {
        struct rv_command command = {
            .op = RV_COMMAND_FLUSH,
            .vm = VM_ID,
            .arg = {vm->machine->layout.ram + (from - BOARD_RAM_BASE),
                    to - from < FLUSH_PIECE ? to - from : FLUSH_PIECE},
        };

        error = pcpu_call(&vm->pcpus[0], &command, NULL);
    }
    return error;
}

/* What the guest still had under way when its vCPUs were stopped, is for devices that are gone. */
static void discard_events(struct vm *vm)
{
    struct rv_event event;

    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        while (pcpu_next_event(&vm->pcpus[i], &event)) {
            if (event.type == RV_EVENT_REFUSED || event.type == RV_EVENT_PANIC)
                vm_event(vm, &vm->pcpus[i], &event);
        }
    }
}

int vm_reset(struct vm *vm)
{
    struct loader_layout layout;
    int error = 0;

    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++)
        error = vm_stop_vcpu(vm, &vm->vcpus[i]);
    discard_events(vm);
    if (!error && madvise(vm->machine->ram, vm->config.ram_size, MADV_REMOVE))
        error = -errno;
    if (error) {
        log_error("cannot reset the guest: %s", strerror(-error));
        return error;
    }
    vm->request = VM_RUN_ON;
    for (unsigned i = 0; i < vm->nr_devices; i++)
        device_reset(vm->devices[i]);
    error = vm_load_guest(vm, &layout);
    if (error)
        return error;
    reset_vcpus(vm, &layout);
    vgic_reset(&vm->vgic);
    error = flush(vm, layout.kernel, layout.kernel_size);
    if (!error)
        error = flush(vm, layout.initrd, layout.initrd_size);
    if (!error)
        error = flush(vm, layout.dtb, LOADER_DTB_SIZE);
    return error ? error : vm_run_vcpu(vm, &vm->vcpus[0]);
}

/* The pCPUs whose vCPUs have something new to see, but for the one that replies. */
static uint64_t kick_mask(struct vm *vm, uint64_t kick_vcpus, const struct pcpu *self)
{
    uint64_t mask = 0;

    for (unsigned i = 0; kick_vcpus; i++, kick_vcpus >>= 1) {
        struct pcpu *pcpu = kick_vcpus & 1 ? vm->vcpus[i].pcpu : NULL;

        if (!pcpu || pcpu == self || !pcpu->notify_due)
            continue;
        pcpu->notify_due = false;
        mask |= 1ull << pcpu->index;
    }
    return mask;
}

/* A blocking exit: what exit_handle() decides becomes commands. */
static void handle_exit(struct vm *vm, struct pcpu *pcpu, const struct rv_event *event)
{
    struct vcpu *vcpu = pcpu->vcpu;
    struct exit_reply reply = {0};
    struct rv_command command = {.op = RV_COMMAND_REPLY};

    vcpu->fetched = RV_GROUP_GPR;
    vcpu->dirty = 0;
    exit_handle(&vm->exits, vcpu, event, &reply);
    if (reply.hold) {
        /* The vCPU is off now, or the guest goes down; else it was lost. */
        if (pcpu->vcpu && vm->request == VM_RUN_ON)
            vm->broken = true;
        return;
    }
    vcpu_flush(vcpu);
    command.flags = reply.flags;
    command.vcpu = (uint16_t)vcpu->index;
    command.reg = reply.reg;
    command.arg[0] = reply.value;
    command.arg[1] = reply.kick_vcpus ? kick_mask(vm, reply.kick_vcpus, pcpu) : 0;
    pcpu_push(pcpu, &command);
    pcpu_notify(pcpu);
    pcpu->guest_runs = true;
}

void vm_event(struct vm *vm, struct pcpu *pcpu, const struct rv_event *event)
{
    switch (event->type) {
    case RV_EVENT_SYNC:
    case RV_EVENT_SERROR: handle_exit(vm, pcpu, event); break;
    case RV_EVENT_POSTED: exit_handle_posted(&vm->exits, event); break;
    case RV_EVENT_EOI: vgic_eoi(&vm->vgic, event->vcpu, (unsigned)event->value); break;
    case RV_EVENT_REFUSED:
        pcpu_log_refusal(pcpu, event);
        vm->broken = true;
        break;
    case RV_EVENT_PANIC:
        log_error("the stub panicked on pCPU %u: vector %u, ESR %#llx, PC %#llx, FAR %#llx, "
                  "PSTATE %#x",
                  pcpu->index, event->flags, (unsigned long long)event->esr,
                  (unsigned long long)event->pc, (unsigned long long)event->far, event->pstate);
        vm->broken = true;
        break;
    case RV_EVENT_STOPPED: /* not by our command: RV_EVENT_REFUSED has said why */
        vm->broken = true;
        break;
    default: break;
    }
}
