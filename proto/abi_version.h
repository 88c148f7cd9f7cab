/* SPDX-License-Identifier: BSD-2-Clause */
/* What an image's header is recognised by. Also included by assembly: constants only. */
#pragma once

#define RV_STUB_MAGIC 0x4255545352494e47 /* "GNIRSTUB" */
#define RV_ABI_MAJOR  3                  /* must be equal on both sides */
#define RV_ABI_MINOR  0                  /* the stub's must be at least what the vmm asks for */
