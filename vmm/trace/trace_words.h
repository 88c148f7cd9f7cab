/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts of a record in words, which the sinks put together. Texts are cut to `size` bytes. */
#pragma once

#include <stddef.h>

#include "vmm/trace/trace.h"

/* "data abort, 4-byte read into w5, UART (PL011) + 0x18, UARTFR". */
void trace_what(const struct trace_record *record, char *text, size_t size);

/* What answered an exit, and what the guest got: "pl011@9000000: x5 = 0x90". Empty: nothing. */
void trace_answer(const struct trace_record *record, char *text, size_t size);

const char *trace_op_name(unsigned op);      /* RV_COMMAND_*: "REPLY" */
const char *trace_event_name(unsigned type); /* RV_EVENT_*: "SYNC" */
