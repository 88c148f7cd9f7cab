/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/devices/virtio/attach/attach_cases.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <string.h>

#include "tests/unit/support/check.h"

#define SECTOR  512u
#define SECTORS 64u

/*
 * Random numbers
 */

static void rng_begin(struct attached *a)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct driver_seg seg = {ATTACH_AT(i), 40, true};

        memset(attach_bytes(a, i), 0, 40);
        attach_give(a, 0, i, &seg, 1);
    }
}

static bool rng_work(struct attached *a, bool kick)
{
    if (kick)
        attach_kick(a, 0);
    return true;
}

static void rng_check(struct attached *a)
{
    static const uint8_t zeros[40];

    for (unsigned i = 0; i < 3; i++) {
        attach_used_once(a, i, 40);
        attach_must(a, memcmp(attach_bytes(a, i), zeros, sizeof(zeros)) != 0, "no random bytes");
    }
}

/*
 * A disk
 */

static const struct {
    uint32_t type;
    uint64_t sector;
    uint32_t bytes;
    uint8_t fill;
} disk_requests[] = {
    {VIRTIO_BLK_T_OUT, 2, 2 * SECTOR, 0xa1}, {VIRTIO_BLK_T_OUT, 10, SECTOR, 0xb2},
    {VIRTIO_BLK_T_IN, 20, SECTOR, 20},       {VIRTIO_BLK_T_FLUSH, 0, 0, 0},
    {VIRTIO_BLK_T_GET_ID, 0, 20, 0},         {VIRTIO_BLK_T_WRITE_ZEROES, 30, 16, 0},
};
#define DISK_REQUESTS (sizeof(disk_requests) / sizeof(disk_requests[0]))
#define DISK_STATUS   0x1800u

static void disk_prepare(struct attached *a)
{
    plugin_host_disk_init(&a->host, SECTORS);
}

static void disk_begin(struct attached *a)
{
    for (unsigned i = 0; i < DISK_REQUESTS; i++) {
        const struct virtio_blk_outhdr header = {.type = disk_requests[i].type,
                                                 .sector = disk_requests[i].sector};
        const struct virtio_blk_discard_write_zeroes range = {.sector = 30, .num_sectors = 2};
        bool in = header.type == VIRTIO_BLK_T_IN || header.type == VIRTIO_BLK_T_GET_ID;
        const struct driver_seg segs[] = {
            {ATTACH_AT(i), sizeof(header), false},
            {ATTACH_AT(i) + 0x100, disk_requests[i].bytes, in},
            {ATTACH_AT(i) + DISK_STATUS, 1, true},
        };
        uint8_t *at = attach_bytes(a, i);

        memcpy(at, &header, sizeof(header));
        memset(at + 0x100, in ? 0 : disk_requests[i].fill, disk_requests[i].bytes);
        if (header.type == VIRTIO_BLK_T_WRITE_ZEROES)
            memcpy(at + 0x100, &range, sizeof(range));
        at[DISK_STATUS] = 0xff;
        if (disk_requests[i].bytes) {
            attach_give(a, 0, i, segs, 3);
        } else {
            const struct driver_seg two[] = {segs[0], segs[2]};

            attach_give(a, 0, i, two, 2);
        }
    }
}

/* The last ends first, and there are several rounds of the back end. */
static bool disk_work(struct attached *a, bool kick)
{
    struct rv_disk *disk = &a->host.disk;

    if (kick)
        attach_kick(a, 0);
    while (disk->nr_pending)
        plugin_host_disk_complete(disk, disk->nr_pending - 1, 0, disk->nr_pending % 2);
    plugin_host_turn(&a->host, 1000);
    return disk->nr_pending == 0;
}

/* What the kernel had then may still be done, or not: without anybody being told. */
static void disk_died(struct attached *a)
{
    struct rv_disk *disk = &a->host.disk;

    for (unsigned i = a->store % 2; i < disk->nr_pending; i += 2) {
        const struct rv_disk_request *r = disk->pending[i];

        if (r->op == RV_DISK_WRITE && r->iov_count == 1)
            memcpy(disk->image + r->offset, r->iov[0].iov_base, r->iov[0].iov_len);
    }
}

static void disk_check(struct attached *a)
{
    const uint8_t *image = a->host.disk.image;
    bool right = true;

    for (unsigned i = 0; i < DISK_REQUESTS; i++) {
        const uint8_t *at = attach_bytes(a, i);

        attach_used_once(a, i, 1);
        attach_must(a, at[DISK_STATUS] == VIRTIO_BLK_S_OK, "a request's status");
        if (disk_requests[i].type == VIRTIO_BLK_T_IN)
            attach_must(a, at[0x100] == 20 && at[0x100 + SECTOR - 1] == 20, "what was read");
    }
    for (unsigned i = 0; i < SECTORS; i++) {
        uint8_t is = i == 2 || i == 3 ? 0xa1 : i == 10 ? 0xb2 : i == 30 || i == 31 ? 0 : (uint8_t)i;

        right &= image[i * SECTOR] == is && image[(i + 1) * SECTOR - 1] == is;
    }
    attach_must(a, right, "what the disk contains");
}

/*
 * Pages that go back to the host
 */

#define BALLOON_FIRST 8u /* token of the pages */

static void balloon_pages(struct attached *a, unsigned queue, unsigned token)
{
    const struct driver_seg seg = {ATTACH_AT(token), 8, false};
    uint32_t pages[2] = {(uint32_t)(ATTACH_AT(BALLOON_FIRST) / 4096),
                         (uint32_t)(ATTACH_AT(BALLOON_FIRST) / 4096 + 1)};

    memcpy(attach_bytes(a, token), pages, sizeof(pages));
    attach_give(a, queue, token, &seg, 1);
}

static void balloon_begin(struct attached *a)
{
    const struct virtio_balloon_stat stat = {.tag = VIRTIO_BALLOON_S_MEMFREE, .val = 77};
    const struct driver_seg stats = {ATTACH_AT(2), sizeof(stat), false};
    const struct driver_seg free = {ATTACH_AT(BALLOON_FIRST + 1), 4096, true};

    memset(attach_bytes(a, BALLOON_FIRST), 0x5a, 3 * 4096);
    balloon_pages(a, 0, 0);
    balloon_pages(a, 1, 1);
    memcpy(attach_bytes(a, 2), &stat, sizeof(stat));
    if (a->round == 0)
        attach_give(a, 2, 2, &stats, 1);
    attach_give(a, 3, 3, &free, 1);
}

static bool balloon_work(struct attached *a, bool kick)
{
    for (unsigned i = 0; i < 4 && kick; i++)
        attach_kick(a, i);
    plugin_host_turn(&a->host, 1000);
    return true;
}

static void balloon_check(struct attached *a)
{
    const uint8_t *pages = attach_bytes(a, BALLOON_FIRST);

    attach_used_once(a, 0, 0);
    attach_used_once(a, 1, 0);
    attach_used_once(a, 3, 0);
    attach_must(a, a->done[2].count == 0, "the buffer for statistics is not kept");
    attach_must(a, pages[0] == 0 && pages[8191] == 0, "what was given back is still there");
    attach_must(a, pages[8192] == 0, "what was reported as free is still there");
}

#define DISK(what, ...)                                                                            \
    {                                                                                              \
        .name = what, .plugin = "virtio-blk", .properties = {{"path", "disk"}}, .queues = 1,       \
        .size = 32, .data = true, .prepare = disk_prepare, .begin = disk_begin, .work = disk_work, \
        .died = disk_died, .check = disk_check, __VA_ARGS__                                        \
    }

const struct attach_case attach_cases[] = {
    {.name = "rng",
     .plugin = "virtio-rng",
     .queues = 1,
     .size = 8,
     .data = true,
     .begin = rng_begin,
     .work = rng_work,
     .check = rng_check},
    DISK("disk", .features = VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH)),
    DISK("disk, each write stable", .features = 0),
    {.name = "balloon",
     .plugin = "virtio-balloon",
     .features =
         VIRTIO_FEATURE(VIRTIO_BALLOON_F_STATS_VQ) | VIRTIO_FEATURE(VIRTIO_BALLOON_F_REPORTING),
     .queues = 4,
     .size = 16,
     .begin = balloon_begin,
     .work = balloon_work,
     .check = balloon_check},
};
const unsigned attach_nr_cases = COUNT_OF(attach_cases);
