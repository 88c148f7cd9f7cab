/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the stub does for a Linux host above it: its stage 2, its SMCs and HVCs, its accesses to
 * memory that it does not have, and CPUs that it turns off and on.
 */
#include <string.h>
#include <sys/mman.h>

#include "el2stub/host/host.h"
#include "el2stub/host/shortcut/shortcut.h"
#include "tests/unit/stub/fake.h"
#include "tests/unit/stub/test.h"
#include "tests/unit/stub/walker.h"

/* The linker script's symbols, for stage2.c, which is a part of this file. */
#define IMAGE     0x50000000ull
#define STUB_SIZE 0x400000ull

#define image_start ((char *)IMAGE)
#define image_end   ((char *)IMAGE + 0x6000)
#include "el2stub/host/stage2.c"

#define CPU_OFF             0x84000002ull
#define CPU_ON              0xc4000003ull
#define AFFINITY            0xc4000004ull
#define SUSPEND             0xc4000001ull
#define DEFAULT_SUSPEND     0xc400000cull
#define SYSTEM_SUSPEND      0xc400000eull
#define SDEI_EVENT_REGISTER 0xc4000021ull
#define ENTRY               0x41000000ull
#define CONTEXT             0x1234ull
#define FOUND_HCR           (HCR_RW | HCR_PAUTH)
#define GUEST_VTCR          (1ull << 6 | 24) /* 40 bits of IPA, from level 1 on */

static unsigned firmware_calls;
static void (*on_firmware)(uint64_t *x);
static jmp_buf left;
static bool vanished;
static struct rv_boot_page page; /* where the stub answers what CPUs these are */

/* entry.S and vectors.S */
char vectors[1], host_vectors[1];

uint32_t platform_pause(const struct pcpu *pcpu)
{
    return 1;
}

_Noreturn void host_repark(struct pcpu *pcpu)
{
    host_park(pcpu);
}

void host_warm(void)
{
}

void host_call_firmware(uint64_t *gpr)
{
    firmware_calls++;
    if (on_firmware)
        on_firmware(gpr);
}

_Noreturn void host_vanish(struct host_cpu *host)
{
    vanished = true;
    longjmp(left, 1);
}

_Noreturn void host_enter(struct pcpu *pcpu)
{
    longjmp(left, 1);
}

static int setup(void **state)
{
    fake_reset(4);
    memset(host_cpus, 0, sizeof(host_cpus));
    boot.ram_size = 0; /* the stub has none of its own to give to VMs */
    boot_page_address = (uint64_t)&page;
    boot.stub_offset = IMAGE;
    boot.stub_size = STUB_SIZE;
    host_vm_init();
    firmware_calls = 0;
    on_firmware = NULL;
    vanished = false;
    for (uint32_t i = 0; i < FAKE_CORES; i++) {
        struct pcpu *pcpu = fake_use(i);

        REG(hcr_el2) = FOUND_HCR;
        REG(esr_el2) = ESR_ELx_IL;
        host_install(pcpu, 0x30c50830);
    }
    fake_use(0);
    return 0;
}

/* The host executes an SMC or HVC on a core, with x0 to x4. True: it goes on behind it. */
static bool call_5(uint32_t core, uint64_t ec, const uint64_t x[5])
{
    struct pcpu *pcpu = fake_use(core);

    memcpy(host_of(pcpu)->gpr, x, 5 * sizeof(*x));
    REG(esr_el2) = ESR_SET(ec, ESR_ELx_EC) | ESR_ELx_IL;
    return fake_run(pcpu, host_sync);
}

static bool call(uint32_t core, uint64_t ec, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    return call_5(core, ec, (const uint64_t[5]){x0, x1, x2, x3, 0xbad});
}

static bool smc(uint32_t core, uint64_t x0, uint64_t x1, uint64_t x2, uint64_t x3)
{
    return call(core, ESR_EC_SMC64, x0, x1, x2, x3);
}

static int64_t answer(uint32_t core)
{
    return (int64_t)host_cpus[core].gpr[0];
}

static void a_call_that_is_not_psci_goes_to_the_firmware_and_the_pc_steps(void **state)
{
    REG(elr_el2) = 0x1000;
    assert_true(smc(0, 0x80008000, 0, 0, 0));
    assert_int_equal(firmware_calls, 1);
    assert_int_equal(REG(elr_el2), 0x1004);
}

static void a_cpu_that_is_turned_off_parks_here_and_reads_as_off(void **state)
{
    assert_false(smc(1, CPU_OFF, 0, 0, 0)); /* it sleeps */
    assert_int_equal(firmware_calls, 0);
    assert_true(host_is_busy());
    assert_true(smc(0, AFFINITY, 1, 0, 0));
    assert_int_equal(answer(0), 1);
    assert_true(smc(0, AFFINITY, 2, 0, 0));
    assert_int_equal(answer(0), 0);
    assert_true(REG(hcr_el2) & HCR_VM);
    fake_use(1);
    assert_true(REG(hcr_el2) & HCR_ROUTING); /* the kick comes to EL2 */
    assert_int_equal(fake_core->gicr.enabled & 1, 1);
}

/* Core 0 turns core 1 on while that one sleeps. */
static void turn_on(void)
{
    fake.on_sleep = NULL;
    smc(0, CPU_ON, 1, ENTRY, CONTEXT);
    fake_use(1);
}

static void a_parked_cpu_starts_at_el1_where_the_host_says(void **state)
{
    fake.on_sleep = turn_on;
    if (!setjmp(left)) {
        smc(1, CPU_OFF, 0, 0, 0);
        fail_msg("CPU_OFF returned");
    }
    assert_int_equal(answer(0), 0);
    assert_int_equal(fake.core[1].kicks, 1);
    assert_int_equal(REG(elr_el2), ENTRY);
    assert_int_equal(REG(spsr_el2), 0x3c5);
    assert_int_equal(REG(sctlr_el1), 0x30d00800);
    assert_int_equal(host_cpus[1].gpr[0], CONTEXT);
    assert_int_equal(REG(hcr_el2), FOUND_HCR | HCR_VM | HCR_TSC);
    assert_int_equal(fake_core->gicr.enabled, 0); /* the host's to set up */
    assert_false(host_is_busy());
}

static void cpu_on_of_a_running_or_unknown_cpu_is_refused(void **state)
{
    assert_true(smc(0, CPU_ON, 1, ENTRY, 0));
    assert_int_equal(answer(0), -4);
    assert_true(smc(0, CPU_ON, 77, ENTRY, 0));
    assert_int_equal(answer(0), -3);
    assert_int_equal(firmware_calls, 0);
}

static void a_second_cpu_on_is_pending(void **state)
{
    assert_false(smc(1, CPU_OFF, 0, 0, 0));
    assert_true(smc(0, CPU_ON, 1, ENTRY, CONTEXT));
    assert_int_equal(answer(0), 0);
    assert_true(smc(2, CPU_ON, 1, 0xbad, 0xbad));
    assert_int_equal(answer(2), -5);
    assert_int_equal(host_cpus[1].entry, ENTRY);
    assert_true(smc(2, AFFINITY, 1, 0, 0));
    assert_int_equal(answer(2), 2);
}

/* A call of the kernel's from core 0: what it answers. */
static int64_t vm_call(uint64_t function, uint64_t vm, uint64_t x2, uint64_t x3, uint64_t x4)
{
    assert_true(call_5(0, ESR_EC_HVC64, (const uint64_t[5]){function, vm, x2, x3, x4}));
    return answer(0);
}

/* Core 1 sleeps parked; what core 0 asks for it then sees. */
static void take_core_1(void)
{
    fake.on_sleep = NULL;
    if (!vms[0].exists)
        assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_TAKE, 0, 1, 0, 0), 0);
    fake_use(1);
}

static void return_core_1(void)
{
    fake.on_sleep = NULL;
    call(0, ESR_EC_HVC64, RV_HOST_RETURN, 1, 0, 0);
    assert_int_equal(answer(0), 0);
    fake_use(1);
}

static int64_t state_of_core_1(void)
{
    call(0, ESR_EC_HVC64, RV_HOST_STATE, 1, 0, 0);
    return answer(0);
}

static void a_parked_cpu_that_is_taken_serves_its_channel(void **state)
{
    struct rv_event event;

    fake.on_sleep = take_core_1;
    assert_false(smc(1, CPU_OFF, 0, 0, 0)); /* it sleeps for want of commands */
    assert_true(fake_event(&pcpus[1], &event));
    assert_int_equal(event.type, RV_EVENT_READY);
    assert_int_equal(REG(vbar_el2), (uint64_t)vectors);
    assert_int_equal(state_of_core_1(), HOST_SERVES);
    assert_true(host_is_busy());
    assert_true(smc(0, AFFINITY, 1, 0, 0));
    assert_int_equal(answer(0), 1);
    assert_true(smc(0, CPU_ON, 1, ENTRY, 0));
    assert_int_equal(answer(0), -5);
}

/* It was on its way when the CPU was turned off. 8192 is an LPI. */
static void an_interrupt_of_the_host_goes_back_to_it_and_harms_no_guest(void **state)
{
    struct pcpu *pcpu = fake_use(1);
    struct rv_event event;

    (void)state;
    fake.gicd_router = 0x80000203;
    fake.core[1].irq[fake.core[1].nr_irqs++] = 50;
    fake.core[1].irq[fake.core[1].nr_irqs++] = 8192;
    gic_irq(pcpu);
    fake_use(0);
    assert_int_equal(fake.spi_router[50], 0x80000203);
    assert_int_equal(fake.gicd_pended[1], 1u << 18);
    assert_int_equal(fake.gicd_masked[1], 0);
    assert_int_equal(fake.deactivated[0], 50);
    assert_int_equal(fake.nr_deactivated, 1);
    assert_false(fake_event(pcpu, &event));
}

static void a_serving_cpu_that_is_returned_parks_and_can_start(void **state)
{
    fake.on_sleep = take_core_1;
    assert_false(smc(1, CPU_OFF, 0, 0, 0));
    fake_use(1);
    fake.on_sleep = return_core_1;
    assert_false(fake_run(&pcpus[1], exit_serve));
    assert_int_equal(state_of_core_1(), HOST_PARKED);
    fake_use(1);
    assert_int_equal(REG(vbar_el2), (uint64_t)host_vectors);
    assert_true(smc(0, CPU_ON, 1, ENTRY, 0));
    assert_int_equal(answer(0), 0);
}

static void take_and_return_core_1(void)
{
    take_core_1();
    return_core_1();
}

static void a_cpu_that_is_returned_before_it_has_served_parks(void **state)
{
    fake.on_sleep = take_and_return_core_1;
    assert_false(smc(1, CPU_OFF, 0, 0, 0));
    assert_int_equal(state_of_core_1(), HOST_PARKED);
    assert_true(smc(0, CPU_ON, 1, ENTRY, 0));
    assert_int_equal(answer(0), 0);
}

static void a_full_ring_does_not_keep_a_cpu(void **state)
{
    struct rv_event event;

    fake.on_sleep = take_core_1;
    assert_false(smc(1, CPU_OFF, 0, 0, 0));
    assert_true(fake_event(&pcpus[1], &event));
    fake_use(1);
    fake_create_vcpu(0, 0);
    pcpus[1].event_head = RV_EVENT_ENTRIES;
    pcpus[1].event_tail = 0;
    assert_int_equal(world_enter(&pcpus[1], &vcpus[0]), 0);
    pcpus[1].blocked = true;
    fake.on_sleep = return_core_1;
    assert_false(fake_run(&pcpus[1], exit_serve));
    assert_int_equal(state_of_core_1(), HOST_PARKED);
    assert_null(vcpus[0].pcpu);
}

static void only_a_cpu_in_the_right_state_changes_it(void **state)
{
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_TAKE, 0, 1, 0, 0), RV_HOST_BUSY);
    assert_true(call(0, ESR_EC_HVC64, RV_HOST_RETURN, 1, 0, 0));
    assert_int_equal(answer(0), RV_HOST_BUSY);
    for (uint64_t index = FAKE_CORES; index != 0; index <<= 1) {
        assert_int_equal(vm_call(RV_HOST_VM_TAKE, 0, index, 0, 0), RV_HOST_BUSY);
        assert_true(call(0, ESR_EC_HVC64, RV_HOST_STATE, index, 0, 0));
        assert_int_equal(answer(0), -1);
    }
}

static void firmware_gets_32_bits_of_a_32_bit_call(uint64_t *x)
{
    assert_int_equal(x[1], 0x10);
    x[0] = 0;
}

static void the_upper_halves_of_smc32_arguments_mean_nothing(void **state)
{
    on_firmware = firmware_gets_32_bits_of_a_32_bit_call;
    assert_true(smc(0, 0xf00000008400000aull, 0xffffffff00000010ull, 0, 0));
    assert_int_equal(firmware_calls, 1);
}

static void firmware_comes_back_to_the_stub(uint64_t *x)
{
    assert_int_equal(x[2], (uint64_t)host_warm);
    assert_int_equal(x[3], (uint64_t)&pcpus[0]);
    x[0] = (uint64_t)-3;
}

static void a_suspend_wakes_up_in_the_stub_and_hides_that(void **state)
{
    on_firmware = firmware_comes_back_to_the_stub;
    assert_true(smc(0, SUSPEND, 0x10000, ENTRY, CONTEXT));
    assert_int_equal(answer(0), -3);
    assert_int_equal(host_cpus[0].gpr[2], ENTRY);
    assert_int_equal(host_cpus[0].gpr[3], CONTEXT);
    if (!setjmp(left)) {
        host_start_el1(&pcpus[0]);
    }
    assert_int_equal(REG(elr_el2), ENTRY);
    assert_int_equal(host_cpus[0].gpr[0], CONTEXT);
    assert_int_equal(REG(tpidr_el2), (uint64_t)&pcpus[0]);
}

static void firmware_is_given_the_stubs_entry(uint64_t *x)
{
    assert_int_equal(x[1], (uint64_t)host_warm);
    assert_int_equal(x[2], (uint64_t)&pcpus[0]);
}

/* Each call that has firmware enter EL2 later, whatever is in the upper half of x0. */
static void no_call_has_firmware_start_the_hosts_code_at_el2(void **state)
{
    static const uint64_t upper[] = {0, 0xffffffffull << 32};

    for (int i = 0; i < 2; i++) {
        on_firmware = firmware_comes_back_to_the_stub;
        assert_true(smc(0, upper[i] | SUSPEND, 0x10000, ENTRY, CONTEXT));
        on_firmware = firmware_is_given_the_stubs_entry;
        assert_true(smc(0, upper[i] | SYSTEM_SUSPEND, ENTRY, CONTEXT, 0));
        assert_true(smc(0, upper[i] | DEFAULT_SUSPEND, ENTRY, CONTEXT, 0));
    }
    assert_int_equal(firmware_calls, 6);
    for (int i = 0; i < 2; i++) {
        assert_true(smc(0, upper[i] | SDEI_EVENT_REGISTER, 0, ENTRY, CONTEXT));
        assert_int_equal(answer(0), -3);
        assert_true(smc(0, upper[i] | CPU_ON, 0x7f, ENTRY, CONTEXT)); /* none of the stub's */
        assert_int_equal(answer(0), -3);
        assert_false(smc(1 + (uint32_t)i, upper[i] | CPU_OFF, 0, 0, 0));
    }
    assert_int_equal(firmware_calls, 6);
}

static void calls_of_the_hyp_stub_get_its_error(void **state)
{
    for (uint64_t function = 0; function < 4; function++) {
        assert_true(call(0, ESR_EC_HVC64, function, 0xbad, 0, 0));
        assert_int_equal(answer(0), 0xbadca11);
    }
    assert_true(call(0, ESR_EC_HVC64, 0xc6000001, 0, 0, 0));
    assert_int_equal(answer(0), -1);
    assert_true(call(0, ESR_EC_HVC64, RV_HOST_INFO, 0, 0, 0));
    assert_int_equal(answer(0), RV_HOST_MAGIC);
}

static void the_stub_leaves_a_cpu_with_its_registers_as_found(void **state)
{
    if (!setjmp(left))
        call(0, ESR_EC_HVC64, RV_HOST_REMOVE, 0, 0, 0);
    assert_true(vanished);
    assert_int_equal(REG(hcr_el2), FOUND_HCR);
    assert_int_equal(host_cpus[0].sctlr, 0x30c50830);
}

static void the_stub_does_not_leave_while_a_cpu_is_off(void **state)
{
    assert_false(smc(1, CPU_OFF, 0, 0, 0));
    assert_true(call(0, ESR_EC_HVC64, RV_HOST_REMOVE, 0, 0, 0));
    assert_int_equal(answer(0), RV_HOST_BUSY);
    assert_false(vanished);
}

/* Core 1 serves VM 1, whose vCPUs are 2 and 3, and has said READY; VM 0 has vCPUs 0 and 1. */
static void serve_vm_1(void)
{
    fake.on_sleep = NULL;
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 1, 2, 2, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_TAKE, 1, 1, 0, 0), 0);
    fake_use(1);
}

static struct pcpu *core_1_serves_vm_1(void)
{
    struct rv_event event;

    fake.on_sleep = serve_vm_1;
    assert_false(smc(1, CPU_OFF, 0, 0, 0));
    fake_use(1);
    assert_true(fake_event(&pcpus[1], &event));
    assert_int_equal(event.type, RV_EVENT_READY);
    return &pcpus[1];
}

static void a_ring_neither_makes_a_vm_nor_maps_memory(void **state)
{
    static const struct {
        uint8_t op;
        unsigned reason;
    } rows[] = {{RV_COMMAND_VM_CREATE, RV_REFUSED_VM},
                {RV_COMMAND_MAP, RV_REFUSED_RANGE},
                {RV_COMMAND_FLUSH, RV_REFUSED_RANGE}};
    struct pcpu *pcpu = core_1_serves_vm_1();

    for (unsigned i = 0; i < COUNT_OF(rows); i++) {
        struct rv_event event =
            fake_do(pcpu, (struct rv_command){
                              .op = rows[i].op, .vm = 1, .vcpu = 2, .arg = {0, 0x1000, 0x1000, 1}});

        assert_int_equal(event.type, RV_EVENT_REFUSED);
        assert_int_equal(event.value, rows[i].reason);
        vms[1].stopped = false;
    }
}

static void what_names_another_vm_or_its_vcpus_harms_nobody(void **state)
{
    struct pcpu *pcpu = core_1_serves_vm_1();

    for (unsigned op = 0; op < 256; op++) {
        static const uint16_t names[][2] = {{0, 2}, {1, 0}, {1, 1}, {0, 0},
                                            {2, 2}, {1, 4}, {7, 63}};

        for (unsigned i = 0; i < COUNT_OF(names); i++) {
            struct rv_event event = fake_do(
                pcpu,
                (struct rv_command){.op = (uint8_t)op, .vm = names[i][0], .vcpu = names[i][1]});

            assert_int_equal(event.type, RV_EVENT_REFUSED);
        }
    }
    assert_false(vms[0].stopped);
    assert_false(vms[1].stopped);
    assert_null(vcpus[0].vm);
    fake_create_vcpu(3, 1); /* its own */
}

static void a_vm_kicks_only_its_cpus(void **state)
{
    struct pcpu *pcpu = core_1_serves_vm_1();

    fake_create_vcpu(2, 1);
    assert_int_equal(world_enter(pcpu, &vcpus[2]), 0);
    pcpu->blocked = true;
    for (unsigned i = 0; i < FAKE_CORES; i++)
        fake.core[i].kicks = 0;
    fake_command(
        pcpu, &(struct rv_command){.op = RV_COMMAND_REPLY, .vm = 1, .vcpu = 2, .arg = {0, ~0ull}});
    assert_true(fake_serve(pcpu));
    assert_int_equal(fake.core[0].kicks + fake.core[2].kicks, 0);
    assert_int_equal(fake.core[1].kicks, 1);
    fake_command(pcpu, &(struct rv_command){.op = RV_COMMAND_COUNT});
    fake_serve(pcpu);
    assert_int_equal(fake.core[0].kicks + fake.core[2].kicks, 0);
}

static void lent_memory_is_mapped_as_asked(void **state)
{
    struct walk walk;

    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    assert_int_equal(
        vm_call(RV_HOST_VM_LEND, 0, 0x40000000, 0x80200000, 0x200000 | RV_MAP_READ | RV_MAP_WRITE),
        0);
    walk = walker(GUEST_VTCR, vms[0].root, 0x40123456);
    assert_true(walk.valid && walk.sound && walk.xn);
    assert_int_equal(walk.pa, 0x80323456);
    assert_int_equal(walk.s2ap, 3);
    assert_int_equal(walk.level, 2);
    assert_false(walker(GUEST_VTCR, vms[0].root, 0x40200000).valid);
    /* Taken already. */
    assert_int_equal(vm_call(RV_HOST_VM_LEND, 0, 0x40000000, 0x90000000, 0x1000 | 1), RV_HOST_BUSY);
}

static void memory_of_the_stub_cannot_be_lent(void **state)
{
    static const uint64_t rows[][3] = {
        {0, IMAGE, 0x1000},                      /* its first page, */
        {0, IMAGE + STUB_SIZE - 0x1000, 0x1000}, /* its last, */
        {0, IMAGE - 0x1000, 0x2000},             /* a part of it, */
        {0, IMAGE - 0x200000, 0x800000},         /* all of it */
        {0, 1ull << 40, 0x1000},                 /* and addresses that stage 2 has not */
        {1ull << 40, 0x1000, 0x1000},
        {0, (1ull << 40) - 0x1000, 0x2000},
        {0, ~0xfffull, 0x2000},
        {0x800, 0x1000, 0x1000},
        {0, 0x800, 0x1000},
        {0, 0x1000, 0},
    };

    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    for (unsigned i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(vm_call(RV_HOST_VM_LEND, 0, rows[i][0], rows[i][1], rows[i][2] | 1),
                         RV_HOST_BUSY);
    for (uint64_t ipa = 0; ipa < 1ull << 40; ipa += FAKE_GB)
        assert_false(walker(GUEST_VTCR, vms[0].root, ipa).valid);
    assert_int_equal(vm_call(RV_HOST_VM_LEND, 0, 0, IMAGE - 0x1000, 0x1000 | 1), 0);
    assert_int_equal(vm_call(RV_HOST_VM_LEND, 0, 0x1000, IMAGE + STUB_SIZE, 0x1000 | 1), 0);
}

static void a_vm_uses_up_its_own_tables_alone(void **state)
{
    uint64_t ipa = 0;

    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 1, 2, 2, 0), 0);
    while (vm_call(RV_HOST_VM_LEND, 0, ipa, 0x1000, 0x1000 | 1) == 0)
        ipa += FAKE_GB;
    assert_true(ipa > 0 && ipa < FAKE_POOL / RV_MAX_VMS * FAKE_GB);
    for (uint64_t at = 0; at < ipa; at += FAKE_GB)
        assert_int_equal(vm_call(RV_HOST_VM_LEND, 1, at, 0x2000, 0x1000 | 1), 0);
    for (uint64_t at = 0; at < ipa; at += FAKE_GB) {
        assert_int_equal(walker(GUEST_VTCR, vms[0].root, at).pa, 0x1000);
        assert_int_equal(walker(GUEST_VTCR, vms[1].root, at).pa, 0x2000);
    }
    /* They come back with the VM's end. */
    assert_int_equal(vm_call(RV_HOST_VM_DESTROY, 0, 0, 0, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 2, 0), 0);
    assert_false(walker(GUEST_VTCR, vms[0].root, 0).valid);
    for (uint64_t at = 0; at < ipa; at += FAKE_GB)
        assert_int_equal(vm_call(RV_HOST_VM_LEND, 0, at, 0x3000, 0x1000 | 1), 0);
    assert_int_equal(walker(GUEST_VTCR, vms[1].root, 0).pa, 0x2000);
}

static void return_core_1_from_vm_1(void)
{
    return_core_1();
    assert_int_equal(vm_call(RV_HOST_VM_DESTROY, 1, 0, 0, 0), RV_HOST_BUSY); /* not parked yet */
    fake_use(1);
}

static void a_vm_ends_when_its_cpus_have_left_it(void **state)
{
    struct pcpu *pcpu = core_1_serves_vm_1();

    fake_create_vcpu(2, 1);
    assert_int_equal(vm_call(RV_HOST_VM_DESTROY, 1, 0, 0, 0), RV_HOST_BUSY);
    fake_use(1);
    fake.on_sleep = return_core_1_from_vm_1;
    assert_false(fake_run(pcpu, exit_serve));
    fake.flushes_guests = 0;
    assert_int_equal(vm_call(RV_HOST_VM_DESTROY, 1, 0, 0, 0), 0);
    assert_int_equal(fake.flushes_guests, 1);
    assert_null(vcpus[2].vm);
    assert_int_equal(vm_call(RV_HOST_VM_DESTROY, 1, 0, 0, 0), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_LEND, 1, 0, 0x1000, 0x1000 | 1), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_TAKE, 1, 1, 0, 0), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 1, 2, 2, 0), 0);
}

static void only_vms_and_vcpus_that_there_are_can_be_had(void **state)
{
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, RV_MAX_VMS, 0, 1, 0), RV_HOST_UNKNOWN);
    assert_int_equal(vm_call(RV_HOST_VM_DESTROY, ~0ull, 0, 1, 0), RV_HOST_UNKNOWN);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, FAKE_VCPUS + 1, 0), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, FAKE_VCPUS, 1, 0), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 1, ~0ull, 0), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, 0, 0), RV_HOST_BUSY);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, FAKE_VCPUS, 0), 0);
    assert_int_equal(vm_call(RV_HOST_VM_CREATE, 0, 0, FAKE_VCPUS, 0), RV_HOST_BUSY);
}

/* The process that had the CPU has left its event ring full, and the stub waits for room in it. */
static void wait_for_room(struct pcpu *pcpu)
{
    pcpu->event_head = RV_EVENT_ENTRIES;
    pcpu->event_tail = 0;
    pcpu->channel->event_tail.v = 0;
    event_send(pcpu, RV_EVENT_ACK, 0, 0, 0);
}

static void a_cpu_that_waits_for_room_comes_back(void **state)
{
    struct pcpu *pcpu = core_1_serves_vm_1();

    fake.on_sleep = return_core_1;
    assert_false(fake_run(pcpu, wait_for_room));
    assert_int_equal(state_of_core_1(), HOST_PARKED);
}

/* An access to the stub's memory, from PSTATE.M `mode`. */
static void touch(uint64_t ec, uint64_t iss, uint64_t mode)
{
    REG(esr_el2) = ESR_SET(ec, ESR_ELx_EC) | ESR_ELx_IL | iss;
    REG(far_el2) = 0xffff000010000123ull;
    REG(elr_el2) = 0x7000;
    REG(spsr_el2) = PSTATE_N | mode;
    REG(vbar_el1) = 0x800000;
    assert_true(fake_run(&pcpus[0], host_sync));
}

static void a_process_takes_an_external_abort(void **state)
{
    touch(ESR_EC_DABT_LOWER, ESR_ISS_DABT_WNR | ESR_FSC_TRANSLATION | 2, PSTATE_EL0t);
    assert_int_equal(REG(elr_el2), 0x800400);
    assert_int_equal(REG(esr_el1), 0x92000050);
    assert_int_equal(REG(far_el1), 0xffff000010000123ull);
    assert_int_equal(REG(elr_el1), 0x7000);
    assert_int_equal(REG(spsr_el1), PSTATE_N);
    assert_int_equal(REG(spsr_el2) & 0xf00003cf, PSTATE_N | 0x3c5);
}

static void the_kernel_takes_a_permission_fault(void **state)
{
    touch(ESR_EC_DABT_LOWER, ESR_FSC_TRANSLATION | 2, PSTATE_EL1h | PSTATE_PAN);
    assert_int_equal(REG(elr_el2), 0x800200);
    assert_int_equal(REG(esr_el1), 0x9600000f);
    assert_int_equal(REG(spsr_el2) & PSTATE_PAN, PSTATE_PAN);
    touch(ESR_EC_IABT_LOWER, ESR_FSC_TRANSLATION | 2, PSTATE_EL1h);
    assert_int_equal(REG(esr_el1), 0x8600000f);
}

/* What the TLB has from before the switch would let the host past its stage 2. */
static void hcr_is_seen(enum fake_register reg, uint64_t value)
{
    if (reg == REG_hcr_el2 && value & HCR_VM)
        fake.flushes_vcpu = 0;
}

static void the_tlb_is_flushed_after_stage_2_is_on(void **state)
{
    fake.on_write = hcr_is_seen;
    host_install(&pcpus[0], 0);
    assert_int_equal(fake.flushes_vcpu, 1);
}

static void what_else_traps_is_undefined(void **state)
{
    touch(ESR_EC_SYSREG, 0, PSTATE_EL1h);
    assert_int_equal(REG(esr_el1), 0x02000000);
    assert_int_equal(REG(elr_el2), 0x800200);
}

/* Where an address goes, by VTTBR_EL2 and VTCR_EL2 alone. */
static bool translates(uint64_t pa)
{
    unsigned level = (REG(vtcr_el2) >> 6 & 3) == 2 ? 0 : 1;
    const uint64_t *table = (const uint64_t *)(REG(vttbr_el2) & 0xfffffffff000ull);
    uint64_t bits = 64 - (REG(vtcr_el2) & 0x3f), entry = 0, size = 0;

    assert_true(bits >= 64 || pa >> bits == 0);
    for (bool first = true;; level++, first = false) {
        unsigned shift = 39 - 9 * level;

        size = 1ull << shift;
        entry = table[pa >> shift & (first ? ~0ull : 511)];
        if (!(entry & 1))
            return false;
        if (level == 3 || !(entry & 2))
            break;
        table = (const uint64_t *)(entry & 0xfffffffff000ull);
    }
    assert_int_not_equal(level, 0); /* no blocks there with 4 KiB granule */
    assert_int_equal(entry >> 2 & 15, 15);
    assert_int_equal(entry >> 6 & 3, 3);
    assert_int_equal(entry >> 8 & 3, 0);
    assert_int_equal(entry >> 54 & 1, 0);
    assert_int_equal((entry & 0xfffffffff000ull & ~(size - 1)) | (pa & (size - 1)), pa);
    return true;
}

static void the_host_has_all_addresses_but_the_stubs(void **state)
{
    static const uint64_t bits[] = {32, 36, 40, 42, 44, 48, 48};
    static bool mapped;

    if (!mapped)
        assert_ptr_equal(mmap(image_start, STUB_SIZE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
                         image_start);
    mapped = true;
    boot.stub_size = STUB_SIZE;
    for (uint32_t range = 0; range < COUNT_OF(bits); range++) {
        uint64_t end = IMAGE + STUB_SIZE, last = (1ull << bits[range]) - 1;

        memset(image_start, 0xa5, STUB_SIZE);
        memset(level_0, 0, sizeof(level_0));
        REG(id_aa64mmfr0_el1) = range;
        assert_int_equal(host_stage2_build(&end), 0);
        assert_true(end > IMAGE && end < IMAGE + STUB_SIZE);
        host_stage2_on(FOUND_HCR);
        assert_int_equal(64 - (REG(vtcr_el2) & 0x3f), bits[range]);
        assert_int_equal(REG(vtcr_el2) >> 16 & 7, range > 5 ? 5 : range);
        assert_int_equal(REG(vttbr_el2) >> 48, 0);
        for (uint64_t at = 0; at < last; at += 1ull << 30)
            assert_true(translates(at));
        for (uint64_t at = IMAGE; at < IMAGE + STUB_SIZE; at += RV_PAGE_SIZE)
            assert_false(translates(at));
        assert_true(translates(IMAGE - 1));
        assert_true(translates(IMAGE + STUB_SIZE));
        assert_true(translates(last));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
        T(a_call_that_is_not_psci_goes_to_the_firmware_and_the_pc_steps),
        T(a_cpu_that_is_turned_off_parks_here_and_reads_as_off),
        T(a_parked_cpu_starts_at_el1_where_the_host_says),
        T(cpu_on_of_a_running_or_unknown_cpu_is_refused),
        T(a_second_cpu_on_is_pending),
        T(a_parked_cpu_that_is_taken_serves_its_channel),
        T(an_interrupt_of_the_host_goes_back_to_it_and_harms_no_guest),
        T(a_serving_cpu_that_is_returned_parks_and_can_start),
        T(a_cpu_that_is_returned_before_it_has_served_parks),
        T(a_full_ring_does_not_keep_a_cpu),
        T(only_a_cpu_in_the_right_state_changes_it),
        T(the_upper_halves_of_smc32_arguments_mean_nothing),
        T(a_suspend_wakes_up_in_the_stub_and_hides_that),
        T(no_call_has_firmware_start_the_hosts_code_at_el2),
        T(calls_of_the_hyp_stub_get_its_error),
        T(the_stub_leaves_a_cpu_with_its_registers_as_found),
        T(the_stub_does_not_leave_while_a_cpu_is_off),
        T(a_ring_neither_makes_a_vm_nor_maps_memory),
        T(what_names_another_vm_or_its_vcpus_harms_nobody),
        T(a_vm_kicks_only_its_cpus),
        T(lent_memory_is_mapped_as_asked),
        T(memory_of_the_stub_cannot_be_lent),
        T(a_vm_uses_up_its_own_tables_alone),
        T(a_vm_ends_when_its_cpus_have_left_it),
        T(only_vms_and_vcpus_that_there_are_can_be_had),
        T(a_cpu_that_waits_for_room_comes_back),
        T(a_process_takes_an_external_abort),
        T(the_kernel_takes_a_permission_fault),
        T(the_tlb_is_flushed_after_stage_2_is_on),
        T(what_else_traps_is_undefined),
        T(the_host_has_all_addresses_but_the_stubs),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
