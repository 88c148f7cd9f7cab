/* SPDX-License-Identifier: BSD-2-Clause */
/* Replay: the core, fed from a recording. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/gic/vgic.h"
#include "vmm/record/replay_internal.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_devices.h"

/*
 * What devices did
 */

/* A line, dirty RAM or a request. False: the item is something else, and stays. */
static bool device_item(struct replay *replay, const struct record_item *item)
{
    struct rv_request request = {.size = sizeof(request)};
    struct record_request asked;
    struct record_line line;
    struct record_dirty dirty;

    switch ((enum record_type)item->head.type) {
    case RECORD_LINE:
        memcpy(&line, item->at, sizeof(line));
        record_next(replay->reader);
        replay->tick = line.tick;
        vgic_set_line(&replay->vm.vgic, 0, line.intid, line.level);
        return true;
    case RECORD_DIRTY:
        memcpy(&dirty, item->at, sizeof(dirty));
        record_next(replay->reader);
        vm_code_written(&replay->vm, ipa(dirty.ipa), dirty.size);
        return true;
    case RECORD_REQUEST:
        memcpy(&asked, item->at, sizeof(asked));
        record_next(replay->reader);
        request.type = asked.type;
        request.code = asked.code;
        vm_devices_request(&replay->vm, "of the recording", &request);
        return true;
    default: return false;
    }
}

/*
 * An access to a device: what it did meanwhile, and then the end of the access, which stays for
 * access_end(). The bus makes two accesses of one whose first answer is -EINVAL; the recording
 * has the answer to both.
 */
static int device_access(struct replay *replay, uint64_t *value)
{
    const struct record_item *item;
    struct record_access access;

    while ((item = replay_peek(replay)) && device_item(replay, item))
        ;
    item = replay_expect(replay, RECORD_ACCESS, "an access to a device");
    if (!item)
        return -EIO;
    memcpy(&access, item->at, sizeof(access));
    if (value)
        *value = access.value;
    return access.error;
}

static int region_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    return device_access(opaque, value);
}

static int region_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    return device_access(opaque, NULL);
}

static const struct bus_ops region_ops = {.read = region_read, .write = region_write};

/*
 * Taps
 */

/* The vmm waits, or goes on to wait, for an event of this pCPU: one at a time. */
static void publish_next(struct replay *replay, const struct pcpu *pcpu)
{
    const struct record_item *item = replay_peek(replay);

    if (item && item->head.type == RECORD_EVENT && item->head.pcpu == pcpu->index)
        replay_publish(replay, item);
}

static void on_command(void *opaque, const struct pcpu *pcpu, const struct rv_command *command)
{
    struct replay *replay = opaque;

    if (!replay->begun)
        replay_acknowledge(replay, pcpu, command);
    else
        replay_compare_command(replay, pcpu, command);
    /* The stub takes it at once, so there is always room in the ring. */
    rv_store_release(&pcpu->channel->command_tail.v, pcpu->command_head + 1);
    if (replay->begun && command->flags & RV_COMMAND_FLAG_ACK)
        publish_next(replay, pcpu);
}

/* What the stub had put into the page before the event. */
static void on_event(void *opaque, const struct pcpu *pcpu, const struct rv_event *event)
{
    struct replay *replay = opaque;

    if (!replay->begun)
        return;
    if (replay->page_due != RECORD_NO_VCPU)
        replay->machine.vcpus[replay->page_due] = replay->pages[replay->page_due];
    replay->page_due = RECORD_NO_VCPU;
    publish_next(replay, pcpu);
}

static void on_access_end(void *opaque, const struct tap_access *access)
{
    replay_compare_access(opaque, access);
}

static void on_clock(void *opaque, uint64_t *ns)
{
    *ns = ((struct replay *)opaque)->tick;
}

static void on_load(void *opaque, uint64_t ipa, void *data, size_t size)
{
    struct replay *replay = opaque;
    const struct record_item *item;
    struct record_load load;
    char came[80];

    snprintf(came, sizeof(came), "%zu bytes are read from guest RAM at 0x%llx", size,
             (unsigned long long)ipa);
    item = replay_expect(replay, RECORD_LOAD, came);
    if (!item)
        return;
    memcpy(&load, item->at, sizeof(load));
    if (load.ipa != ipa || load.size != size) {
        replay_differs(replay, item, "%s", came);
        return;
    }
    memcpy(data, &load.value, size);
    record_next(replay->reader);
}

void replay_begins(struct replay *replay)
{
    for (unsigned i = 0; i < replay->cores.nr_pcpus; i++)
        replay->cores.pcpus[i].tag = replay->start.tag[i];
    for (unsigned i = 0; i < replay->start.nr_vcpus; i++)
        replay->pages[i] = replay->machine.vcpus[i];
    replay->begun = true;
}

static void on_starts(void *opaque, struct vm *vm, const struct loader_layout *layout)
{
    replay_begins(opaque);
}

static const struct tap_ops taps = {
    .event = on_event,
    .command = on_command,
    .access_end = on_access_end,
    .clock = on_clock,
    .load = on_load,
    .starts = on_starts,
};

/* trng_source has no context of its own, and there is one replay at a time. */
static struct replay *entropy_of;

static int replay_entropy(void *buffer, size_t size)
{
    const struct record_item *item =
        replay_expect(entropy_of, RECORD_ENTROPY, "entropy for the guest");
    struct record_entropy entropy;

    memset(buffer, 0, size);
    if (!item)
        return -EIO;
    memcpy(&entropy, item->at, sizeof(entropy));
    if (entropy.size != size) {
        replay_differs(entropy_of, item, "%zu bytes of entropy", size);
        return -EIO;
    }
    memcpy(buffer, item->at + sizeof(entropy), size);
    record_next(entropy_of->reader);
    return entropy.error;
}

/*
 * The run
 */

static int begin(struct replay *replay)
{
    const struct record_item *item = record_peek(replay->reader);
    struct loader_layout layout = {0};
    struct vm_config config = {.no_devices = true};
    const struct vm_share share = {0};
    int error;

    if (!item)
        return -EINVAL;
    memcpy(&replay->start, item->at, sizeof(replay->start));
    memcpy(replay->regions, item->at + sizeof(replay->start),
           replay->start.nr_regions * sizeof(struct record_region));
    record_next(replay->reader);
    error = replay_machine_open(replay);
    if (error)
        return error;
    replay->tick = replay->start.tick;
    config.nr_vcpus = replay->start.nr_vcpus;
    config.ram_size = replay->start.ram_size;
    cores_init(&replay->cores, &replay->machine, replay->start.slice_ns);
    if (replay->start.runs)
        error = replay_take_state(replay, &config);
    if (error)
        return error;
    error = vm_create(&replay->vm, &config, &share, &replay->cores, NULL, NULL, NULL);
    for (unsigned i = 0; i < replay->start.nr_regions && !error; i++) {
        const struct record_region *region = &replay->regions[i];

        error = bus_add(replay->vm.bus, region->name, ipa(region->start), region->size, &region_ops,
                        replay);
    }
    if (error)
        return error;
    replay->loop = (struct loop){.cores = &replay->cores};
    loop_add(&replay->loop, &replay->vm);
    layout.entry.v = replay->start.entry;
    layout.dtb.v = replay->start.dtb;
    vm_know_cpus(&replay->vm);
    entropy_of = replay;
    replay->vm.exits.smccc.entropy = replay_entropy;
    return replay->start.runs ? replay_go_on(replay) : vm_begin(&replay->vm, &layout);
}

static void handle(struct replay *replay, const struct record_item *item)
{
    struct pcpu *pcpu = &replay->cores.pcpus[item->head.pcpu];

    memcpy(&replay->tick, item->at, sizeof(replay->tick));
    if (!pcpu_next_event(pcpu, &replay->handled)) {
        replay_differs(replay, item, "pCPU %u has no event%s", pcpu->index,
                       pcpu->lost ? ": it is lost" : "");
        return;
    }
    record_next(replay->reader);
    replay->result->events++;
    replay->result->exits +=
        replay->handled.type == RV_EVENT_SYNC || replay->handled.type == RV_EVENT_SERROR;
    replay->handled_vcpu = replay->handled.vcpu;
    replay->handled_x0 = replay->handled.vcpu < replay->start.nr_vcpus
                             ? replay->machine.vcpus[replay->handled.vcpu].x[0]
                             : 0;
    replay->handling = true;
    loop_handle(&replay->loop, pcpu, &replay->handled);
    replay->handling = false;
}

static void ending(struct replay *replay, const struct record_item *item)
{
    struct replay_result *result = replay->result;
    size_t size = item->head.size;

    if (size >= sizeof(result->ending))
        size = sizeof(result->ending) - 1;
    memcpy(result->ending, item->at, size);
    result->ending[size] = '\0';
    replay->stopped = true;
}

static void run(struct replay *replay)
{
    const struct record_item *item;

    while ((item = replay_peek(replay))) {
        if (device_item(replay, item))
            continue;
        switch ((enum record_type)item->head.type) {
        case RECORD_EVENT: replay_publish(replay, item); break;
        case RECORD_HANDLE: handle(replay, item); break;
        case RECORD_SCHEDULE:
            memcpy(&replay->tick, item->at, sizeof(replay->tick));
            record_next(replay->reader);
            sched_turn(&replay->cores.sched);
            break;
        case RECORD_NOTIFIED:
            replay->cores.pcpus[item->head.pcpu].notify_due = false;
            record_next(replay->reader);
            break;
        case RECORD_END: ending(replay, item); break;
        default: replay_differs(replay, item, "nothing"); break;
        }
    }
}

static int replay_reader(struct record_reader *reader, struct replay_result *result)
{
    struct replay *replay = calloc(1, sizeof(*replay));
    int64_t start = clock_now_ns();
    int error = -ENOMEM;

    if (!replay) {
        log_error("no memory for a replay");
        return error;
    }
    replay->page_due = RECORD_NO_VCPU;
    replay->reader = reader;
    replay->result = result;
    replay->tap = (struct tap){.ops = &taps, .opaque = replay};
    tap_add(&replay->tap);
    error = begin(replay);
    if (!error)
        run(replay);
    tap_remove(&replay->tap);
    if (replay->vm.cores)
        vm_destroy(&replay->vm);
    replay_machine_close(replay);
    if (!error && replay->damaged)
        error = -EINVAL;
    free(replay);
    result->ns = (uint64_t)(clock_now_ns() - start);
    return error ? error : result->differs[0] != '\0';
}

static int replay_from(struct record_reader *reader, struct replay_result *result)
{
    int error;

    *result = (struct replay_result){0};
    if (!reader)
        return -EINVAL;
    error = replay_reader(reader, result);
    record_reader_close(reader);
    return error;
}

int replay_run(const char *path, struct replay_result *result)
{
    return replay_from(record_reader_open(path), result);
}

int replay_memory(const void *data, size_t size, const char *path, struct replay_result *result)
{
    return replay_from(record_reader_memory(data, size, path), result);
}
