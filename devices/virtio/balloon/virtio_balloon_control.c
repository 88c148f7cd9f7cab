/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory balloon: the control channel. Lines of text:
 *
 *     size 256M     what the guest is to be left with       ok
 *     stats         what the guest and the host say         {"size": ..., ...}
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "devices/virtio/balloon/virtio_balloon.h"

static const char *const balloon_names[BALLOON_STATS_TAGS] = {
    [VIRTIO_BALLOON_S_SWAP_IN] = "swap-in",
    [VIRTIO_BALLOON_S_SWAP_OUT] = "swap-out",
    [VIRTIO_BALLOON_S_MAJFLT] = "major-faults",
    [VIRTIO_BALLOON_S_MINFLT] = "minor-faults",
    [VIRTIO_BALLOON_S_MEMFREE] = "free",
    [VIRTIO_BALLOON_S_MEMTOT] = "total",
    [VIRTIO_BALLOON_S_AVAIL] = "available",
    [VIRTIO_BALLOON_S_CACHES] = "caches",
    [VIRTIO_BALLOON_S_HTLB_PGALLOC] = "huge-pages-made",
    [VIRTIO_BALLOON_S_HTLB_PGFAIL] = "huge-pages-failed",
};

/* A peer that does not read loses the rest. */
static void balloon_write(struct balloon *b, const char *text)
{
    b->plugin->ops->chr_write(b->plugin->instance, b->chr, (const uint8_t *)text, strlen(text));
}

static void balloon_say(struct balloon *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void balloon_say(struct balloon *b, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    balloon_write(b, text);
}

/* JSON's numbers are signed here: what the guest said beyond that is told as the most. */
static void balloon_put(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name,
                        json_integer(value < INT64_MAX ? (json_int_t)value : INT64_MAX));
}

static void balloon_tell(struct balloon *b)
{
    const struct balloon_state *state = b->state;
    struct stat st = {0};
    json_t *answer = json_object();
    char *text;

    b->asked = false;
    balloon_put(answer, "size", b->ram.bytes - (uint64_t)state->num_pages * BALLOON_PAGE);
    balloon_put(answer, "actual", b->ram.bytes - (uint64_t)state->actual * BALLOON_PAGE);
    if (fstat(b->ram.fd, &st) == 0)
        balloon_put(answer, "host", (uint64_t)st.st_blocks * 512);
    for (unsigned i = 0; i < BALLOON_STATS_TAGS; i++)
        if (state->have >> i & 1)
            balloon_put(answer, balloon_names[i], state->stats[i]);
    text = json_dumps(answer, 0); /* NULL when out of memory */
    balloon_write(b, text ? text : "{}");
    balloon_write(b, "\n");
    free(text);
    json_decref(answer);
}

void balloon_control_news(struct balloon *b)
{
    if (b->chr && b->asked)
        balloon_tell(b);
}

/* The guest does not answer: what was known before has to do. */
static void balloon_impatient(void *opaque)
{
    balloon_control_news(opaque);
}

/* "256M": bytes. 0: it is no size. */
static uint64_t balloon_size(const char *text)
{
    static const char units[] = "KMGT";
    unsigned shift = 0;
    uint64_t n;
    char *end;

    if (*text < '0' || *text > '9')
        return 0;
    n = strtoull(text, &end, 10);
    if (*end && strchr(units, *end))
        shift = 10 * (unsigned)(strchr(units, *end++) - units + 1);
    return *end || n > UINT64_MAX >> shift ? 0 : n << shift;
}

static void balloon_command(struct balloon *b, const char *line)
{
    const struct rv_vmm_ops *ops = b->plugin->ops;
    struct rv_instance *instance = b->plugin->instance;

    if (strncmp(line, "size ", 5) == 0) {
        if (balloon_resize(b, balloon_size(line + 5)))
            balloon_say(b, "error: size '%s': give 1M to %" PRIu64 "M\n", line + 5,
                        b->ram.bytes >> 20);
        else
            balloon_say(b, "ok\n");
    } else if (strcmp(line, "stats") == 0) {
        b->asked = true;
        ops->timer_set(instance, b->patience, ops->now_ns(instance) + BALLOON_STATS_NS);
        if (!balloon_ask(b))
            balloon_tell(b);
    } else if (line[0]) {
        balloon_say(b, "error: '%.32s': there are 'size SIZE' and 'stats'\n", line);
    }
}

static size_t balloon_can_receive(void *opaque)
{
    const struct balloon *b = opaque;

    return BALLOON_LINE_MAX - b->line_len;
}

static void balloon_receive(void *opaque, const uint8_t *data, size_t len)
{
    struct balloon *b = opaque;

    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            b->line[b->line_len++] = (char)data[i];
        } else {
            b->line[b->line_len] = '\0';
            if (b->line_len && b->line[b->line_len - 1] == '\r')
                b->line[b->line_len - 1] = '\0';
            b->line_len = 0;
            balloon_command(b, b->line);
        }
        if (b->line_len == BALLOON_LINE_MAX - 1) {
            balloon_say(b, "error: a line is too long\n");
            b->line_len = 0;
        }
    }
    b->plugin->ops->chr_accept(b->plugin->instance, b->chr);
}

static void balloon_connected(void *opaque, bool connected)
{
    struct balloon *b = opaque;

    if (connected)
        return; /* its first words may have come before */
    b->line_len = 0;
    b->asked = false;
}

int balloon_control_open(struct balloon *b, const char *spec)
{
    static const struct rv_chr_callbacks callbacks = {
        .size = sizeof(callbacks),
        .can_receive = balloon_can_receive,
        .receive = balloon_receive,
        .connected = balloon_connected,
    };
    const struct rv_vmm_ops *ops = b->plugin->ops;

    b->patience = ops->timer_new(b->plugin->instance, balloon_impatient, b);
    if (!b->patience)
        return -ENOMEM;
    if (!spec)
        return 0;
    b->chr = ops->chr_open(b->plugin->instance, spec, &callbacks, b);
    return b->chr ? 0 : -EINVAL;
}

void balloon_control_close(struct balloon *b)
{
    if (b->chr)
        b->plugin->ops->chr_close(b->plugin->instance, b->chr);
    if (b->patience)
        b->plugin->ops->timer_free(b->plugin->instance, b->patience);
}
