/* SPDX-License-Identifier: BSD-2-Clause */
/* What a Linux host below needs: the stub under a running kernel. */
#pragma once

#include "el2stub/stub.h"
#include "proto/host.h"

/* Registers of EL2 that say what the host may do, as they were found. */
struct host_controls {
    uint64_t hcr, cptr, mdcr, cnthctl, hstr, vpidr, vmpidr, cntvoff, sre, zcr, hcrx, mpam2;
    uint64_t fgt[6]; /* HFGRTR, HFGWTR, HFGITR, HDFGRTR, HDFGWTR, HAFGRTR */
};

struct host_cpu {
    uint64_t gpr[31]; /* x0-x30 while EL2 runs; entry.S needs it first */
    uint64_t vbar;    /* as found, like the next two */
    uint64_t sctlr;
    uint64_t tpidr, vttbr, vtcr;
    struct host_controls found;
    uint64_t entry;   /* where the host goes on after CPU_ON or CPU_SUSPEND, */
    uint64_t context; /* and what it has in x0 there */
    uint32_t state;   /* HOST_* */
    uint32_t vm;      /* which it serves, if it serves one */
} __attribute__((aligned(128)));

extern struct host_cpu host_cpus[RV_MAX_PCPUS];

/* entry.S */
void host_warm(void);
void host_call_firmware(uint64_t *gpr);
_Noreturn void host_vanish(struct host_cpu *host);
_Noreturn void host_repark(struct pcpu *pcpu);

/* vectors.S, of the guests and of the host. */
extern char vectors[], host_vectors[];
_Noreturn void host_enter(struct pcpu *pcpu);

/* install.c */
int host_boot(const struct rv_boot_page *page);
void host_install(struct pcpu *pcpu, uint64_t sctlr);
_Noreturn void host_start_el1(struct pcpu *pcpu);
void host_remove(struct pcpu *pcpu);

/* stage2.c */
int host_stage2_build(uint64_t *end);
void host_stage2_on(uint64_t hcr);

/* trap.c: the handlers of vectors.S. */
void host_sync(struct pcpu *pcpu);
void host_unexpected(struct pcpu *pcpu);

/* psci.c */
void host_smc(struct pcpu *pcpu);
bool host_is_busy(void);
_Noreturn void host_park(struct pcpu *pcpu);

/* pcpu.c: CPUs of the host that run guests. */
_Noreturn void host_serve(struct pcpu *pcpu);
int host_change(uint64_t index, uint32_t from, uint32_t to);
int host_state(uint64_t index);

/* vm.c: VMs of the host's processes. */
void host_vm_init(void);
int host_vm_call(const uint64_t *x);

static inline struct host_cpu *host_of(const struct pcpu *pcpu)
{
    return &host_cpus[pcpu->index];
}
