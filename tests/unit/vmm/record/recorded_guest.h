/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM on a machine that this program plays, with a guest that is a list of events: to make
 * recordings without a processor. For tests and fuzzers.
 */
#pragma once

/* Run the guest, and record it in `path`. Ends the program when it cannot. */
void recorded_guest(const char *path);

/* The same of a guest that ran before, with another list, as a client of the VM gets it. */
void recorded_guest_that_ran(const char *path);

/* Exits of it that wait for a reply. */
extern unsigned recorded_guest_exits;
