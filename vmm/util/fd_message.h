/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages on a Unix socket of type SOCK_SEQPACKET that carry descriptors: unix(7), SCM_RIGHTS. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define FD_MESSAGE_MAX 8u /* descriptors in one message */

/* The descriptors stay open here. 0 or -errno. */
int fd_message_send(int socket, const void *data, size_t size, const int *fds, unsigned nr_fds);

/*
 * How many bytes came, and up to `*nr_fds` descriptors, closed on exec: `*nr_fds` is how many then. 0:
 * the other side has gone. Or -errno, without descriptors; -EMSGSIZE: the message was larger.
 */
ssize_t fd_message_receive(int socket, void *data, size_t size, int *fds, unsigned *nr_fds);
