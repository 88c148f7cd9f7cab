/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory balloon: virtio 1.2, 5.5. What the guest gives back, by inflating or by
 * reporting free pages, is given back to the host at once.
 */
#pragma once

#include <linux/virtio_balloon.h>

#include <ringvisor/virtio/virtio_plugin.h>

#define BALLOON_PAGE       4096u
#define BALLOON_LIST_MAX   1024u /* pages in one request of the driver; Linux sends 256 */
#define BALLOON_SEGS       64u
#define BALLOON_BATCH      16u /* requests of a queue before others have their turn */
#define BALLOON_LINE_MAX   128u
#define BALLOON_STATS_NS   1000000000u /* what `stats` waits for the guest */
#define BALLOON_REPLIES    8u          /* commands `stats` that wait, and lines */
#define BALLOON_STATS_TAGS 10u

/* In the state block. */
struct balloon_state {
    uint32_t num_pages; /* that the host wants */
    uint32_t actual;    /* that the driver says it has given */
    uint64_t stats[BALLOON_STATS_TAGS];
    uint32_t have; /* bit n: stats[n] has come */
    uint32_t pad;
};
_Static_assert(sizeof(struct balloon_state) == 96, "state layout");

struct balloon {
    struct virtio_plugin *plugin;
    struct balloon_state *state;
    struct rv_mem_region ram;
    struct virtqueue_limits limits[4];

    struct rv_chr *chr; /* control; NULL: none */
    char line[BALLOON_LINE_MAX];
    unsigned line_len;

    /* Who waits for statistics: lines of the control channel, and commands. */
    unsigned lines;
    struct rv_reply *replies[BALLOON_REPLIES];
    unsigned nr_replies;
    struct rv_timer *patience; /* with the driver, which has been asked */
    bool asked;

    struct virtq_chain stats; /* the driver's buffer, until it is asked for news */
    bool stats_held;
    bool complained;
    uint64_t *inflated, *deflated, *reported; /* counters, bytes */
};

/* virtio_balloon_pages.c */
void balloon_inflate(struct balloon *b, const struct virtq_chain *chain);
void balloon_report(struct balloon *b, const struct virtq_chain *chain);

/* virtio_balloon_command.c */
int balloon_command(void *device, const struct rv_device_command *command);
/* Statistics are wanted, by one that is counted already: balloon_tell() comes, now or later. */
void balloon_want_stats(struct balloon *b);
void balloon_tell(struct balloon *b); /* what is known now, to all who wait */

/* virtio_balloon_control.c */
int balloon_control_open(struct balloon *b, const char *spec);
void balloon_control_close(struct balloon *b);
void balloon_control_tell(struct balloon *b, const char *json); /* to each line that waits */

/* What the guest is to be left with; -EINVAL: more than it has, or not whole pages. */
int balloon_resize(struct balloon *b, uint64_t bytes);

/* Hand the driver its buffer for statistics. False: it has not given one, or the device is held. */
bool balloon_ask(struct balloon *b);
