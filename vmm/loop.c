/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loop.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/trace/tap.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"
#include "vmm/util/relax.h"
#include "vmm/util/soon.h"

/* While exits flow: after so many, a turn of the event loop, if the last one was so long ago. */
#define EVENTS_PER_PASS 64u
#define TURN_NS         500000

#define LOOKS_PER_PASS 512u /* looks in vain between two turns of the event loop */

static void doorbell_rang(evutil_socket_t fd, short what, void *opaque)
{
    struct loop *loop = opaque;
    uint8_t rings[256];
    ssize_t n;

    do
        n = read(fd, rings, sizeof(rings));
    while (n == (ssize_t)sizeof(rings));
    /* The machine has closed its end: it will be reported dead, and this would ring for ever. */
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        event_del(loop->doorbell);
}

/* One turn of the event loop. (NONBLOCK alone goes on for as long as something is ready.) */
static void turn(struct loop *loop, bool may_sleep)
{
    event_base_loop(loop->base, EVLOOP_ONCE | (may_sleep ? 0 : EVLOOP_NONBLOCK));
}

/* The alarm only ends a sleep: loop_run() looks at the clock by itself. */
static void alarm_rang(evutil_socket_t fd, short what, void *opaque)
{
    ((struct loop *)opaque)->alarm_at = SCHED_NEVER;
}

int loop_init(struct loop *loop, struct event_base *base, struct cores *cores)
{
    *loop = (struct loop){
        .base = base,
        .cores = cores,
        .alarm_at = SCHED_NEVER,
    };
    loop->doorbell =
        event_new(base, cores->machine->doorbell, EV_READ | EV_PERSIST, doorbell_rang, loop);
    loop->alarm = evtimer_new(base, alarm_rang, loop);
    if (!loop->doorbell || !loop->alarm || event_add(loop->doorbell, NULL)) {
        log_error("cannot watch the doorbell");
        return -ENOMEM;
    }
    return 0;
}

void loop_free(struct loop *loop)
{
    uint64_t kicks = 0;

    for (unsigned i = 0; i < loop->cores->nr_pcpus; i++)
        kicks += loop->cores->pcpus[i].kicks;
    log_debug("the vmm slept %" PRIu64 " times, %" PRIu64 " of them early because host CPUs were "
              "scarce, kicked pCPUs %" PRIu64 " times, and left its CPU to them %" PRIu64 " times",
              loop->cores->counts.sleeps, loop->cores->counts.short_polls, kicks,
              loop->cores->counts.moves);
    if (loop->doorbell)
        event_free(loop->doorbell);
    if (loop->alarm)
        event_free(loop->alarm);
}

void loop_add(struct loop *loop, struct vm *vm)
{
    loop->vms[loop->nr_vms++] = vm;
}

void loop_end(struct loop *loop, enum loop_end end)
{
    if (!loop->ended)
        loop->end = end;
    loop->ended = true;
}

/* One VM is over. The others go on. */
static void end_vm(struct loop *loop, unsigned i, enum loop_end end)
{
    struct vm *vm = loop->vms[i];

    loop->vms[i] = loop->vms[--loop->nr_vms];
    if (loop->nr_vms == 0)
        loop_end(loop, end);
    else if (vm_stop(vm))
        loop_end(loop, LOOP_VMM_FAILED);
}

/* Is the VM over, or does its guest want a reset? */
static bool vm_asks(const struct vm *vm)
{
    return vm->core->request != VM_RUN_ON || vm->failed || vm->broken;
}

static bool any_lost(const struct cores *cores)
{
    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        if (cores->pcpus[i].lost)
            return true;
    }
    return false;
}

/* What the handled events have asked for. */
static void obey(struct loop *loop)
{
    for (unsigned i = 0; i < loop->cores->nr_pcpus; i++) {
        if (loop->cores->pcpus[i].lost)
            loop_end(loop, LOOP_VMM_FAILED);
    }
    for (unsigned i = loop->nr_vms; i-- > 0;) {
        struct vm *vm = loop->vms[i];

        if (vm->broken)
            end_vm(loop, i, LOOP_VMM_FAILED);
        else if (vm->failed)
            end_vm(loop, i, LOOP_GUEST_FAILED);
        else if (vm->core->request == VM_POWER_OFF)
            end_vm(loop, i, LOOP_POWER_OFF);
        else if (vm->core->request == VM_RESET && vm->config.no_reboot)
            end_vm(loop, i, LOOP_RESET);
        else if (vm->core->request == VM_RESET && vm_reset(vm))
            end_vm(loop, i, LOOP_VMM_FAILED);
    }
}

/* Has another pCPU so many events put aside that its turn must come first? */
static bool is_crowded(const struct cores *cores, unsigned self)
{
    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        if (i != self && cores->pcpus[i].nr_deferred >= PCPU_CROWDED)
            return true;
    }
    return false;
}

/* What a pCPU has to say of itself, and not of a guest's exit. */
static void core_event(struct loop *loop, struct pcpu *pcpu, const struct rv_event *event)
{
    unsigned id = RV_MAX_VMS; /* all of them */

    if (event->type == RV_EVENT_REFUSED) {
        pcpu_log_refusal(pcpu, event);
        id = pcpu_refused_vm(event);
    } else if (event->type == RV_EVENT_PANIC) {
        log_error("the stub panicked on pCPU %u: vector %u, ESR %#llx, PC %#llx, FAR %#llx, "
                  "PSTATE %#x",
                  pcpu->index, event->flags, (unsigned long long)event->esr,
                  (unsigned long long)event->pc, (unsigned long long)event->far, event->pstate);
    } else {
        log_error("interrupt %llu came to pCPU %u, and nobody asked for it",
                  (unsigned long long)event->value, pcpu->index);
        return;
    }
    for (unsigned i = 0; i < loop->nr_vms; i++) {
        if (id == RV_MAX_VMS || loop->vms[i]->share.id == id)
            loop->vms[i]->broken = true;
    }
}

bool loop_handle(struct loop *loop, struct pcpu *pcpu, const struct rv_event *event)
{
    struct vcpu *vcpu =
        event->vcpu < loop->cores->nr_vcpus ? loop->cores->vcpus[event->vcpu] : NULL;
    struct vm *vm = vcpu ? vcpu->vm : NULL;

    if (event->type == RV_EVENT_REFUSED || event->type == RV_EVENT_PANIC ||
        event->type == RV_EVENT_STRAY) {
        core_event(loop, pcpu, event);
        return true;
    }
    if (!vm)
        return false;
    vm_event(vm, vcpu, event);
    return vm_asks(vm);
}

/*
 * Handle what is in the rings now: of each pCPU what was put aside, and more up
 * to a bound. How many that was. `*asked`: a VM asks for what obey() does.
 */
static unsigned take_events(struct loop *loop, bool *asked)
{
    struct cores *cores = loop->cores;
    struct rv_event event;
    unsigned handled = 0;

    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        struct pcpu *pcpu = &cores->pcpus[i];

        for (unsigned n = 0; n < EVENTS_PER_PASS || pcpu->nr_deferred; n++) {
            if (!pcpu_has_event(pcpu) || !pcpu_next_event(pcpu, &event))
                break;
            handled++;
            tap_handle(pcpu, &event);
            *asked = loop_handle(loop, pcpu, &event);
            pcpu_handled(pcpu);
            if (*asked)
                return handled;
            if (is_crowded(cores, i))
                break;
        }
    }
    return handled;
}

/* True: a pCPU is to be kicked a little later. */
static bool notify(struct cores *cores)
{
    bool due = false;

    for (unsigned i = 0; i < cores->nr_pcpus; i++) {
        struct pcpu *pcpu = &cores->pcpus[i];

        if (!pcpu->notify_due)
            continue;
        due |= pcpu_notify_soon(pcpu, (uint64_t)clock_now_ns());
        if (!pcpu->notify_due)
            tap_notified(pcpu);
    }
    return due;
}

/*
 * Look at the rings again, at most `most` times in vain: how often that was. Nobody has anything to
 * do before an event is there, so a look has few instructions, and the vmm sees the event early.
 */
static unsigned look_on(const struct cores *cores, unsigned most)
{
    unsigned looks = 0;

    while (looks < most && !cores_have_event(cores)) {
        relax();
        looks++;
    }
    return looks;
}

static void set_waiting(struct cores *cores, uint32_t waiting)
{
    for (unsigned i = 0; i < cores->nr_pcpus; i++)
        rv_store_relaxed(&cores->pcpus[i].channel->event_waiting.v, waiting);
}

/*
 * The handled exits have left work for the event loop, and the guests have nothing new: they may wait for
 * that work. What soon_run() does needs no turn.
 */
static bool left_work(const struct loop *loop)
{
    return event_base_get_num_events(loop->base, EVENT_BASE_COUNT_ACTIVE) > 0;
}

/* May schedule() have anything to do? While no vCPU waits for a pCPU or a timer it has not. */
static bool schedule_is_due(const struct loop *loop)
{
    const struct sched *sched = &loop->cores->sched;

    return sched->due || sched->deadline != SCHED_NEVER || loop->alarm_at != SCHED_NEVER;
}

/* Let the scheduler move vCPUs; what it waits for ends the loop's sleep. */
static void schedule(struct loop *loop)
{
    struct sched *sched = &loop->cores->sched;
    struct timeval wait;
    int64_t ns;

    tap_schedule(sched);
    if (sched_turn(sched))
        loop_end(loop, LOOP_VMM_FAILED);
    if (sched->deadline == loop->alarm_at)
        return;
    loop->alarm_at = sched->deadline;
    if (sched->deadline == SCHED_NEVER) {
        event_del(loop->alarm);
        return;
    }
    ns = (int64_t)sched->deadline - clock_now_ns();
    ns = ns > 0 ? ns / 1000 + 1 : 0; /* us from here on */
    wait = (struct timeval){.tv_sec = ns / 1000000, .tv_usec = ns % 1000000};
    event_add(loop->alarm, &wait);
}

/* Nothing came for a while: sleep until the doorbell or anything else. */
static void sleep_once(struct loop *loop)
{
    int64_t start = clock_now_ns();

    loop->cores->counts.sleeps++;
    loop->cores->counts.short_polls += polling_contended(&loop->polling, start);
    set_waiting(loop->cores, 1);
    rv_fence(); /* pairs with the fence in the stub's rv_ring_wants_wakeup */
    tap_sleep_begin();
    turn(loop, !cores_have_event(loop->cores));
    tap_sleep_end();
    set_waiting(loop->cores, 0);
    polling_woke(&loop->polling, start, clock_now_ns(), clock_thread_ns());
}

/*
 * Is it the event loop's turn, although exits flow? A turn is some system calls, and these cost more
 * than their time: where the kernel's page tables are isolated (KPTI) they take TLB entries as well,
 * under QEMU's emulation all of them.
 */
static bool turn_is_due(struct loop *loop, unsigned handled)
{
    loop->exits += handled;
    if (loop->exits < EVENTS_PER_PASS)
        return false;
    loop->exits = 0;
    return clock_now_ns() - loop->polling.now >= TURN_NS;
}

/* How often the kernel took the CPU from this thread for another one. */
static int64_t preemptions(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) ? 0 : usage.ru_nivcsw;
}

enum loop_end loop_run(struct loop *loop)
{
    uint64_t moves = loop->cores->counts.moves;
    unsigned looks = 0;
    bool asked = false, found = false, sched_due, kick_due, quiet;

    polling_init(&loop->polling, clock_now_ns(), clock_thread_ns(), preemptions);
    while (!loop->ended) {
        unsigned handled = take_events(loop, &asked);

        if (handled) {
            if (asked || any_lost(loop->cores))
                obey(loop);
            if (loop->cores->counts.moves != moves) {
                moves = loop->cores->counts.moves;
                polling_insist(&loop->polling, clock_now_ns() + PLACEMENT_NS);
            }
            if (soon_any() && !cores_have_event(loop->cores))
                soon_run();
            found = true;
            looks = 0;
        } else {
            relax();
            looks++;
        }
        sched_due = schedule_is_due(loop);
        if (sched_due)
            schedule(loop);
        kick_due = notify(loop->cores);
        if (looks < LOOKS_PER_PASS && !turn_is_due(loop, handled) &&
            !(handled && left_work(loop))) {
            if (!sched_due && !kick_due)
                looks += look_on(loop->cores, LOOKS_PER_PASS - looks);
            continue;
        }
        quiet = looks >= LOOKS_PER_PASS && !kick_due;
        /* The sleep that follows is a turn, too. */
        if (!quiet || !polling_contended(&loop->polling, loop->polling.now)) {
            turn(loop, false);
            obey(loop); /* a device or a client may have asked for something */
            kick_due = notify(loop->cores);
        }
        if (polling_turn(&loop->polling, clock_now_ns(), clock_thread_ns(), found,
                         quiet && !kick_due)) {
            obey(loop);
            schedule(loop);
            if (!loop->ended && !notify(loop->cores))
                sleep_once(loop);
        }
        loop->cores->counts.polls += looks;
        loop->exits = 0;
        found = false;
        looks = 0;
    }
    return loop->end;
}
