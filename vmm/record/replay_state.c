/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording of a guest that ran already: the core's state at its start. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/gic/vgic.h"
#include "vmm/record/replay_internal.h"
#include "vmm/util/log.h"
#include "vmm/vm/state.h"

#define BLOCKS_MAX 8u

/* The blocks, while they come. */
struct blocks {
    struct state_area area;
    uint64_t size_max; /* of one */
    struct {
        const char *name; /* NULL: no more */
        uint8_t *at;
        uint64_t size, done;
    } block[BLOCKS_MAX];
};

static int damaged(struct replay *replay)
{
    log_error("the recording is damaged: its start lacks a part, or has one that is wrong");
    replay->damaged = true;
    return -EINVAL;
}

/* NULL: it is none of the core's. */
static const char *known(const char *name)
{
    const char *const *known = record_blocks;

    while (*known && strcmp(*known, name) != 0)
        known++;
    return *known;
}

/* A piece at the block's end so far. */
static int take_piece(struct blocks *blocks, const struct record_item *item)
{
    struct record_state state;
    size_t piece = item->head.size - sizeof(state);
    unsigned i = 0;

    memcpy(&state, item->at, sizeof(state));
    while (blocks->block[i].name && strcmp(blocks->block[i].name, state.name) != 0)
        i++;
    if (!blocks->block[i].name) {
        if (!known(state.name) || state.size > blocks->size_max)
            return -EINVAL;
        blocks->block[i].name = known(state.name);
        blocks->block[i].size = state.size;
        blocks->block[i].at = state_alloc(&blocks->area, state.name, state.version, state.size);
        if (!blocks->block[i].at)
            return -EINVAL;
    }
    if (state.offset != blocks->block[i].done || state.size != blocks->block[i].size)
        return -EINVAL;
    memcpy(blocks->block[i].at + state.offset, item->at + sizeof(state), piece);
    blocks->block[i].done += piece;
    return 0;
}

static bool are_whole(const struct blocks *blocks)
{
    for (unsigned i = 0; blocks->block[i].name; i++)
        if (blocks->block[i].done != blocks->block[i].size)
            return false;
    return true;
}

static void take_vcpu(struct replay *replay, const struct record_item *item)
{
    struct sched_vcpu *v = &replay->vcpus[item->head.vcpu];
    struct record_vcpu vcpu;

    memcpy(&vcpu, item->at, offsetof(struct record_vcpu, page));
    memcpy(&replay->machine.vcpus[item->head.vcpu], item->at + offsetof(struct record_vcpu, page),
           sizeof(vcpu.page));
    *v = (struct sched_vcpu){
        .state = vcpu.is_on ? SCHED_READY : SCHED_OFF,
        .held = SCHED_HOLD_RECORD,
        .pcpu = vcpu.pcpu,
        .runtime = vcpu.runtime,
    };
}

static int take_vcpus(struct replay *replay)
{
    for (unsigned i = 0; i < replay->start.nr_vcpus; i++) {
        const struct record_item *item = record_peek(replay->reader);

        if (!item) {
            replay->damaged = true;
            return -EIO; /* a message has been given */
        }
        if (item->head.type != RECORD_VCPU || item->head.vcpu != i)
            return -EINVAL;
        take_vcpu(replay, item);
        record_next(replay->reader);
    }
    return 0;
}

static int take_blocks(struct replay *replay, struct blocks *blocks)
{
    const struct record_item *item = NULL;
    int error = 0;

    while (!error && (item = record_peek(replay->reader)) && item->head.type == RECORD_STATE) {
        error = take_piece(blocks, item);
        record_next(replay->reader);
    }
    if (!error && !item) {
        replay->damaged = true;
        return -EIO; /* a message has been given */
    }
    return error || !are_whole(blocks) ? -EINVAL : 0;
}

int replay_take_state(struct replay *replay, struct vm_config *config)
{
    uint64_t code = code_pages_size(replay->start.ram_size);
    uint64_t gic = vgic_state_size(replay->start.nr_vcpus);
    struct blocks blocks = {.size_max = code > gic ? code : gic};
    int error = state_create(&blocks.area);

    if (error)
        return error;
    error = take_vcpus(replay);
    if (!error)
        error = take_blocks(replay, &blocks);
    config->origin = VM_REPLAYED;
    config->state_fd = error ? -1 : dup(blocks.area.fd);
    if (!error && config->state_fd < 0)
        error = -errno;
    state_close(&blocks.area);
    return error == -EINVAL ? damaged(replay) : error;
}

/* What the core has beside its state follows from that, as after a take-over. */
int replay_go_on(struct replay *replay)
{
    struct vm *vm = &replay->vm;
    struct sched *sched = &replay->cores.sched;
    int error = vm_announce(vm);

    if (error)
        return error;
    memcpy(vm->posted, vm->vcpus[0].page->posted, sizeof(vm->posted));
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        memcpy(vm->vcpus[i].direct, vm->vcpus[i].page->direct, sizeof(vm->vcpus[i].direct));
        sched->vcpu[vm->vcpus[i].number] = replay->vcpus[i];
    }
    sched->nr_vcpus = vm->config.nr_vcpus;
    sched->floor = replay->start.floor;
    vm->running = true;
    replay_begins(replay);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        sched_release(sched, vm->vcpus[i].number, SCHED_HOLD_RECORD);
    return 0;
}
