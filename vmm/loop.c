/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loop.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/relax.h"

/* Looking costs the host a core, sleeping costs the guest a doorbell each way (some 80 us). */
#define POLL_MAX_NS     200000
#define POLL_MIN_NS     10000
#define EVENTS_PER_PASS 64u  /* exits between two turns of the event loop */
#define LOOKS_PER_PASS  256u /* looks in vain between two turns of the event loop */

static long long now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void doorbell_rang(evutil_socket_t fd, short what, void *ctx)
{
    struct loop *loop = ctx;
    uint8_t rings[256];
    ssize_t n;

    (void)what;
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

int loop_init(struct loop *loop, struct event_base *base, struct vm *vm)
{
    *loop = (struct loop){.base = base, .vm = vm, .poll_ns = POLL_MAX_NS};
    loop->doorbell =
        event_new(base, vm->machine->doorbell, EV_READ | EV_PERSIST, doorbell_rang, loop);
    if (!loop->doorbell || event_add(loop->doorbell, NULL)) {
        log_error("cannot watch the doorbell");
        return -ENOMEM;
    }
    return 0;
}

void loop_free(struct loop *loop)
{
    if (loop->doorbell)
        event_free(loop->doorbell);
}

void loop_end(struct loop *loop, enum loop_end end)
{
    if (!loop->ended)
        loop->end = end;
    loop->ended = true;
}

/* What the handled events have asked for. */
static void obey(struct loop *loop)
{
    struct vm *vm = loop->vm;

    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (vm->pcpus[i].lost)
            loop_end(loop, LOOP_VMM_FAILED);
    }
    if (vm->broken)
        loop_end(loop, LOOP_VMM_FAILED);
    else if (vm->failed)
        loop_end(loop, LOOP_GUEST_FAILED);
    else if (vm->request == VM_POWER_OFF)
        loop_end(loop, LOOP_POWER_OFF);
    else if (vm->request == VM_RESET && vm->config.no_reboot)
        loop_end(loop, LOOP_RESET);
    else if (vm->request == VM_RESET && vm_reset(vm))
        loop_end(loop, LOOP_VMM_FAILED);
}

/* Has another pCPU so many events put aside that its turn must come first? */
static bool is_crowded(const struct vm *vm, unsigned self)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (i != self && vm->pcpus[i].nr_deferred >= PCPU_CROWDED)
            return true;
    }
    return false;
}

/*
 * Handle what is in the rings now: of each pCPU what was put aside, and more up
 * to a bound. How many that was.
 */
static unsigned take_events(struct loop *loop)
{
    struct vm *vm = loop->vm;
    struct rv_event event;
    unsigned handled = 0;

    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        struct pcpu *pcpu = &vm->pcpus[i];

        for (unsigned n = 0; n < EVENTS_PER_PASS || pcpu->nr_deferred; n++) {
            if (!pcpu_next_event(pcpu, &event))
                break;
            vm_event(vm, pcpu, &event);
            handled++;
            if (vm->request != VM_RUN_ON || vm->failed || vm->broken)
                return handled;
            if (is_crowded(vm, i))
                break;
        }
    }
    return handled;
}

static void notify(struct vm *vm)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        pcpu_notify(&vm->pcpus[i]);
}

static bool any_event(const struct vm *vm)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++) {
        if (pcpu_has_event(&vm->pcpus[i]))
            return true;
    }
    return false;
}

static void set_waiting(struct vm *vm, uint32_t waiting)
{
    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        rv_store_relaxed(&vm->pcpus[i].channel->event_waiting.v, waiting);
}

/*
 * Nothing came for a while: sleep until the doorbell or anything else. When it
 * was for less time than a look would have taken, looking longer pays.
 */
static void sleep_once(struct loop *loop)
{
    long long start = now_ns();

    set_waiting(loop->vm, 1);
    rv_fence(); /* pairs with the fence in the stub's rv_ring_wants_wakeup */
    turn(loop, !any_event(loop->vm));
    set_waiting(loop->vm, 0);
    if (now_ns() - start < POLL_MAX_NS)
        loop->poll_ns = POLL_MAX_NS;
    else if (loop->poll_ns > POLL_MIN_NS)
        loop->poll_ns /= 2;
}

enum loop_end loop_run(struct loop *loop)
{
    long long last = now_ns();
    unsigned since_turn = 0, looks = 0;

    while (!loop->ended) {
        unsigned handled = take_events(loop);

        if (handled) {
            obey(loop);
            since_turn += handled;
            looks = 0;
        } else {
            relax();
            looks++;
        }
        notify(loop->vm);
        if (since_turn < EVENTS_PER_PASS && looks < LOOKS_PER_PASS)
            continue;
        turn(loop, false);
        notify(loop->vm);
        if (since_turn) {
            last = now_ns();
        } else if (now_ns() - last > loop->poll_ns) {
            obey(loop);
            if (!loop->ended)
                sleep_once(loop);
            last = now_ns();
        }
        since_turn = 0;
        looks = 0;
    }
    return loop->end;
}
