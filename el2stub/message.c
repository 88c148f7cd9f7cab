/* SPDX-License-Identifier: BSD-2-Clause */
/* Both rings of this core's channel, from the stub's side. */
#include "arch.h"
#include "el2stub/stub.h"
#include "shortcut.h"

bool event_has_room(struct pcpu *pcpu)
{
    uint32_t tail;

    if (pcpu->event_head - pcpu->event_tail < RV_EVENT_ENTRIES)
        return true;
    /* Acquire: the vmm has done with the entries that it gives back. */
    tail = rv_load_acquire(&pcpu->channel->event_tail.v);
    if (rv_ring_space(pcpu->event_head, tail, RV_EVENT_ENTRIES) < 0) {
        tail = pcpu->event_head;
        pcpu->ring_broken = true; /* exit_serve() reports it */
    }
    pcpu->event_tail = tail;
    return pcpu->event_head - tail < RV_EVENT_ENTRIES;
}

/*
 * The next free event, with the exception that the core took last; the caller fills
 * in the rest. Sleeps while the ring is full. Other cores' doorbells come here meanwhile,
 * and an end that the guest's interrupts report waits in turn. A VM that is stopped
 * meanwhile leaves the core when there is room: its STOPPED needs that, too.
 */
struct rv_event *event_begin(struct pcpu *pcpu, uint8_t type)
{
    struct rv_event *event;

    while (!event_has_room(pcpu)) {
        rv_store_relaxed(&pcpu->channel->event_full.v, 1);
        rv_fence(); /* pairs with the fence in rv_ring_wants_wakeup on the vmm's side */
        if (!event_has_room(pcpu))
            wait_for_interrupt();
        rv_store_relaxed(&pcpu->channel->event_full.v, 0);
        gic_irq(pcpu);
        platform_check(pcpu);
    }
    event = &pcpu->channel->event[pcpu->event_head % RV_EVENT_ENTRIES];
    event->type = type;
    event->flags = 0;
    event->vcpu = pcpu->vcpu ? (uint16_t)(pcpu->vcpu - vcpus) : RV_NO_VCPU;
    event->esr = read_sysreg(esr_el2);
    event->far = read_sysreg(far_el2);
    event->pc = read_sysreg(elr_el2);
    event->pstate = (uint32_t)read_sysreg(spsr_el2);
    event->timestamp = boot.features & RV_FEATURE_TIMESTAMP ? read_sysreg(cntpct_el0) : 0;
    return event;
}

void event_publish(struct pcpu *pcpu, struct rv_event *event)
{
    rv_ring_publish(&event->seq, pcpu->event_head);
    pcpu->event_head++;
    rv_store_relaxed(&pcpu->channel->event_head.v, pcpu->event_head);
    if (rv_ring_wants_wakeup(&pcpu->channel->event_waiting.v))
        platform_doorbell_ring();
}

/* An event that is not an exit. What the arguments mean: PROTOCOL.md, by type. */
void event_send(struct pcpu *pcpu, uint8_t type, uint32_t tag, uint64_t detail, uint64_t value)
{
    struct rv_event *event = event_begin(pcpu, type);

    event->esr = tag;
    event->ipa = detail;
    event->value = value;
    event_publish(pcpu, event);
}

bool command_ready(const struct pcpu *pcpu)
{
    const struct rv_command *next =
        &pcpu->channel->command[pcpu->command_tail % RV_COMMAND_ENTRIES];

    return rv_ring_ready(&next->seq, pcpu->command_tail);
}

/* Copies the next command: from here on only the copy is looked at. */
void command_take(struct pcpu *pcpu, struct rv_command *command)
{
    const volatile uint64_t *from =
        (const volatile uint64_t *)&pcpu->channel->command[pcpu->command_tail % RV_COMMAND_ENTRIES];
    uint64_t *to = (uint64_t *)command;

    for (unsigned i = 0; i < sizeof(*command) / sizeof(*to); i++)
        to[i] = from[i];
    pcpu->command_tail++;
    /* Release: the loads above are done before the vmm may write the entry again. */
    rv_store_release(&pcpu->channel->command_tail.v, pcpu->command_tail);
}

/*
 * Look for a command, for as long as that was worth it lately. False: there is none, or
 * an interrupt is pending. Polls that were in vain halve the limit.
 */
static bool poll(struct pcpu *pcpu)
{
    for (uint32_t polls = 0; polls < pcpu->poll_limit; polls += platform_pause(pcpu)) {
        if (command_ready(pcpu))
            return true;
        if (read_sysreg(isr_el1))
            return false;
        cpu_relax();
    }
    if (command_ready(pcpu))
        return true;
    if (pcpu->poll_limit > boot.poll_limit / 16)
        pcpu->poll_limit /= 2;
    return false;
}

/*
 * Wait until there is a command or an interrupt has been handled. Looks at the
 * ring first, for as long as that was worth it lately, and sleeps after.
 */
void command_wait(struct pcpu *pcpu)
{
    if (!pcpu->vcpu && read_sysreg(isr_el1) & ISR_A)
        take_serror(); /* it would end each sleep, and no guest takes it: a panic reports it */
    rv_store_relaxed(&pcpu->channel->command_polling.v, 1);
    if (poll(pcpu)) {
        pcpu->poll_limit = boot.poll_limit;
    } else {
        rv_store_relaxed(&pcpu->channel->command_waiting.v, 1);
        rv_fence(); /* pairs with the fence in rv_ring_wants_wakeup on the vmm's side */
        if (!command_ready(pcpu))
            wait_for_interrupt();
        rv_store_relaxed(&pcpu->channel->command_waiting.v, 0);
        gic_irq(pcpu);
    }
    rv_store_relaxed(&pcpu->channel->command_polling.v, 0);
    rv_fence(); /* the same: the caller looks once more before the guest runs */
}
