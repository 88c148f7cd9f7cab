/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/support/plugin_net.h"

#include <event2/event.h>
#include <stdlib.h>

#include "vmm/net/net_backend.h"

struct event_base *plugin_net_base;

struct rv_net {
    struct net_context context;
    struct net_backend *backend;
    struct rv_net_callbacks callbacks;
    void *opaque;
    struct rv_net_info info;
};

static void plugin_net_readable(void *opaque, unsigned pair)
{
    const struct rv_net *net = opaque;

    net->callbacks.readable(net->opaque, pair);
}

static void plugin_net_writable(void *opaque, unsigned pair)
{
    const struct rv_net *net = opaque;

    net->callbacks.writable(net->opaque, pair);
}

static void plugin_net_link(void *opaque, bool up)
{
    const struct rv_net *net = opaque;

    net->callbacks.link(net->opaque, up);
}

static int plugin_net_open(struct rv_instance *host, const struct rv_net_options *options,
                           struct rv_net **result)
{
    struct rv_net *net = calloc(1, sizeof(*net));
    const struct net_callbacks callbacks = {
        .opaque = net,
        .readable = plugin_net_readable,
        .writable = plugin_net_writable,
        .link = plugin_net_link,
    };
    int error;

    net->context =
        (struct net_context){.ops = &host->ops, .instance = host, .base = plugin_net_base};
    net->callbacks = *options->callbacks;
    net->opaque = options->opaque;
    error = net_backend_open(host->ops.property_string(host, "backend"), &net->context, &callbacks,
                             options->pairs, &net->backend);
    if (error) {
        free(net);
        return error;
    }
    net->info = (struct rv_net_info){
        .size = sizeof(net->info),
        .pairs = net->backend->pairs,
        .features = net->backend->features,
        .link = 1,
        .name = net->backend->name,
    };
    *result = net;
    return 0;
}

static const struct rv_net_info *plugin_net_info(struct rv_instance *host, struct rv_net *net)
{
    return &net->info;
}

static int plugin_net_send(struct rv_instance *host, struct rv_net *net, uint32_t pair,
                           const struct iovec *iov, uint32_t count)
{
    return net->backend->ops->send(net->backend, pair, iov, count);
}

static int64_t plugin_net_receive(struct rv_instance *host, struct rv_net *net, uint32_t pair,
                                  const struct iovec *iov, uint32_t count)
{
    return net->backend->ops->receive(net->backend, pair, iov, count);
}

static void plugin_net_want(struct rv_instance *host, struct rv_net *net, uint32_t pair, bool want)
{
    net->backend->ops->want(net->backend, pair, want);
}

static void plugin_net_set_offloads(struct rv_instance *host, struct rv_net *net, uint64_t features)
{
    if (net->backend->ops->set_offloads)
        net->backend->ops->set_offloads(net->backend, features);
}

static int plugin_net_set_pairs(struct rv_instance *host, struct rv_net *net, uint32_t pairs)
{
    return net->backend->ops->set_pairs ? net->backend->ops->set_pairs(net->backend, pairs) : 0;
}

static void plugin_net_close(struct rv_instance *host, struct rv_net *net)
{
    net->backend->ops->destroy(net->backend);
    free(net);
}

void plugin_net_init(struct rv_instance *host)
{
    if (!plugin_net_base)
        plugin_net_base = event_base_new();
    PLUGIN_HOST_NET(&host->ops, plugin_net);
}
