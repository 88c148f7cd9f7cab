// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * For tests: what EL2 of each CPU has in VBAR_EL2, HCR_EL2 and SCTLR_EL2, by the hyp-stub's
 * SOFT_RESTART of four instructions. Reading the parameter `registers` looks. The parameter `physical` is
 * an address: reading it tells what the kernel gets from loading a word there, and a
 * process that maps /proc/el2_physical has its page.
 */
#include <linux/cpu.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

static const u32 code[] = {
    0xd53cc000, /* mrs x0, vbar_el2 */
    0xd53c1101, /* mrs x1, hcr_el2 */
    0xd53c1002, /* mrs x2, sctlr_el2 */
    0xd69f03e0, /* eret */
};

static void *page;
static u64 seen[NR_CPUS][3];

static void look(void *unused)
{
    register u64 x0 asm("x0") = 1;
    register u64 x1 asm("x1") = virt_to_phys(page);
    register u64 x2 asm("x2") = 0;
    register u64 x3 asm("x3") = 0;
    register u64 x4 asm("x4") = 0;

    asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4) : : "memory");
    seen[smp_processor_id()][0] = x0;
    seen[smp_processor_id()][1] = x1;
    seen[smp_processor_id()][2] = x2;
}

static int get(char *buffer, const struct kernel_param *unused)
{
    int at = 0, cpu;

    cpus_read_lock();
    on_each_cpu(look, NULL, true);
    for_each_online_cpu(cpu) at += scnprintf(buffer + at, PAGE_SIZE - at, "%d %llx %llx %llx\n",
                                             cpu, seen[cpu][0], seen[cpu][1], seen[cpu][2]);
    cpus_read_unlock();
    return at;
}

static const struct kernel_param_ops ops = {.get = get};
module_param_cb(registers, &ops, NULL, 0400);

static unsigned long long physical;

static int set_physical(const char *text, const struct kernel_param *unused)
{
    return kstrtoull(text, 0, &physical);
}

/* 0, or the error of the load. */
static int touch_physical(char *buffer, const struct kernel_param *unused)
{
    u64 word;
    long error = copy_from_kernel_nofault(&word, phys_to_virt(physical), sizeof(word));

    return scnprintf(buffer, PAGE_SIZE, "%ld\n", error);
}

static const struct kernel_param_ops physical_ops = {.set = set_physical, .get = touch_physical};
module_param_cb(physical, &physical_ops, NULL, 0600);

static int map_physical(struct file *file, struct vm_area_struct *area)
{
    return remap_pfn_range(area, area->vm_start, PHYS_PFN(physical), area->vm_end - area->vm_start,
                           area->vm_page_prot);
}

static const struct proc_ops proc_ops = {.proc_mmap = map_physical};

static int __init start(void)
{
    char *at;

    if (!proc_create("el2_physical", 0600, NULL, &proc_ops))
        return -ENOMEM;

    page = (void *)get_zeroed_page(GFP_KERNEL);
    if (!page)
        return -ENOMEM;
    memcpy(page, code, sizeof(code));
    for (at = page; at < (char *)page + sizeof(code); at += 4)
        asm volatile("dc civac, %0" : : "r"(at) : "memory");
    asm volatile("dsb sy; ic ialluis; dsb ish; isb" : : : "memory");
    return 0;
}

static void __exit end(void)
{
    remove_proc_entry("el2_physical", NULL);
    free_page((unsigned long)page);
}

module_init(start);
module_exit(end);
MODULE_DESCRIPTION("test: registers of EL2");
MODULE_LICENSE("Dual BSD/GPL");
