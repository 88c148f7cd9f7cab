/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits that are answered at EL2. There are none: only the bench build has some. */
#pragma once

#define shortcut(pcpu) false

/* This machine never wants a pCPU back. */
#define platform_check(pcpu) ((void)0)
