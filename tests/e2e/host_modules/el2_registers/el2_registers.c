// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * For tests: what EL2 of each CPU has in VBAR_EL2, HCR_EL2 and SCTLR_EL2, by the hyp-stub's
 * SOFT_RESTART of four instructions. Reading the parameter `registers` looks.
 */
#include <linux/cpu.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>

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

static int __init start(void)
{
    char *at;

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
    free_page((unsigned long)page);
}

module_init(start);
module_exit(end);
MODULE_DESCRIPTION("test: registers of EL2");
MODULE_LICENSE("Dual BSD/GPL");
