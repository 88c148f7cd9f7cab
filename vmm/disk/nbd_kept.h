/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to an NBD server of the user's, when this process dies: what it has asked for is
 * still carried out, and must not reach the disk behind what the next process asks for. So the
 * keeper has the socket, and memory that says which changes have no answer; the next process waits
 * for these answers before it connects.
 *
 * Whether a request was sent whole is not known when the process dies within a call of libnbd.
 * Then, if no answer comes for a second, the next process ends what it can send, and waits for the
 * server to hang up.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NBD_KEPT_NONE   UINT32_MAX /* no change, or there is no keeper */
#define NBD_KEPT_UNTOLD (UINT32_MAX - 1)

struct nbd_kept;

/*
 * Waits until nothing of an earlier process is under way; says so when that takes too long. NULL:
 * there is no keeper, or no memory. Every function takes NULL, and then does nothing.
 */
struct nbd_kept *nbd_kept_open(unsigned number, const char *path);
void nbd_kept_close(struct nbd_kept *kept);

/* This process's connection, before it makes requests. A later one is not kept. */
void nbd_kept_connected(struct nbd_kept *kept, int socket);
/* It is over, as the server is to see although the keeper has it. */
void nbd_kept_lost(struct nbd_kept *kept);

/* Around what may send or receive. After it: is there something that was not sent yet? */
void nbd_kept_calls(struct nbd_kept *kept);
void nbd_kept_called(struct nbd_kept *kept, bool sends);

/* A change is sent, probably with this cookie: its number, or NBD_KEPT_UNTOLD if there is no room. */
uint32_t nbd_kept_begin(struct nbd_kept *kept, uint64_t cookie);
void nbd_kept_sent(struct nbd_kept *kept, uint32_t change, uint64_t cookie); /* unless it is over */
void nbd_kept_end(struct nbd_kept *kept, uint32_t change);
