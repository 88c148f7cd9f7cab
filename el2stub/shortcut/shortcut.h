/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits that are answered at EL2. There are none: only the bench build has some. */
#pragma once

#include "el2stub/stub.h"

static inline bool shortcut(struct pcpu *pcpu, uint64_t esr)
{
    (void)pcpu;
    (void)esr;
    return false;
}
