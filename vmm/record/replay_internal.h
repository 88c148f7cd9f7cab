/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of a replay share. */
#pragma once

#include "vmm/cpu/cores.h"
#include "vmm/loop.h"
#include "vmm/record/record.h"
#include "vmm/record/record_file.h"
#include "vmm/trace/tap.h"
#include "vmm/vm/vm.h"

struct replay {
    struct machine machine; /* the first member: its operations find the replay by it */
    struct record_reader *reader;
    struct record_start start;
    struct record_region regions[RECORD_REGIONS_MAX];
    struct replay_result *result;
    struct tap tap;
    bool begun;   /* the guest has started: from now on all is compared */
    bool stopped; /* the end, a difference, or damage */
    bool damaged;
    uint64_t tick;
    uint32_t event_head[RV_MAX_PCPUS];       /* the stub's */
    struct rv_vcpu_page pages[VM_MAX_VCPUS]; /* as the recording has them */
    struct sched_vcpu vcpus[VM_MAX_VCPUS];   /* at the start of a guest that ran */
    unsigned page_due; /* whose page changes when the event is taken; RECORD_NO_VCPU: nobody's */
    bool handling;     /* `handled` is the event on its way */
    struct rv_event handled;
    unsigned handled_vcpu;
    uint64_t handled_x0;
    void *ram;
    size_t ram_size;
    struct loop loop;
    struct cores cores;
    struct vm vm;
};

/* replay_machine.c: memory, and a stub that says what the recording has. */

/* 0, or -errno after a message. */
int replay_machine_open(struct replay *replay);
void replay_machine_close(struct replay *replay);

/* The event at record_peek() goes into its ring. */
void replay_publish(struct replay *replay, const struct record_item *item);

/* Before the start: the stub does what it is told. */
void replay_acknowledge(struct replay *replay, const struct pcpu *pcpu,
                        const struct rv_command *command);

/* All is as at the recording's start: from now on what comes out is compared. */
void replay_begins(struct replay *replay);

/* replay_state.c: a recording of a guest that ran already. */

/* Before vm_create(): the vCPUs' pages are in place, and the state area is in `config`. */
int replay_take_state(struct replay *replay, struct vm_config *config);

/* After it: the vCPUs that were on want to run. 0 or -errno after a message. */
int replay_go_on(struct replay *replay);

/* replay_compare.c */

/* The next item. NULL: the file is damaged, or the replay has stopped. */
const struct record_item *replay_peek(struct replay *replay);

/* The first difference ends the replay. `came` in words; the recording has `item`. */
void replay_differs(struct replay *replay, const struct record_item *item, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* It has to be one of this type. NULL: it is not, and the replay has stopped. */
const struct record_item *replay_expect(struct replay *replay, enum record_type type,
                                        const char *came);

/* The command with its page, against the recording. */
void replay_compare_command(struct replay *replay, const struct pcpu *pcpu,
                            const struct rv_command *command);
void replay_compare_access(struct replay *replay, const struct tap_access *access);

/* The chunks of an EVENT or COMMAND go into the recording's copy of the page. */
void replay_apply_chunks(struct replay *replay, const struct record_item *item);
