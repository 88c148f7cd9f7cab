/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of exits stand on: a bus, a vCPU, PSCI's core and a log of our own. */
#pragma once

#include <stdint.h>

#include "vmm/exit/exit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DEVICE   0x09000000ull
#define PC       0xffff800008123454ull
#define FAR      0xffff80001badf018ull
#define VBAR     0xffff800010081000ull

struct fake_bus {
    unsigned reads, writes, size;
    uint64_t addr, value;
    int result;
};

struct fake_core {
    unsigned system_off, cpu_off, restart;
    uint64_t entry, context_id;
    int restart_result;
};

extern struct rv_vcpu_page page;
extern struct vcpu vcpu; /* index 1, at EL1h with the MMU off */
extern struct sysreg_cpu sysreg_cpus[2];
extern struct fake_bus bus;
extern struct fake_core core;
extern struct exit_ctx ctx;
extern unsigned lines, fetches; /* of the log; vcpu_fetch() */
extern int fetch_result;

int setup(void **state);

/* An exit at PC with FAR, IL=1, and the page's PSTATE. `addr`: the IPA. */
struct exit_reply handle(uint64_t ec, uint64_t iss, uint64_t value, uint64_t addr);
struct exit_reply handle_at(uint64_t ec, uint64_t iss, uint64_t value, uint64_t addr, uint64_t far);

/* Data abort, ISV=1, translation fault at level 3. */
uint64_t dabt(unsigned sas, unsigned sse, unsigned sf, unsigned srt, unsigned wnr);

/* EL1h has taken a synchronous exception, whose return address is `pc`, or PC. */
void assert_injected_at(const struct exit_reply *reply, uint64_t esr, uint64_t pc);
void assert_injected(const struct exit_reply *reply, uint64_t esr);
