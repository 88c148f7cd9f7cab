/* SPDX-License-Identifier: BSD-2-Clause */
/* A console and a channel for programs: control messages, output to a slow reader, input. */
#include <linux/virtio_console.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/devices/virtio/attach/attach_cases.h"

#define CONTROL_IN  2u
#define CONTROL_OUT 3u
#define NR_NEWS     12u /* buffers for control messages: the first tokens */
#define SAYS        12u /* tokens of what the driver says */
#define PRINTS      18u /* ... and of output */
#define READS       20u /* ... and for input */
#define ROOM        4u  /* bytes that the reader takes at once */

static const char hello[] = "hello world";

static void console_says(struct attached *a, unsigned n, uint32_t id, uint16_t event)
{
    const struct virtio_console_control c = {id, event, 1};
    const struct driver_seg seg = {ATTACH_AT(SAYS + n), sizeof(c), false};

    memcpy(attach_bytes(a, SAYS + n), &c, sizeof(c));
    attach_give(a, CONTROL_OUT, SAYS + n, &seg, 1);
}

static void console_prints(struct attached *a, unsigned n, const char *text, unsigned len)
{
    const struct driver_seg seg = {ATTACH_AT(PRINTS + n), len, false};

    memcpy(attach_bytes(a, PRINTS + n), text, len);
    attach_give(a, 1, PRINTS + n, &seg, 1);
}

static void console_begin(struct attached *a)
{
    const struct driver_seg in = {ATTACH_AT(READS), 16, true};

    for (unsigned i = 0; i < NR_NEWS && a->round == 0; i++) {
        const struct driver_seg seg = {ATTACH_AT(i), 128, true};

        attach_give(a, CONTROL_IN, i, &seg, 1);
    }
    if (a->round == 0) {
        console_says(a, 0, 0, VIRTIO_CONSOLE_DEVICE_READY);
        console_says(a, 1, 0, VIRTIO_CONSOLE_PORT_READY);
        console_says(a, 2, 1, VIRTIO_CONSOLE_PORT_READY);
        console_says(a, 3, 0, VIRTIO_CONSOLE_PORT_OPEN);
        console_says(a, 4, 1, VIRTIO_CONSOLE_PORT_OPEN);
    }
    console_prints(a, 0, hello, 6);
    console_prints(a, 1, hello + 6, sizeof(hello) - 1 - 6);
    if (a->round == 0 || a->typed == 2)
        attach_give(a, 4, READS, &in, 1);
    a->text[0] = '\0';
    a->typed = 0;
    plugin_host_chr_clear(&a->host.chr[0]);
}

static bool console_work(struct attached *a, bool kick)
{
    static const unsigned queues[] = {CONTROL_IN, CONTROL_OUT, 1, 4};

    for (unsigned i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
        if (queues[i] == 1)
            plugin_host_chr_room(&a->host.chr[0], ROOM);
        if (kick)
            attach_kick(a, queues[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        plugin_host_turn(&a->host, 1000);
        plugin_host_chr_room(&a->host.chr[0], ROOM);
    }
    if (a->typed || a->typing)
        return true;
    a->typing = true;
    a->typed = (unsigned)plugin_host_chr_input(&a->host.chr[1], "ab", 2);
    a->typing = false;
    return true;
}

/* What the terminal has of this vmm. */
static void console_collect(struct attached *a)
{
    size_t len = strlen(a->text), more = a->host.chr[0].got_len;

    more = more < ATTACH_TEXT - 1 - len ? more : ATTACH_TEXT - 1 - len;
    memcpy(a->text + len, a->host.chr[0].got, more);
    a->text[len + more] = '\0';
}

/* Which of the messages that there must be have come, and how often a channel's was told. */
static void console_check_news(struct attached *a)
{
    unsigned seen[2][16] = {{0}};

    for (unsigned i = 0; i < NR_NEWS; i++) {
        struct virtio_console_control c;

        if (!a->done[i].count)
            continue;
        memcpy(&c, attach_bytes(a, i), sizeof(c));
        attach_must(a, a->done[i].count == 1 && a->done[i].len >= sizeof(c) && c.id < 2,
                    "a control message that is none");
        if (c.id < 2 && c.event < 16)
            seen[c.id][c.event]++;
    }
    attach_must(a, seen[0][VIRTIO_CONSOLE_PORT_ADD] == 1 && seen[1][VIRTIO_CONSOLE_PORT_ADD] == 1,
                "PORT_ADD");
    attach_must(a, seen[0][VIRTIO_CONSOLE_CONSOLE_PORT] == 1, "CONSOLE_PORT");
    attach_must(a, seen[1][VIRTIO_CONSOLE_PORT_NAME] == 1, "PORT_NAME");
    /* Once more by a vmm that has taken over: the other end may be another one. */
    for (unsigned i = 0; i < 2; i++)
        attach_must(a,
                    seen[i][VIRTIO_CONSOLE_PORT_OPEN] >= 1 &&
                        seen[i][VIRTIO_CONSOLE_PORT_OPEN] <= 1u + a->dead,
                    "PORT_OPEN");
}

/* All of it, in order; of a vmm that died what it wrote last may come twice. */
static bool console_is_whole(const char *text, bool dead)
{
    size_t size = strlen(hello);

    if (strcmp(text, hello) == 0)
        return true;
    for (size_t first = 0; dead && first <= size; first++)
        for (size_t again = 1; again <= ROOM && again <= first; again++) {
            char twice[64];

            snprintf(twice, sizeof(twice), "%.*s%s", (int)first, hello, hello + first - again);
            if (strcmp(text, twice) == 0)
                return true;
        }
    return false;
}

static void console_check(struct attached *a)
{
    if (a->round == 0) {
        console_check_news(a);
        for (unsigned i = 0; i < 5; i++)
            attach_used_once(a, SAYS + i, 0);
    }
    attach_used_once(a, PRINTS, 0);
    attach_used_once(a, PRINTS + 1, 0);
    console_collect(a);
    attach_must(a, console_is_whole(a->text, a->dead), a->text);
    if (a->dead && a->typing) { /* what was typed may be lost with who took it */
        a->typing = false;
        if (a->done[READS].count)
            a->typed = 2;
    } else {
        attach_must(a, a->typed == 2, "the port is not open");
        attach_used_once(a, READS, 2);
        attach_must(a, memcmp(attach_bytes(a, READS), "ab", 2) == 0, "what was typed");
    }
}

const struct attach_case attach_console = {
    .name = "console",
    .plugin = "virtio-console",
    .properties = {{"chardev", "first"}, {"chardev1", "second"}, {"name1", "org.test"}},
    .features = VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT),
    .queues = 6,
    .size = 64,
    .data = true,
    .begin = console_begin,
    .work = console_work,
    .died = console_collect,
    .check = console_check,
};
