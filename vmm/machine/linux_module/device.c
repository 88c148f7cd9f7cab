// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* /dev/ringvisor (proto/device.h): what each open file may ask for. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

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

static DEFINE_MUTEX(lock); /* which sessions there are */
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

static long get_info(struct session *session, void __user *to)
{
    struct rv_device_info info = {
        .version = RV_DEVICE_VERSION,
        .abi = RV_ABI_MAJOR << 16 | RV_ABI_MINOR,
        .nr_cpus = stub->boot->nr_pcpus,
        .channel_size = channel_size,
        .session_cpus = READ_ONCE(session->cpus),
        .taken_cpus = session_taken(),
    };

    return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static long take_cpus(struct session *session, void __user *from)
{
    u64 mask;

    return copy_from_user(&mask, from, sizeof(mask)) ? -EFAULT : session_take(session, mask);
}

/* Without a lock: what a session has of CPUs stays its until the file is closed. */
static long kick(struct session *session, void __user *from)
{
    u64 mask;

    if (copy_from_user(&mask, from, sizeof(mask)))
        return -EFAULT;
    if (mask & ~READ_ONCE(session->cpus))
        return -EPERM;
    cpu_kick(stub->boot, mask);
    return 0;
}

static long create(struct session *session, void __user *at)
{
    struct rv_device_vm vm;
    int error;

    if (copy_from_user(&vm, at, sizeof(vm)))
        return -EFAULT;
    error = vm.pad ? -EINVAL : session_create(session, vm.nr_vcpus);
    if (error)
        return error;
    vm.vm = session->vm;
    vm.first_vcpu = session->first_vcpu;
    return copy_to_user(at, &vm, sizeof(vm)) ? -EFAULT : 0;
}

static long lend(struct session *session, void __user *from)
{
    struct rv_device_memory memory;

    if (copy_from_user(&memory, from, sizeof(memory)))
        return -EFAULT;
    return session_lend(session, memory.address, memory.size);
}

static long map(struct session *session, void __user *from)
{
    struct rv_device_map map;

    if (copy_from_user(&map, from, sizeof(map)))
        return -EFAULT;
    if (map.pad)
        return -EINVAL;
    return session_map(session, map.ipa, map.offset, map.size, map.prot);
}

static long get_features(void __user *to)
{
    struct rv_device_features features = {
        .cntfrq = stub->boot->stub_cntfrq,
        .dczid = stub->boot->stub_dczid,
        .sve = stub->boot->stub_sve,
        .enabled = stub->boot->features,
    };

    memcpy(features.id, stub->boot->stub_id, sizeof(features.id));
    return copy_to_user(to, &features, sizeof(features)) ? -EFAULT : 0;
}

static long get_numbers(void __user *to)
{
    struct rv_device_numbers numbers;

    BUILD_BUG_ON(sizeof(numbers.number) != sizeof(stub->number));
    memcpy(numbers.number, stub->number, sizeof(numbers.number));
    return copy_to_user(to, &numbers, sizeof(numbers)) ? -EFAULT : 0;
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
    case RV_DEVICE_CREATE: return create(session, at);
    case RV_DEVICE_LEND: return lend(session, at);
    case RV_DEVICE_MAP: return map(session, at);
    case RV_DEVICE_FEATURES: return get_features(at);
    case RV_DEVICE_NUMBERS: return get_numbers(at);
    default: return -ENOTTY;
    }
}

/* Where in the shared memory an offset of the file is, or NULL; `room`: how much the session has. */
static void *area(const struct session *session, u64 at, u64 *room)
{
    u64 cpu = at / RV_DEVICE_STRIDE;

    if (at % RV_DEVICE_STRIDE)
        return NULL;
    if (at == RV_DEVICE_VCPUS && smp_load_acquire(&session->vm) >= 0) {
        *room = session->nr_vcpus * vcpu_page_size;
        return stub_vcpu_page(stub, session->first_vcpu);
    }
    *room = channel_size;
    return cpu < RV_MAX_PCPUS && READ_ONCE(session->cpus) >> cpu & 1 ? stub_channel(stub, cpu)
                                                                     : NULL;
}

/* One area at a time. The mapping keeps the file open, and so what it shows in the session. */
static int device_mmap(struct file *file, struct vm_area_struct *vma)
{
    u64 at = (u64)vma->vm_pgoff << PAGE_SHIFT, size = vma->vm_end - vma->vm_start, room;
    void *start = area(file->private_data, at, &room);

    if (!start)
        return at % RV_DEVICE_STRIDE ? -EINVAL : -EPERM;
    if (size > PAGE_ALIGN(room) || !(vma->vm_flags & VM_SHARED))
        return -EINVAL;
    return remap_pfn_range(vma, vma->vm_start, virt_to_phys(start) >> PAGE_SHIFT, size,
                           vma->vm_page_prot);
}

static int device_open(struct inode *inode, struct file *file)
{
    struct session *session = kzalloc(sizeof(*session), GFP_KERNEL);

    if (!session)
        return -ENOMEM;
    session_init(session);
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
    mutex_unlock(&lock);
    session_end(session);
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
        session_give_back(session);
    mutex_unlock(&lock);
}

int device_start(struct stub *of)
{
    stub = of;
    session_start(of);
    return misc_register(&misc);
}

void device_stop(void)
{
    misc_deregister(&misc);
}
