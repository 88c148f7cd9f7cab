/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmm/vm/vm_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "vmm/util/clock.h"
#include "vmm/util/log.h"

#define VM_CLOCK_VERSION     1u
#define VM_CLOCK_BOOT_LENGTH 36u /* a UUID as text */

static const char vm_clock_block[] = "clock";

struct vm_clock_state {
    char boot[40];     /* 0x00 /proc/sys/kernel/random/boot_id of the host where `offset` holds */
    int64_t offset;    /* 0x28 what is added to the host's monotonic clock */
    uint64_t now;      /* 0x30 the VM's time at the last save */
    uint64_t is_saved; /* 0x38 1: `now` is where the clock goes on */
};
_Static_assert(sizeof(struct vm_clock_state) == 0x40, "state block layout");

/* An empty text where the host does not tell: then each boot is another one. */
static void vm_clock_boot(char text[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(text, 0, 40);
    if (fd < 0)
        return;
    if (read(fd, text, VM_CLOCK_BOOT_LENGTH) != VM_CLOCK_BOOT_LENGTH)
        memset(text, 0, 40);
    close(fd);
}

uint64_t vm_clock_now(const struct vm_clock *clock)
{
    if (clock->stopped)
        return clock->stopped_at;
    return (uint64_t)clock_now_ns() + (uint64_t)clock->state->offset;
}

static void vm_clock_start(struct vm_clock *clock, uint64_t now)
{
    clock->state->offset = (int64_t)(now - (uint64_t)clock_now_ns());
    vm_clock_boot(clock->state->boot);
    clock->state->is_saved = 0;
}

int vm_clock_init(struct vm_clock *clock, struct state_area *area, bool resume)
{
    struct state_found found;
    char boot[40];

    if (!resume) {
        clock->state = state_alloc(area, vm_clock_block, VM_CLOCK_VERSION, sizeof(*clock->state));
        if (!clock->state)
            return -ENOMEM;
        vm_clock_start(clock, CLOCK_NS_PER_S); /* 0 means "not set" to many devices */
        return 0;
    }
    if (!state_lookup(area, vm_clock_block, &found) || found.version != VM_CLOCK_VERSION ||
        found.size != sizeof(*clock->state)) {
        log_error("the state that was left has no clock of version %u", VM_CLOCK_VERSION);
        return -EINVAL;
    }
    clock->state = found.at;
    vm_clock_boot(boot);
    if (clock->state->is_saved || !boot[0] || memcmp(boot, clock->state->boot, sizeof(boot)) != 0)
        vm_clock_start(clock, clock->state->now);
    return 0;
}

void vm_clock_stop(struct vm_clock *clock)
{
    vm_clock_save(clock); /* for another process that finds it so */
    clock->stopped_at = clock->state->now;
    clock->stopped = true;
}

void vm_clock_go_on(struct vm_clock *clock)
{
    if (!clock->stopped)
        return;
    clock->stopped = false;
    vm_clock_start(clock, clock->stopped_at);
}

void vm_clock_save(struct vm_clock *clock)
{
    clock->state->now = vm_clock_now(clock);
    clock->state->is_saved = 1;
}

void vm_clock_saved(struct vm_clock *clock)
{
    clock->state->is_saved = clock->stopped;
}
