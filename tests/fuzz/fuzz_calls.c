/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware calls with any function and any arguments, one after another by
 * several vCPUs. Checked: that each gets one kind of answer which fits together,
 * that only x0 to x3 can change, and that no vCPU is started or powered down to
 * where there is no memory, or suspended as a system beside another.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/boot.h"
#include "tests/unit/support/check.h"
#include "vmm/firmware/smccc.h"
#include "vmm/util/log.h"

#define CPUS     4u
#define RAM_BASE 0x40000000ull
#define RAM_SIZE 0x20000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One call of the input. */
struct step {
    uint8_t vcpu, imm, service, pad[5];
    uint64_t x[4];
};

static struct psci_cpu cpus[CPUS];
static bool entropy_fails;
static bool ended;

uint64_t vcpu_get_x(const struct vcpu *vcpu, unsigned reg)
{
    return vcpu->page->x[reg];
}

bool log_first(unsigned kind, uint64_t key)
{
    return true;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    CHECK(level == LOG_DEBUG);
}

static bool is_memory(void *opaque, ipa_t addr)
{
    return addr.v >= RAM_BASE && addr.v - RAM_BASE < RAM_SIZE;
}

/* Every second start is not over when it returns. */
static int cpu_on(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    CHECK(index < CPUS && cpus[index].state == PSCI_STATE_ON_PENDING);
    CHECK(entry % 4 == 0 && is_memory(NULL, ipa(entry)));
    if (context_id & 1)
        psci_cpu_started(&cpus[index]);
    return 0;
}

static void cpu_off(void *opaque, unsigned index)
{
    CHECK(cpus[index].state == PSCI_STATE_OFF);
    ended = true;
}

static void system_off(void *opaque)
{
    ended = true;
}

static void system_reset(void *opaque, enum psci_reset kind)
{
    ended = true;
}

/* Not a call's to do: exit.c asks for it. */
static int restart(void *opaque, unsigned index, uint64_t entry, uint64_t context_id)
{
    abort();
}

static int entropy(void *buffer, size_t size)
{
    memset(buffer, 0xff, size);
    return entropy_fails ? -1 : 0;
}

/* Owners that exist are rare in random numbers. */
static uint64_t function_of(const struct step *step)
{
    static const uint32_t bases[] = {0x84000000, 0xc4000000, 0x84000050, 0xc4000050,
                                     0x80000000, 0xc5000020, 0x84010000};

    if (step->service < 200)
        return bases[step->service % (sizeof(bases) / sizeof(bases[0]))] + step->x[0] % 0x18;
    return step->x[0];
}

static void check_result(const struct step *step, unsigned vcpu, const struct call_result *r)
{
    uint32_t function = (uint32_t)function_of(step) & ~CALL_HINT;

    CHECK(r->hold == ended);
    CHECK(!(r->hold && (r->wait || r->restart)));
    CHECK(!r->restart || (r->wait && r->entry % 4 == 0 && is_memory(NULL, ipa(r->entry))));
    if (r->restart && (function & ~CALL_SMC64) == PSCI_SYSTEM_SUSPEND) {
        for (unsigned i = 0; i < CPUS; i++)
            CHECK(i == vcpu || cpus[i].state == PSCI_STATE_OFF);
    }
    if (r->restart && !(function & CALL_SMC64))
        CHECK(!(r->entry >> 32) && !(r->context_id >> 32));
    CHECK(r->has_x1_to_x3 || !(r->x[1] | r->x[2] | r->x[3]));
    if (r->has_x1_to_x3 && !(function & CALL_SMC64))
        CHECK(!(r->x[1] >> 32) && !(r->x[2] >> 32) && !(r->x[3] >> 32));
    for (unsigned i = 0; i < CPUS; i++)
        CHECK(cpus[i].state <= PSCI_STATE_ON_PENDING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct psci_ops ops = {cpu_on,       cpu_off,   system_off,
                                        system_reset, is_memory, restart};
    static const struct psci psci = {.ops = &ops, .cpus = cpus, .nr_cpus = CPUS};
    uint64_t id[RV_ID_INDEX(7, 7) + 1] = {0};
    struct rv_vcpu_page page, before;
    struct smccc smccc;

    if (size >= 2) {
        id[RV_ID_INDEX(4, 0)] = (uint64_t)data[0] << 56;
        entropy_fails = data[1] & 1;
    }
    smccc_init(&smccc, &psci, id);
    smccc.entropy = entropy;
    smccc.pvtime = (struct pvtime){size & 1, 0x50000000};
    for (unsigned i = 0; i < CPUS; i++)
        psci_cpu_reset(&cpus[i], i, i < 2);
    for (ended = false; size >= sizeof(struct step) && !ended; size -= sizeof(struct step)) {
        struct vcpu vcpu = {.page = &page};
        struct call_result result;
        struct step step;

        memcpy(&step, data, sizeof(step));
        data += sizeof(step);
        vcpu.index = step.vcpu % CPUS;
        if (cpus[vcpu.index].state != PSCI_STATE_ON)
            continue;
        memset(&page, 0x5a, sizeof(page));
        memcpy(page.x, step.x, sizeof(step.x));
        page.x[0] = function_of(&step);
        before = page;
        memset(&result, 0xa5, sizeof(result));
        smccc_call(&smccc, &vcpu, step.imm < 250 ? 0 : step.imm, &result);
        CHECK(memcmp(&page, &before, sizeof(page)) == 0);
        check_result(&step, vcpu.index, &result);
    }
    return 0;
}
