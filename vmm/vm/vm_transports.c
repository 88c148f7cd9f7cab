/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_transports.h"

#include <endian.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>

#include "vmm/board/board.h"
#include "vmm/vm/vm.h"

int vm_transport_memory(struct vm *vm, ipa_t base, unsigned *index, uint8_t **memory)
{
    _Static_assert(BOARD_VIRTIO_STEP == VM_ROM_PART, "a transport is a part of a page");
    if (base.v < BOARD_VIRTIO_BASE ||
        base.v - BOARD_VIRTIO_BASE >= BOARD_VIRTIO_COUNT * BOARD_VIRTIO_STEP)
        return -ENOSPC;
    return vm_rom_part(vm, base, index, memory);
}

/*
 * A transport without a device (virtio 1.2, 4.2.2): drivers and firmware for "virt" look at all 32
 * and go on when DeviceID is 0.
 */
static int empty_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    if (size > sizeof(uint32_t))
        return -EINVAL;
    switch (offset) {
    case VIRTIO_MMIO_MAGIC_VALUE: *value = 0x74726976; break; /* "virt" */
    case VIRTIO_MMIO_VERSION: *value = 2; break;
    default: *value = 0; break;
    }
    return 0;
}

static int empty_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    return 0;
}

/* Its registers in memory, without which those of its neighbours could not be shown. */
static void show_empty(struct vm *vm, ipa_t base)
{
    uint8_t *memory;
    unsigned index;

    if (vm_transport_memory(vm, base, &index, &memory))
        return;
    for (uint64_t offset = 0; offset < BOARD_VIRTIO_STEP; offset += sizeof(uint32_t)) {
        uint64_t value;
        uint32_t word;

        empty_read(NULL, offset, sizeof(word), &value);
        word = htole32((uint32_t)value);
        memcpy(memory + offset, &word, sizeof(word));
    }
    vm_rom_written(vm, index, base.v % RV_PAGE_SIZE, BOARD_VIRTIO_STEP);
    vm_rom_show(vm, index, base.v % RV_PAGE_SIZE, BOARD_VIRTIO_STEP, true);
}

int vm_transports_add_empty(struct vm *vm)
{
    static const struct bus_ops empty = {.read = empty_read, .write = empty_write};
    int error = 0;

    for (unsigned i = 0; i < BOARD_VIRTIO_COUNT && !error; i++) {
        ipa_t base = ipa(BOARD_VIRTIO_BASE + i * BOARD_VIRTIO_STEP);

        if (vm->place.transport_used[i])
            continue;
        error =
            bus_add(vm->bus, "virtio-mmio without a device", base, BOARD_VIRTIO_STEP, &empty, NULL);
        show_empty(vm, base);
    }
    return error;
}
