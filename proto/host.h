/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine `linux`: between the module at EL1 and the stub at EL2. docs/linux-machine.md says how a
 * CPU gets the stub, and loses it. Assembly includes this, too: constants only.
 */
#pragma once

/* Calls by HVC #0 with SMCCC's registers: fast, 64 bits, of a vendor's hypervisor. */
#define RV_HOST_CALL   0xc6005200
#define RV_HOST_INFO   0xc6005200 /* x0: RV_HOST_MAGIC; x1: ABI, major << 16 | minor */
#define RV_HOST_REMOVE 0xc6005201 /* this CPU loses the stub; x0: 0 or RV_HOST_BUSY */
#define RV_HOST_RETURN 0xc6005202 /* x1: index of a pCPU: it is to be just off again */
#define RV_HOST_STATE  0xc6005203 /* x1: index; x0: HOST_* */

/*
 * VMs, for processes of the host; x1: the number of the VM; x0: 0 or RV_HOST_BUSY. What a VM has
 * is in use until VM_DESTROY: its vCPU pages, and the memory that was lent.
 */
#define RV_HOST_VM_CREATE  0xc6005204 /* x2: its first vCPU; x3: how many follow each other */
#define RV_HOST_VM_LEND    0xc6005205 /* x2: IPA; x3: PA; x4: size in bytes, and RV_MAP_* */
#define RV_HOST_VM_TAKE    0xc6005206 /* x2: index of a CPU that is off: a pCPU of the VM */
#define RV_HOST_VM_DESTROY 0xc6005207 /* no CPU serves it: it lets go of all that it has */

#define RV_HOST_MAGIC 0x5254534f48474e49 /* "INGHOSTR" */

/* A CPU of the host. */
#define HOST_RUNS     0 /* the host's */
#define HOST_PARKED   1 /* off, as far as the host can see */
#define HOST_CLAIMED  2 /* a CPU_ON is about to say where it starts */
#define HOST_STARTING 3 /* ... has said it: `entry` and `context` are valid */
#define HOST_SERVES   4 /* off for the host: it is a pCPU, and has a channel */
#define HOST_RETURNS  5 /* RV_HOST_RETURN was called, and it is not parked yet */

/* What calls answer; also what the entry of the image answers (HVC_SOFT_RESTART). */
#define RV_HOST_UNKNOWN  (-1) /* SMCCC: no such call */
#define RV_HOST_BUSY     (-2) /* a CPU is in another state */
#define RV_HOST_BAD_BOOT (-3) /* the boot page or its memory cannot be used */
#define RV_HOST_E2H      (-4) /* HCR_EL2.E2H is 1 */

/* Linux's hyp-stub (arch/arm64/include/asm/virt.h). */
#define HYP_STUB_SOFT_RESTART 1
#define HYP_STUB_CALLS        4 /* SET_VECTORS, SOFT_RESTART, RESET_VECTORS, FINALISE_EL2 */
#define HYP_STUB_ERROR        0xbadca11
