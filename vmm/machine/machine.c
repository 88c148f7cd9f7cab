/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/machine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "vmm/util/clock.h"
#include "vmm/util/log.h"

/*
 * Looks at a ring before the stub sleeps, some 30 us on the machine qemu: a vmm that
 * is awake answers in one or two. Longer only takes the core from whoever is to answer.
 */
#define POLL_LIMIT      3000u
#define READY_TIMEOUT_S 20

void machine_boot_page(struct machine *machine, const struct machine_config *config,
                       uint64_t mem_base)
{
    struct rv_boot_page *boot = machine->boot;

    machine->nr_pcpus = config->nr_pcpus;
    machine->nr_vcpus = config->nr_vcpus;
    boot->magic = RV_BOOT_MAGIC;
    boot->abi_major = RV_ABI_MAJOR;
    boot->abi_minor = RV_ABI_MINOR;
    boot->nr_pcpus = config->nr_pcpus;
    boot->features = (config->timestamps ? RV_FEATURE_TIMESTAMP : 0u) |
                     (config->nr_pcpus == config->nr_vcpus ? RV_FEATURE_IDLE : 0u);
    boot->mem_base = mem_base;
    boot->mem_size = machine->layout.total;
    boot->stub_offset = machine->layout.stub;
    boot->stub_size = machine->layout.stub_size;
    boot->channels_offset = machine->layout.channels;
    boot->vcpus_offset = machine->layout.vcpus;
    boot->nr_vcpus = config->nr_vcpus;
    boot->poll_limit = POLL_LIMIT;
    boot->ram_offset = machine->layout.ram;
    boot->ram_size = machine->layout.ram_size;
}

static const char *const refusals[] = {
    [RV_BOOT_BAD_MAGIC] = "it found no boot page",
    [RV_BOOT_BAD_ABI] = "it speaks another version of the protocol; rebuild both",
    [RV_BOOT_BAD_LAYOUT] = "the areas of the shared memory overlap or lie outside of it",
    [RV_BOOT_BAD_PCPUS] = "the number of CPUs is out of its range",
    [RV_BOOT_BAD_FEATURES] = "it does not know a feature that was asked for",
    [RV_BOOT_NO_GICV3] = "the machine has no working GICv3",
    [RV_BOOT_BAD_EL] = "it was not started at EL2",
    [RV_BOOT_NO_PCPU] = "the firmware did not start one of the CPUs",
};

int machine_wait_ready(struct machine *machine, struct event_base *base, const bool *over)
{
    const struct timespec pause = {0, 200000};
    int64_t start = clock_now_ms();
    uint32_t reason;

    for (;;) {
        /* Acquire: what the stub wrote before its state can be read after. */
        uint32_t state = rv_load_acquire(&machine->boot->stub_state);

        if (state == RV_STUB_READY)
            break;
        if (state == RV_STUB_REFUSED) {
            reason = rv_load_relaxed(&machine->boot->stub_reason);
            log_error("the stub refused to start: %s (reason %u, detail %llu)",
                      reason < sizeof(refusals) / sizeof(*refusals) && refusals[reason]
                          ? refusals[reason]
                          : "unknown reason",
                      reason, (unsigned long long)machine->boot->stub_detail);
            return -EPROTO;
        }
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (machine->ops->is_dead(machine))
            return -ECHILD;
        if (*over)
            return -EINTR;
        if (clock_now_ms() - start > READY_TIMEOUT_S * 1000) {
            log_error("the stub did not come up within %d s; is its image damaged?",
                      READY_TIMEOUT_S);
            return -ETIMEDOUT;
        }
        nanosleep(&pause, NULL);
    }
    memcpy(machine->stub_id, machine->boot->stub_id, sizeof(machine->stub_id));
    machine->cntfrq = machine->boot->stub_cntfrq;
    machine->dczid = machine->boot->stub_dczid;
    machine->sve = machine->boot->stub_sve;
    return 0;
}
