// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The stub on each CPU: may it come, its coming and its going. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/hrtimer.h>
#include <linux/io.h>
#include <linux/printk.h>
#include <linux/smp.h>

#include <asm/barrier.h>
#include <asm/cpufeature.h>
#include <asm/sysreg.h>
#include <asm/virt.h>

#include "module.h"

#define PARANGE(mmfr0) ((mmfr0)&0xf) /* ID_AA64MMFR0_EL1 */
#define PARANGE_40     2             /* 40 bits; below it are 32 and 36 */

#define TIMER_ENABLED BIT(0) /* CNTP_CTL_EL0, CNTV_CTL_EL0 */

/* An HVC with SMCCC's registers: what it leaves in x0. */
u64 cpu_call(u64 function, u64 x1_, u64 x2_, u64 x3_, u64 x4_)
{
    register u64 x0 asm("x0") = function;
    register u64 x1 asm("x1") = x1_;
    register u64 x2 asm("x2") = x2_;
    register u64 x3 asm("x3") = x3_;
    register u64 x4 asm("x4") = x4_;

    asm volatile("hvc #0"
                 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4)
                 :
                 : "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16",
                   "x17", "memory");
    return x0;
}

/* SGI 0 to each CPU in the mask: the stub on it looks at its command ring. */
void cpu_kick(const struct rv_boot_page *boot, u64 mask)
{
    u32 i;

    dsb(ishst); /* what is to be seen there was stored before */
    for (i = 0; i < boot->nr_pcpus; i++) {
        if (mask >> i & 1)
            write_sysreg_s(boot->pcpu[i].kick, SYS_ICC_SGI1R_EL1);
    }
    isb();
}

/* What is found on each CPU before anything is done to it. */
struct finding {
    atomic_t at_el2, virtual, physical, taken, ours;
};

static void look_at_timers(void *data)
{
    struct finding *finding = data;

    if (is_kernel_in_hyp_mode())
        atomic_inc(&finding->at_el2);
    else if (read_sysreg(cntv_ctl_el0) & TIMER_ENABLED)
        atomic_inc(&finding->virtual);
    else if (read_sysreg(cntp_ctl_el0) & TIMER_ENABLED)
        atomic_inc(&finding->physical);
}

static enum hrtimer_restart never(struct hrtimer *timer)
{
    return HRTIMER_NORESTART;
}

/*
 * A kernel that was started at EL2 uses the physical timer on all CPUs, one that was started at
 * EL1 the virtual one: there, an HVC might not be there at all. A CPU that sleeps may have both
 * off; this one has something to wait for.
 */
static void look_at_kernel(struct finding *finding)
{
    struct hrtimer timer;

    preempt_disable();
    hrtimer_init_on_stack(&timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
    timer.function = never;
    hrtimer_start(&timer, ms_to_ktime(1000), HRTIMER_MODE_REL_PINNED_HARD);
    on_each_cpu(look_at_timers, finding, true);
    preempt_enable();
    hrtimer_cancel(&timer);
    destroy_hrtimer_on_stack(&timer);
}

static void look_at_el2(void *data)
{
    struct finding *finding = data;
    u64 answer = cpu_call(RV_HOST_INFO, 0, 0, 0, 0);

    if (answer == RV_HOST_MAGIC)
        atomic_inc(&finding->ours);
    else if (answer != HYP_STUB_ERROR)
        atomic_inc(&finding->taken);
}

#define FIELD(reg, shift) ((reg) >> (shift)&0xf)

/*
 * The stub looks at the first CPU for the registers that it switches for guests, and at EL2 an access to one that
 * another CPU does not have would be the end of the computer (find_features() in el2stub/main.c).
 */
static u64 switched_registers(void)
{
    u64 isar1 = read_sysreg_s(SYS_ID_AA64ISAR1_EL1), isar2 = read_sysreg_s(SYS_ID_AA64ISAR2_EL1);
    u64 pfr0 = read_sysreg_s(SYS_ID_AA64PFR0_EL1), dfr0 = read_sysreg_s(SYS_ID_AA64DFR0_EL1);
    u64 pauth = FIELD(isar1, 4) | FIELD(isar1, 8) | FIELD(isar2, 12); /* APA, API, APA3 */
    u64 pmu = FIELD(dfr0, 8);                                         /* 15: none of Arm's */

    return (u64) !!pauth | (u64) !!FIELD(pfr0, 32) << 1 | (u64) !!FIELD(pfr0, 28) << 2 |
           (u64)(pmu && pmu != 15) << 3 | FIELD(dfr0, 12) << 8 | FIELD(dfr0, 20) << 12;
}

struct registers {
    u64 first;
    atomic_t unlike; /* a CPU that has others, plus 1 */
};

static void look_at_first(void *data)
{
    ((struct registers *)data)->first = switched_registers();
}

static void look_at_other(void *data)
{
    struct registers *registers = data;

    if (switched_registers() != registers->first)
        atomic_set(&registers->unlike, smp_processor_id() + 1);
}

static int check_registers(void)
{
    struct registers registers = {};
    int first = cpumask_first(cpu_online_mask), unlike;

    smp_call_function_single(first, look_at_first, &registers, true);
    on_each_cpu(look_at_other, &registers, true);
    unlike = atomic_read(&registers.unlike) - 1;
    if (unlike < 0)
        return 0;
    pr_err("CPU %d has other debug, PMU, RAS, SVE or pointer authentication registers than CPU %d: "
           "turn off the CPUs like one of them (/sys/devices/system/cpu/cpu*/online)\n",
           unlike, first);
    return -ENODEV;
}

int cpu_check(void)
{
    struct finding finding = {};

    /* Stage 2 takes no more bits of guest address than the CPUs have of physical ones (Arm ARM D8.2). */
    if (PARANGE(read_sanitised_ftr_reg(SYS_ID_AA64MMFR0_EL1)) < PARANGE_40) {
        pr_err("these CPUs have less than 40 bits of physical address, which guests have\n");
        return -ENODEV;
    }
    if (check_registers())
        return -ENODEV;
    look_at_kernel(&finding);
    if (atomic_read(&finding.at_el2)) {
        pr_err("this kernel runs at EL2 itself (VHE); boot it with id_aa64mmfr1.vh=0 "
               "kvm-arm.mode=none\n");
        return -ENODEV;
    }
    if (atomic_read(&finding.virtual) || !atomic_read(&finding.physical)) {
        pr_err("this kernel was not started at EL2: firmware or a hypervisor below keeps it\n");
        return -ENODEV;
    }
    on_each_cpu(look_at_el2, &finding, true);
    if (atomic_read(&finding.ours)) {
        pr_err("another copy of the stub is below this kernel\n");
        return -EEXIST;
    }
    if (atomic_read(&finding.taken)) {
        pr_err("KVM has EL2: end its guests, or boot with kvm-arm.mode=none (since Linux 6.12, "
               "kvm.enable_virt_at_load=0 is enough)\n");
        return -EBUSY;
    }
    return 0;
}

struct install {
    const struct stub *stub;
    atomic_t failed;
    u64 first_error;
};

/* The index of a CPU in the boot page; its MPIDR is there already. */
static u32 index_of_this_cpu(const struct rv_boot_page *boot)
{
    u64 mpidr = read_cpuid_mpidr();
    u32 i;

    for (i = 0; i < boot->nr_pcpus; i++)
        if (boot->pcpu[i].mpidr == mpidr)
            break;
    return i;
}

/* Interrupts are off. The first CPU builds all tables: for it the boot page is given. */
static void install_here(struct install *install, phys_addr_t boot)
{
    const struct stub *stub = install->stub;
    u64 answer =
        cpu_call(HYP_STUB_SOFT_RESTART, stub->entry, index_of_this_cpu(stub->boot), boot, 0);

    if (!answer)
        return;
    atomic_inc(&install->failed);
    WRITE_ONCE(install->first_error, answer);
}

static void install_first(void *data)
{
    struct install *install = data;

    install_here(install, virt_to_phys(install->stub->boot));
}

static void install_other(void *data)
{
    if (cpu_call(RV_HOST_INFO, 0, 0, 0, 0) != RV_HOST_MAGIC)
        install_here(data, 0);
}

static void remove_here(void *data)
{
    if (cpu_call(RV_HOST_INFO, 0, 0, 0, 0) == RV_HOST_MAGIC && cpu_call(RV_HOST_REMOVE, 0, 0, 0, 0))
        atomic_inc((atomic_t *)data);
}

int cpu_remove(void)
{
    atomic_t failed = ATOMIC_INIT(0);

    on_each_cpu(remove_here, &failed, true);
    return atomic_read(&failed) ? -EBUSY : 0;
}

int cpu_install(const struct stub *stub)
{
    struct install install = {.stub = stub};

    stub_clean(stub);
    smp_call_function_single(cpumask_first(cpu_online_mask), install_first, &install, true);
    if (!atomic_read(&install.failed))
        on_each_cpu(install_other, &install, true);
    if (!atomic_read(&install.failed))
        return 0;
    pr_err("the stub did not start (%lld)\n", (s64)install.first_error);
    cpu_remove();
    return -EIO;
}
