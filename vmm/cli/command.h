/* SPDX-License-Identifier: BSD-2-Clause */
/* The vmm's commands, and what its exit status means. */
#pragma once

/* Exit statuses: README.md, "Exit status". */
enum exit_status {
    STATUS_OK = 0,       /* the guest powered off, or the user ended it with Ctrl-a x */
    STATUS_VMM = 1,      /* the vmm, the stub or the machine failed */
    STATUS_USAGE = 2,    /* wrong command line */
    STATUS_GUEST = 3,    /* the guest cannot go on */
    STATUS_RESET = 4,    /* the guest asked for a reset, and --no-reboot was given */
    STATUS_SIGNAL = 128, /* plus the number of the signal that ended it */
};

struct option; /* <getopt.h> */
struct vm_command;

struct command {
    const char *name;
    const char *summary;
    void (*help)(void);
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns enum exit_status */
    const struct option *options;      /* its own, if it reads them by getopt_long() */
    const struct vm_command *vm;       /* instead of these three: vm_command.h */
};

/* `vmm worker` and `vmm successor`: what the keeper of `vmm run` starts; not for people. */
int command_worker(int argc, char **argv);

/* All of them; NULL ends the list. */
extern const struct command *const command_all[];

extern const struct command command_run;
extern const struct command command_devices;
extern const struct command command_decode;
extern const struct command command_ps, command_pause, command_resume, command_stop, command_kill,
    command_reset, command_stat, command_balloon, command_disk, command_net, command_console,
    command_complete, command_top;
extern const struct command command_record, command_replay, command_trace;
extern const struct command command_snapshot, command_restore;
extern const struct command command_upgrade;

struct run_options;

/* vmm run and vmm restore: from the first resource to the last. Returns enum exit_status. */
int command_serve(const struct run_options *o);

/* The same in a process of its own, of which this one is the keeper. */
int command_keep(const struct run_options *o, int argc, char **argv);

/* The options of vmm restore, and its snapshot. 0; 1: help was wanted; -errno after a message. */
int command_restore_parse(struct run_options *o, int argc, char **argv);

/* Where this program's own files are: next to it, or where it was installed. */
const char *command_stub_path(void);
const char *command_plugin_dir(void);
