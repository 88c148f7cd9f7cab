/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes out of the vmm against what the recording has, and the difference in words. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "vmm/record/replay_internal.h"
#include "vmm/trace/trace.h"
#include "vmm/trace/trace_words.h"

const struct record_item *replay_peek(struct replay *replay)
{
    const struct record_item *item = replay->stopped ? NULL : record_peek(replay->reader);

    if (!item && !replay->stopped)
        replay->damaged = replay->stopped = true;
    return item;
}

static void command_words(const struct rv_command *command, char *text, size_t size)
{
    if (command->op == RV_COMMAND_REPLY && command->flags & RV_REPLY_REG)
        snprintf(text, size, "REPLY to vCPU %u, flags 0x%x, x%u = 0x%" PRIx64 ", kick 0x%" PRIx64,
                 command->vcpu, command->flags, command->reg, command->arg[0], command->arg[1]);
    else
        snprintf(text, size,
                 "%s of vCPU %u, flags 0x%x, tag 0x%" PRIx32 ", 0x%" PRIx64 " 0x%" PRIx64
                 " 0x%" PRIx64 " 0x%" PRIx64,
                 trace_op_name(command->op), command->vcpu, command->flags, command->tag,
                 command->arg[0], command->arg[1], command->arg[2], command->arg[3]);
}

static void access_words(const struct record_access *a, char *text, size_t size)
{
    snprintf(text, size, "a %u-byte %s of 0x%" PRIx64 ", value 0x%" PRIx64 ", error %d", a->size,
             a->is_write ? "write" : "read", a->address, a->value, -a->error);
}

static void item_words(const struct record_item *item, char *text, size_t size)
{
    struct record_access access;
    struct record_load load;
    struct rv_command command;
    struct rv_event event;

    switch ((enum record_type)item->head.type) {
    case RECORD_EVENT:
        memcpy(&event, item->at, sizeof(event));
        snprintf(text, size, "event %s from pCPU %u", trace_event_name(event.type),
                 item->head.pcpu);
        break;
    case RECORD_COMMAND:
        memcpy(&command, item->at, sizeof(command));
        command_words(&command, text, size);
        break;
    case RECORD_ACCESS:
        memcpy(&access, item->at, sizeof(access));
        access_words(&access, text, size);
        break;
    case RECORD_LOAD:
        memcpy(&load, item->at, sizeof(load));
        snprintf(text, size, "%u bytes are read from guest RAM at 0x%" PRIx64, load.size, load.ipa);
        break;
    case RECORD_HANDLE: snprintf(text, size, "the next event of pCPU %u", item->head.pcpu); break;
    case RECORD_SCHEDULE: snprintf(text, size, "the scheduler's turn"); break;
    case RECORD_NOTIFIED: snprintf(text, size, "pCPU %u is notified", item->head.pcpu); break;
    case RECORD_LINE: snprintf(text, size, "a device drives its line"); break;
    case RECORD_DIRTY: snprintf(text, size, "a device has written guest RAM"); break;
    case RECORD_REQUEST: snprintf(text, size, "a device asks for something"); break;
    case RECORD_ENTROPY: snprintf(text, size, "entropy for the guest"); break;
    case RECORD_END:
        snprintf(text, size, "the end: %.*s", (int)(item->head.size < 100 ? item->head.size : 100),
                 (const char *)item->at);
        break;
    default: snprintf(text, size, "the start"); break;
    }
}

/* The event that is being handled. */
static void before_words(const struct replay *replay, char *text, size_t size)
{
    const struct trace_record record = {
        .kind = replay->handled.type == RV_EVENT_POSTED ? TRACE_POSTED : TRACE_EXIT,
        .event = replay->handled,
        .x0 = replay->handled_x0,
    };
    char what[320];

    if (!replay->handling) {
        snprintf(text, size, "between two events, after event %" PRIu64, replay->result->events);
        return;
    }
    if (replay->handled.type == RV_EVENT_SYNC || replay->handled.type == RV_EVENT_SERROR ||
        replay->handled.type == RV_EVENT_POSTED)
        trace_what(&record, what, sizeof(what));
    else
        snprintf(what, sizeof(what), "event %s", trace_event_name(replay->handled.type));
    snprintf(text, size, "event %" PRIu64 ", vCPU %u: %s, pc 0x%" PRIx64, replay->result->events,
             replay->handled_vcpu, what, replay->handled.pc);
}

void replay_differs(struct replay *replay, const struct record_item *item, const char *fmt, ...)
{
    struct replay_result *result = replay->result;
    char recorded[200], came[240];
    va_list args;

    if (replay->stopped)
        return;
    va_start(args, fmt);
    vsnprintf(came, sizeof(came), fmt, args);
    va_end(args);
    item_words(item, recorded, sizeof(recorded));
    before_words(replay, result->before, sizeof(result->before));
    snprintf(result->differs, sizeof(result->differs), "the recording has: %s; now: %s", recorded,
             came);
    replay->stopped = true;
}

const struct record_item *replay_expect(struct replay *replay, enum record_type type,
                                        const char *came)
{
    const struct record_item *item = replay_peek(replay);

    if (item && item->head.type != type) {
        replay_differs(replay, item, "%s", came);
        return NULL;
    }
    return item;
}

void replay_apply_chunks(struct replay *replay, const struct record_item *item)
{
    struct record_chunk chunk;

    for (size_t i = 64; i < item->head.size; i += sizeof(chunk)) {
        memcpy(&chunk, item->at + i, sizeof(chunk));
        memcpy((uint8_t *)&replay->pages[item->head.vcpu] + 64u * chunk.index, chunk.data, 64);
    }
}

static void compare_page(struct replay *replay, const struct record_item *item)
{
    const uint8_t *now = (const uint8_t *)&replay->machine.vcpus[item->head.vcpu];
    const uint8_t *recorded = (const uint8_t *)&replay->pages[item->head.vcpu];

    for (size_t at = 0; at < sizeof(struct rv_vcpu_page); at += 8) {
        uint64_t a, b;

        memcpy(&a, recorded + at, 8);
        memcpy(&b, now + at, 8);
        if (a == b)
            continue;
        replay_differs(replay, item,
                       "the same, but vCPU %u's page has 0x%" PRIx64 " at 0x%zx, not 0x%" PRIx64,
                       item->head.vcpu, b, at, a);
        return;
    }
}

void replay_compare_command(struct replay *replay, const struct pcpu *pcpu,
                            const struct rv_command *command)
{
    const struct record_item *item = replay_peek(replay);
    struct rv_command recorded;
    char came[200];

    command_words(command, came, sizeof(came));
    /* The ring was full: these were put aside while the vmm waited for room. */
    while (item && item->head.type == RECORD_EVENT && item->head.pcpu == pcpu->index) {
        replay_publish(replay, item);
        item = replay_peek(replay);
    }
    item = replay_expect(replay, RECORD_COMMAND, came);
    if (!item)
        return;
    memcpy(&recorded, item->at, sizeof(recorded));
    recorded.seq = command->seq;
    if (memcmp(&recorded, command, sizeof(recorded)) != 0 || item->head.pcpu != pcpu->index) {
        replay_differs(replay, item, "%s, on pCPU %u", came, pcpu->index);
        return;
    }
    if (item->head.vcpu != RECORD_NO_VCPU) {
        replay_apply_chunks(replay, item);
        compare_page(replay, item);
    }
    replay->result->commands++;
    record_next(replay->reader);
}

void replay_compare_access(struct replay *replay, const struct tap_access *access)
{
    const struct record_access now = {
        .address = access->address,
        .value = access->value,
        .size = access->size,
        .is_write = access->is_write,
        .error = access->error,
    };
    const struct record_item *item;
    struct record_access recorded;
    char came[200];

    access_words(&now, came, sizeof(came));
    item = replay_expect(replay, RECORD_ACCESS, came);
    if (!item)
        return;
    memcpy(&recorded, item->at, sizeof(recorded));
    if (memcmp(&recorded, &now, sizeof(now)) != 0)
        replay_differs(replay, item, "%s", came);
    else
        record_next(replay->reader);
}
