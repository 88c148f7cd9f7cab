/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/virtio/net/hostfwd.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* "[ADDRESS]:PORT", up to the character `end`. The text behind it, or NULL. */
static const char *hostfwd_endpoint(const char *text, const char *ends, struct in_addr *addr,
                                    int *port)
{
    size_t len = strcspn(text, ends);
    const char *colon = memchr(text, ':', len);
    char word[INET_ADDRSTRLEN] = "";
    char *end;
    long number;

    if (!colon || (size_t)(colon - text) >= sizeof(word))
        return NULL;
    memcpy(word, text, (size_t)(colon - text));
    addr->s_addr = INADDR_ANY;
    if (word[0] && inet_pton(AF_INET, word, addr) != 1)
        return NULL;
    if (colon[1] < '0' || colon[1] > '9')
        return NULL;
    number = strtol(colon + 1, &end, 10);
    if (end != text + len || number < 1 || number > 65535)
        return NULL;
    *port = (int)number;
    return end;
}

size_t hostfwd_parse(const char *text, struct hostfwd *fwd)
{
    const char *at = text;

    *fwd = (struct hostfwd){.udp = strncmp(text, "udp:", 4) == 0};
    if (!fwd->udp && strncmp(text, "tcp:", 4) != 0)
        return 0;
    at = hostfwd_endpoint(at + 4, "-;+", &fwd->host, &fwd->host_port);
    if (!at || *at != '-')
        return 0;
    at = hostfwd_endpoint(at + 1, ";+", &fwd->guest, &fwd->guest_port);
    return at ? (size_t)(at - text) : 0;
}
