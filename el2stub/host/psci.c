/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's SMCs. All go to the firmware but those of PSCI (DEN0022) that turn CPUs off and
 * on: a CPU that the host turns off is parked here, so that EL2 is never given up.
 */
#include "arch.h"
#include "el2stub/host/host.h"

#define SMC_SERVICE      0x3f000000ull
#define SMC_64           0x40000000ull
#define PSCI_SERVICE     0x04000000ull
#define PSCI_CPU_SUSPEND 0x84000001ull
#define PSCI_CPU_OFF     0x84000002ull
#define PSCI_CPU_ON      0x84000003ull
#define PSCI_AFFINITY    0x84000004ull
#define PSCI_DEFAULT     0x8400000cull /* CPU_DEFAULT_SUSPEND */
#define PSCI_SUSPEND     0x8400000eull /* SYSTEM_SUSPEND */
#define SDEI_REGISTER    0x84000021ull /* DEN0054: an exception of firmware's has a handler here */

#define PSCI_DENIED     (-3) /* SDEI has the same */
#define PSCI_ALREADY_ON (-4)
#define PSCI_ON_PENDING (-5)

/* AFFINITY_INFO */
#define PSCI_IS_ON      0
#define PSCI_IS_OFF     1
#define PSCI_IS_PENDING 2

/* The CPU of this MPIDR, or NULL. */
static struct host_cpu *cpu_named(uint64_t mpidr, struct pcpu **pcpu)
{
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        if ((boot.pcpu[i].mpidr & MPIDR_AFFINITY) == mpidr) {
            *pcpu = &pcpus[i];
            return &host_cpus[i];
        }
    }
    return NULL;
}

/* Is a CPU off, so that the stub cannot leave it? */
bool host_is_busy(void)
{
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        if (__atomic_load_n(&host_cpus[i].state, __ATOMIC_ACQUIRE) != HOST_RUNS)
            return true;
    }
    return false;
}

/*
 * A CPU that is off for the host waits here until it is to start, or is taken. The kick wakes.
 * What it still has pending of the host's is masked by gic_init_cpu(), and the host sets all of
 * it up again when the CPU starts.
 */
_Noreturn void host_park(struct pcpu *pcpu)
{
    struct host_cpu *host = host_of(pcpu);
    uint32_t state = HOST_PARKED;

    write_sysreg(0, cntv_ctl_el0);
    write_sysreg(0, cntp_ctl_el0);
    write_sysreg(host->found.hcr | HCR_ROUTING, hcr_el2);
    isb();
    gic_init_cpu(pcpu);
    /* From here on other CPUs may change the state: cpu_on(), host_change(). */
    __atomic_store_n(&host->state, HOST_PARKED, __ATOMIC_RELEASE);
    while (state != HOST_STARTING) {
        wait_for_interrupt();
        gic_irq(pcpu);
        state = __atomic_load_n(&host->state, __ATOMIC_ACQUIRE);
        if (state == HOST_SERVES || state == HOST_RETURNS) /* as soon as it was taken: it serves */
            host_serve(pcpu);
    }
    /* No interrupt of the stub's may be left for the host. */
    gic_write_ppis(pcpu, GICR_ICENABLER0, ~0u);
    gic_write_ppis(pcpu, GICR_ICACTIVER0, ~0u);
    __atomic_store_n(&host->state, HOST_RUNS, __ATOMIC_RELEASE);
    host_start_el1(pcpu);
}

static int cpu_on(uint64_t mpidr, uint64_t entry, uint64_t context)
{
    struct pcpu *pcpu;
    struct host_cpu *host = cpu_named(mpidr, &pcpu);
    uint32_t state = HOST_PARKED;

    if (!host) /* it would come up without the stub under it */
        return PSCI_DENIED;
    if (!__atomic_compare_exchange_n(&host->state, &state, HOST_CLAIMED, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED))
        return state == HOST_RUNS ? PSCI_ALREADY_ON : PSCI_ON_PENDING;
    host->entry = entry;
    host->context = context;
    __atomic_store_n(&host->state, HOST_STARTING, __ATOMIC_RELEASE);
    gic_kick(1ull << pcpu->index);
    return 0;
}

/* AFFINITY_INFO of one CPU. False: it is not one of ours, and the firmware is to answer. */
static bool affinity_info(uint64_t *x)
{
    struct pcpu *pcpu;
    const struct host_cpu *host = cpu_named(x[1], &pcpu);
    uint32_t state;

    if (!host || x[2] != 0)
        return false;
    state = __atomic_load_n(&host->state, __ATOMIC_ACQUIRE);
    if (state == HOST_RUNS)
        x[0] = PSCI_IS_ON;
    else if (state == HOST_CLAIMED || state == HOST_STARTING)
        x[0] = PSCI_IS_PENDING;
    else
        x[0] = PSCI_IS_OFF;
    return true;
}

/*
 * CPU_SUSPEND, CPU_DEFAULT_SUSPEND and SYSTEM_SUSPEND, whose entry point is x[entry], its context
 * behind it. A CPU that loses its state comes back to host_warm(); otherwise the call returns.
 */
static void suspend(struct pcpu *pcpu, uint64_t *x, uint32_t entry)
{
    struct host_cpu *host = host_of(pcpu);
    uint64_t saved[2] = {x[entry], x[entry + 1]};

    host->entry = saved[0];
    host->context = saved[1];
    x[entry] = (uint64_t)host_warm;
    x[entry + 1] = (uint64_t)pcpu;
    host_call_firmware(x);
    /* SMCCC before 1.1 lets firmware clobber them; the stub's addresses must not stay there. */
    x[entry] = saved[0];
    x[entry + 1] = saved[1];
}

void host_smc(struct pcpu *pcpu)
{
    uint64_t *x = host_of(pcpu)->gpr;

    if ((x[0] & SMC_SERVICE) != PSCI_SERVICE) { /* workarounds of speculation, among others */
        host_call_firmware(x);
        return;
    }
    if (!(x[0] & SMC_64)) { /* of SMC32 calls the upper halves mean nothing */
        for (uint32_t i = 0; i < 4; i++)
            x[i] = (uint32_t)x[i];
    }
    switch ((uint32_t)x[0] & ~SMC_64) { /* W0 is the function, and all that firmware looks at */
    case PSCI_CPU_OFF: host_park(pcpu);
    case PSCI_CPU_ON: x[0] = (uint64_t)cpu_on(x[1], x[2], x[3]); break;
    case PSCI_AFFINITY:
        if (!affinity_info(x))
            host_call_firmware(x);
        break;
    case PSCI_CPU_SUSPEND: suspend(pcpu, x, 2); break;
    case PSCI_DEFAULT:
    case PSCI_SUSPEND: suspend(pcpu, x, 1); break;
    case SDEI_REGISTER: x[0] = (uint64_t)PSCI_DENIED; break; /* it would be entered at EL2 */
    default: host_call_firmware(x); break;
    }
}
