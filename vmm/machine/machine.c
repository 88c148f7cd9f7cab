/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/machine/machine.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "proto/arm/gic.h"
#include "proto/arm/midr.h"
#include "vmm/board/board.h"
#include "vmm/util/clock.h"
#include "vmm/util/log.h"

/*
 * Looks at a ring before the stub sleeps, some 30 us on the machine qemu: a vmm that
 * is awake answers in one or two. Longer only takes the CPU from whoever is to answer.
 */
#define POLL_LIMIT      3000u
#define READY_TIMEOUT_S 20

void machine_boot_page(struct machine *machine, const struct machine_config *config,
                       uint64_t mem_base)
{
    struct rv_boot_page *boot = machine->boot;
    uint64_t ram_end = BOARD_RAM_BASE + config->ram_size; /* nothing of the board is above it */

    machine->nr_pcpus = config->nr_pcpus;
    machine->nr_vcpus = config->nr_vcpus;
    boot->magic = RV_BOOT_MAGIC;
    boot->abi_major = RV_ABI_MAJOR;
    boot->abi_minor = RV_ABI_MINOR;
    boot->nr_pcpus = config->nr_pcpus;
    boot->features = (config->timestamps ? RV_FEATURE_TIMESTAMP : 0u) |
                     (config->nr_pcpus == config->nr_vcpus ? RV_FEATURE_IDLE : 0u) |
                     (ram_end <= 1ull << RV_IPA_SMALL ? RV_FEATURE_SMALL_IPA : 0u);
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
    [RV_BOOT_NO_GICV3] = "the machine has no GICv3, or firmware keeps it off",
    [RV_BOOT_BAD_EL] = "it was not started at EL2",
    [RV_BOOT_NO_PCPU] = "the firmware did not start one of the CPUs",
    [RV_BOOT_E2H] = "the CPU has only the EL2 of a host (HCR_EL2.E2H is always 1)",
    [RV_BOOT_EXCEPTION] = "it took an exception while it started",
};

/* The first event of a pCPU's ring says what the CPU is. False: it has not come yet. */
static bool cpu_is_ready(const struct machine *machine, unsigned pcpu, struct rv_event *event)
{
    const struct rv_event *first = &machine->channels[pcpu].event[0];

    if (!rv_ring_ready(&first->seq, 0))
        return false;
    memcpy(event, first, sizeof(*event));
    return true;
}

/*
 * The stub saves and loads on each CPU what it found on the first one, and a guest may move
 * between them. 0; -EAGAIN: one of them is not ready yet; -EPROTO after a message.
 */
static int compare_cpus(const struct machine *machine)
{
    struct rv_event boot_cpu, cpu;

    for (unsigned i = 0; i < machine->nr_pcpus; i++) {
        if (!cpu_is_ready(machine, i, &cpu))
            return -EAGAIN;
        if (i == 0)
            boot_cpu = cpu;
        if (MIDR_KIND(cpu.esr) == MIDR_KIND(boot_cpu.esr) && cpu.ipa == boot_cpu.ipa &&
            cpu.value == boot_cpu.value)
            continue;
        log_error("CPU %u is not like CPU 0 (MIDR_EL1 %#llx and %#llx, ID_AA64DFR0_EL1 %#llx and "
                  "%#llx, ICH_VTR_EL2 %#llx and %#llx): a guest cannot run on both",
                  i, (unsigned long long)cpu.esr, (unsigned long long)boot_cpu.esr,
                  (unsigned long long)cpu.ipa, (unsigned long long)boot_cpu.ipa,
                  (unsigned long long)cpu.value, (unsigned long long)boot_cpu.value);
        return -EPROTO;
    }
    return 0;
}

/* Stage 2 has 40 bits of IPA, which must not exceed what the CPU has (Arm ARM D8.2). */
static int check_address_size(const struct machine *machine)
{
    static const unsigned char bits[16] = {32, 36, 40, 42, 44, 48, 52, 56};
    unsigned range = machine->boot->stub_id[RV_ID_INDEX(7, 0)] & 0xf; /* ID_AA64MMFR0_EL1.PARange */

    if (bits[range] >= RV_IPA_BITS)
        return 0;
    log_error("the CPU has %u bits of physical address; %u are needed", bits[range], RV_IPA_BITS);
    return -EPROTO;
}

/* 0: the stub runs on all CPUs; -EAGAIN: not yet; -EPROTO after a message. */
static int look_at_stub(const struct machine *machine)
{
    /* Acquire: what the stub wrote before its state can be read after. */
    uint32_t state = rv_load_acquire(&machine->boot->stub_state);
    uint32_t reason = rv_load_relaxed(&machine->boot->stub_reason);
    const char *text = "unknown reason";

    if (state == RV_STUB_READY)
        return check_address_size(machine) ? -EPROTO : compare_cpus(machine);
    if (state != RV_STUB_REFUSED)
        return -EAGAIN;
    if (reason < sizeof(refusals) / sizeof(*refusals) && refusals[reason])
        text = refusals[reason];
    log_error("the stub refused to start: %s (reason %u, detail %#llx)", text, reason,
              (unsigned long long)machine->boot->stub_detail);
    return -EPROTO;
}

static void log_timeout(const struct machine *machine)
{
    struct rv_event event;

    for (unsigned i = 0; i < machine->nr_pcpus; i++) {
        if (rv_load_relaxed(&machine->boot->stub_state) == RV_STUB_READY &&
            !cpu_is_ready(machine, i, &event)) {
            log_error("CPU %u did not start within %d s", i, READY_TIMEOUT_S);
            return;
        }
    }
    log_error("the stub did not come up within %d s; is its image damaged?", READY_TIMEOUT_S);
}

void machine_answers(struct machine *m)
{
    memcpy(m->stub_id, m->boot->stub_id, sizeof(m->stub_id));
    m->cntfrq = m->boot->stub_cntfrq;
    m->dczid = m->boot->stub_dczid;
    m->sve = m->boot->stub_sve;
}

int machine_wait_ready(struct machine *machine, struct event_base *base, const bool *over)
{
    const struct timespec pause = {0, 200000};
    int64_t start = clock_now_ms();
    struct rv_event ready = {0};

    while (!machine->is_ready) {
        int error = look_at_stub(machine);

        if (!error)
            break;
        if (error != -EAGAIN)
            return error;
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        if (machine->ops->is_dead(machine))
            return -ECHILD;
        if (*over)
            return -EINTR;
        if (clock_now_ms() - start > READY_TIMEOUT_S * 1000) {
            log_timeout(machine);
            return -ETIMEDOUT;
        }
        nanosleep(&pause, NULL);
    }
    (void)cpu_is_ready(machine, 0, &ready);
    machine->nr_lrs = ICH_VTR_LRS(ready.value);
    machine->has_tdir = (ready.value & ICH_VTR_TDS) != 0;
    machine->is_ready = true;
    machine_answers(machine);
    return 0;
}
