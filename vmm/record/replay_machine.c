/* SPDX-License-Identifier: BSD-2-Clause */
/* The machine of a replay: memory without a guest, and the stub's side of the rings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/board/board.h"
#include "vmm/record/replay_internal.h"
#include "vmm/util/log.h"

static void publish(struct replay *replay, unsigned pcpu, const struct rv_event *event)
{
    struct rv_channel *channel = &replay->machine.channels[pcpu];
    uint32_t head = replay->event_head[pcpu];
    struct rv_event *slot = &channel->event[head % RV_EVENT_ENTRIES];

    *slot = *event;
    rv_ring_publish(&slot->seq, head);
    replay->event_head[pcpu]++;
}

void replay_publish(struct replay *replay, const struct record_item *item)
{
    unsigned pcpu = item->head.pcpu;
    struct rv_event event;

    if (replay->event_head[pcpu] - replay->cores.pcpus[pcpu].event_tail >= RV_EVENT_ENTRIES) {
        log_error("the recording is damaged: pCPU %u has more events than a ring", pcpu);
        replay->damaged = replay->stopped = true;
        return;
    }
    memcpy(&event, item->at, sizeof(event));
    replay_apply_chunks(replay, item);
    replay->page_due = item->head.vcpu;
    record_next(replay->reader);
    publish(replay, pcpu, &event);
}

void replay_acknowledge(struct replay *replay, const struct pcpu *pcpu,
                        const struct rv_command *command)
{
    const struct rv_event ack = {.type = RV_EVENT_ACK, .vcpu = RV_NO_VCPU, .esr = command->tag};

    if (command->flags & RV_COMMAND_FLAG_ACK)
        publish(replay, pcpu->index, &ack);
}

static void kick(struct machine *machine, unsigned pcpu)
{
}

/*
 * Asked by a vmm that waits: it gets the next event. True: there is none, and it would wait for
 * ever.
 */
static bool is_dead(struct machine *machine)
{
    struct replay *replay = (struct replay *)machine;
    const struct record_item *item = replay_peek(replay);

    if (!item)
        return true;
    if (item->head.type != RECORD_EVENT) {
        replay_differs(replay, item, "the vmm waits for the stub");
        return true;
    }
    replay_publish(replay, item);
    return replay->stopped;
}

static void stop(struct machine *machine)
{
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead, .stop = stop};

int replay_machine_open(struct replay *replay)
{
    const struct record_start *start = &replay->start;
    struct machine *machine = &replay->machine;

    replay->ram_size = vm_memory_size(start->ram_size, 0);
    replay->ram = mmap(NULL, replay->ram_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (replay->ram == MAP_FAILED)
        replay->ram = NULL;
    *machine = (struct machine){
        .ops = &ops,
        .nr_pcpus = start->nr_pcpus,
        .nr_vcpus = start->nr_vcpus,
        .layout = {.ram = start->layout_ram, .ram_size = replay->ram_size},
        .memory_fd = -1,
        .channels = aligned_alloc(RV_PAGE_SIZE, start->nr_pcpus * sizeof(struct rv_channel)),
        .vcpus = aligned_alloc(RV_PAGE_SIZE, start->nr_vcpus * sizeof(struct rv_vcpu_page)),
        .ram = replay->ram,
        .doorbell = -1,
        .blind = start->blind,
        .nr_lrs = start->nr_lrs,
        .has_tdir = start->has_tdir,
        .is_ready = true,
        .cntfrq = start->cntfrq,
        .dczid = start->dczid,
        .sve = start->sve,
    };
    memcpy(machine->stub_id, start->stub_id, sizeof(machine->stub_id));
    if (!machine->channels || !machine->vcpus || !machine->ram) {
        log_error("no memory for a guest with %llu bytes of RAM",
                  (unsigned long long)start->ram_size);
        return -ENOMEM;
    }
    memset(machine->channels, 0, start->nr_pcpus * sizeof(struct rv_channel));
    memset(machine->vcpus, 0, start->nr_vcpus * sizeof(struct rv_vcpu_page));
    return 0;
}

void replay_machine_close(struct replay *replay)
{
    free(replay->machine.channels);
    free(replay->machine.vcpus);
    if (replay->ram)
        munmap(replay->ram, replay->ram_size);
}
