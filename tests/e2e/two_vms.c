/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two VMs on one machine, each with its RAM, VMID and vCPU: what one does or suffers, the
 * other must not see. Both run tests/payloads/neighbour.c. The vmm's library is linked as
 * the vmm does it; the commands that a VM is stopped for are this program's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/payloads/neighbour.h"
#include "vmm/board/board.h"
#include "vmm/util/log.h"
#include "vmm/loop.h"
#include "vmm/device/plugin.h"
#include "vmm/vm/vm_devices.h"

#define NR_VMS   2u
#define SLICE_NS 2000000ull
#define LOOK_US  20000
#define MARKER   0x5eed0a5c11ca0000ull

enum ill { NONE, MAP_OF_THE_OTHERS_RAM, UNKNOWN_GROUPS, ILLEGAL_PSTATE };

struct scenario {
    const char *name;
    unsigned pcpus;
    uint64_t rounds[NR_VMS];
    enum ill ill; /* what VM 1 is stopped for, when both have done a round */
};

#define FOR_EVER     1000000000ull
#define ROUNDS_AFTER 3u /* that VM 0 does after VM 1 was stopped */

static const struct scenario scenarios[] = {
    {"each on a pCPU of its own", 2, {2, 2}, NONE},
    {"both on one pCPU", 1, {2, 2}, NONE},
    {"one powers off early, on one pCPU", 1, {3, 1}, NONE},
    {"one is stopped for an illegal map", 2, {FOR_EVER, FOR_EVER}, MAP_OF_THE_OTHERS_RAM},
    {"one is stopped for an illegal map, on one pCPU",
     1,
     {FOR_EVER, FOR_EVER},
     MAP_OF_THE_OTHERS_RAM},
    {"one is stopped for an illegal command to its vCPU", 2, {FOR_EVER, FOR_EVER}, UNKNOWN_GROUPS},
    {"one is stopped for an illegal PSTATE, on one pCPU", 1, {FOR_EVER, FOR_EVER}, ILLEGAL_PSTATE},
};

struct run {
    const struct scenario *scenario;
    struct machine *machine;
    struct cores cores;
    struct vm vms[NR_VMS];
    struct loop loop;
    bool over, sent;
    uint64_t done_when_sent;
};

static struct run run;
static int failed;

static void expect(bool good, const char *what, uint64_t value)
{
    if (good)
        return;
    printf("FAILED: %s: %s (%#" PRIx64 ")\n", run.scenario->name, what, value);
    failed = 1;
}

static volatile struct neighbour_page *page_of(unsigned i)
{
    return (volatile struct neighbour_page *)(run.vms[i].ram.host + NEIGHBOUR_PAGE);
}

static void died(void *opaque)
{
    run.over = true;
    loop_end(&run.loop, LOOP_VMM_FAILED);
}

/* After the loading, and before it runs: what it is to do. */
static void tell(unsigned i)
{
    const struct layout *layout = &run.machine->layout;
    volatile struct neighbour_page *page = page_of(i);
    uint64_t base = run.machine->boot->mem_base;
    const uint64_t secrets[] = {
        base + layout->ram,
        base + layout->ram + NEIGHBOUR_RAM + NEIGHBOUR_FILL,
        base + layout->stub,
        base + layout->boot,
        base + layout->channels,
        base + layout->vcpus,
        run.machine->boot->gicd_base + (1ull << 32),
        run.machine->boot->doorbell_base + (1ull << 32),
    };

    page->marker = MARKER + i;
    page->other_inverted = ~(MARKER + 1 - i);
    page->rounds = run.scenario->rounds[i];
    for (unsigned n = 0; n < sizeof(secrets) / sizeof(*secrets); n++) {
        /* Below RAM are the guest's own devices: what lies there is looked at as such. */
        if (secrets[n] >= BOARD_RAM_BASE)
            page->addrs[page->nr_addrs++] = secrets[n];
    }
}

/* A command that the stub must refuse, and for which it stops VM 1. */
static void offend(void)
{
    struct vcpu *vcpu = &run.vms[1].vcpus[0];
    struct pcpu *pcpu = vcpu->pcpu;
    struct rv_command command = {.vm = 1, .vcpu = (uint16_t)vcpu->number};
    const struct layout *layout = &run.machine->layout;

    switch (run.scenario->ill) {
    case NONE: return;
    case MAP_OF_THE_OTHERS_RAM:
        command.op = RV_COMMAND_MAP;
        command.arg[0] = 1ull << 32;
        command.arg[1] = layout->ram;
        command.arg[2] = NEIGHBOUR_RAM;
        command.arg[3] = RV_MAP_READ;
        pcpu = &run.cores.pcpus[0]; /* where perhaps the other runs */
        break;
    case UNKNOWN_GROUPS:
        command.op = RV_COMMAND_SAVE;
        command.arg[0] = ~0ull;
        break;
    case ILLEGAL_PSTATE: /* EL2h: it is refused when it is to run */
        if (pcpu)
            return;
        vcpu->page->pstate = 0x3c9;
        run.sent = true;
        return;
    }
    if (!pcpu)
        return;
    pcpu_push(pcpu, &command);
    pcpu_notify(pcpu);
    run.sent = true;
}

static void look(evutil_socket_t fd, short what, void *opaque)
{
    if (run.scenario->ill == NONE || run.sent || page_of(0)->done == 0 || page_of(1)->done == 0)
        return;
    offend();
    if (!run.sent)
        return;
    /* How far each has come by now is the host's scheduler's choice: what counts is what follows. */
    run.done_when_sent = page_of(0)->done;
    page_of(0)->rounds = run.done_when_sent + ROUNDS_AFTER;
}

static int make(struct event_base *base, const struct plugins *plugins, char **argv)
{
    struct vm_config vm = {
        .nr_vcpus = 1,
        .ram_size = NEIGHBOUR_RAM,
        .files.kernel = argv[3],
    };
    uint64_t rom = vm_devices_rom(&vm, plugins), memory = vm_memory_size(vm.ram_size, rom);
    struct machine_config config = {
        .stub = argv[1],
        .nr_pcpus = run.scenario->pcpus,
        .nr_vcpus = NR_VMS,
        .ram_size = NR_VMS * memory,
    };

    vm.rom_size = rom;
    run.machine = machine_qemu_start(&config, base, died, NULL);
    if (!run.machine)
        return -1;
    cores_init(&run.cores, run.machine, SLICE_NS);
    for (unsigned i = 0; i < NR_VMS; i++) {
        struct vm_share share = {
            .id = i,
            .ram_offset = i * memory,
        };

        vm.name = i ? "second" : "first";
        if (vm_create(&run.vms[i], &vm, &share, &run.cores, base, plugins, NULL))
            return -1;
    }
    if (loop_init(&run.loop, base, &run.cores))
        return -1;
    for (unsigned i = 0; i < NR_VMS; i++) {
        if (vm_start(&run.vms[i], &run.over))
            return -1;
        tell(i);
        loop_add(&run.loop, &run.vms[i]);
    }
    return 0;
}

/* What each has seen, and what is in its RAM. */
static void judge(enum loop_end end)
{
    expect(end == LOOP_POWER_OFF, "the first VM did not power off", (uint64_t)end);
    for (unsigned i = 0; i < NR_VMS; i++) {
        volatile struct neighbour_page *page = page_of(i);
        const uint64_t *words = (const uint64_t *)run.vms[i].ram.host;
        uint64_t foreign = 0, strange = 0;

        printf("# %s: VM %u: %" PRIu64 " rounds, %" PRIu64 " words looked at, %" PRIu64
               " accesses aborted\n",
               run.scenario->name, i, page->done, page->looked, page->aborted);
        expect(page->wrong == 0, i ? "VM 1 saw what it may not" : "VM 0 saw what it may not",
               page->first_wrong);
        expect(page->done >= 1 && page->looked > 0 && page->aborted > 0, "it did not look", i);
        /* Not before: that is the program, whose stack may have what it looks for. */
        for (uint64_t n = NEIGHBOUR_FILL / 8; n < NEIGHBOUR_PAGE / 8; n++) {
            foreign += words[n] == MARKER + 1 - i;
            strange += words[n] != MARKER + i;
        }
        expect(foreign == 0, "a VM's RAM has the other's marker", foreign);
        expect(strange == 0, "a VM's RAM does not have what it wrote", strange);
    }
    expect(page_of(0)->done == page_of(0)->rounds, "VM 0 did not do its rounds", page_of(0)->done);
    if (run.scenario->ill == NONE) {
        expect(page_of(1)->done == run.scenario->rounds[1], "VM 1 did not do its rounds",
               page_of(1)->done);
    } else {
        expect(run.sent, "VM 1 was not stopped", 0);
        expect(page_of(0)->done > run.done_when_sent, "VM 0 did not go on", page_of(0)->done);
    }
}

static void try(const struct scenario *scenario, const struct plugins *plugins, char **argv)
{
    const struct timeval interval = {.tv_usec = LOOK_US};
    struct event_base *base = device_event_base();
    struct event *timer = event_new(base, -1, EV_PERSIST, look, NULL);

    memset(&run, 0, sizeof(run));
    run.scenario = scenario;
    if (make(base, plugins, argv)) {
        expect(false, "cannot be set up", 0);
    } else {
        event_add(timer, &interval);
        judge(loop_run(&run.loop));
        loop_free(&run.loop);
    }
    for (unsigned i = 0; i < NR_VMS; i++)
        vm_destroy(&run.vms[i]);
    if (run.machine)
        run.machine->ops->stop(run.machine);
    event_free(timer);
    event_base_free(base);
}

int main(int argc, char **argv)
{
    struct plugins *plugins = plugin_new();

    if (argc != 4 || !plugins) {
        fprintf(stderr, "usage: two_vms STUB PLUGIN-DIRECTORY PAYLOAD\n");
        return 2;
    }
    log_set_level("error"); /* the guests are warned of at each step */
    plugin_load_path(plugins, NULL, argv[2]);
    for (unsigned i = 0; i < sizeof(scenarios) / sizeof(*scenarios) && !failed; i++) {
        try(&scenarios[i], plugins, argv);
        if (!failed)
            printf("ok: %s\n", scenarios[i].name);
        fflush(stdout);
    }
    plugin_free(plugins);
    return failed;
}
