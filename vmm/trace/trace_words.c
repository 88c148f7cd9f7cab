/* SPDX-License-Identifier: BSD-2-Clause */
/* A record as a line of text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/exit/decode.h"
#include "vmm/explain/describe.h"
#include "vmm/explain/describe_internal.h"
#include "vmm/firmware/smccc.h"
#include "vmm/trace/trace.h"
#include "vmm/trace/trace_words.h"
#include "vmm/util/clock.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    uint32_t function;
    const char *name;
} calls[] = {
    {PSCI_VERSION, "PSCI_VERSION"},
    {PSCI_CPU_SUSPEND, "PSCI_CPU_SUSPEND"},
    {PSCI_CPU_OFF, "PSCI_CPU_OFF"},
    {PSCI_CPU_ON, "PSCI_CPU_ON"},
    {PSCI_AFFINITY_INFO, "PSCI_AFFINITY_INFO"},
    {PSCI_MIGRATE, "PSCI_MIGRATE"},
    {PSCI_MIGRATE_INFO_TYPE, "PSCI_MIGRATE_INFO_TYPE"},
    {PSCI_SYSTEM_OFF, "PSCI_SYSTEM_OFF"},
    {PSCI_SYSTEM_RESET, "PSCI_SYSTEM_RESET"},
    {PSCI_SYSTEM_RESET2, "PSCI_SYSTEM_RESET2"},
    {PSCI_SYSTEM_SUSPEND, "PSCI_SYSTEM_SUSPEND"},
    {PSCI_FEATURES, "PSCI_FEATURES"},
    {PSCI_CPU_FREEZE, "PSCI_CPU_FREEZE"},
    {PSCI_CPU_DEFAULT_SUSPEND, "PSCI_CPU_DEFAULT_SUSPEND"},
    {PSCI_NODE_HW_STATE, "PSCI_NODE_HW_STATE"},
    {PSCI_SET_SUSPEND_MODE, "PSCI_SET_SUSPEND_MODE"},
    {PSCI_STAT_RESIDENCY, "PSCI_STAT_RESIDENCY"},
    {PSCI_STAT_COUNT, "PSCI_STAT_COUNT"},
    {PSCI_MEM_PROTECT, "PSCI_MEM_PROTECT"},
    {TRNG_VERSION, "TRNG_VERSION"},
    {TRNG_FEATURES, "TRNG_FEATURES"},
    {TRNG_GET_UUID, "TRNG_GET_UUID"},
    {TRNG_RND32, "TRNG_RND"},
    {SMCCC_VERSION, "SMCCC_VERSION"},
    {SMCCC_ARCH_FEATURES, "SMCCC_ARCH_FEATURES"},
    {SMCCC_ARCH_SOC_ID, "SMCCC_ARCH_SOC_ID"},
    {SMCCC_ARCH_WORKAROUND_1, "SMCCC_ARCH_WORKAROUND_1"},
    {SMCCC_ARCH_WORKAROUND_2, "SMCCC_ARCH_WORKAROUND_2"},
    {SMCCC_ARCH_WORKAROUND_3, "SMCCC_ARCH_WORKAROUND_3"},
};

static const char *const ops[RV_COMMAND_COUNT] = {
    [RV_COMMAND_REPLY] = "REPLY",
    [RV_COMMAND_RUN] = "RUN",
    [RV_COMMAND_STOP] = "STOP",
    [RV_COMMAND_LOAD] = "LOAD",
    [RV_COMMAND_SAVE] = "SAVE",
    [RV_COMMAND_VM_CREATE] = "VM_CREATE",
    [RV_COMMAND_VCPU_CREATE] = "VCPU_CREATE",
    [RV_COMMAND_MAP] = "MAP",
    [RV_COMMAND_PROTECT] = "PROTECT",
    [RV_COMMAND_INJECT] = "INJECT",
    [RV_COMMAND_RETRACT] = "RETRACT",
    [RV_COMMAND_FLUSH] = "FLUSH",
};

static const char *const events[] = {
    [RV_EVENT_READY] = "READY",     [RV_EVENT_SYNC] = "SYNC",       [RV_EVENT_SERROR] = "SERROR",
    [RV_EVENT_POSTED] = "POSTED",   [RV_EVENT_EOI] = "EOI",         [RV_EVENT_ACK] = "ACK",
    [RV_EVENT_REFUSED] = "REFUSED", [RV_EVENT_STOPPED] = "STOPPED", [RV_EVENT_PANIC] = "PANIC",
    [RV_EVENT_STRAY] = "STRAY",     [RV_EVENT_REFILL] = "REFILL",
};

const char *trace_op_name(unsigned op)
{
    return op < COUNT(ops) && ops[op] ? ops[op] : "unknown command";
}

const char *trace_event_name(unsigned type)
{
    return type < COUNT(events) && events[type] ? events[type] : "unknown event";
}

static const char *call_name(uint64_t x0)
{
    uint32_t function = (uint32_t)x0 & ~(CALL_SMC64 | CALL_HINT);

    for (size_t i = 0; i < COUNT(calls); i++) {
        if (calls[i].function == function)
            return calls[i].name;
    }
    return NULL;
}

void trace_what(const struct trace_record *r, char *text, size_t size)
{
    const struct describe_input in = {.event = r->event, .given = DESCRIBE_IPA};
    struct text *t = &(struct text){text, size};
    struct description d;
    const char *call;

    text[0] = '\0';
    switch ((enum trace_kind)r->kind) {
    case TRACE_EXIT:
    case TRACE_POSTED:
        describe(&in, &d);
        text_put(t, "%s%s%s%s%s", d.kind, d.summary[0] ? ", " : "", d.summary,
                 d.place[0] ? ", " : "", d.place);
        call = strcmp(d.kind, "HVC") == 0 || strcmp(d.kind, "SMC") == 0 ? call_name(r->x0) : NULL;
        if (call)
            text_put(t, ", %s", call);
        if (r->kind == TRACE_EXIT && r->has_value)
            text_put(t, " = 0x%" PRIx64, r->value);
        if (r->kind == TRACE_POSTED)
            text_put(t, " = 0x%" PRIx64 ", posted", r->event.value);
        break;
    case TRACE_EOI: text_put(t, "end of interrupt %" PRIu64, r->event.value); break;
    case TRACE_EVENT: text_put(t, "event %s", trace_event_name(r->event.type)); break;
    case TRACE_COMMAND:
        text_put(t, "command %s, 0x%" PRIx64 " 0x%" PRIx64, trace_op_name(r->command.op),
                 r->command.arg[0], r->command.arg[1]);
        break;
    case TRACE_KICK: text_put(t, "kick"); break;
    case TRACE_INJECT:
        text_put(t, "interrupt %" PRIu32 ", priority 0x%02x%s%s", r->intid,
                 r->irq_flags & RV_IRQ_PRIORITY, r->irq_flags & RV_IRQ_PENDING ? ", pending" : "",
                 r->irq_flags & RV_IRQ_ACTIVE ? ", active" : "");
        break;
    case TRACE_ACCESS:
        text_put(t, "%u-byte %s of 0x%" PRIx64 " = 0x%" PRIx64, r->size,
                 r->is_write ? "write" : "read", r->address, r->value);
        if (r->error)
            text_put(t, ", error %d", -r->error);
        break;
    case TRACE_LINE:
        text_put(t, "line %" PRIu32 " is %s", r->intid, r->level ? "high" : "low");
        break;
    case TRACE_SLEEP: text_put(t, "asleep"); break;
    case TRACE_KINDS: break;
    }
}

void trace_answer(const struct trace_record *r, char *text, size_t size)
{
    const struct describe_input in = {.event = r->event};
    struct text *t = &(struct text){text, size};
    struct description d;
    struct exit_info info;

    text[0] = '\0';
    if (r->kind == TRACE_POSTED || r->kind == TRACE_EOI) {
        text_put(t, "%s", r->name);
        return;
    }
    if (r->kind != TRACE_EXIT)
        return;
    decode_exit(&r->event, &info);
    describe(&in, &d);
    if (r->name[0])
        text_put(t, "%s", r->name);
    else if (info.kind == EXIT_HVC64 || info.kind == EXIT_SMC64)
        text_put(t, "%s", "firmware");
    else if (info.kind == EXIT_SYSREG)
        text_put(t, "%s", "sysreg");
    else if (info.kind == EXIT_INSN_ABORT && !r->reply_flags)
        text_put(t, "%s", "memory");
    else
        text_put(t, "%s", d.action);
    if (r->hold)
        text_put(t, "%s", ": no reply");
    else if (r->reply_flags & RV_REPLY_REG)
        text_put(t, ": x%u = 0x%" PRIx64, r->reply_reg, r->reply_value);
    if (r->reply_flags & RV_REPLY_WAIT)
        text_put(t, "%s", ": waits for an interrupt");
}

void trace_words(const struct trace_record *r, int64_t zero, char *text, unsigned size)
{
    struct text *t = &(struct text){text, size};
    int64_t at = r->begun - zero;
    char what[320], answer[128], who[24];

    if (r->vcpu != TRACE_NONE)
        snprintf(who, sizeof(who), "vCPU %u", r->vcpu);
    else if (r->pcpu != TRACE_NONE)
        snprintf(who, sizeof(who), "pCPU %u", r->pcpu);
    else
        snprintf(who, sizeof(who), "%s", r->kind == TRACE_SLEEP ? "vmm" : "device");
    trace_what(r, what, sizeof(what));
    trace_answer(r, answer, sizeof(answer));
    text_put(t, "%5" PRId64 ".%09" PRId64 " %-8s ", at / CLOCK_NS_PER_S, at % CLOCK_NS_PER_S, who);
    if (r->ns != r->begun)
        text_put(t, "%7" PRId64 " ns  ", r->ns - r->begun);
    else
        text_put(t, "%12s", "");
    text_put(t, "%-7s %s", trace_kind_name((enum trace_kind)r->kind), what);
    if (r->kind == TRACE_EXIT || r->kind == TRACE_POSTED)
        text_put(t, "; pc 0x%" PRIx64, r->event.pc);
    if (answer[0])
        text_put(t, "; by %s", answer);
    if (r->kind == TRACE_ACCESS)
        text_put(t, "; %s", r->name);
}
