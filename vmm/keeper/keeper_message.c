/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/keeper/keeper_internal.h"

#define KEEPER_HEAD offsetof(struct keeper_message, text)

void keeper_fds_close(struct keeper_fds *fds)
{
    for (unsigned i = 0; i < fds->count; i++)
        close(fds->fd[i]);
    fds->count = 0;
}

int keeper_send(int socket, struct keeper_message *message, const struct keeper_fds *fds)
{
    message->protocol = KEEPER_PROTOCOL;
    return fd_message_send(socket, message, KEEPER_HEAD + message->length, fds ? fds->fd : NULL,
                           fds ? fds->count : 0);
}

static bool is_whole(const struct keeper_message *message, size_t size)
{
    return size >= KEEPER_HEAD && message->protocol == KEEPER_PROTOCOL &&
           message->length == size - KEEPER_HEAD &&
           memchr(message->name, '\0', sizeof(message->name)) &&
           (!message->length || !message->text[message->length - 1]);
}

int keeper_receive(int socket, struct keeper_message *message, struct keeper_fds *fds)
{
    ssize_t n;

    fds->count = KEEPER_FDS_MAX;
    n = fd_message_receive(socket, message, sizeof(*message), fds->fd, &fds->count);
    if (n == -ECONNRESET)
        return 0;
    if (n <= 0)
        return n == -EMSGSIZE ? -EPROTO : (int)n;
    if (is_whole(message, (size_t)n))
        return 1;
    keeper_fds_close(fds);
    return -EPROTO;
}
