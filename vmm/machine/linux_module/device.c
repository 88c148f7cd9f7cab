// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * /dev/ringvisor (proto/device.h): sessions that take CPUs from the kernel and give them back.
 * One lock for all sessions: taking a CPU is slow anyhow.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "module.h"
#include "proto/device.h"
#include "sizes.h"

#define RETURN_MS 1000 /* a CPU that does not come back in this time has a broken stub */

struct session {
    struct list_head list;        /* changed under both locks */
    struct eventfd_ctx *doorbell; /* under doorbell_lock */
    u64 cpus;                     /* under lock */
};

static DEFINE_MUTEX(lock);
static u64 taken; /* CPUs of all sessions */
static DEFINE_SPINLOCK(doorbell_lock);
static LIST_HEAD(sessions);
static struct stub *stub;

/* The doorbell is one interrupt for all: each session looks at its own rings. */
void device_doorbell(void)
{
    struct session *session;
    unsigned long flags;

    spin_lock_irqsave(&doorbell_lock, flags);
    list_for_each_entry(session, &sessions, list) if (session->doorbell)
        doorbell_signal(session->doorbell);
    spin_unlock_irqrestore(&doorbell_lock, flags);
}

static int take_cpu(unsigned int cpu)
{
    int error = remove_cpu(cpu);

    if (error)
        return error;
    /* Pairs with the stub's acquire of the CPU's state. */
    memset(stub_channel(stub, cpu), 0, channel_size);
    smp_mb();
    if (!cpu_call(RV_HOST_TAKE, cpu))
        return 0;
    add_cpu(cpu);
    return -EIO;
}

static void return_cpu(unsigned int cpu)
{
    unsigned int ms = 0;

    cpu_call(RV_HOST_RETURN, cpu);
    while (cpu_call(RV_HOST_STATE, cpu) != HOST_PARKED && ms++ < RETURN_MS)
        usleep_range(500, 1000);
    if (ms > RETURN_MS || add_cpu(cpu))
        pr_err("CPU %u does not come back from the stub\n", cpu);
}

/* The CPUs of the mask, lowest last: on a failure those that were taken go back. */
static int take(struct session *session, u64 mask)
{
    u64 got = 0;
    int error = 0;

    if (mask >> 1 >> (stub->boot->nr_pcpus - 1))
        return -EINVAL;
    if (mask & taken)
        return -EBUSY;
    while (mask & ~got && !error) {
        unsigned int cpu = fls64(mask & ~got) - 1;

        error = take_cpu(cpu);
        if (!error)
            got |= 1ull << cpu;
    }
    if (error) {
        while (got) {
            unsigned int cpu = fls64(got) - 1;

            return_cpu(cpu);
            got &= ~(1ull << cpu);
        }
        return error;
    }
    session->cpus |= got;
    taken |= got;
    return 0;
}

static void give_back(struct session *session)
{
    while (session->cpus) {
        unsigned int cpu = __ffs64(session->cpus);

        return_cpu(cpu);
        session->cpus &= ~(1ull << cpu);
        taken &= ~(1ull << cpu);
    }
}

static long get_info(struct session *session, void __user *to)
{
    struct rv_device_info info = {
        .version = RV_DEVICE_VERSION,
        .abi = RV_ABI_MAJOR << 16 | RV_ABI_MINOR,
        .nr_cpus = stub->boot->nr_pcpus,
        .channel_size = channel_size,
    };

    mutex_lock(&lock);
    info.session_cpus = session->cpus;
    info.taken_cpus = taken;
    mutex_unlock(&lock);
    return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static long take_cpus(struct session *session, void __user *from)
{
    u64 mask;
    int error;

    if (copy_from_user(&mask, from, sizeof(mask)))
        return -EFAULT;
    mutex_lock(&lock);
    error = take(session, mask);
    mutex_unlock(&lock);
    return error;
}

static long kick(struct session *session, void __user *from)
{
    u64 mask, mine;

    if (copy_from_user(&mask, from, sizeof(mask)))
        return -EFAULT;
    mutex_lock(&lock);
    mine = session->cpus;
    if (!(mask & ~mine))
        cpu_kick(stub->boot, mask);
    mutex_unlock(&lock);
    return mask & ~mine ? -EPERM : 0;
}

static long set_eventfd(struct session *session, void __user *from)
{
    struct eventfd_ctx *new = NULL, *old;
    s32 fd;

    if (copy_from_user(&fd, from, sizeof(fd)))
        return -EFAULT;
    if (fd != -1)
        new = eventfd_ctx_fdget(fd);
    if (IS_ERR(new))
        return PTR_ERR(new);
    spin_lock_irq(&doorbell_lock);
    old = session->doorbell;
    session->doorbell = new;
    spin_unlock_irq(&doorbell_lock);
    if (old)
        eventfd_ctx_put(old);
    return 0;
}

static long device_ioctl(struct file *file, unsigned int op, unsigned long arg)
{
    struct session *session = file->private_data;
    void __user *at = (void __user *)arg;

    switch (op) {
    case RV_DEVICE_INFO: return get_info(session, at);
    case RV_DEVICE_CPUS: return take_cpus(session, at);
    case RV_DEVICE_KICK: return kick(session, at);
    case RV_DEVICE_SET_EVENTFD: return set_eventfd(session, at);
    default: return -ENOTTY;
    }
}

/* One channel at a time. The mapping keeps the file open, and so the CPU in the session. */
static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
    struct session *session = file->private_data;
    u64 at = (u64)vma->vm_pgoff << PAGE_SHIFT, size = vma->vm_end - vma->vm_start;
    u64 cpu = at / RV_DEVICE_STRIDE;
    int error = -EPERM;

    if (at % RV_DEVICE_STRIDE || size > PAGE_ALIGN(channel_size) || !(vma->vm_flags & VM_SHARED))
        return -EINVAL;
    mutex_lock(&lock);
    if (cpu < RV_MAX_PCPUS && session->cpus >> cpu & 1)
        error =
            remap_pfn_range(vma, vma->vm_start, virt_to_phys(stub_channel(stub, cpu)) >> PAGE_SHIFT,
                            size, vma->vm_page_prot);
    mutex_unlock(&lock);
    return error;
}

static int device_open(struct inode *inode, struct file *file)
{
    struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

    if (!session)
        return -ENOMEM;
    mutex_lock(&lock);
    spin_lock_irq(&doorbell_lock);
    list_add(&session->list, &sessions);
    spin_unlock_irq(&doorbell_lock);
    mutex_unlock(&lock);
    file->private_data = session;
    return 0;
}

static int device_release(struct inode *inode, struct file *file)
{
    struct session *session = file->private_data;

    mutex_lock(&lock);
    spin_lock_irq(&doorbell_lock);
    list_del(&session->list);
    spin_unlock_irq(&doorbell_lock);
    give_back(session);
    mutex_unlock(&lock);
    if (session->doorbell)
        eventfd_ctx_put(session->doorbell);
    kfree(session);
    return 0;
}

static const struct file_operations operations = {
    .owner = THIS_MODULE,
    .open = device_open,
    .release = device_release,
    .unlocked_ioctl = device_ioctl,
    .mmap = device_mmap,
};

static struct miscdevice misc = {
    .minor = MISC_DYNAMIC_MINOR,
    .name = "ringvisor",
    .fops = &operations,
    .mode = 0660,
};

/* The system ends: all CPUs go back, whatever runs on them. */
void device_give_back(void)
{
    struct session *session;

    mutex_lock(&lock);
    list_for_each_entry(session, &sessions, list) /* none comes or goes: it would need `lock` */
        give_back(session);
    mutex_unlock(&lock);
}

int device_start(struct stub *of)
{
    stub = of;
    return misc_register(&misc);
}

void device_stop(void)
{
    misc_deregister(&misc);
}
