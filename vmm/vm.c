/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm.h"

#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "vmm/guest/board.h"
#include "vmm/guest/fdt.h"
#include "vmm/log.h"
#include "vmm/vm_irq.h"

#define VM_ID         0u
#define RNG_SEED_SIZE 32u
#define MPIDR_RES1    (1ull << 31)
#define CPUS_PER_AFF1 16u /* a target list of ICC_SGI1R_EL1 has 16 bits */
#define STATE_VERSION 1u
#define FLUSH_PIECE   (16ull << 20)

static void *device_state(void *ctx, const char *name, uint32_t version, size_t size)
{
    return state_alloc(&((struct vm *)ctx)->state, name, version, size);
}

static void device_irq(void *ctx, uint32_t intid, bool level)
{
    vgic_set_line(&((struct vm *)ctx)->vgic, 0, intid, level);
}

/* PSCI's requests (struct psci_ops). */

static int run_vcpu(struct vm *vm, struct vcpu *vcpu)
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

/* Bring the vCPU's registers into its page; its core is free then. */
static int stop_vcpu(struct vm *vm, struct vcpu *vcpu)
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

static int cpu_on(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_gic irqs = vcpu->page->gic;
    int error;

    if (vcpu->pcpu)
        return -EBUSY;
    vcpu_reset(vcpu, entry, context_id, 0);
    /* What became pending while it was off waits for it; the CPU interface is as after reset. */
    memcpy(vcpu->page->gic.irq, irqs.irq, sizeof(irqs.irq));
    vcpu->page->gic.nr_irqs = irqs.nr_irqs;
    sysreg_reset(&vm->exits.sysreg_cpus[index]);
    error = run_vcpu(vm, vcpu);
    if (!error)
        psci_cpu_started(&vm->exits.psci.cpus[index]);
    return error;
}

static void cpu_off(void *opaque, unsigned index)
{
    struct vm *vm = opaque;

    stop_vcpu(vm, &vm->vcpus[index]);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (vm->vcpus[i].pcpu)
            return;
    }
    log_error("the guest switched off its last CPU");
    vm->failed = true;
}

static void system_off(void *opaque)
{
    ((struct vm *)opaque)->request = VM_POWER_OFF;
}

static void system_reset(void *opaque, enum psci_reset kind)
{
    (void)kind;
    ((struct vm *)opaque)->request = VM_RESET;
}

static bool is_memory(void *opaque, ipa_t addr)
{
    const struct vm *vm = opaque;

    return addr.v >= BOARD_RAM_BASE && addr.v - BOARD_RAM_BASE < vm->config.ram_size;
}

static const struct psci_ops psci_ops = {cpu_on, cpu_off, system_off, system_reset, is_memory};

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

/* The console UART has its fixed place; what the user adds goes on the platform bus, in order. */
static int create_devices(struct vm *vm, const struct plugins *plugins, struct chardev *chardev)
{
    struct device_env env = {
        .plugins = plugins,
        .bus = vm->bus,
        .chardev = chardev,
        .ctx = vm,
        .state_alloc = device_state,
        .irq_set = device_irq,
    };
    uint64_t base = BOARD_PLATFORM_BASE;
    uint32_t spi = BOARD_PLATFORM_SPI;
    int error;

    error = device_create(&env, "pl011", ipa(BOARD_UART_BASE), BOARD_UART_SPI,
                          &vm->devices[vm->nr_devices]);
    if (error)
        return error;
    vm->nr_devices++;
    env.chardev = NULL;
    for (unsigned i = 0; i < vm->config.nr_devices; i++) {
        const struct rv_device_class *class;

        if (vm->nr_devices == VM_MAX_DEVICES) {
            log_error("more than %u devices", VM_MAX_DEVICES);
            return -ENOSPC;
        }
        error = device_create(&env, vm->config.devices[i], ipa(base), spi,
                              &vm->devices[vm->nr_devices]);
        if (error)
            return error;
        class = device_class(vm->devices[vm->nr_devices++]);
        base += (class->mmio_size + BOARD_PLATFORM_STEP - 1) / BOARD_PLATFORM_STEP *
                BOARD_PLATFORM_STEP;
        spi += class->irq_lines;
        if (base > BOARD_PLATFORM_BASE + BOARD_PLATFORM_SIZE) {
            log_error("device '%s' does not fit on the platform bus", vm->config.devices[i]);
            return -ENOSPC;
        }
    }
    return 0;
}

static int create_exits(struct vm *vm)
{
    unsigned n = vm->config.nr_vcpus;

    vm->exits.bus = vm->bus;
    vm->exits.psci.ops = &psci_ops;
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
        error = create_devices(vm, plugins, chardev);
    return error;
}

void vm_destroy(struct vm *vm)
{
    for (unsigned i = 0; i < vm->nr_devices; i++)
        device_destroy(vm->devices[i]);
    if (vm->bus)
        bus_free(vm->bus);
}

static int build_dtb(struct vm *vm, const struct guest_ram *ram, const struct loader_layout *layout)
{
    struct fdt_device devices[VM_MAX_DEVICES];
    uint32_t spis[VM_MAX_DEVICES][8];
    uint8_t rng_seed[RNG_SEED_SIZE];
    struct fdt_config fdt = {
        .ram_base = ipa(ram->ipa),
        .ram_size = ram->size,
        .mpidr = vm->mpidr,
        .nr_vcpus = vm->config.nr_vcpus,
        .bootargs = vm->config.bootargs,
        .initrd = layout->initrd,
        .initrd_size = layout->initrd_size,
        .rng_seed = rng_seed,
        .rng_seed_size = sizeof(rng_seed),
        .devices = devices,
    };

    if (getrandom(rng_seed, sizeof(rng_seed), 0) != sizeof(rng_seed) ||
        getrandom(&fdt.kaslr_seed, sizeof(fdt.kaslr_seed), 0) != sizeof(fdt.kaslr_seed)) {
        log_error("no random numbers from the host: %s", strerror(errno));
        return -EIO;
    }
    for (unsigned i = 0; i < vm->nr_devices; i++) {
        const struct rv_device_class *class = device_class(vm->devices[i]);

        if (!class->fdt || class->irq_lines > sizeof(spis[0]) / sizeof(spis[0][0]))
            continue;
        for (unsigned line = 0; line < class->irq_lines; line++)
            spis[i][line] = device_first_spi(vm->devices[i]) + line;
        devices[fdt.nr_devices++] = (struct fdt_device){
            .node = class->fdt,
            .base = device_base(vm->devices[i]),
            .size = class->mmio_size,
            .spis = spis[i],
            .nr_spis = class->irq_lines,
        };
    }
    return fdt_build(&fdt, guest_ram_at(ram, layout->dtb.v, LOADER_DTB_SIZE), LOADER_DTB_SIZE);
}

static int dump_dtb(const char *path, const void *dtb)
{
    FILE *out = fopen(path, "wb");
    size_t size = fdt_totalsize(dtb);
    int error = 0;

    if (!out || fwrite(dtb, 1, size, out) != size)
        error = -errno;
    if (out && fclose(out) && !error)
        error = -errno;
    if (error)
        log_error("cannot write the device tree to '%s': %s", path, strerror(-error));
    return error;
}

/* Kernel, initrd and device tree into RAM; vCPU 0 as the boot protocol asks. */
static int load_guest(struct vm *vm, struct loader_layout *layout)
{
    struct guest_ram ram = {vm->machine->ram, BOARD_RAM_BASE, vm->config.ram_size};
    int error = loader_load(&vm->loader, &ram, layout);

    if (!error)
        error = build_dtb(vm, &ram, layout);
    if (!error && vm->config.dump_dtb)
        error = dump_dtb(vm->config.dump_dtb, guest_ram_at(&ram, layout->dtb.v, LOADER_DTB_SIZE));
    return error;
}

static void reset_vcpus(struct vm *vm, const struct loader_layout *layout)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        vcpu_reset(&vm->vcpus[i], layout->entry.v, i == 0 ? layout->dtb.v : 0, 0);
        psci_cpu_reset(&vm->exits.psci.cpus[i], vm->mpidr[i], i == 0);
        sysreg_reset(&vm->exits.sysreg_cpus[i]);
    }
}

static int set_posted_windows(struct vm *vm)
{
    struct rv_command command = {.op = RV_COMMAND_SET_POSTED, .vm = VM_ID};
    int error = 0;

    for (unsigned i = 0; i < vm->nr_devices; i++) {
        const struct rv_range *range = device_class(vm->devices[i])->posted;

        for (; range && range->size && command.arg[0] < RV_MAX_POSTED && !error; range++) {
            command.arg[1] = device_base(vm->devices[i]).v + range->start;
            command.arg[2] = range->size;
            error = pcpu_call(&vm->pcpus[0], &command, NULL);
            command.arg[0]++;
        }
    }
    return error;
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
        error = set_posted_windows(vm);
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
        error = load_guest(vm, &layout);
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
    return run_vcpu(vm, &vm->vcpus[0]);
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
        error = stop_vcpu(vm, &vm->vcpus[i]);
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
    error = load_guest(vm, &layout);
    if (error)
        return error;
    reset_vcpus(vm, &layout);
    vgic_reset(&vm->vgic);
    error = flush(vm, layout.kernel, layout.kernel_size);
    if (!error)
        error = flush(vm, layout.initrd, layout.initrd_size);
    if (!error)
        error = flush(vm, layout.dtb, LOADER_DTB_SIZE);
    return error ? error : run_vcpu(vm, &vm->vcpus[0]);
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
