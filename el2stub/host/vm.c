/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs on a computer that has a host. The kernel makes a VM for a process, lends it memory, gives
 * it CPUs, and ends it. The process only has the rings of those CPUs: no command there makes a
 * VM, maps memory, or names another VM, its vCPUs or its CPUs.
 *
 * The kernel is not trusted with the stub's memory. So all calls of this file have one lock,
 * and check what they are given. The tables of a VM come from a part of the stub's memory that
 * no other VM can use up.
 */
#include "arch.h"
#include "el2stub/host/host.h"
#include "shortcut.h"

static struct host_vm {
    uint32_t first_vcpu, nr_vcpus;
    uint64_t cpus; /* those that serve it */
    uint64_t next; /* its table pages that were not used yet */
} host_vms[RV_MAX_VMS];

static uint64_t tables, tables_size; /* the first VM's part, and the size of each */
static uint8_t lock;

/* What of the stub's memory is left is divided among the VMs. */
void host_vm_init(void)
{
    tables = (pgtable_next + STAGE2_ROOT - 1) & ~(STAGE2_ROOT - 1);
    tables_size = (pgtable_end - tables) / RV_MAX_VMS & ~(STAGE2_ROOT - 1);
}

static int create(uint64_t index, uint64_t first_vcpu, uint64_t nr_vcpus)
{
    struct host_vm *host = &host_vms[index];
    struct vm *vm = &vms[index];
    uint64_t root = tables + index * tables_size;

    if (vm->exists || !range_inside(first_vcpu, nr_vcpus, 0, boot.nr_vcpus))
        return RV_HOST_BUSY;
    host->first_vcpu = (uint32_t)first_vcpu;
    host->nr_vcpus = (uint32_t)nr_vcpus;
    host->cpus = 0;
    pgtable_next = root;
    pgtable_end = root + tables_size;
    vm->stopped = false;
    vm->ram_size = 0; /* so that no command of a ring maps anything */
    vm->root = pgtable_alloc(STAGE2_ROOT);
    host->next = pgtable_next;
    vm->vttbr = (index + 1) << 48 | root; /* VMID 0 is the host's */
    vm->exists = true;
    return 0;
}

/* `size` has the permissions in its low bits. */
static int lend(uint64_t index, uint64_t ipa, uint64_t pa, uint64_t size)
{
    const uint64_t stub = boot.stub_offset, stub_end = stub + boot.stub_size;
    struct host_vm *host = &host_vms[index];
    uint64_t prot = size % RV_PAGE_SIZE;
    int error;

    size -= prot;
    if (!vms[index].exists || (ipa | pa) % RV_PAGE_SIZE ||
        !range_inside(ipa, size, 0, 1ull << IPA_BITS) ||
        !range_inside(pa, size, 0, 1ull << RV_IPA_BITS))
        return RV_HOST_BUSY;
    if (pa < stub_end && pa + size > stub)
        return RV_HOST_BUSY;
    pgtable_next = host->next;
    pgtable_end = tables + (index + 1) * tables_size;
    error = pgtable_map(vms[index].root, STAGE2_FIRST, ipa, pa, size, stage2_attributes(prot),
                        false, RV_MAX_ENTRIES);
    host->next = pgtable_next;
    return error ? RV_HOST_BUSY : 0;
}

/* Does a CPU still serve the VM, or has it not left it yet? */
static bool is_served(uint64_t index)
{
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        int state = host_state(i);

        if (host_cpus[i].vm == index && (state == HOST_SERVES || state == HOST_RETURNS))
            return true;
    }
    return false;
}

/* When this is done, no CPU has a translation of the VM any more: its memory is the host's alone. */
static int destroy(uint64_t index)
{
    if (!vms[index].exists || is_served(index))
        return RV_HOST_BUSY;
    for (uint32_t i = 0; i < RV_MAX_VCPUS; i++) {
        if (vcpus[i].vm == &vms[index])
            vcpus[i].vm = NULL;
    }
    vms[index].exists = false;
    tlb_flush_guests();
    return 0;
}

static int take(uint64_t index, uint64_t cpu)
{
    if (!vms[index].exists || host_state(cpu) != HOST_PARKED)
        return RV_HOST_BUSY;
    /* It is read by the CPU itself, when it serves. */
    host_cpus[index_nospec(cpu, RV_MAX_PCPUS)].vm = (uint32_t)index;
    host_vms[index].cpus |= 1ull << cpu;
    return host_change(cpu, HOST_PARKED, HOST_SERVES);
}

/* x0: RV_HOST_VM_*; x1: the VM. 0 or RV_HOST_*. */
int host_vm_call(const uint64_t *x)
{
    uint64_t index = index_nospec(x[1], RV_MAX_VMS);
    int error = RV_HOST_UNKNOWN;

    if (x[1] >= RV_MAX_VMS)
        return RV_HOST_UNKNOWN;
    while (__atomic_test_and_set(&lock, __ATOMIC_ACQUIRE))
        cpu_relax();
    switch (x[0]) {
    case RV_HOST_VM_CREATE: error = create(index, x[2], x[3]); break;
    case RV_HOST_VM_LEND: error = lend(index, x[2], x[3], x[4]); break;
    case RV_HOST_VM_TAKE: error = take(index, x[2]); break;
    case RV_HOST_VM_DESTROY: error = destroy(index); break;
    default: break;
    }
    __atomic_clear(&lock, __ATOMIC_RELEASE);
    return error;
}

/* command.c: the copy of a command that came by this CPU's ring. What is not the VM's is nobody's. */
void platform_confine(struct pcpu *pcpu, struct rv_command *command)
{
    const struct host_vm *host = &host_vms[host_of(pcpu)->vm];

    if (command->vm != host_of(pcpu)->vm ||
        !range_inside(command->vcpu, 1, host->first_vcpu, host->nr_vcpus)) {
        command->op = RV_COMMAND_COUNT;
        command->vm = RV_MAX_VMS;
    }
    if (command->op == RV_COMMAND_REPLY)
        command->arg[1] &= host->cpus;
}

/* The CPUs that this one's VM may disturb. */
uint64_t platform_cpus(const struct pcpu *pcpu)
{
    return host_vms[host_of(pcpu)->vm].cpus;
}
