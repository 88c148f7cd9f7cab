/* SPDX-License-Identifier: BSD-2-Clause */
/* What the CPU has learned of the guest's branches: an emulated one learns nothing. */
.macro forget_branches
.endm
