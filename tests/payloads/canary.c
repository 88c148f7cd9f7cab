/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A canary in every register that a world switch has to move. Four CPUs that share
 * fewer pCPUs each keep values of their own in all registers that EL1 can read, and
 * look at all of them whenever they come back: first a token goes round, so that each
 * pass is one switch, by WFI; then all compute, and the time slice switches.
 */
#include "tests/payloads/gicv3.h"

#define CPUS    4u
#define LAPS    25000u      /* of the token: four switches each */
#define TIME_US 40000000ull /* when these take longer than that, it is fewer, but no fewer than */
#define LEAST   250u
#define REFRESH 64u /* laps between new values */
#define SPINS   20u /* of each CPU at the end */
#define SPIN    1000000u
#define SGI     1u

#define GICR_STRIDE 0x20000ull
#define VECTORS     0x800u

/*
 * x0-x30, SP and the flags around one instruction. void canary_<name>(x0 = struct gpr *):
 * loads all of it, runs the code, which may change x0, and stores all of it.
 */
struct gpr {
    uint64_t x[31]; /* 0x000 */
    uint64_t nzcv;  /* 0x0f8 */
    uint64_t sp[2]; /* 0x100 before and after */
};

#define PAIRS_UP(op, base)                                                                   \
    op " x2, x3, [" base ", #16]\n\t" op " x4, x5, [" base ", #32]\n\t" op " x6, x7, [" base \
       ", #48]\n\t" op " x8, x9, [" base ", #64]\n\t" op " x10, x11, [" base ", #80]\n\t" op \
       " x12, x13, [" base ", #96]\n\t" op " x14, x15, [" base ", #112]\n\t" op              \
       " x16, x17, [" base ", #128]\n\t" op " x18, x19, [" base ", #144]\n\t" op             \
       " x20, x21, [" base ", #160]\n\t" op " x22, x23, [" base ", #176]\n\t" op             \
       " x24, x25, [" base ", #192]\n\t" op " x26, x27, [" base ", #208]\n\t" op             \
       " x28, x29, [" base ", #224]\n\t"

#define GPR_CANARY(name, code)                                                                     \
    __asm__(".text\ncanary_" #name ":\n\t"                                                         \
            "stp x29, x30, [sp, #-112]!\n\tstp x19, x20, [sp, #16]\n\tstp x21, x22, [sp, #32]\n\t" \
            "stp x23, x24, [sp, #48]\n\tstp x25, x26, [sp, #64]\n\tstp x27, x28, [sp, #80]\n\t"    \
            "str x0, [sp, #96]\n\tmov x1, sp\n\tstr x1, [x0, #0x100]\n\t"                          \
            "ldr x1, [x0, #0xf8]\n\tmsr nzcv, x1\n\tldr x30, [x0, #240]\n\t" PAIRS_UP(             \
                "ldp",                                                                             \
                "x0") "ldp x0, x1, [x0]\n\t" code                                                  \
                      "\n\tstp x0, x1, [sp, #-16]!\n\tldr x0, [sp, #112]\n\t" PAIRS_UP(            \
                          "stp",                                                                   \
                          "x0") "str x30, [x0, #240]\n\tmrs x1, nzcv\n\tstr x1, [x0, #0xf8]\n\t"   \
                                "ldp x1, x2, [sp], #16\n\tstp x1, x2, [x0]\n\tmov x1, sp\n\tstr "  \
                                "x1, [x0, #0x108]\n\t"                                             \
                                "ldp x27, x28, [sp, #80]\n\tldp x25, x26, [sp, #64]\n\tldp x23, "  \
                                "x24, [sp, #48]\n\t"                                               \
                                "ldp x21, x22, [sp, #32]\n\tldp x19, x20, [sp, #16]\n\tldp x29, "  \
                                "x30, [sp], #112\n\t"                                              \
                                "ret\n");                                                          \
    void canary_##name(struct gpr *gpr);

GPR_CANARY(wfi, "wfi")
GPR_CANARY(spin, "1: sub x0, x0, #1\n\tcbnz x0, 1b") /* x0 ends as 0 */

/* Vectors: all of Z, P and FFR with SVE, and else V. They stay in the CPU: C here uses none. */
#define ALL_OF(insn)                                                                             \
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, " \
    "23, 24, 25, 26, 27, 28, 29, 30, 31\n\t" insn "\n\t.endr\n\t"
#define ALL_P(insn) \
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n\t" insn "\n\t.endr\n\t"
__asm__(
    ".arch_extension fp\n.arch_extension simd\n.arch_extension sve\n.text\n"
    "v_load: " ALL_OF(
        "ldr q\\n, [x0, #16 * \\n]") "ret\n"
                                     "v_store: " ALL_OF(
                                         "str q\\n, [x0, #16 * \\n]") "ret\n"
                                                                      /* FFR is reached through a predicate, so it is loaded before and stored after them. */
                                                                      "sve_load: ldr p0, [x1, #16, "
                                                                      "mul vl]\n\twrffr "
                                                                      "p0.b\n\t" ALL_OF("ldr z\\n, "
                                                                                        "[x0, "
                                                                                        "#\\n, mul "
                                                                                        "vl]")
                                                                          ALL_P(
                                                                              "ldr p\\n, [x1, "
                                                                              "#\\n, "
                                                                              "mul vl]") "ret\n"
                                                                                         "sve_"
                                                                                         "store:"
                                                                                         " " ALL_OF(
                                                                                             "str "
                                                                                             "z\\n,"
                                                                                             " "
                                                                                             "[x0, "
                                                                                             "#\\n,"
                                                                                             " "
                                                                                             "mul "
                                                                                             "vl]")
                                                                                             ALL_P(
                                                                                                 "s"
                                                                                                 "t"
                                                                                                 "r"
                                                                                                 " "
                                                                                                 "p"
                                                                                                 "\\n,"
                                                                                                 " "
                                                                                                 "["
                                                                                                 "x"
                                                                                                 "1"
                                                                                                 ","
                                                                                                 " "
                                                                                                 "#"
                                                                                                 "\\n, "
                                                                                                 "m"
                                                                                                 "u"
                                                                                                 "l"
                                                                                                 " "
                                                                                                 "v"
                                                                                                 "l"
                                                                                                 "]") "rdffr p0.b\n\tstr p0, [x1, #16, mul vl]\n\tldr p0, [x1]\n\tret\n"
                                                                                                      "sve_length: rdvl x0, #1\n\tret\n"
                                                                                                      ".arch_extension nosve\n.arch_extension nosimd\n.arch_extension nofp\n");
void v_load(const uint64_t *v);
void v_store(uint64_t *v);
void sve_load(const uint64_t *z, const uint64_t *p);
void sve_store(uint64_t *z, uint64_t *p);
uint64_t sve_length(void);

/* A set of vectors for each CPU, which differ in VBAR_EL1 only; and where CPU_ON starts. */
__asm__(".text\n.balign 0x2000\n.global canary_vectors\ncanary_vectors:\n"
        ".rept 64\n\t.balign 0x80\n\tb canary_fault\n.endr\n"
        "canary_fault: ldr x0, =stack_top\n\tmov sp, x0\n\tbl canary_exception\n"
        "canary_start: msr spsel, #1\n\tmsr daifset, #0xf\n\tldr x1, =stacks + 0x4000\n\t"
        "add x1, x1, x0, lsl #14\n\tmov sp, x1\n\tbl canary_main\n");
extern char canary_vectors[], canary_start[];
void canary_main(uint64_t cpu) __attribute__((noreturn));
void canary_exception(void) __attribute__((noreturn));
uint8_t stacks[CPUS][0x4000] __attribute__((aligned(16)));

/*
 * The system registers. A value is `fixed` with `mask` filled with what no other CPU
 * has; what is read back after the write, of the bits in `seen`, must stay.
 */
struct reg {
    const char *name;
    uint64_t (*read)(void);
    void (*write)(uint64_t value);
    uint64_t mask, fixed, seen;
    enum need { ALWAYS, PAUTH, SVE, RAS, PMU, BRP, WRP, EVENT } need;
    unsigned n; /* BRP, WRP, EVENT: there are more than this */
};

#define ALL ~0ull
#define W32 0xffffffffull
/* clang-format off */
#define EACH_OF_16(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define SIMPLE(X) \
    X(sp_el0, sp_el0, ALL, 0, ALL, ALWAYS) X(elr_el1, elr_el1, ALL, 0, ALL, ALWAYS) \
    X(spsr_el1, spsr_el1, 0xf00003c0ull, 5, ALL, ALWAYS) \
    X(sctlr_el1, sctlr_el1, 1u << 14 | 1u << 15 | 1u << 26, 0x30d00980ull, ALL, ALWAYS) \
    X(cpacr_el1, cpacr_el1, 1u << 28, 0x330000, ALL, ALWAYS) \
    X(ttbr0_el1, ttbr0_el1, 0xffff0000fffff000ull, 0, ALL, ALWAYS) \
    X(ttbr1_el1, ttbr1_el1, 0xffff0000fffff000ull, 0, ALL, ALWAYS) \
    X(tcr_el1, tcr_el1, 0x3f3f3full, 0, ALL, ALWAYS) X(esr_el1, esr_el1, W32, 0, ALL, ALWAYS) \
    X(far_el1, far_el1, ALL, 0, ALL, ALWAYS) X(afsr0_el1, afsr0_el1, W32, 0, ALL, ALWAYS) \
    X(afsr1_el1, afsr1_el1, W32, 0, ALL, ALWAYS) X(mair_el1, mair_el1, ALL, 0, ALL, ALWAYS) \
    X(amair_el1, amair_el1, ALL, 0, ALL, ALWAYS) \
    X(vbar_el1, vbar_el1, 3 * VECTORS, (uint64_t)canary_vectors, ALL, ALWAYS) \
    X(contextidr_el1, contextidr_el1, W32, 0, ALL, ALWAYS) \
    X(tpidr_el0, tpidr_el0, ALL, 0, ALL, ALWAYS) X(tpidrro_el0, tpidrro_el0, ALL, 0, ALL, ALWAYS) \
    X(tpidr_el1, tpidr_el1, ALL, 0, ALL, ALWAYS) X(par_el1, par_el1, ALL, 0, ALL, ALWAYS) \
    X(csselr_el1, csselr_el1, 0xe, 0, ALL, ALWAYS) X(disr_el1, s3_0_c12_c1_1, W32, 0, ALL, RAS) \
    X(zcr_el1, s3_0_c1_c2_0, 0xc, 3, ALL, SVE) \
    X(apiakeylo, s3_0_c2_c1_0, ALL, 0, ALL, PAUTH) X(apiakeyhi, s3_0_c2_c1_1, ALL, 0, ALL, PAUTH) \
    X(apibkeylo, s3_0_c2_c1_2, ALL, 0, ALL, PAUTH) X(apibkeyhi, s3_0_c2_c1_3, ALL, 0, ALL, PAUTH) \
    X(apdakeylo, s3_0_c2_c2_0, ALL, 0, ALL, PAUTH) X(apdakeyhi, s3_0_c2_c2_1, ALL, 0, ALL, PAUTH) \
    X(apdbkeylo, s3_0_c2_c2_2, ALL, 0, ALL, PAUTH) X(apdbkeyhi, s3_0_c2_c2_3, ALL, 0, ALL, PAUTH) \
    X(apgakeylo, s3_0_c2_c3_0, ALL, 0, ALL, PAUTH) X(apgakeyhi, s3_0_c2_c3_1, ALL, 0, ALL, PAUTH) \
    X(cntv_cval, cntv_cval_el0, ALL, 0, ALL, ALWAYS) X(cntp_cval, cntp_cval_el0, ALL, 0, ALL, ALWAYS) \
    X(cntv_ctl, cntv_ctl_el0, 1, 2, 3, ALWAYS) X(cntp_ctl, cntp_ctl_el0, 1, 2, 3, ALWAYS) \
    X(cntkctl, cntkctl_el1, 0x3ff, 0, ALL, ALWAYS) \
    X(mdscr_el1, mdscr_el1, 1u << 12 | 1u << 15, 0, ALL, ALWAYS) \
    X(mdccint_el1, mdccint_el1, 3u << 29, 0, ALL, ALWAYS) \
    X(icc_pmr, s3_0_c4_c6_0, 0x18, 0xe0, ALL, ALWAYS) X(icc_bpr0, s3_0_c12_c8_3, 3, 4, ALL, ALWAYS) \
    X(icc_bpr1, s3_0_c12_c12_3, 3, 4, ALL, ALWAYS) X(icc_igrpen0, s3_0_c12_c12_6, 1, 0, ALL, ALWAYS) \
    X(icc_ap0r0, s3_0_c12_c8_4, 0xf0000000u, 0, ALL, ALWAYS) \
    X(icc_ap1r0, s3_0_c12_c9_0, 0xf0000000u, 0, ALL, ALWAYS) \
    X(pmcr, pmcr_el0, 1u << 3 | 1u << 5, 1u << 6, 0xff, PMU) X(pmccntr, pmccntr_el0, ALL, 0, ALL, PMU) \
    X(pmccfiltr, pmccfiltr_el0, 0xfull << 28, 0, ALL, PMU) X(pmuserenr, pmuserenr_el0, 0xf, 0, ALL, PMU) \
    X(pmselr, pmselr_el0, 3, 0, ALL, PMU) X(fpcr, s3_3_c4_c4_0, 0x7c00000, 0, ALL, ALWAYS) \
    X(fpsr, s3_3_c4_c4_1, 0x9f, 0, ALL, ALWAYS)
/* What is set by one register and cleared by another. */
#define SETTERS(X) \
    X(pmcnten, pmcntenset_el0, pmcntenclr_el0, 0x8000000full) \
    X(pminten, pmintenset_el1, pmintenclr_el1, 0x8000000full) \
    X(pmovs, pmovsset_el0, pmovsclr_el0, 0x8000000full)
#define EVENTS(X) \
    X(0, c8_0, c12_0) X(1, c8_1, c12_1) X(2, c8_2, c12_2) X(3, c8_3, c12_3) X(4, c8_4, c12_4) \
    X(5, c8_5, c12_5) X(6, c8_6, c12_6) X(7, c8_7, c12_7) X(8, c9_0, c13_0) X(9, c9_1, c13_1)
/* clang-format on */

#define ACCESS(name, reg)                \
    static uint64_t read_##name(void)    \
    {                                    \
        return READ_SYSREG(reg);         \
    }                                    \
    static void write_##name(uint64_t v) \
    {                                    \
        WRITE_SYSREG(reg, v);            \
    }
#define ACCESS_SIMPLE(name, reg, mask, fixed, seen, need) ACCESS(name, reg)
#define ACCESS_SETTER(name, set, clear, mask) \
    static uint64_t read_##name(void)         \
    {                                         \
        return READ_SYSREG(set);              \
    }                                         \
    static void write_##name(uint64_t v)      \
    {                                         \
        WRITE_SYSREG(clear, W32);             \
        WRITE_SYSREG(set, v);                 \
    }
#define ACCESS_EVENT(n, counter, type)      \
    ACCESS(pmevcntr##n, s3_3_c14_##counter) \
    ACCESS(pmevtyper##n, s3_3_c14_##type)
#define ACCESS_DEBUG(n)                \
    ACCESS(dbgbvr##n, dbgbvr##n##_el1) \
    ACCESS(dbgbcr##n, dbgbcr##n##_el1) \
    ACCESS(dbgwvr##n, dbgwvr##n##_el1) \
    ACCESS(dbgwcr##n, dbgwcr##n##_el1)
SIMPLE(ACCESS_SIMPLE)
SETTERS(ACCESS_SETTER)
EVENTS(ACCESS_EVENT)
EACH_OF_16(ACCESS_DEBUG)

#define ROW(name, mask, fixed, seen, need, n) \
    {#name, read_##name, write_##name, mask, fixed, seen, need, n},
#define ROW_SIMPLE(name, reg, mask, fixed, seen, need) ROW(name, mask, fixed, seen, need, 0)
#define ROW_SETTER(name, set, clear, mask)             ROW(name, mask, 0, ALL, PMU, 0)
#define ROW_EVENT(n, counter, type)         \
    ROW(pmevcntr##n, W32, 0, ALL, EVENT, n) \
    ROW(pmevtyper##n, 0xf00003ffull, 0, ALL, EVENT, n)
/* Disabled: bit 0 of the controls is 0. The addresses are canonical. */
#define ROW_DEBUG(n)                                      \
    ROW(dbgbvr##n, 0x0000fffffffffffcull, 0, ALL, BRP, n) \
    ROW(dbgbcr##n, 0x6, 0x1e0, ALL, BRP, n)               \
    ROW(dbgwvr##n, 0x0000fffffffffff8ull, 0, ALL, WRP, n) \
    ROW(dbgwcr##n, 0x1ffe, 0, ALL, WRP, n)
static const struct reg regs[] = {SIMPLE(ROW_SIMPLE) SETTERS(ROW_SETTER) EVENTS(ROW_EVENT)
                                      EACH_OF_16(ROW_DEBUG)};

/* What is not in that table comes behind it. */
enum { X0, NZCV = X0 + 31, SP, Z, P, FFR, V, NR_CANARIES };
#define NR_REGS (sizeof(regs) / sizeof(regs[0]))
static const char *const more_names[] = {
    [NZCV] = "nzcv", [SP] = "sp_el1", [Z] = "z", [P] = "p", [FFR] = "ffr", [V] = "v"};

struct cpu {
    uint64_t seed;
    uint64_t expected[NR_REGS];
    uint64_t v[64];
    uint64_t z[32 * 32], p[17 * 4]; /* of 2048 bits */
};
static struct cpu cpus[CPUS];
static bool exists[NR_REGS], is_constant[NR_REGS];
static bool has_sve;
static struct {
    uint64_t expected, got;
    unsigned cpu, count;
} lost[NR_REGS + NR_CANARIES];
static volatile unsigned token, done, laps = LAPS;

static uint64_t next_random(struct cpu *cpu)
{
    cpu->seed ^= cpu->seed << 13;
    cpu->seed ^= cpu->seed >> 7;
    cpu->seed ^= cpu->seed << 17;
    return cpu->seed;
}

/* The bits of `value`, lowest first, where `mask` has ones. */
static uint64_t deposit(uint64_t value, uint64_t mask)
{
    uint64_t result = 0;

    for (; mask; mask &= mask - 1, value >>= 1)
        result |= value & 1 ? mask & -mask : 0;
    return result;
}

static void found(unsigned what, unsigned cpu, uint64_t expected, uint64_t got)
{
    if (expected == got || lost[what].count++ != 0)
        return;
    lost[what].cpu = cpu;
    lost[what].expected = expected;
    lost[what].got = got;
}

static void write_all(unsigned index)
{
    struct cpu *cpu = &cpus[index];
    uint64_t *ffr;

    for (unsigned i = 0; i < NR_REGS; i++) {
        if (!exists[i])
            continue;
        regs[i].write(regs[i].fixed | deposit(next_random(cpu) << 2 | index, regs[i].mask));
        cpu->expected[i] = regs[i].read() & regs[i].seen;
    }
    for (unsigned i = 0; i < 64; i++)
        cpu->v[i] = next_random(cpu);
    if (!has_sve) {
        v_load(cpu->v);
        return;
    }
    for (unsigned i = 0; i < sizeof(cpu->z) / 8; i++)
        cpu->z[i] = next_random(cpu);
    for (unsigned i = 0; i < sizeof(cpu->p) / 8; i++)
        cpu->p[i] = next_random(cpu);
    /* FFR is ones up to an element, and zeroes from there on (Arm ARM B1.2.3). */
    ffr = (uint64_t *)((uint8_t *)cpu->p + 16 * sve_length() / 8);
    for (unsigned i = 0; i < sve_length() / 8; i++)
        ((uint8_t *)ffr)[i] = i < 4 * index + 1 ? 0xff : 0;
    sve_load(cpu->z, cpu->p);
}

static void check_bytes(unsigned what, unsigned index, const uint64_t *expected,
                        const uint64_t *got, uint64_t bytes)
{
    for (unsigned i = 0; i < bytes / 8; i++)
        found(what, index, expected[i], got[i]);
}

static void check_all(unsigned index)
{
    static struct cpu seen[CPUS];
    struct cpu *cpu = &cpus[index], *now = &seen[index];
    uint64_t vl;

    for (unsigned i = 0; i < NR_REGS; i++) {
        if (exists[i])
            found(i, index, cpu->expected[i], regs[i].read() & regs[i].seen);
    }
    if (!has_sve) {
        v_store(now->v);
        check_bytes(NR_REGS + V, index, cpu->v, now->v, sizeof(cpu->v));
        return;
    }
    vl = sve_length();
    sve_store(now->z, now->p);
    check_bytes(NR_REGS + Z, index, cpu->z, now->z, 32 * vl);
    check_bytes(NR_REGS + P, index, cpu->p, now->p, 16 * vl / 8);
    check_bytes(NR_REGS + FFR, index, cpu->p + 16 * vl / 64, now->p + 16 * vl / 64, vl / 8);
}

static void go_away(unsigned index, void (*code)(struct gpr *gpr), uint64_t x0)
{
    struct cpu *cpu = &cpus[index];
    struct gpr before, after;

    for (unsigned i = 0; i < 31; i++)
        before.x[i] = next_random(cpu);
    if (x0)
        before.x[0] = x0;
    before.nzcv = next_random(cpu) & 0xf0000000u;
    after = before;
    code(&after);
    for (unsigned i = x0 ? 1 : 0; i < 31; i++)
        found(NR_REGS + X0 + i, index, before.x[i], after.x[i]);
    found(NR_REGS + NZCV, index, before.nzcv, after.nzcv);
    found(NR_REGS + SP, index, after.sp[0], after.sp[1]);
    check_all(index);
}

/* The SGI is pending, and masked: what woke the CPU is taken without an exception. */
static void take_sgi(void)
{
    uint32_t intid = (uint32_t)ICC_READ(ICC_IAR1);

    if (intid != GIC_SPURIOUS)
        ICC_WRITE(ICC_EOIR1, intid);
}

static void pass_the_token(unsigned index)
{
    uint64_t start = counter();

    for (unsigned lap = 0; lap < laps; lap++) {
        while (token != index) {
            go_away(index, canary_wfi, 0);
            take_sgi();
        }
        if (lap % REFRESH == index)
            write_all(index);
        /* All are in this lap, and the others look at this before they begin the next. */
        if (index == 0 && lap >= LEAST && counter() - start > ticks_from_us(TIME_US))
            laps = lap + 1;
        token = (index + 1) % CPUS;
        gic_send_sgi(SGI, 1u << token);
    }
}

static void work(unsigned index)
{
    cpus[index].seed = 0x9e3779b97f4a7c15ull + index;
    write_all(index);
    pass_the_token(index);
    for (unsigned i = 0; i < SPINS; i++) {
        go_away(index, canary_spin, SPIN);
        write_all(index);
    }
    __asm__ volatile("dsb sy" ::: "memory");
}

static void enable_sgi(unsigned index)
{
    uint64_t frame = GICR_BASE + index * GICR_STRIDE;

    mmio_write32(frame + GICR_WAKER, 0);
    frame += SGI_BASE - GICR_BASE;
    mmio_write32(frame + GIC_IGROUPR, W32);
    mmio_write32(frame + GIC_IPRIORITYR, GIC_PRIORITY * 0x01010101u);
    mmio_write32(frame + GIC_ISENABLER, 1u << SGI);
}

void canary_exception(void)
{
    note("slot of VBAR 0x%lx ESR 0x%lx", READ_SYSREG(vbar_el1), READ_SYSREG(esr_el1));
    check_true(false, "no_exception: ELR 0x%lx FAR 0x%lx", READ_SYSREG(elr_el1),
               READ_SYSREG(far_el1));
    finish();
}

void canary_main(uint64_t index)
{
    WRITE_SYSREG(vbar_el1, (uint64_t)canary_vectors);
    enable_sgi((unsigned)index);
    gic_init_cpu();
    work((unsigned)index);
    __atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
    psci(PSCI_CPU_OFF, 0, 0, 0);
    for (;;)
        wfi();
}

/* Which registers there are, and which of them can hold anything. */
static void find_registers(void)
{
    uint64_t isar1 = READ_SYSREG(id_aa64isar1_el1), pfr0 = READ_SYSREG(id_aa64pfr0_el1);
    uint64_t dfr0 = READ_SYSREG(id_aa64dfr0_el1), isar2 = READ_SYSREG(s3_0_c0_c6_2);
    bool has_pmu = (dfr0 >> 8 & 0xf) != 0;
    uint64_t events = has_pmu ? READ_SYSREG(pmcr_el0) >> 11 & 0x1f : 0;

    has_sve = (pfr0 >> 32 & 0xf) != 0;
    WRITE_SYSREG(cpacr_el1, 0x330000);
    for (unsigned i = 0; i < NR_REGS; i++) {
        switch (regs[i].need) {
        case ALWAYS: exists[i] = true; break;
        case PAUTH: exists[i] = (isar1 & 0xff0) != 0 || (isar2 & 0xf000) != 0; break;
        case SVE: exists[i] = has_sve; break;
        case RAS: exists[i] = (pfr0 >> 28 & 0xf) != 0; break;
        case PMU: exists[i] = has_pmu; break;
        case BRP: exists[i] = regs[i].n <= (dfr0 >> 12 & 0xf); break;
        case WRP: exists[i] = regs[i].n <= (dfr0 >> 20 & 0xf); break;
        case EVENT: exists[i] = regs[i].n < events; break;
        }
    }
}

/* A register that reads the same for all CPUs, whatever was written, proves nothing. */
static void find_constants(void)
{
    for (unsigned i = 0; i < NR_REGS; i++) {
        is_constant[i] = true;
        for (unsigned cpu = 1; cpu < CPUS; cpu++)
            is_constant[i] &= cpus[cpu].expected[i] == cpus[0].expected[i];
    }
}

static void report(unsigned what, const char *name)
{
    if (lost[what].count)
        note("CPU %u: %s was 0x%lx is 0x%lx", lost[what].cpu, name, lost[what].expected,
             lost[what].got);
    check(lost[what].count, 0, "%s_is_kept", name);
}

void test_main(void)
{
    unsigned empty = 0;

    gic_init();
    WRITE_SYSREG(vbar_el1, (uint64_t)canary_vectors);
    gic_enable(SGI);
    find_registers();
    for (unsigned i = 1; i < CPUS; i++)
        check((uint64_t)psci(PSCI_CPU_ON64, i, (uint64_t)canary_start, i), PSCI_SUCCESS,
              "cpu_%u_starts", i);
    work(0);
    while (done < CPUS - 1)
        ;
    find_constants();
    for (unsigned i = 0; i < NR_REGS; i++) {
        if (exists[i])
            report(i, regs[i].name);
        if (exists[i] && is_constant[i])
            note("%s is constant here", regs[i].name);
        empty += exists[i] && is_constant[i];
    }
    for (unsigned i = 0; i < 31; i++)
        check(lost[NR_REGS + X0 + i].count, 0, "x%u_is_kept", i);
    for (unsigned i = NZCV; i < NR_CANARIES; i++) {
        if (has_sve ? i != V : i < Z || i > FFR)
            report(NR_REGS + i, more_names[i]);
    }
    check_true(empty <= 6, "hardly_any_register_is_constant");
    note("%u passes of the token", laps * CPUS);
}
