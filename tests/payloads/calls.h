/* SPDX-License-Identifier: BSD-2-Clause */
/* What HVC and SMC have in common: the same checks, by either conduit. */
#pragma once

#include "tests/payloads/guest.h"

void calls_test(const char *name, conduit_t call, conduit_t call_imm1);
