/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream socket with vhost-user messages, which never blocks. What cannot be sent
 * at once is kept, one message at a time; what comes is put together here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "devices/vhost_user/vhost_user_msg_internal.h"

struct vhost_user_socket {
    int fd; /* -1: closed */

    struct vhost_user_message in;
    size_t got; /* bytes of it */

    struct vhost_user_message out; /* its descriptors are not the socket's */
    size_t sent, to_send;          /* bytes of it */
};

void vhost_user_socket_init(struct vhost_user_socket *socket, int fd);
void vhost_user_socket_close(struct vhost_user_socket *socket);

/*
 * 0 and the descriptor, connected; or -errno: -ENOTSOCK: there is something else at
 * `path`; -ENAMETOOLONG; -EAGAIN: the other side does not accept now; what connect() says.
 */
int vhost_user_socket_connect(const char *path, int *fd);

/* Is there something that must be sent before the next message? */
static inline bool vhost_user_socket_sending(const struct vhost_user_socket *socket)
{
    return socket->sent < socket->to_send;
}

/* Goes on sending. 0: all is sent; -EAGAIN; or another -errno: the connection is of no use. */
int vhost_user_socket_flush(struct vhost_user_socket *socket);

/* Sends one more. As vhost_user_socket_flush(). */
int vhost_user_socket_send(struct vhost_user_socket *socket,
                           const struct vhost_user_message *message);

/*
 * 0: `in` is a whole message; take its descriptors or let them be closed by
 * vhost_user_socket_done(), which must come before the next receive. -EAGAIN: not yet;
 * -ECONNRESET: the other side is gone; -EBADMSG: that is no message; another -errno.
 */
int vhost_user_socket_receive(struct vhost_user_socket *socket);
void vhost_user_socket_done(struct vhost_user_socket *socket);
