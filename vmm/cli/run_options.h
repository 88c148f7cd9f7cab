/* SPDX-License-Identifier: BSD-2-Clause */
/* What `vmm run` is told: by its command line now, by whoever else has the table of options later. */
#pragma once

#include "vmm/cli/cloud_init.h"
#include "vmm/cli/option.h"
#include "vmm/machine/machine.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/vm/vm.h"

#define RUN_PATHS_MAX        16u
#define RUN_NAME_MAX         64u
#define RUN_CONTROL_PATH_MAX 512u

/* What the keeper has read for all workers, by these names: copies of config and cloud-init seed. */
#define RUN_KEPT_CONFIG "config"
#define RUN_KEPT_SEED   "cloud-seed"

struct run_options {
    struct vm_config vm;
    struct machine_config machine;
    bool machine_given; /* by an option, or chosen */
    const char *devices[VM_MAX_DEVICES];
    char *made[VM_MAX_DEVICES]; /* those of `devices` that were put together here */
    unsigned nr_made;
    const char *firmware;      /* a file or the name of one that is installed; NULL: none */
    const char *firmware_vars; /* file of its variables, or NULL */
    struct cloud_init cloud_init;
    bool has_cloud_init;
    int cloud_seed;  /* the disk that is made of it; -1: there is none */
    int config_copy; /* what was in the file `config`; -1: there is none */
    const char *plugin_paths[RUN_PATHS_MAX + 1]; /* NULL ends the list */
    const char *trace, *perfetto;                /* FILE[,FILTER...], or NULL */
    const char *gdb;                             /* where a debugger can attach, or NULL */
    bool gdb_wait;
    const char *record;              /* FILE, or NULL */
    struct snapshot_source *restore; /* what vmm restore goes on from, or NULL */
    bool revert_disks;
    bool lazy, track;
    enum sandbox_mode sandbox;
    const char *snapshots; /* folder in which they may be written, or NULL */
    bool no_keeper;        /* one process, which the guest does not outlive */
    unsigned slice_ms;     /* 0: not given, until run_options_complete() */
    unsigned grace_s;
    const char *config;  /* file with more options, or NULL */
    bool print_config;   /* print what was given and do nothing else */
    json_t *given;       /* what was given, by the file as well: option_json.h */
    json_t *saved;       /* the same for a restore: all devices as `device`, in their order */
    json_t *texts;       /* of the file, which the fields here point to */
    const char *control; /* path of the control socket, "off", or NULL: by the VM's name */
    char name[RUN_NAME_MAX + 1];             /* of the VM, also if none was given */
    char control_path[RUN_CONTROL_PATH_MAX]; /* empty: there is no control interface */
};

void run_options_help(void);

/* The defaults, and the table of all options with `o` as its target. */
void run_options_init(struct run_options *o, struct option_set *set);

/* The same for vmm restore, which takes some more. */
void run_options_init_restore(struct run_options *o, struct option_set *set);

/* Help of vmm restore. */
void run_options_restore_help(void);

/* If no option says which machine it is, the host does. */
void run_options_choose_machine(struct run_options *o);

/* After the last option: fill in dependent defaults, reject bad combinations. 0 or -EINVAL. */
int run_options_complete(struct run_options *o);

/* All of these. 0; 1: help was asked for and given; -EINVAL after a message. Points into `argv`. */
int run_options_parse(struct run_options *o, int argc, char **argv);

/* Also after a parse that failed. */
void run_options_free(struct run_options *o);
