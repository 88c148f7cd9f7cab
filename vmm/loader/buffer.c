/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/loader/buffer.h"

#include <errno.h>
#include <stdlib.h>

#define BUFFER_FIRST ((size_t)65536)

int buffer_grow(struct buffer *buffer, size_t hint, size_t limit)
{
    size_t room = buffer->room > SIZE_MAX / 2 ? SIZE_MAX : buffer->room * 2;
    uint8_t *data;

    if (buffer->size < buffer->room)
        return 0;
    if (buffer->size >= limit)
        return -EFBIG;
    if (room < hint)
        room = hint;
    if (room == 0)
        room = BUFFER_FIRST;
    if (room > limit)
        room = limit;
    data = realloc(buffer->data, room);
    if (data == NULL)
        return -ENOMEM;
    buffer->data = data;
    buffer->room = room;
    return 0;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
