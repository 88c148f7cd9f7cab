/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What PROTOCOL.md says of commands, as a model beside the stub: which are legal, whom
 * a refusal stops, who is live where; and what must hold whatever happened. It shares
 * no code with the stub, and looks at its state only to judge it.
 */
#pragma once

#include "tests/unit/stub/fake.h"

/* Says what does not hold, and ends the program: the fuzzer keeps the input. */
#define MODEL_CHECK(holds)                          \
    do {                                            \
        if (!(holds))                               \
            model_fail(#holds, __FILE__, __LINE__); \
    } while (0)

struct model_vm {
    bool exists, stopped;
    uint64_t ram, size;
    uint64_t digest; /* of all that stage 2 maps */
};

struct model_vcpu {
    bool exists;
    unsigned vm;
    int core;        /* where it is live; -1: nowhere */
    uint32_t direct; /* those of its page when it was loaded last: a bit for each that is enabled */
};

struct model_core {
    int vcpu; /* -1: none */
    bool blocked, waits;
    bool runs; /* the guest has the core */
    uint64_t hcr, cptr, mdcr, vtcr, cnthctl;
};

struct model {
    struct model_vm vm[RV_MAX_VMS];
    struct model_vcpu vcpu[FAKE_VCPUS];
    struct model_core core[FAKE_CORES];
    unsigned flushes_guests;
};

extern struct model model;

_Noreturn void model_fail(const char *what, const char *file, int line);

/* After fake_reset(): nothing exists. */
void model_reset(void);

/* Is it to be refused? The stub may also say that it has no room. */
bool model_refuses(unsigned core, const struct rv_command *c);

/* Execute it on the stub, which must answer what the model says. It has FLAG_ACK. */
void model_command(unsigned core, const struct rv_command *c);

/* Let a core do something else: `call` as fake_run(). The vmm takes its events. */
void model_run(unsigned core, void (*call)(struct pcpu *pcpu));

/* What must hold after each step, for all cores and VMs. */
void model_check(void);

/* Only MAP and PROTECT changed what a VM sees. Slow: not after each step. */
void model_check_tables(void);

/* Values of a vCPU's registers that tell whose they are. */
uint64_t model_sign(unsigned vcpu, uint64_t value);
void model_sign_page(unsigned vcpu, uint64_t value);
void model_sign_core(unsigned vcpu, uint64_t value);
