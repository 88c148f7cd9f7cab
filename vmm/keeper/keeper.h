/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `vmm run` is two processes. The keeper has what must outlive a crash of the other, the worker:
 * descriptors by name (the guest's memory and state, the doorbell, disks, sockets) and the
 * machine as its child. The worker is the vmm. When it is killed or crashes, the keeper starts
 * another, which asks for the descriptors and goes on; the guest sees a pause. The keeper reads
 * nothing that a guest wrote, and only counted, bounded messages of the worker.
 *
 * A worker that ends by itself ends the run, with its exit status. One that crashes before the
 * guest has started ends it, too, and so do more than five crashes within ten seconds of service. A
 * worker that closes its socket and does not end is killed, which counts as a crash. Death of the
 * keeper ends worker and machine.
 */
#pragma once

/* What is kept from the start on: the keeper gets a copy of the descriptor. -1: nothing. */
struct keeper_gift {
    const char *name;
    int fd;
};

/*
 * Start workers until one has ended the run. `argv` of `argc` words is the command line, from
 * "run" or "restore" on. The exit status.
 */
int keeper_run(int argc, char **argv, const struct keeper_gift *gifts, unsigned nr_gifts);
