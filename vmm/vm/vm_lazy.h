/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RAM that comes when it is needed: of a guest that goes on from a snapshot before all of its
 * memory has been read.
 *
 * Blocks of 2 MiB. One that is not there is not mapped in stage 2: the guest's access to it is a
 * translation fault, upon which the block is read and mapped, and the guest makes the access
 * again. What this process reads and writes goes through guest_ram_at(), which has the block read
 * first. The source reads by itself meanwhile, and a timer maps what has been read: what the guest
 * waits for comes first.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/message.h"

struct vm;

struct vm_lazy_source {
    /* Block `index` of RAM, which is zeros at first, is to be there now. 0 or -errno after a message. */
    int (*load)(void *opaque, uint64_t index);
    /* Would that be done at once? */
    bool (*has)(void *opaque, uint64_t index);
    /* All of RAM is there, or the VM ends: the source is not needed any more. */
    void (*end)(void *opaque);
    void *opaque;
};

/* For a new VM whose config has a source, before its devices are made. 0 or -ENOMEM. */
int vm_lazy_open(struct vm *vm);

/* In place of mapping all of RAM: what has been read so far. 0, or what cores_call() said. */
int vm_lazy_map(struct vm *vm);

/* The VM runs: the rest is read. 0 or -ENOMEM. */
int vm_lazy_start(struct vm *vm);

/* True: the guest needed a block of RAM that was not there. It is there now. */
bool vm_lazy_fault(struct vm *vm, const struct rv_event *event);

/* Is some of RAM missing? */
bool vm_lazy_is_on(const struct vm *vm);

/* Read all of it now. What cannot be read breaks the VM. */
void vm_lazy_finish(struct vm *vm);

void vm_lazy_free(struct vm *vm);
