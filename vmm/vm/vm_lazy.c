/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_lazy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "vmm/exit/decode.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm.h"

#define BLOCK RV_BLOCK_SIZE

/* At first the guest needs one block after another, and its CPUs to run: others are mapped later. */
#define PASS_MS  10
#define FIRST_MS 1000

/* As permissions of code are given and taken in these, so that PROTECT never meets a hole. */
_Static_assert(BLOCK == CODE_REGION, "a block is mapped as a whole, or not at all");

struct vm_lazy {
    const struct vm_lazy_source *source;
    struct event *pass;
    int64_t since_ms;
    uint64_t nr_blocks;
    uint64_t left; /* not mapped yet */
    uint64_t next; /* where the pass is */
    bool announced;
    struct {
        bool is_there, is_mapped;
    } block[];
};

static int map(struct vm *vm, uint64_t index)
{
    struct vm_lazy *lazy = vm->lazy;
    int error = vm_map_ram(vm, index * BLOCK, BLOCK);

    if (error)
        return error;
    lazy->block[index].is_mapped = true;
    if (--lazy->left == 0)
        log_info("all of the guest's memory has been read after %" PRId64 " ms",
                 clock_now_ms() - lazy->since_ms);
    return 0;
}

/* The stub may not know the VM yet: then vm_lazy_map() maps it. */
static void bring(struct vm *vm, uint64_t index)
{
    struct vm_lazy *lazy = vm->lazy;
    const struct vm_lazy_source *source = lazy->source;

    if (!lazy->block[index].is_there && source->load(source->opaque, index))
        vm->broken = true;
    lazy->block[index].is_there = true;
    if (lazy->announced && !lazy->block[index].is_mapped && map(vm, index))
        vm->broken = true;
}

static void need(void *opaque, uint64_t offset, uint64_t size)
{
    struct vm *vm = opaque;

    if (!vm_lazy_is_on(vm) || size == 0)
        return;
    for (uint64_t i = offset / BLOCK; i <= (offset + size - 1) / BLOCK; i++)
        if (!vm->lazy->block[i].is_mapped)
            bring(vm, i);
}

int vm_lazy_open(struct vm *vm)
{
    uint64_t nr_blocks = vm->config.ram_size / BLOCK;
    struct vm_lazy *lazy = calloc(1, sizeof(*lazy) + nr_blocks * sizeof(lazy->block[0]));

    if (!lazy)
        return -ENOMEM;
    lazy->source = vm->config.lazy;
    lazy->since_ms = clock_now_ms();
    lazy->nr_blocks = lazy->left = nr_blocks;
    vm->lazy = lazy;
    vm->ram.need = need;
    vm->ram.opaque = vm;
    return 0;
}

int vm_lazy_map(struct vm *vm)
{
    struct vm_lazy *lazy = vm->lazy;
    int error = 0;

    lazy->announced = true;
    for (uint64_t i = 0; i < lazy->nr_blocks && !error; i++)
        if (lazy->block[i].is_there)
            error = map(vm, i);
    return error;
}

bool vm_lazy_is_on(const struct vm *vm)
{
    return vm->lazy && vm->lazy->left;
}

/* One block for each turn of the loop, if it has been read: the guest's exits come between them. */
static void pass(evutil_socket_t fd, short what, void *opaque)
{
    static const struct timeval soon = {0}, later = {.tv_usec = PASS_MS * 1000};
    struct vm *vm = opaque;
    struct vm_lazy *lazy = vm->lazy;
    bool has;

    while (lazy->next < lazy->nr_blocks && lazy->block[lazy->next].is_mapped)
        lazy->next++;
    has = lazy->next < lazy->nr_blocks && lazy->source->has(lazy->source->opaque, lazy->next);
    if (has && !vm->broken)
        bring(vm, lazy->next);
    if (!vm_lazy_is_on(vm))
        vm_lazy_finish(vm);
    else
        event_add(lazy->pass, has && clock_now_ms() - lazy->since_ms > FIRST_MS ? &soon : &later);
}

int vm_lazy_start(struct vm *vm)
{
    vm->lazy->pass = evtimer_new(vm->base, pass, vm);
    if (!vm->lazy->pass)
        return -ENOMEM;
    pass(-1, 0, vm);
    return 0;
}

bool vm_lazy_fault(struct vm *vm, const struct rv_event *event)
{
    if (!vm->lazy || !decode_is_unmapped(event) || !guest_ram_has(&vm->ram, event->ipa, 1))
        return false;
    need(vm, event->ipa - vm->ram.ipa,
         1); /* perhaps not for the first time: another vCPU has had it mapped */
    return true;
}

void vm_lazy_finish(struct vm *vm)
{
    struct vm_lazy *lazy = vm->lazy;

    if (!lazy)
        return;
    for (uint64_t i = 0; i < lazy->nr_blocks && vm_lazy_is_on(vm) && !vm->broken; i++)
        need(vm, i * BLOCK, 1);
    if (lazy->source && !lazy->left)
        lazy->source->end(lazy->source->opaque);
    if (!lazy->left)
        lazy->source = NULL;
}

void vm_lazy_free(struct vm *vm)
{
    if (!vm->lazy)
        return;
    if (vm->lazy->source)
        vm->lazy->source->end(vm->lazy->source->opaque);
    if (vm->lazy->pass)
        event_free(vm->lazy->pass);
    vm->ram.need = NULL;
    free(vm->lazy);
    vm->lazy = NULL;
}
