/* SPDX-License-Identifier: BSD-2-Clause */
/* How to recognise an image's header. Assembly includes this too: constants only. */
#pragma once

#define RV_STUB_MAGIC 0x4255545352494e47 /* "GNIRSTUB" */
#define RV_ABI_MAJOR  6                  /* must be equal on both sides */
#define RV_ABI_MINOR  0                  /* the stub's must be at least the vmm's */
