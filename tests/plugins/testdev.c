/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device for the guest tests: it makes each kind of MMIO access, interrupt
 * and failure happen on demand, and tells what it saw. tests/payloads/testdev.h
 * is its manual.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <ringvisor/device.h>

#include "tests/payloads/testdev.h"

struct log_entry {
    uint64_t value;
    uint32_t offset;
    uint32_t size;
};

/* Guest-visible, so all of it is in the state block. */
struct testdev_state {
    uint8_t scratch[TESTDEV_SCRATCH_SIZE];
    uint64_t last_offset;
    uint64_t last_size;
    uint64_t last_value;
    uint64_t last_write;
    uint64_t count;
    uint64_t line[TESTDEV_LINES];
    uint64_t posted_count;
    uint64_t log_count;
    uint64_t log_hash;
    uint64_t log_index;
    struct log_entry log[TESTDEV_LOG_LENGTH];
    uint64_t dma_from;
    uint64_t dma_to;
    uint64_t dma_refused;
    uint64_t delay_ns; /* when line 0 goes up; 0: not */
    uint64_t late_ns;  /* when the late request ends; 0: there is none */
    uint64_t events;
    uint64_t sticky; /* the last field: a reset clears what is before it */
};

struct testdev {
    struct rv_instance *instance;
    const struct rv_vmm_ops *ops;
    struct testdev_state *state;
    struct rv_timer *delay;
    struct rv_timer *late;
    uint64_t late_to; /* as a disk that transfers: no reset stops it */
    bool quiescing;
};

static void set_line(struct testdev *dev, unsigned line, bool level)
{
    dev->state->line[line] = level;
    dev->ops->irq_set(dev->instance, line, level);
}

static void delay_over(void *opaque)
{
    struct testdev *dev = opaque;

    dev->state->delay_ns = 0;
    set_line(dev, 0, true);
}

static void late_over(void *opaque)
{
    struct testdev *dev = opaque;
    const uint64_t ones = UINT64_MAX;

    dev->state->late_ns = 0;
    dev->ops->mem_write(dev->instance, dev->late_to, &ones, sizeof(ones));
    if (dev->quiescing)
        dev->ops->quiesced(dev->instance);
    dev->quiescing = false;
}

static int testdev_quiesce(void *device)
{
    struct testdev *dev = device;

    dev->quiescing = dev->state->late_ns != 0;
    return dev->quiescing ? -EINPROGRESS : 0;
}

/* What an earlier vmm had begun. */
static void testdev_resume(void *device)
{
    struct testdev *dev = device;

    if (dev->state->delay_ns)
        dev->ops->timer_set(dev->instance, dev->delay, dev->state->delay_ns);
    if (dev->state->late_ns) {
        dev->late_to = dev->state->dma_to;
        dev->ops->timer_set(dev->instance, dev->late, dev->state->late_ns);
    }
}

static bool testdev_event(void *device, const struct rv_device_event *event)
{
    struct testdev *dev = device;

    dev->state->events += event->type == RV_EVENT_POWER_BUTTON;
    return event->type == RV_EVENT_POWER_BUTTON;
}

static void copy(struct testdev *dev, uint64_t len)
{
    struct testdev_state *state = dev->state;
    void *from = dev->ops->mem_map(dev->instance, state->dma_from, len, RV_MEM_READ);
    void *to = dev->ops->mem_map(dev->instance, state->dma_to, len, RV_MEM_WRITE);

    state->dma_refused = !from || !to;
    if (!state->dma_refused) {
        memmove(to, from, len);
        dev->ops->mem_dirty(dev->instance, state->dma_to, len);
    }
    if (from)
        dev->ops->mem_unmap(dev->instance, from, len);
    if (to)
        dev->ops->mem_unmap(dev->instance, to, len);
}

static int testdev_create(struct rv_instance *instance, const struct rv_vmm_ops *ops, void *state,
                          uint32_t flags, void **device)
{
    struct testdev *dev = calloc(1, sizeof(*dev));

    if (dev == NULL) {
        ops->log(instance, RV_LOG_ERROR, "testdev: out of memory");
        return -ENOMEM;
    }
    dev->instance = instance;
    dev->ops = ops;
    dev->state = state;
    dev->delay = ops->timer_new(instance, delay_over, dev);
    dev->late = ops->timer_new(instance, late_over, dev);
    if (dev->delay == NULL || dev->late == NULL) {
        free(dev);
        return -ENOMEM;
    }
    *device = dev;
    /* A state block that was taken over says what the lines were. */
    for (unsigned line = 0; line < TESTDEV_LINES; line++)
        ops->irq_set(instance, line, dev->state->line[line] != 0);
    return 0;
}

static void testdev_destroy(void *device)
{
    free(device);
}

static void testdev_reset(void *device)
{
    struct testdev *dev = device;

    memset(dev->state, 0, offsetof(struct testdev_state, sticky));
    dev->ops->timer_cancel(dev->instance, dev->delay);
    for (unsigned line = 0; line < TESTDEV_LINES; line++)
        set_line(dev, line, false);
}

static void record(struct testdev_state *state, uint64_t offset, unsigned size, uint64_t value,
                   bool write)
{
    state->last_offset = offset;
    state->last_size = size;
    state->last_value = value;
    state->last_write = write;
    state->count++;
}

static void log_write(struct testdev_state *state, uint64_t offset, unsigned size, uint64_t value)
{
    if (state->log_count < TESTDEV_LOG_LENGTH) {
        struct log_entry *entry = &state->log[state->log_count];

        entry->value = value;
        entry->offset = (uint32_t)offset;
        entry->size = size;
    }
    state->log_count++;
    state->log_hash = testdev_hash(state->log_hash, offset, size, value);
}

static bool is_scratch(uint64_t offset)
{
    return offset < TESTDEV_SCRATCH + TESTDEV_SCRATCH_SIZE;
}

static bool is_posted(uint64_t offset)
{
    return offset >= TESTDEV_POSTED && offset < TESTDEV_POSTED + TESTDEV_POSTED_SIZE;
}

/* The registers that have no side effect and no record. */
static int read_register(const struct testdev_state *state, uint64_t offset, uint64_t *value)
{
    const struct log_entry *entry = &state->log[state->log_index % TESTDEV_LOG_LENGTH];

    switch (offset) {
    case TESTDEV_ID: *value = TESTDEV_ID_VALUE; return 0;
    case TESTDEV_LAST_OFF: *value = state->last_offset; return 0;
    case TESTDEV_LAST_SIZE: *value = state->last_size; return 0;
    case TESTDEV_LAST_VALUE: *value = state->last_value; return 0;
    case TESTDEV_LAST_WRITE: *value = state->last_write; return 0;
    case TESTDEV_COUNT: *value = state->count; return 0;
    case TESTDEV_LINE0: *value = state->line[0]; return 0;
    case TESTDEV_LINE1: *value = state->line[1]; return 0;
    case TESTDEV_STICKY: *value = state->sticky; return 0;
    case TESTDEV_DMA_LEN: *value = state->dma_refused; return 0;
    case TESTDEV_EVENTS: *value = state->events; return 0;
    case TESTDEV_LOG_COUNT: *value = state->log_count; return 0;
    case TESTDEV_LOG_HASH: *value = state->log_hash; return 0;
    case TESTDEV_LOG_INDEX: *value = state->log_index; return 0;
    case TESTDEV_LOG_OFF: *value = entry->offset; return 0;
    case TESTDEV_LOG_SIZE: *value = entry->size; return 0;
    case TESTDEV_LOG_VALUE: *value = entry->value; return 0;
    default: *value = 0; return 0;
    }
}

static int testdev_read(void *device, uint64_t offset, uint32_t size, uint64_t *value,
                        const struct rv_access *access)
{
    struct testdev *dev = device;
    struct testdev_state *state = dev->state;

    *value = 0;
    if (is_scratch(offset))
        memcpy(value, &state->scratch[offset], size);
    else if (is_posted(offset))
        *value = state->posted_count;
    else if (offset == TESTDEV_PATTERN)
        *value = TESTDEV_PATTERN_VALUE; /* more than `size` bytes: the core has to cut it */
    else if (offset != TESTDEV_FAIL_READ && offset != TESTDEV_FAIL_WRITE)
        return read_register(state, offset, value);
    record(state, offset, size, *value, false);
    return offset == TESTDEV_FAIL_READ ? -EIO : 0;
}

static void pulse(struct testdev *dev, uint64_t lines)
{
    for (unsigned line = 0; line < TESTDEV_LINES; line++) {
        if ((lines >> line & 1u) == 0)
            continue;
        set_line(dev, line, true);
        set_line(dev, line, false);
    }
}

static void clear_log(struct testdev_state *state)
{
    state->posted_count = 0;
    state->log_count = 0;
    state->log_hash = 0;
    state->log_index = 0;
    memset(state->log, 0, sizeof(state->log));
}

static void write_register(struct testdev *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct testdev_state *state = dev->state;

    switch (offset) {
    case TESTDEV_COUNT: state->count = value; break;
    case TESTDEV_LINE0: set_line(dev, 0, (value & 1u) != 0); break;
    case TESTDEV_LINE1: set_line(dev, 1, (value & 1u) != 0); break;
    case TESTDEV_PULSE: pulse(dev, value); break;
    case TESTDEV_STICKY: state->sticky = value; break;
    case TESTDEV_DMA_FROM: state->dma_from = value; break;
    case TESTDEV_DMA_TO: state->dma_to = value; break;
    case TESTDEV_DMA_LEN: copy(dev, value); break;
    case TESTDEV_DELAY:
        state->delay_ns = dev->ops->now_ns(dev->instance) + value * 1000;
        dev->ops->timer_set(dev->instance, dev->delay, state->delay_ns);
        break;
    case TESTDEV_LATE:
        dev->late_to = state->dma_to;
        state->late_ns = dev->ops->now_ns(dev->instance) + value * 1000000;
        dev->ops->timer_set(dev->instance, dev->late, state->late_ns);
        break;
    case TESTDEV_REQUEST:
        dev->ops->request(dev->instance, &(struct rv_request){.size = sizeof(struct rv_request),
                                                              .type = (uint32_t)(value & 0xff),
                                                              .code = (int)(value >> 8 & 0xff)});
        break;
    case TESTDEV_LOG_CLEAR: clear_log(state); break;
    case TESTDEV_LOG_INDEX: state->log_index = value; break;
    case TESTDEV_LOG_MARK: log_write(state, offset, size, value); break;
    default: break;
    }
}

static int testdev_write(void *device, uint64_t offset, uint32_t size, uint64_t value,
                         const struct rv_access *access)
{
    struct testdev *dev = device;
    struct testdev_state *state = dev->state;

    if (is_scratch(offset)) {
        memcpy(&state->scratch[offset], &value, size);
    } else if (is_posted(offset)) {
        state->posted_count++;
        log_write(state, offset, size, value);
    } else if (offset != TESTDEV_PATTERN && offset != TESTDEV_FAIL_READ &&
               offset != TESTDEV_FAIL_WRITE) {
        write_register(dev, offset, size, value);
        return 0;
    }
    record(state, offset, size, value, true);
    return offset == TESTDEV_FAIL_WRITE ? -EIO : 0;
}

static const char *const compatible[] = {"ringvisor,testdev", NULL};
static const struct rv_fdt_node fdt_node = {
    .size = sizeof(fdt_node), .name = "testdev", .compatible = compatible};
static const struct rv_range posted[] = {{TESTDEV_POSTED, TESTDEV_POSTED_SIZE}, {0, 0}};

static const struct rv_region regions[] = {
    {.bytes = TESTDEV_SIZE, .read = testdev_read, .write = testdev_write, .posted = posted},
    {0},
};

const struct rv_device_class ringvisor_device = {
    RV_CLASS_HEADER,
    .name = "testdev",
    .description = "device of the guest tests: accesses, interrupts and failures on demand",
    .regions = regions,
    .irq_lines = TESTDEV_LINES,
    .state_size = sizeof(struct testdev_state),
    .state_version = 2,
    .fdt = &fdt_node,
    .create = testdev_create,
    .destroy = testdev_destroy,
    .reset = testdev_reset,
    .quiesce = testdev_quiesce,
    .resume = testdev_resume,
    .event = testdev_event,
};
