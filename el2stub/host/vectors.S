/* SPDX-License-Identifier: BSD-2-Clause */
/* The vectors while the host runs: those of the guests, with other handlers. */
#define vectors     host_vectors
#define exit_save   host_save
#define exit_sync   host_sync
#define exit_irq    host_unexpected
#define exit_serror host_unexpected
#define guest_start host_enter
#define guest_enter host_eret
#define panic_entry host_panic_entry
#include "el2stub/vectors.S"
