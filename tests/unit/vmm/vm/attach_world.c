/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/vmm/vm/attach_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/arm/esr.h"
#include "tests/unit/support/death.h"
#include "vmm/board/board.h"
#include "vmm/loop.h"
#include "vmm/util/log.h"
#include "vmm/vm/vm_devices.h"

#define NEED(is) ((is) ? (void)0 : (perror(#is), abort()))
#define RAM      RV_BLOCK_SIZE
#define RAM_USED 0x10000u /* what the guest can have changed */
#define ROM_MAX  0x10000u /* registers that the guest reads from memory */
#define NR_LRS   4u
#define TURNS    200u /* that the guest gets to come to its end */

/* What outlives the vmm, but for the state area; and of it, what it uses. */
struct arena {
    struct rv_channel channels[WORLD_VCPUS] __attribute__((aligned(RV_PAGE_SIZE)));
    struct rv_vcpu_page pages[WORLD_VCPUS] __attribute__((aligned(RV_PAGE_SIZE)));
    struct journal journal __attribute__((aligned(RV_PAGE_SIZE)));
    uint8_t ram[RAM + ROM_MAX + BOARD_PVTIME_SIZE] __attribute__((aligned(RV_PAGE_SIZE)));
};

/* A vmm: the first, or the one that goes on. */
struct process {
    struct machine machine;
    struct cores cores;
    struct vm vm;
    struct loop loop;
};

/* The stub's and the guest's side. */
struct core {
    uint32_t head, tail; /* events, commands */
    int live;            /* the vCPU, or -1 */
    bool in_exit;
    bool in_hvc; /* the PC is behind the instruction */
    uint64_t pc;
    uint64_t lr[NR_LRS];
};

static bool masked;

static struct arena *arena;
static struct process *process;
static struct core cores[WORLD_VCPUS];
static const struct world_exit *script;
static struct plugins *plugins;
static uint32_t taken[WORLD_VCPUS][WORLD_INTIDS], starts[WORLD_VCPUS];

/*
 * Death
 */

static void find_kept(void)
{
    const uintptr_t page = RV_PAGE_SIZE;
    uint8_t *undo = (uint8_t *)((uintptr_t)&arena->journal.undo & ~(page - 1));

    death_keep(arena, (size_t)((uint8_t *)&arena->journal.pcpu[WORLD_VCPUS] - (uint8_t *)arena));
    /* A copy in the log is nothing before the log says so: a death within is one before. */
    death_keep(undo, ((uintptr_t)arena->journal.undo.bytes - (uintptr_t)undo) & ~(page - 1));
    death_keep(arena->ram, RAM_USED);
    death_keep(process->vm.state.base, process->vm.state.size);
}

/*
 * The stub and the guest. Their stores are not the vmm's.
 */

static void publish(unsigned core, struct rv_event event)
{
    struct rv_event *slot = &arena->channels[core].event[cores[core].head % RV_EVENT_ENTRIES];

    NEED(cores[core].head - arena->channels[core].event_tail.v < RV_EVENT_ENTRIES);
    *slot = event;
    rv_ring_publish(&slot->seq, cores[core].head++);
}

static bool is_finished(unsigned vcpu)
{
    return arena->pages[vcpu].pc == WORLD_PC + 4;
}

/* The instruction of the script. */
static void trap(struct core *c, unsigned core)
{
    struct rv_event event = {
        .type = script->posted ? RV_EVENT_POSTED : RV_EVENT_SYNC,
        .flags = script->posted ? 0 : RV_EVENT_FLAG_BLOCKING,
        .vcpu = (uint16_t)c->live,
        .esr = script->esr,
        .ipa = script->ipa,
        .far = script->ipa,
        .value = script->value,
        .pstate = PSTATE_EL1h,
    };

    c->in_hvc = ESR_GET(script->esr, ESR_ELx_EC) == ESR_EC_HVC64;
    if (script->posted || c->in_hvc)
        c->pc += 4;
    c->in_exit = !script->posted;
    event.pc = c->pc;
    publish(core, event);
}

/* The guest takes every interrupt at once, and ends those at once that are no level. */
static void take_interrupts(struct core *c)
{
    for (unsigned i = 0; i < NR_LRS; i++) {
        uint64_t lr = c->lr[i];

        if ((lr & LR_STATES) != LR_PENDING)
            continue;
        taken[c->live][LR_VINTID(lr)]++;
        c->lr[i] = lr & LR_EOI ? (lr & ~LR_PENDING) | LR_ACTIVE : 0;
    }
}

static void run_guest(unsigned core)
{
    struct core *c = &cores[core];

    if (c->live < 0 || c->in_exit)
        return;
    if (c->pc == WORLD_ENTRY) {
        starts[c->live]++;
        c->pc += 4;
    }
    if (!masked)
        take_interrupts(c);
    if (c->pc == WORLD_PC)
        trap(c, core);
}

static uint64_t *find_lr(struct core *c, uint64_t intid)
{
    for (unsigned i = 0; i < NR_LRS; i++)
        if (c->lr[i] & LR_STATES && LR_VINTID(c->lr[i]) == intid)
            return &c->lr[i];
    return NULL;
}

static void inject(struct core *c, uint64_t lr)
{
    uint64_t *at = find_lr(c, LR_VINTID(lr));

    for (unsigned i = 0; !at && i < NR_LRS; i++)
        if (!(c->lr[i] & LR_STATES))
            at = &c->lr[i];
    NEED(at != NULL);
    *at = lr | (*at & LR_STATES);
}

static uint64_t retract(struct core *c, uint64_t intid, uint64_t mask)
{
    uint64_t *at = find_lr(c, intid), old = at ? *at : 0;

    if (at) {
        *at = old & ~(mask << LR_STATE_SHIFT);
        if (!(*at & LR_STATES))
            *at = 0;
    }
    return old >> LR_STATE_SHIFT;
}

static void stop(unsigned core)
{
    struct core *c = &cores[core];
    struct rv_vcpu_page *page = &arena->pages[c->live];

    memcpy(page->gic.irq, c->lr, sizeof(c->lr));
    page->pc = c->pc;
    publish(core, (struct rv_event){.type = RV_EVENT_STOPPED, .vcpu = (uint16_t)c->live});
    c->live = -1;
    c->in_exit = false;
}

static uint64_t execute(unsigned core, const struct rv_command *command)
{
    struct core *c = &cores[core];
    struct rv_vcpu_page *page = &arena->pages[command->vcpu];

    switch (command->op) {
    case RV_COMMAND_RUN:
        NEED(c->live < 0);
        c->live = command->vcpu;
        c->pc = page->pc;
        memcpy(c->lr, page->gic.irq, sizeof(c->lr));
        break;
    case RV_COMMAND_STOP:
        NEED(c->live == command->vcpu);
        stop(core);
        break;
    case RV_COMMAND_REPLY:
        NEED(c->live == command->vcpu && c->in_exit);
        if (command->flags & RV_REPLY_REG)
            page->x[command->reg] = command->arg[0];
        if (command->flags & RV_REPLY_ADVANCE)
            c->pc += 4;
        c->in_exit = masked = false;
        break;
    case RV_COMMAND_LOAD:
        if (command->arg[0] & RV_GROUP_CORE)
            c->pc = page->pc;
        if (command->arg[0] & RV_GROUP_GIC)
            memcpy(c->lr, page->gic.irq, sizeof(c->lr));
        break;
    case RV_COMMAND_SAVE:
        if (command->arg[0] & RV_GROUP_CORE)
            page->pc = c->pc;
        if (command->arg[0] & RV_GROUP_GIC)
            memcpy(page->gic.irq, c->lr, sizeof(c->lr));
        break;
    case RV_COMMAND_INJECT: inject(c, rv_gic_irq(command->arg[0], command->arg[1])); break;
    case RV_COMMAND_RETRACT: return retract(c, command->arg[0], command->arg[1]);
    default: break;
    }
    return 0;
}

static void obey(unsigned core)
{
    struct rv_channel *channel = &arena->channels[core];
    struct core *c = &cores[core];

    for (;;) {
        struct rv_command command = channel->command[c->tail % RV_COMMAND_ENTRIES];
        uint64_t value;

        if (!rv_ring_ready(&command.seq, c->tail))
            break;
        c->tail++;
        rv_store_release(&channel->command_tail.v, c->tail);
        value = execute(core, &command);
        if (command.flags & RV_COMMAND_FLAG_ACK)
            publish(core, (struct rv_event){.type = RV_EVENT_ACK,
                                            .vcpu = RV_NO_VCPU,
                                            .esr = command.tag,
                                            .value = value});
        run_guest(core);
    }
    run_guest(core);
}

static void obey_all(void)
{
    death_pause();
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        obey(i);
    death_go_on();
}

static void kick(struct machine *m, unsigned pcpu)
{
    obey_all();
}

static bool is_dead(struct machine *m)
{
    obey_all();
    return false;
}

static const struct machine_ops ops = {.kick = kick, .is_dead = is_dead};

/*
 * The vmm
 */

static struct process *process_new(const int *state_fd)
{
    struct process *p = calloc(1, sizeof(*p));
    struct event_base *base = device_event_base();
    struct vm_config config = {
        .nr_vcpus = WORLD_VCPUS,
        .ram_size = RAM,
        .devices = script->devices,
        .origin = state_fd ? VM_TAKEN_OVER : VM_NEW,
        .state_fd = state_fd ? *state_fd : -1,
    };
    const struct vm_share share = {0};

    NEED(p && base && plugins);
    while (config.nr_devices < WORLD_DEVICES && script->devices[config.nr_devices])
        config.nr_devices++;
    config.rom_size = vm_devices_rom(&config, plugins);
    NEED(config.rom_size <= ROM_MAX);
    p->machine = (struct machine){
        .ops = &ops,
        .nr_pcpus = WORLD_VCPUS,
        .nr_vcpus = WORLD_VCPUS,
        .channels = arena->channels,
        .vcpus = arena->pages,
        .ram = arena->ram,
        .memory_fd = -1,
        .doorbell = -1,
        .nr_lrs = NR_LRS,
        .cntfrq = 1000000,
        .is_ready = true,
    };
    p->machine.stub_id[RV_ID_INDEX(7, 0)] = 5; /* 48 bits of physical address */
    process = p;
    cores_init(&p->cores, &p->machine, 4000000);
    cores_journal(&p->cores, &arena->journal, state_fd);
    p->loop = (struct loop){.cores = &p->cores};
    if (vm_create(&p->vm, &config, &share, &p->cores, base, plugins, NULL) != 0)
        return NULL;
    loop_add(&p->loop, &p->vm);
    return p;
}

static void turn(struct process *p)
{
    struct rv_event event;

    NEED(sched_turn(&p->cores.sched) == 0);
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        struct pcpu *pcpu = &p->cores.pcpus[i];

        while (pcpu_next_event(pcpu, &event)) {
            loop_handle(&p->loop, pcpu, &event);
            pcpu_handled(pcpu);
        }
        pcpu->notify_due = false;
    }
    obey_all();
    NEED(!p->vm.broken);
}

static bool any_event(const struct process *p)
{
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        if (pcpu_has_event(&p->cores.pcpus[i]))
            return true;
    return false;
}

/* Until the script's instruction is over, and nothing follows. False: it is stuck. */
static bool go_on(struct process *p)
{
    for (unsigned n = 0; n < TURNS; n++) {
        bool over = p->vm.core->request != VM_RUN_ON;
        const struct psci_cpu *cpu = &p->vm.exits.psci.cpus[script->vcpu];

        turn(p);
        for (unsigned i = 0; i < WORLD_VCPUS; i++)
            over |= cores[i].live == (int)script->vcpu && !cores[i].in_exit &&
                    cores[i].pc != WORLD_PC; /* behind it, or at an exception vector */
        over |= cpu->state == PSCI_STATE_OFF && is_finished(script->vcpu);
        if (over && !any_event(p) && !p->cores.sched.due)
            return true;
    }
    return false;
}

static void begin(void)
{
    const struct loader_layout layout = {.entry = {WORLD_PC + 4}};
    struct process *p = process_new(NULL);

    NEED(p != NULL);
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        publish(i, (struct rv_event){.type = RV_EVENT_READY, .vcpu = RV_NO_VCPU});
    vm_know_cpus(&p->vm);
    NEED(vm_begin(&p->vm, &layout) == 0);
    if (!script->second_off) {
        vcpu_reset(&p->vm.vcpus[1], WORLD_PC + 4, 0, 0);
        p->vm.exits.psci.cpus[1].state = PSCI_STATE_ON;
        sched_start(&p->cores.sched, 1);
    }
    masked = script->masked;
    if (script->prepare)
        script->prepare(&p->vm);
    for (unsigned i = 0; i < 3; i++)
        turn(p);
    memset(taken, 0, sizeof(taken));
    /* The guest goes to the instruction. */
    memcpy(arena->pages[script->vcpu].x, script->x, sizeof(script->x));
    if (script->insn)
        memcpy(guest_ram_to_write(&p->vm.ram, WORLD_PC, 4), &script->insn, 4);
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        if (cores[i].live == (int)script->vcpu)
            cores[i].pc = WORLD_PC;
}

/* The next vmm. The memory of the one before is as lost as if its process were gone. */
static struct process *take_over(struct process *before)
{
    int fd = dup(before->vm.state.fd);
    struct process *p;

    obey_all(); /* what it has published */
    p = process_new(&fd);
    return p && vm_take_over(&p->vm) == 0 ? p : NULL;
}

static uint64_t hash(uint64_t sum, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ at[i]) * 0x100000001b3ull;
    return sum;
}

static void look(const struct process *p, struct world_end *end)
{
    static const char *const clocks[] = {"clock", "pl031@9010000"};
    const uint64_t basis = 0xcbf29ce484222325ull;
    struct state_found found;

    /* The VM's clock and the RTC go by the host's: no two runs have the same. */
    for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        NEED(state_lookup(&p->vm.state, clocks[i], &found));
        memset(found.at, 0, found.size);
    }
    end->state = hash(basis, p->vm.state.base, state_used(&p->vm.state));
    end->pages = basis;
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        const struct rv_vcpu_page *page = &arena->pages[i];

        end->pages = hash(end->pages, &page->el1, sizeof(page->el1));
        end->pages = hash(end->pages, page->gic.irq, sizeof(page->gic.irq));
        if (p->vm.core->request != VM_RUN_ON)
            continue; /* it will not run on from here */
        memcpy(end->x[i], page->x, sizeof(end->x[i]));
        end->pc[i] = page->pc;
    }
    end->ram = hash(basis, arena->ram, RAM_USED);
    memcpy(end->taken, taken, sizeof(taken));
    memcpy(end->starts, starts, sizeof(starts));
}

static void live(void *opaque)
{
    struct world_end *end = opaque;

    end->stuck = !go_on(process);
}

static void run(unsigned store, struct world_end *end)
{
    struct process *p;

    log_set_level("error");
    arena = mmap(NULL, sizeof(*arena), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(arena != MAP_FAILED);
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        pcpu_journal_init(&arena->journal.pcpu[i]);
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        cores[i].live = -1;
    begin();
    p = process;
    find_kept();
    end->died = death_run(store, live, end, &end->stores);
    if (end->died) {
        p = take_over(p);
        end->refused = !p;
        end->stuck = p && !go_on(p);
    }
    /* Each run ends with a vmm that has taken over, and with all vCPUs off their cores. */
    if (!end->stuck && !end->refused) {
        p = take_over(p);
        end->refused = !p;
    }
    if (p)
        look(p, end);
}

void world_run(const struct world_exit *exit, unsigned store, struct world_end *end)
{
    int pipes[2], status;
    pid_t child;

    memset(end, 0, sizeof(*end));
    if (!plugins) {
        plugins = plugin_new();
        NEED(plugins && plugin_load_path(plugins, NULL, getenv("TEST_DEVICES")) == 0);
    }
    NEED(pipe(pipes) == 0);
    child = fork();
    NEED(child >= 0);
    if (child == 0) {
        script = exit;
        run(store, end);
        _exit(write(pipes[1], end, sizeof(*end)) == sizeof(*end) ? 0 : 1);
    }
    close(pipes[1]);
    if (read(pipes[0], end, sizeof(*end)) != sizeof(*end))
        end->stuck = 1;
    close(pipes[0]);
    NEED(waitpid(child, &status, 0) == child);
}
