/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware configuration device: QEMU's fw_cfg, MMIO variant (docs/specs/fw_cfg.rst there).
 * The guest selects an item by its key and reads its bytes, one access at a time from the
 * data register, or many by DMA.
 *
 * DMA is asynchronous: what does not fit into one turn is copied in the loop's next passes, and
 * the guest polls the control word of its request. The state block has all that is left to do,
 * so a vmm that follows goes on in the middle.
 */
#include <endian.h>
#include <errno.h>
#include <ringvisor/device.h>
#include <stdlib.h>
#include <string.h>

#include "fw_cfg_items.h"

/* Registers. Selector and DMA are big-endian, the data register keeps the order of bytes. */
#define FW_CFG_DATA     0x00u
#define FW_CFG_DATA_END 0x08u
#define FW_CFG_SELECTOR 0x08u
#define FW_CFG_DMA_HIGH 0x10u
#define FW_CFG_DMA_LOW  0x14u
#define FW_CFG_SIZE     0x18u

#define FW_CFG_DMA_SIGNATURE 0x51454d5520434647ull /* "QEMU CFG" */

/* The control word; its upper half is a key. */
#define FW_CFG_DMA_ERROR  0x01u
#define FW_CFG_DMA_READ   0x02u
#define FW_CFG_DMA_SKIP   0x04u
#define FW_CFG_DMA_SELECT 0x08u
#define FW_CFG_DMA_WRITE  0x10u

#define FW_CFG_TURN  0x40000u /* bytes that one turn of DMA copies */
#define FW_CFG_PIECE 0x1000u

#define FW_CFG_STATE_VERSION 2u

struct fw_cfg_state {
    uint16_t key;  /* 0x00 the item that is selected */
    uint16_t busy; /* 0x02 1: a DMA request is not done yet */
    uint32_t high; /* 0x04 upper half of the DMA register, as the guest means it */
    /*
     * 0x08 Bits 31:0 the offset of the next byte in the item, which may lie beyond its end; bits
     * 63:32 bytes that the request still has to copy. In one word, so that one store tells of a
     * copy.
     */
    uint64_t progress;
    uint64_t end;        /* 0x10 behind the last of them, in guest memory */
    uint64_t descriptor; /* 0x18 address of the request */
};
_Static_assert(sizeof(struct fw_cfg_state) == 0x20, "state block layout");

struct fw_cfg_state_1 {
    uint16_t key, busy;
    uint32_t offset, high, left;
    uint64_t to, descriptor;
};

static uint32_t fw_cfg_offset(const struct fw_cfg_state *s)
{
    return (uint32_t)s->progress;
}

static uint32_t fw_cfg_left(const struct fw_cfg_state *s)
{
    return (uint32_t)(s->progress >> 32);
}

static void fw_cfg_set(struct fw_cfg_state *s, uint32_t offset, uint32_t left)
{
    __atomic_store_n(&s->progress, (uint64_t)left << 32 | offset, __ATOMIC_RELEASE);
}

/* What a guest puts at the address that it writes to the DMA register; all big-endian. */
struct fw_cfg_descriptor {
    uint32_t control;
    uint32_t length;
    uint64_t address;
};
_Static_assert(sizeof(struct fw_cfg_descriptor) == 16, "layout of the guest's request");

struct fw_cfg {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct fw_cfg_state *s;
    struct fw_cfg_items *items;
    struct rv_work *work; /* the next turn of DMA */
    uint64_t *dma_requests, *dma_errors;
};

/* The selected item from `offset` on, and how many bytes there are. */
static const uint8_t *fw_cfg_rest(const struct fw_cfg *f, uint32_t *bytes)
{
    const struct fw_cfg_item *item = fw_cfg_items_find(f->items, f->s->key);
    uint32_t size = item ? item->size : 0;

    *bytes = fw_cfg_offset(f->s) < size ? size - fw_cfg_offset(f->s) : 0;
    return *bytes ? item->data + fw_cfg_offset(f->s) : NULL;
}

/*
 * DMA
 */

/*
 * The guest reads its memory as soon as the control word has changed, so the word is written
 * last. If the word itself is not memory, there is nobody to tell. The request ends after that: a
 * vmm that follows sees by the word whether the guest was told (fw_cfg_dma_is_told).
 */
static void fw_cfg_dma_done(struct fw_cfg *f, uint32_t control)
{
    const uint32_t word = htobe32(control);

    if (control)
        ++*f->dma_errors;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    f->ops->mem_write(f->instance, f->s->descriptor, &word, sizeof(word));
    __atomic_store_n(&f->s->busy, 0, __ATOMIC_RELEASE);
}

/* Its memory may be something else of the guest's by now. */
static bool fw_cfg_dma_is_told(const struct fw_cfg *f)
{
    uint32_t word;

    return f->ops->mem_read(f->instance, f->s->descriptor, &word, sizeof(word)) ||
           !(be32toh(word) & FW_CFG_DMA_READ);
}

/* Up to `count` bytes to the guest: the item's, and zeros behind its end. 0 or -EFAULT. */
static int fw_cfg_dma_piece(struct fw_cfg *f, uint32_t count)
{
    static const uint8_t zeros[FW_CFG_PIECE];
    struct fw_cfg_state *s = f->s;
    uint32_t rest, offset = fw_cfg_offset(s), left = fw_cfg_left(s);
    const uint8_t *from = fw_cfg_rest(f, &rest);
    int error;

    if (count > FW_CFG_PIECE)
        count = FW_CFG_PIECE;
    if (!from)
        from = zeros;
    else if (count > rest)
        count = rest;
    error = f->ops->mem_write(f->instance, s->end - left, from, count);
    if (error)
        return error;
    fw_cfg_set(s, from == zeros ? offset : offset + count, left - count);
    return 0;
}

static void fw_cfg_dma_turn(void *opaque)
{
    struct fw_cfg *f = opaque;
    struct fw_cfg_state *s = f->s;
    uint32_t end = fw_cfg_left(s) > FW_CFG_TURN ? fw_cfg_left(s) - FW_CFG_TURN : 0;

    if (!s->busy)
        return; /* a reset has ended it */
    while (fw_cfg_left(s) > end) {
        if (fw_cfg_dma_piece(f, fw_cfg_left(s) - end)) {
            fw_cfg_dma_done(f, FW_CFG_DMA_ERROR);
            return;
        }
    }
    if (fw_cfg_left(s))
        f->ops->post(f->instance, f->work);
    else
        fw_cfg_dma_done(f, 0);
}

static void fw_cfg_dma_start(struct fw_cfg *f, uint64_t at)
{
    struct fw_cfg_descriptor descriptor;
    struct fw_cfg_state *s = f->s;
    uint32_t control, length, rest;
    uint64_t address;

    ++*f->dma_requests;
    if (f->ops->mem_read(f->instance, at, &descriptor, sizeof(descriptor))) {
        ++*f->dma_errors;
        return;
    }
    control = be32toh(descriptor.control);
    length = be32toh(descriptor.length);
    address = be64toh(descriptor.address);
    s->descriptor = at;
    if (control & FW_CFG_DMA_SELECT) {
        s->key = (uint16_t)(control >> 16);
        fw_cfg_set(s, 0, 0);
    }
    if (control & FW_CFG_DMA_READ) {
        s->busy = 1;
        s->end = address + length;
        fw_cfg_set(s, fw_cfg_offset(s), length);
        if (address + length < address)
            fw_cfg_dma_done(f, FW_CFG_DMA_ERROR);
        else
            fw_cfg_dma_turn(f);
        return;
    }
    if (!(control & FW_CFG_DMA_WRITE) && control & FW_CFG_DMA_SKIP) {
        fw_cfg_rest(f, &rest);
        fw_cfg_set(s, fw_cfg_offset(s) + (length < rest ? length : rest), 0);
    }
    /* No item can be written. */
    fw_cfg_dma_done(f, control & FW_CFG_DMA_WRITE ? FW_CFG_DMA_ERROR : 0);
}

/*
 * Registers
 */

static uint64_t fw_cfg_read_data(struct fw_cfg *f, uint32_t width)
{
    uint64_t value = 0;
    uint32_t rest;
    const uint8_t *from;

    if (f->s->busy)
        return 0; /* the offset is the request's */
    from = fw_cfg_rest(f, &rest);
    for (uint32_t i = 0; i < width && i < rest; i++)
        value |= (uint64_t)from[i] << 8 * i;
    fw_cfg_set(f->s, fw_cfg_offset(f->s) + (width < rest ? width : rest), 0);
    return value;
}

static int fw_cfg_read(void *device, uint64_t offset, uint32_t width, uint64_t *value,
                       const struct rv_access *access)
{
    struct fw_cfg *f = device;

    if (offset < FW_CFG_DATA_END)
        *value = fw_cfg_read_data(f, width);
    else if (offset >= FW_CFG_DMA_HIGH)
        *value = htobe64(FW_CFG_DMA_SIGNATURE) >> 8 * (offset - FW_CFG_DMA_HIGH);
    else
        *value = 0;
    return 0;
}

static int fw_cfg_write(void *device, uint64_t offset, uint32_t width, uint64_t value,
                        const struct rv_access *access)
{
    struct fw_cfg *f = device;
    struct fw_cfg_state *s = f->s;

    if (offset < FW_CFG_SELECTOR)
        return 0; /* writing by the data register has been gone since QEMU 2.4 */
    if (s->busy)
        return -EAGAIN; /* one request after the other */
    if (offset == FW_CFG_SELECTOR && width == 2) {
        s->key = be16toh((uint16_t)value);
        fw_cfg_set(s, 0, 0);
    } else if (offset == FW_CFG_DMA_HIGH && width == 8) {
        s->high = 0;
        fw_cfg_dma_start(f, be64toh(value));
    } else if (offset == FW_CFG_DMA_HIGH && width == 4) {
        s->high = be32toh((uint32_t)value);
    } else if (offset == FW_CFG_DMA_LOW && width == 4) {
        uint64_t at = (uint64_t)s->high << 32 | be32toh((uint32_t)value);

        s->high = 0;
        fw_cfg_dma_start(f, at);
    }
    return 0;
}

/*
 * Life
 */

static void fw_cfg_reset(void *device)
{
    struct fw_cfg *f = device;

    *f->s = (struct fw_cfg_state){0};
}

static void fw_cfg_resume(void *device)
{
    struct fw_cfg *f = device;

    if (f->s->busy && fw_cfg_dma_is_told(f))
        f->s->busy = 0;
    if (f->s->busy)
        f->ops->post(f->instance, f->work);
}

static int fw_cfg_upgrade(struct rv_instance *instance, const struct rv_vmm_ops *ops,
                          const struct rv_state_upgrade *upgrade)
{
    struct fw_cfg_state *s = upgrade->to;
    struct fw_cfg_state_1 old;

    if (upgrade->block || upgrade->from_size != sizeof(old))
        return -EINVAL;
    memcpy(&old, upgrade->from, sizeof(old));
    *s = (struct fw_cfg_state){.key = old.key,
                               .busy = old.busy,
                               .high = old.high,
                               .end = old.to + old.left,
                               .descriptor = old.descriptor};
    fw_cfg_set(s, old.offset, old.left);
    return 0;
}

static void fw_cfg_destroy(void *device)
{
    struct fw_cfg *f = device;

    if (f->work)
        f->ops->work_free(f->instance, f->work);
    fw_cfg_items_free(f->items);
    free(f);
}

static int fw_cfg_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                         uint32_t flags, void **device)
{
    struct fw_cfg *f = calloc(1, sizeof(*f));
    int error = -ENOMEM;

    if (f) {
        *f = (struct fw_cfg){
            .instance = instance,
            .ops = ops,
            .s = state,
            .work = ops->work_new(instance, fw_cfg_dma_turn, f),
            .dma_requests = ops->counter(instance, "dma-requests", "DMA requests of the guest"),
            .dma_errors = ops->counter(instance, "dma-errors", "DMA requests that failed"),
        };
        f->s->busy = f->s->busy != 0;
        if (f->s->end < fw_cfg_left(f->s))
            fw_cfg_set(f->s, fw_cfg_offset(f->s), 0);
        error = f->work ? fw_cfg_items_new(instance, ops, &f->items) : -ENOMEM;
    }
    if (error) {
        if (error == -ENOMEM)
            ops->log(instance, RV_LOG_ERROR, "out of memory");
        if (f)
            fw_cfg_destroy(f);
        return error;
    }
    *device = f;
    return 0;
}

static const char *const fw_cfg_compatible[] = {"qemu,fw-cfg-mmio", NULL};

static const struct rv_fdt_node fw_cfg_fdt = {
    .size = sizeof(fw_cfg_fdt),
    .dma_coherent = 1,
    .name = "fw-cfg",
    .compatible = fw_cfg_compatible,
};

static const struct rv_region fw_cfg_regions[] = {
    {
        .bytes = FW_CFG_SIZE,
        .fixed_base = 0x09020000,
        .read = fw_cfg_read,
        .write = fw_cfg_write,
    },
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "fw-cfg",
    .description = "firmware configuration: named data for the guest's firmware and kernel",
    .properties = fw_cfg_properties,
    .regions = fw_cfg_regions,
    .fdt = &fw_cfg_fdt,
    .place = RV_PLACE_FIXED,
    .state_version = FW_CFG_STATE_VERSION,
    .state_size = sizeof(struct fw_cfg_state),
    .create = fw_cfg_create,
    .destroy = fw_cfg_destroy,
    .reset = fw_cfg_reset,
    .resume = fw_cfg_resume,
    .upgrade = fw_cfg_upgrade,
};
