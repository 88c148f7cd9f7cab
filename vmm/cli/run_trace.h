/* SPDX-License-Identifier: BSD-2-Clause */
/* The traces that `vmm run` is asked for, which go on in the next worker. */
#pragma once

struct run_options;
struct trace;

#define RUN_TRACES 2u /* --trace and --perfetto */

/* NULL for one that is not wanted. 0 or -errno after a message. */
int run_traces_start(const struct run_options *o, struct trace *traces[RUN_TRACES]);
void run_traces_stop(struct trace *traces[RUN_TRACES]);
