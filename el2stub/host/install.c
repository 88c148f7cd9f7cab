/* SPDX-License-Identifier: BSD-2-Clause */
/* The stub under a CPU of the host: how it comes there, and how it leaves. */
#include "arch.h"
#include "el2stub/host/host.h"

#define SCTLR_EL1_OFF  0x30d00800ull /* RES1 only: MMU and caches off */
#define SPSR_EL1_START 0x3c5ull      /* EL1h, all masked */

/* Registers of later extensions, by their encodings. */
#define ZCR_EL2   s3_4_c1_c2_0
#define HCRX_EL2  s3_4_c1_c2_2
#define MPAM2_EL2 s3_4_c10_c5_0

struct host_cpu host_cpus[RV_MAX_PCPUS];

/*
 * The controls that a guest's world changes (world_init_cpu(), gic_init_cpu()): found as Linux
 * set them when it booted at EL2, and put back before the host runs on this CPU again.
 */
static void move_controls(struct host_controls *c, bool save)
{
#define MOVE(field, reg)             \
    if (save) {                      \
        c->field = read_sysreg(reg); \
    } else {                         \
        write_sysreg(c->field, reg); \
    }

    MOVE(cptr, cptr_el2)
    MOVE(mdcr, mdcr_el2)
    MOVE(cnthctl, cnthctl_el2)
    MOVE(cntvoff, cntvoff_el2)
    MOVE(hstr, hstr_el2)
    MOVE(vpidr, vpidr_el2)
    MOVE(vmpidr, vmpidr_el2)
    MOVE(sre, icc_sre_el2)
    if (cpu.groups & RV_GROUP_SVE) {
        isb(); /* CPTR_EL2.TZ */
        MOVE(zcr, ZCR_EL2)
    }
    if (ID_FIELD(read_sysreg(id_aa64mmfr1_el1), 40)) { /* HCX */
        MOVE(hcrx, HCRX_EL2)
    }
    if (ID_FIELD(read_sysreg(id_aa64pfr0_el1), 40)) {
        MOVE(mpam2, MPAM2_EL2)
    }
    if (ID_FIELD(read_sysreg(id_aa64mmfr0_el1), 56)) {
        MOVE(fgt[0], s3_4_c1_c1_4)
        MOVE(fgt[1], s3_4_c1_c1_5)
        MOVE(fgt[2], s3_4_c1_c1_6)
        MOVE(fgt[3], s3_4_c3_c1_4)
        MOVE(fgt[4], s3_4_c3_c1_5)
        if (ID_FIELD(read_sysreg(id_aa64pfr0_el1), 44)) {
            MOVE(fgt[5], s3_4_c3_c1_6)
        }
    }
    isb();
}

/*
 * The first CPU, with the MMU off: look at the boot page, build all tables. The module has
 * cleaned and invalidated the stub's memory. What is stored here goes past the caches, and
 * lines that were fetched meanwhile must not be found when they are on. 0 or RV_HOST_*.
 */
int host_boot(const struct rv_boot_page *page)
{
    const uint64_t image = (uint64_t)image_start, image_size = (uint64_t)(image_end - image_start);
    uint64_t end;

    for (uint32_t i = 0; i < sizeof(boot) / 8; i++)
        ((uint64_t *)&boot)[i] = ((const volatile uint64_t *)page)[i];
    boot_page_address = (uint64_t)page;
    if (boot.magic != RV_BOOT_MAGIC || boot.abi_major != RV_ABI_MAJOR ||
        boot.abi_minor != RV_ABI_MINOR || boot.nr_pcpus == 0 || boot.nr_pcpus > RV_MAX_PCPUS ||
        boot.nr_vcpus > RV_MAX_VCPUS)
        return RV_HOST_BAD_BOOT;
    if (boot.mem_base != 0 || boot.stub_offset != image || boot.stub_size < image_size ||
        boot.stub_size % RV_BLOCK_SIZE)
        return RV_HOST_BAD_BOOT;
    end = image + boot.stub_size;
    find_features();
    cpu.nr_lrs = ICH_VTR_LRS(read_sysreg(ich_vtr_el2));
    for (uint32_t i = 0; i < boot.nr_pcpus; i++) {
        pcpus[i].index = i;
        pcpus[i].poll_limit = boot.poll_limit;
        pcpus[i].channel = (struct rv_channel *)boot.channels_offset + i;
        pcpus[i].stack_top = &stacks[i].top;
        stacks[i].top.pcpu = &pcpus[i];
        stacks[i].top.gpr = host_cpus[i].gpr;
    }
    if (host_stage2_build(&end) || mmu_build())
        return RV_HOST_BAD_BOOT;
    host_vm_init();
    cache_clean(image, boot.stub_size);
    return 0;
}

/* This CPU, from entry.S: MMU on, the host behind its HVC. `sctlr`: as it was found. */
void host_install(struct pcpu *pcpu, uint64_t sctlr)
{
    struct host_cpu *host = host_of(pcpu);

    host->sctlr = sctlr;
    host->vbar = read_sysreg(vbar_el2);
    host->vttbr = read_sysreg(vttbr_el2);
    host->vtcr = read_sysreg(vtcr_el2);
    host->tpidr = read_sysreg(tpidr_el2);
    host->found.hcr = read_sysreg(hcr_el2);
    move_controls(&host->found, true);
    write_sysreg(pcpu, tpidr_el2);
    write_sysreg(host_vectors, vbar_el2);
    host_stage2_on(host->found.hcr);
    host->gpr[0] = 0;
}

/* A CPU that was a guest's, was parked, or lost its state: EL2's registers as the host's. */
static void restore(struct pcpu *pcpu)
{
    struct host_cpu *host = host_of(pcpu);

    write_sysreg(pcpu, tpidr_el2);
    write_sysreg(host_vectors, vbar_el2);
    move_controls(&host->found, false);
    host_stage2_on(host->found.hcr);
    pcpu->stack_top->gpr = host->gpr;
}

/*
 * The host's CPU comes out of CPU_ON or CPU_SUSPEND, as DEN0022 describes it: at EL1. A guest's
 * stage 1 goes off before the host's stage 2 comes, and the TLB is flushed: see world_enter().
 */
_Noreturn void host_start_el1(struct pcpu *pcpu)
{
    struct host_cpu *host = host_of(pcpu);

    write_sysreg(SCTLR_EL1_OFF, sctlr_el1);
    restore(pcpu);
    for (uint32_t i = 0; i < 31; i++)
        host->gpr[i] = 0;
    host->gpr[0] = host->context;
    write_sysreg(host->entry, elr_el2);
    write_sysreg(SPSR_EL1_START, spsr_el2);
    isb();
    host_enter(pcpu);
}

/* EL2 of this CPU as it was found. Does not return: the host goes on. */
void host_remove(struct pcpu *pcpu)
{
    struct host_cpu *host = host_of(pcpu);

    write_sysreg(host->found.hcr, hcr_el2);
    isb();
    tlb_flush_vcpu();
    write_sysreg(host->vttbr, vttbr_el2);
    write_sysreg(host->vtcr, vtcr_el2);
    write_sysreg(host->tpidr, tpidr_el2);
    isb();
    host_vanish(host);
}
