/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vmm's side of exits without a guest, to count its instructions: the loop, the core of a VM and
 * its bus in one process, which plays the stub as well. An event is published after so many looks in
 * vain; what the loop does until then and for the event is always the same.
 *
 *     exit_path KIND EXITS LOOKS
 *
 * KIND: mmio-read, gicd-read, call or posted-write. Count with two values of EXITS, and divide the
 * difference; a second value of LOOKS tells what a look costs. Of it some 15 are the call of stub_step().
 *
 *     valgrind --tool=callgrind exit_path mmio-read 10000 1
 */
#include "vmm/util/relax.h"

/* The pause between two looks is where the stub's side gets its turn. */
static void stub_step(void);
#undef relax
#define relax() stub_step()
#include "vmm/loop.c"
#undef relax

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "proto/arm/esr.h"
#include "vmm/board/board.h"

#define RAM_SIZE    (64ull << 20)
#define DEVICE_BASE BOARD_UART_BASE
#define GICD_TYPER  (BOARD_GICD_BASE + 4)

/* A load or store of W2 whose syndrome is valid. */
#define ESR_ACCESS                                                            \
    (ESR_SET(ESR_EC_DABT_LOWER, ESR_ELx_EC) | ESR_ELx_IL | ESR_ISS_DABT_ISV | \
     ESR_SET(2u, ESR_ISS_DABT_SAS) | ESR_SET(2u, ESR_ISS_DABT_SRT) | ESR_FSC_TRANSLATION | 3u)

static struct kind {
    const char *name;
    struct rv_event event;
} kinds[] = {
    {"mmio-read",
     {.type = RV_EVENT_SYNC,
      .flags = RV_EVENT_FLAG_BLOCKING,
      .esr = ESR_ACCESS,
      .ipa = DEVICE_BASE}},
    {"gicd-read",
     {.type = RV_EVENT_SYNC,
      .flags = RV_EVENT_FLAG_BLOCKING,
      .esr = ESR_ACCESS,
      .ipa = GICD_TYPER}},
    {"call",
     {.type = RV_EVENT_SYNC,
      .flags = RV_EVENT_FLAG_BLOCKING,
      .esr = ESR_SET(ESR_EC_HVC64, ESR_ELx_EC) | ESR_ELx_IL,
      .ipa = RV_NO_IPA}},
    {"posted-write",
     {.type = RV_EVENT_POSTED, .esr = ESR_ACCESS | ESR_ISS_DABT_WNR, .ipa = DEVICE_BASE}},
};

static struct machine machine;
static struct cores cores;
static struct vm vm;
static struct loop loop;
static const struct kind *kind;
static uint32_t event_head;
static unsigned long exits_left, looks_each, looks;

static void publish(const struct rv_event *event)
{
    struct rv_event *slot = &machine.channels->event[event_head % RV_EVENT_ENTRIES];

    memcpy((uint8_t *)slot + sizeof(slot->seq), (const uint8_t *)event + sizeof(slot->seq),
           sizeof(*slot) - sizeof(slot->seq));
    rv_ring_publish(&slot->seq, event_head);
    event_head++;
}

static __attribute__((noinline)) void stub_step(void)
{
    if (++looks < looks_each)
        return;
    looks = 0;
    if (exits_left-- == 0) {
        loop_end(&loop, LOOP_QUIT);
        return;
    }
    rv_store_relaxed(&machine.channels->command_tail.v, cores.pcpus[0].command_head);
    publish(&kind->event);
}

/* Until the guest starts, the stub does at once what it is told. */
static void on_command(void *opaque, const struct pcpu *pcpu, const struct rv_command *command)
{
    const struct rv_event ack = {.type = RV_EVENT_ACK, .vcpu = RV_NO_VCPU, .esr = command->tag};

    if (command->flags & RV_COMMAND_FLAG_ACK)
        publish(&ack);
    rv_store_release(&pcpu->channel->command_tail.v, pcpu->command_head + 1);
}

static void kick(struct machine *m, unsigned pcpu)
{
}

static bool is_dead(struct machine *m)
{
    return true;
}

static int device_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    *value = offset;
    return 0;
}

static int device_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    return 0;
}

static const struct bus_ops device = {.read = device_read, .write = device_write};

static void *zeroed(size_t size)
{
    void *memory = aligned_alloc(RV_PAGE_SIZE, size);

    return memory ? memset(memory, 0, size) : NULL;
}

static int begin(void)
{
    static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};
    static const struct tap_ops taps = {.command = on_command};
    const struct vm_config config = {.no_devices = true, .nr_vcpus = 1, .ram_size = RAM_SIZE};
    const struct vm_share share = {0};
    const struct loader_layout layout = {0};
    struct event_base *base = event_base_new();
    struct tap tap = {.ops = &taps};
    int error;

    machine = (struct machine){
        .ops = &ops,
        .nr_pcpus = 1,
        .nr_vcpus = 1,
        .layout.ram_size = vm_memory_size(RAM_SIZE, 0),
        .memory_fd = -1,
        .channels = zeroed(sizeof(struct rv_channel)),
        .vcpus = zeroed(sizeof(struct rv_vcpu_page)),
        .ram = zeroed(vm_memory_size(RAM_SIZE, 0)),
        .doorbell = eventfd(0, EFD_NONBLOCK),
        .nr_lrs = 4,
        .is_ready = true,
        .cntfrq = 62500000,
    };
    if (!base || !machine.channels || !machine.vcpus || !machine.ram)
        return -ENOMEM;
    cores_init(&cores, &machine, 4000000);
    error = vm_create(&vm, &config, &share, &cores, base, NULL, NULL);
    if (!error)
        error = bus_add(vm.bus, "device", ipa(DEVICE_BASE), 0x1000, &device, NULL);
    if (!error)
        error = loop_init(&loop, base, &cores);
    if (error)
        return error;
    loop_add(&loop, &vm);
    tap_add(&tap);
    vm_know_cpus(&vm);
    error = vm_begin(&vm, &layout);
    if (!error)
        error = sched_turn(&cores.sched);
    tap_remove(&tap);
    machine.vcpus->x[0] = 0x84000000; /* PSCI_VERSION */
    rv_store_relaxed(&machine.channels->command_polling.v, 1);
    return error;
}

int main(int argc, char **argv)
{
    for (unsigned i = 0; argc == 4 && i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (strcmp(argv[1], kinds[i].name) == 0)
            kind = &kinds[i];
    }
    if (!kind) {
        fprintf(stderr, "usage: exit_path mmio-read|gicd-read|call|posted-write EXITS LOOKS\n");
        return 2;
    }
    exits_left = strtoul(argv[2], NULL, 0);
    looks_each = strtoul(argv[3], NULL, 0);
    if (begin() || loop_run(&loop) != LOOP_QUIT) {
        fprintf(stderr, "exit_path: the VM did not run\n");
        return 1;
    }
    printf("%llu exits, %llu sleeps\n", (unsigned long long)exit_stats_total(&vm.exits.stats),
           (unsigned long long)cores.counts.sleeps);
    return 0;
}
