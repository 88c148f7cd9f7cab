/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a recording share. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/gic/vgic.h"
#include "vmm/record/record_file.h"
#include "vmm/trace/tap.h"
#include "vmm/vm/vm.h"

struct record {
    struct tap tap;
    struct record_writer *writer;
    struct vm *vm; /* NULL: it has not started */
    bool refused;
    bool over;                               /* nothing is recorded any more */
    uint64_t tick;                           /* the time that stands */
    bool lines[VGIC_NR_INTIDS];              /* before the start: the level of each */
    struct rv_vcpu_page pages[VM_MAX_VCPUS]; /* as the file has them so far */
};

/* An item of no vCPU. */
void record_item_put(struct record *record, enum record_type type, unsigned pcpu, const void *data,
                     size_t size);

/* A message, and what has changed in the vCPU's page; RECORD_NO_VCPU: in none. */
void record_message_put(struct record *record, enum record_type type, const struct pcpu *pcpu,
                        unsigned vcpu, const void *message);

/* The time stands from now on. */
uint64_t record_set_tick(struct record *record);

/* From now on the core's entropy is the recording's. */
void record_take_entropy(struct record *record, struct vm *vm);

/*
 * record_start.c: the file's beginning, of a guest that starts with this layout; or of one that
 * ran, all of whose vCPUs are off.
 */
void record_put_start(struct record *record, struct vm *vm, const struct loader_layout *layout);
void record_put_middle(struct record *record, struct vm *vm);
