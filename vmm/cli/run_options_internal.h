/* SPDX-License-Identifier: BSD-2-Clause */
/* What the table of options and run_complete.c share. */
#pragma once

#include "vmm/cli/run_options.h"

/* Shorter, most of it is switching; longer, spinning for another vCPU gets noticed. */
#define DEFAULT_SLICE_MS 4

/* An option that the machine linux has no use for, and where it is kept: a number or a text. */
struct qemu_option {
    const char *name, *why;
    unsigned *number, least; /* from this number on it is what the machine has anyway */
    const char **text;
};

#define QEMU_OPTIONS 3u

void run_options_of_qemu(struct run_options *o, struct qemu_option rows[QEMU_OPTIONS]);

static inline bool qemu_option_counts(const struct qemu_option *row)
{
    return row->number ? *row->number && *row->number < row->least : *row->text != NULL;
}

/* -EINVAL after a message: "WHAT 'VALUE': WANTED". */
int run_options_bad(const char *what, const char *value, const char *wanted);

/* A device that the option `name` stands for. `spec` is ours now; NULL: out of memory. */
int run_options_add_device(struct run_options *o, const char *name, char *spec);

/*
 * What was given, for a snapshot. Places and interrupts of devices follow from their order, which
 * keys of their own do not keep. NULL: out of memory.
 */
json_t *run_options_to_save(const struct run_options *o);
