/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every command with every reason to refuse it. VM 0 has vCPU 0, live in core 0,
 * and vCPU 1, resting; VM 1 has vCPU 2, live in core 1, and vCPU 3, resting. A
 * command is about the VM in its `vm`, whatever vCPU it names.
 */

#include <stdlib.h>
#include <string.h>

#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"
#include "tests/unit/stub/walker.h"

#define RW       (RV_MAP_READ | RV_MAP_WRITE)
#define MAPPED   0x40000000ull /* 2 MiB of each VM */
#define MB2      0x200000ull
#define TAG      0xabcd1234u
#define IRQ      (RV_IRQ_PENDING | RV_IRQ_GROUP1 | 0x80)
#define RAM      UINT64_C(0xffff000000000000) /* stands for boot.ram_offset */
#define NOBODY   RV_MAX_VMS
#define VCPU(n)  .vcpu = (n), .vm = (n) / 2
#define OP(name) .op = RV_COMMAND_##name

static struct pcpu *core;

static int setup(void **state)
{
    (void)state;
    fake_reset(4);
    for (uint16_t vm = 0; vm < 2; vm++) {
        core = fake_use(vm);
        fake_create_vm(vm);
        fake_ok(core, (struct rv_command){
                          OP(MAP),
                          .vm = vm,
                          .vcpu = RV_NO_VCPU,
                          .arg = {MAPPED, boot.ram_offset + vm * FAKE_GB, MB2, RW},
                      });
        fake_create_vcpu((uint16_t)(vm * 2), vm);
        fake_create_vcpu((uint16_t)(vm * 2 + 1), vm);
        fake_ok(core, (struct rv_command){OP(RUN), VCPU((uint16_t)(vm * 2))});
        core->blocked = true; /* it waits for a reply */
    }
    core = fake_use(0);
    return 0;
}

/* What no refused command may change: VMs, vCPUs, tables, list registers. */
struct world {
    struct vm vms[RV_MAX_VMS];
    struct vcpu vcpus[RV_MAX_VCPUS];
    uint64_t tables;
    uint64_t gicr;
};

static void look(struct world *world)
{
    memset(world, 0, sizeof(*world));
    memcpy(world->vms, vms, sizeof(world->vms));
    memcpy(world->vcpus, vcpus, sizeof(vcpus));
    for (unsigned i = 0; i < 2; i++) {
        for (uint64_t ipa = 0; ipa < 1ull << 40;) {
            struct walk w = walker(REG(vtcr_el2), vms[i].root, ipa);

            if (w.valid)
                world->tables = world->tables * 1000003 + (w.pa ^ ipa << 1 ^ w.s2ap ^ w.xn);
            ipa += w.size;
        }
        world->gicr += fake.core[i].gicr.enabled;
    }
}

static const struct {
    const char *name;
    struct rv_command command;
    int want;
    unsigned stops; /* VM, or NOBODY */
} refusals[] = {
    {"op_0", {.op = 0}, RV_REFUSED_OP, 0},
    {"op_unknown", {.op = RV_COMMAND_COUNT, .vm = 1}, RV_REFUSED_OP, 1},
    {"op_255", {.op = 255}, RV_REFUSED_OP, 0},
    /* Modulo the number of commands it is STOP, which is about the vCPU that is here. */
    {"op_unknown_like_stop", {.op = RV_COMMAND_COUNT + RV_COMMAND_STOP, .vm = 1}, RV_REFUSED_OP, 1},

    {"reply_flags", {OP(REPLY), VCPU(0), .flags = 0x08}, RV_REFUSED_FLAGS, 0},
    {"reply_other_vcpu", {OP(REPLY), VCPU(1)}, RV_REFUSED_STATE, 0},
    {"reply_vcpu_of_other_core", {OP(REPLY), VCPU(2)}, RV_REFUSED_STATE, 1},
    {"reply_no_vcpu", {OP(REPLY), .vcpu = 0xffff}, RV_REFUSED_STATE, 0},

    {"run_no_vcpu", {OP(RUN), .vcpu = RV_MAX_VCPUS}, RV_REFUSED_VCPU, 0},
    {"run_not_created", {OP(RUN), .vcpu = 40}, RV_REFUSED_VCPU, 0},
    {"run_core_is_taken", {OP(RUN), VCPU(1)}, RV_REFUSED_STATE, 0},
    {"run_vcpu_is_here", {OP(RUN), VCPU(0)}, RV_REFUSED_STATE, 0},
    {"run_vcpu_is_elsewhere", {OP(RUN), VCPU(2)}, RV_REFUSED_STATE, 1},

    {"stop_vcpu_not_here", {OP(STOP), VCPU(1)}, RV_REFUSED_STATE, 0},
    {"stop_of_other_core", {OP(STOP), VCPU(2)}, RV_REFUSED_STATE, 1},
    {"load_groups", {OP(LOAD), VCPU(0), .arg = {RV_GROUPS_ALL + 1}}, RV_REFUSED_GROUPS, 0},
    {"load_groups_high", {OP(LOAD), VCPU(0), .arg = {1ull << 32}}, RV_REFUSED_GROUPS, 0},
    {"load_not_here", {OP(LOAD), VCPU(3)}, RV_REFUSED_STATE, 1},
    {"save_groups", {OP(SAVE), VCPU(0), .arg = {1ull << 63}}, RV_REFUSED_GROUPS, 0},
    {"save_not_here", {OP(SAVE), VCPU(1)}, RV_REFUSED_STATE, 0},

    {"vm_create_again",
     {OP(VM_CREATE), .vm = 1, .arg = {RAM + 3 * FAKE_GB, 4096}},
     RV_REFUSED_VM,
     1},
    {"vm_create_8",
     {OP(VM_CREATE), .vm = 8, .vcpu = 9, .arg = {RAM + 3 * FAKE_GB, 4096}},
     RV_REFUSED_VM,
     NOBODY},
    {"vm_create_overlap",
     {OP(VM_CREATE), .vm = 2, .vcpu = 9, .arg = {RAM, 4096}},
     RV_REFUSED_OVERLAP,
     NOBODY},
    {"vm_create_range",
     {OP(VM_CREATE), .vm = 2, .vcpu = 9, .arg = {RAM - 4096, 4096}},
     RV_REFUSED_RANGE,
     NOBODY},
    {"vm_create_align",
     {OP(VM_CREATE), .vm = 2, .vcpu = 9, .arg = {RAM + 3 * FAKE_GB, 1}},
     RV_REFUSED_ALIGN,
     NOBODY},
    {"vcpu_create_no_vm", {OP(VCPU_CREATE), .vm = 5, .vcpu = 9}, RV_REFUSED_VM, NOBODY},
    {"vcpu_create_vm_8", {OP(VCPU_CREATE), .vm = 8, .vcpu = 9}, RV_REFUSED_VM, NOBODY},
    {"vcpu_create_again", {OP(VCPU_CREATE), .vm = 1, .vcpu = 3}, RV_REFUSED_VCPU, 1},
    {"vcpu_create_taken_by_other", {OP(VCPU_CREATE), .vm = 1, .vcpu = 1}, RV_REFUSED_VCPU, 1},
    {"vcpu_create_beyond", {OP(VCPU_CREATE), .vm = 0, .vcpu = FAKE_VCPUS}, RV_REFUSED_VCPU, 0},
    {"vcpu_create_65535", {OP(VCPU_CREATE), .vm = 0, .vcpu = 0xffff}, RV_REFUSED_VCPU, 0},

    {"map_no_vm", {OP(MAP), .vm = 7, .vcpu = 9, .arg = {0, RAM, 4096, RW}}, RV_REFUSED_VM, NOBODY},
    {"map_vm_65535",
     {OP(MAP), .vm = 0xffff, .vcpu = 9, .arg = {0, RAM, 4096, RW}},
     RV_REFUSED_VM,
     NOBODY},
    {"map_other_vms_memory",
     {OP(MAP), .vm = 0, .arg = {0, RAM + FAKE_GB, 4096, RW}},
     RV_REFUSED_RANGE,
     0},
    {"map_by_a_vm_that_is_not_here",
     {OP(MAP), .vm = 1, .arg = {0, RAM, 4096, RW}},
     RV_REFUSED_RANGE,
     1},
    {"map_stub_memory", {OP(MAP), .vm = 0, .arg = {0, 0, 4096, RW}}, RV_REFUSED_RANGE, 0},
    {"map_align", {OP(MAP), .vm = 0, .arg = {0, RAM, 1, RW}}, RV_REFUSED_ALIGN, 0},
    {"map_flags", {OP(MAP), .vm = 0, .arg = {0, RAM, 4096, 0x10}}, RV_REFUSED_FLAGS, 0},
    {"map_overlap", {OP(MAP), .vm = 0, .arg = {MAPPED, RAM, 4096, RW}}, RV_REFUSED_OVERLAP, 0},
    {"protect_hole", {OP(PROTECT), .vm = 0, .arg = {0, 4096, RW}}, RV_REFUSED_OVERLAP, 0},
    {"protect_cut", {OP(PROTECT), .vm = 0, .arg = {MAPPED, 4096, RW}}, RV_REFUSED_OVERLAP, 0},
    {"protect_no_vm",
     {OP(PROTECT), .vm = 6, .vcpu = 9, .arg = {MAPPED, MB2, RW}},
     RV_REFUSED_VM,
     NOBODY},
    {"protect_range", {OP(PROTECT), .vm = 0, .arg = {1ull << 40, 4096, RW}}, RV_REFUSED_RANGE, 0},
    {"protect_flags", {OP(PROTECT), .vm = 0, .arg = {MAPPED, MB2, 8}}, RV_REFUSED_FLAGS, 0},

    {"inject_1020", {OP(INJECT), VCPU(0), .arg = {1020, IRQ}}, RV_REFUSED_INTID, 0},
    {"inject_intid_high", {OP(INJECT), VCPU(0), .arg = {1ull << 61, IRQ}}, RV_REFUSED_INTID, 0},
    {"inject_no_state", {OP(INJECT), VCPU(0), .arg = {40, 0x80}}, RV_REFUSED_FLAGS, 0},
    {"inject_flag_between", {OP(INJECT), VCPU(0), .arg = {40, IRQ | 0x400}}, RV_REFUSED_FLAGS, 0},
    {"inject_flags", {OP(INJECT), VCPU(0), .arg = {40, IRQ | 1ull << 61}}, RV_REFUSED_FLAGS, 0},
    {"inject_not_here", {OP(INJECT), VCPU(1), .arg = {40, IRQ}}, RV_REFUSED_STATE, 0},
    {"retract_1020", {OP(RETRACT), VCPU(0), .arg = {1020, 1}}, RV_REFUSED_INTID, 0},
    {"retract_flags", {OP(RETRACT), VCPU(0), .arg = {40, 4}}, RV_REFUSED_FLAGS, 0},
    {"retract_not_here", {OP(RETRACT), VCPU(2), .arg = {40, 1}}, RV_REFUSED_STATE, 1},

    {"flush_align", {OP(FLUSH), .vm = 0, .arg = {RAM + 1, 4096}}, RV_REFUSED_ALIGN, 0},
    {"flush_other_vm", {OP(FLUSH), .vm = 0, .arg = {RAM + FAKE_GB, 4096}}, RV_REFUSED_RANGE, 0},
    {"flush_wraps", {OP(FLUSH), .vm = 0, .arg = {RAM + 4096, 0 - 4096ull}}, RV_REFUSED_RANGE, 0},
    {"flush_nothing", {OP(FLUSH), .vm = 0, .arg = {RAM, 0}}, RV_REFUSED_RANGE, 0},
    {"flush_no_vm", {OP(FLUSH), .vm = 4, .vcpu = 9, .arg = {RAM, 4096}}, RV_REFUSED_VM, NOBODY},
};

/* The RAM's offset is known only when the fakes are there. */
static struct rv_command placed(struct rv_command c)
{
    for (unsigned i = 0; i < 2; i++) {
        if (c.arg[i] - (RAM - 4096) < 8 * FAKE_GB)
            c.arg[i] += boot.ram_offset - RAM;
    }
    return c;
}

static void assert_refused(const char *name, const struct rv_event *event, int want, uint8_t op)
{
    if (event->type != RV_EVENT_REFUSED || event->value != (uint64_t)want)
        fail_msg("%s: event %u, value %u, not refused for %d", name, event->type,
                 (unsigned)event->value, want);
    if (event->esr != TAG || event->ipa != op)
        fail_msg("%s: tag 0x%x, op %u", name, (unsigned)event->esr, (unsigned)event->ipa);
}

static void check_refusal(void **state, size_t i)
{
    struct rv_command command = placed(refusals[i].command);
    const char *name = refusals[i].name;
    unsigned stops = refusals[i].stops;
    static struct world before, after;
    struct rv_event event, more;

    setup(state);
    look(&before);
    command.tag = TAG;
    command.flags |= RV_COMMAND_FLAG_ACK; /* a refusal is the only answer */
    command_execute(core, &command);
    assert_true(fake_event(core, &event));
    assert_refused(name, &event, refusals[i].want, command.op);
    if (fake_event(core, &more))
        fail_msg("%s: a second event, %u", name, more.type);
    look(&after);
    for (unsigned vm = 0; vm < RV_MAX_VMS; vm++) {
        if (after.vms[vm].stopped != (vm == stops))
            fail_msg("%s: VM %u is %sstopped", name, vm, after.vms[vm].stopped ? "" : "not ");
        after.vms[vm].stopped = false;
    }
    if (memcmp(&before, &after, sizeof(before)) != 0)
        fail_msg("%s: changed something", name);
    /* The vCPU leaves the core if its VM is stopped, and only then. */
    fake_serve(core);
    if ((core->vcpu == NULL) != (stops == 0))
        fail_msg("%s: the vCPU of VM 0 is %s", name, core->vcpu ? "still here" : "gone");
    if (stops == 0 && (!fake_event(core, &event) || event.type != RV_EVENT_STOPPED ||
                       event.vcpu != 0 || vcpus[0].pcpu))
        fail_msg("%s: no RV_EVENT_STOPPED", name);
    core = fake_use(1);
    fake_serve(core);
    if ((core->vcpu == NULL) != (stops == 1))
        fail_msg("%s: the vCPU of VM 1 is %s", name, core->vcpu ? "still here" : "gone");
}

static void refusals_have_their_reason_and_stop_the_vm_that_they_name(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++)
        check_refusal(state, i);
}

static void refused_vm_create_can_be_done_right_later(void **state)
{
    struct rv_command create = {OP(VM_CREATE), .vm = 2, .vcpu = 9, .arg = {1, 4096}};

    setup(state);
    assert_int_equal(fake_do(core, create).type, RV_EVENT_REFUSED);
    create.arg[0] = boot.ram_offset + 2 * FAKE_GB;
    fake_ok(core, create);
    fake_ok(core, (struct rv_command){OP(MAP), .vm = 2, .vcpu = 9,
                                      .arg = {0, boot.ram_offset + 2 * FAKE_GB, 4096, RW}});
}

static void stopped_vm_takes_no_more_commands(void **state)
{
    static const struct {
        struct rv_command command;
        int want;
    } more[] = {
        {{OP(RUN), VCPU(0)}, RV_REFUSED_VCPU},
        {{OP(RUN), VCPU(1)}, RV_REFUSED_VCPU},
        {{OP(REPLY), VCPU(0)}, RV_REFUSED_STATE},
        {{OP(STOP), VCPU(0)}, RV_REFUSED_STATE},
        {{OP(LOAD), VCPU(0)}, RV_REFUSED_STATE},
        {{OP(SAVE), VCPU(0)}, RV_REFUSED_STATE},
        {{OP(INJECT), VCPU(0), .arg = {40, IRQ}}, RV_REFUSED_STATE},
        {{OP(MAP), .vm = 0, .arg = {0, RAM, 4096, RW}}, RV_REFUSED_VM},
        {{OP(PROTECT), .vm = 0, .arg = {MAPPED, MB2, RW}}, RV_REFUSED_VM},
        {{OP(VCPU_CREATE), .vm = 0, .vcpu = 9}, RV_REFUSED_VM},
        {{OP(VM_CREATE), .vm = 0, .arg = {RAM + 4 * FAKE_GB, 4096}}, RV_REFUSED_VM},
        {{OP(FLUSH), .vm = 0, .arg = {RAM, 4096}}, RV_REFUSED_VM},
    };
    struct rv_event event;

    setup(state);
    command_execute(core, &(struct rv_command){.op = 255});
    fake_serve(core);
    while (fake_event(core, &event))
        ;
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        struct rv_command command = placed(more[i].command);

        command.tag = TAG;
        event = fake_do(core, command);
        assert_refused("after the stop", &event, more[i].want, command.op);
    }
    assert_false(vms[1].stopped);
    core = fake_use(1);
    fake_ok(core, (struct rv_command){OP(REPLY), VCPU(2)});
}

static void other_core_lets_a_stopped_vm_go_when_it_is_kicked(void **state)
{
    struct rv_event event;

    setup(state);
    command_execute(core, &(struct rv_command){.op = 255, .vm = 1, .vcpu = RV_NO_VCPU});
    for (unsigned i = 0; i < FAKE_CORES; i++)
        assert_int_equal(fake.core[i].kicks, 1);
    core = fake_use(1);
    core->blocked = false;
    fake_core->irq[fake_core->nr_irqs++] = 0;
    assert_false(fake_run(core, exit_irq));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_STOPPED);
    assert_int_equal(event.vcpu, 2);
    assert_int_equal(fake.deactivated[0], 0);
}

static void ack_comes_if_asked_for_and_only_then(void **state)
{
    struct rv_event event;

    setup(state);
    event = fake_do(core, (struct rv_command){OP(SAVE), VCPU(0), .arg = {RV_GROUPS_ALL}});
    assert_int_equal(event.type, 0);
    event = fake_do(core, (struct rv_command){OP(SAVE), VCPU(0), .flags = RV_COMMAND_FLAG_ACK,
                                              .tag = TAG, .arg = {RV_GROUPS_ALL}});
    assert_int_equal(event.type, RV_EVENT_ACK);
    assert_int_equal(event.esr, TAG);
    assert_int_equal(event.ipa, RV_STATUS_OK);
    assert_int_equal(event.vcpu, 0);
}

static void ack_of_retract_has_the_states_found(void **state)
{
    setup(state);
    fake_ok(core, (struct rv_command){OP(INJECT), VCPU(0), .arg = {40, IRQ | RV_IRQ_ACTIVE}});
    assert_int_equal(fake_ok(core, (struct rv_command){OP(RETRACT), VCPU(0), .arg = {40, 1}}).value,
                     RV_LR_PENDING | RV_LR_ACTIVE);
    assert_int_equal(fake_ok(core, (struct rv_command){OP(RETRACT), VCPU(0), .arg = {40, 2}}).value,
                     RV_LR_ACTIVE);
    assert_int_equal(fake_ok(core, (struct rv_command){OP(RETRACT), VCPU(0), .arg = {40, 3}}).value,
                     0);
}

static void no_room_is_acknowledged_and_stops_nothing(void **state)
{
    struct rv_command map = {OP(MAP), .vm = 0, .flags = RV_COMMAND_FLAG_ACK, .tag = TAG};
    struct rv_event event;

    setup(state);
    fake_pool(0);
    map.arg[1] = boot.ram_offset;
    map.arg[2] = 4096;
    event = fake_do(core, map);
    assert_int_equal(event.type, RV_EVENT_ACK);
    assert_int_equal(event.ipa, RV_STATUS_NO_ROOM);
    assert_false(vms[0].stopped);
}

static void vcpu_is_created_as_asked(void **state)
{
    setup(state);
    assert_ptr_equal(vcpus[3].page, &fake_pages[3]);
    assert_ptr_equal(vcpus[3].vm, &vms[1]);
    assert_null(vcpus[3].pcpu);
}

static void load_masks_and_unmasks_direct_ppis(void **state)
{
    struct rv_command load = {OP(LOAD), VCPU(0), .arg = {RV_GROUP_DIRECT}};

    setup(state);
    FAKE_DIRECT(0, 27) = LR_PENDING;
    FAKE_DIRECT(0, 5) = LR_PENDING;                /* an SGI has no physical side, */
    FAKE_DIRECT(0, FAKE_MAINTENANCE) = LR_PENDING; /* and this PPI is the stub's */
    fake_ok(core, load);
    assert_int_equal(fake_core->gicr.enabled, 1u | 1u << FAKE_MAINTENANCE | 1u << 27);
    FAKE_DIRECT(0, 27) = 0;
    fake_ok(core, load);
    assert_int_equal(fake_core->gicr.enabled, 1u | 1u << FAKE_MAINTENANCE);
}

/* The vmm may write anything there; the INTIDs and HW are the stub's. */
static void direct_interrupt_has_the_intid_of_its_place(void **state)
{
    struct rv_command load = {OP(LOAD), VCPU(0), .arg = {RV_GROUP_DIRECT}};

    setup(state);
    for (unsigned n = 0; n < RV_NR_DIRECT; n++)
        FAKE_DIRECT(0, n) = ~0ull;
    fake_ok(core, load);
    for (uint64_t n = 0; n < RV_NR_DIRECT; n++)
        assert_int_equal(vcpus[0].direct[n], LR_PENDING | LR_GROUP1 | 0xffull << 48 | n |
                                                 (n < 16 ? 0 : LR_HW | n << LR_PINTID_SHIFT));
}

static void flush_names_the_memory_by_its_address(void **state)
{
    setup(state);
    fake_ok(core, (struct rv_command){OP(FLUSH), .vm = 0, .arg = {boot.ram_offset + 4096, 8192}});
    assert_int_equal(fake.changes, 1);
    assert_int_equal(fake.changed_start, boot.mem_base + boot.ram_offset + 4096);
    assert_int_equal(fake.changed_size, 8192);
}

static void fail_if_it_waits(void)
{
    if (fake.relaxes > 100)
        fail_msg("waits for a lock that nobody gives back");
}

/* A core is never busy for long: what takes more is to be cut by the vmm. */
static void commands_over_much_are_refused(void **state)
{
    const uint64_t pages = RV_MAX_ENTRIES - 4; /* besides, four tables */
    const struct {
        const char *name;
        struct rv_command command;
        bool refused;
    } cases[] = {
        {"flush", {OP(FLUSH), .vm = 1, .vcpu = 9, .arg = {RAM + FAKE_GB, RV_MAX_FLUSH}}, false},
        {"flush_more",
         {OP(FLUSH), .vm = 1, .vcpu = 9, .arg = {RAM + FAKE_GB, RV_MAX_FLUSH + 4096}},
         true},
        {"map",
         {OP(MAP), .vm = 1, .vcpu = 9,
          .arg = {0x1000, RAM + FAKE_GB, (pages - 1) << 12, RW | RV_MAP_PAGES_ONLY}},
         false},
        {"map_more",
         {OP(MAP), .vm = 1, .vcpu = 9,
          .arg = {0x1000, RAM + FAKE_GB, (pages + 8) << 12, RW | RV_MAP_PAGES_ONLY}},
         true},
        {"map_blocks",
         {OP(MAP), .vm = 1, .vcpu = 9, .arg = {0, RAM + FAKE_GB, FAKE_GB, RW}},
         false},
    };
    struct rv_event event;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        struct rv_command command = placed(cases[i].command);

        command.flags |= RV_COMMAND_FLAG_ACK;
        command_execute(core, &command);
        assert_true(fake_event(core, &event));
        if ((event.type == RV_EVENT_REFUSED) != cases[i].refused)
            fail_msg("%s: event %u, value %u", cases[i].name, event.type, (unsigned)event.value);
        if (cases[i].refused)
            assert_int_equal(event.value, RV_REFUSED_RANGE);
    }
}

static void protect_of_much_is_refused_and_changes_nothing(void **state)
{
    struct rv_command map = {OP(MAP), .vm = 0,
                             .arg = {0, boot.ram_offset, 2 * MB2, RW | RV_MAP_PAGES_ONLY}};
    struct rv_event event;

    setup(state);
    for (unsigned i = 0; i < 3; i++) {
        map.arg[0] = 4 * FAKE_GB + i * 2 * MB2;
        map.arg[1] = boot.ram_offset + i * 2 * MB2;
        fake_ok(core, map);
    }
    fake_ok(core,
            (struct rv_command){OP(PROTECT), .vm = 0, .arg = {4 * FAKE_GB, 2 * MB2, RV_MAP_READ}});
    event = fake_do(core, (struct rv_command){OP(PROTECT), .vm = 1, .vcpu = 9,
                                              .arg = {4 * FAKE_GB, 4 * MB2 + 4096, RV_MAP_READ}});
    assert_int_equal(event.type, RV_EVENT_REFUSED); /* nothing is mapped there */
    assert_int_equal(event.value, RV_REFUSED_OVERLAP);
    command_execute(
        core, &(struct rv_command){OP(PROTECT), .vm = 0, .arg = {4 * FAKE_GB, 4 * MB2 + 4096, 0}});
    assert_true(fake_event(core, &event));
    assert_int_equal(event.value, RV_REFUSED_RANGE);
    assert_true(walker(REG(vtcr_el2), vms[0].root, 4 * FAKE_GB).valid);
}

/* Panic */

static void panic_here(struct pcpu *pcpu)
{
    panic(4, pcpu);
}

static void panic_in_run(enum fake_register reg)
{
    if (reg == REG_hcr_el2) {
        fake.on_read = NULL;
        panic_here(core);
    }
}

static void panic_with_the_lock_holds_up_nobody(void **state)
{
    struct rv_event event;

    setup(state);
    fake.on_relax = fail_if_it_waits;
    fake.on_read = panic_in_run;
    core = fake_use(2);
    fake_command(core, &(struct rv_command){OP(RUN), VCPU(1)});
    assert_false(fake_serve(core));
    assert_true(fake_event(core, &event));
    assert_int_equal(event.type, RV_EVENT_PANIC);
    core = fake_use(1);
    fake_ok(core, (struct rv_command){OP(FLUSH), .vm = 0, .arg = {boot.ram_offset, 4096}});
}

static unsigned panics;

static void panic_again(enum fake_register reg)
{
    if (reg != REG_esr_el2)
        return;
    if (++panics > 3) /* without an end it would overrun this test's stack, too */
        abort();
    panic_here(core);
}

/* What a panic reads or writes may fault, too. */
static void panic_in_a_panic_ends(void **state)
{
    setup(state);
    panics = fake.sleeps = 0;
    fake.on_read = panic_again;
    assert_false(fake_run(core, panic_here));
    assert_int_equal(panics, 1);
    assert_int_equal(fake.sleeps, 1);
}

/* Speculation: what indexes an array and comes from the vmm goes through index_nospec(). */
static void indices_of_the_vmm_are_clamped(void **state)
{
    static const struct {
        const char *name;
        struct rv_command command;
        unsigned size, clamps; /* of the array; how often it is indexed */
    } cases[] = {
        {"register", {OP(REPLY), VCPU(0), .flags = RV_REPLY_REG, .reg = 3}, 31, 1},
        {"operation", {OP(FLUSH), .vm = 0, .arg = {RAM, 4096}}, RV_COMMAND_COUNT, 1},
        {"vm", {OP(FLUSH), .vm = 0, .arg = {RAM, 4096}}, RV_MAX_VMS, 2},
        {"vcpu", {OP(RUN), VCPU(1)}, RV_MAX_VCPUS, 1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setup(state);
        struct rv_command command = placed(cases[i].command);

        memset(fake.clamps, 0, sizeof(fake.clamps));
        command_execute(core, &command);
        if (fake.clamps[cases[i].size] < cases[i].clamps)
            fail_msg("%s: %u clamped, not %u", cases[i].name, fake.clamps[cases[i].size],
                     cases[i].clamps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_have_their_reason_and_stop_the_vm_that_they_name),
        cmocka_unit_test(refused_vm_create_can_be_done_right_later),
        cmocka_unit_test(stopped_vm_takes_no_more_commands),
        cmocka_unit_test(other_core_lets_a_stopped_vm_go_when_it_is_kicked),
        cmocka_unit_test(ack_comes_if_asked_for_and_only_then),
        cmocka_unit_test(ack_of_retract_has_the_states_found),
        cmocka_unit_test(no_room_is_acknowledged_and_stops_nothing),
        cmocka_unit_test(vcpu_is_created_as_asked),
        cmocka_unit_test(load_masks_and_unmasks_direct_ppis),
        cmocka_unit_test(direct_interrupt_has_the_intid_of_its_place),
        cmocka_unit_test(flush_names_the_memory_by_its_address),
        cmocka_unit_test(commands_over_much_are_refused),
        cmocka_unit_test(protect_of_much_is_refused_and_changes_nothing),
        cmocka_unit_test(panic_with_the_lock_holds_up_nobody),
        cmocka_unit_test(panic_in_a_panic_ends),
        cmocka_unit_test(indices_of_the_vmm_are_clamped),
    };

    return cmocka_run_group_tests_name("stub_command", tests, NULL, NULL);
}
