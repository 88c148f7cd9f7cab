/* SPDX-License-Identifier: BSD-2-Clause */
/* What pcpu.c and pcpu_recover.c share. */
#pragma once

#include "vmm/cpu/pcpu.h"

/* -EIO: nothing is expected of the pCPU any more. The first time the log says why. */
int pcpu_lose(struct pcpu *pcpu, const char *why);

/* The event that was put aside at that position. */
struct rv_event *pcpu_slot(const struct pcpu *pcpu, uint32_t at);

/* It is dealt with. */
void pcpu_strike(struct pcpu *pcpu, uint32_t at);
