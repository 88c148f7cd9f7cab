/* SPDX-License-Identifier: BSD-2-Clause */
/* Recording: the taps that write a file. */
#include "vmm/record/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/cpu/cores.h"
#include "vmm/record/record_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

static bool is_on(const struct record *record)
{
    return record->vm && !record->over;
}

void record_item_put(struct record *record, enum record_type type, unsigned pcpu, const void *data,
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
    if (is_on(record)) {
        record_item_put(record, RECORD_END, 0, why, strlen(why));
        vm_rom_show_data(record->vm, true);
    }
    record->over = true;
}

uint64_t record_set_tick(struct record *record)
{
    record->tick = (uint64_t)clock_now_ns();
    return record->tick;
}

void record_message_put(struct record *record, enum record_type type, const struct pcpu *pcpu,
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
        record_message_put(record, RECORD_EVENT, pcpu,
                           pcpu->vcpu ? pcpu->vcpu->number : RECORD_NO_VCPU, event);
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
        record_message_put(record, RECORD_COMMAND, pcpu,
                           takes_page(command) ? command->vcpu : RECORD_NO_VCPU, command);
}

static void record_handle(void *opaque, const struct pcpu *pcpu, const struct rv_event *event)
{
    struct record *record = opaque;
    uint64_t tick = record_set_tick(record);

    if (is_on(record) && record_writer_lags(record->writer))
        end(record, "it cannot be written as fast as the guest makes exits, or not at all");
    if (is_on(record))
        record_item_put(record, RECORD_HANDLE, pcpu->index, &tick, sizeof(tick));
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
        record_item_put(record, RECORD_SCHEDULE, 0, &now, sizeof(now));
}

static void record_notified(void *opaque, const struct pcpu *pcpu)
{
    struct record *record = opaque;

    if (is_on(record))
        record_item_put(record, RECORD_NOTIFIED, pcpu->index, NULL, 0);
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
    record_item_put(record, RECORD_LOAD, 0, &load, sizeof(load));
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
        record_item_put(record, RECORD_ACCESS, 0, &item, sizeof(item));
}

static void record_line(void *opaque, unsigned intid, bool level)
{
    struct record *record = opaque;
    const struct record_line line = {
        .tick = record_set_tick(record), .intid = intid, .level = level ? 1 : 0};

    if (intid >= VGIC_NR_INTIDS)
        return;
    record->lines[intid] = level;
    if (is_on(record))
        record_item_put(record, RECORD_LINE, 0, &line, sizeof(line));
}

static void record_dirty(void *opaque, uint64_t ipa, uint64_t size)
{
    struct record *record = opaque;
    const struct record_dirty dirty = {ipa, size};

    if (is_on(record))
        record_item_put(record, RECORD_DIRTY, 0, &dirty, sizeof(dirty));
}

static void record_request(void *opaque, uint32_t type, int32_t code)
{
    struct record *record = opaque;
    const struct record_request request = {type, code};

    if (is_on(record))
        record_item_put(record, RECORD_REQUEST, 0, &request, sizeof(request));
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
    record_item_put(entropy_of, RECORD_ENTROPY, 0, data, sizeof(entropy) + size);
    return entropy.error;
}

void record_take_entropy(struct record *record, struct vm *vm)
{
    entropy_of = record;
    vm->exits.smccc.entropy = record_entropy;
}

static void record_starts(void *opaque, struct vm *vm, const struct loader_layout *layout)
{
    struct record *record = opaque;

    if (record->over || record->vm)
        return;
    vm_rom_show_data(vm, false);
    if (vm_rom_has_code(vm)) {
        log_error("a guest with a ROM cannot be recorded");
        record->over = record->refused = true;
        return;
    }
    record_take_entropy(record, vm);
    record_put_start(record, vm, layout);
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

static struct record *record_new(void)
{
    struct record *record = calloc(1, sizeof(*record));

    if (record)
        record->tap = (struct tap){.ops = &record_taps, .opaque = record};
    return record;
}

/* There is one recording at a time. */
static struct record *current;

static void begin(struct record *record)
{
    current = record;
    tap_add(&record->tap);
}

int record_start(const char *path, struct record **out)
{
    struct record *record = record_new();

    if (!record) {
        log_error("recording '%s': out of memory", path);
        return -ENOMEM;
    }
    record->writer = record_writer_open(path);
    if (!record->writer) {
        free(record);
        return -EIO;
    }
    begin(record);
    *out = record;
    return 0;
}

const char *record_refuses(const struct vm *vm)
{
    if (current && !current->over)
        return "this VM is being recorded";
    if (vm->debugger)
        return "the VM was started with --gdb, which a recording does not cover";
    if (vm_rom_has_code(vm))
        return "the guest has firmware in a ROM, which a recording does not cover";
    if (vm_lazy_is_on(vm))
        return "the VM's memory is being read from a snapshot";
    if (vm->core->request != VM_RUN_ON || vm->resetting || vm->leaving)
        return "the VM is being reset or replaced, or ends";
    if (vm->pause.on)
        return "the VM is paused: resume it first";
    return NULL;
}

static int hold_all(struct vm *vm)
{
    int error = 0;

    for (unsigned i = 0; i < vm->config.nr_vcpus && !error; i++)
        error = sched_hold(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_RECORD);
    for (unsigned i = 0; i < vm->cores->nr_pcpus && !error; i++)
        if (vm->cores->pcpus[i].notify_due)
            pcpu_notify(&vm->cores->pcpus[i]);
    return error;
}

int record_running(struct vm *vm, int fd, const char *head, struct record **out)
{
    struct record *record = record_new();

    if (!record) {
        close(fd);
        return -ENOMEM;
    }
    record->writer = record_writer_to_client(fd, head);
    if (!record->writer) {
        free(record);
        return -ENOMEM;
    }
    if (hold_all(vm)) {
        vm->broken = true;
        record_writer_close(record->writer);
        free(record);
        return -EIO;
    }
    vm_rom_show_data(vm, false);
    record_put_middle(record, vm);
    record_take_entropy(record, vm);
    begin(record);
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        sched_release(&vm->cores->sched, vm->vcpus[i].number, SCHED_HOLD_RECORD);
    *out = record;
    return 0;
}

void record_end(struct record *record, const char *why)
{
    end(record, why);
    record_writer_end(record->writer);
}

void record_hurry(struct record *record)
{
    record_end(record, "the guest has ended");
    record_writer_hurry(record->writer);
}

bool record_has_ended(const struct record *record)
{
    if (record->over)
        record_writer_end(record->writer);
    return record_writer_has_ended(record->writer);
}

int record_stop(struct record *record)
{
    int error;

    end(record, "the guest has ended");
    tap_remove(&record->tap);
    if (entropy_of == record && record->vm)
        record->vm->exits.smccc.entropy = trng_host;
    if (current == record)
        current = NULL;
    error = record_writer_close(record->writer);
    if (record->refused)
        error = -EOPNOTSUPP;
    free(record);
    return error;
}
