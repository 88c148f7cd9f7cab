/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /dev/ringvisor, the module's device on the machine `linux`. Each open file is a session of
 * its own: the CPUs that it takes are its, and go back to the kernel when it is closed. The
 * file's memory is mapped by mmap() at RV_DEVICE_CHANNEL(cpu): only what belongs to a CPU of
 * the session can be mapped.
 */
#pragma once

#include <linux/ioctl.h>
#include <linux/types.h>

#define RV_DEVICE_VERSION 1u
#define RV_DEVICE_STRIDE  0x10000ull /* whatever the kernel's page size is */

#define RV_DEVICE_CHANNEL(cpu) ((cpu)*RV_DEVICE_STRIDE)

struct rv_device_info {
    __u32 version;      /* 0x00 RV_DEVICE_VERSION */
    __u32 abi;          /* 0x04 of the rings: major << 16 | minor */
    __u32 nr_cpus;      /* 0x08 CPUs with the stub below: 0 to nr_cpus - 1 */
    __u32 channel_size; /* 0x0c bytes of struct rv_channel */
    __u64 session_cpus; /* 0x10 a bit for each CPU of this session */
    __u64 taken_cpus;   /* 0x18 ... of any session */
};

#define RV_DEVICE_INFO _IOR('r', 0x00, struct rv_device_info)
/*
 * Take the CPUs in the mask from the kernel. EBUSY: one is another session's, or the kernel
 * does not let it go, or no CPU would be left; EINVAL: no such CPU. Then none was taken.
 */
#define RV_DEVICE_CPUS _IOW('r', 0x01, __u64)
/* Kick the CPUs in the mask, which are the session's (else EPERM). */
#define RV_DEVICE_KICK _IOW('r', 0x02, __u64)
/* The eventfd that counts the stub's doorbells; -1: none any more. */
#define RV_DEVICE_SET_EVENTFD _IOW('r', 0x03, __s32)
