/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits that are answered at EL2. There are none: only the bench build has some. */
#pragma once

#define shortcut(pcpu) false

/* Between two looks at the command ring this machine only relaxes. It counts as one. */
#define platform_pause(pcpu) 1u
/* This machine never wants a pCPU back. */
#define platform_check(pcpu) ((void)0)
/* All VMs of this machine are one vmm's: its commands may name each of them, and all CPUs. */
#define platform_confine(pcpu, command) ((void)0)
#define platform_cpus(pcpu)             (~0ull)
/* All interrupts of this machine are the stub's. */
#define platform_stray(intid) false
