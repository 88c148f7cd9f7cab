/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory balloon: the control channel. Lines of text:
 *
 *     size 256M     what the guest is to be left with       ok
 *     stats         what the guest and the host say         {"size": ..., ...}
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/balloon/virtio_balloon.h"

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

void balloon_control_tell(struct balloon *b, const char *json)
{
    for (; b->lines; b->lines--) {
        balloon_write(b, json);
        balloon_write(b, "\n");
    }
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

static void balloon_line(struct balloon *b, const char *line)
{
    if (strncmp(line, "size ", 5) == 0) {
        if (balloon_resize(b, balloon_size(line + 5)))
            balloon_say(b, "error: size '%s': give 1M to %" PRIu64 "M\n", line + 5,
                        b->ram.bytes >> 20);
        else
            balloon_say(b, "ok\n");
    } else if (strcmp(line, "stats") == 0 && b->lines == BALLOON_REPLIES) {
        balloon_say(b, "error: stats: %u of them wait for their answers\n", b->lines);
    } else if (strcmp(line, "stats") == 0) {
        b->lines++;
        balloon_want_stats(b);
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
            balloon_line(b, b->line);
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
    b->lines = 0;
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

    if (!spec)
        return 0;
    b->chr = ops->chr_open(b->plugin->instance, spec, &callbacks, b);
    return b->chr ? 0 : -EINVAL;
}

void balloon_control_close(struct balloon *b)
{
    if (b->chr)
        b->plugin->ops->chr_close(b->plugin->instance, b->chr);
}
