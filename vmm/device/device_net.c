/* SPDX-License-Identifier: BSD-2-Clause */
/* A device's network back ends: the plugin ABI's network operations on vmm/net/. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/device/device_internal.h"
#include "vmm/net/net_address.h"
#include "vmm/net/net_backend.h"
#include "vmm/util/log.h"

struct rv_net {
    struct device_handle handle;
    struct net_context context;
    struct net_backend *backend;
    struct rv_net_callbacks callbacks;
    void *opaque;
    struct rv_net_info info;
};

static void device_net_readable(void *opaque, unsigned pair)
{
    const struct rv_net *net = opaque;

    if (net->callbacks.readable)
        net->callbacks.readable(net->opaque, pair);
}

static void device_net_writable(void *opaque, unsigned pair)
{
    const struct rv_net *net = opaque;

    if (net->callbacks.writable)
        net->callbacks.writable(net->opaque, pair);
}

static void device_net_link(void *opaque, bool up)
{
    struct rv_net *net = opaque;

    net->info.link = up;
    if (net->callbacks.link)
        net->callbacks.link(net->opaque, up);
}

int device_net_open(struct rv_instance *instance, const struct rv_net_options *options,
                    struct rv_net **result)
{
    struct net_callbacks callbacks = {
        .readable = device_net_readable,
        .writable = device_net_writable,
        .link = device_net_link,
    };
    const struct rv_net_callbacks *wanted = options ? options->callbacks : NULL;
    const char *name = device_property_string(instance, "backend");
    struct rv_net *net;
    int error;

    if (!options || options->size < sizeof(*options) || !wanted || !wanted->size || !name ||
        options->pairs < 1 || options->pairs > RV_NET_PAIRS_MAX) {
        device_bug(instance, "net_open without options, callbacks, their sizes, a property "
                             "'backend', or with a number of pairs that cannot be");
        return -EINVAL;
    }
    net = calloc(1, sizeof(*net));
    if (!net) {
        log_error("device '%s': out of memory", instance->name);
        return -ENOMEM;
    }
    memcpy(&net->callbacks, wanted,
           wanted->size < sizeof(*wanted) ? wanted->size : sizeof(*wanted));
    net->opaque = options->opaque;
    net->context =
        (struct net_context){.ops = &device_ops, .instance = instance, .base = instance->env.base};
    callbacks.opaque = net;
    error = net_backend_open(name, &net->context, &callbacks, options->pairs, &net->backend);
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
    device_handle_add(instance, &net->handle, DEVICE_HANDLE_NET);
    *result = net;
    return 0;
}

/* The back end of a handle that is the instance's, or NULL after a message. */
static struct net_backend *device_net_backend(struct rv_instance *instance, struct rv_net *net,
                                              uint32_t pair, const char *what)
{
    if (!device_handle_check(instance, net, DEVICE_HANDLE_NET, what))
        return NULL;
    if (pair < net->backend->pairs)
        return net->backend;
    device_bug(instance, "%s of a pair that the back end does not have", what);
    return NULL;
}

const struct rv_net_info *device_net_info(struct rv_instance *instance, struct rv_net *net)
{
    return device_net_backend(instance, net, 0, "net_info") ? &net->info : NULL;
}

int device_net_send(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                    const struct iovec *iov, uint32_t count)
{
    struct net_backend *b = device_net_backend(instance, net, pair, "net_send");

    if (b && iov_size(iov, count) < RV_NET_HEADER_BYTES + RV_NET_FRAME_MIN) {
        device_bug(instance, "net_send of less than the headers of a frame");
        return 0;
    }
    return b ? b->ops->send(b, pair, iov, count) : 0;
}

int64_t device_net_receive(struct rv_instance *instance, struct rv_net *net, uint32_t pair,
                           const struct iovec *iov, uint32_t count)
{
    struct net_backend *b = device_net_backend(instance, net, pair, "net_receive");

    return b ? b->ops->receive(b, pair, iov, count) : -EAGAIN;
}

void device_net_want(struct rv_instance *instance, struct rv_net *net, uint32_t pair, bool want)
{
    struct net_backend *b = device_net_backend(instance, net, pair, "net_want");

    if (b)
        b->ops->want(b, pair, want);
}

void device_net_set_offloads(struct rv_instance *instance, struct rv_net *net, uint64_t features)
{
    struct net_backend *b = device_net_backend(instance, net, 0, "net_set_offloads");

    if (b && b->ops->set_offloads)
        b->ops->set_offloads(b, features & b->features);
}

int device_net_set_pairs(struct rv_instance *instance, struct rv_net *net, uint32_t pairs)
{
    struct net_backend *b = device_net_backend(instance, net, pairs - 1, "net_set_pairs");

    if (!b)
        return -EINVAL;
    return b->ops->set_pairs ? b->ops->set_pairs(b, pairs) : 0;
}

void device_net_close(struct rv_instance *instance, struct rv_net *net)
{
    struct net_backend *b = device_net_backend(instance, net, 0, "net_close");

    if (!b)
        return;
    device_handle_remove(instance, &net->handle);
    b->ops->destroy(b);
    free(net);
}

int device_net_address(struct rv_instance *instance, const char *text, uint8_t address[6])
{
    net_cards_next(instance->env.cards, address);
    if (!text || net_address_parse(text, address))
        return 0;
    log_error("device '%s': '%s' is no unicast address of a network card: give one such as "
              "52:54:00:12:34:56, with an even first byte",
              instance->name, text);
    return -EINVAL;
}

static void device_net_handle_free(struct rv_instance *instance, void *handle)
{
    device_net_close(instance, handle);
}

const struct device_handle_ops device_net_handle = {.free = device_net_handle_free};
