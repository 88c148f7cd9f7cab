/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal that a worker takes over, with any bytes wrong, and rings as a stub may have left
 * them: it is refused, or the takeover ends, changes nothing but what the undo log may, and gives
 * the rest of the vmm legal events only.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_input.h"
#include "vmm/cpu/cores.h"
#include "vmm/util/log.h"

#define PCPUS  2u
#define REGION 256u /* bytes of memory that the undo log may change, each */
#define GUARD  0xa5u
#define LOOKS  64u /* until the machine is dead */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rv_channel channels[PCPUS];
static struct rv_vcpu_page pages[PCPUS];
static struct journal *journal;
static struct cores cores;
static struct vcpu vcpus[PCPUS];
static uint8_t memory[UNDO_REGIONS][3 * REGION]; /* the middle is the region */
static uint32_t stub_tail[PCPUS], stub_head[PCPUS];
static unsigned looks;

void log_msg(enum log_level level, const char *fmt, ...)
{
}

static void stub_sends(unsigned core, struct rv_event event)
{
    struct rv_event *slot = &channels[core].event[stub_head[core] % RV_EVENT_ENTRIES];

    if (stub_head[core] - channels[core].event_tail.v >= RV_EVENT_ENTRIES)
        return;
    event.seq = ++stub_head[core];
    *slot = event;
}

static void kick(struct machine *machine, unsigned core)
{
    for (unsigned n = 0; n < RV_COMMAND_ENTRIES; n++) {
        struct rv_command c = channels[core].command[stub_tail[core] % RV_COMMAND_ENTRIES];

        if (c.seq != stub_tail[core] + 1)
            return;
        channels[core].command_tail.v = ++stub_tail[core];
        if (c.op == RV_COMMAND_STOP)
            stub_sends(core, (struct rv_event){.type = RV_EVENT_STOPPED, .vcpu = c.vcpu});
        if (c.flags & RV_COMMAND_FLAG_ACK)
            stub_sends(core,
                       (struct rv_event){.type = RV_EVENT_ACK, .vcpu = RV_NO_VCPU, .esr = c.tag});
    }
}

static bool is_dead(struct machine *machine)
{
    return ++looks > LOOKS;
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};

static void handle_left(struct vcpu *vcpu, const struct rv_event *event)
{
    if (event->type != RV_EVENT_POSTED && event->type != RV_EVENT_EOI &&
        event->type != RV_EVENT_SERROR)
        abort();
}

/* Bytes anywhere in what is in use of the journal: the rest is large, and never looked at. */
static void patch(struct input *in)
{
    uint8_t *parts[] = {(uint8_t *)journal, (uint8_t *)&journal->pcpu[1],
                        (uint8_t *)&journal->undo};
    static const size_t sizes[] = {offsetof(struct journal, pcpu[1]), sizeof(struct pcpu_journal),
                                   offsetof(struct undo_log, bytes) + 512};
    unsigned which = take(in, 1) % 3;
    size_t at = take(in, 3) % sizes[which];
    unsigned length = 1 + take(in, 1) % 16;

    for (unsigned i = 0; i < length && at + i < sizes[which]; i++)
        parts[which][at + i] = (uint8_t)take(in, 1);
}

/* An event in the journal or in the ring, of a kind that there is. */
static struct rv_event event_of(struct input *in)
{
    return (struct rv_event){.type = (uint8_t)take(in, 1) % (RV_EVENT_REFILL + 2),
                             .flags = (uint8_t)take(in, 1),
                             .vcpu = take(in, 1) % 4,
                             .seq = take(in, 1)};
}

static void begin(struct machine *machine)
{
    *machine = (struct machine){.ops = &ops,
                                .nr_pcpus = PCPUS,
                                .nr_vcpus = PCPUS,
                                .channels = channels,
                                .vcpus = pages,
                                .nr_lrs = 4,
                                .cntfrq = 1000000};
    memset(channels, 0, sizeof(channels));
    memset(pages, 0, sizeof(pages));
    memset(memory, GUARD, sizeof(memory));
    memset(stub_tail, 0, sizeof(stub_tail));
    memset(stub_head, 0, sizeof(stub_head));
    looks = 0;
    if (!journal)
        journal = calloc(1, sizeof(*journal));
    memset(journal, 0, offsetof(struct journal, pcpu[PCPUS]));
    memset(&journal->undo, 0, offsetof(struct undo_log, bytes) + 512);
    journal->magic = JOURNAL_MAGIC;
    journal->version = JOURNAL_VERSION;
    journal->size = sizeof(*journal);
    for (unsigned i = 0; i < RV_MAX_PCPUS; i++)
        pcpu_journal_init(&journal->pcpu[i]);
    cores_init(&cores, machine, 4000000);
    cores.handle_left = handle_left;
    for (unsigned i = 0; i < PCPUS; i++) {
        vcpus[i] = (struct vcpu){.index = i, .number = i, .page = &pages[i]};
        cores.vcpus[i] = &vcpus[i];
    }
    cores.nr_vcpus = PCPUS;
    for (unsigned i = 0; i < UNDO_REGIONS; i++)
        undo_place(&cores.undo, i, memory[i] + REGION, REGION);
}

static void check(void)
{
    struct rv_event event;

    for (unsigned i = 0; i < UNDO_REGIONS; i++)
        for (unsigned n = 0; n < REGION; n++)
            if (memory[i][n] != GUARD || memory[i][2 * REGION + n] != GUARD)
                abort();
    for (unsigned i = 0; i < PCPUS; i++)
        for (unsigned n = 0; n < 2 * JOURNAL_DEFERRED && pcpu_next_event(&cores.pcpus[i], &event);
             n++) {
            /* A vCPU that is off its pCPU waits for no answer. */
            if (event.type > RV_EVENT_REFILL || event.type == RV_EVENT_SYNC)
                abort();
            pcpu_handled(&cores.pcpus[i]);
        }
}

/* The input: steps of one byte what, and its arguments. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct rv_command barrier = {.op = RV_COMMAND_FLUSH};
    struct input in = {data, size};
    struct machine machine;

    begin(&machine);
    while (in.size) {
        unsigned what = take(&in, 1), core = take(&in, 1) % PCPUS;
        struct pcpu_journal *own = &journal->pcpu[core];

        switch (what % 7) {
        case 0: patch(&in); break;
        case 1: own->current = event_of(&in); break;
        case 2: own->deferred[own->last++ % JOURNAL_DEFERRED] = event_of(&in); break;
        case 3: stub_sends(core, event_of(&in)); break;
        case 4:
            own->vcpu = take(&in, 1) % 3;
            own->phase = take(&in, 1) % 3;
            own->reply.op = (uint8_t)take(&in, 1) % 12;
            break;
        case 5:
            journal->undo.retracts[journal->undo.nr_retracts++ % UNDO_RETRACTS] =
                (struct undo_retract){.pcpu = core,
                                      .tag = take(&in, 1),
                                      .vcpu = take(&in, 1) % 4,
                                      .known = take(&in, 1) % 2,
                                      .lr = take64(&in, 8)};
            break;
        default:
            channels[core].command_head.v = take(&in, 1);
            channels[core].command_tail.v = stub_tail[core] = take(&in, 1);
            channels[core].event_tail.v = stub_head[core] = take(&in, 1);
            break;
        }
    }
    if (!journal_is_whole(journal))
        return 0;
    cores_journal(&cores, journal, true);
    if (cores_take_over(&cores, &barrier) == 0) {
        cores_handle_left(&cores);
        check();
    }
    return 0;
}
