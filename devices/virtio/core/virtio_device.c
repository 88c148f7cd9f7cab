/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio device's life: made or taken over, negotiated, broken, reset. Sections
 * without a name are of virtio 1.2.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core/virtio_device_internal.h"

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER      VIRTIO_CONFIG_S_DRIVER
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED      VIRTIO_CONFIG_S_FAILED

/* Those that the driver may set. */
#define DRIVER_STATUS ((uint32_t)(ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED))

void virtio_device_update_irq(struct virtio_device *virtio)
{
    virtio->env.irq(virtio->env.opaque, virtio->state->interrupt_status != 0);
}

/* The acknowledgements that are on their way do not mean what is told now. */
static void virtio_device_expect(struct virtio_device *virtio)
{
    const struct virtio_env *env = &virtio->env;
    uint32_t unheard = env->unheard ? env->unheard(env->opaque) : 0;

    if (virtio->again < unheard)
        virtio->again = unheard;
}

/* By a message, if the driver has asked for messages; else by the line. */
static void virtio_device_interrupt(struct virtio_device *virtio, uint32_t cause, uint32_t vector)
{
    const struct virtio_env *env = &virtio->env;

    if (env->message && env->message(env->opaque, vector))
        return;
    virtio->state->interrupt_status |= cause;
    virtio_device_expect(virtio);
    virtio_device_update_irq(virtio);
}

/*
 * What is not acknowledged interrupts anew: the line may be one of edges. So does what may have been
 * acknowledged before the driver could see it.
 */
void virtio_device_acknowledge(struct virtio_device *virtio, uint32_t causes)
{
    if (virtio->again)
        virtio->again--;
    else
        virtio->state->interrupt_status &= ~causes;
    virtio->env.irq(virtio->env.opaque, false);
    virtio_device_update_irq(virtio);
}

void virtio_device_changed(struct virtio_device *virtio)
{
    if (virtio->env.changed)
        virtio->env.changed(virtio->env.opaque);
}

static void virtio_device_interrupt_used(void *opaque, unsigned queue)
{
    struct virtio_device *virtio = opaque;

    virtio_device_interrupt(virtio, VIRTIO_INTERRUPT_QUEUE, virtio->queues[queue].state->vector);
}

static void virtio_device_interrupt_config(struct virtio_device *virtio)
{
    virtio_device_interrupt(virtio, VIRTIO_INTERRUPT_CONFIG, virtio->state->config_vector);
}

void virtio_device_used(struct virtio_device *virtio, uint64_t queues)
{
    if (!(virtio->state->status & DRIVER_OK) || virtio->state->resetting)
        return;
    for (unsigned i = 0; i < virtio->queue_count; i++)
        if (queues >> i & 1)
            virtio_device_interrupt_used(virtio, i);
}

/* What happened while nothing could be told, or what an earlier process may not have told. */
static void virtio_device_tell(struct virtio_device *virtio)
{
    uint32_t causes = virtio->state->interrupt_status;

    if (virtio->env.message) {
        virtio->state->interrupt_status = 0;
        if (causes & VIRTIO_INTERRUPT_CONFIG)
            virtio_device_interrupt_config(virtio);
        if (causes & VIRTIO_INTERRUPT_QUEUE)
            virtio_device_used(virtio, UINT64_MAX);
    }
    if (causes)
        virtio_device_expect(virtio);
    virtio_device_update_irq(virtio);
}

struct virtqueue *virtio_device_queue(struct virtio_device *virtio, unsigned index)
{
    return &virtio->queues[index];
}

uint64_t virtio_device_features(const struct virtio_device *virtio)
{
    return virtio->state->status & FEATURES_OK ? virtio->state->driver_features : 0;
}

void virtio_device_config_changed(struct virtio_device *virtio)
{
    virtio->state->config_generation++;
    virtio_device_changed(virtio);
    /* 2.1.2: no notification before DRIVER_OK. */
    if (!(virtio->state->status & DRIVER_OK))
        return;
    /* What is held may be saved now: the next process has to know of it. */
    if (virtio->held)
        virtio->state->interrupt_status |= VIRTIO_INTERRUPT_CONFIG;
    else
        virtio_device_interrupt_config(virtio);
}

/* Which queues may be used follows from the status: 3.1.1, 2.1.2. */
static void virtio_device_update_queues(struct virtio_device *virtio)
{
    uint32_t status = virtio->state->status;
    bool live = status & DRIVER_OK && !(status & NEEDS_RESET) && !virtio->state->resetting;

    for (unsigned i = 0; i < virtio->queue_count; i++) {
        const struct virtq_state *queue = virtio->queues[i].state;

        virtio->queues[i].running = live && queue->ready && !queue->resetting;
    }
}

void virtio_device_broken(struct virtio_device *virtio, unsigned queue, const char *what,
                          uint64_t value)
{
    if (virtio->state->status & NEEDS_RESET)
        return;
    if (!virtio->logged_violation)
        virtio->env.log(virtio->env.opaque,
                        "queue %u: the driver gave %s 0x%" PRIx64
                        ": stopped until the driver resets "
                        "the device",
                        queue, what, value);
    virtio->logged_violation = true;
    virtio->state->status |= NEEDS_RESET;
    virtio_device_changed(virtio);
    virtio_device_update_queues(virtio);
    if (virtio->state->status & DRIVER_OK)
        virtio_device_interrupt_config(virtio);
}

static bool virtio_device_overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
    return a - b < b_len || b - a < a_len;
}

void virtio_device_memory_gone(struct virtio_device *virtio, uint64_t ipa, uint64_t len)
{
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        const struct virtqueue *vq = &virtio->queues[i];
        const struct virtq_state *queue = vq->state;
        /* The areas' lengths do not matter: each is smaller than this. */
        const uint64_t most = (uint64_t)VIRTQUEUE_SIZE_MAX * 16;

        if (!queue->ready ||
            !(virtio_device_overlap(queue->desc, most, ipa, len) ||
              virtio_device_overlap(queue->driver, most, ipa, len) ||
              virtio_device_overlap(queue->device, most, ipa, len) || virtqueue_inflight(vq)))
            continue;
        virtio_device_broken(virtio, i, "a queue in memory that went, of bytes", len);
        if (virtio->class->reset)
            virtio->class->reset(virtio->device);
        return;
    }
}

static void virtio_device_violation(void *opaque, unsigned queue, const char *what, uint64_t value)
{
    virtio_device_broken(opaque, queue, what, value);
}

/*
 * Queues
 */

void virtio_device_queue_start(struct virtio_device *virtio, struct virtqueue *vq)
{
    if (virtqueue_enable(vq, virtio_device_features(virtio)) != 0)
        return;
    vq->state->ready = 1;
    virtio_device_update_queues(virtio);
}

void virtio_device_queue_stop(struct virtio_device *virtio, struct virtqueue *vq)
{
    vq->state->resetting = 1;
    vq->running = false;
    if (!virtio->class->queue_reset || virtio->class->queue_reset(virtio->device, vq))
        virtio_device_queue_reset_done(virtio, vq);
}

void virtio_device_queue_reset_done(struct virtio_device *virtio, struct virtqueue *vq)
{
    if (!vq->state->resetting)
        return;
    virtqueue_reset(vq);
    virtio_device_changed(virtio);
}

/*
 * Status
 */

static void virtio_device_clear(struct virtio_device *virtio)
{
    struct virtio_state *state = virtio->state;

    for (unsigned i = 0; i < virtio->queue_count; i++)
        virtqueue_reset(&virtio->queues[i]);
    state->driver_features = 0;
    state->device_features_sel = 0;
    state->driver_features_sel = 0;
    state->queue_sel = 0;
    state->interrupt_status = 0;
    state->config_vector = VIRTIO_NO_VECTOR;
    virtio->again = 0;
    virtio_device_update_irq(virtio);
    /* Last: with these the driver knows that all the rest is done. */
    state->resetting = 0;
    state->status = 0;
    virtio_device_changed(virtio);
}

bool virtio_device_is_resetting(const struct virtio_device *virtio)
{
    return virtio->state->resetting;
}

void virtio_device_reset_done(struct virtio_device *virtio)
{
    if (virtio->state->resetting)
        virtio_device_clear(virtio);
}

/* 2.4: Status reads as it was until the device is done. */
static void virtio_device_driver_reset(struct virtio_device *virtio)
{
    virtio->state->resetting = 1;
    virtio_device_update_queues(virtio);
    if (!virtio->class->reset || virtio->class->reset(virtio->device))
        virtio_device_reset_done(virtio);
}

void virtio_device_reset(struct virtio_device *virtio)
{
    virtio->state->resetting = 1;
    virtio_device_update_queues(virtio);
    if (virtio->class->reset)
        virtio->class->reset(virtio->device);
    virtio_device_clear(virtio);
}

/* 2.2.2, 6.1: nothing that was not offered, and no legacy driver. */
static bool virtio_device_accept(struct virtio_device *virtio)
{
    struct virtio_state *state = virtio->state;
    uint64_t features = state->driver_features;

    if ((features & ~state->device_features) == 0 &&
        features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1) &&
        (!virtio->class->features_ok || virtio->class->features_ok(virtio->device, features)))
        return true;
    if (!virtio->logged_register)
        virtio->env.log(virtio->env.opaque,
                        "the driver's features 0x%" PRIx64 " are refused; 0x%" PRIx64
                        " are offered",
                        features, state->device_features);
    virtio->logged_register = true;
    return false;
}

static void virtio_device_go(struct virtio_device *virtio)
{
    virtio_device_changed(virtio); /* before an interrupt tells of what is done here */
    virtio_device_update_queues(virtio);
    if (virtio->class->driver_ok)
        virtio->class->driver_ok(virtio->device);
    /* A driver may have filled queues before DRIVER_OK and not notify of it again. */
    for (unsigned i = 0; i < virtio->queue_count; i++)
        if (virtio->queues[i].running)
            virtio->class->notify(virtio->device, &virtio->queues[i]);
}

/*
 * 2.1 and 3.1.1: the driver sets bits, each one after those before it, and
 * clears none but all. What is out of order is ignored as a whole. ACKNOWLEDGE may
 * be missing, as nothing depends on it: U-Boot (2023.01) sets DRIVER right after a reset.
 */
void virtio_device_set_status(struct virtio_device *virtio, uint32_t value)
{
    static const struct {
        uint32_t bit;
        uint32_t needs;
    } order[] = {{FEATURES_OK, DRIVER}, {DRIVER_OK, FEATURES_OK}};
    struct virtio_state *state = virtio->state;
    uint32_t old = state->status;
    uint32_t new = value &DRIVER_STATUS;
    bool wrong = (old & DRIVER_STATUS & ~new) != 0;

    if (value == 0) {
        virtio_device_driver_reset(virtio);
        return;
    }
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        wrong |= new &order[i].bit && !(new &order[i].needs);
    if (wrong) {
        if (!virtio->logged_register)
            virtio->env.log(virtio->env.opaque,
                            "status 0x%" PRIx32 " after 0x%" PRIx32 " is ignored", value, old);
        virtio->logged_register = true;
        return;
    }
    if (new & ~old & FEATURES_OK && !virtio_device_accept(virtio))
        new &= ~(uint32_t)(FEATURES_OK | DRIVER_OK);
    state->status = new | (old & NEEDS_RESET);
    if (new & ~old & DRIVER_OK && !(old & NEEDS_RESET))
        virtio_device_go(virtio);
}

/*
 * The beginning, anew or from what another process left
 */

size_t virtio_device_state_size(const struct virtio_device_config *config)
{
    size_t size = sizeof(struct virtio_state) + config->queues * sizeof(struct virtq_state);

    for (unsigned i = 0; i < config->queues; i++)
        size += virtqueue_slots(&config->limits[i]) * sizeof(struct virtq_inflight);
    return size;
}

static int virtio_device_init_queues(struct virtio_device *virtio,
                                     const struct virtio_device_config *config)
{
    struct virtq_state *queues = (struct virtq_state *)(virtio->state + 1);
    struct virtq_inflight *slots = (struct virtq_inflight *)(queues + config->queues);

    virtio->queues = calloc(config->queues + !config->queues, sizeof(*virtio->queues));
    if (!virtio->queues)
        return -ENOMEM;
    for (unsigned i = 0; i < config->queues; i++) {
        int error = virtqueue_init(&virtio->queues[i], i, &config->limits[i], &virtio->env,
                                   &virtio->owner, &queues[i], slots);

        if (error) {
            virtio_device_destroy(virtio);
            return error;
        }
        virtio->queues[i].held = true;
        virtio->queue_count++;
        slots += virtqueue_slots(&config->limits[i]);
    }
    return 0;
}

/* What the driver was told before must still be true. */
static bool virtio_device_state_fits(const struct virtio_device *virtio,
                                     const struct virtio_device_config *config)
{
    const struct virtio_state *state = virtio->state;

    if (state->magic != VIRTIO_STATE_MAGIC || state->version != VIRTIO_STATE_VERSION ||
        state->queues != config->queues)
        return false;
    if ((state->device_features & ~(config->features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1))) != 0 ||
        state->status & ~(DRIVER_STATUS | NEEDS_RESET) || state->resetting > 1)
        return false;
    if (state->status & FEATURES_OK && (state->driver_features & ~state->device_features) != 0)
        return false;
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        const struct virtq_state *queue = virtio->queues[i].state;

        if (queue->max != config->limits[i].size || queue->size == 0 || queue->size > queue->max ||
            queue->ready > 1 || queue->resetting > 1)
            return false;
        if (queue->ready && !(state->status & FEATURES_OK))
            return false;
    }
    return true;
}

static int virtio_device_attach(struct virtio_device *virtio,
                                const struct virtio_device_config *config)
{
    struct virtio_state *state = virtio->state;

    if (!virtio_device_state_fits(virtio, config))
        return -EINVAL;
    /*
     * Who had something in flight is gone, so a reset that waited for it is over. The device
     * type may not have come to its part of it.
     */
    if (state->resetting) {
        virtio_device_reset(virtio);
        return 0;
    }
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        struct virtqueue *vq = &virtio->queues[i];

        if (vq->state->resetting) {
            virtio_device_queue_stop(virtio, vq);
            virtio_device_queue_reset_done(virtio, vq);
        } else if (vq->state->ready && !(state->status & NEEDS_RESET) &&
                   virtqueue_attach(vq, state->driver_features) != 0) {
            return -EINVAL;
        }
    }
    virtio_device_update_queues(virtio);
    /* What was used may not have been told; one interrupt too many is allowed: 2.7.7.1. */
    if (state->status & DRIVER_OK)
        state->interrupt_status |= VIRTIO_INTERRUPT_QUEUE;
    virtio_device_update_irq(virtio);
    return 0;
}

int virtio_device_init(struct virtio_device *virtio, const struct virtio_device_class *class,
                       void *device, const struct virtio_device_config *config,
                       const struct virtio_env *env, void *state)
{
    int error;

    if (config->queues > VIRTIO_DEVICE_QUEUES_MAX)
        return -EINVAL;
    *virtio = (struct virtio_device){
        .class = class,
        .device = device,
        .env = *env,
        .owner = {virtio, virtio_device_interrupt_used, virtio_device_violation},
        .state = state,
        .config_size = config->config_size,
        .held = true,
    };
    error = virtio_device_init_queues(virtio, config);
    if (error)
        return error;
    if (virtio->state->magic == 0) {
        for (unsigned i = 0; i < config->queues; i++)
            virtio->queues[i].state->max = config->limits[i].size;
        virtio->state->version = VIRTIO_STATE_VERSION;
        virtio->state->queues = (uint16_t)config->queues;
        virtio->state->device_features = config->features | VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
        virtio_device_clear(virtio);
        /* Only now is there a state that another process can go on with. */
        __atomic_store_n(&virtio->state->magic, VIRTIO_STATE_MAGIC, __ATOMIC_RELEASE);
        return 0;
    }
    error = virtio_device_attach(virtio, config);
    if (error) {
        env->log(env->opaque,
                 "the state that was left is not that of this device: it cannot go on");
        virtio_device_destroy(virtio);
    }
    return error;
}

void virtio_device_destroy(struct virtio_device *virtio)
{
    for (unsigned i = 0; i < virtio->queue_count; i++)
        virtqueue_destroy(&virtio->queues[i]);
    virtio->queue_count = 0;
    free(virtio->queues);
    virtio->queues = NULL;
}

void virtio_device_hold(struct virtio_device *virtio)
{
    virtio->held = true;
    for (unsigned i = 0; i < virtio->queue_count; i++)
        virtio->queues[i].held = true;
}

bool virtio_device_is_held(const struct virtio_device *virtio)
{
    return virtio->held;
}

void virtio_device_resume(struct virtio_device *virtio)
{
    struct virtq_chain chain;

    virtio->held = false;
    virtio_device_tell(virtio); /* the configuration may have changed meanwhile */
    for (unsigned i = 0; i < virtio->queue_count; i++) {
        struct virtqueue *vq = &virtio->queues[i];

        vq->held = false;
        while (virtqueue_resubmit(vq, &chain)) {
            if (virtio->class->resubmit)
                virtio->class->resubmit(virtio->device, vq, &chain);
            else
                virtqueue_push(vq, &chain, 0);
        }
        virtqueue_flush_notify(vq);
        /* A notification may have been lost with who received it. */
        if (vq->running)
            virtio->class->notify(virtio->device, vq);
    }
}
