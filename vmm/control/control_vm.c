/* SPDX-License-Identifier: BSD-2-Clause */
/* Resources /vm and /vcpus, and what is done to a VM as a whole. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "vmm/config.h"
#include "vmm/control/control_internal.h"
#include "vmm/util/clock.h"
#include "vmm/vm/vm_devices.h"
#include "vmm/vm/vm_pause.h"

#define REST_MS 8000u /* for the devices to come to rest: less than a client waits */

/* How soon it is noticed that the devices have come to rest. */
static const struct timeval tick_time = {.tv_usec = 2000};

const char *control_state(struct vm *vm)
{
    if (vm->core->request == VM_POWER_OFF)
        return "ending";
    if (vm->core->request == VM_RESET)
        return "resetting";
    if (!vm_is_pausing(vm))
        return "running";
    return vm_is_paused(vm) ? "paused" : "pausing";
}

static json_t *vm_object(const struct control_target *target)
{
    struct vm *vm = target->vm;
    const struct vm_config *config = &vm->config;
    json_t *object = json_pack(
        "{s:s,s:s,s:i,s:i,s:o,s:s,s:i,s:i,s:o}", "name", target->name, "state", control_state(vm),
        "pid", (int)(target->pid ? target->pid : getpid()), "worker", (int)getpid(), "uptime_ms",
        control_number((uint64_t)(clock_now_ns() - target->started_ns) / CLOCK_NS_PER_MS),
        "version", CONFIG_VERSION, "vcpus", (int)config->nr_vcpus, "pcpus",
        (int)vm->cores->nr_pcpus, "memory", control_number(config->ram_size));

    if (config->files.kernel)
        json_object_set_new(object, "kernel", control_text(config->files.kernel));
    if (config->bootargs)
        json_object_set_new(object, "command_line", control_text(config->bootargs));
    if (vm->console.user)
        json_object_set_new(object, "console", control_text(vm->console.user));
    if (target->options)
        json_object_set(object, "options", target->options);
    return object;
}

void control_vm_show(struct control_call *call)
{
    control_answer(call, CONTROL_OK, vm_object(call->target));
}

/* An action has been asked for, and is done later or has been done. */
static void answer_state(struct control_call *call, enum control_status status)
{
    control_answer(call, status,
                   json_pack("{s:s,s:s}", "name", call->target->name, "state",
                             control_state(call->target->vm)));
}

/*
 * Pause and resume: both wait until all devices are quiet
 */

static void answer_waiting(struct control_target *target, bool resumed)
{
    struct control_call *call = target->waiting, *next;

    target->waiting = NULL;
    for (; call; call = next) {
        next = call->next;
        if (resumed && !call->resumes)
            control_refuse(call, CONTROL_CONFLICT, "resumed",
                           "the VM was resumed before it had paused");
        else
            answer_state(call, CONTROL_OK);
    }
}

static bool wants_to_resume(const struct control_target *target)
{
    if (target->goes_on)
        return true;
    for (const struct control_call *call = target->waiting; call; call = call->next) {
        if (call->resumes)
            return true;
    }
    return false;
}

/*
 * A disk of a full file system (werror=stop), or one whose server is away, may come to rest in hours.
 * The VM does what was asked when they are; only the client learns why nothing happens yet.
 */
static void answer_late(struct control_target *target)
{
    int64_t now = clock_now_ms();

    for (struct control_call **at = &target->waiting, *call; (call = *at);) {
        if (now <= call->deadline_ms) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        target->goes_on |= call->resumes;
        control_refuse(
            call, CONTROL_CONFLICT, "busy",
            "the devices have not come to rest within %u s (does a disk wait for space, or "
            "for its server?); until they do, the VM is 'pausing', and then it %s",
            target->rest_ms / 1000, call->resumes ? "goes on" : "is paused");
    }
}

/* True: nobody waits any more. */
static bool settle(struct control_target *target)
{
    bool resumes;

    if (!vm_is_pausing(target->vm))
        target->goes_on = false; /* a snapshot that has ended has let it go on */
    resumes = wants_to_resume(target);
    if (!vm_is_paused(target->vm) || (resumes && target->vm->pause.kept))
        return false;
    target->goes_on = false;
    if (resumes)
        vm_resume(target->vm);
    answer_waiting(target, resumes);
    return true;
}

static void tick(evutil_socket_t fd, short what, void *opaque)
{
    struct control_target *target = opaque;

    if (settle(target))
        return;
    if (!target->vm->pause.kept) /* by a snapshot, which may take long and comes to an end */
        answer_late(target);
    if (target->waiting || target->goes_on)
        event_add(target->tick, &tick_time);
}

int control_target_init(struct control_target *target, struct event_base *base)
{
    target->base = base;
    target->started_ns = clock_now_ns();
    if (!target->rest_ms)
        target->rest_ms = REST_MS;
    target->tick = evtimer_new(base, tick, target);
    return target->tick ? 0 : -ENOMEM;
}

void control_target_end(struct control_target *target)
{
    struct control_call *call = target->waiting, *next;

    control_snapshot_end(target);
    control_streams_end(target);
    target->waiting = NULL;
    for (; call; call = next) {
        next = call->next;
        control_refuse(call, CONTROL_ENDED, "ended", "the VM has ended");
    }
    if (target->tick)
        event_free(target->tick);
    target->tick = NULL;
}

static void wait_for_rest(struct control_call *call)
{
    struct control_target *target = call->target;

    call->deadline_ms = clock_now_ms() + target->rest_ms;
    call->next = target->waiting;
    target->waiting = call;
    if (!settle(target))
        event_add(target->tick, &tick_time);
}

void control_vm_pause(struct control_call *call)
{
    int error = vm_pause(call->target->vm);

    call->target->goes_on = false;
    call->subject = "pause";
    if (error)
        control_answer_error(call, error, NULL);
    else
        wait_for_rest(call);
}

void control_vm_resume(struct control_call *call)
{
    if (!vm_is_pausing(call->target->vm)) {
        answer_state(call, CONTROL_OK);
        return;
    }
    call->resumes = true;
    wait_for_rest(call);
}

/*
 * The other actions
 */

void control_vm_stop(struct control_call *call)
{
    struct vm *vm = call->target->vm;

    if (vm_is_pausing(vm))
        control_refuse(call, CONTROL_CONFLICT, "paused",
                       "the VM is paused: resume it first, or kill it");
    else if (!vm_devices_event(vm, RV_EVENT_POWER_BUTTON))
        control_refuse(call, CONTROL_CONFLICT, "not-possible",
                       "no driver of the guest listens to the power button: shut it down from "
                       "inside, or kill it");
    else
        answer_state(call, CONTROL_ACCEPTED);
}

void control_vm_kill(struct control_call *call)
{
    struct control_target *target = call->target;

    target->kill(target->opaque);
    control_answer(call, CONTROL_ACCEPTED,
                   json_pack("{s:s,s:s}", "name", target->name, "state", "ending"));
}

void control_vm_reset(struct control_call *call)
{
    struct vm *vm = call->target->vm;

    if (vm->core->request == VM_RUN_ON)
        vm->core->request = VM_RESET; /* the loop does it */
    answer_state(call, CONTROL_ACCEPTED);
}

/*
 * Virtual CPUs
 */

static const char *vcpu_state(const struct vm *vm, unsigned index)
{
    const struct sched_vcpu *v = &vm->cores->sched.vcpu[vm->vcpus[index].number];

    if (v->held && v->state != SCHED_OFF)
        return v->held & SCHED_HOLD_PAUSE ? "paused" : "held";
    switch (v->state) {
    case SCHED_LIVE: return v->waits ? "waiting" : "running";
    case SCHED_READY: return "ready";
    case SCHED_ASLEEP: return "asleep";
    default: return "off";
    }
}

uint64_t control_vcpu_run_ns(const struct vm *vm, unsigned index)
{
    const struct sched_vcpu *v = &vm->cores->sched.vcpu[vm->vcpus[index].number];

    if (v->state != SCHED_LIVE || v->waits)
        return v->runtime;
    return v->runtime + (uint64_t)clock_now_ns() - v->charged; /* the scheduler does this in time */
}

static json_t *vcpu_object(const struct vm *vm, unsigned index)
{
    const struct vcpu *vcpu = &vm->vcpus[index];
    const struct sched_vcpu *v = &vm->cores->sched.vcpu[vcpu->number];

    return json_pack("{s:i,s:s,s:o,s:o,s:o,s:o}", "index", (int)index, "state",
                     vcpu_state(vm, index), "pcpu",
                     v->state == SCHED_LIVE ? json_integer(v->pcpu) : json_null(), "mpidr",
                     json_sprintf("0x%" PRIx64, vcpu->mpidr), "run_ns",
                     control_number(control_vcpu_run_ns(vm, index)), "stolen_ns",
                     control_number(vcpu->stolen_ns));
}

void control_vcpus_list(struct control_call *call)
{
    const struct vm *vm = call->target->vm;
    json_t *list = json_array();

    for (unsigned i = 0; i < vm->config.nr_vcpus; i++)
        json_array_append_new(list, vcpu_object(vm, i));
    control_answer(call, CONTROL_OK, json_pack("{s:o}", "vcpus", list));
}
