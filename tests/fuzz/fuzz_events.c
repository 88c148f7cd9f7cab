/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmm's event intake against a stub that writes anything, anywhere in the
 * channel: every event that comes out is legal, and the vmm neither crashes nor
 * waits for ever.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/util/log.h"
#include "vmm/cpu/pcpu.h"
#include "vmm/cpu/vcpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void log_msg(enum log_level level, const char *fmt, ...)
{
}

static void kick(struct machine *machine, unsigned index)
{
}

/* A machine that ends at once: whoever waits for the stub gives up. */
static bool is_dead(struct machine *machine)
{
    return true;
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};

static void take_all(struct pcpu *pcpu, const struct vcpu *vcpu)
{
    struct rv_event event;

    for (unsigned i = 0; i < 2 * RV_EVENT_ENTRIES && pcpu_next_event(pcpu, &event); i++) {
        if (event.type < RV_EVENT_READY || event.type > RV_EVENT_REFILL)
            abort();
        if (event.type == RV_EVENT_SYNC && event.vcpu != vcpu->number)
            abort();
        if (event.type == RV_EVENT_REFUSED)
            pcpu_log_refusal(pcpu, &event);
        pcpu->guest_runs = true;
    }
}

/* The input: steps of one byte what, and for "write" two bytes where and up to 64 bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rv_channel channel;
    static struct rv_vcpu_page page;
    static struct pcpu pcpu;
    struct machine machine = {.ops = &ops, .channels = &channel, .nr_lrs = 4};
    struct vcpu vcpu = {.number = 3, .pcpu = &pcpu, .page = &page};

    memset(&channel, 0, sizeof(channel));
    memset(&page, 0, sizeof(page));
    pcpu_init(&pcpu, &machine, 0);
    pcpu.vcpu = &vcpu;
    pcpu.guest_runs = true;
    while (size >= 4) {
        struct rv_command command = {.op = data[0], .arg[0] = data[1]};
        size_t where = (size_t)(data[1] | data[2] << 8) % (sizeof(channel) - 64);
        size_t length = size - 3 < 64 ? size - 3 : 64;

        switch (data[0] % 4) {
        case 0: /* the next event, published */
            where = offsetof(struct rv_channel, event) +
                    pcpu.event_tail % RV_EVENT_ENTRIES * sizeof(struct rv_event);
            memcpy((uint8_t *)&channel + where, data + 3, length);
            memcpy((uint8_t *)&channel + where, &(uint32_t){pcpu.event_tail + 1}, 4);
            break;
        case 1: memcpy((uint8_t *)&channel + where, data + 3, length); break;
        case 2:
            pcpu_push(&pcpu, &command);
            length = 1;
            break;
        default:
            pcpu_call(&pcpu, &command, NULL);
            length = 1;
            break;
        }
        data += 3 + length;
        size -= 3 + length;
        take_all(&pcpu, &vcpu);
    }
    return 0;
}
