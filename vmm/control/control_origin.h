/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a request may come from a page of another site, which a browser has opened: the socket
 * may be forwarded to a port of the browser's computer, which each of its pages can reach.
 */
#pragma once

/* Headers of a request; NULL: it has none of that name. */
struct control_origin {
    const char *host;
    const char *origin;
    const char *fetch_site; /* Sec-Fetch-Site */
    const char *fetch_mode; /* Sec-Fetch-Mode */
};

/* NULL: it may be served. Else what is wrong, for a message. */
const char *control_origin_refused(const struct control_origin *from);
