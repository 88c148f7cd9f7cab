/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Network back ends: where a network card's frames go to and come from. The vmm has them
 * (user network, tap interface, socket between two guests), so any card can use any of
 * them. The operations are in struct rv_vmm_ops, by the names net_open to net_close.
 *
 * A back end reads its own settings from the properties of the instance: a card puts
 * RV_NET_PROPERTIES into its list of properties and passes nothing on.
 *
 * Frames. Each frame begins with a struct virtio_net_hdr_mrg_rxbuf (virtio 1.2, 5.1.6;
 * RV_NET_HEADER_BYTES), little-endian as virtio 1 says; its num_buffers is the card's to
 * fill in. The Ethernet header follows.
 * A card that is not a virtio card sends a header of zeros and, if it does not turn
 * offloads on, receives one.
 *
 * Everything runs in the vmm's loop. No call blocks, and none calls back into the device
 * from inside.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* Segmentation of UDP: of virtio 1.3 and Linux 6.2, for headers that are older. */
#ifndef VIRTIO_NET_F_HOST_USO
#define VIRTIO_NET_F_GUEST_USO4   54
#define VIRTIO_NET_F_GUEST_USO6   55
#define VIRTIO_NET_F_HOST_USO     56
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define RV_NET_HEADER_BYTES 12u
#define RV_NET_FRAME_MIN    14u      /* bytes behind the header: an Ethernet header */
#define RV_NET_FRAME_MAX    0x10012u /* 64 KiB of IP, the Ethernet header and a VLAN tag */
#define RV_NET_PAIRS_MAX    8u

struct rv_instance;
struct rv_net; /* an open back end */

/* Called from the loop with the `opaque` of the options. Each may be NULL. */
struct rv_net_callbacks {
    uint32_t size; /* sizeof(struct rv_net_callbacks) */
    uint32_t reserved;
    void (*readable)(void *opaque, uint32_t pair); /* net_receive may give frames */
    void (*writable)(void *opaque, uint32_t pair); /* after net_send said -EAGAIN */
    /*
     * The link came up or went down, or the user changed it at run time. It is taken to be
     * up at net_open; a link that is down is told in the loop's next pass.
     */
    void (*link)(void *opaque, bool up);
};

struct rv_net_options {
    uint32_t size;  /* sizeof(struct rv_net_options) */
    uint32_t pairs; /* of queues that the card wants; see rv_net_info.pairs */
    const struct rv_net_callbacks *callbacks;
    void *opaque;
};

/* Constant while the back end is open, but for `link`. */
struct rv_net_info {
    uint32_t size;  /* of this struct in the vmm that runs */
    uint32_t pairs; /* of queues that the back end has: 1 to the wanted number */
    /* What it can do, as bits of VIRTIO_NET_F_CSUM, _GUEST_CSUM, _HOST_* and _GUEST_*. */
    uint64_t features;
    uint32_t link; /* 1: up */
    uint32_t reserved;
    const char *name; /* of the back end: "user", "tap", "socket" */
};

/*
 * net_open: 0; or, after a message: -EINVAL (a setting), -ENOENT, -EACCES, -ENOMEM, ...
 *
 * net_info: lives as long as `net`.
 *
 * net_send: one frame from the guest, header first; `iov` is only read. 0: taken, or
 * dropped for good. -EAGAIN: offer it again after writable().
 *
 * net_receive: one frame for the guest into `iov`, header first. The number of bytes;
 * -EAGAIN: there is none now, and readable() is called when there is one; -EMSGSIZE: the
 * frame did not fit and is lost. Give room for RV_NET_HEADER_BYTES + RV_NET_FRAME_MAX.
 *
 * net_want: false: the guest has no buffers, so readable() need not be called. At first: false.
 *
 * net_set_offloads: the guest takes frames with these of VIRTIO_NET_F_GUEST_*. At first: none.
 *
 * net_set_pairs: the first `pairs` are in use; the others give and take nothing. At
 * first: all. 0 or -errno.
 *
 * net_close: frees the back end. What was not received is lost.
 *
 * A back end that the device does not close is closed after destroy().
 *
 * net_address: the Ethernet address of a card. `text` is what the user gave, such as
 * "52:54:00:12:34:56". NULL: one that is made from the guest's name and the number of the
 * card, the same at each start. So call it once in each create(), also when `text` is there:
 * it counts the cards. 0, or -EINVAL after a message. It needs no open back end.
 */

/* The payload of the guest's frames, in bytes: RFC 791, and what a frame has room for. */
#define RV_NET_MTU_MIN 68u
#define RV_NET_MTU_MAX 65521u

/*
 * In a card's list of properties: what a user may say about the card itself. `mac` is for
 * net_address; `mtu` is 0 or at least RV_NET_MTU_MIN, which the card checks.
 */
#define RV_NET_CARD_PROPERTIES                                                                \
    {.name = "mac",                                                                           \
     .type = RV_PROPERTY_STRING,                                                              \
     .help = "MAC address (default: made from the guest's name and the number of the card)"}, \
    {                                                                                         \
        .name = "mtu", .type = RV_PROPERTY_UINT, .value = "0", .max = RV_NET_MTU_MAX,         \
        .help = "MTU that the guest is to use, 68 at least; 0: its own choice"                \
    }

/*
 * In a card's list of properties: what a user may say about the back end. The card must not
 * declare one of these names by itself, but "queues" and "mtu" are the card's: a back end
 * reads "mtu" if the card declares it. `backend` is a string, so that a card knows those
 * back ends as well that come after it.
 */
#define RV_NET_PROPERTIES                                                                         \
    {.name = "backend",                                                                           \
     .type = RV_PROPERTY_STRING,                                                                  \
     .required = true,                                                                            \
     .help = "user: a network of the vmm's own that needs no privileges; tap: a tap interface; "  \
             "socket: a socket that two guests share"},                                           \
        {.name = "ifname", .type = RV_PROPERTY_STRING, .help = "tap: the interface"},             \
        {.name = "offload",                                                                       \
         .type = RV_PROPERTY_BOOL,                                                                \
         .value = "on",                                                                           \
         .help = "tap: checksums and segmentation are the host's kernel's"},                      \
        {.name = "fd",                                                                            \
         .type = RV_PROPERTY_STRING,                                                              \
         .help = "tap: open descriptors of the interface instead, one for each queue: 5 or 5:6"}, \
        {.name = "hostfwd",                                                                       \
         .type = RV_PROPERTY_STRING,                                                              \
         .help = "user: ports of the host that lead into the guest, "                             \
                 "tcp|udp:[ADDRESS]:PORT-[GUEST-ADDRESS]:PORT, IPv6 addresses in brackets, "      \
                 "several with '+' or ';' between them"},                                         \
        {.name = "restrict",                                                                      \
         .type = RV_PROPERTY_BOOL,                                                                \
         .value = "off",                                                                          \
         .help = "user: the guest reaches nothing outside, not even the host"},                   \
        {.name = "net",                                                                           \
         .type = RV_PROPERTY_STRING,                                                              \
         .value = "10.0.2.0/24",                                                                  \
         .help = "user: the network; the host is .2 in it, the guest .15"},                       \
        {.name = "dns",                                                                           \
         .type = RV_PROPERTY_STRING,                                                              \
         .help = "user: where in it the guest finds the host's name server (default: .3)"},       \
        {.name = "ipv6", .type = RV_PROPERTY_BOOL, .value = "on", .help = "user: IPv6 as well"},  \
        {.name = "hostname",                                                                      \
         .type = RV_PROPERTY_STRING,                                                              \
         .help = "user: the guest's name by DHCP"},                                               \
    {                                                                                             \
        .name = "path", .type = RV_PROPERTY_PATH,                                                 \
        .help = "socket: Unix socket; the first vmm listens on it, the second connects"           \
    }
