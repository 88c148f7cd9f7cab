/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages of the vhost-user protocol, as they are in the socket, in the host's
 * byte order. The specification is QEMU's docs/interop/vhost-user.
 */
#pragma once

#include <stdint.h>

enum vhost_user_request {
    VHOST_USER_GET_FEATURES = 1,
    VHOST_USER_SET_FEATURES = 2,
    VHOST_USER_SET_OWNER = 3,
    VHOST_USER_SET_MEM_TABLE = 5,
    VHOST_USER_SET_VRING_NUM = 8,
    VHOST_USER_SET_VRING_ADDR = 9,
    VHOST_USER_SET_VRING_BASE = 10,
    VHOST_USER_GET_VRING_BASE = 11,
    VHOST_USER_SET_VRING_KICK = 12,
    VHOST_USER_SET_VRING_CALL = 13,
    VHOST_USER_SET_VRING_ERR = 14,
    VHOST_USER_GET_PROTOCOL_FEATURES = 15,
    VHOST_USER_SET_PROTOCOL_FEATURES = 16,
    VHOST_USER_GET_QUEUE_NUM = 17,
    VHOST_USER_SET_VRING_ENABLE = 18,
    VHOST_USER_NET_SET_MTU = 20,
    VHOST_USER_SET_BACKEND_REQ_FD = 21,
    VHOST_USER_GET_CONFIG = 24,
    VHOST_USER_SET_CONFIG = 25,
    VHOST_USER_GET_INFLIGHT_FD = 31,
    VHOST_USER_SET_INFLIGHT_FD = 32,
    VHOST_USER_SET_STATUS = 39,
};

/* What a back end asks for, in the channel that SET_BACKEND_REQ_FD gave it. */
enum { VHOST_USER_BACKEND_CONFIG_CHANGE = 2 };

#define VHOST_USER_FEATURE_PROTOCOL 30 /* a bit of GET_FEATURES that no driver sees */

enum { /* bits of GET_PROTOCOL_FEATURES */
       VHOST_USER_PROTOCOL_MQ = 0,
       VHOST_USER_PROTOCOL_REPLY_ACK = 3,
       VHOST_USER_PROTOCOL_NET_MTU = 4,
       VHOST_USER_PROTOCOL_BACKEND_REQ = 5,
       VHOST_USER_PROTOCOL_CONFIG = 9,
       VHOST_USER_PROTOCOL_INFLIGHT_SHMFD = 12,
       VHOST_USER_PROTOCOL_STATUS = 16,
};

#define VHOST_USER_VERSION      0x1u
#define VHOST_USER_VERSION_MASK 0x3u
#define VHOST_USER_REPLY        0x4u
#define VHOST_USER_NEED_REPLY   0x8u

#define VHOST_USER_REGIONS_MAX 8u
#define VHOST_USER_CONFIG_MAX  256u

struct vhost_user_header {
    uint32_t request; /* 0x00 */
    uint32_t flags;   /* 0x04 */
    uint32_t size;    /* 0x08 bytes of what follows */
};
_Static_assert(sizeof(struct vhost_user_header) == 12, "protocol");

struct vhost_user_region {
    uint64_t guest;       /* 0x00 guest physical address */
    uint64_t bytes;       /* 0x08 */
    uint64_t user;        /* 0x10 in the address space of SET_VRING_ADDR */
    uint64_t mmap_offset; /* 0x18 in its descriptor */
};
_Static_assert(sizeof(struct vhost_user_region) == 32, "protocol");

struct vhost_user_memory {
    uint32_t count;                                          /* 0x00 */
    uint32_t pad;                                            /* 0x04 */
    struct vhost_user_region region[VHOST_USER_REGIONS_MAX]; /* 0x08 as many as `count` says */
};

struct vhost_user_vring_state {
    uint32_t index; /* 0x00 */
    uint32_t num;   /* 0x04 */
};

struct vhost_user_vring_addr {
    uint32_t index; /* 0x00 */
    uint32_t flags; /* 0x04 */
    uint64_t desc;  /* 0x08 user addresses, in the order of the kernel's struct */
    uint64_t used;  /* 0x10 */
    uint64_t avail; /* 0x18 */
    uint64_t log;   /* 0x20 */
};
_Static_assert(sizeof(struct vhost_user_vring_addr) == 40, "protocol");

struct vhost_user_config {
    uint32_t offset;                       /* 0x00 */
    uint32_t size;                         /* 0x04 */
    uint32_t flags;                        /* 0x08 */
    uint8_t region[VHOST_USER_CONFIG_MAX]; /* 0x0c as many as `size` says */
};
#define VHOST_USER_CONFIG_HEADER 12u

struct vhost_user_inflight {
    uint64_t mmap_size;   /* 0x00 */
    uint64_t mmap_offset; /* 0x08 */
    uint16_t queues;      /* 0x10 */
    uint16_t queue_size;  /* 0x12 */
    uint32_t pad;         /* 0x14 QEMU and libvhost-user send it, the specification has it not */
};
#define VHOST_USER_INFLIGHT_MIN 20u
_Static_assert(sizeof(struct vhost_user_inflight) == 24, "protocol");

union vhost_user_payload {
    uint64_t u64;
    struct vhost_user_memory memory;
    struct vhost_user_vring_state state;
    struct vhost_user_vring_addr addr;
    struct vhost_user_config config;
    struct vhost_user_inflight inflight;
};

/* A message and the descriptors that go with it. */
struct vhost_user_message {
    struct vhost_user_header header;
    union vhost_user_payload payload;
    unsigned nr_fds;
    int fds[VHOST_USER_REGIONS_MAX];
};
