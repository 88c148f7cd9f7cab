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
 * A recording begins with the guest, or while it runs: its vCPUs are taken off their pCPUs for a
 * moment, and what the core is then comes first: the pages of the vCPUs, the state blocks of the
 * core, and what the scheduler knows. It ends with the guest, with its next reset, or when the VM
 * is paused or its vmm replaced.
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

/* Why a recording of it cannot begin now; NULL: it can. */
const char *record_refuses(const struct vm *vm);

/*
 * Record what a VM does from now on, from the loop: to a client's connection, which becomes the
 * recording's, behind the text `head`. The guest never waits for the client: one that is far
 * behind ends the recording. 0 or -errno.
 */
int record_running(struct vm *vm, int fd, const char *head, struct record **record);

/* It is over; the client gets the rest, and record_has_ended() says when it has. */
void record_end(struct record *record, const char *why);
bool record_has_ended(const struct record *record);

/* The VM ends, or the client has gone: who makes no room gets no more. */
void record_hurry(struct record *record);

/*
 * The file is complete after that, or the client's connection closed. 0, or -errno, of a file after
 * a message.
 */
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
