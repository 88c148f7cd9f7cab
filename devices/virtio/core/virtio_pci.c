/* SPDX-License-Identifier: BSD-2-Clause */
/* The registers in BAR 0, and what leads to them. Sections are of virtio 1.2. */
#include <ringvisor/virtio/virtio_pci.h>

#include <endian.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <stddef.h>

#include "devices/virtio/core/virtio_device_internal.h"

/* Those that <linux/virtio_pci.h> may be too old for: 4.1.4.3. */
#ifndef VIRTIO_PCI_COMMON_Q_RESET
#define VIRTIO_PCI_COMMON_Q_NDATA 56
#define VIRTIO_PCI_COMMON_Q_RESET 58
#endif
#define COMMON_SIZE 60u

#define VENDOR       0x1af4u /* 4.1.2 */
#define DEVICE_BASE  0x1040u /* and the device type's number */
#define REVISION     1u
#define CAP_VENDOR   0x09u /* PCI Local Bus 3.0, appendix H: vendor specific */
#define REGISTER_BAR 0u

/*
 * The function
 */

#define CAP(type, at, bytes)                                                                    \
    {                                                                                           \
        .cap_vndr = CAP_VENDOR, .cap_len = sizeof(struct virtio_pci_cap), .cfg_type = (type),   \
        .bar = REGISTER_BAR, .offset = htole32_constant(at), .length = htole32_constant(bytes), \
    }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define htole32_constant(x) (x)
#else
#define htole32_constant(x) __builtin_bswap32(x)
#endif

static const struct virtio_pci_cap common_cap =
    CAP(VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_COMMON, COMMON_SIZE);
static const struct virtio_pci_cap isr_cap = CAP(VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_ISR_AT, 1);
static const struct virtio_pci_cap device_cap =
    CAP(VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_DEVICE, VIRTIO_PCI_PAGE);
static const struct virtio_pci_notify_cap notify_cap = {
    .cap = {.cap_vndr = CAP_VENDOR,
            .cap_len = sizeof(notify_cap),
            .cfg_type = VIRTIO_PCI_CAP_NOTIFY_CFG,
            .bar = REGISTER_BAR,
            .offset = htole32_constant(VIRTIO_PCI_NOTIFY),
            .length = htole32_constant(VIRTIO_PCI_PAGE)},
    .notify_off_multiplier = htole32_constant(VIRTIO_PCI_DOORBELL),
};
static const struct virtio_pci_cfg_cap window_cap = {
    .cap = {.cap_vndr = CAP_VENDOR,
            .cap_len = sizeof(window_cap),
            .cfg_type = VIRTIO_PCI_CAP_PCI_CFG},
};

static const struct rv_pci_capability capabilities[] = {
    {.bytes = &common_cap, .size = sizeof(common_cap)},
    {.bytes = &notify_cap, .size = sizeof(notify_cap)},
    {.bytes = &isr_cap, .size = sizeof(isr_cap)},
    {.bytes = &device_cap, .size = sizeof(device_cap)},
    {.bytes = &window_cap, .size = sizeof(window_cap), .flags = RV_PCI_CAPABILITY_WINDOW},
    {0},
};

/* PCI Code and ID Assignment Specification: what QEMU's devices say of themselves. */
static uint32_t virtio_pci_class(uint32_t id)
{
    switch (id) {
    case VIRTIO_ID_NET: return 0x020000;     /* Ethernet controller */
    case VIRTIO_ID_BLOCK: return 0x010000;   /* SCSI storage controller */
    case VIRTIO_ID_CONSOLE: return 0x078000; /* another communication controller */
    case VIRTIO_ID_VSOCK: return 0x078000;
    case VIRTIO_ID_FS: return 0x018000; /* another mass storage controller */
    default: return 0x00ff00;           /* of no class */
    }
}

struct rv_pci_function virtio_pci_function(uint32_t id, unsigned queues)
{
    return (struct rv_pci_function){
        .size = sizeof(struct rv_pci_function),
        .class_code = virtio_pci_class(id),
        .vendor = VENDOR,
        .device = (uint16_t)(DEVICE_BASE + id),
        .subsystem_vendor = VENDOR,
        .subsystem = (uint16_t)(DEVICE_BASE + id), /* 4.1.2.1: 0x40 or higher */
        .vectors = queues + 1,
        .revision = REVISION,
        .capabilities = capabilities,
        .capability_size = sizeof(struct rv_pci_capability),
    };
}

/*
 * The common configuration, 4.1.4.3: each field is accessed by its own width, a 64-bit one by
 * its halves.
 */

/* 0: there is no field. */
static unsigned virtio_pci_width(uint64_t offset)
{
    switch (offset) {
    case VIRTIO_PCI_COMMON_STATUS:
    case VIRTIO_PCI_COMMON_CFGGENERATION: return 1;
    case VIRTIO_PCI_COMMON_MSIX:
    case VIRTIO_PCI_COMMON_NUMQ:
    case VIRTIO_PCI_COMMON_Q_SELECT:
    case VIRTIO_PCI_COMMON_Q_SIZE:
    case VIRTIO_PCI_COMMON_Q_MSIX:
    case VIRTIO_PCI_COMMON_Q_ENABLE:
    case VIRTIO_PCI_COMMON_Q_NOFF:
    case VIRTIO_PCI_COMMON_Q_NDATA:
    case VIRTIO_PCI_COMMON_Q_RESET: return 2;
    default: return offset < COMMON_SIZE && offset % 4 == 0 ? 4 : 0;
    }
}

/* Of the selected queue. One that there is not has size 0: 4.1.4.3.1. */
static uint32_t virtio_pci_queue_register(struct virtio_device *virtio, uint64_t offset)
{
    const struct virtqueue *vq = virtio_device_selected(virtio);
    const struct virtq_state *queue;

    if (!vq)
        return 0;
    queue = vq->state;
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE: return queue->size;
    case VIRTIO_PCI_COMMON_Q_MSIX: return queue->vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE: return queue->ready;
    case VIRTIO_PCI_COMMON_Q_NOFF:
    case VIRTIO_PCI_COMMON_Q_NDATA: return vq->index;
    case VIRTIO_PCI_COMMON_Q_RESET: return queue->resetting;
    case VIRTIO_PCI_COMMON_Q_DESCLO: return (uint32_t)queue->desc;
    case VIRTIO_PCI_COMMON_Q_DESCHI: return (uint32_t)(queue->desc >> 32);
    case VIRTIO_PCI_COMMON_Q_AVAILLO: return (uint32_t)queue->driver;
    case VIRTIO_PCI_COMMON_Q_AVAILHI: return (uint32_t)(queue->driver >> 32);
    case VIRTIO_PCI_COMMON_Q_USEDLO: return (uint32_t)queue->device;
    case VIRTIO_PCI_COMMON_Q_USEDHI: return (uint32_t)(queue->device >> 32);
    default: return 0;
    }
}

static uint32_t virtio_pci_register(struct virtio_device *virtio, uint64_t offset)
{
    const struct virtio_state *state = virtio->state;

    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT: return state->device_features_sel;
    case VIRTIO_PCI_COMMON_DF: return virtio_device_offered(virtio);
    case VIRTIO_PCI_COMMON_GFSELECT: return state->driver_features_sel;
    case VIRTIO_PCI_COMMON_GF: return virtio_device_accepted(virtio);
    case VIRTIO_PCI_COMMON_MSIX: return state->config_vector;
    case VIRTIO_PCI_COMMON_NUMQ: return virtio->queue_count;
    case VIRTIO_PCI_COMMON_STATUS: return state->status;
    case VIRTIO_PCI_COMMON_CFGGENERATION: return state->config_generation & 0xff;
    case VIRTIO_PCI_COMMON_Q_SELECT: return state->queue_sel & 0xffff;
    default: return virtio_pci_queue_register(virtio, offset);
    }
}

/* 4.1.5.1.2: a vector that there is not reads back as none. */
static uint32_t virtio_pci_vector(const struct virtio_device *virtio, uint32_t value)
{
    return value <= virtio->queue_count ? value : VIRTIO_NO_VECTOR;
}

static void virtio_pci_queue_setup(struct virtio_device *virtio, struct virtqueue *vq,
                                   uint64_t offset, uint32_t value)
{
    struct virtq_state *queue = vq->state;

    if (!virtio_device_may_set_up(virtio, vq, offset))
        return;
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_SIZE: virtio_device_set_size(virtio, vq, value); break;
    case VIRTIO_PCI_COMMON_Q_DESCLO: virtio_device_set_half(&queue->desc, value, false); break;
    case VIRTIO_PCI_COMMON_Q_DESCHI: virtio_device_set_half(&queue->desc, value, true); break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO: virtio_device_set_half(&queue->driver, value, false); break;
    case VIRTIO_PCI_COMMON_Q_AVAILHI: virtio_device_set_half(&queue->driver, value, true); break;
    case VIRTIO_PCI_COMMON_Q_USEDLO: virtio_device_set_half(&queue->device, value, false); break;
    case VIRTIO_PCI_COMMON_Q_USEDHI: virtio_device_set_half(&queue->device, value, true); break;
    default:
        virtio_device_refuse(virtio, "a write to no register that can be written:", offset);
        break;
    }
}

static void virtio_pci_queue_write(struct virtio_device *virtio, uint64_t offset, uint32_t value)
{
    struct virtqueue *vq = virtio_device_selected(virtio);

    if (!vq) {
        virtio_device_refuse(virtio, "there is no queue", virtio->state->queue_sel);
        return;
    }
    switch (offset) {
    case VIRTIO_PCI_COMMON_Q_MSIX: vq->state->vector = virtio_pci_vector(virtio, value); break;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        /* 4.1.4.3.2: a driver does not write 0. */
        if (value == 1)
            virtio_device_enable_queue(virtio, vq);
        else
            virtio_device_refuse(virtio, "queue_enable", value);
        break;
    case VIRTIO_PCI_COMMON_Q_RESET: virtio_device_reset_queue(virtio, vq, value); break;
    default: virtio_pci_queue_setup(virtio, vq, offset, value); break;
    }
}

static void virtio_pci_common_write(struct virtio_device *virtio, uint64_t offset, uint32_t value)
{
    struct virtio_state *state = virtio->state;

    switch (offset) {
    case VIRTIO_PCI_COMMON_DFSELECT: state->device_features_sel = value; break;
    case VIRTIO_PCI_COMMON_GFSELECT: state->driver_features_sel = value; break;
    case VIRTIO_PCI_COMMON_GF: virtio_device_set_accepted(virtio, value); break;
    case VIRTIO_PCI_COMMON_MSIX: state->config_vector = virtio_pci_vector(virtio, value); break;
    case VIRTIO_PCI_COMMON_STATUS: virtio_device_set_status(virtio, value); break;
    case VIRTIO_PCI_COMMON_Q_SELECT: state->queue_sel = value; break;
    default: virtio_pci_queue_write(virtio, offset, value); break;
    }
}

/* 4.1.4.5: reading it is the acknowledgement. */
static uint32_t virtio_pci_isr(struct virtio_device *virtio)
{
    uint32_t isr = virtio->state->interrupt_status;

    virtio->state->interrupt_status = 0;
    virtio_device_update_irq(virtio);
    return isr;
}

uint64_t virtio_pci_read(struct virtio_device *virtio, uint64_t offset, unsigned size)
{
    uint64_t at = offset % VIRTIO_PCI_PAGE;

    switch (offset - at) {
    case VIRTIO_PCI_DEVICE: return virtio_device_config_read(virtio, at, size);
    case VIRTIO_PCI_ISR_AT: return at == 0 ? virtio_pci_isr(virtio) : 0;
    case VIRTIO_PCI_COMMON: break;
    default: return 0;
    }
    if (size != virtio_pci_width(at)) {
        virtio_device_refuse(virtio, "a read that is not of one field, at", offset);
        return 0;
    }
    return virtio_pci_register(virtio, at);
}

void virtio_pci_write(struct virtio_device *virtio, uint64_t offset, unsigned size, uint64_t value)
{
    uint64_t at = offset % VIRTIO_PCI_PAGE;
    bool is_reset = offset == VIRTIO_PCI_COMMON_STATUS && size == 1 && value == 0;

    /* The driver has to wait until the reset is done, and may say once more that it wants it. */
    if (virtio->state->resetting) {
        if (!is_reset)
            virtio_device_refuse(virtio, "a write while the device is being reset, at", offset);
        return;
    }
    switch (offset - at) {
    case VIRTIO_PCI_DEVICE: virtio_device_config_write(virtio, at, size, value); return;
    case VIRTIO_PCI_NOTIFY:
        virtio_device_notify(virtio, (uint32_t)(at / VIRTIO_PCI_DOORBELL));
        return;
    case VIRTIO_PCI_COMMON: break;
    default: virtio_device_refuse(virtio, "a write to what can only be read:", offset); return;
    }
    if (size != virtio_pci_width(at))
        virtio_device_refuse(virtio, "a write that is not of one field, at", offset);
    else
        virtio_pci_common_write(virtio, at, (uint32_t)value);
}
