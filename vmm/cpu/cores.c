/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/cpu/cores.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/firmware/pvtime.h"
#include "vmm/board/board.h"
#include "vmm/gic/page_irqs.h"
#include "vmm/trace/tap.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define NS_PER_S 1000000000ull

#define CNT_CTL_ENABLE 1u
#define CNT_CTL_IMASK  2u

static uint64_t clock_now(void *opaque)
{
    return tap_clock((uint64_t)clock_now_ns());
}

static int run(void *opaque, unsigned number, unsigned index)
{
    struct cores *cores = opaque;
    struct vcpu *vcpu = cores->vcpus[number];
    struct pcpu *pcpu = &cores->pcpus[index];
    struct rv_command command = {
        .op = RV_COMMAND_RUN,
        .vcpu = (uint16_t)number,
        .vm = (uint16_t)vcpu->vm_id,
    };

    page_irqs_arrange(&vcpu->page->gic, cores->machine->nr_lrs, cores->machine->has_tdir);
    vcpu_give(vcpu);
    pcpu_running(pcpu, vcpu);
    if (pcpu_push(pcpu, &command))
        return -EIO;
    pcpu_notify(pcpu);
    pcpu->vcpu = vcpu;
    pcpu->guest_runs = true;
    vcpu->pcpu = pcpu;
    vcpu->fetched = 0;
    vcpu->renew = false;
    return 0;
}

/* ns from the SAVE until a timer of the guest that is on fires; SCHED_NEVER: it is not. */
static uint64_t timer_ns(uint64_t ctl, uint64_t cval, uint64_t count, uint64_t frequency)
{
    unsigned __int128 ns;

    if ((ctl & (CNT_CTL_ENABLE | CNT_CTL_IMASK)) != CNT_CTL_ENABLE)
        return SCHED_NEVER;
    if (cval <= count)
        return 0;
    if (frequency == 0)
        return SCHED_NEVER;
    ns = (unsigned __int128)(cval - count) * NS_PER_S / frequency;
    return ns < SCHED_NEVER ? (uint64_t)ns : SCHED_NEVER;
}

/* When a timer of a vCPU that was just stopped will wake it: its interrupt must be enabled. */
static uint64_t wake_time(const struct cores *cores, const struct vcpu *vcpu)
{
    struct rv_timer t = vcpu->page->timer;
    uint64_t virt = SCHED_NEVER, phys = SCHED_NEVER, first, now = clock_now(NULL);

    if (vcpu->direct[BOARD_TIMER_VIRT_INTID] & LR_PENDING)
        virt = timer_ns(t.cntv_ctl, t.cntv_cval, t.cntpct - t.cntvoff, cores->machine->cntfrq);
    if (vcpu->direct[BOARD_TIMER_PHYS_INTID] & LR_PENDING)
        phys = timer_ns(t.cntp_ctl, t.cntp_cval, t.cntpct, cores->machine->cntfrq);
    first = virt < phys ? virt : phys;
    return first > SCHED_NEVER - now ? SCHED_NEVER : now + first;
}

/* The stub has let go of it. True: it was waiting for an interrupt. */
static bool stopped(const struct cores *cores, struct vcpu *vcpu)
{
    struct pcpu *pcpu = vcpu->pcpu;
    bool waited = pcpu_drop_stopped(pcpu);

    (void)page_irqs_saved(&vcpu->page->gic, cores->machine->nr_lrs);
    pcpu->vcpu = NULL;
    vcpu->pcpu = NULL;
    vcpu->fetched = RV_GROUPS_ALL;
    return waited;
}

static int stop(void *opaque, unsigned number, uint64_t *wake_at)
{
    struct cores *cores = opaque;
    struct vcpu *vcpu = cores->vcpus[number];
    struct pcpu *pcpu = vcpu->pcpu;
    struct rv_command command = {
        .op = RV_COMMAND_STOP,
        .vcpu = (uint16_t)number,
        .vm = (uint16_t)vcpu->vm_id,
    };
    int error = pcpu_call(pcpu, &command, NULL);

    /* Refused: the stub has stopped its VM, and let go of it, already. */
    if (error && error != -EPERM)
        return -EIO;
    *wake_at = stopped(cores, vcpu) ? wake_time(cores, vcpu) : 0;
    return 0;
}

/*
 * The vCPU's events that were put aside while the stub stopped it. They are older than
 * all that it does from now on, maybe on another pCPU, whose ring may be read first: a
 * posted write must not be handled after a later read. After those come the ends of
 * interrupts that the stub has not reported.
 */
static void left_on(struct cores *cores, struct pcpu *pcpu, struct vcpu *vcpu)
{
    struct rv_event event, end = {.type = RV_EVENT_EOI, .vcpu = (uint16_t)vcpu->number};
    unsigned intid;

    while (pcpu_next_left(pcpu, vcpu->number, &event)) {
        cores->handle_left(vcpu, &event);
        pcpu_left_handled(pcpu, &event);
    }
    while (page_irqs_next_end(&vcpu->page->gic, &intid)) {
        end.value = intid;
        cores->handle_left(vcpu, &end);
    }
}

static void left(void *opaque, unsigned number)
{
    const struct rv_command no_reply = {0};
    struct cores *cores = opaque;
    struct pcpu *pcpu = &cores->pcpus[cores->sched.vcpu[number].pcpu];

    /* It has switched itself off: that stays so, and its other events are not a part of it. */
    if (cores->undo.open)
        cores_decide(cores, pcpu, &no_reply, 0);
    left_on(cores, pcpu, cores->vcpus[number]);
}

static void stolen(void *opaque, unsigned number, uint64_t ns)
{
    struct vcpu *vcpu = ((struct cores *)opaque)->vcpus[number];

    vcpu->stolen_ns += ns;
    if (vcpu->pvtime)
        pvtime_account(vcpu->pvtime, vcpu->index, vcpu->stolen_ns);
}

static const struct sched_ops sched_ops = {
    .run = run,
    .stop = stop,
    .left = left,
    .stolen = stolen,
    .now = clock_now,
};

void cores_init(struct cores *cores, struct machine *machine, uint64_t slice_ns)
{
    memset(cores, 0, offsetof(struct cores, undo));
    cores->machine = machine;
    cores->nr_pcpus = machine->nr_pcpus;
    undo_init(&cores->undo);
    undo_place(&cores->undo, UNDO_PAGES, machine->vcpus,
               machine->nr_vcpus * sizeof(*machine->vcpus));
    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        pcpu_init(&cores->pcpus[i], machine, i);
        cores->pcpus[i].undo = &cores->undo;
    }
    sched_init(&cores->sched, cores->nr_pcpus, slice_ns, &sched_ops, cores);
}

int cores_add(struct cores *cores, struct vcpu *vcpu)
{
    if (cores->nr_vcpus == cores->machine->nr_vcpus)
        return -ENOSPC;
    vcpu->number = cores->nr_vcpus++;
    vcpu->page = &cores->machine->vcpus[vcpu->number];
    cores->vcpus[vcpu->number] = vcpu;
    return 0;
}

static unsigned find_free(const struct cores *cores)
{
    unsigned index = 0;

    while (index < cores->nr_pcpus && cores->pcpus[index].vcpu)
        index++;
    return index;
}

/*
 * It begins where no memory is, with its interrupts masked: if the stub enters the guest before
 * it sees the STOP, the first fetch ends that.
 */
int cores_read_counter(struct cores *cores, struct vcpu *vcpu, uint64_t *count)
{
    struct rv_vcpu_page *kept = malloc(sizeof(*kept));
    unsigned index = find_free(cores);
    uint64_t unused;
    int error;

    if (!kept || vcpu->pcpu || index == cores->nr_pcpus) {
        error = kept ? -EBUSY : -ENOMEM;
        free(kept);
        return error;
    }
    memcpy(kept, vcpu->page, sizeof(*kept));
    vcpu_reset(vcpu, BOARD_GICD_BASE, 0, 0);
    error = run(cores, vcpu->number, index);
    if (!error)
        error = stop(cores, vcpu->number, &unused);
    *count = vcpu->page->timer.cntpct;
    memcpy(vcpu->page, kept, sizeof(*kept));
    free(kept);
    return error;
}

/* Of memory, which the stub cannot reach. */
static bool is_machines(const struct cores *cores, const struct rv_command *command)
{
    return cores->machine->ops->memory &&
           (command->op == RV_COMMAND_VM_CREATE || command->op == RV_COMMAND_MAP ||
            command->op == RV_COMMAND_FLUSH);
}

int cores_tell(struct cores *cores, struct rv_command *command)
{
    if (!cores->in_exit || is_machines(cores, command))
        return cores_call(cores, command, NULL);
    return pcpu_push(cores->in_exit, command);
}

int cores_call(struct cores *cores, struct rv_command *command, uint64_t *value)
{
    const struct machine_ops *ops = cores->machine->ops;
    struct pcpu *pcpu = cores->in_exit;

    if (is_machines(cores, command))
        return ops->memory(cores->machine, command);
    for (unsigned i = 0; i < cores->nr_pcpus && !pcpu; i++) {
        if (!cores->pcpus[i].guest_runs)
            pcpu = &cores->pcpus[i];
    }
    return pcpu_call(pcpu ? pcpu : &cores->pcpus[0], command, value);
}

unsigned cores_posted(const struct cores *cores, uint64_t start, uint64_t size)
{
    unsigned posted = 0;

    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        posted += pcpu_posted(&cores->pcpus[i], start, size);
    return posted;
}

bool cores_begin(struct cores *cores, struct pcpu *pcpu, const struct rv_event *event)
{
    const struct rv_event *current = &pcpu->journal->current;

    if (cores->undo.open || !current->type || current->seq != event->seq)
        return false;
    undo_begin(&cores->undo, pcpu->index, event->seq);
    return true;
}

void cores_decide(struct cores *cores, struct pcpu *pcpu, const struct rv_command *reply,
                  uint32_t dirty)
{
    struct undo *undo = &cores->undo;

    if (!undo->open) {
        if (reply->op)
            pcpu_replying(pcpu, reply, dirty);
        return;
    }
    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        undo->log->at[i] = cores->pcpus[i].command_head;
    pcpu_replying(pcpu, reply, dirty);
    undo_forget_retracts(undo);
    undo_end(undo);
    for (uint32_t i = 0; i < undo->log->nr_commands; i++)
        pcpu_push(&cores->pcpus[undo->log->commands[i].pcpu], &undo->log->commands[i].command);
}

/* An exit that was being handled while its vCPU was taken off already is made again, too. */
static void forget_exit(struct pcpu *pcpu, struct vcpu *vcpu)
{
    pcpu->vcpu = vcpu;
    (void)pcpu_drop_stopped(pcpu);
    pcpu->vcpu = NULL;
}

/* What the process before was doing on this pCPU is undone or finished. */
static int settle_exit(const struct cores *cores, struct pcpu *pcpu)
{
    const struct pcpu_journal *journal = pcpu->journal;
    unsigned number = journal->current.vcpu;
    bool handling = journal->phase == JOURNAL_HANDLING;

    if (!journal->current.type)
        return 0;
    if (number >= cores->nr_vcpus && number != RV_NO_VCPU)
        return -EINVAL;
    if (pcpu_finish_reply(pcpu) || number == RV_NO_VCPU)
        return pcpu->lost ? -EIO : 0;
    if (handling)
        memcpy(cores->vcpus[number]->page->x, journal->x, sizeof(journal->x));
    if (!pcpu->vcpu)
        forget_exit(pcpu, cores->vcpus[number]);
    return pcpu->lost ? -EIO : 0;
}

static int settle(struct cores *cores, struct pcpu *pcpu, const struct rv_command *barrier)
{
    struct rv_command command = *barrier;
    int error = settle_exit(cores, pcpu);
    uint64_t unused;

    /* All that was published before is executed then, and what it reported is in the ring. */
    if (!error)
        error = pcpu_call(pcpu, &command, NULL);
    if (error || !pcpu->vcpu)
        return error;
    if (!pcpu_has_stopped(pcpu))
        return stop(cores, pcpu->vcpu->number, &unused);
    (void)stopped(cores, pcpu->vcpu);
    return 0;
}

/* The commands of an event that was decided, as far as they are missing. */
static void push_decided(struct cores *cores)
{
    const struct undo_log *log = cores->undo.log;
    uint32_t pushed[RV_MAX_PCPUS];

    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        pushed[i] = cores->pcpus[i].command_head - log->at[i];
    for (uint32_t i = 0; i < log->nr_commands; i++) {
        uint32_t index = log->commands[i].pcpu;

        if (index < cores->nr_pcpus && pushed[index] > 0)
            pushed[index]--;
        else if (index < cores->nr_pcpus)
            pcpu_push(&cores->pcpus[index], &log->commands[i].command);
    }
}

/* The event that was being handled: all that was done for it goes, or what is missing comes. */
static int settle_undo(struct cores *cores)
{
    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        const struct pcpu *pcpu = &cores->pcpus[i];

        if (!pcpu_has_undo(pcpu))
            continue;
        if (!undo_is_whole(&cores->undo)) {
            log_error("the journal of exits that was left is damaged");
            return -EINVAL;
        }
        if (pcpu->journal->phase == JOURNAL_REPLYING) {
            undo_forget_retracts(&cores->undo);
            push_decided(cores);
        } else {
            undo_apply(&cores->undo);
        }
    }
    return 0;
}

/*
 * All vCPUs are off, and all that the process before had pushed is answered: what is not known is
 * no RETRACT that was executed. A process that dies within this has its next one do it again.
 */
static int put_back_retracted(struct cores *cores)
{
    const struct undo_log *log = cores->undo.log;
    int error = log->nr_retracts > UNDO_RETRACTS ? -EINVAL : 0;

    for (uint32_t i = 0; !error && i < log->nr_retracts; i++) {
        struct undo_retract retract = log->retracts[i];

        if (!retract.known)
            continue;
        error = retract.vcpu < cores->nr_vcpus && !(retract.lr & LR_HW)
                    ? page_irqs_add(&cores->vcpus[retract.vcpu]->page->gic, 0, retract.lr)
                    : -EINVAL;
    }
    if (!error)
        undo_forget_retracts(&cores->undo);
    return error;
}

int cores_take_over(struct cores *cores, const struct rv_command *barrier)
{
    int error = cores->left ? 0 : -ENOENT;

    if (!error)
        cores->undo.log = &cores->left->undo;
    for (unsigned i = 0; i < cores->nr_pcpus && !error; i++) {
        struct pcpu *pcpu = &cores->pcpus[i];
        unsigned number = pcpu_recover(pcpu, &cores->left->pcpu[i]);

        if (number == RV_NO_VCPU)
            continue;
        if (number >= cores->nr_vcpus || cores->vcpus[number]->pcpu)
            return -EINVAL;
        pcpu->vcpu = cores->vcpus[number];
        pcpu->vcpu->pcpu = pcpu;
    }
    if (!error)
        error = settle_undo(cores);
    for (unsigned i = 0; i < cores->nr_pcpus && !error; i++)
        error = settle(cores, &cores->pcpus[i], barrier);
    return error ? error : put_back_retracted(cores);
}

void cores_journal(struct cores *cores, struct journal *journal, bool found)
{
    cores->left = found ? journal : NULL;
    if (!found)
        cores->undo.log = &journal->undo;
    for (unsigned i = 0; i < cores->nr_pcpus && !found; i++)
        cores->pcpus[i].journal = &journal->pcpu[i];
}

void cores_handle_left(struct cores *cores)
{
    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        for (unsigned n = 0; n < cores->nr_vcpus; n++)
            left_on(cores, &cores->pcpus[i], cores->vcpus[n]);
}
