/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device's life: made or taken over, negotiated, broken, reset. Sections
 * without a name are of virtio 1.2.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core/virtio_mmio_internal.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED

/* Those that the driver may set. */
#define DRIVER_STATUS ((uint32_t)(ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED))

void virtio_mmio_update_irq(struct virtio_mmio *mmio)
{
    mmio->env.irq(mmio->env.opaque, mmio->state->interrupt_status != 0);
}

static void virtio_mmio_interrupt(struct virtio_mmio *mmio, uint32_t cause)
{
    mmio->state->interrupt_status |= cause;
    virtio_mmio_update_irq(mmio);
}

static void virtio_mmio_interrupt_used(void *opaque)
{
    virtio_mmio_interrupt(opaque, VIRTIO_MMIO_INT_VRING);
}

void virtio_mmio_used(struct virtio_mmio *mmio)
{
    if (mmio->state->status & DRIVER_OK && !mmio->state->resetting)
        virtio_mmio_interrupt(mmio, VIRTIO_MMIO_INT_VRING);
}

struct virtqueue *virtio_mmio_queue(struct virtio_mmio *mmio, unsigned index)
{
    return &mmio->queues[index];
}

uint64_t virtio_mmio_features(const struct virtio_mmio *mmio)
{
    return mmio->state->status & FEATURES_OK ? mmio->state->driver_features : 0;
}

void virtio_mmio_config_changed(struct virtio_mmio *mmio)
{
    mmio->state->config_generation++;
    /* 2.1.2: no notification before DRIVER_OK. */
    if (!(mmio->state->status & DRIVER_OK))
        return;
    /* What is held may be saved now: the next process has to know of it. */
    mmio->state->interrupt_status |= VIRTIO_MMIO_INT_CONFIG;
    if (!mmio->held)
        virtio_mmio_update_irq(mmio);
}

/* Which queues may be used follows from the status: 3.1.1, 2.1.2. */
static void virtio_mmio_update_queues(struct virtio_mmio *mmio)
{
    uint32_t status = mmio->state->status;
    bool live = status & DRIVER_OK && !(status & NEEDS_RESET) && !mmio->state->resetting;

    for (unsigned i = 0; i < mmio->queue_count; i++) {
        const struct virtq_state *queue = mmio->queues[i].state;

        mmio->queues[i].running = live && queue->ready && !queue->resetting;
    }
}

void virtio_mmio_broken(struct virtio_mmio *mmio, unsigned queue, const char *what, uint64_t value)
{
    if (mmio->state->status & NEEDS_RESET)
        return;
    if (!mmio->logged_violation)
        mmio->env.log(mmio->env.opaque,
                      "queue %u: the driver gave %s 0x%" PRIx64 ": stopped until the driver resets "
                      "the device",
                      queue, what, value);
    mmio->logged_violation = true;
    mmio->state->status |= NEEDS_RESET;
    virtio_mmio_update_queues(mmio);
    if (mmio->state->status & DRIVER_OK)
        virtio_mmio_interrupt(mmio, VIRTIO_MMIO_INT_CONFIG);
}

static bool virtio_mmio_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a - b < b_len || b - a < a_len;
}

void virtio_mmio_memory_gone(struct virtio_mmio *mmio, uint64_t ipa, uint64_t len)
{
    for (unsigned i = 0; i < mmio->queue_count; i++) {
        const struct virtqueue *vq = &mmio->queues[i];
        const struct virtq_state *queue = vq->state;
        /* The areas' lengths do not matter: each is smaller than this. */
        const uint64_t most = (uint64_t)VIRTQUEUE_SIZE_MAX * 16;

        if (!queue->ready ||
            !(virtio_mmio_overlap(queue->desc, most, ipa, len) ||
              virtio_mmio_overlap(queue->driver, most, ipa, len) ||
              virtio_mmio_overlap(queue->device, most, ipa, len) || virtqueue_inflight(vq)))
            continue;
        virtio_mmio_broken(mmio, i, "a queue in memory that went, of bytes", len);
        if (mmio->class->reset)
            mmio->class->reset(mmio->device);
        return;
    }
}

static void virtio_mmio_violation(void *opaque, unsigned queue, const char *what, uint64_t value)
{
    virtio_mmio_broken(opaque, queue, what, value);
}

/*
 * Queues
 */

void virtio_mmio_queue_start(struct virtio_mmio *mmio, struct virtqueue *vq)
{
    if (virtqueue_enable(vq, virtio_mmio_features(mmio)) != 0)
        return;
    vq->state->ready = 1;
    virtio_mmio_update_queues(mmio);
}

void virtio_mmio_queue_stop(struct virtio_mmio *mmio, struct virtqueue *vq)
{
    vq->state->resetting = 1;
    vq->running = false;
    if (!mmio->class->queue_reset || mmio->class->queue_reset(mmio->device, vq))
        virtio_mmio_queue_reset_done(mmio, vq);
}

void virtio_mmio_queue_reset_done(struct virtio_mmio *mmio, struct virtqueue *vq)
{
    if (vq->state->resetting)
        virtqueue_reset(vq);
}

/*
 * Status
 */

static void virtio_mmio_clear(struct virtio_mmio *mmio)
{
    struct virtio_state *state = mmio->state;

    for (unsigned i = 0; i < mmio->queue_count; i++)
        virtqueue_reset(&mmio->queues[i]);
    state->driver_features = 0;
    state->device_features_sel = 0;
    state->driver_features_sel = 0;
    state->queue_sel = 0;
    state->interrupt_status = 0;
    virtio_mmio_update_irq(mmio);
    /* Last: with these the driver knows that all the rest is done. */
    state->resetting = 0;
    state->status = 0;
}

bool virtio_mmio_is_resetting(const struct virtio_mmio *mmio)
{
    return mmio->state->resetting;
}

void virtio_mmio_reset_done(struct virtio_mmio *mmio)
{
    if (mmio->state->resetting)
        virtio_mmio_clear(mmio);
}

/* 2.4: Status reads as it was until the device is done. */
static void virtio_mmio_driver_reset(struct virtio_mmio *mmio)
{
    mmio->state->resetting = 1;
    virtio_mmio_update_queues(mmio);
    if (!mmio->class->reset || mmio->class->reset(mmio->device))
        virtio_mmio_reset_done(mmio);
}

void virtio_mmio_reset(struct virtio_mmio *mmio)
{
    mmio->state->resetting = 1;
    virtio_mmio_update_queues(mmio);
    if (mmio->class->reset)
        mmio->class->reset(mmio->device);
    virtio_mmio_clear(mmio);
}

/* 2.2.2, 6.1: nothing that was not offered, and no legacy driver. */
static bool virtio_mmio_accept(struct virtio_mmio *mmio)
{
    struct virtio_state *state = mmio->state;
    uint64_t features = state->driver_features;

    if ((features & ~state->device_features) == 0 &&
        features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1) &&
        (!mmio->class->features_ok || mmio->class->features_ok(mmio->device, features)))
        return true;
    if (!mmio->logged_register)
        mmio->env.log(mmio->env.opaque,
                      "the driver's features 0x%" PRIx64 " are refused; 0x%" PRIx64 " are offered",
                      features, state->device_features);
    mmio->logged_register = true;
    return false;
}

static void virtio_mmio_go(struct virtio_mmio *mmio)
{
    virtio_mmio_update_queues(mmio);
    if (mmio->class->driver_ok)
        mmio->class->driver_ok(mmio->device);
    /* A driver may have filled queues before DRIVER_OK and not notify of it again. */
    for (unsigned i = 0; i < mmio->queue_count; i++)
        if (mmio->queues[i].running)
            mmio->class->notify(mmio->device, &mmio->queues[i]);
}

/*
 * 2.1 and 3.1.1: the driver sets bits, each one after those before it, and
 * clears none but all. What is out of order is ignored as a whole. ACKNOWLEDGE may
 * be missing, as nothing depends on it: U-Boot (2023.01) sets DRIVER right after a reset.
 */
void virtio_mmio_set_status(struct virtio_mmio *mmio, uint32_t value)
{
    static const struct {
        uint32_t bit;
        uint32_t needs;
    } order[] = {{FEATURES_OK, DRIVER}, {DRIVER_OK, FEATURES_OK}};
    struct virtio_state *state = mmio->state;
    uint32_t old = state->status;
    uint32_t new = value &DRIVER_STATUS;
    bool wrong = (old & DRIVER_STATUS & ~new) != 0;

    if (value == 0) {
        virtio_mmio_driver_reset(mmio);
        return;
    }
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        wrong |= new &order[i].bit && !(new &order[i].needs);
    if (wrong) {
        if (!mmio->logged_register)
            mmio->env.log(mmio->env.opaque, "status 0x%" PRIx32 " after 0x%" PRIx32 " is ignored",
                          value, old);
        mmio->logged_register = true;
        return;
    }
    if (new & ~old & FEATURES_OK && !virtio_mmio_accept(mmio))
        new &= ~(uint32_t)(FEATURES_OK | DRIVER_OK);
    state->status = new | (old & NEEDS_RESET);
    if (new & ~old & DRIVER_OK && !(old & NEEDS_RESET))
        virtio_mmio_go(mmio);
}

/*
 * The beginning, anew or from what another process left
 */

size_t virtio_mmio_state_size(const struct virtio_device_config *config)
{
    size_t size = sizeof(struct virtio_state) + config->queues * sizeof(struct virtq_state);

    for (unsigned i = 0; i < config->queues; i++)
        size += virtqueue_slots(&config->limits[i]) * sizeof(struct virtq_inflight);
    return size;
}

static int virtio_mmio_init_queues(struct virtio_mmio *mmio,
                                   const struct virtio_device_config *config)
{
    struct virtq_state *queues = (struct virtq_state *)(mmio->state + 1);
    struct virtq_inflight *slots = (struct virtq_inflight *)(queues + config->queues);

    mmio->queues = calloc(config->queues + !config->queues, sizeof(*mmio->queues));
    if (!mmio->queues)
        return -ENOMEM;
    for (unsigned i = 0; i < config->queues; i++) {
        int error = virtqueue_init(&mmio->queues[i], i, &config->limits[i], &mmio->env,
                                   &mmio->owner, &queues[i], slots);

        if (error) {
            virtio_mmio_destroy(mmio);
            return error;
        }
        mmio->queues[i].held = true;
        mmio->queue_count++;
        slots += virtqueue_slots(&config->limits[i]);
    }
    return 0;
}

/* What the driver was told before must still be true. */
static bool virtio_mmio_state_fits(const struct virtio_mmio *mmio,
                                   const struct virtio_device_config *config)
{
    const struct virtio_state *state = mmio->state;

    if (state->magic != VIRTIO_STATE_MAGIC || state->version != VIRTIO_STATE_VERSION ||
        state->queues != config->queues)
        return false;
    if ((state->device_features & ~(config->features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1))) != 0 ||
        state->status & ~(DRIVER_STATUS | NEEDS_RESET) || state->resetting > 1)
        return false;
    if (state->status & FEATURES_OK && (state->driver_features & ~state->device_features) != 0)
        return false;
    for (unsigned i = 0; i < mmio->queue_count; i++) {
        const struct virtq_state *queue = mmio->queues[i].state;

        if (queue->max != config->limits[i].size || queue->size == 0 || queue->size > queue->max ||
            queue->ready > 1 || queue->resetting > 1)
            return false;
        if (queue->ready && !(state->status & FEATURES_OK))
            return false;
    }
    return true;
}

static int virtio_mmio_attach(struct virtio_mmio *mmio, const struct virtio_device_config *config)
{
    struct virtio_state *state = mmio->state;

    if (!virtio_mmio_state_fits(mmio, config))
        return -EINVAL;
    /* Who had something in flight is gone, so a reset that waited for it is over. */
    if (state->resetting) {
        virtio_mmio_clear(mmio);
        return 0;
    }
    for (unsigned i = 0; i < mmio->queue_count; i++) {
        struct virtqueue *vq = &mmio->queues[i];

        if (vq->state->resetting)
            virtqueue_reset(vq);
        else if (vq->state->ready && !(state->status & NEEDS_RESET) &&
                 virtqueue_attach(vq, state->driver_features) != 0)
            return -EINVAL;
    }
    virtio_mmio_update_queues(mmio);
    /* What was used may not have been told; one interrupt too many is allowed: 2.7.7.1. */
    if (state->status & DRIVER_OK)
        state->interrupt_status |= VIRTIO_MMIO_INT_VRING;
    virtio_mmio_update_irq(mmio);
    return 0;
}

int virtio_mmio_init(struct virtio_mmio *mmio, const struct virtio_device_class *class,
                     void *device, const struct virtio_device_config *config,
                     const struct virtio_env *env, void *state)
{
    int error;

    if (config->queues > VIRTIO_MMIO_QUEUES_MAX)
        return -EINVAL;
    *mmio = (struct virtio_mmio){
        .class = class,
        .device = device,
        .env = *env,
        .owner = {mmio, virtio_mmio_interrupt_used, virtio_mmio_violation},
        .state = state,
        .config_size = config->config_size,
        .held = true,
    };
    error = virtio_mmio_init_queues(mmio, config);
    if (error)
        return error;
    if (mmio->state->magic == 0) {
        for (unsigned i = 0; i < config->queues; i++)
            mmio->queues[i].state->max = config->limits[i].size;
        mmio->state->version = VIRTIO_STATE_VERSION;
        mmio->state->queues = (uint16_t)config->queues;
        mmio->state->device_features = config->features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
        virtio_mmio_clear(mmio);
        /* Only now is there a state that another process can go on with. */
        __atomic_store_n(&mmio->state->magic, VIRTIO_STATE_MAGIC, __ATOMIC_RELEASE);
        return 0;
    }
    error = virtio_mmio_attach(mmio, config);
    if (error) {
        env->log(env->opaque,
                 "the state that was left is not that of this device: it cannot go on");
        virtio_mmio_destroy(mmio);
    }
    return error;
}

void virtio_mmio_destroy(struct virtio_mmio *mmio)
{
    for (unsigned i = 0; i < mmio->queue_count; i++)
        virtqueue_destroy(&mmio->queues[i]);
    mmio->queue_count = 0;
    free(mmio->queues);
    mmio->queues = NULL;
}

void virtio_mmio_hold(struct virtio_mmio *mmio)
{
    mmio->held = true;
    for (unsigned i = 0; i < mmio->queue_count; i++)
        mmio->queues[i].held = true;
}

bool virtio_mmio_is_held(const struct virtio_mmio *mmio)
{
    return mmio->held;
}

void virtio_mmio_resume(struct virtio_mmio *mmio)
{
    struct virtq_chain chain;

    mmio->held = false;
    virtio_mmio_update_irq(mmio); /* the configuration may have changed meanwhile */
    for (unsigned i = 0; i < mmio->queue_count; i++) {
        struct virtqueue *vq = &mmio->queues[i];

        vq->held = false;
        while (virtqueue_resubmit(vq, &chain)) {
            if (mmio->class->resubmit)
                mmio->class->resubmit(mmio->device, vq, &chain);
            else
                virtqueue_push(vq, &chain, 0);
        }
        virtqueue_flush_notify(vq);
        /* A notification may have been lost with who received it. */
        if (vq->running)
            mmio->class->notify(mmio->device, vq);
    }
}
