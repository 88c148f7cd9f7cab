/* SPDX-License-Identifier: BSD-2-Clause */
/* How the machine `qemu` calls QEMU: what the user says of it, and the command line. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* QEMU's descriptors of the memory and of the doorbell, from the first one that kept_start() gives. */
#define QEMU_MEMORY_AT   3
#define QEMU_DOORBELL_AT 4

#define QEMU_ARGS_MAX 64

/* Options after "qemu,": key=value, separated by commas; a doubled comma is a comma. */
struct qemu_options {
    char *cpu;
    char *path;
    char *gdb;
};

/* 0, or -EINVAL after a message, or -ENOMEM. qemu_options_free() is due, whatever the result. */
int qemu_options_parse(struct qemu_options *options, const char *text);
void qemu_options_free(struct qemu_options *options);

struct qemu_command {
    const char *argv[QEMU_ARGS_MAX];
    unsigned argc;
    char text[4096];
    size_t used;
};

/* `line` is zeroed. The board has `memory` bytes, and runs the stub from `entry` (PA) on. */
void qemu_command_make(struct qemu_command *line, const struct qemu_options *options,
                       uint64_t memory, unsigned nr_pcpus, uint64_t entry);
