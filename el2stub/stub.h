/* SPDX-License-Identifier: BSD-2-Clause */
/* The stub's own state, all of it in stub-private memory, and its parts' functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "el2stub/registers.h"
#include "proto/arm/el2.h"
#include "proto/arm/esr.h"
#include "proto/arm/gic.h"
#include "proto/boot.h"
#include "proto/ring.h"
#include "proto/vcpu.h"

/* clang-format off */
#define EACH_OF_16(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
/* clang-format on */

/* What a function that may refuse returns besides 0 and RV_REFUSED_*, which are positive. */
#define NO_ROOM (-1) /* no table page is left; nothing has changed */

/* A field of an ID register. */
#define ID_FIELD(reg, shift) ((reg) >> (shift)&0xf)

/*
 * The guests' stage 2: bits of IPA, the level of the root table, and its size. It is several
 * concatenated tables (Arm ARM D8.2.5): two of level 1, or 16 of level 2.
 */
#define SMALL_IPA    (boot.features & RV_FEATURE_SMALL_IPA)
#define IPA_BITS     (SMALL_IPA ? RV_IPA_SMALL : RV_IPA_BITS)
#define STAGE2_FIRST (SMALL_IPA ? 2u : 1u)
#define STAGE2_ROOT  (SMALL_IPA ? 0x10000ull : 0x2000ull)

/* What the guest calls physical. A plain uint64_t is a physical address or an offset. */
typedef struct {
    uint64_t v;
} ipa_t;

struct vm {
    bool exists;
    bool stopped;        /* an illegal command named it: none of its vCPUs runs again */
    uint64_t ram_offset; /* all memory that this VM may ever have mapped */
    uint64_t ram_size;
    uint64_t *root; /* stage 2, of level STAGE2_FIRST */
    uint64_t vttbr; /* VTTBR_EL2 while this VM runs */
};

struct vcpu {
    struct vm *vm;                 /* NULL: does not exist */
    struct rv_vcpu_page *page;     /* shared: the vmm may write it at any time */
    struct pcpu *pcpu;             /* where its registers are live; NULL: in the page */
    uint64_t direct[RV_NR_DIRECT]; /* what goes into a list register; not pending: not enabled */
    uint64_t affinity;             /* ICC_SGI1R_EL1 that is for it alone */
    uint32_t sgis;                 /* sgi.c */
    bool overflowed;               /* interrupts wait for a list register: new ones go to the vmm */
};

/* Neighbours share no cache line, nor a pair of lines that is fetched together. */
struct pcpu {
    struct stack_top *stack_top;
    uint32_t index;
    struct rv_channel *channel; /* shared */
    uint32_t command_tail;
    uint32_t event_head;
    uint32_t event_tail; /* last value seen of the vmm's */
    uint32_t poll_limit; /* adapts between boot.poll_limit / 16 and boot.poll_limit */
    uint32_t ppis;       /* bit n: PPI n was acknowledged, and lr_take_ppis() has not seen it */
    struct vcpu *vcpu;   /* whose registers are live in this core */
    bool blocked;        /* the guest waits for a reply */
    bool waits;          /* the guest waits for an interrupt */
    bool locks;          /* it has the lock of command.c */
    bool panicked;
    bool ring_broken; /* the vmm wrote an impossible index */
} __attribute__((aligned(128)));

/* What the features of this CPU ask for: which registers exist. */
struct cpu_features {
    uint32_t groups; /* RV_GROUP_* */
    bool ras;
    uint32_t nr_breakpoints;
    uint32_t nr_watchpoints;
    uint32_t nr_lrs; /* 0 until the boot CPU has started */
};

/* The end of each core's stack: where vectors.S finds what it needs. */
struct stack_top {
    uint64_t *gpr; /* x0-x30 of the current vCPU, in its page */
    struct pcpu *pcpu;
};

struct stack {
    uint8_t space[RV_PAGE_SIZE - sizeof(struct stack_top)];
    struct stack_top top;
};

extern struct rv_boot_page boot; /* the stub's checked copy */
extern uint64_t boot_page_address;
extern char image_start[], image_text_end[], image_rodata_end[], image_end[]; /* linker script */
extern struct cpu_features cpu;
extern struct pcpu pcpus[RV_MAX_PCPUS];
extern struct vcpu vcpus[RV_MAX_VCPUS];
extern struct vm vms[RV_MAX_VMS + 1]; /* the last: nobody, for commands that name none */
extern struct stack stacks[RV_MAX_PCPUS];

/* mmu_on.S, boot.S */
void mmu_on(void);
void stub_secondary(void);

/* main.c: entered from boot.S and vectors.S. */
_Noreturn void boot_main(const struct rv_stub_header *header);
_Noreturn void pcpu_main(struct pcpu *pcpu);
void find_features(void);
_Noreturn void panic(uint64_t slot, struct pcpu *pcpu);

/* vectors.S */
_Noreturn void guest_start(struct pcpu *pcpu);

/* exit.c: the handlers of vectors.S, and what they share with commands. */
void exit_sync(struct pcpu *pcpu);
void exit_irq(struct pcpu *pcpu);
void exit_serror(struct pcpu *pcpu);
void exit_serve(struct pcpu *pcpu);
void exit_advance(void);

/* message.c */
struct rv_event *event_begin(struct pcpu *pcpu, uint8_t type);
void event_publish(struct pcpu *pcpu, struct rv_event *event);
bool event_has_room(struct pcpu *pcpu);
void event_send(struct pcpu *pcpu, uint8_t type, uint32_t tag, uint64_t detail, uint64_t value);
bool command_ready(const struct pcpu *pcpu);
void command_take(struct pcpu *pcpu, struct rv_command *command);
void command_wait(struct pcpu *pcpu);

/* command.c */
bool command_serve(struct pcpu *pcpu);
void command_execute(struct pcpu *pcpu, const struct rv_command *command);
void command_abandon(struct pcpu *pcpu);
void command_refuse(struct pcpu *pcpu, uint32_t tag, uint8_t op, int reason, struct vm *vm);

/* world.c */
void world_init_cpu(void);
void world_save(struct vcpu *vcpu, uint32_t groups);
int world_load(struct vcpu *vcpu, uint32_t groups);
int world_enter(struct pcpu *pcpu, struct vcpu *vcpu);
void world_leave(struct pcpu *pcpu);

/* fp.S */
void fp_save(uint64_t *v);
void fp_load(uint64_t *v);
void sve_save(uint8_t *sve);
void sve_load(uint8_t *sve);
uint64_t sve_length(void);

/* stage2.c */
int stage2_create(struct vm *vm, unsigned index, uint64_t offset, uint64_t size);
int stage2_map(struct vm *vm, ipa_t ipa, uint64_t offset, uint64_t size, uint64_t prot);
int stage2_protect(struct vm *vm, ipa_t ipa, uint64_t size, uint64_t prot);
uint64_t stage2_attributes(uint64_t prot);
bool range_inside(uint64_t start, uint64_t size, uint64_t base, uint64_t limit);

/* mmu.c: the stub's own stage 1. */
int mmu_build(void);

/* pgtable.c: 4 KiB granule tables whose first level has entries of 1 GiB, or of 2 MiB. */
extern uint64_t pgtable_next, pgtable_end; /* table pages that were not used yet */
uint64_t *pgtable_alloc(uint64_t size);
int pgtable_map(uint64_t *root, unsigned first, uint64_t in, uint64_t out, uint64_t size,
                uint64_t attr, bool pages_only, uint32_t steps);
int pgtable_protect(uint64_t *root, unsigned first, uint64_t in, uint64_t size, uint64_t attr);

/* cache.c */
void cache_clean(uint64_t start, uint64_t size);
void cache_code_changed(uint64_t start, uint64_t size);

/* gic.c: the physical side. A register of a core's own redistributor: */
#define GICR(core, reg) mmio32(boot.pcpu[(core)->index].gicr_base + (reg))

int gic_init(void);
int gic_init_cpu(struct pcpu *pcpu);
void gic_irq(struct pcpu *pcpu);
void gic_kick(uint64_t mask);
void gic_write_ppis(struct pcpu *pcpu, uint64_t reg, uint32_t ppis);

/* lr.c: list registers, the virtual side. */
void lr_inject(struct pcpu *pcpu, uint64_t lr);
uint32_t lr_retract(uint32_t vintid, uint32_t states);
void lr_take_ppis(struct pcpu *pcpu);
bool lr_pending(void);
void lr_load_direct(struct vcpu *vcpu);
void lr_mask_direct(struct vcpu *vcpu);
void lr_save(struct vcpu *vcpu);
int lr_load(struct vcpu *vcpu);

/* sgi.c */
bool sgi_send(struct pcpu *pcpu, uint64_t value, uint64_t *reached);
void sgi_accept(struct vcpu *vcpu, uint32_t sgis);
bool sgi_take(struct pcpu *pcpu);

/* platform/: firmware, doorbell, and what memory written from outside needs. */
int platform_cpu_on(uint64_t mpidr, uint64_t entry, uint64_t context);
void platform_doorbell_init(void);
void platform_doorbell_ring(void);
uint64_t platform_doorbell_kicks(void);
void platform_memory_changed(uint64_t start, uint64_t size);
