// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Apart from the kernel's own headers, whose names of registers the protocol's have, too. */
#include "proto/ring.h"
#include "proto/vcpu.h"
#include "sizes.h"

const unsigned long channel_size = sizeof(struct rv_channel);
const unsigned long vcpu_page_size = sizeof(struct rv_vcpu_page);
