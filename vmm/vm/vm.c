/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm.h"

#include <errno.h>
#include <string.h>

#include "vmm/board/board.h"
#include "vmm/trace/tap.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_check.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_irq.h"
#include "vmm/vm/vm_load.h"
#include "vmm/vm/vm_pause.h"
#include "vmm/vm/vm_post.h"
#include "vmm/vm/vm_stats.h"

#define MPIDR_RES1    (1ull << 31)
#define CPUS_PER_AFF1 16u /* a target list of ICC_SGI1R_EL1 has 16 bits */
_Static_assert(BOARD_SPI_LIMIT == VGIC_NR_SPIS, "each SPI that is given out has a wire");
_Static_assert(VM_MAX_VCPUS * sizeof(struct pvtime_stolen) <= BOARD_PVTIME_SIZE, "stolen time");

int vm_stop_vcpu(struct vm *vm, struct vcpu *vcpu)
{
    int error = sched_stop(&vm->cores->sched, vcpu->number);

    if (error)
        vm->broken = true;
    return error;
}

uint64_t vm_memory_size(uint64_t ram_size, uint64_t rom_size)
{
    return ram_size + rom_size + BOARD_PVTIME_SIZE;
}

/* In the VM's share: RAM, ROMs, stolen time. */
uint64_t vm_pvtime_offset(const struct vm *vm)
{
    return vm->config.ram_size + vm->config.rom_size;
}

static int create_gic(struct vm *vm)
{
    unsigned n = vm->config.nr_vcpus;
    size_t size = vgic_state_size(n);
    bool resume = vm->config.origin != VM_NEW;
    void *state = state_open(&vm->state, resume, "gic", VM_STATE_VERSION, size);
    int error;

    if (!state)
        return resume ? -EINVAL : -ENOMEM;
    error = resume ? vgic_attach(&vm->vgic, state, size, &vm_irq_ops, vm)
                   : vgic_init(&vm->vgic, state, size, n, vm->mpidr, &vm_irq_ops, vm);
    vm->vgic.undo = &vm->cores->undo;
    if (!error && !vgic_has_vcpus(&vm->vgic, n, vm->mpidr))
        error = -EINVAL;
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

/* Those that a debugger keeps for the guest while it uses the CPU's; else the CPU's. */
static struct rv_debug *debug_registers(void *opaque, unsigned index)
{
    struct vm *vm = opaque;
    struct vcpu *vcpu = &vm->vcpus[index];
    struct rv_debug *kept =
        vm->debugger ? vm->debugger->registers(vm->debugger->opaque, index) : NULL;

    if (kept)
        return kept;
    return vcpu_fetch(vcpu, RV_GROUP_DEBUG) ? NULL : &vcpu->page->debug;
}

static void debug_registers_written(void *opaque, unsigned index)
{
    struct vm *vm = opaque;

    if (vm->debugger && vm->debugger->registers(vm->debugger->opaque, index))
        vm->debugger->registers_written(vm->debugger->opaque, index);
    else
        vcpu_mark_dirty(&vm->vcpus[index], RV_GROUP_DEBUG);
}

/* The bytes of PSCI that another vmm has left; new ones are all zeros until the reset. */
static int check_psci(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (psci_cpu_is_valid(&vm->exits.psci.cpus[i], vm->mpidr[i]))
            continue;
        log_error("state block 'psci' is damaged: the guest cannot be taken over");
        return -EINVAL;
    }
    return 0;
}

static int create_exits(struct vm *vm)
{
    unsigned n = vm->config.nr_vcpus;
    bool resume = vm->config.origin != VM_NEW;

    vm->exits.bus = vm->bus;
    vm->exits.stats.by_place = log_enabled(LOG_DEBUG);
    vm->exits.psci.ops = &vm_psci_ops;
    vm->exits.psci.opaque = vm;
    vm->exits.psci.nr_cpus = n;
    vm->exits.psci.undo = &vm->cores->undo;
    vm->exits.psci.cpus =
        state_open(&vm->state, resume, "psci", VM_STATE_VERSION, n * sizeof(*vm->exits.psci.cpus));
    vm->exits.sysreg_cpus = state_open(&vm->state, resume, "sysreg", VM_STATE_VERSION,
                                       n * sizeof(*vm->exits.sysreg_cpus));
    vm->exits.sysreg.sgi = vm_irq_sgi;
    vm->exits.sysreg.deactivate = vm_irq_deactivate;
    vm->exits.sysreg.gic = vm_irq_ops.save;
    vm->exits.sysreg.set_vmcr = vm_irq_set_vmcr;
    vm->exits.sysreg.debug = debug_registers;
    vm->exits.sysreg.debug_written = debug_registers_written;
    vm->exits.sysreg.set_way = vm_code_set_way;
    vm->exits.sysreg.opaque = vm;
    if (!vm->exits.psci.cpus || !vm->exits.sysreg_cpus)
        return resume ? -EINVAL : -ENOMEM;
    return resume ? check_psci(vm) : 0;
}

/* The state area and the blocks that no part of the VM has for itself. */
static int create_state(struct vm *vm)
{
    bool resume = vm->config.origin != VM_NEW;
    int error = resume ? state_attach(&vm->state, vm->config.state_fd) : state_create(&vm->state);

    if (!error)
        undo_place(&vm->cores->undo, UNDO_STATE, vm->state.base, vm->state.reserved);
    if (!error)
        error = vm_clock_init(&vm->clock, &vm->state, resume && vm->config.origin != VM_REPLAYED);
    if (!error && vm->config.origin == VM_RESTORED)
        vm_clock_stop(&vm->clock);
    return error ? error : vm_core_open(vm);
}

static void ram_written(void *opaque, uint64_t offset, uint64_t size)
{
    vm_dirty_written(opaque, offset, size);
}

int vm_create(struct vm *vm, const struct vm_config *config, const struct vm_share *share,
              struct cores *cores, struct event_base *base, const struct plugins *plugins,
              struct chardev *console)
{
    struct machine *machine = cores->machine;
    int error;

    memset(vm, 0, sizeof(*vm));
    net_cards_init(&vm->cards, config->name);
    vm->config = *config;
    vm->share = *share;
    vm->cores = cores;
    cores->handle_left = vm_event_left;
    vm->machine = machine;
    vm->base = base;
    vm->ram = (struct guest_ram){
        .host = machine->ram + share->ram_offset,
        .ipa = BOARD_RAM_BASE,
        .size = config->ram_size,
        .written = ram_written,
        .opaque = vm,
    };
    vm->console.chardev = console;
    error = create_state(vm);
    if (!error && config->lazy)
        error = vm_lazy_open(vm);
    if (error)
        return error;
    undo_place(&cores->undo, UNDO_RAM, vm->ram.host, vm->ram.size);
    for (unsigned i = 0; i < config->nr_vcpus; i++) {
        vm->mpidr[i] = MPIDR_RES1 | (uint64_t)(i / CPUS_PER_AFF1) << 8 | i % CPUS_PER_AFF1;
        vm->vcpus[i] = (struct vcpu){
            .index = i,
            .vm_id = share->id,
            .vm = vm,
            .mpidr = vm->mpidr[i],
            .hcr = HCR_TWI,
            .posted = vm->posted,
        };
        if (cores_add(cores, &vm->vcpus[i])) {
            log_error("the machine has no room for another vCPU");
            return -ENOSPC;
        }
    }
    vm->bus = bus_new();
    if (!vm->bus) {
        log_error("out of memory");
        return -ENOMEM;
    }
    if (config->origin == VM_TAKEN_OVER)
        error = vm_take_cores(vm);
    if (!error)
        error = vm_code_open(vm);
    if (!error)
        error = vm_dirty_open(vm);
    if (!error)
        error = create_gic(vm);
    if (!error)
        error = create_exits(vm);
    if (!error && !config->no_devices)
        error = vm_devices_create(vm, plugins);
    if (!error)
        vm_post_windows(vm);
    return error ? error : vm_check_claimed(vm);
}

void vm_destroy(struct vm *vm)
{
    vm_stats_show(vm);
    vm_devices_destroy(vm);
    if (vm->bus)
        bus_free(vm->bus);
    state_close(&vm->state);
    vm_lazy_free(vm);
    code_pages_free(&vm->code);
    vm_rom_free(vm);
    net_cards_free(&vm->cards);
}

static void reset_vcpus(struct vm *vm, const struct loader_layout *layout)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        vcpu_reset(&vm->vcpus[i], layout->entry.v, i == 0 ? layout->dtb.v : 0, vm->core->cntvoff);
        psci_cpu_reset(&vm->exits.psci.cpus[i], vm->mpidr[i], i == 0);
        sysreg_reset(&vm->exits.sysreg_cpus[i]);
        vm->vcpus[i].stolen_ns = 0;
        vm->vcpus[i].pvtime = &vm->pvtime;
    }
    pvtime_region_init(&vm->pvtime, vm->ram.host + vm_pvtime_offset(vm), BOARD_PVTIME_SIZE,
                       vm->config.nr_vcpus);
}

/* Tell the stub of the VM: its memory and its vCPUs. */
int vm_announce(struct vm *vm)
{
    const struct layout *layout = &vm->machine->layout;
    uint64_t ram = layout->ram + vm->share.ram_offset;
    struct rv_command create = {
        .op = RV_COMMAND_VM_CREATE,
        .vm = (uint16_t)vm->share.id,
        .arg = {ram, vm_memory_size(vm->config.ram_size, vm->config.rom_size)},
    };
    struct rv_command pvtime = {
        .op = RV_COMMAND_MAP,
        .vm = (uint16_t)vm->share.id,
        .arg = {BOARD_PVTIME_BASE, ram + vm_pvtime_offset(vm), BOARD_PVTIME_SIZE, RV_MAP_READ},
    };
    int error = cores_call(vm->cores, &create, NULL);

    if (!error)
        error = vm->lazy ? vm_lazy_map(vm) : vm_map_all_ram(vm);
    if (!error)
        error = cores_call(vm->cores, &pvtime, NULL);
    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++) {
        struct rv_command vcpu = {
            .op = RV_COMMAND_VCPU_CREATE,
            .vm = (uint16_t)vm->share.id,
            .vcpu = (uint16_t)vm->vcpus[i].number,
            .arg = {rv_boot_kick(vm->mpidr[i])},
        };

        error = cores_call(vm->cores, &vcpu, NULL);
    }
    vgic_set_direct_sgis(&vm->vgic);
    if (!error)
        error = vgic_set_direct(&vm->vgic, BOARD_TIMER_VIRT_INTID);
    if (!error)
        error = vgic_set_direct(&vm->vgic, BOARD_TIMER_PHYS_INTID);
    if (!error && idregs_has_pmu(vm->exits.sysreg.id))
        error = vgic_set_direct(&vm->vgic, BOARD_PMU_INTID);
    if (error)
        log_error("the stub does not take the VM: %s", strerror(-error));
    return error;
}

void vm_know_cpus(struct vm *vm)
{
    idregs_filter(vm->machine->stub_id, vm->exits.sysreg.id);
    smccc_init(&vm->exits.smccc, &vm->exits.psci, vm->machine->stub_id);
    vm->exits.smccc.pvtime = (struct pvtime){.available = true, .base = BOARD_PVTIME_BASE};
    vm->exits.insn_mmio = (struct insn_mmio){
        .bus = vm->bus,
        .ram = vm->ram,
        .roms = &vm->roms,
        .pa_bits = insn_mmio_pa_bits(vm->exits.sysreg.id[RV_ID_INDEX(7, 0)]),
        .zva_size = insn_mmio_zva_size(vm->machine->dczid),
        .sve = (uint16_t)vm->machine->sve,
    };
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        vm->vcpus[i].midr = vm->machine->stub_id[RV_ID_INDEX(0, 0)];
}

int vm_begin(struct vm *vm, const struct loader_layout *layout)
{
    int error = vm_announce(vm);

    if (error)
        return error;
    reset_vcpus(vm, layout);
    vm->running = true;
    vm_devices_resume(vm);
    tap_starts(vm, layout);
    sched_start(&vm->cores->sched, vm->vcpus[0].number);
    return 0;
}

int vm_start(struct vm *vm, const bool *over)
{
    struct loader_layout layout;
    int error = vm_open_files(vm);

    if (!error)
        error = vm_load_files(vm, &layout);
    if (!error)
        error = machine_wait_ready(vm->machine, vm->base, over);
    if (error)
        return error;
    vm_know_cpus(vm);
    error = vm_load_dtb(vm, &layout);
    return error ? error : vm_begin(vm, &layout);
}

int vm_stop(struct vm *vm)
{
    int error = 0;

    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++)
        error = vm_stop_vcpu(vm, &vm->vcpus[i]);
    return error;
}

/*
 * The devices are quiet. RAM keeps its contents, as on QEMU's "virt", so that a guest can
 * leave something for the next start (a crash log in ramoops): kernel, initrd and device
 * tree are put in place again. What is stale stays stale for the same reason.
 */
static int start_again(struct vm *vm)
{
    struct loader_layout layout;
    int error;

    vm_devices_reset(vm);
    error = vm->loaded ? 0 : vm_open_files(vm);
    if (!error)
        error = vm_load_files(vm, &layout);
    if (!error)
        error = vm_load_dtb(vm, &layout);
    if (error)
        return error;
    reset_vcpus(vm, &layout);
    vgic_reset(&vm->vgic);
    vm_code_written(vm, layout.kernel, layout.kernel_size);
    vm_code_written(vm, layout.initrd, layout.initrd_size);
    vm_code_written(vm, layout.dtb, layout.dtb_size);
    if (vm->debugger)
        vm->debugger->reset_ends(vm->debugger->opaque);
    if (vm->broken)
        return -EIO;
    vm->core->request = VM_RUN_ON; /* not before: a vmm that dies here leaves the reset to do */
    vm_pause_begin(vm);
    return 0;
}

int vm_reset(struct vm *vm)
{
    int error = 0;

    if (vm->pause.kept)
        return 0; /* the request stands, as below */
    if (!vm->resetting) {
        tap_untold("the guest is reset");
        error = vm_stop(vm);
        if (!error && vm->debugger)
            vm->debugger->reset_begins(vm->debugger->opaque);
        if (!error)
            error = vm_devices_quiesce(vm);
        vm->resetting = true;
    }
    if (!error && !vm_devices_are_quiet(vm))
        return 0; /* the request stands: the loop asks again */
    vm->resetting = false;
    if (!error)
        error = start_again(vm);
    if (error)
        log_error("cannot reset the guest: %s", strerror(-error));
    return error;
}
