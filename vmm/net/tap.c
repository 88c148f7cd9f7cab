/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tap interface of the host's kernel. Frames carry the guest's own header
 * (IFF_VNET_HDR): checksums and segmentation are the kernel's, and frames go
 * straight between it and the guest's memory. One descriptor for each pair.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/keeper/kept.h"
#include "vmm/net/net_backend.h"

struct tap;

struct tap_queue {
    struct tap *tap;
    unsigned index;
    int fd;
    struct rv_watch *watch;
    bool want, full; /* input is wanted; output has to wait */
    bool idle;       /* the driver does not use it, and the kernel gives it no frames */
};

struct tap {
    struct net_backend backend; /* first */
    const struct net_context *context;
    struct net_callbacks callbacks;
    char name[IFNAMSIZ];
    int lost;  /* the errno that said so */
    bool gone; /* and it was told */
    struct tap_queue queue[RV_NET_PAIRS_MAX];
};

#define TAP_FEATURES                                                                     \
    (VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO4) |        \
     VIRTIO_FEATURE(VIRTIO_NET_F_HOST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_ECN) |    \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4) | \
     VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_ECN))

/* Since Linux 6.2, and there only for both versions of IP together. */
#define TAP_USO (0x20u | 0x40u) /* TUN_F_USO4, TUN_F_USO6 */
#define TAP_GUEST_USO \
    (VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_USO4) | VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_USO6))

static void tap_watch(struct tap_queue *q)
{
    unsigned events = (q->want ? RV_FD_READ : 0) | (q->full ? RV_FD_WRITE : 0);

    if (!q->tap->gone && !q->idle)
        q->tap->context->ops->fd_change(q->tap->context->instance, q->watch, events);
}

/* The interface was deleted: its descriptors are of no more use, and would be ready for ever. */
static void tap_is_gone(struct tap *tap)
{
    const struct rv_vmm_ops *ops = tap->context->ops;

    if (tap->gone)
        return;
    ops->log(tap->context->instance, RV_LOG_ERROR,
             "the interface '%s' is gone (%s): the guest's link is down from now on", tap->name,
             strerror(tap->lost));
    tap->gone = true;
    for (unsigned i = 0; i < tap->backend.pairs; i++)
        ops->fd_change(tap->context->instance, tap->queue[i].watch, 0);
    tap->callbacks.link(tap->callbacks.opaque, false);
}

/* Noticed in a call, and told from the loop: such a descriptor is always ready. */
static void tap_check(struct tap *tap, int error)
{
    if (error == EBADFD || error == ENODEV || error == EBADF)
        tap->lost = error;
}

static int tap_send(struct net_backend *b, unsigned pair, const struct iovec *iov, unsigned count)
{
    struct tap *tap = (struct tap *)(void *)b;
    struct tap_queue *q = &tap->queue[pair];

    if (tap->gone || q->idle || writev(q->fd, iov, (int)count) >= 0)
        return 0;
    tap_check(tap, errno);
    if (errno != EAGAIN && errno != ENOBUFS)
        return 0; /* down, or a frame that the kernel does not take: lost, as on a wire */
    q->full = true;
    tap_watch(q);
    return -EAGAIN;
}

static ssize_t tap_receive(struct net_backend *b, unsigned pair, const struct iovec *iov,
                           unsigned count)
{
    struct tap *tap = (struct tap *)(void *)b;
    ssize_t len;

    if (tap->gone || tap->queue[pair].idle)
        return -EAGAIN;
    len = readv(tap->queue[pair].fd, iov, (int)count);
    if (len >= (ssize_t)(RV_NET_HEADER_BYTES + RV_NET_FRAME_MIN))
        return len;
    if (len >= 0 || errno == EFAULT)
        return -EMSGSIZE;
    tap_check(tap, errno);
    return -EAGAIN;
}

static void tap_want(struct net_backend *b, unsigned pair, bool want)
{
    struct tap *tap = (struct tap *)(void *)b;

    tap->queue[pair].want = want;
    tap_watch(&tap->queue[pair]);
}

static void tap_set_offloads(struct net_backend *b, uint64_t features)
{
    static const struct {
        unsigned feature, flag;
    } table[] = {
        {VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM},
        {VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4},
        {VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6},
        {VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN},
    };
    struct tap *tap = (struct tap *)(void *)b;
    unsigned flags = 0;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        flags |= features & VIRTIO_FEATURE(table[i].feature) ? table[i].flag : 0;
    if ((features & TAP_GUEST_USO) == TAP_GUEST_USO)
        flags |= TAP_USO;
    /* It worked when the interface was opened; of one that is gone nothing is lost. */
    (void)ioctl(tap->queue[0].fd, TUNSETOFFLOAD, flags);
}

/*
 * The kernel spreads flows over all queues that are attached: those of a queue that nobody
 * reads would be lost. A detached descriptor is always ready, and fails as if the
 * interface were gone.
 */
static int tap_set_pairs(struct net_backend *b, unsigned pairs)
{
    struct tap *tap = (struct tap *)(void *)b;

    for (unsigned i = 1; i < tap->backend.pairs && !tap->gone; i++) {
        struct tap_queue *q = &tap->queue[i];
        struct ifreq request = {.ifr_flags =
                                    (short)(i < pairs ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE)};

        if (q->idle == (i >= pairs))
            continue;
        if (i >= pairs)
            tap->context->ops->fd_change(tap->context->instance, q->watch, 0);
        if (ioctl(q->fd, TUNSETQUEUE, &request) < 0) {
            int error = errno;

            tap_watch(q);
            return -error;
        }
        q->idle = i >= pairs;
        q->full = false;
        tap_watch(q);
    }
    return 0;
}

static void tap_ready(void *opaque, unsigned events)
{
    struct tap_queue *q = opaque;
    struct tap *tap = q->tap;

    if (events & RV_FD_WRITE && q->full) {
        q->full = false;
        tap_watch(q);
        tap->callbacks.writable(tap->callbacks.opaque, q->index);
    }
    if (events & RV_FD_READ && q->want)
        tap->callbacks.readable(tap->callbacks.opaque, q->index);
    if (tap->lost)
        tap_is_gone(tap);
}

static void tap_destroy(struct net_backend *b)
{
    struct tap *tap = (struct tap *)(void *)b;

    for (unsigned i = 0; i < RV_NET_PAIRS_MAX; i++) {
        if (tap->queue[i].watch)
            tap->context->ops->fd_remove(tap->context->instance, tap->queue[i].watch);
        if (tap->queue[i].fd >= 0)
            close(tap->queue[i].fd);
    }
    free(tap);
}

static const struct net_backend_ops tap_ops = {
    .send = tap_send,
    .receive = tap_receive,
    .want = tap_want,
    .set_offloads = tap_set_offloads,
    .set_pairs = tap_set_pairs,
    .destroy = tap_destroy,
};

/*
 * Opening it
 */

static void tap_refuse(const struct tap *tap, const char *what, int error)
{
    const char *advice = error == EPERM    ? ": let its owner be this user (ip tuntap add dev "
                                             "NAME mode tap user USER), or be root"
                         : error == EBUSY  ? ": another program has it"
                         : error == EINVAL ? ": it is no tap interface, or does not have as many "
                                             "queues (ip tuntap add ... multi_queue)"
                                           : "";

    tap->context->ops->log(tap->context->instance, RV_LOG_ERROR, "tap interface '%s': %s: %s%s",
                           tap->name, what, strerror(error), advice);
}

/* A descriptor of the interface `ifname`. -1 after a message. */
static int tap_attach(struct tap *tap, const char *ifname, unsigned pairs)
{
    struct ifreq request = {
        .ifr_flags =
            (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (pairs > 1 ? IFF_MULTI_QUEUE : 0)),
    };
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0) {
        tap_refuse(tap, "cannot open /dev/net/tun", errno);
        return -1;
    }
    memcpy(request.ifr_name, ifname, strlen(ifname) + 1);
    if (ioctl(fd, TUNSETIFF, &request) == 0)
        return fd;
    /* One that was made for several queues can be had with one. */
    request.ifr_flags |= IFF_MULTI_QUEUE;
    if (pairs > 1 || errno != EINVAL || ioctl(fd, TUNSETIFF, &request) < 0) {
        tap_refuse(tap, "cannot attach to it", errno);
        close(fd);
        return -1;
    }
    return fd;
}

/*
 * The keeper has the descriptor as well: an interface that the vmm has made goes with its last
 * descriptor, and frames wait in it for the next process.
 */
static int tap_attach_kept(struct tap *tap, const char *ifname, unsigned pairs)
{
    const struct ifreq attach = {.ifr_flags = IFF_ATTACH_QUEUE};
    unsigned number = kept_number("tap");
    int fd = kept_get("tap-%u", number);

    if (fd >= 0) {
        /* The process before may have left it detached; otherwise this fails and changes nothing. */
        if (pairs > 1)
            (void)ioctl(fd, TUNSETQUEUE, &attach);
        return fd;
    }
    fd = tap_attach(tap, ifname, pairs);
    if (fd >= 0 && kept_put(fd, "tap-%u", number)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The `index`th number of "5:6". -1 after a message. */
static int tap_passed(struct tap *tap, const char *list, unsigned index)
{
    struct ifreq request = {0}, attach = {.ifr_flags = IFF_ATTACH_QUEUE};
    char *end;
    long fd;

    for (unsigned i = 0; i < index && list; i++) {
        list = strchr(list, ':');
        list = list ? list + 1 : NULL;
    }
    fd = list ? strtol(list, &end, 10) : -1;
    /* An earlier vmm may have left it detached; otherwise this fails and changes nothing. */
    if (index > 0 && fd >= 3 && fd <= 1 << 20)
        (void)ioctl((int)fd, TUNSETQUEUE, &attach);
    if (!list || end == list || (*end != ':' && *end != '\0') || fd < 3 || fd > 1 << 20 ||
        ioctl((int)fd, TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_TAP) ||
        !(request.ifr_flags & IFF_VNET_HDR) || !(request.ifr_flags & IFF_NO_PI)) {
        tap->context->ops->log(tap->context->instance, RV_LOG_ERROR,
                               "fd: descriptor %u of '%s' is not one of a tap interface with "
                               "IFF_VNET_HDR and IFF_NO_PI",
                               index,
                               tap->context->ops->property_string(tap->context->instance, "fd"));
        return -1;
    }
    memcpy(tap->name, request.ifr_name, sizeof(tap->name) - 1);
    if (fcntl((int)fd, F_SETFL, O_NONBLOCK) < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
        tap_refuse(tap, "fcntl", errno);
        return -1;
    }
    return (int)fd;
}

static bool tap_open_queue(struct tap *tap, unsigned index, const char *ifname, const char *fds,
                           unsigned pairs)
{
    const struct rv_vmm_ops *ops = tap->context->ops;
    struct tap_queue *q = &tap->queue[index];
    int header = (int)RV_NET_HEADER_BYTES;
    const unsigned usual = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

    q->tap = tap;
    q->index = index;
    q->fd = fds ? tap_passed(tap, fds, index) : tap_attach_kept(tap, ifname, pairs);
    if (q->fd < 0)
        return false;
    if (ioctl(q->fd, TUNSETVNETHDRSZ, &header) < 0 ||
        (tap->backend.features && ioctl(q->fd, TUNSETOFFLOAD, usual) < 0)) {
        tap_refuse(tap, "no headers or offloads as virtio has them", errno);
        return false;
    }
    if (index == 0 && tap->backend.features && ioctl(q->fd, TUNSETOFFLOAD, usual | TAP_USO) == 0)
        tap->backend.features |= TAP_GUEST_USO | VIRTIO_FEATURE(VIRTIO_NET_F_HOST_USO);
    (void)ioctl(q->fd, TUNSETOFFLOAD, 0); /* until the driver wants them */
    q->watch = ops->fd_watch(tap->context->instance, q->fd, 0, tap_ready, q);
    return q->watch != NULL;
}

struct net_backend *net_tap_open(const struct net_context *context,
                                 const struct net_callbacks *callbacks, unsigned pairs)
{
    const struct rv_vmm_ops *ops = context->ops;
    const char *ifname = ops->property_string(context->instance, "ifname");
    const char *fds = ops->property_string(context->instance, "fd");
    struct tap *tap;

    if (!ifname == !fds || (ifname && (!*ifname || strlen(ifname) >= IFNAMSIZ))) {
        ops->log(context->instance, RV_LOG_ERROR,
                 "tap: give ifname=NAME, of 15 characters at most, or fd=N");
        return NULL;
    }
    tap = calloc(1, sizeof(*tap));
    if (!tap)
        return NULL;
    tap->context = context;
    tap->callbacks = *callbacks;
    tap->backend = (struct net_backend){
        .ops = &tap_ops,
        .features = ops->property_bool(context->instance, "offload") ? TAP_FEATURES : 0,
        .pairs = pairs,
    };
    if (ifname)
        memcpy(tap->name, ifname, strlen(ifname));
    for (unsigned i = 0; i < RV_NET_PAIRS_MAX; i++)
        tap->queue[i].fd = -1;
    for (unsigned i = 0; i < pairs; i++) {
        if (!tap_open_queue(tap, i, ifname, fds, pairs)) {
            tap_destroy(&tap->backend);
            return NULL;
        }
    }
    return &tap->backend;
}
