/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_load.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "vmm/board/board.h"
#include "vmm/board/fdt.h"
#include "vmm/sandbox/needs.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

#define RNG_SEED_SIZE 32u

static int build_dtb(struct vm *vm, const struct guest_ram *ram, const struct loader_layout *layout)
{
    struct fdt_device devices[VM_MAX_DEVICES];
    uint32_t spis[VM_MAX_DEVICES][VM_MAX_LINES];
    struct fdt_region more[VM_MAX_DEVICES][FDT_MORE_MAX];
    uint8_t rng_seed[RNG_SEED_SIZE];
    struct fdt_config fdt = {
        .ram_base = ipa(ram->ipa),
        .ram_size = ram->size,
        .mpidr = vm->mpidr,
        .nr_vcpus = vm->config.nr_vcpus,
        .pmu = idregs_has_pmu(vm->exits.sysreg.id),
        .bootargs =
            vm->config.bootargs || !layout->cmdline[0] ? vm->config.bootargs : layout->cmdline,
        .initrd = layout->initrd,
        .initrd_size = layout->initrd_size,
        .rng_seed = rng_seed,
        .rng_seed_size = sizeof(rng_seed),
        .devices = devices,
        .pci = pci_host_is_used(&vm->pci),
    };

    if (getrandom(rng_seed, sizeof(rng_seed), 0) != sizeof(rng_seed) ||
        getrandom(&fdt.kaslr_seed, sizeof(fdt.kaslr_seed), 0) != sizeof(fdt.kaslr_seed)) {
        log_error("no random numbers from the host: %s", strerror(errno));
        return -EIO;
    }
    for (unsigned i = 0; i < vm->nr_devices; i++) {
        const struct rv_device_class *class = device_class(vm->devices[i]);

        unsigned nr_more = 0;

        if (!class->fdt || device_pci_slot(vm->devices[i]))
            continue;
        for (const struct rv_region *r = class->regions + 1; r->bytes; r++, nr_more++)
            more[i][nr_more] =
                (struct fdt_region){device_base(vm->devices[i], 1 + nr_more), r->bytes};
        for (unsigned line = 0; line < class->irq_lines; line++)
            spis[i][line] = device_first_spi(vm->devices[i]) + line;
        devices[fdt.nr_devices++] = (struct fdt_device){
            .node = class->fdt,
            .base = device_base(vm->devices[i], 0),
            .size = class->regions[0].bytes,
            .more = more[i],
            .nr_more = nr_more,
            .spis = spis[i],
            .nr_spis = class->irq_lines,
            .irq_edge = class->irq_edge,
            .device = device_opaque(vm->devices[i]),
            .fdt_node = class->fdt_node,
            .fdt_root = class->fdt_root,
        };
    }
    return fdt_build(&fdt, guest_ram_to_write(ram, layout->dtb.v, layout->dtb_size),
                     layout->dtb_size);
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
    else
        sandbox_need_path(path, SANDBOX_WRITE); /* a reset writes it again */
    return error;
}

int vm_open_files(struct vm *vm)
{
    int error;

    if (vm->config.firmware)
        return 0;
    error = loader_open(&vm->loader, &vm->config.files, vm->config.ram_size);
    vm->loaded = !error;
    return error;
}

/*
 * Firmware for QEMU's "virt" starts where the flash does, and finds the device tree at the start
 * of RAM. EDK2 has its first stack at 0x7c000 from there.
 */
int vm_load_files(struct vm *vm, struct loader_layout *layout)
{
    if (!vm->config.firmware)
        return loader_load(&vm->loader, &vm->ram, layout);
    *layout = (struct loader_layout){
        .entry = ipa(BOARD_FLASH_BASE),
        .dtb = ipa(BOARD_RAM_BASE),
        .dtb_size = LOADER_DTB_ROOM_MIN,
    };
    return 0;
}

int vm_load_dtb(struct vm *vm, const struct loader_layout *layout)
{
    const void *dtb = guest_ram_at(&vm->ram, layout->dtb.v, layout->dtb_size);
    int error = build_dtb(vm, &vm->ram, layout);

    return error || !vm->config.dump_dtb ? error : dump_dtb(vm->config.dump_dtb, dtb);
}
