// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The stub's memory: pages of the kernel that follow each other, with the image from its ELF
 * file in them. The image is linked at 0, and relocated here to its physical address: the stub
 * runs at identical addresses.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/elf.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sizes.h>

#include <asm/barrier.h>
#include <asm/sysreg.h>

#include "module.h"
#include "sizes.h"

extern const u8 ringvisor_image[], ringvisor_image_end[];

/*
 * For how many ticks of the counter the stub waits for a command in WFE before it sleeps in WFI, from
 * which only an SGI of the kernel's wakes it: 2 ms, and a sixteenth of that when it is in vain.
 */
#define POLL_LIMIT ((u32)read_sysreg(cntfrq_el0) / 500)

static const void *file_at(u64 offset, u64 size)
{
    u64 total = ringvisor_image_end - ringvisor_image;

    return offset <= total && size <= total - offset ? ringvisor_image + offset : NULL;
}

static void *private_at(const struct stub *stub, u64 offset, u64 size)
{
    return offset <= PRIVATE_SIZE && size <= PRIVATE_SIZE - offset ? stub->private + offset : NULL;
}

/* Apply the relocations that the table of the dynamic segment names. */
static int relocate(struct stub *stub, const Elf64_Phdr *dynamic)
{
    u64 base = virt_to_phys(stub->private), table = 0, size = 0;
    const Elf64_Dyn *dyn = private_at(stub, dynamic->p_vaddr, dynamic->p_filesz);
    const Elf64_Rela *rela;
    u64 i;

    if (!dyn)
        return -ENOEXEC;
    for (i = 0; i < dynamic->p_filesz / sizeof(*dyn) && dyn[i].d_tag != DT_NULL; i++) {
        if (dyn[i].d_tag == DT_RELA)
            table = dyn[i].d_un.d_ptr;
        else if (dyn[i].d_tag == DT_RELASZ)
            size = dyn[i].d_un.d_val;
    }
    rela = private_at(stub, table, size);
    if (!rela)
        return -ENOEXEC;
    for (i = 0; i < size / sizeof(*rela); i++) {
        u64 *word = private_at(stub, rela[i].r_offset, sizeof(*word));

        if (!word || ELF64_R_TYPE(rela[i].r_info) != R_AARCH64_RELATIVE)
            return -ENOEXEC;
        *word = base + rela[i].r_addend;
    }
    return 0;
}

static int load_image(struct stub *stub)
{
    const Elf64_Ehdr *ehdr = file_at(0, sizeof(*ehdr));
    const Elf64_Phdr *phdr, *dynamic = NULL;
    unsigned int i;

    if (!ehdr || memcmp(ehdr->e_ident, ELFMAG, SELFMAG) || ehdr->e_machine != EM_AARCH64)
        return -ENOEXEC;
    phdr = file_at(ehdr->e_phoff, (u64)ehdr->e_phnum * sizeof(*phdr));
    if (!phdr)
        return -ENOEXEC;
    for (i = 0; i < ehdr->e_phnum; i++) {
        const void *from = file_at(phdr[i].p_offset, phdr[i].p_filesz);
        void *to = private_at(stub, phdr[i].p_vaddr, phdr[i].p_memsz);

        if (phdr[i].p_type == PT_DYNAMIC)
            dynamic = &phdr[i];
        if (phdr[i].p_type != PT_LOAD)
            continue;
        if (!from || !to || phdr[i].p_filesz > phdr[i].p_memsz)
            return -ENOEXEC;
        memcpy(to, from, phdr[i].p_filesz);
    }
    stub->entry = virt_to_phys(stub->private) + ehdr->e_entry;
    return dynamic ? relocate(stub, dynamic) : -ENOEXEC;
}

/* Each session's vCPU pages begin at a multiple of 64 KiB. */
static u32 vcpus_for(u32 cpus)
{
    return min(4 * cpus, RV_MAX_VCPUS);
}

int stub_index(const struct stub *stub, unsigned int cpu)
{
    u32 i;

    for (i = 0; i < stub->boot->nr_pcpus; i++)
        if (stub->number[i] == cpu)
            return i;
    return -1;
}

static void number_cpus(struct stub *stub)
{
    unsigned int cpu;
    u32 i = 0;

    for_each_online_cpu(cpu) stub->number[i++] = cpu;
}

static void fill_boot_page(struct stub *stub, u32 cpus)
{
    struct rv_boot_page *boot = stub->boot;

    boot->magic = RV_BOOT_MAGIC;
    boot->abi_major = RV_ABI_MAJOR;
    boot->abi_minor = RV_ABI_MINOR;
    boot->nr_pcpus = cpus;
    boot->mem_base = 0; /* offsets are physical addresses */
    boot->mem_size = STUB_PA_LIMIT;
    boot->stub_offset = virt_to_phys(stub->private);
    boot->stub_size = PRIVATE_SIZE;
    boot->channels_offset = virt_to_phys(stub->channels);
    boot->vcpus_offset = virt_to_phys(stub->shared) + SZ_64K;
    boot->nr_vcpus = vcpus_for(cpus);
    boot->features = RV_FEATURE_IDLE | RV_FEATURE_TIMESTAMP;
    boot->poll_limit = POLL_LIMIT;
}

/*
 * The kernel cannot read this memory. A dump of its memory after a crash leaves out what is offline
 * (makedumpfile), and so does /proc/kcore; the dump would end at the first such page otherwise.
 */
static void mark_private(const struct stub *stub, bool offline)
{
    struct page *page = virt_to_page(stub->private);
    size_t i;

    page_offline_begin();
    for (i = 0; i < PRIVATE_SIZE / PAGE_SIZE; i++) {
        if (offline)
            __SetPageOffline(page + i);
        else
            __ClearPageOffline(page + i);
    }
    page_offline_end();
}

/*
 * The image relocated, and a boot page that lacks the GIC. 0, or -errno after a message, and
 * then there is nothing to free.
 */
int stub_load(struct stub *stub)
{
    u32 cpus = num_online_cpus();
    int error = -ENOMEM;

    BUILD_BUG_ON(PRIVATE_SIZE % RV_BLOCK_SIZE);
    if (cpus > RV_MAX_PCPUS) {
        pr_err("%u CPUs are online, and the stub has room for %u: turn the others off "
               "(/sys/devices/system/cpu/cpu*/online), or boot with maxcpus=%u\n",
               cpus, RV_MAX_PCPUS, RV_MAX_PCPUS);
        return -E2BIG;
    }
    /* The boot page's 64 KiB, so that each area can be mapped whatever the kernel's page size is. */
    stub->shared_size = SZ_64K + vcpus_for(cpus) * vcpu_page_size;
    stub->channels_size = cpus * channel_size;
    stub->private =
        (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO | GFP_DMA32, get_order(PRIVATE_SIZE));
    stub->shared = alloc_pages_exact(stub->shared_size, GFP_KERNEL | __GFP_ZERO | GFP_DMA32);
    stub->channels = alloc_pages_exact(stub->channels_size, GFP_KERNEL | __GFP_ZERO | GFP_DMA32);
    if (stub->private)
        mark_private(stub, true);
    if (!stub->private || !stub->shared || !stub->channels) {
        pr_err("no %lu MiB of memory in one piece: try again soon after the system's start\n",
               PRIVATE_SIZE >> 20);
        goto out;
    }
    error = -ENXIO;
    if (virt_to_phys(stub->private) >= STUB_PA_LIMIT ||
        virt_to_phys(stub->shared) >= STUB_PA_LIMIT ||
        virt_to_phys(stub->channels) >= STUB_PA_LIMIT) {
        pr_err("this computer has no memory below %llu GiB\n", STUB_PA_LIMIT >> 30);
        goto out;
    }
    error = load_image(stub);
    if (error) {
        pr_err("the stub's image in the module is damaged\n");
        goto out;
    }
    stub->boot = stub->shared;
    fill_boot_page(stub, cpus);
    number_cpus(stub);
    return 0;
out:
    stub_free(stub);
    return error;
}

void stub_free(struct stub *stub)
{
    if (stub->private) {
        mark_private(stub, false);
        free_pages((unsigned long)stub->private, get_order(PRIVATE_SIZE));
    }
    if (stub->shared)
        free_pages_exact(stub->shared, stub->shared_size);
    if (stub->channels)
        free_pages_exact(stub->channels, stub->channels_size);
    stub->private = NULL;
    stub->shared = NULL;
    stub->channels = NULL;
}

/*
 * Write back and drop the lines of a range: EL2 starts with its MMU off, and reads past the
 * caches (Arm ARM B2.7, "Mismatched memory attributes"). Clean *and* invalidate, because of
 * Cortex-A53's errata 819472, 824069, 826319 and 827319.
 */
void stub_clean_range(const void *start, size_t size)
{
    u64 ctr, line, at = (u64)start;

    asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
    line = 4ull << (ctr >> 16 & 0xf); /* DminLine */
    for (at &= ~(line - 1); at < (u64)start + size; at += line)
        asm volatile("dc civac, %0" : : "r"(at) : "memory");
    dsb(sy);
}

void *stub_channel(const struct stub *stub, unsigned int index)
{
    return stub->channels + index * channel_size;
}

void *stub_vcpu_page(const struct stub *stub, unsigned int vcpu)
{
    return stub->shared + SZ_64K + vcpu * vcpu_page_size;
}

/* All that EL2 reads before its caches are on, and executes. */
void stub_clean(const struct stub *stub)
{
    stub_clean_range(stub->private, PRIVATE_SIZE);
    stub_clean_range(stub->shared, stub->shared_size);
    stub_clean_range(stub->channels, stub->channels_size);
    asm volatile("dsb sy; ic ialluis; dsb ish; isb" : : : "memory");
}
