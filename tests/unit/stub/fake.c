/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/stub/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHANNELS_SIZE (FAKE_CORES * sizeof(struct rv_channel))
#define VCPUS_SIZE    (FAKE_VCPUS * sizeof(struct rv_vcpu_page))
#define SHARED_SIZE   (CHANNELS_SIZE + VCPUS_SIZE)

struct fake fake;
struct fake_core *fake_core = &fake.core[0];
struct rv_vcpu_page *fake_pages;

/* What the linker script of the stub gives. */
char image_start[RV_PAGE_SIZE], image_text_end[1], image_rodata_end[1], image_end[1];

static uint8_t *shared; /* with a page that traps before it and behind it */
static uint8_t tables[FAKE_POOL][RV_PAGE_SIZE] __attribute__((aligned(65536)));
static jmp_buf asleep;
static uint64_t random_state;

static _Noreturn void fail(const char *what, uint64_t value)
{
    fprintf(stderr, "fake: %s 0x%llx\n", what, (unsigned long long)value);
    abort();
}

/* Registers with an effect; all others are memory. */

static uint64_t acknowledge(void)
{
    uint32_t intid = 1023;

    if (fake_core->nr_irqs) {
        intid = fake_core->irq[0];
        fake_core->nr_irqs--;
        memmove(fake_core->irq, fake_core->irq + 1, fake_core->nr_irqs * sizeof(intid));
    }
    if (intid < 32) {
        fake_core->gicr.active |= 1u << intid;
        fake_core->gicr.pending &= ~(1u << intid);
    }
    return intid;
}

static void deactivate(uint64_t intid)
{
    if (intid < 32)
        fake_core->gicr.active &= ~(1u << intid);
    if (fake.nr_deactivated < 16)
        fake.deactivated[fake.nr_deactivated++] = (uint32_t)intid;
}

/* ICC_SGI1R_EL1. The fake cores have the affinity 0.0.0.n. */
static void send_sgi(uint64_t value)
{
    if (value >> 16)
        fail("an SGI for no core", value);
    for (uint32_t i = 0; i < FAKE_CORES; i++)
        fake.core[i].kicks += (uint32_t)(value >> i & 1);
}

/* An access to a register that this CPU does not have is UNDEFINED, at EL2 too. */
static void must_exist(enum fake_register reg)
{
    uint64_t fgt = REG(id_aa64mmfr0_el1) >> 56 & 0xf;
    bool exists = true;

    switch (reg) {
#define X(name) case REG_##name:
        FAKE_PAUTH_REGISTERS(X) exists = (cpu.groups & RV_GROUP_PAUTH) != 0;
        break;
        FAKE_PMU_REGISTERS(X) exists = (cpu.groups & RV_GROUP_PMU) != 0;
        break;
        FAKE_SVE_REGISTERS(X) exists = (cpu.groups & RV_GROUP_SVE) != 0;
        break;
        FAKE_RAS_REGISTERS(X) exists = cpu.ras;
        break;
        FAKE_FGT_REGISTERS(X) exists = fgt >= 1;
        break;
        FAKE_FGT_AMU_REGISTERS(X) exists = fgt && REG(id_aa64pfr0_el1) >> 44 & 0xf;
        break;
        FAKE_MPAM_REGISTERS(X) exists = (REG(id_aa64pfr0_el1) >> 40 & 0xf) != 0;
        break;
    case REG_ich_vtr_el2: exists = REG(icc_sre_el2) & 1; break;
#undef X
    default: break;
    }
    if (!exists)
        fail("no such register", reg);
}

/* PMXEVCNTR_EL0, PMXEVTYPER_EL0: the counter that PMSELR_EL0 selects (Arm ARM D24.5). */
static uint64_t *selected(uint64_t *counters)
{
    uint64_t n = fake_core->reg[REG_pmselr_el0];

    if (fake_core->unsynchronized_pmu)
        fail("PMSELR_EL0 is not in effect yet", n);
    if (n >= fake.nr_counters)
        fail("no such counter", n);
    return &counters[n];
}

/* Where a register is kept: both views of the PMU's bits are one. */
static uint64_t *place(enum fake_register reg)
{
    switch (reg) {
    case REG_pmxevcntr_el0: return selected(fake_core->evcntr);
    case REG_pmxevtyper_el0: return selected(fake_core->evtyper);
    case REG_pmcntenclr_el0: return &fake_core->reg[REG_pmcntenset_el0];
    case REG_pmintenclr_el1: return &fake_core->reg[REG_pmintenset_el1];
    case REG_pmovsclr_el0: return &fake_core->reg[REG_pmovsset_el0];
    default: return &fake_core->reg[reg];
    }
}

#define PMCR_P        (1ull << 1)
#define PMCR_C        (1ull << 2)
#define PMCR_WRITABLE 0xf9ull /* E, D, X, DP, LC, LP */

static void write_pmcr(uint64_t value)
{
    if (value & PMCR_P)
        memset(fake_core->evcntr, 0, sizeof(fake_core->evcntr));
    if (value & PMCR_C)
        fake_core->reg[REG_pmccntr_el0] = 0;
    fake_core->reg[REG_pmcr_el0] = value & PMCR_WRITABLE;
}

/* ICH_ELRSR_EL2 and ICH_EISR_EL2: what the list registers are in, by the rules of IHI 0069, 12.4. */
static uint64_t list_registers(bool ended)
{
    uint64_t value = 0;

    if (fake_core->unsynchronized_lr)
        fail("the list registers are not in effect yet", ended);
    for (uint32_t n = 0; n < cpu.nr_lrs; n++) {
        uint64_t lr = *fake_lr(n);
        bool reports = !(lr & LR_STATES) && !(lr & LR_HW) && (lr & LR_EOI);

        if (ended ? reports : !(lr & LR_STATES) && !reports)
            value |= 1ull << n;
    }
    return value;
}

static void mmio_settle(void);
static void trace(char op);

uint64_t fake_read(enum fake_register reg)
{
    mmio_settle();
    must_exist(reg);
    if (fake.on_read)
        fake.on_read(reg);
    switch (reg) {
    case REG_icc_iar1_el1: return acknowledge();
    case REG_ich_elrsr_el2: return list_registers(false);
    case REG_ich_eisr_el2: return list_registers(true);
    case REG_pmcr_el0: return (fake_core->reg[reg] & PMCR_WRITABLE) | fake.nr_counters << 11;
    default: return *place(reg);
    }
}

void fake_write(enum fake_register reg, uint64_t value)
{
    uint64_t pmu_bits = ((1ull << fake.nr_counters) - 1) | 1ull << 31;

    mmio_settle();
    must_exist(reg);
    if (fake.on_write)
        fake.on_write(reg, value);
    switch (reg) {
    case REG_vttbr_el2: trace('V'); break;
    case REG_tcr_el1: trace('E'); break;
    default: break;
    }
    switch (reg) {
    case REG_icc_dir_el1: deactivate(value); break;
    case REG_icc_sgi1r_el1: send_sgi(value); break;
    case REG_pmcntenset_el0:
    case REG_pmintenset_el1:
    case REG_pmovsset_el0: *place(reg) |= value & pmu_bits; break;
    case REG_pmcntenclr_el0:
    case REG_pmintenclr_el1:
    case REG_pmovsclr_el0: *place(reg) &= ~value; break;
    case REG_pmcr_el0: write_pmcr(value); break;
    default: *place(reg) = value; break;
    }
    fake_core->unsynchronized_pmu |= reg == REG_pmselr_el0;
    fake_core->unsynchronized_lr |= reg >= REG_ich_lr0_el2 && reg <= REG_ich_lr15_el2;
    fake_core->unsynchronized_sve |= reg == REG_cptr_el2 || reg == REG_s3_4_c1_c2_0;
}

void fake_isb(void)
{
    mmio_settle();
    fake_core->unsynchronized_pmu = fake_core->unsynchronized_sve = false;
    fake_core->unsynchronized_lr = false;
}

/*
 * A device register is a word that the stub loads or stores. A store cannot be
 * seen when it happens, so it is looked at when the stub next does something that
 * can be: `was` tells what a load would have given.
 */
static struct {
    uint64_t pa;
    union {
        volatile uint32_t w;
        volatile uint64_t x;
        volatile uint8_t b;
    } value;
    uint64_t was;
    unsigned size; /* bytes */
} access;

static struct fake_gicr *gicr_of(uint64_t pa)
{
    return &fake.core[(pa - FAKE_GICR) / FAKE_GICR_STEP].gicr;
}

static bool is_gicr(uint64_t pa)
{
    return pa >= FAKE_GICR && pa < FAKE_GICR + FAKE_CORES * FAKE_GICR_STEP;
}

static uint64_t gicr_load(const struct fake_gicr *gicr, uint64_t reg)
{
    switch (reg) {
    case GICR_WAKER: return gicr->waker;
    case GICR_ISPENDR0: return gicr->pending;
    case GICR_ISACTIVER0: return gicr->active;
    case GICR_IGROUPR0: return gicr->group;
    default: return 0; /* of a register that sets or clears bits, the stub loads none */
    }
}

static void gicr_store(struct fake_gicr *gicr, uint64_t reg, uint32_t value)
{
    switch (reg) {
    case GICR_WAKER:
        gicr->waker = (value & GICR_WAKER_PROCESSOR_SLEEP) |
                      (gicr->sleepless ? GICR_WAKER_CHILDREN_ASLEEP : 0);
        break;
    case GICR_IGROUPR0: gicr->group = value; break;
    case GICR_ISENABLER0: gicr->enabled |= value; break;
    case GICR_ICENABLER0:
        gicr->enabled &= ~value;
        gicr->masking = 3;
        break;
    case GICR_ISACTIVER0:
        gicr->active |= value;
        gicr->active_is_due = true;
        break;
    case GICR_ICACTIVER0:
        if (gicr->masking)
            fail("deactivated before it is masked", value);
        gicr->active &= ~value;
        gicr->active_is_due = true;
        break;
    default:
        if (reg < GICR_IPRIORITYR0 || reg >= GICR_IPRIORITYR0 + 32)
            fail("store to GICR", reg);
        gicr->priority[(reg - GICR_IPRIORITYR0) / 4] = value;
        break;
    }
}

static uint64_t gicd_load(uint64_t reg)
{
    switch (reg) {
    case GICD_CTLR: return fake.gicd_ctlr;
    case GICD_IROUTER(FAKE_DOORBELL): return fake.gicd_router;
    default: return 0;
    }
}

static void gicd_store(uint64_t reg, uint64_t value, unsigned size)
{
    if (reg >= GICD_ICENABLER(0) && reg < GICD_ICENABLER(1024)) {
        fake.gicd_masked[(reg - GICD_ICENABLER(0)) / 4] |= (uint32_t)value;
        return;
    }
    if (reg >= GICD_ISPENDR(0) && reg < GICD_ISPENDR(1024)) {
        fake.gicd_pended[(reg - GICD_ISPENDR(0)) / 4] |= (uint32_t)value;
        return;
    }
    if (reg >= GICD_IROUTER(32) && reg < GICD_IROUTER(1020) && reg != GICD_IROUTER(FAKE_DOORBELL)) {
        fake.spi_router[(reg - GICD_IROUTER(0)) / 8] = value;
        return;
    }
    switch (reg) {
    case GICD_CTLR: fake.gicd_ctlr = (uint32_t)value; break;
    case GICD_IGROUPR(FAKE_DOORBELL): fake.gicd_group |= (uint32_t)value; break;
    case GICD_ISENABLER(FAKE_DOORBELL): fake.gicd_enable |= (uint32_t)value; break;
    case GICD_IPRIORITYR(FAKE_DOORBELL):
        if (size != 1)
            fail("the priority of other interrupts is overwritten", value);
        fake.gicd_priority = (uint8_t)value;
        break;
    case GICD_IROUTER(FAKE_DOORBELL): fake.gicd_router = value; break;
    default: fail("store to GICD", reg);
    }
}

static void mmio_settle(void)
{
    uint64_t pa = access.pa, value = access.value.x;

    access.pa = 0;
    if (!pa || value == access.was)
        return;
    if (is_gicr(pa))
        gicr_store(gicr_of(pa), (pa - FAKE_GICR) % FAKE_GICR_STEP, (uint32_t)value);
    else
        gicd_store(pa - FAKE_GICD, value, access.size);
}

static void mmio_begin(uint64_t pa, unsigned size)
{
    mmio_settle();
    access.size = size;
    if (is_gicr(pa))
        access.was = gicr_load(gicr_of(pa), (pa - FAKE_GICR) % FAKE_GICR_STEP);
    else if (pa >= FAKE_GICD && pa < FAKE_GICD + 0x10000)
        access.was = gicd_load(pa - FAKE_GICD);
    else
        fail("access to no device", pa);
    access.pa = pa;
    access.value.x = access.was;
}

volatile uint32_t *fake_mmio32(uint64_t pa)
{
    mmio_begin(pa, 4);
    return &access.value.w;
}

volatile uint8_t *fake_mmio8(uint64_t pa)
{
    mmio_begin(pa, 1);
    return &access.value.b;
}

/* A load by itself: what it waits for has happened then. */
uint32_t fake_load32(uint64_t pa)
{
    struct fake_gicr *gicr = is_gicr(pa) ? gicr_of(pa) : NULL;
    uint64_t reg = (pa - FAKE_GICR) % FAKE_GICR_STEP;

    mmio_settle();
    if (!gicr)
        return (uint32_t)gicd_load(pa - FAKE_GICD);
    if (reg == GICR_CTLR && gicr->masking) {
        gicr->masking--;
        return GICR_CTLR_RWP;
    }
    if (reg == GICR_ISACTIVER0 || reg == GICR_ICACTIVER0) {
        gicr->active_is_due = false;
        return gicr->active;
    }
    return (uint32_t)gicr_load(gicr, reg);
}

/* ISR_EL1.A: the vector's slot for an SError at EL2 is 7. */
void fake_take_serror(void)
{
    if (!(REG(isr_el1) >> 8 & 1))
        return;
    REG(isr_el1) &= ~(1ull << 8);
    panic(7, &pcpus[fake_core - fake.core]);
}

uint64_t fake_index(uint64_t index, uint64_t size)
{
    fake.clamps[size]++;
    return index < size ? index : 0;
}

volatile uint64_t *fake_mmio64(uint64_t pa)
{
    mmio_begin(pa, 8);
    return &access.value.x;
}

void fake_relax(void)
{
    fake.relaxes++;
    if (fake.on_relax)
        fake.on_relax();
}

void fake_sleep(void)
{
    fake.sleeps++;
    if (fake.on_sleep)
        fake.on_sleep();
    else
        longjmp(asleep, 1);
}

static void trace(char op)
{
    if (fake.traced == sizeof(fake.trace)) {
        memmove(fake.trace, fake.trace + 1, sizeof(fake.trace) - 1);
        fake.traced--;
    }
    fake.trace[fake.traced++] = op;
}

void fake_maintain(char op, uint64_t va)
{
    mmio_settle();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    trace(op);
    if (op == 'C' && fake.on_clean)
        fake.on_clean(va);
    fake.flushes_guests += op == 'T';
    fake.flushes_vcpu += op == 't';
}

void fake_translate(uint64_t va)
{
    fake.translated = va;
    REG(par_el1) = fake.par;
}

/* fp.S, boot.S, vectors.S */

void fp_save(uint64_t *v)
{
    for (unsigned n = 0; n < 32; n++)
        memcpy(&v[2 * n], fake_core->z[n], 16);
}

/* A write of V<n> makes the rest of Z<n> zero (Arm ARM B1.2.2). */
void fp_load(uint64_t *v)
{
    memset(fake_core->z, 0, sizeof(fake_core->z));
    for (unsigned n = 0; n < 32; n++)
        memcpy(fake_core->z[n], &v[2 * n], 16);
}

/* At EL2: the longest that there is and that ZCR_EL2.LEN allows. */
uint64_t sve_length(void)
{
    uint64_t length = (REG(s3_4_c1_c2_0) & 0xf) + 1;

    must_exist(REG_s3_4_c1_c2_0);
    if (fake_core->unsynchronized_sve || REG(cptr_el2) >> 8 & 1)
        fail("SVE is not enabled; CPTR_EL2", REG(cptr_el2));
    while (!(fake.sve_lengths >> (length - 1) & 1))
        length--;
    return 16 * length;
}

void sve_save(uint8_t *sve)
{
    size_t length = sve_length();

    for (unsigned n = 0; n < 32; n++)
        memcpy(sve + n * length, fake_core->z[n], length);
    for (unsigned n = 0; n < 17; n++)
        memcpy(sve + 32 * length + n * length / 8, fake_core->p[n], length / 8);
}

void sve_load(uint8_t *sve)
{
    size_t length = sve_length();

    memset(fake_core->z, 0, sizeof(fake_core->z));
    for (unsigned n = 0; n < 32; n++)
        memcpy(fake_core->z[n], sve + n * length, length);
    for (unsigned n = 0; n < 17; n++)
        memcpy(fake_core->p[n], sve + 32 * length + n * length / 8, length / 8);
}

void mmu_on(void)
{
    if (fake.on_mmu_on)
        fake.on_mmu_on();
}

void stub_secondary(void)
{
}

_Noreturn void guest_start(struct pcpu *pcpu)
{
    fail("guest_start on core", pcpu->index);
}

/* platform/ */

/* The CPU comes up, and goes to sleep, before this one goes on. */
int platform_cpu_on(uint64_t mpidr, uint64_t entry, uint64_t context)
{
    (void)entry;
    if (mpidr >= FAKE_CORES)
        return -2;
    fake_use((uint32_t)mpidr);
    fake_run((struct pcpu *)context, pcpu_main);
    fake_use(0);
    return 0;
}

void platform_doorbell_init(void)
{
}

void platform_doorbell_ring(void)
{
    fake.doorbells++;
}

uint64_t platform_doorbell_kicks(void)
{
    uint64_t kicks = fake.doorbell_kicks;

    fake.doorbell_kicks = 0;
    return kicks;
}

void platform_memory_changed(uint64_t start, uint64_t size)
{
    if (!range_inside(start, size, boot.mem_base + boot.ram_offset, boot.ram_size))
        fail("FLUSH outside of the RAM", start);
    fake.changes++;
    fake.changed_start = start;
    fake.changed_size = size;
}

/* The machine. */

static void map_shared(void)
{
    uint8_t *space =
        mmap(NULL, SHARED_SIZE + 2 * RV_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (space == MAP_FAILED ||
        mprotect(space + RV_PAGE_SIZE, SHARED_SIZE, PROT_READ | PROT_WRITE) != 0)
        fail("no memory", SHARED_SIZE);
    shared = space + RV_PAGE_SIZE;
    fake_pages = (struct rv_vcpu_page *)(shared + CHANNELS_SIZE);
}

uint64_t fake_features;

static void boot_as(uint32_t nr_lrs)
{
    memset(&boot, 0, sizeof(boot));
    boot.features = fake_features;
    boot.mem_base = (uint64_t)shared;
    boot.nr_pcpus = FAKE_CORES;
    boot.nr_vcpus = FAKE_VCPUS;
    boot.channels_offset = 0;
    boot.vcpus_offset = CHANNELS_SIZE;
    /* Only an address: nothing of the stub touches the guest's RAM. 1 GiB aligned, for blocks. */
    boot.ram_offset = ((boot.mem_base + SHARED_SIZE) / FAKE_GB + 1) * FAKE_GB - boot.mem_base;
    boot.ram_size = RV_MAX_VMS * FAKE_GB;
    boot.mem_size = boot.ram_offset + boot.ram_size;
    boot.poll_limit = 4;
    boot.gicd_base = FAKE_GICD;
    boot.maintenance_intid = FAKE_MAINTENANCE;
    boot.doorbell_intid = FAKE_DOORBELL;
    memset(&cpu, 0, sizeof(cpu));
    cpu.groups = RV_GROUPS_ALL;
    cpu.ras = true;
    cpu.nr_breakpoints = 16;
    cpu.nr_watchpoints = 16;
    cpu.nr_lrs = nr_lrs;
    for (uint32_t i = 0; i < FAKE_CORES; i++) {
        boot.pcpu[i].mpidr = i;
        boot.pcpu[i].gicr_base = FAKE_GICR + i * FAKE_GICR_STEP;
        pcpus[i].index = i;
        pcpus[i].poll_limit = boot.poll_limit;
        pcpus[i].channel = (struct rv_channel *)shared + i;
        pcpus[i].stack_top = &stacks[i].top;
        boot.pcpu[i].kick = 1u << i;
        fake.core[i].reg[REG_id_aa64pfr0_el1] = 0x22;    /* AArch32 at EL0 and EL1 */
        fake.core[i].reg[REG_ctr_el0] = FAKE_LINE << 16; /* DminLine */
        fake.core[i].reg[REG_icc_sre_el2] = 7;
        fake.core[i].gicr.enabled = 1u | 1u << FAKE_MAINTENANCE;
        fake_use(i);
        world_init_cpu();
    }
}

void fake_reset(uint32_t nr_lrs)
{
    if (!shared)
        map_shared();
    access.pa = 0;
    memset(shared, 0, SHARED_SIZE);
    memset(&fake, 0, sizeof(fake));
    memset(pcpus, 0, sizeof(pcpus));
    memset(vcpus, 0, sizeof(vcpus));
    memset(vms, 0, sizeof(vms));
    fake.nr_counters = FAKE_COUNTERS;
    fake.sve_lengths = FAKE_SVE_LENGTHS;
    boot_as(nr_lrs);
    pgtable_next = (uint64_t)tables;
    fake_pool(FAKE_POOL);
    fake_use(0);
    fake_seed(1);
}

struct pcpu *fake_use(uint32_t core)
{
    mmio_settle();
    fake_core = &fake.core[core];
    return &pcpus[core];
}

uint64_t *fake_lr(uint32_t n)
{
    return &fake_core->reg[REG_ich_lr0_el2 + n];
}

void fake_pool(uint32_t nr_tables)
{
    uint64_t left = (uint64_t)tables + sizeof(tables) - pgtable_next;
    uint64_t size = nr_tables * RV_PAGE_SIZE < left ? nr_tables * RV_PAGE_SIZE : left;

    memset((void *)pgtable_next, 0xff, size); /* what is handed out must be cleared */
    pgtable_end = pgtable_next + size;
}

bool fake_run(struct pcpu *pcpu, void (*call)(struct pcpu *pcpu))
{
    volatile bool returned = false;
    jmp_buf caller; /* another core may be asleep below */

    memcpy(caller, asleep, sizeof(caller));
    if (setjmp(asleep) == 0) {
        call(pcpu);
        returned = true;
    }
    memcpy(asleep, caller, sizeof(caller));
    mmio_settle();
    return returned;
}

bool fake_serve(struct pcpu *pcpu)
{
    return fake_run(pcpu, exit_serve);
}

/* The vmm's positions, which the stub must agree with. */

void fake_command(struct pcpu *pcpu, const struct rv_command *command)
{
    struct rv_channel *channel = pcpu->channel;
    uint32_t head = channel->command_head.v;
    struct rv_command *entry = &channel->command[head % RV_COMMAND_ENTRIES];

    if (rv_ring_space(head, channel->command_tail.v, RV_COMMAND_ENTRIES) <= 0)
        fail("no room in the command ring at", head);
    *entry = *command;
    rv_ring_publish(&entry->seq, head);
    channel->command_head.v = head + 1;
}

bool fake_event(struct pcpu *pcpu, struct rv_event *event)
{
    struct rv_channel *channel = pcpu->channel;
    uint32_t tail = channel->event_tail.v;

    if (!rv_ring_ready(&channel->event[tail % RV_EVENT_ENTRIES].seq, tail))
        return false;
    *event = channel->event[tail % RV_EVENT_ENTRIES];
    rv_store_release(&channel->event_tail.v, tail + 1);
    return true;
}

struct rv_event fake_do(struct pcpu *pcpu, struct rv_command command)
{
    struct rv_event event = {0}, more;

    fake_command(pcpu, &command);
    fake_serve(pcpu);
    if (fake_event(pcpu, &event) && fake_event(pcpu, &more))
        fail("more than one event; the second is", more.type);
    return event;
}

struct rv_event fake_ok(struct pcpu *pcpu, struct rv_command command)
{
    struct rv_event event;

    command.flags |= RV_COMMAND_FLAG_ACK;
    command.tag = (uint32_t)fake_random();
    event = fake_do(pcpu, command);
    if (event.type != RV_EVENT_ACK || event.esr != command.tag || event.ipa != RV_STATUS_OK) {
        fprintf(stderr, "fake: command %u: event %u, value 0x%llx, ipa 0x%llx\n", command.op,
                event.type, (unsigned long long)event.value, (unsigned long long)event.ipa);
        abort();
    }
    return event;
}

void fake_create_vm(uint16_t vm)
{
    fake_ok(&pcpus[fake_core - fake.core], (struct rv_command){
                                               .op = RV_COMMAND_VM_CREATE,
                                               .vm = vm,
                                               .vcpu = RV_NO_VCPU,
                                               .arg = {boot.ram_offset + vm * FAKE_GB, FAKE_GB},
                                           });
}

void fake_create_vcpu(uint16_t vcpu, uint16_t vm)
{
    fake_ok(&pcpus[fake_core - fake.core], (struct rv_command){
                                               .op = RV_COMMAND_VCPU_CREATE,
                                               .vm = vm,
                                               .vcpu = vcpu,
                                               .arg = {rv_boot_kick(vcpu)},
                                           });
    fake_pages[vcpu].pstate = PSTATE_EL1h | PSTATE_DAIF;
    fake_pages[vcpu].pc = 0x40000000;
    fake_pages[vcpu].el1.vmpidr_el2 = 0x80000000u + vcpu;
    fake_pages[vcpu].el1.vpidr_el2 = 0x410fd000u;
}

uint64_t fake_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

void fake_seed(uint64_t seed)
{
    random_state = seed * 0x9e3779b97f4a7c15ull | 1;
}
