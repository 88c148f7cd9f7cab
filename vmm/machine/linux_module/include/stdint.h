/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* For the headers of proto/: what the kernel has of <stdint.h>. */
#pragma once

#include <linux/types.h>
