// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * ringvisor.ko: while it is loaded, the stub is at EL2 below this kernel. It goes when the
 * module goes, and before the system reboots or starts another kernel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <linux/suspend.h>

#include <asm/cputype.h>

#include "module.h"

static struct stub stub;
static bool installed; /* under cpus_write_lock() or cpus_read_lock() and nobody else's way */
static enum cpuhp_state hotplug, hotplug_before;

/* For who looks at a crash, and for tests: where the memory is that the kernel cannot reach. */
static unsigned long long private_memory;
module_param(private_memory, ullong, 0400);
MODULE_PARM_DESC(private_memory, "physical address of the stub's memory (output)");

/*
 * A CPU that the kernel turns off stays the stub's: the module cannot go while there is one.
 * The reference is dropped when the CPU is back.
 */
static int cpu_goes(unsigned int cpu)
{
    return try_module_get(THIS_MODULE) ? 0 : -EBUSY;
}

/* A CPU that was off when the module was loaded has no stub, and the stub denies its CPU_ON. */
static int cpu_may_come(unsigned int cpu)
{
    if (stub_index(&stub, cpu) >= 0)
        return 0;
    pr_err("CPU %u was off when ringvisor was loaded: it stays off until ringvisor is removed\n",
           cpu);
    return -EPERM;
}

static int cpu_comes(unsigned int cpu)
{
    module_put(THIS_MODULE);
    return 0;
}

/* Off all CPUs that are online. The others are the stub's for ever, which the message says. */
static int remove(void)
{
    int error = 0;

    cpus_read_lock();
    if (installed)
        error = cpu_remove();
    if (!error)
        installed = false;
    cpus_read_unlock();
    return error;
}

/* Another kernel would find the stub's memory missing (kexec): it goes before. */
static int reboots(struct notifier_block *block, unsigned long how, void *command)
{
    u32 i;

    device_give_back();
    for (i = 0; i < stub.boot->nr_pcpus; i++)
        if (!cpu_online(stub.number[i]) && add_cpu(stub.number[i]))
            pr_warn("CPU %u does not come back\n", stub.number[i]);
    if (remove())
        pr_warn("the stub stays while the system reboots\n");
    return NOTIFY_DONE;
}

static struct notifier_block reboot_block = {.notifier_call = reboots};

static int sleeps(struct notifier_block *block, unsigned long event, void *data)
{
    if (event != PM_SUSPEND_PREPARE && event != PM_HIBERNATION_PREPARE)
        return NOTIFY_DONE;
    pr_err("the system cannot sleep while ringvisor is loaded: remove it first\n");
    return NOTIFY_BAD;
}

static struct notifier_block sleep_block = {.notifier_call = sleeps};

static void note_cpu(void *unused)
{
    struct rv_boot_pcpu *pcpu = &stub.boot->pcpu[stub_index(&stub, smp_processor_id())];

    pcpu->mpidr = read_cpuid_mpidr();
    pcpu->kick = rv_boot_kick(pcpu->mpidr);
}

/* With the CPUs held: none comes or goes meanwhile. */
static int install(void)
{
    int error = cpu_check();

    if (error)
        return error;
    error = stub_load(&stub);
    if (error)
        return error;
    on_each_cpu(note_cpu, NULL, true);
    error = gic_find(stub.boot);
    if (error)
        goto out;
    error = doorbell_start(stub.boot);
    if (error)
        goto out;
    error = cpu_install(&stub);
    if (error)
        goto out_doorbell;
    private_memory = virt_to_phys(stub.private);
    installed = true;
    return 0;

out_doorbell:
    doorbell_stop();
out:
    stub_free(&stub);
    return error;
}

static int __init ringvisor_init(void)
{
    bool removed;
    int error;

    cpus_read_lock();
    error = install();
    cpus_read_unlock();
    if (error)
        return error;
    error = cpuhp_setup_state_nocalls(CPUHP_AP_ONLINE_DYN, "ringvisor:online", cpu_comes, cpu_goes);
    if (error < 0)
        goto out;
    hotplug = error;
    error =
        cpuhp_setup_state_nocalls(CPUHP_BP_PREPARE_DYN, "ringvisor:prepare", cpu_may_come, NULL);
    if (error < 0)
        goto out_hotplug;
    hotplug_before = error;
    register_reboot_notifier(&reboot_block);
    register_pm_notifier(&sleep_block);
    error = device_start(&stub);
    if (error)
        goto out_hooks;
    pr_info("the stub is at EL2 of %u CPUs\n", stub.boot->nr_pcpus);
    return 0;

out_hooks:
    unregister_pm_notifier(&sleep_block);
    unregister_reboot_notifier(&reboot_block);
    cpuhp_remove_state_nocalls(hotplug_before);
out_hotplug:
    cpuhp_remove_state_nocalls(hotplug);
out:
    removed = remove() == 0;
    doorbell_stop(); /* its handler is the module's, whatever became of the stub */
    if (removed)
        stub_free(&stub);
    else
        pr_err("the stub could not be removed: its memory stays taken\n");
    return error;
}

static void __exit ringvisor_exit(void)
{
    int error;

    device_stop();
    unregister_pm_notifier(&sleep_block);
    unregister_reboot_notifier(&reboot_block);
    error = remove();
    /* No function of the module may be called any more, whatever became of the stub. */
    cpuhp_remove_state_nocalls(hotplug_before);
    cpuhp_remove_state_nocalls(hotplug);
    doorbell_stop();
    if (error) {
        pr_err("the stub could not be removed: its memory stays taken\n");
        return;
    }
    stub_free(&stub);
    pr_info("EL2 is as it was\n");
}

module_init(ringvisor_init);
module_exit(ringvisor_exit);
MODULE_DESCRIPTION("ringvisor: the stub of a hypervisor under the running kernel");
MODULE_LICENSE("Dual BSD/GPL");
