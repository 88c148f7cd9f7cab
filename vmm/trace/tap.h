/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The places in the vmm at which others look on: a trace, a recording, a debugger of the host.
 *
 * A tap is a table of functions. While there is none, a place costs a load and a branch that is
 * never taken, and the nop of its USDT probe (bpftrace -l 'usdt:./vmm:ringvisor:*' lists them).
 * All of it is the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"

#if __has_include(<sys/sdt.h>) /* Debian: systemtap-sdt-dev */
#include <sys/sdt.h>
#else
#define STAP_PROBE(provider, name)
#define STAP_PROBE1(provider, name, a)
#define STAP_PROBE2(provider, name, a, b)
#define STAP_PROBE3(provider, name, a, b, c)
#define STAP_PROBE4(provider, name, a, b, c, d)
#define STAP_PROBE5(provider, name, a, b, c, d, e)
#endif

struct exit_reply;
struct loader_layout;
struct sched;
struct vm;

/* An access to a region of the bus. */
struct tap_access {
    const char *name; /* the region's */
    uint64_t address;
    uint64_t value; /* written or, at the end, read */
    uint8_t size;
    bool is_write;
    int error; /* at the end: 0 or -errno */
};

/* Each of them may be NULL. */
struct tap_ops {
    /* The rings: an event was taken from one, a command goes into one, a doorbell is rung. */
    void (*event)(void *opaque, const struct pcpu *pcpu, const struct rv_event *event);
    /* The command is about to go in: what it concerns in the vCPU's page is as the stub gets it. */
    void (*command)(void *opaque, const struct pcpu *pcpu, const struct rv_command *command);
    void (*kick)(void *opaque, const struct pcpu *pcpu);
    /* A vCPU's event is handled. `reply` of what has none is all zeros. */
    void (*exit_begin)(void *opaque, const struct vcpu *vcpu, const struct rv_event *event);
    void (*exit_end)(void *opaque, const struct vcpu *vcpu, const struct rv_event *event,
                     const struct exit_reply *reply);
    /* The interrupt controller gives a vCPU an interrupt: RV_COMMAND_INJECT's arguments. */
    void (*inject)(void *opaque, const struct vcpu *vcpu, unsigned intid, uint32_t flags);
    /* A device's, or the interrupt controller's, registers. */
    void (*access_begin)(void *opaque, const struct tap_access *access);
    void (*access_end)(void *opaque, const struct tap_access *access);
    /* A device drives its line. */
    void (*line)(void *opaque, unsigned intid, bool level);
    /* The loop goes to sleep and wakes up. */
    void (*sleep_begin)(void *opaque);
    void (*sleep_end)(void *opaque);

    /*
     * What a recording needs, which is all that the core's answers depend on.
     *
     * The loop: an event goes to its VM; it is the scheduler's turn; a pCPU has heard of its
     * commands, or will soon by itself.
     */
    void (*handle)(void *opaque, const struct pcpu *pcpu, const struct rv_event *event);
    void (*schedule)(void *opaque, const struct sched *sched);
    void (*notified)(void *opaque, const struct pcpu *pcpu);
    /* The scheduler reads the time. A tap may put another there. */
    void (*clock)(void *opaque, uint64_t *ns);
    /* The core has read guest RAM, or tried to change it. A tap may put other bytes there. */
    void (*load)(void *opaque, uint64_t ipa, void *data, size_t size);
    /* A device has written guest RAM; a device asks for something (struct rv_request). */
    void (*dirty)(void *opaque, uint64_t ipa, uint64_t size);
    void (*request)(void *opaque, uint32_t type, int32_t code);
    /* All is ready, and vCPU 0 starts. */
    void (*starts)(void *opaque, struct vm *vm, const struct loader_layout *layout);
    /* From now on the VM does what the taps above do not tell. */
    void (*untold)(void *opaque, const char *what);
};

struct tap {
    const struct tap_ops *ops;
    void *opaque;
    struct tap *next;
};

extern struct tap *tap_first;

/* At any time, but not from inside of a tap's function. */
void tap_add(struct tap *tap);
void tap_remove(struct tap *tap);

#define TAP_CALL(op, ...)                                                                        \
    do {                                                                                         \
        for (struct tap *tap_ = tap_first; __builtin_expect(tap_ != NULL, 0); tap_ = tap_->next) \
            if (tap_->ops->op)                                                                   \
                tap_->ops->op(__VA_ARGS__);                                                      \
    } while (0)

static inline void tap_event(const struct pcpu *pcpu, const struct rv_event *event)
{
    STAP_PROBE5(ringvisor, event, pcpu->index, event->type, event->vcpu, event->esr, event->pc);
    TAP_CALL(event, tap_->opaque, pcpu, event);
}

static inline void tap_command(const struct pcpu *pcpu, const struct rv_command *command)
{
    STAP_PROBE4(ringvisor, command, pcpu->index, command->op, command->vcpu, command->arg[0]);
    TAP_CALL(command, tap_->opaque, pcpu, command);
}

static inline void tap_kick(const struct pcpu *pcpu)
{
    STAP_PROBE1(ringvisor, kick, pcpu->index);
    TAP_CALL(kick, tap_->opaque, pcpu);
}

static inline void tap_exit_begin(const struct vcpu *vcpu, const struct rv_event *event)
{
    STAP_PROBE5(ringvisor, exit__begin, vcpu->index, event->type, event->esr, event->ipa,
                event->pc);
    TAP_CALL(exit_begin, tap_->opaque, vcpu, event);
}

static inline void tap_exit_end(const struct vcpu *vcpu, const struct rv_event *event,
                                const struct exit_reply *reply)
{
    STAP_PROBE3(ringvisor, exit__end, vcpu->index, event->type, event->esr);
    TAP_CALL(exit_end, tap_->opaque, vcpu, event, reply);
}

static inline void tap_inject(const struct vcpu *vcpu, unsigned intid, uint32_t flags)
{
    STAP_PROBE3(ringvisor, inject, vcpu->index, intid, flags);
    TAP_CALL(inject, tap_->opaque, vcpu, intid, flags);
}

/* `value`: what is written. */
static inline void tap_access_begin(const char *name, uint64_t address, unsigned size,
                                    bool is_write, uint64_t value)
{
    STAP_PROBE4(ringvisor, access__begin, name, address, size, is_write);
    if (__builtin_expect(tap_first != NULL, 0)) {
        const struct tap_access access = {
            .name = name,
            .address = address,
            .value = value,
            .size = (uint8_t)size,
            .is_write = is_write,
        };

        TAP_CALL(access_begin, tap_->opaque, &access);
    }
}

/* `value`: what was written or read. */
static inline void tap_access_end(const char *name, uint64_t address, unsigned size, bool is_write,
                                  uint64_t value, int error)
{
    STAP_PROBE4(ringvisor, access__end, name, address, value, error);
    if (__builtin_expect(tap_first != NULL, 0)) {
        const struct tap_access access = {
            .name = name,
            .address = address,
            .value = value,
            .size = (uint8_t)size,
            .is_write = is_write,
            .error = error,
        };

        TAP_CALL(access_end, tap_->opaque, &access);
    }
}

static inline void tap_line(unsigned intid, bool level)
{
    STAP_PROBE2(ringvisor, line, intid, level);
    TAP_CALL(line, tap_->opaque, intid, level);
}

static inline void tap_sleep_begin(void)
{
    STAP_PROBE(ringvisor, sleep__begin);
    TAP_CALL(sleep_begin, tap_->opaque);
}

static inline void tap_sleep_end(void)
{
    STAP_PROBE(ringvisor, sleep__end);
    TAP_CALL(sleep_end, tap_->opaque);
}

static inline void tap_handle(const struct pcpu *pcpu, const struct rv_event *event)
{
    TAP_CALL(handle, tap_->opaque, pcpu, event);
}

static inline void tap_schedule(const struct sched *sched)
{
    TAP_CALL(schedule, tap_->opaque, sched);
}

static inline void tap_notified(const struct pcpu *pcpu)
{
    TAP_CALL(notified, tap_->opaque, pcpu);
}

static inline uint64_t tap_clock(uint64_t ns)
{
    TAP_CALL(clock, tap_->opaque, &ns);
    return ns;
}

static inline void tap_load(uint64_t ipa, void *data, size_t size)
{
    TAP_CALL(load, tap_->opaque, ipa, data, size);
}

static inline void tap_dirty(uint64_t ipa, uint64_t size)
{
    TAP_CALL(dirty, tap_->opaque, ipa, size);
}

static inline void tap_request(uint32_t type, int32_t code)
{
    TAP_CALL(request, tap_->opaque, type, code);
}

static inline void tap_starts(struct vm *vm, const struct loader_layout *layout)
{
    TAP_CALL(starts, tap_->opaque, vm, layout);
}

static inline void tap_untold(const char *what)
{
    TAP_CALL(untold, tap_->opaque, what);
}
