/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of one host block by several requests, one after the other: see raw_internal.h. */
#include "vmm/disk/raw_internal.h"

bool raw_is_between(const struct raw *raw, const struct disk_request *request)
{
    return (request->offset | request->work.total) % raw->direct_align != 0;
}

/* Of whole host blocks. */
static uint64_t first_byte(const struct raw *raw, const struct disk_request *request)
{
    return request->offset - request->offset % raw->direct_align;
}

static uint64_t end_byte(const struct raw *raw, const struct disk_request *request)
{
    uint64_t end = request->offset + request->work.total;

    return (end + raw->direct_align - 1) / raw->direct_align * raw->direct_align;
}

/* Two changes of whole blocks are as on any disk: the guest sees to their order. */
static bool collide(const struct raw *raw, const struct disk_request *a,
                    const struct disk_request *b)
{
    return (raw_is_between(raw, a) || raw_is_between(raw, b)) &&
           first_byte(raw, a) < end_byte(raw, b) && first_byte(raw, b) < end_byte(raw, a);
}

static bool is_needed(const struct raw *raw, const struct disk_request *request)
{
    return raw->direct_align > raw->disk.info.block_size && request->op != DISK_READ &&
           request->op != DISK_FLUSH;
}

/* In the order of their arrival: nobody overtakes one that waits for the same block. */
static bool must_wait(const struct raw *raw, const struct disk_request *request)
{
    for (const struct disk_request *r = raw->claims; r; r = r->work.peer)
        if (collide(raw, r, request))
            return true;
    for (const struct disk_request *r = raw->held.first; r; r = r->work.next)
        if (collide(raw, r, request))
            return true;
    return false;
}

bool raw_claim(struct raw *raw, struct disk_request *request)
{
    if (!is_needed(raw, request))
        return true;
    if (must_wait(raw, request)) {
        disk_list_push(&raw->held, request);
        return false;
    }
    request->work.peer = raw->claims;
    raw->claims = request;
    return true;
}

void raw_release(struct raw *raw, struct disk_request *request, struct disk_list *go_on)
{
    struct disk_request **at = &raw->claims, *next;
    struct disk_list held = raw->held;

    if (!is_needed(raw, request))
        return;
    while (*at && *at != request)
        at = &(*at)->work.peer;
    if (*at)
        *at = request->work.peer;
    raw->held = (struct disk_list){0};
    while ((next = disk_list_pop(&held))) {
        if (raw_claim(raw, next))
            disk_list_push(go_on, next);
    }
}
