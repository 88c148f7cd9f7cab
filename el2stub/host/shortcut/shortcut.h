/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits that are answered at EL2: none. Between commands the host may want its CPU back, and a
 * command may concern the VM only that its pCPU serves.
 */
#pragma once

#include "el2stub/stub.h"

#define shortcut(pcpu) false

uint32_t platform_pause(const struct pcpu *pcpu);
void platform_check(struct pcpu *pcpu);
bool platform_stray(uint32_t intid);
void platform_confine(struct pcpu *pcpu, struct rv_command *command);
uint64_t platform_cpus(const struct pcpu *pcpu);
