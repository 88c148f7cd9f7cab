/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The worker's side of the keeper (vmm/keeper/keeper.h): descriptors that outlive this process,
 * by name. Without a keeper nothing outlives it: kept_get() finds nothing, kept_put() does
 * nothing, and processes are this one's children.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Signals to a worker: leave the guest as soon as nothing is half done; or do not. */
#define KEEPER_SIGNAL_LEAVE SIGUSR1
#define KEEPER_SIGNAL_STAY  SIGUSR2

/* The socket to the keeper. Before anything else of this file. */
void kept_init(int socket);

/* Is there a keeper? */
bool kept_has_keeper(void);

/* The process that the user has started: the keeper, or this one. */
pid_t kept_pid(void);

/*
 * The number of the next thing of a kind ("disk") that this process opens, from 0 on: all processes
 * of one guest open the same ones in the same order.
 */
unsigned kept_number(const char *kind);

/* A descriptor that is the caller's, or -1. `fmt` makes its name. */
int kept_get(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The keeper gets a copy; `fd` stays the caller's. 0 or -errno after a message. */
int kept_put(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Only as the successor of a worker that runs (keeper_upgrade.c): this process would take the
 * guest. Returns once it may. From here on messages go where the keeper's go. 0 or -errno.
 */
int kept_ready(void);

/* From kept_ready() to kept_takes(): if this process fails, the one before gets the guest back. */
bool kept_may_fail(void);

/* As kept_put(), and the guest is this process's. 0 or -errno after a message. */
int kept_takes(int fd, const char *name);

/*
 * `vmm upgrade` finds the keeper by a socket of this path, which is made if there is none yet.
 * Without a keeper it does nothing. No error: the VM then cannot be upgraded, and a message says so.
 */
void kept_open_upgrades(const char *path);

/* It is not kept any more. */
void kept_drop(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Start a process, with `fds` as its descriptors 3, 4, ... and `output` as its standard output
 * and error. It is confined, but may listen on the TCP port `port`, if that is not 0. Its number, or -errno. `*status`: readable once the process has ended, and then
 * gives an int as of waitpid(). -1 without a keeper, where waitpid() itself does it.
 */
pid_t kept_start(char *const argv[], const int *fds, unsigned nr_fds, int output, uint16_t port,
                 int *status);

/*
 * All that another worker would need is kept now: the guest outlives this one. From here on the
 * keeper does nothing more for it than to give it what is kept.
 */
void kept_serving(void);
