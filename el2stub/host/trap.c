/* SPDX-License-Identifier: BSD-2-Clause */
/* What traps from the host: its calls, and accesses to memory that it does not have. */
#include "arch.h"
#include "el2stub/host/host.h"

#define SCTLR_SPAN  (1ull << 23) /* reads 1 without PAN, */
#define SCTLR_DSSBS (1ull << 44) /* and 0 without SSBS */

/* VBAR_EL1 offsets of the synchronous entries (Arm ARM D1.3, "Exception vectors"). */
#define VECTOR_SP_EL0    0x000u
#define VECTOR_SP_EL1    0x200u
#define VECTOR_LOWER_A64 0x400u
#define VECTOR_LOWER_A32 0x600u

/* PSTATE after EL1 has taken an exception (Arm ARM J1.1, AArch64.TakeException). */
static uint64_t exception_pstate(uint64_t old)
{
    uint64_t sctlr = read_sysreg(sctlr_el1);
    uint64_t pstate = PSTATE_EL1h | PSTATE_DAIF | (old & (PSTATE_NZCV | PSTATE_DIT | PSTATE_PAN));

    if (!(sctlr & SCTLR_SPAN))
        pstate |= PSTATE_PAN;
    if (sctlr & SCTLR_DSSBS)
        pstate |= PSTATE_SSBS;
    if (ID_FIELD(read_sysreg(id_aa64pfr1_el1), 8) >= 2) /* MTE */
        pstate |= PSTATE_TCO;
    return pstate;
}

/* Let the host take a synchronous exception where it is. */
static void inject(uint64_t esr)
{
    uint64_t spsr = read_sysreg(spsr_el2), vector = VECTOR_SP_EL1;

    if (spsr & PSTATE_nRW)
        vector = VECTOR_LOWER_A32;
    else if ((spsr & PSTATE_M) == PSTATE_EL0t)
        vector = VECTOR_LOWER_A64;
    else if ((spsr & PSTATE_M) == PSTATE_EL1t)
        vector = VECTOR_SP_EL0;
    write_sysreg(esr, esr_el1);
    write_sysreg(spsr, spsr_el1);
    write_sysreg(read_sysreg(elr_el2), elr_el1);
    write_sysreg(read_sysreg(vbar_el1) + vector, elr_el2);
    write_sysreg(exception_pstate(spsr), spsr_el2);
}

/*
 * The host touched the stub's memory: it takes an abort. A process gets a SIGBUS. Linux's
 * accessors that may fault need a permission fault to come back: it retries a translation
 * fault of a mapped address for ever.
 */
static void inject_abort(uint64_t esr)
{
    uint64_t spsr = read_sysreg(spsr_el2);
    bool el0 = (spsr & PSTATE_nRW) != 0 || (spsr & PSTATE_M) == PSTATE_EL0t;
    uint64_t ec = ESR_GET(esr, ESR_ELx_EC);

    if (!el0)
        ec++; /* from the same exception level */
    write_sysreg(read_sysreg(far_el2), far_el1);
    inject(ESR_SET(ec, ESR_ELx_EC) | (esr & (ESR_ELx_IL | ESR_ISS_DABT_WNR)) |
           (el0 ? ESR_FSC_EXTERNAL : ESR_FSC_PERMISSION | 3)); /* level 3 */
}

static void host_hvc(struct pcpu *pcpu)
{
    uint64_t *x = host_of(pcpu)->gpr;

    switch (x[0]) {
    case RV_HOST_INFO:
        x[0] = RV_HOST_MAGIC;
        x[1] = RV_ABI_MAJOR << 16 | RV_ABI_MINOR;
        break;
    case RV_HOST_REMOVE:
        if (!host_is_busy())
            host_remove(pcpu);
        x[0] = (uint64_t)RV_HOST_BUSY;
        break;
    case RV_HOST_RETURN: x[0] = (uint64_t)host_change(x[1], HOST_SERVES, HOST_RETURNS); break;
    case RV_HOST_STATE: x[0] = (uint64_t)host_state(x[1]); break;
    default: /* hyp-stub's would jump somewhere, or change the vectors */
        x[0] = x[0] < HYP_STUB_CALLS ? HYP_STUB_ERROR : (uint64_t)host_vm_call(x);
        break;
    }
}

void host_sync(struct pcpu *pcpu)
{
    uint64_t esr = read_sysreg(esr_el2);

    switch (ESR_GET(esr, ESR_ELx_EC)) {
    case ESR_EC_HVC64: host_hvc(pcpu); break;
    case ESR_EC_SMC64:
        exit_advance(); /* the preferred return of a trapped SMC is the SMC */
        host_smc(pcpu);
        break;
    case ESR_EC_IABT_LOWER:
    case ESR_EC_DABT_LOWER: inject_abort(esr); break;
    default: inject(ESR_SET(ESR_EC_UNKNOWN, ESR_ELx_EC) | ESR_ELx_IL); break;
    }
}

/* Interrupts go to EL1 while the host runs. */
void host_unexpected(struct pcpu *pcpu)
{
    panic(0, pcpu);
}
