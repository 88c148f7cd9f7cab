/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording: the taps that write a file. */
#include "vmm/record/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/cpu/cores.h"
#include "vmm/gic/vgic.h"
#include "vmm/loader/loader.h"
#include "vmm/record/record_file.h"
#include "vmm/trace/tap.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
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

static bool is_on(const struct record *record)
{
    return record->vm && !record->over;
}

static void put(struct record *record, enum record_type type, unsigned pcpu, const void *data,
                size_t size)
{
    const struct record_head head = {
        .type = (uint8_t)type,
        .pcpu = (uint8_t)pcpu,
        .vcpu = RECORD_NO_VCPU,
        .size = (uint32_t)size,
    };

    record_put(record->writer, head, data);
}

static void end(struct record *record, const char *why)
{
    if (is_on(record))
        put(record, RECORD_END, 0, why, strlen(why));
    record->over = true;
}

static uint64_t set_tick(struct record *record)
{
    record->tick = (uint64_t)clock_now_ns();
    return record->tick;
}

/* The message, and what has changed in the page of the vCPU that is live there. */
static void put_message(struct record *record, enum record_type type, const struct pcpu *pcpu,
                        unsigned vcpu, const void *message)
{
    static uint8_t data[64 + RECORD_CHUNKS * sizeof(struct record_chunk)];
    struct record_head head = {
        .type = (uint8_t)type,
        .pcpu = (uint8_t)pcpu->index,
        .vcpu = (uint16_t)vcpu,
        .size = 64,
    };

    memcpy(data, message, 64);
    if (vcpu != RECORD_NO_VCPU) {
        const uint8_t *page = (const uint8_t *)&pcpu->machine->vcpus[vcpu];
        uint8_t *known = (uint8_t *)&record->pages[vcpu];
        struct record_chunk chunk = {0};

        for (chunk.index = 0; chunk.index < RECORD_CHUNKS; chunk.index++) {
            if (memcmp(page + 64u * chunk.index, known + 64u * chunk.index, 64) == 0)
                continue;
            memcpy(chunk.data, page + 64u * chunk.index, 64);
            memcpy(known + 64u * chunk.index, chunk.data, 64);
            memcpy(data + head.size, &chunk, sizeof(chunk));
            head.size += (uint32_t)sizeof(chunk);
        }
    }
    record_put(record->writer, head, data);
}

static void record_event(void *opaque, const struct pcpu *pcpu, const struct rv_event *event)
{
    struct record *record = opaque;

    if (is_on(record))
        put_message(record, RECORD_EVENT, pcpu, pcpu->vcpu ? pcpu->vcpu->number : RECORD_NO_VCPU,
                    event);
}

/* The stub reads the page for these: what the vmm has put there is part of the answer. */
static bool takes_page(const struct rv_command *command)
{
    return command->op == RV_COMMAND_REPLY || command->op == RV_COMMAND_LOAD ||
           command->op == RV_COMMAND_RUN;
}

static void record_command(void *opaque, const struct pcpu *pcpu, const struct rv_command *command)
{
    struct record *record = opaque;

    if (is_on(record))
        put_message(record, RECORD_COMMAND, pcpu,
                    takes_page(command) ? command->vcpu : RECORD_NO_VCPU, command);
}

static void record_handle(void *opaque, const struct pcpu *pcpu, const struct rv_event *event)
{
    struct record *record = opaque;
    uint64_t tick = set_tick(record);

    if (is_on(record))
        put(record, RECORD_HANDLE, pcpu->index, &tick, sizeof(tick));
}

/* The turn does nothing when nothing is due: see sched_turn(). */
static void record_schedule(void *opaque, const struct sched *sched)
{
    struct record *record = opaque;
    uint64_t now;

    if (!sched->due && sched->deadline == SCHED_NEVER)
        return;
    now = (uint64_t)clock_now_ns();
    if (!sched->due && now < sched->deadline)
        return;
    record->tick = now;
    if (is_on(record))
        put(record, RECORD_SCHEDULE, 0, &now, sizeof(now));
}

static void record_notified(void *opaque, const struct pcpu *pcpu)
{
    struct record *record = opaque;

    if (is_on(record))
        put(record, RECORD_NOTIFIED, pcpu->index, NULL, 0);
}

static void record_clock(void *opaque, uint64_t *ns)
{
    struct record *record = opaque;

    if (is_on(record))
        *ns = record->tick;
}

static void record_load(void *opaque, uint64_t ipa, void *data, size_t size)
{
    struct record *record = opaque;
    struct record_load load = {.ipa = ipa, .size = (uint32_t)size};

    if (!is_on(record))
        return;
    memcpy(&load.value, data, size);
    put(record, RECORD_LOAD, 0, &load, sizeof(load));
}

static void record_access_end(void *opaque, const struct tap_access *access)
{
    struct record *record = opaque;
    const struct record_access item = {
        .address = access->address,
        .value = access->value,
        .size = access->size,
        .is_write = access->is_write,
        .error = access->error,
    };

    if (is_on(record))
        put(record, RECORD_ACCESS, 0, &item, sizeof(item));
}

static void record_line(void *opaque, unsigned intid, bool level)
{
    struct record *record = opaque;
    const struct record_line line = {
        .tick = set_tick(record), .intid = intid, .level = level ? 1 : 0};

    if (intid >= VGIC_NR_INTIDS)
        return;
    record->lines[intid] = level;
    if (is_on(record))
        put(record, RECORD_LINE, 0, &line, sizeof(line));
}

static void record_dirty(void *opaque, uint64_t ipa, uint64_t size)
{
    struct record *record = opaque;
    const struct record_dirty dirty = {ipa, size};

    if (is_on(record))
        put(record, RECORD_DIRTY, 0, &dirty, sizeof(dirty));
}

static void record_request(void *opaque, uint32_t type, int32_t code)
{
    struct record *record = opaque;
    const struct record_request request = {type, code};

    if (is_on(record))
        put(record, RECORD_REQUEST, 0, &request, sizeof(request));
}

static void record_untold(void *opaque, const char *what)
{
    struct record *record = opaque;

    if (is_on(record))
        log_info("the recording ends here: %s", what);
    end(record, what);
}

/* trng_source has no context of its own, and there is one recording at a time. */
static struct record *entropy_of;

static int record_entropy(void *buffer, size_t size)
{
    uint8_t data[sizeof(struct record_entropy) + 64] = {0};
    struct record_entropy entropy = {.error = trng_host(buffer, size), .size = (uint32_t)size};

    if (!is_on(entropy_of) || size > 64)
        return entropy.error;
    memcpy(data, &entropy, sizeof(entropy));
    if (!entropy.error)
        memcpy(data + sizeof(entropy), buffer, size);
    put(entropy_of, RECORD_ENTROPY, 0, data, sizeof(entropy) + size);
    return entropy.error;
}

/* The start of the file, while it is put together. */
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

static void record_starts(void *opaque, struct vm *vm, const struct loader_layout *layout)
{
    static struct start s;
    struct record *record = opaque;
    const struct machine *machine = vm->machine;

    if (record->over || record->vm)
        return;
    vm_rom_show_data(vm, false);
    if (vm_rom_has_code(vm)) {
        log_error("a guest with a ROM cannot be recorded");
        record->over = record->refused = true;
        return;
    }
    s = (struct start){.start = {
                           .tick = set_tick(record),
                           .entry = layout->entry.v,
                           .dtb = layout->dtb.v,
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
                       }};
    memcpy(s.start.stub_id, machine->stub_id, sizeof(s.start.stub_id));
    for (unsigned i = 0; i < vm->cores->nr_pcpus; i++)
        s.start.tag[i] = vm->cores->pcpus[i].tag;
    bus_each(vm->bus, add_region, &s);
    put(record, RECORD_START, 0, &s,
        sizeof(s.start) + s.start.nr_regions * sizeof(struct record_region));
    record->vm = vm;
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        record->pages[i] = *vm->vcpus[i].page;
    /* What came before, such as RV_EVENT_READY, and has not been handled. */
    for (unsigned i = 0; i < vm->cores->nr_pcpus; i++) {
        const struct pcpu *pcpu = &vm->cores->pcpus[i];

        for (unsigned n = 0; n < pcpu->nr_deferred; n++)
            put_message(record, RECORD_EVENT, pcpu, RECORD_NO_VCPU, pcpu_deferred(pcpu, n));
    }
    entropy_of = record;
    vm->exits.smccc.entropy = record_entropy;
    for (unsigned i = VGIC_NR_PRIVATE; i < VGIC_NR_INTIDS; i++) {
        const struct record_line line = {.tick = record->tick, .intid = i, .level = 1};

        if (record->lines[i])
            put(record, RECORD_LINE, 0, &line, sizeof(line));
    }
}

static const struct tap_ops record_taps = {
    .event = record_event,
    .command = record_command,
    .access_end = record_access_end,
    .line = record_line,
    .handle = record_handle,
    .schedule = record_schedule,
    .notified = record_notified,
    .clock = record_clock,
    .load = record_load,
    .dirty = record_dirty,
    .request = record_request,
    .starts = record_starts,
    .untold = record_untold,
};

int record_start(const char *path, struct record **out)
{
    struct record *record = calloc(1, sizeof(*record));

    if (!record) {
        log_error("recording '%s': out of memory", path);
        return -ENOMEM;
    }
    record->writer = record_writer_open(path);
    if (!record->writer) {
        free(record);
        return -EIO;
    }
    record->tap = (struct tap){.ops = &record_taps, .opaque = record};
    tap_add(&record->tap);
    *out = record;
    return 0;
}

int record_stop(struct record *record)
{
    int error;

    end(record, "the guest has ended");
    tap_remove(&record->tap);
    if (record->vm)
        record->vm->exits.smccc.entropy = trng_host;
    error = record_writer_close(record->writer);
    if (record->refused)
        error = -EOPNOTSUPP;
    free(record);
    return error;
}
