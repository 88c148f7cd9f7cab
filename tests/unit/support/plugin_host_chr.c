/* SPDX-License-Identifier: BSD-2-Clause */
/* Character back ends in memory. */
#include <string.h>

#include "tests/unit/support/check.h"
#include "tests/unit/support/plugin_host_internal.h"

struct rv_chr *plugin_host_chr_open(struct rv_instance *host, const char *spec,
                                    const struct rv_chr_callbacks *callbacks, void *opaque)
{
    struct rv_chr *chr = NULL;
    unsigned open = 0;

    CHECK(callbacks->size == sizeof(*callbacks));
    for (unsigned i = 0; i < PLUGIN_HOST_CHRS; i++) {
        open += host->chr[i].open;
        if (!host->chr[i].open && !chr)
            chr = &host->chr[i];
    }
    CHECK(chr);
    chr->spec = spec;
    if (host->chr_fail_at == open + 1)
        return NULL;
    chr->callbacks = *callbacks;
    chr->opaque = opaque;
    chr->open = true;
    chr->room = SIZE_MAX;
    chr->slow = false;
    chr->accepts = 0;
    plugin_host_chr_clear(chr);
    return chr;
}

static void check_chr(const struct rv_instance *host, const struct rv_chr *chr)
{
    CHECK(chr >= host->chr && chr < host->chr + PLUGIN_HOST_CHRS && chr->open);
}

size_t plugin_host_chr_write(struct rv_instance *host, struct rv_chr *chr, const uint8_t *data,
                             size_t len)
{
    size_t taken = len < chr->room ? len : chr->room;
    volatile uint8_t sum = 0;

    check_chr(host, chr);
    CHECK(len != 0);
    for (size_t i = 0; i < taken; i++)
        chr->got[chr->got_len++ % PLUGIN_HOST_CHR_BYTES] = data[i];
    chr->got[chr->got_len % PLUGIN_HOST_CHR_BYTES] = '\0';
    for (size_t i = taken; i < len; i++) /* the vmm may read all of it */
        sum = (uint8_t)(sum + data[i]);
    if (chr->room != SIZE_MAX)
        chr->room -= taken;
    chr->slow |= taken < len;
    return taken;
}

void plugin_host_chr_accept(struct rv_instance *host, struct rv_chr *chr)
{
    check_chr(host, chr);
    chr->accepts++;
}

void plugin_host_chr_close(struct rv_instance *host, struct rv_chr *chr)
{
    check_chr(host, chr);
    chr->open = false;
}

void plugin_host_chr_room(struct rv_chr *chr, size_t room)
{
    chr->room = room;
    if (!chr->open || !chr->slow || room == 0)
        return;
    chr->slow = false;
    if (chr->callbacks.writable)
        chr->callbacks.writable(chr->opaque);
}

size_t plugin_host_chr_input_once(struct rv_chr *chr, const void *data, size_t len)
{
    size_t room;

    if (!chr->open || !chr->callbacks.receive)
        return 0;
    room = chr->callbacks.can_receive(chr->opaque);
    len = len < room ? len : room;
    if (len)
        chr->callbacks.receive(chr->opaque, data, len);
    return len;
}

size_t plugin_host_chr_input(struct rv_chr *chr, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    size_t given = 0, n;

    while (given < len && (n = plugin_host_chr_input_once(chr, bytes + given, len - given)) != 0)
        given += n;
    return given;
}

void plugin_host_chr_connected(struct rv_chr *chr, bool connected)
{
    if (chr->open && chr->callbacks.connected)
        chr->callbacks.connected(chr->opaque, connected);
}

void plugin_host_chr_clear(struct rv_chr *chr)
{
    chr->got_len = 0;
    chr->got[0] = '\0';
}
