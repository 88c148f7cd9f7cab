/* SPDX-License-Identifier: BSD-2-Clause */
#include "devices/vhost_user/vhost_user_relay.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

/* A queue's memory: descriptors, available ring, used ring, each on its own pages; tables. */
static uint64_t vhost_user_relay_pages(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

static uint64_t vhost_user_relay_avail(const struct vhost_user_relay *relay)
{
    return vhost_user_relay_pages(relay->size * sizeof(struct vring_desc));
}

static uint64_t vhost_user_relay_used(const struct vhost_user_relay *relay)
{
    return vhost_user_relay_avail(relay) + vhost_user_relay_pages(6 + 2ull * relay->size);
}

static uint64_t vhost_user_relay_table(const struct vhost_user_relay *relay, unsigned slot)
{
    return vhost_user_relay_used(relay) + vhost_user_relay_pages(6 + 8ull * relay->size) +
           (uint64_t)slot * relay->size * sizeof(struct vring_desc);
}

static uint8_t *vhost_user_relay_at(const struct vhost_user_relay *relay, unsigned queue,
                                    uint64_t offset)
{
    return relay->memory + relay->queues[queue].offset + offset;
}

int vhost_user_relay_init(struct vhost_user_relay *relay, struct vhost_user_setup *setup)
{
    uint64_t each;

    if (setup->nr_regions == VHOST_USER_REGIONS_MAX)
        return -E2BIG;
    relay->setup = setup;
    relay->size = setup->queue_size;
    relay->nr_queues = setup->queues;
    each = vhost_user_relay_pages(vhost_user_relay_table(relay, relay->size));
    relay->bytes = each * setup->queues;
    relay->fd = memfd_create("vhost-user-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    /* A back end that cuts it would make our next access a fault: so nobody can. */
    if (relay->fd < 0 || ftruncate(relay->fd, (off_t)relay->bytes) ||
        fcntl(relay->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return -errno;
    relay->memory = mmap(NULL, relay->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, relay->fd, 0);
    if (relay->memory == MAP_FAILED) {
        relay->memory = NULL;
        return -errno;
    }
    for (unsigned i = 0; i < setup->queues; i++) {
        relay->queues[i].offset = each * i;
        relay->queues[i].slots = calloc(relay->size, sizeof(*relay->queues[i].slots));
        if (!relay->queues[i].slots)
            return -ENOMEM;
    }
    setup->regions[setup->nr_regions] = (struct vhost_user_region){
        .guest = VHOST_USER_RELAY_BASE, .bytes = relay->bytes, .user = VHOST_USER_RELAY_BASE};
    setup->region_fds[setup->nr_regions++] = relay->fd;
    return 0;
}

void vhost_user_relay_destroy(struct vhost_user_relay *relay)
{
    for (unsigned i = 0; i < relay->nr_queues; i++)
        free(relay->queues[i].slots);
    if (relay->memory)
        munmap(relay->memory, relay->bytes);
    if (relay->fd >= 0)
        close(relay->fd);
    relay->fd = -1;
}

static unsigned vhost_user_relay_descs(const struct vhost_user_relay *relay,
                                       struct vring_desc *table, unsigned n,
                                       const struct iovec *iov, unsigned count, uint16_t flags)
{
    for (unsigned i = 0; i < count; i++, n++)
        table[n] = (struct vring_desc){.addr = virtio_plugin_ipa(relay->plugin, iov[i].iov_base),
                                       .len = (uint32_t)iov[i].iov_len,
                                       .flags = (uint16_t)(flags | VRING_DESC_F_NEXT),
                                       .next = (uint16_t)(n + 1)};
    return n;
}

/* Into the ring of a back end that is there. */
static void vhost_user_relay_show(struct vhost_user_relay *relay, unsigned queue, unsigned slot)
{
    struct vhost_user_relay_queue *q = &relay->queues[queue];
    const struct virtq_chain *chain = &q->slots[slot].chain;
    uint64_t at = vhost_user_relay_table(relay, slot);
    struct vring_desc *table = (void *)vhost_user_relay_at(relay, queue, at);
    struct vring_desc *descs = (void *)vhost_user_relay_at(relay, queue, 0);
    uint16_t *avail = (void *)vhost_user_relay_at(relay, queue, vhost_user_relay_avail(relay));
    unsigned n;

    n = vhost_user_relay_descs(relay, table, 0, chain->readable, chain->readable_count, 0);
    n = vhost_user_relay_descs(relay, table, n, chain->writable, chain->writable_count,
                               VRING_DESC_F_WRITE);
    if (n == 0) /* of empty buffers only: an empty one */
        table[n++] = (struct vring_desc){.addr = relay->setup->regions[0].guest};
    table[n - 1].flags &= (uint16_t)~VRING_DESC_F_NEXT;
    descs[slot] = (struct vring_desc){
        .addr = VHOST_USER_RELAY_BASE + q->offset + at,
        .len = (uint32_t)(n * sizeof(*table)),
        .flags = VRING_DESC_F_INDIRECT,
    };
    avail[2 + q->avail % relay->size] = (uint16_t)slot;
    q->avail++;
    /* Pairs with the back end's load of the index before that of the entries. */
    __atomic_store_n(&avail[1], q->avail, __ATOMIC_RELEASE);
}

void vhost_user_relay_put(struct vhost_user_relay *relay, unsigned queue,
                          const struct virtq_chain *chain)
{
    struct vhost_user_relay_queue *q = &relay->queues[queue];

    q->slots[chain->slot] =
        (struct vhost_user_relay_slot){.busy = true, .order = relay->order++, .chain = *chain};
    if (q->live)
        vhost_user_relay_show(relay, queue, chain->slot);
}

int vhost_user_relay_get(struct vhost_user_relay *relay, unsigned queue, struct virtq_chain *chain,
                         uint32_t *written)
{
    struct vhost_user_relay_queue *q = &relay->queues[queue];
    uint8_t *ring = vhost_user_relay_at(relay, queue, vhost_user_relay_used(relay));
    const volatile struct vring_used_elem *elem;
    uint16_t used;
    uint32_t slot;

    if (!q->live)
        return 0;
    /* Pairs with the back end's barrier between the elements and the index. */
    used = __atomic_load_n((uint16_t *)(void *)(ring + 2), __ATOMIC_ACQUIRE);
    if (used == q->used)
        return 0;
    elem = (const volatile void *)(ring + 4 + 8ull * (q->used % relay->size));
    slot = elem->id;
    *written = elem->len;
    if (slot >= relay->size || !q->slots[slot].busy) {
        *written = slot;
        return -EBADMSG;
    }
    q->used++;
    q->slots[slot].busy = false;
    *chain = q->slots[slot].chain;
    return 1;
}

void vhost_user_relay_begin(struct vhost_user_relay *relay, unsigned queue,
                            struct vhost_user_ring *ring)
{
    struct vhost_user_relay_queue *q = &relay->queues[queue];
    uint64_t base = VHOST_USER_RELAY_BASE + q->offset, last = 0;

    memset(vhost_user_relay_at(relay, queue, 0), 0, vhost_user_relay_table(relay, 0));
    q->avail = q->used = 0;
    q->live = true;
    ring->num = relay->size;
    ring->desc = base;
    ring->avail = base + vhost_user_relay_avail(relay);
    ring->used = base + vhost_user_relay_used(relay);
    ring->base = 0;
    /* The oldest that is not older than the last one, again and again. */
    for (;;) {
        unsigned best = relay->size;

        for (unsigned i = 0; i < relay->size; i++)
            if (q->slots[i].busy && q->slots[i].order >= last &&
                (best == relay->size || q->slots[i].order < q->slots[best].order))
                best = i;
        if (best == relay->size)
            return;
        last = q->slots[best].order + 1;
        vhost_user_relay_show(relay, queue, best);
    }
}

void vhost_user_relay_end(struct vhost_user_relay *relay, unsigned queue)
{
    relay->queues[queue].live = false;
}

void vhost_user_relay_drop(struct vhost_user_relay *relay, unsigned queue)
{
    for (unsigned i = 0; i < relay->size; i++)
        relay->queues[queue].slots[i].busy = false;
}

bool vhost_user_relay_busy(const struct vhost_user_relay *relay, unsigned queue)
{
    for (unsigned i = 0; i < relay->size; i++)
        if (relay->queues[queue].slots[i].busy)
            return true;
    return false;
}
