// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Sessions (proto/device.h): what each has of the computer, and how all of it comes back. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>

#include "module.h"
#include "sizes.h"

/* A CPU that does not come back in this time has a broken stub. */
#define RETURN_MS 10000

/* No more counts of one look: the whole computer, and so that CPU, may have stood still. */
#define LOOK_MS_MAX 20

#define VCPUS_ALIGN 4 /* so many vCPU pages are 64 KiB */

static DEFINE_MUTEX(lock);
static u64 taken; /* CPUs of all sessions */
static u64 vms;   /* numbers of VMs that are in use */
static u64 vcpus; /* ... of vCPUs, in steps of VCPUS_ALIGN */
static struct stub *stub;

void session_start(struct stub *of)
{
    stub = of;
}

void session_init(struct session *session)
{
    session->vm = -1;
}

u64 session_taken(void)
{
    return READ_ONCE(taken);
}

/* CPUs have the stub's numbers here; the kernel's are only for the kernel. */
static int take_cpu(const struct session *session, unsigned int cpu)
{
    int error = remove_cpu(stub->number[cpu]);

    if (error)
        return error;
    /* Pairs with the stub's acquire of the CPU's state. */
    memset(stub_channel(stub, cpu), 0, channel_size);
    smp_mb();
    if (!cpu_call(RV_HOST_VM_TAKE, session->vm, cpu, 0, 0))
        return 0;
    add_cpu(stub->number[cpu]);
    return -EIO;
}

/* False: it does not come back. */
static bool return_cpu(unsigned int cpu)
{
    s64 refused = cpu_call(RV_HOST_RETURN, cpu, 0, 0, 0), state;
    u64 looked = get_jiffies_64(), waited = 0;
    int error;

    while ((state = cpu_call(RV_HOST_STATE, cpu, 0, 0, 0)) != HOST_PARKED &&
           waited < msecs_to_jiffies(RETURN_MS)) {
        usleep_range(500, 1000);
        waited += min_t(u64, get_jiffies_64() - looked, msecs_to_jiffies(LOOK_MS_MAX));
        looked = get_jiffies_64();
    }
    if (state != HOST_PARKED) {
        pr_err("CPU %u does not come back from the stub: RETURN %lld, state %lld\n",
               stub->number[cpu], refused, state);
        return false;
    }
    error = add_cpu(stub->number[cpu]);
    if (error)
        pr_err("CPU %u does not start again (%d)\n", stub->number[cpu], error);
    return !error;
}

/* The CPUs of the mask; the result: those that do not come back. */
static u64 return_cpus(u64 mask)
{
    u64 lost = 0;

    while (mask) {
        unsigned int cpu = __ffs64(mask);

        if (!return_cpu(cpu))
            lost |= 1ull << cpu;
        mask &= mask - 1;
    }
    return lost;
}

static void give_back(struct session *session)
{
    u64 lost = return_cpus(session->cpus);

    WRITE_ONCE(taken, taken & ~(session->cpus & ~lost));
    WRITE_ONCE(session->cpus, lost);
}

void session_give_back(struct session *session)
{
    mutex_lock(&lock);
    give_back(session);
    mutex_unlock(&lock);
}

/*
 * The CPUs of the mask, highest first. They become the session's when all are taken: what it has
 * once, it may map.
 */
static int take(struct session *session, u64 mask)
{
    u64 got = 0;
    int error = 0;

    if (session->vm < 0 || mask >> 1 >> (stub->boot->nr_pcpus - 1))
        return -EINVAL;
    if (mask & taken)
        return -EBUSY;
    while (mask & ~got && !error) {
        unsigned int cpu = fls64(mask & ~got) - 1;

        error = take_cpu(session, cpu);
        if (!error)
            got |= 1ull << cpu;
    }
    if (error)
        got = return_cpus(got);
    WRITE_ONCE(taken, taken | got);
    WRITE_ONCE(session->cpus, session->cpus | got);
    return error;
}

int session_take(struct session *session, u64 mask)
{
    int error;

    mutex_lock(&lock);
    error = take(session, mask);
    mutex_unlock(&lock);
    return error;
}

static int create(struct session *session, u32 nr_vcpus)
{
    u64 mask = nr_vcpus < 64 ? (1ull << nr_vcpus) - 1 : ~0ull;
    u32 first = 0, vm = ffz(vms);

    if (session->vm >= 0)
        return -EBUSY;
    while (first + nr_vcpus <= stub->boot->nr_vcpus && vcpus & mask << first)
        first += VCPUS_ALIGN;
    if (vm >= RV_MAX_VMS || first + nr_vcpus > stub->boot->nr_vcpus)
        return -ENOSPC;
    memset(stub_vcpu_page(stub, first), 0, nr_vcpus * vcpu_page_size);
    smp_mb();
    if (cpu_call(RV_HOST_VM_CREATE, vm, first, nr_vcpus, 0))
        return -EIO;
    session->first_vcpu = first;
    session->nr_vcpus = nr_vcpus;
    smp_store_release(&session->vm, vm); /* pairs with the acquire in device.c */
    vms |= 1ull << vm;
    vcpus |= mask << first;
    return 0;
}

int session_create(struct session *session, u32 nr_vcpus)
{
    int error;

    if (nr_vcpus == 0 || nr_vcpus > RV_MAX_VCPUS)
        return -EINVAL;
    mutex_lock(&lock);
    error = create(session, round_up(nr_vcpus, VCPUS_ALIGN));
    mutex_unlock(&lock);
    return error;
}

int session_lend(struct session *session, u64 address, u64 size)
{
    int error = -EINVAL;

    mutex_lock(&lock);
    if (session->memory.nr_blocks)
        error = -EBUSY;
    else if (session->vm >= 0)
        error = memory_pin(&session->memory, address, size);
    mutex_unlock(&lock);
    return error;
}

static int map(const struct session *session, u64 ipa, u64 offset, u64 size, u32 prot)
{
    u64 total = session->memory.nr_blocks * RV_BLOCK_SIZE, left;

    if ((ipa | offset | size) % RV_PAGE_SIZE || prot >= RV_PAGE_SIZE || !size || size > total ||
        offset > total - size)
        return -EINVAL;
    while (size) {
        phys_addr_t pa = memory_at(&session->memory, offset, &left);

        left = min(left, size);
        if (cpu_call(RV_HOST_VM_LEND, session->vm, ipa, pa, left | prot))
            return -ENOMEM;
        ipa += left;
        offset += left;
        size -= left;
    }
    return 0;
}

int session_map(struct session *session, u64 ipa, u64 offset, u64 size, u32 prot)
{
    int error;

    mutex_lock(&lock);
    error = map(session, ipa, offset, size, prot);
    mutex_unlock(&lock);
    return error;
}

/* Everything goes back. The file is closed: nobody else has the session. */
void session_end(struct session *session)
{
    u64 mask = session->nr_vcpus < 64 ? (1ull << session->nr_vcpus) - 1 : ~0ull;

    mutex_lock(&lock);
    give_back(session);
    if (session->vm < 0)
        goto out;
    if (session->cpus || cpu_call(RV_HOST_VM_DESTROY, session->vm, 0, 0, 0)) {
        /* A CPU may still use them: they stay away, and so does the module. */
        pr_err("the memory and vCPUs of VM %d are lost: reboot\n", session->vm);
        __module_get(THIS_MODULE);
        goto out;
    }
    vms &= ~(1ull << session->vm);
    vcpus &= ~(mask << session->first_vcpu);
    memory_release(&session->memory);
out:
    mutex_unlock(&lock);
}
