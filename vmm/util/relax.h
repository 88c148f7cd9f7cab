/* SPDX-License-Identifier: BSD-2-Clause */
/* A pause in a loop that looks at memory: leaves the line to its writer, and power to others. */
#pragma once

#if defined(__x86_64__)
#define relax() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define relax() __asm__ volatile("isb" : : : "memory")
#else
#define relax() __asm__ volatile("" : : : "memory")
#endif
