/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ESR_ELx and its ISS encodings: Arm ARM (DDI 0487L.a) D24.2, "ESR_EL2, Exception
 * Syndrome Register (EL2)". Each encoding below carries the title of its ISS
 * description there. A field is one mask, at its place; ESR_GET and ESR_SET
 * shift. PSTATE as SPSR_ELx holds it is at the end.
 */
#pragma once

#include <stdint.h>

#define ESR_GET(value, mask) (((uint64_t)(value) & (mask)) >> __builtin_ctzll(mask))
#define ESR_SET(value, mask) (((uint64_t)(value) << __builtin_ctzll(mask)) & (mask))

/* The register. */
#define ESR_ELx_ISS  0x0000000001ffffffull
#define ESR_ELx_IL   0x0000000002000000ull /* 32-bit instruction */
#define ESR_ELx_EC   0x00000000fc000000ull
#define ESR_ELx_ISS2 0x00ffffff00000000ull

/* EC: exception class. The values that are not here are reserved. */
#define ESR_EC_UNKNOWN    0x00u
#define ESR_EC_WFX        0x01u
#define ESR_EC_CP15_32    0x03u /* MCR, MRC with coproc 0b1111 */
#define ESR_EC_CP15_64    0x04u /* MCRR, MRRC with coproc 0b1111 */
#define ESR_EC_CP14_32    0x05u /* MCR, MRC with coproc 0b1110 */
#define ESR_EC_CP14_LDC   0x06u /* LDC, STC */
#define ESR_EC_FP         0x07u /* SVE, SIMD or FP access trapped by FPEN or TFP */
#define ESR_EC_CP10_ID    0x08u /* VMRS of MVFR0-2 or FPSID */
#define ESR_EC_PAUTH      0x09u /* HCR_EL2.API, SCR_EL3.API */
#define ESR_EC_OTHER      0x0au /* LD64B, ST64B*, and others without a class */
#define ESR_EC_CP14_64    0x0cu /* MRRC with coproc 0b1110 */
#define ESR_EC_BTI        0x0du
#define ESR_EC_ILLEGAL    0x0eu
#define ESR_EC_SVC32      0x11u
#define ESR_EC_HVC32      0x12u
#define ESR_EC_SMC32      0x13u
#define ESR_EC_SYSREG128  0x14u /* MSRR, MRRS, SYSP */
#define ESR_EC_SVC64      0x15u
#define ESR_EC_HVC64      0x16u
#define ESR_EC_SMC64      0x17u
#define ESR_EC_SYSREG     0x18u /* MSR, MRS, SYS */
#define ESR_EC_SVE        0x19u
#define ESR_EC_ERET       0x1au
#define ESR_EC_TSTART     0x1bu
#define ESR_EC_FPAC       0x1cu
#define ESR_EC_SME        0x1du
#define ESR_EC_GPC        0x1eu /* to EL3 only */
#define ESR_EC_IMPDEF     0x1fu /* to EL3 only */
#define ESR_EC_IABT_LOWER 0x20u
#define ESR_EC_IABT_SAME  0x21u
#define ESR_EC_PC_ALIGN   0x22u
#define ESR_EC_DABT_LOWER 0x24u
#define ESR_EC_DABT_SAME  0x25u
#define ESR_EC_SP_ALIGN   0x26u
#define ESR_EC_MOPS       0x27u
#define ESR_EC_FP_EXC32   0x28u
#define ESR_EC_FP_EXC64   0x2cu
#define ESR_EC_GCS        0x2du
#define ESR_EC_SERROR     0x2fu
#define ESR_EC_BP_LOWER   0x30u
#define ESR_EC_BP_SAME    0x31u
#define ESR_EC_STEP_LOWER 0x32u
#define ESR_EC_STEP_SAME  0x33u
#define ESR_EC_WP_LOWER   0x34u
#define ESR_EC_WP_SAME    0x35u
#define ESR_EC_BKPT32     0x38u
#define ESR_EC_VECTOR32   0x3au
#define ESR_EC_BRK64      0x3cu
#define ESR_EC_PMU        0x3du
#define ESR_EC_COUNT      0x40u

/* What all ISS encodings of AArch32 instructions share. */
#define ESR_ISS_CV   0x1000000u /* COND is valid */
#define ESR_ISS_COND 0x0f00000u

/* "ISS encoding for an exception from a WF* instruction". */
#define ESR_ISS_WFX_RN 0x3e0u
#define ESR_ISS_WFX_RV 0x004u /* RN is valid */
#define ESR_ISS_WFX_TI 0x003u
#define ESR_WFX_WFI    0u
#define ESR_WFX_WFE    1u
#define ESR_WFX_WFIT   2u
#define ESR_WFX_WFET   3u

/* "... from an MCR or MRC access". */
#define ESR_ISS_CP32_OPC2 0xe0000u
#define ESR_ISS_CP32_OPC1 0x1c000u
#define ESR_ISS_CP32_CRN  0x03c00u
#define ESR_ISS_CP32_RT   0x003e0u
#define ESR_ISS_CP32_CRM  0x0001eu
#define ESR_ISS_CP32_READ 0x00001u /* Direction: MRC */

/* "... from an MCRR or MRRC access". */
#define ESR_ISS_CP64_OPC1 0xf0000u
#define ESR_ISS_CP64_RT2  0x07c00u
#define ESR_ISS_CP64_RT   0x003e0u
#define ESR_ISS_CP64_CRM  0x0001eu
#define ESR_ISS_CP64_READ 0x00001u /* Direction: MRRC */

/* "... from an LDC or STC instruction". */
#define ESR_ISS_LDC_IMM8   0xff000u
#define ESR_ISS_LDC_RN     0x003e0u
#define ESR_ISS_LDC_OFFSET 0x00010u /* 1: added, 0: subtracted */
#define ESR_ISS_LDC_AM     0x0000eu
#define ESR_ISS_LDC_READ   0x00001u /* Direction: STC, which reads the register */

/* "... from HVC or SVC instruction execution", "... from SMC ... in AArch64 state". */
#define ESR_ISS_CALL_IMM16 0xffffu

/* "... from SMC instruction execution in AArch32 state". */
#define ESR_ISS_SMC32_CCKNOWNPASS 0x80000u /* 0: the condition code did pass */

/* "... from MSR, MRS, or System instruction execution in AArch64 state". */
#define ESR_ISS_SYS_OP0  0x300000u
#define ESR_ISS_SYS_OP2  0x0e0000u
#define ESR_ISS_SYS_OP1  0x01c000u
#define ESR_ISS_SYS_CRN  0x003c00u
#define ESR_ISS_SYS_RT   0x0003e0u
#define ESR_ISS_SYS_CRM  0x00001eu
#define ESR_ISS_SYS_READ 0x000001u /* Direction: MRS */

/* "... from MSRR, MRRS, or 128-bit System instruction": as above, Rt is half a pair number. */
#define ESR_ISS_SYS128_RT 0x0003c0u

/* "... from a Trapped execution of any instruction not covered by other EC values". */
#define ESR_OTHER_ST64BV   0u
#define ESR_OTHER_ST64BV0  1u
#define ESR_OTHER_LDST64B  2u
#define ESR_OTHER_TSBCSYNC 3u
#define ESR_OTHER_PSBCSYNC 4u

/* "... from functionality trapped as a result of CPACR_EL1.SMEN, CPTR_EL2.TSM, ...". */
#define ESR_ISS_SME_SMTC       0x7u
#define ESR_SMTC_TRAP          0u /* trapped by SMEN or TSM */
#define ESR_SMTC_ILLEGAL       1u /* illegal in Streaming SVE mode */
#define ESR_SMTC_NOT_STREAMING 2u
#define ESR_SMTC_ZA_INACTIVE   3u
#define ESR_SMTC_ZT0           4u /* ZT0 trapped */

/* "... from an ERET, ERETAA, or ERETAB instruction". */
#define ESR_ISS_ERET_ERET  0x2u /* ERETAA or ERETAB */
#define ESR_ISS_ERET_ERETA 0x1u /* ERETAB */

/* "... from a TSTART instruction". */
#define ESR_ISS_TSTART_RD 0x3e0u

/* "... from a Pointer Authentication instruction authentication failure". */
#define ESR_ISS_FPAC_DATA  0x2u /* data key, else instruction key */
#define ESR_ISS_FPAC_B_KEY 0x1u /* B key, else A key */

/* "... from a Branch Target Identification instruction". */
#define ESR_ISS_BTI_BTYPE 0x3u

/* "... from an Instruction Abort". */
#define ESR_ISS_IABT_TOPLEVEL 0x200000u
#define ESR_ISS_IABT_PFV      0x4000u
#define ESR_ISS_IABT_SET      0x1800u
#define ESR_ISS_IABT_FNV      0x0400u
#define ESR_ISS_IABT_EA       0x0200u
#define ESR_ISS_IABT_S1PTW    0x0080u
#define ESR_ISS_IABT_IFSC     0x003fu

/* "... from a Data Abort". SAS to AR hold only if ISV is 1, TOPLEVEL to PFV only if it is 0. */
#define ESR_ISS_DABT_ISV      0x1000000u
#define ESR_ISS_DABT_SAS      0x0c00000u
#define ESR_ISS_DABT_SSE      0x0200000u
#define ESR_ISS_DABT_SRT      0x01f0000u
#define ESR_ISS_DABT_SF       0x0008000u
#define ESR_ISS_DABT_AR       0x0004000u
#define ESR_ISS_DABT_TOPLEVEL 0x200000u  /* permission faults */
#define ESR_ISS_DABT_WU       0x0030000u /* external aborts */
#define ESR_ISS_DABT_FNP      0x0008000u
#define ESR_ISS_DABT_PFV      0x0004000u /* external aborts */
#define ESR_ISS_DABT_VNCR     0x0002000u
#define ESR_ISS_DABT_SET      0x0001800u /* LST for DFSC 0b110101 */
#define ESR_ISS_DABT_FNV      0x0000400u
#define ESR_ISS_DABT_EA       0x0000200u
#define ESR_ISS_DABT_CM       0x0000100u
#define ESR_ISS_DABT_S1PTW    0x0000080u
#define ESR_ISS_DABT_WNR      0x0000040u
#define ESR_ISS_DABT_DFSC     0x000003fu

/*
 * ISS2 of aborts, in ESR_ELx[55:32]. An Instruction Abort has HDBSSF, ASSURED_ONLY
 * and OVERLAY of them, a Watchpoint exception GCS, a Data Abort all.
 */
#define ESR_ISS2_HDBSSF       0x800u
#define ESR_ISS2_TND          0x400u
#define ESR_ISS2_TAG_ACCESS   0x200u
#define ESR_ISS2_GCS          0x100u
#define ESR_ISS2_ASSURED_ONLY 0x080u
#define ESR_ISS2_OVERLAY      0x040u
#define ESR_ISS2_DIRTY_BIT    0x020u
#define ESR_ISS2_XS           0x01fu

/* DFSC and IFSC: base values; the level goes in the low two bits where there are four. */
#define ESR_FSC_ADDRESS_SIZE  0x00u
#define ESR_FSC_TYPE          0x3cu /* of the faults that have a level */
#define ESR_FSC_TRANSLATION   0x04u
#define ESR_FSC_ACCESS_FLAG   0x08u
#define ESR_FSC_PERMISSION    0x0cu
#define ESR_FSC_EXTERNAL      0x10u /* not on a translation table walk */
#define ESR_FSC_TAG_CHECK     0x11u
#define ESR_FSC_EXTERNAL_WALK 0x14u
#define ESR_FSC_PARITY        0x18u /* not on a translation table walk */
#define ESR_FSC_PARITY_WALK   0x1cu
#define ESR_FSC_ALIGNMENT     0x21u
#define ESR_FSC_GPF_WALK      0x24u
#define ESR_FSC_GPF           0x28u
#define ESR_FSC_TLB_CONFLICT  0x30u
#define ESR_FSC_ATOMIC_UPDATE 0x31u
#define ESR_FSC_LOCKDOWN      0x34u /* IMPLEMENTATION DEFINED */
#define ESR_FSC_ATOMIC        0x35u /* IMPLEMENTATION DEFINED: exclusive or atomic */
#define ESR_FSC_SERROR        0x11u /* in the SError encoding: asynchronous */
#define ESR_FSC_DEBUG         0x22u /* in the debug encodings */

/* "... from a Granule Protection Check". */
#define ESR_ISS_GPC_S2PTW 0x200000u
#define ESR_ISS_GPC_IND   0x100000u
#define ESR_ISS_GPC_GPCSC 0x0fc000u
#define ESR_ISS_GPC_VNCR  0x002000u
#define ESR_ISS_GPC_CM    0x000100u
#define ESR_ISS_GPC_S1PTW 0x000080u
#define ESR_ISS_GPC_WNR   0x000040u
#define ESR_ISS_GPC_XFSC  0x00003fu

/* "... from the Memory Copy and Memory Set instructions". */
#define ESR_ISS_MOPS_SET           0x1000000u /* MemInst: SET*, else CPY* */
#define ESR_ISS_MOPS_SETG          0x0800000u
#define ESR_ISS_MOPS_OPTIONS       0x0780000u
#define ESR_ISS_MOPS_FROM_EPILOGUE 0x0040000u
#define ESR_ISS_MOPS_WRONG_OPTION  0x0020000u
#define ESR_ISS_MOPS_OPTION_A      0x0010000u
#define ESR_ISS_MOPS_RD            0x0007c00u
#define ESR_ISS_MOPS_RS            0x00003e0u
#define ESR_ISS_MOPS_RN            0x000001fu

/* "... from a trapped floating-point exception". */
#define ESR_ISS_FPEXC_TFV    0x800000u /* the flags hold */
#define ESR_ISS_FPEXC_VECITR 0x000700u
#define ESR_ISS_FPEXC_FLAGS  0x00009fu /* IDF, IXF, UFF, OFF, DZF, IOF, as in FPSR */

/* "... from a GCS exception". */
#define ESR_ISS_GCS_EXTYPE 0xf00000u
#define ESR_ISS_GCS_RADDR  0x007c00u
#define ESR_ISS_GCS_RVALUE 0x0003e0u
#define ESR_ISS_GCS_IT     0x00001fu

/* "... from an SError exception". */
#define ESR_ISS_SERROR_IDS  0x1000000u /* the rest is IMPLEMENTATION DEFINED */
#define ESR_ISS_SERROR_ELS  0x0040000u
#define ESR_ISS_SERROR_WU   0x0030000u
#define ESR_ISS_SERROR_VFV  0x0008000u
#define ESR_ISS_SERROR_PFV  0x0004000u
#define ESR_ISS_SERROR_IESB 0x0002000u
#define ESR_ISS_SERROR_AET  0x0001c00u
#define ESR_ISS_SERROR_EA   0x0000200u
#define ESR_ISS_SERROR_WNRV 0x0000080u
#define ESR_ISS_SERROR_WNR  0x0000040u
#define ESR_ISS_SERROR_DFSC 0x000003fu
#define ESR_AET_UEO         2u /* restartable: not consumed yet */
#define ESR_AET_CE          6u /* corrected */

/* "... from a Breakpoint or Vector Catch debug exception", and Software Step. */
#define ESR_ISS_DEBUG_IFSC 0x000003fu
#define ESR_ISS_STEP_ISV   0x1000000u
#define ESR_ISS_STEP_EX    0x0000040u /* an exclusive load was stepped */

/* "... from a Watchpoint exception". */
#define ESR_ISS_WP_WPT  0xfc0000u
#define ESR_ISS_WP_WPTV 0x020000u /* WPT holds */
#define ESR_ISS_WP_WPF  0x010000u
#define ESR_ISS_WP_FNP  0x008000u
#define ESR_ISS_WP_VNCR 0x002000u
#define ESR_ISS_WP_FNV  0x000400u
#define ESR_ISS_WP_CM   0x000100u
#define ESR_ISS_WP_WNR  0x000040u
#define ESR_ISS_WP_DFSC 0x00003fu

/* "... from execution of a Breakpoint instruction". */
#define ESR_ISS_BRK_COMMENT 0xffffu

/* "... from a Profiling exception". */
#define ESR_ISS_PMU_FSC  0x3eu
#define ESR_ISS_PMU_SYNC 0x01u

/* PSTATE as SPSR_ELx holds it: Arm ARM C5.2, "SPSR_EL2". */
#define PSTATE_N      0x80000000u
#define PSTATE_Z      0x40000000u
#define PSTATE_C      0x20000000u
#define PSTATE_V      0x10000000u
#define PSTATE_NZCV   0xf0000000u
#define PSTATE_TCO    0x02000000u
#define PSTATE_DIT    0x01000000u /* same place from AArch32 and AArch64 */
#define PSTATE_UAO    0x00800000u /* SSBS when from AArch32 */
#define PSTATE_PAN    0x00400000u
#define PSTATE_SS     0x00200000u
#define PSTATE_IL     0x00100000u
#define PSTATE_ALLINT 0x00002000u
#define PSTATE_SSBS   0x00001000u
#define PSTATE_BTYPE  0x00000c00u
#define PSTATE_D      0x00000200u
#define PSTATE_A      0x00000100u
#define PSTATE_I      0x00000080u
#define PSTATE_F      0x00000040u
#define PSTATE_DAIF   0x000003c0u
#define PSTATE_nRW    0x00000010u /* M[4]: AArch32 */
#define PSTATE_M      0x0000000fu
#define PSTATE_EL     0x0000000cu /* M[3:2] from AArch64 */
#define PSTATE_SP     0x00000001u /* M[0] from AArch64 */
#define PSTATE_EL0t   0x00000000u
#define PSTATE_EL1t   0x00000004u
#define PSTATE_EL1h   0x00000005u

/* The same register for an exception from AArch32. */
#define PSTATE32_T     0x00000020u
#define PSTATE32_IT_HI 0x0000fc00u /* IT[7:2] */
#define PSTATE32_IT_LO 0x06000000u /* IT[1:0] */

/* SCTLR_EL1 fields that exception entry looks at: Arm ARM D24.2 "SCTLR_EL1". */
#define SCTLR_EL1_SPAN  (1ull << 23) /* 0: PSTATE.PAN is set on entry to EL1 */
#define SCTLR_EL1_DSSBS (1ull << 44) /* PSTATE.SSBS on entry to EL1 */

/* HPFAR_EL2: IPA[51:12] of a stage 2 fault. */
#define HPFAR_FIPA 0xfffffffff0ull
