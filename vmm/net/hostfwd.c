/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/hostfwd.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* The address that `len` characters name; its family is AF_UNSPEC if there are none. */
static bool hostfwd_name(const char *text, size_t len, bool brackets, union hostfwd_address *to)
{
    char word[INET6_ADDRSTRLEN] = "";

    if (len >= sizeof(word))
        return false;
    memcpy(word, text, len);
    if (brackets) {
        to->v6.sin6_family = AF_INET6;
        return inet_pton(AF_INET6, word, &to->v6.sin6_addr) == 1;
    }
    to->v4.sin_family = len ? AF_INET : AF_UNSPEC;
    return len == 0 || inet_pton(AF_INET, word, &to->v4.sin_addr) == 1;
}

/* "[ADDRESS]:PORT", up to one of the characters `ends`. The text behind it, or NULL. */
static const char *hostfwd_endpoint(const char *text, const char *ends, union hostfwd_address *to)
{
    bool brackets = *text == '[';
    const char *name = text + brackets;
    size_t len = strcspn(name, brackets ? "]" : ":");
    const char *colon = name + len;
    char *end;
    long number;

    *to = (union hostfwd_address){.v6.sin6_family = AF_UNSPEC};
    if (brackets && *colon++ != ']')
        return NULL;
    if (*colon != ':' || colon[1] < '0' || colon[1] > '9' || !hostfwd_name(name, len, brackets, to))
        return NULL;
    number = strtol(colon + 1, &end, 10);
    if (end != colon + 1 + strcspn(colon + 1, ends) || number < 1 || number > 65535)
        return NULL;
    /* At the same place for both families. */
    to->v4.sin_port = htons((in_port_t)number);
    return end;
}
_Static_assert(offsetof(struct sockaddr_in, sin_port) == offsetof(struct sockaddr_in6, sin6_port),
               "one place for the port");

unsigned hostfwd_port(const union hostfwd_address *address)
{
    return ntohs(address->v4.sin_port);
}

size_t hostfwd_parse(const char *text, struct hostfwd *fwd)
{
    const char *at = text;
    sa_family_t family;

    *fwd = (struct hostfwd){.udp = strncmp(text, "udp:", 4) == 0};
    if (!fwd->udp && strncmp(text, "tcp:", 4) != 0)
        return 0;
    at = hostfwd_endpoint(at + 4, "-;+", &fwd->host);
    if (!at || *at != '-')
        return 0;
    at = hostfwd_endpoint(at + 1, ";+", &fwd->guest);
    if (!at)
        return 0;
    family = fwd->host.any.sa_family ? fwd->host.any.sa_family : fwd->guest.any.sa_family;
    if (family == AF_UNSPEC)
        family = AF_INET;
    if (fwd->guest.any.sa_family != AF_UNSPEC && fwd->guest.any.sa_family != family)
        return 0;
    fwd->host.any.sa_family = fwd->guest.any.sa_family = family;
    fwd->len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    return (size_t)(at - text);
}
