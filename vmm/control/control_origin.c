/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/control/control_origin.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* The length of the name in "NAME[:PORT]". */
static size_t name_length(const char *host)
{
    return host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
}

/*
 * Can a stranger make this name mean the browser's computer (DNS rebinding)? A stranger has
 * domains. An address is what it is, and names without a dot, and those below "localhost", are
 * the computer's or its network's.
 */
static bool is_strangers(const char *host)
{
    static const char local[] = ".localhost";
    size_t len = name_length(host);
    bool number = true, dot = false;

    if (host[0] == '[')
        return false;
    for (size_t i = 0; i < len; i++) {
        number = number && (isdigit((unsigned char)host[i]) || host[i] == '.');
        dot = dot || host[i] == '.';
    }
    if (number || !dot)
        return false;
    return len < sizeof(local) - 1 ||
           strncasecmp(host + len - (sizeof(local) - 1), local, sizeof(local) - 1) != 0;
}

/* Our page's origin is where the request goes to. */
static bool is_own(const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");

    return at && host && strncasecmp(origin, "http", 4) == 0 && strcasecmp(at + 3, host) == 0;
}

const char *control_origin_refused(const struct control_origin *from)
{
    if (from->host && is_strangers(from->host))
        return "the request names a host that may be a stranger's: use localhost or an address";
    if (from->origin && !is_own(from->origin, from->host))
        return "a page of another site has sent the request";
    /* A link on another site may lead here; nothing else of it may. */
    if (from->fetch_site &&
        (strcmp(from->fetch_site, "cross-site") == 0 ||
         strcmp(from->fetch_site, "same-site") == 0) &&
        (!from->fetch_mode || strcmp(from->fetch_mode, "navigate") != 0))
        return "a page of another site has sent the request";
    return NULL;
}
