/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_post.h"

#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

/* The last window is for vm_post_later(), if there is a flash, whose buffers need it. */
#define POST_LATER (RV_MAX_POSTED - 1)

/* The n-th range of all regions of a device, and its region. NULL: it has no more, or is on PCI. */
static const struct rv_range *posted_range(const struct rv_instance *device, unsigned n,
                                           unsigned *region)
{
    const struct rv_region *regions = device_class(device)->regions;

    for (*region = 0; !device_pci_slot(device) && regions[*region].bytes; ++*region)
        for (const struct rv_range *r = regions[*region].posted; r && r->size; r++)
            if (n-- == 0)
                return r;
    return NULL;
}

/*
 * There are few windows: one for all BARs, as any write to PCI's memory is posted (PCI Local
 * Bus 3.0, 3.2.5: drivers read back where it matters); then each device's first range before
 * anybody's second, in the order of the devices. A range that gets none works by blocking exits.
 */
void vm_post_windows(struct vm *vm)
{
    const unsigned windows = vm_rom_has_code(vm) ? POST_LATER : RV_MAX_POSTED;
    unsigned nr = 0;
    bool more = true;

    if (pci_host_is_used(&vm->pci))
        vm->posted[nr++] = (struct rv_posted){BOARD_PCI_MMIO_BASE, BOARD_PCI_MMIO_SIZE};
    for (unsigned n = 0; more; n++) {
        more = false;
        for (unsigned i = 0; i < vm->nr_devices; i++) {
            unsigned region;
            const struct rv_range *range = posted_range(vm->devices[i], n, &region);

            if (!range)
                continue;
            more = true;
            if (nr == windows) {
                log_debug("device '%s': no posted window is left for registers 0x%llx",
                          device_name(vm->devices[i]), (unsigned long long)range->start);
                continue;
            }
            vm->posted[nr++] = (struct rv_posted){
                device_base(vm->devices[i], region).v + range->start, range->size};
        }
    }
}

/*
 * The stub reads the windows at each store, so this counts at once, also for vCPUs that run. A
 * vCPU whose exit the vmm answers after this sees it from its next instruction on: the reply is
 * published behind these stores.
 */
void vm_post_later(struct vm *vm, ipa_t start, uint64_t size)
{
    struct rv_posted *window = &vm->posted[POST_LATER];

    if (window->size && window->start != start.v)
        return;
    *window = (struct rv_posted){start.v, size};
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        struct rv_posted *seen = &vm->vcpus[i].page->posted[POST_LATER];

        /* Never the new size with the old start. */
        __atomic_store_n(&seen->size, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&seen->start, start.v, __ATOMIC_RELEASE);
        __atomic_store_n(&seen->size, size, __ATOMIC_RELEASE);
    }
}
