/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The header of the stub's image, and the boot page. The vmm writes both before
 * the stub starts. The stub copies the boot page, checks the copy, and answers in
 * the fields from `stub_id` on; it stores `stub_state` last.
 */
#pragma once

#include <stdint.h>

#include "proto/abi_version.h"

#define RV_MAX_PCPUS  64u /* a kick mask has 64 bits */
#define RV_MAX_VCPUS  64u
#define RV_MAX_VMS    8u
#define RV_MAX_POSTED 8u /* posted windows of a vCPU */
#define RV_PAGE_SIZE  4096u
#define RV_BLOCK_SIZE 0x200000ull
#define RV_IPA_BITS   40u
#define RV_IPA_SMALL  34u /* with RV_FEATURE_SMALL_IPA */

/* Optional behaviour: the vmm requests it, the stub reports what it accepted. */
#define RV_FEATURE_TIMESTAMP 0x1u /* events carry CNTPCT_EL0 */
#define RV_FEATURE_IDLE      0x2u /* the stub handles trapped WFI itself */
#define RV_FEATURE_SMALL_IPA 0x4u /* guests have RV_IPA_SMALL bits of IPA */
#define RV_FEATURES_KNOWN    (RV_FEATURE_TIMESTAMP | RV_FEATURE_IDLE | RV_FEATURE_SMALL_IPA)

/* The first bytes of the stub's first loaded segment. */
struct rv_stub_header {
    uint64_t magic;      /* 0x00 RV_STUB_MAGIC */
    uint16_t abi_major;  /* 0x08 */
    uint16_t abi_minor;  /* 0x0a */
    uint32_t pad;        /* 0x0c */
    uint64_t image_size; /* 0x10 bytes from the start to the end of .bss */
    uint64_t boot_page;  /* 0x18 PA of the boot page: the vmm fills it in */
};
_Static_assert(sizeof(struct rv_stub_header) == 0x20, "stub header layout");

/* Values of `stub_state`. */
#define RV_STUB_SILENT  0u /* has not answered yet */
#define RV_STUB_READY   1u
#define RV_STUB_REFUSED 2u /* `stub_reason` says why */

#define RV_BOOT_BAD_MAGIC    1u
#define RV_BOOT_BAD_ABI      2u
#define RV_BOOT_BAD_LAYOUT   3u /* areas overlap or lie outside of the memory */
#define RV_BOOT_BAD_PCPUS    4u
#define RV_BOOT_BAD_FEATURES 5u
#define RV_BOOT_NO_GICV3     6u  /* no GICv3, or one that the stub cannot use */
#define RV_BOOT_BAD_EL       7u  /* not started at EL2 */
#define RV_BOOT_NO_PCPU      8u  /* firmware did not start a pCPU: `stub_detail` */
#define RV_BOOT_E2H          9u  /* HCR_EL2.E2H cannot be 0 */
#define RV_BOOT_EXCEPTION    10u /* the stub took an exception: `stub_detail` is ESR_EL2 */

/*
 * The boot CPU's identification registers: op0=3, op1=0, CRn=0, CRm 0 to 7,
 * op2 0 to 7. Row 0 has MIDR_EL1, MPIDR_EL1 and REVIDR_EL1 only.
 */
#define RV_ID_INDEX(crm, op2) ((crm)*8u + (op2))

/* A physical CPU; [0] is the boot CPU. */
struct rv_boot_pcpu {
    uint64_t mpidr;     /* 0x00 MPIDR_EL1 */
    uint64_t gicr_base; /* 0x08 PA of its GICv3 redistributor, RD_base */
    uint64_t kick;      /* 0x10 ICC_SGI1R_EL1: sends SGI 0 to it alone */
};
_Static_assert(sizeof(struct rv_boot_pcpu) == 0x18, "pCPU layout");

/* For who writes the boot page: `kick` of the CPU with this MPIDR_EL1. */
static inline uint64_t rv_boot_kick(uint64_t mpidr)
{
    uint64_t aff3 = mpidr >> 32 & 0xff;
    uint64_t aff2 = mpidr >> 16 & 0xff;
    uint64_t aff1 = mpidr >> 8 & 0xff;
    uint64_t range = mpidr >> 4 & 0xf; /* RS: which 16 values of Aff0 the target list is for */

    return aff3 << 48 | range << 44 | aff2 << 32 | aff1 << 16 | 1ull << (mpidr & 0xf);
}

#define RV_BOOT_MAGIC 0x544f4f4252494e47ull /* "GNIRBOOT" */
struct rv_boot_page {
    uint64_t magic;             /* 0x000 RV_BOOT_MAGIC */
    uint16_t abi_major;         /* 0x008 */
    uint16_t abi_minor;         /* 0x00a */
    uint32_t nr_pcpus;          /* 0x00c */
    uint64_t features;          /* 0x010 RV_FEATURE_* wanted */
    uint64_t mem_base;          /* 0x018 PA of the shared memory; offsets count from it */
    uint64_t mem_size;          /* 0x020 bytes */
    uint64_t stub_offset;       /* 0x028 stub-private: image, then table pages */
    uint64_t stub_size;         /* 0x030 */
    uint64_t channels_offset;   /* 0x038 nr_pcpus times struct rv_channel */
    uint64_t vcpus_offset;      /* 0x040 nr_vcpus times struct rv_vcpu_page */
    uint32_t nr_vcpus;          /* 0x048 */
    uint32_t poll_limit;        /* 0x04c looks at a ring before the stub sleeps; `linux`: ticks */
    uint64_t ram_offset;        /* 0x050 guest RAM, of all VMs */
    uint64_t ram_size;          /* 0x058 */
    uint64_t gicd_base;         /* 0x060 PA of the physical GICv3 distributor */
    uint64_t doorbell_base;     /* 0x068 PA of the doorbell device */
    uint32_t doorbell_intid;    /* 0x070 the SPI that the doorbell raises */
    uint32_t maintenance_intid; /* 0x074 PPI of the GIC's maintenance interrupt */
    uint64_t reserved;          /* 0x078 */
    struct rv_boot_pcpu pcpu[RV_MAX_PCPUS]; /* 0x080 */
    uint8_t pad[0xd00 - 0x680];             /* 0x680 */
    uint64_t stub_id[64];         /* 0xd00 written by the stub from here on: RV_ID_INDEX */
    uint32_t stub_state;          /* 0xf00 RV_STUB_*, stored last with release */
    uint32_t stub_reason;         /* 0xf04 RV_BOOT_* */
    uint64_t stub_detail;         /* 0xf08 */
    uint64_t stub_features;       /* 0xf10 RV_FEATURE_* accepted */
    uint64_t stub_cntfrq;         /* 0xf18 CNTFRQ_EL0, Hz */
    uint64_t stub_dczid;          /* 0xf20 DCZID_EL0 of the boot CPU */
    uint64_t stub_sve;            /* 0xf28 bit n: a vector length of (n + 1) * 16 bytes */
    uint8_t pad2[0x1000 - 0xf30]; /* 0xf30 */
};
_Static_assert(sizeof(struct rv_boot_page) == RV_PAGE_SIZE, "boot page layout");
_Static_assert(__builtin_offsetof(struct rv_boot_page, pcpu) == 0x80, "boot page layout");
_Static_assert(__builtin_offsetof(struct rv_boot_page, stub_id) == 0xd00, "boot page layout");
_Static_assert(__builtin_offsetof(struct rv_boot_page, stub_state) == 0xf00, "boot page layout");
