/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line of `vmm run`. */
#pragma once

#include "vmm/machine/machine.h"
#include "vmm/vm/vm.h"

#define RUN_PATHS_MAX 16u

struct run_options {
    struct vm_config vm;
    struct machine_config machine;
    const char *devices[VM_MAX_DEVICES];
    const char *plugin_paths[RUN_PATHS_MAX + 1];
    unsigned nr_plugin_paths;
    unsigned slice_ms;
    unsigned grace_s;
};

void run_options_help(void);

/* 0; 1: help was asked for and given; -EINVAL after a message. Points into `argv`. */
int run_options_parse(struct run_options *o, int argc, char **argv);
