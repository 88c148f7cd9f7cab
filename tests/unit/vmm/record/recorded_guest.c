/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/vmm/record/recorded_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/arm/esr.h"
#include "vmm/board/board.h"
#include "vmm/firmware/trng.h"
#include "vmm/loop.h"
#include "vmm/record/record.h"
#include "vmm/trace/tap.h"

#define VCPUS    2u
#define RAM      RV_BLOCK_SIZE
#define DEVICE   0x10000000u
#define INTID    40u
#define PC       (BOARD_RAM_BASE + 0x1000)
#define NEED(is) ((is) ? (void)0 : (perror(#is), abort()))

/* Data aborts: 4 bytes of w5, and of an instruction that the syndrome does not describe. */
#define ESR_READ  0x93850007u
#define ESR_WRITE 0x93850047u
#define ESR_ISV0  0x92000007u
#define ESR_HVC   0x5a000000u
#define ESR_FETCH 0x8200000fu /* a permission fault */
#define ESR_WFI   0x06000000u
#define REFILLED  (RV_IRQ_PENDING | RV_IRQ_GROUP1 | 0xa0u)
#define LDP_X0_X1 0xa9400440u /* ldp x0, x1, [x2] */

static struct machine machine;
static struct cores cores;
static struct vm vm;
static struct loop loop;
static uint32_t heads[VCPUS], tails[VCPUS];
unsigned recorded_guest_exits;

/*
 * The stub
 */

static void publish(unsigned pcpu, struct rv_event event)
{
    struct rv_event *slot = &machine.channels[pcpu].event[heads[pcpu] % RV_EVENT_ENTRIES];

    *slot = event;
    rv_ring_publish(&slot->seq, heads[pcpu]++);
}

/* Takes the commands. What it saves is not what was there before. */
static void obey(unsigned pcpu)
{
    struct rv_channel *channel = &machine.channels[pcpu];

    for (;;) {
        const struct rv_command *command = &channel->command[tails[pcpu] % RV_COMMAND_ENTRIES];

        if (!rv_ring_ready(&command->seq, tails[pcpu]))
            return;
        tails[pcpu]++;
        rv_store_release(&channel->command_tail.v, tails[pcpu]);
        if (command->op == RV_COMMAND_SAVE)
            machine.vcpus[command->vcpu].el1.far_el1 += 0x1111;
        if (command->op == RV_COMMAND_STOP)
            publish(pcpu, (struct rv_event){.type = RV_EVENT_STOPPED, .vcpu = command->vcpu});
        if (command->flags & RV_COMMAND_FLAG_ACK)
            publish(pcpu, (struct rv_event){
                              .type = RV_EVENT_ACK, .vcpu = RV_NO_VCPU, .esr = command->tag});
    }
}

static void kick(struct machine *m, unsigned pcpu)
{
    obey(pcpu);
}

static bool is_dead(struct machine *m)
{
    for (unsigned i = 0; i < VCPUS; i++)
        obey(i);
    return false;
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};

/*
 * A device
 */

static int device_read(void *opaque, uint64_t offset, unsigned size, uint64_t *value)
{
    static uint64_t count;

    *value = 0x1000 + count++;
    /* As device_irq() of vm_devices.c does. */
    tap_line(INTID, count & 1);
    vgic_set_line(&vm.vgic, 0, INTID, count & 1);
    return 0;
}

static int device_write(void *opaque, uint64_t offset, unsigned size, uint64_t value)
{
    return offset == 8 ? -EIO : 0;
}

static const struct bus_ops device_ops = {.read = device_read, .write = device_write};

/*
 * The loop, and the guest
 */

static void turn(void)
{
    tap_schedule(&cores.sched);
    NEED(sched_turn(&cores.sched) == 0);
    for (unsigned i = 0; i < VCPUS; i++) {
        obey(i);
        if (cores.pcpus[i].notify_due) {
            cores.pcpus[i].notify_due = false;
            tap_notified(&cores.pcpus[i]);
        }
    }
}

static void happens(unsigned index, struct rv_event event)
{
    struct pcpu *pcpu = vm.vcpus[index].pcpu;

    NEED(pcpu != NULL);
    event.vcpu = (uint16_t)index;
    event.pc = PC;
    event.pstate = PSTATE_EL1h;
    if (event.type == RV_EVENT_SYNC) {
        event.flags = RV_EVENT_FLAG_BLOCKING;
        recorded_guest_exits++;
    }
    publish(pcpu->index, event);
    while (pcpu_next_event(pcpu, &event)) {
        tap_handle(pcpu, &event);
        loop_handle(&loop, pcpu, &event);
    }
    turn();
}

static void exits(unsigned vcpu, uint32_t esr, uint64_t ipa, uint64_t value)
{
    happens(vcpu, (struct rv_event){
                      .type = RV_EVENT_SYNC, .esr = esr, .ipa = ipa, .far = ipa, .value = value});
}

static void calls(unsigned vcpu, uint64_t x0, uint64_t x1, uint64_t x2)
{
    uint64_t *x = machine.vcpus[vcpu].x;

    x[0] = x0;
    x[1] = x1;
    x[2] = x2;
    exits(vcpu, ESR_HVC, 0, 0);
}

static void writes(uint64_t ipa, uint64_t value)
{
    exits(0, ESR_WRITE, ipa, value);
}

static uint32_t esr_of_msr(unsigned op1, unsigned crn, unsigned crm, unsigned op2, unsigned rt)
{
    return 0x62000000u | 3u << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1;
}

static void guest(void)
{
    const uint32_t ldp = LDP_X0_X1;

    exits(0, ESR_READ, BOARD_GICD_BASE + 4, 0);
    writes(BOARD_GICD_BASE, 2);                          /* GICD_CTLR: group 1 */
    writes(BOARD_GICD_BASE + 0x84, 1u << (INTID - 32));  /* GICD_IGROUPR1 */
    writes(BOARD_GICD_BASE + 0x104, 1u << (INTID - 32)); /* GICD_ISENABLER1 */
    for (unsigned i = 0; i < 10; i++) {
        exits(0, ESR_READ, DEVICE, 0); /* it drives its line: an INJECT */
        happens(0, (struct rv_event){.type = RV_EVENT_POSTED, .esr = ESR_WRITE, .ipa = DEVICE + 4});
        happens(0, (struct rv_event){.type = RV_EVENT_EOI, .value = INTID});
    }
    happens(0, (struct rv_event){.type = RV_EVENT_REFILL, .value = rv_gic_irq(INTID, REFILLED)});

    writes(DEVICE + 8, 1);             /* fails: the guest takes an abort */
    exits(0, ESR_READ, 0x20000000, 0); /* nobody is there */
    exits(0, 0x02000000, 0, 0);        /* UNDEFINED */
    calls(0, PSCI_VERSION, 0, 0);
    calls(0, TRNG_RND32, 32, 0);
    calls(0, PSCI_CPU_ON | CALL_SMC64, vm.mpidr[1] & 0xff, PC);
    exits(1, ESR_READ, BOARD_GICR_BASE + 8, 0);
    machine.vcpus[0].x[3] = 2; /* SGI 0 to vCPU 1 */
    exits(0, esr_of_msr(0, 12, 11, 5, 3), 0, 0);
    memcpy(guest_ram_to_write(&vm.ram, PC, 4), &ldp, 4);
    machine.vcpus[0].x[2] = DEVICE;
    exits(0, ESR_ISV0, DEVICE, 0);
    tap_dirty(PC, 64); /* as device_dirty() does */
    vm_code_written(&vm, ipa(PC), 64);
    exits(1, ESR_WFI, 0, 0);
    calls(1, PSCI_CPU_OFF, 0, 0);
    calls(0, PSCI_SYSTEM_OFF, 0, 0);
}

static void *zeroed(size_t size)
{
    void *at = aligned_alloc(RV_PAGE_SIZE, size);

    NEED(at != NULL);
    return memset(at, 0, size);
}

/* The half that the other recording does not have. */
static void guest_before(void)
{
    writes(BOARD_GICD_BASE, 2);
    writes(BOARD_GICD_BASE + 0x84, 1u << (INTID - 32));
    writes(BOARD_GICD_BASE + 0x104, 1u << (INTID - 32));
    calls(0, PSCI_CPU_ON | CALL_SMC64, vm.mpidr[1] & 0xff, PC);
    exits(0, ESR_READ, DEVICE, 0); /* leaves its line as it is not at first */
    tap_dirty(PC, 64);
    vm_code_written(&vm, ipa(PC), 64);
    exits(1, ESR_WFI, 0, 0);
    recorded_guest_exits = 0;
}

/* What the guest has set up before is as it was. */
static void guest_after(void)
{
    const uint32_t ldp = LDP_X0_X1;

    for (unsigned i = 0; i < 4; i++) {
        exits(0, ESR_READ, DEVICE, 0);
        happens(0, (struct rv_event){.type = RV_EVENT_EOI, .value = INTID});
    }
    exits(0, ESR_READ, BOARD_GICD_BASE, 0);
    machine.vcpus[0].x[3] = 2;
    exits(0, esr_of_msr(0, 12, 11, 5, 3), 0, 0);
    memcpy(guest_ram_to_write(&vm.ram, PC, 4), &ldp, 4);
    machine.vcpus[0].x[2] = DEVICE;
    exits(0, ESR_ISV0, DEVICE, 0);
    exits(0, ESR_FETCH, PC, 0); /* of a page that was written before */
    exits(1, ESR_READ, BOARD_GICR_BASE + 8, 0);
    calls(0, PSCI_AFFINITY_INFO | CALL_SMC64, vm.mpidr[1] & 0xff, 0);
    calls(0, PSCI_CPU_ON | CALL_SMC64, vm.mpidr[1] & 0xff, PC); /* ALREADY_ON */
    calls(0, TRNG_RND32, 32, 0);
    calls(1, PSCI_CPU_OFF, 0, 0);
    calls(0, PSCI_SYSTEM_OFF, 0, 0);
}

static void *slurp_client(void *opaque)
{
    const int *fds = opaque;
    uint8_t data[4096];
    ssize_t n;

    while ((n = read(fds[0], data, sizeof(data))) > 0)
        NEED(write(fds[1], data, (size_t)n) == n);
    return NULL;
}

/* The recording of a guest that ran goes to a client, which writes the file. */
static void record_from_the_middle(const char *path)
{
    struct record *record;
    pthread_t client;
    int ends[2], fds[2];

    guest_before();
    NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    NEED(fcntl(ends[0], F_SETFL, 0) == 0);
    fds[0] = ends[0];
    fds[1] = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    NEED(fds[1] >= 0 && pthread_create(&client, NULL, slurp_client, fds) == 0);
    NEED(record_refuses(&vm) == NULL);
    NEED(record_running(&vm, ends[1], "", &record) == 0);
    NEED(record_refuses(&vm) != NULL);
    turn();
    guest_after();
    record_end(record, "enough");
    NEED(record_stop(record) == 0);
    pthread_join(client, NULL);
    close(fds[0]);
    close(fds[1]);
}

static void recorded(const char *path, bool middle)
{
    const struct vm_config config = {.nr_vcpus = VCPUS, .ram_size = RAM, .no_devices = true};
    const struct vm_share share = {0};
    const struct loader_layout layout = {.entry = {PC}};
    struct record *record = NULL;

    memset(heads, 0, sizeof(heads));
    memset(tails, 0, sizeof(tails));
    recorded_guest_exits = 0;
    machine = (struct machine){
        .ops = &ops,
        .nr_pcpus = VCPUS,
        .nr_vcpus = VCPUS,
        .channels = zeroed(VCPUS * sizeof(struct rv_channel)),
        .vcpus = zeroed(VCPUS * sizeof(struct rv_vcpu_page)),
        .ram = zeroed(vm_memory_size(RAM, 0)),
        .blind = true,
        .nr_lrs = 4,
        .cntfrq = 1000000,
    };
    machine.stub_id[RV_ID_INDEX(7, 0)] = 5; /* 48 bits of physical address */
    NEED(middle || record_start(path, &record) == 0);
    cores_init(&cores, &machine, 4000000);
    NEED(vm_create(&vm, &config, &share, &cores, NULL, NULL, NULL) == 0);
    NEED(bus_add(vm.bus, "device", ipa(DEVICE), 0x1000, &device_ops, NULL) == 0);
    loop = (struct loop){.cores = &cores};
    loop_add(&loop, &vm);
    for (unsigned i = 0; i < VCPUS; i++)
        publish(i, (struct rv_event){.type = RV_EVENT_READY, .vcpu = RV_NO_VCPU});
    vm_know_cpus(&vm);
    NEED(vm_begin(&vm, &layout) == 0);
    turn();
    if (middle) {
        record_from_the_middle(path);
    } else {
        guest();
        NEED(record_stop(record) == 0);
    }
    vm_destroy(&vm);
    free(machine.channels);
    free(machine.vcpus);
    free(machine.ram);
}

void recorded_guest(const char *path)
{
    recorded(path, false);
}

void recorded_guest_that_ran(const char *path)
{
    recorded(path, true);
}
