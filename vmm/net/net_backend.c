/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/net/net_backend.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    struct net_backend *(*open)(const struct net_context *context,
                                const struct net_callbacks *callbacks, unsigned pairs);
} net_backends[] = {
    {.name = "user", .open = net_user_open},
    {.name = "tap", .open = net_tap_open},
    {.name = "socket", .open = net_socket_open},
};

int net_backend_open(const char *name, const struct net_context *context,
                     const struct net_callbacks *callbacks, unsigned pairs,
                     struct net_backend **backend)
{
    for (size_t i = 0; i < sizeof(net_backends) / sizeof(net_backends[0]); i++) {
        if (strcmp(net_backends[i].name, name) != 0)
            continue;
        *backend = net_backends[i].open(context, callbacks, pairs);
        if (!*backend)
            return -EINVAL;
        (*backend)->name = net_backends[i].name;
        return 0;
    }
    context->ops->log(context->instance, RV_LOG_ERROR,
                      "backend '%s': give one of user, tap, socket", name);
    return -EINVAL;
}
