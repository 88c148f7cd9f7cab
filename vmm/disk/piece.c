/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests in pieces: what one call takes of the caller's memory. */
#include <assert.h>
#include <string.h>

#include "vmm/disk/disk_internal.h"

#define ZEROS_SIZE     65536u
#define ZEROS_ELEMENTS 16u

/* Aligned for O_DIRECT on any page size. Never written to. */
static _Alignas(ZEROS_SIZE) uint8_t zeros[ZEROS_SIZE];

#define Z1                                       \
    {                                            \
        .iov_base = zeros, .iov_len = ZEROS_SIZE \
    }
#define Z4 Z1, Z1, Z1, Z1
static const struct iovec zeros_iov[ZEROS_ELEMENTS] = {Z4, Z4, Z4, Z4};

void disk_next_piece(struct disk_request *request, uint64_t max)
{
    struct disk_work *work = &request->work;
    const struct iovec *first = &request->iov[work->index];
    uint64_t left = work->total - work->progress;

    if (left > max)
        left = max;
    work->at = request->offset + work->progress;
    if (work->skip == 0 && first->iov_len <= left) {
        work->iov = first;
        work->iov_count = 0;
        work->piece = 0;
        while (work->index + work->iov_count < request->iov_count &&
               first[work->iov_count].iov_len <= left - work->piece)
            work->piece += first[work->iov_count++].iov_len;
        return;
    }
    /* A part of one element: the caller's array is not ours to change. */
    if (left > first->iov_len - work->skip)
        left = first->iov_len - work->skip;
    work->part.iov_base = (uint8_t *)first->iov_base + work->skip;
    work->part.iov_len = left;
    work->iov = &work->part;
    work->iov_count = 1;
    work->piece = left;
}

void disk_advance(struct disk_request *request, uint64_t bytes)
{
    struct disk_work *work = &request->work;

    work->progress += bytes;
    work->skip += bytes;
    if (request->op == DISK_WRITE_ZEROES)
        return;
    /* Also over empty elements, so that there is always something in a piece. */
    while (work->index < request->iov_count && work->skip >= request->iov[work->index].iov_len)
        work->skip -= request->iov[work->index++].iov_len;
}

/* Copies `bytes` at `progress` between the caller's memory and a buffer, either way. */
static void copy(const struct disk_request *request, uint8_t *in, const uint8_t *out,
                 uint64_t bytes)
{
    uint64_t skip = request->work.skip, done = 0;

    for (unsigned i = request->work.index; done < bytes; i++) {
        uint8_t *memory = (uint8_t *)request->iov[i].iov_base + skip;
        uint64_t n = request->iov[i].iov_len - skip;

        assert(i < request->iov_count);
        skip = 0;
        if (n == 0)
            continue;
        if (n > bytes - done)
            n = bytes - done;
        if (in)
            memcpy(in + done, memory, n);
        else
            memcpy(memory, out + done, n);
        done += n;
    }
}

void disk_gather(const struct disk_request *request, void *buffer, uint64_t bytes)
{
    copy(request, buffer, NULL, bytes);
}

void disk_scatter(const struct disk_request *request, const void *buffer, uint64_t bytes)
{
    copy(request, NULL, buffer, bytes);
}

void disk_clear(const struct disk_request *request, uint64_t bytes)
{
    assert(bytes <= ZEROS_SIZE);
    copy(request, NULL, zeros, bytes);
}

void disk_next_zeros(struct disk_request *request)
{
    struct disk_work *work = &request->work;
    uint64_t left = work->total - work->progress;

    work->at = request->offset + work->progress;
    if (left >= ZEROS_SIZE) {
        work->iov = zeros_iov;
        work->iov_count =
            left / ZEROS_SIZE < ZEROS_ELEMENTS ? (unsigned)(left / ZEROS_SIZE) : ZEROS_ELEMENTS;
        work->piece = (uint64_t)work->iov_count * ZEROS_SIZE;
        return;
    }
    work->part = (struct iovec){.iov_base = zeros, .iov_len = left};
    work->iov = &work->part;
    work->iov_count = 1;
    work->piece = left;
}
