/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Sizes of what is in the shared memory, for each CPU and each vCPU. */
#pragma once

extern const unsigned long channel_size;
extern const unsigned long vcpu_page_size;
