/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/disk/bounce.h"

#include <errno.h>
#include <stdlib.h>

#define BOUNCE_ALIGN 65536u /* enough for O_DIRECT with any page or block size that we take */

static void *make(struct bounce *bounce)
{
    void *buffer;

    if (bounce->nr_made == BOUNCE_MAX || posix_memalign(&buffer, BOUNCE_ALIGN, BOUNCE_SIZE))
        return NULL;
    bounce->nr_made++;
    return buffer;
}

int bounce_init(struct bounce *bounce)
{
    *bounce = (struct bounce){0};
    bounce->free[0] = make(bounce);
    if (!bounce->free[0])
        return -ENOMEM;
    bounce->nr_free = 1;
    return 0;
}

void bounce_free(struct bounce *bounce)
{
    while (bounce->nr_free)
        free(bounce->free[--bounce->nr_free]);
}

bool bounce_get(struct bounce *bounce, struct disk_request *request)
{
    if (request->work.bounce)
        return true;
    request->work.bounce = bounce->nr_free ? bounce->free[--bounce->nr_free] : make(bounce);
    if (!request->work.bounce)
        disk_list_push(&bounce->waiting, request);
    return request->work.bounce != NULL;
}

struct disk_request *bounce_put(struct bounce *bounce, struct disk_request *request)
{
    void *buffer = request->work.bounce;
    struct disk_request *next;

    request->work.bounce = NULL;
    if (!buffer)
        return NULL;
    next = disk_list_pop(&bounce->waiting);
    if (next)
        next->work.bounce = buffer;
    else
        bounce->free[bounce->nr_free++] = buffer;
    return next;
}
