/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of devices that the guest reads in place of their registers: what it executes as well,
 * such as a flash chip in array mode, or only data, such as a UART's status. Stage 2 maps it
 * read-only while it is shown, so that writes still come to the device. It is mapped when the
 * guest first accesses it: a device that changes its mode for each command then costs no command
 * of the stub's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"
#include "vmm/util/types.h"
#include "vmm/vm/ram.h"

#define VM_ROM_PART (RV_PAGE_SIZE / 8)

struct vm;

/* What the vmm keeps of one, beside its struct guest_rom. */
struct vm_rom {
    uint64_t offset; /* in the VM's share of the machine's RAM */
    uint64_t *stale; /* a bit for each page that was written since the guest could see it */
    bool data;       /* is not executed: there is no `stale` */
    unsigned asked;  /* bits: the parts of a shared page that are to be shown; else all or none */
    bool mapped;     /* in stage 2 */
};

/*
 * Memory for `bytes` at `base`, zeroed. 0 and its index; -ENOSPC: the machine was made with less
 * of it than this; -EINVAL: not whole pages; -ENOMEM.
 */
int vm_rom_new(struct vm *vm, ipa_t base, uint64_t bytes, bool data, unsigned *index,
               uint8_t **memory);

/*
 * The same for a part of a page of data, VM_ROM_PART bytes, whose other parts are other devices': the
 * index is the page's, and the memory the part's. There is room for few, and in each machine.
 */
int vm_rom_part(struct vm *vm, ipa_t base, unsigned *index, uint8_t **memory);

/*
 * From now on the guest's reads come to these bytes, which are all of it or a part, or to the device's
 * read(). A page with parts is shown while all of them are.
 */
void vm_rom_show(struct vm *vm, unsigned index, uint64_t offset, uint64_t size, bool shown);

/* Is there one that the guest may execute? */
bool vm_rom_has_code(const struct vm *vm);

/*
 * From now on data is shown as the devices ask, or not at all: each read of a device's registers
 * is an exit, as a recording needs it.
 */
void vm_rom_show_data(struct vm *vm, bool shown);

/*
 * The VM is this process's from now on. What an earlier one has mapped is unmapped: it may have
 * died between the stub's command and any record of it.
 */
void vm_rom_take_over(struct vm *vm);

/* The device wrote these bytes. */
void vm_rom_written(struct vm *vm, unsigned index, uint64_t offset, uint64_t size);

/*
 * Was the exit a read or fetch of memory that is shown but was not mapped? Then it is mapped
 * now, and the vCPU has to make the access again.
 */
bool vm_rom_fault(struct vm *vm, const struct rv_event *event);

void vm_rom_free(struct vm *vm);
