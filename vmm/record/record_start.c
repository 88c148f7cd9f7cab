/* SPDX-License-Identifier: BSD-2-Clause */
/* The beginning of a recording: what the core is when the first event comes. */
#include <stdio.h>
#include <string.h>

#include "vmm/loader/loader.h"
#include "vmm/record/record_internal.h"

/* While it is put together. */
struct start {
    struct record_start start;
    struct record_region regions[RECORD_REGIONS_MAX];
};

static void add_region(void *opaque, const char *name, ipa_t start, uint64_t size)
{
    struct start *s = opaque;
    struct record_region *region;

    if (strcmp(name, "gicd") == 0 || strcmp(name, "gicr") == 0 ||
        s->start.nr_regions == RECORD_REGIONS_MAX)
        return;
    region = &s->regions[s->start.nr_regions++];
    region->start = start.v;
    region->size = size;
    snprintf(region->name, sizeof(region->name), "%s", name);
}

/* What came before, such as RV_EVENT_READY, and has not been handled. */
static void put_deferred(struct record *record, struct vm *vm)
{
    for (unsigned i = 0; i < vm->cores->nr_pcpus; i++) {
        const struct pcpu *pcpu = &vm->cores->pcpus[i];

        for (unsigned n = 0; n < pcpu->nr_deferred; n++)
            record_message_put(record, RECORD_EVENT, pcpu, RECORD_NO_VCPU, pcpu_deferred(pcpu, n));
    }
}

/* `layout` is NULL of a guest that ran. */
static void put_machine(struct record *record, struct vm *vm, const struct loader_layout *layout)
{
    static struct start s;
    const struct machine *machine = vm->machine;

    s = (struct start){.start = {
                           .tick = record_set_tick(record),
                           .entry = layout ? layout->entry.v : 0,
                           .dtb = layout ? layout->dtb.v : 0,
                           .ram_size = vm->config.ram_size,
                           .layout_ram = machine->layout.ram,
                           .cntfrq = machine->cntfrq,
                           .dczid = machine->dczid,
                           .sve = machine->sve,
                           .slice_ns = vm->cores->sched.slice,
                           .nr_vcpus = vm->config.nr_vcpus,
                           .nr_pcpus = vm->cores->nr_pcpus,
                           .blind = machine->blind,
                           .nr_lrs = machine->nr_lrs,
                           .has_tdir = machine->has_tdir,
                           .floor = layout ? 0 : vm->cores->sched.floor,
                           .runs = !layout,
                       }};
    memcpy(s.start.stub_id, machine->stub_id, sizeof(s.start.stub_id));
    for (unsigned i = 0; i < vm->cores->nr_pcpus; i++)
        s.start.tag[i] = vm->cores->pcpus[i].tag;
    bus_each(vm->bus, add_region, &s);
    record_item_put(record, RECORD_START, 0, &s,
                    sizeof(s.start) + s.start.nr_regions * sizeof(struct record_region));
}

void record_put_start(struct record *record, struct vm *vm, const struct loader_layout *layout)
{
    put_machine(record, vm, layout);
    record->vm = vm;
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        record->pages[i] = *vm->vcpus[i].page;
    put_deferred(record, vm);
    for (unsigned i = VGIC_NR_PRIVATE; i < VGIC_NR_INTIDS; i++) {
        const struct record_line line = {.tick = record->tick, .intid = i, .level = 1};

        if (record->lines[i])
            record_item_put(record, RECORD_LINE, 0, &line, sizeof(line));
    }
}

static void put_vcpu(struct record *record, struct vm *vm, unsigned index)
{
    static struct record_vcpu item;
    struct vcpu *vcpu = &vm->vcpus[index];
    const struct sched_vcpu *v = &vm->cores->sched.vcpu[vcpu->number];
    const struct record_head head = {
        .type = RECORD_VCPU, .vcpu = (uint16_t)index, .size = sizeof(item)};

    vcpu_give(vcpu); /* the replay has it from the page */
    item = (struct record_vcpu){
        .runtime = v->runtime,
        .pcpu = v->pcpu,
        .is_on = v->state != SCHED_OFF,
        .page = *vcpu->page,
    };
    record->pages[index] = item.page;
    record_put(record->writer, head, &item);
}

static void put_block(struct record *record, const char *name, uint32_t version, const void *bytes,
                      size_t size)
{
    static uint8_t data[sizeof(struct record_state) + RECORD_PIECE_MAX];
    struct record_state state = {.version = version, .size = size};

    snprintf(state.name, sizeof(state.name), "%s", name);
    while (state.offset < size) {
        size_t left = size - state.offset;
        size_t piece = left < RECORD_PIECE_MAX ? left : RECORD_PIECE_MAX;

        memcpy(data, &state, sizeof(state));
        memcpy(data + sizeof(state), (const uint8_t *)bytes + state.offset, piece);
        record_item_put(record, RECORD_STATE, 0, data, sizeof(state) + piece);
        state.offset += piece;
    }
}

void record_put_middle(struct record *record, struct vm *vm)
{
    put_machine(record, vm, NULL);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        put_vcpu(record, vm, i);
    for (const char *const *name = record_blocks; *name; name++) {
        struct state_found found;
        struct vm_core core;

        if (!state_lookup(&vm->state, *name, &found))
            continue;
        if (found.at == vm->core) { /* the replay has no memory of devices */
            core = *vm->core;
            core.rom_size = 0;
            found.at = &core;
        }
        put_block(record, *name, found.version, found.at, found.size);
    }
    record->vm = vm;
    put_deferred(record, vm);
}
