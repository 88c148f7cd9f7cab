/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory balloon: pages that go back to the host. */
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/balloon/virtio_balloon.h"

static int balloon_compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* The bytes that were discarded. What is no RAM is the driver's mistake, said once. */
static uint64_t balloon_discard(struct balloon *b, uint64_t ipa, uint64_t bytes)
{
    const struct virtio_plugin *plugin = b->plugin;
    int error = plugin->ops->mem_discard(plugin->instance, ipa, bytes);
    uint64_t discarded = 0;

    if (!error)
        return bytes;
    if (error == -EFAULT && bytes > BALLOON_PAGE) {
        /* One wrong page number among its neighbours: the others are good. */
        for (uint64_t at = 0; at < bytes; at += BALLOON_PAGE)
            discarded += balloon_discard(b, ipa + at, BALLOON_PAGE);
        return discarded;
    }
    if (!b->complained)
        plugin->ops->log(plugin->instance, RV_LOG_WARN,
                         "0x%" PRIx64 " bytes at 0x%" PRIx64 " that the guest gave are not given "
                         "back to the host: %s; further ones without a message",
                         bytes, ipa,
                         error == -EOPNOTSUPP ? "this machine keeps all of a guest's memory"
                                              : strerror(-error));
    b->complained = true;
    return 0;
}

/* 5.5.6: a list of page numbers. Neighbours are one piece, in whatever order they come. */
void balloon_inflate(struct balloon *b, const struct virtq_chain *chain)
{
    uint32_t pages[BALLOON_LIST_MAX];
    size_t bytes = iov_read(chain->readable, chain->readable_count, 0, pages, sizeof(pages));
    size_t count = bytes / sizeof(pages[0]);

    for (size_t i = 0; i < count; i++)
        pages[i] = le32toh(pages[i]);
    qsort(pages, count, sizeof(pages[0]), balloon_compare);
    for (size_t first = 0, next; first < count; first = next) {
        uint32_t last = pages[first];

        for (next = first + 1; next < count && pages[next] - last <= 1; next++)
            last = pages[next];
        *b->inflated += balloon_discard(b, (uint64_t)pages[first] * BALLOON_PAGE,
                                        ((uint64_t)last - pages[first] + 1) * BALLOON_PAGE);
    }
}

/* 5.5.6.7: free pages themselves, whose contents do not matter to the driver. */
void balloon_report(struct balloon *b, const struct virtq_chain *chain)
{
    for (unsigned i = 0; i < chain->writable_count; i++) {
        uint64_t start = virtio_plugin_ipa(b->plugin, chain->writable[i].iov_base);
        uint64_t end = start + chain->writable[i].iov_len;

        start = (start + BALLOON_PAGE - 1) & ~(uint64_t)(BALLOON_PAGE - 1);
        end &= ~(uint64_t)(BALLOON_PAGE - 1);
        if (start < end)
            *b->reported += balloon_discard(b, start, end - start);
    }
}
