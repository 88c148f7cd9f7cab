/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recordings: all that the core's answers to a guest depend on, and the answers, in a file;
 * and the replay, which runs the core on such a file without a guest and compares.
 *
 * The boundary is that of the core: what is inside runs again, what crosses is in the file.
 *
 *   inside   decoder, exits, system registers, firmware calls, instructions and walks, the
 *            interrupt controller, the scheduler, the vmm's side of the rings
 *   comes in events, in the order in which they were taken and handled; what the stub has saved
 *            in a vCPU's page; guest RAM, as far as the core has read it; the time, entropy;
 *            what devices give: values of their registers, interrupt lines, RAM that they
 *            wrote, requests; when the loop gave the scheduler its turn
 *   goes out commands; the registers in a vCPU's page that go with them; accesses to registers
 *            of devices. The replay compares each of these.
 *
 * So every device can be recorded, whatever threads and sockets it has, and none is replayed:
 * a bug in a device shows only in what it gave the core. The guest's files are not in the file.
 *
 * Time stands while the core handles something: one reading is recorded for each event, each
 * turn of the scheduler and each line that a device drives, so the same ones count in a replay.
 *
 * A recording begins with the guest and ends with it, with its first reset, or when the VM is
 * paused or its vmm replaced.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;
struct vm;

/*
 * Record what follows into a file, which is overwritten. Before vm_create(). 0, or -errno
 * after a message.
 */
int record_start(const char *path, struct record **record);

/* The file is complete after that. 0, or -errno after a message. */
int record_stop(struct record *record);

struct replay_result {
    uint64_t events; /* handled */
    uint64_t exits;  /* of these: the guest waited for a reply */
    uint64_t commands;
    uint64_t ns;       /* how long the replay took */
    char ending[128];  /* why the recording ended */
    char before[512];  /* a difference: the event that was handled */
    char differs[512]; /* and what differs; empty: nothing does */
};

/* 0; 1: something differs; -errno after a message: the file cannot be read, or is damaged. */
int replay_run(const char *path, struct replay_result *result);

/* The same for a file in memory. `path` is for messages. */
int replay_memory(const void *data, size_t size, const char *path, struct replay_result *result);
