/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /dev/ringvisor, the module's device on the machine `linux`. Each open file is a session of
 * its own, with one VM at most. All that a session has is its alone, and goes back to the kernel
 * when the file is closed, by whatever way the process ends: first its CPUs stop and go back,
 * then its VM ends, then its memory is released.
 *
 * A session is made in this order: CREATE, CPUS, LEND; mmap() of what it has; MAP.
 */
#pragma once

#include <linux/ioctl.h>
#include <linux/types.h>

#define RV_DEVICE_VERSION 2u
#define RV_DEVICE_STRIDE  0x10000ull /* whatever the kernel's page size is */

/* Offsets for mmap(): the channel of a CPU of the session; the vCPU pages, one behind the other. */
#define RV_DEVICE_CHANNEL(cpu) ((cpu)*RV_DEVICE_STRIDE)
#define RV_DEVICE_VCPUS        (64 * RV_DEVICE_STRIDE)

struct rv_device_info {
    __u32 version;      /* 0x00 RV_DEVICE_VERSION */
    __u32 abi;          /* 0x04 of the rings: major << 16 | minor */
    __u32 nr_cpus;      /* 0x08 CPUs with the stub: here 0 to nr_cpus - 1 (RV_DEVICE_NUMBERS) */
    __u32 channel_size; /* 0x0c bytes of struct rv_channel */
    __u64 session_cpus; /* 0x10 a bit for each CPU of this session */
    __u64 taken_cpus;   /* 0x18 ... of any session */
};

/* What the commands of the session's rings call its VM and its vCPUs. */
struct rv_device_vm {
    __u32 nr_vcpus;   /* 0x00 in: as many vCPU pages */
    __u32 vm;         /* 0x04 out */
    __u32 first_vcpu; /* 0x08 out: they follow each other */
    __u32 pad;        /* 0x0c 0 */
};

/* Memory of the calling process, in huge pages of 2 MiB or more: the VM's RAM from offset 0 on. */
struct rv_device_memory {
    __u64 address; /* 0x00 multiple of 2 MiB */
    __u64 size;    /* 0x08 bytes: multiple of 2 MiB */
};

struct rv_device_map {
    __u64 ipa;    /* 0x00 */
    __u64 offset; /* 0x08 in the VM's RAM */
    __u64 size;   /* 0x10 bytes; like the other two, multiple of 4 KiB */
    __u32 prot;   /* 0x18 RV_MAP_READ, RV_MAP_WRITE, RV_MAP_EXEC */
    __u32 pad;    /* 0x1c 0 */
};

/*
 * What the stub says of the session's CPUs (struct rv_boot_page): valid from their READY on. Where CPUs are
 * of different kinds, it is what the CPU has that began last, of any session: its MIDR_EL1 says of which kind.
 */
struct rv_device_features {
    __u64 id[64];  /* 0x000 RV_ID_INDEX */
    __u64 cntfrq;  /* 0x200 CNTFRQ_EL0, Hz */
    __u64 dczid;   /* 0x208 DCZID_EL0 */
    __u64 sve;     /* 0x210 bit n: a vector length of (n + 1) * 16 bytes */
    __u64 enabled; /* 0x218 RV_FEATURE_* */
};

/* What the kernel calls the CPUs with the stub, which here have the numbers from 0 on. */
struct rv_device_numbers {
    __u16 number[64]; /* 0x00 ascending; nr_cpus of them are valid, the others are 0 */
};

#define RV_DEVICE_INFO _IOR('r', 0x00, struct rv_device_info)
/*
 * Take the CPUs in the mask from the kernel. EBUSY: one is another session's, or the kernel
 * does not let it go, or no CPU would be left; EINVAL: no such CPU, or no VM. Then none was taken.
 */
#define RV_DEVICE_CPUS _IOW('r', 0x01, __u64)
/* Kick the CPUs in the mask, which are the session's (else EPERM). */
#define RV_DEVICE_KICK _IOW('r', 0x02, __u64)
/* The eventfd that counts the stub's doorbells; -1: none any more. */
#define RV_DEVICE_SET_EVENTFD _IOW('r', 0x03, __s32)
/* Make the VM. EBUSY: the session has one; ENOSPC: there are too many VMs or vCPUs. */
#define RV_DEVICE_CREATE _IOWR('r', 0x04, struct rv_device_vm)
/*
 * Pin the memory until the session ends. EINVAL: not in huge pages, or no VM; EBUSY: the session
 * has memory; EFAULT: not mapped writable; ERANGE: a part of it lies above 1 TiB.
 */
#define RV_DEVICE_LEND _IOW('r', 0x05, struct rv_device_memory)
/*
 * Let the VM have memory at an IPA where it has none. EINVAL: not a part of the VM's RAM; ENOMEM:
 * the range is taken, or no table is left; then a part of it may be mapped.
 */
#define RV_DEVICE_MAP      _IOW('r', 0x06, struct rv_device_map)
#define RV_DEVICE_FEATURES _IOR('r', 0x07, struct rv_device_features)
/* A module that does not know it (ENOTTY) has CPU n of the kernel as n. */
#define RV_DEVICE_NUMBERS _IOR('r', 0x08, struct rv_device_numbers)
