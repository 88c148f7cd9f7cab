/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits that are answered at EL2: none. Between commands the host may want its CPU back. */
#pragma once

#include "el2stub/stub.h"

#define shortcut(pcpu) false

void platform_check(struct pcpu *pcpu);
