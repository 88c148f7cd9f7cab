/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/util/service.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#define US_PER_S 1000000u

static int notify_fd = -1; /* -1: sd_notify() makes a socket for each message */

void service_open(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path ? strlen(path) : 0;

    if (!size || size >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, size);
    if (*path == '@') /* an abstract address */
        address.sun_path[0] = '\0';
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify_fd >= 0 && connect(notify_fd, (const struct sockaddr *)&address,
                                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) < 0)
        service_close();
}

void service_close(void)
{
    if (notify_fd >= 0)
        close(notify_fd);
    notify_fd = -1;
}

static void notify(const char *text)
{
    if (notify_fd < 0)
        sd_notify(0, text);
    else
        send(notify_fd, text, strlen(text), MSG_NOSIGNAL);
}

static void alive(evutil_socket_t fd, short what, void *opaque)
{
    notify("WATCHDOG=1");
}

struct event *service_ready(struct event_base *base)
{
    uint64_t limit_us;
    struct timeval period;
    struct event *timer;

    notify("READY=1");
    if (sd_watchdog_enabled(0, &limit_us) <= 0)
        return NULL;
    period.tv_sec = (time_t)(limit_us / 2 / US_PER_S);
    period.tv_usec = (suseconds_t)(limit_us / 2 % US_PER_S);
    /* At once, too: another worker may have been about to tell it when this one took over. */
    alive(-1, 0, NULL);
    timer = event_new(base, -1, EV_PERSIST, alive, NULL);
    if (timer)
        event_add(timer, &period);
    return timer;
}

void service_stopping(unsigned seconds)
{
    char text[96];

    snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64,
             (uint64_t)seconds * US_PER_S);
    notify(text);
}
